mod among;
mod arbitrary;
mod clocks;
mod comparison;
mod coverage;
mod extra;
mod histories;
mod lapses;
mod parallel;
mod rules;
mod signers;
pub(crate) mod table;

use std::path::Path;

use mediation_proto::{derived::TYPES_AGENCY_KIND, mediation::types::v1::AgencyKind};
use serde_json::Value as Json;

use super::*;
use crate::{
    case::{Case, StepNumber},
    directory::Agency,
    history::EventId,
};

#[test]
fn every_case_is_judged_as_it_expects() {
    let mut wrong = Vec::new();
    for case in cases() {
        let judgement = judged(&case);
        let differences = compare(&case.expect, &judgement, &step_of(&case));
        assert_eq!(judgement.as_expectation(&step_of(&case)).clocks, case.expect.clocks, "{}: the order", case.case);
        wrong.extend(differences.iter().map(|difference| format!("{}: {difference}", case.case)));
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn a_difference_says_where_to_look() {
    let case = cases().into_iter().find(|case| case.case == "G01").unwrap();
    let mut expected = case.expect.clone();
    let clock = expected.clocks.iter_mut().find(|clock| clock.id == "TJ-7").unwrap();
    clock.due = Some("2024-04-08".to_owned());
    expected.obligations.clear();
    expected.outcome = None;
    let differences = compare(&expected, &judged(&case), &step_of(&case));
    let lines: Vec<String> = differences.iter().map(ToString::to_string).collect();
    assert_eq!(
        lines,
        [
            "clock TJ-7 (step 7): due expected 2024-04-08, found 2024-04-07",
            r#"obligation O1: found, not expected: {"id":"O1","due":"2024-06-30","state":"PERFORMED","step":22}"#,
            "outcome: expected none, found CONFIRMED_AND_ENFORCED",
        ]
    );
}

#[test]
fn every_mutation_is_judged_as_it_expects() {
    let mut wrong = Vec::new();
    for case in cases() {
        for mutation in &case.mutations {
            let mutated = case.mutated(mutation).unwrap();
            let differences = compare_mutation(&case.expect, mutation, &judged(&mutated), &step_of(&mutated));
            wrong.extend(differences.iter().map(|difference| format!("{}: {difference}", mutation.id)));
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn a_judgement_does_not_change_when_later_acts_are_appended() {
    for case in cases() {
        let history = case.history(&StepNumber::event_id).unwrap();
        for cut in 1..history.len() {
            let Some(as_of) = history.get(cut - 1).map(|act| act.occurred_at) else { continue };
            let moment = Moment { as_of, known_at: None };
            let then: Vec<Recorded> = history.iter().filter(|act| act.occurred_at <= as_of).cloned().collect();
            let before = judge(&then, &directory(), fixture(), moment);
            assert_eq!(judge(&history, &directory(), fixture(), moment), before, "{} at {cut}", case.case);
        }
    }
}

#[test]
fn what_was_recorded_later_was_not_known() {
    for case in cases() {
        let history = case.history(&StepNumber::event_id).unwrap();
        let half = history.len() / 2;
        let known: Vec<Recorded> = history.iter().take(half).cloned().collect();
        let moment = Moment::end_of(Day::parse(&case.as_of).unwrap());
        let mut later = history.clone();
        for act in later.iter_mut().skip(half) {
            act.recorded_at = moment.as_of * 1_000;
        }
        let known_at = Some(moment.as_of * 1_000 - 1);
        let judgement = judge(&later, &directory(), fixture(), Moment { known_at, ..moment });
        assert_eq!(judgement, judge(&known, &directory(), fixture(), moment), "{}", case.case);
    }
}

/// Chains that nobody would record: the acts of all cases, mixed by a seed. They must be judged, twice alike, and
/// without regard to what comes later.
#[test]
fn any_mixture_of_acts_is_judged_and_judged_alike() {
    let all: Vec<Recorded> = cases()
        .iter()
        .zip(1..)
        .flat_map(|(case, number)| {
            let id = |step: &StepNumber| EventId(step.event_id().0.map(|byte| byte ^ number));
            case.history(&id).unwrap()
        })
        .collect();
    for seed in 1..=40_u64 {
        let mut state = seed;
        let mut next = |bound: usize| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            usize::try_from(state >> 33).unwrap() % bound
        };
        let mut mixed: Vec<Recorded> = (0..60).map(|_| all.get(next(all.len())).unwrap().clone()).collect();
        let agencies: Vec<String> = mixed.iter().map(|act| act.agency.clone()).collect();
        let base = Day::parse("2024-03-01").unwrap().begin();
        for (act, revision) in mixed.iter_mut().zip(0_u64..) {
            act.revision = revision;
            act.agency.clone_from(agencies.get(next(12)).unwrap());
            act.occurred_at = base + i64::try_from(next(400 * 86_400)).unwrap();
            act.recorded_at = act.occurred_at * 1_000;
        }
        let end = Moment::end_of(Day::parse("2025-06-30").unwrap());
        let judgement = judge(&mixed, &directory(), fixture(), end);
        assert_eq!(judgement, judge(&mixed, &directory(), fixture(), end), "seed {seed}");
        let moment = Moment { as_of: base + 200 * 86_400, known_at: None };
        let then: Vec<Recorded> = mixed.iter().filter(|act| act.occurred_at <= moment.as_of).cloned().collect();
        let before = judge(&then, &directory(), fixture(), moment);
        assert_eq!(judge(&mixed, &directory(), fixture(), moment), before, "seed {seed}");
    }
}

pub(crate) fn cases() -> Vec<Case> {
    cases_in("tests/cases")
}

/// The cases of a directory of the repository.
fn cases_in(directory: &str) -> Vec<Case> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(directory);
    let paths = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    let mut paths: Vec<_> = paths.filter(|path| path.is_file()).collect();
    paths.sort();
    let cases: Vec<Case> =
        paths.iter().map(|path| Case::parse(&std::fs::read_to_string(path).unwrap()).unwrap()).collect();
    assert!(cases.len() >= 8);
    cases
}

fn judged(case: &Case) -> Judgement {
    let history = case.history(&StepNumber::event_id).unwrap();
    judge(&history, &directory(), fixture(), Moment::end_of(Day::parse(&case.as_of).unwrap()))
}

pub(crate) fn fixture() -> &'static RuleSet {
    RuleSet::named("cn-2024-fixture").unwrap()
}

fn step_of(case: &Case) -> impl Fn(u64) -> Option<StepNumber> {
    let numbers: Vec<StepNumber> = case.steps.iter().map(|step| step.n).collect();
    move |revision| numbers.get(usize::try_from(revision).ok()?).copied()
}

pub(crate) fn directory() -> Directory {
    let rows: Vec<Json> = serde_json::from_str(include_str!("../../data/agencies.json")).unwrap();
    let mut directory = Directory::default();
    for row in &rows {
        let text = |key: &str| row.get(key).and_then(Json::as_str).unwrap_or_default().to_owned();
        let kind = TYPES_AGENCY_KIND.number(&text("kind")).and_then(|kind| AgencyKind::try_from(kind).ok()).unwrap();
        directory.insert(text("id"), Agency { kind, name: text("zh"), division: text("division") });
    }
    directory
}
