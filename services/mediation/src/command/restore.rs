//! `mediation restore`: a ledger's directory from a backup.
//!
//! ```text
//! verify the backup ─ copy beside the target ─ keys, if they are at hand ─ destroy again what was erased ─ `restored` ─ rename
//! ```
//!
//! Nothing is signed by it, and nothing may be yet: a backup is a shorter log than the one it was made of. See [`Restored`].

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result, bail, ensure};
use clap::Args;
use mediation_domain::calendar::Day;
use mediation_ledger::clock::{Clock as _, SystemClock};
use mediation_log_embedded::{
    disk::RealDisk,
    vault::{KEK, key_of_file},
};
use serde_json::json;

use super::vault::settle;
use crate::{
    backup::{BACKUP, Contents, KEYS, VAULT, backups, digest, verify},
    config::Config,
    durable,
    founding::Unfinished,
    kek, known,
    layout::Layout,
    manifest::Manifest,
    output::{self, line, note},
    restored::Restored,
};

/// `mediation restore`
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// 一次备份，或存放各次备份的目录（取最近一次） · A backup, or a directory of backups, of which it is the newest
    #[arg(long, value_name = "DIR")]
    from: PathBuf,
    /// 新账本目录，须不存在或为空 · Directory of the ledger; must not exist, or be empty
    #[arg(long, value_name = "DIR")]
    dir: PathBuf,
    /// 另存的密钥目录；缺省须随后自行放回 keys/、pki/ 与主密钥 · Directory of the keys; without it they are to be put back by hand
    #[arg(long, value_name = "DIR")]
    keys: Option<PathBuf>,
    /// 他人留存的最新检查点文件；无见证人时必须给出 · Newest checkpoint that anybody kept; needed where no witness can be asked
    #[arg(long, value_name = "FILE")]
    known_checkpoint: Vec<PathBuf>,
    /// 不恢复保管库（备份已失效时）：内容无法打开 · Leave the vault out, such as an expired one: no content can be opened
    #[arg(long)]
    without_vault: bool,
    /// 以 JSON 输出 · Print JSON
    #[arg(long)]
    json: bool,
}

/// Restores a backup.
pub(crate) async fn run(arguments: Arguments) -> Result<bool> {
    let Arguments { from, dir, keys, known_checkpoint, without_vault, json } = &arguments;
    let backup = chosen(from)?;
    let contents = Contents::read(&backup)?;
    check_vault(&backup, &contents, *without_vault)?;
    let unfinished = Unfinished::begin_unless(dir, "a backup is put into a directory of its own · 恢复目录须为空")?;
    let restored = Restoring { backup: &backup, contents: &contents, keys: keys.as_deref(), has_vault: !without_vault };
    let made = restored.make(&unfinished.layout(), known_checkpoint).await;
    let destroyed = match made {
        Ok(Ok(destroyed)) => destroyed,
        Ok(Err(faults)) => {
            unfinished.abandon();
            note(format!("备份已损坏，未恢复 · the backup is damaged, nothing is restored: {}", backup.display()));
            faults.iter().for_each(|fault| line(format!("  ✗ {fault}")));
            return Ok(false);
        }
        Err(error) => {
            unfinished.abandon();
            return Err(error);
        }
    };
    unfinished.finish()?;
    restored.tell(dir, destroyed, *json)?;
    Ok(true)
}

/// The backup itself, or the newest one of a directory.
fn chosen(from: &Path) -> Result<PathBuf> {
    if from.join(BACKUP).is_file() {
        return Ok(from.to_owned());
    }
    let newest = backups(from)?.pop();
    newest.with_context(|| format!("`{}` holds no backup · 目录中没有备份", from.display()))
}

/// Keys that were erased after the backup would come back with an old one.
fn check_vault(backup: &Path, contents: &Contents, without: bool) -> Result<()> {
    let today = Day::of(SystemClock.now_ms().div_euclid(1_000));
    let is_there = contents.has_vault_on(today)? && backup.join(VAULT).exists();
    ensure!(
        is_there || without,
        "the keys of parts in the backup expired on {0}: what was erased since must not come back. Restore with --without-vault, then put a newer `mediation vault backup` back · 备份中的保管库已于 {0} 失效；可加 --without-vault 恢复，再恢复较新的保管库备份",
        contents.vault.expires_on
    );
    Ok(())
}

struct Restoring<'a> {
    backup: &'a Path,
    contents: &'a Contents,
    keys: Option<&'a Path>,
    has_vault: bool,
}

impl Restoring<'_> {
    /// Puts everything into a directory. Says how many keys it destroyed again, or what is wrong with the backup.
    async fn make(&self, to: &Layout, known_checkpoint: &[PathBuf]) -> Result<Result<usize, Vec<String>>> {
        let config = Config::read(&self.backup.join("mediation.toml"))?;
        let to = to.clone().with_state(config.state.as_deref());
        self.put_keys(&to)?;
        let keys = (self.keys.is_some() && self.has_vault).then_some(&to);
        // The configuration says where a key-encryption key is that lies in a token.
        durable::copy_tree(&self.backup.join("mediation.toml"), &to.config())?;
        let bar = output::progress(self.contents.tree_size, "核验 verify");
        let report = verify(self.backup, keys, &|entries| bar.set_position(entries))?;
        bar.finish_and_clear();
        if !report.is_good() {
            return Ok(Err(report.faults().to_vec()));
        }
        self.put_files(&to)?;
        let manifest = Manifest::read(&to)?;
        known::read(to.root(), known_checkpoint, &manifest)?;
        Restored::new(self.contents, known_checkpoint)?.write(&to)?;
        let Some(keys) = keys else { return Ok(Ok(0)) };
        let opening = kek::of(keys, &config, &RealDisk)?;
        Ok(Ok(settle(&to.vault(), manifest.origin.as_str(), opening.as_ref(), &to.erased()).await?))
    }

    fn put_keys(&self, to: &Layout) -> Result<()> {
        let Some(keys) = self.keys else { return Ok(()) };
        for path in KEYS {
            durable::copy_tree(&keys.join(path), &to.of(path))?;
        }
        let kek = key_of_file(&RealDisk, &to.vault().join(KEK))?.map(|name| name.to_string());
        let needed = &self.contents.vault.kek;
        ensure!(
            !self.has_vault || kek.as_deref() == Some(needed),
            "the backup opens under the key {needed}, and another one lies with the keys · 备份须以主密钥 {needed} 打开，密钥目录中的不是该密钥"
        );
        Ok(())
    }

    /// Every file but the keys, byte for byte; a copy of its own, never a link.
    fn put_files(&self, to: &Layout) -> Result<()> {
        let bar = output::progress(self.contents.files.len() as u64, "恢复 restore");
        for (path, contents) in &self.contents.files {
            bar.inc(1);
            if path == VAULT && !self.has_vault {
                continue;
            }
            let file = place(to, path)?;
            if path == "mediation.toml" {
                continue;
            }
            durable::copy_tree(&self.backup.join(path), &file)?;
            ensure!(
                digest(&file)? == (contents.bytes, contents.sha256.clone()),
                "`{}` was written, and other bytes are read: look at the disk · 写入后读回不一致，请检查磁盘",
                file.display()
            );
        }
        bar.finish_and_clear();
        Ok(())
    }

    fn tell(&self, dir: &Path, destroyed: usize, is_json: bool) -> Result<()> {
        let Contents { made_at, tree_size, root, vault, .. } = self.contents;
        if is_json {
            return output::json(&json!({
                "directory": dir.display().to_string(), "backup": self.backup.display().to_string(), "made_at": made_at,
                "tree_size": tree_size, "root": root, "keys_destroyed_again": destroyed, "has_keys": self.keys.is_some(),
            }));
        }
        line(format!("账本已恢复 ✓ · the ledger is restored: {}", dir.display()));
        line(format!("  备份 backup: {}，备份时间 made {made_at}", self.backup.display()));
        line(format!("  条目 entries {tree_size}，根 root {root}"));
        line(format!("  再次销毁已删除的密钥 · keys that were erased, destroyed again: {destroyed}"));
        if self.keys.is_none() {
            line(format!(
                "  服务前须放回 keys/、pki/ 与主密钥 · before serving put back `keys/`, `pki/` and the key-encryption key {}",
                vault.kek
            ));
        }
        line(
            "  首次启动时询问见证人：若有更新的检查点，拒绝签署 · its first start asks the witnesses, and refuses to sign when they have seen more",
        );
        Ok(())
    }
}

/// Where a file of a backup stands in a ledger's directory. What a list names is nobody's word for where files are written.
fn place(to: &Layout, path: &str) -> Result<PathBuf> {
    let is_plain = Path::new(path).components().all(|part| matches!(part, std::path::Component::Normal(_)));
    if !is_plain || KEYS.iter().any(|keys| path.starts_with(keys)) {
        bail!("`{path}` has no place in a ledger's directory · 备份清单中的路径不合规");
    }
    let is_state =
        ["checkpoint.", "timestamps/", "vault/"].iter().any(|state| path.starts_with(state)) || path == "erased";
    let directory = if is_state { to.state() } else { to.root() };
    if let Some(parent) = directory.join(path).parent() {
        fs::create_dir_all(parent).with_context(|| format!("cannot make `{}`", parent.display()))?;
    }
    Ok(directory.join(path))
}
