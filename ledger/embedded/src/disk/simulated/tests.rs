//! The simulated disk loses what a real one may lose, and nothing else.

use std::{collections::BTreeSet, io, path::Path};

use super::{Access, Disk, SimulatedDisk};

const FILE: &str = "/dir/file";

fn written() -> SimulatedDisk {
    let disk = SimulatedDisk::new();
    disk.create_dir(Path::new("/dir")).unwrap();
    let file = disk.create(Path::new(FILE)).unwrap();
    file.write_all_at(&[1; 2000], 0).unwrap();
    disk
}

#[test]
fn what_was_synced_outlives_every_crash() {
    let disk = written();
    disk.open(Path::new(FILE), Access::Write).unwrap().sync_data().unwrap();
    disk.sync_dir(Path::new("/dir")).unwrap();
    disk.sync_dir(Path::new("/")).unwrap();
    for seed in 0..100 {
        assert_eq!(disk.crash(seed).content(Path::new(FILE)).unwrap(), [1; 2000]);
    }
}

#[test]
fn what_was_not_synced_is_kept_dropped_or_torn() {
    let disk = written();
    disk.sync_dir(Path::new("/dir")).unwrap();
    disk.sync_dir(Path::new("/")).unwrap();
    let images: BTreeSet<_> = (0..200).map(|seed| disk.crash(seed).content(Path::new(FILE)).unwrap()).collect();
    assert!(images.contains([1; 2000].as_slice()), "sometimes all of it is there");
    assert!(images.iter().any(|image| image.first() != Some(&1)), "sometimes the first sector is not");
    assert!(images.len() > 100, "{} images", images.len());
}

#[test]
fn a_name_that_was_not_synced_may_vanish() {
    let disk = written();
    disk.open(Path::new(FILE), Access::Write).unwrap().sync_data().unwrap();
    let there: BTreeSet<bool> = (0..50).map(|seed| disk.crash(seed).content(Path::new(FILE)).is_some()).collect();
    assert_eq!(there.len(), 2);
}

#[test]
fn the_same_seed_gives_the_same_image() {
    let disk = written();
    for seed in 0..50 {
        assert_eq!(disk.crash(seed).content(Path::new(FILE)), disk.crash(seed).content(Path::new(FILE)));
    }
}

#[test]
fn after_a_failed_sync_a_second_one_saves_nothing() {
    let disk = written();
    disk.sync_dir(Path::new("/dir")).unwrap();
    disk.sync_dir(Path::new("/")).unwrap();
    let file = disk.open(Path::new(FILE), Access::Write).unwrap();
    disk.fail_syncs(true);
    file.sync_data().unwrap_err();
    disk.fail_syncs(false);
    file.sync_data().unwrap();
    assert_eq!(disk.content(Path::new(FILE)).unwrap(), [1; 2000]);
    assert!(disk.crash(0).content(Path::new(FILE)).unwrap().is_empty());
}

#[test]
fn a_full_disk_takes_a_part_and_then_nothing() {
    let disk = written();
    let file = disk.open(Path::new(FILE), Access::Write).unwrap();
    disk.leave_space(Some(10));
    assert_eq!(file.write_at(&[2; 30], 0).unwrap(), 10);
    assert_eq!(file.write_at(&[2; 20], 10).unwrap_err().kind(), io::ErrorKind::StorageFull);
    disk.leave_space(None);
    file.write_all_at(&[2; 20], 10).unwrap();
}

#[test]
fn images_differ_and_the_ends_of_what_may_be_left_are_among_them() {
    let disk = written();
    disk.sync_dir(Path::new("/dir")).unwrap();
    disk.sync_dir(Path::new("/")).unwrap();
    let images = disk.images(7, 64);
    let contents: BTreeSet<_> = images.iter().map(|image| image.content(Path::new(FILE)).unwrap()).collect();
    assert_eq!((images.len(), contents.len()), (64, 64));
    assert!(contents.contains([1; 2000].as_slice()) && contents.contains([].as_slice()));
    let settled = SimulatedDisk::new();
    assert!(settled.is_settled());
    assert_eq!(settled.images(7, 64).len(), 1);
}

#[test]
fn large_blocks_are_kept_or_dropped_as_one_or_torn_once() {
    let disk = written();
    disk.set_block_bytes(4096);
    disk.sync_dir(Path::new("/dir")).unwrap();
    disk.sync_dir(Path::new("/")).unwrap();
    for seed in 0..100 {
        let content = disk.crash(seed).content(Path::new(FILE)).unwrap();
        assert!(content.iter().all(|byte| *byte == 1), "seed {seed}: a hole in a block");
    }
}

#[test]
fn the_plug_is_pulled_before_a_change_and_reading_counts_for_nothing() {
    let disk = SimulatedDisk::in_turn();
    assert!(!disk.blocks() && SimulatedDisk::new().blocks());
    disk.create_dir(Path::new("/dir")).unwrap();
    disk.fail_from_change(2);
    let file = disk.create(Path::new(FILE)).unwrap();
    assert!(disk.exists(Path::new(FILE)).unwrap() && !disk.is_dead());
    file.write_all_at(&[1; 5], 0).unwrap_err();
    assert!(disk.is_dead());
    file.read_at(&mut [0; 5], 0).unwrap_err();
    let turns = disk.turns();
    assert_eq!(turns.len(), 5, "{turns:?}");
    let failed = turns.get(3).unwrap();
    assert!(failed.starts_with("write (1, 0, 5 bytes ") && failed.ends_with(" failed"), "{turns:?}");
    disk.heal();
    file.write_all_at(&[1; 5], 0).unwrap();
    assert!(!disk.crash(0).blocks());
}
