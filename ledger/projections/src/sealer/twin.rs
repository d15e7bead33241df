//! The twin tree: the same leaves over SM3, sealed beside the tree over SHA-256 by an SM2 key.
//!
//! It is a log of its own, with an origin and a store of its own, and the same rule: what does not extend its last
//! checkpoint is not signed. Both checkpoints are stored before either is shown; a crash between the two leaves the twin
//! one checkpoint behind, and the next one makes up for it.

use std::sync::Arc;

use mediation_ledger::{
    checkpoint::Checkpoint,
    key::Signer,
    merkle::{Hash, Sm3Tree, Tree, TreeSize},
    note::{KeyName, VerifierKey},
    store::CheckpointStore,
};

use super::{SealerError, head::Signed, last_signed};

/// What signs the twin tree of a log, and where its checkpoints are kept.
#[derive(Debug)]
pub struct Twin {
    key: VerifierKey,
    /// None where the twin is followed only.
    signer: Option<Arc<dyn Signer>>,
    store: Arc<dyn CheckpointStore>,
    /// The checkpoint that every further tree must extend.
    last: Option<Signed>,
}

impl Twin {
    /// The twin of the log of this origin, from the checkpoint in its store on.
    ///
    /// # Errors
    /// The stored checkpoint cannot be read or is not this twin's.
    pub fn open(log: &KeyName, signer: Arc<dyn Signer>, store: Arc<dyn CheckpointStore>) -> Result<Self, SealerError> {
        let key = VerifierKey::of_log(log.twin(), signer.public_key());
        Ok(Self { signer: Some(signer), ..Self::following(key, store)? })
    }

    /// The twin that signs with this key elsewhere: for a process that follows a shared log.
    ///
    /// # Errors
    /// As [`Twin::open`].
    pub fn following(key: VerifierKey, store: Arc<dyn CheckpointStore>) -> Result<Self, SealerError> {
        let last = last_signed(key.name(), std::slice::from_ref(&key), store.as_ref())?;
        let last = last.map(|last| Signed { checkpoint: last.checkpoint, note: last.note.to_string() });
        Ok(Self { key, signer: None, store, last })
    }

    pub(super) fn key(&self) -> &VerifierKey {
        &self.key
    }

    pub(super) fn signs(&self) -> bool {
        self.signer.is_some()
    }

    pub(super) fn store(&self) -> Arc<dyn CheckpointStore> {
        Arc::clone(&self.store)
    }

    /// The checkpoint to be stored; none while the tree is still shorter than the last one, and where it is not signed.
    pub(super) fn next(&self, twin: &TwinTree) -> Result<Option<Signed>, SealerError> {
        let (Some(signer), true) = (&self.signer, self.is_reached(twin)?) else { return Ok(None) };
        let origin = self.key.name().clone();
        let checkpoint = Checkpoint { origin, size: twin.tree.size(), root: twin.tree.root() };
        let note = checkpoint.sign_with(signer.as_ref())?.to_string();
        Ok(Some(Signed { checkpoint, note }))
    }

    /// Whether the tree is as long as the last checkpoint, which it must extend then.
    pub(super) fn is_reached(&self, twin: &TwinTree) -> Result<bool, SealerError> {
        let Some(Checkpoint { size, root, .. }) = self.last.as_ref().map(|last| &last.checkpoint) else {
            return Ok(true);
        };
        if twin.tree.size() < *size {
            return Ok(false);
        }
        let (expected, found) = (*root, twin.root_at(*size));
        if found != expected {
            return Err(SealerError::TwinDoesNotExtend { size: *size, expected, found });
        }
        Ok(true)
    }

    /// Shows the stored checkpoint beside that of a tree of this size, unless it is ahead.
    pub(super) fn show_last(&self, twin: &mut TwinTree, size: TreeSize) {
        if let Some(last) = self.last.as_ref().filter(|last| last.checkpoint.size <= size) {
            twin.checkpoint.clone_from(&last.note);
        }
    }

    /// Shows a checkpoint that was stored.
    pub(super) fn publish(&mut self, twin: &mut TwinTree, signed: Signed) {
        twin.checkpoint.clone_from(&signed.note);
        self.last = Some(signed);
    }
}

/// The twin tree as it has grown, and its last published checkpoint.
#[derive(Debug, Default)]
pub(super) struct TwinTree {
    tree: Tree<Sm3Tree>,
    checkpoint: String,
}

impl TwinTree {
    pub(super) fn grow(&mut self, leaf: Hash) {
        self.tree.append(leaf);
    }

    /// Root the tree had when it had this size; zeros beyond it.
    pub(super) fn root_at(&self, size: TreeSize) -> Hash {
        self.tree.root_at(size).unwrap_or(Hash::ZERO)
    }

    /// The last published checkpoint; empty before the first.
    pub(super) fn checkpoint(&self) -> &str {
        &self.checkpoint
    }
}
