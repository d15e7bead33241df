//! `mediation verify`: every byte of a ledger's directory, or an evidence bundle, offline.

pub(crate) mod bundle;
#[cfg(feature = "kurrentdb")]
mod cluster;

use std::{
    fmt,
    fs::{self, File, TryLockError},
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail, ensure};
use clap::Args;
use mediation_domain::calendar::format_instant;
use mediation_ledger::{
    checkpoint::Checkpoint,
    merkle::Hash,
    note::{KeyName, VerifierKey},
    registry::Registry,
    verify::{LateRevocation, Verification},
};
use mediation_log_embedded::{
    checkpoint::{Names, TREE, TWIN},
    disk::{Disk, RealDisk},
    scan::{self, Expected},
    vault::{self, VaultReader},
    witnessed::{WITNESSED, WITNESSED_NEW},
};
use serde_json::{Value, json};

use crate::{
    backup::{self, BACKUP, LAST_BACKUP},
    config::Config,
    contents, erased,
    failed_sync::FAILED_SYNC,
    kek,
    keys::{self, PrivateKey},
    layout::{Layout, RESTORED},
    manifest::Manifest,
    output::{self, line},
};

pub(crate) use self::report::Report;
use self::stamps::Stamps;

/// `mediation verify`
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// 账本目录（须无人正在服务），或证据包文件 · Directory of a ledger that nobody serves, or file of an evidence bundle
    #[arg(value_name = "DIR|FILE")]
    path: PathBuf,
    /// 核验人自己取得的信任文件（核验证据包时） · For a bundle: the verifier's own trust file
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,
    /// 核验备份时：密钥目录，用以核验签名与内容 · For a backup: directory of its keys, so that signatures and content are verified
    #[arg(long, value_name = "DIR")]
    keys: Option<PathBuf>,
    /// 核验通过后，以本程序重新生成报告与脚本，写成新证据包 · Write the same evidence, with this program's report and script
    #[arg(long, value_name = "FILE")]
    again: Option<PathBuf>,
    /// 以 JSON 输出 · Print JSON
    #[arg(long)]
    json: bool,
}

/// Verifies a directory, a backup or a bundle.
pub(crate) async fn run(arguments: &Arguments) -> Result<bool> {
    if arguments.path.is_file() {
        let Arguments { path, policy, again, keys: _, json } = arguments;
        return bundle::run(path, policy.as_deref(), again.as_deref(), *json);
    }
    ensure!(arguments.path.is_dir(), "`{}` is neither a directory nor a file", arguments.path.display());
    ensure!(arguments.again.is_none(), "only a bundle is made again; leave --again out");
    ensure!(arguments.policy.is_none(), "the trust file of a directory follows from its manifest; leave --policy out");
    let _lock = unserved(&arguments.path)?;
    let bar = output::progress(0, "核验 verify");
    let begun = Instant::now();
    let report = verify_any(&arguments.path, arguments.keys.as_deref(), &|entries| bar.set_position(entries)).await?;
    let pace = Pace { entries: report.counts.entries, elapsed: begun.elapsed() };
    bar.finish_and_clear();
    if arguments.json {
        let mut value = report.to_json();
        pace.add_to(&mut value);
        output::json(&value)?;
    } else {
        report.print();
        line(pace.to_string());
    }
    Ok(report.is_good())
}

/// How fast a log was verified. It stands beside the report, which is the same for the same directory.
#[derive(Debug, Clone, Copy)]
struct Pace {
    entries: u64,
    elapsed: Duration,
}

impl Pace {
    /// Entries per second, rounded down. An instant counts as a millisecond.
    fn entries_per_second(self) -> u128 {
        u128::from(self.entries) * 1_000 / self.elapsed.as_millis().max(1)
    }

    fn add_to(self, report: &mut Value) {
        let Some(report) = report.as_object_mut() else { return };
        report.insert("milliseconds".to_owned(), json!(self.elapsed.as_millis()));
        report.insert("entries_per_second".to_owned(), json!(self.entries_per_second()));
    }
}

impl fmt::Display for Pace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (seconds, milliseconds) = (self.elapsed.as_secs(), self.elapsed.subsec_millis());
        write!(f, "  用时 seconds {seconds}.{milliseconds:03}，每秒条目 entries/s {}", self.entries_per_second())
    }
}

/// Keeps the ledger from being served while it is verified: a log that is being written cannot be told from a torn one.
/// None where there is no lock file yet.
pub(crate) fn unserved(directory: &Path) -> Result<Option<File>> {
    let path = directory.join("log.lock");
    let Ok(file) = File::open(&path) else { return Ok(None) };
    match file.try_lock_shared() {
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::WouldBlock) => {
            let holder = contents::text(&path).unwrap_or_default();
            bail!("`{}` is being served by {}; stop it, or verify a copy", directory.display(), holder.trim())
        }
        Err(TryLockError::Error(error)) => Err(error).context("the lock of the log cannot be taken"),
    }
}

/// Verifies the log that a directory's configuration names: its own, or a cluster's.
async fn verify_any(directory: &Path, keys: Option<&Path>, progress: &dyn Fn(u64)) -> Result<Report> {
    if directory.join(BACKUP).is_file() {
        return backup::verify(directory, keys.map(Layout::new).as_ref(), progress);
    }
    ensure!(keys.is_none(), "only a backup has its keys elsewhere; leave --keys out · 仅核验备份时使用 --keys");
    #[cfg(feature = "kurrentdb")]
    {
        let layout = Layout::new(directory);
        // What is no configuration says nothing of a cluster, and is not evidence.
        if let Ok(config) = Config::read(&layout.config())
            && let Some(named) = &config.kurrentdb
        {
            return cluster::verify(&layout.with_state(config.state.as_deref()), &config, named, progress).await;
        }
    }
    verify(directory, progress)
}

/// Verifies the directory of a ledger; `progress` is told how many entries are done.
///
/// # Errors
/// The directory holds no ledger at all. Everything else that is wrong stands in the report.
pub(crate) fn verify(directory: &Path, progress: &dyn Fn(u64)) -> Result<Report> {
    verify_as(Subject::Ledger, directory, progress)
}

/// What a directory is.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Subject<'a> {
    /// A ledger with its keys.
    Ledger,
    /// A backup, which holds no key of any kind.
    Backup {
        /// The directory whose key-encryption key opens the vault.
        keys: &'a Layout,
    },
}

/// As [`verify`], of a directory that may be a backup.
pub(crate) fn verify_as(subject: Subject<'_>, directory: &Path, progress: &dyn Fn(u64)) -> Result<Report> {
    let layout = Layout::new(directory);
    let bytes = Manifest::bytes(&layout)?;
    let mut report = Report { bytes: bytes.len() as u64, ..Report::default() };
    let manifest = match Manifest::open(&bytes) {
        Ok(manifest) => manifest,
        Err(error) => {
            report.fault(layout.manifest().display(), format!("the manifest is damaged: {error:#}"));
            return Ok(report);
        }
    };
    let disk: Arc<dyn Disk> = Arc::new(RealDisk);
    let (keys, second) = (manifest.stored_keys(&layout), manifest.second_key());
    let checkpoints = read_checkpoints(&layout, TREE, &manifest.origin, &keys, second.as_ref(), &mut report);
    let read_twin =
        |key| read_checkpoints(&layout, TWIN, &manifest.origin.twin(), std::slice::from_ref(key), None, &mut report);
    let twin = manifest.twin_key.as_ref().map(read_twin);
    let covered = checkpoints.iter().map(|(_, checkpoint)| checkpoint).max_by_key(|checkpoint| checkpoint.size);
    let expected = Expected {
        origin: manifest.origin.as_str().to_owned(),
        covered: covered.map(|checkpoint| (checkpoint.size, checkpoint.root)),
    };
    let vault = match subject {
        Subject::Ledger => check_vault(disk.as_ref(), &layout, &layout, &manifest, &mut report)?,
        Subject::Backup { keys } => check_vault(disk.as_ref(), &layout, keys, &manifest, &mut report)?,
    };
    let registry = check_log(
        disk.as_ref(),
        directory,
        &manifest,
        &expected,
        checkpoints,
        twin,
        vault.as_ref(),
        &mut report,
        progress,
    )?;
    check_policy(&layout, &manifest, &registry, &mut report);
    check_signers(&layout, &manifest, &registry, &mut report);
    match subject {
        Subject::Ledger => check_keys(&layout, &manifest, &registry, &mut report),
        Subject::Backup { .. } => {}
    }
    check_erased(&layout, vault.as_ref(), &mut report);
    check_names(directory, &manifest, &mut report)?;
    Ok(report)
}

fn check_policy(layout: &Layout, manifest: &Manifest, registry: &Registry, report: &mut Report) {
    match contents::read(&layout.policy()) {
        // Of a log whose registry cannot be read nothing follows.
        Ok(_) if registry.genesis().is_none() => {}
        Ok(policy) if policy == manifest.policy(registry).as_bytes() => report.bytes += policy.len() as u64,
        Ok(_) => report.fault(
            layout.policy().display(),
            "the trust file is not the one that follows from the manifest and the registry",
        ),
        Err(error) => report.fault(layout.policy().display(), error),
    }
}

/// The newest checkpoint must be signed by a key that the registry has not retired: whoever got hold of one that it has
/// could have stored his own.
fn check_signers(layout: &Layout, manifest: &Manifest, registry: &Registry, report: &mut Report) {
    let signing = registry.log_keys().iter().filter(|key| key.retired.is_none());
    let signing: Vec<VerifierKey> = signing.filter_map(|key| key.vkey.parse().ok()).collect();
    let path = layout.root().join(TREE.last);
    // What else is wrong with the file was told when it was read.
    let Ok(bytes) = contents::read(&path) else { return };
    let is_read = Checkpoint::open(&bytes, &manifest.origin, &manifest.stored_keys(layout)).is_ok();
    if is_read && !signing.is_empty() && Checkpoint::open(&bytes, &manifest.origin, &signing).is_err() {
        report.fault(path.display(), "the checkpoint is signed by a retired log key only");
    }
}

/// The checkpoints of one tree, signed by any of its keys, and by the second key when there is one.
fn read_checkpoints(
    layout: &Layout,
    names: Names,
    origin: &KeyName,
    keys: &[VerifierKey],
    second: Option<&VerifierKey>,
    report: &mut Report,
) -> Vec<(String, Checkpoint)> {
    let mut found = Vec::new();
    // Witnesses cosign the tree over SHA-256 only.
    let witnessed = (names == TREE).then_some(WITNESSED);
    for name in [names.last, names.new].into_iter().chain(witnessed) {
        let path = layout.root().join(name);
        let bytes = match contents::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound && name != names.last => continue,
            Err(error) => {
                report.fault(path.display(), error);
                continue;
            }
        };
        report.bytes += bytes.len() as u64;
        let trusted: Vec<VerifierKey> = keys.iter().chain(second).cloned().collect();
        match Checkpoint::open(&bytes, origin, &trusted) {
            Ok(signed) => {
                // One of them will do to believe it; but the sealer signs with the second beside its own.
                let groups = [Some(keys), second.map(std::slice::from_ref)];
                let unsigned = groups.into_iter().flatten().filter(|group| signed.note.verify(group).is_err());
                for key in unsigned.filter_map(<[VerifierKey]>::first) {
                    report.fault(path.display(), format!("the signature of {key} is missing"));
                }
                found.push((name.to_owned(), signed.checkpoint));
            }
            Err(error) => report.fault(path.display(), error),
        }
    }
    if found.is_empty() {
        report.fault(layout.root().join(names.last).display(), "there is no checkpoint");
    }
    found
}

/// The vault, when nothing is wrong with it. Where its key-encryption key cannot be reached nothing is said of the vault at
/// all, and verification ends: that is no damage.
fn check_vault(
    disk: &dyn Disk,
    layout: &Layout,
    keys: &Layout,
    manifest: &Manifest,
    report: &mut Report,
) -> Result<Option<VaultReader>> {
    let origin = manifest.origin.as_str();
    let kek = kek::of(keys, &Config::read(&keys.config()).unwrap_or_default(), disk)?;
    let scan = vault::scan_apart(disk, &layout.vault(), &keys.vault(), origin, kek.as_ref());
    report.wraps = scan.wraps;
    report.bytes += scan.bytes;
    report.faults.extend(scan.faults.iter().map(ToString::to_string));
    if !scan.faults.is_empty() {
        return Ok(None);
    }
    if scan.cipher.is_some_and(|cipher| cipher != manifest.cipher) {
        report.fault(layout.vault().display(), "the head names another cipher than the manifest");
    }
    Ok(match VaultReader::open_apart(disk, &layout.vault(), &keys.vault(), origin, kek.as_ref()) {
        Ok(reader) => Some(reader),
        Err(error) => {
            report.fault(layout.vault().display(), error);
            None
        }
    })
}

#[expect(clippy::too_many_arguments, reason = "the one place where everything that was read comes together")]
fn check_log(
    disk: &dyn Disk,
    directory: &Path,
    manifest: &Manifest,
    expected: &Expected,
    checkpoints: Vec<(String, Checkpoint)>,
    twin: Option<Vec<(String, Checkpoint)>>,
    vault: Option<&VaultReader>,
    report: &mut Report,
    progress: &dyn Fn(u64),
) -> Result<Registry> {
    let of_twin = twin.iter().flatten();
    let sizes: Vec<_> =
        checkpoints.iter().chain(of_twin).map(|(name, checkpoint)| (name.clone(), checkpoint.size)).collect();
    let mut verification = Verification::new(manifest.origin.as_str(), manifest.genesis, checkpoints, vault.is_some());
    if let Some(twin) = twin {
        verification = verification.with_twin(twin);
    }
    let stamps = Stamps::find(&Layout::new(directory), report);
    verification = verification.keeping_roots(stamps.sizes());
    let scan = scan::scan(disk, directory, expected, &mut |placed| {
        // A wrap that does not open was named by the scan of the vault; here its part only stays closed.
        let key = |digest: Hash| vault.and_then(|vault| vault.key(placed.chain, digest).ok().flatten());
        verification.entry(placed.chain, placed.revision, placed.record, &key);
        progress(placed.leaf.0 + 1);
    })?;
    for (chain, digest) in verification.erased() {
        if vault.is_some_and(|vault| vault.key(chain, digest).is_ok_and(|key| key.is_some())) {
            report.fault(
                format!("chain {chain}"),
                format!("the key of part {digest} is in the vault, though it was erased"),
            );
        }
    }
    report.notes.extend(verification.late_revocations().map(|late| late_note(&late)));
    let roots = verification.roots().clone();
    let (counts, faults, registry, tree) = verification.finish();
    report.faults.extend(scan.faults.iter().map(ToString::to_string));
    if let Some(torn) = &scan.torn_tail {
        let place = format!("`{}` at bytes {} to {}", torn.file.display(), torn.offset, torn.end);
        if torn.may_be_seal() {
            report.fault(place, "the mark of an orderly close is damaged, or a crash cut a batch short at its first bytes; no record is lost, serving the ledger once mends it");
        } else {
            report.notes.push(format!(
                "{place}：崩溃留下的未确认批次，下次启动时清除 · what a crash left of an unacknowledged batch"
            ));
        }
    }
    // A damaged log has another tree; what the damage is stands above, and the tree adds nothing to it.
    if scan.faults.is_empty() {
        report.faults.extend(faults.iter().map(ToString::to_string));
        stamps.check(&manifest.origin, &roots, report);
        report.checkpoints = sizes.into_iter().filter(|(_, size)| *size <= tree.size).collect();
    }
    report.bytes += scan.bytes;
    report.counts = counts;
    report.size = tree.size;
    report.root = Some(tree.root);
    Ok(registry)
}

/// Entries told one by one for each revoked key; all are counted.
const LATE_TOLD: usize = 20;

/// What was found out about a key after it had signed.
fn late_note(late: &LateRevocation) -> String {
    let LateRevocation { key_id, agency, invalid_from, entries } = late;
    let since = format_instant(*invalid_from);
    let told: Vec<String> = entries.iter().take(LATE_TOLD).map(ToString::to_string).collect();
    let more = if entries.len() > LATE_TOLD { " …" } else { "" };
    format!(
        "{agency} 的密钥 {key_id} 事后被吊销，自 {since} 起失效；此前已登记、仍然计入的条目 {} 个：{}{more} · signed by a \
         key that was revoked later as of {since}; the entries count, whoever relies on them should know",
        entries.len(),
        told.join(" ")
    )
}

fn check_keys(layout: &Layout, manifest: &Manifest, registry: &Registry, report: &mut Report) {
    if registry.genesis().is_some() && registry.log_key() != manifest.log_key.to_string() {
        report.fault(layout.manifest().display(), "the log key is not the one that the founding names");
    }
    let signs = |vkey: &str| registry.log_keys().iter().any(|key| key.vkey == vkey && key.retired.is_none());
    for path in [layout.log_key(), layout.next_log_key()] {
        let is_next = path == layout.next_log_key();
        if is_next && !path.exists() {
            continue;
        }
        let Some(key) = read_key(&path, keys::read, report) else { continue };
        let vkey = Manifest::verifier(&manifest.origin, &key).map(|verifier| verifier.to_string()).unwrap_or_default();
        match (signs(&vkey), is_next) {
            (true, _) => {}
            (false, true) => report.notes.push(format!(
                "{}：登记链尚未启用的新密钥 · a new key that the registry does not name yet",
                path.display()
            )),
            (false, false) => {
                report.fault(path.display(), "the key is not one that the registry names to sign checkpoints");
            }
        }
    }
    if let Some(named) = &manifest.twin_key
        && let Some(key) = read_key(&layout.sm2_log_key(), PrivateKey::read, report)
        && key.public_key() != named.public_key()
    {
        report.fault(layout.sm2_log_key().display(), "the key is not the one that the manifest names");
    }
    if layout.subject_key().exists() {
        // Whether it is the one that made the pseudonyms nothing tells.
        drop(read_key(&layout.subject_key(), keys::read_subject_key, report));
    }
    for (agency, _) in registry.directory().iter() {
        if layout.root_key(agency).exists()
            && let Some(key) = read_key(&layout.root_key(agency), PrivateKey::read, report)
            && registry.root(agency) != Some(&key.public_key())
        {
            report.fault(layout.root_key(agency).display(), "the key is not the root key of the agency");
        }
        let next = layout.next_signing_key(agency);
        if next.exists() && read_key(&next, PrivateKey::read, report).is_some() {
            report.notes.push(format!(
                "{}：尚未启用的新密钥，以 mediation key 或重启服务完成更换 · a new key that has not taken its place yet",
                next.display()
            ));
        }
        if layout.signing_key(agency).exists()
            && let Some(key) = read_key(&layout.signing_key(agency), PrivateKey::read, report)
            && registry.key(key.public_key().id()).is_none_or(|enrolled| enrolled.agency != agency)
        {
            report.fault(layout.signing_key(agency).display(), "the key is not enrolled for the agency");
        }
    }
}

fn read_key<K>(path: &Path, read: impl Fn(&Path) -> Result<K>, report: &mut Report) -> Option<K> {
    match read(path) {
        Ok(key) => {
            report.keys += 1;
            report.bytes += fs::metadata(path).map(|file| file.len()).unwrap_or_default();
            Some(key)
        }
        Err(error) => {
            report.fault(path.display(), format!("{error:#}"));
            None
        }
    }
}

/// What the journal of erasures names is in no vault.
fn check_erased(layout: &Layout, vault: Option<&VaultReader>, report: &mut Report) {
    let path = layout.erased();
    let rows = match erased::read(&path) {
        Ok(rows) => rows,
        Err(error) => return report.fault(path.display(), format!("{error:#}")),
    };
    report.bytes += fs::metadata(&path).map(|file| file.len()).unwrap_or_default();
    for ((chain, _order), digests) in rows {
        for digest in digests {
            if vault.is_some_and(|vault| vault.key(chain, digest).is_ok_and(|key| key.is_some())) {
                report.fault(
                    path.display(),
                    format!("the key of part {digest} is in the vault; serving the ledger once destroys it"),
                );
            }
        }
    }
}

/// Nothing stands in the directory that does not belong there.
fn check_names(directory: &Path, manifest: &Manifest, report: &mut Report) -> Result<()> {
    const KNOWN: [&str; 21] = [
        "mediation.toml",
        "witnesses.policy",
        RESTORED,
        BACKUP,
        LAST_BACKUP,
        "backup.last.new",
        "scrub",
        "scrub.new",
        FAILED_SYNC,
        "manifest",
        "policy",
        WITNESSED,
        WITNESSED_NEW,
        "log",
        "log.lock",
        "erased",
        "vault",
        "keys",
        "pki",
        "models",
        "timestamps",
    ];
    let trees = [Some(TREE), manifest.twin_key.as_ref().map(|_| TWIN)];
    let mut known = KNOWN.to_vec();
    for names in trees.into_iter().flatten() {
        known.extend([names.last, names.new, names.next]);
        if contents::read(&directory.join(names.next)).is_ok_and(|room| room.iter().any(|byte| *byte != 0)) {
            report.fault(directory.join(names.next).display(), "spare bytes are not zero");
        }
    }
    for file in fs::read_dir(directory)? {
        let name = file?.file_name();
        if !known.contains(&name.to_string_lossy().as_ref()) {
            report.fault(directory.join(&name).display(), "an unexpected file");
        }
    }
    Ok(())
}

mod report;
mod stamps;

#[cfg(test)]
mod tests;
