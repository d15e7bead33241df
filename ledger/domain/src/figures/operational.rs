//! What operational figures count besides acts: what the judge works out of a chain.
//!
//! The table names it (`clock`, or `of`) and says in words what places it in a period; [`anchor`] and [`exclusion`] hold
//! these words. Everything else of a row is its formula.

use std::collections::BTreeSet;

use super::working_hours::{opening, seconds_between};
use crate::{
    calendar::{Calendar, Day},
    catalogue::{self, HandoffRole},
    clocks::{
        ClockState,
        condition::{Scalar, Test},
    },
    judge::{
        ClockRun, Judgement, ObligationState,
        chain::{Act, Chain, Kind, kind},
    },
};

/// What is counted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Items {
    /// Runs of these clocks: `state`, `days_late`.
    Clocks(BTreeSet<&'static str>, Anchor),
    /// Obligations: `state`, `enforced`.
    Obligations,
    /// The chain itself, when it is closed: `lead_changes`, `level`.
    ClosedChains,
    /// Petitioners of the whole ledger: `repeat`.
    Petitioners,
    /// Working time to the answer of a handoff, in seconds, over the runs of these clocks.
    AnswerHours(BTreeSet<&'static str>),
}

/// Which day of a run places it in a period.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Anchor {
    /// The day from which it counts; taken back handoffs are left out.
    Start,
    /// The day of its limit.
    Limit,
    /// The day on which it was ended.
    End,
}

/// Acts that a row leaves out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Exclusion {
    /// An agreement whose obligations replace those of an earlier one.
    RenewsAgreement,
    /// An act on a chain that began as a criminal case.
    BeganAsCrime,
}

/// A statement about a field of an item.
#[derive(Debug)]
pub(super) struct ItemStatement {
    pub(super) field: String,
    pub(super) test: Test,
}

/// Something that is counted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Item {
    /// Day that places it in a period.
    pub(super) day: Day,
    pub(super) fields: Vec<(&'static str, Scalar<&'static str>)>,
    /// What it measures, where it is not only counted.
    pub(super) number: u64,
}

/// The day by which a row places runs of clocks, as its `precise` says.
pub(super) fn anchor(id: &str) -> Option<Anchor> {
    match id {
        "O-1" => Some(Anchor::Limit),
        "O-2" => Some(Anchor::End),
        "O-3a" => Some(Anchor::Start),
        _ => None,
    }
}

/// The acts that a row leaves out, as its `precise` says.
pub(super) fn exclusion(id: &str) -> Option<Exclusion> {
    match id {
        "O-5" => Some(Exclusion::RenewsAgreement),
        "O-8" => Some(Exclusion::BeganAsCrime),
        _ => None,
    }
}

impl Exclusion {
    pub(super) fn drops(self, chain: &Chain<'_>, act: &Act<'_>) -> bool {
        match self {
            Self::RenewsAgreement => chain.after(act.at).any(|later| {
                later.is(OBLIGATION)
                    && later.texts("replaces").next().is_some()
                    && chain.referred(later, "basis").is_some_and(|basis| basis.at == act.at)
            }),
            Self::BeganAsCrime => chain
                .acts()
                .next()
                .is_some_and(|first| first.is(INCIDENT) && first.code("incident_class") == Some("C_CRIME")),
        }
    }
}

impl Items {
    /// The fields that conditions can ask for.
    pub(super) fn fields(&self) -> &'static [&'static str] {
        match self {
            Self::Clocks(..) => &["state", "days_late"],
            Self::Obligations => &["state", "enforced"],
            Self::ClosedChains => &["lead_changes", "level"],
            Self::Petitioners => &["repeat"],
            Self::AnswerHours(_) => &[],
        }
    }

    /// The items of a chain. Petitioners are no chain's.
    pub(super) fn of(&self, judged: &Judged<'_>) -> Vec<Item> {
        match self {
            Self::Clocks(ids, anchor) => judged.runs(ids).filter_map(|run| judged.run(run, *anchor)).collect(),
            Self::AnswerHours(ids) => judged.runs(ids).filter_map(|run| judged.answer(run)).collect(),
            Self::Obligations => judged.obligations(),
            Self::ClosedChains => judged.closed().into_iter().collect(),
            Self::Petitioners => Vec::new(),
        }
    }
}

impl Item {
    fn new(day: Day, fields: Vec<(&'static str, Scalar<&'static str>)>) -> Self {
        Self { day, fields, number: 0 }
    }

    /// A petitioner of a matter.
    pub(super) fn of_petitioner(day: Day, repeated: bool) -> Self {
        Self::new(day, vec![("repeat", Scalar::Bool(repeated))])
    }

    pub(super) fn is_so(&self, statement: &ItemStatement) -> bool {
        let value = self.fields.iter().find(|(name, _)| *name == statement.field).map(|(_, value)| *value);
        statement.test.passes(value)
    }
}

/// A chain with its judgement.
#[derive(Debug)]
pub(super) struct Judged<'a> {
    pub(super) chain: &'a Chain<'a>,
    pub(super) judgement: &'a Judgement,
    pub(super) calendar: &'a Calendar,
}

impl<'a> Judged<'a> {
    fn runs(&self, ids: &BTreeSet<&'static str>) -> impl Iterator<Item = &'a ClockRun> {
        let runs = self.judgement.clocks.iter().chain(&self.judgement.reminders);
        runs.filter(|run| ids.contains(run.id))
    }

    fn act(&self, revision: Option<u64>) -> Option<&'a Act<'a>> {
        let revision = revision?;
        let found = self.chain.all().binary_search_by_key(&revision, |act| act.revision).ok()?;
        self.chain.get(found)
    }

    fn run(&self, run: &ClockRun, anchor: Anchor) -> Option<Item> {
        let ending = self.act(run.ended_by);
        let limit = run.due.map(|due| due.day());
        let done = run.done.is_some();
        let day = match anchor {
            Anchor::Start if is_recall(ending) => return None,
            Anchor::Start => run.start,
            Anchor::Limit => limit?,
            Anchor::End => ending.filter(|_| done)?.day,
        };
        // What fell away after its limit was due all the same.
        let outlived = limit.zip(ending).is_some_and(|(limit, ending)| ending.day > limit);
        let state = if done {
            "DONE"
        } else if run.state == ClockState::Void && !outlived {
            "VOID"
        } else {
            "OPEN"
        };
        // A limit of hours can be missed by less than a day.
        let days_late = run.days_late.max(u64::from(run.state == ClockState::Late));
        Some(Item::new(day, vec![("state", Scalar::Text(state)), ("days_late", Scalar::Int(days_late))]))
    }

    /// From the proposal, or the opening of the office on the day of delivery when that is later, to the answer.
    fn answer(&self, run: &ClockRun) -> Option<Item> {
        let (proposal, answer) = (self.act(run.opened_by)?, self.act(run.ended_by)?);
        let answered = run.done.is_some() && !is_recall(Some(answer));
        let delivered = proposal.date("delivered_on").map(opening);
        let from = delivered.map_or(proposal.occurred_at, |delivered| delivered.max(proposal.occurred_at));
        let number = seconds_between(self.calendar, from, answer.occurred_at);
        answered.then(|| Item { number, ..Item::new(run.start, Vec::new()) })
    }

    fn obligations(&self) -> Vec<Item> {
        let items = self.judgement.obligations.iter().filter_map(|obligation| {
            let due = obligation.due?;
            let by = self.act(obligation.by);
            let dropped = matches!(obligation.state, ObligationState::Waived | ObligationState::Replaced);
            if dropped && by.is_some_and(|by| by.day <= due) {
                return None;
            }
            let performance = by.filter(|_| obligation.state == ObligationState::Performed);
            let enforced = performance.is_some_and(|performance| {
                let mut applications = self.chain.before(performance.at).filter(|act| act.is(ENFORCEMENT));
                performance.code("mode") == Some("ENFORCED")
                    || applications.any(|act| act.texts("obligation_ids").any(|id| id == obligation.id))
            });
            let state = Scalar::Text(obligation.state.code());
            Some(Item::new(due, vec![("state", state), ("enforced", Scalar::Bool(enforced))]))
        });
        items.collect()
    }

    /// The chain, when its last closing stands. Lead and level are those of a success; of anything else there are none.
    fn closed(&self) -> Option<Item> {
        let outcome = self.judgement.outcome?;
        let closing = self.chain.of(CLOSED).next_back()?;
        let mut fields = Vec::new();
        if catalogue::is_success("Outcome", outcome) {
            fields.extend(self.lead_changes(closing).map(|changes| ("lead_changes", Scalar::Int(changes))));
            fields.extend(self.level().map(|level| ("level", Scalar::Text(level))));
        }
        Some(Item::new(closing.day, fields))
    }

    /// 0 when the lead just before closing is the first lead: that at the end of the second working day after the day of
    /// registration, or at closing when that is earlier. Else 1.
    fn lead_changes(&self, closing: &Act<'_>) -> Option<u64> {
        let registered = self.chain.of(REGISTERED).next()?.day;
        let settled = self.calendar.plus_working_days(registered, 2).end().min(closing.occurred_at);
        let begins = |revision| self.act(Some(revision)).map(|act| act.occurred_at);
        let leads = &self.judgement.leads;
        let first = leads.iter().rfind(|lead| begins(lead.from).is_some_and(|begins| begins <= settled))?;
        let last = leads.iter().rfind(|lead| lead.from < closing.revision)?;
        Some(u64::from(first.agency != last.agency))
    }

    /// The highest level of any lead; none when it is unknown of one.
    fn level(&self) -> Option<&'static str> {
        let levels = self.judgement.leads.iter().map(|lead| {
            let division = &self.chain.directory().agency(&lead.agency)?.division;
            LEVELS.iter().position(|(digits, _)| *digits == division.len())
        });
        let levels = levels.collect::<Option<Vec<_>>>()?;
        levels.into_iter().min().and_then(|level| LEVELS.get(level)).map(|(_, level)| *level)
    }
}

/// Level of an agency by the number of digits of its division: GB/T 2260, and the extensions of the statistics bureau.
/// City and county share six digits; no figure tells them apart.
const LEVELS: [(usize, &str); 4] = [(6, "COUNTY"), (9, "TOWNSHIP"), (12, "VILLAGE"), (15, "GRID")];

fn is_recall(act: Option<&Act<'_>>) -> bool {
    act.is_some_and(|act| act.row.handoff == Some(HandoffRole::Recall))
}

const OBLIGATION: Kind = kind("ObligationRecorded");
const INCIDENT: Kind = kind("PoliceIncidentReceived");
const ENFORCEMENT: Kind = kind("EnforcementApplied");
const CLOSED: Kind = kind("DisputeClosed");
const REGISTERED: Kind = kind("DisputeRegistered");
