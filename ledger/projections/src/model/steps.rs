//! A seam for tests: the work on a model is a row of steps, and a test lets it end before any one of them, as a crash does.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use super::Error;

/// Steps that are left. Nobody but a test ever sees the last one.
#[derive(Debug, Clone)]
pub(super) struct Steps(Arc<AtomicU64>);

impl Default for Steps {
    fn default() -> Self {
        Self::of(u64::MAX)
    }
}

impl Steps {
    pub(super) fn of(steps: u64) -> Self {
        Self(Arc::new(AtomicU64::new(steps)))
    }

    /// Takes a step; an error when none is left, and for ever after.
    pub(super) fn take(&self) -> Result<(), Error> {
        let taken = self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1));
        taken.map(drop).map_err(|_| Error::Cut)
    }
}
