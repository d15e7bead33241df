//! Every row on a server that others have used before.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex},
};

use bytes::Bytes;
use mediation_kurrentdb_stand_in::Options;
use mediation_ledger::{
    chain::{ChainId, Revision},
    log::{Append, AppendError, Cursor, Followed, Follower, Log, ReadError, Stored},
};
use mediation_log_kurrentdb::{KurrentFollower, KurrentLog};

use crate::server::Server;

/// A log that looks empty on a cluster that is not: it has chains of its own, and begins where the cluster ended.
struct Apart {
    log: KurrentLog,
    mask: [u8; 16],
    begin: Cursor,
    own: Arc<Mutex<BTreeSet<ChainId>>>,
    _server: Server,
}

impl Apart {
    async fn new(server: Server) -> Self {
        let log = server.open().await;
        let marker = ChainId(uuid::Uuid::new_v4().into_bytes());
        log.append(marker, Revision::FIRST, Bytes::from_static(b"the end so far")).await.unwrap();
        let mut follower = log.follow(None).await.unwrap();
        let begin = loop {
            let page = follower.next().await.unwrap();
            if let Some(found) = page.iter().find(|followed| followed.stored.chain == marker) {
                break found.cursor;
            }
        };
        Self { log, mask: uuid::Uuid::new_v4().into_bytes(), begin, own: Arc::default(), _server: server }
    }

    /// The chain that stands for another: the same way back.
    fn masked(&self, chain: ChainId) -> ChainId {
        masked(self.mask, chain)
    }

    fn owned(&self, chain: ChainId) -> ChainId {
        let chain = self.masked(chain);
        self.own.lock().unwrap().insert(chain);
        chain
    }
}

fn masked(mask: [u8; 16], ChainId(id): ChainId) -> ChainId {
    ChainId(std::array::from_fn(|at| id.get(at).unwrap_or(&0) ^ mask.get(at).unwrap_or(&0)))
}

impl Log for Apart {
    type Follower = ApartFollower;

    async fn append(&self, chain: ChainId, expected: Revision, record: Bytes) -> Result<(), AppendError> {
        self.log.append(self.owned(chain), expected, record).await
    }

    async fn append_batch(&self, mut records: Vec<Append>) -> Result<(), AppendError> {
        for append in &mut records {
            append.chain = self.owned(append.chain);
        }
        self.log.append_batch(records).await
    }

    async fn read(&self, chain: ChainId, from: Revision, limit: usize) -> Result<Vec<Stored>, ReadError> {
        let mut read = self.log.read(self.masked(chain), from, limit).await?;
        read.iter_mut().for_each(|stored| stored.chain = chain);
        Ok(read)
    }

    async fn follow(&self, after: Option<Cursor>) -> Result<ApartFollower, ReadError> {
        let follower = self.log.follow(Some(after.unwrap_or(self.begin))).await?;
        Ok(ApartFollower { follower, mask: self.mask, own: Arc::clone(&self.own) })
    }
}

struct ApartFollower {
    follower: KurrentFollower,
    mask: [u8; 16],
    own: Arc<Mutex<BTreeSet<ChainId>>>,
}

impl Follower for ApartFollower {
    async fn next(&mut self) -> Result<Vec<Followed>, ReadError> {
        loop {
            let mut page = self.follower.next().await?;
            page.retain(|followed| self.own.lock().unwrap().contains(&followed.stored.chain));
            page.iter_mut().for_each(|followed| followed.stored.chain = masked(self.mask, followed.stored.chain));
            if !page.is_empty() {
                return Ok(page);
            }
        }
    }
}

async fn make() -> Apart {
    // Places on reads and on replays are told by some servers, and must make no difference.
    let behaviour = Options { stream_positions: true, replay_positions: true, ..Options::default() };
    Apart::new(Server::any(behaviour).await).await
}

mediation_ledger::conformance!(make);
