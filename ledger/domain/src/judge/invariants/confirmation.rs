//! Invariants about judicial confirmation (司法确认) and enforceable titles (执行依据).

use mediation_proto::mediation::types::v1::{AgencyKind, HandoffMode};

use super::mediation::is_unsigned;
use crate::judge::{
    Matter,
    chain::{Act, Chain, Kind, code_of, kind},
    findings::Draft,
    parties::{main_parties, representatives},
};

/// I-16: a confirmation was accepted that had to be refused.
pub(super) fn late_confirm<'a>(matter: &Matter<'a>, drafts: &mut Vec<Draft<'a>>) {
    let chain = &matter.chain;
    for act in chain.of_any(const { &[ACCEPTED, GRANTED] }) {
        let Some(application) = application(chain, act) else { continue };
        if act.is(GRANTED) && is_accepted(chain, application, act) {
            continue;
        }
        let agreement = agreement(chain, application);
        let mut reasons = Vec::new();
        if agreement.is_none() {
            reasons.push("NO_AGREEMENT");
        }
        let late = matter
            .course
            .touched(application.at)
            .find(|instance| instance.clock.id == PERIOD && instance.is_late(application.occurred_at));
        if late.is_some() {
            reasons.push("LATE");
        }
        if !is_joint(chain, application, agreement) {
            reasons.push("NOT_JOINT");
        }
        if agreement.is_some_and(|agreement| !has_jurisdiction(chain, act.agency, agreement)) {
            reasons.push("NO_JURISDICTION");
        }
        if reasons.is_empty() {
            continue;
        }
        let draft = Draft::at(act).reasons(reasons);
        drafts.push(match late {
            Some(instance) => draft.instance(instance, chain),
            None => draft,
        });
    }
}

/// I-17: an agreement was confirmed that cannot be.
pub(super) fn confirm_barred<'a>(matter: &Matter<'a>, drafts: &mut Vec<Draft<'a>>) {
    let chain = &matter.chain;
    for act in chain.of(GRANTED) {
        let Some(agreement) = application(chain, act).and_then(|application| agreement(chain, application)) else {
            continue;
        };
        let barred = ["status_question", "title_question"].iter().any(|field| agreement.bool(field) == Some(true));
        if barred || is_unsigned(chain, agreement) {
            drafts.push(Draft::at(act));
        }
    }
}

/// I-18: enforcement without a title.
pub(super) fn no_title<'a>(matter: &Matter<'a>, drafts: &mut Vec<Draft<'a>>) {
    let chain = &matter.chain;
    for act in chain.of_any(const { &[ENFORCEMENT_APPLIED, kind("EnforcementFiled")] }) {
        let founded = if act.is(ENFORCEMENT_APPLIED) {
            has_title(chain, act)
        } else {
            chain.has_before(&[ENFORCEMENT_APPLIED], act.at)
        };
        if !founded {
            drafts.push(Draft::at(act));
        }
    }
}

/// The application that an act of the court names, else the latest.
fn application<'c, 'a>(chain: &'c Chain<'a>, act: &Act<'a>) -> Option<&'c Act<'a>> {
    chain.referred(act, "application").filter(|act| act.is(APPLIED)).or_else(|| chain.latest(APPLIED, act.at))
}

fn is_accepted<'a>(chain: &Chain<'a>, applied: &Act<'a>, before: &Act<'a>) -> bool {
    let mut accepted = chain.of_before(ACCEPTED, before.at);
    accepted.any(|act| application(chain, act).map(|application| application.at) == Some(applied.at))
}

/// The agreement that an application names, or whose digest it carries.
pub(super) fn agreement<'c, 'a>(chain: &'c Chain<'a>, application: &Act<'a>) -> Option<&'c Act<'a>> {
    let is_agreement = |act: &&Act<'a>| act.is_any(AGREEMENTS);
    chain.referred(application, "agreement").filter(is_agreement).or_else(|| {
        let digest = application.text("agreement_digest")?;
        chain.of_any_before(AGREEMENTS, application.at).find(|act| {
            let mut documents = act.records("agreement").chain(act.records("record"));
            documents.any(|document| document.text("digest") == Some(digest))
        })
    })
}

/// Whether every main party that signed the agreement itself applies. An applicant of the dispute may do so by a
/// representative elected earlier.
fn is_joint(chain: &Chain<'_>, application: &Act<'_>, agreement: Option<&Act<'_>>) -> bool {
    let applicants: Vec<&str> = application.texts("applicants").collect();
    let elected = representatives(chain, application.at);
    let represented = elected.iter().any(|person| applicants.contains(person));
    let signed = |subject: &str| {
        agreement.is_some_and(|agreement| {
            agreement.texts("parties").any(|person| person == subject)
                || agreement
                    .records("document_signers")
                    .any(|signer| code_of(signer, "kind") == Some("PARTY") && signer.text("person") == Some(subject))
        })
    };
    let all = main_parties(chain, application.at)
        .iter()
        .filter(|party| signed(party.subject))
        .all(|party| applicants.contains(&party.subject) || (party.is_applicant() && represented));
    application.bool("joint") == Some(true) && all
}

/// Whether the agreement is the court's to confirm: reached on its delegation, else in its division.
fn has_jurisdiction<'a>(chain: &Chain<'a>, court: &str, agreement: &Act<'a>) -> bool {
    let directory = chain.directory();
    let accepted = chain.of_before(HANDOFF_ACCEPTED, agreement.at).filter(|act| act.agency == agreement.agency);
    let mut delegations = accepted.filter_map(|act| chain.proposal(act));
    let latest = delegations.rfind(|proposal| proposal.mode() == Some(HandoffMode::Delegation));
    if let Some(sender) = latest.filter(|proposal| proposal.agency_kind == Some(AgencyKind::Court)) {
        return sender.agency == court;
    }
    let division = |agency: &str| directory.agency(agency).map(|agency| agency.division.as_str());
    let registered = chain.of_before(REGISTERED, agreement.at).next();
    let places = [division(agreement.agency), registered.and_then(|act| act.text("division"))];
    match division(court).filter(|division| !division.is_empty()) {
        Some(court) => places.into_iter().flatten().any(|place| is_same_place(court, place)),
        // A court whose division the registry does not give cannot be said to lack jurisdiction.
        None => true,
    }
}

/// Whether one division lies in the other, by the first six digits without trailing `00`.
fn is_same_place(left: &str, right: &str) -> bool {
    let stem = |code: &str| {
        let mut stem = code.get(..6).unwrap_or(code).to_owned();
        while let Some(shorter) = stem.strip_suffix("00") {
            stem = shorter.to_owned();
        }
        stem
    };
    let (left, right) = (stem(left), stem(right));
    left.starts_with(&right) || right.starts_with(&left)
}

/// Whether an earlier act of the chain is the title, or the number is that of the judgment which the dispute is about.
fn has_title(chain: &Chain<'_>, act: &Act<'_>) -> bool {
    let code = act.code("title").unwrap_or_default();
    let kinds = TITLES.iter().find(|row| row.0 == code).map(|row| row.1).unwrap_or_default();
    let is_title =
        |title: &Act<'_>| title.is_any(kinds) && (!title.is(DEED) || title.bool("enforceable") == Some(true));
    let on_chain = if act.has("title_step") {
        chain.referred(act, "title_step").is_some_and(is_title)
    } else {
        chain.of_any_before(kinds, act.at).any(is_title)
    };
    let number = act.text("title_number");
    let registered = chain.of_before(REGISTERED, act.at).next();
    let related = registered.and_then(|act| act.text("related_number"));
    on_chain || (number.is_some() && number == related)
}

/// The right clock of the joint application.
const PERIOD: &str = "SF-1";

const REGISTERED: Kind = kind("DisputeRegistered");
const APPLIED: Kind = kind("JudicialConfirmationApplied");
const ACCEPTED: Kind = kind("JudicialConfirmationAccepted");
const GRANTED: Kind = kind("JudicialConfirmationGranted");
const AGREEMENTS: &[Kind] = &[kind("MediationAgreementSigned"), kind("OralAgreementRecorded")];
const HANDOFF_ACCEPTED: Kind = kind("HandoffAccepted");
const ENFORCEMENT_APPLIED: Kind = kind("EnforcementApplied");
const DEED: Kind = kind("NotarizationIssued");
/// Codes of `TitleKind` and the acts that are such a title.
const TITLES: &[(&str, &[Kind])] = &[
    ("JUDGMENT", &[kind("JudgmentEffective")]),
    ("COURT_MEDIATION_STATEMENT", &[kind("CourtMediationStatementIssued")]),
    ("CONFIRMATION_RULING", &[GRANTED]),
    ("ARBITRAL_AWARD", &[kind("ArbitralAwardRendered")]),
    ("ARBITRATION_MEDIATION_STATEMENT", &[kind("ArbitrationMediationStatementIssued")]),
    ("NOTARISED_DEBT_DEED", &[DEED]),
    ("RECONSIDERATION_STATEMENT", &[kind("ReconsiderationMediated"), kind("ReconsiderationDecided")]),
    ("ADJUDICATION_DECISION", &[kind("AdjudicationDecided")]),
];
