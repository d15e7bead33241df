//! A ledger's directory that nobody serves, read chain by chain: every entry examined as a reader of the served ledger
//! examines it, every part opened that the vault opens.

use std::{
    fs::{self, File},
    path::Path,
};

use anyhow::{Context as _, Result, ensure};
use mediation_ledger::{
    chain::ChainId,
    checkpoint::Checkpoint,
    ledger::{CheckedEntry, Fold},
    merkle::Hash,
    registry::Registry,
};
use mediation_log_embedded::{LogReader, checkpoint::LAST, disk::RealDisk, scan::Expected, vault::VaultReader};

use crate::{command::verify::unserved, layout::Layout, manifest::Manifest};

/// A directory under audit. Takes some bytes of memory for each record; records are read when they are asked for.
#[derive(Debug)]
pub(crate) struct Archive {
    manifest: Manifest,
    log: LogReader,
    vault: VaultReader,
    registry: Registry,
    /// Held for as long as the directory is read.
    _lock: Option<File>,
}

impl Archive {
    /// Opens the directory of a ledger. The log must be whole and reach its last checkpoint.
    pub(crate) fn open(directory: &Path) -> Result<Self> {
        ensure!(directory.is_dir(), "`{}` is no directory", directory.display());
        let lock = unserved(directory)?;
        let layout = Layout::new(directory);
        let bytes = fs::read(layout.manifest())
            .with_context(|| format!("`{}` holds no ledger (no manifest)", directory.display()))?;
        let manifest = Manifest::open(&bytes).context("the manifest is damaged")?;
        let origin = manifest.origin.as_str().to_owned();
        let note = fs::read(layout.root().join(LAST)).context("there is no checkpoint")?;
        let signed = Checkpoint::open(&note, &manifest.origin, std::slice::from_ref(&manifest.log_key))?;
        let covered = Some((signed.checkpoint.size, signed.checkpoint.root));
        let expected = Expected { origin: origin.clone(), covered };
        let log = LogReader::open(&RealDisk, directory, &expected)?;
        let vault = VaultReader::open(&RealDisk, &layout.vault(), &origin)?;
        let mut archive = Self { manifest, log, vault, registry: Registry::default(), _lock: lock };
        let (_, registry) = archive.examine(ChainId::registry(&origin))?;
        archive.registry = registry.context("the registry chain founds no ledger")?;
        ensure!(
            archive.registry.genesis() == Some(archive.manifest.genesis),
            "the log does not begin with the genesis that the manifest pins"
        );
        Ok(archive)
    }

    /// What the ledger is.
    pub(crate) fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// Who takes part.
    pub(crate) fn registry(&self) -> &Registry {
        &self.registry
    }

    /// The log.
    pub(crate) fn log(&self) -> &LogReader {
        &self.log
    }

    /// The entries of a chain, examined.
    pub(crate) fn chain(&self, chain: ChainId) -> Result<Vec<CheckedEntry>> {
        Ok(self.examine(chain)?.0)
    }

    fn examine(&self, chain: ChainId) -> Result<(Vec<CheckedEntry>, Option<Registry>)> {
        let mut fold = Fold::new(chain);
        let origin = self.manifest.origin.as_str();
        let stored = self.log.chain(chain).with_context(|| format!("chain {chain}"))?;
        let entries = stored.iter().map(|stored| {
            let key = |digest: Hash| self.vault.key(chain, digest).ok().flatten();
            fold.place_record(origin, &self.registry, stored.revision, &stored.record, &key)
        });
        let entries = entries.collect();
        Ok((entries, fold.registry().cloned()))
    }
}
