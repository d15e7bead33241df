//! Facts of other chains, with the instants by which a moment tells whether they exist and count.

use std::collections::{BTreeMap, BTreeSet};

use super::ChainKey;
use crate::{
    calendar::Day,
    history::{EventId, Recorded},
    judge::{Moment, chain::Kind},
};

/// Since when something is said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Instant {
    /// Seconds.
    pub(super) occurred_at: i64,
    /// Milliseconds.
    pub(super) recorded_at: i64,
}

impl Instant {
    pub(super) fn of(recorded: &Recorded) -> Self {
        Self { occurred_at: recorded.occurred_at, recorded_at: recorded.recorded_at }
    }

    pub(super) fn exists(self, moment: Moment) -> bool {
        self.occurred_at <= moment.as_of && moment.known_at.is_none_or(|known| self.recorded_at <= known)
    }
}

/// One act, by what tells whether it counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Fact {
    /// Chain it stands on.
    pub(super) chain: ChainKey,
    pub(super) event_id: EventId,
    pub(super) revision: u64,
    pub(super) since: Instant,
}

impl Fact {
    pub(super) fn of(chain: ChainKey, recorded: &Recorded) -> Self {
        let (event_id, revision) = (recorded.event_id, recorded.revision);
        Self { chain, event_id, revision, since: Instant::of(recorded) }
    }

    /// Key of an order that does not depend on the order of feeding.
    pub(super) fn order(&self) -> (Instant, ChainKey, u64) {
        (self.since, self.chain, self.revision)
    }
}

/// The corrections of one chain that withdraw an act.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Corrections {
    /// The correction and the act that it withdraws, in the order of revisions.
    pub(super) of: Vec<(Fact, EventId)>,
}

impl Corrections {
    /// Whether an act is withdrawn at a moment. A correction that was itself withdrawn withdraws nothing, so that later
    /// ones are looked at first.
    pub(super) fn withdraw(&self, fact: &Fact, moment: Moment) -> bool {
        let mut withdrawn: BTreeMap<EventId, u64> = BTreeMap::new();
        let is_withdrawn = |withdrawn: &BTreeMap<EventId, u64>, fact: &Fact| {
            withdrawn.get(&fact.event_id).is_some_and(|by| *by > fact.revision)
        };
        for (correction, target) in self.of.iter().rev() {
            if correction.since.exists(moment) && !is_withdrawn(&withdrawn, correction) {
                withdrawn.entry(*target).or_insert(correction.revision);
            }
        }
        is_withdrawn(&withdrawn, fact)
    }
}

/// The instants since which a name is in use: those that none of the others precedes in both times.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Since(BTreeSet<Instant>);

impl Since {
    pub(super) fn add(&mut self, new: Instant) {
        let precedes = |a: &Instant, b: &Instant| a.occurred_at <= b.occurred_at && a.recorded_at <= b.recorded_at;
        if !self.0.iter().any(|known| precedes(known, &new)) {
            self.0.retain(|known| !precedes(&new, known));
            self.0.insert(new);
        }
    }

    pub(super) fn exists(&self, moment: Moment) -> bool {
        self.0.iter().any(|instant| instant.exists(moment))
    }
}

/// A chain, as acts name it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Node {
    /// By its id.
    Chain(ChainKey),
    /// By a number (纠纷链号).
    Name(String),
}

impl Node {
    pub(super) fn of(name: &str) -> Self {
        match EventId::parse(name) {
            Some(id) => Self::Chain(ChainKey(id.0)),
            None => Self::Name(name.to_owned()),
        }
    }

    pub(super) fn chain(&self) -> Option<ChainKey> {
        match self {
            Self::Chain(chain) => Some(*chain),
            Self::Name(_) => None,
        }
    }
}

/// A number as I-37 compares it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::judge) struct NumberKey {
    pub(in crate::judge) kind: Kind,
    pub(in crate::judge) agency: String,
    /// Year within which it is unique; none where it is unique for ever.
    pub(in crate::judge) year: Option<i64>,
    pub(in crate::judge) number: String,
}

/// A legal hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Hold {
    pub(super) fact: Fact,
    pub(super) until_on: Option<Day>,
    pub(super) chains: Vec<Node>,
    pub(super) subjects: Vec<String>,
}

/// A finding that an auditor raised and cleared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Clearing {
    pub(super) code: String,
    pub(super) raised: Fact,
    pub(super) cleared: Fact,
}
