//! Entering acts about keys into the registry chain of a ledger that nobody serves: by root keys, which no desk holds.

use std::{collections::BTreeMap, fs, path::Path, sync::Arc};

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
    Embedded, FatalHandler,
    disk::{Disk, RealDisk},
    vault::FileVault,
};
use mediation_proto::{fields::kind_of_event, json::act_from_json};
use serde_json::{Map, Value, json};

use crate::{config::Config, layout::Layout, manifest::Manifest, process, sealing::Sealing};

/// A ledger's directory, held alone, so that registry acts can be entered.
#[derive(Debug)]
pub(crate) struct Registrar {
    pub(crate) layout: Layout,
    pub(crate) manifest: Manifest,
    log: Arc<Embedded>,
    vault: Arc<FileVault>,
    ledger: Arc<Ledger<Embedded, FileVault>>,
}

impl Registrar {
    /// Opens a directory that nobody serves.
    pub(crate) async fn open(directory: &Path) -> Result<Self> {
        let layout = Layout::new(directory);
        let bytes = fs::read(layout.manifest())
            .with_context(|| format!("`{}` holds no ledger (no manifest)", directory.display()))?;
        let manifest = Manifest::open(&bytes).context("the manifest is damaged")?;
        let config = Config::read(&layout.config())?;
        let disk: Arc<dyn Disk> = Arc::new(RealDisk);
        let covered = Sealing::of_manifest(&layout, &disk, &manifest)?.last()?;
        let origin = manifest.origin.as_str();
        let options = process::log_options(origin, manifest.segment_bytes, &config, covered.as_ref());
        let log = Embedded::open(Arc::clone(&disk), directory, &options)
            .context("the ledger cannot be opened; stop serving it first · 请先停止账本服务")?;
        let (log, clock) = (Arc::new(log), Arc::new(SystemClock));
        let vault = Arc::new(FileVault::open(disk.as_ref(), &layout.vault(), origin, FatalHandler::default())?);
        let ledger = Ledger::new(origin, &manifest.rule_set, Arc::clone(&log), Arc::clone(&vault), clock);
        let registrar = Self { layout, manifest, log, vault, ledger: Arc::new(ledger) };
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
        let disk: Arc<dyn Disk> = Arc::new(RealDisk);
        let sealing = Sealing::of_manifest(&self.layout, &disk, &self.manifest)?.signing(&self.registry())?;
        let (sealer, seals) = sealing.start(self.log.as_ref()).await?;
        sealer.run(seals.reached(self.log.size())).await?;
        self.log.close().await;
        self.vault.close().await;
        Ok(())
    }
}
