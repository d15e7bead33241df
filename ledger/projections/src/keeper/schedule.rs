//! Which chains are to be judged now, and which later.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Bound,
};

use mediation_ledger::chain::ChainId;

/// The chains that wait. A chain from which nothing can be expected is not kept.
#[derive(Debug, Default)]
pub(super) struct Schedule {
    /// Chains to be judged: they have moved, or their instant has come.
    now: BTreeSet<ChainId>,
    /// Chains by the instant at which they are to be judged again, in seconds.
    later: BTreeSet<(i64, ChainId)>,
    /// The instant of each chain in `later`.
    instants: BTreeMap<ChainId, i64>,
    /// The chain that was last judged: the next one by id comes next, so that each gets its turn.
    last: Option<ChainId>,
}

impl Schedule {
    /// A chain is to be judged.
    pub(super) fn mark(&mut self, chain: ChainId) {
        self.now.insert(chain);
    }

    /// A chain that was judged is to be judged again at an instant, or only when it moves.
    pub(super) fn wait(&mut self, chain: ChainId, until: Option<i64>) {
        self.forget(chain);
        if let Some(until) = until {
            self.later.insert((until, chain));
            self.instants.insert(chain, until);
        }
    }

    /// The instants up to now have come.
    pub(super) fn come(&mut self, now: i64) {
        while let Some((instant, chain)) = self.later.first().copied().filter(|first| first.0 <= now) {
            self.later.remove(&(instant, chain));
            self.instants.remove(&chain);
            self.now.insert(chain);
        }
    }

    /// Takes the next chain to be judged.
    pub(super) fn next(&mut self) -> Option<ChainId> {
        let after = self.last.map_or(Bound::Unbounded, Bound::Excluded);
        let following = self.now.range((after, Bound::Unbounded)).next().copied();
        let chain = following.or_else(|| self.now.first().copied())?;
        self.now.remove(&chain);
        self.last = Some(chain);
        Some(chain)
    }

    /// No chain is to be judged now.
    pub(super) fn is_idle(&self) -> bool {
        self.now.is_empty()
    }

    /// A chain is to be judged at an instant that has not come.
    #[cfg(test)]
    pub(super) fn is_waiting(&self, chain: ChainId) -> bool {
        self.instants.contains_key(&chain)
    }

    fn forget(&mut self, chain: ChainId) {
        if let Some(instant) = self.instants.remove(&chain) {
            self.later.remove(&(instant, chain));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chain(number: u8) -> ChainId {
        ChainId([number; 16])
    }

    #[test]
    fn a_chain_comes_when_its_instant_has_come_and_then_no_more() {
        let mut schedule = Schedule::default();
        schedule.wait(chain(1), Some(20));
        schedule.wait(chain(2), Some(10));
        schedule.wait(chain(2), Some(30));
        schedule.come(19);
        assert_eq!(schedule.next(), None);
        schedule.come(20);
        assert_eq!((schedule.next(), schedule.next()), (Some(chain(1)), None));
        schedule.wait(chain(2), None);
        schedule.come(99);
        assert!(schedule.is_idle() && schedule.later.is_empty() && schedule.instants.is_empty());
    }

    #[test]
    fn a_chain_that_moves_all_the_time_does_not_keep_others_waiting() {
        let mut schedule = Schedule::default();
        for number in 1..=3 {
            schedule.mark(chain(number));
        }
        let mut turns = Vec::new();
        for _ in 0..4 {
            turns.extend(schedule.next());
            schedule.mark(chain(1));
        }
        assert_eq!(turns, [chain(1), chain(2), chain(3), chain(1)]);
    }
}
