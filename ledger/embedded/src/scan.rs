//! Reads every byte of a log's files and says what is there and what is wrong. The one reader: recovery, the index and
//! `verify` all go through it.
//!
//! Takes no lock and changes nothing. On a log in use the batch being written may show as a torn tail.

use std::{
    io,
    ops::Range,
    path::{Path, PathBuf},
};

use bytes::Bytes;
use mediation_ledger::{
    chain::{ChainId, Revision},
    merkle::{Frontier, Hash, LeafIndex, TreeSize},
};

use crate::{
    disk::Disk,
    segment::{BATCH_HEADER_BYTES, Fault, Problem},
};

mod batches;
#[cfg(test)]
#[expect(clippy::indexing_slicing, reason = "a place that is not there fails the test")]
mod tests;
mod walk;

/// What is known about a log from elsewhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expected {
    /// Origin of the ledger.
    pub origin: String,
    /// Size and root of the last stored checkpoint. What it covers was acknowledged: it can be damaged, not torn.
    pub covered: Option<(TreeSize, Hash)>,
}

/// An intact record with its place.
#[derive(Debug)]
pub struct Placed<'a> {
    /// Number of its leaf.
    pub leaf: LeafIndex,
    /// Hash of its leaf.
    pub leaf_hash: Hash,
    /// Chain.
    pub chain: ChainId,
    /// Place in the chain.
    pub revision: Revision,
    /// The record.
    pub record: &'a Bytes,
    /// File.
    pub file: &'a Path,
    /// Byte in the file where the record's frame begins.
    pub offset: u64,
    /// Which segment the file is; the first is 0.
    pub(crate) segment: usize,
}

/// What there is.
#[derive(Debug)]
pub struct Scan {
    /// Leaves.
    pub size: TreeSize,
    /// Root of the tree over them; says nothing when there are faults.
    pub root: Hash,
    /// Everything wrong, in the order of the files.
    pub faults: Vec<Fault>,
    /// Bytes looked at.
    pub bytes: u64,
    /// What a crash left of a batch that was never acknowledged; opening the log cuts it.
    pub torn_tail: Option<TornTail>,
    /// Segments, in order.
    pub(crate) segments: Vec<SegmentFound>,
    /// The right edge of the tree.
    pub(crate) frontier: Frontier,
    /// The last batch.
    pub(crate) last_batch: Option<BatchFound>,
    /// Byte after the last batch of the last segment, or after its header.
    pub(crate) end: u64,
}

/// What is left of an unacknowledged batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TornTail {
    /// File.
    pub file: PathBuf,
    /// First byte.
    pub offset: u64,
    /// Byte after the last one that is not zero.
    pub end: u64,
}

impl TornTail {
    /// Whether it is so short that it may be all that is left of a seal. A seal holds no record, so its damage loses
    /// nothing; but it cannot be told from the first bytes of a batch that a crash cut short.
    #[must_use]
    pub fn may_be_seal(&self) -> bool {
        self.end.saturating_sub(self.offset) <= BATCH_HEADER_BYTES as u64
    }
}

/// A segment file.
#[derive(Debug, Clone)]
pub(crate) struct SegmentFound {
    pub(crate) path: PathBuf,
    /// Bytes of the file.
    pub(crate) bytes: u64,
}

/// A batch on the disk.
#[derive(Debug, Clone)]
pub(crate) struct BatchFound {
    /// Which segment it is in; the first is 0.
    pub(crate) segment: usize,
    pub(crate) place: Range<u64>,
    /// Records; none in a seal.
    pub(crate) count: u32,
}

/// Reads the log in a directory, and calls `visit` for every intact record, in order.
///
/// # Errors
/// The directory cannot be listed. What is wrong with files, even that they cannot be read, stands in [`Scan::faults`].
pub fn scan(disk: &dyn Disk, dir: &Path, expected: &Expected, visit: &mut dyn FnMut(Placed<'_>)) -> io::Result<Scan> {
    let log_dir = log_dir(dir);
    let names = match disk.list(&log_dir) {
        Ok(names) => names,
        Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
        Err(error) => return Err(error),
    };
    Ok(walk::Walk::new(disk, &log_dir, expected, visit).run(&names))
}

/// The directory with the segments, in the directory of a ledger.
pub(crate) fn log_dir(dir: &Path) -> PathBuf {
    dir.join("log")
}

impl Scan {
    fn empty() -> Self {
        Self {
            size: TreeSize(0),
            root: Hash::EMPTY_TREE,
            faults: Vec::new(),
            bytes: 0,
            torn_tail: None,
            segments: Vec::new(),
            frontier: Frontier::new(),
            last_batch: None,
            end: 0,
        }
    }

    fn fault(&mut self, file: &Path, offset: u64, problem: Problem) {
        self.faults.push(Fault { file: file.to_owned(), offset, problem });
    }
}
