//! The arithmetic of time limits, once: rules of `data/clocks.json`.

use crate::calendar::{Calendar, Day};

/// What an amount counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize)]
pub enum Unit {
    /// Calendar days (日).
    #[serde(rename = "cd")]
    CalendarDays,
    /// Working days (工作日).
    #[serde(rename = "wd")]
    WorkingDays,
    /// Months: the same day number, or the last day of the month.
    #[serde(rename = "mo")]
    Months,
    /// Years of 12 months.
    #[serde(rename = "yr")]
    Years,
    /// Hours, from the next full hour.
    #[serde(rename = "h")]
    Hours,
}

/// How long a clock runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Term {
    /// Amount; none when only a date can be the limit.
    pub amount: Option<u32>,
    /// Unit of the amount.
    pub unit: Unit,
    /// A limit on a rest day moves to the next working day.
    pub rolls: bool,
    /// Counted back from the start instead of forward.
    pub backward: bool,
    /// How it may be extended; none when it may not.
    pub extension: Option<Extension>,
}

/// How a clock may be extended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Extension {
    /// Largest sum of extensions; none when there is no maximum.
    pub amount_max: Option<u32>,
    /// Unit of extensions.
    pub unit: Unit,
    /// Who grants it.
    pub approver: Approver,
    /// The party must be told by the limit.
    pub party_told: bool,
    /// More, from somebody else.
    pub further: Option<Further>,
}

/// Extensions beyond the ordinary ones, counted apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Further {
    /// Largest sum; none when there is no maximum.
    pub amount_max: Option<u32>,
    /// Who grants it.
    pub approver: Approver,
}

/// Who grants an extension.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Approver {
    /// Head of the agency.
    Head,
    /// The agency above it.
    Superior,
    /// Whoever set the limit.
    Issuer,
    /// Director of the center.
    Dir,
    /// The parties.
    Parties,
}

/// The last day or the last instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Due {
    /// In time until 24:00 of this day.
    Day(Day),
    /// In time until this instant, itself included; seconds since 1970-01-01T00:00:00Z.
    Instant(i64),
}

impl Due {
    /// The day it lies on.
    #[must_use]
    pub fn day(self) -> Day {
        match self {
            Self::Day(day) => day,
            Self::Instant(instant) => Day::of(instant),
        }
    }
}

/// A limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limit {
    /// Last day before rolling.
    pub raw: Day,
    /// The limit.
    pub due: Due,
    /// It depends on a year whose calendar is not published.
    pub provisional: bool,
}

impl Limit {
    /// Whether it has passed for an act of this day and instant. The day decides for clocks in days, because the act may
    /// count as of another day than the one it was recorded on.
    #[must_use]
    pub fn is_passed(&self, day: Day, instant: i64) -> bool {
        match self.due {
            Due::Day(due) => day > due,
            Due::Instant(due) => instant > due,
        }
    }

    /// Whether it has yet to come for an act of this day and instant: a period that must run out has not.
    #[must_use]
    pub fn is_ahead(&self, day: Day, instant: i64) -> bool {
        match self.due {
            Due::Day(due) => day < due,
            Due::Instant(due) => instant < due,
        }
    }
}

/// Days that are not counted, both ends included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Interval {
    /// First day.
    pub from: Day,
    /// Last day; none while it runs.
    pub to: Option<Day>,
}

/// The course of one period: everything its limit depends on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Period {
    /// Day from which it counts; not counted itself.
    pub start: Day,
    /// Instant from which hours count.
    pub start_instant: i64,
    /// Date that an act set as the limit.
    pub fixed: Option<Day>,
    suspensions: Vec<Interval>,
    extended: u32,
    extended_further: u32,
}

/// An extension as recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Grant {
    /// Day it was recorded as of.
    pub on: Day,
    /// Units of the rule.
    pub amount: u64,
    /// Who granted it; none when nobody of the list is named.
    pub approver: Option<Approver>,
    /// Somebody consented; matters only when the parties grant it.
    pub consented: bool,
    /// Day on which the party was told.
    pub told_on: Option<Day>,
}

/// What is wrong with an extension.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ExtensionFault {
    /// The clock cannot be extended.
    NoneAllowed,
    /// Recorded after the limit as it then stood.
    Late,
    /// Granted by somebody else than the rule says.
    Approver,
    /// The party was not told by the limit.
    NotTold,
    /// Cut to the maximum; the rest of it holds.
    TooLong,
}

impl ExtensionFault {
    /// Code, as the rule data and the vectors write it.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::NoneAllowed => "NONE_ALLOWED",
            Self::Late => "LATE",
            Self::Approver => "APPROVER",
            Self::NotTold => "NOT_TOLD",
            Self::TooLong => "TOO_LONG",
        }
    }
}

impl Period {
    /// A period from a day, or from an instant when it counts hours.
    #[must_use]
    pub const fn new(start: Day, start_instant: i64, fixed: Option<Day>) -> Self {
        Self { start, start_instant, fixed, suspensions: Vec::new(), extended: 0, extended_further: 0 }
    }

    /// The limit; none while a suspension runs, and when neither an amount nor a date sets one.
    #[must_use]
    pub fn limit(&self, term: &Term, calendar: &Calendar) -> Option<Limit> {
        if self.is_suspended() {
            return None;
        }
        if self.fixed.is_none() && matches!(term.unit, Unit::Hours) {
            return self.limit_in_hours(term);
        }
        let (raw, counted) = self.last_day(term, calendar)?;
        let due = if term.rolls { calendar.roll(raw) } else { raw };
        let (from, to) = if raw < self.start { (raw, self.start) } else { (self.start, due) };
        let years = if counted { from.year()..=to.year() } else { raw.year()..=due.year() };
        let provisional = (counted || term.rolls) && years.into_iter().any(|year| !calendar.is_published(year));
        Some(Limit { raw, due: Due::Day(due), provisional })
    }

    /// Whether a suspension runs.
    #[must_use]
    pub fn is_suspended(&self) -> bool {
        self.suspensions.last().is_some_and(|last| last.to.is_none())
    }

    /// Begins a suspension, or adds one whose end is known; whether it has an effect. It has none while another runs,
    /// after the limit, and on hours.
    pub fn suspend(&mut self, interval: Interval, term: &Term, calendar: &Calendar) -> bool {
        let Some(limit) = self.limit(term, calendar) else { return false };
        let Due::Day(due) = limit.due else { return false };
        if interval.from > due {
            return false;
        }
        self.suspensions.push(interval);
        true
    }

    /// Ends the suspension that runs; the day itself is not counted either.
    pub fn resume(&mut self, on: Day) {
        if let Some(last) = self.suspensions.last_mut().filter(|last| last.to.is_none()) {
            last.to = Some(on);
        }
    }

    /// Extends the period. The faults say why it has no effect, or that it was cut.
    pub fn extend(&mut self, grant: &Grant, term: &Term, calendar: &Calendar) -> Vec<ExtensionFault> {
        let Some(rule) = term.extension else { return vec![ExtensionFault::NoneAllowed] };
        let limit = self.limit(term, calendar).map(|limit| limit.due.day());
        let further = rule.further.filter(|further| Some(further.approver) == grant.approver);
        let by_parties = grant.approver == Some(Approver::Parties);
        let approved = further.is_some() || grant.approver == Some(rule.approver);
        let mut faults = Vec::new();
        if limit.is_some_and(|limit| grant.on > limit) {
            faults.push(ExtensionFault::Late);
        }
        if !approved || (by_parties && !grant.consented) {
            faults.push(ExtensionFault::Approver);
        }
        if rule.party_told && grant.told_on.is_none_or(|told| limit.is_some_and(|limit| told > limit)) {
            faults.push(ExtensionFault::NotTold);
        }
        if !faults.is_empty() {
            return faults;
        }
        let (sum, amount_max) = match further {
            Some(further) => (&mut self.extended_further, further.amount_max),
            None => (&mut self.extended, rule.amount_max),
        };
        let left = amount_max.unwrap_or(EXTENSION_MAX).saturating_sub(*sum);
        let amount = u32::try_from(grant.amount).unwrap_or(u32::MAX);
        *sum += amount.min(left);
        if amount > left { vec![ExtensionFault::TooLong] } else { faults }
    }

    fn limit_in_hours(&self, term: &Term) -> Option<Limit> {
        let hours = i64::from(term.amount?.saturating_add(self.extension()));
        let instant = self.start_instant.div_euclid(HOUR_S) * HOUR_S + HOUR_S + hours * HOUR_S;
        Some(Limit { raw: Day::of(instant), due: Due::Instant(instant), provisional: false })
    }

    /// The last day before rolling, and whether working days were counted to find it.
    fn last_day(&self, term: &Term, calendar: &Calendar) -> Option<(Day, bool)> {
        let extension_unit = term.extension.map_or(term.unit, |extension| extension.unit);
        if let Some(fixed) = self.fixed {
            let day = self.count(fixed, self.extension(), extension_unit, calendar);
            return Some((day, self.extension() > 0 && extension_unit == Unit::WorkingDays));
        }
        let amount = term.amount?;
        if term.backward {
            return Some((self.start.plus(-i64::from(amount)), false));
        }
        let working = term.unit == Unit::WorkingDays || (self.extension() > 0 && extension_unit == Unit::WorkingDays);
        if extension_unit == term.unit {
            let amount = amount.saturating_add(self.extension());
            return Some((self.count(self.start, amount, term.unit, calendar), working));
        }
        let day = self.count(self.start, amount, term.unit, calendar);
        Some((self.count(day, self.extension(), extension_unit, calendar), working))
    }

    fn extension(&self) -> u32 {
        self.extended.saturating_add(self.extended_further)
    }

    fn count(&self, from: Day, amount: u32, unit: Unit, calendar: &Calendar) -> Day {
        match unit {
            Unit::CalendarDays => self.calendar_days(from, i64::from(amount)),
            Unit::WorkingDays => self.count_days(from, i64::from(amount), |day| calendar.is_working(day)),
            Unit::Months => self.calendar_days(from, from.plus_months(amount).since(from)),
            Unit::Years => self.calendar_days(from, from.plus_months(amount.saturating_mul(12)).since(from)),
            // Hours are counted from an instant; as an extension of days they would have no meaning.
            Unit::Hours => from,
        }
    }

    fn calendar_days(&self, from: Day, days: i64) -> Day {
        if self.suspensions.is_empty() { from.plus(days) } else { self.count_days(from, days, |_| true) }
    }

    /// The last of so many days after `from` that count and are not excluded by a suspension.
    fn count_days(&self, from: Day, days: i64, counts: impl Fn(Day) -> bool) -> Day {
        let mut day = from;
        let mut left = days;
        while left > 0 {
            day = day.plus(1);
            if counts(day) && !self.is_excluded(day) {
                left -= 1;
            }
        }
        day
    }

    fn is_excluded(&self, day: Day) -> bool {
        self.suspensions.iter().any(|interval| interval.from <= day && interval.to.is_none_or(|to| day <= to))
    }
}

/// Largest sum of extensions where the rule sets no maximum, in units of the rule: ten years of days. It bounds the work
/// that a senseless act can cause; no lawful extension comes near it.
const EXTENSION_MAX: u32 = 3_650;

/// Seconds of an hour.
const HOUR_S: i64 = 3_600;
