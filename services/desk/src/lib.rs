//! The ledger over gRPC: one generic desk behind every desk service, chains, and proofs.
//!
//! Nothing is decided in an interceptor but whether there is room (`gate.rs`). The caller is a value that a function takes
//! ([`caller::caller`]), and [`status`] alone makes a `Status`.

mod access_log;
mod accesses;
mod agencies;
mod answer;
pub mod caller;
pub mod chains;
mod denied;
pub mod desk;
mod disclosure;
mod docket;
mod driven;
mod even;
pub mod exports;
pub mod figures;
mod gate;
mod gateway;
pub mod health;
pub mod judgement;
pub mod limits;
mod line;
pub mod listener;
mod listing;
pub mod metrics;
mod mirror;
pub mod node;
pub mod proofs;
pub mod quota;
mod reading;
mod relay;
mod replay;
pub mod request;
mod search;
pub mod server;
pub mod signing;
pub mod status;
pub mod subjects;
pub mod subscribers;
mod texts;
pub mod traces;
mod turns;
pub mod vault;
pub mod watched;
