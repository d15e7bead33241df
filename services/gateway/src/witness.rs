//! The witness over HTTP (C2SP `tlog-witness`): `POST add-checkpoint`, and `GET <hex SHA-256(origin)>/checkpoint`.

use std::sync::Arc;

use axum::{
    Router,
    body::Body,
    extract::{Path, State},
    http::{
        HeaderValue, StatusCode,
        header::{CACHE_CONTROL, CONTENT_TYPE},
    },
    response::{IntoResponse as _, Response},
    routing::{get, post},
};
use mediation_ledger::witness::{ADD_CHECKPOINT_PATH, BODY_BYTES_MAX};

mod store;

#[cfg(test)]
mod tests;

pub use self::store::{DamagedState, Refused, Witness, WitnessError};

/// The paths of a witness.
pub fn router(witness: Arc<Witness>) -> Router {
    Router::new()
        .route(&format!("/{ADD_CHECKPOINT_PATH}"), post(add_checkpoint))
        .route("/{origin}/checkpoint", get(checkpoint))
        .with_state(witness)
}

async fn add_checkpoint(State(witness): State<Arc<Witness>>, body: Body) -> Response {
    let Ok(body) = axum::body::to_bytes(body, BODY_BYTES_MAX).await else {
        return refusal(StatusCode::BAD_REQUEST, TEXT, format!("the body is larger than {BODY_BYTES_MAX} bytes\n"));
    };
    // A task of its own on a thread of its own: it goes on when the peer hangs up, so that nobody who goes away between
    // check and store can leave the two apart.
    let cosigned = tokio::task::spawn_blocking(move || witness.add_checkpoint(&body)).await;
    match cosigned {
        Ok(Ok(signature)) => ([(CONTENT_TYPE, TEXT)], format!("{signature}\n")).into_response(),
        Ok(Err(Refused::Rejected(rejection))) => {
            tracing::warn!(status = rejection.status(), reason = %rejection, "not cosigned");
            let (content_type, body) = rejection.body();
            let status = StatusCode::from_u16(rejection.status()).unwrap_or(StatusCode::BAD_REQUEST);
            refusal(status, HeaderValue::from_static(content_type), body)
        }
        Ok(Err(Refused::NotStored(error))) => {
            tracing::error!(%error, "the checkpoint could not be stored and is not cosigned");
            refusal(StatusCode::INTERNAL_SERVER_ERROR, TEXT, "the witness cannot store\n".to_owned())
        }
        Err(error) => {
            tracing::error!(%error, "the witness failed");
            refusal(StatusCode::INTERNAL_SERVER_ERROR, TEXT, "the witness failed\n".to_owned())
        }
    }
}

async fn checkpoint(State(witness): State<Arc<Witness>>, Path(origin): Path<String>) -> Response {
    match witness.last(&origin) {
        Some(note) => {
            let cache = HeaderValue::from_static("public, max-age=1");
            ([(CONTENT_TYPE, TEXT), (CACHE_CONTROL, cache)], note).into_response()
        }
        None => refusal(StatusCode::NOT_FOUND, TEXT, "no checkpoint of such a log was cosigned here\n".to_owned()),
    }
}

fn refusal(status: StatusCode, content_type: HeaderValue, reason: String) -> Response {
    let cache = HeaderValue::from_static("no-store");
    (status, [(CONTENT_TYPE, content_type), (CACHE_CONTROL, cache)], reason).into_response()
}

const TEXT: HeaderValue = HeaderValue::from_static("text/plain; charset=utf-8");
