//! What is measured: a ledger in a process of its own, founded for the purpose or already there, and the bare server beside it.

use std::{
    path::{Path, PathBuf},
    process::Stdio,
    sync::Arc,
    time::Duration,
};

use anyhow::{Context as _, Result, ensure};
use mediation_ledger::{clock::SystemClock, key::Signer, registry::Registry};
use mediation_log_embedded::SEGMENT_BYTES_DEFAULT;
use mediation_proto::mediation::types::v1::AgencyKind;
use serde_json::Value;
use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    process::{Child, Command},
};
use tonic::transport::Channel;

use crate::{
    access::Door,
    config::{Config, ModelConfig, QuotasConfig},
    founding::{Founding, found},
    keys::PrivateKey,
    layout::Layout,
    member,
    suite::Suites,
};

/// Requests in a second that each agency may send: far more than any load, which is not what is measured.
const QUOTA: u32 = 1_000_000;

/// Time that a server has to end what is under way.
const STOP_MAX: Duration = Duration::from_secs(60);

/// A ledger that is measured.
#[derive(Debug)]
pub(super) struct Target {
    /// Way into it.
    pub(super) door: Door,
    /// Its registry.
    pub(super) registry: Registry,
    /// Who records: a governance center.
    pub(super) agency: String,
    /// Its directory, or the one with the certificates for it.
    pub(super) directory: PathBuf,
    /// What was founded here is served by a process of ours, and goes with this value.
    own: Option<(TempDir, Child)>,
}

impl Target {
    /// Founds a ledger of the example city below a directory, and serves it in a process of its own.
    pub(super) async fn found(scratch: &Path, with_model: bool) -> Result<Self> {
        let home = tempfile::Builder::new().prefix("mediation-bench-").tempdir_in(scratch)?;
        let directory = home.path().join("ledger");
        let founding = Founding {
            origin: "bench.mediation.example/main".parse()?,
            rule_set: "cn-2024-fixture".to_owned(),
            segment_bytes: SEGMENT_BYTES_DEFAULT,
            members: member::fixture()?,
            suites: Suites::default(),
            valid_from: "2020-01-01".to_owned(),
            clock: Arc::new(SystemClock),
        };
        let quotas = QuotasConfig { requests_per_second: QUOTA, burst: QUOTA, ..QuotasConfig::default() };
        let config = Config { quotas, model: ModelConfig { enabled: with_model }, ..Config::default() };
        found(&directory, &founding, &config).await?;
        let arguments = ["serve", "--json", "--log", "error", "--listen", "127.0.0.1:0", "--dir"];
        let (child, address) = child(&arguments, &directory).await?;
        let target = Self::at(&address, &directory).await?;
        Ok(Self { own: Some((home, child)), ..target })
    }

    /// A ledger that is served already.
    pub(super) async fn at(address: &str, directory: &Path) -> Result<Self> {
        let door = Door::open(address, directory)?;
        let registry = door.registry().await?;
        let layout = Layout::new(directory);
        let agency = center(&registry, &layout)
            .context("the directory has no certificate of a governance center, whose desk is measured")?;
        Ok(Self { door, registry, agency, directory: directory.to_owned(), own: None })
    }

    /// Connections of the agency, enough for so many callers.
    pub(super) async fn channels(&self, callers: usize) -> Result<Vec<Channel>> {
        channels(&self.door, &self.agency, callers).await
    }

    /// A connection of an agency that may know of every act.
    pub(super) async fn auditor(&self) -> Result<Channel> {
        Ok(self.door.connection(&self.door.auditor(&self.registry)?).await?.channel)
    }

    /// Key with which the agency signs itself.
    pub(super) fn signer(&self) -> Result<Arc<dyn Signer>> {
        Ok(PrivateKey::read(&Layout::new(&self.directory).signing_key(&self.agency))?.into_signer())
    }

    /// Where bare writes go: beside the ledger, so that they meet the same disk.
    pub(super) fn beside(&self) -> PathBuf {
        self.own.as_ref().map_or_else(std::env::temp_dir, |(home, _)| home.path().to_owned())
    }

    /// Stops the process that was started here; what stays is its directory, until it is dropped.
    pub(super) async fn stop(&mut self) -> Result<()> {
        let Some((_, child)) = &mut self.own else { return Ok(()) };
        let id = child.id().and_then(|id| i32::try_from(id).ok()).and_then(rustix::process::Pid::from_raw);
        let id = id.context("the server has ended by itself")?;
        rustix::process::kill_process(id, rustix::process::Signal::TERM)?;
        let ended = tokio::time::timeout(STOP_MAX, child.wait()).await.context("the server does not stop")??;
        ensure!(ended.success(), "the server ended with {ended}");
        Ok(())
    }
}

/// The first governance center whose certificate lies in a directory.
fn center(registry: &Registry, layout: &Layout) -> Option<String> {
    let mut centers = registry
        .directory()
        .iter()
        .filter(|(id, agency)| agency.kind == AgencyKind::GovernanceCenter && layout.certificate_key(id).exists());
    centers.next().map(|(id, _)| id.to_owned())
}

/// The bare server: the same services and messages over the same TLS, in a process of its own, with nothing behind them.
#[derive(Debug)]
pub(super) struct Echo {
    door: Door,
    agency: String,
    _child: Child,
}

impl Echo {
    /// Starts one that answers what lies in a directory, with the certificates of a ledger.
    pub(super) async fn start(target: &Target, answers: &Path) -> Result<Self> {
        let answers = answers.to_str().context("the name of the directory is no text")?;
        let (child, address) = child(&["bench", "--echo", answers, "--dir"], &target.directory).await?;
        Ok(Self { door: Door::open(&address, &target.directory)?, agency: target.agency.clone(), _child: child })
    }

    /// Connections, as to the ledger.
    pub(super) async fn channels(&self, callers: usize) -> Result<Vec<Channel>> {
        channels(&self.door, &self.agency, callers).await
    }
}

/// Callers that share a connection: a system has some, not one for each clerk.
const CALLERS_OF_A_CONNECTION: usize = 32;

async fn channels(door: &Door, agency: &str, callers: usize) -> Result<Vec<Channel>> {
    let mut channels = Vec::new();
    for _connection in 0..callers.div_ceil(CALLERS_OF_A_CONNECTION) {
        channels.push(door.connection(agency).await?.channel);
    }
    Ok((0..callers).filter_map(|caller| channels.get(caller % channels.len()).cloned()).collect())
}

/// Starts this program a second time, on a directory; gives the address that it says it serves on.
async fn child(arguments: &[&str], directory: &Path) -> Result<(Child, String)> {
    let own = std::env::current_exe().context("the program does not know its own file")?;
    let mut child = Command::new(own)
        .args(arguments)
        .arg(directory)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .context("the server cannot be started")?;
    let output = child.stdout.take().context("the server has no output")?;
    let mut line = String::new();
    BufReader::new(output).read_line(&mut line).await?;
    let said: Value = serde_json::from_str(&line).context("the server did not start")?;
    let address = said.get("address").and_then(Value::as_str).context("the server does not say where it serves")?;
    Ok((child, address.to_owned()))
}
