//! Bundles of a ledger that is made by hand, in memory: what they cost, and that a changed byte of any file is named.

use ed25519_dalek::SigningKey;
use mediation_domain::history::EventId;
use mediation_proto::{fields::kind_of_event, json::act_from_json, mediation::ledger::v1::Act};
use serde_json::{Map, Value, json};

use super::{manifest::TOOL, *};
use crate::{
    chain::Revision,
    checkpoint::Checkpoint,
    key::{Ed25519Signer, Signer as _},
    merkle::{Tree, TreeSize, hash_leaf},
    note::{SignatureType, VerifierKey},
    part::{self, Commitment},
    recorder::sign,
    statement::Statement,
};

const ORIGIN: &str = "test.example/log";
const CENTER: &str = "ZC-ZS";
const NOW_MS: i64 = 1_709_514_720_000;
const CHAIN: ChainId = ChainId([1; 16]);

fn key(seed: u8) -> SigningKey {
    SigningKey::from_bytes(&[seed; 32])
}

fn vkey(name: &str, seed: u8, signature_type: SignatureType) -> VerifierKey {
    VerifierKey::new(name.parse().unwrap(), signature_type, key(seed).verifying_key()).unwrap()
}

/// A log under way: one agency, its registry chain and a dispute.
struct Bench {
    tree: Tree,
    registry: Vec<(LeafIndex, Bytes, Vec<OpenedPart>)>,
    entries: Vec<(LeafIndex, Bytes, Vec<OpenedPart>)>,
}

impl Bench {
    /// A chain of so many acts, in a log of so many entries; the others stand between, and behind.
    fn new(acts: usize, size: u64) -> Self {
        let mut bench = Self { tree: Tree::new(), registry: Vec::new(), entries: Vec::new() };
        let (root, desk) = (Ed25519Signer::new(key(2)), Ed25519Signer::new(key(3)));
        let hex_of = |signer: &Ed25519Signer| hex::encode(signer.public_key().to_bytes());
        let member = json!({"agency": CENTER, "kind": "GOVERNANCE_CENTER", "name": "珠山区综治中心",
            "division": "360203", "root_algorithm": "ED25519", "root_key": hex_of(&root)});
        let log_key = vkey(ORIGIN, 1, SignatureType::Ed25519).to_string();
        let founded = json!({"log_key": log_key, "founded_on": "2024-01-01", "members": [member]});
        bench.add(Section::Registry, &root, act("LedgerFounded", "SYS", founded));
        let enrolled = json!({"agency": CENTER, "algorithm": "ED25519", "valid_from": "2020-01-01",
            "public_key": hex_of(&desk)});
        bench.add(Section::Registry, &root, act("AgencyKeyEnrolled", "SYS", enrolled));
        bench.add(Section::Chain, &desk, registration());
        for _ in 1..acts {
            // Acts of a dispute never stand next to each other in the log of a city.
            bench.fill(bench.tree.size().0 + 7);
            let visited = json!({"satisfaction": "SATISFIED", "relapse_signs": false});
            bench.add(Section::Chain, &desk, act("FollowUpVisited", "REG", visited));
        }
        bench.fill(size);
        bench
    }

    fn fill(&mut self, size: u64) {
        while self.tree.size().0 < size {
            self.tree.append(hash_leaf(&self.tree.size().0.to_be_bytes()));
        }
    }

    fn add(&mut self, section: Section, signer: &Ed25519Signer, act: Act) {
        let (chain, list) = match section {
            Section::Registry => (ChainId::registry(ORIGIN), &mut self.registry),
            Section::Chain => (CHAIN, &mut self.entries),
        };
        let number = u8::try_from(list.len()).unwrap();
        let event_id = EventId([0, 0, 0, 0, 0, 0, 0x70, 0, 0x80, 0, 0, 0, 0, 0, 0, number]);
        let opened = part::split(&act).unwrap().into_iter().map(|part| {
            let salt = [number; 32];
            let digest = part::digest(ORIGIN, event_id, part.kind, part.number, &salt, &part.plaintext);
            let commitment = Commitment { kind: part.kind, number: part.number, digest };
            OpenedPart { commitment, salt, plaintext: part.plaintext }
        });
        let parts: Vec<OpenedPart> = opened.collect();
        let statement = Statement {
            origin: ORIGIN.to_owned(),
            event_id,
            chain,
            revision: Revision(u64::from(number)),
            previous: list.last().map_or(Hash::ZERO, |(_, entry, _)| hash_leaf(entry)),
            agency: CENTER.to_owned(),
            key_id: signer.public_key().id(),
            occurred_at: NOW_MS / 1_000,
            rule_set: "cn-2024-fixture".to_owned(),
            commitments: parts.iter().map(|part| part.commitment).collect(),
        };
        let entry = sign(&statement, signer, NOW_MS).unwrap();
        list.push((self.tree.append(hash_leaf(&entry)), entry, parts));
    }

    fn evidence(&self, cosigned_at: &[u64]) -> Evidence {
        let size = self.tree.size();
        let checkpoint = Checkpoint { origin: ORIGIN.parse().unwrap(), size, root: self.tree.root() };
        let mut note = checkpoint.sign(&key(1)).unwrap();
        let mut policy = format!("# genesis {}\n", hash_leaf(&self.registry.first().unwrap().1));
        policy.push_str(&format!("log {}\n", vkey(ORIGIN, 1, SignatureType::Ed25519)));
        for (seed, time) in (20..).zip(cosigned_at) {
            let name = format!("w{seed}.example");
            policy.push_str(&format!("witness w{seed} {}\n", vkey(&name, seed, SignatureType::CosignatureV1)));
            note.cosign(&name.parse().unwrap(), &key(seed), *time).unwrap();
        }
        policy.push_str(if cosigned_at.is_empty() { "quorum none\n" } else { "quorum w20\n" });
        Evidence {
            chain: CHAIN,
            as_of: Day::parse("2024-12-31").unwrap(),
            withhold: Vec::new(),
            exported: None,
            policy,
            checkpoint: note,
            registry: self.proved(&self.registry, size),
            entries: self.proved(&self.entries, size),
            timestamps: Vec::new(),
        }
    }

    fn proved(&self, list: &[(LeafIndex, Bytes, Vec<OpenedPart>)], size: TreeSize) -> Vec<ProvedEntry> {
        let one = |(index, entry, parts): &(LeafIndex, Bytes, Vec<OpenedPart>)| ProvedEntry {
            entry: entry.clone(),
            proof: Proof::Path(*index, self.tree.inclusion_path(*index, size).unwrap()),
            parts: parts.clone(),
        };
        list.iter().map(one).collect()
    }
}

fn act(event: &str, role: &str, data: Value) -> Act {
    let header = Map::from_iter([
        ("signer".to_owned(), json!(format!("{CENTER}/{role}-1"))),
        ("signer_role".to_owned(), json!(role)),
    ]);
    let Value::Object(data) = data else { panic!("the fields of an act are an object") };
    act_from_json(kind_of_event(event).unwrap(), &header, &data, &|_| None).unwrap()
}

fn registration() -> Act {
    let data = json!({"channel": "WALK_IN", "division": "360203", "dispute_type": "LEASE", "emergency": false,
        "parties": [{"subject": "psn_c221f62ecd5b08ac8c8dcd5b", "side": "APPLICANT", "capacity": "SOLE_TRADER", "minor": false}],
        "identities": [{"subject": "psn_c221f62ecd5b08ac8c8dcd5b", "name": "青岚陶艺工作室"}],
        "summary": "拖欠租金"});
    act("DisputeRegistered", "REG", data)
}

fn made(evidence: &Evidence) -> Bytes {
    make(evidence).unwrap()
}

#[test]
fn a_bundle_verifies_by_the_enclosed_and_by_the_verifiers_own_trust_file() {
    let evidence = Bench::new(3, 50).evidence(&[1_709_514_800]);
    let bytes = made(&evidence);
    assert_eq!(made(&evidence), bytes, "the same evidence gives the same bytes");
    for policy in [None, Some(evidence.policy.as_str())] {
        let verdict = verify(&bytes, policy).unwrap();
        assert!(verdict.is_good(), "{verdict:?}");
        assert!(verdict.lines().all(|(_, outcome)| matches!(outcome, Outcome::Passed { .. })), "{verdict:?}");
    }
}

#[test]
fn a_proof_has_the_hashes_that_index_and_size_ask_for_and_no_more() {
    for size in [50_u64, 1_000, 8_000] {
        for proved in Bench::new(5, size).evidence(&[]).entries {
            let Proof::Path(index, path) = proved.proof else { panic!("every entry is proved") };
            let inner = u64::BITS - (index.0 ^ (size - 1)).leading_zeros();
            let border = (index.0 >> inner).count_ones();
            assert_eq!(path.len(), (inner + border) as usize, "leaf {index} of {size}");
            assert!(path.len() <= size.ilog2() as usize + 1);
        }
    }
}

#[test]
fn a_bundle_grows_with_its_chain_and_with_the_logarithm_of_the_log() {
    let sizes = [1_000_u64, 8_000, 64_000];
    let bytes = sizes.map(|size| made(&Bench::new(20, size).evidence(&[])).len());
    // Each of the 22 entries has one line of 45 bytes more for each doubling of the log, and a digit or two of its size.
    let [small, middle, large] = bytes;
    for (less, more) in [(small, middle), (middle, large)] {
        let grown = more.saturating_sub(less);
        assert!(grown <= 22 * (3 * 45 + 8) + 256, "{bytes:?}");
    }
    let shorter = made(&Bench::new(10, 8_000).evidence(&[])).len();
    let each = (middle - shorter) / 10;
    assert!((1_000..8_000).contains(&each), "an act costs {each} bytes");
}

#[test]
fn a_changed_byte_of_any_file_is_named() {
    let bytes = made(&Bench::new(2, 9).evidence(&[1_709_514_800]));
    let files = read(&bytes).unwrap();
    let mut missed = Vec::new();
    for (name, content) in &files {
        // Which program made it is the maker's word: another one is no fault.
        let tool = content.windows(TOOL.len()).position(|found| found == TOOL.as_bytes()).unwrap_or(content.len());
        let is_tool = |at: &usize| name == MANIFEST && (tool..tool + TOOL.len()).contains(at);
        for at in (0..content.len()).step_by((content.len() / 48).max(1)).filter(|at| !is_tool(at)) {
            let mut changed = content.to_vec();
            *changed.get_mut(at).unwrap() ^= 1;
            let mut files = files.clone();
            files.insert(name.clone(), changed.into());
            let verdict = verify(&write(&files).unwrap().into(), None).unwrap();
            // The name of another program makes the enclosures ones that cannot be compared; that is said, too.
            if verdict.cause(Check::Manifest).is_none() && verdict.is_complete() {
                missed.push(format!("{name} byte {at}"));
            }
        }
    }
    assert!(missed.is_empty(), "{missed:?}");
}

#[test]
fn an_entry_recorded_after_a_witness_saw_it_is_named_and_without_witnesses_time_is_unproved() {
    let seen = u64::try_from(NOW_MS / 1_000).unwrap();
    let late = verify(&made(&Bench::new(1, 5).evidence(&[seen - 600])), None).unwrap();
    assert_eq!(late.cause(Check::Time), Some(("recorded-after-witness", "entries/0000.bin")));
    let unproved = verify(&made(&Bench::new(1, 5).evidence(&[])), None).unwrap();
    let time = unproved.lines().find(|(check, _)| *check == Check::Time).unwrap().1;
    assert!(matches!(time, Outcome::Passed { note } if note.contains("时间未证明")), "{time:?}");
}

#[test]
fn what_is_withheld_is_named_and_the_rest_still_verifies() {
    let mut evidence = Bench::new(1, 5).evidence(&[]);
    evidence.withhold = vec![PartKind::Identities, PartKind::Narrative];
    let kinds = evidence.withhold.clone();
    evidence.entries.first_mut().unwrap().parts.retain(|part| !kinds.contains(&part.commitment.kind));
    let bytes = made(&evidence);
    assert!(verify(&bytes, None).unwrap().is_good());
    let files = read(&bytes).unwrap();
    let report = String::from_utf8_lossy(files.get(REPORT).unwrap()).into_owned();
    assert!(report.contains("应导出要求不披露") && !report.contains("青岚") && !report.contains("拖欠租金"));
    let withheld: Value = serde_json::from_slice(files.get(WITHHELD).unwrap()).unwrap();
    assert_eq!(withheld.as_array().unwrap().len(), 2);
}

#[test]
fn the_script_knows_the_same_checks_and_causes() {
    let script = include_str!("verify.py");
    for check in Check::ALL {
        let (name, zh) = check.title();
        assert!(script.contains(&format!("\"{name}\": \"{zh}\"")), "{name}");
    }
    // What only the judge, admission and the comparison with the report can find has no cause there.
    let only_here = ["act-malformed", "act-refused", "rule-set-unknown", "judgement-differs"];
    for cause in CAUSES.iter().filter(|cause| !only_here.contains(&cause.name)) {
        let row = format!("\"{}\": (\"{}\", \"{}\")", cause.name, cause.zh, cause.en);
        let enclosure = ["report-differs", "script-differs", "readme-differs"].contains(&cause.name);
        assert!(enclosure || script.contains(&row), "{row}");
    }
}
