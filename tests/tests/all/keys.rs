//! Keys across processes: rotated, revoked, replaced for the log; and a restored older copy that must not sign.

use std::{
    fs,
    path::Path,
    process::{Command, Output},
};

use mediation_client::{Client, ClientError, TrustError};
use mediation_proto::mediation::{ledger::v1::Receipt, types::v1::AgencyKind};
use serde_json::Value;
use tonic_types::StatusExt as _;

use crate::served::{Served, chain_id, event_id, mediation, registration};

const BUREAU: &str = "XF-FL";

/// Runs a command on a directory.
fn run(directory: &Path, arguments: &[&str]) -> Output {
    Command::new(mediation()).args(arguments).arg("--dir").arg(directory).output().unwrap()
}

fn done(directory: &Path, arguments: &[&str]) -> String {
    let output = run(directory, arguments);
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn json(directory: &Path, arguments: &[&str]) -> Value {
    serde_json::from_str(&done(directory, &[arguments, &["--json"]].concat())).unwrap()
}

/// The keys of the bureau: id, and whether it counts.
fn keys(directory: &Path) -> Vec<(String, bool)> {
    let listed = json(directory, &["key", "list", "--agency", BUREAU]);
    let keys = listed["keys"].as_array().unwrap().iter();
    keys.map(|key| (key["key_id"].as_str().unwrap().to_owned(), key["counts"].as_bool().unwrap())).collect()
}

fn only_key(directory: &Path) -> String {
    let keys = keys(directory);
    assert!(matches!(keys.as_slice(), [(_, true)]), "one key, and it counts: {keys:?}");
    keys[0].0.clone()
}

async fn bureau(served: &Served) -> Client {
    served.client(BUREAU, AgencyKind::Petition).await
}

async fn record(client: &Client) -> (String, Receipt) {
    let chain = chain_id();
    let (receipt, _) = client.record(registration(&chain, &event_id(), "排水渠堵塞")).await.unwrap();
    (chain, receipt)
}

/// `mediation verify` finds nothing.
fn verified(served: &Served) -> Value {
    let (report, clean) = served.verify();
    assert!(clean, "{report}");
    report
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rotated_key_takes_over_and_what_the_old_one_signed_is_proved_for_ever() {
    let mut served = Served::new();
    let (old_chain, old) = record(&bureau(&served).await).await;
    let busy = run(&served.path(), &["key", "rotate", "--agency", BUREAU]);
    assert!(!busy.status.success(), "a ledger that is served is left alone");
    served.stop();
    let first = only_key(&served.path());
    let signing = served.path().join("keys").join(BUREAU).join("signing.key");
    let before = fs::read(&signing).unwrap();
    let rotated = json(&served.path(), &["key", "rotate", "--agency", BUREAU]);
    assert_ne!(fs::read(&signing).unwrap(), before, "the old private key is gone");
    let mode = std::os::unix::fs::PermissionsExt::mode(&fs::metadata(&signing).unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600);
    let second = rotated["key_id"].as_str().unwrap().to_owned();
    let mut expected = vec![(first, false), (second, true)];
    expected.sort();
    assert_eq!(keys(&served.path()), expected);

    served.start();
    let client = bureau(&served).await;
    let (new_chain, _) = record(&client).await;
    client.trust().verify(&old).unwrap();
    for chain in [&old_chain, &new_chain] {
        let shown = json(&served.path(), &["chain", chain, "--ledger", &served.address]);
        assert_eq!(shown["entries"][0]["fault"], Value::Null);
        assert_eq!(shown["entries"][0]["key_revoked_later_from"], Value::Null);
    }
    served.stop();
    verified(&served);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_key_is_refused_and_what_it_signed_before_is_flagged_and_kept() {
    let mut served = Served::new();
    let (chain, _) = record(&bureau(&served).await).await;
    served.stop();
    let key = only_key(&served.path());
    let since = "2024-01-01T00:00:00+08:00";
    let revoke =
        ["key", "revoke", "--agency", BUREAU, "--key", &key, "--reason", "compromised", "--invalid-from", since];
    done(&served.path(), &revoke);
    let foreign = run(&served.path(), &["key", "revoke", "--agency", "ZC-ZS", "--key", &key, "--reason", "lost"]);
    assert!(!foreign.status.success(), "nobody revokes another agency's key");
    let report = verified(&served);
    assert!(report["notes"].to_string().contains(since), "{report}");

    served.start();
    let refused = bureau(&served).await.record(registration(&chain_id(), &event_id(), "排水渠堵塞")).await;
    let Err(ClientError::Status(status)) = refused else { panic!("{refused:?}") };
    assert_eq!(status.get_details_error_info().unwrap().reason, "KEY_INVALID");
    let shown = json(&served.path(), &["chain", &chain, "--ledger", &served.address]);
    assert_eq!(shown["entries"][0]["fault"], Value::Null, "it counts");
    assert_eq!(shown["entries"][0]["key_revoked_later_from"], since);
    assert!(shown["judgement"].to_string().contains("F-SIGNER-INVALID"), "{shown}");
    served.stop();
    let found = json(&served.path(), &["findings", "--code", "F-SIGNER-INVALID"]);
    assert!(found.to_string().contains(&chain), "{found}");

    done(&served.path(), &["key", "enrol", "--agency", BUREAU]);
    served.start();
    record(&bureau(&served).await).await;
    served.stop();
    verified(&served);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_key_of_the_vault_is_replaced_and_every_part_still_opens() {
    let mut served = Served::new();
    let client = bureau(&served).await;
    let (chain, _) = record(&client).await;
    let refused = run(&served.path(), &["vault", "rotate"]);
    assert_eq!(refused.status.code(), Some(5));
    let told = String::from_utf8(refused.stderr).unwrap();
    assert!(told.contains("the vault is in use") && told.contains("主密钥未必已更换"), "{told}");
    served.stop();
    let file = served.path().join("vault/kek");
    let old = fs::read(&file).unwrap();
    let rotated = json(&served.path(), &["vault", "rotate"]);
    assert!(rotated["holders"].as_u64().unwrap() >= 3, "{rotated}: the registry, the chain and its subject");
    assert_ne!(rotated["from"], rotated["to"]);
    assert_ne!(fs::read(&file).unwrap(), old);
    assert!(done(&served.path(), &["vault", "rotate"]).contains("back both up now"));
    let report = verified(&served);
    assert_eq!((&report["withheld"], report["parts"] == report["wraps"]), (&Value::from(0), true), "{report}");
    served.start();
    let shown = bureau(&served).await.chain(&chain, None).await.unwrap();
    assert!(shown.entries[0].parts.len() >= 3, "act, identities and narrative are read");
    // Copies of the wraps that are opened with the old key are what a restored backup of the old key alone would be.
    served.stop();
    fs::write(&file, old).unwrap();
    let (report, clean) = served.verify();
    assert!(!clean && report.to_string().contains("another vault"), "{report}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_key_is_replaced_with_an_overlap_and_old_receipts_stay_good() {
    let mut served = Served::new();
    let (_, old) = record(&bureau(&served).await).await;
    let before = served.trust();
    served.stop();
    done(&served.path(), &["log-key", "rotate"]);
    verified(&served);
    let overlap = served.trust();
    served.start();
    let (_, both) = record(&bureau(&served).await).await;
    for trust in [&before, &overlap] {
        trust.verify(&both).unwrap();
    }
    served.stop();
    verified(&served);
    done(&served.path(), &["log-key", "retire"]);
    verified(&served);
    let after = served.trust();
    assert_ne!(after.log_key.to_string(), before.log_key.to_string());

    served.start();
    let (_, new) = record(&bureau(&served).await).await;
    for receipt in [&old, &both, &new] {
        after.verify(receipt).unwrap();
    }
    let stale = before.verify(&new);
    assert!(matches!(stale, Err(TrustError::Checkpoint(_))), "{stale:?}");
    let again = run(&served.path(), &["log-key", "retire"]);
    assert!(!again.status.success());
    served.stop();
    verified(&served);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restored_older_copy_does_not_sign_and_is_carried_on_under_another_origin() {
    let mut served = Served::new();
    record(&bureau(&served).await).await;
    served.stop();
    let copy = served.directory.path().join("copy");
    assert!(Command::new("cp").arg("-r").arg(served.path()).arg(&copy).status().unwrap().success());
    served.start();
    let client = bureau(&served).await;
    record(&client).await;
    let known = served.directory.path().join("known");
    fs::write(&known, client.checkpoint().await.unwrap()).unwrap();
    served.stop();
    let known = known.to_str().unwrap();

    let serve = ["serve", "--listen", "127.0.0.1:0", "--known-checkpoint", known];
    let refused = run(&copy, &serve);
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(!refused.status.success() && said.contains("拒绝签署"), "{said}");
    let out = served.directory.path().join("second");
    let carried = ["reincarnate", "--checkpoint", known, "--out", out.to_str().unwrap()];
    let whole = run(&served.path(), &carried);
    assert!(!whole.status.success(), "nothing of it is lost");
    let said = done(&copy, &carried);
    assert!(said.contains("ledger.jingdezhen.example/main/2"), "{said}");

    let mut second = Served::at(&out);
    second.start();
    let registry = json(&out, &["chain", "registry", "--ledger", &second.address]);
    let first = &registry["entries"][0];
    assert_eq!(first["event"], "LedgerReincarnated");
    assert_eq!(first["data"]["previous_origin"], "ledger.jingdezhen.example/main");
    assert_eq!(first["data"]["previous_checkpoint"].as_str(), Some(fs::read_to_string(known).unwrap().as_str()));
    record(&bureau(&second).await).await;
    second.stop();
    verified(&second);
}
