//! What is broken is found, where it is, and nothing else.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use bytes::Bytes;
use mediation_ledger::{
    chain::{ChainId, Revision},
    log::Log as _,
    merkle::{Hash, LeafIndex, TreeSize},
};

use super::{Expected, Scan, TornTail, scan};
use crate::{
    Embedded, Fault, OpenError, Options, Problem, SEGMENT_BYTES_MIN,
    disk::{Disk, SimulatedDisk},
};

const ORIGIN: &str = "ledger.example/city";

fn dir() -> PathBuf {
    PathBuf::from("/ledger")
}

fn file(name: &str) -> PathBuf {
    dir().join("log").join(name)
}

fn first() -> PathBuf {
    file("00000000000000000000.segment")
}

/// A closed log with so many records of 700 bytes, one batch each, in segments of 64 KiB.
async fn closed_log(records: u64) -> SimulatedDisk {
    let simulated = SimulatedDisk::new();
    let disk: Arc<dyn Disk> = Arc::new(simulated.clone());
    let options = Options { segment_bytes: SEGMENT_BYTES_MIN, ..Options::new(ORIGIN) };
    Embedded::create(&disk, &dir(), &options).unwrap();
    let log = Embedded::open(disk, &dir(), &options).unwrap();
    for revision in 0..records {
        log.append(ChainId([1; 16]), Revision(revision), record(revision)).await.unwrap();
    }
    log.close().await;
    simulated
}

fn record(revision: u64) -> Bytes {
    let start = format!("record {revision} ").into_bytes();
    start.into_iter().chain((0..700_u64).map(|at| u8::try_from((at * at + revision) % 255 + 1).unwrap())).collect()
}

fn scan_all(disk: &dyn Disk, covered: Option<(TreeSize, Hash)>) -> Scan {
    scan(disk, &dir(), &Expected { origin: ORIGIN.to_owned(), covered }, &mut |_| {}).unwrap()
}

/// Names, sizes and root as they should be, before something is broken.
async fn sample(records: u64) -> (SimulatedDisk, Vec<u8>, (TreeSize, Hash)) {
    let disk = closed_log(records).await;
    let scan = scan_all(&disk, None);
    assert_eq!((scan.faults.as_slice(), scan.size), (&[][..], TreeSize(records)));
    let content = disk.content(&first()).unwrap();
    (disk, content, (scan.size, scan.root))
}

fn open_error(disk: &SimulatedDisk) -> OpenError {
    Embedded::open(Arc::new(disk.clone()), &dir(), &Options::new(ORIGIN)).unwrap_err()
}

#[tokio::test]
async fn a_scan_visits_every_record_with_its_place_and_counts_every_byte() {
    let disk = closed_log(200).await;
    let mut leaves = Vec::new();
    let expected = Expected { origin: ORIGIN.to_owned(), covered: None };
    let scan = scan(&disk, &dir(), &expected, &mut |placed| {
        let content = disk.content(placed.file).unwrap();
        let start = usize::try_from(placed.offset).unwrap();
        assert_eq!(content.get(start + 28..start + 28 + placed.record.len()), Some(&placed.record[..]));
        leaves.push((placed.leaf, placed.revision, placed.record.clone()));
    })
    .unwrap();
    assert!(leaves.iter().cloned().eq((0..200).map(|at| (LeafIndex(at), Revision(at), record(at)))));
    let names = disk.list(&dir().join("log")).unwrap();
    let bytes: usize = names.iter().map(|name| disk.content(&file(name)).unwrap().len()).sum();
    assert!(names.len() > 1);
    assert_eq!(scan.bytes, bytes as u64);
}

/// Every byte of a segment of 64 KiB. With a checkpoint over all of it, and without, everything but the seal is found.
#[tokio::test]
async fn a_flip_of_any_byte_is_found_with_its_file_and_place() {
    let (disk, content, covered) = sample(12).await;
    let used = content.iter().rposition(|byte| *byte != 0).unwrap() + 1;
    let halves =
        [(0..content.len() / 2, Some(covered)), (content.len() / 2..content.len(), Some(covered)), (0..used, None)];
    let threads: Vec<_> = halves
        .into_iter()
        .map(|(places, covered)| {
            let (disk, content) = (disk.copy(), content.clone());
            std::thread::spawn(move || flip_each(&disk, content, used, places, covered))
        })
        .collect();
    // The seal vouches for all before it; itself it may have been torn, and nothing is lost with it.
    let seal = used - 56..used;
    for at in threads.into_iter().flat_map(|thread| thread.join().unwrap()) {
        assert!(seal.contains(&at), "byte {at} can be changed");
    }
}

/// Flips byte after byte, and checks the one fault of each. Answers the places where there was only a torn tail.
fn flip_each(
    disk: &SimulatedDisk,
    mut content: Vec<u8>,
    used: usize,
    places: std::ops::Range<usize>,
    covered: Option<(TreeSize, Hash)>,
) -> Vec<usize> {
    let mut torn = Vec::new();
    for at in places {
        content[at] ^= 0x55;
        disk.tamper(&first(), content.clone());
        content[at] ^= 0x55;
        let scan = scan_all(disk, covered);
        match scan.faults.as_slice() {
            [fault] => {
                assert_eq!(fault.file, first());
                let place = usize::try_from(fault.offset).unwrap();
                let reach = if at < used { place + 800 } else { place };
                assert!(place <= at && at <= reach, "byte {at}: {fault}");
            }
            [] if scan.torn_tail.is_some() => torn.push(at),
            other => panic!("byte {at}: {other:?}"),
        }
    }
    torn
}

#[tokio::test]
async fn a_flip_in_an_earlier_segment_is_found_and_the_log_does_not_open() {
    let (disk, content, _) = sample(200).await;
    for at in (0..content.len()).step_by(97).chain([20, 56, 64, 127, 128, content.len() - 1]) {
        let mut flipped = content.clone();
        flipped[at] ^= 1;
        disk.tamper(&first(), flipped);
        let scan = scan_all(&disk, None);
        let [fault] = scan.faults.as_slice() else { panic!("byte {at}: {:?}", scan.faults) };
        assert_eq!((&fault.file, scan.torn_tail), (&first(), None));
        assert!(matches!(open_error(&disk), OpenError::Faulty { first, others: 0 } if *first == *fault));
        assert_ne!(disk.content(&first()).unwrap(), content, "damage is never repaired");
    }
}

#[tokio::test]
async fn every_kind_of_change_has_its_fault() {
    let (disk, content, _) = sample(200).await;
    let names = disk.list(&dir().join("log")).unwrap();
    let second = file(&names[1]);
    let third = file(&names[2]);
    let next = disk.content(&second).unwrap();
    let used = content.iter().rposition(|byte| *byte != 0).unwrap() as u64 + 1;
    let faults = |change: &dyn Fn(&SimulatedDisk)| {
        let disk = disk.copy();
        change(&disk);
        scan_all(&disk, None).faults
    };
    let gone = faults(&|disk| disk.remove(&second).unwrap());
    assert!(
        matches!(&gone[..], [Fault { file, problem: Problem::FirstLeaf { .. }, .. }] if *file == third),
        "{gone:?}"
    );
    let renamed = faults(&|disk| disk.rename(&second, &file("00000000000000000001.segment")).unwrap());
    assert!(matches!(&renamed[..], [Fault { problem: Problem::FirstLeaf { .. }, .. }, ..]), "{renamed:?}");
    let doubled = faults(&|disk| disk.tamper(&file("00000000000000000001.segment"), next.clone()));
    assert!(matches!(&doubled[..], [Fault { problem: Problem::FirstLeaf { .. }, .. }, ..]), "{doubled:?}");
    let cut = faults(&|disk| disk.tamper(&first(), content[..60_000].to_vec()));
    assert!(matches!(&cut[..], [Fault { problem: Problem::Length { .. }, offset: 60_000, .. }, ..]), "{cut:?}");
    let grown = faults(&|disk| disk.tamper(&first(), [&content[..], &[0; 10]].concat()));
    assert!(matches!(&grown[..], [Fault { problem: Problem::Length { .. }, offset: 65_536, .. }]), "{grown:?}");
    let strange = faults(&|disk| disk.tamper(&file("notes.txt"), vec![1]));
    assert!(matches!(&strange[..], [Fault { problem: Problem::UnexpectedFile, .. }]), "{strange:?}");
    let zeroed = faults(&|disk| {
        let mut zeroed = content.clone();
        zeroed[5_120..5_632].fill(0);
        disk.tamper(&first(), zeroed);
    });
    assert!(zeroed.iter().all(|fault| fault.file == first() && fault.offset <= 5_632), "{zeroed:?}");
    assert!(!zeroed.is_empty());
    let last_gone = faults(&|disk| {
        let mut shorter = content.clone();
        let from = usize::try_from(used).unwrap() - 300;
        shorter[from..].fill(0);
        disk.tamper(&first(), shorter);
    });
    assert!(matches!(&last_gone[..], [Fault { problem: Problem::RecordCrc { .. }, .. }]), "{last_gone:?}");
    let spare = faults(&|disk| disk.tamper(&file("spare.segment"), vec![0; 1000]));
    assert_eq!(spare, []);
    let dirty = faults(&|disk| disk.tamper(&file("spare.segment"), [vec![0; 1000], vec![1]].concat()));
    assert!(matches!(&dirty[..], [Fault { problem: Problem::NotZero, offset: 1000, .. }]), "{dirty:?}");
}

#[tokio::test]
async fn a_whole_batch_that_is_missing_in_the_middle_is_found() {
    let (disk, content, _) = sample(200).await;
    // All batches but the first have the same length here, so the third can stand where the second did.
    let starts: Vec<usize> =
        content.windows(4).enumerate().filter(|(_, bytes)| *bytes == b"MBAT").map(|(at, _)| at).collect();
    let mut moved = content[..starts[2]].to_vec();
    moved.extend_from_slice(&content[starts[3]..]);
    moved.resize(content.len(), 0);
    disk.tamper(&first(), moved);
    let faults = scan_all(&disk, None).faults;
    let at = starts[2] as u64;
    assert!(
        matches!(&faults[..], [Fault { problem: Problem::BatchSize { .. }, offset, .. }] if *offset == at),
        "{faults:?}"
    );
}

#[tokio::test]
async fn a_newer_format_is_refused_as_such() {
    let (disk, mut content, _) = sample(3).await;
    content[8..12].copy_from_slice(&2_u32.to_be_bytes());
    let crc = crc32c::crc32c(&content[..124]).to_be_bytes();
    content[124..128].copy_from_slice(&crc);
    disk.tamper(&first(), content);
    let error = open_error(&disk).to_string();
    assert!(error.contains("format version 2, this program reads version 1"), "{error}");
}

/// A log whose last batch, of one record, is torn in every way a crash can tear it.
#[tokio::test]
async fn a_torn_tail_is_cut_unless_a_checkpoint_covers_it() {
    let (disk, sealed, covered) = sample(5).await;
    let start = sealed.windows(4).rposition(|bytes| bytes == b"MBAT").unwrap();
    let content = [&sealed[..start], &vec![0; sealed.len() - start]].concat();
    let last = content.windows(4).rposition(|bytes| bytes == b"MBAT").unwrap();
    for (from, to) in sectors(last, start).flat_map(|(from, to)| [(from, to), (from + (to - from) / 2, to)]) {
        let mut torn = content.clone();
        torn[from..to].fill(0);
        if torn == content {
            continue;
        }
        disk.tamper(&first(), torn.clone());
        let scan = scan_all(&disk, None);
        assert_eq!((scan.faults, scan.size), (Vec::new(), TreeSize(4)), "{from}..{to}");
        let tail = scan.torn_tail.unwrap();
        let TornTail { file, offset, end } = &tail;
        assert_eq!((Path::new(file), *offset), (first().as_path(), last as u64));
        assert!(*end <= start as u64);
        let scan = scan_all(&disk, Some(covered));
        assert!(scan.torn_tail.is_none() && scan.faults.len() == 1, "{from}..{to}: {:?}", scan.faults);
    }
}

/// A seal takes no more than the bytes of its header, and may be the last thing for which a segment has room.
#[tokio::test]
async fn a_torn_seal_at_the_very_end_of_a_segment_is_no_damage() {
    let disk = SimulatedDisk::new();
    let shared: Arc<dyn Disk> = Arc::new(disk.clone());
    let options = Options { segment_bytes: SEGMENT_BYTES_MIN, ..Options::new(ORIGIN) };
    Embedded::create(&shared, &dir(), &options).unwrap();
    let log = Embedded::open(shared, &dir(), &options).unwrap();
    // Behind the header of the segment, that of the batch and the frame of the record, up to the seal.
    let bytes = usize::try_from(SEGMENT_BYTES_MIN).unwrap() - 128 - 56 - 32 - 56;
    log.append(ChainId([1; 16]), Revision(0), vec![7; bytes].into()).await.unwrap();
    log.close().await;
    let sealed = disk.content(&first()).unwrap();
    assert_ne!(sealed.last(), Some(&0), "the seal does not reach the end");
    for kept in 1..56 {
        let mut torn = sealed.clone();
        torn[sealed.len() - 56 + kept..].fill(0);
        disk.tamper(&first(), torn);
        let scan = scan_all(&disk, None);
        assert_eq!((scan.faults, scan.size), (Vec::new(), TreeSize(1)), "{kept} bytes of the seal");
        assert!(scan.torn_tail.is_some_and(|tail| tail.may_be_seal()), "{kept} bytes of the seal");
    }
}

fn sectors(from: usize, to: usize) -> impl Iterator<Item = (usize, usize)> {
    (from / 512..to.div_ceil(512)).map(move |sector| ((sector * 512).max(from), ((sector + 1) * 512).min(to)))
}
