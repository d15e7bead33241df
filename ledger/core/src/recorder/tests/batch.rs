//! Many acts at once: all or none, and what comes out is what one by one would have given.

use super::*;
use crate::{
    clock::ScriptedClock,
    entropy::SeededEntropy,
    entry::Entry,
    ledger::Fold,
    limits::BATCH_REQUESTS_MAX,
    recorder::{BatchError, Placed, Submitted},
};

impl Bench {
    async fn batch(&self, requests: Vec<Request>) -> Result<Vec<Placed>, BatchError> {
        let caller = &self.caller;
        let submitted = requests.into_iter().map(|request| Submitted { caller: caller.clone(), request });
        self.recorder.record_batch(submitted.collect()).await
    }

    async fn fold(&self, chain: ChainId) -> Fold {
        let mut fold = Fold::new(chain);
        self.recorder.ledger().catch_up(&mut fold).await.unwrap();
        fold
    }
}

/// Two chains that take turns.
fn interleaved() -> Vec<Request> {
    let mut requests = vec![registration(chain(1), 1, "拖欠租金"), registration(chain(2), 2, "噪声扰民")];
    requests.extend((3..40).map(|number| follow_up(chain(1 + number % 2), number)));
    requests
}

#[tokio::test]
async fn a_batch_stands_in_its_order_and_verifies() {
    let bench = Bench::new().await;
    let requests = interleaved();
    let placed = bench.batch(requests.clone()).await.unwrap();
    assert!(placed.iter().map(|placed| placed.event_id).eq(requests.iter().map(|request| request.event_id)));
    let mut follower = bench.log().log().follow(None).await.unwrap();
    let followed = follower.next().await.unwrap();
    let order = followed.iter().skip(2).map(|followed| (followed.stored.chain, followed.stored.revision));
    assert!(order.eq(placed.iter().map(|placed| (placed.chain, placed.revision))));
    assert_eq!(bench.verified().await.entries, 2 + 39);
    // The folds go on where the batch left them, for one act and for many.
    assert_eq!(bench.record(&follow_up(chain(1), 50)).await.unwrap(), Revision(19));
    bench.batch(vec![follow_up(chain(1), 51), follow_up(chain(2), 52)]).await.unwrap();
    assert_eq!(bench.verified().await.entries, 2 + 42);
}

#[tokio::test]
async fn a_fold_that_was_advanced_is_the_one_that_is_read() {
    let bench = Bench::new().await;
    bench.batch(interleaved()).await.unwrap();
    bench.record(&follow_up(chain(1), 50)).await.unwrap();
    let registry = ChainId::registry(ORIGIN);
    let key = json!({"agency": CENTER, "algorithm": "ED25519", "valid_from": "2020-01-01",
        "public_key": hex::encode(Ed25519Signer::generate().unwrap().public_key().to_bytes())});
    bench.founder.record(&bench.caller, &request(registry, 60, "AgencyKeyEnrolled", "SYS", key)).await.unwrap();
    for (recorder, chain) in
        [(bench.recorder.as_ref(), chain(1)), (bench.recorder.as_ref(), chain(2)), (&bench.founder, registry)]
    {
        let kept = recorder.folds.of(chain);
        let (kept, read) = (kept.lock().await, bench.fold(chain).await);
        assert!(kept.next() > Revision(1));
        assert_eq!(format!("{kept:?}"), format!("{read:?}"));
    }
}

#[tokio::test]
async fn a_refusal_names_its_request_and_nothing_of_the_batch_is_recorded() {
    let bench = Bench::new().await;
    bench.batch(interleaved()).await.unwrap();
    let refused = |requests| bench.batch(requests);
    let unopened = refused(vec![
        follow_up(chain(1), 60),
        follow_up(chain(2), 61),
        follow_up(chain(9), 62),
        follow_up(chain(1), 63),
    ]);
    let unopened = unopened.await.unwrap_err();
    assert_eq!(unopened.index(), Some(2), "{unopened}");
    let mut stale = follow_up(chain(1), 71);
    stale.expected_revision = Some(Revision(7));
    let stale = refused(vec![follow_up(chain(1), 70), stale, follow_up(chain(9), 72)]).await.unwrap_err();
    assert!(
        matches!(&stale, BatchError::Refused { index: 1, source: RecordError::RevisionStale { actual, .. } } if actual.0 == 20),
        "{stale}"
    );
    let twice = refused(vec![follow_up(chain(1), 80), follow_up(chain(1), 80)]).await.unwrap_err();
    assert!(matches!(twice, BatchError::EventIdTwice { index: 1, .. }), "{twice}");
    let used = refused(vec![follow_up(chain(1), 81), registration(chain(1), 1, "其他内容")]).await.unwrap_err();
    assert!(matches!(&used, BatchError::Refused { index: 1, source: RecordError::EventIdReused { .. } }), "{used}");
    let many = refused(vec![follow_up(chain(1), 90); BATCH_REQUESTS_MAX + 1]).await.unwrap_err();
    assert!(matches!(many, BatchError::TooMany { .. }), "{many}");
    assert_eq!(bench.verified().await.entries, 2 + 39);
    // What was tried and refused has left the folds as they were.
    assert_eq!(bench.record(&follow_up(chain(1), 91)).await.unwrap(), Revision(19));
}

#[tokio::test]
async fn the_same_batch_again_answers_the_same_entries() {
    let bench = Bench::new().await;
    let placed = bench.batch(interleaved()).await.unwrap();
    let mut again = interleaved();
    again.push(follow_up(chain(1), 50));
    let answered = bench.batch(again).await.unwrap();
    assert_eq!(answered.iter().take(placed.len()).collect::<Vec<_>>(), placed.iter().collect::<Vec<_>>());
    assert_eq!(bench.verified().await.entries, 2 + 40);
    assert_eq!(bench.batch(Vec::new()).await.unwrap(), []);
}

#[tokio::test]
async fn a_batch_that_the_log_lost_or_half_stored_is_settled_by_asking_again() {
    for fault in [AppendFault::Lost, AppendFault::AnswerLost] {
        let bench = Bench::new().await;
        bench.log().faults().on_append(AppendFault::Slow);
        bench.log().faults().on_append(fault);
        bench.batch(interleaved()).await.unwrap();
        assert_eq!(bench.verified().await.entries, 2 + 39, "{fault:?}");
    }
    let bench = Bench::new().await;
    for fault in [AppendFault::Slow, AppendFault::Slow, AppendFault::Unavailable] {
        bench.log().faults().on_append(fault);
    }
    let failed = bench.batch(interleaved()).await.unwrap_err();
    assert!(matches!(failed, BatchError::Failed(RecordError::Append(_))), "{failed}");
    assert_eq!(bench.verified().await.entries, 2 + 2, "the beginning of the batch");
    bench.batch(interleaved()).await.unwrap();
    assert_eq!(bench.verified().await.entries, 2 + 39);
}

#[tokio::test]
async fn a_batch_that_nobody_waits_for_any_more_leaves_no_fold_ahead_of_the_log() {
    let bench = Bench::new().await;
    bench.log().faults().on_append(AppendFault::Held);
    {
        let batch = bench.batch(interleaved());
        tokio::pin!(batch);
        // Until the append is held: by then every fold has run ahead.
        while bench.log().faults().injected() == 0 {
            tokio::select! {
                biased;
                _ = &mut batch => panic!("the append was not held"),
                () = tokio::task::yield_now() => {}
            }
        }
    }
    assert_eq!(bench.verified().await.entries, 2);
    bench.batch(interleaved()).await.unwrap();
    assert_eq!(bench.verified().await.entries, 2 + 39);
}

#[tokio::test]
async fn each_act_has_the_instant_that_the_clock_told_for_it() {
    let clock = Arc::new(ScriptedClock::at(NOW_MS));
    let bench = Bench::with(Arc::clone(&clock) as Arc<dyn Clock>).await;
    clock.follow((0..39).map(|act| NOW_MS + 1_000 * act));
    let placed = bench.batch(interleaved()).await.unwrap();
    let told = placed.iter().map(|placed| Entry::parse(&placed.entry).unwrap().recorded_at);
    assert!(told.eq((0..39).map(|act| NOW_MS + 1_000 * act)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn seeded_batches_come_out_the_same_byte_for_byte_and_no_part_shares_a_nonce() {
    async fn records() -> Vec<Followed> {
        let mut bench = Bench::new().await;
        // The founding of a bench is random; what is looked at here are the records' parts, which are not.
        let recorder = Arc::into_inner(bench.recorder).unwrap();
        bench.recorder = Arc::new(recorder.with_entropy(Arc::new(SeededEntropy::new([3; 32]))).with_folds_max(1));
        let mut requests = interleaved();
        let rest = requests.split_off(20);
        bench.batch(requests).await.unwrap();
        bench.batch(rest).await.unwrap();
        bench.log().log().follow(None).await.unwrap().next().await.unwrap().split_off(2)
    }
    let parts = |followed: Vec<Followed>| -> Vec<_> {
        followed.iter().flat_map(|followed| Record::parse(&followed.stored.record).unwrap().parts).collect()
    };
    let (one, other) = (parts(records().await), parts(records().await));
    assert_eq!(one, other);
    let nonces: std::collections::BTreeSet<&[u8]> = one.iter().map(|part| part.nonce.as_ref()).collect();
    assert_eq!(nonces.len(), one.len());
}
