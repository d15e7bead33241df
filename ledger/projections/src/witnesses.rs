//! The witnesses of a log: asks each of them to cosign every new checkpoint, and publishes what they answer.
//!
//! ```text
//! seals ─ newest checkpoint ─┬─ asker of witness 1 ─┐
//!                            ├─ asker of witness 2 ─┼─ cosignatures ─┬─ `checkpoint`            after the grace, with what came
//!                            └─ asker of witness n ─┘                └─ `checkpoint.witnessed`  once the quorum is met; stored first
//! ```
//!
//! A *round* is about one checkpoint. It stays open until every witness that is not in trouble has cosigned, or the grace
//! is over; then the newest checkpoint is the next round's. Checkpoints that come in between get no round: the next one
//! extends them. A cosignature that comes later still counts for its own round. Every witness has one request under way
//! at most, retries after a pause that doubles, and holds up nobody but itself: the sealer and the desks do not wait for
//! any of this unless a caller asks for a witnessed receipt, and then only that caller waits, for a bounded time.

use std::{collections::BTreeMap, io, sync::Arc, time::Duration};

use mediation_ledger::{
    checkpoint::{Checkpoint, CheckpointError, Cosignature, SignedCheckpoint},
    merkle::TreeSize,
    note::{KeyName, Note, NoteError, Signature, VerifierKey},
    policy::Policy,
    store::WitnessedStore,
};
use tokio::{
    sync::{mpsc, watch},
    task::JoinSet,
    time::{Instant, MissedTickBehavior},
};

use crate::sealer::Seals;

mod asker;
mod cosigned;
#[cfg(test)]
mod tests;

pub use self::cosigned::{Cosigned, WitnessRow};
use self::{asker::Asker, cosigned::Standing};

/// Rounds whose late cosignatures still count.
const ROUNDS_MAX: usize = 64;

/// Time from the beginning of one round to that of the next, at least: a busy log has a checkpoint every few
/// milliseconds, and every cosignature costs its witness a sync.
const ROUND_INTERVAL: Duration = Duration::from_millis(200);

/// How often it is looked who lags.
const LAG_INTERVAL: Duration = Duration::from_millis(500);

/// Brings a request to a witness: the transport.
pub trait Courier: Send + Sync + std::fmt::Debug + 'static {
    /// Posts a body to an address; answers status and body, both bounded.
    ///
    /// MUST give up by itself within the time-out.
    ///
    /// # Errors
    /// What kept it from getting an answer, for the operator.
    fn post(
        &self,
        url: &str,
        body: String,
        timeout: Duration,
    ) -> impl Future<Output = Result<(u16, Vec<u8>), String>> + Send;
}

/// Times of the collection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// How long a checkpoint waits for cosignatures before it is published with those that came.
    pub grace: Duration,
    /// How long one request may take.
    pub timeout: Duration,
    /// How long a witness may be behind before the operator is warned.
    pub lag_limit: Duration,
}

/// Collects cosignatures.
#[derive(Debug)]
pub struct Witnesses<C> {
    collector: Collector,
    askers: Vec<Asker<C>>,
    answers: mpsc::Receiver<Answered>,
}

/// A cosignature that holds.
#[derive(Debug)]
struct Answered {
    size: TreeSize,
    signature: Signature,
    cosignature: Cosignature,
}

/// The checkpoint of a round, as the askers see it.
#[derive(Debug, Clone)]
struct Target {
    checkpoint: Checkpoint,
    note: Note,
}

/// What is collected for one checkpoint.
#[derive(Debug)]
struct Round {
    note: Note,
    cosignatures: Vec<Cosignature>,
}

#[derive(Debug)]
struct Collector {
    policy: Policy,
    origin: KeyName,
    seals: Seals,
    store: Arc<dyn WitnessedStore>,
    options: Options,
    standing: Arc<Standing>,
    target: watch::Sender<Option<Arc<Target>>>,
    rounds: BTreeMap<TreeSize, Round>,
    /// Size of the round that is open, and when its grace is over.
    open: Option<(TreeSize, Instant)>,
    /// No round begins before.
    next_round: Instant,
}

impl<C: Courier> Witnesses<C> {
    /// Prepares to collect for the log with these keys, one or two, of which the policy names one. `witnessed` is what [`witnessed`] has found in the store.
    ///
    /// # Errors
    /// The policy does not name the log, or a witness without its address.
    pub fn new(
        policy: Policy,
        log: &[VerifierKey],
        seals: Seals,
        courier: &Arc<C>,
        store: Arc<dyn WitnessedStore>,
        last: Option<SignedCheckpoint>,
        options: Options,
    ) -> Result<(Self, Cosigned), WitnessesError> {
        let named = policy.logs().iter().find(|trusted| log.contains(&trusted.key)).map(|trusted| trusted.key.name());
        let origin = named.cloned().ok_or(WitnessesError::OtherLog)?;
        let last = last.map(|signed| (signed.checkpoint.size, signed.note.to_string()));
        let standing = Arc::new(Standing::new(&policy, last));
        let (target, _) = watch::channel(None);
        let (answer, answers) = mpsc::channel(ROUNDS_MAX);
        let mut askers = Vec::new();
        for (name, witness) in policy.witnesses() {
            let without = || WitnessesError::NoAddress { witness: name.to_owned() };
            askers.push(Asker {
                key: witness.key.clone(),
                url: witness.url.clone().ok_or_else(without)?,
                courier: Arc::clone(courier),
                seals: seals.clone(),
                standing: Arc::clone(&standing),
                target: target.subscribe(),
                answers: answer.clone(),
                timeout: options.timeout,
                known: None,
            });
        }
        let cosigned = Cosigned::new(seals.clone(), Arc::clone(&standing));
        let (rounds, next_round) = (BTreeMap::new(), Instant::now());
        let collector =
            Collector { policy, origin, seals, store, options, standing, target, rounds, open: None, next_round };
        Ok((Self { collector, askers, answers }, cosigned))
    }

    /// Collects until told to stop. What is under way then is dropped; the next start asks again.
    ///
    /// # Errors
    /// A checkpoint of the seals cannot be read: a bug.
    pub async fn run(self, stop: impl Future<Output = ()> + Send) -> Result<(), WitnessesError> {
        let Self { mut collector, askers, mut answers } = self;
        // Dropped with this future, and the askers with it.
        let mut tasks = JoinSet::new();
        for asker in askers {
            tasks.spawn(asker.run());
        }
        let mut sealed = collector.seals.watch();
        let mut lag = tokio::time::interval(LAG_INTERVAL);
        lag.set_missed_tick_behavior(MissedTickBehavior::Delay);
        tokio::pin!(stop);
        loop {
            let wake = collector.wake();
            tokio::select! {
                () = &mut stop => return Ok(()),
                Some(answered) = answers.recv() => collector.take(answered).await?,
                () = tokio::time::sleep_until(wake.unwrap_or_else(Instant::now)), if wake.is_some() => {}
                changed = sealed.changed(), if collector.open.is_none() => {
                    if changed.is_err() {
                        // The sealer is gone; nothing new comes.
                        return Ok(());
                    }
                }
                _ = lag.tick() => collector.standing.warn(collector.options.lag_limit),
            }
            collector.turn().await?;
        }
    }
}

impl Collector {
    /// When there is something to do without anybody's doing.
    fn wake(&self) -> Option<Instant> {
        match self.open {
            Some((_, until)) => Some(until),
            None if self.seals.size() > self.newest() => Some(self.next_round),
            None => None,
        }
    }

    fn newest(&self) -> TreeSize {
        self.rounds.keys().next_back().copied().unwrap_or_default()
    }

    /// Closes the open round when it is time, and begins the next when there is one.
    async fn turn(&mut self) -> Result<(), WitnessesError> {
        if let Some((size, until)) = self.open
            && (Instant::now() >= until || self.standing.all_done(size))
        {
            self.open = None;
            self.publish(size).await?;
        }
        if self.open.is_none() && self.seals.size() > self.newest() && Instant::now() >= self.next_round {
            self.begin()?;
        }
        Ok(())
    }

    fn begin(&mut self) -> Result<(), WitnessesError> {
        let note = Note::parse(self.seals.checkpoint().as_bytes())?;
        let checkpoint: Checkpoint = note.text().parse()?;
        let (size, now) = (checkpoint.size, Instant::now());
        tracing::debug!(size = size.0, "asking the witnesses");
        self.rounds.insert(size, Round { note: note.clone(), cosignatures: Vec::new() });
        while self.rounds.len() > ROUNDS_MAX {
            self.rounds.pop_first();
        }
        self.standing.begin(size, now);
        self.open = Some((size, now + self.options.grace));
        self.next_round = now + ROUND_INTERVAL;
        self.target.send_replace(Some(Arc::new(Target { checkpoint, note })));
        Ok(())
    }

    async fn take(&mut self, answered: Answered) -> Result<(), WitnessesError> {
        let Answered { size, signature, cosignature } = answered;
        self.standing.cosigned(&cosignature, size, self.rounds.keys().copied());
        let Some(round) = self.rounds.get_mut(&size) else { return Ok(()) };
        round.note.add(signature)?;
        round.cosignatures.push(cosignature);
        // While the round is open, others may still come.
        if self.open.is_none_or(|(open, _)| open != size) {
            self.publish(size).await?;
        }
        Ok(())
    }

    /// Publishes the checkpoint of a round with the cosignatures that it has, unless a newer one was.
    async fn publish(&self, size: TreeSize) -> Result<(), WitnessesError> {
        let Some(round) = self.rounds.get(&size) else { return Ok(()) };
        let note = round.note.to_string();
        self.standing.publish(size, &note);
        if self.policy.needs_no_witness() || !self.policy.is_met(&round.cosignatures) || !self.standing.is_news(size) {
            return Ok(());
        }
        // Read once more as a client reads it: what is stored must be believed by everybody.
        SignedCheckpoint::verify(round.note.clone(), &self.origin, &self.policy.keys())?;
        let (store, text) = (Arc::clone(&self.store), note.clone());
        let stored = tokio::task::spawn_blocking(move || store.store(&text)).await;
        match stored.unwrap_or_else(|error| Err(io::Error::other(error))) {
            Ok(()) => {
                tracing::debug!(size = size.0, "witnessed");
                self.standing.witness(size, note);
            }
            Err(error) => tracing::warn!(%error, size = size.0, "the witnessed checkpoint could not be stored"),
        }
        Ok(())
    }
}

/// The checkpoint in a store that a quorum has cosigned. One that the policy of today does not take for witnessed is
/// left alone and not served; it is still a checkpoint that every later tree must extend.
///
/// # Errors
/// The store cannot be read, or what it holds is not a checkpoint of this log.
pub fn witnessed(
    store: &dyn WitnessedStore,
    origin: &KeyName,
    trusted: &[VerifierKey],
    policy: &Policy,
) -> Result<Option<StoredWitnessed>, WitnessesError> {
    let Some(note) = store.load()? else { return Ok(None) };
    let own = Checkpoint::open(note.as_bytes(), origin, trusted)?;
    let checkpoint = own.checkpoint;
    let signed = SignedCheckpoint::verify(own.note, origin, &policy.keys()).ok();
    let current = signed.filter(|signed| !policy.needs_no_witness() && policy.is_met(&signed.cosignatures));
    if current.is_none() && !policy.needs_no_witness() {
        tracing::warn!(size = checkpoint.size.0, "the stored checkpoint is not witnessed by the policy of today");
    }
    Ok(Some(StoredWitnessed { checkpoint, current }))
}

/// What stands in the store.
#[derive(Debug, Clone)]
pub struct StoredWitnessed {
    /// A checkpoint that was witnessed once: every tree of this log must extend it.
    pub checkpoint: Checkpoint,
    /// The same with its cosignatures, when they meet the policy.
    pub current: Option<SignedCheckpoint>,
}

/// Why cosignatures cannot be collected.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WitnessesError {
    /// The policy is another log's.
    #[error("the policy of the witnesses names no key of the log")]
    OtherLog,
    /// A witness that cannot be asked.
    #[error("the policy names witness `{witness}` without its address")]
    NoAddress {
        /// Its name in the policy.
        witness: String,
    },
    /// The store cannot be read.
    #[error("the witnessed checkpoint cannot be read")]
    Store(#[from] io::Error),
    /// A checkpoint is not one of this log.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// A note is none, or has no room.
    #[error(transparent)]
    Note(#[from] NoteError),
}
