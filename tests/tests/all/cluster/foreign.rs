//! A desk whose owner writes straight into the engine: what he writes takes its numbers, counts for nobody, and is told by
//! every reader in the same words.

use std::{collections::BTreeMap, time::Duration};

use bytes::Bytes;
use mediation_ledger::{
    chain::{ChainId, Revision},
    log::Log as _,
    part::Cipher,
    record::Record,
};
use mediation_log_kurrentdb::{KurrentLog, KurrentOptions};
use mediation_proto::mediation::{
    ledger::v1::{ChainEntry, GetChainResponse},
    types::v1::AgencyKind,
};
use serde_json::json;

use super::{AUDIT, Cluster};
use crate::served::{chain_id, event_id, registration, request};

/// What a reader is told of each entry: the code of its fault, and the leaf that it proves. More of a fault is told to who
/// recorded the entry, and to the audit.
fn told(chain: &GetChainResponse) -> Vec<(String, Bytes, Option<u64>)> {
    let row = |entry: &ChainEntry| {
        let receipt = entry.receipt.clone().unwrap();
        let code = entry.fault.split(':').next().unwrap_or_default().to_owned();
        (code, receipt.leaf_hash, receipt.seal.map(|seal| seal.leaf_index))
    };
    chain.entries.iter().map(row).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_desk_writes_straight_into_the_engine_is_numbered_skipped_and_told_alike_by_every_reader() {
    // Under SM4, which every process learns from the manifest.
    let mut cluster = Cluster::founded_with(&["--sm4"]);
    cluster.add("vault", &["--role", "vault", "--agency", "ZC-FL"]);
    let vault = cluster.process("vault").address.clone();
    cluster.add("sealer", &["--role", "sealer", "--agency", "ZC-FL", "--vault", &vault]);
    cluster.add("petition", &["--desk", "petition", "--agency", "XF-FL", "--vault", &vault]);
    cluster.add("audit", &["--role", "audit", "--agency", AUDIT, "--vault", &vault]);
    let desk = cluster.client("petition", "XF-FL", AgencyKind::Petition).await;
    let (chain, other) = (chain_id(), chain_id());
    desk.record(registration(&chain, &event_id(), "排水渠堵塞")).await.unwrap();
    desk.record(registration(&other, &event_id(), "路灯不亮")).await.unwrap();

    // The engine's credentials are the desk's, too: nothing there keeps it from appending what it likes.
    let engine = KurrentLog::open(KurrentOptions::new(cluster.stand_in.uri())).await.unwrap();
    let (id, foreign) = (ChainId::parse(&chain).unwrap(), ChainId::parse(&other).unwrap());
    let stolen = engine.read(foreign, Revision::FIRST, 1).await.unwrap().remove(0).record;
    let own = engine.read(id, Revision::FIRST, 1).await.unwrap().remove(0).record;
    let parts = Record::parse(&own).unwrap().parts;
    assert!(parts.iter().all(|part| part.cipher == u32::from(Cipher::Sm4Gcm.number())), "{parts:?}");
    let mut forged = own.to_vec();
    let signature = forged.len() / 2;
    forged[signature] ^= 1;
    let garbage = [Bytes::from_static(b"no record at all"), Bytes::new(), stolen, own, Bytes::from(forged)];
    for (record, at) in garbage.into_iter().zip(1..) {
        engine.append(id, Revision(at), record).await.unwrap();
    }

    let visited = json!({"satisfaction": "SATISFIED", "relapse_signs": false});
    let after = request(&chain, &event_id(), "FollowUpVisited", "XF-FL/REG-1", "REG", visited);
    let (receipt, _) = desk.record(after).await.unwrap();
    assert_eq!(receipt.revision, 6, "what is garbage takes its place, and the chain goes on behind it");

    let audit = cluster.client("audit", AUDIT, AgencyKind::Audit).await;
    let mut readers = BTreeMap::new();
    for (name, reader) in [("desk", &desk), ("audit", &audit)] {
        readers.insert(name, told(&reader.chain(&chain, None).await.unwrap()));
    }
    assert_eq!(readers["desk"], readers["audit"]);
    let faults: Vec<bool> = readers["desk"].iter().map(|(fault, ..)| fault.is_empty()).collect();
    assert_eq!(faults, [true, false, false, false, false, false, true], "{:?}", readers["desk"]);
    assert!(readers["desk"].iter().all(|(.., index)| index.is_some()), "every one of them is sealed");
    let indexes: Vec<u64> = readers["desk"].iter().filter_map(|(.., index)| *index).collect();
    assert!(indexes.windows(2).all(|pair| pair[0] < pair[1]));

    tokio::time::sleep(Duration::from_millis(500)).await;
    let report = cluster.verify();
    let faults = report["faults"].as_array().unwrap();
    assert_eq!(faults.len(), 5, "{report:#}");
    for (at, index) in (1..6).zip(&indexes[1..]) {
        let place = format!("entry {index} (chain {chain}, revision {at})");
        assert!(faults.iter().any(|fault| fault.as_str().unwrap().contains(&place)), "{place}: {report:#}");
    }
}
