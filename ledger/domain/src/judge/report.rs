//! A judgement in the shape in which cases write what they expect.

use super::{Judgement, chain::Chain};
use crate::{
    calendar::{Day, format_instant},
    case::{Expect, ExpectedClock, ExpectedFinding, ExpectedHandoff, ExpectedLead, ExpectedObligation, StepNumber},
    clocks::{Clock, ClockState, EndKind, Instance, arithmetic::Due},
};

/// One run of a clock, by revisions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClockRun {
    /// Id of the clock.
    pub id: &'static str,
    /// Chinese title of the clock.
    pub zh: &'static str,
    /// Agency that is bound; none for a party.
    pub obliged: Option<String>,
    /// Day from which it counts.
    pub start: Day,
    /// Revision of the act that opened it; none when it opened without an act.
    pub opened_by: Option<u64>,
    /// Limit; none while it is suspended.
    pub due: Option<Due>,
    /// The limit depends on a year whose calendar is not published.
    pub provisional: bool,
    /// Day on which the act that the clock waits for was done.
    pub done: Option<Day>,
    /// Revision of the act that ended it, in whatever way.
    pub ended_by: Option<u64>,
    /// State as of the moment.
    pub state: ClockState,
    /// Calendar days late, or short of a minimum period.
    pub days_late: u64,
}

impl ClockRun {
    pub(super) fn new(chain: &Chain<'_>, instance: &Instance<'_>) -> Self {
        let revision = |at: usize| chain.get(at).map(|act| act.revision);
        let clock: &'static Clock = instance.clock;
        Self {
            id: &clock.id,
            zh: &clock.zh,
            obliged: instance.obliged.map(str::to_owned),
            start: instance.start(),
            opened_by: instance.opened_by.and_then(revision),
            due: instance.limit.map(|limit| limit.due),
            provisional: instance.limit.is_some_and(|limit| limit.provisional),
            done: instance.end.filter(|end| end.kind == EndKind::Ended).map(|end| end.day),
            ended_by: instance.end.and_then(|end| revision(end.by)),
            state: instance.state(chain.as_of()),
            days_late: instance.days_late(chain.as_of()),
        }
    }
}

impl Judgement {
    /// The judgement as cases write it. `step_of` gives the step number of a revision; a revision without one is left
    /// out where the format allows it.
    #[must_use]
    pub fn as_expectation(&self, step_of: &dyn Fn(u64) -> Option<StepNumber>) -> Expect {
        let step = |revision: u64| step_of(revision).unwrap_or_else(|| StepNumber::from(0));
        let leads = self.leads.iter().map(|lead| ExpectedLead {
            agency: lead.agency.clone(),
            from_step: step(lead.from),
            to_step: lead.to.map(step),
        });
        let handoffs = self.handoffs.iter().map(|handoff| ExpectedHandoff {
            proposal_step: step(handoff.proposal),
            mode: handoff.mode.to_owned(),
            from: handoff.from.clone(),
            to: handoff.to.clone(),
            due: handoff.due.map(|day| day.to_string()),
            answer: handoff.answer.code().to_owned(),
            answered_step: handoff.answered.map(step),
            days_late: handoff.days_late,
        });
        let clocks = self.clocks.iter().map(|run| ExpectedClock {
            id: run.id.to_owned(),
            start: run.start.to_string(),
            start_step: run.opened_by.map(step),
            due: run.due.map(written),
            done: run.done.map(|day| day.to_string()),
            end_step: run.ended_by.map(step),
            state: run.state.code().to_owned(),
            days_late: run.days_late,
        });
        let obligations = self.obligations.iter().map(|obligation| ExpectedObligation {
            id: obligation.id.clone(),
            due: obligation.due.map(|day| day.to_string()),
            state: obligation.state.code().to_owned(),
            step: obligation.by.map(step),
        });
        let findings = self.findings.iter().map(|finding| ExpectedFinding {
            code: finding.code.clone(),
            step: finding.revision.filter(|_| finding.chain.is_none()).map(step),
            agency: finding.agency.clone(),
            clock: finding.clock.clone(),
            days_late: finding.days_late,
            severity: finding.severity.letter().to_owned(),
            cleared_step: finding.cleared.map(step),
        });
        Expect {
            leads: leads.collect(),
            handoffs: handoffs.collect(),
            clocks: clocks.collect(),
            obligations: obligations.collect(),
            findings: findings.collect(),
            outcome: self.outcome.map(str::to_owned),
            refusals: Vec::new(),
        }
    }
}

fn written(due: Due) -> String {
    match due {
        Due::Day(day) => day.to_string(),
        Due::Instant(instant) => format_instant(instant),
    }
}
