//! The wraps file as it is read while the vault is open: where each key stands, and how it opens.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt, io,
    sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard},
};

use mediation_ledger::{
    chain::ChainId,
    kek::{Kek, Wrapped},
    merkle::Hash,
    part::Cipher,
    vault::{DataKey, Keys, VaultError},
};

use super::{
    cipher::{Scheme, WrappingKey, open_holder_key},
    marks::Marks,
    slot::{self, Found, Group, HolderId, Row, SLOT_BYTES, SLOT_BYTES_U64},
};
use crate::disk::DiskFile;

/// Slots by what they hold. Only what is durable is in here.
#[derive(Debug, Default)]
pub(super) struct Index {
    /// Slots of holders' keys, by [`HolderId`].
    pub(super) holders: Marks,
    /// Slots of wraps, by the chain and the digest of the part.
    pub(super) wraps: Marks,
    /// Parts whose keys were destroyed.
    pub(super) destroyed: BTreeSet<(ChainId, Hash)>,
}

/// The wrap of a part, where it stands.
#[derive(Debug)]
pub(super) struct StandingWrap {
    /// Chain and digest of the part.
    part: (ChainId, Hash),
    /// Slot of the wrap.
    pub(super) at: u64,
    /// Slot of the holder's key.
    pub(super) holder: u64,
    /// The wrapped key.
    wrapped: Wrapped,
    /// Place of the wrap in its group.
    pub(super) group: Group,
}

/// What one request has read: nothing of it outlives the request, so that nothing is read when the key-encryption key is taken
/// away.
#[derive(Default)]
pub(super) struct Request {
    /// Keys of holders, by their slots.
    opened: BTreeMap<u64, (HolderId, WrappingKey)>,
    /// Slots of the file as they stood, from `start` on.
    window: Vec<u8>,
    start: u64,
}

/// Slots that are read at once, and those of them before the one that is wanted.
const SLOTS_NEAR: usize = 16;
const SLOTS_BEFORE: u64 = 3;

/// The wraps file and the key that opens it.
pub(super) struct Wraps {
    file: Box<dyn DiskFile>,
    kek: Arc<dyn Kek>,
    cipher: Cipher,
    origin: String,
    index: RwLock<Index>,
}

impl Wraps {
    pub(super) fn new(file: Box<dyn DiskFile>, kek: Arc<dyn Kek>, scheme: Scheme<'_>, index: Index) -> Self {
        let Scheme { cipher, origin } = scheme;
        Self { file, kek, cipher, origin: origin.to_owned(), index: RwLock::new(index) }
    }

    pub(super) fn file(&self) -> &dyn DiskFile {
        self.file.as_ref()
    }

    pub(super) fn kek(&self) -> &dyn Kek {
        self.kek.as_ref()
    }

    pub(super) fn scheme(&self) -> Scheme<'_> {
        Scheme { cipher: self.cipher, origin: &self.origin }
    }

    /// Nobody panics while changing the index, so a poisoned lock still guards a whole one.
    pub(super) fn index(&self) -> RwLockReadGuard<'_, Index> {
        self.index.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn index_mut(&self) -> RwLockWriteGuard<'_, Index> {
        self.index.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether there may be a wrap of a part.
    pub(super) fn may_hold(&self, chain: ChainId, digest: Hash) -> bool {
        self.index().wraps.of(&(chain, digest)).next().is_some()
    }

    /// The data key of a part, read and opened.
    pub(super) fn key(&self, chain: ChainId, digest: Hash) -> Result<Option<DataKey>, VaultError> {
        self.key_of(chain, digest, &mut Request::default())
    }

    /// The data keys of parts of a chain, those that there are.
    pub(super) fn keys(&self, chain: ChainId, digests: &[Hash]) -> Result<Keys, VaultError> {
        let (mut keys, mut request) = (Keys::default(), Request::default());
        for digest in digests {
            if let Some(key) = self.key_of(chain, *digest, &mut request)? {
                keys.given.insert(*digest, key);
            }
        }
        Ok(keys)
    }

    fn key_of(&self, chain: ChainId, digest: Hash, request: &mut Request) -> Result<Option<DataKey>, VaultError> {
        let Some(StandingWrap { at, holder: holder_at, wrapped, .. }) = self.standing(chain, digest, request)? else {
            return Ok(None);
        };
        let damaged = || self.damaged(chain, digest, at).map_or(Ok(None), Err);
        let (holder, key) = match request.opened.get(&holder_at) {
            Some(known) => known.clone(),
            None => {
                let Some(known) = self.opened(self.read_near(holder_at, request)?)? else { return damaged() };
                request.opened.insert(holder_at, known.clone());
                known
            }
        };
        key.open_data_key(self.scheme(), holder, digest, &wrapped).map_or_else(damaged, |key| Ok(Some(key)))
    }

    /// The wrap of a part as it stands, when there is one. No key is opened.
    pub(super) fn standing(
        &self,
        chain: ChainId,
        digest: Hash,
        request: &mut Request,
    ) -> Result<Option<StandingWrap>, VaultError> {
        let slots: Vec<u64> = {
            let index = self.index();
            // Of a part that was destroyed no wrap counts, should another one stand somewhere.
            if index.destroyed.contains(&(chain, digest)) {
                return Ok(None);
            }
            index.wraps.of(&(chain, digest)).collect()
        };
        let mut suspect = None;
        for at in slots {
            match self.wrap_at(at, request)? {
                Some(wrap) if wrap.part == (chain, digest) => return Ok(Some(wrap)),
                // Another part that has the same mark.
                Some(wrap) if self.index().wraps.holds(&wrap.part, at) => {}
                Some(_) | None => suspect = Some(at),
            }
        }
        suspect.and_then(|at| self.damaged(chain, digest, at)).map_or(Ok(None), Err)
    }

    /// The wrap in a slot; `None` when there is none.
    fn wrap_at(&self, at: u64, request: &mut Request) -> Result<Option<StandingWrap>, VaultError> {
        let Some((Row::Wrap { holder, digest, wrapped }, group)) = self.read_near(at, request)? else {
            return Ok(None);
        };
        let known = request.opened.get(&holder).map(|(holder, _key)| *holder);
        let of = match known {
            Some(of) => of,
            None => {
                let Some((Row::HolderKey { holder: of, .. }, _)) = self.read_near(holder, request)? else {
                    return Ok(None);
                };
                of
            }
        };
        Ok(Some(StandingWrap { part: (of.chain, digest), at, holder, wrapped, group }))
    }

    /// That a wrap is damaged; none when it was destroyed while it was read.
    fn damaged(&self, chain: ChainId, digest: Hash, at: u64) -> Option<VaultError> {
        self.index().wraps.holds(&(chain, digest), at).then_some(VaultError::Damaged { digest })
    }

    /// Slot and key of a holder, opened; none when it has none yet. `digest` is the part that it is needed for.
    pub(super) fn holder_key(&self, holder: HolderId, digest: Hash) -> Result<Option<(u64, WrappingKey)>, VaultError> {
        let slots: Vec<u64> = self.index().holders.of(&holder).collect();
        for at in slots {
            match self.read(at)? {
                Some((Row::HolderKey { holder: found, .. }, _))
                    if found != holder && self.index().holders.holds(&found, at) => {}
                found @ (Some(_) | None) => {
                    let opened = self.opened(found)?.filter(|(found, _key)| *found == holder);
                    let (_holder, key) = opened.ok_or(VaultError::Damaged { digest })?;
                    return Ok(Some((at, key)));
                }
            }
        }
        Ok(None)
    }

    fn opened(&self, found: Option<(Row, Group)>) -> Result<Option<(HolderId, WrappingKey)>, VaultError> {
        let Some((Row::HolderKey { holder, wrapped }, _)) = found else { return Ok(None) };
        let key = open_holder_key(self.kek(), &self.origin, holder, &wrapped).map_err(VaultError::Kek)?;
        Ok(key.map(|key| (holder, key)))
    }

    /// As [`Self::read`], with those around it: the parts of an act, and mostly their holders' keys, lie side by side.
    fn read_near(&self, at: u64, request: &mut Request) -> Result<Option<(Row, Group)>, VaultError> {
        let held = |request: &Request| {
            let skip = usize::try_from(at.checked_sub(request.start)?).ok()?.checked_mul(SLOT_BYTES)?;
            request.window.get(skip..)?.first_chunk::<SLOT_BYTES>().map(|bytes| slot::decode(at, bytes))
        };
        let found = match held(request) {
            Some(found) => Some(found),
            None => {
                request.start = at.saturating_sub(SLOTS_BEFORE);
                let mut window = [0; SLOTS_NEAR * SLOT_BYTES];
                let read = self.file.read_at(&mut window, request.start * SLOT_BYTES_U64);
                let read = read.map_err(|error| VaultError::Unavailable(Some(error)))?;
                request.window.clear();
                request.window.extend(window.get(..read).unwrap_or_default());
                held(request)
            }
        };
        match found {
            Some(Found::Row(row, group)) => Ok(Some((row, group))),
            // It may have been written since, or the file gave less than it was asked for.
            Some(Found::Empty | Found::Torn | Found::Damaged | Found::Newer(_)) | None => self.read(at),
        }
    }

    /// The row in a slot, and its place in its group; `None` when it is damaged.
    pub(super) fn read(&self, at: u64) -> Result<Option<(Row, Group)>, VaultError> {
        match slot::read(self.file.as_ref(), at).map_err(|error| VaultError::Unavailable(Some(error)))? {
            Found::Row(row, group) => Ok(Some((row, group))),
            Found::Empty | Found::Torn | Found::Damaged | Found::Newer(_) => Ok(None),
        }
    }
}

impl fmt::Debug for Wraps {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Wraps").field("kek", &self.kek.name()).field("scheme", &self.scheme()).finish_non_exhaustive()
    }
}

/// Overwrites wraps whose destruction is announced, durably. When that fails, whoever opens the vault does it.
pub(super) fn overwrite(file: &dyn DiskFile, places: &BTreeMap<u64, (Row, Group)>) -> io::Result<()> {
    for (at, (row, group)) in places {
        file.write_all_at(&slot::encode(*at, row, *group), at * SLOT_BYTES_U64)?;
    }
    file.sync_data()
}

/// Slots read at once when the file is read from end to end.
const WINDOW_SLOTS: usize = 8_192;

/// All slots of a wraps file, one after another. A last slot that is cut by the end of the file is filled with zeros.
#[derive(Debug)]
pub(super) struct Slots<'a> {
    file: &'a dyn DiskFile,
    window: Vec<u8>,
    /// Bytes of the window that were given.
    given: usize,
    next: u64,
}

impl<'a> Slots<'a> {
    pub(super) fn new(file: &'a dyn DiskFile) -> Self {
        Self { file, window: Vec::new(), given: 0, next: 0 }
    }

    fn fill(&mut self) -> io::Result<()> {
        let mut window = vec![0; WINDOW_SLOTS * SLOT_BYTES];
        let start = self.next * SLOT_BYTES_U64;
        let mut filled = 0;
        while let Some(rest) = window.get_mut(filled..).filter(|rest| !rest.is_empty()) {
            match self.file.read_at(rest, start + filled as u64) {
                Ok(0) => break,
                Ok(read) => filled += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        window.truncate(filled.next_multiple_of(SLOT_BYTES));
        self.window = window;
        self.given = 0;
        Ok(())
    }
}

impl Iterator for Slots<'_> {
    type Item = io::Result<(u64, Found)>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.given == self.window.len()
            && let Err(error) = self.fill()
        {
            return Some(Err(error));
        }
        let bytes = self.window.get(self.given..)?.first_chunk::<SLOT_BYTES>()?;
        let found = slot::decode(self.next, bytes);
        let at = self.next;
        self.given += SLOT_BYTES;
        self.next += 1;
        Some(Ok((at, found)))
    }
}
