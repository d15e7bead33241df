//! The key-encryption key of a vault as a value: in a file, in a token, in a key management service.
//!
//! ```text
//! key-encryption key ── wraps ──▶ keys of chains and subjects: one call for each of them that a request needs
//!        │                        data keys are wrapped by those, in the process that has the vault
//!        └ name ──▶ head of the vault's file: which key opens it
//! ```

use std::fmt;

use zeroize::Zeroizing;

use crate::{
    entropy::Entropy,
    part::{Cipher, NONCE_BYTES},
};

/// Bytes of a wrapped key: a nonce, 32 bytes of ciphertext, a tag of 16.
pub const WRAPPED_BYTES: usize = NONCE_BYTES + 32 + 16;

/// Names a key-encryption key and tells nothing of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Name(pub [u8; 16]);

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// A key wrapped by another: `nonce[12] | ciphertext[32] | tag[16]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wrapped(pub [u8; WRAPPED_BYTES]);

/// A key that wraps the keys of a vault's chains and subjects, wherever it is.
///
/// Calls block: a vault makes them on threads of its own. An implementation MUST return within seconds, were it with
/// [`Error::Unavailable`], and MUST serve calls of several threads.
pub trait Kek: Send + Sync + fmt::Debug + 'static {
    /// Name of the key. MUST be the same for ever for the same key, and MUST differ from that of any other key of the
    /// same keeper; MUST NOT tell anything of the key.
    fn name(&self) -> Name;

    /// What it wraps under, which the head of the vault says.
    fn cipher(&self) -> Cipher;

    /// Wraps a key of 32 bytes for what the associated data says. MUST authenticate both. MUST take a nonce that this key
    /// never had, from the entropy that is given or from its own: a nonce that comes twice gives both keys away. MUST NOT
    /// answer before the wrap is complete; a wrap that is lost is asked for again, under another nonce.
    ///
    /// # Errors
    /// The key cannot be reached, or there is no randomness.
    fn wrap(&self, entropy: &dyn Entropy, aad: &[u8], key: &[u8; 32]) -> Result<Wrapped, Error>;

    /// Opens a wrapped key. MUST answer [`Error::Refused`] where key, associated data or bytes are not those of the wrap,
    /// and MUST NOT answer it for any other cause: whoever is refused takes the vault for damaged.
    ///
    /// # Errors
    /// It does not open, or the key cannot be reached.
    fn unwrap(&self, aad: &[u8], wrapped: &Wrapped) -> Result<Zeroizing<[u8; 32]>, Error>;
}

/// Why a key-encryption key did not do it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The wrap is not this key's, not for this, or damaged.
    #[error("the wrapped key does not open")]
    Refused,
    /// The key cannot be reached: its token is away, or refuses.
    #[error("the key-encryption key cannot be used · 主密钥暂不可用: {0}")]
    Unavailable(String),
}
