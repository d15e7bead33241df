//! A process that stands still for seconds under load, as on a machine that swaps, is moved, or has no processor left: its
//! clients hear nothing, ask again, and what they asked for is there once.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use mediation_client::{Client, ClientError};
use mediation_proto::{
    ActRequest,
    mediation::{ledger::v1::Receipt, types::v1::AgencyKind},
};
use serde_json::json;
use tokio::task::JoinHandle;
use tonic::Code;

use crate::{
    kill::{account, setting},
    served::{Served, chain_id, event_id, registration, request},
};

const WRITERS: usize = 8;

/// Acts of one chain.
const ACTS: u64 = 6;

/// Time that a client waits for an answer before he asks again: less than the process stands still.
const PATIENCE: Duration = Duration::from_millis(1_000);

/// Between a refusal that may be another answer later and the next attempt.
const PAUSE: Duration = Duration::from_millis(50);

/// Time that the process works, before and after it stands still.
const LOAD: Duration = Duration::from_millis(500);

/// Times that the process stands still.
const FREEZES: u64 = 2;

/// Time that it stands still, at least and at most.
const FROZEN_MS: std::ops::Range<u64> = 1_500..3_000;

/// What became of a writer's acts.
#[derive(Default)]
struct Written {
    receipts: Vec<Receipt>,
    /// Answers that did not come in time.
    unheard: usize,
    /// Refusals that may be another answer later.
    refused: usize,
}

impl Written {
    /// Asks until there is an answer.
    async fn record(&mut self, client: &Client, act: &ActRequest) -> Receipt {
        loop {
            match tokio::time::timeout(PATIENCE, client.send(act.clone())).await {
                Ok(Ok(receipt)) => return receipt,
                Ok(Err(ClientError::Status(status))) => {
                    let later = [Code::Unavailable, Code::ResourceExhausted, Code::DeadlineExceeded, Code::Cancelled];
                    assert!(later.contains(&status.code()), "{status:?}");
                    self.refused += 1;
                    tokio::time::sleep(PAUSE).await;
                }
                Ok(Err(error)) => panic!("{error}"),
                Err(_elapsed) => self.unheard += 1,
            }
        }
    }
}

/// Records chain after chain until told to stop, and every act until it is acknowledged. Each has the place after the one
/// before it: what was asked for twice is not there twice.
async fn write(served: &Served, enough: Arc<AtomicBool>) -> JoinHandle<Written> {
    let client = served.client("XF-FL", AgencyKind::Petition).await;
    tokio::spawn(async move {
        let mut written = Written::default();
        while !enough.load(Ordering::SeqCst) {
            let chain = chain_id();
            for revision in 0..ACTS {
                let visited = json!({"satisfaction": "SATISFIED", "relapse_signs": false});
                let act = match revision {
                    0 => registration(&chain, &event_id(), "排水渠堵塞"),
                    _ => request(&chain, &event_id(), "FollowUpVisited", "XF-FL/REG-1", "REG", visited),
                };
                let receipt = written.record(&client, &act).await;
                client.trust().verify(&receipt).unwrap();
                assert_eq!(receipt.revision, revision, "an act of {chain} is missing, or there twice");
                written.receipts.push(receipt);
            }
        }
        written
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_stands_still_for_seconds_loses_and_doubles_nothing() {
    let mut served = Served::new();
    let enough = Arc::new(AtomicBool::new(false));
    let mut writers = Vec::new();
    for _ in 0..WRITERS {
        writers.push(write(&served, Arc::clone(&enough)).await);
    }
    let freezes = setting("MEDIATION_FREEZES", FREEZES);
    for _ in 0..freezes {
        tokio::time::sleep(LOAD).await;
        served.signal("-STOP");
        let drawn = uuid::Uuid::new_v4().as_u64_pair().1 % (FROZEN_MS.end - FROZEN_MS.start);
        tokio::time::sleep(Duration::from_millis(FROZEN_MS.start + drawn)).await;
        served.signal("-CONT");
    }
    tokio::time::sleep(LOAD).await;
    enough.store(true, Ordering::SeqCst);
    let mut all = Written::default();
    for writer in writers {
        let written = writer.await.unwrap();
        all.receipts.extend(written.receipts);
        all.unheard += written.unheard;
        all.refused += written.refused;
    }
    assert!(all.unheard >= WRITERS, "{} answers were not heard in time: the process did not stand still", all.unheard);
    account(&served, &all.receipts).await;
    served.stop();
    let (report, good) = served.verify();
    assert!(good, "{report:#}");
    assert!(report["entries"].as_u64().unwrap() >= all.receipts.len() as u64);
    let (acknowledged, unheard, refused) = (all.receipts.len(), all.unheard, all.refused);
    println!(
        "stood still {freezes} times: {acknowledged} acts acknowledged, {unheard} unheard, {refused} told to come again"
    );
}
