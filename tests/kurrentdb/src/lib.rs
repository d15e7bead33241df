//! A small server of KurrentDB's V1 protocol, with faults on command.
//!
//! It stands in for a cluster wherever a test must see what a cluster does when it fails: an unmodified client talks to
//! it over gRPC. One store is served by one or several listeners, the *nodes*; one of them leads.
//!
//! - [`StandIn::start`] runs it within the test's process, the binary `kurrentdb-stand-in` in one of its own.
//! - [`Faults`] says what can go wrong.
//!
//! What it leaves out: links and projections, persistent subscriptions, the second protocol, the HTTP interface.

mod cluster;
mod faults;
mod filter;
mod link;
mod metadata;
mod refusal;
mod services;
mod stand_in;
mod store;

pub use faults::{AppendFault, Faults};
pub use stand_in::{Options, StandIn, Tls, User};

#[expect(
    unreachable_pub,
    unnameable_types,
    unused_qualifications,
    clippy::all,
    clippy::allow_attributes_without_reason,
    clippy::too_many_lines,
    reason = "generated code"
)]
mod wire {
    include!(concat!(env!("OUT_DIR"), "/modules.rs"));
}
