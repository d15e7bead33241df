//! Figures and comparisons as tables.

use mediation_ledger::registry::Registry;
use mediation_proto::mediation::ledger::v1::{
    AgencyFigures, CompareAgenciesResponse, Figure, FigureExact, FigurePeriod, GetFiguresResponse,
};

use super::{
    Kind::{Number, Text},
    Table, Tongue,
    list::name,
};

/// The figures of a year; each is followed by its parts.
#[must_use]
pub fn figures(answer: &GetFiguresResponse, tongue: Tongue) -> Table {
    let columns = [
        ("编号", "id", Text),
        ("指标", "figure", Text),
        ("其中", "part", Text),
        ("单位", "unit", Text),
        ("公布值", "published", Number),
        ("计算值", "computed", Number),
        ("判定", "verdict", Text),
        ("分子", "numerator", Number),
        ("分母", "denominator", Number),
        ("期间", "periods", Text),
    ];
    let mut table = Table::new(tongue.say("城市指标", "figures"), &columns, tongue);
    for figure in answer.figures.iter().chain(&answer.operational) {
        let (numerator, denominator) = figure.exact.clone().map(|exact| (exact.numerator, exact.denominator)).unzip();
        table.rows.push(vec![
            figure.id.clone(),
            title(figure, tongue).to_owned(),
            String::new(),
            figure.unit.clone(),
            figure.published.clone().unwrap_or_default(),
            figure.computed.clone(),
            verdict(figure, tongue).unwrap_or_default().to_owned(),
            numerator.unwrap_or_default(),
            denominator.unwrap_or_default(),
            figure.periods.iter().map(|days| period(days, tongue)).collect::<Vec<_>>().join(" / "),
        ]);
        table.rows.extend(figure.parts.iter().map(|part| {
            let mut cells = vec![String::new(); columns.len()];
            let said = [figure.id.clone(), String::new(), self::part(part.code.as_deref(), part.zh.as_deref(), tongue)];
            cells.splice(..said.len(), said);
            cells.splice(5..6, [part.count.to_string()]);
            cells
        }));
    }
    table
}

/// The title of a figure; in English where it has one.
pub(crate) fn title(figure: &Figure, tongue: Tongue) -> &str {
    tongue.say(&figure.zh, figure.en.as_deref().unwrap_or(&figure.zh))
}

/// Whether a figure agrees with what was published; none where there is nothing to compare with.
pub(crate) fn verdict(figure: &Figure, tongue: Tongue) -> Option<&'static str> {
    figure.agrees.map(|agrees| if agrees { tongue.say("相符", "agrees") } else { tongue.say("不符", "differs") })
}

/// The name of a part of a figure.
pub(crate) fn part(code: Option<&str>, zh: Option<&str>, tongue: Tongue) -> String {
    match (code, zh) {
        (None, _) => tongue.say("未说明", "not said").to_owned(),
        (Some(code), None) => code.to_owned(),
        (Some(code), Some(zh)) => tongue.say(&format!("{code} {zh}"), code).to_owned(),
    }
}

/// Some days.
pub(crate) fn period(period: &FigurePeriod, tongue: Tongue) -> String {
    match &period.from {
        Some(from) => format!("{from} {} {}", tongue.say("至", "to"), period.to),
        None => format!("{} {}", tongue.say("至", "to"), period.to),
    }
}

/// The agencies side by side.
#[must_use]
pub fn compared(answer: &CompareAgenciesResponse, registry: &Registry, tongue: Tongue) -> Table {
    let columns = [
        ("编号", "id", Text),
        ("机构", "agency", Text),
        ("参与链", "chains", Number),
        ("首办链", "led", Number),
        ("登记行为", "acts", Number),
        ("收到移送", "handoffs received", Number),
        ("按期答复", "answered in time", Number),
        ("逾期答复", "answered late", Number),
        ("逾期未答", "unanswered", Number),
        ("未到期", "not due yet", Number),
        ("已撤回", "taken back", Number),
        ("守期", "clocks met", Number),
        ("违期", "clocks broken", Number),
        ("严重发现", "critical findings", Number),
        ("较重发现", "major findings", Number),
        ("轻微发现", "minor findings", Number),
        ("提示", "observations", Number),
        ("首办结案", "closed as lead", Number),
        ("结案天数中位数", "median days to close", Number),
    ];
    let mut table = Table::new(tongue.say("机构比较", "agencies compared"), &columns, tongue);
    table.rows.extend(answer.agencies.iter().map(|agency| {
        let said = [agency.agency.clone(), name(&agency.agency, registry)];
        let median = agency.median_days_to_close.as_ref().map(days).unwrap_or_default();
        said.into_iter().chain(numbers(agency).iter().map(u64::to_string)).chain([median]).collect()
    }));
    table
}

/// What is told of an agency, in the order of the columns of its table; the median of days comes last and is not among them.
pub(crate) fn numbers(agency: &AgencyFigures) -> [u64; 16] {
    let (handoffs, findings) = (agency.handoffs.unwrap_or_default(), agency.findings.unwrap_or_default());
    [
        agency.chains,
        agency.led,
        agency.acts,
        handoffs.received,
        handoffs.in_time,
        handoffs.late,
        handoffs.unanswered,
        handoffs.open,
        handoffs.recalled,
        agency.clocks_met,
        agency.clocks_broken,
        findings.critical,
        findings.major,
        findings.minor,
        findings.observations,
        agency.closed,
    ]
}

/// A median of whole days, which may lie halfway between two.
#[must_use]
pub fn days(exact: &FigureExact) -> String {
    match (exact.numerator.parse::<u64>(), exact.denominator.as_str()) {
        (Ok(days), "2") if days % 2 == 1 => format!("{}.5", days / 2),
        (Ok(days), "2") => (days / 2).to_string(),
        _ => exact.numerator.clone(),
    }
}
