//! Streams that are open, and how long their subscribers leave answers lying: a reader who stops holds nobody up, and is seen here.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::time::Instant;

/// The streams of a process; clones are the same.
#[derive(Debug, Clone, Default)]
pub struct Subscribers(Arc<Mutex<Open>>);

#[derive(Debug, Default)]
struct Open {
    /// Number of the next stream.
    next: u64,
    streams: BTreeMap<u64, Place>,
}

/// Where the reader of a stream is.
#[derive(Debug, Default)]
struct Place {
    /// Since when he leaves an answer lying; none while he takes them.
    behind_since: Option<Instant>,
    /// The leaf that he is told next, of a stream that follows the log.
    leaf: Option<u64>,
}

/// What can be told of all streams without saying whose they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Standing {
    /// Streams that are open.
    pub open: usize,
    /// Those of them whose subscribers leave an answer lying now.
    pub behind: usize,
    /// How long the one does who has done so longest.
    pub longest: Duration,
    /// Leaves that the last one of those who follow the log has still to be told, up to a size of the tree.
    pub leaves_behind: u64,
}

impl Subscribers {
    /// One more stream.
    pub(crate) fn open(&self) -> Subscriber {
        let mut open = self.lock();
        let number = open.next;
        open.next += 1;
        open.streams.insert(number, Place::default());
        Subscriber { subscribers: self.clone(), number }
    }

    /// How they stand, where the tree has so many leaves.
    #[must_use]
    pub fn standing(&self, leaves: u64) -> Standing {
        let (open, now) = (self.lock(), Instant::now());
        let streams = open.streams.values();
        let waits = streams.clone().filter_map(|place| place.behind_since).map(|since| now.duration_since(since));
        Standing {
            open: open.streams.len(),
            behind: waits.clone().count(),
            longest: waits.max().unwrap_or_default(),
            leaves_behind: streams
                .filter_map(|place| place.leaf)
                .map(|leaf| leaves.saturating_sub(leaf))
                .max()
                .unwrap_or_default(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Open> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The reader of one stream, until it ends.
#[derive(Debug)]
pub(crate) struct Subscriber {
    subscribers: Subscribers,
    number: u64,
}

impl Subscriber {
    /// He leaves an answer lying, from now on.
    pub(crate) fn is_behind(&self) {
        self.change(|place| place.behind_since = Some(Instant::now()));
    }

    /// He has taken it.
    pub(crate) fn has_taken(&self) {
        self.change(|place| place.behind_since = None);
    }

    /// He follows the log, and has been told all leaves before this one.
    pub(crate) fn follows(&self, leaf: u64) {
        self.change(|place| place.leaf = Some(leaf));
    }

    fn change(&self, change: impl FnOnce(&mut Place)) {
        if let Some(place) = self.subscribers.lock().streams.get_mut(&self.number) {
            change(place);
        }
    }
}

impl Drop for Subscriber {
    fn drop(&mut self) {
        self.subscribers.lock().streams.remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn who_leaves_an_answer_lying_is_seen_until_he_takes_it_or_goes() {
        let subscribers = Subscribers::default();
        let (one, other) = (subscribers.open(), subscribers.open());
        assert_eq!(subscribers.standing(9), Standing { open: 2, ..Standing::default() });
        one.is_behind();
        tokio::time::advance(Duration::from_secs(3)).await;
        other.is_behind();
        tokio::time::advance(Duration::from_secs(1)).await;
        let longest = Duration::from_secs(4);
        assert_eq!(subscribers.standing(9), Standing { open: 2, behind: 2, longest, leaves_behind: 0 });
        one.has_taken();
        let longest = Duration::from_secs(1);
        assert_eq!(subscribers.standing(9), Standing { open: 2, behind: 1, longest, leaves_behind: 0 });
        drop(other);
        assert_eq!(subscribers.standing(9), Standing { open: 1, ..Standing::default() });
    }

    #[test]
    fn of_those_who_follow_the_log_the_last_one_counts() {
        let subscribers = Subscribers::default();
        let (one, other, _watches) = (subscribers.open(), subscribers.open(), subscribers.open());
        one.follows(7);
        other.follows(4);
        assert_eq!(subscribers.standing(9).leaves_behind, 5);
        other.follows(9);
        assert_eq!(subscribers.standing(9).leaves_behind, 2);
        drop(one);
        assert_eq!(subscribers.standing(9).leaves_behind, 0);
    }
}
