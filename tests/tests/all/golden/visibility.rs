//! `docs/visibility.md` is made from the visibility matrix, its notes, and the catalogue.

use std::fmt::Write as _;

use mediation_domain::{
    catalogue,
    visibility::{Column, FULL_AFTER_END_DAYS, Footnote, Grade, OUTCOME_FIELDS, Row, cell, notes},
};

use super::assert_golden;

const HEAD: &str = "\
# Visibility

Who may know what of a chain. Made from `ledger/domain/data/visibility.csv`, its notes and the catalogue by `just golden`; do
not edit. What decides is one pure function, `mediation_domain::visibility::decide`; nothing is visible unless a cell below
says so, and of all rules that apply the most restrictive wins.

可见性按下表判定：默认不可见，多条规则并存时从严。

Every way to read a chain asks it, and every reading is recorded before anything is shown: [operations](operations.md#record-and-read).
";

const PARTS: &str = "\
## What a grade shows

| | 中文 | act | identities | narrative | sealed |
|---|---|---|---|---|---|
| F | 完整 | plain | plain with F in V-2, masked with R, else withheld | plain | plain with F in V-4 or V-21, else withheld |
| R | 脱敏 | plain | masked with F or R in V-2, else withheld | withheld | withheld |
| E | 仅知存在 | withheld | withheld | withheld | withheld |
| N | 不可见 | withheld | withheld | withheld | withheld |

A part that is withheld is known by its commitment, so that every signature and proof is checked all the same. A party sees
identities of himself and of those for whom he acts by law, plain or not at all.
";

const TIES: &str = "\
## What ties a reader to a chain

What M-1 calls being on the chain, from the closest; the closest that still holds counts, and when none does, the one that
ended last.

| tie | 中文 | since | until |
|---|---|---|---|
| lead | 首办 | registration, assignment, or acceptance of a transfer; on a chain that nobody registered, the opening act | another lead, or the closing |
| handoff | 移送对接 | acceptance by the one who was asked, for both; the sender must have been on the chain | the outcome, or its acknowledgement where it needs one, or the closing |
| party | 当事人 | the act that names him, or a party whose guardian he is; the petition; his election | no end |
| co-agency | 协办 | the call | the day that the call names, or the closing |
| addressed | 待答复 | a proposal that waits for an answer | answer, recall, expiry, or the closing |
| mandate | 独立监督 | always, for the audit | no end |

Two of these are not in M-1, which names lead, co-agency and accepted handoff. Without the first nobody could read the proposal
that he must answer: until he accepts, he sees at most R of everything but the handoff itself. Without the second the column of
the audit would be empty on every chain that it did not join. An act that an agency recorded is its own to read on any chain
(M-6), but for its bench what was said in a mediation (M-10).

A party reads what names somebody of his side. Of what is about one person (petitions and their review, legal aid,
consultation, counselling) and names nobody, he reads what follows from acts that do. Third parties have no side. Once a minor
was named, the chain is treated as that of one, and once an accusation stood there, or an act that cannot be read, as one of
those.

The registry chain is open to every agency: whoever checks a signature needs it, and it holds no party's data.
";

#[test]
fn the_visibility_document_is_made_from_the_matrix() {
    let mut document = format!("{HEAD}\n## Matrix\n\n| | family | 行为族 |");
    for column in Column::all() {
        write!(document, " {} |", column.code()).unwrap();
    }
    document.push_str("\n|---|---|---|");
    document.push_str(&"---|".repeat(Column::all().count()));
    for row in Row::all() {
        let (zh, en) = row.title();
        write!(document, "\n| {row} | {en} | {zh} |").unwrap();
        for column in Column::all() {
            let found = cell(row, column);
            let note = found.footnote.map(|note| format!("<sup>{}</sup>", note.number())).unwrap_or_default();
            write!(document, " {}{note} |", found.grade.letter()).unwrap();
        }
    }
    document.push_str("\n\n| column | 读者 |\n|---|---|\n");
    for column in Column::all() {
        writeln!(document, "| {} | {} |", column.code(), column.zh()).unwrap();
    }
    document.push_str("\n| footnote | condition | 条件 | otherwise |\n|---|---|---|---|\n");
    for footnote in Footnote::all() {
        let (zh, en) = footnote.text();
        let otherwise = footnote.otherwise();
        writeln!(document, "| {} | {en} | {zh} | {} |", footnote.number(), otherwise.letter()).unwrap();
    }
    document.push_str("\n## Rules beside the cells\n\n| | | |\n|---|---|---|\n");
    for note in notes() {
        writeln!(document, "| {} | {} | {} |", note.id, note.en, note.zh).unwrap();
    }
    write!(document, "\n{PARTS}\n{TIES}\n## Rows\n\n| row | acts |\n|---|---|\n").unwrap();
    for row in Row::all() {
        let of_row = catalogue::rows().iter().filter(|act| act.visibility_row == row.to_string());
        let acts: Vec<String> = of_row.map(|act| format!("`{}` {}", act.event, act.zh)).collect();
        let acts = if acts.is_empty() { "none: decided by what the chain carries".to_owned() } else { acts.join(", ") };
        writeln!(document, "| {row} | {acts} |").unwrap();
    }
    assert_golden("docs/visibility.md", &document);
}

/// The document's words say what the rules say.
#[test]
fn the_words_of_the_visibility_document_are_those_of_the_rules() {
    let note = |id: &str| notes().iter().find(|note| note.id == id).unwrap().en.as_str();
    assert!(note("M-2").contains(&FULL_AFTER_END_DAYS.to_string()));
    for field in OUTCOME_FIELDS {
        assert!(note("M-9").contains(field), "{field}");
    }
    assert_eq!(notes().len(), 12);
    assert_eq!(Grade::ALL.map(Grade::letter), ['N', 'E', 'R', 'F']);
}
