//! The log against the contract, a disk that fails, and a plug that is pulled.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use bytes::Bytes;
use mediation_ledger::{
    chain::{ChainId, Revision},
    log::{AppendError, Cursor, Follower as _, Log, Stored},
    merkle::{Frontier, Hash, LeafIndex, TreeSize},
    record::leaf_hash,
};

use crate::{
    CreateError, Embedded, FatalHandler, Fault, OpenError, Options, Problem, SEGMENT_BYTES_MIN, Trouble,
    disk::{Disk, RealDisk, SimulatedDisk},
    scan::{Expected, Scan, scan},
};

const ORIGIN: &str = "ledger.example/city";

fn dir() -> PathBuf {
    PathBuf::from("/ledger")
}

/// Small segments, so that tests come across many of them.
fn options() -> Options {
    Options { segment_bytes: SEGMENT_BYTES_MIN, ..Options::new(ORIGIN) }
}

fn created(disk: &SimulatedDisk) -> Arc<dyn Disk> {
    let disk: Arc<dyn Disk> = Arc::new(disk.clone());
    Embedded::create(&disk, &dir(), &options()).unwrap();
    disk
}

fn open(disk: &SimulatedDisk) -> Result<Embedded, OpenError> {
    Embedded::open(Arc::new(disk.clone()), &dir(), &options())
}

fn chain(name: u8) -> ChainId {
    ChainId([name; 16])
}

/// Different for every chain and revision, and now and then longer than some sectors.
fn record(name: u8, revision: u64) -> Bytes {
    let length = usize::try_from((revision * 7919 + u64::from(name) * 131) % 1800).unwrap();
    format!("{name}/{revision} {}", "x".repeat(length)).into()
}

async fn append(log: &Embedded, name: u8, revision: u64) -> Result<(), AppendError> {
    log.append(chain(name), Revision(revision), record(name, revision)).await
}

async fn read_all(log: &Embedded, name: u8) -> Vec<Stored> {
    log.read(chain(name), Revision::FIRST, usize::MAX).await.unwrap()
}

async fn length(log: &Embedded, name: u8) -> u64 {
    let records = read_all(log, name).await;
    let expected = (0..).map(|revision| (Revision(revision), record(name, revision)));
    let found = records.iter().map(|stored| (stored.revision, stored.record.clone()));
    assert!(found.eq(expected.take(records.len())), "chain {name} is not what was appended");
    records.len() as u64
}

fn scan_dir(disk: &dyn Disk, dir: &Path, covered: Option<(TreeSize, Hash)>) -> Scan {
    scan(disk, dir, &Expected { origin: ORIGIN.to_owned(), covered }, &mut |_| {}).unwrap()
}

#[track_caller]
fn assert_clean(disk: &SimulatedDisk) -> Scan {
    let scan = scan_dir(disk, &dir(), None);
    assert_eq!(scan.faults, []);
    assert_eq!(scan.torn_tail, None);
    scan
}

mod batches;
mod cleared;
mod crashing;
mod given_up;

mod simulated {
    use super::*;

    async fn make() -> Embedded {
        let disk = SimulatedDisk::new();
        created(&disk);
        open(&disk).unwrap()
    }

    mediation_ledger::conformance!(make);
}

mod short_transfers {
    use super::*;

    async fn make() -> Embedded {
        let disk = SimulatedDisk::new();
        created(&disk);
        disk.shorten_transfers(true);
        open(&disk).unwrap()
    }

    mediation_ledger::conformance!(make);
}

mod real {
    use super::*;

    async fn make() -> Embedded {
        // The directory stays with the machine's temporary files: the log outlives this function.
        let dir = tempfile::tempdir().unwrap().keep();
        let disk: Arc<dyn Disk> = Arc::new(RealDisk);
        Embedded::create(&disk, &dir, &options()).unwrap();
        let log = Embedded::open(disk, &dir, &options()).unwrap();
        // Open files outlive their names.
        std::fs::remove_dir_all(&dir).unwrap();
        std::fs::create_dir_all(dir.join("log")).unwrap();
        log
    }

    mediation_ledger::conformance!(make);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_reopens_with_everything_in_it_on_a_real_disk() {
    let temporary = tempfile::tempdir().unwrap();
    let disk: Arc<dyn Disk> = Arc::new(RealDisk);
    Embedded::create(&disk, temporary.path(), &options()).unwrap();
    for round in 0..3 {
        let log = Embedded::open(Arc::clone(&disk), temporary.path(), &options()).unwrap();
        assert_eq!(length(&log, 1).await, round * 100);
        for revision in round * 100..(round + 1) * 100 {
            append(&log, 1, revision).await.unwrap();
        }
        log.close().await;
    }
    let scan = scan_dir(&*disk, temporary.path(), None);
    assert_eq!((scan.faults.as_slice(), scan.size), (&[][..], TreeSize(300)));
    assert!(scan.segments.len() > 3, "segments follow one another");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_writers_on_many_chains_lose_nothing() {
    let disk = SimulatedDisk::new();
    created(&disk);
    let log = Arc::new(open(&disk).unwrap());
    let writers: Vec<_> = (0..32)
        .map(|name| {
            let log = Arc::clone(&log);
            tokio::spawn(async move {
                for revision in 0..50 {
                    append(&log, name, revision).await.unwrap();
                }
            })
        })
        .collect();
    for writer in writers {
        writer.await.unwrap();
    }
    for name in 0..32 {
        assert_eq!(length(&log, name).await, 50);
    }
    log.close().await;
    assert_eq!(assert_clean(&disk).size, TreeSize(32 * 50));
    let log = open(&disk).unwrap();
    for name in 0..32 {
        assert_eq!(length(&log, name).await, 50);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_append_is_one_write_and_one_sync() {
    let disk = SimulatedDisk::new();
    created(&disk);
    let log = open(&disk).unwrap();
    append(&log, 1, 0).await.unwrap();
    let before = (disk.operations(), disk.syncs());
    append(&log, 1, 1).await.unwrap();
    assert_eq!((disk.operations() - before.0, disk.syncs() - before.1), (2, 1));
    // A refusal and a repetition cost neither.
    let before = disk.syncs();
    append(&log, 1, 0).await.unwrap();
    assert!(matches!(append(&log, 1, 7).await, Err(AppendError::Conflict { next: Revision(2) })));
    assert_eq!(disk.syncs(), before);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_refuses_and_goes_on_when_there_is_space() {
    for space in [0, 1, 300, 700, 5_000] {
        let disk = SimulatedDisk::new();
        created(&disk);
        let log = open(&disk).unwrap();
        for revision in 0..30 {
            append(&log, 1, revision).await.unwrap();
        }
        disk.leave_space(Some(space));
        let mut count = 30;
        loop {
            match append(&log, 1, count).await {
                Ok(()) => count += 1,
                Err(AppendError::NoSpace) => break,
                Err(error) => panic!("{error}"),
            }
        }
        for _again in 0..3 {
            assert!(matches!(append(&log, 1, count).await, Err(AppendError::NoSpace)));
        }
        assert_eq!(log.trouble(), Trouble { is_full: true, not_stored: 4, turned_away: 0 });
        assert_eq!(length(&log, 1).await, count);
        disk.leave_space(None);
        for revision in count..count + 80 {
            append(&log, 1, revision).await.unwrap();
        }
        assert_eq!(log.trouble(), Trouble { is_full: false, not_stored: 4, turned_away: 0 });
        log.close().await;
        assert_clean(&disk);
        assert_eq!(length(&open(&disk.crash(space)).unwrap(), 1).await, count + 80);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_failed_write_left_is_gone_before_a_shorter_batch_is_written() {
    let disk = SimulatedDisk::new();
    created(&disk);
    let log = open(&disk).unwrap();
    append(&log, 1, 0).await.unwrap();
    disk.leave_space(Some(2_000));
    let long = Bytes::from(vec![7; 3_000]);
    assert!(matches!(log.append(chain(2), Revision(0), long).await, Err(AppendError::NoSpace)));
    disk.leave_space(None);
    log.append(chain(3), Revision(0), Bytes::from_static(b"short")).await.unwrap();
    assert_clean(&disk.copy());
    log.close().await;
    assert_eq!(assert_clean(&disk).size, TreeSize(2));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_on_a_full_disk_opens_and_is_readable_after_a_crash() {
    let disk = SimulatedDisk::new();
    created(&disk);
    let acknowledged = crashing::crash_under_load(&disk, 30).await;
    let crashed = disk.crash(30);
    crashed.leave_space(Some(0));
    let log = open(&crashed).unwrap();
    for (name, count) in acknowledged {
        assert!(length(&log, name).await >= count);
        assert!(matches!(
            append(&log, name, count + 1).await,
            Err(AppendError::NoSpace | AppendError::Conflict { .. })
        ));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failed_sync_ends_everything_and_nothing_is_acknowledged_after_it() {
    let disk = SimulatedDisk::new();
    created(&disk);
    let calls = Arc::new(AtomicUsize::new(0));
    let fatal = FatalHandler::new({
        let calls = Arc::clone(&calls);
        move |_| {
            calls.fetch_add(1, Ordering::SeqCst);
        }
    });
    let log = Embedded::open(Arc::new(disk.clone()), &dir(), &Options { fatal, ..options() }).unwrap();
    append(&log, 1, 0).await.unwrap();
    disk.fail_syncs(true);
    assert!(matches!(append(&log, 1, 1).await, Err(AppendError::Unknown(_))));
    disk.fail_syncs(false);
    assert!(matches!(append(&log, 1, 1).await, Err(AppendError::Unavailable(_))));
    assert!(matches!(append(&log, 2, 0).await, Err(AppendError::Unavailable(_))));
    assert_eq!(calls.load(Ordering::SeqCst), 1);
    assert_eq!(length(&log, 1).await, 1, "what was not synced is not shown");
    drop(log);
    // The machine goes on: the new process finds the record in the page cache, and must not believe it is stored.
    let log = open(&disk).unwrap();
    let shown = length(&log, 1).await;
    drop(log);
    assert_eq!(length(&open(&disk.crash(1)).unwrap(), 1).await, shown, "what was shown outlives the power cut");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_queue_refuses_at_once() {
    let disk = SimulatedDisk::new();
    created(&disk);
    let options = Options { queue_capacity: 1, batch_records_max: 1, ..options() };
    let log = Arc::new(Embedded::open(Arc::new(disk.clone()), &dir(), &options).unwrap());
    let writers: Vec<_> = (0..200)
        .map(|name| {
            let log = Arc::clone(&log);
            tokio::spawn(async move { append(&log, name, 0).await })
        })
        .collect();
    let (mut stored, mut refused) = (0, 0);
    for writer in writers {
        match writer.await.unwrap() {
            Ok(()) => stored += 1,
            Err(AppendError::Full { capacity: 1 }) => refused += 1,
            Err(error) => panic!("{error}"),
        }
    }
    assert!(stored > 0);
    assert_eq!(log.trouble(), Trouble { is_full: false, not_stored: 0, turned_away: refused });
    assert_eq!(log.size(), TreeSize(stored));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_bytes_in_flight_twice_are_stored_once_and_acknowledged_twice() {
    let disk = SimulatedDisk::new();
    created(&disk);
    let log = open(&disk).unwrap();
    for revision in 0..50 {
        let (one, two, other) = tokio::join!(
            append(&log, 1, revision),
            append(&log, 1, revision),
            log.append(chain(1), Revision(revision), Bytes::from_static(b"other")),
        );
        assert!(one.is_ok() && two.is_ok(), "{one:?} {two:?}");
        assert!(matches!(other, Err(AppendError::Conflict { next }) if next.0 == revision + 1), "{other:?}");
    }
    assert_eq!(length(&log, 1).await, 50);
    assert_eq!(log.size(), TreeSize(50));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn closing_stores_what_waits_and_refuses_what_comes() {
    let disk = SimulatedDisk::new();
    created(&disk);
    let log = Arc::new(open(&disk).unwrap());
    let mut follower = log.follow(None).await.unwrap();
    let waiting: Vec<_> = (0..20)
        .map(|name| {
            let log = Arc::clone(&log);
            tokio::spawn(async move { append(&log, name, 0).await })
        })
        .collect();
    log.close().await;
    let mut stored = 0;
    for writer in waiting {
        match writer.await.unwrap() {
            Ok(()) => stored += 1,
            Err(AppendError::Unavailable(None)) => {}
            Err(error) => panic!("{error}"),
        }
    }
    assert!(matches!(append(&log, 99, 0).await, Err(AppendError::Unavailable(None))));
    assert_eq!(assert_clean(&disk).size, TreeSize(stored));
    let mut followed = 0;
    while let Ok(records) = follower.next().await {
        followed += records.len() as u64;
    }
    assert_eq!(followed, stored, "a follower catches up, then ends");
    open(&disk).unwrap();
}

#[tokio::test]
async fn leaves_are_read_in_their_order_from_anywhere() {
    let disk = SimulatedDisk::new();
    created(&disk);
    let log = open(&disk).unwrap();
    for revision in 0..20 {
        append(&log, 1, revision).await.unwrap();
        append(&log, 2, revision).await.unwrap();
    }
    for (from, limit, expected) in [(0, 40, 0..40), (7, 5, 7..12), (38, 256, 38..40), (40, 1, 40..40)] {
        let stored = log.leaves(LeafIndex(from), limit).await.unwrap();
        let records: Vec<Bytes> = stored.into_iter().map(|stored| stored.record).collect();
        let expected = expected.map(|leaf: u64| record(if leaf.is_multiple_of(2) { 1 } else { 2 }, leaf / 2));
        assert_eq!(records, expected.collect::<Vec<_>>(), "{limit} from {from}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cursor_of_another_log_is_refused() {
    let disk = SimulatedDisk::new();
    created(&disk);
    let log = open(&disk).unwrap();
    append(&log, 1, 0).await.unwrap();
    assert!(log.follow(Some(Cursor(0, 7))).await.is_err());
    assert!(log.follow(Some(Cursor(1, log.tag))).await.is_err());
    assert!(log.follow(Some(Cursor(0, log.tag))).await.is_ok());
}

#[test]
fn a_log_is_created_once_and_opened_only_when_it_is_there() {
    let disk = SimulatedDisk::new();
    assert!(matches!(open(&disk), Err(OpenError::Missing { .. })));
    let shared = created(&disk);
    let again = Embedded::create(&shared, &dir(), &options()).unwrap_err();
    assert_eq!(again.to_string(), "there is a log in `/ledger` already");
}

#[test]
fn a_second_opener_is_told_who_has_the_log() {
    let temporary = tempfile::tempdir().unwrap();
    let disk: Arc<dyn Disk> = Arc::new(RealDisk);
    Embedded::create(&disk, temporary.path(), &options()).unwrap();
    let log = Embedded::open(Arc::clone(&disk), temporary.path(), &options()).unwrap();
    let error = Embedded::open(Arc::clone(&disk), temporary.path(), &options()).unwrap_err();
    let holder = format!("held by process {}", std::process::id());
    assert_eq!(error.to_string(), format!("the log in `{}` cannot be locked: {holder}", temporary.path().display()));
    drop(log);
    Embedded::open(disk, temporary.path(), &options()).unwrap();
}

#[test]
fn an_origin_of_another_ledger_is_told_apart_from_damage() {
    let disk = SimulatedDisk::new();
    created(&disk);
    let options = Options { origin: "ledger.example/village".to_owned(), ..options() };
    let error = Embedded::open(Arc::new(disk), &dir(), &options).unwrap_err();
    let expected = "`/ledger/log/00000000000000000000.segment` at byte 16: the segment belongs to another origin";
    assert_eq!(error.to_string(), expected);
    assert!(matches!(error, OpenError::Faulty { first, .. } if first.problem == Problem::Origin));
}

#[test]
fn options_out_of_bounds_are_named() {
    let disk = SimulatedDisk::new();
    created(&disk);
    let options = Options { segment_bytes: 100, ..options() };
    let error = Embedded::open(Arc::new(disk), &dir(), &options).unwrap_err();
    assert_eq!(error.to_string(), "`segment_bytes` is 100, it must be from 65536 to 1073741824");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_that_is_not_the_covered_one_is_refused() {
    let disk = SimulatedDisk::new();
    created(&disk);
    let log = open(&disk).unwrap();
    let mut frontier = Frontier::new();
    for revision in 0..10 {
        append(&log, 1, revision).await.unwrap();
        frontier.append(leaf_hash(&record(1, revision)));
    }
    drop(log);
    let ten = (TreeSize(10), frontier.root());
    let mut other = Frontier::new();
    other.append(leaf_hash(&record(2, 0)));
    let with = |covered| Embedded::open(Arc::new(disk.clone()), &dir(), &Options { covered, ..options() });
    assert!(with(Some(ten)).is_ok());
    assert!(with(Some((TreeSize(0), Hash::EMPTY_TREE))).is_ok());
    for (covered, expected) in [
        ((TreeSize(11), frontier.root()), "the log ends after 10 leaves, but a stored checkpoint covers 11"),
        ((TreeSize(1), other.root()), "the first 1 leaves have root"),
        ((TreeSize(0), other.root()), "the first 0 leaves have root"),
    ] {
        let error = with(Some(covered)).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_batch_larger_than_a_segment_gets_its_own() {
    let disk = SimulatedDisk::new();
    created(&disk);
    let log = open(&disk).unwrap();
    let large = Bytes::from(vec![7; 900_000]);
    append(&log, 1, 0).await.unwrap();
    log.append(chain(2), Revision(0), large.clone()).await.unwrap();
    append(&log, 1, 1).await.unwrap();
    log.close().await;
    let scan = assert_clean(&disk);
    assert_eq!(scan.segments.iter().filter(|segment| segment.bytes > SEGMENT_BYTES_MIN).count(), 1);
    let log = open(&disk).unwrap();
    assert_eq!(length(&log, 1).await, 2);
    let read = read_all(&log, 2).await;
    assert!(read.iter().map(|stored| &stored.record).eq([&large]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_record_that_is_damaged_later_is_not_served() {
    let disk = SimulatedDisk::new();
    created(&disk);
    let log = open(&disk).unwrap();
    for revision in 0..3 {
        append(&log, 1, revision).await.unwrap();
    }
    let path = dir().join("log/00000000000000000000.segment");
    let mut content = disk.content(&path).unwrap();
    let place = content.windows(3).position(|bytes| bytes == b"1/1").unwrap();
    *content.get_mut(place).unwrap() ^= 1;
    disk.tamper(&path, content);
    let error = log.read(chain(1), Revision(0), 10).await.unwrap_err().to_string();
    assert!(error.contains("00000000000000000000.segment` at byte "), "{error}");
    assert_eq!(log.read(chain(1), Revision(2), 10).await.unwrap().len(), 1);
}
