#![expect(clippy::indexing_slicing, reason = "a test that looks for what is not there fails, and says where")]

use std::io::{Cursor, Write as _};

use mediation_domain::{admit::Caller, catalogue, directory::Directory};
use mediation_gateway::sheet::{self, Table};
use mediation_proto::mediation::types::v1::AgencyKind;
use zip::write::SimpleFileOptions;

use super::{
    Fault,
    act::{Plan, plan},
    book::{self, Row, Sheet, UNPACKED_BYTES_MAX},
    identity::Batch,
    letters, template,
};

const BATCH: &str = "0197b5f3-8a00-7000-8000-000000000001";

fn planned(sheets: &[Sheet]) -> anyhow::Result<Plan> {
    let caller = Caller { agency: "XF-FL".to_owned(), kind: AgencyKind::Petition };
    plan(sheets, &caller, &Directory::default())
}

/// A sheet of registrations with these columns and rows, below the remark that a template has.
fn registrations(columns: &[&str], rows: &[&[&str]]) -> Sheet {
    let cells = |cells: &[&str]| -> Vec<(u32, String)> {
        (1..).zip(cells).filter(|(_, cell)| !cell.is_empty()).map(|(at, cell)| (at, (*cell).to_owned())).collect()
    };
    let first = [format!("chain@{BATCH}")].into_iter().chain(columns.iter().map(|column| (*column).to_owned()));
    let mut sheet = Sheet { name: "DisputeRegistered".to_owned(), rows: Vec::new() };
    sheet.rows.push(Row { number: 1, cells: (1..).zip(first).collect() });
    sheet.rows.push(Row { number: 2, cells: vec![(1, "# 本单位案件编号".to_owned())] });
    sheet.rows.extend((3..).zip(rows).map(|(number, row)| Row { number, cells: cells(row) }));
    sheet
}

const COLUMNS: [&str; 14] = [
    "occurred_at",
    "header.signer",
    "header.signer_role",
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

const GOOD: [&str; 15] = [
    "浮信登2019-7",
    "2019-05-06",
    "XF-FL/REG-1",
    "REG",
    "WALK_IN",
    "360222",
    "LEASE",
    "否",
    "psn_1",
    "APPLICANT",
    "NATURAL_PERSON",
    "否",
    "psn_1",
    "霍砚秋",
    "拖欠租金",
];

fn with(at: usize, cell: &'static str) -> [&'static str; 15] {
    let mut row = GOOD;
    row[at] = cell;
    row
}

fn told(fault: &Fault) -> (String, Option<&str>) {
    (fault.place.to_string(), fault.shown.as_deref())
}

#[test]
fn columns_are_lettered_as_spreadsheets_letter_them() {
    let cases = [(1, "A"), (26, "Z"), (27, "AA"), (52, "AZ"), (53, "BA"), (702, "ZZ"), (703, "AAA"), (16_384, "XFD")];
    for (column, expected) in cases {
        assert_eq!(letters(column), expected);
    }
}

#[test]
fn the_template_of_every_act_is_one_that_is_read_without_a_fault() {
    let batch = Batch::parse(BATCH).unwrap();
    for act in catalogue::rows() {
        let bytes = sheet::workbook(&template::tables(&[act], batch)).unwrap();
        let sheets = book::workbook(&bytes).unwrap();
        assert_eq!(sheets.iter().map(|sheet| sheet.name.as_str()).collect::<Vec<_>>(), [&act.zh, "说明", "代码"]);
        let plan = planned(&sheets).unwrap();
        assert_eq!((plan.rows, plan.faults.as_slice()), (0, &[][..]), "{}", act.event);
        assert!(plan.acts.is_empty());
    }
}

#[test]
fn a_row_is_the_act_that_it_says_by_codes_or_by_their_names() {
    let names = with(4, catalogue::zh("Channel", "WALK_IN").unwrap());
    let plan = planned(&[registrations(&COLUMNS, &[&GOOD, &with(0, "浮信登2019-8"), &names])]).unwrap();
    assert_eq!(plan.faults, []);
    let of = |row| plan.acts.iter().find(|act| act.place.row == row).unwrap();
    let (first, second, third) = (of(3), of(4), of(5));
    assert_eq!((&third.chain, &third.act), (&first.chain, &first.act));
    assert_ne!(first.chain, second.chain, "another number, another matter");
    let json = mediation_proto::json::to_json(first.act.event().unwrap().1);
    let expected = serde_json::json!({
        "channel": "WALK_IN", "division": "360222", "dispute_type": "LEASE",
        "parties": [{"subject": "psn_1", "side": "APPLICANT", "capacity": "NATURAL_PERSON", "minor": false}],
        "emergency": false, "identities": [{"subject": "psn_1", "name": "霍砚秋"}], "summary": "拖欠租金",
    });
    assert_eq!(serde_json::Value::Object(json), expected);
    assert_eq!(first.occurred_at, 1_557_072_000, "the day begins in Shanghai");
}

#[test]
fn every_wrong_cell_is_told_by_its_place_and_nothing_personal_is_shown() {
    let rows: [&[&str]; 7] = [
        &with(4, "飞鸽传书"),
        &with(7, "也许"),
        &with(1, "昨天"),
        &with(9, ""),
        &with(5, "36022X"),
        &with(13, ""),
        &with(0, ""),
    ];
    let plan = planned(&[registrations(&COLUMNS, &rows)]).unwrap();
    let expected = [
        ("DisputeRegistered!E3".to_owned(), Some("飞鸽传书")),
        ("DisputeRegistered!H4".to_owned(), Some("也许")),
        ("DisputeRegistered!B5".to_owned(), None),
        ("DisputeRegistered!J6".to_owned(), None),
        ("DisputeRegistered!F7".to_owned(), Some("36022X")),
        ("DisputeRegistered!N8".to_owned(), None),
        ("DisputeRegistered!A9".to_owned(), None),
    ];
    assert_eq!(plan.faults.iter().map(told).collect::<Vec<_>>(), expected, "{:#?}", plan.faults);
    assert!(plan.acts.is_empty());
    let secret = planned(&[registrations(&COLUMNS, &[&with(14, "证件 11010519491231002X")])]).unwrap();
    assert!(!secret.faults.is_empty(), "the number of an identity card");
    assert!(!format!("{:?}", secret.faults).contains("11010519491231002X"), "{:?}", secret.faults);
}

#[test]
fn columns_that_no_act_has_and_cells_below_none_are_faults() {
    let mut columns = COLUMNS;
    columns[4] = "parties.0.side";
    let plan = planned(&[registrations(&columns, &[&GOOD])]).unwrap();
    assert_eq!(told(&plan.faults[0]), ("DisputeRegistered!F1".to_owned(), Some("parties.0.side")));
    assert_eq!(plan.faulty.iter().collect::<Vec<_>>(), [GOOD[0]]);
    for path in ["no_such_field", "header.no_such_field", "parties", "parties.side", "parties.1", "division.1", ""] {
        columns[4] = path;
        let plan = planned(&[registrations(&columns, &[])]).unwrap();
        assert_eq!(plan.faults.len(), 1, "{path}");
    }
    let mut row = GOOD.to_vec();
    row.push("多余");
    let plan = planned(&[registrations(&COLUMNS, &[&row])]).unwrap();
    assert_eq!(told(&plan.faults[0]), ("DisputeRegistered!P3".to_owned(), Some("多余")));
}

#[test]
fn a_row_keeps_its_id_when_the_file_is_read_again_or_corrected() {
    let read = |rows: &[&[&str]]| planned(&[registrations(&COLUMNS, rows)]).unwrap().acts;
    let (first, again) = (read(&[&GOOD]), read(&[&with(0, "另一号"), &with(14, "拖欠租金两年")]));
    let id = |acts: &[super::act::Planned]| {
        let act = acts.iter().find(|act| act.key == GOOD[0]).unwrap();
        (act.chain.clone(), act.event_id)
    };
    assert_eq!(id(&first), id(&again));
    let other = Batch::parse("0197b5f3-8a00-7000-8000-000000000002").unwrap();
    assert_ne!(id(&first).1, other.event("XF-FL", GOOD[0], "DisputeRegistered", 1), "another filling");
    let (chain, event_id) = id(&first);
    assert_eq!(uuid::Uuid::parse_str(&chain).unwrap().get_version_num(), 4);
    let event_id = uuid::Uuid::parse_str(&event_id.to_string()).unwrap();
    assert_eq!((event_id.get_version_num(), event_id.get_variant()), (7, uuid::Variant::RFC4122));
    assert_eq!(&event_id.as_bytes()[..6], &uuid::Uuid::parse_str(BATCH).unwrap().as_bytes()[..6]);
}

#[test]
fn a_second_registration_of_a_matter_stands_behind_the_first_and_acts_refer_to_rows() {
    let mut columns = COLUMNS.to_vec();
    columns.push("header.causes");
    let row = |time: &'static str, cause: &'static str| {
        let mut row = with(1, time).to_vec();
        row.push(cause);
        row
    };
    let (late, early) = (row("2019-05-07 08:09:10", "DisputeRegistered!4"), row("2019-05-06", ""));
    let plan = planned(&[registrations(&columns, &[&late, &early])]).unwrap();
    assert_eq!(plan.faults, []);
    let [first, second] = plan.acts.as_slice() else { panic!("{plan:?}") };
    assert_eq!((first.place.row, second.place.row), (4, 3), "by business time");
    assert_eq!(second.act.header.as_ref().unwrap().causes[0].event_id(), first.event_id.to_string());
    let plan = planned(&[registrations(&columns, &[&row("2019-05-06", "DisputeRegistered!9")])]).unwrap();
    assert_eq!(told(&plan.faults[0]), ("DisputeRegistered!P3".to_owned(), Some("DisputeRegistered!9")));
}

#[test]
fn a_file_without_a_batch_or_with_an_unknown_act_is_refused() {
    let mut sheet = registrations(&COLUMNS, &[&GOOD]);
    sheet.name = "NoSuchAct".to_owned();
    assert!(planned(&[sheet]).is_err());
    for batch in ["", "1", "0197b5f3-8a00-4000-8000-000000000001", "0197B5F3-8A00-7000-8000-000000000001"] {
        let mut sheet = registrations(&COLUMNS, &[&GOOD]);
        sheet.rows[0].cells[0].1 = format!("chain@{batch}");
        assert!(planned(&[sheet]).is_err(), "{batch}");
    }
    assert!(planned(&[Sheet { name: "DisputeRegistered".to_owned(), rows: Vec::new() }]).is_err());
}

/// A workbook of which one file is replaced, or to which one is added.
fn repacked(name: &str, bytes: u64) -> Vec<u8> {
    let mut writer = zip::ZipWriter::new(Cursor::new(Vec::new()));
    writer.start_file(name, SimpleFileOptions::default().large_file(true)).unwrap();
    let block = [b' '; 1024 * 1024];
    for _ in 0..bytes.div_ceil(1024 * 1024) {
        writer.write_all(&block).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

#[test]
fn a_small_workbook_that_unpacks_to_much_is_refused_before_it_is_read() {
    let bomb = repacked("xl/sharedStrings.xml", UNPACKED_BYTES_MAX + 1);
    assert!(bomb.len() < 1024 * 1024, "{} bytes", bomb.len());
    let error = format!("{:#}", book::workbook(&bomb).unwrap_err());
    assert!(error.contains("unpacks to more than"), "{error}");
    for bytes in [&b"PK"[..], b"PK\x03\x04 no archive", &repacked("nothing.txt", 1)] {
        let error = format!("{:#}", book::workbook(bytes).unwrap_err());
        assert!(error.contains("工作簿"), "{error}");
    }
}

/// A CSV of this content, read.
fn csv(content: &[u8]) -> anyhow::Result<Vec<Sheet>> {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("acts.csv");
    std::fs::write(&path, content).unwrap();
    book::read(&path, "DisputeRegistered")
}

#[test]
fn what_is_beyond_a_bound_is_refused_and_named() {
    let refused = |content: &[u8], expected: &str| {
        let error = format!("{:#}", csv(content).unwrap_err());
        assert!(error.contains(expected), "{error}");
    };
    assert_eq!(csv("a\n".repeat(10_000).as_bytes()).unwrap()[0].rows.len(), 10_000);
    refused("a\n".repeat(10_001).as_bytes(), "DisputeRegistered!A10001: more than 10000 rows");
    refused(format!("{}a", ",".repeat(512)).as_bytes(), "DisputeRegistered!SS1: more than 512 columns");
    refused("字".repeat(22_000).as_bytes(), "DisputeRegistered!A1: the cell has more than 65536 bytes");
    refused(&vec![b'a'; 16 * 1024 * 1024 + 1], "the file has more than 16777216 bytes");
    refused(b"chain\xff\xfe", "UTF-8");
    let far = [vec!["".to_owned(); 600], vec!["far".to_owned()]].concat();
    let columns = far.iter().map(|title| sheet::Column { title: title.clone(), kind: sheet::Kind::Text }).collect();
    let wide = Table { name: "宽".to_owned(), columns, rows: Vec::new() };
    let error = format!("{:#}", book::workbook(&wide.workbook().unwrap()).unwrap_err());
    assert!(error.contains("宽!WC1: more than 512 columns"), "{error}");
}

#[test]
fn days_and_numbers_of_a_workbook_are_read_as_they_are_shown() {
    let kinds = [sheet::Kind::Day, sheet::Kind::Instant, sheet::Kind::Number, sheet::Kind::Text];
    let columns = kinds.map(|kind| sheet::Column { title: "x".to_owned(), kind }).to_vec();
    let row = ["2019-05-06", "2019-05-06 08:09:10", "360222", "=1+1"].map(str::to_owned).to_vec();
    let table = Table { name: "表".to_owned(), columns, rows: vec![row.clone()] };
    let sheets = book::workbook(&table.workbook().unwrap()).unwrap();
    assert_eq!(sheets[0].rows[1].cells.iter().map(|cell| cell.1.clone()).collect::<Vec<_>>(), row);
}
