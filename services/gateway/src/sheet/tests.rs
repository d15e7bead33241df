#![expect(clippy::indexing_slicing, reason = "a test that looks for what is not there fails, and says where")]

use std::io::Cursor;

use calamine::{Data, Reader as _, Xlsx};

use super::*;

fn table(cells: &[&str]) -> Table {
    let columns: Vec<_> = cells.iter().map(|_| ("列", "column", Kind::Text)).collect();
    let rows = vec![cells.iter().map(|cell| (*cell).to_owned()).collect()];
    Table { rows, ..Table::new("表", &columns, Tongue::Chinese) }
}

/// What another program reads in the only sheet of a workbook, without its head.
fn read(table: &Table) -> Vec<Vec<Data>> {
    let mut workbook = Xlsx::new(Cursor::new(table.workbook().unwrap())).unwrap();
    let name = workbook.sheet_names().first().unwrap().clone();
    assert_eq!(name, table.name);
    let formulas = workbook.worksheet_formula(&name).unwrap();
    assert_eq!(formulas.used_cells().count(), 0, "nothing in a workbook is a formula");
    let cells = workbook.worksheet_range(&name).unwrap();
    cells.rows().skip(1).map(<[Data]>::to_vec).collect()
}

#[test]
fn cells_are_text_and_lines_are_whole_whatever_stands_in_them() {
    let row = ["=cmd|' /C calc'!A1", "@SUM(1)", "-1", "+1", "甲\"乙,丙\n丁", "\t=1", "＝1+1", "2024-05-06"];
    let text = String::from_utf8(table(&row).csv().unwrap()).unwrap();
    let expected = "'=cmd|' /C calc'!A1,'@SUM(1),'-1,'+1,\"甲\"\"乙,丙\n丁\",'[U+0009]=1,'＝1+1,2024-05-06\r\n";
    assert_eq!(text.strip_prefix("\u{feff}列,列,列,列,列,列,列,列\r\n"), Some(expected));
    let cells = read(&table(&row));
    let text = |text: &str| Data::String(text.to_owned());
    let expected = ["=cmd|' /C calc'!A1", "@SUM(1)", "-1", "+1", "甲\"乙,丙\n丁", "[U+0009]=1", "＝1+1", "2024-05-06"];
    assert_eq!(cells, [expected.map(text)]);
}

#[test]
fn a_workbook_has_days_times_and_numbers_that_can_be_reckoned_with() {
    let columns = [("日", "day", Kind::Day), ("时", "at", Kind::Instant), ("数", "count", Kind::Number)];
    let mut table = Table::new("表", &columns, Tongue::English);
    let row = |cells: [&str; 3]| cells.map(str::to_owned).to_vec();
    table.rows = vec![
        row(["2024-05-06", "2024-05-06 08:09:10", "42"]),
        row(["", "", ""]),
        row(["=1+1", "昨天", "12345678901234567890"]),
        row(["2024-02-30", "2024-05-06", "-1"]),
    ];
    let cells = read(&table);
    let [Data::DateTime(day), Data::DateTime(instant), Data::Float(count)] = &cells[0][..] else { panic!("{cells:?}") };
    assert_eq!((day.as_f64(), *count), (45418.0, 42.0), "days since the end of 1899");
    let eight_nine_ten = f64::from(8 * 3600 + 9 * 60 + 10) / 86_400.0;
    assert!((instant.as_f64() - 45418.0 - eight_nine_ten).abs() < 1e-6, "{instant}");
    assert!(cells[1].iter().all(|cell| *cell == Data::Empty));
    for (at, text) in ["=1+1", "昨天", "12345678901234567890"].into_iter().enumerate() {
        assert_eq!(cells[2][at], Data::String(text.to_owned()), "what is not of its kind is text, whole");
    }
    assert_eq!(cells[3][0], Data::String("2024-02-30".to_owned()));
}

#[test]
fn hidden_letters_are_named_and_no_letter_breaks_a_file() {
    let hostile = "甲\u{202e}乙\u{2066}丙\u{0}\u{1}\u{b}\u{1f}\u{7f}\u{ffff}_x0041_<script>&amp;]]>😀שלום";
    let shown = "甲[U+202E]乙[U+2066]丙[U+0000][U+0001][U+000B][U+001F][U+007F][U+FFFF]_x0041_<script>&amp;]]>😀שלום";
    assert_eq!(read(&table(&[hostile])), [[Data::String(shown.to_owned())]]);
    let text = String::from_utf8(table(&[hostile]).csv().unwrap()).unwrap();
    assert!(text.ends_with(&format!("{shown}\r\n")), "{text}");
}

#[test]
fn text_that_no_cell_can_hold_is_cut_between_letters_and_says_so() {
    for (letter, kept) in [("字", 32_766), ("😀", 16_383)] {
        let cells = read(&table(&[&letter.repeat(40_000)]));
        assert_eq!(cells, [[Data::String(letter.repeat(kept) + "…")]]);
    }
    let fits = "字".repeat(32_767);
    assert_eq!(read(&table(&[&fits])), [[Data::String(fits.clone())]]);
    let whole = table(&[&"字".repeat(40_000)]).csv().unwrap();
    assert!(String::from_utf8(whole).unwrap().contains(&"字".repeat(40_000)), "a CSV has no such bound");
}

#[test]
fn a_row_with_a_cell_too_few_makes_no_csv() {
    let mut table = table(&["甲", "乙"]);
    table.rows[0].pop();
    assert!(matches!(table.csv(), Err(SheetError::Csv(_))));
}
