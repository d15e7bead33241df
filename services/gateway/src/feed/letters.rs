//! What a subscriber has had, and what he would not take: on the disk, so that a crash loses neither.
//!
//! ```text
//! STATE/lock                  held while a gateway delivers: two would not keep the order
//! STATE/cursor                leaf from which on the subscriber is to be told
//! STATE/letters/<index>.json  dead letters: events that he did not take
//! STATE/again/<index>.json    dead letters that the operator wants to be sent again
//!
//! deliver, or write the letter and fsync it     a crash here tells the subscriber again: at least once
//! write the cursor, fsync, rename, fsync        a crash before leaves the last one
//! ```
//!
//! The process that delivers alone adds and removes letters; the operator only moves them from `letters` to `again`.

use std::{
    collections::BTreeMap,
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, Write as _},
    path::{Path, PathBuf},
};

use mediation_ledger::chain::ChainId;
use serde::{Deserialize, Serialize};

use super::Event;

/// Letters of a subscriber. With as many nothing more is given up: the next event is tried until he takes it.
pub(super) const LETTERS_MAX: usize = 10_000;

/// An event that was not taken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Letter {
    /// Leaf index.
    pub index: u64,
    /// Chain.
    pub chain: String,
    /// The CloudEvent.
    pub event: String,
    /// Why it was given up.
    pub why: String,
}

/// What is kept of a subscriber.
#[derive(Debug)]
pub struct Letters {
    root: PathBuf,
    /// Chains of all letters, by their index: both those that wait for the operator and those that are sent again.
    chains: BTreeMap<u64, String>,
    _lock: File,
}

impl Letters {
    /// Makes the state of a new subscriber, who is told from a leaf on.
    ///
    /// # Errors
    /// There is one already, or it cannot be written.
    pub fn create(root: &Path, cursor: u64) -> Result<(), LettersError> {
        fs::create_dir_all(root.parent().unwrap_or(root))?;
        fs::create_dir(root)?;
        fs::create_dir(root.join(LETTERS))?;
        fs::create_dir(root.join(AGAIN))?;
        replace(&root.join(CURSOR), format!("{cursor}\n").as_bytes())?;
        Ok(())
    }

    /// Opens the state of a subscriber, which must exist: one that is created by accident would tell him everything again.
    ///
    /// # Errors
    /// It is not there, another process has it, or a letter in it cannot be read.
    pub fn open(root: &Path) -> Result<Self, LettersError> {
        let lock = OpenOptions::new().write(true).create(true).truncate(false).open(root.join("lock"))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(LettersError::Held { directory: root.to_owned() }),
            Err(TryLockError::Error(error)) => return Err(error.into()),
        }
        let mut chains = BTreeMap::new();
        for directory in [LETTERS, AGAIN] {
            chains.extend(listed(&root.join(directory))?.into_iter().map(|letter| (letter.index, letter.chain)));
        }
        Ok(Self { root: root.to_owned(), chains, _lock: lock })
    }

    /// Leaf from which on he is to be told.
    ///
    /// # Errors
    /// The file cannot be read, or holds no number.
    pub fn cursor(&self) -> Result<u64, LettersError> {
        let path = self.root.join(CURSOR);
        let text = fs::read_to_string(&path)?;
        text.trim_end().parse().map_err(|_| LettersError::Damaged { path })
    }

    /// He has had everything before this leaf, or it lies among the letters.
    pub(super) fn advance(&self, cursor: u64) -> Result<(), LettersError> {
        Ok(replace(&self.root.join(CURSOR), format!("{cursor}\n").as_bytes())?)
    }

    pub(super) fn is_full(&self) -> bool {
        self.chains.len() >= LETTERS_MAX
    }

    /// Whether an earlier event of the chain lies among the letters: what comes later waits behind it.
    pub(super) fn is_behind(&self, chain: ChainId) -> bool {
        let chain = chain.to_string();
        self.chains.values().any(|other| *other == chain)
    }

    /// Keeps what was not taken.
    pub(super) fn keep(&mut self, event: &Event, why: &str) -> Result<(), LettersError> {
        let (index, chain) = (event.index, event.chain.to_string());
        let letter = Letter { index, chain: chain.clone(), event: event.json.clone(), why: why.to_owned() };
        let bytes = serde_json::to_vec(&letter).map_err(io::Error::other)?;
        replace(&self.file(LETTERS, index), &bytes)?;
        self.chains.insert(index, chain);
        Ok(())
    }

    /// Letters to be sent again, in their order, of each chain those alone that no earlier letter stands before.
    pub(super) fn again(&self) -> Result<Vec<Letter>, LettersError> {
        let again = listed(&self.root.join(AGAIN))?;
        if again.is_empty() {
            // As it nearly always is: this is asked before each event, and the dead letters may be many.
            return Ok(again);
        }
        let waiting = listed(&self.root.join(LETTERS))?;
        let is_free =
            |letter: &Letter| !waiting.iter().any(|other| other.chain == letter.chain && other.index < letter.index);
        Ok(again.into_iter().filter(is_free).collect())
    }

    /// A letter that was sent again was taken.
    pub(super) fn taken(&mut self, index: u64) -> Result<(), LettersError> {
        fs::remove_file(self.file(AGAIN, index))?;
        File::open(self.root.join(AGAIN))?.sync_all()?;
        self.chains.remove(&index);
        Ok(())
    }

    /// A letter that was sent again was not taken, and waits for the operator once more.
    pub(super) fn refused(&self, index: u64) -> Result<(), LettersError> {
        fs::rename(self.file(AGAIN, index), self.file(LETTERS, index))?;
        Ok(File::open(self.root.join(LETTERS))?.sync_all()?)
    }

    fn file(&self, directory: &str, index: u64) -> PathBuf {
        self.root.join(directory).join(name(index))
    }

    /// The dead letters of a subscriber, whether or not somebody delivers to him.
    ///
    /// # Errors
    /// One cannot be read.
    pub fn dead(root: &Path) -> Result<Vec<Letter>, LettersError> {
        listed(&root.join(LETTERS))
    }

    /// Has dead letters sent again: these, or all. Answers how many there were.
    ///
    /// # Errors
    /// One is not there, or cannot be moved.
    pub fn resend(root: &Path, indexes: &[u64]) -> Result<usize, LettersError> {
        let all: Vec<u64> = Self::dead(root)?.into_iter().map(|letter| letter.index).collect();
        let chosen = if indexes.is_empty() { all.as_slice() } else { indexes };
        for index in chosen {
            fs::rename(root.join(LETTERS).join(name(*index)), root.join(AGAIN).join(name(*index)))?;
        }
        File::open(root.join(AGAIN))?.sync_all()?;
        Ok(chosen.len())
    }
}

const LETTERS: &str = "letters";
const AGAIN: &str = "again";
const CURSOR: &str = "cursor";

fn name(index: u64) -> String {
    format!("{index:020}.json")
}

/// The letters of a directory, in the order of their leaves. One that is moved away meanwhile is not among them.
fn listed(directory: &Path) -> Result<Vec<Letter>, LettersError> {
    let mut letters = Vec::new();
    for file in fs::read_dir(directory)? {
        let path = file?.path();
        if path.extension().is_none_or(|extension| extension != "json") {
            continue;
        }
        let bytes = match fs::read(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            read => read?,
        };
        letters.push(serde_json::from_slice(&bytes).map_err(|_| LettersError::Damaged { path })?);
    }
    letters.sort_by_key(|letter: &Letter| letter.index);
    Ok(letters)
}

/// Gives a file another content in one step, which a power cut leaves whole or not at all.
fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let new = path.with_extension("new");
    let mut file = File::create(&new)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&new, path)?;
    File::open(path.parent().unwrap_or(path))?.sync_all()
}

/// Why the state of a subscriber cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LettersError {
    /// Another process delivers.
    #[error("another gateway delivers from `{directory}`")]
    Held {
        /// The state.
        directory: PathBuf,
    },
    /// A file is not one that was written here.
    #[error("`{path}` was not written by a gateway")]
    Damaged {
        /// The file.
        path: PathBuf,
    },
    /// The disk.
    #[error(transparent)]
    Io(#[from] io::Error),
}
