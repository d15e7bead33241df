//! Signed notes: a text with the signatures of those who vouch for it (C2SP `signed-note` v1.0.0).
//!
//! ```text
//! ledger.example/main                            ┐
//! 7                                              │ text; signed with its last line feed
//! TL2ONYSUUEANTpxMCuf3HHmtRBD5rSxiRiL/X4YXMT0=   ┘
//!                                                  empty line, the last one of the note
//! — ledger.example/main 9o1gAAtiygtbHHn4jwOrdW…    em dash, name, base64(key id [4] | signature)
//! — court.example/w 7vpZZQAAAABo53gAqCtTsZwVEr…
//! ```
//!
//! The text means nothing until [`Note::verify`] has found a signature of a key that the reader trusts. Signatures of
//! other keys are carried along unread: anybody can add one. A signature in the name of a trusted key that does not
//! verify rejects the whole note, however many others do.

use std::{fmt, str::FromStr};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use ed25519_dalek::{Signer as _, SigningKey};

use crate::key::Signer;

mod vkey;

#[cfg(test)]
mod tests;

pub use self::vkey::{KeyName, KeyNameError, NoteKeyId, SignatureType, VerifierKey, VerifierKeyError};

/// Bytes of a note. The bound of the other implementations.
pub const NOTE_BYTES_MAX: usize = 1_000_000;

/// Signatures of one note. The bound of the other implementations; we expect the log's and one per agency.
pub const NOTE_SIGNATURES_MAX: usize = 100;

/// A text and its signatures, verified or not. `Display` gives the note's one encoding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    text: String,
    signatures: Vec<Signature>,
}

impl Note {
    /// A note without signatures yet. The text must end in a line feed.
    ///
    /// # Errors
    /// [`NoteError::TooLarge`], [`NoteError::ControlCharacter`], [`NoteError::TextUnterminated`].
    pub fn new(text: String) -> Result<Self, NoteError> {
        check_characters(&text)?;
        if !text.ends_with('\n') {
            return Err(NoteError::TextUnterminated);
        }
        Ok(Self { text, signatures: Vec::new() })
    }

    /// Takes a note apart. Says nothing about its signatures being true.
    ///
    /// # Errors
    /// The first thing that is wrong with its form.
    pub fn parse(bytes: &[u8]) -> Result<Self, NoteError> {
        if bytes.len() > NOTE_BYTES_MAX {
            return Err(NoteError::TooLarge { size: bytes.len() });
        }
        let message = str::from_utf8(bytes).map_err(|_| NoteError::NotUtf8)?;
        check_characters(message)?;
        // The text may hold empty lines itself, the signatures cannot: the last one separates.
        let (text, signatures) = message.rsplit_once("\n\n").ok_or(NoteError::NoBlankLine)?;
        if signatures.is_empty() {
            return Err(NoteError::NoSignatures);
        }
        let lines = signatures.strip_suffix('\n').ok_or(NoteError::Unterminated)?;
        let count = lines.split('\n').count();
        if count > NOTE_SIGNATURES_MAX {
            return Err(NoteError::TooManySignatures { count });
        }
        let signatures = lines.split('\n').map(str::parse).collect::<Result<_, _>>()?;
        Ok(Self { text: format!("{text}\n"), signatures })
    }

    /// The text, with its last line feed.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The signatures, verified or not.
    #[must_use]
    pub fn signatures(&self) -> &[Signature] {
        &self.signatures
    }

    /// Signs the text with the key of that name, as [`SignatureType::Ed25519`].
    ///
    /// # Errors
    /// As [`Note::add`].
    pub fn sign(&mut self, name: &KeyName, key: &SigningKey) -> Result<(), NoteError> {
        let id = NoteKeyId::new(name, SignatureType::Ed25519, key.verifying_key().as_bytes());
        let value = key.sign(self.text.as_bytes()).to_bytes().to_vec();
        self.add(Signature { name: name.clone(), key_id: id, value })
    }

    /// Signs the text as the log of that name does, whatever the algorithm of its key.
    ///
    /// # Errors
    /// [`NoteError::NotSigned`]; else as [`Note::add`].
    pub fn sign_with(&mut self, name: &KeyName, signer: &dyn Signer) -> Result<(), NoteError> {
        let key = signer.public_key();
        let key_id = NoteKeyId::new(name, SignatureType::of_log(key.algorithm()), &key.to_bytes());
        let signed = signer.sign(self.text.as_bytes());
        let value = signed.map_err(|error| NoteError::NotSigned { why: error.to_string() })?;
        self.add(Signature { name: name.clone(), key_id, value })
    }

    /// Signs the text as a witness does, as [`SignatureType::CosignatureV1`]: at this time, in seconds since
    /// 1970-01-01T00:00:00Z, this checkpoint was the largest consistent one the witness had seen.
    ///
    /// The signed bytes do not name the witness, so that each witness needs a key of its own.
    ///
    /// # Errors
    /// As [`Note::add`].
    pub fn cosign(&mut self, name: &KeyName, key: &SigningKey, time: u64) -> Result<(), NoteError> {
        let id = NoteKeyId::new(name, SignatureType::CosignatureV1, key.verifying_key().as_bytes());
        let mut value = time.to_be_bytes().to_vec();
        value.extend(key.sign(cosigned_message(time, &self.text).as_bytes()).to_bytes());
        self.add(Signature { name: name.clone(), key_id: id, value })
    }

    /// Adds a signature at the end, in place of an earlier one of the same key.
    ///
    /// # Errors
    /// [`NoteError::TooManySignatures`], [`NoteError::TooLarge`]; the note is as it was.
    pub fn add(&mut self, signature: Signature) -> Result<(), NoteError> {
        let mut signatures = self.signatures.clone();
        signatures.retain(|other| !other.is_of_key_of(&signature));
        signatures.push(signature);
        if signatures.len() > NOTE_SIGNATURES_MAX {
            return Err(NoteError::TooManySignatures { count: signatures.len() });
        }
        let note = Self { text: self.text.clone(), signatures };
        let size = note.to_string().len();
        if size > NOTE_BYTES_MAX {
            return Err(NoteError::TooLarge { size });
        }
        *self = note;
        Ok(())
    }

    /// Checks every signature in the name of a trusted key. Answers the signatures that hold, at least one, in the
    /// order of the note and each key once.
    ///
    /// # Errors
    /// [`NoteError::SignatureFailed`], [`NoteError::AmbiguousKey`], [`NoteError::NoTrustedSignature`].
    pub fn verify<'k>(&self, trusted: &'k [VerifierKey]) -> Result<Vec<Verified<'k>>, NoteError> {
        let mut verified: Vec<Verified<'k>> = Vec::new();
        for signature in &self.signatures {
            let Some(key) = signature.key_among(trusted)? else { continue };
            let failed = || NoteError::SignatureFailed { name: signature.name.clone() };
            let found = signature.verify(&self.text, key).ok_or_else(failed)?;
            if !verified.iter().any(|earlier| earlier.key == key) {
                verified.push(found);
            }
        }
        if verified.is_empty() { Err(NoteError::NoTrustedSignature) } else { Ok(verified) }
    }
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.text)?;
        self.signatures.iter().try_for_each(|signature| writeln!(f, "{signature}"))
    }
}

/// A signature whose key is trusted and which holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verified<'k> {
    /// Key that signed.
    pub key: &'k VerifierKey,
    /// Of a cosignature, when it was made: seconds since 1970-01-01T00:00:00Z.
    pub time: Option<u64>,
}

/// One signature of a note, of any type. `Display` gives its line, without the line feed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signature {
    name: KeyName,
    key_id: NoteKeyId,
    value: Vec<u8>,
}

impl Signature {
    /// Name of the key that is said to have signed.
    #[must_use]
    pub fn name(&self) -> &KeyName {
        &self.name
    }

    /// Id of the key that is said to have signed.
    #[must_use]
    pub fn key_id(&self) -> NoteKeyId {
        self.key_id
    }

    /// What stands after the key id: the signature, and in a cosignature its time before it.
    #[must_use]
    pub fn value(&self) -> &[u8] {
        &self.value
    }

    fn is_of_key_of(&self, other: &Self) -> bool {
        (&self.name, self.key_id) == (&other.name, other.key_id)
    }

    /// The trusted key that this signature names, if any. An id has only 32 bits: two trusted keys can share one.
    fn key_among<'k>(&self, trusted: &'k [VerifierKey]) -> Result<Option<&'k VerifierKey>, NoteError> {
        let mut keys = trusted.iter().filter(|key| (key.name(), key.id()) == (&self.name, self.key_id));
        let Some(key) = keys.next() else { return Ok(None) };
        if keys.any(|other| other != key) {
            return Err(NoteError::AmbiguousKey { name: self.name.clone() });
        }
        Ok(Some(key))
    }

    fn verify<'k>(&self, text: &str, key: &'k VerifierKey) -> Option<Verified<'k>> {
        match key.signature_type() {
            SignatureType::Ed25519 | SignatureType::Sm2Sm3 => {
                key.verifies(text.as_bytes(), &self.value).then_some(Verified { key, time: None })
            }
            SignatureType::CosignatureV1 => {
                let (time, value) = self.value.split_first_chunk()?;
                let time = u64::from_be_bytes(*time);
                let message = cosigned_message(time, text);
                key.verifies(message.as_bytes(), value).then_some(Verified { key, time: Some(time) })
            }
        }
    }
}

impl fmt::Display for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let blob = [self.key_id.0.to_be_bytes().as_slice(), &self.value].concat();
        write!(f, "{LINE_START}{} {}", self.name, STANDARD.encode(blob))
    }
}

impl FromStr for Signature {
    type Err = NoteError;

    fn from_str(line: &str) -> Result<Self, NoteError> {
        let parse = || {
            let (name, blob) = line.strip_prefix(LINE_START)?.split_once(' ')?;
            let blob = STANDARD.decode(blob).ok()?;
            let (key_id, value) = blob.split_first_chunk().filter(|(_, value)| !value.is_empty())?;
            let key_id = NoteKeyId(u32::from_be_bytes(*key_id));
            Some(Self { name: name.parse().ok()?, key_id, value: value.to_vec() })
        };
        parse().ok_or_else(|| NoteError::MalformedSignature { line: line.to_owned() })
    }
}

/// Why bytes are not a note, or not one to be believed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NoteError {
    /// Too many bytes.
    #[error("a note of {size} bytes is larger than {NOTE_BYTES_MAX}")]
    TooLarge {
        /// Size in bytes.
        size: usize,
    },
    /// Not UTF-8.
    #[error("the note is not UTF-8")]
    NotUtf8,
    /// A character below U+0020 that is not a line feed.
    #[error("the note has a control character")]
    ControlCharacter,
    /// The text does not end in a line feed.
    #[error("the text does not end in a line feed")]
    TextUnterminated,
    /// Nothing separates text and signatures.
    #[error("the note has no empty line")]
    NoBlankLine,
    /// No signature lines.
    #[error("the note has no signatures")]
    NoSignatures,
    /// The last signature line does not end in a line feed.
    #[error("the note does not end in a line feed")]
    Unterminated,
    /// Too many signatures.
    #[error("{count} signatures are more than {NOTE_SIGNATURES_MAX}")]
    TooManySignatures {
        /// Number of signatures.
        count: usize,
    },
    /// Not a signature line.
    #[error("`{line}` is not a signature line")]
    MalformedSignature {
        /// The line.
        line: String,
    },
    /// The id of the signature is that of two trusted keys.
    #[error("two trusted keys of `{name}` have the same id")]
    AmbiguousKey {
        /// Name of the keys.
        name: KeyName,
    },
    /// A signature in the name of a trusted key is not that key's.
    #[error("the signature of `{name}` does not verify")]
    SignatureFailed {
        /// Name of the key.
        name: KeyName,
    },
    /// The signer is away or refuses.
    #[error("{why}")]
    NotSigned {
        /// What it says.
        why: String,
    },
    /// No trusted key has signed.
    #[error("no trusted key has signed")]
    NoTrustedSignature,
}

const LINE_START: &str = "\u{2014} ";

/// What a witness signs (C2SP `tlog-cosignature`). The first line keeps it apart from every note text that a log signs.
fn cosigned_message(time: u64, text: &str) -> String {
    format!("cosignature/v1\ntime {time}\n{text}")
}

fn check_characters(message: &str) -> Result<(), NoteError> {
    if message.len() > NOTE_BYTES_MAX {
        return Err(NoteError::TooLarge { size: message.len() });
    }
    let control = message.bytes().any(|byte| byte < 0x20 && byte != b'\n');
    if control { Err(NoteError::ControlCharacter) } else { Ok(()) }
}
