//! Orders to erase, carried out by hand on a directory that nobody serves.

use std::{collections::BTreeSet, path::Path, sync::Arc};

use anyhow::{Context as _, Result};
use mediation_ledger::{
    chain::ChainId, clock::SystemClock, ledger::Fold, log::Stored, merkle::LeafIndex, recorder::Recorder,
};
use mediation_projections::eraser::{Erasing, HELD, Planned};
use mediation_proto::mediation::{
    ledger::v1::act::Family,
    registry::v1::{RecordAccessed, registry_act},
    types::v1::AccessPurpose,
};
use tokio::sync::watch;

use super::{DRAIN_TIMEOUT, held, opened::Opened, read_manifest};
use crate::{
    backend::{AnyLog, AnyVault},
    config::Config,
    layout::Layout,
};

/// Records that are read at once.
const PAGE: usize = 1_024;

/// What is to be done about the orders of a chain, and the readings of it by which copies went out.
#[derive(Debug)]
pub(crate) struct Erasure {
    /// Orders to erase, in order.
    pub(crate) planned: Vec<Planned>,
    /// Readings with purpose EXPORT.
    pub(crate) exports: Vec<RecordAccessed>,
}

/// Says what there is to erase on a chain, and does it unless only that is wanted.
///
/// # Errors
/// Somebody serves the directory, it is damaged, or the disk refuses.
pub(crate) async fn erase(directory: &Path, chain: ChainId, is_dry: bool) -> Result<Erasure> {
    let config = Config::read(&Layout::new(directory).config())?;
    let layout = Layout::new(directory).with_state(config.state.as_deref());
    let manifest = read_manifest(&layout)?;
    let Opened { ledger, registry, seals, sealer, erased, .. } =
        Opened::open(&layout, &config, &manifest, Arc::new(SystemClock)).await?;
    let erased =
        erased.context("the vault is another process's: erase where it is · 保管库不在此目录，请在其所在目录执行")?;
    let (stop, stopped) = watch::channel(false);
    let sealing = tokio::spawn(sealer.run(stopped));
    let log = Arc::clone(ledger.log());
    let recorder = Arc::new(Recorder::new(ledger, held(&layout, config.signing, &registry)?));
    let mut erasing = Erasing::new(Arc::clone(&recorder), erased);
    let accesses = look(&recorder, &mut erasing).await?;
    let planned = erasing.plan(chain).await?;
    if !is_dry {
        erasing.carry_out(chain).await?;
    }
    let exports = exports(&recorder, accesses, chain).await?;
    let size = log.to_be_sealed();
    tokio::time::timeout(DRAIN_TIMEOUT, seals.reached(size)).await.context("not everything is sealed")?;
    stop.send_replace(true);
    sealing.await??;
    log.close().await;
    recorder.ledger().vault().close().await;
    Ok(Erasure { planned, exports })
}

/// Reads the whole log for holds, and for the chains on which readings are recorded.
async fn look(
    recorder: &Recorder<AnyLog, AnyVault>,
    erasing: &mut Erasing<AnyLog, AnyVault>,
) -> Result<BTreeSet<ChainId>> {
    let (mut accesses, mut held, mut next) = (BTreeSet::new(), BTreeSet::new(), 0);
    loop {
        let page: Vec<Stored> = recorder.ledger().log().leaves(LeafIndex(next), PAGE).await?;
        if page.is_empty() {
            break;
        }
        next += page.len() as u64;
        for record in &page {
            match recorder.ledger().event(record).await? {
                Some(HELD) => drop(held.insert(record.chain)),
                Some("RecordAccessed") => drop(accesses.insert(record.chain)),
                Some(_) | None => {}
            }
        }
    }
    for chain in held {
        erasing.look(chain).await?;
    }
    Ok(accesses)
}

async fn exports(
    recorder: &Recorder<AnyLog, AnyVault>,
    accesses: BTreeSet<ChainId>,
    chain: ChainId,
) -> Result<Vec<RecordAccessed>> {
    let (mut exports, of) = (Vec::new(), chain.to_string());
    for access in accesses {
        let entries = recorder.ledger().catch_up(&mut Fold::new(access)).await?;
        for recorded in entries.into_iter().filter_map(|entry| entry.outcome.ok()) {
            let Some(Family::Registry(family)) = recorded.act.family else { continue };
            let Some(registry_act::Act::RecordAccessed(read)) = family.act else { continue };
            if read.chain() == of && read.purpose() == AccessPurpose::Export {
                exports.push(read);
            }
        }
    }
    Ok(exports)
}
