//! Reading what lies on the disk again, while it is served: what nobody has asked for since it was written may have changed.
//!
//! A segment is read by its path, from the disk and not from the page cache, and held against the leaves that the process has in
//! memory: so even bytes that were changed together with their CRC are found. What is sealed is read and nothing behind it,
//! since that may be being written.

use std::{io, path::Path};

use bytes::Bytes;
use mediation_ledger::{
    merkle::{Hash, LeafIndex, TreeSize},
    record::leaf_hash,
};

use crate::{
    disk::{Access, Disk},
    segment::{
        BATCH_HEADER_BYTES, BatchHeader, Fault, Frame, Problem, RECORD_HEAD_BYTES, SEGMENT_HEADER_BYTES, SegmentHeader,
        Window,
    },
};

/// Bytes read at once, and between two calls of the pace.
const WINDOW_BYTES: usize = 1024 * 1024;

/// Something that has changed on the disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Damage {
    /// What, where.
    pub fault: Fault,
    /// The leaf that it hits; none where it is not one leaf alone.
    pub leaf: Option<LeafIndex>,
}

/// What is to be read.
#[derive(Debug, Clone, Copy)]
pub struct Part<'a> {
    /// The segment.
    pub path: &'a Path,
    /// Whether it has a successor: then all of it is read.
    pub closed: bool,
    /// Leaves that are sealed.
    pub sealed: TreeSize,
}

/// What the reader does after so many bytes: it may take its time, and answers whether it goes on.
pub type Pace<'a> = dyn FnMut(u64) -> bool + 'a;

/// Reads a segment. `leaf` gives the leaf hashes of the sealed tree. None when the pace has ended it.
///
/// # Errors
/// The disk cannot be read: no damage that is known, and no soundness either. A file that is not there is damage.
pub fn scrub(
    disk: &dyn Disk,
    part: Part<'_>,
    leaf: &dyn Fn(LeafIndex) -> Option<Hash>,
    pace: &mut Pace<'_>,
) -> io::Result<Option<Vec<Damage>>> {
    let mut damage = Vec::new();
    let file = match disk.open(part.path, Access::Read) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            damage.push(found(part.path, 0, Problem::Missing, None));
            return Ok(Some(damage));
        }
        opened => opened?,
    };
    let bytes = file.len()?;
    let window = Window::new(file.as_ref(), bytes, WINDOW_BYTES);
    let reading = Reading { part, bytes, window, leaf, pace, told: 0 };
    Ok(reading.run(&mut damage)?.then_some(damage))
}

fn found(path: &Path, offset: u64, problem: Problem, leaf: Option<LeafIndex>) -> Damage {
    Damage { fault: Fault { file: path.to_owned(), offset, problem }, leaf }
}

struct Reading<'a, 'p> {
    part: Part<'a>,
    bytes: u64,
    window: Window<'a>,
    leaf: &'a dyn Fn(LeafIndex) -> Option<Hash>,
    pace: &'a mut Pace<'p>,
    /// Bytes that the pace was told of.
    told: u64,
}

impl Reading<'_, '_> {
    /// Answers whether it came to the end.
    fn run(mut self, damage: &mut Vec<Damage>) -> io::Result<bool> {
        let path = self.part.path;
        let header = match SegmentHeader::decode(self.window.bytes(0, SEGMENT_HEADER_BYTES)?) {
            Ok(header) if header.bytes == self.bytes => header,
            Ok(header) => {
                let problem = Problem::Length { expected: header.bytes, found: self.bytes };
                damage.push(found(path, self.bytes.min(header.bytes), problem, None));
                header
            }
            Err((offset, problem)) => {
                damage.push(found(path, offset, problem, None));
                return Ok(true);
            }
        };
        let (mut at, mut next) = (SEGMENT_HEADER_BYTES as u64, header.first);
        while at < self.bytes && (self.part.closed || next.0 < self.part.sealed.0) {
            let Some(batch) = BatchHeader::decode(self.window.bytes(at, BATCH_HEADER_BYTES)?) else {
                if let Some(offset) = self.broken(at, next)? {
                    damage.push(found(path, offset, Problem::BatchHeader, None));
                }
                return Ok(true);
            };
            if batch.size.0 != next.0 {
                let problem = Problem::BatchSize { expected: TreeSize(next.0), found: batch.size };
                damage.push(found(path, at, problem, None));
                return Ok(true);
            }
            let end = at + BATCH_HEADER_BYTES as u64 + u64::from(batch.payload_bytes);
            self.batch(at + BATCH_HEADER_BYTES as u64, end, next, batch.count, damage)?;
            next = LeafIndex(next.0 + u64::from(batch.count));
            at = end;
            if at - self.told >= WINDOW_BYTES as u64 {
                if !(self.pace)(at - self.told) {
                    return Ok(false);
                }
                self.told = at;
            }
        }
        Ok(true)
    }

    /// Where no batch begins there are zeros to the end, or something is damaged.
    fn broken(&mut self, at: u64, next: LeafIndex) -> io::Result<Option<u64>> {
        if next.0 < self.part.sealed.0 && !self.part.closed {
            return Ok(Some(at));
        }
        self.window.first_nonzero(at, self.bytes)
    }

    fn batch(&mut self, from: u64, end: u64, first: LeafIndex, count: u32, damage: &mut Vec<Damage>) -> io::Result<()> {
        let path = self.part.path;
        let mut at = from;
        for number in 0..u64::from(count) {
            let leaf = LeafIndex(first.0 + number);
            if leaf.0 >= self.part.sealed.0 {
                return Ok(());
            }
            let head = self.window.bytes(at, RECORD_HEAD_BYTES)?;
            let length = Frame::length(head).filter(|length| at + *length as u64 <= end);
            let Some(length) = length else {
                // Where the next record begins nobody knows: the rest of the batch is as good as damaged.
                damage.push(found(path, at, Problem::RecordCrc { leaf }, Some(leaf)));
                return Ok(());
            };
            let frame = Frame::decode(self.window.bytes(at, length)?);
            let is_whole = frame.is_some_and(|frame| {
                let record = Bytes::copy_from_slice(frame.record);
                frame.intact && (self.leaf)(leaf).is_none_or(|hash| leaf_hash(&record) == hash)
            });
            if !is_whole {
                damage.push(found(path, at, Problem::RecordCrc { leaf }, Some(leaf)));
            }
            at += length as u64;
        }
        Ok(())
    }
}

#[cfg(test)]
#[expect(clippy::indexing_slicing, reason = "a place that is not there fails the test")]
mod tests;
