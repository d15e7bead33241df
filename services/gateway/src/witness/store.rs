//! What a witness remembers: one file for each log, and the one step of checking and storing.
//!
//! ```text
//! STATE/lock                             held while the witness runs: two would cosign past each other
//! STATE/<hex SHA-256(origin)>.checkpoint  note that was cosigned last, with the log's signature and the witness's
//!
//! check the request against the last checkpoint      under the lock of this log
//! cosign, write <…>.new, fsync it                     a crash here leaves the last checkpoint as it was
//! rename, fsync the directory                         from here on the new one is the last, whatever happens
//! remember it, answer                                 a crash before leaves a cosignature that nobody was given
//! ```

use std::{
    collections::BTreeMap,
    fmt,
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, Write as _},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use ed25519_dalek::SigningKey;
use mediation_ledger::{
    checkpoint::{Checkpoint, CheckpointError},
    clock::Clock,
    note::{KeyName, Note, NoteError, Signature, SignatureType, VerifierKey, VerifierKeyError},
    witness::{Rejection, Submission, origin_digest},
};

/// A witness.
pub struct Witness {
    name: KeyName,
    key: SigningKey,
    clock: Arc<dyn Clock>,
    directory: PathBuf,
    /// Keys of the logs that it cosigns.
    logs: Vec<VerifierKey>,
    /// By digest of the origin. Each log has its own lock: a slow disk holds up one log's next request, not another's.
    last: BTreeMap<String, Mutex<Option<Last>>>,
    _lock: File,
}

/// What was cosigned last of a log.
struct Last {
    checkpoint: Checkpoint,
    note: String,
}

impl Witness {
    /// Opens the state of a witness, which must exist: a state that is created by accident has forgotten everything.
    ///
    /// # Errors
    /// The directory is not there, another process has it, or what it holds is not what this witness has cosigned.
    pub fn open(
        directory: &Path,
        name: KeyName,
        key: SigningKey,
        logs: Vec<VerifierKey>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, WitnessError> {
        let verifier = VerifierKey::new(name.clone(), SignatureType::CosignatureV1, key.verifying_key())?;
        let file = OpenOptions::new().write(true).create(true).truncate(false).open(directory.join("lock"))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(WitnessError::Held { directory: directory.to_owned() }),
            Err(TryLockError::Error(error)) => return Err(error.into()),
        }
        let mut last = BTreeMap::new();
        for log in &logs {
            if log.signature_type() == SignatureType::CosignatureV1 {
                return Err(WitnessError::NoLogKey { name: log.name().clone() });
            }
            let digest = origin_digest(log.name());
            let path = directory.join(file_name(&digest));
            let read = read(&path, log.name(), &verifier);
            last.insert(digest, Mutex::new(read.map_err(|source| WitnessError::Damaged { path, source })?));
        }
        Ok(Self { name, key, clock, directory: directory.to_owned(), logs, last, _lock: file })
    }

    /// Cosigns the checkpoint of a request, if it extends the one that was cosigned last, and stores it before it answers.
    /// Blocks until it is on the disk.
    ///
    /// # Errors
    /// [`Refused`]; what was cosigned last stays as it was.
    pub fn add_checkpoint(&self, body: &[u8]) -> Result<Signature, Refused> {
        let submission = Submission::read(body, &self.logs)?;
        let origin = submission.checkpoint().origin.clone();
        let digest = origin_digest(&origin);
        let Some(last) = self.last.get(&digest) else {
            return Err(Rejection::UnknownOrigin { origin: origin.to_string() }.into());
        };
        // A thread that died within this left memory as it was: it is set last.
        let mut last = last.lock().unwrap_or_else(PoisonError::into_inner);
        submission.check(last.as_ref().map(|last| &last.checkpoint))?;
        let time = u64::try_from(self.clock.now_ms() / 1000).unwrap_or_default();
        let note = submission.cosigned(&self.name, &self.key, time).map_err(Rejection::NotSigned)?;
        let own = note.signatures().last().cloned();
        let signature = own.ok_or_else(|| Refused::NotStored(io::Error::other("the note has no signature")))?;
        let note = note.to_string();
        self.store(&digest, &note).map_err(Refused::NotStored)?;
        let checkpoint = submission.checkpoint().clone();
        tracing::debug!(%origin, size = checkpoint.size.0, "cosigned");
        *last = Some(Last { checkpoint, note });
        Ok(signature)
    }

    /// Note that was cosigned last of the log whose origin has this digest.
    #[must_use]
    pub fn last(&self, origin_digest: &str) -> Option<String> {
        let last = self.last.get(origin_digest)?.lock().unwrap_or_else(PoisonError::into_inner);
        last.as_ref().map(|last| last.note.clone())
    }

    fn store(&self, digest: &str, note: &str) -> io::Result<()> {
        let path = self.directory.join(file_name(digest));
        let new = path.with_extension("new");
        let mut file = File::create(&new)?;
        file.write_all(note.as_bytes())?;
        file.sync_all()?;
        fs::rename(&new, &path)?;
        File::open(&self.directory)?.sync_all()
    }
}

impl fmt::Debug for Witness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Witness").field("name", &self.name).field("directory", &self.directory).finish_non_exhaustive()
    }
}

fn file_name(digest: &str) -> String {
    format!("{digest}.checkpoint")
}

/// What was cosigned last of a log; none when there is no file. The log's key may have been replaced since: it is the
/// witness's own signature that says what it has cosigned.
fn read(path: &Path, origin: &KeyName, witness: &VerifierKey) -> Result<Option<Last>, DamagedState> {
    let bytes = match fs::read(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        read => read?,
    };
    let note = Note::parse(&bytes)?;
    note.verify(std::slice::from_ref(witness))?;
    let checkpoint: Checkpoint = note.text().parse()?;
    if checkpoint.origin != *origin {
        return Err(CheckpointError::WrongOrigin { expected: origin.clone(), found: checkpoint.origin }.into());
    }
    Ok(Some(Last { checkpoint, note: note.to_string() }))
}

/// Why a request gets no cosignature.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Refused {
    /// The rules say no.
    #[error(transparent)]
    Rejected(#[from] Rejection),
    /// The checkpoint cannot be stored.
    #[error("the checkpoint cannot be stored")]
    NotStored(#[source] io::Error),
}

/// Why a witness does not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WitnessError {
    /// The directory cannot be used.
    #[error("the state of the witness cannot be used")]
    Io(#[from] io::Error),
    /// Another process has it.
    #[error("another process uses the state of the witness in `{}`", directory.display())]
    Held {
        /// The directory.
        directory: PathBuf,
    },
    /// The witness's key cannot be used.
    #[error(transparent)]
    Key(#[from] VerifierKeyError),
    /// A key that was given as a log's is a witness's.
    #[error("the key of `{name}` is one of a witness, not of a log")]
    NoLogKey {
        /// Its name.
        name: KeyName,
    },
    /// A file of the state is not what this witness has written. Cosigning from here could be cosigning backwards.
    #[error("`{}` is not what this witness has cosigned", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: DamagedState,
    },
}

/// What is wrong with a file of the state.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DamagedState {
    /// It cannot be read.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// It is no note, or not signed by this witness.
    #[error(transparent)]
    Note(#[from] NoteError),
    /// It is no checkpoint of this log.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
}
