//! Every attack on a bundle that we could think of: the binary and the script name the same cause, line by line. The
//! attacker makes the manifest fit again, so that no attack but one is found by digests alone.

use std::{fs, process::Command};

use bytes::Bytes;
use ed25519_dalek::SigningKey;
use mediation_ledger::{
    bundle::{Files, write},
    checkpoint::Checkpoint,
    entry::{Entry, Signature},
    key::{Ed25519Signer, Signer as _},
    note::{Note, SignatureType, VerifierKey},
    proof::OfflineProof,
    recorder::sign,
    statement::{Statement, pre_authentication},
};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::{Told, causes, files, script_verdict, shared, verdict};
use crate::served::{mediation, private_key};

/// An attack: what it is, what it does to the files, and what must be named.
type Attack = (&'static str, fn(&mut Tampered), &'static [&'static str]);

const ATTACKS: &[Attack] = &[
    ("one file exchanged", exchange, &["manifest: file-changed"]),
    ("an entry dropped", drop_entry, &["links: other-place", "withheld: withheld-differs"]),
    ("an entry inserted", |t| t.insert(2, t.entry(1)), &["links: other-place"]),
    ("two entries swapped", |t| t.swap(1, 2), &["links: other-place", "links: other-place"]),
    (
        "an act changed",
        |t| t.restate(1, |s| s.occurred_at += 1),
        &["signatures: signature-invalid", "inclusion: proof-invalid"],
    ),
    ("an act back-dated", back_date, &["links: link-broken", "inclusion: proof-invalid"]),
    ("a statement truncated", truncate, &["entries: statement-malformed", "inclusion: proof-invalid"]),
    ("an entry oversized", |t| t.set_entry(1, vec![0x0a; 65_536]), &["entries: entry-too-large"]),
    ("an entry that is no protobuf", |t| t.set_entry(1, vec![0xff; 60]), &["entries: entry-malformed"]),
    (
        "an entry not canonical",
        |t| t.set_entry(1, [&t.entry(1)[..], &[0xa0, 0x06, 1]].concat()),
        &["entries: entry-not-canonical"],
    ),
    ("a statement not canonical", non_canonical, &["entries: statement-not-canonical"]),
    ("foreign bytes", foreign, &["entries: entry-foreign"]),
    ("signed by another key under the same id", other_key, &["signatures: signature-invalid"]),
    ("an extra signature of nobody's key", |t| t.sign_also(1, &stranger_key(), 0), &["signatures: extra-key-unknown"]),
    (
        "an extra signature over something else",
        |t| t.sign_also(1, &t.signer("XF-FL"), 1),
        &["signatures: extra-signature-invalid"],
    ),
    ("signed by another agency's key", other_agency, &["keys: key-of-another"]),
    (
        "signed for another ledger",
        |t| t.sign_again(1, |s| s.origin = "other.example/main".to_owned()),
        &["links: other-ledger"],
    ),
    ("signed for another chain", |t| t.sign_again(1, |s| s.chain.0 = [7; 16]), &["links: other-place"]),
    (
        "an event id used again",
        |t| {
            let id = t.statement(0).event_id;
            t.sign_again(1, |s| s.event_id = id)
        },
        &["links: event-id-repeated"],
    ),
    ("another past linked to", |t| t.sign_again(1, |s| s.previous.0 = [7; 32]), &["links: link-broken"]),
    ("an agency that takes no part", |t| t.sign_again(1, |s| s.agency = "ZC-NN".to_owned()), &["keys: agency-unknown"]),
    (
        "a checkpoint of another log",
        other_log,
        &["checkpoint: checkpoint-of-other-log", "inclusion: proof-of-other-checkpoint"],
    ),
    ("a checkpoint that a stranger signed", stranger, &["checkpoint: checkpoint-unsigned"]),
    (
        "a checkpoint that is none",
        |t| t.set("checkpoint", b"x\n\n\xe2\x80\x94 x eA==\n"),
        &["checkpoint: checkpoint-malformed"],
    ),
    ("a proof for another index", |t| t.prove(1, |proof| proof.index.0 += 1), &["inclusion: proof-invalid"]),
    ("a proof with a hash more", |t| t.prove(1, |proof| proof.path.push(proof.path[0])), &["inclusion: proof-invalid"]),
    ("a proof that is none", |t| t.set("proofs/0001.tlog-proof", b"index 1\n"), &["inclusion: proof-malformed"]),
    ("a part changed", |t| t.flip("parts/0000-3-0.bin", 40), &["parts: part-changed"]),
    ("a salt changed", |t| t.flip("parts/0000-3-0.bin", 3), &["parts: part-changed"]),
    (
        "a part without its salt",
        |t| t.set("parts/0000-3-0.bin", b"short"),
        &["parts: part-malformed", "withheld: withheld-differs"],
    ),
    ("a part kept back in silence", |t| t.remove("parts/0000-3-0.bin"), &["withheld: withheld-differs"]),
    ("a part that nobody committed to", |t| t.set("parts/0001-4-0.bin", &[0; 40]), &["parts: part-uncommitted"]),
    ("a genesis exchanged", |t| t.flip("registry/entries/0000.bin", 300), &["registry: genesis-differs"]),
    ("an enrolment left out", |t| t.cut_registry(5), &["keys: key-unknown"]),
    ("an enrolment hidden", |t| t.remove("registry/parts/0003-1-0.bin"), &["registry: registry-incomplete"]),
    ("the policy exchanged", exchange_policy, &["trust: policy-differs"]),
    ("the policy unreadable", |t| t.set("policy", b"wibble\n"), &["trust: policy-malformed"]),
    ("another ledger named", |t| t.manifest(|m| m["origin"] = json!("other.example/main")), &["trust: origin-differs"]),
    ("a manifest of another format", |t| t.manifest(|m| m["format"] = json!("v2")), &["manifest: manifest-malformed"]),
    ("a file more", |t| t.set("parts/../evil", b"x"), &["container: file-unknown"]),
    ("a file less", |t| t.remove("findings.json"), &["container: file-missing"]),
    (
        "a proof less",
        |t| t.remove("proofs/0001.tlog-proof"),
        &["container: file-missing", "inclusion: proof-malformed"],
    ),
    ("a report that says otherwise", |t| t.set("report.html", b"<h1>ok</h1>"), &["enclosures: report-differs"]),
    ("a script that says yes", |t| t.set("verify.py", b"print('ok')\n"), &["enclosures: script-differs"]),
    ("findings that are none", |t| t.set("findings.json", b"{}\n"), &["judgement: judgement-differs"]),
];

#[test]
fn every_attack_is_named_and_both_verifiers_name_the_same() {
    let mut told = Told::new();
    told.served.stop();
    told.exported("good.evidence.zip", &[]);
    let policy = told.policy();
    let mut differences = Vec::new();
    for (name, attack, expected) in ATTACKS {
        let mut tampered = Tampered::new(&told);
        attack(&mut tampered);
        let path = told.file("tampered.evidence.zip");
        fs::write(&path, tampered.finish()).unwrap();
        // Without a trust file of his own the verifier sees less of these.
        let is_about_trust = expected.iter().any(|cause| cause.starts_with("trust") || cause.starts_with("checkpoint"));
        for policy in [Some(policy.as_path()), None].into_iter().filter(|policy| policy.is_some() || is_about_trust) {
            let (rust, python) = (verdict(&path, policy), script_verdict(&path, policy));
            let named = causes(&rust);
            if policy.is_some() && !expected.iter().all(|cause| named.iter().any(|found| found == cause)) {
                differences.push(format!("{name}: expected {expected:?}, named {named:?}"));
            }
            let (rust, python) = (shared(&rust), shared(&python));
            for (one, other) in rust.iter().zip(&python).filter(|(one, other)| one != other) {
                differences.push(format!("{name} ({}): rust {one}, python {other}", policy.is_some()));
            }
        }
    }
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

#[test]
fn a_container_that_is_not_the_one_encoding_is_refused_before_anything_is_read() {
    let mut told = Told::new();
    told.served.stop();
    let good = told.exported("good.evidence.zip", &[]);
    let path = told.file("tampered.evidence.zip");
    let begun = good.windows(8).position(|window| window == b"PK\x03\x04\x0a\0\0\0").unwrap();
    assert_eq!(begun, 0);
    let mut deflated = good.clone();
    deflated[8] = 8;
    let mut absolute = good.clone();
    absolute[30] = b'/';
    for bytes in [
        [&good[..], b"x"].concat(),
        [b"x", &good[..]].concat(),
        good[..good.len() - 1].to_vec(),
        deflated,
        absolute,
        Vec::new(),
    ] {
        fs::write(&path, bytes).unwrap();
        let (rust, python) = (verdict(&path, None), script_verdict(&path, None));
        assert_eq!(causes(&rust), ["container: container-malformed"]);
        assert_eq!(shared(&rust), shared(&python));
    }
}

#[test]
fn a_quorum_that_the_verifier_asks_for_and_the_checkpoint_has_not_is_named() {
    let mut told = Told::new();
    told.served.stop();
    told.exported("good.evidence.zip", &[]);
    let own = fs::read_to_string(told.policy()).unwrap();
    let witness = witness_key(1).verifying_key();
    let vkey = VerifierKey::new("w1.example".parse().unwrap(), SignatureType::CosignatureV1, witness).unwrap();
    let asked = own.replace("quorum none\n", &format!("witness w1 {vkey}\ngroup all all w1\nquorum all\n"));
    let policy = told.file("asked");
    fs::write(&policy, asked).unwrap();
    let path = told.file("good.evidence.zip");
    let (rust, python) = (verdict(&path, Some(&policy)), script_verdict(&path, Some(&policy)));
    assert_eq!(causes(&rust), ["witnesses: quorum-missed"]);
    assert_eq!(shared(&rust), shared(&python));

    // Cosigned, it is met, and bounds the time from above: everything was recorded today.
    for (time, expected) in [(4_000_000_000, vec![]), (1_700_000_000, vec!["time: recorded-after-witness"])] {
        let mut tampered = Tampered::new(&told);
        let mut note = Note::parse(&tampered.files["checkpoint"]).unwrap();
        note.cosign(&"w1.example".parse().unwrap(), &witness_key(1), time).unwrap();
        tampered.set_checkpoint(&note);
        let path = told.file("cosigned.evidence.zip");
        fs::write(&path, tampered.finish()).unwrap();
        let (rust, python) = (verdict(&path, Some(&policy)), script_verdict(&path, Some(&policy)));
        let named: Vec<_> = causes(&rust).into_iter().filter(|cause| !cause.starts_with("enclosures")).collect();
        assert_eq!(named, expected);
        assert_eq!(shared(&rust), shared(&python));
    }
}

#[test]
fn a_tail_that_is_cut_off_is_a_true_bundle_of_an_earlier_state() {
    let mut told = Told::new();
    told.served.stop();
    told.exported("good.evidence.zip", &[]);
    let mut tampered = Tampered::new(&told);
    tampered.remove_entry(3);
    let path = told.file("tampered.evidence.zip");
    fs::write(&path, tampered.finish()).unwrap();
    // Only report and findings are not those of the shorter chain; whoever makes the bundle can make these too. The
    // instructions in the bundle say that nothing is said about what came after the last entry.
    let named = causes(&verdict(&path, None));
    assert!(named.iter().all(|cause| cause.starts_with("enclosures") || cause.starts_with("judgement")), "{named:?}");
    assert!(String::from_utf8_lossy(&tampered_readme(&told)).contains("最后一条之后是否另有登记"));
}

#[test]
fn a_report_that_another_version_is_said_to_have_made_is_not_relied_on_and_is_made_again() {
    let mut told = Told::new();
    told.served.stop();
    let good = told.exported("good.evidence.zip", &[]);
    let mut tampered = Tampered::new(&told);
    tampered.set("report.html", "<h1>原告胜诉</h1>".as_bytes());
    tampered.manifest(|manifest| manifest["tool"] = json!("mediation 999.0.0"));
    let (path, again) = (told.file("tampered.evidence.zip"), told.file("again.evidence.zip"));
    fs::write(&path, tampered.finish()).unwrap();

    let verified = Command::new(mediation()).arg("verify").arg(&path).arg("--again").arg(&again).output().unwrap();
    let printed = String::from_utf8(verified.stdout).unwrap();
    assert!(printed.starts_with("证据核验通过 ✓，所附报告与脚本未经核验"), "{printed}");
    assert!(printed.lines().any(|line| line.starts_with("  – enclosures")), "{printed}");
    assert_eq!(fs::read(&again).unwrap(), good);

    // What the judge finds does not depend on who says to have applied the rules.
    tampered = Tampered::new(&told);
    tampered.set("findings.json", b"{}\n");
    tampered.manifest(|manifest| manifest["tool"] = json!("mediation 999.0.0"));
    fs::write(&path, tampered.finish()).unwrap();
    assert!(causes(&verdict(&path, None)).contains(&"judgement: judgement-differs".to_owned()));
}

fn tampered_readme(told: &Told) -> Bytes {
    files(told)["README.txt"].clone()
}

fn stranger_key() -> Ed25519Signer {
    Ed25519Signer::new(witness_key(8))
}

fn witness_key(seed: u8) -> SigningKey {
    SigningKey::from_bytes(&[seed; 32])
}

/// The files of a good bundle, being changed by somebody who also has the signing keys of the agencies.
struct Tampered {
    files: Files,
    keys: std::path::PathBuf,
    is_listed: bool,
}

impl Tampered {
    fn new(told: &Told) -> Self {
        Self { files: files(told), keys: told.served.path().join("keys"), is_listed: true }
    }

    fn finish(mut self) -> Vec<u8> {
        if self.is_listed {
            let files = self.files.clone();
            self.manifest(|manifest| {
                let rows = files.iter().filter(|(name, _)| *name != "manifest.json").map(|(name, content)| {
                    json!({"name": name, "bytes": content.len(), "sha256": hex::encode(Sha256::digest(content))})
                });
                manifest["files"] = rows.collect();
            });
        }
        write(&self.files).unwrap()
    }

    fn manifest(&mut self, change: impl FnOnce(&mut Value)) {
        let mut manifest: Value = serde_json::from_slice(&self.files["manifest.json"]).unwrap();
        change(&mut manifest);
        self.set("manifest.json", format!("{}\n", serde_json::to_string_pretty(&manifest).unwrap()).as_bytes());
    }

    fn set(&mut self, name: &str, content: &[u8]) {
        self.files.insert(name.to_owned(), Bytes::copy_from_slice(content));
    }

    fn remove(&mut self, name: &str) {
        assert!(self.files.remove(name).is_some(), "{name}");
    }

    fn flip(&mut self, name: &str, at: usize) {
        let mut content = self.files[name].to_vec();
        content[at] ^= 1;
        self.set(name, &content);
    }

    fn entry(&self, at: usize) -> Bytes {
        self.files[&format!("entries/{at:04}.bin")].clone()
    }

    fn set_entry(&mut self, at: usize, entry: impl AsRef<[u8]>) {
        self.set(&format!("entries/{at:04}.bin"), entry.as_ref());
    }

    fn statement(&self, at: usize) -> Statement {
        Statement::parse(&Entry::parse(&self.entry(at)).unwrap().statement).unwrap()
    }

    /// Another statement under the old signature.
    fn restate(&mut self, at: usize, change: impl FnOnce(&mut Statement)) {
        let (mut entry, mut statement) = (Entry::parse(&self.entry(at)).unwrap(), self.statement(at));
        change(&mut statement);
        entry.statement = statement.to_bytes();
        self.set_entry(at, entry.to_bytes());
    }

    /// Another statement, signed by the agency's own key.
    fn sign_again(&mut self, at: usize, change: impl FnOnce(&mut Statement)) {
        let signer = self.signer(&self.statement(at).agency);
        let (recorded_at, mut statement) = (Entry::parse(&self.entry(at)).unwrap().recorded_at, self.statement(at));
        change(&mut statement);
        self.set_entry(at, sign(&statement, &signer, recorded_at).unwrap());
    }

    /// A signature beside the agency's own, over its statement but for some bytes of its end.
    fn sign_also(&mut self, at: usize, signer: &Ed25519Signer, less: usize) {
        let mut entry = Entry::parse(&self.entry(at)).unwrap();
        let signed = pre_authentication(&entry.statement[..entry.statement.len() - less]);
        let value = signer.sign(&signed).unwrap().into();
        entry.signatures.push(Signature { key_id: signer.public_key().id(), value });
        self.set_entry(at, entry.to_bytes());
    }

    fn signer(&self, agency: &str) -> Ed25519Signer {
        Ed25519Signer::new(private_key(&self.keys.join(agency).join("signing.key")))
    }

    fn prove(&mut self, at: usize, change: impl FnOnce(&mut OfflineProof)) {
        let name = format!("proofs/{at:04}.tlog-proof");
        let mut proof = OfflineProof::parse(&self.files[&name]).unwrap();
        change(&mut proof);
        self.set(&name, proof.to_string().as_bytes());
    }

    /// Another checkpoint, also in the proofs.
    fn set_checkpoint(&mut self, note: &Note) {
        self.set("checkpoint", note.to_string().as_bytes());
        let proofs: Vec<String> = self.files.keys().filter(|name| name.ends_with(".tlog-proof")).cloned().collect();
        for name in proofs {
            let mut proof = OfflineProof::parse(&self.files[&name]).unwrap();
            proof.checkpoint = note.clone();
            self.set(&name, proof.to_string().as_bytes());
        }
    }

    /// Moves the files of an entry, by their revision.
    fn rename(&mut self, from: usize, to: usize) {
        for directory in ["entries", "proofs", "parts"] {
            let start = format!("{directory}/{from:04}");
            let names: Vec<String> = self.files.keys().filter(|name| name.starts_with(&start)).cloned().collect();
            for name in names {
                let content = self.files.remove(&name).unwrap();
                self.files.insert(name.replace(&start, &format!("{directory}/{to:04}")), content);
            }
        }
    }

    fn remove_entry(&mut self, at: usize) {
        self.files.retain(|name, _| {
            !["entries", "proofs", "parts"].iter().any(|start| name.starts_with(&format!("{start}/{at:04}")))
        });
    }

    fn swap(&mut self, one: usize, other: usize) {
        self.rename(one, 900);
        self.rename(other, one);
        self.rename(900, other);
    }

    fn insert(&mut self, at: usize, entry: Bytes) {
        self.rename(3, 4);
        self.rename(2, 3);
        let proof = self.files["proofs/0001.tlog-proof"].clone();
        self.set_entry(at, entry);
        self.set(&format!("proofs/{at:04}.tlog-proof"), &proof);
        let part = self.files["parts/0001-1-0.bin"].clone();
        self.set(&format!("parts/{at:04}-1-0.bin"), &part);
    }

    /// The registry chain ends earlier.
    fn cut_registry(&mut self, from: usize) {
        let kept = format!("{from:04}");
        self.files.retain(|name, _| {
            let number = name.strip_prefix("registry/").and_then(|rest| rest.split('/').nth(1)?.get(..4));
            number.is_none_or(|number| number < kept.as_str())
        });
    }
}

fn exchange(t: &mut Tampered) {
    t.is_listed = false;
    t.set_entry(1, t.entry(2));
}

fn drop_entry(t: &mut Tampered) {
    t.remove_entry(0);
    (1..4).for_each(|at| t.rename(at, at - 1));
    // Nothing of the first entry is left to be withheld, and its list says nothing of it.
    t.remove("parts/0000-1-0.bin");
}

fn back_date(t: &mut Tampered) {
    let mut entry = Entry::parse(&t.entry(1)).unwrap();
    entry.recorded_at -= 86_400_000;
    t.set_entry(1, entry.to_bytes());
}

fn truncate(t: &mut Tampered) {
    let mut entry = Entry::parse(&t.entry(1)).unwrap();
    entry.statement = entry.statement.slice(..entry.statement.len() - 5);
    t.set_entry(1, entry.to_bytes());
}

fn non_canonical(t: &mut Tampered) {
    let mut entry = Entry::parse(&t.entry(1)).unwrap();
    entry.statement = [&entry.statement[..], &[0xa0, 0x06, 1]].concat().into();
    t.set_entry(1, entry.to_bytes());
}

fn foreign(t: &mut Tampered) {
    t.set_entry(1, [&b"mediation-ledger/foreign/v1\0"[..], &[7; 32]].concat());
}

fn other_key(t: &mut Tampered) {
    let mut entry = Entry::parse(&t.entry(1)).unwrap();
    let forged = t.signer("XF-FL").sign(&pre_authentication(&entry.statement)).unwrap();
    entry.signatures[0].value = forged.into();
    t.set_entry(1, entry.to_bytes());
}

fn other_agency(t: &mut Tampered) {
    let signer = t.signer("XF-FL");
    let mut statement = t.statement(1);
    statement.key_id = signer.public_key().id();
    t.set_entry(1, sign(&statement, &signer, 1_709_514_720_000).unwrap());
}

fn other_log(t: &mut Tampered) {
    let checkpoint: Checkpoint = Note::parse(&t.files["checkpoint"]).unwrap().text().parse().unwrap();
    let other = Checkpoint { origin: "other.example/main".parse().unwrap(), ..checkpoint };
    t.set("checkpoint", other.sign(&witness_key(9)).unwrap().to_string().as_bytes());
}

fn stranger(t: &mut Tampered) {
    let checkpoint: Checkpoint = Note::parse(&t.files["checkpoint"]).unwrap().text().parse().unwrap();
    t.set_checkpoint(&checkpoint.sign(&witness_key(9)).unwrap());
}

fn exchange_policy(t: &mut Tampered) {
    let policy = String::from_utf8(t.files["policy"].to_vec()).unwrap();
    let log = policy.lines().find_map(|line| line.strip_prefix("log ")).unwrap();
    let name = log.parse::<VerifierKey>().unwrap().name().clone();
    let other = VerifierKey::new(name, SignatureType::Ed25519, witness_key(9).verifying_key()).unwrap();
    t.set("policy", policy.replace(log, &other.to_string()).as_bytes());
}
