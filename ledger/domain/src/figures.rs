//! Figures (指标口径): what a year of the whole ledger amounts to, by the formulas of `data/kpis.json`.
//!
//! The formula language is interpreted once; no figure has code of its own, except what rows of the operational section
//! take from the judge. A [`Plan`] is a table compiled for a year and an as-of instant. A [`Tally`] is fed the chains of
//! a ledger in any order, and tallies of several threads are put together. The same chains, table, year and instant give
//! the same [`Report`].
//!
//! Reading order: `formula` (as written) → [`plan`] (compiled) → `measure` (what is taken of an act) → `accumulator`
//! (what is kept) → [`tally`] → [`report`] → `exact` (rounding). [`agencies`] stands beside them: what each agency did.

mod accumulator;
pub mod agencies;
mod exact;
mod formula;
mod measure;
mod operational;
mod period;
mod petitioners;
pub mod plan;
pub mod report;
pub mod tally;
mod working_hours;

use std::{collections::BTreeMap, sync::LazyLock};

use serde::Deserialize;
use serde_json::Value as Json;

pub use self::{
    agencies::Comparison,
    exact::Exact,
    period::Period,
    plan::{Plan, PlanError},
    report::{Check, Part, Report, Row},
    tally::{Counts, Tally},
};
use self::{exact::Print, formula::FormulaData, period::PeriodData};

/// The year that the table is written for: its published values are of this year, and its periods move from it.
pub const BASE_YEAR: i64 = 2024;

/// A table of figures.
#[derive(Debug, Deserialize)]
pub struct Figures {
    version: String,
    periods: BTreeMap<String, PeriodData>,
    figures: Vec<Figure>,
    operational: Vec<Figure>,
}

/// A row of the table.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Figure {
    id: String,
    zh: String,
    en: Option<String>,
    published: Option<String>,
    unit: String,
    period: String,
    formula: FormulaData,
    check: Option<Check>,
    expect: Option<Expected>,
    print: Option<Print>,
    #[serde(default)]
    derived: bool,
    /// The row whose figure this one must equal.
    equals: Option<String>,
    /// Field by which the numerator is told apart.
    by: Option<String>,
    // Said to the reader of the table; nothing is computed from it.
    #[serde(rename = "fixture")]
    _fixture: Option<Json>,
    #[serde(rename = "precise")]
    _precise: Option<String>,
    #[serde(rename = "tag")]
    _tag: Option<String>,
}

/// What a figure is compared with.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Expected {
    Number(u64),
    /// As it is printed.
    Printed(String),
}

impl Figures {
    /// The table of the newspaper's figures.
    #[must_use]
    pub fn embedded() -> &'static Self {
        &EMBEDDED
    }

    /// Reads a table.
    ///
    /// # Errors
    /// It is not of the format.
    pub fn parse(text: &str) -> Result<Self, PlanError> {
        Ok(serde_json::from_str(text)?)
    }

    /// Its version.
    #[must_use]
    pub fn version(&self) -> &str {
        &self.version
    }
}

static EMBEDDED: LazyLock<Figures> = LazyLock::new(|| {
    let figures = Figures::parse(include_str!("../data/kpis.json"));
    figures.unwrap_or_else(|error| panic!("the embedded figures do not load: {error}"))
});

#[cfg(test)]
mod tests;
