//! Invariants about petitions (信访).

use mediation_proto::mediation::types::v1::AgencyKind;

use crate::{
    clocks::Severity,
    judge::{
        Matter,
        chain::{Act, Chain, Kind, kind},
        findings::Draft,
    },
};

/// I-25: a litigation matter was handled as an ordinary petition.
pub(super) fn litigation_in_petition<'a>(matter: &Matter<'a>, drafts: &mut Vec<Draft<'a>>) {
    for act in matter.chain.of(ACCEPTED) {
        let is_legal = matches!(
            act.agency_kind,
            Some(AgencyKind::Court | AgencyKind::Procuratorate | AgencyKind::Police | AgencyKind::Justice)
        );
        let petition = petition(&matter.chain, act);
        if !is_legal && petition.is_some_and(|petition| petition.bool("litigation_related") == Some(true)) {
            drafts.push(Draft::at(act));
        }
    }
}

/// I-26: a terminated petition was accepted again.
pub(super) fn repeat_accepted<'a>(matter: &Matter<'a>, drafts: &mut Vec<Draft<'a>>) {
    drafts.extend(matter.chain.of(ACCEPTED).filter(|act| is_repeat(matter, act)).map(Draft::at));
}

/// Whether an acceptance is of a petition that was received after the matter was terminated, here or on a chain of the
/// same facts. The business time tells what came later on another chain; in the same second nothing did.
pub(super) fn is_repeat<'a>(matter: &Matter<'a>, accepted: &Act<'a>) -> bool {
    let chain = &matter.chain;
    let Some(received) = petition(chain, accepted) else { return false };
    let terminated = chain.of_before(const { kind("PetitionTerminated") }, accepted.at).next();
    terminated.is_some_and(|terminated| received.at > terminated.at)
        || matter
            .around
            .terminated_at(chain, matter.moment)
            .is_some_and(|instant| received.occurred_at > instant && accepted.occurred_at > instant)
}

/// I-31: a group came with more than five representatives.
pub(super) fn group_reps<'a>(matter: &Matter<'a>, drafts: &mut Vec<Draft<'a>>) {
    let chain = &matter.chain;
    let too_many =
        |act: &&Act<'a>| act.int("representatives_presented").is_some_and(|count| count > REPRESENTATIVES_MAX);
    if let Some(presented) = chain.of_any(PRESENTING).find(too_many) {
        let elected = chain.of_after(ELECTED, presented.at).find(|act| {
            u64::try_from(act.texts("representatives").count()).is_ok_and(|count| count <= REPRESENTATIVES_MAX)
        });
        let draft = Draft::at(presented).severity(Severity::Observation);
        drafts.push(draft.cured_by(elected.map(|act| act.at)));
        let handled = chain.after(presented.at).find(|act| act.is_any(HANDLING));
        let uncured = handled.filter(|handled| elected.is_none_or(|elected| elected.at > handled.at));
        drafts.extend(uncured.map(Draft::at));
    }
    for act in chain.of(ACCEPTED) {
        if u64::try_from(act.texts("representatives").count()).is_ok_and(|count| count > REPRESENTATIVES_MAX) {
            drafts.push(Draft::at(act));
        }
    }
}

/// The petition that an act names, else the latest one received.
fn petition<'c, 'a>(chain: &'c Chain<'a>, act: &Act<'a>) -> Option<&'c Act<'a>> {
    chain.referred(act, "petition").or_else(|| chain.latest(RECEIVED, act.at))
}

/// 信访工作条例 20: at most five.
const REPRESENTATIVES_MAX: u64 = 5;

const ACCEPTED: Kind = kind("PetitionAccepted");
const RECEIVED: Kind = kind("PetitionReceived");
const ELECTED: Kind = kind("PartyRepresentativeElected");
const PRESENTING: &[Kind] = &[kind("DisputeRegistered"), RECEIVED];
const HANDLING: &[Kind] = &[ACCEPTED, kind("PetitionDivertedToLegalProcedure")];
