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
    checkpoint::{Checkpoint, CheckpointError, SignedCheckpoint},
    key::Signer,
    log::{Cursor, Follower, Log, ReadError},
    merkle::{Hash, LeafIndex, Tree, TreeSize},
    note::{KeyName, Note, NoteError, SignatureType, VerifierKey, VerifierKeyError},
    registry::Registry,
    store::CheckpointStore,
    tile::Tile,
};
use mediation_proto::mediation::ledger::v1::Seal;
use tokio::{sync::watch, time::Instant};

use crate::leaves::LeafRow;

mod following;
mod head;
mod shared;
mod trunk;
mod twin;

use self::{following::Followers, trunk::Trunk, twin::TwinTree};
pub use self::{
    following::Following,
    shared::{Options, SharedError, SharedParts, SharedSealer, signed_head},
    twin::Twin,
};

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

/// The leaves that a log was found to hold when it was opened, in its order: a sealer that starts with them reads on behind
/// them.
#[derive(Debug, Default)]
pub struct FoundLeaves {
    tree: Tree,
    places: BTreeMap<ChainId, Vec<LeafIndex>>,
}

impl FoundLeaves {
    /// Adds the next leaf, which is the next of its chain.
    pub fn add(&mut self, chain: ChainId, leaf: Hash) {
        let index = self.tree.append(leaf);
        self.places.entry(chain).or_default().push(index);
    }

    /// How many there are.
    #[must_use]
    pub fn size(&self) -> TreeSize {
        self.tree.size()
    }
}

/// Seals and proofs, for whoever answers callers.
#[derive(Debug, Clone)]
pub struct Seals {
    state: Arc<RwLock<State>>,
    sealed: watch::Receiver<TreeSize>,
    followers: Arc<Followers>,
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

    /// Follows a chain: woken when a checkpoint covers more of it, not at every checkpoint.
    #[must_use]
    pub fn follow(&self, chain: ChainId) -> Following {
        Following::new(chain, &self.state, &self.followers)
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
    trunk: Trunk,
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
        Self::start_behind(log, FoundLeaves::default(), None, signer, store).await
    }

    /// Starts from the checkpoint in the store and leaves of the log that were found; `cursor` is where the log is followed on
    /// behind them. With a twin, [`Self::start`] it is: they say nothing of its leaves.
    ///
    /// # Errors
    /// As [`Self::start`].
    pub async fn start_behind<L: Log<Follower = F>>(
        log: &L,
        found: FoundLeaves,
        cursor: Option<Cursor>,
        signer: LogSigner,
        store: Arc<dyn CheckpointStore>,
    ) -> Result<(Self, Seals), SealerError> {
        let last = last_checkpoint(&signer, store.as_ref())?;
        let follower = log.follow(cursor).await?;
        let (trunk, seals) = Trunk::new(store, last, found);
        Ok((Self { follower, signer, trunk }, seals))
    }

    /// Grows and signs a twin tree as well. MUST be called before [`Sealer::run`].
    #[must_use]
    pub fn with_twin(mut self, twin: Twin) -> Self {
        self.trunk.add_twin(twin);
        self
    }

    /// Every tree must extend this checkpoint too: one that others are known to hold, such as the last that witnesses have
    /// cosigned.
    #[must_use]
    pub fn extending(mut self, checkpoint: Checkpoint) -> Self {
        self.trunk.extend(checkpoint);
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
        if self.trunk.size() > TreeSize(0) {
            self.seal().await?;
        }
        loop {
            let was_idle = self.trunk.is_idle();
            tokio::select! {
                // In this order, so that what happens follows from what came, and a busy log does not put off upkeep.
                biased;
                () = &mut stop => break,
                () = &mut upkeep, if !was_idle => {
                    if self.trunk.is_behind() {
                        self.seal().await?;
                    }
                    self.trunk.sync().await;
                    upkeep.as_mut().reset(Instant::now() + SYNC_WITHIN / 2);
                }
                batch = self.follower.next() => {
                    let has_twin = self.trunk.has_twin();
                    let rows: Vec<_> = batch?.iter().map(|followed| LeafRow::of(followed, has_twin)).collect();
                    self.trunk.grow(&rows);
                    self.seal().await?;
                    if was_idle {
                        upkeep.as_mut().reset(Instant::now() + SYNC_WITHIN / 2);
                    }
                }
            }
        }
        self.trunk.sync().await;
        Ok(())
    }

    async fn seal(&mut self) -> Result<(), SealerError> {
        if let Some(head) = self.trunk.next(&self.signer)? {
            self.trunk.publish(&head).await;
        }
        Ok(())
    }
}

/// The last checkpoint in a store: the one that was synced, or a later one that is intact.
///
/// # Errors
/// The store cannot be read, or the synced checkpoint is not one of this log.
pub fn last_checkpoint(signer: &LogSigner, store: &dyn CheckpointStore) -> Result<Option<Checkpoint>, SealerError> {
    Ok(last_signed(&signer.origin, &signer.verifiers()?, store)?.map(|last| last.checkpoint))
}

fn last_signed(
    origin: &KeyName,
    trusted: &[VerifierKey],
    store: &dyn CheckpointStore,
) -> Result<Option<SignedCheckpoint>, SealerError> {
    let open = |note: &str| Checkpoint::open(note.as_bytes(), origin, trusted);
    let stored = store.load()?;
    let synced = stored.synced.as_deref().map(open).transpose()?;
    let unsynced = stored.unsynced.as_deref().and_then(|note| match open(note) {
        Ok(signed) => Some(signed),
        Err(error) => {
            tracing::warn!(%error, "a checkpoint that was never synced is spoilt and ignored");
            None
        }
    });
    let later = |signed: &SignedCheckpoint| {
        synced.as_ref().is_none_or(|synced| signed.checkpoint.size >= synced.checkpoint.size)
    };
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
    /// What only a log that is shared can do.
    #[error(transparent)]
    Shared(#[from] SharedError),
}

#[cfg(test)]
mod tests;
