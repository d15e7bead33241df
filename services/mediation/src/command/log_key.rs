//! `mediation log-key`: the key that signs checkpoints, replaced with an overlap.
//!
//! ```text
//! rotate   log.next.key ← new key │ LogKeyAdded │ trust file names both │ from the next start on both sign
//!          … the trust file is published, readers take it up …
//! retire   LogKeyRetired │ trust file names the new one, the old one as retired │ log.key ← log.next.key
//! ```
//!
//! Each step can be run again after a crash.

use std::{fs, path::PathBuf};

use anyhow::{Result, ensure};
use clap::{Args, Subcommand};
use ed25519_dalek::SigningKey;
use mediation_ledger::{
    key::{Ed25519Signer, Signer as _},
    registry::{Purpose, possession},
};
use serde_json::json;

use crate::{
    command::key::{Reason, root_signer},
    durable, keys,
    manifest::Manifest,
    output::line,
    registrar::Registrar,
};

/// `mediation log-key`
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// 启用新日志密钥，新旧密钥同时签署 · Begin to sign with a new key beside the old one
    Rotate(Change),
    /// 停用旧日志密钥，只以新密钥签署 · Stop signing with the old key
    Retire {
        #[command(flatten)]
        change: Change,
        /// 原因 · Reason
        #[arg(long, value_enum, default_value = "superseded")]
        reason: Reason,
    },
}

#[derive(Debug, Args)]
struct Change {
    /// 账本目录，须已停止服务 · Directory of the ledger; nobody may be serving it
    #[arg(long, value_name = "DIR")]
    dir: PathBuf,
    /// 设立账本的中心的根密钥文件，缺省为目录中的 · Root key file of the founder; the directory's without it
    #[arg(long, value_name = "FILE")]
    root: Option<PathBuf>,
}

/// Runs the command.
pub(crate) async fn run(arguments: Arguments) -> Result<bool> {
    match arguments.command {
        Command::Rotate(change) => {
            let registrar = Registrar::open(&change.dir).await?;
            let rotated = change.rotate(&registrar).await;
            registrar.close().await?;
            line(format!(
                "新日志密钥已启用，与旧密钥同时签署 · the new log key signs beside the old one: {}",
                rotated?
            ));
            line(
                "公布目录中的 policy；各方更新后执行 mediation log-key retire · publish `policy`, then retire the old key",
            );
        }
        Command::Retire { change, reason } => {
            let registrar = Registrar::open(&change.dir).await?;
            let retired = change.retire(&registrar, reason).await;
            registrar.close().await?;
            line(format!("旧日志密钥已停用 · the old log key is retired: {}", retired?));
            line("公布目录中的 policy · publish `policy`");
        }
    }
    Ok(true)
}

impl Change {
    async fn rotate(&self, registrar: &Registrar) -> Result<String> {
        let (layout, origin) = (&registrar.layout, &registrar.manifest.origin);
        let next = layout.next_log_key();
        if !next.exists() {
            keys::write(&next, Ed25519Signer::generate()?.signing_key())?;
            durable::sync_directory(&next)?;
        }
        let key = keys::read(&next)?;
        let vkey = Manifest::verifier(origin, &key)?.to_string();
        let registry = registrar.registry();
        if !registry.log_keys().iter().any(|key| key.vkey == vkey) {
            let founder = registry.founder();
            let message = possession(origin.as_str(), Purpose::Log, founder, &vkey);
            let proof = hex::encode(Ed25519Signer::new(key).sign(&message)?);
            let root = root_signer(layout, founder, self.root.as_deref())?;
            registrar.enter(founder, root, "LogKeyAdded", json!({"log_key": vkey, "proof": proof})).await?;
        }
        registrar.write_policy()?;
        Ok(vkey)
    }

    async fn retire(&self, registrar: &Registrar, reason: Reason) -> Result<String> {
        let (layout, origin) = (&registrar.layout, &registrar.manifest.origin);
        let next = layout.next_log_key();
        ensure!(next.exists(), "no other log key signs; begin with `mediation log-key rotate` · 请先启用新日志密钥");
        let vkey = |key: &SigningKey| -> Result<String> { Ok(Manifest::verifier(origin, key)?.to_string()) };
        let (old, new) = (vkey(&keys::read(&layout.log_key())?)?, vkey(&keys::read(&next)?)?);
        let registry = registrar.registry();
        let signs = |vkey: &str| registry.log_keys().iter().any(|key| key.vkey == vkey && key.retired.is_none());
        ensure!(
            signs(&new),
            "the new log key is not in force; run `mediation log-key rotate` first · 新日志密钥尚未启用"
        );
        if signs(&old) {
            let founder = registry.founder();
            let root = root_signer(layout, founder, self.root.as_deref())?;
            let data = json!({"log_key": old, "reason": reason.code()});
            registrar.enter(founder, root, "LogKeyRetired", data).await?;
        }
        registrar.write_policy()?;
        fs::rename(&next, layout.log_key())?;
        durable::sync_directory(&next)?;
        Ok(old)
    }
}

impl Registrar {
    /// Writes the trust file anew, in one step.
    fn write_policy(&self) -> Result<()> {
        let (path, text) = (self.layout.policy(), self.manifest.policy(&self.registry()));
        let new = path.with_extension("new");
        durable::replace(&path, &new, text.as_bytes())
    }
}
