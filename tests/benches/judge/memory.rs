//! Memory does not grow with the number of chains that are judged.

use std::{fs, hint::black_box};

use super::{Bench, mix};

/// Judges the chains of one city and then those of ten others, each told, judged and dropped, and compares the highest
/// memory of the process after each. What the first city brings in for good (rules, catalogue, pages of the allocator) is
/// there before.
///
/// # Panics
/// The ten cities took more memory than the one by more than [`GROWTH_MAX_KIB`].
#[expect(clippy::print_stdout, reason = "a bench says what it measured")]
pub(crate) fn assert_bounded() {
    // Judging it twice lets the allocator fetch its pages before anything is compared.
    let few: usize = [0, 0].into_iter().map(judge_city).sum::<usize>() / 2;
    let Some(few_kib) = highest_kib() else { return };
    let many: usize = (1..=10).map(judge_city).sum();
    let Some(many_kib) = highest_kib() else { return };
    println!("memory: {few} chains judged, {few_kib} KiB at most; {many} chains judged, {many_kib} KiB at most");
    let grown = many_kib.saturating_sub(few_kib);
    assert!(grown <= GROWTH_MAX_KIB, "{grown} KiB more for {many} chains than for {few}");
}

/// Judges every chain of the city of a seed and says how many there were.
fn judge_city(seed: u64) -> usize {
    let city = mix::city(seed, PERMILLE);
    let judge = Bench::new(city.directory().clone());
    let mut chains = 0;
    for story in city.stories() {
        black_box(judge.one(&story.acts));
        chains += 1;
    }
    chains
}

/// Highest resident memory of this process so far (`VmHWM`); none where the system does not tell.
fn highest_kib() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    line.split_whitespace().nth(1)?.parse().ok()
}

/// Scale of the cities: some 1 500 chains each, most of them of the registry.
const PERMILLE: u64 = 1;

/// Growth that passes: another city's largest chain may be larger. Were only 64 bytes kept of a chain, it would be more.
const GROWTH_MAX_KIB: u64 = 512;
