//! `mediation figures` over a ledger that was served: what it counts, what it does not, and what it refuses.

#[cfg(test)]
mod asked;

use std::{
    fs::{self, File},
    os::unix::fs::FileExt as _,
    process::{Command, Output},
    sync::Arc,
};

use mediation_ledger::{
    chain::{ChainId, Revision},
    log::Log as _,
    merkle::Hash,
    record::Record,
    vault::{Deposit, Holder, Vault as _},
};
use mediation_log_embedded::{
    Embedded, FatalHandler, Options,
    disk::RealDisk,
    scan::{Expected, scan},
    vault::{FileVault, VaultReader},
};
use mediation_proto::mediation::types::v1::AgencyKind;
use serde_json::{Value, json};

use crate::served::{Served, chain_id, event_id, mediation, request};

/// Acts of the founding: its own, and a key for each of the agencies. They are of today, later than the year.
const FOUNDING_ACTS: u64 = 53;

fn figures(served: &Served, more: &[&str]) -> Output {
    let mut command = Command::new(mediation());
    command.args(["figures", "--year", "2024"]).args(more).arg("--dir").arg(served.path());
    command.output().unwrap()
}

fn json_of(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&output.stderr)))
}

fn row<'a>(report: &'a Value, section: &str, id: &str) -> &'a Value {
    report[section].as_array().unwrap().iter().find(|row| row["id"] == id).unwrap()
}

/// A center with five posts, a talk of 20 001 people in a chain of two acts, and a dispute.
async fn record(served: &Served) -> String {
    let committee = served.client("ZFW-JDZ", AgencyKind::PoliticalLegalCommittee).await;
    let onboarded = json!({"subject": "ZC-JDZ", "name": "景德镇市综治中心", "kind": "GOVERNANCE_CENTER", "level": "CITY",
        "division": "360200", "credit_code": "12360200LEDG000613", "certificate_sha256": "0".repeat(64),
        "centers": ["GOVERNANCE"], "established_posts": 5});
    let center = chain_id();
    committee.send(request(&center, &event_id(), "AgencyOnboarded", "ZFW-JDZ/ADM-1", "ADM", onboarded)).await.unwrap();
    let township = served.client("TC-ZS-XC", AgencyKind::TownshipCenter).await;
    let talk = chain_id();
    let raised = json!({"participants": 20_001, "matter": "停车"});
    township.send(request(&talk, &event_id(), "TalkRaised", "TC-ZS-XC/TCOM-1", "TCOM", raised)).await.unwrap();
    let bureau = served.client("XF-FL", AgencyKind::Petition).await;
    bureau.send(crate::served::registration(&chain_id(), &event_id(), "排水渠堵塞")).await.unwrap();
    let actioned = json!({"solved": true, "result": "划线"});
    township.send(request(&talk, &event_id(), "TalkActioned", "TC-ZS-XC/TCOM-1", "TCOM", actioned)).await.unwrap();
    talk
}

#[tokio::test(flavor = "multi_thread")]
async fn figures_come_from_the_log_alone_and_twice_alike() {
    let mut served = Served::new();
    record(&served).await;
    let refused = figures(&served, &[]);
    assert_eq!(refused.status.code(), Some(5));
    let why = String::from_utf8_lossy(&refused.stderr);
    assert!(why.contains("is being served"), "{why}");

    served.stop();
    let output = figures(&served, &["--json", "--operational"]);
    assert_eq!(output.status.code(), Some(1), "most figures of the city are not there");
    let report = json_of(&output);
    assert_eq!(report["as_of"], "2024-12-31T23:59:59+08:00");
    assert_eq!(report["rule_set"], "cn-2024-fixture");
    let entries = FOUNDING_ACTS + 4;
    for path in ["/entries", "/signatures", "/tree/size", "/checkpoint/size"] {
        assert_eq!(report.pointer(path), Some(&json!(entries)), "{path}");
    }
    assert_eq!(report["tree"]["root"], report["checkpoint"]["root"]);
    assert_eq!(report["chains"], 4);
    assert_eq!(report["counted"], json!({"acts": 4, "chains": 3, "withdrawn": 0, "later": FOUNDING_ACTS}));
    assert_eq!(
        report["not_counted"],
        json!({"unreadable_acts": 0, "withheld_parts": 0, "faulty_entries": {}, "faults": []})
    );
    assert_eq!(
        (report["figures"].as_array().unwrap().len(), report["operational"].as_array().unwrap().len()),
        (45, 12)
    );
    for (id, computed, agrees) in
        [("P-5", "5", true), ("P-30", "20001", true), ("P-31", "1", false), ("P-12b", "—", false)]
    {
        let row = row(&report, "figures", id);
        assert_eq!((&row["computed"], &row["agrees"]), (&json!(computed), &json!(agrees)), "{id}");
    }
    assert_eq!(row(&report, "figures", "P-30")["published"], "20000余");
    assert_eq!(row(&report, "operational", "O-8")["exact"], json!({"numerator": "0", "denominator": "1"}));
    assert_eq!(figures(&served, &["--json", "--operational"]).stdout, output.stdout);

    let before = json_of(&figures(&served, &["--json", "--as-of", "2024-03-03"]));
    assert_eq!(before["counted"], json!({"acts": 0, "chains": 0, "withdrawn": 0, "later": entries}));
    assert_eq!(before["operational"], json!([]));
    let text = String::from_utf8(figures(&served, &[]).stdout).unwrap();
    for words in ["规则集 rule set cn-2024-fixture", "有效签名 signatures verified 57", "P-24b", "相符 agree 2 / 45 ✗"]
    {
        assert!(text.contains(words), "{words} is missing in\n{text}");
    }
    for year in ["1900", "2300"] {
        let beyond = Command::new(mediation()).args(["figures", "--year", year, "--dir"]).arg(served.path()).output();
        assert_eq!(beyond.unwrap().status.code(), Some(5), "{year}");
    }
}

/// Puts a vault in the place of the ledger's that lacks the keys of one chain, as erasure leaves it.
async fn erase(served: &Served, origin: &str, erased: ChainId) {
    let (old, new) = (served.path().join("vault"), served.directory.path().join("vault"));
    FileVault::create(&RealDisk, &new, origin).unwrap();
    let vault = FileVault::open(&RealDisk, &new, origin, FatalHandler::default()).unwrap();
    let keys = VaultReader::open(&RealDisk, &old, origin).unwrap();
    let mut kept = Vec::new();
    let expected = Expected { origin: origin.to_owned(), covered: None };
    scan(&RealDisk, &served.path(), &expected, &mut |placed| {
        let record = Record::parse(placed.record).unwrap();
        for part in record.parts.iter().filter(|_| placed.chain != erased) {
            let digest = Hash(part.digest.as_ref().try_into().unwrap());
            let key = keys.key(placed.chain, digest).unwrap().unwrap();
            kept.push((placed.chain, Deposit { digest, holder: Holder::Chain, key }));
        }
    })
    .unwrap();
    for (chain, deposit) in kept {
        vault.deposit(chain, vec![deposit]).await.unwrap();
    }
    vault.close().await;
    fs::remove_dir_all(&old).unwrap();
    fs::rename(new, old).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn acts_whose_content_is_erased_are_told_and_not_counted() {
    let mut served = Served::new();
    let talk = record(&served).await;
    served.stop();
    erase(&served, &origin(&served), ChainId::parse(&talk).unwrap()).await;
    let report = json_of(&figures(&served, &["--json"]));
    assert_eq!(
        report["not_counted"],
        json!({"unreadable_acts": 2, "withheld_parts": 4, "faulty_entries": {}, "faults": []})
    );
    assert_eq!((&report["signatures"], &report["counted"]["acts"]), (&json!(57), &json!(2)));
    assert_eq!(
        (&row(&report, "figures", "P-5")["computed"], &row(&report, "figures", "P-30")["computed"]),
        (&json!("5"), &json!("0"))
    );
}

fn origin(served: &Served) -> String {
    let manifest = fs::read_to_string(served.path().join("manifest")).unwrap();
    manifest.lines().find_map(|line| line.strip_prefix("origin ")).unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_count_is_counted_and_told_and_of_a_damaged_log_there_are_no_figures() {
    let mut served = Served::new();
    let talk = record(&served).await;
    served.stop();
    let options = Options { segment_bytes: 1024 * 1024, ..Options::new(origin(&served)) };
    let log = Embedded::open(Arc::new(RealDisk), &served.path(), &options).unwrap();
    let chain = ChainId::parse(&talk).unwrap();
    log.append(chain, Revision(2), "who holds write credentials can append anything".into()).await.unwrap();
    log.close().await;

    let output = figures(&served, &["--json"]);
    assert_eq!(output.status.code(), Some(1));
    let report = json_of(&output);
    assert_eq!(report["not_counted"]["faulty_entries"], json!({"F-INTEGRITY": 1}));
    let fault = report["not_counted"]["faults"][0].as_str().unwrap();
    assert!(fault.contains(&talk) && fault.contains("no record"), "{fault}");
    assert_eq!((&report["tree"]["size"], &report["checkpoint"]["size"]), (&json!(58), &json!(57)));
    assert_eq!(row(&report, "figures", "P-30")["computed"], "20001");

    let segment = fs::read_dir(served.path().join("log")).unwrap().next().unwrap().unwrap().path();
    let file = File::options().read(true).write(true).open(segment).unwrap();
    let mut byte = [0];
    file.read_exact_at(&mut byte, 5_000).unwrap();
    file.write_all_at(&[byte[0] ^ 1], 5_000).unwrap();
    let damaged = figures(&served, &["--json"]);
    assert_eq!((damaged.status.code(), damaged.stdout.is_empty()), (Some(1), true));
    let why = String::from_utf8_lossy(&damaged.stderr);
    assert!(why.contains("the ledger is damaged"), "{why}");
}
