//! A ledger's directory that nobody serves, verified and read chain by chain, on as many threads as are wanted.
//!
//! The first pass reads every byte of the log, in order: frames, batches, the tree against the last checkpoint, genesis,
//! and the registry, which remembers what stood at each leaf. The second reads chain after chain and folds each as the ledger does: form,
//! place, link and signature of every entry, parts against their commitments, admission. In memory are the places of the
//! records, the places of the wraps, and one chain for each thread.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    thread,
};

use anyhow::{Context as _, Result};
use mediation_desk::figures;
use mediation_domain::{calendar::format_instant, history::Recorded};
use mediation_ledger::{
    chain::{ChainId, Revision},
    checkpoint::Checkpoint,
    ledger::{CheckedEntry, Fold, SIGNER_INVALID, rule_set_of},
    merkle::{Hash, LeafIndex},
    registry::Registry,
    vault::DataKey,
    verify::TreeHead,
};
use mediation_log_embedded::{
    archive::Archive,
    checkpoint::{LAST, NEW},
    disk::{Disk, RealDisk},
    scan::Expected,
    vault::VaultReader,
};

use crate::{
    command::verify::unserved,
    kek,
    layout::Layout,
    manifest::Manifest,
    output::{self, note},
};

/// Records of a chain read at once.
const PAGE: usize = 256;

/// Chains that a thread takes at once: enough that threads seldom meet, few enough that they end together.
const CHAINS_AT_ONCE: usize = 32;

/// Faults that are told one by one; all are counted.
const FAULTS_TOLD: usize = 20;

/// A ledger's directory, to be read.
#[derive(Debug)]
pub(crate) struct Survey {
    /// What it is.
    pub(crate) manifest: Manifest,
    /// The last checkpoint, which the log extends.
    pub(crate) checkpoint: Checkpoint,
    /// The tree over all of the log.
    pub(crate) tree: TreeHead,
    /// A crash left an unacknowledged batch behind the end.
    pub(crate) is_torn: bool,
    log: Archive,
    chains: Vec<ChainId>,
    vault: VaultReader,
    registry: Arc<Registry>,
    _lock: Option<File>,
}

/// Threads that read a survey: one for each core.
pub(crate) fn threads() -> usize {
    thread::available_parallelism().map_or(1, usize::from)
}

/// Why there is nothing to read: what is wrong, each with its place.
#[derive(Debug)]
pub(crate) struct Damage(pub(crate) Vec<String>);

/// A chain as it was read.
#[derive(Debug)]
pub(crate) struct ReadChain {
    /// The chain.
    pub(crate) id: ChainId,
    /// Its place among the chains, in the order in which they began: what threads find is put in order by it.
    pub(crate) place: usize,
    /// The rule set that its first act that counts names.
    pub(crate) rule_set: Option<String>,
    /// Its acts that count.
    pub(crate) history: Vec<Recorded>,
    /// Its entries that do not, and those whose keys were revoked afterwards as of an instant before them.
    pub(crate) faulty: Vec<FaultyEntry>,
}

/// An entry whose signature or bytes there is something to find of.
#[derive(Debug)]
pub(crate) struct FaultyEntry {
    /// Its place in the chain.
    pub(crate) revision: Revision,
    /// The agency that its statement names, when that can be read.
    pub(crate) agency: Option<String>,
    /// Code of the finding.
    pub(crate) code: &'static str,
    /// Why it does not count, or what has become of its key.
    pub(crate) reason: String,
}

/// What was read.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Reading {
    /// Counted.
    pub(crate) counts: figures::Reading,
    /// The first entries that do not count, by leaf.
    pub(crate) faults: BTreeMap<u64, String>,
}

impl Survey {
    /// Opens a directory for a command, with a bar for the progress. None when it is damaged, which the operator is told.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub(crate) fn begin(directory: &Path) -> Result<Option<Self>> {
        let bar = output::progress(0, "读取日志 log");
        let opened = Self::open(directory, &|done| bar.set_position(done))?;
        bar.finish_and_clear();
        match opened {
            Ok(survey) => Ok(Some(survey)),
            Err(Damage(faults)) => {
                note(
                    "账本已损坏，不能据以统计或评判；详见 mediation verify · the ledger is damaged, nothing is computed from it; see `mediation verify`",
                );
                faults.iter().for_each(|fault| note(format!("  ✗ {fault}")));
                Ok(None)
            }
        }
    }

    /// Opens a directory and reads its log once; `progress` is told how many entries are done.
    ///
    /// # Errors
    /// The directory holds no ledger, or somebody serves it.
    pub(crate) fn open(directory: &Path, progress: &dyn Fn(u64)) -> Result<Result<Self, Damage>> {
        let layout = Layout::new(directory);
        let bytes = Manifest::bytes(&layout)?;
        let lock = unserved(directory)?;
        let opened = Manifest::open(&bytes).context("the manifest is damaged").and_then(|manifest| {
            let checkpoint = last_checkpoint(&layout, &manifest)?;
            let vault = kek::reader(&layout, &RealDisk, manifest.origin.as_str())?;
            Ok((manifest, checkpoint, vault))
        });
        match opened {
            Ok((manifest, checkpoint, vault)) => Self::read(directory, manifest, checkpoint, vault, lock, progress),
            Err(error) => Ok(Err(Damage(vec![format!("{error:#}")]))),
        }
    }

    fn read(
        directory: &Path,
        manifest: Manifest,
        checkpoint: Checkpoint,
        vault: VaultReader,
        lock: Option<File>,
        progress: &dyn Fn(u64),
    ) -> Result<Result<Self, Damage>> {
        let disk: &dyn Disk = &RealDisk;
        let origin = manifest.origin.as_str();
        let expected = Expected { origin: origin.to_owned(), covered: Some((checkpoint.size, checkpoint.root)) };
        let mut damage = Vec::new();
        let mut fold = Fold::new(ChainId::registry(origin));
        let (scan, log) = Archive::read(disk, directory, &expected, &mut |placed| {
            if placed.leaf == LeafIndex(0) && placed.leaf_hash != manifest.genesis {
                let (found, pinned) = (placed.leaf_hash, manifest.genesis);
                damage
                    .push(format!("the log does not begin with the pinned founding: leaf {found} instead of {pinned}"));
            }
            if placed.chain == fold.chain() {
                let key = |digest| key(&vault, placed.chain, digest);
                let (none, order) = (Registry::default(), placed.leaf.into());
                // What does not count is told when the chain is read; it changes no registry.
                drop(fold.place_record(origin, &none, placed.revision, order, placed.record, &key));
            }
            progress(placed.leaf.0 + 1);
        })?;
        damage.extend(scan.faults.iter().map(ToString::to_string));
        let Some(log) = log.filter(|_| damage.is_empty()) else { return Ok(Err(Damage(damage))) };
        Ok(Ok(Self {
            chains: log.chains(),
            tree: TreeHead { size: scan.size, root: scan.root },
            is_torn: scan.torn_tail.is_some(),
            manifest,
            checkpoint,
            log,
            vault,
            registry: Arc::new(fold.registry().cloned().unwrap_or_default()),
            _lock: lock,
        }))
    }

    /// How many chains there are.
    pub(crate) fn chain_count(&self) -> u64 {
        self.chains.len() as u64
    }

    /// The registry as the log leaves it.
    pub(crate) fn registry(&self) -> Arc<Registry> {
        Arc::clone(&self.registry)
    }

    /// Reads every chain, each by one of as many threads as there are states; `take` is given the state of its thread.
    ///
    /// # Errors
    /// The disk does not give what it gave before.
    pub(crate) fn each<S: Send>(
        &self,
        states: Vec<S>,
        take: &(dyn Fn(&mut S, &ReadChain) + Sync),
        progress: &(dyn Fn(u64) + Sync),
    ) -> Result<(Vec<S>, Reading)> {
        let (next, done) = (AtomicUsize::new(0), AtomicU64::new(0));
        let work = |mut state: S| {
            let mut reading = Reading::default();
            loop {
                let from = next.fetch_add(CHAINS_AT_ONCE, Ordering::Relaxed);
                let rest = self.chains.get(from..).unwrap_or_default();
                if rest.is_empty() {
                    return Ok((state, reading));
                }
                for (place, chain) in (from..).zip(rest.iter().take(CHAINS_AT_ONCE)) {
                    take(&mut state, &self.chain(*chain, place, &mut reading)?);
                    progress(done.fetch_add(1, Ordering::Relaxed) + 1);
                }
            }
        };
        let work = &work;
        let finished: Vec<Result<(S, Reading)>> = thread::scope(|scope| {
            let threads: Vec<_> = states.into_iter().map(|state| scope.spawn(move || work(state))).collect();
            let joined = threads.into_iter().map(|thread| match thread.join() {
                Ok(finished) => finished,
                Err(panic) => std::panic::resume_unwind(panic),
            });
            joined.collect()
        });
        let mut states = Vec::with_capacity(finished.len());
        let mut readings = Reading::default();
        for finished in finished {
            let (state, reading) = finished?;
            states.push(state);
            readings.add(reading);
        }
        Ok((states, readings))
    }

    fn chain(&self, id: ChainId, place: usize, reading: &mut Reading) -> Result<ReadChain> {
        let mut fold = Fold::new(id);
        let mut read = ReadChain { id, place, rule_set: None, history: Vec::new(), faulty: Vec::new() };
        reading.counts.chains += 1;
        loop {
            let page = self.log.chain(id, fold.next(), PAGE)?;
            let full = page.len() == PAGE;
            for (leaf, stored) in page {
                let key = |digest| key(&self.vault, id, digest);
                let origin = self.manifest.origin.as_str();
                let (revision, order) = (stored.revision, leaf.into());
                let checked = fold.place_record(origin, &self.registry, revision, order, &stored.record, &key);
                reading.count(leaf, id, &checked);
                read.push(checked, &self.registry);
            }
            if !full {
                return Ok(read);
            }
        }
    }
}

impl ReadChain {
    fn push(&mut self, checked: CheckedEntry, registry: &Registry) {
        if self.rule_set.is_none() {
            self.rule_set = rule_set_of(std::slice::from_ref(&checked)).map(str::to_owned);
        }
        let revoked = checked.late_revocation(registry).map(|late| late.invalid_from);
        let found = match checked.outcome {
            Ok(recorded) => {
                self.history.push(recorded);
                revoked.map(|since| (SIGNER_INVALID, revoked_later(since)))
            }
            Err(fault) => Some((fault.code(), fault.to_string())),
        };
        let (revision, agency) = (checked.revision, checked.statement.map(|statement| statement.agency));
        self.faulty.extend(found.map(|(code, reason)| FaultyEntry { revision, agency, code, reason }));
    }
}

fn revoked_later(invalid_from: i64) -> String {
    let since = format_instant(invalid_from);
    format!("密钥事后被吊销，自 {since} 起失效 · the key was revoked later, as of {since}")
}

impl Reading {
    /// Entries that do not count.
    pub(crate) fn faulty(&self) -> u64 {
        self.counts.faulty.values().sum()
    }

    fn count(&mut self, leaf: LeafIndex, chain: ChainId, checked: &CheckedEntry) {
        self.counts.count(checked);
        if let Err(fault) = &checked.outcome {
            self.tell(leaf.0, format!("entry {leaf} (chain {chain}, revision {}): {fault}", checked.revision));
        }
    }

    fn tell(&mut self, leaf: u64, fault: String) {
        self.faults.insert(leaf, fault);
        if self.faults.len() > FAULTS_TOLD {
            self.faults.pop_last();
        }
    }

    fn add(&mut self, other: Self) {
        self.counts.add(other.counts);
        for (leaf, fault) in other.faults {
            self.tell(leaf, fault);
        }
    }
}

/// The key of a part; none when it was destroyed, was never kept, or does not open: then the part is withheld.
fn key(vault: &VaultReader, chain: ChainId, digest: Hash) -> Option<DataKey> {
    vault.key(chain, digest).ok().flatten()
}

/// The newest checkpoint that is signed. The one that was not synced may have been spoilt by a power cut.
fn last_checkpoint(layout: &Layout, manifest: &Manifest) -> Result<Checkpoint> {
    let open = |name: &str| -> Result<Checkpoint> {
        let path = layout.root().join(name);
        let bytes = fs::read(&path).with_context(|| path.display().to_string())?;
        let signed = Checkpoint::open(&bytes, &manifest.origin, &manifest.stored_keys(layout));
        Ok(signed.with_context(|| path.display().to_string())?.checkpoint)
    };
    let last = open(LAST)?;
    Ok(open(NEW).ok().filter(|new| new.size > last.size).unwrap_or(last))
}
