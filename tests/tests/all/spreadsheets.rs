//! Spreadsheets: lists as workbooks that another program reads, and acts that are recorded from a workbook or a CSV.

use std::{
    io::Cursor,
    path::{Path, PathBuf},
    process::Output,
};

use calamine::{Data, Reader as _, Xlsx};
use mediation_proto::mediation::types::v1::AgencyKind;
use rust_xlsxwriter::Workbook;
use serde_json::Value;

use crate::{
    search::indexed,
    served::{Served, chain_id, event_id, reading, registration},
};

/// What a spreadsheet would run, where a page would, and a letter of no width.
const HOSTILE: &str = "=cmd|' /C calc'!A1 <script>alert(1)</script> \u{200b}שלום😀\"\n";

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
    let basis = "=cmd|' /C calc'!A1<script>\u{200b}";
    let mut by = reading("XF-FL");
    by.legal_basis = Some(basis.to_owned());
    client.clone().reading(by).chain(&chain, None).await.unwrap();
    let (workbook, csv) = (served.directory.path().join("read.xlsx"), served.directory.path().join("read.csv"));
    let files = ["--xlsx", workbook.to_str().unwrap(), "--csv", csv.to_str().unwrap()];
    let written = served.run(&[&["access-log", &chain, "--agency", "XF-FL"][..], &files].concat());
    assert!(written.status.success(), "{}", printed(&written));
    let rows = cells(&std::fs::read(&workbook).unwrap());
    let named = "=cmd|' /C calc'!A1<script>[U+200B]";
    assert!(rows.iter().flatten().any(|cell| *cell == text(named)), "{rows:?}");
    assert!(matches!(rows[1][0], Data::DateTime(_)), "{rows:?}");
    let lines = std::fs::read_to_string(&csv).unwrap();
    assert!(lines.contains(&format!(",'{named},")) && !lines.contains('\u{200b}'), "{lines}");
    // JSON is for programs: what was recorded comes back letter for letter, and no letter ends the string early.
    let shown = served.run(&["chain", &chain, "--agency", "XF-FL", "--json"]);
    let json: Value = serde_json::from_slice(&shown.stdout).unwrap();
    assert!(json.to_string().contains(&Value::from(HOSTILE).to_string()), "{json}");
}

/// Columns of the registrations, behind the key of the matter.
const COLUMNS: [&str; 15] = [
    "occurred_at",
    "header.signer",
    "header.signer_role",
    "header.late_reason",
    "channel",
    "division",
    "dispute_type",
    "emergency",
    "parties.1.subject",
    "parties.1.side",
    "parties.1.capacity",
    "parties.1.minor",
    "identities.1.subject",
    "identities.1.name",
    "summary",
];

fn registered(key: &str, summary: &str) -> [String; 16] {
    [
        key,
        "2019-05-06",
        "XF-FL/REG-1",
        "REG",
        "PAPER_FIRST",
        "WALK_IN",
        "360222",
        "PUBLIC_WORKS_DAMAGE",
        "否",
        "psn_1",
        "APPLICANT",
        "NATURAL_PERSON",
        "否",
        "psn_1",
        "霍砚秋",
        summary,
    ]
    .map(str::to_owned)
}

/// The batch of a template, as its first cell has it.
fn first_cell(served: &Served) -> String {
    let path = served.directory.path().join("template.csv");
    let written = served.run(&["import", "--template", "--event", "DisputeRegistered", path.to_str().unwrap()]);
    assert!(written.status.success(), "{}", printed(&written));
    let template = std::fs::read_to_string(&path).unwrap();
    let first = template.trim_start_matches('\u{feff}').split(',').next().unwrap().to_owned();
    assert!(first.starts_with("chain@"), "{template}");
    first
}

/// A workbook with registrations and, beside them, parties that were added.
fn filled(path: &Path, first: &str, rows: &[[String; 16]]) {
    let mut workbook = Workbook::new();
    let sheet = workbook.add_worksheet().set_name("纠纷登记").unwrap();
    sheet.write_row(0, 0, [first].into_iter().chain(COLUMNS)).unwrap();
    for (at, row) in (1..).zip(rows) {
        sheet.write_row(at, 0, row.iter().map(String::as_str)).unwrap();
    }
    let sheet = workbook.add_worksheet().set_name("PartyAdded").unwrap();
    let party = ["party.subject", "party.side", "party.capacity", "party.minor"];
    let columns = [&[first][..], &COLUMNS[..4], &party, &["identity.subject", "identity.name"]].concat();
    sheet.write_row(0, 0, columns).unwrap();
    let added = ["浮信登2019-1", "2019-05-07 08:09:10", "XF-FL/REG-1", "REG", "PAPER_FIRST"];
    let added = added.into_iter().chain(["psn_2", "RESPONDENT", "NATURAL_PERSON", "否", "psn_2", "闻人岫"]);
    sheet.write_row(1, 0, added).unwrap();
    workbook.save(path).unwrap();
}

struct Imported {
    code: Option<i32>,
    json: Value,
}

fn import(served: &Served, file: &Path, more: &[&str]) -> Imported {
    let arguments = ["import", file.to_str().unwrap(), "--agency", "XF-FL", "--json"];
    let output = served.run(&[&arguments[..], more].concat());
    let json = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", printed(&output)));
    Imported { code: output.status.code(), json }
}

async fn size(served: &Served) -> u64 {
    let client = served.client("XF-FL", AgencyKind::Petition).await;
    let note = client.checkpoint().await.unwrap();
    client.trust().checkpoint(&note).unwrap().size.0
}

fn recorded(imported: &Imported) -> usize {
    imported.json["acts"].as_array().unwrap().iter().filter(|act| act["recorded"] == true).count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_workbook_is_checked_cell_by_cell_recorded_whole_and_never_twice() {
    let mut served = Served::new();
    let first = first_cell(&served);
    let file = |name: &str| -> PathBuf { served.directory.path().join(name) };
    let (wrong, right, changed) = (file("wrong.xlsx"), file("right.xlsx"), file("changed.xlsx"));
    let mut faulty = registered("浮信登2019-2", "拖欠租金");
    faulty[7] = "NO_SUCH_TYPE".to_owned();
    let good = registered("浮信登2019-1", HOSTILE);
    filled(&wrong, &first, &[good.clone(), faulty]);
    let before = size(&served).await;

    let checked = import(&served, &wrong, &["--dry-run"]);
    assert_eq!((checked.code, recorded(&checked)), (Some(1), 0), "{}", checked.json);
    let fault = &checked.json["faults"][0];
    assert_eq!((&fault["place"], &fault["shown"]), (&"纠纷登记!H3".into(), &"NO_SUCH_TYPE".into()), "{fault}");
    let sent = import(&served, &wrong, &[]);
    assert_eq!((sent.code, recorded(&sent), size(&served).await), (Some(1), 0, before), "a wrong row keeps all back");

    // The matters that are right, when that is asked for; then the file with its wrong row corrected.
    let part = import(&served, &wrong, &["--skip-faulty"]);
    assert_eq!((part.code, recorded(&part), size(&served).await), (Some(1), 2, before + 2), "{}", part.json);
    filled(&right, &first, &[good.clone(), registered("浮信登2019-2", "拖欠租金")]);
    let result = served.directory.path().join("result.xlsx");
    let whole = import(&served, &right, &["--result", result.to_str().unwrap()]);
    assert_eq!((whole.code, recorded(&whole), size(&served).await), (Some(0), 3, before + 3), "{}", whole.json);
    let again = import(&served, &right, &[]);
    assert_eq!((again.code, size(&served).await), (Some(0), before + 3));
    assert_eq!(again.json, whole.json, "the same ids, and nothing twice");
    let rows = cells(&std::fs::read(&result).unwrap());
    assert_eq!(rows.iter().filter(|row| row[2] == text("已登记")).count(), 3, "{rows:?}");

    // What was recorded is not recorded again with other words.
    filled(&changed, &first, &[registered("浮信登2019-1", "另一说法"), registered("浮信登2019-2", "拖欠租金")]);
    let refused = import(&served, &changed, &[]);
    assert_eq!((refused.code, size(&served).await), (Some(1), before + 3), "{}", refused.json);
    let reasons: Vec<&Value> = refused.json["acts"].as_array().unwrap().iter().map(|act| &act["reason"]).collect();
    assert!(reasons.contains(&&Value::from("EVENT_ID_REUSED")), "{reasons:?}");

    // Both acts of the matter stand on one chain, and say what the cells said.
    let act = whole.json["acts"].as_array().unwrap().iter().find(|act| act["event"] == "PartyAdded").unwrap();
    let chain = served.run(&["chain", act["chain"].as_str().unwrap(), "--agency", "XF-FL", "--json"]);
    let shown = String::from_utf8(chain.stdout).unwrap();
    assert!(shown.contains("闻人岫") && shown.contains("霍砚秋") && shown.contains("cmd|"), "{shown}");
    served.stop();
    assert!(served.verify().1);
}
