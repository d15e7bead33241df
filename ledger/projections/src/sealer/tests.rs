//! The sealer over a log in memory and a store that fails when it is told to.

use std::sync::Mutex;

use mediation_ledger::{
    memory::{MemoryFollower, MemoryLog},
    merkle::{hash_leaf, verify_inclusion},
    note::Note,
    store::StoredCheckpoints,
};
use tokio::{sync::oneshot, task::JoinHandle};

use super::*;

mod twin;

const ORIGIN: &str = "test.example/log";

/// Keeps checkpoints like files do: what was stored since the last sync is lost with a sync that fails.
#[derive(Debug, Default)]
struct TestStore {
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    stored: StoredCheckpoints,
    /// A file is open that a sync would cover.
    is_open: bool,
    syncs: usize,
    store_fails: bool,
    sync_fails_once: bool,
}

impl TestStore {
    fn holding(synced: Option<&str>, unsynced: Option<&str>) -> Arc<Self> {
        let text = |note: Option<&str>| note.map(str::to_owned);
        let stored = StoredCheckpoints { synced: text(synced), unsynced: text(unsynced) };
        Arc::new(Self { kept: Mutex::new(Kept { stored, ..Kept::default() }) })
    }

    fn with<T>(&self, change: impl FnOnce(&mut Kept) -> T) -> T {
        change(&mut self.kept.lock().unwrap())
    }
}

impl CheckpointStore for TestStore {
    fn load(&self) -> io::Result<StoredCheckpoints> {
        Ok(self.with(|kept| kept.stored.clone()))
    }

    fn store(&self, note: &str) -> io::Result<()> {
        self.with(|kept| {
            if kept.store_fails {
                return Err(io::Error::other("no space"));
            }
            kept.stored.unsynced = Some(note.to_owned());
            kept.is_open = true;
            Ok(())
        })
    }

    fn sync(&self) -> io::Result<()> {
        self.with(|kept| {
            if !std::mem::take(&mut kept.is_open) {
                return Ok(());
            }
            if std::mem::take(&mut kept.sync_fails_once) {
                return Err(io::Error::other("the disk failed"));
            }
            kept.stored.synced = kept.stored.unsynced.take();
            kept.syncs += 1;
            Ok(())
        })
    }
}

fn signer() -> LogSigner {
    LogSigner::new(ORIGIN.parse().unwrap(), vec![SigningKey::from_bytes(&[7; 32])])
}

fn chain(number: u8) -> ChainId {
    ChainId([number; 16])
}

fn record(text: &str) -> Bytes {
    mediation_ledger::record::Record { entry: Bytes::copy_from_slice(text.as_bytes()), parts: Vec::new() }.to_bytes()
}

/// A log of one chain.
async fn log_of(texts: &[&str]) -> MemoryLog {
    let log = MemoryLog::new();
    for (text, revision) in texts.iter().zip(0..) {
        log.append(chain(1), Revision(revision), record(text)).await.unwrap();
    }
    log
}

struct Running {
    seals: Seals,
    stop: oneshot::Sender<()>,
    ended: JoinHandle<Result<(), SealerError>>,
}

impl Running {
    async fn start(log: &MemoryLog, store: &Arc<TestStore>) -> Self {
        let store: Arc<dyn CheckpointStore> = Arc::<TestStore>::clone(store);
        let (sealer, seals) = Sealer::start(log, signer(), store).await.unwrap();
        Self::of(sealer, seals)
    }

    fn of(sealer: Sealer<MemoryFollower>, seals: Seals) -> Self {
        let (stop, stopped) = oneshot::channel();
        let ended = tokio::spawn(sealer.run(async { drop(stopped.await) }));
        Self { seals, stop, ended }
    }

    async fn stop(self) {
        self.stop.send(()).unwrap();
        self.ended.await.unwrap().unwrap();
    }
}

/// The checkpoint of a log of these entries, as it is published.
async fn note_of(texts: &[&str]) -> String {
    let running = Running::start(&log_of(texts).await, &TestStore::holding(None, None)).await;
    running.seals.reached(TreeSize(texts.len() as u64)).await;
    let note = running.seals.checkpoint();
    running.stop().await;
    note
}

#[tokio::test(flavor = "multi_thread")]
async fn every_entry_is_sealed_with_a_proof_that_verifies_while_eight_writers_append() {
    let log = MemoryLog::new();
    let running = Running::start(&log, &TestStore::holding(None, None)).await;
    let writers: Vec<_> = (0..8_u8)
        .map(|writer| {
            let (log, seals) = (log.clone(), running.seals.clone());
            tokio::spawn(async move {
                for revision in (0..50).map(Revision) {
                    let text = format!("{writer} {revision}");
                    log.append(chain(writer), revision, record(&text)).await.unwrap();
                    let seal = seals.wait(chain(writer), revision, Duration::from_secs(30)).await.unwrap();
                    let trusted = signer().verifiers().unwrap();
                    let origin = ORIGIN.parse().unwrap();
                    let signed = Checkpoint::open(seal.checkpoint.as_bytes(), &origin, &trusted).unwrap();
                    let Checkpoint { size, root, .. } = signed.checkpoint;
                    let path: Vec<Hash> =
                        seal.inclusion.iter().map(|hash| Hash(hash.as_ref().try_into().unwrap())).collect();
                    verify_inclusion(hash_leaf(text.as_bytes()), LeafIndex(seal.leaf_index), size, &path, root)
                        .unwrap();
                }
            })
        })
        .collect();
    for writer in writers {
        writer.await.unwrap();
    }
    assert_eq!(running.seals.size(), TreeSize(400));
    running.stop().await;
}

/// Leaves of chain 1, as they were found when a log of these entries was opened.
fn found(texts: &[&str]) -> FoundLeaves {
    let mut found = FoundLeaves::default();
    for text in texts {
        found.add(chain(1), hash_leaf(text.as_bytes()));
    }
    found
}

#[tokio::test(start_paused = true)]
async fn behind_leaves_that_were_found_the_same_is_sealed_as_from_the_start() {
    let (texts, store) = (["a", "b", "c", "d", "e"], TestStore::holding(None, None));
    let log = log_of(&texts).await;
    let third = Some(Cursor(2, 2));
    let sealer = Sealer::start_behind(&log, found(&["a", "b", "c"]), third, signer(), store).await;
    let (sealer, seals) = sealer.unwrap();
    let running = Running::of(sealer, seals);
    running.seals.reached(TreeSize(5)).await;
    assert_eq!(running.seals.checkpoint(), note_of(&texts).await);
    for revision in 0..5 {
        assert!(running.seals.seal(chain(1), Revision(revision)).is_some(), "revision {revision}");
    }
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn leaves_that_were_found_are_sealed_though_nothing_comes_and_only_where_they_extend_what_is_stored() {
    let log = log_of(&["a", "b"]).await;
    let stored = note_of(&["a", "b"]).await;
    let start = async |texts: &[&str]| {
        let store: Arc<dyn CheckpointStore> = TestStore::holding(Some(&stored), None);
        let (sealer, seals) =
            Sealer::start_behind(&log, found(texts), Some(Cursor(1, 1)), signer(), store).await.unwrap();
        Running::of(sealer, seals)
    };
    let running = start(&["a", "b"]).await;
    running.seals.reached(TreeSize(2)).await;
    assert_eq!(running.seals.checkpoint(), stored);
    running.stop().await;

    let other = start(&["a", "c"]).await;
    let ended = other.ended.await.unwrap();
    assert!(matches!(ended, Err(SealerError::DoesNotExtend { size: TreeSize(2), .. })), "{ended:?}");
}

#[tokio::test(start_paused = true)]
async fn a_busy_log_does_not_put_off_the_sync() {
    let (log, store) = (MemoryLog::new(), TestStore::holding(None, None));
    let running = Running::start(&log, &store).await;
    for revision in (0..60).map(Revision) {
        log.append(chain(1), revision, record("entry")).await.unwrap();
        tokio::time::sleep(SYNC_WITHIN / 20).await;
    }
    let syncs = store.with(|kept| kept.syncs);
    assert!(syncs >= 3, "{syncs} syncs in three seconds");
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn what_is_published_is_synced_within_a_second_and_when_the_sealer_stops() {
    let (log, store) = (log_of(&["a"]).await, TestStore::holding(None, None));
    let running = Running::start(&log, &store).await;
    running.seals.reached(TreeSize(1)).await;
    tokio::time::sleep(SYNC_WITHIN).await;
    assert_eq!(store.load().unwrap().synced, Some(running.seals.checkpoint()));
    log.append(chain(1), Revision(1), record("b")).await.unwrap();
    let seals = running.seals.clone();
    seals.reached(TreeSize(2)).await;
    running.stop().await;
    assert_eq!(store.load().unwrap().synced, Some(seals.checkpoint()));
}

#[tokio::test(start_paused = true)]
async fn a_log_that_does_not_extend_the_stored_checkpoint_is_not_sealed() {
    let note = note_of(&["a", "b"]).await;
    for texts in [["a", "other", "c"], ["b", "a", "c"]] {
        let store = TestStore::holding(Some(&note), None);
        let running = Running::start(&log_of(&texts).await, &store).await;
        let ended = tokio::time::timeout(Duration::from_secs(60), running.ended).await.expect("it seals on").unwrap();
        assert!(matches!(&ended, Err(SealerError::DoesNotExtend { size: TreeSize(2), .. })), "{ended:?}");
        assert_eq!(running.seals.checkpoint(), "");
        assert_eq!(store.load().unwrap().synced, Some(note.clone()));
        assert_eq!(store.load().unwrap().unsynced, None);
    }
}

#[tokio::test(start_paused = true)]
async fn a_log_that_is_shorter_than_the_stored_checkpoint_is_not_sealed_and_says_so_when_it_grows() {
    let note = note_of(&["a", "b", "c"]).await;
    let (log, store) = (log_of(&["a"]).await, TestStore::holding(Some(&note), None));
    let running = Running::start(&log, &store).await;
    assert_eq!(running.seals.wait(chain(1), Revision(0), Duration::from_secs(60)).await, None);
    log.append(chain(1), Revision(1), record("b")).await.unwrap();
    log.append(chain(1), Revision(2), record("something else")).await.unwrap();
    let ended = running.ended.await.unwrap();
    assert!(matches!(ended, Err(SealerError::DoesNotExtend { size: TreeSize(3), .. })), "{ended:?}");
}

#[tokio::test]
async fn a_restart_signs_the_same_checkpoints() {
    let texts = ["a", "b", "c"];
    let first = note_of(&texts).await;
    assert_eq!(note_of(&texts).await, first);
    let store = TestStore::holding(Some(&first), None);
    let log = log_of(&texts).await;
    let running = Running::start(&log, &store).await;
    running.seals.reached(TreeSize(3)).await;
    assert_eq!(running.seals.checkpoint(), first);
    log.append(chain(1), Revision(3), record("d")).await.unwrap();
    running.seals.reached(TreeSize(4)).await;
    assert_eq!(running.seals.checkpoint(), note_of(&["a", "b", "c", "d"]).await);
    running.stop().await;
}

#[tokio::test]
async fn a_spoilt_checkpoint_that_was_never_synced_is_ignored() {
    let (two, three) = (note_of(&["a", "b"]).await, note_of(&["a", "b", "c"]).await);
    let last = |synced: Option<&str>, unsynced: Option<&str>| {
        last_checkpoint(&signer(), TestStore::holding(synced, unsynced).as_ref())
            .map(|checkpoint| checkpoint.map(|checkpoint| checkpoint.size.0))
    };
    let half = three.get(..three.len() / 2).unwrap();
    let other_key = {
        let note = Note::parse(three.as_bytes()).unwrap();
        let mut forged = Note::new(note.text().to_owned()).unwrap();
        forged.sign(&ORIGIN.parse().unwrap(), &SigningKey::from_bytes(&[8; 32])).unwrap();
        forged.to_string()
    };
    for spoilt in ["", half, "\u{fffd}", &other_key] {
        assert_eq!(last(Some(&two), Some(spoilt)).unwrap(), Some(2), "{spoilt:?}");
        assert_eq!(last(None, Some(spoilt)).unwrap(), None, "{spoilt:?}");
        assert!(matches!(last(Some(spoilt), Some(&two)), Err(SealerError::Checkpoint(_))), "{spoilt:?}");
    }
    assert_eq!(last(Some(&two), Some(&three)).unwrap(), Some(3));
    assert_eq!(last(Some(&three), Some(&two)).unwrap(), Some(3));
}

#[tokio::test(start_paused = true)]
async fn a_checkpoint_that_cannot_be_stored_is_not_published_and_is_tried_again() {
    let (log, store) = (log_of(&["a"]).await, TestStore::holding(None, None));
    store.with(|kept| kept.store_fails = true);
    let running = Running::start(&log, &store).await;
    assert_eq!(running.seals.wait(chain(1), Revision(0), Duration::from_secs(5)).await, None);
    assert_eq!(running.seals.checkpoint(), "");
    store.with(|kept| kept.store_fails = false);
    tokio::time::timeout(SYNC_WITHIN, running.seals.reached(TreeSize(1))).await.unwrap();
    assert!(running.seals.wait(chain(1), Revision(0), SYNC_WITHIN).await.is_some());
    tokio::time::sleep(SYNC_WITHIN).await;
    assert_eq!(store.load().unwrap().synced, Some(running.seals.checkpoint()));
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_checkpoint_whose_sync_failed_is_stored_again_before_the_next_sync() {
    let (log, store) = (log_of(&["a"]).await, TestStore::holding(None, None));
    store.with(|kept| kept.sync_fails_once = true);
    let running = Running::start(&log, &store).await;
    running.seals.reached(TreeSize(1)).await;
    tokio::time::sleep(SYNC_WITHIN * 2).await;
    assert_eq!(store.with(|kept| kept.syncs), 1);
    assert_eq!(store.load().unwrap().synced, Some(running.seals.checkpoint()));
    running.stop().await;
}
