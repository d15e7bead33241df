//! Moving a ledger from one machine into a cluster, and what stays the same.

use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
    time::Duration,
};

use serde_json::Value;

use super::{Cluster, Process, run, stand_in::StandIn};
use crate::served::{copy, mediation};

/// `mediation replay` of every case against a ledger that is served, as it was printed.
fn replayed(process: &Process) -> String {
    let cases = crate::workspace::root().join("tests/cases");
    let directories = [cases.clone(), cases.join("extra")];
    let mut files: Vec<_> =
        directories.iter().flat_map(|cases| fs::read_dir(cases).unwrap()).map(|file| file.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "json"));
    files.sort();
    assert!(files.len() >= 16);
    let ended = Command::new(mediation())
        .args(["replay", "--json", "--ledger", &process.address, "--dir"])
        .arg(&process.directory)
        .args(files)
        .output()
        .unwrap();
    assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stderr));
    String::from_utf8(ended.stdout).unwrap()
}

/// Has the process of a directory use the cluster instead of its embedded log.
fn put_on_cluster(process: &Process, uri: &str) {
    let file = process.directory.join("mediation.toml");
    let configuration = fs::read_to_string(&file).unwrap();
    fs::write(&file, format!("{configuration}\n[kurrentdb]\naddress = \"{uri}\"\n")).unwrap();
}

#[test]
fn replaying_the_cases_gives_the_same_judgements_byte_for_byte_on_both_logs() {
    let cluster = Cluster::new();
    let alone = cluster.root.path().join("alone");
    copy(&cluster.founded(), &alone);
    let alone = Process::serve(alone);
    let shared = cluster.root.path().join("shared");
    copy(&cluster.founded(), &shared);
    let mut shared = Process { directory: shared, address: "127.0.0.1:0".to_owned(), child: None };
    put_on_cluster(&shared, &cluster.stand_in.uri());
    shared.start();
    assert_eq!(replayed(&shared), replayed(&alone));
}

/// Bytes that the engine has stored.
fn stored(directory: &Path) -> u64 {
    fs::read_dir(directory).unwrap().map(|file| file.unwrap().metadata().unwrap().len()).sum()
}

#[tokio::test]
async fn the_same_records_in_the_same_order_have_the_same_root_and_an_interrupted_move_goes_on() {
    let root = tempfile::Builder::new().prefix("mediation-move-").tempdir().unwrap();
    let city = root.path().join("city");
    let dir = city.to_str().unwrap();
    run(&["city", "--year", "2024", "--seed", "5", "--scale", "0.0005", "--out", dir]);
    let verified: Value = serde_json::from_str(&run(&["verify", "--json", dir])).unwrap();

    let mut engine = StandIn::start(&root.path().join("engine"));
    let uri = engine.uri();
    let mut first = Command::new(mediation())
        .args(["migrate", "--dir", dir, "--kurrentdb", &uri])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    while stored(&root.path().join("engine")) < 1_000_000 {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    first.kill().unwrap();
    first.wait().unwrap();
    engine.kill();
    engine.restart();

    let moved: Value = serde_json::from_str(&run(&["migrate", "--json", "--dir", dir, "--kurrentdb", &uri])).unwrap();
    assert_eq!((&moved["size"], &moved["root"]), (&verified["tree_size"], &verified["root"]), "{moved}");
    assert!(moved["found"].as_u64().unwrap() > 0, "the first run had moved some: {moved}");
    assert!(moved["appended"].as_u64().unwrap() > 0, "the first run was cut: {moved}");
    let again: Value = serde_json::from_str(&run(&["migrate", "--json", "--dir", dir, "--kurrentdb", &uri])).unwrap();
    assert_eq!((&again["appended"], &again["root"]), (&Value::from(0), &verified["root"]));

    let other = root.path().join("other");
    run(&["init", "--dir", other.to_str().unwrap()]);
    let refused =
        Command::new(mediation()).args(["migrate", "--kurrentdb", &uri, "--dir"]).arg(&other).output().unwrap();
    assert!(!refused.status.success());
    assert!(String::from_utf8_lossy(&refused.stderr).contains("集群中已有其他账本"));
}
