//! What readers are told of judgements.

use std::collections::BTreeSet;

use super::{
    chains::{history, official},
    *,
};
use crate::{
    calendar::Day,
    history::Recorded,
    judge::{
        ClockRun, Judgement, Moment, judge,
        tests::{cases, directory, fixture},
    },
};

/// A chain judged as of a day, the part of that which is for a reader, and how many clocks he saw beginning and not ending.
fn judged(history: &[Recorded], as_of: &str, reader: &Reader<'_>) -> (Judgement, Judgement, usize) {
    let directory = directory();
    let moment = Moment::end_of(Day::parse(as_of).unwrap());
    let whole = judge(history, &directory, fixture(), moment);
    let viewed = Viewed::new(history, &directory, moment);
    let sight = viewed.by(reader);
    let sees = |revision: Option<u64>| revision.is_some_and(|revision| sight.grade(revision) > Grade::None);
    let half = |run: &&ClockRun| sees(run.opened_by) && run.ended_by.is_some() && !sees(run.ended_by);
    let half_seen = whole.clocks.iter().filter(half).count();
    let told = told(whole.clone(), &sight);
    (whole, told, half_seen)
}

fn are_among<T: PartialEq>(told: &[T], whole: &[T]) -> bool {
    told.iter().all(|one| whole.contains(one))
}

#[test]
fn of_every_case_each_agency_is_told_things_whole_or_not_at_all() {
    let mut half_seen_in_all = 0;
    for case in cases() {
        let history = history(&case);
        let agencies: BTreeSet<&str> = history.iter().map(|act| act.agency.as_str()).collect();
        for agency in agencies {
            for role in [Role::Reg, Role::Dir, Role::Judge, Role::Med] {
                let (whole, told, half_seen) = judged(&history, "2025-06-30", &official(agency, role));
                let what = format!("{} {agency} {role:?}", case.case);
                assert!(are_among(&told.leads, &whole.leads), "{what}");
                assert!(are_among(&told.handoffs, &whole.handoffs), "{what}");
                assert!(are_among(&told.clocks, &whole.clocks), "{what}");
                assert!(are_among(&told.reminders, &whole.reminders), "{what}");
                assert!(are_among(&told.obligations, &whole.obligations), "{what}");
                assert!(are_among(&told.findings, &whole.findings), "{what}");
                half_seen_in_all += half_seen;
            }
        }
    }
    assert!(half_seen_in_all > 0, "no case has an end that is not seen");
}
