//! The stream of signed tree heads: the fence between sealers.

use std::sync::Arc;

use bytes::Bytes;
use mediation_ledger::{
    chain::Revision,
    heads::{Head, Heads},
    limits::RECORD_BYTES_MAX,
    log::{AppendError, ReadError},
};

use crate::{
    alarm::Alarm,
    log::{Shared, damaged, read_dense},
    names::HEADS_STREAM,
    store::{self, Run},
    wire::{Bounds, Event, Failure, From},
};

/// Bytes of heads that are read at once, newest first. A head is some hundred bytes.
const BYTES_MAX: usize = 16 * 1024 * 1024;

/// The heads of a log on a cluster. A clone is another handle on the same stream. Heads do not wait in the queue of
/// records: a sealer has one under way at a time.
#[derive(Debug, Clone)]
pub struct KurrentHeads {
    shared: Arc<Shared>,
}

impl KurrentHeads {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }
}

impl Heads for KurrentHeads {
    async fn last(&self, limit: usize) -> Result<Vec<Head>, ReadError> {
        if limit == 0 {
            return Ok(Vec::new());
        }
        let bounds = Bounds { events: limit, bytes: BYTES_MAX };
        let events = match store::read(&self.shared.link, HEADS_STREAM, From::End, bounds).await {
            Ok(page) => page.unwrap_or_default().events,
            Err(Failure::Deleted) => return Err(damaged(HEADS_STREAM, 0)),
            Err(failure) => return Err(ReadError::Unavailable(Some(failure.into_io()))),
        };
        for (newer, older) in events.iter().zip(events.iter().skip(1)) {
            if older.revision.checked_add(1) != Some(newer.revision) {
                let expected = Revision(older.revision.saturating_add(1));
                let found = Revision(newer.revision);
                self.shared.link.alarms.raise(Alarm::Gap { stream: HEADS_STREAM.to_owned(), expected, found });
                return Err(damaged(HEADS_STREAM, expected.0));
            }
        }
        Ok(events.into_iter().map(head).collect())
    }

    async fn read(&self, from: Revision, limit: usize) -> Result<Vec<Head>, ReadError> {
        let events = read_dense(&self.shared.link, HEADS_STREAM, from, limit).await?;
        Ok(events.into_iter().map(head).collect())
    }

    async fn append(&self, expected: Revision, note: Bytes) -> Result<(), AppendError> {
        let (size, max) = (note.len(), RECORD_BYTES_MAX);
        if size > max {
            return Err(AppendError::TooLarge { size, max });
        }
        let run = Run { stream: HEADS_STREAM, first: expected.0, records: &[note] };
        store::store(&self.shared.link, run).await
    }
}

fn head(event: Event) -> Head {
    Head { revision: Revision(event.revision), note: event.data }
}
