//! SDK for agency systems.
//!
//! - [`connection`]: a mutually authenticated channel to a ledger.
//! - [`client`]: record acts through the agency's own desk, read chains, ask for proofs. Every call that records carries
//!   an event id that the caller keeps; it is sent again, bounded, until the ledger says how it ended.
//! - [`signing`]: record acts under the caller's own keys, which the server never sees.
//! - [`trust`]: what a client knows beforehand (origin and log key), and the check of every receipt against it.

pub mod chain;
pub mod client;
pub mod connection;
pub mod signing;
pub mod trust;

pub use chain::{HiddenEntry, Replay, ToldAct, VerifiedChain};
pub use client::{Client, ClientError, Followed, Mirrored, Told};
pub use connection::{Connection, Identity};
pub use signing::{CallerKeys, CallerSigner};
pub use trust::{Trust, TrustError};
