//! The leaves of the log as an agency may see them: each by its hash, and as an entry where the agency may know of the act.
//!
//! ```text
//! log.follow ─ leaf by leaf ─ chain, as the agency's system sees it ─▶ entry, or hash alone
//!                                ├ MirrorLeaves   every leaf, up to the last checkpoint
//!                                └ FollowActs     entries alone, and live (`gateway/following.rs`)
//! ```
//!
//! An entry says who acted on which chain, and when, and holds no content: that is what the matrix calls existence. What the agency
//! learns of other acts is how many there are. A chain is judged as it stands when the stream comes to it.

use std::{
    collections::{BTreeMap, VecDeque},
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
};

use futures_util::Stream;
use mediation_domain::{admit::Caller, history::Recorded};
use mediation_ledger::{
    chain::{ChainId, Revision},
    ledger::Fold,
    log::{Cursor, Followed, Follower as _, Log, Stored},
    record::{leaf_bytes, leaf_hash},
    vault::Vault,
};
use mediation_proto::mediation::ledger::v1::{MirrorLeavesResponse, MirroredLeaf};
use tonic::Status;

use crate::{
    disclosure::{open, view},
    driven::driven,
    node::{Node, request_id},
    reading::system,
    status::Refused,
};

/// Leaves of one answer at most.
const LEAVES_MAX: usize = 256;

/// Chains whose visible entries are kept while leaves are looked at.
const CHAINS_MAX: usize = 4_096;

/// Leaves from one place that is remembered to the next.
const PLACE_EVERY: u64 = 4_096;

/// Answers with leaves.
pub(crate) type Leaves = Pin<Box<dyn Stream<Item = Result<MirrorLeavesResponse, Status>> + Send>>;

/// Where some leaves stand in the log, so that who comes again need not have it read from its beginning.
#[derive(Debug, Default)]
pub(crate) struct Places(Mutex<BTreeMap<u64, Cursor>>);

impl Places {
    /// The last leaf that is known up to one, and its place.
    fn before(&self, leaf: u64) -> Option<(u64, Cursor)> {
        let places = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        places.range(..leaf).next_back().map(|(leaf, cursor)| (*leaf, *cursor))
    }

    fn passed(&self, leaf: u64, cursor: Cursor) {
        if leaf.is_multiple_of(PLACE_EVERY) {
            self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(leaf, cursor);
        }
    }
}

/// A leaf as an agency may see it.
#[derive(Debug)]
pub(crate) struct Leaf {
    pub(crate) index: u64,
    pub(crate) stored: Stored,
    /// The agency may know of the act.
    pub(crate) is_shown: bool,
}

/// The log as one agency may see it, leaf by leaf.
pub(crate) struct Tail<L: Log, V> {
    node: Arc<Node<L, V>>,
    caller: Caller,
    follower: L::Follower,
    /// Records that were read and not looked at.
    read: VecDeque<Followed>,
    /// Leaf that is read next, and the first one that is wanted.
    next: u64,
    first: u64,
    /// Whether each entry of a chain is shown, as far as the chain was read.
    shown: BTreeMap<ChainId, Vec<bool>>,
}

impl<L: Log, V: Vault> Tail<L, V> {
    /// From a leaf on.
    ///
    /// # Errors
    /// The log is away.
    pub(crate) async fn open(node: &Arc<Node<L, V>>, caller: Caller, first: u64) -> Result<Self, Refused> {
        let place = node.places().before(first);
        let follower = node.ledger().log().follow(place.map(|(_, cursor)| cursor)).await.map_err(Refused::from)?;
        let next = place.map_or(0, |(leaf, _)| leaf + 1);
        let (node, read, shown) = (Arc::clone(node), VecDeque::new(), BTreeMap::new());
        Ok(Self { node, caller, follower, read, next, first, shown })
    }

    /// The leaf that comes next.
    pub(crate) fn index(&self) -> u64 {
        self.next.max(self.first)
    }

    /// The next leaf below a size of the tree; none at that size. May be dropped and asked again: nothing is lost.
    ///
    /// # Errors
    /// The log is away, or does not hold what it gives.
    pub(crate) async fn next(&mut self, size: u64) -> Result<Option<Leaf>, Refused> {
        while self.next < size {
            let Some(Followed { cursor, stored }) = self.read.front() else {
                // What is sealed was followed before, so it comes at once.
                self.read.extend(self.follower.next().await?);
                continue;
            };
            let (index, cursor, chain, revision) = (self.next, *cursor, stored.chain, stored.revision);
            let is_shown = index >= self.first && self.shows(chain, revision).await?;
            let Some(Followed { stored, .. }) = self.read.pop_front() else { continue };
            self.node.places().passed(index, cursor);
            self.next += 1;
            if index >= self.first {
                return Ok(Some(Leaf { index, stored, is_shown }));
            }
        }
        // What an agency may know of may change before more comes.
        self.shown.clear();
        Ok(None)
    }

    async fn shows(&mut self, chain: ChainId, revision: Revision) -> Result<bool, Refused> {
        let at = usize::try_from(revision.0).unwrap_or(usize::MAX);
        if let Some(shown) = self.shown.get(&chain).and_then(|shown| shown.get(at)) {
            return Ok(*shown);
        }
        if self.shown.len() >= CHAINS_MAX {
            self.shown.clear();
        }
        let shown = shown(&self.node, &self.caller, chain).await?;
        let is_shown = shown.get(at).copied().unwrap_or_default();
        self.shown.insert(chain, shown);
        Ok(is_shown)
    }
}

/// The leaves from one on, up to the last checkpoint.
///
/// # Errors
/// The log is away.
pub(crate) async fn leaves<L: Log, V: Vault>(
    node: &Arc<Node<L, V>>,
    caller: Caller,
    first: u64,
) -> Result<Leaves, Refused> {
    let (tail, size) = (Tail::open(node, caller, first).await?, node.seals().size().0);
    Ok(driven(
        &node.background(),
        node.subscriber(),
        futures_util::stream::unfold(Some(tail), move |tail| async move {
            let mut tail = tail?;
            match some(&mut tail, size).await {
                Ok(leaves) if leaves.is_empty() => None,
                Ok(leaves) => Some((Ok(MirrorLeavesResponse { leaves }), Some(tail))),
                Err(refused) => Some((Err(refused.into_status(&request_id())), None)),
            }
        }),
    ))
}

/// The next leaves; none at the end.
async fn some<L: Log, V: Vault>(tail: &mut Tail<L, V>, size: u64) -> Result<Vec<MirroredLeaf>, Refused> {
    let mut leaves = Vec::new();
    while leaves.len() < LEAVES_MAX {
        let Some(Leaf { stored, is_shown, .. }) = tail.next(size).await? else { break };
        let entry = if is_shown { leaf_bytes(&stored.record) } else { bytes::Bytes::new() };
        leaves.push(MirroredLeaf { leaf_hash: leaf_hash(&stored.record).0.to_vec().into(), entry });
    }
    Ok(leaves)
}

/// Which entries of a chain the system of an agency is shown.
async fn shown<L: Log, V: Vault>(node: &Node<L, V>, caller: &Caller, chain: ChainId) -> Result<Vec<bool>, Refused> {
    let ledger = node.ledger();
    let mut fold = Fold::new(chain);
    let entries = ledger.catch_up(&mut fold).await?;
    if node.is_open(chain) {
        return Ok(entries.iter().map(|entry| open(&caller.agency, entry).entry).collect());
    }
    let registry = ledger.refresh_registry().await?;
    let history: Vec<Recorded> = entries.iter().filter_map(|entry| entry.outcome.as_ref().ok()).cloned().collect();
    node.look(&history, &registry, &system(caller), |sight| {
        let may_know = sight.is_known() && !fold.is_blind();
        Ok(entries.iter().map(|entry| may_know && view(sight, entry).entry).collect())
    })
}
