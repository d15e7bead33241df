//! Crashes, failing operations, a full disk.

use std::sync::atomic::{AtomicBool, Ordering};

use super::*;

/// Deposits one key after another and says which were acknowledged.
async fn deposit_some(vault: &FileVault, keys: std::ops::Range<u8>) -> Vec<u8> {
    let mut kept = Vec::new();
    for at in keys {
        if vault.deposit(chain(1), vec![deposit(at), deposit(at + 100)]).await.is_ok() {
            kept.extend([at, at + 100]);
        }
    }
    kept
}

/// What was acknowledged is there; what was not is right or absent; and after opening nothing is wrong.
async fn assert_whole(disk: &SimulatedDisk, kept: &[u8], context: &str) {
    let vault = opened(disk);
    for at in 0..=255 {
        let key = vault.key(chain(1), digest(at)).await.unwrap();
        let right = key.as_ref().is_none_or(|key| *key == DataKey([at; 32]));
        assert!(right && (key.is_some() || !kept.contains(&at)), "{context}: key {at} is {key:?}");
    }
    vault.close().await;
    assert_eq!(scan(disk, directory(), ORIGIN).faults, [], "{context}");
}

#[tokio::test]
async fn whatever_operation_fails_before_a_crash_nothing_acknowledged_is_lost() {
    for failing in 1..=24 {
        for seed in 0..12 {
            let disk = created();
            let vault = opened(&disk);
            let mut kept = deposit_some(&vault, 0..2).await;
            disk.fail_operation(failing);
            kept.extend(deposit_some(&vault, 2..8).await);
            let disk = disk.crash(seed);
            assert_whole(&disk, &kept, &format!("operation {failing} fails, seed {seed}")).await;
        }
    }
}

#[tokio::test]
async fn opening_after_a_crash_may_be_interrupted_itself() {
    for failing in 1..=12 {
        for seed in 0..12 {
            let disk = created();
            let vault = opened(&disk);
            let kept = deposit_some(&vault, 0..3).await;
            // The write of the fourth deposit is the next operation, its sync the one after.
            disk.fail_operation(2);
            let lost = deposit_some(&vault, 3..4).await;
            assert_eq!(lost, Vec::<u8>::new());
            let disk = disk.crash(seed);
            disk.fail_operation(failing);
            drop(FileVault::open(&disk, directory(), ORIGIN, quiet()));
            let disk = disk.crash(seed + 100);
            assert_whole(&disk, &kept, &format!("operation {failing} of opening fails, seed {seed}")).await;
        }
    }
}

#[tokio::test]
async fn a_vault_that_was_made_outlives_a_crash_and_one_half_made_is_no_vault() {
    for seed in 0..20 {
        let disk = created().crash(seed);
        assert_whole(&disk, &[], &format!("seed {seed}")).await;
    }
    let whole = SimulatedDisk::new();
    FileVault::create(&whole, directory(), ORIGIN).unwrap();
    for failing in 1..=whole.operations() {
        let disk = SimulatedDisk::new();
        disk.fail_operation(failing);
        assert!(FileVault::create(&disk, directory(), ORIGIN).is_err(), "operation {failing}");
        let disk = disk.crash(failing);
        if FileVault::open(&disk, directory(), ORIGIN, quiet()).is_ok() {
            assert!(failing > whole.operations() - 2, "operation {failing}: a vault without durable names");
        }
    }
}

#[tokio::test]
async fn a_full_disk_refuses_a_deposit_and_changes_nothing() {
    for space in [0, 1, 127, 128, 129, 300] {
        let disk = created();
        let vault = opened(&disk);
        vault.deposit(chain(1), vec![deposit(0)]).await.unwrap();
        disk.leave_space(Some(space));
        for _attempt in 0..2 {
            let refused = vault.deposit(chain(1), (1..6).map(deposit).collect()).await;
            assert!(matches!(refused, Err(VaultError::NoSpace)), "{space} bytes: {refused:?}");
            disk.leave_space(Some(space));
        }
        assert_keys(&vault, chain(1), [0]).await;
        assert_eq!(vault.key(chain(1), digest(1)).await.unwrap(), None, "{space} bytes");
        disk.leave_space(None);
        vault.deposit(chain(1), vec![deposit(1)]).await.unwrap();
        assert_whole(&disk.crash(space), &[0, 1], &format!("{space} bytes")).await;
    }
}

#[tokio::test]
async fn a_vault_on_a_full_disk_still_gives_keys() {
    let disk = filled().await;
    disk.leave_space(Some(0));
    let vault = opened(&disk);
    assert_keys(&vault, chain(1), 1..=6).await;
    vault.close().await;
}

#[tokio::test]
async fn a_failed_sync_is_fatal_and_is_never_tried_again() {
    let disk = created();
    let fatal = Arc::new(AtomicBool::new(false));
    let on_fatal = {
        let fatal = Arc::clone(&fatal);
        move |_error: &io::Error| fatal.store(true, Ordering::SeqCst)
    };
    let vault = FileVault::open(&disk, directory(), ORIGIN, FatalHandler::new(on_fatal)).unwrap();
    vault.deposit(chain(1), vec![deposit(0)]).await.unwrap();
    disk.fail_syncs(true);
    assert!(matches!(vault.deposit(chain(1), vec![deposit(1)]).await, Err(VaultError::Unavailable(Some(_)))));
    assert!(fatal.load(Ordering::SeqCst));
    disk.fail_syncs(false);
    let syncs = disk.syncs();
    assert!(matches!(vault.deposit(chain(1), vec![deposit(2)]).await, Err(VaultError::Unavailable(_))));
    vault.close().await;
    assert_eq!(disk.syncs(), syncs);
    assert_whole(&disk.crash(1), &[0], "after a failed sync").await;
}

/// The machine goes on after the sync that failed: the next process finds the keys in memory, and adds others behind them.
#[tokio::test]
async fn what_a_failed_sync_left_in_memory_is_written_again_before_anything_is_added() {
    for failed in [true, false] {
        let disk = created();
        let vault = opened(&disk);
        vault.deposit(chain(1), vec![deposit(0)]).await.unwrap();
        disk.fail_syncs(failed);
        let kept = vault.deposit(chain(1), vec![deposit(1)]).await.is_ok();
        // The seal of closing fails as well.
        vault.close().await;
        disk.fail_syncs(false);
        drop(vault);
        let vault = opened(&disk);
        let shown = vault.key(chain(1), digest(1)).await.unwrap().is_some();
        vault.deposit(chain(1), vec![deposit(2)]).await.unwrap();
        vault.close().await;
        assert!(shown || !kept);
        let durable: &[u8] = if shown { &[0, 1, 2] } else { &[0, 2] };
        assert_whole(&disk.crash(1), durable, &format!("a failed sync: {failed}")).await;
    }
}

#[tokio::test]
async fn a_disk_that_does_things_by_halves_is_good_enough() {
    let disk = created();
    disk.shorten_transfers(true);
    let vault = opened(&disk);
    let kept = deposit_some(&vault, 0..8).await;
    assert_eq!(kept.len(), 16);
    vault.close().await;
    assert_whole(&disk, &kept, "short transfers").await;
}
