//! Instances of clocks: one run of a clock on a chain, from its start to its end.

use super::{
    Clock, ClockKind, Use,
    arithmetic::{Due, Limit, Period},
};
use crate::calendar::Day;

/// One run of a clock.
#[derive(Debug, Clone)]
pub struct Instance<'a> {
    /// The clock.
    pub clock: &'static Clock,
    /// Place of the clock in the table.
    pub(crate) place: usize,
    /// Its course.
    pub(crate) period: Period,
    /// Its limit; none while it is suspended.
    pub limit: Option<Limit>,
    /// Who is bound; none for a party.
    pub obliged: Option<&'a str>,
    /// Position of the act that opened it; none when it opened by lapse alone.
    pub(crate) opened_by: Option<usize>,
    /// Position of the proposal that it belongs to.
    pub(crate) proposal: Option<usize>,
    /// The act that opened it is a proposal.
    pub(crate) opened_by_proposal: bool,
    /// Procedure number of the act that opened it.
    pub(crate) procedure_no: Option<&'a str>,
    /// Obligations that the act that opened it lists.
    pub(crate) obligations: Vec<&'a str>,
    /// Position of the act that began the running suspension.
    pub(crate) suspended_by: Option<usize>,
    /// How it ended; none while it is open.
    pub(crate) end: Option<End>,
}

/// How an instance ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct End {
    /// Position of the act that ended it.
    pub(crate) by: usize,
    /// Day of the act for this clock.
    pub(crate) day: Day,
    /// Instant of the act.
    pub(crate) instant: i64,
    pub(crate) kind: EndKind,
}

/// In which way an instance ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EndKind {
    /// By the act that the clock waits for.
    Ended,
    /// The matter fell away, or the chain was closed.
    Voided,
    /// A new run began in its place.
    Restarted,
}

/// State of an instance, as cases and reports write it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ClockState {
    /// Ended in time.
    Met,
    /// Ended after the limit.
    Late,
    /// Fell away or began anew.
    Void,
    /// Runs.
    Open,
    /// A right that was not used in time.
    Lapsed,
    /// A minimum period that was ended before it had run out.
    Early,
}

impl ClockState {
    /// Code: `MET`, `LATE`, `VOID`, `OPEN`, `LAPSED` or `EARLY`.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Met => "MET",
            Self::Late => "LATE",
            Self::Void => "VOID",
            Self::Open => "OPEN",
            Self::Lapsed => "LAPSED",
            Self::Early => "EARLY",
        }
    }
}

impl Instance<'_> {
    /// Day from which it counts.
    #[must_use]
    pub fn start(&self) -> Day {
        self.period.start
    }

    /// The day of its limit.
    #[must_use]
    pub fn due(&self) -> Option<Day> {
        self.limit.map(|limit| limit.due.day())
    }

    /// What this run is for: one whose clock reminds until it is ended is judged from its ending act on.
    #[must_use]
    pub(crate) fn usage(&self) -> Use {
        let reminds = self.clock.reminds_until_ended && !self.is_ended(EndKind::Ended);
        if reminds { Use::Reminder } else { self.clock.usage }
    }

    pub(crate) fn is_open(&self) -> bool {
        self.end.is_none()
    }

    pub(crate) fn is_duty(&self) -> bool {
        self.clock.kind == ClockKind::Duty
    }

    pub(crate) fn is_ended(&self, kind: EndKind) -> bool {
        self.end.is_some_and(|end| end.kind == kind)
    }

    /// State as of an instant.
    #[must_use]
    pub fn state(&self, as_of: i64) -> ClockState {
        match self.end.map(|end| end.kind) {
            Some(EndKind::Ended) if self.is_early() => ClockState::Early,
            Some(EndKind::Ended) if self.is_late(as_of) => ClockState::Late,
            Some(EndKind::Ended) => ClockState::Met,
            Some(EndKind::Voided | EndKind::Restarted) => ClockState::Void,
            None if self.clock.kind == ClockKind::Right && self.is_late(as_of) => ClockState::Lapsed,
            None => ClockState::Open,
        }
    }

    /// Whether it ended after its limit, or is open after it. A restart is never late, nor is a minimum period.
    #[must_use]
    pub(crate) fn is_late(&self, as_of: i64) -> bool {
        let Some(limit) = self.limit.filter(|_| !self.clock.is_minimum) else { return false };
        match self.end {
            Some(end) => end.kind != EndKind::Restarted && limit.is_passed(end.day, end.instant),
            None => is_past(limit, as_of),
        }
    }

    /// Whether a minimum period was ended before it had run out. The last day itself suffices.
    #[must_use]
    pub(crate) fn is_early(&self) -> bool {
        let end = self.end.filter(|end| self.clock.is_minimum && end.kind == EndKind::Ended);
        self.limit.zip(end).is_some_and(|(limit, end)| limit.is_ahead(end.day, end.instant))
    }

    /// Calendar days from the limit to the end, or to the day of `as_of` while it is open; of a minimum period that was
    /// ended too early, from the end to the limit. Days mean nothing for a right that was not used, that fell away, or
    /// for a run that began anew: 0.
    #[must_use]
    pub fn days_late(&self, as_of: i64) -> u64 {
        if let Some((due, end)) = self.due().zip(self.end).filter(|_| self.is_early()) {
            return due.days_after(end.day);
        }
        let Some(due) = self.due().filter(|_| self.is_late(as_of)) else { return 0 };
        if !self.is_duty() && !self.is_ended(EndKind::Ended) {
            return 0;
        }
        let day = self.end.map_or_else(|| Day::of(as_of), |end| end.day);
        day.days_after(due)
    }
}

/// Whether a limit has passed at an instant: for a day, from 00:00 of the next one on.
pub(crate) fn is_past(limit: Limit, as_of: i64) -> bool {
    match limit.due {
        Due::Day(due) => Day::of(as_of) > due,
        Due::Instant(due) => as_of > due,
    }
}
