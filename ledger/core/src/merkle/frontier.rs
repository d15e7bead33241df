//! The right edge of a tree: enough to append and to know the root.

use std::marker::PhantomData;

use super::{Hash, LeafIndex, ProofError, Sha256Tree, TreeHasher, TreeSize, join};

/// The complete subtrees that a tree falls into: at most 64 hashes, whatever its size. Makes roots, no proofs.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Frontier<H = Sha256Tree> {
    size: TreeSize,
    /// One hash for every bit of the size, the largest subtree first.
    subtrees: Vec<Hash>,
    hasher: PhantomData<H>,
}

impl Frontier {
    /// The frontier of the empty tree, over SHA-256; one over another hash is made by `default`.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The frontier that was kept as these hashes.
    ///
    /// # Errors
    /// [`ProofError::WrongLength`]: a tree of this size has another number of complete subtrees.
    pub fn restore(size: TreeSize, subtrees: Vec<Hash>) -> Result<Self, ProofError> {
        let expected = size.0.count_ones() as usize;
        if subtrees.len() != expected {
            return Err(ProofError::WrongLength { expected, found: subtrees.len() });
        }
        Ok(Self { size, subtrees, hasher: PhantomData })
    }
}

impl<H: TreeHasher> Frontier<H> {
    /// Number of leaves.
    #[must_use]
    pub fn size(&self) -> TreeSize {
        self.size
    }

    /// Hashes of the complete subtrees, the largest first; [`Frontier::restore`] takes them back.
    #[must_use]
    pub fn subtrees(&self) -> &[Hash] {
        &self.subtrees
    }

    /// Adds a leaf hash at the right edge. Answers the leaf's number.
    pub fn append(&mut self, leaf: Hash) -> LeafIndex {
        let index = LeafIndex(self.size.0);
        let mut subtree = leaf;
        // Like a carry in binary addition: every trailing one of the size is a subtree as large as the new one.
        for _ in 0..self.size.0.trailing_ones() {
            let Some(left) = self.subtrees.pop() else { break };
            subtree = H::node(left, subtree);
        }
        self.subtrees.push(subtree);
        self.size.0 += 1;
        index
    }

    /// Root over all leaves.
    #[must_use]
    pub fn root(&self) -> Hash {
        join::<H>(self.subtrees.iter().rev().copied())
    }
}
