//! The ledger proper: parts, statements, signatures, Merkle tree, checkpoints, the log contract, the recorder and the
//! verifier.
//!
//! Reading order: [`recorder`] (the one write path) → [`statement`] and [`part`] (what is signed) → [`record`] and
//! [`entry`] (what is stored and hashed) → [`log`] (what an engine must do) → [`registry`] and [`ledger`] (who may sign,
//! and what of a chain counts) → [`merkle`], [`note`], [`checkpoint`] (the proofs) → [`bundle`] (one chain's
//! proof as one file) → [`monitor`] (an agency that watches the log).

pub mod bundle;
pub mod chain;
pub mod checkpoint;
pub mod clock;
#[cfg(any(test, feature = "testing"))]
pub mod conformance;
pub mod entropy;
pub mod entry;
pub mod erasure;
#[cfg(any(test, feature = "testing"))]
pub mod faulty;
pub mod heads;
pub mod kek;
pub mod key;
pub mod lapse;
pub mod ledger;
pub mod limits;
pub mod log;
pub mod memory;
pub mod merkle;
pub mod monitor;
pub mod note;
pub mod part;
pub mod policy;
pub mod proof;
pub mod record;
pub mod recorder;
pub mod registry;
pub mod statement;
pub mod store;
pub mod subject;
pub mod tile;
pub mod vault;
pub mod verify;
pub mod witness;
