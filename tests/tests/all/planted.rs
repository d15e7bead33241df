//! The planted bugs of `tests/planted/`: each patch still applies, and names a test that there is. That the test finds the
//! bug is what `just planted` shows.

use std::process::Command;

use crate::workspace::{File, files, root};

/// Bugs that are planted, at least.
const PLANTED_MIN: usize = 15;

fn patches() -> Vec<&'static File> {
    let patches: Vec<_> =
        files().iter().filter(|file| file.path.starts_with("tests/planted/") && file.is(".patch")).collect();
    assert!(patches.len() >= PLANTED_MIN, "{} planted bugs", patches.len());
    patches
}

fn field<'a>(patch: &'a File, name: &str) -> &'a str {
    let line = patch.text.lines().take(3).find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
    line.unwrap_or_else(|| panic!("{}: the first lines do not say `{name}`", patch.path))
}

#[test]
fn every_planted_bug_still_applies() {
    for patch in patches() {
        let checked = Command::new("git").args(["apply", "--check"]).arg(&patch.path).current_dir(root()).output();
        let checked = checked.unwrap();
        assert!(checked.status.success(), "{}: {}", patch.path, String::from_utf8_lossy(&checked.stderr));
    }
}

#[test]
fn every_planted_bug_names_a_test_that_exists_in_the_package_that_is_run() {
    let manifests = crate::workspace::manifests();
    for patch in patches() {
        assert!(!field(patch, "Bug").is_empty(), "{}", patch.path);
        let (test, run) = (field(patch, "Test"), field(patch, "Run"));
        let package = run.split(' ').skip_while(|word| *word != "--package").nth(1).unwrap();
        let found = manifests.iter().find(|(_, manifest)| crate::workspace::package_name(manifest) == package);
        let (directory, _) = found.unwrap_or_else(|| panic!("{}: no package `{package}`", patch.path));
        // The rows of the conformance suite are functions of the core, and tests of every log.
        let sources = [format!("{directory}/"), "ledger/core/src/conformance.rs".to_owned()];
        let mut rust = files().iter().filter(|file| file.is(".rs"));
        let named = format!("fn {test}");
        let exists = rust.any(|file| {
            sources.iter().any(|source| file.path.starts_with(source))
                && file.text.match_indices(&named).any(|(at, _)| file.text[at + named.len()..].starts_with(['(', '<']))
        });
        assert!(exists, "{}: `{package}` has no test `{test}`", patch.path);
    }
}
