//! The twin tree: everything that holds of the tree over SHA-256 holds of it, with the other hash.

use sm3::{Digest as _, Sm3};

use super::*;

fn twin(count: u64) -> Tree<Sm3Tree> {
    entries(count).iter().map(|entry| Sm3Tree::leaf(entry)).collect()
}

#[test]
fn the_empty_tree_is_the_hash_of_no_bytes() {
    assert_eq!(Sm3Tree::EMPTY_TREE.0.as_slice(), Sm3::digest([]).as_slice());
    assert_eq!(Sha256Tree::EMPTY_TREE.0.as_slice(), Sha256::digest([]).as_slice());
    assert_eq!(Tree::<Sm3Tree>::default().root(), Sm3Tree::EMPTY_TREE);
    assert_eq!(Frontier::<Sm3Tree>::default().root(), Sm3Tree::EMPTY_TREE);
}

#[test]
fn known_hashes_come_out() {
    // Checked with `openssl dgst -sm3`.
    assert_eq!(twin(1).root(), hash("0cd5b065b30a26667712fc6da3d266f30ccc072697b0949df7c70ac8fe9a4691"));
    assert_eq!(twin(2).root(), hash("017fdd1d2cd82169b1f0e440f4e85c21f84421f1724fb8a95f66c84ad1a4c489"));
    assert_eq!(twin(7).root(), hash("5988ff6bc8fc7eadd2911db005abf1a6759efe67696c6b747708f30178b99e51"));
}

#[test]
fn a_frontier_has_the_roots_of_the_tree() {
    let (tree, mut frontier) = (twin(40), Frontier::<Sm3Tree>::default());
    for (size, entry) in (0..).zip(entries(40)) {
        assert_eq!(frontier.root(), tree.root_at(TreeSize(size)).unwrap());
        frontier.append(Sm3Tree::leaf(&entry));
    }
}

#[test]
fn a_proof_of_one_tree_proves_nothing_of_its_twin() {
    let (size, old) = (TreeSize(7), TreeSize(3));
    let (tree, twin) = (tree(7), twin(7));
    let path = twin.inclusion_path(LeafIndex(3), size).unwrap();
    let leaf = twin.subtree(0, 3).unwrap();
    assert_eq!(verify_inclusion_by::<Sm3Tree>(leaf, LeafIndex(3), size, &path, twin.root()), Ok(()));
    assert!(verify_inclusion(leaf, LeafIndex(3), size, &path, twin.root()).is_err());
    assert!(verify_inclusion_by::<Sm3Tree>(leaf, LeafIndex(3), size, &path, tree.root()).is_err());
    let path = twin.consistency_path(old, size).unwrap();
    let root = twin.root_at(old).unwrap();
    assert_eq!(verify_consistency_by::<Sm3Tree>(old, root, size, twin.root(), &path), Ok(()));
    assert!(verify_consistency(old, root, size, twin.root(), &path).is_err());
}

proptest! {
    #[test]
    fn roots_and_paths_are_those_of_another_implementation(
        size in 1..LARGE,
        index in any::<prop::sample::Index>(),
        old in any::<prop::sample::Index>(),
    ) {
        let (new, capacity) = (TreeSize(size), usize::try_from(size).unwrap());
        let (index, old) = (index.index(capacity), old.index(capacity) + 1);
        let tree = twin(size + 5);
        let inclusion = tree.inclusion_path(LeafIndex(index as u64), new).unwrap();
        let consistency = tree.consistency_path(TreeSize(old as u64), new).unwrap();
        let mut other = MemoryBackedTree::<Sm3, Vec<u8>>::new();
        entries(size).into_iter().for_each(|entry| other.push(entry));
        let (root, their_root) = (tree.root_at(new).unwrap(), other.root());
        prop_assert_eq!(root.0.as_slice(), their_root.as_bytes().as_slice());
        let bytes = |path: &[Hash]| path.iter().flat_map(|hash| hash.0).collect::<Vec<_>>();
        prop_assert_eq!(bytes(&inclusion), other.prove_inclusion(index).as_bytes().to_vec());
        prop_assert_eq!(bytes(&consistency), other.prove_consistency(capacity - old).as_bytes().to_vec());
    }
}
