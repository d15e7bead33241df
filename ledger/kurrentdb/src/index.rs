//! Place of each record in `$all`, by chain and revision.
//!
//! A read of a stream tells no place: a real server fills it with `u64::MAX`. What is read twice gets the same place, since
//! it comes from `$all` alone.

use std::collections::BTreeMap;

use mediation_ledger::{
    chain::{ChainId, Revision},
    log::{Cursor, Order},
};

use crate::{
    alarm::{Alarm, Alarms, named},
    names,
    pager::is_record,
    wire::Event,
};

#[derive(Debug, Default)]
pub(crate) struct Index {
    /// Last event that was looked at, whoever's it is.
    at: Option<Cursor>,
    /// Last record.
    record: Option<Cursor>,
    /// Revisions with their commit positions, both growing. Dense, unless somebody truncated the stream.
    chains: BTreeMap<ChainId, Vec<(u64, u64)>>,
}

impl Index {
    /// Where to page on from: the last event that was looked at, and the last record.
    pub(crate) fn end(&self) -> (Option<Cursor>, Option<Cursor>) {
        (self.at, self.record)
    }

    /// The chain's next revision, as far as it is known here.
    pub(crate) fn next(&self, chain: ChainId) -> u64 {
        self.chains.get(&chain).and_then(|known| known.last()).map_or(0, |(revision, _)| revision.saturating_add(1))
    }

    /// Places of revisions `from..from + count`, when all are known.
    pub(crate) fn places(&self, chain: ChainId, from: u64, count: usize) -> Option<Vec<Order>> {
        if count == 0 {
            return Some(Vec::new());
        }
        let known = self.chains.get(&chain)?;
        let start = known.partition_point(|(revision, _)| *revision < from);
        let known = known.get(start..start.checked_add(count)?)?;
        let asked = known.iter().zip(from..).all(|((revision, _), asked)| *revision == asked);
        asked.then(|| known.iter().map(|(_, commit)| Order(*commit)).collect())
    }

    /// Takes what is new of the events that follow `before` in `$all`, unless something between is missing here.
    pub(crate) fn extend(&mut self, before: Option<Cursor>, events: &[Event], alarms: &Alarms) {
        if before > self.at {
            return;
        }
        for event in events {
            if self.at.is_some_and(|at| event.at <= at) {
                continue;
            }
            self.at = Some(event.at);
            let Some(chain) = is_record(event).then(|| names::chain_of(&event.stream)).flatten() else { continue };
            let expected = self.next(chain);
            if event.revision != expected {
                let (expected, found) = (Revision(expected), Revision(event.revision));
                alarms.raise(Alarm::Gap { stream: named(&event.stream), expected, found });
            }
            self.push(chain, event.revision, event.at);
        }
    }

    /// Takes a record that somebody else has kept.
    pub(crate) fn seed(&mut self, chain: ChainId, revision: Revision, at: Cursor) -> bool {
        if self.at.is_some_and(|known| at <= known) {
            return false;
        }
        self.at = Some(at);
        self.push(chain, revision.0, at);
        true
    }

    /// A revision that is there twice keeps its first place.
    fn push(&mut self, chain: ChainId, revision: u64, at: Cursor) {
        self.record = Some(at);
        if revision >= self.next(chain) {
            self.chains.entry(chain).or_default().push((revision, at.0));
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn event(chain: u8, revision: u64, at: u64) -> Event {
        let stream = names::chain_stream(ChainId([chain; 16]));
        Event { stream, revision, kind: String::new(), data: Bytes::new(), at: Cursor(at, at) }
    }

    #[test]
    fn pages_that_overlap_are_taken_once_and_those_beyond_a_hole_not_at_all() {
        let (alarms, mut index) = (Alarms::default(), Index::default());
        let (a, b) = (ChainId([1; 16]), ChainId([2; 16]));
        index.extend(None, &[event(1, 0, 10), event(2, 0, 20)], &alarms);
        index.extend(Some(Cursor(10, 10)), &[event(2, 0, 20), event(1, 1, 30)], &alarms);
        index.extend(Some(Cursor(40, 40)), &[event(1, 3, 50)], &alarms);
        assert_eq!(index.end(), (Some(Cursor(30, 30)), Some(Cursor(30, 30))));
        assert_eq!(index.places(a, 0, 2), Some(vec![Order(10), Order(30)]));
        assert_eq!(index.places(b, 0, 1), Some(vec![Order(20)]));
        assert_eq!(index.places(a, 1, 2), None);
        assert!(alarms.subscribe().borrow().is_empty());
    }

    #[test]
    fn a_revision_that_is_missing_raises_an_alarm_and_has_no_place() {
        let (alarms, mut index) = (Alarms::default(), Index::default());
        index.extend(None, &[event(1, 0, 10), event(1, 2, 20)], &alarms);
        assert_eq!(index.places(ChainId([1; 16]), 1, 1), None);
        assert_eq!(index.places(ChainId([1; 16]), 2, 1), Some(vec![Order(20)]));
        assert_eq!(alarms.subscribe().borrow().len(), 1);
    }
}
