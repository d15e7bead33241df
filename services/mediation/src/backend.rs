//! The logs and vaults that a process may be on, one type each: the only place that tells them apart.

use std::sync::Arc;
#[cfg(feature = "kurrentdb")]
use std::{path::PathBuf, time::Duration};

#[cfg(feature = "kurrentdb")]
use anyhow::Context as _;
use anyhow::Result;
use bytes::Bytes;
use mediation_desk::vault::RemoteVault;
#[cfg(feature = "kurrentdb")]
use mediation_desk::vault::VaultAccess;
use mediation_domain::admit::Caller;
use mediation_ledger::{
    chain::{ChainId, Revision},
    entropy::SystemEntropy,
    log::{Append, AppendError, Cursor, Followed, Follower, Log, ReadError, Stored},
    merkle::{Hash, LeafIndex, TreeSize},
    vault::{Admission, Candidate, DataKey, Deposit, Keys, Vault, VaultError, Wanted},
};
#[cfg(feature = "kurrentdb")]
use mediation_log_embedded::LEAVES_BYTES_MAX;
use mediation_log_embedded::{Embedded, EmbeddedFollower, Trouble, disk::Disk, vault::FileVault};
#[cfg(feature = "kurrentdb")]
use mediation_log_kurrentdb::{KurrentFollower, KurrentLog};
#[cfg(feature = "kurrentdb")]
use mediation_projections::leaves::LeavesReader;

use crate::{config::Config, failed_sync, kek, layout::Layout};
#[cfg(feature = "kurrentdb")]
use crate::{
    config::{Role, VaultConfig},
    contents,
};

/// The log of a process.
#[derive(Debug)]
pub(crate) enum AnyLog {
    /// On this machine.
    Embedded(Arc<Embedded>),
    /// On a cluster, with the leaves that this process has seen of it, if it keeps them.
    #[cfg(feature = "kurrentdb")]
    Kurrentdb(KurrentLog, Option<LeavesReader>),
}

/// Follows the log of a process.
#[derive(Debug)]
pub(crate) enum AnyFollower {
    /// On this machine.
    Embedded(EmbeddedFollower),
    /// On a cluster.
    #[cfg(feature = "kurrentdb")]
    Kurrentdb(KurrentFollower),
}

impl AnyLog {
    /// The log on this machine; none where it is on a cluster.
    pub(crate) fn embedded(&self) -> Option<Arc<Embedded>> {
        match self {
            Self::Embedded(log) => Some(Arc::clone(log)),
            #[cfg(feature = "kurrentdb")]
            Self::Kurrentdb(..) => None,
        }
    }

    /// Ends writing; everything that was accepted is durable.
    pub(crate) async fn close(&self) {
        match self {
            Self::Embedded(log) => log.close().await,
            #[cfg(feature = "kurrentdb")]
            Self::Kurrentdb(..) => {}
        }
    }
}

impl AnyLog {
    /// Up to `count` records of leaves, from one on, in their order.
    pub(crate) async fn leaves(&self, from: LeafIndex, count: usize) -> Result<Vec<Stored>, ReadError> {
        match self {
            Self::Embedded(log) => log.leaves(from, count).await,
            #[cfg(feature = "kurrentdb")]
            Self::Kurrentdb(log, seen) => leaves(log, seen.as_ref(), from, count).await,
        }
    }

    /// Entries whose seals a process that stops waits for. What is on a shared log, others seal.
    pub(crate) fn to_be_sealed(&self) -> TreeSize {
        match self {
            Self::Embedded(log) => log.size(),
            #[cfg(feature = "kurrentdb")]
            Self::Kurrentdb(..) => TreeSize(0),
        }
    }
}

/// Records of a shared log by their number, which only who has counted them knows.
#[cfg(feature = "kurrentdb")]
async fn leaves(
    log: &KurrentLog,
    seen: Option<&LeavesReader>,
    from: LeafIndex,
    count: usize,
) -> Result<Vec<Stored>, ReadError> {
    let unavailable = |error| ReadError::Unavailable(Some(error));
    let after = match from.0.checked_sub(1) {
        None => None,
        Some(before) => {
            match seen.map(|seen| seen.row(LeafIndex(before))).transpose().map_err(unavailable)?.flatten() {
                Some(row) => Some(row.cursor),
                None => return Ok(Vec::new()),
            }
        }
    };
    let (mut follower, mut found, mut bytes) = (log.follow(after).await?, Vec::new(), 0);
    while found.len() < count && bytes < LEAVES_BYTES_MAX {
        // They were all seen, so they come at once.
        let batch = tokio::time::timeout(LEAVES_WITHIN, follower.next()).await;
        let batch = batch.map_err(|_| ReadError::Unavailable(Some(std::io::ErrorKind::TimedOut.into())))??;
        for followed in batch.into_iter().take(count - found.len()) {
            bytes += followed.stored.record.len();
            found.push(followed.stored);
        }
    }
    Ok(found)
}

/// Time that a page of leaves may take.
#[cfg(feature = "kurrentdb")]
const LEAVES_WITHIN: Duration = Duration::from_secs(10);

impl Log for AnyLog {
    type Follower = AnyFollower;

    async fn append(&self, chain: ChainId, expected: Revision, record: Bytes) -> Result<(), AppendError> {
        match self {
            Self::Embedded(log) => log.append(chain, expected, record).await,
            #[cfg(feature = "kurrentdb")]
            Self::Kurrentdb(log, _) => log.append(chain, expected, record).await,
        }
    }

    async fn append_batch(&self, records: Vec<Append>) -> Result<(), AppendError> {
        match self {
            Self::Embedded(log) => log.append_batch(records).await,
            #[cfg(feature = "kurrentdb")]
            Self::Kurrentdb(log, _) => log.append_batch(records).await,
        }
    }

    async fn read(&self, chain: ChainId, from: Revision, limit: usize) -> Result<Vec<Stored>, ReadError> {
        match self {
            Self::Embedded(log) => log.read(chain, from, limit).await,
            #[cfg(feature = "kurrentdb")]
            Self::Kurrentdb(log, _) => log.read(chain, from, limit).await,
        }
    }

    async fn read_chains(&self, places: &[(ChainId, Revision)], limit: usize) -> Result<Vec<Vec<Stored>>, ReadError> {
        match self {
            Self::Embedded(log) => log.read_chains(places, limit).await,
            #[cfg(feature = "kurrentdb")]
            Self::Kurrentdb(log, _) => log.read_chains(places, limit).await,
        }
    }

    async fn follow(&self, after: Option<Cursor>) -> Result<AnyFollower, ReadError> {
        match self {
            Self::Embedded(log) => Ok(AnyFollower::Embedded(log.follow(after).await?)),
            #[cfg(feature = "kurrentdb")]
            Self::Kurrentdb(log, _) => Ok(AnyFollower::Kurrentdb(log.follow(after).await?)),
        }
    }
}

impl Follower for AnyFollower {
    async fn next(&mut self) -> Result<Vec<Followed>, ReadError> {
        match self {
            Self::Embedded(follower) => follower.next().await,
            #[cfg(feature = "kurrentdb")]
            Self::Kurrentdb(follower) => follower.next().await,
        }
    }
}

/// The vault of a process.
#[derive(Debug)]
pub(crate) enum AnyVault {
    /// In this process.
    File(FileVault),
    /// In another one, as it is open to one agency.
    #[cfg(feature = "kurrentdb")]
    Remote(RemoteVault),
    /// None: what opens no parts, such as a sealer, needs no key of any.
    #[cfg(feature = "kurrentdb")]
    Nowhere,
}

impl AnyVault {
    /// The vault that a configuration names: the one below the process's state, or another process's.
    pub(crate) fn open(layout: &Layout, config: &Config, disk: &dyn Disk, origin: &str) -> Result<Self> {
        match &config.vault {
            #[cfg(feature = "kurrentdb")]
            Some(vault) => Ok(Self::Remote(remote(layout, vault)?)),
            #[cfg(not(feature = "kurrentdb"))]
            Some(_) => {
                anyhow::bail!("this program is built without the feature `kurrentdb` · 本程序未包含 kurrentdb 功能")
            }
            #[cfg(feature = "kurrentdb")]
            None if config.kurrentdb.is_some() && !config.roles.contains(&Role::Vault) => Ok(Self::Nowhere),
            None => {
                let (kek, directory) = (kek::of(layout, config, disk)?, layout.vault());
                let (fatal, entropy) = (failed_sync::ending(layout), Arc::new(SystemEntropy));
                Ok(Self::File(FileVault::open_with(disk, &directory, origin, kek.as_ref(), fatal, entropy)?))
            }
        }
    }

    /// Whether parts can be opened here, were it for one agency only.
    #[cfg(feature = "kurrentdb")]
    pub(crate) fn opens_parts(&self) -> bool {
        match self {
            Self::File(_) | Self::Remote(_) => true,
            Self::Nowhere => false,
        }
    }

    /// Whether the keys lie in this process.
    pub(crate) fn is_here(&self) -> bool {
        match self {
            Self::File(_) => true,
            #[cfg(feature = "kurrentdb")]
            Self::Remote(_) | Self::Nowhere => false,
        }
    }

    /// What keys have met on their way to the disk, where they lie in this process.
    pub(crate) fn trouble(&self) -> Option<Trouble> {
        match self {
            Self::File(vault) => Some(vault.trouble()),
            #[cfg(feature = "kurrentdb")]
            Self::Remote(_) | Self::Nowhere => None,
        }
    }

    /// The way to the process that holds the vault, where this one does not.
    pub(crate) fn elsewhere(&self) -> Option<RemoteVault> {
        match self {
            Self::File(_) => None,
            #[cfg(feature = "kurrentdb")]
            Self::Remote(vault) => Some(vault.clone()),
            #[cfg(feature = "kurrentdb")]
            Self::Nowhere => None,
        }
    }

    /// Ends writing; everything that was accepted is durable.
    pub(crate) async fn close(&self) {
        match self {
            Self::File(vault) => vault.close().await,
            #[cfg(feature = "kurrentdb")]
            Self::Remote(_) | Self::Nowhere => {}
        }
    }
}

impl Vault for AnyVault {
    async fn deposit(&self, chain: ChainId, deposits: Vec<Deposit>) -> Result<(), VaultError> {
        match self {
            Self::File(vault) => vault.deposit(chain, deposits).await,
            #[cfg(feature = "kurrentdb")]
            Self::Remote(vault) => vault.deposit(chain, deposits).await,
            #[cfg(feature = "kurrentdb")]
            Self::Nowhere => Err(VaultError::Unavailable(None)),
        }
    }

    async fn deposit_all(&self, deposits: Vec<(ChainId, Vec<Deposit>)>) -> Result<(), VaultError> {
        match self {
            Self::File(vault) => vault.deposit_all(deposits).await,
            #[cfg(feature = "kurrentdb")]
            Self::Remote(vault) => vault.deposit_all(deposits).await,
            #[cfg(feature = "kurrentdb")]
            Self::Nowhere => Err(VaultError::Unavailable(None)),
        }
    }

    async fn key(&self, chain: ChainId, digest: Hash) -> Result<Option<DataKey>, VaultError> {
        match self {
            Self::File(vault) => vault.key(chain, digest).await,
            #[cfg(feature = "kurrentdb")]
            Self::Remote(vault) => vault.key(chain, digest).await,
            #[cfg(feature = "kurrentdb")]
            Self::Nowhere => Ok(None),
        }
    }

    async fn destroy(&self, chain: ChainId, digests: &[Hash]) -> Result<usize, VaultError> {
        match self {
            Self::File(vault) => vault.destroy(chain, digests).await,
            #[cfg(feature = "kurrentdb")]
            Self::Remote(vault) => vault.destroy(chain, digests).await,
            #[cfg(feature = "kurrentdb")]
            Self::Nowhere => Err(VaultError::NotHere),
        }
    }

    async fn keys(&self, chain: ChainId, next: Revision, digests: &[Hash]) -> Result<Keys, VaultError> {
        match self {
            Self::File(vault) => vault.keys(chain, next, digests).await,
            #[cfg(feature = "kurrentdb")]
            Self::Remote(vault) => vault.keys(chain, next, digests).await,
            #[cfg(feature = "kurrentdb")]
            Self::Nowhere => Ok(Keys { withheld: digests.iter().copied().collect(), ..Keys::default() }),
        }
    }

    async fn keys_of_chains(&self, wanted: Vec<Wanted>) -> Result<Vec<Keys>, VaultError> {
        match self {
            Self::File(vault) => vault.keys_of_chains(wanted).await,
            #[cfg(feature = "kurrentdb")]
            Self::Remote(vault) => vault.keys_of_chains(wanted).await,
            #[cfg(feature = "kurrentdb")]
            Self::Nowhere => {
                let withheld = wanted.into_iter().map(|wanted| wanted.digests.into_iter().collect());
                Ok(withheld.map(|withheld| Keys { withheld, ..Keys::default() }).collect())
            }
        }
    }

    async fn admit(&self, caller: &Caller, candidate: Candidate<'_>) -> Result<Admission, VaultError> {
        match self {
            Self::File(vault) => vault.admit(caller, candidate).await,
            #[cfg(feature = "kurrentdb")]
            Self::Remote(vault) => vault.admit(caller, candidate).await,
            #[cfg(feature = "kurrentdb")]
            Self::Nowhere => Err(VaultError::Unavailable(None)),
        }
    }
}

/// The way to the vault's process, with the certificate of the agency that asks.
#[cfg(feature = "kurrentdb")]
fn remote(layout: &Layout, config: &VaultConfig) -> Result<RemoteVault> {
    let read = |path: PathBuf| contents::read(&path).with_context(|| format!("cannot read `{}`", path.display()));
    let access = VaultAccess {
        address: config.address.clone(),
        agency: config.agency.clone(),
        server_authorities: read(layout.authority())?,
        certificate: read(layout.certificate(&config.agency))?,
        key: read(layout.certificate_key(&config.agency))?,
        timeout: Duration::from_millis(config.timeout_ms),
    };
    RemoteVault::new(access).with_context(|| format!("`{}` cannot be the vault", config.address))
}
