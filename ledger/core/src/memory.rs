//! A log and a vault in memory: for tests, demonstrations and as the shortest reading of both contracts. Nothing
//! survives the process.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use bytes::Bytes;
use tokio::sync::watch;

use crate::{
    chain::{ChainId, Revision},
    heads::{Head, Heads},
    limits::RECORD_BYTES_MAX,
    log::{AppendError, Cursor, Followed, Follower, Log, Order, ReadError, Stored},
    merkle::Hash,
    vault::{DataKey, Deposit, Vault, VaultError},
};

/// Records that [`Follower::next`] gives at once, so that catching up does not copy the whole log.
const FOLLOWED_MAX: usize = 256;

/// A log in memory. A clone is another handle on the same log.
#[derive(Debug, Clone, Default)]
pub struct MemoryLog {
    shared: Arc<Shared>,
}

impl MemoryLog {
    /// An empty log.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }
}

impl Log for MemoryLog {
    type Follower = MemoryFollower;

    async fn append(&self, chain: ChainId, expected: Revision, record: Bytes) -> Result<(), AppendError> {
        if record.len() > RECORD_BYTES_MAX {
            return Err(AppendError::TooLarge { size: record.len(), max: RECORD_BYTES_MAX });
        }
        self.shared.records().append(chain, expected, record)?;
        self.shared.grown.send_replace(());
        Ok(())
    }

    async fn read(&self, chain: ChainId, from: Revision, limit: usize) -> Result<Vec<Stored>, ReadError> {
        Ok(self.shared.records().read(chain, from, limit))
    }

    async fn follow(&self, after: Option<Cursor>) -> Result<MemoryFollower, ReadError> {
        let next = match after {
            None => 0,
            Some(cursor) => self.shared.records().after(cursor).ok_or(ReadError::UnknownCursor)?,
        };
        Ok(MemoryFollower { shared: Arc::clone(&self.shared), grown: self.shared.grown.subscribe(), next })
    }
}

/// Follows a [`MemoryLog`].
#[derive(Debug)]
pub struct MemoryFollower {
    shared: Arc<Shared>,
    grown: watch::Receiver<()>,
    next: usize,
}

impl Follower for MemoryFollower {
    async fn next(&mut self) -> Result<Vec<Followed>, ReadError> {
        loop {
            let followed = self.shared.records().follow(self.next);
            if !followed.is_empty() {
                self.next += followed.len();
                return Ok(followed);
            }
            // A record that came after the look above has marked the channel, so this returns at once.
            self.grown.changed().await.map_err(|_closed| ReadError::Unavailable(None))?;
        }
    }
}

#[derive(Debug)]
struct Shared {
    records: Mutex<Records>,
    grown: watch::Sender<()>,
}

impl Default for Shared {
    fn default() -> Self {
        Self { records: Mutex::default(), grown: watch::Sender::new(()) }
    }
}

impl Shared {
    /// No holder of this lock panics halfway through a change, so a poisoned lock still guards whole records.
    fn records(&self) -> MutexGuard<'_, Records> {
        self.records.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Debug, Default)]
struct Records {
    order: Vec<Stored>,
    /// Places in the order, by revision.
    chains: BTreeMap<ChainId, Vec<usize>>,
}

impl Records {
    fn append(&mut self, chain: ChainId, expected: Revision, record: Bytes) -> Result<(), AppendError> {
        let standing = self.chains.get(&chain).map(Vec::as_slice).unwrap_or_default();
        let next = Revision(standing.len() as u64);
        if expected != next {
            let known = index(expected.0).and_then(|at| standing.get(at)).and_then(|place| self.order.get(*place));
            let same = known.is_some_and(|known| known.record == record);
            return if same { Ok(()) } else { Err(AppendError::Conflict { next }) };
        }
        self.chains.entry(chain).or_default().push(self.order.len());
        self.order.push(Stored { chain, revision: next, order: Order(self.order.len() as u64), record });
        Ok(())
    }

    fn read(&self, chain: ChainId, from: Revision, limit: usize) -> Vec<Stored> {
        let places = self.chains.get(&chain).map(Vec::as_slice).unwrap_or_default();
        let places = index(from.0).and_then(|from| places.get(from..)).unwrap_or_default();
        places.iter().take(limit).filter_map(|place| self.order.get(*place)).cloned().collect()
    }

    fn follow(&self, from: usize) -> Vec<Followed> {
        let stored = self.order.get(from..).unwrap_or_default();
        let followed = |(stored, place): (&Stored, u64)| Followed {
            cursor: Cursor(place, stored.revision.0),
            stored: stored.clone(),
        };
        stored.iter().zip(from as u64..).take(FOLLOWED_MAX).map(followed).collect()
    }

    /// Place after a cursor. The second number is the revision of the record there, so that most foreign cursors show.
    fn after(&self, cursor: Cursor) -> Option<usize> {
        let place = index(cursor.0)?;
        let stored = self.order.get(place)?;
        (stored.revision.0 == cursor.1).then_some(place + 1)
    }
}

fn index(number: u64) -> Option<usize> {
    usize::try_from(number).ok()
}

/// A stream of heads in memory. A clone is another handle on the same stream.
#[derive(Debug, Clone, Default)]
pub struct MemoryHeads {
    notes: Arc<Mutex<Vec<Bytes>>>,
}

impl MemoryHeads {
    /// An empty stream.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    fn heads(&self) -> Vec<Head> {
        let notes = self.notes();
        (0..).zip(notes.iter()).map(|(at, note)| Head { revision: Revision(at), note: note.clone() }).collect()
    }

    fn notes(&self) -> MutexGuard<'_, Vec<Bytes>> {
        self.notes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Heads for MemoryHeads {
    async fn last(&self, limit: usize) -> Result<Vec<Head>, ReadError> {
        Ok(self.heads().into_iter().rev().take(limit).collect())
    }

    async fn read(&self, from: Revision, limit: usize) -> Result<Vec<Head>, ReadError> {
        Ok(self.heads().into_iter().filter(|head| head.revision >= from).take(limit).collect())
    }

    async fn append(&self, expected: Revision, note: Bytes) -> Result<(), AppendError> {
        let mut notes = self.notes();
        let next = Revision(notes.len() as u64);
        if expected == next {
            notes.push(note);
            return Ok(());
        }
        let stands = index(expected.0).and_then(|at| notes.get(at));
        if stands == Some(&note) { Ok(()) } else { Err(AppendError::Conflict { next }) }
    }
}

/// A vault in memory. A clone is another handle on the same vault. Keys lie unwrapped, and are wiped when destroyed.
#[derive(Debug, Clone, Default)]
pub struct MemoryVault {
    keys: Arc<Mutex<KeptKeys>>,
}

/// Keys by their parts; none in the place of a key that was destroyed.
type KeptKeys = BTreeMap<(ChainId, Hash), Option<DataKey>>;

impl MemoryVault {
    /// An empty vault.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    fn keys(&self) -> MutexGuard<'_, KeptKeys> {
        self.keys.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Vault for MemoryVault {
    async fn deposit(&self, chain: ChainId, deposits: Vec<Deposit>) -> Result<(), VaultError> {
        let mut keys = self.keys();
        for Deposit { digest, key, .. } in &deposits {
            match keys.get(&(chain, *digest)) {
                Some(None) => return Err(VaultError::Destroyed { digest: *digest }),
                Some(Some(kept)) if kept != key => return Err(VaultError::Conflict { digest: *digest }),
                Some(Some(_)) | None => {}
            }
        }
        keys.extend(deposits.into_iter().map(|deposit| ((chain, deposit.digest), Some(deposit.key))));
        Ok(())
    }

    async fn key(&self, chain: ChainId, digest: Hash) -> Result<Option<DataKey>, VaultError> {
        Ok(self.keys().get(&(chain, digest)).cloned().flatten())
    }

    async fn destroy(&self, chain: ChainId, digests: &[Hash]) -> Result<usize, VaultError> {
        let mut keys = self.keys();
        let parts = digests.iter().map(|digest| (chain, *digest));
        Ok(parts.filter(|part| keys.get_mut(part).is_some_and(|kept| kept.take().is_some())).count())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vault::Holder;

    async fn make() -> MemoryLog {
        MemoryLog::new()
    }

    crate::conformance!(make);

    #[tokio::test]
    async fn a_clone_is_another_handle_on_the_same_log() {
        let log = MemoryLog::new();
        log.clone().append(ChainId([1; 16]), Revision::FIRST, Bytes::from_static(b"a")).await.unwrap();
        assert_eq!(log.read(ChainId([1; 16]), Revision::FIRST, 9).await.unwrap().len(), 1);
    }

    #[tokio::test]
    async fn a_cursor_of_another_log_is_refused_when_its_record_differs() {
        let log = MemoryLog::new();
        log.append(ChainId([1; 16]), Revision::FIRST, Bytes::from_static(b"a")).await.unwrap();
        assert!(matches!(log.follow(Some(Cursor(0, 1))).await, Err(ReadError::UnknownCursor)));
    }

    #[tokio::test]
    async fn a_key_is_kept_per_chain_and_gone_once_destroyed() {
        let vault = MemoryVault::new();
        let (chain, digest, key) = (ChainId([1; 16]), Hash([2; 32]), DataKey([3; 32]));
        let deposit = Deposit { digest, holder: Holder::Chain, key: key.clone() };
        vault.deposit(chain, vec![deposit]).await.unwrap();
        assert_eq!(vault.key(chain, digest).await.unwrap(), Some(key));
        assert_eq!(vault.key(ChainId([9; 16]), digest).await.unwrap(), None);
        let other = Deposit { digest, holder: Holder::Chain, key: DataKey([4; 32]) };
        let refused = vault.deposit(chain, vec![other]).await;
        assert!(matches!(refused, Err(VaultError::Conflict { digest: of }) if of == digest), "{refused:?}");
        assert_eq!(vault.key(chain, digest).await.unwrap(), Some(DataKey([3; 32])));
        assert_eq!(vault.destroy(chain, &[digest]).await.unwrap(), 1);
        assert_eq!(vault.destroy(chain, &[digest]).await.unwrap(), 0);
        let again = Deposit { digest, holder: Holder::Chain, key: DataKey([3; 32]) };
        assert!(matches!(vault.deposit(chain, vec![again]).await, Err(VaultError::Destroyed { .. })));
        assert_eq!(vault.key(chain, digest).await.unwrap(), None);
    }
}
