use ct_merkle::mem_backed_tree::MemoryBackedTree;
use proptest::prelude::*;
use sha2::Sha256;
use tlog_tiles::tlog as go;

use super::*;

mod twin;

/// The leaves `e0`, `e1`, … of the known answers.
fn entries(count: u64) -> Vec<Vec<u8>> {
    (0..count).map(|number| format!("e{number}").into_bytes()).collect()
}

fn leaves(count: u64) -> Vec<Hash> {
    entries(count).iter().map(|entry| hash_leaf(entry)).collect()
}

fn tree(count: u64) -> Tree {
    leaves(count).into_iter().collect()
}

fn hash(hex: &str) -> Hash {
    hex.parse().unwrap()
}

/// First 8 bytes of each hash, in hex.
fn heads(path: &[Hash]) -> Vec<String> {
    path.iter().map(|hash| hash.to_string().split_at(16).0.to_owned()).collect()
}

/// The definitions of RFC 6962 §2.1, word for word.
mod rfc {
    use super::{Hash, hash_node};

    fn split(leaves: &[Hash]) -> (&[Hash], &[Hash]) {
        let mut k = 1;
        while k * 2 < leaves.len() {
            k *= 2;
        }
        leaves.split_at(k)
    }

    pub(super) fn mth(leaves: &[Hash]) -> Hash {
        match leaves {
            [] => Hash::EMPTY_TREE,
            [leaf] => *leaf,
            _ => {
                let (left, right) = split(leaves);
                hash_node(mth(left), mth(right))
            }
        }
    }

    pub(super) fn path(m: usize, leaves: &[Hash]) -> Vec<Hash> {
        if leaves.len() == 1 {
            return Vec::new();
        }
        let (left, right) = split(leaves);
        let k = left.len();
        let (mut path, sibling) = if m < k { (path(m, left), mth(right)) } else { (path(m - k, right), mth(left)) };
        path.push(sibling);
        path
    }

    pub(super) fn proof(m: usize, leaves: &[Hash]) -> Vec<Hash> {
        subproof(m, leaves, true)
    }

    fn subproof(m: usize, leaves: &[Hash], known: bool) -> Vec<Hash> {
        if m == leaves.len() {
            return if known { Vec::new() } else { vec![mth(leaves)] };
        }
        let (left, right) = split(leaves);
        let k = left.len();
        let (mut proof, sibling) =
            if m <= k { (subproof(m, left, known), mth(right)) } else { (subproof(m - k, right, false), mth(left)) };
        proof.push(sibling);
        proof
    }
}

/// The hashes that Go's `sumdb` keeps, in its order.
#[derive(Default)]
struct GoHashes(Vec<go::Hash>);

impl GoHashes {
    fn of(entries: &[Vec<u8>]) -> Self {
        let mut hashes = Self::default();
        for (entry, number) in entries.iter().zip(0..) {
            let added = go::stored_hashes(number, entry, &hashes).unwrap();
            hashes.0.extend(added);
        }
        hashes
    }
}

impl go::HashReader for GoHashes {
    fn read_hashes(&self, indexes: &[u64]) -> Result<Vec<go::Hash>, go::Error> {
        let read = |index: &u64| *self.0.get(usize::try_from(*index).unwrap()).unwrap();
        Ok(indexes.iter().map(read).collect())
    }
}

fn ours(path: Vec<go::Hash>) -> Vec<Hash> {
    path.into_iter().map(|hash| Hash(hash.0)).collect()
}

#[test]
fn known_hashes_come_out() {
    assert_eq!(hash_leaf(b"e0"), hash("956ae51bd3e285ccb826298dd523dd08824ce5579749994f2e0021737b9dd4b8"));
    let tree = tree(7);
    let root = |size| tree.root_at(TreeSize(size)).unwrap();
    assert_eq!(root(0), Hash::EMPTY_TREE);
    assert_eq!(root(1), hash_leaf(b"e0"));
    assert_eq!(root(2), hash("718fa0369d7475099bc6cb4327e3823a4972285f92bd49971a583c9f08ffb68d"));
    assert_eq!(root(3), hash("64b249c4e0606e3d9742c49bfd57cd1e3eb170f5ccefa26ea045ca193d64a75f"));
    assert_eq!(root(7), hash("4cbd8e35849450400d4e9c4c0ae7f71c79ad4410f9ad2c624622ff5f8617313d"));
    assert_eq!(tree.root(), root(7));
}

#[test]
fn known_paths_come_out() {
    let tree = tree(7);
    let inclusion = tree.inclusion_path(LeafIndex(3), TreeSize(7)).unwrap();
    assert_eq!(heads(&inclusion), ["e76eb1b97b067571", "718fa0369d747509", "f5f34fe057a318ad"]);
    let consistency = tree.consistency_path(TreeSize(3), TreeSize(7)).unwrap();
    assert_eq!(heads(&consistency), ["e76eb1b97b067571", "d5bdb58a19173a6a", "718fa0369d747509", "f5f34fe057a318ad"]);
}

#[test]
fn the_published_roots_of_certificate_transparency_come_out() {
    let entries = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"];
    let roots = [
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
        "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
        "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
        "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
        "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
    ];
    let tree: Tree = entries.iter().map(|entry| hash_leaf(&hex::decode(entry).unwrap())).collect();
    for (root, size) in roots.into_iter().zip(0..) {
        assert_eq!(tree.root_at(TreeSize(size)).unwrap(), hash(root), "size {size}");
    }
}

#[test]
fn roots_and_paths_are_those_of_the_rfc_for_every_small_tree() {
    let all = leaves(70);
    let tree: Tree = all.iter().copied().collect();
    for size in 1..=all.len() {
        let leaves = all.get(..size).unwrap();
        let new = TreeSize(size as u64);
        let root = tree.root_at(new).unwrap();
        assert_eq!(root, rfc::mth(leaves));
        for (number, leaf) in leaves.iter().enumerate() {
            let index = LeafIndex(number as u64);
            let path = tree.inclusion_path(index, new).unwrap();
            assert_eq!(path, rfc::path(number, leaves), "leaf {index} of {new}");
            assert_eq!(verify_inclusion(*leaf, index, new, &path, root), Ok(()), "leaf {index} of {new}");
        }
        for smaller in 1..=size {
            let old = TreeSize(smaller as u64);
            let path = tree.consistency_path(old, new).unwrap();
            assert_eq!(path, rfc::proof(smaller, leaves), "{old} to {new}");
            let old_root = tree.root_at(old).unwrap();
            assert_eq!(verify_consistency(old, old_root, new, root, &path), Ok(()), "{old} to {new}");
        }
    }
}

#[test]
fn a_frontier_has_the_roots_of_the_tree() {
    let tree = tree(300);
    let mut frontier = Frontier::new();
    for (leaf, number) in leaves(300).into_iter().zip(0..) {
        assert_eq!(frontier.root(), tree.root_at(frontier.size()).unwrap());
        assert_eq!(frontier.append(leaf), LeafIndex(number));
        let restored = Frontier::restore(frontier.size(), frontier.subtrees().to_vec());
        assert_eq!(restored, Ok(frontier.clone()));
    }
    assert_eq!((frontier.size(), frontier.root()), (tree.size(), tree.root()));
}

#[test]
fn a_frontier_is_not_restored_from_too_few_or_too_many_hashes() {
    for found in [0, 1, 2, 4] {
        let error = ProofError::WrongLength { expected: 3, found };
        assert_eq!(Frontier::restore(TreeSize(7), vec![Hash::ZERO; found]), Err(error));
    }
}

#[test]
fn a_tree_knows_its_complete_subtrees_and_no_other() {
    let tree = tree(7);
    assert_eq!(tree.subtree(0, 6), Some(hash_leaf(b"e6")));
    assert_eq!(tree.subtree(1, 0), Some(tree.root_at(TreeSize(2)).unwrap()));
    assert_eq!(tree.subtree(2, 0), Some(tree.root_at(TreeSize(4)).unwrap()));
    for (level, index) in [(0, 7), (1, 3), (2, 1), (3, 0), (64, 0), (0, u64::MAX)] {
        assert_eq!(tree.subtree(level, index), None);
    }
}

#[test]
fn paths_are_not_made_for_leaves_and_sizes_that_are_not_there() {
    let (tree, grown) = (tree(7), TreeSize(7));
    let beyond = ProofError::SizeOutOfRange { size: TreeSize(8), grown };
    assert_eq!(tree.root_at(TreeSize(8)), Err(beyond));
    assert_eq!(tree.inclusion_path(LeafIndex(0), TreeSize(8)), Err(beyond));
    assert_eq!(tree.consistency_path(TreeSize(1), TreeSize(8)), Err(beyond));
    let (index, size) = (LeafIndex(3), TreeSize(3));
    assert_eq!(tree.inclusion_path(index, size), Err(ProofError::IndexOutOfRange { index, size }));
    let (old, new) = (TreeSize(5), TreeSize(3));
    assert_eq!(tree.consistency_path(old, new), Err(ProofError::SizesDisordered { old, new }));
}

#[test]
fn a_path_of_another_length_is_refused_before_any_hash_is_compared() {
    let (leaf, root) = (Hash::ZERO, Hash::ZERO);
    let inclusion =
        |index, size, found| verify_inclusion(leaf, LeafIndex(index), TreeSize(size), &vec![Hash::ZERO; found], root);
    assert_eq!(inclusion(3, 7, 2), Err(ProofError::WrongLength { expected: 3, found: 2 }));
    assert_eq!(inclusion(6, 7, 3), Err(ProofError::WrongLength { expected: 2, found: 3 }));
    assert_eq!(inclusion(0, 1, 1), Err(ProofError::WrongLength { expected: 0, found: 1 }));
    assert_eq!(inclusion(0, u64::MAX, 63), Err(ProofError::WrongLength { expected: 64, found: 63 }));
    let consistency = |old, new, found| {
        verify_consistency(TreeSize(old), Hash::EMPTY_TREE, TreeSize(new), root, &vec![Hash::ZERO; found])
    };
    assert_eq!(consistency(3, 7, 3), Err(ProofError::WrongLength { expected: 4, found: 3 }));
    assert_eq!(consistency(3, 7, 0), Err(ProofError::WrongLength { expected: 4, found: 0 }));
    assert_eq!(consistency(4, 7, 2), Err(ProofError::WrongLength { expected: 1, found: 2 }));
    assert_eq!(consistency(7, 7, 1), Err(ProofError::WrongLength { expected: 0, found: 1 }));
    assert_eq!(consistency(0, 7, 1), Err(ProofError::WrongLength { expected: 0, found: 1 }));
}

#[test]
fn a_leaf_beyond_the_tree_is_not_in_it() {
    for (index, size) in [(0, 0), (7, 7), (u64::MAX, 7)] {
        let (index, size) = (LeafIndex(index), TreeSize(size));
        let error = ProofError::IndexOutOfRange { index, size };
        assert_eq!(verify_inclusion(Hash::ZERO, index, size, &[], Hash::ZERO), Err(error));
    }
}

#[test]
fn every_tree_begins_with_the_empty_one_and_only_with_its_root() {
    let (old, new, root) = (TreeSize(0), TreeSize(7), tree(7).root());
    assert_eq!(tree(7).consistency_path(old, new), Ok(Vec::new()));
    assert_eq!(verify_consistency(old, Hash::EMPTY_TREE, new, root, &[]), Ok(()));
    let error = ProofError::OldRootMismatch { computed: Hash::EMPTY_TREE, claimed: root };
    assert_eq!(verify_consistency(old, root, new, root, &[]), Err(error));
}

#[test]
fn trees_of_one_size_are_the_same_or_a_fork() {
    let (size, root, fork) = (TreeSize(7), tree(7).root(), Hash::ZERO);
    assert_eq!(verify_consistency(size, root, size, root, &[]), Ok(()));
    let error = ProofError::RootMismatch { computed: root, claimed: fork };
    assert_eq!(verify_consistency(size, root, size, fork, &[]), Err(error));
}

#[test]
fn a_shrunken_tree_is_refused() {
    let (old, new) = (TreeSize(7), TreeSize(3));
    let error = ProofError::SizesDisordered { old, new };
    assert_eq!(verify_consistency(old, Hash::ZERO, new, Hash::ZERO, &[]), Err(error));
}

#[test]
fn a_rewritten_leaf_breaks_consistency() {
    let honest = tree(7);
    let mut rewritten = leaves(7);
    rewritten.swap(1, 2);
    let rewritten: Tree = rewritten.into_iter().collect();
    let (old, new) = (TreeSize(3), TreeSize(7));
    let old_root = honest.root_at(old).unwrap();
    let path = rewritten.consistency_path(old, new).unwrap();
    let answer = verify_consistency(old, old_root, new, rewritten.root(), &path);
    assert!(matches!(answer, Err(ProofError::OldRootMismatch { claimed, .. }) if claimed == old_root));
}

#[test]
fn an_entry_cannot_pose_as_a_node() {
    let children = [hash_leaf(b"e0").0, hash_leaf(b"e1").0].concat();
    assert_ne!(hash_leaf(&children), tree(2).root());
}

#[test]
fn numbers_have_one_form() {
    assert_eq!("0".parse(), Ok(TreeSize(0)));
    assert_eq!("18446744073709551615".parse(), Ok(LeafIndex(u64::MAX)));
    for text in ["", "00", "07", "+7", "-7", " 7", "7 ", "7\n", "0x7", "18446744073709551616", "٧"] {
        assert_eq!(text.parse::<TreeSize>(), Err(DecimalError), "{text:?}");
    }
}

#[test]
fn hashes_are_read_as_they_are_shown() {
    let leaf = hash_leaf(b"e0");
    assert_eq!(leaf.to_string().parse(), Ok(leaf));
    assert_eq!(Hash::from_base64(&leaf.to_base64()), Some(leaf));
    assert_eq!("956ae5".parse::<Hash>(), Err(HashError));
    // The last digit before the padding has bits to spare; only zeros are taken.
    let base64 = Hash::ZERO.to_base64();
    assert_eq!(Hash::from_base64(&base64.replace("A=", "B=")), None);
    assert_eq!(Hash::from_base64(base64.trim_end_matches('=')), None);
}

/// A larger tree, shared by all cases of a property.
const LARGE: u64 = 600;

proptest! {
    #[test]
    fn roots_and_paths_are_those_of_two_other_implementations(
        size in 1..LARGE,
        index in any::<prop::sample::Index>(),
        old in any::<prop::sample::Index>(),
    ) {
        let (new, capacity) = (TreeSize(size), usize::try_from(size).unwrap());
        let (index, old) = (index.index(capacity), old.index(capacity) + 1);
        let tree = tree(size + 5);
        let root = tree.root_at(new).unwrap();
        let inclusion = tree.inclusion_path(LeafIndex(index as u64), new).unwrap();
        let consistency = tree.consistency_path(TreeSize(old as u64), new).unwrap();

        let entries = entries(size);
        let stored = GoHashes::of(&entries);
        prop_assert_eq!(root.0, go::tree_hash(size, &stored).unwrap().0);
        prop_assert_eq!(&inclusion, &ours(go::prove_record(size, index as u64, &stored).unwrap()));
        prop_assert_eq!(&consistency, &ours(go::prove_tree(size, old as u64, &stored).unwrap()));

        let mut other = MemoryBackedTree::<Sha256, Vec<u8>>::new();
        entries.into_iter().for_each(|entry| other.push(entry));
        let their_root = other.root();
        prop_assert_eq!(root.0.as_slice(), their_root.as_bytes().as_slice());
        let bytes = |path: &[Hash]| path.iter().flat_map(|hash| hash.0).collect::<Vec<_>>();
        prop_assert_eq!(bytes(&inclusion), other.prove_inclusion(index).as_bytes().to_vec());
        prop_assert_eq!(bytes(&consistency), other.prove_consistency(capacity - old).as_bytes().to_vec());
    }

    #[test]
    fn a_changed_inclusion_proof_is_refused(
        size in 1..LARGE,
        index in any::<prop::sample::Index>(),
        bit in any::<prop::sample::Index>(),
        shift in 1..LARGE,
    ) {
        let index = index.index(usize::try_from(size).unwrap()) as u64;
        let (tree, leaf) = (tree(size), hash_leaf(format!("e{index}").as_bytes()));
        let path = tree.inclusion_path(LeafIndex(index), TreeSize(size)).unwrap();
        let verify = |leaf, index, path: &[Hash], root| {
            verify_inclusion(leaf, LeafIndex(index), TreeSize(size), path, root)
        };
        prop_assert_eq!(verify(leaf, index, &path, tree.root()), Ok(()));

        // One bit of leaf, path or root.
        let mut hashes = [vec![leaf], path.clone(), vec![tree.root()]].concat();
        flip(&mut hashes, bit);
        let (leaf_then, rest) = hashes.split_first().unwrap();
        let (root_then, path_then) = rest.split_last().unwrap();
        let mismatch = matches!(verify(*leaf_then, index, path_then, *root_then), Err(ProofError::RootMismatch { .. }));
        prop_assert!(mismatch);

        let longer = [path.clone(), vec![Hash::ZERO]].concat();
        let wrong_length = matches!(verify(leaf, index, &longer, tree.root()), Err(ProofError::WrongLength { .. }));
        prop_assert!(wrong_length);
        let elsewhere = (index + shift) % size;
        prop_assert!(elsewhere == index || verify(leaf, elsewhere, &path, tree.root()).is_err());
    }

    #[test]
    fn a_changed_consistency_proof_is_refused(
        size in 2..LARGE,
        old in any::<prop::sample::Index>(),
        bit in any::<prop::sample::Index>(),
    ) {
        let old = TreeSize(old.index(usize::try_from(size).unwrap() - 1) as u64 + 1);
        let (tree, new) = (tree(size), TreeSize(size));
        let old_root = tree.root_at(old).unwrap();
        let path = tree.consistency_path(old, new).unwrap();
        prop_assert_eq!(verify_consistency(old, old_root, new, tree.root(), &path), Ok(()));

        // One bit of old root, path or new root.
        let mut hashes = [vec![old_root], path.clone(), vec![tree.root()]].concat();
        flip(&mut hashes, bit);
        let (old_root_then, rest) = hashes.split_first().unwrap();
        let (new_root_then, path_then) = rest.split_last().unwrap();
        prop_assert!(verify_consistency(old, *old_root_then, new, *new_root_then, path_then).is_err());

        let shorter = path.split_last().unwrap().1;
        let answer = verify_consistency(old, old_root, new, tree.root(), shorter);
        let wrong_length = ProofError::WrongLength { expected: path.len(), found: path.len() - 1 };
        prop_assert_eq!(answer, Err(wrong_length));
    }

    #[test]
    fn verification_of_anything_returns(
        old in any::<u64>(),
        new in any::<u64>(),
        path in prop::collection::vec(any::<[u8; 32]>().prop_map(Hash), 0..140),
    ) {
        prop_assert!(verify_inclusion(Hash::ZERO, LeafIndex(old), TreeSize(new), &path, Hash::ZERO).is_err());
        prop_assert!(verify_consistency(TreeSize(old), Hash::ZERO, TreeSize(new), Hash::EMPTY_TREE, &path).is_err());
    }

    #[test]
    fn a_walk_of_any_size_is_as_long_as_it_says(index in any::<u64>(), size in 1_u64..) {
        let index = LeafIndex(index % size);
        let answer = verify_inclusion(Hash::ZERO, index, TreeSize(size), &[Hash::ZERO; 65], Hash::ZERO);
        let Err(ProofError::WrongLength { expected, found: 65 }) = answer else { panic!("{answer:?}") };
        let path = vec![Hash::ZERO; expected];
        let answer = verify_inclusion(Hash::ZERO, index, TreeSize(size), &path, Hash::ZERO);
        let right_length = matches!(answer, Ok(()) | Err(ProofError::RootMismatch { .. }));
        prop_assert!(right_length);
    }
}

/// Flips one bit somewhere in the hashes.
fn flip(hashes: &mut [Hash], bit: prop::sample::Index) {
    let bit = bit.index(hashes.len() * 256);
    let byte = hashes.get_mut(bit / 256).and_then(|hash| hash.0.get_mut(bit / 8 % 32)).unwrap();
    *byte ^= 1 << (bit % 8);
}

/// Sizes up to 2^20, and both neighbours of each power of two.
fn sizes() -> impl Iterator<Item = u64> {
    (0..=20).flat_map(|power| {
        let size = 1_u64 << power;
        [size - 1, size, size + 1]
    })
}

/// ⌈log₂ size⌉: levels of a tree of this size above its leaves.
fn ceil_log2(size: u64) -> usize {
    size.next_power_of_two().ilog2() as usize
}

#[test]
fn a_proof_costs_no_more_hashes_than_the_logarithm_of_the_log() {
    let tree: Tree = (0..=1 << 20).map(|number: u64| hash_leaf(&number.to_be_bytes())).collect();
    let mut longest = (0, 0);
    for size in sizes().filter(|size| *size > 0 && *size <= tree.size().0) {
        let root = tree.root_at(TreeSize(size)).unwrap();
        let places = sizes().chain([size / 3, size / 2, size - 1]);
        for index in places.filter(|index| *index < size) {
            let leaf = hash_leaf(&index.to_be_bytes());
            let path = tree.inclusion_path(LeafIndex(index), TreeSize(size)).unwrap();
            assert!(path.len() <= ceil_log2(size), "{} hashes for leaf {index} of {size}", path.len());
            verify_inclusion(leaf, LeafIndex(index), TreeSize(size), &path, root).unwrap();
            longest.0 = longest.0.max(path.len());

            // From the tree of the first `index` leaves: one hash of each level, and where it ends the node that ends it.
            let (old, new) = (TreeSize(index), TreeSize(size));
            let path = tree.consistency_path(old, new).unwrap();
            assert!(path.len() <= ceil_log2(size) + 1, "{} hashes from {index} to {size}", path.len());
            verify_consistency(old, tree.root_at(old).unwrap(), new, root, &path).unwrap();
            longest.1 = longest.1.max(path.len());
        }
    }
    assert_eq!(longest, (21, 22), "the bounds are reached, not just kept");
}
