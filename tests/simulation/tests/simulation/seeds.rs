//! Lives that are drawn from seeds.

use std::sync::atomic::{AtomicU64, Ordering};

use mediation_log_embedded::disk::SimulatedDisk;

use crate::{
    chance::{Chance, for_each, seeds},
    judge::judge,
    life::{Plan, Witnessed, live},
    world::{Start, world},
};

/// What became of a seed.
struct Outcome {
    trace: Vec<String>,
    acknowledged: usize,
    crashes: u64,
    /// Entries that were recorded at an earlier time than the one before them, on another chain.
    earlier: usize,
}

/// Up to four lives on one disk, each judged at its end.
fn run(seed: u64) -> Outcome {
    run_planned(seed, |plan| plan)
}

/// The same, with lives that are planned a little otherwise.
fn run_planned(seed: u64, otherwise: fn(Plan) -> Plan) -> Outcome {
    let world = world();
    let mut chance = Chance::new(seed, 1);
    let witnessed = Witnessed::default();
    let mut disk: SimulatedDisk = world.disk();
    disk.set_block_bytes(if chance.one_in(2) { 512 } else { 4096 });
    let mut start = Start::new(seed, 0);
    let lives = 1 + chance.below(4);
    let mut crashes = 0;
    for number in 0..lives {
        let plan = otherwise(Plan::draw(seed, number));
        start = Start { journal: start.journal, ..Start::new(seed, number + 1) };
        live(world, &disk, &plan, &start, &witnessed);
        let context = format!("seed {seed}, after life {number}");
        if plan.power_cut {
            crashes += 1;
            disk = disk.crash(chance.below(u64::MAX));
        } else {
            disk.heal();
        }
        let there = judge(world, &disk, &start, &witnessed, &context);
        witnessed.trace(format!("{there} leaves"));
    }
    let mut seen = witnessed.seen();
    let (trace, earlier) = (std::mem::take(&mut seen.trace), seen.earlier);
    Outcome { trace, acknowledged: seen.acknowledged.len(), crashes, earlier }
}

#[test]
fn no_crash_or_fault_of_the_disk_loses_doubles_or_changes_what_was_acknowledged() {
    world();
    let (acknowledged, crashes) = (AtomicU64::new(0), AtomicU64::new(0));
    let range = seeds(500, 20_000);
    for_each(range.clone(), "no_crash_or_fault_of_the_disk", |seed| {
        let outcome = run(seed);
        acknowledged.fetch_add(outcome.acknowledged as u64, Ordering::Relaxed);
        crashes.fetch_add(outcome.crashes, Ordering::Relaxed);
    });
    let (acknowledged, crashes) = (acknowledged.into_inner(), crashes.into_inner());
    println!("seeds {range:?}: {acknowledged} acts acknowledged, {crashes} power cuts, nothing lost");
    // A simulation in which nothing happens finds nothing.
    let count = range.end - range.start;
    assert!(count < 100 || (acknowledged > 3 * count && crashes > count), "{acknowledged} acts, {crashes} crashes");
}

#[test]
fn a_clock_that_leaps_or_stands_changes_no_order_and_never_goes_back_on_a_chain() {
    world();
    let (acknowledged, earlier) = (AtomicU64::new(0), AtomicU64::new(0));
    let range = seeds(60, 2_000);
    for_each(range.clone(), "a_clock_that_leaps_or_stands", |seed| {
        let outcome = run_planned(seed, Plan::with_leaps);
        acknowledged.fetch_add(outcome.acknowledged as u64, Ordering::Relaxed);
        earlier.fetch_add(outcome.earlier as u64, Ordering::Relaxed);
    });
    let (acknowledged, earlier) = (acknowledged.into_inner(), earlier.into_inner());
    println!(
        "seeds {range:?}: {acknowledged} acts acknowledged, {earlier} times an earlier time stands after a later one"
    );
    // A clock that nobody notices shows nothing.
    let count = range.end - range.start;
    assert!(count < 50 || earlier > count / 4, "{earlier} of {acknowledged} entries");
}

#[test]
fn the_same_seed_lives_the_same_life_twice() {
    world();
    let lines = AtomicU64::new(0);
    let range = seeds(3, 50);
    for_each(range.clone(), "the_same_seed_lives_the_same_life_twice", |seed| {
        let (first, second) = (run(seed).trace, run(seed).trace);
        let differs = first.iter().zip(&second).position(|(first, second)| first != second);
        if let Some(at) = differs {
            panic!("seed {seed}, line {at}: {:?} and then {:?}", first.get(at), second.get(at));
        }
        assert_eq!(first.len(), second.len(), "seed {seed}");
        lines.fetch_add(first.len() as u64, Ordering::Relaxed);
    });
    let lines = lines.into_inner();
    println!("seeds {range:?} twice, {lines} lines of traces, the same");
    assert!(lines > 100 * (range.end - range.start) || range.end - range.start < 3, "{lines} lines tell nothing");
}

/// Seeds that have found something, each with what it was.
const FOUND: [(u64, &str); 3] = [
    (3_346, "a checkpoint whose sync had failed was written over, and not cut to its length again"),
    (3_543, "the same"),
    (4_206, "the same"),
];

#[test]
fn seeds_that_have_found_something_live_well() {
    world();
    for (seed, what) in FOUND {
        assert!(run(seed).crashes > 0, "seed {seed}: {what}");
    }
}

#[test]
fn other_seeds_live_other_lives() {
    world();
    assert_ne!(run(1).trace, run(2).trace);
}
