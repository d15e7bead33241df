//! Backups of the vault: the wraps in one file, for thirty days.
//!
//! ```text
//! {"mediation_vault_backup":1,"origin":…,"expires_on":…,"kek":…,"sha256":…}   one line of JSON
//! …                                                                          the bytes of `vault/wraps`
//! ```
//!
//! A backup undoes every erasure that came after it, so that an erasure is complete only when the last one is gone: none is put
//! back after its last day, and whatever was erased since is destroyed in it before the command ends.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::{Context as _, Result, bail, ensure};
use clap::Args;
use mediation_domain::{
    calendar::{Day, format_instant},
    erasure::BACKUP_DAYS_MAX,
};
use mediation_ledger::{
    clock::{Clock as _, SystemClock},
    entropy::SystemEntropy,
    kek::Kek,
};
use mediation_log_embedded::{
    FatalHandler,
    disk::{Disk as _, RealDisk},
    vault::{FileVault, KEK, LOCK, WRAPS, key_of_file, key_of_wraps},
};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::opened;
use crate::{durable, erased::Erased, kek, output::line};

#[derive(Debug, Args)]
pub(super) struct Backup {
    /// 保管库所在的账本目录，可在服务中 · Directory of the ledger that has the vault; it may be served
    #[arg(long, value_name = "DIR")]
    dir: PathBuf,
    /// 备份文件，须不存在；勿与主密钥同处存放 · File of the backup, must not exist; keep it apart from the key-encryption key
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

#[derive(Debug, Args)]
pub(super) struct Restore {
    /// 保管库所在的账本目录，须已停止服务 · Directory of the ledger that has the vault; nobody may be serving it
    #[arg(long, value_name = "DIR")]
    dir: PathBuf,
    /// 备份文件 · File of the backup
    #[arg(long, value_name = "FILE")]
    from: PathBuf,
    /// 覆盖现有的包裹密钥：备份之后新增的密钥将丢失 · Replace wraps that stand: keys added after the backup are lost
    #[arg(long)]
    replace: bool,
}

/// What the first line says.
#[derive(Debug, Serialize, Deserialize)]
struct Head {
    #[serde(rename = "mediation_vault_backup")]
    version: u32,
    origin: String,
    made_at: String,
    /// Last day on which it may be put back.
    expires_on: String,
    /// Name of the key-encryption key that opens it.
    kek: String,
    sha256: String,
}

/// Version of the format.
const VERSION: u32 = 1;

pub(super) fn backup(Backup { dir, out }: &Backup) -> Result<bool> {
    let (layout, manifest, _config) = opened(dir)?;
    let wraps = layout.vault().join(WRAPS);
    // Rows are only added, and a destruction is announced before it is done: whatever is read is what a crash may leave.
    let bytes = fs::read(&wraps).with_context(|| format!("cannot read `{}`", wraps.display()))?;
    let kek = key_of_wraps(&RealDisk, &wraps)?.context("the head of the vault is damaged · 保管库文件头已损坏")?;
    let now_s = SystemClock.now_ms().div_euclid(1_000);
    let head = Head {
        version: VERSION,
        origin: manifest.origin.to_string(),
        made_at: format_instant(now_s),
        expires_on: Day::of(now_s).plus(i64::from(BACKUP_DAYS_MAX)).to_string(),
        kek: kek.to_string(),
        sha256: hex::encode(Sha256::digest(&bytes)),
    };
    let mut file = serde_json::to_vec(&head)?;
    file.push(b'\n');
    file.extend_from_slice(&bytes);
    durable::create(out, &file)?;
    durable::sync_directory(out)?;
    line(format!("保管库已备份 · the vault is backed up: {}", out.display()));
    line(format!("  失效日期，届时须销毁 · expires, and is to be destroyed by then: {}", head.expires_on));
    line(format!("  打开所需主密钥，另行备份 · opens under the key, backed up apart: {kek}"));
    Ok(true)
}

pub(super) async fn restore(Restore { dir, from, replace }: &Restore) -> Result<bool> {
    let (layout, manifest, config) = opened(dir)?;
    let (vault, origin) = (layout.vault(), manifest.origin.as_str());
    let file = fs::read(from).with_context(|| format!("cannot read `{}`", from.display()))?;
    let (head, wraps) = parse(&file)?;
    let today = Day::of(SystemClock.now_ms().div_euclid(1_000));
    let expires = Day::parse(&head.expires_on).context("the backup says no day of expiry · 备份未载明失效日期")?;
    ensure!(
        today <= expires,
        "the backup expired on {expires}: what was erased since must not come back; destroy it · 备份已于 {expires} 失效，不得恢复，应予销毁"
    );
    ensure!(head.origin == origin, "the backup is one of `{}` · 备份属于另一账本 {0}", head.origin);
    let kek = key_of_file(&RealDisk, &vault.join(KEK))?.map(|name| name.to_string());
    ensure!(
        kek.as_deref() == Some(head.kek.as_str()),
        "the backup opens under the key {}, and another one lies in the vault · 备份须以主密钥 {0} 打开，保管库中的不是该密钥",
        head.kek
    );
    let standing = vault.join(WRAPS);
    ensure!(
        *replace || !standing.exists(),
        "`{}` stands; with --replace it is lost, and with it every key that came after the backup · 现有包裹密钥将被覆盖，须加 --replace",
        standing.display()
    );
    // Before anything is replaced: a token that is away would leave erased keys in what was put back.
    let opening = kek::of(&layout, &config, &RealDisk)?;
    let lock = RealDisk.lock(&vault.join(LOCK)).context("somebody serves the ledger · 账本正在服务")?;
    durable::replace(&standing, &vault.join(RESTORED), wraps)?;
    drop(lock);
    let destroyed = settle(&vault, origin, opening.as_ref(), &layout.erased()).await?;
    line(format!("保管库已恢复 · the vault is restored: {}", vault.display()));
    line(format!("  备份时间 · made: {}", head.made_at));
    line(format!("  再次销毁已删除的密钥 · keys that were erased since, destroyed again: {destroyed}"));
    line("  备份之后登记的内容无法打开，请核验 · what was recorded after it does not open: run `mediation verify`");
    Ok(true)
}

/// Destroys again what the journal names.
pub(crate) async fn settle(vault: &Path, origin: &str, kek: Option<&Arc<dyn Kek>>, journal: &Path) -> Result<usize> {
    let (fatal, entropy) = (FatalHandler::default(), Arc::new(SystemEntropy));
    let vault = FileVault::open_with(&RealDisk, vault, origin, kek, fatal, entropy)?;
    let destroyed = Erased::open(journal)?.apply(&vault).await?;
    vault.close().await;
    Ok(destroyed)
}

/// The backup while it is written.
const RESTORED: &str = "wraps.restored";

fn parse(file: &[u8]) -> Result<(Head, &[u8])> {
    const NONE: &str = "the file is no backup of a vault · 不是保管库备份文件";
    let end = file.iter().position(|byte| *byte == b'\n').context(NONE)?;
    let (head, wraps) = file.split_at_checked(end).context(NONE)?;
    let head: Head = serde_json::from_slice(head).context(NONE)?;
    if head.version != VERSION {
        bail!("a backup of version {} is none of this program's · 本程序不识别第 {0} 版备份", head.version);
    }
    let wraps = wraps.strip_prefix(b"\n").context(NONE)?;
    ensure!(hex::encode(Sha256::digest(wraps)) == head.sha256, "the backup is damaged · 备份已损坏");
    Ok((head, wraps))
}
