//! A chain prepared for judging: the acts that exist at the moment, what they refer to, and which were withdrawn.

use mediation_proto::{
    derived::KINDS,
    fields::{Fields, Shape, Value},
    mediation::types::v1::{ActHeader, AgencyKind, HandoffMode, Role},
};

use super::Moment;
use crate::{
    calendar::Day,
    catalogue::{self, FieldType, HandoffRole, Row},
    directory::Directory,
    history::{EventId, Recorded},
};

/// A kind of act: its place in the descriptors.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Kind(pub(crate) usize);

/// The kind of this name. Used in constants, where a name that does not exist does not compile.
pub(crate) const fn kind(event: &str) -> Kind {
    let mut rest = KINDS.as_slice();
    let mut at = 0;
    while let [first, others @ ..] = rest {
        if is_same(first.event.as_bytes(), event.as_bytes()) {
            return Kind(at);
        }
        rest = others;
        at += 1;
    }
    panic!("there is no such event");
}

const fn is_same(left: &[u8], right: &[u8]) -> bool {
    let (mut left, mut right) = (left, right);
    while let ([a, left_rest @ ..], [b, right_rest @ ..]) = (left, right) {
        if *a != *b {
            return false;
        }
        left = left_rest;
        right = right_rest;
    }
    left.is_empty() && right.is_empty()
}

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
    /// Positions of the acts that it names, in fields and in `causes`.
    pub(crate) names: Vec<usize>,
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
    fn withdraws(&self) -> bool {
        self.is(const { kind("RecordCorrected") }) && self.bool("withdrawn") == Some(true)
    }
}

/// The acts of a chain that exist at a moment.
#[derive(Debug)]
pub(crate) struct Chain<'a> {
    acts: Vec<Act<'a>>,
    directory: &'a Directory,
    /// Positions by event id, sorted.
    ids: Vec<(EventId, usize)>,
    as_of: i64,
}

impl<'a> Chain<'a> {
    pub(crate) fn new(history: &'a [Recorded], directory: &'a Directory, moment: Moment) -> Self {
        let exists = |recorded: &&Recorded| {
            recorded.occurred_at <= moment.as_of && moment.known_at.is_none_or(|known| recorded.recorded_at <= known)
        };
        let mut acts: Vec<Act<'a>> = Vec::with_capacity(history.len());
        let mut ids = Vec::with_capacity(history.len());
        for recorded in history.iter().filter(exists) {
            let Some((info, fields)) = recorded.act.event() else { continue };
            let index = catalogue::index(info);
            ids.push((recorded.event_id, acts.len()));
            acts.push(Act {
                at: acts.len(),
                revision: recorded.revision,
                event_id: recorded.event_id,
                agency: &recorded.agency,
                agency_kind: directory.kind(&recorded.agency),
                kind: Kind(index),
                row: catalogue::row(info),
                fields,
                header: recorded.act.header.as_ref(),
                day: Day::of(recorded.occurred_at),
                occurred_at: recorded.occurred_at,
                recorded_at: recorded.recorded_at,
                withdrawn_by: None,
                names: Vec::new(),
            });
        }
        ids.sort_unstable();
        let mut chain = Self { acts, directory, ids, as_of: moment.as_of };
        chain.resolve_names();
        chain.resolve_withdrawals();
        chain
    }

    /// Instant as of which the chain is judged, in seconds.
    pub(crate) fn as_of(&self) -> i64 {
        self.as_of
    }

    /// Day of that instant.
    pub(crate) fn today(&self) -> Day {
        Day::of(self.as_of)
    }

    pub(crate) fn directory(&self) -> &'a Directory {
        self.directory
    }

    /// Every act, also those that were withdrawn.
    pub(crate) fn all(&self) -> &[Act<'a>] {
        &self.acts
    }

    /// The acts that count.
    pub(crate) fn acts(&self) -> impl DoubleEndedIterator<Item = &Act<'a>> {
        self.acts.iter().filter(|act| act.withdrawn_by.is_none())
    }

    /// The acts of a kind that count.
    pub(crate) fn of(&self, kind: Kind) -> impl DoubleEndedIterator<Item = &Act<'a>> {
        self.acts().filter(move |act| act.kind == kind)
    }

    /// The acts of several kinds that count.
    pub(crate) fn of_any(&self, kinds: &'static [Kind]) -> impl DoubleEndedIterator<Item = &Act<'a>> {
        self.acts().filter(move |act| kinds.contains(&act.kind))
    }

    /// The acts that count and stand before a position.
    pub(crate) fn before(&self, at: usize) -> impl DoubleEndedIterator<Item = &Act<'a>> {
        self.acts.get(..at).unwrap_or_default().iter().filter(|act| act.withdrawn_by.is_none())
    }

    /// The acts that count and stand after a position.
    pub(crate) fn after(&self, at: usize) -> impl DoubleEndedIterator<Item = &Act<'a>> {
        self.acts.get(at + 1..).unwrap_or_default().iter().filter(|act| act.withdrawn_by.is_none())
    }

    /// The latest act of a kind that counts and stands before a position.
    pub(crate) fn latest(&self, kind: Kind, before: usize) -> Option<&Act<'a>> {
        self.before(before).rfind(|act| act.kind == kind)
    }

    pub(crate) fn has_before(&self, kinds: &[Kind], at: usize) -> bool {
        self.before(at).any(|act| kinds.contains(&act.kind))
    }

    pub(crate) fn get(&self, at: usize) -> Option<&Act<'a>> {
        self.acts.get(at)
    }

    /// The earlier act that a field of an act names, when it counts.
    pub(crate) fn referred(&self, act: &Act<'a>, field: &str) -> Option<&Act<'a>> {
        let Some(Value::Message(reference)) = act.named(field) else { return None };
        self.referent(reference, act.at).filter(|referent| referent.withdrawn_by.is_none())
    }

    /// The earlier act that a reference names, also when it was withdrawn.
    pub(crate) fn referent(&self, reference: &dyn Fields, before: usize) -> Option<&Act<'a>> {
        self.act_of(EventId::parse(reference.text("event_id")?)?, before)
    }

    /// The act of this event id among those before a position, also when it was withdrawn.
    pub(crate) fn act_of(&self, id: EventId, before: usize) -> Option<&Act<'a>> {
        let found = self.ids.binary_search_by(|(other, _)| other.cmp(&id)).ok()?;
        let at = self.ids.get(found)?.1;
        self.acts.get(at).filter(|act| act.at < before)
    }

    /// Event id of the act at a position.
    pub(crate) fn event_id(&self, at: usize) -> Option<EventId> {
        self.ids.iter().find(|(_, other)| *other == at).map(|(id, _)| *id)
    }

    /// The proposal that an act answers, continues or is.
    pub(crate) fn proposal(&self, act: &Act<'a>) -> Option<&Act<'a>> {
        if act.is_proposal() {
            return None;
        }
        if let Some(proposal) = self.referred(act, "proposal") {
            return Some(proposal);
        }
        match act.row.handoff? {
            HandoffRole::Ack => self.proposal(self.referred(act, "report")?),
            HandoffRole::Outcome => {
                let suggestion = self.referred(act, "suggestion").or_else(|| self.referred(act, "referral"));
                suggestion.filter(|act| act.is_proposal())
            }
            HandoffRole::Proposal
            | HandoffRole::Answer
            | HandoffRole::Recall
            | HandoffRole::Timeout
            | HandoffRole::Escalation => None,
        }
    }

    fn resolve_names(&mut self) {
        for at in 0..self.acts.len() {
            let names = self.acts.get(at).map(|act| self.names_of(act)).unwrap_or_default();
            if let Some(act) = self.acts.get_mut(at) {
                act.names = names;
            }
        }
    }

    fn names_of(&self, act: &Act<'a>) -> Vec<usize> {
        let causes = act.header.map(|header| header.causes.as_slice()).unwrap_or_default();
        let mut names: Vec<usize> =
            causes.iter().filter_map(|cause| self.referent(cause, act.at)).map(|act| act.at).collect();
        for field in act.row.fields.iter().filter(|field| matches!(field.ty, FieldType::StepRef)) {
            for at in 0..act.fields.count(field.number) {
                if let Some(Value::Message(reference)) = act.fields.value(field.number, at) {
                    names.extend(self.referent(reference, act.at).map(|act| act.at));
                }
            }
        }
        names
    }

    /// A correction that was itself withdrawn withdraws nothing, so that later corrections are looked at first.
    fn resolve_withdrawals(&mut self) {
        for at in (0..self.acts.len()).rev() {
            let Some(act) = self.acts.get(at).filter(|act| act.withdrawn_by.is_none() && act.withdraws()) else {
                continue;
            };
            let Some(Value::Message(target)) = act.named("target") else { continue };
            let target = self.referent(target, at).map(|act| act.at);
            if let Some(target) = target.and_then(|target| self.acts.get_mut(target)) {
                // The first correction counts: from it on the act has no effect.
                target.withdrawn_by = Some(at);
            }
        }
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
