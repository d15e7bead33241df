//! `mediation console`.

use std::{net::SocketAddr, sync::Arc};

use anyhow::Result;
use clap::Args;
use mediation_ledger::clock::SystemClock;
use serde_json::json;
use tokio::sync::watch;

use crate::{
    access::{Access, ReadingArguments},
    auditing::{seat, serve},
    command::interrupted,
    output::line,
    process::stopped,
};

/// `mediation console`
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    access: Access,
    #[command(flatten)]
    reading: ReadingArguments,
    /// 监听地址，仅限本机 · Address to listen on, of this machine alone
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:7080")]
    listen: SocketAddr,
    /// 启动后以 JSON 输出地址 · Print the address as JSON once serving
    #[arg(long)]
    json: bool,
}

/// Serves the console until a signal comes.
pub(crate) async fn run(arguments: Arguments) -> Result<bool> {
    let (door, registry, agency) = arguments.access.caller().await?;
    let seats = vec![seat(&door, &registry, &agency, &arguments.reading).await?];
    let (stop, stopping) = watch::channel(false);
    let served = serve(arguments.listen, door, seats, Arc::new(SystemClock), stopped(stopping)).await?;
    if arguments.json {
        line(json!({"address": served.address.to_string(), "url": served.invitation}).to_string());
    } else {
        line(format!("审计控制台 · the auditors' console: {}", served.invitation));
        line("按 Ctrl-C 结束 · Ctrl-C ends it");
    }
    interrupted().await?;
    stop.send_replace(true);
    served.task.await?;
    Ok(true)
}
