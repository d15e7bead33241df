//! The log of one machine: creating, opening, closing, and the contract of [`Log`].

use std::{
    io,
    path::Path,
    sync::{Arc, Mutex, PoisonError, RwLock},
    thread,
};

use bytes::Bytes;
use mediation_ledger::{
    chain::{ChainId, Revision},
    limits::RECORD_BYTES_MAX,
    log::{Append, AppendError, Cursor, Log, ReadError, Stored},
    merkle::{Hash, LeafIndex, TreeSize},
    record::leaf_hash,
};
use sha2::{Digest as _, Sha256};
use tokio::{
    sync::{mpsc, oneshot, watch},
    task::{JoinHandle, spawn_blocking},
};

use crate::{
    committer::{Request, Waiting},
    disk::{Disk, off_the_runtime},
    fatal::FatalHandler,
    index::{Index, Located, read_located},
    trouble::{Trouble, Troubles},
};

mod follower;
mod opening;
#[cfg(test)]
mod tests;

pub use self::{
    follower::EmbeddedFollower,
    opening::{CreateError, OpenError, OptionsError},
};

/// Bytes of a segment, unless said otherwise.
pub const SEGMENT_BYTES_DEFAULT: u64 = 64 * 1024 * 1024;

/// Smallest segment.
pub const SEGMENT_BYTES_MIN: u64 = 64 * 1024;

/// Largest segment: places within it are kept in four bytes.
pub const SEGMENT_BYTES_MAX: u64 = 1024 * 1024 * 1024;

/// Appends that may wait: an answer takes about two flushes, so a full queue is a second of work on a slow disk.
pub const QUEUE_CAPACITY_DEFAULT: usize = 4096;

/// Records made durable together.
pub const BATCH_RECORDS_DEFAULT: usize = 256;

/// Bytes made durable together: what a disk writes within the time of one flush.
pub const BATCH_BYTES_DEFAULT: usize = 4 * 1024 * 1024;

/// Bytes read at once for a chain, whose records lie scattered.
const CHAIN_AHEAD_BYTES: usize = 4096;

/// Bytes read at once for leaves in their order, which is the order on the disk.
const LEAVES_AHEAD_BYTES: usize = 256 * 1024;

/// Bytes of records after which [`Embedded::leaves`] ends.
pub const LEAVES_BYTES_MAX: usize = 4 * 1024 * 1024;

/// How a log is created and opened.
#[derive(Debug, Clone)]
pub struct Options {
    /// Origin of the ledger; a log keeps it for ever.
    pub origin: String,
    /// Bytes of new segments.
    pub segment_bytes: u64,
    /// Appends that may wait.
    pub queue_capacity: usize,
    /// Records made durable together, at most.
    pub batch_records_max: usize,
    /// Bytes made durable together, at most; a single record always goes.
    pub batch_bytes_max: usize,
    /// Size and root of the last stored checkpoint, which the log must hold.
    pub covered: Option<(TreeSize, Hash)>,
    /// What to do when a sync fails.
    pub fatal: FatalHandler,
}

impl Options {
    /// The defaults, for an origin.
    #[must_use]
    pub fn new(origin: impl Into<String>) -> Self {
        Self {
            origin: origin.into(),
            segment_bytes: SEGMENT_BYTES_DEFAULT,
            queue_capacity: QUEUE_CAPACITY_DEFAULT,
            batch_records_max: BATCH_RECORDS_DEFAULT,
            batch_bytes_max: BATCH_BYTES_DEFAULT,
            covered: None,
            fatal: FatalHandler::default(),
        }
    }
}

/// A log in segment files, open.
///
/// One process at a time has it. Dropping it waits until everything that was accepted is durable; so does
/// [`Embedded::close`], without blocking a thread of the runtime.
#[derive(Debug)]
pub struct Embedded {
    index: Arc<RwLock<Index>>,
    /// Durable leaves.
    tip: watch::Receiver<u64>,
    /// Marks this log's cursors.
    tag: u64,
    queue_capacity: usize,
    /// Gone once the log is closed.
    queue: Mutex<Option<mpsc::Sender<Request>>>,
    committer: Mutex<Option<Running>>,
    /// Whether an operation of the disk may hold up the runtime.
    blocks: bool,
    troubles: Troubles,
}

/// The committer at work.
#[derive(Debug)]
enum Running {
    /// On a thread of its own.
    Thread(thread::JoinHandle<()>),
    /// As a task, on a disk that never blocks.
    Task(JoinHandle<()>),
}

impl Embedded {
    /// Creates the log of a new ledger, with its first segment, and leaves it closed.
    ///
    /// # Errors
    /// There is one already, or the disk does not do it; then there is none.
    pub fn create(disk: &Arc<dyn Disk>, dir: &Path, options: &Options) -> Result<(), CreateError> {
        opening::create(&**disk, dir, options)
    }

    /// Opens a log: reads all of it, cuts what a crash left of an unacknowledged batch, and takes the lock.
    ///
    /// # Errors
    /// There is none, somebody else has it, it is damaged, or it is not the one that was covered.
    pub fn open(disk: Arc<dyn Disk>, dir: &Path, options: &Options) -> Result<Self, OpenError> {
        Self::open_seeing(disk, dir, options, &mut |_chain, _leaf| {})
    }

    /// As [`Self::open`], and calls `seen` with chain and leaf hash of every record that it finds, in the order of the log:
    /// who needs them all need not read it a second time. What was seen means nothing when it is not opened.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn open_seeing(
        disk: Arc<dyn Disk>,
        dir: &Path,
        options: &Options,
        seen: &mut dyn FnMut(ChainId, Hash),
    ) -> Result<Self, OpenError> {
        let blocks = disk.blocks();
        let (committer, tip) = opening::open(disk, dir, options, seen)?;
        let (index, troubles) = (Arc::clone(&committer.index), committer.troubles.clone());
        let (queue, requests) = mpsc::channel(options.queue_capacity);
        let running = if blocks {
            let thread = thread::Builder::new().name("log-committer".to_owned());
            Running::Thread(thread.spawn(move || committer.run(requests)).map_err(OpenError::Thread)?)
        } else {
            Running::Task(tokio::spawn(committer.run_in_turn(requests)))
        };
        Ok(Self {
            index,
            tip,
            tag: tag(&options.origin),
            queue_capacity: options.queue_capacity,
            queue: Mutex::new(Some(queue)),
            committer: Mutex::new(Some(running)),
            blocks,
            troubles,
        })
    }

    /// Durable leaves.
    #[must_use]
    pub fn size(&self) -> TreeSize {
        TreeSize(*self.tip.borrow())
    }

    /// Where a follower goes on who has so many leaves; none for one who has none.
    #[must_use]
    pub fn cursor(&self, size: TreeSize) -> Option<Cursor> {
        Some(Cursor(size.0.checked_sub(1)?, self.tag))
    }

    /// Up to `limit` durable records in the global order, from a leaf on; fewer when the log ends before, or when they are
    /// [`LEAVES_BYTES_MAX`] bytes or more.
    ///
    /// # Errors
    /// The disk cannot be read, or a record is damaged.
    pub async fn leaves(&self, from: LeafIndex, limit: usize) -> Result<Vec<Stored>, ReadError> {
        let located = self.index.read().unwrap_or_else(PoisonError::into_inner).order(from.0, limit);
        let read = move || read_located(&located, LEAVES_AHEAD_BYTES, LEAVES_BYTES_MAX);
        let reading = off_the_runtime(self.blocks, read);
        reading.await.unwrap_or_else(|error| Err(ReadError::Unavailable(Some(io::Error::other(error)))))
    }

    /// Chain and revision of a leaf. Looks into every chain: for what is rare, such as damage.
    #[must_use]
    pub fn leaf_of(&self, leaf: LeafIndex) -> Option<(ChainId, Revision)> {
        self.index.read().unwrap_or_else(PoisonError::into_inner).entry(leaf)
    }

    /// Appends that wait for the disk.
    #[must_use]
    pub fn queued(&self) -> usize {
        let queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        queue.as_ref().map_or(0, |queue| queue.max_capacity() - queue.capacity())
    }

    /// What appends have met since it was opened.
    #[must_use]
    pub fn trouble(&self) -> Trouble {
        self.troubles.now()
    }

    /// Takes no more appends, makes durable and answers those that were accepted, and gives the lock back. Reads go on
    /// working; followers end when they have caught up.
    pub async fn close(&self) {
        let ended = match self.end() {
            None => return,
            Some(Running::Thread(thread)) => spawn_blocking(|| thread.join()).await.map(drop),
            Some(Running::Task(task)) => task.await,
        };
        if ended.is_err() {
            tracing::error!("the committer did not end in order");
        }
    }

    /// Closes the queue; the committer empties it and ends.
    fn end(&self) -> Option<Running> {
        drop(self.queue.lock().unwrap_or_else(PoisonError::into_inner).take());
        self.committer.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn enqueue(&self, request: Request) -> Result<(), AppendError> {
        let queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(queue) = queue.as_ref() else { return Err(AppendError::Unavailable(None)) };
        queue.try_send(request).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => {
                self.troubles.turned_away();
                AppendError::Full { capacity: self.queue_capacity }
            }
            mpsc::error::TrySendError::Closed(_) => AppendError::Unavailable(None),
        })
    }
}

impl Drop for Embedded {
    fn drop(&mut self) {
        // A task empties the queue when its turn comes.
        if let Some(Running::Thread(thread)) = self.end()
            && thread.join().is_err()
        {
            tracing::error!("the committer did not end in order");
        }
    }
}

impl Log for Embedded {
    type Follower = EmbeddedFollower;

    async fn append(&self, chain: ChainId, expected: Revision, record: Bytes) -> Result<(), AppendError> {
        if record.len() > RECORD_BYTES_MAX {
            return Err(AppendError::TooLarge { size: record.len(), max: RECORD_BYTES_MAX });
        }
        let leaf = leaf_hash(&record);
        let (answer, outcome) = oneshot::channel();
        self.enqueue(Request::One(Waiting { chain, expected, record, leaf }, answer))?;
        // No answer at all means that the committer is gone, who knows how far it came.
        outcome.await.unwrap_or(Err(AppendError::Unknown(None)))
    }

    /// A batch shares its groups with nobody, so where they end follows from the batch and the options alone. One that
    /// fits into a group is atomic; of a larger one the first groups may be stored when it fails.
    async fn append_batch(&self, records: Vec<Append>) -> Result<(), AppendError> {
        if let Some(large) = records.iter().find(|append| append.record.len() > RECORD_BYTES_MAX) {
            return Err(AppendError::TooLarge { size: large.record.len(), max: RECORD_BYTES_MAX });
        }
        let waiting = |Append { chain, expected, record }| {
            let leaf = leaf_hash(&record);
            Waiting { chain, expected, record, leaf }
        };
        let batch = records.into_iter().map(waiting).collect();
        let (answer, outcome) = oneshot::channel();
        self.enqueue(Request::Batch(batch, answer))?;
        outcome.await.unwrap_or(Err(AppendError::Unknown(None)))
    }

    async fn read(&self, chain: ChainId, from: Revision, limit: usize) -> Result<Vec<Stored>, ReadError> {
        let located = self.index.read().unwrap_or_else(PoisonError::into_inner).chain(chain, from, limit);
        if located.is_empty() {
            return Ok(Vec::new());
        }
        // One hop to a blocking thread for the whole chain: a cold disk must not hold up the runtime's few threads.
        let reading = off_the_runtime(self.blocks, move || read_located(&located, CHAIN_AHEAD_BYTES, usize::MAX));
        let records = reading.await.map_err(|error| ReadError::Unavailable(Some(io::Error::other(error))))??;
        assert!(records.iter().all(|stored| stored.chain == chain), "the index leads to another chain");
        Ok(records)
    }

    async fn read_chains(&self, places: &[(ChainId, Revision)], limit: usize) -> Result<Vec<Vec<Stored>>, ReadError> {
        let located: Vec<(ChainId, Vec<Located>)> = {
            let index = self.index.read().unwrap_or_else(PoisonError::into_inner);
            places.iter().map(|(chain, from)| (*chain, index.chain(*chain, *from, limit))).collect()
        };
        if located.iter().all(|(_, located)| located.is_empty()) {
            return Ok(located.iter().map(|_| Vec::new()).collect());
        }
        let reading = off_the_runtime(self.blocks, move || {
            let read = located.into_iter().map(|(chain, located)| {
                let records = read_located(&located, CHAIN_AHEAD_BYTES, usize::MAX)?;
                assert!(records.iter().all(|stored| stored.chain == chain), "the index leads to another chain");
                Ok(records)
            });
            read.collect()
        });
        reading.await.unwrap_or_else(|error| Err(ReadError::Unavailable(Some(io::Error::other(error)))))
    }

    async fn follow(&self, after: Option<Cursor>) -> Result<EmbeddedFollower, ReadError> {
        let next = match after {
            None => 0,
            Some(Cursor(leaf, tag)) if tag == self.tag && leaf < *self.tip.borrow() => leaf + 1,
            Some(_) => return Err(ReadError::UnknownCursor),
        };
        Ok(EmbeddedFollower::new(Arc::clone(&self.index), self.tip.clone(), self.tag, next, self.blocks))
    }
}

/// A number of the origin, so that a cursor of another log is found out.
fn tag(origin: &str) -> u64 {
    let digest: [u8; 32] = Sha256::digest(origin.as_bytes()).into();
    digest.first_chunk().map_or(0, |bytes| u64::from_be_bytes(*bytes))
}
