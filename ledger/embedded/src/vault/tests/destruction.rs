//! Keys that are destroyed: gone at once, after every crash, and from the bytes of the disk.

use super::*;
use crate::vault::slot::{SLOT_BYTES, SLOT_BYTES_U64};

/// Keys that are destroyed, of chain 1: two of the chain's and one of a subject's.
const GONE: [u8; 3] = [1, 2, 4];

/// Keys of chain 1 that stay.
const KEPT: [u8; 3] = [3, 5, 6];

fn gone() -> Vec<Hash> {
    GONE.map(digest).to_vec()
}

/// The wrapped keys of these parts, by the bytes after their digests.
fn wrapped(disk: &SimulatedDisk, keys: &[u8]) -> Vec<Vec<u8>> {
    let bytes = disk.content(&directory().join(WRAPS)).unwrap();
    let is_of = |slot: &[u8], at: u8| slot.first() == Some(&4) && slot.get(16..48) == Some(&[at; 32][..]);
    let slots = bytes.chunks_exact(SLOT_BYTES);
    let wraps = slots.filter(|slot| keys.iter().any(|at| is_of(slot, *at)));
    wraps.map(|slot| slot.get(48..108).unwrap().to_vec()).collect()
}

fn assert_nowhere(disk: &SimulatedDisk, wrapped: &[Vec<u8>], context: &str) {
    let bytes = disk.content(&directory().join(WRAPS)).unwrap();
    for wrap in wrapped {
        assert!(!bytes.windows(wrap.len()).any(|window| window == wrap), "{context}: a wrapped key still stands");
    }
}

/// Opens the vault, and says which keys of [`GONE`] it gives; the others it must.
async fn given(disk: &SimulatedDisk, context: &str) -> Vec<u8> {
    let vault = opened(disk);
    assert_keys(&vault, chain(1), KEPT).await;
    assert_keys(&vault, chain(2), [7]).await;
    let mut given = Vec::new();
    for at in GONE {
        given.extend(vault.key(chain(1), digest(at)).await.unwrap().map(|_key| at));
    }
    vault.close().await;
    assert_eq!(scan(disk, directory(), ORIGIN).faults, [], "{context}");
    given
}

#[tokio::test]
async fn destroyed_keys_are_gone_from_answers_and_bytes_and_are_never_kept_again() {
    let disk = filled().await;
    let wraps = wrapped(&disk, &GONE);
    assert_eq!(wraps.len(), GONE.len());
    let vault = opened(&disk);
    assert_eq!(vault.destroy(chain(1), &[gone(), gone(), vec![digest(200)]].concat()).await.unwrap(), 3);
    assert_nowhere(&disk, &wraps, "at once");
    assert_eq!(vault.destroy(chain(1), &gone()).await.unwrap(), 0, "again");
    assert_eq!(vault.destroy(chain(2), &gone()).await.unwrap(), 0, "of another chain");
    for at in GONE {
        assert_eq!(vault.key(chain(1), digest(at)).await.unwrap(), None);
        let again = vault.deposit(chain(1), vec![deposit(at)]).await;
        assert!(matches!(again, Err(VaultError::Destroyed { digest: of }) if of == digest(at)), "{again:?}");
    }
    vault.deposit(chain(1), vec![deposit(8)]).await.unwrap();
    vault.close().await;
    assert_eq!(given(&disk, "reopened").await, Vec::<u8>::new());
    let vault = opened(&disk);
    assert!(matches!(vault.deposit(chain(1), vec![deposit(1)]).await, Err(VaultError::Destroyed { .. })));
    vault.close().await;
    let scan = scan(&disk, directory(), ORIGIN);
    assert_eq!((scan.wraps, scan.destroyed, scan.faults), (5, 3, vec![]));
    let reader = VaultReader::open(&disk, directory(), ORIGIN).unwrap();
    assert_eq!(reader.key(chain(1), digest(1)).unwrap(), None);
    assert_eq!(reader.key(chain(1), digest(3)).unwrap(), Some(DataKey([3; 32])));
}

#[tokio::test]
async fn whatever_operation_fails_before_a_crash_all_are_destroyed_or_none() {
    let (mut destroyed, mut kept) = (0, 0);
    for failing in 1..=12 {
        for seed in 0..16 {
            let context = format!("operation {failing} fails, seed {seed}");
            let disk = filled().await;
            let wraps = wrapped(&disk, &GONE);
            let vault = opened(&disk);
            disk.fail_operation(failing);
            let told = vault.destroy(chain(1), &gone()).await;
            let disk = disk.crash(seed);
            let given = given(&disk, &context).await;
            match given.len() {
                0 => {
                    assert_nowhere(&disk, &wraps, &context);
                    destroyed += 1;
                }
                3 => {
                    assert!(told.is_err(), "{context}: acknowledged, and they stand");
                    kept += 1;
                }
                _ => panic!("{context}: half of them are gone"),
            }
        }
    }
    assert!(destroyed > 0 && kept > 0, "{destroyed} {kept}");
}

#[tokio::test]
async fn opening_that_ends_a_destruction_may_be_interrupted_itself() {
    for failing in 1..=10 {
        for seed in 0..16 {
            let context = format!("operation {failing} of opening fails, seed {seed}");
            let disk = filled().await;
            let wraps = wrapped(&disk, &GONE);
            let vault = opened(&disk);
            // Room, the announcement and its sync; the next write is the first wrap that is overwritten.
            disk.fail_operation(4);
            assert!(vault.destroy(chain(1), &gone()).await.is_err());
            let disk = disk.crash(seed);
            disk.fail_operation(failing);
            drop(FileVault::open(&disk, directory(), ORIGIN, quiet()));
            let disk = disk.crash(seed + 100);
            if given(&disk, &context).await.is_empty() {
                assert_nowhere(&disk, &wraps, &context);
            }
        }
    }
}

#[tokio::test]
async fn a_destruction_that_a_crash_interrupted_is_done_by_a_rotation_too() {
    for failing in 2..=8 {
        for seed in 0..8 {
            let disk = filled().await;
            let wraps = wrapped(&disk, &GONE);
            let vault = opened(&disk);
            disk.fail_operation(failing);
            vault.destroy(chain(1), &gone()).await.ok();
            let disk = disk.crash(seed);
            rotate(&disk, directory(), ORIGIN).unwrap();
            let context = format!("operation {failing} fails, seed {seed}");
            if given(&disk, &context).await.is_empty() {
                assert_nowhere(&disk, &wraps, &context);
            }
        }
    }
}

#[tokio::test]
async fn a_wrap_that_somebody_replaced_by_its_destruction_is_told() {
    let disk = filled().await;
    let bytes = disk.content(&directory().join(WRAPS)).unwrap();
    let mut slots = (0_u64..).zip(bytes.chunks_exact(SLOT_BYTES));
    let (place, slot) = slots.find(|(_, slot)| slot.first() == Some(&4)).unwrap();
    let slot: [u8; SLOT_BYTES] = slot.try_into().unwrap();
    let slot::Found::Row(Row::Wrap { holder, digest, .. }, group) = slot::decode(place, &slot) else { panic!() };
    let forged = slot::encode(place, &Row::Destroyed { holder, digest }, group);
    let file = disk.open(&directory().join(WRAPS), Access::Write).unwrap();
    file.write_all_at(&forged, place * SLOT_BYTES_U64).unwrap();
    let problems: Vec<Problem> =
        scan(&disk, directory(), ORIGIN).faults.into_iter().map(|fault| fault.problem).collect();
    assert_eq!(problems, [Problem::Unannounced]);
    let refused = FileVault::open(&disk, directory(), ORIGIN, quiet());
    assert!(matches!(&refused, Err(OpenError::Damaged(fault)) if fault.problem == Problem::Unannounced), "{refused:?}");
}
