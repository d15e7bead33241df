//! Lists of chains and of duties: what stands in them, for whom, and that nothing shows that is not for the reader.

use std::time::{Duration, SystemTime};

use mediation_client::{Client, ClientError};
use mediation_proto::{
    ActRequest,
    mediation::{
        ledger::v1::{ListDutiesRequest, SearchChainsRequest},
        types::v1::{AgencyKind, DisputeType, Role},
    },
};
use serde_json::json;

use crate::{
    model::followed,
    served::{Served, accusation, chain_id, event_id, reading, registration, request},
};

/// Time within which the index has followed what is recorded.
const WITHIN: Duration = Duration::from_secs(60);

/// An agency that reads in a role.
async fn reader(served: &Served, agency: &str, kind: AgencyKind, role: Role) -> Client {
    let mut reading = reading(agency);
    reading.role = Some(role.into());
    served.client(agency, kind).await.reading(reading)
}

/// Waits until the index has followed everything that is sealed now, but for the readings that waiting itself records.
pub(crate) async fn indexed(served: &Served) {
    let client = served.client("AUD-JDZ", AgencyKind::Audit).await;
    let note = client.checkpoint().await.unwrap();
    let size = client.trust().checkpoint(&note).unwrap().size.0;
    let followed_it = async {
        while followed(&served.path()).is_none_or(|entries| entries < size) {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(WITHIN, followed_it).await.expect("the index follows the log");
}

async fn found(client: &Client, wanted: SearchChainsRequest) -> Vec<String> {
    let answer = client.search(wanted).await.unwrap();
    assert_eq!(answer.next_page_token, "");
    answer.chains.into_iter().map(|chain| chain.chain_id).collect()
}

fn all() -> SearchChainsRequest {
    SearchChainsRequest::default()
}

fn reason(error: &ClientError) -> String {
    error.told().expect("the ledger said it").reason
}

/// Disputes that the petition bureau of a county registers, one after the other.
async fn registered(served: &Served, count: usize) -> Vec<String> {
    let bureau = served.client("XF-FL", AgencyKind::Petition).await;
    let mut chains = Vec::new();
    for at in 0..count {
        let chain = chain_id();
        bureau.record(registration(&chain, &event_id(), &format!("第 {at} 件"))).await.unwrap();
        chains.push(chain);
    }
    chains
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_search_finds_what_the_reader_may_know_and_is_on_record() {
    let served = Served::new();
    let chains = registered(&served, 2).await;
    indexed(&served).await;
    let bureau = reader(&served, "XF-FL", AgencyKind::Petition, Role::Reg).await;
    let answer = bureau.search(all()).await.unwrap();
    assert_eq!(answer.chains.len(), 2);
    for chain in &answer.chains {
        assert!(chains.contains(&chain.chain_id));
        assert_eq!(chain.dispute_type(), DisputeType::PublicWorksDamage);
        assert_eq!((chain.opening_event.as_str(), chain.acts), ("DisputeRegistered", 1));
        assert_eq!((chain.lead.as_deref(), chain.outcome.as_deref()), (Some("XF-FL"), None));
    }
    let audit = reader(&served, "AUD-JDZ", AgencyKind::Audit, Role::Aud).await;
    assert_eq!(found(&audit, all()).await.len(), 2);
    let stranger = reader(&served, "GZ-JDZ", AgencyKind::Notary, Role::Reg).await;
    assert!(found(&stranger, all()).await.is_empty());
    let (chain, _) = chains.split_first().unwrap();
    let accesses = bureau.accesses(chain, None, None).await.unwrap().rows;
    let readers: Vec<&str> = accesses.iter().map(|row| row.agency.as_str()).collect();
    assert!(readers.contains(&"XF-FL") && readers.contains(&"AUD-JDZ"), "{readers:?}");
    assert!(!readers.contains(&"GZ-JDZ"), "who was told of nothing has read nothing: {readers:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn conditions_find_by_what_the_reader_is_told_alone() {
    let served = Served::new();
    let chains = registered(&served, 2).await;
    let bureau = served.client("XF-FL", AgencyKind::Petition).await;
    let (restricted, open) = (&chains[0], &chains[1]);
    bureau.record(accusation(restricted)).await.unwrap();
    indexed(&served).await;
    let reads = reader(&served, "XF-FL", AgencyKind::Petition, Role::Peto).await;
    let audit = reader(&served, "AUD-JDZ", AgencyKind::Audit, Role::Aud).await;
    let of_type = |kind: DisputeType| SearchChainsRequest { dispute_type: Some(kind.into()), ..all() };
    assert_eq!(found(&reads, of_type(DisputeType::PublicWorksDamage)).await.len(), 2);
    assert!(found(&reads, of_type(DisputeType::MarriageFamily)).await.is_empty());
    let with = |agency: &str| SearchChainsRequest { agency: Some(agency.to_owned()), ..all() };
    assert!(found(&audit, with("CT-FL")).await.is_empty());
    assert_eq!(found(&audit, with("XF-FL")).await.len(), 2);
    let until = SearchChainsRequest { opened_to: Some("2001-01-01".to_owned()), ..all() };
    assert!(found(&audit, until).await.is_empty());
    assert_eq!(found(&audit, SearchChainsRequest { open: true, ..all() }).await.len(), 2);
    let other = reader(&served, "TG-FL-SA", AgencyKind::TownshipGovernment, Role::Adm).await;
    for wanted in [all(), with("XF-FL"), of_type(DisputeType::PublicWorksDamage)] {
        let told = other.search(wanted).await.unwrap();
        assert!(told.chains.is_empty() && told.next_page_token.is_empty(), "{told:?} {restricted} {open}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pages_hold_every_chain_once_and_their_tokens_are_for_one_agency() {
    let served = Served::new();
    let mut chains = registered(&served, 5).await;
    indexed(&served).await;
    let bureau = reader(&served, "XF-FL", AgencyKind::Petition, Role::Reg).await;
    let audit = reader(&served, "AUD-JDZ", AgencyKind::Audit, Role::Aud).await;
    let (mut paged, mut token) = (Vec::new(), None);
    loop {
        let wanted = SearchChainsRequest { page_size: Some(2), page_token: token, ..all() };
        let answer = bureau.search(wanted).await.unwrap();
        assert!(answer.chains.len() <= 2);
        paged.extend(answer.chains.into_iter().map(|chain| chain.chain_id));
        if answer.next_page_token.is_empty() {
            break;
        }
        let stolen = SearchChainsRequest { page_token: Some(answer.next_page_token.clone()), ..all() };
        assert_eq!(reason(&audit.search(stolen).await.unwrap_err()), "MALFORMED");
        token = Some(answer.next_page_token);
    }
    paged.sort();
    chains.sort();
    assert_eq!(paged, chains);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn malformed_conditions_are_named_all_at_once() {
    let served = Served::new();
    let bureau = reader(&served, "XF-FL", AgencyKind::Petition, Role::Reg).await;
    let wanted = SearchChainsRequest {
        chain_no: Some("J".repeat(22)),
        dispute_type: Some(9_999),
        opened_from: Some("2024-02-30".to_owned()),
        page_size: Some(101),
        page_token: Some("none".to_owned()),
        ..all()
    };
    let error = bureau.search(wanted).await.unwrap_err();
    let told = error.told().unwrap();
    for field in ["chain_no", "dispute_type", "opened_from", "page_size", "page_token"] {
        assert!(told.en.contains(field) && told.zh.contains(field), "{field}: {told:?}");
    }
    let silent = served.client("XF-FL", AgencyKind::Petition).await;
    let unsaid = Client::clone(&silent).reading(mediation_proto::mediation::ledger::v1::Reading::default());
    assert_eq!(reason(&unsaid.search(all()).await.unwrap_err()), "MALFORMED");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_docket_holds_what_an_agency_has_to_do_until_it_is_done() {
    let served = Served::new();
    let chain = chain_id();
    let bureau = served.client("XF-FL", AgencyKind::Petition).await;
    bureau.record(today(registration(&chain, &event_id(), "排水渠堵塞"))).await.unwrap();
    let data = json!({"form": "VISIT", "kind": "CLAIM", "headcount": 1, "direct": true, "origin": "DIRECT"});
    let received = event_id();
    bureau.record(today(request(&chain, &received, "PetitionReceived", "XF-FL/PETO-1", "PETO", data))).await.unwrap();
    indexed(&served).await;
    let reads = reader(&served, "XF-FL", AgencyKind::Petition, Role::Peto).await;
    let answer = reads.duties(ListDutiesRequest::default()).await.unwrap();
    let clock = answer.duties.iter().find(|duty| duty.code == "XF-1").unwrap();
    assert_eq!((clock.kind.as_str(), clock.chain_id.as_str(), clock.revision), ("CLOCK", chain.as_str(), Some(1)));
    assert!(clock.due.as_ref() > Some(&answer.as_of) && clock.days_late == 0, "{clock:?}");
    assert!(found(&reads, SearchChainsRequest { overdue: true, ..all() }).await.is_empty());
    // What is due in a fortnight is not due today.
    let by_today = ListDutiesRequest { due_to: Some(answer.as_of.clone()), ..ListDutiesRequest::default() };
    assert!(reads.duties(by_today).await.unwrap().duties.is_empty());
    // The audit sees another agency's docket, nobody else does.
    let of = |agency: &str| ListDutiesRequest { agency: Some(agency.to_owned()), ..ListDutiesRequest::default() };
    let audit = reader(&served, "AUD-JDZ", AgencyKind::Audit, Role::Aud).await;
    assert!(audit.duties(of("XF-FL")).await.unwrap().duties.iter().any(|duty| duty.code == "XF-1"));
    let other = reader(&served, "TG-FL-SA", AgencyKind::TownshipGovernment, Role::Adm).await;
    assert_eq!(reason(&other.duties(of("XF-FL")).await.unwrap_err()), "READER_NOT_ENTITLED");
    assert!(other.duties(ListDutiesRequest::default()).await.unwrap().duties.is_empty());
    // Handed on, it is the next agency's to answer.
    let data = json!({"target": "TG-FL-SA", "delivered_on": answer.as_of, "importance": "NORMAL",
        "petition": {"step": received}, "legal_basis": "信访工作条例第22条",
        "documents": [{"kind": "信访转送函", "digest_algorithm": "SHA_256", "pages": 1, "sensitivity": "S1",
            "digest": "84d046a81d9f068e10e4322b3c744b48954a64d3c0ec1d13e8c6a0e7c7ea51cd"}]});
    bureau
        .record(today(request(&chain, &event_id(), "PetitionForwarded", "XF-FL/PETO-1", "PETO", data)))
        .await
        .unwrap();
    indexed(&served).await;
    let waiting = other.duties(ListDutiesRequest::default()).await.unwrap().duties;
    let handoff = waiting.iter().find(|duty| duty.kind == "HANDOFF").unwrap();
    assert_eq!((handoff.from.as_deref(), handoff.revision), (Some("XF-FL"), Some(2)), "{waiting:?}");
    let left = reads.duties(ListDutiesRequest::default()).await.unwrap().duties;
    assert!(left.iter().all(|duty| duty.code != "XF-1"), "{left:?}");
}

/// A dispute of today that the petition bureau has handed to the township government, whose answer is waited for.
async fn handed_on(served: &Served, due_first: bool) -> String {
    let bureau = served.client("XF-FL", AgencyKind::Petition).await;
    let (chain, received) = (chain_id(), event_id());
    bureau.record(today(registration(&chain, &event_id(), "排水渠堵塞"))).await.unwrap();
    let data = json!({"form": "VISIT", "kind": "CLAIM", "headcount": 1, "direct": true, "origin": "DIRECT"});
    bureau.record(today(request(&chain, &received, "PetitionReceived", "XF-FL/PETO-1", "PETO", data))).await.unwrap();
    let delivered = if due_first { "2024-04-08" } else { "2024-05-08" };
    let data = json!({"target": "TG-FL-SA", "delivered_on": delivered, "importance": "NORMAL",
        "petition": {"step": received}, "legal_basis": "信访工作条例第22条",
        "documents": [{"kind": "信访转送函", "digest_algorithm": "SHA_256", "pages": 1, "sensitivity": "S1",
            "digest": "84d046a81d9f068e10e4322b3c744b48954a64d3c0ec1d13e8c6a0e7c7ea51cd"}]});
    let forwarded = request(&chain, &event_id(), "PetitionForwarded", "XF-FL/PETO-1", "PETO", data);
    bureau.record(today(forwarded)).await.unwrap();
    chain
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_page_says_by_its_token_or_its_length_that_there_are_chains_that_are_not_for_the_reader() {
    let served = Served::new();
    // The government knows all three, until the first two turn out to be accusations.
    let (first, second) = (handed_on(&served, true).await, handed_on(&served, true).await);
    let open = handed_on(&served, false).await;
    let bureau = served.client("XF-FL", AgencyKind::Petition).await;
    indexed(&served).await;
    let other = reader(&served, "TG-FL-SA", AgencyKind::TownshipGovernment, Role::Adm).await;
    let pages = |size: u32| SearchChainsRequest { page_size: Some(size), ..all() };
    let duties = |size: u32| ListDutiesRequest { page_size: Some(size), ..ListDutiesRequest::default() };
    assert!(!other.search(pages(1)).await.unwrap().next_page_token.is_empty(), "there are two more");
    assert!(other.duties(duties(1)).await.unwrap().more, "there are two more");
    for chain in [&first, &second] {
        bureau.record(today(accusation(chain))).await.unwrap();
    }
    indexed(&served).await;
    let told = other.search(pages(1)).await.unwrap();
    let ids: Vec<&str> = told.chains.iter().map(|chain| chain.chain_id.as_str()).collect();
    assert_eq!((ids, told.next_page_token.as_str()), (vec![open.as_str()], ""));
    let told = other.duties(duties(1)).await.unwrap();
    assert!(told.duties.iter().any(|duty| duty.chain_id == open), "what is hidden takes no place: {told:?}");
    assert!(told.duties.iter().all(|duty| duty.chain_id == open) && !told.more, "{told:?}");
}

/// The same act, done now.
fn today(request: ActRequest) -> ActRequest {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
    let now = prost_types::Timestamp { seconds: i64::try_from(now).unwrap(), nanos: 0 };
    ActRequest { occurred_at: Some(now), ..request }
}
