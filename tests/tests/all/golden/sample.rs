//! One act of every kind with every field filled, always the same.

use mediation_domain::catalogue::{self, FieldRow, FieldType, Row};
use mediation_proto::{
    derived::TYPES_DOCUMENT,
    fields::{EnumInfo, MessageInfo},
    json::act_from_json,
    mediation::ledger::v1::Act,
};
use serde_json::{Map, Value, json};

/// The act that the samples refer to.
const EARLIER: &str = "0190a5d2-7c00-7000-8000-000000000001";

/// The sample of a kind.
pub(super) fn act(row: &Row) -> Act {
    let header = object(&catalogue::header().fields);
    act_from_json(row.kind, &header, &object(&row.fields), &|_| Some(EARLIER.to_owned())).unwrap()
}

fn object(fields: &[FieldRow]) -> Map<String, Value> {
    fields.iter().map(|field| (field.name.to_owned(), value(field))).collect()
}

/// A list holds two elements, so that its order shows.
fn value(field: &FieldRow) -> Value {
    if field.list { json!([element(field, 0), element(field, 1)]) } else { element(field, 0) }
}

fn element(field: &FieldRow, at: usize) -> Value {
    match field.ty {
        FieldType::String => json!(format!("{} {at}", field.name)),
        FieldType::Text => json!(format!("{}（样本{at}）", field.zh)),
        FieldType::Date => json!(format!("2024-07-{:02}", 11 + at)),
        FieldType::DateTime => json!(format!("2024-07-{:02}T09:30:00+08:00", 11 + at)),
        FieldType::Bool => json!(true),
        FieldType::Int => json!(3 + at),
        FieldType::Money => json!(1_234_500 + at),
        FieldType::Agency => json!(if at == 0 { "CT-LP" } else { "PMC-LPZB" }),
        FieldType::Person => json!(format!("P-{}", at + 1)),
        FieldType::Obligation => json!(format!("O{}", at + 1)),
        FieldType::StepRef => json!({"event_id": EARLIER}),
        FieldType::Document => record(&TYPES_DOCUMENT, at),
        FieldType::Enum(list) => json!(code(list, at)),
        FieldType::Record(info) => record(info, at),
    }
}

/// A code that is not the first one, where there are two.
fn code(list: &EnumInfo, at: usize) -> &'static str {
    list.values.iter().cycle().nth(at + 1).unwrap().1
}

fn record(info: &'static MessageInfo, at: usize) -> Value {
    let Some(record) = catalogue::record(info) else { panic!("`{}` is no record of the catalogue", info.name) };
    let fields = record.fields.iter().map(|field| {
        let value = if field.list { value(field) } else { element(field, at) };
        (field.name.to_owned(), value)
    });
    Value::Object(fields.collect())
}
