//! Several procedures, targets and persons side by side on one chain: what happens in one does not settle the other.

use super::table::{clocks, clocks_of, findings, findings_of, handoffs, judged, leads};

#[test]
fn a_reconsideration_at_another_agency_that_is_over_does_not_end_the_one_that_runs() {
    let sued = |decided_by: &str| {
        let acts = format!(
            r#"
            2024-05-06 SF-JDZ RECON ReconsiderationAccepted {{"number": "1", "procedure": "ORDINARY"}}
            2024-05-07 SF-LP RECON ReconsiderationAccepted {{"number": "2", "procedure": "ORDINARY"}}
            2024-05-13 SF-LP RECON ReconsiderationDecided {{"suit_right_told": true}}
            2024-05-13 {decided_by} RECON ReconsiderationDecided {{"suit_right_told": true}}
            2024-05-14 CT-LP JUDGE CaseFiled {{"case_number": "(2024)赣0281行初1号", "number_type": "XING_CHU_ADMIN", "procedure": "ADMINISTRATIVE"}}
            "#
        );
        findings_of(&judged("2024-05-14", &acts), "F-WRONG-PATH")
    };
    assert_eq!(sued("SF-LP"), ["F-WRONG-PATH 5 CT-LP M W3"]);
    assert!(sued("SF-JDZ").is_empty());
}

#[test]
fn of_two_reconsiderations_at_one_agency_the_number_tells_which_is_over() {
    let sued = |number: &str| {
        let acts = format!(
            r#"
            2024-05-06 SF-LP RECON ReconsiderationAccepted {{"@procedure_no": "1", "number": "1", "procedure": "ORDINARY"}}
            2024-05-07 SF-LP RECON ReconsiderationAccepted {{"@procedure_no": "2", "number": "2", "procedure": "ORDINARY"}}
            2024-05-13 SF-LP RECON ReconsiderationDecided {{"@procedure_no": "2", "suit_right_told": true}}
            2024-05-13 SF-LP RECON ReconsiderationDecided {{{number}"suit_right_told": true}}
            2024-05-14 CT-LP JUDGE CaseFiled {{"case_number": "(2024)赣0281行初1号", "number_type": "XING_CHU_ADMIN", "procedure": "ADMINISTRATIVE"}}
            "#
        );
        findings_of(&judged("2024-05-14", &acts), "F-WRONG-PATH")
    };
    assert_eq!(sued(r#""@procedure_no": "2", "#), ["F-WRONG-PATH 5 CT-LP M W3"]);
    assert!(sued(r#""@procedure_no": "1", "#).is_empty());
    assert!(sued("").is_empty());
}

#[test]
fn a_petition_that_one_organ_returns_still_runs_at_the_other() {
    let judgement = judged(
        "2024-05-06",
        r#"
        2024-03-01 XF-FL PETO PetitionReceived {"kind": "CLAIM", "direct": true}
        2024-03-01 XF-FL REG DisputeRegistered {"division": "360222", "parties": [{"subject": "a", "side": "APPLICANT"}]}
        2024-03-04 XF-FL PETO PetitionForwarded {"target": "TG-FL-SA", "delivered_on": "2024-03-04", "legal_basis": "x"}
        2024-03-05 XF-FL PETO PetitionForwarded {"target": "GOV-FL", "delivered_on": "2024-03-05", "legal_basis": "x"}
        2024-03-06 TG-FL-SA ADM HandoffAccepted {"proposal": {"step": 3}}
        2024-03-06 TG-FL-SA ADM PetitionAccepted {"notice_on": "2024-03-06", "routes_told": ["LITIGATION"]}
        2024-03-07 GOV-FL ADM HandoffReturned {"proposal": {"step": 4}, "reason": "R1"}
        2024-05-06 TG-FL-SA HEAD PetitionReplied {"receipt_on": "2024-05-06", "review_right_told": true}
        "#,
    );
    assert_eq!(handoffs(&judgement), ["3 ACCEPTED 5 +0", "4 RETURNED 7 +0"]);
    assert_eq!(
        clocks(&judgement),
        [
            "XF-1 2024-03-01→2024-03-16 MET 0 (1…3)",
            "XF-3 2024-03-04→2024-03-19 MET 0 (3…6)",
            "XF-4 2024-03-04→2024-03-11 MET 0 (3…5)",
            "XF-3 2024-03-05→2024-03-20 VOID 0 (4…7)",
            "XF-4 2024-03-05→2024-03-12 MET 0 (4…7)",
            "XF-5 2024-03-06→2024-05-05 LATE 1 (6…8)",
            "XF-6 2024-05-06→2024-06-05 OPEN 0 (8…-)",
        ]
    );
    assert_eq!(findings(&judgement), ["F-OVERDUE 8 TG-FL-SA XF-5 +1 M"]);
}

#[test]
fn each_minor_needs_its_own_guardian_on_the_agreement() {
    let signed = |guardian: &str| {
        let acts = format!(
            r#"
            2024-03-04 ZC-ZS REG DisputeRegistered {{"division": "360203", "parties": [{{"subject": "a", "side": "APPLICANT", "minor": true, "guardian": "p"}}, {{"subject": "b", "side": "RESPONDENT", "minor": true, "guardian": "q"}}]}}
            2024-03-05 PMC-ZS MED MediationAgreementSigned {{"mediator": "m", "effective_on": "2024-03-05", "document_signers": [{{"kind": "PARTY", "person": "a"}}, {{"kind": "GUARDIAN", "person": "p"}}, {{"kind": "PARTY", "person": "b"}}, {{"kind": "GUARDIAN", "person": "{guardian}"}}, {{"kind": "MEDIATOR", "person": "m"}}, {{"kind": "SEAL"}}]}}
            "#
        );
        findings(&judged("2024-03-05", &acts))
    };
    assert_eq!(signed("p"), ["F-MINOR-EXPOSED 2 PMC-ZS C"]);
    assert!(signed("q").is_empty());
}

#[test]
fn a_closing_is_cured_when_the_last_of_two_outcomes_is_acknowledged() {
    let judgement = judged(
        "2024-03-20",
        r#"
        2024-03-04 ZC-ZS REG DisputeRegistered {"division": "360203", "parties": [{"subject": "a", "side": "APPLICANT"}]}
        2024-03-05 ZC-ZS REG MediationConsentRecorded {"rights_told": true, "consents": [{"subject": "a", "given": true}]}
        2024-03-05 ZC-ZS REG HandoffProposed {"mode": "DELEGATION", "target": "PMC-ZS", "purpose": "MEDIATION", "legal_basis": "x"}
        2024-03-05 ZC-ZS REG HandoffProposed {"mode": "DELEGATION", "target": "YT-JDZ", "purpose": "MEDIATION", "legal_basis": "x"}
        2024-03-06 PMC-ZS MED HandoffAccepted {"proposal": {"step": 3}}
        2024-03-12 YT-JDZ MED HandoffAccepted {"proposal": {"step": 4}}
        2024-03-13 PMC-ZS MED MediationFailed {"routes_told": ["LITIGATION"]}
        2024-03-14 PMC-ZS MED HandoffOutcomeReported {"proposal": {"step": 3}, "success": false}
        2024-03-15 YT-JDZ MED HandoffOutcomeReported {"proposal": {"step": 4}, "success": false}
        2024-03-18 ZC-ZS REG HandoffOutcomeAcknowledged {"report": {"step": 9}}
        2024-03-18 ZC-ZS DIR DisputeClosed {"outcome": "FAILED", "ground": "NO_SETTLEMENT"}
        2024-03-20 ZC-ZS REG HandoffOutcomeAcknowledged {"report": {"step": 8}}
        "#,
    );
    assert_eq!(leads(&judgement), ["ZC-ZS 1…11"]);
    assert_eq!(handoffs(&judgement), ["3 ACCEPTED 5 +0", "4 ACCEPTED 6 +4"]);
    assert_eq!(
        clocks_of(&judgement, "HD-3"),
        ["HD-3 2024-03-14→2024-03-19 VOID 0 (8…11)", "HD-3 2024-03-15→2024-03-20 MET 0 (9…10)"]
    );
    assert_eq!(
        findings(&judgement),
        [
            "F-NO-ESCALATION 4 ZC-ZS HD-4 +1 M",
            "F-HANDOFF-TIMEOUT 6 YT-JDZ HD-1 +4 M",
            "F-CLOSED-OPEN-HANDOFF 11 ZC-ZS M 3 cleared by 12",
            "F-EVENT-AFTER-CLOSE 12 ZC-ZS M",
        ]
    );
}
