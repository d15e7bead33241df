//! Invariants about first responsibility and about what may follow a closing.

use crate::{
    catalogue::HandoffRole,
    judge::{
        Matter,
        chain::{Act, Chain, Kind, kind},
        findings::Draft,
    },
};

/// I-1: a chain is without a lead.
pub(super) fn no_lead<'a>(matter: &Matter<'a>, drafts: &mut Vec<Draft<'a>>) {
    let chain = &matter.chain;
    for (reopened, set_by) in &matter.leads.leaderless {
        let Some(reopened) = chain.get(*reopened).filter(|act| act.withdrawn_by.is_none()) else { continue };
        let set_by = set_by.and_then(|at| chain.get(at));
        if set_by.is_none_or(|act| !act.is(ASSIGNED) || act.day != reopened.day) {
            let cured_by = set_by.filter(|act| act.is(ASSIGNED)).map(|act| act.at);
            drafts.push(Draft::at(reopened).cured_by(cured_by));
        }
    }
    if !matter.dockings.is_empty() || chain.of_any(DISPUTE).next().is_some() {
        let early = chain.acts().take_while(|act| !act.is(REGISTERED));
        let mut unled = early.filter(|act| !act.row.opening && !matches!(act.row.family, "grid" | "registry"));
        drafts.extend(unled.next().map(Draft::at));
    }
}

/// I-2: a new lead was named without releasing the old one.
pub(super) fn dual_lead<'a>(matter: &Matter<'a>, drafts: &mut Vec<Draft<'a>>) {
    let chain = &matter.chain;
    for assignment in matter.leads.unreleased.iter().filter_map(|at| chain.get(*at)) {
        let counts = |act: &&Act<'a>| act.withdrawn_by.is_none();
        let moved = matter.leads.moved_after(assignment.at).filter_map(|at| chain.get(at)).find(counts);
        let closed = chain.of_after(CLOSED, assignment.at).next();
        let withdrawn = assignment.withdrawn_by.and_then(|at| chain.get(at));
        let end = [moved, closed, withdrawn].into_iter().flatten().min_by_key(|act| act.at);
        let to = end.map_or_else(|| chain.today(), |act| act.day);
        let draft = Draft::at(assignment).days(assignment.day, to).cured_by(end.map(|act| act.at));
        drafts.push(draft);
    }
}

/// I-13: a reopening without a cause or without a lead.
pub(super) fn reopen_no_cause<'a>(matter: &Matter<'a>, drafts: &mut Vec<Draft<'a>>) {
    for act in matter.chain.of(REOPENED) {
        let missing: Vec<&str> = ["cause", "restored_lead"].into_iter().filter(|field| act.lacks(field)).collect();
        if !missing.is_empty() {
            drafts.push(Draft::at(act).reasons(missing));
        }
    }
}

/// I-12: something else than follow-up after a closing.
pub(super) fn event_after_close<'a>(matter: &Matter<'a>, drafts: &mut Vec<Draft<'a>>) {
    let mut closed_at = None;
    for act in matter.chain.acts() {
        if let Some(closed_at) = closed_at
            && !is_allowed_after(matter, act, closed_at)
        {
            drafts.push(Draft::at(act));
        }
        if act.is(CLOSED) {
            closed_at.get_or_insert(act.at);
        } else if act.is(REOPENED) {
            closed_at = None;
        }
    }
}

/// Whether an act may follow a closing. A timeout and its escalation may when the closing left their proposal open.
fn is_allowed_after(matter: &Matter<'_>, act: &Act<'_>, closed_at: usize) -> bool {
    match act.row.handoff {
        Some(HandoffRole::Timeout | HandoffRole::Escalation) => !was_answered(&matter.chain, matter, act, closed_at),
        Some(
            HandoffRole::Proposal | HandoffRole::Answer | HandoffRole::Outcome | HandoffRole::Ack | HandoffRole::Recall,
        )
        | None => act.row.after_closing,
    }
}

fn was_answered(chain: &Chain<'_>, matter: &Matter<'_>, act: &Act<'_>, before: usize) -> bool {
    let proposal = chain.proposal(act).map(|act| act.at);
    let place = proposal.map(|at| matter.dockings.partition_point(|docking| docking.proposal < at));
    let docking = place.and_then(|place| matter.dockings.get(place));
    let docking = docking.filter(|docking| Some(docking.proposal) == proposal);
    docking.is_some_and(|docking| docking.settled.is_some_and(|settled| settled < before))
}

const REGISTERED: Kind = kind("DisputeRegistered");
const ASSIGNED: Kind = kind("LeadAgencyAssigned");
const REOPENED: Kind = kind("DisputeReopened");
const CLOSED: Kind = kind("DisputeClosed");
/// Acts that make a chain a dispute chain, apart from proposals.
const DISPUTE: &[Kind] = &[REGISTERED, CLOSED, ASSIGNED];
