//! The rows of one chain: a pure function of its entries, the agencies, the rules and a day.

use std::collections::BTreeSet;

use mediation_domain::{
    calendar::Day,
    catalogue::{self, Row},
    clocks::{ClockState, arithmetic::Due},
    directory::Directory,
    history::Recorded,
    judge::{
        ClockRun, Finding, Handoff, HandoffAnswer, Judgement, Lead, Moment, Obligation, ObligationState, judge_until,
    },
    rules::RuleSet,
    standing::Standing,
};
use mediation_ledger::{
    chain::ChainId,
    ledger::{CheckedEntry, Fold},
};
use mediation_proto::{
    fields::{FieldInfo, Fields, Shape, Value},
    mediation::ledger::v1::PartKind,
};

use super::accesses::{self, Access, is_access_chain};

/// Years after which nothing changes any more that time alone can change: longer than any limit of the rules.
const SETTLED_AFTER_DAYS: i64 = 200 * 366;

/// What kind of chain it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// What agencies handle.
    Matter,
    /// Readings of a month.
    Access,
    /// Who takes part.
    Registry,
}

impl Kind {
    /// What kind a chain is that begins with this entry.
    pub(super) fn of(origin: &str, chain: ChainId, first: Option<&CheckedEntry>) -> Self {
        if chain == ChainId::registry(origin) {
            Self::Registry
        } else if first.is_some_and(|first| is_access_chain(origin, chain, first)) {
            Self::Access
        } else {
            Self::Matter
        }
    }

    pub(super) const fn code(self) -> &'static str {
        match self {
            Self::Matter => "MATTER",
            Self::Access => "ACCESS",
            Self::Registry => "REGISTRY",
        }
    }
}

/// What an entry is, beyond its place.
#[derive(Debug)]
pub(super) struct EntryRow {
    pub(super) position: u64,
    pub(super) revision: u64,
    pub(super) leaf_hash: String,
    pub(super) event_id: Option<String>,
    pub(super) agency: Option<String>,
    pub(super) event: Option<&'static str>,
    pub(super) visibility_row: Option<&'static str>,
    pub(super) occurred_at_s: Option<i64>,
    pub(super) recorded_at_ms: Option<i64>,
    pub(super) fault: Option<&'static str>,
}

/// One run of a clock, with what it is for.
#[derive(Debug)]
pub(super) struct ClockRow {
    pub(super) usage: &'static str,
    pub(super) run: ClockRun,
}

/// Everything that a chain says. It takes the place of what stood there.
#[derive(Debug)]
pub(super) struct Derived {
    pub(super) chain: ChainId,
    pub(super) kind: Kind,
    /// From which revision on entries and accesses are given: those before stand already.
    pub(super) from: u64,
    pub(super) entries: Vec<EntryRow>,
    pub(super) accesses: Vec<Access>,
    pub(super) summary: Summary,
    pub(super) ties: BTreeSet<String>,
    pub(super) judged: Judged,
}

/// What is told of a chain as a whole.
#[derive(Debug, Default, Clone)]
pub(super) struct Summary {
    pub(super) dispute_no: Option<String>,
    pub(super) opening_event: Option<&'static str>,
    pub(super) dispute_type: Option<&'static str>,
    pub(super) division: Option<String>,
    pub(super) opened_at_s: Option<i64>,
    pub(super) last_act_at_s: Option<i64>,
    pub(super) acts: u64,
    pub(super) is_closed: bool,
    pub(super) is_restricted: bool,
    pub(super) is_blind: bool,
    pub(super) is_settled: bool,
}

/// What the judge says of a chain; nothing of one that is not judged.
#[derive(Debug, Default)]
pub(super) struct Judged {
    pub(super) rule_set: Option<&'static str>,
    pub(super) leads: Vec<Lead>,
    pub(super) handoffs: Vec<Handoff>,
    pub(super) clocks: Vec<ClockRow>,
    /// Each with the agency that recorded it.
    pub(super) obligations: Vec<(Obligation, Option<String>)>,
    pub(super) findings: Vec<Finding>,
    pub(super) outcome: Option<&'static str>,
    pub(super) next_due: Option<Day>,
    pub(super) days_overdue_max: u64,
}

/// By what a chain is judged.
#[derive(Debug, Clone, Copy)]
pub(super) struct Basis<'a> {
    pub(super) directory: &'a Directory,
    /// Name of the rule set of a chain that names none.
    pub(super) rule_set: &'a str,
    pub(super) day: Day,
}

/// The rows of a matter. `entries` are all of its entries, or the new ones where the chain is not judged.
pub(super) fn derive(kind: Kind, fold: &Fold, entries: Vec<CheckedEntry>, basis: Basis<'_>) -> Derived {
    let from = entries.first().map_or_else(|| fold.next().0, |entry| entry.revision.0);
    let rows = entries.iter().map(entry_row).collect();
    let named = mediation_ledger::ledger::rule_set_of(&entries).unwrap_or(basis.rule_set);
    let rules = RuleSet::named(named).or_else(|| RuleSet::named(basis.rule_set));
    let history: Vec<Recorded> = entries.into_iter().filter_map(|entry| entry.outcome.ok()).collect();
    // Of the acts that are given, not of the fold: the log may have been read further than it was followed.
    let standing: Standing = history.iter().collect();
    let mut derived = Derived {
        chain: fold.chain(),
        kind,
        from,
        entries: rows,
        accesses: Vec::new(),
        summary: Summary { is_blind: fold.is_blind(), is_settled: true, ..Summary::default() },
        ties: BTreeSet::new(),
        judged: Judged::default(),
    };
    match kind {
        Kind::Registry => return derived,
        Kind::Access => derived.accesses = history.iter().filter_map(accesses::of).collect(),
        // A chain that the vault withholds is entered, and nothing is said of it.
        Kind::Matter if fold.is_blind() => {}
        Kind::Matter => {
            derived.summary = Summary {
                is_closed: standing.is_closed(),
                is_restricted: standing.is_restricted(),
                ..summary(&history)
            };
            derived.ties = ties(&history, basis.directory);
            derived.summary.is_settled = true;
            if let Some(rules) = rules {
                let later = basis.day.plus(SETTLED_AFTER_DAYS).end();
                let (judgement, is_settled) =
                    judge_until(&history, basis.directory, rules, Moment::end_of(basis.day), later);
                derived.summary.is_settled = is_settled;
                derived.judged = judged(judgement, &history, rules, basis.day);
            }
        }
    }
    derived
}

fn entry_row(entry: &CheckedEntry) -> EntryRow {
    let statement = entry.statement.as_ref();
    let kind = entry.outcome.as_ref().ok().and_then(|recorded| recorded.act.event()).map(|(kind, _)| kind);
    EntryRow {
        position: entry.order.0,
        revision: entry.revision.0,
        leaf_hash: entry.leaf.to_string(),
        event_id: statement.map(|statement| statement.event_id.to_string()),
        agency: statement.map(|statement| statement.agency.clone()),
        event: kind.map(|kind| kind.event),
        visibility_row: kind.map(|kind| catalogue::row(kind).visibility_row.as_str()),
        occurred_at_s: statement.map(|statement| statement.occurred_at),
        recorded_at_ms: statement.map(|_| entry.recorded_at),
        fault: entry.outcome.as_ref().err().map(|fault| fault.code()),
    }
}

fn summary(history: &[Recorded]) -> Summary {
    let mut summary = Summary { acts: history.len() as u64, ..Summary::default() };
    for recorded in history {
        let header = recorded.act.header.as_ref();
        if summary.dispute_no.is_none() {
            summary.dispute_no = header.and_then(|header| header.chain_no.clone());
        }
        summary.opened_at_s.get_or_insert(recorded.occurred_at);
        summary.last_act_at_s = summary.last_act_at_s.max(Some(recorded.occurred_at));
        let Some((kind, event)) = recorded.act.event() else { continue };
        let row = catalogue::row(kind);
        summary.opening_event.get_or_insert(row.event);
        if summary.dispute_type.is_none() {
            summary.dispute_type = code_of(row, event, "dispute_type");
        }
        if summary.division.is_none() {
            summary.division = fact(row, event, "division").and_then(|(_, value)| match value {
                Value::Text(text) => Some(text.to_owned()),
                Value::Bool(_) | Value::Int(_) | Value::Enum(_) | Value::Message(_) => None,
            });
        }
    }
    summary
}

/// A field of the facts; none of a field that stands in another part, whoever may read it here.
fn fact<'e>(row: &Row, event: &'e dyn Fields, name: &str) -> Option<(&'static FieldInfo, Value<'e>)> {
    let is_fact = row.named(name).is_some_and(|field| field.part == PartKind::Act);
    let field = event.info().field(name).filter(|_| is_fact)?;
    Some((field, event.value(field.number, 0)?))
}

fn code_of(row: &Row, event: &dyn Fields, name: &str) -> Option<&'static str> {
    match fact(row, event, name)? {
        (FieldInfo { shape: Shape::Enum(list), .. }, Value::Enum(number)) => list.code(number),
        (_, Value::Bool(_) | Value::Int(_) | Value::Text(_) | Value::Enum(_) | Value::Message(_)) => None,
    }
}

/// Agencies that recorded on the chain, or whose ids stand anywhere in the facts of its acts, alone or before an official's.
fn ties(history: &[Recorded], directory: &Directory) -> BTreeSet<String> {
    let mut ties = BTreeSet::new();
    for recorded in history {
        if !ties.contains(&recorded.agency) {
            ties.insert(recorded.agency.clone());
        }
        if let Some((kind, event)) = recorded.act.event() {
            let facts = catalogue::row(kind).fields.iter().filter(|field| field.part == PartKind::Act);
            name(event, &mut facts.map(|field| field.number), directory, &mut ties);
        }
    }
    ties
}

fn name(
    fields: &dyn Fields,
    numbers: &mut dyn Iterator<Item = u32>,
    directory: &Directory,
    ties: &mut BTreeSet<String>,
) {
    for number in numbers {
        for at in 0..fields.count(number) {
            match fields.value(number, at) {
                Some(Value::Message(inner)) => {
                    name(inner, &mut inner.info().fields.iter().map(|field| field.number), directory, ties);
                }
                Some(Value::Text(text)) => {
                    let agency = text.split_once('/').map_or(text, |(agency, _)| agency);
                    if directory.agency(agency).is_some() {
                        ties.insert(agency.to_owned());
                    }
                }
                Some(Value::Bool(_) | Value::Int(_) | Value::Enum(_)) | None => {}
            }
        }
    }
}

fn judged(judgement: Judgement, history: &[Recorded], rules: &'static RuleSet, day: Day) -> Judged {
    let Judgement { leads, handoffs, clocks, reminders, obligations, findings, outcome } = judgement;
    let mut open: Vec<(Option<Day>, u64)> = Vec::new();
    let waits = |handoff: &&Handoff| matches!(handoff.answer, HandoffAnswer::Open | HandoffAnswer::TimedOut);
    open.extend(handoffs.iter().filter(waits).map(|handoff| (handoff.due, handoff.days_late)));
    let runs = clocks.iter().filter(|run| run.state == ClockState::Open);
    open.extend(runs.map(|run| (run.due.map(Due::day), run.days_late)));
    let owed = obligations.iter().filter(|obligation| obligation.state == ObligationState::Open);
    open.extend(owed.map(|owed| (owed.due, owed.due.map_or(0, |due| day.days_after(due)))));
    let recorder = |revision: u64| {
        let at = history.binary_search_by_key(&revision, |recorded| recorded.revision).ok()?;
        history.get(at).map(|recorded| recorded.agency.clone())
    };
    let of_usage = |usage: &'static str| move |run| ClockRow { usage, run };
    Judged {
        rule_set: Some(rules.name()),
        leads,
        handoffs,
        clocks: clocks
            .into_iter()
            .map(of_usage("JUDGED"))
            .chain(reminders.into_iter().map(of_usage("REMINDER")))
            .collect(),
        obligations: obligations
            .into_iter()
            .map(|obligation| {
                let agency = recorder(obligation.from);
                (obligation, agency)
            })
            .collect(),
        findings,
        outcome,
        next_due: open.iter().filter_map(|open| open.0).min(),
        days_overdue_max: open.iter().map(|open| open.1).max().unwrap_or_default(),
    }
}
