//! One act of every kind with every field filled, always the same.

use mediation_domain::catalogue::{self, FieldRow, FieldType, Row};
use mediation_proto::{
    derived::TYPES_DOCUMENT,
    fields::{EnumInfo, MessageInfo},
    json::act_from_json,
    mediation::ledger::v1::Act,
};
use serde_json::{Map, Value, json};

/// How the samples are filled where the catalogue leaves a choice.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Filling<'a> {
    /// Event id of the act that every reference names.
    pub(crate) earlier: &'a str,
    /// Agencies, by the place in the list.
    pub(crate) agencies: [&'a str; 2],
    /// A string for the field of this name; the second argument is the place in its list.
    pub(crate) string: fn(&str, usize) -> String,
}

/// The sample of a kind for the golden bytes, which no ledger would admit: its strings have no form.
pub(super) fn act(row: &Row) -> Act {
    const EARLIER: &str = "0190a5d2-7c00-7000-8000-000000000001";
    let filling =
        Filling { earlier: EARLIER, agencies: ["CT-LP", "PMC-LPZB"], string: |name, at| format!("{name} {at}") };
    let header = filling.object(&catalogue::header().fields);
    act_from_json(row.kind, &header, &filling.object(&row.fields), &|_| Some(EARLIER.to_owned())).unwrap()
}

impl Filling<'_> {
    /// Every field of an act, of the header or of a record.
    pub(crate) fn object(&self, fields: &[FieldRow]) -> Map<String, Value> {
        fields.iter().map(|field| (field.name.to_owned(), self.value(field))).collect()
    }

    /// A list holds two elements, so that its order shows.
    fn value(&self, field: &FieldRow) -> Value {
        if field.list { json!([self.element(field, 0), self.element(field, 1)]) } else { self.element(field, 0) }
    }

    fn element(&self, field: &FieldRow, at: usize) -> Value {
        match field.ty {
            FieldType::String => json!((self.string)(field.name, at)),
            FieldType::Text => json!(format!("{}（样本{at}）", field.zh)),
            FieldType::Date => json!(format!("2024-07-{:02}", 11 + at)),
            FieldType::DateTime => json!(format!("2024-07-{:02}T09:30:00+08:00", 11 + at)),
            FieldType::Bool => json!(true),
            FieldType::Int => json!(3 + at),
            FieldType::Money => json!(1_234_500 + at),
            FieldType::Agency => json!(self.agencies.into_iter().nth(at)),
            FieldType::Person => json!(format!("P-{}", at + 1)),
            FieldType::Obligation => json!(format!("O{}", at + 1)),
            FieldType::StepRef => json!({"event_id": self.earlier}),
            FieldType::Document => self.record(&TYPES_DOCUMENT, at),
            FieldType::Enum(list) => json!(code(list, at)),
            FieldType::Record(info) => self.record(info, at),
        }
    }

    fn record(&self, info: &'static MessageInfo, at: usize) -> Value {
        let Some(record) = catalogue::record(info) else { panic!("`{}` is no record of the catalogue", info.name) };
        let fields = record.fields.iter().map(|field| {
            let value = if field.list { self.value(field) } else { self.element(field, at) };
            (field.name.to_owned(), value)
        });
        Value::Object(fields.collect())
    }
}

/// A code that is not the first one, where there are two.
fn code(list: &EnumInfo, at: usize) -> &'static str {
    list.values.iter().cycle().nth(at + 1).unwrap().1
}
