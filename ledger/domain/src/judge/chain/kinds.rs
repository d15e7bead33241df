//! Kinds of acts, and where the acts of each kind stand on a chain.

use mediation_proto::derived::KINDS;

/// A kind of act: its place in the descriptors.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Kind(pub(crate) usize);

/// The kind of this name. Used in constants, where a name that does not exist does not compile.
pub(crate) const fn kind(event: &str) -> Kind {
    let mut rest = KINDS.as_slice();
    let mut at = 0;
    while let [first, others @ ..] = rest {
        if is_same(first.event.as_bytes(), event.as_bytes()) {
            return Kind(at);
        }
        rest = others;
        at += 1;
    }
    panic!("there is no such event");
}

const fn is_same(left: &[u8], right: &[u8]) -> bool {
    let (mut left, mut right) = (left, right);
    while let ([a, left_rest @ ..], [b, right_rest @ ..]) = (left, right) {
        if *a != *b {
            return false;
        }
        left = left_rest;
        right = right_rest;
    }
    left.is_empty() && right.is_empty()
}

/// Positions of the acts of a chain by kind.
#[derive(Debug)]
pub(super) struct Places {
    /// Kind and position, sorted.
    places: Vec<(Kind, usize)>,
    /// Which kinds there are, one bit for each: most rules ask for kinds that a chain does not have.
    present: [u64; WORDS],
}

impl Places {
    /// Places of acts of these kinds, in the order of the chain.
    pub(super) fn new(kinds: impl Iterator<Item = Kind>) -> Self {
        let mut places: Vec<(Kind, usize)> = kinds.zip(0..).collect();
        let mut present = [0; WORDS];
        for (Kind(kind), _) in &places {
            if let Some(word) = present.get_mut(kind / 64) {
                *word |= 1 << (kind % 64);
            }
        }
        places.sort_unstable();
        Self { places, present }
    }

    pub(super) fn has(&self, kind: Kind) -> bool {
        self.present.get(kind.0 / 64).is_some_and(|word| word >> (kind.0 % 64) & 1 == 1)
    }

    /// Positions of the acts of a kind before a position, ascending.
    pub(super) fn before(&self, kind: Kind, at: usize) -> impl DoubleEndedIterator<Item = usize> {
        let found = if self.has(kind) { self.places.as_slice() } else { &[] };
        let found = found.get(found.partition_point(|place| *place < (kind, 0))..).unwrap_or_default();
        let found = found.get(..found.partition_point(|place| *place < (kind, at))).unwrap_or_default();
        found.iter().map(|(_, at)| *at)
    }

    /// Positions of the acts of a kind after a position, ascending.
    pub(super) fn after(&self, kind: Kind, at: usize) -> impl DoubleEndedIterator<Item = usize> {
        let found = if self.has(kind) { self.places.as_slice() } else { &[] };
        let found = found.get(found.partition_point(|place| *place <= (kind, at))..).unwrap_or_default();
        let found = found.get(..found.partition_point(|place| place.0 == kind)).unwrap_or_default();
        found.iter().map(|(_, at)| *at)
    }
}

/// Words that hold one bit for every kind.
const WORDS: usize = KINDS.len().div_ceil(64);
