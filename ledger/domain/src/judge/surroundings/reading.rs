//! Readings (查阅): `RecordAccessed` acts in the shape in which the rules look at them, whether they stand on the chain that
//! was read or on an access chain of the reader's agency.

use mediation_proto::fields::{Fields, Shape, Value};

use super::{ChainKey, fact::Fact};
use crate::{
    calendar::Day,
    history::EventId,
    judge::chain::{Act, Chain, bool_of, code_of, records, values},
};

/// One reading of a chain.
#[derive(Debug)]
pub(in crate::judge) struct Reading<'a> {
    /// What was there to be read: the acts before this position. A reading on the chain itself stands there.
    pub(in crate::judge) at: usize,
    /// The act, when it stands on another chain than the one that was read.
    pub(in crate::judge) elsewhere: Option<Place>,
    pub(in crate::judge) day: Day,
    pub(in crate::judge) reader: Option<&'a str>,
    pub(in crate::judge) what: What,
}

/// An act of another chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::judge) struct Place {
    pub(in crate::judge) chain: ChainKey,
    pub(in crate::judge) revision: u64,
    pub(in crate::judge) event_id: EventId,
}

/// What was read, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::judge) struct What {
    /// Content in full or redacted, not only that there is some.
    pub(in crate::judge) content: bool,
    /// In full.
    pub(in crate::judge) full: bool,
    pub(in crate::judge) sealed: bool,
    pub(in crate::judge) identities: bool,
    pub(in crate::judge) purpose: bool,
    pub(in crate::judge) trial_bench: bool,
    pub(in crate::judge) disclosure: Option<EventId>,
    /// The acts that were read; empty for the whole chain.
    pub(in crate::judge) steps: Vec<EventId>,
}

impl What {
    pub(super) fn of(read: &dyn Fields) -> Self {
        let grade = code_of(read, "grade");
        let list = read.info().field("parts").map(|field| field.shape);
        let holds = |code: &str| {
            values(read, "parts").any(|part| match (list, part) {
                (Some(Shape::Enum(list)), Value::Enum(number)) => list.code(number) == Some(code),
                (_, Value::Bool(_) | Value::Int(_) | Value::Text(_) | Value::Enum(_) | Value::Message(_)) => false,
            })
        };
        Self {
            content: matches!(grade, Some("F" | "R")),
            full: grade == Some("F"),
            sealed: holds("SEALED"),
            identities: holds("IDENTITIES"),
            purpose: read.named("purpose").is_some(),
            trial_bench: bool_of(read, "trial_bench") == Some(true),
            disclosure: records(read, "disclosure").next().and_then(event_id),
            steps: records(read, "steps").filter_map(event_id).collect(),
        }
    }

    /// Whether any rule can find something in it. That of an accusation asks who reads any content at all.
    pub(super) fn matters(&self, accusation: bool) -> bool {
        !self.purpose || self.disclosure.is_some() || (self.content && (self.sealed || self.identities || accusation))
    }
}

/// A reading that stands on an access chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Row {
    pub(super) fact: Fact,
    pub(super) reader: Option<String>,
    pub(super) what: What,
}

impl<'a> Reading<'a> {
    /// A reading that stands on the chain itself.
    pub(in crate::judge) fn here(act: &Act<'a>) -> Self {
        let (reader, what) = (act.text("reader_agency"), What::of(act.fields));
        Self { at: act.at, elsewhere: None, day: act.day, reader, what }
    }

    /// A reading that stands on an access chain: what had been recorded by then was there to be read.
    pub(super) fn elsewhere(row: &'a Row, chain: &Chain<'_>) -> Self {
        let Fact { chain: stands_on, event_id, revision, since } = row.fact;
        let later = chain.all().iter().position(|act| act.recorded_at > since.recorded_at);
        Self {
            at: later.unwrap_or_else(|| chain.all().len()),
            elsewhere: Some(Place { chain: stands_on, revision, event_id }),
            day: Day::of(since.occurred_at),
            reader: row.reader.as_deref(),
            what: row.what.clone(),
        }
    }
}

fn event_id(reference: &dyn Fields) -> Option<EventId> {
    EventId::parse(reference.text("event_id")?)
}
