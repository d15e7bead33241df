//! Keys: what signs, and what verifies.

use std::fmt;

use ed25519_dalek::{Signer as _, SigningKey, VerifyingKey};
use sha2::{Digest as _, Sha256};

use crate::entropy::{Entropy, EntropyError, Purpose, SystemEntropy};

/// Names a key: SHA-256(u8 algorithm | public key).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId(pub [u8; 32]);

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyId({self})")
    }
}

/// Signature algorithm. The key registry says which one a key has, never the message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Algorithm {
    /// Ed25519 (RFC 8032), verified strictly.
    Ed25519 = 1,
}

/// A public key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PublicKey {
    key: VerifyingKey,
}

impl PublicKey {
    /// Reads an Ed25519 public key.
    ///
    /// # Errors
    /// Bytes that are no point of the curve, or a weak one.
    pub fn ed25519(bytes: &[u8]) -> Result<Self, KeyError> {
        let bytes: [u8; 32] = bytes.try_into().map_err(|_| KeyError::Length { found: bytes.len() })?;
        let key = VerifyingKey::from_bytes(&bytes).map_err(|_| KeyError::NotAPoint)?;
        if key.is_weak() {
            return Err(KeyError::Weak);
        }
        Ok(Self { key })
    }

    /// Algorithm.
    #[must_use]
    pub fn algorithm(&self) -> Algorithm {
        Algorithm::Ed25519
    }

    /// The key's bytes.
    #[must_use]
    pub fn to_bytes(&self) -> [u8; 32] {
        self.key.to_bytes()
    }

    /// The key's name.
    #[must_use]
    pub fn id(&self) -> KeyId {
        let mut hasher = Sha256::new();
        hasher.update([self.algorithm() as u8]);
        hasher.update(self.key.as_bytes());
        KeyId(hasher.finalize().into())
    }

    /// Whether a signature over these bytes is this key's. Small-order and malleable signatures are not.
    #[must_use]
    pub fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        let Ok(signature) = ed25519_dalek::Signature::from_slice(signature) else { return false };
        self.key.verify_strict(message, &signature).is_ok()
    }
}

/// Signs statements. Desks hold one per agency; hardware can stand behind it.
pub trait Signer: Send + Sync + fmt::Debug {
    /// The public half.
    fn public_key(&self) -> PublicKey;
    /// Signs these bytes.
    ///
    /// # Errors
    /// The device is away or refuses; nothing was signed.
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SignError>;
}

/// An Ed25519 key in memory; wiped when dropped.
pub struct Ed25519Signer {
    key: SigningKey,
}

impl Ed25519Signer {
    /// A signer of this key.
    #[must_use]
    pub fn new(key: SigningKey) -> Self {
        Self { key }
    }

    /// A fresh key.
    ///
    /// # Errors
    /// The operating system gives no randomness.
    pub fn generate() -> Result<Self, EntropyError> {
        Self::generate_from(&SystemEntropy, &[])
    }

    /// A key made of given entropy; its names tell it from every other key that is made of the same.
    ///
    /// # Errors
    /// There is no randomness.
    pub fn generate_from(entropy: &dyn Entropy, names: &[&[u8]]) -> Result<Self, EntropyError> {
        let mut seed = zeroize::Zeroizing::new([0_u8; 32]);
        entropy.fill(&Purpose { what: "signing-key", of: names }, seed.as_mut())?;
        Ok(Self { key: SigningKey::from_bytes(&seed) })
    }

    /// The key itself, to be kept.
    #[must_use]
    pub fn signing_key(&self) -> &SigningKey {
        &self.key
    }
}

impl fmt::Debug for Ed25519Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Ed25519Signer").field(&self.public_key().id()).finish()
    }
}

impl Signer for Ed25519Signer {
    fn public_key(&self) -> PublicKey {
        PublicKey { key: self.key.verifying_key() }
    }

    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SignError> {
        Ok(self.key.sign(message).to_bytes().to_vec())
    }
}

/// Why bytes are not a public key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
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
}

/// Why nothing was signed.
#[derive(Debug, thiserror::Error)]
#[error("the signer did not sign: {0}")]
pub struct SignError(pub String);
