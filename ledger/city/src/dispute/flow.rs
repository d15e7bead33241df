//! The flows with their weights, as one table, and how many of each a year holds.

use std::iter::Sum;

use mediation_domain::{calendar::Day, directory::Directory};
use mediation_proto::mediation::types::v1::AgencyKind::{
    self, Arbitration, Court, Department, Government, HumanResources, LegalAid, Mediation, Petition, Police,
    Procuratorate, TownshipGovernment,
};

use super::{
    Budget, Place, administrative, court, family, incident, labour, medical, people, petition, police, procuratorate,
    script::{Chance, Script},
    stage::SESSIONS_PER_REFERRAL,
    telling::Telling,
};
use crate::{defects::Defect, story::Story};

/// One way in which a dispute goes.
#[derive(Debug)]
pub struct Flow {
    /// Name.
    pub name: &'static str,
    /// It ends with a success outcome (§2.3 A of the business reference).
    pub settles: bool,
    /// What one such dispute shares in of the city's figures.
    pub uses: Uses,
    share: Share,
    /// Month and day from which on it is opened.
    from: &'static str,
    /// Working days after which it is over.
    span: usize,
    /// Kinds of agency that its county must have.
    needs: &'static [AgencyKind],
    tell: fn(&mut Telling<'_>),
}

/// How many disputes go this way.
#[derive(Debug, Clone, Copy)]
enum Share {
    /// Settled ones: parts of those that no budget sets.
    Parts(u64),
    /// Others: per mille of the settled ones, on top of them.
    PerMille(u64),
    /// Parts of the confirmations.
    Confirmations(u64),
    /// Parts of the counselled.
    Counselled(u64),
    /// Those settled on the platform of 乐平.
    OnlineSettled,
    /// The others that came in on it.
    Online,
}

/// What disputes share in of the city's figures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Uses {
    /// Closed with a success outcome (P-14).
    pub settled: u64,
    /// `JudicialConfirmationGranted` (P-15).
    pub confirmations: u64,
    /// `PsychSessionHeld` (P-16).
    pub sessions: u64,
    /// Registered on the platform of 乐平 (P-17a).
    pub online: u64,
    /// Agreed on it (P-17b).
    pub online_settled: u64,
    /// `PetitionReceived` (P-2).
    pub petitions: u64,
    /// `RiskWarningRaised` (P-4).
    pub warnings: u64,
    /// `GridEventReported` and closed (P-24).
    pub grid_events: u64,
}

impl Flow {
    /// Tells one dispute that goes this way, from its seed and number. With a defect: none when nothing in it is of the
    /// kind that the defect changes, or no county has the agencies.
    #[must_use]
    pub fn tell(
        &self,
        directory: &Directory,
        seed: u64,
        serial: u64,
        opened: Day,
        defect: Option<&'static Defect>,
    ) -> Option<Story> {
        let mut places = Place::with(directory, self.needs);
        if self.uses.online > 0 {
            places.retain(|place| place.county() == PLATFORM_COUNTY);
        }
        let mut chance = Chance::new(seed, "dispute", serial);
        let at = chance.below(u32::try_from(places.len()).ok()?);
        let place = *places.get(usize::try_from(at).ok()?)?;
        let script = Script::new(chance, opened, place.township, serial % NUMBERS_OF_DISPUTES);
        let mut telling = Telling::new(script, place, serial, defect);
        (self.tell)(&mut telling);
        telling.end()
    }

    /// Working days after which such a dispute is over.
    #[cfg(test)]
    pub(super) fn span(&self) -> usize {
        self.span
    }

    /// The working days on which such a dispute can be opened and still be over within the year.
    pub(super) fn window<'d>(&self, days: &'d [Day]) -> &'d [Day] {
        let begun = |day: &Day| day.to_string().get(5..).is_some_and(|day| day >= self.from);
        let first = days.iter().position(begun).unwrap_or(days.len());
        let last = days.len().saturating_sub(self.span);
        days.get(first..last).filter(|window| !window.is_empty()).unwrap_or(days)
    }
}

impl Sum for Uses {
    fn sum<I: Iterator<Item = Self>>(uses: I) -> Self {
        uses.fold(Self::default(), |sum, one| Self {
            settled: sum.settled + one.settled,
            confirmations: sum.confirmations + one.confirmations,
            sessions: sum.sessions + one.sessions,
            online: sum.online + one.online,
            online_settled: sum.online_settled + one.online_settled,
            petitions: sum.petitions + one.petitions,
            warnings: sum.warnings + one.warnings,
            grid_events: sum.grid_events + one.grid_events,
        })
    }
}

/// How many disputes go each way, so that the budget comes out exactly.
pub(super) fn deal(budget: &Budget) -> Vec<(&'static Flow, u64)> {
    let counselled = budget.sessions / SESSIONS_PER_REFERRAL;
    let parts = |of: fn(Share) -> Option<u64>| FLOWS.iter().filter_map(|flow| of(flow.share)).sum::<u64>();
    let (of_confirmations, of_counselled) = (parts(Share::of_confirmations), parts(Share::of_counselled));
    let mut dealt: Vec<(&'static Flow, u64)> = Vec::new();
    let (mut confirmations, mut referrals) = (budget.confirmations, counselled);
    for flow in FLOWS {
        let count = match flow.share {
            Share::Parts(_) => 0,
            Share::PerMille(share) => (budget.settled * share).div_ceil(1_000),
            Share::Confirmations(part) => part_of(budget.confirmations, part, of_confirmations, &mut confirmations),
            Share::Counselled(part) => part_of(counselled, part, of_counselled, &mut referrals),
            Share::OnlineSettled => budget.online_settled,
            Share::Online => budget.online.saturating_sub(budget.online_settled),
        };
        dealt.push((flow, count));
    }
    let settled: u64 = dealt.iter().filter(|(flow, _)| flow.settles).map(|(_, count)| count).sum();
    let rest = budget.settled.saturating_sub(settled);
    let (all, mut left) = (parts(Share::parts), rest);
    for (flow, count) in dealt.iter_mut().rev() {
        if let Share::Parts(part) = flow.share {
            *count = part_of(rest, part, all, &mut left);
        }
    }
    // What the division leaves over goes to the first, the most frequent of all.
    if let Some((_, count)) = dealt.first_mut() {
        *count += left;
    }
    dealt
}

/// A part of a whole, rounded up, as long as there is something left.
fn part_of(whole: u64, part: u64, parts: u64, left: &mut u64) -> u64 {
    let count = (whole * part).div_ceil(parts.max(1)).min(*left);
    *left -= count;
    count
}

impl Share {
    const fn parts(self) -> Option<u64> {
        if let Self::Parts(parts) = self { Some(parts) } else { None }
    }

    const fn of_confirmations(self) -> Option<u64> {
        if let Self::Confirmations(parts) = self { Some(parts) } else { None }
    }

    const fn of_counselled(self) -> Option<u64> {
        if let Self::Counselled(parts) = self { Some(parts) } else { None }
    }
}

/// Chain numbers of a day that disputes take; petitions take those above.
const NUMBERS_OF_DISPUTES: u64 = 5_000;

/// Division of 乐平, whose platform it is.
const PLATFORM_COUNTY: &str = "360281";

/// Month and day from which on disputes come in on the platform.
const LAUNCH: &str = "05-06";

/// Month and day from which on all others do.
const NEW_YEAR: &str = "01-01";

/// Month and day from which on disputes are still under way when the year ends.
const LATE_IN_THE_YEAR: &str = "12-09";

const NONE: Uses = Uses {
    settled: 0,
    confirmations: 0,
    sessions: 0,
    online: 0,
    online_settled: 0,
    petitions: 0,
    warnings: 0,
    grid_events: 0,
};
const SETTLED: Uses = Uses { settled: 1, ..NONE };
const PETITION: Uses = Uses { petitions: 1, ..NONE };
const COUNSELLED: Uses = Uses { sessions: SESSIONS_PER_REFERRAL, ..SETTLED };

const fn settled(
    name: &'static str,
    parts: u64,
    span: usize,
    needs: &'static [AgencyKind],
    tell: fn(&mut Telling<'_>),
) -> Flow {
    Flow { name, settles: true, uses: SETTLED, share: Share::Parts(parts), from: NEW_YEAR, span, needs, tell }
}

const fn other(
    name: &'static str,
    per_mille: u64,
    span: usize,
    needs: &'static [AgencyKind],
    tell: fn(&mut Telling<'_>),
) -> Flow {
    Flow { name, settles: false, uses: NONE, share: Share::PerMille(per_mille), from: NEW_YEAR, span, needs, tell }
}

/// Every flow. The first takes what the division of the settled ones leaves over.
pub static FLOWS: &[Flow] = &[
    settled("oral", 4_800, 15, &[Mediation], people::oral),
    settled("written", 1_700, 40, &[Mediation], people::written),
    Flow {
        uses: Uses { grid_events: 1, ..SETTLED },
        ..settled("from the grid", 1_000, 30, &[Mediation], people::from_the_grid)
    },
    settled("in instalments", 300, 90, &[Mediation], people::in_instalments),
    settled("reopened", 50, 100, &[Mediation], people::reopened),
    settled("recused", 60, 45, &[Mediation], incident::recused),
    settled("corrected", 60, 35, &[Mediation], incident::corrected),
    settled("joint", 300, 45, &[Mediation], incident::joint),
    settled("waived", 60, 40, &[Mediation], people::waived),
    settled("conflicted", 40, 35, &[Mediation], incident::conflicted),
    settled("recalled", 60, 40, &[Mediation], incident::recalled),
    settled("split", 40, 35, &[Mediation], incident::split),
    Flow {
        uses: Uses { warnings: 1, ..SETTLED },
        ..settled("threatening", 50, 35, &[Mediation, Police], incident::threatening)
    },
    settled("delegated", 1_000, 45, &[Court, Mediation], court::delegated),
    settled("returned", 80, 50, &[Court, Mediation], court::returned),
    settled("settled in court", 120, 65, &[Court, Mediation], court::settled_in_court),
    settled("entrusted", 50, 70, &[Court, Mediation], court::entrusted),
    Flow {
        uses: Uses { petitions: 1, ..SETTLED },
        ..settled("petition mediated", 200, 50, &[Petition, TownshipGovernment, Mediation], petition::mediated)
    },
    Flow {
        uses: Uses { petitions: 1, ..SETTLED },
        ..settled("petition extended", 40, 60, &[Petition, TownshipGovernment, Mediation], petition::extended)
    },
    settled("police mediated", 700, 30, &[Police, Mediation], police::mediated),
    settled("police transferred", 200, 30, &[Police, Mediation], police::transferred),
    settled("reconciled", 50, 60, &[Police, Procuratorate, Mediation], procuratorate::reconciled),
    settled("supervised", 10, 120, &[Court, Procuratorate], procuratorate::supervised),
    settled("supported", 30, 50, &[Court, Procuratorate], procuratorate::supported),
    settled("inspected", 80, 30, &[HumanResources], labour::inspected),
    settled("arbitrated", 80, 50, &[HumanResources, Arbitration, LegalAid], labour::arbitrated_by_agreement),
    settled("medical", 60, 65, &[], medical::mediated),
    settled("health commission", 30, 45, &[], medical::by_the_commission),
    settled("reconsidered and agreed", 30, 60, &[Government], administrative::reconsidered_by_agreement),
    settled("department", 150, 35, &[], administrative::by_the_department),
    settled("notarised", 60, 40, &[Mediation], family::notarised),
    Flow {
        uses: Uses { confirmations: 1, ..SETTLED },
        share: Share::Confirmations(1),
        ..settled("enforced", 0, 130, &[Court, Mediation], court::enforced)
    },
    Flow {
        uses: Uses { confirmations: 1, ..SETTLED },
        share: Share::Confirmations(2),
        ..settled("confirmed", 0, 55, &[Court, Mediation], court::confirmed)
    },
    Flow {
        uses: COUNSELLED,
        share: Share::Counselled(1),
        ..settled("admonished", 0, 45, &[Police, Mediation], police::admonished)
    },
    Flow {
        uses: COUNSELLED,
        share: Share::Counselled(2),
        ..settled("child supported", 0, 80, &[Mediation], family::child_supported)
    },
    Flow {
        uses: Uses { online: 1, online_settled: 1, ..SETTLED },
        share: Share::OnlineSettled,
        from: LAUNCH,
        ..settled("online", 0, 35, &[Mediation], people::online)
    },
    Flow {
        uses: Uses { online: 1, ..SETTLED },
        share: Share::Online,
        from: LAUNCH,
        ..settled("delegated online", 0, 45, &[Court, Mediation], court::delegated_online)
    },
    other("judged", 25, 75, &[Court, Mediation], court::judged),
    other("appealed", 4, 110, &[Court, Mediation], court::appealed),
    Flow {
        uses: PETITION,
        ..other("petition explained", 10, 60, &[Petition, TownshipGovernment], petition::explained)
    },
    Flow {
        uses: PETITION,
        ..other("petition terminated", 3, 85, &[Petition, TownshipGovernment, Government], petition::terminated)
    },
    other("punished", 10, 30, &[Police, Mediation], police::punished),
    other("awarded", 5, 65, &[HumanResources, Arbitration, LegalAid], labour::awarded),
    other("adjudicated", 2, 80, &[Department], administrative::adjudicated),
    other("reconsidered and decided", 3, 70, &[Government], administrative::reconsidered_by_decision),
    other("withdrawn", 15, 15, &[Mediation], people::withdrawn),
    other("refused", 25, 15, &[Mediation], people::refused),
    other("duplicate", 3, 5, &[], incident::duplicate),
    Flow { from: LATE_IN_THE_YEAR, ..other("under way", 8, 9, &[Mediation], people::under_way) },
    other("not competent", 8, 5, &[], administrative::not_competent),
];
