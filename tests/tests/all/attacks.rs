//! Attacks on a log, by somebody who has its directory, the log's key and the agencies' keys: each is caught and named, by
//! `mediation verify` of the directory or by `mediation monitor` of the served log. Attacks on bundles stand in
//! `bundle/attacks.rs`, those that witnesses catch in `witnesses.rs`; `docs/monitor.md` has the table of all.

mod forgery;
mod monitored;

use std::{fs, process::Command};

use bytes::Bytes;
use mediation_ledger::{
    entry::{Entry, Signature},
    key::{Ed25519Signer, Signer, Sm2Signer},
    limits::ENTRY_BYTES_MAX,
    recorder::sign,
    statement::{Statement, pre_authentication},
};
use serde_json::Value;

use self::forgery::Forgery;
use crate::{
    served::{mediation, private_key},
    workspace::files,
};

/// An attack: what it is, what it does to the log, and what `mediation verify` must name.
type Attack = (&'static str, fn(&mut Forgery), &'static str);

/// The chain has three acts: a registration and two visits, at places 0, 1 and 2.
const ATTACKS: &[Attack] = &[
    ("an act changed", |f| f.restate(1, |s| s.occurred_at += 1), "the signature is not the agency's"),
    ("an act dropped", |f| f.remove(1), "the statement belongs to another place"),
    ("an act inserted", |f| f.insert_copy(1, 2), "the statement belongs to another place"),
    ("two acts swapped", |f| f.swap(1, 2), "the statement belongs to another place"),
    ("an act back-dated and signed again", |f| f.sign_again(1, |s| s.occurred_at -= 86_400), "the entry links to"),
    (
        "an act of another ledger replayed",
        |f| f.sign_again(2, |s| s.origin = "other.example/main".to_owned()),
        "the statement belongs to another ledger",
    ),
    ("an act of another chain replayed", |f| f.sign_again(2, |s| s.chain.0 = [7; 16]), "belongs to another place"),
    ("another agency's key used", another_agency, "is one of `CT-FL`"),
    ("a key used before its first day", |f| f.record_again(2, -40 * 365 * 86_400_000), "is not valid before"),
    ("SM2 under the id of an Ed25519 key", sm2_under_ed25519, "the signature is not the agency's"),
    ("a statement truncated", |f| f.set_statement(2, |bytes| bytes.slice(..bytes.len() - 5)), "are no statement"),
    ("a statement not canonical", |f| f.set_statement(2, |bytes| more(&bytes)), "not in its canonical encoding"),
    ("an entry not canonical", |f| f.set_entry(2, |entry| more(&entry)), "the entry is not in its canonical encoding"),
    ("an entry oversized", |f| f.set_entry(2, |_| vec![0x0a; ENTRY_BYTES_MAX + 1].into()), "the bytes are no record"),
    ("foreign bytes", |f| f.set_record(2, Bytes::from_static(b"garbage")), "the bytes are no record"),
];

#[tokio::test(flavor = "multi_thread")]
async fn every_attack_on_the_acts_of_a_log_is_named_even_when_the_tail_is_signed_again() {
    let honest = forgery::honest().await;
    assert!(honest.verify().1);
    for (name, attack, cause) in ATTACKS {
        let mut forgery = Forgery::of(&honest).await;
        attack(&mut forgery);
        let forged = forgery.write().await;
        let (report, good) = forged.verify();
        let faults: Vec<&str> =
            report["faults"].as_array().unwrap().iter().map(|fault| fault.as_str().unwrap()).collect();
        assert!(!good && faults.iter().any(|fault| fault.contains(cause)), "{name}: {faults:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_key_that_is_used_again_is_named() {
    let honest = forgery::honest().await;
    let file = honest.key_file(forgery::AGENCY, "signing.key");
    let key = Ed25519Signer::new(private_key(&file)).public_key().id().to_string();
    let directory = honest.path();
    let revoke = ["key", "revoke", "--agency", forgery::AGENCY, "--key", &key, "--reason", "compromised", "--dir"];
    let (code, _, error) = run(&[&revoke[..], &[directory.to_str().unwrap()]].concat());
    assert_eq!(code, Some(0), "{error}");
    assert!(honest.verify().1, "what was signed before the revocation counts");

    let mut forgery = Forgery::of(&honest).await;
    forgery.append_copy_after_the_revocation(2);
    let (report, good) = forgery.write().await.verify();
    assert!(!good && report["faults"].to_string().contains("was revoked as of"), "{report:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_that_is_cut_or_exchanged_under_its_signed_checkpoint_is_named() {
    let honest = forgery::honest().await;
    let mut shorter = Forgery::of(&honest).await;
    shorter.remove(2);
    let cut = shorter.write_under_the_old_checkpoint().await;
    let mut otherwise = Forgery::of(&honest).await;
    otherwise.sign_again(2, |statement| statement.occurred_at -= 86_400);
    let exchanged = otherwise.write_under_the_old_checkpoint().await;
    for forged in [cut, exchanged] {
        let (report, good) = forged.verify();
        assert!(!good && report["faults"].to_string().contains("checkpoint"), "{report:#}");
    }
}

#[test]
fn the_table_of_attacks_names_tests_that_exist() {
    let table = fs::read_to_string(crate::workspace::root().join("docs/monitor.md")).unwrap();
    let (_, table) = table.split_once("| attack |").unwrap();
    let sources: String = files().iter().filter(|file| file.is(".rs")).map(|file| file.text.as_str()).collect();
    let mut rows = 0;
    for row in table.lines().skip(2).take_while(|line| line.starts_with('|')) {
        let test = row.trim_end_matches('|').rsplit('|').next().unwrap().trim().trim_matches('`');
        assert!(sources.contains(&format!("fn {test}()")), "no test `{test}`");
        rows += 1;
    }
    assert!(rows >= 20, "{rows} rows");
}

fn another_agency(forgery: &mut Forgery) {
    let key = forgery.signer("CT-FL");
    forgery.set_entry(2, |entry| {
        let mut statement = statement(&entry);
        statement.key_id = key.public_key().id();
        sign(&statement, &key, 0).unwrap()
    });
}

fn sm2_under_ed25519(forgery: &mut Forgery) {
    let key = Sm2Signer::generate().unwrap();
    forgery.set_entry(2, |entry| {
        let mut entry = Entry::parse(&entry).unwrap();
        let key_id = entry.signatures[0].key_id;
        let value = key.sign(&pre_authentication(&entry.statement)).unwrap().into();
        entry.signatures = vec![Signature { key_id, value }];
        entry.to_bytes()
    });
}

/// With a field that no message has.
fn more(bytes: &Bytes) -> Bytes {
    [bytes, &[0xa0, 0x06, 0x01][..]].concat().into()
}

fn statement(entry: &Bytes) -> Statement {
    Statement::parse(&Entry::parse(entry).unwrap().statement).unwrap()
}

/// Runs the binary: exit code, standard output, standard error.
fn run(arguments: &[&str]) -> (Option<i32>, String, String) {
    let ran = Command::new(mediation()).args(arguments).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (ran.status.code(), text(ran.stdout), text(ran.stderr))
}

fn alarms(report: &str) -> Vec<(String, String)> {
    let report: Value = serde_json::from_str(report).unwrap_or_else(|_| panic!("{report:?}"));
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    report["alarms"].as_array().unwrap().iter().map(|alarm| (text(&alarm["name"]), text(&alarm["cause"]))).collect()
}
