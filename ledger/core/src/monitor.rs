//! The monitor: an agency that watches the served log for what is wrong with it, and for acts under its own key.
//!
//! ```text
//! checkpoint ─ signature ─ consistency with the one that was kept     tiles
//!     │ larger
//!     ▼
//! leaves from the kept size on ─ form, place, link, signature         entry bundles; keys from the registry chain
//!     │ root over all leaves = root of the checkpoint
//!     ▼
//! kept: checkpoint, right edge of the tree, heads of the chains, acts of the agency that it did not submit
//! ```
//!
//! Everything here decides over bytes that somebody else has fetched: no clock, no network, no disk. A leaf does not say
//! on which stream it stands, so an entry that lies about its chain is seen as one of the chain that it names.

mod alarm;
mod consistency;
mod state;

use std::collections::BTreeMap;

use bytes::Bytes;
use mediation_domain::history::EventId;

pub use self::{
    alarm::{Alarm, OwnAct},
    consistency::{TileHashes, TilesError},
    state::{Kept, StateError},
};
use crate::{
    chain::{ChainId, Revision},
    checkpoint::{Checkpoint, SignedCheckpoint},
    entry::Entry,
    ledger::{Fault, Fold},
    merkle::{Frontier, Hash, LeafIndex, TreeSize, hash_leaf},
    part::OpenedPart,
    policy::Policy,
    record::is_foreign_leaf,
    registry::Registry,
    statement::{Statement, pre_authentication},
};

/// A log as far as it was verified, and what was found on the way.
#[derive(Debug, Clone)]
pub struct Watch {
    origin: String,
    agency: String,
    tree: Frontier,
    registry: Fold,
    /// Leaf of each entry of the registry chain that counts: the order by which keys are judged.
    registered: BTreeMap<Revision, LeafIndex>,
    /// Every chain but the registry's.
    chains: BTreeMap<ChainId, Fold>,
    /// Leaves that count on no chain. Each may have taken a place on any, so as many places may be skipped.
    unplaced: u64,
    /// Acts under the agency's keys that were on no list when they were last looked up.
    unsubmitted: BTreeMap<LeafIndex, OwnAct>,
    /// Leaves that do not count, with the reason; they stay wrong for ever.
    faulty: BTreeMap<LeafIndex, String>,
}

impl Watch {
    /// Begins before the first leaf.
    #[must_use]
    pub fn new(origin: &str, agency: &str) -> Self {
        Self {
            origin: origin.to_owned(),
            agency: agency.to_owned(),
            tree: Frontier::new(),
            registry: Fold::new(ChainId::registry(origin)),
            registered: BTreeMap::new(),
            chains: BTreeMap::new(),
            unplaced: 0,
            unsubmitted: BTreeMap::new(),
            faulty: BTreeMap::new(),
        }
    }

    /// Number of leaves that were verified.
    #[must_use]
    pub fn size(&self) -> TreeSize {
        self.tree.size()
    }

    /// Root over them.
    #[must_use]
    pub fn root(&self) -> Hash {
        self.tree.root()
    }

    /// Place of the next entry of the registry chain.
    #[must_use]
    pub fn registry_next(&self) -> Revision {
        self.registry.next()
    }

    /// Leaf hash of the founding; none before the first leaf, or when it founds nothing.
    #[must_use]
    pub fn genesis(&self) -> Option<Hash> {
        self.registry.registry().and_then(Registry::genesis)
    }

    /// Takes the next leaf. `shown` gives the parts of the registry chain's entries, which hold the keys; nothing else is
    /// opened. What the leaf breaks stands in [`Watch::alarms`] from then on.
    pub fn leaf(&mut self, leaf: &Bytes, shown: &dyn Fn(Revision) -> Vec<OpenedPart>) {
        let index = self.tree.append(hash_leaf(leaf));
        if let Err(fault) = self.place(index, leaf, shown) {
            self.faulty.insert(index, format!("{}: {fault}", fault.code()));
        }
    }

    /// Whether the tree is that of the checkpoint.
    ///
    /// # Errors
    /// [`Alarm::OtherEntries`].
    pub fn meets(&self, from: TreeSize, checkpoint: &Checkpoint) -> Result<(), Alarm> {
        if (self.size(), self.root()) == (checkpoint.size, checkpoint.root) {
            return Ok(());
        }
        Err(Alarm::OtherEntries { from, size: checkpoint.size, expected: checkpoint.root, found: self.root() })
    }

    /// Everything that is wrong with what was verified. `is_submitted` tells the acts that the agency has submitted;
    /// without it nothing is said about them.
    pub fn alarms(&mut self, is_submitted: Option<&dyn Fn(EventId) -> bool>) -> Vec<Alarm> {
        let mut alarms: Vec<Alarm> =
            self.faulty.iter().map(|(index, fault)| Alarm::Leaf { index: *index, fault: fault.clone() }).collect();
        if let Some(is_submitted) = is_submitted {
            self.unsubmitted.retain(|_, act| !is_submitted(act.event_id));
            alarms.extend(self.unsubmitted.values().map(|act| Alarm::Unsubmitted(act.clone())));
        }
        alarms
    }

    fn place(
        &mut self,
        index: LeafIndex,
        leaf: &Bytes,
        shown: &dyn Fn(Revision) -> Vec<OpenedPart>,
    ) -> Result<(), Fault> {
        let opened = open(leaf).and_then(|(entry, statement)| match statement.origin == self.origin {
            true => Ok((entry, statement)),
            false => Err(Fault::OtherLedger),
        });
        let (entry, statement) = opened.inspect_err(|_| self.unplaced += 1)?;
        let known = self.registry.registry().cloned().unwrap_or_default();
        let on_registry = statement.chain == self.registry.chain();
        let fold = if on_registry {
            &mut self.registry
        } else {
            self.chains.entry(statement.chain).or_insert_with(|| Fold::new(statement.chain))
        };
        let (due, head) = (fold.next(), fold.head());
        if statement.revision < due || statement.revision.0 - due.0 > self.unplaced {
            self.unplaced += 1;
            return Err(Fault::OtherPlace);
        }
        let parts = if on_registry { shown(statement.revision) } else { Vec::new() };
        let checked = fold.place_disclosed(&self.origin, &known, statement.revision, index.into(), leaf.clone(), parts);
        if fold.head() == head {
            fold.give_back(due);
            self.unplaced += 1;
            return checked.outcome.map(|_| ());
        }
        if on_registry {
            self.registered.insert(statement.revision, index);
        }
        if let Some(act) = self.own(index, &entry, &statement) {
            self.unsubmitted.insert(index, act);
        }
        checked.outcome.map(|_| ())
    }

    /// The act, when the agency answers for it: it is the agency's, or one of the agency's keys has signed too.
    fn own(&self, index: LeafIndex, entry: &Entry, statement: &Statement) -> Option<OwnAct> {
        let message = pre_authentication(&entry.statement);
        let registry = self.registry.registry()?;
        let is_own = |key_id| {
            statement.agency == self.agency && statement.key_id == key_id
                || registry.key(key_id).is_some_and(|enrolled| enrolled.agency == self.agency)
        };
        let verifies = |key_id, value: &[u8]| {
            let root = registry.root(&self.agency).filter(|root| root.id() == key_id).copied();
            let key = root.or_else(|| registry.key(key_id).map(|enrolled| enrolled.key));
            key.is_some_and(|key| key.verifies(&message, value))
        };
        let mut signatures = entry.signatures.iter();
        let own = signatures.find(|signature| is_own(signature.key_id) && verifies(signature.key_id, &signature.value));
        own.map(|signature| OwnAct {
            index,
            chain: statement.chain,
            revision: statement.revision,
            event_id: statement.event_id,
            key_id: signature.key_id,
        })
    }
}

/// Says whether the witnesses lag: the log has a checkpoint of more leaves than they have cosigned, for longer than the
/// limit in seconds by the last cosignature.
#[must_use]
pub fn lag(
    policy: &Policy,
    witnessed: Option<&SignedCheckpoint>,
    checkpoint: &Checkpoint,
    now_s: u64,
    limit_s: u64,
) -> Option<Alarm> {
    let met = witnessed.filter(|signed| policy.is_met(&signed.cosignatures));
    let Some(signed) = met else {
        return (!policy.needs_no_witness()).then_some(Alarm::Unwitnessed { size: checkpoint.size });
    };
    let newest = signed.cosignatures.iter().map(|cosignature| cosignature.time).max().unwrap_or_default();
    let behind_s = now_s.saturating_sub(newest);
    let lags = signed.checkpoint.size < checkpoint.size && behind_s > limit_s;
    lags.then_some(Alarm::WitnessesLag { witnessed: signed.checkpoint.size, size: checkpoint.size, behind_s })
}

fn open(leaf: &Bytes) -> Result<(Entry, Statement), Fault> {
    if is_foreign_leaf(leaf) {
        return Err(Fault::NotARecord);
    }
    let entry = Entry::parse(leaf)?;
    let statement = Statement::parse(&entry.statement)?;
    Ok((entry, statement))
}

#[cfg(test)]
mod tests;
