//! The append path: the same triple (stream, revision, events) until it is known how it ended.
//!
//! ```text
//! write ── taken, now or before ──────── read back ── same bytes ──────────── stored
//!      ├── wrong revision ────────────── read back ── same bytes ──────────── stored
//!      │                                          └── others, or none ─────── conflict
//!      ├── not the leader, not sent ──── again                                 not stored at the deadline
//!      ├── no majority, no answer ────── again, through a new client           unknown at the deadline
//!      └── denied, refused, deleted ────────────────────────────────────────── not stored
//! ```
//!
//! The engine compares ids, never bytes, and says that it has taken events when it has others under the same ids; whether it
//! says so with a position differs between servers. So its word is never taken: what stands is read back. It drops a resend whose first
//! copy is not replicated yet; sending on converges. After a conflict no earlier attempt can land any more.

use std::time::Duration;

use bytes::Bytes;
use mediation_ledger::{chain::Revision, log::AppendError};
use tokio::time::{Instant, sleep, timeout_at};

use crate::{
    alarm::{Alarm, named},
    link::Link,
    names::{RECORD_KIND, event_id},
    wire::{self, Bounds, Failure, From, Page, Taken, Write},
};

/// Wait before a triple is sent again; doubled each time.
const RESEND_PAUSE: Duration = Duration::from_millis(50);

/// Wait after no majority agreed: the engine's own timeout is 2 s, and until then it drops the resend.
const ABORTED_PAUSE: Duration = Duration::from_millis(500);

/// Longest wait.
const PAUSE_MAX: Duration = Duration::from_secs(2);

/// Records that stand at consecutive revisions of one stream, to be stored all or none.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Run<'a> {
    pub(crate) stream: &'a str,
    pub(crate) first: u64,
    pub(crate) records: &'a [Bytes],
}

/// What stands where a run is to stand.
enum Standing {
    /// The first so many of its records, and nothing behind them.
    First(usize),
    /// Something else.
    Other,
}

/// Stores the records of a run that do not stand yet.
pub(crate) async fn store(link: &Link, mut run: Run<'_>) -> Result<(), AppendError> {
    let timeout = link.options.append_timeout;
    let deadline = Instant::now() + timeout.saturating_mul(2);
    let (mut doubt, mut pause) = (false, RESEND_PAUSE);
    while !run.records.is_empty() {
        let rest = deadline.saturating_duration_since(Instant::now()).min(timeout);
        let failure = match attempt(link, run, timeout, rest).await {
            Ok(stored) => {
                run.first = run.first.saturating_add(stored as u64);
                run.records = run.records.get(stored..).unwrap_or_default();
                continue;
            }
            Err(Ended::Known(error)) => {
                settled(link, doubt);
                return Err(error);
            }
            Err(Ended::Failed(failure)) => failure,
        };
        match &failure {
            Failure::Denied | Failure::Refused(_) | Failure::Deleted => return Err(unstored(doubt, failure)),
            Failure::Aborted(_) => (doubt, pause) = (true, pause.max(ABORTED_PAUSE)),
            Failure::Lost(_) => doubt = true,
            Failure::NotLeader | Failure::Unsent(_) | Failure::WrongRevision { .. } => {}
        }
        if Instant::now() + pause >= deadline {
            return Err(unstored(doubt, failure));
        }
        sleep(pause).await;
        pause = pause.saturating_mul(2).min(PAUSE_MAX);
    }
    settled(link, doubt);
    Ok(())
}

fn settled(link: &Link, doubt: bool) {
    if doubt {
        link.counters.unknown_outcomes_resolved.add();
    }
}

fn unstored(doubt: bool, failure: Failure) -> AppendError {
    let cause = Some(failure.into_io());
    if doubt { AppendError::Unknown(cause) } else { AppendError::Unavailable(cause) }
}

/// How an attempt ended without its records being stored by it.
enum Ended {
    Known(AppendError),
    Failed(Failure),
}

impl std::convert::From<Failure> for Ended {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

/// Sends the triple once, and looks for no longer than `limit` at what stands then. Says how many of the records do, from the
/// first on.
async fn attempt(link: &Link, run: Run<'_>, limit: Duration, timeout: Duration) -> Result<usize, Ended> {
    let revisions = run.first..;
    let events =
        revisions.zip(run.records).map(|(at, record)| (event_id(run.stream, at, record), RECORD_KIND, record.clone()));
    let write = Write { stream: run.stream.to_owned(), first: run.first, events: events.collect(), json: false };
    let last = run.first.saturating_add(run.records.len() as u64).saturating_sub(1);
    let taken = link.call(timeout, |client, user| wire::append(client, user, write, timeout)).await;
    // Boxed: what reads would otherwise stand in every caller's future.
    let stands = Box::pin(stands(link, run, last, taken));
    let late = Failure::Lost("what stands could not be read in time".to_owned());
    timeout_at(Instant::now() + limit, stands).await.unwrap_or_else(|_late| Err(late.into()))
}

/// How many of the run's records stand after an answer.
async fn stands(link: &Link, run: Run<'_>, last: u64, taken: Result<Taken, Failure>) -> Result<usize, Ended> {
    match taken {
        Ok(taken) => confirmed(link, run, last, taken).await,
        Err(Failure::WrongRevision { last }) => wrong(link, run, last).await,
        Err(Failure::Deleted) => {
            link.alarms.raise(Alarm::Deleted { stream: named(run.stream) });
            Err(Failure::Deleted.into())
        }
        Err(failure) => Err(failure.into()),
    }
}

/// The engine says that it has taken the run, up to a revision that should be `last`.
async fn confirmed(link: &Link, run: Run<'_>, last: u64, taken: Taken) -> Result<usize, Ended> {
    let mut standing = read_back(link, run).await?;
    if matches!(standing, Standing::First(same) if same < run.records.len()) {
        // Whoever answered may be a leader that does not know yet that it is none.
        link.refresh();
        standing = read_back(link, run).await?;
    }
    match standing {
        Standing::First(same) if same == run.records.len() => {
            if taken.replayed {
                link.counters.replays.add();
            }
            Ok(same)
        }
        Standing::Other if taken.last == last => Err(conflict(next(link, run.stream).await?)),
        // Two nodes in a row do not have what a third says that it has: that it is lost is not known.
        Standing::First(_) if taken.last == last => Err(Failure::Lost("it cannot be read back yet".to_owned()).into()),
        Standing::First(_) | Standing::Other => Err(displaced(link, run, last, taken.last)),
    }
}

/// The stream's last revision is not the one before the run: it may hold the run's first records, or others.
async fn wrong(link: &Link, run: Run<'_>, last: Option<u64>) -> Result<usize, Ended> {
    let next = last.map_or(0, |last| last.saturating_add(1));
    if next < run.first {
        return Err(conflict(next));
    }
    match read_back(link, run).await? {
        Standing::First(0) if next > run.first => {
            let (expected, found) = (Revision(next), Revision(run.first));
            link.alarms.raise(Alarm::Shrunk { stream: named(run.stream), expected, found });
            Err(Ended::Known(broken("what stands at the revision cannot be read: the stream was truncated or deleted")))
        }
        // Whoever answered was behind; nothing stands there.
        Standing::First(0) => Err(Failure::WrongRevision { last }.into()),
        Standing::First(same) => {
            link.counters.replays.add();
            Ok(same)
        }
        Standing::Other => Err(conflict(next)),
    }
}

/// What stands at the run's revisions, after an answer that may mean that its records do: while that cannot be read, nobody
/// knows.
async fn read_back(link: &Link, run: Run<'_>) -> Result<Standing, Ended> {
    standing(link, run).await.map_err(|failure| {
        if matches!(failure, Failure::Deleted) {
            failure.into()
        } else {
            Failure::Lost(format!("what stands cannot be read: {failure}")).into()
        }
    })
}

async fn standing(link: &Link, run: Run<'_>) -> Result<Standing, Failure> {
    let bounds = Bounds { events: run.records.len(), bytes: usize::MAX };
    let page = read(link, run.stream, From::Revision(run.first), bounds).await?;
    let same = |(event, (at, record)): &(&wire::Event, (u64, &Bytes))| event.revision == *at && event.data == **record;
    let events = page.as_ref().map(|page| page.events.as_slice()).unwrap_or_default();
    let same = events.iter().zip((run.first..).zip(run.records)).take_while(same).count();
    Ok(if same == events.len() { Standing::First(same) } else { Standing::Other })
}

/// The stream's next revision.
async fn next(link: &Link, stream: &str) -> Result<u64, Failure> {
    let page = read(link, stream, From::End, Bounds { events: 1, bytes: usize::MAX }).await?;
    let last = page.as_ref().and_then(|page| page.events.first());
    Ok(last.map_or(0, |last| last.revision.saturating_add(1)))
}

/// Reads a page of a stream; none when there is no such stream. A stream that was deleted for ever raises an alarm.
pub(crate) async fn read(link: &Link, stream: &str, from: From, bounds: Bounds) -> Result<Option<Page>, Failure> {
    let ask = |client, user| wire::read_stream(client, user, stream.to_owned(), from, bounds);
    let page = link.read(link.options.read_timeout, ask).await;
    if page.as_ref().is_err_and(|failure| *failure == Failure::Deleted) {
        link.alarms.raise(Alarm::Deleted { stream: named(stream) });
    }
    page
}

fn conflict(next: u64) -> Ended {
    Ended::Known(AppendError::Conflict { next: Revision(next) })
}

/// The engine goes on with its own count after a deletion. The record stands somewhere, but not where it says it does.
fn displaced(link: &Link, run: Run<'_>, expected: u64, found: u64) -> Ended {
    let (expected, found) = (Revision(expected), Revision(found));
    link.alarms.raise(Alarm::Displaced { stream: named(run.stream), expected, found });
    Ended::Known(broken("the record was taken at another revision: the stream was deleted or truncated"))
}

fn broken(what: &str) -> AppendError {
    AppendError::Unavailable(Some(std::io::Error::other(what.to_owned())))
}
