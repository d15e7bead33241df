//! Entering acts about keys into the registry chain, by root keys, which no desk holds: of a ledger that nobody serves, or of
//! one whose log is shared.

use std::{collections::BTreeMap, path::Path, sync::Arc};

use anyhow::{Context as _, Result, bail, ensure};
use mediation_domain::{admit::Caller, history::EventId};
use mediation_ledger::{
    chain::ChainId,
    clock::{Clock as _, SystemClock},
    key::Signer,
    ledger::Ledger,
    recorder::{Recorder, Request},
    registry::Registry,
};
use mediation_log_embedded::{
    Embedded,
    disk::{Disk, RealDisk},
};
#[cfg(feature = "kurrentdb")]
use mediation_log_kurrentdb::KurrentLog;
use mediation_proto::{fields::kind_of_event, json::act_from_json};
use serde_json::{Map, Value, json};

#[cfg(feature = "kurrentdb")]
use crate::cluster;
use crate::{
    backend::{AnyLog, AnyVault},
    config::Config,
    layout::Layout,
    manifest::Manifest,
    process,
    restored::Restored,
    sealing::Sealing,
};

/// A ledger's directory, so that registry acts can be entered.
#[derive(Debug)]
pub(crate) struct Registrar {
    pub(crate) layout: Layout,
    pub(crate) manifest: Manifest,
    ledger: Arc<Ledger<AnyLog, AnyVault>>,
}

impl Registrar {
    /// Whether the log of a directory is shared.
    pub(crate) fn is_shared(directory: &Path) -> bool {
        Config::read(&Layout::new(directory).config()).is_ok_and(|config| config.kurrentdb.is_some())
    }

    /// Opens a directory: one that nobody serves, unless its log is shared.
    pub(crate) async fn open(directory: &Path) -> Result<Self> {
        let layout = Layout::new(directory);
        let manifest = Manifest::read(&layout)?;
        let config = Config::read(&layout.config())?;
        let origin = manifest.origin.as_str();
        let log = open_log(&layout, &config, &manifest).await?;
        let vault = AnyVault::open(&layout, &config, &RealDisk, origin)?;
        let ledger = Ledger::new(origin, &manifest.rule_set, Arc::new(log), Arc::new(vault), Arc::new(SystemClock));
        let ledger = Arc::new(ledger.with_cipher(manifest.cipher));
        let registrar = Self { layout, manifest, ledger };
        let registry = registrar.ledger.refresh_registry().await?;
        ensure!(
            registry.genesis() == Some(registrar.manifest.genesis),
            "the log does not begin with the genesis that the manifest pins"
        );
        Ok(registrar)
    }

    /// The registry as it stands.
    pub(crate) fn registry(&self) -> Arc<Registry> {
        self.ledger.registry()
    }

    /// Records an act of an agency on the registry chain, durably.
    pub(crate) async fn enter(&self, agency: &str, signer: Arc<dyn Signer>, event: &str, data: Value) -> Result<()> {
        let kind = self.registry().directory().kind(agency);
        let kind = kind.with_context(|| format!("`{agency}` does not take part in this ledger"))?;
        let (event_kind, now_ms) =
            (kind_of_event(event).with_context(|| format!("no act `{event}`"))?, SystemClock.now_ms());
        let header = Map::from_iter([
            ("signer".to_owned(), json!(format!("{agency}/SYS-1"))),
            ("signer_role".to_owned(), json!("SYS")),
        ]);
        let Value::Object(data) = data else { bail!("the fields of an act are an object") };
        let request = Request {
            chain: ChainId::registry(self.ledger.origin()),
            event_id: EventId(uuid::Uuid::now_v7().into_bytes()),
            expected_revision: None,
            occurred_at: now_ms.div_euclid(1000),
            act: act_from_json(event_kind, &header, &data, &|_| None)?,
        };
        let recorder = Recorder::new(Arc::clone(&self.ledger), BTreeMap::from([(agency.to_owned(), signer)]));
        let recorded = recorder.record(&Caller { agency: agency.to_owned(), kind }, &request).await;
        recorded.with_context(|| format!("`{event}` of `{agency}` is refused · 账本拒绝该行为"))?;
        self.ledger.refresh_registry().await?;
        Ok(())
    }

    /// Seals what was entered, and gives the directory back.
    pub(crate) async fn close(self) -> Result<()> {
        match self.ledger.log().as_ref() {
            AnyLog::Embedded(log) => {
                let disk: Arc<dyn Disk> = Arc::new(RealDisk);
                let sealing = Sealing::of_manifest(&self.layout, &disk, &self.manifest)?.signing(&self.registry())?;
                let (sealer, seals) = sealing.start(log.as_ref()).await?;
                sealer.run(seals.reached(log.size())).await?;
            }
            // What stands on a shared log, others seal.
            #[cfg(feature = "kurrentdb")]
            AnyLog::Kurrentdb(..) => {}
        }
        self.ledger.log().close().await;
        self.ledger.vault().close().await;
        Ok(())
    }
}

/// The log that the directory's configuration names.
async fn open_log(layout: &Layout, config: &Config, manifest: &Manifest) -> Result<AnyLog> {
    #[cfg(feature = "kurrentdb")]
    if let Some(named) = &config.kurrentdb {
        return Ok(AnyLog::Kurrentdb(KurrentLog::open(cluster::options(layout.root(), named)?).await?, None));
    }
    ensure!(
        config.kurrentdb.is_none(),
        "this program is built without the feature `kurrentdb` · 本程序未包含 kurrentdb 功能"
    );
    Restored::refuse(layout)?;
    let disk: Arc<dyn Disk> = Arc::new(RealDisk);
    let covered = Sealing::of_manifest(layout, &disk, manifest)?.last()?;
    let options = process::log_options(manifest.origin.as_str(), manifest.segment_bytes, config, covered.as_ref());
    let log = Embedded::open(disk, layout.root(), &options)
        .context("the ledger cannot be opened; stop serving it first · 请先停止账本服务")?;
    Ok(AnyLog::Embedded(Arc::new(log)))
}
