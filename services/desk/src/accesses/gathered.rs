//! What many readers will see, until it is recorded together.

use std::collections::{BTreeMap, BTreeSet};

use mediation_domain::history::EventId;
use mediation_ledger::chain::ChainId;

use super::{Answer, Reading, Seen, Waits};
use crate::reading::Reads;

/// Readings until they are recorded together.
#[derive(Debug, Default)]
pub(super) struct Gathered {
    pub(super) readings: Vec<(Reading, Vec<Answer>)>,
    /// Where among them what streams of the same reader show of the same chain stands.
    of_streams: BTreeMap<(Reads, Option<EventId>, ChainId), usize>,
    /// Records that they take, or more.
    pub(super) records: usize,
}

impl Gathered {
    /// Adds a reading. What one reader sees of one chain over many streams at a time is one reading.
    pub(super) fn add(&mut self, reading: Reading, answer: Answer) {
        self.records += reading.seen.len();
        if reading.waits == Waits::Asker {
            return self.readings.push((reading, vec![answer]));
        }
        let whose = (reading.reads.clone(), reading.approval, reading.chain);
        let at = *self.of_streams.entry(whose).or_insert(self.readings.len());
        match self.readings.get_mut(at) {
            Some((same, answers)) => {
                for seen in reading.seen {
                    add_seen(&mut same.seen, seen);
                }
                answers.push(answer);
            }
            None => self.readings.push((reading, vec![answer])),
        }
    }
}

/// Adds what is seen to what is seen by the same reader anyway.
fn add_seen(all: &mut Vec<Seen>, more: Seen) {
    let is_alike = |seen: &Seen| {
        (seen.grade, &seen.parts, &seen.rules, seen.disclosure)
            == (more.grade, &more.parts, &more.rules, more.disclosure)
    };
    match all.iter_mut().find(|seen| is_alike(seen)) {
        // None named are all.
        Some(seen) if seen.acts.is_empty() || more.acts.is_empty() => seen.acts.clear(),
        Some(seen) => {
            let known: BTreeSet<EventId> = seen.acts.iter().copied().collect();
            seen.acts.extend(more.acts.into_iter().filter(|act| !known.contains(act)));
        }
        None => all.push(more),
    }
}

#[cfg(test)]
mod tests {
    use mediation_domain::{admit::Caller, directory::Directory};
    use mediation_proto::mediation::{
        ledger::v1::Reading as Stated,
        types::v1::{AccessPurpose, AgencyKind, Part, Role, VisibilityGrade},
    };
    use tokio::sync::oneshot;

    use super::{super::records, *};

    const ORIGIN: &str = "ledger.example/accesses";

    fn caller() -> Caller {
        Caller { agency: "ZC-ZS".to_owned(), kind: AgencyKind::GovernanceCenter }
    }

    fn act(number: u8) -> EventId {
        EventId([number; 16])
    }

    fn seen(grade: VisibilityGrade, acts: &[u8]) -> Seen {
        let acts = acts.iter().copied().map(act).collect();
        Seen { grade, parts: vec![Part::Act], acts, rules: vec!["V-2/ZC".to_owned()], disclosure: None }
    }

    /// What an official of the center sees of a chain.
    fn reading(waits: Waits, reader: &str, chain: u8, seen: Vec<Seen>) -> Reading {
        let stated = Stated {
            reader: Some(format!("ZC-ZS/{reader}")),
            role: Some(Role::Reg.into()),
            purpose: Some(AccessPurpose::Handling.into()),
            ..Stated::default()
        };
        let reads = Reads::parse(&caller(), Some(stated), &Directory::default(), 0).unwrap();
        let chain = ChainId([chain; 16]);
        Reading { waits, signer: caller(), reads, approval: None, chain, now_ms: 1_709_697_600_000, seen }
    }

    /// For each reading that is recorded: how many wait for it, and of which acts each of its records says that they were seen.
    fn gathered(readings: Vec<Reading>) -> Vec<(usize, Vec<usize>)> {
        let mut gathered = Gathered::default();
        for reading in readings {
            gathered.add(reading, oneshot::channel().0);
        }
        let all = gathered.readings.into_iter();
        all.map(|(reading, answers)| {
            let acts = reading.seen.iter().map(|seen| seen.acts.len()).collect();
            assert_eq!(records(ORIGIN, reading).len(), Vec::len(&acts));
            (answers.len(), acts)
        })
        .collect()
    }

    #[test]
    fn what_one_reader_sees_of_one_chain_over_many_streams_at_a_time_is_one_reading() {
        let (f, r) = (VisibilityGrade::F, VisibilityGrade::R);
        let stream = |reader, chain, acts: &[u8]| reading(Waits::Stream, reader, chain, vec![seen(f, acts)]);
        let same = (0..25).map(|_| stream("REG-1", 1, &[7])).collect();
        assert_eq!(gathered(same), [(25, vec![1])]);
        let further = vec![stream("REG-1", 1, &[7]), stream("REG-1", 1, &[7, 8]), stream("REG-1", 1, &[9])];
        assert_eq!(gathered(further), [(3, vec![3])]);
        let whole = vec![stream("REG-1", 1, &[7]), stream("REG-1", 1, &[])];
        assert_eq!(gathered(whole), [(2, vec![0])], "no act named is the whole chain");
        let graded = vec![stream("REG-1", 1, &[7]), reading(Waits::Stream, "REG-1", 1, vec![seen(r, &[8])])];
        assert_eq!(gathered(graded), [(2, vec![1, 1])], "what is seen otherwise has a record of its own");
    }

    #[test]
    fn other_readers_other_chains_and_who_asks_have_readings_of_their_own() {
        let one = |waits, reader, chain| reading(waits, reader, chain, vec![seen(VisibilityGrade::F, &[7])]);
        let others = vec![
            one(Waits::Stream, "REG-1", 1),
            one(Waits::Stream, "REG-2", 1),
            one(Waits::Stream, "REG-1", 2),
            one(Waits::Asker, "REG-1", 1),
            one(Waits::Asker, "REG-1", 1),
        ];
        assert_eq!(gathered(others), vec![(1, vec![1]); 5]);
    }
}
