//! An index that grows: chains that moved are read whole, and what changed of them is entered and taken out.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use mediation_domain::{
    calendar::Day,
    history::Recorded,
    judge::Moment,
    visibility::{Row, Viewed},
};
use mediation_ledger::{
    chain::ChainId,
    erasure::place,
    ledger::{CheckedEntry, Fold, Ledger},
    log::{Followed, Follower as _, Log},
    registry::Registry,
    vault::Vault,
};
use mediation_proto::mediation::ledger::v1::PartKind;
use tokio::{task::spawn_blocking, time::Instant};

use super::{
    Bounds, Built, Error,
    index::{Entered, Index, Searched},
    told::{is_searched, texts},
    words::cut,
};
use crate::model::is_access_chain;

/// Chains that are read in one go: what they say can be found when all of them are entered.
const CHAINS_PER_ROUND: usize = 64;

/// Time without a further batch after which chains are read, so that one that moves often is not read as often.
const CALM: Duration = Duration::from_millis(20);

/// Time after which chains are read though more comes in.
const READ_EVERY: Duration = Duration::from_secs(1);

/// Times as long as a round took that the index rests: desks have half of a core at least.
const REST_FACTOR: u32 = 1;

/// An index that grows.
pub(super) struct Growing<L: Log, V> {
    ledger: Arc<Ledger<L, V>>,
    follower: L::Follower,
    bounds: Bounds,
    followed: u64,
    pending: BTreeSet<ChainId>,
    /// Chains of registries and of readings, in which nothing is searched.
    aside: BTreeSet<ChainId>,
    kept: Arc<Mutex<Kept>>,
    read_at: Instant,
}

/// The index, and what stands in it.
struct Kept {
    index: Index,
    /// Of each chain the acts that can be found, by revision.
    chains: BTreeMap<ChainId, BTreeMap<u64, Found>>,
    text_bytes: u64,
}

/// How an act stands in the index.
#[derive(Debug, Clone, Copy)]
struct Found {
    row: Row,
    text_bytes: u64,
}

/// An act with text.
#[derive(Debug)]
pub(super) struct Told {
    pub(super) revision: u64,
    pub(super) row: Row,
    pub(super) agency: String,
    pub(super) texts: Vec<String>,
}

impl<L: Log, V: Vault> Growing<L, V> {
    /// Begins with nothing.
    pub(super) async fn begin(ledger: &Arc<Ledger<L, V>>, bounds: Bounds) -> Result<Self, Error> {
        let follower = ledger.log().follow(None).await?;
        let kept = Kept { index: Index::new()?, chains: BTreeMap::new(), text_bytes: 0 };
        Ok(Self {
            ledger: Arc::clone(ledger),
            follower,
            bounds,
            followed: 0,
            pending: BTreeSet::new(),
            aside: BTreeSet::from([ChainId::registry(ledger.origin())]),
            kept: Arc::new(Mutex::new(kept)),
            read_at: Instant::now(),
        })
    }

    /// How far it has come.
    pub(super) fn built(&self) -> Built {
        Built { followed: self.followed, entries: self.bounds.entries, waiting: self.pending.len() as u64 }
    }

    /// Follows what there is, or reads some of what waits and rests. Gives the index when it is complete for the first time.
    pub(super) async fn round(&mut self, is_open: bool) -> Result<Option<Searched>, Error> {
        let patience = match (self.pending.is_empty(), is_open) {
            (false, _) => CALM,
            (true, true) => Duration::MAX,
            // Where nobody can say how much there is, a pause says that this was all.
            (true, false) if self.bounds.entries == 0 => READ_EVERY,
            (true, false) => CALM,
        };
        let came = match tokio::time::timeout(patience, self.follower.next()).await {
            Ok(batch) => {
                self.mark(&batch?);
                true
            }
            Err(_) => false,
        };
        if came && self.read_at.elapsed() < READ_EVERY {
            return Ok(None);
        }
        if !self.pending.is_empty() {
            let began = Instant::now();
            self.read().await?;
            tokio::time::sleep(began.elapsed() * REST_FACTOR).await;
            self.read_at = Instant::now();
        }
        let is_complete = !came && self.pending.is_empty() && self.followed >= self.bounds.entries;
        Ok(if is_complete && !is_open { Some(self.open()) } else { None })
    }

    fn mark(&mut self, batch: &[Followed]) {
        self.followed = self.followed.saturating_add(batch.len() as u64);
        let moved = batch.iter().map(|followed| followed.stored.chain);
        self.pending.extend(moved.filter(|chain| !self.aside.contains(chain)));
    }

    /// Reads some of the chains that wait, and enters what they say now in place of what they said.
    async fn read(&mut self) -> Result<(), Error> {
        let registry = self.ledger.refresh_registry().await?;
        let chains: Vec<ChainId> = self.pending.iter().take(CHAINS_PER_ROUND).copied().collect();
        let mut read = Vec::new();
        for chain in chains.iter().copied() {
            let mut fold = Fold::new(chain);
            let entries = self.ledger.catch_up(&mut fold).await?;
            let is_access = entries.first().is_some_and(|first| is_access_chain(self.ledger.origin(), chain, first));
            if is_access {
                self.aside.insert(chain);
                continue;
            }
            // What could not be seen may restrict the chain, or freeze what stands in it.
            let told = if fold.is_blind() { Vec::new() } else { told(&entries, &registry, self.now_s()) };
            read.push((chain, told));
        }
        let (kept, text_bytes_max) = (Arc::clone(&self.kept), self.bounds.text_bytes_max);
        let work = move || kept.lock().unwrap_or_else(PoisonError::into_inner).enter(read, text_bytes_max);
        spawn_blocking(work).await??;
        self.pending.retain(|chain| !chains.contains(chain));
        Ok(())
    }

    fn open(&self) -> Searched {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let acts: usize = kept.chains.values().map(BTreeMap::len).sum();
        let (text_bytes, index_bytes) = (kept.text_bytes, kept.index.bytes());
        tracing::info!(chains = kept.chains.len(), acts, text_bytes, index_bytes, "the index of texts is complete");
        kept.index.searched()
    }

    fn now_s(&self) -> i64 {
        self.ledger.clock().now_ms().div_euclid(1_000)
    }
}

impl Kept {
    /// Enters what chains say now in place of what they said.
    fn enter(&mut self, read: Vec<(ChainId, Vec<Told>)>, text_bytes_max: u64) -> Result<(), Error> {
        let mut has_changed = false;
        for (chain, told) in read {
            has_changed |= self.replace(chain, told, text_bytes_max)?;
        }
        if has_changed {
            self.index.commit()?;
        }
        Ok(())
    }

    fn replace(&mut self, chain: ChainId, told: Vec<Told>, text_bytes_max: u64) -> Result<bool, Error> {
        let stands = self.chains.entry(chain).or_default();
        let is_as_it_was = |told: &Told| stands.get(&told.revision).is_some_and(|found| found.row == told.row);
        let stay: BTreeSet<u64> = told.iter().filter(|told| is_as_it_was(told)).map(|told| told.revision).collect();
        let gone: Vec<u64> = stands.keys().filter(|revision| !stay.contains(revision)).copied().collect();
        for revision in &gone {
            self.index.remove(chain, *revision);
            let bytes = stands.remove(revision).map(|found| found.text_bytes).unwrap_or_default();
            self.text_bytes = self.text_bytes.saturating_sub(bytes);
        }
        let mut has_changed = !gone.is_empty();
        for Told { revision, row, agency, texts } in told {
            if stay.contains(&revision) {
                continue;
            }
            let text_bytes = texts.iter().map(|text| text.len() as u64).sum();
            self.text_bytes = self.text_bytes.saturating_add(text_bytes);
            if self.text_bytes > text_bytes_max {
                return Err(Error::Full { text_bytes_max });
            }
            self.index.enter(Entered { chain, revision, row, agency, words: cut(&texts) })?;
            stands.insert(revision, Found { row, text_bytes });
            has_changed = true;
        }
        Ok(has_changed)
    }
}

/// The acts of a chain that can be found: those that count and tell something, of which nothing is frozen or erased.
pub(super) fn told(entries: &[CheckedEntry], registry: &Registry, now_s: i64) -> Vec<Told> {
    let history: Vec<Recorded> = entries.iter().filter_map(|entry| entry.outcome.as_ref().ok()).cloned().collect();
    let last = history.iter().map(|recorded| recorded.occurred_at).max().unwrap_or_default();
    let moment = Moment::end_of(Day::of(now_s.max(last)));
    let viewed = Viewed::new(&history, registry.directory(), moment);
    let counting = entries.iter().filter(|entry| entry.outcome.is_ok());
    counting.filter_map(|entry| of_act(entry, &viewed)).collect()
}

fn of_act(entry: &CheckedEntry, viewed: &Viewed<'_>) -> Option<Told> {
    let revision = entry.revision.0;
    let own = viewed.row_of(revision).filter(|row| is_searched(*row))?;
    let row = if viewed.is_restricted() { Row::ACCUSATION } else { own };
    let narratives = entry.parts.iter().filter(|part| part.commitment.kind == PartKind::Narrative);
    let open = narratives.filter(|part| {
        let place = place(entry, part, &[]);
        place.is_some_and(|place| viewed.erasures().is_frozen(&place).is_none())
    });
    let texts: Vec<String> = open.flat_map(|part| texts(&part.plaintext)).collect();
    let agency = entry.statement.as_ref()?.agency.clone();
    (!texts.is_empty()).then_some(Told { revision, row, agency, texts })
}
