//! Several sealers on one heads' stream.

use super::*;

#[tokio::test(start_paused = true)]
async fn a_sealer_that_stands_by_takes_over_within_seconds_and_no_sooner() {
    let (engine, first, second) = (Engine::of(&["a"]).await, State::new(), State::new());
    let active = first.sealer(&engine);
    active.reached(1).await;
    // The second begins behind a head that it has not reached, and stands by.
    engine.add_head(head(2, root(&["a", "b"]))).await;
    let standby = second.sealer(&engine);
    tokio::time::sleep(Duration::from_secs(1)).await;
    engine.add(&["b"]).await;
    standby.reached(2).await;
    active.reached(2).await;
    active.stop().await;
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(engine.heads().await.last().unwrap().size, TreeSize(2), "an idle log needs no head");
    engine.add(&["c"]).await;
    let begun = Instant::now();
    standby.reached(3).await;
    let took = begun.elapsed();
    assert!(took >= Duration::from_secs(3) && took < Duration::from_secs(5), "{took:?}");
    engine.add(&["d"]).await;
    standby.reached(4).await;
    assert!(begun.elapsed() - took < Duration::from_secs(1), "it is active now");
    standby.stop().await;
    engine.heads().await;
}

/// Root over these entries.
fn root(texts: &[&str]) -> Hash {
    let tree: mediation_ledger::merkle::Tree =
        texts.iter().map(|text| mediation_ledger::merkle::hash_leaf(text.as_bytes())).collect();
    tree.root()
}

#[tokio::test(flavor = "multi_thread")]
async fn two_active_sealers_extend_each_others_heads_under_load() {
    let (engine, first, second) = (Engine::new(), State::new(), State::new());
    let quick = |state: &State| {
        let mut parts = state.parts(&engine, true);
        parts.options = Options { interval: Duration::from_millis(1), poll: Duration::from_millis(5), ..parts.options };
        Running::start(parts)
    };
    let (one, two) = (quick(&first), quick(&second));
    let writers: Vec<_> = (0..4_u8)
        .map(|writer| {
            let (log, seals) = (engine.log.clone(), [one.seals.clone(), two.seals.clone()]);
            tokio::spawn(async move {
                for revision in (0..50).map(Revision) {
                    log.append(chain(writer), revision, record(&format!("{writer} {revision}"))).await.unwrap();
                    for seals in &seals {
                        seals.wait(chain(writer), revision, Duration::from_secs(60)).await.unwrap();
                    }
                }
            })
        })
        .collect();
    for writer in writers {
        writer.await.unwrap();
    }
    assert_eq!(one.seals.checkpoint(), two.seals.checkpoint());
    for revision in (0..50).map(Revision) {
        assert_eq!(one.seals.seal(chain(3), revision), two.seals.seal(chain(3), revision));
    }
    one.stop().await;
    two.stop().await;
    assert_eq!(std::fs::read(first.leaves()).unwrap(), std::fs::read(second.leaves()).unwrap());
    let heads = engine.heads().await;
    assert!(heads.is_sorted_by(|earlier, later| earlier.size < later.size), "each head extends the one before");
    assert_eq!(heads.last().unwrap().size, TreeSize(200));
}

#[tokio::test(start_paused = true)]
async fn a_head_whose_answer_was_lost_is_adopted() {
    /// Appends and says that nobody knows.
    #[derive(Debug, Clone)]
    struct AnswerLost(MemoryHeads, Arc<AtomicU64>);

    impl Heads for AnswerLost {
        async fn last(&self, limit: usize) -> Result<Vec<Head>, ReadError> {
            self.0.last(limit).await
        }

        async fn read(&self, from: Revision, limit: usize) -> Result<Vec<Head>, ReadError> {
            self.0.read(from, limit).await
        }

        async fn append(&self, expected: Revision, note: bytes::Bytes) -> Result<(), AppendError> {
            self.0.append(expected, note).await?;
            if self.1.fetch_add(1, std::sync::atomic::Ordering::Relaxed) == 0 {
                return Err(AppendError::Unknown(None));
            }
            Ok(())
        }
    }

    let (engine, state) = (Engine::of(&["a"]).await, State::new());
    let SharedParts { log, heads, leaves, keys, retired, store, twin, signer, options } = state.parts(&engine, true);
    let heads = AnswerLost(heads, Arc::default());
    let parts = SharedParts { log, heads, leaves, keys, retired, store, twin, signer, options };
    let (sealer, seals) = SharedSealer::open(parts).unwrap();
    let (stop, stopped) = oneshot::channel::<()>();
    let ended = tokio::spawn(sealer.run(async { drop(stopped.await) }));
    tokio::time::timeout(WITHIN, seals.reached(TreeSize(1))).await.unwrap();
    engine.add(&["b"]).await;
    tokio::time::timeout(WITHIN, seals.reached(TreeSize(2))).await.unwrap();
    stop.send(()).unwrap();
    ended.await.unwrap().unwrap();
    let sizes: Vec<_> = engine.heads().await.iter().map(|head| head.size.0).collect();
    assert_eq!(sizes, [1, 2]);
}

#[tokio::test(start_paused = true)]
async fn a_heads_stream_that_was_rewound_is_told() {
    let (engine, state) = (Engine::of(&["a"]).await, State::new());
    #[derive(Debug)]
    struct Rewound(MemoryHeads);

    impl Heads for Rewound {
        async fn last(&self, limit: usize) -> Result<Vec<Head>, ReadError> {
            self.0.last(limit).await
        }

        async fn read(&self, from: Revision, limit: usize) -> Result<Vec<Head>, ReadError> {
            self.0.read(from, limit).await
        }

        async fn append(&self, expected: Revision, note: bytes::Bytes) -> Result<(), AppendError> {
            if expected > Revision::FIRST {
                return Err(AppendError::Conflict { next: Revision::FIRST });
            }
            self.0.append(expected, note).await
        }
    }

    let SharedParts { log, heads, leaves, keys, retired, store, twin, signer, options } = state.parts(&engine, true);
    let heads = Rewound(heads);
    let parts = SharedParts { log, heads, leaves, keys, retired, store, twin, signer, options };
    let (sealer, seals) = SharedSealer::open(parts).unwrap();
    let ended = tokio::spawn(sealer.run(std::future::pending()));
    tokio::time::timeout(WITHIN, seals.reached(TreeSize(1))).await.unwrap();
    engine.add(&["b"]).await;
    let ended = ended.await.unwrap();
    assert!(
        matches!(
            &ended,
            Err(SealerError::Shared(SharedError::HeadsRewound { expected: Revision(1), next: Revision(0) }))
        ),
        "{ended:?}"
    );
    assert_eq!(seals.size(), TreeSize(1));
}
