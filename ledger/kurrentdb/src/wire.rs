//! The calls that are made, and what their answers mean. No type of the client's crate leaves this file but the client.
//!
//! Not used: batch append (one refused write fails its neighbours), subscriptions (a server that ends one freezes the
//! runtime, one that falls silent is never noticed), positions of writes (a replay has none).

use std::{io, time::Duration};

use bytes::Bytes;
use mediation_ledger::log::Cursor;
use uuid::Uuid;

use crate::{
    es::{self, Error},
    options::Credentials,
};

/// Status codes of gRPC that an answer is told by.
const INVALID_ARGUMENT: i32 = 3;
const FAILED_PRECONDITION: i32 = 9;
const ABORTED: i32 = 10;

/// An event as it stands in the engine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Event {
    pub(crate) stream: String,
    pub(crate) revision: u64,
    pub(crate) kind: String,
    pub(crate) data: Bytes,
    /// Place in `$all`; known only from there.
    pub(crate) at: Cursor,
}

/// Events in their order.
#[derive(Debug, Default)]
pub(crate) struct Page {
    pub(crate) events: Vec<Event>,
    /// Whether a bound ended it, and not the engine.
    pub(crate) more: bool,
}

/// How many events of a page are read; it ends at the first bound that is met.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds {
    pub(crate) events: usize,
    pub(crate) bytes: usize,
}

/// Where a page of a stream starts.
#[derive(Debug, Clone, Copy)]
pub(crate) enum From {
    /// At a revision, forwards.
    Revision(u64),
    /// At the last one, backwards.
    End,
}

/// Events to be appended, the same at every attempt.
#[derive(Debug, Clone)]
pub(crate) struct Write {
    pub(crate) stream: String,
    /// Revision of the first event.
    pub(crate) first: u64,
    pub(crate) events: Vec<(Uuid, &'static str, Bytes)>,
    /// Whether the engine is told that the events are JSON, as those are that it reads itself.
    pub(crate) json: bool,
}

/// How a write was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Taken {
    /// Revision of the last event.
    pub(crate) last: u64,
    /// Whether the engine lets it be seen that it had taken it before, by telling no position. Not every one does.
    pub(crate) replayed: bool,
}

/// Why a call has no result.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Failure {
    /// Not done: another node is the leader. The client goes there from now on.
    #[error("another node is the leader")]
    NotLeader,
    /// Not done: the user may not.
    #[error("access was denied")]
    Denied,
    /// Not done: the stream was deleted for ever.
    #[error("the stream was deleted")]
    Deleted,
    /// Not done, or done before: the stream's last revision is another one.
    #[error("the stream's last revision is another one")]
    WrongRevision {
        /// Last revision; none when there is no stream.
        last: Option<u64>,
    },
    /// Not done, and never will be: too big, or not understood.
    #[error("the engine refused the request: {0}")]
    Refused(String),
    /// Not sent: there is no connection.
    #[error("there is no connection: {0}")]
    Unsent(String),
    /// Done or not: no majority agreed in time. It may still be done later.
    #[error("no majority agreed in time: {0}")]
    Aborted(String),
    /// Done or not: the answer is lost.
    #[error("no answer: {0}")]
    Lost(String),
}

impl Failure {
    /// Whether the client is to be replaced: in most of its states it never recovers by itself.
    pub(crate) fn breaks_client(&self) -> bool {
        match self {
            Self::Unsent(_) | Self::Lost(_) => true,
            Self::NotLeader
            | Self::Denied
            | Self::Deleted
            | Self::WrongRevision { .. }
            | Self::Refused(_)
            | Self::Aborted(_) => false,
        }
    }

    /// Whether asking again may help.
    pub(crate) fn may_pass(&self) -> bool {
        match self {
            Self::NotLeader | Self::Unsent(_) | Self::Aborted(_) | Self::Lost(_) => true,
            Self::Denied | Self::Deleted | Self::WrongRevision { .. } | Self::Refused(_) => false,
        }
    }

    /// As the cause of an error of the log.
    pub(crate) fn into_io(self) -> io::Error {
        let kind = match &self {
            Self::Denied => io::ErrorKind::PermissionDenied,
            Self::Refused(_) | Self::WrongRevision { .. } => io::ErrorKind::InvalidInput,
            Self::Deleted => io::ErrorKind::NotFound,
            Self::NotLeader | Self::Unsent(_) => io::ErrorKind::NotConnected,
            Self::Aborted(_) | Self::Lost(_) => io::ErrorKind::TimedOut,
        };
        io::Error::new(kind, self)
    }
}

/// Appends events to a stream whose next revision is [`Write::first`], all or none.
pub(crate) async fn append(
    client: es::Client,
    credentials: Option<Credentials>,
    write: Write,
    deadline: Duration,
) -> Result<Taken, Failure> {
    let expected = match write.first.checked_sub(1) {
        None => es::ExpectedRevision::NoStream,
        Some(last) => es::ExpectedRevision::Exact(last),
    };
    let mut options = es::AppendToStreamOptions::default().expected_revision(expected).deadline(deadline);
    if let Some(credentials) = credentials {
        options = options.authenticated(user(credentials));
    }
    let mut events = Vec::with_capacity(write.events.len());
    for (id, kind, data) in write.events {
        let event = if write.json { json(kind, &data)? } else { es::EventData::binary(kind, data) };
        events.push(event.id(id));
    }
    let written = client.append_to_stream(write.stream, &options, events).await.map_err(failure)?;
    let nowhere = es::Position::start();
    Ok(Taken { last: written.next_expected_version, replayed: written.position == nowhere })
}

fn json(kind: &str, data: &Bytes) -> Result<es::EventData, Failure> {
    let refused = |error: serde_json::Error| Failure::Refused(error.to_string());
    let value: serde_json::Value = serde_json::from_slice(data).map_err(refused)?;
    es::EventData::json(kind, &value).map_err(refused)
}

/// Reads a page of a stream; none when there is no such stream.
pub(crate) async fn read_stream(
    client: es::Client,
    credentials: Option<Credentials>,
    stream: String,
    from: From,
    bounds: Bounds,
) -> Result<Option<Page>, Failure> {
    let options = es::ReadStreamOptions::default().max_count(bounds.events);
    let mut options = match from {
        From::Revision(0) => options.position(es::StreamPosition::Start),
        From::Revision(revision) => options.position(es::StreamPosition::Position(revision)),
        From::End => options.position(es::StreamPosition::End).backwards(),
    };
    if let Some(credentials) = credentials {
        options = options.authenticated(user(credentials));
    }
    let events = client.read_stream(stream, &options).await.map_err(failure)?;
    match page(events, bounds).await {
        Ok(page) => Ok(Some(page)),
        // As an answer, and not as a status: a node without a leader may say "not found", too.
        Err(Error::ResourceNotFound) => Ok(None),
        Err(error) => Err(failure(error)),
    }
}

/// Reads a page of `$all` forwards, from a place on, the event there included; or backwards from the end.
pub(crate) async fn read_all(
    client: es::Client,
    credentials: Option<Credentials>,
    from: Option<Cursor>,
    backwards: bool,
    bounds: Bounds,
) -> Result<Page, Failure> {
    let options = es::ReadAllOptions::default().max_count(bounds.events);
    let mut options = match from {
        _ if backwards => options.position(es::StreamPosition::End).backwards(),
        None => options.position(es::StreamPosition::Start),
        Some(Cursor(commit, prepare)) => {
            options.position(es::StreamPosition::Position(es::Position { commit, prepare }))
        }
    };
    if let Some(credentials) = credentials {
        options = options.authenticated(user(credentials));
    }
    let events = client.read_all(&options).await.map_err(failure)?;
    page(events, bounds).await.map_err(failure)
}

async fn page(mut events: es::ReadStream, bounds: Bounds) -> Result<Page, Error> {
    let (mut page, mut bytes) = (Page::default(), 0_usize);
    while let Some(resolved) = events.next().await? {
        if let Some(event) = event(resolved) {
            bytes = bytes.saturating_add(event.data.len());
            page.events.push(event);
        }
        // Whoever goes on from an event reads it first: one large event must not be a page.
        let full = bytes >= bounds.bytes && page.events.len() > 1;
        if full || page.events.len() >= bounds.events {
            page.more = true;
            break;
        }
    }
    Ok(page)
}

/// Links are not followed: what stands in the stream itself is the event.
fn event(resolved: es::ResolvedEvent) -> Option<Event> {
    let recorded = resolved.link.or(resolved.event)?;
    Some(Event {
        stream: recorded.stream_id,
        revision: recorded.revision,
        kind: recorded.event_type,
        data: recorded.data,
        at: Cursor(recorded.position.commit, recorded.position.prepare),
    })
}

fn user(credentials: Credentials) -> es::Credentials {
    es::Credentials::new(credentials.name, credentials.password)
}

fn failure(error: Error) -> Failure {
    match error {
        Error::NotLeaderException(_) => Failure::NotLeader,
        Error::AccessDenied => Failure::Denied,
        Error::ResourceDeleted => Failure::Deleted,
        Error::WrongExpectedVersion { current: es::CurrentRevision::Current(last), .. } => {
            Failure::WrongRevision { last: Some(last) }
        }
        Error::WrongExpectedVersion { current: es::CurrentRevision::NoStream, .. } => {
            Failure::WrongRevision { last: None }
        }
        Error::Grpc { code, message } => match i32::from(code) {
            INVALID_ARGUMENT | FAILED_PRECONDITION => Failure::Refused(message),
            ABORTED => Failure::Aborted(message),
            _ => Failure::Lost(format!("{code}: {message}")),
        },
        Error::UnsupportedFeature => Failure::Refused(error.to_string()),
        // The crate says these before it has sent anything. A status "not found" comes from a node that knows no leader.
        Error::ConnectionClosed
        | Error::GrpcConnectionError(_)
        | Error::InitializationError(_)
        | Error::ResourceNotFound => Failure::Unsent(error.to_string()),
        Error::ServerError(_)
        | Error::InternalParsingError(_)
        | Error::ResourceAlreadyExists
        | Error::InternalClientError
        | Error::DeadlineExceeded
        | Error::IllegalStateError(_) => Failure::Lost(error.to_string()),
    }
}
