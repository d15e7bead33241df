//! The business of the mediation ledger: catalogue, admission, folding, clocks, judging.
//!
//! Everything here is pure: no I/O, no clock, no randomness, no lock. The same history gives the same answer on every
//! machine, for ever.

pub mod admit;
pub mod calendar;
pub mod case;
pub mod catalogue;
mod civil;
pub mod clocks;
pub mod directory;
pub mod dockings;
pub mod erasure;
pub mod exports;
pub mod figures;
pub mod history;
pub mod identity;
pub mod judge;
pub mod limits;
pub mod privacy;
pub mod routing;
pub mod rules;
pub mod standing;
pub mod visibility;
pub mod wording;
