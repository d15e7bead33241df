use ed25519_dalek::SigningKey;
use proptest::prelude::*;

use super::*;
use crate::{
    checkpoint::Checkpoint,
    merkle::{Tree, TreeSize, hash_leaf},
    note::SignatureType,
};

/// Leaf 3 of the tree and log of the known answers.
const KNOWN: &str = "\
c2sp.org/tlog-proof@v1
index 3
526xuXsGdXFQ+V4GNXp9xATKURtjqQMwpWqU3z0NZtE=
cY+gNp10dQmbxstDJ+OCOklyKF+SvUmXGlg8nwj/to0=
9fNP4FejGK1lmZw0+Msnd3fjNkUp/nARcLCQjQMUxEI=

ledger.example/main
7
TL2ONYSUUEANTpxMCuf3HHmtRBD5rSxiRiL/X4YXMT0=

— ledger.example/main 9o1gAAtiygtbHHn4jwOrdWDGFRw/w/7jKwCsgQO8GK3kUlAhhCDKqJ170jUmPqX05UamobSW1xZ8DNYbYu3VT45AZQA=
";

fn origin() -> KeyName {
    "ledger.example/main".parse().unwrap()
}

fn log_key() -> SigningKey {
    SigningKey::from_bytes(&[7; 32])
}

fn trusted() -> [VerifierKey; 1] {
    [VerifierKey::new(origin(), SignatureType::Ed25519, log_key().verifying_key()).unwrap()]
}

fn leaf(index: u64) -> Hash {
    hash_leaf(format!("e{index}").as_bytes())
}

fn proof(index: u64, size: u64) -> OfflineProof {
    let tree: Tree = (0..size).map(leaf).collect();
    let checkpoint = Checkpoint { origin: origin(), size: tree.size(), root: tree.root() };
    OfflineProof {
        extra: Vec::new(),
        index: LeafIndex(index),
        path: tree.inclusion_path(LeafIndex(index), TreeSize(size)).unwrap(),
        checkpoint: checkpoint.sign(&log_key()).unwrap(),
    }
}

fn root_line(size: u64) -> String {
    (0..size).map(leaf).collect::<Tree>().root().to_base64()
}

#[test]
fn the_known_proof_comes_out_and_holds() {
    let made = proof(3, 7);
    assert_eq!(made.to_string(), KNOWN);
    let read = OfflineProof::parse(KNOWN.as_bytes()).unwrap();
    assert_eq!(read, made);
    let signed = read.verify(leaf(3), &origin(), &trusted()).unwrap();
    assert_eq!(signed.checkpoint.size, TreeSize(7));
}

#[test]
fn a_tree_of_one_leaf_has_a_proof_without_hashes() {
    let read: OfflineProof = proof(0, 1).to_string().parse().unwrap();
    assert_eq!(read.path, []);
    assert!(read.verify(leaf(0), &origin(), &trusted()).is_ok());
}

#[test]
fn extra_bytes_come_along() {
    let made = OfflineProof { extra: b"hello".to_vec(), ..proof(3, 7) };
    assert_eq!(made.to_string(), KNOWN.replace("index 3", "extra aGVsbG8=\nindex 3"));
    assert_eq!(made.to_string().parse(), Ok(made));
}

#[test]
fn a_proof_of_another_leaf_or_number_does_not_hold() {
    let other_leaf = proof(3, 7).verify(leaf(4), &origin(), &trusted());
    assert!(matches!(other_leaf, Err(OfflineProofError::Path(ProofError::RootMismatch { .. }))));
    let other_index = OfflineProof { index: LeafIndex(2), ..proof(3, 7) }.verify(leaf(3), &origin(), &trusted());
    assert!(matches!(other_index, Err(OfflineProofError::Path(ProofError::RootMismatch { .. }))));
    let beyond = OfflineProof { index: LeafIndex(7), ..proof(3, 7) }.verify(leaf(3), &origin(), &trusted());
    assert!(matches!(beyond, Err(OfflineProofError::Path(ProofError::IndexOutOfRange { .. }))));
}

#[test]
fn a_path_to_a_root_that_nobody_signed_does_not_hold() {
    let mut unsigned = proof(3, 7);
    let text = unsigned.checkpoint.to_string().replace(&root_line(7), &root_line(6));
    unsigned.checkpoint = Note::parse(text.as_bytes()).unwrap();
    let answer = unsigned.verify(leaf(3), &origin(), &trusted());
    let failed = NoteError::SignatureFailed { name: origin() };
    assert_eq!(answer, Err(OfflineProofError::Checkpoint(failed.into())));
}

#[test]
fn malformed_proofs_are_refused_by_name() {
    let hash = Hash::ZERO.to_base64();
    let many = format!("index 3\n{}", format!("{hash}\n").repeat(PATH_HASHES_MAX + 1));
    for (text, error) in [
        (String::new(), OfflineProofError::NoBlankLine),
        (KNOWN.replace("@v1", "@v2"), OfflineProofError::UnknownFormat),
        (format!("\n{KNOWN}"), OfflineProofError::UnknownFormat),
        (KNOWN.replace("index 3\n", ""), OfflineProofError::Index),
        (KNOWN.replace("index 3", "index 03"), OfflineProofError::Index),
        (KNOWN.replace("index 3", "index  3"), OfflineProofError::Index),
        (KNOWN.replace("index 3", "index 3\nextra aGVsbG8="), OfflineProofError::PathHash),
        (KNOWN.replace("index 3", "extra \nindex 3"), OfflineProofError::Extra),
        (KNOWN.replace("index 3", "extra a\nindex 3"), OfflineProofError::Extra),
        (KNOWN.replace("index 3", "index 3\nAAAA"), OfflineProofError::PathHash),
        (KNOWN.replace("index 3\n", &many), OfflineProofError::PathTooLong { count: PATH_HASHES_MAX + 4 }),
        (KNOWN.replace("\n\n—", "\n—"), NoteError::NoBlankLine.into()),
    ] {
        assert_eq!(OfflineProof::parse(text.as_bytes()), Err(error), "{text:?}");
    }
    let size = PROOF_BYTES_MAX + 1;
    assert_eq!(OfflineProof::parse(&vec![b'a'; size]), Err(OfflineProofError::TooLarge { size }));
    assert_eq!(OfflineProof::parse(b"\xff"), Err(OfflineProofError::NotUtf8));
}

proptest! {
    #[test]
    fn every_proof_is_read_as_it_is_written(
        size in 1..100_u64,
        index in any::<u64>(),
        extra in prop::collection::vec(any::<u8>(), 0..40),
    ) {
        let made = OfflineProof { extra, ..proof(index % size, size) };
        let read = OfflineProof::parse(made.to_string().as_bytes());
        prop_assert_eq!(read.as_ref(), Ok(&made));
        prop_assert!(made.verify(leaf(index % size), &origin(), &trusted()).is_ok());
    }

    #[test]
    fn a_changed_proof_does_not_hold_or_proves_the_same(
        start in any::<prop::sample::Index>(),
        width in 0..3_usize,
        insert in prop::collection::vec(prop_oneof![any::<u8>(), Just(b'\n'), Just(b' '), Just(b'A')], 0..3),
    ) {
        let mut bytes = KNOWN.as_bytes().to_vec();
        let start = start.index(bytes.len());
        let end = bytes.len().min(start + width);
        bytes.splice(start..end, insert);
        let Ok(read) = OfflineProof::parse(&bytes) else { return Ok(()) };
        prop_assert_eq!(read.to_string().into_bytes(), bytes);
        if let Ok(signed) = read.verify(leaf(3), &origin(), &trusted()) {
            let known = proof(3, 7);
            prop_assert_eq!((read.index, read.path), (known.index, known.path));
            prop_assert_eq!(signed.note.text(), known.checkpoint.text());
        }
    }

    #[test]
    fn parsing_anything_returns(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        prop_assert!(OfflineProof::parse(&bytes).is_err());
    }
}
