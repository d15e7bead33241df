//! The gate: a request for which there is no room is refused before its message is read.
//!
//! ```text
//! headers ─ who? ─ room by quota and line? ─ yes: to the services, with its place
//!                        └ no: an answer that is ready ─ message thrown away unread
//! ```
//!
//! Under overload a process does little else than refuse, so a refusal must cost next to nothing. It is the same for all that an
//! agency sends within a second, its request id too: that second has one line in the log, by which the id is found. On a
//! connection it is then a few bytes, since HTTP/2 sends a header that it has sent before as its number.
//!
//! Nothing else is decided here. Who may not call at all passes, and is told so by the service; streams pass, since they slow down
//! by themselves, and so do receipts, proofs and health, which cost little and say whether what was sent before is recorded.

use std::{
    collections::BTreeMap,
    convert::Infallible,
    fmt,
    future::{Future, poll_fn},
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
    time::Duration,
};

use mediation_proto::derived::DESKS;
use tokio::time::Instant;
use tonic::{
    body::Body,
    codegen::{Body as HttpBody, Service, http},
};
use tower_layer::Layer;

use crate::{
    caller::Peer,
    line::Pass,
    metrics::{Requests, Unread},
    node::request_id,
    quota::Full,
    server::MESSAGE_BYTES_MAX,
    status::Refused,
};

/// Methods of the desks that wait in the line of an agency.
const OF_DESKS: [&str; 3] = ["Record", "Prepare", "Submit"];

/// Others that do.
const OTHERS: [&str; 5] = [
    "/mediation.ledger.v1.ChainService/GetChain",
    "/mediation.ledger.v1.AuditService/SearchChains",
    "/mediation.ledger.v1.DocketService/ListDuties",
    "/mediation.ledger.v1.GatewayService/SubmitIntake",
    "/mediation.ledger.v1.GatewayService/HandleJointly",
];

/// A refusal is made anew this often.
const READY_FOR: Duration = Duration::from_secs(1);

/// Time that the rest of a message has to come before the answer is given without it.
const REST_WAIT: Duration = Duration::from_secs(1);

/// What knows whether there is room.
pub(crate) trait Door: Send + Sync + 'static {
    /// Takes a place for a peer's request, or says why there is none. None when it is no agency that is answered here, which the
    /// service tells it.
    fn enter<'p>(&self, peer: &'p Peer) -> Option<(&'p str, Result<Entered, Full>)>;

    /// What an agency is told for whose request there is none.
    fn refused(&self, full: Full, agency: &str) -> Refused;
}

/// A request that has passed the gate: it was taken from the quota of its agency.
#[derive(Debug, Clone)]
pub(crate) struct Entered(Option<Pass>);

impl Entered {
    /// With its place on the way to the line, where there are lines.
    pub(crate) fn new(pass: Option<Pass>) -> Self {
        Self(pass)
    }

    /// Its message is read.
    pub(crate) fn arrive(&self) {
        self.0.iter().for_each(Pass::arrive);
    }
}

/// The gate of a process; clones are the same gate.
#[derive(Debug, Clone)]
pub(crate) struct Gate(Arc<Gated>);

struct Gated {
    door: Option<Arc<dyn Door>>,
    methods: BTreeMap<String, Unread>,
    over_quota: Ready,
    in_line: Ready,
}

impl fmt::Debug for Gated {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gated").field("methods", &self.methods.len()).finish_non_exhaustive()
    }
}

impl Gate {
    /// A gate before what a node serves; open without one.
    pub(crate) fn new(door: Option<Arc<dyn Door>>, requests: &Requests) -> Self {
        let desks = DESKS.iter().flat_map(|desk| OF_DESKS.map(|method| format!("/{}/{method}", desk.service)));
        let paths = desks.chain(OTHERS.map(str::to_owned));
        let methods = paths.map(|path| (path.clone(), requests.unread(&path))).collect();
        Self(Arc::new(Gated { door, methods, over_quota: Ready::default(), in_line: Ready::default() }))
    }
}

impl Gated {
    /// Takes a place for a request that needs one, or answers it.
    fn enter(&self, request: &mut http::Request<Body>) -> Option<http::Response<Body>> {
        let (door, method) = (self.door.as_ref()?, self.methods.get(request.uri().path())?);
        let (agency, entered) = door.enter(request.extensions().get::<Peer>()?)?;
        let full = match entered {
            Ok(entered) => {
                request.extensions_mut().insert(entered);
                return None;
            }
            Err(full) => full,
        };
        let ready = match full {
            Full::Quota => &self.over_quota,
            Full::Line => &self.in_line,
        };
        let refused = || door.refused(full, agency);
        Some(ready.of(agency, refused, method))
    }
}

impl<S> Layer<S> for Gate {
    type Service = Behind<S>;

    fn layer(&self, service: S) -> Behind<S> {
        Behind { service, gate: self.clone() }
    }
}

/// A service behind the gate.
#[derive(Debug, Clone)]
pub(crate) struct Behind<S> {
    service: S,
    gate: Gate,
}

impl<S> Service<http::Request<Body>> for Behind<S>
where
    S: Service<http::Request<Body>, Response = http::Response<Body>, Error = Infallible>,
    S::Future: Send + 'static,
{
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.service.poll_ready(context)
    }

    fn call(&mut self, mut request: http::Request<Body>) -> Self::Future {
        match self.gate.0.enter(&mut request) {
            None => Box::pin(self.service.call(request)),
            Some(answer) => Box::pin(async move {
                // Whoever has not sent all of it yet, and is answered, is told to stop by HTTP/2; not every client takes that well.
                drop(tokio::time::timeout(REST_WAIT, thrown_away(request.into_body())).await);
                Ok(answer)
            }),
        }
    }
}

/// Throws a message away as it comes, as long as it is one that would have been taken.
async fn thrown_away(mut body: Body) {
    let mut left = MESSAGE_BYTES_MAX;
    while let Some(Ok(frame)) = poll_fn(|context| Pin::new(&mut body).poll_frame(context)).await {
        let Some(rest) = left.checked_sub(frame.data_ref().map_or(0, |data| data.len())) else { return };
        left = rest;
    }
}

/// Refusals that are ready to be sent, by agency id; of agencies of the registry alone.
#[derive(Debug, Default)]
struct Ready(Mutex<BTreeMap<String, Made>>);

#[derive(Debug)]
struct Made {
    at: Instant,
    reason: &'static str,
    headers: http::HeaderMap,
}

impl Ready {
    /// The refusal of this second.
    fn of(&self, agency: &str, refused: impl FnOnce() -> Refused, method: &Unread) -> http::Response<Body> {
        let now = Instant::now();
        let mut ready = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let kept = ready.get(agency).filter(|made| now.duration_since(made.at) < READY_FOR);
        let (headers, reason) = match kept {
            Some(made) => (made.headers.clone(), made.reason),
            None => {
                let made = Made::now(now, agency, refused());
                let told = (made.headers.clone(), made.reason);
                ready.insert(agency.to_owned(), made);
                told
            }
        };
        drop(ready);
        method.count(reason);
        let mut answer = http::Response::new(Body::empty());
        *answer.headers_mut() = headers;
        answer
    }
}

impl Made {
    fn now(at: Instant, agency: &str, refused: Refused) -> Self {
        let (reason, request_id) = (refused.reason().info().name, request_id());
        tracing::warn!(
            request_id,
            reason,
            agency,
            "requests are refused unread; those of this second are told this id"
        );
        let answer: http::Response<Body> = refused.into_status(&request_id).into_http();
        Self { at, reason, headers: answer.into_parts().0.headers }
    }
}

#[cfg(test)]
mod tests;
