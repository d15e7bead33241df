//! Files that a power cut leaves whole or not at all.

use std::{
    fs::{self, File},
    io::Write as _,
    os::unix::fs::PermissionsExt as _,
    path::Path,
};

use anyhow::{Context as _, Result};

/// Gives a file another content in one step; `new` is the file beside it that is written first.
pub(crate) fn replace(path: &Path, new: &Path, bytes: &[u8]) -> Result<()> {
    let file = File::create(new).with_context(|| format!("cannot write `{}`", new.display()))?;
    write(file, new, bytes)?;
    fs::rename(new, path)?;
    sync_directory(path)
}

/// Writes a file that must not exist.
pub(crate) fn create(path: &Path, bytes: &[u8]) -> Result<()> {
    let file = File::create_new(path).with_context(|| format!("cannot create `{}`", path.display()))?;
    write(file, path, bytes)
}

/// Copies a file, or a directory with everything in it, to a place that is not there, with its permissions. Nothing of it is
/// synced.
pub(crate) fn copy_tree(from: &Path, to: &Path) -> Result<()> {
    let failed = || format!("cannot copy `{}` to `{}`", from.display(), to.display());
    if !from.is_dir() {
        if let Some(directory) = to.parent() {
            fs::create_dir_all(directory).with_context(failed)?;
        }
        return fs::copy(from, to).map(drop).with_context(failed);
    }
    fs::create_dir_all(to).with_context(failed)?;
    for file in fs::read_dir(from).with_context(failed)? {
        let file = file.with_context(failed)?;
        copy_tree(&file.path(), &to.join(file.file_name()))?;
    }
    Ok(())
}

/// Makes everything in a directory survive a power cut: keys that are lost cannot be made again.
pub(crate) fn sync_tree(directory: &Path) -> Result<()> {
    for file in fs::read_dir(directory)? {
        let path = file?.path();
        if path.is_dir() {
            sync_tree(&path)?;
        } else {
            File::open(path)?.sync_all()?;
        }
    }
    Ok(File::open(directory)?.sync_all()?)
}

/// Closes a directory to everybody but its owner.
pub(crate) fn restrict(directory: &Path) -> Result<()> {
    let permissions = fs::Permissions::from_mode(0o700);
    fs::set_permissions(directory, permissions).with_context(|| format!("cannot close `{}`", directory.display()))
}

/// Makes the name of a file survive a power cut.
pub(crate) fn sync_directory(path: &Path) -> Result<()> {
    let directory = path.parent().context("a file stands in a directory")?;
    let directory = if directory.as_os_str().is_empty() { Path::new(".") } else { directory };
    let synced = File::open(directory).and_then(|directory| directory.sync_all());
    synced.with_context(|| format!("cannot sync `{}`", directory.display()))
}

fn write(mut file: File, path: &Path, bytes: &[u8]) -> Result<()> {
    let written = file.write_all(bytes).and_then(|()| file.sync_all());
    written.with_context(|| format!("cannot write `{}`", path.display()))
}
