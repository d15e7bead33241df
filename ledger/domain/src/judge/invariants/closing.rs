//! Invariants about what must be done before a dispute is closed, or before a step is taken.

use std::collections::BTreeSet;

use crate::{
    clocks::{ClockKind, EndKind, Instance},
    judge::{
        Matter,
        chain::{Act, Chain, Kind, kind},
        findings::Draft,
        obligations::{Duties, Duty, ObligationState},
    },
};

/// I-9: closed with an open handoff.
pub(super) fn closed_open_handoff<'a>(matter: &Matter<'a>, drafts: &mut Vec<Draft<'a>>) {
    for closed in matter.chain.of(CLOSED) {
        let open: Vec<_> = matter
            .dockings
            .iter()
            .filter(|docking| docking.proposal < closed.at && docking.is_open(closed.at))
            .collect();
        if open.is_empty() {
            continue;
        }
        let end = matter.chain.all().len();
        let is_settled = open.iter().all(|docking| !docking.is_open(end));
        let cured_by = open.iter().filter_map(|docking| docking.settled_by()).max().filter(|_| is_settled);
        let steps = open.iter().filter_map(|docking| matter.chain.get(docking.proposal)).map(step);
        drafts.push(Draft::at(closed).reasons(steps).cured_by(cured_by));
    }
}

/// I-4: a return without a reason, or without the documents.
pub(super) fn return_no_reason<'a>(matter: &Matter<'a>, drafts: &mut Vec<Draft<'a>>) {
    for act in matter.chain.of(const { kind("HandoffReturned") }) {
        let mut missing = Vec::new();
        if act.lacks("reason") {
            missing.push("reason");
        }
        let handed_over = matter.chain.proposal(act).is_some_and(|proposal| proposal.has("documents"));
        if act.lacks("documents_returned") && handed_over {
            missing.push("documents_returned");
        }
        if !missing.is_empty() {
            drafts.push(Draft::at(act).reasons(missing));
        }
    }
}

/// I-10: closed with a due obligation, or with instalments that nobody monitors.
pub(super) fn closed_open_obligation<'a>(matter: &Matter<'a>, drafts: &mut Vec<Draft<'a>>) {
    let mut duties = Duties::of(&matter.chain);
    for closed in matter.chain.of(CLOSED) {
        // What there was then are the first of what there is now, in the same order.
        let then = duties.before(closed.at).iter().zip(&matter.duties);
        let open: Vec<&Duty<'a>> =
            then.filter(|(then, _)| bars_closing(matter, then, closed)).map(|(_, now)| now).collect();
        if open.is_empty() {
            continue;
        }
        // An obligation that a later agreement replaces was never done: only performance and waiver cure.
        let is_done = |now: &&Duty<'a>| matches!(now.state, ObligationState::Performed | ObligationState::Waived);
        let done: Option<Vec<usize>> =
            open.iter().map(|now| Some(*now).filter(is_done).and_then(|now| now.by)).collect();
        let cured_by = done.and_then(|done| done.into_iter().max());
        drafts.push(Draft::at(closed).reasons(open.iter().map(|duty| duty.id)).cured_by(cured_by));
    }
}

fn bars_closing(matter: &Matter<'_>, duty: &Duty<'_>, closed: &Act<'_>) -> bool {
    match duty.state {
        ObligationState::Performed | ObligationState::Waived | ObligationState::Replaced => false,
        ObligationState::Defaulted => true,
        ObligationState::Open if duty.is_due(closed.day) => true,
        ObligationState::Open => {
            let recorded = matter.chain.get(duty.recorded);
            recorded.is_some_and(|act| act.bool("instalments") == Some(true) && act.lacks("monitoring_plan"))
        }
    }
}

/// I-11: closed while a party's time to object, appeal or ask for review runs.
pub(super) fn closed_right_running<'a>(matter: &Matter<'a>, drafts: &mut Vec<Draft<'a>>) {
    let barring = |instance: &&Instance<'a>| instance.clock.kind == ClockKind::Right && instance.clock.blocks_close;
    let rights: Vec<&Instance<'a>> = matter.course.judged().filter(barring).collect();
    let mut duties = Duties::of(&matter.chain);
    for closed in matter.chain.of(CLOSED).filter(|_| !rights.is_empty()) {
        let then = duties.before(closed.at);
        let performed = !then.is_empty() && then.iter().all(|duty| duty.state.is_final());
        let lifted = closed.code("ground").is_some_and(|ground| LIFTING_GROUNDS.contains(&ground));
        if performed || lifted || closed.has("waivers") {
            continue;
        }
        let running = rights.iter().filter(|instance| is_running(instance, closed));
        let running: Vec<&str> = running.map(|instance| instance.clock.id.as_str()).collect();
        if !running.is_empty() {
            drafts.push(Draft::at(closed).reasons(running));
        }
    }
}

fn is_running(instance: &Instance<'_>, closed: &Act<'_>) -> bool {
    instance.opened_by.is_none_or(|opened_by| opened_by < closed.at)
        && instance.start() <= closed.day
        && instance.end.is_none_or(|end| end.by > closed.at)
        && instance.due().is_none_or(|due| due >= closed.day)
}

/// I-33: a step that must be there is missing.
pub(super) fn missing_step<'a>(matter: &Matter<'a>, drafts: &mut Vec<Draft<'a>>) {
    let chain = &matter.chain;
    if chain.has_any(&[CLOSED]) {
        petitions_without_reply(matter, drafts);
        applications_without_reply(matter, drafts);
    }
    if chain.has_any(&[GRID_CLOSED]) {
        dispatches_without_feedback(matter, drafts);
    }
    for act in chain.of_any(&[REPLIED, TERMINATED, RECONCILED]) {
        match act.kind {
            REPLIED if !chain.of_before(ACCEPTED, act.at).any(|accepted| accepted.agency == act.agency) => {
                drafts.push(Draft::at(act).reason("S2"));
            }
            TERMINATED if OPINIONS.iter().any(|opinion| !chain.has_before(&[*opinion], act.at)) => {
                drafts.push(Draft::at(act).reason("S5"));
            }
            RECONCILED if !is_reviewed(matter, act) => drafts.push(Draft::at(act).reason("S6")),
            _ => {}
        }
    }
}

fn petitions_without_reply<'a>(matter: &Matter<'a>, drafts: &mut Vec<Draft<'a>>) {
    let chain = &matter.chain;
    let answers: Vec<&Act<'a>> = chain.of_any(&[WITHDRAWN, REPLIED, DIVERTED, RETURNED]).collect();
    for accepted in chain.of(ACCEPTED) {
        let is_answer = |act: &&&Act<'a>| act.is(WITHDRAWN) || act.agency == accepted.agency;
        let mut later = answers.iter().skip(answers.partition_point(|act| act.at < accepted.at));
        let answered = later.find(is_answer).map(|act| act.at);
        let mut open = unanswered(chain, accepted, answered).peekable();
        if open.peek().is_some() && !super::petition::is_repeat(matter, accepted) {
            drafts.extend(open.map(|closed| Draft::against(closed, Some(accepted.agency)).reason("S1")));
        }
    }
}

fn applications_without_reply<'a>(matter: &Matter<'a>, drafts: &mut Vec<Draft<'a>>) {
    let chain = &matter.chain;
    for received in chain.of_any(PROCURATORIAL) {
        let first = |kinds: &[Kind]| {
            let own = |kind: &Kind| chain.of_after(*kind, received.at).find(|act| act.agency == received.agency);
            kinds.iter().filter_map(own).map(|act| act.at).min()
        };
        let answered = first(&[PROCEDURAL_REPLY]).zip(first(SUBSTANTIVE)).map(|(formal, real)| formal.max(real));
        let open = unanswered(chain, received, answered);
        drafts.extend(open.map(|closed| Draft::against(closed, Some(received.agency)).reason("S3")));
    }
}

/// The closings after an act and before the act that answered it.
fn unanswered<'c, 'a>(
    chain: &'c Chain<'a>,
    asked: &Act<'a>,
    answered: Option<usize>,
) -> impl Iterator<Item = &'c Act<'a>> {
    chain.of_after(CLOSED, asked.at).take_while(move |closed| answered.is_none_or(|answered| answered > closed.at))
}

fn dispatches_without_feedback<'a>(matter: &Matter<'a>, drafts: &mut Vec<Draft<'a>>) {
    let chain = &matter.chain;
    let (closings, feedback) = (naming(chain, GRID_CLOSED, "report"), naming(chain, FEEDBACK, "report"));
    let acceptances = naming(chain, GRID_ACCEPTED, "dispatch");
    let taken_over = taken_over(matter);
    for dispatch in chain.of(DISPATCHED) {
        let event = chain.referred(dispatch, "report").map(|report| report.at);
        let given = after(&feedback, event, dispatch.at).next();
        let mut open = after(&closings, event, dispatch.at).take_while(|at| given.is_none_or(|given| given > *at));
        let Some(first) = open.next() else { continue };
        let accepted = after(&acceptances, Some(dispatch.at), dispatch.at).next().and_then(|at| chain.get(at));
        if accepted.is_some_and(|accepted| taken_over.contains(&accepted.at)) {
            continue;
        }
        let agency = accepted.map(|act| act.agency).or_else(|| dispatch.text("target"));
        let closed = std::iter::once(first).chain(open).filter_map(|at| chain.get(at));
        drafts.extend(closed.map(|closed| Draft::against(closed, agency).reason("S4")));
    }
}

/// Acts of a kind with what a field of theirs names, sorted by that: positions of both.
fn naming(chain: &Chain<'_>, kind: Kind, field: &str) -> Vec<(Option<usize>, usize)> {
    let named = |act| chain.referred(act, field).map(|named| named.at);
    let mut acts: Vec<_> = chain.of(kind).map(|act| (named(act), act.at)).collect();
    acts.sort_unstable();
    acts
}

/// The acts after a position of those that name the same.
fn after(naming: &[(Option<usize>, usize)], named: Option<usize>, at: usize) -> impl Iterator<Item = usize> {
    let later = naming.get(naming.partition_point(|act| *act <= (named, at))..).unwrap_or_default();
    later.iter().take_while(move |(other, _)| *other == named).map(|(_, at)| *at)
}

/// The acceptances of matters that others then took on, so that who accepted owes no feedback.
fn taken_over(matter: &Matter<'_>) -> BTreeSet<usize> {
    let is_closed = |at: usize| matter.chain.get(at).is_some_and(|act| act.is(CLOSED));
    let is_taken_over = |instance: &&Instance<'_>| {
        instance.clock.row == GRID_CLOCK
            && instance.is_ended(EndKind::Voided)
            && instance.end.is_some_and(|end| !is_closed(end.by))
    };
    matter.course.judged().filter(is_taken_over).filter_map(|instance| instance.opened_by).collect()
}

fn is_reviewed(matter: &Matter<'_>, act: &Act<'_>) -> bool {
    let is_good = |review: &Act<'_>| review.bool("voluntary") == Some(true) && review.bool("lawful") == Some(true);
    matter.chain.of_before(const { kind("CriminalReconciliationReviewed") }, act.at).any(is_good)
}

/// Position of an act in its chain, counted from 1, as reasons give it.
fn step(act: &Act<'_>) -> String {
    (act.revision + 1).to_string()
}

/// Grounds of closing that lift the bar of I-11: `lifts_right_bar` of the code list `ClosureGround`.
pub(super) const LIFTING_GROUNDS: &[&str] = &["FULL_PERFORMANCE", "WRITTEN_WAIVER", "WITHDRAWAL"];

/// Row of the clocks of a grid event.
const GRID_CLOCK: &str = "WG-3";

const CLOSED: Kind = kind("DisputeClosed");
const ACCEPTED: Kind = kind("PetitionAccepted");
const REPLIED: Kind = kind("PetitionReplied");
const DIVERTED: Kind = kind("PetitionDivertedToLegalProcedure");
const RETURNED: Kind = kind("HandoffReturned");
const WITHDRAWN: Kind = kind("PetitionWithdrawn");
const TERMINATED: Kind = kind("PetitionTerminated");
const OPINIONS: &[Kind] = &[REPLIED, kind("ReviewDecided"), kind("ReReviewDecided")];
const PROCURATORIAL: &[Kind] = &[kind("ProcuratorialMatterReceived"), kind("SupervisionApplied")];
const PROCEDURAL_REPLY: Kind = kind("ProceduralReplySent");
const SUBSTANTIVE: &[Kind] = &[
    kind("SubstantiveReplySent"),
    kind("ProcuratorialSuggestionIssued"),
    kind("ProtestFiled"),
    kind("SupervisionNotSupported"),
];
const RECONCILED: Kind = kind("CriminalReconciliationAgreementSigned");
const DISPATCHED: Kind = kind("GridEventDispatched");
const GRID_ACCEPTED: Kind = kind("GridEventAccepted");
const FEEDBACK: Kind = kind("GridEventFeedbackGiven");
const GRID_CLOSED: Kind = kind("GridEventClosed");
