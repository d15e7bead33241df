//! What the platform's clock has to note, and that noting it changes no finding.

use mediation_proto::mediation::types::v1::{AgencyKind, LateReason};

use super::{
    directory, fixture,
    table::{case, clocks_of, findings, findings_of, handoffs},
};
use crate::{
    admit::{Caller, admit},
    calendar::{Day, format_instant, parse_instant},
    case::StepNumber,
    directory::{Agency, Directory},
    history::Recorded,
    judge::{Judgement, Lapse, Lapses, Moment, judge, lapses},
    standing::Standing,
};

/// A center hands a matter over on a Tuesday: the answer window of HD-1 ends on Friday 2024-03-08.
const PROPOSED: &str = r#"
    2024-03-04 ZC-ZS REG DisputeRegistered {"division": "360203006", "dispute_type": "LEASE"}
    2024-03-05 ZC-ZS REG HandoffProposed {"mode": "TRANSFER", "target": "RS-LP", "purpose": "LABOUR_MATTER", "legal_basis": "x"}
"#;

/// A rent is to be paid by 2024-06-30.
const OWED: &str = r#"
    2024-03-04 ZC-ZS REG DisputeRegistered {"division": "360203006", "dispute_type": "LEASE"}
    2024-03-26 PMC-ZS MED ObligationRecorded {"terms": [{"obligation_id": "O1", "kind": "PAYMENT", "amount": 6840000, "due_on": "2024-06-30"}], "instalments": false}
"#;

const LATE_IN_2024: &str = "2024-12-31T00:00:00+08:00";

fn history(acts: &str) -> Vec<Recorded> {
    case("2025-12-31", acts).history(&StepNumber::event_id).unwrap()
}

fn at(history: &[Recorded], instant: &str) -> Lapses {
    lapses(history, &directory(), fixture(), parse_instant(instant).unwrap())
}

/// Lapses, one a line: `event step [obligation] due by agency at instant`; then `next instant`, if there is one.
fn lines(lapses: &Lapses) -> Vec<String> {
    let line = |lapse: &Lapse| {
        let step = (1..100).find(|step| StepNumber::from(*step).event_id() == lapse.cause).unwrap();
        let obligation = lapse.obligation.as_deref().map(|id| format!(" {id}")).unwrap_or_default();
        let occurred_at = format_instant(lapse.occurred_at);
        format!("{} {step}{obligation} due {} by {} at {occurred_at}", lapse.event, lapse.due, lapse.agency)
    };
    let next = lapses.next.map(|next| format!("next {}", format_instant(next)));
    lapses.come.iter().map(line).chain(next).collect()
}

fn found(acts: &str, instant: &str) -> Vec<String> {
    lines(&at(&history(acts), instant))
}

/// The history with everything on it that the clock would have noted by an instant, as it would have noted it.
fn noted(acts: &str, instant: &str) -> Vec<Recorded> {
    let mut history = history(acts);
    for lapse in at(&history, instant).come {
        let number = u32::try_from(history.len() + 1).unwrap();
        let caller = Caller { agency: lapse.agency.clone(), kind: AgencyKind::GovernanceCenter };
        let standing: Standing = history.iter().collect();
        admit(&caller, &standing, &directory(), lapse.occurred_at, &lapse.act).unwrap();
        history.push(Recorded {
            revision: u64::from(number - 1),
            event_id: StepNumber::from(number).event_id(),
            agency: lapse.agency,
            occurred_at: lapse.occurred_at,
            recorded_at: parse_instant(instant).unwrap() * 1_000,
            act: lapse.act,
        });
    }
    history
}

fn judged(history: &[Recorded], as_of: &str) -> Judgement {
    judge(history, &directory(), fixture(), Moment::end_of(Day::parse(as_of).unwrap()))
}

#[test]
fn an_answer_window_lapses_at_midnight_after_its_last_day() {
    assert_eq!(found(PROPOSED, "2024-03-08T23:59:59+08:00"), ["next 2024-03-09T00:00:00+08:00"]);
    assert_eq!(
        found(PROPOSED, "2024-03-09T00:00:00+08:00"),
        ["HandoffTimedOut 2 due 2024-03-08 by ZC-ZS at 2024-03-09T00:00:00+08:00"]
    );
}

#[test]
fn the_windows_of_petitions_and_courts_are_their_own() {
    for (proposal, clock, due) in [
        (r#"XF-LP PETO PetitionForwarded {"target": "RS-LP"}"#, "XF-4", "2024-03-12"),
        (
            r#"CT-ZS JAST HandoffProposed {"mode": "DELEGATION", "target": "PMC-ZS", "purpose": "PRE_FILING_MEDIATION"}"#,
            "TJ-9",
            "2024-03-08",
        ),
    ] {
        let acts = format!("2024-03-04 ZC-ZS REG DisputeRegistered {{}}\n2024-03-05 {proposal}");
        let lapses = at(&history(&acts), "2024-04-01");
        let act = lapses.come.first().unwrap().act.event().unwrap().1;
        assert_eq!((act.text("clock_id"), act.text("due_on")), (Some(clock), Some(due)));
    }
}

#[test]
fn an_answered_or_recalled_window_does_not_lapse_however_late_the_answer() {
    for answer in [
        r#"2024-03-08 RS-LP ADM HandoffAccepted {"proposal": {"step": 2}}"#,
        r#"2024-03-08 RS-LP ADM HandoffReturned {"proposal": {"step": 2}, "reason": "R1"}"#,
        r#"2024-03-07 ZC-ZS REG HandoffRecalled {"proposal": {"step": 2}}"#,
        r#"2024-03-11 RS-LP ADM HandoffAccepted {"proposal": {"step": 2}}"#,
    ] {
        assert!(found(&format!("{PROPOSED}\n{answer}"), "2024-04-01").is_empty(), "{answer}");
    }
}

#[test]
fn a_window_is_noted_once_also_when_the_note_was_withdrawn() {
    let timed_out =
        r#"2024-03-09 ZC-ZS SYS HandoffTimedOut {"proposal": {"step": 2}, "clock_id": "HD-1", "due_on": "2024-03-08"}"#;
    let withdrawn = r#"2024-03-11 ZC-ZS DIR RecordCorrected {"target": {"step": 3}, "withdrawn": true}"#;
    for more in [timed_out.to_owned(), format!("{timed_out}\n{withdrawn}")] {
        assert!(found(&format!("{PROPOSED}\n{more}"), "2024-04-01").is_empty(), "{more}");
    }
}

#[test]
fn a_window_that_cannot_be_suspended_lapses_all_the_same() {
    let suspended = r#"2024-03-06 ZC-ZS DIR ClockSuspended {"clock_id": "HD-1", "ground": "FORCE_MAJEURE"}"#;
    assert_eq!(found(&format!("{PROPOSED}\n{suspended}"), "2024-04-01"), found(PROPOSED, "2024-04-01"));
}

#[test]
fn a_withdrawn_proposal_does_not_lapse() {
    let withdrawn = r#"2024-03-06 ZC-ZS DIR RecordCorrected {"target": {"step": 2}, "withdrawn": true}"#;
    assert!(found(&format!("{PROPOSED}\n{withdrawn}"), "2024-04-01").is_empty());
}

#[test]
fn history_that_is_entered_after_the_limit_brings_its_own_time_outs() {
    for (acts, last_ms) in [
        (PROPOSED, Day::parse("2024-03-08").unwrap().end() * 1_000 + 999),
        (OWED, Day::parse("2024-06-30").unwrap().end() * 1_000 + 999),
    ] {
        for (recorded_at, expected) in [(last_ms, 1), (last_ms + 1, 0)] {
            let mut history = history(acts);
            history.last_mut().unwrap().recorded_at = recorded_at;
            assert_eq!(at(&history, LATE_IN_2024).come.len(), expected);
        }
    }
}

#[test]
fn a_closed_chain_still_has_its_open_windows_and_obligations() {
    let closed = r#"2024-03-27 ZC-ZS DIR DisputeClosed {"outcome": "MEDIATED", "ground": "NO_OBLIGATION"}"#;
    assert_eq!(found(&format!("{PROPOSED}\n{closed}"), LATE_IN_2024).len(), 1);
    assert_eq!(found(&format!("{OWED}\n{closed}"), LATE_IN_2024).len(), 1);
}

#[test]
fn a_time_out_opens_the_duty_to_escalate_and_changes_no_finding() {
    let note = noted(PROPOSED, "2024-03-09T00:00:00+08:00");
    let (with, without) = (judged(&note, "2024-03-20"), judged(&history(PROPOSED), "2024-03-20"));
    assert_eq!(clocks_of(&with, "HD-4"), ["HD-4 2024-03-09→2024-03-11 OPEN 9 (3…-)"]);
    assert_eq!(handoffs(&with), handoffs(&without));
    assert_eq!(findings_of(&with, "F-HANDOFF-TIMEOUT"), findings_of(&without, "F-HANDOFF-TIMEOUT"));
    // The one finding whose rule names the act: it stands at the time-out, against the same center.
    assert_eq!(findings_of(&with, "F-NO-ESCALATION"), ["F-NO-ESCALATION 3 ZC-ZS HD-4 +9 M"]);
    assert_eq!(findings_of(&without, "F-NO-ESCALATION"), ["F-NO-ESCALATION 2 ZC-ZS HD-4 +9 M"]);
}

#[test]
fn an_obligation_lapses_at_midnight_after_its_day_with_what_is_left_of_it() {
    assert_eq!(found(OWED, "2024-06-30T23:59:59+08:00"), ["next 2024-07-01T00:00:00+08:00"]);
    assert_eq!(
        found(OWED, "2024-07-01T00:00:00+08:00"),
        ["ObligationDefaulted 2 O1 due 2024-06-30 by ZC-ZS at 2024-07-01T00:00:00+08:00"]
    );
    let part =
        r#"2024-06-28 PMC-ZS MED ObligationPerformed {"obligation_ids": ["O1"], "amount": 6000000, "in_full": false}"#;
    let lapses = at(&history(&format!("{OWED}\n{part}")), "2024-07-01");
    let act = lapses.come.first().unwrap().act.event().unwrap().1;
    assert_eq!(super::super::chain::values(act, "obligation_ids").count(), 1);
    assert!(matches!(act.named("amount_open"), Some(mediation_proto::fields::Value::Int(840_000))));
}

#[test]
fn an_obligation_that_is_settled_or_in_default_does_not_lapse() {
    for settled in [
        r#"2024-06-30 PMC-ZS MED ObligationPerformed {"obligation_ids": ["O1"], "in_full": true}"#,
        r#"2024-07-02 PMC-ZS MED ObligationPerformed {"obligation_ids": ["O1"], "in_full": true}"#,
        r#"2024-06-01 PMC-ZS MED ObligationWaived {"obligation_ids": ["O1"], "ground": "WRITTEN_WAIVER"}"#,
        r#"2024-07-01 PMC-ZS MED ObligationDefaulted {"obligation_ids": ["O1"]}"#,
        r#"2024-06-01 PMC-ZS MED RecordCorrected {"target": {"step": 2}, "withdrawn": true}"#,
    ] {
        assert!(found(&format!("{OWED}\n{settled}"), "2024-07-10").is_empty(), "{settled}");
    }
    let replaced = r#"2024-06-01 PMC-ZS MED ObligationRecorded {"terms": [{"obligation_id": "P1", "due_on": "2024-09-30"}], "instalments": false, "replaces": ["O1"]}"#;
    assert_eq!(found(&format!("{OWED}\n{replaced}"), "2024-07-10"), ["next 2024-10-01T00:00:00+08:00"]);
}

#[test]
fn a_default_that_was_withdrawn_is_not_declared_again() {
    let withdrawn = r#"
        2024-07-01 ZC-ZS SYS ObligationDefaulted {"obligation_ids": ["O1"]}
        2024-07-03 ZC-ZS DIR RecordCorrected {"target": {"step": 3}, "withdrawn": true}"#;
    assert!(found(&format!("{OWED}\n{withdrawn}"), "2024-07-10").is_empty());
}

#[test]
fn instalments_lapse_one_by_one() {
    let term = |id: &str, due_on: &str| format!(r#"{{"obligation_id": "{id}", "due_on": "{due_on}"}}"#);
    let terms = [("O1", "2024-04-08"), ("O2", "2024-05-08"), ("O3", "2024-05-08"), ("O4", "2024-06-08")];
    let terms = terms.map(|(id, due_on)| term(id, due_on)).join(", ");
    let acts = format!(
        r#"
        2024-03-04 ZC-ZS REG DisputeRegistered {{"division": "360203", "dispute_type": "LEASE"}}
        2024-03-26 PMC-ZS MED ObligationRecorded {{"terms": [{terms}], "instalments": true}}
        2024-04-08 PMC-ZS MED ObligationPerformed {{"obligation_ids": ["O1"], "in_full": true}}"#
    );
    assert_eq!(
        found(&acts, "2024-05-09T08:00:00+08:00"),
        [
            "ObligationDefaulted 2 O2 due 2024-05-08 by ZC-ZS at 2024-05-09T00:00:00+08:00",
            "ObligationDefaulted 2 O3 due 2024-05-08 by ZC-ZS at 2024-05-09T00:00:00+08:00",
            "next 2024-06-09T00:00:00+08:00",
        ]
    );
}

#[test]
fn an_obligation_on_an_event_lapses_after_the_day_of_the_event() {
    let owed = OWED.replace(r#""due_on": "2024-06-30""#, r#""due_event": "CriminalReconciliationAgreementSigned""#);
    assert!(found(&owed, LATE_IN_2024).is_empty());
    let signed = format!("{owed}\n2024-08-27 PR-CJ PROS CriminalReconciliationAgreementSigned {{}}");
    assert_eq!(found(&signed, "2024-08-27T18:00:00+08:00"), ["next 2024-08-28T00:00:00+08:00"]);
    assert_eq!(found(&signed, "2024-08-28").len(), 1);
    // Entered the day after: then the history speaks for itself.
    let mut late = history(&signed);
    late.last_mut().unwrap().recorded_at = Day::parse("2024-08-28").unwrap().begin() * 1_000;
    assert!(at(&late, "2024-09-28").come.is_empty());
}

#[test]
fn a_default_under_an_enforceable_title_opens_the_time_for_enforcement_from_the_due_day() {
    let title = "2024-04-01 CT-ZS JUDGE JudicialConfirmationGranted {}";
    let acts = format!("{OWED}\n{title}");
    let note = noted(&acts, "2024-07-01T00:00:00+08:00");
    assert_eq!(clocks_of(&judged(&note, "2024-07-20"), "ZX-1"), ["ZX-1 2024-06-30→2026-06-30 OPEN 0 (4…-)"]);
    assert!(clocks_of(&judged(&history(&acts), "2024-07-20"), "ZX-1").is_empty());
    assert_eq!(findings(&judged(&note, "2024-07-20")), findings(&judged(&history(&acts), "2024-07-20")));
}

#[test]
fn an_act_of_a_later_business_time_is_looked_at_when_its_time_comes() {
    let answer = r#"2024-03-20 RS-LP ADM HandoffAccepted {"proposal": {"step": 2}}"#;
    let acts = format!("{PROPOSED}\n{answer}");
    assert_eq!(
        found(&acts, "2024-03-11"),
        ["HandoffTimedOut 2 due 2024-03-08 by ZC-ZS at 2024-03-09T00:00:00+08:00", "next 2024-03-20T00:00:00+08:00",]
    );
}

#[test]
fn the_center_that_recorded_last_answers_for_the_chain_then_the_lead_then_the_division() {
    let proposal =
        r#"2024-03-05 CT-ZS JAST HandoffProposed {"mode": "DELEGATION", "target": "PMC-ZS", "purpose": "MEDIATION"}"#;
    for (acts, center) in [
        ("2024-03-04 ZC-ZS REG DisputeRegistered {}\n2024-03-04 ZC-JDZ DIR RiskWarningEscalated {}", "ZC-JDZ"),
        ("2024-03-04 TC-ZS-XC REG DisputeRegistered {\"division\": \"360203006\"}", "ZC-ZS"),
        ("2024-03-04 CT-LP REG DisputeRegistered {\"division\": \"360281104203\"}", "ZC-LP"),
        ("2024-03-04 CT-LP REG DisputeRegistered {\"division\": \"360200\"}", "ZC-JDZ"),
        // A division without a center of its own falls to the city.
        ("2024-03-04 CT-LP REG DisputeRegistered {\"division\": \"360299\"}", "ZC-JDZ"),
        // Without a registration the division of the agency that opened the chain tells.
        ("2024-03-04 XF-FL PETO PetitionReceived {\"kind\": \"CLAIM\"}", "ZC-FL"),
        (
            "2024-03-04 TC-LP-JD REG DisputeRegistered {\"division\": \"360281\"}\n2024-03-04 TC-LP-JD TCOM LeadAgencyAssigned {\"new_lead\": \"ZC-JDZ\", \"previous_lead\": \"TC-LP-JD\", \"previous_released\": true}",
            "ZC-JDZ",
        ),
    ] {
        // Acts of the very day of the lapse come after it.
        let later = "2024-03-09 ZC-CJ DIR RiskWarningEscalated {}";
        let lapses = at(&history(&format!("{acts}\n{proposal}\n{later}")), "2024-04-01");
        let agencies: Vec<&str> = lapses.come.iter().map(|lapse| lapse.agency.as_str()).collect();
        assert_eq!(agencies, [center], "{acts}");
    }
}

#[test]
fn where_no_center_can_answer_nothing_is_noted() {
    // In another province nobody is a center of this city.
    let acts = r#"
        2024-03-04 CT-ZS REG DisputeRegistered {"division": "110101"}
        2024-03-05 CT-ZS JAST HandoffProposed {"mode": "DELEGATION", "target": "PMC-ZS", "purpose": "MEDIATION"}"#;
    assert!(found(acts, "2024-04-01").is_empty());
    let mut directory = Directory::default();
    let nowhere = Agency { kind: AgencyKind::GovernanceCenter, name: "无区划".to_owned(), division: String::new() };
    directory.insert("ZC-X", nowhere);
    let as_of = parse_instant("2024-04-01").unwrap();
    assert!(lapses(&history(acts), &directory, fixture(), as_of).come.is_empty());
}

#[test]
fn an_accusation_is_told_to_no_center_that_is_not_on_the_chain() {
    let accusation = r#"
        2024-03-04 XF-LP PETO PetitionReceived {"kind": "ACCUSATION"}
        2024-03-05 XF-LP PETO PetitionForwarded {"target": "RS-LP"}"#;
    assert!(found(accusation, "2024-04-01").is_empty());
    let escalated = format!("{accusation}\n2024-03-06 ZC-LP DIR RiskWarningEscalated {{}}");
    assert_eq!(found(&escalated, "2024-04-01").len(), 1);
}

#[test]
fn a_note_that_comes_days_late_says_why() {
    let reason = |history: &[Recorded], instant| {
        at(history, instant).come.first().unwrap().act.header.as_ref().unwrap().late_reason
    };
    let untouched = history(PROPOSED);
    // Three working days after Saturday the 9th: Monday to Wednesday.
    assert_eq!(reason(&untouched, "2024-03-13T23:59:59+08:00"), None);
    assert_eq!(reason(&untouched, "2024-03-14T00:00:00+08:00"), Some(LateReason::SystemOutage as i32));
    let touched = history(&format!("{PROPOSED}\n2024-03-11 ZC-ZS DIR RiskWarningEscalated {{}}"));
    assert_eq!(reason(&touched, "2024-03-14T00:00:00+08:00"), Some(LateReason::Other as i32));
    let noted = noted(PROPOSED, "2024-03-14T00:00:00+08:00");
    assert!(findings_of(&judged(&noted, "2024-03-20"), "F-BACKDATED").is_empty());
}

#[test]
fn what_is_noted_is_not_found_again() {
    for acts in [PROPOSED, OWED] {
        let noted = noted(acts, LATE_IN_2024);
        assert_eq!(noted.len(), 3);
        assert_eq!(at(&noted, LATE_IN_2024), Lapses::default());
    }
}

#[test]
fn the_cases_which_bring_their_own_acts_have_nothing_more_to_note() {
    // Recorded as the cases say, at the time of each act; judged at their end.
    let mut lines = Vec::new();
    for case in super::cases() {
        let history = case.history(&StepNumber::event_id).unwrap();
        let as_of = Day::parse(&case.as_of).unwrap().end();
        let found = lapses(&history, &directory(), fixture(), as_of);
        lines.extend(found.come.iter().map(|lapse| format!("{}: {} {:?}", case.case, lapse.event, lapse.obligation)));
    }
    assert_eq!(lines, Vec::<String>::new());
}

#[test]
fn the_order_of_an_agencys_own_entries_is_not_judged_by_what_the_clock_notes_late() {
    let visited = r#"2024-07-03 ZC-ZS REG FollowUpVisited {"satisfaction": "SATISFIED", "relapse_signs": false}"#;
    let acts = format!("{OWED}\n{visited}");
    let mut noted = noted(&acts, "2024-07-04T08:00:00+08:00");
    let note = noted.last_mut().unwrap();
    assert!(note.occurred_at < Day::parse("2024-07-03").unwrap().begin());
    // As another agency's act it would be out of order; as the keeper's it says nothing of how the center keeps its book.
    assert_eq!(findings_of(&judged(&noted, "2024-07-10"), "F-BACKDATED"), ["F-BACKDATED 4 ZC-ZS M ORDER"]);
    let note = noted.last_mut().unwrap();
    note.event_id.0[6] = 0x80;
    assert!(findings_of(&judged(&noted, "2024-07-10"), "F-BACKDATED").is_empty());
}
