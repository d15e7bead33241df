//! Which governance center (综治中心) notes a lapse.

use mediation_proto::mediation::types::v1::AgencyKind;

use crate::{
    calendar::Day,
    directory::Directory,
    judge::{
        chain::{Chain, Kind, kind},
        leads::Leads,
    },
};

/// The center that answers for a chain on a day, the first of:
///
/// 1. the governance center that recorded last before that day: the one that HD-4 obliges to escalate;
/// 2. the governance center that leads;
/// 3. the governance center of the division of intake, by the longest code: of the township, else of the county, else
///    of the city. The division is that of the registration, else that of the agency that opened the chain.
pub(super) fn center<'a>(chain: &Chain<'a>, directory: &'a Directory, day: Day) -> Option<&'a str> {
    let is_center = |agency: &&str| directory.kind(agency) == Some(AgencyKind::GovernanceCenter);
    let recorders = chain.acts().filter(|act| act.day < day).map(|act| act.agency);
    let own = recorders.rev().find(is_center).or_else(|| Leads::new(chain).current().filter(is_center));
    own.or_else(|| of_division(directory, intake(chain, directory)?))
}

fn intake<'a>(chain: &Chain<'a>, directory: &'a Directory) -> Option<&'a str> {
    let registered = chain.of(REGISTERED).next().and_then(|act| act.text("division"));
    let opening = || directory.agency(chain.acts().next()?.agency).map(|agency| agency.division.as_str());
    registered.or_else(opening)
}

fn of_division<'a>(directory: &'a Directory, division: &str) -> Option<&'a str> {
    let centers = directory.iter().filter(|(_, agency)| agency.kind == AgencyKind::GovernanceCenter);
    let covering = centers.filter_map(|(id, agency)| {
        let covered = covered(&agency.division);
        (!covered.is_empty() && division.starts_with(covered)).then_some((covered.len(), id))
    });
    // Of two centers of one division the first by id.
    covering.reduce(|best, other| if other.0 > best.0 { other } else { best }).map(|(_, id)| id)
}

/// The digits that every division under a division begins with: `3602` for the city 360200, `360203` for the county.
/// Codes of nine and twelve digits have no such zeros.
fn covered(division: &str) -> &str {
    let mut covered = division;
    while covered.len() > 2 && division.len() == COUNTY_DIGITS {
        let Some(rest) = covered.strip_suffix("00") else { break };
        covered = rest;
    }
    covered
}

/// Digits of a code of GB/T 2260, from the province down to the county.
const COUNTY_DIGITS: usize = 6;

const REGISTERED: Kind = kind("DisputeRegistered");
