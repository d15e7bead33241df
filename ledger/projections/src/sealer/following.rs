//! Who follows which chain. A checkpoint wakes those whose chains it has grown, and nobody else: of a thousand who watch, each act
//! concerns few.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock},
};

use mediation_ledger::{
    chain::{ChainId, Revision},
    merkle::{LeafIndex, TreeSize},
};
use tokio::sync::watch;

use super::State;

/// Leaves that are kept apart until a checkpoint covers them; beyond that everybody is woken.
const GROWN_MAX: usize = 4_096;

/// Those who follow, by chain; none once the sealer has ended.
#[derive(Debug)]
pub(super) struct Followers {
    chains: Mutex<Option<BTreeMap<ChainId, watch::Sender<()>>>>,
}

impl Default for Followers {
    fn default() -> Self {
        Self { chains: Mutex::new(Some(BTreeMap::new())) }
    }
}

impl Followers {
    fn follow(&self, chain: ChainId) -> watch::Receiver<()> {
        let mut chains = self.chains();
        // Of a sealer that has ended the sender is gone at once.
        let Some(chains) = chains.as_mut() else { return watch::channel(()).1 };
        chains.entry(chain).or_insert_with(|| watch::Sender::new(())).subscribe()
    }

    /// Forgets a chain that its last follower leaves.
    fn leave(&self, chain: ChainId) {
        let mut chains = self.chains();
        let Some(chains) = chains.as_mut() else { return };
        if chains.get(&chain).is_some_and(|sender| sender.receiver_count() == 1) {
            chains.remove(&chain);
        }
    }

    /// Ends all following.
    pub(super) fn end(&self) {
        *self.chains() = None;
    }

    fn chains(&self) -> MutexGuard<'_, Option<BTreeMap<ChainId, watch::Sender<()>>>> {
        self.chains.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Leaves that no checkpoint covers yet.
#[derive(Debug, Default)]
pub(super) struct Grown {
    leaves: VecDeque<(LeafIndex, ChainId)>,
    /// There were too many to keep apart; the last of them.
    all_to: Option<LeafIndex>,
}

impl Grown {
    pub(super) fn add(&mut self, index: LeafIndex, chain: ChainId) {
        if self.all_to.is_some() || self.leaves.len() >= GROWN_MAX {
            self.leaves.clear();
            self.all_to = Some(index);
        } else {
            self.leaves.push_back((index, chain));
        }
    }

    /// Wakes those whose chains a checkpoint of this size covers further than the one before. What it says MUST be shown already.
    pub(super) fn tell(&mut self, size: TreeSize, followers: &Followers) {
        let chains = followers.chains();
        let Some(chains) = chains.as_ref() else { return };
        if let Some(last) = self.all_to {
            for follower in chains.values() {
                follower.send_replace(());
            }
            self.all_to = self.all_to.filter(|_| last.0 >= size.0);
        }
        while let Some((_, chain)) = self.leaves.pop_front_if(|(index, _)| index.0 < size.0) {
            if let Some(follower) = chains.get(&chain) {
                follower.send_replace(());
            }
        }
    }
}

/// Follows the sealed entries of a chain.
#[derive(Debug)]
pub struct Following {
    chain: ChainId,
    state: Arc<RwLock<State>>,
    followers: Arc<Followers>,
    grown: watch::Receiver<()>,
}

impl Following {
    pub(super) fn new(chain: ChainId, state: &Arc<RwLock<State>>, followers: &Arc<Followers>) -> Self {
        let grown = followers.follow(chain);
        Self { chain, state: Arc::clone(state), followers: Arc::clone(followers), grown }
    }

    /// Waits until the entry at this revision is sealed; false when the sealer has ended before.
    pub async fn reached(&mut self, revision: Revision) -> bool {
        loop {
            self.grown.mark_unchanged();
            let is_sealed = {
                let state = self.state.read().unwrap_or_else(PoisonError::into_inner);
                state.place(self.chain, revision).is_some_and(|index| index.0 < state.sealed.0)
            };
            if is_sealed {
                return true;
            }
            if self.grown.changed().await.is_err() {
                return false;
            }
        }
    }
}

impl Drop for Following {
    fn drop(&mut self) {
        self.followers.leave(self.chain);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chain(number: u8) -> ChainId {
        ChainId([number; 16])
    }

    /// Two chains with a follower each, and whether these were woken.
    fn followed() -> (Followers, impl FnMut() -> [bool; 2]) {
        let followers = Followers::default();
        let mut woken = [1, 2].map(|number| followers.follow(chain(number)));
        let told = move || {
            woken.each_mut().map(|woken| {
                woken.has_changed().unwrap() && {
                    woken.mark_unchanged();
                    true
                }
            })
        };
        (followers, told)
    }

    #[test]
    fn a_checkpoint_wakes_those_whose_chain_it_covers_further_and_nobody_else() {
        let (followers, mut woken) = followed();
        let mut grown = Grown::default();
        for (index, number) in [(0, 1), (1, 3), (2, 2)] {
            grown.add(LeafIndex(index), chain(number));
        }
        grown.tell(TreeSize(2), &followers);
        assert_eq!(woken(), [true, false], "the third leaf is not under it");
        grown.tell(TreeSize(2), &followers);
        assert_eq!(woken(), [false, false]);
        grown.tell(TreeSize(3), &followers);
        assert_eq!(woken(), [false, true]);
    }

    #[test]
    fn of_more_leaves_than_are_kept_apart_everybody_is_told_until_they_are_covered() {
        let (followers, mut woken) = followed();
        let mut grown = Grown::default();
        let leaves = GROWN_MAX as u64 + 2;
        for index in 0..leaves {
            grown.add(LeafIndex(index), chain(3));
        }
        assert!(grown.leaves.is_empty());
        grown.tell(TreeSize(leaves - 1), &followers);
        assert_eq!(woken(), [true, true]);
        grown.tell(TreeSize(leaves), &followers);
        assert_eq!(woken(), [true, true]);
        grown.add(LeafIndex(leaves), chain(2));
        grown.tell(TreeSize(leaves + 1), &followers);
        assert_eq!(woken(), [false, true]);
    }

    #[tokio::test]
    async fn a_chain_that_nobody_follows_any_more_is_forgotten_and_the_end_is_told() {
        let (state, followers) = (Arc::default(), Arc::new(Followers::default()));
        let (one, mut other) =
            (Following::new(chain(1), &state, &followers), Following::new(chain(1), &state, &followers));
        drop(one);
        assert_eq!(followers.chains().as_ref().map(BTreeMap::len), Some(1));
        followers.end();
        assert!(!other.reached(Revision(0)).await);
        assert!(!Following::new(chain(2), &state, &followers).reached(Revision(0)).await);
        drop(other);

        let followers = Arc::new(Followers::default());
        drop(Following::new(chain(1), &state, &followers));
        assert_eq!(followers.chains().as_ref().map(BTreeMap::len), Some(0));
    }
}
