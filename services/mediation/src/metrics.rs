//! Metrics of a process, as Prometheus reads them (OpenMetrics text): counted where things happen, or looked at when asked.
//!
//! `docs/operations.md` has the list. Nothing here says anything of a chain, a person or what a key is.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError, atomic::AtomicU64},
    time::{Duration, Instant},
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
    contents, failed_sync,
    layout::Layout,
    process::scrubbing::Standing,
    traces::Sent,
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
    /// What became of spans, where requests are traced.
    pub(crate) spans: Option<Arc<Sent>>,
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
    leaps: Mutex<Leaps>,
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
        Self { node, index, scrub, spans: None, queue_capacity, state, certificates }
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
    append_queue_refusals: Gauge = "Appends, and deposits of keys, that were refused since the queue was full",
    append_failures: Gauge = "Writes of entries or keys that failed and stored nothing",
    disk_full: Gauge = "Whether the last entries or keys found no space on the disk",
    sync_failure_timestamp_seconds: Real = "When a sync failed last, and ended the process; 0 when none is known",
    clock_step_seconds: Real = "Seconds that the clock of the machine has leapt within the last minutes; negative when back",
    streams_open: Gauge = "Streams that are open",
    streams_behind: Gauge = "Streams whose readers leave an answer lying now",
    stream_seconds_behind_max: Real = "Seconds for which the slowest reader of a stream has left an answer lying",
    stream_lag_entries_max: Gauge = "Sealed entries that the last of the streams that follow the log has still to be told",
    spans_sent: Gauge = "Spans that the collector of traces has taken",
    spans_dropped: Gauge = "Spans that it has not taken, or that found no room in the queue",
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
        let leaps = Mutex::new(Leaps::from(At::now(clock)));
        Self { registry: Mutex::new(registry), requests, gauges, leaps }
    }

    /// Everything as it is now.
    pub(crate) async fn text(&self, sources: &Sources) -> Result<String> {
        self.look_at_log(sources);
        self.look_at_clock(sources.node.ledger().clock());
        self.look_at_streams(sources);
        let (sent, dropped) = sources.spans.as_ref().map(|spans| spans.now()).unwrap_or_default();
        self.gauges.spans_sent.set(whole(sent));
        self.gauges.spans_dropped.set(whole(dropped));
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
            let mut troubles = [Some(log.trouble()), sources.node.ledger().vault().trouble()].into_iter().flatten();
            self.gauges.append_queue_refusals.set(whole(troubles.clone().map(|trouble| trouble.turned_away).sum()));
            self.gauges.append_failures.set(whole(troubles.clone().map(|trouble| trouble.not_stored).sum()));
            self.gauges.disk_full.set(i64::from(troubles.any(|trouble| trouble.is_full)));
        }
        self.gauges.sync_failure_timestamp_seconds.set(seconds(failed_sync::last(&sources.state).unwrap_or_default()));
        self.gauges.vault_here.set(i64::from(sources.node.ledger().vault().is_here()));
    }

    fn look_at_clock(&self, clock: &dyn Clock) {
        let mut leaps = self.leaps.lock().unwrap_or_else(PoisonError::into_inner);
        self.gauges.clock_step_seconds.set(leaps.seen(At::now(clock)));
    }

    fn look_at_streams(&self, sources: &Sources) {
        let standing = sources.node.subscribers().standing(sources.node.seals().size().0);
        self.gauges.streams_open.set(whole(standing.open as u64));
        self.gauges.streams_behind.set(whole(standing.behind as u64));
        self.gauges.stream_seconds_behind_max.set(standing.longest.as_secs_f64());
        self.gauges.stream_lag_entries_max.set(whole(standing.leaves_behind));
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
            let expires = contents::read(path).ok().and_then(|pem| expires_at(&pem));
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

/// A moment by the clock of the machine, and by one that nobody sets.
#[derive(Debug, Clone, Copy)]
struct At {
    ms: i64,
    steady: Instant,
}

impl At {
    fn now(clock: &dyn Clock) -> Self {
        Self { ms: clock.now_ms(), steady: Instant::now() }
    }

    /// Seconds by which the clock went further than time did.
    fn leap_since(self, earlier: Self) -> f64 {
        let passed = self.steady.saturating_duration_since(earlier.steady).as_millis();
        let went = self.ms.saturating_sub(earlier.ms);
        in_seconds(went.saturating_sub(i64::try_from(passed).unwrap_or(i64::MAX)))
    }
}

/// Finds out when the clock of the machine is set. A leap is told until [`LEAP_FORGOTTEN`] has passed once or twice.
#[derive(Debug)]
struct Leaps {
    /// What the clock is held against, and what it will be after that.
    against: At,
    next: At,
}

/// How long a clock that was set is told of, at least.
const LEAP_FORGOTTEN: Duration = Duration::from_secs(600);

impl From<At> for Leaps {
    fn from(at: At) -> Self {
        Self { against: at, next: at }
    }
}

impl Leaps {
    /// The leap, seen from now.
    fn seen(&mut self, now: At) -> f64 {
        if now.steady.saturating_duration_since(self.next.steady) >= LEAP_FORGOTTEN {
            (self.against, self.next) = (self.next, now);
        }
        now.leap_since(self.against)
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
fn in_seconds(milliseconds: i64) -> f64 {
    milliseconds as f64 / 1e3
}

#[expect(clippy::cast_precision_loss, reason = "what is shown on a chart need not be exact")]
fn ratio(part: u64, of: u64) -> f64 {
    part as f64 / of as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_is_set_is_told_of_for_some_minutes_and_one_that_goes_is_not() {
        let steady = Instant::now();
        let at = |ms: i64, passed: u64| At { ms, steady: steady + Duration::from_secs(passed) };
        let mut leaps = Leaps::from(at(5_000, 0));
        assert_eq!(leaps.seen(at(25_000, 20)), 0.0);
        assert_eq!(leaps.seen(at(100_000, 35)), 60.0);
        assert_eq!(leaps.seen(at(665_000, 600)), 60.0, "a leap is held against what was before it");
        assert_eq!(leaps.seen(at(1_264_000, 1_199)), 60.0);
        assert_eq!(leaps.seen(at(1_265_000, 1_200)), 0.0, "it is forgotten");
        assert_eq!(leaps.seen(at(1_205_000, 1_201)), -61.0, "back");
    }
}
