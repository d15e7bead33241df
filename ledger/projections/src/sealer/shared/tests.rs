//! Sealers and followers on one log and one heads' stream in memory, with leaves files of their own.

use std::{path::PathBuf, sync::atomic::AtomicU64};

use ed25519_dalek::SigningKey;
use mediation_ledger::{
    chain::ChainId,
    faulty::{Faults, Faulty, ReadFault},
    heads::Head,
    log::Stored,
    memory::{MemoryFollower, MemoryHeads, MemoryLog},
    merkle::{Hash, LeafIndex},
    store::StoredCheckpoints,
};
use tokio::{sync::oneshot, task::JoinHandle};

use super::*;
use crate::leaves::LEAVES;

mod outage;
mod standby;
mod twin;

const ORIGIN: &str = "test.example/log";

const WITHIN: Duration = Duration::from_secs(10);

/// Keeps one checkpoint; what is stored counts as synced.
#[derive(Debug, Default)]
struct TestStore(std::sync::Mutex<Option<String>>);

impl CheckpointStore for TestStore {
    fn load(&self) -> io::Result<StoredCheckpoints> {
        Ok(StoredCheckpoints { synced: self.0.lock().unwrap().clone(), unsynced: None })
    }

    fn store(&self, note: &str) -> io::Result<()> {
        *self.0.lock().unwrap() = Some(note.to_owned());
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        Ok(())
    }
}

/// Counts the records that followers were given.
#[derive(Debug, Clone)]
struct Counting<L> {
    log: L,
    followed: Arc<AtomicU64>,
}

impl<L: Log> Log for Counting<L> {
    type Follower = CountingFollower<L::Follower>;

    async fn append(&self, chain: ChainId, expected: Revision, record: bytes::Bytes) -> Result<(), AppendError> {
        self.log.append(chain, expected, record).await
    }

    async fn read(&self, chain: ChainId, from: Revision, limit: usize) -> Result<Vec<Stored>, ReadError> {
        self.log.read(chain, from, limit).await
    }

    async fn follow(&self, after: Option<Cursor>) -> Result<Self::Follower, ReadError> {
        Ok(CountingFollower { follower: self.log.follow(after).await?, followed: Arc::clone(&self.followed) })
    }
}

#[derive(Debug)]
struct CountingFollower<F> {
    follower: F,
    followed: Arc<AtomicU64>,
}

impl<F: Follower> Follower for CountingFollower<F> {
    async fn next(&mut self) -> Result<Vec<Followed>, ReadError> {
        let batch = self.follower.next().await?;
        self.followed.fetch_add(batch.len() as u64, std::sync::atomic::Ordering::Relaxed);
        Ok(batch)
    }
}

type TestLog = Counting<Faulty<MemoryLog>>;

/// A shared engine.
#[derive(Debug, Clone)]
struct Engine {
    log: TestLog,
    heads: MemoryHeads,
}

impl Engine {
    fn new() -> Self {
        let log = Counting { log: Faulty::new(MemoryLog::new()), followed: Arc::default() };
        Self { log, heads: MemoryHeads::new() }
    }

    async fn of(texts: &[&str]) -> Self {
        let engine = Self::new();
        engine.add(texts).await;
        engine
    }

    /// Appends to the one chain, without faults.
    async fn add(&self, texts: &[&str]) {
        let log = self.log.log.log();
        let next = log.read(chain(1), Revision::FIRST, usize::MAX).await.unwrap().len() as u64;
        for (text, revision) in texts.iter().zip(next..) {
            log.append(chain(1), Revision(revision), record(text)).await.unwrap();
        }
    }

    fn faults(&self) -> Faults {
        self.log.log.faults()
    }

    fn followed(&self) -> u64 {
        self.log.followed.load(std::sync::atomic::Ordering::Relaxed)
    }

    async fn notes(&self) -> Vec<Head> {
        self.heads.read(Revision::FIRST, usize::MAX).await.unwrap()
    }

    /// Somebody's bytes in the heads' stream.
    async fn add_head(&self, note: impl Into<bytes::Bytes>) {
        let next = self.notes().await.len() as u64;
        self.heads.append(Revision(next), note.into()).await.unwrap();
    }

    /// The heads of the stream that the log has signed, checked to extend each other and to be true of the log.
    async fn heads(&self) -> Vec<Checkpoint> {
        let mut follower = self.log.log.log().follow(None).await.unwrap();
        let mut tree = mediation_ledger::merkle::Tree::new();
        let notes = self.notes().await;
        let heads: Vec<Checkpoint> = notes.iter().filter_map(|head| open(&head.note)).collect();
        let size = heads.iter().map(|head| head.size).max().unwrap_or_default();
        while tree.size() < size {
            for followed in follower.next().await.unwrap() {
                tree.append(mediation_ledger::record::leaf_hash(&followed.stored.record));
            }
        }
        for head in &heads {
            assert_eq!(tree.root_at(head.size).unwrap(), head.root, "{head:?}");
        }
        heads
    }
}

fn open(note: &[u8]) -> Option<Checkpoint> {
    SignedHead::open(note, &origin(), &keys(), None).ok().map(|head| head.tree.checkpoint)
}

fn origin() -> KeyName {
    ORIGIN.parse().unwrap()
}

fn signer() -> LogSigner {
    LogSigner::new(origin(), vec![SigningKey::from_bytes(&[7; 32])])
}

fn keys() -> Vec<VerifierKey> {
    signer().verifiers().unwrap()
}

fn chain(number: u8) -> ChainId {
    ChainId([number; 16])
}

fn record(text: &str) -> bytes::Bytes {
    let entry = bytes::Bytes::copy_from_slice(text.as_bytes());
    mediation_ledger::record::Record { entry, parts: Vec::new() }.to_bytes()
}

/// A head that the log has signed.
fn head(size: u64, root: Hash) -> String {
    signer().sign(&Checkpoint { origin: origin(), size: TreeSize(size), root }).unwrap().to_string()
}

/// What a process has on its disk.
#[derive(Debug)]
struct State {
    directory: tempfile::TempDir,
    store: Arc<TestStore>,
}

impl State {
    fn new() -> Self {
        Self { directory: tempfile::tempdir().unwrap(), store: Arc::default() }
    }

    fn leaves(&self) -> PathBuf {
        self.directory.path().join(LEAVES)
    }

    fn parts(&self, engine: &Engine, signs: bool) -> SharedParts<TestLog, MemoryHeads> {
        let covered = self.store.load().unwrap().synced.and_then(|note| open(note.as_bytes()));
        let covered = covered.map_or(TreeSize(0), |covered| covered.size);
        SharedParts {
            log: Arc::new(engine.log.clone()),
            heads: engine.heads.clone(),
            leaves: Leaves::open(&self.leaves(), &origin(), false, covered).unwrap(),
            keys: watch::channel(keys()).1,
            retired: Vec::new(),
            store: Arc::<TestStore>::clone(&self.store),
            twin: None,
            signer: signs.then(signer),
            options: Options::default(),
        }
    }

    fn sealer(&self, engine: &Engine) -> Running {
        Running::start(self.parts(engine, true))
    }

    fn follower(&self, engine: &Engine) -> Running {
        Running::start(self.parts(engine, false))
    }
}

struct Running {
    seals: Seals,
    stop: oneshot::Sender<()>,
    ended: JoinHandle<Result<(), SealerError>>,
}

impl Running {
    fn start(parts: SharedParts<TestLog, MemoryHeads>) -> Self {
        let (sealer, seals) = SharedSealer::open(parts).unwrap();
        let (stop, stopped) = oneshot::channel();
        let ended = tokio::spawn(sealer.run(async { drop(stopped.await) }));
        Self { seals, stop, ended }
    }

    async fn reached(&self, size: u64) {
        tokio::time::timeout(WITHIN, self.seals.reached(TreeSize(size))).await.unwrap();
        assert!(self.seals.size() >= TreeSize(size), "{:?}", self.seals.size());
    }

    async fn stop(self) {
        self.stop.send(()).unwrap();
        self.ended.await.unwrap().unwrap();
    }

    async fn failed(self) -> SharedError {
        match tokio::time::timeout(WITHIN, self.ended).await.unwrap().unwrap() {
            Err(SealerError::Shared(error)) => error,
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_head_is_shown_once_it_stands_in_the_stream_and_its_leaves_on_the_disk() {
    let (engine, state) = (Engine::of(&["a", "b"]).await, State::new());
    let running = state.sealer(&engine);
    running.reached(2).await;
    let notes = engine.notes().await;
    assert_eq!(notes.last().unwrap().note, running.seals.checkpoint().as_bytes());
    assert!(running.seals.seal(chain(1), Revision(1)).is_some());
    running.stop().await;
    let (_, rows) = Leaves::open(&state.leaves(), &origin(), false, TreeSize(2)).unwrap();
    assert_eq!(rows.len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_restart_goes_on_from_the_leaves_without_following_the_log_again() {
    let (engine, state) = (Engine::of(&["a", "b", "c", "d"]).await, State::new());
    let running = state.sealer(&engine);
    running.reached(4).await;
    let note = running.seals.checkpoint();
    running.stop().await;
    let before = engine.followed();
    let running = state.sealer(&engine);
    assert_eq!(running.seals.checkpoint(), note, "the stored head is shown before the log is asked for anything");
    engine.add(&["e"]).await;
    running.reached(5).await;
    assert_eq!(engine.followed() - before, 2, "the last leaf, and the new one");
    running.stop().await;
    assert_eq!(engine.heads().await.last().unwrap().size, TreeSize(5));
}

#[tokio::test(start_paused = true)]
async fn torn_or_missing_leaves_are_followed_again() {
    let (engine, state) = (Engine::of(&["a", "b", "c"]).await, State::new());
    let running = state.sealer(&engine);
    running.reached(3).await;
    running.stop().await;
    let bytes = std::fs::read(state.leaves()).unwrap();
    std::fs::write(state.leaves(), bytes.get(..bytes.len() - 5).unwrap()).unwrap();
    let running = state.sealer(&engine);
    running.reached(3).await;
    running.stop().await;
    assert_eq!(std::fs::read(state.leaves()).unwrap(), bytes);
    std::fs::remove_file(state.leaves()).unwrap();
    let running = state.sealer(&engine);
    running.reached(3).await;
    running.stop().await;
    assert_eq!(std::fs::read(state.leaves()).unwrap(), bytes);
}

#[tokio::test(start_paused = true)]
async fn a_log_that_was_rewound_is_not_sealed() {
    let (engine, state) = (Engine::of(&["a", "b", "c"]).await, State::new());
    let running = state.sealer(&engine);
    running.reached(3).await;
    running.stop().await;
    let before = engine.notes().await;
    for (texts, other) in [(["a", "b"].as_slice(), false), (&["a", "b", "other"], true)] {
        let rewound = Engine { heads: engine.heads.clone(), ..Engine::of(texts).await };
        let error = state.sealer(&rewound).failed().await;
        let SharedError::Rewound { size: TreeSize(3), revision: Revision(2), found, .. } = error else {
            panic!("{error}")
        };
        assert_eq!(found.is_some(), other);
        assert_eq!(engine.notes().await, before);
    }
    // The last record stands, in another order.
    let orders =
        [[(1, "a", 0), (2, "x", 0), (1, "b", 1), (1, "c", 2)], [(1, "a", 0), (1, "b", 1), (2, "x", 0), (1, "c", 2)]];
    for (order, is_known) in orders.iter().zip([false, true]) {
        let other = Engine { heads: engine.heads.clone(), ..Engine::new() };
        for (number, text, revision) in order {
            other.log.append(chain(*number), Revision(*revision), record(text)).await.unwrap();
        }
        let error = state.sealer(&other).failed().await;
        let is_lost = matches!(error, SharedError::PlaceLost { size: TreeSize(3), .. });
        let is_reordered = matches!(error, SharedError::Reordered { size: TreeSize(3), .. });
        assert_eq!((is_lost, is_reordered), (!is_known, is_known), "{error}");
        assert_eq!(engine.notes().await, before);
    }
}

#[tokio::test(start_paused = true)]
async fn a_log_rewound_with_its_heads_is_still_held_against_the_stored_head() {
    let (engine, state) = (Engine::of(&["a", "b", "c"]).await, State::new());
    let running = state.sealer(&engine);
    running.reached(3).await;
    running.stop().await;
    std::fs::remove_file(state.leaves()).unwrap();
    let other = Engine::of(&["a", "b", "other", "d"]).await;
    let ended = state.sealer(&other).ended.await.unwrap();
    assert!(matches!(ended, Err(SealerError::DoesNotExtend { size: TreeSize(3), .. })), "{ended:?}");
    assert_eq!(other.notes().await, []);
}

#[tokio::test(start_paused = true)]
async fn a_gap_in_a_chain_is_not_passed_over() {
    /// Gives everything but the second record.
    #[derive(Debug)]
    struct Scavenged(MemoryFollower);

    impl Follower for Scavenged {
        async fn next(&mut self) -> Result<Vec<Followed>, ReadError> {
            let mut batch = self.0.next().await?;
            batch.retain(|followed| followed.stored.revision != Revision(1));
            Ok(batch)
        }
    }

    #[derive(Debug)]
    struct ScavengedLog(MemoryLog);

    impl Log for ScavengedLog {
        type Follower = Scavenged;

        async fn append(&self, chain: ChainId, at: Revision, record: bytes::Bytes) -> Result<(), AppendError> {
            self.0.append(chain, at, record).await
        }

        async fn read(&self, chain: ChainId, from: Revision, limit: usize) -> Result<Vec<Stored>, ReadError> {
            self.0.read(chain, from, limit).await
        }

        async fn follow(&self, after: Option<Cursor>) -> Result<Scavenged, ReadError> {
            Ok(Scavenged(self.0.follow(after).await?))
        }
    }

    let (engine, state) = (Engine::of(&["a", "b", "c"]).await, State::new());
    let parts = state.parts(&engine, true);
    let parts = SharedParts {
        log: Arc::new(ScavengedLog(engine.log.log.log().clone())),
        heads: parts.heads,
        leaves: parts.leaves,
        keys: parts.keys,
        retired: parts.retired,
        store: parts.store,
        twin: parts.twin,
        signer: parts.signer,
        options: parts.options,
    };
    let (sealer, _) = SharedSealer::open(parts).unwrap();
    let ended = sealer.run(std::future::pending()).await;
    assert!(
        matches!(&ended, Err(SealerError::Shared(SharedError::Gap { expected: Revision(1), found: Revision(2), .. }))),
        "{ended:?}"
    );
    assert_eq!(engine.notes().await, []);
}

#[tokio::test(start_paused = true)]
async fn a_follower_shows_the_same_seals_byte_for_byte() {
    let (engine, sealing, following) = (Engine::of(&["a", "b"]).await, State::new(), State::new());
    let (sealer, follower) = (sealing.sealer(&engine), following.follower(&engine));
    for (text, size) in [("c", 3), ("d", 4), ("e", 5)] {
        engine.add(&[text]).await;
        sealer.reached(size).await;
        follower.reached(size).await;
        for revision in (0..size).map(Revision) {
            assert_eq!(follower.seals.seal(chain(1), revision), sealer.seals.seal(chain(1), revision));
        }
        let whole = (LeafIndex(0), TreeSize(size));
        assert_eq!(follower.seals.inclusion(whole.0, whole.1), sealer.seals.inclusion(whole.0, whole.1));
    }
    follower.stop().await;
    sealer.stop().await;
    assert_eq!(std::fs::read(following.leaves()).unwrap(), std::fs::read(sealing.leaves()).unwrap());
}

#[tokio::test(start_paused = true)]
async fn a_head_that_contradicts_the_own_tree_is_an_alarm_and_is_never_shown() {
    for signs in [false, true] {
        let (engine, state) = (Engine::of(&["a", "b"]).await, State::new());
        let honest = State::new();
        let sealer = honest.sealer(&engine);
        sealer.reached(2).await;
        sealer.stop().await;
        let running = Running::start(state.parts(&engine, signs));
        running.reached(2).await;
        let shown = running.seals.checkpoint();
        let forged = Hash([6; 32]);
        engine.add_head(head(3, forged)).await;
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert_eq!(running.seals.checkpoint(), shown, "the tree is not as long yet");
        engine.add(&["c"]).await;
        let (seals, place) = (running.seals.clone(), engine.notes().await.len() as u64 - 1);
        let error = running.failed().await;
        let SharedError::Contradicted { revision, size: TreeSize(3), signed, own } = error else { panic!("{error}") };
        assert_eq!((revision, signed), (Revision(place), forged));
        assert_ne!(own, forged);
        assert_eq!(seals.checkpoint(), shown);
        // What was seen is not forgotten by starting anew.
        let error = Running::start(state.parts(&engine, signs)).failed().await;
        assert!(matches!(error, SharedError::Contradicted { size: TreeSize(3), .. }), "{error}");
        assert_eq!(engine.notes().await.len() as u64, place + 1, "nothing was signed after it");
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_no_head_of_this_log_is_passed_over() {
    let (engine, state, other) = (Engine::of(&["a"]).await, State::new(), State::new());
    let signed = |key: u8, origin: &str| {
        let origin: KeyName = origin.parse().unwrap();
        let checkpoint = Checkpoint { origin, size: TreeSize(1), root: Hash([1; 32]) };
        checkpoint.sign(&SigningKey::from_bytes(&[key; 32])).unwrap().to_string()
    };
    for garbage in ["", "garbage", "\n\n", "\n\n\n\n", &signed(8, ORIGIN), &signed(7, "other.example/log")] {
        engine.add_head(garbage.to_owned()).await;
    }
    engine.add_head(vec![0xff; 10_000]).await;
    let (sealer, follower) = (state.sealer(&engine), other.follower(&engine));
    sealer.reached(1).await;
    engine.add_head("and on").await;
    engine.add(&["b"]).await;
    sealer.reached(2).await;
    follower.reached(2).await;
    // A copy of an older head takes nothing back.
    engine.add_head(engine.notes().await.get(7).unwrap().note.clone()).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(follower.seals.size(), TreeSize(2));
    follower.stop().await;
    sealer.stop().await;
}
