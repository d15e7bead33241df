//! `mediation witness`.

use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::{Context as _, Result, bail, ensure};
use clap::{Args, Subcommand};
use mediation_gateway::{
    listener,
    witness::{Witness, router},
};
use mediation_ledger::{
    clock::SystemClock,
    key::Ed25519Signer,
    note::{KeyName, SignatureType, VerifierKey},
    policy::Policy,
};
use serde_json::json;
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
};
use tracing_subscriber::EnvFilter;

use crate::{keys, output::line};

/// `mediation witness`
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Option<WitnessCommand>,
    #[command(flatten)]
    serve: Serve,
}

#[derive(Debug, Subcommand)]
enum WitnessCommand {
    /// 创建见证的状态目录与密钥，输出公钥 · Make a witness's state and key, and print its public key
    Init(Init),
}

#[derive(Debug, Args)]
struct Init {
    /// 状态目录，须不存在或为空 · Directory of the state; must not exist, or be empty
    #[arg(long, value_name = "DIR")]
    dir: PathBuf,
    /// 见证名称（无协议名的 URL） · Name of the witness: a schema-less URL
    #[arg(long, value_name = "URL")]
    name: KeyName,
}

#[derive(Debug, Args)]
struct Serve {
    /// 状态目录 · Directory of the state
    #[arg(long, value_name = "DIR", required = true)]
    dir: Option<PathBuf>,
    /// 监听地址 · Address to listen on
    #[arg(long, value_name = "ADDR", env = "MEDIATION_WITNESS_LISTEN", default_value = "127.0.0.1:7481")]
    listen: SocketAddr,
    /// 密钥文件，缺省为状态目录中的 witness.key · Key file; the state's witness.key without it
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
    /// 所见证日志的公钥，可多次 · Public key of a log to cosign for; may be given several times
    #[arg(long, value_name = "VKEY")]
    log: Vec<String>,
    /// 信任文件，见证其中的日志 · Trust file whose logs are cosigned for
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,
    /// 启动后以 JSON 输出地址与公钥 · Print address and public key as JSON once serving
    #[arg(long)]
    json: bool,
    /// 日志级别 · Log level: error, warn, info, debug, trace
    #[arg(long, value_name = "LEVEL", env = "MEDIATION_LOG", default_value = "info")]
    log_level: String,
}

/// Makes a witness, or serves until a signal comes.
pub(crate) async fn run(arguments: Arguments) -> Result<bool> {
    match arguments.command {
        Some(WitnessCommand::Init(init)) => found(&init),
        None => serve(arguments.serve).await,
    }
}

fn found(Init { dir, name }: &Init) -> Result<bool> {
    let taken = dir.exists() && fs::read_dir(dir)?.next().is_some();
    ensure!(!taken, "`{}` exists and is not empty; a witness that forgets may cosign backwards", dir.display());
    let signer = Ed25519Signer::generate()?;
    let key = signer.signing_key();
    let vkey = VerifierKey::new(name.clone(), SignatureType::CosignatureV1, key.verifying_key())?;
    fs::create_dir_all(dir)?;
    keys::write(&dir.join(KEY), key)?;
    keys::write_private(&dir.join(VKEY), format!("{vkey}\n").as_bytes())?;
    fs::File::open(dir)?.sync_all()?;
    line(vkey.to_string());
    Ok(true)
}

async fn serve(arguments: Serve) -> Result<bool> {
    let filter = EnvFilter::try_new(&arguments.log_level)?;
    tracing_subscriber::fmt().json().with_env_filter(filter).with_writer(std::io::stderr).init();
    let dir = arguments.dir.context("name the state with --dir")?;
    let logs = logs(&arguments.log, arguments.policy.as_deref())?;
    let path = dir.join(VKEY);
    let text = fs::read_to_string(&path).with_context(|| {
        format!("`{}` holds no witness (no `{VKEY}`); make one with `mediation witness init`", dir.display())
    })?;
    let vkey: VerifierKey = text.trim_end().parse().with_context(|| format!("`{}` is damaged", path.display()))?;
    let key = keys::read(&arguments.key.unwrap_or_else(|| dir.join(KEY)))?;
    ensure!(
        vkey == VerifierKey::new(vkey.name().clone(), SignatureType::CosignatureV1, key.verifying_key())?,
        "the key is not that of the witness in `{}`",
        dir.display()
    );
    let witness = Arc::new(Witness::open(&dir, vkey.name().clone(), key, logs, Arc::new(SystemClock))?);
    let listener = TcpListener::bind(arguments.listen).await;
    let listener = listener.with_context(|| format!("cannot listen on {}", arguments.listen))?;
    let address = listener.local_addr()?;
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    tracing::info!(%address, witness = %vkey.name(), "serving");
    if arguments.json {
        line(json!({"witness": vkey.to_string(), "address": address.to_string()}).to_string());
    } else {
        line(format!("见证服务已启动 · witness {} on {address}", vkey.name()));
    }
    let stop = async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    };
    listener::serve(listener, router(witness), stop).await;
    tracing::info!("stopped");
    Ok(true)
}

/// The logs that are cosigned for: those that are named, and those of a trust file.
fn logs(named: &[String], policy: Option<&Path>) -> Result<Vec<VerifierKey>> {
    let mut logs = Vec::new();
    for log in named {
        logs.push(log.parse().with_context(|| format!("`{log}` is no public key of a log"))?);
    }
    if let Some(path) = policy {
        let bytes = fs::read(path).with_context(|| format!("cannot read `{}`", path.display()))?;
        let policy = Policy::parse(&bytes).with_context(|| format!("`{}` is no policy", path.display()))?;
        logs.extend(policy.logs().iter().map(|log| log.key.clone()));
    }
    if logs.is_empty() {
        bail!("name the logs to cosign for with --log or --policy");
    }
    Ok(logs)
}

const KEY: &str = "witness.key";
const VKEY: &str = "witness.vkey";
