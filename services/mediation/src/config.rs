//! Configuration: one file, one struct per component; unknown keys are errors.

use std::{
    collections::BTreeSet,
    fmt,
    net::SocketAddr,
    num::NonZeroU32,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context as _, Result};
use clap::ValueEnum;
use mediation_desk::{exports::EXPORTS_PER_MONTH_MAX, limits::Limits, quota::Quota};
use mediation_projections::texts::TEXT_BYTES_MAX;
use serde::{Deserialize, Serialize};

use crate::contents;

mod check;

/// `mediation.toml`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Config {
    /// Address that the gRPC services listen on.
    pub(crate) listen: SocketAddr,
    /// Files with checkpoints of this ledger that others hold, witnessed ones best. The process does not start on a log
    /// that lacks what one of them covers, such as a restored older copy.
    pub(crate) known_checkpoints: Vec<PathBuf>,
    /// Who signs the agencies' acts.
    pub(crate) signing: Signing,
    /// What of the ledger this process does; everything unless said otherwise.
    pub(crate) roles: BTreeSet<Role>,
    /// Desks that are served, such as `court` or `public_security`; all without it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) desks: Option<BTreeSet<String>>,
    /// Agencies that are served, by id; all without it. A process for some of them answers no others.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) agencies: Option<BTreeSet<String>>,
    /// Directory for what the process keeps for itself, from the ledger's directory, which is that without it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) state: Option<PathBuf>,
    /// What each agency may ask of this process.
    pub(crate) quotas: QuotasConfig,
    /// What each agency may export.
    pub(crate) exports: ExportsConfig,
    /// What one listener lets its callers do at once.
    pub(crate) limits: LimitsConfig,
    /// The log.
    pub(crate) log: LogConfig,
    /// The KurrentDB cluster that the log is on; the log is embedded unless this is there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) kurrentdb: Option<KurrentdbConfig>,
    /// The process that holds the vault; this one, unless this is there. A process of a cluster that opens no parts has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) vault: Option<VaultConfig>,
    /// The token that has the key-encryption key of the vault, or is to have it; unless this is there it lies in `vault/kek`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) kek: Option<KekConfig>,
    /// Answers to the probes of an orchestrator; none unless this is there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) health: Option<HealthConfig>,
    /// The clock keeper.
    pub(crate) keeper: KeeperConfig,
    /// The read model.
    pub(crate) model: ModelConfig,
    /// Search in the text of acts.
    pub(crate) search: SearchConfig,
    /// The scrub.
    pub(crate) scrub: ScrubConfig,
    /// The log over HTTP.
    pub(crate) log_http: LogHttpConfig,
    /// The witnesses.
    pub(crate) witnesses: WitnessesConfig,
    /// Timestamps over checkpoints; none unless this is there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) timestamps: Option<TimestampConfig>,
    /// Where requests are traced; nowhere unless this is there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) traces: Option<TracesConfig>,
}

/// Who signs the agencies' acts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Signing {
    /// The desk, for the agencies whose signing keys lie in `keys/`; for all others the caller.
    #[default]
    Desk,
    /// The caller: no signing key is read, even if one lies in `keys/`.
    Caller,
}

/// What a process does of a ledger, beside serving desks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Role {
    /// Signs checkpoints with the log's key. Several processes may: one signs, the others stand by.
    #[value(help = "签封检查点 · signs checkpoints")]
    Sealer,
    /// Holds the vault, and answers other processes that ask for keys of parts.
    #[value(help = "保管库，应答密钥请求 · holds the vault and answers for keys")]
    Vault,
    /// Shows chains to every agency that may see them.
    #[value(help = "向可知悉的机构出示链条 · shows chains to those who may see them")]
    Audit,
    /// Serves the log over HTTP.
    #[value(help = "经 HTTP 提供日志 · serves the log over HTTP")]
    Gateway,
    /// Keeps the clocks of the centers whose keys lie here.
    #[value(help = "为各中心守钟 · keeps the clocks of centers")]
    Keeper,
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Sealer => "sealer",
            Self::Vault => "vault",
            Self::Audit => "audit",
            Self::Gateway => "gateway",
            Self::Keeper => "keeper",
        })
    }
}

impl Role {
    /// All of them: one machine.
    pub(crate) const ALL: [Self; 5] = [Self::Sealer, Self::Vault, Self::Audit, Self::Gateway, Self::Keeper];
}

/// A KurrentDB cluster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct KurrentdbConfig {
    /// Connection string without credentials, such as `esdb://a:2113,b:2113,c:2113?tls=true`.
    pub(crate) address: String,
    /// Certificates (PEM) of those who vouch for the nodes, from the ledger's directory; needed with TLS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) authorities: Option<PathBuf>,
    /// File with `name:password` of this process's user, from the ledger's directory; none on a cluster without users.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) credentials: Option<PathBuf>,
    /// Milliseconds that an append has to be answered.
    #[serde(default = "kurrentdb_append_timeout_ms")]
    pub(crate) append_timeout_ms: u64,
    /// Milliseconds that a page has to be read.
    #[serde(default = "kurrentdb_read_timeout_ms")]
    pub(crate) read_timeout_ms: u64,
}

/// The process that holds the vault.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct VaultConfig {
    /// Its address, such as `vault.mediation.svc:7443`.
    pub(crate) address: String,
    /// Agency in whose name this process asks, with the certificate in `pki/agencies/`.
    pub(crate) agency: String,
    /// Milliseconds that it has to answer.
    #[serde(default = "vault_timeout_ms")]
    pub(crate) timeout_ms: u64,
}

/// The token that has the key-encryption key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct KekConfig {
    /// Its PKCS #11 module.
    pub(crate) pkcs11: PathBuf,
    /// Label of the token.
    pub(crate) token: String,
    /// Label of the key.
    pub(crate) key: String,
    /// File with the PIN, from the ledger's directory; else `MEDIATION_PIN`, else whoever starts the process is asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) pin_file: Option<PathBuf>,
}

#[cfg(feature = "kurrentdb")]
impl KurrentdbConfig {
    /// A cluster at an address, with the default time-outs.
    pub(crate) fn new(address: String, authorities: Option<PathBuf>, credentials: Option<PathBuf>) -> Self {
        let (append_timeout_ms, read_timeout_ms) = (kurrentdb_append_timeout_ms(), kurrentdb_read_timeout_ms());
        Self { address, authorities, credentials, append_timeout_ms, read_timeout_ms }
    }
}

#[cfg(feature = "kurrentdb")]
impl VaultConfig {
    /// A vault at an address, asked in the name of an agency.
    pub(crate) fn new(address: String, agency: String) -> Self {
        Self { address, agency, timeout_ms: vault_timeout_ms() }
    }
}

fn kurrentdb_append_timeout_ms() -> u64 {
    5_000
}

fn kurrentdb_read_timeout_ms() -> u64 {
    10_000
}

fn vault_timeout_ms() -> u64 {
    5_000
}

/// What each agency may ask of a process.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct QuotasConfig {
    /// Requests in a second, and as many acts of streams.
    pub(crate) requests_per_second: u32,
    /// Requests at once, by an agency that has been silent for a while.
    pub(crate) burst: u32,
    /// Pseudonyms in a minute, and as many at once after a silence.
    pub(crate) subjects_per_minute: u32,
}

impl QuotasConfig {
    /// As the services take it; none where a number is 0, which the check objects to.
    pub(crate) fn quota(&self) -> Option<Quota> {
        let (per_second, burst) = (NonZeroU32::new(self.requests_per_second)?, NonZeroU32::new(self.burst)?);
        Some(Quota { per_second, burst })
    }
}

/// Traces over OTLP.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct TracesConfig {
    /// Address of the collector: `https://HOST:PORT`, or `http://` on this machine.
    pub(crate) otlp_endpoint: String,
    /// Certificates of those who vouch for it (PEM); needed for `https`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) authorities: Option<PathBuf>,
    /// Of a thousand requests that begin a trace, so many are traced. A trace of the caller is gone on with as he says.
    #[serde(default = "per_mille")]
    pub(crate) per_mille: u16,
    /// Time that the collector has to take some spans.
    #[serde(default = "vault_timeout_ms")]
    pub(crate) timeout_ms: u64,
}

fn per_mille() -> u16 {
    1_000
}

/// What each agency may export. It counts in the process that holds the vault.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct ExportsConfig {
    /// Different chains in a calendar month; beyond them an export names an approval of a head of the agency.
    pub(crate) chains_per_month_max: u64,
}

/// What the listener of the services lets its callers do at once, and how long it waits for them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct LimitsConfig {
    /// Connections open at once.
    pub(crate) connections: u32,
    /// Requests and streams under way on one connection.
    pub(crate) requests_per_connection: u32,
    /// Bytes of the headers of a request.
    pub(crate) header_bytes: u32,
    /// Requests that a peer has begun and taken back before they were looked at.
    pub(crate) pending_resets: u32,
    /// Milliseconds until a request is answered, or the stream that it opens gives its first sign.
    pub(crate) answer_timeout_ms: u64,
    /// Milliseconds after which a silent connection is asked for a sign of life.
    pub(crate) keepalive_interval_ms: u64,
    /// Milliseconds that it has to give one.
    pub(crate) keepalive_timeout_ms: u64,
    /// Seconds after which a connection takes no new requests.
    pub(crate) connection_age_s: u64,
    /// Seconds that what is under way on it then has to end.
    pub(crate) connection_age_grace_s: u64,
}

impl LimitsConfig {
    /// As the listener takes them.
    pub(crate) fn limits(&self) -> Limits {
        Limits {
            connections: self.connections,
            requests_per_connection: self.requests_per_connection,
            header_bytes: self.header_bytes,
            pending_resets: self.pending_resets,
            answer: Duration::from_millis(self.answer_timeout_ms),
            keepalive_interval: Duration::from_millis(self.keepalive_interval_ms),
            keepalive_timeout: Duration::from_millis(self.keepalive_timeout_ms),
            connection_age: Duration::from_secs(self.connection_age_s),
            connection_age_grace: Duration::from_secs(self.connection_age_grace_s),
        }
    }
}

impl Default for LimitsConfig {
    fn default() -> Self {
        let limits = Limits::default();
        let ms = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        Self {
            connections: limits.connections,
            requests_per_connection: limits.requests_per_connection,
            header_bytes: limits.header_bytes,
            pending_resets: limits.pending_resets,
            answer_timeout_ms: ms(limits.answer),
            keepalive_interval_ms: ms(limits.keepalive_interval),
            keepalive_timeout_ms: ms(limits.keepalive_timeout),
            connection_age_s: limits.connection_age.as_secs(),
            connection_age_grace_s: limits.connection_age_grace.as_secs(),
        }
    }
}

/// The log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct LogConfig {
    /// Appends that may wait; beyond them callers are told `RESOURCE_EXHAUSTED` at once.
    pub(crate) queue_capacity: usize,
}

/// Answers to the probes of an orchestrator.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct HealthConfig {
    /// Address to listen on without TLS, for `grpc.health.v1` alone: probes on the same machine show no certificate.
    pub(crate) listen: SocketAddr,
}

/// The clock keeper.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct KeeperConfig {
    /// Notes on the chains what lapses, for the governance centers whose keys lie here. Several processes may: each lapse
    /// is noted once.
    pub(crate) enabled: bool,
}

/// The read model.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct ModelConfig {
    /// Grows tables of what the chains say, in a process that has the vault and the role `audit`.
    pub(crate) enabled: bool,
}

/// Search in the text of acts. Its index stands in the memory of the process that keeps the read model, and nowhere else.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct SearchConfig {
    /// Indexes the free text of acts, beside the read model; where it is off, a search for words is refused.
    pub(crate) text: bool,
    /// Bytes of text (UTF-8) that are indexed at most; beyond them a search for words is refused.
    pub(crate) text_bytes_max: u64,
}

/// The scrub: reads the log on the disk of this machine again and again, and says what has changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct ScrubConfig {
    /// Days from the end of one pass to the beginning of the next; 0 turns it off.
    pub(crate) every_days: u32,
    /// Bytes that are read in a second, at most.
    pub(crate) bytes_per_second_max: u64,
}

/// The log over HTTP: C2SP tiles.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct LogHttpConfig {
    /// Address to listen on; without it the log is not served over HTTP.
    pub(crate) listen: Option<SocketAddr>,
    /// Entries are served too: they say who acted on which chain and when. For the network of the auditors only.
    pub(crate) entries: bool,
}

/// The witnesses that are asked to cosign checkpoints.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct WitnessesConfig {
    /// Policy file (C2SP tlog-policy) with the witnesses, their addresses and the quorum, from the ledger's directory;
    /// without it nobody is asked.
    pub(crate) policy: Option<PathBuf>,
    /// Certificates (PEM) of those who vouch for witnesses with `https` addresses, from the ledger's directory.
    pub(crate) authorities: Option<PathBuf>,
    /// Milliseconds that a checkpoint waits for cosignatures before it is published with those that came.
    pub(crate) grace_ms: u64,
    /// Milliseconds that a witness has to answer.
    pub(crate) timeout_ms: u64,
    /// Seconds that a witness may be behind before it is warned of.
    pub(crate) lag_limit_s: u64,
}

/// Timestamps over checkpoints (RFC 3161).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct TimestampConfig {
    /// Address of the timestamp authority, by `http`: a request shows a hash only, and an answer proves itself. The
    /// certificates that its tokens must lead to stand in `timestamps/authority.pem`.
    pub(crate) url: String,
    /// Seconds between two timestamps, at least 1.
    #[serde(default = "every_s")]
    pub(crate) every_s: u64,
    /// Leaves after which the next one is not waited for; 0: never.
    #[serde(default)]
    pub(crate) every_leaves: u64,
    /// Milliseconds that the authority has to answer.
    #[serde(default = "stamp_timeout_ms")]
    pub(crate) timeout_ms: u64,
}

/// One a minute.
fn every_s() -> u64 {
    60
}

/// Authorities sign with hardware, and far away.
fn stamp_timeout_ms() -> u64 {
    15_000
}

/// Loopback only, until the operator says otherwise.
const LISTEN: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 7443);

const QUEUE_CAPACITY: usize = 4_096;

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: LISTEN,
            known_checkpoints: Vec::new(),
            signing: Signing::default(),
            roles: Role::ALL.into(),
            desks: None,
            agencies: None,
            state: None,
            kurrentdb: None,
            vault: None,
            kek: None,
            health: None,
            quotas: QuotasConfig::default(),
            exports: ExportsConfig::default(),
            limits: LimitsConfig::default(),
            log: LogConfig::default(),
            keeper: KeeperConfig::default(),
            model: ModelConfig::default(),
            search: SearchConfig::default(),
            scrub: ScrubConfig::default(),
            log_http: LogHttpConfig::default(),
            witnesses: WitnessesConfig::default(),
            timestamps: None,
            traces: None,
        }
    }
}

impl Default for QuotasConfig {
    fn default() -> Self {
        Self {
            requests_per_second: REQUESTS_PER_SECOND,
            burst: 2 * REQUESTS_PER_SECOND,
            subjects_per_minute: SUBJECTS_PER_MINUTE,
        }
    }
}

/// Some times what the busiest agency of a city sends when it enters old files, and a fraction of what a process can do.
const REQUESTS_PER_SECOND: u32 = 4_000;

/// What the counters of a busy agency take in. Who tries numbers to find the one behind a pseudonym gets no further in a day than
/// the births of a few months in one county.
const SUBJECTS_PER_MINUTE: u32 = 60;

impl Default for ExportsConfig {
    fn default() -> Self {
        Self { chains_per_month_max: EXPORTS_PER_MONTH_MAX }
    }
}

impl Default for LogConfig {
    fn default() -> Self {
        Self { queue_capacity: QUEUE_CAPACITY }
    }
}

impl Default for ModelConfig {
    fn default() -> Self {
        Self { enabled: true }
    }
}

impl Default for SearchConfig {
    fn default() -> Self {
        Self { text: true, text_bytes_max: TEXT_BYTES_MAX }
    }
}

impl Default for KeeperConfig {
    fn default() -> Self {
        Self { enabled: true }
    }
}

/// As often as one may find out that a copy is needed.
const SCRUB_EVERY_DAYS: u32 = 7;

/// A few hundredths of what the disk of a server gives: 4 TiB in a week.
const SCRUB_BYTES_PER_SECOND: u64 = 8 * 1024 * 1024;

impl Default for ScrubConfig {
    fn default() -> Self {
        Self { every_days: SCRUB_EVERY_DAYS, bytes_per_second_max: SCRUB_BYTES_PER_SECOND }
    }
}

/// A witness in the same city answers within milliseconds, and syncs its disk before.
const GRACE_MS: u64 = 1_000;

const WITNESS_TIMEOUT_MS: u64 = 5_000;

/// A restart takes less.
const LAG_LIMIT_S: u64 = 60;

impl Default for WitnessesConfig {
    fn default() -> Self {
        Self {
            policy: None,
            authorities: None,
            grace_ms: GRACE_MS,
            timeout_ms: WITNESS_TIMEOUT_MS,
            lag_limit_s: LAG_LIMIT_S,
        }
    }
}

impl Config {
    /// Reads the file.
    pub(crate) fn read(path: &Path) -> Result<Self> {
        Self::parse(path)?.with_context(|| format!("`{}` is not a configuration", path.display()))
    }

    /// Reads the file; the inner error is one of its text.
    pub(crate) fn parse(path: &Path) -> Result<Result<Self, toml::de::Error>> {
        let text = contents::text(path).with_context(|| format!("cannot read `{}`", path.display()))?;
        Ok(toml::from_str(&text))
    }

    /// The file of a new ledger.
    pub(crate) fn initial(&self) -> Result<String> {
        Ok(format!("# Configuration of this ledger; see docs/operations.md.\n{}", toml::to_string_pretty(self)?))
    }
}
