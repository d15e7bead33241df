//! The embedded log: segment files on one machine; and what stands beside it, the file vault and the last checkpoint.
//!
//! Reading order: [`Embedded`] (the contract, kept) → `committer` (life of an entry) → `segment` (the bytes, and why
//! they are right) → [`scan`] (reads all of it, finds what is wrong) → `spare` (new segments) → [`disk`] (what
//! durability is made of). [`vault`] keeps the keys, [`checkpoint`] the last checkpoint, [`witnessed`] the last one that
//! witnesses have cosigned, [`archive`] reads what nobody serves, [`copying`] copies what somebody does, and [`scrub`]
//! reads it again.

pub mod archive;
pub mod checkpoint;
mod committer;
pub mod copying;
pub mod disk;
mod embedded;
mod fatal;
mod index;
pub mod scan;
pub mod scrub;
mod segment;
mod spare;
mod trouble;
pub mod vault;
pub mod witnessed;

pub use self::{
    embedded::{
        BATCH_BYTES_DEFAULT, BATCH_RECORDS_DEFAULT, CreateError, Embedded, EmbeddedFollower, LEAVES_BYTES_MAX,
        OpenError, Options, OptionsError, QUEUE_CAPACITY_DEFAULT, SEGMENT_BYTES_DEFAULT, SEGMENT_BYTES_MAX,
        SEGMENT_BYTES_MIN,
    },
    fatal::FatalHandler,
    segment::{Fault, Problem},
    trouble::Trouble,
};
