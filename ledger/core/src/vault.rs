//! The vault: the one place that can open parts. The log holds ciphertext, the vault holds wrapped keys, and destroying
//! a wrap destroys the part while every proof stays.
//!
//! ```text
//! key-encryption key ── wraps ──▶ chain key     ── wraps ──▶ data keys of act, narrative, sealed
//!                    └─ wraps ──▶ subject key   ── wraps ──▶ data keys of that subject's identities on that chain
//! ```

use std::{
    collections::{BTreeMap, BTreeSet},
    future::Future,
};

use mediation_domain::admit::{Caller, Refusal};
use mediation_proto::mediation::ledger::v1::Act;
use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::{
    chain::{ChainId, Revision},
    kek,
    merkle::Hash,
};

/// Fresh key of one part. How a cipher takes it says [`Cipher`](crate::part::Cipher).
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

/// What a vault answers about the keys of some parts. What is neither given nor withheld was destroyed, or never kept.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Keys {
    /// Keys by the commitment digests of their parts.
    pub given: BTreeMap<Hash, DataKey>,
    /// Parts whose keys are not for this reader, whether there are such keys or not.
    pub withheld: BTreeSet<Hash>,
}

/// Keys of parts of one chain that are asked for together with those of others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// Chain.
    pub chain: ChainId,
    /// The revision after the last one that was read: whoever decides what is for this reader must have read as far.
    pub next: Revision,
    /// Commitment digests of the parts.
    pub digests: Vec<Hash>,
}

/// An act that is to be admitted as the next of a chain that its desk may not see.
#[derive(Debug, Clone, Copy)]
pub struct Candidate<'a> {
    /// Chain.
    pub chain: ChainId,
    /// The revision after the last one that the desk has read: whoever decides must have read as far.
    pub next: Revision,
    /// The agency's word: seconds since 1970-01-01T00:00:00Z.
    pub occurred_at: i64,
    /// What was done.
    pub act: &'a Act,
}

/// What a vault says of an act of a chain that its desk may not see.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Admission {
    /// This vault withholds nothing: the desk sees what there is, and decides.
    NotNeeded,
    /// The rules admit it.
    Admitted {
        /// No act stands on the chain.
        chain_is_empty: bool,
    },
    /// The rules say no.
    Refused(Refusal),
}

/// Keeps data keys.
pub trait Vault: Send + Sync + 'static {
    /// Keeps data keys of parts of a chain. MUST be durable when it returns: a record whose keys are lost cannot be read.
    /// MUST NOT replace a key: the same again is success, another one [`VaultError::Conflict`].
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

    /// The data keys of parts of a chain that was read up to, but not including, revision `next`. Whoever decides what is
    /// for this reader MUST have read as far.
    fn keys(
        &self,
        chain: ChainId,
        _next: Revision,
        digests: &[Hash],
    ) -> impl Future<Output = Result<Keys, VaultError>> + Send {
        async move {
            let mut keys = Keys::default();
            for digest in digests {
                if let Some(key) = self.key(chain, *digest).await? {
                    keys.given.insert(*digest, key);
                }
            }
            Ok(keys)
        }
    }

    /// The data keys of parts of many chains: for each, in their order, what [`Vault::keys`] gives.
    fn keys_of_chains(&self, wanted: Vec<Wanted>) -> impl Future<Output = Result<Vec<Keys>, VaultError>> + Send {
        async move {
            let mut keys = Vec::with_capacity(wanted.len());
            for Wanted { chain, next, digests } in wanted {
                keys.push(self.keys(chain, next, &digests).await?);
            }
            Ok(keys)
        }
    }

    /// Destroys the keys of parts of a chain for ever, and says how many there were. MUST be durable when it returns, and a key that
    /// was destroyed MUST NOT be kept again. What is gone already, or never was there, is gone.
    fn destroy(&self, chain: ChainId, digests: &[Hash]) -> impl Future<Output = Result<usize, VaultError>> + Send;

    /// Whether the rules admit an act of a caller on a chain from which [`Vault::keys`] withholds parts, as whoever sees
    /// the whole chain says.
    fn admit(
        &self,
        _caller: &Caller,
        _candidate: Candidate<'_>,
    ) -> impl Future<Output = Result<Admission, VaultError>> + Send {
        async { Ok(Admission::NotNeeded) }
    }
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
    /// Another key is kept for the part.
    #[error("another key is kept for part {digest}")]
    Conflict {
        /// Commitment digest of the part.
        digest: Hash,
    },
    /// The key of the part was destroyed, and none is kept for it any more.
    #[error("the key of part {digest} was destroyed")]
    Destroyed {
        /// Commitment digest of the part.
        digest: Hash,
    },
    /// Keys are destroyed by the process that holds the vault alone.
    #[error("this process holds no vault, and destroys no keys")]
    NotHere,
    /// The vault answers this process for another agency only.
    #[error("the vault does not answer this process for `{agency}`")]
    OtherAgency {
        /// Agency that asks.
        agency: String,
    },
    /// The disk is full.
    #[error("no space left on the disk of the vault")]
    NoSpace,
    /// The queue is full.
    #[error("the queue of the vault is full")]
    Full,
    /// The key-encryption key cannot be reached: its token is away. Nothing was kept, read or damaged.
    #[error("the key-encryption key of the vault cannot be used")]
    Kek(#[source] kek::Error),
    /// The vault is closed, or cannot be reached.
    #[error("the vault is unavailable")]
    Unavailable(#[source] Option<std::io::Error>),
}
