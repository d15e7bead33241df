//! Disputes (纠纷): every way in which the agencies of a county settle one together, told act by act.
//!
//! A flow reads like a case history. It is clean: whatever the seed, a judge finds nothing in it. A [`Defect`] changes it
//! in one way and declares what is found then.

mod administrative;
mod court;
mod family;
mod flow;
mod incident;
mod labour;
mod medical;
mod people;
mod petition;
mod place;
mod police;
mod procuratorate;
mod script;
mod stage;
mod telling;

use mediation_domain::{calendar::Day, directory::Directory};

pub use self::flow::{FLOWS, Flow, Uses};
pub(crate) use self::{
    place::Place,
    script::{Chance, Script, Signer, Step, calendar},
    telling::Telling,
};
use crate::{
    defects::{Defect, defects},
    story::Story,
};

/// How many disputes the year must hold, and what of the city's figures they share in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Budget {
    /// Disputes that a center closes with success (P-14).
    pub settled: u64,
    /// Agreements that a court confirms (P-15).
    pub confirmations: u64,
    /// Counselling sessions at most (P-16).
    pub sessions: u64,
    /// Disputes that come in on the platform of 乐平 (P-17a).
    pub online: u64,
    /// Those of them that are settled on it (P-17b).
    pub online_settled: u64,
}

/// The disputes of a year, by the day on which they are opened.
#[derive(Debug)]
pub struct Disputes<'a> {
    directory: &'a Directory,
    year: i64,
    seed: u64,
    opened: Vec<(Day, &'static Flow)>,
}

impl<'a> Disputes<'a> {
    /// Deals out the flows over the year. The directory must hold every kind of agency and, in some county, those kinds
    /// together that a flow needs.
    #[must_use]
    pub fn new(directory: &'a Directory, year: i64, seed: u64, budget: &Budget) -> Self {
        let days = working_days(year);
        let mut opened: Vec<(Day, &'static Flow)> = Vec::new();
        for (flow, count) in flow::deal(budget) {
            let window = flow.window(&days);
            let mut chance = Chance::new(seed, flow.name, 0);
            for _ in 0..count {
                let at = usize::try_from(chance.below(u32::try_from(window.len()).unwrap_or(u32::MAX)));
                opened.extend(at.ok().and_then(|at| window.get(at)).map(|day| (*day, flow)));
            }
        }
        opened.sort_by_key(|(day, flow)| (*day, flow.name));
        Self { directory, year, seed, opened }
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.opened.len()
    }

    /// There are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.opened.is_empty()
    }

    /// The day on which a dispute is opened; days never go back from one to the next.
    #[must_use]
    pub fn opened_on(&self, at: usize) -> Option<Day> {
        self.opened.get(at).map(|(day, _)| *day)
    }

    /// What they share in of the city's figures.
    #[must_use]
    pub fn uses(&self) -> Uses {
        self.opened.iter().map(|(_, flow)| flow.uses).sum()
    }

    /// A dispute, of which two in a hundred carry a defect.
    #[must_use]
    pub fn story(&self, at: usize) -> Option<Story> {
        let (day, flow) = *self.opened.get(at)?;
        let serial = u64::try_from(at).ok()?;
        let mut chance = Chance::new(self.seed, "defect", serial);
        if chance.below(100) < DEFECTS_PERCENT {
            let kinds: Vec<&'static Defect> = defects().collect();
            let bound = u32::try_from(kinds.len()).unwrap_or_default();
            for _ in 0..DEFECT_TRIES {
                let defect = usize::try_from(chance.below(bound)).ok().and_then(|at| kinds.get(at)).copied();
                let story = flow.tell(self.directory, self.seed, serial, day, defect);
                if let Some(story) = story.filter(|story| self.ends_in_year(story)) {
                    return Some(story);
                }
            }
        }
        flow.tell(self.directory, self.seed, serial, day, None)
    }

    /// Whether everything that follows from a story shows before the year is out.
    fn ends_in_year(&self, story: &Story) -> bool {
        let last = story.acts.iter().map(|act| act.recorded_at.div_euclid(1_000)).max();
        last.is_some_and(|last| Day::of(last).plus(DEFECT_SHOWS_DAYS).year() <= self.year)
    }
}

/// The working days of a year.
pub(crate) fn working_days(year: i64) -> Vec<Day> {
    let first = Day::parse(&format!("{year:04}-01-01"));
    let days = (0..366).filter_map(|at| first.map(|first| first.plus(at)));
    days.filter(|day| day.year() == year && calendar().is_working(*day)).collect()
}

/// Disputes in a hundred that carry a defect.
const DEFECTS_PERCENT: u32 = 2;

/// Kinds of defects that are tried on a dispute until one fits.
const DEFECT_TRIES: u32 = 12;

/// Days after the last act until the windows and limits that it leaves open have passed.
const DEFECT_SHOWS_DAYS: i64 = 20;

#[cfg(test)]
mod tests;
