//! An entry: statement, signatures and recorded time — the bytes of one Merkle leaf.

use bytes::Bytes;
use mediation_proto::mediation::ledger::v1 as proto;
use prost::Message as _;

use crate::{
    key::KeyId,
    limits::{ENTRY_BYTES_MAX, SIGNATURES_MAX},
    statement::encode,
};

/// One signature over a statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signature {
    /// Key that signed.
    pub key_id: KeyId,
    /// Signature value.
    pub value: Bytes,
}

/// An entry, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The signed bytes.
    pub statement: Bytes,
    /// Signatures, sorted by key id, none twice.
    pub signatures: Vec<Signature>,
    /// The desk's word: milliseconds since 1970-01-01T00:00:00Z.
    pub recorded_at: i64,
}

impl Entry {
    /// The leaf's bytes. Sorts the signatures.
    #[must_use]
    pub fn to_bytes(mut self) -> Bytes {
        self.signatures.sort_by_key(|signature| signature.key_id);
        let signatures = self
            .signatures
            .into_iter()
            .map(|signature| proto::Signature {
                key_id: Bytes::copy_from_slice(&signature.key_id.0),
                value: signature.value,
            })
            .collect();
        encode(&proto::Entry { statement: self.statement, signatures, recorded_at: self.recorded_at }).into()
    }

    /// Reads a leaf's bytes.
    ///
    /// # Errors
    /// The first thing that is wrong with them.
    pub fn parse(bytes: &Bytes) -> Result<Self, EntryError> {
        if bytes.len() > ENTRY_BYTES_MAX {
            return Err(EntryError::TooLarge { size: bytes.len() });
        }
        let message = proto::Entry::decode(bytes.clone()).map_err(EntryError::NotProtobuf)?;
        if encode(&message) != *bytes {
            return Err(EntryError::NotCanonical);
        }
        if message.signatures.is_empty() || message.signatures.len() > SIGNATURES_MAX {
            return Err(EntryError::SignatureCount { count: message.signatures.len() });
        }
        let signatures = message
            .signatures
            .into_iter()
            .map(|signature| {
                let key_id = signature.key_id.as_ref().try_into().map_err(|_| EntryError::KeyIdLength)?;
                Ok(Signature { key_id: KeyId(key_id), value: signature.value })
            })
            .collect::<Result<Vec<_>, EntryError>>()?;
        if !signatures.windows(2).all(|pair| pair.first().map(|one| one.key_id) < pair.last().map(|one| one.key_id)) {
            return Err(EntryError::SignaturesDisordered);
        }
        Ok(Self { statement: message.statement, signatures, recorded_at: message.recorded_at })
    }
}

/// Why bytes are not an entry.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EntryError {
    /// Too many bytes.
    #[error("an entry of {size} bytes is larger than {ENTRY_BYTES_MAX}")]
    TooLarge {
        /// Size in bytes.
        size: usize,
    },
    /// Not protobuf.
    #[error("the entry is not protobuf")]
    NotProtobuf(#[source] prost::DecodeError),
    /// Unknown fields, defaults written out, or fields out of order.
    #[error("the entry is not in its canonical encoding")]
    NotCanonical,
    /// No signature, or too many.
    #[error("{count} signatures, not 1 to {SIGNATURES_MAX}")]
    SignatureCount {
        /// Number of signatures.
        count: usize,
    },
    /// A key id is not 32 bytes long.
    #[error("a key id is not 32 bytes long")]
    KeyIdLength,
    /// Signatures are not sorted by key id, or a key signed twice.
    #[error("the signatures are not sorted by key id, each key once")]
    SignaturesDisordered,
}
