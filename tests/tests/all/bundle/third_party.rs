//! Inclusion and consistency before an implementation that is not ours: `scitt-cose`, in Python.

use std::{io::Write as _, process::Stdio};

use mediation_ledger::{checkpoint::Checkpoint, note::Note, proof::OfflineProof};
use serde_json::{Value, json};

use super::Told;
use crate::{python::python, served::Served, workspace::root};

/// What scitt-cose says of each proof.
fn judged(inclusion: &[Value], consistency: &[Value]) -> Vec<bool> {
    let script = root().join("tests/python/third_party.py");
    let mut python = python().arg(script).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let proofs = json!({"inclusion": inclusion, "consistency": consistency});
    python.stdin.take().unwrap().write_all(proofs.to_string().as_bytes()).unwrap();
    let output = python.wait_with_output().unwrap();
    assert!(output.status.success());
    String::from_utf8(output.stdout).unwrap().lines().map(|line| line == "True").collect()
}

fn checkpoint(note: &str) -> Checkpoint {
    Note::parse(note.as_bytes()).unwrap().text().parse().unwrap()
}

#[test]
fn a_third_party_accepts_every_inclusion_proof_of_a_bundle_and_no_other() {
    let mut told = Told::new();
    told.served.stop();
    told.exported("good.evidence.zip", &[]);
    let files = super::files(&told);
    let head = checkpoint(std::str::from_utf8(&files["checkpoint"]).unwrap());
    let mut proofs = Vec::new();
    for (name, entry) in files.iter().filter(|(name, _)| name.contains("entries/")) {
        let proof = name.replace("entries/", "proofs/").replace(".bin", ".tlog-proof");
        let proof = OfflineProof::parse(&files[&proof]).unwrap();
        proofs.push(json!({"entry": hex::encode(entry), "index": proof.index.0, "size": head.size.0,
            "path": proof.path.iter().map(ToString::to_string).collect::<Vec<_>>(), "root": head.root.to_string()}));
    }
    assert!(proofs.len() > 50);
    assert!(judged(&proofs, &[]).iter().all(|accepted| *accepted));
    for proof in &mut proofs {
        proof["index"] = json!(proof["index"].as_u64().unwrap() ^ 1);
    }
    assert!(judged(&proofs, &[]).iter().all(|accepted| !accepted));
}

#[tokio::test]
async fn a_third_party_accepts_consistency_proofs_of_a_served_log_and_no_other() {
    let told = Told::tell(Served::new()).await;
    let client = told.served.client("XF-FL", mediation_proto::mediation::types::v1::AgencyKind::Petition).await;
    let mut heads = vec![checkpoint(&client.checkpoint().await.unwrap())];
    for summary in ["一", "二", "三"] {
        let registered = crate::served::registration(&crate::served::chain_id(), &crate::served::event_id(), summary);
        client.record(registered).await.unwrap();
        heads.push(checkpoint(&client.checkpoint().await.unwrap()));
    }
    let mut proofs = Vec::new();
    for (at, first) in heads.iter().enumerate() {
        for second in &heads[at + 1..] {
            let path = client.consistency(first.size.0, second.size.0).await.unwrap();
            proofs.push(json!({"first": first.size.0, "second": second.size.0, "first_root": first.root.to_string(),
                "second_root": second.root.to_string(), "path": path.iter().map(ToString::to_string).collect::<Vec<_>>()}));
        }
    }
    assert_eq!(judged(&[], &proofs), [true; 6]);
    for proof in &mut proofs {
        proof["first_root"] = proof["second_root"].clone();
    }
    assert_eq!(judged(&[], &proofs), [false; 6]);
}
