//! Chains that are looked for, and what an agency has to do.

use std::sync::Arc;

use askama::Template;
use axum::{
    extract::{Query, State},
    http::{HeaderMap, Uri},
};
use mediation_client::ClientError;
use mediation_domain::catalogue;
use mediation_proto::{
    derived::{TYPES_DISPUTE_TYPE, TYPES_OUTCOME},
    fields::EnumInfo,
    mediation::ledger::v1::{
        ChainSummary, Duty, ListDutiesRequest, SearchChainsRequest, SearchChainsResponse, TextHit,
    },
};
use serde::Deserialize;

use super::{
    Console, Office, Page,
    failure::Failure,
    frame::{Frame, Text, Tongue, page},
    session::Visitor,
    sheet::file,
};
use crate::sheet;

/// Days before a limit from which on it is told as near.
const SOON_DAYS: i64 = 3;

/// Chains of one answer for a file.
const PAGE_MAX: u32 = 100;

/// Answers that make up a file: a thousand chains, or fewer where many that were looked at are not for the reader.
const PAGES_MAX: usize = 20;

/// Duties of a file.
const DUTIES_MAX: u32 = 500;

/// Reasons for which there is no answer for the time being, or not to a question for words.
const UNSEARCHED: [&str; 3] = ["INDEX_NOT_READY", "TEXT_SEARCH_OFF", "TEXT_INDEX_FULL"];

/// What is looked for. Forms send empty fields.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct Asked {
    number: String,
    agency: String,
    r#type: String,
    from: String,
    to: String,
    outcome: String,
    finding: String,
    text: String,
    open: String,
    overdue: String,
    after: String,
}

#[derive(Template)]
#[template(path = "search.html")]
struct SearchPage {
    frame: Frame,
    asked: Asked,
    agencies: Vec<(String, String)>,
    types: Vec<(String, String)>,
    outcomes: Vec<(String, String)>,
    rows: Vec<Row>,
    /// The same question from where this answer ends.
    next: Option<String>,
    /// Why words cannot be looked for now.
    unsearched: Option<Text>,
}

struct Row {
    chain: String,
    number: Option<Text>,
    kind: String,
    opened: String,
    last: String,
    acts: u64,
    lead: Text,
    outcome: Option<String>,
    due: Option<String>,
    days_overdue: u64,
    findings: Vec<String>,
    hits: Vec<Hit>,
}

/// Where the words stand that were looked for.
struct Hit {
    revision: u64,
    event: Text,
    excerpt: Text,
}

/// The page of a search.
pub(super) async fn search<E: Office>(
    State(console): State<Arc<Console<E>>>,
    Query(asked): Query<Asked>,
    headers: HeaderMap,
) -> Page {
    let visitor = console.visitor(&headers)?;
    let t = visitor.tongue;
    let (answer, unsearched) = match visitor.seat.client.search(wanted(&asked)).await {
        Ok(answer) => (answer, None),
        Err(error) => (SearchChainsResponse::default(), Some(unsearched(t, error)?)),
    };
    let title = t.say("检索", "Search").to_owned();
    let next = Some(answer.next_page_token).filter(|token| !token.is_empty());
    page(&SearchPage {
        frame: Frame::of(&visitor, "search", title, "/search".to_owned(), console.today()),
        agencies: visitor
            .registry
            .directory()
            .iter()
            .map(|(id, agency)| (id.to_owned(), agency.name.clone()))
            .collect(),
        types: codes(&TYPES_DISPUTE_TYPE, t),
        outcomes: codes(&TYPES_OUTCOME, t),
        rows: answer.chains.into_iter().map(|chain| row(&visitor, chain)).collect(),
        next,
        unsearched,
        asked,
    })
}

/// What the page says in place of an answer while words cannot be looked for; everything else has a page of its own.
fn unsearched(t: Tongue, error: ClientError) -> Result<Text, Failure> {
    match error.told() {
        Some(told) if UNSEARCHED.contains(&told.reason.as_str()) => Ok(Text::of(t.say(&told.zh, &told.en))),
        Some(_) | None => Err(error.into()),
    }
}

/// What a form asks for.
fn wanted(asked: &Asked) -> SearchChainsRequest {
    let said = |text: &String| Some(text.trim().to_owned()).filter(|text| !text.is_empty());
    let number = |list: &EnumInfo, code: &String| said(code).and_then(|code| list.number(&code));
    SearchChainsRequest {
        chain_no: said(&asked.number).map(|number| number.to_ascii_uppercase()),
        agency: said(&asked.agency),
        dispute_type: number(&TYPES_DISPUTE_TYPE, &asked.r#type),
        opened_from: said(&asked.from),
        opened_to: said(&asked.to),
        outcome: number(&TYPES_OUTCOME, &asked.outcome),
        finding: said(&asked.finding),
        text: said(&asked.text),
        open: !asked.open.is_empty(),
        overdue: !asked.overdue.is_empty(),
        page_token: said(&asked.after),
        ..SearchChainsRequest::default()
    }
}

/// The whole answer to a search, as a file.
pub(super) async fn search_sheet<E: Office>(
    State(console): State<Arc<Console<E>>>,
    Query(asked): Query<Asked>,
    uri: Uri,
    headers: HeaderMap,
) -> Page {
    let visitor = console.visitor(&headers)?;
    let mut wanted = SearchChainsRequest { page_size: Some(PAGE_MAX), ..wanted(&asked) };
    let mut chains = Vec::new();
    for _page in 0..PAGES_MAX {
        let answer = visitor.seat.client.search(wanted.clone()).await?;
        chains.extend(answer.chains);
        if answer.next_page_token.is_empty() {
            break;
        }
        wanted.page_token = Some(answer.next_page_token);
    }
    file("chains", &sheet::chains(&chains, &visitor.registry, visitor.tongue), &uri)
}

/// The codes of a list with their names.
fn codes(list: &'static EnumInfo, t: Tongue) -> Vec<(String, String)> {
    let values = list.values.iter().filter(|value| value.1 != "UNSPECIFIED");
    let named = |code: &'static str, number: i32| catalogue::zh_of_number(list, number).map(|zh| t.say(zh, code));
    values.filter_map(|value| Some((value.1.to_owned(), named(value.1, value.0)?.to_owned()))).collect()
}

fn row(visitor: &Visitor, chain: ChainSummary) -> Row {
    let t = visitor.tongue;
    let kind = chain.dispute_type.and_then(|number| catalogue::zh_of_number(&TYPES_DISPUTE_TYPE, number));
    let opening = catalogue::event(&chain.opening_event).map(|row| t.say(&row.zh, row.event).to_owned());
    Row {
        number: chain.chain_no.as_deref().map(Text::of),
        kind: kind.map(str::to_owned).or(opening).unwrap_or_default(),
        lead: chain.lead.as_deref().map(|lead| name(visitor, lead)).unwrap_or_default(),
        outcome: chain
            .outcome
            .as_deref()
            .map(|code| t.say(catalogue::zh("Outcome", code).unwrap_or(code), code).to_owned()),
        chain: chain.chain_id,
        opened: chain.opened_on,
        last: chain.last_act_on,
        acts: chain.acts,
        due: chain.next_due,
        days_overdue: chain.days_overdue,
        findings: chain.findings,
        hits: chain.hits.into_iter().map(|hit| hit_row(t, &hit)).collect(),
    }
}

fn hit_row(t: Tongue, hit: &TextHit) -> Hit {
    let event = catalogue::event(&hit.event).map_or(hit.event.as_str(), |row| t.say(&row.zh, row.event));
    Hit { revision: hit.revision, event: Text::of(event), excerpt: Text::of(&hit.excerpt) }
}

fn name(visitor: &Visitor, agency: &str) -> Text {
    let known = visitor.registry.directory().agency(agency);
    known.map_or_else(|| Text::of(agency), |known| Text::of(&known.name))
}

/// The docket of an agency, as a file.
pub(super) async fn docket_sheet<E: Office>(
    State(console): State<Arc<Console<E>>>,
    Query(Whose { agency }): Query<Whose>,
    uri: Uri,
    headers: HeaderMap,
) -> Page {
    let visitor = console.visitor(&headers)?;
    let agency = if agency.is_empty() { visitor.seat.agency.clone() } else { agency };
    let wanted =
        ListDutiesRequest { agency: Some(agency), page_size: Some(DUTIES_MAX), ..ListDutiesRequest::default() };
    let answer = visitor.seat.client.duties(wanted).await?;
    file("docket", &sheet::duties(&answer.duties, &visitor.registry, visitor.tongue), &uri)
}

/// Whose duties are wanted.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Whose {
    agency: String,
}

#[derive(Template)]
#[template(path = "docket.html")]
struct DocketPage {
    frame: Frame,
    agency: String,
    name: Text,
    agencies: Vec<(String, String)>,
    as_of: String,
    more: bool,
    rows: Vec<DutyRow>,
    late: usize,
    soon: usize,
}

struct DutyRow {
    chain: String,
    number: Option<Text>,
    kind: &'static str,
    code: String,
    what: Text,
    from: Option<Text>,
    due: Option<String>,
    days_late: u64,
    revision: Option<u64>,
    /// `late`, `soon` or `open`.
    class: &'static str,
}

/// The page of what an agency has to do.
pub(super) async fn docket<E: Office>(
    State(console): State<Arc<Console<E>>>,
    Query(Whose { agency }): Query<Whose>,
    headers: HeaderMap,
) -> Page {
    let visitor = console.visitor(&headers)?;
    let t = visitor.tongue;
    let agency = if agency.is_empty() { visitor.seat.agency.clone() } else { agency };
    let wanted = ListDutiesRequest { agency: Some(agency.clone()), ..ListDutiesRequest::default() };
    let answer = visitor.seat.client.duties(wanted).await?;
    let today = mediation_domain::calendar::Day::parse(&answer.as_of);
    let near = |due: &str| {
        let due = mediation_domain::calendar::Day::parse(due);
        due.zip(today).is_some_and(|(due, today)| due.since(today) <= SOON_DAYS)
    };
    let rows: Vec<DutyRow> = answer.duties.into_iter().map(|duty| duty_row(&visitor, duty, &near)).collect();
    let title = t.say("待办", "Docket").to_owned();
    page(&DocketPage {
        frame: Frame::of(&visitor, "docket", title, "/docket".to_owned(), console.today()),
        name: name(&visitor, &agency),
        agencies: visitor
            .registry
            .directory()
            .iter()
            .map(|(id, agency)| (id.to_owned(), agency.name.clone()))
            .collect(),
        agency,
        as_of: answer.as_of,
        more: answer.more,
        late: rows.iter().filter(|row| row.class == "late").count(),
        soon: rows.iter().filter(|row| row.class == "soon").count(),
        rows,
    })
}

fn duty_row(visitor: &Visitor, duty: Duty, near: &dyn Fn(&str) -> bool) -> DutyRow {
    let t = visitor.tongue;
    let class = match &duty.due {
        Some(_) if duty.days_late > 0 => "late",
        Some(due) if near(due) => "soon",
        Some(_) | None => "open",
    };
    DutyRow {
        number: duty.chain_no.as_deref().map(Text::of),
        kind: sheet::kind_of_duty(&duty.kind, t),
        what: Text::of(&duty.zh),
        from: duty.from.as_deref().map(|from| name(visitor, from)),
        chain: duty.chain_id,
        code: duty.code,
        due: duty.due,
        days_late: duty.days_late,
        revision: duty.revision,
        class,
    }
}
