//! What is counted of requests, for whoever watches over the process: how many, how fast, how they ended, and why not.
//!
//! Labels are names of our own services, methods, codes and reasons, and never what a caller sent: a path that is none of
//! them is counted as `unknown`. No label says which chain, agency or person a request was about.

use std::{
    collections::BTreeSet,
    convert::Infallible,
    future::Future,
    pin::Pin,
    sync::LazyLock,
    task::{Context, Poll, ready},
};

use http_body::Frame;
use mediation_proto::FILE_DESCRIPTOR_SET;
use prometheus_client::{
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
    registry::Registry,
};
use prost::Message as _;
use prost_types::{FileDescriptorSet, MethodDescriptorProto};
use tokio::time::Instant;
use tonic::{
    Code, Status,
    body::Body,
    codegen::{Body as HttpBody, Service, http},
};
use tonic_types::StatusExt as _;
use tower_layer::Layer;

use crate::traces::{Traced, Traces};

/// Names with their values.
type Labels = Vec<(&'static str, String)>;

/// Upper bounds of the times to answer, in seconds: from a reading in memory to the time-out.
const SECONDS: [f64; 12] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 30.0];

/// Counts of requests; clones are the same counts.
#[derive(Debug, Clone)]
pub struct Requests {
    answered: Family<Labels, Counter>,
    refused: Family<Labels, Counter>,
    seconds: Family<Labels, Histogram, fn() -> Histogram>,
    open: Family<Labels, Gauge>,
    traces: Option<Traces>,
}

impl Default for Requests {
    fn default() -> Self {
        Self {
            answered: Family::default(),
            refused: Family::default(),
            seconds: Family::new_with_constructor(|| Histogram::new(SECONDS)),
            open: Family::default(),
            traces: None,
        }
    }
}

impl Requests {
    /// Counts of no requests yet, in a registry.
    #[must_use]
    pub fn registered(registry: &mut Registry) -> Self {
        let requests = Self::default();
        registry.register("requests", "Requests that ended, by how", requests.answered.clone());
        registry.register("refusals", "Requests that were refused, by reason", requests.refused.clone());
        let answering = "Seconds until a request was answered; of a stream until it began";
        registry.register("request_seconds", answering, requests.seconds.clone());
        registry.register("requests_open", "Requests and streams under way", requests.open.clone());
        requests
    }

    /// The same, which trace the requests, too.
    #[must_use]
    pub fn traced(self, traces: Traces) -> Self {
        Self { traces: Some(traces), ..self }
    }

    /// Counts refusals of a method whose message was not read.
    pub(crate) fn unread(&self, path: &str) -> Unread {
        let mut labels = Method::of(path).labels();
        labels.push(("code", format!("{:?}", Code::ResourceExhausted)));
        Unread { requests: self.clone(), labels }
    }

    fn ended(&self, method: &Method, status: &Status) {
        let mut labels = method.labels();
        labels.push(("code", format!("{:?}", status.code())));
        self.answered.get_or_create(&labels).inc();
        if let Some(info) = status.get_details_error_info() {
            self.refused.get_or_create(&vec![("reason", info.reason)]).inc();
        }
    }
}

/// Counts the refusals of one method that take no time, since nothing was read.
#[derive(Debug)]
pub(crate) struct Unread {
    requests: Requests,
    /// Method and code.
    labels: Labels,
}

impl Unread {
    pub(crate) fn count(&self, reason: &str) {
        self.requests.answered.get_or_create(&self.labels).inc();
        self.requests.refused.get_or_create(&vec![("reason", reason.to_owned())]).inc();
    }

    #[cfg(test)]
    pub(crate) fn is_known(&self) -> bool {
        self.labels.iter().all(|(_, value)| value != "unknown")
    }
}

impl<S> Layer<S> for Requests {
    type Service = Counted<S>;

    fn layer(&self, service: S) -> Counted<S> {
        Counted { service, requests: self.clone() }
    }
}

/// A service whose requests are counted.
#[derive(Debug, Clone)]
pub struct Counted<S> {
    service: S,
    requests: Requests,
}

impl<S> Service<http::Request<Body>> for Counted<S>
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
        let (began, method) = (Instant::now(), Method::of(request.uri().path()));
        let under_way = UnderWay::begin(self.requests.clone(), method, &request);
        let answer = self.service.call(request);
        Box::pin(async move {
            let Ok(answer) = answer.await;
            let requests = &under_way.requests;
            requests.seconds.get_or_create(&under_way.method.labels()).observe(began.elapsed().as_secs_f64());
            match Status::from_header_map(answer.headers()) {
                Some(status) => {
                    under_way.end(&status);
                    Ok(answer)
                }
                None => Ok(answer.map(|body| Body::new(Counting { body, under_way: Some(under_way) }))),
            }
        })
    }
}

/// A method that is asked for; one that no service of ours has is `unknown`, since anybody may ask for anything.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Method {
    service: String,
    method: String,
}

/// Every method that there is.
static METHODS: LazyLock<BTreeSet<Method>> = LazyLock::new(|| {
    let sets = [FILE_DESCRIPTOR_SET, tonic_health::pb::FILE_DESCRIPTOR_SET];
    let files = sets.into_iter().filter_map(|set| FileDescriptorSet::decode(set).ok()).flat_map(|set| set.file);
    let services = files.flat_map(|file| {
        let package = file.package().to_owned();
        file.service.into_iter().map(move |service| (package.clone(), service))
    });
    let methods = services.flat_map(|(package, service)| {
        let name = format!("{package}.{}", service.name());
        let of =
            move |method: MethodDescriptorProto| Method { service: name.clone(), method: method.name().to_owned() };
        service.method.into_iter().map(of)
    });
    methods.collect()
});

impl Method {
    fn of(path: &str) -> Self {
        let of = |(service, method): (&str, &str)| Self { service: service.to_owned(), method: method.to_owned() };
        let asked = path.strip_prefix('/').and_then(|path| path.split_once('/')).map(of);
        asked.filter(|method| METHODS.contains(method)).unwrap_or_else(|| of(("unknown", "unknown")))
    }

    fn labels(&self) -> Labels {
        vec![("service", self.service.clone()), ("method", self.method.clone())]
    }
}

/// A request until its end, however it ends.
#[derive(Debug)]
struct UnderWay {
    requests: Requests,
    method: Method,
    traced: Option<Traced>,
    is_told: bool,
}

impl UnderWay {
    fn begin<T>(requests: Requests, method: Method, request: &http::Request<T>) -> Self {
        requests.open.get_or_create(&vec![]).inc();
        let traced = requests.traces.as_ref().map(|traces| traces.begin((&method.service, &method.method), request));
        Self { requests, method, traced, is_told: false }
    }

    fn end(mut self, status: &Status) {
        self.is_told = true;
        self.tell(status);
    }

    fn tell(&mut self, status: &Status) {
        self.requests.ended(&self.method, status);
        if let Some(traced) = self.traced.take() {
            traced.end(status);
        }
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.requests.open.get_or_create(&vec![]).dec();
        if !self.is_told {
            // The caller went away before the end.
            self.tell(&Status::cancelled(""));
        }
    }
}

/// The body of an answer, whose trailers say how it ended.
struct Counting {
    body: Body,
    under_way: Option<UnderWay>,
}

impl HttpBody for Counting {
    type Data = <Body as HttpBody>::Data;
    type Error = <Body as HttpBody>::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        let frame = ready!(Pin::new(&mut self.body).poll_frame(context));
        let status = match &frame {
            Some(Ok(frame)) => frame.trailers_ref().and_then(Status::from_header_map),
            Some(Err(status)) => Some(status.clone()),
            None => Some(Status::ok("")),
        };
        if let Some(status) = status
            && let Some(under_way) = self.under_way.take()
        {
            under_way.end(&status);
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> http_body::SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_methods_that_there_are_become_labels() {
        let method = Method::of("/mediation.ledger.v1.ChainService/GetChain");
        assert_eq!(method.service, "mediation.ledger.v1.ChainService");
        assert_eq!(method.method, "GetChain");
        for path in ["/mediation.ledger.v1.ChainService/Canary", "/canary.Service/GetChain", "/", "canary", ""] {
            assert_eq!(Method::of(path).service, "unknown", "{path}");
        }
        assert_eq!(Method::of("/grpc.health.v1.Health/Check").method, "Check");
    }
}
