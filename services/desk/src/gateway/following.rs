//! Acts as they come, for the system of one agency.

use std::{sync::Arc, time::Duration};

use futures_util::stream;
use mediation_domain::{admit::Caller, calendar::Day};
use mediation_ledger::{
    chain::ChainId,
    entry::Entry,
    log::Log,
    merkle::TreeSize,
    record::{leaf_bytes, leaf_hash},
    statement::Statement,
    vault::Vault,
};
use mediation_proto::mediation::ledger::v1::{FollowActsResponse, FollowedAct};
use tokio::{
    sync::watch,
    time::{Instant, sleep_until},
};
use tonic::Status;

use super::Acts;
use crate::{
    desk::stopped,
    driven::driven,
    mirror::{Leaf, Tail},
    node::{Node, request_id},
    status::Refused,
    subscribers::Subscriber,
};

/// Acts of one answer at most.
const ACTS_MAX: usize = 256;

/// Time after which a silent stream says that it lives, and how far it has come.
const BEAT: Duration = Duration::from_secs(15);

/// Time for which leaves are looked at before an answer without acts says how far that has come.
const LOOK_MAX: Duration = Duration::from_secs(2);

/// A stream of acts.
struct Following<L: Log, V> {
    node: Arc<Node<L, V>>,
    tail: Tail<L, V>,
    sealed: watch::Receiver<TreeSize>,
    subscriber: Arc<Subscriber>,
}

/// The acts that an agency may know of, from a leaf on.
///
/// # Errors
/// The log is away.
pub(super) async fn following<L: Log, V: Vault>(
    node: &Arc<Node<L, V>>,
    caller: Caller,
    first: u64,
) -> Result<Acts, Refused> {
    let tail = Tail::open(node, caller, first).await?;
    let subscriber = node.subscriber();
    subscriber.follows(tail.index());
    let (sealed, told) = (node.seals().watch(), Arc::clone(&subscriber));
    let following = Following { node: Arc::clone(node), tail, sealed, subscriber: told };
    Ok(driven(
        &node.background(),
        subscriber,
        stream::unfold(Some(following), async |following| {
            let mut following = following?;
            let node = Arc::clone(&following.node);
            tokio::select! {
                biased;
                () = node.streams_end() => Some((Err(stopped()), None)),
                answer = following.answer() => match answer {
                    Ok(answer) => Some((Ok(answer), Some(following))),
                    Err(status) => Some((Err(status), None)),
                },
            }
        }),
    ))
}

impl<L: Log, V: Vault> Following<L, V> {
    /// The next acts; none when it is time for a sign of life.
    async fn answer(&mut self) -> Result<FollowActsResponse, Status> {
        let until = Instant::now() + BEAT;
        loop {
            // He has taken what was made before, or has it before him.
            self.subscriber.follows(self.tail.index());
            let size = self.sealed.borrow_and_update().0;
            let acts = self.acts(size).await.map_err(|refused| refused.into_status(&request_id()))?;
            let next = self.tail.index();
            if !acts.is_empty() || next < size {
                return Ok(FollowActsResponse { acts, next });
            }
            tokio::select! {
                () = sleep_until(until) => return Ok(FollowActsResponse { acts, next }),
                changed = self.sealed.changed() => changed.map_err(|_ended| stopped())?,
            }
        }
    }

    /// Acts up to a size of the tree, as many as one answer takes.
    async fn acts(&mut self, size: u64) -> Result<Vec<FollowedAct>, Refused> {
        let (began, mut acts) = (Instant::now(), Vec::new());
        while acts.len() < ACTS_MAX && began.elapsed() < LOOK_MAX {
            let Some(leaf) = self.tail.next(size).await? else { break };
            acts.extend(act(self.node.ledger().origin(), &leaf));
        }
        Ok(acts)
    }
}

/// An act as it is told; none of foreign bytes, and of the ledger's own books: registries, and records of readings, which would
/// tell of every look at a chain as if something had happened on it.
fn act(origin: &str, leaf: &Leaf) -> Option<FollowedAct> {
    let record = &leaf.stored.record;
    let bytes = leaf_bytes(record);
    let entry = Entry::parse(&bytes).ok().filter(|_| leaf.is_shown)?;
    let statement = Statement::parse(&entry.statement).ok()?;
    if is_book(origin, &statement, entry.recorded_at.div_euclid(1_000)) {
        return None;
    }
    Some(FollowedAct {
        leaf_index: leaf.index,
        leaf_hash: leaf_hash(record).0.to_vec().into(),
        entry: bytes,
        chain_id: statement.chain.to_string(),
        event_id: statement.event_id.to_string(),
        revision: statement.revision.0,
        agency: statement.agency,
    })
}

fn is_book(origin: &str, statement: &Statement, recorded_s: i64) -> bool {
    let agency = &statement.agency;
    let access = |moment| ChainId::accesses(origin, agency, &Day::of(moment).month());
    [
        ChainId::registry(origin),
        ChainId::agency_registry(origin, agency),
        access(recorded_s),
        access(statement.occurred_at),
    ]
    .contains(&statement.chain)
}
