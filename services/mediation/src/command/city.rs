//! `mediation city`: a ledger that holds a made-up year of a whole city, the same byte for byte for the same seed.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
    time::Instant,
};

use anyhow::{Context as _, Result, ensure};
use clap::Args;
use indicatif::ProgressBar;
use mediation_city::{City, ORIGIN, scale::Scale};
use mediation_domain::{admit::Caller, history::Recorded, rules::RuleSet};
use mediation_ledger::{
    chain::{ChainId, Revision},
    checkpoint::Checkpoint,
    clock::{Clock, ScriptedClock},
    entropy::SeededEntropy,
    ledger::Ledger,
    recorder::{Recorder, Request, Submitted},
};
use mediation_log_embedded::{
    Embedded, FatalHandler, Options, SEGMENT_BYTES_DEFAULT,
    disk::{Disk, RealDisk},
    vault::FileVault,
};
use serde_json::json;
use tokio::sync::mpsc;

use crate::{
    config::Config,
    founding::{self, Founding, Randomness, Unfinished},
    layout::Layout,
    manifest::Manifest,
    member::Member,
    output::{self, line},
    process::{log_options, signers},
    sealing::Sealing,
    suite::Suites,
};

/// Acts recorded as one batch: more would not be faster, and their records fit into one group of the log.
const BATCH_ACTS: usize = 2_048;

/// Bytes of a group of the log: the most that its format takes.
const GROUP_BYTES: usize = 16 * 1024 * 1024;

/// Chains whose folds are kept: all of the city's, since most are open at the same time.
const FOLDS_MAX: usize = 1 << 20;

/// Time before its first act at which the ledger is founded: a day.
const FOUNDED_BEFORE_MS: i64 = 24 * 60 * 60 * 1_000;

/// `mediation city`
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// 年份 · Year
    #[arg(long, value_name = "YYYY")]
    year: u16,
    /// 种子：同一种子得到逐字节相同的账本 · Seed: the same seed gives the same ledger, byte for byte
    #[arg(long, value_name = "N")]
    seed: u64,
    /// 账本目录，须不存在或为空 · Directory of the ledger; must not exist, or be empty
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// 规模：1 为全市，0.01 为百分之一 · Scale: 1 is the whole city, 0.01 a hundredth of it
    #[arg(long, value_name = "DECIMAL", default_value = "1")]
    scale: Scale,
    /// 以 JSON 输出 · Print JSON
    #[arg(long)]
    json: bool,
}

/// What was made.
#[derive(Debug)]
struct Made {
    manifest: Manifest,
    checkpoint: Checkpoint,
    acts: u64,
    chains: u64,
}

/// Makes a city, and says what it is.
pub(crate) async fn run(arguments: Arguments) -> Result<bool> {
    let begun = Instant::now();
    let out = &arguments.out;
    let made = make_in_place(&arguments).await?;
    let (seconds, bytes) = (begun.elapsed().as_secs(), bytes_in(out)?);
    let Made { manifest, checkpoint, acts, chains } = made;
    let Checkpoint { size, root, .. } = checkpoint;
    if arguments.json {
        output::json(&json!({
            "directory": out, "origin": manifest.origin.as_str(), "year": arguments.year, "seed": arguments.seed,
            "scale": arguments.scale.to_string(), "acts": acts, "chains": chains, "tree_size": size.0,
            "root": root.to_string(), "seconds": seconds, "bytes": bytes,
        }))?;
    } else {
        line(format!("城市年已生成 · the city's year is made: {}", out.display()));
        line(format!("  标识 origin     {}", manifest.origin));
        line(format!("  行为 acts       {acts}，链 chains {chains}"));
        line(format!("  默克尔树 tree   大小 {size}，根 {root}"));
        line(format!("  用时 seconds    {seconds}，字节 bytes {bytes}"));
        line("凡密钥皆出自种子，此账本不保密 · every key follows from the seed; this ledger hides nothing");
    }
    Ok(true)
}

/// Makes a city in its directory: all of it, or nothing.
async fn make_in_place(arguments: &Arguments) -> Result<Made> {
    let out = &arguments.out;
    ensure!(
        !out.exists() || (out.is_dir() && fs::read_dir(out)?.next().is_none()),
        "`{0}` 已存在且非空 · `{0}` exists and is not empty",
        out.display()
    );
    let unfinished = Unfinished::begin(out)?;
    match make(&unfinished.layout(), arguments).await {
        Ok(made) => {
            unfinished.finish()?;
            Ok(made)
        }
        Err(error) => {
            unfinished.abandon();
            Err(error)
        }
    }
}

async fn make(layout: &Layout, arguments: &Arguments) -> Result<Made> {
    let Arguments { year, seed, scale, .. } = *arguments;
    let rule_set = format!("cn-{year}-fixture");
    ensure!(RuleSet::named(&rule_set).is_some(), "没有 {year} 年的规则集 · there is no rule set for the year {year}");
    let city = City::new(year.into(), seed, scale);
    let randomness = Randomness::Seeded(SeededEntropy::new(seed_of(year, seed, scale)));
    let clock = Arc::new(ScriptedClock::at(founded_at(&city)?));
    let founding = Founding {
        origin: ORIGIN.parse()?,
        rule_set,
        segment_bytes: SEGMENT_BYTES_DEFAULT,
        members: members(&city),
        suites: Suites::default(),
        valid_from: format!("{}-01-01", year.saturating_sub(5)),
        clock: Arc::clone(&clock) as Arc<dyn Clock>,
    };
    let config = Config::default();
    let manifest = founding::build(layout, &founding, &config, &randomness).await?;
    let open = Open::open(layout, &manifest, &config, &randomness, &clock).await?;
    let (acts, chains) = open.record(city, &clock).await?;
    let checkpoint = open.seal(layout, &manifest).await?;
    Ok(Made { manifest, checkpoint, acts, chains })
}

/// When the ledger of a city is founded, in milliseconds.
pub(crate) fn founded_at(city: &City) -> Result<i64> {
    let first = city.acts().next().context("规模太小，城市没有任何行为 · so small a city does nothing")?;
    Ok(first.1.recorded_at - FOUNDED_BEFORE_MS)
}

/// The agencies of a city.
pub(crate) fn members(city: &City) -> Vec<Member> {
    let members = city.members().iter().cloned();
    members
        .map(|member| Member { id: member.id, name: member.name, kind: member.kind, division: member.division })
        .collect()
}

/// Records a city into a ledger that its agencies, and maybe others, have founded under its origin, with keys that nobody can
/// guess. Nobody may be serving it. Answers how many acts and chains.
pub(crate) async fn record_into(
    layout: &Layout,
    manifest: &Manifest,
    config: &Config,
    city: City,
) -> Result<(u64, u64)> {
    let clock = Arc::new(ScriptedClock::at(founded_at(&city)?));
    let open = Open::open(layout, manifest, config, &Randomness::System, &clock).await?;
    let recorded = open.record(city, &clock).await?;
    open.seal(layout, manifest).await?;
    Ok(recorded)
}

/// The seed of every key and nonce. Another year or scale is another ledger, which must not sign with the same keys.
fn seed_of(year: u16, seed: u64, scale: Scale) -> [u8; 32] {
    let (numerator, denominator) = scale.ratio();
    let numbers = [u64::from(year), seed, numerator, denominator];
    let mut bytes = [0; 32];
    for (to, from) in bytes.iter_mut().zip(numbers.into_iter().flat_map(u64::to_be_bytes)) {
        *to = from;
    }
    bytes
}

/// The founded ledger, open to be written.
struct Open {
    log: Arc<Embedded>,
    vault: Arc<FileVault>,
    recorder: Arc<Recorder<Embedded, FileVault>>,
    disk: Arc<dyn Disk>,
}

impl Open {
    async fn open(
        layout: &Layout,
        manifest: &Manifest,
        config: &Config,
        randomness: &Randomness,
        clock: &Arc<ScriptedClock>,
    ) -> Result<Self> {
        let (origin, entropy) = (manifest.origin.as_str(), randomness.entropy());
        let disk: Arc<dyn Disk> = Arc::new(RealDisk);
        let options = Options {
            batch_records_max: BATCH_ACTS,
            batch_bytes_max: GROUP_BYTES,
            ..log_options(origin, manifest.segment_bytes, config, None)
        };
        let log = Arc::new(Embedded::open(Arc::clone(&disk), layout.root(), &options)?);
        let fatal = FatalHandler::default();
        let vault = FileVault::open_from(disk.as_ref(), &layout.vault(), origin, fatal, Arc::clone(&entropy))?;
        let vault = Arc::new(vault);
        let clock = Arc::clone(clock) as Arc<dyn Clock>;
        let ledger = Ledger::new(origin, &manifest.rule_set, Arc::clone(&log), Arc::clone(&vault), clock);
        let ledger = Arc::new(ledger.with_cipher(manifest.cipher));
        let registry = ledger.refresh_registry().await?;
        let signers = signers(layout, registry.directory().iter().map(|agency| agency.0))?;
        let recorder = Recorder::new(ledger, signers).with_entropy(entropy).with_folds_max(FOLDS_MAX);
        Ok(Self { log, vault, recorder: Arc::new(recorder), disk })
    }

    /// Records everything that the city does; answers how many acts and chains.
    async fn record(&self, city: City, clock: &ScriptedClock) -> Result<(u64, u64)> {
        let expected = city.acts().size_hint().1.unwrap_or_default();
        let bar = output::progress(expected as u64, "登记 record");
        // The city is told on a thread of its own while the acts before are recorded.
        let (told, mut acts) = mpsc::channel(2);
        let telling = tokio::task::spawn_blocking(move || tell(&city, &told));
        let (mut count, mut chains) = (0, 0);
        while let Some(acts) = acts.recv().await {
            count += acts.len() as u64;
            chains += acts.iter().filter(|(_, recorded)| recorded.revision == 0).count() as u64;
            self.record_together(acts, clock, &bar).await?;
        }
        telling.await.context("the city was not told to its end")?;
        bar.finish_and_clear();
        Ok((count, chains))
    }

    async fn record_together(
        &self,
        acts: Vec<([u8; 16], Recorded)>,
        clock: &ScriptedClock,
        bar: &ProgressBar,
    ) -> Result<()> {
        let directory = self.recorder.ledger().registry();
        clock.follow(acts.iter().map(|(_, recorded)| recorded.recorded_at));
        let places: Vec<(ChainId, u64)> =
            acts.iter().map(|(chain, recorded)| (ChainId(*chain), recorded.revision)).collect();
        let mut batch = Vec::with_capacity(acts.len());
        for (chain, recorded) in acts {
            let kind = directory.directory().kind(&recorded.agency);
            let kind = kind.with_context(|| format!("`{}` takes no part in the city", recorded.agency))?;
            let request = Request {
                chain: ChainId(chain),
                event_id: recorded.event_id,
                expected_revision: Some(Revision(recorded.revision)),
                occurred_at: recorded.occurred_at,
                act: recorded.act,
            };
            batch.push(Submitted { caller: Caller { agency: recorded.agency, kind }, request });
        }
        let recorded = self.recorder.record_batch(batch).await.map_err(|error| {
            let place = error.index().and_then(|index| places.get(index));
            let place = place
                .map_or_else(String::new, |(chain, revision)| format!("链 chain {chain}，第 revision {revision}："));
            anyhow::Error::new(error)
                .context(format!("{place}城市的行为未能登记 · an act of the city was not recorded"))
        })?;
        bar.inc(recorded.len() as u64);
        Ok(())
    }

    /// Seals everything, and closes. Nothing is left that tells of this process.
    async fn seal(self, layout: &Layout, manifest: &Manifest) -> Result<Checkpoint> {
        let sealing = || Sealing::of_manifest(layout, &self.disk, manifest);
        let (sealer, seals) = sealing()?.start(self.log.as_ref()).await?;
        let bar = output::progress(self.log.size().0, "封印 seal");
        let mut sealed = seals.watch();
        let until = async {
            // An error says that the sealer has stopped; what it says of itself comes below.
            drop(
                sealed
                    .wait_for(|size| {
                        bar.set_position(size.0);
                        *size >= self.log.size()
                    })
                    .await,
            );
        };
        sealer.run(until).await?;
        bar.finish_and_clear();
        let checkpoint = sealing()?.last()?.context("the sealer stored no checkpoint")?;
        ensure!(checkpoint.size == self.log.size(), "the sealer stopped before the end of the log");
        self.log.close().await;
        self.vault.close().await;
        // The locks hold the number of this process.
        for lock in [layout.root().join("log.lock"), layout.vault().join("lock")] {
            fs::remove_file(lock)?;
        }
        Ok(checkpoint)
    }
}

/// Tells the city's acts, many at a time, for as long as somebody listens.
fn tell(city: &City, told: &mpsc::Sender<Vec<([u8; 16], Recorded)>>) {
    let mut acts = city.acts();
    loop {
        let some: Vec<_> = acts.by_ref().take(BATCH_ACTS).collect();
        if some.is_empty() || told.blocking_send(some).is_err() {
            return;
        }
    }
}

/// Bytes of all files in a directory.
fn bytes_in(directory: &Path) -> Result<u64> {
    let mut bytes = 0;
    for file in fs::read_dir(directory)? {
        let file = file?;
        bytes += if file.file_type()?.is_dir() { bytes_in(&file.path())? } else { file.metadata()?.len() };
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests;
