//! The bytes a log stores for one entry: the Merkle leaf and the encrypted parts; and the leaf hash of any bytes at all.
//!
//! ```text
//! record = protobuf { entry bytes, stored parts[] }
//! leaf   = entry bytes                                         when the record is well-formed
//!        = "mediation-ledger/foreign/v1" 0x00 | SHA-256(record)  when it is not
//! ```
//!
//! Whoever holds write credentials of a shared engine can append garbage. Garbage takes a number too, and every reader
//! computes the same leaf for it, so that nobody can hide an act behind it.

use bytes::Bytes;
use mediation_proto::mediation::ledger::v1 as proto;
use prost::Message as _;
use sha2::{Digest as _, Sha256};

use crate::{
    limits::{ENTRY_BYTES_MAX, RECORD_BYTES_MAX},
    merkle::{Hash, hash_leaf},
};

/// Domain of the marker leaf that stands for foreign bytes.
const FOREIGN_DOMAIN: &[u8] = b"mediation-ledger/foreign/v1\0";

/// A record, taken apart.
#[derive(Debug, Clone, PartialEq)]
pub struct Record {
    /// The Merkle leaf, byte for byte.
    pub entry: Bytes,
    /// Encrypted parts, in the order of the commitments.
    pub parts: Vec<proto::StoredPart>,
}

impl Record {
    /// Takes bytes apart; `None` when they are not a record in its one canonical encoding.
    #[must_use]
    pub fn parse(bytes: &Bytes) -> Option<Self> {
        if bytes.len() > RECORD_BYTES_MAX {
            return None;
        }
        let message = proto::Record::decode(bytes.clone()).ok()?;
        let canonical = crate::statement::encode(&message) == *bytes;
        let bounded = !message.entry.is_empty() && message.entry.len() <= ENTRY_BYTES_MAX;
        (canonical && bounded).then_some(Self { entry: message.entry, parts: message.parts })
    }

    /// Puts a record together.
    #[must_use]
    pub fn to_bytes(&self) -> Bytes {
        let message = proto::Record { entry: self.entry.clone(), parts: self.parts.clone() };
        crate::statement::encode(&message).into()
    }
}

/// Leaf of a record, whatever its bytes.
#[must_use]
pub fn leaf_hash(record: &Bytes) -> Hash {
    hash_leaf(&leaf_bytes(record))
}

/// The bytes under a record's leaf hash: its entry, or the marker that stands for foreign bytes. Whoever is given them
/// can check the leaf's inclusion, whatever was stored.
#[must_use]
pub fn leaf_bytes(record: &Bytes) -> Bytes {
    Record::parse(record).map_or_else(|| foreign_leaf(record), |record| record.entry)
}

/// Whether a leaf's bytes are the marker that stands for foreign bytes.
#[must_use]
pub fn is_foreign_leaf(leaf: &[u8]) -> bool {
    leaf.strip_prefix(FOREIGN_DOMAIN).is_some_and(|digest| digest.len() == FOREIGN_DIGEST_BYTES)
}

const FOREIGN_DIGEST_BYTES: usize = 32;

fn foreign_leaf(record: &[u8]) -> Bytes {
    let digest: [u8; FOREIGN_DIGEST_BYTES] = Sha256::digest(record).into();
    [FOREIGN_DOMAIN, digest.as_slice()].concat().into()
}
