//! A key-encryption key that is kept elsewhere, and fails or changes there.

use std::sync::atomic::{AtomicU64, Ordering};

use mediation_ledger::kek::Wrapped;
use zeroize::Zeroizing;

use super::*;
use crate::vault::kek::FileKek;

/// A key with a name of its own choice, that fails on command.
#[derive(Debug)]
struct Token {
    name: Name,
    key: FileKek,
    calls: AtomicU64,
    /// The first call that fails, with every one after it; 0: none.
    failing: AtomicU64,
}

impl Token {
    fn new(name: u8, key: u8) -> Arc<Self> {
        let key = FileKek::new(WrappingKey::from_bytes([key; 32]), Cipher::Aes256Gcm);
        Arc::new(Self { name: Name([name; 16]), key, calls: AtomicU64::new(0), failing: AtomicU64::new(0) })
    }

    fn calls(&self) -> u64 {
        self.calls.load(Ordering::SeqCst)
    }

    /// Lets the n-th call from now fail, and every one after it.
    fn fail_from(&self, call: u64) {
        self.failing.store(if call == 0 { 0 } else { self.calls() + call }, Ordering::SeqCst);
    }

    fn call(&self) -> Result<(), KekError> {
        let call = self.calls.fetch_add(1, Ordering::SeqCst) + 1;
        let failing = self.failing.load(Ordering::SeqCst);
        if failing != 0 && call >= failing {
            Err(KekError::Unavailable("the token is away".to_owned()))
        } else {
            Ok(())
        }
    }
}

impl Kek for Token {
    fn name(&self) -> Name {
        self.name
    }

    fn cipher(&self) -> Cipher {
        self.key.cipher()
    }

    fn wrap(&self, entropy: &dyn Entropy, aad: &[u8], key: &[u8; 32]) -> Result<Wrapped, KekError> {
        self.call()?;
        self.key.wrap(entropy, aad, key)
    }

    fn unwrap(&self, aad: &[u8], wrapped: &Wrapped) -> Result<Zeroizing<[u8; 32]>, KekError> {
        self.call()?;
        self.key.unwrap(aad, wrapped)
    }
}

fn given(token: &Arc<Token>) -> Arc<dyn Kek> {
    Arc::clone(token) as Arc<dyn Kek>
}

fn open_with(disk: &SimulatedDisk, token: Option<&Arc<Token>>) -> Result<FileVault, OpenError> {
    let kek = token.map(given);
    FileVault::open_with(disk, directory(), ORIGIN, kek.as_ref(), quiet(), Arc::new(SystemEntropy))
}

fn rotated(disk: &SimulatedDisk, from: Option<&Arc<Token>>, to: Option<&Arc<Token>>) -> Result<Rotated, OpenError> {
    let (from, to) = (from.map(given), to.map(given));
    let keks = Keks { from: from.as_ref(), to: to.as_ref() };
    rotate_from(disk, directory(), ORIGIN, keks, &SeededEntropy::new([1; 32]))
}

/// Every key opens, and nothing is wrong or left of a rotation.
async fn assert_opens(disk: &SimulatedDisk, token: &Arc<Token>, context: &str) {
    token.fail_from(0);
    let vault = open_with(disk, Some(token)).unwrap();
    assert_keys(&vault, chain(1), 1..=6).await;
    assert_keys(&vault, chain(2), [7]).await;
    vault.close().await;
    let kek = given(token);
    assert_eq!(scan_with(disk, directory(), ORIGIN, Some(&kek)).faults, [], "{context}");
    for name in ["kek.next", "wraps.next"] {
        assert_eq!(disk.content(&directory().join(name)), None, "{context}: {name}");
    }
}

fn content(disk: &SimulatedDisk) -> [Option<Vec<u8>>; 2] {
    [KEK, WRAPS].map(|file| disk.content(&directory().join(file)))
}

#[tokio::test]
async fn a_vault_goes_to_a_token_and_to_another_one_and_back_to_a_file() {
    for cipher in BOTH {
        let disk = filled_under(cipher).await;
        let (first, second) = (Token::new(1, 1), Token::new(2, 2));
        let [file, _] = content(&disk);
        let moved = rotated(&disk, None, Some(&first)).unwrap();
        assert_eq!((moved.holders, moved.to), (4, first.name));
        assert_eq!(elsewhere(&disk, directory()).unwrap(), Some(first.name));
        assert_opens(&disk, &first, "in the token").await;
        let held = file.as_deref().and_then(|file| file.get(16..48)).unwrap();
        for stored in content(&disk).into_iter().flatten() {
            assert!(!stored.windows(32).any(|bytes| bytes == held), "the key of the file is still there");
        }
        let vault = open_with(&disk, Some(&first)).unwrap();
        vault.deposit(chain(3), vec![deposit(9)]).await.unwrap();
        vault.close().await;
        assert_eq!(rotated(&disk, Some(&first), Some(&second)).unwrap().holders, 5);
        assert_opens(&disk, &second, "in another token").await;
        assert_eq!(rotated(&disk, Some(&second), None).unwrap().from, second.name);
        assert_eq!(elsewhere(&disk, directory()).unwrap(), None);
        // A key in a file again, under a head of the first versions.
        let vault = opened(&disk);
        assert_keys(&vault, chain(1), 1..=6).await;
        assert_keys(&vault, chain(3), [9]).await;
        vault.close().await;
        assert_eq!(scan(&disk, directory(), ORIGIN).faults, [], "{cipher}");
    }
}

#[tokio::test]
async fn whatever_operation_fails_before_a_crash_a_vault_on_its_way_to_or_from_a_token_opens_whole() {
    for to_token in [true, false] {
        let token = Token::new(1, 1);
        let start = filled().await;
        if !to_token {
            rotated(&start, None, Some(&token)).unwrap();
        }
        let (from, to) = if to_token { (None, Some(&token)) } else { (Some(&token), None) };
        let whole = start.copy();
        let before = whole.operations();
        rotated(&whole, from, to).unwrap();
        let operations = whole.operations() - before;
        assert!(operations > 15, "only {operations}");
        for failing in 1..=operations {
            for seed in 0..6 {
                let disk = start.copy();
                disk.fail_operation(failing);
                assert!(rotated(&disk, from, to).is_err(), "operation {failing}");
                let context = format!("to the token: {to_token}, operation {failing}, seed {seed}");
                assert_opens(&disk.copy(), &token, &format!("{context}, without a crash")).await;
                let crashed = disk.crash(seed);
                crashed.fail_operation(seed + 1);
                drop(open_with(&crashed, Some(&token)));
                let crashed = crashed.crash(seed);
                assert_opens(&crashed, &token, &context).await;
                if elsewhere(&crashed, directory()).unwrap().is_some() != to_token {
                    rotated(&crashed, from, to).unwrap();
                    assert_opens(&crashed, &token, &format!("{context}, again")).await;
                }
            }
        }
    }
}

#[tokio::test]
async fn whatever_call_a_token_loses_on_the_way_the_vault_stays_under_the_key_it_had() {
    for to_token in [true, false] {
        let (disk, token) = (filled().await, Token::new(1, 1));
        if !to_token {
            rotated(&disk, None, Some(&token)).unwrap();
        }
        let (from, to) = if to_token { (None, Some(&token)) } else { (Some(&token), None) };
        let (whole, before) = (disk.copy(), token.calls());
        rotated(&whole, from, to).unwrap();
        let calls = token.calls() - before;
        // To the token: the check and four holders, each wrapped and opened. From it: the check twice, four holders.
        assert_eq!(calls, if to_token { 10 } else { 6 });
        let standing = content(&disk);
        for failing in 1..=calls {
            let disk = disk.copy();
            token.fail_from(failing);
            let refused = rotated(&disk, from, to);
            assert!(matches!(refused, Err(OpenError::Kek(_))), "call {failing}: {refused:?}");
            assert_eq!(content(&disk), standing, "call {failing}");
            assert_opens(&disk, &token, &format!("to the token: {to_token}, call {failing}")).await;
        }
    }
}

#[tokio::test]
async fn while_the_token_is_away_nothing_is_kept_or_read_and_afterwards_everything_is() {
    let (disk, token) = (filled().await, Token::new(1, 1));
    rotated(&disk, None, Some(&token)).unwrap();
    let vault = open_with(&disk, Some(&token)).unwrap();
    // A new holder: the first call wraps, the second sees that it opens.
    for failing in [1, 2] {
        token.fail_from(failing);
        let refused = vault.deposit(chain(8), vec![deposit(10)]).await;
        assert!(matches!(refused, Err(VaultError::Kek(_))), "call {failing}: {refused:?}");
        assert_eq!(vault.key(chain(8), digest(10)).await.unwrap(), None);
    }
    token.fail_from(1);
    assert!(matches!(vault.deposit(chain(1), vec![deposit(10)]).await, Err(VaultError::Kek(_))));
    assert!(matches!(vault.key(chain(1), digest(1)).await, Err(VaultError::Kek(_))));
    assert!(matches!(vault.keys(chain(1), Revision(0), &[digest(1)]).await, Err(VaultError::Kek(_))));
    token.fail_from(0);
    vault.deposit(chain(1), vec![deposit(10)]).await.unwrap();
    vault.deposit(chain(8), vec![deposit(10)]).await.unwrap();
    assert_keys(&vault, chain(1), [1, 10]).await;
    assert_keys(&vault, chain(8), [10]).await;
    vault.close().await;
    assert_opens(&disk, &token, "afterwards").await;
}

#[tokio::test]
async fn one_request_costs_one_call_for_each_holder() {
    let (disk, token) = (filled().await, Token::new(1, 1));
    rotated(&disk, None, Some(&token)).unwrap();
    let vault = open_with(&disk, Some(&token)).unwrap();
    let before = token.calls();
    // Keys of the chain, and of two subjects on it.
    let digests: Vec<Hash> = (1..=6).map(digest).collect();
    assert_eq!(vault.keys(chain(1), Revision(0), &digests).await.unwrap().given.len(), 6);
    assert_eq!(token.calls() - before, 3);
    let before = token.calls();
    vault.deposit(chain(1), (10..=13).filter(|at| at % 3 != 2).map(deposit).collect()).await.unwrap();
    assert_eq!(token.calls() - before, 1);
    vault.close().await;
}

#[tokio::test]
async fn another_key_no_key_and_a_token_that_is_away_are_told_apart_before_anything_is_written() {
    let (disk, token) = (filled().await, Token::new(1, 1));
    rotated(&disk, None, Some(&token)).unwrap();
    let standing = content(&disk);
    let (same_name, other_name) = (Token::new(1, 9), Token::new(9, 1));
    let refused = open_with(&disk, Some(&same_name)).unwrap_err();
    let OpenError::Damaged(fault) = refused else { panic!("{refused}") };
    assert_eq!(fault.problem, Problem::WrongKek);
    let refused = open_with(&disk, Some(&other_name)).unwrap_err();
    assert!(matches!(refused, OpenError::OtherKek { .. }), "{refused}");
    let refused = open_with(&disk, None).unwrap_err();
    assert!(matches!(refused, OpenError::KekElsewhere { name } if name == token.name), "{refused}");
    token.fail_from(1);
    let refused = open_with(&disk, Some(&token)).unwrap_err();
    assert!(matches!(refused, OpenError::Kek(_)), "{refused}");
    let kek = given(&token);
    assert!(matches!(VaultReader::open_with(&disk, directory(), ORIGIN, Some(&kek)), Err(OpenError::Kek(_))));
    let faults = scan_with(&disk, directory(), ORIGIN, Some(&kek)).faults;
    assert!(matches!(faults.as_slice(), [Fault { problem: Problem::KekAway(_), .. }]), "{faults:?}");
    assert_eq!(content(&disk), standing);
    assert_opens(&disk, &token, "after all").await;
    let refused = rotated(&disk, Some(&token), Some(&same_name)).unwrap_err();
    assert!(matches!(refused, OpenError::SameKek { .. }), "{refused}");
    assert_opens(&disk, &token, "not rotated to itself").await;
}
