//! Invariants about confidentiality: sealed material, accusations, minors, and reading with a reason.

use mediation_proto::mediation::types::v1::{AgencyKind, Role};

use crate::{
    clocks::Severity,
    judge::{
        Matter,
        chain::{Act, Chain, Kind, bool_of, code_of, kind},
        findings::Draft,
        parties::{Party, main_parties, parties},
    },
};

/// I-27: what was said in mediation left it.
pub(super) fn privilege_leak<'a>(matter: &Matter<'a>, drafts: &mut Vec<Draft<'a>>) {
    let chain = &matter.chain;
    for act in chain.of_any(HANDING_ON) {
        let sealed = act.codes("sealed_attachments").any(|code| matches!(code, "MEDIATION_NOTE" | "CONCESSION"));
        if sealed && !all_consent(act, &main_parties(chain, act.at)) {
            drafts.push(Draft::at(act));
        }
    }
    for read in sealed_reads(chain) {
        let reader = read.text("reader_agency");
        let on_bench = read.bool("trial_bench") == Some(true);
        let mut sessions = read_steps(chain, read).filter(|act| act.is(const { kind("MediationSessionHeld") }));
        if sessions.any(|session| on_bench || (reader != Some(session.agency) && !is_disclosed_twice(chain, read))) {
            drafts.push(Draft::against(read, reader));
        }
    }
}

/// I-28: psychological material left its center.
pub(super) fn sealed_disclosed<'a>(matter: &Matter<'a>, drafts: &mut Vec<Draft<'a>>) {
    let chain = &matter.chain;
    for act in chain.of_any(HANDING_ON) {
        let sealed = act.codes("sealed_attachments").any(|code| code == "PSYCHOLOGICAL");
        if sealed && !all_consent(act, &counselled(chain, act.at)) {
            drafts.push(Draft::at(act).severity_if(concerns_minor(chain, act.at), Severity::Critical));
        }
    }
    for read in sealed_reads(chain) {
        let reader = read.text("reader_agency");
        let mut sessions = read_steps(chain, read).filter(|act| act.is(const { kind("PsychSessionHeld") }));
        if sessions.any(|session| reader != Some(session.agency)) {
            let draft = Draft::against(read, reader);
            drafts.push(draft.severity_if(concerns_minor(chain, read.at), Severity::Critical));
        }
    }
}

/// I-29: an accusation reached somebody whom it must not reach.
pub(super) fn accuser_exposed<'a>(matter: &Matter<'a>, drafts: &mut Vec<Draft<'a>>) {
    let chain = &matter.chain;
    let is_accusation = |act: &&Act<'a>| act.is(PETITION) && act.code("kind") == Some("ACCUSATION");
    let Some(petition) = chain.acts().find(is_accusation) else { return };
    for read in chain.of(ACCESSED).filter(|read| is_content(read)) {
        let Some(reader) = read.text("reader_agency") else { continue };
        let kind = chain.directory().kind(reader);
        let is_supervisor = matches!(kind, Some(AgencyKind::Procuratorate | AgencyKind::Petition | AgencyKind::Audit));
        if reader != petition.agency && !is_supervisor && !handlers(matter, read.at).any(|handler| handler == reader) {
            drafts.push(Draft::against(read, Some(reader)));
        }
    }
    for act in chain.acts().filter(|act| act.codes("sealed_attachments").any(|code| code == "ACCUSATION")) {
        let addressee = match chain.proposal(act) {
            Some(proposal) => Some(proposal.agency),
            None => act.text("target"),
        };
        let kind = addressee.and_then(|addressee| chain.directory().kind(addressee));
        if !matches!(kind, Some(AgencyKind::Procuratorate | AgencyKind::Petition)) {
            drafts.push(Draft::at(act));
        }
    }
}

/// I-30: a handing-on without a basis, or a reading without a purpose.
pub(super) fn no_basis<'a>(matter: &Matter<'a>, drafts: &mut Vec<Draft<'a>>) {
    let chain = &matter.chain;
    drafts.extend(chain.acts().filter(|act| act.is_proposal() && act.lacks("legal_basis")).map(Draft::at));
    for read in chain.of(ACCESSED) {
        let approved = chain.referred(read, "disclosure").filter(|act| act.is(APPROVED));
        let uncovered = approved.is_some_and(|approved| {
            let expired = approved.date("expires_on").is_some_and(|expires| expires < read.day);
            expired || !covers(approved, read)
        });
        if read.lacks("purpose") || uncovered {
            drafts.push(Draft::against(read, read.text("reader_agency")));
        }
    }
}

/// I-39: a minor without a guardian, or whose identity was read.
pub(super) fn minor_exposed<'a>(matter: &Matter<'a>, drafts: &mut Vec<Draft<'a>>) {
    let chain = &matter.chain;
    for act in chain.acts() {
        let (exposed, agency) = match act.kind {
            SESSION => (is_unaccompanied(chain, act), Some(act.agency)),
            AGREEMENT => (is_signed_without_guardian(chain, act), Some(act.agency)),
            REFERRAL => (is_referred_without_guardian(chain, act), Some(act.agency)),
            REGISTERED | ADDED => {
                let mut named = act.records("parties").chain(act.records("party"));
                let unguarded =
                    named.any(|party| bool_of(party, "minor") == Some(true) && party.text("guardian").is_none());
                (unguarded, Some(act.agency))
            }
            ACCESSED => (is_identity_read_by_stranger(matter, act), act.text("reader_agency")),
            _ => continue,
        };
        if exposed {
            drafts.push(Draft::against(act, agency));
        }
    }
}

fn is_unaccompanied(chain: &Chain<'_>, act: &Act<'_>) -> bool {
    let attendees: Vec<&str> = act.texts("attendees").collect();
    let guardians: Vec<&str> = act.texts("guardians_present").collect();
    let present = |party: &Party<'_>| match party.guardian {
        Some(guardian) => guardians.contains(&guardian),
        None => false,
    };
    minors(chain, act.at).iter().any(|party| attendees.contains(&party.subject) && !present(party))
}

fn is_signed_without_guardian(chain: &Chain<'_>, act: &Act<'_>) -> bool {
    let signed = act.records("document_signers").any(|signer| code_of(signer, "kind") == Some("GUARDIAN"));
    !signed && minors(chain, act.at).iter().any(Party::is_main)
}

fn is_referred_without_guardian(chain: &Chain<'_>, act: &Act<'_>) -> bool {
    let subject = act.text("subject");
    let consented = act
        .records("consents")
        .any(|consent| bool_of(consent, "given") == Some(true) && consent.text("by_guardian").is_some());
    !consented && minors(chain, act.at).iter().any(|party| Some(party.subject) == subject)
}

fn is_identity_read_by_stranger(matter: &Matter<'_>, read: &Act<'_>) -> bool {
    let chain = &matter.chain;
    let identities = read.codes("parts").any(|part| part == "IDENTITIES") && read.code("grade") == Some("F");
    if !identities || minors(chain, read.at).is_empty() {
        return false;
    }
    let reader = read.text("reader_agency");
    let joined = chain.before(read.at).filter(|act| act.is(const { kind("CoAgencyJoined") }));
    let mut insiders = joined
        .filter_map(|act| act.text("joined"))
        .chain(matter.leads.led_before(read.at))
        .chain(handlers(matter, read.at));
    !insiders.any(|insider| Some(insider) == reader)
}

/// The agencies that accepted a handoff before a position.
fn handlers<'m, 'a>(matter: &'m Matter<'a>, before: usize) -> impl Iterator<Item = &'a str> + use<'m, 'a> {
    let accepted = matter.dockings.iter().filter_map(|docking| docking.accepted).filter(move |at| *at < before);
    accepted.filter_map(|at| matter.chain.get(at)).map(|act| act.agency)
}

/// Whether the sealed consents of an act hold every one of these persons, or the guardian of a minor.
fn all_consent(act: &Act<'_>, persons: &[Party<'_>]) -> bool {
    let consents: Vec<&str> = act.texts("sealed_consents").collect();
    persons.iter().all(|person| {
        let guardian = person.guardian.filter(|_| person.minor);
        consents.contains(&person.subject) || guardian.is_some_and(|guardian| consents.contains(&guardian))
    })
}

/// Whom the referrals of a chain concern; without a referral, its main parties.
fn counselled<'a>(chain: &Chain<'a>, before: usize) -> Vec<Party<'a>> {
    let known = parties(chain, before);
    let referred = chain.before(before).filter(|act| act.is(REFERRAL)).filter_map(|act| act.text("subject"));
    let subjects: Vec<Party<'a>> = referred
        .map(|subject| {
            let party = known.iter().find(|party| party.subject == subject).copied();
            party.unwrap_or(Party { subject, side: None, minor: false, guardian: None })
        })
        .collect();
    if subjects.is_empty() { main_parties(chain, before) } else { subjects }
}

fn concerns_minor(chain: &Chain<'_>, before: usize) -> bool {
    !minors(chain, before).is_empty()
}

fn minors<'a>(chain: &Chain<'a>, before: usize) -> Vec<Party<'a>> {
    parties(chain, before).into_iter().filter(|party| party.minor).collect()
}

/// Readings of sealed content, in full or redacted.
fn sealed_reads<'c, 'a>(chain: &'c Chain<'a>) -> impl Iterator<Item = &'c Act<'a>> {
    chain.of(ACCESSED).filter(|read| is_content(read) && read.codes("parts").any(|part| part == "SEALED"))
}

fn is_content(read: &Act<'_>) -> bool {
    matches!(read.code("grade"), Some("F" | "R"))
}

/// The acts that a reading is of: those it lists, else all before it.
fn read_steps<'c, 'a>(chain: &'c Chain<'a>, read: &'c Act<'a>) -> impl Iterator<Item = &'c Act<'a>> {
    let listed: Vec<usize> =
        read.records("steps").filter_map(|step| chain.referent(step, read.at)).map(|act| act.at).collect();
    let whole = read.records("steps").next().is_none();
    chain.before(read.at).filter(move |act| whole || listed.contains(&act.at))
}

/// Whether a disclosure of privileged content is named and in force; it takes the heads of two agencies.
fn is_disclosed_twice(chain: &Chain<'_>, read: &Act<'_>) -> bool {
    let in_force = |act: &Act<'_>| {
        act.is(APPROVED)
            && act.role() == Role::Head
            && act.text("recipient") == read.text("reader_agency")
            && act.date("expires_on").is_none_or(|expires| expires >= read.day)
            && covers(act, read)
    };
    let Some(named) = chain.referred(read, "disclosure").filter(|act| in_force(act)) else { return false };
    chain.before(read.at).any(|act| act.agency != named.agency && in_force(act))
}

/// Whether an approval names every act that a reading is of.
fn covers(approved: &Act<'_>, read: &Act<'_>) -> bool {
    let ids = |act: &Act<'_>| {
        let steps = act.records("steps").filter_map(|step| step.text("event_id").map(str::to_owned));
        steps.collect::<Vec<String>>()
    };
    let (approved, read) = (ids(approved), ids(read));
    !read.is_empty() && read.iter().all(|step| approved.contains(step))
}

const HANDING_ON: &[Kind] = &[kind("HandoffProposed"), kind("HandoffOutcomeReported")];
const ACCESSED: Kind = kind("RecordAccessed");
const APPROVED: Kind = kind("DisclosureApproved");
const PETITION: Kind = kind("PetitionReceived");
const SESSION: Kind = kind("MediationSessionHeld");
const AGREEMENT: Kind = kind("MediationAgreementSigned");
const REFERRAL: Kind = kind("PsychReferralMade");
const REGISTERED: Kind = kind("DisputeRegistered");
const ADDED: Kind = kind("PartyAdded");
