//! Following the log in its one order.

use std::{
    io,
    sync::{Arc, PoisonError, RwLock},
};

use mediation_ledger::log::{Cursor, Followed, Follower, ReadError, Stored};
use tokio::{sync::watch, task::JoinHandle};

use crate::{
    disk::off_the_runtime,
    index::{Index, read_located},
};

/// Records read at once.
const FOLLOW_RECORDS: usize = 1024;

/// Bytes of records after which a read ends: bounds what a slow follower holds.
const FOLLOW_BYTES: usize = 2 * 1024 * 1024;

/// Bytes read at once: the order is the order on the disk.
const FOLLOW_AHEAD_BYTES: usize = 256 * 1024;

/// Follows an embedded log.
#[derive(Debug)]
pub struct EmbeddedFollower {
    index: Arc<RwLock<Index>>,
    tip: watch::Receiver<u64>,
    tag: u64,
    /// Number of the next leaf to give.
    next: u64,
    /// Whether a read may hold up the runtime.
    blocks: bool,
    /// The read under way. It stays here when a caller gives up, so that the next call goes on with it: reads of callers
    /// who come and go must not pile up.
    reading: Option<JoinHandle<Result<Vec<Stored>, ReadError>>>,
}

impl EmbeddedFollower {
    /// Follows from a leaf on.
    pub(super) fn new(index: Arc<RwLock<Index>>, tip: watch::Receiver<u64>, tag: u64, next: u64, blocks: bool) -> Self {
        Self { index, tip, tag, next, blocks, reading: None }
    }

    /// Starts to read from the next leaf on.
    fn read(&self) -> JoinHandle<Result<Vec<Stored>, ReadError>> {
        let located = self.index.read().unwrap_or_else(PoisonError::into_inner).order(self.next, FOLLOW_RECORDS);
        off_the_runtime(self.blocks, move || read_located(&located, FOLLOW_AHEAD_BYTES, FOLLOW_BYTES))
    }
}

impl Follower for EmbeddedFollower {
    async fn next(&mut self) -> Result<Vec<Followed>, ReadError> {
        while self.reading.is_none() && self.next >= *self.tip.borrow_and_update() {
            // An error: the committer is gone, and everything it made durable has been given.
            self.tip.changed().await.map_err(|_closed| ReadError::Unavailable(None))?;
        }
        let reading = match self.reading.take() {
            Some(reading) => reading,
            None => self.read(),
        };
        let reading = self.reading.insert(reading);
        let outcome = reading.await;
        // From here on nothing waits any more, so nobody can give up between the records and the new place.
        self.reading = None;
        let records = outcome.unwrap_or_else(|error| Err(ReadError::Unavailable(Some(io::Error::other(error)))))?;
        let first = self.next;
        self.next += records.len() as u64;
        let tag = self.tag;
        let followed = (first..).zip(records).map(|(leaf, stored)| Followed { cursor: Cursor(leaf, tag), stored });
        Ok(followed.collect())
    }
}
