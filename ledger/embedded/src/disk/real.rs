//! The file system of the machine.

use std::{
    fs::{self, File, OpenOptions},
    io,
    os::unix::fs::OpenOptionsExt as _,
    path::Path,
    process,
};

use rustix::fs::{Advice, FlockOperation, fadvise, flock, statvfs};

use super::{Access, Disk, DiskFile, DiskLock, LockError, named};

/// The file system of the machine.
#[derive(Debug, Clone, Copy, Default)]
pub struct RealDisk;

impl RealDisk {
    /// Lets the page cache forget a file, so that it is read from the disk again. What is not written back yet stays.
    ///
    /// # Errors
    /// Anything the system says.
    pub fn forget(&self, path: &Path) -> io::Result<()> {
        Ok(fadvise(File::open(path)?, 0, None, Advice::DontNeed)?)
    }

    /// Bytes that are left on the file system of a path, and bytes that it has.
    ///
    /// # Errors
    /// Anything the system says.
    pub fn space(&self, path: &Path) -> io::Result<(u64, u64)> {
        let system = statvfs(path)?;
        Ok((system.f_bavail.saturating_mul(system.f_frsize), system.f_blocks.saturating_mul(system.f_frsize)))
    }
}

impl Disk for RealDisk {
    fn create(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        // The log's ciphertext and the vault's keys are the operator's alone.
        Ok(Box::new(File::options().read(true).write(true).create_new(true).mode(0o600).open(path)?))
    }

    fn open(&self, path: &Path, access: Access) -> io::Result<Box<dyn DiskFile>> {
        // Before it is opened: opening a pipe waits for somebody who writes to it, and a device may have no end.
        if !fs::metadata(path)?.is_file() {
            return Err(io::Error::other("it is no file"));
        }
        Ok(Box::new(OpenOptions::new().read(true).write(access == Access::Write).open(path)?))
    }

    fn create_dir(&self, path: &Path) -> io::Result<()> {
        fs::create_dir_all(path)
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        let mut names = fs::read_dir(dir)?
            .map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()))
            .collect::<io::Result<Vec<_>>>()?;
        names.sort_unstable();
        Ok(names)
    }

    fn exists(&self, path: &Path) -> io::Result<bool> {
        fs::exists(path).map_err(named(path))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        File::open(dir)?.sync_all()
    }

    fn lock(&self, path: &Path) -> Result<Box<dyn DiskLock>, LockError> {
        let named = named(path);
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path).map_err(&named)?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(rustix::io::Errno::WOULDBLOCK) => {
                let holder = fs::read_to_string(path).unwrap_or_default();
                let holder = holder.lines().next().unwrap_or("a process that is just starting").to_owned();
                return Err(LockError::Held { holder });
            }
            Err(error) => return Err(LockError::Io(named(error.into()))),
        }
        // The text only tells people who it is; the lock itself is the kernel's and ends with the process.
        file.set_len(0).map_err(&named)?;
        file.write_all_at(format!("process {}\n", process::id()).as_bytes(), 0).map_err(named)?;
        Ok(Box::new(RealLock { file }))
    }
}

impl DiskFile for File {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        std::os::unix::fs::FileExt::read_at(self, buffer, offset)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize> {
        std::os::unix::fs::FileExt::write_at(self, bytes, offset)
    }

    fn sync_data(&self) -> io::Result<()> {
        Self::sync_data(self)
    }

    fn len(&self) -> io::Result<u64> {
        Ok(self.metadata()?.len())
    }

    fn set_len(&self, bytes: u64) -> io::Result<()> {
        Self::set_len(self, bytes)
    }
}

#[derive(Debug)]
struct RealLock {
    file: File,
}

impl DiskLock for RealLock {}

impl Drop for RealLock {
    /// Gives the lock back. Closing the file would not do that at once: a child process that another thread is just starting has
    /// a copy of it until its program runs.
    fn drop(&mut self) {
        if let Err(error) = flock(&self.file, FlockOperation::Unlock) {
            tracing::warn!(%error, "the lock of the log is given back only when this process ends");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_that_is_given_back_is_free_while_a_child_has_a_copy_of_its_file() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("log.lock");
        let lock = RealDisk.lock(&path).unwrap();
        let second = RealDisk.lock(&path);
        assert!(matches!(&second, Err(LockError::Held { holder }) if holder.starts_with("process ")), "{second:?}");
        drop(lock);

        let locked = File::options().write(true).open(&path).unwrap();
        flock(&locked, FlockOperation::NonBlockingLockExclusive).unwrap();
        let copy = locked.try_clone().unwrap();
        drop(RealLock { file: locked });
        drop(RealDisk.lock(&path).unwrap());
        drop(copy);
    }
}
