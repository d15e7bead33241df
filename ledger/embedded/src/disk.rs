//! The seam to the file system: the few operations that durability is made of, so that a simulated disk can stand in.
//!
//! ```text
//! write_at        in the page cache; after a crash each sector of it may be there, absent, or torn
//! sync_data       what was written to this file before, and its length, outlive a crash
//! create, rename, remove, create_dir    in the page cache too, until
//! sync_dir        the names in this directory outlive a crash
//! ```
//!
//! Everything blocks, unless [`Disk::blocks`] says otherwise; it is called from threads made for it. An operation that failed may have been done in part. After
//! a failed `sync_data` or `sync_dir` nobody may rely on what was written before it, and a second call that succeeds
//! proves nothing: the kernel has marked the pages clean.

use std::{fmt, io, path::Path};

use tokio::task::{JoinHandle, spawn_blocking};

mod real;
#[cfg(any(test, feature = "testing"))]
mod simulated;

pub use self::real::RealDisk;
#[cfg(any(test, feature = "testing"))]
pub use self::simulated::SimulatedDisk;

/// Bytes written at once when a file is filled with zeros.
const ZERO_BYTES: usize = 256 * 1024;

/// An error that says which file it is about, where whoever is told of it could not know.
pub(crate) fn named(path: &Path) -> impl Fn(io::Error) -> io::Error {
    move |error| io::Error::new(error.kind(), format!("`{}`: {error}", path.display()))
}

/// What a file is opened for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Reading only, so that a verifier needs no right to write.
    Read,
    /// Reading and writing.
    Write,
}

/// A file system.
pub trait Disk: fmt::Debug + Send + Sync + 'static {
    /// Creates an empty file, for reading and writing. Outlives a crash only after [`Disk::sync_dir`].
    ///
    /// # Errors
    /// [`io::ErrorKind::AlreadyExists`] when the name is taken; anything the system says.
    fn create(&self, path: &Path) -> io::Result<Box<dyn DiskFile>>;

    /// Opens a file that exists.
    ///
    /// # Errors
    /// [`io::ErrorKind::NotFound`] when it does not; anything the system says.
    fn open(&self, path: &Path, access: Access) -> io::Result<Box<dyn DiskFile>>;

    /// Creates a directory and the ones above it; nothing happens when it is there.
    ///
    /// # Errors
    /// Anything the system says.
    fn create_dir(&self, path: &Path) -> io::Result<()>;

    /// Names in a directory, sorted. A name that is not UTF-8 is shown with replacement characters.
    ///
    /// # Errors
    /// [`io::ErrorKind::NotFound`] when there is no such directory; anything the system says.
    fn list(&self, dir: &Path) -> io::Result<Vec<String>>;

    /// Whether there is a file or directory of this name.
    ///
    /// # Errors
    /// Anything the system says.
    fn exists(&self, path: &Path) -> io::Result<bool>;

    /// Gives a file another name, in place of the file that had it. Atomic; outlives a crash only after
    /// [`Disk::sync_dir`] on both directories.
    ///
    /// # Errors
    /// Anything the system says.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Removes a file.
    ///
    /// # Errors
    /// Anything the system says.
    fn remove(&self, path: &Path) -> io::Result<()>;

    /// Makes the names in a directory outlive a crash.
    ///
    /// # Errors
    /// Anything the system says; see the head of the module for what an error means.
    fn sync_dir(&self, dir: &Path) -> io::Result<()>;

    /// Takes the exclusive lock of a lock file, which is created when missing; dropping the value gives it back, and so
    /// does the end of the process.
    ///
    /// # Errors
    /// [`LockError::Held`] when somebody has it.
    fn lock(&self, path: &Path) -> Result<Box<dyn DiskLock>, LockError>;

    /// Whether an operation may hold up whoever calls it, so that it belongs on a thread of its own. Where it may not, a
    /// log and a vault start no threads: everything happens in turn in the tasks of the runtime, and what happens in
    /// which order follows from the tasks alone.
    fn blocks(&self) -> bool {
        true
    }
}

/// Does work that reads or writes on a thread of its own where it may hold up the runtime, else as a task.
pub(crate) fn off_the_runtime<T: Send + 'static>(
    blocks: bool,
    work: impl FnOnce() -> T + Send + 'static,
) -> JoinHandle<T> {
    if blocks { spawn_blocking(work) } else { tokio::spawn(async move { work() }) }
}

/// An open file. Positions are explicit; there is no cursor to share.
#[expect(clippy::len_without_is_empty, reason = "nobody asks a file whether it is empty")]
pub trait DiskFile: fmt::Debug + Send + Sync {
    /// Reads at a position; may read less than asked for, and nothing at the end.
    ///
    /// # Errors
    /// Anything the system says.
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize>;

    /// Writes at a position, growing the file where it must; may write less than asked for.
    ///
    /// # Errors
    /// [`io::ErrorKind::StorageFull`] when the disk is full; anything else the system says.
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize>;

    /// Makes what was written outlive a crash (`fdatasync`).
    ///
    /// # Errors
    /// Anything the system says; see the head of the module for what an error means.
    fn sync_data(&self) -> io::Result<()>;

    /// Bytes of the file.
    ///
    /// # Errors
    /// Anything the system says.
    fn len(&self) -> io::Result<u64>;

    /// Cuts the file, or grows it by a hole that reads as zeros.
    ///
    /// # Errors
    /// Anything the system says.
    fn set_len(&self, bytes: u64) -> io::Result<()>;

    /// Fills the whole buffer, reading as often as it takes.
    ///
    /// # Errors
    /// [`io::ErrorKind::UnexpectedEof`] when the file ends before; anything the system says.
    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        let mut rest = buffer;
        let mut at = offset;
        while !rest.is_empty() {
            let read = match self.read_at(rest, at) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(read) => read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            at += read as u64;
            rest = rest.get_mut(read..).unwrap_or_default();
        }
        Ok(())
    }

    /// Writes all bytes, as often as it takes. What was written before an error stays.
    ///
    /// # Errors
    /// [`io::ErrorKind::WriteZero`] when the file takes no more; anything the system says.
    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let mut rest = bytes;
        let mut at = offset;
        while !rest.is_empty() {
            let written = match self.write_at(rest, at) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => written,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            at += written as u64;
            rest = rest.get(written..).unwrap_or_default();
        }
        Ok(())
    }

    /// Writes zeros over `bytes` bytes from `offset` on. Written zeros, not a hole or a reservation: a later write into
    /// them changes no metadata, so its sync is one flush.
    ///
    /// # Errors
    /// As [`DiskFile::write_all_at`].
    fn write_zeros_at(&self, offset: u64, bytes: u64) -> io::Result<()> {
        let zeros = vec![0; usize::try_from(bytes).map_or(ZERO_BYTES, |bytes| bytes.min(ZERO_BYTES))];
        let mut at = offset;
        let mut rest = bytes;
        while rest > 0 {
            let step = usize::try_from(rest).map_or(zeros.len(), |rest| rest.min(zeros.len()));
            self.write_all_at(zeros.get(..step).unwrap_or_default(), at)?;
            at += step as u64;
            rest -= step as u64;
        }
        Ok(())
    }
}

/// A lock that is held; dropping it gives it back.
pub trait DiskLock: fmt::Debug + Send + Sync {}

/// Why a lock could not be taken.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LockError {
    /// Somebody else has it.
    #[error("held by {holder}")]
    Held {
        /// What the holder wrote into the lock file: `process 4711`.
        holder: String,
    },
    /// The lock file cannot be used.
    #[error("the lock file cannot be used")]
    Io(#[from] io::Error),
}
