//! Acts of one stream on one chain take their turns: they are recorded in the order in which they were sent, however
//! the runtime schedules them. Acts on different chains do not wait for each other.

use std::collections::BTreeMap;

use mediation_ledger::chain::ChainId;
use tokio::sync::oneshot::{self, error::TryRecvError};

/// The turns of one stream.
#[derive(Debug)]
pub(crate) struct Turns {
    /// Resolves when the last act of the chain so far has had its turn.
    last: BTreeMap<ChainId, oneshot::Receiver<()>>,
    /// Acts under way at once, and so chains that are worth keeping.
    under_way_max: usize,
}

/// One act's turn; it ends when this is dropped.
#[derive(Debug)]
pub(crate) struct Turn {
    before: Option<oneshot::Receiver<()>>,
    /// Dropped with the turn, which wakes the next.
    _after: oneshot::Sender<()>,
}

impl Turns {
    /// Turns of a stream with so many acts under way at once.
    pub(crate) fn new(under_way_max: usize) -> Self {
        Self { last: BTreeMap::new(), under_way_max }
    }

    /// The next turn on a chain.
    pub(crate) fn next(&mut self, chain: ChainId) -> Turn {
        if self.last.len() > self.under_way_max {
            self.last.retain(|_, last| matches!(last.try_recv(), Err(TryRecvError::Empty)));
        }
        let (after, ended) = oneshot::channel();
        Turn { before: self.last.insert(chain, ended), _after: after }
    }
}

impl Turn {
    /// Waits until it is this act's turn.
    pub(crate) async fn come(&mut self) {
        if let Some(before) = self.before.take() {
            // The one before has dropped its end: it has had its turn.
            drop(before.await);
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    #[test]
    fn a_turn_comes_when_the_one_before_on_its_chain_has_ended() {
        let mut turns = Turns::new(64);
        let (one, two) = (ChainId([1; 16]), ChainId([2; 16]));
        let (mut first, mut second, mut other) = (turns.next(one), turns.next(one), turns.next(two));
        assert!(first.come().now_or_never().is_some());
        assert!(other.come().now_or_never().is_some());
        let mut waits = Box::pin(second.come());
        assert!(waits.as_mut().now_or_never().is_none());
        drop(first);
        assert!(waits.now_or_never().is_some());
    }

    #[test]
    fn chains_whose_acts_have_all_had_their_turn_are_forgotten() {
        let mut turns = Turns::new(8);
        for chain in 0..100_u8 {
            drop(turns.next(ChainId([chain; 16])));
            assert!(turns.last.len() <= 9);
        }
    }
}
