//! Kill -9 under load: nothing that was acknowledged is lost, and every tree extends the one that was published before.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use futures_util::StreamExt as _;
use mediation_client::ClientError;
use mediation_ledger::checkpoint::Checkpoint;
use mediation_proto::mediation::{ledger::v1::Receipt, types::v1::AgencyKind};
use serde_json::json;

use crate::served::{Served, chain_id, event_id, registration, request};

const WRITERS: usize = 8;

/// Records on until the ledger is gone; keeps every receipt.
async fn write(served: &Served, killed: Arc<AtomicBool>) -> tokio::task::JoinHandle<Vec<Receipt>> {
    let client = served.client("XF-FL", AgencyKind::Petition).await;
    tokio::spawn(async move {
        let mut receipts = Vec::new();
        while !killed.load(Ordering::SeqCst) {
            let chain = chain_id();
            let acts = std::iter::once(registration(&chain, &event_id(), "排水渠堵塞")).chain((0..4).map(|_| {
                let visited = json!({"satisfaction": "SATISFIED", "relapse_signs": false});
                request(&chain, &event_id(), "FollowUpVisited", "XF-FL/REG-1", "REG", visited)
            }));
            for act in acts {
                match client.send(act).await {
                    Ok(receipt) => {
                        client.trust().verify(&receipt).unwrap();
                        receipts.push(receipt);
                    }
                    // The server is gone. What it had not acknowledged may be there or not.
                    Err(ClientError::Status(_)) if killed.load(Ordering::SeqCst) => return receipts,
                    Err(error) => panic!("{error}"),
                }
            }
        }
        receipts
    })
}

/// One round: load, kill, restart, account for everything. Gives how many acts were acknowledged.
async fn round(served: &mut Served, load: Duration, known: &mut Vec<Receipt>) -> usize {
    let killed = Arc::new(AtomicBool::new(false));
    let mut writers = Vec::new();
    for _ in 0..WRITERS {
        writers.push(write(served, Arc::clone(&killed)).await);
    }
    tokio::time::sleep(load).await;
    killed.store(true, Ordering::SeqCst);
    served.kill();
    let mut acknowledged = Vec::new();
    for writer in writers {
        acknowledged.extend(writer.await.unwrap());
    }
    served.start();
    account(served, &acknowledged).await;
    // Some of the rounds before, too: nothing that was there may go.
    let some: Vec<Receipt> = known.iter().step_by(known.len() / 50 + 1).cloned().collect();
    account(served, &some).await;
    let count = acknowledged.len();
    known.extend(acknowledged);
    count
}

/// Finds every receipt again, proved by a checkpoint that extends the receipt's own.
pub(crate) async fn account(served: &Served, receipts: &[Receipt]) {
    let client = served.client("XF-FL", AgencyKind::Petition).await;
    let trust = served.trust();
    let found = futures_util::stream::iter(receipts.iter().cloned()).map(|receipt| {
        let client = client.clone();
        async move {
            let (again, verified) = client.receipt(&receipt.chain_id, &receipt.event_id).await.unwrap();
            assert_eq!((&again.entry, again.revision), (&receipt.entry, receipt.revision));
            let (first_index, checkpoint) = client.trust().verify(&receipt).unwrap().seal.unwrap();
            let (index, newest) = verified.seal.unwrap();
            assert_eq!(index, first_index, "an entry has moved");
            assert!(newest.size >= checkpoint.size);
            checkpoint
        }
    });
    let mut earlier: Vec<Checkpoint> = found.buffer_unordered(64).collect().await;
    let newest = trust.checkpoint(&client.checkpoint().await.unwrap()).unwrap();
    earlier.sort_by_key(|checkpoint| checkpoint.size);
    earlier.dedup_by_key(|checkpoint| checkpoint.size);
    for checkpoint in &earlier {
        let path = client.consistency(checkpoint.size.0, newest.size.0).await.unwrap();
        trust.extends(checkpoint, &newest, &path).unwrap();
    }
}

/// A number from the environment: how `tests/kill-loop` asks for more than the pipeline does.
pub(crate) fn setting(name: &str, few: u64) -> u64 {
    std::env::var(name).map_or(few, |value| value.parse().unwrap())
}

/// Milliseconds within which a process is killed after it has begun to work.
const KILLED_WITHIN_MS: u64 = 60;

/// Kills after which a ledger is closed and verified, and a new one founded: a long log takes long to open.
const KILLS_PER_LEDGER: u64 = 200;

#[tokio::test(flavor = "multi_thread")]
async fn nothing_acknowledged_is_lost_when_the_process_is_killed_within_milliseconds() {
    let count = setting("MEDIATION_KILL_CYCLES", 4);
    let (mut killed, mut acknowledged, mut idle) = (0, 0, 0);
    while killed < count {
        let mut served = Served::new();
        let mut known = Vec::new();
        for _cycle in 0..KILLS_PER_LEDGER.min(count - killed) {
            let load = Duration::from_millis(uuid::Uuid::new_v4().as_u64_pair().1 % (KILLED_WITHIN_MS + 1));
            let stored = round(&mut served, load, &mut known).await;
            (killed, acknowledged, idle) = (killed + 1, acknowledged + stored, idle + u64::from(stored == 0));
        }
        served.stop();
        let (report, good) = served.verify();
        assert!(good, "{report:#}");
        assert!(report["entries"].as_u64().unwrap() >= known.len() as u64);
        println!("{killed} kills, {acknowledged} acts acknowledged, {idle} kills before the first, verified");
    }
    assert!(acknowledged > 0, "nothing was recorded");
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_acknowledged_is_lost_when_the_process_is_killed() {
    let count = setting("MEDIATION_KILL_ROUNDS", 2);
    let load = Duration::from_secs(setting("MEDIATION_KILL_SECONDS", 1));
    let mut served = Served::new();
    let mut known = Vec::new();
    for number in 0..count {
        let acknowledged = round(&mut served, load, &mut known).await;
        assert!(acknowledged > 0, "round {number} acknowledged nothing");
        println!("round {number}: {acknowledged} acts acknowledged, all found again, {} in all", known.len());
    }
    assert_eq!(served.verify_code(), Some(5), "a ledger that is being served is not verified");
    served.stop();
    let (report, good) = served.verify();
    assert!(good, "{report:#}");
    assert!(report["entries"].as_u64().unwrap() >= known.len() as u64);
}
