//! The twin tree: the same leaves over SM3, sealed beside the tree over SHA-256 by an SM2 key.
//!
//! It is a log of its own, with an origin and a store of its own, and the same rule: what does not extend its last
//! checkpoint is not signed. Both checkpoints are stored before either is shown; a crash between the two leaves the twin
//! one checkpoint behind, and the next one makes up for it.

use std::{io, sync::Arc};

use bytes::Bytes;
use mediation_ledger::{
    checkpoint::Checkpoint,
    key::Signer,
    merkle::{Hash, Sm3Tree, Tree, TreeHasher as _},
    note::{KeyName, VerifierKey},
    store::CheckpointStore,
};

use super::{SealerError, last_signed};

/// What signs the twin tree of a log, and where its checkpoints are kept.
#[derive(Debug)]
pub struct Twin {
    origin: KeyName,
    signer: Arc<dyn Signer>,
    store: Arc<dyn CheckpointStore>,
    /// The checkpoint that every further tree must extend.
    last: Option<Checkpoint>,
}

impl Twin {
    /// The twin of the log of this origin, from the checkpoint in its store on.
    ///
    /// # Errors
    /// The stored checkpoint cannot be read or is not this twin's.
    pub fn open(log: &KeyName, signer: Arc<dyn Signer>, store: Arc<dyn CheckpointStore>) -> Result<Self, SealerError> {
        let origin = log.twin();
        let key = VerifierKey::of_log(origin.clone(), signer.public_key());
        let last = last_signed(&origin, &[key], store.as_ref())?;
        Ok(Self { origin, signer, store, last })
    }

    pub(super) fn store(&self) -> Arc<dyn CheckpointStore> {
        Arc::clone(&self.store)
    }

    /// The checkpoint to be stored; none while the tree is still shorter than the last one.
    pub(super) fn next(&self, twin: &TwinTree) -> Result<Option<Signed>, SealerError> {
        let size = twin.tree.size();
        if let Some(last) = &self.last {
            if size < last.size {
                return Ok(None);
            }
            let (expected, found) = (last.root, twin.tree.root_at(last.size).unwrap_or(Hash::ZERO));
            if found != expected {
                return Err(SealerError::TwinDoesNotExtend { size: last.size, expected, found });
            }
        }
        let checkpoint = Checkpoint { origin: self.origin.clone(), size, root: twin.tree.root() };
        let note = checkpoint.sign_with(self.signer.as_ref())?.to_string();
        Ok(Some(Signed { checkpoint, note, store: self.store() }))
    }

    /// Shows a checkpoint that was stored.
    pub(super) fn publish(&mut self, twin: &mut TwinTree, signed: Signed) {
        twin.checkpoint = signed.note;
        self.last = Some(signed.checkpoint);
    }
}

/// A checkpoint of the twin that is signed, and not stored yet.
#[derive(Debug)]
pub(super) struct Signed {
    checkpoint: Checkpoint,
    note: String,
    store: Arc<dyn CheckpointStore>,
}

impl Signed {
    /// What stores it; may block.
    pub(super) fn to_store(&self) -> impl FnOnce() -> io::Result<()> + Send + use<> {
        let (store, note) = (Arc::clone(&self.store), self.note.clone());
        move || store.store(&note)
    }
}

/// The twin tree as it has grown, and its last published checkpoint.
#[derive(Debug, Default)]
pub(super) struct TwinTree {
    tree: Tree<Sm3Tree>,
    checkpoint: String,
}

impl TwinTree {
    /// Leaf hashes of these leaves.
    pub(super) fn hashes(leaves: &[Bytes]) -> Vec<Hash> {
        leaves.iter().map(|leaf| Sm3Tree::leaf(leaf)).collect()
    }

    pub(super) fn grow(&mut self, leaves: Vec<Hash>) {
        for leaf in leaves {
            self.tree.append(leaf);
        }
    }

    /// The last published checkpoint; empty before the first.
    pub(super) fn checkpoint(&self) -> &str {
        &self.checkpoint
    }
}
