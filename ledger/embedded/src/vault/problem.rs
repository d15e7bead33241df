//! What can be wrong with the files of a vault, and where.

use std::{fmt, path::PathBuf};

/// Something wrong, with its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// File or directory.
    pub file: PathBuf,
    /// Byte in the file where the broken structure begins.
    pub offset: u64,
    /// What is wrong.
    pub problem: Problem,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` at byte {}: {}", self.file.display(), self.offset, self.problem)
    }
}

impl std::error::Error for Fault {}

/// What is wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Problem {
    /// The disk did not give the bytes.
    #[error("it cannot be read: {0}")]
    Unreadable(String),
    /// Nothing of this name belongs here.
    #[error("an unexpected file")]
    UnexpectedFile,
    /// The file of the key-encryption key is no such file, or its bytes changed.
    #[error("the key-encryption key is damaged")]
    Kek,
    /// A newer version of the program wrote it.
    #[error(
        "the vault has format version {found}, this program reads version {known}: open it with a newer `mediation` · 保管库格式版本为 {found}，本程序只能读取版本 {known}，请使用较新的 mediation"
    )]
    Version {
        /// Version in the file.
        found: u32,
        /// Newest version that this program reads.
        known: u32,
    },
    /// The file does not begin with the head of a vault, or a head stands elsewhere.
    #[error("the head of the vault is damaged or misplaced")]
    Head,
    /// The vault is one of another ledger.
    #[error("the vault belongs to another origin")]
    Origin,
    /// The key-encryption key beside it is not the one that the vault was made with.
    #[error("the key-encryption key is one of another vault")]
    WrongKek,
    /// The key-encryption key is kept elsewhere and cannot be used, so that no wrap was opened from here on.
    #[error("no wrap is opened: {0}")]
    KekAway(String),
    /// Bytes of a slot changed.
    #[error("the slot is damaged")]
    Slot,
    /// A crash cut a deposit short that nobody was told is kept, or unused space is not zero.
    #[error("a deposit was cut short, or unused space is not zero")]
    Torn,
    /// Rows are missing before rows that were written after them.
    #[error("rows that were durable are missing")]
    Gap,
    /// A row stands where its group does not.
    #[error("the row stands outside of its group")]
    Misplaced,
    /// A wrap names a slot that holds no holder's key.
    #[error("the wrap names no key of a holder")]
    UnknownHolder,
    /// A destruction names a slot that holds no wrap of that part.
    #[error("the destruction names no wrap of the part")]
    UnknownWrap,
    /// A wrap whose destruction is announced still stands: a crash came in between, and opening the vault ends it.
    #[error("the destruction of the wrap is not done")]
    Undestroyed,
    /// In the place of a wrap it says that it was destroyed, and no destruction announces that.
    #[error("a wrap is gone that nobody announced to destroy")]
    Unannounced,
    /// A holder has two keys.
    #[error("the holder has a key already")]
    SecondKey,
    /// A wrapped key does not open under the key that wraps it.
    #[error("the wrapped key does not open")]
    Unopenable,
}
