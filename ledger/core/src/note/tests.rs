use proptest::prelude::*;

use super::*;

mod sm2_sm3;

const TEXT: &str = "ledger.example/main\n7\nTL2ONYSUUEANTpxMCuf3HHmtRBD5rSxiRiL/X4YXMT0=\n";
const LOG_VKEY: &str = "ledger.example/main+f68d6000+AepKbGPinFIKvvVQexMuxfmVR3auvr57kkIe6mkURtIs";
const LOG_LINE: &str = "— ledger.example/main 9o1gAAtiygtbHHn4jwOrdWDGFRw/w/7jKwCsgQO8GK3kUlAhhCDKqJ170jUmPqX05UamobSW1xZ8DNYbYu3VT45AZQA=";
const WITNESS_VKEY: &str = "court.example/w+eefa5965+BP0XJDhaoMdbZPt4zWAvodmR/ev3axPFjtcC6sg16fYY";
const WITNESS_LINE: &str = "— court.example/w 7vpZZQAAAABo53gAqCtTsZwVErfgsG7c58vv+2XQp5i5+bzCUCRjkqMw9fNkGZj+oJrne1rLfZU4JfY3vOT/foibFf5CjfEaLZCiCA==";
const WITNESS_TIME: u64 = 1_760_000_000;

fn log_key() -> SigningKey {
    SigningKey::from_bytes(&[7; 32])
}

fn witness_key() -> SigningKey {
    SigningKey::from_bytes(&[9; 32])
}

fn name(text: &str) -> KeyName {
    text.parse().unwrap()
}

fn vkey(text: &str) -> VerifierKey {
    text.parse().unwrap()
}

fn known_note() -> String {
    format!("{TEXT}\n{LOG_LINE}\n{WITNESS_LINE}\n")
}

fn parse(text: &str) -> Result<Note, NoteError> {
    Note::parse(text.as_bytes())
}

#[test]
fn known_keys_have_the_known_text() {
    for (text, seed, signature_type, id) in [
        (LOG_VKEY, log_key(), SignatureType::Ed25519, 0xf68d_6000),
        (WITNESS_VKEY, witness_key(), SignatureType::CosignatureV1, 0xeefa_5965),
    ] {
        let parsed = vkey(text);
        let made = VerifierKey::new(parsed.name().clone(), signature_type, seed.verifying_key());
        assert_eq!(made.as_ref(), Ok(&parsed));
        assert_eq!(parsed.id(), NoteKeyId(id));
        assert_eq!(parsed.to_string(), text);
    }
}

#[test]
fn known_signatures_come_out() {
    let mut note = Note::new(TEXT.to_owned()).unwrap();
    note.sign(&name("ledger.example/main"), &log_key()).unwrap();
    note.cosign(&name("court.example/w"), &witness_key(), WITNESS_TIME).unwrap();
    assert_eq!(note.to_string(), known_note());
}

#[test]
fn known_signatures_verify() {
    let note = parse(&known_note()).unwrap();
    assert_eq!(note.text(), TEXT);
    let (log, witness) = (vkey(LOG_VKEY), vkey(WITNESS_VKEY));
    let trusted = [witness.clone(), log.clone()];
    let log = Verified { key: &log, time: None };
    let witness = Verified { key: &witness, time: Some(WITNESS_TIME) };
    assert_eq!(note.verify(&trusted), Ok(vec![log, witness]));
}

#[test]
fn signatures_of_unknown_keys_are_carried_along_unread() {
    let stranger = "— stranger.example AAAAAAA=";
    let text = format!("{TEXT}\n{stranger}\n{LOG_LINE}\n");
    let note = parse(&text).unwrap();
    assert_eq!(note.verify(&[vkey(LOG_VKEY)]).unwrap().len(), 1);
    assert_eq!(note.to_string(), text);
    // The name alone is not a key: another id is another key.
    let note = parse(&format!("{TEXT}\n— ledger.example/main AAAAAAA=\n{LOG_LINE}\n")).unwrap();
    assert_eq!(note.verify(&[vkey(LOG_VKEY)]).unwrap().len(), 1);
}

#[test]
fn a_false_signature_of_a_trusted_key_rejects_the_note() {
    let trusted = [vkey(LOG_VKEY), vkey(WITNESS_VKEY)];
    let false_log = LOG_LINE.replace("AtiygtbHH", "AtiygtbHI");
    let note = parse(&format!("{TEXT}\n{WITNESS_LINE}\n{false_log}\n")).unwrap();
    let failed = NoteError::SignatureFailed { name: name("ledger.example/main") };
    assert_eq!(note.verify(&trusted), Err(failed.clone()));
    // A true one beside it does not help, in whichever order.
    for lines in [[LOG_LINE, &false_log], [&false_log, LOG_LINE]] {
        let note = parse(&format!("{TEXT}\n{}\n", lines.join("\n"))).unwrap();
        assert_eq!(note.verify(&trusted), Err(failed.clone()));
    }
    // Neither does one that is too short to be a signature at all.
    let note = parse(&format!("{TEXT}\n{LOG_LINE}\n— court.example/w 7vpZZQA=\n")).unwrap();
    assert_eq!(note.verify(&trusted), Err(NoteError::SignatureFailed { name: name("court.example/w") }));
}

#[test]
fn the_time_of_a_cosignature_is_signed() {
    let later = WITNESS_LINE.replace("AABo53gA", "AABo53gB");
    let note = parse(&format!("{TEXT}\n{later}\n")).unwrap();
    assert!(matches!(note.verify(&[vkey(WITNESS_VKEY)]), Err(NoteError::SignatureFailed { .. })));
}

#[test]
fn a_note_that_no_trusted_key_has_signed_is_not_believed() {
    let note = parse(&format!("{TEXT}\n{LOG_LINE}\n")).unwrap();
    assert_eq!(note.verify(&[vkey(WITNESS_VKEY)]), Err(NoteError::NoTrustedSignature));
    assert_eq!(note.verify(&[]), Err(NoteError::NoTrustedSignature));
}

#[test]
fn a_changed_text_is_rejected() {
    let note = parse(&known_note().replace("\n7\n", "\n8\n")).unwrap();
    assert!(matches!(note.verify(&[vkey(LOG_VKEY)]), Err(NoteError::SignatureFailed { .. })));
}

#[test]
fn a_key_that_signs_twice_counts_once() {
    let note = parse(&format!("{TEXT}\n{LOG_LINE}\n{LOG_LINE}\n")).unwrap();
    assert_eq!(note.verify(&[vkey(LOG_VKEY), vkey(LOG_VKEY)]).unwrap().len(), 1);
}

#[test]
fn a_new_signature_takes_the_place_of_the_keys_earlier_one() {
    let mut note = parse(&known_note()).unwrap();
    note.cosign(&name("court.example/w"), &witness_key(), WITNESS_TIME + 1).unwrap();
    assert_eq!(note.signatures().len(), 2);
    let times: Vec<_> = note.verify(&[vkey(WITNESS_VKEY)]).unwrap().iter().map(|verified| verified.time).collect();
    assert_eq!(times, [Some(WITNESS_TIME + 1)]);
}

#[test]
fn the_last_empty_line_separates() {
    let mut note = Note::new("a\n\nb\n\n".to_owned()).unwrap();
    note.sign(&name("ledger.example/main"), &log_key()).unwrap();
    let read = parse(&note.to_string()).unwrap();
    assert_eq!(read.text(), "a\n\nb\n\n");
    assert_eq!(read, note);
    assert!(read.verify(&[vkey(LOG_VKEY)]).is_ok());
}

#[test]
fn malformed_notes_are_refused_by_name() {
    let line = |line: &str| NoteError::MalformedSignature { line: line.to_owned() };
    for (text, error) in [
        (String::new(), NoteError::NoBlankLine),
        ("a\n".to_owned(), NoteError::NoBlankLine),
        ("a\n\n".to_owned(), NoteError::NoSignatures),
        (format!("a\n\n{LOG_LINE}\n\n"), NoteError::NoSignatures),
        (format!("a\n\n{LOG_LINE}"), NoteError::Unterminated),
        (format!("a\r\n\n{LOG_LINE}\n"), NoteError::ControlCharacter),
        (format!("a\0\n\n{LOG_LINE}\n"), NoteError::ControlCharacter),
        ("a\n\n- n AAAAAAA=\n".to_owned(), line("- n AAAAAAA=")),
        ("a\n\n—n AAAAAAA=\n".to_owned(), line("—n AAAAAAA=")),
        ("a\n\n— n\n".to_owned(), line("— n")),
        ("a\n\n—  AAAAAAA=\n".to_owned(), line("—  AAAAAAA=")),
        ("a\n\n— n+m AAAAAAA=\n".to_owned(), line("— n+m AAAAAAA=")),
        ("a\n\n— n AAAAAA==\n".to_owned(), line("— n AAAAAA==")),
        ("a\n\n— n AAAAAAB=\n".to_owned(), line("— n AAAAAAB=")),
        ("a\n\n— n AAAAAAA\n".to_owned(), line("— n AAAAAAA")),
        ("a\n\n— n AAAAAAA= \n".to_owned(), line("— n AAAAAAA= ")),
    ] {
        assert_eq!(parse(&text), Err(error), "{text:?}");
    }
    assert_eq!(Note::parse(b"\xff\n\n"), Err(NoteError::NotUtf8));
}

#[test]
fn a_text_that_cannot_be_read_back_is_not_signed() {
    assert_eq!(Note::new("a".to_owned()), Err(NoteError::TextUnterminated));
    assert_eq!(Note::new(String::new()), Err(NoteError::TextUnterminated));
    assert_eq!(Note::new("a\tb\n".to_owned()), Err(NoteError::ControlCharacter));
}

#[test]
fn notes_have_bounds() {
    let size = NOTE_BYTES_MAX + 1;
    assert_eq!(Note::parse(&vec![b'\n'; size]), Err(NoteError::TooLarge { size }));
    assert_eq!(Note::new("\n".repeat(size)), Err(NoteError::TooLarge { size }));
    let mut full = Note::new("\n".repeat(NOTE_BYTES_MAX)).unwrap();
    assert!(matches!(full.sign(&name("n"), &log_key()), Err(NoteError::TooLarge { .. })));
    assert!(full.signatures().is_empty());

    let lines = |count| format!("a\n\n{}", "— n AAAAAAA=\n".repeat(count));
    assert!(parse(&lines(NOTE_SIGNATURES_MAX)).is_ok());
    let count = NOTE_SIGNATURES_MAX + 1;
    assert_eq!(parse(&lines(count)), Err(NoteError::TooManySignatures { count }));

    let mut note = Note::new("a\n".to_owned()).unwrap();
    for number in 0..NOTE_SIGNATURES_MAX {
        note.add(format!("— n{number} AAAAAAA=").parse().unwrap()).unwrap();
    }
    assert_eq!(note.sign(&name("n"), &log_key()), Err(NoteError::TooManySignatures { count }));
    assert_eq!(note.add("— n0 AAAAAAE=".parse().unwrap()), Ok(()));
}

#[test]
fn malformed_vkeys_are_refused_by_name() {
    let weak = STANDARD.encode([[1].as_slice(), &[1], &[0; 31]].concat());
    let no_point = STANDARD.encode([[1].as_slice(), &[2], &[0; 31]].concat());
    let computed = NoteKeyId(0xf68d_6000);
    for (text, error) in [
        ("ledger.example/main".to_owned(), VerifierKeyError::Malformed),
        ("ledger.example/main+f68d6000".to_owned(), VerifierKeyError::Malformed),
        ("ledger.example/main+f68d6000+".to_owned(), VerifierKeyError::Malformed),
        (format!("{LOG_VKEY}\n"), VerifierKeyError::Malformed),
        (LOG_VKEY.replace("main", "ma in"), KeyNameError { name: "ledger.example/ma in".to_owned() }.into()),
        (LOG_VKEY.replace("ledger.example/main", ""), KeyNameError { name: String::new() }.into()),
        (LOG_VKEY.replace("+Aep", "+Aup"), VerifierKeyError::UnknownType { number: 2 }),
        ("n+f68d6000+AQEB".to_owned(), VerifierKeyError::Length { found: 2 }),
        (format!("n+f68d6000+{no_point}"), VerifierKeyError::NotAPoint),
        (format!("n+f68d6000+{weak}"), VerifierKeyError::Weak),
        (LOG_VKEY.replace("f68d6000", "F68D6000"), VerifierKeyError::IdMismatch { computed }),
        (LOG_VKEY.replace("f68d6000", "f68d6001"), VerifierKeyError::IdMismatch { computed }),
    ] {
        assert_eq!(text.parse::<VerifierKey>(), Err(error), "{text}");
    }
}

#[test]
fn a_signature_that_two_trusted_keys_could_have_made_is_refused() {
    // Found by trying: the ids of these two keys of one name are the same.
    let name = name("ledger.example/main");
    let [key, twin] = [20_548_u64, 121_559].map(|number| {
        let mut seed = [0; 32];
        seed.first_chunk_mut().map(|start| *start = number.to_le_bytes()).unwrap();
        SigningKey::from_bytes(&seed)
    });
    let vkeys =
        [&key, &twin].map(|key| VerifierKey::new(name.clone(), SignatureType::Ed25519, key.verifying_key()).unwrap());
    assert_eq!(vkeys.each_ref().map(VerifierKey::id), [NoteKeyId(0x6732_92cf); 2]);
    let mut note = Note::new(TEXT.to_owned()).unwrap();
    note.sign(&name, &key).unwrap();
    assert_eq!(note.verify(&vkeys), Err(NoteError::AmbiguousKey { name }));
}

mod other_implementation {
    use super::*;

    fn verifiers(vkeys: &[String]) -> signed_note::VerifierList {
        let verifier = |vkey: &String| -> Box<dyn signed_note::Verifier> {
            Box::new(signed_note::StandardVerifier::new(vkey).unwrap())
        };
        signed_note::VerifierList::new(vkeys.iter().map(verifier).collect())
    }

    fn signer(name: &KeyName, seed: [u8; 32], id: NoteKeyId) -> signed_note::StandardSigner {
        let typed = [[1].as_slice(), &seed].concat();
        let skey = format!("PRIVATE+KEY+{name}+{id}+{}", STANDARD.encode(typed));
        signed_note::StandardSigner::new(&skey).unwrap()
    }

    proptest! {
        #[test]
        fn our_notes_are_theirs_and_theirs_are_ours(
            text in "([^\\x00-\\x1f]{0,20}\n){1,4}",
            names in prop::collection::btree_set("[a-z]{1,8}(/[a-z/é]{0,8})?", 1..4),
            seed in any::<[u8; 32]>(),
        ) {
            let names: Vec<_> = names.iter().map(|text| name(text)).collect();
            let key = SigningKey::from_bytes(&seed);
            let mut ours = Note::new(text.clone()).unwrap();
            let mut theirs = signed_note::Note::new(text.as_bytes(), &[]).unwrap();
            let mut vkeys = Vec::new();
            for name in &names {
                let vkey = VerifierKey::new(name.clone(), SignatureType::Ed25519, key.verifying_key()).unwrap();
                ours.sign(name, &key).unwrap();
                theirs.add_sigs(&[&signer(name, seed, vkey.id())]).unwrap();
                vkeys.push(vkey);
            }
            prop_assert_eq!(ours.to_string().into_bytes(), theirs.to_bytes());

            let opened = signed_note::Note::from_bytes(ours.to_string().as_bytes()).unwrap();
            let vkey_texts: Vec<_> = vkeys.iter().map(VerifierKey::to_string).collect();
            let (verified, unverified) = opened.verify(&verifiers(&vkey_texts)).unwrap();
            prop_assert_eq!((verified.len(), unverified.len()), (names.len(), 0));

            let opened = Note::parse(&theirs.to_bytes()).unwrap();
            prop_assert_eq!(opened.verify(&vkeys).unwrap().len(), names.len());
            prop_assert_eq!(opened.text().as_bytes(), text.as_bytes());
        }

        #[test]
        fn what_we_take_for_a_note_they_do_too(bytes in changed_note()) {
            let ours = Note::parse(&bytes);
            let theirs = signed_note::Note::from_bytes(&bytes);
            prop_assert_eq!(ours.is_ok(), theirs.is_ok());
            let Ok(ours) = ours else { return Ok(()) };
            prop_assert_eq!(ours.to_string().into_bytes(), bytes);
            let trusts = theirs.unwrap().verify(&verifiers(&[LOG_VKEY.to_owned()])).is_ok();
            prop_assert_eq!(ours.verify(&[vkey(LOG_VKEY)]).is_ok(), trusts);
        }
    }
}

/// The known note with a stretch of it replaced by other bytes.
fn changed_note() -> impl Strategy<Value = Vec<u8>> {
    let bytes = prop_oneof![
        prop::collection::vec(any::<u8>(), 0..4),
        prop::sample::select(vec!["\n", "\n\n", " ", "— ", "+", "=", "A", "\u{a0}", "\u{2028}", "\u{7f}", "\u{85}"])
            .prop_map(|text| text.as_bytes().to_vec()),
    ];
    (any::<prop::sample::Index>(), 0..3_usize, bytes).prop_map(|(start, width, bytes)| {
        let mut note = known_note().into_bytes();
        let start = start.index(note.len());
        let end = note.len().min(start + width);
        note.splice(start..end, bytes);
        note
    })
}

proptest! {
    #[test]
    fn parsing_anything_returns(bytes in prop::collection::vec(any::<u8>(), 0..200), text in ".{0,80}") {
        prop_assert!(Note::parse(&bytes).is_err());
        prop_assert!(text.parse::<VerifierKey>().is_err());
        if let Ok(signature) = text.parse::<Signature>() {
            prop_assert_eq!(signature.to_string(), text);
        }
    }

    #[test]
    fn a_changed_note_is_not_believed_or_is_the_same_text(bytes in changed_note()) {
        let Ok(note) = Note::parse(&bytes) else { return Ok(()) };
        if note.verify(&[vkey(LOG_VKEY), vkey(WITNESS_VKEY)]).is_ok() {
            prop_assert_eq!(note.text(), TEXT);
        }
    }

    #[test]
    fn a_changed_vkey_is_refused(start in any::<prop::sample::Index>(), byte in any::<char>()) {
        let mut changed: Vec<char> = LOG_VKEY.chars().collect();
        let place = start.index(changed.len());
        let old = std::mem::replace(changed.get_mut(place).unwrap(), byte);
        let changed: String = changed.into_iter().collect();
        prop_assert!(old == byte || changed.parse::<VerifierKey>().is_err());
    }
}
