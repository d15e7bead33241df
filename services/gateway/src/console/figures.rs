//! The figures of a year, beside what was published.

use std::sync::Arc;

use askama::Template;
use axum::{
    extract::{Query, State},
    http::{HeaderMap, Uri},
};
use mediation_ledger::checkpoint::Checkpoint;
use mediation_proto::mediation::ledger::v1::{Figure, GetFiguresRequest, GetFiguresResponse};
use serde::Deserialize;

use super::{
    Console, Office, Page,
    counted::{Asked, Chart, Series, Sources, ask, instant, number},
    failure::Failure,
    frame::{Frame, Text, Tongue, page},
    session::Visitor,
    sheet::file,
};
use crate::sheet;

/// Figures are told in sections, each of units that can be laid side by side: id, titles, units; the last takes the others.
const SECTIONS: [(&str, &str, &str, &[&str]); 3] = [
    ("rates", "比率", "Rates", &[RATE]),
    ("flows", "办理量（件、次、人次）", "What was handled", &["件", "次", "人次"]),
    ("stocks", "机构、网格与力量", "Centers, grids and people", &[]),
];

/// Unit of what is told in hundredths.
const RATE: &str = "比率";

/// What is asked for. Forms send empty fields.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct Wanted {
    year: String,
    as_of: String,
    operational: String,
}

#[derive(Template)]
#[template(path = "figures.html")]
struct FiguresPage {
    frame: Frame,
    tab: &'static str,
    wanted: Wanted,
    as_of: String,
    table: String,
    agree: usize,
    compared: usize,
    /// Nothing of what was counted is of this year.
    is_empty: bool,
    sections: Vec<Section>,
    operational: Option<Section>,
    parts: Vec<Parts>,
    sources: Sources,
}

struct Section {
    id: &'static str,
    title: String,
    chart: String,
    rows: Vec<Row>,
}

struct Row {
    id: String,
    title: Text,
    unit: String,
    published: Option<String>,
    derived: bool,
    computed: String,
    /// The fraction that it was computed from, where it is one.
    exact: Option<String>,
    agrees: Option<bool>,
    verdict: &'static str,
    /// How it is compared, where not for being equal.
    check: Option<String>,
    periods: Vec<String>,
}

/// The parts of a figure.
struct Parts {
    id: String,
    title: Text,
    chart: String,
    rows: Vec<(Text, u64)>,
    total: u64,
}

/// The tab that the page stands under.
const TAB: &str = "figures";

/// The page.
pub(super) async fn show<E: Office>(
    State(console): State<Arc<Console<E>>>,
    Query(wanted): Query<Wanted>,
    uri: Uri,
    headers: HeaderMap,
) -> Page {
    let visitor = console.visitor(&headers)?;
    let (wanted, frame) = framed(&console, &visitor, wanted, &uri);
    let asked = asked(&visitor, &wanted).await?;
    asked.shown(frame, TAB, |(answer, checkpoint), frame| page(&told(frame, wanted, answer, &checkpoint)?))
}

/// The figures, as a file.
pub(super) async fn show_file<E: Office>(
    State(console): State<Arc<Console<E>>>,
    Query(wanted): Query<Wanted>,
    uri: Uri,
    headers: HeaderMap,
) -> Page {
    let visitor = console.visitor(&headers)?;
    let (wanted, frame) = framed(&console, &visitor, wanted, &uri);
    let asked = asked(&visitor, &wanted).await?;
    asked.shown(frame, TAB, |(answer, _), _| file("figures", &sheet::figures(&answer, visitor.tongue), &uri))
}

/// What is wanted, this year where nobody says which, and the frame of its page.
fn framed<E: Office>(console: &Console<E>, visitor: &Visitor, mut wanted: Wanted, uri: &Uri) -> (Wanted, Frame) {
    if wanted.year.trim().is_empty() {
        wanted.year = console.today().year().to_string();
    }
    let title = visitor.tongue.say("城市指标", "Figures").to_owned();
    let path = uri.path_and_query().map_or("/figures", |path| path.as_str()).to_owned();
    (wanted, Frame::of(visitor, "figures", title, path, console.today()))
}

async fn asked(visitor: &Visitor, wanted: &Wanted) -> Result<Asked<(GetFiguresResponse, Checkpoint)>, Failure> {
    let year = wanted.year.trim().parse::<u32>();
    let year = year.map_err(|_| Failure::Malformed("年份应为四位数字，如 2024。", "A year is written as in 2024."))?;
    let as_of = Some(wanted.as_of.trim().to_owned()).filter(|as_of| !as_of.is_empty());
    let request = GetFiguresRequest { year: Some(year), as_of, operational: !wanted.operational.is_empty() };
    ask(visitor.tongue, visitor.seat.client.figures_now(request)).await
}

fn told(
    frame: Frame,
    wanted: Wanted,
    answer: GetFiguresResponse,
    checkpoint: &Checkpoint,
) -> Result<FiguresPage, Failure> {
    let t = frame.t;
    let section_of = |figure: &Figure| {
        let found = SECTIONS.iter().position(|(.., units)| units.contains(&figure.unit.as_str()));
        found.unwrap_or(SECTIONS.len() - 1)
    };
    let sections = SECTIONS.iter().enumerate().map(|(at, (id, zh, en, _))| {
        let figures: Vec<&Figure> = answer.figures.iter().filter(|figure| section_of(figure) == at).collect();
        section(id, t.say(zh, en), &figures, t)
    });
    let sections = sections.filter(|section| !matches!(section, Ok(section) if section.rows.is_empty()));
    let operational: Vec<&Figure> = answer.operational.iter().collect();
    let operational = match operational.as_slice() {
        [] => None,
        figures => Some(section("operational", t.say("运行指标", "Operational figures"), figures, t)?),
    };
    let all = || answer.figures.iter().chain(&answer.operational);
    let parts = all().filter(|figure| !figure.parts.is_empty()).map(|figure| parts(figure, t));
    let is_nothing = |figure: &Figure| figure.exact.as_ref().is_none_or(|exact| exact.numerator == "0");
    Ok(FiguresPage {
        tab: TAB,
        as_of: instant(&answer.as_of),
        table: answer.table.clone(),
        agree: answer.figures.iter().filter(|figure| figure.agrees == Some(true)).count(),
        compared: answer.figures.iter().filter(|figure| figure.agrees.is_some()).count(),
        is_empty: all().all(is_nothing),
        sections: sections.collect::<Result<_, _>>()?,
        operational,
        parts: parts.collect::<Result<_, _>>()?,
        sources: Sources::new((answer.counted, answer.not_counted.clone()), checkpoint, answer.rule_set.clone()),
        frame,
        wanted,
    })
}

fn section(id: &'static str, title: &str, figures: &[&Figure], t: Tongue) -> Result<Section, Failure> {
    Ok(Section {
        id,
        title: title.to_owned(),
        chart: chart(figures, t).json()?,
        rows: figures.iter().map(|figure| row(figure, t)).collect(),
    })
}

/// Published beside computed. Rates share an axis of hundredths; numbers differ by powers of ten. What is no rate has no bar
/// among rates: the table alone tells it.
fn chart(figures: &[&Figure], t: Tongue) -> Chart {
    let is_rate = figures.iter().any(|figure| figure.unit == RATE);
    let figures: Vec<&Figure> = figures.iter().copied().filter(|figure| !is_rate || figure.unit == RATE).collect();
    let published = |figure: &&Figure| figure.expected.as_deref().and_then(number);
    let mut series = Vec::new();
    if figures.iter().any(|figure| figure.published.is_some()) {
        series.push(Series {
            name: t.say("公布值", "published").to_owned(),
            color: "void",
            values: figures.iter().map(published).collect(),
            texts: figures.iter().map(|figure| figure.published.clone().unwrap_or_default()).collect(),
        });
    }
    series.push(Series {
        name: t.say("计算值", "computed").to_owned(),
        color: "brand",
        values: figures.iter().map(|figure| number(&figure.computed)).collect(),
        texts: figures.iter().map(|figure| figure.computed.clone()).collect(),
    });
    let names = figures.iter().map(|figure| format!("{} {}", figure.id, Text::of(sheet::title(figure, t))));
    let unit = if is_rate { "%" } else { "" };
    Chart { names: names.collect(), series, log: !is_rate, unit, ..Chart::default() }
}

fn row(figure: &Figure, t: Tongue) -> Row {
    let exact = figure.exact.as_ref().filter(|exact| exact.denominator != "1");
    let bound = figure.check.as_deref().zip(figure.expected.as_deref());
    Row {
        id: figure.id.clone(),
        title: Text::of(sheet::title(figure, t)),
        unit: figure.unit.clone(),
        published: figure.published.clone(),
        derived: figure.derived,
        computed: figure.computed.clone(),
        exact: exact.map(|exact| format!("{} / {}", exact.numerator, exact.denominator)),
        agrees: figure.agrees,
        verdict: sheet::verdict(figure, t).unwrap_or("—"),
        check: bound.and_then(|(check, expected)| match check {
            "at_least" => Some(format!("≥ {expected}")),
            "at_most" => Some(format!("≤ {expected}")),
            _ => None,
        }),
        periods: figure.periods.iter().map(|period| sheet::period(period, t)).collect(),
    }
}

fn parts(figure: &Figure, t: Tongue) -> Result<Parts, Failure> {
    let names = figure.parts.iter().map(|part| Text::of(&sheet::part(part.code.as_deref(), part.zh.as_deref(), t)));
    let rows: Vec<(Text, u64)> = names.zip(figure.parts.iter().map(|part| part.count)).collect();
    let texts: Vec<String> = rows.iter().map(|(_, count)| count.to_string()).collect();
    let series = Series {
        name: t.say("数量", "how many").to_owned(),
        color: "brand",
        values: texts.iter().map(|count| number(count)).collect(),
        texts,
    };
    let names = rows.iter().map(|(name, _)| name.to_string()).collect();
    Ok(Parts {
        id: figure.id.clone(),
        title: Text::of(sheet::title(figure, t)),
        chart: Chart { names, series: vec![series], ..Chart::default() }.json()?,
        total: rows.iter().map(|(_, count)| count).sum(),
        rows,
    })
}
