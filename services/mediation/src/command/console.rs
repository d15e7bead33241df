//! `mediation console`.

use std::{fs, net::SocketAddr, path::PathBuf, sync::Arc};

use anyhow::{Context as _, Result};
use clap::Args;
use mediation_desk::listener::TlsFiles;
use mediation_ledger::clock::SystemClock;
use serde_json::json;
use tokio::sync::watch;

use crate::{
    access::{Access, ReadingArguments},
    auditing::{Certificates, seat, serve, serve_officials},
    command::interrupted,
    layout::Layout,
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
    /// 以 HTTPS 服务，官员凭客户端证书登录 · Serve over HTTPS; officials log in with their client certificates
    #[arg(long)]
    certificates: bool,
    /// 控制台的服务器证书；缺省为账本目录中的 · Certificate of the console; that of the ledger's directory without it
    #[arg(long, value_name = "FILE", requires = "certificates", requires = "key")]
    certificate: Option<PathBuf>,
    /// 其私钥 · Its key
    #[arg(long, value_name = "FILE", requires = "certificate")]
    key: Option<PathBuf>,
    /// 官员证书的签发机构；缺省为账本目录中的 · Authority of the officials' certificates; that of the ledger's directory without it
    #[arg(long, value_name = "FILE", requires = "certificates")]
    officials: Option<PathBuf>,
    /// 控制台的域名，可多次给出 · Name under which browsers ask for the console; may be given again
    #[arg(long, value_name = "HOST", requires = "certificates")]
    host: Vec<String>,
    /// 启动后以 JSON 输出地址 · Print the address as JSON once serving
    #[arg(long)]
    json: bool,
}

/// Serves the console until a signal comes.
pub(crate) async fn run(arguments: Arguments) -> Result<bool> {
    let (door, registry, agency) = arguments.access.caller().await?;
    let (stop, stopping) = watch::channel(false);
    let served = if arguments.certificates {
        let certificates = arguments.files()?;
        serve_officials(arguments.listen, door, agency, certificates, stopped(stopping)).await?
    } else {
        let seats = vec![seat(&door, &registry, &agency, &arguments.reading).await?];
        serve(arguments.listen, door, seats, Arc::new(SystemClock), stopped(stopping)).await?
    };
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

impl Arguments {
    fn files(&self) -> Result<Certificates> {
        let layout = Layout::new(&self.access.dir);
        let read = |given: &Option<PathBuf>, own: PathBuf| {
            let path = given.clone().unwrap_or(own);
            fs::read(&path).with_context(|| format!("cannot read `{}`", path.display()))
        };
        let tls = TlsFiles {
            certificates: read(&self.certificate, layout.server_certificate())?,
            key: read(&self.key, layout.server_key())?,
            client_authorities: read(&self.officials, layout.authority())?,
        };
        Ok(Certificates { tls, names: self.host.clone() })
    }
}
