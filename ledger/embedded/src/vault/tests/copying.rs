//! Copies of the wraps of a vault in use.

use super::*;
use crate::vault::slot::SLOT_BYTES;

fn copy_directory() -> &'static Path {
    Path::new("data/copy")
}

fn copied(disk: &SimulatedDisk) -> Result<VaultScan, OpenError> {
    disk.create_dir(copy_directory()).unwrap();
    copy_wraps(disk, directory(), copy_directory(), ORIGIN)?;
    Ok(scan_apart(disk, copy_directory(), directory(), ORIGIN, None))
}

#[tokio::test]
async fn a_copy_is_whole_whatever_of_a_group_was_written_and_damage_is_named() {
    let full = filled().await.content(&directory().join(WRAPS)).unwrap();
    let mut wraps = Vec::new();
    for slots in 0..=full.len() / SLOT_BYTES {
        let disk = filled().await;
        let file = disk.open(&directory().join(WRAPS), Access::Write).unwrap();
        file.write_all_at(&vec![0; full.len() - slots * SLOT_BYTES], (slots * SLOT_BYTES) as u64).unwrap();
        match copied(&disk) {
            Ok(scan) => {
                assert_eq!(scan.faults, [], "{slots}");
                wraps.push(scan.wraps);
            }
            Err(error) => assert!(slots == 0 && matches!(error, OpenError::Damaged(_)), "{slots}: {error}"),
        }
    }
    assert_eq!((wraps.first(), wraps.last()), (Some(&0), Some(&7)));
    let disk = filled().await;
    let file = disk.open(&directory().join(WRAPS), Access::Write).unwrap();
    file.write_all_at(&[0xff; 8], SLOT_BYTES as u64).unwrap();
    let error = copied(&disk).unwrap_err();
    let OpenError::Damaged(fault) = &error else { panic!("{error}") };
    assert_eq!((fault.file.as_path(), fault.offset), (directory().join(WRAPS).as_path(), SLOT_BYTES as u64));
}

#[tokio::test]
async fn a_destruction_that_is_under_way_is_done_in_the_copy() {
    let (mut under_way, mut is_done) = (0, false);
    for failing in 1..=20 {
        let disk = filled().await;
        let vault = opened(&disk);
        disk.fail_operation(failing);
        let gone: Vec<Hash> = [1, 2, 4].map(digest).to_vec();
        is_done = vault.destroy(chain(1), &gone).await.is_ok();
        if is_done {
            break;
        }
        let scan = copied(&disk).unwrap();
        assert_eq!(scan.faults, [], "{failing}");
        let left = if scan.destroyed == 0 { 7 } else { 4 };
        assert_eq!(scan.wraps, left, "{failing}");
        under_way += usize::from(scan.destroyed == 3);
        drop(vault);
    }
    assert!(is_done && under_way > 0, "{under_way}");
}
