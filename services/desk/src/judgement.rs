//! What the judge finds, as a message.

use mediation_domain::{
    calendar::{Day, format_instant},
    clocks::arithmetic::Due,
    judge::Judgement,
};
use mediation_proto::mediation::ledger::v1 as proto;

/// A judgement by a rule set as of the end of a day.
#[must_use]
pub fn message(judgement: &Judgement, rule_set: &str, as_of: Day) -> proto::Judgement {
    let day = |day: Option<Day>| day.map(|day| day.to_string());
    proto::Judgement {
        rule_set: rule_set.to_owned(),
        as_of: as_of.to_string(),
        leads: judgement
            .leads
            .iter()
            .map(|lead| proto::Lead { agency: lead.agency.clone(), from_revision: lead.from, to_revision: lead.to })
            .collect(),
        handoffs: judgement
            .handoffs
            .iter()
            .map(|handoff| proto::Handoff {
                proposal_revision: handoff.proposal,
                mode: handoff.mode.to_owned(),
                from: handoff.from.clone(),
                to: handoff.to.clone(),
                due: day(handoff.due),
                answer: handoff.answer.code().to_owned(),
                answered_revision: handoff.answered,
                days_late: handoff.days_late,
            })
            .collect(),
        clocks: judgement
            .clocks
            .iter()
            .map(|run| proto::Clock {
                id: run.id.to_owned(),
                zh: run.zh.to_owned(),
                start: run.start.to_string(),
                start_revision: run.opened_by,
                due: run.due.map(limit),
                done: day(run.done),
                end_revision: run.ended_by,
                state: run.state.code().to_owned(),
                days_late: run.days_late,
                obliged: run.obliged.clone(),
            })
            .collect(),
        obligations: judgement
            .obligations
            .iter()
            .map(|obligation| proto::Obligation {
                id: obligation.id.clone(),
                due: day(obligation.due),
                state: obligation.state.code().to_owned(),
                revision: obligation.by,
            })
            .collect(),
        findings: judgement
            .findings
            .iter()
            .map(|finding| proto::Finding {
                code: finding.code.clone(),
                revision: finding.revision.filter(|_| finding.chain.is_none()),
                agency: finding.agency.clone(),
                clock: finding.clock.clone(),
                days_late: finding.days_late,
                severity: finding.severity.letter().to_owned(),
                cleared_revision: finding.cleared,
                article: finding.article.clone(),
                zh: finding.zh.to_owned(),
            })
            .collect(),
        outcome: judgement.outcome.map(str::to_owned),
    }
}

fn limit(due: Due) -> String {
    match due {
        Due::Day(day) => day.to_string(),
        Due::Instant(instant) => format_instant(instant),
    }
}
