//! Arrows between crates: one that is not drawn in `docs/architecture.md` is forbidden.

use std::collections::{BTreeMap, BTreeSet};

use super::assert_none;
use crate::workspace::{manifests, package_name};

/// What each crate may depend on among ours. The tests and the binary may use everything.
const ARROWS: &[(&str, &[&str])] = &[
    ("mediation-proto", &[]),
    ("mediation-domain", &["mediation-proto"]),
    ("mediation-city", &["mediation-domain", "mediation-ledger", "mediation-proto"]),
    ("mediation-ledger", &["mediation-domain", "mediation-proto"]),
    ("mediation-log-embedded", &["mediation-ledger"]),
    ("mediation-log-kurrentdb", &["mediation-kurrentdb-stand-in", "mediation-ledger"]),
    ("mediation-kurrentdb-stand-in", &[]),
    ("mediation-baseline", &[]),
    ("mediation-projections", &["mediation-domain", "mediation-ledger", "mediation-proto"]),
    ("mediation-desk", &["mediation-domain", "mediation-ledger", "mediation-projections", "mediation-proto"]),
    ("mediation-client", &["mediation-ledger", "mediation-proto"]),
    (
        "mediation-gateway",
        &["mediation-client", "mediation-domain", "mediation-ledger", "mediation-projections", "mediation-proto"],
    ),
    ("mediation-pkcs11", &["mediation-ledger"]),
    ("mediation-fuzz", &["mediation-ledger"]),
];

/// Crates that may use everything.
const EVERYTHING: &[&str] = &["mediation", "mediation-simulation", "mediation-tests"];

/// The domain takes no clock, no randomness, no lock, no I/O: these are all it may build on.
const DOMAIN_BUILDS_ON: &[&str] =
    &["mediation-proto", "prost", "prost-types", "serde", "serde_json", "sha2", "thiserror"];

/// Transport stays out of everything below the services.
const TRANSPORT: &[&str] =
    &["axum", "hyper", "hyper-rustls", "hyper-util", "rustls", "tokio-rustls", "tonic", "tonic-prost"];

/// What a crate below the services needs of it all the same.
const TRANSPORT_ALLOWED: &[(&str, &str)] = &[
    // The file of authorities is checked before the client's crate panics over it.
    ("ledger/kurrentdb", "rustls"),
];

#[test]
fn every_arrow_between_crates_is_drawn() {
    let mut breaches = Vec::new();
    for (_, manifest) in manifests() {
        let name = package_name(&manifest);
        if EVERYTHING.contains(&name) {
            continue;
        }
        let Some((_, drawn)) = ARROWS.iter().find(|(crate_name, _)| *crate_name == name) else {
            breaches.push(format!("`{name}` has no row in the table of arrows"));
            continue;
        };
        let ours = all(&manifest).into_iter().filter(|dependency| dependency.starts_with("mediation"));
        // A crate names itself to turn its own features on in its tests.
        let undrawn = ours.filter(|dependency| !drawn.contains(&dependency.as_str()) && dependency != name);
        breaches.extend(undrawn.map(|dependency| format!("`{name}` → `{dependency}` is not drawn")));
    }
    assert_none(&breaches);
}

#[test]
fn only_the_binary_and_the_tests_name_a_backend() {
    let mut breaches = Vec::new();
    for (directory, manifest) in manifests() {
        let name = package_name(&manifest);
        let backends = all(&manifest).into_iter().filter(|dependency| dependency.starts_with("mediation-log-"));
        if !EVERYTHING.contains(&name) {
            breaches.extend(backends.map(|backend| format!("{directory}: `{name}` names `{backend}`")));
        }
    }
    assert_none(&breaches);
}

#[test]
fn the_domain_does_no_input_or_output() {
    let (_, domain) =
        manifests().into_iter().find(|(_, manifest)| package_name(manifest) == "mediation-domain").unwrap();
    let used = section(&domain, "dependencies");
    let more: Vec<_> = used.iter().filter(|dependency| !DOMAIN_BUILDS_ON.contains(&dependency.as_str())).collect();
    assert!(more.is_empty(), "the domain builds on {more:?}");
}

#[test]
fn transport_stays_in_the_services() {
    let mut breaches = Vec::new();
    for (directory, manifest) in manifests().iter().filter(|(directory, _)| directory.starts_with("ledger/")) {
        for dependency in all(manifest).iter().map(String::as_str).filter(|dependency| TRANSPORT.contains(dependency)) {
            if TRANSPORT_ALLOWED.contains(&(directory.as_str(), dependency)) {
                continue;
            }
            breaches.push(format!("{directory}: uses `{dependency}`"));
        }
        let proto = manifest["dependencies"].get("mediation-proto").and_then(|proto| proto.get("features"));
        if proto.is_some() {
            breaches.push(format!("{directory}: turns features of `mediation-proto` on"));
        }
    }
    assert_none(&breaches);
}

#[test]
fn every_crate_takes_lints_and_metadata_from_the_workspace() {
    let mut breaches = Vec::new();
    for (directory, manifest) in manifests() {
        let lints = manifest.get("lints").and_then(|lints| lints.get("workspace")).and_then(toml::Value::as_bool);
        if lints != Some(true) {
            breaches.push(format!("{directory}: does not say `[lints] workspace = true`"));
        }
        for key in ["version", "edition", "rust-version", "license", "publish"] {
            if manifest["package"].get(key).and_then(|value| value.get("workspace")).is_none() {
                breaches.push(format!("{directory}: `{key}` is not the workspace's"));
            }
        }
        if manifest["package"].get("description").is_none() {
            breaches.push(format!("{directory}: has no description"));
        }
    }
    assert_none(&breaches);
}

/// Names of a manifest's dependencies of all sorts.
fn all(manifest: &toml::Table) -> BTreeSet<String> {
    let sections = ["dependencies", "dev-dependencies", "build-dependencies"];
    sections.iter().flat_map(|name| section(manifest, name)).collect()
}

fn section(manifest: &toml::Table, name: &str) -> BTreeSet<String> {
    let table = manifest.get(name).and_then(toml::Value::as_table);
    table.map(|table| table.keys().cloned().collect()).unwrap_or_default()
}

#[test]
fn the_table_of_arrows_is_the_drawing_in_the_architecture() {
    let document = &crate::workspace::file("docs/architecture.md").text;
    let section = document.split("\n## ").find(|section| section.starts_with("Arrows\n")).unwrap();
    let rows = section.lines().filter_map(|line| line.strip_prefix("| `mediation"));
    let drawn: BTreeMap<String, BTreeSet<String>> = rows
        .filter_map(|row| {
            let mut cells = row.split('|').map(|cell| cell.trim().to_owned());
            let name = format!("mediation{}", cells.next()?.trim_end_matches('`'));
            let targets = cells.nth(1)?;
            let targets = targets.split(' ').filter_map(|word| word.strip_prefix('`')?.strip_suffix('`'));
            Some((name, targets.map(str::to_owned).collect()))
        })
        .filter(|(name, _): &(String, BTreeSet<String>)| !EVERYTHING.contains(&name.as_str()))
        .collect();
    let table = ARROWS
        .iter()
        .map(|(name, targets)| ((*name).to_owned(), targets.iter().map(|target| (*target).to_owned()).collect()));
    assert_eq!(drawn, table.collect());
}
