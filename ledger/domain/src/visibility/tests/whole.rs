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

/// Whether what an agency recorded itself is open to it.
fn is_own(code: &str, name: &str, relation: &Relation, judge: bool) -> bool {
    relation.recorded && !matches!(code, "GRID" | "PTY") && name != "V-28" && !(judge && name == "V-4")
}

/// The grade that the rules allow of what others recorded, as a number from N to F.
fn expected(code: &str, row: &str, (grade, footnote): (char, u8), relation: &Relation) -> i32 {
    let grade = i32::try_from("NERF".find(grade).unwrap()).unwrap();
    let mut most = vec![grade];
    if !Footnote::all().any(|met| met.number() == footnote && relation.conditions.has(met)) {
        most.push(otherwise(footnote, grade));
    }
    if relation.tie == Tie::None {
        most.push(N);
    }
    if relation.tie == Tie::Addressed && row != "V-3" {
        most.push(R);
    }
    let ended = relation.ended_days;
    if ended > Some(180) {
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

/// Every relation, with the conditions of no footnote, of all, and of every other one met.
fn relations() -> impl Iterator<Item = Relation> {
    let ties = Tie::ALL.into_iter().flat_map(|tie| [None, Some(0), Some(180), Some(181)].map(|ended| (tie, ended)));
    let met = |number: fn(u8) -> bool| {
        Footnote::all().filter(|note| number(note.number())).fold(Footnotes::default(), Footnotes::and)
    };
    let conditions = [met(|_| false), met(|_| true), met(|number| number % 2 == 1)];
    let all = [PartKind::Act, PartKind::Identities, PartKind::Narrative, PartKind::Sealed];
    let disclosed = [Parts::default(), all.into_iter().fold(Parts::default(), Parts::and)];
    ties.flat_map(move |(tie, ended_days)| {
        (0..32_u32 * 3 * 2).map(move |at| {
            let bit = |place: u32| at >> place & 1 == 1;
            Relation {
                tie,
                ended_days,
                recorded: bit(0),
                conditions: conditions[(at / 32 % 3) as usize],
                disclosed: disclosed[(at / 96) as usize],
                minor: bit(1),
                accusation: bit(2),
                own_grid: bit(3),
                own_side: bit(4),
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
                    let of = |row: &str| expected(code, row, cell_of(row, at), &relation);
                    let recorded = is_own(code, name, &relation, *judge);
                    let own = recorded;
                    let (grade, identity) = if own { (F, F) } else { (of(row), of("V-2")) };
                    let sealed = (own || of("V-4") == F || of("V-21") == F) && !judge;
                    let decision = decide(&reader, Row::named(name).unwrap(), &relation);
                    assert_eq!(decision.grade as i32, grade, "{code} {name} {relation:?}");
                    let discloses = cell_of(row, at).1 == 4 && grade >= R;
                    for kind in [PartKind::Act, PartKind::Identities, PartKind::Narrative, PartKind::Sealed] {
                        for own in [false, true] {
                            let shown = expected_part(kind, own, code, (grade, identity, sealed));
                            let shown = if discloses && relation.disclosed.has(kind) { Shown::Plain } else { shown };
                            assert_eq!(decision.part(kind, own), shown, "{code} {name} {kind:?} {relation:?}");
                            let is_read = kind == PartKind::Narrative && shown == Shown::Plain;
                            let can_be = recorded || may_read_text(reader.column().unwrap(), Row::named(row).unwrap());
                            assert!(can_be || !is_read, "{code} {name} {relation:?}");
                            looked += 1;
                        }
                    }
                }
            }
        }
    }
    assert_eq!(looked, 28 * 15 * 7 * 4 * 192 * 4 * 2);
}
