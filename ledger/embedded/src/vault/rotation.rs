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
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use mediation_ledger::{
    entropy::{Entropy, SystemEntropy},
    kek::{Kek, Name},
    part::Cipher,
};

use super::{
    KEK, LOCK, OpenError, WRAPS, check,
    cipher::{WrappingKey, open_holder_key, wrap_holder_key},
    failure,
    kek::{self, FileKek, Mark, Stored},
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
    pub from: Name,
    /// Name of the key that opens the vault now.
    pub to: Name,
}

/// Which key-encryption keys a rotation is about.
#[derive(Debug, Clone, Copy, Default)]
pub struct Keks<'a> {
    /// The one that the vault has, where that is kept elsewhere.
    pub from: Option<&'a Arc<dyn Kek>>,
    /// The one that it is to have; `None`: a fresh one, in a file of the vault.
    pub to: Option<&'a Arc<dyn Kek>>,
}

/// Name of the key-encryption key of a vault, where that is kept elsewhere, also while a rotation is under way or was
/// interrupted; none when it lies in a file of the vault, or the file is broken.
///
/// # Errors
/// The disk does not give it.
pub fn elsewhere(disk: &dyn Disk, directory: &Path) -> io::Result<Option<Name>> {
    Ok(match load_counting(disk, directory)? {
        Some(Stored::Elsewhere { name, .. }) => Some(name),
        Some(Stored::Key(_)) | None => None,
    })
}

/// Name of the key that a wraps file was written under; none when its head is not whole.
///
/// # Errors
/// The disk does not give it.
pub fn key_of_wraps(disk: &dyn Disk, wraps: &Path) -> io::Result<Option<Name>> {
    Ok(head(disk, wraps)?.map(|mark| mark.name))
}

/// Name of the key in a file of a key-encryption key, or that it says is elsewhere; none when its bytes changed.
///
/// # Errors
/// The disk does not give it.
pub fn key_of_file(disk: &dyn Disk, kek: &Path) -> io::Result<Option<Name>> {
    Ok(kek::load(disk, kek)?.map(|stored| stored.mark().name))
}

/// Puts a fresh key-encryption key in the place of the one that a vault has. Nobody may have it open. The old key is
/// overwritten; copies of it, and what a disk keeps of overwritten blocks, still open copies of the old wraps.
///
/// # Errors
/// Somebody has the vault open, it is damaged or another ledger's, or the disk does not take it. Then the vault opens
/// under the old key or under the new one, whole.
pub fn rotate(disk: &dyn Disk, directory: &Path, origin: &str) -> Result<Rotated, OpenError> {
    rotate_from(disk, directory, origin, Keks::default(), &SystemEntropy)
}

/// As [`rotate`], from and to given keys, with what is fresh made of given entropy.
///
/// # Errors
/// As [`rotate`]; a key cannot be reached, or both are the same.
pub fn rotate_from(
    disk: &dyn Disk,
    directory: &Path,
    origin: &str,
    keks: Keks<'_>,
    entropy: &dyn Entropy,
) -> Result<Rotated, OpenError> {
    check(origin)?;
    let _lock = disk.lock(&directory.join(LOCK))?;
    let paths = Paths::of(directory);
    let stored = settled(disk, directory, origin, keks.from)?;
    let file = disk.open(&paths.wraps, Access::Write).map_err(failure(paths.wraps.clone()))?;
    let recovered = recovery::recover(file.as_ref(), &paths.wraps, origin, stored.mark())?;
    let (end, old) = (recovered.end, stored.ready(keks.from, recovered.cipher, origin, &paths.kek)?);
    // A destruction that a crash interrupted is done in the old file too: its blocks are not the new file's.
    if !recovered.unfinished.is_empty() {
        overwrite(file.as_ref(), &recovered.unfinished).map_err(failure(paths.wraps.clone()))?;
    }
    let (next, new) = next(keks.to, &old, entropy, origin, recovered.cipher, &paths)?;
    kek::create(disk, &paths.kek_next, &next).map_err(failure(paths.kek_next.clone()))?;
    let to = disk.create(&paths.wraps_next).map_err(failure(paths.wraps_next.clone()))?;
    let (old, new, mark) = (old.as_ref(), new.as_ref(), next.mark());
    let anew = Anew { old, new, mark, origin, entropy, path: &paths.wraps };
    let holders = anew.copy(file.as_ref(), to.as_ref(), end)?;
    // What was written is read before it counts.
    let written = recovery::recover(to.as_ref(), &paths.wraps_next, origin, mark)?;
    if written.end != end || written.torn {
        return Err(
            Fault { file: paths.wraps_next, offset: written.end * SLOT_BYTES_U64, problem: Problem::Torn }.into()
        );
    }
    disk.sync_dir(directory).map_err(failure(directory.to_owned()))?;
    disk.rename(&paths.wraps_next, &paths.wraps).map_err(failure(paths.wraps.clone()))?;
    promote(disk, directory, &paths)?;
    Ok(Rotated { holders, from: old.name(), to: mark.name })
}

/// What is to stand in the file of the key, and the key.
fn next(
    to: Option<&Arc<dyn Kek>>,
    old: &Arc<dyn Kek>,
    entropy: &dyn Entropy,
    origin: &str,
    cipher: Cipher,
    paths: &Paths,
) -> Result<(Stored, Arc<dyn Kek>), OpenError> {
    let Some(to) = to else {
        let key = WrappingKey::new_kek(entropy, origin).map_err(io::Error::other);
        let key = key.map_err(failure(paths.kek_next.clone()))?;
        return Ok((Stored::Key(key.clone()), Arc::new(FileKek::new(key, cipher))));
    };
    // The names are what a crash is gone on with by.
    if to.name() == old.name() {
        return Err(OpenError::SameKek { name: to.name() });
    }
    let stored = Stored::of(to.as_ref(), entropy, origin).map_err(OpenError::Kek)?;
    let ready = stored.ready(Some(to), cipher, origin, &paths.kek_next)?;
    Ok((stored, ready))
}

/// Ends a rotation that a crash interrupted, and gives what the file of the key says. A key elsewhere is tried before
/// anything is written. Whoever calls has the lock.
pub(super) fn settled(
    disk: &dyn Disk,
    directory: &Path,
    origin: &str,
    given: Option<&Arc<dyn Kek>>,
) -> Result<Stored, OpenError> {
    let path = directory.join(KEK);
    if let Some(stored @ Stored::Elsewhere { cipher, .. }) =
        load_counting(disk, directory).map_err(failure(path.clone()))?
    {
        stored.ready(given, cipher, origin, &path)?;
    }
    settle(disk, directory)?;
    let stored = kek::load(disk, &path).map_err(failure(path.clone()))?;
    Ok(stored.ok_or(Fault { file: path, offset: 0, problem: Problem::Kek })?)
}

/// Ends a rotation that a crash interrupted, forwards or backwards, by what the head of the wraps says. Whoever calls has
/// the lock.
fn settle(disk: &dyn Disk, directory: &Path) -> Result<(), OpenError> {
    let paths = Paths::of(directory);
    let stands = |path: &PathBuf| disk.exists(path).map_err(failure(path.clone()));
    if !stands(&paths.kek_next)? && !stands(&paths.wraps_next)? {
        return Ok(());
    }
    if let Some(key) = next_that_counts(disk, &paths).map_err(failure(paths.kek_next.clone()))? {
        promote(disk, directory, &paths)?;
        let key = key.mark().name;
        tracing::warn!(%key, "a rotation that was interrupted is done: back the key-encryption key up");
        return Ok(());
    }
    // Only where the key that counts is seen to stand is anything removed.
    let key = if stands(&paths.kek)? { kek::load(disk, &paths.kek).map_err(failure(paths.kek.clone()))? } else { None };
    if key.is_some()
        && key.as_ref().map(Stored::mark) == head(disk, &paths.wraps).map_err(failure(paths.wraps.clone()))?
    {
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
pub(super) fn load_counting(disk: &dyn Disk, directory: &Path) -> io::Result<Option<Stored>> {
    let paths = Paths::of(directory);
    match next_that_counts(disk, &paths)? {
        Some(key) => Ok(Some(key)),
        None => kek::load(disk, &paths.kek),
    }
}

/// The key that is to come, when the wraps are under it already.
fn next_that_counts(disk: &dyn Disk, paths: &Paths) -> io::Result<Option<Stored>> {
    let next = if disk.exists(&paths.kek_next)? { kek::load(disk, &paths.kek_next)? } else { None };
    let Some(key) = next else { return Ok(None) };
    Ok((head(disk, &paths.wraps)? == Some(key.mark())).then_some(key))
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
pub(super) fn head(disk: &dyn Disk, path: &Path) -> io::Result<Option<Mark>> {
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
        | Found::Damaged
        | Found::Newer(_) => None,
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
    old: &'a dyn Kek,
    new: &'a dyn Kek,
    /// What the head says of the new one.
    mark: Mark,
    origin: &'a str,
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
            Row::Head { origin, cipher, .. } => Row::Head { origin, kek: self.mark, cipher },
            Row::HolderKey { holder, wrapped } => {
                let key = open_holder_key(self.old, self.origin, holder, &wrapped).map_err(OpenError::Kek)?;
                let key = key.ok_or_else(|| self.fault(at, Problem::Unopenable))?;
                let wrapped = wrap_holder_key(self.new, self.entropy, self.origin, holder, &key);
                Row::HolderKey { holder, wrapped: wrapped.map_err(OpenError::Kek)? }
            }
            Row::Wrap { .. } | Row::Destruction { .. } | Row::Destroyed { .. } | Row::Seal => row,
        };
        Ok(slot::encode(at, &row, group))
    }

    fn fault(&self, at: u64, problem: Problem) -> OpenError {
        Fault { file: self.path.to_owned(), offset: at * SLOT_BYTES_U64, problem }.into()
    }
}
