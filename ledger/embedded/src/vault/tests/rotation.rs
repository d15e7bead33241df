//! A fresh key-encryption key, whatever fails on the way to it.

use super::*;
use crate::vault::rotation::{Keks, Rotated, rotate, rotate_from};

/// Opens with every key, and nothing is left of a rotation.
async fn assert_opens(disk: &SimulatedDisk, context: &str) {
    let vault = opened(disk);
    assert_keys(&vault, chain(1), 1..=6).await;
    assert_keys(&vault, chain(2), [7]).await;
    vault.close().await;
    assert_eq!(scan(disk, directory(), ORIGIN).faults, [], "{context}");
    for name in ["kek.next", "wraps.next"] {
        assert_eq!(disk.content(&directory().join(name)), None, "{context}: {name}");
    }
}

/// Replaces the key with the same entropy each time.
fn rotated(disk: &SimulatedDisk) -> Result<Rotated, OpenError> {
    rotate_from(disk, directory(), ORIGIN, Keks::default(), &SeededEntropy::new([1; 32]))
}

/// Operations that a rotation takes when nothing fails.
async fn operations() -> u64 {
    let disk = filled().await;
    let before = disk.operations();
    rotated(&disk).unwrap();
    disk.operations() - before
}

/// A vault whose rotation ended at an operation that failed.
async fn interrupted(failing: u64) -> SimulatedDisk {
    let disk = filled().await;
    disk.fail_operation(failing);
    assert!(rotated(&disk).is_err(), "operation {failing}");
    disk
}

fn kek(disk: &SimulatedDisk) -> Vec<u8> {
    disk.content(&directory().join(KEK)).unwrap()
}

#[tokio::test]
async fn every_key_opens_under_the_new_key_and_none_under_the_old_one() {
    for cipher in BOTH {
        opens_under_the_new_key_only(filled_under(cipher).await).await;
    }
}

async fn opens_under_the_new_key_only(disk: SimulatedDisk) {
    let old = kek(&disk);
    let first = rotate(&disk, directory(), ORIGIN).unwrap();
    // Two chains; keys 2 and 5 belong to two subjects of the first.
    assert_eq!(first.holders, 4);
    assert_ne!(first.from, first.to);
    assert_ne!(kek(&disk), old);
    assert_opens(&disk, "rotated").await;
    let again = rotate(&disk, directory(), ORIGIN).unwrap();
    assert_eq!(again.from, first.to);
    assert_opens(&disk, "rotated twice").await;
    // The vault goes on.
    let vault = opened(&disk);
    vault.deposit(chain(1), vec![deposit(9)]).await.unwrap();
    assert_keys(&vault, chain(1), [1, 9]).await;
    vault.close().await;
    disk.tamper(&directory().join(KEK), old);
    let refused = FileVault::open(&disk, directory(), ORIGIN, quiet()).unwrap_err();
    let OpenError::Damaged(fault) = refused else { panic!("{refused}") };
    assert_eq!(fault.problem, Problem::WrongKek);
}

#[tokio::test]
async fn whatever_operation_fails_before_a_crash_the_vault_opens_whole() {
    let operations = operations().await;
    assert!(operations > 15, "only {operations}");
    for failing in 1..=operations {
        for seed in 0..12 {
            let disk = interrupted(failing).await;
            let context = format!("operation {failing}, seed {seed}");
            assert_opens(&disk.copy(), &format!("{context}, without a crash")).await;
            let crashed = disk.crash(seed);
            assert_opens(&crashed, &context).await;
            rotate(&crashed, directory(), ORIGIN).unwrap();
            assert_opens(&crashed, &format!("{context}, rotated again")).await;
        }
    }
}

#[tokio::test]
async fn going_on_after_a_crash_may_be_interrupted_itself() {
    for failing in 1..=operations().await {
        for second in 1..=12 {
            let disk = interrupted(failing).await.crash(failing);
            disk.fail_operation(second);
            drop(FileVault::open(&disk, directory(), ORIGIN, quiet()));
            assert_opens(&disk.crash(second), &format!("operation {failing}, then {second}")).await;
        }
    }
}

/// The process is killed, not the machine: what it did stands in memory, and is gone only with a later loss of power.
#[tokio::test]
async fn going_on_without_a_crash_loses_no_key_to_a_later_one() {
    for failing in 1..=operations().await {
        for second in 1..=12 {
            for seed in 0..2 {
                let disk = interrupted(failing).await;
                // Whoever only reads finds the key that counts meanwhile.
                VaultReader::open(&disk, directory(), ORIGIN).unwrap();
                disk.fail_operation(second);
                drop(FileVault::open(&disk, directory(), ORIGIN, quiet()));
                let context = format!("operation {failing}, then {second}, seed {seed}");
                assert_opens(&disk.crash(seed), &context).await;
            }
        }
    }
}

#[tokio::test]
async fn a_vault_that_is_open_or_damaged_is_not_rotated_and_not_changed() {
    let disk = filled().await;
    let vault = opened(&disk);
    assert!(matches!(rotate(&disk, directory(), ORIGIN), Err(OpenError::Locked(_))));
    vault.close().await;
    let (key, path) = (kek(&disk), directory().join(WRAPS));
    let mut bytes = disk.content(&path).unwrap();
    *bytes.get_mut(2 * 128 + 40).unwrap() ^= 1;
    disk.tamper(&path, bytes.clone());
    assert!(matches!(rotate(&disk, directory(), ORIGIN), Err(OpenError::Damaged(_))));
    assert_eq!((kek(&disk), disk.content(&path).unwrap()), (key, bytes));
}
