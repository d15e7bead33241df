//! Everyday chains (日常事项) of the city that are no disputes: grid matters, talks, warnings, petitions, advice.

mod grid;
mod petition;
mod service;
mod talk;

use mediation_domain::{calendar::Day, directory::Directory};
use mediation_proto::mediation::types::v1::AgencyKind;

use crate::{
    dispute::{Chance, Place, Script, Telling, calendar},
    story::Story,
};

/// What a chain is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A grid matter (网格事件); the last `open` of the year are still being handled when it ends.
    Grid { open: u64 },
    /// A matter raised in a talk (群众说事); the first `solved` are solved, and so many took part in all.
    Talk { solved: u64, participants: u64 },
    /// A warning of unrest (涉稳预警).
    Warning,
    /// A petition (信访事项) at a counter, by letter or on the platform of the state.
    Petition,
    /// A petition that came in on 平安浮梁·阳光法治.
    AppPetition,
    /// A petition that the national bureau assigned (国家信访局交办).
    NationalPetition,
    /// Advice by video or at a terminal in 浮梁; the first `follow` led to a service.
    RemoteAdvice { follow: u64 },
    /// Other legal advice (法律咨询).
    Advice,
    /// Legal aid (法律援助), at a terminal in 浮梁 or elsewhere.
    LegalAid { terminal: bool },
    /// A notary's deed (公证), applied for at a terminal in 浮梁 or elsewhere.
    Notary { terminal: bool },
}

impl Kind {
    /// Tells the kinds apart and orders what begins on one day.
    pub(crate) const fn rank(self) -> u64 {
        match self {
            Self::Grid { .. } => 1,
            Self::Talk { .. } => 2,
            Self::Warning => 3,
            Self::Petition => 4,
            Self::AppPetition => 5,
            Self::NationalPetition => 6,
            Self::RemoteAdvice { .. } => 7,
            Self::Advice => 8,
            Self::LegalAid { terminal: false } => 9,
            Self::LegalAid { terminal: true } => 10,
            Self::Notary { terminal: false } => 11,
            Self::Notary { terminal: true } => 12,
        }
    }

    /// Range of the chain numbers of a day; only what is registered has one. Disputes take those below.
    const fn numbers(self) -> Option<(u64, u64)> {
        match self {
            Self::Petition => Some((5_000, 4_000)),
            Self::AppPetition => Some((9_000, 600)),
            Self::NationalPetition => Some((9_600, 400)),
            Self::Grid { .. }
            | Self::Talk { .. }
            | Self::Warning
            | Self::RemoteAdvice { .. }
            | Self::Advice
            | Self::LegalAid { .. }
            | Self::Notary { .. } => None,
        }
    }

    /// Kinds of agency that the county must have.
    const fn needs(self) -> &'static [AgencyKind] {
        match self {
            Self::Grid { .. } | Self::Talk { .. } | Self::Warning => &[],
            Self::Petition | Self::AppPetition | Self::NationalPetition => {
                &[AgencyKind::Petition, AgencyKind::TownshipGovernment]
            }
            Self::RemoteAdvice { .. } | Self::Advice | Self::LegalAid { .. } => &[AgencyKind::LegalAid],
            Self::Notary { .. } => &[AgencyKind::Notary],
        }
    }

    /// The one county in which it can be.
    const fn county(self) -> Option<&'static str> {
        match self {
            Self::AppPetition
            | Self::RemoteAdvice { .. }
            | Self::LegalAid { terminal: true }
            | Self::Notary { terminal: true } => Some(FULIANG),
            Self::Grid { .. }
            | Self::Talk { .. }
            | Self::Warning
            | Self::Petition
            | Self::NationalPetition
            | Self::Advice
            | Self::LegalAid { terminal: false }
            | Self::Notary { terminal: false } => None,
        }
    }
}

/// One chain: the how-manieth of how many of its kind in its year.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Matter {
    pub(crate) kind: Kind,
    pub(crate) number: u64,
    pub(crate) of: u64,
}

impl Matter {
    /// Tells it from its seed, on the day on which it begins.
    pub(crate) fn tell(self, directory: &Directory, places: &Places<'_>, seed: u64, day: Day) -> Option<Story> {
        let serial = u64::try_from(day.year()).ok()? << 40 | self.kind.rank() << 32 | self.number;
        let mut chance = Chance::new(seed, "matter", serial);
        let place = places.one(self.kind, &mut chance)?;
        let script = match self.kind.numbers() {
            Some((first, count)) => Script::new(chance, day, place.township, first + self.number % count),
            None => Script::unnumbered(chance, day),
        };
        let mut telling = Telling::new(script, place, serial, None);
        let t = &mut telling;
        match self.kind {
            Kind::Grid { open } if self.number + open >= self.of => grid::open(t, working_days_left(day)),
            Kind::Grid { .. } => grid::closed(t, working_days_left(day)),
            Kind::Talk { solved, participants } => {
                let share = participants / self.of + u64::from(self.number < participants % self.of);
                talk::talk(t, share, self.number < solved);
            }
            Kind::Warning => talk::warning(t),
            Kind::Petition => petition::petition(t, petition::Way::Counter),
            Kind::AppPetition => petition::petition(t, petition::Way::App),
            Kind::NationalPetition => petition::petition(t, petition::Way::National),
            Kind::RemoteAdvice { follow } => service::advice(t, true, self.number < follow),
            Kind::Advice => service::advice(t, false, false),
            Kind::LegalAid { terminal } => service::legal_aid(t, terminal),
            Kind::Notary { terminal } => service::notary(t, terminal),
        }
        debug_assert!(directory.agency(place.town()).is_some(), "a township has a center");
        telling.end()
    }
}

/// The places where a matter of each kind can be.
#[derive(Debug)]
pub(crate) struct Places<'a> {
    all: Vec<(u64, Vec<Place<'a>>)>,
}

impl<'a> Places<'a> {
    pub(crate) fn new(directory: &'a Directory, agenda: &[(Day, Matter)]) -> Self {
        let mut all: Vec<(u64, Vec<Place<'a>>)> = Vec::new();
        for (_, Matter { kind, .. }) in agenda {
            if all.iter().any(|(rank, _)| *rank == kind.rank()) {
                continue;
            }
            let mut places = Place::with(directory, kind.needs());
            places.retain(|place| kind.county().is_none_or(|county| place.county() == county));
            all.push((kind.rank(), places));
        }
        Self { all }
    }

    fn one(&self, kind: Kind, chance: &mut Chance) -> Option<Place<'a>> {
        let (_, places) = self.all.iter().find(|(rank, _)| *rank == kind.rank())?;
        let at = chance.below(u32::try_from(places.len()).ok()?);
        places.get(usize::try_from(at).ok()?).copied()
    }
}

/// Working days after a day until its year is over, as far as they matter.
fn working_days_left(day: Day) -> u32 {
    let left = (1..FORTNIGHT).map(|after| day.plus(after)).filter(|later| later.year() == day.year());
    u32::try_from(left.filter(|later| calendar().is_working(*later)).count()).unwrap_or_default()
}

/// Division of 浮梁.
const FULIANG: &str = "360222";

const FORTNIGHT: i64 = 15;
