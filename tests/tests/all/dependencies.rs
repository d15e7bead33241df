//! Dependencies: where they come from, under which licence, what they link, and which of them are there twice.

use std::{
    collections::{BTreeMap, BTreeSet},
    process::Command,
    sync::LazyLock,
};

use serde_json::Value;

use crate::workspace;

/// The platform that the ledger is built for; what only others need is not looked at.
const PLATFORM: &str = "x86_64-unknown-linux-gnu";

/// What `tests/dependencies.toml` says.
static POLICY: LazyLock<toml::Table> =
    LazyLock::new(|| workspace::file("tests/dependencies.toml").text.parse().unwrap());

/// Every package of the lockfile, as Cargo describes it.
static PACKAGES: LazyLock<Vec<Value>> = LazyLock::new(|| {
    let described = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version=1", "--locked", "--offline", "--filter-platform", PLATFORM])
        .current_dir(workspace::root())
        .output()
        .unwrap();
    assert!(described.status.success(), "{}", String::from_utf8_lossy(&described.stderr));
    let metadata: Value = serde_json::from_slice(&described.stdout).unwrap();
    metadata["packages"].as_array().unwrap().clone()
});

#[test]
fn every_dependency_comes_from_a_registry_or_from_here() {
    let elsewhere: Vec<_> = PACKAGES
        .iter()
        .filter(|package| package["source"].as_str().is_some_and(|source| !source.starts_with("registry+")))
        .map(name)
        .collect();
    assert!(elsewhere.is_empty(), "from elsewhere: {elsewhere:?}");
}

#[test]
fn every_licence_is_one_that_we_can_meet() {
    let accepted: BTreeSet<&str> =
        POLICY["licences"].as_array().unwrap().iter().filter_map(toml::Value::as_str).collect();
    let refused: Vec<_> = PACKAGES
        .iter()
        .filter_map(|package| {
            let licence = package["license"].as_str().unwrap_or("none");
            (!meets(licence, &accepted)).then(|| format!("{}: {licence}", name(package)))
        })
        .collect();
    assert!(refused.is_empty(), "{}", refused.join("\n"));
}

#[test]
fn every_crate_that_is_there_twice_has_a_reason() {
    let mut versions: BTreeMap<String, BTreeSet<&str>> = BTreeMap::new();
    for package in PACKAGES.iter() {
        versions.entry(name(package)).or_default().insert(package["version"].as_str().unwrap());
    }
    let twice = versions.into_iter().filter(|(_, versions)| versions.len() > 1).map(|(name, _)| name);
    assert_eq!(reasons("duplicates"), twice.collect(), "left: with a reason, right: in the lockfile");
}

#[test]
fn every_crate_that_links_native_code_has_a_reason() {
    let native = PACKAGES.iter().filter(|package| package["links"].is_string()).map(name);
    assert_eq!(reasons("native"), native.collect(), "left: with a reason, right: in the lockfile");
}

/// Crates of a table of the policy; each must have a reason.
fn reasons(table: &str) -> BTreeSet<String> {
    let rows = POLICY[table].as_table().unwrap();
    for (name, reason) in rows {
        assert!(reason.as_str().is_some_and(|reason| reason.len() > 10), "`{name}` has no reason");
    }
    rows.keys().cloned().collect()
}

fn name(package: &Value) -> String {
    package["name"].as_str().unwrap().to_owned()
}

/// Whether an SPDX expression has a choice of which every licence is accepted. Brackets stand only around choices.
fn meets(expression: &str, accepted: &BTreeSet<&str>) -> bool {
    // The older notation separates choices by a stroke.
    let expression = expression.replace('/', " OR ");
    split_outside_brackets(&expression, " AND ").iter().all(|needed| {
        let choices = needed.trim().trim_start_matches('(').trim_end_matches(')');
        choices.split(" OR ").any(|choice| {
            choice.trim_matches(['(', ')', ' ']).split(" AND ").all(|licence| accepted.contains(licence.trim()))
        })
    })
}

fn split_outside_brackets<'a>(text: &'a str, separator: &str) -> Vec<&'a str> {
    let mut pieces = Vec::new();
    let (mut start, mut depth) = (0, 0_i32);
    for (at, letter) in text.char_indices() {
        depth += i32::from(letter == '(') - i32::from(letter == ')');
        if depth == 0 && text.get(at..).is_some_and(|rest| rest.starts_with(separator)) {
            pieces.extend(text.get(start..at));
            start = at + separator.len();
        }
    }
    pieces.extend(text.get(start..));
    pieces
}

#[test]
fn licence_expressions_are_read_as_spdx_means_them() {
    let accepted = BTreeSet::from(["MIT", "ISC", "Apache-2.0", "Unicode-3.0"]);
    for good in [
        "MIT",
        "MIT OR GPL-3.0",
        "GPL-3.0/MIT",
        "Apache-2.0 AND ISC",
        "(MIT OR Apache-2.0) AND Unicode-3.0",
        "MIT AND (GPL-2.0 OR ISC)",
    ] {
        assert!(meets(good, &accepted), "{good}");
    }
    for bad in ["GPL-3.0", "MIT AND GPL-3.0", "(MIT OR Apache-2.0) AND GPL-2.0", "none"] {
        assert!(!meets(bad, &accepted), "{bad}");
    }
}
