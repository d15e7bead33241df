//! The report: every row with what was computed, what was published, and whether the two agree.

use serde::Deserialize;

use super::{
    Expected, Tally,
    exact::{Exact, Print},
    measure::Source,
    operational::{Item, Items},
    period::Period,
    plan::Line,
    tally::Counts,
};
use crate::{calendar::Day, catalogue, clocks::condition::Scalar};

/// Figures of a year, as of an instant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// The year.
    pub year: i64,
    /// As of when, in seconds since 1970-01-01T00:00:00Z.
    pub as_of: i64,
    /// What went by.
    pub counts: Counts,
    /// The published figures, in the order of the table.
    pub rows: Vec<Row>,
    /// The operational figures; none when they were not wanted.
    pub operational: Vec<Row>,
}

impl Report {
    /// No row disagrees with what was published.
    #[must_use]
    pub fn agrees(&self) -> bool {
        self.rows.iter().all(|row| row.agrees != Some(false))
    }
}

/// One figure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// Id, `P-24b`.
    pub id: &'static str,
    /// Chinese title.
    pub zh: &'static str,
    /// English title; operational rows have one.
    pub en: Option<&'static str>,
    /// Unit: sessions, matters, persons and items are not the same.
    pub unit: &'static str,
    /// The periods it is of.
    pub periods: Vec<Period>,
    /// What was published; none for a year that nothing was published of.
    pub published: Option<&'static str>,
    /// The published value does not stand in the source; it follows from other rows.
    pub derived: bool,
    /// What was computed, rounded and printed as published; `—` where there is nothing to compute it from.
    pub computed: String,
    /// What was computed, exactly.
    pub exact: Option<Exact>,
    /// How the two are compared.
    pub check: Option<Check>,
    /// What is compared with: the printed figure, or a bound.
    pub expected: Option<String>,
    /// Whether they agree; none when there is nothing to compare with.
    pub agrees: Option<bool>,
    /// Parts of the numerator, which add up to it.
    pub parts: Vec<Part>,
}

/// How a figure is compared with what was published.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Check {
    /// The printed figures are equal.
    Equal,
    /// The exact figure is not less.
    AtLeast,
    /// The exact figure is not more.
    AtMost,
}

impl Check {
    /// Name, as the table writes it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Equal => "equal",
            Self::AtLeast => "at_least",
            Self::AtMost => "at_most",
        }
    }
}

/// A part of a figure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// Code; none for acts that give none.
    pub code: Option<String>,
    /// Chinese title of the code.
    pub zh: Option<&'static str>,
    /// How many.
    pub count: u64,
}

impl Tally<'_> {
    /// What everything that went by amounts to.
    #[must_use]
    pub fn report(&self) -> Report {
        let plan = self.plan();
        let rows = |lines: &[Line]| {
            let mut rows: Vec<Row> = Vec::with_capacity(lines.len());
            for line in lines {
                let row = self.row(line, lines, &rows);
                rows.push(row);
            }
            rows
        };
        Report {
            year: plan.year,
            as_of: plan.as_of,
            counts: self.counts,
            rows: rows(&plan.rows),
            operational: rows(&plan.operational),
        }
    }

    fn row(&self, line: &Line, lines: &[Line], before: &[Row]) -> Row {
        let figure = line.figure;
        let exact = line.formula.value(lines, &|place| self.value(place));
        let print = figure.print.unwrap_or(Print::PLAIN);
        let computed = print.print(exact);
        let is_published = self.plan().is_published();
        let check = figure.check.filter(|_| is_published);
        let expected = figure.expect.as_ref();
        let same = figure.equals.as_ref().map(|id| before.iter().any(|row| row.id == *id && row.exact == exact));
        let agrees = check
            .zip(expected)
            .map(|(check, expected)| agrees(check, expected, exact, &computed) && same.unwrap_or(true));
        Row {
            id: &figure.id,
            zh: &figure.zh,
            en: figure.en.as_deref(),
            unit: &figure.unit,
            periods: line.periods.clone(),
            published: figure.published.as_deref().filter(|_| is_published),
            derived: figure.derived,
            computed,
            exact,
            check,
            expected: expected.filter(|_| is_published).map(|expected| match expected {
                Expected::Number(number) => number.to_string(),
                Expected::Printed(text) => text.clone(),
            }),
            agrees,
            parts: line.parts.map(|place| self.parts(place)).unwrap_or_default(),
        }
    }

    fn value(&self, place: usize) -> Option<Exact> {
        let measure = self.plan().measures.get(place)?;
        let accumulator = self.accumulators.get(place)?;
        if let Source::Items { items: Items::Petitioners, when } = &measure.source {
            let counts = accumulator.petitioners.repeated().filter(|repeated| {
                let item = Item::of_petitioner(Day::of(self.plan().as_of), *repeated);
                when.as_ref().is_none_or(|when| when.is_met(&|statement| item.is_so(statement)))
            });
            return i128::try_from(counts.count()).ok().map(Exact::whole);
        }
        accumulator.value(measure.aggregate, &measure.period)
    }

    fn parts(&self, place: usize) -> Vec<Part> {
        let measured = self.plan().measures.get(place).zip(self.accumulators.get(place));
        let Some((measure, accumulator)) = measured else { return Vec::new() };
        let list = measure.code_list();
        let parts = accumulator.parts().into_iter().map(|(value, count)| {
            let code = value.and_then(|value| match value {
                Scalar::Text(code) => Some(code),
                Scalar::Bool(_) | Scalar::Int(_) | Scalar::Day(_) | Scalar::Composite => None,
            });
            let zh = list.zip(code.as_deref()).and_then(|(list, code)| catalogue::zh(list, code));
            Part { code, zh, count }
        });
        parts.collect()
    }
}

fn agrees(check: Check, expected: &Expected, exact: Option<Exact>, computed: &str) -> bool {
    let Some(exact) = exact else { return false };
    match (check, expected) {
        (Check::Equal, Expected::Number(number)) => computed == number.to_string(),
        (Check::Equal, Expected::Printed(text)) => computed == text,
        (Check::AtLeast, Expected::Number(bound)) => exact.numerator >= i128::from(*bound) * exact.denominator,
        (Check::AtMost, Expected::Number(bound)) => exact.numerator <= i128::from(*bound) * exact.denominator,
        // A bound is a number; the plan does not compile another.
        (Check::AtLeast | Check::AtMost, Expected::Printed(_)) => false,
    }
}
