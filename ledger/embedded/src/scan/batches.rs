//! What stands at a place of a segment: a batch, zeros, or something that is not right.

use std::{io, ops::Range, path::Path};

use bytes::Bytes;
use mediation_ledger::{
    merkle::{LeafIndex, TreeSize},
    record::leaf_hash,
};

use super::{
    Placed, TornTail,
    walk::{Segment, Tree, Walk},
};
use crate::segment::{
    BATCH_HEADER_BYTES, BATCH_MAGIC, BatchHeader, Frame, PAYLOAD_BYTES_MAX, Problem, RECORD_HEAD_BYTES, sector_ends,
};

/// Stray bytes in unused space that are no piece of a torn batch: that one has kept more, or its first byte.
const STRAY_BYTES_MAX: usize = 8;

/// Bytes looked at one by one before the next stretch of zeros is skipped.
const SEARCH_BYTES: usize = 256;

/// What stands at a place.
pub(super) enum Found {
    /// A batch; where the next one begins, and how many records it has.
    Batch { end: u64, count: u32 },
    /// Nothing, to the end of the file.
    Zeros,
    /// Something that is not right.
    Broken(Broken),
}

/// Something that is not right.
pub(super) struct Broken {
    /// The structure.
    structure: Range<u64>,
    problem: Problem,
    /// The batch it is in, when its header is right.
    batch: Option<BrokenBatch>,
}

struct BrokenBatch {
    count: u32,
    end: u64,
    /// The frames, when they are as long together as they must.
    frames: Option<Vec<Range<u64>>>,
}

impl Broken {
    /// Where a later batch can begin at the earliest.
    pub(super) fn search_from(&self) -> u64 {
        self.end().unwrap_or(self.structure.start + 1)
    }

    /// The end of the batch, when its header is right.
    pub(super) fn end(&self) -> Option<u64> {
        self.batch.as_ref().map(|batch| batch.end)
    }
}

impl Walk<'_> {
    pub(super) fn batch(&mut self, segment: &mut Segment<'_>, at: u64) -> io::Result<Found> {
        let head = segment.window.bytes(at, BATCH_HEADER_BYTES)?;
        let payload = at + BATCH_HEADER_BYTES as u64;
        let header = BatchHeader::decode(head);
        let Some(header) = header else {
            if segment.window.first_nonzero(at, segment.bytes)?.is_none() {
                return Ok(Found::Zeros);
            }
            let structure = at..payload.min(segment.bytes);
            return Ok(Found::Broken(Broken { structure, problem: Problem::BatchHeader, batch: None }));
        };
        let end = payload + u64::from(header.payload_bytes);
        if end > segment.bytes {
            return Ok(Found::Broken(Broken { structure: at..payload, problem: Problem::BatchLength, batch: None }));
        }
        let first = LeafIndex(header.size.0);
        let (frames, broken) = self.frames(segment, payload..end, header.count, first)?;
        if let Some((structure, problem)) = broken {
            let whole = frames.last().is_some_and(|last| last.end == end) && frames.len() == header.count as usize;
            let batch = BrokenBatch { count: header.count, end, frames: whole.then_some(frames) };
            return Ok(Found::Broken(Broken { structure, problem, batch: Some(batch) }));
        }
        self.commitment(segment.path, at, &header);
        for frame in frames {
            self.take(segment, frame)?;
        }
        Ok(Found::Batch { end, count: header.count })
    }

    /// Takes a batch apart without believing it yet: a torn one must leave nothing behind. Answers the frames, as far
    /// as they can be told apart, and the first thing that is wrong.
    #[expect(clippy::type_complexity, reason = "two lists of places, read at once by the one caller")]
    fn frames(
        &self,
        segment: &mut Segment<'_>,
        place: Range<u64>,
        count: u32,
        first: LeafIndex,
    ) -> io::Result<(Vec<Range<u64>>, Option<(Range<u64>, Problem)>)> {
        let mut frames = Vec::new();
        let mut broken = None;
        let mut at = place.start;
        for number in 0..u64::from(count) {
            let problem = Problem::RecordCrc { leaf: LeafIndex(first.0.saturating_add(number)) };
            let rest = usize::try_from(place.end - at).unwrap_or_default();
            let length = Frame::length(segment.window.bytes(at, RECORD_HEAD_BYTES.min(rest))?);
            let Some(length) = length.filter(|length| *length <= rest) else {
                return Ok((frames, broken.or(Some((at..place.end, problem)))));
            };
            let frame = at..at + length as u64;
            if !Frame::decode(segment.window.bytes(at, length)?).is_some_and(|frame| frame.intact) {
                broken = broken.or_else(|| Some((frame.clone(), problem)));
            }
            at = frame.end;
            frames.push(frame);
        }
        if at != place.end {
            broken = broken.or(Some((place, Problem::BatchLength)));
        }
        Ok((frames, broken))
    }

    /// What a batch header says about the leaves before it.
    fn commitment(&mut self, path: &Path, at: u64, header: &BatchHeader) {
        let expected = TreeSize(self.next);
        if header.size != expected {
            if self.tree != Tree::Lost {
                self.scan.fault(path, at, Problem::BatchSize { expected, found: header.size });
            }
            self.tree = Tree::Lost;
            self.next = header.size.0;
        }
        self.compare_root(path, at, header.root);
    }

    /// Takes the record in a frame: into the tree as it is, to the visitor when it is intact.
    fn take(&mut self, segment: &mut Segment<'_>, place: Range<u64>) -> io::Result<()> {
        let length = usize::try_from(place.end - place.start).unwrap_or_default();
        let Some(frame) = Frame::decode(segment.window.bytes(place.start, length)?) else { return Ok(()) };
        let (chain, revision, intact) = (frame.chain, frame.revision, frame.intact);
        let record = Bytes::copy_from_slice(frame.record);
        let leaf_hash = leaf_hash(&record);
        let leaf = LeafIndex(self.next);
        // A header may say any size.
        self.next = self.next.saturating_add(1);
        if !intact {
            self.scan.fault(segment.path, place.start, Problem::RecordCrc { leaf });
            self.tree = if self.tree == Tree::Known { Tree::Doubtful } else { self.tree };
            self.revisions = None;
        }
        if self.tree != Tree::Lost {
            self.scan.frontier.append(leaf_hash);
            if self.expected.covered.is_some_and(|(size, _)| size.0 == self.next) {
                self.covered_root = Some(self.scan.frontier.root());
            }
        }
        if !intact {
            return Ok(());
        }
        if let Some(revisions) = self.revisions.as_mut().filter(|_| self.tree != Tree::Lost) {
            let expected = revisions.insert(chain, revision.next()).unwrap_or_default();
            if revision != expected {
                let problem = Problem::Revision { chain, expected, found: revision };
                self.scan.fault(segment.path, place.start, problem);
            }
        }
        let (file, offset, number) = (segment.path, place.start, segment.number);
        (self.visit)(Placed { leaf, leaf_hash, chain, revision, record: &record, file, offset, segment: number });
        Ok(())
    }

    /// Whether what is broken is the rest of a batch that was never acknowledged; if so, notes it. Nothing may stand
    /// after it.
    pub(super) fn torn(&mut self, segment: &mut Segment<'_>, at: u64, broken: &Broken) -> io::Result<bool> {
        let Some(rest) = rest(segment, at)? else { return Ok(false) };
        let covered = self.expected.covered.is_some_and(|(size, _)| size.0 > self.next);
        let reach = broken.end().unwrap_or(at + (BATCH_HEADER_BYTES + PAYLOAD_BYTES_MAX) as u64);
        // Whole records that do not fill the batch were never written so.
        if !segment.last || covered || rest.end > reach || broken.problem == Problem::BatchLength {
            return Ok(false);
        }
        // In the last bytes of a segment there is no room for a batch, not even for a seal.
        let room = segment.bytes - at >= BATCH_HEADER_BYTES as u64;
        let mut torn = false;
        for end in sector_ends(&broken.structure, reach.min(segment.bytes)) {
            torn |= segment.window.bytes(end, 1)?.iter().all(|byte| *byte == 0);
        }
        let begun = segment.window.bytes(at, 1)?.first() == BATCH_MAGIC.first();
        let stray = rest.count <= STRAY_BYTES_MAX && !begun;
        if stray {
            self.scan.fault(segment.path, rest.first, Problem::NotZero);
        }
        if stray || (torn && room) {
            self.scan.torn_tail = Some(TornTail { file: segment.path.to_owned(), offset: at, end: rest.end });
        }
        Ok(stray || (torn && room))
    }

    /// Reports what is broken, and takes what can still be taken.
    pub(super) fn damaged(&mut self, segment: &mut Segment<'_>, broken: Broken) -> io::Result<()> {
        let Some(batch) = broken.batch else {
            let first = segment.window.first_nonzero(broken.structure.start, segment.bytes)?;
            let offset = first.filter(|first| *first >= broken.structure.end).unwrap_or(broken.structure.start);
            let problem = if offset == broken.structure.start { broken.problem } else { Problem::NotZero };
            self.scan.fault(segment.path, offset, problem);
            self.tree = Tree::Lost;
            return Ok(());
        };
        let Some(frames) = batch.frames else {
            self.scan.fault(segment.path, broken.structure.start, broken.problem);
            self.tree = Tree::Lost;
            self.next = self.next.saturating_add(u64::from(batch.count));
            return Ok(());
        };
        for frame in frames {
            self.take(segment, frame)?;
        }
        Ok(())
    }
}

/// The bytes from a place on that are not zero.
struct Rest {
    first: u64,
    /// Byte after the last one.
    end: u64,
    /// How many, counted no further than it matters.
    count: usize,
}

fn rest(segment: &mut Segment<'_>, at: u64) -> io::Result<Option<Rest>> {
    let Some(first) = segment.window.first_nonzero(at, segment.bytes)? else { return Ok(None) };
    let mut rest = Rest { first, end: first, count: 0 };
    let mut next = Some(first);
    while let Some(start) = next {
        let bytes = segment.window.bytes(start, SEARCH_BYTES)?;
        let length = bytes.len() as u64;
        let last = bytes.iter().rposition(|byte| *byte != 0).unwrap_or_default();
        if rest.count <= STRAY_BYTES_MAX {
            rest.count += bytes.iter().filter(|byte| **byte != 0).count();
        }
        rest.end = start + last as u64 + 1;
        next = segment.window.first_nonzero(start + length, segment.bytes)?;
    }
    Ok(Some(rest))
}

/// The next place from `from` on that begins a batch with a right header, written after `leaves` leaves.
pub(super) fn later_batch(segment: &mut Segment<'_>, from: u64, leaves: u64) -> io::Result<Option<u64>> {
    let mut at = from;
    while let Some(nonzero) = segment.window.first_nonzero(at, segment.bytes)? {
        let bytes = segment.window.bytes(nonzero, SEARCH_BYTES)?;
        let [letter, ..] = BATCH_MAGIC;
        let place = bytes.iter().position(|byte| *byte == letter);
        let Some(place) = place else {
            at = nonzero + bytes.len() as u64;
            continue;
        };
        let place = nonzero + place as u64;
        let header = BatchHeader::decode(segment.window.bytes(place, BATCH_HEADER_BYTES)?);
        if header.is_some_and(|header| header.size.0 > leaves) {
            return Ok(Some(place));
        }
        at = place + 1;
    }
    Ok(None)
}
