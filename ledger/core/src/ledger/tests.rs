//! Entries that do not count, and readers who must agree about it: whatever is appended past the recorder takes a number,
//! is skipped by every fold, and is named by the verifier.

use std::{collections::BTreeMap, sync::Arc};

use mediation_domain::calendar::Day;
use mediation_proto::{
    fields::kind_of_event,
    json::act_from_json,
    mediation::{
        ledger::v1::Reason,
        types::v1::{AgencyKind, Role},
    },
};
use serde_json::{Map, Value, json};

use super::*;
use crate::{
    clock::ManualClock,
    entropy::SystemEntropy,
    entry::{Entry, EntryError, Signature},
    key::{Ed25519Signer, Signer},
    log::{Followed, Follower as _},
    memory::{MemoryLog, MemoryVault},
    merkle::{LeafIndex, verify_inclusion},
    part,
    recorder::{Placed, RecordError, Recorder, Request, sign},
    registry::KeyFault,
    statement::StatementError,
    vault::Deposit,
    verify::{LogFault, Verification},
};

mod algorithms;
mod extra;
mod reading;

const ORIGIN: &str = "test.example/log";
const CENTER: &str = "ZC-ZS";
const BUREAU: &str = "XF-FL";
const NOW_MS: i64 = 1_709_514_720_000;
const CHAIN: ChainId = ChainId([1; 16]);

mod keys;

type Signers = BTreeMap<String, Arc<dyn Signer>>;
type TestRecorder = Recorder<MemoryLog, MemoryVault>;

/// A ledger of two agencies whose keys lie open, so that entries can be made by hand.
struct Bench {
    clock: Arc<ManualClock>,
    ledger: Arc<Ledger<MemoryLog, MemoryVault>>,
    founder: TestRecorder,
    desks: TestRecorder,
    roots: Signers,
    keys: Signers,
    genesis: Hash,
    /// What the verifier told last of keys that were revoked afterwards: as of when, and how many entries.
    late: std::sync::Mutex<Vec<(i64, usize)>>,
}

fn signers() -> Signers {
    let signer = || Arc::new(Ed25519Signer::generate().unwrap()) as Arc<dyn Signer>;
    BTreeMap::from([(CENTER.to_owned(), signer()), (BUREAU.to_owned(), signer())])
}

fn caller(agency: &str) -> Caller {
    let kind = if agency == CENTER { AgencyKind::GovernanceCenter } else { AgencyKind::Petition };
    Caller { agency: agency.to_owned(), kind }
}

impl Bench {
    /// Founded, both agencies' keys enrolled: three entries.
    async fn new() -> Self {
        Self::of(signers(), signers()).await
    }

    async fn of(roots: Signers, keys: Signers) -> Self {
        let clock = Arc::new(ManualClock::at(NOW_MS));
        let (log, vault) = (Arc::new(MemoryLog::new()), Arc::new(MemoryVault::new()));
        let told = Arc::clone(&clock) as Arc<dyn Clock>;
        let ledger = Arc::new(Ledger::new(ORIGIN, "cn-2024-fixture", log, vault, told));
        let founder = Recorder::new(Arc::clone(&ledger), roots.clone());
        let member = |agency: &str, kind: &str| {
            json!({"agency": agency, "kind": kind, "name": agency, "division": "360203",
                "root_algorithm": algorithm(&public(&roots, agency)), "root_key": public(&roots, agency)})
        };
        let members = [member(CENTER, "GOVERNANCE_CENTER"), member(BUREAU, "PETITION")];
        let founded = json!({"log_key": "none", "founded_on": "2024-01-01", "members": members});
        let founded = on_registry(1, "LedgerFounded", CENTER, founded);
        let genesis = founder.record(&caller(CENTER), &founded).await.unwrap().leaf;
        ledger.refresh_registry().await.unwrap();
        let desks = Recorder::new(Arc::clone(&ledger), keys.clone());
        let bench = Self { clock, ledger, founder, desks, roots, keys, genesis, late: std::sync::Mutex::default() };
        bench.enrol(2, CENTER, &public(&bench.keys, CENTER)).await.unwrap();
        bench.enrol(3, BUREAU, &public(&bench.keys, BUREAU)).await.unwrap();
        bench
    }

    async fn enrol(&self, number: u8, agency: &str, key: &str) -> Result<Placed, RecordError> {
        let enrolled = enrolment(number, agency, key);
        let placed = self.founder.record(&caller(agency), &enrolled).await;
        self.ledger.refresh_registry().await.unwrap();
        placed
    }

    fn key(&self, agency: &str) -> &dyn Signer {
        self.keys.get(agency).unwrap().as_ref()
    }

    fn root(&self, agency: &str) -> &dyn Signer {
        self.roots.get(agency).unwrap().as_ref()
    }

    async fn entries(&self, chain: ChainId) -> (Fold, Vec<CheckedEntry>) {
        let mut fold = Fold::new(chain);
        let entries = self.ledger.catch_up(&mut fold).await.unwrap();
        (fold, entries)
    }

    /// A statement about an act that would count, and the stored parts, whose keys the vault has.
    async fn drafted(&self, chain: ChainId, number: u8, act: &Act) -> (Statement, Record) {
        let (fold, _) = self.entries(chain).await;
        let parts = part::split(act).unwrap();
        let sealed: Vec<_> = parts
            .iter()
            .map(|part| part::seal(&SystemEntropy, Cipher::Aes256Gcm, ORIGIN, chain, event_id(number), part).unwrap())
            .collect();
        let statement = Statement {
            origin: ORIGIN.to_owned(),
            event_id: event_id(number),
            chain,
            revision: fold.next(),
            previous: fold.head(),
            agency: CENTER.to_owned(),
            key_id: self.key(CENTER).public_key().id(),
            occurred_at: NOW_MS / 1000,
            rule_set: "cn-2024-fixture".to_owned(),
            commitments: sealed.iter().map(|part| part.commitment).collect(),
        };
        let deposits = parts.iter().zip(&sealed).map(|(part, sealed)| Deposit {
            digest: sealed.commitment.digest,
            holder: part.holder.clone(),
            key: sealed.key.clone(),
        });
        self.ledger.vault().deposit(chain, deposits.collect()).await.unwrap();
        (statement, Record { entry: Bytes::new(), parts: sealed.into_iter().map(|part| part.stored).collect() })
    }

    /// Appends past the recorder, as whoever holds write credentials of the log can.
    async fn append(&self, chain: ChainId, record: Bytes) -> Revision {
        let (fold, _) = self.entries(chain).await;
        self.ledger.log().append(chain, fold.next(), record).await.unwrap();
        fold.next()
    }

    /// Appends an entry whose statement was changed before it was signed.
    async fn forge(&self, number: u8, signer: &dyn Signer, change: impl FnOnce(&mut Statement)) -> Revision {
        let (mut statement, record) = self.drafted(CHAIN, number, &follow_up(number).act).await;
        change(&mut statement);
        let entry = sign(&statement, signer, NOW_MS).unwrap();
        self.append(CHAIN, Record { entry, ..record }.to_bytes()).await
    }

    /// What the verifier names, entry by entry.
    async fn faults(&self) -> Vec<(ChainId, Revision, Fault)> {
        let mut verification = Verification::new(ORIGIN, self.genesis, Vec::new(), false);
        let mut follower = self.ledger.log().follow(None).await.unwrap();
        let total = self.entries(CHAIN).await.1.len() + self.entries(ChainId::registry(ORIGIN)).await.1.len();
        let mut seen = 0;
        while seen < total {
            for Followed { stored, .. } in follower.next().await.unwrap() {
                let mut keys = BTreeMap::new();
                for part in Record::parse(&stored.record).map(|record| record.parts).unwrap_or_default() {
                    let Ok(digest) = part.digest.as_ref().try_into().map(Hash) else { continue };
                    keys.insert(digest, self.ledger.vault().key(stored.chain, digest).await.unwrap());
                }
                let key = |digest: Hash| keys.get(&digest).cloned().flatten();
                verification.entry(stored.chain, stored.revision, &stored.record, &key);
                seen += 1;
            }
        }
        let late = verification.late_revocations().map(|late| (late.invalid_from, late.entries.len())).collect();
        *self.late.lock().unwrap() = late;
        let (counts, faults, _, _) = verification.finish();
        assert_eq!(counts.entries, total as u64, "every record takes a number");
        let entry = |found: LogFault| {
            let LogFault::Entry { chain, revision, fault, .. } = found else { panic!("{found}") };
            (chain, revision, fault)
        };
        faults.into_iter().map(entry).collect()
    }
}

fn public(signers: &Signers, agency: &str) -> String {
    hex::encode(signers.get(agency).unwrap().public_key().to_bytes())
}

/// Algorithm of a public key in hex: an SM2 point has 65 bytes.
fn algorithm(key: &str) -> &'static str {
    if key.len() == 2 * 65 { "SM2_SM3" } else { "ED25519" }
}

fn event_id(number: u8) -> EventId {
    EventId([0, 0, 0, 0, 0, 0, 0x70, 0, 0x80, 0, 0, 0, 0, 0, 0, number])
}

fn request(chain: ChainId, number: u8, event: &str, signer: &str, data: Value) -> Request {
    let role = signer.rsplit_once('/').unwrap().1.split('-').next().unwrap();
    let header = Map::from_iter([("signer".to_owned(), json!(signer)), ("signer_role".to_owned(), json!(role))]);
    let Value::Object(data) = data else { panic!("the fields of an act are an object") };
    let act = act_from_json(kind_of_event(event).unwrap(), &header, &data, &|_| None).unwrap();
    Request { chain, event_id: event_id(number), expected_revision: None, occurred_at: NOW_MS / 1000, act }
}

fn on_registry(number: u8, event: &str, agency: &str, data: Value) -> Request {
    request(ChainId::registry(ORIGIN), number, event, &format!("{agency}/SYS-1"), data)
}

fn enrolment(number: u8, agency: &str, key: &str) -> Request {
    let data = json!({"agency": agency, "algorithm": algorithm(key), "valid_from": "2020-01-01", "public_key": key});
    on_registry(number, "AgencyKeyEnrolled", agency, data)
}

fn registration(number: u8) -> Request {
    request(CHAIN, number, "DisputeRegistered", "ZC-ZS/REG-1", registration_data())
}

fn registration_data() -> Value {
    json!({"channel": "WALK_IN", "division": "360203", "dispute_type": "LEASE", "emergency": false,
        "parties": [{"subject": "psn_c221f62ecd5b08ac8c8dcd5b", "side": "APPLICANT", "capacity": "SOLE_TRADER", "minor": false}],
        "identities": [{"subject": "psn_c221f62ecd5b08ac8c8dcd5b", "name": "青岚陶艺工作室"}],
        "summary": "拖欠租金"})
}

fn follow_up(number: u8) -> Request {
    let data = json!({"satisfaction": "SATISFIED", "relapse_signs": false});
    request(CHAIN, number, "FollowUpVisited", "ZC-ZS/REG-1", data)
}

/// A part of another act than the one it stands with.
fn stray(event: &str, data: Value) -> Act {
    let Value::Object(data) = data else { panic!("the fields of an act are an object") };
    act_from_json(kind_of_event(event).unwrap(), &Map::new(), &data, &|_| None).unwrap()
}

#[tokio::test]
async fn what_is_appended_past_the_recorder_takes_a_number_is_skipped_and_is_named() {
    let bench = Bench::new().await;
    bench.desks.record(&caller(CENTER), &registration(1)).await.unwrap();
    let (stranger, center, bureau) = (Ed25519Signer::generate().unwrap(), bench.key(CENTER), bench.key(BUREAU));
    let ids = [stranger.public_key().id(), bureau.public_key().id(), bench.root(CENTER).public_key().id()];
    let head = bench.entries(CHAIN).await.0.head();
    let first = bench.ledger.log().read(CHAIN, Revision::FIRST, 1).await.unwrap().remove(0).record;
    let mut expected = vec![
        (bench.append(CHAIN, Bytes::from_static(b"\xff\xfe garbage")).await, Fault::NotARecord),
        (bench.append(CHAIN, Bytes::new()).await, Fault::NotARecord),
        (bench.append(CHAIN, first).await, Fault::OtherPlace),
    ];
    let strange = KeyFault::Unknown { key_id: ids[0] };
    let foreign = KeyFault::OfAnother { key_id: ids[1], agency: BUREAU.to_owned() };
    let rooted = KeyFault::NotForThisAct { key_id: ids[2] };
    let keys = [(&stranger as &dyn Signer, strange), (bureau, foreign), (bench.root(CENTER), rooted)];
    for ((signer, fault), id) in keys.into_iter().zip(ids) {
        let placed = bench.forge(2, signer, |statement| statement.key_id = id).await;
        expected.push((placed, Fault::Key(fault)));
    }
    expected.push((bench.forge(3, bureau, |_| ()).await, Fault::BadSignature));
    let elsewhere = bench.forge(4, center, |statement| statement.origin = "other.example/log".to_owned()).await;
    expected.push((elsewhere, Fault::OtherLedger));
    let other_chain = bench.forge(5, center, |statement| statement.chain = ChainId([9; 16])).await;
    expected.push((other_chain, Fault::OtherPlace));
    let ahead = bench.forge(6, center, |statement| statement.revision = statement.revision.next()).await;
    expected.push((ahead, Fault::OtherPlace));
    let unlinked = bench.forge(7, center, |statement| statement.previous = Hash([7; 32])).await;
    expected.push((unlinked, Fault::BrokenLink { expected: head, found: Hash([7; 32]) }));
    expected.push((bench.forge(1, center, |_| ()).await, Fault::EventIdReused));
    let nobody = bench.forge(8, center, |statement| statement.agency = "CT-ZS".to_owned()).await;
    expected.push((nobody, Fault::UnknownAgency));

    let (fold, entries) = bench.entries(CHAIN).await;
    let skipped: Vec<_> =
        entries.iter().filter_map(|entry| Some((entry.revision, entry.outcome.clone().err()?))).collect();
    assert_eq!(skipped, expected);
    assert_eq!(fold.head(), head, "nothing of it is a link of the chain");
    assert_eq!(
        bench.faults().await,
        expected.into_iter().map(|(revision, fault)| (CHAIN, revision, fault)).collect::<Vec<_>>()
    );
    let next = bench.desks.record(&caller(CENTER), &follow_up(20)).await.unwrap();
    assert_eq!(next.revision, fold.next());
    assert!(bench.entries(CHAIN).await.1.last().unwrap().outcome.is_ok());
}

#[tokio::test]
async fn bytes_that_two_parsers_might_read_differently_do_not_count() {
    let bench = Bench::new().await;
    bench.desks.record(&caller(CENTER), &registration(1)).await.unwrap();
    let center = bench.key(CENTER);
    // The recorded time is given twice; the signature is good.
    let (statement, record) = bench.drafted(CHAIN, 2, &follow_up(2).act).await;
    let entry = sign(&statement, center, NOW_MS).unwrap();
    let entry = [entry.as_ref(), &[0x18, 0x01]].concat().into();
    bench.append(CHAIN, Record { entry, ..record }.to_bytes()).await;
    // The statement has an unknown field, and is signed so.
    let (statement, record) = bench.drafted(CHAIN, 3, &follow_up(3).act).await;
    let statement = Bytes::from([statement.to_bytes().as_ref(), &[0xa0, 0x06, 0x01]].concat());
    let value = center.sign(&pre_authentication(&statement)).unwrap().into();
    let signature = Signature { key_id: center.public_key().id(), value };
    let entry = Entry { statement, signatures: vec![signature], recorded_at: NOW_MS }.to_bytes();
    bench.append(CHAIN, Record { entry, ..record }.to_bytes()).await;

    let faults: Vec<Fault> = bench.faults().await.into_iter().map(|(_, _, fault)| fault).collect();
    assert_eq!(faults, [Fault::Entry(EntryError::NotCanonical), Fault::Statement(StatementError::NotCanonical)]);
}

/// The leaf does not cover the stored parts: who is shown the leaf alone must link to it as those who see all.
#[tokio::test]
async fn readers_who_see_less_draw_the_same_line() {
    let bench = Bench::new().await;
    bench.desks.record(&caller(CENTER), &registration(1)).await.unwrap();
    bench.append(CHAIN, Bytes::from_static(b"garbage")).await;
    let center = bench.key(CENTER);
    // Stored parts that are not those of the statement; an act that admission refuses; an enrolment off its chain.
    let (statement, _) = bench.drafted(CHAIN, 2, &follow_up(2).act).await;
    let entry = sign(&statement, center, NOW_MS).unwrap();
    bench.append(CHAIN, Record { entry, parts: Vec::new() }.to_bytes()).await;
    let foreign = request(CHAIN, 3, "FollowUpVisited", "XF-FL/REG-1", json!({"satisfaction": "SATISFIED"}));
    for (number, act) in [(3, foreign.act), (4, enrolment(4, CENTER, &"ab".repeat(32)).act)] {
        let (statement, record) = bench.drafted(CHAIN, number, &act).await;
        let entry = sign(&statement, center, NOW_MS).unwrap();
        bench.append(CHAIN, Record { entry, ..record }.to_bytes()).await;
    }
    bench.desks.record(&caller(CENTER), &follow_up(5)).await.unwrap();

    let (fold, entries) = bench.entries(CHAIN).await;
    let faults: Vec<_> = entries.iter().map(|entry| entry.outcome.as_ref().err().map(Fault::code)).collect();
    let (integrity, signer) = (Some("F-INTEGRITY"), Some("F-SIGNER-INVALID"));
    assert_eq!(faults, [None, integrity, integrity, signer, signer, None]);
    for shown in
        [|_: &OpenedPart| true, |part: &OpenedPart| part.commitment.kind == PartKind::Act, |_: &OpenedPart| false]
    {
        let mut reader = Fold::new(CHAIN);
        for entry in &entries {
            let parts = entry.parts.iter().filter(|part| shown(part)).cloned().collect();
            let registry = bench.ledger.registry();
            let read =
                reader.place_disclosed(ORIGIN, &registry, entry.revision, Order::END, entry.entry.clone(), parts);
            assert_eq!(read.leaf, entry.leaf);
            assert_eq!(
                reader.place(event_id(5)).is_some(),
                entry.revision == fold.next().0.checked_sub(1).map(Revision).unwrap()
            );
        }
        assert_eq!((reader.head(), reader.next()), (fold.head(), fold.next()));
    }
}

#[tokio::test]
async fn the_leaf_of_foreign_bytes_is_proved_like_any_other() {
    let bench = Bench::new().await;
    bench.append(CHAIN, Bytes::from_static(b"garbage")).await;
    let (_, entries) = bench.entries(CHAIN).await;
    let entry = entries.first().unwrap();
    assert_eq!(hash_leaf(&entry.entry), crate::record::leaf_hash(&Bytes::from_static(b"garbage")));
    let one = crate::merkle::TreeSize(1);
    verify_inclusion(hash_leaf(&entry.entry), LeafIndex(0), one, &[], entry.leaf).unwrap();
}

/// A narrative that carries another act would show one act to those who see all parts, another to those who do not.
#[tokio::test]
async fn parts_that_tell_of_different_acts_are_no_act() {
    let bench = Bench::new().await;
    bench.desks.record(&caller(CENTER), &registration(1)).await.unwrap();
    let honest = part::split(&registration(2).act).unwrap().remove(0);
    let strays = [
        stray("MediationTerminated", json!({"reason": "WITHDRAWAL"})),
        stray("DisputeRegistered", json!({"emergency": true})),
    ];
    for (number, stray) in (2..).zip(strays) {
        let plaintext = crate::statement::encode(&stray).into();
        let narrative = part::Part { kind: PartKind::Narrative, plaintext, ..honest.clone() };
        let (mut statement, mut record) = bench.drafted(CHAIN, number, &follow_up(number).act).await;
        let parts: Vec<_> = [&honest, &narrative]
            .map(|part| part::seal(&SystemEntropy, Cipher::Aes256Gcm, ORIGIN, CHAIN, event_id(number), part).unwrap())
            .into_iter()
            .collect();
        statement.commitments = parts.iter().map(|part| part.commitment).collect();
        let deposits = parts.iter().map(|part| Deposit {
            digest: part.commitment.digest,
            holder: honest.holder.clone(),
            key: part.key.clone(),
        });
        bench.ledger.vault().deposit(CHAIN, deposits.collect()).await.unwrap();
        record.parts = parts.into_iter().map(|part| part.stored).collect();
        record.entry = sign(&statement, bench.key(CENTER), NOW_MS).unwrap();
        bench.append(CHAIN, record.to_bytes()).await;
    }
    let faults: Vec<Fault> = bench.faults().await.into_iter().map(|(_, _, fault)| fault).collect();
    assert_eq!(faults, [Fault::NotAnAct, Fault::NotAnAct]);
}

#[tokio::test]
async fn nobody_takes_another_agencys_key_by_enrolling_it() {
    let bench = Bench::new().await;
    bench.desks.record(&caller(CENTER), &registration(1)).await.unwrap();
    for key in [public(&bench.keys, CENTER), public(&bench.roots, CENTER), public(&bench.keys, BUREAU)] {
        let taken = bench.enrol(10, BUREAU, &key).await;
        assert!(matches!(taken, Err(RecordError::Registry(RegistryError::KeyTaken { .. }))), "{taken:?}");
    }
    // The bureau's own root signs it, past the recorder.
    let registry = ChainId::registry(ORIGIN);
    let act = enrolment(10, BUREAU, &public(&bench.keys, CENTER)).act;
    let (mut statement, record) = bench.drafted(registry, 10, &act).await;
    BUREAU.clone_into(&mut statement.agency);
    statement.key_id = bench.root(BUREAU).public_key().id();
    let entry = sign(&statement, bench.root(BUREAU), NOW_MS).unwrap();
    let placed = bench.append(registry, Record { entry, ..record }.to_bytes()).await;
    bench.ledger.refresh_registry().await.unwrap();

    let taken = Fault::Registry(RegistryError::KeyTaken { agency: BUREAU.to_owned() });
    assert_eq!(bench.faults().await, [(registry, placed, taken)]);
    assert!(bench.entries(CHAIN).await.1.first().unwrap().outcome.is_ok());
    bench.desks.record(&caller(CENTER), &follow_up(2)).await.unwrap();
}

/// What would not count is refused beforehand: a receipt for it would be worth nothing.
#[tokio::test]
async fn the_recorder_appends_nothing_that_would_not_count() {
    let bench = Bench::new().await;
    bench.desks.record(&caller(CENTER), &registration(1)).await.unwrap();
    let unenrolled = Recorder::new(Arc::clone(&bench.ledger), signers());
    let refused = unenrolled.record(&caller(CENTER), &follow_up(2)).await;
    assert!(matches!(&refused, Err(RecordError::KeyNotHeld { agency }) if agency == CENTER), "{refused:?}");
    let rooted = bench.founder.record(&caller(CENTER), &follow_up(2)).await;
    assert!(matches!(rooted, Err(RecordError::KeyNotHeld { .. })), "{rooted:?}");
    let fresh = public(&signers(), CENTER);
    for chain in [CHAIN, ChainId::registry(ORIGIN)] {
        let enrolled = Request { chain, ..enrolment(13, CENTER, &fresh) };
        let at_desk = bench.desks.record(&caller(CENTER), &enrolled).await;
        assert!(matches!(at_desk, Err(RecordError::KeyNotHeld { .. })), "{at_desk:?}");
    }
    let mut for_another = enrolment(14, BUREAU, &fresh);
    for_another.act.header.as_mut().unwrap().signer = Some(format!("{CENTER}/SYS-1"));
    let refused = bench.founder.record(&caller(CENTER), &for_another).await;
    assert!(matches!(refused, Err(RecordError::Registry(RegistryError::EnrolsForAnother { .. }))), "{refused:?}");
    assert_eq!(bench.faults().await, []);
    assert_eq!(bench.entries(CHAIN).await.1.len(), 1);
}

#[tokio::test]
async fn a_key_that_was_enrolled_by_another_process_is_found() {
    let bench = Bench::new().await;
    let fresh = signers();
    let other = Ledger::new(
        ORIGIN,
        "cn-2024-fixture",
        Arc::clone(bench.ledger.log()),
        Arc::clone(bench.ledger.vault()),
        Arc::new(ManualClock::at(NOW_MS)),
    );
    other.refresh_registry().await.unwrap();
    let other = Recorder::new(Arc::new(other), fresh.clone());
    bench.enrol(10, CENTER, &public(&fresh, CENTER)).await.unwrap();
    other.record(&caller(CENTER), &registration(1)).await.unwrap();
    assert_eq!(bench.faults().await, []);
}

/// Digests over the stored salt would let a stranger test what he guesses.
#[tokio::test]
async fn an_event_id_of_another_agency_is_refused_without_digests() {
    let bench = Bench::new().await;
    bench.desks.record(&caller(CENTER), &registration(1)).await.unwrap();
    let taken = bench.desks.record(&caller(BUREAU), &registration(1)).await;
    assert!(matches!(taken, Err(RecordError::EventIdTaken)), "{taken:?}");
}

#[tokio::test]
async fn a_stranger_to_a_restricted_chain_is_not_told_where_it_stands() {
    let bench = Bench::new().await;
    let accusation = json!({"form": "VISIT", "kind": "ACCUSATION", "headcount": 1, "direct": true, "origin": "DIRECT"});
    let accusation = request(CHAIN, 1, "PetitionReceived", "XF-FL/PETO-1", accusation);
    bench.desks.record(&caller(BUREAU), &accusation).await.unwrap();
    let stranger = Request { expected_revision: Some(Revision(7)), ..follow_up(2) };
    let refused = bench.desks.record(&caller(CENTER), &stranger).await;
    let nowhere = Request { chain: ChainId([9; 16]), ..stranger };
    let unknown = bench.desks.record(&caller(CENTER), &nowhere).await;
    assert!(
        matches!(&refused, Err(RecordError::Refused(refusal)) if refusal.reason == Reason::NotAnOpeningAct),
        "{refused:?}"
    );
    assert_eq!(format!("{refused:?}"), format!("{unknown:?}"), "as if there were no such chain");
}

#[tokio::test]
async fn an_agency_appoints_and_dismisses_its_own_signers() {
    let bench = Bench::new().await;
    let on = |number, event, data| request(ChainId::registry(ORIGIN), number, event, "ZC-ZS/HEAD-1", data);
    let appointed = |agency: &str, from: &str| json!({"agency": agency, "signer": format!("{agency}/REG-1"), "roles": ["REG"], "valid_from": from});
    let foreign = on(10, "SignerAppointed", appointed(BUREAU, "2024-01-01"));
    let refused = bench.desks.record(&caller(CENTER), &foreign).await;
    assert!(matches!(refused, Err(RecordError::Registry(RegistryError::AppointsForAnother { .. }))), "{refused:?}");
    bench.desks.record(&caller(CENTER), &on(11, "SignerAppointed", appointed(CENTER, "2024-01-01"))).await.unwrap();
    let dismissed = json!({"agency": CENTER, "signer": "ZC-ZS/REG-1", "valid_to": "2024-03-31"});
    bench.desks.record(&caller(CENTER), &on(12, "SignerDismissed", dismissed)).await.unwrap();

    let registry = bench.ledger.refresh_registry().await.unwrap();
    let appointed = |agency: &str, day: &str| {
        let day = Day::parse(day).unwrap();
        registry.directory().is_appointed(agency, "ZC-ZS/REG-1", Role::Reg, day, day.end())
    };
    assert_eq!(appointed(CENTER, "2024-03-03"), None, "recorded as of 4 March, it does not count before");
    assert_eq!(appointed(CENTER, "2024-03-04"), Some(true));
    assert_eq!(appointed(CENTER, "2024-03-31"), Some(true), "the last day counts");
    assert_eq!(appointed(CENTER, "2024-04-01"), Some(false));
    assert_eq!(appointed(BUREAU, "2024-03-04"), None, "it has appointed nobody");
    assert_eq!(bench.faults().await, []);
}

/// Whoever computes the id of an agency's registry chain can neither open it with something else nor close it.
#[tokio::test]
async fn an_agencys_registry_chain_takes_its_onboarding_and_acts_of_the_registry() {
    let bench = Bench::new().await;
    let chain = ChainId::agency_registry(ORIGIN, BUREAU);
    let squatted = bench.desks.record(&caller(CENTER), &Request { chain, ..registration(1) }).await;
    assert!(matches!(squatted, Err(RecordError::Registry(RegistryError::NotItsOnboarding { .. }))), "{squatted:?}");
    let registry = bench.ledger.registry();
    let onboarded = |subject: &str| stray("AgencyOnboarded", json!({"subject": subject}));
    let other = Err(RegistryError::NotItsOnboarding { agency: BUREAU.to_owned() });
    assert_eq!(registry.check_chain(chain, true, &onboarded(CENTER)), other);
    assert_eq!(registry.check_chain(chain, true, &onboarded(BUREAU)), Ok(()));
    assert_eq!(registry.check_chain(chain, false, &stray("HonourAwarded", json!({"year": 2024}))), Ok(()));
    assert_eq!(registry.check_chain(chain, false, &stray("RecordCorrected", json!({"withdrawn": true}))), Ok(()));
    let foreign = Err(RegistryError::NotOfRegistry { agency: BUREAU.to_owned() });
    assert_eq!(registry.check_chain(chain, false, &stray("DisputeClosed", json!({}))), foreign);
    assert_eq!(registry.check_chain(CHAIN, false, &stray("DisputeClosed", json!({}))), Ok(()));
}
