//! The agencies that take part, as the registry chain names them.

use std::collections::BTreeMap;

use mediation_proto::mediation::types::v1::AgencyKind;

/// What the rules need to know of an agency.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Agency {
    /// Kind; decides desk, acts and visibility.
    pub kind: AgencyKind,
    /// Public name, Chinese.
    pub name: String,
    /// Administrative division code; empty when none is given.
    pub division: String,
}

/// Agencies by id.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Directory {
    agencies: BTreeMap<String, Agency>,
}

impl Directory {
    /// The agency of this id.
    #[must_use]
    pub fn agency(&self, id: &str) -> Option<&Agency> {
        self.agencies.get(id)
    }

    /// The kind of the agency of this id.
    #[must_use]
    pub fn kind(&self, id: &str) -> Option<AgencyKind> {
        self.agencies.get(id).map(|agency| agency.kind)
    }

    /// Adds an agency; a later row replaces an earlier one.
    pub fn insert(&mut self, id: impl Into<String>, agency: Agency) {
        self.agencies.insert(id.into(), agency);
    }

    /// All agencies, by id.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Agency)> {
        self.agencies.iter().map(|(id, agency)| (id.as_str(), agency))
    }
}
