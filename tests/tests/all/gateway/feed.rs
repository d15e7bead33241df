//! Server-sent events.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    net::TcpStream,
    time::Duration,
};

use mediation_proto::mediation::types::v1::AgencyKind;
use serde_json::Value;

use super::{Gateway, matter, text};
use crate::served::{Served, chain_id, event_id, registration};

/// Real time after which a test gives up.
const PATIENCE: Duration = Duration::from_secs(60);

/// The next so many events of a stream, after one; the connection is then cut.
fn events(gateway: &Gateway, last: Option<u64>, count: usize) -> Vec<Value> {
    let mut stream = TcpStream::connect(&gateway.address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let last = last.map(|last| format!("Last-Event-ID: {last}\r\n")).unwrap_or_default();
    let (host, token) = (&gateway.address, gateway.token("hall"));
    write!(stream, "GET /v1/events HTTP/1.1\r\nHost: {host}\r\nAuthorization: {token}\r\n{last}\r\n").unwrap();
    let lines = BufReader::new(stream).lines().map(Result::unwrap);
    let data = lines.filter_map(|line| serde_json::from_str(line.strip_prefix("data: ")?).ok());
    data.take(count).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_goes_on_after_the_last_event_and_tells_of_nothing_that_is_not_for_the_center() {
    let served = Served::new();
    let gateway = Gateway::of(&served);
    let bureau = served.client("XF-FL", AgencyKind::Petition).await;
    let mut chains = Vec::new();
    for at in 0..3 {
        // What another agency records on a chain of its own is not for this center.
        bureau.record(registration(&chain_id(), &event_id(), "不属本中心")).await.unwrap();
        let (status, told) = gateway.hand_in("hall", &event_id(), &matter("WALK_IN", &format!("第 {at} 件")));
        assert_eq!(status, 201, "{told}");
        // The party reads, which is recorded, and is no event.
        assert_eq!(gateway.matter(text(&told, "/chain_no"), text(&told, "/parties/1/code")).0, 200);
        chains.push(text(&told, "/receipt/chain_id").to_owned());
    }
    let told = events(&gateway, None, 3);
    let subjects: Vec<&str> = told.iter().map(|event| text(event, "/subject")).collect();
    assert_eq!(subjects, chains);
    for event in &told {
        assert_eq!((text(event, "/specversion"), text(event, "/type")), ("1.0", "mediation.act.recorded.v1"));
        assert_eq!((text(event, "/data/agency"), &event["data"]["revision"]), ("ZC-ZS", &0.into()));
    }
    let id = |event: &Value| text(event, "/id").parse::<u64>().unwrap();
    assert_eq!(events(&gateway, Some(id(&told[0])), 2), told[1..]);
    let malformed = gateway.ask("hall", "GET", "/v1/events", &[("Last-Event-ID", "x")], &[]);
    assert_eq!((malformed.status, text(&malformed.json(), "/reason")), (400, "LAST_EVENT_ID_INVALID"));
    // What is recorded while somebody listens comes by itself.
    let last = id(&told[2]);
    let (status, handed) = std::thread::scope(|scope| {
        let listening = scope.spawn(|| events(&gateway, Some(last), 1));
        let handed = gateway.hand_in("hall", &event_id(), &matter("WALK_IN", "其后一件"));
        let heard = listening.join().unwrap();
        assert_eq!(text(&heard[0], "/subject"), text(&handed.1, "/receipt/chain_id"));
        handed
    });
    assert_eq!(status, 201, "{handed}");
}
