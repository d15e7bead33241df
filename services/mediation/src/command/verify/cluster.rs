//! `mediation verify` of a process's directory whose log is on a cluster: the whole shared log, and every head, while others
//! go on writing.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    sync::Arc,
    time::Duration,
};

use anyhow::{Context as _, Result};
use mediation_ledger::{
    chain::{ChainId, Revision},
    checkpoint::Checkpoint,
    heads::Heads,
    log::{Followed, Follower as _, Log as _},
    merkle::{Hash, TreeSize},
    record::Record,
    vault::{DataKey, Vault as _},
    verify::Verification,
};
use mediation_log_embedded::{
    checkpoint::{LAST, NEW},
    disk::{Disk, RealDisk},
};
use mediation_log_kurrentdb::KurrentLog;
use mediation_projections::sealer::signed_head;
use tokio::time::Instant;

use super::{Report, late_note};
use crate::{
    backend::AnyVault,
    cluster,
    config::{Config, KurrentdbConfig},
    layout::Layout,
    manifest::Manifest,
};

/// Time that is spent on what stands behind the last head.
const SILENCE: Duration = Duration::from_secs(2);

/// Time that the log has for its next records while sealed ones are due.
const PATIENCE: Duration = Duration::from_secs(60);

/// Heads that are read at once.
const HEADS: usize = 256;

/// Verifies the log of a cluster; `progress` is told how many entries are done.
///
/// # Errors
/// The cluster or the vault is away, or the directory holds no ledger. Everything else that is wrong stands in the report.
pub(super) async fn verify(
    layout: &Layout,
    config: &Config,
    cluster: &KurrentdbConfig,
    progress: &dyn Fn(u64),
) -> Result<Report> {
    let bytes = Manifest::bytes(layout)?;
    let manifest = Manifest::open(&bytes).context("the manifest is damaged")?;
    let mut report = Report { bytes: bytes.len() as u64, ..Report::default() };
    let disk: Arc<dyn Disk> = Arc::new(RealDisk);
    let vault = AnyVault::open(layout, config, disk.as_ref(), manifest.origin.as_str())?;
    let log = KurrentLog::open(cluster::options(layout.root(), cluster)?).await?;
    let signed = heads(&log, layout, &manifest, &mut report).await?;
    let sealed = signed.iter().map(|(_, head)| head.size).max().unwrap_or_default();
    let sizes: BTreeSet<TreeSize> = signed.iter().map(|(_, head)| head.size).collect();
    let verification =
        Verification::new(manifest.origin.as_str(), manifest.genesis, Vec::new(), config.vault.is_none());
    let mut walk = Walk { verification: verification.keeping_roots(sizes), vault: &vault, size: TreeSize(0) };
    let mut follower = log.follow(None).await?;
    // Others go on writing: behind the last head only what comes at once is read.
    let mut rest_until = None;
    loop {
        let until = match walk.size < sealed {
            true => Instant::now() + PATIENCE,
            false => *rest_until.get_or_insert_with(|| Instant::now() + SILENCE),
        };
        match tokio::time::timeout_at(until, follower.next()).await {
            Ok(batch) => walk.take(batch?).await?,
            Err(_silence) => break,
        }
        progress(walk.size.0);
    }
    let Walk { verification, size, .. } = walk;
    for (name, head) in &signed {
        match verification.roots().get(&head.size) {
            Some(root) if *root == head.root => {}
            Some(root) => report
                .fault(name, format!("the tree of size {} has root {root}, not the sealed {}", head.size, head.root)),
            None => report.fault(name, format!("{} entries are sealed, the log has {size}", head.size)),
        }
    }
    report
        .checkpoints
        .extend(signed.iter().max_by_key(|(_, head)| head.size).map(|(name, head)| (name.clone(), head.size)));
    report.heads = Some(signed.len() as u64);
    report.notes.extend(verification.late_revocations().map(|late| late_note(&late)));
    let (counts, faults, _registry, tree) = verification.finish();
    report.counts = counts;
    (report.size, report.root) = (tree.size, Some(tree.root));
    report.faults.extend(faults.iter().map(ToString::to_string));
    report.faults.extend(log.alarms().borrow().iter().map(ToString::to_string));
    if size > sealed {
        report.notes.push(format!("{} 个条目尚未封签 · entries behind the last head", size.0 - sealed.0));
    }
    vault.close().await;
    Ok(report)
}

/// The heads that the log has signed, by name, and what this process keeps of them itself.
async fn heads(
    log: &KurrentLog,
    layout: &Layout,
    manifest: &Manifest,
    report: &mut Report,
) -> Result<Vec<(String, Checkpoint)>> {
    let (stream, keys) = (log.heads(), manifest.stored_keys(layout));
    let (mut found, mut foreign, mut next) = (Vec::new(), 0_u64, Revision::FIRST);
    loop {
        let page = stream.read(next, HEADS).await?;
        for head in &page {
            report.bytes += head.note.len() as u64;
            match signed_head(&head.note, &manifest.origin, &keys, manifest.twin_key.as_ref()) {
                Some(checkpoint) => found.push((format!("head {}", head.revision), checkpoint)),
                None => foreign += 1,
            }
            next = head.revision.next();
        }
        if page.len() < HEADS {
            break;
        }
    }
    if foreign > 0 {
        report.notes.push(format!(
            "头流中有 {foreign} 条不是本日志签署，已略过 · records of the heads' stream that are no heads"
        ));
    }
    for name in [LAST, NEW] {
        let path = layout.state().join(name);
        let Ok(bytes) = fs::read(&path) else { continue };
        match Checkpoint::open(&bytes, &manifest.origin, &keys) {
            Ok(signed) => found.push((name.to_owned(), signed.checkpoint)),
            Err(error) if name == LAST => report.fault(path.display(), error),
            // A power cut may have spoilt the one that was not synced.
            Err(_) => {}
        }
    }
    if found.is_empty() {
        report.fault("heads", "the log has signed no head");
    }
    Ok(found)
}

/// The log, entry by entry.
struct Walk<'a> {
    verification: Verification,
    vault: &'a AnyVault,
    size: TreeSize,
}

impl Walk<'_> {
    async fn take(&mut self, batch: Vec<Followed>) -> Result<()> {
        let mut wanted: BTreeMap<ChainId, (Revision, Vec<Hash>)> = BTreeMap::new();
        for followed in &batch {
            let parts = Record::parse(&followed.stored.record).map(|record| record.parts).unwrap_or_default();
            let digests = parts.iter().filter_map(|part| part.digest.as_ref().try_into().ok().map(Hash));
            let (next, of_chain) = wanted.entry(followed.stored.chain).or_default();
            *next = followed.stored.revision.next();
            of_chain.extend(digests);
        }
        let mut keys: BTreeMap<(ChainId, Hash), DataKey> = BTreeMap::new();
        for (chain, (next, digests)) in wanted {
            let given = self.vault.keys(chain, next, &digests).await?.given;
            keys.extend(given.into_iter().map(|(digest, key)| ((chain, digest), key)));
        }
        for followed in batch {
            let stored = followed.stored;
            let key = |digest| keys.get(&(stored.chain, digest)).cloned();
            self.verification.entry(stored.chain, stored.revision, &stored.record, &key);
            self.size = TreeSize(self.size.0 + 1);
        }
        Ok(())
    }
}
