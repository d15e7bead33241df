//! What the adapter had to do to keep its promises, as counters.

use std::sync::atomic::{AtomicU64, Ordering};

/// Counters since the log was opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Metrics {
    /// Clients that were built, the first included.
    pub clients_built: u64,
    /// Appends that were answered after an attempt whose outcome was unknown.
    pub unknown_outcomes_resolved: u64,
    /// Appends whose records stood already, with the same bytes.
    pub replays: u64,
    /// Panics within the client's crate.
    pub client_panics: u64,
    /// Pages that could not be read and were asked for again.
    pub pages_failed: u64,
}

#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) clients_built: Counter,
    pub(crate) unknown_outcomes_resolved: Counter,
    pub(crate) replays: Counter,
    pub(crate) client_panics: Counter,
    pub(crate) pages_failed: Counter,
}

impl Counters {
    pub(crate) fn read(&self) -> Metrics {
        Metrics {
            clients_built: self.clients_built.0.load(Ordering::Relaxed),
            unknown_outcomes_resolved: self.unknown_outcomes_resolved.0.load(Ordering::Relaxed),
            replays: self.replays.0.load(Ordering::Relaxed),
            client_panics: self.client_panics.0.load(Ordering::Relaxed),
            pages_failed: self.pages_failed.0.load(Ordering::Relaxed),
        }
    }
}

/// A number that only grows.
#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    pub(crate) fn add(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}
