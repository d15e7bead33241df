//! The book of the numbers that an intake has given: one line for each matter, synced before the ledger is asked to record it.
//!
//! ```text
//! {"number":"JF3602032026112750012","chain":"…","party":"psn_…","occurred_at":1795737600}\n
//! ```
//!
//! A crash after the line leaves a number that is given and not recorded; whoever hands the same matter in again gets the same one. A
//! torn last line is cut: nobody was told of it.

use std::{
    collections::BTreeMap,
    fs::{File, OpenOptions, TryLockError},
    io::{self, Read as _, Seek as _, SeekFrom, Write as _},
    path::{Path, PathBuf},
};

use mediation_domain::{calendar::Day, identity::mod_11_2};
use mediation_ledger::chain::ChainId;
use serde::{Deserialize, Serialize};

/// The first serial of a day that an intake gives: those below are for desks that count by hand.
const FIRST_SERIAL: u16 = 5_001;

/// The last serial that a number has digits for.
const LAST_SERIAL: u16 = 9_999;

/// What was written down of a matter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Noted {
    /// 纠纷链号.
    pub(super) number: String,
    pub(super) chain: String,
    /// Pseudonym of the party whose matter it is: the first one.
    pub(super) party: String,
    /// Seconds since 1970-01-01T00:00:00Z.
    pub(super) occurred_at: i64,
}

/// The book.
#[derive(Debug)]
pub struct Book {
    file: File,
    /// Bytes of whole lines; a failed write is cut back to them.
    length: u64,
    by_chain: BTreeMap<String, Noted>,
    by_number: BTreeMap<String, String>,
    /// Last serial, by division and day.
    serials: BTreeMap<(String, String), u16>,
    /// The file is not what it should be: nothing more is written.
    is_broken: bool,
}

/// Why a number cannot be given.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BookError {
    /// The book cannot be read or written.
    #[error("the book cannot be read or written")]
    File(#[from] io::Error),
    /// Another process has it.
    #[error("another process uses the book `{path}`")]
    InUse {
        /// The book.
        path: PathBuf,
    },
    /// A line that is not the last says nothing.
    #[error("line {line} of the book `{path}` is damaged")]
    Damaged {
        /// The book.
        path: PathBuf,
        /// Line, from 1.
        line: usize,
    },
    /// All serials of the day are given.
    #[error("all numbers of {day} are given for division {division}")]
    Exhausted {
        /// First six digits of the division.
        division: String,
        /// The day.
        day: String,
    },
}

impl Book {
    /// Opens a book, or begins one.
    ///
    /// # Errors
    /// [`BookError`].
    pub fn open(path: &Path) -> Result<Self, BookError> {
        let mut file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(BookError::InUse { path: path.to_owned() }),
            Err(TryLockError::Error(error)) => return Err(error.into()),
        }
        let mut text = String::new();
        file.read_to_string(&mut text)?;
        let mut book = Self {
            file,
            length: 0,
            by_chain: BTreeMap::new(),
            by_number: BTreeMap::new(),
            serials: BTreeMap::new(),
            is_broken: false,
        };
        let whole = text.rfind('\n').map_or(0, |end| end + 1);
        for (line, number) in text.get(..whole).unwrap_or_default().lines().zip(1..) {
            let damaged = || BookError::Damaged { path: path.to_owned(), line: number };
            book.remember(serde_json::from_str(line).map_err(|_| damaged())?).ok_or_else(damaged)?;
        }
        book.length = whole as u64;
        book.file.set_len(book.length)?;
        book.file.seek(SeekFrom::Start(book.length))?;
        book.file.sync_all()?;
        if let Some(directory) = path.parent().filter(|directory| !directory.as_os_str().is_empty()) {
            File::open(directory)?.sync_all()?;
        }
        Ok(book)
    }

    /// What is written down of the matter of a chain; written down now, and durable, if nothing is.
    pub(super) fn note(
        &mut self,
        chain: ChainId,
        (party, division): (&str, &str),
        now: i64,
    ) -> Result<Noted, BookError> {
        if let Some(noted) = self.by_chain.get(&chain.to_string()) {
            return Ok(noted.clone());
        }
        if self.is_broken {
            return Err(io::Error::other("an earlier write failed; the process must be started anew").into());
        }
        let division = division.get(..6).unwrap_or(division).to_owned();
        let day = Day::of(now).to_string().replace('-', "");
        let serial = self.serials.get(&(division.clone(), day.clone())).map_or(FIRST_SERIAL, |last| last + 1);
        if serial > LAST_SERIAL {
            return Err(BookError::Exhausted { division, day });
        }
        let digits = format!("{division}{day}{serial:04}");
        let number = format!("JF{digits}{}", mod_11_2(&digits));
        let noted = Noted { number, chain: chain.to_string(), party: party.to_owned(), occurred_at: now };
        self.write(&noted)?;
        // What was just made is well formed.
        self.remember(noted.clone()).ok_or_else(|| io::Error::other("a number was made that is none"))?;
        Ok(noted)
    }

    /// The matter of a number.
    pub(super) fn find(&self, number: &str) -> Option<Noted> {
        self.by_chain.get(self.by_number.get(number)?).cloned()
    }

    fn write(&mut self, noted: &Noted) -> Result<(), BookError> {
        let mut line = serde_json::to_vec(noted).map_err(io::Error::other)?;
        line.push(b'\n');
        let written = self.file.write_all(&line).and_then(|()| self.file.sync_data());
        if let Err(error) = written {
            // What a failed sync leaves on the disk nobody knows: it is read again by the next process.
            self.is_broken = true;
            return Err(error.into());
        }
        self.length += line.len() as u64;
        Ok(())
    }

    /// Takes a line into account; none when it is no number.
    fn remember(&mut self, noted: Noted) -> Option<()> {
        let division = noted.number.get(2..8)?.to_owned();
        let day = noted.number.get(8..16)?.to_owned();
        let serial: u16 = noted.number.get(16..20)?.parse().ok()?;
        let last = self.serials.entry((division, day)).or_default();
        *last = serial.max(*last);
        self.by_number.insert(noted.number.clone(), noted.chain.clone());
        self.by_chain.insert(noted.chain.clone(), noted);
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2026-11-27, 12:00 in Shanghai.
    const NOON: i64 = 1_795_752_000;

    fn chain(number: u8) -> ChainId {
        ChainId([number; 16])
    }

    #[test]
    fn a_number_is_given_once_and_the_same_again_also_by_another_process() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("book");
        let mut book = Book::open(&path).unwrap();
        let first = book.note(chain(1), ("psn_1", "360203006"), NOON).unwrap();
        let second = book.note(chain(2), ("psn_1", "360203"), NOON).unwrap();
        assert_eq!(
            (first.number.get(..20), second.number.get(..20)),
            (Some("JF360203202611275001"), Some("JF360203202611275002"))
        );
        assert_eq!(book.note(chain(1), ("psn_1", "360203006"), NOON + 90_000).unwrap(), first);
        assert!(matches!(Book::open(&path), Err(BookError::InUse { .. })));
        drop(book);

        let mut again = Book::open(&path).unwrap();
        assert_eq!(again.find(&second.number), Some(second));
        assert_eq!(again.note(chain(3), ("psn_1", "360203"), NOON).unwrap().number.get(16..20), Some("5003"));
        assert_eq!(again.note(chain(4), ("psn_1", "360281"), NOON).unwrap().number.get(16..20), Some("5001"));
        assert_eq!(again.note(chain(5), ("psn_1", "360203"), NOON + 86_400).unwrap().number.get(16..20), Some("5001"));
    }

    #[test]
    fn a_torn_line_is_cut_and_a_damaged_one_is_named() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("book");
        let mut book = Book::open(&path).unwrap();
        book.note(chain(1), ("psn_1", "360203"), NOON).unwrap();
        drop(book);
        let whole = std::fs::read(&path).unwrap();
        std::fs::write(&path, [&whole[..], &whole[..whole.len() / 2]].concat()).unwrap();
        let mut book = Book::open(&path).unwrap();
        assert_eq!(book.note(chain(2), ("psn_1", "360203"), NOON).unwrap().number.get(16..20), Some("5002"));
        drop(book);
        let mut damaged = std::fs::read(&path).unwrap();
        damaged[3] ^= 1;
        std::fs::write(&path, damaged).unwrap();
        assert!(matches!(Book::open(&path), Err(BookError::Damaged { line: 1, .. })));
    }

    #[test]
    fn when_the_numbers_of_a_day_are_given_it_says_so() {
        let directory = tempfile::tempdir().unwrap();
        let mut book = Book::open(&directory.path().join("book")).unwrap();
        book.serials.insert(("360203".to_owned(), "20261127".to_owned()), LAST_SERIAL);
        assert!(matches!(book.note(chain(1), ("psn_1", "360203"), NOON), Err(BookError::Exhausted { .. })));
        assert!(book.note(chain(1), ("psn_1", "360203"), NOON + 86_400).is_ok());
    }
}
