//! One golden act per kind: the plaintexts of its parts, as they are committed to and hashed.

use std::fmt::Write as _;

use mediation_domain::catalogue;
use mediation_ledger::part;
use mediation_proto::json::to_json;

use super::{assert_golden, sample};
use crate::workspace;

const ACTS: &str = "tests/golden/acts.txt";

const HEAD: &str = "\
# One act of every kind with every field filled: kind, part kind, part number, plaintext in hex.
# Made by `just golden`. A line that was once released is never changed: old bytes must open for ever.
";

#[test]
fn every_kind_of_act_has_its_golden_bytes() {
    let mut golden = HEAD.to_owned();
    for row in catalogue::rows() {
        for part in part::split(&sample::act(row)).unwrap() {
            let kind = part.kind.as_str_name().trim_start_matches("PART_KIND_").to_lowercase();
            writeln!(golden, "{} {kind} {} {}", row.kind.kind, part.number, hex::encode(&part.plaintext)).unwrap();
        }
    }
    assert_golden(ACTS, &golden);
    assert_opens(&workspace::read(ACTS));
}

/// Golden bytes open to the acts that they were made from.
fn assert_opens(golden: &str) {
    for row in catalogue::rows() {
        let lines = golden.lines().filter(|line| line.split(' ').next() == Some(row.kind.kind));
        let plaintexts: Vec<Vec<u8>> =
            lines.map(|line| hex::decode(line.rsplit(' ').next().unwrap()).unwrap()).collect();
        assert!(!plaintexts.is_empty(), "`{}` has no golden bytes", row.kind.kind);
        let opened = part::join(plaintexts.iter().map(Vec::as_slice)).unwrap();
        let (kind, event) = opened.event().unwrap();
        let sample = sample::act(row);
        let (_, expected) = sample.event().unwrap();
        assert_eq!(kind.kind, row.kind.kind);
        assert_eq!(to_json(event), to_json(expected), "`{}`", row.kind.kind);
        assert_eq!(opened.header, sample.header, "`{}`", row.kind.kind);
    }
}

#[test]
fn the_parts_of_an_act_have_no_field_in_common() {
    for row in catalogue::rows() {
        let sample = sample::act(row);
        let parts = part::split(&sample).unwrap();
        let whole = part::join(parts.iter().map(|part| part.plaintext.as_ref())).unwrap();
        assert_eq!(whole, sample, "`{}` changes when its parts are joined", row.kind.kind);
        let bytes: usize = parts.iter().map(|part| part.plaintext.len()).sum();
        // Each part after the first brings the wrapper of the family and of the act again, at most 7 bytes each.
        let wrappers = (parts.len() - 1) * 14;
        let act = mediation_ledger::statement::encode(&sample).len();
        assert!(bytes <= act + wrappers, "`{}`: parts of {bytes} bytes from an act of {act}", row.kind.kind);
    }
}
