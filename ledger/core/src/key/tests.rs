#![expect(clippy::indexing_slicing, reason = "keys and signatures of known length are taken apart")]

use sm2::SecretKey;
use sm3::{Digest as _, Sm3};

use super::*;

/// The example of GB/T 32918.5-2017 annex A: the signature that the standard makes with a nonce of its own.
const SECRET: &str = "3945208f7b2144b13f36e38ac6d39f95889393692860b51a42fb81ef4df7c5b8";
const POINT: &str = "0409f9df311e5421a150dd7d161e4bc5c672179fad1833fc076bb08ff356f35020\
                     ccea490ce26775a52dc6ea718cc1aa600aed05fbf35e084a6632f6072da9ad13";
const MESSAGE: &[u8] = b"message digest";
const SIGNATURE: &str = "f5a03b0648d2c4630eeac513e1bb81a15944da3827d5b74143ac7eaceee720b3\
                         b1b6aa29df212fd8763182bc0d421ca1bb9038fd1f7f42d4840b69c485bbc1aa";

/// Order of the group (GB/T 32918.5-2017).
const ORDER: &str = "fffffffeffffffffffffffffffffffff7203df6b21c6052b53bbf40939d54123";

fn bytes(text: &str) -> Vec<u8> {
    hex::decode(text).unwrap()
}

fn standard_key() -> PublicKey {
    PublicKey::sm2(&bytes(POINT)).unwrap()
}

fn standard_signer() -> Sm2Signer {
    Sm2Signer::new(SecretKey::from_slice(&bytes(SECRET)).unwrap()).unwrap()
}

#[test]
fn sm3_gives_the_digests_of_its_standard() {
    // GB/T 32905-2016 annex A.
    let cases = [
        (b"abc".to_vec(), "66c7f0f462eeedd9d1f2d46bdc10e4e24167c4875cf2f7a2297da02b8f4ba8e0"),
        (b"abcd".repeat(16), "debe9ff92275b8a138604889c18e5a4d6fdb70e5387e5765293dcba39c0c5732"),
    ];
    for (message, digest) in cases {
        assert_eq!(hex::encode(Sm3::digest(message)), digest);
    }
}

#[test]
fn the_signature_of_the_standard_verifies_and_its_key_is_that_of_the_secret() {
    let key = standard_key();
    assert!(key.verifies(MESSAGE, &bytes(SIGNATURE)));
    assert_eq!(standard_signer().public_key(), key);
    assert_eq!((key.algorithm(), key.to_bytes()), (Algorithm::Sm2Sm3, bytes(POINT)));
}

#[test]
fn an_sm2_key_signs_the_same_bytes_the_same_way_twice() {
    let signer = standard_signer();
    let signature = signer.sign(MESSAGE).unwrap();
    assert_eq!(signature.len(), 64);
    assert_eq!(signer.sign(MESSAGE).unwrap(), signature);
    assert_ne!(signer.sign(b"another message").unwrap(), signature);
    assert!(signer.public_key().verifies(MESSAGE, &signature));
}

#[test]
fn a_signature_with_one_bit_changed_does_not_verify() {
    let key = standard_key();
    for bit in 0..512 {
        let mut changed = bytes(SIGNATURE);
        *changed.get_mut(bit / 8).unwrap() ^= 1 << (bit % 8);
        assert!(!key.verifies(MESSAGE, &changed), "bit {bit}");
    }
    assert!(!key.verifies(b"message digesT", &bytes(SIGNATURE)));
}

#[test]
fn numbers_out_of_range_and_other_lengths_are_no_signature() {
    let key = standard_key();
    let (r, s) = (bytes(SIGNATURE)[..32].to_vec(), bytes(SIGNATURE)[32..].to_vec());
    let (zero, order, most) = (vec![0; 32], bytes(ORDER), vec![0xff; 32]);
    for (r, s) in [(&zero, &s), (&r, &zero), (&order, &s), (&r, &order), (&most, &s), (&r, &most), (&zero, &zero)] {
        assert!(!key.verifies(MESSAGE, &[r.as_slice(), s].concat()));
    }
    let signature = bytes(SIGNATURE);
    for other in [&signature[..63], &[signature.as_slice(), &[0]].concat(), &[]] {
        assert!(!key.verifies(MESSAGE, other));
    }
}

#[test]
fn a_signature_for_another_user_id_does_not_verify() {
    let other = sm2::dsa::SigningKey::new("ALICE123@YAHOO.COM", standard_signer().secret_key()).unwrap();
    let signature: sm2::dsa::Signature = sm2::dsa::signature::Signer::sign(&other, MESSAGE);
    assert!(!standard_key().verifies(MESSAGE, &signature.to_vec()));
}

#[test]
fn only_the_uncompressed_point_is_an_sm2_key() {
    let point = bytes(POINT);
    let algorithm = Algorithm::Sm2Sm3;
    // y is odd: 0x03 and x is the same point, 0x07 with both coordinates its hybrid form.
    let compressed = [&[0x03], &point[1..33]].concat();
    assert_eq!(PublicKey::sm2(&compressed), Err(KeyError::Length { algorithm, found: 33 }));
    assert_eq!(PublicKey::sm2(&[&[0x07], &point[1..]].concat()), Err(KeyError::NotAPoint));
    assert_eq!(PublicKey::sm2(&[0]), Err(KeyError::Length { algorithm, found: 1 }));
    let mut off_the_curve = point;
    off_the_curve[64] ^= 1;
    assert_eq!(PublicKey::sm2(&off_the_curve), Err(KeyError::NotAPoint));
    assert_eq!(PublicKey::sm2(&[0x04; 65]), Err(KeyError::NotAPoint));
}

#[test]
fn the_secret_for_which_signing_would_divide_by_zero_is_no_key() {
    let mut last = bytes(ORDER);
    last[31] -= 1;
    assert_eq!(Sm2Signer::new(SecretKey::from_slice(&last).unwrap()).unwrap_err(), KeyError::Weak);
}

#[test]
fn a_key_of_one_algorithm_takes_no_signature_of_the_other() {
    let (edwards, sm2) = (Ed25519Signer::generate().unwrap(), Sm2Signer::generate().unwrap());
    let (edwards_signature, sm2_signature) = (edwards.sign(MESSAGE).unwrap(), sm2.sign(MESSAGE).unwrap());
    assert!(edwards.public_key().verifies(MESSAGE, &edwards_signature));
    assert!(sm2.public_key().verifies(MESSAGE, &sm2_signature));
    assert!(!edwards.public_key().verifies(MESSAGE, &sm2_signature));
    assert!(!sm2.public_key().verifies(MESSAGE, &edwards_signature));
    assert!(PublicKey::new(Algorithm::Ed25519, &sm2.public_key().to_bytes()).is_err());
    assert!(PublicKey::new(Algorithm::Sm2Sm3, &edwards.public_key().to_bytes()).is_err());
}

#[test]
fn the_algorithm_is_part_of_the_key_id() {
    let key = standard_key();
    assert_eq!(key.id(), KeyId(Sha256::digest([&[2], key.to_bytes().as_slice()].concat()).into()));
}
