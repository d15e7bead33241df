//! What stays open: streams of acts, watched chains, and how they end; and what every connection can ask.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use mediation_proto::{
    ActRequest,
    mediation::{
        desk::v1::{PetitionRecordRequest, petition_desk_client::PetitionDeskClient},
        ledger::v1::{
            ChainEntry, ReceiptLevel, WatchChainRequest, chain_service_client::ChainServiceClient,
            record_stream_response::Result as Answer,
        },
    },
};
use serde_json::json;
use tonic::{Code, Status, Streaming};
use tonic_health::pb::{HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient};
use tonic_reflection::pb::v1::{
    ServerReflectionRequest, server_reflection_client::ServerReflectionClient,
    server_reflection_request::MessageRequest, server_reflection_response::MessageResponse,
};
use tonic_types::StatusExt as _;

use crate::served::{Served, accusation, chain_id, event_id, reading, registration, request};

const BUREAU: Option<&str> = Some("XF-FL");
const AUDIT: Option<&str> = Some("AUD-JDZ");
const COURT: Option<&str> = Some("CT-FL");

/// A server that waits for open streams takes longer to stop.
const STOP_MAX: Duration = Duration::from_secs(8);

pub(crate) fn follow_up(chain: &str) -> ActRequest {
    let data = json!({"satisfaction": "SATISFIED", "relapse_signs": false});
    request(chain, &event_id(), "FollowUpVisited", "XF-FL/REG-1", "REG", data)
}

async fn bureau(served: &Served) -> PetitionDeskClient<tonic::transport::Channel> {
    PetitionDeskClient::new(served.connection(BUREAU).await.channel)
}

async fn record(served: &Served, act: ActRequest) {
    bureau(served).await.record(PetitionRecordRequest::try_from(act).unwrap()).await.unwrap();
}

async fn watch(served: &Served, agency: Option<&str>, chain: &str, from_revision: u64) -> Streaming<ChainEntry> {
    let mut service = ChainServiceClient::new(served.connection(agency).await.channel);
    let wanted = WatchChainRequest { chain_id: Some(chain.to_owned()), from_revision, reading: agency.map(reading) };
    service.watch_chain(wanted).await.unwrap().into_inner()
}

fn reason(status: &Status) -> (Code, String) {
    assert!(status.get_details_localized_message().is_some(), "{status:?}");
    (status.code(), status.get_details_error_info().unwrap().reason)
}

#[tokio::test(flavor = "multi_thread")]
async fn sixty_acts_of_one_stream_on_one_chain_keep_their_order() {
    let served = Served::new();
    let chain = chain_id();
    let mut acts = vec![registration(&chain, &event_id(), "排水渠堵塞")];
    acts.extend((1..60).map(|_| follow_up(&chain)));
    let sent: Vec<String> = acts.iter().map(|act| act.event_id.clone().unwrap()).collect();
    let acts: Vec<PetitionRecordRequest> = acts.into_iter().map(|act| act.try_into().unwrap()).collect();
    let mut answers = bureau(&served).await.record_stream(futures_util::stream::iter(acts)).await.unwrap().into_inner();
    for (revision, event_id) in (0..).zip(&sent) {
        let answer = answers.message().await.unwrap().unwrap().result.unwrap();
        let Answer::Receipt(receipt) = answer else { panic!("{answer:?}") };
        assert_eq!((receipt.revision, &receipt.event_id), (revision, event_id));
        served.trust().verify(&receipt).unwrap();
    }
    assert!(answers.message().await.unwrap().is_none());
}

/// Streams are polled by the transport only while their readers take more. One that stood in line for a lock when its reader stopped
/// once stopped the whole process.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn readers_who_stop_hold_nobody_else_up() {
    let served = Served::new();
    let chains: Vec<String> = (0..4).map(|_| chain_id()).collect();
    let mut stopped = Vec::new();
    for chain in &chains {
        record(&served, registration(chain, &event_id(), "排水渠堵塞")).await;
        let connection = served.connection(BUREAU).await;
        for _ in 0..STOPPED {
            let mut service = ChainServiceClient::new(connection.channel.clone());
            let wanted =
                WatchChainRequest { chain_id: Some(chain.clone()), from_revision: 0, reading: Some(reading("XF-FL")) };
            let mut entries = service.watch_chain(wanted).await.unwrap().into_inner();
            assert_eq!(entries.message().await.unwrap().unwrap().receipt.unwrap().revision, 0);
            stopped.push(entries);
        }
    }
    // Neither does who sends many acts and takes no answer.
    let own = chain_id();
    let acts = std::iter::once(registration(&own, &event_id(), "")).chain((0..500).map(|_| follow_up(&own)));
    let acts: Vec<PetitionRecordRequest> = acts.map(|act| act.try_into().unwrap()).collect();
    let answers = bureau(&served).await.record_stream(futures_util::stream::iter(acts)).await.unwrap().into_inner();
    let mut recorders = tokio::task::JoinSet::new();
    for chain in chains {
        let acts = (0..FOLLOWED).map(|_| follow_up(&chain).try_into().unwrap()).collect();
        let mut bureau = bureau(&served).await;
        recorders.spawn(async move {
            let acts: Vec<PetitionRecordRequest> = acts;
            let mut answers = bureau.record_stream(futures_util::stream::iter(acts)).await.unwrap().into_inner();
            for at in 0..FOLLOWED {
                let answer = tokio::time::timeout(ANSWERED_WITHIN, answers.message()).await;
                let answer = answer.unwrap_or_else(|_| panic!("act {at} is not answered while others do not read"));
                assert!(matches!(answer.unwrap().unwrap().result, Some(Answer::Receipt(_))));
            }
        });
    }
    recorders.join_all().await;
    drop(answers);
    // All at once: they share what their connection takes.
    let mut readers = tokio::task::JoinSet::new();
    for mut entries in stopped {
        readers.spawn(async move {
            for revision in 1..=FOLLOWED {
                assert_eq!(entries.message().await.unwrap().unwrap().receipt.unwrap().revision, revision);
            }
        });
    }
    readers.join_all().await;
}

/// Readers who stop, and acts that are recorded meanwhile: together more bytes than their connection takes.
const STOPPED: usize = 50;
const FOLLOWED: u64 = 120;

/// An act that takes longer is not going to be answered.
const ANSWERED_WITHIN: Duration = Duration::from_secs(25);

#[tokio::test(flavor = "multi_thread")]
async fn a_watched_chain_shows_what_stands_then_what_comes_sealed_and_ends_when_the_server_stops() {
    let mut served = Served::new();
    let chain = chain_id();
    record(&served, registration(&chain, &event_id(), "排水渠堵塞")).await;
    record(&served, follow_up(&chain)).await;
    let mut all = watch(&served, BUREAU, &chain, 0).await;
    let mut later = watch(&served, AUDIT, &chain, 2).await;
    for revision in 0..5 {
        if revision >= 2 {
            record(&served, follow_up(&chain)).await;
        }
        let receipt = all.message().await.unwrap().unwrap().receipt.unwrap();
        assert_eq!((receipt.revision, receipt.level()), (revision, ReceiptLevel::Sealed));
        served.trust().verify(&receipt).unwrap();
    }
    for revision in 2..5 {
        assert_eq!(later.message().await.unwrap().unwrap().receipt.unwrap().revision, revision);
    }
    let asked = Instant::now();
    tokio::task::block_in_place(|| served.stop());
    assert!(asked.elapsed() < STOP_MAX, "stopping took {:?}", asked.elapsed());
    for watched in [&mut all, &mut later] {
        let ended = watched.message().await.unwrap_err();
        assert_eq!(reason(&ended), (Code::Unavailable, "LOG_UNAVAILABLE".to_owned()));
        assert!(ended.get_details_retry_info().is_some());
    }
    assert!(served.verify().1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_open_stream_of_acts_is_answered_to_the_last_and_told_that_the_server_stops() {
    let mut served = Served::new();
    let chain = chain_id();
    let act = PetitionRecordRequest::try_from(registration(&chain, &event_id(), "排水渠堵塞")).unwrap();
    let acts = futures_util::StreamExt::chain(futures_util::stream::iter([act]), futures_util::stream::pending());
    let mut answers = bureau(&served).await.record_stream(acts).await.unwrap().into_inner();
    let answer = answers.message().await.unwrap().unwrap().result.unwrap();
    assert!(matches!(answer, Answer::Receipt(_)), "{answer:?}");
    let asked = Instant::now();
    tokio::task::block_in_place(|| served.stop());
    assert!(asked.elapsed() < STOP_MAX, "stopping took {:?}", asked.elapsed());
    assert_eq!(reason(&answers.message().await.unwrap_err()), (Code::Unavailable, "LOG_UNAVAILABLE".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_not_know_of_an_accusation_sees_nothing_more_of_a_chain_that_carries_one() {
    let served = Served::new();
    let chain = chain_id();
    record(&served, registration(&chain, &event_id(), "排水渠堵塞")).await;
    let letter = json!({"kind": "移送函", "digest_algorithm": "SHA_256", "digest": "00".repeat(32), "pages": 1, "sensitivity": "S1"});
    let data = json!({"mode": "TRANSFER", "target": "CT-FL", "purpose": "PRE_FILING_MEDIATION", "legal_basis": "信访工作条例第三十一条",
        "documents": [letter]});
    record(&served, request(&chain, &event_id(), "HandoffProposed", "XF-FL/REG-1", "REG", data)).await;
    let (mut court, mut own) = (watch(&served, COURT, &chain, 0).await, watch(&served, BUREAU, &chain, 0).await);
    for revision in 0..2 {
        assert_eq!(court.message().await.unwrap().unwrap().receipt.unwrap().revision, revision);
    }
    record(&served, accusation(&chain)).await;
    let ended = court.message().await.unwrap_err();
    assert_eq!(reason(&ended), (Code::NotFound, "CHAIN_NOT_FOUND".to_owned()));
    for revision in 0..3 {
        assert_eq!(own.message().await.unwrap().unwrap().receipt.unwrap().revision, revision);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_the_transport_refuses_is_told_why_like_any_other() {
    let served = Served::new();
    let huge = PetitionRecordRequest::try_from(registration(&chain_id(), &event_id(), &"渠".repeat(300_000))).unwrap();
    let told = (Code::InvalidArgument, "PART_TOO_LARGE".to_owned());
    let status = bureau(&served).await.record(huge.clone()).await.unwrap_err();
    assert_eq!(reason(&status), told);
    let acts = futures_util::stream::iter([huge]);
    let mut answers = bureau(&served).await.record_stream(acts).await.unwrap().into_inner();
    assert_eq!(reason(&answers.message().await.unwrap_err()), told);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_enrolment_at_a_desk_is_refused_since_its_key_may_not_sign_it() {
    let served = Served::new();
    let chain = chain_id();
    record(&served, registration(&chain, &event_id(), "排水渠堵塞")).await;
    let data =
        json!({"agency": "XF-FL", "algorithm": "ED25519", "valid_from": "2024-01-01", "public_key": "ab".repeat(32)});
    let enrolled = request(&chain, &event_id(), "AgencyKeyEnrolled", "XF-FL/SYS-1", "SYS", data);
    let status = bureau(&served).await.record(PetitionRecordRequest::try_from(enrolled).unwrap()).await.unwrap_err();
    assert_eq!(reason(&status), (Code::PermissionDenied, "KEY_NOT_HELD".to_owned()));
}

#[tokio::test(flavor = "multi_thread")]
async fn probes_are_answered_without_a_certificate_and_nothing_else_is() {
    let mut served = Served::new();
    served.stop();
    let file = served.path().join("mediation.toml");
    let configuration = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, format!("{configuration}\n[health]\nlisten = \"127.0.0.1:0\"\n")).unwrap();
    served.start();
    let plain = format!("http://{}", served.health.as_deref().unwrap());
    let channel = tonic::transport::Endpoint::new(plain).unwrap().connect().await.unwrap();
    let mut health = HealthClient::new(channel.clone());
    // The listener for probes is there before the services are.
    let mut statuses = health.watch(HealthCheckRequest::default()).await.unwrap().into_inner();
    while statuses.message().await.unwrap().unwrap().status() != ServingStatus::Serving {}
    for service in ["", "liveness", "mediation.desk.v1.CourtDesk"] {
        let asked = HealthCheckRequest { service: service.to_owned() };
        let answer = health.check(asked).await.unwrap_or_else(|status| panic!("{service}: {status}")).into_inner();
        assert_eq!(answer.status(), ServingStatus::Serving, "{service}");
    }
    let mut reflection = ServerReflectionClient::new(channel);
    let refused = reflection.server_reflection_info(futures_util::stream::iter([])).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unimplemented);
}

#[tokio::test(flavor = "multi_thread")]
async fn health_and_reflection_answer() {
    let served = Served::new();
    let mut health = HealthClient::new(served.connection(None).await.channel);
    for service in
        ["", "mediation.desk.v1.CourtDesk", "mediation.ledger.v1.ChainService", "mediation.ledger.v1.LogService"]
    {
        let asked = HealthCheckRequest { service: service.to_owned() };
        let answer = health.check(asked).await.unwrap_or_else(|status| panic!("{service}: {status}")).into_inner();
        assert_eq!(answer.status(), ServingStatus::Serving, "{service}");
    }
    let mut reflection = ServerReflectionClient::new(served.connection(None).await.channel);
    let list = MessageRequest::ListServices(String::new());
    let asked = ServerReflectionRequest { host: String::new(), message_request: Some(list) };
    let mut answers =
        reflection.server_reflection_info(futures_util::stream::iter([asked])).await.unwrap().into_inner();
    let answer = answers.message().await.unwrap().unwrap().message_response.unwrap();
    let MessageResponse::ListServicesResponse(listed) = answer else { panic!("{answer:?}") };
    let names: Vec<String> = listed.service.into_iter().map(|service| service.name).collect();
    for name in ["mediation.desk.v1.PetitionDesk", "mediation.ledger.v1.LogService", "grpc.health.v1.Health"] {
        assert!(names.iter().any(|known| known == name), "{name} is not among {names:?}");
    }
}

/// Two ledgers whose certificates come from the same authorities still keep their agencies apart.
#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_of_another_ledger_s_trust_domain_is_refused() {
    let mut served = Served::new();
    let other = tempfile::tempdir().unwrap();
    let founded = std::process::Command::new(crate::served::mediation())
        .args(["init", "--json", "--origin", "other.example/main", "--dir"])
        .arg(other.path().join("ledger"))
        .output()
        .unwrap();
    assert!(founded.status.success());
    served.stop();
    let (own, foreign) = (served.path().join("pki"), other.path().join("ledger").join("pki"));
    let read = |path: &Path| std::fs::read_to_string(path).unwrap();
    let both = read(&own.join("authority.pem")) + &read(&foreign.join("authority.pem"));
    std::fs::write(own.join("authority.pem"), both).unwrap();
    std::fs::create_dir(own.join("agencies").join("FOREIGN")).unwrap();
    for file in ["certificate.pem", "certificate.key"] {
        let from = foreign.join("agencies").join("XF-FL").join(file);
        std::fs::copy(from, own.join("agencies").join("FOREIGN").join(file)).unwrap();
    }
    served.start();
    let mut desk = PetitionDeskClient::new(served.connection(Some("FOREIGN")).await.channel);
    let act = PetitionRecordRequest::try_from(registration(&chain_id(), &event_id(), "排水渠堵塞")).unwrap();
    let status = desk.record(act).await.unwrap_err();
    assert_eq!(reason(&status), (Code::Unauthenticated, "CERTIFICATE_UNKNOWN".to_owned()));
    record(&served, registration(&chain_id(), &event_id(), "排水渠堵塞")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn peers_who_say_nothing_do_not_keep_others_out() {
    let served = Served::new();
    let silent: Vec<_> = (0..400).map(|_| std::net::TcpStream::connect(&served.address).unwrap()).collect();
    let recorded = tokio::time::timeout(
        Duration::from_secs(5),
        record(&served, registration(&chain_id(), &event_id(), "排水渠堵塞")),
    );
    recorded.await.expect("the connection comes up");
    drop(silent);
}
