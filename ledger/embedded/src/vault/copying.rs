//! A copy of the wraps of a vault that somebody may have open.
//!
//! Rows are only added, and what is overwritten is announced before: so whatever is read is what a crash may leave, and the
//! copy is mended as opening would mend it. A group that is being written is cut off, a destruction that is under way is
//! done. Only a reader that is overtaken by two groups sees what no crash leaves; he reads again.

use std::{io, path::Path};

use sha2::{Digest as _, Sha256};

use super::{
    OpenError, WRAPS, failure,
    problem::Fault,
    problem::Problem,
    recovery, rotation,
    slot::{self, SLOT_BYTES_U64},
};
use crate::{
    copying::Copied,
    disk::{Access, Disk, DiskFile},
};

/// Times that are read before what looks like damage is taken for it.
const ATTEMPTS: u32 = 5;

/// Copies the wraps of a vault's directory into another directory, where there must be none, and syncs the file; its name
/// is durable when that directory is synced. The key-encryption key is not copied and not needed.
///
/// # Errors
/// The vault is damaged or another ledger's; a file cannot be read or written.
pub fn copy_wraps(disk: &dyn Disk, from: &Path, to: &Path, origin: &str) -> Result<Copied, OpenError> {
    let (source, target) = (from.join(WRAPS), to.join(WRAPS));
    let file = disk.create(&target).map_err(failure(target.clone()))?;
    let mut attempt = 1;
    loop {
        let bytes = read(disk, &source).map_err(failure(source.clone()))?;
        file.set_len(0).and_then(|()| file.write_all_at(&bytes, 0)).map_err(failure(target.clone()))?;
        match mend(disk, file.as_ref(), &target, origin) {
            // The place is that in the vault: the copy has the same slots.
            Err(OpenError::Damaged(fault)) if attempt == ATTEMPTS => {
                return Err(OpenError::Damaged(Fault { file: source, ..fault }));
            }
            Err(OpenError::Damaged(_)) => attempt += 1,
            Err(error) => return Err(error),
            Ok(()) => break,
        }
    }
    let bytes = read(disk, &target).map_err(failure(target.clone()))?;
    file.sync_data().map_err(failure(target))?;
    Ok(Copied { bytes: bytes.len() as u64, sha256: Sha256::digest(&bytes).into() })
}

fn mend(disk: &dyn Disk, file: &dyn DiskFile, path: &Path, origin: &str) -> Result<(), OpenError> {
    let mark = rotation::head(disk, path).map_err(failure(path.to_owned()))?;
    let mark = mark.ok_or_else(|| Fault { file: path.to_owned(), offset: 0, problem: Problem::Head })?;
    let recovered = recovery::recover(file, path, origin, mark)?;
    let mended = || {
        if recovered.torn {
            file.set_len(recovered.end * SLOT_BYTES_U64)?;
        }
        for (place, (row, group)) in &recovered.unfinished {
            file.write_all_at(&slot::encode(*place, row, *group), place * SLOT_BYTES_U64)?;
        }
        Ok(())
    };
    mended().map_err(failure(path.to_owned()))
}

fn read(disk: &dyn Disk, path: &Path) -> io::Result<Vec<u8>> {
    let file = disk.open(path, Access::Read)?;
    let length = usize::try_from(file.len()?).map_err(|_| io::Error::from(io::ErrorKind::FileTooLarge))?;
    let mut bytes = vec![0; length];
    file.read_exact_at(&mut bytes, 0)?;
    Ok(bytes)
}
