//! OpenSSL as an outsider: it shares no code with us, and must agree about every SM2 signature.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use mediation_client::Client;
use mediation_ledger::{
    entry::Entry,
    key::{Algorithm, PublicKey, SM2_USER_ID},
    note::{Note, VerifierKey},
    registry::Registry,
    statement::{Statement, pre_authentication},
};
use mediation_proto::mediation::types::v1::AgencyKind;
use serde_json::Value;
use tempfile::TempDir;

use crate::served::{Served, chain_id, event_id, mediation, registration};

/// What stands before the point in a SubjectPublicKeyInfo of a key of the SM2 curve (RFC 5480; OIDs 1.2.840.10045.2.1 and
/// 1.2.156.10197.1.301).
const SM2_KEY_INFO: &str = "3059301306072a8648ce3d020106082a811ccf5501822d034200";

/// Files that OpenSSL reads.
struct Files {
    directory: TempDir,
}

impl Files {
    fn new() -> Self {
        Self { directory: tempfile::tempdir().unwrap() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn write(&self, name: &str, bytes: &[u8]) -> PathBuf {
        fs::write(self.path(name), bytes).unwrap();
        self.path(name)
    }
}

/// Runs OpenSSL. A machine that has none cannot run this test; the pipeline's has.
fn openssl(arguments: &[&str], files: &[(&str, &Path)]) -> Output {
    let mut command = Command::new("openssl");
    command.args(arguments);
    for (option, file) in files {
        command.arg(option).arg(file);
    }
    command.output().expect("`openssl` is not installed")
}

/// Whether OpenSSL accepts an SM2 signature, given as r | s.
fn accepts(key: &PublicKey, message: &[u8], signature: &[u8]) -> bool {
    assert_eq!(key.algorithm(), Algorithm::Sm2Sm3);
    let files = Files::new();
    let info = [hex::decode(SM2_KEY_INFO).unwrap(), key.to_bytes()].concat();
    let key = files.write("key.der", &info);
    let (message, signature) = (files.write("message", message), files.write("signature", &to_der(signature)));
    let user_id = format!("distid:{SM2_USER_ID}");
    let options = ["pkeyutl", "-verify", "-pubin", "-keyform", "DER", "-rawin", "-digest", "sm3", "-pkeyopt", &user_id];
    let output = openssl(&options, &[("-inkey", &key), ("-in", &message), ("-sigfile", &signature)]);
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(output.status.success(), said.contains("Signature Verified Successfully"), "{said}");
    output.status.success()
}

/// What OpenSSL signs with a key file, as r | s.
fn sign(key: &Path, message: &[u8]) -> Vec<u8> {
    let files = Files::new();
    let message = files.write("message", message);
    let user_id = format!("distid:{SM2_USER_ID}");
    let options = ["pkeyutl", "-sign", "-rawin", "-digest", "sm3", "-pkeyopt", &user_id];
    let output = openssl(&options, &[("-inkey", key), ("-in", &message), ("-out", &files.path("signature"))]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    from_der(&fs::read(files.path("signature")).unwrap())
}

/// The public key of a key file, as OpenSSL reads it.
fn public_key(key: &Path) -> PublicKey {
    let output = openssl(&["pkey", "-pubout", "-outform", "DER"], &[("-in", key)]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let info = hex::decode(SM2_KEY_INFO).unwrap();
    PublicKey::sm2(output.stdout.strip_prefix(info.as_slice()).expect("a key of the SM2 curve")).unwrap()
}

/// r | s as SEQUENCE { INTEGER, INTEGER }.
fn to_der(signature: &[u8]) -> Vec<u8> {
    let integer = |number: &[u8]| {
        let zeros = number.iter().take_while(|byte| **byte == 0).count();
        let mut bytes = number[zeros..].to_vec();
        if bytes.first().is_none_or(|byte| *byte >= 0x80) {
            bytes.insert(0, 0);
        }
        [vec![0x02, u8::try_from(bytes.len()).unwrap()], bytes].concat()
    };
    let (r, s) = signature.split_at(32);
    let both = [integer(r), integer(s)].concat();
    [vec![0x30, u8::try_from(both.len()).unwrap()], both].concat()
}

/// SEQUENCE { INTEGER, INTEGER } as r | s.
fn from_der(signature: &[u8]) -> Vec<u8> {
    let mut rest = &signature[2..];
    let mut numbers = Vec::new();
    for _ in 0..2 {
        let (number, after) = rest[2..].split_at(usize::from(rest[1]));
        let number = &number[number.len().saturating_sub(32)..];
        numbers.extend([vec![0; 32 - number.len()], number.to_vec()].concat());
        rest = after;
    }
    numbers
}

/// The SM2 signature of a note in the name of this key: the bytes that were signed, and r | s.
fn signature_of(note: &str, key: &VerifierKey) -> (Vec<u8>, Vec<u8>) {
    let note = Note::parse(note.as_bytes()).unwrap();
    let line = note.signatures().iter().find(|line| (line.name(), line.key_id()) == (key.name(), key.id()));
    (note.text().as_bytes().to_vec(), line.unwrap().value().to_vec())
}

struct Bench {
    served: Served,
    client: Client,
    registry: Registry,
}

impl Bench {
    /// The petition bureau signs with SM2, everybody else with Ed25519; a twin tree is grown.
    async fn new() -> Self {
        let served = Served::founded_with(&["--sm2-agency", "XF-FL", "--sm3-twin"]);
        let client = served.client("XF-FL", AgencyKind::Petition).await;
        let registry = client.registry(None).await.unwrap();
        Self { served, client, registry }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn openssl_verifies_the_statement_of_an_agency_that_signs_with_sm2() {
    let bench = Bench::new().await;
    let (receipt, _) = bench.client.record(registration(&chain_id(), &event_id(), "路面塌陷")).await.unwrap();
    let entry = Entry::parse(&receipt.entry).unwrap();
    let statement = Statement::parse(&entry.statement).unwrap();
    let key = bench.registry.key(statement.key_id).unwrap().key;
    let signed = pre_authentication(&entry.statement);
    let signature = &entry.signatures[0].value;
    assert!(accepts(&key, &signed, signature));
    let mut changed = signed;
    changed[70] ^= 1;
    assert!(!accepts(&key, &changed, signature));

    let mut served = bench.served;
    served.stop();
    let (report, good) = served.verify();
    assert!(good, "{report:#}");
    let files: Vec<&Value> = report["checkpoints"].as_array().unwrap().iter().map(|row| &row["file"]).collect();
    assert_eq!(files, ["checkpoint.last", "checkpoint.sm3"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn openssl_verifies_the_checkpoints_of_a_log_and_its_twin() {
    let bench = Bench::new().await;
    let trust = bench.client.trust();
    let twin_key = trust.twin_key.clone().unwrap();
    let printed = Command::new(mediation())
        .args(["log", "checkpoint", "--sm3", "--ledger", &bench.served.address, "--dir"])
        .arg(bench.served.path())
        .output()
        .unwrap();
    assert!(printed.status.success(), "{}", String::from_utf8_lossy(&printed.stderr));
    let twin = String::from_utf8(printed.stdout).unwrap();
    let second = VerifierKey::of_log(trust.log_key.name().clone(), twin_key.public_key());
    for (note, key) in [(twin, &twin_key), (bench.client.checkpoint().await.unwrap(), &second)] {
        let (text, signature) = signature_of(&note, key);
        assert!(accepts(&key.public_key(), &text, &signature), "{note}");
        let other = [text.as_slice(), b"\n"].concat();
        assert!(!accepts(&key.public_key(), &other, &signature));
    }
}

#[test]
fn signatures_that_openssl_makes_are_accepted() {
    let files = Files::new();
    let key = files.path("key.pem");
    let made = openssl(&["genpkey", "-algorithm", "SM2"], &[("-out", &key)]);
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let public = public_key(&key);
    // Many, so that numbers with a leading zero or one bit less are among them.
    for number in 0..64_u32 {
        let message = number.to_be_bytes().repeat(usize::try_from(number).unwrap() * 8);
        let signature = sign(&key, &message);
        assert!(public.verifies(&message, &signature), "{number}: {}", hex::encode(&signature));
        assert!(!public.verifies(b"another message", &signature));
    }
}

#[test]
fn openssl_reads_the_key_files_of_sm2_agencies() {
    let mut served = Served::founded_with(&["--sm2-agency", "XF-FL"]);
    served.stop();
    let key = served.path().join("keys/XF-FL/signing.key");
    let public = public_key(&key);
    assert!(public.verifies(b"message", &sign(&key, b"message")));
}
