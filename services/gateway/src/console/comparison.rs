//! The agencies side by side over some days.

use std::sync::Arc;

use askama::Template;
use axum::{
    extract::{Query, State},
    http::{HeaderMap, Uri},
};
use mediation_ledger::checkpoint::Checkpoint;
use mediation_proto::mediation::ledger::v1::{AgencyFigures, CompareAgenciesRequest, CompareAgenciesResponse};
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

/// Agencies of a chart; the table has all.
const BARS: usize = 12;

/// What is asked for. Forms send empty fields.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct Wanted {
    from: String,
    to: String,
    as_of: String,
}

#[derive(Template)]
#[template(path = "comparison.html")]
struct ComparisonPage {
    frame: Frame,
    tab: &'static str,
    wanted: Wanted,
    as_of: String,
    bars: usize,
    charts: Vec<Drawn>,
    rows: Vec<Row>,
    sources: Sources,
}

struct Drawn {
    title: &'static str,
    chart: String,
    /// Colours and what they mean.
    keys: Vec<(&'static str, &'static str)>,
}

struct Row {
    id: String,
    name: Text,
    /// As in the columns of the table that is taken along.
    numbers: Vec<u64>,
    median: Option<String>,
}

/// Bars of one colour: what they are, in both languages, the colour, and what they measure.
type Measure = (&'static str, &'static str, &'static str, fn(&AgencyFigures) -> u64);

/// The charts: what each is of, and its bars, end to end. Each is of the agencies that have most of it.
const CHARTS: [(&str, &str, &[Measure]); 3] = [
    (
        "收到的移送",
        "Handoffs received",
        &[
            ("按期答复", "answered in time", "met", |agency| agency.handoffs.unwrap_or_default().in_time),
            ("逾期答复", "answered late", "late", |agency| agency.handoffs.unwrap_or_default().late),
            ("逾期未答", "unanswered", "bad", |agency| agency.handoffs.unwrap_or_default().unanswered),
            ("未到期", "not due yet", "open", |agency| agency.handoffs.unwrap_or_default().open),
            ("已撤回", "taken back", "void", |agency| agency.handoffs.unwrap_or_default().recalled),
        ],
    ),
    (
        "期限",
        "Clocks",
        &[("守期", "met", "met", |agency| agency.clocks_met), ("违期", "broken", "bad", |agency| agency.clocks_broken)],
    ),
    (
        "审计发现",
        "Findings",
        &[
            ("严重", "critical", "brand", |agency| agency.findings.unwrap_or_default().critical),
            ("较重", "major", "bad", |agency| agency.findings.unwrap_or_default().major),
            ("轻微", "minor", "late", |agency| agency.findings.unwrap_or_default().minor),
            ("提示", "observations", "void", |agency| agency.findings.unwrap_or_default().observations),
        ],
    ),
];

/// The tab that the page stands under.
const TAB: &str = "agencies";

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
    asked.shown(frame, TAB, |(answer, checkpoint), frame| page(&told(&visitor, frame, wanted, answer, &checkpoint)?))
}

/// The comparison, as a file.
pub(super) async fn show_file<E: Office>(
    State(console): State<Arc<Console<E>>>,
    Query(wanted): Query<Wanted>,
    uri: Uri,
    headers: HeaderMap,
) -> Page {
    let visitor = console.visitor(&headers)?;
    let (wanted, frame) = framed(&console, &visitor, wanted, &uri);
    let asked = asked(&visitor, &wanted).await?;
    asked.shown(frame, TAB, |(answer, _), _| {
        file("agencies-compared", &sheet::compared(&answer, &visitor.registry, visitor.tongue), &uri)
    })
}

/// What is wanted, this year where nobody says which days, and the frame of its page.
fn framed<E: Office>(console: &Console<E>, visitor: &Visitor, wanted: Wanted, uri: &Uri) -> (Wanted, Frame) {
    let year = console.today().year();
    let or = |text: String, day: &str| match text.trim() {
        "" => format!("{year:04}-{day}"),
        text => text.to_owned(),
    };
    let wanted = Wanted { from: or(wanted.from, "01-01"), to: or(wanted.to, "12-31"), as_of: wanted.as_of };
    let title = visitor.tongue.say("机构比较", "Agencies compared").to_owned();
    let path = uri.path_and_query().map_or("/figures/agencies", |path| path.as_str()).to_owned();
    (wanted, Frame::of(visitor, "figures", title, path, console.today()))
}

async fn asked(visitor: &Visitor, wanted: &Wanted) -> Result<Asked<(CompareAgenciesResponse, Checkpoint)>, Failure> {
    let as_of = Some(wanted.as_of.trim().to_owned()).filter(|as_of| !as_of.is_empty());
    let request = CompareAgenciesRequest { from: Some(wanted.from.clone()), to: Some(wanted.to.clone()), as_of };
    ask(visitor.tongue, visitor.seat.client.compare_agencies_now(request)).await
}

fn told(
    visitor: &Visitor,
    frame: Frame,
    wanted: Wanted,
    answer: CompareAgenciesResponse,
    checkpoint: &Checkpoint,
) -> Result<ComparisonPage, Failure> {
    let name = |agency: &AgencyFigures| {
        let known = visitor.registry.directory().agency(&agency.agency);
        Text::of(known.map_or(&agency.agency, |known| &known.name))
    };
    let charts = CHARTS.iter().map(|(zh, en, measures)| {
        let drawn = chart(&answer.agencies, measures, &name, frame.t).json()?;
        let keys = measures.iter().map(|(zh, en, color, _)| (*color, frame.t.say(zh, en))).collect();
        Ok(Drawn { title: frame.t.say(zh, en), chart: drawn, keys })
    });
    let charts = charts.collect::<Result<_, Failure>>()?;
    // Who did most comes first.
    let mut rows: Vec<Row> = answer.agencies.iter().map(|agency| row(agency, name(agency))).collect();
    rows.sort_by_key(|row| std::cmp::Reverse(row.numbers.get(ACTS).copied()));
    Ok(ComparisonPage {
        tab: TAB,
        as_of: instant(&answer.as_of),
        bars: BARS,
        charts,
        rows,
        sources: Sources::new((answer.counted, answer.not_counted), checkpoint, answer.rule_set),
        frame,
        wanted,
    })
}

/// Place of the acts among the numbers of a row.
const ACTS: usize = 2;

/// A chart of the agencies that have most of something, those with more before those with less.
fn chart(agencies: &[AgencyFigures], measures: &[Measure], name: &dyn Fn(&AgencyFigures) -> Text, t: Tongue) -> Chart {
    let all = |agency: &AgencyFigures| measures.iter().map(|(.., measure)| measure(agency)).sum::<u64>();
    let mut most: Vec<&AgencyFigures> = agencies.iter().filter(|agency| all(agency) > 0).collect();
    most.sort_by_key(|agency| std::cmp::Reverse(all(agency)));
    most.truncate(BARS);
    let series = measures.iter().map(|(zh, en, color, measure)| {
        let texts: Vec<String> = most.iter().map(|agency| measure(agency).to_string()).collect();
        Series { name: t.say(zh, en).to_owned(), color, values: texts.iter().map(|text| number(text)).collect(), texts }
    });
    let series = series.collect();
    Chart {
        names: most.iter().map(|agency| name(agency).to_string()).collect(),
        series,
        stack: true,
        ..Chart::default()
    }
}

fn row(agency: &AgencyFigures, name: Text) -> Row {
    Row {
        id: agency.agency.clone(),
        name,
        numbers: sheet::numbers(agency).to_vec(),
        median: agency.median_days_to_close.as_ref().map(sheet::days),
    }
}
