//! The feed of a center (事件推送): what its agency may know of, as CloudEvents 1.0, over server-sent events and by webhooks.
//!
//! ```text
//! GatewayService.FollowActs ─ act that the center may know of ─ CloudEvent, its id the leaf index
//!                                                 ├ GET /v1/events      goes on after Last-Event-ID
//!                                                 └ webhook.rs          goes on after its cursor, on the disk
//! ```
//!
//! What is told of an act is its entry: who acted on which chain, and when. It holds no content, so that nothing is read. A
//! follower's place is a leaf index, which never changes its meaning: whoever keeps the last one misses nothing.

use std::{convert::Infallible, fmt, sync::Arc, time::Duration};

use axum::{
    Router,
    body::Body,
    extract::State,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse as _, Response},
    routing::get,
};
use bytes::Bytes;
use mediation_client::Client;
use serde_json::json;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

mod event;
mod follower;
mod letters;
mod webhook;

#[cfg(test)]
mod tests;

pub use self::{
    event::Event,
    follower::Follower,
    letters::{Letter, Letters, LettersError},
    webhook::{Retry, Subscriber, WebhookKey, deliver},
};

/// Streams open at once. Each asks the ledger on its own.
const STREAMS_MAX: usize = 32;

/// Time after which a silent stream says that it lives: proxies cut what says nothing.
const BEAT: Duration = Duration::from_secs(15);

/// Turns true when the feed is to end.
pub type Stop = watch::Receiver<bool>;

/// Resolves when the feed is to end, or nobody can say so any more.
async fn ended(stop: &mut Stop) {
    drop(stop.wait_for(|stop| *stop).await);
}

/// Lets a request in, or says why not.
pub type Admit = Arc<dyn Fn(&HeaderMap) -> Result<(), Box<Response>> + Send + Sync>;

/// A feed over HTTP.
#[derive(Clone)]
pub struct Feed {
    client: Client,
    stop: Stop,
    admit: Admit,
    streams: Arc<Semaphore>,
}

impl Feed {
    /// A feed that asks the ledger with the client of its center.
    #[must_use]
    pub fn new(client: Client, stop: Stop, admit: Admit) -> Self {
        Self { client, stop, admit, streams: Arc::new(Semaphore::new(STREAMS_MAX)) }
    }
}

impl fmt::Debug for Feed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Feed").field("stop", &*self.stop.borrow()).finish_non_exhaustive()
    }
}

/// The path of the feed, to be mounted beside others.
pub fn router(feed: Feed) -> Router {
    Router::new().route("/v1/events", get(events)).with_state(feed)
}

async fn events(State(feed): State<Feed>, headers: HeaderMap) -> Response {
    opened(feed, &headers).unwrap_or_else(|refused| *refused)
}

fn opened(feed: Feed, headers: &HeaderMap) -> Result<Response, Box<Response>> {
    (feed.admit)(headers)?;
    let next = match headers.get("last-event-id").map(|id| id.to_str().unwrap_or_default().parse::<u64>()) {
        None => 0,
        Some(Ok(last)) => last.saturating_add(1),
        Some(Err(_)) => return Err(malformed()),
    };
    let Ok(place) = Arc::clone(&feed.streams).try_acquire_owned() else { return Err(crowded()) };
    let stream = Stream { follower: Follower::new(feed.client.clone(), next), stop: feed.stop, _place: place };
    let body = Body::from_stream(futures_util::stream::unfold(stream, async |mut stream| {
        let text = stream.text().await?;
        Some((Ok::<_, Infallible>(text), stream))
    }));
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream")),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
        (header::HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no")),
    ];
    Ok((headers, body).into_response())
}

/// One stream, which holds its place while it lasts.
struct Stream {
    follower: Follower,
    stop: Stop,
    _place: OwnedSemaphorePermit,
}

impl Stream {
    /// The next event as it is sent, or a sign of life; none at the end.
    async fn text(&mut self) -> Option<Bytes> {
        let next = tokio::select! {
            () = ended(&mut self.stop) => return None,
            next = tokio::time::timeout(BEAT, self.follower.next()) => next,
        };
        match next {
            Err(_) => Some(Bytes::from_static(b": \n\n")),
            Ok(Ok(event)) => Some(format!("id: {}\ndata: {}\n\n", event.index, event.json).into()),
            // The reader comes again with his last id, and by then the ledger may be back.
            Ok(Err(error)) => {
                tracing::warn!(%error, "a stream ends, since the ledger is away");
                None
            }
        }
    }
}

fn malformed() -> Box<Response> {
    let (zh, en) = ("Last-Event-ID 应为此前所收事件的编号", "Last-Event-ID is the id of an event that was received");
    problem(StatusCode::BAD_REQUEST, "LAST_EVENT_ID_INVALID", zh, en)
}

fn crowded() -> Box<Response> {
    let (zh, en) = ("事件流连接已满，请稍后再连", "all streams are taken; come again later");
    let mut response = problem(StatusCode::SERVICE_UNAVAILABLE, "STREAMS_TAKEN", zh, en);
    response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("5"));
    response
}

fn problem(status: StatusCode, reason: &str, zh: &str, en: &str) -> Box<Response> {
    let body = json!({"type": format!("urn:mediation:problem:{reason}"), "title": en, "status": status.as_u16(), "detail": en,
        "reason": reason, "title_zh": zh, "detail_zh": zh});
    let content_type = HeaderValue::from_static("application/problem+json");
    Box::new((status, [(header::CONTENT_TYPE, content_type)], body.to_string()).into_response())
}
