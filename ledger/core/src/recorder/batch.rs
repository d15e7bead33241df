//! Many acts at once, down the same path as one: for bulk transfers, and for histories that are made up.
//!
//! ```text
//! hold the chains' folds, catch up ─ chain by chain, on all cores: admit, seal, sign, advance the fold
//!                                  ─ one deposit of all keys ─ one append of all records ─ the folds are kept
//! ```
//!
//! Until the append nothing has changed but folds in memory, and those are forgotten when the batch does not come
//! through: a refusal of one act records none.

use std::{
    collections::BTreeMap,
    num::NonZero,
    sync::{Arc, Mutex, PoisonError},
    thread,
};

use mediation_domain::admit::Caller;
use tokio::sync::{OwnedMutexGuard, oneshot};

use super::{Attempt, Placed, RecordError, Recorder, Request, Signing, recorded};
use crate::{
    chain::{ChainId, Revision},
    ledger::{CheckedEntry, Fault, Fold, LedgerError},
    limits::{BATCH_REQUESTS_MAX, RESEND_ATTEMPTS_MAX},
    log::{Append, AppendError, Log},
    registry::Registry,
    vault::Vault,
};

/// A request and who makes it.
#[derive(Debug, Clone)]
pub struct Submitted {
    /// Who calls.
    pub caller: Caller,
    /// What shall be recorded.
    pub request: Request,
}

/// A request of a batch at work, by its place in the batch, with what the clock said.
type Numbered = (usize, Submitted, i64);

/// What became of a chain's requests, or the first that was refused.
type Made = Result<Vec<(usize, Attempt)>, BatchError>;

impl<L: Log, V: Vault> Recorder<L, V> {
    /// Records acts in their order, several to a chain where they are, durably. The ledger's clock is read once for each
    /// act, in their order. Acts that stand already are answered as [`Recorder::record`] does.
    ///
    /// Everything is decided before anything is written. What the log then makes of the batch is its own promise
    /// ([`Log::append_batch`]): after [`BatchError::Failed`] the caller submits the same acts again.
    ///
    /// # Errors
    /// A refusal of one act, after which nothing has been recorded, or a fault.
    pub async fn record_batch(self: &Arc<Self>, batch: Vec<Submitted>) -> Result<Vec<Placed>, BatchError> {
        let size = batch.len();
        if size > BATCH_REQUESTS_MAX {
            return Err(BatchError::TooMany { size });
        }
        let mut held = self.hold(&batch).await?;
        let failed = |error: LedgerError| BatchError::Failed(error.into());
        let registry = self.ledger.refresh_registry().await.map_err(failed)?;
        let mut outcome: BTreeMap<usize, Placed> = BTreeMap::new();
        let mut fresh: BTreeMap<ChainId, Vec<Numbered>> = BTreeMap::new();
        for (index, submitted) in batch.into_iter().enumerate() {
            let now_ms = self.ledger.clock().now_ms();
            let refused = |source| BatchError::Refused { index, source };
            let (submission, _) = self.submission(&submitted.caller, &submitted.request).map_err(refused)?;
            let chain = submitted.request.chain;
            match held.get(&chain).and_then(|held| held.fold.place(submitted.request.event_id)) {
                Some(revision) => {
                    outcome.insert(index, self.replay(&submission, revision).await.map_err(refused)?);
                }
                None => {
                    fresh.entry(chain).or_default().push((index, submitted, now_ms));
                }
            }
        }
        let work = fresh.into_iter().filter_map(|(chain, requests)| Some((held.remove(&chain)?, requests)));
        let (folds, attempts) = self.make(work.collect()).await?;
        outcome.extend(self.store(attempts).await?);
        self.keep(folds, &registry, &outcome).await.map_err(BatchError::Failed)?;
        Ok(outcome.into_values().collect())
    }

    /// Keeps the folds that ran ahead. What they say of the registry chain lacks the places in the log, and when the registry
    /// has moved meanwhile, entries of the batch may stand behind a revocation of their keys: such folds are forgotten, and
    /// the entries read as everybody reads them.
    async fn keep(
        &self,
        folds: Vec<HeldFold>,
        registry: &Arc<Registry>,
        outcome: &BTreeMap<usize, Placed>,
    ) -> Result<(), RecordError> {
        let registry_chain = ChainId::registry(self.ledger.origin());
        let (of_registry, others): (Vec<_>, Vec<_>) =
            folds.into_iter().partition(|held| held.fold.chain() == registry_chain);
        drop(of_registry);
        if Arc::ptr_eq(registry, &self.ledger.refresh_registry().await?) {
            others.into_iter().for_each(HeldFold::keep);
            return Ok(());
        }
        for held in others {
            let mut fold = Fold::new(held.fold.chain());
            let entries = self.ledger.catch_up(&mut fold).await?;
            let placed = outcome.values().filter(|placed| placed.chain == fold.chain());
            for placed in placed {
                let entry = entries.iter().find(|entry| entry.revision == placed.revision);
                if let Some(CheckedEntry { outcome: Err(Fault::Key(fault)), statement: Some(statement), .. }) = entry {
                    let (agency, fault) = (statement.agency.clone(), fault.clone());
                    return Err(RecordError::KeyInvalid { agency, fault });
                }
            }
        }
        Ok(())
    }

    /// The folds of all chains of a batch, caught up. They are taken in the order of the chains, so that two batches
    /// never wait for each other.
    async fn hold(&self, batch: &[Submitted]) -> Result<BTreeMap<ChainId, HeldFold>, BatchError> {
        let mut held: BTreeMap<ChainId, HeldFold> = BTreeMap::new();
        let mut chains: Vec<ChainId> = batch.iter().map(|submitted| submitted.request.chain).collect();
        chains.sort_unstable();
        chains.dedup();
        for chain in chains {
            let mut fold = HeldFold { fold: self.folds.of(chain).lock_owned().await, forget: false };
            self.catch_up(&mut fold.fold).await.map_err(BatchError::Failed)?;
            held.insert(chain, fold);
        }
        Ok(held)
    }

    /// Makes everything that is to be stored, chain by chain, on all cores.
    async fn make(
        self: &Arc<Self>,
        work: Vec<(HeldFold, Vec<Numbered>)>,
    ) -> Result<(Vec<HeldFold>, BTreeMap<usize, Attempt>), BatchError> {
        let (made, outcome) = oneshot::channel();
        let recorder = Arc::clone(self);
        // A thread of its own: signing for thousands must not hold up the runtime's few threads.
        let coordinator = thread::Builder::new().name("batch".to_owned());
        let coordinate = move || drop(made.send(recorder.make_on_all_cores(work)));
        let gone = || BatchError::Failed(RecordError::Append(AppendError::Unavailable(None)));
        coordinator.spawn(coordinate).map_err(|_error| gone())?;
        let done = outcome.await.map_err(|_gone| gone())?;
        let mut folds = Vec::with_capacity(done.len());
        let mut attempts = BTreeMap::new();
        let mut refused: Option<BatchError> = None;
        for (fold, made) in done {
            folds.push(fold);
            match made {
                Ok(made) => attempts.extend(made),
                // The first of the batch, whichever thread found one first.
                Err(error) if refused.as_ref().is_none_or(|known| error.index() < known.index()) => {
                    refused = Some(error);
                }
                Err(_) => {}
            }
        }
        refused.map_or(Ok((folds, attempts)), Err)
    }

    fn make_on_all_cores(&self, work: Vec<(HeldFold, Vec<Numbered>)>) -> Vec<(HeldFold, Made)> {
        let cores = thread::available_parallelism().map_or(1, NonZero::get).min(work.len());
        let (work, done) = (Mutex::new(work.into_iter()), Mutex::new(Vec::new()));
        let next = || work.lock().unwrap_or_else(PoisonError::into_inner).next();
        thread::scope(|scope| {
            for _core in 0..cores {
                scope.spawn(|| {
                    let mut own = Vec::new();
                    while let Some((mut held, requests)) = next() {
                        held.forget = true;
                        let made = self.make_chain(&mut held.fold, requests);
                        own.push((held, made));
                    }
                    done.lock().unwrap_or_else(PoisonError::into_inner).append(&mut own);
                });
            }
        });
        done.into_inner().unwrap_or_else(PoisonError::into_inner)
    }

    /// One chain's requests in their order; each finds the fold as the one before it leaves it.
    fn make_chain(&self, fold: &mut Fold, requests: Vec<Numbered>) -> Made {
        let mut made = Vec::with_capacity(requests.len());
        for (index, Submitted { caller, request }, now_ms) in requests {
            let recorded_at = fold.recorded_next(now_ms);
            let refused = |source| BatchError::Refused { index, source };
            if let Some(revision) = fold.place(request.event_id) {
                return Err(BatchError::EventIdTwice { index, revision });
            }
            let (submission, signer) = self.submission(&caller, &request).map_err(refused)?;
            let admitted = self.admit(&submission, fold).map_err(refused)?;
            self.check(&submission, fold, admitted, recorded_at).map_err(refused)?;
            let attempt = self.attempt(&submission, Signing::Here(signer), fold, recorded_at).map_err(refused)?;
            let recorded = recorded(&caller, request, attempt.placed.revision, recorded_at);
            let advanced = fold.advance(self.ledger.origin(), attempt.placed.leaf, &recorded);
            advanced.map_err(|error| refused(error.into()))?;
            made.push((index, attempt));
        }
        Ok(made)
    }

    /// Keeps all keys, then appends all records, in the order of the batch.
    async fn store(&self, attempts: BTreeMap<usize, Attempt>) -> Result<BTreeMap<usize, Placed>, BatchError> {
        let mut deposits = Vec::with_capacity(attempts.len());
        let mut records = Vec::with_capacity(attempts.len());
        let mut placed = BTreeMap::new();
        for (index, attempt) in attempts {
            let Placed { chain, revision, .. } = attempt.placed;
            deposits.push((chain, attempt.deposits));
            records.push(Append { chain, expected: revision, record: attempt.record });
            placed.insert(index, attempt.placed);
        }
        if records.is_empty() {
            return Ok(placed);
        }
        // A crash after this leaves keys of parts that no record has: they open nothing.
        let kept = self.ledger.vault().deposit_all(deposits).await;
        kept.map_err(|error| BatchError::Failed(error.into()))?;
        let mut resends = 0;
        loop {
            match self.ledger.log().append_batch(records.clone()).await {
                Ok(()) => return Ok(placed),
                Err(AppendError::Unknown(cause)) if resends < RESEND_ATTEMPTS_MAX => {
                    resends += 1;
                    tracing::warn!(resends, ?cause, "the append of a batch ended unknown, asking again");
                }
                Err(error) if resends > 0 => return Err(BatchError::Failed(error.after_unknown().into())),
                Err(error) => return Err(BatchError::Failed(error.into())),
            }
        }
    }
}

/// The fold of a chain, held for a batch. When it has run ahead of the log and the batch does not come through, even
/// because nobody waits for it any more, it is forgotten and read from the log again.
struct HeldFold {
    fold: OwnedMutexGuard<Fold>,
    forget: bool,
}

impl HeldFold {
    fn keep(mut self) {
        self.forget = false;
    }
}

impl Drop for HeldFold {
    fn drop(&mut self) {
        if self.forget {
            *self.fold = Fold::new(self.fold.chain());
        }
    }
}

/// Why a batch was not recorded.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BatchError {
    /// An act was refused; nothing of the batch has been recorded.
    #[error("request {index} of the batch: {source}")]
    Refused {
        /// Place of its request in the batch, from 0.
        index: usize,
        /// Why.
        #[source]
        source: RecordError,
    },
    /// Two requests have the same event id; nothing of the batch has been recorded.
    #[error("request {index} of the batch has the event id of another one, which would take revision {revision}")]
    EventIdTwice {
        /// Place of the second one in the batch, from 0.
        index: usize,
        /// Revision that the first one would take.
        revision: Revision,
    },
    /// More requests than a batch takes; nothing of it has been recorded.
    #[error("{size} requests are more than the {BATCH_REQUESTS_MAX} of a batch")]
    TooMany {
        /// Requests.
        size: usize,
    },
    /// Log, vault or registry failed. The first acts of the batch may be recorded, or all: the same batch again tells.
    #[error(transparent)]
    Failed(RecordError),
}

impl BatchError {
    /// Place of the request that is to blame; none when no single one is.
    #[must_use]
    pub fn index(&self) -> Option<usize> {
        match self {
            Self::Refused { index, .. } | Self::EventIdTwice { index, .. } => Some(*index),
            Self::TooMany { .. } | Self::Failed(_) => None,
        }
    }
}
