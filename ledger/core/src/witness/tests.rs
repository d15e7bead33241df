use proptest::prelude::*;

use super::*;
use crate::{
    merkle::{Tree, hash_leaf},
    note::{NoteKeyId, SignatureType},
};

const ORIGIN: &str = "ledger.example/main";
const TIME: u64 = 1_760_000_000;

fn name(text: &str) -> KeyName {
    text.parse().unwrap()
}

fn log_key() -> SigningKey {
    SigningKey::from_bytes(&[7; 32])
}

fn witness_key() -> SigningKey {
    SigningKey::from_bytes(&[9; 32])
}

fn verifier(named: &str, signature_type: SignatureType, key: &SigningKey) -> VerifierKey {
    VerifierKey::new(name(named), signature_type, key.verifying_key()).unwrap()
}

fn logs() -> [VerifierKey; 1] {
    [verifier(ORIGIN, SignatureType::Ed25519, &log_key())]
}

fn witness() -> VerifierKey {
    verifier("court.example/w", SignatureType::CosignatureV1, &witness_key())
}

/// The leaves `e0`, `e1`, … of the known answers.
fn tree(size: u64) -> Tree {
    (0..size).map(|number| hash_leaf(format!("e{number}").as_bytes())).collect()
}

fn checkpoint(tree: &Tree) -> Checkpoint {
    Checkpoint { origin: name(ORIGIN), size: tree.size(), root: tree.root() }
}

fn request(old: u64, tree: &Tree) -> AddCheckpoint {
    let proof = tree.consistency_path(TreeSize(old), tree.size()).unwrap();
    AddCheckpoint { old: TreeSize(old), proof, checkpoint: checkpoint(tree).sign(&log_key()).unwrap() }
}

fn read(request: &AddCheckpoint) -> Result<Submission, Rejection> {
    Submission::read(request.to_string().as_bytes(), &logs())
}

/// What a witness answers that has cosigned this tree last.
fn answer(last: Option<&Tree>, request: &AddCheckpoint) -> Result<(), Rejection> {
    read(request)?.check(last.map(checkpoint).as_ref())
}

#[test]
fn the_known_request_comes_out() {
    let text = request(3, &tree(7)).to_string();
    let lines: Vec<_> = text.lines().collect();
    // The first 8 bytes of each hash are those of the known answer: consistency of 3 and 7.
    let starts = ["e76eb1b97b067571", "d5bdb58a19173a6a", "718fa0369d747509", "f5f34fe057a318ad"];
    for (line, start) in lines.iter().skip(1).zip(starts) {
        assert!(Hash::from_base64(line).unwrap().to_string().starts_with(start), "{line}");
    }
    assert_eq!((lines.first(), lines.get(5), lines.get(6)), (Some(&"old 3"), Some(&""), Some(&ORIGIN)));
    assert_eq!(lines.get(8), Some(&"TL2ONYSUUEANTpxMCuf3HHmtRBD5rSxiRiL/X4YXMT0="));
    assert_eq!(AddCheckpoint::parse(text.as_bytes()), Ok(request(3, &tree(7))));
}

#[test]
fn a_checkpoint_that_extends_the_last_one_is_cosigned() {
    for (last, old, new) in [(None, 0, 7), (None, 0, 0), (Some(3), 3, 7), (Some(7), 7, 7), (Some(4), 4, 9)] {
        let last = last.map(tree);
        assert_eq!(answer(last.as_ref(), &request(old, &tree(new))), Ok(()), "{old} to {new}");
    }
    let note = read(&request(0, &tree(7))).unwrap().cosigned(&name("court.example/w"), &witness_key(), TIME).unwrap();
    let line = "— court.example/w 7vpZZQAAAABo53gAqCtTsZwVErfgsG7c58vv+2XQp5i5+bzCUCRjkqMw9fNkGZj+oJrne1rLfZU4JfY3vOT/foibFf5CjfEaLZCiCA==";
    assert!(note.to_string().ends_with(&format!("{line}\n")), "{note}");
}

#[test]
fn every_rejection_has_the_status_of_the_specification() {
    let (old, new) = (tree(5), tree(9));
    let fork: Tree = (0..9).map(|number| hash_leaf(format!("f{number}").as_bytes())).collect();
    let good = request(5, &new);
    let unsigned = |sign: &dyn Fn(&mut Note)| {
        let mut note = Note::new(checkpoint(&new).to_string()).unwrap();
        sign(&mut note);
        AddCheckpoint { checkpoint: note, ..good.clone() }
    };
    let stranger = unsigned(&|note| note.sign(&name("other.example"), &log_key()).unwrap());
    let forged = unsigned(&|note| {
        let other = Checkpoint { size: TreeSize(8), ..checkpoint(&new) }.sign(&log_key()).unwrap();
        other.signatures().iter().for_each(|signature| note.add(signature.clone()).unwrap());
    });
    let unknown = {
        let other = Checkpoint { origin: name("other.example"), ..checkpoint(&new) };
        AddCheckpoint { checkpoint: other.sign(&log_key()).unwrap(), ..good.clone() }
    };
    let empty = {
        let wrong = Checkpoint { size: TreeSize(0), ..checkpoint(&new) };
        AddCheckpoint { old: TreeSize(0), proof: Vec::new(), checkpoint: wrong.sign(&log_key()).unwrap() }
    };
    let with_proof = AddCheckpoint { old: TreeSize(0), ..good.clone() };
    let without_proof = AddCheckpoint { proof: Vec::new(), ..good.clone() };
    let rows: [(&str, Option<&Tree>, AddCheckpoint, u16); 12] = [
        ("old larger than new", Some(&old), AddCheckpoint { old: TreeSize(10), ..good.clone() }, 400),
        ("unknown origin", Some(&old), unknown, 404),
        ("no signature of the log", Some(&old), stranger, 403),
        ("a signature that does not verify", Some(&old), forged, 403),
        ("empty tree with another root", None, empty, 422),
        ("never cosigned, old is not 0", None, good.clone(), 409),
        ("old is smaller", Some(&new), good.clone(), 409),
        ("old is larger", Some(&tree(4)), good.clone(), 409),
        ("old is 0, with a proof", None, with_proof, 422),
        ("no proof", Some(&old), without_proof, 422),
        ("another history", Some(&old), request(5, &fork), 422),
        ("same size, another root", Some(&new), request(9, &fork), 422),
    ];
    for (what, last, request, status) in rows {
        let rejection = answer(last, &request).expect_err(what);
        assert_eq!(rejection.status(), status, "{what}: {rejection}");
        let (content_type, body) = rejection.body();
        if status == 409 {
            let size = last.map_or(0, |last| last.size().0);
            assert_eq!((content_type, body), (SIZE_CONTENT_TYPE, format!("{size}\n")), "{what}");
        } else {
            assert!(body.ends_with('\n') && body.len() > 10, "{what}: {body}");
        }
    }
}

#[test]
fn a_body_that_is_no_request_says_what_is_wrong() {
    let good = request(3, &tree(7)).to_string();
    let long = AddCheckpoint { proof: vec![Hash::ZERO; 64], ..request(3, &tree(7)) }.to_string();
    let rows: [(Vec<u8>, AddCheckpointError); 8] = [
        (vec![b'a'; BODY_BYTES_MAX + 1], AddCheckpointError::TooLarge { size: BODY_BYTES_MAX + 1 }),
        (b"old 3\xff\n\n".to_vec(), AddCheckpointError::NotUtf8),
        (b"old 3\n".to_vec(), AddCheckpointError::NoBlankLine),
        (good.replace("old 3", "old 03").into(), AddCheckpointError::Old),
        (good.replace("old 3", "size 3").into(), AddCheckpointError::Old),
        (good.replacen("old 3\n", "old 3\nAAAA\n", 1).into(), AddCheckpointError::ProofHash),
        (long.into(), AddCheckpointError::ProofTooLong { count: 64 }),
        (b"old 0\n\ntext".to_vec(), AddCheckpointError::Note(NoteError::NoBlankLine)),
    ];
    for (body, error) in rows {
        assert_eq!(AddCheckpoint::parse(&body), Err(error));
    }
    let no_checkpoint = good.replace("\n7\n", "\n7 leaves\n");
    let rejection = Submission::read(no_checkpoint.as_bytes(), &logs()).unwrap_err();
    assert_eq!((rejection.status(), rejection), (400, Rejection::NoCheckpoint(CheckpointError::Size)));
}

#[test]
fn signatures_of_others_are_not_stored() {
    let mut request = request(0, &tree(7));
    request.checkpoint.cosign(&name("stranger.example"), &SigningKey::from_bytes(&[1; 32]), TIME).unwrap();
    let note = read(&request).unwrap().cosigned(&name("court.example/w"), &witness_key(), TIME).unwrap();
    let names: Vec<_> = note.signatures().iter().map(|signature| signature.name().as_str()).collect();
    assert_eq!(names, [ORIGIN, "court.example/w"]);
}

#[test]
fn an_answer_is_believed_only_with_the_signature_of_the_witness() {
    let note = checkpoint(&tree(7)).sign(&log_key()).unwrap();
    let cosigned =
        read(&request(0, &tree(7))).unwrap().cosigned(&name("court.example/w"), &witness_key(), TIME).unwrap();
    let signature = cosigned.signatures().last().unwrap().clone();
    let body = format!("{signature}\n");
    let read = |status, body: &str| Answer::read(status, body.as_bytes(), &note, &witness());
    assert_eq!(read(200, &body), Ok(Answer::Cosigned { signature, time: TIME }));
    assert_eq!(read(409, "12\n"), Ok(Answer::OtherSize(TreeSize(12))));
    assert_eq!(read(409, "twelve\n"), Err(AnswerError::Size));
    let refused = AnswerError::Refused { status: 422, reason: "no".to_owned() };
    assert_eq!(read(422, "no\u{1b}\nmore"), Err(refused));
    assert!(matches!(read(200, ""), Err(AnswerError::Signature(NoteError::NoSignatures))));
    let of_log = format!("{}\n", note.signatures().first().unwrap());
    assert_eq!(read(200, &of_log), Err(AnswerError::Signature(NoteError::NoTrustedSignature)));
    let other = checkpoint(&tree(8)).sign(&log_key()).unwrap();
    let name = name("court.example/w");
    let failed = AnswerError::Signature(NoteError::SignatureFailed { name });
    assert_eq!(Answer::read(200, body.as_bytes(), &other, &witness()), Err(failed));
    assert_eq!(witness().id(), NoteKeyId(0xeefa_5965));
}

#[test]
fn the_name_of_a_log_in_a_path_is_the_digest_of_its_origin() {
    let path = checkpoint_path(&name(ORIGIN));
    assert_eq!(path.len(), 64 + "/checkpoint".len());
    assert_eq!(path, format!("{}/checkpoint", hex::encode(Sha256::digest(ORIGIN))));
}

proptest! {
    #[test]
    fn a_witness_cosigns_exactly_what_extends_its_last_tree(last in 0_u64..40, old in 0_u64..40, new in 0_u64..40, forked: bool) {
        let other: Tree = (0..new).map(|number| hash_leaf(&[if number + 1 == new { 1 } else { 0 }])).collect();
        let new_tree = if forked { other } else { tree(new) };
        let proof = new_tree.consistency_path(TreeSize(old), TreeSize(new)).unwrap_or_default();
        let request = AddCheckpoint { old: TreeSize(old), proof, checkpoint: checkpoint(&new_tree).sign(&log_key()).unwrap() };
        let last_tree = tree(last);
        let outcome = answer(Some(&last_tree), &request);
        let extends = old == last && old <= new && (!forked || old == 0 || new == 0);
        prop_assert_eq!(outcome.is_ok(), extends, "{:?}", outcome);
    }

    #[test]
    fn no_bytes_make_the_parser_fail_otherwise_than_with_an_error(mut bytes: Vec<u8>, at in 0_usize..300, byte: u8, whole: bool) {
        if whole {
            bytes = request(3, &tree(7)).to_string().into_bytes();
            let at = at % bytes.len();
            if let Some(changed) = bytes.get_mut(at) {
                *changed = byte;
            }
        }
        if let Ok(parsed) = AddCheckpoint::parse(&bytes) {
            prop_assert_eq!(parsed.to_string().into_bytes(), bytes);
        }
    }
}
