//! One life of a process: clients that record, repeat and read, a disk that does what the plan says, and an end.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use mediation_domain::history::EventId;
use mediation_ledger::{
    chain::{ChainId, Revision},
    checkpoint::Checkpoint,
    clock::Clock as _,
    ledger::Fold,
    log::{AppendError, Follower as _, Log as _},
    merkle::Hash,
    record::leaf_hash,
    recorder::{Placed, RecordError, Request},
    vault::VaultError,
};
use mediation_log_embedded::disk::SimulatedDisk;
use mediation_projections::eraser::Erasing;
use tokio::task::JoinSet;

use crate::{
    chance::Chance,
    world::{
        BUREAU, CENTER, Process, Start, World, chain, countersignature, event_id, follow_up, handoff, order_to_erase,
        registration, runtime,
    },
};

/// Chains that clients share.
const CHAINS: u64 = 4;

/// Chain that the eraser works on.
const ERASED: u8 = 9;

/// What everybody outside has seen so far: what a ledger may not go back on.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    /// Everything that was ever sent under an event id; more than one where it was sent again with other content.
    pub(crate) submitted: BTreeMap<(ChainId, EventId), Vec<Request>>,
    pub(crate) acknowledged: BTreeMap<(ChainId, EventId), Placed>,
    /// Event ids of which every answer was that nothing is recorded.
    pub(crate) refused: BTreeSet<(ChainId, EventId)>,
    /// Event ids of which nobody can say whether they are recorded.
    pub(crate) unknown: BTreeSet<(ChainId, EventId)>,
    /// Roots of published checkpoints, by size.
    pub(crate) published: BTreeMap<u64, Checkpoint>,
    /// Leaf hashes in the order of the log, as far as somebody relies on it.
    pub(crate) order: Vec<Hash>,
    /// Chains whose keys an order has destroyed for certain.
    pub(crate) erased: BTreeSet<ChainId>,
    /// Entries in the order of the log that were recorded at an earlier time than the one before them, on another chain.
    pub(crate) earlier: usize,
    /// What was done on the disk and how everything ended.
    pub(crate) trace: Vec<String>,
    /// Event ids that were used.
    numbers: u32,
}

/// Shared by the clients of a life.
#[derive(Debug, Clone, Default)]
pub(crate) struct Witnessed(Arc<Mutex<Seen>>);

impl Witnessed {
    pub(crate) fn seen(&self) -> MutexGuard<'_, Seen> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn fresh(&self) -> EventId {
        let mut seen = self.seen();
        seen.numbers += 1;
        event_id(1, seen.numbers)
    }

    pub(crate) fn trace(&self, line: String) {
        self.seen().trace.push(line);
    }

    /// Records, and takes down how it ended.
    pub(crate) async fn record(&self, process: &Process, agency: &str, request: &Request) -> Option<Placed> {
        let id = (request.chain, request.event_id);
        {
            let mut seen = self.seen();
            seen.submitted.entry(id).or_default().push(request.clone());
            // What was refused may be recorded now: the chain may have been opened, or there is room.
            seen.refused.remove(&id);
        }
        let outcome = process.record(agency, request).await;
        let mut seen = self.seen();
        let told = outcome.as_ref().map(|placed| placed.revision).map_err(ToString::to_string);
        seen.trace.push(format!("record {} {}: {told:?}", id.0, id.1));
        match outcome {
            Ok(placed) => {
                if let Some(before) = seen.acknowledged.get(&id) {
                    assert_eq!(*before, placed, "{id:?} was acknowledged twice, and not alike");
                }
                seen.unknown.remove(&id);
                seen.acknowledged.insert(id, placed.clone());
                Some(placed)
            }
            Err(error) => {
                match (says_not_recorded(&error), seen.acknowledged.contains_key(&id)) {
                    // Of other content under the same id nothing follows for the first.
                    (_, true) => {}
                    (true, false) if !seen.unknown.contains(&id) => {
                        seen.refused.insert(id);
                    }
                    (true, false) => {}
                    (false, false) => {
                        seen.refused.remove(&id);
                        seen.unknown.insert(id);
                    }
                }
                None
            }
        }
    }

    /// Takes down a checkpoint that is shown.
    fn publish(&self, world: &World, note: &str) {
        if note.is_empty() {
            return;
        }
        let signer = world.log_signer();
        let signed =
            Checkpoint::open(note.as_bytes(), &crate::world::ORIGIN.parse().unwrap(), &signer.verifiers().unwrap());
        let checkpoint = signed.unwrap().checkpoint;
        let mut seen = self.seen();
        if let Some(other) = seen.published.insert(checkpoint.size.0, checkpoint.clone()) {
            assert_eq!(other, checkpoint, "two trees of one size were signed");
        }
    }
}

/// Whether an error says that nothing was recorded. Every other may come after the append, and promises nothing.
fn says_not_recorded(error: &RecordError) -> bool {
    matches!(
        error,
        RecordError::Refused(_)
            | RecordError::RevisionStale { .. }
            | RecordError::EventIdReused { .. }
            | RecordError::EventIdTaken
            | RecordError::Contended { .. }
            | RecordError::RecordTooLarge { .. }
            | RecordError::Vault(VaultError::NoSpace | VaultError::Full)
            | RecordError::Append(
                AppendError::Conflict { .. }
                    | AppendError::Full { .. }
                    | AppendError::NoSpace
                    | AppendError::TooLarge { .. }
                    | AppendError::Unavailable(_),
            )
    )
}

/// What happens to a life.
#[derive(Debug)]
pub(crate) struct Plan {
    seed: u64,
    number: u64,
    clients: u64,
    steps: u64,
    /// The plug is pulled, or the process killed, before this change of the disk.
    end_at: Option<u64>,
    /// How it ends: the machine loses its power, or only the process is killed.
    pub(crate) power_cut: bool,
    fails_at: Option<u64>,
    space: Option<u64>,
    short: bool,
    syncs_fail_after: Option<u64>,
    /// The clock leaps forward and back, and stands.
    leaps: bool,
}

impl Plan {
    /// What happens to a life of a seed.
    pub(crate) fn draw(seed: u64, number: u64) -> Self {
        let mut chance = Chance::new(seed, 100 + number);
        let some = |chance: &mut Chance, times: u64, below: u64| {
            let (happens, at) = (chance.one_in(times), 1 + chance.below(below));
            happens.then_some(at)
        };
        Self {
            seed,
            number,
            clients: 1 + chance.below(4),
            steps: 2 + chance.below(5),
            end_at: (!chance.one_in(5)).then(|| 1 + chance.below(90)),
            power_cut: !chance.one_in(4),
            fails_at: some(&mut chance, 4, 300),
            space: some(&mut chance, 6, 100_000),
            short: chance.one_in(5),
            syncs_fail_after: some(&mut chance, 10, 6),
            leaps: false,
        }
    }

    /// The same life under a clock that is not to be relied on.
    pub(crate) fn with_leaps(self) -> Self {
        Self { leaps: true, ..self }
    }

    fn prepare(&self, disk: &SimulatedDisk) {
        disk.heal();
        disk.shorten_transfers(self.short);
        disk.leave_space(self.space);
        if let Some(n) = self.end_at {
            disk.fail_from_change(n);
        }
        if let Some(n) = self.fails_at {
            disk.fail_operation(n);
        }
    }

    /// Nothing that the disk does in this life can fail.
    fn is_healthy(&self) -> bool {
        self.end_at.is_none() && self.fails_at.is_none() && self.space.is_none() && self.syncs_fail_after.is_none()
    }
}

/// Lives once. The disk is left as the process left it.
pub(crate) fn live(world: &'static World, disk: &SimulatedDisk, plan: &Plan, start: &Start, witnessed: &Witnessed) {
    plan.prepare(disk);
    let runtime = runtime();
    runtime.block_on(async {
        let process = match Process::open(world, disk, start).await {
            Ok(process) => Arc::new(process),
            Err(error) => {
                assert!(!plan.is_healthy(), "a healthy disk, and it does not open: {error}");
                return witnessed.trace(format!("open: {error}"));
            }
        };
        let watching = tokio::spawn(watch(world, Arc::clone(&process), witnessed.clone()));
        let following = tokio::spawn(follow(Arc::clone(&process), witnessed.clone()));
        let leaping = plan.leaps.then(|| tokio::spawn(leap(start.clone(), Chance::new(plan.seed, 500 + plan.number))));
        let mut clients = JoinSet::new();
        for number in 0..plan.clients {
            let chance = Chance::new(plan.seed, 10_000 + plan.number * 100 + number);
            let client = Client { process: Arc::clone(&process), witnessed: witnessed.clone(), chance };
            let (disk, aborted) = (disk.clone(), start.clone());
            let syncs_fail_after = plan.syncs_fail_after.filter(|_| number == 0);
            let steps = plan.steps;
            clients.spawn(async move { client.live(&disk, &aborted, steps, syncs_fail_after).await });
        }
        if Chance::new(plan.seed, 7).one_in(3) {
            clients.spawn(erase(Arc::clone(&process), start.clone(), witnessed.clone()));
        }
        while let Some(ended) = clients.join_next().await {
            ended.unwrap();
        }
        if let Some(leaping) = leaping {
            leaping.abort();
            assert!(leaping.await.is_err_and(|error| error.is_cancelled()), "the clock panicked");
        }
        watching.abort();
        following.abort();
        assert!(watching.await.is_err_and(|error| error.is_cancelled()), "the watcher panicked");
        let followed = following.await;
        assert!(followed.as_ref().map_or_else(tokio::task::JoinError::is_cancelled, |()| true), "{followed:?}");
        if plan.end_at.is_none() {
            Arc::into_inner(process).unwrap().close().await;
        }
    });
    // Whatever still runs is gone from one step to the next, as with `kill -9`.
    drop(runtime);
    let mut seen = witnessed.seen();
    seen.trace.extend(disk.turns());
    let acknowledged = seen.acknowledged.len();
    seen.trace.push(format!("life {} ends, {acknowledged} acknowledged", plan.number));
}

/// Takes down every checkpoint that is shown.
async fn watch(world: &'static World, process: Arc<Process>, witnessed: Witnessed) {
    let mut sizes = process.seals.watch();
    loop {
        witnessed.publish(world, &process.seals.checkpoint());
        if sizes.changed().await.is_err() {
            return std::future::pending().await;
        }
    }
}

/// Sets the clock days and seconds forward and back, again and again, or lets it stand.
async fn leap(start: Start, mut chance: Chance) {
    const DAYS_MS: i64 = 3 * 24 * 60 * 60 * 1_000;
    let began_ms = start.clock.now_ms();
    loop {
        let now_ms = start.clock.now_ms();
        let then_ms = match chance.below(6) {
            0 => began_ms + DAYS_MS,
            1 => began_ms - DAYS_MS,
            2 => began_ms,
            3 => now_ms - 1_000,
            4 => now_ms + 1,
            _stands => now_ms,
        };
        start.clock.set(then_ms);
        for _turn in 0..chance.below(6) {
            tokio::task::yield_now().await;
        }
        tokio::time::sleep(Duration::from_millis(1 + chance.below(300))).await;
    }
}

/// Follows the log from its beginning: everything in one order, without a gap, and the order never changes.
async fn follow(process: Arc<Process>, witnessed: Witnessed) {
    let Ok(mut follower) = process.log.follow(None).await else { return };
    let mut followed = Vec::new();
    let mut next: BTreeMap<ChainId, u64> = BTreeMap::new();
    loop {
        let Ok(batch) = follower.next().await else { return };
        for record in batch {
            let due = next.entry(record.stored.chain).or_default();
            assert_eq!(record.stored.revision, Revision(*due), "a follower misses or repeats a record");
            *due += 1;
            followed.push(leaf_hash(&record.stored.record));
        }
        let mut seen = witnessed.seen();
        let known = seen.order.len().min(followed.len());
        assert_eq!(seen.order.get(..known), followed.get(..known), "the order of the log has changed");
        if followed.len() > seen.order.len() {
            seen.order.clone_from(&followed);
        }
    }
}

/// Orders an erasure and carries it out.
async fn erase(process: Arc<Process>, start: Start, witnessed: Witnessed) {
    let (chain, order) = (chain(ERASED), event_id(2, 2));
    witnessed.record(&process, CENTER, &registration(chain, event_id(2, 1), 40)).await;
    witnessed.record(&process, CENTER, &handoff(chain, event_id(2, 4))).await;
    witnessed.record(&process, CENTER, &order_to_erase(chain, order)).await;
    witnessed.record(&process, BUREAU, &countersignature(chain, event_id(2, 3), order)).await;
    let countersigned = witnessed.seen().acknowledged.contains_key(&(chain, event_id(2, 3)));
    let carried_out = carry_out(&process, &start, chain).await;
    if carried_out.is_ok() && countersigned && !start.is_aborted() {
        witnessed.seen().erased.insert(chain);
    }
    witnessed.trace(format!("erase: {carried_out:?}"));
}

/// Carries out the orders of a chain.
pub(crate) async fn carry_out(process: &Process, start: &Start, chain: ChainId) -> Result<bool, String> {
    let journal = Arc::clone(&start.journal) as Arc<dyn mediation_projections::eraser::Journal>;
    let erasing = Erasing::new(Arc::clone(&process.recorder), journal);
    erasing.carry_out(chain).await.map_err(|error| error.to_string())
}

struct Client {
    process: Arc<Process>,
    witnessed: Witnessed,
    chance: Chance,
}

impl Client {
    async fn live(mut self, disk: &SimulatedDisk, start: &Start, steps: u64, syncs_fail_after: Option<u64>) {
        let mut sent: Vec<Request> = Vec::new();
        for step in 0..steps {
            for _turn in 0..self.chance.below(4) {
                tokio::task::yield_now().await;
            }
            if self.chance.one_in(3) {
                tokio::time::sleep(Duration::from_millis(self.chance.below(900))).await;
            }
            if disk.is_dead() || start.is_aborted() {
                return;
            }
            if syncs_fail_after == Some(step) {
                disk.fail_syncs(true);
            }
            if step + 1 == steps {
                // Somebody has made room.
                disk.leave_space(None);
            }
            self.step(&mut sent).await;
        }
    }

    async fn step(&mut self, sent: &mut Vec<Request>) {
        let chain = chain(u8::try_from(1 + self.chance.below(CHAINS)).unwrap());
        let letters = usize::try_from(self.chance.below(2_500)).unwrap();
        match (self.chance.below(10), sent.is_empty()) {
            (0..=2, _) => {
                let request = registration(chain, self.witnessed.fresh(), letters);
                self.witnessed.record(&self.process, CENTER, &request).await;
                sent.push(request);
            }
            (7, false) => {
                let request = self.one_of(sent);
                self.again(&request).await;
            }
            (8, false) => {
                let mut request = self.one_of(sent);
                request.occurred_at -= 1;
                self.otherwise(&request).await;
            }
            (9, _) => self.read(chain).await,
            _ => {
                let request = follow_up(chain, self.witnessed.fresh(), letters);
                self.witnessed.record(&self.process, CENTER, &request).await;
                sent.push(request);
            }
        }
    }

    fn one_of(&mut self, sent: &[Request]) -> Request {
        let at = self.chance.below(sent.len() as u64);
        sent.get(usize::try_from(at).unwrap()).unwrap().clone()
    }

    /// Sends a request once more, as somebody does who has had no answer.
    async fn again(&self, request: &Request) {
        self.witnessed.record(&self.process, CENTER, request).await;
    }

    /// Sends other content under the same event id: refused, once the first is recorded.
    async fn otherwise(&self, request: &Request) {
        let id = (request.chain, request.event_id);
        let before = self.witnessed.seen().acknowledged.get(&id).cloned();
        let Some(before) = before else { return };
        let outcome = self.process.record(CENTER, request).await;
        assert!(outcome.is_err(), "{id:?} was recorded with other content after {before:?}");
    }

    /// What was acknowledged before a reading began, to whomever, is in it.
    async fn read(&self, chain: ChainId) {
        let due: Vec<Placed> = self.witnessed.seen().acknowledged.values().cloned().collect();
        let mut fold = Fold::new(chain);
        let Ok(entries) = self.process.recorder.ledger().catch_up(&mut fold).await else { return };
        for placed in due.iter().filter(|placed| placed.chain == chain) {
            let found = entries.iter().find(|entry| entry.revision == placed.revision);
            let entry = found.map(|entry| &entry.entry);
            assert_eq!(entry, Some(&placed.entry), "a reading lacks what was acknowledged before it");
        }
    }
}
