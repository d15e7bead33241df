//! Acts that lack something, or hold what they must not.

use serde_json::{Map, Value as Json, json};

use super::{Change, Defect, Mark, Mistake, always};
use crate::dispute::Telling;

/// One row for each field.
pub(super) static DEFECTS: &[Defect] = &[
    without("a handoff without a legal basis", "HandoffProposed", "legal_basis", &[here("F-NO-BASIS")]),
    without("a petition sent on without a legal basis", "PetitionForwarded", "legal_basis", &[here("F-NO-BASIS")]),
    without("a return without a reason", "HandoffReturned", "reason", &[here("F-RETURN-NO-REASON")]),
    without("a return without the documents", "HandoffReturned", "documents_returned", &[here("F-RETURN-NO-REASON")]),
    without("a mediator unchecked", "MediatorAppointed", "conflict_checked_on", &[here("F-NO-CONFLICT-CHECK")]),
    without("a new mediator unchecked", "HandlerReplaced", "conflict_checked_on", &[here("F-NO-CONFLICT-CHECK")]),
    without("an expert unchecked", "ExpertOpinionObtained", "conflict_checked_on", &[here("F-NO-CONFLICT-CHECK")]),
    without("a suspension without paper", "ClockSuspended", "document", &[here("F-SUSPENSION-ABUSE").clock("TJ-3")]),
    without("a resumption without paper", "ClockResumed", "document", &[here("F-SUSPENSION-ABUSE").clock("TJ-3")]),
    without(
        "more time nobody was told of",
        "DeadlineExtended",
        "party_told_on",
        &[here("F-EXTENSION-LATE").clock("XF-5")],
    ),
    without("more time nobody agreed to", "DeadlineExtended", "consenting", &[here("F-EXTENSION-LATE").clock("TJ-7")]),
    without("a failure without the other routes", "MediationFailed", "routes_told", &[here("F-NOT-INFORMED")]),
    without("a refusal without the other routes", "MediationRefused", "routes_told", &[here("F-NOT-INFORMED")]),
    without("a notice without the routes", "PetitionAccepted", "routes_told", &[here("F-NOT-INFORMED")]),
    without(
        "an opinion without the right of review",
        "PetitionReplied",
        "review_right_told",
        &[here("F-NOT-INFORMED")],
    ),
    without(
        "a penalty without the civil route",
        "PublicSecurityPenaltyDecided",
        "civil_route_told",
        &[here("F-NOT-INFORMED")],
    ),
    without("a reopening without a cause", "DisputeReopened", "cause", &[here("F-REOPEN-NO-CAUSE")]),
    without(
        "a reopening without a lead",
        "DisputeReopened",
        "restored_lead",
        &[here("F-REOPEN-NO-CAUSE"), here("F-NO-LEAD")],
    ),
    without(
        "instalments that nobody watches",
        "ObligationRecorded",
        "monitoring_plan",
        &[Mistake::new("F-CLOSED-OPEN-OBLIGATION", Mark::Later("DisputeClosed"))],
    ),
    with(
        "consent without the rights told",
        "MediationConsentRecorded",
        |_, data| set(data, "rights_told", json!(false)),
        &[here("F-NOT-INFORMED")],
    ),
    with(
        "delegated though one side does not consent",
        "MediationConsentRecorded",
        |_, data| refuse_last(data),
        &[Mistake::new("F-NO-CONSENT", Mark::Later("HandoffProposed"))],
    ),
    with(
        "an agreement without a seal",
        "MediationAgreementSigned",
        |_, data| drop_last(data, "document_signers"),
        &[here("F-UNSIGNED"), Mistake::new("F-CONFIRM-BARRED", Mark::Perhaps("JudicialConfirmationGranted"))],
    ),
    with(
        "an oral agreement of one side",
        "OralAgreementRecorded",
        |_, data| drop_last(data, "parties"),
        &[here("F-UNSIGNED")],
    ),
    with(
        "a title confirmed by ruling",
        "MediationAgreementSigned",
        |_, data| set(data, "title_question", json!(true)),
        &[Mistake::new("F-CONFIRM-BARRED", Mark::Later("JudicialConfirmationGranted"))],
    ),
    with(
        "a confirmation that one side asks for",
        "JudicialConfirmationApplied",
        |_, data| set(data, "joint", json!(false)),
        &[Mistake::new("F-LATE-CONFIRM", Mark::Later("JudicialConfirmationAccepted"))],
    ),
    with(
        "a fee for the confirmation",
        "JudicialConfirmationAccepted",
        |_, data| set(data, "fee_charged", json!(5_000)),
        &[here("F-FEE")],
    ),
    Defect {
        name: "a fee for the mediation",
        event: "MediationAccepted",
        when: |_, data| data.get("kind").and_then(Json::as_str) != Some("ADMIN"),
        change: Change::With(|_, data| set(data, "fee_charged", json!(5_000))),
        mistakes: &[here("F-FEE")],
    },
    with("enforced without a title", "EnforcementApplied", |_, data| untitled(data), &[here("F-NO-TITLE")]),
    with(
        "a number of another year",
        "PreFilingMediationRegistered",
        |_, data| replace(data, "number", "(2024)", "(2019)"),
        &[here("F-BAD-NUMBER")],
    ),
    with(
        "a number in the wrong brackets",
        "JudicialConfirmationAccepted",
        |_, data| replace(data, "number", "(2024)", "[2024]"),
        &[here("F-BAD-NUMBER")],
    ),
    with(
        "violence that the police do not hear of",
        "EscalationRiskReported",
        |t, data| {
            let town = t.place.town();
            set(data, "reported_to", json!(town));
        },
        &[here("F-RISK-UNREPORTED")],
    ),
    with(
        "a reconciliation that the prosecutor signs",
        "CriminalReconciliationAgreementSigned",
        |_, data| push(data, "document_signers", json!({"kind": "PROSECUTOR"})),
        &[here("F-SIGNER-FORBIDDEN")],
    ),
    with(
        "a reconciliation under pressure",
        "CriminalReconciliationReviewed",
        |_, data| set(data, "voluntary", json!(false)),
        &[Mistake::new("F-MISSING-STEP", Mark::Later("CriminalReconciliationAgreementSigned"))],
    ),
    Defect {
        name: "the mediator sits as assessor",
        event: "HearingHeld",
        when: |t, _| t.mediator.is_some(),
        change: Change::With(|t, data| {
            let mediator = t.mediator.clone();
            set(data, "assessors", json!([mediator]));
        }),
        mistakes: &[here("F-ROLE-CONFLICT")],
    },
    with(
        "an award without a try at mediation",
        "ArbitralAwardRendered",
        |_, data| set(data, "mediation_tried", json!(false)),
        &[here("F-WRONG-PATH")],
    ),
    Defect {
        name: "eight speakers of a group that then elects its representatives",
        event: "DisputeRegistered",
        when: |_, data| is_group(data),
        change: Change::With(|_, data| set(data, "representatives_presented", json!(8))),
        mistakes: &[here("O-GROUP-REPS")],
    },
    with(
        "eight speakers before the bureau",
        "PetitionReceived",
        |_, data| set(data, "representatives_presented", json!(8)),
        &[here("O-GROUP-REPS"), Mistake::new("F-GROUP-REPS", Mark::Later("PetitionAccepted"))],
    ),
    with(
        "a matter of litigation taken as a petition",
        "PetitionReceived",
        |_, data| set(data, "litigation_related", json!(true)),
        &[Mistake::new("F-LITIGATION-IN-PETITION", Mark::Later("PetitionAccepted"))],
    ),
    with(
        "the mediator's notes handed on",
        "HandoffOutcomeReported",
        |_, data| set(data, "sealed_attachments", json!(["MEDIATION_NOTE"])),
        &[here("F-PRIVILEGE-LEAK")],
    ),
    with(
        "psychological material handed on",
        "HandoffProposed",
        |_, data| set(data, "sealed_attachments", json!(["PSYCHOLOGICAL"])),
        &[here("F-SEALED-DISCLOSED")],
    ),
    with(
        "a child without a guardian",
        "PartyAdded",
        |_, data| inner(data, "party", "guardian"),
        &[here("F-MINOR-EXPOSED")],
    ),
    Defect {
        name: "a child referred without its guardian",
        event: "PsychReferralMade",
        when: |_, data| data.get("consents").is_some_and(|consents| consents.to_string().contains("by_guardian")),
        change: Change::With(|_, data| {
            if let Some(Json::Object(consent)) =
                data.get_mut("consents").and_then(Json::as_array_mut).and_then(|consents| consents.first_mut())
            {
                consent.shift_remove("by_guardian");
            }
        }),
        mistakes: &[here("F-MINOR-EXPOSED")],
    },
    Defect {
        name: "the closing is entered a week late",
        event: "DisputeClosed",
        when: always,
        change: Change::Entered { working_days: 6 },
        mistakes: &[here("F-BACKDATED")],
    },
];

const fn here(code: &'static str) -> Mistake {
    Mistake::new(code, Mark::Here)
}

const fn without(name: &'static str, event: &'static str, field: &'static str, mistakes: &'static [Mistake]) -> Defect {
    Defect { name, event, when: always, change: Change::Without(field), mistakes }
}

const fn with(
    name: &'static str,
    event: &'static str,
    alter: fn(&mut Telling<'_>, &mut Map<String, Json>),
    mistakes: &'static [Mistake],
) -> Defect {
    Defect { name, event, when: always, change: Change::With(alter), mistakes }
}

fn set(data: &mut Map<String, Json>, field: &str, value: Json) {
    data.insert(field.to_owned(), value);
}

fn push(data: &mut Map<String, Json>, field: &str, value: Json) {
    if let Some(values) = data.get_mut(field).and_then(Json::as_array_mut) {
        values.push(value);
    }
}

fn drop_last(data: &mut Map<String, Json>, field: &str) {
    if let Some(values) = data.get_mut(field).and_then(Json::as_array_mut) {
        values.pop();
    }
}

fn inner(data: &mut Map<String, Json>, field: &str, key: &str) {
    if let Some(value) = data.get_mut(field).and_then(Json::as_object_mut) {
        value.shift_remove(key);
    }
}

fn replace(data: &mut Map<String, Json>, field: &str, from: &str, to: &str) {
    if let Some(text) = data.get(field).and_then(Json::as_str).map(|text| text.replace(from, to)) {
        set(data, field, text.into());
    }
}

/// The last of those who are asked says no.
fn refuse_last(data: &mut Map<String, Json>) {
    let last = data.get_mut("consents").and_then(Json::as_array_mut).and_then(|consents| consents.last_mut());
    if let Some(consent) = last.and_then(Json::as_object_mut) {
        set(consent, "given", json!(false));
    }
}

/// A judgment is named, of which there is none on the chain.
fn untitled(data: &mut Map<String, Json>) {
    set(data, "title", json!("JUDGMENT"));
    data.shift_remove("title_step");
}

/// A dispute of a kind that brings a group, which elects its representatives before anything else is done.
fn is_group(data: &Map<String, Json>) -> bool {
    let channel = data.get("channel").and_then(Json::as_str);
    let kind = data.get("dispute_type").and_then(Json::as_str);
    channel == Some("WALK_IN") && kind == Some("PROPERTY_SERVICE")
}
