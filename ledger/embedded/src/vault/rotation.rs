//! A fresh key-encryption key: every holder's key is wrapped anew, and no data key is touched.
//!
//! ```text
//! kek.next    ← new key                                            the old key opens the vault
//! wraps.next  ← row by row from wraps, holders' keys wrapped anew   …
//! wraps.next → wraps                                               from here on the new key does
//! kek         ← zeros
//! kek.next   → kek
//! ```
//!
//! Slots keep their numbers, so what wraps name stays where it is. Each step is durable before the next one; the head of
//! `wraps` says which of two keys counts, and whoever opens the vault after a crash goes on from there.

use std::{
    fmt, io,
    path::{Path, PathBuf},
};

use mediation_ledger::entropy::{Entropy, SystemEntropy};

use super::{
    KEK, LOCK, OpenError, WRAPS, check,
    cipher::{Scheme, WrappingKey},
    failure,
    kek::{self, KekId},
    problem::{Fault, Problem},
    recovery,
    slot::{self, Found, Group, Row, SLOT_BYTES, SLOT_BYTES_U64},
    wraps::{Slots, overwrite},
};
use crate::disk::{Access, Disk, DiskFile};

/// File of the key that is to come.
const KEK_NEXT: &str = "kek.next";

/// File of the wraps under it.
const WRAPS_NEXT: &str = "wraps.next";

/// Rows that are written at once.
const ROWS_AT_ONCE: usize = 8_192;

/// What a rotation did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rotated {
    /// Keys of chains and subjects that were wrapped anew.
    pub holders: u64,
    /// Name of the key that is gone.
    pub from: KekName,
    /// Name of the key that opens the vault now.
    pub to: KekName,
}

/// Name of a key-encryption key, as the head of the vault has it; tells nothing of the key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KekName(KekId);

impl fmt::Display for KekName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// Name of the key that a wraps file was written under; none when its head is not whole.
///
/// # Errors
/// The disk does not give it.
pub fn key_of_wraps(disk: &dyn Disk, wraps: &Path) -> io::Result<Option<KekName>> {
    Ok(head(disk, wraps)?.map(KekName))
}

/// Name of the key in a file of a key-encryption key; none when its bytes changed.
///
/// # Errors
/// The disk does not give it.
pub fn key_of_file(disk: &dyn Disk, kek: &Path) -> io::Result<Option<KekName>> {
    Ok(kek::load(disk, kek)?.map(|key| KekName(kek::id(&key))))
}

/// Puts a fresh key-encryption key in the place of the one that a vault has. Nobody may have it open. The old key is
/// overwritten; copies of it, and what a disk keeps of overwritten blocks, still open copies of the old wraps.
///
/// # Errors
/// Somebody has the vault open, it is damaged or another ledger's, or the disk does not take it. Then the vault opens
/// under the old key or under the new one, whole.
pub fn rotate(disk: &dyn Disk, directory: &Path, origin: &str) -> Result<Rotated, OpenError> {
    rotate_from(disk, directory, origin, &SystemEntropy)
}

/// As [`rotate`], with key and nonces made of given entropy.
///
/// # Errors
/// As [`rotate`].
pub fn rotate_from(
    disk: &dyn Disk,
    directory: &Path,
    origin: &str,
    entropy: &dyn Entropy,
) -> Result<Rotated, OpenError> {
    check(origin)?;
    let _lock = disk.lock(&directory.join(LOCK))?;
    settle(disk, directory)?;
    let paths = Paths::of(directory);
    let old = kek::load(disk, &paths.kek).map_err(failure(paths.kek.clone()))?;
    let old = old.ok_or_else(|| Fault { file: paths.kek.clone(), offset: 0, problem: Problem::Kek })?;
    let file = disk.open(&paths.wraps, Access::Write).map_err(failure(paths.wraps.clone()))?;
    let recovered = recovery::recover(file.as_ref(), &paths.wraps, origin, kek::id(&old))?;
    let (end, scheme) = (recovered.end, Scheme { cipher: recovered.cipher, origin });
    // A destruction that a crash interrupted is done in the old file too: its blocks are not the new file's.
    if !recovered.unfinished.is_empty() {
        overwrite(file.as_ref(), &recovered.unfinished).map_err(failure(paths.wraps.clone()))?;
    }
    let new = WrappingKey::new_kek(entropy, origin).map_err(io::Error::other);
    let new = new.and_then(|key| kek::create(disk, &paths.kek_next, key)).map_err(failure(paths.kek_next.clone()))?;
    let to = disk.create(&paths.wraps_next).map_err(failure(paths.wraps_next.clone()))?;
    let anew = Anew { old: &old, new: &new, scheme, entropy, path: &paths.wraps };
    let holders = anew.copy(file.as_ref(), to.as_ref(), end)?;
    // What was written is read before it counts.
    let written = recovery::recover(to.as_ref(), &paths.wraps_next, origin, kek::id(&new))?;
    if written.end != end || written.torn {
        return Err(
            Fault { file: paths.wraps_next, offset: written.end * SLOT_BYTES_U64, problem: Problem::Torn }.into()
        );
    }
    disk.sync_dir(directory).map_err(failure(directory.to_owned()))?;
    disk.rename(&paths.wraps_next, &paths.wraps).map_err(failure(paths.wraps.clone()))?;
    promote(disk, directory, &paths)?;
    Ok(Rotated { holders, from: KekName(kek::id(&old)), to: KekName(kek::id(&new)) })
}

/// Ends a rotation that a crash interrupted, forwards or backwards, by what the head of the wraps says. Whoever calls has
/// the lock.
pub(super) fn settle(disk: &dyn Disk, directory: &Path) -> Result<(), OpenError> {
    let paths = Paths::of(directory);
    let stands = |path: &PathBuf| disk.exists(path).map_err(failure(path.clone()));
    if !stands(&paths.kek_next)? && !stands(&paths.wraps_next)? {
        return Ok(());
    }
    if let Some(key) = next_that_counts(disk, &paths).map_err(failure(paths.kek_next.clone()))? {
        promote(disk, directory, &paths)?;
        let key = KekName(kek::id(&key));
        tracing::warn!(%key, "a rotation that was interrupted is done: back the key-encryption key up");
        return Ok(());
    }
    // Only where the key that counts is seen to stand is anything removed.
    let key = if stands(&paths.kek)? { kek::load(disk, &paths.kek).map_err(failure(paths.kek.clone()))? } else { None };
    if key.is_some() && key.as_ref().map(kek::id) == head(disk, &paths.wraps).map_err(failure(paths.wraps.clone()))? {
        for path in [&paths.wraps_next, &paths.kek_next] {
            if stands(path)? {
                disk.remove(path).map_err(failure(path.clone()))?;
            }
        }
        disk.sync_dir(directory).map_err(failure(directory.to_owned()))?;
    }
    Ok(())
}

/// The key that opens a vault, also while a rotation is under way or was interrupted; none where the file that should hold it
/// holds none.
pub(super) fn load_counting(disk: &dyn Disk, directory: &Path) -> io::Result<Option<WrappingKey>> {
    let paths = Paths::of(directory);
    match next_that_counts(disk, &paths)? {
        Some(key) => Ok(Some(key)),
        None => kek::load(disk, &paths.kek),
    }
}

/// The key that is to come, when the wraps are under it already.
fn next_that_counts(disk: &dyn Disk, paths: &Paths) -> io::Result<Option<WrappingKey>> {
    let next = if disk.exists(&paths.kek_next)? { kek::load(disk, &paths.kek_next)? } else { None };
    let Some(key) = next else { return Ok(None) };
    Ok((head(disk, &paths.wraps)? == Some(kek::id(&key))).then_some(key))
}

/// Overwrites the old key and puts the new one in its place.
fn promote(disk: &dyn Disk, directory: &Path, paths: &Paths) -> Result<(), OpenError> {
    // The name must be durable before the old key goes: a process that was killed, or a sync that failed, left it in memory.
    disk.sync_dir(directory).map_err(failure(directory.to_owned()))?;
    let wipe = |file: Box<dyn DiskFile>| {
        let bytes = file.len()?;
        file.write_zeros_at(0, bytes)?;
        file.sync_data()
    };
    disk.open(&paths.kek, Access::Write).and_then(wipe).map_err(failure(paths.kek.clone()))?;
    disk.rename(&paths.kek_next, &paths.kek).map_err(failure(paths.kek.clone()))?;
    disk.sync_dir(directory).map_err(failure(directory.to_owned()))
}

/// Name of the key that a wraps file was written with; none when its head is not whole.
fn head(disk: &dyn Disk, path: &Path) -> io::Result<Option<KekId>> {
    if !disk.exists(path)? {
        return Ok(None);
    }
    let file = disk.open(path, Access::Read)?;
    let mut bytes = [0; SLOT_BYTES];
    match file.read_exact_at(&mut bytes, 0) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        Err(error) => return Err(error),
    }
    Ok(match slot::decode(0, &bytes) {
        Found::Row(Row::Head { kek, .. }, _group) => Some(kek),
        Found::Row(
            Row::HolderKey { .. } | Row::Wrap { .. } | Row::Destruction { .. } | Row::Destroyed { .. } | Row::Seal,
            _,
        )
        | Found::Empty
        | Found::Torn
        | Found::Damaged => None,
    })
}

struct Paths {
    kek: PathBuf,
    kek_next: PathBuf,
    wraps: PathBuf,
    wraps_next: PathBuf,
}

impl Paths {
    fn of(directory: &Path) -> Self {
        let [kek, kek_next, wraps, wraps_next] = [KEK, KEK_NEXT, WRAPS, WRAPS_NEXT].map(|name| directory.join(name));
        Self { kek, kek_next, wraps, wraps_next }
    }
}

/// The rows of a vault under another key.
struct Anew<'a> {
    old: &'a WrappingKey,
    new: &'a WrappingKey,
    scheme: Scheme<'a>,
    entropy: &'a dyn Entropy,
    /// The file that is read, for what is wrong with it.
    path: &'a Path,
}

impl Anew<'_> {
    /// Copies so many slots, and syncs them. Gives the number of holders.
    fn copy(&self, from: &dyn DiskFile, to: &dyn DiskFile, end: u64) -> Result<u64, OpenError> {
        let (mut holders, mut offset) = (0, 0);
        let mut rows = Vec::with_capacity(ROWS_AT_ONCE * SLOT_BYTES);
        for slot in Slots::new(from) {
            let (at, found) = slot.map_err(failure(self.path.to_owned()))?;
            if at == end {
                break;
            }
            let Found::Row(row, group) = found else { return Err(self.fault(at, Problem::Slot)) };
            holders += u64::from(matches!(row, Row::HolderKey { .. }));
            rows.extend_from_slice(&self.encoded(at, row, group)?);
            if rows.len() >= ROWS_AT_ONCE * SLOT_BYTES {
                to.write_all_at(&rows, offset).map_err(failure(self.path.to_owned()))?;
                offset += rows.len() as u64;
                rows.clear();
            }
        }
        to.write_all_at(&rows, offset).and_then(|()| to.sync_data()).map_err(failure(self.path.to_owned()))?;
        Ok(holders)
    }

    fn encoded(&self, at: u64, row: Row, group: Group) -> Result<[u8; SLOT_BYTES], OpenError> {
        let row = match row {
            Row::Head { origin, cipher, .. } => Row::Head { origin, kek: kek::id(self.new), cipher },
            Row::HolderKey { holder, wrapped } => {
                let key = self.old.open_holder_key(self.scheme, holder, &wrapped);
                let key = key.ok_or_else(|| self.fault(at, Problem::Unopenable))?;
                let wrapped = self.new.wrap_holder_key(self.entropy, self.scheme, holder, &key);
                let wrapped = wrapped.map_err(io::Error::other).map_err(failure(self.path.to_owned()))?;
                Row::HolderKey { holder, wrapped }
            }
            Row::Wrap { .. } | Row::Destruction { .. } | Row::Destroyed { .. } | Row::Seal => row,
        };
        Ok(slot::encode(at, &row, group))
    }

    fn fault(&self, at: u64, problem: Problem) -> OpenError {
        Fault { file: self.path.to_owned(), offset: at * SLOT_BYTES_U64, problem }.into()
    }
}
