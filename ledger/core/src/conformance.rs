//! The definition of a log: what every engine must do, as tests that every engine runs.
//!
//! ```text
//! async fn make() -> impl Log { … }         a fresh, empty log at each call
//! mediation_ledger::conformance!(make);     one test per row; needs tokio as a dependency
//! ```
//!
//! A row fails by panicking. Rows resend after [`AppendError::Unknown`], so that an engine behind a bad network can run
//! them, too.
#![expect(clippy::expect_used, reason = "a row is a test, and fails like one")]

use std::{collections::BTreeSet, future::Future, sync::Arc, time::Duration};

use bytes::Bytes;

use crate::{
    chain::{ChainId, Revision},
    limits::{CHAIN_ENTRIES_MAX, RECORD_BYTES_MAX, RESEND_ATTEMPTS_MAX},
    log::{Append, AppendError, Cursor, Followed, Follower, Log, Order, ReadError, Stored},
};

/// Turns `async fn make() -> impl Log`, a fresh and empty log at each call, into one test per row.
#[macro_export]
macro_rules! conformance {
    ($make:path) => {
        $crate::conformance! { $make:
            revisions_are_dense_from_zero,
            an_append_at_a_wrong_revision_conflicts_and_names_the_next,
            the_same_bytes_again_succeed_and_other_bytes_conflict,
            two_chains_are_independent,
            a_read_starts_at_a_revision_and_stops_at_the_limit,
            many_chains_are_read_at_once_as_one_by_one,
            an_unknown_chain_is_empty,
            a_follower_catches_up_and_goes_live_with_every_record_exactly_once,
            two_followers_see_the_same_order,
            records_have_the_same_growing_places_however_they_are_read,
            following_after_a_cursor_goes_on_exactly_after_it,
            a_cancelled_next_loses_nothing,
            of_eight_writers_exactly_one_wins_each_revision,
            bytes_that_are_no_record_are_taken_and_numbered,
            the_largest_record_goes_through_and_a_larger_one_is_refused,
            a_thousand_records_in_many_chains_come_back_as_they_were,
            what_is_acknowledged_is_readable_at_once,
            a_foreign_cursor_is_refused,
            a_batch_is_stored_in_its_order_and_once,
            a_batch_with_a_conflict_stores_at_most_what_comes_before_it,
        }
    };
    ($make:path: $($row:ident),+ $(,)?) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $row() {
                $crate::conformance::$row($make().await).await;
            }
        )+
    };
}

/// The first record of a chain is revision 0, the next one 1, and so on.
pub async fn revisions_are_dense_from_zero<L: Log>(log: L) {
    for at in 0..10 {
        append(&log, chain(1), at, record(1, at)).await.expect("the next revision");
    }
    let revisions: Vec<u64> = read(&log, chain(1), 0).await.iter().map(|stored| stored.revision.0).collect();
    assert_eq!(revisions, (0..10).collect::<Vec<u64>>());
}

/// Neither a gap nor an overwrite: the refusal names the revision that would be taken.
pub async fn an_append_at_a_wrong_revision_conflicts_and_names_the_next<L: Log>(log: L) {
    assert_conflict(append(&log, chain(1), 1, record(1, 1)).await, 0);
    append(&log, chain(1), 0, record(1, 0)).await.expect("the next revision");
    append(&log, chain(1), 1, record(1, 1)).await.expect("the next revision");
    for expected in [0, 1, 3, 1_000_000] {
        assert_conflict(append(&log, chain(1), expected, record(9, 9)).await, 2);
    }
    assert_eq!(read(&log, chain(1), 0).await, [stored(1, 0), stored(1, 1)]);
}

/// Repeating an append is harmless, however much came after it; it adds nothing.
pub async fn the_same_bytes_again_succeed_and_other_bytes_conflict<L: Log>(log: L) {
    for at in 0..3 {
        append(&log, chain(1), at, record(1, at)).await.expect("the next revision");
        append(&log, chain(1), at, record(1, at)).await.expect("the same bytes at the same revision");
    }
    append(&log, chain(1), 0, record(1, 0)).await.expect("the same bytes at an old revision");
    assert_conflict(append(&log, chain(1), 0, record(1, 1)).await, 3);
    assert_conflict(append(&log, chain(1), 2, record(1, 3)).await, 3);
    append(&log, chain(1), 3, record(1, 2)).await.expect("old bytes at the next revision");
    let bytes: Vec<Bytes> = read(&log, chain(1), 0).await.into_iter().map(|stored| stored.record).collect();
    assert_eq!(bytes, [record(1, 0), record(1, 1), record(1, 2), record(1, 2)]);
}

/// Each chain has its own revisions and its own records.
pub async fn two_chains_are_independent<L: Log>(log: L) {
    for at in 0..5 {
        append(&log, chain(1), at, record(1, at)).await.expect("the next revision");
        append(&log, chain(2), at, record(2, at)).await.expect("the next revision");
    }
    append(&log, chain(2), 5, record(2, 5)).await.expect("the next revision");
    assert_conflict(append(&log, chain(1), 6, record(1, 6)).await, 5);
    assert_eq!(read(&log, chain(1), 0).await, (0..5).map(|at| stored(1, at)).collect::<Vec<_>>());
    assert_eq!(read(&log, chain(2), 0).await, (0..6).map(|at| stored(2, at)).collect::<Vec<_>>());
}

/// In order, at most as many as asked for; past the end there is nothing.
pub async fn a_read_starts_at_a_revision_and_stops_at_the_limit<L: Log>(log: L) {
    for at in 0..10 {
        append(&log, chain(1), at, record(1, at)).await.expect("the next revision");
    }
    for (from, limit, expected) in
        [(0, 10, 0..10), (0, 3, 0..3), (4, 3, 4..7), (8, 100, 8..10), (10, 5, 0..0), (u64::MAX, 5, 0..0), (0, 0, 0..0)]
    {
        let read = log.read(chain(1), Revision(from), limit).await.expect("a read");
        let read: Vec<Stored> = read.into_iter().map(placeless).collect();
        assert_eq!(read, expected.map(|at| stored(1, at)).collect::<Vec<_>>(), "from {from}, at most {limit}");
    }
}

/// Each from its own place and up to the limit, in the order in which they were asked for, however often.
pub async fn many_chains_are_read_at_once_as_one_by_one<L: Log>(log: L) {
    for (name, length) in [(1, 5), (2, 0), (3, 9)] {
        for at in 0..length {
            append(&log, chain(name), at, record(name, at)).await.expect("the next revision");
        }
    }
    let places = [(3, 0), (1, 2), (2, 0), (9, 4), (3, 7), (1, 0), (1, 0), (1, 5)];
    let places = places.map(|(name, from)| (chain(name), Revision(from)));
    for limit in [1, 4, 100] {
        let mut expected = Vec::new();
        for (chain, from) in places {
            expected.push(log.read(chain, from, limit).await.expect("a read"));
        }
        assert_eq!(log.read_chains(&places, limit).await.expect("a read"), expected, "at most {limit}");
        assert!(expected.iter().map(Vec::len).eq([9, 3, 0, 0, 2, 5, 5, 0].map(|all| limit.min(all))));
    }
    assert!(log.read_chains(&[], 1).await.expect("a read").is_empty());
}

/// Nobody has to create a chain, and asking for one does not.
pub async fn an_unknown_chain_is_empty<L: Log>(log: L) {
    assert_eq!(read(&log, chain(1), 0).await, []);
    assert_eq!(read(&log, chain(1), 7).await, []);
    append(&log, chain(2), 0, record(2, 0)).await.expect("the next revision");
    assert_eq!(read(&log, chain(1), 0).await, []);
    append(&log, chain(1), 0, record(1, 0)).await.expect("the first revision");
}

/// What stood before and what comes while it looks, in one order that holds each chain's own.
pub async fn a_follower_catches_up_and_goes_live_with_every_record_exactly_once<L: Log>(log: L) {
    let log = Arc::new(log);
    fill(&log, 4, 10).await;
    let mut follower = log.follow(None).await.expect("a follower");
    let writers = tokio::spawn({
        let log = Arc::clone(&log);
        async move { fill_from(&log, 4, 10, 30).await }
    });
    let followed = take(&mut follower, 4 * 30).await;
    writers.await.expect("the writers end");
    assert_complete(&followed, 4, 30);
    append(log.as_ref(), chain(9), 0, record(9, 0)).await.expect("the next revision");
    let live = take(&mut follower, 1).await;
    assert_eq!(live.into_iter().map(|followed| placeless(followed.stored)).collect::<Vec<_>>(), [stored(9, 0)]);
}

/// Whether it watched from the start or came later; and cursors are the same, too.
pub async fn two_followers_see_the_same_order<L: Log>(log: L) {
    let log = Arc::new(log);
    let mut early = log.follow(None).await.expect("a follower");
    fill(&log, 6, 20).await;
    let early = take(&mut early, 6 * 20).await;
    let late = take(&mut log.follow(None).await.expect("a follower"), 6 * 20).await;
    assert_complete(&early, 6, 20);
    assert_eq!(early, late);
    assert!(early.is_sorted_by(|one, next| one.cursor < next.cursor), "cursors grow");
}

/// Whoever reads one chain can tell what stood before its records on another.
pub async fn records_have_the_same_growing_places_however_they_are_read<L: Log>(log: L) {
    let log = Arc::new(log);
    fill(&log, 5, 10).await;
    let followed = take(&mut log.follow(None).await.expect("a follower"), 5 * 10).await;
    let followed: Vec<Stored> = followed.into_iter().map(|followed| followed.stored).collect();
    assert!(followed.is_sorted_by(|one, next| one.order < next.order), "places grow");
    for name in 0..5 {
        let of_chain: Vec<Stored> = followed.iter().filter(|stored| stored.chain == chain(name)).cloned().collect();
        assert_eq!(read_placed(log.as_ref(), chain(name), 0).await, of_chain);
    }
}

/// From every place, neither repeating nor skipping; after the last one only what is new.
pub async fn following_after_a_cursor_goes_on_exactly_after_it<L: Log>(log: L) {
    let log = Arc::new(log);
    fill(&log, 3, 4).await;
    let all = take(&mut log.follow(None).await.expect("a follower"), 12).await;
    for (at, followed) in all.iter().enumerate() {
        let mut follower = log.follow(Some(followed.cursor)).await.expect("a known cursor");
        let rest = take(&mut follower, all.len() - at - 1).await;
        assert!(rest.iter().eq(all.iter().skip(at + 1)), "after record {at}");
    }
    let last = all.last().expect("twelve records").cursor;
    let mut follower = log.follow(Some(last)).await.expect("a known cursor");
    append(log.as_ref(), chain(9), 0, record(9, 0)).await.expect("the next revision");
    let new = take(&mut follower, 1).await.into_iter().map(|followed| placeless(followed.stored));
    let new: Vec<Stored> = new.collect();
    assert_eq!(new, [stored(9, 0)]);
}

/// A future that is dropped before it is ready took nothing with it.
pub async fn a_cancelled_next_loses_nothing<L: Log>(log: L) {
    let log = Arc::new(log);
    let mut follower = log.follow(None).await.expect("a follower");
    let writers = tokio::spawn({
        let log = Arc::clone(&log);
        async move { fill(&log, 4, 25).await }
    });
    let mut followed = Vec::new();
    in_time(async {
        while followed.len() < 4 * 25 {
            tokio::select! {
                biased;
                records = follower.next() => followed.extend(records.expect("the next records")),
                () = tokio::task::yield_now() => {}
            }
        }
    })
    .await;
    writers.await.expect("the writers end");
    assert_complete(&followed, 4, 25);
}

/// Each loser learns the next revision and goes on there; nobody's acknowledged record is lost.
pub async fn of_eight_writers_exactly_one_wins_each_revision<L: Log>(log: L) {
    let log = Arc::new(log);
    let writers: Vec<_> = (0..8_u8)
        .map(|writer| {
            let log = Arc::clone(&log);
            tokio::spawn(async move {
                let (mut at, mut won) = (0, Vec::new());
                while won.len() < 10 {
                    match append(log.as_ref(), chain(1), at, record(writer, at)).await {
                        Ok(()) => {
                            won.push((at, record(writer, at)));
                            at += 1;
                        }
                        Err(AppendError::Conflict { next }) => at = next.0,
                        Err(error) => panic!("writer {writer} at revision {at}: {error}"),
                    }
                }
                won
            })
        })
        .collect();
    let mut won = Vec::new();
    for writer in writers {
        won.extend(in_time(writer).await.expect("the writer ends"));
    }
    won.sort();
    let records = read(log.as_ref(), chain(1), 0).await;
    assert_eq!(records.into_iter().map(|stored| (stored.revision.0, stored.record)).collect::<Vec<_>>(), won);
    assert!(won.iter().map(|row| row.0).eq(0..80), "one winner each, without a gap");
}

/// An engine does not judge bytes: what is no record takes its place in the chain and in the order.
pub async fn bytes_that_are_no_record_are_taken_and_numbered<L: Log>(log: L) {
    let garbage = [
        Bytes::from_static(b"\0"),
        Bytes::from_static(b"{\"not\": \"a record\"}"),
        Bytes::from_static(&[0xff; 64]),
        Bytes::from_static(b"\n\x05short"),
    ];
    for (at, bytes) in (0..).zip(&garbage) {
        append(&log, chain(1), at, bytes.clone()).await.expect("bytes are bytes");
    }
    let read: Vec<Bytes> = read(&log, chain(1), 0).await.into_iter().map(|stored| stored.record).collect();
    assert_eq!(read, garbage);
    let followed = take(&mut log.follow(None).await.expect("a follower"), garbage.len()).await;
    assert!(followed.iter().map(|followed| &followed.stored.record).eq(&garbage));
}

/// [`RECORD_BYTES_MAX`] bytes are the limit, and a refusal takes no revision.
pub async fn the_largest_record_goes_through_and_a_larger_one_is_refused<L: Log>(log: L) {
    let largest: Bytes = (0..RECORD_BYTES_MAX).map(|at| u8::try_from(at % 251).unwrap_or_default()).collect();
    let larger = Bytes::from(vec![7; RECORD_BYTES_MAX + 1]);
    append(&log, chain(1), 0, largest.clone()).await.expect("the largest record");
    match append(&log, chain(1), 1, larger).await {
        Err(AppendError::TooLarge { size, max }) => {
            assert_eq!((size, max), (RECORD_BYTES_MAX + 1, RECORD_BYTES_MAX));
        }
        other => panic!("a larger record: {other:?}"),
    }
    append(&log, chain(1), 1, record(1, 1)).await.expect("the next revision");
    let records = read_placed(&log, chain(1), 0).await;
    assert!(records.iter().map(|stored| &stored.record).eq([&largest, &record(1, 1)]));
    let followed = take(&mut log.follow(None).await.expect("a follower"), 2).await;
    assert!(followed.into_iter().map(|followed| followed.stored).eq(records));
}

/// Written by many at once, read chain by chain, and followed.
pub async fn a_thousand_records_in_many_chains_come_back_as_they_were<L: Log>(log: L) {
    let log = Arc::new(log);
    fill(&log, 50, 20).await;
    for name in 0..50 {
        assert_eq!(read(log.as_ref(), chain(name), 0).await, (0..20).map(|at| stored(name, at)).collect::<Vec<_>>());
    }
    let followed = take(&mut log.follow(None).await.expect("a follower"), 1_000).await;
    assert_complete(&followed, 50, 20);
}

/// Whoever got the answer, and whomever he tells, can read the record.
pub async fn what_is_acknowledged_is_readable_at_once<L: Log>(log: L) {
    for at in 0..50 {
        append(&log, chain(1), at, record(1, at)).await.expect("the next revision");
        assert_eq!(read(&log, chain(1), at).await, [stored(1, at)]);
    }
}

/// At the latest by the first step; nobody is left waiting for a place that does not exist.
pub async fn a_foreign_cursor_is_refused<L: Log>(log: L) {
    append(&log, chain(1), 0, record(1, 0)).await.expect("the next revision");
    let answer = in_time(async { log.follow(Some(Cursor(u64::MAX, u64::MAX))).await?.next().await }).await;
    assert!(matches!(answer, Err(ReadError::UnknownCursor)), "{answer:?}");
}

/// Chains take turns in it, and it is the order that followers see; the same batch again changes nothing.
pub async fn a_batch_is_stored_in_its_order_and_once<L: Log>(log: L) {
    append(&log, chain(1), 0, record(1, 0)).await.expect("the first revision");
    let batch: Vec<Append> = (1..40).flat_map(|at| [to_append(1, at), to_append(2, at - 1)]).collect();
    for _time in 0..2 {
        append_batch(&log, &batch).await.expect("a batch whose records fit");
        let followed = take(&mut log.follow(None).await.expect("a follower"), 1 + batch.len()).await;
        let order = followed.into_iter().skip(1).map(|followed| appended(followed.stored));
        assert!(order.eq(batch.iter().cloned()), "the order is the batch's");
    }
    append_batch(&log, &[]).await.expect("nothing to store");
    append_batch(&log, &[to_append(1, 40), to_append(2, 39)]).await.expect("the next revisions");
    assert_eq!(read(&log, chain(1), 0).await, (0..41).map(|at| stored(1, at)).collect::<Vec<_>>());
    assert_eq!(read(&log, chain(2), 0).await, (0..40).map(|at| stored(2, at)).collect::<Vec<_>>());
}

/// A gap, other bytes where a record stands, or a revision twice: what is stored of the batch is its beginning.
pub async fn a_batch_with_a_conflict_stores_at_most_what_comes_before_it<L: Log>(log: L) {
    let other = Append { record: record(7, 7), ..to_append(1, 0) };
    append(&log, chain(1), 0, record(1, 0)).await.expect("the first revision");
    let mut standing = 1;
    for bad in [to_append(3, 9), other, Append { record: record(7, 7), ..to_append(4, 0) }] {
        let batch = [to_append(4, 0), to_append(4, 1), bad, to_append(5, 0)];
        let answer = append_batch(&log, &batch).await;
        assert!(matches!(answer, Err(AppendError::Conflict { .. })), "{answer:?}");
        let stored = read(&log, chain(4), 0).await;
        assert!(stored.iter().map(|stored| stored.record.clone()).eq((0..stored.len() as u64).map(|at| record(4, at))));
        assert_eq!(read(&log, chain(5), 0).await, []);
        standing = standing.max(1 + stored.len());
    }
    assert_eq!(read(&log, chain(1), 0).await, [stored(1, 0)]);
    assert_eq!(take(&mut log.follow(None).await.expect("a follower"), standing).await.len(), standing);
}

fn to_append(name: u8, at: u64) -> Append {
    appended(stored(name, at))
}

fn appended(stored: Stored) -> Append {
    Append { chain: stored.chain, expected: stored.revision, record: stored.record }
}

/// Appends a batch, and resends it for as long as the outcome is unknown.
async fn append_batch<L: Log>(log: &L, batch: &[Append]) -> Result<(), AppendError> {
    for _resend in 0..RESEND_ATTEMPTS_MAX {
        match log.append_batch(batch.to_vec()).await {
            Err(AppendError::Unknown(_)) => {}
            known => return known,
        }
    }
    log.append_batch(batch.to_vec()).await
}

fn chain(name: u8) -> ChainId {
    ChainId([name; 16])
}

/// Different for every name and place, and of different lengths.
fn record(name: u8, at: u64) -> Bytes {
    format!("record {at} of {name} {}", "…".repeat(usize::from(name) * 7 % 64)).into()
}

/// What was appended. Its place in the order is the log's to choose; see [`placeless`].
fn stored(name: u8, at: u64) -> Stored {
    Stored { chain: chain(name), revision: Revision(at), order: Order::default(), record: record(name, at) }
}

/// A record without its place in the order, which rows about content do not ask for.
fn placeless(stored: Stored) -> Stored {
    Stored { order: Order::default(), ..stored }
}

/// Appends, and resends the same bytes for as long as the outcome is unknown.
async fn append<L: Log>(log: &L, chain: ChainId, expected: u64, record: Bytes) -> Result<(), AppendError> {
    for _resend in 0..RESEND_ATTEMPTS_MAX {
        match log.append(chain, Revision(expected), record.clone()).await {
            Err(AppendError::Unknown(_)) => {}
            known => return known,
        }
    }
    log.append(chain, Revision(expected), record).await
}

async fn read<L: Log>(log: &L, chain: ChainId, from: u64) -> Vec<Stored> {
    read_placed(log, chain, from).await.into_iter().map(placeless).collect()
}

async fn read_placed<L: Log>(log: &L, chain: ChainId, from: u64) -> Vec<Stored> {
    log.read(chain, Revision(from), CHAIN_ENTRIES_MAX).await.expect("a read")
}

async fn fill<L: Log>(log: &Arc<L>, chains: u8, length: u64) {
    fill_from(log, chains, 0, length).await;
}

/// Brings chains `0..chains` from one length to another, all of them at once.
async fn fill_from<L: Log>(log: &Arc<L>, chains: u8, from: u64, length: u64) {
    let writers: Vec<_> = (0..chains)
        .map(|name| {
            let log = Arc::clone(log);
            tokio::spawn(async move {
                for at in from..length {
                    append(log.as_ref(), chain(name), at, record(name, at)).await.expect("the next revision");
                }
            })
        })
        .collect();
    for writer in writers {
        in_time(writer).await.expect("the writer ends");
    }
}

/// Exactly so many records; a step that gives more than that, or nothing, breaks the contract.
async fn take<F: Follower>(follower: &mut F, count: usize) -> Vec<Followed> {
    let mut followed = Vec::new();
    while followed.len() < count {
        let records = in_time(follower.next()).await.expect("the next records");
        assert!(!records.is_empty(), "a step gives at least one record");
        followed.extend(records);
    }
    assert_eq!(followed.len(), count, "no record comes twice");
    followed
}

/// Every record of chains `0..chains` exactly once, each chain in its order, and no cursor twice.
fn assert_complete(followed: &[Followed], chains: u8, length: u64) {
    for name in 0..chains {
        let of_chain = followed.iter().map(|followed| &followed.stored).filter(|stored| stored.chain == chain(name));
        let of_chain: Vec<Stored> = of_chain.cloned().map(placeless).collect();
        assert_eq!(of_chain, (0..length).map(|at| stored(name, at)).collect::<Vec<_>>());
    }
    let cursors: BTreeSet<Cursor> = followed.iter().map(|followed| followed.cursor).collect();
    assert_eq!(cursors.len(), followed.len(), "each record has its own cursor");
}

fn assert_conflict(answer: Result<(), AppendError>, next: u64) {
    assert!(matches!(answer, Err(AppendError::Conflict { next: Revision(named) }) if named == next), "{answer:?}");
}

/// A log that hangs fails the row instead of the machine. Far above what a slow disk or a cluster needs.
async fn in_time<F: Future>(future: F) -> F::Output {
    tokio::time::timeout(Duration::from_secs(60), future).await.expect("an answer within a minute")
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_row_is_in_the_macro() {
        let source = include_str!("conformance.rs");
        let defined: Vec<&str> = source
            .lines()
            .filter_map(|line| line.strip_prefix("pub async fn "))
            .filter_map(|line| line.split_once('<'))
            .map(|(name, _generics)| name)
            .collect();
        let listed: Vec<&str> = source
            .lines()
            .filter_map(|line| line.trim_start().strip_suffix(','))
            .filter(|name| defined.contains(name))
            .collect();
        assert_eq!(listed, defined);
    }
}
