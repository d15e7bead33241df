//! Names, ids and public keys of those who sign notes.

use std::{fmt, str::FromStr};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use ed25519_dalek::VerifyingKey;
use sha2::{Digest as _, Sha256};

use crate::key::{Algorithm, KeyError, PublicKey};

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

    /// Origin of the twin tree over SM3 of the log of this name, and name of the key that signs for it.
    #[must_use]
    pub fn twin(&self) -> Self {
        Self(format!("{}{TWIN_SUFFIX}", self.0))
    }

    /// Whether this is the name of a twin: no ledger may take such a name, or its checkpoints were another's twin's.
    #[must_use]
    pub fn is_twin(&self) -> bool {
        self.0.ends_with(TWIN_SUFFIX)
    }
}

/// What the origin of a twin tree ends in.
const TWIN_SUFFIX: &str = "/sm3";

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

/// Names a key within a note line: the first 4 bytes of SHA-256(name | 0x0A | type bytes | public key), as a big endian
/// number. Shown as 8 lower case hex digits. Too short to identify a key alone; it only finds one.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NoteKeyId(pub u32);

impl NoteKeyId {
    /// Id of the key of this name, type and bytes.
    #[must_use]
    pub fn new(name: &KeyName, signature_type: SignatureType, key: &[u8]) -> Self {
        let mut hasher = Sha256::new();
        hasher.update(name.as_str());
        hasher.update(b"\n");
        hasher.update(signature_type.bytes());
        hasher.update(key);
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
    /// SM2 with SM3 over the text: a log's. C2SP has no number for it, so that 0xFF and a name stand for the type.
    Sm2Sm3 = 0xff,
}

impl SignatureType {
    const ALL: [Self; 3] = [Self::Ed25519, Self::CosignatureV1, Self::Sm2Sm3];

    /// Bytes that stand for the type in key ids and vkeys.
    fn bytes(self) -> &'static [u8] {
        match self {
            Self::Ed25519 => &[Self::Ed25519 as u8],
            Self::CosignatureV1 => &[Self::CosignatureV1 as u8],
            Self::Sm2Sm3 => b"\xffsm2-sm3-v1",
        }
    }

    /// Algorithm of the keys that sign so.
    #[must_use]
    pub fn algorithm(self) -> Algorithm {
        match self {
            Self::Ed25519 | Self::CosignatureV1 => Algorithm::Ed25519,
            Self::Sm2Sm3 => Algorithm::Sm2Sm3,
        }
    }

    /// Type of a log's signatures with a key of this algorithm.
    #[must_use]
    pub fn of_log(algorithm: Algorithm) -> Self {
        match algorithm {
            Algorithm::Ed25519 => Self::Ed25519,
            Algorithm::Sm2Sm3 => Self::Sm2Sm3,
        }
    }

    /// Whether logs sign so; witnesses do not.
    #[must_use]
    pub fn is_of_log(self) -> bool {
        self == Self::of_log(self.algorithm())
    }
}

/// A public key that signs notes, with its name. Read from and shown as a C2SP vkey: `name+id+base64(type bytes | key)`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifierKey {
    name: KeyName,
    id: NoteKeyId,
    signature_type: SignatureType,
    key: PublicKey,
}

impl VerifierKey {
    /// The Ed25519 key of this name and type.
    ///
    /// # Errors
    /// [`VerifierKeyError::Weak`], [`VerifierKeyError::OtherAlgorithm`].
    pub fn new(name: KeyName, signature_type: SignatureType, key: VerifyingKey) -> Result<Self, VerifierKeyError> {
        Self::of(name, signature_type, PublicKey::ed25519(key.as_bytes())?)
    }

    /// The key of the log of this name, whatever its algorithm.
    #[must_use]
    pub fn of_log(name: KeyName, key: PublicKey) -> Self {
        Self::typed(name, SignatureType::of_log(key.algorithm()), key)
    }

    fn of(name: KeyName, signature_type: SignatureType, key: PublicKey) -> Result<Self, VerifierKeyError> {
        if signature_type.algorithm() != key.algorithm() {
            return Err(VerifierKeyError::OtherAlgorithm { signature_type, found: key.algorithm() });
        }
        Ok(Self::typed(name, signature_type, key))
    }

    fn typed(name: KeyName, signature_type: SignatureType, key: PublicKey) -> Self {
        Self { id: NoteKeyId::new(&name, signature_type, &key.to_bytes()), name, signature_type, key }
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

    /// The key without its name.
    #[must_use]
    pub fn public_key(&self) -> PublicKey {
        self.key
    }

    /// Whether a signature over these bytes is this key's. Small-order and malleable signatures are not.
    pub(crate) fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        self.key.verifies(message, signature)
    }
}

impl fmt::Display for VerifierKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let typed = [self.signature_type.bytes(), &self.key.to_bytes()].concat();
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
        let (&number, _) = typed.split_first().ok_or(VerifierKeyError::Malformed)?;
        let (signature_type, key) = SignatureType::ALL
            .into_iter()
            .find_map(|known| Some((known, typed.strip_prefix(known.bytes())?)))
            .ok_or(VerifierKeyError::UnknownType { number })?;
        let verifier = Self::of(name, signature_type, PublicKey::new(signature_type.algorithm(), key)?)?;
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
    #[error("public keys of this type have another length than {found} bytes")]
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
    /// A key of another algorithm than the one of the signature type.
    #[error("a key of {found:?} does not sign as {signature_type:?}")]
    OtherAlgorithm {
        /// Type of signature.
        signature_type: SignatureType,
        /// The key's algorithm.
        found: Algorithm,
    },
    /// The id is that of another name, type or key.
    #[error("the id is not {computed}, which name and key have")]
    IdMismatch {
        /// Id that name and key have.
        computed: NoteKeyId,
    },
}

impl From<KeyError> for VerifierKeyError {
    fn from(error: KeyError) -> Self {
        match error {
            KeyError::Length { found, .. } => Self::Length { found },
            KeyError::NotAPoint => Self::NotAPoint,
            KeyError::Weak => Self::Weak,
        }
    }
}
