//! The leaves file after crashes and damage.

use std::fs;

use super::*;

const HEADER: u64 = 16 + 4 + 1 + 2 + 16 + 4;

fn origin() -> KeyName {
    "test.example/log".parse().unwrap()
}

fn row(number: u8) -> LeafRow {
    LeafRow {
        chain: ChainId([1; 16]),
        revision: Revision(number.into()),
        cursor: Cursor(u64::from(number) * 100, u64::MAX),
        hash: Hash([number; 32]),
        twin: None,
    }
}

fn rows(count: u8) -> Vec<LeafRow> {
    (0..count).map(row).collect()
}

struct Place {
    _directory: tempfile::TempDir,
    path: PathBuf,
}

impl Place {
    fn holding(rows: &[LeafRow]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let place = Self { path: directory.path().join(LEAVES), _directory: directory };
        let (leaves, found) = place.open(0).unwrap();
        assert_eq!(found, []);
        leaves.append(rows).unwrap();
        leaves.sync().unwrap();
        place
    }

    fn open(&self, covered: u64) -> Result<(Leaves, Vec<LeafRow>), LeavesError> {
        Leaves::open(&self.path, &origin(), false, TreeSize(covered))
    }

    fn change(&self, change: impl FnOnce(&mut Vec<u8>)) {
        let mut bytes = fs::read(&self.path).unwrap();
        change(&mut bytes);
        fs::write(&self.path, bytes).unwrap();
    }

    fn flip(&self, row: u64) {
        let at = usize::try_from(HEADER + row * row_bytes(false) + 20).unwrap();
        self.change(|bytes| *bytes.get_mut(at).unwrap() ^= 1);
    }
}

#[test]
fn rows_are_read_as_they_were_written_and_more_come_behind_them() {
    let place = Place::holding(&rows(3));
    let (leaves, found) = place.open(3).unwrap();
    assert_eq!(found, rows(3));
    leaves.append(&[row(3)]).unwrap();
    assert_eq!(leaves.size(), TreeSize(4));
    drop(leaves);
    assert_eq!(place.open(3).unwrap().1, rows(4));
}

#[test]
fn the_bytes_are_those_of_the_document() {
    let place = Place::holding(&[LeafRow { cursor: Cursor(5, 6), revision: Revision(7), ..row(2) }]);
    let mut expected = b"mediation-leaves\0\0\0\x01\0\0\x10test.example/log".to_vec();
    expected.extend(crc32c::crc32c(&expected).to_be_bytes());
    let mut content = [[1_u8; 16].as_slice(), &7_u64.to_be_bytes()].concat();
    content.extend(5_u64.to_be_bytes());
    content.extend(6_u64.to_be_bytes());
    content.extend([2; 32]);
    let crc = crc32c::crc32c(&[[0; 8].as_slice(), &content].concat());
    expected.extend(content);
    expected.extend(crc.to_be_bytes());
    assert_eq!(fs::read(&place.path).unwrap(), expected);
}

#[test]
fn hashes_over_sm3_are_kept_with_a_twin() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join(LEAVES);
    let twins: Vec<_> = (0..3).map(|number| LeafRow { twin: Some(Hash([9; 32])), ..row(number) }).collect();
    Leaves::open(&path, &origin(), true, TreeSize(0)).unwrap().0.append(&twins).unwrap();
    assert_eq!(Leaves::open(&path, &origin(), true, TreeSize(0)).unwrap().1, twins);
    let other = Leaves::open(&path, &origin(), false, TreeSize(0));
    assert!(matches!(other, Err(LeavesError::OtherLog { twin: true, .. })), "{other:?}");
}

#[test]
fn a_torn_tail_of_any_length_is_cut_and_written_over() {
    let width = usize::try_from(row_bytes(false)).unwrap();
    for torn in 1..width {
        let place = Place::holding(&rows(3));
        place.change(|bytes| bytes.truncate(bytes.len() - torn));
        let (leaves, found) = place.open(3).unwrap();
        assert_eq!(found, rows(2), "{torn} bytes");
        leaves.append(&[row(2)]).unwrap();
        drop(leaves);
        assert_eq!(place.open(3).unwrap().1, rows(3), "{torn} bytes");
    }
    // A power cut may leave the length and not the content.
    let place = Place::holding(&rows(3));
    place.change(|bytes| bytes.extend([0; 500]));
    assert_eq!(place.open(3).unwrap().1, rows(3));
}

#[test]
fn a_damaged_row_that_was_synced_is_told_with_its_place_and_left_alone() {
    let place = Place::holding(&rows(9));
    place.flip(4);
    let before = fs::read(&place.path).unwrap();
    let opened = place.open(5);
    let offset = HEADER + 4 * row_bytes(false);
    assert!(
        matches!(&opened, Err(LeavesError::Damaged { row: LeafIndex(4), offset: at, .. }) if *at == offset),
        "{opened:?}"
    );
    assert_eq!(fs::read(&place.path).unwrap(), before);
}

#[test]
fn a_row_that_was_never_synced_may_be_torn_before_whole_ones() {
    let place = Place::holding(&rows(9));
    place.flip(4);
    assert_eq!(place.open(4).unwrap().1, rows(4));
}

#[test]
fn rows_that_changed_places_are_damaged() {
    let place = Place::holding(&rows(3));
    let (header, width) = (usize::try_from(HEADER).unwrap(), usize::try_from(row_bytes(false)).unwrap());
    place.change(|bytes| bytes.get_mut(header..header + 2 * width).unwrap().rotate_left(width));
    let opened = place.open(3);
    assert!(matches!(opened, Err(LeavesError::Damaged { row: LeafIndex(0), .. })), "{opened:?}");
}

#[test]
fn the_file_of_another_log_version_or_kind_is_refused() {
    let place = Place::holding(&rows(1));
    let other = Leaves::open(&place.path, &"other.example/log".parse().unwrap(), false, TreeSize(0));
    assert!(matches!(&other, Err(LeavesError::OtherLog { found, .. }) if found == "test.example/log"), "{other:?}");
    place.change(|bytes| *bytes.get_mut(19).unwrap() = 2);
    assert!(matches!(place.open(0), Err(LeavesError::Version { found: 2, .. })));
    place.change(|bytes| *bytes.get_mut(0).unwrap() = 0);
    assert!(matches!(place.open(0), Err(LeavesError::DamagedHeader { .. })));
    place.change(|bytes| bytes.truncate(3));
    assert!(matches!(place.open(0), Err(LeavesError::DamagedHeader { .. })));
}

#[test]
fn one_process_at_a_time_has_the_file() {
    let place = Place::holding(&rows(1));
    let first = place.open(0).unwrap();
    assert!(matches!(place.open(0), Err(LeavesError::InUse { .. })));
    drop(first);
    place.open(0).unwrap();
}
