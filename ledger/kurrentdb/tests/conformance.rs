//! The definition of a log, run over a cluster: the stand-in of the tests, and the one that `MEDIATION_KURRENTDB` names, with
//! `MEDIATION_KURRENTDB_CA` and `MEDIATION_KURRENTDB_USER` as `name:password`.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex},
};

use bytes::Bytes;
use mediation_kurrentdb_stand_in::{Options, StandIn};
use mediation_ledger::{
    chain::{ChainId, Revision},
    heads::Heads as _,
    log::{Append, AppendError, Cursor, Followed, Follower, Log, ReadError, Stored},
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

/// A log that looks empty on a cluster that is not: it has chains of its own, and begins where the cluster ended.
struct Apart {
    log: KurrentLog,
    mask: [u8; 16],
    begin: Cursor,
    own: Arc<Mutex<BTreeSet<ChainId>>>,
    _cluster: Option<StandIn>,
}

impl Apart {
    async fn new(log: KurrentLog, cluster: Option<StandIn>) -> Self {
        let marker = ChainId(uuid::Uuid::new_v4().into_bytes());
        log.append(marker, Revision::FIRST, Bytes::from_static(b"the end so far")).await.unwrap();
        let mut follower = log.follow(None).await.unwrap();
        let begin = loop {
            let page = follower.next().await.unwrap();
            if let Some(found) = page.iter().find(|followed| followed.stored.chain == marker) {
                break found.cursor;
            }
        };
        Self { log, mask: uuid::Uuid::new_v4().into_bytes(), begin, own: Arc::default(), _cluster: cluster }
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

/// Every row on a cluster that others have used before: the one that is named, else a stand-in.
mod apart {
    use super::*;

    async fn make() -> Apart {
        if let Some(options) = named() {
            return Apart::new(KurrentLog::open(options).await.unwrap(), None).await;
        }
        // Places on reads and on replays are told by some servers, and must make no difference.
        let options = Options { stream_positions: true, replay_positions: true, ..Options::default() };
        let cluster = StandIn::start(options).await.unwrap();
        let log = KurrentLog::open(KurrentOptions::new(cluster.uri())).await.unwrap();
        log.append(ChainId([1; 16]), Revision::FIRST, Bytes::from_static(b"of somebody else")).await.unwrap();
        Apart::new(log, Some(cluster)).await
    }

    mediation_ledger::conformance!(make);

    #[test]
    fn it_is_said_which_cluster_the_rows_ran_on() {
        match named() {
            Some(options) => println!("the rows ran on {}", options.address),
            None => {
                println!("MEDIATION_KURRENTDB names no cluster: the rows ran on the stand-in, and on no real server")
            }
        }
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

/// Failures that the network can make, between the log and any server: a relay in this process cuts and freezes.
mod network {
    use std::{net::SocketAddr, time::Duration};

    use tokio::{
        io::copy_bidirectional,
        net::{TcpListener, TcpStream},
        sync::watch,
        time::{sleep, timeout},
    };

    use super::*;

    /// What the relay does with the connections that it has.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    enum Way {
        Open,
        /// Every connection ends; new ones are taken.
        Cut,
        /// Every connection stays, and carries nothing any more; new ones too.
        Frozen,
    }

    /// Relays to the server that is named, or to a stand-in. The log is told the relay's address.
    async fn relayed() -> (KurrentLog, watch::Sender<Way>, Option<StandIn>) {
        let (options, cluster) = match named() {
            Some(options) => (options, None),
            None => {
                let cluster = StandIn::start(Options::default()).await.unwrap();
                (KurrentOptions::new(cluster.uri()), Some(cluster))
            }
        };
        let (scheme, rest) = options.address.split_once("://").unwrap();
        let (host, query) = rest.split_once('?').unwrap_or((rest, ""));
        let target: SocketAddr = tokio::net::lookup_host(host).await.unwrap().next().unwrap();
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        // With TLS the server's certificate has to be valid for loopback.
        let address = format!("{scheme}://{}?{query}", listener.local_addr().unwrap());
        let (way, told) = watch::channel(Way::Open);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(relay(client, target, told.clone()));
            }
        });
        let short = Duration::from_secs(2);
        let options = KurrentOptions { address, append_timeout: short, read_timeout: short, ..options };
        (KurrentLog::open(options).await.unwrap(), way, cluster)
    }

    async fn relay(mut client: TcpStream, target: SocketAddr, mut way: watch::Receiver<Way>) {
        let Ok(mut server) = TcpStream::connect(target).await else { return };
        way.borrow_and_update();
        tokio::select! {
            _ = copy_bidirectional(&mut client, &mut server) => {}
            () = async { drop(way.wait_for(|way| *way != Way::Open).await) } => {}
        }
        if *way.borrow() == Way::Frozen {
            // Both ends stay open until the network is mended, and then they end: what was under way is lost.
            drop(way.wait_for(|way| *way != Way::Frozen).await);
        }
    }

    /// Sends one record until it is known to be stored.
    async fn settle(log: &KurrentLog, chain: ChainId, at: u64) {
        for _attempt in 0..20 {
            let record = Bytes::from(format!("record {at}"));
            match timeout(Duration::from_secs(20), log.append(chain, Revision(at), record)).await.unwrap() {
                Ok(()) => return,
                Err(AppendError::Unknown(_) | AppendError::Unavailable(_)) => sleep(Duration::from_millis(50)).await,
                Err(error) => panic!("{error}"),
            }
        }
        panic!("record {at} was never stored");
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn links_that_are_cut_and_frozen_lose_nothing_and_double_nothing() {
        let (log, way, _cluster) = relayed().await;
        let chain = ChainId(uuid::Uuid::new_v4().into_bytes());
        let disturbed = tokio::spawn(async move {
            for next in [Way::Cut, Way::Frozen, Way::Cut, Way::Cut, Way::Frozen] {
                sleep(Duration::from_millis(300)).await;
                way.send_replace(next);
                sleep(Duration::from_millis(if next == Way::Frozen { 3_000 } else { 20 })).await;
                way.send_replace(Way::Open);
            }
            way
        });
        let mut count = 0;
        while !disturbed.is_finished() || count < 40 {
            settle(&log, chain, count).await;
            count += 1;
        }
        let _way = disturbed.await.unwrap();
        let read = log.read(chain, Revision::FIRST, 100_000).await.unwrap();
        let found = read.iter().map(|stored| (stored.revision.0, stored.record.clone()));
        assert!(found.eq((0..count).map(|at| (at, Bytes::from(format!("record {at}"))))));
        assert!(log.alarms().borrow().is_empty(), "{:?}", log.alarms().borrow());
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn the_same_bytes_again_are_a_success_and_others_are_told_what_comes_next() {
        let (log, _way, _cluster) = relayed().await;
        let chain = ChainId(uuid::Uuid::new_v4().into_bytes());
        for at in 0..20 {
            settle(&log, chain, at).await;
        }
        settle(&log, chain, 19).await;
        for (at, record) in [(19, "record 7"), (25, "record 25"), (0, "another first")] {
            let answer = log.append(chain, Revision(at), Bytes::from(record)).await;
            assert!(matches!(answer, Err(AppendError::Conflict { next: Revision(20) })), "{at}: {answer:?}");
        }
    }
}

/// The cluster that is named from outside, and how it is reached.
fn named() -> Option<KurrentOptions> {
    let credentials = variable("MEDIATION_KURRENTDB_USER").and_then(|user| {
        let (name, password) = user.split_once(':')?;
        Some(Credentials { name: name.to_owned(), password: password.to_owned() })
    });
    let authorities = variable("MEDIATION_KURRENTDB_CA").map(Into::into);
    Some(KurrentOptions { authorities, credentials, ..KurrentOptions::new(variable("MEDIATION_KURRENTDB")?) })
}

#[expect(clippy::disallowed_methods, reason = "a server to test with is named from outside")]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}
