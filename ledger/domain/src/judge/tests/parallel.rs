//! Several procedures, targets and persons side by side on one chain: what happens in one does not settle the other.

use super::table::{findings, findings_of, judged};

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
