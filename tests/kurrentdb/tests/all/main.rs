//! The unmodified `eventstore` client against the stand-in, healthy and failing.

#![expect(clippy::indexing_slicing, reason = "a test that looks for what is not there fails, and says where")]

#[cfg(test)]
mod calls;
#[cfg(test)]
mod client;
#[cfg(test)]
mod cluster;
#[cfg(test)]
mod durable;
#[cfg(test)]
mod failing;
#[cfg(test)]
mod rights;
