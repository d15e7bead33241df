//! One life, written down, cut before and after everything it does to the disk; and the same with operations that fail.

use std::{
    ops::Range,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use mediation_ledger::{
    chain::ChainId,
    entropy::SeededEntropy,
    recorder::{Request, Submitted},
};
use mediation_log_embedded::{
    disk::SimulatedDisk,
    vault::{Keks, rotate_from},
};

use crate::{
    chance::{for_each, is_full},
    judge::judge,
    life::{Witnessed, carry_out},
    world::{
        BUREAU, CENTER, ORIGIN, Process, Start, World, caller, chain, countersignature, event_id, follow_up, handoff,
        order_to_erase, registration, runtime, vault_directory, world,
    },
};

/// Images of what one crash may leave that are judged, at most.
const IMAGES_MAX: usize = 64;

/// The same for a change that is looked at by everybody.
const IMAGES_FEW: usize = 3;

/// The chain that is erased.
const ERASED: u8 = 1;

/// Founds nothing: opens, records on three chains until segments follow one another, lets a checkpoint be synced, records
/// a batch, closes; wraps the keys anew; opens, erases a chain, records on, and ends without closing.
fn script(world: &'static World, disk: &SimulatedDisk, start: &Start, witnessed: &Witnessed) {
    let first = runtime();
    let done = first.block_on(async {
        let process = Process::open(world, disk, start).await.ok()?;
        for number in 1..=3 {
            record(witnessed, &process, CENTER, &registration(chain(number), event_id(u32::from(number), 0), 2_400))
                .await?;
        }
        for act in 1..=9 {
            record(witnessed, &process, CENTER, &follow_up(chain(2), event_id(2, act), 2_400)).await?;
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
        batch(witnessed, &process, (10..14).map(|act| follow_up(chain(3), event_id(3, act), 100)).collect()).await?;
        process.close().await;
        Some(())
    });
    drop(first);
    if done.is_none() || disk.is_dead() || start.is_aborted() {
        return;
    }
    let entropy = SeededEntropy::new([3; 32]);
    if rotate_from(disk, &vault_directory(), ORIGIN, Keks::default(), &entropy).is_err() {
        return;
    }
    let second = runtime();
    second.block_on(async {
        let process = Process::open(world, disk, start).await.ok()?;
        erase(witnessed, &process, start).await?;
        for act in 20..30 {
            record(witnessed, &process, CENTER, &follow_up(chain(2), event_id(2, act), 2_400)).await?;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
        Some(())
    });
}

async fn record(witnessed: &Witnessed, process: &Process, agency: &str, request: &Request) -> Option<()> {
    witnessed.record(process, agency, request).await.map(drop)
}

async fn batch(witnessed: &Witnessed, process: &Process, requests: Vec<Request>) -> Option<()> {
    for request in &requests {
        let id = (request.chain, request.event_id);
        let mut seen = witnessed.seen();
        seen.submitted.entry(id).or_default().push(request.clone());
        seen.unknown.insert(id);
    }
    let submitted = requests.into_iter().map(|request| Submitted { caller: caller(CENTER), request });
    let placed = process.recorder.record_batch(submitted.collect()).await.ok()?;
    let mut seen = witnessed.seen();
    seen.acknowledged.extend(placed.into_iter().map(|placed| ((placed.chain, placed.event_id), placed)));
    Some(())
}

async fn erase(witnessed: &Witnessed, process: &Process, start: &Start) -> Option<()> {
    let (chain, order): (ChainId, _) = (chain(ERASED), event_id(1, 1));
    record(witnessed, process, CENTER, &handoff(chain, event_id(1, 3))).await?;
    record(witnessed, process, CENTER, &order_to_erase(chain, order)).await?;
    record(witnessed, process, BUREAU, &countersignature(chain, event_id(1, 2), order)).await?;
    carry_out(process, start, chain).await.ok()?;
    witnessed.seen().erased.insert(chain);
    Some(())
}

/// Lives the script on a fresh disk.
pub(crate) fn lived(disk: &SimulatedDisk) -> (Start, Witnessed) {
    let (start, witnessed) = (Start::new(1, 1), Witnessed::default());
    script(world(), disk, &start, &witnessed);
    (start, witnessed)
}

/// Changes and operations of the whole script.
fn length() -> (u64, u64) {
    let disk = world().disk();
    let (_, witnessed) = lived(&disk);
    let seen = witnessed.seen();
    assert!(seen.acknowledged.len() == 29 && seen.erased.len() == 1, "{} acknowledged", seen.acknowledged.len());
    let turns = disk.turns();
    for step in ["rename", "set_len", "remove", "sync_dir", "create"] {
        assert!(turns.iter().any(|turn| turn.starts_with(step)), "the script never does `{step}`");
    }
    (disk.changes(), disk.operations())
}

/// The points to be cut: those of `MEDIATION_SEEDS` or `MEDIATION_SEED`, all of them, or every so many.
fn points(length: u64, step: u64) -> Range<u64> {
    let asked = ["MEDIATION_SEED", "MEDIATION_SEEDS"].iter().any(|name| std::env::var(name).is_ok());
    if asked {
        return crate::chance::seeds(0, 0);
    }
    0..if is_full() { length } else { length.div_ceil(step) }
}

/// The point of a number: neighbouring ones at full scale, else so many apart.
fn point(number: u64, step: u64) -> u64 {
    let asked = ["MEDIATION_SEED", "MEDIATION_SEEDS"].iter().any(|name| std::env::var(name).is_ok());
    1 + if is_full() || asked { number } else { number * step }
}

#[test]
fn a_life_that_is_cut_at_any_point_is_whole_in_every_image_of_the_crash() {
    const STEP: u64 = 7;
    let (changes, _) = length();
    let images_max = if is_full() { IMAGES_MAX } else { IMAGES_FEW };
    let images = AtomicU64::new(0);
    for_each(points(changes + 1, STEP), "a_life_that_is_cut_at_any_point", |number| {
        let point = point(number, STEP);
        let disk = world().disk();
        disk.fail_from_change(point);
        let (start, witnessed) = lived(&disk);
        for (number, image) in (0..).zip(disk.images(point, images_max)) {
            judge(world(), &image, &start, &witnessed, &format!("cut before change {point}, image {number}"));
            images.fetch_add(1, Ordering::Relaxed);
        }
    });
    println!("{changes} changes and syncs, {} images judged", images.into_inner());
}

/// How an operation fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Failure {
    /// Once, with an I/O error.
    Once,
    /// It and every one after it, until the process is started anew.
    Sticky,
    /// The disk is full when so many bytes are written.
    Full,
}

#[test]
fn whatever_operation_of_a_life_fails_nothing_acknowledged_is_lost() {
    const STEP: u64 = 29;
    let (_, operations) = length();
    for_each(points(operations, STEP), "whatever_operation_of_a_life_fails", |number| {
        let point = point(number, STEP);
        for failure in [Failure::Once, Failure::Sticky, Failure::Full] {
            let disk = world().disk();
            disk.shorten_transfers(point.is_multiple_of(2));
            match failure {
                Failure::Once => disk.fail_operation(point),
                Failure::Sticky => disk.fail_from_operation(point),
                Failure::Full => disk.leave_space(Some(point * 400)),
            }
            let (start, witnessed) = lived(&disk);
            let context = format!("operation {point} fails, {failure:?}");
            // First the process alone starts anew, then the machine.
            disk.heal();
            judge(world(), &disk, &start, &witnessed, &format!("{context}, then killed"));
            judge(world(), &disk.crash(point), &start, &witnessed, &format!("{context}, then a power cut"));
        }
    });
    println!("{operations} operations, each failing in three ways");
}

#[test]
fn the_script_does_all_that_a_ledger_does_to_its_disk() {
    let (changes, operations) = length();
    assert!(changes > 60 && operations > changes, "{changes} changes, {operations} operations");
    let disk = world().disk();
    let (start, witnessed) = lived(&disk);
    let leaves = judge(world(), &disk.copy(), &start, &witnessed, "whole");
    assert_eq!(leaves, 3 + 29 + 1, "founding, acts, and the act of the eraser");
}
