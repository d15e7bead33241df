//! Keys: what signs, and what verifies.
//!
//! ```text
//! algorithm     public key                       signature              verified
//! 1 Ed25519     32 bytes (RFC 8032)              64 bytes               strictly: no small-order keys
//! 2 SM2-SM3     65 bytes: 0x04 | x | y           64 bytes: r | s        both from 1 to n - 1
//! ```
//!
//! Which algorithm a key has its registry says, never the message: a signature names nothing but a key id, so that an
//! SM2 signature under an Ed25519 key is a signature that does not verify.

use std::fmt;

use ed25519_dalek::{Signer as _, SigningKey, VerifyingKey};
use sha2::{Digest as _, Sha256};

use crate::entropy::{Entropy, EntropyError, Purpose, SystemEntropy};

mod sm2_sm3;

pub use self::sm2_sm3::{SM2_USER_ID, Sm2Signer};

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
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Algorithm {
    /// Ed25519 (RFC 8032), verified strictly.
    Ed25519 = 1,
    /// SM2 with SM3 (GB/T 32918.2-2016, GB/T 32905-2016), user id [`SM2_USER_ID`].
    Sm2Sm3 = 2,
}

/// A public key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PublicKey {
    key: Point,
}

/// A public key's point, of the curve of its algorithm.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Point {
    Ed25519(VerifyingKey),
    Sm2Sm3(sm2_sm3::Point),
}

impl PublicKey {
    /// Reads a public key of this algorithm.
    ///
    /// # Errors
    /// Bytes that are no key of it, or a weak one.
    pub fn new(algorithm: Algorithm, bytes: &[u8]) -> Result<Self, KeyError> {
        match algorithm {
            Algorithm::Ed25519 => Self::ed25519(bytes),
            Algorithm::Sm2Sm3 => Self::sm2(bytes),
        }
    }

    /// Reads an Ed25519 public key.
    ///
    /// # Errors
    /// Bytes that are no point of the curve, or a weak one.
    pub fn ed25519(bytes: &[u8]) -> Result<Self, KeyError> {
        let algorithm = Algorithm::Ed25519;
        let bytes: [u8; 32] = bytes.try_into().map_err(|_| KeyError::Length { algorithm, found: bytes.len() })?;
        let key = VerifyingKey::from_bytes(&bytes).map_err(|_| KeyError::NotAPoint)?;
        if key.is_weak() {
            return Err(KeyError::Weak);
        }
        Ok(Self { key: Point::Ed25519(key) })
    }

    /// Reads an SM2 public key: the uncompressed point, 65 bytes.
    ///
    /// # Errors
    /// Bytes that are no point of the curve, or a point in another form.
    pub fn sm2(bytes: &[u8]) -> Result<Self, KeyError> {
        Ok(Self { key: Point::Sm2Sm3(sm2_sm3::Point::parse(bytes)?) })
    }

    /// Algorithm.
    #[must_use]
    pub fn algorithm(&self) -> Algorithm {
        match self.key {
            Point::Ed25519(_) => Algorithm::Ed25519,
            Point::Sm2Sm3(_) => Algorithm::Sm2Sm3,
        }
    }

    /// The key's bytes: as many as its algorithm's keys have.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        match self.key {
            Point::Ed25519(key) => key.to_bytes().to_vec(),
            Point::Sm2Sm3(point) => point.to_bytes(),
        }
    }

    /// The key's name.
    #[must_use]
    pub fn id(&self) -> KeyId {
        let mut hasher = Sha256::new();
        hasher.update([self.algorithm() as u8]);
        hasher.update(self.to_bytes());
        KeyId(hasher.finalize().into())
    }

    /// Whether a signature over these bytes is this key's. Small-order and malleable signatures are not, nor is one with
    /// a number out of range.
    #[must_use]
    pub fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        match self.key {
            Point::Ed25519(key) => {
                let Ok(signature) = ed25519_dalek::Signature::from_slice(signature) else { return false };
                key.verify_strict(message, &signature).is_ok()
            }
            Point::Sm2Sm3(point) => point.verifies(message, signature),
        }
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
        PublicKey { key: Point::Ed25519(self.key.verifying_key()) }
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
    #[error("a public key of {algorithm:?} has another length than {found} bytes")]
    Length {
        /// Algorithm that the key is said to have.
        algorithm: Algorithm,
        /// Bytes found.
        found: usize,
    },
    /// No point of the curve, or one in another form than the one that keys have.
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

#[cfg(test)]
mod tests;
