use std::sync::Arc;

use bytes::Bytes;
use mediation_ledger::{
    chain::{ChainId, Revision},
    log::{Append, Log as _},
    merkle::{Frontier, Hash},
    record::leaf_hash,
};

use super::*;
use crate::{
    Embedded, Options, SEGMENT_BYTES_MIN,
    disk::SimulatedDisk,
    scan::{Expected, Scan, scan},
};

const ORIGIN: &str = "ledger.example/city";

fn from() -> PathBuf {
    PathBuf::from("/ledger")
}

fn to() -> PathBuf {
    PathBuf::from("/copy")
}

/// A log in use: batches of seven records each, over several segments; and the root at every size.
async fn written_log(disk: &SimulatedDisk) -> (Embedded, Vec<Hash>) {
    let options = Options { segment_bytes: SEGMENT_BYTES_MIN, ..Options::new(ORIGIN) };
    let disk: Arc<dyn Disk> = Arc::new(disk.clone());
    Embedded::create(&disk, &from(), &options).unwrap();
    let log = Embedded::open(disk, &from(), &options).unwrap();
    let mut tree = Frontier::new();
    let mut roots = vec![tree.root()];
    let chain = ChainId([3; 16]);
    for batch in 0..10_u64 {
        let records: Vec<Append> = (0..7)
            .map(|at| Append {
                chain,
                expected: Revision(batch * 7 + at),
                record: Bytes::from(format!("{batch} {at} {}", "x".repeat(2_500))),
            })
            .collect();
        for append in &records {
            tree.append(leaf_hash(&append.record));
            roots.push(tree.root());
        }
        log.append_batch(records).await.unwrap();
    }
    (log, roots)
}

/// Copies the log up to a size.
fn copy(disk: &SimulatedDisk, size: u64) -> Result<usize, CopyError> {
    let log = log_dir(&to());
    for name in disk.list(&log).unwrap_or_default() {
        disk.remove(&log.join(name)).unwrap();
    }
    disk.create_dir(&log).unwrap();
    let segments = segments(disk, &from())?;
    let mut copied = 0;
    for (number, segment) in segments.iter().enumerate().filter(|(_, segment)| segment.first.0 < size) {
        let is_whole = segments.get(number + 1).is_some_and(|next| next.first.0 <= size);
        let extent = if is_whole { Extent::Whole } else { Extent::Before(LeafIndex(size)) };
        copy_segment(disk, &log_dir(&from()).join(&segment.name), &log.join(&segment.name), extent)?;
        copied += 1;
    }
    Ok(copied)
}

fn scanned(disk: &SimulatedDisk, dir: &Path, size: u64, root: Hash) -> Scan {
    let expected = Expected { origin: ORIGIN.to_owned(), covered: Some((TreeSize(size), root)) };
    scan(disk, dir, &expected, &mut |_| {}).unwrap()
}

#[tokio::test]
async fn a_copy_of_a_log_in_use_ends_where_it_was_told_to_whatever_the_batches_are() {
    let disk = SimulatedDisk::new();
    let (log, roots) = written_log(&disk).await;
    assert_eq!(written(&disk, &from()).unwrap(), TreeSize(70));
    let mut segments_copied = Vec::new();
    for size in 1..=70 {
        segments_copied.push(copy(&disk, size).unwrap());
        let root = roots[usize::try_from(size).unwrap()];
        let scan = scanned(&disk, &to(), size, root);
        assert!(scan.faults.is_empty(), "{size}: {:?}", scan.faults);
        assert_eq!((scan.size, scan.root, scan.torn_tail), (TreeSize(size), root, None));
    }
    assert!(segments_copied.last() > segments_copied.first(), "the log has several segments");
    drop(log);
}

#[tokio::test]
async fn a_copy_is_a_log_that_goes_on() {
    let disk = SimulatedDisk::new();
    let (log, roots) = written_log(&disk).await;
    copy(&disk, 25).unwrap();
    log.close().await;
    disk.create(&to().join("log.lock")).unwrap();
    let options =
        Options { segment_bytes: SEGMENT_BYTES_MIN, covered: Some((TreeSize(25), roots[25])), ..Options::new(ORIGIN) };
    let opened = Embedded::open(Arc::new(disk.clone()), &to(), &options).unwrap();
    assert_eq!(opened.size(), TreeSize(25));
    opened.append(ChainId([3; 16]), Revision(25), Bytes::from_static(b"goes on")).await.unwrap();
    opened.close().await;
    let scan = scanned(&disk, &to(), 25, roots[25]);
    assert!(scan.faults.is_empty(), "{:?}", scan.faults);
    assert_eq!(scan.size, TreeSize(26));
}

#[tokio::test]
async fn what_is_damaged_or_not_there_is_named_and_a_full_disk_too() {
    let disk = SimulatedDisk::new();
    let (log, _roots) = written_log(&disk).await;
    log.close().await;
    let error = copy(&disk, 71).unwrap_err();
    assert!(matches!(&error, CopyError::Damaged(fault) if fault.problem == Problem::BatchHeader), "{error}");
    let last = segments(&disk, &from()).unwrap().pop().unwrap();
    let path = log_dir(&from()).join(&last.name);
    let file = disk.open(&path, Access::Write).unwrap();
    file.write_all_at(&[0xff], SEGMENT_HEADER_BYTES as u64).unwrap();
    let error = copy(&disk, 70).unwrap_err();
    let CopyError::Damaged(fault) = &error else { panic!("{error}") };
    assert_eq!((fault.file.as_path(), fault.offset), (path.as_path(), SEGMENT_HEADER_BYTES as u64));
    let taken = log_dir(&to()).join(&last.name);
    let error = copy_segment(&disk, &path, &taken, Extent::Whole).unwrap_err();
    assert_eq!(error.to_string(), format!("cannot write `{}`", taken.display()));
}
