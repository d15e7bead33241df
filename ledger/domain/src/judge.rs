//! The judge (评判): what a chain amounts to as of an instant, by a rule set: leads, handoffs, clocks, obligations and
//! findings.
//!
//! It is a pure function of its arguments. It refuses nothing: what stands on the chain is a fact, and what broke a rule
//! is a finding.

pub(crate) mod chain;
mod comparison;
mod findings;
mod handoffs;
pub(crate) mod invariants;
mod lapses;
mod lasting;
pub(crate) mod leads;
mod obligations;
pub(crate) mod parties;
mod report;
mod surroundings;

use self::{
    chain::{Chain, kind},
    handoffs::Docking,
    leads::Leads,
    obligations::Duty,
};
pub use self::{
    comparison::{Difference, compare, compare_mutation},
    findings::{Finding, FindingState},
    handoffs::{Handoff, HandoffAnswer},
    lapses::{Lapse, Lapses, lapses},
    leads::Lead,
    obligations::{Obligation, ObligationState},
    report::ClockRun,
    surroundings::{Around, ChainKey, Gathering, Surroundings},
};
use crate::{
    calendar::Day,
    clocks::{Course, Use, run},
    directory::Directory,
    history::Recorded,
    rules::RuleSet,
};

/// The instants that a judgement is as of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    /// Acts of a later business time do not exist; seconds since 1970-01-01T00:00:00Z.
    pub as_of: i64,
    /// Acts that were recorded later do not exist; milliseconds. None: everything recorded is known.
    pub known_at: Option<i64>,
}

impl Moment {
    /// The end of a day, knowing everything that is recorded.
    #[must_use]
    pub fn end_of(day: Day) -> Self {
        Self { as_of: day.end(), known_at: None }
    }
}

/// What a chain amounts to. Acts are named by their revisions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judgement {
    /// Intervals of first responsibility (首办责任单位), in order.
    pub leads: Vec<Lead>,
    /// One for each proposal, in order.
    pub handoffs: Vec<Handoff>,
    /// Instances of judged clocks, in the order of opening.
    pub clocks: Vec<ClockRun>,
    /// Instances of clocks that only remind, in the order of opening.
    pub reminders: Vec<ClockRun>,
    /// Obligations, in the order of recording.
    pub obligations: Vec<Obligation>,
    /// Findings, by revision and code.
    pub findings: Vec<Finding>,
    /// Code of the last closing; none when the chain is open.
    pub outcome: Option<&'static str>,
}

/// Judges a chain alone. `history` holds the acts that count, in the order of their revisions. What only other chains show
/// is not found: that a number is taken there, or who read this chain.
#[must_use]
pub fn judge(history: &[Recorded], directory: &Directory, rules: &'static RuleSet, moment: Moment) -> Judgement {
    judge_among(history, directory, rules, moment, Around::default())
}

/// Judges a chain among the others: as [`judge`], and with what they say of it as of the same moment.
#[must_use]
pub fn judge_among(
    history: &[Recorded],
    directory: &Directory,
    rules: &'static RuleSet,
    moment: Moment,
    around: Around<'_>,
) -> Judgement {
    Matter::new(history, directory, rules, moment, around).judgement()
}

/// Judges a chain alone, and says whether it is judged alike as of every instant from then on up to a later one, by which
/// all limits have run out.
#[must_use]
pub fn judge_until(
    history: &[Recorded],
    directory: &Directory,
    rules: &'static RuleSet,
    moment: Moment,
    later: i64,
) -> (Judgement, bool) {
    let matter = Matter::new(history, directory, rules, moment, Around::default());
    let judgement = matter.judgement();
    let lasts = lasting::lasts(&matter, history, later).unwrap_or_else(|| {
        let then = Moment { as_of: later, ..moment };
        judgement == judge(history, directory, rules, then)
    });
    (judgement, lasts)
}

/// A chain with everything that was worked out about it before its rules are looked at.
#[derive(Debug)]
struct Matter<'a> {
    chain: Chain<'a>,
    rules: &'static RuleSet,
    moment: Moment,
    around: Around<'a>,
    course: Course<'a>,
    leads: Leads<'a>,
    dockings: Vec<Docking>,
    duties: Vec<Duty<'a>>,
}

impl<'a> Matter<'a> {
    fn new(
        history: &'a [Recorded],
        directory: &'a Directory,
        rules: &'static RuleSet,
        moment: Moment,
        around: Around<'a>,
    ) -> Self {
        let chain = Chain::new(history, directory, moment);
        let course = run(rules.clocks(), rules.calendar(), &chain);
        let leads = Leads::new(&chain);
        let dockings = handoffs::dockings(&chain, &course);
        let duties = obligations::duties(&chain, chain.all().len());
        Self { chain, rules, moment, around, course, leads, dockings, duties }
    }

    fn judgement(&self) -> Judgement {
        let clocks = |usage| {
            let instances = self.course.instances.iter().filter(move |instance| instance.usage() == usage);
            instances.map(|instance| ClockRun::new(&self.chain, instance)).collect()
        };
        Judgement {
            leads: self.leads.intervals(&self.chain),
            handoffs: self.dockings.iter().map(|docking| docking.handoff(self)).collect(),
            clocks: clocks(Use::Judged),
            reminders: clocks(Use::Reminder),
            obligations: self.duties.iter().map(|duty| duty.obligation(&self.chain)).collect(),
            findings: findings::find(self),
            outcome: outcome(&self.chain),
        }
    }
}

fn outcome(chain: &Chain<'_>) -> Option<&'static str> {
    let last = chain.of_any(const { &[kind("DisputeClosed"), kind("DisputeReopened")] }).next_back()?;
    last.code("outcome")
}

#[cfg(test)]
pub(crate) mod tests;
