//! What is left of clients that were replaced. A process of its own: its threads are counted.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{fs, time::Duration};

use bytes::Bytes;
use mediation_kurrentdb_stand_in::{AppendFault, Options, StandIn};
use mediation_ledger::{
    chain::{ChainId, Revision},
    log::Log as _,
};
use mediation_log_kurrentdb::{KurrentLog, KurrentOptions};

/// The client's crate never ends its connection task by itself: clients that were left would pile up through an outage.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_left_of_a_client_that_was_replaced() {
    let cluster = StandIn::start(Options::default()).await.unwrap();
    let log = KurrentLog::open(KurrentOptions::new(cluster.uri())).await.unwrap();
    for at in 0..20 {
        cluster.faults().next_append("chain-", AppendFault::LoseRequest);
        log.append(ChainId([1; 16]), Revision(at), Bytes::from_static(b"record")).await.unwrap();
    }
    assert!(log.metrics().clients_built >= 20);
    let gone = async {
        while threads() > 1 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    assert!(tokio::time::timeout(Duration::from_secs(20), gone).await.is_ok(), "{} threads", threads());
}

/// Threads of clients, those of their runtimes that resolve names included.
fn threads() -> usize {
    let tasks = fs::read_dir("/proc/self/task").unwrap();
    let names = tasks.filter_map(|task| fs::read_to_string(task.ok()?.path().join("comm")).ok());
    names.filter(|name| name.trim_end() == "kurrentdb").count()
}
