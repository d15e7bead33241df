//! Notes that a log signs with SM2.

use ::sm2::SecretKey;

use super::*;
use crate::key::{Algorithm, Sm2Signer};

/// The key of GB/T 32918.5-2017 annex A under the name of a twin; the id was computed by another program.
const TWIN_VKEY: &str = "ledger.example/main/sm3+ee9ea864+/3NtMi1zbTMtdjEECfnfMR5UIaFQ3X0WHkvFxnIXn60YM/wHa7CP81bzUCDM6kkM4md1pS3G6nGMwapgCu0F+/NeCEpmMvYHLamtEw==";
const TWIN_TEXT: &str = "ledger.example/main/sm3\n7\nTL2ONYSUUEANTpxMCuf3HHmtRBD5rSxiRiL/X4YXMT0=\n";

fn signer() -> Sm2Signer {
    let secret = hex::decode("3945208f7b2144b13f36e38ac6d39f95889393692860b51a42fb81ef4df7c5b8").unwrap();
    Sm2Signer::new(SecretKey::from_slice(&secret).unwrap()).unwrap()
}

#[test]
fn a_known_key_has_the_known_text() {
    let twin = vkey(TWIN_VKEY);
    assert_eq!(VerifierKey::of_log(name("ledger.example/main/sm3"), signer().public_key()), twin);
    assert_eq!((twin.to_string().as_str(), twin.id()), (TWIN_VKEY, NoteKeyId(0xee9e_a864)));
    assert_eq!(twin.signature_type(), SignatureType::Sm2Sm3);
}

#[test]
fn a_note_signed_with_sm2_verifies_and_reads_back() {
    let mut note = Note::new(TWIN_TEXT.to_owned()).unwrap();
    note.sign_with(&name("ledger.example/main/sm3"), &signer()).unwrap();
    let read = parse(&note.to_string()).unwrap();
    assert_eq!(read, note);
    let twin = vkey(TWIN_VKEY);
    assert_eq!(read.verify(std::slice::from_ref(&twin)), Ok(vec![Verified { key: &twin, time: None }]));
    let other = note.to_string().replace("\n7\n", "\n8\n");
    let failed = NoteError::SignatureFailed { name: twin.name().clone() };
    assert_eq!(parse(&other).unwrap().verify(&[twin]), Err(failed));
}

#[test]
fn a_log_signs_one_text_with_both_algorithms() {
    let origin = name("ledger.example/main");
    let mut note = Note::new(TEXT.to_owned()).unwrap();
    note.sign(&origin, &log_key()).unwrap();
    note.sign_with(&origin, &signer()).unwrap();
    let (edwards, sm2) = (vkey(LOG_VKEY), VerifierKey::of_log(origin.clone(), signer().public_key()));
    let both = [edwards, sm2];
    assert_eq!(note.verify(&both).unwrap().len(), 2);
    // Who knows one of them only reads the other's line as a stranger's.
    for trusted in &both {
        assert_eq!(note.verify(std::slice::from_ref(trusted)).unwrap().len(), 1);
    }
}

#[test]
fn a_signature_of_the_other_algorithm_in_a_keys_name_rejects_the_note() {
    let origin = name("ledger.example/main");
    let (edwards, sm2) = (vkey(LOG_VKEY), VerifierKey::of_log(origin.clone(), signer().public_key()));
    for (key, value) in [
        (&edwards, Signer::sign(&signer(), TEXT.as_bytes()).unwrap()),
        (&sm2, log_key().sign(TEXT.as_bytes()).to_bytes().to_vec()),
    ] {
        let mut note = Note::new(TEXT.to_owned()).unwrap();
        note.add(Signature { name: origin.clone(), key_id: key.id(), value }).unwrap();
        let failed = NoteError::SignatureFailed { name: origin.clone() };
        assert_eq!(note.verify(std::slice::from_ref(key)), Err(failed));
    }
}

#[test]
fn vkeys_of_other_types_and_algorithms_are_refused() {
    let found = Algorithm::Ed25519;
    let wrong = VerifierKey::new(name("n"), SignatureType::Sm2Sm3, log_key().verifying_key());
    assert_eq!(wrong, Err(VerifierKeyError::OtherAlgorithm { signature_type: SignatureType::Sm2Sm3, found }));
    // The next version of the type is another one.
    let text = "ledger.example/main/sm3+ee9ea864+/3NtMi1zbTMtdjIECfnfMR5UIaFQ3X0WHkvFxnIXn60YM/wHa7CP81bzUCDM6kkM4md1pS3G6nGMwapgCu0F+/NeCEpmMvYHLamtEw==";
    assert_eq!(text.parse::<VerifierKey>(), Err(VerifierKeyError::UnknownType { number: 0xff }));
}
