//! A ledger that was founded once, and the process that serves a copy of it.

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    path::{Path, PathBuf},
    sync::{
        Arc, LazyLock, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use ed25519_dalek::SigningKey;
use mediation_domain::{admit::Caller, history::EventId};
use mediation_ledger::{
    chain::ChainId,
    checkpoint::Checkpoint,
    clock::{Clock, ManualClock},
    entropy::SeededEntropy,
    key::{Ed25519Signer, Signer},
    ledger::Ledger,
    merkle::Hash,
    part::Cipher,
    recorder::{Placed, RecordError, Recorder, Request},
};
use mediation_log_embedded::{
    Embedded, FatalHandler, Options, SEGMENT_BYTES_MIN,
    checkpoint::CheckpointFiles,
    disk::{Disk, SimulatedDisk},
    vault::FileVault,
};
use mediation_projections::{
    eraser::Journal,
    sealer::{FoundLeaves, LogSigner, Sealer, SealerError, Seals, last_checkpoint},
};
use mediation_proto::{
    fields::kind_of_event,
    json::act_from_json,
    mediation::{ledger::v1::Act, types::v1::AgencyKind},
};
use serde_json::{Map, Value, json};
use tokio::{
    runtime::{Builder, Runtime},
    sync::oneshot,
    task::JoinHandle,
};

pub(crate) const ORIGIN: &str = "simulated.example/city";
pub(crate) const CENTER: &str = "ZC-ZS";
pub(crate) const BUREAU: &str = "RS-LP";
pub(crate) const NOW_MS: i64 = 1_709_514_720_000;

/// Directory of the ledger on the simulated disk.
pub(crate) fn directory() -> &'static Path {
    Path::new("/ledger")
}

pub(crate) fn vault_directory() -> PathBuf {
    directory().join("vault")
}

/// A ledger with nothing but its founding, and everybody's keys.
#[derive(Debug)]
pub(crate) struct World {
    disk: SimulatedDisk,
    pub(crate) genesis: Hash,
    desks: BTreeMap<String, Arc<dyn Signer>>,
    log_key: SigningKey,
}

type TestRecorder = Recorder<Embedded, FileVault>;

/// The one that every life begins with. MUST NOT be asked for the first time inside a runtime.
pub(crate) fn world() -> &'static World {
    static WORLD: LazyLock<World> = LazyLock::new(|| runtime().block_on(found()));
    &WORLD
}

/// A runtime of one thread whose clock stands until nothing else can happen.
pub(crate) fn runtime() -> Runtime {
    Builder::new_current_thread().enable_time().start_paused(true).build().unwrap()
}

async fn found() -> World {
    let disk = SimulatedDisk::in_turn();
    let shared: Arc<dyn Disk> = Arc::new(disk.clone());
    let entropy = Arc::new(SeededEntropy::new([7; 32]));
    let key = |name: &[u8], of: &str| {
        let key = Ed25519Signer::generate_from(entropy.as_ref(), &[name, of.as_bytes()]).unwrap();
        Arc::new(key) as Arc<dyn Signer>
    };
    let keys = |name: &[u8]| [CENTER, BUREAU].map(|agency| (agency.to_owned(), key(name, agency)));
    let (roots, desks) = (BTreeMap::from(keys(b"root")), BTreeMap::from(keys(b"desk")));
    let log_key = Ed25519Signer::generate_from(entropy.as_ref(), &[b"log"]).unwrap().signing_key().clone();
    Embedded::create(&shared, directory(), &options(None, FatalHandler::default())).unwrap();
    FileVault::create_from(&disk, &vault_directory(), ORIGIN, Cipher::Aes256Gcm, entropy.as_ref()).unwrap();
    let mut world = World { disk: disk.clone(), genesis: Hash::ZERO, desks: roots.clone(), log_key };
    let process = Process::open(&world, &disk, &Start::new(0, 0)).await.unwrap();
    let public = |key: &Arc<dyn Signer>| hex::encode(key.public_key().to_bytes());
    let member = |(agency, root): (&String, &Arc<dyn Signer>)| {
        let kind = kind(agency).as_str_name().trim_start_matches("AGENCY_KIND_");
        json!({"agency": agency, "kind": kind, "name": agency, "division": "360203", "root_algorithm": "ED25519",
               "root_key": public(root)})
    };
    let members: Vec<Value> = roots.iter().map(member).collect();
    let registry = ChainId::registry(ORIGIN);
    let founded = json!({"log_key": "none", "founded_on": "2024-01-01", "members": members});
    let founded = request(registry, event_id(0, 1), CENTER, "LedgerFounded", "SYS", founded);
    world.genesis = process.record(CENTER, &founded).await.unwrap().leaf;
    process.recorder.ledger().refresh_registry().await.unwrap();
    for (number, (agency, desk)) in (2..).zip(&desks) {
        let enrolled =
            json!({"agency": agency, "algorithm": "ED25519", "valid_from": "2020-01-01", "public_key": public(desk)});
        let enrolled = request(registry, event_id(0, number), agency, "AgencyKeyEnrolled", "SYS", enrolled);
        process.record(agency, &enrolled).await.unwrap();
    }
    process.close().await;
    World { desks, ..world }
}

impl World {
    /// A disk with the founded ledger on it.
    pub(crate) fn disk(&self) -> SimulatedDisk {
        self.disk.copy()
    }

    /// The key of the log.
    pub(crate) fn log_key(&self) -> &SigningKey {
        &self.log_key
    }

    /// What signs checkpoints.
    pub(crate) fn log_signer(&self) -> LogSigner {
        LogSigner::new(ORIGIN.parse().unwrap(), vec![self.log_key.clone()])
    }

    /// The last checkpoint that is stored on a disk.
    pub(crate) fn stored(&self, disk: &SimulatedDisk) -> Result<Option<Checkpoint>, SealerError> {
        let store = CheckpointFiles::new(Arc::new(disk.clone()), directory().to_owned());
        last_checkpoint(&self.log_signer(), &store)
    }
}

/// How a process starts.
#[derive(Debug, Clone)]
pub(crate) struct Start {
    pub(crate) clock: Arc<ManualClock>,
    /// What is about to be destroyed. The product keeps it in a file of its own, which is not on the simulated disk.
    pub(crate) journal: Arc<Noted>,
    pub(crate) entropy: [u8; 32],
    /// A sync has failed: a process of the real world is gone by now.
    pub(crate) aborted: Arc<AtomicBool>,
}

impl Start {
    /// The start of a life of a seed.
    pub(crate) fn new(seed: u64, life: u64) -> Self {
        let mut entropy = [0; 32];
        entropy.split_at_mut(8).0.copy_from_slice(&seed.to_be_bytes());
        entropy.split_at_mut(16).1.split_at_mut(8).0.copy_from_slice(&life.to_be_bytes());
        let clock = Arc::new(ManualClock::at(NOW_MS + i64::try_from(life).unwrap() * 60_000));
        Self { clock, journal: Arc::default(), entropy, aborted: Arc::default() }
    }

    pub(crate) fn is_aborted(&self) -> bool {
        self.aborted.load(Ordering::SeqCst)
    }
}

/// The journal of erasures.
#[derive(Debug, Default)]
pub(crate) struct Noted(Mutex<BTreeMap<(ChainId, EventId), BTreeSet<Hash>>>);

impl Noted {
    /// Chains of which something is noted.
    pub(crate) fn chains(&self) -> BTreeSet<ChainId> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).keys().map(|(chain, _)| *chain).collect()
    }
}

impl Journal for Noted {
    fn note(&self, chain: ChainId, order: EventId, digests: &BTreeSet<Hash>) -> io::Result<()> {
        let mut rows = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        rows.entry((chain, order)).or_default().extend(digests);
        Ok(())
    }

    fn noted(&self, chain: ChainId, order: EventId) -> BTreeSet<Hash> {
        let rows = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        rows.get(&(chain, order)).cloned().unwrap_or_default()
    }
}

/// A process that serves the ledger.
#[derive(Debug)]
pub(crate) struct Process {
    pub(crate) log: Arc<Embedded>,
    pub(crate) vault: Arc<FileVault>,
    pub(crate) recorder: Arc<TestRecorder>,
    pub(crate) seals: Seals,
    stop: oneshot::Sender<()>,
    sealing: JoinHandle<Result<(), SealerError>>,
}

impl Process {
    /// Opens everything, in the order in which the binary does.
    pub(crate) async fn open(world: &World, disk: &SimulatedDisk, start: &Start) -> Result<Self, String> {
        let shared: Arc<dyn Disk> = Arc::new(disk.clone());
        let fatal = || {
            let aborted = Arc::clone(&start.aborted);
            FatalHandler::new(move |_error| aborted.store(true, Ordering::SeqCst))
        };
        let covered = world.stored(disk).map_err(|error| format!("checkpoint: {error}"))?;
        let covered = covered.map(|checkpoint| (checkpoint.size, checkpoint.root));
        let mut found = FoundLeaves::default();
        let mut see = |chain, leaf| found.add(chain, leaf);
        let log = Embedded::open_seeing(Arc::clone(&shared), directory(), &options(covered, fatal()), &mut see);
        let log = Arc::new(log.map_err(|error| format!("log: {error:?}"))?);
        let cursor = log.cursor(found.size());
        let entropy = Arc::new(SeededEntropy::new(start.entropy));
        let vault = FileVault::open_from(disk, &vault_directory(), ORIGIN, fatal(), entropy.clone());
        let vault = Arc::new(vault.map_err(|error| format!("vault: {error:?}"))?);
        let clock = Arc::clone(&start.clock) as Arc<dyn Clock>;
        let ledger = Ledger::new(ORIGIN, "cn-2024-fixture", Arc::clone(&log), Arc::clone(&vault), clock);
        ledger.refresh_registry().await.map_err(|error| format!("registry: {error}"))?;
        let recorder = Recorder::new(Arc::new(ledger), world.desks.clone()).with_entropy(entropy);
        let store = Arc::new(CheckpointFiles::new(shared, directory().to_owned()));
        let sealer = Sealer::start_behind(log.as_ref(), found, cursor, world.log_signer(), store).await;
        let (sealer, seals) = sealer.map_err(|error| format!("sealer: {error}"))?;
        let (stop, stopped) = oneshot::channel();
        let sealing = tokio::spawn(sealer.run(async { drop(stopped.await) }));
        Ok(Self { log, vault, recorder: Arc::new(recorder), seals, stop, sealing })
    }

    pub(crate) async fn record(&self, agency: &str, request: &Request) -> Result<Placed, RecordError> {
        self.recorder.record(&caller(agency), request).await
    }

    /// Stops in order.
    pub(crate) async fn close(self) {
        // On a disk that takes nothing any more a sealer tries for ever.
        drop(tokio::time::timeout(Duration::from_secs(5), self.seals.reached(self.log.size())).await);
        self.stop.send(()).ok();
        let sealed = self.sealing.await.unwrap();
        if let Err(error) = sealed {
            assert!(matches!(error, SealerError::Log(_) | SealerError::Store(_)), "the sealer stopped: {error}");
        }
        self.log.close().await;
        self.vault.close().await;
    }
}

pub(crate) fn options(covered: Option<(mediation_ledger::merkle::TreeSize, Hash)>, fatal: FatalHandler) -> Options {
    Options { segment_bytes: SEGMENT_BYTES_MIN, covered, fatal, ..Options::new(ORIGIN) }
}

pub(crate) fn caller(agency: &str) -> Caller {
    Caller { agency: agency.to_owned(), kind: kind(agency) }
}

fn kind(agency: &str) -> AgencyKind {
    if agency == CENTER { AgencyKind::GovernanceCenter } else { AgencyKind::HumanResources }
}

pub(crate) fn chain(number: u8) -> ChainId {
    ChainId([number; 16])
}

/// A UUIDv7 of whoever has this number.
pub(crate) fn event_id(whose: u32, number: u32) -> EventId {
    let mut id = [0; 16];
    id.split_at_mut(8).1.split_at_mut(4).0.copy_from_slice(&whose.to_be_bytes());
    id.split_at_mut(12).1.copy_from_slice(&number.to_be_bytes());
    let [_, _, _, _, _, _, version, _, variant, ..] = &mut id;
    (*version, *variant) = (0x70, 0x80);
    EventId(id)
}

fn act(agency: &str, event: &str, role: &str, data: Value) -> Act {
    let header = Map::from_iter([
        ("signer".to_owned(), json!(format!("{agency}/{role}-1"))),
        ("signer_role".to_owned(), json!(role)),
    ]);
    let Value::Object(data) = data else { panic!("the fields of an act are an object") };
    act_from_json(kind_of_event(event).unwrap(), &header, &data, &|id| id.as_str().map(str::to_owned)).unwrap()
}

pub(crate) fn request(
    chain: ChainId,
    event_id: EventId,
    agency: &str,
    event: &str,
    role: &str,
    data: Value,
) -> Request {
    let act = act(agency, event, role, data);
    Request { chain, event_id, expected_revision: None, occurred_at: NOW_MS / 1_000, act }
}

pub(crate) fn registration(chain: ChainId, event_id: EventId, letters: usize) -> Request {
    let data = json!({"channel": "WALK_IN", "division": "360203", "dispute_type": "LEASE", "emergency": false,
        "parties": [{"subject": "psn_1", "side": "APPLICANT", "capacity": "NATURAL_PERSON", "minor": false}],
        "identities": [{"subject": "psn_1", "name": "霍砚秋"}], "summary": "租".repeat(letters.max(1))});
    request(chain, event_id, CENTER, "DisputeRegistered", "REG", data)
}

pub(crate) fn follow_up(chain: ChainId, event_id: EventId, letters: usize) -> Request {
    let data = json!({"satisfaction": "SATISFIED", "relapse_signs": false, "notes": "访".repeat(letters.max(1))});
    request(chain, event_id, CENTER, "FollowUpVisited", "REG", data)
}

/// The bureau takes part from here on.
pub(crate) fn handoff(chain: ChainId, event_id: EventId) -> Request {
    let document = json!({"kind": "委托函", "digest_algorithm": "SHA_256", "digest": "00".repeat(32), "pages": 1,
        "sensitivity": "S1"});
    let data = json!({"mode": "TRANSFER", "target": BUREAU, "purpose": "LABOUR_MATTER", "legal_basis": "x",
        "documents": [document]});
    request(chain, event_id, CENTER, "HandoffProposed", "REG", data)
}

pub(crate) fn order_to_erase(chain: ChainId, event_id: EventId) -> Request {
    let data = json!({"measure": "ERASE", "order_no": "删字1号", "scope": "CHAIN", "basis": "SUBJECT_REQUEST",
        "legal_basis": "个人信息保护法第四十七条"});
    request(chain, event_id, CENTER, "ErasureOrdered", "HEAD", data)
}

pub(crate) fn countersignature(chain: ChainId, event_id: EventId, order: EventId) -> Request {
    let data = json!({"order": {"event_id": order.to_string()}});
    request(chain, event_id, BUREAU, "ErasureCountersigned", "HEAD", data)
}
