//! A running ledger: log, vault, sealer, clock keeper and services of one process, opened in order and closed in the
//! reverse order.

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    num::NonZeroU32,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use anyhow::{Context as _, Result};
use mediation_desk::{
    health::Health,
    listener::{TlsFiles, tls_config},
    node::{Node, Readings, Scope},
    server::{self, Served},
    subjects::Pseudonyms,
    vault::Custodian,
};
use mediation_domain::calendar::Day;
use mediation_gateway::courier::HttpCourier;
use mediation_ledger::{checkpoint::Checkpoint, clock::Clock, key::Signer, recorder::Recorder, registry::Registry};
use mediation_log_embedded::Options;
use mediation_projections::{
    eraser::Eraser,
    keeper::Keeper,
    model::{Model, Reader},
    sealer::Seals,
    texts::Texts,
    witnesses::Witnesses,
};
use mediation_proto::mediation::types::v1::AgencyKind;
use tokio::{
    net::TcpListener,
    runtime::Handle,
    sync::watch,
    task::{JoinError, JoinHandle, JoinSet},
};

use self::{background::Background, opened::Opened, scrubbing::Scrubber};
pub(crate) use self::{
    erasing::{Erasure, erase},
    modelling::rebuild,
};
use crate::{
    backend::{AnyLog, AnyVault},
    command::{key::finish, rules::known},
    config::{Config, Role, Signing},
    contents,
    keys::{self, PrivateKey},
    layout::Layout,
    log_http,
    manifest::Manifest,
    metrics::{Measured, Metrics, Sources},
    probes::Probes,
    timestamps::Stamper,
    traces,
};

/// Options of the embedded log of a ledger.
pub(crate) fn log_options(origin: &str, segment_bytes: u64, config: &Config, covered: Option<&Checkpoint>) -> Options {
    Options {
        segment_bytes,
        queue_capacity: config.log.queue_capacity,
        covered: covered.map(|checkpoint| (checkpoint.size, checkpoint.root)),
        ..Options::new(origin)
    }
}

/// Time that requests under way, and seals, are waited for when the process stops.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(10);

/// A ledger that serves.
#[derive(Debug)]
pub(crate) struct Process {
    /// Address it listens on.
    pub(crate) address: SocketAddr,
    /// Address of the log over HTTP; none when the configuration says so.
    pub(crate) log_http: Option<SocketAddr>,
    /// What it is.
    pub(crate) manifest: Manifest,
    stop: watch::Sender<bool>,
    stop_sealer: watch::Sender<bool>,
    server: JoinHandle<Result<()>>,
    probes: Probes,
    sealer: JoinHandle<Result<()>>,
    /// Serves the log over HTTP, and collects cosignatures; each only as the configuration says.
    witnessing: JoinHandle<Result<()>>,
    /// None when the configuration says so.
    keeper: Option<JoinHandle<Result<()>>>,
    /// None where the vault is another process's.
    eraser: Option<JoinHandle<Result<()>>>,
    /// Asks the model.
    index: Option<Reader>,
    /// The stamper, the scrub, the read model and the index of texts, as far as there are any.
    beside: JoinSet<()>,
    node: Arc<Node<AnyLog, AnyVault>>,
    /// Streams, the keeper and what runs beside the services run in it.
    _background: Background,
}

impl Process {
    /// Opens the ledger of a directory and serves it.
    pub(crate) async fn start(directory: &Path, config: &Config, clock: Arc<dyn Clock>) -> Result<Self> {
        let layout = Layout::new(directory).with_state(config.state.as_deref());
        let manifest = read_manifest(&layout)?;
        let Opened { ledger, registry, seals, sealer, cosigning, trusted, erased } =
            Opened::open(&layout, config, &manifest, Arc::clone(&clock)).await?;
        let (stop, _) = watch::channel(false);
        let (stop_sealer, _) = watch::channel(false);
        let sealer = tokio::spawn(sealer.run(stop_sealer.subscribe()));
        let log = Arc::clone(ledger.log());
        let recorder = Arc::new(Recorder::new(ledger, held(&layout, config.signing, &registry)?));
        let readings = readings(&layout, config.signing, &registry, &recorder)?;
        let keeper = keeper(config, &recorder).await?;
        let eraser = match (&readings, erased) {
            // Where callers sign, the keys of the governance centers that lie here say that keys are gone.
            (Readings::Here(signing), Some(erased)) => Some(Eraser::start(Arc::clone(signing), erased).await?),
            (Readings::Here(_) | Readings::Elsewhere(_), _) => None,
        };
        let model = modelling::of(&layout, config, recorder.ledger(), trusted);
        let texts = model.as_ref().and_then(|_| modelling::texts(config, recorder.ledger()));
        let stamper = config.timestamps.as_ref().map(|config| Stamper::new(seals.clone(), config, layout.timestamps()));
        let stamper = stamper.transpose()?;
        let scrubber = scrubber(&layout, config, &log, &seals, Arc::clone(&clock));
        let scrubbed = scrubber.as_ref().map(Scrubber::standing);
        let (witnesses, cosigned) = cosigning.prepare(&seals)?;
        let until = stopped(stop_sealer.subscribe());
        let served = log_http::start(&config.log_http, log, seals.clone(), cosigned.clone(), until).await?;
        let (log_http, served) = served.unzip();
        let witnessing = tokio::spawn(witness(witnesses, served, stop_sealer.subscribe()));
        let (index, searched) = (model.as_ref().map(Model::reader), texts.as_ref().map(Texts::reader));
        let background = Background::start().context("no threads for background work")?;
        let aside = background.handle();
        let scope = Scope { index: index.clone(), texts: searched, background: Some(aside.clone()), ..scope(config) };
        // The vault of one machine is asked by nobody else.
        let shares_vault = config.kurrentdb.is_some() && config.roles.contains(&Role::Vault);
        let custodian = shares_vault.then(|| Custodian::new(Arc::clone(recorder.ledger())));
        let node = Node::within(recorder, readings, seals, cosigned, scope);
        let (listener, address, identity) = listen(config.listen, &layout).await?;
        let (tls, health) = (tls_config(&identity).with_context(|| files(&layout))?, Health::default());
        let sources = Sources::new(&layout, config, Arc::clone(&node), index.clone(), scrubbed);
        let (metrics, exporter) = measured(config, &manifest, sources, clock.as_ref())?;
        let probes =
            Probes::start(config.health.as_ref(), Arc::clone(&node), health.clone(), Arc::clone(&metrics)).await?;
        let pseudonyms = pseudonyms(&layout, config, &node)?;
        let limits = config.limits.limits();
        let served = Served { node: Some(Arc::clone(&node)), vault: custodian, pseudonyms, limits };
        let until = stop.subscribe();
        let requests = metrics.metrics.requests.clone();
        let serving = server::serve(served, listener, tls, health, requests, stopped(until));
        let server = tokio::spawn(async move { Ok(serving.await?) });
        // Last: nothing is noted by a process that could not start.
        let keeper = keeper.map(|keeper| aside.spawn(done(keeper.run(stopped(stop.subscribe())))));
        let eraser = eraser.map(|eraser| tokio::spawn(done(eraser.run(stopped(stop.subscribe())))));
        let beside = beside(&aside, &stop, (stamper, exporter), scrubber, model, texts);
        Ok(Self {
            address,
            log_http,
            manifest,
            stop,
            stop_sealer,
            server,
            sealer,
            witnessing,
            keeper,
            eraser,
            index,
            beside,
            probes,
            node,
            _background: background,
        })
    }

    /// Address of the listener for probes; none when the configuration says so.
    pub(crate) fn health(&self) -> Option<SocketAddr> {
        self.probes.address
    }

    /// Whether every chain is judged as of the end of a day, for who searches.
    pub(crate) async fn is_judged_as_of(&self, day: Day) -> bool {
        let Some(index) = &self.index else { return false };
        index.judged_as_of().await.is_ok_and(|judged| judged == Some(day.to_string()))
    }

    /// The seals of this process.
    pub(crate) fn seals(&self) -> &Seals {
        self.node.seals()
    }

    /// Waits until the process fails by itself: a server, sealer or keeper that ends without being told to.
    pub(crate) async fn failed(&mut self) -> Result<()> {
        tokio::select! {
            ended = ended(self.eraser.as_mut()) => ended?.context("the eraser stopped"),
            ended = &mut self.server => ended?.context("the server stopped"),
            ended = &mut self.sealer => ended?.context("the sealer stopped"),
            ended = &mut self.witnessing => ended?.context("the witnessing stopped"),
            ended = self.probes.failed() => ended.context("the listener for probes stopped"),
            ended = ended(self.keeper.as_mut()) => ended?.context("the clock keeper stopped"),
        }
    }

    /// Stops: no new requests, those under way finish, everything recorded is sealed and synced.
    pub(crate) async fn stop(mut self) -> Result<()> {
        self.stop.send_replace(true);
        match tokio::time::timeout(DRAIN_TIMEOUT, &mut self.server).await {
            Ok(ended) => ended??,
            Err(_) => {
                tracing::warn!("open streams did not end in time and are cut");
                self.server.abort();
            }
        }
        if let Some(keeper) = self.keeper {
            // It is told to stop with the server, and drops what it is about: the next keeper notes it.
            keeper.await??;
        }
        if let Some(eraser) = self.eraser {
            // It drops what it is about: the next one goes on with it.
            eraser.await??;
        }
        // Each drops what it is about. The next process goes on with it: the model from its file, the stamper with what is sealed by
        // then, the scrub where it was. Of the index of texts nothing is kept.
        while let Some(ended) = self.beside.join_next().await {
            ended?;
        }
        self.node.flush_refusals().await;
        let log = Arc::clone(self.node.ledger().log());
        let size = log.to_be_sealed();
        // What is recorded is sealed before the sealer is told to stop; one that hangs is not waited for for ever.
        if tokio::time::timeout(DRAIN_TIMEOUT, self.node.seals().reached(size)).await.is_err() {
            tracing::warn!("not everything is sealed; the next start goes on with it");
        }
        self.stop_sealer.send_replace(true);
        self.witnessing.await??;
        self.sealer.await??;
        log.close().await;
        self.node.ledger().vault().close().await;
        Ok(())
    }
}

/// What a process counts and, where the configuration says so, traces; and what sends that.
fn measured(
    config: &Config,
    manifest: &Manifest,
    mut sources: Sources,
    clock: &dyn Clock,
) -> Result<(Arc<Measured>, Option<traces::Exporter>)> {
    let mut metrics = Metrics::new(clock);
    let Some(config) = &config.traces else { return Ok((Arc::new(Measured { metrics, sources }), None)) };
    let (traces, exporter, spans) = traces::start(config, manifest.origin.as_str())?;
    metrics.requests = metrics.requests.clone().traced(traces);
    sources.spans = Some(spans);
    Ok((Arc::new(Measured { metrics, sources }), Some(exporter)))
}

/// Starts what runs beside the services, and behind them, as far as this process has it: the sender of traces, the stamper, the scrub, the read model, the
/// index of texts.
fn beside(
    aside: &Handle,
    stop: &watch::Sender<bool>,
    (stamper, exporter): (Option<Stamper>, Option<traces::Exporter>),
    scrubber: Option<Scrubber>,
    model: Option<Model<AnyLog, AnyVault>>,
    texts: Option<Texts<AnyLog, AnyVault>>,
) -> JoinSet<()> {
    let mut beside = JoinSet::new();
    let until = || stopped(stop.subscribe());
    exporter.into_iter().for_each(|exporter| drop(beside.spawn_on(exporter.run(until()), aside)));
    stamper.into_iter().for_each(|stamper| drop(beside.spawn_on(stamper.run(until()), aside)));
    scrubber.into_iter().for_each(|scrubber| drop(beside.spawn_on(scrubber.run(until()), aside)));
    model.into_iter().for_each(|model| drop(beside.spawn_on(model.run(until()), aside)));
    texts.into_iter().for_each(|texts| drop(beside.spawn_on(texts.run(until()), aside)));
    beside
}

/// The clock keeper, where this process has that role.
async fn keeper(
    config: &Config,
    recorder: &Arc<Recorder<AnyLog, AnyVault>>,
) -> Result<Option<Keeper<AnyLog, AnyVault>>> {
    if !config.keeper.enabled || !config.roles.contains(&Role::Keeper) {
        return Ok(None);
    }
    Ok(Some(Keeper::start(Arc::clone(recorder)).await?))
}

/// The scrub, of a log on this machine.
fn scrubber(layout: &Layout, config: &Config, log: &AnyLog, seals: &Seals, clock: Arc<dyn Clock>) -> Option<Scrubber> {
    let log = log.embedded().filter(|_| config.scrub.every_days > 0)?;
    Some(Scrubber::new(layout.root(), layout.scrub(), log, seals.clone(), &config.scrub, clock))
}

/// Whom the node answers, and how much.
fn scope(config: &Config) -> Scope {
    let serves_some = config.desks.as_ref().is_none_or(|desks| !desks.is_empty());
    Scope {
        desks: config.desks.clone(),
        agencies: config.agencies.clone(),
        chains: serves_some || config.roles.contains(&Role::Audit) || config.roles.contains(&Role::Vault),
        quota: config.quotas.quota(),
        exports_max: config.exports.chains_per_month_max,
        index: None,
        texts: None,
        background: None,
    }
}

/// The listener of the services, its address, and the identity that is shown on it.
async fn listen(address: SocketAddr, layout: &Layout) -> Result<(TcpListener, SocketAddr, TlsFiles)> {
    let listener = TcpListener::bind(address).await.with_context(|| format!("cannot listen on {address}"))?;
    let address = listener.local_addr()?;
    let read = |path: PathBuf| contents::read(&path).with_context(|| format!("cannot read `{}`", path.display()));
    let identity = TlsFiles {
        certificates: read(layout.server_certificate())?,
        key: read(layout.server_key())?,
        client_authorities: read(layout.authority())?,
    };
    Ok((listener, address, identity))
}

/// What is said of the files of the listener's identity when they do not make one.
fn files(layout: &Layout) -> String {
    let [certificate, key, authority] = [layout.server_certificate(), layout.server_key(), layout.authority()];
    let (certificate, key, authority) = (certificate.display(), key.display(), authority.display());
    format!("no identity can be made of `{certificate}`, `{key}` and `{authority}`")
}

/// Runs until told to stop; ends earlier only when the collector or the listener does.
async fn witness(
    witnesses: Option<Witnesses<HttpCourier>>,
    served: Option<JoinHandle<()>>,
    stop: watch::Receiver<bool>,
) -> Result<()> {
    let collected = async {
        match witnesses {
            Some(witnesses) => Ok(witnesses.run(stopped(stop.clone())).await?),
            None => {
                stopped(stop.clone()).await;
                Ok(())
            }
        }
    };
    let served = async {
        match served {
            Some(served) => Ok(served.await?),
            None => {
                stopped(stop.clone()).await;
                Ok(())
            }
        }
    };
    tokio::try_join!(collected, served).map(|((), ())| ())
}

/// Work, with its error as everything else has it here.
async fn done<E: Into<anyhow::Error>>(work: impl Future<Output = Result<(), E>>) -> Result<()> {
    work.await.map_err(Into::into)
}

/// How a task ended; one that was not started never does.
async fn ended(task: Option<&mut JoinHandle<Result<()>>>) -> Result<Result<()>, JoinError> {
    match task {
        Some(task) => task.await,
        None => std::future::pending().await,
    }
}

/// Resolves when a stop is told.
pub(crate) async fn stopped(mut stop: watch::Receiver<bool>) {
    // An error says that the process is gone; that is a stop as well.
    drop(stop.wait_for(|stop| *stop).await);
}

fn read_manifest(layout: &Layout) -> Result<Manifest> {
    let manifest = Manifest::read(layout)?;
    known(&manifest.rule_set).context("this program is not the one to serve the ledger")?;
    Ok(manifest)
}

/// The signing keys that a process holds. A rotation that a crash has cut short after the log named the new key is
/// finished first.
fn held(layout: &Layout, signing: Signing, registry: &Registry) -> Result<BTreeMap<String, Arc<dyn Signer>>> {
    let agencies = || registry.directory().iter().map(|(agency, _)| agency);
    for agency in agencies() {
        finish(layout, agency, registry)?;
    }
    match signing {
        Signing::Desk => signers(layout, agencies()),
        Signing::Caller => Ok(BTreeMap::new()),
    }
}

/// Where it is decided what readers see, and under which keys it is recorded that they read. Where callers sign, the keys of the
/// governance centers that lie here sign that alone.
fn readings(
    layout: &Layout,
    signing: Signing,
    registry: &Registry,
    recorder: &Arc<Recorder<AnyLog, AnyVault>>,
) -> Result<Readings<AnyLog, AnyVault>> {
    let ledger = recorder.ledger();
    if let Some(vault) = ledger.vault().elsewhere() {
        return Ok(Readings::Elsewhere(vault));
    }
    Ok(Readings::Here(match signing {
        Signing::Desk => Arc::clone(recorder),
        Signing::Caller => {
            let is_center = |kind| kind == AgencyKind::GovernanceCenter;
            let centers = registry.directory().iter().filter(|(_, agency)| is_center(agency.kind));
            let signers = signers(layout, centers.map(|(agency, _)| agency))?;
            Arc::new(Recorder::new(Arc::clone(ledger), signers))
        }
    }))
}

/// What makes pseudonyms, in the process that holds the vault.
fn pseudonyms(layout: &Layout, config: &Config, node: &Node<AnyLog, AnyVault>) -> Result<Option<Arc<Pseudonyms>>> {
    let path = layout.subject_key();
    let is_here = node.ledger().vault().elsewhere().is_none();
    if is_here && !path.exists() {
        tracing::warn!(path = %path.display(), "no key for pseudonyms");
    }
    let Some(per_minute) = NonZeroU32::new(config.quotas.subjects_per_minute).filter(|_| is_here && path.exists())
    else {
        return Ok(None);
    };
    Ok(Some(Arc::new(Pseudonyms::new(keys::read_subject_key(&path)?, per_minute))))
}

/// The signing keys that lie in a ledger's directory, by agency.
pub(crate) fn signers<'a>(
    layout: &Layout,
    agencies: impl Iterator<Item = &'a str>,
) -> Result<BTreeMap<String, Arc<dyn Signer>>> {
    let mut signers = BTreeMap::new();
    for agency in agencies {
        let path = layout.signing_key(agency);
        if path.exists() {
            signers.insert(agency.to_owned(), PrivateKey::read(&path)?.into_signer());
        }
    }
    Ok(signers)
}

mod background;
mod erasing;
mod modelling;
mod opened;
pub(crate) mod scrubbing;
#[cfg(test)]
mod tests;
