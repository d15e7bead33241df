//! An agency that floods a process is held up, and nobody else.

use std::time::Duration;

use mediation_proto::mediation::{
    desk::v1::{PetitionRecordRequest, petition_desk_client::PetitionDeskClient},
    ledger::v1::{GetChainRequest, chain_service_client::ChainServiceClient, record_stream_response::Result as Answer},
};
use tonic::{Code, Status, transport::Channel};
use tonic_types::StatusExt as _;

use crate::served::{Served, chain_id, event_id, reading, registration};

const BUREAU: Option<&str> = Some("XF-FL");
const AUDIT: Option<&str> = Some("AUD-JDZ");

/// Requests of the flood: more than the quota lets through in any time that the test may take.
const FLOOD: usize = 200;

/// A ledger at which each agency has a request a second, and five at once.
fn narrow() -> Served {
    let mut served = Served::new();
    served.stop();
    let file = served.path().join("mediation.toml");
    let configuration = std::fs::read_to_string(&file).unwrap();
    let given = ["requests_per_second = 4000", "burst = 8000"];
    assert!(given.iter().all(|line| configuration.contains(line)), "{configuration}");
    let narrow = configuration.replace(given[0], "requests_per_second = 1").replace(given[1], "burst = 5");
    std::fs::write(&file, narrow).unwrap();
    served.start();
    served
}

async fn bureau(served: &Served) -> PetitionDeskClient<Channel> {
    PetitionDeskClient::new(served.connection(BUREAU).await.channel)
}

/// Whether the quota refused it; everything else is a failure.
fn is_over_quota(status: &Status) -> bool {
    let info = status.get_details_error_info().unwrap();
    assert_eq!((status.code(), info.reason.as_str()), (Code::ResourceExhausted, "QUOTA_EXCEEDED"), "{status:?}");
    assert_eq!(info.metadata.get("agency").map(String::as_str), BUREAU);
    assert!(status.get_details_localized_message().unwrap().message.contains("每秒 1 次"), "{status:?}");
    let delay = status.get_details_retry_info().unwrap().retry_delay.unwrap();
    delay > Duration::ZERO && delay <= Duration::from_millis(1_001)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_one_agency_is_refused_changes_nothing_and_leaves_the_others_alone() {
    let served = narrow();
    let desk = bureau(&served).await;
    let requests = (0..FLOOD).map(|_| {
        let (mut desk, chain) = (desk.clone(), chain_id());
        async move {
            let act = PetitionRecordRequest::try_from(registration(&chain, &event_id(), "排水渠堵塞")).unwrap();
            (chain, desk.record(act).await)
        }
    });
    let answers = futures_util::future::join_all(requests).await;
    let refused: Vec<&str> = answers
        .iter()
        .filter_map(|(chain, answer)| {
            answer.as_ref().err().filter(|status| is_over_quota(status)).map(|_| chain.as_str())
        })
        .collect();
    assert!(answers.len() - refused.len() >= 5, "the quota lets five through at once");
    assert!(refused.len() > FLOOD / 2, "only {} were refused", refused.len());

    let recorded = answers.iter().find(|(_, answer)| answer.is_ok()).unwrap().0.clone();
    let mut chains = ChainServiceClient::new(served.connection(AUDIT).await.channel);
    let mut known = async |chain: &str| {
        let wanted = GetChainRequest {
            chain_id: Some(chain.to_owned()),
            reading: AUDIT.map(reading),
            ..GetChainRequest::default()
        };
        chains.get_chain(wanted).await.map_err(|status| status.code())
    };
    assert!(known(&recorded).await.is_ok(), "another agency reads on");
    assert_eq!(known(refused[0]).await.unwrap_err(), Code::NotFound, "what was refused does not exist");
}

#[tokio::test(flavor = "multi_thread")]
async fn acts_of_a_stream_wait_for_the_quota_and_are_all_recorded_in_order() {
    let served = narrow();
    let chains: Vec<String> = (0..8).map(|_| chain_id()).collect();
    let acts: Vec<PetitionRecordRequest> =
        chains.iter().map(|chain| registration(chain, &event_id(), "排水渠堵塞").try_into().unwrap()).collect();
    let mut answers = bureau(&served).await.record_stream(futures_util::stream::iter(acts)).await.unwrap().into_inner();
    for chain in &chains {
        let Some(Answer::Receipt(receipt)) = answers.message().await.unwrap().unwrap().result else {
            panic!("refused")
        };
        assert_eq!(receipt.chain_id, *chain);
    }
    assert!(answers.message().await.unwrap().is_none());
}

#[tokio::test(flavor = "multi_thread")]
async fn acts_that_wait_for_the_quota_do_not_hold_up_a_server_that_stops() {
    let mut served = narrow();
    let acts = (0..60).map(|_| registration(&chain_id(), &event_id(), "排水渠堵塞").try_into().unwrap());
    let acts: Vec<PetitionRecordRequest> = acts.collect();
    let mut answers = bureau(&served).await.record_stream(futures_util::stream::iter(acts)).await.unwrap().into_inner();
    let first = answers.message().await.unwrap().unwrap().result.unwrap();
    assert!(matches!(first, Answer::Receipt(_)), "{first:?}");
    // A minute of the quota's time is waited for. The process stops in good order, or this panics.
    tokio::task::block_in_place(|| served.stop());
    let mut recorded = 1;
    let ended = loop {
        match answers.message().await {
            Ok(Some(answer)) if matches!(answer.result, Some(Answer::Receipt(_))) => recorded += 1,
            ended => break ended.unwrap_err(),
        }
    };
    let told = ended.get_details_error_info().unwrap().reason;
    assert_eq!((ended.code(), told.as_str()), (Code::Unavailable, "LOG_UNAVAILABLE"));
    assert!(recorded < 60, "nothing has waited");
    assert!(served.verify().1);
}
