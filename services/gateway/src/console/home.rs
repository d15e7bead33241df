//! The first page: where to begin.

use std::sync::Arc;

use askama::Template;
use axum::{
    extract::{Query, State},
    http::HeaderMap,
};
use serde::Deserialize;

use super::{
    Console, Office, Page,
    chain::chain_id,
    frame::{Frame, page, see},
    session::Shown,
};

#[derive(Template)]
#[template(path = "home.html")]
struct HomePage {
    frame: Frame,
    shown: Vec<Shown>,
    agencies: usize,
    size: u64,
    witnessed: Option<u64>,
    origin: String,
}

/// The page.
pub(super) async fn show<E: Office>(State(console): State<Arc<Console<E>>>, headers: HeaderMap) -> Page {
    let visitor = console.visitor(&headers)?;
    let client = &visitor.seat.client;
    let size = client.trust().checkpoint(&client.checkpoint().await?).map(|checkpoint| checkpoint.size.0);
    let witnessed = client.witnesses().await?.witnessed_size;
    let title = visitor.tongue.say("首页", "Home").to_owned();
    page(&HomePage {
        frame: Frame::of(&visitor, "home", title, "/".to_owned(), console.today()),
        shown: visitor.shown.clone(),
        agencies: visitor.registry.directory().iter().count(),
        size: size.unwrap_or_default(),
        witnessed,
        origin: client.trust().log_key.name().to_string(),
    })
}

/// A chain that is looked for.
#[derive(Debug, Deserialize)]
pub(super) struct Wanted {
    chain: String,
}

/// Goes to a chain by its id.
pub(super) async fn find<E: Office>(
    State(console): State<Arc<Console<E>>>,
    Query(Wanted { chain }): Query<Wanted>,
    headers: HeaderMap,
) -> Page {
    let visitor = console.visitor(&headers)?;
    let number = chain.trim().to_ascii_uppercase();
    // A number of a dispute finds its chain by the index.
    if number.starts_with("JF") && number.bytes().all(|letter| letter.is_ascii_alphanumeric()) {
        return Ok(see(&format!("/search?number={number}")));
    }
    let name = chain.trim().to_ascii_lowercase();
    let name = if name.starts_with("registry") { chain.trim().to_owned() } else { name };
    chain_id(&visitor, &name)?;
    Ok(see(&format!("/chains/{name}")))
}
