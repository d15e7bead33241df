//! Evidence bundles, as users make and verify them: exported from a directory and from a served ledger, verified by the
//! binary and by the script in the bundle, whole and after every attack.

mod attacks;
mod third_party;

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use mediation_ledger::{
    bundle::{Files, read, write},
    entry::Entry,
};
use mediation_proto::mediation::types::v1::AgencyKind;
use serde_json::{Value, json};

use crate::{
    python::python,
    served::{Served, chain_id, event_id, mediation, request},
    workspace,
};

/// Checks that the script leaves to the binary.
const NOT_IN_SCRIPT: [&str; 3] = ["admission", "judgement", "enclosures"];

/// A ledger with one dispute of four acts by two agencies, told and stopped, and the dispute's chain.
pub(crate) struct Told {
    served: Served,
    chain: String,
}

impl Told {
    /// In a runtime of its own, so that no connection is left when it returns: the ledger would wait for it to end.
    fn new() -> Self {
        Self::founded_with(&[])
    }

    /// In a ledger that is founded with further arguments of `mediation init`.
    fn founded_with(arguments: &[&str]) -> Self {
        tokio::runtime::Runtime::new().unwrap().block_on(Self::tell(Served::founded_with(arguments)))
    }

    async fn tell(served: Served) -> Self {
        let chain = chain_id();
        let center = served.client("ZC-FL", AgencyKind::GovernanceCenter).await;
        let registered = json!({"channel": "WALK_IN", "division": "360222", "dispute_type": "LEASE", "emergency": false,
            "parties": [
                {"subject": "psn_c221f62ecd5b08ac8c8dcd5b", "side": "APPLICANT", "capacity": "SOLE_TRADER", "minor": false},
                {"subject": "psn_8c807480e7262dd56062a85b", "side": "RESPONDENT", "capacity": "NATURAL_PERSON", "minor": false}],
            "identities": [
                {"subject": "psn_c221f62ecd5b08ac8c8dcd5b", "name": "青岚陶艺工作室"},
                {"subject": "psn_8c807480e7262dd56062a85b", "name": "霍砚秋"}],
            "summary": "拖欠租金"});
        let opening = request(&chain, &event_id(), "DisputeRegistered", "ZC-FL/REG-1", "REG", registered);
        center.record(opening).await.unwrap();
        for satisfaction in ["SATISFIED", "DISSATISFIED", "SATISFIED"] {
            let visited = json!({"satisfaction": satisfaction, "relapse_signs": false});
            let visit = request(&chain, &event_id(), "FollowUpVisited", "ZC-FL/REG-1", "REG", visited);
            center.record(visit).await.unwrap();
        }
        // Something of other chains behind it.
        let bureau = served.client("XF-FL", AgencyKind::Petition).await;
        bureau.record(crate::served::registration(&chain_id(), &event_id(), "排水渠堵塞")).await.unwrap();
        Self { served, chain }
    }

    /// One more visit, by the center.
    async fn visit(&self) {
        let center = self.served.client("ZC-FL", AgencyKind::GovernanceCenter).await;
        let visited = json!({"satisfaction": "SATISFIED", "relapse_signs": false});
        let visit = request(&self.chain, &event_id(), "FollowUpVisited", "ZC-FL/REG-1", "REG", visited);
        center.record(visit).await.unwrap();
    }

    /// Runs a command on the directory.
    fn changed(&self, arguments: &[&str]) -> String {
        let output = Command::new(mediation()).args(arguments).arg("--dir").arg(self.served.path()).output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {}", text(&output));
        String::from_utf8(output.stdout).unwrap()
    }

    fn policy(&self) -> PathBuf {
        self.served.path().join("policy")
    }

    fn file(&self, name: &str) -> PathBuf {
        self.served.directory.path().join(name)
    }

    fn export(&self, name: &str, more: &[&str]) -> Output {
        let mut export = Command::new(mediation());
        export.args(["export", &self.chain, "--as-of", "2024-12-31", "--dir"]).arg(self.served.path());
        export.arg("--out").arg(self.file(name)).args(more).output().unwrap()
    }

    fn exported(&self, name: &str, more: &[&str]) -> Vec<u8> {
        let exported = self.export(name, more);
        assert!(exported.status.success(), "{}", text(&exported));
        fs::read(self.file(name)).unwrap()
    }
}

fn text(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// What the binary says of a bundle: its rows, and whether all is good.
pub(crate) fn verdict(bundle: &Path, policy: Option<&Path>) -> Value {
    let mut verify = Command::new(mediation());
    verify.args(["verify", "--json"]).arg(bundle);
    rows(policy.into_iter().fold(&mut verify, |verify, policy| verify.arg("--policy").arg(policy)))
}

/// What the script says of it.
pub(crate) fn script_verdict(bundle: &Path, policy: Option<&Path>) -> Value {
    let mut verify = python();
    verify.arg(workspace::root().join("ledger/core/src/bundle/verify.py")).arg("--json").arg(bundle);
    rows(policy.into_iter().fold(&mut verify, |verify, policy| verify.arg("--policy").arg(policy)))
}

fn rows(verify: &mut Command) -> Value {
    let output = verify.output().unwrap();
    let said: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", text(&output)));
    let expected = if said["good"] == true { 0 } else { 1 };
    assert_eq!(output.status.code(), Some(expected), "{}", text(&output));
    said
}

/// State, cause and place of every check that both make.
fn shared(verdict: &Value) -> Vec<String> {
    let rows = verdict["checks"].as_array().unwrap().iter();
    let both = rows.filter(|row| !NOT_IN_SCRIPT.contains(&row["check"].as_str().unwrap()));
    both.map(|row| format!("{} {} {} {}", row["check"], row["state"], row["cause"], row["place"])).collect()
}

/// Causes with their checks, in order.
fn causes(verdict: &Value) -> Vec<String> {
    let failed = verdict["checks"].as_array().unwrap().iter().filter(|row| row["state"] == "failed");
    failed.map(|row| format!("{}: {}", row["check"].as_str().unwrap(), row["cause"].as_str().unwrap())).collect()
}

#[test]
fn a_bundle_of_a_directory_verifies_line_by_line_in_rust_and_in_python() {
    let mut told = Told::new();
    told.served.stop();
    let [one, other] = ["a.evidence.zip", "b.evidence.zip"].map(|name| read(&told.exported(name, &[]).into()).unwrap());
    let differing = one.iter().filter(|(name, content)| other.get(*name) != Some(*content));
    let differing: Vec<&String> = differing.map(|(name, _)| name).collect();
    assert_eq!(differing, ["manifest.json", "report.html"], "but for who exported it the same bytes");
    let policy = told.policy();
    for policy in [None, Some(policy.as_path())] {
        let (rust, python) =
            (verdict(&told.file("a.evidence.zip"), policy), script_verdict(&told.file("a.evidence.zip"), policy));
        assert_eq!((&rust["good"], &python["good"]), (&json!(true), &json!(true)), "{rust:#} {python:#}");
        for (one, other) in rust["checks"].as_array().unwrap().iter().zip(python["checks"].as_array().unwrap()) {
            let name = one["check"].as_str().unwrap();
            assert_eq!(one["state"], "passed", "{one}");
            if !NOT_IN_SCRIPT.contains(&name) {
                assert_eq!(one, other);
            }
        }
        let trust = rust["checks"][2]["note"].as_str().unwrap();
        assert_eq!(trust.contains("enclosed file alone"), policy.is_none(), "{trust}");
    }
    // Its file is not written over.
    assert_eq!(told.export("a.evidence.zip", &[]).status.code(), Some(5));
}

#[test]
fn a_bundle_of_agencies_that_sign_with_sm2_verifies_in_rust_and_in_python_and_so_does_none_that_was_changed() {
    let mut told = Told::founded_with(&["--suite", "sm2"]);
    told.served.stop();
    let path = told.file("sm2.evidence.zip");
    let mut files = read(&told.exported("sm2.evidence.zip", &[]).into()).unwrap();
    let policy = told.policy();
    let both = |good: bool| {
        let (rust, python) = (verdict(&path, Some(&policy)), script_verdict(&path, Some(&policy)));
        assert_eq!((&rust["good"], &python["good"]), (&json!(good), &json!(good)), "{rust:#} {python:#}");
        assert_eq!(shared(&rust), shared(&python));
        causes(&rust)
    };
    assert_eq!(both(true), [""; 0]);
    let mut entry = files["entries/0001.bin"].to_vec();
    let signature = Entry::parse(&files["entries/0001.bin"]).unwrap().signatures.remove(0).value;
    let at = entry.windows(signature.len()).position(|bytes| bytes == &signature[..]).unwrap();
    entry[at] ^= 1;
    files.insert("entries/0001.bin".to_owned(), entry.into());
    fs::write(&path, write(&files).unwrap()).unwrap();
    assert!(both(false).contains(&"signatures: signature-invalid".to_owned()));
}

#[test]
fn the_script_in_the_bundle_is_ours_and_runs_from_it() {
    let mut told = Told::new();
    told.served.stop();
    let files = read(&told.exported("a.evidence.zip", &[]).into()).unwrap();
    fs::write(told.file("verify.py"), &files["verify.py"]).unwrap();
    let ran = python().arg(told.file("verify.py")).arg(told.file("a.evidence.zip")).output().unwrap();
    assert!(ran.status.success(), "{}", text(&ran));
    let lines = text(&ran);
    assert!(lines.starts_with("核验通过 ✓ · verified\n"), "{lines}");
    assert_eq!((lines.matches("  ✓ ").count(), lines.matches("  – ").count()), (14, 3), "{lines}");
    let wrong = python().arg(told.file("verify.py")).output().unwrap();
    assert_eq!(wrong.status.code(), Some(2));
    // What archivers make of it: Python's own opens every file and finds every sum.
    let tested = python().args(["-m", "zipfile", "-t"]).arg(told.file("a.evidence.zip")).output().unwrap();
    assert!(tested.status.success(), "{}", text(&tested));
}

#[test]
fn a_served_ledger_gives_a_bundle_of_what_the_agency_may_read() {
    let mut told = Told::new();
    let address = told.served.address.clone();
    let own = told.exported("own.evidence.zip", &["--ledger", &address, "--agency", "ZC-FL"]);
    let other = told.exported("other.evidence.zip", &["--ledger", &address, "--agency", "AUD-JDZ"]);
    told.served.stop();
    let offline = told.exported("offline.evidence.zip", &[]);
    let names = |bytes: Vec<u8>| -> Vec<String> { read(&bytes.into()).unwrap().into_keys().collect() };
    assert_eq!(names(own), names(offline), "the agency that recorded everything reads everything");
    // The audit is shown facts and narrative, and identities in masks only: those are named in their place.
    let files = read(&other.into()).unwrap();
    let withheld: Value = serde_json::from_slice(&files["withheld.json"]).unwrap();
    let kinds: Vec<_> = withheld.as_array().unwrap().iter().map(|row| row["kind"].clone()).collect();
    assert_eq!(kinds, ["identities", "identities"]);
    assert_eq!(withheld[0]["because"], "CLOSED");
    let policy = told.policy();
    let path = told.file("other.evidence.zip");
    assert_eq!(shared(&verdict(&path, Some(&policy))), shared(&script_verdict(&path, Some(&policy))));
}

#[test]
fn what_is_withheld_stands_nowhere_in_the_bundle_but_as_a_commitment() {
    let mut told = Told::new();
    told.served.stop();
    let bytes = told.exported("a.evidence.zip", &["--withhold", "narrative,identities"]);
    for secret in ["霍砚秋", "拖欠租金"] {
        assert!(!bytes.windows(secret.len()).any(|window| window == secret.as_bytes()), "{secret}");
    }
    let files = read(&bytes.into()).unwrap();
    let withheld: Value = serde_json::from_slice(&files["withheld.json"]).unwrap();
    assert_eq!(withheld.as_array().unwrap().iter().filter(|row| row["because"] == "REQUESTED").count(), 3);
    let report = String::from_utf8(files["report.html"].to_vec()).unwrap();
    for named in
        ["应导出要求不披露", "纠纷登记", "浮梁县综治中心", "时间未证明", "SF/T 0076-2020", "SF/T 0091-2021", "第十六条"]
    {
        assert!(report.contains(named), "{named}");
    }
    assert!(!report.contains("<script") && !report.contains("http://") && !report.contains("https://"));
    let (path, policy) = (told.file("a.evidence.zip"), told.policy());
    assert_eq!(shared(&verdict(&path, Some(&policy))), shared(&script_verdict(&path, Some(&policy))));
}

#[test]
fn a_chain_that_is_not_there_and_a_ledger_that_is_served_give_no_bundle() {
    let mut told = Told::new();
    assert_eq!(told.export("a.evidence.zip", &[]).status.code(), Some(5), "it is being served");
    told.served.stop();
    told.chain = chain_id();
    assert_eq!(told.export("a.evidence.zip", &[]).status.code(), Some(5), "there is no such chain");
    assert!(!told.file("a.evidence.zip").exists());
}

#[test]
fn changed_keys_are_judged_alike_and_an_older_bundle_verifies_under_the_newer_trust_file() {
    let mut told = Told::new();
    told.served.stop();
    told.exported("older.evidence.zip", &[]);
    told.changed(&["key", "rotate", "--agency", "ZC-FL"]);
    told.changed(&["log-key", "rotate"]);
    told.served.start();
    tokio::runtime::Runtime::new().unwrap().block_on(told.visit());
    told.served.stop();
    let listed = told.changed(&["key", "list", "--agency", "ZC-FL", "--json"]);
    let listed: Value = serde_json::from_str(&listed).unwrap();
    let key = listed["keys"].as_array().unwrap().iter().find(|key| key["counts"] == true).unwrap();
    let since = "2024-01-01T00:00:00+08:00";
    let (revoke, reason) =
        (["key", "revoke", "--agency", "ZC-FL"], ["--reason", "compromised", "--invalid-from", since]);
    told.changed(&[&revoke[..], &["--key", key["key_id"].as_str().unwrap()], &reason].concat());
    told.changed(&["key", "enrol", "--agency", "ZC-FL"]);
    told.changed(&["log-key", "retire"]);
    told.exported("newer.evidence.zip", &[]);
    let policy = told.policy();
    for (name, late) in [("older.evidence.zip", false), ("newer.evidence.zip", true)] {
        let bundle = told.file(name);
        let (rust, python) = (verdict(&bundle, Some(&policy)), script_verdict(&bundle, Some(&policy)));
        assert_eq!((&rust["good"], &python["good"]), (&json!(true), &json!(true)), "{rust:#} {python:#}");
        assert_eq!(shared(&rust), shared(&python));
        let note = |verdict: &Value| {
            let rows = verdict["checks"].as_array().unwrap();
            rows.iter().find(|row| row["check"] == "keys").unwrap()["note"].clone()
        };
        assert_eq!(note(&rust), note(&python));
        assert_eq!(note(&rust).as_str().unwrap().contains("the keys of 1 were revoked later"), late, "{rust:#}");
    }
}

#[test]
fn a_bundle_says_who_exported_it_and_that_this_is_no_proof() {
    let mut told = Told::new();
    let address = told.served.address.clone();
    let by = ["--ledger", &address, "--agency", "ZC-FL", "--reader", "ZC-FL/REG-7", "--role", "REG"];
    told.exported("served.evidence.zip", &by);
    told.served.stop();
    told.exported("offline.evidence.zip", &[]);
    let policy = told.policy();
    let said = |name: &str| {
        let path = told.file(name);
        let (rust, python) = (verdict(&path, Some(&policy)), script_verdict(&path, Some(&policy)));
        assert_eq!((&rust["good"], &rust["exported"]), (&python["good"], &python["exported"]));
        (rust["good"] == true, rust["exported"].clone())
    };
    let (good, exported) = said("served.evidence.zip");
    assert!(good);
    assert_eq!(exported["by"], json!({"agency": "ZC-FL", "official": "ZC-FL/REG-7", "role": "REG"}));
    assert_eq!(exported["purpose"], "EXPORT");
    let (good, offline) = said("offline.evidence.zip");
    assert!(good && offline["by"].is_null() && offline["id"] != exported["id"]);

    let files = read(&fs::read(told.file("served.evidence.zip")).unwrap().into()).unwrap();
    let report = String::from_utf8(files["report.html"].to_vec()).unwrap();
    let id = exported["id"].as_str().unwrap();
    assert!(report.contains("<p class=\"mark\">ZC-FL ZC-FL/REG-7 REG") && report.contains(id));
    assert!(report.contains("导出者自述，不是证明"));
    let mut script = python();
    script.arg(workspace::root().join("ledger/core/src/bundle/verify.py")).arg(told.file("offline.evidence.zip"));
    let printed = text(&script.output().unwrap());
    assert!(printed.contains("导出 exported by 账本目录持有人 the holder of the directory"), "{printed}");

    // Without it, as programs of before made it, a bundle verifies; what has not its form does not.
    let mut manifest: Value = serde_json::from_slice(&files["manifest.json"]).unwrap();
    let write_with = |name: &str, manifest: &Value| {
        let mut files = files.clone();
        let text = serde_json::to_string_pretty(manifest).unwrap() + "\n";
        files.insert("manifest.json".to_owned(), text.into());
        fs::write(told.file(name), write(&files).unwrap()).unwrap();
    };
    manifest["exported"]["by"]["official"] = json!("ZC-FL/张三");
    write_with("wrong.evidence.zip", &manifest);
    let path = told.file("wrong.evidence.zip");
    for verdict in [verdict(&path, Some(&policy)), script_verdict(&path, Some(&policy))] {
        assert_eq!(causes(&verdict)[0], "manifest: manifest-malformed");
    }
    manifest.as_object_mut().unwrap().remove("exported");
    write_with("before.evidence.zip", &manifest);
    let path = told.file("before.evidence.zip");
    let (rust, python) = (verdict(&path, Some(&policy)), script_verdict(&path, Some(&policy)));
    assert_eq!((causes(&rust), causes(&python)), (vec!["enclosures: report-differs".to_owned()], vec![]));
    assert!(rust["exported"].is_null() && python["exported"].is_null());
}

/// Files of a bundle, to be tampered with.
fn files(told: &Told) -> Files {
    read(&fs::read(told.file("good.evidence.zip")).unwrap().into()).unwrap()
}
