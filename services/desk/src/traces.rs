//! Traces: one span for each request, with what was asked for, by which agency, and how it ended.
//!
//! A span says never what a request was about: no chain, no person, no text, nothing that a caller sent but the place in his own trace
//! (W3C Trace Context). What else is logged does not get there, since nothing but this module writes spans. Where they go, and
//! that they hold nobody up, is a matter of the process.

use opentelemetry::{
    Context, KeyValue,
    propagation::{Extractor, TextMapPropagator as _},
    trace::{Span as _, SpanKind, Status as Outcome, Tracer as _},
};
use opentelemetry_sdk::{
    propagation::TraceContextPropagator,
    trace::{SdkTracer, Span},
};
use tonic::{Code, Status, codegen::http};
use tonic_types::StatusExt as _;

use crate::caller::Peer;

/// Where requests are traced; clones are the same place.
#[derive(Debug, Clone)]
pub struct Traces {
    tracer: SdkTracer,
    /// Of the ledger, by which agencies are known.
    origin: String,
}

impl Traces {
    /// Traces of a ledger's requests.
    #[must_use]
    pub fn new(tracer: SdkTracer, origin: impl Into<String>) -> Self {
        Self { tracer, origin: origin.into() }
    }

    /// A span that begins now, in the trace of the caller if he has one.
    pub(crate) fn begin<T>(&self, (service, method): (&str, &str), request: &http::Request<T>) -> Traced {
        let parent = TraceContextPropagator::new().extract_with_context(&Context::new(), &Sent(request.headers()));
        let mut attributes = vec![
            KeyValue::new("rpc.system", "grpc"),
            KeyValue::new("rpc.service", service.to_owned()),
            KeyValue::new("rpc.method", method.to_owned()),
        ];
        let agency = request.extensions().get::<Peer>().and_then(|peer| peer.agency(&self.origin));
        attributes.extend(agency.map(|agency| KeyValue::new("mediation.agency", agency.to_owned())));
        let span = self.tracer.span_builder(format!("{service}/{method}"));
        let span = span.with_kind(SpanKind::Server).with_attributes(attributes);
        Traced(self.tracer.build_with_context(span, &parent))
    }
}

/// A request that is traced, until its end.
#[derive(Debug)]
pub(crate) struct Traced(Span);

impl Traced {
    /// It has ended like this.
    pub(crate) fn end(mut self, status: &Status) {
        let Self(span) = &mut self;
        span.set_attribute(KeyValue::new("rpc.grpc.status_code", i64::from(i32::from(status.code()))));
        if let Some(info) = status.get_details_error_info() {
            span.set_attribute(KeyValue::new("error.type", info.reason));
        }
        if let Some(request) = status.get_details_request_info() {
            span.set_attribute(KeyValue::new("mediation.request_id", request.request_id));
        }
        if is_ours(status.code()) {
            span.set_status(Outcome::error(""));
        }
        span.end();
    }
}

/// Whether it is the process that has failed, and not the caller.
fn is_ours(code: Code) -> bool {
    match code {
        Code::Unknown
        | Code::DeadlineExceeded
        | Code::Unimplemented
        | Code::Internal
        | Code::Unavailable
        | Code::DataLoss => true,
        Code::Ok
        | Code::Cancelled
        | Code::InvalidArgument
        | Code::NotFound
        | Code::AlreadyExists
        | Code::PermissionDenied
        | Code::ResourceExhausted
        | Code::FailedPrecondition
        | Code::Aborted
        | Code::OutOfRange
        | Code::Unauthenticated => false,
    }
}

/// What a caller has sent before his message.
struct Sent<'a>(&'a http::HeaderMap);

impl Extractor for Sent<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key)?.to_str().ok()
    }

    fn keys(&self) -> Vec<&str> {
        self.0.keys().map(http::HeaderName::as_str).collect()
    }
}
