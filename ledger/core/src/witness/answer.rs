//! A witness's answer, as the log reads it.

use crate::{
    merkle::TreeSize,
    note::{Note, NoteError, Signature, VerifierKey},
};

/// What a witness has answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// It has cosigned.
    Cosigned {
        /// The signature, which holds.
        signature: Signature,
        /// When, by its clock: seconds since 1970-01-01T00:00:00Z.
        time: u64,
    },
    /// It has cosigned a tree of another size: the proof must start there.
    OtherSize(TreeSize),
}

impl Answer {
    /// Reads the answer of the witness with this key to a request about the checkpoint of this note. Signatures of
    /// other keys are ignored.
    ///
    /// # Errors
    /// The witness has refused, or its answer is none.
    pub fn read(status: u16, body: &[u8], checkpoint: &Note, key: &VerifierKey) -> Result<Self, AnswerError> {
        match status {
            200 => cosignature(body, checkpoint, key),
            409 => {
                let size = str::from_utf8(body).ok().and_then(|text| text.strip_suffix('\n')?.parse().ok());
                size.map(Self::OtherSize).ok_or(AnswerError::Size)
            }
            status => {
                let text = String::from_utf8_lossy(body);
                let line = text.lines().next().unwrap_or_default();
                // It goes into traces and tables: one line, no control characters, not too long.
                let reason = line.chars().filter(|letter| !letter.is_control()).take(REASON_CHARACTERS_MAX).collect();
                Err(AnswerError::Refused { status, reason })
            }
        }
    }
}

fn cosignature(body: &[u8], checkpoint: &Note, key: &VerifierKey) -> Result<Answer, AnswerError> {
    let answered = Note::parse(&[checkpoint.text().as_bytes(), b"\n", body].concat())?;
    let verified = answered.verify(std::slice::from_ref(key))?;
    let time = verified.first().and_then(|signature| signature.time).ok_or(AnswerError::NoTime)?;
    let own = |signature: &&Signature| (signature.name(), signature.key_id()) == (key.name(), key.id());
    let signature = answered.signatures().iter().find(own).cloned().ok_or(NoteError::NoTrustedSignature)?;
    Ok(Answer::Cosigned { signature, time })
}

/// Why an answer gives nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AnswerError {
    /// It is not the signature that was asked for.
    #[error("the answer is no cosignature: {0}")]
    Signature(#[from] NoteError),
    /// The key is one of a type that gives no time: not a witness's.
    #[error("the key is not one of a witness")]
    NoTime,
    /// 409 without a size.
    #[error("the answer does not say which size was cosigned")]
    Size,
    /// The witness has refused.
    #[error("the witness refused with status {status}: {reason}")]
    Refused {
        /// HTTP status.
        status: u16,
        /// First line of its reason.
        reason: String,
    },
}

const REASON_CHARACTERS_MAX: usize = 200;
