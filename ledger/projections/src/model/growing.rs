//! A model that is open and grows.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use mediation_domain::calendar::Day;
use mediation_ledger::{
    chain::ChainId,
    ledger::{CheckedEntry, Fold, Ledger},
    log::{Follower as _, Log, ReadError},
    vault::Vault,
};
use tokio::task::{JoinSet, spawn_blocking};

use super::{
    Error, Progress, Rebuilt,
    accesses::is_access_chain,
    derived::{Basis, Derived, Kind, derive},
    file::{Place, Which},
    store::{Head, Identity, Pending, Store},
};

/// Chains that are judged in one transaction, so that it stays short.
const CHAINS_PER_TRANSACTION: usize = 64;

/// Access chains that are kept folded: those of all agencies of a city in a month. They grow long and are never read again
/// from the beginning while they are here.
const KEPT_MAX: usize = 256;

/// A model that is open.
#[derive(Debug)]
pub(super) struct Growing<L: Log, V> {
    ledger: Arc<Ledger<L, V>>,
    store: Arc<Mutex<Store>>,
    which: Which,
    follower: L::Follower,
    width: usize,
    kept: BTreeMap<ChainId, Kept>,
}

/// A chain that is not judged, as far as it was read.
#[derive(Debug)]
struct Kept {
    kind: Kind,
    fold: Fold,
    /// Entries that were read and not followed yet.
    ahead: VecDeque<CheckedEntry>,
}

impl<L: Log, V: Vault> Growing<L, V> {
    /// Opens the model that is asked; where it cannot be gone on with, the one that is being built, or an empty one.
    pub(super) async fn open(
        ledger: &Arc<Ledger<L, V>>,
        place: &Place,
        identity: Identity,
        width: usize,
    ) -> Result<Self, Error> {
        for which in [Which::Current, Which::New] {
            if !place.path(which).exists() {
                continue;
            }
            let (there, whose) = (place.clone(), identity.clone());
            let usable = spawn_blocking(move || usable(&there, which, &whose)).await??;
            if let Some((store, head)) = usable
                && let Some(follower) = follow(ledger, head).await?
            {
                if which == Which::Current {
                    place.remove(Which::New)?;
                }
                return Ok(Self::on(ledger, store, which, follower, width));
            }
            let file = place.path(which);
            tracing::warn!(file = %file.display(), "the read model cannot be gone on with and is built anew");
        }
        place.remove(Which::New)?;
        Self::anew(ledger, place, identity, width).await
    }

    /// Begins an empty model beside the one that is asked.
    pub(super) async fn anew(
        ledger: &Arc<Ledger<L, V>>,
        place: &Place,
        identity: Identity,
        width: usize,
    ) -> Result<Self, Error> {
        let store = Store::create(place.open(Which::New)?, &identity, place.steps.clone())?;
        let follower = ledger.log().follow(None).await?;
        Ok(Self::on(ledger, store, Which::New, follower, width))
    }

    fn on(ledger: &Arc<Ledger<L, V>>, store: Store, which: Which, follower: L::Follower, width: usize) -> Self {
        let (ledger, store) = (Arc::clone(ledger), Arc::new(Mutex::new(store)));
        Self { ledger, store, which, follower, width, kept: BTreeMap::new() }
    }

    /// Which file it is.
    pub(super) fn which(&self) -> Which {
        self.which
    }

    /// Enters the next batch of the log; false when none came in time.
    pub(super) async fn follow(&mut self, patience: Duration) -> Result<bool, Error> {
        let Ok(batch) = tokio::time::timeout(patience, self.follower.next()).await else { return Ok(false) };
        let batch = batch?;
        self.on_store(move |store| store.append(&batch)).await?;
        Ok(true)
    }

    /// Marks what the day, or the agencies that take part, may change.
    pub(super) async fn look(&self, day: Day) -> Result<(), Error> {
        let registry = self.ledger.refresh_registry().await?;
        self.on_store(move |store| store.look(day, registry.directory())).await
    }

    /// Whether chains wait to be judged.
    pub(super) async fn waits(&self) -> Result<bool, Error> {
        Ok(self.on_store(|store| store.pending_count()).await? > 0)
    }

    /// Judges some of the chains that wait.
    pub(super) async fn judge(&mut self) -> Result<(), Error> {
        let (pending, day) =
            self.on_store(|store| Ok((store.pending(CHAINS_PER_TRANSACTION)?, store.judging_as_of()?))).await?;
        let mut waiting = pending.into_iter();
        let (mut running, mut derived, mut kept) = (JoinSet::new(), Vec::new(), Vec::new());
        loop {
            while running.len() < self.width
                && let Some(pending) = waiting.next()
            {
                // What is kept of a chain is back once its rows are written: after a fault it is read anew.
                let kept = self.kept.remove(&pending.chain);
                running.spawn(read(Arc::clone(&self.ledger), pending, kept, day));
            }
            let Some(read) = running.join_next().await else { break };
            let (rows, keep) = read??;
            derived.push(rows);
            kept.extend(keep.map(|keep| (keep.fold.chain(), keep)));
        }
        self.on_store(move |store| store.put(&derived)).await?;
        self.kept.extend(kept);
        while self.kept.len() > KEPT_MAX {
            self.kept.pop_first();
        }
        Ok(())
    }

    /// Follows the log up to so many entries, and judges everything as of a day.
    pub(super) async fn until(
        &mut self,
        day: Day,
        entries: u64,
        progress: &(dyn Fn(Progress) + Sync),
    ) -> Result<Rebuilt, Error> {
        loop {
            let done = self.on_store(|store| store.entries()).await?;
            progress(Progress::Entries(done));
            if done >= entries {
                break;
            }
            self.follow(Duration::MAX).await?;
        }
        loop {
            self.look(day).await?;
            let pending = self.on_store(|store| store.pending_count()).await?;
            progress(Progress::Pending(pending));
            if pending == 0 {
                break;
            }
            self.judge().await?;
        }
        let (entries, chains) = self.on_store(|store| Ok((store.entries()?, store.chains()?))).await?;
        Ok(Rebuilt { entries, chains, bytes: 0 })
    }

    /// Closes the file, with nothing beside it.
    pub(super) async fn finish(self) -> Result<(), Error> {
        self.on_store(|store| store.finish()).await
    }

    /// Works on the file on a thread that may wait for the disk.
    pub(super) async fn on_store<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Store) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let store = Arc::clone(&self.store);
        spawn_blocking(move || work(&mut store.lock().unwrap_or_else(PoisonError::into_inner))).await?
    }
}

/// Opens a file that is there, with the last entry that it holds; none when it cannot be used.
fn usable(place: &Place, which: Which, identity: &Identity) -> Result<Option<(Store, Option<Head>)>, Error> {
    let opened = place
        .open(which)
        .and_then(|connection| Store::open(connection, identity, place.steps.clone()))
        .and_then(|store| store.map(|store| store.head().map(|head| (store, head))).transpose());
    match opened {
        Err(Error::Sqlite(error)) if is_damage(&error) => Ok(None),
        Err(Error::Malformed { .. }) => Ok(None),
        opened => opened,
    }
}

/// Whether an error says that the file is none of SQLite's, or is damaged.
fn is_damage(error: &rusqlite::Error) -> bool {
    use rusqlite::ErrorCode::{DatabaseCorrupt, NotADatabase, Unknown};
    matches!(error.sqlite_error_code(), Some(DatabaseCorrupt | NotADatabase | Unknown))
}

/// Goes on behind the last entry of a model; none when the log does not hold that entry.
async fn follow<L: Log, V: Vault>(ledger: &Ledger<L, V>, head: Option<Head>) -> Result<Option<L::Follower>, Error> {
    let Some(head) = head else { return Ok(Some(ledger.log().follow(None).await?)) };
    let stands = ledger.log().read(head.chain, head.revision, 1).await?;
    let stands = stands.first().filter(|stored| stored.revision == head.revision);
    if stands.is_none_or(|stored| mediation_ledger::record::leaf_hash(&stored.record) != head.leaf) {
        return Ok(None);
    }
    match ledger.log().follow(Some(head.cursor)).await {
        Err(ReadError::UnknownCursor) => Ok(None),
        followed => Ok(Some(followed?)),
    }
}

/// Reads a chain as far as it was followed, and says what its rows are. Of one that is not judged only what is new is told,
/// and where it stands is kept.
async fn read<L: Log, V: Vault>(
    ledger: Arc<Ledger<L, V>>,
    pending: Pending,
    kept: Option<Kept>,
    day: Day,
) -> Result<(Derived, Option<Kept>), Error> {
    let Pending { chain, entries } = pending;
    let is_registry = chain == ChainId::registry(ledger.origin());
    let known = kept.is_some() || is_registry;
    let first = if is_registry { Kind::Registry } else { Kind::Matter };
    let mut kept = kept.unwrap_or_else(|| Kept { kind: first, fold: Fold::new(chain), ahead: VecDeque::new() });
    kept.ahead.extend(ledger.catch_up(&mut kept.fold).await?);
    if !known && kept.ahead.front().is_some_and(|first| is_access_chain(ledger.origin(), chain, first)) {
        kept.kind = Kind::Access;
    }
    let followed = kept.ahead.partition_point(|entry| entry.revision.0 < entries);
    let rest = kept.ahead.split_off(followed);
    let followed: Vec<CheckedEntry> = std::mem::replace(&mut kept.ahead, rest).into();
    let registry = ledger.registry();
    let basis = Basis { directory: registry.directory(), rule_set: ledger.rule_set(), day };
    let derived = derive(kept.kind, &kept.fold, followed, basis);
    // A chain that the vault withholds may be given later: it is read anew when it moves.
    let keeps = kept.kind != Kind::Matter && !kept.fold.is_blind();
    Ok((derived, keeps.then_some(kept)))
}
