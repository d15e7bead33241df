//! Metrics of a process, as Prometheus reads them (OpenMetrics text): counted where things happen, or looked at when asked.
//!
//! `docs/operations.md` has the list. Nothing here says anything of a chain, a person or what a key is.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError, atomic::AtomicU64},
};

use anyhow::Result;
use mediation_desk::{listener::expires_at, metrics::Requests, node::Node};
use mediation_ledger::clock::Clock;
use mediation_log_embedded::disk::RealDisk;
use mediation_projections::model::Reader;
use prometheus_client::{
    encoding::text::encode,
    metrics::{family::Family, gauge::Gauge},
    registry::Registry,
};
use tokio::sync::watch;

use crate::{
    backend::{AnyLog, AnyVault},
    backup::LAST_BACKUP,
    config::Config,
    layout::Layout,
    process::scrubbing::Standing,
};

/// What every name begins with.
const PREFIX: &str = "mediation_ledger";

type Real = Gauge<f64, AtomicU64>;

/// What is looked at when somebody asks.
#[derive(Debug)]
pub(crate) struct Sources {
    pub(crate) node: Arc<Node<AnyLog, AnyVault>>,
    pub(crate) index: Option<Reader>,
    pub(crate) scrub: Option<watch::Receiver<Standing>>,
    queue_capacity: u64,
    state: PathBuf,
    certificates: Vec<(&'static str, PathBuf)>,
}

/// The metrics of a process.
pub(crate) struct Metrics {
    registry: Mutex<Registry>,
    /// Counts of requests.
    pub(crate) requests: Requests,
    gauges: Gauges,
}

impl std::fmt::Debug for Metrics {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Metrics")
    }
}

/// The metrics with what they are looked up in.
#[derive(Debug)]
pub(crate) struct Measured {
    pub(crate) metrics: Metrics,
    pub(crate) sources: Sources,
}

impl mediation_desk::health::Metrics for Measured {
    async fn text(&self) -> Option<String> {
        match self.metrics.text(&self.sources).await {
            Ok(text) => Some(text),
            Err(error) => {
                tracing::warn!(error = format!("{error:#}"), "the metrics cannot be told");
                None
            }
        }
    }
}

impl Sources {
    pub(crate) fn new(
        layout: &Layout,
        config: &Config,
        node: Arc<Node<AnyLog, AnyVault>>,
        index: Option<Reader>,
        scrub: Option<watch::Receiver<Standing>>,
    ) -> Self {
        let certificates = vec![("server", layout.server_certificate()), ("authority", layout.authority())];
        let (state, queue_capacity) = (layout.state().to_owned(), config.log.queue_capacity as u64);
        Self { node, index, scrub, queue_capacity, state, certificates }
    }
}

/// Declares gauges with their names and what they mean.
macro_rules! gauges {
    ($($name:ident: $kind:ty = $help:literal,)+) => {
        /// What is looked at.
        #[derive(Debug, Default)]
        struct Gauges {
            $($name: $kind,)+
        }

        impl Gauges {
            fn register(&self, registry: &mut Registry) {
                $(registry.register(stringify!($name), $help, self.$name.clone());)+
            }
        }
    };
}

gauges! {
    start_timestamp_seconds: Real = "When the process began to serve",
    entries: Gauge = "Entries that are durable, of a log on this machine",
    sealed_entries: Gauge = "Entries under the last published checkpoint",
    seal_lag_entries: Gauge = "Durable entries that no checkpoint covers yet",
    append_queue_length: Gauge = "Appends that wait for the disk",
    append_queue_capacity: Gauge = "Appends that may wait",
    disk_free_bytes: Real = "Bytes that the file system with the ledger has left",
    disk_bytes: Real = "Bytes of the file system with the ledger",
    resident_memory_bytes: Real = "Memory of the process",
    open_files: Gauge = "Files and connections that the process has open",
    witnessed_entries: Gauge = "Entries under the last checkpoint that a quorum of witnesses has cosigned",
    witness_seconds_behind: Family<Vec<(&'static str, String)>, Real> = "Seconds since a witness was asked about the first checkpoint that it has not cosigned",
    witnesses_lagging: Gauge = "Witnesses that are behind for longer than the limit",
    witnesses_accusing: Gauge = "Witnesses that have cosigned a larger tree, or refuse this one as another history",
    vault_here: Gauge = "Whether the keys of parts lie in this process",
    model_lag_entries: Gauge = "Entries that the read model has not taken in yet",
    scrub_position_ratio: Real = "How far the pass of the scrub that is under way has come; 1 between two of them",
    scrub_end_timestamp_seconds: Real = "When the last whole pass of the scrub ended; 0 before the first",
    scrub_damages: Gauge = "Places that the scrub has found damaged",
    backup_timestamp_seconds: Real = "When the last backup was made; 0 before the first",
    backup_entries: Gauge = "Entries in the last backup",
    certificate_expiry_timestamp_seconds: Family<Vec<(&'static str, String)>, Real> = "When a certificate ends",
}

impl Metrics {
    /// Metrics that begin now.
    pub(crate) fn new(clock: &dyn Clock) -> Self {
        let mut registry = Registry::with_prefix(PREFIX);
        let requests = Requests::registered(&mut registry);
        let gauges = Gauges::default();
        gauges.register(&mut registry);
        gauges.start_timestamp_seconds.set(seconds(clock.now_ms().div_euclid(1_000)));
        Self { registry: Mutex::new(registry), requests, gauges }
    }

    /// Everything as it is now.
    pub(crate) async fn text(&self, sources: &Sources) -> Result<String> {
        self.look_at_log(sources);
        self.look_at_witnesses(sources);
        self.look_at_model(sources).await;
        self.look_at_scrub(sources);
        self.look_at_machine(sources);
        let mut text = String::new();
        encode(&mut text, &self.registry.lock().unwrap_or_else(PoisonError::into_inner))?;
        Ok(text)
    }

    fn look_at_log(&self, sources: &Sources) {
        let sealed = sources.node.seals().size().0;
        self.gauges.sealed_entries.set(whole(sealed));
        self.gauges.append_queue_capacity.set(whole(sources.queue_capacity));
        if let Some(log) = sources.node.ledger().log().embedded() {
            let entries = log.size().0;
            self.gauges.entries.set(whole(entries));
            self.gauges.seal_lag_entries.set(whole(entries.saturating_sub(sealed)));
            self.gauges.append_queue_length.set(whole(log.queued() as u64));
        }
        self.gauges.vault_here.set(i64::from(sources.node.ledger().vault().is_here()));
    }

    fn look_at_witnesses(&self, sources: &Sources) {
        let cosigned = sources.node.cosigned();
        self.gauges.witnessed_entries.set(cosigned.witnessed().map_or(0, |(size, _)| whole(size.0)));
        let rows = cosigned.rows();
        self.gauges.witnesses_lagging.set(whole(rows.iter().filter(|row| row.is_lagging).count() as u64));
        let accusing = rows.iter().filter(|row| row.accuses).count();
        self.gauges.witnesses_accusing.set(whole(accusing as u64));
        for row in rows {
            let behind = self.gauges.witness_seconds_behind.get_or_create(&vec![("witness", row.name.to_string())]);
            behind.set(seconds(whole(row.seconds_behind)));
        }
    }

    async fn look_at_model(&self, sources: &Sources) {
        let Some(index) = &sources.index else { return };
        let Some(log) = sources.node.ledger().log().embedded() else { return };
        let taken = index.leaves().await.unwrap_or_default();
        self.gauges.model_lag_entries.set(whole(log.size().0.saturating_sub(taken)));
    }

    fn look_at_scrub(&self, sources: &Sources) {
        let Some(scrub) = &sources.scrub else { return };
        let standing = scrub.borrow().clone();
        let entries = sources.node.seals().size().0.max(1);
        let position = standing.pass.as_ref().map_or(1.0, |pass| ratio(pass.next.min(entries), entries));
        self.gauges.scrub_position_ratio.set(position);
        self.gauges.scrub_end_timestamp_seconds.set(seconds(standing.ended_at.unwrap_or_default()));
        self.gauges.scrub_damages.set(whole(standing.damages));
    }

    fn look_at_machine(&self, sources: &Sources) {
        if let Ok((free, all)) = RealDisk.space(&sources.state) {
            self.gauges.disk_free_bytes.set(ratio(free, 1));
            self.gauges.disk_bytes.set(ratio(all, 1));
        }
        self.gauges.resident_memory_bytes.set(ratio(resident_bytes().unwrap_or_default(), 1));
        self.gauges.open_files.set(fs::read_dir("/proc/self/fd").map_or(0, |files| whole(files.count() as u64)));
        for (name, path) in &sources.certificates {
            let expires = fs::read(path).ok().and_then(|pem| expires_at(&pem));
            let expiry = self
                .gauges
                .certificate_expiry_timestamp_seconds
                .get_or_create(&vec![("certificate", (*name).to_owned())]);
            expiry.set(seconds(expires.unwrap_or_default()));
        }
        let (made_at, entries) = last_backup(&sources.state).unwrap_or_default();
        self.gauges.backup_timestamp_seconds.set(seconds(made_at));
        self.gauges.backup_entries.set(whole(entries));
    }
}

/// When the last backup was made, and its entries.
fn last_backup(state: &Path) -> Option<(i64, u64)> {
    let text = fs::read_to_string(state.join(LAST_BACKUP)).ok()?;
    let (made_at, entries) = text.trim_end().split_once(' ')?;
    Some((made_at.parse().ok()?, entries.parse().ok()?))
}

/// Memory of this process that is in use, as Linux tells it.
fn resident_bytes() -> Option<u64> {
    let text = fs::read_to_string("/proc/self/status").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibibytes: u64 = line.trim().strip_suffix(" kB")?.trim().parse().ok()?;
    Some(kibibytes * 1024)
}

fn whole(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

#[expect(clippy::cast_precision_loss, reason = "an instant in seconds is exact for as long as anybody reads it")]
fn seconds(instant: i64) -> f64 {
    instant as f64
}

#[expect(clippy::cast_precision_loss, reason = "what is shown on a chart need not be exact")]
fn ratio(part: u64, of: u64) -> f64 {
    part as f64 / of as f64
}
