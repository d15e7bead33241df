//! The log on a KurrentDB cluster: the only user of the crate `eventstore`.
