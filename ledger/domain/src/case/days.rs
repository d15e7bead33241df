//! Days in the data of a step: for judging without recording, where no admission has looked at them.

use mediation_proto::{
    fields::{Fields, Value},
    mediation::ledger::v1::Act,
};

use super::{CaseError, Step};
use crate::{
    catalogue::{self, FieldRow, FieldType},
    civil,
};

/// Insists that every field which holds a day holds one. A clock would otherwise count from the day of the act, as if
/// nothing had been written.
pub(super) fn check(step: &Step, act: &Act) -> Result<(), CaseError> {
    let Some((kind, event)) = act.event() else { return Ok(()) };
    match wrong_day(&catalogue::row(kind).fields, event) {
        None => Ok(()),
        Some((key, date)) => {
            let problem = format!("`{date}` is no day of the form YYYY-MM-DD");
            Err(CaseError::Step { step: step.n, key: key.to_owned(), problem })
        }
    }
}

/// The first field whose day does not exist, and what it holds.
fn wrong_day<'a>(fields: &'static [FieldRow], message: &'a dyn Fields) -> Option<(&'static str, &'a str)> {
    fields.iter().find_map(|field| {
        let mut values = (0..message.count(field.number)).filter_map(|at| message.value(field.number, at));
        values.find_map(|value| match value {
            Value::Text(date) if matches!(field.ty, FieldType::Date) => {
                civil::days(date).is_none().then_some((field.name, date))
            }
            Value::Message(inner) => wrong_day(&catalogue::record(inner.info())?.fields, inner),
            Value::Bool(_) | Value::Int(_) | Value::Text(_) | Value::Enum(_) => None,
        })
    })
}
