//! Appends that nobody waits for any more.

use tokio::sync::{mpsc, oneshot};

use super::{super::opening, *};
use crate::committer::{Request, Waiting};

/// Time that ran out is time that nobody waits for.
#[tokio::test]
async fn what_is_given_up_before_it_is_taken_from_the_queue_costs_no_sync() {
    let disk = SimulatedDisk::new();
    drop(created(&disk));
    let (committer, _tip) = opening::open(Arc::new(disk.clone()), &dir(), &options(), &mut |_chain, _leaf| {}).unwrap();
    let (queue, requests) = mpsc::channel(8);
    let ask = |name, revision| {
        let record = record(name, revision);
        let leaf = leaf_hash(&record);
        let (answer, outcome) = oneshot::channel();
        let waiting = Waiting { chain: chain(name), expected: Revision(revision), record, leaf };
        queue.try_send(Request::One(waiting, answer)).unwrap();
        outcome
    };
    drop(ask(1, 0));
    let (kept, next) = (ask(2, 0), ask(1, 0));
    drop(ask(2, 1));
    drop(ask(3, 0));
    drop(queue);
    let syncs = disk.syncs();
    tokio::task::spawn_blocking(move || committer.run(requests)).await.unwrap();
    assert!(kept.await.unwrap().is_ok() && next.await.unwrap().is_ok());
    assert_eq!(disk.syncs() - syncs, 2, "one group, and the seal at the end");
    let log = open(&disk).unwrap();
    assert_eq!([length(&log, 1).await, length(&log, 2).await, length(&log, 3).await], [1, 1, 0]);
}
