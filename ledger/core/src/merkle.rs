//! The Merkle tree of RFC 6962 §2.1 over SHA-256, or SM3: hashes, the tree, and the two proofs.
//!
//! ```text
//! empty tree = H("")                      H = SHA-256; in the twin tree SM3, over the same entry bytes
//! leaf       = H(0x00 | entry bytes)
//! node       = H(0x01 | left | right)     left holds the largest power of two of leaves below the size
//!
//!         root(7)
//!        /       \
//!       .         .          inclusion of 3 in 7: [2] [0,1] [4..6]      siblings, from the leaf up
//!      / \       / \         consistency 3 → 7:   [2] [3] [0,1] [4..6]  what rebuilds both roots
//!     .   .     .   6
//!    / \ / \   / \
//!    0 1 2 3   4 5
//! ```
//!
//! [`Tree`] makes proofs, [`Frontier`] only roots; [`verify_inclusion`] and [`verify_consistency`] need neither. The
//! prefixes keep a node from being passed off as an entry. A root does not say how many leaves it covers, nor by which
//! hash: a proof means something only next to a size and a root that somebody signed, see [`crate::checkpoint`].
//! Everything that does not say otherwise is over SHA-256.

use std::{fmt, str::FromStr};

use base64::{Engine as _, engine::general_purpose::STANDARD};

mod frontier;
mod hasher;
mod tree;
mod verification;

#[cfg(test)]
mod tests;

pub use self::{
    frontier::Frontier,
    hasher::{Sha256Tree, Sm3Tree, TreeHasher},
    tree::Tree,
    verification::{verify_consistency, verify_consistency_by, verify_inclusion, verify_inclusion_by},
};

/// A digest of 32 bytes: of SHA-256, in the twin tree of SM3. Shown as 64 lower case hex digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Hash(pub [u8; 32]);

impl Hash {
    /// Stands where there is nothing to point at, such as before the first entry of a chain.
    pub const ZERO: Self = Self([0; 32]);

    /// Root of the tree without leaves: SHA-256 of no bytes.
    pub const EMPTY_TREE: Self = Self([
        0xe3, 0xb0, 0xc4, 0x42, 0x98, 0xfc, 0x1c, 0x14, 0x9a, 0xfb, 0xf4, 0xc8, 0x99, 0x6f, 0xb9, 0x24, 0x27, 0xae,
        0x41, 0xe4, 0x64, 0x9b, 0x93, 0x4c, 0xa4, 0x95, 0x99, 0x1b, 0x78, 0x52, 0xb8, 0x55,
    ]);

    /// Base64 as in the lines of checkpoints and proofs: 44 characters.
    #[must_use]
    pub fn to_base64(self) -> String {
        STANDARD.encode(self.0)
    }

    /// Reads base64; `None` unless it is the one encoding of 32 bytes.
    #[must_use]
    pub fn from_base64(text: &str) -> Option<Self> {
        STANDARD.decode(text).ok()?.try_into().ok().map(Self)
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Hash({self})")
    }
}

impl FromStr for Hash {
    type Err = HashError;

    /// Reads 64 hex digits.
    fn from_str(text: &str) -> Result<Self, HashError> {
        let mut bytes = [0; 32];
        hex::decode_to_slice(text, &mut bytes).map_err(|_| HashError)?;
        Ok(Self(bytes))
    }
}

/// Number of a leaf in the tree; the first is 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LeafIndex(pub u64);

/// Number of leaves of a tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct TreeSize(pub u64);

impl fmt::Display for LeafIndex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for TreeSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for LeafIndex {
    type Err = DecimalError;

    /// Reads decimal digits without sign or leading zeros.
    fn from_str(text: &str) -> Result<Self, DecimalError> {
        decimal(text).map(Self)
    }
}

impl FromStr for TreeSize {
    type Err = DecimalError;

    /// Reads decimal digits without sign or leading zeros.
    fn from_str(text: &str) -> Result<Self, DecimalError> {
        decimal(text).map(Self)
    }
}

/// Hash of a leaf.
#[must_use]
pub fn hash_leaf(entry: &[u8]) -> Hash {
    Sha256Tree::leaf(entry)
}

/// Hash of an inner node.
#[must_use]
pub fn hash_node(left: Hash, right: Hash) -> Hash {
    Sha256Tree::node(left, right)
}

/// Why a proof cannot be made, or does not hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProofError {
    /// No leaf of that number is in a tree of that size.
    #[error("leaf {index} is not in a tree of {size} leaves")]
    IndexOutOfRange {
        /// Leaf asked for.
        index: LeafIndex,
        /// Size of the tree.
        size: TreeSize,
    },
    /// The tree never had that size.
    #[error("size {size} is beyond the tree's {grown} leaves")]
    SizeOutOfRange {
        /// Size asked for.
        size: TreeSize,
        /// Size the tree has grown to.
        grown: TreeSize,
    },
    /// The older tree is the larger one.
    #[error("the older tree has {old} leaves, the newer one {new}")]
    SizesDisordered {
        /// Size of the older tree.
        old: TreeSize,
        /// Size of the newer tree.
        new: TreeSize,
    },
    /// Index and sizes fix the number of hashes; another number is no proof.
    #[error("{found} hashes where there must be {expected}")]
    WrongLength {
        /// Hashes there must be.
        expected: usize,
        /// Hashes there are.
        found: usize,
    },
    /// The hashes lead to another root: of the tree, or of the newer one of two.
    #[error("the hashes lead to root {computed}, not {claimed}")]
    RootMismatch {
        /// Root that the hashes lead to.
        computed: Hash,
        /// Root that was claimed.
        claimed: Hash,
    },
    /// The hashes lead to another root of the older tree.
    #[error("the hashes lead to the older root {computed}, not {claimed}")]
    OldRootMismatch {
        /// Root that the hashes lead to.
        computed: Hash,
        /// Root that was claimed.
        claimed: Hash,
    },
}

/// Text that is not 64 hex digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not 64 hex digits")]
pub struct HashError;

/// Text that is not the one decimal form of a 64-bit number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a decimal number without leading zeros")]
pub struct DecimalError;

fn decimal(text: &str) -> Result<u64, DecimalError> {
    // `parse` takes a sign and zeros in front; the comparison does not.
    text.parse::<u64>().ok().filter(|number| number.to_string() == text).ok_or(DecimalError)
}

/// Root over the complete subtrees that a tree falls into, given from its right edge to the left.
fn join<H: TreeHasher>(subtrees: impl Iterator<Item = Hash>) -> Hash {
    subtrees.reduce(|right, left| H::node(left, right)).unwrap_or(H::EMPTY_TREE)
}
