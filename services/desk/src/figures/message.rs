//! Figures as messages.

use mediation_domain::{
    calendar::format_instant,
    figures::{Exact, Figures as Table, Part, Period, Report, Row},
};
use mediation_proto::mediation::ledger::v1::{
    FaultyEntries, Figure, FigureExact, FigurePart, FigurePeriod, FiguresCounted, FiguresNotCounted, GetFiguresResponse,
};

use super::counting::Reading;

/// What was counted of the entries under a checkpoint; without one, of a directory.
#[must_use]
pub fn message(report: &Report, reading: &Reading, rule_set: &str, checkpoint: String) -> GetFiguresResponse {
    let faulty = reading.faulty.iter();
    let faulty = faulty.map(|(code, entries)| FaultyEntries { code: (*code).to_owned(), entries: *entries });
    GetFiguresResponse {
        table: Table::embedded().version().to_owned(),
        // A year that acts can lie in has four digits.
        year: u32::try_from(report.year).unwrap_or_default(),
        rule_set: rule_set.to_owned(),
        as_of: format_instant(report.as_of),
        checkpoint,
        counted: Some(FiguresCounted {
            entries: reading.entries,
            chains_read: reading.chains,
            signatures: reading.signatures,
            acts: report.counts.acts,
            chains: report.counts.chains,
        }),
        not_counted: Some(FiguresNotCounted {
            withdrawn: report.counts.withdrawn,
            later: report.counts.later,
            unreadable_acts: reading.unread,
            withheld_parts: reading.withheld,
            faulty: faulty.collect(),
        }),
        figures: figures(&report.rows),
        operational: figures(&report.operational),
    }
}

/// Rows of a report as messages.
fn figures(rows: &[Row]) -> Vec<Figure> {
    rows.iter().map(figure).collect()
}

fn figure(row: &Row) -> Figure {
    let owned = |text: Option<&str>| text.map(str::to_owned);
    Figure {
        id: row.id.to_owned(),
        zh: row.zh.to_owned(),
        en: owned(row.en),
        unit: row.unit.to_owned(),
        periods: row.periods.iter().map(period).collect(),
        published: owned(row.published),
        derived: row.derived,
        computed: row.computed.clone(),
        exact: row.exact.map(exact),
        check: row.check.map(|check| check.name().to_owned()),
        expected: row.expected.clone(),
        agrees: row.agrees,
        parts: row.parts.iter().map(part).collect(),
    }
}

fn period(period: &Period) -> FigurePeriod {
    FigurePeriod { from: period.from.map(|from| from.to_string()), to: period.to.to_string() }
}

fn exact(exact: Exact) -> FigureExact {
    FigureExact { numerator: exact.numerator.to_string(), denominator: exact.denominator.to_string() }
}

fn part(part: &Part) -> FigurePart {
    FigurePart { code: part.code.clone(), zh: part.zh.map(str::to_owned), count: part.count }
}
