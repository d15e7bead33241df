use proptest::prelude::*;
use tlog_tiles::checkpoint::Checkpoint as OtherCheckpoint;

use super::*;
use crate::{
    merkle::{Tree, hash_leaf},
    note::SignatureType,
};

const TEXT: &str = "ledger.example/main\n7\nTL2ONYSUUEANTpxMCuf3HHmtRBD5rSxiRiL/X4YXMT0=\n";
const LOG_LINE: &str = "— ledger.example/main 9o1gAAtiygtbHHn4jwOrdWDGFRw/w/7jKwCsgQO8GK3kUlAhhCDKqJ170jUmPqX05UamobSW1xZ8DNYbYu3VT45AZQA=\n";
const LOG_VKEY: &str = "ledger.example/main+f68d6000+AepKbGPinFIKvvVQexMuxfmVR3auvr57kkIe6mkURtIs";
const WITNESS_VKEY: &str = "court.example/w+eefa5965+BP0XJDhaoMdbZPt4zWAvodmR/ev3axPFjtcC6sg16fYY";
const WITNESS_TIME: u64 = 1_760_000_000;

fn name(text: &str) -> KeyName {
    text.parse().unwrap()
}

fn known_checkpoint() -> Checkpoint {
    let tree: Tree = (0..7).map(|number| hash_leaf(format!("e{number}").as_bytes())).collect();
    Checkpoint { origin: name("ledger.example/main"), size: tree.size(), root: tree.root() }
}

fn log_key() -> SigningKey {
    SigningKey::from_bytes(&[7; 32])
}

fn witness_key() -> SigningKey {
    SigningKey::from_bytes(&[9; 32])
}

fn trusted() -> [VerifierKey; 2] {
    [LOG_VKEY.parse().unwrap(), WITNESS_VKEY.parse().unwrap()]
}

fn open(note: &Note) -> Result<SignedCheckpoint, CheckpointError> {
    Checkpoint::open(note.to_string().as_bytes(), &name("ledger.example/main"), &trusted())
}

#[test]
fn the_known_checkpoint_comes_out() {
    let checkpoint = known_checkpoint();
    assert_eq!(checkpoint.to_string(), TEXT);
    assert_eq!(TEXT.parse(), Ok(checkpoint.clone()));
    assert_eq!(checkpoint.sign(&log_key()).unwrap().to_string(), format!("{TEXT}\n{LOG_LINE}"));
}

#[test]
fn a_cosigned_checkpoint_opens_with_the_witnesses_time() {
    let checkpoint = known_checkpoint();
    let mut note = checkpoint.sign(&log_key()).unwrap();
    note.cosign(&name("court.example/w"), &witness_key(), WITNESS_TIME).unwrap();
    note.cosign(&name("stranger.example"), &SigningKey::from_bytes(&[1; 32]), WITNESS_TIME).unwrap();
    let cosignature =
        Cosignature { witness: name("court.example/w"), key_id: NoteKeyId(0xeefa_5965), time: WITNESS_TIME };
    let opened = SignedCheckpoint { checkpoint, cosignatures: vec![cosignature], note: note.clone() };
    assert_eq!(open(&note), Ok(opened));
}

#[test]
fn a_witness_cannot_stand_in_for_the_log() {
    let origin = name("ledger.example/main");
    let missing = CheckpointError::NoLogSignature { origin: origin.clone() };
    let mut note = Note::new(TEXT.to_owned()).unwrap();
    note.cosign(&name("court.example/w"), &witness_key(), WITNESS_TIME).unwrap();
    assert_eq!(open(&note), Err(missing.clone()));

    // Not even under the log's name, nor with the plain signature of another trusted key.
    let key = witness_key().verifying_key();
    for (signer, signature_type) in
        [("ledger.example/main", SignatureType::CosignatureV1), ("court.example/w", SignatureType::Ed25519)]
    {
        let mut note = Note::new(TEXT.to_owned()).unwrap();
        note.sign(&name(signer), &witness_key()).unwrap();
        note.cosign(&name(signer), &witness_key(), WITNESS_TIME).unwrap();
        let trusted = [VerifierKey::new(name(signer), signature_type, key).unwrap()];
        let answer = Checkpoint::open(note.to_string().as_bytes(), &origin, &trusted);
        assert_eq!(answer, Err(missing.clone()));
    }
}

#[test]
fn a_checkpoint_of_another_log_is_refused() {
    let (expected, found) = (name("ledger.example/main"), name("ledger.example/other"));
    // The same key, which a log must not do, and signed in the trusted name.
    let other = Checkpoint { origin: found.clone(), ..known_checkpoint() };
    let mut note = other.sign(&log_key()).unwrap();
    assert_eq!(open(&note), Err(NoteError::NoTrustedSignature.into()));
    note.sign(&expected, &log_key()).unwrap();
    assert_eq!(open(&note), Err(CheckpointError::WrongOrigin { expected, found }));
}

#[test]
fn a_signed_text_that_is_no_checkpoint_is_refused() {
    let mut note = Note::new("ledger.example/main\n7\n".to_owned()).unwrap();
    note.sign(&name("ledger.example/main"), &log_key()).unwrap();
    assert_eq!(open(&note), Err(CheckpointError::LineCount { found: 2 }));
}

#[test]
fn malformed_checkpoints_are_refused_by_name() {
    let root = known_checkpoint().root;
    for (text, error) in [
        (TEXT.trim_end().to_owned(), CheckpointError::Unterminated),
        (format!("{TEXT}extension\n"), CheckpointError::LineCount { found: 4 }),
        (format!("{TEXT}\n"), CheckpointError::LineCount { found: 4 }),
        (TEXT.replace("\n7\n", "\n07\n"), CheckpointError::Size),
        (TEXT.replace("\n7\n", "\n+7\n"), CheckpointError::Size),
        (TEXT.replace("\n7\n", "\n18446744073709551616\n"), CheckpointError::Size),
        (TEXT.replace("T0=", "T1="), CheckpointError::Root),
        (TEXT.replace("MT0=", ""), CheckpointError::Root),
        (TEXT.replace("\n7\n", "\n0\n"), CheckpointError::EmptyTreeRoot { root }),
    ] {
        assert_eq!(text.parse::<Checkpoint>(), Err(error), "{text:?}");
    }
    assert!(matches!(TEXT.replace("main", "ma in").parse::<Checkpoint>(), Err(CheckpointError::Origin(_))));
    assert!(matches!("\n7\n\n".parse::<Checkpoint>(), Err(CheckpointError::Origin(_))));
}

#[test]
fn the_empty_log_has_a_checkpoint() {
    let empty = Checkpoint { size: TreeSize(0), root: Hash::EMPTY_TREE, ..known_checkpoint() };
    assert_eq!(empty.to_string().parse(), Ok(empty.clone()));
    assert_eq!(open(&empty.sign(&log_key()).unwrap()).unwrap().checkpoint, empty);
}

proptest! {
    #[test]
    fn our_checkpoints_are_those_of_another_implementation(
        origin in "[a-z]{1,8}\\.example(/[a-z]{0,8})?",
        size in 1_u64..,
        root in any::<[u8; 32]>(),
    ) {
        let ours = Checkpoint { origin: name(&origin), size: TreeSize(size), root: Hash(root) };
        let theirs = OtherCheckpoint::from_bytes(ours.to_string().as_bytes()).unwrap();
        prop_assert_eq!((theirs.origin(), theirs.size(), theirs.hash().0), (origin.as_str(), size, root));
        let text = String::from_utf8(theirs.to_bytes()).unwrap();
        prop_assert_eq!(text.parse(), Ok(ours));
    }

    #[test]
    fn what_we_take_for_a_checkpoint_they_do_too(
        start in any::<prop::sample::Index>(),
        width in 0..3_usize,
        insert in "[\n0-9A-Za-z+/=é]{0,3}",
    ) {
        let start = start.index(TEXT.len());
        let mut text = TEXT.to_owned();
        text.replace_range(start..text.len().min(start + width), &insert);
        let Ok(ours) = text.parse::<Checkpoint>() else { return Ok(()) };
        prop_assert_eq!(ours.to_string(), text.as_str());
        let theirs = OtherCheckpoint::from_bytes(text.as_bytes()).unwrap();
        prop_assert_eq!((theirs.size(), theirs.hash().0), (ours.size.0, ours.root.0));
    }

    #[test]
    fn parsing_anything_returns(text in "(.{0,30}\n?){0,5}", bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        if let Ok(checkpoint) = text.parse::<Checkpoint>() {
            prop_assert_eq!(checkpoint.to_string(), text);
        }
        prop_assert!(Checkpoint::open(&bytes, &name("ledger.example/main"), &trusted()).is_err());
    }
}
