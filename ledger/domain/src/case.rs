//! Case histories (案例): one complete chain with what a judge must find in it, as `tests/cases/*.json` hold them.
//!
//! A case is read strictly: a key that the format does not have is an error, so that a slip is not judged as if it
//! were not there.

mod days;
mod edit;
mod expect;
mod number;
mod step;

use mediation_proto::mediation::ledger::v1::Act;
use serde::Deserialize;

pub use self::{
    edit::{Edit, Mutation},
    expect::{
        Expect, ExpectedClock, ExpectedFinding, ExpectedHandoff, ExpectedLead, ExpectedObligation, ExpectedRefusal,
    },
    number::{NotAStepNumber, StepNumber},
    step::Step,
};
use crate::{
    history::{EventId, Recorded},
    limits::{CASE_BYTES_MAX, CASE_STEPS_MAX},
};

/// A case.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Case {
    /// Short name, `G01`.
    pub case: String,
    /// Chinese title.
    pub title_zh: String,
    /// English title.
    pub title_en: String,
    /// Number of the chain (纠纷链号).
    pub chain: String,
    /// Administrative division of the intake.
    pub division: String,
    /// Rule set it is judged by.
    pub rule_set: String,
    /// Working-day calendar it is judged by.
    pub calendar: String,
    /// Day at whose end it is judged, `YYYY-MM-DD`.
    pub as_of: String,
    /// Parties.
    pub parties: Vec<Party>,
    /// Acts, in the order of the chain.
    pub steps: Vec<Step>,
    /// What a judge must find.
    pub expect: Expect,
    /// Changed histories.
    #[serde(default)]
    pub mutations: Vec<Mutation>,
}

/// A party of a case.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Party {
    /// Label inside the file.
    #[serde(rename = "ref")]
    pub label: String,
    /// Pseudonym that the steps use.
    pub subject_ref: String,
    /// `person` or `organisation`.
    pub kind: PartyKind,
    /// Fictional name; belongs to the identities part.
    pub name: String,
    /// What the party is in the dispute.
    pub role: String,
    /// Is a minor.
    pub minor: bool,
}

/// What a party is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PartyKind {
    /// A human being.
    Person,
    /// A firm, an office, a group.
    Organisation,
}

impl Case {
    /// Reads a case file.
    ///
    /// # Errors
    /// The file is too large, is not of the format, or numbers two steps alike.
    pub fn parse(text: &str) -> Result<Self, CaseError> {
        if text.len() > CASE_BYTES_MAX {
            return Err(CaseError::TooLarge { bytes: text.len() });
        }
        let case: Self = serde_json::from_str(text)?;
        if crate::civil::days(&case.as_of).is_none() {
            return Err(CaseError::NoDay { date: case.as_of });
        }
        case.numbered()
    }

    /// The history with a mutation's edits applied in order. Its findings are those the mutation expects; leads,
    /// handoffs, clocks and obligations of `expect` stay those of the original.
    ///
    /// # Errors
    /// An edit names a step or a place that is not there, or leaves something that is no step.
    pub fn mutated(&self, mutation: &Mutation) -> Result<Self, CaseError> {
        let mut case = Self { mutations: Vec::new(), ..self.clone() };
        for edit in &mutation.edits {
            edit.apply(&mut case.steps)?;
        }
        case.expect.findings.clone_from(&mutation.expect_findings);
        case.numbered()
    }

    /// The act of a step. References become the event ids that `event_ids` gives for their steps.
    ///
    /// # Errors
    /// The data of the step are not those of its event.
    pub fn act(&self, step: &Step, event_ids: &dyn Fn(&StepNumber) -> EventId) -> Result<Act, CaseError> {
        step.act(&self.chain, &|number| Some(event_ids(number)))
    }

    /// The whole history, for judging without recording: every act counts, `recorded_at` is `occurred_at`, the revision
    /// is the position. `&StepNumber::event_id` gives event ids that need no ledger.
    ///
    /// # Errors
    /// The data of a step are not those of its event.
    pub fn history(&self, event_ids: &dyn Fn(&StepNumber) -> EventId) -> Result<Vec<Recorded>, CaseError> {
        let acts = self.steps.iter().zip(0_u64..).map(|(step, revision)| {
            Ok(Recorded {
                revision,
                event_id: event_ids(&step.n),
                agency: step.agency.clone(),
                occurred_at: step.occurred_at(),
                recorded_at: step.occurred_at() * 1_000,
                act: self.act(step, event_ids)?,
            })
        });
        acts.collect()
    }

    /// As [`Self::history`], for a judge who relies on it: no admission has looked at the data.
    ///
    /// # Errors
    /// The data of a step are not those of its event, or a day in them does not exist.
    pub fn checked_history(&self, event_ids: &dyn Fn(&StepNumber) -> EventId) -> Result<Vec<Recorded>, CaseError> {
        let history = self.history(event_ids)?;
        self.steps.iter().zip(&history).try_for_each(|(step, recorded)| days::check(step, &recorded.act))?;
        Ok(history)
    }

    /// Position of a step in the history, which is its revision in [`Self::history`].
    #[must_use]
    pub fn position(&self, number: StepNumber) -> Option<usize> {
        self.steps.iter().position(|step| step.n == number)
    }

    fn numbered(self) -> Result<Self, CaseError> {
        if self.steps.len() > CASE_STEPS_MAX {
            return Err(CaseError::TooManySteps { steps: self.steps.len() });
        }
        let mut seen = std::collections::BTreeSet::new();
        match self.steps.iter().find(|step| !seen.insert(step.n)) {
            Some(twice) => Err(CaseError::NumberedTwice { step: twice.n }),
            None => Ok(self),
        }
    }
}

/// Why a case cannot be read or changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CaseError {
    /// Too many bytes.
    #[error("a case file of {bytes} bytes is larger than {CASE_BYTES_MAX}")]
    TooLarge {
        /// Bytes found.
        bytes: usize,
    },
    /// Too many steps.
    #[error("a case of {steps} steps has more than {CASE_STEPS_MAX}")]
    TooManySteps {
        /// Steps found.
        steps: usize,
    },
    /// Not JSON, or not of the format; the message names the key and the line.
    #[error(transparent)]
    Format(#[from] serde_json::Error),
    /// `as_of` is no day.
    #[error("`as_of`: `{date}` is no day of the form YYYY-MM-DD")]
    NoDay {
        /// As written.
        date: String,
    },
    /// Two steps have one number.
    #[error("two steps have the number {step}")]
    NumberedTwice {
        /// Their number.
        step: StepNumber,
    },
    /// A step is not of the format.
    #[error("step {step}: `{key}`: {problem}")]
    Step {
        /// Its number.
        step: StepNumber,
        /// Key that is wrong.
        key: String,
        /// What is wrong with it.
        problem: String,
    },
    /// A step has no number, or something else in its place.
    #[error("a step has no number: {0}")]
    NoNumber(String),
    /// The data of a step are not those of its event.
    #[error("step {step}: {problem}")]
    Act {
        /// Its number.
        step: StepNumber,
        /// What is wrong.
        problem: mediation_proto::json::JsonError,
    },
    /// An edit names a step that is not there.
    #[error("an edit names step {step}, which is not there")]
    NoStep {
        /// The number.
        step: StepNumber,
    },
    /// An edit names a place that the step has not.
    #[error("step {step} has no place `{path}`")]
    NoPlace {
        /// The step.
        step: StepNumber,
        /// The path, up to where it leads nowhere.
        path: String,
    },
    /// An edit gives a step another number.
    #[error("an edit of step {step} changes its number")]
    Renumbered {
        /// The step.
        step: StepNumber,
    },
}

#[cfg(test)]
pub(crate) mod tests;
