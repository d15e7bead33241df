//! Checkpoints: the signed size and root of a log's tree (C2SP `tlog-checkpoint` v1.0.0).
//!
//! ```text
//! ledger.example/main                            origin: names the log, for ever
//! 7                                              size, decimal
//! TL2ONYSUUEANTpxMCuf3HHmtRBD5rSxiRiL/X4YXMT0=   root, base64
//! ```
//!
//! This is the text of a [`Note`]. The log signs it under its origin as key name; witnesses cosign it. C2SP allows
//! further lines and discourages them; we write none and accept none, so that a checkpoint has one text only.
//!
//! A ledger may grow a twin tree over SM3, of the same leaves. It is a log of its own: its origin is that of the ledger
//! followed by `/sm3`, its key signs SM2 with SM3, and it has no checkpoint of the tree without leaves.
//!
//! A log MUST NOT ever sign two checkpoints of which neither tree begins with the other. Nothing here can prevent that:
//! whoever calls [`Checkpoint::sign`] answers for it, and witnesses find out.

use std::{fmt, str::FromStr};

use ed25519_dalek::SigningKey;

use crate::{
    key::Signer,
    merkle::{Hash, TreeSize},
    note::{KeyName, KeyNameError, Note, NoteError, NoteKeyId, VerifierKey},
};

/// What a log says its tree is. `Display` gives the text that is signed, with its last line feed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkpoint {
    /// Name of the log, and of the key that signs for it.
    pub origin: KeyName,
    /// Number of leaves.
    pub size: TreeSize,
    /// Root over them.
    pub root: Hash,
}

impl Checkpoint {
    /// The note of this checkpoint, signed by its log.
    ///
    /// # Errors
    /// [`NoteError::TooLarge`].
    pub fn sign(&self, key: &SigningKey) -> Result<Note, NoteError> {
        let mut note = Note::new(self.to_string())?;
        note.sign(&self.origin, key)?;
        Ok(note)
    }

    /// As [`Checkpoint::sign`], with a key of any algorithm.
    ///
    /// # Errors
    /// [`NoteError::TooLarge`], [`NoteError::NotSigned`].
    pub fn sign_with(&self, signer: &dyn Signer) -> Result<Note, NoteError> {
        let mut note = Note::new(self.to_string())?;
        note.sign_with(&self.origin, signer)?;
        Ok(note)
    }

    /// Reads a signed checkpoint and checks that the log of this origin has signed it; see
    /// [`SignedCheckpoint::verify`].
    ///
    /// # Errors
    /// The note is malformed or not to be believed, its text is no checkpoint, or it is not that log's.
    pub fn open(bytes: &[u8], origin: &KeyName, trusted: &[VerifierKey]) -> Result<SignedCheckpoint, CheckpointError> {
        SignedCheckpoint::verify(Note::parse(bytes)?, origin, trusted)
    }
}

impl fmt::Display for Checkpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}\n{}\n{}\n", self.origin, self.size, self.root.to_base64())
    }
}

impl FromStr for Checkpoint {
    type Err = CheckpointError;

    fn from_str(text: &str) -> Result<Self, CheckpointError> {
        let lines: Vec<_> = text.strip_suffix('\n').ok_or(CheckpointError::Unterminated)?.split('\n').collect();
        let [origin, size, root] = lines.as_slice() else {
            return Err(CheckpointError::LineCount { found: lines.len() });
        };
        let origin = origin.parse()?;
        let size = size.parse().map_err(|_| CheckpointError::Size)?;
        let root = Hash::from_base64(root).ok_or(CheckpointError::Root)?;
        if size == TreeSize(0) && root != Hash::EMPTY_TREE {
            return Err(CheckpointError::EmptyTreeRoot { root });
        }
        Ok(Self { origin, size, root })
    }
}

/// A checkpoint that its log has signed, with the cosignatures that hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedCheckpoint {
    /// The checkpoint.
    pub checkpoint: Checkpoint,
    /// Cosignatures of trusted witnesses, each witness key once.
    pub cosignatures: Vec<Cosignature>,
    /// The note that was read, with all its signatures.
    pub note: Note,
}

impl SignedCheckpoint {
    /// Checks that the log of this origin has signed the note.
    ///
    /// `trusted` holds the keys of the log and of witnesses. A signature of the log is of a type that logs sign with
    /// ([`SignatureType::is_of_log`](crate::note::SignatureType::is_of_log)) and in the name of the origin; no witness
    /// can stand in for it.
    ///
    /// # Errors
    /// The note is not to be believed, its text is no checkpoint, or it is not that log's.
    pub fn verify(note: Note, origin: &KeyName, trusted: &[VerifierKey]) -> Result<Self, CheckpointError> {
        let verified = note.verify(trusted)?;
        let checkpoint: Checkpoint = note.text().parse()?;
        if checkpoint.origin != *origin {
            return Err(CheckpointError::WrongOrigin { expected: origin.clone(), found: checkpoint.origin });
        }
        let is_log = |key: &VerifierKey| key.signature_type().is_of_log() && key.name() == origin;
        if !verified.iter().any(|signature| is_log(signature.key)) {
            return Err(CheckpointError::NoLogSignature { origin: origin.clone() });
        }
        let cosignatures = verified
            .iter()
            .filter_map(|signature| {
                let (witness, key_id) = (signature.key.name().clone(), signature.key.id());
                signature.time.map(|time| Cosignature { witness, key_id, time })
            })
            .collect();
        Ok(Self { checkpoint, cosignatures, note })
    }
}

/// A cosignature that holds: at that time the witness had seen no larger tree of this log, and none inconsistent with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cosignature {
    /// Name of the witness.
    pub witness: KeyName,
    /// Id of its key.
    pub key_id: NoteKeyId,
    /// Seconds since 1970-01-01T00:00:00Z, by the witness's clock.
    pub time: u64,
}

/// Why bytes are not a checkpoint, or not one to be believed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CheckpointError {
    /// The note around it.
    #[error(transparent)]
    Note(#[from] NoteError),
    /// The text does not end in a line feed.
    #[error("the checkpoint does not end in a line feed")]
    Unterminated,
    /// Not three lines.
    #[error("a checkpoint has 3 lines, not {found}")]
    LineCount {
        /// Lines found.
        found: usize,
    },
    /// The origin is not a key name.
    #[error("the origin is not a key name")]
    Origin(#[from] KeyNameError),
    /// The size is not a decimal number.
    #[error("the size is not a decimal number")]
    Size,
    /// The root is not a hash.
    #[error("the root is not 32 bytes in base64")]
    Root,
    /// No leaves, yet a root over some.
    #[error("the empty tree does not have root {root}")]
    EmptyTreeRoot {
        /// Root found.
        root: Hash,
    },
    /// A checkpoint of another log.
    #[error("the checkpoint is that of `{found}`, not of `{expected}`")]
    WrongOrigin {
        /// Log asked for.
        expected: KeyName,
        /// Log of the checkpoint.
        found: KeyName,
    },
    /// Trusted keys have signed, but none of them is the log's.
    #[error("no trusted key of `{origin}` has signed")]
    NoLogSignature {
        /// The log.
        origin: KeyName,
    },
}

#[cfg(test)]
mod tests;
