//! Where the model lies, and how one takes the place of another.
//!
//! ```text
//! models/ledger.sqlite        the model that is asked
//! models/ledger.sqlite.new    one that is being built; takes the place of the other when it is complete
//! models/ledger.sqlite.load   one that is being loaded; becomes the new one when it is whole, and is nothing before
//! ```
//!
//! A crash leaves the old one, the new one, or both; never a file with the journal of another.

use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
    sync::{Arc, PoisonError, RwLock, RwLockReadGuard},
};

use rusqlite::{Connection, OpenFlags};

use super::{Error, steps::Steps};

/// Name of the model that is asked.
pub const NAME: &str = "ledger.sqlite";

/// Time that a connection waits for another one, an auditor's tool for instance.
const BUSY_TIMEOUT_MS: u64 = 5_000;

/// Statements that a connection that writes begins with. What is lost at a power cut is read from the log once more, and
/// what is replaced is overwritten.
const PRAGMAS: &str = "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA secure_delete = ON;
    PRAGMA foreign_keys = OFF; PRAGMA temp_store = MEMORY; PRAGMA cache_size = -65536;";

/// Statements that a file is loaded with. When that is cut off, the file is thrown away.
const LOAD_PRAGMAS: &str = "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA locking_mode = EXCLUSIVE;
    PRAGMA foreign_keys = OFF; PRAGMA temp_store = MEMORY; PRAGMA cache_size = -65536; PRAGMA threads = 2;";

/// The files of a model.
#[derive(Debug, Clone)]
pub(super) struct Place {
    directory: PathBuf,
    /// Held while one model takes the place of another, so that nobody opens the half of each.
    gate: Arc<RwLock<()>>,
    pub(super) steps: Steps,
}

/// Which of the files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Which {
    /// The one that is asked.
    Current,
    /// The one that is being built.
    New,
    /// The one that is being loaded.
    Load,
}

impl Place {
    pub(super) fn new(directory: &Path) -> Self {
        Self { directory: directory.to_owned(), gate: Arc::default(), steps: Steps::default() }
    }

    pub(super) fn path(&self, which: Which) -> PathBuf {
        let name = match which {
            Which::Current => NAME.to_owned(),
            Which::New => format!("{NAME}.new"),
            Which::Load => format!("{NAME}.load"),
        };
        self.directory.join(name)
    }

    /// Opens a file to be written; makes an empty one where none is.
    pub(super) fn open(&self, which: Which) -> Result<Connection, Error> {
        fs::create_dir_all(&self.directory)?;
        let path = self.path(which);
        if !path.exists() {
            // A crash may have left the journal of one that is gone.
            self.remove(which)?;
        }
        let connection = Connection::open(path)?;
        connection.busy_timeout(std::time::Duration::from_millis(BUSY_TIMEOUT_MS))?;
        connection.execute_batch(PRAGMAS)?;
        Ok(connection)
    }

    /// Opens an empty file to be loaded, in the place of what an earlier attempt left.
    pub(super) fn open_load(&self) -> Result<Connection, Error> {
        fs::create_dir_all(&self.directory)?;
        self.remove(Which::Load)?;
        let connection = Connection::open(self.path(Which::Load))?;
        connection.execute_batch(LOAD_PRAGMAS)?;
        Ok(connection)
    }

    /// Makes the file that was loaded, which is closed, the one that is being built: it is complete.
    pub(super) fn loaded(&self) -> Result<(), Error> {
        self.steps.take()?;
        File::open(self.path(Which::Load))?.sync_all()?;
        self.remove(Which::New)?;
        self.steps.take()?;
        fs::rename(self.path(Which::Load), self.path(Which::New))?;
        self.sync()?;
        self.steps.take()
    }

    /// Opens the model that is asked, to be read; none where there is none yet. The guard keeps it in its place.
    pub(super) fn read(&self) -> Result<Option<(RwLockReadGuard<'_, ()>, Connection)>, Error> {
        let guard = self.gate.read().unwrap_or_else(PoisonError::into_inner);
        let path = self.path(Which::Current);
        if !path.exists() {
            return Ok(None);
        }
        let connection = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
        connection.busy_timeout(std::time::Duration::from_millis(BUSY_TIMEOUT_MS))?;
        Ok(Some((guard, connection)))
    }

    /// Removes a file and what belongs to it. The file goes first: without its journal it may be half of one.
    pub(super) fn remove(&self, which: Which) -> Result<(), Error> {
        let path = self.path(which);
        for suffix in ["", "-wal", "-shm", "-journal"] {
            let mut name = path.clone().into_os_string();
            name.push(suffix);
            self.steps.take()?;
            match fs::remove_file(&name) {
                Ok(()) => self.sync()?,
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// Removes all of them: none can be gone on with.
    pub(super) fn discard(&self) -> Result<(), Error> {
        let _guard = self.gate.write().unwrap_or_else(PoisonError::into_inner);
        self.remove(Which::Current)?;
        self.remove(Which::New)?;
        self.remove(Which::Load)
    }

    /// Puts the new model, which is closed and has no journal any more, in the place of the other.
    pub(super) fn swap(&self) -> Result<(), Error> {
        let _guard = self.gate.write().unwrap_or_else(PoisonError::into_inner);
        let new = self.path(Which::New);
        File::open(&new)?.sync_all()?;
        self.remove(Which::Current)?;
        self.steps.take()?;
        // A crash before this leaves the new one alone: it is complete, and the next start swaps it.
        fs::rename(&new, self.path(Which::Current))?;
        self.sync()?;
        self.steps.take()
    }

    fn sync(&self) -> io::Result<()> {
        File::open(&self.directory)?.sync_all()
    }
}
