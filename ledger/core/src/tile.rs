//! Tiles: the tree and its entries as files that never change (C2SP `tlog-tiles` v0.1.0).
//!
//! ```text
//! tile/<L>/<N>[.p/<W>]         W hashes of level L, 32 bytes each; a full tile has 256 of them
//! tile/entries/<N>[.p/<W>]     W entries, each after its length in two bytes, big endian
//!
//! hash i of tile (L, N) = root over the leaves from (256·N + i) · 256^L to (256·N + i + 1) · 256^L
//! N = 1234067 is written x001/x234/067
//! ```
//!
//! A tree of 70,000 leaves has 273 full tiles and one of 112 hashes at level 0, one full and one of 17 at level 1, and
//! one of a single hash at level 2. Only full tiles are hashed into the level above, so that what is right about a tile
//! stays right as the tree grows, and any copy of it serves.

use std::{fmt, str::FromStr};

use crate::merkle::{Tree, TreeSize};

mod entries;

#[cfg(test)]
mod tests;

pub use self::entries::{EntriesError, decode_entries, encode_entries};

/// Hashes, or entries, of a full tile.
pub const TILE_WIDTH: u16 = 256;

/// Levels of the tree that one level of tiles spans: 2^8 = 256.
const TILE_HEIGHT: u8 = 8;

/// Highest level that C2SP speaks of. A tree of 2^64 leaves ends at level 8.
pub const LEVEL_MAX: u8 = 63;

/// Bytes of a hash.
const HASH_BYTES: usize = 32;

/// What a tile holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TileContent {
    /// Hashes of a level; level 0 are the leaf hashes.
    Hashes(u8),
    /// The entries themselves: what level 0 are the hashes of.
    Entries,
}

impl TileContent {
    /// How many hashes, or entries, a tree of this size has of it.
    #[must_use]
    pub fn count(self, size: TreeSize) -> u64 {
        match self {
            Self::Entries => size.0,
            Self::Hashes(level) => size.0.checked_shr(u32::from(level) * u32::from(TILE_HEIGHT)).unwrap_or(0),
        }
    }
}

/// Names a tile. `Display` gives its path below the log's prefix.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tile {
    content: TileContent,
    index: u64,
    width: u16,
}

impl Tile {
    /// The tile of this content, place in its level, and width.
    ///
    /// # Errors
    /// [`TileError::Level`], [`TileError::Width`], [`TileError::Index`].
    pub fn new(content: TileContent, index: u64, width: u16) -> Result<Self, TileError> {
        if matches!(content, TileContent::Hashes(level) if level > LEVEL_MAX) {
            return Err(TileError::Level);
        }
        if width == 0 || width > TILE_WIDTH {
            return Err(TileError::Width);
        }
        // Beyond this the numbers of its hashes would have more than 64 bits.
        if index > u64::MAX / u64::from(TILE_WIDTH) - 1 {
            return Err(TileError::Index);
        }
        Ok(Self { content, index, width })
    }

    /// What it holds.
    #[must_use]
    pub fn content(self) -> TileContent {
        self.content
    }

    /// Hashes, or entries, in it: 1 to [`TILE_WIDTH`].
    #[must_use]
    pub fn width(self) -> u16 {
        self.width
    }

    /// Number of its first hash within the level, or of its first entry.
    #[must_use]
    pub fn start(self) -> u64 {
        self.index * u64::from(TILE_WIDTH)
    }

    /// Whether a tree of this size has all of it.
    #[must_use]
    pub fn is_in(self, size: TreeSize) -> bool {
        self.start() + u64::from(self.width) <= self.content.count(size)
    }

    /// The hashes of a tile, one after the other; `None` unless the tree has all of them, or when the tile holds
    /// entries.
    #[must_use]
    pub fn hashes(self, tree: &Tree) -> Option<Vec<u8>> {
        let TileContent::Hashes(level) = self.content else { return None };
        if !self.is_in(tree.size()) {
            return None;
        }
        let level = usize::from(level) * usize::from(TILE_HEIGHT);
        let mut bytes = Vec::with_capacity(usize::from(self.width) * HASH_BYTES);
        for place in (self.start()..).take(self.width.into()) {
            bytes.extend(tree.subtree(level, place)?.0);
        }
        Some(bytes)
    }
}

/// Width of the last tile of a content in a tree of this size: what a log must serve besides the full tiles for every
/// checkpoint that it publishes. `None` when there is no partial tile.
#[must_use]
pub fn partial_width(content: TileContent, size: TreeSize) -> Option<u16> {
    let width = content.count(size) % u64::from(TILE_WIDTH);
    u16::try_from(width).ok().filter(|width| *width > 0)
}

/// The tiles at the right edge of a tree of this size that are not full, entries first: one per level at most.
pub fn partial_tiles(size: TreeSize) -> impl Iterator<Item = Tile> {
    let levels = (0..=LEVEL_MAX).map(TileContent::Hashes).take_while(move |content| content.count(size) > 0);
    std::iter::once(TileContent::Entries).chain(levels).filter_map(move |content| {
        let width = partial_width(content, size)?;
        Tile::new(content, content.count(size) / u64::from(TILE_WIDTH), width).ok()
    })
}

impl fmt::Display for Tile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.content {
            TileContent::Hashes(level) => write!(f, "tile/{level}/")?,
            TileContent::Entries => f.write_str("tile/entries/")?,
        }
        let groups = std::iter::successors(Some(self.index), |rest| (*rest >= GROUP).then_some(rest / GROUP));
        let groups: Vec<u64> = groups.map(|rest| rest % GROUP).collect();
        let (last, before) = groups.split_first().unwrap_or((&0, &[]));
        before.iter().rev().try_for_each(|group| write!(f, "x{group:03}/"))?;
        write!(f, "{last:03}")?;
        if self.width < TILE_WIDTH { write!(f, ".p/{}", self.width) } else { Ok(()) }
    }
}

impl FromStr for Tile {
    type Err = TileError;

    /// Reads a path in its one form.
    fn from_str(path: &str) -> Result<Self, TileError> {
        if path.len() > PATH_BYTES_MAX {
            return Err(TileError::Form);
        }
        let rest = path.strip_prefix("tile/").ok_or(TileError::Form)?;
        let (level, place) = rest.split_once('/').ok_or(TileError::Form)?;
        let content = match level {
            "entries" => TileContent::Entries,
            level => TileContent::Hashes(number(level).ok_or(TileError::Level)?),
        };
        let (groups, width) = match place.split_once(".p/") {
            Some((groups, width)) => {
                (groups, number(width).filter(|width| *width < TILE_WIDTH).ok_or(TileError::Width)?)
            }
            None => (place, TILE_WIDTH),
        };
        let tile = Self::new(content, index(groups).ok_or(TileError::Index)?, width)?;
        // Groups of zeros in front would give one tile several paths.
        if tile.to_string() == path { Ok(tile) } else { Err(TileError::Index) }
    }
}

/// Why text is not the path of a tile.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TileError {
    /// Not of the form of a path.
    #[error("the path is not `tile/<level>/<index>` or `tile/entries/<index>`")]
    Form,
    /// No level.
    #[error("the level is not a number from 0 to {LEVEL_MAX} without leading zeros")]
    Level,
    /// No index.
    #[error("the index is not in groups of three digits, all but the last after an `x`")]
    Index,
    /// No width.
    #[error("the width is not a number from 1 to 255 without leading zeros")]
    Width,
}

/// Numbers that one element of a path tells apart.
const GROUP: u64 = 1000;

/// Bytes of the longest path: level, seven groups, width.
const PATH_BYTES_MAX: usize = 64;

fn index(groups: &str) -> Option<u64> {
    let (before, last) = groups.rsplit_once('/').map_or((None, groups), |(before, last)| (Some(before), last));
    let before = before.into_iter().flat_map(|before| before.split('/')).map(|group| group.strip_prefix('x'));
    before.chain([Some(last)]).try_fold(0_u64, |index, group| {
        let group = group.filter(|group| group.len() == 3 && group.bytes().all(|byte| byte.is_ascii_digit()))?;
        index.checked_mul(GROUP)?.checked_add(group.parse().ok()?)
    })
}

/// A decimal number in its one form.
fn number<T: FromStr + ToString>(text: &str) -> Option<T> {
    text.parse::<T>().ok().filter(|number| number.to_string() == text)
}
