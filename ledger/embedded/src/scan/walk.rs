//! The walk over the files, in order, checking each byte once.

use std::{
    collections::BTreeMap,
    io,
    path::{Path, PathBuf},
};

use mediation_ledger::{
    chain::{ChainId, Revision},
    merkle::{Hash, LeafIndex, TreeSize},
};
use sha2::{Digest as _, Sha256};

use super::{
    BatchFound, Expected, Placed, Scan, SegmentFound,
    batches::{Found, later_batch},
};
use crate::{
    disk::{Access, Disk},
    segment::{Problem, SEGMENT_HEADER_BYTES, SPARE_NAME, SegmentHeader, Window, first_leaf},
};

/// Bytes read at once.
const WINDOW_BYTES: usize = 1024 * 1024;

/// Where the walk is, and what it has found so far.
pub(super) struct Walk<'a> {
    disk: &'a dyn Disk,
    log_dir: &'a Path,
    pub(super) expected: &'a Expected,
    origin: [u8; 32],
    pub(super) visit: &'a mut dyn FnMut(Placed<'_>),
    pub(super) scan: Scan,
    /// Number of the next leaf.
    pub(super) next: u64,
    pub(super) tree: Tree,
    /// Next revision of each chain, for as long as no record was lost or damaged.
    pub(super) revisions: Option<BTreeMap<ChainId, Revision>>,
    /// Root at the covered size, once the walk was there.
    pub(super) covered_root: Option<Hash>,
}

/// How far the tree can be computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tree {
    /// Every leaf was there.
    Known,
    /// A damaged record went in as it is; the next root tells whether its leaf was hit.
    Doubtful,
    /// Leaves are missing or wrong: roots cannot be compared any more.
    Lost,
}

/// The segment that the walk is in.
pub(super) struct Segment<'a> {
    pub(super) path: &'a Path,
    /// Which it is; the first is 0.
    pub(super) number: usize,
    pub(super) bytes: u64,
    /// Whether no other comes after it.
    pub(super) last: bool,
    pub(super) window: Window<'a>,
}

impl<'a> Walk<'a> {
    pub(super) fn new(
        disk: &'a dyn Disk,
        log_dir: &'a Path,
        expected: &'a Expected,
        visit: &'a mut dyn FnMut(Placed<'_>),
    ) -> Self {
        Self {
            disk,
            log_dir,
            expected,
            origin: Sha256::digest(expected.origin.as_bytes()).into(),
            visit,
            scan: Scan::empty(),
            next: 0,
            tree: Tree::Known,
            revisions: Some(BTreeMap::new()),
            covered_root: expected.covered.filter(|(size, _)| size.0 == 0).map(|_| Hash::EMPTY_TREE),
        }
    }

    pub(super) fn run(mut self, names: &[String]) -> Scan {
        let mut segments: Vec<(LeafIndex, PathBuf)> = Vec::new();
        for name in names {
            match first_leaf(name) {
                Some(first) => segments.push((first, self.log_dir.join(name))),
                None if name == SPARE_NAME => {}
                None => self.scan.fault(&self.log_dir.join(name), 0, Problem::UnexpectedFile),
            }
        }
        if segments.is_empty() {
            self.scan.fault(self.log_dir, 0, Problem::Missing);
        }
        let count = segments.len();
        for (number, (first, path)) in segments.iter().enumerate() {
            if let Err(error) = self.segment(number, *first, path, number + 1 == count) {
                self.scan.fault(path, 0, Problem::Unreadable(error.to_string()));
                self.tree = Tree::Lost;
            }
        }
        self.scan.size = TreeSize(self.next);
        self.scan.root = self.scan.frontier.root();
        if names.iter().any(|name| name == SPARE_NAME) {
            self.spare();
        }
        if let Some((_, path)) = segments.last() {
            self.covered(path);
        }
        self.scan
    }

    fn segment(&mut self, number: usize, first: LeafIndex, path: &Path, last: bool) -> io::Result<()> {
        let file = self.disk.open(path, Access::Read)?;
        let bytes = file.len()?;
        self.scan.bytes += bytes;
        self.scan.segments.push(SegmentFound { path: path.to_owned(), bytes });
        let mut segment = Segment { path, number, bytes, last, window: Window::new(&*file, bytes, WINDOW_BYTES) };
        if !self.header(&mut segment, first)? {
            self.tree = Tree::Lost;
            return Ok(());
        }
        let mut at = SEGMENT_HEADER_BYTES as u64;
        while at < bytes {
            self.scan.end = at;
            match self.batch(&mut segment, at)? {
                Found::Batch { end, count } => {
                    self.scan.last_batch = Some(BatchFound { segment: number, place: at..end, count });
                    at = end;
                }
                Found::Zeros => break,
                Found::Broken(broken) => {
                    let later = later_batch(&mut segment, broken.search_from(), self.next)?;
                    if later.is_none() && self.torn(&mut segment, at, &broken)? {
                        break;
                    }
                    let end = broken.end();
                    self.damaged(&mut segment, broken)?;
                    let Some(go_on) = later.or(end) else { break };
                    at = go_on;
                }
            }
            self.scan.end = at;
        }
        Ok(())
    }

    /// Checks the head of a segment; `false` when the rest of the file cannot be read as this ledger's.
    fn header(&mut self, segment: &mut Segment<'_>, named: LeafIndex) -> io::Result<bool> {
        let header = match SegmentHeader::decode(segment.window.bytes(0, SEGMENT_HEADER_BYTES)?) {
            Ok(header) => header,
            Err((offset, problem)) => {
                let readable = !matches!(problem, Problem::Version { .. });
                self.scan.fault(segment.path, offset, problem);
                return Ok(readable);
            }
        };
        if header.origin != self.origin {
            self.scan.fault(segment.path, 16, Problem::Origin);
            return Ok(false);
        }
        if header.bytes != segment.bytes {
            let problem = Problem::Length { expected: header.bytes, found: segment.bytes };
            self.scan.fault(segment.path, header.bytes.min(segment.bytes), problem);
        }
        // Name and header both continue the segment before. After lost leaves they only have to agree.
        let expected = if self.tree == Tree::Lost { header.first } else { LeafIndex(self.next) };
        if let Some(found) = [named, header.first].into_iter().find(|first| *first != expected) {
            self.scan.fault(segment.path, 56, Problem::FirstLeaf { expected, found });
            self.tree = Tree::Lost;
        }
        self.next = header.first.0;
        self.compare_root(segment.path, 64, header.root);
        Ok(true)
    }

    /// Compares the root of what stands before a place with what was committed to there.
    pub(super) fn compare_root(&mut self, path: &Path, at: u64, expected: Hash) {
        if self.tree == Tree::Lost {
            return;
        }
        let found = self.scan.frontier.root();
        if found == expected {
            self.tree = Tree::Known;
            return;
        }
        // After a damaged record another root is the same damage, which has been reported.
        if self.tree == Tree::Known {
            self.scan.fault(path, at, Problem::Root { expected, found });
        }
        self.tree = Tree::Lost;
    }

    /// The next segment in the making: zeros, perhaps with the beginning of the one header that it can get.
    fn spare(&mut self) {
        let path = self.log_dir.join(SPARE_NAME);
        match self.spare_problem(&path) {
            Ok(None) => {}
            Ok(Some(offset)) => self.scan.fault(&path, offset, Problem::NotZero),
            // It may have become a segment since the directory was listed.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => self.scan.fault(&path, 0, Problem::Unreadable(error.to_string())),
        }
    }

    fn spare_problem(&mut self, path: &Path) -> io::Result<Option<u64>> {
        let file = self.disk.open(path, Access::Read)?;
        let bytes = file.len()?;
        self.scan.bytes += bytes;
        let mut window = Window::new(&*file, bytes, WINDOW_BYTES);
        let expected = SegmentHeader { origin: self.origin, bytes, first: LeafIndex(self.next), root: self.scan.root };
        let found = window.bytes(0, SEGMENT_HEADER_BYTES)?;
        let same = found.iter().zip(expected.encode()).take_while(|(found, expected)| **found == *expected).count();
        window.first_nonzero(same as u64, bytes)
    }

    /// Compares the log with the last stored checkpoint.
    fn covered(&mut self, last: &Path) {
        let Some((size, covered)) = self.expected.covered else { return };
        if self.next < size.0 {
            if self.scan.faults.is_empty() {
                let problem = Problem::Shorter { size: TreeSize(self.next), covered: size };
                self.scan.fault(last, self.scan.end, problem);
            }
            return;
        }
        let Some(found) = self.covered_root.filter(|found| *found != covered) else { return };
        // Damage that was found explains another root; without any, this is another log.
        if self.scan.faults.is_empty() {
            self.scan.fault(last, self.scan.end, Problem::Covered { size, found, covered });
        }
    }
}
