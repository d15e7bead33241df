//! Invariants about time limits: what the clocks found.

use crate::{
    clocks::{EndKind, Instance, Severity, arithmetic::Period, is_past},
    judge::{
        Matter,
        chain::{Act, Kind, kind},
        findings::Draft,
    },
};

/// I-6: a limit was exceeded, or a minimum period cut short.
pub(super) fn overdue<'a>(matter: &Matter<'a>, drafts: &mut Vec<Draft<'a>>) {
    let of_code = |instance: &&Instance<'a>| instance.clock.finding.as_deref() == Some("F-OVERDUE");
    for instance in matter.course.judged().filter(of_code).filter(|instance| instance.is_early()) {
        if let Some(act) = instance.end.and_then(|end| matter.chain.get(end.by)) {
            drafts.push(found(matter, instance, act).reason("TOO_EARLY"));
        }
    }
    for instance in late(matter, "F-OVERDUE") {
        let ended = instance.is_ended(EndKind::Ended);
        if (instance.clock.finds_on_act && !ended) || deemed_failed_by(matter, instance).is_some() {
            continue;
        }
        let at = instance.end.map(|end| end.by).or(instance.opened_by);
        if let Some(act) = at.and_then(|at| matter.chain.get(at)) {
            drafts.push(found(matter, instance, act));
        }
    }
}

/// I-36: an agreement came after the limit after which mediation counts as failed.
pub(super) fn deemed_failed<'a>(matter: &Matter<'a>, drafts: &mut Vec<Draft<'a>>) {
    for instance in late(matter, "F-OVERDUE") {
        if let Some(act) = deemed_failed_by(matter, instance) {
            let draft = Draft::at(act).instance(instance, &matter.chain);
            drafts.push(draft);
        }
    }
}

/// I-3: a handoff was not answered in its window.
pub(super) fn handoff_timeout<'a>(matter: &Matter<'a>, drafts: &mut Vec<Draft<'a>>) {
    for instance in late(matter, "F-HANDOFF-TIMEOUT") {
        let answer = instance.end.filter(|end| end.kind == EndKind::Ended).map(|end| end.by);
        let Some(act) = answer.or(instance.opened_by).and_then(|at| matter.chain.get(at)) else { continue };
        let severity = if is_unanswered_after_escalation(matter, instance) {
            Severity::Critical
        } else if instance.days_late(matter.chain.as_of()) <= 2 {
            Severity::Minor
        } else {
            Severity::Major
        };
        let draft = Draft::against(act, instance.obliged).severity(severity);
        drafts.push(draft.instance(instance, &matter.chain));
    }
}

/// I-5: a timeout was not escalated in time.
pub(super) fn no_escalation<'a>(matter: &Matter<'a>, drafts: &mut Vec<Draft<'a>>) {
    for instance in late(matter, "F-NO-ESCALATION") {
        let escalated = instance.end.filter(|end| end.kind == EndKind::Ended).map(|end| end.by);
        let at = escalated.or(instance.opened_by).or(instance.proposal);
        if let Some(act) = at.and_then(|at| matter.chain.get(at)) {
            drafts.push(found(matter, instance, act));
        }
    }
}

/// I-7: an extension had a fault.
pub(super) fn extension_late<'a>(matter: &Matter<'a>, drafts: &mut Vec<Draft<'a>>) {
    for extended in matter.course.extensions.iter().filter(|extended| !extended.faults.is_empty()) {
        let Some(act) = matter.chain.get(extended.by) else { continue };
        let minor = extended.faults.iter().all(|fault| *fault == "SS-12");
        let draft = Draft::at(act).clock(&extended.clock).reasons(extended.faults.iter().copied());
        drafts.push(draft.severity_if(minor, Severity::Minor));
    }
}

/// I-8: a suspension had no ground, no document or no end.
pub(super) fn suspension_abuse<'a>(matter: &Matter<'a>, drafts: &mut Vec<Draft<'a>>) {
    let chain = &matter.chain;
    for suspended in &matter.course.suspensions {
        let Some(act) = chain.get(suspended.by) else { continue };
        let mut reasons = Vec::new();
        if !suspended.allowed {
            reasons.push("NOT_ALLOWED");
        } else if !suspended.grounded {
            reasons.push("GROUND");
        }
        if act.lacks("document") {
            reasons.push("NO_DOCUMENT");
        }
        let not_resumed = matter.course.judged().any(|instance| is_suspended_at_closing(matter, instance, act));
        if not_resumed {
            reasons.push("NOT_RESUMED");
        }
        let resumed = chain
            .of(RESUMED)
            .find(|resumed| chain.referred(resumed, "suspension").map(|suspension| suspension.at) == Some(act.at));
        let cured_by = resumed.filter(|_| reasons == ["NOT_RESUMED"]).map(|resumed| resumed.at);
        if !reasons.is_empty() {
            let draft = Draft::at(act).clock(act.text("clock_id").unwrap_or_default()).reasons(reasons);
            drafts.push(draft.cured_by(cured_by));
        }
    }
    for act in chain.of(RESUMED).filter(|act| act.lacks("document")) {
        drafts.push(Draft::at(act).clock(act.text("clock_id").unwrap_or_default()).reason("NO_DOCUMENT"));
    }
}

/// The instances of duties that were late and whose expiry is a finding of this code.
fn late<'m, 'a>(matter: &'m Matter<'a>, code: &'static str) -> impl Iterator<Item = &'m Instance<'a>> {
    let as_of = matter.chain.as_of();
    matter.course.judged().filter(move |instance| {
        instance.is_duty() && instance.clock.finding.as_deref() == Some(code) && instance.is_late(as_of)
    })
}

fn found<'a>(matter: &Matter<'a>, instance: &Instance<'a>, act: &Act<'a>) -> Draft<'a> {
    let draft = Draft::against(act, instance.obliged);
    let draft = match instance.clock.severity {
        Some(severity) => draft.severity(severity),
        None => draft,
    };
    draft.instance(instance, &matter.chain)
}

/// The agreement that ended an instance late, where its clock has a finding of its own for that.
fn deemed_failed_by<'m, 'a>(matter: &'m Matter<'a>, instance: &Instance<'a>) -> Option<&'m Act<'a>> {
    instance.clock.late_agreement.as_ref()?;
    let end = instance.end.filter(|end| end.kind == EndKind::Ended)?;
    matter
        .chain
        .get(end.by)
        .filter(|act| act.is_any(&const { [kind("MediationAgreementSigned"), kind("OralAgreementRecorded")] }))
}

/// Whether, counted from an escalation, another window of the same length passed without an answer.
fn is_unanswered_after_escalation(matter: &Matter<'_>, instance: &Instance<'_>) -> bool {
    let chain = &matter.chain;
    let escalations = chain.of(const { kind("HandoffEscalated") });
    let mut own = escalations.filter(|act| chain.proposal(act).map(|act| act.at) == instance.proposal);
    own.any(|escalation| {
        let window = Period::new(escalation.day, escalation.occurred_at, None);
        let limit = window.limit(&instance.clock.term, matter.rules.calendar());
        limit.is_some_and(|limit| match instance.end {
            Some(end) => limit.is_passed(end.day, end.instant),
            None => is_past(limit, chain.as_of()),
        })
    })
}

/// Whether a suspension of a duty still ran when the chain was closed.
fn is_suspended_at_closing(matter: &Matter<'_>, instance: &Instance<'_>, suspension: &Act<'_>) -> bool {
    let closed = instance.end.and_then(|end| matter.chain.get(end.by)).is_some_and(|act| act.is(CLOSED));
    closed && instance.is_duty() && instance.is_ended(EndKind::Voided) && instance.suspended_by == Some(suspension.at)
}

const CLOSED: Kind = kind("DisputeClosed");
const RESUMED: Kind = kind("ClockResumed");
