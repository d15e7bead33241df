//! Reading a file piece by piece, few and large reads at a time.

use std::io;

use crate::disk::DiskFile;

/// A part of a file in memory.
#[derive(Debug)]
pub(crate) struct Window<'a> {
    file: &'a dyn DiskFile,
    file_bytes: u64,
    /// Bytes to read at least, as far as the file reaches.
    ahead: usize,
    start: u64,
    buffer: Vec<u8>,
}

impl<'a> Window<'a> {
    pub(crate) fn new(file: &'a dyn DiskFile, file_bytes: u64, ahead: usize) -> Self {
        Self { file, file_bytes, ahead, start: 0, buffer: Vec::new() }
    }

    /// Bytes of the file from a place on: `length`, or fewer where the file ends.
    pub(crate) fn bytes(&mut self, at: u64, length: usize) -> io::Result<&[u8]> {
        let rest = self.file_bytes.saturating_sub(at);
        let length = usize::try_from(rest).map_or(length, |rest| rest.min(length));
        let held = at.checked_sub(self.start).and_then(|skip| usize::try_from(skip).ok());
        let held = held.filter(|skip| skip.saturating_add(length) <= self.buffer.len());
        let skip = if let Some(skip) = held {
            skip
        } else {
            let read = length.max(usize::try_from(rest).map_or(self.ahead, |rest| rest.min(self.ahead)));
            // An error must not leave bytes that are not the file's.
            let mut buffer = std::mem::take(&mut self.buffer);
            buffer.resize(read, 0);
            self.file.read_exact_at(&mut buffer, at)?;
            self.buffer = buffer;
            self.start = at;
            0
        };
        Ok(self.buffer.get(skip..skip + length).unwrap_or_default())
    }

    /// The first byte from a place on, and before another, that is not zero.
    pub(crate) fn first_nonzero(&mut self, from: u64, to: u64) -> io::Result<Option<u64>> {
        let mut at = from;
        while at < to.min(self.file_bytes) {
            let step = usize::try_from(to - at).map_or(ZEROS.len(), |rest| rest.min(ZEROS.len()));
            let bytes = self.bytes(at, step)?;
            if let Some(place) = nonzero(bytes) {
                return Ok(Some(at + place as u64));
            }
            at += bytes.len() as u64;
        }
        Ok(None)
    }
}

/// The first byte that is not zero. Comparing slices is one `memcmp`; only where there is a difference, single bytes are
/// looked at.
fn nonzero(bytes: &[u8]) -> Option<usize> {
    let zeros = |bytes: &[u8]| ZEROS.get(..bytes.len()) == Some(bytes);
    if zeros(bytes) {
        return None;
    }
    let (number, chunk) = bytes.chunks(CHUNK_BYTES).enumerate().find(|(_, chunk)| !zeros(chunk))?;
    Some(number * CHUNK_BYTES + chunk.iter().position(|byte| *byte != 0)?)
}

const CHUNK_BYTES: usize = 256;

static ZEROS: [u8; 64 * 1024] = [0; 64 * 1024];
