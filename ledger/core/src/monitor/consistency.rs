//! Consistency from tiles: which tiles two sizes need, and what they prove.
//!
//! The root of the older tree is computed from the tiles of the newer one, and proved to be its beginning by a path that
//! comes from the same tiles. So there are three ends: the tiles are not of the newer checkpoint's tree; they are, and the
//! tree begins as the older checkpoint says; they are, and it does not. In the last case path and computed root prove to
//! everybody that the log's key has signed two trees.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    checkpoint::Checkpoint,
    merkle::{Hash, TreeSize, hash_node, verify_consistency},
    monitor::Alarm,
    tile::{TILE_WIDTH, Tile, TileContent},
};

/// Levels of the tree in one level of tiles.
const TILE_HEIGHT: u32 = 8;

/// Hashes of tiles of a tree, as they were fetched; nothing is believed yet.
#[derive(Debug, Clone, Default)]
pub struct TileHashes(BTreeMap<Tile, Vec<Hash>>);

impl TileHashes {
    /// The tiles that are needed to compare a smaller tree with a larger: some for each level.
    #[must_use]
    pub fn needed(old: TreeSize, new: TreeSize) -> BTreeSet<Tile> {
        let ranges = path(old, new).into_iter().chain([(0, old.0)]);
        ranges.flat_map(|(begin, end)| subtrees(begin, end)).filter_map(|subtree| subtree.tile(new)).collect()
    }

    /// Takes a tile.
    ///
    /// # Errors
    /// [`TilesError::Length`].
    pub fn insert(&mut self, tile: Tile, bytes: &[u8]) -> Result<(), TilesError> {
        let (hashes, rest) = bytes.as_chunks::<32>();
        if hashes.len() != usize::from(tile.width()) || !rest.is_empty() {
            return Err(TilesError::Length { expected: usize::from(tile.width()) * 32, found: bytes.len() });
        }
        self.0.insert(tile, hashes.iter().copied().map(Hash).collect());
        Ok(())
    }

    /// Compares two checkpoints of which the older is not the larger. Answers the consistency path.
    ///
    /// # Errors
    /// [`Alarm::Inconsistent`] together with the path that proves it; [`Alarm::Tile`].
    pub fn compare(&self, old: &Checkpoint, new: &Checkpoint) -> Result<Vec<Hash>, (Alarm, Vec<Hash>)> {
        let differ = |found| Alarm::Inconsistent { size: old.size, kept: old.root, found };
        if old.size == new.size {
            let same = old.root == new.root;
            return if same { Ok(Vec::new()) } else { Err((differ(new.root), Vec::new())) };
        }
        let wrong = |cause: &str| (Alarm::Tile { tile: "tile".to_owned(), cause: cause.to_owned() }, Vec::new());
        let hashes: Option<Vec<Hash>> =
            path(old.size, new.size).into_iter().map(|(begin, end)| self.range(begin, end, new.size)).collect();
        let begins = if old.size == TreeSize(0) { Some(Hash::EMPTY_TREE) } else { self.range(0, old.size.0, new.size) };
        let (Some(hashes), Some(begins)) = (hashes, begins) else { return Err(wrong("a tile is missing")) };
        if let Err(error) = verify_consistency(old.size, begins, new.size, new.root, &hashes) {
            return Err(wrong(&format!("the hashes are not of the signed tree: {error}")));
        }
        if begins == old.root { Ok(hashes) } else { Err((differ(begins), hashes)) }
    }

    fn range(&self, begin: u64, end: u64, size: TreeSize) -> Option<Hash> {
        let hashes: Option<Vec<Hash>> =
            subtrees(begin, end).into_iter().map(|subtree| self.subtree(subtree, size)).collect();
        hashes?.into_iter().rev().reduce(|right, left| hash_node(left, right))
    }

    fn subtree(&self, subtree: Subtree, size: TreeSize) -> Option<Hash> {
        let tile = subtree.tile(size)?;
        let width = 1_u64 << (subtree.level % TILE_HEIGHT);
        let from = usize::try_from((subtree.index * width).checked_sub(tile.start())?).ok()?;
        let mut hashes = self.0.get(&tile)?.get(from..from + usize::try_from(width).ok()?)?.to_vec();
        while hashes.len() > 1 {
            hashes = hashes.as_chunks::<2>().0.iter().map(|[left, right]| hash_node(*left, *right)).collect();
        }
        hashes.first().copied()
    }
}

/// A complete subtree: 2^level leaves, the index counted in such.
#[derive(Debug, Clone, Copy)]
struct Subtree {
    level: u32,
    index: u64,
}

impl Subtree {
    /// The tile that holds what it is computed from, as wide as a tree of this size has it.
    fn tile(self, size: TreeSize) -> Option<Tile> {
        let content = TileContent::Hashes(u8::try_from(self.level / TILE_HEIGHT).ok()?);
        let index = (self.index << (self.level % TILE_HEIGHT)) / u64::from(TILE_WIDTH);
        let rest = content.count(size).checked_sub(index * u64::from(TILE_WIDTH))?;
        Tile::new(content, index, u16::try_from(rest.min(TILE_WIDTH.into())).ok()?).ok()
    }
}

/// The complete subtrees of a range of leaves that begins where a subtree as large as it may begin, from the left.
fn subtrees(mut begin: u64, end: u64) -> Vec<Subtree> {
    let mut subtrees = Vec::new();
    while begin < end {
        let level = (end - begin).ilog2();
        subtrees.push(Subtree { level, index: begin >> level });
        begin += 1 << level;
    }
    subtrees
}

/// Ranges of leaves whose hashes are the consistency path (RFC 6962 §2.1.2), as [`crate::merkle::Tree`] makes it.
fn path(old: TreeSize, new: TreeSize) -> Vec<(u64, u64)> {
    let mut path = Vec::new();
    let (mut begin, mut end) = (0, new.0);
    if old.0 == 0 || old.0 >= new.0 {
        return path;
    }
    while end > old.0 {
        let middle = begin + (1 << (end - begin - 1).ilog2());
        if old.0 <= middle {
            path.push((middle, end));
            end = middle;
        } else {
            path.push((begin, middle));
            begin = middle;
        }
    }
    if begin > 0 {
        path.push((begin, end));
    }
    path.reverse();
    path
}

/// Why bytes are not a tile.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TilesError {
    /// Another number of bytes than its width asks for.
    #[error("the tile has {found} bytes, not {expected}")]
    Length {
        /// Bytes that it must have.
        expected: usize,
        /// Bytes that it has.
        found: usize,
    },
}
