//! The file vault: wrapped keys in one append-only file, beside the key that wraps them.
//!
//! # Example
//!
//! One act with two parts and the identity of one subject, deposited in a fresh vault:
//!
//! ```text
//! vault/lock     taken by the process that has the vault open
//! vault/kek      64 bytes: the key-encryption key; back it up apart from everything else
//! vault/wraps    slot 0   head            group of 1
//!                     1   seal            group of 1     the vault was opened
//!                     2   chain key       group of 5
//!                     3   wrap of `act`                  names slot 2
//!                     4   wrap of `narrative`            names slot 2
//!                     5   subject key
//!                     6   wrap of `identities`           names slot 5
//!                     7   seal            group of 1     the vault was closed
//!                     8   zeros to the end of the file
//! ```
//!
//! # Bytes
//!
//! Numbers are big-endian. A wrapped key is `nonce[12] | ciphertext[32] | tag[16]` under the [`Cipher`] of the vault, with
//! associated data that names its purpose, origin, chain, holder and, for a data key, the part's digest. The cipher is
//! fixed when the vault is made: of a head of version 1 it is AES-256-GCM, and one of version 2 names another. A
//! key-encryption key that is kept elsewhere ([`Kek`]) wraps under its own, which a head of version 3 names beside.
//!
//! While the key-encryption key is replaced ([`rotate`]), `kek.next` and `wraps.next` stand beside these.
//!
//! | `kek` | bytes | |
//! |---|---|---|
//! | 0 | 16 | magic `mediation-kek 1` 0x0a |
//! | 16 | 32 | the key |
//! | 48 | 16 | first half of SHA-256(`mediation-ledger/vault/kek-check/v1` 0x00, bytes 0 to 48) |
//!
//! | `kek` of a key that is kept elsewhere | bytes | |
//! |---|---|---|
//! | 0 | 16 | magic `mediation-kek 2` 0x0a |
//! | 16 | 16 | name of the key |
//! | 32 | 1 | cipher of the key: 1 AES-256-GCM, 2 SM4-GCM |
//! | 33 | 60 | check: 32 zeros, wrapped by the key, with associated data `mediation-ledger/vault/kek-probe/v1` 0x00, name, origin |
//! | 93 | 16 | first half of SHA-256(`mediation-ledger/vault/kek-check/v1` 0x00, bytes 0 to 93) |
//!
//! A check value of the usual kind, the key over a block of zeros, must not stand here: it is the authentication key of GCM.
//!
//! | slot of `wraps` | bytes | |
//! |---|---|---|
//! | 0 | 1 | 1 head, 2 chain key, 3 subject key, 4 wrap, 5 seal, 6 destruction, 7 destroyed |
//! | 1 | 1 | zero |
//! | 2 | 2 | rows of the group that was written at once |
//! | 4 | 2 | place of this row in it, from 0 |
//! | 6 | 2 | zeros |
//! | 8 | 115 | head: magic `mediation-vault` 0x0a, version in 4 bytes, SHA-256(origin), name of the key in 16 bytes, in version 2 the cipher in 1 byte: 2 SM4-GCM; in version 3, where the key-encryption key is kept elsewhere, the cipher of the vault in 1 byte and that of the key in 1 byte |
//! | | | chain key: chain in 16 bytes, wrapped key |
//! | | | subject key: chain in 16 bytes, SHA-256(domain, chain, pseudonym), wrapped key |
//! | | | wrap: slot of the holder's key in 8 bytes, part digest, wrapped key |
//! | | | destruction: slot of the wrap in 8 bytes, rows of its group and its place there in 2 each, then as destroyed |
//! | | | destroyed, in the place of a wrap: slot of the holder's key in 8 bytes, part digest |
//! | | | then zeros |
//! | 123 | 4 | CRC-32C over the slot's number in 8 bytes and bytes 0 to 123 |
//! | 127 | 1 | 0xa5 |
//!
//! The domain of a subject is `mediation-ledger/vault/subject/v1` 0x00. The name of the key-encryption key is the first
//! half of SHA-256(`mediation-ledger/vault/kek-id/v1` 0x00, key); one that is kept elsewhere says its name itself.
//!
//! # Why it is right
//!
//! - Every byte is magic, under a checksum, or must be zero; every wrap is authenticated. [`scan()`] looks
//!   at all of them.
//! - A group is written into zeros, with one write and one sync, and acknowledged after the sync. The next group is
//!   written only then. So after a crash everything is whole but at most the last group, and what it lacks is zeros.
//! - That group is cut off when opening, unless it is whole. Anything else that is wrong is damage and never cut: a row
//!   before a later group, or a slot that ends in something other than a zero. Opening and closing write a seal, a
//!   group of its own, so that the doubt about the last group does not outlive the crash.
//! - Opening writes the last whole group again and syncs it before it is believed: what a process left whose sync had failed
//!   reads well and may never have reached the disk, and a later group would make its absence damage.
//! - Cutting is a change of the file's length and leaves no half-written zeros.
//!
//! # Attacks
//!
//! Who has `kek` and `wraps` opens everything; who has one of them, nothing. Where the key is kept elsewhere, who has both
//! opens nothing either, and who changes `kek` gains a vault that does not open: another key under the same name does not
//! open the check. A wrap that is moved to another place,
//! part, holder, chain or ledger does not open. Rows that are taken off the end are missed by nobody here, but by
//! whoever looks for the keys of a record in the log.
//!
//! # Destruction
//!
//! A key is destroyed in two steps, each durable before the next: a row announces it and says what belongs into the slot of the
//! wrap; then that slot is overwritten. Whatever a crash leaves there is told from damage by the announcement, and overwritten
//! when the vault is opened. All destructions of one request are one group of announcements: every one happens or none. What was
//! destroyed is never taken again.
//!
//! Flash and copies keep old bytes: a destruction is complete when the holders' keys have been wrapped anew under a fresh
//! key-encryption key ([`rotate`]) and the old one, with every copy of it, is gone.

use std::{
    io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    thread,
};

use mediation_ledger::{
    chain::{ChainId, Revision},
    entropy::{Entropy, SystemEntropy},
    kek::{Error as KekError, Kek, Name},
    limits::ORIGIN_BYTES_MAX,
    merkle::Hash,
    part::Cipher,
    vault::{DataKey, Deposit, Keys, Vault, VaultError, Wanted},
};
use tokio::sync::{mpsc, oneshot, watch};

use crate::{
    disk::{Access, Disk, LockError, off_the_runtime},
    fatal::FatalHandler,
    trouble::{Trouble, Troubles},
};

mod cipher;
mod committer;
mod copying;
mod kek;
mod marks;
mod problem;
mod reader;
mod recovery;
mod rotation;
mod scan;
mod slot;
mod wraps;

#[cfg(test)]
mod tests;

use self::{
    cipher::{Scheme, WrappingKey, origin_digest},
    committer::{Ask, Committer, Request, Unsettled},
    kek::Stored,
    slot::{Group, Row},
    wraps::Wraps,
};
pub use self::{
    copying::copy_wraps,
    problem::{Fault, Problem},
    reader::VaultReader,
    rotation::{Keks, Rotated, elsewhere, key_of_file, key_of_wraps, rotate, rotate_from},
    scan::{VaultScan, scan, scan_apart, scan_with},
};

/// File with the key-encryption key.
pub const KEK: &str = "kek";

/// File with the wraps.
pub const WRAPS: &str = "wraps";

/// Lock file.
pub const LOCK: &str = "lock";

/// Deposits that may wait: more than the acts that a machine records while one sync lasts.
const QUEUE_MAX: usize = 1_024;

/// Keys of one request, which go into one group: with a new holder for each of them, and what waits beside them, a group
/// stays below its 65 536 rows.
const REQUEST_KEYS_MAX: usize = 16_384;

/// A vault in two files of a directory.
///
/// Deposits go through one thread, which writes and syncs all that wait at once. A digest that is deposited again with
/// the same key is kept once; with another key it is [`VaultError::Conflict`].
#[derive(Debug)]
pub struct FileVault {
    wraps: Arc<Wraps>,
    /// `None` once closed.
    requests: Mutex<Option<mpsc::Sender<Ask>>>,
    /// Whether an operation of the disk may hold up the runtime.
    blocks: bool,
    troubles: Troubles,
    ended: watch::Receiver<bool>,
}

impl FileVault {
    /// Makes an empty vault under AES-256-GCM with a fresh key-encryption key. A crash before the end leaves files that
    /// somebody has to remove.
    ///
    /// # Errors
    /// There is one already, or the disk does not take it.
    pub fn create(disk: &dyn Disk, directory: &Path, origin: &str) -> Result<(), OpenError> {
        Self::create_from(disk, directory, origin, Cipher::Aes256Gcm, &SystemEntropy)
    }

    /// As [`Self::create`], under a given cipher and with a key made of given entropy.
    ///
    /// # Errors
    /// As [`Self::create`].
    pub fn create_from(
        disk: &dyn Disk,
        directory: &Path,
        origin: &str,
        cipher: Cipher,
        entropy: &dyn Entropy,
    ) -> Result<(), OpenError> {
        check(origin)?;
        let at = |file: &Path| failure(file.to_owned());
        disk.create_dir(directory).map_err(at(directory))?;
        let (kek_path, wraps_path) = (directory.join(KEK), directory.join(WRAPS));
        for path in [&kek_path, &wraps_path] {
            if disk.exists(path).map_err(at(path))? {
                return Err(OpenError::Exists { file: path.clone() });
            }
        }
        let key = WrappingKey::new_kek(entropy, origin).map_err(io::Error::other);
        let stored = key.map(Stored::Key).map_err(at(&kek_path))?;
        kek::create(disk, &kek_path, &stored).map_err(at(&kek_path))?;
        let head = Row::Head { origin: origin_digest(origin), kek: stored.mark(), cipher };
        disk.create(&wraps_path)
            .and_then(|file| {
                file.write_all_at(&slot::encode(0, &head, Group::SINGLE), 0)?;
                file.sync_data()
            })
            .map_err(at(&wraps_path))?;
        disk.sync_dir(directory).map_err(at(directory))?;
        let parent = directory.parent().filter(|parent| !parent.as_os_str().is_empty());
        parent.map_or(Ok(()), |parent| disk.sync_dir(parent).map_err(at(parent)))
    }

    /// Opens the vault, cutting what a crash left of an unacknowledged deposit. When a sync fails later, nobody can say
    /// any more what is on the disk, and the handler is called; the vault is unavailable after that.
    ///
    /// # Errors
    /// Somebody has it open, it is another ledger's, it is damaged, or the disk does not give it.
    pub fn open(disk: &dyn Disk, directory: &Path, origin: &str, fatal: FatalHandler) -> Result<Self, OpenError> {
        Self::open_from(disk, directory, origin, fatal, Arc::new(SystemEntropy))
    }

    /// As [`Self::open`], with keys and nonces made of given entropy from now on.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn open_from(
        disk: &dyn Disk,
        directory: &Path,
        origin: &str,
        fatal: FatalHandler,
        entropy: Arc<dyn Entropy>,
    ) -> Result<Self, OpenError> {
        Self::open_with(disk, directory, origin, None, fatal, entropy)
    }

    /// As [`Self::open_from`], with the key-encryption key, where that is kept elsewhere. It is tried before anything is
    /// written.
    ///
    /// # Errors
    /// As [`Self::open`]; or the key is another one, or cannot be reached.
    pub fn open_with(
        disk: &dyn Disk,
        directory: &Path,
        origin: &str,
        kek: Option<&Arc<dyn Kek>>,
        fatal: FatalHandler,
        entropy: Arc<dyn Entropy>,
    ) -> Result<Self, OpenError> {
        check(origin)?;
        let lock = disk.lock(&directory.join(LOCK))?;
        let (kek_path, wraps_path) = (directory.join(KEK), directory.join(WRAPS));
        let stored = rotation::settled(disk, directory, origin, kek)?;
        let file = disk.open(&wraps_path, Access::Write).map_err(failure(wraps_path.clone()))?;
        let recovered = recovery::recover(file.as_ref(), &wraps_path, origin, stored.mark())?;
        let recovery::Recovered { cipher, index, end: slots, torn, sealed, unfinished, last } = recovered;
        let key = stored.ready(kek, cipher, origin, &kek_path)?;
        let wraps = Arc::new(Wraps::new(file, key, Scheme { cipher, origin }, index));
        let (requests, received) = mpsc::channel(QUEUE_MAX);
        let ((end, ended), troubles) = (watch::channel(false), Troubles::default());
        let mut committer = Committer::new(Arc::clone(&wraps), entropy, received, slots, fatal, troubles.clone());
        committer.settle(Unsettled { torn, sealed, unfinished, last }).map_err(failure(wraps_path.clone()))?;
        let blocks = disk.blocks();
        let ending = move || {
            drop(lock);
            end.send_replace(true);
        };
        if blocks {
            let thread = thread::Builder::new().name("vault".to_owned());
            let run = move || {
                committer.run();
                ending();
            };
            thread.spawn(run).map_err(failure(wraps_path))?;
        } else {
            tokio::spawn(async move {
                committer.run_in_turn().await;
                ending();
            });
        }
        Ok(Self { wraps, requests: Mutex::new(Some(requests)), blocks, troubles, ended })
    }

    /// What deposits have met since it was opened.
    #[must_use]
    pub fn trouble(&self) -> Trouble {
        self.troubles.now()
    }

    /// Takes no more deposits, commits those that wait, and gives the lock back. Keys are not given out any more.
    pub async fn close(&self) {
        drop(self.requests.lock().unwrap_or_else(PoisonError::into_inner).take());
        // An error says that the thread is gone, which is as good as its end.
        drop(self.ended.clone().wait_for(|ended| *ended).await);
    }

    async fn request(&self, deposits: Vec<(ChainId, Vec<Deposit>)>) -> Result<(), VaultError> {
        self.ask(|answer| Ask::Deposit(Request { deposits, answer })).await
    }

    async fn ask<T>(&self, ask: impl FnOnce(oneshot::Sender<Result<T, VaultError>>) -> Ask) -> Result<T, VaultError> {
        let (answer, answered) = oneshot::channel();
        self.requests()?.try_send(ask(answer)).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => {
                self.troubles.turned_away();
                VaultError::Full
            }
            mpsc::error::TrySendError::Closed(_) => VaultError::Unavailable(None),
        })?;
        answered.await.unwrap_or(Err(VaultError::Unavailable(None)))
    }

    fn requests(&self) -> Result<mpsc::Sender<Ask>, VaultError> {
        self.requests.lock().unwrap_or_else(PoisonError::into_inner).clone().ok_or(VaultError::Unavailable(None))
    }
}

impl Vault for FileVault {
    async fn deposit(&self, chain: ChainId, deposits: Vec<Deposit>) -> Result<(), VaultError> {
        if deposits.len() > REQUEST_KEYS_MAX {
            return Err(VaultError::Full);
        }
        self.request(vec![(chain, deposits)]).await
    }

    /// One write and one sync for every 16 384 keys. Where groups end follows from the deposits alone, as long as nobody
    /// else deposits.
    async fn deposit_all(&self, deposits: Vec<(ChainId, Vec<Deposit>)>) -> Result<(), VaultError> {
        let (mut request, mut keys) = (Vec::new(), 0);
        for (chain, deposits) in deposits {
            if deposits.len() > REQUEST_KEYS_MAX {
                return Err(VaultError::Full);
            }
            if keys + deposits.len() > REQUEST_KEYS_MAX {
                self.request(std::mem::take(&mut request)).await?;
                keys = 0;
            }
            keys += deposits.len();
            request.push((chain, deposits));
        }
        self.request(request).await
    }

    /// All of them at one go: after a crash every one is destroyed, or none is, for each 16 384.
    async fn destroy(&self, chain: ChainId, digests: &[Hash]) -> Result<usize, VaultError> {
        let mut destroyed = 0;
        for digests in digests.chunks(REQUEST_KEYS_MAX) {
            let digests = digests.to_vec();
            destroyed += self.ask(|answer| Ask::Destroy { chain, digests, answer }).await?;
        }
        Ok(destroyed)
    }

    async fn key(&self, chain: ChainId, digest: Hash) -> Result<Option<DataKey>, VaultError> {
        drop(self.requests()?);
        if !self.wraps.may_hold(chain, digest) {
            return Ok(None);
        }
        let wraps = Arc::clone(&self.wraps);
        let read = off_the_runtime(self.blocks, move || wraps.key(chain, digest)).await;
        read.unwrap_or_else(|error| Err(VaultError::Unavailable(Some(io::Error::other(error)))))
    }

    async fn keys(&self, chain: ChainId, next: Revision, digests: &[Hash]) -> Result<Keys, VaultError> {
        let keys = self.keys_of_chains(vec![Wanted { chain, next, digests: digests.to_vec() }]).await?;
        Ok(keys.into_iter().next().unwrap_or_default())
    }

    /// Everything is read at one go: a change of threads for each key would take longer than the reading.
    async fn keys_of_chains(&self, wanted: Vec<Wanted>) -> Result<Vec<Keys>, VaultError> {
        drop(self.requests()?);
        let wraps = Arc::clone(&self.wraps);
        let read = off_the_runtime(self.blocks, move || {
            wanted.into_iter().map(|wanted| wraps.keys(wanted.chain, &wanted.digests)).collect()
        });
        read.await.unwrap_or_else(|error| Err(VaultError::Unavailable(Some(io::Error::other(error)))))
    }
}

/// Why a vault could not be made or opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// There is a vault, or what is left of one.
    #[error("`{}` exists already", file.display())]
    Exists {
        /// The file that is in the way.
        file: PathBuf,
    },
    /// An origin longer than every statement allows.
    #[error("an origin of {size} bytes is longer than {ORIGIN_BYTES_MAX}")]
    Origin {
        /// Size of the origin in bytes.
        size: usize,
    },
    /// Somebody has the vault open.
    #[error("the vault is in use")]
    Locked(#[from] LockError),
    /// Bytes have changed that were durable, or the vault is another one.
    #[error("the vault is damaged")]
    Damaged(#[from] Fault),
    /// The key-encryption key is not in the vault's directory, and none was given.
    #[error(
        "the key-encryption key {name} of the vault is kept in a token: say where under `[kek]` · 保管库主密钥 {name} 存于密码设备，须在 [kek] 中配置"
    )]
    KekElsewhere {
        /// Its name.
        name: Name,
    },
    /// The key-encryption key that was given is not the one that the vault has.
    #[error(
        "the vault opens under the key {needed}, and {given} was given · 保管库须以主密钥 {needed} 打开，所给为 {given}"
    )]
    OtherKek {
        /// Name of the one that it has.
        needed: Name,
        /// Name of the one that was given.
        given: Name,
    },
    /// The vault has the key already that it is to have.
    #[error("the vault is under the key {name} already · 保管库已使用该主密钥 {name}")]
    SameKek {
        /// Its name.
        name: Name,
    },
    /// The key-encryption key cannot be reached.
    #[error("nothing was written or read · 未写入、未读取任何内容")]
    Kek(#[source] KekError),
    /// The disk refused.
    #[error("`{}` cannot be used", file.display())]
    Io {
        /// File or directory.
        file: PathBuf,
        /// What the system says.
        #[source]
        source: io::Error,
    },
}

impl OpenError {
    /// In one line, with its cause.
    fn told(&self) -> String {
        if let Self::Kek(error) = self { error.to_string() } else { self.to_string() }
    }
}

fn check(origin: &str) -> Result<(), OpenError> {
    if origin.len() > ORIGIN_BYTES_MAX { Err(OpenError::Origin { size: origin.len() }) } else { Ok(()) }
}

fn failure(file: PathBuf) -> impl Fn(io::Error) -> OpenError {
    move |source| OpenError::Io { file: file.clone(), source }
}
