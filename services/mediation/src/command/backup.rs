//! `mediation backup`: a copy of the ledger while it is served, up to a checkpoint, verified.
//!
//! ```text
//! erasures as they are ─ a checkpoint that covers everything written by then ─ segments up to it ─ keys of parts ─ erasures again
//!        └────────────── another erasure has begun meanwhile: from the beginning ──────────────────────────────────────┘
//! list ─ sync ─ verify ─ rename: from here on it is a backup ─ directory synced
//! ```
//!
//! The keys of parts are copied after the segments, because a part's key is kept before its record is appended: every part in
//! the copy has its key in the copy. An erasure is the one thing that goes the other way. Its order stands in the log
//! before keys are destroyed; what is destroyed while a copy is made could be ordered behind its end, and the copy would lack
//! keys without saying why. So it is made again then.
//!
//! What is interrupted leaves `.unfinished`, which the next one removes; backups that were made before are not touched.

use std::{
    fs,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail, ensure};
use clap::Args;
use indicatif::ProgressBar;
use mediation_domain::{
    calendar::{Day, format_instant},
    erasure::BACKUP_DAYS_MAX,
};
use mediation_ledger::{
    checkpoint::Checkpoint,
    clock::{Clock as _, SystemClock},
    merkle::{LeafIndex, TreeSize},
    note::{KeyName, VerifierKey},
};
use mediation_log_embedded::{
    checkpoint::{Names, TREE, TWIN},
    copying::{self, Copied, Extent, Segment},
    disk::{Disk as _, LockError, RealDisk},
    vault::{WRAPS, copy_wraps, key_of_wraps},
    witnessed::WITNESSED,
};
use serde_json::json;

use super::verify::{Report, unserved};
use crate::{
    backup::{
        BACKUP, Contents, FileContents, KEYS, LAST_BACKUP, UNFINISHED, VAULT, VaultContents, backups, digest, verify,
    },
    config::Config,
    durable,
    layout::Layout,
    manifest::Manifest,
    output::{self, line, note},
    timestamps::{self, AUTHORITY},
};

/// `mediation backup`
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// 账本目录，可在服务中 · Directory of the ledger; it may be served
    #[arg(long, value_name = "DIR")]
    dir: PathBuf,
    /// 存放各次备份的目录；已备份的日志段不再复制 · Directory of the backups; segments that an earlier one holds are not copied again
    #[arg(long, value_name = "DIR")]
    to: PathBuf,
    /// 密钥另存于此目录：keys/、pki/、主密钥；勿与备份同处存放 · Keep the keys here: `keys/`, `pki/`, the key-encryption key; another place than the backups'
    #[arg(long, value_name = "DIR")]
    keys: Option<PathBuf>,
    /// 只保留最近几次备份 · Remove all backups but the newest ones
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..))]
    keep: Option<u32>,
    /// 以 JSON 输出 · Print JSON
    #[arg(long)]
    json: bool,
}

/// Time that a checkpoint over what is written is waited for.
const SEALED_WITHIN: Duration = Duration::from_secs(30);

/// How often it is looked for one.
const LOOK_INTERVAL: Duration = Duration::from_millis(50);

/// Times that a copy is made before erasures that begin meanwhile are given up on.
const ATTEMPTS: u32 = 10;

/// A checkpoint, and the notes that a copy up to it has, by their files.
type Newest = (Checkpoint, Vec<(&'static str, String)>);

/// A ledger that is being copied.
struct Making {
    layout: Layout,
    manifest: Manifest,
    config: Config,
    /// Where the copy stands until it is whole.
    to: PathBuf,
    /// The backup before, and what it holds.
    previous: Option<(PathBuf, Contents)>,
    contents: Contents,
    linked: u64,
    copied_bytes: u64,
}

/// Makes a backup.
pub(crate) async fn run(arguments: Arguments) -> Result<bool> {
    let Arguments { dir, to, keys, keep, json } = &arguments;
    let (layout, manifest, config) = opened(dir)?;
    fs::create_dir_all(to).with_context(|| format!("cannot make `{}`", to.display()))?;
    apart(dir, to, keys.as_deref())?;
    let _lock = RealDisk.lock(&to.join("lock")).map_err(|error| locked(error, to))?;
    let unfinished = to.join(UNFINISHED);
    remove(&unfinished)?;
    let previous = previous(to, &manifest)?;
    let mut making = Making::new(layout, manifest, config, unfinished.clone(), previous)?;
    let (mut name, mut report) = making.make().await?;
    if !report.is_good() && making.linked > 0 {
        note(
            "此前备份的日志段已损坏，由账本重新复制 · a segment of the backup before is damaged; all are copied from the ledger",
        );
        report.faults().iter().for_each(note);
        making.previous = None;
        remove(&unfinished)?;
        (name, report) = making.make().await?;
    }
    if !report.is_good() {
        remove(&unfinished)?;
        note(
            "备份未通过核验，已删除；此前的备份未变 · the copy does not verify and is removed; the backups before it stand",
        );
        report.print();
        return Ok(false);
    }
    let backup = to.join(name);
    fs::rename(&unfinished, &backup).with_context(|| format!("cannot make `{}`", backup.display()))?;
    durable::sync_directory(&backup)?;
    if let Some(keys) = keys {
        making.keep_keys(keys)?;
    }
    making.say_so();
    let removed = prune(to, keep.map(|keep| usize::try_from(keep).unwrap_or(usize::MAX)))?;
    making.tell(&backup, keys.is_some(), removed, *json)?;
    Ok(true)
}

/// What is to be backed up: a ledger whose log lies in its directory.
fn opened(dir: &Path) -> Result<(Layout, Manifest, Config)> {
    let layout = Layout::new(dir);
    let manifest = Manifest::read(&layout)?;
    let config = Config::read(&layout.config())?;
    ensure!(
        config.kurrentdb.is_none(),
        "the log is on a cluster: back that up by its own means, and the vault with `mediation vault backup` · 日志在集群上：以集群自身手段备份，保管库用 mediation vault backup"
    );
    Ok((layout.with_state(config.state.as_deref()), manifest, config))
}

/// The three places must not lie within each other: a ledger has no files that are not its own, and keys that lie with what
/// they open are no second key.
fn apart(dir: &Path, to: &Path, keys: Option<&Path>) -> Result<()> {
    let place = |path: &Path| {
        std::path::absolute(path)
            .and_then(|path| path.canonicalize().or(Ok(path)))
            .with_context(|| format!("cannot find `{}`", path.display()))
    };
    let mut places = vec![place(dir)?, place(to)?];
    places.extend(keys.map(place).transpose()?);
    for (number, one) in places.iter().enumerate() {
        let others = places.iter().enumerate().filter(|(other, _)| *other != number);
        if let Some((_, other)) = others.into_iter().find(|(_, other)| other.starts_with(one)) {
            bail!(
                "`{}` lies in `{}`: ledger, backups and keys belong to different places · 账本、备份、密钥须分处存放",
                other.display(),
                one.display()
            );
        }
    }
    Ok(())
}

fn locked(error: LockError, to: &Path) -> anyhow::Error {
    anyhow::Error::new(error)
        .context(format!("`{}` cannot be written to by two at once · 另一备份正在进行", to.display()))
}

/// The newest backup of the directory; all in it must be of this ledger.
fn previous(to: &Path, manifest: &Manifest) -> Result<Option<(PathBuf, Contents)>> {
    let Some(newest) = backups(to)?.pop() else { return Ok(None) };
    // One whose list is damaged is no help, and no hindrance.
    let Ok(contents) = Contents::read(&newest) else { return Ok(None) };
    let (ours, theirs) = (manifest.origin.as_str(), contents.origin.as_str());
    ensure!(
        ours == theirs,
        "`{}` holds backups of `{theirs}`, this is `{ours}` · 目录中是另一账本的备份",
        to.display()
    );
    Ok(Some((newest, contents)))
}

impl Making {
    fn new(
        layout: Layout,
        manifest: Manifest,
        config: Config,
        to: PathBuf,
        previous: Option<(PathBuf, Contents)>,
    ) -> Result<Self> {
        let wraps = layout.vault().join(WRAPS);
        let kek = key_of_wraps(&RealDisk, &wraps).with_context(|| format!("cannot read `{}`", wraps.display()))?;
        let kek = kek.with_context(|| format!("the head of `{}` is damaged · 保管库文件头已损坏", wraps.display()))?;
        let now_s = SystemClock.now_ms().div_euclid(1_000);
        let expires_on = Day::of(now_s).plus(i64::from(BACKUP_DAYS_MAX)).to_string();
        let vault = VaultContents { expires_on, kek: kek.to_string() };
        let contents = Contents::new(manifest.origin.to_string(), format_instant(now_s), vault);
        Ok(Self { layout, manifest, config, to, previous, contents, linked: 0, copied_bytes: 0 })
    }

    /// Copies everything, and verifies the copy. Gives the name that it will have, and what is wrong with it.
    async fn make(&mut self) -> Result<(String, Report)> {
        for directory in ["log", "vault"] {
            let directory = self.to.join(directory);
            fs::create_dir_all(&directory).with_context(|| format!("cannot make `{}`", directory.display()))?;
        }
        self.contents.files.clear();
        let bar = output::progress(0, "备份 backup");
        self.copy(&bar).await?;
        let name = self.finish()?;
        bar.set_message("核验 verify");
        let report = verify(&self.to, Some(&self.layout), &|entries| bar.set_position(entries))?;
        bar.finish_and_clear();
        Ok((name, report))
    }

    /// Copies everything, from the beginning again while erasures begin.
    async fn copy(&mut self, bar: &ProgressBar) -> Result<()> {
        for _ in 0..ATTEMPTS {
            let before = read_or_nothing(&self.layout.erased())?;
            let written = copying::written(&RealDisk, self.layout.root())?;
            let witnessed = read_or_nothing(&self.layout.state().join(WITNESSED))?;
            let (checkpoint, notes) = self.covering(written).await?;
            bar.set_length(checkpoint.size.0);
            self.segments(checkpoint.size, bar)?;
            self.vault()?;
            let erased = read_or_nothing(&self.layout.erased())?;
            if erased != before {
                continue;
            }
            for (name, note) in notes {
                self.put(name, note.as_bytes())?;
            }
            self.put("erased", &erased)?;
            // One that was written before the checkpoint was read is not larger than it.
            if !witnessed.is_empty() {
                self.put(WITNESSED, &witnessed)?;
            }
            self.timestamps(checkpoint.size)?;
            self.contents.tree_size = checkpoint.size.0;
            self.contents.root = checkpoint.root.to_string();
            return self.settings();
        }
        bail!("keys were erased all the while; try again · 备份期间一直有密钥被删除，请重试")
    }

    /// Waits for a checkpoint over what is written. A ledger that nobody serves gets none: then it is the last one there is.
    async fn covering(&self, written: TreeSize) -> Result<Newest> {
        let began = Instant::now();
        let mut looked = false;
        loop {
            if let Some((checkpoint, mut notes)) = self.newest(TREE, &self.manifest.origin, None)? {
                let twin = self
                    .manifest
                    .twin_key
                    .as_ref()
                    .map(|_| self.newest(TWIN, &self.manifest.origin.twin(), Some(checkpoint.size)));
                let twin = twin.transpose()?;
                let has_twin = twin.as_ref().is_none_or(Option::is_some);
                notes.extend(twin.flatten().into_iter().flat_map(|(_, notes)| notes));
                if has_twin && (checkpoint.size >= written || looked) {
                    if let Some(more @ 1..) = written.0.checked_sub(checkpoint.size.0) {
                        note(format!(
                            "未被检查点覆盖的条目不在备份中：{more} · entries that no checkpoint covers are not in the backup; serve the ledger once: {more}"
                        ));
                    }
                    return Ok((checkpoint, notes));
                }
            }
            if began.elapsed() >= SEALED_WITHIN || (!looked && began.elapsed() >= SEALED_WITHIN / 30) {
                ensure!(
                    began.elapsed() < SEALED_WITHIN,
                    "no checkpoint covers what is written within {} s: does the sealer run? · 未见覆盖已写入条目的检查点",
                    SEALED_WITHIN.as_secs()
                );
                looked = unserved(self.layout.root()).is_ok();
            }
            tokio::time::sleep(LOOK_INTERVAL).await;
        }
    }

    /// The newest signed checkpoint of a tree, up to a size.
    fn newest(&self, names: Names, origin: &KeyName, max: Option<TreeSize>) -> Result<Option<Newest>> {
        let keys: Vec<VerifierKey> = match (&self.manifest.twin_key, names == TWIN) {
            (Some(key), true) => vec![key.clone()],
            (_, _) => self.manifest.stored_keys(&self.layout),
        };
        let mut found: Option<Newest> = None;
        for name in [names.last, names.new] {
            let bytes = read_or_nothing(&self.layout.state().join(name))?;
            // One that is being written is no note yet.
            let Ok(signed) = Checkpoint::open(&bytes, origin, &keys) else { continue };
            let size = signed.checkpoint.size;
            let is_newer = found.as_ref().is_none_or(|(found, _)| found.size < size);
            if is_newer && max.is_none_or(|max| size <= max) {
                found = Some((signed.checkpoint, vec![(names.last, String::from_utf8_lossy(&bytes).into_owned())]));
            }
        }
        Ok(found)
    }

    fn segments(&mut self, end: TreeSize, bar: &ProgressBar) -> Result<()> {
        let segments = copying::segments(&RealDisk, self.layout.root())?;
        (self.linked, self.copied_bytes) = (0, 0);
        for (number, segment) in segments.iter().enumerate() {
            if number > 0 && segment.first.0 >= end.0 {
                break;
            }
            let closed = segments.get(number + 1).is_some_and(|next| next.first.0 <= end.0);
            bar.set_position(segment.first.0);
            self.segment(segment, closed, end)?;
        }
        Ok(())
    }

    /// A segment that has a successor is taken from the backup before, where that has it; it never changes.
    fn segment(&mut self, segment: &Segment, closed: bool, end: TreeSize) -> Result<()> {
        let path = format!("log/{}", segment.name);
        let (from, to) = (self.layout.root().join(&path), self.to.join(&path));
        if closed && self.contents.files.get(&path).is_some_and(|file| file.closed) {
            // Copied by an attempt before.
            return Ok(());
        }
        remove(&to)?;
        if closed
            && let Some((directory, before)) = &self.previous
            && let Some(file) = before.files.get(&path).filter(|file| file.closed)
            && fs::metadata(&from).is_ok_and(|source| source.len() == file.bytes)
        {
            let linked = fs::hard_link(directory.join(&path), &to);
            let taken =
                linked.or_else(|_| fs::copy(directory.join(&path), &to).and_then(|_| fs::File::open(&to)?.sync_all()));
            if taken.is_ok() {
                self.linked += 1;
                self.contents.files.insert(path, file.clone());
                return Ok(());
            }
            remove(&to)?;
        }
        let extent = if closed { Extent::Whole } else { Extent::Before(LeafIndex(end.0)) };
        let Copied { bytes, sha256 } = copying::copy_segment(&RealDisk, &from, &to, extent)?;
        self.copied_bytes += bytes;
        let file = FileContents { bytes, sha256: hex::encode(sha256), closed };
        self.contents.files.insert(path, file);
        Ok(())
    }

    fn vault(&mut self) -> Result<()> {
        let to = self.to.join("vault");
        remove(&to.join(WRAPS))?;
        let Copied { bytes, sha256 } = copy_wraps(&RealDisk, &self.layout.vault(), &to, self.manifest.origin.as_str())?;
        self.copied_bytes += bytes;
        let file = FileContents { bytes, sha256: hex::encode(sha256), closed: false };
        self.contents.files.insert(VAULT.to_owned(), file);
        Ok(())
    }

    /// Timestamps over checkpoints that the copy has.
    fn timestamps(&mut self, end: TreeSize) -> Result<()> {
        let directory = self.layout.timestamps();
        if !directory.exists() {
            return Ok(());
        }
        let sizes = timestamps::sizes(&directory)?;
        let stamps = sizes.into_iter().filter(|size| *size <= end).map(|size| timestamps::file(&directory, size));
        for path in std::iter::once(directory.join(AUTHORITY)).chain(stamps) {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let bytes = fs::read(&path).with_context(|| format!("cannot read `{}`", path.display()))?;
            self.put(&format!("timestamps/{name}"), &bytes)?;
        }
        Ok(())
    }

    /// What changes only by hand.
    fn settings(&mut self) -> Result<()> {
        let of_witnesses = [&self.config.witnesses.policy, &self.config.witnesses.authorities];
        let named: Vec<String> = of_witnesses
            .into_iter()
            .flatten()
            .filter(|path| path.components().all(|part| matches!(part, std::path::Component::Normal(_))))
            .map(|path| path.to_string_lossy().into_owned())
            .collect();
        for name in ["manifest", "policy", "mediation.toml"].map(str::to_owned).into_iter().chain(named) {
            let path = self.layout.root().join(&name);
            let bytes = fs::read(&path).with_context(|| format!("cannot read `{}`", path.display()))?;
            self.put(&name, &bytes)?;
        }
        Ok(())
    }

    fn put(&mut self, path: &str, bytes: &[u8]) -> Result<()> {
        let to = self.to.join(path);
        if let Some(directory) = to.parent() {
            fs::create_dir_all(directory).with_context(|| format!("cannot make `{}`", directory.display()))?;
        }
        remove(&to)?;
        durable::create(&to, bytes)?;
        let (bytes, sha256) = digest(&to)?;
        self.contents.files.insert(path.to_owned(), FileContents { bytes, sha256, closed: false });
        Ok(())
    }

    /// Writes the list, and makes every name durable. Gives the name that the backup will have.
    fn finish(&self) -> Result<String> {
        self.contents.write(&self.to)?;
        durable::sync_tree(&self.to)?;
        let time: String = self.contents.made_at.chars().take(19).filter(|letter| !"-:".contains(*letter)).collect();
        let millisecond = SystemClock.now_ms().rem_euclid(1_000);
        Ok(format!("{:020}-{time}{millisecond:03}", self.contents.tree_size))
    }

    /// Gives a directory of keys the ledger's keys as they are now, in one step.
    fn keep_keys(&self, to: &Path) -> Result<()> {
        let name = to.file_name().context("the directory of the keys has no name")?.to_string_lossy();
        let (new, old) = (to.with_file_name(format!(".{name}.new")), to.with_file_name(format!(".{name}.old")));
        remove(&new)?;
        remove(&old)?;
        for path in KEYS {
            let from = self.layout.of(path);
            durable::copy_tree(&from, &new.join(path)).with_context(|| format!("cannot copy `{}`", from.display()))?;
        }
        durable::restrict(&new)?;
        durable::sync_tree(&new)?;
        if to.exists() {
            fs::rename(to, &old).with_context(|| format!("cannot replace `{}`", to.display()))?;
        }
        fs::rename(&new, to).with_context(|| format!("cannot make `{}`", to.display()))?;
        durable::sync_directory(to)?;
        remove(&old)
    }

    /// Lets the serving process tell how old the last backup is.
    fn say_so(&self) {
        let path = self.layout.state().join(LAST_BACKUP);
        let text = format!("{} {}\n", SystemClock.now_ms().div_euclid(1_000), self.contents.tree_size);
        if let Err(error) = durable::replace(&path, &path.with_extension("last.new"), text.as_bytes()) {
            note(format!("备份时间未能写入账本目录 · when the backup was made is not told to the ledger: {error:#}"));
        }
    }

    fn tell(&self, backup: &Path, has_keys: bool, removed: usize, is_json: bool) -> Result<()> {
        let Contents { tree_size, root, vault, files, .. } = &self.contents;
        let segments = files.keys().filter(|path| path.starts_with("log/")).count();
        if is_json {
            return output::json(&json!({
                "backup": backup.display().to_string(), "tree_size": tree_size, "root": root, "segments": segments,
                "segments_linked": self.linked, "bytes_copied": self.copied_bytes,
                "vault_expires_on": vault.expires_on, "kek": vault.kek, "removed": removed,
            }));
        }
        line(format!("备份已完成并核验 ✓ · backed up and verified: {}", backup.display()));
        line(format!("  条目 entries {tree_size}，根 root {root}"));
        line(format!(
            "  日志段 segments {segments}，沿用 taken over {}；复制字节 bytes copied {}",
            self.linked, self.copied_bytes
        ));
        line(format!(
            "  保管库失效日期，届时由下次备份删除 · the keys of parts expire, and the next backup then removes them: {}",
            vault.expires_on
        ));
        if has_keys {
            line(format!("  密钥已另存；主密钥 · the keys are kept apart; key-encryption key {}", vault.kek));
        } else {
            line(format!(
                "  不含密钥：另行备份 keys/、pki/ 与主密钥 · without keys: back up `keys/`, `pki/` and the key-encryption key {} apart",
                vault.kek
            ));
        }
        if removed > 0 {
            line(format!("  已删除旧备份 · older backups removed: {removed}"));
        }
        Ok(())
    }
}

/// Removes backups beyond the newest ones, and of the others the keys of parts that have expired. Says how many backups it
/// removed.
fn prune(to: &Path, keep: Option<usize>) -> Result<usize> {
    let mut standing = backups(to)?;
    let surplus = keep.map_or(0, |keep| standing.len().saturating_sub(keep));
    for backup in standing.drain(..surplus) {
        // Its list goes first: what is left of a removal that was cut short is no backup.
        remove(&backup.join(BACKUP))?;
        remove(&backup)?;
    }
    let today = Day::of(SystemClock.now_ms().div_euclid(1_000));
    for backup in standing {
        let expired = Contents::read(&backup).and_then(|contents| Ok(!contents.has_vault_on(today)?));
        if expired.unwrap_or_default() {
            remove(&backup.join(VAULT))?;
        }
    }
    Ok(surplus)
}

/// Removes a file or a directory, if it is there.
fn remove(path: &Path) -> Result<()> {
    let removed = if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) };
    match removed {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        removed => removed.with_context(|| format!("cannot remove `{}`", path.display())),
    }
}

fn read_or_nothing(path: &Path) -> Result<Vec<u8>> {
    match fs::read(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
        read => read.with_context(|| format!("cannot read `{}`", path.display())),
    }
}
