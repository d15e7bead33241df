//! Loading: the model of a whole log, made at one go beside the one that is asked.
//!
//! ```text
//! log.follow ─ how many entries each chain has ─ chains by their ids ─┬ read, fold, judge ┬─ rows, by chain and number ─ indexes
//!                                                                     └ read, fold, judge ┘  one thread, one transaction
//! ```
//!
//! Each chain is read once and judged once, as it stands at the end. Rows come in the order of their keys, so that every
//! table grows at its end, and the indexes are made when all rows are there. Neither journal nor sync takes part: a file
//! that is cut off is worth nothing, and has a name under which nobody opens it. When it is whole it is synced and takes
//! the name of a model that waits for its place.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
};

use mediation_domain::calendar::Day;
use mediation_ledger::{
    chain::ChainId,
    ledger::{Fold, Ledger},
    log::{Followed, Follower as _, Log, Order},
    registry::Registry,
    vault::Vault,
};
use tokio::{
    sync::mpsc,
    task::{JoinHandle, spawn_blocking},
    time::Instant,
};

use super::{
    Error, LOOK_EVERY, Progress, Rebuilt,
    derived::{Basis, Derived, Kind, derive},
    file::Place,
    store::{Head, Identity, Loaded, Tail},
};

/// Entries of chains that are read together, and chains at most: enough that threads seldom meet.
const ENTRIES_AT_ONCE: u64 = 1_024;
const CHAINS_AT_ONCE: usize = 256;

/// Records and bytes that a log gives at once, or more, as long as there is more to read.
const BATCH_RECORDS: usize = 256;
const BATCH_BYTES: usize = 256 * 1024;

/// Groups of chains that wait to be written.
const WAITING_MAX: usize = 4;

/// How a model is loaded.
#[derive(Debug)]
pub(super) struct Loading<'a, L, V> {
    pub(super) ledger: &'a Arc<Ledger<L, V>>,
    pub(super) place: &'a Place,
    pub(super) identity: Identity,
    /// Groups of chains that are read at the same time.
    pub(super) width: usize,
    /// Times as long as reading a group took that is rested.
    pub(super) rest_factor: u32,
    /// Before this place in the log the recorders are trusted.
    pub(super) trusted: Order,
}

/// What stands in a log.
#[derive(Debug, Default)]
struct Gathered {
    chains: BTreeMap<ChainId, u64>,
    entries: u64,
    last: Option<Followed>,
}

/// What the thread that writes is told.
#[derive(Debug)]
enum Work {
    Chains(Vec<Derived>),
    /// All is told. A thread that is not told so was cut off.
    End(Box<Tail>),
}

/// By what a group of chains is judged.
#[derive(Debug, Clone)]
struct Ground {
    registry: Arc<Registry>,
    day: Day,
    trusted: Order,
}

impl<L: Log, V: Vault> Loading<'_, L, V> {
    /// Makes the model as of the end of a day, from the first `entries` entries at least; without a number from as many as
    /// stand in the log, about. What is recorded meanwhile, the model follows afterwards.
    pub(super) async fn load(
        &self,
        day: Day,
        entries: Option<u64>,
        progress: &(dyn Fn(Progress) + Sync),
    ) -> Result<Rebuilt, Error> {
        let gathered = self.gather(entries, progress).await?;
        let rebuilt = Rebuilt { entries: gathered.entries, chains: gathered.chains.len() as u64, bytes: 0 };
        let registry = self.ledger.refresh_registry().await?;
        let (works, told) = mpsc::channel(WAITING_MAX);
        let (place, identity) = (self.place.clone(), self.identity.clone());
        let writer = spawn_blocking(move || write(&place, &identity, told));
        let ground = Ground { registry, day, trusted: self.trusted };
        let judged = self.judge(gathered, &ground, works, progress).await;
        // When both have failed, the one who was cut off has nothing to tell.
        match (judged, writer.await?) {
            (Err(error), Ok(()) | Err(Error::Cut)) | (Ok(()) | Err(_), Err(error)) => Err(error),
            (Ok(()), Ok(())) => Ok(rebuilt),
        }
    }

    /// Follows the log to its end, or to a number of entries, and counts the entries of each chain.
    async fn gather(&self, entries: Option<u64>, progress: &(dyn Fn(Progress) + Sync)) -> Result<Gathered, Error> {
        let mut gathered = Gathered::default();
        let mut follower = self.ledger.log().follow(None).await?;
        progress(Progress::Entries(0));
        while entries.is_none_or(|entries| gathered.entries < entries) {
            let batch = match entries {
                Some(_) => follower.next().await?,
                None => match tokio::time::timeout(LOOK_EVERY, follower.next()).await {
                    Ok(batch) => batch?,
                    Err(_pause) => break,
                },
            };
            let mut bytes = 0;
            for Followed { stored, .. } in &batch {
                *gathered.chains.entry(stored.chain).or_default() += 1;
                bytes += stored.record.len();
            }
            // So little comes at once only where the log ends: behind that one would follow a busy log for ever.
            let is_end = batch.len() < BATCH_RECORDS && bytes < BATCH_BYTES;
            gathered.entries += batch.len() as u64;
            gathered.last = batch.into_iter().next_back().or(gathered.last);
            progress(Progress::Entries(gathered.entries));
            if entries.is_none() && is_end {
                break;
            }
        }
        Ok(gathered)
    }

    /// Reads and judges the chains, some at the same time, and hands them on in their order.
    async fn judge(
        &self,
        gathered: Gathered,
        ground: &Ground,
        works: mpsc::Sender<Work>,
        progress: &(dyn Fn(Progress) + Sync),
    ) -> Result<(), Error> {
        let Gathered { chains, entries, last } = gathered;
        let mut waiting = chains.len() as u64;
        let mut chains = chains.into_iter().peekable();
        let mut running: VecDeque<JoinHandle<Result<Vec<Derived>, Error>>> = VecDeque::new();
        // While one is waited for, the others have the next ones to read.
        let running_max = if self.rest_factor == 0 { 2 * self.width } else { self.width };
        progress(Progress::Pending(waiting));
        loop {
            let began = Instant::now();
            while running.len() < running_max && chains.peek().is_some() {
                let group = group(&mut chains);
                running.push_back(tokio::spawn(read(Arc::clone(self.ledger), group, ground.clone())));
            }
            let Some(first) = running.pop_front() else { break };
            let derived = first.await??;
            waiting = waiting.saturating_sub(derived.len() as u64);
            if works.send(Work::Chains(derived)).await.is_err() {
                // The other end says why.
                return Ok(());
            }
            progress(Progress::Pending(waiting));
            tokio::time::sleep(began.elapsed() * self.rest_factor).await;
        }
        progress(Progress::Indexes);
        let tail = Tail {
            entries,
            head: last.as_ref().map(Head::of),
            day: ground.day,
            directory: ground.registry.directory().clone(),
        };
        // Whoever is gone says why.
        drop(works.send(Work::End(Box::new(tail))).await);
        Ok(())
    }
}

/// The next chains that are read together.
fn group(chains: &mut std::iter::Peekable<impl Iterator<Item = (ChainId, u64)>>) -> Vec<(ChainId, u64)> {
    let (mut group, mut entries) = (Vec::new(), 0);
    while let Some(next) =
        chains.next_if(|next| group.is_empty() || (group.len() < CHAINS_AT_ONCE && entries + next.1 <= ENTRIES_AT_ONCE))
    {
        entries += next.1;
        group.push(next);
    }
    group
}

/// What chains say, each of its first entries, as many as were counted.
async fn read<L: Log, V: Vault>(
    ledger: Arc<Ledger<L, V>>,
    group: Vec<(ChainId, u64)>,
    ground: Ground,
) -> Result<Vec<Derived>, Error> {
    let mut folds: Vec<Fold> = group.iter().map(|(chain, _)| Fold::trusting(*chain, ground.trusted)).collect();
    let read = ledger.catch_up_all(&mut folds).await?;
    let basis = Basis { directory: ground.registry.directory(), rule_set: ledger.rule_set(), day: ground.day };
    let derived = folds.iter().zip(read).zip(group).map(|((fold, mut entries), (chain, count))| {
        entries.truncate(entries.partition_point(|entry| entry.revision.0 < count));
        derive(Kind::of(ledger.origin(), chain, entries.first()), fold, entries, basis)
    });
    Ok(derived.collect())
}

/// Writes what it is told into a file of its own; one that was told everything becomes the new model.
fn write(place: &Place, identity: &Identity, mut works: mpsc::Receiver<Work>) -> Result<(), Error> {
    let loaded = Loaded::create(place.open_load()?, identity, place.steps.clone())?;
    let mut rows = loaded.rows()?;
    let tail = loop {
        match works.blocking_recv() {
            Some(Work::Chains(chains)) => chains.iter().try_for_each(|derived| rows.add(derived))?,
            Some(Work::End(tail)) => break tail,
            None => return Err(Error::Cut),
        }
    };
    drop(rows);
    loaded.complete(&tail)?;
    place.loaded()
}
