//! The integration gateway of the seven centers (七中心对接网关): matters from front desks, mini-programs and terminals.
//!
//! ```text
//! channel ─ token, right, quota ─ JSON, parsed once ─ names that follow from the key ─ act ─ gRPC under the center's certificate
//! citizen's code ─ party of the number ─ gRPC, reading as that party ─ what the ledger shows him, and records that it did
//! ```
//!
//! The gateway is a system of one governance center and holds nothing but that center's certificate, and the key from which its
//! names follow. It keeps no table: what it has recorded stands in the ledger, and nowhere else.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use axum::{
    Router,
    body::Body,
    extract::{Request, State},
    http::{HeaderMap, HeaderValue, header},
    middleware::{self, Next},
    response::{IntoResponse as _, Response},
    routing::{get, post},
};
use http_body_util::BodyExt as _;
use mediation_client::{Client, ClientError};
use mediation_ledger::{clock::Clock, merkle::Hash, registry::Registry};
use mediation_proto::mediation::{
    ledger::v1::Reading,
    types::v1::{AccessPurpose, Role},
};
use tokio::time::Instant;

mod channel;
mod contract;
mod intake;
mod matter;
mod naming;
mod problem;
mod worklist;

use self::{
    channel::Channel,
    problem::{Kind, Problem},
};
pub use self::{
    channel::{ChannelTerms, Channels, Right, TOKEN_LENGTH_MIN},
    naming::{CODE_LENGTH, IntakeKey, KEY_AGE_MAX_MS, KEY_AHEAD_MAX_MS, Numbers, Secret},
};
use crate::feed::{self, Admit, Feed};

/// Bytes of a request's body: twenty parties and a summary have less.
const BODY_BYTES_MAX: usize = 64 * 1024;

/// Time until a request is answered. The listener would cut it off a little later, without a word.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(12);

/// How long the registry is believed without asking for it anew.
const REGISTRY_AGE_MAX: Duration = Duration::from_secs(60);

/// Who the center is, and how it names what it records.
#[derive(Debug)]
pub struct Terms {
    /// Agency id of the center.
    pub agency: String,
    /// Its public name.
    pub name: String,
    /// Its division; the first six digits stand in the numbers.
    pub division: String,
    /// The official who answers for what is handed in, such as `ZC-ZS/REG-1`.
    pub official: String,
    /// On which legal basis a party reads of his own matter.
    pub legal_basis: String,
    /// Numbers that this gateway may give.
    pub numbers: Numbers,
    /// First entry of the ledger, where it is pinned.
    pub genesis: Option<Hash>,
}

/// A gateway.
#[derive(Debug)]
pub struct Center {
    terms: Terms,
    client: Client,
    secret: Secret,
    channels: Channels,
    clock: Arc<dyn Clock>,
    registry: Mutex<Option<(Instant, Arc<Registry>)>>,
}

impl Center {
    /// A gateway that asks the ledger with the client of its center.
    #[must_use]
    pub fn new(terms: Terms, client: Client, secret: Secret, channels: Channels, clock: Arc<dyn Clock>) -> Self {
        Self { terms, client, secret, channels, clock, registry: Mutex::default() }
    }

    /// The client, reading for the center's official.
    fn official(&self) -> Client {
        self.client.clone().reading(Reading {
            reader: Some(self.terms.official.clone()),
            role: Some(Role::Reg.into()),
            purpose: Some(AccessPurpose::Handling.into()),
            ..Reading::default()
        })
    }

    /// The client, reading for a party of a matter, of what is his own.
    fn party(&self, subject: String) -> Client {
        self.client.clone().reading(Reading {
            reader: Some(subject),
            role: Some(Role::Pty.into()),
            purpose: Some(AccessPurpose::OwnData.into()),
            legal_basis: Some(self.terms.legal_basis.clone()),
            ..Reading::default()
        })
    }

    /// The registry, not older than it may be.
    async fn registry(&self) -> Result<Arc<Registry>, ClientError> {
        let known = self.registry.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some((_, registry)) = known.filter(|(read, _)| read.elapsed() < REGISTRY_AGE_MAX) {
            return Ok(registry);
        }
        let registry = Arc::new(self.client.registry(self.terms.genesis).await?);
        *self.registry.lock().unwrap_or_else(PoisonError::into_inner) = Some((Instant::now(), Arc::clone(&registry)));
        Ok(registry)
    }

    /// Lets into the feed whoever has the right to it.
    #[must_use]
    pub fn admits_to_events(self: &Arc<Self>) -> Admit {
        let center = Arc::clone(self);
        Arc::new(move |headers| {
            let admitted = center.admitted(headers, Right::Events);
            admitted.map(drop).map_err(|problem| Box::new(problem.into_response()))
        })
    }

    fn admitted(&self, headers: &HeaderMap, right: Right) -> Result<&Channel, Problem> {
        self.channels.admitted(headers, right)
    }
}

/// The paths of a gateway, with those of its feed.
pub fn router(center: Arc<Center>, feed: Feed) -> Router {
    Router::new()
        .route("/v1/intakes", post(intake::hand_in))
        .route("/v1/matters/{chain_no}", get(matter::show))
        .route("/v1/worklist", get(worklist::show))
        .route("/v1/openapi.json", get(contract::show))
        .with_state(center)
        .merge(feed::router(feed))
        .fallback(async || Problem::new(Kind::NoSuchPath))
        .method_not_allowed_fallback(async || Problem::new(Kind::MethodNotAllowed))
        .layer(middleware::from_fn(guarded))
}

/// What holds of every request and answer: it ends in time, and no cache keeps what it says.
async fn guarded(request: Request, next: Next) -> Response {
    let mut response = match tokio::time::timeout(ANSWER_TIMEOUT, next.run(request)).await {
        Ok(response) => response,
        // Whether it was recorded is not known. The same key tells, whenever it is sent again.
        Err(_) => Problem::new(Kind::LedgerAway).after(Duration::from_secs(2)).into_response(),
    };
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

/// Reads a body of JSON, to its bound.
async fn json_body<T: serde::de::DeserializeOwned>(headers: &HeaderMap, body: Body) -> Result<T, Problem> {
    let said = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let media_type = said.split(';').next().unwrap_or_default().trim();
    if !media_type.eq_ignore_ascii_case("application/json") {
        return Err(Problem::new(Kind::NotJson));
    }
    let read = tokio::time::timeout(BODY_TIMEOUT, collected(body)).await;
    let read = read.map_err(|_| Problem::new(Kind::TooSlow))?.map_err(|error| {
        Problem::new(Kind::BodyMalformed).say("请求体未完整送达", format!("the body did not come whole: {error}"))
    })?;
    let bytes = read.ok_or_else(|| {
        Problem::new(Kind::BodyTooLarge)
            .say(format!("不得超过 {BODY_BYTES_MAX} 字节"), format!("no more than {BODY_BYTES_MAX} bytes"))
    })?;
    serde_json::from_slice(&bytes).map_err(|error| {
        let (line, column) = (error.line(), error.column());
        Problem::new(Kind::BodyMalformed).say(format!("第 {line} 行第 {column} 列：{error}"), error.to_string())
    })
}

/// The bytes of a body; none when it is too large. It is read all the same, some way beyond: who still sends when the connection
/// is cut does not see the answer.
async fn collected(mut body: Body) -> Result<Option<Vec<u8>>, axum::Error> {
    let (mut bytes, mut length) = (Vec::new(), 0);
    while let Some(frame) = body.frame().await {
        let Ok(data) = frame?.into_data() else { continue };
        length += data.len();
        if length > BODY_BYTES_READ_MAX {
            break;
        }
        if length <= BODY_BYTES_MAX {
            bytes.extend_from_slice(&data);
        }
    }
    Ok((length <= BODY_BYTES_MAX).then_some(bytes))
}

/// Bytes of a body that is too large which are read before the answer.
const BODY_BYTES_READ_MAX: usize = 1024 * 1024;

/// Time until the body of a request is there.
const BODY_TIMEOUT: Duration = Duration::from_secs(8);

/// The gateway, as the paths are given it.
type Here = State<Arc<Center>>;
