//! What can be wrong with the files of a log, and where.

use std::{fmt, path::PathBuf};

use mediation_ledger::{
    chain::{ChainId, Revision},
    merkle::{Hash, LeafIndex, TreeSize},
};

/// Something wrong, with its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// File or directory.
    pub file: PathBuf,
    /// Byte in the file where the broken structure begins; the byte itself where bytes must be zero.
    pub offset: u64,
    /// What is wrong.
    pub problem: Problem,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` at byte {}: {}", self.file.display(), self.offset, self.problem)
    }
}

impl std::error::Error for Fault {}

/// What is wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Problem {
    /// The file does not begin like a segment.
    #[error("this is no segment file")]
    SegmentMagic,
    /// The head of the segment is damaged.
    #[error("the header of the segment is damaged")]
    SegmentHeaderCrc,
    /// Another version of the program wrote it.
    #[error(
        "the file has format version {found}, this program reads version {known}: open it with a newer `mediation` · 文件格式版本为 {found}，本程序只能读取版本 {known}，请使用较新的 mediation"
    )]
    Version {
        /// Version in the file.
        found: u32,
        /// Version that this program reads.
        known: u32,
    },
    /// The segment is one of another ledger.
    #[error("the segment belongs to another origin")]
    Origin,
    /// The file is shorter or longer than its header says.
    #[error("the file has {found} bytes, its header says {expected}")]
    Length {
        /// Bytes that the header says.
        expected: u64,
        /// Bytes there are.
        found: u64,
    },
    /// The segment begins with another leaf than the one after its predecessor: one is missing, or this is not its name.
    #[error("the segment begins with leaf {found}, the one before ends before leaf {expected}")]
    FirstLeaf {
        /// Leaf that must come.
        expected: LeafIndex,
        /// Leaf that the header or the name says.
        found: LeafIndex,
    },
    /// The head of a batch is damaged.
    #[error("the header of a batch is damaged")]
    BatchHeader,
    /// The records of a batch are not as long together as its header says, or end beyond the file.
    #[error("a batch is not as long as its header says")]
    BatchLength,
    /// The batch was not written after the batches that stand before it.
    #[error("the batch was written at tree size {found}, but {expected} leaves stand before it")]
    BatchSize {
        /// Leaves before it.
        expected: TreeSize,
        /// Leaves that its header says.
        found: TreeSize,
    },
    /// What stands before the batch, or segment, is not what stood there when it was written.
    #[error("the entries before it have root {found}, but it was written after root {expected}")]
    Root {
        /// Root that the header commits to.
        expected: Hash,
        /// Root of what is there.
        found: Hash,
    },
    /// The bytes of a record changed.
    #[error("the record of leaf {leaf} is damaged")]
    RecordCrc {
        /// Number of its leaf.
        leaf: LeafIndex,
    },
    /// A chain's revisions are not 0, 1, 2, …
    #[error("revision {found} of chain {chain} stands where revision {expected} must")]
    Revision {
        /// Chain.
        chain: ChainId,
        /// Revision that must come.
        expected: Revision,
        /// Revision there is.
        found: Revision,
    },
    /// Space that nothing was written to is not zero.
    #[error("unused space is not zero")]
    NotZero,
    /// Nothing of this name belongs here.
    #[error("an unexpected file")]
    UnexpectedFile,
    /// There is no segment at all.
    #[error("there is no log here")]
    Missing,
    /// The disk did not give the bytes.
    #[error("the file cannot be read: {0}")]
    Unreadable(String),
    /// A stored checkpoint covers more leaves than there are.
    #[error("the log ends after {size} leaves, but a stored checkpoint covers {covered}")]
    Shorter {
        /// Leaves there are.
        size: TreeSize,
        /// Leaves that the checkpoint covers.
        covered: TreeSize,
    },
    /// The log is not the one that a stored checkpoint covers.
    #[error("the first {size} leaves have root {found}, but a stored checkpoint says {covered}")]
    Covered {
        /// Leaves that the checkpoint covers.
        size: TreeSize,
        /// Root of these leaves.
        found: Hash,
        /// Root that the checkpoint says.
        covered: Hash,
    },
}
