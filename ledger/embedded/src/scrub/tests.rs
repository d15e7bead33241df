use std::{path::PathBuf, sync::Arc};

use mediation_ledger::{
    chain::{ChainId, Revision},
    log::{Append, Log as _},
};

use super::*;
use crate::{Embedded, Options, SEGMENT_BYTES_MIN, copying::segments, disk::SimulatedDisk, scan::log_dir};

fn dir() -> PathBuf {
    PathBuf::from("/ledger")
}

/// A log in use, of several segments, and its leaf hashes.
async fn written() -> (SimulatedDisk, Embedded, Vec<Hash>) {
    let disk = SimulatedDisk::new();
    let options = Options { segment_bytes: SEGMENT_BYTES_MIN, ..Options::new("ledger.example/city") };
    let on: Arc<dyn Disk> = Arc::new(disk.clone());
    Embedded::create(&on, &dir(), &options).unwrap();
    let log = Embedded::open(on, &dir(), &options).unwrap();
    let mut leaves = Vec::new();
    for batch in 0..8_u64 {
        let record = |at| Bytes::from(format!("{batch} {at} {}", "x".repeat(6_000)));
        let appends =
            (0..5).map(|at| Append { chain: ChainId([1; 16]), expected: Revision(batch * 5 + at), record: record(at) });
        let appends: Vec<Append> = appends.collect();
        leaves.extend(appends.iter().map(|append| leaf_hash(&append.record)));
        log.append_batch(appends).await.unwrap();
    }
    (disk, log, leaves)
}

/// Scrubs all segments.
fn scrubbed(disk: &SimulatedDisk, leaves: &[Hash], sealed: u64) -> Vec<Damage> {
    let leaf = |leaf: LeafIndex| leaves.get(usize::try_from(leaf.0).unwrap()).copied();
    let segments = segments(disk, &dir()).unwrap();
    assert!(segments.len() > 2);
    let mut all = Vec::new();
    for (number, segment) in segments.iter().enumerate() {
        let path = log_dir(&dir()).join(&segment.name);
        let part = Part { path: &path, closed: number + 1 < segments.len(), sealed: TreeSize(sealed) };
        all.extend(scrub(disk, part, &leaf, &mut |_| true).unwrap().unwrap());
    }
    all
}

#[tokio::test]
async fn every_changed_byte_of_what_is_sealed_is_found_and_nothing_else() {
    let (disk, log, leaves) = written().await;
    assert_eq!(scrubbed(&disk, &leaves, 40), []);
    assert_eq!(scrubbed(&disk, &leaves, 33), []);
    assert_eq!(log.leaf_of(LeafIndex(7)), Some((ChainId([1; 16]), Revision(7))));
    let first = log_dir(&dir()).join(&segments(&disk, &dir()).unwrap()[0].name);
    let file = disk.open(&first, Access::Write).unwrap();
    let bytes = disk.content(&first).unwrap();
    for at in (0..bytes.len()).step_by(97).chain(SEGMENT_HEADER_BYTES..SEGMENT_HEADER_BYTES + 60) {
        file.write_all_at(&[bytes[at] ^ 4], at as u64).unwrap();
        let damage = scrubbed(&disk, &leaves, 40);
        assert!(!damage.is_empty(), "byte {at}");
        assert!(
            damage.iter().all(|damage| damage.fault.file == first && damage.fault.offset <= at as u64),
            "{damage:?}"
        );
        file.write_all_at(&bytes[at..=at], at as u64).unwrap();
    }
    assert_eq!(scrubbed(&disk, &leaves, 40), []);
}

#[tokio::test]
async fn a_record_that_was_changed_with_its_checksum_is_found_by_its_leaf() {
    let (disk, _log, mut leaves) = written().await;
    leaves[6] = Hash([9; 32]);
    let damage = scrubbed(&disk, &leaves, 40);
    assert_eq!(damage.len(), 1);
    assert_eq!(damage[0].leaf, Some(LeafIndex(6)));
}

#[tokio::test]
async fn a_segment_that_is_gone_is_damage_and_the_pace_ends_a_reading() {
    let (disk, _log, leaves) = written().await;
    let path = log_dir(&dir()).join("00000000000000000099.segment");
    let part = Part { path: &path, closed: true, sealed: TreeSize(40) };
    let damage = scrub(&disk, part, &|_| None, &mut |_| true).unwrap().unwrap();
    assert_eq!(damage[0].fault.problem, Problem::Missing);
    drop(leaves);
}
