//! The body of an `add-checkpoint` request.

use std::fmt;

use crate::{
    merkle::{Hash, TreeSize},
    note::{Note, NoteError},
    proof::PATH_HASHES_MAX,
};

/// Bytes of a body: 63 hashes make 3 KiB, and a checkpoint with the signatures of a hundred witnesses 16 KiB.
pub const BODY_BYTES_MAX: usize = 64 * 1024;

/// A request, not yet believed. `Display` gives its one encoding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AddCheckpoint {
    /// Size of the tree that the witness has cosigned, as far as the log knows; 0 when it knows of none.
    pub old: TreeSize,
    /// Consistency proof from there to the checkpoint.
    pub proof: Vec<Hash>,
    /// Note of the checkpoint.
    pub checkpoint: Note,
}

impl AddCheckpoint {
    /// Takes a body apart. Says nothing about its being true.
    ///
    /// # Errors
    /// The first thing that is wrong with its form.
    pub fn parse(body: &[u8]) -> Result<Self, AddCheckpointError> {
        if body.len() > BODY_BYTES_MAX {
            return Err(AddCheckpointError::TooLarge { size: body.len() });
        }
        let body = str::from_utf8(body).map_err(|_| AddCheckpointError::NotUtf8)?;
        let (head, note) = body.split_once("\n\n").ok_or(AddCheckpointError::NoBlankLine)?;
        let mut lines = head.split('\n');
        let old = lines.next().and_then(|line| line.strip_prefix(OLD_START)?.parse().ok());
        let old = old.ok_or(AddCheckpointError::Old)?;
        let count = lines.clone().count();
        if count > PATH_HASHES_MAX {
            return Err(AddCheckpointError::ProofTooLong { count });
        }
        let proof = lines.map(|line| Hash::from_base64(line).ok_or(AddCheckpointError::ProofHash));
        Ok(Self { old, proof: proof.collect::<Result<_, _>>()?, checkpoint: Note::parse(note.as_bytes())? })
    }
}

impl fmt::Display for AddCheckpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{OLD_START}{}", self.old)?;
        self.proof.iter().try_for_each(|hash| writeln!(f, "{}", hash.to_base64()))?;
        write!(f, "\n{}", self.checkpoint)
    }
}

/// Why bytes are not a request.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AddCheckpointError {
    /// Too many bytes.
    #[error("a body of {size} bytes is larger than {BODY_BYTES_MAX}")]
    TooLarge {
        /// Size in bytes.
        size: usize,
    },
    /// Not UTF-8.
    #[error("the body is not UTF-8")]
    NotUtf8,
    /// Nothing separates proof and checkpoint.
    #[error("the body has no empty line")]
    NoBlankLine,
    /// The first line is another.
    #[error("the first line is not `old` and a decimal number")]
    Old,
    /// A line of the proof is not a hash.
    #[error("a line of the proof is not 32 bytes in base64")]
    ProofHash,
    /// Too many hashes.
    #[error("{count} hashes are more than {PATH_HASHES_MAX}")]
    ProofTooLong {
        /// Number of hashes.
        count: usize,
    },
    /// The note of the checkpoint is malformed.
    #[error(transparent)]
    Note(#[from] NoteError),
}

const OLD_START: &str = "old ";
