//! Conditions of the rule data (`when` of clocks, `where` of figures), compiled: names of acts and clocks are looked up
//! once, when the data load.

use mediation_proto::{
    derived::TYPES_AGENCY_KIND,
    fields::{Fields, MessageInfo, Shape, Value, kind_of_event},
    mediation::types::v1::AgencyKind,
};
use serde::Deserialize;
use serde_json::Value as Json;

use super::LoadError;
use crate::{
    calendar::Day,
    catalogue,
    judge::chain::{Act, Chain, Kind, kind},
};

/// A condition over some sort of statement; without one, over statements about an act in its chain.
#[derive(Debug)]
pub(crate) enum Condition<S = ActStatement> {
    All(Vec<Self>),
    Any(Vec<Self>),
    Not(Box<Self>),
    Holds(S),
}

/// What a condition says of an act in its chain.
#[derive(Debug)]
pub(crate) enum ActStatement {
    /// An act of one of these kinds stands earlier on the chain.
    Seen(Vec<Kind>),
    /// An instance of one of these clocks is open.
    ClockOpen(Vec<usize>),
    Field(Path, Test),
}

/// What the names in a condition stand for.
pub(crate) struct Names<'a> {
    /// Place of a clock.
    pub(crate) clock: &'a dyn Fn(&str) -> Result<usize, LoadError>,
    /// First and last day of a named period; none in the rules of clocks, which know no periods.
    pub(crate) period: &'a dyn Fn(&str) -> Option<(Day, Day)>,
}

/// Where a value stands.
#[derive(Debug)]
pub(crate) enum Path {
    /// Kind of the recording agency.
    RecorderKind,
    /// Administrative division of the recording agency.
    RecorderDivision,
    /// Kind of the agency in a field.
    AgencyKind(String),
    /// A field of the act.
    Own(u32),
    /// Something of the act that a field names.
    Referred(String, Aspect),
    /// A field of the latest earlier act of a kind.
    Latest(Kind, String),
    /// The day of the latest earlier act of a kind.
    LatestDay(Kind),
    /// A field of the term of the first obligation that the act lists.
    Obligation(String),
}

/// What of an act.
#[derive(Debug)]
pub(crate) enum Aspect {
    Event,
    Recorder,
    RecorderKind,
    Field(String),
}

#[derive(Debug)]
pub(crate) enum Test {
    Eq(Scalar<String>),
    Ne(Scalar<String>),
    In(Vec<Scalar<String>>),
    Present(bool),
    /// A text begins so.
    StartsWith(String),
    /// A day lies between these, both included.
    InPeriod(Day, Day),
}

/// A value that conditions can compare. A missing field has none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Scalar<T> {
    Bool(bool),
    Int(u64),
    /// A text, or the code of a list.
    Text(T),
    /// The day of an act.
    Day(Day),
    /// A composite: present, and equal to nothing.
    Composite,
}

impl<S> Condition<S> {
    /// Whether it holds, when `holds` says of each statement whether it does.
    pub(crate) fn is_met(&self, holds: &dyn Fn(&S) -> bool) -> bool {
        match self {
            Self::All(conditions) => conditions.iter().all(|condition| condition.is_met(holds)),
            Self::Any(conditions) => conditions.iter().any(|condition| condition.is_met(holds)),
            Self::Not(condition) => !condition.is_met(holds),
            Self::Holds(statement) => holds(statement),
        }
    }
}

impl Condition {
    pub(crate) fn holds(&self, chain: &Chain<'_>, act: &Act<'_>, is_open: &dyn Fn(usize) -> bool) -> bool {
        self.is_met(&|statement| match statement {
            ActStatement::Seen(kinds) => chain.has_before(kinds, act.at),
            ActStatement::ClockOpen(clocks) => clocks.iter().any(|clock| is_open(*clock)),
            ActStatement::Field(path, test) => test.passes(path.value(chain, act)),
        })
    }
}

impl Test {
    pub(crate) fn passes(&self, value: Option<Scalar<&str>>) -> bool {
        match self {
            Self::Eq(expected) => value.is_some_and(|value| value == expected.borrowed()),
            Self::Ne(expected) => value.is_none_or(|value| value != expected.borrowed()),
            Self::In(list) => value.is_some_and(|value| list.iter().any(|expected| value == expected.borrowed())),
            Self::Present(present) => value.is_some() == *present,
            Self::StartsWith(start) => matches!(value, Some(Scalar::Text(text)) if text.starts_with(start.as_str())),
            Self::InPeriod(from, to) => matches!(value, Some(Scalar::Day(day)) if (*from..=*to).contains(&day)),
        }
    }
}

impl Scalar<&str> {
    /// The same value, kept for longer than the act that it stands in.
    pub(crate) fn owned(self) -> Scalar<String> {
        match self {
            Self::Bool(value) => Scalar::Bool(value),
            Self::Int(value) => Scalar::Int(value),
            Self::Text(text) => Scalar::Text(text.to_owned()),
            Self::Day(day) => Scalar::Day(day),
            Self::Composite => Scalar::Composite,
        }
    }
}

impl Scalar<String> {
    fn borrowed(&self) -> Scalar<&str> {
        match self {
            Self::Bool(value) => Scalar::Bool(*value),
            Self::Int(value) => Scalar::Int(*value),
            Self::Text(text) => Scalar::Text(text.as_str()),
            Self::Day(day) => Scalar::Day(*day),
            Self::Composite => Scalar::Composite,
        }
    }
}

impl Path {
    /// The value, when the act or the chain has it.
    pub(crate) fn value<'a>(&self, chain: &Chain<'a>, act: &Act<'a>) -> Option<Scalar<&'a str>> {
        match self {
            Self::RecorderKind => act.agency_kind.and_then(code_of_kind),
            Self::RecorderDivision => {
                let division = chain.directory().agency(act.agency)?.division.as_str();
                (!division.is_empty()).then_some(Scalar::Text(division))
            }
            Self::AgencyKind(field) => chain.directory().kind(act.text(field)?).and_then(code_of_kind),
            Self::Own(number) => scalar(act.fields, *number),
            Self::Referred(field, aspect) => aspect.of(chain.referred(act, field)?),
            Self::Latest(kind, field) => named(chain.latest(*kind, act.at)?, field),
            Self::LatestDay(kind) => Some(Scalar::Day(chain.latest(*kind, act.at)?.day)),
            Self::Obligation(field) => {
                let id = act.texts("obligation_ids").next()?;
                let mut terms = chain.of_before(RECORDED, act.at).rev();
                let term = terms
                    .find_map(|earlier| earlier.records("terms").find(|term| term.text("obligation_id") == Some(id)))?;
                scalar(term, term.info().field(field)?.number)
            }
        }
    }

    /// The text, when there is one.
    pub(crate) fn text<'a>(&self, chain: &Chain<'a>, act: &Act<'a>) -> Option<&'a str> {
        match self.value(chain, act)? {
            Scalar::Text(text) => Some(text),
            Scalar::Bool(_) | Scalar::Int(_) | Scalar::Day(_) | Scalar::Composite => None,
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
    element(message, number, 0)
}

/// The value at a position of a field.
pub(crate) fn element(message: &dyn Fields, number: u32, at: usize) -> Option<Scalar<&str>> {
    Some(match message.value(number, at)? {
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
pub(crate) enum ConditionData {
    All { all: Vec<Self> },
    Any { any: Vec<Self> },
    Not { not: Box<Self> },
    Seen { seen: Vec<String> },
    ClockOpen { clock_open: Vec<String> },
    Eq { field: String, eq: Json },
    Ne { field: String, ne: Json },
    In { field: String, r#in: Vec<Json> },
    Present { field: String, present: bool },
    StartsWith { field: String, starts_with: String },
    InPeriod { field: String, in_period: String },
}

impl ConditionData {
    /// Compiles the condition for acts of a kind.
    pub(crate) fn compile(&self, event: &MessageInfo, names: &Names<'_>) -> Result<Condition, LoadError> {
        self.build(&|data| match data {
            Self::Seen { seen } => {
                Ok(ActStatement::Seen(seen.iter().map(|name| kind_named(name)).collect::<Result<_, _>>()?))
            }
            Self::ClockOpen { clock_open } => {
                let clocks = clock_open.iter().map(|id| (names.clock)(id));
                Ok(ActStatement::ClockOpen(clocks.collect::<Result<_, _>>()?))
            }
            Self::All { .. }
            | Self::Any { .. }
            | Self::Not { .. }
            | Self::Eq { .. }
            | Self::Ne { .. }
            | Self::In { .. }
            | Self::Present { .. }
            | Self::StartsWith { .. }
            | Self::InPeriod { .. } => {
                let (field, test) = data.test(names)?;
                Ok(ActStatement::Field(path(event, field)?, test))
            }
        })
    }

    /// Compiles the condition for things that are no acts, by what each statement becomes.
    pub(crate) fn build<S>(
        &self,
        statement: &dyn Fn(&Self) -> Result<S, LoadError>,
    ) -> Result<Condition<S>, LoadError> {
        let each = |list: &[Self]| list.iter().map(|data| data.build(statement)).collect::<Result<Vec<_>, _>>();
        match self {
            Self::All { all } => Ok(Condition::All(each(all)?)),
            Self::Any { any } => Ok(Condition::Any(each(any)?)),
            Self::Not { not } => Ok(Condition::Not(Box::new(not.build(statement)?))),
            Self::Seen { .. }
            | Self::ClockOpen { .. }
            | Self::Eq { .. }
            | Self::Ne { .. }
            | Self::In { .. }
            | Self::Present { .. }
            | Self::StartsWith { .. }
            | Self::InPeriod { .. } => Ok(Condition::Holds(statement(self)?)),
        }
    }

    /// The field of a statement about one, and what it must pass.
    pub(crate) fn test(&self, names: &Names<'_>) -> Result<(&str, Test), LoadError> {
        match self {
            Self::Eq { field, eq } => Ok((field, Test::Eq(literal(eq)?))),
            Self::Ne { field, ne } => Ok((field, Test::Ne(literal(ne)?))),
            Self::In { field, r#in } => Ok((field, Test::In(r#in.iter().map(literal).collect::<Result<_, _>>()?))),
            Self::Present { field, present } => Ok((field, Test::Present(*present))),
            Self::StartsWith { field, starts_with } => Ok((field, Test::StartsWith(starts_with.clone()))),
            Self::InPeriod { field, in_period } => {
                let (from, to) = (names.period)(in_period).ok_or_else(|| LoadError::NoPeriod(in_period.clone()))?;
                Ok((field, Test::InPeriod(from, to)))
            }
            Self::All { .. } | Self::Any { .. } | Self::Not { .. } | Self::Seen { .. } | Self::ClockOpen { .. } => {
                Err(LoadError::NoLiteral(format!("{self:?}")))
            }
        }
    }
}

/// Compiles a path for acts of a kind.
pub(crate) fn path(event: &MessageInfo, text: &str) -> Result<Path, LoadError> {
    let unknown = || LoadError::NoPath { event: event.name, path: text.to_owned() };
    let parts: Vec<&str> = text.split('.').collect();
    Ok(match parts.as_slice() {
        ["agency", "kind"] => Path::RecorderKind,
        ["agency", "division"] => Path::RecorderDivision,
        ["target", "kind"] => Path::AgencyKind("target".to_owned()),
        ["latest", event, "occurred_on"] => Path::LatestDay(kind_named(event)?),
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

pub(crate) fn kind_named(event: &str) -> Result<Kind, LoadError> {
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
