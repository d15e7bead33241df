//! A table of figures, compiled for one year and one as-of instant.

mod compiler;

use mediation_proto::derived::KINDS;

use self::compiler::Compiler;
use super::{
    BASE_YEAR, Figure, Figures,
    exact::Exact,
    measure::{Measure, Source},
    period::{Period, Periods},
};
use crate::{calendar::Day, rules::RuleSet};

/// A table of figures, compiled.
#[derive(Debug)]
pub struct Plan {
    pub(super) year: i64,
    pub(super) as_of: i64,
    pub(super) rules: &'static RuleSet,
    pub(super) measures: Vec<Measure>,
    /// Measures that take acts, by kind of act.
    pub(super) by_kind: Vec<Vec<usize>>,
    pub(super) rows: Vec<Line>,
    pub(super) operational: Vec<Line>,
}

/// A row, compiled.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) figure: &'static Figure,
    pub(super) periods: Vec<Period>,
    pub(super) formula: Formula,
    /// The measure that tells the parts of its numerator.
    pub(super) parts: Option<usize>,
}

/// Arithmetic over measures.
#[derive(Debug)]
pub(super) enum Formula {
    Measure(usize),
    /// Working hours, from a measure of seconds.
    Hours(usize),
    /// The formula of an earlier row of the same section.
    Row(usize),
    Sum(Vec<Self>),
    Ratio(Box<Self>, Box<Self>),
    /// `(first − second) / first`.
    Down(Box<Self>, Box<Self>),
    /// `(second − first) / first`.
    Up(Box<Self>, Box<Self>),
}

/// Why figures cannot be computed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PlanError {
    /// The table is not of the format.
    #[error("the figures are not of the format: {0}")]
    Format(#[from] serde_json::Error),
    /// The year, or one that it is compared with, is none that an act can lie in.
    #[error("the figures of the year {year} need days outside of the years that acts can lie in")]
    Year {
        /// The year.
        year: i64,
    },
    /// There is no such period.
    #[error("there is no period `{0}`")]
    NoPeriod(String),
    /// A name of an act, a field or a clock, or a condition, cannot be understood.
    #[error("`{id}`: {problem}")]
    Row {
        /// Id of the row.
        id: String,
        /// What is wrong.
        problem: String,
    },
}

impl Plan {
    /// Compiles a table for a year, as of an instant in seconds since 1970-01-01T00:00:00Z. Operational rows need the
    /// judge, who works by `rules`; they are compiled only when they are wanted.
    ///
    /// # Errors
    /// The year lies outside of the years that acts can lie in, or the table does not fit the catalogue.
    pub fn new(
        figures: &'static Figures,
        year: i64,
        as_of: i64,
        rules: &'static RuleSet,
        operational: bool,
    ) -> Result<Self, PlanError> {
        let periods = Periods { named: &figures.periods, year, today: Day::of(as_of) };
        let mut plan = Self {
            year,
            as_of,
            rules,
            measures: Vec::new(),
            by_kind: vec![Vec::new(); KINDS.len()],
            rows: Vec::new(),
            operational: Vec::new(),
        };
        plan.rows = plan.section(&figures.figures, &periods)?;
        if operational {
            plan.operational = plan.section(&figures.operational, &periods)?;
        }
        for (place, measure) in plan.measures.iter().enumerate() {
            let Source::Acts(acts) = &measure.source else { continue };
            for entry in &acts.entries {
                plan.by_kind.get_mut(entry.kind.0).into_iter().for_each(|measures| measures.push(place));
            }
        }
        Ok(plan)
    }

    /// As of when, in seconds.
    #[must_use]
    pub fn as_of(&self) -> i64 {
        self.as_of
    }

    /// The year.
    #[must_use]
    pub fn year(&self) -> i64 {
        self.year
    }

    /// Whether the rows have published values for this year.
    #[must_use]
    pub fn is_published(&self) -> bool {
        self.year == BASE_YEAR
    }

    /// Whether operational rows are computed, so that chains must be judged.
    #[must_use]
    pub fn is_operational(&self) -> bool {
        !self.operational.is_empty()
    }

    fn section(&mut self, figures: &'static [Figure], periods: &Periods<'_>) -> Result<Vec<Line>, PlanError> {
        let mut lines: Vec<Line> = Vec::with_capacity(figures.len());
        for figure in figures {
            let mut compiler = Compiler {
                rules: self.rules,
                measures: &mut self.measures,
                periods,
                lines: &lines,
                figure,
                each: None,
            };
            let formula = compiler.formula(&figure.formula)?;
            let parts = compiler.parts()?;
            compiler.check()?;
            lines.push(Line { figure, periods: periods.labelled(&figure.period)?, formula, parts });
        }
        Ok(lines)
    }
}

impl Formula {
    fn is_whole(&self, lines: &[Line]) -> bool {
        match self {
            Self::Measure(_) | Self::Sum(_) => true,
            Self::Row(row) => lines.get(*row).is_some_and(|line| line.formula.is_whole(lines)),
            Self::Hours(_) | Self::Ratio(..) | Self::Down(..) | Self::Up(..) => false,
        }
    }

    /// Its value, when `measure` gives those of the measures.
    pub(super) fn value(&self, lines: &[Line], measure: &dyn Fn(usize) -> Option<Exact>) -> Option<Exact> {
        let value = |formula: &Self| formula.value(lines, measure);
        let whole = |formula: &Self| value(formula).and_then(Exact::as_whole);
        match self {
            Self::Measure(place) => measure(*place),
            Self::Hours(place) => {
                let seconds = measure(*place)?;
                Exact::quotient(seconds.numerator, seconds.denominator * 3_600)
            }
            Self::Row(row) => value(&lines.get(*row)?.formula),
            Self::Sum(parts) => parts.iter().map(whole).sum::<Option<i128>>().map(Exact::whole),
            Self::Ratio(numerator, denominator) => Exact::quotient(whole(numerator)?, whole(denominator)?),
            Self::Down(first, second) => Exact::quotient(whole(first)? - whole(second)?, whole(first)?),
            Self::Up(first, second) => Exact::quotient(whole(second)? - whole(first)?, whole(first)?),
        }
    }
}
