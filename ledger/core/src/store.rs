//! Where the sealer keeps its last checkpoint, as a contract.

use std::{fmt, io};

/// Checkpoints found in a store.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct StoredCheckpoints {
    /// The last one that was synced; it must be intact.
    pub synced: Option<String>,
    /// One that was stored after it; a power cut may have spoilt it.
    pub unsynced: Option<String>,
}

/// Keeps the last checkpoint.
pub trait CheckpointStore: Send + Sync + fmt::Debug + 'static {
    /// What is stored.
    ///
    /// # Errors
    /// It cannot be read.
    fn load(&self) -> io::Result<StoredCheckpoints>;

    /// Stores a checkpoint: it survives the death of the process, and a power cut from the next [`Self::sync`] on.
    ///
    /// # Errors
    /// It cannot be written; what was synced is untouched.
    fn store(&self, note: &str) -> io::Result<()>;

    /// Makes what was stored survive a power cut.
    ///
    /// # Errors
    /// It cannot be synced; the caller stores it again before it syncs again.
    fn sync(&self) -> io::Result<()>;

    /// Whether an operation may hold up whoever calls it, so that it belongs on a thread of its own.
    fn blocks(&self) -> bool {
        true
    }
}

/// Keeps the last checkpoint that a quorum of witnesses has cosigned.
pub trait WitnessedStore: Send + Sync + fmt::Debug + 'static {
    /// The note that was stored last, if any.
    ///
    /// # Errors
    /// It cannot be read.
    fn load(&self) -> io::Result<Option<String>>;

    /// Stores a note in place of the one before: it survives a power cut when this returns, and until then the one
    /// before does.
    ///
    /// # Errors
    /// It cannot be stored; one of the two is there, whole.
    fn store(&self, note: &str) -> io::Result<()>;
}
