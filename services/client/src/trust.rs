//! What a client knows beforehand, and the check of every receipt against it.

use mediation_ledger::{
    chain::Revision,
    checkpoint::{Checkpoint, CheckpointError, Cosignature},
    entry::{Entry, EntryError},
    key::KeyId,
    merkle::{Hash, LeafIndex, ProofError, hash_leaf, verify_consistency, verify_inclusion},
    note::VerifierKey,
    policy::Policy,
    statement::{Statement, StatementError},
};
use mediation_proto::mediation::ledger::v1::{Receipt, ReceiptLevel};

use crate::signing::PreparedError;

/// Origin and keys of the log, from the policy file that the ledger's founders publish.
#[derive(Debug, Clone)]
pub struct Trust {
    /// Key that signs checkpoints; its name is the origin.
    pub log_key: VerifierKey,
    /// SM2 key that signs checkpoints of the twin tree over SM3; none of a ledger without a twin.
    pub twin_key: Option<VerifierKey>,
    /// Further keys of the log: while one replaces the other both sign, and what was given under one that is retired is
    /// proved by it for ever.
    pub other_log_keys: Vec<VerifierKey>,
}

/// A receipt that proves what it says.
#[derive(Debug, Clone)]
pub struct VerifiedReceipt {
    /// The signed statement.
    pub statement: Statement,
    /// The desk's word, in milliseconds since 1970-01-01T00:00:00Z.
    pub recorded_at: i64,
    /// Leaf hash.
    pub leaf: Hash,
    /// Leaf index and the checkpoint that covers it; none for a receipt that is only accepted.
    pub seal: Option<(LeafIndex, Checkpoint)>,
}

impl Trust {
    /// Checks a receipt: entry, statement, place, and for a sealed one the inclusion under a signed checkpoint.
    ///
    /// # Errors
    /// The first thing that does not agree.
    pub fn verify(&self, receipt: &Receipt) -> Result<VerifiedReceipt, TrustError> {
        let leaf = hash_leaf(&receipt.entry);
        if receipt.leaf_hash != leaf.0.as_slice() {
            return Err(TrustError::OtherLeaf);
        }
        let entry = Entry::parse(&receipt.entry)?;
        let statement = Statement::parse(&entry.statement)?;
        let place = statement.chain.to_string() == receipt.chain_id
            && statement.event_id.to_string() == receipt.event_id
            && statement.revision.0 == receipt.revision;
        if !place || statement.origin != self.log_key.name().as_str() {
            return Err(TrustError::OtherPlace);
        }
        let seal = match &receipt.seal {
            Some(seal) => {
                let checkpoint = self.checkpoint(&seal.checkpoint)?;
                let index = self.verify_inclusion(receipt, &checkpoint)?;
                Some((index, checkpoint))
            }
            None if [ReceiptLevel::Sealed, ReceiptLevel::Witnessed].contains(&receipt.level()) => {
                return Err(TrustError::SealMissing);
            }
            None => None,
        };
        Ok(VerifiedReceipt { statement, recorded_at: entry.recorded_at, leaf, seal })
    }

    /// Checks that an entry stands under a checkpoint, at the leaf index that its receipt says.
    ///
    /// # Errors
    /// The seal is missing, or its path does not lead to the checkpoint's root.
    pub fn verify_inclusion(&self, receipt: &Receipt, checkpoint: &Checkpoint) -> Result<LeafIndex, TrustError> {
        self.verify_leaf(hash_leaf(&receipt.entry), receipt, checkpoint)
    }

    /// Checks that the leaf of a sealed placeholder, which shows its hash alone, stands under a checkpoint.
    ///
    /// # Errors
    /// The seal is missing, or its path does not lead to the checkpoint's root.
    pub fn verify_placeholder(
        &self,
        receipt: &Receipt,
        checkpoint: &Checkpoint,
    ) -> Result<(LeafIndex, Hash), TrustError> {
        let leaf = receipt.leaf_hash.as_ref().try_into().map(Hash).map_err(|_| TrustError::OtherLeaf)?;
        Ok((self.verify_leaf(leaf, receipt, checkpoint)?, leaf))
    }

    fn verify_leaf(&self, leaf: Hash, receipt: &Receipt, checkpoint: &Checkpoint) -> Result<LeafIndex, TrustError> {
        let seal = receipt.seal.as_ref().ok_or(TrustError::SealMissing)?;
        let path = hashes(&seal.inclusion).ok_or(TrustError::MalformedPath)?;
        let index = LeafIndex(seal.leaf_index);
        verify_inclusion(leaf, index, checkpoint.size, &path, checkpoint.root)?;
        Ok(index)
    }

    /// Checks a checkpoint note.
    ///
    /// # Errors
    /// It is malformed, of another origin, or not signed by the log key.
    pub fn checkpoint(&self, note: &str) -> Result<Checkpoint, TrustError> {
        let trusted: Vec<VerifierKey> = self.log_keys().cloned().collect();
        Ok(Checkpoint::open(note.as_bytes(), self.log_key.name(), &trusted)?.checkpoint)
    }

    /// All keys of the log.
    pub fn log_keys(&self) -> impl Iterator<Item = &VerifierKey> {
        std::iter::once(&self.log_key).chain(&self.other_log_keys)
    }

    /// Checks that the checkpoint of a seal is cosigned as a policy demands; answers the cosignatures that count. What
    /// level the ledger calls a receipt proves nothing.
    ///
    /// # Errors
    /// The seal is missing, its checkpoint is not to be believed, or the quorum is not met.
    pub fn verify_quorum(&self, receipt: &Receipt, policy: &Policy) -> Result<Vec<Cosignature>, TrustError> {
        let seal = receipt.seal.as_ref().ok_or(TrustError::SealMissing)?;
        let witnesses = policy.witnesses().map(|(_, witness)| &witness.key);
        let keys: Vec<VerifierKey> = self.log_keys().chain(witnesses).cloned().collect();
        let signed = Checkpoint::open(seal.checkpoint.as_bytes(), self.log_key.name(), &keys)?;
        if policy.is_met(&signed.cosignatures) { Ok(signed.cosignatures) } else { Err(TrustError::NoQuorum) }
    }

    /// Checks a checkpoint note of the twin tree over SM3. Its root means something only to who hashes the leaves himself.
    ///
    /// # Errors
    /// No twin is known; or the note is malformed, of another origin, or not signed by the twin's key.
    pub fn twin_checkpoint(&self, note: &str) -> Result<Checkpoint, TrustError> {
        let key = self.twin_key.as_ref().ok_or(TrustError::NoTwin)?;
        Ok(Checkpoint::open(note.as_bytes(), key.name(), std::slice::from_ref(key))?.checkpoint)
    }

    /// Checks that a later tree extends an earlier one.
    ///
    /// # Errors
    /// It does not.
    pub fn extends(&self, earlier: &Checkpoint, later: &Checkpoint, path: &[Hash]) -> Result<(), TrustError> {
        Ok(verify_consistency(earlier.size, earlier.root, later.size, later.root, path)?)
    }
}

/// Hashes of a path as sent; none when one is not 32 bytes long.
#[must_use]
pub fn hashes(path: &[bytes::Bytes]) -> Option<Vec<Hash>> {
    path.iter().map(|hash| hash.as_ref().try_into().ok().map(Hash)).collect()
}

/// Why a receipt proves nothing.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TrustError {
    /// The leaf hash is not that of the entry.
    #[error("the leaf hash is not that of the entry")]
    OtherLeaf,
    /// The leaf is no entry.
    #[error(transparent)]
    Entry(#[from] EntryError),
    /// The signed bytes are no statement.
    #[error(transparent)]
    Statement(#[from] StatementError),
    /// The statement is about another act, place or ledger.
    #[error("the statement is about another act, place or ledger")]
    OtherPlace,
    /// A good receipt, but not of the act that was asked for.
    #[error("the receipt is one of another act than was asked for")]
    OtherAct,
    /// What was prepared for signing is something else.
    #[error(transparent)]
    Prepared(#[from] PreparedError),
    /// A signature that was made, or should have been, does not stand in the entry.
    #[error("the entry lacks the signature of key {key_id}")]
    SignatureMissing {
        /// Key that should have signed.
        key_id: KeyId,
    },
    /// A sealed receipt without its seal.
    #[error("the receipt says sealed and has no seal")]
    SealMissing,
    /// A hash of the path is not 32 bytes long.
    #[error("a hash of the path is not 32 bytes long")]
    MalformedPath,
    /// A part that is shown has no kind, number or salt.
    #[error("a part that is shown has no kind, number or salt")]
    MalformedPart,
    /// The registry chain is empty.
    #[error("the registry chain is empty")]
    NoRegistry,
    /// An entry of the registry chain is not shown whole: a key could be hidden so.
    #[error("entry {revision} of the registry chain is not shown whole")]
    RegistryWithheld {
        /// Its place.
        revision: Revision,
    },
    /// The registry names other keys of the log than those that are trusted.
    #[error("the registry names another log key than the one that is trusted")]
    OtherLogKey,
    /// The ledger begins with another founding than the one that is pinned.
    #[error("the ledger begins with another founding than the one that is pinned")]
    OtherGenesis,
    /// The ledger grows no twin tree.
    #[error("the ledger grows no twin tree over SM3")]
    NoTwin,
    /// The checkpoint is not one of this log.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// Too few witnesses have cosigned.
    #[error("the cosignatures of the checkpoint do not make the quorum of the policy")]
    NoQuorum,
    /// The path does not lead to the checkpoint's root.
    #[error(transparent)]
    Proof(#[from] ProofError),
}
