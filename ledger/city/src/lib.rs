//! A made-up year of a whole city (城市年): every grid matter, dispute, petition, consultation and registry act of the
//! year, chain by chain, from a seed. One seed is one city, byte for byte, on every machine.
//!
//! The city serves tests, benches, demonstrations and the figures: how many of what there are stands in the `fixture`
//! columns of `kpis.json`. Nobody in it exists.

mod agenda;
mod city;
mod credit;
pub mod defects;
pub mod dispute;
mod matter;
mod member;
mod plan;
mod registry;
pub mod scale;
pub mod story;

pub use self::{
    city::{Acts, City, ORIGIN, Stories},
    member::Member,
};

#[cfg(test)]
mod tests;
