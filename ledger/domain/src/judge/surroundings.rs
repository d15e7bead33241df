//! What the rules may ask of other chains: numbers that are taken, petitions that are terminated, mediators of the chain
//! a dispute was split from, legal holds, clearings by an auditor, and the readings that access chains record.
//!
//! ```text
//! every chain ─ Gathering::take ─ finish ─ Surroundings ─ around(chain) ─ judge_among
//! ```
//!
//! It holds facts, not acts, and each fact carries its instants: one gathering serves judgements as of any moment. It is
//! the same whatever the order in which the chains were fed.

mod fact;
mod gathering;
mod reading;

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

pub use self::gathering::Gathering;
pub(super) use self::{
    fact::NumberKey,
    reading::{Place, Reading},
};
use self::{
    fact::{Clearing, Corrections, Fact, Hold, Node, Since},
    reading::Row,
};
use super::{
    Moment,
    chain::{Act, Chain},
};
use crate::{calendar::Day, history::EventId};

/// Id of a chain: the 16 bytes of its UUID.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ChainKey(pub [u8; 16]);

impl fmt::Display for ChainKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        EventId(self.0).fmt(f)
    }
}

impl fmt::Debug for ChainKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ChainKey({self})")
    }
}

/// Facts of all chains, by what the rules ask for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Surroundings {
    /// Numbers that acts of more than one chain give.
    numbers: BTreeMap<NumberKey, Vec<Fact>>,
    /// Terminations of petitions, by chain.
    terminations: BTreeMap<ChainKey, Vec<Fact>>,
    /// Links with ground SAME_FACTS, at each of the chains that they join.
    links: BTreeMap<Node, Vec<(Node, Fact)>>,
    /// Splits, at each chain that was split off; the fact stands on the chain it was split from.
    splits: BTreeMap<Node, Vec<Fact>>,
    /// Mediators of the chains that were split.
    mediators: BTreeMap<ChainKey, Vec<(String, Fact)>>,
    holds: Vec<Hold>,
    /// Findings that auditors cleared, by the event id of the act that a finding stands at.
    clearings: BTreeMap<EventId, Vec<Clearing>>,
    /// Readings that can be a finding, by the chain that was read.
    readings: BTreeMap<Node, Vec<Row>>,
    /// Chains under the names (纠纷链号) that any of the above uses.
    names: BTreeMap<String, BTreeMap<ChainKey, Since>>,
    /// Those names, by chain.
    named: BTreeMap<ChainKey, BTreeSet<String>>,
    /// Chains that were fed, of those that readings name.
    read: BTreeSet<ChainKey>,
    corrections: BTreeMap<ChainKey, Corrections>,
}

impl Surroundings {
    /// The surroundings of one chain.
    #[must_use]
    pub fn around(&self, chain: ChainKey) -> Around<'_> {
        Around { facts: Some((self, chain)) }
    }

    fn counts(&self, fact: &Fact, moment: Moment) -> bool {
        fact.since.exists(moment)
            && self.corrections.get(&fact.chain).is_none_or(|corrections| !corrections.withdraw(fact, moment))
    }

    /// A chain under each of its names, from the names or the id of it.
    fn aliases(&self, start: impl IntoIterator<Item = Node>, moment: Moment) -> BTreeSet<Node> {
        let mut found = BTreeSet::new();
        let mut open: Vec<Node> = start.into_iter().collect();
        while let Some(node) = open.pop() {
            match &node {
                Node::Chain(chain) => {
                    let names = self.named.get(chain).into_iter().flatten();
                    let known = names.filter(|name| self.is_named(name, *chain, moment));
                    open.extend(known.cloned().map(Node::Name).filter(|name| !found.contains(name)));
                }
                Node::Name(name) => {
                    let chains = self.names.get(name).into_iter().flat_map(BTreeMap::keys);
                    let known = chains.filter(|chain| self.is_named(name, **chain, moment));
                    open.extend(known.copied().map(Node::Chain).filter(|chain| !found.contains(chain)));
                }
            }
            found.insert(node);
        }
        found
    }

    fn is_named(&self, name: &str, chain: ChainKey, moment: Moment) -> bool {
        let since = self.names.get(name).and_then(|chains| chains.get(&chain));
        since.is_some_and(|since| since.exists(moment))
    }
}

/// What surrounds one chain; nothing when it is judged alone.
#[derive(Debug, Clone, Copy, Default)]
pub struct Around<'a> {
    facts: Option<(&'a Surroundings, ChainKey)>,
}

impl<'a> Around<'a> {
    /// Whether an act of another chain, earlier by business time, gives this number. Of acts of the same instant the one
    /// on the chain with the smaller id is the first.
    pub(super) fn is_taken(&self, act: &Act<'_>, number: impl FnOnce() -> Option<NumberKey>, moment: Moment) -> bool {
        let Some((facts, own)) = self.facts.filter(|(facts, _)| !facts.numbers.is_empty()) else { return false };
        let given = number().and_then(|number| facts.numbers.get(&number));
        let mut others = given.into_iter().flatten().filter(|fact| fact.chain != own);
        others.any(|fact| (fact.since.occurred_at, fact.chain) < (act.occurred_at, own) && facts.counts(fact, moment))
    }

    /// The first termination of a petition on the chains that are joined to this one for the same facts, directly or
    /// over others.
    pub(super) fn terminated_at(&self, chain: &Chain<'_>, moment: Moment) -> Option<i64> {
        let (facts, own) = self.facts?;
        if facts.links.is_empty() {
            return None;
        }
        let mut joined = BTreeSet::new();
        let mut open = own_nodes(chain, own);
        while let Some(node) = open.pop() {
            for alias in facts.aliases([node], moment) {
                if !joined.insert(alias.clone()) {
                    continue;
                }
                let links = facts.links.get(&alias).into_iter().flatten();
                open.extend(links.filter(|link| facts.counts(&link.1, moment)).map(|link| link.0.clone()));
            }
        }
        let chains = joined.iter().filter_map(Node::chain).filter(|chain| *chain != own);
        let terminations = chains.filter_map(|chain| facts.terminations.get(&chain)).flatten();
        terminations.filter(|fact| facts.counts(fact, moment)).map(|fact| fact.since.occurred_at).min()
    }

    /// The mediators of the chains that this one was split from, each with the instant since which he was one.
    pub(super) fn former_mediators(&self, chain: &Chain<'_>, moment: Moment) -> Vec<(&'a str, i64)> {
        let Some((facts, own)) = self.facts.filter(|(facts, _)| !facts.splits.is_empty()) else { return Vec::new() };
        let mut parents = BTreeSet::new();
        let mut open = own_nodes(chain, own);
        while let Some(node) = open.pop() {
            for alias in facts.aliases([node], moment) {
                let splits = facts.splits.get(&alias).into_iter().flatten();
                let counted = splits.filter(|fact| fact.chain != own && facts.counts(fact, moment));
                open.extend(counted.map(|fact| fact.chain).filter(|parent| parents.insert(*parent)).map(Node::Chain));
            }
        }
        let mediators = parents.iter().filter_map(|parent| facts.mediators.get(parent)).flatten();
        let counted = mediators.filter(|(_, fact)| facts.counts(fact, moment));
        counted.map(|(mediator, fact)| (mediator.as_str(), fact.since.occurred_at)).collect()
    }

    /// Whether a legal hold on another chain was in force on a day and covers one of the named chains, or the subject.
    pub(super) fn is_held(&self, chain: &Chain<'_>, erasure: &Act<'_>, chains: &[&str], moment: Moment) -> bool {
        let Some((facts, own)) = self.facts.filter(|(facts, _)| !facts.holds.is_empty()) else { return false };
        let subject = erasure.text("subject");
        let own_names = own_nodes(chain, own);
        let mut named: Vec<Node> = chains.iter().map(|name| Node::of(name)).collect();
        if named.is_empty() || named.iter().any(|node| own_names.contains(node)) {
            named.extend(own_names);
        }
        let erased = facts.aliases(named, moment);
        facts.holds.iter().filter(|hold| hold.fact.chain != own).any(|hold| {
            let covers = facts.aliases(hold.chains.iter().cloned(), moment).iter().any(|node| erased.contains(node))
                || subject.is_some_and(|subject| hold.subjects.iter().any(|held| held == subject));
            covers
                && hold.fact.since.occurred_at < erasure.occurred_at
                && hold.until_on.is_none_or(|until| until >= Day::of(erasure.occurred_at))
                && facts.counts(&hold.fact, moment)
        })
    }

    /// Chain on which an auditor cleared a finding of this code at this act; the first by business time.
    pub(super) fn cleared_on(
        &self,
        code: &str,
        act: impl FnOnce() -> Option<EventId>,
        moment: Moment,
    ) -> Option<ChainKey> {
        let (facts, own) = self.facts.filter(|(facts, _)| !facts.clearings.is_empty())?;
        let clearings = facts.clearings.get(&act()?)?.iter().filter(|clearing| clearing.cleared.chain != own);
        let mut counted = clearings.filter(|clearing| {
            clearing.code == code && facts.counts(&clearing.raised, moment) && facts.counts(&clearing.cleared, moment)
        });
        counted.next().map(|clearing| clearing.cleared.chain)
    }

    /// The readings of this chain that stand on access chains, in the order of their recording.
    pub(super) fn readings(&self, chain: &Chain<'_>, moment: Moment) -> Vec<Reading<'a>> {
        let Some((facts, own)) = self.facts.filter(|(facts, _)| !facts.readings.is_empty()) else { return Vec::new() };
        let names = facts.aliases(own_nodes(chain, own), moment);
        let rows = names.iter().filter_map(|node| facts.readings.get(node)).flatten();
        let mut rows: Vec<&Row> = rows.filter(|row| row.fact.chain != own && facts.counts(&row.fact, moment)).collect();
        rows.sort_by_key(|row| (row.fact.since.recorded_at, row.fact.chain, row.fact.revision));
        rows.into_iter().map(|row| Reading::elsewhere(row, chain)).collect()
    }

    /// Whether a reading that stands on this chain is of another one, with which it is judged.
    pub(super) fn is_elsewhere(&self, chain: &Chain<'_>, read: &Act<'_>, moment: Moment) -> bool {
        let (Some((facts, own)), Some(name)) = (self.facts, read.text("chain")) else { return false };
        let meant = facts.aliases([Node::of(name)], moment);
        let names = own_nodes(chain, own);
        let is_known = |node: &Node| node.chain().is_some_and(|chain| facts.read.contains(&chain));
        meant.iter().any(is_known) && !meant.iter().any(|node| names.contains(node))
    }
}

/// The judged chain, by id and under the names that its own acts give it.
fn own_nodes(chain: &Chain<'_>, own: ChainKey) -> Vec<Node> {
    let numbers = chain.all().iter().filter_map(|act| act.header?.chain_no.as_deref());
    let numbers: BTreeSet<Node> = numbers.map(Node::of).collect();
    std::iter::once(Node::Chain(own)).chain(numbers).collect()
}
