//! The eraser over a log and a vault in memory. The time of the runtime is virtual.

use std::sync::{Mutex, PoisonError};

use mediation_ledger::memory::MemoryLog;
use serde_json::{Value, json};

use super::*;
use crate::keeper::tests::{Bench, CENTER, TARGET, TestRecorder, chain, event_id};

#[derive(Debug, Default)]
struct Noted(Mutex<BTreeMap<(ChainId, EventId), BTreeSet<Hash>>>);

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

async fn erase_for_a_minute(bench: &Bench, journal: &Arc<Noted>) {
    let eraser: Eraser<_, _> = Eraser::start(bench.process(), Arc::clone(journal) as Arc<dyn Journal>).await.unwrap();
    eraser.run(tokio::time::sleep(Duration::from_secs(60))).await.unwrap();
}

fn order() -> Value {
    json!({"measure": "ERASE", "order_no": "删字1号", "scope": "CHAIN", "basis": "SUBJECT_REQUEST",
        "legal_basis": "个人信息保护法第四十七条"})
}

/// A chain with a dispute that has free text, and an order to erase it as act 10.
async fn ordered(bench: &Bench) {
    bench.propose(chain(1)).await;
    bench.act(chain(1), 10, CENTER, "ErasureOrdered", "HEAD", order()).await.unwrap();
}

async fn countersign(bench: &Bench) {
    let data = json!({"order": {"event_id": event_id(10).to_string()}});
    bench.act(chain(1), 11, TARGET, "ErasureCountersigned", "HEAD", data).await.unwrap();
}

/// Parts of the chain whose keys are there, and those whose keys are gone.
async fn parts(recorder: &TestRecorder) -> (BTreeSet<Hash>, BTreeSet<Hash>) {
    let entries = recorder.ledger().catch_up(&mut Fold::new(chain(1))).await.unwrap();
    let opened = entries.iter().flat_map(|entry| &entry.parts).map(|part| part.commitment.digest).collect();
    (opened, entries.iter().flat_map(|entry| &entry.withheld).map(|part| part.digest).collect())
}

async fn executed(bench: &Bench) -> Option<BTreeSet<String>> {
    let erasures: Erasures = bench.history(chain(1)).await.iter().collect();
    let order = erasures.named(event_id(10)).unwrap();
    (order.state() == State::Executed).then(|| order.destroyed().map(str::to_owned).collect())
}

#[tokio::test(start_paused = true)]
async fn an_order_is_carried_out_once_it_is_countersigned_and_only_once() {
    let (bench, journal) = (Bench::new().await, Arc::new(Noted::default()));
    ordered(&bench).await;
    erase_for_a_minute(&bench, &journal).await;
    assert_eq!(executed(&bench).await, None, "nobody has countersigned");
    countersign(&bench).await;
    let process = bench.process();
    process.ledger().refresh_registry().await.unwrap();
    let before = parts(&process).await;
    assert!(before.1.is_empty());
    tokio::join!(erase_for_a_minute(&bench, &journal), erase_for_a_minute(&bench, &journal));
    let (opened, gone) = parts(&process).await;
    assert!(!gone.is_empty() && gone.is_subset(&before.0) && opened.is_disjoint(&gone));
    let named = executed(&bench).await.unwrap();
    assert_eq!(named, gone.iter().map(ToString::to_string).collect());
    let events = bench.events(chain(1)).await;
    assert_eq!(events.iter().filter(|event| **event == "ErasureExecuted").count(), 1, "{events:?}");
    for digest in &gone {
        assert_eq!(bench.vault.key(chain(1), *digest).await.unwrap(), None);
    }
}

#[tokio::test(start_paused = true)]
async fn what_was_killed_between_the_keys_and_the_act_is_gone_on_with_and_names_every_key() {
    let (bench, journal) = (Bench::new().await, Arc::new(Noted::default()));
    ordered(&bench).await;
    countersign(&bench).await;
    let process = bench.process();
    process.ledger().refresh_registry().await.unwrap();
    let erasing: Erasing<_, _> = Erasing::new(Arc::clone(&process), Arc::clone(&journal) as Arc<dyn Journal>);
    let planned = erasing.plan(chain(1)).await.unwrap();
    let [Planned { parts: Ok(reached), .. }] = planned.as_slice() else { panic!("{planned:?}") };
    journal.note(chain(1), event_id(10), reached).unwrap();
    let some: Vec<Hash> = reached.iter().copied().take(1).collect();
    assert_eq!(Vault::destroy(&bench.vault, chain(1), &some).await.unwrap(), 1);
    erase_for_a_minute(&bench, &journal).await;
    assert_eq!(executed(&bench).await.unwrap(), reached.iter().map(ToString::to_string).collect());
    assert_eq!(parts(&process).await.1, *reached);
}

#[tokio::test(start_paused = true)]
async fn a_hold_on_another_chain_hinders_until_its_last_day_has_passed() {
    let (bench, journal) = (Bench::new().await, Arc::new(Noted::default()));
    ordered(&bench).await;
    countersign(&bench).await;
    bench.propose(chain(2)).await;
    let hold = json!({"ground": "LITIGATION", "until_on": "2024-03-08", "chains": [chain(1).to_string()]});
    bench.act(chain(2), 12, TARGET, "LegalHoldPlaced", "HEAD", hold).await.unwrap();
    let eraser: Eraser<Faulty, _> =
        Eraser::start(bench.process(), Arc::clone(&journal) as Arc<dyn Journal>).await.unwrap();
    let time_passes = async {
        tokio::time::sleep(Duration::from_secs(60)).await;
        assert_eq!(executed(&bench).await, None);
        bench.set("2024-03-09T00:00:00+08:00");
        tokio::time::sleep(Duration::from_secs(60)).await;
    };
    eraser.run(time_passes).await.unwrap();
    assert!(executed(&bench).await.is_some());
}

type Faulty = mediation_ledger::faulty::Faulty<MemoryLog>;
