//! Figures of what the judge works out.

use super::table::Ledger;
use crate::figures::Report;

/// Chains with something for every operational row.
pub(super) const CHAINS: [&str; 3] = [
    r#"
    2024-03-04 XF-FL PETO PetitionReceived {"form": "VISIT", "kind": "CLAIM", "headcount": 1, "direct": true, "origin": "DIRECT", "petitioners": ["P-1"]}
    2024-03-04 XF-FL PETO PetitionForwarded {"@time": "10:00", "target": "TG-FL-SA", "delivered_on": "2024-03-05", "importance": "NORMAL", "petition": {"step": 1}}
    2024-03-06 TG-FL-SA ADM HandoffAccepted {"@time": "10:00", "proposal": {"step": 2}}
    2024-03-25 TG-FL-SA ADM PetitionAccepted {"notice_on": "2024-03-25", "petition": {"step": 1}}
    "#,
    r#"
    2024-05-06 ZC-ZS REG DisputeRegistered {"channel": "WALK_IN", "division": "360203", "parties": []}
    2024-05-06 ZC-ZS REG HandoffProposed {"@time": "11:00", "mode": "DELEGATION", "target": "PMC-ZS-XC", "purpose": "MEDIATION"}
    2024-05-06 PMC-ZS-XC MED HandoffReturned {"@time": "15:00", "proposal": {"step": 2}, "reason": "R2"}
    2024-05-20 ZC-ZS DIR DisputeClosed {"outcome": "MEDIATED", "ground": "FULL_PERFORMANCE"}
    "#,
    r#"
    2024-06-03 TC-ZS-XC REG DisputeRegistered {"channel": "WALK_IN", "division": "360203006", "parties": []}
    2024-06-03 PMC-ZS-XC MED MediationAgreementSigned {"kind": "PEOPLE", "mediator": "M", "effective_on": "2024-06-03", "enforceable": true, "mode": "ON_SITE", "form": "WRITTEN"}
    2024-06-03 PMC-ZS-XC MED ObligationRecorded {"basis": {"step": 2}, "terms": [{"obligation_id": "O1", "obligor": "P-1", "kind": "PAYMENT", "due_on": "2024-06-30"}], "instalments": false}
    2024-06-20 PMC-ZS-XC MED ObligationPerformed {"obligation_ids": ["O1"], "mode": "VOLUNTARY", "in_full": true}
    2024-06-21 TC-ZS-XC TCOM DisputeClosed {"outcome": "MEDIATED", "ground": "FULL_PERFORMANCE"}
    "#,
];

fn report(chains: &[&str]) -> Report {
    Ledger::of(chains).report(2024, "2024-12-31")
}

/// Numerator and denominator of a row.
fn of(id: &str, chains: &[&str]) -> Option<(i128, i128)> {
    let report = report(chains);
    let row = report.operational.iter().find(|row| row.id == id).unwrap();
    row.exact.map(|exact| (exact.numerator, exact.denominator))
}

#[test]
fn a_small_city_has_every_operational_figure() {
    let report = report(&CHAINS);
    let found: Vec<String> = report.operational.iter().map(|row| format!("{} {}", row.id, row.computed)).collect();
    assert_eq!(
        found,
        [
            "O-1 0.00%",
            "O-2 —",
            "O-3a 100.00%",
            "O-3b 5.3",
            "O-4 50.00%",
            "O-5 100.00%",
            "O-6 100.00%",
            "O-7 0.00%",
            "O-8 0",
            "O-9 0.00%",
            "O-10 100.00%",
            "O-11 50.00%",
        ]
    );
    assert!(report.operational.iter().all(|row| row.en.is_some() && row.agrees.is_none() && row.published.is_none()));
}

#[test]
fn a_notice_is_placed_by_its_limit_and_counts_when_given_by_it() {
    let petition = |forwarded: &str, more: &str| {
        format!(
            r#"{forwarded} XF-FL PETO PetitionForwarded {{"target": "TG-FL-SA", "delivered_on": "{forwarded}", "importance": "NORMAL"}}
            {more}"#
        )
    };
    let accepted = |on: &str| format!(r#"{on} TG-FL-SA ADM PetitionAccepted {{"notice_on": "{on}"}}"#);
    let withdrawn = |on: &str| format!(r#"{on} XF-FL PETO PetitionWithdrawn"#);
    let of = |more: &str| of("O-1", &[&petition("2024-03-04", more)]);
    assert_eq!(of(&accepted("2024-03-19")), Some((1, 1)), "on the last day");
    assert_eq!(of(&accepted("2024-03-20")), Some((0, 1)));
    assert_eq!(of(""), Some((0, 1)));
    assert_eq!(of(&withdrawn("2024-03-19")), None, "fell away by its limit");
    assert_eq!(of(&withdrawn("2024-03-20")), Some((0, 1)), "was due when it fell away");
    let late = petition("2024-12-20", "");
    assert_eq!(super::operational::of("O-1", &[&late]), None, "due in the next year");
    let early = Ledger::of(&[&petition("2024-03-04", "")]);
    let due = |as_of: &str| {
        let report = early.report(2024, as_of);
        report.operational.first().unwrap().exact.map(|exact| exact.denominator)
    };
    assert_eq!((due("2024-03-18"), due("2024-03-19")), (None, Some(1)), "not due before the instant of the report");
}

#[test]
fn a_procedure_is_placed_by_the_act_that_ended_it() {
    let mediation = |accepted: &str, ended: &str| {
        format!(
            r#"{accepted} PMC-ZS-XC MED MediationAccepted {{"kind": "PEOPLE"}}
            {ended} PMC-ZS-XC MED MediationFailed"#
        )
    };
    let of = |accepted, ended| of("O-2", &[&mediation(accepted, ended)]);
    assert_eq!(of("2024-03-04", "2024-04-04"), Some((1, 1)));
    assert_eq!(of("2024-03-04", "2024-04-18"), Some((0, 1)));
    assert_eq!(of("2023-12-20", "2024-01-03"), Some((1, 1)));
    assert_eq!(of("2024-12-20", "2025-01-03"), None);
}

#[test]
fn a_handoff_that_was_taken_back_is_in_neither_part() {
    let proposed =
        r#"2024-05-06 ZC-ZS REG HandoffProposed {"mode": "DELEGATION", "target": "PMC-ZS-XC", "purpose": "MEDIATION"}"#;
    let of = |answer: &str| of("O-3a", &[&format!("{proposed}\n{answer}")]);
    assert_eq!(of(r#"2024-05-09 PMC-ZS-XC MED HandoffAccepted {"proposal": {"step": 1}}"#), Some((1, 1)));
    assert_eq!(of(r#"2024-05-10 PMC-ZS-XC MED HandoffAccepted {"proposal": {"step": 1}}"#), Some((0, 1)));
    assert_eq!(of(""), Some((0, 1)));
    assert_eq!(of(r#"2024-05-07 ZC-ZS REG HandoffRecalled {"proposal": {"step": 1}, "reason": "OTHER_TARGET"}"#), None);
}

#[test]
fn answers_take_working_hours_and_the_median_of_an_even_number_is_the_mean_of_two() {
    let handoff = |answer: &str| {
        format!(
            r#"2024-05-06 ZC-ZS REG HandoffProposed {{"@time": "09:00", "mode": "DELEGATION", "target": "PMC-ZS-XC", "purpose": "MEDIATION"}}
            {answer} PMC-ZS-XC MED HandoffAccepted {{"@time": "10:00", "proposal": {{"step": 1}}}}"#
        )
    };
    let (one, eight, fifteen) = (handoff("2024-05-06"), handoff("2024-05-07"), handoff("2024-05-08"));
    let unanswered =
        r#"2024-05-06 ZC-ZS REG HandoffProposed {"mode": "DELEGATION", "target": "PMC-ZS-XC", "purpose": "MEDIATION"}"#;
    let hours = |chains: &[&str]| {
        let report = report(chains);
        report.operational.iter().find(|row| row.id == "O-3b").unwrap().computed.clone()
    };
    assert_eq!(hours(&[&one, &fifteen, &eight, unanswered]), "8.0");
    assert_eq!(hours(&[&one, &eight]), "4.5");
    assert_eq!(hours(&[unanswered]), "—");
    let delivered = one.replace(r#""purpose""#, r#""delivered_on": "2024-05-06", "purpose""#).replace("09:00", "08:00");
    assert_eq!(hours(&[&delivered]), "1.5", "from the opening of the office on the day of delivery");
}

#[test]
fn returns_are_told_apart_by_reason_and_the_parts_add_up() {
    let proposed =
        r#"2024-05-06 ZC-ZS REG HandoffProposed {"mode": "DELEGATION", "target": "PMC-ZS-XC", "purpose": "MEDIATION"}"#;
    let returned = |reason: &str| {
        format!("{proposed}\n2024-05-07 PMC-ZS-XC MED HandoffReturned {{\"proposal\": {{\"step\": 1}}{reason}}}")
    };
    let chains = [returned(r#", "reason": "R2""#), returned(r#", "reason": "R2""#), returned(""), proposed.to_owned()];
    let report = report(&chains.each_ref().map(String::as_str));
    let row = report.operational.iter().find(|row| row.id == "O-4").unwrap();
    assert_eq!(row.computed, "75.00%");
    let parts: Vec<(Option<&str>, u64)> = row.parts.iter().map(|part| (part.code.as_deref(), part.count)).collect();
    assert_eq!(parts, [(None, 1), (Some("R2"), 2)]);
    assert_eq!(row.parts.last().unwrap().zh, Some("材料不齐"));
}

#[test]
fn an_agreement_that_renews_obligations_is_no_second_success() {
    let agreement = r#"PMC-ZS-XC MED MediationAgreementSigned {"kind": "PEOPLE", "mediator": "M", "effective_on": "2024-06-03", "enforceable": true, "mode": "ON_SITE", "form": "WRITTEN"}"#;
    let recorded = |basis: u64, more: &str| {
        format!(
            r#"PMC-ZS-XC MED ObligationRecorded {{"basis": {{"step": {basis}}}, "terms": [], "instalments": false{more}}}"#
        )
    };
    let chain = |more: &str| {
        format!(
            "2024-06-03 {agreement}\n2024-06-03 {}\n2024-07-03 {agreement}\n2024-07-03 {}\n2024-08-01 PMC-ZS-XC MED MediationFailed {{}}",
            recorded(1, ""),
            recorded(3, more)
        )
    };
    assert_eq!(of("O-5", &[&chain(r#", "replaces": ["O1"]"#)]), Some((1, 2)));
    assert_eq!(of("O-5", &[&chain("")]), Some((2, 3)));
}

#[test]
fn an_obligation_counts_by_its_due_day_and_how_it_was_performed() {
    let recorded = r#"2024-06-03 PMC-ZS-XC MED ObligationRecorded {"terms": [{"obligation_id": "O1", "obligor": "P-1", "kind": "PAYMENT", "due_on": "2024-06-30"}], "instalments": false}"#;
    let performed = |date: &str, mode: &str, in_full: bool| {
        format!(
            r#"{date} CT-ZS EXEC ObligationPerformed {{"obligation_ids": ["O1"], "mode": "{mode}", "in_full": {in_full}}}"#
        )
    };
    let waived =
        |date: &str| format!(r#"{date} CT-ZS EXEC ObligationWaived {{"obligation_ids": ["O1"], "waived_by": "P-2"}}"#);
    let applied = r#"2024-07-05 CT-ZS JAST EnforcementApplied {"applicant": "P-2", "title": "JUDGMENT", "obligation_ids": ["O1"]}"#;
    let of = |acts: &[&str]| of("O-6", &[&[&[recorded], acts].concat().join("\n")]);
    assert_eq!(of(&[&performed("2024-07-10", "VOLUNTARY", true)]), Some((1, 1)), "late, and without enforcement");
    assert_eq!(of(&[&performed("2024-06-10", "VOLUNTARY", false)]), Some((0, 1)));
    assert_eq!(of(&[&performed("2024-07-10", "ENFORCED", true)]), Some((0, 1)));
    assert_eq!(of(&[applied, &performed("2024-07-10", "VOLUNTARY", true)]), Some((0, 1)));
    assert_eq!(of(&[&performed("2024-07-04", "INSURER_PAID", true), applied]), Some((1, 1)));
    assert_eq!(of(&[&waived("2024-06-30")]), None);
    assert_eq!(of(&[&waived("2024-07-01")]), Some((0, 1)));
}

#[test]
fn a_civil_dispute_turned_criminal_when_it_did_not_begin_so() {
    let incident = |class: &str| {
        format!(
            r#"2024-02-01 GA-LP-JD POL PoliceIncidentReceived {{"incident_number": "1", "incident_class": "{class}"}}"#
        )
    };
    let registered =
        r#"2024-02-02 ZC-LP REG DisputeRegistered {"channel": "WALK_IN", "division": "360281", "parties": []}"#;
    let opened = r#"2024-02-03 GA-LP-JD POL CriminalCaseOpened {"number": "1"}"#;
    let chain = |acts: &[&str]| acts.join("\n");
    let chains = [
        chain(&[registered, opened, opened]),
        chain(&[&incident("A_CIVIL"), registered, opened]),
        chain(&[&incident("C_CRIME"), registered, opened]),
        chain(&[opened, registered]),
    ];
    assert_eq!(of("O-8", &chains.each_ref().map(String::as_str)), Some((2, 1)));
}

#[test]
fn petitioners_come_repeatedly_on_one_chain_or_on_linked_ones() {
    let petition = |date: &str, petitioner: &str, more: &str| {
        format!(
            r#"{date} XF-LP PETO PetitionReceived {{"form": "VISIT", "kind": "CLAIM", "headcount": 1, "direct": true, "origin": "DIRECT", "petitioners": [{petitioner}]{more}}}"#
        )
    };
    let linked = |other: u8, ground: &str| {
        let other = crate::history::EventId([other; 16]);
        format!(r#"2024-06-01 ZC-LP DIR DisputesLinked {{"chains": ["{other}"], "ground": "{ground}"}}"#)
    };
    let repeated = |chains: &[&str]| of("O-9", chains);
    let once = petition("2024-03-01", r#""P-1""#, "");
    let before = petition("2023-03-01", r#""P-1""#, "");
    let other = petition("2024-04-01", r#""P-2""#, "");
    assert_eq!(repeated(&[&once, &other]), Some((0, 2)));
    assert_eq!(repeated(&[&format!("{before}\n{once}")]), Some((1, 1)), "one of them in the period");
    assert_eq!(repeated(&[&before]), None, "nobody came in the period");
    assert_eq!(repeated(&[&format!("{once}\n{other}")]), Some((0, 2)), "two people, once each");
    let same = petition("2024-04-01", r#""P-2""#, r#", "same_as": {"step": 1}"#);
    assert_eq!(repeated(&[&format!("{once}\n{same}")]), Some((2, 2)));
    assert_eq!(repeated(&[&format!("{once}\n{}", linked(2, "SAME_FACTS")), &other]), Some((2, 2)));
    assert_eq!(repeated(&[&format!("{once}\n{}", linked(2, "SAME_PARTIES")), &other]), Some((0, 2)));
    let hub = format!("{}\n{}", linked(1, "SAME_FACTS"), linked(2, "SAME_FACTS"));
    assert_eq!(repeated(&[&before, &other, &hub]), Some((1, 1)), "through a chain without petitions");
}

#[test]
fn the_first_lead_is_that_of_the_second_working_day_or_of_closing() {
    let registered =
        r#"2024-05-06 ZC-ZS REG DisputeRegistered {"channel": "WALK_IN", "division": "360203", "parties": []}"#;
    let assigned = |date: &str, from: &str, to: &str| {
        format!(
            r#"{date} ZC-ZS DIR LeadAgencyAssigned {{"new_lead": "{to}", "previous_lead": "{from}", "previous_released": true, "reason": "COMPETENCE"}}"#
        )
    };
    let closed = |date: &str, outcome: &str| {
        format!(r#"{date} ZC-ZS DIR DisputeClosed {{"outcome": "{outcome}", "ground": "FULL_PERFORMANCE"}}"#)
    };
    let of = |id: &str, acts: &[&str]| of(id, &[&[&[registered], acts].concat().join("\n")]);
    let end = closed("2024-06-03", "MEDIATED");
    assert_eq!(of("O-10", &[&end]), Some((1, 1)));
    assert_eq!(of("O-10", &[&assigned("2024-05-08", "ZC-ZS", "CT-ZS"), &end]), Some((1, 1)), "still on the second day");
    assert_eq!(of("O-10", &[&assigned("2024-05-09", "ZC-ZS", "CT-ZS"), &end]), Some((0, 1)));
    assert_eq!(of("O-10", &[&closed("2024-06-03", "ADJUDICATED")]), Some((0, 1)));
    assert_eq!(of("O-10", &[&closed("2025-01-03", "MEDIATED")]), None);
    let reopened = r#"2024-07-01 ZC-ZS DIR DisputeReopened {"restored_lead": "ZC-ZS"}"#;
    assert_eq!(of("O-10", &[&end, reopened]), None);
    assert_eq!(of("O-10", &[&end, reopened, &closed("2024-08-01", "PAID")]), Some((1, 1)));
    assert_eq!(of("O-11", &[&assigned("2024-05-07", "ZC-ZS", "TC-ZS-XC"), &end]), Some((0, 1)), "a county center led");
    let township = registered.replace("ZC-ZS", "TC-ZS-XC");
    assert_eq!(super::operational::of("O-11", &[&format!("{township}\n{end}")]), Some((1, 1)));
}
