//! The log contract: what an engine must do, and nothing else.
//!
//! ```text
//!   chain a   0 ──── 1 ───────── 2                 revisions, dense within a chain
//!   chain b        0 ──── 1                        every record of every chain stream takes a number,
//!   order     0    1 2    3 4    5 …  leaf index   whatever its bytes
//!                           ▲
//!                           cursor: opaque place in this order
//! ```
//!
//! `crate::conformance` (feature `testing`) is the definition of this contract; every engine runs it.

use std::{future::Future, io};

use bytes::Bytes;

use crate::{
    chain::{ChainId, Revision},
    merkle::LeafIndex,
};

/// Opaque place in a log's one global order. Only the log that gave it can read it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cursor(pub u64, pub u64);

/// Place of a record in a log's one global order, to be compared with the places of others: leaf indexes, or numbers that
/// grow as they do. Only numbers of one log and one kind compare.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Order(pub u64);

impl Order {
    /// Place of the first record.
    pub const FIRST: Self = Self(0);

    /// Behind everything: the place of what is still to be appended.
    pub const END: Self = Self(u64::MAX);

    /// Right behind this place: where what stands at it is known.
    #[must_use]
    pub(crate) fn behind(self) -> Self {
        Self(self.0.saturating_add(1))
    }

    /// Place of an entry of a chain that is not appended yet: behind what is, before [`Order::END`], and growing along the
    /// chain.
    #[must_use]
    pub(crate) fn pending(revision: Revision) -> Self {
        Self((u64::MAX / 2).saturating_add(revision.0))
    }
}

impl From<LeafIndex> for Order {
    fn from(leaf: LeafIndex) -> Self {
        Self(leaf.0)
    }
}

/// A record at its place in a chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// Chain.
    pub chain: ChainId,
    /// Place in the chain.
    pub revision: Revision,
    /// Place in the global order. MUST grow as followers are given the records, across chains.
    pub order: Order,
    /// The bytes that were appended. An engine MUST NOT look into them beyond [`crate::record::leaf_hash`].
    pub record: Bytes,
}

/// A record with its place in the global order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Followed {
    /// Place to go on from.
    pub cursor: Cursor,
    /// The record.
    pub stored: Stored,
}

/// A record to be appended with others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Append {
    /// Chain.
    pub chain: ChainId,
    /// Revision that the record shall take.
    pub expected: Revision,
    /// The record.
    pub record: Bytes,
}

/// An append-only log of records in chains.
pub trait Log: Send + Sync + 'static {
    /// What [`Log::follow`] gives.
    type Follower: Follower;

    /// Appends a record as revision `expected` of a chain.
    ///
    /// - MUST be atomic: afterwards the whole record stands at that revision, or nothing has changed.
    /// - MUST acknowledge only what is durable: fsynced, or on a quorum.
    /// - MUST refuse with [`AppendError::Conflict`] when `expected` is not the chain's next revision, except that the
    ///   same bytes at the same revision again are a success.
    /// - MUST end as stored, not stored, or unknown, and say which. After [`AppendError::Unknown`] the caller resolves
    ///   by appending exactly the same bytes at the same revision again.
    /// - MUST NOT wait for room: a full queue is [`AppendError::Full`] at once.
    /// - A caller who drops the future does not learn which it was. An engine SHOULD NOT write then what it has not begun to.
    fn append(
        &self,
        chain: ChainId,
        expected: Revision,
        record: Bytes,
    ) -> impl Future<Output = Result<(), AppendError>> + Send;

    /// Appends records of any chains as one batch.
    ///
    /// - MUST store them in their order, in the chains and in the global order, and a record only when all before it
    ///   are stored: on an error, those that are stored are the first ones, or none.
    /// - MUST acknowledge only when all are durable, each as [`Log::append`] says; those that stand already are passed
    ///   over. After any error the caller may append exactly the same records again.
    /// - MAY be atomic, and say so. The records of one batch SHOULD cost one write and one sync.
    fn append_batch(&self, records: Vec<Append>) -> impl Future<Output = Result<(), AppendError>> + Send {
        async move {
            for Append { chain, expected, record } in records {
                self.append(chain, expected, record).await?;
            }
            Ok(())
        }
    }

    /// Reads up to `limit` records of a chain, from a revision on, in order. An unknown chain is empty.
    ///
    /// - MUST give everything that was acknowledged before the call.
    /// - MAY give what is durable but not acknowledged yet; MUST NOT give what is not durable.
    fn read(
        &self,
        chain: ChainId,
        from: Revision,
        limit: usize,
    ) -> impl Future<Output = Result<Vec<Stored>, ReadError>> + Send;

    /// Reads up to `limit` records of each of many chains, each from a revision on.
    ///
    /// - MUST give for each place, in their order, what [`Log::read`] gives.
    /// - SHOULD cost one hop to wherever the log is read, not one for each chain.
    fn read_chains(
        &self,
        places: &[(ChainId, Revision)],
        limit: usize,
    ) -> impl Future<Output = Result<Vec<Vec<Stored>>, ReadError>> + Send {
        async move {
            let mut read = Vec::with_capacity(places.len());
            for (chain, from) in places {
                read.push(self.read(*chain, *from, limit).await?);
            }
            Ok(read)
        }
    }

    /// Starts to follow the log after a cursor; from the beginning without one.
    fn follow(&self, after: Option<Cursor>) -> impl Future<Output = Result<Self::Follower, ReadError>> + Send;
}

/// Catches up, then goes on live.
pub trait Follower: Send + 'static {
    /// The next records, at least one; waits for it.
    ///
    /// - MUST yield every record exactly once, in one order that is the same for every follower and never changes.
    /// - MUST yield only what is durable.
    /// - Cancelling the returned future loses nothing.
    fn next(&mut self) -> impl Future<Output = Result<Vec<Followed>, ReadError>> + Send;
}

/// Why a record was not acknowledged.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AppendError {
    /// Not stored: another record stands at this revision, or the one before it is missing.
    #[error("the chain's next revision is {next}")]
    Conflict {
        /// The chain's next revision.
        next: Revision,
    },
    /// Not stored: the queue is full.
    #[error("the queue of {capacity} appends is full")]
    Full {
        /// Appends that may wait.
        capacity: usize,
    },
    /// Not stored: the disk is full.
    #[error("no space left on the disk of the log")]
    NoSpace,
    /// Not stored: larger than the log takes.
    #[error("a record of {size} bytes is larger than {max}")]
    TooLarge {
        /// Size of the record in bytes.
        size: usize,
        /// Largest size in bytes.
        max: usize,
    },
    /// Not stored: the log is closed, or cannot be reached.
    #[error("the log is unavailable")]
    Unavailable(#[source] Option<io::Error>),
    /// Stored or not: nobody can say. Ask again with the same bytes.
    #[error("it is unknown whether the record was stored")]
    Unknown(#[source] Option<io::Error>),
}

impl AppendError {
    /// How an append ends whose attempt before this one ended unknown. That this attempt stored nothing says nothing of
    /// that one, unless another record has the place.
    #[must_use]
    pub fn after_unknown(self) -> Self {
        match self {
            Self::Full { .. } | Self::NoSpace => Self::Unknown(None),
            Self::Unavailable(cause) => Self::Unknown(cause),
            other @ (Self::Conflict { .. } | Self::TooLarge { .. } | Self::Unknown(_)) => other,
        }
    }
}

/// Why records could not be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// The log is closed, or cannot be reached.
    #[error("the log is unavailable")]
    Unavailable(#[source] Option<io::Error>),
    /// What is stored is not what was appended.
    #[error("stored bytes are damaged at {place}")]
    Damaged {
        /// File and offset, or stream and position.
        place: String,
    },
    /// The cursor is not one of this log.
    #[error("the cursor is not one of this log")]
    UnknownCursor,
}
