//! A disk in memory that loses what a real one may lose, and fails when told to.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt, io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use super::{Access, Disk, DiskFile, DiskLock, LockError};

mod inode;
#[cfg(test)]
mod tests;

use self::inode::{Dice, Inode, SECTOR_BYTES};

/// A disk in memory. Clones are the same disk.
///
/// It remembers what was synced and what was not; [`SimulatedDisk::crash`] makes a legal image of what is left of it.
/// Every operation of [`Disk`] and [`DiskFile`] counts, except `len` and giving back a lock. Those that change something,
/// or make changes outlive a crash, are counted for themselves as well: cutting a life before each of them is cutting it
/// everywhere.
#[derive(Debug, Clone, Default)]
pub struct SimulatedDisk {
    state: Arc<Mutex<State>>,
}

impl SimulatedDisk {
    /// An empty disk without faults.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// An empty disk that never blocks ([`Disk::blocks`]) and writes down every operation: what is done on it in one
    /// task after the other is done in the same order every time.
    #[must_use]
    pub fn in_turn() -> Self {
        let disk = Self::new();
        disk.state().turns = Some(Vec::new());
        disk
    }

    /// Pulls the plug: this disk answers every operation with an error from now on, and what is left of it comes back.
    /// Each unsynced block is kept, dropped or torn, each unsynced name is there or not, as the seed says. No faults.
    #[must_use]
    pub fn crash(&self, seed: u64) -> Self {
        self.crash_by(&mut Dice::Seeded(seed))
    }

    /// Legal images of what is left when the plug is pulled now, at most so many, each another one: everything unsynced
    /// dropped, everything kept, and others as the seed says. One image, when everything is synced.
    #[must_use]
    pub fn images(&self, seed: u64, max: usize) -> Vec<Self> {
        let mut images: Vec<Self> = Vec::new();
        let seeded = (0..max.saturating_mul(2) as u64).map(|turn| Dice::Seeded(seed.wrapping_mul(1_000_003) ^ turn));
        for mut dice in [Dice::Dropping, Dice::Keeping].into_iter().chain(seeded) {
            let image = self.crash_by(&mut dice);
            let is_new = images.iter().all(|other| other.state().differs(&image.state()));
            images.extend(is_new.then_some(image));
            if images.len() >= max || self.is_settled() {
                break;
            }
        }
        images
    }

    /// Whether nothing waits for a sync.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        let state = self.state();
        state.pending_names.is_empty() && state.inodes.values().all(Inode::is_settled)
    }

    fn crash_by(&self, dice: &mut Dice) -> Self {
        let mut state = self.state();
        state.faults.dead = true;
        let mut names = state.durable_names.clone();
        for change in &state.pending_names {
            if dice.keeps() {
                change.apply(&mut names);
            }
        }
        let block_bytes = state.block_bytes;
        let inodes: BTreeMap<u64, Inode> =
            state.inodes.iter().map(|(id, inode)| (*id, inode.crash(dice, block_bytes))).collect();
        Self { state: Arc::new(Mutex::new(state.reborn(names, inodes))) }
    }

    /// A copy of the disk as it reads now, all of it synced. No faults.
    #[must_use]
    pub fn copy(&self) -> Self {
        let state = self.state();
        let inodes = state.inodes.iter().map(|(id, inode)| (*id, Inode::synced(inode.content.clone()))).collect();
        Self { state: Arc::new(Mutex::new(state.reborn(state.names.clone(), inodes))) }
    }

    /// Ends every fault, as when only the process was killed: what was not synced still reads as it was written, and a
    /// later crash can take it.
    pub fn heal(&self) {
        self.state().faults = Faults::default();
    }

    /// Lets crashes tear blocks of so many bytes instead of 512.
    pub fn set_block_bytes(&self, bytes: usize) {
        self.state().block_bytes = bytes;
    }

    /// Pulls the plug before the `n`-th change or sync from now: it is not done, and nothing after it; 1 is the next one.
    pub fn fail_from_change(&self, n: u64) {
        let mut state = self.state();
        state.faults.failing_from_change = Some(state.changes + n);
    }

    /// Whether the plug was pulled, by [`Self::fail_from_change`], [`Self::fail_from_operation`] or a crash.
    #[must_use]
    pub fn is_dead(&self) -> bool {
        self.state().is_dead()
    }

    /// Changes and syncs so far.
    #[must_use]
    pub fn changes(&self) -> u64 {
        self.state().changes
    }

    /// Every operation on a disk that was made by [`Self::in_turn`], since then or since it was made by a crash: what was
    /// done, on what, and whether it failed.
    #[must_use]
    pub fn turns(&self) -> Vec<String> {
        self.state().turns.clone().unwrap_or_default()
    }

    /// Lets the `n`-th operation from now fail with an I/O error, once; 1 is the next one.
    pub fn fail_operation(&self, n: u64) {
        let mut state = self.state();
        state.faults.failing = Some(state.operations + n);
    }

    /// Lets the `n`-th operation from now and every one after it fail; 1 is the next one.
    pub fn fail_from_operation(&self, n: u64) {
        let mut state = self.state();
        state.faults.failing_from = Some(state.operations + n);
    }

    /// Leaves room for so many more written bytes: a write beyond them is cut short, the next one and every new file
    /// fails with [`io::ErrorKind::StorageFull`]. `None` is room without end.
    pub fn leave_space(&self, bytes: Option<u64>) {
        self.state().faults.space = bytes;
    }

    /// Lets every sync fail, or no longer. What a failed sync covered reads as before but never reaches the disk.
    pub fn fail_syncs(&self, fail: bool) {
        self.state().faults.syncs = fail;
    }

    /// Lets reads and writes do only a part of what they are asked for, or no longer.
    pub fn shorten_transfers(&self, short: bool) {
        self.state().faults.short = short;
    }

    /// Operations so far.
    #[must_use]
    pub fn operations(&self) -> u64 {
        self.state().operations
    }

    /// Calls of `sync_data` so far.
    #[must_use]
    pub fn syncs(&self) -> u64 {
        self.state().syncs
    }

    /// Content of a file as it reads now; `None` without one.
    #[must_use]
    pub fn content(&self, path: &Path) -> Option<Vec<u8>> {
        let state = self.state();
        let Some(Node::File(id)) = state.names.get(path) else { return None };
        state.inodes.get(id).map(|inode| inode.content.clone())
    }

    /// Puts a file of this content there, synced, past every fault: what an attacker or a broken disk does.
    pub fn tamper(&self, path: &Path, content: Vec<u8>) {
        let mut state = self.state();
        let id = match state.names.get(path) {
            Some(Node::File(id)) => *id,
            Some(Node::Directory) | None => state.allot(),
        };
        state.inodes.insert(id, Inode::synced(content));
        state.names.insert(path.to_owned(), Node::File(id));
        state.durable_names.insert(path.to_owned(), Node::File(id));
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn file(&self, id: u64, access: Access) -> Box<dyn DiskFile> {
        Box::new(SimulatedFile { disk: self.clone(), id, access })
    }
}

impl Disk for SimulatedDisk {
    fn create(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        let mut state = self.state();
        state.changing("create", path)?;
        state.require_parent(path)?;
        if state.names.contains_key(path) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        if state.faults.space == Some(0) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        let id = state.allot();
        state.inodes.insert(id, Inode::default());
        state.change(NameChange::Put(path.to_owned(), Node::File(id)));
        drop(state);
        Ok(self.file(id, Access::Write))
    }

    fn open(&self, path: &Path, access: Access) -> io::Result<Box<dyn DiskFile>> {
        let mut state = self.state();
        state.looking("open", path)?;
        match state.names.get(path) {
            Some(Node::File(id)) => Ok(self.file(*id, access)),
            Some(Node::Directory) => Err(io::ErrorKind::IsADirectory.into()),
            None => Err(io::ErrorKind::NotFound.into()),
        }
    }

    fn create_dir(&self, path: &Path) -> io::Result<()> {
        let mut state = self.state();
        state.changing("create_dir", path)?;
        let mut missing: Vec<PathBuf> = path
            .ancestors()
            .filter(|dir| !dir.as_os_str().is_empty() && !state.names.contains_key(*dir))
            .map(Path::to_owned)
            .collect();
        while let Some(dir) = missing.pop() {
            if dir.parent().is_none() {
                // The root of a file system is in no directory that could lose it.
                state.durable_names.insert(dir.clone(), Node::Directory);
                state.names.insert(dir, Node::Directory);
            } else {
                state.change(NameChange::Put(dir, Node::Directory));
            }
        }
        Ok(())
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        let mut state = self.state();
        state.looking("list", dir)?;
        if !matches!(state.names.get(dir), Some(Node::Directory)) {
            return Err(io::ErrorKind::NotFound.into());
        }
        let names = state.names.keys().filter(|path| path.parent() == Some(dir));
        Ok(names.filter_map(|path| Some(path.file_name()?.to_string_lossy().into_owned())).collect())
    }

    fn exists(&self, path: &Path) -> io::Result<bool> {
        let mut state = self.state();
        state.looking("exists", path)?;
        Ok(state.names.contains_key(path))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut state = self.state();
        state.changing("rename", to)?;
        state.require_parent(to)?;
        if !state.names.contains_key(from) {
            return Err(io::ErrorKind::NotFound.into());
        }
        state.change(NameChange::Rename(from.to_owned(), to.to_owned()));
        Ok(())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let mut state = self.state();
        state.changing("remove", path)?;
        if !state.names.contains_key(path) {
            return Err(io::ErrorKind::NotFound.into());
        }
        state.change(NameChange::Remove(path.to_owned()));
        Ok(())
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        let mut state = self.state();
        state.changing("sync_dir", dir)?;
        if state.faults.syncs {
            return Err(broken());
        }
        let (synced, pending) = std::mem::take(&mut state.pending_names).into_iter().partition(|c| c.touches(dir));
        state.pending_names = pending;
        let synced: Vec<NameChange> = synced;
        for change in synced {
            change.apply(&mut state.durable_names);
        }
        Ok(())
    }

    fn lock(&self, path: &Path) -> Result<Box<dyn DiskLock>, LockError> {
        let mut state = self.state();
        state.looking("lock", path)?;
        state.require_parent(path)?;
        if !state.locks.insert(path.to_owned()) {
            return Err(LockError::Held { holder: "process 1".to_owned() });
        }
        if !state.names.contains_key(path) {
            let id = state.allot();
            state.inodes.insert(id, Inode::default());
            state.change(NameChange::Put(path.to_owned(), Node::File(id)));
        }
        Ok(Box::new(SimulatedLock { disk: self.clone(), path: path.to_owned() }))
    }

    fn blocks(&self) -> bool {
        self.state().turns.is_none()
    }
}

#[derive(Debug)]
struct SimulatedFile {
    disk: SimulatedDisk,
    id: u64,
    access: Access,
}

impl DiskFile for SimulatedFile {
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let mut state = self.disk.state();
        state.looking("read", (self.id, offset, buffer.len()))?;
        let short = state.faults.short;
        let content = &state.inode(self.id)?.content;
        let from = usize::try_from(offset).map_or(content.len(), |offset| offset.min(content.len()));
        let there = content.get(from..).unwrap_or_default();
        let length = shortened(buffer.len().min(there.len()), short);
        if let (Some(to), Some(from)) = (buffer.get_mut(..length), there.get(..length)) {
            to.copy_from_slice(from);
        }
        Ok(length)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize> {
        let mut state = self.disk.state();
        state.changing("write", (self.id, offset, Crc(bytes)))?;
        if self.access != Access::Write {
            return Err(io::ErrorKind::PermissionDenied.into());
        }
        let mut length = shortened(bytes.len(), state.faults.short);
        if let Some(space) = state.faults.space {
            if space == 0 {
                return Err(io::ErrorKind::StorageFull.into());
            }
            length = length.min(usize::try_from(space).unwrap_or(length));
            state.faults.space = Some(space - length as u64);
        }
        let offset = usize::try_from(offset).map_err(|_| io::ErrorKind::FileTooLarge)?;
        let written = bytes.get(..length).unwrap_or_default();
        let inode = state.inode(self.id)?;
        inode.write(offset, written);
        Ok(length)
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut state = self.disk.state();
        state.changing("sync", self.id)?;
        state.syncs += 1;
        let failing = state.faults.syncs;
        state.inode(self.id)?.sync(failing);
        if failing { Err(broken()) } else { Ok(()) }
    }

    fn len(&self) -> io::Result<u64> {
        let mut state = self.disk.state();
        if state.is_dead() {
            return Err(broken());
        }
        Ok(state.inode(self.id)?.content.len() as u64)
    }

    fn set_len(&self, bytes: u64) -> io::Result<()> {
        let mut state = self.disk.state();
        state.changing("set_len", (self.id, bytes))?;
        if self.access != Access::Write {
            return Err(io::ErrorKind::PermissionDenied.into());
        }
        let bytes = usize::try_from(bytes).map_err(|_| io::ErrorKind::FileTooLarge)?;
        state.inode(self.id)?.set_len(bytes);
        Ok(())
    }
}

#[derive(Debug)]
struct SimulatedLock {
    disk: SimulatedDisk,
    path: PathBuf,
}

impl DiskLock for SimulatedLock {}

impl Drop for SimulatedLock {
    fn drop(&mut self) {
        self.disk.state().locks.remove(&self.path);
    }
}

#[derive(Debug)]
struct State {
    /// Names as they read now.
    names: BTreeMap<PathBuf, Node>,
    /// Names that outlive a crash for certain.
    durable_names: BTreeMap<PathBuf, Node>,
    /// What leads from the durable names to the present ones, in order.
    pending_names: Vec<NameChange>,
    inodes: BTreeMap<u64, Inode>,
    next: u64,
    locks: BTreeSet<PathBuf>,
    faults: Faults,
    operations: u64,
    /// Those among the operations that change something or sync it.
    changes: u64,
    syncs: u64,
    /// Bytes that a crash keeps, drops or tears together.
    block_bytes: usize,
    /// Every operation, on a disk that is used in turn.
    turns: Option<Vec<String>>,
}

impl Default for State {
    fn default() -> Self {
        Self {
            names: BTreeMap::new(),
            durable_names: BTreeMap::new(),
            pending_names: Vec::new(),
            inodes: BTreeMap::new(),
            next: 0,
            locks: BTreeSet::new(),
            faults: Faults::default(),
            operations: 0,
            changes: 0,
            syncs: 0,
            block_bytes: SECTOR_BYTES,
            turns: None,
        }
    }
}

impl State {
    /// A disk with these files, all of them synced, that is used as this one.
    fn reborn(&self, names: BTreeMap<PathBuf, Node>, inodes: BTreeMap<u64, Inode>) -> Self {
        let turns = self.turns.as_ref().map(|_| Vec::new());
        let (next, block_bytes) = (self.next, self.block_bytes);
        Self { names: names.clone(), durable_names: names, inodes, next, block_bytes, turns, ..Self::default() }
    }

    /// Whether other files can be read here, or files with other bytes.
    fn differs(&self, other: &Self) -> bool {
        !self.files().eq(other.files())
    }

    fn files(&self) -> impl Iterator<Item = (&PathBuf, Option<&[u8]>)> {
        self.names.iter().map(|(path, node)| match node {
            Node::Directory => (path, None),
            Node::File(id) => (path, self.inodes.get(id).map(|inode| inode.content.as_slice())),
        })
    }

    /// Counts an operation that changes nothing.
    fn looking(&mut self, what: &str, at: impl fmt::Debug) -> io::Result<()> {
        self.operations += 1;
        let failing = self.faults.failing == Some(self.operations)
            || self.faults.failing_from.is_some_and(|from| from <= self.operations);
        let outcome = if self.is_dead() || failing { Err(broken()) } else { Ok(()) };
        if let Some(turns) = &mut self.turns {
            turns.push(format!("{what} {at:?}{}", if outcome.is_ok() { "" } else { " failed" }));
        }
        outcome
    }

    /// Counts an operation that changes or syncs something.
    fn changing(&mut self, what: &str, at: impl fmt::Debug) -> io::Result<()> {
        self.changes += 1;
        self.looking(what, at)
    }

    fn is_dead(&self) -> bool {
        self.faults.dead
            || self.faults.failing_from.is_some_and(|from| from <= self.operations)
            || self.faults.failing_from_change.is_some_and(|from| from <= self.changes)
    }

    fn require_parent(&self, path: &Path) -> io::Result<()> {
        let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
        let there = parent.is_none_or(|parent| matches!(self.names.get(parent), Some(Node::Directory)));
        if there { Ok(()) } else { Err(io::ErrorKind::NotFound.into()) }
    }

    fn allot(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    fn change(&mut self, change: NameChange) {
        change.apply(&mut self.names);
        self.pending_names.push(change);
    }

    fn inode(&mut self, id: u64) -> io::Result<&mut Inode> {
        self.inodes.get_mut(&id).ok_or_else(broken)
    }
}

#[derive(Debug, Default)]
struct Faults {
    /// The plug was pulled.
    dead: bool,
    /// Number of the operation that fails.
    failing: Option<u64>,
    /// Number of the first operation from which on all fail.
    failing_from: Option<u64>,
    /// Number of the first change or sync from which on everything fails.
    failing_from_change: Option<u64>,
    /// Bytes that can still be written.
    space: Option<u64>,
    syncs: bool,
    short: bool,
}

#[derive(Debug, Clone, Copy)]
enum Node {
    Directory,
    File(u64),
}

#[derive(Debug)]
enum NameChange {
    Put(PathBuf, Node),
    Rename(PathBuf, PathBuf),
    Remove(PathBuf),
}

impl NameChange {
    fn apply(&self, names: &mut BTreeMap<PathBuf, Node>) {
        match self {
            Self::Put(path, node) => {
                names.insert(path.clone(), *node);
            }
            Self::Rename(from, to) => {
                if let Some(node) = names.remove(from) {
                    names.insert(to.clone(), node);
                }
            }
            Self::Remove(path) => {
                names.remove(path);
            }
        }
    }

    fn touches(&self, dir: &Path) -> bool {
        match self {
            Self::Put(path, _) | Self::Remove(path) => path.parent() == Some(dir),
            Self::Rename(from, to) => from.parent() == Some(dir) || to.parent() == Some(dir),
        }
    }
}

/// Bytes, shown by their number and checksum.
struct Crc<'a>(&'a [u8]);

impl fmt::Debug for Crc<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes {:08x}", self.0.len(), crc32c::crc32c(self.0))
    }
}

fn shortened(length: usize, short: bool) -> usize {
    if short { length.div_ceil(3) } else { length }
}

fn broken() -> io::Error {
    io::Error::other("simulated fault")
}
