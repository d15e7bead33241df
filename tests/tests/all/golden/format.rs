//! The worked example of `docs/format.md`: every byte from the act to the checkpoint, made by hand from primitives, equal
//! to what the ledger makes, and standing in the document.

use std::fmt::Write as _;

use aes_gcm::{
    Aes256Gcm, KeyInit as _, Nonce,
    aead::{Aead as _, Payload},
};
use ed25519_dalek::{Signer as _, SigningKey};
use mediation_domain::history::EventId;
use mediation_ledger::{
    chain::{ChainId, Revision},
    checkpoint::Checkpoint,
    entry::Entry,
    key::{Ed25519Signer, PublicKey, SM2_USER_ID, Signer as _, Sm2Signer},
    merkle::{Hash, Sm3Tree, TreeHasher as _, TreeSize, hash_leaf, hash_node},
    note::{KeyName, SignatureType, VerifierKey},
    part::{self, Commitment, Part},
    record::{Record, leaf_bytes, leaf_hash},
    recorder::sign,
    statement::{PAYLOAD_TYPE, Statement, pre_authentication},
    vault::DataKey,
};
use mediation_proto::{fields::kind_of_event, json::act_from_json, mediation::ledger::v1::Act};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use sm3::Sm3;

use super::{assert_golden, wire};
use crate::workspace;

const DOCUMENT: &str = "docs/format.md";
const BEGIN: &str = "<!-- worked example: made by `just golden` -->\n";
const END: &str = "<!-- end of the worked example -->\n";

const ORIGIN: &str = "ledger.example/main";
const AGENCY: &str = "ZC-ZS";
const RULE_SET: &str = "cn-2024-fixture";
const EVENT_ID: [u8; 16] = [0x01, 0x8e, 0x06, 0x95, 0x0a, 0x80, 0x70, 0, 0x80, 0, 0, 0, 0, 0, 0, 1];
const CHAIN: [u8; 16] =
    [0x6f, 0x1d, 0x9c, 0x2a, 0x44, 0xb0, 0x4e, 0x37, 0x9a, 0x51, 0x07, 0xd3, 0xe8, 0x52, 0xc6, 0x0b];
/// 2024-03-04T09:12:00+08:00.
const OCCURRED_AT: i64 = 1_709_514_720;
const RECORDED_AT: i64 = 1_709_514_750_250;
const AGENCY_SEED: [u8; 32] = [1; 32];
const LOG_SEED: [u8; 32] = [2; 32];
const SM2_SECRET: [u8; 32] = [3; 32];

#[test]
fn golden_example_stands_in_the_document_byte_for_byte() {
    let text = workspace::read(DOCUMENT);
    let (head, rest) = text.split_once(BEGIN).expect("the document has a worked example");
    let (_, tail) = rest.split_once(END).expect("the worked example has an end");
    assert_golden(DOCUMENT, &format!("{head}{BEGIN}\n```text\n{}```\n\n{END}{tail}", worked_example()));
}

#[test]
fn the_bytes_made_by_hand_are_those_that_the_ledger_makes() {
    let example = Example::make();
    let statement = Statement::parse(&example.statement.clone().into()).unwrap();
    assert_eq!(statement.to_bytes(), example.statement);
    assert_eq!(pre_authentication(&example.statement), example.signed);
    let signer = Ed25519Signer::new(SigningKey::from_bytes(&AGENCY_SEED));
    assert_eq!(sign(&statement, &signer, RECORDED_AT).unwrap(), example.entry);
    assert!(Entry::parse(&example.entry.clone().into()).is_ok());
    assert_eq!(signer.public_key().id().0, example.key_id);
    assert_eq!(statement.event_id, EventId(EVENT_ID));
    assert_eq!((statement.chain, statement.revision), (ChainId(CHAIN), Revision::FIRST));
    assert_eq!(hash_leaf(&example.entry).0, example.leaf);
    let record = Record::parse(&example.record.clone().into()).unwrap();
    assert_eq!(record.entry, example.entry);
    assert_eq!(leaf_hash(&example.record.clone().into()).0, example.leaf);
    assert_eq!(leaf_hash(&FOREIGN.to_vec().into()).0, example.foreign_leaf);
    for (made, stored) in example.parts.iter().zip(&record.parts) {
        let commitment = Commitment { kind: made.part.kind, number: made.part.number, digest: Hash(made.digest) };
        let opened = part::open(ORIGIN, EventId(EVENT_ID), commitment, stored, &DataKey(made.key)).unwrap();
        assert_eq!((opened.salt, opened.plaintext), (made.salt, made.part.plaintext.clone()));
    }
    let registered = part::join(example.parts.iter().map(|made| made.part.plaintext.as_ref())).unwrap();
    assert_eq!(registered, act());
}

#[test]
fn the_checkpoint_made_by_hand_is_the_one_that_the_ledger_signs() {
    let example = Example::make();
    let origin: KeyName = ORIGIN.parse().unwrap();
    let key = SigningKey::from_bytes(&LOG_SEED);
    let vkey = VerifierKey::new(origin.clone(), SignatureType::Ed25519, key.verifying_key()).unwrap();
    let root = hash_node(Hash(example.leaf), Hash(example.foreign_leaf));
    let checkpoint = Checkpoint { origin: origin.clone(), size: TreeSize(2), root };
    assert_eq!(checkpoint.sign(&key).unwrap().to_string(), example.checkpoint);
    assert!(Checkpoint::open(example.checkpoint.as_bytes(), &origin, &[vkey]).is_ok());
}

#[test]
fn the_checkpoint_of_the_twin_made_by_hand_is_the_one_that_the_ledger_signs() {
    let example = Example::make();
    let signer = Sm2Signer::new(sm2::SecretKey::from_slice(&SM2_SECRET).unwrap()).unwrap();
    let origin = ORIGIN.parse::<KeyName>().unwrap().twin();
    let foreign = leaf_bytes(&FOREIGN.to_vec().into());
    let root = Sm3Tree::node(Sm3Tree::leaf(&example.entry), Sm3Tree::leaf(&foreign));
    let checkpoint = Checkpoint { origin: origin.clone(), size: TreeSize(2), root };
    let (vkey, note) = make_twin(&example.entry);
    assert_eq!(VerifierKey::of_log(origin, signer.public_key()).to_string(), vkey);
    assert_eq!(checkpoint.sign_with(&signer).unwrap().to_string(), note);
}

#[test]
fn a_changed_byte_anywhere_in_the_entry_is_noticed() {
    let example = Example::make();
    let key = PublicKey::ed25519(SigningKey::from_bytes(&AGENCY_SEED).verifying_key().as_bytes()).unwrap();
    for at in 0..example.entry.len() {
        let mut changed = example.entry.clone();
        if let Some(byte) = changed.get_mut(at) {
            *byte ^= 1;
        }
        assert_ne!(hash_leaf(&changed).0, example.leaf);
        let Ok(entry) = Entry::parse(&changed.into()) else { continue };
        let signature = entry.signatures.first().unwrap();
        let signed =
            key.id() == signature.key_id && key.verifies(&pre_authentication(&entry.statement), &signature.value);
        // The recorded time is the desk's word and stands outside the signature; the leaf hash covers it.
        assert!(!signed || entry.recorded_at != RECORDED_AT, "byte {at} is neither signed nor the recorded time");
    }
}

/// Bytes that are no record.
const FOREIGN: &[u8] = b"not a record";

/// One part, made by hand.
struct MadePart {
    part: Part,
    salt: [u8; 32],
    key: [u8; 32],
    nonce: [u8; 12],
    digest_input: Vec<u8>,
    digest: [u8; 32],
    associated_data: Vec<u8>,
    ciphertext: Vec<u8>,
}

/// Everything, from the parts to the checkpoint.
struct Example {
    parts: Vec<MadePart>,
    public_key: [u8; 32],
    key_id: [u8; 32],
    statement: Vec<u8>,
    signed: Vec<u8>,
    signature: [u8; 64],
    entry: Vec<u8>,
    leaf: [u8; 32],
    record: Vec<u8>,
    foreign_leaf: [u8; 32],
    vkey: String,
    checkpoint: String,
}

impl Example {
    fn make() -> Self {
        let key = SigningKey::from_bytes(&AGENCY_SEED);
        let public_key = key.verifying_key().to_bytes();
        let key_id = sha256(&[&[1], &public_key]);
        let parts: Vec<_> = (0_u8..).zip(part::split(&act()).unwrap()).map(|(at, part)| make_part(at, part)).collect();
        let statement = make_statement(&parts, &key_id);
        let mut signed = format!("DSSEv1 {} {PAYLOAD_TYPE} {} ", PAYLOAD_TYPE.len(), statement.len()).into_bytes();
        signed.extend_from_slice(&statement);
        let signature = key.sign(&signed).to_bytes();
        let entry = make_entry(&statement, &key_id, &signature);
        let leaf = sha256(&[&[0], &entry]);
        let record = make_record(&entry, &parts);
        let foreign_leaf = sha256(&[&[0], b"mediation-ledger/foreign/v1\0", &sha256(&[FOREIGN])]);
        let root = sha256(&[&[1], &leaf, &foreign_leaf]);
        let (vkey, checkpoint) = make_checkpoint(&root);
        Self {
            parts,
            public_key,
            key_id,
            statement,
            signed,
            signature,
            entry,
            leaf,
            record,
            foreign_leaf,
            vkey,
            checkpoint,
        }
    }
}

/// The act: a dispute is registered.
fn act() -> Act {
    let Value::Object(header) = json!({"signer": "ZC-ZS/REG-1", "signer_role": "REG"}) else {
        unreachable!("an object")
    };
    let Value::Object(data) = json!({
        "channel": "WALK_IN", "division": "360203", "dispute_type": "LEASE", "emergency": false,
        "parties": [{"subject": "psn_1", "side": "APPLICANT", "capacity": "NATURAL_PERSON", "minor": false}],
        "identities": [{"subject": "psn_1", "name": "霍砚秋"}],
        "summary": "拖欠租金。",
    }) else {
        unreachable!("an object")
    };
    act_from_json(kind_of_event("DisputeRegistered").unwrap(), &header, &data, &|_| None).unwrap()
}

/// Salts, keys and nonces are random; here they are the same byte over and over.
fn make_part(at: u8, part: Part) -> MadePart {
    let (salt, key, nonce) = ([0x10 + at; 32], [0x20 + at; 32], [0x30 + at; 12]);
    let (kind, number) = (u8::try_from(part.kind as i32).unwrap(), part.number);
    let origin_length = u8::try_from(ORIGIN.len()).unwrap();
    let digest_input = [
        b"mediation-ledger/part/v1\0".as_slice(),
        &[1, origin_length],
        ORIGIN.as_bytes(),
        &EVENT_ID,
        &[kind, number],
        &salt,
        &(part.plaintext.len() as u64).to_be_bytes(),
        &part.plaintext,
    ]
    .concat();
    let associated_data = [ORIGIN.as_bytes(), &EVENT_ID, &[kind, number]].concat();
    let message = [salt.as_slice(), &part.plaintext].concat();
    let payload = Payload { msg: &message, aad: &associated_data };
    let ciphertext = Aes256Gcm::new((&key).into()).encrypt(&Nonce::from(nonce), payload).unwrap();
    let digest = sha256(&[&digest_input]);
    MadePart { part, salt, key, nonce, digest_input, digest, associated_data, ciphertext }
}

fn make_statement(parts: &[MadePart], key_id: &[u8; 32]) -> Vec<u8> {
    let mut statement = Vec::new();
    wire::bytes(&mut statement, 1, ORIGIN.as_bytes());
    wire::bytes(&mut statement, 2, &EVENT_ID);
    wire::bytes(&mut statement, 3, &CHAIN);
    wire::number(&mut statement, 4, 0);
    wire::bytes(&mut statement, 5, &[0; 32]);
    wire::bytes(&mut statement, 6, AGENCY.as_bytes());
    wire::bytes(&mut statement, 7, key_id);
    wire::number(&mut statement, 8, u64::try_from(OCCURRED_AT).unwrap());
    wire::bytes(&mut statement, 9, RULE_SET.as_bytes());
    for made in parts {
        let mut commitment = Vec::new();
        wire::number(&mut commitment, 1, 1);
        wire::number(&mut commitment, 2, u64::try_from(made.part.kind as i32).unwrap());
        wire::number(&mut commitment, 3, u64::from(made.part.number));
        wire::bytes(&mut commitment, 4, &made.digest);
        wire::bytes(&mut statement, 10, &commitment);
    }
    statement
}

fn make_entry(statement: &[u8], key_id: &[u8; 32], signature: &[u8; 64]) -> Vec<u8> {
    let (mut entry, mut signed_by) = (Vec::new(), Vec::new());
    wire::bytes(&mut signed_by, 1, key_id);
    wire::bytes(&mut signed_by, 2, signature);
    wire::bytes(&mut entry, 1, statement);
    wire::bytes(&mut entry, 2, &signed_by);
    wire::number(&mut entry, 3, u64::try_from(RECORDED_AT).unwrap());
    entry
}

fn make_record(entry: &[u8], parts: &[MadePart]) -> Vec<u8> {
    let mut record = Vec::new();
    wire::bytes(&mut record, 1, entry);
    for made in parts {
        let mut stored = Vec::new();
        wire::bytes(&mut stored, 1, &made.digest);
        wire::number(&mut stored, 2, 1);
        wire::bytes(&mut stored, 3, &made.nonce);
        wire::bytes(&mut stored, 4, &made.ciphertext);
        wire::bytes(&mut record, 2, &stored);
    }
    record
}

/// The log's key as witnesses and verifiers name it, and its signed note over a tree of two leaves.
fn make_checkpoint(root: &[u8; 32]) -> (String, String) {
    let key = SigningKey::from_bytes(&LOG_SEED);
    let public = [&[1], key.verifying_key().as_bytes().as_slice()].concat();
    let key_id = sha256(&[ORIGIN.as_bytes(), b"\n", &public]).first_chunk::<4>().copied().unwrap();
    let text = format!("{ORIGIN}\n2\n{}\n", Hash(*root).to_base64());
    let signature = key.sign(text.as_bytes()).to_bytes();
    let blob = base64(&[key_id.as_slice(), &signature].concat());
    (format!("{ORIGIN}+{}+{}", hex::encode(key_id), base64(&public)), format!("{text}\n\u{2014} {ORIGIN} {blob}\n"))
}

/// The twin's key and its signed note over the same two leaves.
fn make_twin(entry: &[u8]) -> (String, String) {
    let foreign = [b"mediation-ledger/foreign/v1\0", sha256(&[FOREIGN]).as_slice()].concat();
    let sm3 = |parts: &[&[u8]]| -> [u8; 32] { Sm3::digest(parts.concat()).into() };
    let root = sm3(&[&[1], &sm3(&[&[0], entry]), &sm3(&[&[0], &foreign])]);
    let secret = sm2::SecretKey::from_slice(&SM2_SECRET).unwrap();
    let key = sm2::dsa::SigningKey::new(SM2_USER_ID, &secret).unwrap();
    let public = [b"\xffsm2-sm3-v1".as_slice(), &key.verifying_key().to_sec1_bytes()].concat();
    let name = format!("{ORIGIN}/sm3");
    let key_id = sha256(&[name.as_bytes(), b"\n", &public]).first_chunk::<4>().copied().unwrap();
    let text = format!("{name}\n2\n{}\n", Hash(root).to_base64());
    let signature: sm2::dsa::Signature = key.sign(text.as_bytes());
    let blob = base64(&[key_id.as_slice(), &signature.to_bytes()].concat());
    (format!("{name}+{}+{}", hex::encode(key_id), base64(&public)), format!("{text}\n\u{2014} {name} {blob}\n"))
}

fn worked_example() -> String {
    let example = Example::make();
    let mut out = String::new();
    line(&mut out, "origin", ORIGIN);
    bytes(&mut out, "event id", &EVENT_ID);
    bytes(&mut out, "chain", &CHAIN);
    line(&mut out, "occurred at", &OCCURRED_AT.to_string());
    line(&mut out, "recorded at", &RECORDED_AT.to_string());
    bytes(&mut out, "seed of the agency's key", &AGENCY_SEED);
    for made in &example.parts {
        let name = made.part.kind.as_str_name().trim_start_matches("PART_KIND_").to_lowercase();
        writeln!(out, "\npart {name} {}", made.part.number).unwrap();
        bytes(&mut out, "  plaintext", &made.part.plaintext);
        bytes(&mut out, "  salt", &made.salt);
        bytes(&mut out, "  digest input", &made.digest_input);
        bytes(&mut out, "  digest", &made.digest);
        bytes(&mut out, "  data key", &made.key);
        bytes(&mut out, "  nonce", &made.nonce);
        bytes(&mut out, "  associated data", &made.associated_data);
        bytes(&mut out, "  ciphertext and tag", &made.ciphertext);
    }
    out.push('\n');
    bytes(&mut out, "public key", &example.public_key);
    bytes(&mut out, "key id", &example.key_id);
    bytes(&mut out, "statement", &example.statement);
    bytes(&mut out, "signed bytes (PAE)", &example.signed);
    bytes(&mut out, "signature", &example.signature);
    bytes(&mut out, "entry", &example.entry);
    bytes(&mut out, "leaf hash", &example.leaf);
    bytes(&mut out, "record", &example.record);
    out.push('\n');
    bytes(&mut out, "foreign bytes", FOREIGN);
    bytes(&mut out, "their leaf hash", &example.foreign_leaf);
    bytes(&mut out, "seed of the log's key", &LOG_SEED);
    line(&mut out, "vkey", &example.vkey);
    writeln!(out, "\ncheckpoint over both leaves\n\n{}", example.checkpoint.trim_end()).unwrap();
    let (vkey, twin) = make_twin(&example.entry);
    out.push('\n');
    bytes(&mut out, "secret of the log's SM2 key", &SM2_SECRET);
    line(&mut out, "vkey of the twin", &vkey);
    writeln!(out, "\ncheckpoint of the twin over both leaves\n\n{}", twin.trim_end()).unwrap();
    out
}

fn line(out: &mut String, name: &str, value: &str) {
    writeln!(out, "{name} = {value}").unwrap();
}

/// Bytes in hex, 48 a line.
fn bytes(out: &mut String, name: &str, value: &[u8]) {
    let text = hex::encode(value);
    if value.len() <= 32 {
        return line(out, name, &text);
    }
    writeln!(out, "{name} ({} bytes)", value.len()).unwrap();
    let indent = " ".repeat(name.len() - name.trim_start().len() + 2);
    for row in value.chunks(48) {
        writeln!(out, "{indent}{}", hex::encode(row)).unwrap();
    }
}

fn sha256(parts: &[&[u8]]) -> [u8; 32] {
    Sha256::digest(parts.concat()).into()
}

/// Base64 with padding (RFC 4648 section 4).
fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::new();
    for chunk in bytes.chunks(3) {
        let [a, b, c] = [0, 1, 2].map(|at| u32::from(chunk.get(at).copied().unwrap_or_default()));
        let group = a << 16 | b << 8 | c;
        for place in 0..4 {
            let index = (group >> (18 - 6 * place)) & 0x3f;
            let letter = ALPHABET.get(index as usize).copied().map_or('=', char::from);
            out.push(if place > chunk.len() { '=' } else { letter });
        }
    }
    out
}
