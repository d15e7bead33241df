//! Where a dispute is: one township of one county, and the agencies that answer for it.

use std::collections::BTreeMap;

use mediation_domain::directory::Directory;
use mediation_proto::mediation::types::v1::AgencyKind;

/// A township with its county.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place<'a> {
    directory: &'a Directory,
    /// Division of the township, nine digits.
    pub(crate) township: &'a str,
}

impl<'a> Place<'a> {
    /// The townships with a center of their own whose counties have an agency of every one of these kinds.
    pub(crate) fn with(directory: &'a Directory, kinds: &[AgencyKind]) -> Vec<Self> {
        let centers = directory.iter().filter(|(_, agency)| agency.kind == AgencyKind::TownshipCenter);
        let places = centers.map(|(_, agency)| Self { directory, township: &agency.division });
        // What a county has is asked once for all its townships.
        let mut counties: BTreeMap<&str, bool> = BTreeMap::new();
        let suits = |place: &Self| {
            let suits = || kinds.iter().all(|kind| place.in_county(*kind).is_some());
            *counties.entry(place.county()).or_insert_with(suits)
        };
        places.filter(suits).collect()
    }

    /// Division of the county, six digits.
    pub(crate) fn county(&self) -> &'a str {
        self.township.get(..COUNTY_DIGITS).unwrap_or(self.township)
    }

    /// Division of an agency.
    pub(crate) fn division(&self, agency: &str) -> &'a str {
        self.directory.agency(agency).map_or("", |agency| &agency.division)
    }

    /// The center of the township.
    pub(crate) fn town(&self) -> &'a str {
        self.nearest(AgencyKind::TownshipCenter)
    }

    /// The center of the county.
    pub(crate) fn center(&self) -> &'a str {
        self.in_county(AgencyKind::GovernanceCenter).unwrap_or_default()
    }

    /// The political-legal committee of the county.
    pub(crate) fn political_legal_committee(&self) -> &'a str {
        self.nearest(AgencyKind::PoliticalLegalCommittee)
    }

    /// The people's mediation committee of the township.
    pub(crate) fn committee(&self) -> &'a str {
        self.nearest(AgencyKind::Mediation)
    }

    /// The people's mediation committee of the county; of the township when the county has none of its own.
    pub(crate) fn county_committee(&self) -> &'a str {
        let own = self.of(AgencyKind::Mediation).find(|(_, division)| *division == self.county());
        own.map_or_else(|| self.committee(), |(id, _)| id)
    }

    /// The agency of a kind in the township, else in the county, else in the
    /// city, else wherever there is one.
    pub(crate) fn nearest(&self, kind: AgencyKind) -> &'a str {
        let at = |wanted: &str| self.of(kind).find(|(_, division)| *division == wanted).map(|(id, _)| id);
        at(self.township)
            .or_else(|| self.in_county(kind))
            .or_else(|| at(CITY))
            .or_else(|| self.of(kind).next().map(|(id, _)| id))
            .unwrap_or_default()
    }

    /// The agency of a kind of the whole city.
    pub(crate) fn of_city(&self, kind: AgencyKind) -> &'a str {
        self.of(kind).find(|(_, division)| *division == CITY).map(|(id, _)| id).unwrap_or_default()
    }

    /// The agency of a kind that answers for the county, or for its township.
    fn in_county(&self, kind: AgencyKind) -> Option<&'a str> {
        let of_county = || self.of(kind).filter(|(_, division)| division.starts_with(self.county()));
        let own = of_county().find(|(_, division)| *division == self.county());
        own.or_else(|| of_county().next()).map(|(id, _)| id)
    }

    fn of(&self, kind: AgencyKind) -> impl Iterator<Item = (&'a str, &'a str)> + use<'a> {
        let agencies = self.directory.iter().filter(move |(_, agency)| agency.kind == kind);
        agencies.map(|(id, agency)| (id, agency.division.as_str()))
    }
}

/// Division of the whole city.
const CITY: &str = "360200";

/// Digits of the division of a county.
const COUNTY_DIGITS: usize = 6;
