//! The sealer: follows the log, numbers entries, grows the tree, signs checkpoints.
//!
//! ```text
//! log.follow ─ leaf hash ─ tree ─ sign ─ store checkpoint ─ publish ─ receipts, proofs
//! ```
//!
//! Entries are durable before the sealer sees them, numbering is a pure function of the log's order, and signatures follow
//! from key and bytes: a sealer that is killed anywhere signs the same trees again. A checkpoint is written to its store
//! before anybody is shown it, and synced within [`SYNC_WITHIN`]; what a power cut can take is therefore at most that
//! much of the *record* of what was published, never an entry. A sealer signs no tree that does not extend the last
//! checkpoint in its store.

use std::{
    collections::BTreeMap,
    io,
    sync::{Arc, PoisonError, RwLock, RwLockReadGuard},
    time::Duration,
};

use bytes::Bytes;
use ed25519_dalek::SigningKey;
use mediation_ledger::{
    chain::{ChainId, Revision},
    checkpoint::{Checkpoint, CheckpointError},
    key::Signer,
    log::{Followed, Follower, Log, ReadError},
    merkle::{Hash, LeafIndex, Tree, TreeSize, hash_leaf},
    note::{KeyName, Note, NoteError, SignatureType, VerifierKey, VerifierKeyError},
    record::leaf_bytes,
    registry::Registry,
    store::CheckpointStore,
    tile::Tile,
};
use mediation_proto::mediation::ledger::v1::Seal;
use tokio::{sync::watch, time::Instant};

mod twin;

pub use self::twin::Twin;
use self::twin::TwinTree;

/// Time within which a published checkpoint is synced to the disk.
pub const SYNC_WITHIN: Duration = Duration::from_secs(1);

/// Signs checkpoints under the origin of a log: with its key, or with both while one replaces the other.
pub struct LogSigner {
    origin: KeyName,
    keys: Vec<SigningKey>,
    /// A further key of the log, of another algorithm, which signs the same checkpoints.
    second: Option<Arc<dyn Signer>>,
}

impl LogSigner {
    /// The signer of the log of this origin.
    #[must_use]
    pub fn new(origin: KeyName, keys: Vec<SigningKey>) -> Self {
        Self { origin, keys, second: None }
    }

    /// Signs every checkpoint with a second key as well, of another algorithm: for those who may trust that one only.
    #[must_use]
    pub fn and(mut self, second: Arc<dyn Signer>) -> Self {
        self.second = Some(second);
        self
    }

    /// Signs only with the keys that the registry names and has not retired. Without any it signs nothing.
    #[must_use]
    pub fn signing(mut self, registry: &Registry) -> Self {
        let origin = self.origin.clone();
        self.keys.retain(|key| {
            let vkey = verifier(&origin, key).map(|verifier| verifier.to_string());
            let named = |vkey| registry.log_keys().iter().any(|key| key.vkey == vkey && key.retired.is_none());
            vkey.is_ok_and(named)
        });
        self
    }

    /// Whether there is a key to sign with.
    #[must_use]
    pub fn has_keys(&self) -> bool {
        !self.keys.is_empty()
    }

    /// The public halves of the log keys, by any of which checkpoints are verified. The second key is not among them.
    ///
    /// # Errors
    /// A key is one that nobody may trust.
    pub fn verifiers(&self) -> Result<Vec<VerifierKey>, VerifierKeyError> {
        self.keys.iter().map(|key| verifier(&self.origin, key)).collect()
    }

    fn sign(&self, checkpoint: &Checkpoint) -> Result<Note, NoteError> {
        let mut note = Note::new(checkpoint.to_string())?;
        for key in &self.keys {
            note.sign(&self.origin, key)?;
        }
        if let Some(second) = &self.second {
            note.sign_with(&self.origin, second.as_ref())?;
        }
        Ok(note)
    }
}

fn verifier(origin: &KeyName, key: &SigningKey) -> Result<VerifierKey, VerifierKeyError> {
    VerifierKey::new(origin.clone(), SignatureType::Ed25519, key.verifying_key())
}

impl std::fmt::Debug for LogSigner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("LogSigner").field(&self.origin).finish()
    }
}

/// What is sealed so far.
#[derive(Debug, Default)]
struct State {
    tree: Tree,
    /// The twin tree over SM3, of a ledger that grows one.
    twin: Option<TwinTree>,
    /// Leaf index by chain and revision.
    places: BTreeMap<ChainId, Vec<LeafIndex>>,
    /// Last published checkpoint, and the size of its tree.
    checkpoint: String,
    sealed: TreeSize,
    /// The last checkpoint could not be stored: nothing more is sealed until one can be.
    stuck: bool,
}

impl State {
    /// Seal of a leaf under the last published checkpoint; none when it is not sealed yet.
    fn seal(&self, index: LeafIndex) -> Option<Seal> {
        self.seal_under(index, self.sealed, &self.checkpoint)
    }

    /// Seal of a leaf under the checkpoint of a size that was published; none when it is not under it.
    fn seal_under(&self, index: LeafIndex, size: TreeSize, checkpoint: &str) -> Option<Seal> {
        if index.0 >= size.0 || size > self.sealed {
            return None;
        }
        let path = self.tree.inclusion_path(index, size).ok()?;
        let inclusion = path.into_iter().map(|hash| Bytes::copy_from_slice(&hash.0)).collect();
        Some(Seal { leaf_index: index.0, inclusion, checkpoint: checkpoint.to_owned() })
    }

    fn place(&self, chain: ChainId, revision: Revision) -> Option<LeafIndex> {
        self.places.get(&chain)?.get(usize::try_from(revision.0).ok()?).copied()
    }
}

/// Seals and proofs, for whoever answers callers.
#[derive(Debug, Clone)]
pub struct Seals {
    state: Arc<RwLock<State>>,
    sealed: watch::Receiver<TreeSize>,
}

impl Seals {
    /// Size of the tree of the last published checkpoint.
    #[must_use]
    pub fn size(&self) -> TreeSize {
        self.read().sealed
    }

    /// The last published checkpoint; empty before the first.
    #[must_use]
    pub fn checkpoint(&self) -> String {
        self.read().checkpoint.clone()
    }

    /// The last published checkpoint of the twin tree over SM3; none without a twin, empty before the first.
    #[must_use]
    pub fn twin_checkpoint(&self) -> Option<String> {
        self.read().twin.as_ref().map(|twin| twin.checkpoint().to_owned())
    }

    /// Seal of an entry under the last published checkpoint; none when it is not sealed yet.
    #[must_use]
    pub fn seal(&self, chain: ChainId, revision: Revision) -> Option<Seal> {
        let state = self.read();
        state.seal(state.place(chain, revision)?)
    }

    /// Seal of an entry under another published checkpoint, such as one that witnesses have cosigned; none when that does
    /// not cover it.
    #[must_use]
    pub fn seal_under(&self, chain: ChainId, revision: Revision, size: TreeSize, checkpoint: &str) -> Option<Seal> {
        let state = self.read();
        state.seal_under(state.place(chain, revision)?, size, checkpoint)
    }

    /// The last published checkpoint, and the seals of a chain's entries under it, from the first on.
    #[must_use]
    pub fn chain(&self, chain: ChainId) -> (String, Vec<Seal>) {
        let state = self.read();
        let places = state.places.get(&chain).map(Vec::as_slice).unwrap_or_default();
        let seals = places.iter().map_while(|index| state.seal(*index)).collect();
        (state.checkpoint.clone(), seals)
    }

    /// Waits for the seal of an entry, up to a time-out. While checkpoints cannot be stored there is nothing to wait for.
    pub async fn wait(&self, chain: ChainId, revision: Revision, timeout: Duration) -> Option<Seal> {
        let mut sealed = self.sealed.clone();
        let wait = async {
            loop {
                sealed.mark_unchanged();
                let seal = self.seal(chain, revision);
                if seal.is_some() || self.read().stuck || sealed.changed().await.is_err() {
                    return seal;
                }
            }
        };
        tokio::time::timeout(timeout, wait).await.ok().flatten()
    }

    /// Waits until the sealed tree has at least this size, or the sealer stops.
    pub async fn reached(&self, size: TreeSize) {
        // An error says that the sealer has stopped; the caller then sees the size as it is.
        drop(self.sealed.clone().wait_for(|sealed| *sealed >= size).await);
    }

    /// Follows the size of the sealed tree.
    #[must_use]
    pub fn watch(&self) -> watch::Receiver<TreeSize> {
        self.sealed.clone()
    }

    /// Leaf hash and inclusion path of a leaf in the tree of a size; none beyond what is sealed.
    #[must_use]
    pub fn inclusion(&self, index: LeafIndex, size: TreeSize) -> Option<(Hash, Vec<Hash>)> {
        let state = self.read();
        if size > state.sealed {
            return None;
        }
        let path = state.tree.inclusion_path(index, size).ok()?;
        Some((state.tree.subtree(0, index.0)?, path))
    }

    /// Consistency path between two trees; none beyond what is sealed.
    #[must_use]
    pub fn consistency(&self, old: TreeSize, new: TreeSize) -> Option<Vec<Hash>> {
        let state = self.read();
        if new > state.sealed {
            return None;
        }
        state.tree.consistency_path(old, new).ok()
    }

    /// Hashes of a tile (C2SP `tlog-tiles`); none unless all of them are sealed.
    #[must_use]
    pub fn tile(&self, tile: Tile) -> Option<Vec<u8>> {
        let state = self.read();
        if tile.is_in(state.sealed) { tile.hashes(&state.tree) } else { None }
    }

    fn read(&self) -> RwLockReadGuard<'_, State> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Grows and signs the tree.
#[derive(Debug)]
pub struct Sealer<F> {
    follower: F,
    signer: LogSigner,
    store: Arc<dyn CheckpointStore>,
    twin: Option<Twin>,
    /// The checkpoint that every further tree must extend.
    last: Option<Checkpoint>,
    state: Arc<RwLock<State>>,
    sealed: watch::Sender<TreeSize>,
    /// A checkpoint was stored that is not synced yet.
    unsynced: bool,
    /// The tree has grown beyond the last checkpoint that could be stored.
    behind: bool,
}

impl<F: Follower> Sealer<F> {
    /// Starts from the checkpoint in the store and the beginning of the log.
    ///
    /// # Errors
    /// The stored checkpoint cannot be read or is not this log's; the log cannot be followed.
    pub async fn start<L: Log<Follower = F>>(
        log: &L,
        signer: LogSigner,
        store: Arc<dyn CheckpointStore>,
    ) -> Result<(Self, Seals), SealerError> {
        let last = last_checkpoint(&signer, store.as_ref())?;
        let follower = log.follow(None).await?;
        let state = Arc::new(RwLock::new(State::default()));
        let (sealed, receiver) = watch::channel(TreeSize(0));
        let seals = Seals { state: Arc::clone(&state), sealed: receiver };
        let twin = None;
        Ok((Self { follower, signer, store, twin, last, state, sealed, unsynced: false, behind: false }, seals))
    }

    /// Grows and signs a twin tree as well. MUST be called before [`Sealer::run`].
    #[must_use]
    pub fn with_twin(mut self, twin: Twin) -> Self {
        self.state.write().unwrap_or_else(PoisonError::into_inner).twin = Some(TwinTree::default());
        self.twin = Some(twin);
        self
    }

    /// Every tree must extend this checkpoint too: one that others are known to hold, such as the last that witnesses have
    /// cosigned.
    #[must_use]
    pub fn extending(mut self, checkpoint: Checkpoint) -> Self {
        if self.last.as_ref().is_none_or(|last| last.size < checkpoint.size) {
            self.last = Some(checkpoint);
        }
        self
    }

    /// Seals until told to stop, then syncs and returns.
    ///
    /// # Errors
    /// The log fails, or its entries do not extend the last checkpoint: then nothing more is signed.
    pub async fn run(mut self, stop: impl Future<Output = ()> + Send) -> Result<(), SealerError> {
        tokio::pin!(stop);
        // Runs from the first checkpoint that is not synced, whatever else comes: a busy log must not put it off.
        let upkeep = tokio::time::sleep(SYNC_WITHIN / 2);
        tokio::pin!(upkeep);
        loop {
            let was_idle = self.is_idle();
            tokio::select! {
                () = &mut stop => break,
                batch = self.follower.next() => {
                    self.grow(&batch?);
                    self.seal().await?;
                    if was_idle {
                        upkeep.as_mut().reset(Instant::now() + SYNC_WITHIN / 2);
                    }
                }
                () = &mut upkeep, if !was_idle => {
                    if self.behind {
                        self.seal().await?;
                    }
                    self.sync().await;
                    upkeep.as_mut().reset(Instant::now() + SYNC_WITHIN / 2);
                }
            }
        }
        self.sync().await;
        Ok(())
    }

    /// Everything that was published is synced, and everything that was seen is published.
    fn is_idle(&self) -> bool {
        !self.unsynced && !self.behind
    }

    fn grow(&self, batch: &[Followed]) {
        let leaves: Vec<Bytes> = batch.iter().map(|followed| leaf_bytes(&followed.stored.record)).collect();
        let hashes: Vec<Hash> = leaves.iter().map(|leaf| hash_leaf(leaf)).collect();
        let twins = if self.twin.is_some() { TwinTree::hashes(&leaves) } else { Vec::new() };
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(twin) = &mut state.twin {
            twin.grow(twins);
        }
        for (followed, hash) in batch.iter().zip(hashes) {
            let index = state.tree.append(hash);
            state.places.entry(followed.stored.chain).or_default().push(index);
        }
    }

    async fn seal(&mut self) -> Result<(), SealerError> {
        let Some(checkpoint) = self.next_checkpoint()? else { return Ok(()) };
        let note = self.signer.sign(&checkpoint)?.to_string();
        let twin = self.next_twin()?;
        let (store, text) = (Arc::clone(&self.store), note.clone());
        let twin_store = twin.as_ref().map(twin::Signed::to_store);
        let stored = tokio::task::spawn_blocking(move || {
            store.store(&text)?;
            // A crash here leaves the twin behind; it catches up with the next checkpoint.
            twin_store.map_or(Ok(()), |store| store())
        })
        .await
        .unwrap_or_else(|error| Err(io::Error::other(error)));
        // A crash here leaves a stored checkpoint that nobody was shown: the next sealer signs the same one.
        if let Err(error) = stored {
            tracing::warn!(%error, size = checkpoint.size.0, "the checkpoint could not be stored; trying again");
            self.behind = true;
            self.tell_stuck();
            return Ok(());
        }
        tracing::debug!(size = checkpoint.size.0, "sealed");
        self.behind = false;
        self.unsynced = true;
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        state.checkpoint = note;
        state.sealed = checkpoint.size;
        state.stuck = false;
        if let (Some(tree), Some(twin), Some(signed)) = (&mut state.twin, &mut self.twin, twin) {
            twin.publish(tree, signed);
        }
        drop(state);
        self.sealed.send_replace(checkpoint.size);
        self.last = Some(checkpoint);
        Ok(())
    }

    /// Tells those who wait that nothing is sealed for now.
    fn tell_stuck(&self) {
        self.state.write().unwrap_or_else(PoisonError::into_inner).stuck = true;
        // The size is the same; sending it wakes them up.
        self.sealed.send_modify(|_| {});
    }

    /// The checkpoint to be signed; none while the tree is still shorter than the last one.
    fn next_checkpoint(&self) -> Result<Option<Checkpoint>, SealerError> {
        let state = self.state.read().unwrap_or_else(PoisonError::into_inner);
        let size = state.tree.size();
        if let Some(last) = &self.last {
            if size < last.size {
                return Ok(None);
            }
            let root = state.tree.root_at(last.size).unwrap_or(Hash::ZERO);
            if root != last.root {
                return Err(SealerError::DoesNotExtend { size: last.size, expected: last.root, found: root });
            }
        }
        let origin = self.signer.origin.clone();
        Ok(Some(Checkpoint { origin, size, root: state.tree.root() }))
    }

    /// The checkpoint of the twin to be stored; none without a twin, and while its tree is still shorter than the last one.
    fn next_twin(&self) -> Result<Option<twin::Signed>, SealerError> {
        let state = self.state.read().unwrap_or_else(PoisonError::into_inner);
        match (&self.twin, &state.twin) {
            (Some(twin), Some(tree)) => twin.next(tree),
            (Some(_), None) | (None, Some(_) | None) => Ok(None),
        }
    }

    async fn sync(&mut self) {
        if !self.unsynced {
            return;
        }
        let stores = [Some(Arc::clone(&self.store)), self.twin.as_ref().map(Twin::store)];
        let synced = tokio::task::spawn_blocking(move || stores.iter().flatten().try_for_each(|store| store.sync()));
        match synced.await.unwrap_or_else(|error| Err(io::Error::other(error))) {
            Ok(()) => self.unsynced = false,
            Err(error) => {
                // What a failed sync leaves on the disk nobody knows, and a second one may succeed over it: the
                // checkpoint is stored anew first.
                tracing::warn!(%error, "the checkpoint could not be synced; storing it again");
                self.behind = true;
            }
        }
    }
}

/// The last checkpoint in a store: the one that was synced, or a later one that is intact.
///
/// # Errors
/// The store cannot be read, or the synced checkpoint is not one of this log.
pub fn last_checkpoint(signer: &LogSigner, store: &dyn CheckpointStore) -> Result<Option<Checkpoint>, SealerError> {
    last_signed(&signer.origin, &signer.verifiers()?, store)
}

fn last_signed(
    origin: &KeyName,
    trusted: &[VerifierKey],
    store: &dyn CheckpointStore,
) -> Result<Option<Checkpoint>, SealerError> {
    let open = |note: &str| Checkpoint::open(note.as_bytes(), origin, trusted).map(|signed| signed.checkpoint);
    let stored = store.load()?;
    let synced = stored.synced.as_deref().map(open).transpose()?;
    let unsynced = stored.unsynced.as_deref().and_then(|note| match open(note) {
        Ok(checkpoint) => Some(checkpoint),
        Err(error) => {
            tracing::warn!(%error, "a checkpoint that was never synced is spoilt and ignored");
            None
        }
    });
    let later = |checkpoint: &Checkpoint| synced.as_ref().is_none_or(|synced| checkpoint.size >= synced.size);
    Ok(unsynced.filter(later).or_else(|| synced.clone()))
}

/// Why sealing stopped.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SealerError {
    /// The log cannot be followed.
    #[error(transparent)]
    Log(#[from] ReadError),
    /// The store cannot be read.
    #[error("the stored checkpoint cannot be read")]
    Store(#[from] io::Error),
    /// The stored checkpoint is not one of this log.
    #[error("the stored checkpoint is not one of this log: {0}")]
    Checkpoint(#[from] CheckpointError),
    /// The key of the log cannot be used.
    #[error(transparent)]
    Key(#[from] VerifierKeyError),
    /// The checkpoint cannot be put into a note.
    #[error(transparent)]
    Note(#[from] NoteError),
    /// The log is not the one that was sealed: entries are missing, changed or reordered.
    #[error("the log does not extend the last checkpoint of size {size}: root {found} instead of {expected}")]
    DoesNotExtend {
        /// Size of the last checkpoint.
        size: TreeSize,
        /// Its root.
        expected: Hash,
        /// Root of the log's first entries of that number.
        found: Hash,
    },
    /// As [`SealerError::DoesNotExtend`], of the twin tree.
    #[error(
        "the log does not extend the last checkpoint of its twin, of size {size}: root {found} instead of {expected}"
    )]
    TwinDoesNotExtend {
        /// Size of the last checkpoint.
        size: TreeSize,
        /// Its root.
        expected: Hash,
        /// Root over SM3 of the log's first entries of that number.
        found: Hash,
    },
}

#[cfg(test)]
mod tests;
