//! Obligations (履行义务): what was agreed or ordered, and whether it was done.

use std::collections::{BTreeMap, btree_map::Entry};

use mediation_proto::fields::Fields;

use super::chain::{Act, Chain, Kind, kind};
use crate::calendar::Day;

/// One obligation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Obligation {
    /// Id within the chain.
    pub id: String,
    /// Day it is due, or the day of the event it is due on; none before that event.
    pub due: Option<Day>,
    /// State.
    pub state: ObligationState,
    /// Revision of the act that brought the state; none while it is open.
    pub by: Option<u64>,
}

/// State of an obligation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ObligationState {
    /// Neither performed nor declared in default.
    Open,
    /// Performed in full.
    Performed,
    /// Waived.
    Waived,
    /// Replaced by later obligations.
    Replaced,
    /// Declared in default.
    Defaulted,
}

impl ObligationState {
    /// Code, as cases and reports write it.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Open => "OPEN",
            Self::Performed => "PERFORMED",
            Self::Waived => "WAIVED",
            Self::Replaced => "REPLACED",
            Self::Defaulted => "DEFAULTED",
        }
    }

    /// Nothing changes it any more.
    #[must_use]
    pub const fn is_final(self) -> bool {
        matches!(self, Self::Performed | Self::Waived | Self::Replaced)
    }
}

/// One obligation, by positions.
#[derive(Debug)]
pub(super) struct Duty<'a> {
    pub(super) id: &'a str,
    /// Position of the act that recorded it.
    pub(super) recorded: usize,
    pub(super) due_on: Option<Day>,
    pub(super) due_event: Option<&'a str>,
    pub(super) state: ObligationState,
    pub(super) by: Option<usize>,
}

impl<'a> Duty<'a> {
    fn new(act: &Act<'a>, term: &'a dyn Fields) -> Option<Self> {
        Some(Self {
            id: term.text("obligation_id")?,
            recorded: act.at,
            due_on: term.text("due_on").and_then(Day::parse),
            due_event: term.text("due_event"),
            state: ObligationState::Open,
            by: None,
        })
    }

    pub(super) fn obligation(&self, chain: &Chain<'a>) -> Obligation {
        let event = self.due_event.and_then(|event| chain.after(self.recorded).find(|act| act.row.event == event));
        Obligation {
            id: self.id.to_owned(),
            due: self.due_on.or_else(|| event.map(|act| act.day)),
            state: self.state,
            by: self.by.and_then(|at| chain.get(at)).map(|act| act.revision),
        }
    }

    /// Due on a day: the day after its date, or at once when it has none.
    pub(super) fn is_due(&self, on: Day) -> bool {
        self.due_on.is_none_or(|due| due < on)
    }
}

/// The obligations of a chain as they stand before a position, in the order of recording. An id that is recorded twice is
/// the obligation that was recorded first.
pub(super) fn duties<'a>(chain: &Chain<'a>, before: usize) -> Vec<Duty<'a>> {
    let mut duties = Duties::default();
    for act in chain.of_any_before(&[RECORDED, PERFORMED, WAIVED, DEFAULTED], before) {
        match act.kind {
            RECORDED => {
                duties.change(act, "replaces", ObligationState::Replaced);
                act.records("terms").filter_map(|term| Duty::new(act, term)).for_each(|new| duties.add(new));
            }
            PERFORMED if act.bool("in_full") == Some(true) => {
                duties.change(act, "obligation_ids", ObligationState::Performed);
            }
            WAIVED => duties.change(act, "obligation_ids", ObligationState::Waived),
            DEFAULTED => duties.change(act, "obligation_ids", ObligationState::Defaulted),
            _ => {}
        }
    }
    duties.duties
}

/// Obligations under way.
#[derive(Debug, Default)]
struct Duties<'a> {
    duties: Vec<Duty<'a>>,
    /// Their places, by id.
    places: BTreeMap<&'a str, usize>,
}

impl<'a> Duties<'a> {
    fn add(&mut self, new: Duty<'a>) {
        if let Entry::Vacant(place) = self.places.entry(new.id) {
            place.insert(self.duties.len());
            self.duties.push(new);
        }
    }

    fn change(&mut self, act: &Act<'a>, field: &str, state: ObligationState) {
        for id in act.texts(field) {
            let duty = self.places.get(id).and_then(|place| self.duties.get_mut(*place));
            if let Some(duty) = duty.filter(|duty| !duty.state.is_final() && duty.state != state) {
                duty.state = state;
                duty.by = Some(act.at);
            }
        }
    }
}

const RECORDED: Kind = kind("ObligationRecorded");
const PERFORMED: Kind = kind("ObligationPerformed");
const WAIVED: Kind = kind("ObligationWaived");
const DEFAULTED: Kind = kind("ObligationDefaulted");
