//! What admission needs to know of a chain: the fold of its acts, and nothing of their meaning beyond that.

use std::collections::{BTreeMap, BTreeSet};

use mediation_proto::{
    fields::{Fields, KindInfo, Value},
    mediation::types::v1::PetitionKind,
};

use crate::{
    catalogue::{self, FieldType},
    erasure::Erasures,
    history::{EventId, Recorded},
};

/// Where a chain stands. Applying its acts one by one gives the same as applying them all at once.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Standing {
    /// Acts of the chain with their kinds; no kind for an act whose content cannot be read any more.
    acts: BTreeMap<EventId, Option<&'static str>>,
    /// Closings and reopenings that were not withdrawn, in order; true closes.
    closings: Vec<(EventId, bool)>,
    restricted: bool,
    agencies: BTreeSet<String>,
    /// Reports of breaches, with the agencies that made them.
    breaches: BTreeMap<EventId, String>,
    erasures: Erasures,
}

impl Standing {
    /// Takes the next act of the chain into account.
    pub fn apply(&mut self, recorded: &Recorded) {
        self.agencies.insert(recorded.agency.clone());
        self.erasures.apply(recorded);
        let event = recorded.act.event();
        self.acts.insert(recorded.event_id, event.map(|(kind, _)| kind.event));
        let Some((kind, event)) = event else { return };
        match kind.event {
            CLOSED => self.closings.push((recorded.event_id, true)),
            REOPENED => self.closings.push((recorded.event_id, false)),
            CORRECTED => self.withdraw(event),
            BREACH => drop(self.breaches.insert(recorded.event_id, recorded.agency.clone())),
            _ => {}
        }
        self.name_agencies(kind, event);
        self.restricted |= is_accusation(kind, event);
    }

    /// Takes an act into account of which nothing can be read any more, or nothing ever could: it stands on the chain, and
    /// gives nobody a part in it. Admission has never been able to look at it.
    pub fn apply_unreadable(&mut self, id: EventId) {
        self.acts.insert(id, None);
    }

    /// No act stands on the chain.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.acts.is_empty()
    }

    /// Acts on the chain.
    #[must_use]
    pub fn len(&self) -> usize {
        self.acts.len()
    }

    /// Whether this act stands on the chain.
    #[must_use]
    pub fn holds(&self, id: EventId) -> bool {
        self.acts.contains_key(&id)
    }

    /// Name in the catalogue of the kind of an act of the chain; `None` when its content cannot be read any more.
    #[must_use]
    pub fn event(&self, id: EventId) -> Option<&'static str> {
        self.acts.get(&id).copied().flatten()
    }

    /// The last closing that was not withdrawn has not been followed by a reopening.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.closings.last().is_some_and(|closing| closing.1)
    }

    /// The chain carries an accusation (检举控告): only those whom it names may add to it.
    #[must_use]
    pub fn is_restricted(&self) -> bool {
        self.restricted
    }

    /// The agency that made a report of a breach on the chain; none where the act is no such report.
    #[must_use]
    pub fn reported_breach(&self, id: EventId) -> Option<&str> {
        self.breaches.get(&id).map(String::as_str)
    }

    /// What was ordered to be frozen or erased on the chain, and what is held.
    #[must_use]
    pub fn erasures(&self) -> &Erasures {
        &self.erasures
    }

    /// The same, alone.
    #[must_use]
    pub fn into_erasures(self) -> Erasures {
        self.erasures
    }

    /// Whether an agency has recorded on the chain or was called to it by an act of the chain.
    #[must_use]
    pub fn takes_part(&self, agency: &str) -> bool {
        self.agencies.contains(agency)
    }

    /// A correction that withdraws an act ends its effects: a closing that is withdrawn closes nothing.
    fn withdraw(&mut self, correction: &dyn Fields) {
        let Some(Value::Bool(true)) = correction.named("withdrawn") else { return };
        let Some(Value::Message(target)) = correction.named("target") else { return };
        let target = target.text("event_id").and_then(EventId::parse);
        self.closings.retain(|closing| Some(closing.0) != target);
    }

    fn name_agencies(&mut self, kind: &KindInfo, event: &dyn Fields) {
        for field in &catalogue::row(kind).fields {
            let FieldType::Agency = field.ty else { continue };
            if ADVERSE.contains(&field.name) {
                continue;
            }
            for at in 0..event.count(field.number) {
                if let Some(Value::Text(agency)) = event.value(field.number, at)
                    && !self.agencies.contains(agency)
                {
                    self.agencies.insert(agency.to_owned());
                }
            }
        }
    }
}

impl<'a> FromIterator<&'a Recorded> for Standing {
    fn from_iter<T: IntoIterator<Item = &'a Recorded>>(history: T) -> Self {
        let mut standing = Self::default();
        history.into_iter().for_each(|recorded| standing.apply(recorded));
        standing
    }
}

fn is_accusation(kind: &KindInfo, event: &dyn Fields) -> bool {
    kind.event == PETITION
        && matches!(event.named("kind"), Some(Value::Enum(kind)) if kind == PetitionKind::Accusation as i32)
}

const CLOSED: &str = "DisputeClosed";
const REOPENED: &str = "DisputeReopened";
const CORRECTED: &str = "RecordCorrected";
const PETITION: &str = "PetitionReceived";
const BREACH: &str = "BreachReported";

/// Fields that name the agency that is complained of. Naming it does not call it to the chain: an accusation stays
/// hidden from the accused (信访工作条例 30).
pub(crate) const ADVERSE: &[&str] = &["against", "respondent"];

#[cfg(test)]
mod tests;
