//! The proofs of the ledger: [`merkle`] (the tree), [`note`] (signed notes), [`checkpoint`], [`proof`] (offline proofs).

pub mod checkpoint;
pub mod merkle;
pub mod note;
pub mod proof;
