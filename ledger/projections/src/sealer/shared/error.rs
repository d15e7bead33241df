//! What can be wrong with a log that is shared.

use std::io;

use mediation_ledger::{
    chain::{ChainId, Revision},
    log::{AppendError, Cursor},
    merkle::{Hash, TreeSize},
};

use crate::leaves::{LeafRow, LeavesError};

/// Why sealing on a shared log stopped, beyond what every sealer stops for.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SharedError {
    /// The leaves file.
    #[error(transparent)]
    Leaves(#[from] LeavesError),
    /// Leaves could not be written; they are followed again.
    #[error("the leaves could not be written")]
    NotWritten(#[source] io::Error),
    /// A head could not be appended, or nobody knows; it is read or signed again.
    #[error("the head could not be appended")]
    NotAppended(#[source] AppendError),
    /// Leaves and configuration disagree.
    #[error("the leaves file is not one of a log with this choice about a twin (twin: {twin})")]
    TwinOfLeaves {
        /// Whether there is to be one.
        twin: bool,
    },
    /// A sealer without the twin's key: heads would lack it.
    #[error("this process signs the tree and has no key to sign its twin")]
    TwinNotSigned,
    /// The record of the last leaf is gone or another one: the log was restored from an older copy, or scavenged.
    #[error(
        "the log was rewound or scavenged: the last of {size} leaves is revision {revision} of chain `{chain}` with \
         hash {expected}, and there is {}",
        found.map_or_else(|| "nothing".to_owned(), |hash| format!("one with {hash}"))
    )]
    Rewound {
        /// Leaves that were seen.
        size: TreeSize,
        /// Chain of the last one.
        chain: ChainId,
        /// Its place in the chain.
        revision: Revision,
        /// Its hash.
        expected: Hash,
        /// Hash of what stands there now.
        found: Option<Hash>,
    },
    /// The log does not know the place that it gave for a leaf.
    #[error(
        "the log was rewound or scavenged: it does not know {cursor:?}, behind which the last of {size} leaves came"
    )]
    PlaceLost {
        /// Leaves that were seen.
        size: TreeSize,
        /// Place of the one before the last.
        cursor: Option<Cursor>,
    },
    /// The record of the last leaf stands, and not at its place in the order of the log.
    #[error(
        "the order of the log has changed: the last of {size} leaves was revision {} of chain `{}` at {:?}, and there \
         is revision {} of chain `{}` at {:?}",
        expected.revision, expected.chain, expected.cursor, found.revision, found.chain, found.cursor
    )]
    Reordered {
        /// Leaves that were seen.
        size: TreeSize,
        /// The last one.
        expected: Box<LeafRow>,
        /// What comes behind the one before it.
        found: Box<LeafRow>,
    },
    /// A record of a chain is missing where the next one was to come.
    #[error(
        "the log was scavenged: behind {size} leaves comes revision {found} of chain `{chain}` instead of {expected}"
    )]
    Gap {
        /// Leaves before it.
        size: TreeSize,
        /// The chain.
        chain: ChainId,
        /// Its next revision.
        expected: Revision,
        /// The revision that came.
        found: Revision,
    },
    /// The heads' stream is shorter than it was.
    #[error("the heads' stream was rewound: its next revision was {expected}, and is {next}")]
    HeadsRewound {
        /// Where the next head was to stand.
        expected: Revision,
        /// Where it would stand.
        next: Revision,
    },
    /// The log has signed what is not so, or two processes are given different logs.
    #[error(
        "ALARM: the head at revision {revision} says that the first {size} leaves have root {signed}; they have {own}"
    )]
    Contradicted {
        /// Place in the heads' stream.
        revision: Revision,
        /// Size in the head.
        size: TreeSize,
        /// Root in the head.
        signed: Hash,
        /// Root of the first leaves of that number, as this process has seen them.
        own: Hash,
    },
    /// As [`SharedError::Contradicted`], of the twin.
    #[error(
        "ALARM: the head at revision {revision} says that the first {size} leaves have root {signed} over SM3; they \
         have {own}"
    )]
    TwinContradicted {
        /// Place in the heads' stream.
        revision: Revision,
        /// Size in the head.
        size: TreeSize,
        /// Root in the head.
        signed: Hash,
        /// Root over SM3 of the first leaves of that number, as this process has seen them.
        own: Hash,
    },
}

impl SharedError {
    /// Whether time may mend it.
    pub(super) fn passes(&self) -> bool {
        match self {
            Self::NotWritten(_) | Self::NotAppended(_) => true,
            Self::Leaves(_)
            | Self::TwinOfLeaves { .. }
            | Self::TwinNotSigned
            | Self::Rewound { .. }
            | Self::PlaceLost { .. }
            | Self::Reordered { .. }
            | Self::Gap { .. }
            | Self::HeadsRewound { .. }
            | Self::Contradicted { .. }
            | Self::TwinContradicted { .. } => false,
        }
    }
}
