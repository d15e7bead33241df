//! Backups of a ledger's directory.
//!
//! ```text
//! B/                                     a directory of backups, of one ledger
//!   lock
//!   .unfinished/                         one that is being made, or was not finished
//!   00000000000000001234-20260304T101500123/    a backup: tree size, time in Shanghai
//!     backup.json                        what it holds: bytes and SHA-256 of each file, until when the vault may be put back
//!     manifest policy erased mediation.toml … as in the ledger's directory
//!     checkpoint.last                    the checkpoint that it ends with; checkpoint.sm3 of a ledger with a twin
//!     log/                               the segments up to that checkpoint; those that were closed before are hard links
//!                                        to the backup before it, where the file system has them
//!     vault/wraps                        the keys of parts, wrapped; removed when it has expired
//! ```
//!
//! It holds no key that opens or signs anything: not the key-encryption key, not what is in `keys/`, no private key of `pki/`.
//! Those are few, change rarely, and belong to another place ([`KEYS`]).

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::Read as _,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result, ensure};
use mediation_domain::calendar::Day;
use mediation_ledger::checkpoint::Checkpoint;
use mediation_log_embedded::{
    checkpoint::LAST,
    disk::RealDisk,
    scan::{Expected, scan},
};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::{
    command::verify::{Report, Subject, verify_as},
    durable,
    layout::Layout,
    manifest::Manifest,
};

/// The file that says what a backup holds.
pub(crate) const BACKUP: &str = "backup.json";

/// The file in the ledger's directory that says when the last backup was made, and how many entries it has.
pub(crate) const LAST_BACKUP: &str = "backup.last";

/// Where a backup stands until it is whole.
pub(crate) const UNFINISHED: &str = ".unfinished";

/// What a directory of keys holds of a ledger's directory.
pub(crate) const KEYS: [&str; 3] = ["keys", "pki", "vault/kek"];

/// Version of the format.
const VERSION: u32 = 1;

/// What a backup holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Contents {
    #[serde(rename = "mediation_backup")]
    version: u32,
    pub(crate) origin: String,
    pub(crate) made_at: String,
    /// Entries, all under the checkpoint.
    pub(crate) tree_size: u64,
    pub(crate) root: String,
    /// The keys of parts.
    pub(crate) vault: VaultContents,
    /// Every file but this one, by its path.
    pub(crate) files: BTreeMap<String, FileContents>,
}

/// The keys of parts in a backup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct VaultContents {
    /// Last day on which they may be put back: what was erased since would come back with them.
    pub(crate) expires_on: String,
    /// Name of the key-encryption key that opens them.
    pub(crate) kek: String,
}

/// A file in a backup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct FileContents {
    pub(crate) bytes: u64,
    pub(crate) sha256: String,
    /// A segment that has a successor, and so never changes again.
    #[serde(default, skip_serializing_if = "is_false")]
    pub(crate) closed: bool,
}

fn is_false(value: &bool) -> bool {
    !*value
}

/// Path of the keys of parts in a backup.
pub(crate) const VAULT: &str = "vault/wraps";

impl Contents {
    pub(crate) fn new(origin: String, made_at: String, vault: VaultContents) -> Self {
        let (tree_size, root, files) = (0, String::new(), BTreeMap::new());
        Self { version: VERSION, origin, made_at, tree_size, root, vault, files }
    }

    /// What a backup says that it holds.
    pub(crate) fn read(directory: &Path) -> Result<Self> {
        let path = directory.join(BACKUP);
        let bytes = fs::read(&path).with_context(|| format!("cannot read `{}`", path.display()))?;
        let contents: Self = serde_json::from_slice(&bytes)
            .with_context(|| format!("`{}` is no list of a backup · 不是备份清单", path.display()))?;
        ensure!(
            contents.version == VERSION,
            "a backup of version {0} is none of this program's · 本程序不识别第 {0} 版备份",
            contents.version
        );
        Ok(contents)
    }

    pub(crate) fn write(&self, directory: &Path) -> Result<()> {
        let mut text = serde_json::to_vec_pretty(self)?;
        text.push(b'\n');
        durable::create(&directory.join(BACKUP), &text)
    }

    /// Whether the keys of parts may still be put back on a day.
    pub(crate) fn has_vault_on(&self, day: Day) -> Result<bool> {
        let expires = Day::parse(&self.vault.expires_on);
        let expires = expires.context("the backup says no day of expiry · 备份未载明失效日期")?;
        Ok(self.files.contains_key(VAULT) && day <= expires)
    }
}

/// The backups in a directory, by size and then by time; unfinished ones are none.
pub(crate) fn backups(directory: &Path) -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(directory).with_context(|| format!("cannot read `{}`", directory.display()))?;
    let mut found = Vec::new();
    for entry in entries {
        let path = entry.with_context(|| format!("cannot read `{}`", directory.display()))?.path();
        let is_hidden = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'));
        if !is_hidden && path.join(BACKUP).is_file() {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

/// Verifies a backup: every file against the list, then what it holds as a ledger's directory is verified, with the keys of
/// parts where a key-encryption key is at hand.
///
/// # Errors
/// It is none. What is wrong with it stands in the report.
pub(crate) fn verify(directory: &Path, keys: Option<&Layout>, progress: &dyn Fn(u64)) -> Result<Report> {
    let contents = Contents::read(directory)?;
    // First the verifier, which says where in a file the damage is.
    let mut report = match keys {
        Some(keys) if directory.join(VAULT).exists() => verify_as(Subject::Backup { keys }, directory, progress)?,
        Some(_) | None => tree(directory, progress)?,
    };
    for (path, expected) in &contents.files {
        let file = directory.join(path);
        match digest(&file) {
            Ok(found) if found == (expected.bytes, expected.sha256.clone()) => {}
            Ok((bytes, _)) if bytes != expected.bytes => {
                let expected = expected.bytes;
                report.fault(file.display(), format!("{bytes} bytes, where the list of the backup has {expected}"));
            }
            Ok(_) => report.fault(file.display(), "not the bytes of which the list of the backup has the digest"),
            // Whoever makes a backup removes from the others the keys that have expired.
            Err(_) if path == VAULT && !file.exists() => {}
            Err(error) => report.fault(file.display(), format!("{error:#}")),
        }
    }
    let size = report.size.0;
    if size != contents.tree_size {
        report.fault(directory.display(), format!("{size} entries, where the list has {}", contents.tree_size));
    }
    Ok(report)
}

/// Verifies what can be without any key: every byte of the log, and that the checkpoint is one over it. Who may sign what stands
/// in the registry, whose parts are as closed as all others.
fn tree(directory: &Path, progress: &dyn Fn(u64)) -> Result<Report> {
    let layout = Layout::new(directory);
    let mut report = Report::default();
    report.notes.push(
        "未核验签名与内容：须有保管库与密钥（--keys） · signatures and content are not verified: that needs the vault and the keys, --keys".to_owned(),
    );
    let opened = Manifest::read(&layout).and_then(|manifest| {
        let bytes = fs::read(directory.join(LAST))?;
        let signed = Checkpoint::open(&bytes, &manifest.origin, &manifest.stored_keys(&layout));
        Ok((manifest, signed.context(LAST)?.checkpoint))
    });
    let (manifest, checkpoint) = match opened {
        Ok(opened) => opened,
        Err(error) => {
            report.fault(directory.display(), format!("{error:#}"));
            return Ok(report);
        }
    };
    let covered = Some((checkpoint.size, checkpoint.root));
    let expected = Expected { origin: manifest.origin.to_string(), covered };
    let scan = scan(&RealDisk, directory, &expected, &mut |placed| progress(placed.leaf.0 + 1))?;
    report.faults.extend(scan.faults.iter().map(ToString::to_string));
    (report.size, report.root, report.bytes) = (scan.size, Some(scan.root), scan.bytes);
    report.counts.entries = scan.size.0;
    Ok(report)
}

/// Bytes and SHA-256 of a file.
pub(crate) fn digest(path: &Path) -> Result<(u64, String)> {
    let mut file = File::open(path).with_context(|| format!("cannot read `{}`", path.display()))?;
    let (mut digest, mut bytes, mut buffer) = (Sha256::new(), 0, vec![0; 1 << 20]);
    loop {
        let read = file.read(&mut buffer).with_context(|| format!("cannot read `{}`", path.display()))?;
        let Some(piece) = buffer.get(..read).filter(|piece| !piece.is_empty()) else { break };
        digest.update(piece);
        bytes += read as u64;
    }
    Ok((bytes, hex::encode(digest.finalize())))
}
