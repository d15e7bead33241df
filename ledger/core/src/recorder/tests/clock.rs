//! Clocks that leap: within a chain the time of recording never goes back, and the order is the log's, whatever the time.

use super::*;
use crate::{entry::Entry, limits::RECORDED_AHEAD_MS_MAX, recorder::Submitted};

const DAY_MS: i64 = 24 * 60 * 60 * 1000;

/// When each entry of a chain was recorded, in the order of the chain.
async fn times(bench: &Bench, chain: ChainId) -> Vec<i64> {
    let stored = bench.log().read(chain, Revision::FIRST, 1_000).await.unwrap();
    let entry = |record| Entry::parse(&Record::parse(record).unwrap().entry).unwrap();
    stored.iter().map(|stored| entry(&stored.record).recorded_at).collect()
}

#[tokio::test]
async fn the_time_of_recording_never_goes_back_within_a_chain() {
    let clock = Arc::new(ManualClock::at(NOW_MS));
    let bench = Bench::with(clock.clone()).await;
    bench.record(&registration(chain(1), 1, "拖欠租金")).await.unwrap();
    // Three days forward, stuck, a second back, three days back, three days back once more.
    let leaps = [3 * DAY_MS, 3 * DAY_MS, 3 * DAY_MS - 1_000, 0, -3 * DAY_MS, 3 * DAY_MS + 1];
    for (number, leap) in (2..).zip(leaps) {
        clock.set(NOW_MS + leap);
        bench.record(&follow_up(chain(1), number)).await.unwrap();
    }
    let ahead = NOW_MS + 3 * DAY_MS;
    assert_eq!(times(&bench, chain(1)).await, [NOW_MS, ahead, ahead, ahead, ahead, ahead, ahead + 1]);
    assert_eq!(bench.verified().await.entries, 2 + 7);
}

#[tokio::test]
async fn neither_another_process_nor_a_batch_records_earlier() {
    let clock = Arc::new(ManualClock::at(NOW_MS));
    let bench = Bench::with(clock.clone()).await;
    bench.record(&registration(chain(1), 1, "拖欠租金")).await.unwrap();
    clock.set(NOW_MS - DAY_MS);
    let signers = BTreeMap::from([(CENTER.to_owned(), Arc::clone(&bench.key))]);
    let other = Arc::new(Recorder::new(Arc::clone(bench.recorder.ledger()), signers));
    other.record(&bench.caller, &follow_up(chain(1), 2)).await.unwrap();
    let submitted = |number| Submitted { caller: bench.caller.clone(), request: follow_up(chain(1), number) };
    other.record_batch([3, 4].map(submitted).to_vec()).await.unwrap();
    assert_eq!(times(&bench, chain(1)).await, [NOW_MS; 4]);
    assert_eq!(bench.verified().await.entries, 2 + 4);
}

#[tokio::test]
async fn a_clock_that_was_wrong_by_years_does_not_hold_a_chain() {
    let clock = Arc::new(ManualClock::at(NOW_MS));
    let bench = Bench::with(clock.clone()).await;
    bench.record(&registration(chain(1), 1, "拖欠租金")).await.unwrap();
    clock.set(NOW_MS + RECORDED_AHEAD_MS_MAX + 1);
    bench.record(&follow_up(chain(1), 2)).await.unwrap();
    clock.set(NOW_MS);
    bench.record(&follow_up(chain(1), 3)).await.unwrap();
    clock.set(NOW_MS - RECORDED_AHEAD_MS_MAX);
    bench.record(&follow_up(chain(1), 4)).await.unwrap();
    let times = times(&bench, chain(1)).await;
    assert_eq!(times, [NOW_MS, NOW_MS + RECORDED_AHEAD_MS_MAX + 1, NOW_MS, NOW_MS]);
}
