//! Where each record is: in memory, rebuilt from the log at every start.
//!
//! Eight bytes for each leaf, eight for its place in its chain, and some eighty for each chain. Records themselves stay
//! on the disk.

use std::{collections::BTreeMap, path::PathBuf, sync::Arc};

use bytes::Bytes;
use mediation_ledger::{
    chain::{ChainId, Revision},
    log::{ReadError, Stored},
    merkle::LeafIndex,
};

use crate::{
    disk::DiskFile,
    segment::{Frame, RECORD_HEAD_BYTES, Window},
};

/// A segment that is open. Each takes one file descriptor for as long as the log is open.
#[derive(Debug)]
pub(crate) struct SegmentFile {
    pub(crate) path: PathBuf,
    /// Bytes of the file.
    pub(crate) bytes: u64,
    pub(crate) file: Box<dyn DiskFile>,
}

/// Places of all durable records.
#[derive(Debug, Default)]
pub(crate) struct Index {
    segments: Vec<Arc<SegmentFile>>,
    /// By leaf index.
    places: Vec<Place>,
    /// Leaf indexes by revision.
    chains: BTreeMap<ChainId, Vec<u64>>,
}

/// Segments are kept below 4 GiB by the bounds of the options.
#[derive(Debug, Clone, Copy)]
struct Place {
    segment: u32,
    offset: u32,
}

/// A durable record that can be read without the index.
#[derive(Debug, Clone)]
pub(crate) struct Located {
    segment: Arc<SegmentFile>,
    offset: u64,
    leaf: LeafIndex,
}

impl Index {
    pub(crate) fn add_segment(&mut self, segment: Arc<SegmentFile>) {
        self.segments.push(segment);
    }

    /// Adds the next leaf, which is the next revision of its chain, at a place in a segment; the first segment is 0.
    pub(crate) fn push(&mut self, chain: ChainId, segment: usize, offset: u64) {
        let leaf = self.places.len() as u64;
        let segment = u32::try_from(segment).unwrap_or(u32::MAX);
        let offset = u32::try_from(offset).unwrap_or(u32::MAX);
        self.places.push(Place { segment, offset });
        self.chains.entry(chain).or_default().push(leaf);
    }

    pub(crate) fn segment(&self, number: usize) -> Option<Arc<SegmentFile>> {
        self.segments.get(number).cloned()
    }

    /// Number of the segment that is written to.
    pub(crate) fn last_segment(&self) -> usize {
        self.segments.len().saturating_sub(1)
    }

    pub(crate) fn next_revision(&self, chain: ChainId) -> Revision {
        Revision(self.chains.get(&chain).map_or(0, |leaves| leaves.len() as u64))
    }

    /// Up to `limit` records of a chain, from a revision on.
    pub(crate) fn chain(&self, chain: ChainId, from: Revision, limit: usize) -> Vec<Located> {
        let Some(leaves) = self.chains.get(&chain) else { return Vec::new() };
        let from = usize::try_from(from.0).map_or(leaves.len(), |from| from.min(leaves.len()));
        let leaves = leaves.get(from..).unwrap_or_default();
        leaves.iter().take(limit).filter_map(|leaf| self.locate(*leaf)).collect()
    }

    /// Leaves of a chain, from a revision on.
    pub(crate) fn leaves(&self, chain: ChainId, from: Revision) -> impl Iterator<Item = LeafIndex> {
        let leaves = self.chains.get(&chain).map(Vec::as_slice).unwrap_or_default();
        let from = usize::try_from(from.0).map_or(leaves.len(), |from| from.min(leaves.len()));
        leaves.get(from..).unwrap_or_default().iter().copied().map(LeafIndex)
    }

    /// The entry that has a leaf. Looks into every chain.
    pub(crate) fn entry(&self, leaf: LeafIndex) -> Option<(ChainId, Revision)> {
        let of_chain = |(chain, leaves): (&ChainId, &Vec<u64>)| {
            leaves.binary_search(&leaf.0).ok().map(|revision| (*chain, Revision(revision as u64)))
        };
        self.chains.iter().find_map(of_chain)
    }

    /// Every chain with its first leaf.
    pub(crate) fn first_leaves(&self) -> impl Iterator<Item = (u64, ChainId)> {
        self.chains.iter().filter_map(|(chain, leaves)| Some((*leaves.first()?, *chain)))
    }

    /// Up to `limit` records in the global order, from a leaf on.
    pub(crate) fn order(&self, from: u64, limit: usize) -> Vec<Located> {
        (from..).take(limit).map_while(|leaf| self.locate(leaf)).collect()
    }

    fn locate(&self, leaf: u64) -> Option<Located> {
        let place = self.places.get(usize::try_from(leaf).ok()?)?;
        let segment = Arc::clone(self.segments.get(place.segment as usize)?);
        Some(Located { segment, offset: place.offset.into(), leaf: LeafIndex(leaf) })
    }
}

/// Reads records from the disk, about `ahead` bytes at a time, until one has made it `bytes_max` bytes or more. Checks
/// the CRC of each. Blocks.
pub(crate) fn read_located(located: &[Located], ahead: usize, bytes_max: usize) -> Result<Vec<Stored>, ReadError> {
    let mut records = Vec::with_capacity(located.len());
    let mut rest = located;
    let mut bytes = 0;
    while let Some(first) = rest.first() {
        let run = rest.iter().take_while(|next| Arc::ptr_eq(&next.segment, &first.segment)).count();
        let (now, later) = rest.split_at(run);
        let mut window = Window::new(&*first.segment.file, first.segment.bytes, ahead);
        for place in now {
            let stored = read_one(&mut window, place)?;
            bytes += stored.record.len();
            records.push(stored);
            if bytes >= bytes_max {
                return Ok(records);
            }
        }
        rest = later;
    }
    Ok(records)
}

fn read_one(window: &mut Window<'_>, place: &Located) -> Result<Stored, ReadError> {
    let head = window.bytes(place.offset, RECORD_HEAD_BYTES).map_err(|error| ReadError::Unavailable(Some(error)))?;
    let length = Frame::length(head).ok_or_else(|| damaged(place))?;
    let bytes = window.bytes(place.offset, length).map_err(|error| ReadError::Unavailable(Some(error)))?;
    let frame = Frame::decode(bytes).filter(|frame| frame.intact).ok_or_else(|| damaged(place))?;
    // A copy, so that a record that is kept does not keep the whole window.
    let record = Bytes::copy_from_slice(frame.record);
    Ok(Stored { chain: frame.chain, revision: frame.revision, order: place.leaf.into(), record })
}

fn damaged(place: &Located) -> ReadError {
    let place = format!("`{}` at byte {}", place.segment.path.display(), place.offset);
    tracing::error!(place, "a stored record is damaged");
    ReadError::Damaged { place }
}
