//! What of an act is searched: the free text of its narrative.
//!
//! Names, numbers and addresses stand in parts of their own and are not looked at; nor is what was said under the seal of a
//! mediation, and nothing at all of counselling.

use mediation_domain::{
    catalogue::{self, FieldType},
    visibility::Row,
};
use mediation_ledger::part::join;
use mediation_proto::{fields::Value, mediation::ledger::v1::PartKind};

use super::words::Words;

/// Whether acts of a row are searched. A correction has the row of what it corrects.
#[must_use]
pub fn is_searched(row: Row) -> bool {
    ![Row::REFERRAL, Row::COUNSELLING, Row::STATE_SECRET].contains(&row)
}

/// The free text of a narrative, field by field. `plaintext` is that of the part; one that cannot be read has none.
pub(super) fn texts(plaintext: &[u8]) -> Vec<String> {
    let Ok(act) = join([plaintext]) else { return Vec::new() };
    let Some((kind, fields)) = act.event() else { return Vec::new() };
    let told = catalogue::row(kind).fields.iter();
    let told = told.filter(|field| field.part == PartKind::Narrative && matches!(field.ty, FieldType::Text));
    let values = told.flat_map(|field| (0..fields.count(field.number)).filter_map(|at| fields.value(field.number, at)));
    let texts = values.filter_map(|value| match value {
        Value::Text(text) => Some(text.to_owned()),
        Value::Bool(_) | Value::Int(_) | Value::Enum(_) | Value::Message(_) => None,
    });
    texts.collect()
}

/// Looks into a narrative as it is shown to a reader: a piece of it, of 80 characters at most, when it holds every word.
#[must_use]
pub fn found(words: &Words, plaintext: &[u8]) -> Option<String> {
    let texts = texts(plaintext);
    if words.are_in(&texts) { words.excerpt(&texts) } else { None }
}
