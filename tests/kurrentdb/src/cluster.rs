//! The nodes around one store: who leads, who may call, what becomes of an append.

use std::{
    future, io,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::Value;
use tokio::sync::watch;
use tonic::{Status, metadata::MetadataMap};

use crate::{
    faults::{AppendFault, Script, Unreplicated},
    link::Wire,
    metadata::{Access, Acl},
    refusal,
    stand_in::Options,
    store::{Expected, Proposed, Store, Stored, Verdict},
};

/// One listener.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) address: SocketAddr,
    pub(crate) wire: watch::Sender<Wire>,
}

impl Node {
    pub(crate) fn new(address: SocketAddr, acknowledges_at_once: bool) -> Self {
        Self { address, wire: watch::Sender::new(Wire { acknowledges_at_once, ..Wire::default() }) }
    }
}

/// Who calls.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    /// Its name and groups.
    roles: Vec<String>,
}

/// All that the services share.
#[derive(Debug)]
pub(crate) struct Cluster {
    pub(crate) options: Options,
    pub(crate) nodes: Vec<Node>,
    store: Mutex<Store>,
    script: Mutex<Script>,
    /// Grows whenever a read may show something new.
    pub(crate) changes: watch::Sender<u64>,
    /// Grows when all subscriptions are to end.
    pub(crate) endings: watch::Sender<u64>,
}

impl Cluster {
    pub(crate) fn new(options: Options, nodes: Vec<Node>, store: Store) -> Self {
        Self {
            options,
            nodes,
            store: Mutex::new(store),
            script: Mutex::default(),
            changes: watch::Sender::new(0),
            endings: watch::Sender::new(0),
        }
    }

    pub(crate) fn store(&self) -> MutexGuard<'_, Store> {
        self.store.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn script(&self) -> MutexGuard<'_, Script> {
        self.script.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Wakes those who follow the log.
    pub(crate) fn tell(&self) {
        self.changes.send_modify(|change| *change += 1);
    }

    /// Cuts all connections of `node`.
    pub(crate) fn cut(&self, node: usize) {
        if let Some(node) = self.nodes.get(node) {
            node.wire.send_modify(|wire| wire.cut_below = wire.next);
        }
    }

    pub(crate) fn leader(&self) -> usize {
        self.script().leader
    }

    pub(crate) fn is_alive(&self, node: usize) -> bool {
        self.nodes.get(node).is_some_and(|node| !node.wire.borrow().dead)
    }

    /// The records that `node` shows.
    pub(crate) fn visible(&self, node: usize) -> usize {
        let script = self.script();
        if script.leader == node { usize::MAX } else { script.stale_at.unwrap_or(usize::MAX) }
    }

    /// What every call to streams goes through first.
    ///
    /// # Errors
    ///
    /// UNAUTHENTICATED for a wrong name or password, PERMISSION_DENIED when all are denied.
    pub(crate) async fn enter(&self, metadata: &MetadataMap) -> Result<Caller, Status> {
        let delay = self.script().delay;
        if !delay.is_zero() {
            tokio::time::sleep(delay).await;
        }
        if self.script().denied {
            return Err(refusal::access_denied());
        }
        self.caller(metadata)
    }

    /// # Errors
    ///
    /// NOT_FOUND with the leader's address when the call requires a leader and `node` is none.
    pub(crate) fn require_leader(&self, node: usize, metadata: &MetadataMap) -> Result<(), Status> {
        let required =
            metadata.get("requires-leader").is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"true"));
        if required && self.leader() != node { Err(self.not_leader()) } else { Ok(()) }
    }

    /// # Errors
    ///
    /// PERMISSION_DENIED when no role of the caller may.
    pub(crate) fn allow(&self, caller: &Caller, access: Access, stream: &str) -> Result<(), Status> {
        if self.options.users.is_empty() || caller.roles.iter().any(|role| role == ADMINS) {
            return Ok(());
        }
        let (access, stream) = match (stream.strip_prefix("$$"), access) {
            (Some(subject), Access::Read) => (Access::MetadataRead, subject),
            (Some(subject), Access::Write) => (Access::MetadataWrite, subject),
            (Some(_), Access::Delete | Access::MetadataRead | Access::MetadataWrite) => {
                return Err(refusal::access_denied());
            }
            (None, access) => (access, stream),
        };
        if stream == "$all" && matches!(access, Access::Write | Access::Delete) {
            return Err(refusal::access_denied());
        }
        let store = self.store();
        let own = store.metadata(stream).acl;
        let settings = store.last_data("$settings").and_then(|data| serde_json::from_slice::<Value>(&data).ok());
        drop(store);
        let key = if stream.starts_with('$') { "$systemStreamAcl" } else { "$userStreamAcl" };
        let general = settings.as_ref().and_then(|settings| settings.get(key)).map(Acl::parse);
        let roles = own.as_ref().and_then(|acl| acl.roles(access));
        let roles = roles.or_else(|| general.as_ref().and_then(|acl| acl.roles(access)));
        let may = |role: &String| role == EVERYBODY || caller.roles.contains(role);
        let allowed = roles.map_or_else(|| !stream.starts_with('$'), |roles| roles.iter().any(may));
        if allowed { Ok(()) } else { Err(refusal::access_denied()) }
    }

    /// Appends, or meets the fault that waits for it.
    ///
    /// # Errors
    ///
    /// What the fault answers; INTERNAL when the journal cannot be written.
    pub(crate) async fn append(
        self: &Arc<Self>,
        node: usize,
        stream: &str,
        expected: Expected,
        events: Vec<Proposed>,
    ) -> Result<Result<Stored, Verdict>, Status> {
        if self.script().no_majority {
            return Err(refusal::timed_out());
        }
        self.replicate(stream, &events).await?;
        let fault = self.script().take(stream);
        match fault {
            None => self.write(stream, expected, events).await,
            Some(AppendFault::NotLeader) => Err(self.not_leader()),
            Some(AppendFault::NotReady) => Err(refusal::not_ready()),
            Some(AppendFault::Denied) => Err(refusal::access_denied()),
            Some(AppendFault::AbortBeforeCommit) => Err(refusal::timed_out()),
            Some(AppendFault::AbortAfterCommit) => {
                // A refusal reaches the client as it is: there was nothing to time out.
                let stored = self.write(stream, expected, events).await?;
                if stored.is_ok() { Err(refusal::timed_out()) } else { Ok(stored) }
            }
            Some(AppendFault::LoseRequest) => {
                self.cut(node);
                future::pending().await
            }
            Some(AppendFault::LoseAnswer) => {
                self.write(stream, expected, events).await?.ok();
                self.cut(node);
                future::pending().await
            }
            Some(AppendFault::DropResends(dropped)) => {
                let waiting = Unreplicated { stream: stream.to_owned(), expected, events, dropped };
                self.script().unreplicated.push(waiting);
                Err(refusal::timed_out())
            }
        }
    }

    /// Deletes `stream`, for good when `hard`.
    ///
    /// # Errors
    ///
    /// ABORTED without a majority; INTERNAL when the journal cannot be written.
    pub(crate) async fn delete(
        self: &Arc<Self>,
        stream: String,
        expected: Expected,
        hard: bool,
    ) -> Result<Result<Stored, Verdict>, Status> {
        if self.script().no_majority {
            return Err(refusal::timed_out());
        }
        self.on_store(move |store| store.delete(&stream, expected, hard)).await
    }

    pub(crate) fn not_leader(&self) -> Status {
        let leader = self.leader();
        self.nodes.get(leader).map_or_else(refusal::not_ready, |node| refusal::not_leader(node.address))
    }

    /// Settles what waits for replication in `stream`: drops a resend of it, or stores it at last.
    async fn replicate(self: &Arc<Self>, stream: &str, events: &[Proposed]) -> Result<(), Status> {
        let waiting = {
            let mut script = self.script();
            let Some(index) = script.unreplicated.iter().position(|waiting| waiting.stream == stream) else {
                return Ok(());
            };
            if let Some(waiting) = script.unreplicated.get_mut(index)
                && waiting.events == events
                && waiting.dropped > 0
            {
                waiting.dropped -= 1;
                return Err(refusal::timed_out());
            }
            script.unreplicated.remove(index)
        };
        // It may have become a conflict meanwhile; the caller's own append will tell.
        self.write(&waiting.stream, waiting.expected, waiting.events).await?.ok();
        Ok(())
    }

    async fn write(
        self: &Arc<Self>,
        stream: &str,
        expected: Expected,
        events: Vec<Proposed>,
    ) -> Result<Result<Stored, Verdict>, Status> {
        let stream = stream.to_owned();
        self.on_store(move |store| store.append(&stream, expected, &events)).await
    }

    /// Syncing a file must not hold up the other tasks.
    async fn on_store<T: Send + 'static>(
        self: &Arc<Self>,
        work: impl FnOnce(&mut Store) -> io::Result<T> + Send + 'static,
    ) -> Result<T, Status> {
        let done = if self.options.directory.is_some() {
            let cluster = self.clone();
            let done = tokio::task::spawn_blocking(move || work(&mut cluster.store())).await;
            done.map_err(|error| Status::internal(error.to_string()))?
        } else {
            work(&mut self.store())
        };
        self.tell();
        done.map_err(|error| Status::internal(error.to_string()))
    }

    fn caller(&self, metadata: &MetadataMap) -> Result<Caller, Status> {
        if self.options.users.is_empty() {
            return Ok(Caller { roles: Vec::new() });
        }
        let header = metadata.get("authorization").and_then(|value| value.to_str().ok());
        // Nobody in particular may do nothing, as is the server's default.
        let Some(header) = header else { return Err(refusal::access_denied()) };
        let credentials = header.strip_prefix("Basic ").and_then(|text| STANDARD.decode(text.trim()).ok());
        let credentials = credentials.and_then(|bytes| String::from_utf8(bytes).ok());
        let Some((name, password)) = credentials.as_deref().and_then(|text| text.split_once(':')) else {
            return Err(refusal::unauthenticated());
        };
        let user = self.options.users.iter().find(|user| user.name == name && user.password == password);
        let user = user.ok_or_else(refusal::unauthenticated)?;
        Ok(Caller { roles: std::iter::once(&user.name).chain(&user.groups).cloned().collect() })
    }
}

const ADMINS: &str = "$admins";
const EVERYBODY: &str = "$all";
