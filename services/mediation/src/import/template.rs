//! An empty file to be filled in: a sheet for each act, what is to be written into it, and the codes.

use std::collections::BTreeMap;

use anyhow::Result;
use mediation_domain::catalogue::{self, FieldRow, FieldType, Row};
use mediation_gateway::sheet::{Column, Kind, Table};

use super::{CHAIN, OCCURRED_AT, REMARK, column::record_of, identity::Batch};

/// Elements of a list of records that have columns in the template; more may be added.
const ELEMENTS: u32 = 2;

/// Fields of the header that have columns in the template.
const HEADER: [&str; 5] = ["signer", "signer_role", "chain_no", "procedure_no", "late_reason"];

/// A column of the template.
struct Field {
    path: String,
    title: String,
    ty: FieldType,
}

/// The tables of a template for these acts: their sheets first.
pub(crate) fn tables(acts: &[&'static Row], batch: Batch) -> Vec<Table> {
    let mut lists = BTreeMap::new();
    let mut tables: Vec<Table> = acts.iter().map(|row| sheet(row, batch, &mut lists)).collect();
    tables.push(instructions());
    tables.push(codes(&lists));
    tables
}

/// The only table of a CSV.
pub(crate) fn table(act: &'static Row, batch: Batch) -> Table {
    sheet(act, batch, &mut BTreeMap::new())
}

/// Code lists by their names.
type Lists = BTreeMap<&'static str, &'static mediation_proto::fields::EnumInfo>;

fn sheet(row: &'static Row, batch: Batch, lists: &mut Lists) -> Table {
    let mut fields = vec![
        Field {
            path: format!("{CHAIN}{batch}"),
            title: format!("{REMARK} 本单位案件编号；同号各行记入同一条链；已有的链填链编号"),
            ty: FieldType::String,
        },
        Field { path: OCCURRED_AT.to_owned(), title: "业务时间（必填）".to_owned(), ty: FieldType::DateTime },
    ];
    for name in HEADER {
        let known = catalogue::header().fields.iter().find(|field| field.name == name);
        fields.extend(known.map(|field| column(field, format!("header.{name}"), field.zh.clone())));
    }
    for field in &row.fields {
        flatten(field, "", "", ELEMENTS, &mut fields);
    }
    for field in &fields {
        if let FieldType::Enum(list) = field.ty {
            lists.insert(list.name, list);
        }
    }
    // Chinese names are short; those of events need not be.
    let name = row.zh.clone();
    let columns = fields.iter().map(|field| Column { title: field.path.clone(), kind: Kind::Text });
    let titles = fields.iter().map(|field| field.title.clone()).collect();
    Table { name, columns: columns.collect(), rows: vec![titles] }
}

fn column(field: &FieldRow, path: String, title: String) -> Field {
    let required = if field.required { "（必填）" } else { "" };
    let form = match field.ty {
        FieldType::Bool => "是/否".to_owned(),
        FieldType::Date => "2024-05-06".to_owned(),
        FieldType::DateTime => "2024-05-06 08:09:10".to_owned(),
        FieldType::Int => "整数".to_owned(),
        FieldType::Money => "分".to_owned(),
        FieldType::Agency => "机构编号".to_owned(),
        FieldType::Person => "假名或签署人编号".to_owned(),
        FieldType::StepRef => "工作表名!行号".to_owned(),
        FieldType::Enum(list) => format!("代码表 {}", list.name),
        FieldType::String | FieldType::Text | FieldType::Obligation | FieldType::Document | FieldType::Record(_) => {
            String::new()
        }
    };
    let many = if field.list { "，多项以分号隔开" } else { "" };
    let form = if form.is_empty() { String::new() } else { format!("［{form}{many}］") };
    Field { path, title: format!("{title}{required}{form}"), ty: field.ty }
}

/// The columns of a field: one, or those of the fields of the record that it holds.
fn flatten(field: &FieldRow, path: &str, title: &str, elements: u32, into: &mut Vec<Field>) {
    let dot = |head: &str, between: &str, tail: &str| {
        if head.is_empty() { tail.to_owned() } else { format!("{head}{between}{tail}") }
    };
    let (path, title) = (dot(path, ".", field.name), dot(title, "·", &field.zh));
    let Some(record) = record_of(field) else {
        into.push(column(field, path, title));
        return;
    };
    let places: Vec<(String, String)> = match field.list {
        true => (1..=elements).map(|at| (format!("{path}.{at}"), format!("{title}{at}"))).collect(),
        false => vec![(path, title)],
    };
    for (path, title) in places {
        // A list within a list has one element: a template with hundreds of columns is filled in by nobody.
        record.fields.iter().for_each(|field| flatten(field, &path, &title, 1, into));
    }
}

fn instructions() -> Table {
    let lines = [
        "每张工作表登记一种行为，每行一个行为；第 1 行为字段名，不得改动；以 # 开头的行不导入。",
        "首列填本单位案件编号：同号的各行记入同一条链，按业务时间先后登记。补充登记于已有的链时填其链编号（UUID）。",
        "首格 chain@ 之后为本次填报的批次编号。同一文件重复导入、更正后再次导入，均不会重复登记；新的填报请重新生成模板。",
        "未列出的字段可自行增列，如 parties.3.side；不需要的列可以删去。",
        "代码列填代码或中文名称，见“代码”表；是否列填“是”或“否”；金额以分为单位；证件号只填掩码后的形式。",
        "引用先前的行为，填其所在工作表名与行号，如 纠纷登记!3，或其行为编号。",
        "业务时间早于登记三个工作日以上的，请填迟录原因（header.late_reason），如“先纸质后补录”。",
        "先以 --dry-run 检查：逐格报告错误，不登记任何内容。",
    ];
    let column = Column { title: "填写说明".to_owned(), kind: Kind::Text };
    let rows = lines.map(|line| vec![line.to_owned()]).to_vec();
    Table { name: "说明".to_owned(), columns: vec![column], rows }
}

fn codes(lists: &Lists) -> Table {
    let column = |title: &str| Column { title: title.to_owned(), kind: Kind::Text };
    let mut table =
        Table {
            name: "代码".to_owned(), columns: ["代码表", "代码", "名称"].map(column).to_vec(), rows: Vec::new()
        };
    for list in lists.values() {
        table.rows.extend(list.values.iter().filter(|value| value.0 != 0).map(|value| {
            let zh = catalogue::zh_of_number(list, value.0).unwrap_or_default();
            [list.name, value.1, zh].map(str::to_owned).to_vec()
        }));
    }
    table
}

/// The acts of these names, Chinese or English.
///
/// # Errors
/// The first name that no act has.
pub(crate) fn named(names: &[String]) -> Result<Vec<&'static Row>> {
    let find = |name: &String| {
        let known = catalogue::rows().iter().find(|row| row.event == name || row.zh == *name);
        known.ok_or_else(|| anyhow::anyhow!("there is no act `{name}` · 没有名为“{name}”的行为"))
    };
    names.iter().map(find).collect()
}
