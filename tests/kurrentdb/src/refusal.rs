//! Refusals with the codes, texts and trailers of the server (`RpcExceptions.cs`).

use std::net::SocketAddr;

use tonic::{Code, Status, metadata::MetadataMap};

pub(crate) fn access_denied() -> Status {
    with(Code::PermissionDenied, "Access Denied", &[("exception", "access-denied")])
}

pub(crate) fn bad_request(text: &str) -> Status {
    Status::invalid_argument(text)
}

pub(crate) fn event_too_big(id: &str, size: usize, maximum: usize) -> Status {
    with(
        Code::InvalidArgument,
        &format!("Event with Id: {id}, Size: {size}, exceeds Maximum Append Event Size of {maximum}."),
        &[
            ("exception", "maximum-append-event-size-exceeded"),
            ("maximum-append-event-size", &maximum.to_string()),
            ("event-id", id),
            ("proposed-append-event-size", &size.to_string()),
        ],
    )
}

pub(crate) fn append_too_big(maximum: usize) -> Status {
    with(
        Code::InvalidArgument,
        &format!("Maximum Append Size of {maximum} Exceeded."),
        &[("exception", "maximum-append-size-exceeded"), ("maximum-append-size", &maximum.to_string())],
    )
}

pub(crate) fn invalid_position() -> Status {
    Status::invalid_argument("Trying to read from an invalid position.")
}

pub(crate) fn metadata_missing(property: &str) -> Status {
    with(
        Code::InvalidArgument,
        &format!("Required Metadata Property '{property}' is missing"),
        &[("exception", "missing-required-metadata-property"), ("required-metadata-properties", "type,content-type")],
    )
}

pub(crate) fn no_subscription() -> Status {
    with(
        Code::NotFound,
        "Subscription group  on stream  does not exist.",
        &[("exception", "persistent-subscription-does-not-exist"), ("stream-name", ""), ("group-name", "")],
    )
}

pub(crate) fn not_leader(leader: SocketAddr) -> Status {
    with(
        Code::NotFound,
        "Leader info available",
        &[
            ("exception", "not-leader"),
            ("leader-endpoint-host", &leader.ip().to_string()),
            ("leader-endpoint-port", &leader.port().to_string()),
        ],
    )
}

pub(crate) fn not_ready() -> Status {
    Status::unavailable("Server Is Not Ready")
}

pub(crate) fn stream_deleted(stream: &str) -> Status {
    with(
        Code::FailedPrecondition,
        &format!("Event stream '{stream}' is deleted."),
        &[("exception", "stream-deleted"), ("stream-name", stream)],
    )
}

/// The outcome is unknown to the client: the event may be stored, or be stored later.
pub(crate) fn timed_out() -> Status {
    Status::aborted("Operation timed out: Prepare phase timeout.")
}

pub(crate) fn unauthenticated() -> Status {
    Status::unauthenticated("Unauthenticated")
}

pub(crate) fn wrong_revision(stream: &str, expected: i64, actual: i64) -> Status {
    with(
        Code::FailedPrecondition,
        &format!(
            "Delete failed due to WrongExpectedVersion. Stream: {stream}, Expected version: {expected}, Actual version: {actual}"
        ),
        &[
            ("exception", "wrong-expected-version"),
            ("stream-name", stream),
            ("expected-version", &expected.to_string()),
            ("actual-version", &actual.to_string()),
        ],
    )
}

fn with(code: Code, text: &str, trailers: &[(&'static str, &str)]) -> Status {
    let mut metadata = MetadataMap::new();
    for (key, value) in trailers {
        // A stream's name may hold what a header cannot; the trailer is left out then.
        if let Ok(value) = value.parse() {
            metadata.insert(*key, value);
        }
    }
    Status::with_metadata(code, text, metadata)
}
