//! The instances that are open, found by their clocks: on a long chain there are many, and an act concerns few.

use std::collections::BTreeSet;

/// Open instances.
#[derive(Debug, Default)]
pub(super) struct Open {
    /// Place of the clock, then of the instance.
    places: BTreeSet<(usize, usize)>,
}

impl Open {
    pub(super) fn insert(&mut self, clock: usize, instance: usize) {
        self.places.insert((clock, instance));
    }

    pub(super) fn remove(&mut self, clock: usize, instance: usize) {
        self.places.remove(&(clock, instance));
    }

    /// The instances of a clock, oldest first.
    pub(super) fn of(&self, clock: usize) -> impl Iterator<Item = usize> {
        let range = if self.places.is_empty() { None } else { Some((clock, 0)..=(clock, usize::MAX)) };
        range.into_iter().flat_map(|range| self.places.range(range)).map(|(_, instance)| *instance)
    }

    /// The instances of several clocks, oldest first.
    pub(super) fn of_any(&self, clocks: impl IntoIterator<Item = usize>) -> Vec<usize> {
        let mut instances: Vec<usize> = clocks.into_iter().flat_map(|clock| self.of(clock)).collect();
        instances.sort_unstable();
        instances
    }

    /// Every instance, oldest first.
    pub(super) fn all(&self) -> Vec<usize> {
        let mut instances: Vec<usize> = self.places.iter().map(|(_, instance)| *instance).collect();
        instances.sort_unstable();
        instances
    }

    pub(super) fn has(&self, clock: usize) -> bool {
        self.of(clock).next().is_some()
    }
}
