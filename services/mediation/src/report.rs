//! What the judge found, as JSON.

use mediation_proto::mediation::ledger::v1::Judgement;
use serde_json::{Value, json};

/// A judgement as JSON; `act` names an act by its revision.
pub(crate) fn judgement(judgement: &Judgement, act: &dyn Fn(u64) -> Value) -> Value {
    let place = |revision: Option<u64>| revision.map_or(Value::Null, act);
    json!({
        "rule_set": judgement.rule_set,
        "as_of": judgement.as_of,
        "leads": judgement.leads.iter().map(|lead| json!({
            "agency": lead.agency, "from": act(lead.from_revision), "to": place(lead.to_revision),
        })).collect::<Vec<_>>(),
        "handoffs": judgement.handoffs.iter().map(|handoff| json!({
            "proposal": act(handoff.proposal_revision), "mode": handoff.mode, "from": handoff.from, "to": handoff.to,
            "due": handoff.due, "answer": handoff.answer, "answered": place(handoff.answered_revision),
            "days_late": handoff.days_late,
        })).collect::<Vec<_>>(),
        "clocks": judgement.clocks.iter().map(|clock| json!({
            "id": clock.id, "start": clock.start, "opened": place(clock.start_revision), "due": clock.due,
            "done": clock.done, "ended": place(clock.end_revision), "state": clock.state,
            "days_late": clock.days_late, "obliged": clock.obliged,
        })).collect::<Vec<_>>(),
        "obligations": judgement.obligations.iter().map(|obligation| json!({
            "id": obligation.id, "due": obligation.due, "state": obligation.state, "act": place(obligation.revision),
        })).collect::<Vec<_>>(),
        "findings": judgement.findings.iter().map(|finding| json!({
            "code": finding.code, "act": place(finding.revision), "agency": finding.agency, "clock": finding.clock,
            "days_late": finding.days_late, "severity": finding.severity, "cleared": place(finding.cleared_revision),
            "article": finding.article, "zh": finding.zh,
        })).collect::<Vec<_>>(),
        "outcome": judgement.outcome,
    })
}
