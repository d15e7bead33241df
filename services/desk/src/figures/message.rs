//! Figures as messages.

use mediation_domain::{
    calendar::format_instant,
    figures::{Comparison, Counts, Exact, Figures as Table, Part, Period, Report, Row, agencies::Agency},
};
use mediation_proto::mediation::ledger::v1::{
    AgencyFigures, CompareAgenciesResponse, FaultyEntries, Figure, FigureExact, FigurePart, FigurePeriod,
    FiguresCounted, FiguresNotCounted, FindingFigures, GetFiguresResponse, HandoffFigures,
};

use super::counting::Reading;

/// What was counted of the entries under a checkpoint; without one, of a directory.
#[must_use]
pub fn message(report: &Report, reading: &Reading, rule_set: &str, checkpoint: String) -> GetFiguresResponse {
    GetFiguresResponse {
        table: Table::embedded().version().to_owned(),
        // A year that acts can lie in has four digits.
        year: u32::try_from(report.year).unwrap_or_default(),
        rule_set: rule_set.to_owned(),
        as_of: format_instant(report.as_of),
        checkpoint,
        counted: Some(counted(report.counts, reading)),
        not_counted: Some(not_counted(report.counts, reading)),
        figures: figures(&report.rows),
        operational: figures(&report.operational),
    }
}

/// What was counted of each agency, likewise.
#[must_use]
pub fn compared(
    comparison: &Comparison,
    reading: &Reading,
    rule_set: &str,
    checkpoint: String,
) -> CompareAgenciesResponse {
    let period = comparison.period();
    CompareAgenciesResponse {
        rule_set: rule_set.to_owned(),
        from: period.from.map(|from| from.to_string()).unwrap_or_default(),
        to: period.to.to_string(),
        as_of: format_instant(comparison.as_of()),
        checkpoint,
        counted: Some(counted(comparison.counts(), reading)),
        not_counted: Some(not_counted(comparison.counts(), reading)),
        agencies: comparison.agencies().map(|(id, figures)| agency(id, figures)).collect(),
    }
}

fn agency(id: &str, figures: &Agency) -> AgencyFigures {
    let (handoffs, findings) = (figures.handoffs, figures.findings);
    AgencyFigures {
        agency: id.to_owned(),
        chains: figures.chains,
        led: figures.led,
        acts: figures.acts,
        handoffs: Some(HandoffFigures {
            received: handoffs.received(),
            in_time: handoffs.in_time,
            late: handoffs.late,
            unanswered: handoffs.unanswered,
            open: handoffs.open,
            recalled: handoffs.recalled,
        }),
        clocks_met: figures.clocks_met,
        clocks_broken: figures.clocks_broken,
        findings: Some(FindingFigures {
            critical: findings.critical,
            major: findings.major,
            minor: findings.minor,
            observations: findings.observations,
        }),
        closed: figures.closed(),
        median_days_to_close: figures.median_days_to_close().map(exact),
    }
}

fn counted(counts: Counts, reading: &Reading) -> FiguresCounted {
    FiguresCounted {
        entries: reading.entries,
        chains_read: reading.chains,
        signatures: reading.signatures,
        acts: counts.acts,
        chains: counts.chains,
    }
}

fn not_counted(counts: Counts, reading: &Reading) -> FiguresNotCounted {
    let faulty = reading.faulty.iter();
    let faulty = faulty.map(|(code, entries)| FaultyEntries { code: (*code).to_owned(), entries: *entries });
    FiguresNotCounted {
        withdrawn: counts.withdrawn,
        later: counts.later,
        unreadable_acts: reading.unread,
        withheld_parts: reading.withheld,
        faulty: faulty.collect(),
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
