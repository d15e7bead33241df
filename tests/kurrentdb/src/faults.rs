//! What can go wrong, on command.

use std::{collections::VecDeque, io, sync::Arc, time::Duration};

use uuid::Uuid;

use crate::{
    cluster::Cluster,
    store::{Expected, Proposed},
};

/// What happens to one append.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AppendFault {
    /// The leader steps down before it accepts: not stored, NOT_FOUND with the leader's address.
    NotLeader,
    /// The server is not ready: not stored, UNAVAILABLE.
    NotReady,
    /// Access denied: not stored, PERMISSION_DENIED.
    Denied,
    /// Prepare timeout, the record truncated later: not stored, ABORTED.
    AbortBeforeCommit,
    /// Commit timeout: stored, ABORTED.
    AbortAfterCommit,
    /// The leader dies before it accepts: not stored, and the node's connections are cut.
    LoseRequest,
    /// The leader dies after it accepted: stored, and the node's connections are cut.
    LoseAnswer,
    /// The record waits for replication: neither it nor this many resends of it are answered with anything but ABORTED,
    /// and no read shows it. The resend after them finds it stored.
    DropResends(u32),
}

/// A hand on the faults of one stand-in. Clones share it.
#[derive(Clone, Debug)]
pub struct Faults {
    cluster: Arc<Cluster>,
}

impl Faults {
    pub(crate) fn new(cluster: Arc<Cluster>) -> Self {
        Self { cluster }
    }

    /// Lets the next append to a stream whose name begins with `prefix` meet `fault`. Several wait in line.
    pub fn next_append(&self, prefix: &str, fault: AppendFault) {
        self.cluster.script().appends.push_back((prefix.to_owned(), fault));
    }

    /// How many faults of [`next_append`](Self::next_append) have not been met yet.
    #[must_use]
    pub fn pending_appends(&self) -> usize {
        self.cluster.script().appends.len()
    }

    /// Frozen links: connections stay open and take bytes, nothing is done and nothing is answered until
    /// [`release`](Self::release).
    pub fn freeze(&self) {
        for node in &self.cluster.nodes {
            node.wire.send_modify(|wire| wire.frozen = true);
        }
    }

    /// Ends [`freeze`](Self::freeze); what has waited is done now.
    pub fn release(&self) {
        for node in &self.cluster.nodes {
            node.wire.send_modify(|wire| wire.frozen = false);
        }
    }

    /// Cuts all connections. New ones are served.
    pub fn cut(&self) {
        for node in 0..self.cluster.nodes.len() {
            self.cluster.cut(node);
        }
    }

    /// A dead node: its connections are cut, new ones are closed at once, the gossip says that it is not alive. When it
    /// led, the next living node leads.
    pub fn kill(&self, node: usize) {
        if let Some(node) = self.cluster.nodes.get(node) {
            node.wire.send_modify(|wire| wire.dead = true);
        }
        self.cluster.cut(node);
        if self.cluster.leader() == node
            && let Some(next) = (0..self.cluster.nodes.len()).find(|next| self.cluster.is_alive(*next))
        {
            self.lead(next);
        }
    }

    /// Brings a dead node back, as a follower if another one leads.
    pub fn revive(&self, node: usize) {
        if let Some(node) = self.cluster.nodes.get(node) {
            node.wire.send_modify(|wire| wire.dead = false);
        }
    }

    /// Makes `node` the leader. The others answer calls that require one with NOT_FOUND and its address.
    pub fn lead(&self, node: usize) {
        if node < self.cluster.nodes.len() {
            self.cluster.script().leader = node;
        }
    }

    /// No majority: appends and deletes end as ABORTED and store nothing, reads work.
    pub fn majority(&self, there: bool) {
        self.cluster.script().no_majority = !there;
    }

    /// Waits this long before each call; zero ends it.
    pub fn slow(&self, delay: Duration) {
        self.cluster.script().delay = delay;
    }

    /// Denies every call to streams, whoever calls, until told otherwise.
    pub fn deny(&self, denied: bool) {
        self.cluster.script().denied = denied;
    }

    /// Stale followers: they show no more of the log than there is now, until told otherwise.
    pub fn stale(&self, stale: bool) {
        let length = stale.then(|| self.cluster.store().len());
        self.cluster.script().stale_at = length;
        self.cluster.tell();
    }

    /// Ends all subscriptions with OK, which no healthy server does.
    pub fn end_subscriptions(&self) {
        self.cluster.endings.send_modify(|ending| *ending += 1);
    }

    /// Stores the last event of `stream` once more, same id and same bytes, as its next revision, which is returned.
    ///
    /// # Errors
    ///
    /// The journal cannot be written.
    pub fn duplicate(&self, stream: &str) -> io::Result<Option<u64>> {
        let revision = self.cluster.store().duplicate(stream)?;
        self.cluster.tell();
        Ok(revision)
    }

    /// An administrator deletes `stream` softly: one `$metadata` event hides what is there.
    ///
    /// # Errors
    ///
    /// The journal cannot be written.
    pub fn delete(&self, stream: &str) -> io::Result<()> {
        self.remove(stream, false)
    }

    /// An administrator deletes `stream` for good: a `$streamDeleted` event in the log, FAILED_PRECONDITION ever after.
    ///
    /// # Errors
    ///
    /// The journal cannot be written.
    pub fn tombstone(&self, stream: &str) -> io::Result<()> {
        self.remove(stream, true)
    }

    /// An administrator sets the metadata of `stream`.
    ///
    /// # Errors
    ///
    /// The journal cannot be written.
    pub fn metadata(&self, stream: &str, json: &str) -> io::Result<()> {
        let event = Proposed::metadata(json.to_owned());
        self.put(&format!("$${stream}"), event)
    }

    /// Somebody with rights on the engine writes `data` straight into `stream`.
    ///
    /// # Errors
    ///
    /// The journal cannot be written.
    pub fn write(&self, stream: &str, kind: &str, custom_metadata: &[u8], data: &[u8]) -> io::Result<()> {
        let event = Proposed {
            id: Uuid::new_v4(),
            kind: kind.to_owned(),
            json: false,
            custom_metadata: custom_metadata.to_vec().into(),
            data: data.to_vec().into(),
        };
        self.put(stream, event)
    }

    /// A cluster restored from a backup: the last `count` records of the log are gone, the system's own included.
    ///
    /// # Errors
    ///
    /// The journal cannot be written.
    pub fn rewind(&self, count: usize) -> io::Result<()> {
        self.cluster.store().rewind(count)?;
        self.cluster.tell();
        Ok(())
    }

    /// Scavenging: one event is gone from `$all` and from its stream; the others keep their revisions. Says whether
    /// there was such an event.
    ///
    /// # Errors
    ///
    /// The journal cannot be written.
    pub fn scavenge(&self, stream: &str, revision: u64) -> io::Result<bool> {
        let gone = self.cluster.store().scavenge(stream, revision)?;
        self.cluster.tell();
        Ok(gone)
    }

    /// Scavenging after a deletion: all events of `stream` that its metadata hides are gone. Says how many.
    ///
    /// # Errors
    ///
    /// The journal cannot be written.
    pub fn scavenge_hidden(&self, stream: &str) -> io::Result<u64> {
        let gone = self.cluster.store().scavenge_hidden(stream)?;
        self.cluster.tell();
        Ok(gone)
    }

    fn remove(&self, stream: &str, hard: bool) -> io::Result<()> {
        let removed = self.cluster.store().delete(stream, Expected::Any, hard)?;
        self.cluster.tell();
        removed.map(drop).map_err(|verdict| io::Error::other(format!("{verdict:?}")))
    }

    fn put(&self, stream: &str, event: Proposed) -> io::Result<()> {
        let stored = self.cluster.store().append(stream, Expected::Any, &[event])?;
        self.cluster.tell();
        stored.map(drop).map_err(|verdict| io::Error::other(format!("{verdict:?}")))
    }
}

/// The faults that are on.
#[derive(Debug, Default)]
pub(crate) struct Script {
    /// The node that leads.
    pub(crate) leader: usize,
    /// Prefix of the stream's name, and what happens to the append.
    pub(crate) appends: VecDeque<(String, AppendFault)>,
    pub(crate) unreplicated: Vec<Unreplicated>,
    pub(crate) no_majority: bool,
    pub(crate) denied: bool,
    pub(crate) delay: Duration,
    /// Length of the log that followers show.
    pub(crate) stale_at: Option<usize>,
}

impl Script {
    /// The fault that an append to `stream` meets.
    pub(crate) fn take(&mut self, stream: &str) -> Option<AppendFault> {
        let index = self.appends.iter().position(|(prefix, _)| stream.starts_with(prefix.as_str()))?;
        self.appends.remove(index).map(|(_, fault)| fault)
    }
}

/// An append whose record has not been replicated.
#[derive(Debug)]
pub(crate) struct Unreplicated {
    pub(crate) stream: String,
    pub(crate) expected: Expected,
    pub(crate) events: Vec<Proposed>,
    /// Resends that will be dropped.
    pub(crate) dropped: u32,
}
