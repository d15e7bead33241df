//! Follows `$all`: a task that pages and a channel of one page, so that whoever stops waiting loses nothing.

use std::{sync::Arc, time::Duration};

use mediation_ledger::{
    chain::Revision,
    log::{Cursor, Followed, Follower, Order, ReadError, Stored},
};
use tokio::{
    sync::mpsc::{self, Receiver, Sender},
    task::JoinSet,
    time::sleep,
};

use crate::{
    log::Shared,
    names,
    pager::{Pager, Stop, is_record},
    wire::{Event, Failure},
};

/// First wait at the end of the log; doubled until something comes.
const POLL_PAUSE_MIN: Duration = Duration::from_millis(20);

/// Longest wait at the end of the log, and so the longest that a record takes to be seen.
const POLL_PAUSE_MAX: Duration = Duration::from_millis(250);

/// Follows a log on a cluster. While the cluster cannot be reached it waits, as it does at the end of the log; a user who
/// may not read is told.
#[derive(Debug)]
pub struct KurrentFollower {
    pages: Receiver<Result<Vec<Followed>, ReadError>>,
    /// Ends with the follower.
    _pager: JoinSet<()>,
}

impl KurrentFollower {
    pub(crate) fn start(shared: Arc<Shared>, after: Option<Cursor>) -> Self {
        let (page, pages) = mpsc::channel(1);
        let mut pager = JoinSet::new();
        pager.spawn(follow(shared, after, page));
        Self { pages, _pager: pager }
    }
}

impl Follower for KurrentFollower {
    async fn next(&mut self) -> Result<Vec<Followed>, ReadError> {
        self.pages.recv().await.unwrap_or(Err(ReadError::Unavailable(None)))
    }
}

async fn follow(shared: Arc<Shared>, after: Option<Cursor>, pages: Sender<Result<Vec<Followed>, ReadError>>) {
    let mut pager = Pager { at: after, record: after };
    let mut pause = POLL_PAUSE_MIN;
    loop {
        let before = pager.at;
        let answer = match pager.next(&shared.link).await {
            Ok(events) => {
                shared.index().extend(before, &events, &shared.link.alarms);
                let idle = events.is_empty();
                pause = if idle { pause } else { POLL_PAUSE_MIN };
                let records: Vec<Followed> = events.into_iter().filter_map(followed).collect();
                if records.is_empty() && !idle {
                    continue;
                }
                (!records.is_empty()).then_some(Ok(records))
            }
            Err(Stop::UnknownPlace) => Some(Err(ReadError::UnknownCursor)),
            Err(Stop::Failed(failure @ (Failure::Denied | Failure::Refused(_)))) => {
                Some(Err(ReadError::Unavailable(Some(failure.into_io()))))
            }
            Err(Stop::Failed(_)) => None,
        };
        match answer {
            Some(answer) => {
                if pages.send(answer).await.is_err() {
                    return;
                }
            }
            None => {
                sleep(pause).await;
                pause = pause.saturating_mul(2).min(POLL_PAUSE_MAX);
            }
        }
    }
}

fn followed(event: Event) -> Option<Followed> {
    if !is_record(&event) {
        return None;
    }
    let chain = names::chain_of(&event.stream)?;
    let (revision, order) = (Revision(event.revision), Order(event.at.0));
    Some(Followed { cursor: event.at, stored: Stored { chain, revision, order, record: event.data } })
}
