//! Time as a value: whoever needs it takes a [`Clock`], so that tests and replays can say what time it is.

use std::{
    collections::VecDeque,
    fmt,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicI64, Ordering},
    },
};

/// Tells the time.
pub trait Clock: Send + Sync + fmt::Debug {
    /// Milliseconds since 1970-01-01T00:00:00Z.
    fn now_ms(&self) -> i64;
}

/// The machine's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the one clock that reads the machine's")]
    fn now_ms(&self) -> i64 {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
    }
}

/// A clock that stands until it is set.
#[derive(Debug, Default)]
pub struct ManualClock(AtomicI64);

impl ManualClock {
    /// A clock that stands at this instant, in milliseconds since 1970-01-01T00:00:00Z.
    #[must_use]
    pub fn at(now_ms: i64) -> Self {
        Self(AtomicI64::new(now_ms))
    }

    /// Sets it.
    pub fn set(&self, now_ms: i64) {
        self.0.store(now_ms, Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn now_ms(&self) -> i64 {
        self.0.load(Ordering::SeqCst)
    }
}

/// A clock that tells one instant after another as it is told to, and then stands at the last: the time of a history
/// that is made up, whose acts are recorded many at once.
#[derive(Debug)]
pub struct ScriptedClock(Mutex<(i64, VecDeque<i64>)>);

impl ScriptedClock {
    /// A clock that stands at this instant, in milliseconds since 1970-01-01T00:00:00Z.
    #[must_use]
    pub fn at(now_ms: i64) -> Self {
        Self(Mutex::new((now_ms, VecDeque::new())))
    }

    /// The instants that it tells next, one for each time it is read, in place of those that were not told yet.
    pub fn follow(&self, instants_ms: impl IntoIterator<Item = i64>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).1 = instants_ms.into_iter().collect();
    }
}

impl Clock for ScriptedClock {
    fn now_ms(&self) -> i64 {
        let mut script = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(next) = script.1.pop_front() {
            script.0 = next;
        }
        script.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scripted_clock_tells_each_instant_once_and_stands_at_the_last() {
        let clock = ScriptedClock::at(1);
        assert_eq!([clock.now_ms(), clock.now_ms()], [1, 1]);
        clock.follow([5, 6]);
        assert_eq!([clock.now_ms(), clock.now_ms(), clock.now_ms()], [5, 6, 6]);
        clock.follow([7, 8]);
        clock.follow([9]);
        assert_eq!([clock.now_ms(), clock.now_ms()], [9, 9]);
    }
}
