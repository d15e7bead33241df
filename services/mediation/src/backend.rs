//! The logs and vaults that a process may be on, one type each: the only place that tells them apart.

use std::sync::Arc;

use bytes::Bytes;
use mediation_ledger::{
    chain::{ChainId, Revision},
    log::{Append, AppendError, Cursor, Followed, Follower, Log, ReadError, Stored},
    merkle::{Hash, LeafIndex},
    vault::{DataKey, Deposit, Vault, VaultError},
};
use mediation_log_embedded::{Embedded, EmbeddedFollower, vault::FileVault};

/// The log of a process.
#[derive(Debug)]
pub(crate) enum AnyLog {
    /// On this machine.
    Embedded(Arc<Embedded>),
}

/// Follows the log of a process.
#[derive(Debug)]
pub(crate) enum AnyFollower {
    /// On this machine.
    Embedded(EmbeddedFollower),
}

impl AnyLog {
    /// Ends writing; everything that was accepted is durable.
    pub(crate) async fn close(&self) {
        match self {
            Self::Embedded(log) => log.close().await,
        }
    }
}

impl AnyLog {
    /// Up to `count` records of leaves, from one on, in their order.
    pub(crate) async fn leaves(&self, from: LeafIndex, count: usize) -> Result<Vec<Stored>, ReadError> {
        match self {
            Self::Embedded(log) => log.leaves(from, count).await,
        }
    }
}

impl Log for AnyLog {
    type Follower = AnyFollower;

    async fn append(&self, chain: ChainId, expected: Revision, record: Bytes) -> Result<(), AppendError> {
        match self {
            Self::Embedded(log) => log.append(chain, expected, record).await,
        }
    }

    async fn append_batch(&self, records: Vec<Append>) -> Result<(), AppendError> {
        match self {
            Self::Embedded(log) => log.append_batch(records).await,
        }
    }

    async fn read(&self, chain: ChainId, from: Revision, limit: usize) -> Result<Vec<Stored>, ReadError> {
        match self {
            Self::Embedded(log) => log.read(chain, from, limit).await,
        }
    }

    async fn follow(&self, after: Option<Cursor>) -> Result<AnyFollower, ReadError> {
        match self {
            Self::Embedded(log) => Ok(AnyFollower::Embedded(log.follow(after).await?)),
        }
    }
}

impl Follower for AnyFollower {
    async fn next(&mut self) -> Result<Vec<Followed>, ReadError> {
        match self {
            Self::Embedded(follower) => follower.next().await,
        }
    }
}

/// The vault of a process.
#[derive(Debug)]
pub(crate) enum AnyVault {
    /// In this process.
    File(FileVault),
}

impl AnyVault {
    /// Ends writing; everything that was accepted is durable.
    pub(crate) async fn close(&self) {
        match self {
            Self::File(vault) => vault.close().await,
        }
    }
}

impl Vault for AnyVault {
    async fn deposit(&self, chain: ChainId, deposits: Vec<Deposit>) -> Result<(), VaultError> {
        match self {
            Self::File(vault) => vault.deposit(chain, deposits).await,
        }
    }

    async fn deposit_all(&self, deposits: Vec<(ChainId, Vec<Deposit>)>) -> Result<(), VaultError> {
        match self {
            Self::File(vault) => vault.deposit_all(deposits).await,
        }
    }

    async fn key(&self, chain: ChainId, digest: Hash) -> Result<Option<DataKey>, VaultError> {
        match self {
            Self::File(vault) => vault.key(chain, digest).await,
        }
    }
}
