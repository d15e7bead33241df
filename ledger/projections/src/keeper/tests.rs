//! The keeper over a log in memory that loses answers, with a clock that is set by hand. The time of the runtime is
//! virtual: it passes when nothing else can happen.

use std::collections::BTreeMap;

use mediation_domain::{
    calendar::{Day, parse_instant},
    judge::{Judgement, Moment, judge},
};
use mediation_ledger::{
    chain::Revision,
    clock::{Clock, ManualClock},
    faulty::{AppendFault, Faulty, ReadFault},
    key::{Ed25519Signer, Signer},
    ledger::Ledger,
    limits::RESEND_ATTEMPTS_MAX,
    memory::{MemoryLog, MemoryVault},
};
use mediation_proto::{
    fields::kind_of_event,
    json::act_from_json,
    mediation::{ledger::v1::Act, types::v1::Role},
};
use serde_json::{Map, Value, json};

use super::*;

const ORIGIN: &str = "test.example/log";
pub(crate) const CENTER: &str = "ZC-ZS";
pub(crate) const TARGET: &str = "RS-LP";
/// Tuesday; an answer to what is proposed now is due on Friday the 8th.
const PROPOSED_AT: &str = "2024-03-05T10:00:00+08:00";
const LAPSE: &str = "2024-03-09T00:00:00+08:00";

pub(crate) type TestRecorder = Recorder<Faulty<MemoryLog>, MemoryVault>;

/// A ledger of a center and a labour bureau, with every signing key.
pub(crate) struct Bench {
    log: MemoryLog,
    pub(crate) vault: MemoryVault,
    clock: Arc<ManualClock>,
    signers: BTreeMap<String, Arc<dyn Signer>>,
    desk: Arc<TestRecorder>,
}

impl Bench {
    pub(crate) async fn new() -> Self {
        let (log, vault) = (MemoryLog::new(), MemoryVault::new());
        let clock = Arc::new(ManualClock::at(ms(PROPOSED_AT)));
        let new_keys = || -> BTreeMap<String, Arc<dyn Signer>> {
            let key = || Arc::new(Ed25519Signer::generate().unwrap()) as Arc<dyn Signer>;
            [CENTER, TARGET].into_iter().map(|agency| (agency.to_owned(), key())).collect()
        };
        let (roots, signers) = (new_keys(), new_keys());
        let founder = recorder(&log, &vault, &clock, &roots);
        let public = |key: &Arc<dyn Signer>| hex::encode(key.public_key().to_bytes());
        let members: Vec<Value> = roots
            .iter()
            .map(|(agency, root)| {
                json!({"agency": agency, "kind": kind(agency).as_str_name().trim_start_matches("AGENCY_KIND_"),
                    "name": agency, "division": "360203", "root_algorithm": "ED25519", "root_key": public(root)})
            })
            .collect();
        let registry = ChainId::registry(ORIGIN);
        let founded = json!({"log_key": "none", "founded_on": "2024-01-01", "members": members});
        record(&founder, CENTER, request(registry, 1, CENTER, "LedgerFounded", "SYS", founded)).await.unwrap();
        founder.ledger().refresh_registry().await.unwrap();
        for (number, (agency, key)) in (2..).zip(&signers) {
            let enrolled = json!({"agency": agency, "algorithm": "ED25519", "valid_from": "2020-01-01",
                "public_key": public(key)});
            let enrolled = request(registry, number, agency, "AgencyKeyEnrolled", "SYS", enrolled);
            record(&founder, agency, enrolled).await.unwrap();
        }
        let desk = recorder(&log, &vault, &clock, &signers);
        Self { log, vault, clock, signers, desk }
    }

    /// The recorder of another process on the same log.
    pub(crate) fn process(&self) -> Arc<TestRecorder> {
        recorder(&self.log, &self.vault, &self.clock, &self.signers)
    }

    pub(crate) fn set(&self, instant: &str) {
        self.clock.set(ms(instant));
    }

    /// A chain with a proposal that waits for its answer, and an obligation that waits for its day.
    pub(crate) async fn propose(&self, chain: ChainId) {
        let registered = json!({"channel": "WALK_IN", "division": "360203", "dispute_type": "LEASE", "emergency": false,
            "parties": [{"subject": "psn_1", "side": "APPLICANT", "capacity": "NATURAL_PERSON", "minor": false}],
            "summary": "拖欠租金"});
        self.act(chain, 1, CENTER, "DisputeRegistered", "REG", registered).await.unwrap();
        let proposed = json!({"mode": "TRANSFER", "target": TARGET, "purpose": "LABOUR_MATTER", "legal_basis": "x",
            "documents": [document()]});
        self.act(chain, 2, CENTER, "HandoffProposed", "REG", proposed).await.unwrap();
    }

    pub(crate) async fn owe(&self, chain: ChainId, due_on: &[&str]) {
        let term = |(number, due_on): (usize, &&str)| {
            json!({"obligation_id": format!("O{number}"), "obligor": "psn_1", "kind": "PAYMENT", "amount": 100,
                "due_on": due_on})
        };
        let terms: Vec<Value> = (1..).zip(due_on).map(term).collect();
        let owed = json!({"basis": {"event_id": event_id(1).to_string()}, "terms": terms, "instalments": false,
            "content": "支付"});
        self.act(chain, 3, TARGET, "ObligationRecorded", "MED", owed).await.unwrap();
    }

    pub(crate) async fn answer(&self, chain: ChainId) -> Result<(), RecordError> {
        let accepted = json!({"proposal": {"event_id": event_id(2).to_string()}, "received": ["委托函"],
            "handler": format!("{TARGET}/ADM-1")});
        self.act(chain, 4, TARGET, "HandoffAccepted", "ADM", accepted).await
    }

    pub(crate) async fn act(
        &self,
        chain: ChainId,
        number: u8,
        agency: &str,
        event: &str,
        role: &str,
        data: Value,
    ) -> Result<(), RecordError> {
        record(&self.desk, agency, request(chain, number, agency, event, role, data)).await
    }

    /// Starts a keeper, as a process does, and stops it after a virtual minute.
    async fn keep(&self) {
        keep(&self.process()).await;
    }

    /// The acts of a chain that count; every entry must.
    pub(crate) async fn history(&self, chain: ChainId) -> Vec<Recorded> {
        let process = self.process();
        process.ledger().refresh_registry().await.unwrap();
        let entries = process.ledger().catch_up(&mut Fold::new(chain)).await.unwrap();
        entries.into_iter().map(|entry| entry.outcome.unwrap()).collect()
    }

    /// Names of the acts of a chain, in order.
    pub(crate) async fn events(&self, chain: ChainId) -> Vec<&'static str> {
        self.history(chain).await.iter().map(|recorded| recorded.act.event().unwrap().0.event).collect()
    }

    async fn judged(&self, chain: ChainId, day: &str) -> Judgement {
        let registry = self.desk.ledger().refresh_registry().await.unwrap();
        let rules = RuleSet::named("cn-2024-fixture").unwrap();
        judge(&self.history(chain).await, registry.directory(), rules, Moment::end_of(Day::parse(day).unwrap()))
    }
}

fn recorder(
    log: &MemoryLog,
    vault: &MemoryVault,
    clock: &Arc<ManualClock>,
    signers: &BTreeMap<String, Arc<dyn Signer>>,
) -> Arc<TestRecorder> {
    let log = Arc::new(Faulty::new(log.clone()));
    let clock = Arc::clone(clock) as Arc<dyn Clock>;
    let ledger = Ledger::new(ORIGIN, "cn-2024-fixture", log, Arc::new(vault.clone()), clock);
    Arc::new(Recorder::new(Arc::new(ledger), signers.clone()))
}

async fn keep(process: &Arc<TestRecorder>) {
    let keeper = Keeper::start(Arc::clone(process)).await.unwrap();
    keeper.run(tokio::time::sleep(Duration::from_secs(60))).await.unwrap();
}

async fn record(recorder: &TestRecorder, agency: &str, request: Request) -> Result<(), RecordError> {
    let caller = Caller { agency: agency.to_owned(), kind: kind(agency) };
    recorder.record(&caller, &request).await.map(drop)
}

fn kind(agency: &str) -> AgencyKind {
    if agency == CENTER { AgencyKind::GovernanceCenter } else { AgencyKind::HumanResources }
}

fn ms(instant: &str) -> i64 {
    parse_instant(instant).unwrap() * 1_000
}

pub(crate) fn chain(number: u8) -> ChainId {
    ChainId([number; 16])
}

pub(crate) fn event_id(number: u8) -> EventId {
    EventId([0, 0, 0, 0, 0, 0, 0x70, 0, 0x80, 0, 0, 0, 0, 0, 0, number])
}

fn document() -> Value {
    json!({"kind": "委托函", "digest_algorithm": "SHA_256", "digest": "00".repeat(32), "pages": 1, "sensitivity": "S1"})
}

fn request(chain: ChainId, number: u8, agency: &str, event: &str, role: &str, data: Value) -> Request {
    let header = Map::from_iter([
        ("signer".to_owned(), json!(format!("{agency}/{role}-1"))),
        ("signer_role".to_owned(), json!(role)),
    ]);
    let Value::Object(data) = data else { panic!("the fields of an act are an object") };
    let act: Act =
        act_from_json(kind_of_event(event).unwrap(), &header, &data, &|id| id.as_str().map(str::to_owned)).unwrap();
    let occurred_at = parse_instant(PROPOSED_AT).unwrap();
    Request { chain, event_id: event_id(number), expected_revision: None, occurred_at, act }
}

const TIMED_OUT: [&str; 3] = ["DisputeRegistered", "HandoffProposed", "HandoffTimedOut"];

#[tokio::test(start_paused = true)]
async fn a_lapse_is_noted_when_its_instant_comes_and_not_before() {
    let bench = Bench::new().await;
    bench.propose(chain(1)).await;
    let process = bench.process();
    let keeper = Keeper::start(Arc::clone(&process)).await.unwrap();
    let time_passes = async {
        tokio::time::sleep(Duration::from_secs(60)).await;
        bench.set("2024-03-08T23:59:59+08:00");
        tokio::time::sleep(Duration::from_secs(60)).await;
        assert_eq!(bench.events(chain(1)).await.len(), 2);
        bench.set(LAPSE);
        tokio::time::sleep(Duration::from_secs(60)).await;
    };
    keeper.run(time_passes).await.unwrap();
    assert_eq!(bench.events(chain(1)).await, TIMED_OUT);
    let history = bench.history(chain(1)).await;
    let noted = history.last().unwrap();
    assert_eq!((noted.agency.as_str(), noted.occurred_at), (CENTER, parse_instant(LAPSE).unwrap()));
    assert!(noted.event_id.is_keepers());
    assert_eq!(noted.act.header.as_ref().unwrap().signer_role(), Role::Sys);
    let judgement = bench.judged(chain(1), "2024-03-09").await;
    let escalation = judgement.clocks.iter().find(|run| run.id == "HD-4").unwrap();
    assert_eq!((escalation.opened_by, escalation.obliged.as_deref()), (Some(2), Some(CENTER)));
}

#[tokio::test(start_paused = true)]
async fn an_answer_in_time_leaves_nothing_to_note_and_nothing_to_wait_for() {
    let bench = Bench::new().await;
    bench.propose(chain(1)).await;
    let process = bench.process();
    let mut keeper = Keeper::start(process).await.unwrap();
    let batch = keeper.follower.next().await.unwrap();
    keeper.mark(&batch);
    assert_eq!(keeper.round().await.unwrap(), Round::Done);
    assert!(keeper.schedule.is_waiting(chain(1)));
    bench.answer(chain(1)).await.unwrap();
    let batch = keeper.follower.next().await.unwrap();
    keeper.mark(&batch);
    bench.set(LAPSE);
    assert_eq!(keeper.round().await.unwrap(), Round::Done);
    assert!(!keeper.schedule.is_waiting(chain(1)));
    assert_eq!(bench.events(chain(1)).await.len(), 3);
}

#[tokio::test(start_paused = true)]
async fn what_lapsed_while_no_keeper_ran_is_noted_once_by_the_next_and_by_no_later_one() {
    let bench = Bench::new().await;
    bench.propose(chain(1)).await;
    bench.owe(chain(1), &["2024-03-31", "2024-03-31", "2024-12-31"]).await;
    bench.set("2024-04-01T08:00:00+08:00");
    for _start in 0..3 {
        bench.keep().await;
        assert_eq!(
            bench.events(chain(1)).await,
            [
                "DisputeRegistered",
                "HandoffProposed",
                "ObligationRecorded",
                "HandoffTimedOut",
                "ObligationDefaulted",
                "ObligationDefaulted"
            ]
        );
    }
}

#[tokio::test(start_paused = true)]
async fn many_chains_lapse_at_one_midnight_and_each_is_noted_once() {
    let bench = Bench::new().await;
    for number in 1..=200 {
        bench.propose(chain(number)).await;
    }
    bench.set(LAPSE);
    bench.keep().await;
    for number in 1..=200 {
        assert_eq!(bench.events(chain(number)).await, TIMED_OUT);
    }
}

#[tokio::test(start_paused = true)]
async fn a_chain_with_more_lapses_than_a_turn_takes_has_further_turns() {
    let bench = Bench::new().await;
    bench.propose(chain(1)).await;
    bench.owe(chain(1), &["2024-03-31"; LAPSES_PER_TURN * 2]).await;
    bench.set("2024-04-01T00:00:00+08:00");
    bench.keep().await;
    assert_eq!(bench.events(chain(1)).await.len(), 3 + 1 + LAPSES_PER_TURN * 2);
}

#[tokio::test]
async fn two_keepers_on_one_log_note_a_lapse_once() {
    for head_start in 0..8 {
        let bench = Bench::new().await;
        for number in 1..=5 {
            bench.propose(chain(number)).await;
            bench.owe(chain(number), &["2024-03-31", "2024-03-31"]).await;
        }
        bench.set("2024-04-01T00:00:00+08:00");
        let mut rounds = Vec::new();
        for (process, slow) in [(bench.process(), 40), (bench.process(), 40 - head_start)] {
            // Each lets the other go first at most steps, so that each comes between the steps of the other.
            for _ in 0..slow {
                process.ledger().log().faults().on_read(ReadFault::Slow);
                process.ledger().log().faults().on_append(AppendFault::Slow);
            }
            let mut keeper = Keeper::start(process).await.unwrap();
            rounds.push(async move {
                let batch = keeper.follower.next().await.unwrap();
                keeper.mark(&batch);
                while keeper.round().await.unwrap() != Round::Done {}
            });
        }
        let second = rounds.pop().unwrap();
        tokio::join!(rounds.pop().unwrap(), second);
        for number in 1..=5 {
            let events = bench.events(chain(number)).await;
            assert_eq!(events.len(), 6, "head start {head_start}: {events:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_note_whose_answer_is_lost_is_not_made_twice() {
    let bench = Bench::new().await;
    bench.propose(chain(1)).await;
    bench.set(LAPSE);
    let process = bench.process();
    for _ in 0..=RESEND_ATTEMPTS_MAX {
        process.ledger().log().faults().on_append(AppendFault::AnswerLost);
    }
    keep(&process).await;
    assert_eq!(process.ledger().log().faults().injected(), u64::from(RESEND_ATTEMPTS_MAX) + 1);
    assert_eq!(bench.events(chain(1)).await, TIMED_OUT);
}

#[tokio::test(start_paused = true)]
async fn a_keeper_that_dies_between_append_and_answer_has_noted_it() {
    for (fault, noted) in [(AppendFault::AnswerLost, 3), (AppendFault::Lost, 2)] {
        let bench = Bench::new().await;
        bench.propose(chain(1)).await;
        bench.set(LAPSE);
        let process = bench.process();
        process.ledger().log().faults().on_append(fault);
        process.ledger().log().faults().on_append(AppendFault::Held);
        // Killed while it asks how the append ended.
        let mut keeper = Keeper::start(Arc::clone(&process)).await.unwrap();
        let batch = keeper.follower.next().await.unwrap();
        keeper.mark(&batch);
        let killed = tokio::time::timeout(Duration::from_secs(1), keeper.round()).await;
        assert!(killed.is_err());
        drop(keeper);
        assert_eq!(bench.events(chain(1)).await.len(), noted, "{fault:?}");
        bench.keep().await;
        assert_eq!(bench.events(chain(1)).await, TIMED_OUT, "{fault:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_comes_between_judging_and_noting_is_seen() {
    let bench = Bench::new().await;
    bench.propose(chain(1)).await;
    bench.set(LAPSE);
    let process = bench.process();
    let faults = process.ledger().log().faults();
    faults.on_append(AppendFault::Held);
    let answers = async {
        tokio::time::sleep(Duration::from_secs(5)).await;
        bench.answer(chain(1)).await.unwrap();
        faults.release();
    };
    tokio::join!(keep(&process), answers);
    assert_eq!(bench.events(chain(1)).await, ["DisputeRegistered", "HandoffProposed", "HandoffAccepted"]);
}

#[tokio::test(start_paused = true)]
async fn lapses_are_noted_through_faults_of_every_kind() {
    for seed in 0..10 {
        let bench = Bench::new().await;
        for number in 1..=5 {
            bench.propose(chain(number)).await;
        }
        bench.set(LAPSE);
        let process = bench.process();
        process.ledger().log().faults().by_seed(seed, 200);
        // Following alone has no second try: a process that cannot read its log ends.
        loop {
            let Ok(keeper) = Keeper::start(Arc::clone(&process)).await else { continue };
            let ended = keeper.run(tokio::time::sleep(Duration::from_secs(3_600))).await;
            if ended.is_ok() {
                break;
            }
            if process.ledger().log().faults().injected() > 200 {
                process.ledger().log().faults().stop();
            }
        }
        for number in 1..=5 {
            let events = bench.events(chain(number)).await;
            assert!(events.iter().filter(|event| **event == "HandoffTimedOut").count() <= 1, "seed {seed}: {events:?}");
        }
        process.ledger().log().faults().stop();
        keep(&process).await;
        for number in 1..=5 {
            assert_eq!(bench.events(chain(number)).await, TIMED_OUT, "seed {seed}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_log_that_stays_away_ends_the_keeper_with_its_reason() {
    let bench = Bench::new().await;
    bench.propose(chain(1)).await;
    bench.set(LAPSE);
    let process = bench.process();
    let keeper = Keeper::start(Arc::clone(&process)).await.unwrap();
    for _ in 0..=FAULTS_MAX {
        process.ledger().log().faults().on_append(AppendFault::Unavailable);
    }
    let failed = keeper.run(std::future::pending()).await.unwrap_err();
    assert!(matches!(&failed, KeeperError::Chain { faults: FAULTS_MAX, .. }), "{failed}");
    assert!(failed.to_string().contains("the log is unavailable"), "{failed}");
    assert_eq!(bench.events(chain(1)).await.len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_full_disk_is_waited_for_however_long() {
    let bench = Bench::new().await;
    bench.propose(chain(1)).await;
    bench.set(LAPSE);
    let process = bench.process();
    for _ in 0..FAULTS_MAX * 4 {
        process.ledger().log().faults().on_append(AppendFault::NoSpace);
    }
    let keeper = Keeper::start(Arc::clone(&process)).await.unwrap();
    keeper.run(tokio::time::sleep(Duration::from_secs(2 * 3_600))).await.unwrap();
    assert_eq!(process.ledger().log().faults().injected(), u64::from(FAULTS_MAX) * 4);
    assert_eq!(bench.events(chain(1)).await, TIMED_OUT);
}

#[tokio::test(start_paused = true)]
async fn a_center_whose_key_is_held_elsewhere_is_left_to_its_own_keeper() {
    let mut bench = Bench::new().await;
    bench.propose(chain(1)).await;
    bench.set(LAPSE);
    let center = bench.signers.remove(CENTER).unwrap();
    bench.keep().await;
    assert_eq!(bench.events(chain(1)).await.len(), 2);
    bench.signers.insert(CENTER.to_owned(), center);
    bench.keep().await;
    assert_eq!(bench.events(chain(1)).await, TIMED_OUT);
}

#[tokio::test(start_paused = true)]
async fn an_act_that_may_not_be_recorded_is_given_up_until_the_chain_moves() {
    let mut bench = Bench::new().await;
    bench.propose(chain(1)).await;
    bench.set(LAPSE);
    // A key that nobody enrolled: the recorder holds it and may not sign with it.
    let stranger: Arc<dyn Signer> = Arc::new(Ed25519Signer::generate().unwrap());
    bench.signers.insert(CENTER.to_owned(), stranger);
    let mut keeper = Keeper::start(bench.process()).await.unwrap();
    let batch = keeper.follower.next().await.unwrap();
    keeper.mark(&batch);
    assert_eq!(keeper.round().await.unwrap(), Round::Done);
    assert!(keeper.schedule.is_idle() && !keeper.schedule.is_waiting(chain(1)));
    assert_eq!(bench.events(chain(1)).await.len(), 2);
}

#[tokio::test(start_paused = true)]
async fn history_entered_after_the_limit_is_left_alone() {
    let bench = Bench::new().await;
    bench.set(LAPSE);
    bench.propose(chain(1)).await;
    bench.set("2025-01-01T00:00:00+08:00");
    bench.keep().await;
    assert_eq!(bench.events(chain(1)).await.len(), 2);
    assert_eq!(bench.log.read(chain(1), Revision::FIRST, 9).await.unwrap().len(), 2);
}
