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
    Error,
    derived::{Basis, Derived, Kind, derive},
    file::{Place, Which},
    store::{Head, Identity, Pending, Store},
};

/// Chains that are judged in one transaction, so that it stays short.
const CHAINS_PER_TRANSACTION: usize = 64;

/// Chains that are read together: a few, since desks wait for the thread meanwhile.
const CHAINS_AT_ONCE: usize = 8;

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
        place.remove(Which::Load)?;
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

    /// Whether nothing has been followed yet.
    pub(super) async fn is_empty(&self) -> Result<bool, Error> {
        Ok(self.on_store(|store| store.entries()).await? == 0)
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
        let mut waiting = pending.chunks(CHAINS_AT_ONCE);
        let (mut running, mut derived, mut kept) = (JoinSet::new(), Vec::new(), Vec::new());
        loop {
            while running.len() < self.width
                && let Some(some) = waiting.next()
            {
                // What is kept of a chain is back once its rows are written: after a fault it is read anew.
                let group = some.iter().map(|pending| (*pending, self.kept.remove(&pending.chain))).collect();
                running.spawn(read(Arc::clone(&self.ledger), group, day));
            }
            let Some(read) = running.join_next().await else { break };
            for (rows, keep) in read?? {
                derived.push(rows);
                kept.extend(keep.map(|keep| (keep.fold.chain(), keep)));
            }
        }
        self.on_store(move |store| store.put(&derived)).await?;
        self.kept.extend(kept);
        while self.kept.len() > KEPT_MAX {
            self.kept.pop_first();
        }
        Ok(())
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

/// Reads chains as far as they were followed, and says what their rows are. Of one that is not judged only what is new is
/// told, and where it stands is kept.
async fn read<L: Log, V: Vault>(
    ledger: Arc<Ledger<L, V>>,
    group: Vec<(Pending, Option<Kept>)>,
    day: Day,
) -> Result<Vec<(Derived, Option<Kept>)>, Error> {
    let mut folds = Vec::with_capacity(group.len());
    let mut known = Vec::with_capacity(group.len());
    for (Pending { chain, entries }, kept) in group {
        let (fold, kind, ahead) = match kept {
            Some(Kept { kind, fold, ahead }) => (fold, Some(kind), ahead),
            None => (Fold::new(chain), None, VecDeque::new()),
        };
        folds.push(fold);
        known.push((kind, ahead, entries));
    }
    let read = ledger.catch_up_all(&mut folds).await?;
    let registry = ledger.registry();
    let basis = Basis { directory: registry.directory(), rule_set: ledger.rule_set(), day };
    let derived = folds.into_iter().zip(known).zip(read).map(|((fold, (kind, mut ahead, entries)), read)| {
        ahead.extend(read);
        let kind = kind.unwrap_or_else(|| Kind::of(ledger.origin(), fold.chain(), ahead.front()));
        let rest = ahead.split_off(ahead.partition_point(|entry| entry.revision.0 < entries));
        let derived = derive(kind, &fold, ahead.into(), basis);
        // A chain that the vault withholds may be given later: it is read anew when it moves.
        let keeps = kind != Kind::Matter && !fold.is_blind();
        (derived, keeps.then_some(Kept { kind, fold, ahead: rest }))
    });
    Ok(derived.collect())
}
