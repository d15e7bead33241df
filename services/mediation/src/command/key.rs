//! `mediation key`: signing keys of agencies, enrolled, rotated and revoked in a ledger that nobody serves.
//!
//! A new key is on the disk, readable by its owner only, before the log hears of it, and takes its place only afterwards:
//!
//! ```text
//! signing.next.key ← new key      a crash here leaves a key that nothing names; the next attempt takes it up
//! act on the registry chain       a crash here leaves both files; the next attempt, or start, goes on below
//! signing.key ← signing.next.key  one step; the old private key is gone, its public half stays in the log for ever
//! ```

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::{Context as _, Result, bail, ensure};
use clap::{Args, Subcommand, ValueEnum};
use mediation_domain::calendar::{Day, format_instant, parse_instant};
use mediation_ledger::{
    clock::{Clock as _, SystemClock},
    entropy::SystemEntropy,
    key::{PublicKey, Signer},
    log::Order,
    registry::{EnrolledKey, Purpose, Registry, SignedAt, possession},
};
use serde_json::{Map, Value, json};

use crate::{
    access::Access,
    durable,
    founding::algorithm,
    keys::PrivateKey,
    layout::Layout,
    output::{self, line, table},
    registrar::Registrar,
    survey::{Damage, Survey},
    view::name,
};

/// `mediation key`
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// 列出密钥及其状态 · List keys and whether they count
    List(List),
    /// 登记新签名密钥（由根密钥签署） · Enrol a new signing key, signed by the root key
    Enrol(Change),
    /// 更换签名密钥（新旧密钥共同签署） · Rotate the signing key: the old and the new key sign
    Rotate(Change),
    /// 吊销签名密钥（由根密钥签署） · Revoke a signing key, signed by the root key
    Revoke(Revoke),
}

#[derive(Debug, Args)]
struct List {
    /// 账本目录 · Directory of the ledger
    #[arg(long, value_name = "DIR")]
    dir: PathBuf,
    /// 账本地址；缺省读取目录（或其所在集群） · Address of the serving ledger; without it the directory is read, or its cluster
    #[arg(long, value_name = "ADDR")]
    ledger: Option<String>,
    /// 只列此机构 · Keys of this agency only
    #[arg(long, value_name = "ID")]
    agency: Option<String>,
    /// 以 JSON 输出 · Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
struct Change {
    /// 账本目录，须已停止服务 · Directory of the ledger; nobody may be serving it
    #[arg(long, value_name = "DIR")]
    dir: PathBuf,
    /// 机构 · Agency
    #[arg(long, value_name = "ID")]
    agency: String,
    /// 根密钥文件，缺省为目录中的 root.key · Root key file; the directory's root.key without it
    #[arg(long, value_name = "FILE")]
    root: Option<PathBuf>,
    /// 停用日期 · Last day of use of the new key
    #[arg(long, value_name = "YYYY-MM-DD")]
    valid_to: Option<String>,
    /// 以 JSON 输出 · Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
struct Revoke {
    /// 账本目录，须已停止服务 · Directory of the ledger; nobody may be serving it
    #[arg(long, value_name = "DIR")]
    dir: PathBuf,
    /// 机构 · Agency
    #[arg(long, value_name = "ID")]
    agency: String,
    /// 密钥编号 · Key id
    #[arg(long, value_name = "HEX")]
    key: String,
    /// 原因 · Reason
    #[arg(long, value_enum)]
    reason: Reason,
    /// 自何时失效，缺省为现在 · From when on it does not count; now without it
    #[arg(long, value_name = "TIME")]
    invalid_from: Option<String>,
    /// 根密钥文件，缺省为目录中的 root.key · Root key file; the directory's root.key without it
    #[arg(long, value_name = "FILE")]
    root: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum Reason {
    /// 私钥泄露 · The private key is in other hands
    Compromised,
    /// 私钥遗失 · The private key is lost
    Lost,
    /// 已更换 · Another key is used
    Superseded,
    /// 机构撤并或职能终止 · The agency ceases
    Cessation,
}

impl Reason {
    pub(crate) fn code(self) -> &'static str {
        match self {
            Self::Compromised => "COMPROMISED",
            Self::Lost => "LOST",
            Self::Superseded => "SUPERSEDED",
            Self::Cessation => "CESSATION",
        }
    }
}

/// Runs the command.
pub(crate) async fn run(arguments: Arguments) -> Result<bool> {
    match arguments.command {
        Command::List(list) => list.run().await,
        Command::Enrol(change) => change.run(false).await,
        Command::Rotate(change) => change.run(true).await,
        Command::Revoke(revoke) => revoke.run().await,
    }
}

impl Change {
    async fn run(self, rotates: bool) -> Result<bool> {
        if let Some(day) = &self.valid_to {
            ensure!(Day::parse(day).is_some(), "`{day}` is no day of the form YYYY-MM-DD · 日期格式应为 YYYY-MM-DD");
        }
        let registrar = Registrar::open(&self.dir).await?;
        let changed = self.change(&registrar, rotates).await;
        // What was entered is sealed also when a later step failed.
        registrar.close().await?;
        let (key, what) = changed?;
        if self.json {
            output::json(&json!({"agency": self.agency, "key_id": key.id().to_string(), "done": what}))?;
        } else {
            line(format!("{}：{} 的签名密钥 · {what}: signing key of {}", zh(what), self.agency, self.agency));
            line(format!("  密钥编号 key id  {}", key.id()));
            line("重新启动账本服务后启用 · the serving process takes it up when it is started again");
        }
        Ok(true)
    }

    async fn change(&self, registrar: &Registrar, rotates: bool) -> Result<(PublicKey, &'static str)> {
        let (layout, agency, registry) = (&registrar.layout, self.agency.as_str(), registrar.registry());
        ensure!(
            registry.directory().agency(agency).is_some(),
            "`{agency}` does not take part in this ledger · 该机构未参加本账本"
        );
        if finish(layout, agency, &registry)? {
            return Ok((PrivateKey::read(&layout.signing_key(agency))?.public_key(), "finished"));
        }
        let next = layout.next_signing_key(agency);
        let root = registry.root(agency).context("every member has a root key")?;
        if !next.exists() {
            // The suite of an agency is that of its root key.
            PrivateKey::generate(root.algorithm(), &SystemEntropy, &[])?.write(&next)?;
            durable::sync_directory(&next)?;
        }
        let key = PrivateKey::read(&next)?.into_signer();
        let public = key.public_key();
        let id = public.id().to_string();
        let proof = key.sign(&possession(registrar.manifest.origin.as_str(), Purpose::Signing, agency, &id))?;
        let mut data = Map::new();
        let mut set = |name: &str, value: Value| data.insert(name.to_owned(), value);
        set("agency", json!(agency));
        set("algorithm", json!(algorithm(&public)));
        set("public_key", json!(hex::encode(public.to_bytes())));
        if let Some(day) = &self.valid_to {
            set("valid_to", json!(day));
        }
        let (event, signer) = if rotates {
            let old = PrivateKey::read(&layout.signing_key(agency))?.into_signer();
            set("replaced_key", json!(old.public_key().id().to_string()));
            set("proof", json!(hex::encode(proof)));
            let signer = match &self.root {
                Some(root) => PrivateKey::read(root)?.into_signer(),
                None => old,
            };
            ("AgencyKeyRotated", signer)
        } else {
            set("valid_from", json!(Day::of(SystemClock.now_ms().div_euclid(1000)).to_string()));
            ("AgencyKeyEnrolled", root_signer(layout, agency, self.root.as_deref())?)
        };
        registrar.enter(agency, signer, event, data.into()).await?;
        ensure!(finish(layout, agency, &registrar.registry())?, "the new key is not enrolled");
        Ok((public, if rotates { "rotated" } else { "enrolled" }))
    }
}

fn zh(what: &str) -> &'static str {
    match what {
        "rotated" => "已更换",
        "enrolled" => "已登记",
        _ => "已完成此前中断的更换",
    }
}

impl Revoke {
    async fn run(self) -> Result<bool> {
        let now = SystemClock.now_ms().div_euclid(1000);
        let invalid_from = match &self.invalid_from {
            Some(text) => parse_instant(text).with_context(|| {
                format!(
                    "`{text}` is no time of the form YYYY-MM-DDTHH:MM:SS+08:00 · 时间格式应为 YYYY-MM-DDTHH:MM:SS+08:00"
                )
            })?,
            None => now,
        };
        let registrar = Registrar::open(&self.dir).await?;
        let data = json!({"agency": self.agency, "key_id": self.key, "reason": self.reason.code(),
            "invalid_from": format_instant(invalid_from)});
        let entered = match root_signer(&registrar.layout, &self.agency, self.root.as_deref()) {
            Ok(root) => registrar.enter(&self.agency, root, "AgencyKeyRevoked", data).await,
            Err(error) => Err(error),
        };
        registrar.close().await?;
        entered?;
        let since = format_instant(invalid_from);
        line(format!(
            "已吊销：{} 的密钥，自 {since} 起失效 · revoked: key of {} as of {since}",
            self.agency, self.agency
        ));
        line(format!("  密钥编号 key id  {}", self.key));
        line(
            "此前登记的条目仍然计入；失效时间以后登记的由 verify、chain、findings 标出 · entries before stay; those since are flagged",
        );
        Ok(true)
    }
}

impl List {
    async fn run(self) -> Result<bool> {
        let registry = match &self.ledger {
            Some(ledger) => {
                let access = Access { ledger: ledger.clone(), dir: self.dir.clone(), agency: None };
                Arc::new(access.connect().await?.1)
            }
            None if Registrar::is_shared(&self.dir) => {
                let registrar = Registrar::open(&self.dir).await?;
                let registry = registrar.registry();
                registrar.close().await?;
                registry
            }
            None => match Survey::open(&self.dir, &|_| {})? {
                Ok(survey) => survey.registry(),
                Err(Damage(damage)) => bail!("{}", damage.join("\n")),
            },
        };
        let mine = |agency: &str| self.agency.as_deref().is_none_or(|only| only == agency);
        let keys: Vec<(String, &EnrolledKey)> =
            registry.keys().filter(|(_, key)| mine(&key.agency)).map(|(id, key)| (id.to_string(), key)).collect();
        if self.json {
            return output::json(&as_json(&registry, &keys, &mine)).map(|()| true);
        }
        let mut rows = vec![["机构", "密钥编号", "启用", "停用", "状态"].map(str::to_owned).to_vec()];
        for (id, key) in &keys {
            let day = |day: Option<Day>| day.map_or_else(|| "—".to_owned(), |day| day.to_string());
            rows.push(vec![
                name(&key.agency, &registry),
                id.clone(),
                day(key.valid_from),
                day(key.valid_to),
                state(key),
            ]);
        }
        table(&rows).into_iter().for_each(|row| line(format!("  {row}")));
        for key in registry.log_keys() {
            let state = key.retired.map_or("签署检查点 · signs", |_| "已停用 · retired");
            line(format!("  日志密钥 log key {}  {state}", key.vkey));
        }
        for (name, witness) in registry.witnesses() {
            let state = witness.retired.map_or("见证 · cosigns", |_| "已停用 · retired");
            line(format!("  见证人 witness {name}（{}） {}  {state}", witness.agency, witness.vkey));
        }
        Ok(true)
    }
}

/// How a key stands now.
fn state(key: &EnrolledKey) -> String {
    let at = SignedAt { order: Order::END, recorded_at: SystemClock.now_ms() };
    let revoked = key.revoked_as_of().map(|since| format!("，自 {} 起吊销", format_instant(since)));
    match key.check(at) {
        Ok(()) => format!("有效 · counts{}", revoked.unwrap_or_default()),
        Err(fault) => format!("无效 · {fault}"),
    }
}

fn as_json(registry: &Registry, keys: &[(String, &EnrolledKey)], mine: &dyn Fn(&str) -> bool) -> Value {
    let at = SignedAt { order: Order::END, recorded_at: SystemClock.now_ms() };
    let keys = keys.iter().map(|(id, key)| {
        json!({"agency": key.agency, "key_id": id, "algorithm": format!("{:?}", key.key.algorithm()),
            "valid_from": key.valid_from, "valid_to": key.valid_to, "counts": key.check(at).is_ok(),
            "fault": key.check(at).err().map(|fault| fault.to_string()),
            "revoked_from": key.revoked_as_of().map(format_instant)})
    });
    let logs = registry.log_keys().iter().map(|key| json!({"vkey": key.vkey, "signs": key.retired.is_none()}));
    let witnesses = registry.witnesses().filter(|(_, witness)| mine(&witness.agency)).map(|(name, witness)| {
        json!({"name": name, "agency": witness.agency, "vkey": witness.vkey, "cosigns": witness.retired.is_none()})
    });
    json!({"keys": keys.collect::<Vec<_>>(), "log_keys": logs.collect::<Vec<_>>(), "witnesses": witnesses.collect::<Vec<_>>()})
}

/// The root key of an agency.
pub(crate) fn root_signer(layout: &Layout, agency: &str, file: Option<&Path>) -> Result<Arc<dyn Signer>> {
    let path = file.map_or_else(|| layout.root_key(agency), Path::to_owned);
    let key = PrivateKey::read(&path).with_context(|| {
        format!("the root key of `{agency}` is not here; name its file with --root · 请以 --root 指明根密钥")
    })?;
    Ok(key.into_signer())
}

/// Gives a new key its place when the log names it. Says whether there was one.
pub(crate) fn finish(layout: &Layout, agency: &str, registry: &Registry) -> Result<bool> {
    let next = layout.next_signing_key(agency);
    if !next.exists() {
        return Ok(false);
    }
    let id = PrivateKey::read(&next)?.public_key().id();
    if registry.key(id).is_none_or(|key| key.agency != agency) {
        return Ok(false);
    }
    std::fs::rename(&next, layout.signing_key(agency))?;
    durable::sync_directory(&next)?;
    Ok(true)
}
