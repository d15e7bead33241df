//! Splitting, committing, sealing and opening.

use mediation_proto::{fields::kind_of_event, json::act_from_json};
use serde_json::{Value, json};

use super::*;
use crate::entropy::{SeededEntropy, SystemEntropy};

const ORIGIN: &str = "test.example/log";
const CHAIN: ChainId = ChainId([5; 16]);
const EVENT: EventId = EventId([7; 16]);
const BOTH: [Cipher; 2] = [Cipher::Aes256Gcm, Cipher::Sm4Gcm];

fn registration() -> Act {
    let header = json!({"signer": "ZC-ZS/REG-1", "signer_role": "REG"});
    let data = json!({"channel": "WALK_IN", "division": "360203", "dispute_type": "LEASE", "emergency": false,
        "parties": [{"subject": "psn_a", "side": "APPLICANT", "capacity": "NATURAL_PERSON", "minor": false}],
        "identities": [{"subject": "psn_a", "name": "甲"}, {"subject": "psn_b", "name": "乙"}, {"subject": "psn_a", "name": "甲", "phone": "138"}],
        "summary": "概要"});
    let (Value::Object(header), Value::Object(data)) = (header, data) else { panic!("two objects") };
    act_from_json(kind_of_event("DisputeRegistered").unwrap(), &header, &data, &|_| None).unwrap()
}

#[test]
fn an_act_is_split_by_the_catalogue_one_identities_part_per_subject() {
    let parts = split(&registration()).unwrap();
    let places: Vec<_> = parts.iter().map(|part| (part.kind, part.number, part.holder.clone())).collect();
    assert_eq!(
        places,
        [
            (PartKind::Act, 0, Holder::Chain),
            (PartKind::Identities, 0, Holder::Subject("psn_a".to_owned())),
            (PartKind::Identities, 1, Holder::Subject("psn_b".to_owned())),
            (PartKind::Narrative, 0, Holder::Chain),
        ]
    );
}

#[test]
fn no_name_and_no_free_text_stands_in_the_act_part() {
    let parts = split(&registration()).unwrap();
    let facts = &parts.first().unwrap().plaintext;
    for secret in ["甲", "乙", "概要", "138"] {
        assert!(!facts.windows(secret.len()).any(|window| window == secret.as_bytes()), "{secret}");
    }
}

#[test]
fn the_parts_joined_are_the_act() {
    let act = registration();
    let parts = split(&act).unwrap();
    let joined = join(parts.iter().map(|part| part.plaintext.as_ref())).unwrap();
    // Identities come back grouped by subject; nothing else moves.
    assert_eq!(split(&joined).unwrap(), parts);
    let facts = join([parts.first().unwrap().plaintext.as_ref()]).unwrap();
    assert_eq!(facts.header, act.header);
    assert_eq!(split(&facts).unwrap().len(), 1);
}

#[test]
fn a_sealed_part_opens_under_its_key_and_commitment_only() {
    BOTH.into_iter().for_each(opens_under_its_key_and_commitment_only);
}

fn opens_under_its_key_and_commitment_only(cipher: Cipher) {
    let part = split(&registration()).unwrap().pop().unwrap();
    let sealed = seal(&SystemEntropy, cipher, ORIGIN, CHAIN, EVENT, &part).unwrap();
    assert_eq!(sealed.stored.cipher, u32::from(cipher.number()));
    let opened = open(ORIGIN, EVENT, sealed.commitment, &sealed.stored, &sealed.key).unwrap();
    assert_eq!(opened.plaintext, part.plaintext);
    let place = (part.kind, part.number);
    let undecryptable = Err(OpenError::Undecryptable { kind: place.0, number: place.1 });
    let other_key = DataKey([1; 32]);
    assert_eq!(open(ORIGIN, EVENT, sealed.commitment, &sealed.stored, &other_key).map(|_| ()), undecryptable);
    assert_eq!(open("other.example", EVENT, sealed.commitment, &sealed.stored, &sealed.key).map(|_| ()), undecryptable);
    assert_eq!(
        open(ORIGIN, EventId([8; 16]), sealed.commitment, &sealed.stored, &sealed.key).map(|_| ()),
        undecryptable
    );
    let other = Commitment { digest: Hash([1; 32]), ..sealed.commitment };
    let other_part = Err(OpenError::OtherPart { kind: place.0, number: place.1 });
    assert_eq!(open(ORIGIN, EVENT, other, &sealed.stored, &sealed.key).map(|_| ()), other_part);
    let mut relabelled = sealed.stored.clone();
    relabelled.digest = Bytes::copy_from_slice(&[1; 32]);
    let broken = Err(OpenError::CommitmentBroken { kind: place.0, number: place.1 });
    assert_eq!(open(ORIGIN, EVENT, other, &relabelled, &sealed.key).map(|_| ()), broken);
}

#[test]
fn every_flipped_bit_of_a_stored_part_is_noticed() {
    let part = split(&registration()).unwrap().pop().unwrap();
    for cipher in BOTH {
        let sealed = seal(&SystemEntropy, cipher, ORIGIN, CHAIN, EVENT, &part).unwrap();
        for at in 0..sealed.stored.ciphertext.len() {
            let mut bytes = sealed.stored.ciphertext.to_vec();
            *bytes.get_mut(at).unwrap() ^= 1;
            let changed = proto::StoredPart { ciphertext: bytes.into(), ..sealed.stored.clone() };
            assert!(open(ORIGIN, EVENT, sealed.commitment, &changed, &sealed.key).is_err(), "{cipher}, byte {at}");
        }
    }
}

#[test]
fn a_part_that_names_another_cipher_does_not_open() {
    let part = split(&registration()).unwrap().pop().unwrap();
    let (kind, number) = (part.kind, part.number);
    for cipher in BOTH {
        let sealed = seal(&SystemEntropy, cipher, ORIGIN, CHAIN, EVENT, &part).unwrap();
        for named in (0..=300).filter(|named| *named != u32::from(cipher.number())) {
            let relabelled = proto::StoredPart { cipher: named, ..sealed.stored.clone() };
            let refused = match named {
                1 | 2 => OpenError::Undecryptable { kind, number },
                _ => OpenError::UnknownCipher { kind, number, cipher: named },
            };
            let opened = open(ORIGIN, EVENT, sealed.commitment, &relabelled, &sealed.key);
            assert_eq!(opened, Err(refused), "{cipher} as {named}");
        }
    }
}

#[test]
fn equal_contents_are_committed_to_differently() {
    let part = split(&registration()).unwrap().pop().unwrap();
    let (one, two) = (
        seal(&SystemEntropy, Cipher::Aes256Gcm, ORIGIN, CHAIN, EVENT, &part).unwrap(),
        seal(&SystemEntropy, Cipher::Aes256Gcm, ORIGIN, CHAIN, EVENT, &part).unwrap(),
    );
    assert_ne!(one.commitment.digest, two.commitment.digest);
    assert_ne!(one.key, two.key);
}

#[test]
fn the_digest_is_the_documented_one() {
    // Computed with Python's hashlib from the layout in the module's head.
    let digest = digest("a", EventId([1; 16]), PartKind::Narrative, 2, &[3; 32], b"xyz");
    assert_eq!(digest.to_string(), KNOWN_DIGEST);
}

const KNOWN_DIGEST: &str = "6dafbf3bbdd6c09c63690a637835597d4f77361803c36b597ef9f83e9f154ab8";

#[test]
fn a_part_that_is_too_large_is_refused() {
    let mut act = registration();
    let text = "字".repeat(PART_BYTES_MAX / 3 + 1);
    let Some(proto::act::Family::Core(family)) = act.family.as_mut() else { panic!("a registration") };
    let Some(mediation_proto::mediation::core::v1::core_act::Act::DisputeRegistered(event)) = family.act.as_mut()
    else {
        panic!("a registration")
    };
    event.summary = Some(text);
    assert!(matches!(split(&act), Err(SplitError::TooLarge { kind: PartKind::Narrative, .. })));
    assert_eq!(split(&Act::default()), Err(SplitError::NoAct));
}

#[test]
fn seeded_parts_come_out_the_same_and_share_nothing_with_any_other() {
    let (entropy, again) = (SeededEntropy::new([1; 32]), SeededEntropy::new([1; 32]));
    let parts = split(&registration()).unwrap();
    let mut seen = std::collections::BTreeSet::new();
    for (chain, event) in [(CHAIN, EVENT), (ChainId([6; 16]), EVENT), (CHAIN, EventId([8; 16]))] {
        for part in &parts {
            let sealed = seal(&entropy, Cipher::Aes256Gcm, ORIGIN, chain, event, part).unwrap();
            let once_more = seal(&again, Cipher::Aes256Gcm, ORIGIN, chain, event, part).unwrap();
            assert_eq!((sealed.commitment, &sealed.stored), (once_more.commitment, &once_more.stored));
            let opened = open(ORIGIN, event, sealed.commitment, &sealed.stored, &sealed.key).unwrap();
            for secret in [opened.salt.to_vec(), sealed.key.0.to_vec(), sealed.stored.nonce.to_vec()] {
                assert!(seen.insert(secret), "a salt, key or nonce came twice");
            }
        }
    }
    assert_eq!(seen.len(), 3 * 3 * parts.len());
    let mut changed = parts.first().unwrap().clone();
    changed.plaintext = parts.last().unwrap().plaintext.clone();
    let sealed = seal(&entropy, Cipher::Aes256Gcm, ORIGIN, CHAIN, EVENT, &changed).unwrap();
    assert!(!seen.contains(sealed.stored.nonce.as_ref()), "other content under the same nonce");
}
