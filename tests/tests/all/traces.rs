//! Traces over OTLP: what a collector is told of requests, what it is not, and that it holds nobody up.

use std::{
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use mediation_proto::mediation::{
    desk::v1::{PetitionRecordRequest, petition_desk_client::PetitionDeskClient},
    types::v1::AgencyKind,
};
use opentelemetry_proto::tonic::{
    collector::trace::v1::{
        ExportTraceServiceRequest, ExportTraceServiceResponse,
        trace_service_server::{TraceService, TraceServiceServer},
    },
    common::v1::any_value::Value,
    trace::v1::{Span, span::SpanKind, status::StatusCode},
};
use tokio::net::TcpListener;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::{Request, Response, Status, metadata::MetadataValue, transport::Server};

use crate::{
    metrics::{configure, text, value},
    served::{Served, chain_id, event_id, registration},
};

/// Real time after which a test gives up.
const PATIENCE: Duration = Duration::from_secs(60);

const BUREAU: Option<&str> = Some("XF-FL");

/// A collector that keeps what it is sent.
#[derive(Debug, Clone, Default)]
struct Collector(Arc<Mutex<Vec<ExportTraceServiceRequest>>>);

#[tonic::async_trait]
impl TraceService for Collector {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        self.0.lock().unwrap().push(request.into_inner());
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}

impl Collector {
    /// Serves at an address; at any with port 0.
    async fn serve(&self, address: &str) -> String {
        let listener = TcpListener::bind(address).await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let server = Server::builder().add_service(TraceServiceServer::new(self.clone()));
        tokio::spawn(server.serve_with_incoming(TcpListenerStream::new(listener)));
        address
    }

    fn spans(&self) -> Vec<Span> {
        let sent = self.0.lock().unwrap();
        let of_resources = sent.iter().flat_map(|request| &request.resource_spans);
        of_resources.flat_map(|resource| &resource.scope_spans).flat_map(|scope| scope.spans.clone()).collect()
    }

    /// Waits until it has so many.
    async fn told(&self, count: usize) -> Vec<Span> {
        let begun = Instant::now();
        loop {
            let spans = self.spans();
            if spans.len() >= count {
                return spans;
            }
            assert!(begun.elapsed() < PATIENCE, "{spans:?}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

fn attribute(span: &Span, key: &str) -> Option<String> {
    let found = span.attributes.iter().find(|attribute| attribute.key == key)?;
    let value = found.value.as_ref()?.value.as_ref()?;
    if let Value::IntValue(number) = value {
        return Some(number.to_string());
    }
    let Value::StringValue(text) = value else { panic!("{value:?}") };
    Some(text.clone())
}

/// A ledger that is traced at an address.
fn traced(address: &str) -> Served {
    let mut served = Served::new();
    served.stop();
    let traces = format!("[traces]\notlp_endpoint = \"http://{address}\"\ntimeout_ms = 500\n");
    configure(&served.path(), &traces);
    served.start();
    served
}

async fn record(served: &Served, text: &str, traceparent: Option<&'static str>) -> Result<String, Status> {
    let chain = chain_id();
    let mut request = Request::new(PetitionRecordRequest::try_from(registration(&chain, &event_id(), text)).unwrap());
    if let Some(traceparent) = traceparent {
        request.metadata_mut().insert("traceparent", MetadataValue::from_static(traceparent));
    }
    PetitionDeskClient::new(served.connection(BUREAU).await.channel).record(request).await.map(|_receipt| chain)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_is_told_of_each_request_in_the_trace_of_its_caller_and_of_nothing_that_it_says() {
    let collector = Collector::default();
    let address = collector.serve("127.0.0.1:0").await;
    let served = traced(&address);
    let parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let chain = record(&served, "canary4f1e 排水渠堵塞", Some(parent)).await.unwrap();
    let refused = record(&served, &"渠".repeat(3_000), None).await.unwrap_err();
    let client = served.client("XF-FL", AgencyKind::Petition).await;
    client.checkpoint().await.unwrap();
    let spans = collector.told(3).await;
    let recorded: Vec<&Span> =
        spans.iter().filter(|span| span.name == "mediation.desk.v1.PetitionDesk/Record").collect();
    let [first, second] = recorded[..] else { panic!("{spans:?}") };
    assert_eq!(hex::encode(&first.trace_id), "4bf92f3577b34da6a3ce929d0e0e4736");
    assert_eq!(hex::encode(&first.parent_span_id), "00f067aa0ba902b7");
    assert_eq!(first.kind, i32::from(SpanKind::Server));
    assert!(first.end_time_unix_nano > first.start_time_unix_nano);
    assert_eq!(attribute(first, "rpc.service").as_deref(), Some("mediation.desk.v1.PetitionDesk"));
    assert_eq!(attribute(first, "rpc.method").as_deref(), Some("Record"));
    assert_eq!(attribute(first, "rpc.grpc.status_code").as_deref(), Some("0"));
    assert_eq!(attribute(first, "mediation.agency").as_deref(), BUREAU);
    assert_ne!(second.trace_id, first.trace_id, "who has no trace begins one");
    assert!(second.parent_span_id.is_empty());
    assert_eq!(attribute(second, "error.type").as_deref(), Some("MALFORMED"));
    let id = tonic_types::StatusExt::get_details_request_info(&refused).unwrap().request_id;
    assert_eq!(attribute(second, "mediation.request_id"), Some(id));
    let is_failed = |span: &Span| span.status.as_ref().is_some_and(|status| status.code() == StatusCode::Error);
    assert!(!is_failed(first) && !is_failed(second), "a caller's mistake is no failure of the process");

    let all = format!("{:?}", collector.0.lock().unwrap());
    for secret in ["canary", &chain, "排水渠", "psn_", "360222", "REG-"] {
        assert!(!all.contains(secret), "{secret}: {all}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_that_hangs_or_is_away_costs_spans_and_no_act_and_is_told_again_when_it_is_back() {
    // It takes connections, and says nothing.
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = silent.local_addr().unwrap().to_string();
    let served = traced(&address);
    let count = |name: &str| value(&text(&served), &format!("mediation_ledger_spans_{name}")).unwrap();
    let until_dropped = async |more: f64| {
        let begun = Instant::now();
        while count("dropped") < more {
            record(&served, "排水渠堵塞", None).await.expect("acts are recorded on");
            assert!(begun.elapsed() < PATIENCE, "nothing is dropped");
        }
    };
    until_dropped(1.0).await;
    assert_eq!(count("sent"), 0.0);
    drop(silent);
    until_dropped(count("dropped") + 1.0).await;
    let collector = Collector::default();
    collector.serve(&address).await;
    let begun = Instant::now();
    while count("sent") < 1.0 {
        record(&served, "排水渠堵塞", None).await.unwrap();
        assert!(begun.elapsed() < PATIENCE, "it is not told again");
    }
    assert!(!collector.spans().is_empty());
}
