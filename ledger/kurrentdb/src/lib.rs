//! The log on a KurrentDB cluster: the only user of the crate `eventstore`, and of what it brings along.
//!
//! ```text
//! KurrentLog ── append ─ store   the same triple (stream, revision, events) until it is known how it ended
//!            ── read ─── index   place of each record in `$all`, which stream reads do not tell
//!            ── follow ─ pager   pages of `$all`, alarms
//! KurrentHeads ─────────── one stream, `ledger-heads`
//!                   all ─ link   one client at a time, rebuilt after every error that is no answer
//!                         wire   the calls; no type of the client's crate leaves it
//! ```
//!
//! What is trusted: nothing but order. Administrators of the engine bypass every access list and may scavenge, so records
//! carry signatures, and the tree over them is witnessed outside. What they do to streams is seen here, as an [`Alarm`].

pub mod admin;
mod alarm;
mod follower;
mod heads;
mod index;
mod link;
mod log;
mod metrics;
mod names;
mod options;
mod pager;
mod store;
mod tls;
mod wire;

pub use self::{
    alarm::{ALARMS_MAX, Alarm},
    follower::KurrentFollower,
    heads::KurrentHeads,
    log::KurrentLog,
    metrics::Metrics,
    names::HEADS_STREAM,
    options::{Credentials, KurrentOptions, OpenError},
    tls::prepare_tls,
};

/// What is used of the client's crate, in one place.
mod es {
    pub(crate) use eventstore::{
        AppendToStreamOptions, Client, ClientSettings, Credentials, CurrentRevision, Error, EventData,
        ExpectedRevision, NodePreference, Position, ReadAllOptions, ReadStream, ReadStreamOptions, ResolvedEvent,
        StreamPosition,
    };
}
