//! Conditions of the rule data (`when`), compiled: names of acts and clocks are looked up once, when a rule set loads.

use mediation_proto::{
    derived::TYPES_AGENCY_KIND,
    fields::{Fields, MessageInfo, Shape, Value, kind_of_event},
    mediation::types::v1::AgencyKind,
};
use serde::Deserialize;
use serde_json::Value as Json;

use super::LoadError;
use crate::{
    catalogue,
    judge::chain::{Act, Chain, Kind, kind},
};

/// A condition on an act in its chain.
#[derive(Debug)]
pub(super) enum Condition {
    All(Vec<Self>),
    Any(Vec<Self>),
    Not(Box<Self>),
    /// An act of one of these kinds stands earlier on the chain.
    Seen(Vec<Kind>),
    /// An instance of one of these clocks is open.
    ClockOpen(Vec<usize>),
    Field(Path, Test),
}

/// Where a value stands.
#[derive(Debug)]
pub(super) enum Path {
    /// Kind of the recording agency.
    RecorderKind,
    /// Kind of the agency in a field.
    AgencyKind(String),
    /// A field of the act.
    Own(u32),
    /// Something of the act that a field names.
    Referred(String, Aspect),
    /// A field of the latest earlier act of a kind.
    Latest(Kind, String),
    /// A field of the term of the first obligation that the act lists.
    Obligation(String),
}

/// What of an act.
#[derive(Debug)]
pub(super) enum Aspect {
    Event,
    Recorder,
    RecorderKind,
    Field(String),
}

#[derive(Debug)]
pub(super) enum Test {
    Eq(Scalar<String>),
    Ne(Scalar<String>),
    In(Vec<Scalar<String>>),
    Present(bool),
}

/// A value that conditions can compare. A missing field has none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Scalar<T> {
    Bool(bool),
    Int(u64),
    /// A text, or the code of a list.
    Text(T),
    /// A composite: present, and equal to nothing.
    Composite,
}

impl Condition {
    pub(super) fn holds(&self, chain: &Chain<'_>, act: &Act<'_>, is_open: &dyn Fn(usize) -> bool) -> bool {
        match self {
            Self::All(conditions) => conditions.iter().all(|condition| condition.holds(chain, act, is_open)),
            Self::Any(conditions) => conditions.iter().any(|condition| condition.holds(chain, act, is_open)),
            Self::Not(condition) => !condition.holds(chain, act, is_open),
            Self::Seen(kinds) => chain.has_before(kinds, act.at),
            Self::ClockOpen(clocks) => clocks.iter().any(|clock| is_open(*clock)),
            Self::Field(path, test) => test.passes(path.value(chain, act)),
        }
    }
}

impl Test {
    fn passes(&self, value: Option<Scalar<&str>>) -> bool {
        match self {
            Self::Eq(expected) => value.is_some_and(|value| value == expected.borrowed()),
            Self::Ne(expected) => value.is_none_or(|value| value != expected.borrowed()),
            Self::In(list) => value.is_some_and(|value| list.iter().any(|expected| value == expected.borrowed())),
            Self::Present(present) => value.is_some() == *present,
        }
    }
}

impl Scalar<String> {
    fn borrowed(&self) -> Scalar<&str> {
        match self {
            Self::Bool(value) => Scalar::Bool(*value),
            Self::Int(value) => Scalar::Int(*value),
            Self::Text(text) => Scalar::Text(text.as_str()),
            Self::Composite => Scalar::Composite,
        }
    }
}

impl Path {
    /// The value, when the act or the chain has it.
    pub(super) fn value<'a>(&self, chain: &Chain<'a>, act: &Act<'a>) -> Option<Scalar<&'a str>> {
        match self {
            Self::RecorderKind => act.agency_kind.and_then(code_of_kind),
            Self::AgencyKind(field) => chain.directory().kind(act.text(field)?).and_then(code_of_kind),
            Self::Own(number) => scalar(act.fields, *number),
            Self::Referred(field, aspect) => aspect.of(chain.referred(act, field)?),
            Self::Latest(kind, field) => named(chain.latest(*kind, act.at)?, field),
            Self::Obligation(field) => {
                let id = act.texts("obligation_ids").next()?;
                let mut terms = chain.before(act.at).rev().filter(|earlier| earlier.is(RECORDED));
                let term = terms
                    .find_map(|earlier| earlier.records("terms").find(|term| term.text("obligation_id") == Some(id)))?;
                scalar(term, term.info().field(field)?.number)
            }
        }
    }

    /// The text, when there is one.
    pub(super) fn text<'a>(&self, chain: &Chain<'a>, act: &Act<'a>) -> Option<&'a str> {
        match self.value(chain, act)? {
            Scalar::Text(text) => Some(text),
            Scalar::Bool(_) | Scalar::Int(_) | Scalar::Composite => None,
        }
    }
}

impl Aspect {
    fn of<'a>(&self, act: &Act<'a>) -> Option<Scalar<&'a str>> {
        match self {
            Self::Event => Some(Scalar::Text(act.row.event)),
            Self::Recorder => Some(Scalar::Text(act.agency)),
            Self::RecorderKind => act.agency_kind.and_then(code_of_kind),
            Self::Field(field) => named(act, field),
        }
    }
}

/// The value of a field of an act. A proposal without a field `mode` has the mode that its kind implies.
fn named<'a>(act: &Act<'a>, field: &str) -> Option<Scalar<&'a str>> {
    match act.fields.info().field(field) {
        Some(info) => scalar(act.fields, info.number),
        None if field == "mode" => act.mode().map(|mode| Scalar::Text(mode_code(mode))),
        None => None,
    }
}

fn mode_code(mode: mediation_proto::mediation::types::v1::HandoffMode) -> &'static str {
    mediation_proto::derived::TYPES_HANDOFF_MODE.code(mode as i32).unwrap_or_default()
}

fn code_of_kind<'a>(kind: AgencyKind) -> Option<Scalar<&'a str>> {
    TYPES_AGENCY_KIND.code(kind as i32).map(Scalar::Text)
}

fn scalar(message: &dyn Fields, number: u32) -> Option<Scalar<&str>> {
    Some(match message.value(number, 0)? {
        Value::Bool(value) => Scalar::Bool(value),
        Value::Int(value) => Scalar::Int(value),
        Value::Text(text) => Scalar::Text(text),
        Value::Message(_) => Scalar::Composite,
        Value::Enum(code) => {
            let field = message.info().fields.iter().find(|field| field.number == number)?;
            match field.shape {
                Shape::Enum(list) => Scalar::Text(list.code(code)?),
                Shape::Bool | Shape::Int | Shape::Text | Shape::Message(_) => return None,
            }
        }
    })
}

/// A condition as written.
#[derive(Debug, Deserialize)]
#[serde(untagged, deny_unknown_fields)]
pub(super) enum ConditionData {
    All { all: Vec<Self> },
    Any { any: Vec<Self> },
    Not { not: Box<Self> },
    Seen { seen: Vec<String> },
    ClockOpen { clock_open: Vec<String> },
    Eq { field: String, eq: Json },
    Ne { field: String, ne: Json },
    In { field: String, r#in: Vec<Json> },
    Present { field: String, present: bool },
}

impl ConditionData {
    /// Compiles the condition for acts of a kind. `clock` gives the place of a clock.
    pub(super) fn compile(
        &self,
        event: &MessageInfo,
        clock: &dyn Fn(&str) -> Result<usize, LoadError>,
    ) -> Result<Condition, LoadError> {
        let each = |list: &[Self]| list.iter().map(|data| data.compile(event, clock)).collect::<Result<Vec<_>, _>>();
        let field = |field: &str, test| Ok(Condition::Field(path(event, field)?, test));
        match self {
            Self::All { all } => Ok(Condition::All(each(all)?)),
            Self::Any { any } => Ok(Condition::Any(each(any)?)),
            Self::Not { not } => Ok(Condition::Not(Box::new(not.compile(event, clock)?))),
            Self::Seen { seen } => {
                Ok(Condition::Seen(seen.iter().map(|name| kind_named(name)).collect::<Result<_, _>>()?))
            }
            Self::ClockOpen { clock_open } => {
                Ok(Condition::ClockOpen(clock_open.iter().map(|id| clock(id)).collect::<Result<_, _>>()?))
            }
            Self::Eq { field: name, eq } => field(name, Test::Eq(literal(eq)?)),
            Self::Ne { field: name, ne } => field(name, Test::Ne(literal(ne)?)),
            Self::In { field: name, r#in } => {
                field(name, Test::In(r#in.iter().map(literal).collect::<Result<_, _>>()?))
            }
            Self::Present { field: name, present } => field(name, Test::Present(*present)),
        }
    }
}

/// Compiles a path for acts of a kind.
pub(super) fn path(event: &MessageInfo, text: &str) -> Result<Path, LoadError> {
    let unknown = || LoadError::NoPath { event: event.name, path: text.to_owned() };
    let parts: Vec<&str> = text.split('.').collect();
    Ok(match parts.as_slice() {
        ["agency", "kind"] => Path::RecorderKind,
        ["target", "kind"] => Path::AgencyKind("target".to_owned()),
        ["latest", event, field] => Path::Latest(kind_named(event)?, (*field).to_owned()),
        ["obligation", field] => Path::Obligation((*field).to_owned()),
        [field] => Path::Own(event.field(field).ok_or_else(unknown)?.number),
        [field, rest @ ..] => {
            event.field(field).ok_or_else(unknown)?;
            let aspect = match rest {
                ["event"] => Aspect::Event,
                ["agency"] => Aspect::Recorder,
                ["agency", "kind"] => Aspect::RecorderKind,
                [field] => Aspect::Field((*field).to_owned()),
                _ => return Err(unknown()),
            };
            Path::Referred((*field).to_owned(), aspect)
        }
        [] => return Err(unknown()),
    })
}

pub(super) fn kind_named(event: &str) -> Result<Kind, LoadError> {
    let info = kind_of_event(event).ok_or_else(|| LoadError::NoEvent(event.to_owned()))?;
    Ok(Kind(catalogue::index(info)))
}

fn literal(value: &Json) -> Result<Scalar<String>, LoadError> {
    match value {
        Json::Bool(value) => Ok(Scalar::Bool(*value)),
        Json::String(text) => Ok(Scalar::Text(text.clone())),
        Json::Number(number) => number.as_u64().map(Scalar::Int).ok_or_else(|| LoadError::NoLiteral(value.to_string())),
        Json::Null | Json::Array(_) | Json::Object(_) => Err(LoadError::NoLiteral(value.to_string())),
    }
}

const RECORDED: Kind = kind("ObligationRecorded");
