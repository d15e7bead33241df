//! A whole process whose clock is set by hand, and its clock keeper.

use mediation_client::VerifiedChain;
use mediation_domain::calendar::parse_instant;
use mediation_ledger::{clock::ManualClock, merkle::TreeSize};
use mediation_proto::{
    ActRequest,
    fields::kind_of_event,
    json::act_from_json,
    mediation::types::v1::{AgencyKind, Role},
};
use serde_json::{Map, Value, json};
use tempfile::TempDir;

use super::*;
use crate::{
    access::Door,
    command::verify,
    config::KeeperConfig,
    founding::{Founding, found},
    member::Member,
    suite::Suites,
};

const CHAIN: &str = "6f1d9c2a-44b0-4e37-9a51-07d3e852c60b";
const REGISTERED: &str = "018e0695-0a80-7000-8000-000000000001";
const PROPOSED: &str = "018e0695-0a80-7000-8000-000000000002";

/// Tuesday; an answer to what is proposed now is due on Friday the 8th.
const PROPOSED_AT: &str = "2024-03-05T10:00:00+08:00";
const LAPSE: &str = "2024-03-09T00:00:00+08:00";

/// Real time after which a test gives up.
const PATIENCE: Duration = Duration::from_secs(60);

struct Machine {
    directory: TempDir,
    clock: Arc<ManualClock>,
    config: Config,
}

impl Machine {
    async fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let clock = Arc::new(ManualClock::at(ms(PROPOSED_AT)));
        let config = Config { listen: ([127, 0, 0, 1], 0).into(), ..Config::default() };
        let member =
            |id: &str, kind| Member { id: id.to_owned(), name: id.to_owned(), kind, division: "360203".to_owned() };
        let founding = Founding {
            origin: "keeper.example/log".parse().unwrap(),
            rule_set: "cn-2024-fixture".to_owned(),
            segment_bytes: 64 * 1024,
            members: vec![member("ZC-ZS", AgencyKind::GovernanceCenter), member("RS-LP", AgencyKind::HumanResources)],
            suites: Suites::default(),
            valid_from: "2020-01-01".to_owned(),
            clock: Arc::clone(&clock) as Arc<dyn Clock>,
        };
        found(&directory.path().join("ledger"), &founding, &config).await.unwrap();
        Self { directory, clock, config }
    }

    fn path(&self) -> PathBuf {
        self.directory.path().join("ledger")
    }

    async fn start(&self) -> Process {
        Process::start(&self.path(), &self.config, Arc::clone(&self.clock) as Arc<dyn Clock>).await.unwrap()
    }

    /// A center hands a matter over through its desk, and nobody answers.
    async fn propose(&self, process: &Process) {
        let door = self.door(process);
        let registry = door.registry().await.unwrap();
        let center = door.client("ZC-ZS", &registry).await.unwrap();
        let registered = json!({"channel": "WALK_IN", "division": "360203", "dispute_type": "LABOUR",
            "emergency": false, "summary": "拖欠工资",
            "parties": [{"subject": "psn_1", "side": "APPLICANT", "capacity": "NATURAL_PERSON", "minor": false}]});
        center.record(request(REGISTERED, "DisputeRegistered", registered)).await.unwrap();
        let proposed = json!({"mode": "TRANSFER", "target": "RS-LP", "purpose": "LABOUR_MATTER",
            "legal_basis": "劳动保障监察条例", "documents": [document()]});
        center.record(request(PROPOSED, "HandoffProposed", proposed)).await.unwrap();
    }

    /// The director of the center escalates the time-out that the keeper has noted, which he must name.
    async fn escalate(&self, process: &Process, chain: &VerifiedChain) {
        let (_, noted) = chain.entries.last().unwrap();
        let noted = noted.outcome.as_ref().unwrap().event_id.to_string();
        let data = json!({"proposal": {"event_id": PROPOSED}, "timeout": {"event_id": noted}, "level": "COUNTY",
            "meeting_record": document()});
        let mut escalated = request("018e0695-0a80-7000-8000-000000000004", "HandoffEscalated", data);
        let header = escalated.act.header.as_mut().unwrap();
        (header.signer, header.signer_role) = (Some("ZC-ZS/DIR-1".to_owned()), Some(Role::Dir as i32));
        escalated.occurred_at.as_mut().unwrap().seconds = self.clock.now_ms() / 1_000;
        let door = self.door(process);
        let registry = door.registry().await.unwrap();
        door.client("ZC-ZS", &registry).await.unwrap().record(escalated).await.unwrap();
    }

    async fn chain(&self, process: &Process) -> VerifiedChain {
        let door = self.door(process);
        let registry = door.registry().await.unwrap();
        let center = door.client("ZC-ZS", &registry).await.unwrap();
        center.verified_chain(CHAIN, None, &registry).await.unwrap()
    }

    fn door(&self, process: &Process) -> Door {
        Door::open(&process.address.to_string(), &self.path()).unwrap()
    }
}

fn document() -> Value {
    json!({"kind": "移送函", "digest_algorithm": "SHA_256", "digest": "00".repeat(32), "pages": 1, "sensitivity": "S1"})
}

fn request(event_id: &str, event: &str, data: Value) -> ActRequest {
    let header =
        Map::from_iter([("signer".to_owned(), json!("ZC-ZS/REG-1")), ("signer_role".to_owned(), json!("REG"))]);
    let Value::Object(data) = data else { panic!("the fields of an act are an object") };
    ActRequest {
        chain_id: Some(CHAIN.to_owned()),
        event_id: Some(event_id.to_owned()),
        expected_revision: None,
        occurred_at: Some(prost_types::Timestamp { seconds: parse_instant(PROPOSED_AT).unwrap(), nanos: 0 }),
        wait: None,
        act: act_from_json(kind_of_event(event).unwrap(), &header, &data, &|id| id.as_str().map(str::to_owned))
            .unwrap(),
    }
}

fn ms(instant: &str) -> i64 {
    parse_instant(instant).unwrap() * 1_000
}

fn events(chain: &VerifiedChain) -> Vec<&'static str> {
    let acts = chain.entries.iter().map(|(_, entry)| entry.outcome.as_ref().unwrap());
    acts.map(|recorded| recorded.act.event().unwrap().0.event).collect()
}

/// Waits until one more entry is sealed than the ledger had.
async fn grown(process: &Process, from: TreeSize) {
    tokio::time::timeout(PATIENCE, process.seals().reached(TreeSize(from.0 + 1))).await.unwrap();
}

const TIMED_OUT: [&str; 3] = ["DisputeRegistered", "HandoffProposed", "HandoffTimedOut"];

#[tokio::test(flavor = "multi_thread")]
async fn a_handoff_that_nobody_answers_is_noted_at_midnight_sealed_and_verified() {
    let machine = Machine::new().await;
    let process = machine.start().await;
    machine.propose(&process).await;
    let size = process.seals().size();
    machine.clock.set(ms(LAPSE));
    grown(&process, size).await;
    let chain = machine.chain(&process).await;
    assert_eq!(events(&chain), TIMED_OUT);
    let escalation = chain.judgement.clocks.iter().find(|clock| clock.id == "HD-4").unwrap();
    assert_eq!((escalation.start_revision, escalation.obliged.as_deref()), (Some(2), Some("ZC-ZS")));
    machine.clock.set(ms("2024-03-11T09:00:00+08:00"));
    machine.escalate(&process, &chain).await;
    let chain = machine.chain(&process).await;
    let escalation = chain.judgement.clocks.iter().find(|clock| clock.id == "HD-4").unwrap();
    assert_eq!((escalation.state.as_str(), escalation.end_revision), ("MET", Some(3)));
    process.stop().await.unwrap();
    let report = verify::verify(&machine.path(), &|_| {}).unwrap();
    assert_eq!(report.faults(), &[] as &[String]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_lapsed_while_the_process_was_down_is_noted_when_it_comes_back_and_once() {
    let machine = Machine::new().await;
    let process = machine.start().await;
    machine.propose(&process).await;
    process.stop().await.unwrap();
    machine.clock.set(ms(LAPSE));
    let process = machine.start().await;
    // Genesis, two keys, and two acts are there; the time-out is the sixth entry.
    grown(&process, TreeSize(5)).await;
    assert_eq!(events(&machine.chain(&process).await), TIMED_OUT);
    process.stop().await.unwrap();
    // Of two starts the second has nothing more to note, which an act that does come proves.
    let process = machine.start().await;
    let door = machine.door(&process);
    let registry = door.registry().await.unwrap();
    let visited = json!({"satisfaction": "SATISFIED", "relapse_signs": false});
    let visited = request("018e0695-0a80-7000-8000-000000000003", "FollowUpVisited", visited);
    door.client("ZC-ZS", &registry).await.unwrap().record(visited).await.unwrap();
    let chain = machine.chain(&process).await;
    process.stop().await.unwrap();
    assert_eq!(events(&chain), [TIMED_OUT.as_slice(), &["FollowUpVisited"]].concat());
    let report = verify::verify(&machine.path(), &|_| {}).unwrap();
    assert_eq!(
        (report.faults(), report.to_json().get("tree_size")),
        (&[] as &[String], Some(&json!(9))),
        "two readings of the chain are on record"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_without_a_keeper_notes_nothing() {
    let mut machine = Machine::new().await;
    machine.config.keeper = KeeperConfig { enabled: false };
    let process = machine.start().await;
    assert!(process.keeper.is_none());
    machine.propose(&process).await;
    machine.clock.set(ms(LAPSE));
    assert_eq!(events(&machine.chain(&process).await).len(), 2);
    process.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_keeper_that_fails_ends_the_process_with_its_reason() {
    let machine = Machine::new().await;
    let mut process = machine.start().await;
    let keeper = process.keeper.replace(tokio::spawn(async { anyhow::bail!("the log is unavailable") })).unwrap();
    let failed = tokio::time::timeout(PATIENCE, process.failed()).await.unwrap().unwrap_err();
    assert_eq!(format!("{failed:#}"), "the clock keeper stopped: the log is unavailable");
    process.keeper = Some(keeper);
    process.stop().await.unwrap();
}
