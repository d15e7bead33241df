//! The vault: the one place that can open parts. The log holds ciphertext, the vault holds wrapped keys, and destroying
//! a wrap destroys the part while every proof stays.
//!
//! ```text
//! key-encryption key ── wraps ──▶ chain key     ── wraps ──▶ data keys of act, narrative, sealed
//!                    └─ wraps ──▶ subject key   ── wraps ──▶ data keys of that subject's identities on that chain
//! ```

use std::future::Future;

use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::{chain::ChainId, merkle::Hash};

/// Fresh key of one part (AES-256).
#[derive(Clone, PartialEq, Eq, Zeroize, ZeroizeOnDrop)]
pub struct DataKey(pub [u8; 32]);

impl std::fmt::Debug for DataKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("DataKey(…)")
    }
}

/// Whose key wraps a data key.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Holder {
    /// The chain's own key.
    Chain,
    /// The key of one subject on that chain, by pseudonym.
    Subject(String),
}

/// A data key to be kept.
#[derive(Debug, Clone)]
pub struct Deposit {
    /// Commitment digest of the part; unique, since every part is freshly salted.
    pub digest: Hash,
    /// Whose key wraps it.
    pub holder: Holder,
    /// The key.
    pub key: DataKey,
}

/// Keeps data keys.
pub trait Vault: Send + Sync + 'static {
    /// Keeps data keys of parts of a chain. MUST be durable when it returns: a record whose keys are lost cannot be read.
    fn deposit(&self, chain: ChainId, deposits: Vec<Deposit>) -> impl Future<Output = Result<(), VaultError>> + Send;

    /// Keeps data keys of parts of many chains, in this order. MUST be durable when it returns; after an error some may
    /// be kept.
    fn deposit_all(
        &self,
        deposits: Vec<(ChainId, Vec<Deposit>)>,
    ) -> impl Future<Output = Result<(), VaultError>> + Send {
        async move {
            for (chain, deposits) in deposits {
                self.deposit(chain, deposits).await?;
            }
            Ok(())
        }
    }

    /// The data key of a part; `None` when it was destroyed or never kept.
    fn key(&self, chain: ChainId, digest: Hash) -> impl Future<Output = Result<Option<DataKey>, VaultError>> + Send;
}

/// Why the vault did not do it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum VaultError {
    /// A wrap does not open under the key that should open it.
    #[error("the wrap of part {digest} does not open")]
    Damaged {
        /// Commitment digest of the part.
        digest: Hash,
    },
    /// The disk is full.
    #[error("no space left on the disk of the vault")]
    NoSpace,
    /// The queue is full.
    #[error("the queue of the vault is full")]
    Full,
    /// The vault is closed, or cannot be reached.
    #[error("the vault is unavailable")]
    Unavailable(#[source] Option<std::io::Error>),
}
