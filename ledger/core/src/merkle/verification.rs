//! Checking the two proofs, with nothing but hashes in hand (RFC 9162 §2.1.3.2 and §2.1.4.2).
//!
//! Both walk from a node near the bottom to the root. The walk has two stretches:
//!
//! - *inner*: below the point where the walk meets the right edge of the tree. A bit of the index says on which side the
//!   sibling stands.
//! - *border*: along the right edge. Every sibling stands on the left, and levels without one are skipped.

use super::{Hash, LeafIndex, ProofError, Sha256Tree, TreeHasher, TreeSize};

/// Checks that the tree of this size and root holds this leaf hash under this number.
///
/// # Errors
/// [`ProofError::IndexOutOfRange`], [`ProofError::WrongLength`], [`ProofError::RootMismatch`].
pub fn verify_inclusion(
    leaf: Hash,
    index: LeafIndex,
    size: TreeSize,
    path: &[Hash],
    root: Hash,
) -> Result<(), ProofError> {
    verify_inclusion_by::<Sha256Tree>(leaf, index, size, path, root)
}

/// As [`verify_inclusion`], in a tree over this hash.
///
/// # Errors
/// As [`verify_inclusion`].
pub fn verify_inclusion_by<H: TreeHasher>(
    leaf: Hash,
    index: LeafIndex,
    size: TreeSize,
    path: &[Hash],
    root: Hash,
) -> Result<(), ProofError> {
    if index.0 >= size.0 {
        return Err(ProofError::IndexOutOfRange { index, size });
    }
    let walk = Walk::new(index.0, size.0);
    let wrong_length = ProofError::WrongLength { expected: walk.length(), found: path.len() };
    let (inner, border) = walk.split(path).ok_or(wrong_length)?;
    let computed = climb_border::<H>(climb_inner::<H>(leaf, inner, index.0), border);
    if computed == root { Ok(()) } else { Err(ProofError::RootMismatch { computed, claimed: root }) }
}

/// Checks that the newer tree begins with all leaves of the older one, in the same order.
///
/// From an empty older tree the path is empty, and nothing is said about the newer tree.
///
/// # Errors
/// [`ProofError::SizesDisordered`], [`ProofError::WrongLength`], [`ProofError::OldRootMismatch`],
/// [`ProofError::RootMismatch`].
pub fn verify_consistency(
    old: TreeSize,
    old_root: Hash,
    new: TreeSize,
    new_root: Hash,
    path: &[Hash],
) -> Result<(), ProofError> {
    verify_consistency_by::<Sha256Tree>(old, old_root, new, new_root, path)
}

/// As [`verify_consistency`], of trees over this hash.
///
/// # Errors
/// As [`verify_consistency`].
pub fn verify_consistency_by<H: TreeHasher>(
    old: TreeSize,
    old_root: Hash,
    new: TreeSize,
    new_root: Hash,
    path: &[Hash],
) -> Result<(), ProofError> {
    if old > new {
        return Err(ProofError::SizesDisordered { old, new });
    }
    if old.0 == 0 || old == new {
        return verify_without_path::<H>(old, old_root, new, new_root, path);
    }

    // The walk starts at the last complete subtree of the older tree, `level` above the leaves. Only when that subtree
    // is the whole older tree is its hash known and left out of the path.
    let level = old.0.trailing_zeros();
    let last = (old.0 - 1) >> level;
    let walk = Walk::new(last, ((new.0 - 1) >> level) + 1);
    let known = old.0.is_power_of_two();
    let wrong_length = ProofError::WrongLength { expected: walk.length() + usize::from(!known), found: path.len() };
    let (start, rest) = if known {
        (old_root, path)
    } else {
        let (first, rest) = path.split_first().ok_or(wrong_length)?;
        (*first, rest)
    };
    let (inner, border) = walk.split(rest).ok_or(wrong_length)?;

    // The older root joins only what stands on the left: nothing right of the last subtree was there yet.
    let computed = climb_border::<H>(climb_inner_left::<H>(start, inner, last), border);
    if computed != old_root {
        return Err(ProofError::OldRootMismatch { computed, claimed: old_root });
    }
    let computed = climb_border::<H>(climb_inner::<H>(start, inner, last), border);
    if computed == new_root { Ok(()) } else { Err(ProofError::RootMismatch { computed, claimed: new_root }) }
}

/// The two cases in which the roots alone decide: the older tree is empty, or both are of one size.
fn verify_without_path<H: TreeHasher>(
    old: TreeSize,
    old_root: Hash,
    new: TreeSize,
    new_root: Hash,
    path: &[Hash],
) -> Result<(), ProofError> {
    if !path.is_empty() {
        return Err(ProofError::WrongLength { expected: 0, found: path.len() });
    }
    if old.0 == 0 && old_root != H::EMPTY_TREE {
        return Err(ProofError::OldRootMismatch { computed: H::EMPTY_TREE, claimed: old_root });
    }
    if old == new && old_root != new_root {
        return Err(ProofError::RootMismatch { computed: old_root, claimed: new_root });
    }
    Ok(())
}

/// Lengths of the two stretches from a leaf to the root.
#[derive(Clone, Copy)]
struct Walk {
    inner: usize,
    border: usize,
}

impl Walk {
    /// The walk from leaf `index` of a tree of `size > index` leaves.
    fn new(index: u64, size: u64) -> Self {
        // The walk meets the right edge where its number and that of the last leaf become the same.
        let inner = u64::BITS - (index ^ (size - 1)).leading_zeros();
        let border = index.checked_shr(inner).unwrap_or(0).count_ones();
        Self { inner: inner as usize, border: border as usize }
    }

    fn length(self) -> usize {
        self.inner + self.border
    }

    /// The hashes of each stretch; `None` unless there are exactly as many as the walk needs.
    fn split(self, path: &[Hash]) -> Option<(&[Hash], &[Hash])> {
        path.split_at_checked(self.inner).filter(|(_, border)| border.len() == self.border)
    }
}

fn climb_inner<H: TreeHasher>(start: Hash, siblings: &[Hash], index: u64) -> Hash {
    siblings.iter().zip(0_u32..).fold(start, |node, (&sibling, level)| {
        if is_right(index, level) { H::node(sibling, node) } else { H::node(node, sibling) }
    })
}

fn climb_inner_left<H: TreeHasher>(start: Hash, siblings: &[Hash], index: u64) -> Hash {
    siblings
        .iter()
        .zip(0_u32..)
        .fold(start, |node, (&sibling, level)| if is_right(index, level) { H::node(sibling, node) } else { node })
}

fn climb_border<H: TreeHasher>(start: Hash, siblings: &[Hash]) -> Hash {
    siblings.iter().fold(start, |node, &sibling| H::node(sibling, node))
}

/// Whether the node at this level above leaf `index` is its parent's right child. A walk has at most 64 levels.
fn is_right(index: u64, level: u32) -> bool {
    (index >> level) & 1 == 1
}
