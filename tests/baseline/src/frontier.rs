//! The right edge of a Merkle tree (RFC 6962).

use sha2::{Digest as _, Sha256};

/// Number of leaves, and the roots of the full subtrees that they make, the largest first.
#[derive(Debug, Default)]
pub(crate) struct Frontier {
    size: u64,
    subtrees: Vec<[u8; 32]>,
}

impl Frontier {
    /// Takes a leaf in; answers its place.
    pub(crate) fn append(&mut self, leaf: [u8; 32]) -> u64 {
        let (index, mut hash) = (self.size, leaf);
        let mut full = index;
        while full & 1 == 1
            && let Some(left) = self.subtrees.pop()
        {
            hash = node(&left, &hash);
            full >>= 1;
        }
        self.subtrees.push(hash);
        self.size += 1;
        index
    }

    /// Root over all leaves.
    pub(crate) fn root(&self) -> [u8; 32] {
        let mut subtrees = self.subtrees.iter().rev();
        let Some(last) = subtrees.next() else { return Sha256::digest([]).into() };
        subtrees.fold(*last, |right, left| node(left, &right))
    }
}

/// Hash of a leaf.
pub(crate) fn leaf(entry: &[u8]) -> [u8; 32] {
    Sha256::new().chain_update([0]).chain_update(entry).finalize().into()
}

fn node(left: &[u8; 32], right: &[u8; 32]) -> [u8; 32] {
    Sha256::new().chain_update([1]).chain_update(left).chain_update(right).finalize().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 6962, section 2.1, word for word.
    fn root(leaves: &[[u8; 32]]) -> [u8; 32] {
        match leaves {
            [] => Sha256::digest([]).into(),
            [leaf] => *leaf,
            more => {
                let (left, right) = more.split_at(more.len().next_power_of_two() / 2);
                node(&root(left), &root(right))
            }
        }
    }

    #[test]
    fn every_root_is_that_of_the_definition() {
        let (mut frontier, mut leaves) = (Frontier::default(), Vec::new());
        for number in 0..70_u8 {
            assert_eq!(frontier.root(), root(&leaves));
            leaves.push(leaf(&[number]));
            assert_eq!(frontier.append(leaf(&[number])), u64::from(number));
        }
    }
}
