//! Invariants about confidentiality: sealed material, accusations, minors, and reading with a reason.

use mediation_proto::mediation::types::v1::{AgencyKind, Role};

use crate::{
    clocks::Severity,
    history::EventId,
    judge::{
        Matter,
        chain::{Act, Chain, Kind, bool_of, code_of, kind},
        findings::Draft,
        parties::{Party, main_parties, parties},
        surroundings::Reading,
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
    for read in readings(matter).iter().filter(|read| is_sealed(read)) {
        let mut sessions = read_steps(chain, read, SESSION);
        let leaks = |session: &Act<'a>| read.reader != Some(session.agency) && !is_disclosed_twice(chain, read);
        if sessions.any(|session| read.what.trial_bench || leaks(session)) {
            drafts.push(Draft::reading(read));
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
    for read in readings(matter).iter().filter(|read| is_sealed(read)) {
        let mut sessions = read_steps(chain, read, const { kind("PsychSessionHeld") });
        if sessions.any(|session| read.reader != Some(session.agency)) {
            let draft = Draft::reading(read);
            drafts.push(draft.severity_if(concerns_minor(chain, read.at), Severity::Critical));
        }
    }
}

/// I-29: an accusation reached somebody whom it must not reach.
pub(super) fn accuser_exposed<'a>(matter: &Matter<'a>, drafts: &mut Vec<Draft<'a>>) {
    let chain = &matter.chain;
    let is_accusation = |act: &&Act<'a>| act.code("kind") == Some("ACCUSATION");
    let Some(petition) = chain.of(PETITION).find(is_accusation) else { return };
    for read in readings(matter).iter().filter(|read| read.what.content) {
        let Some(reader) = read.reader else { continue };
        let kind = chain.directory().kind(reader);
        let is_supervisor = matches!(kind, Some(AgencyKind::Procuratorate | AgencyKind::Petition | AgencyKind::Audit));
        if reader != petition.agency && !is_supervisor && !handlers(matter, read.at).any(|handler| handler == reader) {
            drafts.push(Draft::reading(read));
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
    for read in readings(matter) {
        let approved = disclosure(chain, &read);
        let uncovered = approved.is_some_and(|approved| {
            let expired = approved.date("expires_on").is_some_and(|expires| expires < read.day);
            expired || !covers(approved, &read)
        });
        if !read.what.purpose || uncovered {
            drafts.push(Draft::reading(&read));
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
            _ => continue,
        };
        if exposed {
            drafts.push(Draft::against(act, agency));
        }
    }
    let readings = readings(matter);
    drafts.extend(readings.iter().filter(|read| is_identity_read_by_stranger(matter, read)).map(Draft::reading));
}

fn is_unaccompanied(chain: &Chain<'_>, act: &Act<'_>) -> bool {
    let minors = minors(chain, act.at);
    if minors.is_empty() {
        return false;
    }
    let attendees: Vec<&str> = act.texts("attendees").collect();
    let guardians: Vec<&str> = act.texts("guardians_present").collect();
    let present = |party: &Party<'_>| match party.guardian {
        Some(guardian) => guardians.contains(&guardian),
        None => false,
    };
    minors.iter().any(|party| attendees.contains(&party.subject) && !present(party))
}

/// Whether a minor main party has no guardian among the signers: its own, where it is known who that is.
fn is_signed_without_guardian(chain: &Chain<'_>, act: &Act<'_>) -> bool {
    let signed = |party: &Party<'_>| {
        act.records("document_signers").filter(|signer| code_of(*signer, "kind") == Some("GUARDIAN")).any(|signer| {
            let person = signer.text("person");
            person.is_none() || party.guardian.is_none_or(|guardian| person == Some(guardian))
        })
    };
    minors(chain, act.at).iter().any(|party| party.is_main() && !signed(party))
}

fn is_referred_without_guardian(chain: &Chain<'_>, act: &Act<'_>) -> bool {
    let subject = act.text("subject");
    let consented = act
        .records("consents")
        .any(|consent| bool_of(consent, "given") == Some(true) && consent.text("by_guardian").is_some());
    !consented && minors(chain, act.at).iter().any(|party| Some(party.subject) == subject)
}

fn is_identity_read_by_stranger(matter: &Matter<'_>, read: &Reading<'_>) -> bool {
    let chain = &matter.chain;
    if !read.what.identities || !read.what.full || minors(chain, read.at).is_empty() {
        return false;
    }
    let joined = chain.of_before(const { kind("CoAgencyJoined") }, read.at);
    let mut insiders = joined
        .filter_map(|act| act.text("joined"))
        .chain(matter.leads.led_before(read.at))
        .chain(handlers(matter, read.at));
    !insiders.any(|insider| Some(insider) == read.reader)
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
    let referred = chain.of_before(REFERRAL, before).filter_map(|act| act.text("subject"));
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

/// The readings of a chain: those that stand on it, and those of access chains. One that stands here and is of another
/// chain is judged with that one.
fn readings<'a>(matter: &Matter<'a>) -> Vec<Reading<'a>> {
    let chain = &matter.chain;
    let here = chain.of(ACCESSED).filter(|read| !matter.around.is_elsewhere(chain, read, matter.moment));
    let here = here.map(Reading::here);
    here.chain(matter.around.readings(chain, matter.moment)).collect()
}

/// Whether sealed content was read, in full or redacted.
fn is_sealed(read: &Reading<'_>) -> bool {
    read.what.content && read.what.sealed
}

/// The acts of a kind that a reading is of: those that it lists, else all before it.
fn read_steps<'c, 'a>(chain: &'c Chain<'a>, read: &Reading<'_>, kind: Kind) -> impl Iterator<Item = &'c Act<'a>> {
    let steps = read.what.steps.iter();
    let listed: Vec<usize> = steps.filter_map(|step| chain.act_of(*step, read.at)).map(|act| act.at).collect();
    let whole = read.what.steps.is_empty();
    chain.of_before(kind, read.at).filter(move |act| whole || listed.contains(&act.at))
}

/// The approval that a reading names.
fn disclosure<'c, 'a>(chain: &'c Chain<'a>, read: &Reading<'_>) -> Option<&'c Act<'a>> {
    let named = chain.act_of(read.what.disclosure?, read.at)?;
    Some(named).filter(|act| act.withdrawn_by.is_none() && act.is(APPROVED))
}

/// Whether a disclosure of privileged content is named and in force; it takes the heads of two agencies.
fn is_disclosed_twice(chain: &Chain<'_>, read: &Reading<'_>) -> bool {
    let in_force = |act: &Act<'_>| {
        act.role() == Role::Head
            && act.text("recipient") == read.reader
            && act.date("expires_on").is_none_or(|expires| expires >= read.day)
            && covers(act, read)
    };
    let Some(named) = disclosure(chain, read).filter(|act| in_force(act)) else { return false };
    chain.of_before(APPROVED, read.at).any(|act| act.agency != named.agency && in_force(act))
}

/// Whether an approval names every act that a reading is of.
fn covers(approved: &Act<'_>, read: &Reading<'_>) -> bool {
    let ids = approved.records("steps").filter_map(|step| EventId::parse(step.text("event_id")?));
    let approved: Vec<EventId> = ids.collect();
    !read.what.steps.is_empty() && read.what.steps.iter().all(|step| approved.contains(step))
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
