//! A batch being put together: what one write and one sync make durable.

use mediation_ledger::{
    chain::{ChainId, Revision},
    merkle::{Hash, TreeSize},
};

use super::{BATCH_HEADER_BYTES, BatchHeader, FRAME_BYTES, Frame};

/// Records on their way to the disk.
#[derive(Debug)]
pub(crate) struct Batch {
    /// Room for the header, then the records.
    bytes: Vec<u8>,
    /// Chain of each record, and where its frame begins in the batch.
    records: Vec<(ChainId, usize)>,
}

impl Batch {
    pub(crate) fn new() -> Self {
        Self { bytes: vec![0; BATCH_HEADER_BYTES], records: Vec::new() }
    }

    pub(crate) fn clear(&mut self) {
        self.bytes.truncate(BATCH_HEADER_BYTES);
        // One oversized batch must not pin its memory for the life of the process.
        self.bytes.shrink_to(KEPT_BYTES);
        self.records.clear();
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// Bytes it will take on the disk.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes.len()
    }

    /// Bytes it would take with one more record of this many bytes.
    pub(crate) fn bytes_with(&self, record_bytes: usize) -> usize {
        self.bytes.len() + record_bytes + FRAME_BYTES
    }

    pub(crate) fn push(&mut self, chain: ChainId, revision: Revision, record: &[u8]) {
        self.records.push((chain, self.bytes.len()));
        Frame::encode(chain, revision, record, &mut self.bytes);
    }

    /// Chain of each record, and where its frame begins in the batch.
    pub(crate) fn records(&self) -> &[(ChainId, usize)] {
        &self.records
    }

    /// The bytes to write, committing to the tree before them.
    pub(crate) fn seal(&mut self, size: TreeSize, root: Hash) -> &[u8] {
        let header = BatchHeader {
            count: u32::try_from(self.records.len()).unwrap_or(u32::MAX),
            payload_bytes: u32::try_from(self.bytes.len() - BATCH_HEADER_BYTES).unwrap_or(u32::MAX),
            size,
            root,
        };
        for (to, from) in self.bytes.iter_mut().zip(header.encode()) {
            *to = from;
        }
        &self.bytes
    }
}

/// Bytes of buffer kept between batches.
const KEPT_BYTES: usize = 1024 * 1024;
