//! Invariants that the cases do not reach.

use super::{
    directory,
    table::{findings, findings_of, handoffs, judged, judged_by, leads},
};
use crate::rules::RuleSet;

const REGISTERED: &str = r#"
    2024-03-04 ZC-ZS REG DisputeRegistered {"division": "360203", "dispute_type": "LABOUR", "parties": [
     {"subject": "a", "side": "APPLICANT"}, {"subject": "b", "side": "RESPONDENT"}, {"subject": "c", "side": "THIRD_PARTY"}]}
"#;

/// One line for an act that is written over several.
fn registered(acts: &str) -> String {
    format!("{}\n{acts}", REGISTERED.split_whitespace().collect::<Vec<_>>().join(" "))
}

#[test]
fn a_withdrawn_closing_closes_nothing_and_a_withdrawn_lead_lasts_until_the_correction() {
    let judgement = judged(
        "2024-04-01",
        &registered(
            r#"
            2024-03-05 ZC-ZS DIR LeadAgencyAssigned {"new_lead": "CT-ZS", "previous_lead": "ZC-ZS", "previous_released": true}
            2024-03-06 ZC-ZS DIR DisputeClosed {"outcome": "MEDIATED", "ground": "NO_OBLIGATION"}
            2024-03-07 CT-ZS JAST FilingMaterialReceived {}
            2024-03-08 ZC-ZS DIR RecordCorrected {"target": {"step": 3}, "withdrawn": true}
            2024-03-11 ZC-ZS DIR RecordCorrected {"target": {"step": 2}, "withdrawn": true}
            "#,
        ),
    );
    assert_eq!(leads(&judgement), ["ZC-ZS 1…2", "CT-ZS 2…6", "ZC-ZS 6…"]);
    assert_eq!(judgement.outcome, None);
    assert!(findings_of(&judgement, "F-EVENT-AFTER-CLOSE").is_empty());
}

#[test]
fn a_correction_that_is_withdrawn_withdraws_nothing() {
    let judgement = judged(
        "2024-03-08",
        &registered(
            r#"
            2024-03-05 CT-ZS JAST FilingMaterialReceived {}
            2024-03-06 CT-ZS HEAD RecordCorrected {"target": {"step": 2}, "withdrawn": true}
            2024-03-07 CT-ZS HEAD RecordCorrected {"target": {"step": 3}, "withdrawn": true}
            "#,
        ),
    );
    assert_eq!(judgement.clocks.len(), 1);
}

#[test]
fn a_lead_that_released_nobody_is_found_until_it_is_put_right() {
    for (later, finding) in [
        ("", "F-DUAL-LEAD 2 TC-ZS-XC +27 M"),
        (
            r#"2024-03-08 ZC-ZS DIR LeadAgencyAssigned {"new_lead": "CT-ZS", "previous_lead": "ZC-ZS", "previous_released": true}"#,
            "F-DUAL-LEAD 2 TC-ZS-XC +3 M cleared by 3",
        ),
    ] {
        let acts = format!(
            "2024-03-05 TC-ZS-XC TCOM LeadAgencyAssigned {{\"new_lead\": \"TC-ZS-XC\", \"previous_released\": false}}\n{later}"
        );
        assert_eq!(findings(&judged("2024-04-01", &registered(&acts))), [finding]);
    }
}

#[test]
fn a_reopening_without_a_lead_waits_for_the_next_assignment() {
    let judgement = judged(
        "2024-04-01",
        &registered(
            r#"
            2024-03-06 ZC-ZS DIR DisputeClosed {"outcome": "MEDIATED", "ground": "NO_OBLIGATION"}
            2024-03-20 ZC-ZS DIR DisputeReopened {"cause": "DEFAULT"}
            2024-03-22 ZC-ZS DIR LeadAgencyAssigned {"new_lead": "CT-ZS", "previous_released": false}
            "#,
        ),
    );
    assert_eq!(leads(&judgement), ["ZC-ZS 1…2", "CT-ZS 4…"]);
    assert_eq!(findings(&judgement), ["F-NO-LEAD 3 ZC-ZS C cleared by 4", "F-REOPEN-NO-CAUSE 3 ZC-ZS m restored_lead"]);
}

#[test]
fn a_withdrawn_reopening_leaves_the_chain_closed_until_it_is_reopened_again() {
    let judgement = judged(
        "2024-04-01",
        &registered(
            r#"
            2024-03-06 ZC-ZS DIR DisputeClosed {"outcome": "MEDIATED", "ground": "NO_OBLIGATION"}
            2024-03-20 ZC-ZS DIR DisputeReopened {"cause": "DEFAULT", "restored_lead": "CT-ZS"}
            2024-03-21 ZC-ZS DIR RecordCorrected {"target": {"step": 3}, "withdrawn": true}
            2024-03-22 ZC-ZS DIR DisputeReopened {"cause": "DEFAULT", "restored_lead": "PMC-ZS"}
            "#,
        ),
    );
    assert_eq!(leads(&judgement), ["ZC-ZS 1…2", "CT-ZS 3…4", "PMC-ZS 5…"]);
    assert!(findings(&judgement).is_empty());
}

#[test]
fn a_registration_in_the_place_of_a_withdrawn_one_makes_its_recorder_the_lead() {
    let judgement = judged(
        "2024-03-30",
        &registered(
            r#"
            2024-03-05 ZC-ZS DIR RecordCorrected {"target": {"step": 1}, "withdrawn": true}
            2024-03-06 ZC-CJ REG DisputeRegistered {"division": "360202", "parties": [{"subject": "a", "side": "APPLICANT"}]}
            "#,
        ),
    );
    assert_eq!(leads(&judgement), ["ZC-ZS 1…2", "ZC-CJ 3…"]);
}

#[test]
fn a_closing_with_an_open_handoff_is_cured_by_the_last_answer() {
    let judgement = judged(
        "2024-04-01",
        &registered(
            r#"
            2024-03-05 ZC-ZS REG HandoffProposed {"mode": "TRANSFER", "target": "RS-LP", "purpose": "LABOUR_MATTER", "legal_basis": "x"}
            2024-03-06 ZC-ZS DIR DisputeClosed {"outcome": "MEDIATED", "ground": "NO_OBLIGATION"}
            2024-03-07 RS-LP ADM HandoffReturned {"proposal": {"step": 2}, "reason": "R1"}
            "#,
        ),
    );
    assert_eq!(handoffs(&judgement), ["2 RETURNED 4 +0"]);
    assert_eq!(
        findings(&judgement),
        ["F-CLOSED-OPEN-HANDOFF 3 ZC-ZS M 2 cleared by 4", "F-EVENT-AFTER-CLOSE 4 RS-LP M",]
    );
}

#[test]
fn a_closing_with_a_due_obligation_is_cured_by_its_performance() {
    let judgement = judged(
        "2024-04-01",
        &registered(
            r#"
            2024-03-05 ZC-ZS REG ObligationRecorded {"instalments": true, "terms": [{"obligation_id": "O1", "due_on": "2024-03-05"}, {"obligation_id": "O2", "due_on": "2024-03-06"}]}
            2024-03-06 ZC-ZS DIR DisputeClosed {"outcome": "MEDIATED", "ground": "NO_OBLIGATION"}
            2024-03-07 ZC-ZS REG ObligationPerformed {"obligation_ids": ["O1"], "in_full": true}
            2024-03-08 ZC-ZS REG ObligationWaived {"obligation_ids": ["O2"]}
            "#,
        ),
    );
    assert_eq!(findings(&judgement), ["F-CLOSED-OPEN-OBLIGATION 3 ZC-ZS M O1,O2 cleared by 5"]);
}

#[test]
fn a_closing_while_a_party_may_appeal_is_found_unless_something_lifts_the_bar() {
    let closed = |ground: &str| {
        let acts = format!(
            r#"
            2024-03-05 CT-ZS JUDGE JudgmentRendered {{"number": "(2024)赣0203民初1号", "appealable": true, "appeal_told": true, "receipt_on": "2024-03-05"}}
            2024-03-20 ZC-ZS DIR DisputeClosed {{"outcome": "ADJUDICATED", "ground": "{ground}"}}
            "#
        );
        findings(&judged("2024-04-01", &registered(&acts)))
    };
    assert_eq!(closed("FINAL_DECISION"), ["F-CLOSED-RIGHT-RUNNING 3 ZC-ZS M SS-7a"]);
    assert!(closed("WRITTEN_WAIVER").is_empty());
}

#[test]
fn an_auditor_clears_a_finding_and_clearing_prevails_over_a_cure() {
    let judgement = judged(
        "2024-04-01",
        &registered(
            r#"
            2024-03-05 TC-ZS-XC TCOM LeadAgencyAssigned {"new_lead": "TC-ZS-XC", "previous_released": false}
            2024-03-06 ZC-ZS DIR LeadAgencyAssigned {"new_lead": "CT-ZS", "previous_lead": "ZC-ZS", "previous_released": true}
            2024-03-07 AUD-JDZ AUD AuditFindingRaised {"code": "F-DUAL-LEAD", "steps": [{"step": 2}]}
            2024-03-08 AUD-JDZ AUD AuditFindingCleared {"finding": {"step": 4}}
            "#,
        ),
    );
    assert_eq!(findings(&judgement), ["F-DUAL-LEAD 2 TC-ZS-XC +1 M cleared by 5"]);
}

#[test]
fn mediation_needs_the_consent_of_every_main_party_and_ends_with_a_refusal() {
    let judgement = judged(
        "2024-03-07",
        &registered(
            r#"
            2024-03-05 CT-ZS JAST MediationConsentRecorded {"consents": [{"subject": "a", "given": true}], "rights_told": true}
            2024-03-05 CT-ZS JAST HandoffProposed {"mode": "DELEGATION", "target": "PMC-ZS", "purpose": "MEDIATION", "legal_basis": "x"}
            2024-03-05 CT-ZS JAST MediationConsentRecorded {"consents": [{"subject": "b", "given": true}], "rights_told": true}
            2024-03-05 CT-ZS JAST HandoffProposed {"mode": "DELEGATION", "target": "PMC-ZS", "purpose": "MEDIATION", "legal_basis": "x"}
            2024-03-06 PMC-ZS MED MediationRefused {"refused_by": ["b"], "routes_told": ["LITIGATION"]}
            2024-03-06 PMC-ZS MED MediationSessionHeld {"mediator": "m"}
            2024-03-07 PMC-ZS MED MediationConsentRecorded {"consents": [{"subject": "b", "given": true}], "rights_told": true}
            2024-03-07 PMC-ZS MED MediationSessionHeld {"mediator": "m"}
            "#,
        ),
    );
    assert_eq!(findings(&judgement), ["F-NO-CONSENT 3 CT-ZS C", "F-NO-CONSENT 7 PMC-ZS C"]);
}

#[test]
fn an_agreement_needs_every_party_the_mediator_and_the_seal() {
    let signed = |signers: &str| {
        let acts = format!(
            r#"2024-03-05 PMC-ZS MED MediationAgreementSigned {{"mediator": "m", "effective_on": "2024-03-05", "document_signers": [{signers}]}}"#
        );
        findings(&judged("2024-03-07", &registered(&acts)))
    };
    let of = |kind: &str, person: &str| format!(r#"{{"kind": "{kind}", "person": "{person}"}}"#);
    let office = format!(r#"{}, {{"kind": "SEAL"}}"#, of("MEDIATOR", "m"));
    let missing = ["F-UNSIGNED 2 PMC-ZS C"];
    assert!(signed(&format!("{}, {}, {office}", of("PARTY", "a"), of("PARTY", "b"))).is_empty());
    assert!(signed(&format!("{}, {}, {office}", of("PARTY", "a"), of("AGENT", "x"))).is_empty());
    assert_eq!(signed(&format!("{}, {office}", of("PARTY", "a"))), missing);
    assert_eq!(signed(&format!("{}, {}, {}", of("PARTY", "a"), of("PARTY", "b"), of("MEDIATOR", "m"))), missing);
}

#[test]
fn a_party_that_a_split_sends_to_another_chain_need_not_sign_and_one_that_stays_must() {
    let signed = |chain: &str| {
        let acts = format!(
            r#"
            2024-03-05 ZC-ZS DIR DisputeSplit {{"mapping": [{{"subject": "b", "chain": "{chain}"}}]}}
            2024-03-05 PMC-ZS MED MediationAgreementSigned {{"mediator": "m", "effective_on": "2024-03-05", "document_signers": [{{"kind": "PARTY", "person": "a"}}, {{"kind": "MEDIATOR", "person": "m"}}, {{"kind": "SEAL"}}]}}
            "#
        );
        findings(&judged("2024-03-07", &registered(&acts)))
    };
    assert!(signed("JF3602032024030500025").is_empty());
    assert_eq!(signed("JF3602032024030400017"), ["F-UNSIGNED 3 PMC-ZS C"]);
}

#[test]
fn a_confirmation_is_asked_for_an_agreement_of_a_recused_mediator_whether_named_or_by_its_digest() {
    for agreement in [r#""agreement": {"step": 3}"#, r#""agreement_digest": "00""#] {
        let acts = format!(
            r#"
            2024-03-05 PMC-ZS CHAIR RecusalDecided {{"target": "m", "granted": true}}
            2024-03-06 PMC-ZS MED OralAgreementRecorded {{"mediator": "m", "effective_on": "2024-03-06", "parties": ["a", "b"], "record": {{"kind": "x", "digest": "00"}}}}
            2024-03-07 CT-ZS JAST JudicialConfirmationApplied {{"applicants": ["a", "b"], "joint": true, {agreement}}}
            "#
        );
        let found = findings(&judged("2024-03-07", &registered(&acts)));
        assert_eq!(found, ["F-RECUSED-ACTED 3 PMC-ZS C", "O-RECUSED-ACTED 4 CT-ZS O"]);
    }
}

#[test]
fn a_labour_suit_needs_arbitration_or_its_silence_first() {
    let sued = |before: &str, date: &str| {
        let acts = format!(
            r#"{before}
            {date} CT-ZS JUDGE CaseFiled {{"case_number": "(2024)赣0203民初1号", "number_type": "MIN_CHU", "procedure": "SIMPLE"}}"#
        );
        findings_of(&judged("2024-04-01", &registered(&acts)), "F-WRONG-PATH")
    };
    assert_eq!(sued("", "2024-03-15"), ["F-WRONG-PATH 2 CT-ZS M W2"]);
    let applied = r#"2024-03-05 ARB-LP ARB ArbitrationApplied {"applicants": ["a"], "respondent": "b"}"#;
    assert_eq!(sued(applied, "2024-03-12"), ["F-WRONG-PATH 3 CT-ZS M W2"]);
    assert!(sued(applied, "2024-03-13").is_empty());
}

#[test]
fn numbers_of_cases_have_a_form_a_court_a_year_and_no_double() {
    for (number, reason) in [
        ("(2024)赣0203民初1号", None),
        ("（2024）赣0203民初1号", Some("FORM")),
        ("(2024)赣0203民初01号", Some("FORM")),
        ("(2024)赣0203民杂1号", Some("FORM")),
        ("(2024)赣0281民初1号", Some("COURT")),
        ("(2023)赣0203民初1号", Some("YEAR")),
    ] {
        let act = format!(
            r#"2024-03-05 CT-ZS JUDGE CaseFiled {{"case_number": "{number}", "number_type": "MIN_CHU", "procedure": "SPECIAL"}}"#
        );
        let found = findings_of(&judged("2024-03-06", &act), "F-BAD-NUMBER");
        let expected: Vec<String> =
            reason.map(|reason| format!("F-BAD-NUMBER 1 CT-ZS m {reason}")).into_iter().collect();
        assert_eq!(found, expected, "{number}");
        if reason.is_none() {
            let twice = findings_of(&judged("2024-03-06", &format!("{act}\n{act}")), "F-BAD-NUMBER");
            assert_eq!(twice, ["F-BAD-NUMBER 2 CT-ZS m DUPLICATE"]);
        }
    }
}

#[test]
fn the_intermediate_court_has_a_code_of_two_digits() {
    let acts = r#"2024-03-28 CT-JDZ JUDGE RetrialRejected {"number": "(2024)赣02民申19号"}"#;
    assert!(findings_of(&judged("2024-03-29", acts), "F-BAD-NUMBER").is_empty());
}

#[test]
fn a_group_of_more_than_five_must_elect_before_it_is_heard() {
    let received =
        r#"2024-03-04 XF-FL PETO PetitionReceived {"kind": "CLAIM", "direct": true, "representatives_presented": 7}"#;
    let elected = r#"2024-03-05 XF-FL PETO PartyRepresentativeElected {"representatives": ["a", "b"]}"#;
    let accepted = r#"2024-03-06 XF-FL PETO PetitionAccepted {"routes_told": ["LITIGATION"]}"#;
    let of = |acts: &[&str]| {
        let judgement = judged("2024-03-06", &acts.join("\n"));
        let mut lines = findings_of(&judgement, "O-GROUP-REPS");
        lines.extend(findings_of(&judgement, "F-GROUP-REPS"));
        lines
    };
    assert_eq!(of(&[received, elected, accepted]), ["O-GROUP-REPS 1 XF-FL O cleared by 2"]);
    assert_eq!(of(&[received, accepted]), ["O-GROUP-REPS 1 XF-FL O", "F-GROUP-REPS 2 XF-FL m"]);
}

#[test]
fn threatened_violence_is_reported_to_the_police_on_the_same_day() {
    let reported = |date: &str| {
        let acts = format!(
            r#"
            2024-03-05 PMC-ZS MED EscalationRiskReported {{"risk": "VIOLENCE", "reported_to": "ZC-ZS"}}
            {date} PMC-ZS MED EscalationRiskReported {{"risk": "VIOLENCE", "reported_to": "GA-CJ"}}
            "#
        );
        findings_of(&judged("2024-03-07", &registered(&acts)), "F-RISK-UNREPORTED")
    };
    assert!(reported("2024-03-05").is_empty());
    assert_eq!(reported("2024-03-06"), ["F-RISK-UNREPORTED 2 PMC-ZS C"]);
}

#[test]
fn reading_sealed_content_is_found_unless_two_heads_disclosed_it() {
    let judgement = judged(
        "2024-03-20",
        &registered(
            r#"
            2024-03-05 PMC-ZS MED MediationSessionHeld {"mediator": "m"}
            2024-03-06 CT-ZS JUDGE RecordAccessed {"reader_agency": "CT-ZS", "parts": ["SEALED"], "grade": "F", "purpose": "HANDLING", "steps": [{"step": 2}]}
            2024-03-07 PMC-ZS HEAD DisclosureApproved {"recipient": "CT-ZS", "steps": [{"step": 2}], "expires_on": "2024-03-10"}
            2024-03-07 SF-LP HEAD DisclosureApproved {"recipient": "CT-ZS", "steps": [{"step": 2}], "expires_on": "2024-03-10"}
            2024-03-08 CT-ZS JUDGE RecordAccessed {"reader_agency": "CT-ZS", "parts": ["SEALED"], "grade": "F", "purpose": "HANDLING", "steps": [{"step": 2}], "disclosure": {"step": 4}}
            2024-03-08 CT-ZS JUDGE RecordAccessed {"reader_agency": "CT-ZS", "parts": ["SEALED"], "grade": "F", "purpose": "HANDLING", "steps": [{"step": 2}], "disclosure": {"step": 4}, "trial_bench": true}
            2024-03-11 CT-ZS JUDGE RecordAccessed {"reader_agency": "CT-ZS", "parts": ["SEALED"], "grade": "F", "purpose": "HANDLING", "steps": [{"step": 2}], "disclosure": {"step": 4}}
            "#,
        ),
    );
    assert_eq!(
        findings(&judgement),
        [
            "F-PRIVILEGE-LEAK 3 CT-ZS C",
            "F-PRIVILEGE-LEAK 7 CT-ZS C",
            "F-NO-BASIS 8 CT-ZS M",
            "F-PRIVILEGE-LEAK 8 CT-ZS C",
        ]
    );
}

#[test]
fn a_late_entry_and_an_act_out_of_order_are_found() {
    use crate::judge::{Moment, judge};

    let line = r#"2024-03-04 ZC-ZS REG FollowUpVisited {"satisfaction": "SATISFIED"}"#;
    let case = super::table::case("2024-03-30", line);
    let mut history = case.history(&crate::case::StepNumber::event_id).unwrap();
    let day_ms = 86_400_000;
    for (days, found) in [(0, 0), (3, 0), (4, 1)] {
        let act = history.first_mut().unwrap();
        act.recorded_at = act.occurred_at * 1_000 + days * day_ms;
        let moment = Moment { as_of: case.steps.first().unwrap().occurred_at(), known_at: None };
        let judgement = judge(&history, &directory(), super::fixture(), moment);
        assert_eq!(judgement.findings.len(), found, "{days}");
    }
    let judgement = judged("2024-03-30", &format!("2024-03-05 ZC-ZS REG FollowUpVisited {{}}\n{line}"));
    assert_eq!(findings(&judgement), ["F-BACKDATED 2 ZC-ZS M ORDER"]);
}

#[test]
fn a_rule_that_nobody_adopted_only_advises() {
    let acts = registered(
        r#"
        2024-03-05 TC-ZS-XC TCOM LeadAgencyAssigned {"new_lead": "TC-ZS-XC", "previous_released": false}
        2024-03-06 ZC-ZS DIR HandoffProposed {"target": "PMC-ZS", "mode": "DELEGATION", "purpose": "MEDIATION", "delivered_on": "2024-03-06"}
        "#,
    );
    let adopted = findings(&judged("2024-04-01", &acts));
    let advised = findings(&judged_by(RuleSet::named("cn-2024").unwrap(), &directory(), "2024-04-01", &acts));
    let by_law = ["F-NO-BASIS 3 ZC-ZS M", "F-NO-CONSENT 3 ZC-ZS C"];
    assert!(by_law.iter().all(|line| adopted.contains(&(*line).to_owned()) && advised.contains(&(*line).to_owned())));
    assert!(adopted.contains(&"F-DUAL-LEAD 2 TC-ZS-XC +27 M".to_owned()), "{adopted:?}");
    assert!(advised.contains(&"O-DUAL-LEAD 2 TC-ZS-XC +27 O".to_owned()), "{advised:?}");
    let timeout = |lines: &[String]| lines.iter().find(|line| line.contains("HANDOFF-TIMEOUT")).unwrap().clone();
    assert!(timeout(&adopted).starts_with("F-") && timeout(&advised).starts_with("O-"), "{advised:?}");
    assert_eq!(adopted.len(), advised.len());
}
