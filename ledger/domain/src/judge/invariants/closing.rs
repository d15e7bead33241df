//! Invariants about what must be done before a dispute is closed, or before a step is taken.

use crate::{
    clocks::{ClockKind, EndKind, Instance},
    judge::{
        Matter,
        chain::{Act, Kind, kind},
        findings::Draft,
        obligations::{Duty, ObligationState, duties},
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
    for closed in matter.chain.of(CLOSED) {
        let then = duties(&matter.chain, closed.at);
        let open: Vec<&Duty<'a>> = then.iter().filter(|duty| bars_closing(matter, duty, closed)).collect();
        if open.is_empty() {
            continue;
        }
        let now = |duty: &&Duty<'a>| matter.duties.iter().find(|other| other.id == duty.id);
        // An obligation that a later agreement replaces was never done: only performance and waiver cure.
        let is_done = |now: &&Duty<'a>| matches!(now.state, ObligationState::Performed | ObligationState::Waived);
        let done: Option<Vec<usize>> =
            open.iter().map(|duty| now(duty).filter(is_done).and_then(|now| now.by)).collect();
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
    for closed in matter.chain.of(CLOSED) {
        let then = duties(&matter.chain, closed.at);
        let performed = !then.is_empty() && then.iter().all(|duty| duty.state.is_final());
        let lifted = closed.code("ground").is_some_and(|ground| LIFTING_GROUNDS.contains(&ground));
        if performed || lifted || closed.has("waivers") {
            continue;
        }
        let running = matter.course.judged().filter(|instance| is_running_right(instance, closed));
        let running: Vec<&str> = running.map(|instance| instance.clock.id.as_str()).collect();
        if !running.is_empty() {
            drafts.push(Draft::at(closed).reasons(running));
        }
    }
}

fn is_running_right(instance: &Instance<'_>, closed: &Act<'_>) -> bool {
    instance.clock.kind == ClockKind::Right
        && instance.clock.blocks_close
        && instance.opened_by.is_none_or(|opened_by| opened_by < closed.at)
        && instance.start() <= closed.day
        && instance.end.is_none_or(|end| end.by > closed.at)
        && instance.due().is_none_or(|due| due >= closed.day)
}

/// I-33: a step that must be there is missing.
pub(super) fn missing_step<'a>(matter: &Matter<'a>, drafts: &mut Vec<Draft<'a>>) {
    for act in matter.chain.acts() {
        match act.kind {
            CLOSED => {
                petitions_without_reply(matter, act, drafts);
                applications_without_reply(matter, act, drafts);
            }
            REPLIED
                if !matter.chain.before(act.at).any(|earlier| earlier.is(ACCEPTED) && earlier.agency == act.agency) =>
            {
                drafts.push(Draft::at(act).reason("S2"));
            }
            GRID_CLOSED => dispatches_without_feedback(matter, act, drafts),
            TERMINATED if OPINIONS.iter().any(|opinion| !matter.chain.has_before(&[*opinion], act.at)) => {
                drafts.push(Draft::at(act).reason("S5"));
            }
            RECONCILED if !is_reviewed(matter, act) => drafts.push(Draft::at(act).reason("S6")),
            _ => {}
        }
    }
}

fn petitions_without_reply<'a>(matter: &Matter<'a>, closed: &Act<'a>, drafts: &mut Vec<Draft<'a>>) {
    let chain = &matter.chain;
    for accepted in chain.before(closed.at).filter(|act| act.is(ACCEPTED) && !super::petition::is_repeat(matter, act)) {
        let answered = chain.after(accepted.at).take_while(|act| act.at < closed.at).any(|act| {
            act.is(WITHDRAWN) || (act.agency == accepted.agency && act.is_any(&[REPLIED, DIVERTED, RETURNED]))
        });
        if !answered {
            drafts.push(Draft::against(closed, Some(accepted.agency)).reason("S1"));
        }
    }
}

fn applications_without_reply<'a>(matter: &Matter<'a>, closed: &Act<'a>, drafts: &mut Vec<Draft<'a>>) {
    let chain = &matter.chain;
    for received in chain.before(closed.at).filter(|act| act.is_any(PROCURATORIAL)) {
        let answered = |kinds: &[Kind]| {
            let mut later = chain.after(received.at).take_while(|act| act.at < closed.at);
            later.any(|act| act.agency == received.agency && act.is_any(kinds))
        };
        if !answered(&[PROCEDURAL_REPLY]) || !answered(SUBSTANTIVE) {
            drafts.push(Draft::against(closed, Some(received.agency)).reason("S3"));
        }
    }
}

fn dispatches_without_feedback<'a>(matter: &Matter<'a>, closed: &Act<'a>, drafts: &mut Vec<Draft<'a>>) {
    let chain = &matter.chain;
    let report = |act: &Act<'a>| chain.referred(act, "report").map(|report| report.at);
    let is_same_event = |act: &Act<'a>| report(act) == report(closed);
    for dispatch in chain.before(closed.at).filter(|act| act.is(DISPATCHED) && is_same_event(act)) {
        let mut between = chain.after(dispatch.at).take_while(|act| act.at < closed.at);
        if between.any(|act| act.is(FEEDBACK) && is_same_event(act)) {
            continue;
        }
        let accepted = chain.after(dispatch.at).find(|act| {
            act.is(GRID_ACCEPTED) && chain.referred(act, "dispatch").map(|act| act.at) == Some(dispatch.at)
        });
        let taken_over = matter.course.judged().any(|instance| {
            instance.clock.row == GRID_CLOCK
                && accepted.is_some_and(|accepted| instance.opened_by == Some(accepted.at))
                && instance.is_ended(EndKind::Voided)
                && instance.end.and_then(|end| chain.get(end.by)).is_some_and(|act| !act.is(CLOSED))
        });
        if !taken_over {
            let agency = accepted.map(|act| act.agency).or_else(|| dispatch.text("target"));
            drafts.push(Draft::against(closed, agency).reason("S4"));
        }
    }
}

fn is_reviewed(matter: &Matter<'_>, act: &Act<'_>) -> bool {
    let is_good = |review: &Act<'_>| review.bool("voluntary") == Some(true) && review.bool("lawful") == Some(true);
    matter
        .chain
        .before(act.at)
        .any(|earlier| earlier.is(const { kind("CriminalReconciliationReviewed") }) && is_good(earlier))
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
