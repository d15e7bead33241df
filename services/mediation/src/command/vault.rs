//! `mediation vault`: the keys of all parts.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use clap::{Args, Subcommand, ValueEnum};
use mediation_ledger::entropy::SystemEntropy;
use mediation_log_embedded::{
    disk::RealDisk,
    vault::{KEK, Keks, Rotated, WRAPS, rotate_from},
};
use serde_json::json;

use crate::{config::Config, kek, layout::Layout, manifest::Manifest, output::line};

mod backup;

pub(super) use self::backup::settle;

/// `mediation vault`
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// 更换主密钥：各链、各当事人的密钥重新加密，内容密钥不变 · Replace the key-encryption key: keys of chains and subjects are wrapped anew, those of parts stay
    Rotate(Rotate),
    /// 备份：包裹密钥存入一个文件，30 日后失效；主密钥另行备份 · Back up the wraps into one file that expires after 30 days; the key-encryption key is backed up apart
    Backup(backup::Backup),
    /// 恢复备份，并再次销毁此后已删除的密钥 · Put a backup back, and destroy again what was erased since
    Restore(backup::Restore),
}

#[derive(Debug, Args)]
struct Rotate {
    /// 保管库所在的账本目录，须已停止服务 · Directory of the ledger that has the vault; nobody may be serving it
    #[arg(long, value_name = "DIR")]
    dir: PathBuf,
    /// 新主密钥的去处；缺省仍在文件中 · Where the new key is; a file of the vault without it
    #[arg(long, value_enum, default_value_t = Place::File)]
    to: Place,
    /// 与 --to token 同用：设备中另一密钥的标签，缺省取 [kek] 的 key · With --to token: label of another key there than `kek.key`
    #[arg(long, value_name = "LABEL")]
    to_key: Option<String>,
    /// 以 JSON 输出 · Print JSON
    #[arg(long)]
    json: bool,
}

/// Where a key-encryption key is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Place {
    /// In a file.
    #[value(help = "保管库目录中的文件 · a file of the vault")]
    File,
    /// In a token.
    #[value(help = "[kek] 所指密码设备 · the token of `[kek]`")]
    Token,
}

/// Runs the command.
pub(crate) async fn run(arguments: &Arguments) -> Result<bool> {
    match &arguments.command {
        Command::Rotate(arguments) => rotated(arguments),
        Command::Backup(arguments) => backup::backup(arguments),
        Command::Restore(arguments) => backup::restore(arguments).await,
    }
}

/// Where the files of the ledger of a directory with a vault stand, and what ledger it is.
fn opened(dir: &Path) -> Result<(Layout, Manifest, Config)> {
    let layout = Layout::new(dir);
    let manifest = Manifest::read(&layout)?;
    let config = Config::read(&layout.config())?;
    ensure!(
        config.vault.is_none(),
        "`{}` has no vault of its own: run it where the vault is · 该目录没有保管库，请在保管库所在目录执行",
        dir.display()
    );
    Ok((layout.with_state(config.state.as_deref()), manifest, config))
}

fn rotated(Rotate { dir, to, to_key, json }: &Rotate) -> Result<bool> {
    let (layout, manifest, config) = opened(dir)?;
    let vault = layout.vault();
    ensure!(to_key.is_none() || *to == Place::Token, "--to-key goes with --to token · --to-key 须与 --to token 同用");
    let from = kek::of(&layout, &config, &RealDisk)?;
    let next = match to {
        Place::File => None,
        Place::Token => {
            let kek = config.kek.as_ref();
            let kek = kek.context("`[kek]` does not say where the token is · [kek] 未写明密码设备")?;
            Some(kek::opened(&layout, kek, to_key.as_deref().unwrap_or(&kek.key))?)
        }
    };
    let keks = Keks { from: from.as_ref(), to: next.as_ref() };
    let rotated = rotate_from(&RealDisk, &vault, manifest.origin.as_str(), keks, &SystemEntropy)
        .context("the key-encryption key may not be replaced; the vault is whole, run it again · 主密钥未必已更换，保管库完好，请再次执行")?;
    let Rotated { holders, from, to } = rotated;
    if *json {
        line(json!({"holders": holders, "from": from.to_string(), "to": to.to_string()}).to_string());
    } else {
        line(format!("主密钥已更换 · the key-encryption key is replaced: {from} → {to}"));
        line(format!("  重新加密的链与当事人密钥 · keys of chains and subjects wrapped anew: {holders}"));
        let (kek, wraps) = (vault.join(KEK), vault.join(WRAPS));
        line(format!(
            "  立即分开备份 · back both up now, apart from each other: {} │ {}",
            kek.display(),
            wraps.display()
        ));
        if let Some(label) = to_key {
            line(format!("  服务前须修改配置 · before serving, set in the configuration: kek.key = {label:?}"));
        }
        line(
            "  旧备份仍可被旧密钥打开，到期须销毁 · what was backed up before opens under the old key until it is destroyed",
        );
    }
    Ok(true)
}
