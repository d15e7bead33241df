//! The log, vault and sealing of a process, opened: on this machine alone, or on a log that others share.

use std::sync::Arc;

use anyhow::{Context as _, Result, ensure};
use mediation_ledger::{clock::Clock, ledger::Ledger, log::Order, registry::Registry};
use mediation_log_embedded::{
    Embedded, Options,
    checkpoint::LAST,
    disk::{Disk, RealDisk},
};
use mediation_projections::sealer::{FoundLeaves, Sealer, Seals};
use tokio::sync::watch;

use super::{log_options, stopped};
use crate::{
    backend::{AnyFollower, AnyLog, AnyVault},
    config::Config,
    cosigning::Cosigning,
    erased::Erased,
    failed_sync, known,
    layout::Layout,
    manifest::Manifest,
    restored::Restored,
    sealing::Sealing,
};

#[cfg(feature = "kurrentdb")]
mod shared;

/// What the services of a process stand on.
pub(super) struct Opened {
    pub(super) ledger: Arc<Ledger<AnyLog, AnyVault>>,
    /// The registry as it stood when the log was opened.
    pub(super) registry: Arc<Registry>,
    pub(super) seals: Seals,
    pub(super) sealer: AnySealer,
    pub(super) cosigning: Cosigning,
    /// Before this place in the log nobody but recorders of this machine appended, and its own sealer sealed.
    pub(super) trusted: Order,
    /// What was destroyed in the vault; none where the vault is another process's.
    pub(super) erased: Option<Arc<Erased>>,
}

/// The journal of erasures beside a vault of this process, applied to it once more: the vault may be an older one that was copied
/// back.
async fn erased(layout: &Layout, vault: &AnyVault) -> Result<Option<Arc<Erased>>> {
    if !vault.is_here() {
        return Ok(None);
    }
    let erased = Erased::open(&layout.erased())?;
    let destroyed = erased.apply(vault).await?;
    if destroyed > 0 {
        tracing::warn!(destroyed, "keys that were erased lay in the vault again, and are destroyed again");
    }
    Ok(Some(Arc::new(erased)))
}

impl Opened {
    /// Opens what the configuration names.
    pub(super) async fn open(
        layout: &Layout,
        config: &Config,
        manifest: &Manifest,
        clock: Arc<dyn Clock>,
    ) -> Result<Self> {
        match &config.kurrentdb {
            None => Self::alone(layout, config, manifest, clock).await,
            #[cfg(feature = "kurrentdb")]
            Some(cluster) => shared::open(layout, config, cluster, manifest, clock).await,
            #[cfg(not(feature = "kurrentdb"))]
            Some(_) => {
                anyhow::bail!("this program is built without the feature `kurrentdb` · 本程序未包含 kurrentdb 功能")
            }
        }
    }

    /// An embedded log, and everything in this process.
    async fn alone(layout: &Layout, config: &Config, manifest: &Manifest, clock: Arc<dyn Clock>) -> Result<Self> {
        let disk: Arc<dyn Disk> = Arc::new(RealDisk);
        let directory = layout.root();
        let sealing = Sealing::of_manifest(layout, &disk, manifest)?;
        let cosigning = Cosigning::open(layout, Arc::clone(&disk), &config.witnesses, manifest, sealing.verifiers()?)?;
        let mut known = known::read(directory, &config.known_checkpoints, manifest)?;
        let restored = Restored::read(layout)?;
        if let Some(restored) = &restored {
            known.extend(known::parse(directory, &restored.known, manifest)?);
        }
        // What witnesses have cosigned, and what others are known to hold, they hold against every other history.
        let others = cosigning.extends.iter().chain(&known).cloned();
        let last = sealing
            .last()
            .with_context(|| format!("`{}` cannot be gone on from", layout.state().join(LAST).display()))?;
        let trusted = last.as_ref().map_or(Order::FIRST, |sealed| Order(sealed.size.0));
        let covered = last.into_iter().chain(others).max_by_key(|checkpoint| checkpoint.size);
        let origin = manifest.origin.as_str();
        let options = log_options(origin, manifest.segment_bytes, config, covered.as_ref());
        let options = Options { fatal: failed_sync::ending(layout), ..options };
        let mut found = FoundLeaves::default();
        let mut see = |chain, leaf| found.add(chain, leaf);
        let opened = Embedded::open_seeing(Arc::clone(&disk), directory, &options, &mut see);
        let log = Arc::new(opened.map_err(|error| known::refused(error, &known))?);
        known::check(log.as_ref(), &known).await?;
        if let Some(restored) = restored {
            // Before the vault is opened: what was erased on a newer log may lie in this one's again.
            restored.confirm(log.as_ref(), &sealing.stored()?, !known.is_empty(), cosigning.asked()).await?;
            Restored::settle(layout)?;
        }
        let cursor = log.cursor(found.size());
        let log = Arc::new(AnyLog::Embedded(log));
        let vault = AnyVault::open(layout, config, disk.as_ref(), origin)?;
        let erased = erased(layout, &vault).await?;
        let ledger = Ledger::new(origin, &manifest.rule_set, Arc::clone(&log), Arc::new(vault), clock);
        let ledger = Arc::new(ledger.with_cipher(manifest.cipher));
        let registry = ledger.refresh_registry().await?;
        check_genesis(&registry, manifest)?;
        let (mut sealer, seals) = sealing.signing(&registry)?.start_behind(log.as_ref(), found, cursor).await?;
        if let Some(checkpoint) = covered {
            sealer = sealer.extending(checkpoint);
        }
        Ok(Self { ledger, registry, seals, sealer: AnySealer::Alone(Box::new(sealer)), cosigning, trusted, erased })
    }
}

fn check_genesis(registry: &Registry, manifest: &Manifest) -> Result<()> {
    ensure!(
        registry.genesis() == Some(manifest.genesis),
        "the log does not begin with the genesis that the manifest pins"
    );
    Ok(())
}

/// What grows the tree of a process.
pub(super) enum AnySealer {
    /// The only one.
    Alone(Box<Sealer<AnyFollower>>),
    /// One of several.
    #[cfg(feature = "kurrentdb")]
    Shared(Box<shared::Sealing>),
}

impl AnySealer {
    /// Goes on until told to stop.
    pub(super) async fn run(self, stop: watch::Receiver<bool>) -> Result<()> {
        match self {
            Self::Alone(sealer) => Ok(sealer.run(stopped(stop)).await?),
            #[cfg(feature = "kurrentdb")]
            Self::Shared(sealing) => Box::pin(sealing.run(stop)).await,
        }
    }
}
