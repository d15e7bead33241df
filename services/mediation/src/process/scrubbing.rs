//! The scrub: reads all of the log again, slowly and for ever, and says what has changed on the disk.
//!
//! ```text
//! segments ─ one after the other, at most so many bytes a second ─ damage? logged as an error, kept, counted
//!      └ where it is: in the file `scrub` after each of them, so that a restart goes on there
//! ```
//!
//! Nothing is mended and nobody is stopped by it: a damaged record is refused to whoever reads it, and to nobody else. What it
//! has found stays known until a pass finds the place whole again.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use anyhow::{Context as _, Result};
use mediation_ledger::{
    clock::Clock,
    merkle::{LeafIndex, TreeSize},
};
use mediation_log_embedded::{
    Embedded, copying,
    disk::RealDisk,
    scrub::{Damage, Part, scrub},
};
use mediation_projections::sealer::Seals;
use serde::{Deserialize, Serialize};
use tokio::{runtime::Handle, sync::watch};

use crate::{config::ScrubConfig, contents, durable};

/// Between two looks whether it is time for the next pass, and after trouble.
const PAUSE: Duration = Duration::from_secs(30);

/// Longest rest after a piece of some MiB.
const REST_SECONDS_MAX: f64 = 5.0;

/// Damages that are kept one by one; all are counted.
const KEPT_MAX: usize = 100;

const DAY_S: i64 = 24 * 60 * 60;

/// Where the scrub is, and what it has found.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Standing {
    /// The pass that is under way.
    pub(crate) pass: Option<Pass>,
    /// When the last pass that came to its end did so, in seconds since 1970-01-01T00:00:00Z.
    pub(crate) ended_at: Option<i64>,
    /// What is known to be damaged.
    pub(crate) damaged: Vec<Found>,
    /// Damages in all.
    pub(crate) damages: u64,
}

/// A pass over the log.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Pass {
    began_at: i64,
    /// The first leaf of the next segment; those before are done.
    pub(crate) next: u64,
    pub(crate) bytes: u64,
    damaged: Vec<Found>,
    damages: u64,
}

/// Something that is damaged, by place and entry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Found {
    file: String,
    offset: u64,
    problem: String,
    leaf: Option<u64>,
    chain: Option<String>,
    revision: Option<u64>,
}

/// Scrubs the log of a process.
#[derive(Debug)]
pub(crate) struct Scrubber {
    directory: PathBuf,
    state: PathBuf,
    log: Arc<Embedded>,
    seals: Seals,
    config: ScrubConfig,
    clock: Arc<dyn Clock>,
    standing: watch::Sender<Standing>,
}

impl Scrubber {
    /// A scrub of the log in a directory, that goes on where the file says.
    pub(crate) fn new(
        directory: &Path,
        state: PathBuf,
        log: Arc<Embedded>,
        seals: Seals,
        config: &ScrubConfig,
        clock: Arc<dyn Clock>,
    ) -> Self {
        // Where it was is no evidence: without it, or when it is damaged, a pass begins.
        let standing =
            contents::read(&state).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default();
        let (standing, _) = watch::channel(standing);
        Self { directory: directory.to_owned(), state, log, seals, config: *config, clock, standing }
    }

    /// Follows where it is, and what it has found.
    pub(crate) fn standing(&self) -> watch::Receiver<Standing> {
        self.standing.subscribe()
    }

    /// Goes on until told to stop.
    pub(crate) async fn run(self, stop: impl Future<Output = ()> + Send) {
        let (stopping, stopped) = watch::channel(false);
        let this = Arc::new(self);
        let scrubbing = async {
            loop {
                match this.step(&stopped).await {
                    Ok(true) => continue,
                    Ok(false) => {}
                    Err(error) => {
                        tracing::warn!(error = format!("{error:#}"), "the scrub has met trouble; it goes on later");
                    }
                }
                tokio::time::sleep(PAUSE).await;
            }
        };
        tokio::select! {
            () = stop => {}
            () = scrubbing => {}
        }
        // A reading that is under way ends at its next rest.
        stopping.send_replace(true);
    }

    fn now(&self) -> i64 {
        self.clock.now_ms().div_euclid(1_000)
    }

    /// Reads the next segment; whether there is more to do now.
    async fn step(self: &Arc<Self>, stopped: &watch::Receiver<bool>) -> Result<bool> {
        let mut standing = self.standing.borrow().clone();
        let pass = match standing.pass.take() {
            Some(pass) => pass,
            None if !self.is_due(&standing) => return Ok(false),
            None => Pass { began_at: self.now(), ..Pass::default() },
        };
        let (this, stopped, handle) = (Arc::clone(self), stopped.clone(), Handle::current());
        let rest = move |rest: Duration| {
            let mut stopped = stopped.clone();
            // An error says that the process is gone; that is a stop as well.
            handle.block_on(async { tokio::time::timeout(rest, stopped.wait_for(|stopped| *stopped)).await.is_err() })
        };
        let read = tokio::task::spawn_blocking(move || this.segment(pass, &rest)).await??;
        let Some((pass, is_over)) = read else { return Ok(false) };
        if is_over {
            self.end(&mut standing, pass);
        } else {
            standing.pass = Some(pass);
        }
        self.keep(standing).await?;
        Ok(true)
    }

    fn is_due(&self, standing: &Standing) -> bool {
        let pause_s = i64::from(self.config.every_days).saturating_mul(DAY_S);
        standing.ended_at.is_none_or(|ended| self.now() >= ended.saturating_add(pause_s))
    }

    /// Reads one segment, and says whether it was the last one. None when it was told to stop, as `rest` says after a rest.
    fn segment(&self, mut pass: Pass, rest: &dyn Fn(Duration) -> bool) -> Result<Option<(Pass, bool)>> {
        let sealed = self.seals.size();
        let segments = copying::segments(&RealDisk, &self.directory)?;
        let at = segments.iter().position(|segment| segment.first.0 >= pass.next);
        let Some((at, segment)) = at.and_then(|at| Some((at, segments.get(at)?))) else {
            return Ok(Some((pass, true)));
        };
        let path = self.directory.join("log").join(&segment.name);
        let successor = segments.get(at + 1);
        if let Err(error) = RealDisk.forget(&path) {
            tracing::debug!(%error, "the page cache keeps a segment; it is read from there");
        }
        let part = Part { path: &path, closed: successor.is_some(), sealed };
        let leaf = |leaf: LeafIndex| self.seals.inclusion(leaf, TreeSize(leaf.0 + 1)).map(|(hash, _)| hash);
        let mut read_bytes = 0;
        let mut pace = |bytes: u64| {
            read_bytes += bytes;
            rest(self.time_of(bytes))
        };
        let damages = scrub(&RealDisk, part, &leaf, &mut pace).with_context(|| path.display().to_string())?;
        let Some(damages) = damages else { return Ok(None) };
        for damage in damages {
            pass.damages += 1;
            let found = self.found(&damage);
            if pass.damaged.len() < KEPT_MAX {
                pass.damaged.push(found);
            }
        }
        pass.bytes += read_bytes;
        // The segment after the last one begins somewhere behind everything.
        pass.next = successor.map_or(u64::MAX, |next| next.first.0);
        Ok(Some((pass, successor.is_none())))
    }

    /// The time that bytes may take: the disk is left to others for as long.
    fn time_of(&self, bytes: u64) -> Duration {
        #[expect(clippy::cast_precision_loss, reason = "a rest need not be exact")]
        let seconds = bytes as f64 / self.config.bytes_per_second_max.max(1) as f64;
        Duration::from_secs_f64(seconds.min(REST_SECONDS_MAX))
    }

    fn found(&self, damage: &Damage) -> Found {
        let entry = damage.leaf.and_then(|leaf| self.log.leaf_of(leaf));
        let found = Found {
            file: damage.fault.file.display().to_string(),
            offset: damage.fault.offset,
            problem: damage.fault.problem.to_string(),
            leaf: damage.leaf.map(|leaf| leaf.0),
            chain: entry.map(|(chain, _)| chain.to_string()),
            revision: entry.map(|(_, revision)| revision.0),
        };
        let Found { file, offset, problem, leaf, chain, revision } = &found;
        tracing::error!(file, offset, problem, leaf, chain, revision, "the scrub has found damage on the disk");
        found
    }

    fn end(&self, standing: &mut Standing, pass: Pass) {
        let Pass { began_at, bytes, damaged, damages, .. } = pass;
        let now = self.now();
        let seconds = now.saturating_sub(began_at);
        if damages == 0 {
            tracing::info!(bytes, seconds, "the scrub has read the whole log, and all of it is sound");
        } else {
            tracing::error!(bytes, seconds, damages, "the scrub has read the whole log, and some of it is damaged");
        }
        if seconds > i64::from(self.config.every_days).saturating_mul(DAY_S) {
            tracing::warn!(
                seconds,
                "the scrub takes longer than the time between two of them: raise `scrub.bytes_per_second_max`"
            );
        }
        (standing.damaged, standing.damages, standing.ended_at, standing.pass) = (damaged, damages, Some(now), None);
    }

    async fn keep(&self, mut standing: Standing) -> Result<()> {
        // What is known to be damaged is known while the next pass runs, too.
        if let Some(pass) = &standing.pass
            && pass.damages > standing.damages
        {
            (standing.damaged, standing.damages) = (pass.damaged.clone(), pass.damages);
        }
        let (path, text) = (self.state.clone(), serde_json::to_vec_pretty(&standing)?);
        self.standing.send_replace(standing);
        tokio::task::spawn_blocking(move || durable::replace(&path, &path.with_extension("new"), &text)).await?
    }
}
