//! Names, ids and public keys of those who sign notes.

use std::{fmt, str::FromStr};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use ed25519_dalek::VerifyingKey;
use sha2::{Digest as _, Sha256};

/// Name of a key, in the style of a schema-less URL: `ledger.example/main`. Not empty; without white space, control
/// characters and `+`. The name of a log's key is the log's origin.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyName(String);

impl KeyName {
    /// The name's text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for KeyName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for KeyName {
    type Err = KeyNameError;

    fn from_str(name: &str) -> Result<Self, KeyNameError> {
        let forbidden = |c: char| c == '+' || c < ' ' || c.is_whitespace();
        if name.is_empty() || name.contains(forbidden) {
            return Err(KeyNameError { name: name.to_owned() });
        }
        Ok(Self(name.to_owned()))
    }
}

/// Names a key within a note line: the first 4 bytes of SHA-256(name | 0x0A | signature type | public key), as a big
/// endian number. Shown as 8 lower case hex digits. Too short to identify a key alone; it only finds one.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NoteKeyId(pub u32);

impl NoteKeyId {
    /// Id of the key of this name, type and bytes.
    #[must_use]
    pub fn new(name: &KeyName, signature_type: SignatureType, key: &VerifyingKey) -> Self {
        let mut hasher = Sha256::new();
        hasher.update(name.as_str());
        hasher.update([b'\n', signature_type as u8]);
        hasher.update(key.as_bytes());
        let [a, b, c, d, ..]: [u8; 32] = hasher.finalize().into();
        Self(u32::from_be_bytes([a, b, c, d]))
    }
}

impl fmt::Display for NoteKeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}", self.0)
    }
}

impl fmt::Debug for NoteKeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "NoteKeyId({self})")
    }
}

/// What a key's signatures are made over. The number is part of the key's id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum SignatureType {
    /// Ed25519 over the text: a log's.
    Ed25519 = 0x01,
    /// Ed25519 over time and checkpoint: a witness's (C2SP `tlog-cosignature`).
    CosignatureV1 = 0x04,
}

/// A public key that signs notes, with its name. Read from and shown as a C2SP vkey: `name+id+base64(type | key)`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifierKey {
    name: KeyName,
    id: NoteKeyId,
    signature_type: SignatureType,
    key: VerifyingKey,
}

impl VerifierKey {
    /// The key of this name and type.
    ///
    /// # Errors
    /// [`VerifierKeyError::Weak`].
    pub fn new(name: KeyName, signature_type: SignatureType, key: VerifyingKey) -> Result<Self, VerifierKeyError> {
        if key.is_weak() {
            return Err(VerifierKeyError::Weak);
        }
        Ok(Self { id: NoteKeyId::new(&name, signature_type, &key), name, signature_type, key })
    }

    /// The key's name.
    #[must_use]
    pub fn name(&self) -> &KeyName {
        &self.name
    }

    /// The key's id.
    #[must_use]
    pub fn id(&self) -> NoteKeyId {
        self.id
    }

    /// What the key's signatures are made over.
    #[must_use]
    pub fn signature_type(&self) -> SignatureType {
        self.signature_type
    }

    /// The bytes of the public key: the same for two names of one key.
    #[must_use]
    pub fn public_key(&self) -> &[u8] {
        self.key.as_bytes()
    }

    /// Whether a signature over these bytes is this key's. Small-order and malleable signatures are not.
    pub(super) fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        let Ok(signature) = ed25519_dalek::Signature::from_slice(signature) else { return false };
        self.key.verify_strict(message, &signature).is_ok()
    }
}

impl fmt::Display for VerifierKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let typed = [[self.signature_type as u8].as_slice(), self.key.as_bytes()].concat();
        write!(f, "{}+{}+{}", self.name, self.id, STANDARD.encode(typed))
    }
}

impl FromStr for VerifierKey {
    type Err = VerifierKeyError;

    fn from_str(vkey: &str) -> Result<Self, VerifierKeyError> {
        // Base64 knows `+` too; a name does not.
        let (name, rest) = vkey.split_once('+').ok_or(VerifierKeyError::Malformed)?;
        let (id, typed) = rest.split_once('+').ok_or(VerifierKeyError::Malformed)?;
        let name = name.parse()?;
        let typed = STANDARD.decode(typed).map_err(|_| VerifierKeyError::Malformed)?;
        let (&number, key) = typed.split_first().ok_or(VerifierKeyError::Malformed)?;
        let signature_type = [SignatureType::Ed25519, SignatureType::CosignatureV1]
            .into_iter()
            .find(|known| *known as u8 == number)
            .ok_or(VerifierKeyError::UnknownType { number })?;
        let key = key.try_into().map_err(|_| VerifierKeyError::Length { found: key.len() })?;
        let key = VerifyingKey::from_bytes(&key).map_err(|_| VerifierKeyError::NotAPoint)?;
        let verifier = Self::new(name, signature_type, key)?;
        if verifier.id.to_string() != id {
            return Err(VerifierKeyError::IdMismatch { computed: verifier.id });
        }
        Ok(verifier)
    }
}

/// Text that is not the name of a key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{name}` is not a key name: it must have characters, but no white space, control characters or `+`")]
pub struct KeyNameError {
    /// The text.
    pub name: String,
}

/// Why text is not a vkey.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum VerifierKeyError {
    /// Not `name+id+base64`.
    #[error("the text is not `name+id+base64`")]
    Malformed,
    /// The name is none.
    #[error(transparent)]
    Name(#[from] KeyNameError),
    /// A type of signature that is not checked here.
    #[error("signature type {number:#04x} is not supported")]
    UnknownType {
        /// Its number.
        number: u8,
    },
    /// Wrong length.
    #[error("an Ed25519 public key has 32 bytes, not {found}")]
    Length {
        /// Bytes found.
        found: usize,
    },
    /// No point of the curve.
    #[error("the bytes are no point of the curve")]
    NotAPoint,
    /// A point of small order: anybody could sign for it.
    #[error("the key is weak")]
    Weak,
    /// The id is that of another name, type or key.
    #[error("the id is not {computed}, which name and key have")]
    IdMismatch {
        /// Id that name and key have.
        computed: NoteKeyId,
    },
}
