//! Steps in any order against a model of a vector and a map: what is recorded, what is refused and why, what a repetition is
//! answered, and that erasing, new keys of the vault, a start anew, a power cut and reading everything again change none of it.

use std::collections::{BTreeMap, BTreeSet};

use mediation_ledger::{
    chain::Revision,
    checkpoint::Checkpoint,
    ledger::Fold,
    log::{Follower as _, Log as _},
    merkle::{Frontier, TreeSize},
    record::leaf_hash,
    recorder::{Placed, RecordError, Request, Submitted},
};
use mediation_log_embedded::{
    disk::SimulatedDisk,
    vault::{Keks, rotate_from},
};
use proptest::{prelude::*, test_runner::RngSeed};
use proptest_state_machine::{ReferenceStateMachine, StateMachineTest, prop_state_machine};
use tokio::runtime::Runtime;

use crate::{
    chance::{is_full, seeds},
    judge::{FOUNDING, judge},
    life::{Witnessed, carry_out},
    world::{
        BUREAU, CENTER, ORIGIN, Process, Start, caller, chain, countersignature, event_id, follow_up, handoff,
        order_to_erase, registration, runtime, vault_directory, world,
    },
};

/// Chains that the acts are about.
const CHAINS: u8 = 4;

/// Letters of an act at most: of three bytes each, so that some acts fill a segment of 64 KiB.
const LETTERS_MAX: usize = 2_500;

/// Cases of every run.
const CASES_FEW: u32 = 256;

/// Cases of a night.
const CASES_MANY: u32 = 10_000;

/// Whose event ids these are.
const WHOSE: u32 = 5;

/// What a caller insists on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Expects {
    Nothing,
    Next,
    Behind,
    Ahead,
}

/// What is done.
#[derive(Debug, Clone)]
enum Step {
    /// An act is sent under a fresh event id: the one that opens its chain, or one that follows.
    Append { chain: u8, letters: usize, expects: Expects },
    /// An act that cannot be the first of its chain is sent as the first.
    Premature { chain: u8 },
    /// One of the acts that stand is sent again.
    Again { which: usize },
    /// Other content is sent under the event id of one of them.
    Otherwise { which: usize },
    /// Acts of two chains are recorded as one batch.
    Batch { chain: u8, count: u8, letters: usize },
    /// Two agencies order a chain to be erased, and it is carried out.
    Erase { chain: u8 },
    /// The keys of the vault are wrapped anew.
    Rotate,
    /// Everything that follows from the log is made anew.
    Rebuild,
    /// The process ends in order and starts again.
    Reopen,
    /// The machine loses its power while nothing is under way.
    Crash { seed: u64 },
}

/// An act that stands.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Act {
    chain: u8,
    revision: u64,
    /// Number of its event id; none of the act by which the eraser says what it did.
    number: Option<u32>,
    letters: usize,
}

/// How a step has to end.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Due {
    Nothing,
    Placed(Vec<Act>),
    Stale { act: Act, expected: u64 },
    Refused(Act),
    Same(Act),
    Reused(Act),
}

/// The model.
#[derive(Debug, Clone)]
struct Model {
    /// Acts in the order of the log.
    log: Vec<Act>,
    /// Acts of each chain.
    lengths: BTreeMap<u8, u64>,
    erased: BTreeSet<u8>,
    numbers: u32,
    /// How the last step has to end.
    due: Due,
}

impl Model {
    fn length(&self, chain: u8) -> u64 {
        self.lengths.get(&chain).copied().unwrap_or_default()
    }

    /// The next act of a chain, under a fresh event id.
    fn next(&mut self, chain: u8, letters: usize) -> Act {
        self.numbers += 1;
        Act { chain, revision: self.length(chain), number: Some(self.numbers), letters }
    }

    fn take(&mut self, act: Act) -> Act {
        *self.lengths.entry(act.chain).or_default() += 1;
        self.log.push(act.clone());
        act
    }

    /// Acts that can be sent again.
    fn standing(&self) -> Vec<&Act> {
        self.log.iter().filter(|act| act.number.is_some() && !self.erased.contains(&act.chain)).collect()
    }

    fn standing_at(&self, which: usize) -> Act {
        let standing = self.standing();
        let act = which.checked_rem(standing.len()).and_then(|at| standing.get(at).copied());
        act.cloned().expect("a precondition")
    }

    fn append(&mut self, chain: u8, letters: usize, expects: Expects) -> Due {
        let act = self.next(chain, letters);
        let next = act.revision;
        let expected = match (expects, next.checked_sub(1)) {
            (Expects::Nothing | Expects::Next, _) => return Due::Placed(vec![self.take(act)]),
            (Expects::Behind, Some(before)) => before,
            (Expects::Behind, None) | (Expects::Ahead, _) => next + 1,
        };
        Due::Stale { act, expected }
    }

    fn batch(&mut self, first: u8, count: u8, letters: usize) -> Due {
        let acts = (0..count).map(|number| {
            let act = self.next(first + number % 2, letters);
            self.take(act)
        });
        Due::Placed(acts.collect())
    }

    fn erase(&mut self, chain: u8) -> Due {
        let acts = (0..4).map(|number| {
            let act = self.next(chain, 0);
            let number = if number < 3 { act.number } else { None };
            self.take(Act { number, ..act })
        });
        let due = Due::Placed(acts.collect());
        self.erased.insert(chain);
        due
    }
}

impl ReferenceStateMachine for Model {
    type State = Self;
    type Transition = Step;

    fn init_state() -> BoxedStrategy<Self> {
        let (log, lengths, erased) = (Vec::new(), BTreeMap::new(), BTreeSet::new());
        Just(Self { log, lengths, erased, numbers: 0, due: Due::Nothing }).boxed()
    }

    fn transitions(_state: &Self) -> BoxedStrategy<Step> {
        let (chain, letters) = (1..=CHAINS, 1..LETTERS_MAX);
        let expects = prop_oneof![
            4 => Just(Expects::Nothing),
            2 => Just(Expects::Next),
            1 => Just(Expects::Behind),
            1 => Just(Expects::Ahead),
        ];
        prop_oneof![
            12 => (chain.clone(), letters.clone(), expects)
                .prop_map(|(chain, letters, expects)| Step::Append { chain, letters, expects }),
            1 => chain.clone().prop_map(|chain| Step::Premature { chain }),
            2 => any::<usize>().prop_map(|which| Step::Again { which }),
            2 => any::<usize>().prop_map(|which| Step::Otherwise { which }),
            2 => (1..CHAINS, 1..6_u8, letters)
                .prop_map(|(chain, count, letters)| Step::Batch { chain, count, letters }),
            1 => chain.prop_map(|chain| Step::Erase { chain }),
            1 => Just(Step::Rotate),
            1 => Just(Step::Rebuild),
            2 => Just(Step::Reopen),
            2 => any::<u64>().prop_map(|seed| Step::Crash { seed }),
        ]
        .boxed()
    }

    fn preconditions(state: &Self, step: &Step) -> bool {
        let is_open = |chain: u8| !state.erased.contains(&chain);
        match step {
            Step::Append { chain, .. } => is_open(*chain),
            Step::Premature { chain } => state.length(*chain) == 0,
            Step::Again { .. } | Step::Otherwise { .. } => !state.standing().is_empty(),
            Step::Batch { chain, .. } => is_open(*chain) && is_open(chain + 1),
            Step::Erase { chain } => is_open(*chain) && state.length(*chain) > 0,
            Step::Rotate | Step::Rebuild | Step::Reopen | Step::Crash { .. } => true,
        }
    }

    fn apply(mut state: Self, step: &Step) -> Self {
        state.due = match step {
            Step::Append { chain, letters, expects } => state.append(*chain, *letters, *expects),
            Step::Premature { chain } => {
                let act = state.next(*chain, 1);
                Due::Refused(Act { revision: 1, ..act })
            }
            Step::Again { which } => Due::Same(state.standing_at(*which)),
            Step::Otherwise { which } => Due::Reused(state.standing_at(*which)),
            Step::Batch { chain, count, letters } => state.batch(*chain, *count, *letters),
            Step::Erase { chain } => state.erase(*chain),
            Step::Rotate | Step::Rebuild | Step::Reopen | Step::Crash { .. } => Due::Nothing,
        };
        state
    }
}

/// The request of an act; the first of a chain opens it.
fn sent(act: &Act) -> Request {
    let (chain, id) = (chain(act.chain), event_id(WHOSE, act.number.unwrap_or_default()));
    if act.revision == 0 { registration(chain, id, act.letters) } else { follow_up(chain, id, act.letters) }
}

/// The process, and what it stands on.
struct Machine {
    disk: SimulatedDisk,
    start: Start,
    lives: u64,
    /// None between two lives.
    running: Option<(Runtime, Process)>,
    witnessed: Witnessed,
}

impl Machine {
    fn new() -> Self {
        let (disk, start) = (world().disk(), Start::new(0, 0));
        let mut machine = Self { disk, start, lives: 0, running: None, witnessed: Witnessed::default() };
        machine.open();
        machine
    }

    fn open(&mut self) {
        self.lives += 1;
        let journal = std::sync::Arc::clone(&self.start.journal);
        self.start = Start { journal, ..Start::new(0, self.lives) };
        let runtime = runtime();
        let process = runtime.block_on(Process::open(world(), &self.disk, &self.start)).unwrap();
        self.running = Some((runtime, process));
    }

    fn close(&mut self) {
        let (runtime, process) = self.running.take().unwrap();
        runtime.block_on(process.close());
    }

    /// Everything is gone from one step to the next.
    fn crash(&mut self, seed: u64) {
        let (runtime, process) = self.running.take().unwrap();
        runtime.block_on(async { drop(process) });
        drop(runtime);
        self.disk = self.disk.crash(seed);
    }

    fn rotate(&mut self) {
        self.close();
        let entropy = mediation_ledger::entropy::SeededEntropy::new(self.start.entropy);
        rotate_from(&self.disk, &vault_directory(), ORIGIN, Keks::default(), &entropy).unwrap();
        self.open();
    }

    fn record(&self, agency: &str, request: &Request) -> Option<Placed> {
        let (runtime, process) = self.running.as_ref().unwrap();
        runtime.block_on(self.witnessed.record(process, agency, request))
    }

    /// Sends what must be refused.
    fn refusal(&self, request: &Request) -> RecordError {
        let (runtime, process) = self.running.as_ref().unwrap();
        runtime.block_on(process.record(CENTER, request)).unwrap_err()
    }

    fn batch(&self, acts: &[Act]) {
        let (runtime, process) = self.running.as_ref().unwrap();
        let requests: Vec<Request> = acts.iter().map(sent).collect();
        for request in &requests {
            let id = (request.chain, request.event_id);
            self.witnessed.seen().submitted.entry(id).or_default().push(request.clone());
        }
        let submitted = requests.into_iter().map(|request| Submitted { caller: caller(CENTER), request });
        let placed = runtime.block_on(process.recorder.record_batch(submitted.collect())).unwrap();
        for (act, placed) in acts.iter().zip(placed) {
            assert_eq!(placed.revision, Revision(act.revision), "{act:?}");
            self.witnessed.seen().acknowledged.insert((placed.chain, placed.event_id), placed);
        }
    }

    fn erase(&self, acts: &[Act]) {
        let [proposed, ordered, countersigned, _told] = acts else { panic!("{acts:?}") };
        let (chain, id) = (chain(ordered.chain), |act: &Act| event_id(WHOSE, act.number.unwrap_or_default()));
        let steps = [
            (CENTER, handoff(chain, id(proposed))),
            (CENTER, order_to_erase(chain, id(ordered))),
            (BUREAU, countersignature(chain, id(countersigned), id(ordered))),
        ];
        for (act, (agency, request)) in acts.iter().zip(steps) {
            assert_eq!(self.record(agency, &request).map(|placed| placed.revision), Some(Revision(act.revision)));
        }
        let (runtime, process) = self.running.as_ref().unwrap();
        runtime.block_on(carry_out(process, &self.start, chain)).unwrap();
        self.witnessed.seen().erased.insert(chain);
    }

    /// Makes tree, order and folds anew from the log, and compares them with the model.
    fn rebuild(&self, model: &Model) {
        let (runtime, process) = self.running.as_ref().unwrap();
        runtime.block_on(async {
            let mut follower = process.log.follow(None).await.unwrap();
            let (mut tree, mut order) = (Frontier::new(), Vec::new());
            while tree.size() < process.log.size() {
                for followed in follower.next().await.unwrap() {
                    tree.append(leaf_hash(&followed.stored.record));
                    order.push((followed.stored.chain, followed.stored.revision));
                }
            }
            let due = model.log.iter().map(|act| (chain(act.chain), Revision(act.revision)));
            assert!(order.iter().copied().skip(FOUNDING).eq(due), "the log is in another order than the model");
            process.seals.reached(process.log.size()).await;
            let (signer, note) = (world().log_signer(), process.seals.checkpoint());
            let signed = Checkpoint::open(note.as_bytes(), &ORIGIN.parse().unwrap(), &signer.verifiers().unwrap());
            assert_eq!(signed.unwrap().checkpoint.root, tree.root(), "the tree is another one");
            for number in 1..=CHAINS {
                let mut fold = Fold::new(chain(number));
                process.recorder.ledger().catch_up(&mut fold).await.unwrap();
                assert_eq!(fold.next(), Revision(model.length(number)), "chain {number}");
                for act in model.log.iter().filter(|act| act.chain == number) {
                    let Some(id) = act.number.map(|number| event_id(WHOSE, number)) else { continue };
                    assert_eq!(fold.place(id), Some(Revision(act.revision)), "{act:?}");
                }
            }
        });
    }
}

/// The recorder, on everything that it needs.
struct Recording;

impl StateMachineTest for Recording {
    type SystemUnderTest = Machine;
    type Reference = Model;

    fn init_test(_model: &Model) -> Machine {
        Machine::new()
    }

    fn apply(mut machine: Machine, model: &Model, step: Step) -> Machine {
        match (step, &model.due) {
            (Step::Append { expects, .. }, Due::Placed(acts)) => {
                let [act] = acts.as_slice() else { panic!("{acts:?}") };
                let insists = expects == Expects::Next;
                let request = Request { expected_revision: insists.then_some(Revision(act.revision)), ..sent(act) };
                let placed = machine.record(CENTER, &request);
                assert_eq!(placed.map(|placed| placed.revision), Some(Revision(act.revision)), "{act:?}");
            }
            (_, Due::Stale { act, expected }) => {
                let request = Request { expected_revision: Some(Revision(*expected)), ..sent(act) };
                let refused = machine.refusal(&request);
                assert!(
                    matches!(refused, RecordError::RevisionStale { actual, .. } if actual == Revision(act.revision)),
                    "{act:?}: {refused}"
                );
            }
            (_, Due::Refused(act)) => {
                let refused = machine.refusal(&sent(act));
                assert!(matches!(refused, RecordError::Refused(_)), "{act:?}: {refused}");
            }
            (_, Due::Same(act)) => {
                let first = machine.witnessed.seen().acknowledged.get(&(chain(act.chain), sent(act).event_id)).cloned();
                assert!(first.is_some(), "{act:?}");
                assert_eq!(machine.record(CENTER, &sent(act)), first, "{act:?}");
            }
            (_, Due::Reused(act)) => {
                let mut request = sent(act);
                request.occurred_at -= 1;
                let refused = machine.refusal(&request);
                assert!(matches!(refused, RecordError::EventIdReused { .. }), "{act:?}: {refused}");
            }
            (Step::Erase { .. }, Due::Placed(acts)) => machine.erase(acts),
            (_, Due::Placed(acts)) => machine.batch(acts),
            (Step::Rotate, Due::Nothing) => machine.rotate(),
            (Step::Rebuild, Due::Nothing) => machine.rebuild(model),
            (Step::Crash { seed }, Due::Nothing) => {
                machine.crash(seed);
                machine.open();
            }
            (_, Due::Nothing) => {
                machine.close();
                machine.open();
            }
        }
        machine
    }

    fn check_invariants(machine: &Machine, model: &Model) {
        let (_, process) = machine.running.as_ref().unwrap();
        assert_eq!(process.log.size(), TreeSize((FOUNDING + model.log.len()) as u64));
    }

    fn teardown(mut machine: Machine, model: Model) {
        machine.rebuild(&model);
        machine.close();
        let leaves = judge(world(), &machine.disk, &machine.start, &machine.witnessed, "at the end");
        assert_eq!(leaves, FOUNDING + model.log.len());
    }
}

fn config() -> ProptestConfig {
    // Made here, outside of every runtime.
    world();
    let cases = if is_full() { CASES_MANY } else { CASES_FEW };
    let rng_seed = RngSeed::Fixed(seeds(1, 1).start);
    ProptestConfig { cases, rng_seed, failure_persistence: None, ..ProptestConfig::default() }
}

prop_state_machine! {
    #![proptest_config(config())]
    #[test]
    fn any_steps_in_any_order_end_as_the_model_says(sequential 1..24 => Recording);
}
