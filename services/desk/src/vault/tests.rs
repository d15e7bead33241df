//! Desks of several agencies over one log, each with a certificate of its own, and the vault in a process of its own; and
//! beside them the single machine that sees everything, whose answers theirs must be.

use std::collections::BTreeMap;

use mediation_domain::history::EventId;
use mediation_ledger::{
    ledger::CheckedEntry,
    log::Append,
    merkle::Hash,
    part,
    recorder::{RecordError, Request as Wanted},
    vault::{DataKey, Deposit, Holder, VaultError},
};
use mediation_proto::mediation::ledger::v1::{KeyMaterial, vault_service_client::VaultServiceClient};
use serde_json::json;
use tonic_types::StatusExt as _;

use self::bench::{BUREAU, Bench, CENTER, NEIGHBOUR, accusation, caller, closing, event_id, follow_up, registration};
use super::*;

mod bench;

const CHAIN: ChainId = ChainId([1; 16]);

/// Everything that the status of a refusal tells, but for the id of the request. What goes with the reason stands in no order.
fn told<T: std::fmt::Debug>(refused: Result<T, RecordError>) -> String {
    let status = Refused::from(refused.unwrap_err()).into_status("one");
    let mut details = status.get_error_details();
    let metadata: BTreeMap<String, String> =
        details.error_info().map(|info| info.metadata.clone()).unwrap_or_default().into_iter().collect();
    if let Some(info) = details.error_info().cloned() {
        details.set_error_info(info.reason, info.domain, []);
    }
    format!("{:?} {} {details:?} {metadata:?}", status.code(), status.message())
}

fn is_withheld(entries: &[CheckedEntry]) -> bool {
    entries.iter().all(|entry| entry.parts.is_empty())
}

#[tokio::test]
async fn a_desk_gets_the_keys_of_the_chains_of_its_agency_only() {
    let bench = Bench::new().await;
    let (bureau, neighbour, center) = (bench.desk(BUREAU), bench.desk(NEIGHBOUR), bench.desk(CENTER));
    bureau.record(&caller(BUREAU), &registration(CHAIN, 1, BUREAU)).await.unwrap();
    let (fold, entries) = bench.read(&bureau, CHAIN).await;
    assert!(!fold.is_blind() && entries.iter().all(|entry| entry.withheld.is_empty() && entry.outcome.is_ok()));
    let (fold, entries) = bench.read(&neighbour, CHAIN).await;
    assert!(fold.is_blind() && is_withheld(&entries));
    let (fold, entries) = bench.read(&center, CHAIN).await;
    assert!(!fold.is_blind(), "a governance center keeps the clocks of what is not restricted");
    let kinds: Vec<PartKind> = entries.iter().flat_map(|entry| &entry.parts).map(|part| part.commitment.kind).collect();
    assert_eq!(kinds, [PartKind::Act], "and is given nothing beside the facts");

    let restricted = ChainId([2; 16]);
    bureau.record(&caller(BUREAU), &accusation(restricted, 2, BUREAU)).await.unwrap();
    for desk in [&neighbour, &center] {
        let (fold, entries) = bench.read(desk, restricted).await;
        assert!(fold.is_blind() && is_withheld(&entries));
    }
    let nowhere = ChainId([9; 16]);
    let digest = Hash([7; 32]);
    let keys = neighbour.ledger().vault().keys(nowhere, Revision::FIRST, &[digest]).await.unwrap();
    assert!(keys.given.is_empty() && keys.withheld.contains(&digest), "as if the chain existed");
}

#[tokio::test]
async fn an_outsider_is_answered_as_on_one_machine() {
    let bench = Bench::new().await;
    let (bureau, neighbour, center) = (bench.desk(BUREAU), bench.desk(NEIGHBOUR), bench.desk(CENTER));
    let (restricted, closed) = (ChainId([2; 16]), ChainId([3; 16]));
    bureau.record(&caller(BUREAU), &registration(CHAIN, 1, BUREAU)).await.unwrap();
    bureau.record(&caller(BUREAU), &accusation(restricted, 2, BUREAU)).await.unwrap();
    bureau.record(&caller(BUREAU), &registration(closed, 3, BUREAU)).await.unwrap();
    center.record(&caller(CENTER), &closing(closed, 4)).await.unwrap();

    let mut dangling = follow_up(CHAIN, 5, NEIGHBOUR);
    dangling.act.header.as_mut().unwrap().causes =
        vec![bench::step(event_id(77)), bench::step(event_id(1)), bench::step(event_id(78))];
    let mut stale = follow_up(CHAIN, 6, NEIGHBOUR);
    stale.expected_revision = Some(Revision(9));
    let rows: [(&str, Wanted); 8] = [
        ("NOT_AN_OPENING_ACT", follow_up(restricted, 7, NEIGHBOUR)),
        ("NOT_AN_OPENING_ACT", follow_up(ChainId([8; 16]), 12, NEIGHBOUR)),
        ("CHAIN_NOT_OPEN_TO_YOU", registration(restricted, 13, NEIGHBOUR)),
        ("CHAIN_CLOSED", registration(closed, 8, NEIGHBOUR)),
        ("REFERENCE_UNKNOWN", dangling),
        ("REVISION_STALE", stale),
        ("EVENT_ID_REUSED", follow_up(CHAIN, 1, NEIGHBOUR)),
        ("KIND_NOT_ALLOWED", closing(CHAIN, 9)),
    ];
    for (reason, request) in rows {
        let caller = caller(NEIGHBOUR);
        let here = told(neighbour.record(&caller, &request).await);
        assert_eq!(here, told(bench.single.record(&caller, &request).await), "{reason}");
        let reason_told = Refused::from(neighbour.record(&caller, &request).await.unwrap_err()).reason().info().name;
        assert_eq!(reason_told, reason);
    }
    assert_eq!(bench.read(&bureau, CHAIN).await.1.len(), 1, "a refusal records nothing");

    let fine = follow_up(CHAIN, 10, NEIGHBOUR);
    let placed = neighbour.record(&caller(NEIGHBOUR), &fine).await.unwrap();
    assert_eq!(neighbour.record(&caller(NEIGHBOUR), &fine).await.unwrap(), placed, "sent again");
    assert_eq!(bench.single.record(&caller(NEIGHBOUR), &fine).await.unwrap(), placed, "the same content");
    let (fold, entries) = bench.read(&neighbour, CHAIN).await;
    let is_told = |entry: &CheckedEntry| entry.parts.iter().any(|part| part.commitment.kind == PartKind::Act);
    assert!(entries.iter().all(is_told), "it takes part now");
    let own = entries.last().unwrap();
    assert!(!fold.is_blind() && own.withheld.is_empty());
    let (outsider, unseen) = (caller(NEIGHBOUR), follow_up(restricted, 11, NEIGHBOUR));
    let prepared = neighbour.prepare(&outsider, &unseen, bench.key_id(NEIGHBOUR)).await;
    assert!(told(prepared).contains("FailedPrecondition"));
}

#[tokio::test]
async fn a_vault_answers_a_desk_for_the_agency_of_its_certificate_only() {
    let bench = Bench::new().await;
    bench.desk(BUREAU).record(&caller(BUREAU), &registration(CHAIN, 1, BUREAU)).await.unwrap();
    // The desk holds the key of the neighbour, and the certificate of somebody else.
    let desk = bench.desk_as(NEIGHBOUR, bench::COURT);
    let refused = desk.record(&caller(NEIGHBOUR), &follow_up(CHAIN, 2, NEIGHBOUR)).await;
    assert!(matches!(refused, Err(RecordError::Vault(VaultError::OtherAgency { .. }))), "{refused:?}");
    assert_eq!(bench.read(&bench.desk(BUREAU), CHAIN).await.1.len(), 1);
}

#[tokio::test]
async fn a_key_is_never_replaced_and_the_same_again_is_a_success() {
    let bench = Bench::new().await;
    let (bureau, neighbour) = (bench.remote(BUREAU), bench.remote(NEIGHBOUR));
    let deposit = |key: u8| Deposit { digest: Hash([5; 32]), holder: Holder::Chain, key: DataKey([key; 32]) };
    bureau.deposit(CHAIN, vec![deposit(1)]).await.unwrap();
    bureau.deposit(CHAIN, vec![deposit(1)]).await.unwrap();
    let refused = neighbour.deposit(CHAIN, vec![deposit(2)]).await;
    assert!(matches!(refused, Err(VaultError::Conflict { digest }) if digest == Hash([5; 32])), "{refused:?}");
    assert_eq!(bench.kept.key(CHAIN, Hash([5; 32])).await.unwrap(), Some(DataKey([1; 32])));
    // Nothing is recorded on the chain, so the key opens nothing, and is given to nobody.
    assert_eq!(bureau.key(CHAIN, Hash([5; 32])).await.unwrap(), None);
}

#[tokio::test]
async fn more_keys_than_fit_into_one_request_go_in_several() {
    let bench = Bench::new().await;
    let bureau = bench.desk(BUREAU);
    bureau.record(&caller(BUREAU), &registration(CHAIN, 1, BUREAU)).await.unwrap();
    let digest = |at: usize| {
        let mut digest = [1; 32];
        digest[..8].copy_from_slice(&at.to_be_bytes());
        Hash(digest)
    };
    let deposit =
        |at| Deposit { digest: digest(at), holder: Holder::Subject("p".repeat(64)), key: DataKey(digest(at).0) };
    let count = DIGESTS_MAX + DEPOSITS_MAX + 1;
    let vault = bureau.ledger().vault();
    let (first, rest) = ((0..9).map(deposit).collect(), (9..count).map(deposit).collect());
    vault.deposit_all(vec![(ChainId([4; 16]), Vec::new()), (CHAIN, first), (CHAIN, rest)]).await.unwrap();
    let digests: Vec<Hash> = (0..=count).map(digest).collect();
    let kept = bench.kept.keys(CHAIN, Revision(1), &digests).await.unwrap();
    assert_eq!((kept.given.len(), kept.withheld.len()), (count, 0), "the last one was never kept");
    assert_eq!(kept.given.get(&digest(count - 1)), Some(&DataKey(digest(count - 1).0)));
    let keys = vault.keys(CHAIN, Revision(1), &digests).await.unwrap();
    assert_eq!((keys.given.len(), keys.withheld.len()), (0, count + 1), "no act of the chain has such parts");
}

#[tokio::test]
async fn requests_out_of_bounds_are_refused_with_what_is_wrong() {
    let bench = Bench::new().await;
    let mut client = VaultServiceClient::new(bench.channel(BUREAU));
    let reason = |status: &Status| tonic_types::StatusExt::get_details_error_info(status).unwrap().reason;
    let chain_id = Some(CHAIN.to_string());
    let many = vec![bytes::Bytes::from_static(&[0; 32]); DIGESTS_MAX + 1];
    let wrong = [
        KeysRequest { chain_id: None, ..Default::default() },
        KeysRequest { chain_id: chain_id.clone(), next_revision: 0, digests: many },
        KeysRequest { chain_id, next_revision: 0, digests: vec![bytes::Bytes::from_static(&[0; 31])] },
    ];
    for request in wrong {
        assert_eq!(reason(&client.keys(request).await.unwrap_err()), "MALFORMED");
    }
    let mut nobody = VaultServiceClient::new(bench.channel_of_nobody());
    let refused = nobody.keys(KeysRequest::default()).await.unwrap_err();
    assert_eq!(reason(&refused), "NO_CERTIFICATE");
}

#[tokio::test]
async fn a_vault_that_was_restarted_is_asked_again() {
    let mut bench = Bench::new().await;
    let bureau = bench.desk(BUREAU);
    bureau.record(&caller(BUREAU), &registration(CHAIN, 1, BUREAU)).await.unwrap();
    bench.stop().await;
    let (recorded, ()) =
        tokio::join!(async { bureau.record(&caller(BUREAU), &follow_up(CHAIN, 2, BUREAU)).await }, async {
            tokio::time::sleep(Duration::from_millis(250)).await;
            bench.start().await;
        });
    assert_eq!(recorded.unwrap().revision, Revision(1));
}

#[tokio::test]
async fn without_the_vault_nothing_is_recorded_and_the_caller_is_told_to_come_again() {
    let mut bench = Bench::new().await;
    let bureau = bench.desk(BUREAU);
    bureau.record(&caller(BUREAU), &registration(CHAIN, 1, BUREAU)).await.unwrap();
    bench.stop().await;
    let refused = bureau.record(&caller(BUREAU), &follow_up(CHAIN, 2, BUREAU)).await.unwrap_err();
    let refused = Refused::from(refused);
    assert_eq!(refused.reason(), Reason::LogUnavailable);
    assert!(refused.reason().info().retry);
    assert_eq!(bench.log.read(CHAIN, Revision::FIRST, 9).await.unwrap().len(), 1);
    bench.start().await;
    assert_eq!(bureau.record(&caller(BUREAU), &follow_up(CHAIN, 2, BUREAU)).await.unwrap().revision, Revision(1));
}

/// Whoever holds write credentials of the log appends an entry to a restricted chain, and keeps its keys to himself: he must
/// not be shown the chain for it. Nor must he for an entry of which he gives the `act` part only.
#[tokio::test]
async fn an_entry_whose_keys_nobody_has_opens_no_restricted_chain() {
    let bench = Bench::new().await;
    bench.desk(BUREAU).record(&caller(BUREAU), &accusation(CHAIN, 1, BUREAU)).await.unwrap();
    let neighbour = bench.desk(NEIGHBOUR);
    for given in [0, 1] {
        let number = 10 + given;
        let forged = bench.forge(CHAIN, &follow_up(CHAIN, number, NEIGHBOUR), NEIGHBOUR, usize::from(given)).await;
        bench.log.append_batch(vec![forged]).await.unwrap();
        let (fold, entries) = bench.read(&neighbour, CHAIN).await;
        let first = entries.first().unwrap();
        assert!(fold.is_blind() && first.parts.is_empty(), "{given}: of its own entry it is given what there is");
        let refused = neighbour.record(&caller(NEIGHBOUR), &follow_up(CHAIN, 20 + number, NEIGHBOUR)).await;
        assert!(told(refused).contains("FailedPrecondition"), "{given}");
    }
}

#[test]
fn keys_are_shown_in_no_debug_output() {
    let key = DataKey([0xab; 32]);
    let deposits = vec![(CHAIN, vec![Deposit { digest: Hash([1; 32]), holder: Holder::Chain, key: key.clone() }])];
    let mut keys = Keys::default();
    keys.given.insert(Hash([1; 32]), key);
    let material = KeyMaterial { key: bytes::Bytes::from_static(&[0xab; 32]) };
    let shown =
        format!("{:?} {:?} {keys:?} {material:?}", wire::deposit_requests(deposits), wire::keys_response(keys.clone()));
    for bytes in ["171, 171", "abab", "xab"] {
        assert!(!shown.contains(bytes), "{shown}");
    }
}
