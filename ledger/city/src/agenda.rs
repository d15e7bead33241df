//! What begins on which day: every chain of the city but the disputes and the registry, dealt out over the working days.

use mediation_domain::calendar::Day;

use crate::{
    city::Shares,
    dispute::working_days,
    matter::{Kind, Matter},
    plan::Plan,
};

/// Chains by the day on which they begin.
pub(crate) fn agenda(plan: &Plan, year: i64, shares: &Shares) -> Vec<(Day, Matter)> {
    let (this, last) = (working_days(year), working_days(year - 1));
    let mut agenda = Vec::new();
    let mut spread = |days: &[Day], kind: Kind, count: u64| {
        for number in 0..count {
            let length = u64::try_from(days.len()).unwrap_or(1);
            // Evenly, so that every month has its share; which of them goes how is for the seed.
            let at = usize::try_from(number * length / count.max(1)).unwrap_or_default();
            agenda.extend(days.get(at).map(|day| (*day, Matter { kind, number, of: count })));
        }
    };
    let reported = plan.scaled("P-24a", "count").saturating_sub(shares.grid_events);
    let closed = plan.scaled("P-24b", "count").saturating_sub(shares.grid_events).min(reported);
    spread(&this, Kind::Grid { open: reported - closed }, reported);
    spread(&last, Kind::Grid { open: 0 }, plan.about(GRID_EVENTS_BEFORE));
    let solved = plan.scaled("P-31", "count");
    let talks = solved + plan.about(TALKS_UNSOLVED);
    let talk_days = this.get(..this.len().saturating_sub(TALK_DAYS)).unwrap_or_default();
    spread(talk_days, Kind::Talk { solved, participants: plan.scaled("P-30", "sum") }, talks);
    spread(&this, Kind::Warning, plan.scaled("P-4", "Y2024").saturating_sub(shares.warnings));
    spread(&last, Kind::Warning, plan.scaled("P-4", "Y2023"));
    let (national, before) = (plan.scaled("P-3", "Y2024"), plan.scaled("P-3", "Y2023"));
    let (app, petitions) = (plan.scaled("P-19", "count"), plan.scaled("P-2", "Y2024"));
    spread(&this, Kind::AppPetition, app);
    spread(&this, Kind::Petition, petitions.saturating_sub(shares.petitions + national + app));
    // Each must still be assigned in the year in which it came in.
    let assigned_in = |days: &[Day]| days.get(..days.len().saturating_sub(ASSIGNED_DAYS)).unwrap_or_default().to_vec();
    spread(&assigned_in(&this), Kind::NationalPetition, national);
    spread(&assigned_in(&last), Kind::NationalPetition, before);
    spread(&last, Kind::Petition, plan.scaled("P-2", "Y2023").saturating_sub(before));
    let follow = plan.scaled_item("P-18b", 0);
    let remote = plan.scaled("P-18a", "count").max(follow);
    spread(&this, Kind::RemoteAdvice { follow }, remote);
    spread(&this, Kind::Advice, plan.about(ADVICE_ELSEWHERE));
    spread(&this, Kind::LegalAid { terminal: true }, plan.scaled_item("P-18b", 1));
    spread(&this, Kind::LegalAid { terminal: false }, plan.about(LEGAL_AID_ELSEWHERE));
    spread(&this, Kind::Notary { terminal: true }, plan.scaled_item("P-18b", 2));
    spread(&this, Kind::Notary { terminal: false }, plan.about(NOTARY_ELSEWHERE));
    agenda.sort_by_key(|(day, matter)| (*day, matter.kind.rank(), matter.number));
    agenda
}

/// Grid matters of the year before, when half of the grids were not there yet.
const GRID_EVENTS_BEFORE: u64 = 60_000;

/// Matters that people raised in talks and that could not be solved.
const TALKS_UNSOLVED: u64 = 190;

/// Working days within which a talk goes through its six steps.
const TALK_DAYS: usize = 30;

/// Working days within which a petition is assigned.
const ASSIGNED_DAYS: usize = 8;

/// Consultations in the hall or by telephone, and outside 浮梁.
const ADVICE_ELSEWHERE: u64 = 9_000;

/// Applications for legal aid that no terminal took.
const LEGAL_AID_ELSEWHERE: u64 = 1_400;

/// Applications to a notary that no terminal took.
const NOTARY_ELSEWHERE: u64 = 1_100;
