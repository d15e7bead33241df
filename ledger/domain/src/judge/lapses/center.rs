//! Which governance center (综治中心) notes a lapse.

use mediation_proto::mediation::types::v1::AgencyKind;

use crate::{
    calendar::Day,
    directory::Directory,
    judge::{
        chain::{Chain, Kind, kind},
        leads::Leads,
    },
    routing::nearest,
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
    // Of two centers of one division the first by id.
    own.or_else(|| nearest(directory, &[AgencyKind::GovernanceCenter], intake(chain, directory)?).first().copied())
}

fn intake<'a>(chain: &Chain<'a>, directory: &'a Directory) -> Option<&'a str> {
    let registered = chain.of(REGISTERED).next().and_then(|act| act.text("division"));
    let opening = || directory.agency(chain.acts().next()?.agency).map(|agency| agency.division.as_str());
    registered.or_else(opening)
}

const REGISTERED: Kind = kind("DisputeRegistered");
