//! One act of a case, as written.

use mediation_proto::{
    derived::TYPES_ACT_HEADER,
    fields::{KindInfo, kind_of_event},
    json::act_from_json,
    mediation::ledger::v1::Act,
};
use serde::Deserialize;
use serde_json::{Map, Value as Json};

use super::{CaseError, StepNumber};
use crate::{civil, history::EventId};

/// One act of a case.
#[derive(Debug, Clone, Deserialize)]
#[serde(try_from = "Map<String, Json>")]
pub struct Step {
    /// Number that everything else refers to.
    pub n: StepNumber,
    /// Kind of act.
    pub kind: &'static KindInfo,
    /// Agency that records and answers for it.
    pub agency: String,
    /// Code of the signer's role.
    pub role: String,
    /// `signer_ref`.
    pub signer: String,
    /// Steps that it answers.
    pub causes: Vec<StepNumber>,
    /// Fields of the event, of all parts together.
    pub data: Map<String, Json>,
    /// Further fields of the header, which stand beside `data`.
    pub header: Map<String, Json>,
    occurred_at: i64,
    /// As written: what edits change.
    written: Map<String, Json>,
}

impl PartialEq for Step {
    fn eq(&self, other: &Self) -> bool {
        self.written == other.written
    }
}

impl Eq for Step {}

impl Step {
    /// Business time: seconds since 1970-01-01T00:00:00Z. 00:00 of the day when no time is written.
    #[must_use]
    pub fn occurred_at(&self) -> i64 {
        self.occurred_at
    }

    /// The act, with the number of its chain in the header. A reference becomes the event id that `resolve` gives.
    ///
    /// # Errors
    /// The data are not those of the event, or `resolve` does not know a step that is referred to.
    pub fn act(&self, chain: &str, resolve: &dyn Fn(&StepNumber) -> Option<EventId>) -> Result<Act, CaseError> {
        let resolve = |reference: &Json| match reference {
            Json::Number(number) => resolve(&number.to_string().parse().ok()?).map(|id| id.to_string()),
            Json::Null | Json::Bool(_) | Json::String(_) | Json::Array(_) | Json::Object(_) => None,
        };
        let mut header = self.header.clone();
        header.insert("chain_no".to_owned(), chain.into());
        header.insert("signer".to_owned(), self.signer.as_str().into());
        header.insert("signer_role".to_owned(), self.role.as_str().into());
        header.insert("causes".to_owned(), self.written.get("causes").cloned().unwrap_or_default());
        act_from_json(self.kind, &header, &self.data, &resolve)
            .map_err(|problem| CaseError::Act { step: self.n, problem })
    }

    pub(super) fn written(&self) -> &Map<String, Json> {
        &self.written
    }
}

impl TryFrom<Map<String, Json>> for Step {
    type Error = CaseError;

    fn try_from(written: Map<String, Json>) -> Result<Self, CaseError> {
        let mut left = written.clone();
        let number = left.shift_remove("n").unwrap_or_default();
        let n = serde_json::from_value(number).map_err(|error| CaseError::NoNumber(error.to_string()))?;
        let wrong =
            |key: &str, problem: &str| CaseError::Step { step: n, key: key.to_owned(), problem: problem.to_owned() };
        let mut text = |key: &str| match left.shift_remove(key) {
            Some(Json::String(text)) => Ok(text),
            Some(_) => Err(wrong(key, "is not a text")),
            None => Err(wrong(key, "is missing")),
        };
        let (date, event, agency) = (text("date")?, text("event")?, text("agency")?);
        let (role, signer) = (text("role")?, text("signer")?);
        let time = if written.contains_key("time") { Some(text("time")?) } else { None };
        let causes = left.shift_remove("causes").ok_or_else(|| wrong("causes", "is missing"))?;
        let causes = serde_json::from_value(causes).map_err(|error| wrong("causes", &error.to_string()))?;
        let Some(Json::Object(data)) = left.shift_remove("data") else { return Err(wrong("data", "is not an object")) };
        let kind = kind_of_event(&event).ok_or_else(|| wrong("event", "is no event of the catalogue"))?;
        if civil::days(&date).is_none() {
            return Err(wrong("date", "is no day of the form YYYY-MM-DD"));
        }
        let occurred_at = civil::instant(&date, time.as_deref());
        let occurred_at = occurred_at.ok_or_else(|| wrong("time", "is no time of the form HH:MM or HH:MM:SS"))?;
        if let Some(key) = left.keys().find(|key| !is_further_header_field(key)) {
            return Err(wrong(key, "is no key of a step and no field of the header"));
        }
        Ok(Self { n, kind, agency, role, signer, causes, data, header: left, occurred_at, written })
    }
}

/// Whether a step may carry this field of the header beside `data`: not those that have keys of their own, and not the
/// number of the chain, which the case says once.
fn is_further_header_field(key: &str) -> bool {
    !matches!(key, "signer_role" | "chain_no") && TYPES_ACT_HEADER.field(key).is_some()
}
