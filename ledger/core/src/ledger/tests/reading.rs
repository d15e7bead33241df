//! Many chains read at once, and signatures that are not checked again.

use super::*;

#[tokio::test]
async fn chains_that_are_read_together_are_read_as_each_alone() {
    let bench = Bench::new().await;
    // A page and more on one, an entry that does not count on another, nothing on a third.
    let chains = [CHAIN, ChainId([2; 16]), ChainId([3; 16]), ChainId::registry(ORIGIN)];
    bench.desks.record(&caller(CENTER), &registration(1)).await.unwrap();
    bench.append(CHAIN, Bytes::from_static(b"garbage")).await;
    bench.desks.record(&caller(CENTER), &follow_up(2)).await.unwrap();
    bench.desks.record(&caller(CENTER), &Request { chain: chains[1], ..registration(1) }).await.unwrap();
    for revision in 1..300 {
        bench.ledger.log().append(chains[1], Revision(revision), Bytes::from_static(b"more")).await.unwrap();
    }
    bench.desks.record(&caller(CENTER), &Request { chain: chains[1], ..follow_up(2) }).await.unwrap();

    let mut folds = chains.map(Fold::new);
    let read = bench.ledger.catch_up_all(&mut folds).await.unwrap();
    assert_eq!(read.iter().map(Vec::len).collect::<Vec<_>>(), [3, 301, 0, 3]);
    for (fold, read) in folds.iter().zip(&read) {
        let (alone, entries) = bench.entries(fold.chain()).await;
        assert_eq!(format!("{fold:?}"), format!("{alone:?}"));
        assert_eq!(format!("{read:?}"), format!("{entries:?}"));
    }
    let nothing = bench.ledger.catch_up_all(&mut folds).await.unwrap();
    assert!(nothing.iter().all(Vec::is_empty));
}

#[tokio::test]
async fn who_trusts_what_stands_before_a_place_checks_all_but_its_signatures() {
    let bench = Bench::new().await;
    bench.desks.record(&caller(CENTER), &registration(1)).await.unwrap();
    let (bureau, stranger) = (bench.key(BUREAU), Ed25519Signer::generate().unwrap());
    bench.forge(2, &stranger, |statement| statement.key_id = stranger.public_key().id()).await;
    bench.forge(3, bureau, |statement| statement.previous = Hash([7; 32])).await;
    bench.forge(4, bureau, |_| ()).await;
    let placed = bench.entries(CHAIN).await.1.last().unwrap().order;

    let read = async |trusted: Order| {
        let mut fold = Fold::trusting(CHAIN, trusted);
        let entries = bench.ledger.catch_up(&mut fold).await.unwrap();
        (fold, entries)
    };
    let judged = async |trusted: Order| {
        let (_, entries) = read(trusted).await;
        entries.into_iter().map(|entry| entry.outcome.err()).collect::<Vec<_>>()
    };
    let opened = |entries: &[CheckedEntry]| {
        let first = entries.first().unwrap();
        assert_eq!(first.outcome.as_ref().unwrap().act.event().unwrap().0.event, "DisputeRegistered");
        (first.parts.len(), first.withheld.len())
    };
    let ((trusting, trusted), (checking, checked)) = (read(placed).await, read(Order::FIRST).await);
    assert_eq!((opened(&trusted), opened(&checked)), ((1, 2), (3, 0)), "the facts alone");
    assert_eq!((trusting.head(), trusting.is_blind()), (checking.head(), false));
    assert_eq!(trusting.standing(), checking.standing());
    let unknown = Fault::Key(KeyFault::Unknown { key_id: stranger.public_key().id() });
    let faults = judged(placed.behind()).await;
    assert!(
        matches!(&faults[..], [None, Some(fault), Some(Fault::BrokenLink { .. }), None] if *fault == unknown),
        "{faults:?}"
    );
    let faults = judged(placed).await;
    assert!(matches!(faults[..], [None, _, _, Some(Fault::BadSignature)]), "{faults:?}");
    assert_eq!(judged(Order::FIRST).await, faults);
}
