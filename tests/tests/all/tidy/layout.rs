//! Where files stand and how long they are.

use std::collections::BTreeSet;

use super::assert_none;
use crate::workspace::{File, files, manifests, top_level};

/// Names that may stand in the root.
const TOP_LEVEL: &[&str] = &[
    ".ci",
    ".clippy.toml",
    ".dockerignore",
    ".gitignore",
    "CHANGELOG.md",
    "Cargo.lock",
    "Cargo.toml",
    "Dockerfile",
    "LICENSE",
    "README.md",
    "README.zh-CN.md",
    "docs",
    "examples",
    "justfile",
    "k8s",
    "ledger",
    "proto",
    "rust-toolchain.toml",
    "rustfmt.toml",
    "services",
    "tests",
];

/// Lines of a source file without its tests.
const LINES_MAX: usize = 600;

#[test]
fn the_root_holds_only_what_belongs_there() {
    let known: BTreeSet<String> = TOP_LEVEL.iter().map(|name| (*name).to_owned()).collect();
    let more: Vec<_> = top_level().difference(&known).cloned().collect();
    assert!(more.is_empty(), "the root holds {more:?}");
}

#[test]
fn every_crate_is_a_member_of_the_workspace() {
    let members: BTreeSet<String> =
        manifests().into_iter().map(|(directory, _)| format!("{directory}/Cargo.toml")).collect();
    let found = files().iter().filter(|file| file.is("/Cargo.toml")).map(|file| file.path.clone());
    assert_eq!(found.collect::<BTreeSet<_>>(), members);
}

#[test]
fn no_source_file_is_longer_than_600_lines_without_its_tests() {
    let sources = files().iter().filter(|file| file.is(".rs") && !file.is("/tests.rs"));
    let long = sources.filter_map(|file| {
        let lines = lines_without_tests(file);
        (lines > LINES_MAX).then(|| format!("{}: {lines} lines", file.path))
    });
    assert_none(&long.collect::<Vec<_>>());
}

#[test]
fn no_module_has_a_name_that_says_nothing() {
    let nothing = ["common", "helper", "helpers", "impl", "manager", "misc", "mod", "types", "util", "utils"];
    let named = files().iter().filter(|file| file.is(".rs")).filter_map(|file| {
        let name = file.path.rsplit('/').next()?.strip_suffix(".rs")?;
        nothing.contains(&name).then(|| format!("{}: name the module after what it holds", file.path))
    });
    assert_none(&named.collect::<Vec<_>>());
}

/// Lines before the tests that stand at the end of a file.
fn lines_without_tests(file: &File) -> usize {
    let tests = file.text.find("#[cfg(test)]\nmod tests {").unwrap_or(file.text.len());
    file.text.get(..tests).unwrap_or_default().lines().count()
}
