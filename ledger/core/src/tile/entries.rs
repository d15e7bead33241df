//! Entry bundles: the entries of one tile, each after its length.

use bytes::Bytes;

use super::TILE_WIDTH;
use crate::limits::ENTRY_BYTES_MAX;

/// Puts the entries of a tile together.
///
/// # Errors
/// [`EntriesError::TooMany`], [`EntriesError::TooLarge`].
pub fn encode_entries<'e>(entries: impl IntoIterator<Item = &'e [u8]>) -> Result<Vec<u8>, EntriesError> {
    let mut bytes = Vec::new();
    for (place, entry) in entries.into_iter().enumerate() {
        if place >= usize::from(TILE_WIDTH) {
            return Err(EntriesError::TooMany);
        }
        let length = u16::try_from(entry.len()).map_err(|_| EntriesError::TooLarge { size: entry.len() })?;
        bytes.extend(length.to_be_bytes());
        bytes.extend(entry);
    }
    Ok(bytes)
}

/// Takes apart what a tile of this width must hold.
///
/// # Errors
/// [`EntriesError::Truncated`], [`EntriesError::Trailing`].
pub fn decode_entries(bytes: &Bytes, width: u16) -> Result<Vec<Bytes>, EntriesError> {
    let mut entries = Vec::with_capacity(width.into());
    let mut at = 0;
    for place in 0..width {
        let truncated = EntriesError::Truncated { place };
        let (length, _) = bytes.get(at..).and_then(<[u8]>::split_first_chunk).ok_or(truncated)?;
        let start = at + length.len();
        let end = start + usize::from(u16::from_be_bytes(*length));
        if end > bytes.len() {
            return Err(truncated);
        }
        entries.push(bytes.slice(start..end));
        at = end;
    }
    if at == bytes.len() { Ok(entries) } else { Err(EntriesError::Trailing { bytes: bytes.len() - at }) }
}

/// Why entries do not make a bundle, or bytes are none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EntriesError {
    /// More than a tile holds.
    #[error("a tile holds at most {TILE_WIDTH} entries")]
    TooMany,
    /// An entry whose length two bytes cannot give.
    #[error("an entry of {size} bytes is larger than {ENTRY_BYTES_MAX}")]
    TooLarge {
        /// Size in bytes.
        size: usize,
    },
    /// The bytes end within an entry.
    #[error("the bundle ends within entry {place}")]
    Truncated {
        /// Number of the entry within the bundle, from 0.
        place: u16,
    },
    /// Bytes follow the last entry.
    #[error("{bytes} bytes follow the last entry")]
    Trailing {
        /// Their number.
        bytes: usize,
    },
}
