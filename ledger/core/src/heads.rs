//! The stream of signed tree heads on a shared engine, as a contract: the fence between sealers.
//!
//! ```text
//! heads   0: size 4 ── 1: size 9 ── 2: size 9 (again) ── 3: bytes that are no head …
//!                                        ▲
//!                                        append(expected 2): of two sealers one is told that 3 is next
//! ```
//!
//! A checkpoint is published only when it stands here. Whoever holds write credentials of the engine can append anything,
//! so a head is what verifies under a log key; everything else is passed over.

use std::future::Future;

use bytes::Bytes;

use crate::{
    chain::Revision,
    log::{AppendError, ReadError},
};

/// One record of the stream, whatever its bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// Place in the stream.
    pub revision: Revision,
    /// A signed note, unless somebody else wrote it.
    pub note: Bytes,
}

/// Keeps the heads of one log.
pub trait Heads: Send + Sync + 'static {
    /// The last heads, newest first, at most `limit`.
    fn last(&self, limit: usize) -> impl Future<Output = Result<Vec<Head>, ReadError>> + Send;

    /// Up to `limit` heads from a revision on, in order; none beyond the end.
    fn read(&self, from: Revision, limit: usize) -> impl Future<Output = Result<Vec<Head>, ReadError>> + Send;

    /// Appends a head as revision `expected`, under the rules of [`crate::log::Log::append`]: atomic, durable, the same bytes at the
    /// same revision again a success, others a conflict.
    fn append(&self, expected: Revision, note: Bytes) -> impl Future<Output = Result<(), AppendError>> + Send;
}
