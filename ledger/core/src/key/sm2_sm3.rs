//! SM2 with SM3: the signature of GB/T 32918.2-2016 over the hash of GB/T 32905-2016.
//!
//! ```text
//! Z          = SM3( u16be bits of the user id | user id | a | b | xG | yG | xA | yA )
//! signed     = SM3( Z | message )
//! signature  = r[32] | s[32]           big endian, both from 1 to n - 1; not the DER in which certificates carry them
//! ```
//!
//! The nonce follows from key and message (RFC 6979, with SM3): who signs the same bytes twice gives the same
//! signature, and no failure of a random number generator gives the key away.

use std::fmt;

use sm2::{
    AffinePoint, PublicKey as CurvePoint, SecretKey,
    dsa::{
        Signature, SigningKey, VerifyingKey,
        signature::{Signer as _, Verifier as _},
    },
    elliptic_curve::sec1::ToSec1Point as _,
};
use zeroize::Zeroizing;

use super::{Algorithm, KeyError, PublicKey, SignError, Signer};
use crate::entropy::{Entropy, EntropyError, Purpose, SystemEntropy};

/// The user id that goes into every signature: the default of GM/T 0009-2012 §10, for everybody. Who signs the key says.
pub const SM2_USER_ID: &str = "1234567812345678";

/// Bytes of a public key: 0x04, x, y.
const POINT_BYTES: usize = 65;

/// First byte of a point that is written with both coordinates (SEC 1 §2.3.3).
const UNCOMPRESSED: u8 = 0x04;

/// A public key: a point of the curve that is not its neutral element.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Point(AffinePoint);

impl Point {
    /// Reads the uncompressed form, and no other: a key has one id.
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, KeyError> {
        if bytes.len() != POINT_BYTES {
            return Err(KeyError::Length { algorithm: Algorithm::Sm2Sm3, found: bytes.len() });
        }
        if bytes.first() != Some(&UNCOMPRESSED) {
            return Err(KeyError::NotAPoint);
        }
        let point = CurvePoint::from_sec1_bytes(bytes).map_err(|_| KeyError::NotAPoint)?;
        Ok(Self(*point.as_affine()))
    }

    pub(super) fn to_bytes(self) -> Vec<u8> {
        self.0.to_sec1_point(false).as_bytes().to_vec()
    }

    pub(super) fn verifies(self, message: &[u8], signature: &[u8]) -> bool {
        // Reading the signature checks the ranges of r and s.
        let (Ok(signature), Ok(key)) =
            (Signature::from_slice(signature), VerifyingKey::from_affine(SM2_USER_ID, self.0))
        else {
            return false;
        };
        key.verify(message, &signature).is_ok()
    }
}

/// An SM2 key in memory. The secret that was read is wiped when dropped; what the curve's library makes of it is not.
pub struct Sm2Signer {
    secret: SecretKey,
    key: SigningKey,
}

impl Sm2Signer {
    /// A signer of this key.
    ///
    /// # Errors
    /// [`KeyError::Weak`]: the key is n - 1, with which nothing can be signed.
    pub fn new(secret: SecretKey) -> Result<Self, KeyError> {
        let key = SigningKey::new(SM2_USER_ID, &secret).map_err(|_| KeyError::Weak)?;
        // Signing divides by 1 + d (GB/T 32918.2 §6.1): the one key for which that is zero signs nothing.
        key.try_sign(&[]).map_err(|_| KeyError::Weak)?;
        Ok(Self { secret, key })
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
        let mut secret = Zeroizing::new([0_u8; 32]);
        let mut attempt = 0_u64;
        // One number in four thousand million is no key; then another one is taken.
        loop {
            let attempted = attempt.to_be_bytes();
            let of: Vec<&[u8]> = names.iter().copied().chain([attempted.as_slice()]).collect();
            entropy.fill(&Purpose { what: "sm2-signing-key", of: &of }, secret.as_mut())?;
            if let Some(signer) = SecretKey::from_slice(secret.as_ref()).ok().and_then(|key| Self::new(key).ok()) {
                return Ok(signer);
            }
            attempt += 1;
        }
    }

    /// The key itself, to be kept.
    #[must_use]
    pub fn secret_key(&self) -> &SecretKey {
        &self.secret
    }
}

impl fmt::Debug for Sm2Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Sm2Signer").field(&self.public_key().id()).finish()
    }
}

impl Signer for Sm2Signer {
    fn public_key(&self) -> PublicKey {
        PublicKey { key: super::Point::Sm2Sm3(Point(*self.key.verifying_key().as_affine())) }
    }

    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SignError> {
        let signature: Signature = self.key.try_sign(message).map_err(|error| SignError(error.to_string()))?;
        Ok(signature.to_vec())
    }
}
