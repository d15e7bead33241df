use ed25519_dalek::SigningKey;
use proptest::prelude::*;

use super::*;

fn key(seed: u8, name: &str, signature_type: SignatureType) -> VerifierKey {
    let key = SigningKey::from_bytes(&[seed; 32]).verifying_key();
    VerifierKey::new(name.parse().unwrap(), signature_type, key).unwrap()
}

fn log(seed: u8) -> VerifierKey {
    key(seed, "ledger.example/main", SignatureType::Ed25519)
}

fn witness(seed: u8) -> VerifierKey {
    key(seed, &format!("w{seed}.example"), SignatureType::CosignatureV1)
}

fn cosignatures(seeds: &[u8]) -> Vec<Cosignature> {
    let cosigned = seeds.iter().map(|seed| witness(*seed));
    cosigned.map(|key| Cosignature { witness: key.name().clone(), key_id: key.id(), time: 1 }).collect()
}

/// Seven witnesses, and these lines after them.
fn seven(lines: &str) -> String {
    let witnesses = (1..=7).map(|seed| format!("witness w{seed} {} https://w{seed}.example\n", witness(seed)));
    format!("log {}\n{}{lines}", log(100), witnesses.collect::<String>())
}

#[test]
fn a_policy_is_written_as_it_was_read() {
    let text = seven("group some 2 w1 w2 w3\ngroup more any w4 w5\ngroup both all some more\nquorum both\n");
    let policy: Policy = text.parse().unwrap();
    assert_eq!(policy.to_string(), text);
    assert_eq!((policy.logs().len(), policy.witnesses().count(), policy.keys().len()), (1, 7, 8));
    assert_eq!(policy.witnesses().next().unwrap().1.url.as_deref(), Some("https://w1.example"));
    let spaced = format!("# genesis 00\n\n \t{}", text.replace("group some 2", "\t group  some\t2 "));
    assert_eq!(spaced.parse(), Ok(policy));
}

#[test]
fn a_quorum_is_met_as_its_groups_say() {
    let nested = "group x 2 w1 w2 w3\ngroup y any w4 w5\ngroup both all x y\nquorum both\n";
    let rows: [(&str, &[u8], bool); 15] = [
        ("quorum none\n", &[], true),
        ("quorum w1\n", &[], false),
        ("quorum w1\n", &[1], true),
        ("quorum w1\n", &[2], false),
        ("group all all w1 w2 w3 w4 w5 w6 w7\nquorum all\n", &[1, 2, 3, 4, 5, 6], false),
        ("group all all w1 w2 w3 w4 w5 w6 w7\nquorum all\n", &[1, 2, 3, 4, 5, 6, 7], true),
        ("group any any w1 w2\nquorum any\n", &[2], true),
        ("group any any w1 w2\nquorum any\n", &[3], false),
        ("group five 5 w1 w2 w3 w4 w5 w6 w7\nquorum five\n", &[7, 6, 5, 4, 3], true),
        ("group five 5 w1 w2 w3 w4 w5 w6 w7\nquorum five\n", &[1, 2, 3, 4], false),
        ("group five 5 w1 w2 w3 w4 w5 w6 w7\nquorum five\n", &[1, 1, 1, 1, 1], false),
        (nested, &[1, 3, 5], true),
        (nested, &[1, 2, 3], false),
        (nested, &[1, 4, 5], false),
        (nested, &[9, 8, 7], false),
    ];
    for (lines, seeds, met) in rows {
        let policy: Policy = seven(lines).parse().unwrap();
        assert_eq!(policy.is_met(&cosignatures(seeds)), met, "{lines} of {seeds:?}");
    }
}

#[test]
fn a_cosignature_counts_for_its_key_and_not_for_its_name() {
    let policy: Policy = seven("quorum w1\n").parse().unwrap();
    let mut foreign = cosignatures(&[2]);
    foreign.iter_mut().for_each(|cosignature| cosignature.witness = witness(1).name().clone());
    assert!(!policy.is_met(&foreign));
}

#[test]
fn a_line_that_is_wrong_is_named_with_its_problem() {
    let form = |form| LineProblem::Form { form };
    let name = |name: &str| name.to_owned();
    let again = format!("witness again {}\nquorum none\n", key(3, "other.example", SignatureType::CosignatureV1));
    let swapped = format!("witness w8 {}\n", log(50));
    let log_again = format!("log {}\n", key(100, "other.example", SignatureType::Ed25519));
    let as_log = format!("log {}\n", witness(1));
    let taken = format!("witness w1 {}\n", witness(8));
    let nobody = format!("witness none {}\n", witness(8));
    let threshold = |threshold: &str| LineProblem::Threshold { threshold: threshold.to_owned(), members: 2 };
    let rows: [(&str, LineProblem); 24] = [
        ("witnesses\n", LineProblem::Keyword { word: name("witnesses") }),
        ("quorum none", LineProblem::Unterminated),
        ("# \u{1}\n", LineProblem::ControlCharacter),
        ("quorum none\r\n", LineProblem::ControlCharacter),
        ("log\n", form("log <vkey> [<url>]")),
        ("witness w8\n", form("witness <name> <vkey> [<url>]")),
        ("group g any\n", form("group <name> <k|any|all> <name>...")),
        ("quorum\n", form("quorum <name>")),
        ("quorum w1 w2\n", form("quorum <name>")),
        ("witness w8 key\n", LineProblem::Key(VerifierKeyError::Malformed)),
        (&swapped, LineProblem::KeyType { name: name("ledger.example/main"), role: "witness" }),
        (&as_log, LineProblem::KeyType { name: name("w1.example"), role: "log" }),
        (&again, LineProblem::DuplicateKey { role: "witness" }),
        (&log_again, LineProblem::DuplicateKey { role: "log" }),
        (&taken, LineProblem::NameTaken { name: name("w1") }),
        (&nobody, LineProblem::NameTaken { name: name("none") }),
        ("quorum g\ngroup g any w1\n", LineProblem::Undefined { name: name("g") }),
        ("group g any none\n", LineProblem::Undefined { name: name("none") }),
        ("group g any w1 w1\n", LineProblem::MemberTwice { name: name("w1") }),
        ("group g any g\n", LineProblem::Undefined { name: name("g") }),
        ("group g 0 w1 w2\n", threshold("0")),
        ("group g 3 w1 w2\n", threshold("3")),
        ("group g +1 w1 w2\n", threshold("+1")),
        ("group g most w1 w2\n", threshold("most")),
    ];
    for (lines, problem) in rows {
        assert_eq!(seven(lines).parse::<Policy>(), Err(PolicyError::Line { line: 9, problem }), "{lines}");
    }
    let twice = seven("group g any w1\ngroup h any w1\n").parse::<Policy>();
    assert_eq!(twice, Err(PolicyError::Line { line: 10, problem: LineProblem::MemberTwice { name: name("w1") } }));
    let quorums = seven("quorum none\nquorum w1\n").parse::<Policy>();
    assert_eq!(quorums, Err(PolicyError::Line { line: 10, problem: LineProblem::QuorumTwice }));
    assert_eq!(seven("").parse::<Policy>(), Err(PolicyError::NoQuorum));
    assert_eq!(Policy::parse(b"# \xff\n"), Err(PolicyError::NotUtf8));
    let large = vec![b'\n'; POLICY_BYTES_MAX + 1];
    assert_eq!(Policy::parse(&large), Err(PolicyError::TooLarge { size: POLICY_BYTES_MAX + 1 }));
}

#[test]
fn as_many_witnesses_as_the_specification_asks_for_are_taken_and_not_any_number() {
    let many = |count: u8| {
        let witnesses = (0..count).map(|seed| format!("witness w{seed} {}\n", witness(seed)));
        format!("{}quorum none\n", witnesses.collect::<String>()).parse::<Policy>()
    };
    assert!(many(64).is_ok());
    assert_eq!(many(65), Err(PolicyError::Line { line: 65, problem: LineProblem::TooMany }));
}

proptest! {
    #[test]
    fn a_policy_that_can_be_read_is_written_so_that_it_reads_the_same(lines in proptest::collection::vec("(log|witness|group|quorum|#)[ \t](w[1-9]|none|g|all|any|[0-9]|\\PC{0,8})([ \t](w[1-9]|g|any|2)){0,3}", 0..6)) {
        let text = seven(&lines.iter().map(|line| format!("{line}\n")).collect::<String>());
        if let Ok(policy) = text.parse::<Policy>() {
            prop_assert_eq!(policy.to_string().parse(), Ok(policy));
        }
    }

    #[test]
    fn no_bytes_make_the_reader_fail_otherwise_than_with_an_error(bytes: Vec<u8>) {
        drop(Policy::parse(&bytes));
    }
}
