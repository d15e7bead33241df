//! The definition of a log, run over a cluster: the stand-in of the tests, or a real one.
#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a test fails by panicking, and says what it leaves out")]

use bytes::Bytes;
use mediation_kurrentdb_stand_in::{Options, StandIn};
use mediation_ledger::{
    chain::{ChainId, Revision},
    heads::Heads as _,
    log::{Append, AppendError, Cursor, Log, ReadError, Stored},
};
use mediation_log_kurrentdb::{Credentials, KurrentFollower, KurrentLog, KurrentOptions};

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

/// Rows that need no empty log, over `MEDIATION_KURRENTDB` (and `MEDIATION_KURRENTDB_CA`, `MEDIATION_KURRENTDB_USER` as
/// `name:password`) when it is set.
#[tokio::test(flavor = "multi_thread")]
async fn a_real_cluster_keeps_the_contract_where_there_is_one() {
    let Some(log) = real().await else {
        println!("MEDIATION_KURRENTDB is not set: no real server was tested");
        return;
    };
    println!("left out on a cluster that is not empty: the conformance rows, which follow from the beginning");
    let chain = ChainId(uuid::Uuid::new_v4().into_bytes());
    let record = |at: u64| Bytes::from(format!("record {at}"));
    for at in 0..20 {
        log.append(chain, Revision(at), record(at)).await.unwrap();
    }
    log.append(chain, Revision(19), record(19)).await.unwrap();
    let other = log.append(chain, Revision(19), record(7)).await;
    assert!(matches!(other, Err(AppendError::Conflict { next: Revision(20) })), "{other:?}");
    let read = log.read(chain, Revision(5), 100).await.unwrap();
    assert!(read.iter().map(|stored| stored.record.clone()).eq((5..20).map(record)));
    assert!(read.is_sorted_by(|one, next| one.order < next.order));
    let unknown = log.read(ChainId(uuid::Uuid::new_v4().into_bytes()), Revision(0), 1).await.unwrap();
    assert_eq!(unknown, []);
}

async fn real() -> Option<KurrentLog> {
    let address = variable("MEDIATION_KURRENTDB")?;
    println!("testing the server at {address}");
    let credentials = variable("MEDIATION_KURRENTDB_USER").and_then(|user| {
        let (name, password) = user.split_once(':')?;
        Some(Credentials { name: name.to_owned(), password: password.to_owned() })
    });
    let authorities = variable("MEDIATION_KURRENTDB_CA").map(Into::into);
    let options = KurrentOptions { authorities, credentials, ..KurrentOptions::new(address) };
    Some(KurrentLog::open(options).await.unwrap())
}

#[expect(clippy::disallowed_methods, reason = "a server to test with is named from outside")]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}
