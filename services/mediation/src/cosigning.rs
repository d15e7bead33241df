//! The witnesses of a process's log: who they are, and what they have cosigned before.

use std::{path::PathBuf, sync::Arc, time::Duration};

use anyhow::{Context as _, Result};
use mediation_gateway::courier::HttpCourier;
use mediation_ledger::{
    checkpoint::{Checkpoint, SignedCheckpoint},
    note::VerifierKey,
    policy::Policy,
};
use mediation_log_embedded::{
    disk::Disk,
    witnessed::{WITNESSED, WitnessedFile},
};
use mediation_projections::{
    sealer::Seals,
    witnesses::{Cosigned, Options, Witnesses, witnessed},
};

use crate::{config::WitnessesConfig, contents, layout::Layout, manifest::Manifest};

/// What a process needs to collect cosignatures.
#[derive(Debug)]
pub(crate) struct Cosigning {
    /// Keys that sign the log's checkpoints; the policy names one of them.
    log: Vec<VerifierKey>,
    store: Arc<WitnessedFile>,
    /// A checkpoint that was witnessed once: the log and every tree must extend it.
    pub(crate) extends: Option<Checkpoint>,
    /// None: the configuration names no witnesses.
    asked: Option<Asked>,
}

#[derive(Debug)]
struct Asked {
    policy: Policy,
    courier: Arc<HttpCourier>,
    current: Option<SignedCheckpoint>,
    options: Options,
}

impl Cosigning {
    /// Reads the policy, and the checkpoint that was witnessed last: also one that only an earlier key of the log has
    /// signed. Paths are below the ledger's directory.
    pub(crate) fn open(
        layout: &Layout,
        disk: Arc<dyn Disk>,
        config: &WitnessesConfig,
        manifest: &Manifest,
        log: Vec<VerifierKey>,
    ) -> Result<Self> {
        let (origin, stored_keys) = (&manifest.origin, manifest.stored_keys(layout));
        let read = |path: &PathBuf| {
            let path = layout.root().join(path);
            contents::read(&path).with_context(|| format!("cannot read `{}`", path.display()))
        };
        let store = Arc::new(WitnessedFile::new(disk, layout.state().to_owned()));
        let unusable = || format!("`{}` cannot be gone on from", layout.state().join(WITNESSED).display());
        let Some(path) = &config.policy else {
            // Witnesses who are asked no more still hold what they have cosigned.
            let nobody: Policy = format!("log {}\nquorum none\n", manifest.log_key).parse()?;
            let stored = witnessed(store.as_ref(), origin, &stored_keys, &nobody).with_context(unusable)?;
            let extends = stored.map(|stored| stored.checkpoint);
            return Ok(Self { log, store, extends, asked: None });
        };
        let policy = Policy::parse(&read(path)?).with_context(|| format!("`{}` is no policy", path.display()))?;
        let stored = witnessed(store.as_ref(), origin, &stored_keys, &policy).with_context(unusable)?;
        let (extends, current) = stored.map(|stored| (stored.checkpoint, stored.current)).unzip();
        let courier = HttpCourier::new(config.authorities.as_ref().map(read).transpose()?.as_deref())?;
        let options = Options {
            grace: Duration::from_millis(config.grace_ms),
            timeout: Duration::from_millis(config.timeout_ms),
            lag_limit: Duration::from_secs(config.lag_limit_s),
        };
        let asked = Asked { policy, courier: Arc::new(courier), current: current.flatten(), options };
        Ok(Self { log, store, extends, asked: Some(asked) })
    }

    /// Whom to ask, how, and for how long; none when the configuration names no witnesses.
    pub(crate) fn asked(&self) -> Option<(&Policy, &HttpCourier, Duration)> {
        self.asked.as_ref().map(|asked| (&asked.policy, asked.courier.as_ref(), asked.options.timeout))
    }

    /// Prepares to collect cosignatures of what these seals publish; no collector when there are no witnesses.
    pub(crate) fn prepare(self, seals: &Seals) -> Result<(Option<Witnesses<HttpCourier>>, Cosigned)> {
        let Some(Asked { policy, courier, current, options }) = self.asked else {
            return Ok((None, Cosigned::by_nobody(seals.clone())));
        };
        let (witnesses, cosigned) =
            Witnesses::new(policy, &self.log, seals.clone(), &courier, self.store, current, options)?;
        Ok((Some(witnesses), cosigned))
    }
}
