//! The definition of a log, run over a cluster: the stand-in of the tests, and the server that `MEDIATION_KURRENTDB` names, with
//! `MEDIATION_KURRENTDB_CA` and `MEDIATION_KURRENTDB_USER` as `name:password`. With a server named, the modules below run on
//! it, as often as one likes; without one they run on a stand-in. What they store stays there for ever, so the server must
//! hold no ledger.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod apart;
mod engine;
mod network;
mod server;

use bytes::Bytes;
use mediation_kurrentdb_stand_in::{Options, StandIn};
use mediation_ledger::{
    chain::{ChainId, Revision},
    heads::Heads as _,
    log::{Append, AppendError, Cursor, Log, ReadError, Stored},
};
use mediation_log_kurrentdb::{KurrentFollower, KurrentLog, KurrentOptions};

/// A log whose cluster lives as long as it does.
struct Stood {
    log: KurrentLog,
    _cluster: StandIn,
}

impl Log for Stood {
    type Follower = KurrentFollower;

    async fn append(&self, chain: ChainId, expected: Revision, record: Bytes) -> Result<(), AppendError> {
        self.log.append(chain, expected, record).await
    }

    async fn append_batch(&self, records: Vec<Append>) -> Result<(), AppendError> {
        self.log.append_batch(records).await
    }

    async fn read(&self, chain: ChainId, from: Revision, limit: usize) -> Result<Vec<Stored>, ReadError> {
        self.log.read(chain, from, limit).await
    }

    async fn follow(&self, after: Option<Cursor>) -> Result<KurrentFollower, ReadError> {
        self.log.follow(after).await
    }
}

async fn make() -> Stood {
    let cluster = StandIn::start(Options::default()).await.unwrap();
    let log = KurrentLog::open(KurrentOptions::new(cluster.uri())).await.unwrap();
    Stood { log, _cluster: cluster }
}

mediation_ledger::conformance!(make);

#[tokio::test(flavor = "multi_thread")]
async fn heads_are_kept_in_a_row_and_a_second_sealer_is_told() {
    let stood = make().await;
    let heads = stood.log.heads();
    assert_eq!(heads.last(3).await.unwrap(), []);
    for at in 0..4_u64 {
        heads.append(Revision(at), Bytes::from(format!("head {at}"))).await.unwrap();
    }
    heads.append(Revision(3), Bytes::from_static(b"head 3")).await.unwrap();
    let late = heads.append(Revision(2), Bytes::from_static(b"another")).await;
    assert!(matches!(late, Err(AppendError::Conflict { next: Revision(4) })), "{late:?}");
    let last: Vec<u64> = heads.last(2).await.unwrap().into_iter().map(|head| head.revision.0).collect();
    assert_eq!(last, [3, 2]);
    let read: Vec<u64> = heads.read(Revision(1), 2).await.unwrap().into_iter().map(|head| head.revision.0).collect();
    assert_eq!(read, [1, 2]);
    assert_eq!(heads.read(Revision(4), 2).await.unwrap(), []);
    assert!(stood.log.alarms().borrow().is_empty());
}
