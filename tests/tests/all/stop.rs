//! A graceful stop under load: streams are ended, what is under way is answered, and nothing that was acknowledged is lost.

use std::time::{Duration, Instant};

use mediation_client::ClientError;
use mediation_proto::mediation::{
    ledger::v1::{ChainEntry, Receipt, WatchChainRequest, chain_service_client::ChainServiceClient},
    types::v1::AgencyKind,
};
use tokio::task::JoinSet;
use tonic::{Code, Streaming};
use tonic_types::StatusExt as _;

use crate::served::{Served, chain_id, event_id, reading, registration};

const STREAMS: usize = 200;
const CONNECTIONS: usize = 4;
const WRITERS: usize = 8;

/// Time within which the process must have ended.
const STOP_MAX: Duration = Duration::from_secs(10);

/// Opens watched streams of a chain, each of which has shown what stands.
async fn watch(served: &Served, chain: &str) -> Vec<Streaming<ChainEntry>> {
    let mut streams = Vec::new();
    for _ in 0..CONNECTIONS {
        let channel = served.connection(Some("XF-FL")).await.channel;
        for _ in 0..STREAMS / CONNECTIONS {
            let wanted = WatchChainRequest {
                chain_id: Some(chain.to_owned()),
                from_revision: 0,
                reading: Some(reading("XF-FL")),
            };
            let mut service = ChainServiceClient::new(channel.clone());
            let mut entries = service.watch_chain(wanted).await.unwrap().into_inner();
            entries.message().await.unwrap().unwrap();
            streams.push(entries);
        }
    }
    streams
}

/// Records until the server refuses, and keeps what was acknowledged.
async fn write(served: &Served) -> impl Future<Output = Vec<Receipt>> + Send + 'static {
    let client = served.client("XF-FL", AgencyKind::Petition).await;
    async move {
        let mut receipts = Vec::new();
        loop {
            match client.send(registration(&chain_id(), &event_id(), "排水渠堵塞")).await {
                Ok(receipt) => receipts.push(receipt),
                Err(ClientError::Status(status)) => {
                    // What the server does not say comes from the connection, which is closed.
                    let is_told = status.get_details_error_info().is_some();
                    assert!(!is_told || status.code() == Code::Unavailable, "{status:?}");
                    return receipts;
                }
                Err(error) => panic!("{error}"),
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_hundred_open_streams_and_acts_under_way_end_in_order_and_nothing_is_lost() {
    let mut served = Served::new();
    let chain = chain_id();
    let client = served.client("XF-FL", AgencyKind::Petition).await;
    client.record(registration(&chain, &event_id(), "排水渠堵塞")).await.unwrap();
    let streams = watch(&served, &chain).await;
    assert_eq!(streams.len(), STREAMS);
    let mut ends = JoinSet::new();
    for mut entries in streams {
        ends.spawn(async move {
            loop {
                match entries.message().await {
                    Ok(Some(_)) => {}
                    Ok(None) => return Code::Ok,
                    Err(status) => return status.code(),
                }
            }
        });
    }
    let mut writers = JoinSet::new();
    for _ in 0..WRITERS {
        writers.spawn(write(&served).await);
    }
    // Some acts are under way by now, since each of these was.
    for _ in 0..20 {
        client.record(registration(&chain_id(), &event_id(), "排水渠堵塞")).await.unwrap();
    }
    let begun = Instant::now();
    let mut served = tokio::task::spawn_blocking(move || {
        served.stop();
        served
    })
    .await
    .unwrap();
    let took = begun.elapsed();
    assert!(took < STOP_MAX, "the process took {took:?} to end");
    let codes = ends.join_all().await;
    let unavailable = codes.iter().filter(|code| **code == Code::Unavailable).count();
    assert_eq!(unavailable, STREAMS, "{codes:?}");
    let receipts: Vec<Receipt> = writers.join_all().await.into_iter().flatten().collect();
    println!("{STREAMS} streams and {WRITERS} writers: ended after {took:?}, {} acts acknowledged", receipts.len());
    assert!(receipts.len() > WRITERS);
    let (report, good) = served.verify();
    assert!(good, "{report:#}");
    served.start();
    let client = served.client("XF-FL", AgencyKind::Petition).await;
    for receipt in &receipts {
        let (found, _) = client.receipt(&receipt.chain_id, &receipt.event_id).await.unwrap();
        assert_eq!((&found.entry, found.revision), (&receipt.entry, receipt.revision));
    }
}
