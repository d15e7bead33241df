//! Freezing and erasing over real connections: what is ordered is carried out once, shown to nobody, and proved all the same.

use std::{
    collections::BTreeSet,
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

use mediation_client::{Client, ClientError};
use mediation_ledger::{
    bundle::read,
    chain::ChainId,
    entry::Entry,
    merkle::Hash,
    part::{OpenError, open},
    record::Record,
    statement::Statement,
};
use mediation_log_embedded::{
    disk::RealDisk,
    scan::{Expected, scan},
    vault::VaultReader,
};
use mediation_proto::mediation::{
    ledger::v1::Reading,
    types::v1::{AccessPurpose, AgencyKind},
};
use serde_json::{Value, json};
use tonic_types::StatusExt as _;

use crate::{
    bundle::{script_verdict, verdict},
    catalogue::canaries::{needles, standing},
    served::{Served, chain_id, copy, event_id, mediation, reading, registration, request},
};

const BUREAU: &str = "XF-FL";
const AUDIT: &str = "AUD-JDZ";
const CANARY: &str = "排水渠堵塞canary4f1e";

/// Time within which an order is carried out.
const WITHIN: Duration = Duration::from_secs(60);

/// The entries of a chain as an agency sees them.
fn entries(served: &Served, chain: &str, agency: &str) -> Vec<Value> {
    let shown = served.run(&["chain", chain, "--json", "--agency", agency]);
    let said: Value =
        serde_json::from_slice(&shown.stdout).unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&shown.stderr)));
    said["entries"].as_array().unwrap().clone()
}

fn order(measure: &str, more: &[(&str, Value)]) -> Value {
    let mut order = json!({"measure": measure, "order_no": "删字1号", "scope": "CHAIN", "basis": "SUBJECT_REQUEST",
        "legal_basis": "个人信息保护法第四十七条"});
    more.iter().for_each(|(name, value)| order[*name] = value.clone());
    order
}

/// Two agencies on a served ledger.
pub(crate) struct Two {
    bureau: Client,
    audit: Client,
}

impl Two {
    pub(crate) async fn of(served: &Served) -> Self {
        let bureau = served.client(BUREAU, AgencyKind::Petition).await;
        Self { bureau, audit: served.client(AUDIT, AgencyKind::Audit).await }
    }

    /// A chain with a dispute.
    pub(crate) async fn dispute(&self) -> String {
        let chain = chain_id();
        self.bureau.record(registration(&chain, &event_id(), CANARY)).await.unwrap();
        chain
    }

    async fn order(&self, chain: &str, data: Value) -> Result<String, String> {
        let id = event_id();
        let ordered = request(chain, &id, "ErasureOrdered", "XF-FL/HEAD-1", "HEAD", data);
        self.bureau.record(ordered).await.map(|_| id).map_err(reason)
    }

    async fn countersign(&self, client: &Client, agency: &str, chain: &str, order: &str) -> Result<(), String> {
        let signer = format!("{agency}/HEAD-1");
        let data = json!({"order": {"event_id": order}});
        let signed = request(chain, &event_id(), "ErasureCountersigned", &signer, "HEAD", data);
        client.record(signed).await.map(drop).map_err(reason)
    }

    /// Orders the erasure of a chain, and has it countersigned.
    pub(crate) async fn erase(&self, chain: &str) -> String {
        let id = self.order(chain, order("ERASE", &[])).await.unwrap();
        self.countersign(&self.audit, AUDIT, chain, &id).await.unwrap();
        id
    }
}

fn reason(error: ClientError) -> String {
    let ClientError::Status(status) = error else { panic!("{error}") };
    status.get_details_error_info().unwrap().reason
}

fn is_executed(served: &Served, chain: &str) -> bool {
    entries(served, chain, BUREAU).iter().any(|entry| entry["event"] == "ErasureExecuted")
}

pub(crate) async fn wait_for_execution(served: &Served, chain: &str) {
    let began = Instant::now();
    while !is_executed(served, chain) {
        assert!(began.elapsed() < WITHIN, "the order was not carried out");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

/// Digests that acts of a chain say are destroyed.
pub(crate) fn destroyed(served: &Served, chain: &str) -> Vec<Hash> {
    let entries = entries(served, chain, BUREAU);
    let executed = entries.iter().filter(|entry| entry["event"] == "ErasureExecuted");
    let keys = executed.flat_map(|entry| entry["data"]["keys"].as_array().unwrap());
    keys.map(|key| Hash(hex::decode(key.as_str().unwrap()).unwrap().try_into().unwrap())).collect()
}

/// Keys that a vault gives; nobody may have it open.
fn kept(served: &Served, chain: &str, digests: &[Hash]) -> usize {
    let origin = served.trust().log_key.name().to_string();
    let vault = VaultReader::open(&RealDisk, &served.path().join("vault"), &origin).unwrap();
    let chain = ChainId::parse(chain).unwrap();
    digests.iter().filter(|digest| vault.key(chain, **digest).is_ok_and(|key| key.is_some())).count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_two_agencies_order_is_erased_for_ever_and_everything_still_verifies() {
    erases_for_ever(Served::new()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn so_it_is_in_a_ledger_of_the_sm_suite() {
    erases_for_ever(Served::founded_with(&["--suite", "sm2"])).await;
}

async fn erases_for_ever(mut served: Served) {
    let two = Two::of(&served).await;
    let chain = two.dispute().await;
    assert_eq!(entries(&served, &chain, BUREAU)[0]["data"]["summary"], CANARY);
    let older = tempfile::tempdir().unwrap();
    copy(&served.path().join("vault"), older.path());
    two.erase(&chain).await;
    wait_for_execution(&served, &chain).await;
    let digests = destroyed(&served, &chain);
    assert_eq!(digests.len(), 2, "the free text and the identity");
    let shown = served.run(&["chain", &chain, "--agency", BUREAU]);
    let told = String::from_utf8(shown.stdout).unwrap();
    assert!(told.contains("依第删字1号决定删除 · erased by order no. 删字1"), "{told}");
    assert!(!told.contains("canary4f1e"));
    drop(two);
    served.stop();
    let (report, clean) = served.verify();
    assert!(clean, "{report}");
    assert_eq!(kept(&served, &chain, &digests), 0);
    proves_itself(&served, &chain, &digests);
    // A vault from before the order opens nothing of it, though it cannot even read the order.
    let vault = served.path().join("vault");
    std::fs::remove_dir_all(&vault).unwrap();
    copy(older.path(), &vault);
    assert_eq!(kept(&served, &chain, &digests), 2, "the older vault has the keys");
    assert!(!served.verify().1, "which is told before it is served");
    served.start();
    served.stop();
    assert_eq!(kept(&served, &chain, &digests), 0);
}

/// A bundle of the chain is good, and names the act that destroyed each key.
fn proves_itself(served: &Served, chain: &str, digests: &[Hash]) {
    let out = served.directory.path().join("erased.evidence.zip");
    let mut export = Command::new(mediation());
    export.args(["export", chain, "--dir"]).arg(served.path()).arg("--out").arg(&out);
    let export = export.output().unwrap();
    assert!(export.status.success(), "{}", String::from_utf8_lossy(&export.stderr));
    let policy = served.path().join("policy");
    for said in [verdict(&out, Some(&policy)), script_verdict(&out, Some(&policy))] {
        assert_eq!(said["good"], true, "{said:#}");
    }
    let files = read(&std::fs::read(&out).unwrap().into()).unwrap();
    let withheld: Value = serde_json::from_slice(&files["withheld.json"]).unwrap();
    let rows = withheld.as_array().unwrap();
    let erased = rows.iter().filter(|row| row["order"].is_string()).map(|row| row["digest"].as_str().unwrap());
    let erased: BTreeSet<String> = erased.map(str::to_owned).collect();
    assert_eq!(erased, digests.iter().map(ToString::to_string).collect());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_freeze_hides_at_once_and_a_lift_shows_again() {
    let served = Served::new();
    let two = Two::of(&served).await;
    let chain = two.dispute().await;
    let frozen = two.order(&chain, order("FREEZE", &[])).await.unwrap();
    let own = entries(&served, &chain, BUREAU);
    assert!(own[0]["data"]["summary"].is_null() && own[0]["data"]["channel"] == "WALK_IN", "{:#}", own[0]);
    let audit = entries(&served, &chain, AUDIT);
    assert_eq!(audit[0]["parts_closed"][0]["order"], frozen.as_str());
    assert_eq!(own[0]["parts_closed"], json!([]), "only the audit is told that it is frozen");
    let lift = order("LIFT", &[("lifts", json!({"event_id": frozen}))]);
    two.order(&chain, lift.clone()).await.unwrap();
    assert_eq!(entries(&served, &chain, BUREAU)[0]["data"]["summary"], CANARY);
    assert_eq!(two.order(&chain, lift).await, Err("ERASURE_NOT_ALLOWED".to_owned()), "it is lifted already");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_law_does_not_allow_is_refused() {
    let served = Served::new();
    let two = Two::of(&served).await;
    let refused = Err("ERASURE_NOT_ALLOWED".to_owned());
    let chain = two.dispute().await;
    let erase = two.order(&chain, order("ERASE", &[])).await.unwrap();
    let own = two.countersign(&two.bureau, BUREAU, &chain, &erase).await;
    assert_eq!(own, Err("ERASURE_NOT_ALLOWED".to_owned()), "one agency alone erases nothing");
    let facts =
        order("ERASE", &[("scope", json!("PART")), ("steps", json!([{"event_id": erase}])), ("parts", json!(["ACT"]))]);
    assert_eq!(two.order(&chain, facts).await, refused);
    let held = two.dispute().await;
    let hold = json!({"ground": "LITIGATION", "until_on": "2099-12-31", "chains": [held]});
    let placed = request(&held, &event_id(), "LegalHoldPlaced", "XF-FL/HEAD-1", "HEAD", hold);
    two.bureau.record(placed).await.unwrap();
    assert_eq!(two.order(&held, order("ERASE", &[])).await, refused);
    two.order(&held, order("FREEZE", &[])).await.unwrap();
    let kept = two.dispute().await;
    let data = json!({"form": "VISIT", "kind": "CLAIM", "headcount": 1, "direct": true, "origin": "DIRECT"});
    let petition = request(&kept, &event_id(), "PetitionReceived", "XF-FL/PETO-1", "PETO", data);
    two.bureau.record(petition).await.unwrap();
    assert_eq!(two.order(&kept, order("ERASE", &[])).await, refused, "petition files are kept");
    two.order(&kept, order("ERASE", &[("basis", json!("COURT_ORDER"))])).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_kill_between_order_and_act_leaves_an_order_that_the_next_start_carries_out() {
    let mut served = Served::new();
    for round in 0..6_u64 {
        let two = Two::of(&served).await;
        let chain = two.dispute().await;
        two.erase(&chain).await;
        tokio::time::sleep(Duration::from_millis(250 * round)).await;
        drop(two);
        tokio::task::block_in_place(|| served.kill());
        served.start();
        wait_for_execution(&served, &chain).await;
        let digests = destroyed(&served, &chain);
        assert_eq!(digests.len(), 2, "round {round}: every key is named, also those that went before the kill");
        let executed = entries(&served, &chain, BUREAU);
        let executed = executed.iter().filter(|entry| entry["event"] == "ErasureExecuted").count();
        assert_eq!(executed, 1, "round {round}");
        served.stop();
        assert_eq!(kept(&served, &chain, &digests), 0, "round {round}");
        let (report, clean) = served.verify();
        assert!(clean, "round {round}: {report}");
        served.start();
    }
}

/// `mediation erase` of a directory that nobody serves, as JSON.
fn by_hand(served: &Served, chain: &str, more: &[&str]) -> Value {
    let mut erase = Command::new(mediation());
    erase.args(["erase", chain, "--json", "--dir"]).arg(served.path()).args(more);
    let said = erase.output().unwrap();
    assert!(said.status.success(), "{}", String::from_utf8_lossy(&said.stderr));
    serde_json::from_slice(&said.stdout).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn by_hand_it_is_said_what_hinders_and_done_what_may_be() {
    let mut served = Served::new();
    let two = Two::of(&served).await;
    let (waiting, ready) = (two.dispute().await, two.dispute().await);
    two.order(&waiting, order("ERASE", &[])).await.unwrap();
    let export = Reading { purpose: Some(AccessPurpose::Export.into()), ..reading(BUREAU) };
    two.bureau.clone().reading(export).chain(&ready, None).await.unwrap();
    two.erase(&ready).await;
    drop(two);
    tokio::task::block_in_place(|| served.kill());
    let said = by_hand(&served, &waiting, &["--dry-run"]);
    assert_eq!(said["orders"][0]["hindered_zh"], "尚无其他机构会签");
    let said = by_hand(&served, &ready, &["--dry-run"]);
    assert_eq!(said["orders"][0]["keys"].as_array().unwrap().len(), 2);
    assert_eq!(said["copies_to_call_back"][0]["reader"], "XF-FL/TEST-1");
    by_hand(&served, &ready, &[]);
    let said = by_hand(&served, &ready, &["--dry-run"]);
    assert_eq!(said["orders"][0]["was_executed"], true);
    let (report, clean) = served.verify();
    assert!(clean, "{report}");
    served.start();
    let digests = destroyed(&served, &ready);
    served.stop();
    assert_eq!((digests.len(), kept(&served, &ready, &digests)), (2, 0));
}

/// A backup of the vault from before an erasure, put back: none of the keys that are left opens what was erased.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_that_is_put_back_opens_nothing_that_was_erased_since() {
    let mut served = Served::new();
    let two = Two::of(&served).await;
    let (chain, other) = (two.dispute().await, two.dispute().await);
    let directory = served.path();
    let backup = served.directory.path().join("vault.backup");
    let vault = |arguments: &[&str], file: &Path| {
        let mut command = Command::new(mediation());
        command.arg("vault").args(arguments).arg(file).arg("--dir").arg(&directory).output().unwrap()
    };
    let made = vault(&["backup", "--out"], &backup);
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    two.erase(&chain).await;
    wait_for_execution(&served, &chain).await;
    let digests = destroyed(&served, &chain);
    drop(two);
    let refused = vault(&["restore", "--replace", "--from"], &backup);
    assert!(!refused.status.success(), "the ledger is served");
    served.stop();
    let refused = vault(&["restore", "--from"], &backup);
    assert!(String::from_utf8_lossy(&refused.stderr).contains("须加 --replace"));
    let (head, wraps) = {
        let file = std::fs::read(&backup).unwrap();
        let end = file.iter().position(|byte| *byte == b'\n').unwrap();
        (serde_json::from_slice::<Value>(&file[..end]).unwrap(), file[end..].to_vec())
    };
    for (field, value, told) in [
        ("expires_on", json!("2026-01-31"), "已于 2026-01-31 失效"),
        ("origin", json!("other.example/main"), "另一账本"),
        ("kek", json!("00"), "主密钥"),
        ("sha256", json!("00"), "已损坏"),
    ] {
        let mut head = head.clone();
        head[field] = value;
        let wrong = served.directory.path().join("wrong.backup");
        std::fs::write(&wrong, [head.to_string().as_bytes(), &wraps].concat()).unwrap();
        let refused = vault(&["restore", "--replace", "--from"], &wrong);
        let said = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert!(!refused.status.success() && said.contains(told), "{field}: {said}");
    }
    let restored = vault(&["restore", "--replace", "--from"], &backup);
    let said = String::from_utf8_lossy(&restored.stdout).into_owned();
    assert!(restored.status.success() && said.contains("destroyed again: 2"), "{said}");
    assert_eq!(kept(&served, &chain, &digests), 0);
    served.start();
    assert_eq!(entries(&served, &other, BUREAU)[0]["data"]["summary"], CANARY, "what was not erased opens");
    let left = entries(&served, &chain, BUREAU);
    assert!(left[0]["data"]["summary"].is_null(), "{:#}", left[0]);
    served.stop();
    opens_with_no_key_that_is_left(&served, &digests);
}

/// Tries the keys of every part that still has one on the parts that were erased.
fn opens_with_no_key_that_is_left(served: &Served, erased: &[Hash]) {
    let origin = served.trust().log_key.name().to_string();
    let vault = VaultReader::open(&RealDisk, &served.path().join("vault"), &origin).unwrap();
    let (mut keys, mut parts) = (Vec::new(), Vec::new());
    let expected = Expected { origin: origin.clone(), covered: None };
    let read = scan(&RealDisk, &served.path(), &expected, &mut |placed| {
        let record = Record::parse(placed.record).unwrap();
        let statement = Statement::parse(&Entry::parse(&record.entry).unwrap().statement).unwrap();
        for (commitment, stored) in statement.commitments.into_iter().zip(record.parts) {
            keys.extend(vault.key(placed.chain, commitment.digest).unwrap());
            if erased.contains(&commitment.digest) {
                parts.push((statement.event_id, commitment, stored));
            }
        }
    });
    assert!(read.unwrap().faults.is_empty());
    assert!(parts.len() == erased.len() && keys.len() > 50, "{} parts, {} keys", parts.len(), keys.len());
    for (event_id, commitment, stored) in &parts {
        for key in &keys {
            let opened = open(&origin, *event_id, *commitment, stored, key);
            assert!(matches!(opened, Err(OpenError::Undecryptable { .. })), "{opened:?}");
        }
    }
}

/// The journal holds digests alone.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_file_of_the_directory_holds_what_was_erased() {
    let mut served = Served::new();
    let two = Two::of(&served).await;
    let chain = two.dispute().await;
    two.erase(&chain).await;
    wait_for_execution(&served, &chain).await;
    drop(two);
    served.stop();
    let name = "苗岫";
    let needles = [needles("canary4f1e"), vec![name.to_owned(), hex::encode(name)]].concat();
    assert_eq!(standing(&served.path(), &needles), Vec::<String>::new());
    assert!(std::fs::read_to_string(served.path().join("erased")).unwrap().lines().count() == 2);
}
