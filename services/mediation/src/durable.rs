//! Files that a power cut leaves whole or not at all.

use std::{
    fs::{self, File},
    io::Write as _,
    path::Path,
};

use anyhow::{Context as _, Result};

/// Gives a file another content in one step; `new` is the file beside it that is written first.
pub(crate) fn replace(path: &Path, new: &Path, bytes: &[u8]) -> Result<()> {
    let file = File::create(new).with_context(|| format!("cannot write `{}`", new.display()))?;
    write(file, bytes)?;
    fs::rename(new, path)?;
    sync_directory(path)
}

/// Writes a file that must not exist.
pub(crate) fn create(path: &Path, bytes: &[u8]) -> Result<()> {
    let file = File::create_new(path).with_context(|| format!("cannot create `{}`", path.display()))?;
    write(file, bytes)
}

/// Makes the name of a file survive a power cut.
pub(crate) fn sync_directory(path: &Path) -> Result<()> {
    let directory = path.parent().context("a file stands in a directory")?;
    Ok(File::open(directory)?.sync_all()?)
}

fn write(mut file: File, bytes: &[u8]) -> Result<()> {
    file.write_all(bytes)?;
    Ok(file.sync_all()?)
}
