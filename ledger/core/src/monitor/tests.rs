//! Trees of every small size compared over their tiles.

use super::*;
use crate::{
    merkle::Tree,
    tile::{Tile, TileContent},
};

fn tree(size: u64, changed: Option<u64>) -> Tree {
    (0..size)
        .map(|leaf| hash_leaf(&[leaf.to_be_bytes().as_slice(), &[u8::from(changed == Some(leaf))]].concat()))
        .collect()
}

fn checkpoint(tree: &Tree, size: u64) -> Checkpoint {
    let root = tree_of(tree, size).root();
    Checkpoint { origin: "test.example/log".parse().unwrap(), size: TreeSize(size), root }
}

fn tree_of(tree: &Tree, size: u64) -> Tree {
    (0..size).map(|leaf| tree.subtree(0, leaf).unwrap()).collect()
}

fn tiles(tree: &Tree, old: u64, new: u64) -> TileHashes {
    let mut tiles = TileHashes::default();
    for tile in TileHashes::needed(TreeSize(old), TreeSize(new)) {
        tiles.insert(tile, &tile.hashes(tree).unwrap()).unwrap();
    }
    tiles
}

#[test]
fn every_two_sizes_of_one_tree_agree_over_its_tiles_with_the_path_that_the_tree_makes() {
    let sizes = [0, 1, 2, 3, 4, 7, 8, 255, 256, 257, 300, 511, 512, 513, 1000, 70_000];
    let all = tree(70_000, None);
    let checkpoints: BTreeMap<u64, Checkpoint> = sizes.into_iter().map(|size| (size, checkpoint(&all, size))).collect();
    for (&new, newer) in &checkpoints {
        for (&old, older) in checkpoints.range(..=new) {
            let path = tiles(&all, old, new).compare(older, newer).unwrap();
            assert_eq!(path, all.consistency_path(TreeSize(old), TreeSize(new)).unwrap(), "{old} in {new}");
        }
    }
}

#[test]
fn a_tree_that_begins_otherwise_is_told_from_tiles_of_another_tree() {
    let (kept, shown) = (tree(600, None), tree(600, Some(3)));
    for (old, new) in [(4, 600), (5, 6), (256, 257), (300, 600), (600, 600)] {
        let (kept, now) = (checkpoint(&kept, old), checkpoint(&shown, new));
        let (alarm, path) = tiles(&shown, old, new).compare(&kept, &now).unwrap_err();
        assert_eq!(alarm.title().0, "checkpoints-inconsistent", "{old} in {new}: {alarm}");
        // Who has the two notes and this path needs no monitor.
        let found = checkpoint(&shown, old).root;
        crate::merkle::verify_consistency(kept.size, found, now.size, now.root, &path).unwrap();
        assert_ne!(found, kept.root);
    }
    for (old, new) in [(4, 600), (5, 6), (256, 257), (300, 600)] {
        let others = tiles(&shown, old, new).compare(&checkpoint(&kept, old), &checkpoint(&kept, new));
        assert_eq!(others.unwrap_err().0.title().0, "tile-wrong", "{old} in {new}");
    }
    let missing = TileHashes::default().compare(&checkpoint(&kept, 4), &checkpoint(&kept, 600));
    assert_eq!(missing.unwrap_err().0.title().0, "tile-wrong");
}

#[test]
fn a_tile_of_another_length_is_refused() {
    let tile = Tile::new(TileContent::Hashes(0), 0, 2).unwrap();
    for length in [0, 63, 65, 96] {
        assert!(TileHashes::default().insert(tile, &vec![0; length]).is_err(), "{length}");
    }
}

#[test]
fn witnesses_lag_when_the_log_is_ahead_for_longer_than_the_limit() {
    use ed25519_dalek::SigningKey;

    use crate::note::{SignatureType, VerifierKey};

    let (log, witness) = (SigningKey::from_bytes(&[1; 32]), SigningKey::from_bytes(&[2; 32]));
    let vkey = |name: &str, kind, key: &SigningKey| {
        VerifierKey::new(name.parse().unwrap(), kind, key.verifying_key()).unwrap()
    };
    let log_key = vkey("test.example/log", SignatureType::Ed25519, &log);
    let witness_key = vkey("w.example", SignatureType::CosignatureV1, &witness);
    let policy: Policy = format!("log {log_key}\nwitness w {witness_key}\nquorum w\n").parse().unwrap();
    let nobody: Policy = format!("log {log_key}\nquorum none\n").parse().unwrap();
    let all = tree(9, None);
    let mut note = checkpoint(&all, 7).sign(&log).unwrap();
    let keys = [log_key.clone(), witness_key.clone()];
    let signed = SignedCheckpoint::verify(note.clone(), log_key.name(), &keys).unwrap();
    let now = checkpoint(&all, 9);
    assert_eq!(lag(&policy, Some(&signed), &now, 0, 300), Some(Alarm::Unwitnessed { size: TreeSize(9) }));
    assert_eq!(lag(&policy, None, &now, 0, 300), Some(Alarm::Unwitnessed { size: TreeSize(9) }));
    assert_eq!(lag(&nobody, None, &now, 0, 300), None);
    note.cosign(witness_key.name(), &witness, 1_000).unwrap();
    let signed = SignedCheckpoint::verify(note, log_key.name(), &keys).unwrap();
    assert_eq!(lag(&policy, Some(&signed), &now, 1_300, 300), None);
    let late = lag(&policy, Some(&signed), &now, 1_301, 300).unwrap();
    assert_eq!(late, Alarm::WitnessesLag { witnessed: TreeSize(7), size: TreeSize(9), behind_s: 301 });
    assert_eq!(lag(&policy, Some(&signed), &checkpoint(&all, 7), 9_999, 300), None, "nothing is left to cosign");
}
