//! The read model (读模型): what the chains say, in tables that any SQL tool reads. It follows from the log and the rules
//! alone and can be built anew from them at any time.
//!
//! ```text
//! log.follow ─ append: entries, pending, cursor ─┐                               one transaction for each batch
//!                                                ├─ read chain ─ judge (pure) ─ put: rows, not pending any more
//! day, agencies ─ look: chains they may change ──┘                               one transaction for some chains
//! ```
//!
//! Every transaction leaves a model that is right as far as it goes, so that a crash anywhere loses no row and doubles
//! none. A model that is built anew is loaded at one go and is there when it is complete: see `loading.rs`. Row for row it is
//! the same.
//!
//! It holds facts only: no name, no free text and nothing sealed enters it, so that what is erased need not be looked for in
//! it. It decides nothing about who may see what: see [`Reader`].
//!
//! A model that cannot be gone on with (another version, other rules, another ledger, a log that does not hold its last
//! entry, a damaged file) is built anew beside the old one, which it replaces when it is complete. A fault of the model
//! stops nothing but the model: it rests and begins again from the file.

mod accesses;
mod derived;
mod file;
mod growing;
mod loading;
mod reader;
mod rows;
mod steps;
mod store;

use std::{future::Future, io, path::Path, sync::Arc, time::Duration};

use mediation_domain::calendar::Day;
use mediation_ledger::{
    ledger::{Ledger, LedgerError},
    log::{Log, Order, ReadError},
    vault::Vault,
};
use tokio::{task::JoinError, time::Instant};

pub(crate) use self::accesses::is_access_chain;
pub use self::{
    file::NAME,
    reader::{ChainRow, DocketRow, Duty, Filter, FindingRow, PageKey, ROWS_MAX, Reader},
    store::VERSION,
};
use self::{
    file::{Place, Which},
    growing::Growing,
    loading::Loading,
    store::Identity,
};

/// Time after which the model looks at the clock again: what is late changes at midnight.
pub const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Time without a further batch after which what waits is judged: entries come before judgements, and in one go.
const CALM: Duration = Duration::from_millis(20);

/// Times as long as judging took that the model rests: desks have half of a core at least.
const REST_FACTOR: u32 = 1;

/// Rest after a fault; it doubles with each further one.
const FAULT_REST: Duration = Duration::from_secs(1);

/// Longest rest after a fault.
const FAULT_REST_MAX: Duration = Duration::from_secs(60);

/// The read model of a ledger.
#[derive(Debug)]
pub struct Model<L, V> {
    ledger: Arc<Ledger<L, V>>,
    place: Place,
    /// Chains that are judged at the same time.
    width: usize,
    /// Before this place in the log the recorders are trusted when the model is loaded.
    trusted: Order,
}

/// What building a model anew came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rebuilt {
    /// Entries of the log.
    pub entries: u64,
    /// Chains.
    pub chains: u64,
    /// Size of the file in bytes.
    pub bytes: u64,
}

/// How far building has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// So many entries were followed.
    Entries(u64),
    /// So many chains wait to be judged.
    Pending(u64),
    /// All are judged, and the indexes are made.
    Indexes,
}

/// How growing ended.
enum Grown {
    /// A model that was built anew is complete.
    Complete,
    /// It was told to stop.
    Stopped,
}

impl<L: Log, V: Vault> Model<L, V> {
    /// The model of a ledger in a directory of its own, which is made when it is missing. Chains are judged `width` at a
    /// time. Nothing is read yet.
    #[must_use]
    pub fn new(ledger: Arc<Ledger<L, V>>, directory: &Path, width: usize) -> Self {
        Self { ledger, place: Place::new(directory), width: width.max(1), trusted: Order::FIRST }
    }

    /// Trusts the recorders before a place in the log when the model is built anew: nobody else may have appended there. See
    /// [`Fold::trusting`](mediation_ledger::ledger::Fold::trusting).
    #[must_use]
    pub fn trusting(self, trusted: Order) -> Self {
        Self { trusted, ..self }
    }

    /// Answers questions from this model, while it grows.
    #[must_use]
    pub fn reader(&self) -> Reader {
        Reader::new(self.place.clone(), self.identity())
    }

    /// Grows with the log until told to stop. Faults are logged, and tried again for ever.
    pub async fn run(self, stop: impl Future<Output = ()> + Send) {
        tokio::pin!(stop);
        let mut faults = 0_u32;
        loop {
            let error = match Box::pin(self.grow(stop.as_mut(), &mut faults)).await {
                Ok(Grown::Stopped) => return,
                Ok(Grown::Complete) => match self.place.swap() {
                    Ok(()) => continue,
                    Err(error) => error,
                },
                Err(error) => error,
            };
            tracing::warn!(%error, faults, "the read model has met a fault; it begins again from its file");
            if matches!(error, Error::OtherLog { .. } | Error::Malformed { .. }) {
                tracing::warn!("the read model does not fit its log; it is built anew");
                if let Err(error) = self.place.discard() {
                    tracing::warn!(%error, "the files of the read model cannot be removed");
                }
            }
            let rest = FAULT_REST.saturating_mul(1 << faults.min(6)).min(FAULT_REST_MAX);
            faults = faults.saturating_add(1);
            tokio::select! {
                () = &mut stop => return,
                () = tokio::time::sleep(rest) => {}
            }
        }
    }

    /// Opens the file and goes on with it.
    async fn grow(&self, mut stop: impl Future<Output = ()> + Unpin, faults: &mut u32) -> Result<Grown, Error> {
        let mut growing = self.open().await?;
        if growing.which() == Which::New && growing.is_empty().await? {
            drop(growing);
            tracing::info!("the read model is built anew beside the old one");
            let loading = self.loading(REST_FACTOR);
            tokio::select! {
                () = &mut stop => return Ok(Grown::Stopped),
                loaded = loading.load(self.today(), None, &|_| ()) => loaded?,
            };
            growing = self.open().await?;
        }
        loop {
            // A stop in the middle drops a transaction that was not committed, as a crash does.
            let complete = tokio::select! {
                () = &mut stop => return Ok(Grown::Stopped),
                complete = self.round(&mut growing) => complete?,
            };
            *faults = 0;
            if complete && growing.which() == Which::New {
                growing.finish().await?;
                tracing::info!("the read model is complete");
                return Ok(Grown::Complete);
            }
        }
    }

    /// Follows what there is, judges some of what waits, rests. Says whether nothing is left to do.
    async fn round(&self, growing: &mut Growing<L, V>) -> Result<bool, Error> {
        growing.look(self.today()).await?;
        let waits = growing.waits().await?;
        let patience = if waits || growing.which() == Which::New { CALM } else { LOOK_EVERY };
        if growing.follow(patience).await? {
            return Ok(false);
        }
        if !waits {
            return Ok(true);
        }
        let began = Instant::now();
        growing.judge().await?;
        tokio::time::sleep(began.elapsed() * REST_FACTOR).await;
        Ok(false)
    }

    /// Builds the model anew as of the end of a day, from the first `entries` entries of the log at least, and puts it in the
    /// place of the old one. Nobody else may grow it meanwhile.
    ///
    /// # Errors
    /// The log, the vault or the disk is away; the old model stays as it is.
    pub async fn rebuild(
        &self,
        day: Day,
        entries: u64,
        progress: &(dyn Fn(Progress) + Sync),
    ) -> Result<Rebuilt, Error> {
        let rebuilt = self.loading(0).load(day, Some(entries), progress).await?;
        self.place.swap()?;
        let bytes = std::fs::metadata(self.place.path(Which::Current))?.len();
        Ok(Rebuilt { bytes, ..rebuilt })
    }

    async fn open(&self) -> Result<Growing<L, V>, Error> {
        Growing::open(&self.ledger, &self.place, self.identity(), self.width).await
    }

    fn loading(&self, rest_factor: u32) -> Loading<'_, L, V> {
        let Self { ledger, place, width, trusted, .. } = self;
        Loading { ledger, place, identity: self.identity(), width: *width, rest_factor, trusted: *trusted }
    }

    fn identity(&self) -> Identity {
        Identity { origin: self.ledger.origin().to_owned(), rule_set: self.ledger.rule_set().to_owned() }
    }

    fn today(&self) -> Day {
        Day::of(self.ledger.clock().now_ms().div_euclid(1_000))
    }
}

/// Why the model cannot go on, or cannot answer.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// SQLite refuses.
    #[error("the read model cannot be read or written: {0}")]
    Sqlite(#[from] rusqlite::Error),
    /// The disk refuses.
    #[error("the files of the read model: {0}")]
    Io(#[from] io::Error),
    /// A chain cannot be read.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// The log cannot be followed.
    #[error(transparent)]
    Log(#[from] ReadError),
    /// The log gives another record than it gave.
    #[error("the log holds another record at {position} than the read model")]
    OtherLog {
        /// Place in the order of the log.
        position: u64,
    },
    /// A value is not of the form in which it is written.
    #[error("`{what}` of the read model is malformed")]
    Malformed {
        /// Its name.
        what: &'static str,
    },
    /// There is no model yet, or none that can be asked: it is being built.
    #[error("the read model is being built")]
    NotReady,
    /// A thread ended in the middle.
    #[error("a thread of the read model ended: {0}")]
    Thread(#[from] JoinError),
    /// The work was cut off.
    #[error("cut off")]
    Cut,
}

#[cfg(test)]
mod tests;
