//! The index of texts: in which acts words stand, so that a search need not read every chain.
//!
//! ```text
//! log.follow ─ chains that moved ─ read each whole ─ narratives that nobody has frozen or erased ─ words ─▶ index, in memory
//! words asked ─ index ─▶ chains in which to look        what is shown of them says what is found: `found`
//! ```
//!
//! It stands in memory alone and is built anew at each start: what it holds is clear text taken apart, and clear text rests on no
//! disk. What cannot be opened any more does not come back into it. What an order freezes or erases leaves it when that order
//! is followed.
//!
//! It decides nothing about who may see what. It leaves out acts whose text the reader's column can never be shown, so that they
//! cost no reading; of the others, whoever asks MUST see each with the reader's eyes, and look again ([`found`]) into what he is
//! shown.

mod growing;
mod index;
mod told;
mod words;

use std::{
    collections::BTreeSet,
    future::Future,
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use mediation_domain::visibility::{Reader as DomainReader, Row, may_read_text};
use mediation_ledger::{
    chain::ChainId,
    ledger::{Ledger, LedgerError},
    log::{Log, ReadError},
    vault::Vault,
};
use tantivy::TantivyError;
use tokio::task::{JoinError, spawn_blocking};

use self::{growing::Growing, index::Searched};
pub use self::{
    told::{found, is_searched},
    words::{CHARACTERS_MAX, WORDS_MAX, Words, WordsError},
};

/// Bytes of text that are indexed unless more or fewer are wanted. The index takes up to three times as much where texts are short,
/// which leaves room in a process of one gibibyte.
pub const TEXT_BYTES_MAX: u64 = 128 * 1024 * 1024;

/// Rest after a fault; it doubles with each further one.
const FAULT_REST: Duration = Duration::from_secs(1);

/// Longest rest after a fault.
const FAULT_REST_MAX: Duration = Duration::from_secs(60);

/// The index of the texts of a ledger, which grows.
#[derive(Debug)]
pub struct Texts<L, V> {
    ledger: Arc<Ledger<L, V>>,
    state: Arc<RwLock<State>>,
    bounds: Bounds,
}

/// How much is indexed, and when it is complete for the first time.
#[derive(Debug, Clone, Copy)]
struct Bounds {
    /// Bytes of text (UTF-8) at most.
    text_bytes_max: u64,
    /// Entries that the log holds already.
    entries: u64,
}

/// Asks the index of texts. Every copy asks the same.
#[derive(Debug, Clone)]
pub struct TextsReader(Arc<RwLock<State>>);

/// How far the index is.
enum State {
    Building(Built),
    Open(Searched),
    Full { text_bytes_max: u64 },
}

impl std::fmt::Debug for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Building(built) => f.debug_tuple("Building").field(built).finish(),
            Self::Open(_) => f.write_str("Open"),
            Self::Full { text_bytes_max } => f.debug_tuple("Full").field(text_bytes_max).finish(),
        }
    }
}

/// How far building has come.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Built {
    /// Entries of the log that were followed.
    pub followed: u64,
    /// Entries that the log held when the process started; 0 where nobody can say.
    pub entries: u64,
    /// Chains that are to be read yet.
    pub waiting: u64,
}

/// For whom it is searched: what the reader's column and agency can come to see, whatever ties him to a chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Eyes {
    rows: BTreeSet<Row>,
    agency: String,
}

impl Eyes {
    /// The eyes of a reader.
    #[must_use]
    pub fn of(reader: &DomainReader<'_>) -> Self {
        let column = reader.column();
        let rows = Row::all().filter(|row| column.is_some_and(|column| may_read_text(column, *row))).collect();
        Self { rows, agency: reader.agency.to_owned() }
    }
}

impl<L: Log, V: Vault> Texts<L, V> {
    /// The index of a ledger whose log holds so many entries already; 0 where that is not known. Nothing is read yet.
    #[must_use]
    pub fn new(ledger: Arc<Ledger<L, V>>, entries: u64, text_bytes_max: u64) -> Self {
        let state = State::Building(Built { entries, ..Built::default() });
        Self { ledger, state: Arc::new(RwLock::new(state)), bounds: Bounds { text_bytes_max, entries } }
    }

    /// Asks this index, while it grows.
    #[must_use]
    pub fn reader(&self) -> TextsReader {
        TextsReader(Arc::clone(&self.state))
    }

    /// Grows with the log until told to stop. After a fault it begins anew; when there is too much text it gives up, and says so
    /// to whoever asks.
    pub async fn run(self, stop: impl Future<Output = ()> + Send) {
        tokio::pin!(stop);
        let mut faults = 0_u32;
        loop {
            let error = tokio::select! {
                () = &mut stop => return,
                error = self.grow(&mut faults) => error,
            };
            if let Error::Full { text_bytes_max } = error {
                tracing::warn!(text_bytes_max, "there is more text than may be indexed; the texts are not searched");
                self.set(State::Full { text_bytes_max });
                return stop.await;
            }
            tracing::warn!(%error, faults, "the index of texts has met a fault; it is built anew");
            self.set(State::Building(Built { entries: self.bounds.entries, ..Built::default() }));
            let rest = FAULT_REST.saturating_mul(1 << faults.min(6)).min(FAULT_REST_MAX);
            faults = faults.saturating_add(1);
            tokio::select! {
                () = &mut stop => return,
                () = tokio::time::sleep(rest) => {}
            }
        }
    }

    /// Grows an empty index until it cannot be gone on with.
    async fn grow(&self, faults: &mut u32) -> Error {
        let mut growing = match Growing::begin(&self.ledger, self.bounds).await {
            Ok(growing) => growing,
            Err(error) => return error,
        };
        let mut is_open = false;
        loop {
            match growing.round(is_open).await {
                Err(error) => return error,
                Ok(Some(searched)) => {
                    (is_open, *faults) = (true, 0);
                    self.set(State::Open(searched));
                }
                Ok(None) if !is_open => self.set(State::Building(growing.built())),
                Ok(None) => {}
            }
        }
    }

    fn set(&self, state: State) {
        *self.state.write().unwrap_or_else(PoisonError::into_inner) = state;
    }
}

impl TextsReader {
    /// Chains in which acts are to be looked for that hold all words: of those that the eyes can come to see none is left out.
    ///
    /// # Errors
    /// The index is being built, or there is too much text for it.
    pub async fn find(&self, words: Words, eyes: Eyes) -> Result<BTreeSet<ChainId>, Error> {
        let searched = match &*self.0.read().unwrap_or_else(PoisonError::into_inner) {
            State::Building(built) => return Err(Error::Building(*built)),
            State::Full { text_bytes_max } => return Err(Error::Full { text_bytes_max: *text_bytes_max }),
            State::Open(searched) => searched.clone(),
        };
        Ok(spawn_blocking(move || searched.find(&words, &eyes)).await??)
    }
}

/// Why the index cannot go on, or cannot answer. None of them says a text.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// It is being built.
    #[error("the index of texts is being built: {} of {} entries followed, {} chains wait", .0.followed, .0.entries, .0.waiting)]
    Building(Built),
    /// There is more text than it may hold.
    #[error("there are more than {text_bytes_max} bytes of text")]
    Full {
        /// Bytes of text at most.
        text_bytes_max: u64,
    },
    /// The library refuses.
    #[error("the index of texts: {0}")]
    Index(#[from] TantivyError),
    /// A chain cannot be read.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// The log cannot be followed.
    #[error(transparent)]
    Log(#[from] ReadError),
    /// A thread ended in the middle.
    #[error("a thread of the index of texts ended: {0}")]
    Thread(#[from] JoinError),
}

#[cfg(test)]
mod tests;
