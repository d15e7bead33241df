//! The content of a file, synced and not.

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

    /// What a crash leaves: each unsynced sector kept, dropped or torn.
    pub(super) fn crash(&self, dice: &mut Dice) -> Self {
        let mut content = self.durable.clone();
        for change in &self.pending {
            match change {
                Change::Length(bytes) => {
                    if dice.roll(2) == 0 {
                        content.resize(*bytes, 0);
                    }
                }
                Change::Write(offset, bytes) => {
                    let mut at = *offset;
                    let mut rest = bytes.as_slice();
                    while !rest.is_empty() {
                        let step = (SECTOR_BYTES - at % SECTOR_BYTES).min(rest.len());
                        let (sector, after) = rest.split_at(step);
                        match dice.roll(3) {
                            0 => {}
                            1 => overwrite(&mut content, at, sector),
                            _ => {
                                let kept = sector.get(..dice.roll(step)).unwrap_or_default();
                                overwrite(&mut content, at, kept);
                            }
                        }
                        at += step;
                        rest = after;
                    }
                }
            }
        }
        Self::synced(content)
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

/// A small generator of numbers (SplitMix64): one seed, one crash.
#[derive(Debug)]
pub(super) struct Dice(pub(super) u64);

impl Dice {
    /// A number below `sides`.
    pub(super) fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^= mixed >> 31;
        usize::try_from(mixed % (sides.max(1) as u64)).unwrap_or_default()
    }
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

/// Bytes that a disk writes as one, or tears.
const SECTOR_BYTES: usize = 512;
