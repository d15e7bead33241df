//! Directories of a ledger in which anything may stand where something is expected. Opening one ends with a ledger that is
//! served, or with an error that names the file: never with a panic, never by waiting, never with memory beyond a bound.

use std::{
    fs::{self, File},
    os::unix::{ffi::OsStrExt as _, fs::symlink},
    path::Path,
    process::{Command, Stdio},
    time::Duration,
};

use futures_util::StreamExt as _;
use mediation_proto::mediation::types::v1::AgencyKind;
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, BufReader};

use crate::{
    served::{Served, chain_id, copy, event_id, mediation, registration},
    workspace,
};

const SEGMENT: &str = "log/00000000000000000000.segment";

/// Files that something may stand in place of; some of them are there only for a while.
const FILES: [&str; 20] = [
    "mediation.toml",
    "manifest",
    "policy",
    "checkpoint.last",
    "checkpoint.new",
    "checkpoint.witnessed",
    "erased",
    "restored",
    "scrub",
    "log.lock",
    SEGMENT,
    "log/spare.segment",
    "vault/kek",
    "vault/kek.next",
    "vault/wraps",
    "keys/log.key",
    "keys/XF-FL/signing.key",
    "models/ledger.sqlite",
    "pki/server.pem",
    "pki/authority.pem",
];

/// Files without any byte of which nothing is served.
const NEEDED_AS_THEY_ARE: [&str; 4] = ["manifest", SEGMENT, "vault/kek", "keys/log.key"];

/// What stands in place of a file, or in it.
const CHANGES: [(&str, Change); 15] = [
    ("removed", |_, _| {}),
    ("empty", |path, _| fs::write(path, []).unwrap()),
    ("half", |path, bytes| fs::write(path, &bytes[..bytes.len() / 2]).unwrap()),
    ("a byte less", |path, bytes| fs::write(path, &bytes[..bytes.len().saturating_sub(1)]).unwrap()),
    ("a byte more", |path, bytes| fs::write(path, [bytes, &[0xff]].concat()).unwrap()),
    ("zeros", |path, bytes| fs::write(path, vec![0; bytes.len().max(1)]).unwrap()),
    ("garbage", |path, bytes| fs::write(path, garbage(path, bytes.len().max(64))).unwrap()),
    ("another magic", |path, bytes| {
        fs::write(path, [[0xff; 16].as_slice(), bytes.get(16..).unwrap_or_default()].concat()).unwrap()
    }),
    ("twice", |path, bytes| fs::write(path, bytes.repeat(2)).unwrap()),
    ("huge", |path, bytes| {
        fs::write(path, bytes).unwrap();
        File::options().write(true).open(path).unwrap().set_len(HUGE_BYTES).unwrap();
    }),
    ("a directory", |path, _| fs::create_dir(path).unwrap()),
    ("a link to nothing", |path, _| symlink("nowhere", path).unwrap()),
    ("a link to itself", |path, _| symlink(path.file_name().unwrap(), path).unwrap()),
    ("a device without an end", |path, _| symlink("/dev/zero", path).unwrap()),
    ("a pipe", |path, _| assert!(Command::new("mkfifo").arg(path).status().unwrap().success())),
];

type Change = fn(&Path, &[u8]);

/// Bytes of a file that is mostly a hole: twice what a process may take.
const HUGE_BYTES: u64 = 512 * 1024 * 1024;

/// Memory that a process may take, in KiB.
const MEMORY_KIB: u64 = 256 * 1024;

/// Time within which a process must have opened a ledger, or refused to.
const WITHIN: Duration = Duration::from_secs(120);

/// Directories that are opened at once.
const AT_ONCE: usize = 4;

/// Bytes that follow from a name.
fn garbage(path: &Path, bytes: usize) -> Vec<u8> {
    let name = path.file_name().unwrap().as_bytes();
    let blocks = (0_u64..).map(|number| Sha256::digest([name, &number.to_be_bytes()].concat()));
    blocks.flatten().take(bytes).collect()
}

/// A ledger of a few agencies, in small segments, closed in order.
async fn founded() -> TempDir {
    let directory = tempfile::Builder::new().prefix("mediation-hostile-").tempdir().unwrap();
    let agencies: Vec<Value> = serde_json::from_str(&workspace::read("ledger/domain/data/agencies.json")).unwrap();
    let is_one = |agency: &&Value| ["XF-FL", "ZC-JDZ", "AUD-JDZ"].contains(&agency["id"].as_str().unwrap());
    let some: Vec<&Value> = agencies.iter().filter(is_one).collect();
    let file = directory.path().join("agencies.json");
    fs::write(&file, serde_json::to_vec(&some).unwrap()).unwrap();
    let init = ["init", "--json", "--segment-bytes", "65536", "--agencies"];
    let founded =
        Command::new(mediation()).args(init).arg(&file).arg("--dir").arg(directory.path().join("ledger")).output();
    let founded = founded.unwrap();
    assert!(founded.status.success(), "{}", String::from_utf8_lossy(&founded.stderr));
    let mut served = Served::at(&directory.path().join("ledger"));
    served.start();
    let client = served.client("XF-FL", AgencyKind::Petition).await;
    client.record(registration(&chain_id(), &event_id(), "排水渠堵塞")).await.unwrap();
    served.stop();
    let (report, good) = served.verify();
    assert!(good, "{report:#}");
    directory
}

/// How opening ended.
#[derive(Debug)]
enum Opened {
    Serving,
    /// With this exit code, and what was told.
    Refused(Option<i32>, String),
}

/// Opens a directory as its operator does, in a process that gets no more memory than it may take.
async fn open(directory: &Path) -> Opened {
    let limited = format!("ulimit -d {MEMORY_KIB}; exec \"$0\" \"$@\"");
    let mut child = tokio::process::Command::new("sh")
        .args(["-c", &limited])
        .arg(mediation())
        .args(["serve", "--json", "--listen", "127.0.0.1:0", "--log", "error", "--dir"])
        .arg(directory)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut said = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut said).await.unwrap();
    if !said.is_empty() {
        child.kill().await.unwrap();
        return Opened::Serving;
    }
    let ended = child.wait_with_output().await.unwrap();
    Opened::Refused(ended.status.code(), String::from_utf8_lossy(&ended.stderr).into_owned())
}

/// A directory in which one thing is not as it should be.
struct Case {
    name: String,
    /// What an error has to name.
    names: Vec<String>,
    must_refuse: bool,
    /// Parts of what an error has to say.
    told: Vec<&'static str>,
    spoil: Box<dyn FnOnce(&Path) + Send>,
}

impl Case {
    /// Something in place of a file.
    fn replaced(file: &'static str, (name, change): (&'static str, Change)) -> Self {
        let spoil = move |ledger: &Path| {
            let path = ledger.join(file);
            let bytes = fs::read(&path).unwrap_or_default();
            fs::remove_file(&path).ok();
            change(&path, &bytes);
        };
        // Without its one segment there is no log, and that is what is said.
        let mut names = vec![file.to_owned()];
        names.extend((file == SEGMENT && name == "removed").then(|| "there is no log in".to_owned()));
        let must_refuse = NEEDED_AS_THEY_ARE.contains(&file);
        Self { name: format!("{file}: {name}"), names, must_refuse, told: Vec::new(), spoil: Box::new(spoil) }
    }

    /// A file that is made of another one, and must be refused.
    fn crafted(
        name: &str,
        from: &'static str,
        to: &'static str,
        told: &[&'static str],
        craft: impl Fn(&mut Vec<u8>) + Send + 'static,
    ) -> Self {
        let spoil = move |ledger: &Path| {
            let mut bytes = fs::read(ledger.join(from)).unwrap();
            craft(&mut bytes);
            fs::write(ledger.join(to), bytes).unwrap();
        };
        let (names, told) = (vec![to.to_owned()], told.to_vec());
        Self { name: format!("{to}: {name}"), names, must_refuse: true, told, spoil: Box::new(spoil) }
    }
}

/// Puts the checksum of a structure behind it.
fn sum(bytes: &mut [u8], from: usize, crc_at: usize) {
    let crc = crc32c(&bytes[from..crc_at]);
    bytes[crc_at..crc_at + 4].copy_from_slice(&crc.to_be_bytes());
}

/// CRC-32C, bit by bit: what is crafted here must pass the checks of the product without its help.
fn crc32c(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0_u32, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| if crc & 1 == 0 { crc >> 1 } else { (crc >> 1) ^ 0x82f6_3b78 })
    })
}

/// What says it was written by a newer program.
fn newer() -> Vec<Case> {
    let told = ["newer `mediation`", "较新的"];
    vec![
        Case::crafted("a newer version", SEGMENT, SEGMENT, &told, |bytes| {
            bytes[8..12].copy_from_slice(&2_u32.to_be_bytes());
            sum(bytes, 0, 124);
        }),
        Case::crafted("a newer version", "vault/wraps", "vault/wraps", &told, |bytes| {
            bytes[24..28].copy_from_slice(&4_u32.to_be_bytes());
            let crc = crc32c(&[&[0; 8], &bytes[..123]].concat());
            bytes[123..127].copy_from_slice(&crc.to_be_bytes());
        }),
        Case::crafted("a newer version", "vault/kek", "vault/kek", &told, |bytes| {
            bytes[14] = b'3';
            let checked = bytes.len() - 16;
            let check = Sha256::digest([b"mediation-ledger/vault/kek-check/v1\0", &bytes[..checked]].concat());
            bytes[checked..].copy_from_slice(&check[..16]);
        }),
        Case::crafted("a newer version", "manifest", "manifest", &told, |bytes| {
            let text = String::from_utf8(std::mem::take(bytes)).unwrap();
            *bytes = text.replace("manifest v1", "manifest v2").into_bytes();
        }),
    ]
}

/// Absurd numbers under checksums that are right, and names that cannot be.
fn absurd() -> Vec<Case> {
    const SECOND: &str = "log/00000000000000000001.segment";
    const BEYOND: &str = "log/99999999999999999999.segment";
    vec![
        Case::crafted("a batch of 4 294 967 295 records", SEGMENT, SEGMENT, &[], |bytes| {
            bytes[132..136].fill(0xff);
            sum(bytes, 128, 180);
        }),
        Case::crafted("a batch of 4 GiB", SEGMENT, SEGMENT, &[], |bytes| {
            bytes[136..140].fill(0xff);
            sum(bytes, 128, 180);
        }),
        Case::crafted("a batch after 2^64 - 1 leaves", SEGMENT, SEGMENT, &[], |bytes| {
            bytes[140..148].fill(0xff);
            sum(bytes, 128, 180);
        }),
        Case::crafted("a record of 4 GiB", SEGMENT, SEGMENT, &[], |bytes| bytes[208..212].fill(0xff)),
        Case::crafted("a segment of 2^64 - 1 bytes", SEGMENT, SEGMENT, &[], |bytes| {
            bytes[48..56].fill(0xff);
            sum(bytes, 0, 124);
        }),
        Case::crafted("a first leaf of 2^64 - 1", SEGMENT, SEGMENT, &[], |bytes| {
            bytes[56..64].fill(0xff);
            sum(bytes, 0, 124);
        }),
        Case::crafted("another origin", SEGMENT, SEGMENT, &["another origin"], |bytes| {
            bytes[16..48].fill(7);
            sum(bytes, 0, 124);
        }),
        Case::crafted("the first segment under a second name", SEGMENT, SECOND, &[], |_| {}),
        Case::crafted("a segment beyond all numbers", SEGMENT, BEYOND, &["unexpected file"], |_| {}),
        Case::crafted("a row of a group of 65 535", "vault/wraps", "vault/wraps", &[], |bytes| {
            bytes[130..132].fill(0xff);
            let crc = crc32c(&[&1_u64.to_be_bytes(), &bytes[128..251]].concat());
            bytes[251..255].copy_from_slice(&crc.to_be_bytes());
        }),
        Case::crafted("a key that no caller has", "mediation.toml", "mediation.toml", &[], |bytes| {
            bytes.splice(0..0, *b"nobody_knows = 1\n");
        }),
        Case::crafted("lists in lists", "mediation.toml", "mediation.toml", &[], |bytes| {
            *bytes = [b"known_checkpoints = ".as_slice(), &[b'['; 10_000]].concat();
        }),
        Case::crafted("lists in lists", "manifest", "restored", &[], |bytes| *bytes = vec![b'['; 10_000]),
        Case::crafted("a row without an end", "manifest", "erased", &["row 1 of"], |bytes| {
            *bytes = [vec![b'0'; 1_000_000], b"\n".to_vec()].concat();
        }),
        Case::crafted("a row that is none", "manifest", "erased", &["row 2 of"], |bytes| {
            let row = format!("{} {} {}\n", chain_id(), event_id(), "00".repeat(32));
            *bytes = format!("{row}{} {}\n", chain_id(), event_id()).into_bytes();
        }),
    ]
}

/// A directory of the log with more names than anybody gave it, one of them no text.
fn crowded() -> Case {
    let spoil = |ledger: &Path| {
        for number in 0..2_000 {
            fs::write(ledger.join(format!("log/stranger-{number}")), []).unwrap();
        }
        fs::write(ledger.join("log").join(std::ffi::OsStr::from_bytes(b"\xff\xfe")), []).unwrap();
    };
    let names = vec!["log/stranger-".to_owned()];
    let told = vec!["unexpected file", "more)"];
    Case { name: "log: crowded".to_owned(), names, must_refuse: true, told, spoil: Box::new(spoil) }
}

/// Spoils a copy and opens it. What is wrong with how that ended, and whether the ledger was served.
async fn run(ledger: &Path, case: Case) -> (Option<String>, bool) {
    let directory = tempfile::Builder::new().prefix("mediation-hostile-").tempdir().unwrap();
    let spoilt = directory.path().join("ledger");
    copy(ledger, &spoilt);
    (case.spoil)(&spoilt);
    let name = case.name;
    match tokio::time::timeout(WITHIN, open(&spoilt)).await {
        Err(_elapsed) => (Some(format!("{name}: neither opened nor refused")), false),
        Ok(Opened::Serving) => (case.must_refuse.then(|| format!("{name}: is served")), true),
        Ok(Opened::Refused(code, told)) => {
            let is_bounded = code == Some(5) && !["panicked", "memory"].iter().any(|word| told.contains(word));
            let is_named = case.names.iter().any(|name| told.contains(name));
            let is_told = case.told.iter().all(|part| told.contains(part));
            let is_well = is_bounded && is_named && is_told;
            ((!is_well).then(|| format!("{name}: ended with {code:?}: {}", told.trim())), false)
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_stands_in_a_ledgers_directory_is_served_or_refused_by_name() {
    let founded = founded().await;
    let ledger = founded.path().join("ledger");
    let is_there = |file: &str| ledger.join(file).exists();
    let replaced = FILES.iter().flat_map(|file| CHANGES.map(|change| (*file, change)));
    let replaced = replaced.filter(|(file, (name, _))| *name != "removed" || is_there(file));
    let mut cases: Vec<Case> = replaced.map(|(file, change)| Case::replaced(file, change)).collect();
    cases.extend(newer().into_iter().chain(absurd()).chain([crowded()]));
    let count = cases.len();
    let ended: Vec<_> =
        futures_util::stream::iter(cases).map(|case| run(&ledger, case)).buffer_unordered(AT_ONCE).collect().await;
    let served = ended.iter().filter(|(_, served)| *served).count();
    let wrong: Vec<String> = ended.into_iter().filter_map(|(wrong, _)| wrong).collect();
    assert!(wrong.is_empty(), "{} of {count}:\n{}", wrong.len(), wrong.join("\n"));
    println!("{count} directories: {served} served, {} refused by name", count - served);
    assert!(count >= 300 && served > 0 && served < count / 2, "{served} of {count} are served");
}
