//! 28 families × 14 readers × every relation × every part, against rules that are written down a second time: each rule gives
//! the most that it allows, and the least of them holds.

use super::*;

/// One line of the data, taken apart from its end, where no field is quoted.
fn cells() -> Vec<(String, Vec<(char, u8)>)> {
    let lines = include_str!("../../../data/visibility.csv").lines().skip(1);
    let read = |line: &str| {
        let mut fields: Vec<&str> = line.rsplitn(15, ',').collect();
        let title = fields.pop().unwrap().split(',').next().unwrap().to_owned();
        fields.reverse();
        (title, fields.iter().map(|cell| (cell.chars().next().unwrap(), cell[1..].parse().unwrap_or(0))).collect())
    };
    lines.map(read).collect()
}

/// What holds where a footnote's condition is not met, as the notes below the table say.
fn otherwise(footnote: u8, grade: i32) -> i32 {
    match footnote {
        2 | 4 => R,
        3 | 5 | 7 | 9 => E,
        0 | 11 => grade,
        _ => N,
    }
}

const N: i32 = 0;
const E: i32 = 1;
const R: i32 = 2;
const F: i32 = 3;

/// The grade that the rules allow, as a number from N to F.
fn expected(code: &str, row: &str, (grade, footnote): (char, u8), relation: &Relation, judge: bool) -> i32 {
    let person = matches!(code, "GRID" | "PTY");
    if relation.recorded && !person && !(judge && row == "V-4") {
        return F;
    }
    let grade = i32::try_from("NERF".find(grade).unwrap()).unwrap();
    let mut most = vec![grade];
    if !relation.condition {
        most.push(otherwise(footnote, grade));
    }
    if relation.tie == Tie::None {
        most.push(N);
    }
    if relation.tie == Tie::Addressed && row != "V-3" {
        most.push(R);
    }
    let ended = relation.ended_days;
    if ended > Some(180) && !person {
        most.push(R);
    }
    let before = *most.iter().min().unwrap();
    let handling = ended.is_none() && matches!(relation.tie, Tie::Lead | Tie::Handoff | Tie::Party);
    if relation.minor && !handling {
        most.push(match before {
            F => R,
            R => E,
            other => other,
        });
    }
    if (code == "GRID" && !relation.own_grid) || (code == "PTY" && !relation.own_side) {
        most.push(N);
    }
    most.into_iter().min().unwrap()
}

fn expected_part(kind: PartKind, own: bool, code: &str, grades: (i32, i32, bool)) -> Shown {
    let (grade, identity, sealed) = grades;
    let shown = match kind {
        PartKind::Act => grade >= R,
        PartKind::Narrative => grade == F,
        PartKind::Sealed => grade == F && sealed,
        PartKind::Identities if code == "PTY" => own && grade >= R,
        PartKind::Identities if grade == F && identity == F => true,
        PartKind::Identities if grade >= R && identity >= R => return Shown::Masked,
        PartKind::Identities | PartKind::Unspecified => false,
    };
    if shown { Shown::Plain } else { Shown::Withheld }
}

fn relations() -> impl Iterator<Item = Relation> {
    let truths = [false, true];
    let ties = Tie::ALL.into_iter().flat_map(|tie| [None, Some(0), Some(180), Some(181)].map(|ended| (tie, ended)));
    ties.flat_map(move |(tie, ended_days)| {
        (0..64_u32).map(move |bits| {
            let bit = |at: usize| truths[usize::from(bits >> at & 1 == 1)];
            Relation {
                tie,
                ended_days,
                recorded: bit(0),
                condition: bit(1),
                disclosed: Parts::default(),
                minor: bit(2),
                accusation: bit(3),
                own_grid: bit(4),
                own_side: bit(5),
            }
        })
    })
}

#[test]
fn every_row_column_relation_and_part_is_as_the_data_and_the_rules_say() {
    let table = cells();
    let codes: Vec<&str> = Column::all().map(Column::code).collect();
    assert_eq!((table.len(), codes.len()), (28, 14));
    let cell_of = |row: &str, at: usize| table.iter().find(|line| line.0 == row).unwrap().1[at];
    let mut looked = 0_u64;
    for relation in relations() {
        for (at, code) in codes.iter().enumerate() {
            let benches: &[bool] = if *code == "CT" { &[false, true] } else { &[false] };
            for judge in benches {
                let role = if *judge { Role::Judge } else { reader(code).role };
                let reader = Reader { role, ..reader(code) };
                for (name, _) in &table {
                    let row = if relation.accusation { "V-11" } else { name };
                    let of = |row: &str, relation: &Relation| expected(code, row, cell_of(row, at), relation, *judge);
                    let grade = of(row, &relation);
                    let decision = decide(&reader, Row::named(name).unwrap(), &relation);
                    let found = decision.grade as i32;
                    assert_eq!(found, grade, "{code} {name} {relation:?}");
                    let others = Relation { recorded: false, ..relation };
                    let own = grade == F && decision.rule == Rule::Beside(6);
                    let identity = if own { F } else { of("V-2", &others) };
                    let sealed = (own || of("V-4", &others) == F || of("V-21", &others) == F) && !judge;
                    for kind in [PartKind::Act, PartKind::Identities, PartKind::Narrative, PartKind::Sealed] {
                        for own in [false, true] {
                            let shown = expected_part(kind, own, code, (grade, identity, sealed));
                            assert_eq!(decision.part(kind, own), shown, "{code} {name} {kind:?} {relation:?}");
                            looked += 1;
                        }
                    }
                }
            }
        }
    }
    assert_eq!(looked, 28 * 15 * 7 * 4 * 64 * 4 * 2);
}

#[test]
fn no_rule_ever_gives_more_than_the_cell_but_to_who_recorded_the_act() {
    for relation in relations().filter(|relation| !relation.recorded) {
        for column in Column::all() {
            for row in Row::all() {
                let judged_by = if relation.accusation { Row::ACCUSATION } else { row };
                assert!(decide(&reader(column.code()), row, &relation).grade <= cell(judged_by, column).grade);
            }
        }
    }
}
