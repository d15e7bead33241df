//! What a service answers when the transport refuses for it: a request that is too large, or no message at all, gets the
//! same reason and texts as every other refusal; one that takes too long is told what is known of it; and that there is no such
//! chain is told on a beat (`even.rs`).

use std::{
    convert::Infallible,
    future::Future,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use mediation_proto::mediation::ledger::v1::Reason;
use tokio::time::Instant;
use tonic::{
    Code, Status,
    body::Body,
    codegen::{Service, http},
    server::NamedService,
};

use crate::{
    even::{beat, status_denies_the_chain},
    node::request_id,
    status::Refused,
};

/// A service all of whose answers are ours.
#[derive(Debug, Clone)]
pub(crate) struct Answered<S> {
    service: S,
    /// What a caller is told whose request took too long.
    late: Reason,
    /// How long that is.
    within: Duration,
}

impl<S> Answered<S> {
    pub(crate) fn new(service: S, late: Reason, within: Duration) -> Self {
        Self { service, late, within }
    }
}

impl<S: NamedService> NamedService for Answered<S> {
    const NAME: &'static str = S::NAME;
}

impl<S> Service<http::Request<Body>> for Answered<S>
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

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let (arrived, late, within) = (Instant::now(), self.late, self.within);
        let answer = self.service.call(request);
        Box::pin(async move {
            match tokio::time::timeout(within, answer).await {
                Ok(answer) => {
                    let Ok(answer) = answer;
                    let refused = refused(&answer);
                    if refused.as_ref().is_some_and(status_denies_the_chain) {
                        beat(arrived).await;
                    }
                    Ok(told(answer, refused))
                }
                Err(_) => Ok(Refused::new(late).into_status(&request_id()).into_http()),
            }
        })
    }
}

/// The status of an answer that is a refusal from the start.
fn refused(answer: &http::Response<Body>) -> Option<Status> {
    Status::from_header_map(answer.headers()).filter(|status| status.code() != Code::Ok)
}

fn told(answer: http::Response<Body>, refused: Option<Status>) -> http::Response<Body> {
    match refused.map(of_transport) {
        Some(Ok(refused)) => refused.into_status(&request_id()).into_http(),
        Some(Err(_)) | None => answer,
    }
}

/// The refusal that a status of the transport means.
///
/// # Errors
/// The status itself, when it is one of ours, or there are no better words for it.
pub(crate) fn of_transport(status: Status) -> Result<Refused, Status> {
    if !status.details().is_empty() {
        return Err(status);
    }
    match status.code() {
        Code::OutOfRange => Ok(Refused::too_large()),
        Code::Internal => Ok(Refused::no_message()),
        Code::Ok
        | Code::Cancelled
        | Code::Unknown
        | Code::InvalidArgument
        | Code::DeadlineExceeded
        | Code::NotFound
        | Code::AlreadyExists
        | Code::PermissionDenied
        | Code::ResourceExhausted
        | Code::FailedPrecondition
        | Code::Aborted
        | Code::Unimplemented
        | Code::Unavailable
        | Code::DataLoss
        | Code::Unauthenticated => Err(status),
    }
}
