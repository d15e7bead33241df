use super::*;
use crate::case::{
    Case, StepNumber,
    tests::{case, cases},
};

/// The history of a case with more steps after its last one.
fn continued(case: &Case, steps: &str) -> Vec<Recorded> {
    let last = case.steps.last().unwrap().n;
    let mutation = format!(
        r#"{{"id": "m", "why": "", "edits": [{{"op": "insert_after", "step": {last}, "steps": [{steps}]}}], "expect_findings": []}}"#
    );
    case.mutated(&serde_json::from_str(&mutation).unwrap()).unwrap().history(&StepNumber::event_id).unwrap()
}

fn correction(number: u32, target: u32, withdrawn: bool) -> String {
    let digest = "00".repeat(32);
    format!(
        r#"{{"n": {number}, "date": "2024-09-25", "event": "RecordCorrected", "agency": "ZC-ZS", "role": "DIR", "signer": "ZC-ZS/DIR-1", "causes": [],
            "data": {{"target": {{"step": {target}}}, "field": "*", "old_digest": "{digest}", "new_digest": "{digest}", "reason": "WRONG_FACT", "withdrawn": {withdrawn}}}}}"#
    )
}

fn reopening(number: u32) -> String {
    format!(
        r#"{{"n": {number}, "date": "2024-09-25", "event": "DisputeReopened", "agency": "ZC-ZS", "role": "DIR", "signer": "ZC-ZS/DIR-1", "causes": [24], "data": {{}}}}"#
    )
}

#[test]
fn folding_at_once_equals_folding_act_by_act() {
    for case in cases() {
        let history = case.history(&StepNumber::event_id).unwrap();
        let whole: Standing = history.iter().collect();
        for cut in 0..=history.len() {
            let (before, after) = history.split_at(cut);
            let mut standing: Standing = before.iter().collect();
            assert_eq!(standing.len(), cut);
            after.iter().for_each(|recorded| standing.apply(recorded));
            assert_eq!(standing, whole);
        }
    }
}

#[test]
fn a_chain_is_closed_from_its_closing_to_its_reopening() {
    let case = case("G09");
    let mut standing = Standing::default();
    for (recorded, step) in case.history(&StepNumber::event_id).unwrap().iter().zip(&case.steps) {
        standing.apply(recorded);
        let closed = (StepNumber::from(16)..StepNumber::from(18)).contains(&step.n) || step.n == StepNumber::from(29);
        assert_eq!(standing.is_closed(), closed, "{}", step.n);
    }
}

#[test]
fn a_closing_or_reopening_that_is_withdrawn_has_no_effect() {
    let case = case("G01");
    for (steps, closed) in [
        (correction(25, 24, false), true),
        (correction(25, 23, true), true),
        (correction(25, 24, true), false),
        (reopening(25), false),
        (format!("{}, {}", reopening(25), correction(26, 25, true)), true),
    ] {
        let standing: Standing = continued(&case, &steps).iter().collect();
        assert_eq!(standing.is_closed(), closed, "{steps}");
    }
}

#[test]
fn acts_are_known_by_event_id_and_agencies_by_what_they_recorded_or_were_called_to() {
    let case = case("G01");
    let history = case.history(&StepNumber::event_id).unwrap();
    let (first, rest) = history.split_first().unwrap();
    let mut standing = Standing::default();
    assert!(standing.is_empty());
    standing.apply(first);
    assert_eq!(standing.event(StepNumber::from(1).event_id()), Some("DisputeRegistered"));
    assert!(!standing.holds(StepNumber::from(2).event_id()));
    assert!(standing.takes_part("ZC-ZS") && !standing.takes_part("CT-ZS"));
    rest.iter().take(5).for_each(|recorded| standing.apply(recorded));
    assert!(standing.takes_part("PMC-ZS"), "named as target of a handoff");
    assert!(!standing.is_restricted());
}

#[test]
fn an_act_whose_content_is_gone_stands_all_the_same() {
    let history = case("G01").history(&StepNumber::event_id).unwrap();
    let mut erased = history.first().unwrap().clone();
    erased.act = mediation_proto::mediation::ledger::v1::Act::default();
    let mut standing = Standing::default();
    standing.apply(&erased);
    assert!(standing.holds(erased.event_id) && !standing.is_empty());
    assert_eq!(standing.event(erased.event_id), None);
}
