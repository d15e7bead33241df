//! Bytes that change while nobody looks: every edit of a closed ledger is named, with its file or entry, or harms nothing;
//! and what is changed is never served.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Mutex,
};

use bytes::Bytes;
use mediation_ledger::{
    chain::{ChainId, Revision},
    log::Log as _,
    merkle::Hash,
    record::Record,
    vault::{DataKey, Vault as _},
    verify::Verification,
};
use mediation_log_embedded::{
    checkpoint::{LAST, NEXT},
    disk::{Disk as _, SimulatedDisk},
    scan::{Expected, scan},
    vault::{self, VaultReader},
};

use crate::{
    chance::{Chance, for_each, seeds},
    points::lived,
    world::{ORIGIN, Process, Start, World, directory, runtime, vault_directory, world},
};

/// Bytes that a disk gives or loses together.
const SECTOR_BYTES: usize = 512;

/// A ledger that was closed in order, and everything that it says.
#[derive(Debug)]
struct Sound {
    disk: SimulatedDisk,
    files: Vec<PathBuf>,
    records: BTreeMap<(ChainId, Revision), Bytes>,
    keys: BTreeMap<(ChainId, Hash), Option<DataKey>>,
}

impl Sound {
    /// The life of the script, opened once more and closed.
    fn new(world: &World) -> Self {
        let disk = world.disk();
        let (start, _) = lived(&disk);
        let runtime = runtime();
        runtime.block_on(async { Process::open(world, &disk, &start).await.unwrap().close().await });
        drop(runtime);
        let log = directory().join("log");
        let mut files: Vec<PathBuf> = disk.list(&log).unwrap().iter().map(|name| log.join(name)).collect();
        assert!(files.len() > 2, "{files:?}");
        files.extend([LAST, NEXT].map(|name| directory().join(name)));
        files.extend([vault::KEK, vault::WRAPS].map(|name| vault_directory().join(name)));
        let mut sound = Self { disk, files, records: BTreeMap::new(), keys: BTreeMap::new() };
        let reader = VaultReader::open(&sound.disk, &vault_directory(), ORIGIN).unwrap();
        let expected = Expected { origin: ORIGIN.to_owned(), covered: None };
        let (records, keys) = (&mut sound.records, &mut sound.keys);
        scan(&sound.disk, directory(), &expected, &mut |placed| {
            records.insert((placed.chain, placed.revision), placed.record.clone());
            for part in Record::parse(placed.record).unwrap().parts {
                let digest = Hash(part.digest.as_ref().try_into().unwrap());
                keys.insert((placed.chain, digest), reader.key(placed.chain, digest).unwrap());
            }
        })
        .unwrap();
        assert!(sound.keys.values().any(Option::is_none), "something was erased");
        sound
    }
}

/// One edit of one file.
#[derive(Debug)]
enum Edit {
    Flip {
        at: usize,
        bit: u8,
    },
    Zero {
        sector: usize,
    },
    Swap {
        one: usize,
        other: usize,
    },
    Cut {
        to: usize,
    },
    Grow {
        by: usize,
    },
    /// A second copy beside it, under a name of its own.
    Double,
    /// Written over another file of the same directory.
    Misdirect {
        over: PathBuf,
    },
}

impl Edit {
    fn draw(chance: &mut Chance, sound: &Sound, file: &Path, content: &[u8]) -> Self {
        let mut below = |sides: usize| usize::try_from(chance.below(sides as u64)).unwrap();
        // Most of a segment is spare zeros: half of the places lie in what is used.
        let used = content.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
        let reach = if below(2) == 0 { used.max(1) } else { content.len() };
        let sectors = reach.div_ceil(SECTOR_BYTES);
        match below(14) {
            0..=5 => Self::Flip { at: below(reach), bit: u8::try_from(below(8)).unwrap() },
            6..=7 => Self::Zero { sector: below(sectors) },
            8..=9 => Self::Swap { one: below(sectors), other: below(sectors) },
            10 => Self::Cut { to: below(reach) },
            11 => Self::Grow { by: 1 + below(2_000) },
            12 => Self::Double,
            _ => {
                let beside: Vec<_> = sound.files.iter().filter(|other| other.parent() == file.parent()).collect();
                Self::Misdirect { over: (*beside.get(below(beside.len())).unwrap()).clone() }
            }
        }
    }

    /// Does it. Answers the file that is wrong now; none where nothing has changed.
    fn apply(&self, chance: &mut Chance, disk: &SimulatedDisk, file: &Path) -> Option<PathBuf> {
        let before = disk.content(file).unwrap();
        let mut content = before.clone();
        let mut target = file.to_owned();
        match self {
            Self::Flip { at, bit } => *content.get_mut(*at)? ^= 1 << bit,
            Self::Zero { sector } => sector_of(&mut content, *sector).fill(0),
            Self::Swap { one, other } => {
                let (first, second) =
                    (sector_of(&mut content, *one).to_vec(), sector_of(&mut content, *other).to_vec());
                if first.len() != second.len() {
                    return None;
                }
                sector_of(&mut content, *one).copy_from_slice(&second);
                sector_of(&mut content, *other).copy_from_slice(&first);
            }
            Self::Cut { to } => content.truncate(*to),
            Self::Grow { by } => content.extend((0..*by).map(|_| u8::try_from(chance.below(255) + 1).unwrap())),
            Self::Double => {
                target = file.with_extension("copy");
                disk.tamper(&target, content);
                return Some(target);
            }
            Self::Misdirect { over } => {
                target.clone_from(over);
                if disk.content(over).unwrap() == content {
                    return None;
                }
                disk.tamper(&target, content);
                return Some(target);
            }
        }
        if content == before {
            return None;
        }
        disk.tamper(&target, content);
        Some(target)
    }
}

fn sector_of(content: &mut [u8], sector: usize) -> &mut [u8] {
    let from = (sector * SECTOR_BYTES).min(content.len());
    let to = (from + SECTOR_BYTES).min(content.len());
    content.get_mut(from..to).unwrap()
}

/// Everything that is wrong, as `mediation verify` tells it.
fn faults(world: &World, disk: &SimulatedDisk) -> Vec<String> {
    let mut faults = Vec::new();
    for name in disk.list(directory()).unwrap() {
        if !["log", "log.lock", "vault", LAST, NEXT].contains(&name.as_str()) {
            faults.push(format!("`{name}` is unexpected"));
        }
    }
    let room = disk.content(&directory().join(NEXT)).unwrap_or_default();
    if room.iter().any(|byte| *byte != 0) {
        faults.push(format!("`{NEXT}`: spare bytes are not zero"));
    }
    let stored = match world.stored(disk) {
        Ok(Some(stored)) => Some(stored),
        Ok(None) => {
            faults.push(format!("`{LAST}` is missing"));
            None
        }
        Err(error) => {
            faults.push(format!("`{LAST}`: {error}"));
            None
        }
    };
    let vault = vault::scan(disk, &vault_directory(), ORIGIN);
    faults.extend(vault.faults.iter().map(ToString::to_string));
    let reader = VaultReader::open(disk, &vault_directory(), ORIGIN).ok().filter(|_| vault.faults.is_empty());
    let named = stored.iter().map(|checkpoint| (LAST.to_owned(), checkpoint.clone())).collect();
    let mut verification = Verification::new(ORIGIN, world.genesis, named, reader.is_some());
    let covered = stored.map(|checkpoint| (checkpoint.size, checkpoint.root));
    let expected = Expected { origin: ORIGIN.to_owned(), covered };
    let scan = scan(disk, directory(), &expected, &mut |placed| {
        let key = |digest: Hash| reader.as_ref()?.key(placed.chain, digest).ok().flatten();
        verification.entry(placed.chain, placed.revision, placed.record, &key);
    })
    .unwrap();
    faults.extend(scan.faults.iter().map(ToString::to_string));
    if let Some(torn) = scan.torn_tail.as_ref().filter(|torn| torn.may_be_seal()) {
        faults.push(format!("`{}`: the mark of an orderly close is damaged", torn.file.display()));
    }
    if scan.faults.is_empty() {
        faults.extend(verification.finish().1.iter().map(ToString::to_string));
    }
    faults
}

/// Opens and reads everything: what is given is what was recorded, or an error. Answers whether all of it was given.
fn serves_only_what_was_recorded(world: &World, sound: &Sound, disk: &SimulatedDisk, context: &str) -> bool {
    let runtime = runtime();
    runtime.block_on(async {
        let Ok(process) = Process::open(world, disk, &Start::new(5, 5)).await else { return false };
        let mut all = true;
        for ((chain, revision), record) in &sound.records {
            match process.log.read(*chain, *revision, 1).await {
                Ok(read) => {
                    let read = read.first().map(|stored| &stored.record);
                    assert!(read.is_none_or(|read| read == record), "{context}: other bytes are served");
                    all &= read.is_some();
                }
                Err(_) => all = false,
            }
        }
        for ((chain, digest), key) in &sound.keys {
            match process.vault.key(*chain, *digest).await {
                Ok(Some(given)) => assert_eq!(Some(given), *key, "{context}: another key is given"),
                Ok(None) => all &= key.is_none(),
                Err(_) => all = false,
            }
        }
        all
    })
}

/// Why nothing needs to be said of an edit: nothing lies there that anybody relies on.
fn harmless(edit: &Edit, file: &Path) -> Option<&'static str> {
    match edit {
        // Room for the next checkpoint; a full disk then stops checkpoints, and makes it anew when there is room.
        Edit::Cut { .. } if file.ends_with(NEXT) => Some("room for the next checkpoint is cut"),
        // Zeros that were written ahead, or the seal of closing: the next opening writes them again.
        Edit::Cut { .. } if file.ends_with(vault::WRAPS) => Some("zeros or the seal behind the keys are cut"),
        Edit::Cut { .. }
        | Edit::Flip { .. }
        | Edit::Zero { .. }
        | Edit::Swap { .. }
        | Edit::Grow { .. }
        | Edit::Double
        | Edit::Misdirect { .. } => None,
    }
}

#[test]
fn every_edit_of_a_closed_ledger_is_named_or_harms_nothing_and_is_never_served() {
    let world = world();
    let sound = Sound::new(world);
    assert_eq!(faults(world, &sound.disk), Vec::<String>::new());
    let outcomes: Mutex<BTreeMap<String, u64>> = Mutex::default();
    for_each(seeds(500, 5_000), "every_edit_of_a_closed_ledger", |seed| {
        let mut chance = Chance::new(seed, 3);
        let disk = sound.disk.copy();
        let (file, edit, target) = loop {
            let file = sound.files.get(usize::try_from(chance.below(sound.files.len() as u64)).unwrap()).unwrap();
            let content = disk.content(file).unwrap();
            let edit = Edit::draw(&mut chance, &sound, file, &content);
            if let Some(target) = edit.apply(&mut chance, &disk, file) {
                break (file, edit, target);
            }
        };
        let context = format!("seed {seed}: {edit:?} of {}", file.display());
        let found = faults(world, &disk);
        let name = target.file_name().unwrap().to_string_lossy().into_owned();
        // Where rows are taken off the vault, what is missing is named: the entries whose keys they were.
        let of_entries = target.ends_with(vault::WRAPS) && found.iter().any(|fault| fault.starts_with("entry "));
        let is_named = of_entries || found.iter().any(|fault| fault.contains(&name));
        let serves_all = serves_only_what_was_recorded(world, &sound, &disk, &context);
        let outcome = match harmless(&edit, &target) {
            _ if is_named => format!("named: {name}"),
            Some(why) if serves_all && found.is_empty() => format!("harmless: {why}"),
            Some(_) | None => panic!("{context} is not named: {found:?}; everything is served: {serves_all}"),
        };
        *outcomes.lock().unwrap().entry(outcome).or_default() += 1;
    });
    for (outcome, count) in outcomes.into_inner().unwrap() {
        println!("{count:5} {outcome}");
    }
}
