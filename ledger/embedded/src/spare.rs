//! The next segment: filled with zeros ahead of time, then given its header and its name.
//!
//! | step | a crash here leaves | who repairs it |
//! |---|---|---|
//! | 1. create `spare.segment`, write zeros | a shorter or longer file of zeros, or none | opening removes it |
//! | 2. sync it | the same | the same |
//! | 3. write the header | zeros with some of the header | the same |
//! | 4. sync it | the same | the same |
//! | 5. rename it to its first leaf | either name, whole file | opening removes the spare, or goes on in the segment |
//! | 6. sync the directory | the segment, empty | opening goes on in it |
//!
//! So a file with the name of a segment is whole whenever anybody sees it.

use std::{
    io,
    path::{Path, PathBuf},
};

use crate::{
    disk::{Disk, DiskFile},
    index::SegmentFile,
    segment::{SPARE_NAME, SegmentHeader, file_name},
};

/// Why something was not written.
#[derive(Debug)]
pub(crate) enum Failure {
    /// Nothing has changed that anybody could see.
    NotStored(io::Error),
    /// Nobody can say what is on the disk: the process must end, and a new one read what is there.
    Fatal(io::Error),
}

/// A file of zeros that are durable.
#[derive(Debug)]
pub(crate) struct Spare {
    path: PathBuf,
    pub(crate) bytes: u64,
    file: Box<dyn DiskFile>,
}

/// Steps 1 and 2.
pub(crate) fn prepare(disk: &dyn Disk, log_dir: &Path, bytes: u64) -> Result<Spare, Failure> {
    remove(disk, log_dir).map_err(Failure::NotStored)?;
    let path = log_dir.join(SPARE_NAME);
    let file = disk.create(&path).map_err(Failure::NotStored)?;
    if let Err(error) = file.write_zeros_at(0, bytes) {
        // The space is better used by somebody else; if it cannot be removed, the next attempt does it.
        drop(file);
        if let Err(error) = remove(disk, log_dir) {
            tracing::debug!(%error, "a spare segment stays behind");
        }
        return Err(Failure::NotStored(error));
    }
    file.sync_data().map_err(Failure::Fatal)?;
    Ok(Spare { path, bytes, file })
}

/// Steps 3 to 6.
pub(crate) fn install(
    disk: &dyn Disk,
    log_dir: &Path,
    spare: Spare,
    header: &SegmentHeader,
) -> Result<SegmentFile, Failure> {
    spare.file.write_all_at(&header.encode(), 0).map_err(Failure::NotStored)?;
    spare.file.sync_data().map_err(Failure::Fatal)?;
    let path = log_dir.join(file_name(header.first));
    match disk.rename(&spare.path, &path) {
        Ok(()) => {}
        // A directory that cannot grow has not changed.
        Err(error) if is_no_space(&error) => return Err(Failure::NotStored(error)),
        Err(error) => return Err(Failure::Fatal(error)),
    }
    disk.sync_dir(log_dir).map_err(Failure::Fatal)?;
    Ok(SegmentFile { path, bytes: spare.bytes, file: spare.file })
}

/// Removes what never became a segment.
pub(crate) fn remove(disk: &dyn Disk, log_dir: &Path) -> io::Result<()> {
    match disk.remove(&log_dir.join(SPARE_NAME)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// Whether the disk, or the quota on it, is full.
pub(crate) fn is_no_space(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}
