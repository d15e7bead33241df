//! A chain of the city before it is recorded, and what is wrong with it on purpose.

use mediation_domain::history::Recorded;

/// One chain: what its agencies do, in the order of recording.
#[derive(Debug, Clone, PartialEq)]
pub struct Story {
    /// Chain id (UUID).
    pub chain: [u8; 16],
    /// The acts; the revision is the place, and both times never go back by the time of recording.
    pub acts: Vec<Recorded>,
    /// The defects planted in it: exactly what a judge must find at the end of its year. Empty for a clean chain.
    pub planted: Vec<Planted>,
}

/// A finding that a judge must make.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Planted {
    /// Code, `F-OVERDUE`.
    pub code: &'static str,
    /// Revision of the act at which it is found; none when it is found at no act.
    pub at: Option<u64>,
    /// Agency that answers for it; none when nobody does.
    pub agency: Option<String>,
    /// Clock, for findings about one.
    pub clock: Option<&'static str>,
}
