//! An inclusion proof as a text file that stands alone (C2SP `tlog-proof` v1).
//!
//! ```text
//! c2sp.org/tlog-proof@v1
//! extra aGVsbG8=                                  optional; nothing vouches for it
//! index 3
//! 526xuXsGdXFQ+V4GNXp9xATKURtjqQMwpWqU3z0NZtE=    path, base64, the leaf's sibling first
//! cY+gNp10dQmbxstDJ+OCOklyKF+SvUmXGlg8nwj/to0=
//! 9fNP4FejGK1lmZw0+Msnd3fjNkUp/nARcLCQjQMUxEI=
//!                                                 empty line, the first one of the file
//! ledger.example/main                             checkpoint note, as it was signed
//! 7
//! TL2ONYSUUEANTpxMCuf3HHmtRBD5rSxiRiL/X4YXMT0=
//!
//! — ledger.example/main 9o1gAAtiygtbHHn4jwOrdW…
//! ```
//!
//! The entry is not in the file: the verifier computes the leaf hash from the entry in hand.

use std::{fmt, str::FromStr};

use base64::{Engine as _, engine::general_purpose::STANDARD};

use crate::{
    checkpoint::{CheckpointError, SignedCheckpoint},
    merkle::{Hash, LeafIndex, ProofError, verify_inclusion},
    note::{KeyName, NOTE_BYTES_MAX, Note, NoteError, VerifierKey},
};

/// Hashes of a path: the tree of the most leaves that C2SP speaks of is 63 levels high.
pub const PATH_HASHES_MAX: usize = 63;

/// Bytes of a proof: no more than a note may have, which is its largest component.
pub const PROOF_BYTES_MAX: usize = NOTE_BYTES_MAX;

/// A leaf's path to the root of a signed checkpoint. `Display` gives the file's one encoding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OfflineProof {
    /// Bytes that come along for convenience. Empty: none. MUST NOT be relied on.
    pub extra: Vec<u8>,
    /// Number of the leaf.
    pub index: LeafIndex,
    /// Path of the leaf, its sibling first.
    pub path: Vec<Hash>,
    /// Note of the checkpoint whose root the path leads to.
    pub checkpoint: Note,
}

impl OfflineProof {
    /// Takes a proof apart. Says nothing about its being true.
    ///
    /// # Errors
    /// The first thing that is wrong with its form.
    pub fn parse(bytes: &[u8]) -> Result<Self, OfflineProofError> {
        if bytes.len() > PROOF_BYTES_MAX {
            return Err(OfflineProofError::TooLarge { size: bytes.len() });
        }
        str::from_utf8(bytes).map_err(|_| OfflineProofError::NotUtf8)?.parse()
    }

    /// Checks that the log of this origin has this leaf hash under the proof's index; see [`SignedCheckpoint::verify`]
    /// for `trusted`. Answers the checkpoint; whether its witnesses are enough is for the caller's policy to say.
    ///
    /// # Errors
    /// The checkpoint is not to be believed, or the path does not lead to its root.
    pub fn verify(
        &self,
        leaf: Hash,
        origin: &KeyName,
        trusted: &[VerifierKey],
    ) -> Result<SignedCheckpoint, OfflineProofError> {
        let signed = SignedCheckpoint::verify(self.checkpoint.clone(), origin, trusted)?;
        verify_inclusion(leaf, self.index, signed.checkpoint.size, &self.path, signed.checkpoint.root)?;
        Ok(signed)
    }
}

impl fmt::Display for OfflineProof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{FORMAT_LINE}")?;
        if !self.extra.is_empty() {
            writeln!(f, "{EXTRA_START}{}", STANDARD.encode(&self.extra))?;
        }
        writeln!(f, "{INDEX_START}{}", self.index)?;
        self.path.iter().try_for_each(|hash| writeln!(f, "{}", hash.to_base64()))?;
        write!(f, "\n{}", self.checkpoint)
    }
}

impl FromStr for OfflineProof {
    type Err = OfflineProofError;

    fn from_str(text: &str) -> Result<Self, OfflineProofError> {
        let (head, note) = text.split_once("\n\n").ok_or(OfflineProofError::NoBlankLine)?;
        let mut lines = head.split('\n').peekable();
        if lines.next() != Some(FORMAT_LINE) {
            return Err(OfflineProofError::UnknownFormat);
        }
        let extra = match lines.next_if(|line| line.starts_with(EXTRA_START)) {
            Some(line) => read_extra(line).ok_or(OfflineProofError::Extra)?,
            None => Vec::new(),
        };
        let index = lines.next().and_then(|line| line.strip_prefix(INDEX_START)?.parse().ok());
        let index = index.ok_or(OfflineProofError::Index)?;
        let path = lines.map(|line| Hash::from_base64(line).ok_or(OfflineProofError::PathHash));
        let path: Vec<_> = path.collect::<Result<_, _>>()?;
        if path.len() > PATH_HASHES_MAX {
            return Err(OfflineProofError::PathTooLong { count: path.len() });
        }
        Ok(Self { extra, index, path, checkpoint: Note::parse(note.as_bytes())? })
    }
}

/// Why bytes are not a proof, or one that does not hold.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OfflineProofError {
    /// Too many bytes.
    #[error("a proof of {size} bytes is larger than {PROOF_BYTES_MAX}")]
    TooLarge {
        /// Size in bytes.
        size: usize,
    },
    /// Not UTF-8.
    #[error("the proof is not UTF-8")]
    NotUtf8,
    /// Nothing separates path and checkpoint.
    #[error("the proof has no empty line")]
    NoBlankLine,
    /// The first line is another.
    #[error("the proof does not begin with `{FORMAT_LINE}`")]
    UnknownFormat,
    /// The `extra` line holds no base64, or nothing.
    #[error("the line `extra` does not hold base64")]
    Extra,
    /// The `index` line is missing or holds no decimal number.
    #[error("the line `index` does not hold a decimal number")]
    Index,
    /// A line of the path is not a hash.
    #[error("a line of the path is not 32 bytes in base64")]
    PathHash,
    /// Too many hashes.
    #[error("{count} hashes are more than {PATH_HASHES_MAX}")]
    PathTooLong {
        /// Number of hashes.
        count: usize,
    },
    /// The note of the checkpoint is malformed.
    #[error(transparent)]
    Note(#[from] NoteError),
    /// The checkpoint is not to be believed.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// The path does not lead from the leaf to the root.
    #[error(transparent)]
    Path(#[from] ProofError),
}

const FORMAT_LINE: &str = "c2sp.org/tlog-proof@v1";
const EXTRA_START: &str = "extra ";
const INDEX_START: &str = "index ";

fn read_extra(line: &str) -> Option<Vec<u8>> {
    let extra = STANDARD.decode(line.strip_prefix(EXTRA_START)?).ok()?;
    // Without bytes there is no line: a proof has one encoding.
    (!extra.is_empty()).then_some(extra)
}

#[cfg(test)]
mod tests;
