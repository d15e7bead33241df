//! The bytes on the disk.
//!
//! # Example
//!
//! A log of three entries, the first written alone, the other two in one group:
//!
//! ```text
//! log.lock                             taken by the process that has the log open; text: `process 4711`
//! log/00000000000000000000.segment     named after the number of its first leaf
//! log/spare.segment                    the next one, being filled with zeros; only when the current one is half full
//!
//! segment  0   header: magic, version, SHA-256(origin), bytes, first leaf 0, root of the empty tree, CRC
//!        128   batch: magic, 1 record, payload bytes, tree size 0, its root, CRC
//!        184     record: chain, revision 0, length, bytes, CRC
//!        716   batch: magic, 2 records, payload bytes, tree size 1, its root, CRC
//!        772     record: chain, revision 1, length, bytes, CRC
//!       1404     record: another chain, revision 0, length, bytes, CRC
//!       1936   seal: magic, 0 records, 0 bytes, tree size 3, its root, CRC       written when the log is closed
//!       1992   zeros to the end of the file
//! ```
//!
//! # Bytes
//!
//! Numbers are big-endian. CRC is CRC-32C (Castagnoli) over everything before it in its structure. The place of magic,
//! version and CRC of the segment header never changes, so that an older program can tell a newer format from damage.
//!
//! | segment header | bytes | |
//! |---|---|---|
//! | 0 | 8 | magic `MLEDSEG` 0x0a |
//! | 8 | 4 | format version, 1 |
//! | 12 | 4 | zeros |
//! | 16 | 32 | SHA-256 of the origin |
//! | 48 | 8 | bytes of the file |
//! | 56 | 8 | number of the first leaf, the same as in the file's name |
//! | 64 | 32 | root of the tree of all leaves before it |
//! | 96 | 28 | zeros |
//! | 124 | 4 | CRC |
//!
//! | batch header | bytes | |
//! |---|---|---|
//! | 0 | 4 | magic `MBAT` |
//! | 4 | 4 | records; 0 in a seal |
//! | 8 | 4 | bytes of all records with their frames, at most 16 MiB |
//! | 12 | 8 | size of the tree before it |
//! | 20 | 32 | root of the tree before it |
//! | 52 | 4 | CRC |
//!
//! | record | bytes | |
//! |---|---|---|
//! | 0 | 16 | chain |
//! | 16 | 8 | revision |
//! | 24 | 4 | n, bytes of the record, at most 1 000 000 |
//! | 28 | n | the record |
//! | 28 + n | 4 | CRC |
//!
//! Everything after the last batch is zero. Opening and closing write a seal, a batch without records. A batch lies in
//! one segment; a record that is larger than a segment gets a segment of its own size.
//!
//! # Why it is right
//!
//! - Every byte is a magic, a checked number, under a CRC, or must be zero: no byte can change without being noticed.
//!   CRC-32C finds every change within 32 bits in a row.
//! - A batch is written into zeros that are durable, and the next batch is written only when it is durable. So after a
//!   crash everything is whole but at most the last batch, whose missing sectors read as zeros.
//! - A sector whose bytes do not change survives a write that is interrupted: the end of one batch and the beginning of
//!   the next may share a sector. `SQLite` calls this powersafe overwrite and relies on it too.
//! - A torn batch is told from a damaged one: a sector that was torn or never written ends in a zero; where every sector
//!   of the broken structure ends in something else, it is damage. What a stored checkpoint covers was acknowledged and
//!   is never called torn, nor what stands before a seal. What remains in doubt is the last batch after a crash, and
//!   only until the log is opened.
//! - What a failed write or a crash left is cleared away in two steps: zeros over the last byte of each of its sectors, a
//!   sync, then zeros over all of it. A crash in the first step finds every sector as it was or ending in a zero; one in
//!   the second may find zeros before what stood there, but never a sector that ends in anything else.
//! - Each batch header commits to the tree before it, so batches cannot be exchanged, left out or repeated.
//!
//! # Attacks
//!
//! CRCs keep out accidents, not people. Who can write to the disk can write a log with good CRCs: what finds him is the
//! root in the last checkpoint, cosigned by witnesses, which recovery and `verify` take as `covered`. Chain and
//! revision in a record's frame are not under the leaf hash; the signed statement inside repeats them, and whoever
//! folds a chain compares. Encrypted parts are under the CRC only; their commitments are in the statement.

use std::ops::Range;

use mediation_ledger::{
    chain::{ChainId, Revision},
    limits::RECORD_BYTES_MAX,
    merkle::{Hash, LeafIndex, TreeSize},
};

mod batch;
mod problem;
mod window;

pub use self::problem::{Fault, Problem};
pub(crate) use self::{batch::Batch, window::Window};

/// Bytes of a segment header.
pub(crate) const SEGMENT_HEADER_BYTES: usize = 128;

/// Bytes of a batch header.
pub(crate) const BATCH_HEADER_BYTES: usize = 56;

/// Bytes of a record's frame: 28 before it, 4 after it.
pub(crate) const FRAME_BYTES: usize = RECORD_HEAD_BYTES + CRC_BYTES;

/// Bytes of a frame before the record: chain, revision, length.
pub(crate) const RECORD_HEAD_BYTES: usize = 28;

/// Bytes of all records of a batch with their frames: bounds what a reader holds in memory.
pub(crate) const PAYLOAD_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Bytes that a disk writes as one, or tears.
const SECTOR_BYTES: u64 = 512;

/// First bytes of a batch.
pub(crate) const BATCH_MAGIC: [u8; 4] = *b"MBAT";

/// The file that becomes the next segment.
pub(crate) const SPARE_NAME: &str = "spare.segment";

const SEGMENT_MAGIC: [u8; 8] = *b"MLEDSEG\n";
const FORMAT_VERSION: u32 = 1;
const CRC_BYTES: usize = 4;
const NAME_DIGITS: usize = 20;
const NAME_SUFFIX: &str = ".segment";

/// Name of the segment that begins with this leaf.
pub(crate) fn file_name(first: LeafIndex) -> String {
    format!("{:020}{NAME_SUFFIX}", first.0)
}

/// The leaf that the segment of this name begins with.
pub(crate) fn first_leaf(name: &str) -> Option<LeafIndex> {
    let digits = name.strip_suffix(NAME_SUFFIX)?;
    let plain = digits.len() == NAME_DIGITS && digits.bytes().all(|byte| byte.is_ascii_digit());
    plain.then(|| digits.parse().ok().map(LeafIndex)).flatten()
}

/// The head of a segment file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct SegmentHeader {
    /// SHA-256 of the origin.
    pub(crate) origin: [u8; 32],
    /// Bytes of the file.
    pub(crate) bytes: u64,
    /// Number of the first leaf.
    pub(crate) first: LeafIndex,
    /// Root of the tree of all leaves before it.
    pub(crate) root: Hash,
}

impl SegmentHeader {
    pub(crate) fn encode(&self) -> [u8; SEGMENT_HEADER_BYTES] {
        let mut bytes = Vec::with_capacity(SEGMENT_HEADER_BYTES);
        bytes.extend_from_slice(&SEGMENT_MAGIC);
        bytes.extend_from_slice(&FORMAT_VERSION.to_be_bytes());
        bytes.extend_from_slice(&[0; 4]);
        bytes.extend_from_slice(&self.origin);
        bytes.extend_from_slice(&self.bytes.to_be_bytes());
        bytes.extend_from_slice(&self.first.0.to_be_bytes());
        bytes.extend_from_slice(&self.root.0);
        bytes.resize(SEGMENT_HEADER_BYTES - CRC_BYTES, 0);
        let crc = crc32c::crc32c(&bytes);
        bytes.extend_from_slice(&crc.to_be_bytes());
        array(&bytes, 0)
    }

    /// Reads a header; the problem is at the place within it that comes along.
    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, (u64, Problem)> {
        if array::<8>(bytes, 0) != SEGMENT_MAGIC {
            return Err((0, Problem::SegmentMagic));
        }
        if !crc_matches(bytes) {
            return Err((0, Problem::SegmentHeaderCrc));
        }
        let version = u32::from_be_bytes(array(bytes, 8));
        if version != FORMAT_VERSION {
            return Err((8, Problem::Version { found: version, known: FORMAT_VERSION }));
        }
        let header = Self {
            origin: array(bytes, 16),
            bytes: u64::from_be_bytes(array(bytes, 48)),
            first: LeafIndex(u64::from_be_bytes(array(bytes, 56))),
            root: Hash(array(bytes, 64)),
        };
        if header.encode() != bytes {
            return Err((12, Problem::SegmentHeaderCrc));
        }
        Ok(header)
    }
}

/// The head of a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct BatchHeader {
    /// Records; none in a seal.
    pub(crate) count: u32,
    /// Bytes of all records with their frames.
    pub(crate) payload_bytes: u32,
    /// Size of the tree before it.
    pub(crate) size: TreeSize,
    /// Root of the tree before it.
    pub(crate) root: Hash,
}

impl BatchHeader {
    pub(crate) fn encode(&self) -> [u8; BATCH_HEADER_BYTES] {
        let mut bytes = Vec::with_capacity(BATCH_HEADER_BYTES);
        bytes.extend_from_slice(&BATCH_MAGIC);
        bytes.extend_from_slice(&self.count.to_be_bytes());
        bytes.extend_from_slice(&self.payload_bytes.to_be_bytes());
        bytes.extend_from_slice(&self.size.0.to_be_bytes());
        bytes.extend_from_slice(&self.root.0);
        let crc = crc32c::crc32c(&bytes);
        bytes.extend_from_slice(&crc.to_be_bytes());
        array(&bytes, 0)
    }

    /// Reads a header that is whole and says something possible.
    pub(crate) fn decode(bytes: &[u8]) -> Option<Self> {
        if array::<4>(bytes, 0) != BATCH_MAGIC || !crc_matches(bytes) {
            return None;
        }
        let header = Self {
            count: u32::from_be_bytes(array(bytes, 4)),
            payload_bytes: u32::from_be_bytes(array(bytes, 8)),
            size: TreeSize(u64::from_be_bytes(array(bytes, 12))),
            root: Hash(array(bytes, 20)),
        };
        let least = u64::from(header.count) * FRAME_BYTES as u64;
        let possible = (header.count > 0 || header.payload_bytes == 0)
            && header.payload_bytes as usize <= PAYLOAD_BYTES_MAX
            && u64::from(header.payload_bytes) >= least;
        possible.then_some(header)
    }
}

/// A record in its frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Frame<'a> {
    /// Chain.
    pub(crate) chain: ChainId,
    /// Place in the chain.
    pub(crate) revision: Revision,
    /// The record.
    pub(crate) record: &'a [u8],
    /// Whether the CRC is right.
    pub(crate) intact: bool,
}

impl<'a> Frame<'a> {
    /// Bytes of the whole frame that begins like this; `None` when no record can be as long as it says.
    pub(crate) fn length(head: &[u8]) -> Option<usize> {
        let length = u32::from_be_bytes(array(head, 24)) as usize;
        (head.len() >= RECORD_HEAD_BYTES && length <= RECORD_BYTES_MAX).then_some(length + FRAME_BYTES)
    }

    /// The frame in exactly these bytes; its CRC may be wrong.
    pub(crate) fn decode(bytes: &'a [u8]) -> Option<Self> {
        let record = bytes.get(RECORD_HEAD_BYTES..bytes.len().checked_sub(CRC_BYTES)?)?;
        Some(Self {
            chain: ChainId(array(bytes, 0)),
            revision: Revision(u64::from_be_bytes(array(bytes, 16))),
            record,
            intact: crc_matches(bytes),
        })
    }

    /// Appends chain, revision, length, record and CRC.
    pub(crate) fn encode(chain: ChainId, revision: Revision, record: &[u8], to: &mut Vec<u8>) {
        let start = to.len();
        let length = u32::try_from(record.len()).unwrap_or(u32::MAX);
        to.extend_from_slice(&chain.0);
        to.extend_from_slice(&revision.0.to_be_bytes());
        to.extend_from_slice(&length.to_be_bytes());
        to.extend_from_slice(record);
        let crc = crc32c::crc32c(to.get(start..).unwrap_or_default());
        to.extend_from_slice(&crc.to_be_bytes());
    }
}

/// The bytes that end the sectors of a structure, as far as the batch reaches: a crash that tore the structure, or never
/// wrote it, left a zero in one of them.
pub(crate) fn sector_ends(structure: &Range<u64>, batch_end: u64) -> impl Iterator<Item = u64> + use<> {
    let sectors = structure.start / SECTOR_BYTES..structure.end.div_ceil(SECTOR_BYTES);
    sectors.map(move |sector| ((sector + 1) * SECTOR_BYTES).min(batch_end).saturating_sub(1))
}

fn crc_matches(bytes: &[u8]) -> bool {
    let Some((content, crc)) = bytes.split_last_chunk::<CRC_BYTES>() else { return false };
    crc32c::crc32c(content).to_be_bytes() == *crc
}

/// The bytes at a place in a structure; zeros where it is too short, which no magic, CRC or length takes for good.
fn array<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    bytes.get(at..).and_then(|rest| rest.first_chunk::<N>()).copied().unwrap_or([0; N])
}
