//! The leaves of the log for the mirror of an agency: each by its hash, and as an entry where the agency may know of the act.
//!
//! ```text
//! log.follow ─ leaf by leaf ─ chain, as the agency's system sees it ─▶ entry, or hash alone
//! ```
//!
//! An entry says who acted on which chain, and when, and holds no content: that is what the matrix calls existence. What the agency
//! learns of other acts is how many there are. A chain is judged as it stands when the mirror comes to it.

use std::{
    collections::{BTreeMap, VecDeque},
    pin::Pin,
    sync::Arc,
};

use futures_util::Stream;
use mediation_domain::{admit::Caller, history::Recorded};
use mediation_ledger::{
    chain::{ChainId, Revision},
    ledger::Fold,
    log::{Followed, Follower as _, Log},
    record::{leaf_bytes, leaf_hash},
    vault::Vault,
};
use mediation_proto::mediation::ledger::v1::{MirrorLeavesResponse, MirroredLeaf};
use tonic::Status;

use crate::{
    disclosure::{open, view},
    node::{Node, request_id},
    reading::system,
    status::Refused,
};

/// Leaves of one answer at most.
const LEAVES_MAX: usize = 256;

/// Chains whose visible entries are kept while the mirror is made.
const CHAINS_MAX: usize = 4_096;

/// Answers with leaves.
pub(crate) type Leaves = Pin<Box<dyn Stream<Item = Result<MirrorLeavesResponse, Status>> + Send>>;

/// The log as one agency mirrors it.
struct Mirror<L: Log, V> {
    node: Arc<Node<L, V>>,
    caller: Caller,
    follower: L::Follower,
    /// Records that were read and not looked at.
    read: VecDeque<Followed>,
    /// Leaf that is next.
    next: u64,
    /// First leaf that is wanted, and the one after the last.
    wanted: std::ops::Range<u64>,
    /// Whether each entry of a chain is shown, as far as the chain was read.
    shown: BTreeMap<ChainId, Vec<bool>>,
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
    let follower = node.ledger().log().follow(None).await.map_err(Refused::from)?;
    let mirror = Mirror {
        node: Arc::clone(node),
        caller,
        follower,
        read: VecDeque::new(),
        next: 0,
        wanted: first..node.seals().size().0,
        shown: BTreeMap::new(),
    };
    Ok(Box::pin(futures_util::stream::unfold(Some(mirror), async |mirror| {
        let mut mirror = mirror?;
        match mirror.some().await {
            Ok(leaves) if leaves.is_empty() => None,
            Ok(leaves) => Some((Ok(MirrorLeavesResponse { leaves }), Some(mirror))),
            Err(refused) => Some((Err(refused.into_status(&request_id())), None)),
        }
    })))
}

impl<L: Log, V: Vault> Mirror<L, V> {
    /// The next leaves; none at the end.
    async fn some(&mut self) -> Result<Vec<MirroredLeaf>, Refused> {
        let mut leaves = Vec::new();
        while self.next < self.wanted.end && leaves.len() < LEAVES_MAX {
            let Some(Followed { stored, .. }) = self.read.pop_front() else {
                // What is sealed was followed before, so it comes at once.
                self.read.extend(self.follower.next().await?);
                continue;
            };
            let index = self.next;
            self.next += 1;
            if index < self.wanted.start {
                continue;
            }
            let is_shown = self.shows(stored.chain, stored.revision).await?;
            let entry = if is_shown { leaf_bytes(&stored.record) } else { bytes::Bytes::new() };
            leaves.push(MirroredLeaf { leaf_hash: leaf_hash(&stored.record).0.to_vec().into(), entry });
        }
        Ok(leaves)
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
