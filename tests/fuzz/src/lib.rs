//! Fuzz targets: one for every parser of bytes that come from outside.
//!
//! A target takes any bytes and must not panic. What a parser accepts of a format with one encoding it must write again as
//! the same bytes: otherwise two readers could see two things in one file. Whatever a parser reads from what was written
//! must equal what was written.
//!
//! Inputs are the files of `corpus/<target>/` and what [`Mutator`] makes of them from a seed. The mutations are blind: they
//! are not led by coverage, which needs a compiler that counts branches. The targets are plain functions, so that such a
//! fuzzer can call them as they are.

mod mutation;
mod targets;

pub use self::{
    mutation::Mutator,
    targets::{TARGETS, Target},
};
