//! Backups of a ledger that is served, and what is restored of them.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use mediation_client::ClientError;
use mediation_log_embedded::{disk::RealDisk, vault::VaultReader};
use mediation_proto::mediation::{
    ledger::v1::{Receipt, ReceiptLevel},
    types::v1::AgencyKind,
};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::task::JoinHandle;

use crate::{
    erasure::{Two, destroyed, wait_for_execution},
    served::{Served, chain_id, event_id, mediation, registration, request},
    witnesses::{Witness, configure, record},
};

const WRITERS: usize = 4;

/// A served ledger, where its backups go, and where its keys go.
struct Kept {
    served: Served,
    directory: TempDir,
}

impl Kept {
    fn new() -> Self {
        Self { served: Served::new(), directory: tempfile::tempdir().unwrap() }
    }

    fn backups(&self) -> PathBuf {
        self.directory.path().join("backups")
    }

    fn keys(&self) -> PathBuf {
        self.directory.path().join("keys")
    }

    fn command(&self) -> Command {
        let mut command = Command::new(mediation());
        command.args(["backup", "--json", "--dir"]).arg(self.served.path());
        command.arg("--to").arg(self.backups()).arg("--keys").arg(self.keys());
        command
    }

    /// Makes a backup; gives where it is, and what is said of it.
    fn back_up(&self) -> (PathBuf, Value) {
        let said = success(self.command().output().unwrap());
        (PathBuf::from(said["backup"].as_str().unwrap()), said)
    }

    /// Restores a backup, with further arguments; gives where.
    fn restore(&self, from: &Path, name: &str, more: &[&str]) -> (PathBuf, Output) {
        let to = self.directory.path().join(name);
        let mut command = Command::new(mediation());
        command.args(["restore", "--json", "--from"]).arg(from).arg("--dir").arg(&to);
        (to, command.arg("--keys").arg(self.keys()).args(more).output().unwrap())
    }

    fn restored(&self, from: &Path, name: &str, more: &[&str]) -> PathBuf {
        let (to, output) = self.restore(from, name, more);
        success(output);
        to
    }
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

fn success(output: Output) -> Value {
    assert!(output.status.success(), "{}", said(&output));
    serde_json::from_slice(&output.stdout).unwrap()
}

fn verify(path: &Path) -> (Value, bool) {
    let verified = Command::new(mediation()).args(["verify", "--json"]).arg(path).output().unwrap();
    (
        serde_json::from_slice(&verified.stdout).unwrap_or_else(|_| panic!("{}", said(&verified))),
        verified.status.success(),
    )
}

/// Starts to serve what must not be served; gives what it says.
fn refused(ledger: &Path) -> String {
    let mut command = Command::new(mediation());
    let output = command.args(["serve", "--listen", "127.0.0.1:0", "--log", "warn", "--dir"]).arg(ledger).output();
    let output = output.unwrap();
    assert_eq!(output.status.code(), Some(5), "{}", said(&output));
    said(&output)
}

fn checkpoint_of(backup: &Path) -> String {
    backup.join("checkpoint.last").display().to_string()
}

async fn write(served: &Served, stop: Arc<AtomicBool>) -> JoinHandle<Vec<Receipt>> {
    let client = served.client("XF-FL", AgencyKind::Petition).await;
    tokio::spawn(async move {
        let mut receipts = Vec::new();
        while !stop.load(Ordering::SeqCst) {
            let chain = chain_id();
            let visited = json!({"satisfaction": "SATISFIED", "relapse_signs": false});
            for act in [
                registration(&chain, &event_id(), &"排水渠堵塞".repeat(40)),
                request(&chain, &event_id(), "FollowUpVisited", "XF-FL/REG-1", "REG", visited),
            ] {
                match client.send(act).await {
                    Ok(receipt) => receipts.push(receipt),
                    Err(ClientError::Status(_)) => return receipts,
                    Err(error) => panic!("{error}"),
                }
            }
        }
        receipts
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_backed_up_under_load_is_whole_and_once_restored_goes_on() {
    let mut kept = Kept::new();
    let stop = Arc::new(AtomicBool::new(false));
    let mut writers = Vec::new();
    for _ in 0..WRITERS {
        writers.push(write(&kept.served, Arc::clone(&stop)).await);
    }
    let segments = |kept: &Kept| fs::read_dir(kept.served.path().join("log")).unwrap().count();
    let mut backups = Vec::new();
    // Two segments are closed when at least three stand there, beside a spare one.
    while backups.len() < 3 || segments(&kept) < 5 {
        backups.push(kept.back_up());
    }
    let (last, said_of_last) = kept.back_up();
    stop.store(true, Ordering::SeqCst);
    let mut receipts = Vec::new();
    for writer in writers {
        receipts.extend(writer.await.unwrap());
    }
    let sizes: Vec<u64> = backups.iter().map(|(_, said)| said["tree_size"].as_u64().unwrap()).collect();
    assert!(sizes.is_sorted() && sizes.first() < sizes.last(), "{sizes:?}");
    assert!(said_of_last["segments_linked"].as_u64().unwrap() >= 2, "{said_of_last}");
    for (backup, said) in [&backups[0], &(last.clone(), said_of_last.clone())] {
        let (report, good) = verify(backup);
        assert!(good, "{report:#}");
        assert_eq!((&report["tree_size"], &report["root"]), (&said["tree_size"], &said["root"]));
        assert_eq!(report["signatures"], 0, "without the keys signatures are not told");
        let mut with_keys = Command::new(mediation());
        with_keys.args(["verify", "--json", "--keys"]).arg(kept.keys()).arg(backup);
        let report = success(with_keys.output().unwrap());
        assert_eq!((&report["signatures"], &report["withheld"]), (&said["tree_size"], &json!(0)), "{report:#}");
    }
    kept.served.kill();

    let restored = kept.restored(&kept.backups(), "restored", &["--known-checkpoint", &checkpoint_of(&last)]);
    let (report, good) = verify(&restored);
    assert!(good, "{report:#}");
    let size = said_of_last["tree_size"].as_u64().unwrap();
    assert_eq!((report["tree_size"].as_u64(), report["withheld"].as_u64()), (Some(size), Some(0)));
    let mut again = Served::at(&restored);
    again.start();
    let client = again.client("XF-FL", AgencyKind::Petition).await;
    let covered = receipts.iter().filter(|receipt| receipt.seal.as_ref().is_some_and(|seal| seal.leaf_index < size));
    let covered: Vec<&Receipt> = covered.collect();
    assert!(covered.len() > 10, "{} of {} receipts", covered.len(), receipts.len());
    for receipt in covered.iter().step_by(covered.len() / 20 + 1) {
        let (found, _) = client.receipt(&receipt.chain_id, &receipt.event_id).await.unwrap();
        assert_eq!((&found.entry, found.revision), (&receipt.entry, receipt.revision));
    }
    client.record(registration(&chain_id(), &event_id(), "恢复之后")).await.unwrap();
    again.stop();
    let (report, good) = verify(&restored);
    assert!(good && report["tree_size"].as_u64().unwrap() > size, "{report:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ledger_restored_from_yesterday_signs_nothing_when_witnesses_have_seen_today() {
    let mut kept = Kept::new();
    kept.served.stop();
    let log = kept.served.trust().log_key.to_string();
    let states = tempfile::tempdir().unwrap();
    let mut witnesses: Vec<Witness> =
        ["court", "petition", "justice"].map(|name| Witness::new(states.path(), name, &log)).into();
    let lines = ["court", "petition", "justice"].iter().zip(&witnesses);
    let lines: String =
        lines.map(|(name, witness)| format!("witness {name} {} http://{}\n", witness.vkey, witness.address)).collect();
    let policy = format!("log {log}\n{lines}group centers 2 court petition justice\nquorum centers\n");
    fs::write(kept.served.path().join("witnesses.policy"), policy).unwrap();
    configure(&kept.served.path());
    kept.served.start();
    record(&kept.served, ReceiptLevel::Witnessed).await;
    let (yesterday, said_yesterday) = kept.back_up();
    let receipt = record(&kept.served, ReceiptLevel::Witnessed).await;
    assert_eq!(receipt.level(), ReceiptLevel::Witnessed);
    kept.served.stop();
    let (today, said_today) = kept.back_up();

    let old = kept.restored(&yesterday, "old", &[]);
    let last = fs::read(old.join("checkpoint.last")).unwrap();
    let told = refused(&old);
    let (has, seen) = (&said_yesterday["tree_size"], &said_today["tree_size"]);
    assert!(told.contains(&format!("has cosigned {seen} entries, the backup has {has}")), "{told}");
    assert!(told.contains("mediation reincarnate"), "{told}");
    let key =
        Command::new(mediation()).args(["key", "rotate", "--agency", "XF-FL", "--dir"]).arg(&old).output().unwrap();
    assert!(!key.status.success() && said(&key).contains("was restored from a backup"), "{}", said(&key));
    assert_eq!(fs::read(old.join("checkpoint.last")).unwrap(), last, "nothing was signed");

    // Two that do not answer could have witnessed something newer; one could not.
    let new = kept.restored(&today, "new", &[]);
    witnesses[0].kill();
    witnesses[1].kill();
    let told = refused(&new);
    assert!(told.contains("court, petition do not answer"), "{told}");
    witnesses[1].start();
    let mut again = Served::at(&new);
    again.start();
    record(&again, ReceiptLevel::Sealed).await;
    again.stop();
    assert!(!new.join("restored").exists());
    let (report, good) = verify(&new);
    assert!(good, "{report:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_witnesses_somebody_has_to_say_what_the_newest_checkpoint_is() {
    let mut kept = Kept::new();
    record(&kept.served, ReceiptLevel::Sealed).await;
    let (yesterday, _) = kept.back_up();
    record(&kept.served, ReceiptLevel::Sealed).await;
    kept.served.stop();
    let (today, _) = kept.back_up();
    let unknown = kept.restored(&yesterday, "unknown", &[]);
    let said = refused(&unknown);
    assert!(said.contains("--known-checkpoint"), "{said}");
    let known = checkpoint_of(&today);
    let old = kept.restored(&yesterday, "old", &["--known-checkpoint", &known]);
    let said = refused(&old);
    assert!(said.contains("older than a checkpoint that others hold"), "{said}");
    let mut new = Served::at(&kept.restored(&today, "new", &["--known-checkpoint", &known]));
    new.start();
    record(&new, ReceiptLevel::Sealed).await;
}

/// Changes one byte of a file.
fn flip(path: &Path, at: usize) {
    let mut bytes = fs::read(path).unwrap();
    bytes[at] ^= 0x10;
    // A file of its own: the segments of a backup may be links to those of another.
    fs::remove_file(path).unwrap();
    fs::write(path, bytes).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_backup_is_refused_by_file_and_place_and_leaves_no_directory() {
    let mut kept = Kept::new();
    record(&kept.served, ReceiptLevel::Sealed).await;
    kept.served.stop();
    let (backup, _) = kept.back_up();
    let segment = backup.join("log/00000000000000000000.segment");
    let damages: [(&Path, usize, &str); 5] = [
        (&segment, 400, "at byte"),
        (&segment, 1_000_000, "at byte 1000000"),
        (&backup.join("vault/wraps"), 300, "wraps` at byte 256"),
        (&backup.join("checkpoint.last"), 90, "checkpoint.last"),
        (&backup.join("mediation.toml"), 0, "mediation.toml"),
    ];
    for (number, (file, at, told)) in damages.into_iter().enumerate() {
        flip(file, at);
        let (to, output) = kept.restore(&backup, &format!("damaged-{number}"), &[]);
        let name = file.file_name().unwrap().to_string_lossy().into_owned();
        let all = said(&output);
        assert!(!output.status.success(), "{}: {all}", file.display());
        assert!(all.contains(&name) && all.contains(told), "{all}");
        assert!(!to.exists(), "{}", file.display());
        flip(file, at);
    }
    fs::rename(backup.join("erased"), backup.join("erased-not")).unwrap();
    let (to, output) = kept.restore(&backup, "lacking", &[]);
    assert!(!output.status.success() && said(&output).contains("erased") && !to.exists(), "{}", said(&output));
    fs::rename(backup.join("erased-not"), backup.join("erased")).unwrap();
    let (to, output) = kept.restore(&backup, "whole", &[]);
    success(output);
    let (_, output) = kept.restore(&backup, "whole", &[]);
    assert_eq!(output.status.code(), Some(5));
    assert!(said(&output).contains("exists and is not empty"), "{}", said(&output));
    assert!(verify(&to).1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_that_was_cut_or_had_no_room_leaves_the_ones_before_it() {
    let mut kept = Kept::new();
    record(&kept.served, ReceiptLevel::Sealed).await;
    let (first, _) = kept.back_up();
    for milliseconds in [0, 2, 5, 10, 20, 40, 80] {
        let mut child = kept.command().spawn().unwrap();
        tokio::time::sleep(Duration::from_millis(milliseconds)).await;
        child.kill().unwrap();
        child.wait().unwrap();
    }
    assert!(verify(&first).1);
    // More than the manifest, less than a segment: as on a disk that runs full.
    let limited = "ulimit -f 64; trap '' XFSZ; exec \"$@\"";
    let command = kept.command();
    let output = Command::new("bash")
        .args(["-c", limited, "bash"])
        .arg(command.get_program())
        .args(command.get_args())
        .output()
        .unwrap();
    let told = said(&output);
    assert_eq!(output.status.code(), Some(5), "{told}");
    assert!(told.contains("cannot write `") && told.contains(".segment`: File too large"), "{told}");
    assert!(verify(&first).1);
    record(&kept.served, ReceiptLevel::Sealed).await;
    let (second, said_of_second) = kept.back_up();
    assert!(verify(&second).1 && !kept.backups().join(".unfinished").exists());
    assert!(said_of_second["tree_size"].as_u64() > Some(1));
    let within = kept.served.path().join("backups");
    let mut inside = Command::new(mediation());
    inside.args(["backup", "--dir"]).arg(kept.served.path()).arg("--to").arg(&within);
    let inside = inside.output().unwrap();
    assert!(!inside.status.success() && said(&inside).contains("different places"), "{}", said(&inside));
    kept.served.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_erased_is_in_no_later_backup_and_an_old_vault_expires() {
    let mut kept = Kept::new();
    let two = Two::of(&kept.served).await;
    let chain = two.dispute().await;
    let (before, _) = kept.back_up();
    two.erase(&chain).await;
    wait_for_execution(&kept.served, &chain).await;
    let (after, said_of_after) = kept.back_up();
    let digests = destroyed(&kept.served, &chain);
    assert!(!digests.is_empty());
    kept.served.stop();
    let known = checkpoint_of(&after);
    let restored = kept.restored(&after, "restored", &["--known-checkpoint", &known]);
    let (report, good) = verify(&restored);
    assert!(good, "{report:#}");
    let origin = said_origin(&after);
    let reader = VaultReader::open(&RealDisk, &restored.join("vault"), &origin).unwrap();
    for digest in digests {
        let of_chain = mediation_ledger::chain::ChainId::parse(&chain).unwrap();
        assert!(reader.key(of_chain, digest).unwrap().is_none(), "{digest}");
    }
    // The keys of the backup before come back with nobody: it is older than what others hold, so it is not served.
    let old = kept.restored(&before, "old", &["--known-checkpoint", &known]);
    refused(&old);

    let list = before.join("backup.json");
    let text = fs::read_to_string(&list).unwrap();
    let expires = said_of_after["vault_expires_on"].as_str().unwrap();
    fs::write(&list, text.replace(expires, "2024-01-01")).unwrap();
    let (to, output) = kept.restore(&before, "expired", &[]);
    assert!(said(&output).contains("expired on 2024-01-01") && !to.exists(), "{}", said(&output));
    kept.back_up();
    assert!(!before.join("vault/wraps").exists(), "the next backup removes keys that have expired");
    assert!(verify(&before).1);
    let (to, output) = kept.restore(&before, "closed", &["--without-vault", "--known-checkpoint", &known]);
    success(output);
    assert!(!to.join("vault/wraps").exists());
}

fn said_origin(backup: &Path) -> String {
    let list: Value = serde_json::from_str(&fs::read_to_string(backup.join("backup.json")).unwrap()).unwrap();
    list["origin"].as_str().unwrap().to_owned()
}
