//! Looking at every byte of a vault and opening every wrap, without changing anything.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

use super::{
    KEK, LOCK, WRAPS,
    cipher::{Scheme, WrappingKey, origin_digest},
    kek,
    problem::{Fault, Problem},
    rotation,
    slot::{Found, Group, HolderId, Row, SLOT_BYTES_U64},
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
    /// Bytes of the key-encryption key's file and the wraps file.
    pub bytes: u64,
    /// Everything that is wrong, file by file.
    pub faults: Vec<Fault>,
}

/// Looks at every byte of a vault that nobody has open, and opens every wrap. What a crash cut short is a fault here;
/// opening the vault mends it.
#[must_use]
pub fn scan(disk: &dyn Disk, directory: &Path, origin: &str) -> VaultScan {
    let mut scan = VaultScan::default();
    match disk.list(directory) {
        Ok(names) => {
            let unexpected = names.iter().filter(|name| ![KEK, WRAPS, LOCK].contains(&name.as_str()));
            scan.faults.extend(unexpected.map(|name| fault(directory.join(name), 0, Problem::UnexpectedFile)));
        }
        Err(error) => scan.faults.push(fault(directory.to_owned(), 0, Problem::Unreadable(error.to_string()))),
    }
    let kek = scan_kek(disk, directory, &mut scan);
    scan_wraps(disk, directory.join(WRAPS), origin, kek, &mut scan);
    scan
}

fn scan_kek(disk: &dyn Disk, directory: &Path, scan: &mut VaultScan) -> Option<WrappingKey> {
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

fn scan_wraps(disk: &dyn Disk, path: PathBuf, origin: &str, kek: Option<WrappingKey>, scan: &mut VaultScan) {
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
    kek: Option<WrappingKey>,
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
            Row::Head { origin, kek, cipher } => {
                let other_kek = self.kek.as_ref().is_some_and(|key| kek::id(key) != kek);
                if slot != 0 {
                    return self.fault(slot, Problem::Head);
                }
                self.scheme = Some(Scheme { cipher, origin: self.origin });
                if origin != origin_digest(self.origin) {
                    self.fault(slot, Problem::Origin);
                } else if other_kek {
                    self.fault(slot, Problem::WrongKek);
                }
            }
            Row::HolderKey { .. } | Row::Wrap { .. } | Row::Destruction { .. } | Row::Destroyed { .. } | Row::Seal
                if slot == 0 =>
            {
                self.fault(slot, Problem::Head);
            }
            Row::HolderKey { holder, wrapped } => {
                self.scan.holders += 1;
                let opening = self.kek.as_ref().zip(self.scheme);
                let key = opening.map(|(kek, scheme)| kek.open_holder_key(scheme, holder, &wrapped));
                if key == Some(None) {
                    self.fault(slot, Problem::Unopenable);
                }
                if !self.holders.insert(holder) {
                    self.fault(slot, Problem::SecondKey);
                }
                self.keys.insert(slot, (holder, key.flatten()));
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
