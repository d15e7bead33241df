//! A log that fails on purpose: every write in both ways, *failed and not stored* and *failed but stored*.
//!
//! ```text
//! caller ── Faulty ── log        Faults: what goes wrong next, on command or drawn from a seed
//! ```

use std::{
    collections::VecDeque,
    io,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use bytes::Bytes;
use tokio::sync::Notify;

use crate::{
    chain::{ChainId, Revision},
    log::{AppendError, Cursor, Followed, Follower, Log, ReadError, Stored},
};

/// Times that a slow operation lets every other task go first.
const SLOW_YIELDS: u32 = 64;

/// What goes wrong with an append.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AppendFault {
    /// Not stored, and the answer is [`AppendError::Unknown`].
    Lost,
    /// Stored if the log takes it, and the answer is [`AppendError::Unknown`] all the same.
    AnswerLost,
    /// Not stored: [`AppendError::Full`].
    Full,
    /// Not stored: [`AppendError::NoSpace`].
    NoSpace,
    /// Not stored: [`AppendError::Unavailable`].
    Unavailable,
    /// Every other task goes first; then as if nothing had been.
    Slow,
    /// Waits for [`Faults::release`]; then as if nothing had been.
    Held,
}

/// What goes wrong with a read, with starting to follow, or with the next records of a follower. Nothing is skipped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReadFault {
    /// [`ReadError::Unavailable`].
    Unavailable,
    /// [`ReadError::Damaged`].
    Damaged,
    /// Every other task goes first; then as if nothing had been.
    Slow,
    /// Waits for [`Faults::release`]; then as if nothing had been.
    Held,
}

/// A log that passes everything on to another one, save for what [`Faults`] says.
#[derive(Debug, Clone)]
pub struct Faulty<L> {
    log: L,
    faults: Faults,
}

impl<L: Log> Faulty<L> {
    /// Stands in front of a log. Nothing goes wrong until [`Faults`] is told so.
    #[must_use]
    pub fn new(log: L) -> Self {
        Self { log, faults: Faults::default() }
    }

    /// What goes wrong with this log.
    #[must_use]
    pub fn faults(&self) -> Faults {
        self.faults.clone()
    }

    /// The log behind, without faults.
    #[must_use]
    pub fn log(&self) -> &L {
        &self.log
    }
}

impl<L: Log> Log for Faulty<L> {
    type Follower = FaultyFollower<L::Follower>;

    async fn append(&self, chain: ChainId, expected: Revision, record: Bytes) -> Result<(), AppendError> {
        match self.faults.draw_append() {
            None => {}
            Some(AppendFault::Lost) => return Err(AppendError::Unknown(Some(injected()))),
            Some(AppendFault::AnswerLost) => {
                drop(self.log.append(chain, expected, record).await);
                return Err(AppendError::Unknown(Some(injected())));
            }
            Some(AppendFault::Full) => return Err(AppendError::Full { capacity: 0 }),
            Some(AppendFault::NoSpace) => return Err(AppendError::NoSpace),
            Some(AppendFault::Unavailable) => return Err(AppendError::Unavailable(Some(injected()))),
            Some(AppendFault::Slow) => slow().await,
            Some(AppendFault::Held) => self.faults.held().await,
        }
        self.log.append(chain, expected, record).await
    }

    async fn read(&self, chain: ChainId, from: Revision, limit: usize) -> Result<Vec<Stored>, ReadError> {
        self.faults.read().await?;
        self.log.read(chain, from, limit).await
    }

    async fn follow(&self, after: Option<Cursor>) -> Result<Self::Follower, ReadError> {
        self.faults.follow().await?;
        Ok(FaultyFollower { follower: self.log.follow(after).await?, faults: self.faults() })
    }
}

/// Follows a [`Faulty`] log.
#[derive(Debug)]
pub struct FaultyFollower<F> {
    follower: F,
    faults: Faults,
}

impl<F: Follower> Follower for FaultyFollower<F> {
    async fn next(&mut self) -> Result<Vec<Followed>, ReadError> {
        self.faults.follow().await?;
        self.follower.next().await
    }
}

/// Says what goes wrong: first what was commanded, in order; then, with a seed, what the dice say. A clone is another
/// handle on the same plan. The same seed and the same sequence of operations meet the same faults.
#[derive(Debug, Clone, Default)]
pub struct Faults {
    plan: Arc<Mutex<Plan>>,
    released: Arc<Notify>,
}

impl Faults {
    /// The next append that is not spoken for meets this fault.
    pub fn on_append(&self, fault: AppendFault) {
        self.plan().appends.push_back(fault);
    }

    /// The next read that is not spoken for meets this fault.
    pub fn on_read(&self, fault: ReadFault) {
        self.plan().reads.push_back(fault);
    }

    /// The next start or step of following that is not spoken for meets this fault.
    pub fn on_follow(&self, fault: ReadFault) {
        self.plan().follows.push_back(fault);
    }

    /// From now on, `per_mille` of a thousand operations fail, in all the ways that pass by themselves.
    pub fn by_seed(&self, seed: u64, per_mille: u64) {
        self.plan().dice = Some(Dice { state: seed, per_mille });
    }

    /// Lets everything that is held go on.
    pub fn release(&self) {
        self.released.notify_waiters();
    }

    /// Nothing goes wrong any more, and what is held goes on.
    pub fn stop(&self) {
        let injected = self.injected();
        *self.plan() = Plan { injected, ..Plan::default() };
        self.release();
    }

    /// Number of faults met so far.
    #[must_use]
    pub fn injected(&self) -> u64 {
        self.plan().injected
    }

    fn draw_append(&self) -> Option<AppendFault> {
        let mut plan = self.plan();
        let fault = plan.appends.pop_front().or_else(|| plan.dice.as_mut()?.draw(&APPEND_FAULTS));
        plan.injected += u64::from(fault.is_some());
        fault
    }

    async fn read(&self) -> Result<(), ReadError> {
        let fault = self.draw_read(|plan| &mut plan.reads);
        self.meet(fault).await
    }

    async fn follow(&self) -> Result<(), ReadError> {
        let fault = self.draw_read(|plan| &mut plan.follows);
        self.meet(fault).await
    }

    fn draw_read(&self, commanded: fn(&mut Plan) -> &mut VecDeque<ReadFault>) -> Option<ReadFault> {
        let mut plan = self.plan();
        let fault = commanded(&mut plan).pop_front().or_else(|| plan.dice.as_mut()?.draw(&READ_FAULTS));
        plan.injected += u64::from(fault.is_some());
        fault
    }

    async fn meet(&self, fault: Option<ReadFault>) -> Result<(), ReadError> {
        match fault {
            None => {}
            Some(ReadFault::Unavailable) => return Err(ReadError::Unavailable(Some(injected()))),
            Some(ReadFault::Damaged) => return Err(ReadError::Damaged { place: INJECTED.to_owned() }),
            Some(ReadFault::Slow) => slow().await,
            Some(ReadFault::Held) => self.held().await,
        }
        Ok(())
    }

    async fn held(&self) {
        self.released.notified().await;
    }

    fn plan(&self) -> MutexGuard<'_, Plan> {
        self.plan.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Faults of appends that a seed draws from. A held operation needs somebody who releases it, and is commanded only.
const APPEND_FAULTS: [AppendFault; 6] = [
    AppendFault::Lost,
    AppendFault::AnswerLost,
    AppendFault::Full,
    AppendFault::NoSpace,
    AppendFault::Unavailable,
    AppendFault::Slow,
];

/// Faults of reads that a seed draws from: a damaged log stays damaged, and is commanded only.
const READ_FAULTS: [ReadFault; 2] = [ReadFault::Unavailable, ReadFault::Slow];

const INJECTED: &str = "an injected fault";

fn injected() -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, INJECTED)
}

async fn slow() {
    for _turn in 0..SLOW_YIELDS {
        tokio::task::yield_now().await;
    }
}

#[derive(Debug, Default)]
struct Plan {
    appends: VecDeque<AppendFault>,
    reads: VecDeque<ReadFault>,
    follows: VecDeque<ReadFault>,
    dice: Option<Dice>,
    injected: u64,
}

#[derive(Debug)]
struct Dice {
    state: u64,
    per_mille: u64,
}

impl Dice {
    fn draw<T: Copy>(&mut self, faults: &[T]) -> Option<T> {
        if self.roll() % 1_000 >= self.per_mille {
            return None;
        }
        let at = self.roll() % faults.len() as u64;
        faults.get(usize::try_from(at).ok()?).copied()
    }

    /// SplitMix64 (Steele, Lea, Flood 2014): tiny, and the same on every machine.
    fn roll(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::MemoryLog;

    async fn make() -> Faulty<MemoryLog> {
        Faulty::new(MemoryLog::new())
    }

    crate::conformance!(make);

    const CHAIN: ChainId = ChainId([7; 16]);

    fn record() -> Bytes {
        Bytes::from_static(b"record")
    }

    async fn length(log: &Faulty<MemoryLog>) -> usize {
        log.log().read(CHAIN, Revision::FIRST, 9).await.unwrap().len()
    }

    #[tokio::test]
    async fn a_lost_append_and_a_lost_answer_look_alike_and_differ_in_what_is_stored() {
        for (fault, stored) in [(AppendFault::Lost, 0), (AppendFault::AnswerLost, 1)] {
            let log = make().await;
            log.faults().on_append(fault);
            let answer = log.append(CHAIN, Revision::FIRST, record()).await;
            assert!(matches!(answer, Err(AppendError::Unknown(Some(_)))), "{fault:?}");
            assert_eq!(length(&log).await, stored, "{fault:?}");
            log.append(CHAIN, Revision::FIRST, record()).await.unwrap();
            assert_eq!(length(&log).await, 1, "{fault:?}");
        }
    }

    #[tokio::test]
    async fn a_refused_append_stores_nothing_and_says_so() {
        let log = make().await;
        for fault in [AppendFault::Full, AppendFault::NoSpace, AppendFault::Unavailable] {
            log.faults().on_append(fault);
        }
        let mut answers = Vec::new();
        for _attempt in 0..3 {
            answers.push(log.append(CHAIN, Revision::FIRST, record()).await.unwrap_err().to_string());
        }
        assert_eq!(
            answers,
            ["the queue of 0 appends is full", "no space left on the disk of the log", "the log is unavailable",]
        );
        assert_eq!(length(&log).await, 0);
        assert_eq!(log.faults().injected(), 3);
    }

    #[tokio::test]
    async fn a_held_append_waits_for_its_release() {
        let log = make().await;
        log.faults().on_append(AppendFault::Held);
        let held = log.append(CHAIN, Revision::FIRST, record());
        tokio::pin!(held);
        tokio::select! {
            biased;
            _ = &mut held => panic!("the append was not held"),
            () = tokio::task::yield_now() => {}
        }
        assert_eq!(length(&log).await, 0);
        log.faults().release();
        held.await.unwrap();
        assert_eq!(length(&log).await, 1);
    }

    #[tokio::test]
    async fn a_failed_read_or_step_skips_nothing() {
        let log = make().await;
        log.append(CHAIN, Revision::FIRST, record()).await.unwrap();
        log.faults().on_read(ReadFault::Damaged);
        assert!(matches!(log.read(CHAIN, Revision::FIRST, 9).await, Err(ReadError::Damaged { .. })));
        assert_eq!(log.read(CHAIN, Revision::FIRST, 9).await.unwrap().len(), 1);

        log.faults().on_follow(ReadFault::Unavailable);
        assert!(matches!(log.follow(None).await, Err(ReadError::Unavailable(_))));
        let mut follower = log.follow(None).await.unwrap();
        log.faults().on_follow(ReadFault::Unavailable);
        log.faults().on_follow(ReadFault::Slow);
        assert!(matches!(follower.next().await, Err(ReadError::Unavailable(_))));
        assert_eq!(follower.next().await.unwrap().len(), 1);
    }

    #[tokio::test]
    async fn the_same_seed_gives_the_same_faults_and_stopping_ends_them() {
        async fn run(seed: u64) -> Vec<Option<String>> {
            let log = make().await;
            log.faults().by_seed(seed, 500);
            let mut answers = Vec::new();
            for _attempt in 0..64 {
                answers.push(log.append(CHAIN, Revision::FIRST, record()).await.err().map(|error| error.to_string()));
            }
            assert!(log.faults().injected() > 10, "seed {seed}");
            log.faults().stop();
            log.append(CHAIN, Revision::FIRST, record()).await.unwrap();
            answers
        }
        assert_eq!(run(1).await, run(1).await);
        assert_ne!(run(1).await, run(2).await);
    }
}
