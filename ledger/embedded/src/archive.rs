//! A log that nobody serves, read chain by chain: what an audit needs. Nothing is mended and nothing is changed.
//!
//! One pass over every byte finds damage and remembers where each record is; then chains are read one at a time, by as
//! many threads as there are. Records stay on the disk: in memory there are some sixteen bytes for each and some eighty
//! for each chain.

use std::{io, path::Path, sync::Arc};

use mediation_ledger::{
    chain::{ChainId, Revision},
    log::{ReadError, Stored},
    merkle::LeafIndex,
};

use crate::{
    disk::{Access, Disk},
    index::{Index, SegmentFile, read_located},
    scan::{Expected, Placed, Scan, scan},
};

/// Bytes read at once: records of a chain lie scattered.
const AHEAD_BYTES: usize = 4096;

/// Places of the records of a log.
#[derive(Debug)]
pub struct Archive {
    index: Index,
}

impl Archive {
    /// Reads the log in a directory, and calls `visit` for every intact record, in order. There is no archive of a log
    /// with faults: where records are missing, places mean nothing.
    ///
    /// # Errors
    /// The directory cannot be listed, or a segment cannot be opened again. What is wrong with files stands in
    /// [`Scan::faults`].
    pub fn read(
        disk: &dyn Disk,
        dir: &Path,
        expected: &Expected,
        visit: &mut dyn FnMut(&Placed<'_>),
    ) -> io::Result<(Scan, Option<Self>)> {
        let mut index = Index::default();
        let scan = scan(disk, dir, expected, &mut |placed| {
            visit(&placed);
            index.push(placed.chain, placed.segment, placed.offset);
        })?;
        if !scan.faults.is_empty() {
            return Ok((scan, None));
        }
        for found in &scan.segments {
            let file = disk.open(&found.path, Access::Read)?;
            index.add_segment(Arc::new(SegmentFile { path: found.path.clone(), bytes: found.bytes, file }));
        }
        Ok((scan, Some(Self { index })))
    }

    /// The chains, in the order in which they began: neighbours lie near to each other on the disk.
    #[must_use]
    pub fn chains(&self) -> Vec<ChainId> {
        let mut chains: Vec<(u64, ChainId)> = self.index.first_leaves().collect();
        chains.sort_unstable();
        chains.into_iter().map(|(_, chain)| chain).collect()
    }

    /// Up to `limit` records of a chain from a revision on, with the numbers of their leaves.
    ///
    /// # Errors
    /// The disk does not give them any more, or gives something else.
    pub fn chain(&self, chain: ChainId, from: Revision, limit: usize) -> Result<Vec<(LeafIndex, Stored)>, ReadError> {
        let records = read_located(&self.index.chain(chain, from, limit), AHEAD_BYTES, usize::MAX)?;
        Ok(self.index.leaves(chain, from).zip(records).collect())
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use bytes::Bytes;
    use mediation_ledger::{
        log::Log as _,
        merkle::{Hash, TreeSize},
    };

    use super::*;
    use crate::{Embedded, Options, SEGMENT_BYTES_MIN, disk::SimulatedDisk};

    const ORIGIN: &str = "ledger.example/city";

    fn expected() -> Expected {
        Expected { origin: ORIGIN.to_owned(), covered: None }
    }

    /// Three chains, interleaved over several segments.
    async fn written(disk: &SimulatedDisk, dir: &Path) -> Vec<(ChainId, Bytes)> {
        let options = Options { segment_bytes: SEGMENT_BYTES_MIN, ..Options::new(ORIGIN) };
        let disk: Arc<dyn Disk> = Arc::new(disk.clone());
        Embedded::create(&disk, dir, &options).unwrap();
        let log = Embedded::open(disk, dir, &options).unwrap();
        let mut records = Vec::new();
        for at in 0..120_u64 {
            let chain = ChainId([u8::try_from(9 - at % 3).unwrap(); 16]);
            let record: Bytes = format!("{at} {}", "x".repeat(2000)).into();
            log.append(chain, Revision(at / 3), record.clone()).await.unwrap();
            records.push((chain, record));
        }
        log.close().await;
        records
    }

    #[tokio::test]
    async fn chains_come_in_the_order_of_their_beginnings_with_every_record_and_leaf() {
        let (disk, dir) = (SimulatedDisk::new(), PathBuf::from("/ledger"));
        let records = written(&disk, &dir).await;
        let mut visited = 0;
        let (scan, archive) = Archive::read(&disk, &dir, &expected(), &mut |_| visited += 1).unwrap();
        assert_eq!((visited, scan.size.0), (120, 120));
        assert!(scan.segments.len() > 2, "one segment tests little");
        let archive = archive.unwrap();
        assert_eq!(archive.chains(), [ChainId([9; 16]), ChainId([8; 16]), ChainId([7; 16])]);
        for chain in archive.chains() {
            let all = archive.chain(chain, Revision::FIRST, usize::MAX).unwrap();
            let some = archive.chain(chain, Revision(7), 5).unwrap();
            assert_eq!((all.len(), some.len()), (40, 5));
            assert_eq!(some.as_slice(), all.get(7..12).unwrap());
            for (leaf, stored) in all {
                let (expected, record) = records.get(usize::try_from(leaf.0).unwrap()).unwrap();
                assert_eq!((stored.chain, &stored.record), (*expected, record));
            }
        }
        assert_eq!(archive.chain(ChainId([1; 16]), Revision::FIRST, 9).unwrap(), []);
    }

    #[tokio::test]
    async fn there_is_no_archive_of_a_damaged_log() {
        let (disk, dir) = (SimulatedDisk::new(), PathBuf::from("/ledger"));
        written(&disk, &dir).await;
        let other = Expected { origin: "ledger.example/other".to_owned(), covered: None };
        let (scan, archive) = Archive::read(&disk, &dir, &other, &mut |_| {}).unwrap();
        assert!(!scan.faults.is_empty() && archive.is_none());
    }

    #[tokio::test]
    async fn there_is_no_archive_of_a_log_that_lacks_what_a_checkpoint_covers() {
        let (disk, dir) = (SimulatedDisk::new(), PathBuf::from("/ledger"));
        written(&disk, &dir).await;
        let covered = Some((TreeSize(121), Hash::ZERO));
        let (scan, archive) = Archive::read(&disk, &dir, &Expected { covered, ..expected() }, &mut |_| {}).unwrap();
        assert!(!scan.faults.is_empty() && archive.is_none());
    }
}
