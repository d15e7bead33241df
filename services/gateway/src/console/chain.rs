//! A chain's page: every act of every agency in order, with its proofs, clocks, handoffs and findings, as of a day.

use std::sync::Arc;

use askama::Template;
use axum::{
    extract::{Path, Query, State},
    http::{HeaderMap, header},
    response::IntoResponse as _,
};
use mediation_client::{Replay, VerifiedChain};
use mediation_domain::{
    calendar::{Day, parse_instant},
    catalogue,
};
use mediation_ledger::{chain::ChainId, merkle::LeafIndex};
use serde::Deserialize;

use super::{
    Console, Office, Page,
    failure::Failure,
    frame::{Frame, Text, page},
    lanes::Lanes,
    session::{Shown, Visitor},
};

mod acts;
mod bars;
mod difference;
mod judged;

pub(super) use self::{
    acts::ActRow,
    judged::{HandoffRow, Judged, LeadRow},
};
use self::{
    acts::{Known, act_rows},
    bars::Bars,
    difference::{Change, changes},
    judged::judged,
};

/// As of when a chain is shown, and compared with which earlier day. Forms send empty fields.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Asked {
    as_of: String,
    since: String,
    /// As it was known at this instant, in Shanghai: YYYY-MM-DDTHH:MM, seconds as well where they are said.
    known_at: String,
    /// As it was known when the act of this number was recorded.
    act: String,
}

impl Asked {
    /// What was known as of when it is asked for; the day is another matter.
    fn replay(&self) -> Result<Replay, Failure> {
        let known_at = match self.known_at.as_str() {
            "" => None,
            minutes if minutes.len() == "YYYY-MM-DDTHH:MM".len() => Some(format!("{minutes}:59+08:00")),
            seconds => Some(format!("{seconds}+08:00")),
        };
        if known_at.as_deref().is_some_and(|known_at| parse_instant(known_at).is_none()) {
            let (zh, en) = ("时点格式应为 YYYY-MM-DDTHH:MM。", "An instant is written YYYY-MM-DDTHH:MM.");
            return Err(Failure::Malformed(zh, en));
        }
        let through_revision = match self.act.as_str() {
            "" => None,
            number => Some(number.parse::<u64>().ok().and_then(|number| number.checked_sub(1)).ok_or(
                Failure::Malformed("行为序号应为从 1 起的整数。", "An act is named by its number, from 1 on."),
            )?),
        };
        Ok(Replay { as_of: None, known_at, through_revision })
    }
}

#[derive(Template)]
#[template(path = "chain.html")]
struct ChainPage {
    frame: Frame,
    chain: String,
    number: Option<String>,
    as_of: String,
    since: String,
    known_at: String,
    /// Number of the act as of which it is shown.
    act: String,
    /// Entries that were not known then.
    left_out: u64,
    /// Days on which something was done, for the slider, and which of them is shown.
    days: Vec<String>,
    at: usize,
    acts: Vec<ActRow>,
    /// Acts of a later day than the one that is shown.
    later: usize,
    hidden: usize,
    lanes: Lanes,
    bars: Bars,
    judged: Judged,
    changes: Option<Vec<Change>>,
    size: u64,
    root: String,
    witnessed: Option<u64>,
    log_key: String,
}

/// The page.
pub(super) async fn show<E: Office>(
    State(console): State<Arc<Console<E>>>,
    Path(name): Path<String>,
    Query(asked): Query<Asked>,
    headers: HeaderMap,
) -> Page {
    let visitor = console.visitor(&headers)?;
    let id = chain_id(&visitor, &name)?;
    let today = console.today();
    let (as_of, since) = (day(&asked.as_of)?, day(&asked.since)?);
    let replay = asked.replay()?;
    let chain = read(&visitor, id, (as_of, &replay)).await?;
    let days = days(&chain);
    let as_of = as_of.or_else(|| Day::parse(&chain.judgement.as_of)).unwrap_or(today);
    let earlier = match since {
        Some(since) => Some((since, read(&visitor, id, (Some(since), &replay)).await?)),
        None => None,
    };
    let witnessed = visitor.seat.client.witnesses().await?.witnessed_size;
    let known = Known { registry: &visitor.registry, chain: &chain };
    let acts = act_rows(&known, witnessed, visitor.tongue);
    let judged = judged(&known, as_of, visitor.tongue);
    let compared =
        earlier.as_ref().map(|(since, earlier)| (*since, Known { registry: &visitor.registry, chain: earlier }));
    let changes = compared.map(|(since, earlier)| changes((&earlier, since), (&known, as_of), visitor.tongue));
    let title = title(&chain).unwrap_or_else(|| visitor.tongue.say("链", "Chain").to_owned());
    let number = number(&chain);
    let called = number.as_deref().map_or_else(|| title.clone(), |number| format!("{number} {title}"));
    console.remember(&visitor, Shown { chain: name.clone(), title: called });
    let shown: Vec<String> = days.iter().map(ToString::to_string).collect();
    page(&ChainPage {
        frame: Frame::of(&visitor, "chains", title, format!("/chains/{name}"), today),
        at: days.iter().filter(|day| **day <= as_of).count().saturating_sub(1),
        later: chain.entries.iter().filter(|(_, entry)| chain.is_later(entry)).count(),
        hidden: chain.hidden.len(),
        lanes: Lanes::of(&acts, &judged, visitor.tongue),
        bars: Bars::of(&judged, as_of),
        days: shown,
        size: chain.checkpoint.size.0,
        root: chain.checkpoint.root.to_string(),
        log_key: visitor.seat.client.trust().log_key.to_string(),
        as_of: as_of.to_string(),
        since: since.map(|since| since.to_string()).unwrap_or_default(),
        known_at: asked.known_at,
        act: asked.act,
        left_out: chain.left_out,
        chain: name,
        number,
        acts,
        judged,
        changes,
        witnessed,
    })
}

/// The evidence bundle of a chain, as a file.
pub(super) async fn bundle<E: Office>(
    State(console): State<Arc<Console<E>>>,
    Path(name): Path<String>,
    Query(asked): Query<Asked>,
    headers: HeaderMap,
) -> Page {
    let visitor = console.visitor(&headers)?;
    let id = chain_id(&visitor, &name)?;
    let as_of = day(&asked.as_of)?.unwrap_or_else(|| console.today());
    let bytes = console.office.bundle(&visitor.seat, id, as_of).await.map_err(Failure::Bundle)?;
    let disposition = format!("attachment; filename=\"{id}.evidence.zip\"");
    Ok(([(header::CONTENT_TYPE, "application/zip".to_owned()), (header::CONTENT_DISPOSITION, disposition)], bytes)
        .into_response())
}

/// A chain as people name it: its id; `registry` for that of the ledger; `registry:AGENCY` for that of an agency.
pub(super) fn chain_id(visitor: &Visitor, name: &str) -> Result<ChainId, Failure> {
    let origin = visitor.seat.client.trust().log_key.name().as_str();
    match name.strip_prefix("registry") {
        Some("") => return Ok(ChainId::registry(origin)),
        Some(rest) => {
            if let Some(agency) = rest.strip_prefix(':') {
                return Ok(ChainId::agency_registry(origin, agency));
            }
        }
        None => {}
    }
    ChainId::parse(name).ok_or(Failure::Malformed(
        "链编号应为 UUID，或 registry、registry:机构。",
        "A chain is named by its UUID, or registry, or registry:AGENCY.",
    ))
}

/// A day as a form sends it; none when the field is empty.
pub(super) fn day(text: &str) -> Result<Option<Day>, Failure> {
    if text.is_empty() {
        return Ok(None);
    }
    Day::parse(text).map(Some).ok_or(Failure::Malformed("日期格式应为 YYYY-MM-DD。", "A day is written YYYY-MM-DD."))
}

async fn read(
    visitor: &Visitor,
    chain: ChainId,
    (as_of, replay): (Option<Day>, &Replay),
) -> Result<VerifiedChain, Failure> {
    let replay = Replay { as_of: as_of.map(|day| day.to_string()), ..replay.clone() };
    Ok(visitor.seat.client.replayed_chain(&chain.to_string(), replay, &visitor.registry).await?)
}

/// Days on which something was done, in order.
fn days(chain: &VerifiedChain) -> Vec<Day> {
    let statements = chain.entries.iter().filter_map(|(_, entry)| entry.statement.as_ref());
    let mut days: Vec<Day> = statements.map(|statement| Day::of(statement.occurred_at)).collect();
    days.sort_unstable();
    days.dedup();
    days
}

/// What the chain is about: the kind of dispute where it says one, else its first act.
fn title(chain: &VerifiedChain) -> Option<String> {
    let acts = || chain.entries.iter().filter_map(|(_, entry)| entry.outcome.as_ref().ok()?.act.event());
    let named = acts().find_map(|(kind, fields)| {
        let field = catalogue::row(kind).named("dispute_type")?;
        let mediation_proto::fields::Value::Enum(number) = fields.value(field.number, 0)? else { return None };
        let catalogue::FieldType::Enum(list) = field.ty else { return None };
        catalogue::zh_of_number(list, number)
    });
    named.map(str::to_owned).or_else(|| acts().next().map(|(kind, _)| catalogue::row(kind).zh.clone()))
}

/// The chain's number (纠纷链号), where an act names it.
fn number(chain: &VerifiedChain) -> Option<String> {
    let acts = chain.entries.iter().filter_map(|(_, entry)| entry.outcome.as_ref().ok());
    let mut headers = acts.filter_map(|recorded| recorded.act.header.as_ref());
    headers.find_map(|header| header.chain_no.clone())
}

/// Whether a leaf stands under the checkpoint that a quorum of witnesses has cosigned.
fn is_witnessed(index: LeafIndex, witnessed: Option<u64>) -> bool {
    witnessed.is_some_and(|size| index.0 < size)
}

/// Several texts as one page shows them.
fn texts(rows: Vec<(String, String)>) -> Vec<(String, Text)> {
    rows.into_iter().map(|(name, value)| (name, Text::of(&value))).collect()
}
