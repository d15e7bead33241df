#![expect(clippy::indexing_slicing, reason = "a test that looks for what is not there fails, and says where")]

use std::collections::BTreeMap;

use bytes::Bytes;
use proptest::prelude::*;
use tlog_tiles::tlog;

use super::*;
use crate::merkle::{Hash, hash_leaf};

fn tree(size: u64) -> Tree {
    (0..size).map(|number| hash_leaf(format!("e{number}").as_bytes())).collect()
}

fn hashes(level: u8, index: u64, width: u16) -> Tile {
    Tile::new(TileContent::Hashes(level), index, width).unwrap()
}

#[test]
fn paths_are_those_of_the_specification() {
    let rows = [
        (hashes(0, 0, 256), "tile/0/000"),
        (hashes(0, 273, 112), "tile/0/273.p/112"),
        (hashes(2, 0, 1), "tile/2/000.p/1"),
        (hashes(63, 1_234_067, 256), "tile/63/x001/x234/067"),
        (hashes(1, 1000, 255), "tile/1/x001/000.p/255"),
        (Tile::new(TileContent::Entries, 1_234_067, 256).unwrap(), "tile/entries/x001/x234/067"),
        (Tile::new(TileContent::Entries, 0, 7).unwrap(), "tile/entries/000.p/7"),
    ];
    for (tile, path) in rows {
        assert_eq!(tile.to_string(), path);
        assert_eq!(path.parse(), Ok(tile));
    }
}

#[test]
fn text_that_is_no_path_says_what_is_wrong() {
    let rows = [
        ("", TileError::Form),
        ("checkpoint", TileError::Form),
        ("tile/0", TileError::Form),
        ("tile/00/000", TileError::Level),
        ("tile/64/000", TileError::Level),
        ("tile/-1/000", TileError::Level),
        ("tile/+1/000", TileError::Level),
        ("tile/data/000", TileError::Level),
        ("tile/0/0", TileError::Index),
        ("tile/0/0000", TileError::Index),
        ("tile/0/x000/000", TileError::Index),
        ("tile/0/001/000", TileError::Index),
        ("tile/0/x001", TileError::Index),
        ("tile/0/x01/000", TileError::Index),
        ("tile/0/0+1", TileError::Index),
        ("tile/0/../000", TileError::Index),
        ("tile/0/x018/x446/x744/x073/x709/x551/x615/000", TileError::Index),
        ("tile/0/000.p/0", TileError::Width),
        ("tile/0/000.p/256", TileError::Width),
        ("tile/0/000.p/01", TileError::Width),
        ("tile/0/000.p/", TileError::Width),
        ("tile/0/000.p/1/", TileError::Width),
    ];
    for (path, error) in rows {
        assert_eq!(path.parse::<Tile>(), Err(error), "{path}");
    }
    assert_eq!(format!("tile/0/{}000", "x001/".repeat(20)).parse::<Tile>(), Err(TileError::Form));
}

#[test]
fn a_size_implies_its_partial_tiles() {
    let paths = |size: u64| partial_tiles(TreeSize(size)).map(|tile| tile.to_string()).collect::<Vec<_>>();
    assert_eq!(paths(70_000), ["tile/entries/273.p/112", "tile/0/273.p/112", "tile/1/001.p/17", "tile/2/000.p/1"]);
    assert_eq!(paths(256), ["tile/1/000.p/1"]);
    assert_eq!(paths(0), Vec::<String>::new());
    assert!(paths(u64::MAX).last().unwrap().starts_with("tile/7/000.p/"));
}

#[test]
fn the_known_leaves_make_the_known_tile() {
    let bytes = hashes(0, 0, 7).hashes(&tree(7)).unwrap();
    let leaf = "956ae51bd3e285ccb826298dd523dd08824ce5579749994f2e0021737b9dd4b8";
    assert_eq!((bytes.len(), hex::encode(&bytes[..32])), (7 * 32, leaf.to_owned()));
}

#[test]
fn a_tree_gives_only_tiles_that_it_has_all_of() {
    let tree = tree(300);
    for tile in partial_tiles(tree.size()).filter(|tile| tile.content() != TileContent::Entries) {
        assert!(tile.hashes(&tree).is_some(), "{tile}");
    }
    let full = hashes(0, 0, 256).hashes(&tree).unwrap();
    let above = hashes(1, 0, 1).hashes(&tree).unwrap();
    let root: Tree = full.chunks(32).map(|hash| Hash(hash.try_into().unwrap())).collect();
    assert_eq!(above, root.root().0, "a full tile hashes to one hash of the level above");
    for tile in [hashes(0, 1, 45), hashes(0, 1, 256), hashes(1, 0, 2), hashes(2, 0, 1), hashes(63, 0, 1)] {
        assert_eq!(tile.hashes(&tree), None, "{tile}");
    }
    assert_eq!(Tile::new(TileContent::Entries, 0, 1).unwrap().hashes(&tree), None);
}

#[test]
fn a_bundle_gives_each_entry_after_its_length() {
    let entries: [&[u8]; 3] = [b"e0", b"", &[7; 65_535]];
    let bytes = Bytes::from(encode_entries(entries).unwrap());
    assert_eq!(bytes[..6], [0, 2, b'e', b'0', 0, 0]);
    assert_eq!(decode_entries(&bytes, 3).unwrap(), entries);
    assert_eq!(decode_entries(&bytes, 2), Err(EntriesError::Trailing { bytes: 65_537 }));
    assert_eq!(decode_entries(&bytes, 4), Err(EntriesError::Truncated { place: 3 }));
    assert_eq!(decode_entries(&bytes.slice(..7), 3), Err(EntriesError::Truncated { place: 2 }));
    assert_eq!(encode_entries([[0; 65_536].as_slice()]), Err(EntriesError::TooLarge { size: 65_536 }));
    assert_eq!(encode_entries([b"e".as_slice(); 257]), Err(EntriesError::TooMany));
}

/// The hashes of our tiles, for an independent reader of trees that knows nothing but the place of a stored hash.
struct Reader(Tree);

impl tlog::HashReader for Reader {
    fn read_hashes(&self, indexes: &[u64]) -> Result<Vec<tlog::Hash>, tlog::Error> {
        let mut tiles = BTreeMap::new();
        Ok(indexes
            .iter()
            .map(|index| {
                let (level, place) = tlog::split_stored_hash_index(*index);
                // The tile whose hashes, joined, give the one that is asked for.
                let (tile_level, joined) = (level / 8, 1_u64 << (level % 8));
                let first = place * joined;
                let tile_index = first / 256;
                let width = TileContent::Hashes(tile_level).count(self.0.size()) - tile_index * 256;
                let tile = hashes(tile_level, tile_index, u16::try_from(width.min(256)).unwrap());
                let bytes = tiles.entry(tile).or_insert_with(|| tile.hashes(&self.0).unwrap());
                let at = usize::try_from(first % 256).unwrap();
                let wanted = bytes.chunks(32).skip(at).take(usize::try_from(joined).unwrap());
                let subtree: Tree = wanted.map(|hash| Hash(hash.try_into().unwrap())).collect();
                tlog::Hash(subtree.root().0)
            })
            .collect())
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn an_independent_reader_finds_the_same_tree_in_our_tiles(size in 1_u64..1500, leaf in 0_u64..1500, old in 1_u64..1500) {
        let (leaf, old) = (leaf % size, old % size + 1);
        let ours = tree(size);
        let theirs = Reader(ours.clone());
        prop_assert_eq!(tlog::tree_hash(size, &theirs).unwrap().0, ours.root().0);
        let proof: Vec<_> = tlog::prove_record(size, leaf, &theirs).unwrap().iter().map(|hash| Hash(hash.0)).collect();
        prop_assert_eq!(proof, ours.inclusion_path(crate::merkle::LeafIndex(leaf), TreeSize(size)).unwrap());
        let proof: Vec<_> = tlog::prove_tree(size, old, &theirs).unwrap().iter().map(|hash| Hash(hash.0)).collect();
        prop_assert_eq!(proof, ours.consistency_path(TreeSize(old), TreeSize(size)).unwrap());
    }

    #[test]
    fn every_path_is_read_as_it_is_written(level in 0_u8..=63, index in 0_u64..1 << 48, width in 1_u16..=256, entries: bool) {
        let content = if entries { TileContent::Entries } else { TileContent::Hashes(level) };
        let tile = Tile::new(content, index, width).unwrap();
        prop_assert_eq!(tile.to_string().parse(), Ok(tile));
    }

    #[test]
    fn no_text_makes_a_parser_fail_otherwise_than_with_an_error(path: String, bytes: Vec<u8>, width in 0_u16..=256) {
        if let Ok(tile) = path.parse::<Tile>() {
            prop_assert_eq!(tile.to_string(), path);
        }
        let bytes = Bytes::from(bytes);
        if let Ok(entries) = decode_entries(&bytes, width) {
            let again = encode_entries(entries.iter().map(AsRef::as_ref)).unwrap();
            prop_assert_eq!(again, bytes);
        }
    }
}
