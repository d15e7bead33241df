//! Invariants about mediation: consent, signatures, and who may mediate.

use std::collections::{BTreeMap, BTreeSet};

use mediation_proto::mediation::types::v1::HandoffMode;

use super::confirmation::agreement;
use crate::{
    clocks::Severity,
    judge::{
        Matter,
        chain::{Act, Chain, Kind, bool_of, code_of, kind},
        findings::Draft,
        parties::{Party, main_parties, representatives},
    },
};

/// I-14: mediation without consent, or after a refusal.
pub(super) fn no_consent<'a>(matter: &Matter<'a>, drafts: &mut Vec<Draft<'a>>) {
    let chain = &matter.chain;
    let mut statements: BTreeMap<&'a str, Statement> = BTreeMap::new();
    let mut asked = false;
    for act in chain.acts() {
        let breaks = match act.kind {
            ACCEPTED => !asked && act.code("kind").is_some_and(|kind| ON_APPLICATION.contains(&kind)),
            SESSION | SIGNED | ORAL => statements.values().any(|statement| statement.refused),
            _ => is_mediation_delegated(act) && has_unasked_party(chain, act, &statements),
        };
        if breaks {
            drafts.push(Draft::at(act));
        }
        asked |= act.is_any(&[CONSENTED, APPLIED]);
        note(act, &mut statements);
    }
}

/// What a person said last about mediation.
#[derive(Debug, Clone, Copy, Default)]
struct Statement {
    consents: bool,
    /// Refused, and has not consented since.
    refused: bool,
}

fn note<'a>(act: &Act<'a>, statements: &mut BTreeMap<&'a str, Statement>) {
    let consented = Statement { consents: true, refused: false };
    match act.kind {
        CONSENTED => {
            for consent in act.records("consents") {
                let Some(subject) = consent.text("subject") else { continue };
                let statement = statements.entry(subject).or_default();
                match bool_of(consent, "given") {
                    Some(true) => *statement = consented,
                    Some(false) | None => statement.consents = false,
                }
            }
        }
        APPLIED => statements.extend(act.texts("applicants").map(|applicant| (applicant, consented))),
        REFUSED => {
            let refused = Statement { consents: false, refused: true };
            statements.extend(act.texts("refused_by").map(|person| (person, refused)));
        }
        _ => {}
    }
}

fn is_mediation_delegated(act: &Act<'_>) -> bool {
    act.is_proposal()
        && act.mode() == Some(HandoffMode::Delegation)
        && act.code("purpose").is_some_and(|purpose| MEDIATION_PURPOSES.contains(&purpose))
}

/// Whether a main party has not consented. The consent of one elected representative counts for every applicant that has
/// said nothing else.
fn has_unasked_party(chain: &Chain<'_>, act: &Act<'_>, statements: &BTreeMap<&str, Statement>) -> bool {
    let consents = |person: &str| statements.get(person).is_some_and(|statement| statement.consents);
    let represented = representatives(chain, act.at).into_iter().any(consents);
    main_parties(chain, act.at).iter().any(|party| {
        let spoke = statements.contains_key(party.subject);
        !consents(party.subject) && (spoke || !party.is_applicant() || !represented)
    })
}

/// I-15: an agreement that somebody did not sign.
pub(super) fn unsigned<'a>(matter: &Matter<'a>, drafts: &mut Vec<Draft<'a>>) {
    let agreements = matter.chain.of_any(const { &[SIGNED, ORAL] });
    drafts.extend(agreements.filter(|act| is_unsigned(&matter.chain, act)).map(Draft::at));
}

/// Whether an agreement lacks a signature, or an oral one a party.
pub(super) fn is_unsigned(chain: &Chain<'_>, act: &Act<'_>) -> bool {
    let split: BTreeSet<&str> = chain
        .of_before(const { kind("DisputeSplit") }, act.at)
        .flat_map(|earlier| {
            let own = earlier.header.and_then(|header| header.chain_no.as_deref());
            earlier.records("mapping").filter(move |mapping| mapping.text("chain") != own)
        })
        .filter_map(|mapping| mapping.text("subject"))
        .collect();
    let mut parties = main_parties(chain, act.at);
    parties.retain(|party| !split.contains(party.subject));
    let elected = representatives(chain, act.at);
    if act.is(ORAL) {
        let present: Vec<&str> = act.texts("parties").collect();
        let represented = elected.iter().any(|person| present.contains(person));
        return parties.iter().any(|party| {
            let stands_in = party.guardian.is_some_and(|guardian| present.contains(&guardian));
            !(present.contains(&party.subject) || stands_in || (party.is_applicant() && represented))
        });
    }
    let signers: Vec<(&str, Option<&str>)> = act
        .records("document_signers")
        .filter_map(|signer| Some((code_of(signer, "kind")?, signer.text("person"))))
        .collect();
    let uncovered = parties.iter().filter(|party| !is_covered(party, &signers, &elected)).count();
    let agents = signers.iter().filter(|signer| signer.0 == "AGENT").count();
    let mediated = signers.iter().any(|signer| signer.0 == "MEDIATOR" && signer.1 == act.text("mediator"));
    let sealed = signers.iter().any(|signer| signer.0 == "SEAL");
    uncovered > agents || !mediated || !sealed
}

/// Whether a party signed itself, by its guardian, or by an elected representative.
fn is_covered(party: &Party<'_>, signers: &[(&str, Option<&str>)], elected: &[&str]) -> bool {
    signers.iter().any(|(kind, person)| match *kind {
        "PARTY" => *person == Some(party.subject),
        "GUARDIAN" => match party.guardian {
            Some(guardian) => *person == Some(guardian),
            None => party.minor,
        },
        "REPRESENTATIVE" => party.is_applicant() && person.is_some_and(|person| elected.contains(&person)),
        _ => false,
    })
}

/// I-19: a recused or conflicted person went on.
pub(super) fn recused_acted<'a>(matter: &Matter<'a>, drafts: &mut Vec<Draft<'a>>) {
    let mut recused: BTreeSet<&'a str> = BTreeSet::new();
    let mut tainted = BTreeSet::new();
    // Whoever fell out did so by one of these: without them nobody can go on.
    if !matter.chain.has_any(&[RECUSAL_DECIDED, CONFLICT]) {
        return;
    }
    for act in matter.chain.acts() {
        if !recused.is_empty() && persons(act).any(|person| recused.contains(person)) {
            tainted.insert(act.at);
            let grave = GRAVE.contains(&act.kind);
            drafts.push(Draft::at(act).severity_if(grave, Severity::Critical));
        } else if act.is(const { kind("JudicialConfirmationApplied") })
            && agreement(&matter.chain, act).is_some_and(|agreement| tainted.contains(&agreement.at))
        {
            drafts.push(Draft::at(act).severity(Severity::Observation));
        }
        let falls_out = match act.kind {
            RECUSAL_DECIDED => act.bool("granted") == Some(true),
            CONFLICT => act.bool("parties_accept") != Some(true),
            _ => false,
        };
        if falls_out {
            recused.extend(act.text("target"));
        }
    }
}

/// Who acts: the signer, the mediator, and those who signed the document.
fn persons<'a>(act: &Act<'a>) -> impl Iterator<Item = &'a str> {
    let signs = act.records("document_signers").filter_map(|signer| signer.text("person"));
    act.signer().into_iter().chain(act.text("mediator")).chain(signs)
}

/// I-20: somebody was appointed without a look into the register of conflicts.
pub(super) fn no_conflict_check<'a>(matter: &Matter<'a>, drafts: &mut Vec<Draft<'a>>) {
    for act in matter.chain.of_any(APPOINTING) {
        let unchecked = act.date("conflict_checked_on").is_none_or(|checked| checked > act.day);
        let found = act.bool("conflict_found") == Some(true);
        if unchecked || found {
            drafts.push(Draft::at(act).severity_if(found, Severity::Major));
        }
    }
}

/// I-23: a mediator of the case, or of the one it was split from, turned up in another role.
pub(super) fn role_conflict<'a>(matter: &Matter<'a>, drafts: &mut Vec<Draft<'a>>) {
    let former = matter.around.former_mediators(&matter.chain, matter.moment);
    let mut mediators: BTreeSet<&'a str> = BTreeSet::new();
    for act in matter.chain.acts() {
        let fields: &[&str] = match act.kind {
            HEARING => &["assessors", "agents", "witnesses"],
            OPINION => &["expert"],
            LAWYER => &["lawyer"],
            _ => &[],
        };
        let mediated = |person: &str| {
            mediators.contains(person)
                || former.iter().any(|(mediator, since)| *mediator == person && *since < act.occurred_at)
        };
        if fields.iter().flat_map(|field| act.texts(field)).any(mediated) {
            drafts.push(Draft::at(act));
        }
        if act.is_any(MEDIATING) {
            mediators.extend(act.text("mediator"));
        }
    }
}

/// I-40: a fee was charged where none is due.
pub(super) fn fee<'a>(matter: &Matter<'a>, drafts: &mut Vec<Draft<'a>>) {
    for act in matter.chain.of_any(FREE) {
        let is_free = !act.is(ACCEPTED) || matches!(act.code("kind"), Some("PEOPLE" | "MEDICAL" | "INDUSTRY"));
        if is_free && act.int("fee_charged").is_some_and(|fee| fee > 0) {
            drafts.push(Draft::at(act));
        }
    }
}

/// Purposes of a handoff that are mediation: `mediation` of the code list `HandoffPurpose`.
pub(super) const MEDIATION_PURPOSES: &[&str] =
    &["PRE_FILING_MEDIATION", "ENTRUSTED_MEDIATION", "MEDIATION", "CIVIL_PART_MEDIATION"];

/// Kinds of mediation that begin on application only; a people's committee may begin by itself (人民调解法 17).
const ON_APPLICATION: &[&str] = &["ADMIN", "LABOUR", "MEDICAL", "JUDICIAL", "COMMERCIAL"];

const CONSENTED: Kind = kind("MediationConsentRecorded");
const APPLIED: Kind = kind("MediationApplied");
const ACCEPTED: Kind = kind("MediationAccepted");
const SESSION: Kind = kind("MediationSessionHeld");
const SIGNED: Kind = kind("MediationAgreementSigned");
const ORAL: Kind = kind("OralAgreementRecorded");
const REFUSED: Kind = kind("MediationRefused");
const RECUSAL_DECIDED: Kind = kind("RecusalDecided");
const CONFLICT: Kind = kind("ConflictDeclared");
const HEARING: Kind = kind("HearingHeld");
const OPINION: Kind = kind("ExpertOpinionObtained");
const LAWYER: Kind = kind("LegalAidAssigned");
const MEDIATING: &[Kind] = &[kind("MediatorAppointed"), SESSION, SIGNED];
const APPOINTING: &[Kind] = &[kind("MediatorAppointed"), kind("HandlerReplaced"), OPINION];
const FREE: &[Kind] = &[ACCEPTED, kind("JudicialConfirmationAccepted")];
/// Acts that decide a matter: a recused person's hand in them is critical.
const GRAVE: &[Kind] = &[
    SIGNED,
    ORAL,
    kind("JudgmentRendered"),
    kind("CourtMediationStatementIssued"),
    kind("JudicialConfirmationGranted"),
    kind("JudicialConfirmationRejected"),
    kind("ArbitralAwardRendered"),
    kind("ArbitrationMediationStatementIssued"),
    kind("ReconsiderationDecided"),
    kind("ReconsiderationMediated"),
    kind("AdjudicationDecided"),
    kind("RetrialOrdered"),
    kind("RetrialRejected"),
    kind("NonProsecutionDecided"),
    kind("ProsecutionInstituted"),
    kind("PublicSecurityPenaltyDecided"),
    kind("PetitionReplied"),
    kind("ReviewDecided"),
    kind("ReReviewDecided"),
];
