//! Joins the embedded rule data with the descriptors.

use std::collections::BTreeMap;

use mediation_proto::{
    derived::{KINDS, TYPES_ACT_HEADER, TYPES_AGENCY_KIND, TYPES_HANDOFF_MODE, TYPES_ROLE},
    fields::{EnumInfo, FieldInfo, KindInfo, MessageInfo, Shape},
    mediation::{
        ledger::v1::PartKind,
        types::v1::{AgencyKind, HandoffMode, Role},
    },
};
use serde::Deserialize;

use super::{Catalogue, Code, FieldRow, FieldType, HEADER, HandoffRole, Record, Row};

pub(super) const EVENTS: &str = include_str!("../../data/events.json");
pub(super) const TYPES: &str = include_str!("../../data/types.json");
pub(super) const ENUMS: &str = include_str!("../../data/enums.json");

/// Fields of the header that stand in the signed statement, or follow from the message itself.
pub(super) const IN_STATEMENT: &[&str] = &["event", "event_version", "occurred_at"];

pub(super) fn load() -> Result<Catalogue, LoadError> {
    let events: BTreeMap<String, EventData> =
        serde_json::from_str::<Vec<EventData>>(EVENTS)?.into_iter().map(|event| (event.event.clone(), event)).collect();
    let types: TypesData = serde_json::from_str(TYPES)?;
    let codes: BTreeMap<String, Vec<CodeData>> = serde_json::from_str(ENUMS)?;
    let mut rows = Vec::with_capacity(KINDS.len());
    let mut places: Vec<Vec<Option<usize>>> = Vec::new();
    for (at, kind) in KINDS.iter().enumerate() {
        let event = events.get(kind.event).ok_or(LoadError::NoRow { name: kind.event })?;
        rows.push(row(kind, event)?);
        *slot(slot(&mut places, kind.family_number), kind.number) = Some(at);
    }
    let mut records = BTreeMap::new();
    for (name, info) in composites() {
        let Some(data) = types.records.get(name) else { continue };
        let fields = fields(info, data.fields.iter().filter(|field| in_message(name, field)))?;
        records.insert(name, Record { info, zh: data.zh.clone(), fields });
    }
    if !records.contains_key(HEADER) {
        return Err(LoadError::NoRow { name: HEADER });
    }
    Ok(Catalogue {
        rows,
        places,
        records,
        codes: codes.into_iter().map(|(list, rows)| (list, by_code(rows))).collect(),
    })
}

fn row(kind: &'static KindInfo, event: &EventData) -> Result<Row, LoadError> {
    let signers = event.signers.iter().map(|code| number(&TYPES_ROLE, code));
    let agency_kinds = event.agency_kinds.iter().map(|code| number(&TYPES_AGENCY_KIND, code));
    let handoff_mode = event.handoff_mode.as_deref().map(|code| number::<HandoffMode>(&TYPES_HANDOFF_MODE, code));
    Ok(Row {
        kind,
        event: kind.event,
        zh: event.zh.clone(),
        family: kind.family,
        visibility_row: event.visibility_row.clone(),
        signers: signers.collect::<Result<Vec<Role>, _>>()?,
        agency_kinds: agency_kinds.collect::<Result<Vec<AgencyKind>, _>>()?,
        opening: event.opening,
        after_closing: event.after_closing,
        handoff: event.handoff,
        handoff_mode: handoff_mode.transpose()?,
        fields: fields(kind.info, event.fields.iter())?,
    })
}

/// Whether a field of a record of the data stands in its message.
pub(super) fn in_message(record: &str, field: &FieldData) -> bool {
    record != HEADER || !IN_STATEMENT.contains(&field.name.as_str())
}

fn fields<'a>(
    info: &'static MessageInfo,
    data: impl Iterator<Item = &'a FieldData>,
) -> Result<Vec<FieldRow>, LoadError> {
    let data: BTreeMap<&str, &FieldData> = data.map(|field| (field.name.as_str(), field)).collect();
    let rows: Vec<FieldRow> = info
        .fields
        .iter()
        .map(|field| {
            let row = data.get(field.name).ok_or(LoadError::NoField { message: info.name, field: field.name })?;
            field_row(info, field, row)
        })
        .collect::<Result<_, _>>()?;
    if rows.len() == data.len() { Ok(rows) } else { Err(LoadError::FieldsLeft { message: info.name }) }
}

fn field_row(info: &'static MessageInfo, field: &'static FieldInfo, data: &FieldData) -> Result<FieldRow, LoadError> {
    let (list, name) = data.ty.strip_prefix("list:").map_or((false, data.ty.as_str()), |name| (true, name));
    let ty = field_type(name, field.shape).filter(|_| list == field.repeated);
    let ty = ty.ok_or_else(|| LoadError::OtherType { message: info.name, field: field.name, ty: data.ty.clone() })?;
    let part = match data.part {
        None => PartKind::Unspecified,
        Some(PartData::Act) => PartKind::Act,
        Some(PartData::Identities) => PartKind::Identities,
        Some(PartData::Narrative) => PartKind::Narrative,
        Some(PartData::Sealed) => PartKind::Sealed,
    };
    Ok(FieldRow {
        number: field.number,
        name: field.name,
        zh: data.zh.clone(),
        ty,
        list,
        required: data.required,
        part,
        missing: data.missing.clone(),
    })
}

/// The type of this name, when the shape agrees with it.
fn field_type(name: &str, shape: Shape) -> Option<FieldType> {
    match (name, shape) {
        ("string", Shape::Text) => Some(FieldType::String),
        ("text", Shape::Text) => Some(FieldType::Text),
        ("date", Shape::Text) => Some(FieldType::Date),
        ("datetime", Shape::Text) => Some(FieldType::DateTime),
        ("bool", Shape::Bool) => Some(FieldType::Bool),
        ("int", Shape::Int) => Some(FieldType::Int),
        ("money_fen", Shape::Int) => Some(FieldType::Money),
        ("agency", Shape::Text) => Some(FieldType::Agency),
        ("person", Shape::Text) => Some(FieldType::Person),
        ("obligation", Shape::Text) => Some(FieldType::Obligation),
        ("step_ref", Shape::Message(info)) if info.name == "StepRef" => Some(FieldType::StepRef),
        ("document", Shape::Message(info)) if info.name == "Document" => Some(FieldType::Document),
        (name, Shape::Enum(list)) if name.strip_prefix("enum:") == Some(list.name) => Some(FieldType::Enum(list)),
        (name, Shape::Message(info)) if name.strip_prefix("record:") == Some(info.name) => {
            Some(FieldType::Record(info))
        }
        (_, Shape::Bool | Shape::Int | Shape::Text | Shape::Enum(_) | Shape::Message(_)) => None,
    }
}

/// Every message below the acts and the header, by name, with the header itself.
fn composites() -> BTreeMap<&'static str, &'static MessageInfo> {
    let mut found = BTreeMap::new();
    let mut open: Vec<&'static MessageInfo> = KINDS.iter().map(|kind| kind.info).collect();
    found.insert(TYPES_ACT_HEADER.name, &TYPES_ACT_HEADER);
    open.push(&TYPES_ACT_HEADER);
    while let Some(message) = open.pop() {
        for field in message.fields {
            if let Shape::Message(inner) = field.shape
                && found.insert(inner.name, inner).is_none()
            {
                open.push(inner);
            }
        }
    }
    found
}

fn number<T: TryFrom<i32>>(list: &'static EnumInfo, code: &str) -> Result<T, LoadError> {
    let number = list.number(code).and_then(|number| T::try_from(number).ok());
    number.ok_or_else(|| LoadError::NoCode { list: list.name, code: code.to_owned() })
}

fn by_code(rows: Vec<CodeData>) -> BTreeMap<String, Code> {
    rows.into_iter()
        .map(|row| {
            let (accepted, success) = (row.accepted.unwrap_or(true), row.success.unwrap_or_default());
            (row.code, Code { zh: row.zh, accepted, success, id_prefixes: row.id_prefix })
        })
        .collect()
}

/// The element at `at`, after making room for it.
fn slot<T: Default>(list: &mut Vec<T>, at: u32) -> &mut T {
    let at = at as usize;
    if list.len() <= at {
        list.resize_with(at + 1, T::default);
    }
    let Some(element) = list.get_mut(at) else { unreachable!("room was made above") };
    element
}

#[derive(Debug, Deserialize)]
pub(super) struct EventData {
    pub(super) event: String,
    zh: String,
    visibility_row: String,
    signers: Vec<String>,
    agency_kinds: Vec<String>,
    opening: bool,
    after_closing: bool,
    pub(super) fields: Vec<FieldData>,
    handoff: Option<HandoffRole>,
    handoff_mode: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(super) struct FieldData {
    pub(super) name: String,
    #[serde(rename = "type")]
    ty: String,
    required: bool,
    zh: String,
    part: Option<PartData>,
    missing: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(super) struct TypesData {
    pub(super) records: BTreeMap<String, RecordData>,
}

#[derive(Debug, Deserialize)]
pub(super) struct RecordData {
    zh: String,
    pub(super) fields: Vec<FieldData>,
}

#[derive(Debug, Deserialize)]
pub(super) struct CodeData {
    pub(super) code: String,
    zh: String,
    accepted: Option<bool>,
    success: Option<bool>,
    #[serde(default)]
    id_prefix: Vec<String>,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum PartData {
    Act,
    Identities,
    Narrative,
    Sealed,
}

/// Why the data and the descriptors do not fit.
#[derive(Debug, thiserror::Error)]
pub(super) enum LoadError {
    #[error("the data cannot be read: {0}")]
    Json(#[from] serde_json::Error),
    #[error("`{name}` has no row")]
    NoRow { name: &'static str },
    #[error("`{message}.{field}` has no row")]
    NoField { message: &'static str, field: &'static str },
    #[error("the row of `{message}` has fields that the message has not")]
    FieldsLeft { message: &'static str },
    #[error("`{message}.{field}` is not of type `{ty}`")]
    OtherType { message: &'static str, field: &'static str, ty: String },
    #[error("`{list}` has no code `{code}`")]
    NoCode { list: &'static str, code: String },
}
