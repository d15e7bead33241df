//! Longer histories in which several rules meet: own delay, days that roll or do not, late entries, instalments. Every
//! day was counted by hand in the calendar.

use super::table::{clocks, findings, handoffs, judged};

/// What it is about, the day it is judged, the acts, the runs of clocks, the findings.
type Scenario = (&'static str, &'static str, &'static str, &'static [&'static str], &'static [&'static str]);

#[test]
fn every_history_is_judged_as_an_inspector_would() {
    for (name, as_of, acts, expected, found) in SCENARIOS {
        let judgement = judged(as_of, acts);
        assert_eq!(clocks(&judgement), *expected, "{name}");
        assert_eq!(findings(&judgement), *found, "{name}");
    }
}

#[test]
fn an_answer_in_time_that_is_entered_late_voids_the_escalation_that_seemed_due() {
    let judgement = judged(
        "2024-03-30",
        r#"
        2024-03-04 ZC-ZS REG DisputeRegistered {"division": "360203", "parties": [{"subject": "a", "side": "APPLICANT"}]}
        2024-03-05 ZC-ZS REG HandoffProposed {"mode": "TRANSFER", "target": "RS-LP", "purpose": "LABOUR_MATTER", "legal_basis": "x"}
        2024-03-14 CT-ZS JAST MediationConsentRecorded {"rights_told": true, "consents": []}
        2024-03-08 RS-LP ADM HandoffAccepted {"proposal": {"step": 2}, "@late_reason": "OTHER"}
        "#,
    );
    assert_eq!(handoffs(&judgement), ["2 ACCEPTED 4 +0"]);
    assert_eq!(
        clocks(&judgement),
        ["HD-1 2024-03-05→2024-03-08 MET 0 (2…4)", "HD-4 2024-03-09→2024-03-11 VOID 0 (-…4)"]
    );
    assert!(findings(&judgement).is_empty());
}

#[test]
fn obligations_bar_a_closing_by_their_day_and_are_followed_through_default_and_replacement() {
    let judgement = judged(
        "2024-08-31",
        r#"
        2024-03-04 ZC-ZS REG DisputeRegistered {"division": "360203", "parties": [{"subject": "a", "side": "APPLICANT"}]}
        2024-03-05 PMC-ZS MED ObligationRecorded {"instalments": true, "terms": [{"obligation_id": "O1", "due_on": "2024-04-05"}, {"obligation_id": "O2", "due_on": "2024-05-05"}, {"obligation_id": "O3", "due_event": "DisputeClosed"}]}
        2024-04-06 PMC-ZS MED ObligationPerformed {"obligation_ids": ["O1"], "in_full": false, "amount": 1}
        2024-04-07 PMC-ZS MED ObligationDefaulted {"obligation_ids": ["O1", "O2"]}
        2024-04-08 PMC-ZS MED ObligationPerformed {"obligation_ids": ["O1"], "in_full": true}
        2024-05-05 ZC-ZS DIR DisputeClosed {"outcome": "MEDIATED", "ground": "NO_OBLIGATION"}
        2024-05-06 PMC-ZS MED ObligationPerformed {"obligation_ids": ["O2"], "in_full": true}
        2024-05-20 ZC-ZS DIR DisputeReopened {"cause": "DEFAULT", "restored_lead": "PMC-ZS"}
        2024-05-21 PMC-ZS MED ObligationRecorded {"instalments": false, "replaces": ["O3"], "terms": [{"obligation_id": "P1", "due_on": "2024-06-05"}]}
        2024-06-05 ZC-ZS DIR DisputeClosed {"outcome": "MEDIATED", "ground": "DUE_PERFORMED_MONITORED"}
        "#,
    );
    let obligations: Vec<String> = judgement
        .obligations
        .iter()
        .map(|obligation| {
            let due = obligation.due.map(|due| due.to_string()).unwrap_or_default();
            let by = obligation.by.map(|by| (by + 1).to_string()).unwrap_or_default();
            format!("{} {due} {} {by}", obligation.id, obligation.state.code())
        })
        .collect();
    assert_eq!(
        obligations,
        ["O1 2024-04-05 PERFORMED 5", "O2 2024-05-05 PERFORMED 7", "O3 2024-05-05 REPLACED 9", "P1 2024-06-05 OPEN ",]
    );
    assert_eq!(findings(&judgement), ["F-CLOSED-OPEN-OBLIGATION 6 ZC-ZS M O2,O3"]);
}

const SCENARIOS: &[Scenario] = &[
    (
        "a simple procedure that is filed late, extended, converted late, appealed on the last day and enforced",
        "2025-12-31",
        r#"
        2024-03-04 ZC-ZS REG DisputeRegistered {"division": "360203", "parties": [{"subject": "a", "side": "APPLICANT"}]}
        2024-03-04 CT-ZS JAST FilingMaterialReceived {"suit": "CIVIL"}
        2024-03-13 CT-ZS JUDGE CaseFiled {"case_number": "(2024)赣0203民初1号", "number_type": "MIN_CHU", "procedure": "SIMPLE"}
        2024-03-19 CT-ZS JAST ComplaintServed {"served_on": "2024-03-18"}
        2024-05-27 CT-ZS JUDGE DeadlineExtended {"clock_id": "SS-5", "days": 1, "approver_role": "HEAD", "requested_on": "2024-05-27"}
        2024-07-12 CT-ZS JUDGE ProcedureConverted {"from": "SIMPLE", "to": "ORDINARY"}
        2024-07-15 CT-ZS JUDGE HearingHeld {}
        2024-09-12 CT-ZS JUDGE JudgmentRendered {"number": "(2024)赣0203民初1号", "appealable": true, "appeal_told": true, "receipt_on": "2024-09-14"}
        2024-09-29 CT-ZS JAST AppealFiled {"appellants": ["a"], "against": "JUDGMENT", "judgment": {"step": 8}}
        2024-10-15 CT-JDZ JUDGE CaseFiled {"case_number": "(2024)赣02民终1号", "number_type": "MIN_ZHONG", "procedure": "SECOND_INSTANCE"}
        2025-01-16 CT-JDZ JUDGE JudgmentRendered {"number": "(2024)赣02民终1号", "appealable": false}
        2025-01-16 CT-JDZ JAST JudgmentEffective {"effective_on": "2025-01-17"}
        2025-01-17 CT-ZS JUDGE ObligationRecorded {"instalments": false, "terms": [{"obligation_id": "O1", "due_on": "2025-02-01"}]}
        2025-02-05 ZC-ZS SYS ObligationDefaulted {"obligation_ids": ["O1"]}
        2025-03-03 CT-ZS JAST EnforcementApplied {"applicant": "a", "title": "JUDGMENT", "obligation_ids": ["O1"]}
        2025-03-12 CT-ZS EXEC EnforcementFiled {"number": "(2025)赣0203执1号"}
        2025-09-05 CT-ZS EXEC DeadlineExtended {"clock_id": "ZX-3", "days": 4, "approver_role": "HEAD"}
        2025-09-08 CT-ZS EXEC EnforcementMeasureTaken {}
        2025-12-05 CT-ZS EXEC DeadlineExtended {"clock_id": "ZX-3", "days": 1, "approver_role": "SUPERIOR"}
        2025-12-20 CT-ZS EXEC EnforcementCompleted {}
        "#,
        &[
            "SS-1 2024-03-04→2024-03-11 LATE 2 (2…3)",
            "SS-2 2024-03-11→2024-03-18 MET 0 (3…4)",
            "SS-5 2024-03-11→2024-07-11 VOID 1 (3…6)",
            "SS-3 2024-03-18→2024-04-02 LATE 104 (4…7)",
            "SS-4 2024-03-11→2024-09-11 LATE 1 (6…8)",
            "SS-7a 2024-09-14→2024-09-29 MET 0 (8…9)",
            "SS-8a 2024-09-29→2024-12-30 VOID 0 (9…10)",
            "SS-8a 2024-10-15→2025-01-15 LATE 1 (10…11)",
            "SS-9 2025-01-17→2025-07-17 LAPSED 0 (12…-)",
            "ZX-1 2025-02-01→2027-02-01 MET 0 (14…15)",
            "ZX-2 2025-03-03→2025-03-10 LATE 2 (15…16)",
            "ZX-4 2025-03-03→2025-09-03 LATE 5 (15…18)",
            "ZX-3 2025-03-10→2026-01-12 MET 0 (16…20)",
        ],
        &[
            "F-OVERDUE 3 CT-ZS SS-1 +2 M",
            "F-OVERDUE 6 CT-ZS SS-5 +1 M",
            "F-OVERDUE 8 CT-ZS SS-4 +1 M",
            "F-OVERDUE 11 CT-JDZ SS-8a +1 M",
            "F-OVERDUE 16 CT-ZS ZX-2 +2 M",
            "F-EXTENSION-LATE 17 CT-ZS ZX-3 M TOO_LONG",
        ],
    ),
    (
        "an assigned petition through review and re-review with a hearing, terminated and accepted again",
        "2025-06-30",
        r#"
        2024-03-01 XF-FL PETO PetitionReceived {"kind": "CLAIM", "direct": true}
        2024-03-01 XF-FL REG DisputeRegistered {"division": "360222", "parties": [{"subject": "a", "side": "APPLICANT"}]}
        2024-03-18 XF-FL PETO PetitionAssigned {"target": "TG-FL-SA", "delivered_on": "2024-03-19", "report_by": "2024-05-10", "legal_basis": "x", "petition": {"step": 1}}
        2024-03-27 TG-FL-SA ADM HandoffAccepted {"proposal": {"step": 3}}
        2024-04-05 TG-FL-SA ADM PetitionAccepted {"notice_on": "2024-04-05", "routes_told": ["LITIGATION"], "petition": {"step": 1}}
        2024-06-03 TG-FL-SA HEAD PetitionReplied {"receipt_on": "2024-06-05", "review_right_told": true}
        2024-06-05 TG-FL-SA ADM HandoffOutcomeReported {"proposal": {"step": 3}, "success": false}
        2024-07-05 GOV-FL PETO ReviewRequested {}
        2024-08-06 GOV-FL HEAD ReviewDecided {"receipt_on": "2024-08-08", "re_review_right_told": true}
        2024-09-09 GOV-JDZ PETO ReReviewRequested {}
        2024-09-20 GOV-JDZ ADM PetitionHearingHeld {"from": "2024-09-24", "to": "2024-09-26"}
        2024-10-13 GOV-JDZ HEAD ReReviewDecided {}
        2024-10-14 GOV-JDZ HEAD PetitionTerminated {}
        2024-11-01 XF-FL PETO PetitionReceived {"kind": "CLAIM", "direct": true, "same_as": {"step": 1}}
        2024-11-05 XF-FL PETO PetitionAccepted {"notice_on": "2024-11-05", "routes_told": ["LITIGATION"], "petition": {"step": 14}}
        2024-11-06 XF-FL PETO HandoffOutcomeAcknowledged {"report": {"step": 7}}
        2024-12-06 ZC-FL DIR DisputeClosed {"outcome": "PETITION_TERMINATED", "ground": "FINAL_DECISION"}
        "#,
        &[
            "XF-1 2024-03-01→2024-03-16 LATE 2 (1…3)",
            "XF-3 2024-03-19→2024-04-03 LATE 2 (3…5)",
            "XF-4 2024-03-19→2024-03-26 LATE 1 (3…4)",
            "XF-10 2024-03-18→2024-05-10 LATE 24 (3…6)",
            "HD-4 2024-03-27→2024-03-28 VOID 0 (-…4)",
            "XF-5 2024-04-03→2024-06-02 LATE 1 (5…6)",
            "XF-6 2024-06-05→2024-07-05 MET 0 (6…8)",
            "HD-3 2024-06-05→2024-06-11 LATE 148 (7…16)",
            "XF-7 2024-07-05→2024-08-04 LATE 2 (8…9)",
            "XF-8 2024-08-08→2024-09-07 LATE 2 (9…10)",
            "XF-9 2024-09-09→2024-10-12 LATE 1 (10…12)",
            "XF-1 2024-11-01→2024-11-16 MET 0 (14…15)",
            "XF-5 2024-11-05→2025-01-04 VOID 0 (15…17)",
        ],
        &[
            "F-OVERDUE 3 XF-FL XF-1 +2 M",
            "F-HANDOFF-TIMEOUT 4 TG-FL-SA XF-4 +1 m",
            "F-OVERDUE 5 TG-FL-SA XF-3 +2 M",
            "F-OVERDUE 6 TG-FL-SA XF-10 +24 M",
            "F-OVERDUE 6 TG-FL-SA XF-5 +1 M",
            "F-OVERDUE 9 GOV-FL XF-7 +2 M",
            "F-OVERDUE 12 GOV-JDZ XF-9 +1 M",
            "F-REPEAT-ACCEPTED 15 XF-FL m",
            "F-OVERDUE 16 XF-FL HD-3 +148 m",
        ],
    ),
    (
        "a grid event over the National Day holiday, closed without feedback",
        "2024-10-31",
        r#"
        2024-09-30 TC-ZS-XC GRID GridEventReported {"@time": "18:59:59", "self_handled": false}
        2024-09-30 TC-ZS-XC TCOM GridEventDispatched {"@time": "23:00", "target": "ZJ-ZS", "report": {"step": 1}, "level": "COMPLEX"}
        2024-10-09 ZJ-ZS ADM GridEventAccepted {"dispatch": {"step": 2}}
        2024-10-22 ZJ-ZS ADM GridEventHandled {"dispatch": {"step": 2}}
        2024-10-23 TC-ZS-XC TCOM GridEventClosed {"report": {"step": 1}, "self_handled": false}
        "#,
        &[
            "WG-1 2024-09-30→2024-09-30T23:00:00+08:00 MET 0 (1…2)",
            "WG-2 2024-09-30→2024-10-08 LATE 1 (2…3)",
            "WG-3b 2024-10-08→2024-10-21 LATE 2 (3…5)",
        ],
        &["F-OVERDUE 3 ZJ-ZS WG-2 +1 m", "F-MISSING-STEP 5 ZJ-ZS M S4", "F-OVERDUE 5 ZJ-ZS WG-3b +2 m"],
    ),
    (
        "a late objection to a forwarding that is recalled, and another forwarding that nobody answers",
        "2024-04-30",
        r#"
        2024-03-01 XF-FL PETO PetitionReceived {"kind": "CLAIM", "direct": true}
        2024-03-01 XF-FL REG DisputeRegistered {"division": "360222", "parties": [{"subject": "a", "side": "APPLICANT"}]}
        2024-03-04 XF-FL PETO PetitionForwarded {"target": "TG-FL-SA", "delivered_on": "2024-03-04", "legal_basis": "x"}
        2024-03-12 TG-FL-SA ADM PetitionJurisdictionObjected {"proposal": {"step": 3}}
        2024-03-13 XF-FL PETO HandoffRecalled {"proposal": {"step": 3}}
        2024-03-13 XF-FL PETO PetitionForwarded {"target": "GOV-FL", "delivered_on": "2024-03-14", "legal_basis": "x"}
        2024-03-20 ZC-FL DIR DisputeClosed {"outcome": "WITHDRAWN", "ground": "WITHDRAWAL"}
        2024-03-22 ZC-FL SYS HandoffTimedOut {"proposal": {"step": 6}, "clock_id": "XF-4", "due_on": "2024-03-21"}
        2024-03-22 ZC-FL DIR HandoffEscalated {"proposal": {"step": 3}}
        "#,
        &[
            "XF-1 2024-03-01→2024-03-16 MET 0 (1…3)",
            "XF-3 2024-03-04→2024-03-19 VOID 0 (3…5)",
            "XF-4 2024-03-04→2024-03-11 LATE 1 (3…4)",
            "HD-4 2024-03-12→2024-03-13 VOID 0 (-…5)",
            "XF-3 2024-03-14→2024-03-29 VOID 0 (6…7)",
            "XF-4 2024-03-14→2024-03-21 OPEN 40 (6…-)",
            "HD-4 2024-03-22→2024-03-25 OPEN 36 (8…-)",
        ],
        &[
            "F-HANDOFF-TIMEOUT 4 TG-FL-SA XF-4 +1 m",
            "F-HANDOFF-TIMEOUT 6 GOV-FL XF-4 +40 M",
            "F-CLOSED-OPEN-HANDOFF 7 ZC-FL M 6",
            "F-NO-ESCALATION 8 ZC-FL HD-4 +36 M",
            "F-EVENT-AFTER-CLOSE 9 ZC-FL M",
        ],
    ),
    (
        "reconsideration in the simple procedure, accepted late",
        "2024-12-31",
        r#"
        2024-07-01 SF-JDZ RECON ReconsiderationApplied {"respondent": "NR-LP", "applicants": ["a"]}
        2024-07-11 SF-JDZ RECON ReconsiderationAccepted {"number": "n", "procedure": "SIMPLE"}
        2024-07-12 SF-JDZ RECON ReconsiderationServed {"respondent": "NR-LP", "served_on": "2024-07-12"}
        2024-07-22 NR-LP ADM ReconsiderationReplied {}
        2024-08-12 SF-JDZ RECON ReconsiderationMediated {}
        "#,
        &[
            "FY-2 2024-07-01→2024-07-08 LATE 3 (1…2)",
            "FY-5b 2024-07-08→2024-07-11 LATE 1 (2…3)",
            "FY-8 2024-07-08→2024-08-07 LATE 5 (2…5)",
            "FY-6b 2024-07-12→2024-07-19 LATE 3 (3…4)",
        ],
        &[
            "F-OVERDUE 2 SF-JDZ FY-2 +3 M",
            "F-OVERDUE 3 SF-JDZ FY-5b +1 M",
            "F-OVERDUE 4 NR-LP FY-6b +3 M",
            "F-OVERDUE 5 SF-JDZ FY-8 +5 M",
        ],
    ),
    (
        "a protection order over the holiday, and an urgent one that is not decided",
        "2024-10-08",
        r#"
        2024-10-03 CT-ZS JAST ProtectionOrderApplied {"@time": "10:30", "urgent": false}
        2024-10-06 CT-ZS JUDGE ProtectionOrderIssued {"@time": "11:00", "application": {"step": 1}}
        2024-10-07 CT-ZS JAST ProtectionOrderApplied {"@time": "10:30", "urgent": true}
        "#,
        &[
            "GA-2a 2024-10-03→2024-10-06T11:00:00+08:00 MET 0 (1…2)",
            "GA-2b 2024-10-07→2024-10-08T11:00:00+08:00 OPEN 0 (3…-)",
        ],
        &["F-OVERDUE 3 CT-ZS GA-2b +0 M"],
    ),
];
