//! Batches: one write, one sync, groups that follow from the batch alone, and all or nothing within a group.

use mediation_ledger::log::Append;

use super::*;
use crate::segment::FRAME_BYTES;

/// Two chains that take turns.
fn batch(from: u64, to: u64) -> Vec<Append> {
    let one = |name, at| Append { chain: chain(name), expected: Revision(at), record: record(name, at) };
    (from..to).flat_map(|at| [one(1, at), one(2, at)]).collect()
}

/// Records of each group: within one, frames stand end to end.
fn groups(disk: &SimulatedDisk) -> Vec<u32> {
    let (mut groups, mut end) = (Vec::new(), None);
    let expected = Expected { origin: ORIGIN.to_owned(), covered: None };
    let scan = scan(disk, &dir(), &expected, &mut |placed| {
        match groups.last_mut() {
            Some(records) if end == Some((placed.segment, placed.offset)) => *records += 1,
            _ => groups.push(1),
        }
        end = Some((placed.segment, placed.offset + (placed.record.len() + FRAME_BYTES) as u64));
    });
    assert_eq!(scan.unwrap().faults, []);
    groups
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_batch_is_one_write_and_one_sync() {
    let disk = SimulatedDisk::new();
    created(&disk);
    let log = open(&disk).unwrap();
    let before = (disk.operations(), disk.syncs());
    log.append_batch(batch(0, 10)).await.unwrap();
    assert_eq!((disk.operations() - before.0, disk.syncs() - before.1), (2, 1));
    // A repetition and a refusal cost neither, wherever in the batch the conflict is.
    let before = disk.syncs();
    log.append_batch(batch(0, 10)).await.unwrap();
    let mut gap = batch(10, 20);
    gap.remove(5);
    assert!(matches!(log.append_batch(gap).await, Err(AppendError::Conflict { next: Revision(10) })));
    let mut twice = batch(10, 12);
    twice.push(Append { record: Bytes::from_static(b"other"), ..batch(10, 11).remove(0) });
    assert!(matches!(log.append_batch(twice).await, Err(AppendError::Conflict { next: Revision(10) })));
    assert_eq!(disk.syncs(), before);
    assert_eq!(log.size(), TreeSize(20));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_groups_of_a_batch_follow_from_it_and_the_options() {
    let mut images = Vec::new();
    for _run in 0..2 {
        let disk = SimulatedDisk::new();
        created(&disk);
        let options = Options { batch_records_max: 16, ..options() };
        let log = Embedded::open(Arc::new(disk.clone()), &dir(), &options).unwrap();
        let (one, two) = tokio::join!(log.append_batch(batch(0, 10)), async {
            tokio::task::yield_now().await;
            append(&log, 3, 0).await
        });
        one.and(two).unwrap();
        log.append_batch(batch(10, 14)).await.unwrap();
        log.close().await;
        images.push(groups(&disk));
    }
    assert_eq!(images, [[16, 4, 1, 8], [16, 4, 1, 8]]);
}

/// Whichever operation fails, and whatever the power cut leaves: the whole batch or nothing of it, and never less than
/// what was acknowledged.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crash_leaves_the_whole_of_a_batch_or_nothing() {
    const END: u64 = 46;
    let (mut kept, mut lost) = (0, 0);
    for failing in 1.. {
        let mut done = false;
        for seed in 0..8 {
            let disk = SimulatedDisk::new();
            created(&disk);
            let fatal = Options { fatal: FatalHandler::new(|_| {}), ..options() };
            let log = Embedded::open(Arc::new(disk.clone()), &dir(), &fatal).unwrap();
            log.append_batch(batch(0, 20)).await.unwrap();
            let start = disk.operations();
            disk.fail_from_operation(failing);
            // Large enough for a new segment to be needed on the way.
            let mut acknowledged = 20;
            for from in 20..END {
                if log.append_batch(batch(from, from + 1)).await.is_err() {
                    break;
                }
                acknowledged = from + 1;
            }
            done = disk.operations() - start < failing;
            let crashed = disk.crash(failing * 8 + seed);
            drop(log);
            let log = open(&crashed).unwrap_or_else(|error| panic!("operation {failing}, seed {seed}: {error}"));
            let there = length(&log, 1).await;
            assert_eq!(there, length(&log, 2).await, "operation {failing}, seed {seed}");
            assert!(
                there == acknowledged || there == acknowledged + 1,
                "operation {failing}: {there} of {acknowledged}"
            );
            kept += u32::from(there > acknowledged);
            lost += u32::from(there == acknowledged && there < END);
            // Asked for again, it is there, once.
            if there < END {
                log.append_batch(batch(acknowledged, acknowledged + 1)).await.unwrap();
            }
            log.close().await;
            assert_clean(&crashed);
        }
        if done {
            break;
        }
    }
    assert!(kept > 0 && lost > 100, "{kept} kept, {lost} lost");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_refuses_a_batch_and_takes_it_when_there_is_space() {
    let disk = SimulatedDisk::new();
    created(&disk);
    let log = open(&disk).unwrap();
    disk.leave_space(Some(3_000));
    assert!(matches!(log.append_batch(batch(0, 20)).await, Err(AppendError::NoSpace)));
    assert_eq!(log.size(), TreeSize(0));
    disk.leave_space(None);
    log.append_batch(batch(0, 20)).await.unwrap();
    log.close().await;
    assert_clean(&disk);
}
