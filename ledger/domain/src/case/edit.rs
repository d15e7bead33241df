//! Changed histories.

use serde::Deserialize;
use serde_json::{Map, Value as Json};

use super::{CaseError, ExpectedClock, ExpectedFinding, Step, StepNumber};

/// The history with edits, judged at the same moment.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mutation {
    /// Name, `G01-m1`.
    pub id: String,
    /// What was changed, in Chinese.
    pub why: String,
    /// The edits, in order.
    pub edits: Vec<Edit>,
    /// The complete list of findings of the changed history.
    pub expect_findings: Vec<ExpectedFinding>,
    /// Instances of clocks that differ from the original; those that vanish are not listed.
    #[serde(default)]
    pub expect_clocks: Vec<ExpectedClock>,
}

/// One edit.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(tag = "op", rename_all = "snake_case", deny_unknown_fields)]
pub enum Edit {
    /// The step is left out.
    Drop {
        /// The step.
        step: StepNumber,
    },
    /// Another step with the same number.
    Replace {
        /// The step.
        step: StepNumber,
        /// What takes its place.
        with: Box<Step>,
    },
    /// New steps.
    InsertAfter {
        /// The step before them.
        step: StepNumber,
        /// The new ones.
        steps: Vec<Step>,
    },
    /// Sets a value; null removes the field or the element.
    Set {
        /// The step.
        step: StepNumber,
        /// Dotted; positions in lists are numbers from 0.
        path: String,
        /// The value.
        value: Json,
    },
}

impl Edit {
    pub(super) fn apply(&self, steps: &mut Vec<Step>) -> Result<(), CaseError> {
        let (Self::Drop { step }
        | Self::Replace { step, .. }
        | Self::InsertAfter { step, .. }
        | Self::Set { step, .. }) = self;
        let missing = CaseError::NoStep { step: *step };
        let Some(at) = steps.iter().position(|candidate| candidate.n == *step) else { return Err(missing) };
        let Some(target) = steps.get_mut(at) else { return Err(missing) };
        match self {
            Self::Drop { .. } => drop(steps.remove(at)),
            Self::Replace { with, .. } => *target = numbered_alike(*step, with.as_ref().clone())?,
            Self::InsertAfter { steps: new, .. } => drop(steps.splice(at + 1..at + 1, new.iter().cloned())),
            Self::Set { path, value, .. } => {
                let mut written = target.written().clone();
                if set(&mut written, path, value).is_none() {
                    return Err(CaseError::NoPlace { step: *step, path: path.clone() });
                }
                *target = numbered_alike(*step, Step::try_from(written)?)?;
            }
        }
        Ok(())
    }
}

fn numbered_alike(number: StepNumber, step: Step) -> Result<Step, CaseError> {
    if step.n == number { Ok(step) } else { Err(CaseError::Renumbered { step: number }) }
}

/// Sets the value at a dotted path; `None` when the path leads nowhere. A value may follow the last element of a list.
fn set(object: &mut Map<String, Json>, path: &str, value: &Json) -> Option<()> {
    let (first, rest) = path.split_once('.').map_or((path, None), |(first, rest)| (first, Some(rest)));
    match rest {
        Some(rest) => set_below(object.get_mut(first)?, rest, value),
        None if value.is_null() => object.shift_remove(first).map(drop),
        None => {
            object.insert(first.to_owned(), value.clone());
            Some(())
        }
    }
}

fn set_below(parent: &mut Json, path: &str, value: &Json) -> Option<()> {
    let elements = match parent {
        Json::Object(object) => return set(object, path, value),
        Json::Array(elements) => elements,
        Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) => return None,
    };
    let (first, rest) = path.split_once('.').map_or((path, None), |(first, rest)| (first, Some(rest)));
    let at: usize = first.parse().ok()?;
    match rest {
        Some(rest) => set_below(elements.get_mut(at)?, rest, value),
        None if value.is_null() => (at < elements.len()).then(|| drop(elements.remove(at))),
        None if at == elements.len() => {
            elements.push(value.clone());
            Some(())
        }
        None => {
            *elements.get_mut(at)? = value.clone();
            Some(())
        }
    }
}
