//! Obligations (履行义务): what was agreed or ordered, and whether it was done.

use std::{
    collections::{BTreeMap, btree_map::Entry},
    iter::Peekable,
    vec,
};

use mediation_proto::fields::{Fields, kind_of_event};

use super::chain::{Act, Chain, Kind, kind};
use crate::{calendar::Day, catalogue};

/// One obligation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Obligation {
    /// Id within the chain.
    pub id: String,
    /// Day it is due, or the day of the event it is due on; none before that event.
    pub due: Option<Day>,
    /// State.
    pub state: ObligationState,
    /// Revision of the act that recorded it.
    pub from: u64,
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
        let kind = self.due_event.and_then(kind_of_event).map(|event| Kind(catalogue::index(event)));
        let event = kind.and_then(|kind| chain.of_after(kind, self.recorded).next());
        Obligation {
            id: self.id.to_owned(),
            due: self.due_on.or_else(|| event.map(|act| act.day)),
            state: self.state,
            from: chain.get(self.recorded).map_or(0, |act| act.revision),
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
    let mut duties = Duties::of(chain);
    duties.before(before);
    duties.duties
}

/// The obligations of a chain, act by act: for rules that look at them again and again.
#[derive(Debug)]
pub(super) struct Duties<'c, 'a> {
    /// The acts that are still to be followed.
    acts: Peekable<vec::IntoIter<&'c Act<'a>>>,
    duties: Vec<Duty<'a>>,
    /// Their places, by id.
    places: BTreeMap<&'a str, usize>,
}

impl<'c, 'a> Duties<'c, 'a> {
    /// No obligation yet.
    pub(super) fn of(chain: &'c Chain<'a>) -> Self {
        let acts: Vec<&'c Act<'a>> = chain.of_any(&[RECORDED, PERFORMED, WAIVED, DEFAULTED]).collect();
        Self { acts: acts.into_iter().peekable(), duties: Vec::new(), places: BTreeMap::new() }
    }

    /// Those before a position, as they stand there. A position MUST NOT be asked for after a later one.
    pub(super) fn before(&mut self, at: usize) -> &[Duty<'a>] {
        while let Some(act) = self.acts.next_if(|act| act.at < at) {
            self.follow(act);
        }
        &self.duties
    }

    fn follow(&mut self, act: &Act<'a>) {
        match act.kind {
            RECORDED => {
                self.change(act, "replaces", ObligationState::Replaced);
                act.records("terms").filter_map(|term| Duty::new(act, term)).for_each(|new| self.add(new));
            }
            PERFORMED if act.bool("in_full") == Some(true) => {
                self.change(act, "obligation_ids", ObligationState::Performed);
            }
            WAIVED => self.change(act, "obligation_ids", ObligationState::Waived),
            DEFAULTED => self.change(act, "obligation_ids", ObligationState::Defaulted),
            _ => {}
        }
    }

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
