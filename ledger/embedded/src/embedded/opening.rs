//! Creating and opening: the only code that decides what of a log is kept.

use std::{
    io,
    path::{Path, PathBuf},
    sync::{Arc, PoisonError, RwLock},
};

use mediation_ledger::{
    chain::ChainId,
    merkle::{Hash, LeafIndex},
};
use sha2::{Digest as _, Sha256};
use tokio::sync::watch;

use super::{Options, SEGMENT_BYTES_MAX, SEGMENT_BYTES_MIN};
use crate::{
    committer::Committer,
    disk::{Access, Disk, DiskLock, LockError},
    index::{Index, SegmentFile},
    scan::{BatchFound, Expected, Scan, log_dir, scan},
    segment::{Fault, PAYLOAD_BYTES_MAX, Problem, SEGMENT_HEADER_BYTES, SPARE_NAME, SegmentHeader},
    spare::{self, Failure, is_no_space},
    trouble::Troubles,
};

/// Why a log was not created.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CreateError {
    /// There is one already.
    #[error("there is a log in `{}` already", .dir.display())]
    Exists {
        /// Directory.
        dir: PathBuf,
    },
    /// An option is out of its bounds.
    #[error("{0}")]
    Options(#[from] OptionsError),
    /// Somebody is at it.
    #[error("the log in `{}` cannot be locked: {source}", .dir.display())]
    Locked {
        /// Directory.
        dir: PathBuf,
        /// Who.
        source: LockError,
    },
    /// The disk did not do it.
    #[error("the log cannot be created in `{}`", .dir.display())]
    Io {
        /// Directory.
        dir: PathBuf,
        /// What it said.
        source: io::Error,
    },
}

/// Why a log was not opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// There is no log; one is made by creating it only.
    #[error("there is no log in `{}`", .dir.display())]
    Missing {
        /// Directory.
        dir: PathBuf,
    },
    /// Another process has it open.
    #[error("the log in `{}` cannot be locked: {source}", .dir.display())]
    Locked {
        /// Directory.
        dir: PathBuf,
        /// Who.
        source: LockError,
    },
    /// An option is out of its bounds.
    #[error("{0}")]
    Options(#[from] OptionsError),
    /// What is stored is not what was written, or not for this program. Nothing was changed.
    #[error("{first}{}", more(*.others))]
    Faulty {
        /// The first thing that is wrong.
        first: Box<Fault>,
        /// How much else is.
        others: usize,
    },
    /// The disk did not do it.
    #[error("the log in `{}` cannot be opened", .dir.display())]
    Io {
        /// Directory.
        dir: PathBuf,
        /// What it said.
        source: io::Error,
    },
    /// There is no thread for the committer.
    #[error("the committer cannot be started")]
    Thread(#[source] io::Error),
}

/// An option is out of its bounds.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{option}` is {value}, it must be from {min} to {max}")]
pub struct OptionsError {
    /// Name of the option.
    option: &'static str,
    value: u64,
    min: u64,
    max: u64,
}

/// Creates directory and first segment. The last step gives the segment its name: before it there is no log.
pub(super) fn create(disk: &dyn Disk, dir: &Path, options: &Options) -> Result<(), CreateError> {
    check(options)?;
    let io = |source| CreateError::Io { dir: dir.to_owned(), source };
    let log_dir = log_dir(dir);
    let mut parents = vec![dir];
    for made in dir.ancestors().filter(|made| !made.as_os_str().is_empty()) {
        if disk.exists(made).map_err(io)? {
            break;
        }
        parents.extend(made.parent().filter(|parent| !parent.as_os_str().is_empty()));
    }
    disk.create_dir(&log_dir).map_err(io)?;
    let lock = disk.lock(&lock_path(dir)).map_err(|source| CreateError::Locked { dir: dir.to_owned(), source })?;
    // An earlier attempt may have left a spare; anything else belongs to somebody.
    if disk.list(&log_dir).map_err(io)?.iter().any(|name| name != SPARE_NAME) {
        return Err(CreateError::Exists { dir: dir.to_owned() });
    }
    for parent in parents {
        disk.sync_dir(parent).map_err(io)?;
    }
    let header = SegmentHeader {
        origin: Sha256::digest(options.origin.as_bytes()).into(),
        bytes: options.segment_bytes,
        first: LeafIndex(0),
        root: Hash::EMPTY_TREE,
    };
    let made = spare::prepare(disk, &log_dir, options.segment_bytes)
        .and_then(|spare| spare::install(disk, &log_dir, spare, &header));
    made.map_err(|(Failure::NotStored(error) | Failure::Fatal(error))| io(error))?;
    drop(lock);
    Ok(())
}

/// Reads everything, decides what is kept, and makes sure that what is kept is durable.
pub(super) fn open(
    disk: Arc<dyn Disk>,
    dir: &Path,
    options: &Options,
    seen: &mut dyn FnMut(ChainId, Hash),
) -> Result<(Committer, watch::Receiver<u64>), OpenError> {
    check(options)?;
    let io = |source| OpenError::Io { dir: dir.to_owned(), source };
    let log_dir = log_dir(dir);
    if !disk.exists(&log_dir).map_err(io)? {
        return Err(OpenError::Missing { dir: dir.to_owned() });
    }
    let lock = disk.lock(&lock_path(dir)).map_err(|source| OpenError::Locked { dir: dir.to_owned(), source })?;
    let expected = Expected { origin: options.origin.clone(), covered: options.covered };
    let mut index = Index::default();
    let scan = scan(&*disk, dir, &expected, &mut |placed| {
        index.push(placed.chain, placed.segment, placed.offset);
        seen(placed.chain, placed.leaf_hash);
    });
    let scan = scan.map_err(io)?;
    refuse_faults(&scan, dir)?;
    spare::remove(&*disk, &log_dir).map_err(io)?;
    let last_batch = scan.last_batch.clone();
    let mut committer = committer(disk, log_dir, options, scan, index, lock).map_err(io)?;
    match settle(&mut committer, dir, last_batch) {
        Ok(()) => {}
        // A full disk can still be read; the first append tries again.
        Err(Failure::NotStored(error)) if is_no_space(&error) => {
            tracing::warn!("no space to cut a torn batch or to seal the log; it takes no appends until there is");
        }
        Err(Failure::NotStored(error) | Failure::Fatal(error)) => return Err(io(error)),
    }
    let tip = committer.tip.subscribe();
    tracing::info!(dir = %dir.display(), size = %committer.frontier.size(), "the log is open");
    Ok((committer, tip))
}

/// Everything but stray bytes behind the end, where no record ever was, is for people to judge.
fn refuse_faults(scan: &Scan, dir: &Path) -> Result<(), OpenError> {
    let stray = |fault: &Fault| {
        fault.problem == Problem::NotZero
            && scan.torn_tail.as_ref().is_some_and(|tail| tail.file == fault.file && tail.offset <= fault.offset)
    };
    let mut faults = scan.faults.iter().filter(|fault| !stray(fault));
    let Some(first) = faults.next() else { return Ok(()) };
    if first.problem == Problem::Missing {
        return Err(OpenError::Missing { dir: dir.to_owned() });
    }
    Err(OpenError::Faulty { first: Box::new(first.clone()), others: faults.count() })
}

fn committer(
    disk: Arc<dyn Disk>,
    log_dir: PathBuf,
    options: &Options,
    scan: Scan,
    mut index: Index,
    lock: Box<dyn DiskLock>,
) -> io::Result<Committer> {
    let mut last = None;
    let (sealed, written) = scan.segments.split_at(scan.last_batch.as_ref().map_or(0, |batch| batch.segment));
    let sealed = sealed.iter().map(|found| (found, Access::Read));
    for (found, access) in sealed.chain(written.iter().map(|found| (found, Access::Write))) {
        let file = disk.open(&found.path, access)?;
        let segment = Arc::new(SegmentFile { path: found.path.clone(), bytes: found.bytes, file });
        index.add_segment(Arc::clone(&segment));
        last = Some(segment);
    }
    let Some(segment) = last else { return Err(io::ErrorKind::NotFound.into()) };
    let dirty_end = scan.torn_tail.as_ref().map_or(scan.end, |tail| tail.end);
    if let Some(tail) = &scan.torn_tail {
        let (from, to) = (tail.offset, tail.end);
        tracing::warn!(file = %tail.file.display(), from, to, "cutting a batch that was never acknowledged");
    }
    let (tip, _) = watch::channel(scan.size.0);
    Ok(Committer {
        disk,
        log_dir,
        origin: Sha256::digest(options.origin.as_bytes()).into(),
        segment_bytes: options.segment_bytes,
        group_records_max: options.batch_records_max,
        group_bytes_max: options.batch_bytes_max.min(group_room(options)),
        index: Arc::new(RwLock::new(index)),
        tip,
        frontier: scan.frontier,
        segment,
        end: scan.end,
        dirty_end,
        sealed: scan.last_batch.is_none_or(|batch| batch.count == 0),
        spare: None,
        fatal: options.fatal.clone(),
        troubles: Troubles::default(),
        lock,
    })
}

/// Bytes of a group that goes into a segment with others: only a single large record is worth a segment of its own.
fn group_room(options: &Options) -> usize {
    usize::try_from(options.segment_bytes - SEGMENT_HEADER_BYTES as u64).unwrap_or(usize::MAX)
}

/// Makes what was found durable. A process that died may have left it in the page cache, and one whose sync failed may
/// have left pages there that the kernel takes for written: so the last batch is written again before it is synced. The
/// batches before it were synced before it was written.
fn settle(committer: &mut Committer, dir: &Path, last_batch: Option<BatchFound>) -> Result<(), Failure> {
    if let Some(BatchFound { segment, place, .. }) = last_batch {
        let segment = committer.index.read().unwrap_or_else(PoisonError::into_inner).segment(segment);
        let segment = segment.ok_or_else(|| Failure::Fatal(io::ErrorKind::NotFound.into()))?;
        let mut batch = vec![0; usize::try_from(place.end - place.start).unwrap_or_default()];
        segment.file.read_exact_at(&mut batch, place.start).map_err(Failure::Fatal)?;
        match segment.file.write_all_at(&batch, place.start) {
            Err(error) if is_no_space(&error) => tracing::warn!("no space to write the last batch again"),
            outcome => outcome.map_err(Failure::Fatal)?,
        }
        segment.file.sync_data().map_err(Failure::Fatal)?;
    }
    committer.disk.sync_dir(&committer.log_dir).map_err(Failure::Fatal)?;
    committer.disk.sync_dir(dir).map_err(Failure::Fatal)?;
    committer.repair()?;
    committer.seal()
}

fn check(options: &Options) -> Result<(), OptionsError> {
    let bounds = [
        ("segment_bytes", options.segment_bytes, SEGMENT_BYTES_MIN, SEGMENT_BYTES_MAX),
        ("queue_capacity", options.queue_capacity as u64, 1, 1 << 20),
        ("batch_records_max", options.batch_records_max as u64, 1, 1 << 16),
        ("batch_bytes_max", options.batch_bytes_max as u64, 1, PAYLOAD_BYTES_MAX as u64),
    ];
    for (option, value, min, max) in bounds {
        if value < min || value > max {
            return Err(OptionsError { option, value, min, max });
        }
    }
    Ok(())
}

/// Beside the directory of the segments, so that nothing in that directory is not evidence.
fn lock_path(dir: &Path) -> PathBuf {
    dir.join("log.lock")
}

fn more(others: usize) -> String {
    if others == 0 { String::new() } else { format!(" (and {others} more)") }
}
