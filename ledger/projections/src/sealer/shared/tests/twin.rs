//! A shared log that grows a twin tree over SM3.

use mediation_ledger::{
    entropy::SeededEntropy,
    key::{Signer, Sm2Signer},
    merkle::{Sm3Tree, Tree, TreeHasher as _},
};

use super::*;

fn sm2() -> Arc<dyn Signer> {
    Arc::new(Sm2Signer::generate_from(&SeededEntropy::new([3; 32]), &[b"log"]).unwrap())
}

fn twin_key() -> VerifierKey {
    VerifierKey::of_log(origin().twin(), sm2().public_key())
}

fn parts(state: &State, twins: &Arc<TestStore>, engine: &Engine, signs: bool) -> SharedParts<TestLog, MemoryHeads> {
    let store: Arc<dyn CheckpointStore> = Arc::<TestStore>::clone(twins);
    SharedParts {
        log: Arc::new(engine.log.clone()),
        heads: engine.heads.clone(),
        leaves: Leaves::open(&state.leaves(), &origin(), true, TreeSize(0)).unwrap(),
        keys: watch::channel(keys()).1,
        retired: Vec::new(),
        store: Arc::<TestStore>::clone(&state.store),
        twin: Some(if signs {
            Twin::open(&origin(), sm2(), store).unwrap()
        } else {
            Twin::following(twin_key(), store).unwrap()
        }),
        signer: signs.then(|| signer().and(sm2())),
        options: Options::default(),
    }
}

#[tokio::test(start_paused = true)]
async fn the_twins_head_stands_in_the_same_record_and_a_follower_shows_both() {
    let (engine, one, two) = (Engine::of(&["a", "b", "c"]).await, State::new(), State::new());
    let (ones, twos) = (Arc::<TestStore>::default(), Arc::<TestStore>::default());
    let sealer = Running::start(parts(&one, &ones, &engine, true));
    let follower = Running::start(parts(&two, &twos, &engine, false));
    sealer.reached(3).await;
    follower.reached(3).await;
    let record = engine.notes().await.pop().unwrap().note;
    let (note, twin) = (follower.seals.checkpoint(), follower.seals.twin_checkpoint().unwrap());
    assert_eq!(record, format!("{note}\n{twin}"));
    assert_eq!((note, Some(&twin)), (sealer.seals.checkpoint(), sealer.seals.twin_checkpoint().as_ref()));
    let tree: Tree<Sm3Tree> = ["a", "b", "c"].iter().map(|text| Sm3Tree::leaf(text.as_bytes())).collect();
    let checkpoint = Checkpoint::open(twin.as_bytes(), &origin().twin(), &[twin_key()]).unwrap().checkpoint;
    assert_eq!((checkpoint.size, checkpoint.root), (TreeSize(3), tree.root()));
    sealer.stop().await;
    follower.stop().await;
    let again = Running::start(parts(&two, &twos, &engine, false));
    assert_eq!(again.seals.twin_checkpoint(), Some(twin), "the stored twin is shown again");
    again.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_twin_that_contradicts_the_own_one_is_an_alarm() {
    let (engine, state, twins) = (Engine::of(&["a"]).await, State::new(), Arc::<TestStore>::default());
    let own = mediation_ledger::merkle::hash_leaf(b"a");
    let twin = Checkpoint { origin: origin().twin(), size: TreeSize(1), root: Hash([6; 32]) };
    let twin = twin.sign_with(sm2().as_ref()).unwrap();
    engine.add_head(format!("{}\n{twin}", head(1, own))).await;
    let error = Running::start(parts(&state, &twins, &engine, false)).failed().await;
    assert!(matches!(error, SharedError::TwinContradicted { size: TreeSize(1), .. }), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_second_note_that_is_not_the_twins_of_that_size_makes_the_record_no_head() {
    let (engine, state, twins) = (Engine::of(&["a"]).await, State::new(), Arc::<TestStore>::default());
    let own = mediation_ledger::merkle::hash_leaf(b"a");
    let twin = Checkpoint { origin: origin().twin(), size: TreeSize(2), root: Hash([6; 32]) };
    let of_other_size = twin.sign_with(sm2().as_ref()).unwrap().to_string();
    for second in [of_other_size.as_str(), "", "garbage", &head(1, own)] {
        let record = format!("{}\n{second}", head(1, own));
        engine.add_head(record.clone()).await;
        assert!(SignedHead::open(record.as_bytes(), &origin(), &keys(), Some(&twin_key())).is_err(), "{second}");
    }
    let sealer = Running::start(parts(&state, &twins, &engine, true));
    sealer.reached(1).await;
    assert_eq!(engine.notes().await.len(), 5);
    sealer.stop().await;
}

#[tokio::test]
async fn a_sealer_without_the_twins_key_and_leaves_without_a_twin_are_refused() {
    let (engine, state, twins) = (Engine::new(), State::new(), Arc::<TestStore>::default());
    let unsigned = SharedParts { signer: Some(signer()), ..parts(&state, &twins, &engine, false) };
    let refused = SharedSealer::open(unsigned).map(|_| ());
    assert!(matches!(refused, Err(SealerError::Shared(SharedError::TwinNotSigned))), "{refused:?}");
    let without = SharedParts { twin: None, ..parts(&state, &twins, &engine, false) };
    let refused = SharedSealer::open(without).map(|_| ());
    assert!(matches!(refused, Err(SealerError::Shared(SharedError::TwinOfLeaves { twin: false }))), "{refused:?}");
}
