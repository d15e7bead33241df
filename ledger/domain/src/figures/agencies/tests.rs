//! Agencies of small ledgers, counted by hand.

use super::*;
use crate::{
    case::{Case, StepNumber},
    judge::{
        judge,
        tests::{cases, directory, fixture, table::case},
    },
};

fn day(text: &str) -> Day {
    Day::parse(text).unwrap()
}

/// Chains that go by in one comparison of the days from one to another.
fn compared(chains: &[Case], (from, to): (&str, &str), as_of: &str) -> Comparison {
    let mut comparison = Comparison::new(day(from), day(to), day(as_of).end());
    for chain in chains {
        take(&mut comparison, chain);
    }
    comparison
}

fn take(comparison: &mut Comparison, chain: &Case) {
    let (history, directory) = (chain.history(&StepNumber::event_id).unwrap(), directory());
    let moment = Moment { as_of: comparison.as_of(), known_at: None };
    comparison.take(&history, &directory, || judge(&history, &directory, fixture(), moment));
}

fn chains(texts: &[&str]) -> Vec<Case> {
    texts.iter().map(|acts| case("2024-12-31", acts)).collect()
}

/// One agency a line: `id chains led acts | in time, late, unanswered, open, recalled | met, broken | C M m O | closed median`.
fn lines(comparison: &Comparison) -> Vec<String> {
    let lines = comparison.agencies().map(|(id, agency)| {
        let Handoffs { in_time, late, unanswered, open, recalled } = agency.handoffs;
        let Findings { critical, major, minor, observations } = agency.findings;
        let median = agency.median_days_to_close();
        let median = median.map_or_else(|| "—".to_owned(), |days| format!("{}/{}", days.numerator, days.denominator));
        format!(
            "{id} {} {} {} | {in_time} {late} {unanswered} {open} {recalled} | {} {} | {critical} {major} {minor} {observations} | {} {median}",
            agency.chains,
            agency.led,
            agency.acts,
            agency.clocks_met,
            agency.clocks_broken,
            agency.closed()
        )
    });
    lines.collect()
}

const YEAR: (&str, &str) = ("2024-01-01", "2024-12-31");

fn g03() -> Vec<Case> {
    cases().into_iter().filter(|case| case.case == "G03").collect()
}

#[test]
fn a_petition_that_was_told_too_late_is_one_broken_clock_and_one_finding_of_the_township() {
    let comparison = compared(&g03(), YEAR, "2024-07-19");
    assert_eq!(
        lines(&comparison),
        [
            "PMC-FL-SA 1 0 6 | 1 0 0 0 0 | 2 0 | 0 0 0 0 | 0 —",
            "TG-FL-SA 1 1 7 | 1 0 0 0 0 | 4 1 | 0 1 0 0 | 1 101/1",
            "XF-FL 1 1 5 | 0 0 0 0 0 | 1 0 | 0 0 0 0 | 0 —",
            "ZC-FL 1 0 1 | 0 0 0 0 0 | 0 0 | 0 0 0 0 | 0 —",
        ]
    );
    assert_eq!(comparison.counts(), Counts { chains: 1, acts: 19, withdrawn: 0, later: 0 });
}

#[test]
fn what_lies_in_the_period_counts_by_its_own_day() {
    let may = compared(&g03(), ("2024-05-01", "2024-05-31"), "2024-07-19");
    assert_eq!(
        lines(&may),
        [
            "PMC-FL-SA 1 0 5 | 1 0 0 0 0 | 1 0 | 0 0 0 0 | 0 —",
            // Handed over in April; the notice was due in May, and so is the finding.
            "TG-FL-SA 1 1 5 | 0 0 0 0 0 | 1 1 | 0 1 0 0 | 0 —",
            "XF-FL 1 0 1 | 0 0 0 0 0 | 0 0 | 0 0 0 0 | 0 —",
        ]
    );
    let before = compared(&g03(), ("2023-01-01", "2023-12-31"), "2024-07-19");
    assert!(lines(&before).is_empty());
    assert_eq!(before.counts().acts, 19, "what went by is told whatever the period");
    let as_of = compared(&g03(), YEAR, "2024-04-18");
    assert_eq!(as_of.period().to, day("2024-04-18"), "nothing lies after the instant");
    assert_eq!(
        lines(&as_of),
        ["TG-FL-SA 1 0 0 | 0 0 0 1 0 | 0 0 | 0 0 0 0 | 0 —", "XF-FL 1 1 3 | 0 0 0 0 0 | 0 0 | 0 0 0 0 | 0 —"],
        "what was done in time counts when it falls due, on 23 April"
    );
    assert_eq!(as_of.counts().later, 16);
}

#[test]
fn a_handoff_is_told_by_what_became_of_it() {
    let proposed = |on: &str, more: &str| {
        format!(
            r#"
            {on} ZC-ZS REG DisputeRegistered {{"channel": "WALK_IN", "division": "360203", "parties": []}}
            {on} ZC-ZS REG HandoffProposed {{"@time": "11:00", "mode": "DELEGATION", "target": "PMC-ZS-XC", "purpose": "MEDIATION"}}
            {more}"#
        )
    };
    let texts = [
        proposed("2024-05-06", r#"2024-05-09 PMC-ZS-XC MED HandoffReturned {"proposal": {"step": 2}, "reason": "R2"}"#),
        proposed("2024-05-06", r#"2024-05-10 PMC-ZS-XC MED HandoffAccepted {"proposal": {"step": 2}}"#),
        proposed("2024-05-06", ""),
        proposed("2024-12-31", ""),
        proposed(
            "2024-05-06",
            r#"2024-05-07 ZC-ZS REG HandoffRecalled {"proposal": {"step": 2}, "reason": "OTHER_TARGET"}"#,
        ),
    ];
    let comparison = compared(&chains(&texts.each_ref().map(String::as_str)), YEAR, "2024-12-31");
    let agency = comparison.agencies().find(|(id, _)| *id == "PMC-ZS-XC").unwrap().1;
    assert_eq!(agency.handoffs, Handoffs { in_time: 1, late: 1, unanswered: 1, open: 1, recalled: 1 });
    assert_eq!(
        (agency.handoffs.received(), agency.chains, agency.acts),
        (5, 5, 2),
        "who did nothing was asked all the same"
    );
}

#[test]
fn a_closing_is_of_who_led_just_before_and_an_even_number_of_them_has_its_middle_between_two() {
    let closed = |on: &str| {
        format!(
            r#"
            2024-05-06 ZC-ZS REG DisputeRegistered {{"channel": "WALK_IN", "division": "360203", "parties": []}}
            2024-05-07 ZC-ZS DIR LeadAgencyAssigned {{"previous_lead": "ZC-ZS", "previous_released": true, "new_lead": "PMC-ZS"}}
            {on} ZC-ZS DIR DisputeClosed {{"outcome": "MEDIATED", "ground": "FULL_PERFORMANCE"}}"#
        )
    };
    let reopened = format!(
        r#"{}
        2024-06-01 ZC-ZS DIR DisputeReopened {{"cause": "DEFAULT", "restored_lead": "PMC-ZS"}}"#,
        closed("2024-05-20")
    );
    let texts = [closed("2024-05-16"), closed("2024-05-21"), reopened];
    let all = chains(&texts.each_ref().map(String::as_str));
    let comparison = compared(&all, YEAR, "2024-12-31");
    let agency = |id: &str| comparison.agencies().find(|(known, _)| *known == id).unwrap().1;
    let days = agency("PMC-ZS").median_days_to_close().unwrap();
    assert_eq!((agency("PMC-ZS").closed(), days.numerator, days.denominator), (2, 25, 2), "the third is open again");
    assert_eq!((agency("ZC-ZS").closed(), agency("ZC-ZS").led, agency("PMC-ZS").led), (0, 3, 3));
}

#[test]
fn a_withdrawn_act_counts_for_nobody() {
    let texts = [r#"
        2024-05-06 ZC-ZS REG DisputeRegistered {"channel": "WALK_IN", "division": "360203", "parties": []}
        2024-05-07 GA-LP POL PsychSessionHeld
        2024-05-08 GA-LP POL RecordCorrected {"target": {"step": 2}, "withdrawn": true}
        "#];
    let comparison = compared(&chains(&texts), YEAR, "2024-12-31");
    let acts: Vec<(&str, u64)> = comparison.agencies().map(|(id, agency)| (id, agency.acts)).collect();
    assert_eq!(acts, [("GA-LP", 1), ("ZC-ZS", 1)], "the correction is an act");
    assert_eq!(comparison.counts().withdrawn, 1);
}

#[test]
fn who_reads_has_recorded_nothing() {
    let texts = ["2024-05-06 AUD-JDZ AUD RecordAccessed"];
    let comparison = compared(&chains(&texts), YEAR, "2024-12-31");
    assert_eq!(comparison.counts().acts, 1);
    assert!(
        comparison.agencies().all(|(_, agency)| agency.acts == 0 && agency.chains == 0),
        "{:?}",
        lines(&comparison)
    );
}

#[test]
fn chains_that_were_counted_apart_come_to_the_same_in_any_order() {
    let all = cases();
    let whole = compared(&all, YEAR, "2024-12-31");
    for first in 0..3 {
        let mut apart = [compared(&[], YEAR, "2024-12-31"), compared(&[], YEAR, "2024-12-31")];
        for (at, chain) in all.iter().rev().enumerate() {
            take(apart.get_mut((at + first) % 2).unwrap(), chain);
        }
        let [mut one, other] = apart;
        one.merge(other);
        assert_eq!(one, whole);
    }
    assert!(whole.agencies().count() > 10);
}

#[test]
fn a_chain_of_which_nothing_exists_yet_is_not_judged() {
    let chain = g03().remove(0);
    let (history, directory) = (chain.history(&StepNumber::event_id).unwrap(), directory());
    let mut comparison = compared(&[], YEAR, "2024-04-07");
    comparison.take(&history, &directory, || panic!("nothing exists to be judged"));
    assert_eq!(comparison.counts(), Counts { later: 19, ..Counts::default() });
}
