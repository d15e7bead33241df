//! Numbers that follow from a seed, and which seeds are run.

use std::{
    ops::Range,
    panic::{self, AssertUnwindSafe},
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering},
    },
    thread,
};

/// Draws numbers (SplitMix64): the same seed, the same numbers on every machine.
#[derive(Debug)]
pub(crate) struct Chance(u64);

impl Chance {
    /// The numbers of a seed for a purpose.
    pub(crate) fn new(seed: u64, purpose: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ purpose.wrapping_mul(0xd1b5_4a32_d192_ed03))
    }

    /// A number below `sides`.
    pub(crate) fn below(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % sides.max(1)
    }

    /// Happens once in so many times.
    pub(crate) fn one_in(&mut self, times: u64) -> bool {
        self.below(times) == 0
    }
}

/// Whether the numbers of a night are asked for.
pub(crate) fn is_full() -> bool {
    std::env::var("MEDIATION_TEST_SCALE").is_ok_and(|scale| scale == "full")
}

/// The seeds to be run: the one of `MEDIATION_SEED`, those of `MEDIATION_SEEDS=from..to`, or as many as the scale says.
pub(crate) fn seeds(few: u64, many: u64) -> Range<u64> {
    if let Ok(seed) = std::env::var("MEDIATION_SEED") {
        let seed: u64 = seed.parse().unwrap();
        return seed..seed + 1;
    }
    if let Ok(range) = std::env::var("MEDIATION_SEEDS") {
        let (from, to) = range.split_once("..").unwrap();
        return from.parse().unwrap()..to.parse().unwrap();
    }
    0..if is_full() { many } else { few }
}

/// Runs something for each number, on all processors, each to its end; panics with those that failed and how to run
/// one again.
pub(crate) fn for_each(numbers: Range<u64>, test: &str, run: impl Fn(u64) + Sync) {
    let next = AtomicU64::new(numbers.start);
    let failed = Mutex::new(Vec::new());
    let work = || {
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= numbers.end {
                return;
            }
            if panic::catch_unwind(AssertUnwindSafe(|| run(number))).is_err() {
                failed.lock().unwrap().push(number);
            }
        }
    };
    thread::scope(|scope| {
        for _thread in 0..thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(work);
        }
    });
    let mut failed = failed.into_inner().unwrap();
    failed.sort_unstable();
    let first = failed.first().copied().unwrap_or_default();
    assert!(
        failed.is_empty(),
        "{} of {} failed: {:?}\nrun one again: MEDIATION_SEED={first} cargo test --workspace --test simulation -- {test}",
        failed.len(),
        numbers.end - numbers.start,
        failed.iter().take(20).collect::<Vec<_>>(),
    );
}
