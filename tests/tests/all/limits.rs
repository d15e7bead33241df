//! Every limit of the listener, and a peer that exceeds it.

use std::{path::Path, sync::Arc, time::Duration};

use futures_util::stream;
use mediation_proto::{
    ActRequest,
    mediation::{
        desk::v1::{PetitionRecordRequest, petition_desk_client::PetitionDeskClient},
        ledger::v1::{
            GetCheckpointRequest, Receipt, WatchChainRequest, chain_service_client::ChainServiceClient,
            log_service_client::LogServiceClient,
        },
    },
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};
use tokio_rustls::{
    TlsConnector,
    client::TlsStream,
    rustls::{
        ClientConfig, RootCertStore,
        crypto::ring,
        pki_types::{CertificateDer, ServerName, pem::PemObject as _},
        version::TLS13,
    },
};
use tonic::{
    Code, Request, client::Grpc, codegen::http::uri::PathAndQuery, metadata::MetadataValue, transport::Channel,
};
use tonic_prost::ProstCodec;
use tonic_types::StatusExt as _;

use crate::{
    served::{Served, chain_id, event_id, reading, registration},
    streams::follow_up,
};

const AGENCY: &str = "XF-FL";

/// Far more than any of the limits set here.
const SOON: Duration = Duration::from_secs(15);

/// What a peer says first (RFC 9113, section 3.4), with settings that are all by default.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";

/// A ledger with one limit set otherwise than by default.
fn limited(from: &str, to: &str) -> Served {
    let mut served = Served::new();
    served.stop();
    let file = served.path().join("mediation.toml");
    let configuration = std::fs::read_to_string(&file).unwrap();
    assert_eq!(configuration.matches(from).count(), 1, "{from} in\n{configuration}");
    std::fs::write(&file, configuration.replace(from, to)).unwrap();
    served.start();
    served
}

async fn channel(served: &Served) -> Channel {
    served.connection(Some(AGENCY)).await.channel
}

/// A peer that speaks TLS, and HTTP/2 as far as it likes.
async fn raw(served: &Served) -> TlsStream<TcpStream> {
    let mut roots = RootCertStore::empty();
    let authority: &Path = &served.path().join("pki/authority.pem");
    roots.add(CertificateDer::from_pem_file(authority).unwrap()).unwrap();
    let provider = Arc::new(ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_protocol_versions(&[&TLS13]).unwrap();
    let mut config = config.with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec()];
    let socket = TcpStream::connect(&served.address).await.unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    let mut peer = TlsConnector::from(Arc::new(config)).connect(name, socket).await.unwrap();
    peer.write_all(PREFACE).await.unwrap();
    peer
}

/// What the server says until it closes the connection. It may do so without a word of TLS.
async fn to_the_end(mut peer: TlsStream<TcpStream>) -> Vec<u8> {
    let mut said = Vec::new();
    let ended = timeout(SOON, async { while peer.read_buf(&mut said).await.is_ok_and(|read| read > 0) {} }).await;
    ended.expect("the connection is closed");
    said
}

#[tokio::test(flavor = "multi_thread")]
async fn one_connection_too_many_is_closed_and_a_place_that_is_given_back_is_given_again() {
    let served = limited("\nconnections = 4096", "\nconnections = 2");
    let (first, second) = (raw(&served).await, channel(&served).await);
    LogServiceClient::new(second.clone()).get_checkpoint(GetCheckpointRequest::default()).await.unwrap();
    let mut third = TcpStream::connect(&served.address).await.unwrap();
    let closed = timeout(SOON, third.read_u8()).await.expect("it is closed");
    assert!(closed.is_err());
    drop((first, second));
    timeout(SOON, async {
        loop {
            let socket = TcpStream::connect(&served.address).await.unwrap();
            // One that is kept says nothing before its peer does.
            let mut byte = [0];
            let looked = timeout(Duration::from_millis(200), socket.peek(&mut byte)).await;
            if looked.is_err() {
                return;
            }
        }
    })
    .await
    .expect("there is room again");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_beyond_those_of_a_connection_waits_until_one_of_them_ends() {
    let served = limited("requests_per_connection = 256", "requests_per_connection = 4");
    let channel = channel(&served).await;
    let chain = chain_id();
    let act = registration(&chain, &event_id(), "排水渠堵塞");
    PetitionDeskClient::new(channel.clone()).record(PetitionRecordRequest::try_from(act).unwrap()).await.unwrap();
    let mut open = Vec::new();
    for _ in 0..4 {
        let wanted =
            WatchChainRequest { chain_id: Some(chain.clone()), from_revision: 0, reading: Some(reading(AGENCY)) };
        let mut entries = ChainServiceClient::new(channel.clone()).watch_chain(wanted).await.unwrap().into_inner();
        entries.message().await.unwrap().unwrap();
        open.push(entries);
    }
    let asked = async |channel: &Channel| {
        LogServiceClient::new(channel.clone()).get_checkpoint(GetCheckpointRequest::default()).await
    };
    assert!(timeout(Duration::from_millis(500), asked(&channel)).await.is_err(), "a fifth is under way");
    // Another connection is not concerned.
    timeout(SOON, asked(&served.connection(Some(AGENCY)).await.channel)).await.unwrap().unwrap();
    open.pop();
    timeout(SOON, asked(&channel)).await.unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn headers_that_are_too_long_are_refused_and_the_connection_goes_on() {
    let served = limited("header_bytes = 16384", "header_bytes = 4096");
    let channel = channel(&served).await;
    let asked = async |bytes: usize| {
        let mut request = Request::new(GetCheckpointRequest::default());
        request.metadata_mut().insert("note", MetadataValue::try_from("x".repeat(bytes)).unwrap());
        LogServiceClient::new(channel.clone()).get_checkpoint(request).await
    };
    asked(2_000).await.unwrap();
    asked(8_000).await.unwrap_err();
    asked(2_000).await.unwrap();
}

/// The request is opened, and its message never comes.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_answered_in_time_is_told_to_be_unknown() {
    let served = limited("answer_timeout_ms = 30000", "answer_timeout_ms = 500");
    let mut caller = Grpc::new(channel(&served).await);
    caller.ready().await.unwrap();
    let codec: ProstCodec<PetitionRecordRequest, Receipt> = ProstCodec::default();
    let path = PathAndQuery::from_static("/mediation.desk.v1.PetitionDesk/Record");
    let asked = caller.client_streaming(Request::new(stream::pending()), path, codec);
    let status = timeout(SOON, asked).await.expect("it is answered").unwrap_err();
    assert_eq!(status.get_details_error_info().unwrap().reason, "OUTCOME_UNKNOWN", "{status:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_peer_that_gives_no_sign_of_life_is_closed() {
    let from = "keepalive_interval_ms = 30000\nkeepalive_timeout_ms = 10000";
    let served = limited(from, "keepalive_interval_ms = 200\nkeepalive_timeout_ms = 200");
    let mut alive = LogServiceClient::new(channel(&served).await);
    alive.get_checkpoint(GetCheckpointRequest::default()).await.unwrap();
    to_the_end(raw(&served).await).await;
    alive.get_checkpoint(GetCheckpointRequest::default()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_old_connection_ends_and_its_streams_are_gone_on_with_on_a_new_one() {
    let from = "connection_age_s = 1800\nconnection_age_grace_s = 60";
    let served = limited(from, "connection_age_s = 1\nconnection_age_grace_s = 1");
    let chain = chain_id();
    let record = async |act: ActRequest| {
        let act = PetitionRecordRequest::try_from(act).unwrap();
        PetitionDeskClient::new(channel(&served).await).record(act).await.unwrap();
    };
    record(registration(&chain, &event_id(), "排水渠堵塞")).await;
    let watch = async |from_revision| {
        let wanted = WatchChainRequest { chain_id: Some(chain.clone()), from_revision, reading: Some(reading(AGENCY)) };
        ChainServiceClient::new(channel(&served).await).watch_chain(wanted).await.unwrap().into_inner()
    };
    let mut entries = watch(0).await;
    assert_eq!(entries.message().await.unwrap().unwrap().receipt.unwrap().revision, 0);
    let cut = timeout(SOON, entries.message()).await.expect("it is cut").unwrap_err();
    assert!([Code::Unavailable, Code::Unknown, Code::Internal, Code::Cancelled].contains(&cut.code()), "{cut:?}");
    let mut entries = watch(1).await;
    record(follow_up(&chain)).await;
    assert_eq!(entries.message().await.unwrap().unwrap().receipt.unwrap().revision, 1);
}

/// CVE-2023-44487: requests that are taken back before they are looked at cost the peer nothing, and the server work.
#[tokio::test(flavor = "multi_thread")]
async fn who_takes_requests_back_faster_than_they_are_looked_at_is_cut_off() {
    let served = Served::new();
    let mut peer = raw(&served).await;
    let mut frames = Vec::new();
    for stream in (1_u32..4_000).step_by(2) {
        let number = stream.to_be_bytes();
        // HEADERS with END_STREAM and END_HEADERS: `:method POST`, `:scheme https`, `:path /`; then RST_STREAM with CANCEL.
        frames.extend([0, 0, 3, 1, 5].iter().chain(&number).chain(&[0x83, 0x87, 0x84]));
        frames.extend([0, 0, 4, 3, 0].iter().chain(&number).chain(&[0, 0, 0, 8]));
    }
    // It may be cut off before it has said all of it.
    drop(peer.write_all(&frames).await);
    let said = to_the_end(peer).await;
    // GOAWAY with ENHANCE_YOUR_CALM.
    let goodbye =
        said.windows(17).find(|frame| frame[3] == 7 && frame[4..9] == [0; 5] && frame[13..17] == [0, 0, 0, 11]);
    assert!(goodbye.is_some(), "{said:?}");
    let mut others = LogServiceClient::new(channel(&served).await);
    others.get_checkpoint(GetCheckpointRequest::default()).await.unwrap();
}
