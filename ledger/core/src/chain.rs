//! A chain: one stream of entries, the unit of consistency.

use std::fmt;

use mediation_domain::history::EventId;
use sha2::{Digest as _, Sha256};

/// Chain id: a random UUID chosen by whoever opens the chain. It is no personal number and tells nothing.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ChainId(pub [u8; 16]);

impl ChainId {
    /// Reads the one accepted form: 36 characters, lower case, hyphens in their places.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        EventId::parse(text).map(|id| Self(id.0))
    }

    /// The registry chain of a ledger: a UUIDv8 of the SHA-256 over its origin, so that nobody has to be told.
    #[must_use]
    pub fn registry(origin: &str) -> Self {
        Self::derived(b"mediation-ledger/registry/v1\0", &[origin])
    }

    /// The registry chain of an agency: its onboarding, residencies, studios, commissioners, grids, grades and honours.
    ///
    /// A UUIDv8 of the SHA-256 over origin and agency id, so that nobody has to be told. The political-legal committee
    /// opens it with `AgencyOnboarded`, its own first. What is done to an agency (grades) stands on that agency's chain,
    /// everything else on the chain of the agency that records it. It takes acts of the registry and corrections only; who
    /// may record them the catalogue says, here as elsewhere.
    #[must_use]
    pub fn agency_registry(origin: &str, agency: &str) -> Self {
        Self::derived(b"mediation-ledger/agency-registry/v1\0", &[origin, agency])
    }

    /// The access chain of an agency for a month: what its officials read in it, and what they were refused.
    ///
    /// A UUIDv8 of the SHA-256 over origin, agency id and month (`2024-03`), so that nobody has to be told. Reading one chain
    /// so never moves it.
    #[must_use]
    pub fn accesses(origin: &str, agency: &str, month: &str) -> Self {
        Self::derived(b"mediation-ledger/accesses/v1\0", &[origin, agency, month])
    }

    /// A UUIDv8 of the SHA-256 over a domain and texts with a zero between them.
    fn derived(domain: &[u8], texts: &[&str]) -> Self {
        let hasher = Sha256::new().chain_update(domain).chain_update(texts.join("\0"));
        Self(uuid_v8(hasher.finalize().into()))
    }
}

/// The first 16 bytes of a digest as a UUIDv8 (RFC 9562 section 5.8).
#[must_use]
pub fn uuid_v8(digest: [u8; 32]) -> [u8; 16] {
    let mut id = [0_u8; 16];
    for (to, from) in id.iter_mut().zip(digest) {
        *to = from;
    }
    id[6] = (id[6] & 0x0f) | 0x80;
    id[8] = (id[8] & 0x3f) | 0x80;
    id
}

impl fmt::Display for ChainId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        EventId(self.0).fmt(f)
    }
}

impl fmt::Debug for ChainId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ChainId({self})")
    }
}

/// Place of an entry within its chain: 0, 1, 2, …
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Revision(pub u64);

impl Revision {
    /// Place of the first entry.
    pub const FIRST: Self = Self(0);

    /// The place after this one.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0.saturating_add(1))
    }
}

impl fmt::Display for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Computed apart, with Python's `hashlib`.
    #[test]
    fn well_known_chains_follow_from_the_names() {
        let origin = "ledger.example/main";
        assert_eq!(ChainId::registry(origin).to_string(), "eb05160c-b37e-8ebd-87f6-20b6a6a86a3c");
        let center = ChainId::agency_registry(origin, "ZC-ZS");
        assert_eq!(center.to_string(), "9e946ad2-8c73-89ad-8db1-db27cc4fca75");
        assert_ne!(ChainId::agency_registry("ledger.example", "ZC-ZS"), center);
        let accesses = ChainId::accesses(origin, "ZC-ZS", "2024-03");
        assert_eq!(accesses.to_string(), "0fc4db54-3dda-8106-a8fa-7a149450679d");
    }
}
