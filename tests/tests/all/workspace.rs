//! The repository as it lies on the disk: its files, its manifests, its binary.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::Command,
    sync::LazyLock,
};

/// Directory of the repository.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

/// A file of the repository.
#[derive(Debug)]
pub(crate) struct File {
    /// Path from the root, with `/`.
    pub(crate) path: String,
    /// Its content.
    pub(crate) text: String,
}

impl File {
    /// Whether its name ends like this.
    pub(crate) fn is(&self, suffix: &str) -> bool {
        self.path.ends_with(suffix)
    }

    /// Whether it holds tests only.
    pub(crate) fn is_test(&self) -> bool {
        self.path.starts_with("tests/") || self.path.contains("/tests/") || self.path.ends_with("/tests.rs")
    }
}

/// Every text file that belongs to the repository, sorted.
pub(crate) fn files() -> &'static [File] {
    static FILES: LazyLock<Vec<File>> = LazyLock::new(|| {
        let mut paths = Vec::new();
        collect(root(), &ignored(), &mut paths);
        paths.sort();
        paths
            .into_iter()
            .filter_map(|path| {
                let text = String::from_utf8(fs::read(&path).unwrap()).ok()?;
                let path = path.strip_prefix(root()).unwrap().to_str()?.replace('\\', "/");
                Some(File { path, text })
            })
            .collect()
    });
    &FILES
}

/// The file at a path from the root.
pub(crate) fn file(path: &str) -> &'static File {
    let found = files().iter().find(|file| file.path == path);
    found.unwrap_or_else(|| panic!("the repository has no `{path}`"))
}

/// A file as it stands on the disk now; empty when there is none.
pub(crate) fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_default()
}

/// Names in the root that belong to the repository.
pub(crate) fn top_level() -> BTreeSet<String> {
    let ignored = ignored();
    let entries = fs::read_dir(root()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    entries.filter(|name| !ignored.contains(name)).collect()
}

/// Names that are not part of the repository: what `.gitignore` says, and git's own directory.
fn ignored() -> BTreeSet<String> {
    let lines = fs::read_to_string(root().join(".gitignore")).unwrap();
    let names = lines.lines().map(|line| line.trim_matches('/').to_owned()).filter(|name| !name.is_empty());
    names.chain([".git".to_owned()]).collect()
}

fn collect(directory: &Path, ignored: &BTreeSet<String>, paths: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).unwrap() {
        let entry = entry.unwrap();
        if ignored.contains(entry.file_name().to_str().unwrap_or_default()) {
            continue;
        }
        if entry.file_type().unwrap().is_dir() {
            collect(&entry.path(), ignored, paths);
        } else {
            paths.push(entry.path());
        }
    }
}

/// Manifests of the workspace's crates: directory from the root, parsed manifest.
pub(crate) fn manifests() -> Vec<(String, toml::Table)> {
    let workspace: toml::Table = file("Cargo.toml").text.parse().unwrap();
    let members = workspace["workspace"]["members"].as_array().unwrap();
    let directories = members.iter().map(|member| member.as_str().unwrap().to_owned());
    directories
        .map(|directory| (directory.clone(), file(&format!("{directory}/Cargo.toml")).text.parse().unwrap()))
        .collect()
}

/// Name of the package that a manifest describes.
pub(crate) fn package_name(manifest: &toml::Table) -> &str {
    manifest["package"]["name"].as_str().unwrap()
}

/// The binary as users build it, without what the tests turn on. Built when it is not up to date.
pub(crate) fn binary() -> &'static Path {
    static BINARY: LazyLock<PathBuf> = LazyLock::new(|| {
        let build = Command::new(env!("CARGO"))
            .args([
                "build",
                "--quiet",
                "--locked",
                "--package",
                "mediation",
                "--message-format=json-render-diagnostics",
            ])
            .current_dir(root())
            .output()
            .unwrap();
        assert!(build.status.success(), "the binary does not build:\n{}", String::from_utf8_lossy(&build.stderr));
        let messages = String::from_utf8(build.stdout).unwrap();
        let mut artifacts = messages.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap()).rev();
        let executable = artifacts.find_map(|artifact| artifact["executable"].as_str().map(PathBuf::from));
        executable.expect("the package `mediation` has a binary")
    });
    &BINARY
}
