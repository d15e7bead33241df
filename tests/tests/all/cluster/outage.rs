//! Seven desks under load, while the engine is killed, frozen and started again, and while the sealer that signs dies.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use mediation_client::{Client, ClientError};
use mediation_proto::{
    ActRequest,
    mediation::{
        ledger::v1::{Receipt, ReceiptLevel},
        types::v1::AgencyKind,
    },
};
use serde_json::json;
use tokio::task::JoinHandle;

use super::{AUDIT, Cluster, DESKS};
use crate::served::{chain_id, event_id, request};

/// Time after the end of an outage within which every desk records again: some seconds, on a machine that other tests keep busy.
const RESUMED_WITHIN: Duration = Duration::from_secs(20);

/// Time within which an act finds its place on a chain that everybody writes to. Writers of one chain race, and nothing is fair
/// among them.
const SETTLED_WITHIN: Duration = Duration::from_secs(180);

/// Memory that a process may hold, in bytes: it keeps some dozens of thousands of leaves at most here.
const RESIDENT_MAX: u64 = 512 * 1024 * 1024;

/// Receipts of one row of acts, and when each came.
type Told = Arc<Mutex<Vec<(Instant, Receipt)>>>;

/// Records on, over the desk of one agency, until told to stop: new chains, by which one sees that the desk works, and acts on
/// the chain that all share.
struct Writer {
    own: Told,
    shared: Told,
    tasks: [JoinHandle<()>; 2],
}

impl Writer {
    fn start(client: &Arc<Client>, agency: &'static str, shared: &str, stop: &Arc<AtomicBool>) -> Self {
        let (chain, own, on_shared) = (shared.to_owned(), Told::default(), Told::default());
        let tasks = [
            record(client, &own, stop, move || registered(&chain_id(), agency)),
            record(client, &on_shared, stop, move || proposed(&chain, agency)),
        ];
        Self { own, shared: on_shared, tasks }
    }

    fn last(&self) -> Option<Instant> {
        self.own.lock().unwrap().last().map(|(at, _)| *at)
    }
}

/// Sends one act after the other.
fn record(
    client: &Arc<Client>,
    told: &Told,
    stop: &Arc<AtomicBool>,
    act: impl Fn() -> ActRequest + Send + 'static,
) -> JoinHandle<()> {
    let (client, told, stop) = (Arc::clone(client), Arc::clone(told), Arc::clone(stop));
    tokio::spawn(async move {
        while !stop.load(Ordering::SeqCst) {
            let receipt = settle(&client, act()).await;
            client.trust().verify(&receipt).unwrap();
            told.lock().unwrap().push((Instant::now(), receipt));
        }
    })
}

/// Sends one act again and again, until the ledger has said what became of it. Nothing is refused here, but while the log is
/// away that is said.
async fn settle(client: &Client, act: ActRequest) -> Receipt {
    let until = Instant::now() + SETTLED_WITHIN;
    loop {
        match client.send(act.clone()).await {
            Ok(receipt) => return receipt,
            Err(error) if Instant::now() < until => {
                let ClientError::Status(status) = &error else { panic!("{error}") };
                let code = status.code();
                assert!(
                    !matches!(code, tonic::Code::InvalidArgument | tonic::Code::DataLoss | tonic::Code::AlreadyExists),
                    "{error}"
                );
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
            Err(error) => panic!("never settled: {error}"),
        }
    }
}

fn registered(chain: &str, agency: &str) -> ActRequest {
    let data = json!({"channel": "WALK_IN", "division": "360222", "dispute_type": "PUBLIC_WORKS_DAMAGE",
        "emergency": false, "summary": "排水渠堵塞",
        "parties": [{"subject": "psn_3a2fe14dbb26e54c78eb71f1", "side": "APPLICANT", "capacity": "NATURAL_PERSON", "minor": false}],
        "identities": [{"subject": "psn_3a2fe14dbb26e54c78eb71f1", "name": "苗岫"}]});
    request(chain, &event_id(), "DisputeRegistered", &format!("{agency}/REG-1"), "REG", data)
}

fn proposed(chain: &str, agency: &str) -> ActRequest {
    let data = json!({"mode": "DELEGATION", "target": "PMC-FL-SA", "purpose": "MEDIATION",
        "documents": [{"kind": "委托调解函", "digest_algorithm": "SHA_256", "pages": 1, "sensitivity": "S1",
            "digest": "1e556df21bd9e54184d7e1f0f37ee1ee95231c652b7a913ef2ec768284517ecd"}]});
    request(chain, &event_id(), "HandoffProposed", &format!("{agency}/REG-1"), "REG", data)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn seven_desks_go_on_by_themselves_after_every_outage_and_nothing_is_lost_or_doubled() {
    let mut cluster = Cluster::complete();
    let shared = chain_id();
    let first = cluster.client("petition", "XF-FL", AgencyKind::Petition).await;
    let first = settle(&first, registered(&shared, "XF-FL")).await;
    assert_eq!(first.level(), ReceiptLevel::Sealed, "a desk without a log key gives sealed receipts");

    let stop = Arc::new(AtomicBool::new(false));
    let mut writers = BTreeMap::new();
    for (desk, agency, kind) in DESKS {
        let client = Arc::new(cluster.client(desk, agency, kind).await);
        writers.insert(desk, Writer::start(&client, agency, &shared, &stop));
    }
    everybody_records(&writers, "at first").await;

    cluster.stand_in.kill();
    tokio::time::sleep(Duration::from_secs(2)).await;
    cluster.stand_in.restart();
    everybody_records(&writers, "after the engine was killed").await;

    cluster.stand_in.freeze();
    tokio::time::sleep(Duration::from_secs(4)).await;
    cluster.stand_in.thaw();
    everybody_records(&writers, "after the engine stood still").await;

    cluster.process_mut("sealer").kill();
    everybody_records(&writers, "after a sealer was killed").await;
    sealed_receipts_come(&cluster).await;
    cluster.process_mut("sealer").start();
    cluster.process_mut("stand-by").kill();
    sealed_receipts_come(&cluster).await;
    cluster.process_mut("stand-by").start();

    cluster.process_mut("vault").kill();
    tokio::time::sleep(Duration::from_secs(1)).await;
    cluster.process_mut("vault").start();
    everybody_records(&writers, "after the vault was killed").await;

    stop.store(true, Ordering::SeqCst);
    let mut receipts = vec![first];
    for writer in writers.into_values() {
        for task in writer.tasks {
            task.await.unwrap();
        }
        for told in [writer.own, writer.shared] {
            receipts.extend(told.lock().unwrap().drain(..).map(|(_, receipt)| receipt));
        }
    }
    for (name, process) in &cluster.processes {
        assert!(process.resident() < RESIDENT_MAX, "{name} holds {} bytes", process.resident());
    }
    account(&cluster, &receipts).await;
    for process in cluster.processes.values_mut() {
        process.stop();
    }
}

/// Waits until every desk has recorded something new.
async fn everybody_records(writers: &BTreeMap<&str, Writer>, when: &str) {
    let from = Instant::now();
    loop {
        let silent: Vec<&str> = writers
            .iter()
            .filter(|(_, writer)| writer.last().is_none_or(|last| last < from))
            .map(|(desk, _)| *desk)
            .collect();
        if silent.is_empty() {
            return;
        }
        assert!(from.elapsed() < RESUMED_WITHIN, "{when}, these desks do not record: {silent:?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Somebody signs heads: receipts get sealed.
async fn sealed_receipts_come(cluster: &Cluster) {
    let client = cluster.client("court", "CT-FL", AgencyKind::Court).await;
    let until = Instant::now() + RESUMED_WITHIN;
    loop {
        let receipt = settle(&client, registered(&chain_id(), "CT-FL")).await;
        if receipt.level() == ReceiptLevel::Sealed {
            return;
        }
        assert!(Instant::now() < until, "no receipt is sealed");
    }
}

/// Every receipt stands where it says, no act stands twice, and what is sealed holds together.
async fn account(cluster: &Cluster, receipts: &[Receipt]) {
    let audit = cluster.client("audit", AUDIT, AgencyKind::Audit).await;
    let mut by_chain: BTreeMap<&str, Vec<&Receipt>> = BTreeMap::new();
    for receipt in receipts {
        by_chain.entry(&receipt.chain_id).or_default().push(receipt);
    }
    for (chain, told) in by_chain {
        let shown = audit.chain(chain, None).await.unwrap();
        let shown: Vec<&Receipt> = shown.entries.iter().filter_map(|entry| entry.receipt.as_ref()).collect();
        let revisions: Vec<u64> = shown.iter().map(|receipt| receipt.revision).collect();
        assert_eq!(revisions, (0..shown.len() as u64).collect::<Vec<_>>(), "{chain} is dense");
        let events: BTreeSet<&str> = shown.iter().map(|receipt| receipt.event_id.as_str()).collect();
        assert_eq!(events.len(), shown.len(), "an act stands twice on {chain}");
        for receipt in told {
            let stands = shown.iter().find(|stands| stands.event_id == receipt.event_id);
            let stands = stands.unwrap_or_else(|| panic!("{} was acknowledged and is lost", receipt.event_id));
            assert_eq!((stands.revision, &stands.entry), (receipt.revision, &receipt.entry));
        }
    }
    let report = cluster.verify();
    assert_eq!(report["good"], true, "{report:#}");
    assert!(report["heads"].as_u64().unwrap() > 1, "{report:#}");
}
