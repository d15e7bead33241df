//! Petitioners who came repeatedly (重复信访): told only by the whole ledger, since matters span chains.

use std::collections::{BTreeMap, BTreeSet};

use super::period::Period;
use crate::{
    history::EventId,
    judge::chain::{Act, Chain, Kind, kind},
};

/// The petitioners of some chains, and how these chains hang together.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Petitioners {
    /// By chain and pseudonym. A pseudonym is one chain's own.
    petitioners: BTreeMap<(Id, String), Came>,
    /// Chains by their ids and by their numbers (纠纷链号), as links may name either.
    names: BTreeMap<String, Id>,
    /// Chains, and what they name as the same facts.
    links: BTreeSet<(Id, String)>,
}

type Id = [u8; 16];

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Came {
    /// Petitions up to the end of the period.
    times: u64,
    /// Of these in the period.
    within: u64,
    /// One of them is said to be the same as another petition.
    same: bool,
}

impl Petitioners {
    /// Keeps the petitioners and links of a chain.
    pub(super) fn take(&mut self, chain: &Chain<'_>, id: Id, period: &Period) {
        let mut petitions = chain.of(PETITION).filter(|act| act.day <= period.to).peekable();
        let links: Vec<&Act<'_>> = chain.of(LINKED).filter(|act| act.code("ground") == Some("SAME_FACTS")).collect();
        if petitions.peek().is_none() && links.is_empty() {
            return;
        }
        self.name(EventId(id).to_string(), id);
        for number in chain.acts().filter_map(|act| act.header?.chain_no.clone()) {
            self.name(number, id);
        }
        self.links.extend(links.iter().flat_map(|act| act.texts("chains")).map(|other| (id, other.to_owned())));
        for act in petitions {
            let within = u64::from(period.holds(act.day));
            for petitioner in act.texts("petitioners").collect::<BTreeSet<_>>() {
                let came = self.petitioners.entry((id, petitioner.to_owned())).or_default();
                came.times += 1;
                came.within += within;
            }
            let same = chain.referred(act, "same_as").filter(|other| other.is(PETITION));
            for act in same.into_iter().flat_map(|other| [other, act]) {
                for petitioner in act.texts("petitioners") {
                    self.petitioners.entry((id, petitioner.to_owned())).or_default().same = true;
                }
            }
        }
    }

    /// Whether each petitioner who came in the period came repeatedly on one matter.
    pub(super) fn repeated(&self) -> impl Iterator<Item = bool> {
        let matters = self.matters();
        let mut chains: BTreeMap<Id, BTreeSet<Id>> = BTreeMap::new();
        for (chain, _) in self.petitioners.keys() {
            chains.entry(matter(&matters, *chain)).or_default().insert(*chain);
        }
        self.petitioners.iter().filter(|(_, came)| came.within > 0).map(move |((chain, _), came)| {
            // Pseudonyms of one person differ from chain to chain: a petition on a linked chain is taken for his.
            let elsewhere = chains.get(&matter(&matters, *chain)).is_some_and(|chains| chains.len() > 1);
            came.times > 1 || came.same || elsewhere
        })
    }

    /// Adds those of other chains.
    pub(super) fn merge(&mut self, other: Self) {
        self.petitioners.extend(other.petitioners);
        self.links.extend(other.links);
        for (name, id) in other.names {
            self.name(name, id);
        }
    }

    /// Of chains that claim one number the same one is meant, in whatever order they come.
    fn name(&mut self, name: String, id: Id) {
        self.names.entry(name).and_modify(|known| *known = id.min(*known)).or_insert(id);
    }

    /// Chains that hang together, each with one nearer to the one that stands for them all.
    fn matters(&self) -> BTreeMap<Id, Id> {
        let mut matters = BTreeMap::new();
        for (chain, other) in &self.links {
            let Some(other) = self.names.get(other) else { continue };
            let (one, other) = (matter(&matters, *chain), matter(&matters, *other));
            if one != other {
                matters.insert(one.max(other), one.min(other));
            }
        }
        matters
    }
}

/// The chain that stands for all that hang together with one.
fn matter(matters: &BTreeMap<Id, Id>, chain: Id) -> Id {
    let mut at = chain;
    while let Some(next) = matters.get(&at) {
        at = *next;
    }
    at
}

const PETITION: Kind = kind("PetitionReceived");
const LINKED: Kind = kind("DisputesLinked");
