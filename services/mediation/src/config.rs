//! Configuration: one file, one struct per component; unknown keys are errors.

use std::{fs, net::SocketAddr, path::Path};

use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize};

/// `mediation.toml`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Config {
    /// Address that the gRPC services listen on.
    pub(crate) listen: SocketAddr,
    /// The embedded log.
    pub(crate) log: LogConfig,
    /// The clock keeper.
    pub(crate) keeper: KeeperConfig,
}

/// The embedded log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct LogConfig {
    /// Appends that may wait; beyond them callers are told `RESOURCE_EXHAUSTED` at once.
    pub(crate) queue_capacity: usize,
}

/// The clock keeper.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct KeeperConfig {
    /// Notes on the chains what lapses, for the governance centers whose keys lie here. Several processes may: each lapse
    /// is noted once.
    pub(crate) enabled: bool,
}

/// Loopback only, until the operator says otherwise.
const LISTEN: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 7443);

const QUEUE_CAPACITY: usize = 4_096;

impl Default for Config {
    fn default() -> Self {
        Self { listen: LISTEN, log: LogConfig::default(), keeper: KeeperConfig::default() }
    }
}

impl Default for LogConfig {
    fn default() -> Self {
        Self { queue_capacity: QUEUE_CAPACITY }
    }
}

impl Default for KeeperConfig {
    fn default() -> Self {
        Self { enabled: true }
    }
}

impl Config {
    /// Reads the file.
    pub(crate) fn read(path: &Path) -> Result<Self> {
        let text = fs::read_to_string(path).with_context(|| format!("cannot read `{}`", path.display()))?;
        toml::from_str(&text).with_context(|| format!("`{}` is not a configuration", path.display()))
    }

    /// The file of a new ledger.
    pub(crate) fn initial(&self) -> Result<String> {
        Ok(format!("# Configuration of this ledger; see docs/operations.md.\n{}", toml::to_string_pretty(self)?))
    }
}
