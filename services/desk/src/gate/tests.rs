use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use http_body::Frame;
use mediation_proto::mediation::ledger::v1::Reason;
use prometheus_client::{encoding::text::encode, registry::Registry};
use tokio::sync::mpsc;
use tonic::{Code, Status};
use tonic_types::StatusExt as _;

use super::*;

const RECORD: &str = "/mediation.desk.v1.PetitionDesk/Record";
const STREAM: &str = "/mediation.desk.v1.PetitionDesk/RecordStream";

/// No room for one agency, and room for all others.
struct Shut(&'static str, Full);

impl Door for Shut {
    fn enter<'p>(&self, peer: &'p Peer) -> Option<(&'p str, Result<Entered, Full>)> {
        let agency = peer.agency("test.example/log")?;
        Some((agency, if agency == self.0 { Err(self.1) } else { Ok(Entered::new(None)) }))
    }

    fn refused(&self, full: Full, agency: &str) -> Refused {
        match full {
            Full::Quota => Refused::new(Reason::QuotaExceeded).with("agency", agency),
            Full::Line => Refused::new(Reason::Overloaded).after(Duration::from_secs(1)),
        }
    }
}

/// A service that answers everything, and counts what it was asked with a place.
#[derive(Debug, Clone, Default)]
struct Served {
    asked: Arc<AtomicUsize>,
    entered: Arc<AtomicUsize>,
}

impl Service<http::Request<Body>> for Served {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = std::future::Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        self.asked.fetch_add(1, Ordering::Relaxed);
        self.entered.fetch_add(usize::from(request.extensions().get::<Entered>().is_some()), Ordering::Relaxed);
        std::future::ready(Ok(Status::ok("").into_http()))
    }
}

/// A message that comes in pieces, as the test sends them.
struct Pieces(mpsc::Receiver<Bytes>);

impl HttpBody for Pieces {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        self.0.poll_recv(context).map(|piece| piece.map(|piece| Ok(Frame::data(piece))))
    }
}

fn request(agency: &str, path: &str, body: Body) -> http::Request<Body> {
    let mut request = http::Request::new(body);
    *request.uri_mut() = path.parse().unwrap();
    let spiffe_id = Some(crate::caller::spiffe_id_of("test.example/log", agency));
    let address = "127.0.0.1:1".parse().unwrap();
    request.extensions_mut().insert(Peer { address, certified: true, spiffe_id });
    request
}

fn gate(full: Full) -> (Behind<Served>, Registry, Served) {
    let (mut registry, served) = (Registry::default(), Served::default());
    let requests = Requests::registered(&mut registry);
    let gate = Gate::new(Some(Arc::new(Shut("XF-FL", full))), &requests);
    (gate.layer(served.clone()), registry, served)
}

async fn status(service: &mut Behind<Served>, request: http::Request<Body>) -> Status {
    let Ok(answer) = service.call(request).await;
    Status::from_header_map(answer.headers()).unwrap()
}

#[tokio::test(start_paused = true)]
async fn who_has_no_room_is_told_in_full_once_a_second_anew_and_the_others_pass() {
    let (mut service, registry, served) = gate(Full::Line);
    let first = status(&mut service, request("XF-FL", RECORD, Body::empty())).await;
    assert_eq!(first.code(), Code::ResourceExhausted);
    assert_eq!(first.get_details_error_info().unwrap().reason, "OVERLOADED");
    assert_eq!(first.get_details_retry_info().unwrap().retry_delay, Some(Duration::from_secs(1)));
    assert_eq!(first.get_details_localized_message().unwrap().locale, "zh-CN");
    let id = |status: &Status| status.get_details_request_info().unwrap().request_id;
    let second = status(&mut service, request("XF-FL", RECORD, Body::empty())).await;
    assert_eq!(id(&first), id(&second), "within a second");
    tokio::time::advance(READY_FOR).await;
    let third = status(&mut service, request("XF-FL", RECORD, Body::empty())).await;
    assert_ne!(id(&first), id(&third));
    assert_eq!(served.asked.load(Ordering::Relaxed), 0);

    for (agency, path) in [("XF-LP", RECORD), ("XF-FL", STREAM), ("", RECORD)] {
        assert_eq!(
            status(&mut service, request(agency, path, Body::empty())).await.code(),
            Code::Ok,
            "{agency} {path}"
        );
    }
    assert_eq!((served.asked.load(Ordering::Relaxed), served.entered.load(Ordering::Relaxed)), (3, 1));
    let mut text = String::new();
    encode(&mut text, &registry).unwrap();
    let row = r#"requests_total{service="mediation.desk.v1.PetitionDesk",method="Record",code="ResourceExhausted"} 3"#;
    assert!(text.contains(row), "{text}");
    assert!(text.contains(r#"refusals_total{reason="OVERLOADED"} 3"#), "{text}");
}

#[tokio::test]
async fn what_an_agency_is_told_of_its_quota_is_told_to_no_other() {
    let (service, ..) = gate(Full::Quota);
    let gated = &service.gate.0;
    for agency in ["XF-FL", "XF-LP"] {
        let refused = || Shut("", Full::Quota).refused(Full::Quota, agency);
        let answer = gated.over_quota.of(agency, refused, gated.methods.get(RECORD).unwrap());
        let told = Status::from_header_map(answer.headers()).unwrap().get_details_error_info().unwrap();
        assert_eq!(told.metadata.get("agency").map(String::as_str), Some(agency));
    }
}

#[tokio::test(start_paused = true)]
async fn the_answer_waits_for_the_rest_of_the_message_but_not_for_long_and_not_for_too_much() {
    use futures_util::FutureExt as _;

    let (mut service, ..) = gate(Full::Line);
    let mut sent = || {
        let (piece, pieces) = mpsc::channel(1);
        (piece, Box::pin(service.call(request("XF-FL", RECORD, Body::new(Pieces(pieces))))))
    };
    let (piece, mut whole) = sent();
    piece.send(Bytes::from_static(b"one")).await.unwrap();
    assert!(whole.as_mut().now_or_never().is_none());
    drop(piece);
    assert!(whole.as_mut().now_or_never().is_some());

    let (_piece, mut silent) = sent();
    assert!(silent.as_mut().now_or_never().is_none());
    tokio::time::advance(REST_WAIT).await;
    assert!(silent.as_mut().now_or_never().is_some());

    let (piece, mut too_much) = sent();
    piece.send(Bytes::from(vec![0; MESSAGE_BYTES_MAX + 1])).await.unwrap();
    assert!(too_much.as_mut().now_or_never().is_some());
}

#[test]
fn every_method_that_is_gated_is_one_that_there_is() {
    let (service, ..) = gate(Full::Line);
    assert_eq!(service.gate.0.methods.len(), 3 * DESKS.len() + OTHERS.len());
    for (path, unread) in &service.gate.0.methods {
        assert!(unread.is_known(), "{path}");
    }
}
