//! A ledger of the SM suite, over real processes: every part is sealed under SM4-GCM, Python opens each of them by what
//! `docs/format.md` says, and the vault is backed up, put back and rotated as any other.

use std::{fs, path::Path, process::Command};

use mediation_ledger::{
    entry::Entry,
    part::{Cipher, open},
    record::Record,
    statement::Statement,
    vault::DataKey,
};
use mediation_log_embedded::{
    disk::RealDisk,
    scan::{Expected, scan},
    vault::VaultReader,
};
use mediation_proto::mediation::types::v1::AgencyKind;
use serde_json::{Value, json};

use crate::{
    python::python,
    served::{Served, chain_id, event_id, mediation, registration},
};

const BUREAU: &str = "XF-FL";

/// What Python makes of stored parts: it derives the key, and takes the cipher from OpenSSL.
const SCRIPT: &str = r#"
import json, sys
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.hashes import SM3, Hash
for part in json.load(open(sys.argv[1])):
    key, nonce, data, sealed = (bytes.fromhex(part[name]) for name in ("key", "nonce", "data", "ciphertext"))
    digest = Hash(SM3())
    digest.update(b"mediation-ledger/sm4-key/v1\0" + key)
    opening = Cipher(algorithms.SM4(digest.finalize()[:16]), modes.GCM(nonce, sealed[-16:])).decryptor()
    opening.authenticate_additional_data(b"\2" + data)
    print((opening.update(sealed[:-16]) + opening.finalize()).hex())
"#;

/// A stored part with all that it takes to open it, and what we open.
struct Sealed {
    given: Value,
    opened: String,
}

/// Every part of a ledger that nobody serves.
fn sealed(served: &Served) -> Vec<Sealed> {
    let origin = served.trust().log_key.name().to_string();
    let vault = VaultReader::open(&RealDisk, &served.path().join("vault"), &origin).unwrap();
    let mut parts = Vec::new();
    let expected = Expected { origin: origin.clone(), covered: None };
    scan(&RealDisk, &served.path(), &expected, &mut |placed| {
        let record = Record::parse(placed.record).unwrap();
        let statement = Statement::parse(&Entry::parse(&record.entry).unwrap().statement).unwrap();
        let event_id = statement.event_id;
        for (commitment, stored) in statement.commitments.into_iter().zip(record.parts) {
            assert_eq!(stored.cipher, u32::from(Cipher::Sm4Gcm.number()));
            let DataKey(key) = &vault.key(placed.chain, commitment.digest).unwrap().unwrap();
            let opened = open(&origin, event_id, commitment, &stored, &DataKey(*key)).unwrap();
            let place = [u8::try_from(commitment.kind as i32).unwrap(), commitment.number];
            let data = [origin.as_bytes(), &event_id.0, &place].concat();
            parts.push(Sealed {
                given: json!({"key": hex::encode(key), "nonce": hex::encode(&stored.nonce), "data": hex::encode(data),
                    "ciphertext": hex::encode(&stored.ciphertext)}),
                opened: hex::encode([opened.salt.as_slice(), &opened.plaintext].concat()),
            });
        }
    })
    .unwrap();
    parts
}

fn vault(served: &Served, arguments: &[&str]) -> String {
    let ended =
        Command::new(mediation()).arg("vault").args(arguments).arg("--dir").arg(served.path()).output().unwrap();
    assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stderr));
    String::from_utf8(ended.stdout).unwrap()
}

fn assert_verified(served: &Served) {
    let (report, clean) = served.verify();
    assert!(clean, "{report}");
}

fn summary(served: &Served, chain: &str) -> Value {
    let shown = served.run(&["chain", chain, "--json", "--agency", BUREAU]);
    let said: Value =
        serde_json::from_slice(&shown.stdout).unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&shown.stderr)));
    said["entries"][0]["data"]["summary"].clone()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn python_opens_every_part_of_a_ledger_of_the_sm_suite() {
    let mut served = Served::founded_with(&["--suite", "sm2"]);
    let chain = chain_id();
    let client = served.client(BUREAU, AgencyKind::Petition).await;
    client.record(registration(&chain, &event_id(), "路面塌陷")).await.unwrap();
    drop(client);
    served.stop();
    // What is recorded without a server is sealed alike.
    let mut rotate = Command::new(mediation());
    let rotated = rotate.args(["key", "rotate", "--agency", BUREAU, "--dir"]).arg(served.path()).output().unwrap();
    assert!(rotated.status.success(), "{}", String::from_utf8_lossy(&rotated.stderr));
    let parts = sealed(&served);
    let file = served.directory.path().join("parts.json");
    let given: Vec<&Value> = parts.iter().map(|part| &part.given).collect();
    fs::write(&file, serde_json::to_vec(&given).unwrap()).unwrap();
    let ran = python().args(["-c", SCRIPT]).arg(&file).output().unwrap();
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    let told = String::from_utf8(ran.stdout).unwrap();
    let ours: Vec<&str> = parts.iter().map(|part| part.opened.as_str()).collect();
    assert_eq!(told.lines().collect::<Vec<_>>(), ours);
    // The founding, a key of each agency and the new one; of the dispute three parts.
    assert!(ours.len() > 50, "{} parts", ours.len());
    assert_verified(&served);
    served.start();
    assert_eq!(summary(&served, &chain), "路面塌陷");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_vault_under_sm4_is_backed_up_put_back_and_rotated() {
    let mut served = Served::founded_with(&["--sm4"]);
    let chain = chain_id();
    let client = served.client(BUREAU, AgencyKind::Petition).await;
    client.record(registration(&chain, &event_id(), "路面塌陷")).await.unwrap();
    drop(client);
    served.stop();
    let wraps = served.path().join("vault/wraps");
    assert_eq!(cipher_of(&wraps), (2, 2));
    let backup = served.directory.path().join("vault.backup");
    let backup = backup.to_str().unwrap();
    vault(&served, &["backup", "--out", backup]);
    fs::remove_file(&wraps).unwrap();
    vault(&served, &["restore", "--from", backup]);
    assert_verified(&served);
    vault(&served, &["rotate"]);
    assert_eq!(cipher_of(&wraps), (2, 2), "a rotation keeps the cipher");
    assert_verified(&served);
    served.start();
    assert_eq!(summary(&served, &chain), "路面塌陷");
    served.stop();
    assert!(!sealed(&served).is_empty());
}

/// Version of the head of a vault, and the byte in which version 2 names the cipher.
fn cipher_of(wraps: &Path) -> (u32, u8) {
    let bytes = fs::read(wraps).unwrap();
    (u32::from_be_bytes(bytes[24..28].try_into().unwrap()), bytes[76])
}
