//! Periods (统计期间): named stretches of days, moved to the year that is reported.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::{BASE_YEAR, PlanError};
use crate::calendar::Day;

/// A stretch of days in Asia/Shanghai, both included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Period {
    /// First day; none: from the beginning of the ledger.
    pub from: Option<Day>,
    /// Last day.
    pub to: Day,
}

impl Period {
    /// Whether a day lies in it.
    #[must_use]
    pub fn holds(&self, day: Day) -> bool {
        self.from.is_none_or(|from| from <= day) && day <= self.to
    }

    /// Its days as a range; what is open begins with the first day that an act may have.
    pub(super) fn days(&self) -> (Day, Day) {
        (self.from.unwrap_or_else(|| Day::of(crate::limits::OCCURRED_AT_MIN_S)), self.to)
    }
}

/// A period as the table writes it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PeriodData {
    from: Option<Day>,
    to: End,
    #[serde(rename = "note")]
    _note: Option<String>,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(untagged)]
enum End {
    Day(Day),
    Moment(AsOf),
}

#[derive(Debug, Clone, Copy, Deserialize)]
enum AsOf {
    #[serde(rename = "as_of")]
    AsOf,
}

/// The periods of a report.
pub(super) struct Periods<'a> {
    pub(super) named: &'a BTreeMap<String, PeriodData>,
    pub(super) year: i64,
    /// Day of the as-of instant.
    pub(super) today: Day,
}

impl Periods<'_> {
    /// The period of this name. Those that end on a day are written for [`BASE_YEAR`] and move with the year of the
    /// report; those that end with the as-of instant begin when something began, and stay.
    pub(super) fn named(&self, name: &str) -> Result<Period, PlanError> {
        if name == REPORT {
            let (from, to) = (self.moved(JANUARY_1)?, self.moved(DECEMBER_31)?);
            return Ok(Period { from: Some(from), to: to.min(self.today) });
        }
        let data = self.named.get(name).ok_or_else(|| PlanError::NoPeriod(name.to_owned()))?;
        Ok(match data.to {
            End::Moment(AsOf::AsOf) => Period { from: data.from, to: self.today },
            End::Day(to) => {
                let from = data.from.map(|from| self.moved(&from.to_string())).transpose()?;
                Period { from, to: self.moved(&to.to_string())? }
            }
        })
    }

    /// The periods of a label: one name, or several with a stroke between.
    pub(super) fn labelled(&self, label: &str) -> Result<Vec<Period>, PlanError> {
        label.split('/').map(|name| self.named(name)).collect()
    }

    /// The same day of the year that lies as far from the reported year as this one from [`BASE_YEAR`].
    fn moved(&self, day: &str) -> Result<Day, PlanError> {
        let beyond = PlanError::Year { year: self.year };
        let (year, rest) = day.split_at_checked(4).unwrap_or_default();
        let year = year.parse::<i64>().ok().and_then(|year| year.checked_add(self.year.checked_sub(BASE_YEAR)?));
        year.and_then(|year| Day::parse(&format!("{year:04}{rest}"))).ok_or(beyond)
    }
}

/// The year that is reported, up to the as-of instant.
const REPORT: &str = "$report";
const JANUARY_1: &str = "2024-01-01";
const DECEMBER_31: &str = "2024-12-31";
