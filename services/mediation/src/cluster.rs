//! How a command reaches a KurrentDB cluster.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result, ensure};
use clap::Args;
use mediation_log_kurrentdb::{Credentials, KurrentLog, KurrentOptions};
use zeroize::Zeroizing;

use crate::config::KurrentdbConfig;

/// Address, authorities and user.
#[derive(Debug, Clone, Args)]
pub(crate) struct Cluster {
    /// 集群连接串，不含口令 · Connection string of the cluster, without credentials
    #[arg(long, value_name = "URI", env = "MEDIATION_KURRENTDB")]
    pub(crate) kurrentdb: String,
    /// 集群的证书颁发者（PEM） · Those who vouch for the nodes of the cluster (PEM)
    #[arg(long, value_name = "FILE")]
    pub(crate) kurrentdb_authorities: Option<PathBuf>,
    /// 集群用户：文件中为 名称:口令 · User in the cluster: file with `name:password`
    #[arg(long, value_name = "FILE")]
    pub(crate) kurrentdb_credentials: Option<PathBuf>,
}

impl Cluster {
    /// The same as a process's configuration.
    pub(crate) fn config(&self) -> KurrentdbConfig {
        let Self { kurrentdb, kurrentdb_authorities, kurrentdb_credentials } = self.clone();
        KurrentdbConfig::new(kurrentdb, kurrentdb_authorities, kurrentdb_credentials)
    }

    /// What the log is opened with.
    pub(crate) fn options(&self) -> Result<KurrentOptions> {
        options(Path::new(""), &self.config())
    }

    /// Opens the log.
    pub(crate) async fn log(&self) -> Result<KurrentLog> {
        Ok(KurrentLog::open(self.options()?).await?)
    }
}

/// What a configured log is opened with; paths are below the ledger's directory.
pub(crate) fn options(directory: &Path, config: &KurrentdbConfig) -> Result<KurrentOptions> {
    let credentials = config.credentials.as_ref().map(|path| credentials(&directory.join(path))).transpose()?;
    let mut options = KurrentOptions::new(&config.address);
    options.authorities = config.authorities.as_ref().map(|path| directory.join(path));
    options.credentials = credentials;
    options.append_timeout = std::time::Duration::from_millis(config.append_timeout_ms);
    options.read_timeout = std::time::Duration::from_millis(config.read_timeout_ms);
    Ok(options)
}

/// Reads `name:password`.
fn credentials(path: &Path) -> Result<Credentials> {
    let text = fs::read_to_string(path).with_context(|| format!("cannot read `{}`", path.display()))?;
    let text = Zeroizing::new(text);
    let (name, password) = text
        .trim_end_matches('\n')
        .split_once(':')
        .with_context(|| format!("`{}` is not of the form `name:password`", path.display()))?;
    ensure!(!name.is_empty() && !password.is_empty(), "`{}` is not of the form `name:password`", path.display());
    Ok(Credentials { name: name.to_owned(), password: password.to_owned() })
}
