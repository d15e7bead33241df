use std::{collections::BTreeSet, path::Path};

use super::*;

/// The case files of the repository, by name.
pub(crate) fn cases() -> Vec<Case> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/cases");
    let paths = std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    let mut paths: Vec<_> = paths.filter(|path| path.is_file()).collect();
    paths.sort();
    assert!(paths.len() >= 8, "{paths:?}");
    paths
        .iter()
        .map(|path| {
            let text = std::fs::read_to_string(path).unwrap();
            Case::parse(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
        })
        .collect()
}

/// The case of this name.
pub(crate) fn case(name: &str) -> Case {
    cases().into_iter().find(|case| case.case == name).unwrap()
}

const SMALL: &str = r#"{"case": "T", "title_zh": "例", "title_en": "example", "chain": "JF3602032024030400017",
 "division": "360203", "rule_set": "cn-2024-fixture", "calendar": "calendar_cn.json", "as_of": "2024-03-31",
 "parties": [], "steps": [
  {"n": 1, "date": "2024-03-04", "time": "09:12", "event": "TalkInquired", "agency": "TC", "role": "TCOM", "signer": "TC/TCOM-1", "causes": [], "data": {"list": [{"a": 1}]}},
  {"n": 2, "date": "2024-03-05", "event": "FollowUpVisited", "agency": "TC", "role": "SPC", "signer": "TC/SPC-1", "causes": [1],
   "procedure_no": "x", "data": {"satisfaction": "SATISFIED", "relapse_signs": false}}
 ],
 "expect": {"leads": [], "handoffs": [], "clocks": [], "obligations": [], "findings": [], "outcome": null}}"#;

fn changed(from: &str, to: &str) -> Result<Case, CaseError> {
    assert!(SMALL.contains(from), "{from}");
    Case::parse(&SMALL.replacen(from, to, 1))
}

fn edited(edits: &str) -> Result<Case, CaseError> {
    let mutation = format!(r#"{{"id": "m", "why": "w", "edits": {edits}, "expect_findings": []}}"#);
    Case::parse(SMALL).unwrap().mutated(&serde_json::from_str(&mutation).unwrap())
}

#[test]
fn every_case_and_every_mutation_gives_a_history() {
    for case in cases() {
        let mutated = case.mutations.iter().map(|mutation| case.mutated(mutation).unwrap()).collect::<Vec<_>>();
        for history in std::iter::once(&case).chain(&mutated) {
            let acts = history.history(&StepNumber::event_id).unwrap();
            assert_eq!(acts.len(), history.steps.len());
            let ids: BTreeSet<_> = acts.iter().map(|act| act.event_id).collect();
            assert_eq!(ids.len(), acts.len());
            for (act, step) in acts.iter().zip(&history.steps) {
                assert_eq!(act.act.event().unwrap().0.event, step.kind.event);
                let header = act.act.header.as_ref().unwrap();
                assert_eq!(header.chain_no(), history.chain);
                assert_eq!(header.causes.len(), step.causes.len());
            }
        }
        assert!(mutated.iter().all(|mutated| *mutated != case));
    }
}

#[test]
fn further_fields_of_the_header_stand_beside_the_data() {
    let case = case("G11");
    let history = case.history(&StepNumber::event_id).unwrap();
    let corrected = &history.get(case.position(7.into()).unwrap()).unwrap().act;
    assert_eq!(corrected.header.as_ref().unwrap().cosigners.first().unwrap().agency(), "TC-LP-LG");
}

#[test]
fn times_are_of_shanghai_and_begin_at_midnight() {
    let case = Case::parse(SMALL).unwrap();
    let times: Vec<i64> = case.steps.iter().map(Step::occurred_at).collect();
    assert_eq!(times, [1_709_514_720, 1_709_568_000]);
}

#[test]
fn step_numbers_keep_their_written_form() {
    for text in ["1", "20.1", "5.12", "4294967295", "5.01"] {
        let number: StepNumber = text.parse().unwrap();
        assert_eq!(number.to_string(), text);
        let json: StepNumber = serde_json::from_str(text).unwrap();
        assert_eq!(json, number);
        assert_eq!(serde_json::to_string(&number).unwrap(), text);
    }
    assert_eq!(serde_json::from_str::<StepNumber>("5.0").unwrap(), StepNumber::from(5));
    for text in ["", "-1", "1.", ".5", "5.1.2", "5.12345", "4294967296", "x"] {
        assert!(text.parse::<StepNumber>().is_err(), "{text}");
    }
}

#[test]
fn event_ids_without_a_ledger_look_like_uuid_v7() {
    let id = "20.1".parse::<StepNumber>().unwrap().event_id();
    assert_eq!(id.to_string(), "00000000-0000-7000-8000-000014010001");
    assert_eq!(EventId::parse(&id.to_string()), Some(id));
}

#[test]
fn what_the_format_does_not_have_is_an_error() {
    for (from, to, message) in [
        (r#""case": "T""#, r#""case": "T", "cases": 1"#, "unknown field `cases`"),
        (r#""outcome": null"#, r#""outcome": null, "lead": []"#, "unknown field `lead`"),
        (r#""procedure_no": "x""#, r#""procedure": "x""#, "step 2: `procedure`: is no key of a step"),
        (r#""procedure_no": "x""#, r#""chain_no": "x""#, "step 2: `chain_no`: is no key of a step"),
        (r#""date": "2024-03-05""#, r#""date": "2024-02-30""#, "step 2: `date`: is no day"),
        (r#""time": "09:12""#, r#""time": "9:12""#, "step 1: `time`: is no time"),
        (r#""event": "TalkInquired""#, r#""event": "Talked""#, "step 1: `event`: is no event"),
        (r#""role": "TCOM", "#, "", "step 1: `role`: is missing"),
        (r#""causes": [1]"#, r#""causes": ["1"]"#, "step 2: `causes`"),
        (r#""n": 2"#, r#""n": 1"#, "two steps have the number 1"),
        (r#""n": 2"#, r#""n": "2""#, "a step has no number"),
        (r#""as_of": "2024-03-31""#, r#""as_of": "2024-03-32""#, "`as_of`"),
    ] {
        let error = changed(from, to).unwrap_err().to_string();
        assert!(error.contains(message), "{error}");
    }
}

#[test]
fn what_is_too_large_is_refused_before_it_is_read() {
    assert!(matches!(Case::parse(&" ".repeat(CASE_BYTES_MAX + 1)), Err(CaseError::TooLarge { .. })));
    let step = r#"{"n": 1, "date": "2024-03-04", "event": "TalkInquired", "agency": "T", "role": "R", "signer": "S", "causes": [], "data": {}},"#;
    let text = SMALL.replacen(r#""steps": ["#, &format!(r#""steps": [{}"#, step.repeat(CASE_STEPS_MAX)), 1);
    assert!(matches!(Case::parse(&text), Err(CaseError::TooManySteps { .. })));
}

#[test]
fn edits_change_the_history_in_order() {
    let case = edited(
        r#"[{"op": "set", "step": 1, "path": "date", "value": "2024-03-06"},
            {"op": "set", "step": 1, "path": "time", "value": null},
            {"op": "set", "step": 1, "path": "data.list.0.a", "value": 2},
            {"op": "set", "step": 1, "path": "data.list.1", "value": {"a": 3}},
            {"op": "set", "step": 2, "path": "data.relapse_signs", "value": null},
            {"op": "insert_after", "step": 1, "steps": [{"n": 1.1, "date": "2024-03-06", "event": "TalkInquired", "agency": "T", "role": "R", "signer": "S", "causes": [], "data": {}}]},
            {"op": "replace", "step": 1.1, "with": {"n": 1.1, "date": "2024-03-07", "event": "TalkRaised", "agency": "T", "role": "R", "signer": "S", "causes": [], "data": {}}}]"#,
    )
    .unwrap();
    let numbers: Vec<String> = case.steps.iter().map(|step| step.n.to_string()).collect();
    assert_eq!(numbers, ["1", "1.1", "2"]);
    let first = case.steps.first().unwrap();
    assert_eq!(first.occurred_at(), 1_709_654_400);
    assert_eq!(serde_json::to_string(&first.data).unwrap(), r#"{"list":[{"a":2},{"a":3}]}"#);
    assert_eq!(case.steps.get(1).unwrap().kind.event, "TalkRaised");
    assert!(!case.steps.get(2).unwrap().data.contains_key("relapse_signs"));
    assert_eq!(edited(r#"[{"op": "drop", "step": 1}]"#).unwrap().steps.len(), 1);
}

#[test]
fn edits_that_lead_nowhere_are_errors() {
    for (edits, message) in [
        (r#"[{"op": "drop", "step": 9}]"#, "step 9, which is not there"),
        (r#"[{"op": "set", "step": 1, "path": "data.none.a", "value": 1}]"#, "step 1 has no place `data.none.a`"),
        (r#"[{"op": "set", "step": 1, "path": "data.list.7", "value": 1}]"#, "no place `data.list.7`"),
        (r#"[{"op": "set", "step": 1, "path": "data.none", "value": null}]"#, "no place `data.none`"),
        (r#"[{"op": "set", "step": 1, "path": "n", "value": 4}]"#, "changes its number"),
        (r#"[{"op": "set", "step": 1, "path": "event", "value": 4}]"#, "step 1: `event`: is not a text"),
    ] {
        assert_eq!(
            edited(edits).map(|_| ()).map_err(|error| error.to_string().contains(message)),
            Err(true),
            "{edits}"
        );
    }
}

#[test]
fn data_that_are_not_those_of_the_event_are_named() {
    let case = Case::parse(SMALL).unwrap();
    let error = case.history(&StepNumber::event_id).unwrap_err().to_string();
    assert!(error.starts_with("step 1: `TalkInquired.list`"), "{error}");
}

#[test]
fn a_day_that_does_not_exist_is_not_taken_for_the_day_of_the_act() {
    for (step, path, value, message) in [
        (3, "data.delivered_on", "2024-13-01", "step 3: `delivered_on`: `2024-13-01` is no day of the form YYYY-MM-DD"),
        (13, "data.terms.0.due_on", "soon", "step 13: `due_on`: `soon` is no day of the form YYYY-MM-DD"),
    ] {
        let set = serde_json::json!({"op": "set", "step": step, "path": path, "value": value});
        let mutation = serde_json::json!({"id": "m", "why": "w", "edits": [set], "expect_findings": []});
        let case = case("G03").mutated(&serde_json::from_value(mutation).unwrap()).unwrap();
        assert_eq!(case.checked_history(&StepNumber::event_id).unwrap_err().to_string(), message);
    }
}

#[test]
fn an_error_says_once_what_is_wrong() {
    use std::error::Error as _;

    let format = changed(r#""parties": [], "#, "").unwrap_err();
    assert!(format.to_string().starts_with("missing field `parties`"), "{format}");
    assert!(format.source().is_none());
    let act = Case::parse(SMALL).unwrap().history(&StepNumber::event_id).unwrap_err();
    assert!(act.source().is_none(), "{act}");
}
