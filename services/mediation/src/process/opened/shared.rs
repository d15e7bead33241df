//! A process on a cluster: it shares the log with others, and has a vault or asks for one.

use std::{collections::BTreeSet, future::Future, sync::Arc, time::Duration};

use anyhow::{Context as _, Result};
use mediation_ledger::{
    chain::{ChainId, Revision},
    clock::Clock,
    ledger::{Ledger, LedgerError},
    log::{Log as _, Order, ReadError},
    merkle::TreeSize,
    note::VerifierKey,
    record::leaf_hash,
    registry::Registry,
    vault::VaultError,
};
use mediation_log_embedded::disk::{Disk, RealDisk};
use mediation_log_kurrentdb::{Alarm, KurrentHeads, KurrentLog};
use mediation_projections::{
    leaves::{LEAVES, LeafRow, Leaves, LeavesReader},
    sealer::{Options, SharedParts, SharedSealer},
};
use mediation_proto::mediation::types::v1::KeyRevocationReason;
use tokio::{sync::watch, time::Instant};

use super::{AnySealer, Opened, check_genesis, erased, stopped};
use crate::{
    backend::{AnyLog, AnyVault},
    cluster,
    config::{Config, KurrentdbConfig, Role},
    cosigning::Cosigning,
    known,
    layout::Layout,
    manifest::Manifest,
    sealing::{Sealing as LogSealing, followed_twin, stored_checkpoint, tree_files},
};

/// Time that a starting process waits for the cluster and the vault: they may start at the same time.
const START_WITHIN: Duration = Duration::from_secs(120);

/// Rest before the next try.
const REST: Duration = Duration::from_millis(500);

/// Time after which the registry is looked at again for log keys that have joined or left.
const KEYS_EVERY: Duration = Duration::from_secs(5);

pub(super) async fn open(
    layout: &Layout,
    config: &Config,
    cluster: &KurrentdbConfig,
    manifest: &Manifest,
    clock: Arc<dyn Clock>,
) -> Result<Opened> {
    let disk: Arc<dyn Disk> = Arc::new(RealDisk);
    let origin = manifest.origin.as_str();
    let log = KurrentLog::open(cluster::options(layout.root(), cluster)?).await?;
    let stored = stored_checkpoint(layout, &disk, manifest)?;
    let covered = stored.as_ref().map_or(TreeSize(0), |checkpoint| checkpoint.size);
    let twin = manifest.twin_key.is_some();
    let (leaves, rows) = Leaves::open(&layout.state().join(LEAVES), &manifest.origin, twin, covered)?;
    log.seed(rows.iter().map(|row| (row.chain, row.revision, row.cursor)));
    let reader = LeavesReader::open(&layout.state().join(LEAVES), &manifest.origin, twin)?;
    let vault = AnyVault::open(layout, config, disk.as_ref(), origin)?;
    let erased = erased(layout, &vault).await?;
    let shared = Arc::new(AnyLog::Kurrentdb(log.clone(), Some(reader)));
    let ledger = Ledger::new(origin, &manifest.rule_set, shared, Arc::new(vault), clock);
    let ledger = Arc::new(ledger.with_cipher(manifest.cipher));
    patiently(|| check_founding(&log, manifest)).await?.context(NOT_FOUNDED)?;
    let opens_parts = ledger.vault().opens_parts();
    let registry = match opens_parts {
        true => patiently(|| ledger.refresh_registry()).await?,
        false => Arc::new(Registry::default()),
    };
    if opens_parts {
        check_genesis(&registry, manifest)?;
    }
    let cosigning =
        Cosigning::open(layout, Arc::clone(&disk), &config.witnesses, manifest, manifest.stored_keys(layout))?;
    let known = known::read(layout.root(), &config.known_checkpoints, manifest)?;
    // What opens no parts cannot read the registry, and takes the keys that the trust file names.
    let (now, retired) = match opens_parts {
        true => (log_keys(&registry), retired_log_keys(&registry)),
        false => (manifest.stored_keys(layout), Vec::new()),
    };
    let (keys, key_reader) = watch::channel(now);
    let parts = |leaves: (Leaves, Vec<LeafRow>)| -> Result<_> {
        let (log, heads) = (Arc::new(log.clone()), log.heads());
        let options = Options::default();
        if config.roles.contains(&Role::Sealer) {
            let sealing = LogSealing::of_manifest(layout, &disk, manifest)?;
            let sealing = if opens_parts { sealing.signing(&registry)? } else { sealing };
            let (signer, store, twin) = sealing.into_parts();
            return Ok(SharedParts {
                log,
                heads,
                leaves,
                keys: key_reader,
                retired,
                store,
                twin,
                signer: Some(signer),
                options,
            });
        }
        let (store, twin) = (tree_files(layout, &disk), followed_twin(layout, &disk, manifest)?);
        Ok(SharedParts { log, heads, leaves, keys: key_reader, retired, store, twin, signer: None, options })
    };
    let (mut sealer, seals) = SharedSealer::open(parts((leaves, rows))?)?;
    for checkpoint in cosigning.extends.iter().chain(&known) {
        sealer = sealer.extending(checkpoint.clone());
    }
    let sealing = Sealing { sealer, log, ledger: Arc::clone(&ledger), keys };
    // Whoever may write to the cluster may have appended past every recorder.
    let trusted = Order::FIRST;
    Ok(Opened { ledger, registry, seals, sealer: AnySealer::Shared(Box::new(sealing)), cosigning, trusted, erased })
}

/// Whether the log of the cluster is this ledger's.
async fn check_founding(log: &KurrentLog, manifest: &Manifest) -> Result<Option<()>, LedgerError> {
    let registry = ChainId::registry(manifest.origin.as_str());
    let first = log.read(registry, Revision::FIRST, 1).await?;
    Ok(first.first().is_some_and(|stored| leaf_hash(&stored.record) == manifest.genesis).then_some(()))
}

const NOT_FOUNDED: &str = "the log of the cluster does not begin with the genesis that the manifest pins; an empty one is \
    filled by `mediation migrate` · 集群中没有该账本";

/// Tries again while the cluster or the vault is away.
async fn patiently<T, F: Future<Output = Result<T, LedgerError>>>(ask: impl Fn() -> F) -> Result<T> {
    let until = Instant::now() + START_WITHIN;
    loop {
        match ask().await {
            Err(error) if is_away(&error) && Instant::now() < until => {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "the cluster or the vault is away; waiting for it"
                );
                tokio::time::sleep(REST).await;
            }
            ended => return ended.context("the ledger cannot be read from the cluster"),
        }
    }
}

fn is_away(error: &LedgerError) -> bool {
    matches!(
        error,
        LedgerError::Log(ReadError::Unavailable(_))
            | LedgerError::Vault(VaultError::Unavailable(_) | VaultError::Kek(_) | VaultError::Full)
    )
}

/// Keys that may sign heads now.
fn log_keys(registry: &Registry) -> Vec<VerifierKey> {
    let signing = registry.log_keys().iter().filter(|key| key.retired.is_none());
    signing.filter_map(|key| key.vkey.parse().ok()).collect()
}

/// Keys that were retired in good order. Whoever has a compromised one could have signed anything.
fn retired_log_keys(registry: &Registry) -> Vec<VerifierKey> {
    let in_order = |retired: &Option<(Order, KeyRevocationReason)>| {
        retired.is_some_and(|(_, reason)| reason != KeyRevocationReason::Compromised)
    };
    let retired = registry.log_keys().iter().filter(|key| in_order(&key.retired));
    retired.filter_map(|key| key.vkey.parse().ok()).collect()
}

/// Sealing, and what has to be looked after beside it.
pub(in crate::process) struct Sealing {
    sealer: SharedSealer<KurrentLog, KurrentHeads>,
    log: KurrentLog,
    ledger: Arc<Ledger<AnyLog, AnyVault>>,
    keys: watch::Sender<Vec<VerifierKey>>,
}

impl Sealing {
    pub(super) async fn run(self, stop: watch::Receiver<bool>) -> Result<()> {
        let Self { sealer, log, ledger, keys } = self;
        tokio::select! {
            ended = sealer.run(stopped(stop)) => Ok(ended?),
            () = tell_alarms(&log) => anyhow::bail!("the log is gone"),
            () = watch_keys(&ledger, &keys) => anyhow::bail!("the registry is gone"),
        }
    }
}

/// Tells the operator what is done to the streams of the ledger. What it means for a chain its readers find.
async fn tell_alarms(log: &KurrentLog) {
    let mut alarms = log.alarms();
    let mut told: BTreeSet<Alarm> = BTreeSet::new();
    loop {
        for alarm in alarms.borrow_and_update().iter() {
            if told.insert(alarm.clone()) {
                tracing::error!(%alarm, "somebody tampers with the log of this ledger");
            }
        }
        if alarms.changed().await.is_err() {
            return;
        }
    }
}

/// A rotation of the log's key is entered in the registry; what it says goes for the next heads.
async fn watch_keys(ledger: &Ledger<AnyLog, AnyVault>, keys: &watch::Sender<Vec<VerifierKey>>) {
    if !ledger.vault().opens_parts() {
        return std::future::pending().await;
    }
    loop {
        tokio::time::sleep(KEYS_EVERY).await;
        match ledger.refresh_registry().await {
            Ok(registry) => {
                let now = log_keys(&registry);
                keys.send_if_modified(|known| {
                    let changed = *known != now;
                    known.clone_from(&now);
                    changed
                });
            }
            Err(error) => tracing::debug!(%error, "the registry could not be read"),
        }
    }
}
