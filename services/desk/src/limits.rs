//! What a server lets its callers do at once, and how long it waits for them. What the bytes of a message may be is a matter of the
//! formats, and not set here: see [`crate::server::MESSAGE_BYTES_MAX`].

use std::time::Duration;

/// The limits of one listener.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Connections open at once. Each takes a file descriptor, and the log needs some too. One more is closed.
    pub connections: u32,
    /// Requests and streams under way on one connection. A peer is told the number, and waits with the next by HTTP/2.
    pub requests_per_connection: u32,
    /// Bytes of the headers of a request (HTTP/2 `SETTINGS_MAX_HEADER_LIST_SIZE`). More are refused.
    pub header_bytes: u32,
    /// Requests that a peer has begun and taken back before they were looked at. Who does that more often is cut off.
    pub pending_resets: u32,
    /// Time until a request is answered; for a stream, until its first sign. The deadline of the caller (`grpc-timeout`) counts where
    /// it is earlier. What waits to be recorded then is dropped.
    pub answer: Duration,
    /// A silent connection is asked for a sign of life this often.
    pub keepalive_interval: Duration,
    /// Time that it has to give one.
    pub keepalive_timeout: Duration,
    /// Age at which a connection is asked to end: it takes no new requests, so that callers spread anew over the processes.
    pub connection_age: Duration,
    /// Time that what is under way on it then has to end. A stream that is cut is gone on with on a new connection.
    pub connection_age_grace: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 4_096,
            requests_per_connection: 256,
            header_bytes: 16 * 1_024,
            pending_resets: 20,
            answer: Duration::from_secs(30),
            keepalive_interval: Duration::from_secs(30),
            keepalive_timeout: Duration::from_secs(10),
            connection_age: Duration::from_secs(30 * 60),
            connection_age_grace: Duration::from_secs(60),
        }
    }
}
