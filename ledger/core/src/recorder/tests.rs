//! The write path over a log that loses writes and answers, judged by the verifier.

use std::{collections::BTreeMap, sync::Arc};

use mediation_domain::{admit::Caller, history::EventId};
use mediation_proto::{
    fields::kind_of_event,
    json::act_from_json,
    mediation::{
        ledger::v1::{Act, Reason},
        types::v1::AgencyKind,
    },
};
use serde_json::{Map, Value, json};

use crate::{
    chain::{ChainId, Revision},
    clock::{Clock, ManualClock},
    faulty::{AppendFault, Faulty},
    key::{Ed25519Signer, Signer},
    ledger::Ledger,
    log::{Followed, Follower as _, Log},
    memory::{MemoryLog, MemoryVault},
    merkle::Hash,
    record::Record,
    recorder::{RecordError, Recorder, Request},
    vault::Vault as _,
    verify::{Counts, Verification},
};

mod batch;
mod caller;
mod clock;

const ORIGIN: &str = "test.example/log";
const CENTER: &str = "ZC-ZS";
const NOW_MS: i64 = 1_709_514_720_000;

type TestRecorder = Recorder<Faulty<MemoryLog>, MemoryVault>;

struct Bench {
    recorder: Arc<TestRecorder>,
    /// Signs with the root key.
    founder: TestRecorder,
    caller: Caller,
    /// The enrolled key, which the recorder holds.
    key: Arc<dyn Signer>,
    genesis: Hash,
}

impl Bench {
    async fn new() -> Self {
        Self::with(Arc::new(ManualClock::at(NOW_MS))).await
    }

    async fn with(clock: Arc<dyn Clock>) -> Self {
        let (log, vault) = (Arc::new(Faulty::new(MemoryLog::new())), Arc::new(MemoryVault::new()));
        let ledger = Arc::new(Ledger::new(ORIGIN, "cn-2024-fixture", log, vault, clock));
        let root: Arc<dyn Signer> = Arc::new(Ed25519Signer::generate().unwrap());
        let desk: Arc<dyn Signer> = Arc::new(Ed25519Signer::generate().unwrap());
        let founder = Recorder::new(Arc::clone(&ledger), BTreeMap::from([(CENTER.to_owned(), Arc::clone(&root))]));
        let caller = Caller { agency: CENTER.to_owned(), kind: AgencyKind::GovernanceCenter };
        let member = json!({"agency": CENTER, "kind": "GOVERNANCE_CENTER", "name": "珠山区综治中心",
            "division": "360203", "root_algorithm": "ED25519", "root_key": hex::encode(root.public_key().to_bytes())});
        let founded = json!({"log_key": "none", "founded_on": "2024-01-01", "members": [member]});
        let registry = ChainId::registry(ORIGIN);
        let founded = founder.record(&caller, &request(registry, 1, "LedgerFounded", "SYS", founded)).await.unwrap();
        ledger.refresh_registry().await.unwrap();
        let enrolled = json!({"agency": CENTER, "algorithm": "ED25519", "valid_from": "2020-01-01",
            "public_key": hex::encode(desk.public_key().to_bytes())});
        founder.record(&caller, &request(registry, 2, "AgencyKeyEnrolled", "SYS", enrolled)).await.unwrap();
        ledger.refresh_registry().await.unwrap();
        let recorder = Arc::new(Recorder::new(ledger, BTreeMap::from([(CENTER.to_owned(), Arc::clone(&desk))])));
        Self { recorder, founder, caller, key: desk, genesis: founded.leaf }
    }

    async fn record(&self, request: &Request) -> Result<Revision, RecordError> {
        self.recorder.record(&self.caller, request).await.map(|placed| placed.revision)
    }

    fn log(&self) -> &Faulty<MemoryLog> {
        self.recorder.ledger().log()
    }

    /// The judge of every test: the whole log, verified with all keys.
    async fn verified(&self) -> Counts {
        let mut verification = Verification::new(ORIGIN, self.genesis, Vec::new(), true);
        let log = self.log().log();
        let mut expected = 0;
        for chain in [ChainId::registry(ORIGIN), chain(1)] {
            expected += log.read(chain, Revision::FIRST, 1_000).await.unwrap().len();
        }
        let mut follower = log.follow(None).await.unwrap();
        let mut seen = 0;
        while seen < expected {
            for Followed { stored, .. } in follower.next().await.unwrap() {
                let mut keys = BTreeMap::new();
                for part in Record::parse(&stored.record).unwrap().parts {
                    let digest = Hash(part.digest.as_ref().try_into().unwrap());
                    keys.insert(digest, self.recorder.ledger().vault().key(stored.chain, digest).await.unwrap());
                }
                let key = |digest: Hash| keys.get(&digest).cloned().flatten();
                verification.entry(stored.chain, stored.revision, &stored.record, &key);
                seen += 1;
            }
        }
        let (counts, faults, _, _) = verification.finish();
        assert_eq!(faults, Vec::new());
        counts
    }
}

fn event_id(number: u8) -> EventId {
    EventId([0, 0, 0, 0, 0, 0, 0x70, 0, 0x80, 0, 0, 0, 0, 0, 0, number])
}

fn chain(number: u8) -> ChainId {
    ChainId([number; 16])
}

fn act(event: &str, role: &str, data: Value) -> Act {
    let header = Map::from_iter([
        ("signer".to_owned(), json!(format!("{CENTER}/{role}-1"))),
        ("signer_role".to_owned(), json!(role)),
    ]);
    let Value::Object(data) = data else { panic!("the fields of an act are an object") };
    act_from_json(kind_of_event(event).unwrap(), &header, &data, &|_| None).unwrap()
}

fn request(chain: ChainId, number: u8, event: &str, role: &str, data: Value) -> Request {
    Request {
        chain,
        event_id: event_id(number),
        expected_revision: None,
        occurred_at: NOW_MS / 1000,
        act: act(event, role, data),
    }
}

fn registration(chain: ChainId, number: u8, summary: &str) -> Request {
    let data = json!({"channel": "WALK_IN", "division": "360203", "dispute_type": "LEASE", "emergency": false,
        "parties": [
            {"subject": "psn_c221f62ecd5b08ac8c8dcd5b", "side": "APPLICANT", "capacity": "SOLE_TRADER", "minor": false},
            {"subject": "psn_8c807480e7262dd56062a85b", "side": "RESPONDENT", "capacity": "NATURAL_PERSON", "minor": false}],
        "identities": [
            {"subject": "psn_c221f62ecd5b08ac8c8dcd5b", "name": "青岚陶艺工作室"},
            {"subject": "psn_8c807480e7262dd56062a85b", "name": "霍砚秋"}],
        "summary": summary});
    request(chain, number, "DisputeRegistered", "REG", data)
}

fn follow_up(chain: ChainId, number: u8) -> Request {
    request(chain, number, "FollowUpVisited", "REG", json!({"satisfaction": "SATISFIED", "relapse_signs": false}))
}

#[tokio::test]
async fn acts_of_a_chain_take_dense_revisions_and_verify() {
    let bench = Bench::new().await;
    assert_eq!(bench.record(&registration(chain(1), 1, "拖欠租金")).await.unwrap(), Revision(0));
    assert_eq!(bench.record(&follow_up(chain(1), 2)).await.unwrap(), Revision(1));
    let counts = bench.verified().await;
    assert_eq!((counts.entries, counts.chains, counts.signatures), (4, 2, 4));
    // One part for each act, two identities and a narrative.
    assert_eq!(counts.parts, 4 + 3);
}

#[tokio::test]
async fn the_same_event_id_with_the_same_content_answers_the_same_entry() {
    let bench = Bench::new().await;
    let first = bench.recorder.record(&bench.caller, &registration(chain(1), 1, "拖欠租金")).await.unwrap();
    bench.record(&follow_up(chain(1), 2)).await.unwrap();
    let again = bench.recorder.record(&bench.caller, &registration(chain(1), 1, "拖欠租金")).await.unwrap();
    assert_eq!(first, again);
    assert_eq!(bench.verified().await.entries, 4);
}

#[tokio::test]
async fn the_same_event_id_with_other_content_is_refused_with_both_digests() {
    let bench = Bench::new().await;
    bench.record(&registration(chain(1), 1, "拖欠租金")).await.unwrap();
    let other_narrative = bench.record(&registration(chain(1), 1, "拖欠货款")).await;
    assert!(matches!(other_narrative, Err(RecordError::EventIdReused { .. })), "{other_narrative:?}");
    let mut other_fact = registration(chain(1), 1, "拖欠租金");
    other_fact.occurred_at -= 1;
    let refused = bench.record(&other_fact).await;
    assert!(
        matches!(refused, Err(RecordError::EventIdReused { recorded, .. }) if recorded != Hash::ZERO),
        "{refused:?}"
    );
    assert_eq!(bench.verified().await.entries, 3);
}

#[tokio::test]
async fn content_is_compared_by_what_remains_when_a_part_is_destroyed() {
    let bench = Bench::new().await;
    let placed = bench.recorder.record(&bench.caller, &registration(chain(1), 1, "拖欠租金")).await.unwrap();
    let entry = crate::entry::Entry::parse(&placed.entry).unwrap();
    let statement = crate::statement::Statement::parse(&entry.statement).unwrap();
    let narrative = statement.commitments.last().unwrap();
    assert_eq!(bench.recorder.ledger().vault().destroy(chain(1), &[narrative.digest]).await.unwrap(), 1);
    // Another process, which has folded nothing yet.
    let again = bench.recorder.record(&bench.caller, &registration(chain(1), 1, "内容已删除")).await.unwrap();
    assert_eq!(again.revision, placed.revision);
}

#[tokio::test]
async fn a_stale_expected_revision_names_the_next_one_and_changes_nothing() {
    let bench = Bench::new().await;
    bench.record(&registration(chain(1), 1, "拖欠租金")).await.unwrap();
    let mut stale = follow_up(chain(1), 2);
    stale.expected_revision = Some(Revision(0));
    let refused = bench.record(&stale).await;
    assert!(matches!(refused, Err(RecordError::RevisionStale { expected: Revision(0), actual: Revision(1) })));
    stale.expected_revision = Some(Revision(1));
    assert_eq!(bench.record(&stale).await.unwrap(), Revision(1));
    assert_eq!(bench.verified().await.entries, 4);
}

#[tokio::test]
async fn a_refusal_writes_nothing() {
    let bench = Bench::new().await;
    let refused = bench.record(&follow_up(chain(1), 1)).await;
    assert!(
        matches!(&refused, Err(RecordError::Refused(refusal)) if refusal.reason == Reason::NotAnOpeningAct),
        "{refused:?}"
    );
    assert_eq!(bench.verified().await.entries, 2);
    assert_eq!(bench.log().faults().injected(), 0);
}

#[tokio::test]
async fn an_append_that_was_lost_is_unknown_and_is_sent_again() {
    let bench = Bench::new().await;
    bench.log().faults().on_append(AppendFault::Lost);
    bench.record(&registration(chain(1), 1, "拖欠租金")).await.unwrap();
    assert_eq!(bench.verified().await.entries, 3);
}

#[tokio::test]
async fn an_append_that_was_stored_without_an_answer_is_not_doubled() {
    let bench = Bench::new().await;
    bench.log().faults().on_append(AppendFault::AnswerLost);
    bench.record(&registration(chain(1), 1, "拖欠租金")).await.unwrap();
    assert_eq!(bench.record(&follow_up(chain(1), 2)).await.unwrap(), Revision(1));
    assert_eq!(bench.verified().await.entries, 4);
}

#[tokio::test]
async fn an_outcome_that_stays_unknown_is_reported_and_settled_by_the_same_event_id() {
    let bench = Bench::new().await;
    for _ in 0..=crate::limits::RESEND_ATTEMPTS_MAX {
        bench.log().faults().on_append(AppendFault::AnswerLost);
    }
    let unknown = bench.record(&registration(chain(1), 1, "拖欠租金")).await;
    assert!(matches!(unknown, Err(RecordError::Append(crate::log::AppendError::Unknown(_)))), "{unknown:?}");
    assert_eq!(bench.record(&registration(chain(1), 1, "拖欠租金")).await.unwrap(), Revision(0));
    assert_eq!(bench.verified().await.entries, 3);
}

/// The log went away between two attempts: that the second was not stored says nothing of the first.
#[tokio::test]
async fn an_outcome_that_was_unknown_once_is_not_told_as_not_stored() {
    for fault in [AppendFault::Unavailable, AppendFault::Full, AppendFault::NoSpace] {
        let bench = Bench::new().await;
        bench.log().faults().on_append(AppendFault::AnswerLost);
        bench.log().faults().on_append(fault);
        let unknown = bench.record(&registration(chain(1), 1, "拖欠租金")).await;
        assert!(matches!(unknown, Err(RecordError::Append(crate::log::AppendError::Unknown(_)))), "{unknown:?}");
        assert_eq!(bench.record(&registration(chain(1), 1, "拖欠租金")).await.unwrap(), Revision(0));
        assert_eq!(bench.verified().await.entries, 3);
    }
}

#[tokio::test]
async fn eight_writers_of_one_chain_all_get_through() {
    let bench = Arc::new(Bench::new().await);
    bench.record(&registration(chain(1), 1, "拖欠租金")).await.unwrap();
    let writers = (0..8_u8).map(|writer| {
        let bench = Arc::clone(&bench);
        tokio::spawn(async move {
            for act in 0..5 {
                bench.record(&follow_up(chain(1), 10 + writer * 5 + act)).await.unwrap();
            }
        })
    });
    for writer in writers.collect::<Vec<_>>() {
        writer.await.unwrap();
    }
    assert_eq!(bench.verified().await.entries, 3 + 40);
}

#[tokio::test]
async fn an_agency_whose_key_is_not_held_is_told_so() {
    let bench = Bench::new().await;
    let caller = Caller { agency: "CT-ZS".to_owned(), kind: AgencyKind::Court };
    let refused = bench.recorder.record(&caller, &registration(chain(1), 1, "拖欠租金")).await;
    assert!(matches!(refused, Err(RecordError::KeyNotHeld { agency }) if agency == "CT-ZS"));
}
