//! Reads rows of the leaves file beside the one who writes it.

use std::{fs::File, io, os::unix::fs::FileExt as _, path::Path};

use mediation_ledger::{merkle::LeafIndex, note::KeyName};

use super::{HASH_BYTES, LeafRow, ROW_BYTES, header, row_bytes};

/// The leaves file of a log, to be read row by row.
#[derive(Debug)]
pub struct LeavesReader {
    file: File,
    header: u64,
    twin: bool,
}

impl LeavesReader {
    /// Opens the file, which [`super::Leaves::open`] has checked.
    ///
    /// # Errors
    /// It cannot be opened.
    pub fn open(path: &Path, origin: &KeyName, twin: bool) -> io::Result<Self> {
        Ok(Self { file: File::open(path)?, header: header(origin, twin).len() as u64, twin })
    }

    /// The row of that number; none when it is not written yet. May block.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn row(&self, index: LeafIndex) -> io::Result<Option<LeafRow>> {
        let mut bytes = vec![0; ROW_BYTES + if self.twin { HASH_BYTES } else { 0 }];
        match self.file.read_exact_at(&mut bytes, self.header + index.0 * row_bytes(self.twin)) {
            // What is being written is not there yet, either.
            Ok(()) => Ok(LeafRow::decode(index.0, &bytes)),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(None),
            Err(error) => Err(error),
        }
    }
}
