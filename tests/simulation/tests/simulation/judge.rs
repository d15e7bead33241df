//! What a disk that was crashed must hold: everything that somebody was told, and nothing that nobody sent.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use mediation_domain::history::EventId;
use mediation_ledger::{
    chain::{ChainId, Revision},
    checkpoint::Checkpoint,
    entry::Entry,
    merkle::Hash,
    record::Record,
    statement::Statement,
    verify::Verification,
};
use mediation_log_embedded::{
    Fault, Problem,
    disk::SimulatedDisk,
    scan::{Expected, Scan, scan},
    vault::{self, VaultReader},
};

use crate::{
    life::{Seen, Witnessed, carry_out},
    world::{ORIGIN, Process, Start, World, directory, runtime, vault_directory},
};

/// Entries of the founding.
pub(crate) const FOUNDING: usize = 3;

/// An entry as it was found.
struct Found {
    chain: ChainId,
    revision: Revision,
    leaf: Hash,
    entry: Bytes,
}

/// Opens what a crash has left, as the next process does, lets it go on with what was begun, and verifies all of it. What
/// is judged is a copy. Answers the number of leaves that were there.
pub(crate) fn judge(world: &World, disk: &SimulatedDisk, start: &Start, witnessed: &Witnessed, context: &str) -> usize {
    let before = scanned(world, disk, context, &mut |_| {});
    // A few bytes of a batch that lack its beginning cannot be told from damage to spare zeros; opening clears them away.
    let is_stray = |fault: &Fault| {
        let tail = before.torn_tail.as_ref().filter(|tail| tail.file == fault.file && tail.offset <= fault.offset);
        tail.is_some() && fault.problem == Problem::NotZero
    };
    let damage: Vec<_> = before.faults.iter().filter(|fault| !is_stray(fault)).collect();
    assert!(damage.is_empty(), "{context}: a crash is taken for damage: {damage:?}");
    let disk = disk.copy();
    let start = Start { aborted: std::sync::Arc::default(), ..start.clone() };
    let (runtime, chains) = (runtime(), start.journal.chains());
    let opened = runtime.block_on(async {
        let process = Process::open(world, &disk, &start).await;
        let process = process.unwrap_or_else(|error| panic!("{context}: it does not open: {error}"));
        let opened = process.log.size();
        for chain in chains {
            carry_out(&process, &start, chain).await.unwrap_or_else(|error| panic!("{context}: {error}"));
        }
        process.close().await;
        opened
    });
    drop(runtime);
    let opened = usize::try_from(opened.0).unwrap();
    let mut seen = witnessed.seen();
    let found = verified(world, &disk, &seen, context);
    assert_seen(&seen, &found, context);
    seen.earlier = assert_times(&found, context);
    let relied = relied_on(&seen, &found);
    assert!(relied <= opened, "{context}: {relied} leaves are relied on, {opened} were there");
    seen.order = found.iter().take(relied).map(|found| found.leaf).collect();
    opened
}

fn scanned(
    world: &World,
    disk: &SimulatedDisk,
    context: &str,
    visit: &mut dyn FnMut(mediation_log_embedded::scan::Placed<'_>),
) -> Scan {
    let stored = world.stored(disk).unwrap_or_else(|error| panic!("{context}: {error}"));
    let covered = stored.map(|checkpoint| (checkpoint.size, checkpoint.root));
    scan(disk, directory(), &Expected { origin: ORIGIN.to_owned(), covered }, visit).unwrap()
}

/// Everything that `mediation verify` checks of log, vault and checkpoints: nothing may be wrong.
fn verified(world: &World, disk: &SimulatedDisk, seen: &Seen, context: &str) -> Vec<Found> {
    let vault = vault::scan(disk, &vault_directory(), ORIGIN);
    assert_eq!(vault.faults, [], "{context}");
    let reader = VaultReader::open(disk, &vault_directory(), ORIGIN).unwrap();
    let stored = world.stored(disk).unwrap().unwrap_or_else(|| panic!("{context}: there is no checkpoint"));
    let named = |checkpoint: &Checkpoint| (format!("published {}", checkpoint.size), checkpoint.clone());
    let checkpoints = seen.published.values().chain([&stored]).map(named).collect();
    let mut verification = Verification::new(ORIGIN, world.genesis, checkpoints, true);
    let mut found = Vec::new();
    let scan = scanned(world, disk, context, &mut |placed| {
        let key = |digest: Hash| reader.key(placed.chain, digest).ok().flatten();
        verification.entry(placed.chain, placed.revision, placed.record, &key);
        let entry = Record::parse(placed.record).map(|record| record.entry).unwrap_or_default();
        found.push(Found { chain: placed.chain, revision: placed.revision, leaf: placed.leaf_hash, entry });
    });
    assert_eq!((scan.faults, scan.torn_tail), (vec![], None), "{context}: after an orderly end");
    for (chain, digest) in verification.erased() {
        assert_eq!(reader.key(chain, digest).unwrap(), None, "{context}: the key of {digest} was erased");
    }
    let erased: BTreeSet<ChainId> = verification.erased().map(|(chain, _)| chain).collect();
    assert!(seen.erased.is_subset(&erased), "{context}: an erasure was undone");
    let (counts, faults, _, tree) = verification.finish();
    assert_eq!(faults, [], "{context}");
    assert_eq!((tree.size, counts.entries), (stored.size, found.len() as u64), "{context}: not everything is sealed");
    found
}

/// What was acknowledged is there, byte for byte; what was refused is not; nothing is there twice, or unasked.
fn assert_seen(seen: &Seen, found: &[Found], context: &str) {
    let known = seen.order.len();
    let order: Vec<Hash> = found.iter().take(known).map(|found| found.leaf).collect();
    assert_eq!(order, seen.order, "{context}: the order of the log has changed");
    let mut by_id: BTreeMap<(ChainId, EventId), &Found> = BTreeMap::new();
    for found in found.iter().skip(FOUNDING) {
        let statement = statement(found).unwrap_or_else(|| panic!("{context}: an entry that is none"));
        let id = (found.chain, statement.event_id);
        assert!(by_id.insert(id, found).is_none(), "{context}: {id:?} is recorded twice");
        assert!(!seen.refused.contains(&id), "{context}: {id:?} was refused, and is recorded");
        match seen.submitted.get(&id) {
            Some(sent) => assert!(
                sent.iter().any(|request| request.occurred_at == statement.occurred_at),
                "{context}: {id:?} is recorded as nobody has sent it"
            ),
            // What the eraser records has an id that follows from the order.
            None => assert!(statement.event_id.0.get(6).is_some_and(|version| version >> 4 == 8), "{context}: {id:?}"),
        }
    }
    for (id, placed) in &seen.acknowledged {
        let found = by_id.get(id).unwrap_or_else(|| panic!("{context}: {id:?} was acknowledged, and is gone"));
        assert_eq!((found.revision, &found.entry), (placed.revision, &placed.entry), "{context}: {id:?} differs");
    }
}

/// Within a chain the time of recording never goes back. Between chains it may, since the order is that of the log; answers
/// how often it does.
fn assert_times(found: &[Found], context: &str) -> usize {
    let mut last: BTreeMap<ChainId, i64> = BTreeMap::new();
    let mut times = Vec::new();
    for found in found {
        let time = Entry::parse(&found.entry).map_or(i64::MIN, |entry| entry.recorded_at);
        let before = last.insert(found.chain, time).unwrap_or(time);
        assert!(before <= time, "{context}: on {} {time} comes after {before}", found.chain);
        times.push(time);
    }
    times.iter().zip(times.iter().skip(1)).filter(|(before, time)| before > time).count()
}

/// Leaves that somebody relies on: up to the last that was acknowledged, published or followed.
fn relied_on(seen: &Seen, found: &[Found]) -> usize {
    let leaves: BTreeSet<Hash> = seen.acknowledged.values().map(|placed| placed.leaf).collect();
    let acknowledged = found.iter().rposition(|found| leaves.contains(&found.leaf)).map_or(0, |at| at + 1);
    let published = seen.published.keys().next_back().map_or(0, |size| usize::try_from(*size).unwrap());
    acknowledged.max(published).max(seen.order.len())
}

fn statement(found: &Found) -> Option<Statement> {
    Statement::parse(&Entry::parse(&found.entry).ok()?.statement).ok()
}
