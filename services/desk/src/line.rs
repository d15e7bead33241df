//! The line of one agency: so many of its requests are in work at once, the others wait for their turn, and those that would only
//! wait are not let in.
//!
//! ```text
//! gate ─ room? ─ passing: the message is read ─ waiting ─ in work ─ done
//!          └ no: refused, and the message is not read (`gate.rs`)
//! ```
//!
//! A burst may fill the line as far as the quota allows one. Once somebody has waited too long in it, more comes than is worked on:
//! from then on the line is kept short, so that whoever is let in is answered soon, and the time of the process goes into answers.
//! It is kept so until nobody had to be refused for a while.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::Instant,
};

/// Whoever waits longer than that shows that the line is too long.
const WAIT_MAX: Duration = Duration::from_millis(250);

/// The line is kept short until nobody was refused for so long.
const CALM: Duration = Duration::from_secs(1);

/// The part of those in work that may wait in a line that is kept short: enough to take the places of those that end together.
const SHORT: usize = 4;

/// Places in a short line of an agency with a small quota.
const SHORT_MIN: usize = 8;

/// The line of an agency.
#[derive(Debug)]
pub(crate) struct Line {
    in_work: Arc<Semaphore>,
    /// Places while nobody waits long, and otherwise.
    long: usize,
    short: usize,
    /// Requests that passed the gate and are not in work yet.
    before: AtomicUsize,
    /// Until when the line is kept short.
    short_until: Mutex<Option<Instant>>,
}

impl Line {
    /// A line with so many requests in work at once, and room for a burst.
    pub(crate) fn new(in_work: usize, burst: usize) -> Self {
        let short = (in_work / SHORT).max(SHORT_MIN);
        Self {
            in_work: Arc::new(Semaphore::new(in_work)),
            long: burst.max(short),
            short,
            before: AtomicUsize::new(0),
            short_until: Mutex::default(),
        }
    }

    /// Lets a request pass whose message is not read yet; not when there is no room for it.
    pub(crate) fn enter(self: &Arc<Self>) -> Option<Pass> {
        let before = self.before.fetch_add(1, Ordering::Relaxed);
        let pass = Pass(Arc::new(Passing { line: Arc::clone(self), has_arrived: AtomicBool::new(false) }));
        // Dropped, it takes itself back.
        self.has_room_behind(before).then_some(pass)
    }

    /// Waits until one more request may be worked on, which it is while what this returns is kept.
    pub(crate) async fn begin(&self) -> Option<OwnedSemaphorePermit> {
        if let Ok(begun) = Arc::clone(&self.in_work).try_acquire_owned() {
            return Some(begun);
        }
        let waits = Waits::behind(self);
        // An error says that the line is closed, which none ever is.
        let begun = Arc::clone(&self.in_work).acquire_owned().await.ok();
        drop(waits);
        begun
    }

    /// The same without a place among those that are counted: an act of a stream, whose sender is held up meanwhile.
    pub(crate) async fn begin_uncounted(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.in_work).acquire_owned().await.ok()
    }

    /// Whether one more has room behind so many.
    fn has_room_behind(&self, before: usize) -> bool {
        let begins_at_once = self.in_work.available_permits();
        if before < self.short + begins_at_once {
            return true;
        }
        let (mut short_until, now) = (self.short_until(), Instant::now());
        if short_until.is_some_and(|until| now < until) {
            *short_until = Some(now + CALM);
            return false;
        }
        before < self.long + begins_at_once
    }

    fn keep_short(&self) {
        *self.short_until() = Some(Instant::now() + CALM);
    }

    fn short_until(&self) -> std::sync::MutexGuard<'_, Option<Instant>> {
        self.short_until.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A request that has passed the gate; clones are the same. It counts until it has arrived where it waits, or is gone.
#[derive(Debug, Clone)]
pub(crate) struct Pass(Arc<Passing>);

impl Pass {
    /// Its message is read; whoever wants something of the line counts himself from here on.
    pub(crate) fn arrive(&self) {
        self.0.arrive();
    }
}

#[derive(Debug)]
struct Passing {
    line: Arc<Line>,
    has_arrived: AtomicBool,
}

impl Passing {
    fn arrive(&self) {
        if !self.has_arrived.swap(true, Ordering::Relaxed) {
            self.line.before.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

impl Drop for Passing {
    fn drop(&mut self) {
        self.arrive();
    }
}

/// A request that waits in the line, until it begins or is given up.
struct Waits<'a> {
    line: &'a Line,
    since: Instant,
}

impl<'a> Waits<'a> {
    fn behind(line: &'a Line) -> Self {
        line.before.fetch_add(1, Ordering::Relaxed);
        Self { line, since: Instant::now() }
    }
}

impl Drop for Waits<'_> {
    fn drop(&mut self) {
        self.line.before.fetch_sub(1, Ordering::Relaxed);
        if self.since.elapsed() > WAIT_MAX {
            self.line.keep_short();
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    /// Fills the places in work, and has so many wait.
    async fn line(burst: usize) -> (Arc<Line>, Vec<OwnedSemaphorePermit>) {
        let line = Arc::new(Line::new(16, burst));
        let mut in_work = Vec::new();
        for _request in 0..16 {
            in_work.push(line.begin().await.unwrap());
        }
        (line, in_work)
    }

    #[tokio::test]
    async fn a_burst_is_let_in_and_what_is_beyond_it_is_not() {
        let (line, mut in_work) = line(100).await;
        let passed: Vec<Pass> = (0..200).filter_map(|_request| line.enter()).collect();
        assert_eq!(passed.len(), 100);
        in_work.truncate(10);
        assert_eq!(
            (0..200).filter_map(|_request| line.enter()).fuse().collect::<Vec<Pass>>().len(),
            6,
            "places in work are free"
        );
        drop(passed);
        assert_eq!(line.before.load(Ordering::Relaxed), 0);
    }

    #[tokio::test]
    async fn a_request_counts_once_from_the_gate_until_it_is_in_work() {
        let (line, mut in_work) = line(100).await;
        let pass = line.enter().unwrap();
        assert_eq!(line.before.load(Ordering::Relaxed), 1);
        pass.arrive();
        let mut begun = Box::pin(line.begin());
        assert!(begun.as_mut().now_or_never().is_none());
        pass.arrive();
        drop(pass);
        assert_eq!(line.before.load(Ordering::Relaxed), 1);
        in_work.pop();
        in_work.push(begun.await.unwrap());
        assert_eq!(line.before.load(Ordering::Relaxed), 0);
        let given_up = Box::pin(line.begin());
        assert!(given_up.now_or_never().is_none());
        assert_eq!(line.before.load(Ordering::Relaxed), 0, "who gives up waits no more");
    }

    #[tokio::test(start_paused = true)]
    async fn once_somebody_has_waited_too_long_the_line_is_kept_short_until_nobody_is_refused() {
        let (line, mut in_work) = line(100).await;
        let let_in = || (0..200).filter_map(|_request| line.enter()).collect::<Vec<Pass>>().len();
        let mut waits = Box::pin(line.begin());
        assert!(waits.as_mut().now_or_never().is_none());
        tokio::time::advance(WAIT_MAX / 2).await;
        in_work.pop();
        in_work.push(waits.await.unwrap());
        assert_eq!(let_in(), 100, "a short wait changes nothing");
        let mut waits = Box::pin(line.begin());
        assert!(waits.as_mut().now_or_never().is_none());
        tokio::time::advance(WAIT_MAX * 2).await;
        in_work.pop();
        in_work.push(waits.await.unwrap());
        assert_eq!(let_in(), SHORT_MIN);
        for _moment in 0..3 {
            tokio::time::advance(CALM * 3 / 4).await;
            assert_eq!(let_in(), SHORT_MIN, "as long as somebody is refused");
        }
        tokio::time::advance(CALM).await;
        assert_eq!(let_in(), 100);
    }
}
