//! The clock keeper (时钟守护): notes on a chain that a limit has passed, once.
//!
//! ```text
//! log.follow ─ chains that moved ─┐
//!                                 ├─ read, judge (pure) ─ lapses that have come ─ recorder ─ log
//! clock ─ chains whose time came ─┘                     └ next instant of the chain, kept
//! ```
//!
//! The keeper has no state of its own: it starts from the beginning of the log, and what it has noted stands there. A
//! lapse has one event id whoever notes it, and is appended at the revision up to which the chain was judged. Two keepers,
//! and one that was killed between append and answer, therefore note it once; an answer that comes in between is seen.
//!
//! Of each chain it keeps the next instant at which something may lapse, and nothing when nothing can. It works in rounds
//! of at most [`CHAINS_PER_ROUND`] chains and rests [`REST_FACTOR`] times as long as a round took, so that desks have the
//! machine to themselves; a chain that moves often is judged once a round. What it notes late is noted under the instant
//! of the lapse all the same.

mod fault;
mod schedule;

use std::{sync::Arc, time::Duration};

use mediation_domain::{
    admit::Caller,
    history::{EventId, Recorded},
    judge::{Lapse, Lapses, lapses},
    rules::RuleSet,
};
use mediation_ledger::{
    chain::ChainId,
    lapse,
    ledger::{CheckedEntry, Fold},
    log::{Followed, Follower as _, Log, ReadError},
    recorder::{RecordError, Recorder, Request},
    vault::Vault,
};
use mediation_proto::mediation::types::v1::AgencyKind;
use tokio::time::Instant;

use self::{
    fault::{Weight, weight},
    schedule::Schedule,
};

/// Time after which the keeper looks at the clock again: lapses come at midnight.
pub const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Chains that are judged before the keeper rests.
pub const CHAINS_PER_ROUND: usize = 64;

/// Times as long as it has worked that the keeper rests.
pub const REST_FACTOR: u32 = 4;

/// Lapses of one chain that are noted before the next chain has its turn.
const LAPSES_PER_TURN: usize = 64;

/// Rest after a round that met a fault; it doubles with each further one.
const FAULT_REST: Duration = Duration::from_secs(1);

/// Longest rest after a fault.
const FAULT_REST_MAX: Duration = Duration::from_secs(60);

/// Faults in a row after which the keeper fails: some ten minutes.
pub const FAULTS_MAX: u32 = 15;

/// Notes lapses, for the agencies whose keys its recorder holds.
#[derive(Debug)]
pub struct Keeper<L: Log, V> {
    recorder: Arc<Recorder<L, V>>,
    follower: L::Follower,
    schedule: Schedule,
    /// Rounds in a row that met a fault.
    faults: u32,
    /// The log is damaged where it would read on.
    is_blind: bool,
}

/// How a round ended.
#[derive(Debug, PartialEq, Eq)]
enum Round {
    /// No chain waits.
    Done,
    /// More chains wait.
    More,
    /// There is no room for a lapse: everything waits.
    Full,
    /// The log or the vault is away: everything waits.
    Fault,
}

impl<L: Log, V: Vault> Keeper<L, V> {
    /// Starts from the beginning of the log.
    ///
    /// # Errors
    /// The log cannot be followed.
    pub async fn start(recorder: Arc<Recorder<L, V>>) -> Result<Self, KeeperError> {
        let follower = recorder.ledger().log().follow(None).await?;
        Ok(Self { recorder, follower, schedule: Schedule::default(), faults: 0, is_blind: false })
    }

    /// Notes what lapses until told to stop.
    ///
    /// # Errors
    /// The log cannot be followed, or lapses cannot be noted [`FAULTS_MAX`] rounds in a row. A full disk is no such
    /// fault: reading goes on without room, and so does waiting for it.
    pub async fn run(mut self, stop: impl Future<Output = ()> + Send) -> Result<(), KeeperError> {
        tokio::pin!(stop);
        let rest = tokio::time::sleep(Duration::ZERO);
        tokio::pin!(rest);
        loop {
            tokio::select! {
                () = &mut stop => return Ok(()),
                batch = self.follower.next(), if !self.is_blind => match batch {
                    // Every other chain is served on, and those that were read are kept.
                    Err(ReadError::Damaged { place }) => {
                        tracing::error!(place, "the keeper reads the log no further: stored bytes are damaged");
                        self.is_blind = true;
                    }
                    batch => self.mark(&batch?),
                },
                () = &mut rest => {
                    let began = Instant::now();
                    let round = tokio::select! {
                        // A crash, or a stop, in the middle of a round leaves lapses noted or not: the next keeper asks.
                        () = &mut stop => return Ok(()),
                        round = self.round() => round?,
                    };
                    let now = Instant::now();
                    rest.as_mut().reset(now + self.rest(&round, now - began));
                }
            }
        }
    }

    fn mark(&mut self, batch: &[Followed]) {
        let registry = ChainId::registry(self.recorder.ledger().origin());
        for followed in batch.iter().filter(|followed| followed.stored.chain != registry) {
            self.schedule.mark(followed.stored.chain);
        }
    }

    fn rest(&self, round: &Round, worked: Duration) -> Duration {
        match round {
            Round::Done => LOOK_EVERY.max(worked * REST_FACTOR),
            Round::More => worked * REST_FACTOR,
            Round::Full => FAULT_REST_MAX,
            Round::Fault => FAULT_REST.saturating_mul(1 << self.faults.min(6)).min(FAULT_REST_MAX),
        }
    }

    /// Gives as many chains a turn as fit into a round.
    async fn round(&mut self) -> Result<Round, KeeperError> {
        self.schedule.come(self.now_s());
        for _turn in 0..CHAINS_PER_ROUND {
            let Some(chain) = self.schedule.next() else { return Ok(Round::Done) };
            if let Err(error) = self.turn(chain).await {
                return self.weigh(chain, error);
            }
            self.faults = 0;
        }
        Ok(if self.schedule.is_idle() { Round::Done } else { Round::More })
    }

    /// What a fault means for the keeper.
    fn weigh(&mut self, chain: ChainId, source: RecordError) -> Result<Round, KeeperError> {
        match weight(&source) {
            Weight::Chain => {
                tracing::error!(%chain, error = %source, "the lapses of a chain cannot be noted");
                Ok(Round::More)
            }
            Weight::Full => {
                tracing::warn!(%chain, error = %source, "a lapse waits: there is no room for it");
                self.schedule.mark(chain);
                Ok(Round::Full)
            }
            Weight::World if self.faults < FAULTS_MAX => {
                self.faults += 1;
                tracing::warn!(%chain, error = %source, faults = self.faults, "lapses could not be noted; trying again");
                self.schedule.mark(chain);
                Ok(Round::Fault)
            }
            Weight::World => Err(KeeperError::Chain { chain, faults: self.faults, source: Box::new(source) }),
        }
    }

    /// Judges a chain, notes what has lapsed on it and keeps when to look again.
    async fn turn(&mut self, chain: ChainId) -> Result<(), RecordError> {
        let ledger = self.recorder.ledger();
        let mut fold = Fold::new(chain);
        let entries = ledger.catch_up(&mut fold).await?;
        if fold.is_blind() {
            tracing::debug!(%chain, "a chain that the vault withholds is not judged");
            return Ok(());
        }
        let Some(rules) = rules(&entries, ledger.rule_set()) else {
            tracing::error!(%chain, rule_set = ledger.rule_set(), "there is no such rule set; nothing of the chain lapses");
            return Ok(());
        };
        let history: Vec<Recorded> = entries.into_iter().filter_map(|entry| entry.outcome.ok()).collect();
        let Lapses { come, next } = lapses(&history, ledger.registry().directory(), rules, self.now_s());
        drop(history);
        match self.note(&fold, come).await? {
            Noted::All => self.schedule.wait(chain, next),
            Noted::Some => self.schedule.mark(chain),
        }
        Ok(())
    }

    /// Notes lapses of a chain that was judged as far as `fold` has come.
    async fn note(&self, fold: &Fold, come: Vec<Lapse>) -> Result<Noted, RecordError> {
        let (chain, origin) = (fold.chain(), self.recorder.ledger().origin());
        // What was noted already and withdrawn, or does not count, is not noted again.
        let is_missing = |lapse: &Lapse, id| fold.place(id).is_none() && self.recorder.signs_for(&lapse.agency);
        let mut missing: Vec<(EventId, Lapse)> =
            come.into_iter().map(|lapse| (lapse::event_id(origin, chain, &lapse), lapse)).collect();
        missing.retain(|(id, lapse)| is_missing(lapse, *id));
        let too_many = missing.len() > LAPSES_PER_TURN;
        missing.truncate(LAPSES_PER_TURN);
        let (mut expected, mut gained) = (fold.next(), false);
        for (event_id, Lapse { event, agency, occurred_at, act, .. }) in missing {
            let request = Request { chain, event_id, expected_revision: Some(expected), occurred_at, act };
            let caller = Caller { agency, kind: AgencyKind::GovernanceCenter };
            let agency = &caller.agency;
            match self.recorder.record(&caller, &request).await {
                Ok(placed) => {
                    (expected, gained) = (placed.revision.next(), true);
                    tracing::info!(%chain, revision = %placed.revision, event, agency, "a lapse is noted");
                }
                // The chain has moved since it was judged, and is judged again.
                Err(RecordError::RevisionStale { .. }) => return Ok(Noted::Some),
                // Another keeper has noted it, and has seen the chain otherwise.
                Err(RecordError::EventIdReused { .. } | RecordError::EventIdTaken) => {}
                // Asked again when the chain moves, since only then the answer can be another.
                Err(RecordError::Refused(refusal)) => {
                    tracing::warn!(%chain, event, agency, reason = ?refusal.reason, "a lapse may not be noted");
                }
                Err(RecordError::KeyNotHeld { .. } | RecordError::KeyInvalid { .. }) => {
                    tracing::warn!(%chain, event, agency, "the key of the center that answers may not sign");
                }
                Err(error) => return Err(error),
            }
        }
        // A turn that gained nothing would be followed by another like it.
        Ok(if too_many && gained { Noted::Some } else { Noted::All })
    }

    fn now_s(&self) -> i64 {
        self.recorder.ledger().clock().now_ms().div_euclid(1_000)
    }
}

/// What became of the lapses of a chain.
enum Noted {
    /// Every one is noted, or given up until the chain moves.
    All,
    /// Some are left: the chain has moved, or there were too many for one turn.
    Some,
}

/// The rule set that a chain is judged by: the one that its first act names which counts, as for every reader.
fn rules(entries: &[CheckedEntry], own: &str) -> Option<&'static RuleSet> {
    let counting = entries.iter().filter(|entry| entry.outcome.is_ok());
    let mut named = counting.filter_map(|entry| RuleSet::named(&entry.statement.as_ref()?.rule_set));
    named.next().or_else(|| RuleSet::named(own))
}

/// Why no lapses are noted any more.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeeperError {
    /// The log cannot be followed.
    #[error(transparent)]
    Log(#[from] ReadError),
    /// Lapses of a chain could not be noted, time after time.
    #[error("the lapses of chain {chain} could not be noted after {faults} faults in a row: {source}")]
    Chain {
        /// Chain.
        chain: ChainId,
        /// Faults in a row.
        faults: u32,
        /// The last of them.
        source: Box<RecordError>,
    },
}

#[cfg(test)]
pub(crate) mod tests;
