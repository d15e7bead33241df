//! What a monitor raises, each with one name that stays.

use mediation_domain::history::EventId;

use crate::{
    chain::{ChainId, Revision},
    key::KeyId,
    merkle::{Hash, LeafIndex, TreeSize},
};

/// An act that an agency answers for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnAct {
    /// Leaf index.
    pub index: LeafIndex,
    /// Chain.
    pub chain: ChainId,
    /// Place in the chain.
    pub revision: Revision,
    /// Its id.
    pub event_id: EventId,
    /// The agency's key that signed.
    pub key_id: KeyId,
}

/// Something that is wrong with a log.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Alarm {
    /// The checkpoint is not one of this log, or its key has not signed it.
    #[error("the checkpoint is not to be believed: {cause}")]
    Checkpoint {
        /// Why.
        cause: String,
    },
    /// The log's key has signed two trees of which neither begins with the other.
    #[error(
        "the log's key has signed two trees: root {kept} was kept, the tree now begins with root {found} at size {size}"
    )]
    Inconsistent {
        /// Size of the smaller of the two.
        size: TreeSize,
        /// Root that was signed for this size.
        kept: Hash,
        /// Root that the other tree has there.
        found: Hash,
    },
    /// The checkpoint is smaller than the one that was seen before.
    #[error("the log was rolled back: {found} leaves, and {kept} were signed before")]
    RolledBack {
        /// Leaves that were signed before.
        kept: TreeSize,
        /// Leaves now.
        found: TreeSize,
    },
    /// No checkpoint has the quorum.
    #[error("no checkpoint has a quorum of witnesses; the log has {size} leaves")]
    Unwitnessed {
        /// Leaves of the log.
        size: TreeSize,
    },
    /// The witnesses have not cosigned what the log shows.
    #[error("the witnesses lag: {witnessed} of {size} leaves, the last cosignature is {behind_s} s old")]
    WitnessesLag {
        /// Leaves that a quorum has cosigned.
        witnessed: TreeSize,
        /// Leaves of the log.
        size: TreeSize,
        /// Age of the last cosignature in seconds.
        behind_s: u64,
    },
    /// A tile is missing, malformed, or not of the tree that the checkpoint signs.
    #[error("`{tile}`: {cause}")]
    Tile {
        /// Its path, or the tiles' common one.
        tile: String,
        /// Why.
        cause: String,
    },
    /// The entries are not those of the tree that the checkpoint signs.
    #[error("entries {from} to {size} lead to root {found}, not to the signed {expected}")]
    OtherEntries {
        /// First of them.
        from: TreeSize,
        /// Size of the checkpoint.
        size: TreeSize,
        /// Root of the checkpoint.
        expected: Hash,
        /// Root over the entries.
        found: Hash,
    },
    /// The log begins with another founding than the one that is pinned.
    #[error("the log does not begin with the pinned founding {expected}")]
    OtherFounding {
        /// Pinned leaf hash.
        expected: Hash,
    },
    /// A leaf that does not count.
    #[error("leaf {index} does not count: {fault}")]
    Leaf {
        /// Leaf index.
        index: LeafIndex,
        /// Code of the finding, and why.
        fault: String,
    },
    /// An act under the agency's key that it did not submit.
    #[error(
        "leaf {} (chain {}, revision {}): act {} under key {} was not submitted",
        .0.index, .0.chain, .0.revision, .0.event_id, .0.key_id
    )]
    Unsubmitted(OwnAct),
}

impl Alarm {
    /// Name that programs may rely on, and Chinese title.
    #[must_use]
    pub fn title(&self) -> (&'static str, &'static str) {
        match self {
            Self::Checkpoint { .. } => ("checkpoint-invalid", "检查点不可信"),
            Self::Inconsistent { .. } => ("checkpoints-inconsistent", "检查点互不一致：日志有两个版本"),
            Self::RolledBack { .. } => ("rolled-back", "日志被回退"),
            Self::Unwitnessed { .. } => ("unwitnessed", "没有达到法定数的见证"),
            Self::WitnessesLag { .. } => ("witnesses-lag", "见证滞后"),
            Self::Tile { .. } => ("tile-wrong", "瓦片缺失或不符"),
            Self::OtherEntries { .. } => ("entries-other", "条目与检查点不符"),
            Self::OtherFounding { .. } => ("founding-other", "创建登记与信任文件不符"),
            Self::Leaf { .. } => ("leaf-invalid", "条目无效"),
            Self::Unsubmitted(_) => ("act-not-submitted", "以本机构密钥签署而本机构未曾提交的行为"),
        }
    }

    /// The log's key has contradicted itself, or its owner what he showed before: both notes are evidence.
    #[must_use]
    pub fn is_of_two_checkpoints(&self) -> bool {
        matches!(self, Self::Inconsistent { .. } | Self::RolledBack { .. })
    }
}
