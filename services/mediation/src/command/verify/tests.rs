//! Every byte of a small ledger, flipped: `verify` must say so, and where.

use std::{fs, os::unix::fs::FileExt as _, path::PathBuf, sync::Arc, thread};

use mediation_ledger::clock::SystemClock;
use mediation_proto::mediation::types::v1::AgencyKind;
use tempfile::TempDir;

use super::*;
use crate::{
    config::Config,
    founding::{Founding, found},
    member::Member,
    suite::Suites,
};

/// Bytes of a file that are tried: all of them, unless the file is long and the full scale was not asked for; then
/// every byte that is used, and one in so many of the spare zeros.
const SPARE_STEP: usize = 61;

async fn small_ledger(suites: Suites) -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    let member =
        |id: &str, kind| Member { id: id.to_owned(), name: id.to_owned(), kind, division: "360203".to_owned() };
    let founding = Founding {
        origin: "flip.example/log".parse().unwrap(),
        rule_set: "cn-2024-fixture".to_owned(),
        segment_bytes: 64 * 1024,
        members: vec![member("ZC-ZS", AgencyKind::GovernanceCenter), member("CT-ZS", AgencyKind::Court)],
        suites,
        valid_from: "2020-01-01".to_owned(),
        clock: Arc::new(SystemClock),
    };
    found(&directory.path().join("ledger"), &founding, &Config::default()).await.unwrap();
    directory
}

/// The court signs with SM2, and a twin tree is grown.
fn both_suites() -> Suites {
    Suites { sm2_agencies: vec!["CT-ZS".to_owned()], sm3_twin: true, ..Suites::default() }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for file in fs::read_dir(from).unwrap() {
        let file = file.unwrap();
        let target = to.join(file.file_name());
        if file.file_type().unwrap().is_dir() {
            copy(&file.path(), &target);
        } else {
            fs::copy(file.path(), &target).unwrap();
        }
    }
}

/// Everything that `verify` answers for.
fn evidence(ledger: &Path) -> Vec<PathBuf> {
    let mut files = vec![
        "manifest".into(),
        "policy".into(),
        "checkpoint.last".into(),
        "checkpoint.next".into(),
        "vault/kek".into(),
        "vault/wraps".into(),
    ];
    files.extend(["keys/log.key".into(), "keys/subject.key".into()]);
    for agency in ["ZC-ZS", "CT-ZS"] {
        files.extend([format!("keys/{agency}/root.key").into(), format!("keys/{agency}/signing.key").into()]);
    }
    for segment in fs::read_dir(ledger.join("log")).unwrap() {
        files.push(PathBuf::from("log").join(segment.unwrap().file_name()));
    }
    files
}

/// What a second suite adds to it, or changes.
fn evidence_of_both_suites() -> Vec<PathBuf> {
    let files = [
        "manifest",
        "policy",
        "checkpoint.last",
        "checkpoint.sm3",
        "checkpoint.sm3.next",
        "keys/log-sm2.key",
        "keys/CT-ZS/root.key",
        "keys/CT-ZS/signing.key",
    ];
    files.map(PathBuf::from).to_vec()
}

fn places(bytes: &[u8]) -> Vec<usize> {
    let full = std::env::var("MEDIATION_TEST_SCALE").is_ok_and(|scale| scale == "full");
    let used = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 65);
    (0..bytes.len()).filter(|at| full || *at < used || at % SPARE_STEP == 0 || at + 64 > bytes.len()).collect()
}

/// Flips bytes of one file in a directory of its own; gives those that nobody noticed, or noticed in another file.
fn unnoticed(ledger: &Path, file: &Path, part: usize, parts: usize) -> Vec<String> {
    let copied = tempfile::tempdir().unwrap();
    copy(ledger, copied.path());
    let path = copied.path().join(file);
    let original = fs::read(&path).unwrap();
    // One byte is written in place: rewriting the file would make the file system flush it every time.
    let opened = File::options().write(true).open(&path).unwrap();
    let name = file.file_name().unwrap().to_string_lossy().into_owned();
    let mut missed = Vec::new();
    for at in places(&original).into_iter().skip(part).step_by(parts) {
        let byte = *original.get(at).unwrap();
        opened.write_all_at(&[byte ^ (1 << (at % 8))], at as u64).unwrap();
        let report = verify(copied.path(), &|_| {}).unwrap();
        if !report.faults().iter().any(|fault| fault.contains(&name)) {
            missed.push(format!("{} byte {at}: {:?}", file.display(), report.faults()));
        }
        opened.write_all_at(&[byte], at as u64).unwrap();
    }
    missed
}

#[tokio::test]
async fn a_healthy_ledger_has_no_faults_and_says_what_was_checked() {
    for (suites, keys) in [(Suites::default(), 6), (both_suites(), 7)] {
        let directory = small_ledger(suites).await;
        let report = verify(&directory.path().join("ledger"), &|_| {}).unwrap();
        assert_eq!(report.faults(), &[] as &[String]);
        assert_eq!((report.counts.entries, report.counts.chains, report.counts.signatures), (3, 1, 3));
        assert_eq!((report.keys, report.wraps), (keys, 3));
        assert_eq!(report.size.0, 3);
    }
}

#[tokio::test]
async fn every_single_flipped_byte_is_found_in_its_file() {
    let directory = small_ledger(Suites::default()).await;
    let ledger = directory.path().join("ledger");
    flip_all(&ledger, evidence(&ledger));
}

#[tokio::test]
async fn every_single_flipped_byte_of_a_second_suite_is_found_in_its_file() {
    let directory = small_ledger(both_suites()).await;
    flip_all(&directory.path().join("ledger"), evidence_of_both_suites());
}

fn flip_all(ledger: &Path, files: Vec<PathBuf>) {
    let mut missed = Vec::new();
    for file in files {
        let halves: Vec<_> = (0..2)
            .map(|part| {
                let (ledger, file) = (ledger.to_owned(), file.clone());
                thread::spawn(move || unnoticed(&ledger, &file, part, 2))
            })
            .collect();
        for half in halves {
            missed.extend(half.join().unwrap());
        }
    }
    assert!(
        missed.is_empty(),
        "{} not found:\n{}",
        missed.len(),
        missed.iter().take(20).cloned().collect::<Vec<_>>().join("\n")
    );
}

#[tokio::test]
async fn a_file_that_is_missing_cut_or_does_not_belong_is_named() {
    let directory = small_ledger(both_suites()).await;
    let ledger = directory.path().join("ledger");
    let spare = |file: &PathBuf| file.ends_with("checkpoint.next") || file.ends_with("checkpoint.sm3.next");
    let files = evidence(&ledger).into_iter().chain(evidence_of_both_suites());
    for file in files.filter(|file| !spare(file)) {
        let copied = tempfile::tempdir().unwrap();
        copy(&ledger, copied.path());
        let path = copied.path().join(&file);
        let bytes = fs::read(&path).unwrap();
        // The last byte that is used: spare zeros behind it are room that was made ahead, and may be cut by a crash.
        let used = bytes.iter().rposition(|byte| *byte != 0).unwrap();
        fs::write(&path, bytes.get(..used).unwrap()).unwrap();
        let cut = verify(copied.path(), &|_| {}).unwrap();
        assert!(!cut.is_good(), "{} cut by one byte", file.display());
        if file.ends_with("manifest") || file.starts_with("keys") {
            continue;
        }
        fs::remove_file(&path).unwrap();
        let missing = verify(copied.path(), &|_| {}).unwrap();
        assert!(!missing.is_good(), "{} missing", file.display());
    }
    let copied = tempfile::tempdir().unwrap();
    copy(&ledger, copied.path());
    fs::write(copied.path().join("log/stray"), b"x").unwrap();
    fs::write(copied.path().join("stray"), b"x").unwrap();
    let stray = verify(copied.path(), &|_| {}).unwrap();
    assert_eq!(stray.faults().iter().filter(|fault| fault.contains("stray")).count(), 2, "{:?}", stray.faults());
}
