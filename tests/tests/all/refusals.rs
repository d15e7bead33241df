//! What a wrong request is told, over real mutual TLS: its own code, its own reason, both languages; and nothing changes.

use mediation_client::ClientError;
use mediation_proto::{
    ActRequest,
    mediation::{
        desk::v1::{PetitionRecordRequest, petition_desk_client::PetitionDeskClient},
        ledger::v1::act::Family,
        types::v1::{AgencyKind, StepRef},
    },
};
use serde_json::json;
use tonic::{Code, Status};
use tonic_types::StatusExt as _;

use crate::served::{Served, chain_id, event_id, registration, request};

/// Sends a request to the petition desk, whoever calls.
async fn petition(served: &Served, agency: Option<&str>, request: ActRequest) -> Result<u64, Status> {
    let mut desk = PetitionDeskClient::new(served.connection(agency).await.channel);
    let request = PetitionRecordRequest::try_from(request).unwrap();
    Ok(desk.record(request).await?.into_inner().revision)
}

/// Code and reason of a refusal; it must be told in Chinese and English, with an id to report.
fn told(status: &Status) -> (Code, String) {
    let info = status.get_details_error_info().expect("every refusal has a reason");
    assert_eq!(info.domain, "mediation-ledger");
    let localized = status.get_details_localized_message().expect("every refusal is told in Chinese");
    assert_eq!(localized.locale, "zh-CN");
    assert!(localized.message.chars().any(|letter| ('\u{4e00}'..='\u{9fff}').contains(&letter)));
    assert!(status.message().is_ascii() || status.message().contains('`'), "{}", status.message());
    assert!(status.get_details_request_info().is_some_and(|request| !request.request_id.is_empty()));
    (status.code(), info.reason)
}

/// A wrong request: what it is, who sends it, and what it is told.
struct Row(&'static str, Option<&'static str>, ActRequest, Code, &'static str);

const BUREAU: Option<&str> = Some("XF-FL");

fn fresh() -> ActRequest {
    registration(&chain_id(), &event_id(), "排水渠堵塞")
}

fn malformed_rows() -> Vec<Row> {
    let malformed = |what, request| Row(what, BUREAU, request, Code::InvalidArgument, "MALFORMED");
    let text = |length| registration(&chain_id(), &event_id(), &"渠".repeat(length));
    vec![
        malformed("no chain id", ActRequest { chain_id: None, ..fresh() }),
        malformed(
            "a number for a chain id",
            ActRequest { chain_id: Some("JF3602222024040800151".to_owned()), ..fresh() },
        ),
        malformed("an event id that is no UUIDv7", ActRequest { event_id: Some(chain_id()), ..fresh() }),
        malformed(
            "an event id that is the clock keeper's",
            ActRequest { event_id: Some("53d6506c-97c0-8064-8e78-0ca91cf4a1c8".to_owned()), ..fresh() },
        ),
        malformed("no business time", ActRequest { occurred_at: None, ..fresh() }),
        malformed("a text of 9 KB", text(3_000)),
        Row("a part of 300 KB", BUREAU, text(100_000), Code::InvalidArgument, "PART_TOO_LARGE"),
    ]
}

fn forbidden_rows() -> Vec<Row> {
    let register = |signer| request(&chain_id(), &event_id(), "DisputeRegistered", signer, "REG", registration_data());
    let denied = |what, agency, request, reason| Row(what, agency, request, Code::PermissionDenied, reason);
    vec![
        Row("no certificate", None, fresh(), Code::Unauthenticated, "NO_CERTIFICATE"),
        denied("a court at the petition desk", Some("CT-ZS"), fresh(), "WRONG_DESK"),
        denied("a signer of another agency", BUREAU, register("CT-ZS/REG-1"), "SIGNER_NOT_OF_AGENCY"),
        denied("a kind of act that is another agency's", BUREAU, other_kind(), "KIND_NOT_ALLOWED"),
    ]
}

fn other_kind() -> ActRequest {
    request(
        &chain_id(),
        &event_id(),
        "LeadAgencyAssigned",
        "XF-FL/DIR-1",
        "DIR",
        json!({"new_lead": "CT-ZS", "previous_released": true, "reason": "COMPETENCE"}),
    )
}

/// What is wrong only because of what stands on the chain: one registration with this event id.
fn chain_rows(chain: &str, event: &str) -> Vec<Row> {
    let reply = |chain: &str| request(chain, &event_id(), "PetitionReplied", "XF-FL/HEAD-1", "HEAD", reply_data());
    let mut dangling = reply(chain);
    dangling.act.header.as_mut().unwrap().causes = vec![StepRef { event_id: Some(event_id()) }];
    let visited = json!({"satisfaction": "SATISFIED", "relapse_signs": false});
    let judge = request(chain, &event_id(), "FollowUpVisited", "XF-FL/JUDGE-1", "JUDGE", visited);
    let stale = ActRequest { expected_revision: Some(0), ..registration(chain, &event_id(), "又一次") };
    let reused = registration(chain, event, "另一件事");
    let failed = |what, request, reason| Row(what, BUREAU, request, Code::FailedPrecondition, reason);
    vec![
        Row("a judge in a petition bureau", BUREAU, judge, Code::PermissionDenied, "ROLE_NOT_ALLOWED"),
        failed("a reply that opens a chain", reply(&chain_id()), "NOT_AN_OPENING_ACT"),
        failed("a cause that is not on the chain", dangling, "REFERENCE_UNKNOWN"),
        Row("a stale expected revision", BUREAU, stale, Code::Aborted, "REVISION_STALE"),
        Row("a reused event id", BUREAU, reused, Code::AlreadyExists, "EVENT_ID_REUSED"),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn every_wrong_request_has_its_own_code_and_reason_and_changes_nothing() {
    let served = Served::new();
    let client = served.client("XF-FL", AgencyKind::Petition).await;
    let (chain, event) = (chain_id(), event_id());
    let first = petition(&served, BUREAU, registration(&chain, &event, "排水渠堵塞")).await.unwrap();
    assert_eq!(first, 0);
    let size = client.trust().checkpoint(&client.checkpoint().await.unwrap()).unwrap().size;

    let wrong = malformed_rows().into_iter().chain(forbidden_rows()).chain(chain_rows(&chain, &event));
    for Row(what, agency, request, code, reason) in wrong {
        let status = petition(&served, agency, request).await.expect_err(what);
        assert_eq!(told(&status), (code, reason.to_owned()), "{what}: {status:?}");
    }
    let after = client.trust().checkpoint(&client.checkpoint().await.unwrap()).unwrap().size;
    assert_eq!(after, size, "refusals have moved the tree");
    let again = petition(&served, BUREAU, registration(&chain, &event, "排水渠堵塞")).await.unwrap();
    assert_eq!(again, 0, "the same event id with the same content answers the same receipt");
}

fn registration_data() -> serde_json::Value {
    json!({"channel": "WALK_IN", "division": "360222", "dispute_type": "LEASE", "emergency": false, "summary": "概要",
        "parties": [{"subject": "psn_3a2fe14dbb26e54c78eb71f1", "side": "APPLICANT", "capacity": "NATURAL_PERSON", "minor": false}]})
}

fn reply_data() -> serde_json::Value {
    json!({"result": "SUPPORTED", "law_basis": "信访工作条例第32条", "reasons": "事实清楚", "receipt_on": "2024-06-03",
        "review_right_told": true,
        "opinion": {"kind": "信访事项处理意见书", "digest_algorithm": "SHA_256", "digest": "ab".repeat(32), "pages": 2, "sensitivity": "S2"}})
}

#[tokio::test(flavor = "multi_thread")]
async fn a_malformed_request_names_every_wrong_field_in_both_languages() {
    let served = Served::new();
    let mut wrong = registration("no chain", "no event", "概要");
    wrong.occurred_at = None;
    let status = petition(&served, Some("XF-FL"), wrong).await.unwrap_err();
    let fields = status.get_details_bad_request().unwrap().field_violations;
    let names: Vec<&str> = fields.iter().map(|violation| violation.field.as_str()).collect();
    assert_eq!(names, ["chain_id", "event_id", "occurred_at"]);
    assert!(fields.iter().all(|violation| violation.description.contains('；')), "{fields:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chain_is_unknown_to_an_agency_that_has_no_part_in_it() {
    let served = Served::new();
    let chain = chain_id();
    petition(&served, Some("XF-FL"), registration(&chain, &event_id(), "排水渠堵塞")).await.unwrap();
    let court = served.client("CT-ZS", AgencyKind::Court).await;
    let stranger = court.chain(&chain, None).await.unwrap_err();
    let absent = court.chain(&chain_id(), None).await.unwrap_err();
    for (refused, what) in [(stranger, "a chain of others"), (absent, "no chain")] {
        let ClientError::Status(status) = refused else { panic!("{what}: {refused}") };
        assert_eq!(told(&status), (Code::NotFound, "CHAIN_NOT_FOUND".to_owned()), "{what}");
    }
    let own = served.client("XF-FL", AgencyKind::Petition).await.chain(&chain, None).await.unwrap();
    assert_eq!(own.entries.len(), 1);
    assert_eq!(own.entries.first().unwrap().parts.len(), 3, "the recorder sees all its parts");
    let audit = served.client("AUD-JDZ", AgencyKind::Audit).await.chain(&chain, None).await.unwrap();
    let entry = audit.entries.first().unwrap();
    assert_eq!(entry.parts.len(), 2, "the audit sees facts and narrative");
    assert_eq!(entry.masked.iter().map(|masked| masked.name()).collect::<Vec<_>>(), ["苗*"], "and no names");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_answers_each_act_in_order_and_a_refusal_for_its_own_act_only() {
    use mediation_proto::mediation::ledger::v1::record_stream_response::Result as Answer;
    let served = Served::new();
    let mut desk = PetitionDeskClient::new(served.connection(Some("XF-FL")).await.channel);
    let chains: Vec<String> = (0..20).map(|_| chain_id()).collect();
    let mut acts: Vec<ActRequest> = chains.iter().map(|chain| registration(chain, &event_id(), "排水渠堵塞")).collect();
    let wrong = acts.get_mut(7).unwrap();
    wrong.chain_id = None;
    let acts: Vec<PetitionRecordRequest> = acts.into_iter().map(|act| act.try_into().unwrap()).collect();
    let mut answers = desk.record_stream(futures_util::stream::iter(acts)).await.unwrap().into_inner();
    for (at, chain) in chains.iter().enumerate() {
        let answer = answers.message().await.unwrap().unwrap().result.unwrap();
        match answer {
            Answer::Receipt(receipt) => {
                assert_eq!(&receipt.chain_id, chain);
                served.trust().verify(&receipt).unwrap();
            }
            Answer::Refusal(status) => {
                assert_eq!((at, status.code), (7, Code::InvalidArgument as i32));
                assert!(status.details.iter().any(|detail| detail.type_url.ends_with("google.rpc.ErrorInfo")));
            }
        }
    }
    assert!(answers.message().await.unwrap().is_none());
}

/// The desks take the families they list and no others: a mediation committee has no way to say what only a court may.
#[test]
fn a_desk_s_request_cannot_hold_an_act_of_a_family_it_does_not_take() {
    let act = request(
        &chain_id(),
        &event_id(),
        "CaseFiled",
        "CT-ZS/JUDGE-1",
        "JUDGE",
        json!({"case_number": "(2024)赣0203民初1号", "number_type": "MIN_CHU", "cause_of_action": "租赁合同纠纷", "procedure": "SMALL_CLAIMS"}),
    );
    assert!(matches!(act.act.family, Some(Family::Court(_))));
    assert!(PetitionRecordRequest::try_from(act).is_err());
}
