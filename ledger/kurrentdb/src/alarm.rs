//! What only somebody with rights on the engine can have done, told to the operator.

use std::collections::BTreeSet;

use mediation_ledger::{chain::Revision, log::Cursor};
use tokio::sync::watch;

/// Alarms that are kept apart: whoever may write metadata can cause as many as he likes.
pub const ALARMS_MAX: usize = 1_000;

/// Characters of a stream's name that an alarm keeps.
const NAME_CHARS_MAX: usize = 100;

/// Somebody touched what the ledger stands on. The chain is to be frozen and compared with the leaves that are held.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
#[non_exhaustive]
pub enum Alarm {
    /// Metadata of a stream were written: it may be truncated, opened to others, or soft-deleted.
    #[error("metadata of stream `{stream}` were written at {commit}", commit = at.0)]
    Metadata {
        /// The stream.
        stream: String,
        /// Place of the metadata in the engine's order.
        at: Cursor,
    },
    /// A stream was deleted for ever.
    #[error("stream `{stream}` was deleted")]
    Deleted {
        /// The stream.
        stream: String,
    },
    /// Revisions of a stream are missing before one that is there: truncated or scavenged.
    #[error("stream `{stream}` goes on at revision {found} instead of {expected}")]
    Gap {
        /// The stream.
        stream: String,
        /// Revision that was to come.
        expected: Revision,
        /// Revision that came.
        found: Revision,
    },
    /// A stream ends before a revision that was read once: truncated, soft-deleted or rewound.
    #[error("stream `{stream}` ends before revision {found} although {expected} were there")]
    Shrunk {
        /// The stream.
        stream: String,
        /// Next revision, as it was known.
        expected: Revision,
        /// Next revision, as it is now.
        found: Revision,
    },
    /// A record was taken at another revision than the one asked for: the stream was deleted in between.
    #[error("stream `{stream}` took a record at revision {found} instead of {expected}")]
    Displaced {
        /// The stream.
        stream: String,
        /// Revision that was asked for.
        expected: Revision,
        /// Revision that it took.
        found: Revision,
    },
    /// A record that was read once is not in the log any more: restored from a backup, or scavenged.
    #[error("the log does not go on after commit position {commit}: it was rewound or scavenged", commit = after.0)]
    Rewound {
        /// Place of the record.
        after: Cursor,
    },
}

/// All alarms since the start, each once.
#[derive(Debug, Default)]
pub(crate) struct Alarms {
    raised: watch::Sender<BTreeSet<Alarm>>,
}

impl Alarms {
    pub(crate) fn raise(&self, alarm: Alarm) {
        let told = alarm.to_string();
        let new = self.raised.send_if_modified(|raised| raised.len() < ALARMS_MAX && raised.insert(alarm));
        if new {
            tracing::error!(alarm = told, "the engine was tampered with");
        }
    }

    pub(crate) fn subscribe(&self) -> watch::Receiver<BTreeSet<Alarm>> {
        self.raised.subscribe()
    }
}

/// Name of a stream, short enough to be kept.
pub(crate) fn named(stream: &str) -> String {
    stream.chars().take(NAME_CHARS_MAX).collect()
}
