//! What the judge found, as a page says it.

use mediation_domain::{calendar::Day, catalogue, wording};
use mediation_proto::mediation::ledger::v1::{Clock, Finding, Handoff};

use super::acts::Known;
use crate::console::frame::{Text, Tongue};

/// A judgement, to be shown.
#[derive(Debug, Clone, Default)]
pub(in crate::console) struct Judged {
    pub(in crate::console) rule_set: String,
    pub(in crate::console) outcome: Option<String>,
    pub(in crate::console) leads: Vec<LeadRow>,
    pub(in crate::console) handoffs: Vec<HandoffRow>,
    pub(in crate::console) clocks: Vec<ClockRow>,
    pub(in crate::console) obligations: Vec<ObligationRow>,
    pub(in crate::console) findings: Vec<FindingRow>,
}

/// An interval of first responsibility (首办).
#[derive(Debug, Clone)]
pub(in crate::console) struct LeadRow {
    pub(in crate::console) agency_id: String,
    pub(in crate::console) agency: Text,
    pub(in crate::console) from: u64,
    pub(in crate::console) to: Option<u64>,
    pub(in crate::console) since: String,
    pub(in crate::console) until: Option<String>,
}

/// A handoff.
#[derive(Debug, Clone)]
pub(in crate::console) struct HandoffRow {
    pub(in crate::console) proposal: u64,
    pub(in crate::console) answered: Option<u64>,
    pub(in crate::console) from_id: String,
    pub(in crate::console) to_id: String,
    pub(in crate::console) from: Text,
    pub(in crate::console) to: Text,
    pub(in crate::console) mode: String,
    pub(in crate::console) due: String,
    pub(in crate::console) answer: String,
    pub(in crate::console) days_late: u64,
    pub(in crate::console) is_open: bool,
}

/// A clock.
#[derive(Debug, Clone)]
pub(in crate::console) struct ClockRow {
    pub(in crate::console) id: String,
    pub(in crate::console) name: Text,
    pub(in crate::console) obliged: Text,
    pub(in crate::console) start: String,
    pub(in crate::console) due: Option<String>,
    pub(in crate::console) done: Option<String>,
    pub(in crate::console) end_revision: Option<u64>,
    pub(in crate::console) state: String,
    pub(in crate::console) days_late: u64,
    /// How it stands: `met`, `open`, `soon`, `late` or `void`.
    pub(in crate::console) class: &'static str,
}

/// An obligation of the parties.
#[derive(Debug, Clone)]
pub(in crate::console) struct ObligationRow {
    pub(in crate::console) id: Text,
    pub(in crate::console) due: String,
    pub(in crate::console) state: String,
    pub(in crate::console) revision: Option<u64>,
}

/// A finding.
#[derive(Debug, Clone)]
pub(in crate::console) struct FindingRow {
    pub(in crate::console) code: String,
    pub(in crate::console) letter: String,
    pub(in crate::console) severity: String,
    pub(in crate::console) agency: Text,
    pub(in crate::console) revision: Option<u64>,
    pub(in crate::console) place: Option<String>,
    pub(in crate::console) clock: Option<Text>,
    pub(in crate::console) days_late: Option<u64>,
    pub(in crate::console) cleared: Option<String>,
    pub(in crate::console) says: Text,
    pub(in crate::console) article: Text,
}

/// Days before a limit from which on it is told as near.
const SOON_DAYS: i64 = 3;

/// What the judge found in a chain, as of the end of a day.
pub(in crate::console) fn judged(known: &Known<'_>, as_of: Day, t: Tongue) -> Judged {
    let judgement = &known.chain.judgement;
    let leads = judgement.leads.iter().map(|lead| LeadRow {
        agency_id: lead.agency.clone(),
        agency: Text::of(&known.name(&lead.agency)),
        from: lead.from_revision,
        to: lead.to_revision,
        since: known.place(lead.from_revision),
        until: lead.to_revision.map(|revision| known.place(revision)),
    });
    let obligations = judgement.obligations.iter().map(|obligation| ObligationRow {
        id: Text::of(&obligation.id),
        due: obligation.due.clone().unwrap_or_else(|| "—".to_owned()),
        state: catalogue::zh("ObligationState", &obligation.state).unwrap_or(&obligation.state).to_owned(),
        revision: obligation.revision,
    });
    Judged {
        rule_set: judgement.rule_set.clone(),
        outcome: judgement
            .outcome
            .as_deref()
            .map(|code| t.say(catalogue::zh("Outcome", code).unwrap_or(code), code).to_owned()),
        leads: leads.collect(),
        handoffs: judgement.handoffs.iter().map(|handoff| handoff_row(known, handoff)).collect(),
        clocks: judgement.clocks.iter().map(|clock| clock_row(known, clock, as_of)).collect(),
        obligations: obligations.collect(),
        findings: judgement.findings.iter().map(|finding| finding_row(known, finding)).collect(),
    }
}

fn handoff_row(known: &Known<'_>, handoff: &Handoff) -> HandoffRow {
    HandoffRow {
        proposal: handoff.proposal_revision,
        answered: handoff.answered_revision,
        from_id: handoff.from.clone(),
        to_id: handoff.to.clone(),
        from: Text::of(&known.name(&handoff.from)),
        to: Text::of(&known.name(&handoff.to)),
        mode: catalogue::zh("HandoffMode", &handoff.mode).unwrap_or(&handoff.mode).to_owned(),
        due: handoff.due.clone().unwrap_or_else(|| "—".to_owned()),
        answer: wording::handoff_answer(&handoff.answer).to_owned(),
        days_late: handoff.days_late,
        is_open: handoff.answer == "OPEN",
    }
}

fn clock_row(known: &Known<'_>, clock: &Clock, as_of: Day) -> ClockRow {
    let due = clock.due.as_deref().and_then(day_of);
    let class = match clock.state.as_str() {
        "MET" => "met",
        "OPEN" if due.is_some_and(|due| due < as_of) => "late",
        "OPEN" if due.is_some_and(|due| due.since(as_of) <= SOON_DAYS) => "soon",
        "OPEN" => "open",
        "LATE" | "EARLY" => "late",
        _ => "void",
    };
    ClockRow {
        id: clock.id.clone(),
        name: Text::of(&clock.zh),
        obliged: Text::of(&clock.obliged.as_deref().map_or_else(|| "当事人".to_owned(), |agency| known.name(agency))),
        start: clock.start.clone(),
        due: clock.due.as_deref().map(|due| due.replace('T', " ").trim_end_matches("+08:00").to_owned()),
        done: clock.done.clone(),
        end_revision: clock.end_revision,
        state: wording::clock_state(&clock.state).to_owned(),
        days_late: clock.days_late,
        class,
    }
}

/// The day of a limit, which may be an instant.
pub(super) fn day_of(limit: &str) -> Option<Day> {
    Day::parse(limit.split(['T', ' ']).next().unwrap_or_default())
}

fn finding_row(known: &Known<'_>, finding: &Finding) -> FindingRow {
    FindingRow {
        code: finding.code.clone(),
        letter: finding.severity.clone(),
        severity: wording::severity(&finding.severity).to_owned(),
        agency: Text::of(&finding.agency.as_deref().map(|agency| known.name(agency)).unwrap_or_default()),
        revision: finding.revision,
        place: finding.revision.map(|revision| known.place(revision)),
        clock: finding.clock.as_deref().map(Text::of),
        days_late: finding.days_late,
        cleared: finding.cleared_revision.map(|revision| known.place(revision)),
        says: Text::of(&finding.zh),
        article: Text::of(&finding.article),
    }
}
