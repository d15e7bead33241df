//! The intake of a governance center (受理网关): mini-programs, terminals and front desks hand matters in over HTTP/JSON.
//!
//! ```text
//! channel ─ token ─ matter (JSON) ─ ids ← secret, idempotency key ─ number ← book, durable ─ the center's desk ─ receipt
//! citizen ─ number and status code ─ the chain as a party may see it ─ what became of it
//! ```
//!
//! It is an agency system like any other: a client of the ledger with the center's own certificate. What it writes down itself is
//! the book alone: which number it gave to which matter, synced before the ledger is asked.
//!
//! The same idempotency key of the same channel always names the same chain and the same act, so that a matter that is handed in
//! twice, after a time-out or a restart, is recorded once: the ledger answers the same receipt, or says that it was another matter.

use std::sync::{Arc, Mutex, PoisonError};

use axum::{
    Router,
    extract::DefaultBodyLimit,
    http::HeaderMap,
    routing::{get, post},
};
use mediation_client::Client;
use mediation_ledger::{clock::Clock, registry::Registry};
use mediation_proto::mediation::ledger::v1::ListDutiesRequest;

mod book;
mod channel;
mod matter;
mod openapi;
mod paths;
mod problem;
mod secret;
mod standing;

pub use self::{
    book::{Book, BookError},
    channel::{Channel, token_digest},
    openapi::document,
    secret::Secret,
};
use self::{
    channel::Channels,
    matter::{Accepted, Matter},
    problem::Problem,
    standing::{Standing, Worklist},
};

/// Bytes of a request: a matter with the longest summary and fifty parties.
const BODY_BYTES_MAX: usize = 256 * 1024;

/// Letters of an idempotency key.
const KEY_BYTES_MAX: usize = 128;

/// Duties of one answer.
const DUTIES_MAX: u32 = 500;

/// A center's intake.
#[derive(Debug)]
pub struct Intake {
    /// The official of the center in whose name matters are registered.
    pub official: String,
    /// The center's client, reading for that official.
    pub client: Client,
    /// Who takes part.
    pub registry: Registry,
    /// Who may hand matters in.
    pub channels: Vec<Channel>,
    /// From which ids, codes and pseudonyms are made.
    pub secret: Secret,
    /// Numbers that were given.
    pub book: Book,
    /// Now.
    pub clock: Arc<dyn Clock>,
}

/// What every request needs.
#[derive(Debug)]
struct Counter {
    official: String,
    client: Client,
    registry: Registry,
    channels: Channels,
    secret: Secret,
    book: Arc<Mutex<Book>>,
    clock: Arc<dyn Clock>,
}

/// The paths of an intake.
pub fn router(intake: Intake) -> Router {
    let Intake { official, client, registry, channels, secret, book, clock } = intake;
    let (channels, book) = (Channels::new(channels), Arc::new(Mutex::new(book)));
    let counter = Counter { official, client, registry, channels, secret, book, clock };
    Router::new()
        .route("/v1/intakes", post(paths::hand_in))
        .route("/v1/matters/{number}", get(paths::standing))
        .route("/v1/worklist", get(paths::worklist))
        .route("/v1/openapi.json", get(paths::description))
        .route("/healthz", get(paths::health))
        .fallback(|| async { Problem::no_such_path() })
        .method_not_allowed_fallback(|| async { Problem::no_such_method() })
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .with_state(Arc::new(counter))
}

impl Counter {
    async fn accept(&self, headers: &HeaderMap, body: &[u8]) -> Result<Accepted, Problem> {
        let channel = self.channels.of(headers)?;
        let key = idempotency_key(headers)?;
        let matter = Matter::parse(body)?;
        let chain = self.secret.chain(&channel.name, key);
        let now = self.clock.now_ms().div_euclid(1_000);
        let subjects = matter.subjects(&self.client, &self.secret, chain).await?;
        let (party, division) = (subjects.first().cloned().unwrap_or_default(), matter.division().to_owned());
        let book = Arc::clone(&self.book);
        let noted = tokio::task::spawn_blocking(move || {
            book.lock().unwrap_or_else(PoisonError::into_inner).note(chain, (&party, &division), now)
        });
        let noted = noted.await.map_err(|_panicked| Problem::broken())?;
        let noted = noted.map_err(|error| Problem::not_noted(&error))?;
        let act = matter.act(channel.code, &noted, &subjects, &self.official)?;
        let request = self.secret.request(chain, noted.occurred_at, act);
        let (receipt, verified) = self.client.record(request).await?;
        let code = self.secret.status_code(&noted.number);
        tracing::info!(channel = channel.name, "a matter was handed in");
        Ok(Accepted::of(&noted, code, &receipt, &verified))
    }

    async fn standing(&self, headers: &HeaderMap, number: &str) -> Result<Standing, Problem> {
        self.channels.of(headers)?;
        let said = headers.get(STATUS_CODE).and_then(|code| code.to_str().ok()).unwrap_or_default();
        // Compared before it is known whether there is such a matter: the answer is the same either way.
        let is_his = self.secret.is_status_code(number, said);
        let noted = self.book.lock().unwrap_or_else(PoisonError::into_inner).find(number);
        let noted = noted.filter(|_| is_his).ok_or_else(Problem::no_such_matter)?;
        Standing::read(self, &noted).await
    }

    async fn duties(&self, headers: &HeaderMap) -> Result<Worklist, Problem> {
        let channel = self.channels.of(headers)?;
        if !channel.worklist {
            return Err(Problem::not_for_this_channel());
        }
        let wanted = ListDutiesRequest { page_size: Some(DUTIES_MAX), ..ListDutiesRequest::default() };
        Ok(Worklist::of(self.client.duties(wanted).await?))
    }
}

/// Header of the citizen's status code.
const STATUS_CODE: &str = "status-code";

/// The key under which a client hands in one matter, whatever number of times (draft-ietf-httpapi-idempotency-key-header).
fn idempotency_key(headers: &HeaderMap) -> Result<&str, Problem> {
    let key = headers.get("idempotency-key").and_then(|key| key.to_str().ok()).map(|key| key.trim_matches('"'));
    let is_formed =
        |key: &&str| (8..=KEY_BYTES_MAX).contains(&key.len()) && key.bytes().all(|letter| letter.is_ascii_graphic());
    key.filter(is_formed).ok_or_else(Problem::no_key)
}
