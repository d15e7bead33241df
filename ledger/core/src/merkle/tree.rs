//! The tree in memory, with the hash of every complete subtree.

use std::{fmt, marker::PhantomData};

use super::{Hash, LeafIndex, ProofError, Sha256Tree, TreeHasher, TreeSize, join};

/// Level of the smallest subtrees, above the leaves, whose hashes are kept. Those of the levels between are made of at most
/// eight leaves when they are asked for, which takes less than a microsecond.
const KEPT_FROM: usize = 4;

/// Leaves of the smallest subtrees that are kept.
const KEPT_WIDTH: usize = 1 << KEPT_FROM;

/// A Merkle tree that grows at its right edge and keeps its leaves and the hashes of the larger subtrees: 36 bytes a leaf.
///
/// Appending costs one node hash on average; roots and proofs, of the present size or any earlier one, at most one
/// hash per level, and a dozen more.
#[derive(Clone, Default)]
pub struct Tree<H = Sha256Tree> {
    leaves: Vec<Hash>,
    /// `kept[k][i]` is the root over the leaves from `i · 2^(k + 4)` to `(i + 1) · 2^(k + 4)`, kept once all of them are
    /// there.
    kept: Vec<Vec<Hash>>,
    hasher: PhantomData<H>,
}

impl Tree {
    /// A tree without leaves, over SHA-256; one over another hash is made by `default`.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }
}

impl<H: TreeHasher> Tree<H> {
    /// Number of leaves.
    #[must_use]
    pub fn size(&self) -> TreeSize {
        TreeSize(self.leaves.len() as u64)
    }

    /// Adds a leaf hash at the right edge. Answers the leaf's number.
    pub fn append(&mut self, leaf: Hash) -> LeafIndex {
        let index = LeafIndex(self.size().0);
        self.leaves.push(leaf);
        let last = self.leaves.last_chunk::<KEPT_WIDTH>().filter(|_| self.leaves.len().is_multiple_of(KEPT_WIDTH));
        let mut completed = last.map(|leaves| over::<H>(leaves));
        for level in &mut self.kept {
            let Some(hash) = completed else { return index };
            level.push(hash);
            completed = match level.as_slice() {
                [.., left, right] if level.len().is_multiple_of(2) => Some(H::node(*left, *right)),
                _ => None,
            };
        }
        self.kept.extend(completed.map(|hash| vec![hash]));
        index
    }

    /// Root over all leaves.
    #[must_use]
    pub fn root(&self) -> Hash {
        self.range(0, self.size().0)
    }

    /// Root the tree had when it had this size.
    ///
    /// # Errors
    /// [`ProofError::SizeOutOfRange`].
    pub fn root_at(&self, size: TreeSize) -> Result<Hash, ProofError> {
        self.check_size(size)?;
        Ok(self.range(0, size.0))
    }

    /// Root over the `2^level` leaves from `index · 2^level` on; `None` unless all of them are there. Level 0 are the
    /// leaves.
    #[must_use]
    pub fn subtree(&self, level: usize, index: u64) -> Option<Hash> {
        let index = usize::try_from(index).ok()?;
        if let Some(level) = level.checked_sub(KEPT_FROM) {
            return self.kept.get(level)?.get(index).copied();
        }
        let width = 1 << level;
        let begin = index.checked_mul(width)?;
        self.leaves.get(begin..begin.checked_add(width)?).map(over::<H>)
    }

    /// Hashes that lead from a leaf to the root of the tree of this size, the leaf's sibling first (RFC 6962 §2.1.1).
    ///
    /// # Errors
    /// [`ProofError::SizeOutOfRange`], [`ProofError::IndexOutOfRange`].
    pub fn inclusion_path(&self, index: LeafIndex, size: TreeSize) -> Result<Vec<Hash>, ProofError> {
        self.check_size(size)?;
        if index.0 >= size.0 {
            return Err(ProofError::IndexOutOfRange { index, size });
        }
        let mut path = Vec::new();
        let (mut begin, mut end) = (0, size.0);
        while end - begin > 1 {
            let middle = begin + left_width(end - begin);
            if index.0 < middle {
                path.push(self.range(middle, end));
                end = middle;
            } else {
                path.push(self.range(begin, middle));
                begin = middle;
            }
        }
        path.reverse();
        Ok(path)
    }

    /// Hashes that show the tree of size `new` to begin with the tree of size `old` (RFC 6962 §2.1.2). Empty when the
    /// sizes are equal, and when the older tree is empty: every tree begins with nothing.
    ///
    /// # Errors
    /// [`ProofError::SizeOutOfRange`], [`ProofError::SizesDisordered`].
    pub fn consistency_path(&self, old: TreeSize, new: TreeSize) -> Result<Vec<Hash>, ProofError> {
        self.check_size(new)?;
        if old > new {
            return Err(ProofError::SizesDisordered { old, new });
        }
        if old.0 == 0 {
            return Ok(Vec::new());
        }
        let mut path = Vec::new();
        let (mut begin, mut end) = (0, new.0);
        while end > old.0 {
            let middle = begin + left_width(end - begin);
            if old.0 <= middle {
                path.push(self.range(middle, end));
                end = middle;
            } else {
                path.push(self.range(begin, middle));
                begin = middle;
            }
        }
        // What is left is the last subtree of the older tree. The verifier has its hash only when it is all of it.
        if begin > 0 {
            path.push(self.range(begin, end));
        }
        path.reverse();
        Ok(path)
    }

    fn check_size(&self, size: TreeSize) -> Result<(), ProofError> {
        let grown = self.size();
        if size > grown { Err(ProofError::SizeOutOfRange { size, grown }) } else { Ok(()) }
    }

    /// Root over the leaves from `begin` to before `end`. `begin` must be a multiple of a power of two that is not below
    /// the width; then the range falls into one complete subtree for every bit of its width.
    fn range(&self, begin: u64, end: u64) -> Hash {
        let width = end - begin;
        debug_assert!(begin.is_multiple_of(width.next_power_of_two()), "the range is no node of a tree");
        let levels = (0..u64::BITS).filter(|level| (width >> level) & 1 == 1);
        join::<H>(levels.map(|level| self.complete(level, (end >> level) - 1)))
    }

    #[expect(clippy::expect_used, reason = "only complete subtrees of a checked size are asked for")]
    fn complete(&self, level: u32, index: u64) -> Hash {
        self.subtree(level as usize, index).expect("the tree has all leaves of the subtree")
    }
}

/// Root over leaves, a power of two of them.
fn over<H: TreeHasher>(leaves: &[Hash]) -> Hash {
    match leaves {
        // Nobody asks for the root over none.
        [] => Hash::ZERO,
        [leaf] => *leaf,
        [left, right] => H::node(*left, *right),
        _ => {
            let (left, right) = leaves.split_at(leaves.len() / 2);
            H::node(over::<H>(left), over::<H>(right))
        }
    }
}

impl<H: TreeHasher> FromIterator<Hash> for Tree<H> {
    fn from_iter<I: IntoIterator<Item = Hash>>(leaves: I) -> Self {
        let mut tree = Self::default();
        for leaf in leaves {
            tree.append(leaf);
        }
        tree
    }
}

impl<H: TreeHasher> fmt::Debug for Tree<H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tree").field("size", &self.size()).field("root", &self.root()).finish()
    }
}

/// Leaves in the left half of a tree of `width > 1` leaves: the largest power of two below the width.
fn left_width(width: u64) -> u64 {
    1 << (width - 1).ilog2()
}
