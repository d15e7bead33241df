#![expect(clippy::indexing_slicing, reason = "a test may panic")]

use std::collections::{BTreeMap, BTreeSet};

use mediation_domain::{
    admit::{Caller, admit},
    calendar::Day,
    judge::{Moment, judge},
    rules::RuleSet,
    standing::Standing,
};

use super::*;
use crate::story::Story;

fn city() -> City {
    City::new(2024, 7, "0.003".parse().unwrap())
}

#[test]
fn every_chain_has_the_findings_that_were_planted_and_every_act_is_admitted() {
    let city = city();
    let rules = RuleSet::named("cn-2024-fixture").unwrap();
    let end = Moment::end_of(Day::parse("2024-12-31").unwrap());
    let mut wrong = BTreeMap::new();
    let mut planted = 0;
    for story in city.stories() {
        check_admission(&city, &story);
        let findings = judge(&story.acts, city.directory(), rules, end).findings;
        let found: BTreeSet<_> = findings.into_iter().map(|f| (f.code, f.revision, f.agency, f.clock)).collect();
        let declared: BTreeSet<_> = story.planted.iter().map(declared).collect();
        planted += declared.len();
        if found != declared {
            let kind = story.acts[0].act.event().unwrap().0.event;
            wrong.entry(kind).or_insert_with(|| (0, format!("{found:?} not {declared:?}"))).0 += 1;
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(planted > 0);
}

/// Code, revision, agency and clock.
type Found = (String, Option<u64>, Option<String>, Option<String>);

fn declared(planted: &story::Planted) -> Found {
    (planted.code.to_owned(), planted.at, planted.agency.clone(), planted.clock.map(str::to_owned))
}

fn check_admission(city: &City, story: &Story) {
    let mut standing = Standing::default();
    for (at, act) in story.acts.iter().enumerate() {
        assert_eq!(act.revision, u64::try_from(at).unwrap());
        let caller = Caller { agency: act.agency.clone(), kind: city.directory().kind(&act.agency).unwrap() };
        let admitted = admit(&caller, &standing, city.directory(), act.occurred_at, &act.act);
        assert_eq!(admitted, Ok(()), "{:?}", act.act);
        standing.apply(act);
    }
}

#[test]
fn what_was_planned_is_what_is_there() {
    let city = city();
    let (mut counts, mut solved, mut participants) = (BTreeMap::new(), 0, 0);
    for (_, act) in city.acts() {
        let (kind, fields) = act.act.event().unwrap();
        let this_year = Day::of(act.occurred_at).year() == 2024;
        *counts.entry(kind.event).or_insert(0_u64) += u64::from(this_year);
        let fields = mediation_proto::json::to_json(fields);
        solved += u64::from(kind.event == "TalkActioned" && fields["solved"] == true);
        participants += fields.get("participants").and_then(serde_json::Value::as_u64).unwrap_or(0);
    }
    let expected = city.expected();
    for (figure, event) in [
        ("P-15", "JudicialConfirmationGranted"),
        ("P-16", "PsychSessionHeld"),
        ("P-24a", "GridEventReported"),
        ("P-25", "PartyBranchEstablished"),
    ] {
        assert_eq!(counts.get(event).copied().unwrap_or(0), expected[figure], "{event}");
    }
    assert_eq!((solved, participants), (expected["P-31"], expected["P-30"]));
}

#[test]
fn acts_come_in_the_order_of_recording_and_each_chain_without_a_gap() {
    let city = city();
    let (mut last, mut next) = (0, BTreeMap::new());
    let mut count = 0_u64;
    for (chain, act) in city.acts() {
        assert!(act.recorded_at >= last, "{} after {last}", act.recorded_at);
        last = act.recorded_at;
        let revision = next.entry(chain).or_insert(0);
        assert_eq!(act.revision, *revision);
        *revision += 1;
        count += 1;
    }
    let whole: u64 = city.stories().map(|story| u64::try_from(story.acts.len()).unwrap()).sum();
    assert_eq!(count, whole);
}

#[test]
fn one_seed_is_one_city_and_another_seed_another() {
    let digest = |seed| {
        let city = City::new(2024, seed, "0.001".parse().unwrap());
        city.acts().map(|(chain, act)| format!("{chain:?}{act:?}")).collect::<Vec<_>>()
    };
    assert!(digest(1) == digest(1), "the same seed has told another city");
    assert!(digest(1) != digest(2), "two seeds have told the same city");
}
