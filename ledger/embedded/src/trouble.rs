//! What writing has met, for whoever watches over the process: whether there is room, and how often something was not stored.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicU64, Ordering},
};

/// What writing has met since the log, or the vault, was opened.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Trouble {
    /// The last write found no space on the disk. One that finds some ends that.
    pub is_full: bool,
    /// Writes that failed and of which nothing is stored, for whatever reason.
    pub not_stored: u64,
    /// Appends that were refused because the queue was full.
    pub turned_away: u64,
}

/// The same while it is counted; clones count together.
#[derive(Debug, Clone, Default)]
pub(crate) struct Troubles(Arc<Counts>);

#[derive(Debug, Default)]
struct Counts {
    is_full: AtomicBool,
    not_stored: AtomicU64,
    turned_away: AtomicU64,
}

impl Troubles {
    /// As it is now.
    pub(crate) fn now(&self) -> Trouble {
        Trouble {
            is_full: self.0.is_full.load(Ordering::Relaxed),
            not_stored: self.0.not_stored.load(Ordering::Relaxed),
            turned_away: self.0.turned_away.load(Ordering::Relaxed),
        }
    }

    /// Something was stored.
    pub(crate) fn stored(&self) {
        self.0.is_full.store(false, Ordering::Relaxed);
    }

    /// Something was not.
    pub(crate) fn not_stored(&self, is_full: bool) {
        self.0.is_full.store(is_full, Ordering::Relaxed);
        self.0.not_stored.fetch_add(1, Ordering::Relaxed);
    }

    /// The queue was full.
    pub(crate) fn turned_away(&self) {
        self.0.turned_away.fetch_add(1, Ordering::Relaxed);
    }
}
