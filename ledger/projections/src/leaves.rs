//! The leaves that a process has seen, in a file of its own: what a shared log is held against.
//!
//! ```text
//! log.follow ─ rows ─ append (page cache) ─ sync ─ a head that covers them is shown
//!
//! header   "mediation-leaves" | version[4] | twin[1] | origin length[2] | origin | crc[4]
//! row i    chain[16] | revision[8] | cursor[8 + 8] | leaf hash[32] | its hash over SM3[32], with a twin | crc[4]
//! ```
//!
//! Numbers are big-endian; a CRC is CRC-32C over the bytes before it, in a row after the row's number (8 bytes), so that
//! rows cannot change places. Rows are appended only. The tree of a process is rebuilt from them and the log followed
//! behind the last, so that nothing is numbered anew, whatever has become of the engine. A crash leaves a torn tail,
//! which is cut: what stood there is followed again. Damage before it is an error, and the file can be made anew from
//! the log by removing it.

mod reader;

use std::{
    fs::{File, OpenOptions, TryLockError},
    io::{self, BufReader, Read as _, Seek as _, SeekFrom, Write as _},
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use bytes::{Buf as _, BufMut as _};
use mediation_ledger::{
    chain::{ChainId, Revision},
    log::{Cursor, Followed},
    merkle::{Hash, LeafIndex, Sm3Tree, TreeHasher as _, TreeSize, hash_leaf},
    note::KeyName,
    record::leaf_bytes,
};

pub use self::reader::LeavesReader;

/// Name of the file in a process's directory.
pub const LEAVES: &str = "leaves";

/// Rows that may be unsynced at a time. Within these a power cut may leave later rows whole and earlier ones torn.
pub const UNSYNCED_ROWS_MAX: u64 = 65_536;

/// A leaf, and where its record stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LeafRow {
    /// Chain of the record.
    pub chain: ChainId,
    /// Place in the chain.
    pub revision: Revision,
    /// Place in the order of the log: where it is followed on.
    pub cursor: Cursor,
    /// Hash of the leaf over SHA-256.
    pub hash: Hash,
    /// Hash of the leaf over SM3, in a ledger that grows a twin.
    pub twin: Option<Hash>,
}

impl LeafRow {
    /// The leaf of a record, with its hash over SM3 when there is a twin.
    #[must_use]
    pub fn of(followed: &Followed, twin: bool) -> Self {
        let stored = &followed.stored;
        let leaf = leaf_bytes(&stored.record);
        Self {
            chain: stored.chain,
            revision: stored.revision,
            cursor: followed.cursor,
            hash: hash_leaf(&leaf),
            twin: twin.then(|| Sm3Tree::leaf(&leaf)),
        }
    }

    fn encode(&self, index: u64, to: &mut Vec<u8>) {
        let begin = to.len();
        to.put_slice(&self.chain.0);
        to.put_u64(self.revision.0);
        to.put_u64(self.cursor.0);
        to.put_u64(self.cursor.1);
        to.put_slice(&self.hash.0);
        if let Some(twin) = self.twin {
            to.put_slice(&twin.0);
        }
        let crc = row_crc(index, to.get(begin..).unwrap_or_default());
        to.put_u32(crc);
    }

    /// The row of that number; none when its bytes are not those that were written there.
    fn decode(index: u64, row: &[u8]) -> Option<Self> {
        let (mut content, mut crc) = row.split_at_checked(row.len().checked_sub(CRC_BYTES)?)?;
        if crc.try_get_u32().ok()? != row_crc(index, content) {
            return None;
        }
        let mut chain = [0; 16];
        content.try_copy_to_slice(&mut chain).ok()?;
        let revision = Revision(content.try_get_u64().ok()?);
        let cursor = Cursor(content.try_get_u64().ok()?, content.try_get_u64().ok()?);
        let (mut hash, mut twin) = ([0; HASH_BYTES], [0; HASH_BYTES]);
        content.try_copy_to_slice(&mut hash).ok()?;
        let has_twin = content.has_remaining();
        if has_twin {
            content.try_copy_to_slice(&mut twin).ok()?;
        }
        Some(Self { chain: ChainId(chain), revision, cursor, hash: Hash(hash), twin: has_twin.then_some(Hash(twin)) })
    }
}

/// The leaves file of a process, which keeps every other process away from it.
#[derive(Debug)]
pub struct Leaves {
    origin: KeyName,
    twin: bool,
    written: Mutex<Written>,
}

#[derive(Debug)]
struct Written {
    file: File,
    /// Bytes before the first row.
    header: u64,
    rows: u64,
    unsynced: u64,
    /// A sync has failed: what is on the disk nobody knows.
    failed: bool,
}

impl Leaves {
    /// Opens the leaves file of the log of this origin, or makes an empty one, and cuts a torn tail. `covered` is the size
    /// of the last checkpoint that this process has stored: the rows under it were synced before.
    ///
    /// The rows are for the tree, and for whoever else remembers what the log was.
    ///
    /// # Errors
    /// The file cannot be read or made, another process holds it, it is another log's, or it is damaged before its tail.
    pub fn open(
        path: &Path,
        origin: &KeyName,
        twin: bool,
        covered: TreeSize,
    ) -> Result<(Self, Vec<LeafRow>), LeavesError> {
        if !path.try_exists()? {
            create(path, &header(origin, twin))?;
        }
        let file = OpenOptions::new().read(true).write(true).open(path)?;
        file.try_lock().map_err(|error| match error {
            TryLockError::WouldBlock => LeavesError::InUse { path: path.to_owned() },
            TryLockError::Error(error) => LeavesError::File(error),
        })?;
        let mut reader = BufReader::new(&file);
        let header = check_header(&mut reader, path, origin, twin)?;
        let rows = read_rows(&mut reader, &Layout { path, header, twin, covered })?;
        let end = header + rows.len() as u64 * row_bytes(twin);
        let length = file.metadata()?.len();
        if length > end {
            tracing::warn!(bytes = length - end, rows = rows.len(), "the torn tail of the leaves file is cut");
            file.set_len(end)?;
            file.sync_all()?;
        }
        let written = Written { file, header, rows: rows.len() as u64, unsynced: 0, failed: false };
        Ok((Self { origin: origin.clone(), twin, written: Mutex::new(written) }, rows))
    }

    /// The log whose leaves these are.
    #[must_use]
    pub fn origin(&self) -> &KeyName {
        &self.origin
    }

    /// Whether hashes over SM3 are kept too.
    #[must_use]
    pub fn has_twin(&self) -> bool {
        self.twin
    }

    /// Number of rows written.
    #[must_use]
    pub fn size(&self) -> TreeSize {
        TreeSize(self.written().rows)
    }

    /// Whether so much is unsynced that it must be synced before more is written.
    #[must_use]
    pub fn is_due(&self) -> bool {
        self.written().unsynced >= UNSYNCED_ROWS_MAX / 2
    }

    /// Writes rows behind the others. They survive the death of the process, and a power cut from the next sync on. May
    /// block.
    ///
    /// # Errors
    /// They cannot be written; none of them counts then, and the same may be written again.
    pub fn append(&self, rows: &[LeafRow]) -> io::Result<()> {
        let mut written = self.written();
        let mut bytes = Vec::new();
        for (row, index) in rows.iter().zip(written.rows..) {
            row.encode(index, &mut bytes);
        }
        let offset = written.header + written.rows * row_bytes(self.twin);
        written.check()?;
        written.file.seek(SeekFrom::Start(offset))?;
        written.file.write_all(&bytes)?;
        written.rows += rows.len() as u64;
        written.unsynced += rows.len() as u64;
        Ok(())
    }

    /// Makes what was written survive a power cut. May block.
    ///
    /// # Errors
    /// It cannot be synced. What a failed sync leaves nobody knows: every further call fails, and the process has to open
    /// the file anew.
    pub fn sync(&self) -> io::Result<()> {
        self.written().sync()
    }

    fn written(&self) -> std::sync::MutexGuard<'_, Written> {
        self.written.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Written {
    fn check(&self) -> io::Result<()> {
        if self.failed { Err(io::Error::other("an earlier sync of the leaves file has failed")) } else { Ok(()) }
    }

    fn sync(&mut self) -> io::Result<()> {
        self.check()?;
        if self.unsynced == 0 {
            return Ok(());
        }
        // Size and content: the file grows with every row.
        self.file.sync_data().inspect_err(|_| self.failed = true)?;
        self.unsynced = 0;
        Ok(())
    }
}

/// Where things are in the file, and what of it was certainly synced.
struct Layout<'a> {
    path: &'a Path,
    header: u64,
    twin: bool,
    covered: TreeSize,
}

/// The rows up to the torn tail.
fn read_rows(reader: &mut BufReader<&File>, layout: &Layout<'_>) -> Result<Vec<LeafRow>, LeavesError> {
    let length = reader.get_ref().metadata()?.len();
    let (width, begin) = (row_bytes(layout.twin), layout.header);
    let count = length.saturating_sub(begin) / width;
    let mut rows = Vec::new();
    let mut bytes = vec![0; ROW_BYTES + if layout.twin { HASH_BYTES } else { 0 }];
    let mut torn = None;
    for index in 0..count {
        reader.read_exact(&mut bytes)?;
        match (LeafRow::decode(index, &bytes), torn) {
            (Some(row), None) => rows.push(row),
            (None, None) => torn = Some(index),
            (Some(_), Some(row)) if row < layout.covered.0 || count - row > UNSYNCED_ROWS_MAX => {
                let path = layout.path.to_owned();
                return Err(LeavesError::Damaged { path, row: LeafIndex(row), offset: begin + row * width });
            }
            (Some(_) | None, Some(_)) => {}
        }
    }
    Ok(rows)
}

fn header(origin: &KeyName, twin: bool) -> Vec<u8> {
    let origin = origin.as_str().as_bytes();
    let mut header = MAGIC.to_vec();
    header.put_u32(VERSION);
    header.put_u8(u8::from(twin));
    // A key name fits into a line of a note, which is shorter.
    header.put_u16(u16::try_from(origin.len()).unwrap_or(u16::MAX));
    header.put_slice(origin);
    header.put_u32(crc32c::crc32c(&header));
    header
}

/// Reads the header and answers its length.
fn check_header(reader: &mut BufReader<&File>, path: &Path, origin: &KeyName, twin: bool) -> Result<u64, LeavesError> {
    let damaged = || LeavesError::DamagedHeader { path: path.to_owned() };
    let ended = |error: io::Error| {
        if error.kind() == io::ErrorKind::UnexpectedEof { damaged() } else { LeavesError::File(error) }
    };
    let mut fixed = [0; FIXED_BYTES];
    reader.read_exact(&mut fixed).map_err(ended)?;
    let mut fields = fixed.strip_prefix(MAGIC).ok_or_else(damaged)?;
    let version = fields.try_get_u32().map_err(|_| damaged())?;
    if version != VERSION {
        return Err(LeavesError::Version { path: path.to_owned(), found: version });
    }
    let has_twin = fields.try_get_u8().map_err(|_| damaged())?;
    let length = fields.try_get_u16().map_err(|_| damaged())?;
    let mut rest = vec![0; usize::from(length) + CRC_BYTES];
    reader.read_exact(&mut rest).map_err(ended)?;
    let found = [fixed.as_slice(), &rest].concat();
    let (content, mut crc) = found.split_at(found.len() - CRC_BYTES);
    if crc.try_get_u32().map_err(|_| damaged())? != crc32c::crc32c(content) {
        return Err(damaged());
    }
    if found != header(origin, twin) {
        let found = content.get(FIXED_BYTES..).unwrap_or_default();
        let found = String::from_utf8_lossy(found).into_owned();
        return Err(LeavesError::OtherLog { path: path.to_owned(), found, twin: has_twin != 0 });
    }
    Ok(found.len() as u64)
}

/// Makes the file whole or not at all.
fn create(path: &Path, header: &[u8]) -> io::Result<()> {
    let new = path.with_added_extension("new");
    let mut file = File::create(&new)?;
    file.write_all(header)?;
    file.sync_all()?;
    // A crash here leaves a file that the next start writes over.
    std::fs::rename(&new, path)?;
    let directory = path.parent().filter(|directory| !directory.as_os_str().is_empty());
    File::open(directory.unwrap_or_else(|| Path::new(".")))?.sync_all()
}

fn row_crc(index: u64, content: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(&index.to_be_bytes()), content)
}

fn row_bytes(twin: bool) -> u64 {
    (ROW_BYTES + if twin { HASH_BYTES } else { 0 }) as u64
}

const MAGIC: &[u8] = b"mediation-leaves";
const VERSION: u32 = 1;
/// Bytes of the header before the origin.
const FIXED_BYTES: usize = 23;
const HASH_BYTES: usize = 32;
const CRC_BYTES: usize = 4;
/// Bytes of a row without a hash over SM3.
const ROW_BYTES: usize = 16 + 8 + 16 + HASH_BYTES + CRC_BYTES;

/// Why the leaves file cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LeavesError {
    /// The file system.
    #[error("the leaves file cannot be read or written")]
    File(#[from] io::Error),
    /// Another process has it open.
    #[error("another process uses the leaves file `{}`", path.display())]
    InUse {
        /// The file.
        path: PathBuf,
    },
    /// It does not begin as a leaves file does.
    #[error("`{}` is no leaves file, or its header is damaged", path.display())]
    DamagedHeader {
        /// The file.
        path: PathBuf,
    },
    /// A later program wrote it.
    #[error("the leaves file `{}` is of version {found}, not of {VERSION}", path.display())]
    Version {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: u32,
    },
    /// It belongs to another log, or to one with another choice about a twin.
    #[error("the leaves file `{}` is that of the log `{found}` (twin: {twin})", path.display())]
    OtherLog {
        /// The file.
        path: PathBuf,
        /// Origin in it.
        found: String,
        /// Whether it holds hashes over SM3.
        twin: bool,
    },
    /// A row that was synced is not what was written.
    #[error(
        "the leaves file `{}` is damaged at row {row} (offset {offset}); removed, it is made anew from the log",
        path.display()
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// The first damaged row.
        row: LeafIndex,
        /// Where it begins, in bytes.
        offset: u64,
    },
}

#[cfg(test)]
mod tests;
