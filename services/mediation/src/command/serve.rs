//! `mediation serve`.

use std::{net::SocketAddr, path::PathBuf, sync::Arc};

use anyhow::{Context as _, Result};
use clap::Args;
use mediation_ledger::clock::SystemClock;
use serde_json::json;
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;

use crate::{config::Config, layout::Layout, output::line, process::Process};

/// `mediation serve`
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// 账本目录 · Directory of the ledger
    #[arg(long, value_name = "DIR")]
    dir: PathBuf,
    /// 配置文件，缺省为目录中的 mediation.toml · Configuration; the directory's mediation.toml without it
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// 监听地址，优先于配置 · Address to listen on, instead of the configured one
    #[arg(long, value_name = "ADDR", env = "MEDIATION_LISTEN")]
    listen: Option<SocketAddr>,
    /// 已知检查点文件：日志须包含其所覆盖的全部条目 · Checkpoint that others hold: the log must have all that it covers
    #[arg(long, value_name = "FILE")]
    known_checkpoint: Vec<PathBuf>,
    /// 启动后以 JSON 输出地址与标识 · Print address and origin as JSON once serving
    #[arg(long)]
    json: bool,
    /// 日志级别 · Log level: error, warn, info, debug, trace
    #[arg(long, value_name = "LEVEL", env = "MEDIATION_LOG", default_value = "info")]
    log: String,
}

/// Serves until a signal comes.
pub(crate) async fn run(arguments: Arguments) -> Result<bool> {
    // The client of the cluster reports every attempt as an error; what becomes of it the log's adapter says.
    let filter = EnvFilter::try_new(format!("eventstore=off,{}", arguments.log))?;
    tracing_subscriber::fmt().json().with_env_filter(filter).with_writer(std::io::stderr).init();
    let layout = Layout::new(&arguments.dir);
    let mut config = Config::read(&arguments.config.unwrap_or_else(|| layout.config()))?;
    if let Some(listen) = arguments.listen {
        config.listen = listen;
    }
    config.known_checkpoints.extend(arguments.known_checkpoint);
    if let Some(objection) = config.check().into_iter().next() {
        return Err(objection).context("`mediation config check` objects to the configuration");
    }
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    let mut process = Process::start(&arguments.dir, &config, Arc::new(SystemClock)).await?;
    tracing::info!(address = %process.address, origin = %process.manifest.origin, entries = process.seals().size().0, "serving");
    let (origin, address) = (&process.manifest.origin, process.address);
    if arguments.json {
        let log_http = process.log_http.map(|address| address.to_string());
        let health = process.health().map(|address| address.to_string());
        line(
            json!({"origin": origin.as_str(), "address": address.to_string(), "log_http": log_http, "health": health})
                .to_string(),
        );
    } else {
        line(format!("账本服务已启动 · serving {origin} on {address}"));
        if let Some(address) = process.log_http {
            line(format!("日志公开服务 · the log over HTTP on {address}"));
        }
    }
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
        failed = process.failed() => return failed.map(|()| false),
    }
    tracing::info!("stopping");
    process.stop().await?;
    tracing::info!("stopped");
    Ok(true)
}
