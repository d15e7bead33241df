//! Matters between the centers over gRPC: handed in where they belong, handled jointly, followed; and the registry that says who is who.

use std::time::Duration;

use mediation_client::{Client, ClientError};
use mediation_ledger::merkle::hash_leaf;
use mediation_proto::mediation::{
    core::v1::{CoAgencyJoined, DisputeRegistered},
    handoff::v1::HandoffProposed,
    ledger::v1::{
        FindCenterRequest, FollowActsRequest, FollowedAct, GetAgencyRequest, HandleJointlyRequest, JointInvitation,
        ListAgenciesRequest, Reason, RecordStreamResponse, SubmitIntakeRequest, SubmitIntakeResponse,
        gateway_service_client::GatewayServiceClient, import_intakes_response,
        record_stream_response::Result as Recorded, registry_service_client::RegistryServiceClient,
    },
    types::v1::{
        ActHeader, AgencyKind, Center, Channel, DigestAlgorithm, DisputeType, Document, HandoffMode, HandoffPurpose,
        LateReason, Party, PartyCapacity, PartySide, PresenceMode, Role, Sensitivity,
    },
};
use prost_types::Timestamp;
use tonic::{Code, Status};
use tonic_types::StatusExt as _;

use crate::served::{Served, accusation, chain_id, event_id, registration};

/// 2024-03-04.
const DAY: Timestamp = Timestamp { seconds: 1_709_514_720, nanos: 0 };

/// Time within which a stream tells of what was sealed.
const WITHIN: Duration = Duration::from_secs(30);

fn header(signer: &str, role: Role) -> Option<ActHeader> {
    let (signer, late) = (Some(signer.to_owned()), Some(LateReason::PaperFirst.into()));
    Some(ActHeader { signer, signer_role: Some(role.into()), late_reason: late, ..ActHeader::default() })
}

/// A matter of a division that the county's procuratorate takes in, and that another center is to have.
fn matter(division: &str, center: Center) -> SubmitIntakeRequest {
    let party = |side: PartySide| Party {
        subject: Some("psn_3a2fe14dbb26e54c78eb71f1".to_owned()),
        side: Some(side.into()),
        capacity: Some(PartyCapacity::NaturalPerson.into()),
        minor: Some(false),
        ..Party::default()
    };
    let registered = DisputeRegistered {
        channel: Some(Channel::WalkIn.into()),
        division: Some(division.to_owned()),
        dispute_type: Some(DisputeType::Neighbour.into()),
        emergency: Some(false),
        parties: vec![party(PartySide::Applicant)],
        summary: Some("楼上漏水".to_owned()),
        ..DisputeRegistered::default()
    };
    let documents = vec![Document {
        kind: Some("移送函".to_owned()),
        digest_algorithm: Some(DigestAlgorithm::Sha256.into()),
        digest: Some("0a".repeat(32)),
        sensitivity: Some(Sensitivity::S1.into()),
        ..Document::default()
    }];
    let handoff = HandoffProposed {
        mode: Some(HandoffMode::Transfer.into()),
        purpose: Some(HandoffPurpose::Other.into()),
        legal_basis: Some("信访工作条例第二十二条".to_owned()),
        documents,
        ..HandoffProposed::default()
    };
    SubmitIntakeRequest {
        chain_id: Some(chain_id()),
        event_id: Some(event_id()),
        handoff_event_id: Some(event_id()),
        occurred_at: Some(DAY),
        wait: None,
        header: header("PR-FL/REG-1", Role::Reg),
        matter: Some(registered),
        center: Some(center.into()),
        handoff: Some(handoff),
    }
}

async fn procuratorate(served: &Served) -> Client {
    served.client("PR-FL", AgencyKind::Procuratorate).await
}

fn reason(error: &ClientError) -> String {
    error.told().expect("the ledger said it").reason
}

fn revision(answer: &RecordStreamResponse) -> u64 {
    let Some(Recorded::Receipt(receipt)) = &answer.result else { panic!("{answer:?}") };
    receipt.revision
}

fn leaf(answer: &RecordStreamResponse) -> Vec<u8> {
    let Some(Recorded::Receipt(receipt)) = &answer.result else { panic!("{answer:?}") };
    receipt.leaf_hash.to_vec()
}

/// The leaves of a registration and its handoff. Checkpoints of a receipt that is given again are later ones.
fn places(answer: &SubmitIntakeResponse) -> (Vec<u8>, Vec<u8>) {
    (answer.registered.as_ref().unwrap().leaf_hash.to_vec(), leaf(answer.handed_over.as_ref().unwrap()))
}

fn handed_over(answer: &SubmitIntakeResponse) -> u64 {
    revision(answer.handed_over.as_ref().unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_matter_goes_to_the_center_of_the_smallest_division_that_it_lies_in() {
    let served = Served::new();
    let own = procuratorate(&served).await;
    let cases = [
        ("360222104001", Center::Governance, "TC-FL-XH"),
        ("360222107", Center::Governance, "ZC-FL"),
        ("360222107", Center::DisputeMediation, "PMC-FL-SA"),
        ("360222", Center::LitigationService, "CT-FL"),
        ("360281", Center::PublicLegalService, "LA-LP"),
        ("360222", Center::PublicLegalService, "SF-JDZ"),
        ("360222", Center::PetitionReception, "XF-FL"),
    ];
    for (division, center, agency) in cases {
        let wanted = matter(division, center);
        let answer = own.submit_intake(wanted.clone()).await.unwrap_or_else(|error| panic!("{agency}: {error}"));
        assert_eq!((answer.agency.as_str(), handed_over(&answer)), (agency, 1), "{division} {center:?}");
        assert_eq!(answer.registered.as_ref().unwrap().revision, 0);
        // The agency to which it is proposed may read it.
        let kind = served_kind(agency);
        let chain = wanted.chain_id.clone().unwrap();
        let told = served.client(agency, kind).await.chain(&chain, None).await;
        assert_eq!(told.unwrap_or_else(|error| panic!("{agency}: {error}")).entries.len(), 2);
        // Sent again it is not done again.
        let again = own.submit_intake(wanted).await.unwrap();
        assert_eq!(places(&again), places(&answer));
    }
    let mine = own.submit_intake(matter("360222", Center::ProcuratorialService)).await.unwrap();
    assert_eq!((mine.agency.as_str(), mine.handed_over), ("PR-FL", None));
}

fn served_kind(agency: &str) -> AgencyKind {
    match agency.split('-').next().unwrap() {
        "TC" => AgencyKind::TownshipCenter,
        "ZC" => AgencyKind::GovernanceCenter,
        "PMC" => AgencyKind::Mediation,
        "CT" => AgencyKind::Court,
        "LA" => AgencyKind::LegalAid,
        "SF" => AgencyKind::Justice,
        "XF" => AgencyKind::Petition,
        other => panic!("{other}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_a_matter_that_cannot_go_where_it_should_nothing_is_recorded() {
    let served = Served::new();
    let own = procuratorate(&served).await;
    let changed = |change: fn(&mut SubmitIntakeRequest)| {
        let mut wanted = matter("360222", Center::LitigationService);
        change(&mut wanted);
        wanted
    };
    let refused = [
        ("CENTER_UNKNOWN", changed(|wanted| wanted.center = Some(Center::PsychologicalService.into()))),
        ("CENTER_UNKNOWN", changed(|wanted| wanted.handoff.as_mut().unwrap().target = Some("CT-LP".to_owned()))),
        ("CENTER_UNKNOWN", changed(|wanted| wanted.handoff.as_mut().unwrap().target = Some("苗岫".to_owned()))),
        ("MALFORMED", changed(|wanted| wanted.center = None)),
        ("MALFORMED", changed(|wanted| wanted.center = Some(99))),
        ("MALFORMED", changed(|wanted| wanted.matter = None)),
        ("MALFORMED", changed(|wanted| wanted.header = None)),
        ("MALFORMED", changed(|wanted| wanted.handoff = None)),
        ("MALFORMED", changed(|wanted| wanted.handoff.as_mut().unwrap().mode = None)),
        ("MALFORMED", changed(|wanted| wanted.handoff_event_id = None)),
        ("MALFORMED", changed(|wanted| wanted.occurred_at = None)),
        ("CENTER_UNKNOWN", changed(|wanted| wanted.matter.as_mut().unwrap().division = Some("999999".to_owned()))),
    ];
    for (code, wanted) in refused {
        let error = own.submit_intake(wanted.clone()).await.unwrap_err();
        assert_eq!(reason(&error), code, "{wanted:?}");
        let receipt = own.receipt(&wanted.chain_id.unwrap(), &wanted.event_id.unwrap()).await.unwrap_err();
        assert_eq!(reason(&receipt), "CHAIN_NOT_FOUND", "{code}");
    }
    // A chain that others have opened is not added to.
    let theirs = chain_id();
    let bureau = served.client("XF-FL", AgencyKind::Petition).await;
    bureau.record(registration(&theirs, &event_id(), "排水渠堵塞")).await.unwrap();
    let wanted = SubmitIntakeRequest { chain_id: Some(theirs), ..matter("360222", Center::LitigationService) };
    assert!(own.submit_intake(wanted).await.is_err());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_matters_have_an_answer_each_and_a_refusal_is_one_matters_own() {
    let served = Served::new();
    let mut gateway = GatewayServiceClient::new(served.connection(Some("PR-FL")).await.channel);
    let good = || matter("360222", Center::LitigationService);
    let bad = SubmitIntakeRequest { center: Some(Center::PsychologicalService.into()), ..good() };
    let matters = futures_util::stream::iter([good(), bad, good()]);
    let mut answers = gateway.import_intakes(matters).await.unwrap().into_inner();
    for expected in ["CT-FL", "", "CT-FL"] {
        match answers.message().await.unwrap().unwrap().result.unwrap() {
            import_intakes_response::Result::Submitted(submitted) => {
                assert_eq!((submitted.agency.as_str(), handed_over(&submitted)), (expected, 1));
            }
            import_intakes_response::Result::Refusal(refusal) => {
                assert_eq!((expected, refusal.code), ("", Code::FailedPrecondition as i32), "{refusal:?}");
            }
        }
    }
    assert!(answers.message().await.unwrap().is_none());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_center_has_agencies_handle_a_dispute_jointly() {
    let served = Served::new();
    let center = served.client("ZC-FL", AgencyKind::GovernanceCenter).await;
    let wanted =
        SubmitIntakeRequest { header: header("ZC-FL/REG-1", Role::Reg), ..matter("360222", Center::Governance) };
    let chain = wanted.chain_id.clone().unwrap();
    center.submit_intake(wanted).await.unwrap();
    let invitation = |agency: &str| JointInvitation {
        event_id: Some(event_id()),
        joined: Some(CoAgencyJoined {
            joined: Some(agency.to_owned()),
            presence_mode: Some(PresenceMode::Resident.into()),
            task: Some("核查排水管线".to_owned()),
            ..CoAgencyJoined::default()
        }),
    };
    let asked = |agencies: &[&str]| HandleJointlyRequest {
        chain_id: Some(chain.clone()),
        occurred_at: Some(DAY),
        wait: None,
        header: header("ZC-FL/DIR-1", Role::Dir),
        invitations: agencies.iter().map(|agency| invitation(agency)).collect(),
    };
    let many = ["CT-FL"; 21];
    for (agencies, why) in
        [(&["CT-FL", "CT-FL"][..], "twice"), (&["CT-FL", "XX-XX"], "unknown"), (&[], "none"), (&many, "many")]
    {
        assert_eq!(reason(&center.handle_jointly(asked(agencies)).await.unwrap_err()), "MALFORMED", "{why}");
    }
    let court = served.client("CT-FL", AgencyKind::Court).await;
    assert_eq!(reason(&court.chain(&chain, None).await.unwrap_err()), "CHAIN_NOT_FOUND", "nobody has joined");
    let joint = asked(&["CT-FL", "NR-FL"]);
    let answer = center.handle_jointly(joint.clone()).await.unwrap();
    assert_eq!(answer.results.iter().map(revision).collect::<Vec<_>>(), [1, 2]);
    let again = center.handle_jointly(joint).await.unwrap();
    assert_eq!(again.results.iter().map(leaf).collect::<Vec<_>>(), answer.results.iter().map(leaf).collect::<Vec<_>>());
    assert_eq!(court.chain(&chain, None).await.unwrap().entries.len(), 3);
    // One that is refused does not keep the others back.
    let mut some = asked(&["PR-FL", "SF-JDZ"]);
    some.invitations[0].joined.as_mut().unwrap().task = None;
    let results = center.handle_jointly(some).await.unwrap().results;
    assert!(
        matches!(&results[0].result, Some(Recorded::Refusal(refused)) if refused.code == Code::InvalidArgument as i32)
    );
    assert_eq!(revision(&results[1]), 3);
    // Who is no center has nobody join, and learns nothing of a chain that is not his.
    let petition = served.client("XF-FL", AgencyKind::Petition).await;
    let theirs = HandleJointlyRequest { header: header("XF-FL/PETO-1", Role::Peto), ..asked(&["CT-LP"]) };
    let told = petition.handle_jointly(theirs).await;
    let is_refused = told.as_ref().is_ok_and(|answer| matches!(answer.results[0].result, Some(Recorded::Refusal(_))));
    assert!(is_refused || told.is_err(), "{told:?}");
}

async fn followed(
    served: &Served,
    agency: &str,
    next: u64,
) -> tonic::Streaming<mediation_proto::mediation::ledger::v1::FollowActsResponse> {
    let mut gateway = GatewayServiceClient::new(served.connection(Some(agency)).await.channel);
    gateway.follow_acts(FollowActsRequest { next: Some(next) }).await.unwrap().into_inner()
}

/// The next so many acts of a stream, and where it goes on.
async fn acts(
    stream: &mut tonic::Streaming<mediation_proto::mediation::ledger::v1::FollowActsResponse>,
    count: usize,
) -> (Vec<FollowedAct>, u64) {
    let (mut acts, mut next) = (Vec::new(), 0);
    while acts.len() < count {
        let answer = tokio::time::timeout(WITHIN, stream.message()).await.expect("acts come").unwrap().unwrap();
        assert!(answer.next >= next, "a place never goes back");
        next = answer.next;
        acts.extend(answer.acts);
    }
    assert_eq!(acts.len(), count);
    (acts, next)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn acts_are_followed_live_by_whom_they_are_for_and_gone_on_with_after_a_kill() {
    let mut served = Served::new();
    let bureau = served.client("XF-FL", AgencyKind::Petition).await;
    let (own, restricted) = (chain_id(), chain_id());
    bureau.record(registration(&own, &event_id(), "排水渠堵塞")).await.unwrap();
    bureau.record(accusation(&restricted)).await.unwrap();
    let mut feed = followed(&served, "XF-FL", 0).await;
    let (known, next) = acts(&mut feed, 2).await;
    let chains: Vec<&str> = known.iter().map(|act| act.chain_id.as_str()).collect();
    assert_eq!(chains, [own.as_str(), restricted.as_str()]);
    for act in &known {
        assert_eq!(hash_leaf(&act.entry).0.as_slice(), act.leaf_hash.as_ref());
        assert_eq!((act.revision, act.agency.as_str()), (0, "XF-FL"));
        let (hash, _) = (act.leaf_hash.clone(), bureau.inclusion(act.leaf_index, None).await.unwrap());
        assert_eq!(hash.len(), 32);
    }
    // Live: what comes later comes without asking, and records of readings do not.
    bureau.chain(&own, None).await.unwrap();
    bureau.record(crate::streams::follow_up(&own)).await.unwrap();
    let (later, after) = acts(&mut feed, 1).await;
    assert_eq!((later[0].chain_id.as_str(), later[0].revision), (own.as_str(), 1));
    assert!(after > next);
    // A stranger is told of neither, the court of what is handed to it.
    let mut stranger = followed(&served, "GZ-JDZ", 0).await;
    let handed = matter("360222", Center::LitigationService);
    procuratorate(&served).await.submit_intake(handed.clone()).await.unwrap();
    let mut court = followed(&served, "CT-FL", 0).await;
    let (told, _) = acts(&mut court, 2).await;
    assert!(told.iter().all(|act| Some(&act.chain_id) == handed.chain_id.as_ref()));
    // A slow machine says on the way how far it has come.
    let mut come = 0;
    while come <= after {
        let nothing = tokio::time::timeout(Duration::from_secs(20), stranger.message()).await.expect("a sign of life");
        let nothing = nothing.unwrap().unwrap();
        assert!(nothing.acts.is_empty() && nothing.next >= come, "{nothing:?}");
        come = nothing.next;
    }
    // Killed and started anew, who comes with his place misses nothing and is told nothing twice.
    served.kill();
    served.start();
    let bureau = served.client("XF-FL", AgencyKind::Petition).await;
    bureau.record(crate::streams::follow_up(&own)).await.unwrap();
    let mut feed = followed(&served, "XF-FL", after).await;
    let (last, _) = acts(&mut feed, 1).await;
    assert_eq!((last[0].chain_id.as_str(), last[0].revision), (own.as_str(), 2));
    served.stop();
    let ended: Status = loop {
        match feed.message().await {
            Ok(Some(answer)) => assert!(answer.acts.is_empty()),
            Ok(None) => panic!("a stream that ends says why"),
            Err(status) => break status,
        }
    };
    let reason = ended.get_details_error_info().map(|info| info.reason);
    assert!(
        reason.as_deref() == Some(Reason::LogUnavailable.info().name) || ended.code() == Code::Unavailable,
        "{ended:?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_registry_says_who_is_who() {
    let served = Served::new();
    let mut registry = RegistryServiceClient::new(served.connection(Some("XF-FL")).await.channel);
    let (mut ids, mut after) = (Vec::new(), None);
    loop {
        let wanted = ListAgenciesRequest { page_size: Some(20), after: after.take(), ..ListAgenciesRequest::default() };
        let page = registry.list_agencies(wanted).await.unwrap().into_inner();
        ids.extend(page.agencies.iter().map(|agency| agency.agency.clone()));
        if !page.more {
            break;
        }
        after = ids.last().cloned();
    }
    assert!(ids.is_sorted() && ids.len() > 40 && ids.contains(&"CT-FL".to_owned()), "{ids:?}");
    let courts = ListAgenciesRequest {
        kind: Some(AgencyKind::Court.into()),
        division: Some("360222".to_owned()),
        ..ListAgenciesRequest::default()
    };
    let courts = registry.list_agencies(courts).await.unwrap().into_inner().agencies;
    assert_eq!(courts.iter().map(|court| court.name.as_str()).collect::<Vec<_>>(), ["浮梁县人民法院"]);
    let wanted = |agency: &str| GetAgencyRequest { agency: Some(agency.to_owned()), on: None };
    let court = registry.get_agency(wanted("CT-FL")).await.unwrap().into_inner();
    assert_eq!((court.keys.len(), court.root_key_id.len()), (1, 64));
    assert!(court.keys.iter().all(|key| !key.replaced && key.revoked_as_of.is_none()));
    let center =
        FindCenterRequest { center: Some(Center::LitigationService.into()), division: Some("360222104".to_owned()) };
    let found = registry.find_center(center).await.unwrap().into_inner().agencies;
    assert_eq!(found.iter().map(|agency| agency.agency.as_str()).collect::<Vec<_>>(), ["CT-FL"]);
    let reason = |status: Status| status.get_details_error_info().unwrap().reason;
    assert_eq!(reason(registry.get_agency(wanted("XX-XX")).await.unwrap_err()), "AGENCY_NOT_FOUND");
    for wanted in [
        ListAgenciesRequest { page_size: Some(501), ..ListAgenciesRequest::default() },
        ListAgenciesRequest { kind: Some(99), ..ListAgenciesRequest::default() },
        ListAgenciesRequest { division: Some("浮梁".to_owned()), ..ListAgenciesRequest::default() },
    ] {
        assert_eq!(reason(registry.list_agencies(wanted).await.unwrap_err()), "MALFORMED");
    }
    let nowhere = FindCenterRequest { center: None, division: Some("36".to_owned()) };
    assert_eq!(reason(registry.find_center(nowhere).await.unwrap_err()), "MALFORMED");
}
