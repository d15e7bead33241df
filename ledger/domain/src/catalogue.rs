//! The catalogue: every kind of act with its Chinese title, who may record it, and what its fields mean.
//!
//! The proto descriptors give names, numbers and shapes; `data/events.json`, `types.json` and `enums.json` give the
//! meaning. Both are joined once, when first needed, and a difference between them does not pass that join.

mod load;

use std::{collections::BTreeMap, sync::LazyLock};

use mediation_proto::{
    fields::{EnumInfo, KindInfo, MessageInfo},
    mediation::{
        ledger::v1::PartKind,
        types::v1::{AgencyKind, HandoffMode, Role},
    },
};
use serde::Deserialize;

/// Row of a kind of act, in constant time.
///
/// # Panics
/// `kind` is not one of `derived::KINDS`.
#[must_use]
pub fn row(kind: &KindInfo) -> &'static Row {
    let Some(row) = CATALOGUE.rows.get(index(kind)) else { panic!("`{}` is no kind of the catalogue", kind.kind) };
    row
}

/// Place of a kind of act in `derived::KINDS` and in [`rows`], in constant time.
///
/// # Panics
/// `kind` is not one of `derived::KINDS`.
#[must_use]
pub fn index(kind: &KindInfo) -> usize {
    let family = CATALOGUE.places.get(kind.family_number as usize);
    let place = family.and_then(|family| family.get(kind.number as usize)).copied().flatten();
    let Some(place) = place else { panic!("`{}` is no kind of the catalogue", kind.kind) };
    place
}

/// Every row, in the order of `derived::KINDS`.
#[must_use]
pub fn rows() -> &'static [Row] {
    &CATALOGUE.rows
}

/// The row of the event of this name (`CaseFiled`).
#[must_use]
pub fn event(name: &str) -> Option<&'static Row> {
    CATALOGUE.rows.iter().find(|row| row.event == name)
}

/// Meaning of a composite; `None` for messages that are no record of the catalogue (an act, a step reference).
#[must_use]
pub fn record(info: &MessageInfo) -> Option<&'static Record> {
    CATALOGUE.records.get(info.name)
}

/// The header that every act carries.
///
/// # Panics
/// Never: the join refuses a catalogue without it.
#[must_use]
pub fn header() -> &'static Record {
    let Some(header) = CATALOGUE.records.get(HEADER) else { panic!("the catalogue has no `{HEADER}`") };
    header
}

/// Chinese title of a code.
#[must_use]
pub fn zh(list: &str, code: &str) -> Option<&'static str> {
    CATALOGUE.codes.get(list)?.get(code).map(|row| row.zh.as_str())
}

/// Chinese title of a number of a code list; `None` for 0 and for numbers that the list does not hold.
#[must_use]
pub fn zh_of_number(list: &EnumInfo, number: i32) -> Option<&'static str> {
    zh(list.name, list.code(number)?)
}

/// Whether content marked with this code may enter the ledger; only class S9 (国家秘密) may not.
#[must_use]
pub fn accepted(list: &str, code: &str) -> bool {
    CATALOGUE.codes.get(list).and_then(|codes| codes.get(code)).is_none_or(|row| row.accepted)
}

/// Whether the list marks a code as a success (`Outcome`).
#[must_use]
pub fn is_success(list: &str, code: &str) -> bool {
    CATALOGUE.codes.get(list).and_then(|codes| codes.get(code)).is_some_and(|row| row.success)
}

/// Code of the kind of agency whose ids begin with this prefix (`CT`: `COURT`).
#[must_use]
pub fn agency_kind_of_prefix(prefix: &str) -> Option<&'static str> {
    let kinds = CATALOGUE.codes.get("AgencyKind")?;
    let kind = kinds.iter().find(|(_, row)| row.id_prefixes.iter().any(|known| known == prefix));
    kind.map(|(code, _)| code.as_str())
}

/// A kind of act.
#[derive(Debug, Clone)]
pub struct Row {
    /// Its row in the descriptors.
    pub kind: &'static KindInfo,
    /// Name (`CaseFiled`).
    pub event: &'static str,
    /// Chinese name.
    pub zh: String,
    /// Family (`court`).
    pub family: &'static str,
    /// Row of the visibility matrix that governs reading.
    pub visibility_row: String,
    /// Roles that may sign.
    pub signers: Vec<Role>,
    /// Kinds of agency that may record.
    pub agency_kinds: Vec<AgencyKind>,
    /// May be the first act of a chain.
    pub opening: bool,
    /// May be recorded on a chain that is closed (I-12).
    pub after_closing: bool,
    /// What it does to a handoff; none when it has nothing to do with one.
    pub handoff: Option<HandoffRole>,
    /// Mode that a proposal without a field `mode` implies.
    pub handoff_mode: Option<HandoffMode>,
    /// Fields in the order of their numbers.
    pub fields: Vec<FieldRow>,
}

impl Row {
    /// The field of this number.
    #[must_use]
    pub fn field(&self, number: u32) -> Option<&FieldRow> {
        self.fields.iter().find(|field| field.number == number)
    }

    /// The field of this name.
    #[must_use]
    pub fn named(&self, name: &str) -> Option<&FieldRow> {
        self.fields.iter().find(|field| field.name == name)
    }
}

/// A composite that fields hold, or the header.
#[derive(Debug, Clone)]
pub struct Record {
    /// Its table in the descriptors.
    pub info: &'static MessageInfo,
    /// Chinese name.
    pub zh: String,
    /// Fields in the order of their numbers.
    pub fields: Vec<FieldRow>,
}

/// One field of an act or of a record.
#[derive(Debug, Clone)]
pub struct FieldRow {
    /// Number on the wire.
    pub number: u32,
    /// Name.
    pub name: &'static str,
    /// Chinese title.
    pub zh: String,
    /// What it, or each element, means.
    pub ty: FieldType,
    /// Holds a list.
    pub list: bool,
    /// Without it, or with an empty list, the act is refused.
    pub required: bool,
    /// Part of the act that it belongs to; `Unspecified` in records, which belong where the field that holds them does.
    pub part: PartKind,
    /// Code of the finding that its absence (for a `bool`: absence or `false`) is.
    pub missing: Option<String>,
}

/// Meaning of a field. Shapes say how it is encoded, this says what may stand in it.
#[derive(Debug, Clone, Copy)]
pub enum FieldType {
    /// Short string without personal data.
    String,
    /// Free text.
    Text,
    /// Day in Asia/Shanghai, `YYYY-MM-DD`.
    Date,
    /// RFC 3339 with `+08:00`, whole seconds.
    DateTime,
    /// True or false.
    Bool,
    /// Whole number, 0 … 2^53.
    Int,
    /// Fen, 1 yuan = 100.
    Money,
    /// Agency id.
    Agency,
    /// Pseudonym of a party, or `signer_ref` of an official.
    Person,
    /// Event id of an earlier act.
    StepRef,
    /// Obligation id, unique within the chain.
    Obligation,
    /// Reference to a document that stays with its holder.
    Document,
    /// Code of a list.
    Enum(&'static EnumInfo),
    /// Composite.
    Record(&'static MessageInfo),
}

/// What an act does to a handoff (移送对接).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum HandoffRole {
    /// Proposes one.
    Proposal,
    /// Answers the proposal.
    Answer,
    /// Reports what came of it.
    Outcome,
    /// Acknowledges the report.
    Ack,
    /// Takes the proposal back.
    Recall,
    /// Notes that the answer is overdue.
    Timeout,
    /// Takes the overdue proposal to a higher level.
    Escalation,
}

/// Everything, joined.
#[derive(Debug)]
struct Catalogue {
    /// In the order of `derived::KINDS`.
    rows: Vec<Row>,
    /// Place in `rows` by number of the family, then of the act.
    places: Vec<Vec<Option<usize>>>,
    records: BTreeMap<&'static str, Record>,
    codes: BTreeMap<String, BTreeMap<String, Code>>,
}

#[derive(Debug)]
struct Code {
    zh: String,
    accepted: bool,
    success: bool,
    /// How ids of agencies of this kind begin.
    id_prefixes: Vec<String>,
}

/// Name of the header's record.
const HEADER: &str = "ActHeader";

static CATALOGUE: LazyLock<Catalogue> = LazyLock::new(|| match load::load() {
    Ok(catalogue) => catalogue,
    Err(error) => panic!("the embedded catalogue does not fit the descriptors: {error}"),
});

#[cfg(test)]
mod tests;
