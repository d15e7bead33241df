//! References (引用) of acts to earlier acts, resolved once.

use std::sync::LazyLock;

use mediation_proto::{
    derived::KINDS,
    fields::{Shape, Value},
};

use super::{act::Act, kinds::Kind};
use crate::catalogue::{FieldType, rows};

/// An earlier act that an act names.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reference {
    /// Number of the field; none in the header's causes.
    pub(super) field: Option<u32>,
    /// It is the single or first value of that field.
    pub(super) first: bool,
    /// Position of the act that is named.
    pub(super) at: usize,
}

/// Fields of a kind of act that hold references, by number.
#[derive(Debug)]
pub(super) struct Links {
    /// Each with the number of the id in what it holds.
    steps: Vec<(u32, u32)>,
    pub(super) proposal: Option<u32>,
    pub(super) report: Option<u32>,
    pub(super) suggestion: Option<u32>,
    pub(super) referral: Option<u32>,
}

impl Links {
    pub(super) fn of(kind: Kind) -> Option<&'static Self> {
        LINKS.get(kind.0)
    }
}

/// Adds the references of an act. `find` gives the position of the earlier act of an event id.
pub(super) fn resolve(act: &Act<'_>, references: &mut Vec<Reference>, find: impl Fn(&str) -> Option<usize>) {
    for cause in act.header.map(|header| header.causes.as_slice()).unwrap_or_default() {
        let at = cause.event_id.as_deref().and_then(&find);
        references.extend(at.map(|at| Reference { field: None, first: false, at }));
    }
    for (field, id) in Links::of(act.kind).map(|links| links.steps.as_slice()).unwrap_or_default() {
        for place in 0..act.fields.count(*field) {
            let Some(Value::Message(reference)) = act.fields.value(*field, place) else { continue };
            let Some(Value::Text(id)) = reference.value(*id, 0) else { continue };
            references.extend(find(id).map(|at| Reference { field: Some(*field), first: place == 0, at }));
        }
    }
}

static LINKS: LazyLock<Vec<Links>> = LazyLock::new(|| {
    let links = KINDS.iter().zip(rows()).map(|(kind, row)| {
        let number = |name: &str| kind.info.field(name).map(|field| field.number);
        let is_step = |number: u32| row.field(number).is_some_and(|field| matches!(field.ty, FieldType::StepRef));
        let steps = kind.info.fields.iter().filter(|field| is_step(field.number));
        let id = |shape: Shape| match shape {
            Shape::Message(step) => step.field("event_id").map(|field| field.number),
            Shape::Bool | Shape::Int | Shape::Text | Shape::Enum(_) => None,
        };
        Links {
            steps: steps.filter_map(|field| Some((field.number, id(field.shape)?))).collect(),
            proposal: number("proposal"),
            report: number("report"),
            suggestion: number("suggestion"),
            referral: number("referral"),
        }
    });
    links.collect()
});
