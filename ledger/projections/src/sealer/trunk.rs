//! The tree as it grows, and the checkpoints that are shown of it: what is the same whoever signs them.
//!
//! A checkpoint is written to its store before anybody is shown it, and synced afterwards.

use std::{
    io,
    sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard},
};

use mediation_ledger::{
    chain::{ChainId, Revision},
    checkpoint::Checkpoint,
    merkle::{Hash, TreeSize},
    note::VerifierKey,
    store::CheckpointStore,
};
use tokio::sync::watch;

use super::{
    FoundLeaves, LogSigner, SealerError, Seals, State, Twin, TwinTree,
    following::{Followers, Grown},
    head::{Signed, SignedHead},
};
use crate::leaves::LeafRow;

#[derive(Debug)]
pub(super) struct Trunk {
    store: Arc<dyn CheckpointStore>,
    twin: Option<Twin>,
    /// The checkpoint that every further tree must extend.
    last: Option<Checkpoint>,
    state: Arc<RwLock<State>>,
    sealed: watch::Sender<TreeSize>,
    followers: Arc<Followers>,
    grown: Grown,
    /// A checkpoint was stored that is not synced yet.
    unsynced: bool,
    /// The last checkpoint could not be stored or synced: one is to be published anew.
    behind: bool,
}

impl Trunk {
    /// A tree of these leaves, that must extend a checkpoint once it is as long.
    pub(super) fn new(store: Arc<dyn CheckpointStore>, last: Option<Checkpoint>, found: FoundLeaves) -> (Self, Seals) {
        let FoundLeaves { tree, places } = found;
        let state = Arc::new(RwLock::new(State { tree, places, ..State::default() }));
        let (sealed, receiver) = watch::channel(TreeSize(0));
        let followers = Arc::new(Followers::default());
        let seals = Seals { state: Arc::clone(&state), sealed: receiver, followers: Arc::clone(&followers) };
        let (twin, grown, unsynced, behind) = (None, Grown::default(), false, false);
        (Self { store, twin, last, state, sealed, followers, grown, unsynced, behind }, seals)
    }

    pub(super) fn add_twin(&mut self, twin: Twin) {
        self.write().twin = Some(TwinTree::default());
        self.twin = Some(twin);
    }

    pub(super) fn has_twin(&self) -> bool {
        self.twin.is_some()
    }

    /// Key of the twin.
    pub(super) fn twin_key(&self) -> Option<&VerifierKey> {
        self.twin.as_ref().map(Twin::key)
    }

    /// Every tree must extend this checkpoint too.
    pub(super) fn extend(&mut self, checkpoint: Checkpoint) {
        if self.last.as_ref().is_none_or(|last| last.size < checkpoint.size) {
            self.last = Some(checkpoint);
        }
    }

    /// Size of the last checkpoint, shown or to be extended.
    pub(super) fn last_size(&self) -> Option<TreeSize> {
        self.last.as_ref().map(|last| last.size)
    }

    /// Everything that was published is synced, and everything that was seen is published.
    pub(super) fn is_idle(&self) -> bool {
        !self.unsynced && !self.behind
    }

    /// A checkpoint is to be published anew.
    pub(super) fn is_behind(&self) -> bool {
        self.behind
    }

    pub(super) fn grow(&mut self, rows: &[LeafRow]) {
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        for row in rows {
            if let (Some(tree), Some(leaf)) = (&mut state.twin, row.twin) {
                tree.grow(leaf);
            }
            let index = state.tree.append(row.hash);
            state.places.entry(row.chain).or_default().push(index);
            self.grown.add(index, row.chain);
        }
    }

    /// Number of leaves.
    pub(super) fn size(&self) -> TreeSize {
        self.read().tree.size()
    }

    /// The revision that the next record of a chain has.
    pub(super) fn next_revision(&self, chain: ChainId) -> Revision {
        Revision(self.read().places.get(&chain).map_or(0, |places| places.len() as u64))
    }

    /// Roots of the tree and of its twin when they had this size; zeros beyond it.
    pub(super) fn roots_at(&self, size: TreeSize) -> (Hash, Option<Hash>) {
        let state = self.read();
        let twin = state.twin.as_ref().map(|twin| twin.root_at(size));
        (state.tree.root_at(size).unwrap_or(Hash::ZERO), twin)
    }

    /// Whether the tree is as long as the last checkpoint, which it must extend then, as the twin must its own.
    pub(super) fn is_reached(&self) -> Result<bool, SealerError> {
        if let (Some(twin), Some(tree)) = (&self.twin, &self.read().twin) {
            twin.is_reached(tree)?;
        }
        let Some(last) = &self.last else { return Ok(true) };
        if self.size() < last.size {
            return Ok(false);
        }
        let (found, _) = self.roots_at(last.size);
        if found != last.root {
            return Err(SealerError::DoesNotExtend { size: last.size, expected: last.root, found });
        }
        Ok(true)
    }

    /// The head to be published, signed; none while the tree is still shorter than the last one.
    pub(super) fn next(&self, signer: &LogSigner) -> Result<Option<SignedHead>, SealerError> {
        if !self.is_reached()? {
            return Ok(None);
        }
        let state = self.read();
        let checkpoint = Checkpoint { origin: signer.origin.clone(), size: state.tree.size(), root: state.tree.root() };
        let note = signer.sign(&checkpoint)?.to_string();
        let twin = match (&self.twin, &state.twin) {
            // A twin that is behind its own last checkpoint is waited for.
            (Some(twin), Some(tree)) => twin.next(tree)?,
            (Some(_), None) | (None, Some(_) | None) => None,
        };
        Ok(Some(SignedHead { tree: Signed { checkpoint, note }, twin }))
    }

    /// Whether a head of this size may be shown after the one that is.
    pub(super) fn is_news(&self, size: TreeSize) -> bool {
        size > self.read().sealed && self.last.as_ref().is_none_or(|last| size >= last.size)
    }

    /// Stores a head and shows it. When it cannot be stored, nothing is shown, and those who wait are told so.
    pub(super) async fn publish(&mut self, head: &SignedHead) {
        let (store, note) = (Arc::clone(&self.store), head.tree.note.clone());
        let twin = self.twin.as_ref().map(Twin::store).zip(head.twin.as_ref().map(|twin| twin.note.clone()));
        let stored = off_the_runtime(store.blocks(), move || {
            store.store(&note)?;
            // A crash here leaves the twin behind; it catches up with the next checkpoint.
            twin.map_or(Ok(()), |(store, note)| store.store(&note))
        })
        .await;
        // A crash here leaves a stored checkpoint that nobody was shown: the next sealer signs the same one.
        let size = head.size();
        if let Err(error) = stored {
            tracing::warn!(%error, size = size.0, "the checkpoint could not be stored; trying again");
            self.behind = true;
            self.tell_stuck(true);
            return;
        }
        tracing::debug!(size = size.0, "sealed");
        self.behind = false;
        self.unsynced = true;
        self.show(head);
    }

    /// Shows what the store holds already, of a tree that is as long.
    pub(super) fn show_stored(&mut self, last: &Signed) {
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        state.checkpoint.clone_from(&last.note);
        state.sealed = last.checkpoint.size;
        if let (Some(twin), Some(tree)) = (&self.twin, &mut state.twin) {
            twin.show_last(tree, last.checkpoint.size);
        }
        drop(state);
        self.sealed.send_replace(last.checkpoint.size);
        self.grown.tell(last.checkpoint.size, &self.followers);
    }

    fn show(&mut self, head: &SignedHead) {
        let size = head.size();
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        state.checkpoint.clone_from(&head.tree.note);
        state.sealed = size;
        state.stuck = false;
        if let (Some(tree), Some(twin), Some(signed)) = (&mut state.twin, &mut self.twin, &head.twin) {
            twin.publish(tree, signed.clone());
        }
        drop(state);
        self.sealed.send_replace(size);
        self.grown.tell(size, &self.followers);
        self.last = Some(head.tree.checkpoint.clone());
    }

    /// Tells those who wait whether nothing is sealed for now.
    pub(super) fn tell_stuck(&self, stuck: bool) {
        self.write().stuck = stuck;
        // The size is the same; sending it wakes them up.
        self.sealed.send_modify(|_| {});
    }

    pub(super) async fn sync(&mut self) {
        if !self.unsynced {
            return;
        }
        let stores = [Some(Arc::clone(&self.store)), self.twin.as_ref().map(Twin::store)];
        let sync = move || stores.iter().flatten().try_for_each(|store| store.sync());
        match off_the_runtime(self.store.blocks(), sync).await {
            Ok(()) => self.unsynced = false,
            Err(error) => {
                // What a failed sync leaves on the disk nobody knows, and a second one may succeed over it: the
                // checkpoint is stored anew first.
                tracing::warn!(%error, "the checkpoint could not be synced; storing it again");
                self.behind = true;
            }
        }
    }

    fn read(&self) -> RwLockReadGuard<'_, State> {
        self.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, State> {
        self.state.write().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Does work of a store on a thread of its own where it may hold up the runtime, else at once.
async fn off_the_runtime(blocks: bool, work: impl FnOnce() -> io::Result<()> + Send + 'static) -> io::Result<()> {
    if !blocks {
        return work();
    }
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|error| Err(io::Error::other(error)))
}

impl Drop for Trunk {
    fn drop(&mut self) {
        self.followers.end();
    }
}
