//! Who has read a chain.

use std::sync::Arc;

use askama::Template;
use axum::{
    extract::{Path, Query, State},
    http::{HeaderMap, Uri},
};
use mediation_domain::{catalogue, wording};
use mediation_proto::{
    derived::{TYPES_ACCESS_PURPOSE, TYPES_ACCESS_REFUSAL, TYPES_ROLE, TYPES_VISIBILITY_GRADE},
    mediation::ledger::v1::AccessRow,
};
use serde::Deserialize;

use super::{
    Console, Office, Page,
    chain::chain_id,
    frame::{Frame, Text, page},
    session::Visitor,
    sheet,
};

/// Rows on a page.
const ROWS: u32 = 100;

/// Pages that make up a file: five thousand rows.
const PAGES_MAX: usize = 50;

#[derive(Template)]
#[template(path = "accesses.html")]
struct AccessesPage {
    frame: Frame,
    chain: String,
    rows: Vec<Row>,
    next: String,
}

/// One reading.
struct Row {
    at: String,
    agency: Text,
    reader: Text,
    role: String,
    purpose: String,
    grade: String,
    acts: usize,
    refusal: Option<String>,
    rule: Text,
    legal_basis: Text,
    access_chain: String,
    revision: u64,
}

/// Where the last page ended.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Asked {
    after: Option<String>,
}

/// The page.
pub(super) async fn show<E: Office>(
    State(console): State<Arc<Console<E>>>,
    Path(name): Path<String>,
    Query(Asked { after }): Query<Asked>,
    headers: HeaderMap,
) -> Page {
    let visitor = console.visitor(&headers)?;
    let id = chain_id(&visitor, &name)?;
    let answer = visitor.seat.client.accesses(&id.to_string(), Some(ROWS), after).await?;
    let title = visitor.tongue.say("查阅记录", "Access log").to_owned();
    page(&AccessesPage {
        frame: Frame::of(&visitor, "chains", title, format!("/chains/{name}/accesses"), console.today()),
        rows: answer.rows.into_iter().map(|read| row(&visitor, read)).collect(),
        next: answer.next_page_token,
        chain: name,
    })
}

/// The whole list, as a file.
pub(super) async fn file<E: Office>(
    State(console): State<Arc<Console<E>>>,
    Path(name): Path<String>,
    uri: Uri,
    headers: HeaderMap,
) -> Page {
    let visitor = console.visitor(&headers)?;
    let id = chain_id(&visitor, &name)?;
    let (mut readings, mut after) = (Vec::new(), None);
    for _page in 0..PAGES_MAX {
        let answer = visitor.seat.client.accesses(&id.to_string(), Some(ROWS), after).await?;
        readings.extend(answer.rows);
        after = Some(answer.next_page_token).filter(|token| !token.is_empty());
        if after.is_none() {
            break;
        }
    }
    sheet::file("accesses", &crate::sheet::accesses(&readings, &visitor.registry, visitor.tongue), &uri)
}

fn row(visitor: &Visitor, read: AccessRow) -> Row {
    let agency = visitor.registry.directory().agency(&read.agency).map(|agency| agency.name.clone());
    let code = |list, number: Option<i32>| {
        number.and_then(|number| catalogue::zh_of_number(list, number)).unwrap_or_default().to_owned()
    };
    let seconds = i64::try_from(read.recorded_at / 1_000).unwrap_or(i64::MAX);
    Row {
        at: wording::instant(seconds),
        agency: Text::of(&agency.unwrap_or_else(|| read.agency.clone())),
        reader: Text::of(&read.reader),
        role: code(&TYPES_ROLE, Some(read.role)),
        purpose: code(&TYPES_ACCESS_PURPOSE, read.purpose),
        grade: code(&TYPES_VISIBILITY_GRADE, read.grade),
        acts: read.event_ids.len(),
        refusal: read.refusal.map(|refusal| code(&TYPES_ACCESS_REFUSAL, Some(refusal))),
        rule: Text::of(&read.rule),
        legal_basis: Text::of(&read.legal_basis),
        access_chain: read.access_chain_id,
        revision: read.revision,
    }
}
