//! A slot of the wraps file: one row, its place in its group, and a checksum. The byte tables are in [`super`].

use std::io;

use mediation_ledger::{
    chain::ChainId,
    kek::{Name, Wrapped},
    merkle::Hash,
    part::Cipher,
};

use super::kek::Mark;
use crate::disk::DiskFile;

/// Bytes of a slot. A sector holds a whole number of them, so that no row is torn over two sectors.
pub(super) const SLOT_BYTES: usize = 128;

/// Bytes of a slot as the width of file offsets.
pub(super) const SLOT_BYTES_U64: u64 = SLOT_BYTES as u64;

const MAGIC: [u8; 16] = *b"mediation-vault\n";

/// Version of a vault under AES-256-GCM.
const VERSION_AES: u32 = 1;

/// Version of a vault whose head names its cipher.
const VERSION_NAMED: u32 = 2;

/// The newest version that this program reads.
pub(super) const VERSION_NEWEST: u32 = VERSION_ELSEWHERE;

/// Version of a vault whose key-encryption key is kept elsewhere: its head names the cipher of both.
const VERSION_ELSEWHERE: u32 = 3;

const CHECKED_BYTES: usize = 123;
const CRC_END: usize = 127;

/// Last byte of every slot. What a crash tore ends in a zero; what ends in anything else was written whole.
const END_MARK: u8 = 0xa5;

const HEAD: u8 = 1;
const CHAIN_KEY: u8 = 2;
const SUBJECT_KEY: u8 = 3;
const WRAP: u8 = 4;
const SEAL: u8 = 5;
const DESTRUCTION: u8 = 6;
const DESTROYED: u8 = 7;

/// What a slot says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Row {
    /// First slot of the file: which vault this is.
    Head {
        /// SHA-256 of the origin.
        origin: Hash,
        /// Key-encryption key that wraps the keys of holders.
        kek: Mark,
        /// What the keys of the vault are wrapped under, but for those that a key-encryption key elsewhere wraps.
        cipher: Cipher,
    },
    /// A holder's key, wrapped by the key-encryption key.
    HolderKey {
        /// The holder.
        holder: HolderId,
        /// Its key.
        wrapped: Wrapped,
    },
    /// A data key, wrapped by its holder's key.
    Wrap {
        /// Slot of the holder's key.
        holder: u64,
        /// Commitment digest of the part.
        digest: Hash,
        /// The data key.
        wrapped: Wrapped,
    },
    /// The wrap in a slot is to be overwritten: written, and durable, before it is.
    Destruction {
        /// Slot of the wrap.
        target: u64,
        /// Where the wrap stands in its own group.
        group: Group,
        /// Slot of the holder's key that the wrap names.
        holder: u64,
        /// Commitment digest of the part.
        digest: Hash,
    },
    /// What stands in the place of a wrap that was destroyed.
    Destroyed {
        /// Slot of the holder's key.
        holder: u64,
        /// Commitment digest of the part.
        digest: Hash,
    },
    /// All that stands before is durable: written when the vault was opened or closed.
    Seal,
}

/// Whose key it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, std::hash::Hash)]
pub(super) struct HolderId {
    /// Chain.
    pub(super) chain: ChainId,
    /// Digest of the subject's pseudonym on that chain; `None` is the chain itself.
    pub(super) subject: Option<Hash>,
}

/// Place of a row among the rows that were written with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Group {
    /// Rows of the group.
    pub(super) rows: u16,
    /// Place of this row, from 0.
    pub(super) place: u16,
}

impl Group {
    /// A row that was written alone.
    pub(super) const SINGLE: Self = Self { rows: 1, place: 0 };

    /// Slot of the group's first row.
    pub(super) fn start(self, slot: u64) -> Option<u64> {
        slot.checked_sub(u64::from(self.place))
    }

    /// Whether the row after this one belongs to another group.
    pub(super) fn ends(self) -> bool {
        self.place + 1 == self.rows
    }
}

/// What stands in a slot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Found {
    /// A row.
    Row(Row, Group),
    /// Zeros: nothing was written here.
    Empty,
    /// The beginning of something, then zeros: a write that a crash cut short.
    Torn,
    /// Neither: bytes have changed.
    Damaged,
    /// The whole head of a vault of this version, which this program does not read.
    Newer(u32),
}

/// Bytes of a row in a slot.
pub(super) fn encode(slot: u64, row: &Row, group: Group) -> [u8; SLOT_BYTES] {
    let mut bytes = Vec::with_capacity(SLOT_BYTES);
    bytes.extend_from_slice(&[kind(row), 0]);
    bytes.extend_from_slice(&group.rows.to_be_bytes());
    bytes.extend_from_slice(&group.place.to_be_bytes());
    bytes.extend_from_slice(&[0, 0]);
    match row {
        Row::Head { origin, kek, cipher } => {
            let (version, named) = match (cipher, kek.cipher) {
                (Cipher::Aes256Gcm, None) => (VERSION_AES, None),
                (Cipher::Sm4Gcm, None) => (VERSION_NAMED, Some(cipher.number())),
                (_, Some(_)) => (VERSION_ELSEWHERE, Some(cipher.number())),
            };
            bytes.extend_from_slice(&MAGIC);
            bytes.extend_from_slice(&version.to_be_bytes());
            bytes.extend_from_slice(&origin.0);
            bytes.extend_from_slice(&kek.name.0);
            bytes.extend(named);
            bytes.extend(kek.cipher.map(Cipher::number));
        }
        Row::HolderKey { holder, wrapped } => {
            bytes.extend_from_slice(&holder.chain.0);
            bytes.extend(holder.subject.iter().flat_map(|subject| subject.0));
            bytes.extend_from_slice(&wrapped.0);
        }
        Row::Wrap { holder, digest, wrapped } => {
            bytes.extend_from_slice(&holder.to_be_bytes());
            bytes.extend_from_slice(&digest.0);
            bytes.extend_from_slice(&wrapped.0);
        }
        Row::Destruction { target, group, holder, digest } => {
            bytes.extend_from_slice(&target.to_be_bytes());
            bytes.extend_from_slice(&group.rows.to_be_bytes());
            bytes.extend_from_slice(&group.place.to_be_bytes());
            bytes.extend_from_slice(&holder.to_be_bytes());
            bytes.extend_from_slice(&digest.0);
        }
        Row::Destroyed { holder, digest } => {
            bytes.extend_from_slice(&holder.to_be_bytes());
            bytes.extend_from_slice(&digest.0);
        }
        Row::Seal => {}
    }
    bytes.resize(CHECKED_BYTES, 0);
    let crc = checksum(slot, &bytes);
    bytes.extend_from_slice(&crc.to_be_bytes());
    bytes.push(END_MARK);
    let mut encoded = [0; SLOT_BYTES];
    encoded.copy_from_slice(&bytes);
    encoded
}

/// Reads a slot of a file; what is behind its end is empty.
pub(super) fn read(file: &dyn DiskFile, slot: u64) -> io::Result<Found> {
    let mut bytes = [0; SLOT_BYTES];
    match file.read_exact_at(&mut bytes, slot * SLOT_BYTES_U64) {
        Ok(()) => Ok(decode(slot, &bytes)),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(Found::Empty),
        Err(error) => Err(error),
    }
}

/// What the bytes of a slot say.
pub(super) fn decode(slot: u64, bytes: &[u8; SLOT_BYTES]) -> Found {
    if *bytes == [0; SLOT_BYTES] {
        return Found::Empty;
    }
    if let Some((row, group)) = parse(slot, bytes) {
        // A row has one encoding; this also says that its spare bytes are zero.
        return if encode(slot, &row, group) == *bytes { Found::Row(row, group) } else { Found::Damaged };
    }
    match newer(slot, bytes) {
        Some(version) => Found::Newer(version),
        None if bytes.last() == Some(&0) => Found::Torn,
        None => Found::Damaged,
    }
}

/// The version of a head that is whole, and that this program does not read. Magic, version and checksum never change their
/// places.
fn newer(slot: u64, bytes: &[u8; SLOT_BYTES]) -> Option<u32> {
    let mut tail = bytes.get(CHECKED_BYTES..CRC_END)?;
    let is_whole = u32::from_be_bytes(take(&mut tail)?) == checksum(slot, bytes.get(..CHECKED_BYTES)?);
    let mut rest = bytes.as_slice();
    let [kind, _spare, _, _, _, _, _, _] = take(&mut rest)?;
    let (magic, version): ([u8; 16], u32) = (take(&mut rest)?, u32::from_be_bytes(take(&mut rest)?));
    (is_whole && kind == HEAD && magic == MAGIC && version > VERSION_ELSEWHERE).then_some(version)
}

fn parse(slot: u64, bytes: &[u8; SLOT_BYTES]) -> Option<(Row, Group)> {
    let mut tail = bytes.get(CHECKED_BYTES..CRC_END)?;
    let crc = u32::from_be_bytes(take(&mut tail)?);
    if crc != checksum(slot, bytes.get(..CHECKED_BYTES)?) || bytes.last() != Some(&END_MARK) {
        return None;
    }
    let mut rest = bytes.as_slice();
    let [kind, _spare] = take(&mut rest)?;
    let rows = u16::from_be_bytes(take(&mut rest)?);
    let place = u16::from_be_bytes(take(&mut rest)?);
    let [_, _] = take(&mut rest)?;
    if place >= rows {
        return None;
    }
    let row = match kind {
        HEAD => {
            let (magic, version): ([u8; 16], u32) = (take(&mut rest)?, u32::from_be_bytes(take(&mut rest)?));
            if magic != MAGIC {
                return None;
            }
            let (origin, name) = (Hash(take(&mut rest)?), Name(take(&mut rest)?));
            let mut named = || {
                let [number] = take(&mut rest)?;
                Cipher::of_number(u32::from(number))
            };
            let (cipher, elsewhere) = match version {
                VERSION_AES => (Cipher::Aes256Gcm, None),
                VERSION_NAMED => (named()?, None),
                VERSION_ELSEWHERE => (named()?, Some(named()?)),
                _ => return None,
            };
            Row::Head { origin, kek: Mark { name, cipher: elsewhere }, cipher }
        }
        CHAIN_KEY => {
            let holder = HolderId { chain: ChainId(take(&mut rest)?), subject: None };
            Row::HolderKey { holder, wrapped: Wrapped(take(&mut rest)?) }
        }
        SUBJECT_KEY => {
            let holder = HolderId { chain: ChainId(take(&mut rest)?), subject: Some(Hash(take(&mut rest)?)) };
            Row::HolderKey { holder, wrapped: Wrapped(take(&mut rest)?) }
        }
        WRAP => Row::Wrap {
            holder: u64::from_be_bytes(take(&mut rest)?),
            digest: Hash(take(&mut rest)?),
            wrapped: Wrapped(take(&mut rest)?),
        },
        DESTRUCTION => Row::Destruction {
            target: u64::from_be_bytes(take(&mut rest)?),
            group: Group { rows: u16::from_be_bytes(take(&mut rest)?), place: u16::from_be_bytes(take(&mut rest)?) },
            holder: u64::from_be_bytes(take(&mut rest)?),
            digest: Hash(take(&mut rest)?),
        },
        DESTROYED => Row::Destroyed { holder: u64::from_be_bytes(take(&mut rest)?), digest: Hash(take(&mut rest)?) },
        SEAL => Row::Seal,
        _ => return None,
    };
    Some((row, Group { rows, place }))
}

fn kind(row: &Row) -> u8 {
    match row {
        Row::Head { .. } => HEAD,
        Row::HolderKey { holder: HolderId { subject: None, .. }, .. } => CHAIN_KEY,
        Row::HolderKey { holder: HolderId { subject: Some(_), .. }, .. } => SUBJECT_KEY,
        Row::Wrap { .. } => WRAP,
        Row::Destruction { .. } => DESTRUCTION,
        Row::Destroyed { .. } => DESTROYED,
        Row::Seal => SEAL,
    }
}

/// The slot's number is under the checksum, so that a row in a wrong place shows.
fn checksum(slot: u64, bytes: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(&slot.to_be_bytes()), bytes)
}

fn take<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (taken, after) = rest.split_first_chunk::<N>()?;
    *rest = after;
    Some(*taken)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mark(cipher: Option<Cipher>) -> Mark {
        Mark { name: Name([3; 16]), cipher }
    }

    fn rows() -> Vec<Row> {
        let holder = |subject| HolderId { chain: ChainId([1; 16]), subject };
        let head = |cipher, elsewhere| Row::Head { origin: Hash([2; 32]), kek: mark(elsewhere), cipher };
        vec![
            head(Cipher::Aes256Gcm, None),
            head(Cipher::Sm4Gcm, None),
            head(Cipher::Aes256Gcm, Some(Cipher::Aes256Gcm)),
            head(Cipher::Sm4Gcm, Some(Cipher::Aes256Gcm)),
            Row::HolderKey { holder: holder(None), wrapped: Wrapped([4; 60]) },
            Row::HolderKey { holder: holder(Some(Hash([5; 32]))), wrapped: Wrapped([4; 60]) },
            Row::Wrap { holder: 7, digest: Hash([6; 32]), wrapped: Wrapped([4; 60]) },
            Row::Destruction { target: 8, group: Group { rows: 3, place: 1 }, holder: 7, digest: Hash([6; 32]) },
            Row::Destroyed { holder: 7, digest: Hash([6; 32]) },
            Row::Seal,
        ]
    }

    #[test]
    fn every_row_reads_as_it_was_written_and_only_in_its_place() {
        for row in rows() {
            let group = Group { rows: 300, place: 299 };
            let bytes = encode(1_000, &row, group);
            assert_eq!(decode(1_000, &bytes), Found::Row(row.clone(), group));
            assert_eq!(decode(1_001, &bytes), Found::Damaged, "{row:?}");
        }
    }

    #[test]
    fn any_changed_byte_is_noticed() {
        for row in rows() {
            let written = encode(1, &row, Group::SINGLE);
            for at in 0..SLOT_BYTES {
                for change in [0x01, 0x80, 0xff] {
                    let mut bytes = written;
                    *bytes.get_mut(at).unwrap() ^= change;
                    assert_eq!(decode(1, &bytes), Found::Damaged, "byte {at} of {row:?}");
                }
            }
        }
    }

    #[test]
    fn what_a_crash_cut_short_is_torn_and_not_damaged() {
        for row in rows() {
            let written = encode(1, &row, Group::SINGLE);
            for kept in 1..SLOT_BYTES {
                let mut bytes = written;
                bytes.iter_mut().skip(kept).for_each(|byte| *byte = 0);
                assert_eq!(decode(1, &bytes), Found::Torn, "{kept} bytes of {row:?}");
            }
        }
        assert_eq!(decode(1, &[0; SLOT_BYTES]), Found::Empty);
    }

    #[test]
    fn a_head_names_a_cipher_that_is_known_and_only_where_it_is_not_the_first_one() {
        let head = Row::Head { origin: Hash([2; 32]), kek: mark(None), cipher: Cipher::Sm4Gcm };
        let written = encode(0, &head, Group::SINGLE);
        for (named, found) in [(2, Found::Row(head, Group::SINGLE)), (1, Found::Damaged), (3, Found::Damaged)] {
            let mut bytes = written;
            *bytes.get_mut(76).unwrap() = named;
            let crc = checksum(0, bytes.get(..CHECKED_BYTES).unwrap()).to_be_bytes();
            bytes.get_mut(CHECKED_BYTES..CRC_END).unwrap().copy_from_slice(&crc);
            assert_eq!(decode(0, &bytes), found, "cipher {named}");
        }
    }

    #[test]
    fn a_whole_head_of_a_newer_version_is_told_from_damage() {
        let head = Row::Head { origin: Hash([2; 32]), kek: mark(None), cipher: Cipher::Sm4Gcm };
        let mut bytes = encode(0, &head, Group::SINGLE);
        bytes.get_mut(24..28).unwrap().copy_from_slice(&4_u32.to_be_bytes());
        assert_eq!(decode(0, &bytes), Found::Damaged, "the checksum is not its own");
        let crc = checksum(0, bytes.get(..CHECKED_BYTES).unwrap()).to_be_bytes();
        bytes.get_mut(CHECKED_BYTES..CRC_END).unwrap().copy_from_slice(&crc);
        assert_eq!(decode(0, &bytes), Found::Newer(4));
    }

    #[test]
    fn a_place_outside_of_its_group_is_no_row() {
        let bytes = encode(9, &Row::Seal, Group { rows: 2, place: 2 });
        assert_eq!(decode(9, &bytes), Found::Damaged);
    }
}
