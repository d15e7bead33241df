//! The vault against a disk that crashes, fails and forgets, and against people who change its bytes.

use std::sync::mpsc;

use mediation_ledger::{entropy::SeededEntropy, vault::Holder};

use super::*;
use crate::disk::{RealDisk, SimulatedDisk};

mod copying;
mod crash;
mod damage;
mod destruction;
mod elsewhere;
mod rotation;

const ORIGIN: &str = "ledger.example/city";
const BOTH: [Cipher; 2] = [Cipher::Aes256Gcm, Cipher::Sm4Gcm];

fn directory() -> &'static Path {
    Path::new("data/vault")
}

fn chain(name: u8) -> ChainId {
    ChainId([name; 16])
}

fn digest(at: u8) -> Hash {
    Hash([at; 32])
}

/// Every third key belongs to a subject.
fn deposit(at: u8) -> Deposit {
    let holder = if at % 3 == 2 { Holder::Subject(format!("p-{}", at % 2)) } else { Holder::Chain };
    Deposit { digest: digest(at), holder, key: DataKey([at; 32]) }
}

fn created() -> SimulatedDisk {
    created_under(Cipher::Aes256Gcm)
}

fn created_under(cipher: Cipher) -> SimulatedDisk {
    let disk = SimulatedDisk::new();
    FileVault::create_from(&disk, directory(), ORIGIN, cipher, &SystemEntropy).unwrap();
    disk
}

/// Lets a vault fail without ending the test.
fn quiet() -> FatalHandler {
    FatalHandler::new(|_error| {})
}

fn opened(disk: &SimulatedDisk) -> FileVault {
    FileVault::open(disk, directory(), ORIGIN, quiet()).unwrap()
}

/// A closed vault with keys 1 to 6 of chain 1 and key 7 of chain 2.
async fn filled() -> SimulatedDisk {
    filled_under(Cipher::Aes256Gcm).await
}

async fn filled_under(cipher: Cipher) -> SimulatedDisk {
    let disk = created_under(cipher);
    let vault = opened(&disk);
    vault.deposit(chain(1), (1..=3).map(deposit).collect()).await.unwrap();
    vault.deposit(chain(1), (4..=6).map(deposit).collect()).await.unwrap();
    vault.deposit(chain(2), vec![deposit(7)]).await.unwrap();
    vault.close().await;
    disk
}

async fn assert_keys(vault: &FileVault, chain: ChainId, keys: impl IntoIterator<Item = u8>) {
    for at in keys {
        assert_eq!(vault.key(chain, digest(at)).await.unwrap(), Some(DataKey([at; 32])), "key {at}");
    }
}

#[tokio::test]
async fn keys_come_back_at_once_and_after_reopening() {
    for cipher in BOTH {
        let disk = created_under(cipher);
        let vault = opened(&disk);
        vault.deposit(chain(1), (0..6).map(deposit).collect()).await.unwrap();
        assert_keys(&vault, chain(1), 0..6).await;
        vault.close().await;
        let vault = opened(&disk);
        assert_keys(&vault, chain(1), 0..6).await;
        vault.deposit(chain(1), vec![deposit(6)]).await.unwrap();
        assert_keys(&vault, chain(1), 0..7).await;
        vault.close().await;
        let scan = scan(&disk, directory(), ORIGIN);
        assert_eq!((scan.wraps, scan.holders, scan.faults), (7, 3, vec![]), "{cipher}");
        let reader = VaultReader::open(&disk, directory(), ORIGIN).unwrap();
        assert_eq!(reader.key(chain(1), digest(6)).unwrap(), Some(DataKey([6; 32])), "{cipher}");
    }
}

#[tokio::test]
async fn a_key_that_was_never_kept_is_none_and_chains_do_not_share() {
    let disk = created();
    let vault = opened(&disk);
    assert_eq!(vault.key(chain(1), digest(1)).await.unwrap(), None);
    vault.deposit(chain(1), vec![deposit(1)]).await.unwrap();
    assert_eq!(vault.key(chain(1), digest(2)).await.unwrap(), None);
    assert_eq!(vault.key(chain(2), digest(1)).await.unwrap(), None);
}

#[tokio::test]
async fn the_real_disk_keeps_keys_too() {
    let root = tempfile::tempdir().unwrap();
    let directory = root.path().join("vault");
    FileVault::create(&RealDisk, &directory, ORIGIN).unwrap();
    let vault = FileVault::open(&RealDisk, &directory, ORIGIN, quiet()).unwrap();
    vault.deposit(chain(1), (0..200).map(deposit).collect()).await.unwrap();
    vault.close().await;
    let vault = FileVault::open(&RealDisk, &directory, ORIGIN, quiet()).unwrap();
    assert_keys(&vault, chain(1), 0..200).await;
    vault.close().await;
    let scan = scan(&RealDisk, &directory, ORIGIN);
    assert_eq!((scan.wraps, scan.faults), (200, vec![]));
}

#[tokio::test]
async fn one_deposit_costs_one_write_and_one_sync() {
    let disk = created();
    let vault = opened(&disk);
    let (operations, syncs) = (disk.operations(), disk.syncs());
    vault.deposit(chain(1), (0..6).map(deposit).collect()).await.unwrap();
    // The keys of chain and subjects are fresh, so nothing is read.
    assert_eq!((disk.operations() - operations, disk.syncs() - syncs), (2, 1));
}

#[tokio::test]
async fn deposits_of_many_chains_cost_one_write_and_one_sync() {
    let disk = created();
    let vault = opened(&disk);
    let (operations, syncs) = (disk.operations(), disk.syncs());
    let deposits = [(1, 0..6), (2, 6..9), (1, 9..12)].map(|(name, keys)| (chain(name), keys.map(deposit).collect()));
    vault.deposit_all(deposits.to_vec()).await.unwrap();
    assert_eq!((disk.operations() - operations, disk.syncs() - syncs), (2, 1));
    assert_keys(&vault, chain(1), (0..6).chain(9..12)).await;
    assert_keys(&vault, chain(2), 6..9).await;
    vault.deposit_all(Vec::new()).await.unwrap();
    vault.close().await;
    let scan = scan(&disk, directory(), ORIGIN);
    assert_eq!((scan.wraps, scan.faults), (12, vec![]));
}

#[tokio::test]
async fn a_seeded_vault_comes_out_the_same_byte_for_byte() {
    async fn content() -> [Vec<u8>; 2] {
        let (disk, entropy) = (SimulatedDisk::new(), Arc::new(SeededEntropy::new([5; 32])));
        FileVault::create_from(&disk, directory(), ORIGIN, Cipher::Aes256Gcm, entropy.as_ref()).unwrap();
        let vault = FileVault::open_from(&disk, directory(), ORIGIN, quiet(), entropy).unwrap();
        for name in 0..5 {
            vault.deposit_all(vec![(chain(name), (0..40).map(deposit).collect()); 2]).await.unwrap();
        }
        vault.close().await;
        [KEK, WRAPS].map(|file| disk.content(&directory().join(file)).unwrap())
    }
    assert_eq!(content().await, content().await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_depositors_at_once_are_all_kept() {
    let disk = created();
    let vault = Arc::new(opened(&disk));
    let depositors: Vec<_> = (0..64)
        .map(|at| {
            let vault = Arc::clone(&vault);
            tokio::spawn(async move {
                for name in 0..8 {
                    vault.deposit(chain(name), vec![deposit(at)]).await.unwrap();
                }
            })
        })
        .collect();
    for depositor in depositors {
        depositor.await.unwrap();
    }
    vault.close().await;
    let vault = opened(&disk);
    for name in 0..8 {
        assert_keys(&vault, chain(name), 0..64).await;
    }
    vault.close().await;
    let scan = scan(&disk, directory(), ORIGIN);
    assert_eq!((scan.wraps, scan.holders, scan.faults), (8 * 64, 8 * 3, vec![]));
}

#[tokio::test]
async fn the_same_key_again_is_kept_once_and_another_key_is_refused() {
    let disk = created();
    let vault = opened(&disk);
    vault.deposit(chain(1), vec![deposit(1), deposit(1)]).await.unwrap();
    vault.deposit(chain(1), vec![deposit(1)]).await.unwrap();
    let other = Deposit { key: DataKey([9; 32]), ..deposit(1) };
    let refused = vault.deposit(chain(1), vec![other]).await;
    assert!(matches!(refused, Err(VaultError::Conflict { digest: of }) if of == digest(1)), "{refused:?}");
    assert_keys(&vault, chain(1), [1]).await;
    vault.close().await;
    assert_eq!(scan(&disk, directory(), ORIGIN).wraps, 1);
}

#[tokio::test]
async fn a_full_queue_refuses_at_once() {
    let disk = created();
    let (arrived, stuck) = mpsc::channel();
    let (release, released) = mpsc::channel::<()>();
    let released = Mutex::new(released);
    let on_fatal = move |_error: &io::Error| {
        arrived.send(()).unwrap();
        released.lock().unwrap().recv().unwrap();
    };
    let vault = Arc::new(FileVault::open(&disk, directory(), ORIGIN, FatalHandler::new(on_fatal)).unwrap());
    disk.fail_syncs(true);
    let waiting = |at: usize| {
        let vault = Arc::clone(&vault);
        tokio::spawn(async move { vault.deposit(chain(1), vec![deposit(u8::try_from(at % 256).unwrap())]).await })
    };
    let mut waiters = vec![waiting(0)];
    tokio::task::spawn_blocking(move || stuck.recv().unwrap()).await.unwrap();
    waiters.extend((0..QUEUE_MAX).map(waiting));
    for _waiter in 0..QUEUE_MAX {
        tokio::task::yield_now().await;
    }
    assert!(matches!(vault.deposit(chain(1), vec![deposit(1)]).await, Err(VaultError::Full)));
    release.send(()).unwrap();
    for waiter in waiters {
        assert!(matches!(waiter.await.unwrap(), Err(VaultError::Unavailable(_))));
    }
}

#[tokio::test]
async fn a_vault_is_open_once_and_answers_no_more_after_closing() {
    let disk = created();
    let vault = opened(&disk);
    let second = FileVault::open(&disk, directory(), ORIGIN, quiet());
    assert!(matches!(second, Err(OpenError::Locked(LockError::Held { .. }))), "{second:?}");
    vault.deposit(chain(1), vec![deposit(1)]).await.unwrap();
    vault.close().await;
    vault.close().await;
    assert!(matches!(vault.deposit(chain(1), vec![deposit(2)]).await, Err(VaultError::Unavailable(None))));
    assert!(matches!(vault.key(chain(1), digest(1)).await, Err(VaultError::Unavailable(None))));
    opened(&disk).close().await;
}

#[tokio::test]
async fn a_vault_is_made_once_and_never_by_opening() {
    let disk = created();
    let again = FileVault::create(&disk, directory(), ORIGIN);
    assert!(matches!(again, Err(OpenError::Exists { .. })), "{again:?}");
    let long = FileVault::create(&disk, Path::new("other"), &"o".repeat(ORIGIN_BYTES_MAX + 1));
    assert!(matches!(long, Err(OpenError::Origin { .. })), "{long:?}");
    disk.create_dir(Path::new("empty")).unwrap();
    let missing = FileVault::open(&disk, Path::new("empty"), ORIGIN, quiet());
    assert!(matches!(missing, Err(OpenError::Io { .. })), "{missing:?}");
}

#[tokio::test]
async fn nothing_secret_is_shown() {
    let disk = created();
    let vault = opened(&disk);
    vault.deposit(chain(1), vec![deposit(1)]).await.unwrap();
    let kek = disk.content(&directory().join(KEK)).unwrap();
    let shown = format!("{vault:?}");
    let list = kek.iter().skip(16).take(4).map(u8::to_string).collect::<Vec<_>>().join(", ");
    assert!(!shown.contains(&list) && shown.contains("kek: Name("), "{shown}");
}
