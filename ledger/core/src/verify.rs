//! The verifier: a whole log, entry by entry, against its founding, its keys and its checkpoints. It trusts nobody.
//!
//! Entries are taken in the log's order, so each signature is judged by the registry as it stood at that index.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use mediation_domain::{erasure::Place, history::EventId};
use mediation_proto::mediation::ledger::v1::PartKind;

use crate::{
    chain::{ChainId, Revision},
    checkpoint::Checkpoint,
    key::KeyId,
    ledger::{Fault, Fold},
    merkle::{Frontier, Hash, LeafIndex, Sm3Tree, TreeHasher, TreeSize, hash_leaf},
    record::leaf_bytes,
    registry::Registry,
    vault::DataKey,
};

/// A log under verification.
#[derive(Debug)]
pub struct Verification {
    origin: String,
    genesis: Hash,
    registry: Registry,
    folds: BTreeMap<ChainId, Fold>,
    tree: Frontier,
    /// Checkpoints that the tree must reach, by size, with their names.
    checkpoints: Vec<(String, Checkpoint)>,
    twin: Option<Twin>,
    /// When each key signed the entries that count: what a revocation finds that is recorded later.
    signed: BTreeMap<KeyId, Vec<(i64, LeafIndex)>>,
    /// Sizes whose roots are asked for, and the roots of those that were reached.
    asked: BTreeSet<TreeSize>,
    roots: BTreeMap<TreeSize, Hash>,
    /// The vault is at hand: every part must open.
    keys_expected: bool,
    counts: Counts,
    faults: Vec<LogFault>,
    /// Parts whose keys are missing, until the end of their chains says whether an order has destroyed them.
    gone: Vec<Gone>,
}

/// A part whose key is missing.
#[derive(Debug)]
struct Gone {
    chain: ChainId,
    revision: Revision,
    event_id: EventId,
    kind: PartKind,
    digest: Hash,
    fault: LogFault,
}

/// The twin tree over SM3, and the checkpoints that it must reach.
#[derive(Debug)]
struct Twin {
    tree: Frontier<Sm3Tree>,
    checkpoints: Vec<(String, Checkpoint)>,
}

/// What was checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Entries.
    pub entries: u64,
    /// Chains.
    pub chains: u64,
    /// Signatures that were found good.
    pub signatures: u64,
    /// Parts that were opened and agree with their commitments.
    pub parts: u64,
    /// Parts that were not opened: destroyed, or their keys are not at hand.
    pub withheld: u64,
}

/// What is wrong with a log, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LogFault {
    /// An entry does not count, or its act does not, or one of its extra signatures does not.
    #[error("entry {index} (chain {chain}, revision {revision}): {fault}")]
    Entry {
        /// Leaf index.
        index: LeafIndex,
        /// Chain.
        chain: ChainId,
        /// Place in the chain.
        revision: Revision,
        /// Why.
        fault: Fault,
    },
    /// The key of a part is not in the vault, and no order has destroyed it.
    #[error(
        "entry {index} (chain {chain}, revision {revision}): the vault has no key of part {number} of kind {kind:?}"
    )]
    KeyMissing {
        /// Leaf index.
        index: LeafIndex,
        /// Chain.
        chain: ChainId,
        /// Place in the chain.
        revision: Revision,
        /// Kind of the part.
        kind: PartKind,
        /// Number of the part.
        number: u8,
    },
    /// A chain skips or repeats a revision.
    #[error("entry {index} (chain {chain}): revision {found} where {expected} was due")]
    Gap {
        /// Leaf index.
        index: LeafIndex,
        /// Chain.
        chain: ChainId,
        /// Revision that was due.
        expected: Revision,
        /// Revision found.
        found: Revision,
    },
    /// The log begins with another founding than the one that is pinned.
    #[error("the log does not begin with the pinned founding: leaf {found} instead of {expected}")]
    OtherGenesis {
        /// Pinned leaf hash.
        expected: Hash,
        /// Leaf hash found.
        found: Hash,
    },
    /// The tree is not the one that was sealed.
    #[error("`{name}`: the tree of size {size} has root {found}, not the sealed {expected}")]
    OtherTree {
        /// Name of the checkpoint.
        name: String,
        /// Its size.
        size: TreeSize,
        /// Its root.
        expected: Hash,
        /// Root of the log's first entries of that number.
        found: Hash,
    },
    /// Sealed entries are missing.
    #[error("`{name}`: {sealed} entries are sealed, the log has {found}")]
    Missing {
        /// Name of the checkpoint.
        name: String,
        /// Entries that are sealed.
        sealed: TreeSize,
        /// Entries found.
        found: TreeSize,
    },
}

impl Verification {
    /// Begins with the origin, the pinned genesis, and the checkpoints that the log must reach. With the vault at hand
    /// (`keys_expected`) every part must open; without it parts are proved by their commitments alone.
    #[must_use]
    pub fn new(origin: &str, genesis: Hash, checkpoints: Vec<(String, Checkpoint)>, keys_expected: bool) -> Self {
        let mut verification = Self {
            origin: origin.to_owned(),
            genesis,
            registry: Registry::default(),
            folds: BTreeMap::new(),
            tree: Frontier::new(),
            checkpoints,
            twin: None,
            signed: BTreeMap::new(),
            asked: BTreeSet::new(),
            roots: BTreeMap::new(),
            keys_expected,
            counts: Counts::default(),
            faults: Vec::new(),
            gone: Vec::new(),
        };
        verification.meet_checkpoints();
        verification
    }

    /// Grows the twin tree over SM3 too, which must reach these checkpoints. MUST be called before the first entry.
    #[must_use]
    pub fn with_twin(mut self, checkpoints: Vec<(String, Checkpoint)>) -> Self {
        self.twin = Some(Twin { tree: Frontier::default(), checkpoints });
        self
    }

    /// Keeps the roots that the tree has at these sizes. MUST be called before the first entry.
    #[must_use]
    pub fn keeping_roots(mut self, sizes: BTreeSet<TreeSize>) -> Self {
        self.asked = sizes;
        self
    }

    /// The roots at the sizes that were asked for, as far as the log has reached them.
    #[must_use]
    pub fn roots(&self) -> &BTreeMap<TreeSize, Hash> {
        &self.roots
    }

    /// Takes the next record of the log. `key` gives the data keys of parts that may be opened.
    pub fn entry(&mut self, chain: ChainId, revision: Revision, record: &Bytes, key: &dyn Fn(Hash) -> Option<DataKey>) {
        let bytes = leaf_bytes(record);
        let leaf = hash_leaf(&bytes);
        let index = self.tree.append(leaf);
        if let Some(twin) = &mut self.twin {
            twin.tree.append(Sm3Tree::leaf(&bytes));
        }
        self.counts.entries += 1;
        if index == LeafIndex(0) && leaf != self.genesis {
            self.faults.push(LogFault::OtherGenesis { expected: self.genesis, found: leaf });
        }
        let fold = self.folds.entry(chain).or_insert_with(|| Fold::new(chain));
        if fold.next() != revision {
            self.faults.push(LogFault::Gap { index, chain, expected: fold.next(), found: revision });
        }
        let checked = fold.place_record(&self.origin, &self.registry, revision, index.into(), record, key);
        self.counts.parts += checked.parts.len() as u64;
        self.counts.withheld += checked.withheld.len() as u64;
        if self.keys_expected {
            let missing = checked.withheld.iter().map(|commitment| {
                let (kind, number, digest) = (commitment.kind, commitment.number, commitment.digest);
                let event_id = checked.statement.as_ref().map_or(EventId([0; 16]), |statement| statement.event_id);
                let fault = LogFault::KeyMissing { index, chain, revision, kind, number };
                Gone { chain, revision, event_id, kind, digest, fault }
            });
            self.gone.extend(missing);
        }
        match checked.outcome {
            Ok(_) => {
                self.counts.signatures += 1;
                if let Some(statement) = &checked.statement {
                    self.signed.entry(statement.key_id).or_default().push((checked.recorded_at, index));
                }
            }
            Err(fault) => self.faults.push(LogFault::Entry { index, chain, revision, fault }),
        }
        for extra in checked.extra_signatures {
            match extra.agency {
                Ok(_) => self.counts.signatures += 1,
                Err(fault) => self.faults.push(LogFault::Entry { index, chain, revision, fault }),
            }
        }
        if let Some(registry) = fold.registry() {
            self.registry.clone_from(registry);
        }
        self.meet_checkpoints();
    }

    fn meet_checkpoints(&mut self) {
        if self.asked.contains(&self.tree.size()) {
            self.roots.insert(self.tree.size(), self.tree.root());
        }
        self.faults.extend(other_trees(&self.checkpoints, &self.tree));
        if let Some(twin) = &self.twin {
            self.faults.extend(other_trees(&twin.checkpoints, &twin.tree));
        }
    }

    /// Parts of which acts say that their keys are destroyed, by an order of two agencies. What is still in the vault is none.
    pub fn erased(&self) -> impl Iterator<Item = (ChainId, Hash)> {
        self.folds.iter().flat_map(|(chain, fold)| {
            let orders = fold.standing().erasures().orders();
            let digests = orders.flat_map(|order| order.destroyed()).filter_map(|digest| hex::decode(digest).ok());
            digests.filter_map(|digest| Some((*chain, Hash(digest.try_into().ok()?))))
        })
    }

    /// Entries that count, whose keys were revoked afterwards as of an instant before them. That is no fault of the log:
    /// they keep counting, and whoever relies on one has to know.
    pub fn late_revocations(&self) -> impl Iterator<Item = LateRevocation> {
        self.registry.keys().filter_map(|(key_id, key)| {
            let invalid_from = key.revoked_as_of()?;
            let signed = self.signed.get(key_id).map(Vec::as_slice).unwrap_or_default();
            let late = signed.iter().filter(|(recorded_at, _)| recorded_at.div_euclid(1000) >= invalid_from);
            let entries: Vec<LeafIndex> = late.map(|(_, index)| *index).collect();
            let agency = key.agency.clone();
            (!entries.is_empty()).then_some(LateRevocation { key_id: *key_id, agency, invalid_from, entries })
        })
    }

    /// Ends: what was checked, what is wrong, the registry as the log leaves it, and the tree.
    #[must_use]
    pub fn finish(mut self) -> (Counts, Vec<LogFault>, Registry, TreeHead) {
        for Gone { chain, revision, event_id, kind, digest, fault } in std::mem::take(&mut self.gone) {
            let place = Place { revision: revision.0, event_id, kind, subject: None };
            let erasures = self.folds.get(&chain).map(|fold| fold.standing().erasures());
            if !erasures.is_some_and(|erasures| erasures.explains(&place, &digest.to_string())) {
                self.faults.push(fault);
            }
        }
        let found = self.tree.size();
        let twin = self.twin.iter().flat_map(|twin| &twin.checkpoints);
        for (name, checkpoint) in self.checkpoints.iter().chain(twin).filter(|(_, checkpoint)| checkpoint.size > found)
        {
            self.faults.push(LogFault::Missing { name: name.clone(), sealed: checkpoint.size, found });
        }
        self.counts.chains = self.folds.len() as u64;
        (self.counts, self.faults, self.registry, TreeHead { size: found, root: self.tree.root() })
    }
}

/// The checkpoints of the size that the tree has, but of another root.
fn other_trees<H: TreeHasher>(checkpoints: &[(String, Checkpoint)], tree: &Frontier<H>) -> Vec<LogFault> {
    let (size, mut faults) = (tree.size(), Vec::new());
    for (name, checkpoint) in checkpoints {
        if checkpoint.size == size && checkpoint.root != tree.root() {
            let (expected, found) = (checkpoint.root, tree.root());
            faults.push(LogFault::OtherTree { name: name.clone(), size, expected, found });
        }
    }
    faults
}

/// A key that was revoked after it had signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LateRevocation {
    /// The key.
    pub key_id: KeyId,
    /// Whose it was.
    pub agency: String,
    /// As of when; seconds since 1970-01-01T00:00:00Z.
    pub invalid_from: i64,
    /// Entries that it signed from then on, and that count.
    pub entries: Vec<LeafIndex>,
}

/// Size and root of a tree that nobody has signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TreeHead {
    /// Number of leaves.
    pub size: TreeSize,
    /// Root over them.
    pub root: Hash,
}
