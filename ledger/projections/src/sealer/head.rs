//! A tree head as it is shown: the checkpoint of the tree, and with a twin that of the twin, of the same size.
//!
//! ```text
//! ledger.example/main ⏎ 7 ⏎ root ⏎ ⏎ — signatures ⏎        the note of the checkpoint
//! ⏎                                                         only with a twin, whose note follows
//! ledger.example/main/sm3 ⏎ 7 ⏎ root ⏎ ⏎ — signature ⏎
//! ```
//!
//! In the heads' stream both stand in one record, so that one append decides about both.

use bytes::Bytes;
use mediation_ledger::{
    checkpoint::{Checkpoint, CheckpointError},
    merkle::TreeSize,
    note::{KeyName, VerifierKey},
};

/// A checkpoint, and the note around it as it was signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Signed {
    pub(super) checkpoint: Checkpoint,
    pub(super) note: String,
}

impl Signed {
    pub(super) fn open(note: &str, origin: &KeyName, keys: &[VerifierKey]) -> Result<Self, CheckpointError> {
        let checkpoint = Checkpoint::open(note.as_bytes(), origin, keys)?.checkpoint;
        Ok(Self { checkpoint, note: note.to_owned() })
    }
}

/// Head of the tree, and of its twin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SignedHead {
    pub(super) tree: Signed,
    /// None without a twin, and while the twin is behind.
    pub(super) twin: Option<Signed>,
}

impl SignedHead {
    pub(super) fn size(&self) -> TreeSize {
        self.tree.checkpoint.size
    }

    /// The record of the heads' stream.
    pub(super) fn to_bytes(&self) -> Bytes {
        let twin = self.twin.as_ref().map(|twin| format!("\n{}", twin.note));
        format!("{}{}", self.tree.note, twin.unwrap_or_default()).into()
    }

    /// Reads a record of the heads' stream and checks who signed it. `twin` is the key of the twin of this log, if it has
    /// one.
    pub(super) fn open(
        record: &[u8],
        origin: &KeyName,
        keys: &[VerifierKey],
        twin: Option<&VerifierKey>,
    ) -> Result<Self, HeadError> {
        let text = str::from_utf8(record).map_err(|_| HeadError::NotUtf8)?;
        // The text of a checkpoint has no empty line: the first one is before its signatures, the next one behind them.
        let signatures = text.find(EMPTY_LINE).map_or(text.len(), |at| at + EMPTY_LINE.len());
        let (note, rest) = match text.get(signatures..).and_then(|rest| rest.find(EMPTY_LINE)) {
            None => (text, None),
            Some(at) => {
                let (note, rest) = text.split_at(signatures + at + 1);
                (note, rest.strip_prefix('\n'))
            }
        };
        let tree = Signed::open(note, origin, keys)?;
        let Some(rest) = rest else { return Ok(Self { tree, twin: None }) };
        let key = twin.ok_or(HeadError::NoTwin)?;
        let twin = Signed::open(rest, key.name(), std::slice::from_ref(key))?;
        let (size, twin_size) = (tree.checkpoint.size, twin.checkpoint.size);
        if size != twin_size {
            return Err(HeadError::Sizes { size, twin: twin_size });
        }
        Ok(Self { tree, twin: Some(twin) })
    }
}

const EMPTY_LINE: &str = "\n\n";

/// Why a record is no head.
#[derive(Debug, thiserror::Error)]
pub(super) enum HeadError {
    #[error("not UTF-8")]
    NotUtf8,
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    #[error("a second note, and the log has no twin")]
    NoTwin,
    #[error("the tree has {size} leaves, its twin {twin}")]
    Sizes { size: TreeSize, twin: TreeSize },
}
