//! Chains as text, one act a line, and what is told of them.
#![expect(clippy::indexing_slicing, reason = "a row that is not there fails the test")]

use super::*;
use crate::{
    case::StepNumber,
    history::{EventId, Recorded},
    judge::{
        ChainKey,
        tests::{directory, fixture, table::case},
    },
};

const BREACHES: &str = r#"
    2024-03-01 ZC-ZS REG BreachReported {"incident": ["LEAK"], "discovered_on": "2024-02-28", "data_kinds": ["CONTACT"], "persons_affected": 3, "authority_notified_on": "2024-03-01"}
    2024-03-04 ZC-ZS HEAD BreachReported {"incident": ["LEAK", "LOSS"], "discovered_on": "2024-02-27", "data_kinds": ["CONTACT", "HEALTH"], "persons_affected": 40, "earlier": {"step": 1}, "harm_avoided": true, "no_notice_reason": "已加密"}
    2024-03-05 ZC-ZS HEAD BreachReported {"incident": ["TAMPERING"], "discovered_on": "2024-03-05", "data_kinds": ["DISPUTE"], "persons_affected": 1, "persons_notified_on": "2024-03-05"}
    2024-03-06 ZC-ZS HEAD BreachReported {"incident": ["LOSS"], "discovered_on": "2024-03-06", "data_kinds": ["OTHER"], "persons_affected": 900}
    2024-03-07 ZC-ZS DIR RecordCorrected {"target": {"step": 4}, "withdrawn": true}
"#;

fn day(text: &str) -> Day {
    Day::parse(text).unwrap()
}

fn history(acts: &str) -> Vec<Recorded> {
    let mut history = case("2025-12-31", acts).history(&StepNumber::event_id).unwrap();
    // Only the platform executes, and its event ids are of their own version.
    for act in &mut history {
        if act.act.event().is_some_and(|(kind, _)| kind.event == "ErasureExecuted") {
            act.event_id = EventId([0x80; 16]);
        }
    }
    history
}

fn key(number: u8) -> ChainKey {
    ChainKey([number; 16])
}

/// What is told of chains, which have the ids 1, 2 and so on.
fn told(from: Option<&str>, to: &str, chains: &[&str]) -> Report {
    let period = Period { from: from.map(day), to: day(to) };
    let mut tally = Tally::new(period);
    let mut backwards = [Tally::new(period), Tally::new(period)];
    for (acts, number) in chains.iter().zip(1..) {
        tally.take(key(number), &history(acts), &directory(), Some(fixture()));
    }
    for (acts, number) in chains.iter().zip(1..).collect::<Vec<_>>().into_iter().rev() {
        let at = usize::from(number) % 2;
        backwards[at].take(key(number), &history(acts), &directory(), Some(fixture()));
    }
    let report = tally.report();
    let [mut one, other] = backwards;
    one.merge(other);
    assert_eq!(one.report(), report, "the order in which chains go by does not matter");
    report
}

#[test]
fn nothing_is_told_of_an_empty_ledger() {
    let report = told(None, "2024-12-31", &[]);
    assert_eq!((report.agencies.len(), report.sums()), (0, Sums::default()));
}

#[test]
fn a_breach_counts_once_and_its_last_report_holds() {
    let report = told(None, "2024-12-31", &[BREACHES]);
    let breaches = &report.agencies["ZC-ZS"].breaches;
    assert_eq!(breaches.len(), 2, "one report completes another, and one was withdrawn");
    let first = &breaches[0];
    assert_eq!((first.reports, first.discovered_on, first.persons_affected), (2, day("2024-02-27"), 40));
    assert_eq!((&first.incidents, &first.data_kinds), (&vec!["LEAK", "LOSS"], &vec!["CONTACT", "HEALTH"]));
    assert_eq!((first.authority_days, first.persons_days), (Some(3), None), "from the day that the last report names");
    assert_eq!((first.is_harm_avoided, first.no_notice_reason.as_deref()), (true, Some("已加密")));
    assert_eq!((first.place.chain.as_deref(), first.place.revision), (Some(key(1).to_string().as_str()), Some(1)));
    assert_eq!((breaches[1].authority_days, breaches[1].persons_days), (None, Some(0)));
    let sums = report.sums();
    assert_eq!((sums.breaches, sums.persons_affected), (2, 41));
    assert_eq!((sums.authority_not_told, sums.persons_not_told), (1, 1));
}

#[test]
fn a_report_of_another_agency_completes_nothing() {
    let other = r#"2024-03-08 ZC-LP HEAD BreachReported {"incident": ["LEAK"], "discovered_on": "2024-03-08", "data_kinds": ["CONTACT"], "persons_affected": 5}
        2024-03-09 ZC-ZS HEAD BreachReported {"incident": ["LEAK"], "discovered_on": "2024-03-09", "data_kinds": ["CONTACT"], "persons_affected": 7, "earlier": {"step": 1}}"#;
    let report = told(None, "2024-12-31", &[other]);
    assert_eq!((report.agencies["ZC-LP"].breaches.len(), report.agencies["ZC-ZS"].breaches.len()), (1, 1));
}

#[test]
fn a_reason_that_was_frozen_is_not_told() {
    let frozen = format!(
        r#"{BREACHES}
        2024-03-08 ZC-ZS HEAD ErasureOrdered {{"measure": "FREEZE", "order_no": "1", "scope": "PART", "basis": "SUBJECT_REQUEST", "legal_basis": "x", "steps": [{{"step": 2}}], "parts": ["NARRATIVE"]}}"#
    );
    let report = told(None, "2024-12-31", &[&frozen]);
    let breach = &report.agencies["ZC-ZS"].breaches[0];
    assert_eq!((breach.is_reason_given, breach.no_notice_reason.as_deref()), (true, None));
}

#[test]
fn only_what_began_in_the_period_is_told() {
    let report = told(Some("2024-02-28"), "2024-03-04", &[BREACHES]);
    assert_eq!(report.sums(), Sums::default(), "the second report moved the discovery before the period");
    let before = told(Some("2024-02-28"), "2024-03-03", &[BREACHES]);
    assert_eq!((before.sums().breaches, before.sums().persons_affected), (1, 3), "the second report is not known yet");
}

#[test]
fn an_assessment_is_kept_for_three_years_and_longer_when_it_says_so() {
    let acts = r#"
        2024-03-05 ZC-ZS HEAD ImpactAssessed {"occasions": ["SENSITIVE", "ABROAD"], "risk": "LEVEL_2", "assessed_on": "2024-03-01", "kept_until": "2027-03-01"}
        2024-03-05 ZC-ZS HEAD ImpactAssessed {"occasions": ["ENTRUSTING"], "risk": "LEVEL_4", "assessed_on": "2024-03-02", "kept_until": "2025-01-01"}
        2024-03-05 ZC-ZS HEAD ImpactAssessed {"occasions": ["PUBLISHING"], "risk": "LEVEL_4", "assessed_on": "2024-03-03", "kept_until": "2040-01-01"}
    "#;
    let kept = |to: &str| {
        let report = told(None, to, &[acts]);
        report.agencies["ZC-ZS"].assessments.iter().map(|row| row.is_kept).collect::<Vec<_>>()
    };
    assert_eq!(kept("2027-03-01"), [true, true, true]);
    assert_eq!(kept("2027-03-02"), [false, true, true], "the law's three years outlast the day that it names");
    assert_eq!(kept("2027-03-03"), [false, false, true]);
    let report = told(None, "2024-12-31", &[acts]);
    let rows = &report.agencies["ZC-ZS"].assessments;
    assert_eq!(rows.iter().map(|row| row.is_kept_too_short).collect::<Vec<_>>(), [false, true, false]);
    assert_eq!((&rows[0].occasions, rows[0].risk), (&vec!["SENSITIVE", "ABROAD"], Some("LEVEL_2")));
    assert_eq!((report.sums().assessments, report.sums().assessments_kept), (3, 3));
}

/// Requests, each on a chain of its own, of 2024-09-23: the last day to answer is 2024-10-17.
const REQUESTS: [&str; 3] = [
    r#"2024-09-23 ZC-ZS REG SubjectRequestReceived {"right": "ACCESS"}
    2024-10-21 ZC-ZS HEAD SubjectRequestDecided {"request": {"step": 1}, "decision": "REFUSED"}"#,
    r#"2024-09-23 ZC-ZS REG SubjectRequestReceived {"right": "COPY"}
    2024-09-24 ZC-ZS HEAD SubjectRequestDecided {"request": {"step": 1}, "decision": "PARTLY_GRANTED"}"#,
    r#"2024-09-23 ZC-ZS REG SubjectRequestReceived {"right": "ERASE"}"#,
];

#[test]
fn requests_are_in_time_or_not_by_the_clock() {
    let report = told(None, "2024-10-22", &REQUESTS);
    let rows = &report.agencies["ZC-ZS"].requests;
    let states: Vec<_> = rows.iter().map(|row| (row.right.unwrap(), row.state, row.days_late)).collect();
    assert_eq!(
        states,
        [("ACCESS", Timeliness::Late, 4), ("COPY", Timeliness::InTime, 0), ("ERASE", Timeliness::Overdue, 5)]
    );
    assert!(rows.iter().all(|row| row.due == Some(day("2024-10-17"))));
    assert_eq!((rows[0].decision, rows[1].decision, rows[2].decision), (Some("REFUSED"), Some("PARTLY_GRANTED"), None));
    let sums = report.sums();
    assert_eq!((sums.requests, sums.requests_decided, sums.requests_granted), (3, 2, 1));
    assert_eq!((sums.requests_in_time, sums.requests_late, sums.requests_open, sums.requests_overdue), (1, 1, 0, 1));
    let before = told(None, "2024-10-17", &REQUESTS).sums();
    assert_eq!((before.requests_open, before.requests_overdue), (2, 0), "the last day is not over");
}

/// The clock runs for one request of an agency on a chain at a time, and the answer to another one ends it.
#[test]
fn of_several_requests_at_once_on_one_chain_it_is_not_said_what_the_clock_does_not_say() {
    let both = r#"2024-09-23 ZC-ZS REG SubjectRequestReceived {"right": "ACCESS"}
        2024-09-24 ZC-ZS REG SubjectRequestReceived {"right": "COPY"}
        2024-09-25 ZC-ZS HEAD SubjectRequestDecided {"request": {"step": 2}, "decision": "GRANTED"}"#;
    let report = told(None, "2024-12-31", &[both]);
    let states: Vec<_> = report.agencies["ZC-ZS"].requests.iter().map(|row| (row.state, row.decision)).collect();
    assert_eq!(states, [(Timeliness::Unjudged, None), (Timeliness::Unjudged, Some("GRANTED"))]);
}

#[test]
fn a_request_by_rules_that_are_not_known_is_not_judged() {
    let period = Period { from: None, to: day("2024-12-31") };
    let mut tally = Tally::new(period);
    tally.take(key(1), &history(REQUESTS[0]), &directory(), None);
    let sums = tally.report().sums();
    assert_eq!((sums.requests, sums.requests_decided, sums.requests_unjudged), (1, 1, 1));
}

/// An order on the own chain of a test, by the number of its line.
fn order(date: &str, measure: &str, basis: &str, more: &str) -> String {
    format!(
        r#"{date} ZC-ZS HEAD ErasureOrdered {{"measure": "{measure}", "order_no": "{date}", "scope": "CHAIN", "basis": "{basis}", "legal_basis": "x"{more}}}"#
    )
}

#[test]
fn of_an_order_it_is_told_who_countersigned_it_and_what_hinders_it() {
    let registered = r#"2024-03-01 ZC-ZS REG DisputeRegistered {"channel": "WALK_IN", "summary": "x"}"#;
    let erase = order("2024-03-02", "ERASE", "COURT_ORDER", "");
    let signed = r#"2024-03-03 CT-ZS HEAD ErasureCountersigned {"order": {"step": 2}}"#;
    let freeze = order("2024-03-04", "FREEZE", "SUBJECT_REQUEST", "");
    let lift = order("2024-03-05", "LIFT", "SUBJECT_REQUEST", r#", "lifts": {"step": 4}"#);
    let own = [registered, &erase, signed, &freeze, &lift].join("\n");
    let hold = format!(
        r#"2024-03-01 CT-ZS HEAD LegalHoldPlaced {{"ground": "LITIGATION", "until_on": "2024-06-30", "chains": ["{}"]}}"#,
        key(1)
    );
    let report = told(None, "2024-06-30", &[&own, &hold]);
    let rows = &report.agencies["ZC-ZS"].orders;
    let states: Vec<_> = rows.iter().map(|row| (row.measure.unwrap(), row.state, row.is_countersigned)).collect();
    assert_eq!(
        states,
        [
            ("ERASE", Some(OrderState::InForce), true),
            ("FREEZE", Some(OrderState::Lifted), false),
            ("LIFT", None, false)
        ]
    );
    let hindered = rows[0].hindered.as_ref().unwrap();
    assert_eq!((hindered.by, hindered.until), (Hinders::Hold, Some(day("2024-06-30"))));
    assert_eq!(report.agencies["CT-ZS"].holds[0].until, Some(day("2024-06-30")));
    let sums = report.sums();
    assert_eq!((sums.frozen, sums.erased, sums.lifted, sums.countersigned), (1, 1, 1, 1));
    assert_eq!((sums.hindered, sums.holds, sums.executed), (1, 1, 0));
    let later = told(None, "2024-07-01", &[&own, &hold]).sums();
    assert_eq!((later.hindered, later.holds), (0, 0), "the hold is over");
}

#[test]
fn an_erasure_that_is_carried_out_is_hindered_by_nothing_and_retention_hinders() {
    let petition = r#"2024-03-01 XF-ZS PETO PetitionReceived {"form": "VISIT", "kind": "CLAIM", "headcount": 1}"#;
    let erase = order("2024-03-02", "ERASE", "SUBJECT_REQUEST", "");
    let signed = r#"2024-03-03 CT-ZS HEAD ErasureCountersigned {"order": {"step": 2}}"#;
    let executed = r#"2024-03-04 ZC-ZS SYS ErasureExecuted {"scope": "CHAIN", "basis": "SUBJECT_REQUEST", "legal_basis": "x", "keys": ["ab"], "order": {"step": 2}}"#;
    let waiting = [petition, &erase, signed].join("\n");
    let report = told(None, "2024-12-31", &[&waiting]);
    let hindered = report.agencies["ZC-ZS"].orders[0].hindered.clone().unwrap();
    assert_eq!((hindered.by, hindered.until), (Hinders::Retention, None));
    let done = [petition, &erase, signed, executed].join("\n");
    let report = told(None, "2024-12-31", &[&done]);
    let row = &report.agencies["ZC-ZS"].orders[0];
    assert_eq!((row.state, row.hindered.as_ref()), (Some(OrderState::Executed), None));
    assert_eq!(report.sums().executed, 1);
}

fn reading(purpose: &str, grade: &str, reader: &str, chain: u8) -> String {
    format!(
        r#"2024-03-01 ZC-ZS SYS RecordAccessed {{"reader_agency": "CT-ZS", "reader": "{reader}", "reader_role": "JUDGE", "chain": "{}", "parts": ["ACT"], "grade": "{grade}", "purpose": "{purpose}", "rule": "V-1"}}"#,
        key(chain)
    )
}

#[test]
fn readings_count_for_the_agency_of_the_reader_whoever_signed_the_record() {
    let acts = [
        reading("HANDLING", "F", "CT-ZS/1", 7),
        reading("HANDLING", "F", "CT-ZS/1", 7),
        reading("HANDLING", "R", "CT-ZS/1", 7),
        reading("EXPORT", "F", "CT-ZS/2", 7),
        reading("EXPORT", "F", "CT-ZS/2", 7),
        reading("EXPORT", "F", "CT-ZS/2", 8),
        r#"2024-03-02 ZC-ZS SYS AccessDenied {"reader_agency": "CT-ZS", "refusal": "NOT_ON_CHAIN", "attempts": 5}"#
            .to_owned(),
        r#"2024-03-02 ZC-ZS SYS AccessDenied {"reader_agency": "CT-ZS", "refusal": "NOT_ON_CHAIN"}"#.to_owned(),
    ];
    let report = told(None, "2024-12-31", &[&acts.join("\n")]);
    assert_eq!(report.agencies.len(), 1);
    let account = &report.agencies["CT-ZS"];
    let readings: Vec<_> = account.readings.iter().map(|row| (row.purpose, row.grade, row.count)).collect();
    assert_eq!(
        readings,
        [(Some("EXPORT"), Some("F"), 3), (Some("HANDLING"), Some("F"), 2), (Some("HANDLING"), Some("R"), 1)]
    );
    assert_eq!(account.refusals, [Refusals { refusal: Some("NOT_ON_CHAIN"), count: 2, attempts: 6 }]);
    assert_eq!(account.exports, [Exports { reader: "CT-ZS/2".to_owned(), count: 3, chains: 2 }]);
    assert_eq!((report.sums().readings, report.sums().attempts_refused, report.sums().exports), (6, 6, 3));
}

#[test]
fn a_restricted_chain_is_counted_and_not_named() {
    let accusation =
        r#"2024-03-01 XF-ZS PETO PetitionReceived {"form": "VISIT", "kind": "ACCUSATION", "headcount": 1}"#;
    let breach = r#"2024-03-02 XF-ZS HEAD BreachReported {"incident": ["LEAK"], "discovered_on": "2024-03-02", "data_kinds": ["CONTACT"], "persons_affected": 2, "no_notice_reason": "x"}"#;
    let freeze = order("2024-03-04", "FREEZE", "SUBJECT_REQUEST", "");
    let request = r#"2024-03-05 XF-ZS REG SubjectRequestReceived {"right": "ACCESS"}"#;
    let hold =
        r#"2024-03-06 XF-ZS HEAD LegalHoldPlaced {"ground": "AUDIT", "until_on": "2030-01-01", "chains": ["x"]}"#;
    let report = told(None, "2024-12-31", &[&[accusation, breach, &freeze, request, hold].join("\n")]);
    let written = serde_json::to_string(&report.agencies).unwrap();
    assert!(!written.contains(&key(1).to_string()), "{written}");
    let (bureau, center) = (&report.agencies["XF-ZS"], &report.agencies["ZC-ZS"]);
    assert!(bureau.breaches[0].is_reason_given && bureau.breaches[0].no_notice_reason.is_none());
    assert!(center.orders[0].place.is_restricted && center.orders[0].number.is_none());
    let sums = report.sums();
    assert_eq!((sums.breaches, sums.frozen, sums.requests, sums.holds), (1, 1, 1, 1));
}
