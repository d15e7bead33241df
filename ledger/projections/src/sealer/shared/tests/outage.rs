//! A log that is away for a while, and one that is damaged.

use super::*;

#[tokio::test(start_paused = true)]
async fn an_outage_is_waited_out_and_those_who_wait_are_told() {
    for signs in [true, false] {
        let (engine, state, other) = (Engine::of(&["a"]).await, State::new(), State::new());
        let sealer = (!signs).then(|| other.sealer(&engine));
        if let Some(sealer) = &sealer {
            sealer.reached(1).await;
        }
        let running = Running::start(state.parts(&engine, signs));
        running.reached(1).await;
        if let Some(sealer) = sealer {
            sealer.stop().await;
        }
        for _step in 0..20 {
            engine.faults().on_follow(ReadFault::Unavailable);
        }
        engine.add(&["b"]).await;
        let waited = running.seals.wait(chain(1), Revision(1), Duration::from_secs(600));
        let begun = Instant::now();
        assert_eq!(waited.await, None);
        assert!(begun.elapsed() < Duration::from_secs(5), "nobody waits for a log that is away");
        engine.faults().stop();
        let sealer = (!signs).then(|| other.sealer(&engine));
        running.reached(2).await;
        // What comes after the outage is waited for again.
        engine.add(&["c"]).await;
        assert!(running.seals.wait(chain(1), Revision(2), Duration::from_secs(5)).await.is_some());
        running.stop().await;
        if let Some(sealer) = sealer {
            sealer.stop().await;
        }
        engine.heads().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_log_that_fails_by_chance_is_sealed_without_a_record_lost_or_doubled() {
    let (engine, one, two) = (Engine::new(), State::new(), State::new());
    engine.faults().by_seed(11, 300);
    let (sealer, follower) = (one.sealer(&engine), two.follower(&engine));
    for number in 0..40_u64 {
        engine.add(&[&format!("{number}")]).await;
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
    engine.faults().stop();
    sealer.reached(40).await;
    follower.reached(40).await;
    assert_eq!(follower.seals.chain(chain(1)), sealer.seals.chain(chain(1)));
    sealer.stop().await;
    follower.stop().await;
    engine.heads().await;
}

#[tokio::test(start_paused = true)]
async fn a_damaged_log_stops_the_process() {
    let (engine, state) = (Engine::of(&["a"]).await, State::new());
    engine.faults().on_follow(ReadFault::Damaged);
    let ended = state.sealer(&engine).ended.await.unwrap();
    assert!(matches!(ended, Err(SealerError::Log(ReadError::Damaged { .. }))), "{ended:?}");
}
