//! The log: the contract, kept over streams `chain-<uuid>`.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use mediation_ledger::{
    chain::{ChainId, Revision},
    limits::RECORD_BYTES_MAX,
    log::{Append, AppendError, Cursor, Log, Order, ReadError, Stored},
};
use tokio::{
    sync::{Mutex as AsyncMutex, Semaphore, SemaphorePermit, watch},
    time::{Instant, sleep},
};

use crate::{
    alarm::{Alarm, named},
    follower::KurrentFollower,
    heads::KurrentHeads,
    index::Index,
    link::Link,
    metrics::Metrics,
    names::chain_stream,
    options::{KurrentOptions, OpenError, settings},
    pager::{Pager, Stop},
    store::{self, Run},
    tls::prepare_tls,
    wire::{Bounds, Event, Failure, From},
};

/// Records and bytes of one append: an engine takes 1 MiB in all, and some of it is its own.
const APPEND: Bounds = Bounds { events: 64, bytes: RECORD_BYTES_MAX };

/// Records and bytes of one page of a stream.
const PAGE: Bounds = Bounds { events: 4_096, bytes: 16 * 1024 * 1024 };

/// Wait for a record to be in `$all` that is in its stream already.
const PLACE_PAUSE: Duration = Duration::from_millis(20);

/// A log on a KurrentDB cluster. A clone is another handle on the same log.
///
/// - What is acknowledged stands on a majority of the cluster's nodes.
/// - A batch is not atomic: consecutive records of one chain are stored all or none, up to 64 and 1 MB, one such run
///   after the other.
/// - A place in the order is a commit position in `$all`: it grows, with holes.
/// - Reads go to the leader. A leader that was cut off serves them until it notices, within about a second.
#[derive(Debug, Clone)]
pub struct KurrentLog {
    shared: Arc<Shared>,
}

#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) link: Link,
    in_flight: Semaphore,
    index: Mutex<Index>,
    /// Held by the one that pages the index to where a read needs it.
    advancing: AsyncMutex<()>,
}

impl Shared {
    /// No holder of this lock panics halfway through a change.
    pub(crate) fn index(&self) -> MutexGuard<'_, Index> {
        self.index.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl KurrentLog {
    /// Opens the log. Nothing is asked of the cluster yet, nor is anything made there.
    ///
    /// # Errors
    ///
    /// [`OpenError`], when the options cannot be what is meant.
    pub async fn open(options: KurrentOptions) -> Result<Self, OpenError> {
        let settings = settings(&options)?;
        prepare_tls().await?;
        let shared = Shared {
            in_flight: Semaphore::new(options.in_flight),
            link: Link::new(options, settings),
            index: Mutex::default(),
            advancing: AsyncMutex::default(),
        };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// The stream of signed tree heads, over the same connection.
    #[must_use]
    pub fn heads(&self) -> KurrentHeads {
        KurrentHeads::new(Arc::clone(&self.shared))
    }

    /// Spares the reading of the whole log before the places of old records are known: takes places that were kept.
    ///
    /// The rows MUST be all records from the beginning of the log on, in its order. Says how many were new.
    pub fn seed(&self, rows: impl IntoIterator<Item = (ChainId, Revision, Cursor)>) -> usize {
        let mut index = self.shared.index();
        rows.into_iter().filter(|(chain, revision, at)| index.seed(*chain, *revision, *at)).count()
    }

    /// All alarms since the log was opened, each once.
    #[must_use]
    pub fn alarms(&self) -> watch::Receiver<BTreeSet<Alarm>> {
        self.shared.link.alarms.subscribe()
    }

    /// What the adapter had to do since the log was opened.
    #[must_use]
    pub fn metrics(&self) -> Metrics {
        self.shared.link.counters.read()
    }

    fn permit(&self) -> Result<SemaphorePermit<'_>, AppendError> {
        let full = AppendError::Full { capacity: self.shared.link.options.in_flight };
        self.shared.in_flight.try_acquire().map_err(|_none_left| full)
    }
}

impl Log for KurrentLog {
    type Follower = KurrentFollower;

    async fn append(&self, chain: ChainId, expected: Revision, record: Bytes) -> Result<(), AppendError> {
        check(&record)?;
        let _permit = self.permit()?;
        let run = Run { stream: &chain_stream(chain), first: expected.0, records: &[record] };
        store::store(&self.shared.link, run).await
    }

    async fn append_batch(&self, records: Vec<Append>) -> Result<(), AppendError> {
        for append in &records {
            check(&append.record)?;
        }
        let _permit = self.permit()?;
        for (chain, first, records) in runs(records) {
            let run = Run { stream: &chain_stream(chain), first: first.0, records: &records };
            store::store(&self.shared.link, run).await?;
        }
        Ok(())
    }

    async fn read(&self, chain: ChainId, from: Revision, limit: usize) -> Result<Vec<Stored>, ReadError> {
        let known = self.shared.index().next(chain);
        let stream = chain_stream(chain);
        let mut events = read_dense(&self.shared.link, &stream, from, limit).await?;
        if shrunk(&events, from, limit, known) {
            // Whoever answered may be a leader that does not know yet that it is none.
            self.shared.link.refresh();
            events = read_dense(&self.shared.link, &stream, from, limit).await?;
            if shrunk(&events, from, limit, known) {
                let found = Revision(from.0.saturating_add(events.len() as u64));
                self.shared.link.alarms.raise(Alarm::Shrunk { stream, expected: Revision(known), found });
                return Err(damaged(&chain_stream(chain), found.0));
            }
        }
        let places = self.shared.places(chain, from, events.len()).await?;
        let stored = |(event, order): (Event, Order)| Stored {
            chain,
            revision: Revision(event.revision),
            order,
            record: event.data,
        };
        Ok(events.into_iter().zip(places).map(stored).collect())
    }

    async fn follow(&self, after: Option<Cursor>) -> Result<KurrentFollower, ReadError> {
        Ok(KurrentFollower::start(Arc::clone(&self.shared), after))
    }
}

impl Shared {
    /// Places of records that were read, paging `$all` to where they are, if need be.
    async fn places(&self, chain: ChainId, from: Revision, count: usize) -> Result<Vec<Order>, ReadError> {
        let deadline = Instant::now() + self.link.options.read_timeout;
        loop {
            if let Some(places) = self.index().places(chain, from.0, count) {
                return Ok(places);
            }
            let _alone = self.advancing.lock().await;
            if let Some(places) = self.index().places(chain, from.0, count) {
                return Ok(places);
            }
            let passed = self.advance().await?;
            let next = from.0.saturating_add(count as u64);
            if passed == 0 && self.index().next(chain) >= next {
                // It is known beyond, and yet not known: what is between was truncated once.
                return Err(damaged(&chain_stream(chain), from.0));
            }
            if passed == 0 {
                if Instant::now() >= deadline {
                    return Err(ReadError::Unavailable(None));
                }
                sleep(PLACE_PAUSE).await;
            }
        }
    }

    /// Takes the next page of `$all` into the index. Says how many events it held.
    async fn advance(&self) -> Result<usize, ReadError> {
        let (at, record) = self.index().end();
        let mut pager = Pager { at, record };
        match pager.next(&self.link).await {
            Ok(events) => {
                self.index().extend(at, &events, &self.link.alarms);
                Ok(events.len())
            }
            Err(Stop::UnknownPlace) => Err(damaged("$all", at.map_or(0, |at| at.0))),
            Err(Stop::Failed(failure)) => Err(ReadError::Unavailable(Some(failure.into_io()))),
        }
    }
}

/// Up to `limit` events of a stream from a revision on, without a gap. An unknown stream is empty.
pub(crate) async fn read_dense(
    link: &Link,
    stream: &str,
    from: Revision,
    limit: usize,
) -> Result<Vec<Event>, ReadError> {
    let mut read: Vec<Event> = Vec::new();
    while read.len() < limit {
        let expected = from.0.saturating_add(read.len() as u64);
        let bounds = Bounds { events: PAGE.events.min(limit - read.len()), ..PAGE };
        let page = match store::read(link, stream, From::Revision(expected), bounds).await {
            Ok(page) => page.unwrap_or_default(),
            Err(Failure::Deleted) => return Err(damaged(stream, expected)),
            Err(failure) => return Err(ReadError::Unavailable(Some(failure.into_io()))),
        };
        for (event, expected) in page.events.iter().zip(expected..) {
            if event.revision != expected {
                let (expected, found) = (Revision(expected), Revision(event.revision));
                link.alarms.raise(Alarm::Gap { stream: named(stream), expected, found });
                return Err(damaged(stream, expected.0));
            }
        }
        read.extend(page.events);
        if !page.more {
            break;
        }
    }
    Ok(read)
}

pub(crate) fn damaged(stream: &str, at: u64) -> ReadError {
    ReadError::Damaged { place: format!("stream {} position {at}", named(stream)) }
}

/// Whether a read ended before a record that was there when it began.
fn shrunk(events: &[Event], from: Revision, limit: usize, known: u64) -> bool {
    events.len() < limit && from.0.saturating_add(events.len() as u64) < known
}

fn check(record: &Bytes) -> Result<(), AppendError> {
    let (size, max) = (record.len(), RECORD_BYTES_MAX);
    if size > max { Err(AppendError::TooLarge { size, max }) } else { Ok(()) }
}

/// Consecutive records of one chain at consecutive revisions, as many as one append takes.
fn runs(records: Vec<Append>) -> Vec<(ChainId, Revision, Vec<Bytes>)> {
    let mut runs: Vec<(ChainId, Revision, Vec<Bytes>)> = Vec::new();
    let mut bytes = 0;
    for Append { chain, expected, record } in records {
        bytes += record.len();
        let last = runs.last_mut().filter(|(of, first, run)| {
            let next = first.0.saturating_add(run.len() as u64);
            *of == chain && next == expected.0 && run.len() < APPEND.events && bytes <= APPEND.bytes
        });
        if let Some((_, _, run)) = last {
            run.push(record);
        } else {
            bytes = record.len();
            runs.push((chain, expected, vec![record]));
        }
    }
    runs
}
