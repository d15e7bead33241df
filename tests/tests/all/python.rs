//! Python with the packages that tests need: those of `tests/python/requirements.txt`, in a directory of their own below
//! `target/`, installed by the first test that asks.

use std::{
    fs::File,
    path::{Path, PathBuf},
    process::Command,
    sync::LazyLock,
};

use sha2::{Digest as _, Sha256};

use crate::workspace::{self, root};

/// A call of Python that finds the packages and nothing of the user's.
pub(crate) fn python() -> Command {
    let mut python = Command::new("python3");
    python.arg("-s").env("PYTHONPATH", &*PACKAGES).env("PYTHONDONTWRITEBYTECODE", "1");
    python.env("PYTHONIOENCODING", "utf-8");
    python
}

/// Named after what is required, so that another list is another directory.
static PACKAGES: LazyLock<PathBuf> = LazyLock::new(|| {
    let required = "tests/python/requirements.txt";
    let digest = hex::encode(Sha256::digest(&workspace::file(required).text));
    let directory = root().join("target/python").join(&digest[..16]);
    std::fs::create_dir_all(directory.parent().unwrap()).unwrap();
    // Another run of the tests may be at it.
    let lock = File::create(directory.with_extension("lock")).unwrap();
    lock.lock().unwrap();
    if !directory.join("cryptography").exists() {
        install(&root().join(required), &directory);
    }
    directory
});

fn install(required: &Path, directory: &Path) {
    let unfinished = directory.with_extension("unfinished");
    // What an earlier run left half done.
    std::fs::remove_dir_all(&unfinished).ok();
    let installed = Command::new("python3")
        .args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--root-user-action=ignore"])
        .arg("--no-deps")
        .arg("--target")
        .arg(&unfinished)
        .arg("-r")
        .arg(required)
        .output()
        .unwrap();
    assert!(installed.status.success(), "{}", String::from_utf8_lossy(&installed.stderr));
    std::fs::rename(&unfinished, directory).unwrap();
}
