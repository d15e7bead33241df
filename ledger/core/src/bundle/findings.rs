//! What is not disclosed, and what the judge finds, as JSON: `withheld.json` and `findings.json`.

use mediation_domain::{
    calendar::format_instant,
    clocks::arithmetic::Due,
    history::Recorded,
    judge::{ClockRun, Finding, FindingState, Judgement},
    rules::RuleSet,
};
use mediation_proto::mediation::{
    ledger::v1::act::Family,
    registry::v1::{ErasureExecuted, registry_act},
};
use serde::Serialize;
use serde_json::{Value, json};

use super::{examination::Examined, manifest::kind_name};

/// JSON in its one encoding here: two blanks for each level, one line feed at the end.
pub(super) fn pretty(value: &impl Serialize) -> Vec<u8> {
    // Values of our own without floats or maps of other keys than texts: writing them to memory cannot fail.
    let mut bytes = serde_json::to_vec_pretty(value).unwrap_or_default();
    bytes.push(b'\n');
    bytes
}

/// A commitment whose part is not disclosed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Withheld {
    pub(super) revision: u64,
    pub(super) kind: String,
    pub(super) number: u8,
    pub(super) digest: String,
    /// Whoever exported asked for it; otherwise nobody could open it for him.
    pub(super) is_requested: bool,
    /// Event id of the act on this chain by which keys were destroyed.
    pub(super) order: Option<String>,
}

/// Every commitment of the chain whose part is not disclosed.
pub(super) fn withheld(examined: &Examined<'_>) -> Vec<Withheld> {
    let chain = examined.evidence.chain.to_string();
    let erasures: Vec<(String, &ErasureExecuted)> = examined
        .entries
        .iter()
        .filter_map(|entry| erasure(entry.outcome.as_ref().ok()?))
        .filter(|(_, erasure)| erasure.chains.is_empty() || erasure.chains.contains(&chain))
        .collect();
    let mut all = Vec::new();
    for entry in &examined.entries {
        for commitment in &entry.withheld {
            let is_requested = examined.evidence.withhold.contains(&commitment.kind);
            let digest = commitment.digest.to_string();
            let mut destroyed = erasures.iter().rev().filter(|(_, erasure)| erasure.keys.contains(&digest));
            all.push(Withheld {
                revision: entry.revision.0,
                kind: kind_name(commitment.kind),
                number: commitment.number,
                is_requested,
                order: destroyed.next().filter(|_| !is_requested).map(|(id, _)| id.clone()),
                digest,
            });
        }
    }
    all
}

fn erasure(recorded: &Recorded) -> Option<(String, &ErasureExecuted)> {
    let Some(Family::Registry(family)) = recorded.act.family.as_ref() else { return None };
    let Some(registry_act::Act::ErasureExecuted(erasure)) = family.act.as_ref() else { return None };
    Some((recorded.event_id.to_string(), erasure))
}

/// `withheld.json`.
pub(super) fn withheld_json(examined: &Examined<'_>) -> Vec<u8> {
    let rows = withheld(examined).into_iter().map(|row| {
        json!({
            "revision": row.revision, "kind": row.kind, "number": row.number, "digest": row.digest,
            "because": if row.is_requested { "REQUESTED" } else { "CLOSED" }, "order": row.order,
        })
    });
    pretty(&Value::Array(rows.collect()))
}

/// `findings.json`.
pub(super) fn findings_json(examined: &Examined<'_>) -> Vec<u8> {
    let judged = examined.judged.as_ref();
    pretty(&json!({
        "chain": examined.evidence.chain.to_string(),
        "as_of": examined.evidence.as_of,
        "rule_set": judged.map(|(rules, _)| rule_set(rules)),
        "judgement": judged.map(|(_, judgement)| judgement_json(judgement)),
    }))
}

fn rule_set(rules: &RuleSet) -> Value {
    json!({"name": rules.name(), "version": rules.version(), "digest": hex::encode(rules.digest().0)})
}

fn judgement_json(judgement: &Judgement) -> Value {
    json!({
        "outcome": judgement.outcome,
        "leads": judgement.leads.iter()
            .map(|lead| json!({"agency": lead.agency, "from": lead.from, "to": lead.to})).collect::<Vec<_>>(),
        "handoffs": judgement.handoffs.iter().map(|handoff| json!({
            "proposal": handoff.proposal, "mode": handoff.mode, "from": handoff.from, "to": handoff.to,
            "due": handoff.due, "answer": handoff.answer.code(), "answered": handoff.answered,
            "days_late": handoff.days_late,
        })).collect::<Vec<_>>(),
        "clocks": judgement.clocks.iter().map(clock).collect::<Vec<_>>(),
        "obligations": judgement.obligations.iter().map(|obligation| json!({
            "id": obligation.id, "due": obligation.due, "state": obligation.state.code(), "by": obligation.by,
        })).collect::<Vec<_>>(),
        "findings": judgement.findings.iter().map(finding).collect::<Vec<_>>(),
    })
}

fn clock(run: &ClockRun) -> Value {
    json!({
        "id": run.id, "zh": run.zh, "obliged": run.obliged, "start": run.start, "opened_by": run.opened_by,
        "due": run.due.map(due), "done": run.done, "ended_by": run.ended_by, "state": run.state.code(),
        "days_late": run.days_late,
    })
}

/// A limit as it is written: a day, or an instant for clocks in hours.
pub(super) fn due(due: Due) -> String {
    match due {
        Due::Day(day) => day.to_string(),
        Due::Instant(instant) => format_instant(instant),
    }
}

fn finding(finding: &Finding) -> Value {
    json!({
        "code": finding.code, "rule": finding.rule, "revision": finding.revision, "agency": finding.agency,
        "clock": finding.clock, "due": finding.due, "days_late": finding.days_late,
        "severity": finding.severity.letter(), "reasons": finding.reasons, "state": state(finding.state),
        "cleared": finding.cleared, "zh": finding.zh, "en": finding.en, "article": finding.article,
    })
}

fn state(state: FindingState) -> &'static str {
    match state {
        FindingState::Open => "OPEN",
        FindingState::Cured => "CURED",
        FindingState::Cleared => "CLEARED",
    }
}
