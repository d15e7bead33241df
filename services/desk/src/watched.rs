//! Chains that are watched: each is read once for all who watch it.
//!
//! ```text
//! a checkpoint covers more of the chain ─ wakes all who watch it ─ the first reads what was added, for all
//!                                                                └ each: what he will see ─ recorded, durably ─ then sent
//! ```

use std::{collections::VecDeque, pin::Pin, sync::Arc};

use futures_util::{Stream, stream};
use mediation_domain::history::Recorded;
use mediation_ledger::{
    chain::{ChainId, Revision},
    ledger::{CheckedEntry, Fold, Folds, Ledger, LedgerError},
    log::Log,
    vault::Vault,
};
use mediation_projections::sealer::Following;
use mediation_proto::mediation::ledger::v1::{ChainEntry, WatchChainRequest};
use tokio::sync::Mutex;
use tonic::{Request, Status};

use crate::{
    accesses::Waits,
    chains::{Audience, Read, from, sent},
    desk::stopped,
    disclosure::View,
    driven::driven,
    node::{Node, SEAL_TIMEOUT, request_id},
    request::chain_id,
    status::Refused,
};

/// Entries of a watched chain.
pub type Entries = Pin<Box<dyn Stream<Item = Result<ChainEntry, Status>> + Send>>;

/// The chains that somebody watches.
#[derive(Debug)]
pub(crate) struct Watched {
    chains: Folds<Known>,
}

impl Default for Watched {
    fn default() -> Self {
        // A chain is kept as long as it is watched.
        Self { chains: Folds::new(0) }
    }
}

/// A watched chain, as far as it was read.
#[derive(Debug)]
struct Known {
    fold: Fold,
    entries: Vec<CheckedEntry>,
    /// The acts that count.
    history: Vec<Recorded>,
}

impl From<ChainId> for Known {
    fn from(chain: ChainId) -> Self {
        Self { fold: Fold::new(chain), entries: Vec::new(), history: Vec::new() }
    }
}

impl Known {
    /// Reads what was added. A reading that fails, or that is given up half-way, is begun anew by the next.
    async fn catch_up<L: Log, V: Vault>(&mut self, ledger: &Ledger<L, V>) -> Result<(), LedgerError> {
        let empty = Self::from(self.fold.chain());
        let mut known = std::mem::replace(self, empty);
        let added = ledger.catch_up(&mut known.fold).await?;
        known.history.extend(added.iter().filter_map(|entry| entry.outcome.as_ref().ok()).cloned());
        known.entries.extend(added);
        *self = known;
        Ok(())
    }
}

/// Watches a chain for a caller.
pub(crate) async fn watch<L: Log, V: Vault>(
    node: &Arc<Node<L, V>>,
    request: Request<WatchChainRequest>,
) -> Result<Entries, Refused> {
    let caller = node.caller(&request)?;
    let request = request.into_inner();
    let mut violations = Vec::new();
    let chain = chain_id(request.chain_id.as_deref(), &mut violations);
    let chain = chain.ok_or_else(|| Refused::malformed(violations))?;
    let audience = node.audience(&caller, chain, request.reading)?;
    node.not_denied(&audience, chain).await?;
    let (known, following) = (node.watched().chains.of(chain), node.seals().follow(chain));
    let (next, ready) = (Revision(request.from_revision), VecDeque::new());
    let mut watcher = Watcher { node: Arc::clone(node), audience, chain, known, following, read: None, next, ready };
    watcher.catch_up().await?;
    Ok(driven(&node.background(), node.subscriber(), stream::unfold(watcher, Watcher::next)))
}

/// A reader who watches a chain.
struct Watcher<L, V> {
    node: Arc<Node<L, V>>,
    audience: Audience,
    chain: ChainId,
    known: Arc<Mutex<Known>>,
    following: Following,
    /// The place behind the last entry that was read for him; none before the first time.
    read: Option<Revision>,
    /// The first one that he was not shown.
    next: Revision,
    ready: VecDeque<(CheckedEntry, View)>,
}

impl<L: Log, V: Vault> Watcher<L, V> {
    async fn next(mut self) -> Option<(Result<ChainEntry, Status>, Self)> {
        loop {
            if let Some((entry, view)) = self.ready.pop_front() {
                let seal = self.node.seals().wait(self.chain, entry.revision, SEAL_TIMEOUT).await;
                return Some((Ok(sent(&self.node, self.chain, entry, view, seal)), self));
            }
            let grown = tokio::select! {
                reached = self.following.reached(self.read.unwrap_or(Revision::FIRST)) => reached,
                () = self.node.streams_end() => false,
            };
            if !grown {
                return Some((Err(stopped()), self));
            }
            if let Err(refused) = self.catch_up().await {
                return Some((Err(refused.into_status(&request_id())), self));
            }
        }
    }

    /// Reads what was added, unless another has, and records that it will be shown. An accusation closes the chain to those who
    /// may not know of one, from that entry on.
    async fn catch_up(&mut self) -> Result<(), Refused> {
        let node = Arc::clone(&self.node);
        let mut known = self.known.lock().await;
        if self.read.is_none() && known.fold.is_blind() {
            // What the vault kept back then it may give by now.
            *known = Known::from(self.chain);
        }
        known.catch_up(node.ledger()).await?;
        let read = known.fold.next();
        if self.read == Some(read) {
            return Ok(());
        }
        let registry = node.ledger().refresh_registry().await?;
        let chain = Read { fold: &known.fold, entries: &known.entries, history: &known.history };
        let shown = node.shown(&self.audience, &chain, &registry, (self.next, None))?;
        let new: Vec<CheckedEntry> = from(&known.entries, self.next).to_vec();
        drop(known);
        if let Audience::Reader(reads) = &self.audience {
            node.accesses().record_for(Waits::Stream, reads, self.chain, shown.seen).await?;
        }
        self.ready.extend(new.into_iter().zip(shown.views));
        (self.read, self.next) = (Some(read), read.max(self.next));
        Ok(())
    }
}
