//! What the engine makes of the semantics of the clock table.

use super::table::{clocks, clocks_of, findings, findings_of, handoffs, judged};

#[test]
fn an_unanswered_handoff_times_out_and_must_be_escalated() {
    let judgement = judged(
        "2024-03-20",
        r#"
        2024-03-04 ZC-ZS REG DisputeRegistered
        2024-03-04 ZC-ZS REG HandoffProposed {"mode": "TRANSFER", "target": "RS-LP", "purpose": "LABOUR_MATTER", "legal_basis": "x", "delivered_on": "2024-03-05"}
        "#,
    );
    assert_eq!(
        clocks(&judgement),
        ["HD-1 2024-03-05→2024-03-08 OPEN 12 (2…-)", "HD-4 2024-03-09→2024-03-11 OPEN 9 (-…-)",]
    );
    assert_eq!(handoffs(&judgement), ["2 TIMED_OUT - +12"]);
    assert_eq!(findings(&judgement), ["F-HANDOFF-TIMEOUT 2 RS-LP HD-1 +12 M", "F-NO-ESCALATION 2 ZC-ZS HD-4 +9 M"]);
}

#[test]
fn a_recorded_timeout_is_the_start_of_the_escalation_even_when_it_comes_later() {
    let judgement = judged(
        "2024-03-20",
        r#"
        2024-03-04 ZC-ZS REG DisputeRegistered
        2024-03-04 ZC-ZS REG HandoffProposed {"mode": "TRANSFER", "target": "RS-LP", "purpose": "LABOUR_MATTER", "legal_basis": "x"}
        2024-03-12 CT-ZS JAST FilingMaterialReceived {"suit": "CIVIL"}
        2024-03-12 TC-ZS-XC SYS HandoffTimedOut {"proposal": {"step": 2}, "clock_id": "HD-1", "due_on": "2024-03-07"}
        2024-03-13 ZC-ZS DIR HandoffEscalated {"proposal": {"step": 2}, "timeout": {"step": 4}, "level": "TOWNSHIP"}
        2024-03-15 RS-LP ADM HandoffAccepted {"proposal": {"step": 2}}
        "#,
    );
    assert_eq!(clocks_of(&judgement, "HD-4"), ["HD-4 2024-03-08→2024-03-11 LATE 2 (4…5)"]);
    assert_eq!(handoffs(&judgement), ["2 ACCEPTED 6 +8"]);
    assert_eq!(findings_of(&judgement, "F-NO-ESCALATION"), ["F-NO-ESCALATION 5 TC-ZS-XC HD-4 +2 M"]);
    assert_eq!(findings_of(&judgement, "F-HANDOFF-TIMEOUT"), ["F-HANDOFF-TIMEOUT 6 RS-LP HD-1 +8 M"]);
}

#[test]
fn a_second_window_without_an_answer_is_critical_and_two_days_are_minor() {
    let acts = |answered: &str| {
        format!(
            r#"
            2024-03-04 ZC-ZS REG DisputeRegistered
            2024-03-04 ZC-ZS REG HandoffProposed {{"mode": "TRANSFER", "target": "RS-LP", "purpose": "LABOUR_MATTER", "legal_basis": "x"}}
            2024-03-08 ZC-ZS DIR HandoffEscalated {{"proposal": {{"step": 2}}, "timeout": {{"step": 2}}, "level": "TOWNSHIP"}}
            {answered} RS-LP ADM HandoffReturned {{"proposal": {{"step": 2}}, "reason": "R1", "documents_returned": ["x"]}}
            "#
        )
    };
    for (answered, finding) in [
        ("2024-03-09", "F-HANDOFF-TIMEOUT 4 RS-LP HD-1 +2 m"),
        ("2024-03-13", "F-HANDOFF-TIMEOUT 4 RS-LP HD-1 +6 M"),
        ("2024-03-14", "F-HANDOFF-TIMEOUT 4 RS-LP HD-1 +7 C"),
    ] {
        assert_eq!(findings(&judged("2024-03-20", &acts(answered))), [finding]);
    }
}

#[test]
fn windows_of_special_handoffs_override_the_general_one_only_while_they_hold() {
    let forwarded = |date: &str, as_of: &str| {
        let acts = format!(
            r#"{date} XF-FL PETO PetitionForwarded {{"target": "TG-FL-SA", "delivered_on": "{date}", "legal_basis": "x"}}"#
        );
        clocks(&judged(as_of, &acts))
    };
    assert_eq!(
        forwarded("2024-04-18", "2024-04-18"),
        ["XF-3 2024-04-18→2024-05-03 OPEN 0 (1…-)", "XF-4 2024-04-18→2024-04-25 OPEN 0 (1…-)",]
    );
    assert_eq!(forwarded("2022-04-18", "2022-04-18"), ["HD-1 2022-04-18→2022-04-21 OPEN 0 (1…-)"]);
}

#[test]
fn a_failed_mediation_gives_the_police_a_new_period_also_past_the_first() {
    let judgement = judged(
        "2024-09-30",
        r#"
        2024-07-01 GA-LP-JD POL PublicSecurityCaseAccepted {"number": "1"}
        2024-08-20 PMC-LP-JD MED MediationFailed {"reason": "AMOUNT", "routes_told": ["LITIGATION"]}
        2024-09-20 GA-LP-JD POL PublicSecurityPenaltyDecided {"number": "2", "civil_route_told": true}
        "#,
    );
    assert_eq!(
        clocks(&judgement),
        ["GA-1 2024-07-01→2024-07-31 VOID 0 (1…2)", "GA-1 2024-08-20→2024-09-19 LATE 1 (2…3)",]
    );
    assert_eq!(findings(&judgement), ["F-OVERDUE 3 GA-LP-JD GA-1 +1 M"]);
}

#[test]
fn editions_of_a_clock_follow_one_another() {
    let judgement = judged(
        "2026-02-20",
        r#"
        2025-12-20 GA-LP-JD POL PublicSecurityCaseAccepted {"number": "1"}
        2026-01-05 GA-LP-JD POL PublicSecurityCaseAccepted {"number": "1b"}
        2026-01-10 PMC-LP-JD MED MediationFailed {"reason": "AMOUNT", "routes_told": ["LITIGATION"]}
        "#,
    );
    assert_eq!(
        clocks(&judgement),
        ["GA-1 2025-12-20→2026-01-19 VOID 0 (1…3)", "GA-1n 2026-01-10→2026-02-09 OPEN 11 (3…-)",]
    );
    assert_eq!(findings(&judgement), ["O-OVERDUE 3 GA-LP-JD GA-1n +11 O"]);
}

#[test]
fn every_department_that_was_whistled_for_answers_for_itself() {
    let judgement = judged(
        "2024-03-12",
        r#"
        2024-03-04 TC-ZS-XC TCOM WhistleBlown {"level": "WORK", "departments": ["GA-CJ", "NR-LP", "ZJ-ZS"]}
        2024-03-06 GA-CJ POL WhistleAnswered {"whistle": {"step": 1}, "arrived_at": "2024-03-06T10:00:00+08:00", "others": [{"agency": "NR-LP"}]}
        "#,
    );
    assert_eq!(
        clocks(&judgement),
        [
            "WG-4a 2024-03-04→2024-03-07 MET 0 (1…2)",
            "WG-4a 2024-03-04→2024-03-07 MET 0 (1…2)",
            "WG-4a 2024-03-04→2024-03-07 OPEN 5 (1…-)",
        ]
    );
    assert_eq!(findings(&judgement), ["F-OVERDUE 1 ZJ-ZS WG-4a +5 m"]);
}

#[test]
fn a_repeated_start_opens_nothing_but_for_another_agency_or_procedure() {
    let judgement = judged(
        "2024-03-05",
        r#"
        2024-03-04 CT-ZS JAST FilingMaterialReceived {"@procedure_no": "a"}
        2024-03-05 CT-ZS JAST FilingMaterialReceived {}
        2024-03-05 CT-ZS JAST FilingMaterialReceived {"@procedure_no": "b"}
        2024-03-05 CT-LP JAST FilingMaterialReceived {}
        "#,
    );
    assert_eq!(
        clocks(&judgement),
        [
            "SS-1 2024-03-04→2024-03-11 OPEN 0 (1…-)",
            "SS-1 2024-03-05→2024-03-12 OPEN 0 (3…-)",
            "SS-1 2024-03-05→2024-03-12 OPEN 0 (4…-)",
        ]
    );
}

#[test]
fn an_act_ends_the_instance_that_it_names_before_an_older_one() {
    let judgement = judged(
        "2024-03-30",
        r#"
        2024-03-04 PR-LP PROS SupervisionApplied {"@procedure_no": "a", "ground": "ENFORCEMENT"}
        2024-03-05 PR-LP PROS SupervisionApplied {"@procedure_no": "b", "ground": "ENFORCEMENT"}
        2024-03-08 PR-LP PROS ProceduralReplySent {"answers": {"step": 2}}
        "#,
    );
    assert_eq!(
        clocks_of(&judgement, "JC-1"),
        ["JC-1 2024-03-04→2024-03-11 OPEN 19 (1…-)", "JC-1 2024-03-05→2024-03-12 MET 0 (2…3)",]
    );
}

#[test]
fn a_conversion_keeps_the_day_of_filing() {
    let judgement = judged(
        "2024-05-02",
        r#"
        2024-03-04 CT-LP JUDGE CaseFiled {"case_number": "(2024)赣0281民初1号", "number_type": "MIN_CHU", "procedure": "SIMPLE"}
        2024-03-06 CT-LP JAST ComplaintServed {"served_on": "2024-03-06"}
        2024-05-01 CT-LP JUDGE ProcedureConverted {"from": "SIMPLE", "to": "ORDINARY"}
        "#,
    );
    assert_eq!(clocks_of(&judgement, "SS-5"), ["SS-5 2024-03-04→2024-06-04 VOID 0 (1…3)"]);
    assert_eq!(clocks_of(&judgement, "SS-4"), ["SS-4 2024-03-04→2024-09-04 OPEN 0 (3…-)"]);
}

#[test]
fn an_act_can_end_the_instance_that_it_opened() {
    let judgement = judged(
        "2024-03-30",
        r#"
        2024-03-04 NR-LP ADM AdjudicationAccepted {"number": "1", "respondent_served_on": "2024-03-12"}
        "#,
    );
    assert_eq!(
        clocks(&judgement),
        [
            "CJ-2 2024-03-04→2024-03-11 LATE 1 (1…1)",
            "CJ-3 2024-03-12→2024-04-11 OPEN 0 (1…-)",
            "CJ-4 2024-03-04→2024-09-04 OPEN 0 (1…-)",
        ]
    );
    assert_eq!(findings(&judgement), ["F-OVERDUE 1 NR-LP CJ-2 +1 M"]);
}

#[test]
fn a_date_that_an_act_sets_is_the_limit_and_a_clock_without_one_does_not_open() {
    let judgement = judged(
        "2024-04-30",
        r#"
        2024-04-08 XF-FL PETO PetitionAssigned {"target": "TG-FL-SA", "delivered_on": "2024-04-08", "legal_basis": "x"}
        2024-04-08 XF-FL PETO PetitionAssigned {"target": "TG-LP-X", "delivered_on": "2024-04-08", "report_by": "2024-04-27", "legal_basis": "x"}
        2024-04-25 XF-FL PETO DeadlineExtended {"clock_id": "XF-10", "days": 2, "approver_role": "ISSUER"}
        "#,
    );
    assert_eq!(clocks_of(&judgement, "XF-10"), ["XF-10 2024-04-08→2024-04-29 OPEN 1 (2…-)"]);
}

#[test]
fn a_suspension_needs_a_rule_a_ground_a_document_and_an_end() {
    let judgement = judged(
        "2024-12-31",
        r#"
        2024-03-04 CT-LP JUDGE CaseFiled {"case_number": "(2024)赣0281民初1号", "number_type": "MIN_CHU", "procedure": "ORDINARY"}
        2024-03-05 CT-LP JUDGE ClockSuspended {"clock_id": "SS-4", "ground": "HEARING", "document": {"kind": "x"}}
        2024-03-06 CT-LP JUDGE ClockSuspended {"clock_id": "SS-2", "ground": "APPRAISAL"}
        2024-03-07 CT-LP JAST ComplaintServed {"served_on": "2024-03-07"}
        2024-04-01 CT-LP JUDGE ClockSuspended {"clock_id": "SS-4", "ground": "APPRAISAL", "document": {"kind": "x"}}
        2024-04-10 CT-LP JUDGE ClockResumed {"clock_id": "SS-4", "suspension": {"step": 5}}
        2024-05-01 CT-LP JUDGE ClockSuspended {"clock_id": "SS-4", "ground": "APPRAISAL", "document": {"kind": "x"}}
        2024-06-01 ZC-LP DIR DisputeClosed {"outcome": "WITHDRAWN", "ground": "WITHDRAWAL"}
        "#,
    );
    assert_eq!(clocks_of(&judgement, "SS-4"), ["SS-4 2024-03-04→none VOID 0 (1…8)"]);
    assert_eq!(
        findings_of(&judgement, "F-SUSPENSION-ABUSE"),
        [
            "F-SUSPENSION-ABUSE 2 CT-LP SS-4 M GROUND",
            "F-SUSPENSION-ABUSE 3 CT-LP SS-2 M NOT_ALLOWED,NO_DOCUMENT",
            "F-SUSPENSION-ABUSE 6 CT-LP SS-4 M NO_DOCUMENT",
            "F-SUSPENSION-ABUSE 7 CT-LP SS-4 M NOT_RESUMED",
        ]
    );
}

#[test]
fn days_of_a_hearing_are_not_counted() {
    let judgement = judged(
        "2024-08-13",
        r#"
        2024-07-10 GOV-FL ADM ReReviewRequested {"organ": "GOV-FL"}
        2024-07-20 GOV-FL ADM PetitionHearingHeld {"from": "2024-07-29", "to": "2024-07-31"}
        "#,
    );
    assert_eq!(clocks(&judgement), ["XF-9 2024-07-10→2024-08-12 OPEN 1 (1…-)"]);
}

#[test]
fn an_extension_is_found_with_what_is_wrong_with_it() {
    let judgement = judged(
        "2024-12-31",
        r#"
        2024-03-04 CT-LP JUDGE DeadlineExtended {"clock_id": "SS-4", "days": 1, "approver_role": "HEAD"}
        2024-03-04 CT-LP JUDGE CaseFiled {"case_number": "(2024)赣0281民初1号", "number_type": "MIN_CHU", "procedure": "SMALL_CLAIMS"}
        2024-03-04 CT-LP JAST ComplaintServed {"served_on": "2024-03-04"}
        2024-05-02 CT-LP JUDGE DeadlineExtended {"clock_id": "SS-6", "days": 1, "approver_role": "HEAD", "requested_on": "2024-04-10"}
        2024-05-20 CT-LP JUDGE DeadlineExtended {"clock_id": "SS-6", "days": 1, "approver_role": "HEAD", "requested_on": "2024-05-30"}
        2024-06-05 CT-LP JUDGE DeadlineExtended {"clock_id": "SS-6", "days": 1, "approver_role": "PARTIES"}
        2024-06-06 CT-LP JUDGE JudgmentRendered {"number": "(2024)赣0281民初1号"}
        "#,
    );
    assert_eq!(clocks_of(&judgement, "SS-6"), ["SS-6 2024-03-04→2024-06-04 LATE 2 (2…7)"]);
    assert_eq!(
        findings_of(&judgement, "F-EXTENSION-LATE"),
        [
            "F-EXTENSION-LATE 1 CT-LP SS-4 M NO_CLOCK",
            "F-EXTENSION-LATE 4 CT-LP SS-6 m SS-12",
            "F-EXTENSION-LATE 5 CT-LP SS-6 M TOO_LONG,SS-12",
            "F-EXTENSION-LATE 6 CT-LP SS-6 M LATE,APPROVER,SS-12",
        ]
    );
}

#[test]
fn an_act_that_stands_alone_opens_and_ends_its_right() {
    let judgement = judged(
        "2024-12-31",
        r#"
        2024-06-03 CT-JDZ JAST RetrialApplied {"effective_on": "2023-11-20"}
        2024-06-03 GOV-FL RECON ReconsiderationApplied {"respondent": "NR-LP"}
        "#,
    );
    assert_eq!(clocks_of(&judgement, "SS-9"), ["SS-9 2023-11-20→2024-05-20 LATE 14 (1…1)"]);
    assert!(clocks_of(&judgement, "FY-1").is_empty());
}

#[test]
fn hours_are_counted_to_the_instant() {
    let dispatched = |time: &str| {
        let acts = format!(
            r#"
            2024-03-04 TC-ZS-XC GRID GridEventReported {{"@time": "21:10", "self_handled": false}}
            2024-03-05 TC-ZS-XC TCOM GridEventDispatched {{"@time": "{time}", "target": "PMC-ZS-XC", "report": {{"step": 1}}}}
            "#
        );
        let judgement = judged("2024-03-05", &acts);
        (clocks_of(&judgement, "WG-1"), findings(&judgement))
    };
    let met = "WG-1 2024-03-04→2024-03-05T02:00:00+08:00 MET 0 (1…2)".to_owned();
    assert_eq!(dispatched("02:00"), (vec![met], vec![]));
    let late = "WG-1 2024-03-04→2024-03-05T02:00:00+08:00 LATE 0 (1…2)".to_owned();
    assert_eq!(dispatched("02:01"), (vec![late], vec!["F-OVERDUE 2 TC-ZS-XC WG-1 +0 m".to_owned()]));
}

#[test]
fn a_withdrawn_petition_voids_whoever_records_it_and_the_finding_of_a_passed_limit_stays() {
    let judgement = judged(
        "2024-05-20",
        r#"
        2024-04-01 XF-FL PETO PetitionReceived {"kind": "CLAIM", "direct": true}
        2024-04-18 XF-FL PETO PetitionForwarded {"target": "TG-FL-SA", "delivered_on": "2024-04-18", "petition": {"step": 1}, "legal_basis": "x"}
        2024-05-06 XF-FL PETO PetitionWithdrawn {"petition": {"step": 1}}
        "#,
    );
    assert_eq!(
        clocks(&judgement),
        [
            "XF-1 2024-04-01→2024-04-16 LATE 2 (1…2)",
            "XF-3 2024-04-18→2024-05-03 VOID 3 (2…3)",
            "XF-4 2024-04-18→2024-04-25 VOID 11 (2…3)",
            "HD-4 2024-04-26→2024-04-28 OPEN 22 (-…-)",
        ]
    );
    assert_eq!(
        findings_of(&judgement, "F-OVERDUE"),
        ["F-OVERDUE 2 XF-FL XF-1 +2 M", "F-OVERDUE 3 TG-FL-SA XF-3 +3 M",]
    );
}

#[test]
fn a_mediation_that_comes_back_does_not_void_the_clocks_of_the_petition() {
    let judgement = judged(
        "2024-04-30",
        r#"
        2024-04-18 XF-FL PETO PetitionForwarded {"target": "TG-FL-SA", "delivered_on": "2024-04-18", "legal_basis": "x"}
        2024-04-19 TG-FL-SA ADM HandoffAccepted {"proposal": {"step": 1}}
        2024-04-19 TG-FL-SA ADM PetitionAccepted {"notice_on": "2024-04-19", "routes_told": ["LITIGATION"]}
        2024-04-22 TG-FL-SA ADM HandoffProposed {"mode": "DELEGATION", "target": "PMC-FL-SA", "purpose": "MEDIATION", "legal_basis": "x"}
        2024-04-23 PMC-FL-SA MED HandoffReturned {"proposal": {"step": 4}, "reason": "R3", "documents_returned": ["x"]}
        "#,
    );
    assert_eq!(clocks_of(&judgement, "XF-5"), ["XF-5 2024-04-19→2024-06-18 OPEN 0 (3…-)"]);
}

#[test]
fn a_limit_in_a_year_without_a_calendar_is_provisional() {
    let judgement = judged("2026-12-30", "2026-12-30 CT-ZS JAST FilingMaterialReceived {}");
    let provisional: Vec<bool> = judgement.clocks.iter().map(|run| run.provisional).collect();
    assert_eq!(provisional, [true]);
}
