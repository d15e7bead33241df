//! Requests that come twice, late, in another order, or whose sender does not wait for the answer.

use std::{sync::Arc, time::Duration};

use mediation_ledger::recorder::Request;
use tokio::task::JoinSet;

use crate::{
    chance::{Chance, for_each, is_full, seeds},
    judge::judge,
    life::Witnessed,
    world::{CENTER, Process, Start, chain, event_id, follow_up, registration, runtime, world},
};

/// Requests of one ledger.
const REQUESTS_FEW: u32 = 250;

/// The same at full scale.
const REQUESTS_MANY: u32 = 2_000;

/// Chains that they are about.
const CHAINS: u64 = 12;

/// Milliseconds within which everything is sent: many at once, and no order kept.
const WITHIN_MS: u64 = 2_000;

/// Turns of others before which an impatient sender gives up.
const PATIENCE_TURNS: u64 = 4;

#[test]
fn requests_that_come_twice_late_or_unheard_have_the_effect_of_one() {
    let world = world();
    let requests = if is_full() { REQUESTS_MANY } else { REQUESTS_FEW };
    for_each(seeds(1, 20), "requests_that_come_twice", |seed| {
        let (disk, start, witnessed) = (world.disk(), Start::new(seed, 1), Witnessed::default());
        let runtime = runtime();
        let (sent, unheard) = runtime.block_on(async {
            let process = Arc::new(Process::open(world, &disk, &start).await.unwrap());
            let counted = send_all(&process, &witnessed, seed, requests).await;
            Arc::into_inner(process).unwrap().close().await;
            counted
        });
        drop(runtime);
        let leaves = judge(world, &disk, &start, &witnessed, &format!("seed {seed}"));
        let acknowledged = witnessed.seen().acknowledged.len();
        assert!(acknowledged > requests as usize / 2 && unheard > 0, "{acknowledged} of {requests}, {unheard} unheard");
        println!(
            "{requests} requests sent {sent} times, {unheard} unheard: {leaves} leaves, {acknowledged} acknowledged"
        );
    });
}

/// Sends every request one to three times, from tasks of their own. Answers how often, and how many were not waited for.
async fn send_all(process: &Arc<Process>, witnessed: &Witnessed, seed: u64, requests: u32) -> (u32, u32) {
    let mut chance = Chance::new(seed, 13);
    for number in 0..CHAINS {
        let chain = chain(u8::try_from(1 + number).unwrap());
        let opening = registration(chain, event_id(3, u32::try_from(number).unwrap()), 20);
        witnessed.record(process, CENTER, &opening).await.unwrap();
    }
    let mut tasks: JoinSet<bool> = JoinSet::new();
    let mut sent = 0;
    for number in 0..requests {
        let chain = chain(u8::try_from(1 + chance.below(CHAINS)).unwrap());
        let request = follow_up(chain, event_id(4, number), usize::try_from(chance.below(60)).unwrap());
        // Nobody can say of a request that others are sending, too, that it was refused for good.
        witnessed.seen().unknown.insert((request.chain, request.event_id));
        for _copy in 0..=chance.below(3) {
            let (delay, impatient) = (chance.below(WITHIN_MS), chance.below(10) < 3);
            tasks.spawn(send(Arc::clone(process), witnessed.clone(), request.clone(), delay, impatient));
            sent += 1;
        }
    }
    let mut unheard = 0;
    while let Some(heard) = tasks.join_next().await {
        unheard += u32::from(!heard.unwrap());
    }
    (sent, unheard)
}

/// Sends a request after a while. One that is impatient goes away in the middle of it, whatever has been done by then.
async fn send(process: Arc<Process>, witnessed: Witnessed, request: Request, delay: u64, impatient: bool) -> bool {
    tokio::time::sleep(Duration::from_millis(delay)).await;
    if !impatient {
        return witnessed.record(&process, CENTER, &request).await.is_some();
    }
    let given_up = async {
        for _turn in 0..delay % PATIENCE_TURNS {
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        biased;
        recorded = witnessed.record(&process, CENTER, &request) => recorded.is_some(),
        () = given_up => false,
    }
}
