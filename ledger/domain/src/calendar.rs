//! Days in Asia/Shanghai, and which of them are working days (工作日).
//!
//! Shanghai has had no summer time since 1992, so that a day is a fixed stretch of 24 hours, 8 hours ahead of UTC.

use std::{collections::BTreeMap, fmt};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::civil::{self, DAY_S, OFFSET_S, civil_from_days, days_from_civil, days_in_month};

/// A day in Asia/Shanghai, written `YYYY-MM-DD`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Day(i64);

impl Day {
    /// Reads `YYYY-MM-DD`; `None` when it is not written so, does not exist, or lies outside 1900 – 2199.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        civil::days(text).map(Self)
    }

    /// The day on which an instant lies, in seconds since 1970-01-01T00:00:00Z.
    #[must_use]
    pub fn of(instant: i64) -> Self {
        Self(instant.saturating_add(OFFSET_S).div_euclid(DAY_S))
    }

    /// Its first second, in seconds since 1970-01-01T00:00:00Z.
    #[must_use]
    pub fn begin(self) -> i64 {
        self.0.saturating_mul(DAY_S).saturating_sub(OFFSET_S)
    }

    /// Its last second.
    #[must_use]
    pub fn end(self) -> i64 {
        self.begin().saturating_add(DAY_S - 1)
    }

    /// The day so many days later, or earlier when negative.
    #[must_use]
    pub fn plus(self, days: i64) -> Self {
        Self(self.0.saturating_add(days))
    }

    /// Days from another day to this one; negative when the other is later.
    #[must_use]
    pub fn since(self, other: Self) -> i64 {
        self.0 - other.0
    }

    /// Days by which it is later than another day, else 0.
    #[must_use]
    pub fn days_after(self, other: Self) -> u64 {
        u64::try_from(self.since(other)).unwrap_or_default()
    }

    /// The same day of the month so many months later, or the last day of that month when it has no such day.
    #[must_use]
    pub fn plus_months(self, months: u32) -> Self {
        let (year, month, day) = civil_from_days(self.0);
        let months = year * 12 + (month - 1) + i64::from(months);
        let (year, month) = (months.div_euclid(12), months.rem_euclid(12) + 1);
        Self(days_from_civil(year, month, day.min(days_in_month(year, month))))
    }

    /// Its month, `2024-03`.
    #[must_use]
    pub fn month(self) -> String {
        let (year, month, _) = civil_from_days(self.0);
        format!("{year:04}-{month:02}")
    }

    /// Its year.
    #[must_use]
    pub fn year(self) -> i64 {
        civil_from_days(self.0).0
    }

    /// Whether it is a Saturday or a Sunday.
    #[must_use]
    pub fn is_weekend(self) -> bool {
        // 1970-01-01 was a Thursday.
        (self.0 + 3).rem_euclid(7) >= 5
    }
}

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (year, month, day) = civil_from_days(self.0);
        write!(f, "{year:04}-{month:02}-{day:02}")
    }
}

impl fmt::Debug for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Day({self})")
    }
}

impl Serialize for Day {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Day {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| de::Error::custom(format!("`{text}` is no day of the form YYYY-MM-DD")))
    }
}

/// Reads an instant as cases and vectors write it, `YYYY-MM-DDTHH:MM:SS+08:00` or a bare day (its first second), into
/// seconds since 1970-01-01T00:00:00Z.
#[must_use]
pub fn parse_instant(text: &str) -> Option<i64> {
    match text.split_once('T') {
        Some((date, time)) => civil::instant(date, Some(time.strip_suffix("+08:00")?)),
        None => Day::parse(text).map(Day::begin),
    }
}

/// Writes an instant as `YYYY-MM-DDTHH:MM:SS+08:00`.
#[must_use]
pub fn format_instant(instant: i64) -> String {
    let day = Day::of(instant);
    let second = instant - day.begin();
    format!("{day}T{:02}:{:02}:{:02}+08:00", second / 3_600, second / 60 % 60, second % 60)
}

/// The working-day calendar of the State Council (国务院节假日安排): holidays and make-up working days (调休上班).
///
/// In a year without a published calendar Monday to Friday are working days.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Calendar {
    /// First day of the first published year.
    first: Day,
    /// Whether each day from `first` on is a working day, up to the end of the last published year.
    working: Vec<bool>,
    published: Vec<i64>,
}

impl Calendar {
    /// Reads `{"year": {"holidays": [days], "workdays": [days]}}`.
    ///
    /// # Errors
    /// The text is not of this form, or lists a day under another year.
    pub fn parse(text: &str) -> Result<Self, CalendarError> {
        let years: BTreeMap<i64, YearData> = serde_json::from_str(text)?;
        let mut marked = BTreeMap::new();
        for (&year, data) in &years {
            let days =
                data.holidays.iter().map(|day| (*day, false)).chain(data.workdays.iter().map(|day| (*day, true)));
            for (day, working) in days {
                if day.year() != year {
                    return Err(CalendarError::OtherYear { year, day });
                }
                marked.insert(day, working);
            }
        }
        let published: Vec<i64> = years.into_keys().collect();
        let (Some(first), Some(last)) = (published.first(), published.last()) else { return Err(CalendarError::Empty) };
        let first = Day(days_from_civil(*first, 1, 1));
        let days = Day(days_from_civil(*last + 1, 1, 1)).since(first);
        let working = (0..days).map(|at| {
            let day = first.plus(at);
            marked.get(&day).copied().unwrap_or_else(|| !day.is_weekend())
        });
        Ok(Self { first, working: working.collect(), published })
    }

    /// Whether a day is a working day.
    #[must_use]
    pub fn is_working(&self, day: Day) -> bool {
        let at = usize::try_from(day.since(self.first)).ok();
        at.and_then(|at| self.working.get(at)).copied().unwrap_or_else(|| !day.is_weekend())
    }

    /// The day itself when it is a working day, else the next one that is.
    #[must_use]
    pub fn roll(&self, day: Day) -> Day {
        let mut day = day;
        while !self.is_working(day) {
            day = day.plus(1);
        }
        day
    }

    /// Whether the calendar of a year is published. Limits that depend on one that is not are provisional.
    #[must_use]
    pub fn is_published(&self, year: i64) -> bool {
        self.published.binary_search(&year).is_ok()
    }

    /// The day that is so many working days after another, which is not counted.
    #[must_use]
    pub fn plus_working_days(&self, day: Day, count: u32) -> Day {
        (0..count).fold(day, |day, _| self.roll(day.plus(1)))
    }
}

/// Why a text is no calendar.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CalendarError {
    /// Not JSON of this form.
    #[error("the calendar is not of the format: {0}")]
    Format(#[from] serde_json::Error),
    /// A day stands under another year.
    #[error("`{day}` stands under the year {year}")]
    OtherYear {
        /// Year it stands under.
        year: i64,
        /// The day.
        day: Day,
    },
    /// No year at all.
    #[error("the calendar has no year")]
    Empty,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct YearData {
    holidays: Vec<Day>,
    workdays: Vec<Day>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(text: &str) -> Day {
        Day::parse(text).unwrap()
    }

    #[test]
    fn every_day_of_four_centuries_is_written_as_it_is_read() {
        let mut at = day("1900-01-01");
        while at < day("2199-12-31") {
            assert_eq!(day(&at.to_string()), at);
            at = at.plus(1);
        }
    }

    #[test]
    fn an_instant_lies_on_its_day_in_shanghai() {
        assert_eq!(Day::of(day("2024-03-04").begin()), day("2024-03-04"));
        assert_eq!(Day::of(day("2024-03-04").begin() - 1), day("2024-03-03"));
        assert_eq!(Day::of(day("2024-03-04").end()), day("2024-03-04"));
        assert_eq!(parse_instant("1970-01-01T08:00:00+08:00"), Some(0));
        assert_eq!(format_instant(0), "1970-01-01T08:00:00+08:00");
        assert_eq!(parse_instant("1970-01-01T08:00:00Z"), None);
    }

    #[test]
    fn months_end_on_the_same_day_or_the_last() {
        for (from, months, to) in [
            ("2024-01-31", 1, "2024-02-29"),
            ("2024-02-29", 1, "2024-03-29"),
            ("2024-02-29", 24, "2026-02-28"),
            ("2024-08-31", 12, "2025-08-31"),
            ("2025-11-30", 3, "2026-02-28"),
            ("2024-12-15", 1, "2025-01-15"),
            ("2024-11-30", 1, "2024-12-30"),
        ] {
            assert_eq!(day(from).plus_months(months), day(to), "{from} + {months}");
        }
    }

    #[test]
    fn make_up_days_work_and_holidays_rest() {
        let calendar = Calendar::parse(include_str!("../data/calendar_cn.json")).unwrap();
        for (text, working) in [
            ("2024-04-05", false),
            ("2024-04-06", false),
            ("2024-04-07", true),
            ("2024-04-08", true),
            ("2024-05-11", true),
            ("2024-05-12", false),
            ("2027-01-01", true),
            ("2027-01-02", false),
            ("2022-12-31", false),
        ] {
            assert_eq!(calendar.is_working(day(text)), working, "{text}");
        }
        assert_eq!(calendar.roll(day("2024-04-05")), day("2024-04-07"));
        assert!(calendar.is_published(2026) && !calendar.is_published(2027));
        assert_eq!(calendar.plus_working_days(day("2024-04-30"), 5), day("2024-05-10"));
    }
}
