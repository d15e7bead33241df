//! The served log (C2SP `tlog-tiles`): the same bytes for everybody, so that caches and mirrors can hold them.
//!
//! | path | content | cache |
//! |---|---|---|
//! | `checkpoint` | newest checkpoint, with the cosignatures that came in time | a second |
//! | `checkpoint.witnessed` | newest checkpoint with a quorum of cosignatures | a second |
//! | `tile/<L>/<N>[.p/<W>]` | hashes | for ever |
//! | `tile/entries/<N>[.p/<W>]` | entries | for ever, by the reader alone |
//!
//! Checkpoints and hash tiles say nothing about anybody and are open to all. Entries hold no content, but say which
//! agency acted on which chain and when: they are served only where the operator says so, on the network of the
//! auditors. Elsewhere they answer 403 and say why.

use std::{future::Future, sync::Arc};

use axum::{
    Router,
    extract::{Path, State},
    http::{
        HeaderValue, StatusCode,
        header::{CACHE_CONTROL, CONTENT_TYPE},
    },
    response::{IntoResponse as _, Response},
    routing::get,
};
use bytes::Bytes;
use mediation_ledger::{
    log::ReadError,
    merkle::{LeafIndex, TreeSize},
    tile::{Tile, TileContent, encode_entries},
};

#[cfg(test)]
mod tests;

/// What is served of a log.
pub trait LogSource: Send + Sync + 'static {
    /// Size of the newest published tree; nothing beyond it is served.
    fn size(&self) -> TreeSize;

    /// Note of the newest checkpoint; none before the first.
    fn checkpoint(&self) -> Option<String>;

    /// Note of the newest checkpoint that a quorum has cosigned, if any.
    fn witnessed(&self) -> Option<String>;

    /// Hashes of a tile; none when the tree does not have all of them.
    fn hashes(&self, tile: Tile) -> Option<Vec<u8>>;

    /// The bytes of `count` leaves from one on, or fewer: the caller asks again for the rest.
    ///
    /// # Errors
    /// The log cannot be read.
    fn leaves(&self, from: LeafIndex, count: usize) -> impl Future<Output = Result<Vec<Bytes>, ReadError>> + Send;
}

/// How a log is served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// Entries are served too.
    pub entries: bool,
}

/// The paths of a log.
pub fn router<S: LogSource>(source: Arc<S>, options: Options) -> Router {
    Router::new()
        .route("/checkpoint", get(checkpoint::<S>))
        .route("/checkpoint.witnessed", get(witnessed::<S>))
        .route("/tile/{*tile}", get(tile::<S>))
        .fallback(no_such_path)
        .with_state(Arc::new(Served { source, options }))
}

struct Served<S> {
    source: Arc<S>,
    options: Options,
}

async fn checkpoint<S: LogSource>(State(served): State<Arc<Served<S>>>) -> Response {
    note(served.source.checkpoint(), "nothing is sealed yet; after a start the log is read first\n")
}

async fn witnessed<S: LogSource>(State(served): State<Arc<Served<S>>>) -> Response {
    note(served.source.witnessed(), "no checkpoint has a quorum of witnesses yet\n")
}

fn note(note: Option<String>, missing: &'static str) -> Response {
    match note {
        Some(note) => ([(CONTENT_TYPE, TEXT), (CACHE_CONTROL, MOMENT)], note).into_response(),
        None => refusal(StatusCode::NOT_FOUND, missing.to_owned()),
    }
}

async fn tile<S: LogSource>(State(served): State<Arc<Served<S>>>, Path(path): Path<String>) -> Response {
    let tile: Tile = match format!("tile/{path}").parse() {
        Ok(tile) => tile,
        Err(error) => return refusal(StatusCode::NOT_FOUND, format!("{error}\n")),
    };
    let is_entries = tile.content() == TileContent::Entries;
    if is_entries && !served.options.entries {
        return refusal(StatusCode::FORBIDDEN, ENTRIES_CLOSED.to_owned());
    }
    let size = served.source.size();
    if !tile.is_in(size) {
        return refusal(StatusCode::NOT_FOUND, format!("the tree of {size} leaves does not have all of this tile\n"));
    }
    let bytes = if is_entries { bundle(served.source.as_ref(), tile).await } else { Ok(served.source.hashes(tile)) };
    let cache = if is_entries { FOR_EVER_ALONE } else { FOR_EVER };
    match bytes {
        Ok(Some(bytes)) => ([(CONTENT_TYPE, BYTES), (CACHE_CONTROL, cache)], bytes).into_response(),
        Ok(None) => refusal(StatusCode::NOT_FOUND, "the tree does not have all of this tile\n".to_owned()),
        Err(error) => {
            tracing::error!(%error, %tile, "a tile cannot be served");
            refusal(StatusCode::SERVICE_UNAVAILABLE, "the log cannot be read; the operator is told\n".to_owned())
        }
    }
}

/// The entries of a tile that the log has all of.
async fn bundle<S: LogSource>(source: &S, tile: Tile) -> Result<Option<Vec<u8>>, ReadError> {
    let width = usize::from(tile.width());
    let mut leaves: Vec<Bytes> = Vec::with_capacity(width);
    while leaves.len() < width {
        let read = source.leaves(LeafIndex(tile.start() + leaves.len() as u64), width - leaves.len()).await?;
        if read.is_empty() {
            return Ok(None);
        }
        leaves.extend(read);
    }
    // Every leaf is an entry, which is bounded, or the short marker of foreign bytes.
    Ok(encode_entries(leaves.iter().map(AsRef::as_ref)).ok())
}

async fn no_such_path() -> Response {
    refusal(StatusCode::NOT_FOUND, "here are `checkpoint`, `checkpoint.witnessed` and `tile/…`\n".to_owned())
}

/// What is not there now may be there in a moment: no cache keeps it.
fn refusal(status: StatusCode, reason: String) -> Response {
    (status, [(CONTENT_TYPE, TEXT), (CACHE_CONTROL, NEVER)], reason).into_response()
}

const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");
const BYTES: HeaderValue = HeaderValue::from_static("application/octet-stream");
const MOMENT: HeaderValue = HeaderValue::from_static("public, max-age=1");
const FOR_EVER: HeaderValue = HeaderValue::from_static("public, max-age=31536000, immutable");
const FOR_EVER_ALONE: HeaderValue = HeaderValue::from_static("private, max-age=31536000, immutable");
const NEVER: HeaderValue = HeaderValue::from_static("no-store");
const ENTRIES_CLOSED: &str =
    "entries say who acted on which chain and when; this listener does not serve them. Ask the audit.\n";
