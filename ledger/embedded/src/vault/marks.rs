//! Slots by what stands in them, in eight bytes for each.
//!
//! Of what stands in a slot only a mark of 28 bits is kept, under a hash that nobody outside can foresee. Whoever looks something
//! up is given the slots that come into question, mostly one, and reads what stands there.

use std::hash::{BuildHasher as _, Hash, RandomState};

use hashbrown::HashTable;

/// Bits of a slot's number: a file of 8 TiB.
const SLOT_BITS: u32 = 36;

/// Slots that a vault can have.
pub(super) const SLOTS_MAX: u64 = 1 << SLOT_BITS;

/// Slots by the marks of what stands in them.
#[derive(Debug, Default)]
pub(super) struct Marks {
    marked: HashTable<Marked>,
    hasher: RandomState,
}

/// A mark, then a slot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Marked(u64);

impl Marked {
    fn new(mark: u64, slot: u64) -> Self {
        debug_assert!(slot < SLOTS_MAX, "the vault grows no further");
        Self(mark << SLOT_BITS | slot)
    }

    fn mark(self) -> u64 {
        self.0 >> SLOT_BITS
    }

    fn slot(self) -> u64 {
        self.0 & (SLOTS_MAX - 1)
    }

    /// What the table places it by.
    fn hash(self) -> u64 {
        // By the golden ratio, so that the upper bits differ as well.
        self.mark().wrapping_mul(0x9e37_79b9_7f4a_7c15)
    }
}

impl Marks {
    /// Adds what stands in a slot.
    pub(super) fn insert(&mut self, what: &impl Hash, slot: u64) {
        let marked = self.marked(what, slot);
        self.marked.insert_unique(marked.hash(), marked, |marked| marked.hash());
    }

    /// Slots in which it may stand; in no other one it does.
    pub(super) fn of(&self, what: &impl Hash) -> impl Iterator<Item = u64> {
        let sought = self.marked(what, 0);
        let same = move |marked: &&Marked| marked.mark() == sought.mark();
        self.marked.iter_hash(sought.hash()).filter(same).map(|marked| marked.slot())
    }

    /// Whether it may stand in this slot.
    pub(super) fn holds(&self, what: &impl Hash, slot: u64) -> bool {
        self.of(what).any(|marked| marked == slot)
    }

    /// Takes it away from a slot. Whether it was there.
    pub(super) fn remove(&mut self, what: &impl Hash, slot: u64) -> bool {
        let sought = self.marked(what, slot);
        let found = self.marked.find_entry(sought.hash(), |marked| *marked == sought);
        found.map(|entry| entry.remove()).is_ok()
    }

    fn marked(&self, what: &impl Hash, slot: u64) -> Marked {
        Marked::new(self.hasher.hash_one(what) >> SLOT_BITS, slot)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_is_found_where_it_stands_until_it_is_taken_away() {
        let mut marks = Marks::default();
        for slot in 0..10_000_u64 {
            marks.insert(&(slot, "part"), slot);
        }
        marks.insert(&(7_u64, "part"), SLOTS_MAX - 1);
        for slot in 0..10_000_u64 {
            assert!(marks.holds(&(slot, "part"), slot));
        }
        let mut seventh: Vec<u64> =
            marks.of(&(7_u64, "part")).filter(|slot| [7, SLOTS_MAX - 1].contains(slot)).collect();
        seventh.sort_unstable();
        assert_eq!(seventh, [7, SLOTS_MAX - 1]);

        assert!(marks.remove(&(7_u64, "part"), 7));
        assert!(!marks.remove(&(7_u64, "part"), 7));
        assert!(!marks.holds(&(7_u64, "part"), 7));
        assert!(marks.holds(&(7_u64, "part"), SLOTS_MAX - 1));
        // Of ten thousand others hardly one has the same 28 bits.
        let strangers = (0..10_000_u64).filter(|slot| marks.of(&(*slot, "other")).next().is_some()).count();
        assert!(strangers < 20, "{strangers}");
    }
}
