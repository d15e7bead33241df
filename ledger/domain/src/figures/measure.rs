//! Measures: what is counted while chains go by. A formula is arithmetic over measures.

use mediation_proto::{
    derived::KINDS,
    fields::{Shape, Value as Field},
};

use super::{
    accumulator::{Contribution, Place, Taken},
    operational::{Exclusion, ItemStatement, Items},
    period::Period,
};
use crate::{
    catalogue::FieldType,
    clocks::condition::{Condition, element},
    judge::chain::{Act, Chain, Kind},
};

/// One thing that is counted.
#[derive(Debug)]
pub(super) struct Measure {
    pub(super) aggregate: Aggregate,
    pub(super) source: Source,
    pub(super) period: Period,
}

/// What is made of what is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Aggregate {
    Count,
    /// How many of each value of a field.
    CountBy,
    /// Distinct chains.
    CountChains,
    CountDistinct,
    Sum,
    Min,
    Max,
    SumLatest,
    SumFirst,
    LongestRunTo,
    Median,
}

/// What is looked at.
#[derive(Debug)]
pub(super) enum Source {
    Acts(Acts),
    /// What the judge works out of a chain.
    Items {
        items: Items,
        when: Option<Condition<ItemStatement>>,
    },
}

/// Acts of one or more kinds.
#[derive(Debug)]
pub(super) struct Acts {
    pub(super) entries: Vec<Entry>,
    /// Later acts of this kind drop the acts that they name.
    pub(super) unless: Option<Kind>,
    pub(super) exclusion: Option<Exclusion>,
}

/// Acts of one kind, and what of them is taken.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) kind: Kind,
    pub(super) when: Option<Condition>,
    /// Number of the field that is taken.
    pub(super) field: Option<u32>,
    /// Number of the field by which it is told apart.
    pub(super) by: Option<u32>,
    /// Every element of the field counts.
    pub(super) each: bool,
    /// Number of the field that names what is registered: of several acts about it the latest counts.
    pub(super) registers: Option<u32>,
}

impl Measure {
    /// What is taken of an act; none when it plays no part.
    pub(super) fn take(&self, chain: &Chain<'_>, act: &Act<'_>, id: [u8; 16]) -> Option<Taken> {
        let Source::Acts(acts) = &self.source else { return None };
        let entry = acts.entries.iter().find(|entry| entry.kind == act.kind)?;
        // A run of years is about the years that a table lists, not about the days on which they were entered.
        if self.aggregate != Aggregate::LongestRunTo && !self.period.holds(act.day) {
            return None;
        }
        let registered = entry.registers.and_then(|field| element(act.fields, field, 0)).map(|value| value.owned());
        let fits = entry.when.as_ref().is_none_or(|when| when.holds(chain, act, &|_| false))
            && !self.is_revoked(acts, chain, act)
            && !acts.exclusion.is_some_and(|exclusion| exclusion.drops(chain, act));
        let contribution = if fits { self.contribution(entry, act) } else { None };
        if contribution.is_none() && registered.is_none() {
            return None;
        }
        let place = Place { occurred_at: act.occurred_at, chain: id, revision: act.revision };
        Some(Taken { place, registered, contribution })
    }

    /// Name of the list of the codes by which its acts are told apart.
    pub(super) fn code_list(&self) -> Option<&'static str> {
        let Source::Acts(acts) = &self.source else { return None };
        let entry = acts.entries.first()?;
        let by = entry.by?;
        let fields = KINDS.get(entry.kind.0)?.info.fields;
        match fields.iter().find(|field| field.number == by)?.shape {
            Shape::Enum(list) => Some(list.name),
            Shape::Bool | Shape::Int | Shape::Text | Shape::Message(_) => None,
        }
    }

    /// Whether a later act of the kind that drops acts names this one before the period ends.
    fn is_revoked(&self, acts: &Acts, chain: &Chain<'_>, act: &Act<'_>) -> bool {
        let Some(unless) = acts.unless else { return false };
        chain.after(act.at).filter(|later| later.is(unless) && later.day <= self.period.to).any(|later| {
            let references = later.row.fields.iter().filter(|field| matches!(field.ty, FieldType::StepRef));
            references.filter_map(|field| later.fields.value(field.number, 0)).any(|value| match value {
                Field::Message(reference) => {
                    chain.referent(reference, later.at).is_some_and(|named| named.at == act.at)
                }
                Field::Bool(_) | Field::Int(_) | Field::Text(_) | Field::Enum(_) => false,
            })
        })
    }

    fn contribution(&self, entry: &Entry, act: &Act<'_>) -> Option<Contribution> {
        let value = |field: Option<u32>| element(act.fields, field?, 0).map(|value| value.owned());
        let number = |field: Option<u32>| match act.fields.value(field?, 0)? {
            Field::Int(number) => Some(number),
            Field::Bool(_) | Field::Text(_) | Field::Enum(_) | Field::Message(_) => None,
        };
        match self.aggregate {
            Aggregate::Count | Aggregate::CountChains => Some(Contribution::Act),
            Aggregate::CountBy => Some(Contribution::Values(value(entry.by).into_iter().collect())),
            Aggregate::CountDistinct => {
                let field = entry.field?;
                let count = if entry.each { act.fields.count(field) } else { 1 };
                let values = (0..count).filter_map(|at| element(act.fields, field, at));
                Some(Contribution::Values(values.map(|value| value.owned()).collect()))
            }
            Aggregate::Sum | Aggregate::Min | Aggregate::Max => number(entry.field).map(Contribution::Number),
            Aggregate::LongestRunTo | Aggregate::Median => number(entry.field).map(Contribution::OneOf),
            Aggregate::SumLatest | Aggregate::SumFirst => {
                Some(Contribution::Keyed(value(entry.by)?, number(entry.field)))
            }
        }
    }
}
