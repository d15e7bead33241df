//! A chain prepared for judging: the acts that exist at the moment, what they refer to, and which were withdrawn.
//!
//! What many rules ask for is worked out once: the acts of each kind, the acts that each act names, and the proposal that
//! each belongs to. So a rule costs next to nothing on a chain without its acts, and no act is searched for among all.

mod act;
mod kinds;
mod reference;

use mediation_proto::{
    fields::{Fields, Value},
    mediation::types::v1::AgencyKind,
};

pub(crate) use self::{
    act::{Act, bool_of, code_of, records, texts, values},
    kinds::{Kind, kind},
};
use self::{
    kinds::Places,
    reference::{Links, Reference},
};
use super::{Moment, parties::Roster};
use crate::{
    calendar::Day,
    catalogue::{self, HandoffRole},
    directory::Directory,
    history::{EventId, Recorded},
};

/// The acts of a chain that exist at a moment.
#[derive(Debug)]
pub(crate) struct Chain<'a> {
    acts: Vec<Act<'a>>,
    directory: &'a Directory,
    /// Positions by event id, sorted; ids as numbers, which compare faster than bytes.
    ids: Vec<(u128, usize)>,
    places: Places,
    /// References of all acts, one act after the other.
    references: Vec<Reference>,
    roster: Roster<'a>,
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
            let kind = catalogue::index(info);
            let Some(row) = catalogue::rows().get(kind) else { continue };
            ids.push((u128::from_be_bytes(recorded.event_id.0), acts.len()));
            acts.push(Act {
                at: acts.len(),
                revision: recorded.revision,
                event_id: recorded.event_id,
                agency: &recorded.agency,
                agency_kind: agency_kind(&recorded.agency, &acts, directory),
                kind: Kind(kind),
                row,
                fields,
                header: recorded.act.header.as_ref(),
                day: Day::of(recorded.occurred_at),
                occurred_at: recorded.occurred_at,
                recorded_at: recorded.recorded_at,
                withdrawn_by: None,
                proposal: None,
                references: 0..0,
            });
        }
        ids.sort_unstable();
        let places = Places::new(acts.iter().map(|act| act.kind));
        let (references, roster) = (Vec::new(), Roster::default());
        let mut chain = Self { acts, directory, ids, places, references, roster, as_of: moment.as_of };
        chain.resolve_references();
        chain.resolve_withdrawals();
        chain.resolve_proposals();
        chain.roster = Roster::of(&chain);
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

    /// What the acts say of the parties.
    pub(super) fn roster(&self) -> &Roster<'a> {
        &self.roster
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
        self.of_before(kind, self.acts.len())
    }

    /// The acts of several kinds that count.
    pub(crate) fn of_any(&self, kinds: &[Kind]) -> impl DoubleEndedIterator<Item = &Act<'a>> {
        self.of_any_before(kinds, self.acts.len())
    }

    /// The acts of several kinds that count and stand before a position.
    pub(crate) fn of_any_before(&self, kinds: &[Kind], at: usize) -> impl DoubleEndedIterator<Item = &Act<'a>> {
        let mut places: Vec<usize> = kinds.iter().flat_map(|kind| self.places.before(*kind, at)).collect();
        places.sort_unstable();
        self.counted(places.into_iter())
    }

    /// The acts of a kind that count and stand before a position.
    pub(crate) fn of_before(&self, kind: Kind, at: usize) -> impl DoubleEndedIterator<Item = &Act<'a>> {
        self.counted(self.places.before(kind, at))
    }

    /// The acts of a kind that count and stand after a position.
    pub(crate) fn of_after(&self, kind: Kind, at: usize) -> impl DoubleEndedIterator<Item = &Act<'a>> {
        self.counted(self.places.after(kind, at))
    }

    /// Whether there is an act of one of these kinds, be it withdrawn or not.
    pub(crate) fn has_any(&self, kinds: &[Kind]) -> bool {
        kinds.iter().any(|kind| self.places.has(*kind))
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
        self.of_before(kind, before).next_back()
    }

    pub(crate) fn has_before(&self, kinds: &[Kind], at: usize) -> bool {
        kinds.iter().any(|kind| self.of_before(*kind, at).next().is_some())
    }

    pub(crate) fn get(&self, at: usize) -> Option<&Act<'a>> {
        self.acts.get(at)
    }

    /// The earlier act that a field of an act names, when it counts.
    pub(crate) fn referred(&self, act: &Act<'a>, field: &str) -> Option<&Act<'a>> {
        // Most acts name none, so that no field need be looked up by its name.
        if act.references.is_empty() {
            return None;
        }
        self.linked(act, act.fields.info().field(field)?.number)
    }

    /// Positions of the acts that an act names, in fields and in `causes`, also of those that were withdrawn.
    pub(crate) fn names(&self, act: &Act<'a>) -> impl Iterator<Item = usize> {
        self.references.get(act.references.clone()).unwrap_or_default().iter().map(|reference| reference.at)
    }

    /// The earlier act that a reference names, also when it was withdrawn.
    pub(crate) fn referent(&self, reference: &dyn Fields, before: usize) -> Option<&Act<'a>> {
        self.act_of(EventId::parse(reference.text("event_id")?)?, before)
    }

    /// The act of this event id among those before a position, also when it was withdrawn.
    pub(crate) fn act_of(&self, id: EventId, before: usize) -> Option<&Act<'a>> {
        let id = u128::from_be_bytes(id.0);
        let found = self.ids.binary_search_by_key(&id, |(other, _)| *other).ok()?;
        let at = self.ids.get(found)?.1;
        self.acts.get(at).filter(|act| act.at < before)
    }

    /// The proposal that an act answers or continues.
    pub(crate) fn proposal(&self, act: &Act<'a>) -> Option<&Act<'a>> {
        self.get(act.proposal?)
    }

    /// The acts at these positions that count.
    fn counted(&self, places: impl DoubleEndedIterator<Item = usize>) -> impl DoubleEndedIterator<Item = &Act<'a>> {
        places.filter_map(|at| self.acts.get(at)).filter(|act| act.withdrawn_by.is_none())
    }

    /// The earlier act that the field of this number names, when it counts.
    fn linked(&self, act: &Act<'a>, field: u32) -> Option<&Act<'a>> {
        let references = self.references.get(act.references.clone())?;
        let found = references.iter().find(|reference| reference.first && reference.field == Some(field))?;
        self.get(found.at).filter(|referent| referent.withdrawn_by.is_none())
    }

    fn resolve_references(&mut self) {
        let mut references = Vec::with_capacity(self.acts.len());
        for at in 0..self.acts.len() {
            let begin = references.len();
            let Some(act) = self.acts.get(at) else { continue };
            let find = |id: &str| self.act_of(EventId::parse(id)?, at).map(|referent| referent.at);
            reference::resolve(act, &mut references, find);
            if let Some(act) = self.acts.get_mut(at) {
                act.references = begin..references.len();
            }
        }
        self.references = references;
    }

    /// An acknowledgement belongs to the proposal of the report that it names, which stands earlier.
    fn resolve_proposals(&mut self) {
        for at in 0..self.acts.len() {
            let proposal = self.acts.get(at).and_then(|act| self.proposal_of(act));
            if let Some(act) = self.acts.get_mut(at) {
                act.proposal = proposal;
            }
        }
    }

    fn proposal_of(&self, act: &Act<'a>) -> Option<usize> {
        let links = Links::of(act.kind).filter(|_| !act.references.is_empty() && !act.is_proposal())?;
        let linked = |field: Option<u32>| self.linked(act, field?);
        if let Some(proposal) = linked(links.proposal) {
            return Some(proposal.at);
        }
        match act.row.handoff? {
            HandoffRole::Ack => linked(links.report)?.proposal,
            HandoffRole::Outcome => {
                let suggestion = linked(links.suggestion).or_else(|| linked(links.referral));
                suggestion.filter(|act| act.is_proposal()).map(|act| act.at)
            }
            HandoffRole::Proposal
            | HandoffRole::Answer
            | HandoffRole::Recall
            | HandoffRole::Timeout
            | HandoffRole::Escalation => None,
        }
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

/// Kind of an agency. Few agencies record on a chain, mostly one after the other, so that an act of the same agency stands
/// close before.
fn agency_kind(agency: &str, acts: &[Act<'_>], directory: &Directory) -> Option<AgencyKind> {
    let known = acts.iter().rev().take(AGENCIES_NEAR).find(|act| act.agency == agency);
    known.map_or_else(|| directory.kind(agency), |act| act.agency_kind)
}

/// Acts among which the same agency is looked for: more would cost as much as the directory.
const AGENCIES_NEAR: usize = 4;
