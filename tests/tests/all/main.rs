//! Everything that is tested across crates: house rules, golden bytes, documents, processes. One binary, so that the
//! crates are linked once.

#![expect(clippy::indexing_slicing, reason = "a test that looks for what is not there fails, and says where")]

#[cfg(test)]
mod attacks;
#[cfg(test)]
mod backup;
#[cfg(test)]
mod bench;
#[cfg(test)]
mod bundle;
#[cfg(test)]
mod caller;
#[cfg(test)]
mod catalogue;
#[cfg(test)]
mod cluster;
#[cfg(test)]
mod console;
#[cfg(test)]
mod coordination;
#[cfg(test)]
mod dependencies;
#[cfg(test)]
mod documents;
#[cfg(test)]
mod erasure;
#[cfg(test)]
mod exports;
#[cfg(test)]
mod faults;
#[cfg(test)]
mod figures;
#[cfg(test)]
mod frozen;
#[cfg(test)]
mod gateway;
#[cfg(test)]
mod golden;
#[cfg(test)]
mod hostile;
#[cfg(test)]
mod http;
#[cfg(test)]
mod keys;
#[cfg(test)]
mod kill;
#[cfg(test)]
mod kurrentdb;
#[cfg(test)]
mod limits;
#[cfg(test)]
mod metrics;
#[cfg(test)]
mod model;
#[cfg(test)]
mod openssl;
#[cfg(test)]
mod planted;
#[cfg(test)]
mod privacy;
#[cfg(test)]
mod proto_lock;
#[cfg(test)]
mod python;
#[cfg(test)]
mod quotas;
#[cfg(test)]
mod reading;
#[cfg(test)]
mod refusals;
#[cfg(test)]
mod registry;
#[cfg(test)]
mod replayed;
#[cfg(test)]
mod scrub;
#[cfg(test)]
mod search;
#[cfg(test)]
mod served;
#[cfg(test)]
mod sm4;
#[cfg(test)]
mod spreadsheets;
#[cfg(test)]
mod stop;
#[cfg(test)]
mod streams;
#[cfg(test)]
mod subjects;
#[cfg(test)]
mod texts;
#[cfg(test)]
mod tidy;
#[cfg(test)]
mod timestamps;
#[cfg(test)]
mod timing;
#[cfg(test)]
mod traces;
#[cfg(test)]
mod witnesses;
#[cfg(test)]
mod workspace;
