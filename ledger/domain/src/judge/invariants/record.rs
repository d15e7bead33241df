//! Invariants about the record itself: times, numbers, signers, what was told, what may not be stored.

use mediation_proto::{
    fields::{Fields, Shape, Value},
    mediation::types::v1::{AgencyKind, Role},
};

use crate::{
    calendar::Day,
    judge::{
        Matter,
        chain::{Act, Chain, Kind, code_of, kind},
        findings::Draft,
    },
};

/// I-21: the signer was not appointed to his role. Whether a key is the agency's is the verifier's to say.
pub(super) fn signer_invalid<'a>(matter: &Matter<'a>, drafts: &mut Vec<Draft<'a>>) {
    let chain = &matter.chain;
    for act in chain.acts().filter(|act| act.role() != Role::Sys) {
        let Some(signer) = act.signer() else { continue };
        let appointed = chain.directory().is_appointed(act.agency, signer, act.role(), act.day, chain.as_of());
        if appointed == Some(false) {
            drafts.push(Draft::at(act));
        }
    }
}

/// I-22: somebody signed who may not.
pub(super) fn signer_forbidden<'a>(matter: &Matter<'a>, drafts: &mut Vec<Draft<'a>>) {
    for act in matter.chain.acts() {
        let on_document = act.is(const { kind("CriminalReconciliationAgreementSigned") })
            && act
                .records("document_signers")
                .filter_map(|signer| code_of(signer, "kind"))
                .any(|kind| matches!(kind, "PROSECUTOR" | "POLICE_OFFICER" | "COURT_OFFICER" | "SEAL"));
        let role = act.role();
        let unattended = role == Role::Sys && !act.row.signers.contains(&Role::Sys);
        let on_act = unattended || matches!(role, Role::Pty | Role::Rep | Role::Exp);
        if on_document || on_act {
            drafts.push(Draft::at(act));
        }
    }
}

/// I-32: a right or a route was not told.
pub(super) fn not_informed<'a>(matter: &Matter<'a>, drafts: &mut Vec<Draft<'a>>) {
    for act in matter.chain.acts() {
        let told = act.row.fields.iter().filter(|field| field.missing.as_deref() == Some("F-NOT-INFORMED"));
        let missing = told.filter(|field| act.lacks(field.name)).map(|field| field.name);
        let missing: Vec<&str> = missing.filter(|field| is_expected(&matter.chain, act, field)).collect();
        if !missing.is_empty() {
            drafts.push(Draft::at(act).reasons(missing));
        }
    }
}

/// Whether a right is to be told on an act: some only under a condition.
fn is_expected(chain: &Chain<'_>, act: &Act<'_>, field: &str) -> bool {
    match (act.row.event, field) {
        ("JudgmentRendered", "appeal_told") => act.bool("appealable") == Some(true),
        ("PetitionDeclined", "competent_agency") => act.code("ground") == Some("NOT_COMPETENT"),
        ("PublicSecurityPenaltyDecided", "civil_route_told") => chain.has_before(MEDIATION_OVER, act.at),
        ("SubjectRequestDecided", "suit_right_told") => matches!(act.code("decision"), Some("REFUSED" | "RESTRICTED")),
        _ => true,
    }
}

/// I-38: violence was threatened and the police was not told.
pub(super) fn risk_unreported<'a>(matter: &Matter<'a>, drafts: &mut Vec<Draft<'a>>) {
    let chain = &matter.chain;
    let to_police = |act: &Act<'a>| {
        act.text("reported_to").and_then(|agency| chain.directory().kind(agency)) == Some(AgencyKind::Police)
    };
    for act in chain.of(RISK) {
        let violent = act.code("risk").is_some_and(|risk| POLICE_RISKS.contains(&risk));
        let mut later = chain.after(act.at).filter(|later| later.is(RISK) && later.day == act.day);
        if violent && !to_police(act) && !later.any(|later| later.agency == act.agency && to_police(later)) {
            drafts.push(Draft::at(act));
        }
    }
}

/// I-34: entered late without a reason, dated into the future, or out of order.
pub(super) fn backdated<'a>(matter: &Matter<'a>, drafts: &mut Vec<Draft<'a>>) {
    let chain = &matter.chain;
    for act in chain.acts() {
        let mut reasons = Vec::new();
        let recorded_s = act.recorded_at.div_euclid(1_000);
        let allowed = matter.rules.calendar().plus_working_days(act.day, ENTRY_WORKING_DAYS + 1);
        if Day::of(recorded_s) >= allowed && act.header.is_none_or(|header| header.late_reason.is_none()) {
            reasons.push("LAG");
        }
        if act.occurred_at > recorded_s + FUTURE_S {
            reasons.push("FUTURE");
        }
        let ordered = !act.is(CORRECTED) && !act.event_id.is_keepers();
        if ordered && preceding(chain, act).is_some_and(|preceding| act.day < preceding.day) {
            reasons.push("ORDER");
        }
        if !reasons.is_empty() {
            drafts.push(Draft::at(act).reasons(reasons));
        }
    }
}

/// The preceding act of the same agency in the same procedure; without a number, in the same family. What the clock
/// keeper noted under the agency's key stands where it came to be noted: it is no entry in the agency's own book.
fn preceding<'c, 'a>(chain: &'c Chain<'a>, act: &Act<'a>) -> Option<&'c Act<'a>> {
    let number = act.procedure_no();
    chain.before(act.at).rfind(|earlier| {
        let is_same = match number {
            Some(number) => earlier.procedure_no() == Some(number),
            None => earlier.row.family == act.row.family,
        };
        is_same && earlier.agency == act.agency && !earlier.is(CORRECTED) && !earlier.event_id.is_keepers()
    })
}

/// I-41: a figure did not come out again.
pub(super) fn kpi_mismatch<'a>(matter: &Matter<'a>, drafts: &mut Vec<Draft<'a>>) {
    for act in matter.chain.of(const { kind("AuditReplayPerformed") }) {
        if act.code("scope") == Some("FIGURE") && act.code("result") == Some("DIFFERS") {
            drafts.push(Draft::against(act, None));
        }
    }
}

/// I-42: a state secret is on the chain.
pub(super) fn secret<'a>(matter: &Matter<'a>, drafts: &mut Vec<Draft<'a>>) {
    let is_secret = |act: &&Act<'a>| {
        let header = act.header.is_some_and(|header| holds_secret(header));
        header || holds_secret(act.fields)
    };
    drafts.extend(matter.chain.acts().filter(is_secret).map(Draft::at));
}

fn holds_secret(message: &dyn Fields) -> bool {
    message.info().fields.iter().any(|field| {
        let values = || (0..message.count(field.number)).filter_map(|at| message.value(field.number, at));
        match field.shape {
            Shape::Enum(list) if list.name == "Sensitivity" => {
                values().any(|value| matches!(value, Value::Enum(code) if list.code(code) == Some("S9")))
            }
            Shape::Message(_) => values().any(|value| matches!(value, Value::Message(inner) if holds_secret(inner))),
            Shape::Bool | Shape::Int | Shape::Text | Shape::Enum(_) => false,
        }
    })
}

/// I-43: keys were destroyed although a hold was in force. Whether they are gone is the vault's to say.
pub(super) fn erasure<'a>(matter: &Matter<'a>, drafts: &mut Vec<Draft<'a>>) {
    let chain = &matter.chain;
    for act in chain.of(const { kind("ErasureExecuted") }) {
        let own = act.header.and_then(|header| header.chain_no.as_deref());
        let mut chains: Vec<&str> = act.texts("chains").collect();
        if chains.is_empty() {
            chains.extend(own);
        }
        let covers = |hold: &Act<'a>| {
            hold.texts("chains").any(|chain| chains.contains(&chain))
                || hold.texts("subjects").any(|subject| Some(subject) == act.text("subject"))
        };
        let held = chain.before(act.at).any(|hold| {
            hold.is(const { kind("LegalHoldPlaced") })
                && hold.date("until_on").is_none_or(|until| until >= act.day)
                && covers(hold)
        });
        if held || matter.around.is_held(chain, act, &chains, matter.moment) {
            drafts.push(Draft::at(act));
        }
    }
}

/// Working days within which an act is entered.
const ENTRY_WORKING_DAYS: u32 = 3;

/// Seconds by which clocks may differ.
const FUTURE_S: i64 = 300;

/// Risks that the police must hear of: `police_required` of the code list `EscalationRisk`.
pub(super) const POLICE_RISKS: &[&str] = &["VIOLENCE", "ARSON_EXPLOSION", "REVENGE"];

const RISK: Kind = kind("EscalationRiskReported");
const CORRECTED: Kind = kind("RecordCorrected");
const MEDIATION_OVER: &[Kind] =
    &[kind("MediationFailed"), kind("MediationRefused"), kind("MediationTerminated"), kind("ObligationDefaulted")];
