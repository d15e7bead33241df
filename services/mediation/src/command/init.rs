//! `mediation init`.

use std::{fs, path::PathBuf, sync::Arc};

use anyhow::{Context as _, Result, ensure};
use clap::Args;
use mediation_domain::calendar::Day;
use mediation_ledger::{clock::SystemClock, note::KeyName};
use mediation_log_embedded::{SEGMENT_BYTES_DEFAULT, SEGMENT_BYTES_MIN};
use serde_json::json;

use crate::{
    command::rules::known as known_rule_set,
    config::Config,
    founding::{Founding, found},
    member,
    output::{self, line},
    suite::Suites,
};

/// `mediation init`
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// 账本目录，须不存在或为空 · Directory of the ledger; must not exist, or be empty
    #[arg(long, value_name = "DIR")]
    dir: PathBuf,
    /// 账本标识（无协议名的 URL） · Identity of the ledger: a schema-less URL
    #[arg(long, value_name = "URL", default_value = "ledger.jingdezhen.example/main")]
    origin: String,
    /// 机构清单（JSON）；缺省为示例城市 · Agencies file (JSON); the example city without it
    #[arg(long, value_name = "FILE")]
    agencies: Option<PathBuf>,
    /// 规则集 · Rule set that chains are judged by
    #[arg(long, value_name = "NAME", default_value = "cn-2024-fixture")]
    rule_set: String,
    /// 日志分段字节数 · Bytes of a log segment
    #[arg(long, value_name = "BYTES", default_value_t = SEGMENT_BYTES_DEFAULT)]
    segment_bytes: u64,
    /// 机构密钥启用日期 · First day of validity of the agencies' keys
    #[arg(long, value_name = "YYYY-MM-DD", default_value = "2020-01-01")]
    valid_from: String,
    #[command(flatten)]
    suites: Suites,
    /// 以 JSON 输出 · Print JSON
    #[arg(long)]
    json: bool,
}

/// Founds a ledger.
pub(crate) async fn run(arguments: Arguments) -> Result<bool> {
    known_rule_set(&arguments.rule_set)?;
    ensure!(Day::parse(&arguments.valid_from).is_some(), "`{}` is no day of the form YYYY-MM-DD", arguments.valid_from);
    ensure!(arguments.segment_bytes >= SEGMENT_BYTES_MIN, "a segment has at least {SEGMENT_BYTES_MIN} bytes");
    let members = match &arguments.agencies {
        Some(path) => {
            member::read(&fs::read_to_string(path).with_context(|| format!("cannot read `{}`", path.display()))?)?
        }
        None => member::fixture()?,
    };
    arguments.suites.check(&members)?;
    let origin: KeyName =
        arguments.origin.parse().with_context(|| format!("`{}` cannot be an origin", arguments.origin))?;
    ensure!(!origin.is_twin(), "`{origin}` is the origin of a twin tree; a ledger takes one that does not end so");
    let founding = Founding {
        origin,
        rule_set: arguments.rule_set,
        segment_bytes: arguments.segment_bytes,
        members,
        suites: arguments.suites,
        valid_from: arguments.valid_from,
        clock: Arc::new(SystemClock),
    };
    let manifest = found(&arguments.dir, &founding, &Config::default()).await?;
    if arguments.json {
        output::json(&json!({
            "directory": arguments.dir, "origin": manifest.origin.as_str(), "genesis": manifest.genesis.to_string(),
            "log_key": manifest.log_key.to_string(),
            "sm3_log_key": manifest.twin_key.as_ref().map(ToString::to_string),
            "part_cipher": manifest.cipher.to_string(), "agencies": founding.members.len(),
        }))?;
    } else {
        let directory = arguments.dir.display();
        line(format!("账本已创建 · ledger founded: {directory}"));
        line(format!("  标识 origin       {}", manifest.origin));
        line(format!("  创世叶 genesis    {}", manifest.genesis));
        line(format!("  日志公钥 log key  {}", manifest.log_key));
        if let Some(key) = &manifest.twin_key {
            line(format!("  国密公钥 SM2 key  {key}"));
        }
        line(format!("  加密 cipher       {}", manifest.cipher));
        line(format!("  机构 agencies     {}", founding.members.len()));
        line(format!("下一步 · next: mediation serve --dir {directory}"));
        line(
            "证书为开发用，私钥同处一目录；正式使用见 docs/operations.md · development certificates, all keys in one place",
        );
    }
    Ok(true)
}
