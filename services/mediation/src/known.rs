//! Checkpoints that others hold: a log that lacks what they cover is an old copy, or another history, and nothing more is
//! signed on it. Witnesses would refuse to cosign it, and whoever kept a later checkpoint could prove a fork.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Error, Result, bail};
use mediation_ledger::{
    checkpoint::Checkpoint,
    log::{Follower as _, Log},
    merkle::{Frontier, TreeSize},
    record::leaf_hash,
};
use mediation_log_embedded::{Embedded, OpenError};

use crate::{contents, manifest::Manifest};

/// What the operator is told to do.
pub(crate) const ADVICE: &str = "该目录比已公布的检查点旧或与之不符，拒绝签署；取回较新的副本，或以 mediation reincarnate 重立账本 · the \
    directory is older than a checkpoint that others hold, or another history: nothing is signed on it; bring a newer copy, \
    or carry on with `mediation reincarnate`";

/// Reads checkpoints; each must be signed by a key of this log. Paths are relative to the ledger's directory.
pub(crate) fn read(directory: &Path, files: &[PathBuf], manifest: &Manifest) -> Result<Vec<Checkpoint>> {
    let keys = manifest.stored_keys(&crate::layout::Layout::new(directory));
    let read = |file: &PathBuf| {
        // A path on the command line is relative to where the command runs.
        let path = if file.exists() { file.clone() } else { directory.join(file) };
        let bytes =
            contents::read(&path).with_context(|| format!("cannot read the checkpoint `{}`", path.display()))?;
        let signed = Checkpoint::open(&bytes, &manifest.origin, &keys);
        Ok(signed.with_context(|| format!("`{}` is no checkpoint of this ledger", path.display()))?.checkpoint)
    };
    files.iter().map(read).collect()
}

/// Checkpoints that a restored directory was given; each must be signed by a key of this log.
pub(crate) fn parse(directory: &Path, notes: &[String], manifest: &Manifest) -> Result<Vec<Checkpoint>> {
    let keys = manifest.stored_keys(&crate::layout::Layout::new(directory));
    let open = |note: &String| Ok(Checkpoint::open(note.as_bytes(), &manifest.origin, &keys)?.checkpoint);
    notes.iter().map(open).collect()
}

/// An error of opening the log, with what follows from it when checkpoints are known.
pub(crate) fn refused(error: OpenError, known: &[Checkpoint]) -> Error {
    let error = Error::new(error);
    if known.is_empty() { error } else { error.context(ADVICE) }
}

/// Checks that the log has what each checkpoint covers. Reads it once up to the largest; the caller has opened the log
/// against the largest of all, so that nothing is waited for.
pub(crate) async fn check(log: &Embedded, known: &[Checkpoint]) -> Result<()> {
    let Some(largest) = known.iter().map(|checkpoint| checkpoint.size).max() else { return Ok(()) };
    if largest > log.size() {
        bail!(ADVICE);
    }
    let mut tree = Frontier::new();
    let mut follower = log.follow(None).await?;
    while tree.size() < largest {
        for followed in follower.next().await? {
            tree.append(leaf_hash(&followed.stored.record));
            let size: TreeSize = tree.size();
            if known.iter().any(|checkpoint| checkpoint.size == size && checkpoint.root != tree.root()) {
                bail!(ADVICE);
            }
        }
    }
    Ok(())
}
