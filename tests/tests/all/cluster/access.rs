//! Setting up who may do what in a cluster, over TLS, with the users of a cluster.

use std::{
    fs,
    path::Path,
    process::{Command, Output},
};

use serde_json::Value;

use super::{run, stand_in::StandIn};
use crate::served::mediation;

/// A command that reaches the cluster as one of its users.
fn as_user(root: &Path, uri: &str, user: &str, arguments: &[&str]) -> Output {
    Command::new(mediation())
        .args(arguments)
        .args(["--kurrentdb", uri, "--kurrentdb-authorities"])
        .arg(root.join("founded/pki/authority.pem"))
        .arg("--kurrentdb-credentials")
        .arg(root.join(user))
        .output()
        .unwrap()
}

/// Whether the check finds nothing, what it finds, and what it notes.
fn checked(root: &Path, uri: &str, user: &str) -> (bool, Vec<String>, Vec<String>) {
    let checked = as_user(root, uri, user, &["kurrent", "check", "--json"]);
    let said: Value = serde_json::from_slice(&checked.stdout)
        .unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&checked.stderr)));
    let texts =
        |key: &str| said[key].as_array().unwrap().iter().map(|text| text.as_str().unwrap().to_owned()).collect();
    assert_eq!(checked.status.success(), said["good"].as_bool().unwrap());
    (checked.status.success(), texts("findings"), texts("notes"))
}

#[test]
fn an_administrator_closes_the_cluster_and_a_writer_moves_the_ledger_over_tls() {
    let root = tempfile::Builder::new().prefix("mediation-access-").tempdir().unwrap();
    let (root, founded) = (root.path(), root.path().join("founded"));
    run(&["init", "--dir", founded.to_str().unwrap()]);
    for (user, password) in [("admin", "changed"), ("desk", "secret"), ("stranger", "guess")] {
        fs::write(root.join(user), format!("{user}:{password}\n")).unwrap();
    }
    let pki = founded.join("pki");
    let (certificate, key) = (pki.join("server.pem"), pki.join("server.key"));
    let mut arguments = vec!["--tls-cert", certificate.to_str().unwrap(), "--tls-key", key.to_str().unwrap()];
    arguments.extend(["--user", "admin:changed:$admins", "--user", "desk:secret", "--user", "stranger:guess"]);
    let engine = StandIn::start_with(&root.join("engine"), &arguments);
    let uri = engine.secure_uri();

    let (good, findings, _) = checked(root, &uri, "admin");
    assert!(!good && findings.iter().any(|finding| finding.contains("does not close right `$d`")), "{findings:?}");
    let denied = as_user(root, &uri, "desk", &["kurrent", "init", "--writer", "desk"]);
    assert!(!denied.status.success(), "who is no administrator sets nothing");
    let set = as_user(root, &uri, "admin", &["kurrent", "init", "--writer", "desk", "--reader", "auditor"]);
    assert!(set.status.success(), "{}", String::from_utf8_lossy(&set.stderr));
    let (good, findings, notes) = checked(root, &uri, "admin");
    assert!(good && notes.iter().any(|note| note.contains("is an administrator")), "{findings:?} {notes:?}");
    let (good, findings, notes) = checked(root, &uri, "desk");
    assert!(good && notes.iter().any(|note| note.contains("cannot be seen")), "{findings:?} {notes:?}");

    let dir = founded.to_str().unwrap();
    let refused = as_user(root, &uri, "stranger", &["migrate", "--dir", dir]);
    assert!(!refused.status.success(), "who is on no list reads and writes nothing");
    let moved = as_user(root, &uri, "desk", &["migrate", "--json", "--dir", dir]);
    let moved: Value =
        serde_json::from_slice(&moved.stdout).unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&moved.stderr)));
    assert_eq!(moved["found"], 0);
    assert!(moved["appended"].as_u64().unwrap() > 50);
}
