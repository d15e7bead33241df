//! What ties agencies to a chain, and when each tie ended.

use super::super::Tie;
use crate::{
    calendar::Day,
    catalogue::HandoffRole,
    judge::{
        chain::{Act, Chain, Kind, kind},
        leads::Leads,
    },
};

/// A tie of an agency to the chain, and when it ended.
#[derive(Debug)]
pub(super) struct Interval<'a> {
    pub(super) agency: &'a str,
    pub(super) tie: Tie,
    pub(super) ended: Option<Day>,
    /// Position of the act from which on it holds.
    from: usize,
}

/// Every tie of the chain's agencies. An agency cannot tie itself: a proposal counts only from one that was on the chain, an
/// acceptance only from the one that was asked.
pub(super) fn ties<'a>(chain: &Chain<'a>) -> Vec<Interval<'a>> {
    let mut ties = leads(chain);
    ties.extend(co_agencies(chain));
    for proposal in chain.acts().filter(|act| act.is_proposal()) {
        let was_on =
            |tie: &Interval<'_>| tie.agency == proposal.agency && tie.from < proposal.at && tie.tie > Tie::Addressed;
        if ties.iter().any(was_on) {
            ties.extend(handoff(chain, proposal));
        }
    }
    ties
}

/// Agencies that led, and the one that opened a chain which nobody was registered to lead.
fn leads<'a>(chain: &Chain<'a>) -> Vec<Interval<'a>> {
    let leads = Leads::new(chain);
    let day = |at: usize| chain.get(at).map(|act| act.day);
    let spans =
        leads.spans().map(|(agency, from, to)| Interval { agency, tie: Tie::Lead, ended: to.and_then(day), from });
    let mut ties: Vec<Interval<'a>> = spans.collect();
    if let Some(opening) = chain.all().first().filter(|act| ties.is_empty() && act.row.opening) {
        ties.push(Interval { agency: opening.agency, tie: Tie::Lead, ended: closed_on(chain), from: opening.at });
    }
    ties
}

/// Sender and receiver of a handoff. One that waits ties only its receiver, one that was returned, recalled or has run out ties
/// nobody.
fn handoff<'a>(chain: &Chain<'a>, proposal: &Act<'a>) -> Vec<Interval<'a>> {
    let Some(target) = proposal.text("target") else { return Vec::new() };
    let of_it = |act: &&Act<'a>| chain.proposal(act).is_some_and(|of| of.at == proposal.at);
    let follows = || chain.after(proposal.at).filter(of_it);
    let settles = |act: &&Act<'a>| match act.row.handoff {
        Some(HandoffRole::Answer) => act.agency == target && !act.is(OBJECTED),
        Some(HandoffRole::Recall) => act.agency == proposal.agency,
        Some(
            HandoffRole::Proposal
            | HandoffRole::Outcome
            | HandoffRole::Ack
            | HandoffRole::Timeout
            | HandoffRole::Escalation,
        )
        | None => false,
    };
    let Some(answer) = follows().find(settles) else {
        let timed_out = follows().any(|act| act.row.handoff == Some(HandoffRole::Timeout));
        let waits = !timed_out && closed_on(chain).is_none();
        let addressed = Interval { agency: target, tie: Tie::Addressed, ended: None, from: proposal.at };
        return waits.then_some(addressed).into_iter().collect();
    };
    if !answer.is_any(&[ACCEPTED, REFERRAL_ACCEPTED]) {
        return Vec::new();
    }
    let ends =
        |role: HandoffRole, reported: bool| role == HandoffRole::Ack || (role == HandoffRole::Outcome && !reported);
    let done = follows().find(|act| act.row.handoff.is_some_and(|role| ends(role, act.is(REPORTED))));
    let closed = closed_on(chain).filter(|closed| answer.day <= *closed);
    let ended = done.map(|act| act.day).into_iter().chain(closed).min();
    [proposal.agency, target].map(|agency| Interval { agency, tie: Tie::Handoff, ended, from: answer.at }).into()
}

/// Agencies that were called to the chain, until the day that the call names or the chain is closed.
fn co_agencies<'a>(chain: &Chain<'a>) -> Vec<Interval<'a>> {
    let joined = chain.of(JOINED).filter_map(|act| {
        let until = act.date("until").filter(|until| *until < chain.today());
        let ended = until.into_iter().chain(closed_on(chain)).min();
        Some(Interval { agency: act.text("joined")?, tie: Tie::CoAgency, ended, from: act.at })
    });
    joined.collect()
}

/// Day of the closing that still holds.
fn closed_on(chain: &Chain<'_>) -> Option<Day> {
    let last = chain.of_any(const { &[CLOSED, REOPENED] }).next_back()?;
    last.is(CLOSED).then_some(last.day)
}

const CLOSED: Kind = kind("DisputeClosed");
const REOPENED: Kind = kind("DisputeReopened");
const JOINED: Kind = kind("CoAgencyJoined");
const ACCEPTED: Kind = kind("HandoffAccepted");
const REFERRAL_ACCEPTED: Kind = kind("PsychReferralAccepted");
const OBJECTED: Kind = kind("PetitionJurisdictionObjected");
/// The one outcome that waits for an acknowledgement.
const REPORTED: Kind = kind("HandoffOutcomeReported");
