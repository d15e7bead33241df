//! A chain's bytes for the reader's own browser, which proves them without us: entries, parts, paths, checkpoint.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Path, State},
    http::HeaderMap,
    response::IntoResponse as _,
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use mediation_ledger::chain::ChainId;
use mediation_proto::mediation::ledger::v1::{ChainEntry, GetChainResponse};
use serde::Serialize;

use super::{Console, Office, Page, chain::chain_id, session::Visitor};

/// What proves a chain. Bytes are in base64, as they came.
#[derive(Debug, Serialize)]
struct Proof {
    /// Origin of the ledger.
    origin: String,
    /// The log's key, as this console trusts it. Compare it with the one that you hold.
    log_key: String,
    /// Chain id.
    chain: String,
    /// Checkpoint that all paths lead to: a signed note.
    checkpoint: String,
    entries: Vec<ProvedEntry>,
}

/// One entry.
#[derive(Debug, Serialize)]
struct ProvedEntry {
    revision: u64,
    leaf_index: u64,
    leaf_hash: String,
    /// Empty for one that the reader may not know more of.
    entry: String,
    path: Vec<String>,
    parts: Vec<Part>,
}

/// One part that the reader sees.
#[derive(Debug, Serialize)]
struct Part {
    kind: i32,
    number: u32,
    salt: String,
    plaintext: String,
}

/// The bytes of a chain.
pub(super) async fn show<E: Office>(
    State(console): State<Arc<Console<E>>>,
    Path(name): Path<String>,
    headers: HeaderMap,
) -> Page {
    let visitor = console.visitor(&headers)?;
    answer(&visitor, chain_id(&visitor, &name)?).await
}

/// The bytes of the registry chain, which names the agencies' keys.
pub(super) async fn registry<E: Office>(State(console): State<Arc<Console<E>>>, headers: HeaderMap) -> Page {
    let visitor = console.visitor(&headers)?;
    let chain = ChainId::registry(visitor.seat.client.trust().log_key.name().as_str());
    answer(&visitor, chain).await
}

async fn answer(visitor: &Visitor, chain: ChainId) -> Page {
    let client = &visitor.seat.client;
    let answer = client.chain(&chain.to_string(), None).await?;
    let trust = client.trust();
    let GetChainResponse { entries, checkpoint, .. } = answer;
    Ok(Json(Proof {
        origin: trust.log_key.name().to_string(),
        log_key: trust.log_key.to_string(),
        chain: chain.to_string(),
        checkpoint,
        entries: entries.into_iter().map(proved).collect(),
    })
    .into_response())
}

fn proved(entry: ChainEntry) -> ProvedEntry {
    let receipt = entry.receipt.unwrap_or_default();
    let seal = receipt.seal.unwrap_or_default();
    let parts = entry.parts.into_iter().map(|part| Part {
        kind: part.kind,
        number: part.number,
        salt: STANDARD.encode(&part.salt),
        plaintext: STANDARD.encode(&part.plaintext),
    });
    ProvedEntry {
        revision: receipt.revision,
        leaf_index: seal.leaf_index,
        leaf_hash: STANDARD.encode(&receipt.leaf_hash),
        entry: STANDARD.encode(&receipt.entry),
        path: seal.inclusion.iter().map(|hash| STANDARD.encode(hash)).collect(),
        parts: parts.collect(),
    }
}
