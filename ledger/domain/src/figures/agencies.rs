//! Agencies side by side (机构比较): what each did over a period, what it was asked, and how it kept to its limits.
//!
//! Everything is placed by one day: an act by its own, a handoff by that of its proposal, a clock by that of its limit, a
//! finding by the day on which the rule was broken, a closing by its own. What lies in the period counts, and counts once.
//! Chains are judged alone, as for the operational figures.

use std::collections::{BTreeMap, BTreeSet};

use super::{Exact, Period, accumulator::median, tally::Counts};
use crate::{
    calendar::Day,
    clocks::{ClockState, Severity, arithmetic::Due},
    directory::Directory,
    history::Recorded,
    judge::{
        ClockRun, Finding, FindingState, Handoff, HandoffAnswer, Judgement, Moment,
        chain::{Act, Chain, Kind, kind},
    },
};

/// What agencies did over a period, as far as chains went by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Comparison {
    period: Period,
    as_of: i64,
    counts: Counts,
    agencies: BTreeMap<String, Agency>,
}

/// What one agency did. Each number is of the period.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Agency {
    /// Chains on which it recorded such an act, or was handed something over.
    pub chains: u64,
    /// Chains in which it had first responsibility on a day of the period.
    pub led: u64,
    /// Acts that it recorded, without those that were withdrawn, and without the records of its readings.
    pub acts: u64,
    /// Handoffs that were proposed to it.
    pub handoffs: Handoffs,
    /// Clocks that bound it and fell due: the act came in time.
    pub clocks_met: u64,
    /// The same: it came late, too early, or not at all.
    pub clocks_broken: u64,
    /// Findings against it, without those that an auditor cleared.
    pub findings: Findings,
    /// Calendar days from registration to closing of chains that it led when they were closed: how often each number came.
    days_to_close: BTreeMap<u64, u64>,
}

/// Handoffs that were proposed to an agency, by what became of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Handoffs {
    /// Accepted or returned within the answer window.
    pub in_time: u64,
    /// Accepted or returned after it.
    pub late: u64,
    /// Not answered, and the window is over.
    pub unanswered: u64,
    /// Not answered, and the window is open.
    pub open: u64,
    /// Taken back before they were answered.
    pub recalled: u64,
}

/// Findings by how grave they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Findings {
    /// 严重.
    pub critical: u64,
    /// 较重.
    pub major: u64,
    /// 轻微.
    pub minor: u64,
    /// 提示.
    pub observations: u64,
}

impl Handoffs {
    /// All that were proposed to it.
    #[must_use]
    pub fn received(self) -> u64 {
        self.in_time + self.late + self.unanswered + self.open + self.recalled
    }

    fn count(&mut self, handoff: &Handoff) {
        let late = handoff.days_late > 0;
        let of_its_kind = match handoff.answer {
            HandoffAnswer::Accepted | HandoffAnswer::Returned if late => &mut self.late,
            HandoffAnswer::Accepted | HandoffAnswer::Returned => &mut self.in_time,
            HandoffAnswer::TimedOut => &mut self.unanswered,
            HandoffAnswer::Open => &mut self.open,
            HandoffAnswer::Recalled => &mut self.recalled,
        };
        *of_its_kind += 1;
    }

    fn add(&mut self, other: Self) {
        self.in_time += other.in_time;
        self.late += other.late;
        self.unanswered += other.unanswered;
        self.open += other.open;
        self.recalled += other.recalled;
    }
}

impl Findings {
    fn count(&mut self, severity: Severity) {
        let of_its_kind = match severity {
            Severity::Critical => &mut self.critical,
            Severity::Major => &mut self.major,
            Severity::Minor => &mut self.minor,
            Severity::Observation => &mut self.observations,
        };
        *of_its_kind += 1;
    }

    fn add(&mut self, other: Self) {
        self.critical += other.critical;
        self.major += other.major;
        self.minor += other.minor;
        self.observations += other.observations;
    }
}

impl Agency {
    /// Chains that were closed while it led them.
    #[must_use]
    pub fn closed(&self) -> u64 {
        self.days_to_close.values().sum()
    }

    /// Median of the calendar days that these took; none when there are none.
    #[must_use]
    pub fn median_days_to_close(&self) -> Option<Exact> {
        median(&self.days_to_close)
    }

    fn add(&mut self, other: Self) {
        self.chains += other.chains;
        self.led += other.led;
        self.acts += other.acts;
        self.handoffs.add(other.handoffs);
        self.clocks_met += other.clocks_met;
        self.clocks_broken += other.clocks_broken;
        self.findings.add(other.findings);
        for (days, count) in other.days_to_close {
            *self.days_to_close.entry(days).or_default() += count;
        }
    }
}

impl Comparison {
    /// Nothing yet, of the days from one to another, as of an instant in seconds since 1970-01-01T00:00:00Z.
    #[must_use]
    pub fn new(from: Day, to: Day, as_of: i64) -> Self {
        let period = Period { from: Some(from), to: to.min(Day::of(as_of)) };
        Self { period, as_of, counts: Counts::default(), agencies: BTreeMap::new() }
    }

    /// Takes a chain, whole. Each chain MUST go by once, in one of the comparisons that are put together. `judgement` is asked
    /// for only when an act counts; it MUST be as of the instant of this comparison.
    pub fn take(&mut self, history: &[Recorded], directory: &Directory, judgement: impl FnOnce() -> Judgement) {
        let prepared = Chain::new(history, directory, Moment { as_of: self.as_of, known_at: None });
        if self.counts.take(&prepared, history) == 0 {
            return;
        }
        let judgement = judgement();
        let judged = Judged { chain: &prepared, judgement: &judgement, period: self.period, as_of: self.as_of };
        for (agency, figures) in judged.agencies() {
            self.agencies.entry(agency.to_owned()).or_default().add(figures);
        }
    }

    /// Puts in what another comparison of the same period and instant counted of other chains.
    pub fn merge(&mut self, other: Self) {
        self.counts.add(other.counts);
        for (agency, figures) in other.agencies {
            self.agencies.entry(agency).or_default().add(figures);
        }
    }

    /// As of when, in seconds.
    #[must_use]
    pub fn as_of(&self) -> i64 {
        self.as_of
    }

    /// The days that were asked for, up to the instant.
    #[must_use]
    pub fn period(&self) -> Period {
        self.period
    }

    /// What went by, of whatever day.
    #[must_use]
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// The agencies of which anything was counted, by their ids.
    pub fn agencies(&self) -> impl Iterator<Item = (&str, &Agency)> {
        let counted = self.agencies.iter().filter(|(_, figures)| **figures != Agency::default());
        counted.map(|(agency, figures)| (agency.as_str(), figures))
    }
}

/// A chain with its judgement, and the days that are wanted of it.
struct Judged<'a> {
    chain: &'a Chain<'a>,
    judgement: &'a Judgement,
    period: Period,
    as_of: i64,
}

impl<'a> Judged<'a> {
    /// What the chain adds to each agency.
    fn agencies(&self) -> BTreeMap<&'a str, Agency> {
        let mut agencies: BTreeMap<&'a str, Agency> = BTreeMap::new();
        let mut on_it: BTreeSet<&'a str> = BTreeSet::new();
        for act in self.chain.acts().filter(|act| self.period.holds(act.day) && !act.is(ACCESSED)) {
            agencies.entry(act.agency).or_default().acts += 1;
            on_it.insert(act.agency);
        }
        let is_proposed_in_it = |handoff: &&Handoff| {
            let proposal = self.act(handoff.proposal).filter(|proposal| proposal.withdrawn_by.is_none());
            proposal.is_some_and(|proposal| self.period.holds(proposal.day))
        };
        for handoff in self.judgement.handoffs.iter().filter(is_proposed_in_it).filter(|handoff| !handoff.to.is_empty())
        {
            agencies.entry(&handoff.to).or_default().handoffs.count(handoff);
            on_it.insert(&handoff.to);
        }
        for run in &self.judgement.clocks {
            let Some((agency, kept)) = run.obliged.as_deref().zip(self.is_kept(run)) else { continue };
            let figures = agencies.entry(agency).or_default();
            let of_its_kind = if kept { &mut figures.clocks_met } else { &mut figures.clocks_broken };
            *of_its_kind += 1;
        }
        for finding in self.judgement.findings.iter().filter(|finding| self.is_found_in_it(finding)) {
            let Some(agency) = finding.agency.as_deref() else { continue };
            agencies.entry(agency).or_default().findings.count(finding.severity);
        }
        for agency in self.leads() {
            agencies.entry(agency).or_default().led += 1;
        }
        if let Some((agency, days)) = self.closing() {
            *agencies.entry(agency).or_default().days_to_close.entry(days).or_default() += 1;
        }
        for agency in on_it {
            agencies.entry(agency).or_default().chains += 1;
        }
        agencies
    }

    fn act(&self, revision: u64) -> Option<&'a Act<'a>> {
        let found = self.chain.all().binary_search_by_key(&revision, |act| act.revision).ok()?;
        self.chain.get(found)
    }

    /// Whether a clock was kept, when its limit lies in the period; none while it is open and not yet due, of a right, and
    /// of a run that fell away or began anew before its limit.
    fn is_kept(&self, run: &ClockRun) -> Option<bool> {
        let due = run.due.filter(|due| self.period.holds(due.day()))?;
        // A limit of hours can be missed by less than a day.
        let is_over = matches!(due, Due::Instant(limit) if limit < self.as_of);
        match run.state {
            ClockState::Met => Some(true),
            ClockState::Late | ClockState::Early => Some(false),
            ClockState::Open => (run.days_late > 0 || is_over).then_some(false),
            // What fell away after its limit was due all the same.
            ClockState::Void => (run.days_late > 0).then_some(false),
            ClockState::Lapsed => None,
        }
    }

    fn is_found_in_it(&self, finding: &Finding) -> bool {
        let stands_at = || finding.revision.and_then(|revision| self.act(revision)).map(|act| act.day);
        let day = finding.on.or_else(stands_at).unwrap_or_else(|| Day::of(self.as_of));
        finding.state != FindingState::Cleared && self.period.holds(day)
    }

    /// The agencies that led on a day of the period.
    fn leads(&self) -> BTreeSet<&'a str> {
        let day = |revision| self.act(revision).map(|act| act.day);
        let leads = self.judgement.leads.iter().filter(|lead| {
            let begins = day(lead.from).is_some_and(|from| from <= self.period.to);
            let ends = lead.to.and_then(day);
            begins && ends.is_none_or(|to| self.period.from.is_none_or(|from| from <= to))
        });
        leads.map(|lead| lead.agency.as_str()).collect()
    }

    /// The agency that led just before the chain was closed for good, and the calendar days from registration, or from the
    /// first act where nobody registered it.
    fn closing(&self) -> Option<(&'a str, u64)> {
        self.judgement.outcome?;
        let closing = self.chain.of(CLOSED).next_back().filter(|closing| self.period.holds(closing.day))?;
        let lead = self.judgement.leads.iter().rfind(|lead| lead.from < closing.revision)?;
        let begun = self.chain.of(REGISTERED).next().or_else(|| self.chain.acts().next())?;
        Some((&lead.agency, closing.day.days_after(begun.day)))
    }
}

const ACCESSED: Kind = kind("RecordAccessed");
const CLOSED: Kind = kind("DisputeClosed");
const REGISTERED: Kind = kind("DisputeRegistered");

#[cfg(test)]
mod tests;
