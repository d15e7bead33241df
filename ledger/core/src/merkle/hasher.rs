//! What a tree hashes with.

use std::fmt;

use sha2::{Digest as _, Sha256};
use sm3::Sm3;

use super::Hash;

/// The hash function of a tree. The prefixes that tell leaves from nodes are those of RFC 6962, whatever the function.
pub trait TreeHasher: Copy + Default + PartialEq + Eq + fmt::Debug + Send + Sync + 'static {
    /// Root of the tree without leaves: the hash of no bytes.
    const EMPTY_TREE: Hash;

    /// Hash of a leaf.
    #[must_use]
    fn leaf(entry: &[u8]) -> Hash;

    /// Hash of an inner node.
    #[must_use]
    fn node(left: Hash, right: Hash) -> Hash;
}

/// The tree of RFC 6962, over SHA-256 (FIPS 180-4): the one that every C2SP tool reads.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Sha256Tree;

impl TreeHasher for Sha256Tree {
    const EMPTY_TREE: Hash = Hash::EMPTY_TREE;

    fn leaf(entry: &[u8]) -> Hash {
        Hash(Sha256::new().chain_update([LEAF]).chain_update(entry).finalize().into())
    }

    fn node(left: Hash, right: Hash) -> Hash {
        Hash(Sha256::new().chain_update([NODE]).chain_update(left.0).chain_update(right.0).finalize().into())
    }
}

/// The twin tree: the same leaves, over SM3 (GB/T 32905-2016).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Sm3Tree;

impl TreeHasher for Sm3Tree {
    const EMPTY_TREE: Hash = Hash([
        0x1a, 0xb2, 0x1d, 0x83, 0x55, 0xcf, 0xa1, 0x7f, 0x8e, 0x61, 0x19, 0x48, 0x31, 0xe8, 0x1a, 0x8f, 0x22, 0xbe,
        0xc8, 0xc7, 0x28, 0xfe, 0xfb, 0x74, 0x7e, 0xd0, 0x35, 0xeb, 0x50, 0x82, 0xaa, 0x2b,
    ]);

    fn leaf(entry: &[u8]) -> Hash {
        Hash(Sm3::new().chain_update([LEAF]).chain_update(entry).finalize().into())
    }

    fn node(left: Hash, right: Hash) -> Hash {
        Hash(Sm3::new().chain_update([NODE]).chain_update(left.0).chain_update(right.0).finalize().into())
    }
}

/// Byte before an entry.
const LEAF: u8 = 0x00;

/// Byte before the hashes of two subtrees.
const NODE: u8 = 0x01;
