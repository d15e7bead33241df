//! Witnesses: what a log asks of them, and when they cosign (C2SP `tlog-witness` v1.0.0).
//!
//! ```text
//! POST <prefix>/add-checkpoint
//! old 7                                          size the witness has cosigned, as far as the log knows
//! e76eb1b97b067571…                              consistency proof from there, base64, at most 63 lines
//!                                                empty line
//! ledger.example/main                            checkpoint note, signed by the log
//! 9
//! …
//! ```
//!
//! | status | when | body |
//! |---|---|---|
//! | 200 | cosigned | signature lines |
//! | 400 | malformed, or `old` is larger than the checkpoint | text |
//! | 404 | not a log of this witness | text |
//! | 403 | no signature of the log's key, or one that does not verify | text |
//! | 409 | `old` is not the size that the witness has cosigned last | that size |
//! | 422 | the proof does not lead from what the witness has cosigned to this checkpoint | text |
//!
//! [`Submission`] decides, as a pure function of the request and of what was cosigned last. A witness MUST make the two
//! steps *check* and *store* one, and MUST have stored before it answers: otherwise two requests can both be consistent
//! with what was there before, and the later answer rolls the earlier one back.

use ed25519_dalek::SigningKey;
use sha2::{Digest as _, Sha256};

use crate::{
    checkpoint::{Checkpoint, CheckpointError},
    merkle::{Hash, ProofError, TreeSize, verify_consistency},
    note::{KeyName, Note, NoteError, VerifierKey},
};

mod answer;
mod request;

#[cfg(test)]
mod tests;

pub use self::{
    answer::{Answer, AnswerError},
    request::{AddCheckpoint, AddCheckpointError, BODY_BYTES_MAX},
};

/// Where a request goes, below a witness's prefix.
pub const ADD_CHECKPOINT_PATH: &str = "add-checkpoint";

/// Content type of a 409's body.
pub const SIZE_CONTENT_TYPE: &str = "text/x.tlog.size";

/// Where a witness shows what it has cosigned last of a log, below its prefix: `<hex SHA-256(origin)>/checkpoint`.
#[must_use]
pub fn checkpoint_path(origin: &KeyName) -> String {
    format!("{}/checkpoint", origin_digest(origin))
}

/// SHA-256 of an origin in hex: its name where a path or a file needs one.
#[must_use]
pub fn origin_digest(origin: &KeyName) -> String {
    hex::encode(Sha256::digest(origin.as_str()))
}

/// A request whose checkpoint the log has signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Submission {
    old: TreeSize,
    proof: Vec<Hash>,
    checkpoint: Checkpoint,
    /// The checkpoint with the signatures of its log, and no others.
    note: Note,
}

impl Submission {
    /// Reads a request and checks everything that needs no memory: form, origin, signature, order of the sizes.
    ///
    /// `logs` are the keys of the logs that this witness cosigns; a log may have several.
    ///
    /// # Errors
    /// [`Rejection::Malformed`], [`Rejection::NoCheckpoint`], [`Rejection::UnknownOrigin`], [`Rejection::NotSigned`],
    /// [`Rejection::EmptyTreeRoot`], [`Rejection::OldLarger`]; the first of them in this order.
    pub fn read(body: &[u8], logs: &[VerifierKey]) -> Result<Self, Rejection> {
        let AddCheckpoint { old, proof, checkpoint: note } = AddCheckpoint::parse(body)?;
        let checkpoint = match note.text().parse::<Checkpoint>() {
            Err(error) if !matches!(error, CheckpointError::EmptyTreeRoot { .. }) => {
                return Err(Rejection::NoCheckpoint(error));
            }
            read => read,
        };
        let origin = note.text().lines().next().unwrap_or_default();
        let keys: Vec<VerifierKey> = logs.iter().filter(|log| log.name().as_str() == origin).cloned().collect();
        if keys.is_empty() {
            return Err(Rejection::UnknownOrigin { origin: origin.to_owned() });
        }
        let signed = note.verify(&keys).map_err(Rejection::NotSigned)?;
        let checkpoint = checkpoint.map_err(|_| Rejection::EmptyTreeRoot)?;
        if old > checkpoint.size {
            return Err(Rejection::OldLarger { old, new: checkpoint.size });
        }
        let mut own = Note::new(note.text().to_owned()).map_err(Rejection::NotSigned)?;
        let of_log = |id| signed.iter().any(|signature| signature.key.id() == id);
        for signature in note.signatures().iter().filter(|signature| of_log(signature.key_id())) {
            if signature.name() == &checkpoint.origin {
                own.add(signature.clone()).map_err(Rejection::NotSigned)?;
            }
        }
        Ok(Self { old, proof, checkpoint, note: own })
    }

    /// What is to be cosigned.
    #[must_use]
    pub fn checkpoint(&self) -> &Checkpoint {
        &self.checkpoint
    }

    /// Checks that the checkpoint extends the one that was cosigned last; none: no checkpoint of this log was.
    ///
    /// # Errors
    /// [`Rejection::OtherSize`], [`Rejection::Inconsistent`].
    pub fn check(&self, last: Option<&Checkpoint>) -> Result<(), Rejection> {
        let (size, root) = last.map_or((TreeSize(0), Hash::EMPTY_TREE), |last| (last.size, last.root));
        if self.old != size {
            return Err(Rejection::OtherSize { size });
        }
        let Checkpoint { size: new, root: new_root, .. } = self.checkpoint;
        verify_consistency(size, root, new, new_root, &self.proof).map_err(Rejection::Inconsistent)
    }

    /// The note to be stored: the checkpoint with its log's signatures and the witness's, made at this time in seconds
    /// since 1970-01-01T00:00:00Z. Call it only after [`Submission::check`], under the same lock.
    ///
    /// # Errors
    /// The note would be too large.
    pub fn cosigned(&self, name: &KeyName, key: &SigningKey, time: u64) -> Result<Note, NoteError> {
        let mut note = self.note.clone();
        note.cosign(name, key, time)?;
        Ok(note)
    }
}

/// Why a witness does not cosign. [`Rejection::status`] and [`Rejection::body`] are its answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Rejection {
    /// The body is no request.
    #[error(transparent)]
    Malformed(#[from] AddCheckpointError),
    /// The note is no checkpoint.
    #[error(transparent)]
    NoCheckpoint(CheckpointError),
    /// Not a log of this witness.
    #[error("this witness does not know the log `{origin}`")]
    UnknownOrigin {
        /// First line of the checkpoint.
        origin: String,
    },
    /// Not signed by the log.
    #[error(transparent)]
    NotSigned(NoteError),
    /// No leaves, yet a root over some.
    #[error("the checkpoint of the empty tree has another root than that tree")]
    EmptyTreeRoot,
    /// The proof would lead backwards.
    #[error("the old size {old} is larger than the checkpoint's {new}")]
    OldLarger {
        /// Size that the proof starts from.
        old: TreeSize,
        /// Size of the checkpoint.
        new: TreeSize,
    },
    /// The proof starts elsewhere than at what was cosigned last.
    #[error("the last checkpoint that was cosigned has size {size}")]
    OtherSize {
        /// Size that was cosigned last; 0 when none was.
        size: TreeSize,
    },
    /// The log has two histories, or the proof is not one.
    #[error("the checkpoint is not shown to extend the one that was cosigned last: {0}")]
    Inconsistent(ProofError),
}

impl Rejection {
    /// HTTP status.
    #[must_use]
    pub fn status(&self) -> u16 {
        match self {
            Self::Malformed(_) | Self::NoCheckpoint(_) | Self::OldLarger { .. } => 400,
            Self::NotSigned(_) => 403,
            Self::UnknownOrigin { .. } => 404,
            Self::OtherSize { .. } => 409,
            Self::EmptyTreeRoot | Self::Inconsistent(_) => 422,
        }
    }

    /// Content type and body of the answer.
    #[must_use]
    pub fn body(&self) -> (&'static str, String) {
        match self {
            Self::OtherSize { size } => (SIZE_CONTENT_TYPE, format!("{size}\n")),
            Self::Malformed(_)
            | Self::NoCheckpoint(_)
            | Self::OldLarger { .. }
            | Self::NotSigned(_)
            | Self::UnknownOrigin { .. }
            | Self::EmptyTreeRoot
            | Self::Inconsistent(_) => ("text/plain; charset=utf-8", format!("{self}\n")),
        }
    }
}
