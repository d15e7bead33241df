//! Lists as files for spreadsheets, as another program reads them.

use std::{io::Cursor, process::Output};

use calamine::{Data, Reader as _, Xlsx};
use mediation_proto::mediation::types::v1::AgencyKind;
use serde_json::Value;

use crate::{
    search::indexed,
    served::{Served, chain_id, event_id, reading, registration},
};

/// What a spreadsheet would run, where a page would, and what turns the direction of text around.
const HOSTILE: &str = "=cmd|' /C calc'!A1 <script>alert(1)</script> \u{202e}שלום😀\"\n";

/// The only sheet of a workbook: its cells, none of which is a formula.
fn cells(bytes: &[u8]) -> Vec<Vec<Data>> {
    let mut workbook = Xlsx::new(Cursor::new(bytes)).unwrap();
    let name = workbook.sheet_names()[0].clone();
    assert_eq!(workbook.worksheet_formula(&name).unwrap().used_cells().count(), 0);
    workbook.worksheet_range(&name).unwrap().rows().map(<[Data]>::to_vec).collect()
}

fn text(text: &str) -> Data {
    Data::String(text.to_owned())
}

fn printed(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lists_of_the_command_line_are_written_as_workbook_and_csv_and_overwrite_nothing() {
    let served = Served::new();
    let client = served.client("XF-FL", AgencyKind::Petition).await;
    let chain = chain_id();
    client.record(registration(&chain, &event_id(), HOSTILE)).await.unwrap();
    indexed(&served).await;
    let (workbook, csv) = (served.directory.path().join("chains.xlsx"), served.directory.path().join("chains.csv"));
    let files = ["--xlsx", workbook.to_str().unwrap(), "--csv", csv.to_str().unwrap()];
    let search = ["search", "--agency", "XF-FL", "--type", "PUBLIC_WORKS_DAMAGE"];
    let written = served.run(&[&search[..], &files].concat());
    assert!(written.status.success(), "{}", printed(&written));
    let rows = cells(&std::fs::read(&workbook).unwrap());
    assert_eq!(rows[0][..3], ["链", "纠纷链号", "类型"].map(text));
    assert_eq!((&rows[1][0], &rows[1][2], &rows[1][6]), (&text(&chain), &text("工程建设损害"), &text("浮梁县信访局")));
    let (Data::DateTime(opened), acts) = (&rows[1][3], &rows[1][5]) else { panic!("a day is a day: {rows:?}") };
    assert_eq!((opened.as_f64(), acts), (45_355.0, &Data::Float(1.0)), "2024-03-04");
    let lines = std::fs::read_to_string(&csv).unwrap();
    assert!(lines.contains(&format!("\r\n{chain},,工程建设损害,2024-03-04,2024-03-04,1,浮梁县信访局")), "{lines}");
    let again = served.run(&[&search[..], &files].concat());
    assert_eq!(again.status.code(), Some(5), "{}", printed(&again));
    assert_eq!(std::fs::read_to_string(&csv).unwrap(), lines);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hostile_text_does_no_harm_in_any_file_that_it_is_written_to() {
    let served = Served::new();
    let client = served.client("XF-FL", AgencyKind::Petition).await;
    let chain = chain_id();
    client.record(registration(&chain, &event_id(), HOSTILE)).await.unwrap();
    // The reader chooses this text, and it stands in the list of those who have read.
    let basis = "=cmd|' /C calc'!A1<script>\u{202e}";
    let mut by = reading("XF-FL");
    by.legal_basis = Some(basis.to_owned());
    client.clone().reading(by).chain(&chain, None).await.unwrap();
    let (workbook, csv) = (served.directory.path().join("read.xlsx"), served.directory.path().join("read.csv"));
    let files = ["--xlsx", workbook.to_str().unwrap(), "--csv", csv.to_str().unwrap()];
    let written = served.run(&[&["access-log", &chain, "--agency", "XF-FL"][..], &files].concat());
    assert!(written.status.success(), "{}", printed(&written));
    let rows = cells(&std::fs::read(&workbook).unwrap());
    let named = "=cmd|' /C calc'!A1<script>[U+202E]";
    assert!(rows.iter().flatten().any(|cell| *cell == text(named)), "{rows:?}");
    assert!(matches!(rows[1][0], Data::DateTime(_)), "{rows:?}");
    let lines = std::fs::read_to_string(&csv).unwrap();
    assert!(lines.contains(&format!(",'{named},")) && !lines.contains('\u{202e}'), "{lines}");
    // JSON is for programs: what was recorded comes back letter for letter, and no letter ends the string early.
    let shown = served.run(&["chain", &chain, "--agency", "XF-FL", "--json"]);
    let json: Value = serde_json::from_slice(&shown.stdout).unwrap();
    assert!(json.to_string().contains(&Value::from(HOSTILE).to_string()), "{json}");
}
