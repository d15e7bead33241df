//! The last checkpoint, in files beside the log.
//!
//! ```text
//! store   write checkpoint.new        survives kill -9 (it is in the page cache); a crash in the middle may spoil it
//! sync    fdatasync checkpoint.new
//!         make checkpoint.next        zeros: room for the one after, so that a full disk never stops checkpoints
//!         rename to checkpoint.last   one of the two is there, whole, whatever a crash leaves
//!         fsync the directory
//! ```
//!
//! On a full disk `checkpoint.next` cannot be made; then `checkpoint.new` stays where it is and is written over in place.
//!
//! Both hold a C2SP signed note as it was published, so that any tool can read them. A spoilt `checkpoint.new` is
//! recognised by its signature and ignored.
//!
//! A ledger with a twin tree keeps the twin's checkpoint the same way: `checkpoint.sm3.new`, `checkpoint.sm3.next`,
//! `checkpoint.sm3`.

use std::{
    io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use mediation_ledger::store::{CheckpointStore, StoredCheckpoints};

use crate::disk::{Access, Disk, DiskFile, named};

/// Bytes of a note that will be read: more than any with all its cosignatures.
const NOTE_BYTES_MAX: u64 = 64 * 1024;

/// Name of the file with the last synced checkpoint.
pub const LAST: &str = "checkpoint.last";

/// Name of the file with one that is not synced yet.
pub const NEW: &str = "checkpoint.new";

/// Name of the file of zeros that becomes the next one that is not synced.
pub const NEXT: &str = "checkpoint.next";

/// Names of the files of one tree's checkpoints.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Names {
    /// The last synced checkpoint.
    pub last: &'static str,
    /// One that is not synced yet.
    pub new: &'static str,
    /// Zeros, which become the next one that is not synced.
    pub next: &'static str,
}

/// Names of the files of the tree over SHA-256.
pub const TREE: Names = Names { last: LAST, new: NEW, next: NEXT };

/// Names of the files of the twin tree over SM3.
pub const TWIN: Names = Names { last: "checkpoint.sm3", new: "checkpoint.sm3.new", next: "checkpoint.sm3.next" };

/// Bytes of `checkpoint.next`: a note with its log's signature fits into what a file system gives for one.
const NEXT_BYTES: u64 = 1_024;

/// The last checkpoint, in files.
#[derive(Debug)]
pub struct CheckpointFiles {
    disk: Arc<dyn Disk>,
    directory: PathBuf,
    names: Names,
    /// `checkpoint.new`, while it is not synced.
    unsynced: Mutex<Option<Box<dyn DiskFile>>>,
}

impl CheckpointFiles {
    /// The checkpoint files of a directory. Nothing is created yet.
    #[must_use]
    pub fn new(disk: Arc<dyn Disk>, directory: PathBuf) -> Self {
        Self::named(disk, directory, TREE)
    }

    /// The checkpoint files of these names. Nothing is created yet.
    #[must_use]
    pub fn named(disk: Arc<dyn Disk>, directory: PathBuf, names: Names) -> Self {
        Self { disk, directory, names, unsynced: Mutex::new(None) }
    }

    /// The file that is written over until it is synced: the one that a crash left, or the room that was made for it.
    fn unsynced_file(&self) -> io::Result<Box<dyn DiskFile>> {
        let (new, next) = (self.directory.join(self.names.new), self.directory.join(self.names.next));
        if !self.disk.exists(&new)? {
            if !self.disk.exists(&next)? {
                return self.disk.create(&new);
            }
            self.disk.rename(&next, &new)?;
        }
        self.disk.open(&new, Access::Write)
    }

    fn make_next(&self) -> io::Result<()> {
        let next = self.directory.join(self.names.next);
        if self.disk.exists(&next)? {
            return Ok(());
        }
        let file = self.disk.create(&next)?;
        let made = file.write_zeros_at(0, NEXT_BYTES).and_then(|()| file.sync_data());
        if made.is_err() {
            // An empty file is no room.
            self.disk.remove(&next)?;
        }
        made
    }

    fn read(&self, name: &str) -> io::Result<Option<String>> {
        let path = self.directory.join(name);
        self.read_at(&path).map_err(named(&path))
    }

    fn read_at(&self, path: &Path) -> io::Result<Option<String>> {
        if !self.disk.exists(path)? {
            return Ok(None);
        }
        let file = self.disk.open(path, Access::Read)?;
        let length = file.len()?;
        if length > NOTE_BYTES_MAX {
            return Err(io::Error::other(format!("it has {length} bytes, more than a checkpoint")));
        }
        let mut bytes = vec![0; usize::try_from(length).unwrap_or_default()];
        file.read_exact_at(&mut bytes, 0)?;
        // What is no text verifies as little as a text that is no note.
        Ok(Some(String::from_utf8_lossy(&bytes).into_owned()))
    }
}

impl CheckpointStore for CheckpointFiles {
    fn blocks(&self) -> bool {
        self.disk.blocks()
    }

    fn load(&self) -> io::Result<StoredCheckpoints> {
        Ok(StoredCheckpoints { synced: self.read(self.names.last)?, unsynced: self.read(self.names.new)? })
    }

    fn store(&self, note: &str) -> io::Result<()> {
        let mut unsynced = self.unsynced.lock().unwrap_or_else(PoisonError::into_inner);
        if unsynced.is_none() {
            *unsynced = Some(self.unsynced_file()?);
        }
        let Some(file) = unsynced.as_ref() else { return Err(io::Error::other("the file was just created")) };
        file.write_all_at(note.as_bytes(), 0)?;
        // Every time: after a sync that failed, nobody can say whether the file was cut on the disk before.
        file.set_len(note.len() as u64)
    }

    fn sync(&self) -> io::Result<()> {
        let mut unsynced = self.unsynced.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(file) = unsynced.as_ref() else { return Ok(()) };
        file.sync_data()?;
        match self.make_next() {
            // Room for one checkpoint is what stands there already.
            Err(error) if error.kind() == io::ErrorKind::StorageFull => return Ok(()),
            made => made?,
        }
        self.disk.rename(&self.directory.join(self.names.new), &self.directory.join(self.names.last))?;
        // From here on the file is `checkpoint.last`, and must not be written over.
        *unsynced = None;
        self.disk.sync_dir(&self.directory)
    }
}
