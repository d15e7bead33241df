//! Copies of the segments of a log that somebody may be writing, up to a leaf that a checkpoint covers.
//!
//! ```text
//! segment with a successor, all of its leaves below the end     byte for byte; it never changes again
//! segment that the end falls into                               whole batches, then the beginning of the batch that has the
//!                                                               end, under a header of its own; then zeros
//! segments that begin at the end or behind it                   not copied
//! ```
//!
//! What a checkpoint covers was durable before it was signed, so it is whole for every reader. Behind it stand batches that
//! are being written, that nobody has been answered about, and that a power cut may take back: a copy with them could be
//! another history than the log's own. Therefore the copy ends where the checkpoint does, and is a log that was closed
//! there: [`scan`](crate::scan) finds the checkpoint's root in it.

use std::{
    io,
    path::{Path, PathBuf},
};

use mediation_ledger::merkle::{LeafIndex, TreeSize};
use sha2::{Digest as _, Sha256};

use crate::{
    disk::{Access, Disk, DiskFile},
    scan::log_dir,
    segment::{
        BATCH_HEADER_BYTES, BatchHeader, Fault, Frame, Problem, RECORD_HEAD_BYTES, SEGMENT_HEADER_BYTES, SegmentHeader,
        Window, first_leaf,
    },
};

/// Bytes copied at once.
const WINDOW_BYTES: usize = 1024 * 1024;

/// A segment of a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Segment {
    /// Name of the file in `log/`.
    pub name: String,
    /// Number of its first leaf.
    pub first: LeafIndex,
}

/// What a copy is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Copied {
    /// Bytes of the file.
    pub bytes: u64,
    /// SHA-256 of the file.
    pub sha256: [u8; 32],
}

/// How much of a segment is copied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extent {
    /// All of it: it has a successor.
    Whole,
    /// The leaves before this one.
    Before(LeafIndex),
}

/// Why a segment was not copied.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CopyError {
    /// The log is damaged before the end of what was to be copied, or ends before it.
    #[error("{0}")]
    Damaged(#[from] Fault),
    /// The source cannot be read.
    #[error("cannot read `{}`", file.display())]
    Read {
        /// File or directory.
        file: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The copy cannot be written: the disk is full, or forbids it.
    #[error("cannot write `{}`", file.display())]
    Write {
        /// File.
        file: PathBuf,
        /// What the system says.
        source: io::Error,
    },
}

/// The segments of the log in a directory, in their order.
///
/// # Errors
/// There is no log, or it cannot be listed.
pub fn segments(disk: &dyn Disk, dir: &Path) -> Result<Vec<Segment>, CopyError> {
    let log = log_dir(dir);
    let names = disk.list(&log).map_err(unread(&log))?;
    let segments: Vec<Segment> =
        names.into_iter().filter_map(|name| first_leaf(&name).map(|first| Segment { name, first })).collect();
    if segments.is_empty() {
        return Err(Fault { file: log, offset: 0, problem: Problem::Missing }.into());
    }
    Ok(segments)
}

/// Leaves that are written: everything that anybody was answered about, and perhaps the batch that is being written.
///
/// # Errors
/// There is no log, or its last segment cannot be read.
pub fn written(disk: &dyn Disk, dir: &Path) -> Result<TreeSize, CopyError> {
    let segments = segments(disk, dir)?;
    let mut size = segments.last().map_or(0, |segment| segment.first.0);
    let Some(last) = segments.last() else { return Ok(TreeSize(size)) };
    let path = log_dir(dir).join(&last.name);
    let read = unread(&path);
    let file = disk.open(&path, Access::Read).map_err(&read)?;
    let mut window = Window::new(&*file, file.len().map_err(&read)?, WINDOW_BYTES);
    let mut at = SEGMENT_HEADER_BYTES as u64;
    while let Some(header) = BatchHeader::decode(window.bytes(at, BATCH_HEADER_BYTES).map_err(&read)?) {
        size += u64::from(header.count);
        at += BATCH_HEADER_BYTES as u64 + u64::from(header.payload_bytes);
    }
    Ok(TreeSize(size))
}

/// Copies a segment into a file that must not exist, and syncs it; its name is durable when its directory is synced.
///
/// # Errors
/// The segment is damaged, or ends before the end of what was to be copied; a file cannot be read or written.
pub fn copy_segment(disk: &dyn Disk, from: &Path, to: &Path, extent: Extent) -> Result<Copied, CopyError> {
    let read = unread(from);
    let source = disk.open(from, Access::Read).map_err(&read)?;
    let bytes = source.len().map_err(&read)?;
    let mut source = Source { path: from, bytes, window: Window::new(&*source, bytes, WINDOW_BYTES) };
    let mut target = Target::create(disk, to)?;
    match extent {
        Extent::Whole => source.pass(0, bytes, &mut target)?,
        Extent::Before(end) => source.cut(end, &mut target)?,
    }
    target.zeros_to(bytes)?;
    target.finish()
}

struct Source<'a> {
    path: &'a Path,
    bytes: u64,
    window: Window<'a>,
}

impl Source<'_> {
    fn bytes(&mut self, at: u64, length: usize) -> Result<&[u8], CopyError> {
        self.window.bytes(at, length).map_err(unread(self.path))
    }

    fn fault(&self, offset: u64, problem: Problem) -> CopyError {
        Fault { file: self.path.to_owned(), offset, problem }.into()
    }

    /// Copies bytes as they are.
    fn pass(&mut self, from: u64, to: u64, target: &mut Target<'_>) -> Result<(), CopyError> {
        let mut at = from;
        while at < to {
            let length = usize::try_from(to - at).map_or(WINDOW_BYTES, |rest| rest.min(WINDOW_BYTES));
            let bytes = self.bytes(at, length)?;
            if bytes.is_empty() {
                return Err(self.fault(at, Problem::Length { expected: to, found: at }));
            }
            at += bytes.len() as u64;
            target.write(bytes)?;
        }
        Ok(())
    }

    fn cut(&mut self, end: LeafIndex, target: &mut Target<'_>) -> Result<(), CopyError> {
        let header = SegmentHeader::decode(self.bytes(0, SEGMENT_HEADER_BYTES)?);
        let header = header.map_err(|(offset, problem)| self.fault(offset, problem))?;
        self.pass(0, SEGMENT_HEADER_BYTES as u64, target)?;
        let (mut at, mut next) = (SEGMENT_HEADER_BYTES as u64, header.first.0);
        while next < end.0 {
            let batch = BatchHeader::decode(self.bytes(at, BATCH_HEADER_BYTES)?);
            let batch = batch.ok_or_else(|| self.fault(at, Problem::BatchHeader))?;
            if batch.size != TreeSize(next) {
                return Err(self.fault(at, Problem::BatchSize { expected: TreeSize(next), found: batch.size }));
            }
            let after = at + BATCH_HEADER_BYTES as u64 + u64::from(batch.payload_bytes);
            if after > self.bytes {
                return Err(self.fault(at, Problem::BatchLength));
            }
            let room = end.0 - next;
            if u64::from(batch.count) > room {
                return self.part(at, batch, room, target);
            }
            self.pass(at, after, target)?;
            next += u64::from(batch.count);
            at = after;
        }
        Ok(())
    }

    /// Copies the first records of a batch as a batch of their own.
    fn part(&mut self, at: u64, batch: BatchHeader, count: u64, target: &mut Target<'_>) -> Result<(), CopyError> {
        let payload = at + BATCH_HEADER_BYTES as u64;
        let mut end = payload;
        for number in 0..count {
            let problem = Problem::RecordCrc { leaf: LeafIndex(batch.size.0 + number) };
            let length = Frame::length(self.bytes(end, RECORD_HEAD_BYTES)?);
            let length = length.ok_or_else(|| self.fault(end, problem))?;
            end += length as u64;
        }
        let lacks = || self.fault(at, Problem::BatchLength);
        let payload_bytes = u32::try_from(end - payload).ok().filter(|bytes| *bytes <= batch.payload_bytes);
        let payload_bytes = payload_bytes.ok_or_else(lacks)?;
        let count = u32::try_from(count).map_err(|_| lacks())?;
        target.write(&BatchHeader { count, payload_bytes, ..batch }.encode())?;
        self.pass(payload, end, target)
    }
}

struct Target<'a> {
    path: &'a Path,
    file: Box<dyn DiskFile>,
    at: u64,
    digest: Sha256,
}

impl<'a> Target<'a> {
    fn create(disk: &dyn Disk, path: &'a Path) -> Result<Self, CopyError> {
        let file = disk.create(path).map_err(unwritten(path))?;
        Ok(Self { path, file, at: 0, digest: Sha256::new() })
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), CopyError> {
        self.file.write_all_at(bytes, self.at).map_err(unwritten(self.path))?;
        self.digest.update(bytes);
        self.at += bytes.len() as u64;
        Ok(())
    }

    /// Fills the file with zeros up to a place: a hole, since nobody writes into a copy.
    fn zeros_to(&mut self, end: u64) -> Result<(), CopyError> {
        self.file.set_len(end).map_err(unwritten(self.path))?;
        while self.at < end {
            let zeros = usize::try_from(end - self.at).map_or(ZEROS.len(), |rest| rest.min(ZEROS.len()));
            self.digest.update(ZEROS.get(..zeros).unwrap_or_default());
            self.at += zeros as u64;
        }
        Ok(())
    }

    fn finish(self) -> Result<Copied, CopyError> {
        self.file.sync_data().map_err(unwritten(self.path))?;
        Ok(Copied { bytes: self.at, sha256: self.digest.finalize().into() })
    }
}

static ZEROS: [u8; 64 * 1024] = [0; 64 * 1024];

fn unread(file: &Path) -> impl Fn(io::Error) -> CopyError {
    let file = file.to_owned();
    move |source| CopyError::Read { file: file.clone(), source }
}

fn unwritten(file: &Path) -> impl Fn(io::Error) -> CopyError {
    let file = file.to_owned();
    move |source| CopyError::Write { file: file.clone(), source }
}

#[cfg(test)]
#[expect(clippy::indexing_slicing, reason = "a place that is not there fails the test")]
mod tests;
