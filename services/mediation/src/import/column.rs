//! What a column of a sheet is: a field of the act, or of its header, by its path.

use mediation_domain::{
    calendar::{Day, parse_instant},
    catalogue::{self, FieldRow, FieldType, Record, Row},
};
use mediation_proto::{derived::TYPES_DOCUMENT, fields::EnumInfo, mediation::ledger::v1::PartKind};
use serde_json::{Value, json};

/// Elements of a list of records that a path can name.
const ELEMENTS_MAX: u32 = 99;

/// First step of the path of a field of the header.
const HEADER: &str = "header";

/// One step of a path: a field, and of a list of records the element that is meant, from 1 on.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Step {
    pub(crate) field: &'static FieldRow,
    pub(crate) element: Option<u32>,
}

/// A column.
#[derive(Debug, Clone)]
pub(crate) struct Column {
    /// From 1 on.
    pub(crate) number: u32,
    /// As it stands in the first row.
    pub(crate) path: String,
    /// A field of the header, not of the act.
    pub(crate) of_header: bool,
    /// At least one.
    pub(crate) steps: Vec<Step>,
    /// The field that the path ends at.
    pub(crate) field: &'static FieldRow,
    /// Stands in a part that is encrypted apart: nothing of it is shown.
    pub(crate) is_personal: bool,
}

/// Why a text is no path of a field; in Chinese and English.
pub(crate) type NoField = (String, String);

impl Column {
    /// The field of this path, `division`, `parties.1.side` or `header.signer`.
    pub(crate) fn parse(row: &'static Row, number: u32, path: &str) -> Result<Self, NoField> {
        let mut names = path.split('.').peekable();
        let of_header = names.next_if_eq(&HEADER).is_some();
        let mut fields: &'static [FieldRow] = if of_header { &catalogue::header().fields } else { &row.fields };
        let mut steps: Vec<Step> = Vec::new();
        while let Some(name) = names.next() {
            let field = fields.iter().find(|field| field.name == name).ok_or_else(|| no_field(path, row))?;
            let record = record_of(field);
            let element = match (record, field.list) {
                (Some(_), true) => {
                    let element = names.next().and_then(|text| text.parse().ok());
                    let in_range = element.filter(|element| (1..=ELEMENTS_MAX).contains(element));
                    Some(in_range.ok_or_else(|| unnumbered(path, name))?)
                }
                (Some(_), false) | (None, _) => None,
            };
            steps.push(Step { field, element });
            fields = record.map_or(&[][..], |record| record.fields.as_slice());
        }
        let (Some(first), Some(last)) = (steps.first(), steps.last()) else { return Err(no_field(path, row)) };
        if record_of(last.field).is_some() {
            return Err(no_field(path, row));
        }
        let is_personal = !of_header && first.field.part != PartKind::Act;
        let field = last.field;
        Ok(Self { number, path: path.to_owned(), of_header, field, is_personal, steps })
    }

    /// The value that a text means here, or what it should be; in Chinese and English.
    pub(crate) fn value(&self, text: &str) -> Result<Value, NoField> {
        if self.field.list {
            let elements = text.split([';', '；', '\n']).map(str::trim).filter(|element| !element.is_empty());
            return Ok(Value::Array(elements.map(|element| single(self.field, element)).collect::<Result<_, _>>()?));
        }
        single(self.field, text)
    }
}

fn single(field: &FieldRow, text: &str) -> Result<Value, NoField> {
    let no = |zh: &str, en: &str| Err((format!("“{}”{zh}", field.zh), format!("`{}` {en}", field.name)));
    match field.ty {
        FieldType::Bool => match text {
            "是" | "true" | "TRUE" => Ok(json!(true)),
            "否" | "false" | "FALSE" => Ok(json!(false)),
            _ => no("应填“是”或“否”", "must be 是 (true) or 否 (false)"),
        },
        FieldType::Int | FieldType::Money => match text.parse::<u64>() {
            Ok(number) => Ok(json!(number)),
            Err(_) => no("应为不小于零的整数", "must be a whole number, not negative"),
        },
        FieldType::Enum(list) => match code(list, text) {
            Some(code) => Ok(json!(code)),
            None => no(
                &format!("不是代码表 {} 的代码或名称，见“代码”表", list.name),
                &format!("is neither a code nor a name of the list `{}`", list.name),
            ),
        },
        FieldType::StepRef => Ok(json!({"step": text})),
        FieldType::DateTime => {
            Ok(json!(instant(text).map_or_else(|| text.to_owned(), mediation_domain::calendar::format_instant)))
        }
        FieldType::String
        | FieldType::Text
        | FieldType::Date
        | FieldType::Agency
        | FieldType::Person
        | FieldType::Obligation
        | FieldType::Document
        | FieldType::Record(_) => Ok(json!(text)),
    }
}

/// The record that a field holds, when it holds one.
pub(crate) fn record_of(field: &FieldRow) -> Option<&'static Record> {
    let info = match field.ty {
        FieldType::Record(info) => info,
        FieldType::Document => &TYPES_DOCUMENT,
        FieldType::String
        | FieldType::Text
        | FieldType::Date
        | FieldType::DateTime
        | FieldType::Bool
        | FieldType::Int
        | FieldType::Money
        | FieldType::Agency
        | FieldType::Person
        | FieldType::StepRef
        | FieldType::Obligation
        | FieldType::Enum(_) => return None,
    };
    catalogue::record(info)
}

/// The code that a text is, or that has it for a name.
fn code(list: &'static EnumInfo, text: &str) -> Option<&'static str> {
    let codes = list.values.iter().filter(|value| value.0 != 0);
    let mut known = codes.filter(|value| value.1 == text || catalogue::zh_of_number(list, value.0) == Some(text));
    known.next().map(|value| value.1)
}

/// Seconds of a day, `2024-05-06`, at its beginning, or of a time of that day, `2024-05-06 08:09:10`, in Shanghai.
pub(crate) fn instant(text: &str) -> Option<i64> {
    if let Some(day) = Day::parse(text) {
        return Some(day.begin());
    }
    parse_instant(text).or_else(|| parse_instant(&format!("{}+08:00", text.replacen(' ', "T", 1))))
}

fn no_field(path: &str, row: &Row) -> NoField {
    (
        format!("“{}”没有字段 {path}，字段见模板", row.zh),
        format!("`{}` has no field `{path}`; the template has them", row.event),
    )
}

fn unnumbered(path: &str, name: &str) -> NoField {
    (
        format!("{path} 中 {name} 之后应为第几项，如 {name}.1，至多 {ELEMENTS_MAX}"),
        format!("in `{path}` the number of the element follows `{name}`, as in `{name}.1`, {ELEMENTS_MAX} at most"),
    )
}
