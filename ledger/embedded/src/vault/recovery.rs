//! What a wraps file holds when it is opened: all whole groups, and where a torn one begins.
//!
//! ```text
//! slot   0      1      2 3 4 5 6      7 8 9
//!        head   seal   a whole group  a group of 4, torn: its slots 8 and 9 are zeros or end in zeros
//!                                     ▲ end: cut here
//! ```
//!
//! A row of a later group proves that everything before it was durable, so a hole before it is damage; but for the place of a wrap
//! whose destruction is announced: a crash may have left anything there, and it is overwritten again.

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    path::Path,
};

use mediation_ledger::{chain::ChainId, merkle::Hash, part::Cipher};

use super::{
    OpenError,
    cipher::origin_digest,
    failure,
    kek::Mark,
    problem::{Fault, Problem},
    slot::{self, Found, Group, HolderId, Row, SLOT_BYTES_U64, VERSION_NEWEST},
    wraps::{Index, Slots},
};
use crate::disk::DiskFile;

/// What was found.
#[derive(Debug)]
pub(super) struct Recovered {
    /// What keys are wrapped under, those of holders by a key in a file.
    pub(super) cipher: Cipher,
    /// Where the keys stand.
    pub(super) index: Index,
    /// Slots of all whole groups.
    pub(super) end: u64,
    /// Whether there is something after them that has to be cut.
    pub(super) torn: bool,
    /// Whether the last whole group is a seal.
    pub(super) sealed: bool,
    /// Destructions that are announced and not done: what is to stand in the places of the wraps.
    pub(super) unfinished: BTreeMap<u64, (Row, Group)>,
    /// First slot of the last whole group.
    pub(super) last: u64,
}

/// Reads a wraps file from end to end, and once before for the destructions that it announces. Keys are not opened.
pub(super) fn recover(file: &dyn DiskFile, path: &Path, origin: &str, kek: Mark) -> Result<Recovered, OpenError> {
    let mut recovery = Recovery::new(file);
    for slot in Slots::new(file) {
        let (_slot, found) = slot.map_err(failure(path.to_owned()))?;
        if let Found::Row(Row::Destruction { target, group, holder, digest }, _) = found {
            recovery.announced.insert(target, (Row::Destroyed { holder, digest }, group));
        }
    }
    for slot in Slots::new(file) {
        let (slot, found) = slot.map_err(failure(path.to_owned()))?;
        recovery.take(slot, found).map_err(|fault| fault.of(path))?;
    }
    if let Some(error) = recovery.unread.take() {
        return Err(failure(path.to_owned())(error));
    }
    let head = recovery.head.ok_or(SlotFault(0, Problem::Head)).map_err(|fault| fault.of(path))?;
    let (head_origin, head_kek, cipher) = head;
    if head_origin != origin_digest(origin) {
        return Err(SlotFault(0, Problem::Origin).of(path).into());
    }
    if head_kek != kek {
        return Err(SlotFault(0, Problem::WrongKek).of(path).into());
    }
    if let Some(slot) = recovery.excused.first() {
        // Nothing was overwritten before its announcement was durable.
        return Err(SlotFault(*slot, Problem::Slot).of(path).into());
    }
    if let Some(slot) = recovery.overwritten.first() {
        return Err(SlotFault(*slot, Problem::Unannounced).of(path).into());
    }
    let Recovery { index, end, written, sealed, unfinished, last, .. } = recovery;
    Ok(Recovered { cipher, index, end, torn: written > end, sealed, unfinished, last })
}

#[derive(Debug)]
struct SlotFault(u64, Problem);

impl SlotFault {
    fn of(self, path: &Path) -> Fault {
        Fault { file: path.to_owned(), offset: self.0 * SLOT_BYTES_U64, problem: self.1 }
    }
}

#[derive(Debug)]
struct Recovery<'a> {
    file: &'a dyn DiskFile,
    /// Why a slot that was to be read once more was not.
    unread: Option<io::Error>,
    index: Index,
    head: Option<(Hash, Mark, Cipher)>,
    /// Slots of holders' keys, in their order, with the chains of the holders.
    holders: Vec<(u64, ChainId)>,
    /// What is to stand in the places of wraps, by the announcements of the whole file.
    announced: BTreeMap<u64, (Row, Group)>,
    /// Places that hold no row, and whose announcement was not come to yet.
    excused: BTreeSet<u64>,
    /// Places where the destroyed wrap, or what a crash made of it, still stands.
    unfinished: BTreeMap<u64, (Row, Group)>,
    /// Places that are overwritten, and whose announcement was not come to yet.
    overwritten: BTreeSet<u64>,
    /// Slots of all whole groups so far.
    end: u64,
    /// First slot of the last of them.
    last: u64,
    /// Rows of the group after them, as long as none is missing.
    pending: Vec<(Row, Group)>,
    /// First slot of that group that is missing.
    gap: Option<u64>,
    /// Slots up to the last one that is not empty.
    written: u64,
    sealed: bool,
}

impl<'a> Recovery<'a> {
    fn new(file: &'a dyn DiskFile) -> Self {
        Self {
            file,
            unread: None,
            index: Index::default(),
            head: None,
            holders: Vec::new(),
            announced: BTreeMap::new(),
            excused: BTreeSet::new(),
            unfinished: BTreeMap::new(),
            overwritten: BTreeSet::new(),
            end: 0,
            last: 0,
            pending: Vec::new(),
            gap: None,
            written: 0,
            sealed: false,
        }
    }

    /// Chain of the holder whose key is in a slot.
    fn chain_of(&self, holder: u64) -> Result<ChainId, Problem> {
        let found = self.holders.binary_search_by_key(&holder, |(slot, _chain)| *slot);
        found.ok().and_then(|at| self.holders.get(at)).map(|(_slot, chain)| *chain).ok_or(Problem::UnknownHolder)
    }

    /// Whether a holder has a key already.
    fn has_key(&mut self, holder: HolderId) -> bool {
        let slots: Vec<u64> = self.index.holders.of(&holder).collect();
        slots.into_iter().any(|at| match slot::read(self.file, at) {
            Ok(Found::Row(Row::HolderKey { holder: found, .. }, _)) => found == holder,
            Ok(Found::Row(..) | Found::Empty | Found::Torn | Found::Damaged | Found::Newer(_)) => false,
            Err(error) => {
                self.unread = Some(error);
                false
            }
        })
    }

    fn take(&mut self, slot: u64, found: Found) -> Result<(), SlotFault> {
        if !matches!(found, Found::Row(..))
            && let Some((row, group)) = self.announced.get(&slot).cloned()
        {
            self.written = slot + 1;
            self.excused.insert(slot);
            return self.take_row(slot, row, group);
        }
        match found {
            Found::Row(row, group) => {
                self.written = slot + 1;
                self.take_row(slot, row, group)
            }
            Found::Empty => {
                self.gap.get_or_insert(slot);
                Ok(())
            }
            Found::Torn => {
                self.written = slot + 1;
                self.gap.get_or_insert(slot);
                Ok(())
            }
            Found::Damaged => Err(SlotFault(slot, Problem::Slot)),
            Found::Newer(found) => Err(SlotFault(slot, Problem::Version { found, known: VERSION_NEWEST })),
        }
    }

    fn take_row(&mut self, slot: u64, row: Row, group: Group) -> Result<(), SlotFault> {
        let start = group.start(slot).filter(|start| *start >= self.end);
        let start = start.ok_or(SlotFault(slot, Problem::Misplaced))?;
        let expected = self.end + self.pending.len() as u64;
        if start > self.end {
            return Err(SlotFault(self.gap.unwrap_or(expected), Problem::Gap));
        }
        if self.pending.first().is_some_and(|first| first.1.rows != group.rows) {
            return Err(SlotFault(slot, Problem::Misplaced));
        }
        if self.gap.is_some() {
            return Ok(());
        }
        self.pending.push((row, group));
        if group.ends() { self.complete() } else { Ok(()) }
    }

    fn complete(&mut self) -> Result<(), SlotFault> {
        self.last = self.end;
        for (row, _group) in std::mem::take(&mut self.pending) {
            let slot = self.end;
            self.sealed = row == Row::Seal;
            self.apply(slot, row).map_err(|problem| SlotFault(slot, problem))?;
            self.end += 1;
        }
        Ok(())
    }

    fn apply(&mut self, slot: u64, row: Row) -> Result<(), Problem> {
        match row {
            Row::Head { origin, kek, cipher } if slot == 0 => self.head = Some((origin, kek, cipher)),
            Row::Head { .. } => return Err(Problem::Head),
            Row::HolderKey { holder, .. } => {
                if self.has_key(holder) {
                    return Err(Problem::SecondKey);
                }
                self.index.holders.insert(&holder, slot);
                self.holders.push((slot, holder.chain));
            }
            Row::Wrap { holder, digest, .. } => {
                let chain = self.chain_of(holder)?;
                self.index.wraps.insert(&(chain, digest), slot);
            }
            Row::Destroyed { holder, digest } => {
                let chain = self.chain_of(holder)?;
                self.index.destroyed.insert((chain, digest));
                self.overwritten.insert(slot);
            }
            Row::Destruction { target, group, holder, digest } => {
                let part = (self.chain_of(holder)?, digest);
                let was_overwritten = self.overwritten.remove(&target);
                if !self.index.wraps.remove(&part, target) && !was_overwritten {
                    return Err(Problem::UnknownWrap);
                }
                self.index.destroyed.insert(part);
                if self.excused.remove(&target) || !was_overwritten {
                    self.unfinished.insert(target, (Row::Destroyed { holder, digest }, group));
                }
            }
            Row::Seal => {}
        }
        Ok(())
    }
}
