//! One act of a chain, and what stands in its fields.

use std::ops::Range;

use mediation_proto::{
    fields::{Fields, Shape, Value},
    mediation::types::v1::{ActHeader, AgencyKind, HandoffMode, Role},
};

use super::kinds::{Kind, kind};
use crate::{
    calendar::Day,
    catalogue::{HandoffRole, Row},
    history::EventId,
};

/// One act of the chain.
#[derive(Debug)]
pub(crate) struct Act<'a> {
    /// Position among the acts that exist at the moment and can be read.
    pub(crate) at: usize,
    pub(crate) revision: u64,
    pub(crate) event_id: EventId,
    pub(crate) agency: &'a str,
    pub(crate) agency_kind: Option<AgencyKind>,
    pub(crate) kind: Kind,
    pub(crate) row: &'static Row,
    pub(crate) fields: &'a dyn Fields,
    pub(crate) header: Option<&'a ActHeader>,
    pub(crate) day: Day,
    /// Seconds.
    pub(crate) occurred_at: i64,
    /// Milliseconds.
    pub(crate) recorded_at: i64,
    /// Position of the correction that withdraws it.
    pub(crate) withdrawn_by: Option<usize>,
    /// Position of the proposal that it answers or continues, when that counts.
    pub(super) proposal: Option<usize>,
    /// Places of its references in those of the chain.
    pub(super) references: Range<usize>,
}

impl<'a> Act<'a> {
    pub(crate) fn is(&self, kind: Kind) -> bool {
        self.kind == kind
    }

    pub(crate) fn is_any(&self, kinds: &[Kind]) -> bool {
        kinds.contains(&self.kind)
    }

    pub(crate) fn named(&self, name: &str) -> Option<Value<'a>> {
        self.fields.named(name)
    }

    pub(crate) fn text(&self, name: &str) -> Option<&'a str> {
        self.fields.text(name)
    }

    pub(crate) fn date(&self, name: &str) -> Option<Day> {
        self.text(name).and_then(Day::parse)
    }

    pub(crate) fn bool(&self, name: &str) -> Option<bool> {
        bool_of(self.fields, name)
    }

    pub(crate) fn int(&self, name: &str) -> Option<u64> {
        match self.named(name)? {
            Value::Int(value) => Some(value),
            Value::Bool(_) | Value::Text(_) | Value::Enum(_) | Value::Message(_) => None,
        }
    }

    pub(crate) fn code(&self, name: &str) -> Option<&'static str> {
        code_of(self.fields, name)
    }

    /// Texts of a list, or the single text of a field.
    pub(crate) fn texts(&self, name: &str) -> impl Iterator<Item = &'a str> + use<'a> {
        texts(self.fields, name)
    }

    /// Codes of a list.
    pub(crate) fn codes(&self, name: &str) -> impl Iterator<Item = &'static str> + use<'a> {
        let list = self.fields.info().field(name).and_then(|field| match field.shape {
            Shape::Enum(list) => Some(list),
            Shape::Bool | Shape::Int | Shape::Text | Shape::Message(_) => None,
        });
        values(self.fields, name).filter_map(move |value| match value {
            Value::Enum(number) => list?.code(number),
            Value::Bool(_) | Value::Int(_) | Value::Text(_) | Value::Message(_) => None,
        })
    }

    /// Composites of a list, or the single one of a field.
    pub(crate) fn records(&self, name: &str) -> impl Iterator<Item = &'a dyn Fields> + use<'a> {
        records(self.fields, name)
    }

    /// Whether a field is absent, false or empty.
    pub(crate) fn lacks(&self, name: &str) -> bool {
        matches!(self.named(name), None | Some(Value::Bool(false)))
    }

    pub(crate) fn has(&self, name: &str) -> bool {
        self.named(name).is_some()
    }

    pub(crate) fn signer(&self) -> Option<&'a str> {
        self.header.and_then(|header| header.signer.as_deref())
    }

    pub(crate) fn role(&self) -> Role {
        self.header.map_or(Role::Unspecified, ActHeader::signer_role)
    }

    pub(crate) fn procedure_no(&self) -> Option<&'a str> {
        self.header.and_then(|header| header.procedure_no.as_deref()).filter(|number| !number.is_empty())
    }

    pub(crate) fn is_proposal(&self) -> bool {
        self.row.handoff == Some(HandoffRole::Proposal)
    }

    /// Mode of a proposal: as it says, else as its kind implies.
    pub(crate) fn mode(&self) -> Option<HandoffMode> {
        let stated = self.int_code("mode").filter(|_| self.is_proposal());
        stated.and_then(|number| HandoffMode::try_from(number).ok()).or(self.row.handoff_mode)
    }

    fn int_code(&self, name: &str) -> Option<i32> {
        match self.named(name)? {
            Value::Enum(number) => Some(number),
            Value::Bool(_) | Value::Int(_) | Value::Text(_) | Value::Message(_) => None,
        }
    }

    /// It withdraws the act that it corrects.
    pub(super) fn withdraws(&self) -> bool {
        self.is(const { kind("RecordCorrected") }) && self.bool("withdrawn") == Some(true)
    }
}

/// Values of a field, in order.
pub(crate) fn values<'a>(message: &'a dyn Fields, name: &str) -> impl Iterator<Item = Value<'a>> + use<'a> {
    let number = message.info().field(name).map(|field| field.number);
    let count = number.map_or(0, |number| message.count(number));
    (0..count).filter_map(move |at| message.value(number?, at))
}

/// Composites of a field, in order.
pub(crate) fn records<'a>(message: &'a dyn Fields, name: &str) -> impl Iterator<Item = &'a dyn Fields> + use<'a> {
    values(message, name).filter_map(|value| match value {
        Value::Message(message) => Some(message),
        Value::Bool(_) | Value::Int(_) | Value::Text(_) | Value::Enum(_) => None,
    })
}

/// Texts of a list, or the single text of a field.
pub(crate) fn texts<'a>(message: &'a dyn Fields, name: &str) -> impl Iterator<Item = &'a str> + use<'a> {
    values(message, name).filter_map(|value| match value {
        Value::Text(text) => Some(text),
        Value::Bool(_) | Value::Int(_) | Value::Enum(_) | Value::Message(_) => None,
    })
}

/// Truth of a field; none when it is absent.
pub(crate) fn bool_of(message: &dyn Fields, name: &str) -> Option<bool> {
    match message.named(name)? {
        Value::Bool(value) => Some(value),
        Value::Int(_) | Value::Text(_) | Value::Enum(_) | Value::Message(_) => None,
    }
}

/// Code of a field; none when it is absent or no code of its list.
pub(crate) fn code_of(message: &dyn Fields, name: &str) -> Option<&'static str> {
    let field = message.info().field(name)?;
    match (field.shape, message.value(field.number, 0)?) {
        (Shape::Enum(list), Value::Enum(number)) => list.code(number),
        (
            Shape::Bool | Shape::Int | Shape::Text | Shape::Enum(_) | Shape::Message(_),
            Value::Bool(_) | Value::Int(_) | Value::Text(_) | Value::Enum(_) | Value::Message(_),
        ) => None,
    }
}
