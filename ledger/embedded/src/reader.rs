//! A log that nobody has open, read chain by chain without changing anything: what an auditor needs.

use std::{io, path::Path, sync::Arc};

use mediation_ledger::{
    chain::{ChainId, Revision},
    log::{ReadError, Stored},
    merkle::{Hash, TreeSize},
};

use crate::{
    disk::{Access, Disk},
    index::{Index, SegmentFile, read_located},
    scan::{Expected, scan},
    segment::Fault,
};

/// A log, to be read. Holds some sixteen bytes for each record and a file descriptor for each segment.
#[derive(Debug)]
pub struct LogReader {
    index: Index,
    size: TreeSize,
    root: Hash,
}

/// Why a log cannot be read by an auditor.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReaderError {
    /// What is stored is not what was written.
    #[error("the log is damaged: {first}{}", more(*.others))]
    Faulty {
        /// The first thing that is wrong.
        first: Box<Fault>,
        /// How much else is.
        others: usize,
    },
    /// The disk did not give it.
    #[error("the log cannot be read")]
    Io(#[from] io::Error),
}

impl LogReader {
    /// Reads the log in a directory once and keeps where each record is. Takes no lock and mends nothing: a batch that was
    /// never acknowledged is left out.
    ///
    /// # Errors
    /// It is damaged, or the disk does not give it.
    pub fn open(disk: &dyn Disk, dir: &Path, expected: &Expected) -> Result<Self, ReaderError> {
        let mut index = Index::default();
        let scan = scan(disk, dir, expected, &mut |placed| index.push(placed.chain, placed.segment, placed.offset))?;
        if let Some(first) = scan.faults.first() {
            return Err(ReaderError::Faulty { first: Box::new(first.clone()), others: scan.faults.len() - 1 });
        }
        for found in &scan.segments {
            let file = disk.open(&found.path, Access::Read)?;
            index.add_segment(Arc::new(SegmentFile { path: found.path.clone(), bytes: found.bytes, file }));
        }
        Ok(Self { index, size: scan.size, root: scan.root })
    }

    /// Number of records.
    #[must_use]
    pub fn size(&self) -> TreeSize {
        self.size
    }

    /// Root of the tree over them.
    #[must_use]
    pub fn root(&self) -> Hash {
        self.root
    }

    /// The chains, by id.
    pub fn chains(&self) -> impl Iterator<Item = ChainId> {
        self.index.chains()
    }

    /// Every record of a chain, in the order of revisions. Blocks.
    ///
    /// # Errors
    /// The disk does not give it, or gives other bytes than before.
    pub fn chain(&self, chain: ChainId) -> Result<Vec<Stored>, ReadError> {
        let located = self.index.chain(chain, Revision::FIRST, usize::MAX);
        read_located(&located, AHEAD_BYTES, usize::MAX)
    }
}

/// Bytes read at once: the records of one chain mostly lie apart.
const AHEAD_BYTES: usize = 4 * 1024;

fn more(others: usize) -> String {
    if others == 0 { String::new() } else { format!(" (and {others} more)") }
}

#[cfg(test)]
mod tests;
