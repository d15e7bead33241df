//! Looking at every byte of a vault and opening every wrap, without changing anything.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    sync::Arc,
};

use mediation_ledger::{kek::Kek, merkle::Hash, part::Cipher};

use super::{
    KEK, LOCK, OpenError, WRAPS,
    cipher::{Scheme, WrappingKey, open_holder_key, origin_digest},
    kek::{Mark, Stored},
    problem::{Fault, Problem},
    rotation,
    slot::{Found, Group, HolderId, Row, SLOT_BYTES_U64, VERSION_NEWEST},
    wraps::Slots,
};
use crate::disk::{Access, Disk};

/// What a scan saw.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct VaultScan {
    /// Wraps, whether they open or not.
    pub wraps: u64,
    /// Places of wraps that were destroyed.
    pub destroyed: u64,
    /// Keys of chains and subjects, whether they open or not.
    pub holders: u64,
    /// What the head says that keys are wrapped under; none where it is broken.
    pub cipher: Option<Cipher>,
    /// Bytes of the key-encryption key's file and the wraps file.
    pub bytes: u64,
    /// Everything that is wrong, file by file.
    pub faults: Vec<Fault>,
}

/// Looks at every byte of a vault that nobody has open, and opens every wrap. What a crash cut short is a fault here;
/// opening the vault mends it.
#[must_use]
pub fn scan(disk: &dyn Disk, directory: &Path, origin: &str) -> VaultScan {
    scan_with(disk, directory, origin, None)
}

/// As [`scan()`], with the key-encryption key, where that is kept elsewhere. That it cannot be reached is a fault, too.
#[must_use]
pub fn scan_with(disk: &dyn Disk, directory: &Path, origin: &str, kek: Option<&Arc<dyn Kek>>) -> VaultScan {
    scan_apart(disk, directory, directory, origin, kek)
}

/// As [`scan_with`], of wraps in a directory, such as a backup's, whose key-encryption key lies in another one.
#[must_use]
pub fn scan_apart(
    disk: &dyn Disk,
    directory: &Path,
    keks: &Path,
    origin: &str,
    kek: Option<&Arc<dyn Kek>>,
) -> VaultScan {
    let mut scan = VaultScan::default();
    match disk.list(directory) {
        Ok(names) => {
            let unexpected = names.iter().filter(|name| ![KEK, WRAPS, LOCK].contains(&name.as_str()));
            scan.faults.extend(unexpected.map(|name| fault(directory.join(name), 0, Problem::UnexpectedFile)));
        }
        Err(error) => scan.faults.push(fault(directory.to_owned(), 0, Problem::Unreadable(error.to_string()))),
    }
    let stored = scan_kek(disk, keks, &mut scan);
    scan_wraps(disk, directory.join(WRAPS), origin, Keys { stored, given: kek, ready: None }, &mut scan);
    scan
}

fn scan_kek(disk: &dyn Disk, directory: &Path, scan: &mut VaultScan) -> Option<Stored> {
    let path = directory.join(KEK);
    let loaded = disk.open(&path, Access::Read).and_then(|file| {
        scan.bytes += file.len()?;
        rotation::load_counting(disk, directory)
    });
    match loaded {
        Ok(Some(key)) => return Some(key),
        Ok(None) => scan.faults.push(fault(path, 0, Problem::Kek)),
        Err(error) => scan.faults.push(fault(path, 0, Problem::Unreadable(error.to_string()))),
    }
    None
}

/// What is known of the key-encryption key.
struct Keys<'a> {
    /// Its file; `None` where that is broken.
    stored: Option<Stored>,
    given: Option<&'a Arc<dyn Kek>>,
    /// The key, once the head was read; `None` where it cannot be used.
    ready: Option<Arc<dyn Kek>>,
}

fn scan_wraps(disk: &dyn Disk, path: PathBuf, origin: &str, kek: Keys<'_>, scan: &mut VaultScan) {
    let opened = disk.open(&path, Access::Read).and_then(|file| {
        scan.bytes += file.len()?;
        Ok(file)
    });
    let file = match opened {
        Ok(file) => file,
        Err(error) => return scan.faults.push(fault(path, 0, Problem::Unreadable(error.to_string()))),
    };
    let mut table = Table {
        path,
        origin,
        kek,
        scheme: None,
        scan,
        holders: BTreeSet::new(),
        keys: BTreeMap::new(),
        overwritten: BTreeSet::new(),
        broken: BTreeSet::new(),
        before: Before::Start,
        next: 0,
    };
    for slot in Slots::new(file.as_ref()) {
        match slot {
            Ok((slot, found)) => table.look(slot, found),
            Err(error) => return table.scan.faults.push(fault(table.path, 0, Problem::Unreadable(error.to_string()))),
        }
    }
    table.finish();
}

fn fault(file: PathBuf, offset: u64, problem: Problem) -> Fault {
    Fault { file, offset, problem }
}

struct Table<'a> {
    path: PathBuf,
    origin: &'a str,
    kek: Keys<'a>,
    /// As the head says; none before it was read, and where it is broken: then no wrap is opened.
    scheme: Option<Scheme<'a>>,
    scan: &'a mut VaultScan,
    holders: BTreeSet<HolderId>,
    /// Holders and their keys by slot; no key where it does not open.
    keys: BTreeMap<u64, (HolderId, Option<WrappingKey>)>,
    /// Slots where wraps were overwritten, and whose announcement was not come to yet.
    overwritten: BTreeSet<u64>,
    /// Slots that were found broken. What names one of them is not broken itself.
    broken: BTreeSet<u64>,
    before: Before,
    /// Slot after the last one that was looked at.
    next: u64,
}

/// What stands before a slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Before {
    Start,
    Row(Group),
    /// A slot that says nothing about what follows; its own fault is reported.
    Broken,
    /// Empty slots from this one on.
    Empty(u64),
}

impl Table<'_> {
    fn look(&mut self, slot: u64, found: Found) {
        self.next = slot + 1;
        match found {
            Found::Damaged => self.broken(slot, Problem::Slot),
            Found::Newer(found) => self.broken(slot, Problem::Version { found, known: VERSION_NEWEST }),
            Found::Torn => self.broken(slot, Problem::Torn),
            Found::Empty => match self.before {
                Before::Empty(_) => {}
                Before::Row(group) if !group.ends() => self.broken(slot, Problem::Torn),
                Before::Start => self.broken(slot, Problem::Head),
                Before::Row(_) | Before::Broken => self.before = Before::Empty(slot),
            },
            Found::Row(row, group) => {
                self.check_place(slot, group);
                self.before = Before::Row(group);
                self.look_at_row(slot, row);
            }
        }
    }

    fn check_place(&mut self, slot: u64, group: Group) {
        let fits = match self.before {
            Before::Start => group == Group::SINGLE,
            Before::Row(before) if before.ends() => group.place == 0,
            Before::Row(before) => group.rows == before.rows && group.place == before.place + 1,
            Before::Broken => true,
            Before::Empty(from) => return self.fault(from, Problem::Gap),
        };
        if !fits {
            self.fault(slot, Problem::Misplaced);
        }
    }

    fn look_at_row(&mut self, slot: u64, row: Row) {
        match row {
            Row::Head { origin, kek, cipher } => self.look_at_head(slot, origin, kek, cipher),
            Row::HolderKey { .. } | Row::Wrap { .. } | Row::Destruction { .. } | Row::Destroyed { .. } | Row::Seal
                if slot == 0 =>
            {
                self.fault(slot, Problem::Head);
            }
            Row::HolderKey { holder, wrapped } => {
                self.scan.holders += 1;
                let key = match self.kek.ready.as_deref().map(|kek| open_holder_key(kek, self.origin, holder, &wrapped))
                {
                    None => None,
                    Some(Ok(Some(key))) => Some(key),
                    Some(Ok(None)) => {
                        self.fault(slot, Problem::Unopenable);
                        None
                    }
                    // Once is enough: whatever it would open stays closed.
                    Some(Err(error)) => {
                        self.kek.ready = None;
                        self.fault(slot, Problem::KekAway(error.to_string()));
                        None
                    }
                };
                if !self.holders.insert(holder) {
                    self.fault(slot, Problem::SecondKey);
                }
                self.keys.insert(slot, (holder, key));
            }
            Row::Wrap { holder, digest, wrapped } => {
                self.scan.wraps += 1;
                match self.keys.get(&holder) {
                    None if self.broken.contains(&holder) => {}
                    None => self.fault(slot, Problem::UnknownHolder),
                    // The head, the holder's key, or the key-encryption key, was found broken before.
                    Some((_holder, None)) => {}
                    Some((holder, Some(key))) => {
                        let opened =
                            self.scheme.and_then(|scheme| key.open_data_key(scheme, *holder, digest, &wrapped));
                        if opened.is_none() {
                            self.fault(slot, Problem::Unopenable);
                        }
                    }
                }
            }
            Row::Destroyed { .. } => {
                self.scan.destroyed += 1;
                self.overwritten.insert(slot);
            }
            Row::Destruction { target, .. } => {
                if !self.overwritten.remove(&target) && !self.broken.contains(&target) {
                    self.fault(target, Problem::Undestroyed);
                }
            }
            Row::Seal => {}
        }
    }

    fn look_at_head(&mut self, slot: u64, origin: Hash, kek: Mark, cipher: Cipher) {
        let other_kek = self.kek.stored.as_ref().is_some_and(|key| key.mark() != kek);
        if slot != 0 {
            return self.fault(slot, Problem::Head);
        }
        self.scan.cipher = Some(cipher);
        self.scheme = Some(Scheme { cipher, origin: self.origin });
        if origin != origin_digest(self.origin) {
            self.fault(slot, Problem::Origin);
        } else if other_kek {
            self.fault(slot, Problem::WrongKek);
        } else if let Some(stored) = &self.kek.stored {
            match stored.ready(self.kek.given, cipher, self.origin, &self.path.with_file_name(KEK)) {
                Ok(key) => self.kek.ready = Some(key),
                Err(OpenError::Damaged(fault)) => self.scan.faults.push(fault),
                Err(error) => self.fault(slot, Problem::KekAway(error.told())),
            }
        }
    }

    fn finish(&mut self) {
        for slot in std::mem::take(&mut self.overwritten) {
            self.fault(slot, Problem::Unannounced);
        }
        match self.before {
            Before::Start => self.fault(0, Problem::Head),
            Before::Row(group) if !group.ends() => self.fault(self.next, Problem::Torn),
            Before::Row(_) | Before::Broken | Before::Empty(_) => {}
        }
    }

    fn broken(&mut self, slot: u64, problem: Problem) {
        self.fault(slot, problem);
        self.broken.insert(slot);
        self.before = Before::Broken;
    }

    fn fault(&mut self, slot: u64, problem: Problem) {
        self.scan.faults.push(fault(self.path.clone(), slot * SLOT_BYTES_U64, problem));
    }
}
