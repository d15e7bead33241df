//! The content of a file, synced and not.

use std::collections::BTreeSet;

/// A file's content, without its name.
#[derive(Debug, Default)]
pub(super) struct Inode {
    /// What reads give now.
    pub(super) content: Vec<u8>,
    /// What outlives a crash for certain.
    durable: Vec<u8>,
    /// What leads from the durable content to the present one, in order.
    pending: Vec<Change>,
}

impl Inode {
    pub(super) fn synced(content: Vec<u8>) -> Self {
        Self { durable: content.clone(), content, pending: Vec::new() }
    }

    pub(super) fn write(&mut self, offset: usize, bytes: &[u8]) {
        overwrite(&mut self.content, offset, bytes);
        self.pending.push(Change::Write(offset, bytes.to_vec()));
    }

    pub(super) fn set_len(&mut self, bytes: usize) {
        self.content.resize(bytes, 0);
        self.pending.push(Change::Length(bytes));
    }

    /// Brings the changes to the disk, or loses them: they read as before, and no later sync brings them there.
    pub(super) fn sync(&mut self, lose: bool) {
        for change in self.pending.drain(..).filter(|_| !lose) {
            change.apply(&mut self.durable);
        }
    }

    /// Whether nothing waits for a sync.
    pub(super) fn is_settled(&self) -> bool {
        self.pending.is_empty()
    }

    /// What a crash leaves: of each unsynced block what stood there at some time since the last sync, or two of these torn.
    /// A block is written as it reads at that time: what was written into it later is never there without what was
    /// written before.
    pub(super) fn crash(&self, dice: &mut Dice, block_bytes: usize) -> Self {
        let mut content = self.durable.clone();
        let mut writes = Vec::new();
        for change in &self.pending {
            match change {
                Change::Write(offset, bytes) => writes.push((*offset, bytes.as_slice())),
                Change::Length(bytes) => {
                    keep_some(&mut content, &std::mem::take(&mut writes), dice, block_bytes);
                    if dice.keeps() {
                        content.resize(*bytes, 0);
                    }
                }
            }
        }
        keep_some(&mut content, &writes, dice, block_bytes);
        Self::synced(content)
    }
}

/// Writes some of this, block by block.
fn keep_some(content: &mut Vec<u8>, writes: &[(usize, &[u8])], dice: &mut Dice, block_bytes: usize) {
    let blocks: BTreeSet<usize> =
        writes.iter().flat_map(|(at, bytes)| at / block_bytes..(at + bytes.len()).div_ceil(block_bytes)).collect();
    for block in blocks {
        let start = block * block_bytes;
        let mut last = content.get(start..).unwrap_or_default().to_vec();
        last.truncate(block_bytes);
        let mut versions = vec![last.clone()];
        for (at, bytes) in writes {
            let (from, to) = ((*at).max(start), (at + bytes.len()).min(start + block_bytes));
            if from < to {
                overwrite(&mut last, from - start, bytes.get(from - at..to - at).unwrap_or_default());
                versions.push(last.clone());
            }
        }
        let kept = dice.keeps_of(&versions);
        overwrite(content, start, &kept);
    }
}

#[derive(Debug)]
enum Change {
    Write(usize, Vec<u8>),
    Length(usize),
}

impl Change {
    fn apply(&self, content: &mut Vec<u8>) {
        match self {
            Self::Write(offset, bytes) => overwrite(content, *offset, bytes),
            Self::Length(bytes) => content.resize(*bytes, 0),
        }
    }
}

/// What becomes of each thing that a crash may keep or take.
#[derive(Debug)]
pub(super) enum Dice {
    /// As a small generator of numbers says (SplitMix64): one seed, one crash.
    Seeded(u64),
    /// All of it is kept.
    Keeping,
    /// None of it is.
    Dropping,
}

impl Dice {
    /// Whether a name or a length is kept.
    pub(super) fn keeps(&mut self) -> bool {
        match self {
            Self::Seeded(seed) => roll(seed, 2) == 0,
            Self::Keeping => true,
            Self::Dropping => false,
        }
    }

    /// What is left of a block that had these contents, one after the other.
    fn keeps_of(&mut self, versions: &[Vec<u8>]) -> Vec<u8> {
        let newest = versions.len().saturating_sub(1);
        let version = |at: usize| versions.get(at).cloned().unwrap_or_default();
        match self {
            Self::Keeping => version(newest),
            Self::Dropping => version(0),
            Self::Seeded(seed) => match roll(seed, 3) {
                0 => version(roll(seed, newest)),
                1 => version(newest),
                _torn => {
                    let older = roll(seed, newest);
                    let (mut torn, newer) = (version(older), version(older + 1 + roll(seed, newest - older)));
                    let bytes = roll(seed, newer.len());
                    overwrite(&mut torn, 0, newer.get(..bytes).unwrap_or_default());
                    torn
                }
            },
        }
    }
}

/// A number below `sides`.
fn roll(seed: &mut u64, sides: usize) -> usize {
    *seed = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut mixed = *seed;
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^= mixed >> 31;
    usize::try_from(mixed % (sides.max(1) as u64)).unwrap_or_default()
}

fn overwrite(content: &mut Vec<u8>, offset: usize, bytes: &[u8]) {
    if bytes.is_empty() {
        return;
    }
    let end = offset + bytes.len();
    if content.len() < end {
        content.resize(end, 0);
    }
    if let Some(place) = content.get_mut(offset..end) {
        place.copy_from_slice(bytes);
    }
}

/// Bytes that a disk writes as one, or tears, unless said otherwise.
pub(super) const SECTOR_BYTES: usize = 512;
