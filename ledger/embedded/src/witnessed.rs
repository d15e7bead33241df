//! The last checkpoint that a quorum of witnesses has cosigned, in a file beside the log.
//!
//! ```text
//! store   write checkpoint.witnessed.new, fdatasync it        a crash here leaves a file that the next store writes over
//!         rename to checkpoint.witnessed                       one of the two is there, whole
//!         fsync the directory                                  from here on it survives a power cut
//! ```

use std::{
    io,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
};

use mediation_ledger::{note::NOTE_BYTES_MAX, store::WitnessedStore};

use crate::disk::{Access, Disk};

/// Name of the file.
pub const WITNESSED: &str = "checkpoint.witnessed";

/// Name of the file while it is written.
pub const WITNESSED_NEW: &str = "checkpoint.witnessed.new";

/// The file in a directory.
#[derive(Debug)]
pub struct WitnessedFile {
    disk: Arc<dyn Disk>,
    directory: PathBuf,
    /// One store at a time: two would write the same new file.
    storing: Mutex<()>,
}

impl WitnessedFile {
    /// The file of a directory. Nothing is created yet.
    #[must_use]
    pub fn new(disk: Arc<dyn Disk>, directory: PathBuf) -> Self {
        Self { disk, directory, storing: Mutex::new(()) }
    }
}

impl WitnessedStore for WitnessedFile {
    fn load(&self) -> io::Result<Option<String>> {
        let path = self.directory.join(WITNESSED);
        if !self.disk.exists(&path)? {
            return Ok(None);
        }
        let file = self.disk.open(&path, Access::Read)?;
        let length = usize::try_from(file.len()?).unwrap_or(usize::MAX);
        if length > NOTE_BYTES_MAX {
            return Err(io::Error::other(format!("`{WITNESSED}` has {length} bytes, more than a checkpoint")));
        }
        let mut bytes = vec![0; length];
        file.read_exact_at(&mut bytes, 0)?;
        Ok(Some(String::from_utf8_lossy(&bytes).into_owned()))
    }

    fn store(&self, note: &str) -> io::Result<()> {
        let _storing = self.storing.lock().unwrap_or_else(PoisonError::into_inner);
        let new = self.directory.join(WITNESSED_NEW);
        let file = match self.disk.create(&new) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => self.disk.open(&new, Access::Write)?,
            created => created?,
        };
        file.set_len(0)?;
        file.write_all_at(note.as_bytes(), 0)?;
        file.sync_data()?;
        drop(file);
        self.disk.rename(&new, &self.directory.join(WITNESSED))?;
        self.disk.sync_dir(&self.directory)
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::disk::SimulatedDisk;

    fn store(disk: &SimulatedDisk) -> WitnessedFile {
        WitnessedFile::new(Arc::new(disk.clone()), Path::new("/ledger").to_owned())
    }

    #[test]
    fn whatever_fails_before_a_crash_the_old_note_or_the_new_one_is_there() {
        let (first, second) = ("first, and longer than the second\n", "second\n");
        for failing in 1..=9 {
            for seed in 0..12 {
                let disk = SimulatedDisk::new();
                disk.create_dir(Path::new("/ledger")).unwrap();
                disk.sync_dir(Path::new("/")).unwrap();
                store(&disk).store(first).unwrap();
                disk.fail_operation(failing);
                let stored = store(&disk).store(second).is_ok();
                let disk = disk.crash(seed);
                let loaded = store(&disk).load().unwrap();
                let whole = loaded.as_deref() == Some(second) || (loaded.as_deref() == Some(first) && !stored);
                assert!(whole, "operation {failing} fails, seed {seed}: {loaded:?}");
                store(&disk).store("third\n").unwrap();
                assert_eq!(store(&disk).load().unwrap().as_deref(), Some("third\n"));
            }
        }
    }

    #[test]
    fn nothing_is_there_before_the_first_note() {
        assert_eq!(store(&SimulatedDisk::new()).load().unwrap(), None);
    }
}
