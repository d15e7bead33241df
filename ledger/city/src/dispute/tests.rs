#![expect(clippy::indexing_slicing, reason = "a test may panic")]

use std::collections::{BTreeMap, BTreeSet};

use mediation_domain::{
    admit::{Caller, admit},
    directory::Agency,
    history::Recorded,
    judge::{Moment, judge},
    standing::Standing,
};
use mediation_proto::mediation::types::v1::AgencyKind;
use proptest::prelude::*;
use serde_json::Value as Json;

use super::*;
use crate::{dispute::script::rules, story::Planted};

/// The agencies of the case histories: few townships, but every kind of agency.
fn directory() -> Directory {
    let agencies: Json = serde_json::from_str(include_str!("../../../domain/data/agencies.json")).unwrap();
    let mut directory = Directory::default();
    for row in agencies.as_array().unwrap() {
        let text = |key: &str| row[key].as_str().unwrap_or_default().to_owned();
        let kind = AgencyKind::from_str_name(&format!("AGENCY_KIND_{}", text("kind"))).unwrap();
        directory.insert(text("id"), Agency { kind, name: text("zh"), division: text("division") });
    }
    directory
}

fn end_of_year() -> Moment {
    Moment::end_of(Day::parse("2024-12-31").unwrap())
}

/// Code, revision, agency and clock of a finding.
type Found = (String, Option<u64>, Option<String>, Option<String>);

fn found(story: &Story, directory: &Directory) -> Vec<Found> {
    let findings = judge(&story.acts, directory, rules(), end_of_year()).findings;
    let mut found: Vec<Found> = findings.into_iter().map(|f| (f.code, f.revision, f.agency, f.clock)).collect();
    found.sort();
    found
}

fn declared(planted: &[Planted]) -> Vec<Found> {
    let found = |p: &Planted| (p.code.to_owned(), p.at, p.agency.clone(), p.clock.map(str::to_owned));
    let mut declared: Vec<Found> = planted.iter().map(found).collect();
    declared.sort();
    declared
}

/// Every act passes admission, and the findings are those that are declared.
fn check(story: &Story, directory: &Directory, what: &str) {
    let mut standing = Standing::default();
    for act in &story.acts {
        let caller = Caller { agency: act.agency.clone(), kind: directory.kind(&act.agency).expect(&act.agency) };
        let admitted = admit(&caller, &standing, directory, act.occurred_at, &act.act);
        assert_eq!(admitted, Ok(()), "{what}: act {}\n{}", act.revision, told(story));
        standing.apply(act);
    }
    assert_eq!(found(story, directory), declared(&story.planted), "{what}\n{}", told(story));
    let rises = |times: Vec<i64>| times.windows(2).all(|two| two[0] <= two[1]);
    assert!(rises(story.acts.iter().map(|act| act.occurred_at).collect()), "{what}\n{}", told(story));
    assert!(rises(story.acts.iter().map(|act| act.recorded_at).collect()), "{what}\n{}", told(story));
}

fn event(act: &Recorded) -> &'static str {
    act.act.event().unwrap().0.event
}

fn told(story: &Story) -> String {
    let line =
        |act: &Recorded| format!("{} {} {} {}\n", act.revision, Day::of(act.occurred_at), event(act), act.agency);
    story.acts.iter().map(line).collect()
}

fn count(stories: &[Story], wanted: &str) -> u64 {
    let acts = stories.iter().flat_map(|story| &story.acts).filter(|act| event(act) == wanted);
    u64::try_from(acts.count()).unwrap()
}

fn budget() -> Budget {
    Budget { settled: 300, confirmations: 3, sessions: 6, online: 11, online_settled: 2 }
}

#[test]
fn every_flow_is_clean_whatever_the_seed_and_the_day() {
    let (directory, days) = (directory(), working_days(2024));
    for flow in FLOWS {
        let window = flow.window(&days);
        for seed in 0..SEEDS {
            let at = usize::try_from(seed).unwrap() * (window.len() - 1) / usize::try_from(SEEDS - 1).unwrap();
            let what = format!("{}, seed {seed}, opened on {}", flow.name, window[at]);
            let story = flow.tell(&directory, seed, seed, window[at], None).expect(&what);
            assert!(story.planted.is_empty());
            check(&story, &directory, &what);
            let last = Day::of(story.acts.last().unwrap().occurred_at);
            let span = days.iter().filter(|day| **day > window[at] && **day <= last).count();
            assert!(last.year() == 2024 && span < flow.span(), "{what} takes {span} working days");
        }
    }
}

#[test]
fn every_flow_with_every_defect_has_exactly_the_findings_that_are_declared() {
    let (directory, days) = (directory(), working_days(2024));
    let (mut tried, mut codes, mut flows) = (BTreeSet::new(), BTreeSet::new(), BTreeSet::new());
    for defect in defects() {
        for (at, flow) in FLOWS.iter().enumerate() {
            let seed = u64::try_from(at).unwrap();
            // Early in the year, so that what is late shows before its end.
            let window = flow.window(&days);
            let day = window[at * 7 % window.len().div_ceil(3)];
            let Some(story) = flow.tell(&directory, seed, seed, day, Some(defect)) else { continue };
            check(&story, &directory, &format!("{} in {}, seed {seed}", defect.name, flow.name));
            assert!(story.planted.iter().any(|planted| Some(planted.code) == defect.codes().next()));
            tried.insert(defect.name);
            flows.insert(flow.name);
            codes.extend(story.planted.iter().map(|planted| planted.code));
        }
    }
    let never: Vec<_> = defects().map(|defect| defect.name).filter(|name| !tried.contains(name)).collect();
    assert_eq!(never, Vec::<&str>::new());
    let unharmed: Vec<_> = FLOWS.iter().map(|flow| flow.name).filter(|name| !flows.contains(name)).collect();
    assert_eq!(unharmed, Vec::<&str>::new());
    assert!(tried.len() >= 25 && codes.len() >= 20, "{} kinds, codes {codes:?}", tried.len());
}

#[test]
fn a_year_holds_what_its_budget_says_and_nothing_that_is_not_declared() {
    let directory = directory();
    for seed in [1, 2] {
        let disputes = Disputes::new(&directory, 2024, seed, &budget());
        let stories: Vec<Story> = (0..disputes.len()).map(|at| disputes.story(at).unwrap()).collect();
        for (at, story) in stories.iter().enumerate() {
            check(story, &directory, &format!("dispute {at} of seed {seed}"));
            assert_eq!(Some(Day::of(story.acts[0].occurred_at)), disputes.opened_on(at));
            assert!(story.acts.iter().all(|act| Day::of(act.occurred_at).year() == 2024), "{}", told(story));
        }
        let (uses, budget) = (disputes.uses(), budget());
        assert_eq!(uses.settled, budget.settled);
        assert_eq!((uses.confirmations, uses.sessions), (budget.confirmations, budget.sessions));
        assert_eq!((uses.online, uses.online_settled), (budget.online, budget.online_settled));
        assert_eq!(uses.confirmations, count(&stories, "JudicialConfirmationGranted"));
        assert_eq!(uses.sessions, count(&stories, "PsychSessionHeld"));
        assert_eq!(uses.petitions, count(&stories, "PetitionReceived"));
        assert_eq!(uses.warnings, count(&stories, "RiskWarningRaised"));
        assert_eq!(uses.grid_events, count(&stories, "GridEventReported"));
        assert_eq!(uses.grid_events, count(&stories, "GridEventClosed"));
        let outcomes = stories.iter().filter(|story| {
            let outcome = judge(&story.acts, &directory, rules(), end_of_year()).outcome;
            outcome.is_some_and(|outcome| SUCCESS.contains(&outcome))
        });
        assert_eq!(u64::try_from(outcomes.count()).unwrap(), budget.settled);
        let chains: BTreeSet<_> = stories.iter().map(|story| story.chain).collect();
        assert_eq!(chains.len(), stories.len());
        let with_defects = stories.iter().filter(|story| !story.planted.is_empty()).count();
        assert!((1..stories.len() / 20).contains(&with_defects), "{with_defects} of {}", stories.len());
    }
}

#[test]
fn every_flow_occurs_and_one_seed_is_one_year() {
    let directory = directory();
    let dealt: BTreeMap<&str, u64> =
        flow::deal(&budget()).into_iter().map(|(flow, count)| (flow.name, count)).collect();
    assert_eq!(dealt.values().filter(|count| **count == 0).count(), 0, "{dealt:?}");
    let year = |seed| {
        let disputes = Disputes::new(&directory, 2024, seed, &Budget { settled: 40, ..budget() });
        (0..disputes.len()).map(|at| disputes.story(at).unwrap()).collect::<Vec<Story>>()
    };
    let first = year(7);
    assert_eq!(first, year(7));
    assert_ne!(first, year(8));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    /// Of any dispute, with any defect, at any instant.
    #[test]
    fn what_comes_later_changes_no_judgement(
        flow in 0..FLOWS.len(), defect in proptest::option::of(0..defects().count()), seed in 0..1_000_u64,
        cut in any::<prop::sample::Index>(), part in 0..=4_i64,
    ) {
        let (directory, days) = (directory(), working_days(2024));
        let (flow, kinds) = (&FLOWS[flow], defects().collect::<Vec<_>>());
        let window = flow.window(&days);
        let day = window[usize::try_from(seed).unwrap() % window.len()];
        let defect = defect.and_then(|at| kinds.get(at)).copied();
        let story = flow.tell(&directory, seed, seed, day, defect);
        let acts = story.or_else(|| flow.tell(&directory, seed, seed, day, None)).unwrap().acts;
        // An instant between an act and the next, or up to a quarter of a year after the last.
        let known = cut.index(acts.len()) + 1;
        let from = acts[known - 1].occurred_at;
        let to = acts.get(known).map_or(from + 90 * 86_400, |next| next.occurred_at - 1).max(from);
        let moment = Moment { as_of: from + (to - from) / 4 * part, known_at: None };
        let before = judge(&acts[..known], &directory, rules(), moment);
        prop_assert_eq!(&before, &judge(&acts, &directory, rules(), moment));
        let recorded = Moment { known_at: Some(acts[known - 1].recorded_at), ..moment };
        prop_assert_eq!(before, judge(&acts, &directory, rules(), recorded));
    }

    /// Of any dispute, with any defect.
    #[test]
    fn folding_act_by_act_gives_the_same_as_folding_in_one_go(
        flow in 0..FLOWS.len(), defect in proptest::option::of(0..defects().count()), seed in 0..1_000_u64,
    ) {
        let (directory, kinds) = (directory(), defects().collect::<Vec<_>>());
        let (flow, day) = (&FLOWS[flow], Day::parse("2024-05-20").unwrap());
        let story = flow.tell(&directory, seed, seed, day, defect.and_then(|at| kinds.get(at)).copied());
        let acts = story.or_else(|| flow.tell(&directory, seed, seed, day, None)).unwrap().acts;
        let (mut standing, mut history) = (Standing::default(), Vec::new());
        for (at, act) in acts.iter().enumerate() {
            standing.apply(act);
            history.push(act.clone());
            prop_assert_eq!(&standing, &acts[..=at].iter().collect::<Standing>());
        }
        let (grown, whole) = (
            judge(&history, &directory, rules(), end_of_year()),
            judge(&acts, &directory, rules(), end_of_year()),
        );
        prop_assert_eq!(grown, whole);
        prop_assert_eq!(standing.len(), acts.len());
    }
}

/// Seeds for each flow.
const SEEDS: u64 = 8;

/// Outcomes that count as settled (§2.3 A of the business reference).
const SUCCESS: &[&str] = &[
    "MEDIATED",
    "CONFIRMED",
    "CONFIRMED_AND_ENFORCED",
    "COURT_MEDIATED",
    "ARBITRATION_MEDIATED",
    "RECONSIDERATION_MEDIATED",
    "CRIMINAL_RECONCILED",
    "PAID",
];
