//! The sealer of a ledger that grows a twin tree over SM3.

use mediation_ledger::{
    entropy::SeededEntropy,
    key::Sm2Signer,
    merkle::{Sm3Tree, TreeHasher as _},
};

use super::*;

fn sm2() -> Arc<dyn Signer> {
    Arc::new(Sm2Signer::generate_from(&SeededEntropy::new([3; 32]), &[b"log"]).unwrap())
}

fn origin() -> KeyName {
    ORIGIN.parse().unwrap()
}

/// A sealer with two stores, both keys, and a twin.
async fn start(log: &MemoryLog, store: &Arc<TestStore>, twin: &Arc<TestStore>) -> Running {
    let store: Arc<dyn CheckpointStore> = Arc::<TestStore>::clone(store);
    let twin = Twin::open(&origin(), sm2(), Arc::<TestStore>::clone(twin)).unwrap();
    let (sealer, seals) = Sealer::start(log, signer().and(sm2()), store).await.unwrap();
    let (stop, stopped) = oneshot::channel();
    let ended = tokio::spawn(sealer.with_twin(twin).run(async { drop(stopped.await) }));
    Running { seals, stop, ended }
}

/// The twin's checkpoint of a log of these entries.
async fn twin_of(texts: &[&str]) -> String {
    let (store, twin) = (TestStore::holding(None, None), TestStore::holding(None, None));
    let running = start(&log_of(texts).await, &store, &twin).await;
    running.seals.reached(TreeSize(texts.len() as u64)).await;
    let note = running.seals.twin_checkpoint().unwrap();
    running.stop().await;
    assert_eq!(twin.load().unwrap().synced.as_ref(), Some(&note));
    note
}

fn open_twin(note: &str) -> Checkpoint {
    let key = VerifierKey::of_log(origin().twin(), sm2().public_key());
    Checkpoint::open(note.as_bytes(), &origin().twin(), &[key]).unwrap().checkpoint
}

#[tokio::test]
async fn the_twin_covers_the_same_leaves_by_the_other_hash() {
    let texts = ["a", "b", "c"];
    let (store, twin) = (TestStore::holding(None, None), TestStore::holding(None, None));
    let running = start(&log_of(&texts).await, &store, &twin).await;
    running.seals.reached(TreeSize(3)).await;
    let tree: Tree<Sm3Tree> = texts.iter().map(|text| Sm3Tree::leaf(text.as_bytes())).collect();
    let checkpoint = open_twin(&running.seals.twin_checkpoint().unwrap());
    assert_eq!((checkpoint.size, checkpoint.root), (TreeSize(3), tree.root()));
    // The tree over SHA-256 carries the signatures of both keys; either will do.
    let note = running.seals.checkpoint();
    for key in [signer().verifiers().unwrap().remove(0), VerifierKey::of_log(origin(), sm2().public_key())] {
        let opened = Checkpoint::open(note.as_bytes(), &origin(), &[key]).unwrap();
        assert_eq!(opened.checkpoint.size, TreeSize(3));
    }
    running.stop().await;
}

#[tokio::test]
async fn a_restart_signs_the_same_twins() {
    let (two, three) = (twin_of(&["a", "b"]).await, twin_of(&["a", "b", "c"]).await);
    assert_eq!(twin_of(&["a", "b"]).await, two);
    let (store, twin) = (TestStore::holding(None, None), TestStore::holding(Some(&two), None));
    let running = start(&log_of(&["a", "b", "c"]).await, &store, &twin).await;
    running.seals.reached(TreeSize(3)).await;
    assert_eq!(running.seals.twin_checkpoint(), Some(three));
    running.stop().await;
}

#[tokio::test]
async fn a_log_that_does_not_extend_its_twin_is_not_sealed_at_all() {
    let note = twin_of(&["a", "b"]).await;
    let (store, twin) = (TestStore::holding(None, None), TestStore::holding(Some(&note), None));
    let running = start(&log_of(&["a", "other", "c"]).await, &store, &twin).await;
    let ended = running.ended.await.unwrap();
    assert!(matches!(&ended, Err(SealerError::TwinDoesNotExtend { size: TreeSize(2), .. })), "{ended:?}");
    assert_eq!(store.load().unwrap(), StoredCheckpoints::default());
    assert_eq!(twin.load().unwrap().synced, Some(note));
}

#[tokio::test]
async fn a_twin_ahead_of_its_log_is_waited_for() {
    // A power cut took the unsynced checkpoint of the one store and not that of the other; the entries are all there.
    let note = twin_of(&["a", "b", "c"]).await;
    let (store, twin) = (TestStore::holding(None, None), TestStore::holding(Some(&note), None));
    let log = log_of(&["a"]).await;
    let running = start(&log, &store, &twin).await;
    running.seals.reached(TreeSize(1)).await;
    assert_eq!(running.seals.twin_checkpoint().as_deref(), Some(""));
    for (revision, text) in [(1, "b"), (2, "c")] {
        log.append(chain(1), Revision(revision), record(text)).await.unwrap();
    }
    running.seals.reached(TreeSize(3)).await;
    assert_eq!(running.seals.twin_checkpoint(), Some(note));
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn what_of_the_two_cannot_be_stored_keeps_both_from_being_published() {
    let (store, twin) = (TestStore::holding(None, None), TestStore::holding(None, None));
    twin.with(|kept| kept.store_fails = true);
    let running = start(&log_of(&["a"]).await, &store, &twin).await;
    assert_eq!(running.seals.wait(chain(1), Revision(0), Duration::from_secs(5)).await, None);
    assert_eq!((running.seals.checkpoint(), running.seals.size()), (String::new(), TreeSize(0)));
    twin.with(|kept| kept.store_fails = false);
    tokio::time::timeout(SYNC_WITHIN, running.seals.reached(TreeSize(1))).await.unwrap();
    tokio::time::sleep(SYNC_WITHIN).await;
    assert_eq!(twin.load().unwrap().synced, running.seals.twin_checkpoint());
    assert_eq!(store.load().unwrap().synced, Some(running.seals.checkpoint()));
    running.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_twin_whose_sync_failed_is_stored_again_before_the_next_sync() {
    let (store, twin) = (TestStore::holding(None, None), TestStore::holding(None, None));
    twin.with(|kept| kept.sync_fails_once = true);
    let running = start(&log_of(&["a"]).await, &store, &twin).await;
    running.seals.reached(TreeSize(1)).await;
    tokio::time::sleep(SYNC_WITHIN * 2).await;
    assert_eq!(twin.load().unwrap().synced, running.seals.twin_checkpoint());
    running.stop().await;
}

#[test]
fn a_stored_twin_of_another_key_or_log_is_refused() {
    let open = |note: &str, log: &KeyName, key: Arc<dyn Signer>| {
        Twin::open(log, key, TestStore::holding(Some(note), None)).map(|_| ())
    };
    let checkpoint = Checkpoint { origin: origin().twin(), size: TreeSize(1), root: Hash([1; 32]) };
    let note = checkpoint.sign_with(sm2().as_ref()).unwrap().to_string();
    open(&note, &origin(), sm2()).unwrap();
    let other: Arc<dyn Signer> = Arc::new(Sm2Signer::generate().unwrap());
    assert!(matches!(open(&note, &origin(), other), Err(SealerError::Checkpoint(_))));
    assert!(matches!(open(&note, &"other.example/log".parse().unwrap(), sm2()), Err(SealerError::Checkpoint(_))));
    // The checkpoint of the log itself does not pass for its twin's.
    let main = Checkpoint { origin: origin(), ..checkpoint }.sign_with(sm2().as_ref()).unwrap().to_string();
    assert!(matches!(open(&main, &origin(), sm2()), Err(SealerError::Checkpoint(_))));
}
