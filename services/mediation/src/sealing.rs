//! What seals the log of a directory: its keys, its checkpoint files, and with a twin those of the twin.

use std::sync::Arc;

use anyhow::{Context as _, Result, ensure};
use ed25519_dalek::SigningKey;
use mediation_ledger::{
    checkpoint::Checkpoint,
    key::Signer,
    log::{Cursor, Log},
    note::{KeyName, Note, VerifierKey},
    registry::Registry,
    store::CheckpointStore,
};
use mediation_log_embedded::{
    checkpoint::{CheckpointFiles, TWIN},
    disk::Disk,
};
use mediation_projections::sealer::{FoundLeaves, LogSigner, Sealer, Seals, Twin, last_checkpoint};

use crate::{
    keys::{self, PrivateKey},
    layout::Layout,
    manifest::Manifest,
};

/// Keys and checkpoint files of a log.
#[derive(Debug)]
pub(crate) struct Sealing {
    signer: LogSigner,
    store: Arc<dyn CheckpointStore>,
    twin: Option<Twin>,
}

impl Sealing {
    /// With these keys; the SM2 key is that of a ledger with a twin. One key of the log, or two while one replaces the other.
    pub(crate) fn open(
        layout: &Layout,
        disk: &Arc<dyn Disk>,
        origin: &KeyName,
        keys: Vec<SigningKey>,
        sm2: Option<Arc<dyn Signer>>,
    ) -> Result<Self> {
        let store = tree_files(layout, disk);
        let signer = LogSigner::new(origin.clone(), keys);
        let Some(sm2) = sm2 else { return Ok(Self { signer, store, twin: None }) };
        let twin = Twin::open(origin, Arc::clone(&sm2), twin_files(layout, disk))?;
        Ok(Self { signer: signer.and(sm2), store, twin: Some(twin) })
    }

    /// With the keys that lie in the directory. Which of them may sign only the registry says: see
    /// [`signing`](Self::signing).
    pub(crate) fn of_manifest(layout: &Layout, disk: &Arc<dyn Disk>, manifest: &Manifest) -> Result<Self> {
        let mut log_keys = vec![keys::read(&layout.log_key())?];
        if layout.next_log_key().exists() {
            log_keys.push(keys::read(&layout.next_log_key())?);
        }
        let sm2 = manifest.twin_key.as_ref().map(|named| twin_signer(layout, named)).transpose()?;
        Self::open(layout, disk, &manifest.origin, log_keys, sm2)
    }

    /// Signs only with the log keys that the registry names and has not retired.
    pub(crate) fn signing(mut self, registry: &Registry) -> Result<Self> {
        self.signer = self.signer.signing(registry);
        ensure!(
            self.signer.has_keys(),
            "no log key lies here that the registry names · 目录中没有登记链所载的日志密钥"
        );
        Ok(self)
    }

    /// The last checkpoint of the tree over SHA-256.
    pub(crate) fn last(&self) -> Result<Option<Checkpoint>> {
        Ok(last_checkpoint(&self.signer, self.store.as_ref())?)
    }

    /// The note of the last checkpoint of the tree over SHA-256 that is on the disk.
    pub(crate) fn stored(&self) -> Result<Note> {
        let synced = self.store.load()?.synced.context("there is no checkpoint")?;
        Ok(Note::parse(synced.as_bytes())?)
    }

    /// The keys by which the checkpoints of the tree over SHA-256 are verified: all sign, any will do.
    pub(crate) fn verifiers(&self) -> Result<Vec<VerifierKey>> {
        Ok(self.signer.verifiers()?)
    }

    /// What a sealer on a shared log takes: who signs, where the last checkpoint is kept, the twin.
    #[cfg(feature = "kurrentdb")]
    pub(crate) fn into_parts(self) -> (LogSigner, Arc<dyn CheckpointStore>, Option<Twin>) {
        (self.signer, self.store, self.twin)
    }

    /// A sealer of the log.
    pub(crate) async fn start<L: Log>(self, log: &L) -> Result<(Sealer<L::Follower>, Seals)> {
        self.start_behind(log, FoundLeaves::default(), None).await
    }

    /// A sealer of the log, which was found to hold these leaves; `cursor` is where it is followed behind them.
    pub(crate) async fn start_behind<L: Log>(
        self,
        log: &L,
        found: FoundLeaves,
        cursor: Option<Cursor>,
    ) -> Result<(Sealer<L::Follower>, Seals)> {
        let Some(twin) = self.twin else {
            return Ok(Sealer::start_behind(log, found, cursor, self.signer, self.store).await?);
        };
        // Hashes over SM3 were not made of them, so that they are read once more.
        let (sealer, seals) = Sealer::start(log, self.signer, self.store).await?;
        Ok((sealer.with_twin(twin), seals))
    }
}

/// Where a process keeps the last checkpoint of the tree over SHA-256.
pub(crate) fn tree_files(layout: &Layout, disk: &Arc<dyn Disk>) -> Arc<dyn CheckpointStore> {
    Arc::new(CheckpointFiles::new(Arc::clone(disk), layout.state().to_owned()))
}

fn twin_files(layout: &Layout, disk: &Arc<dyn Disk>) -> Arc<dyn CheckpointStore> {
    Arc::new(CheckpointFiles::named(Arc::clone(disk), layout.state().to_owned(), TWIN))
}

/// The twin of a ledger that has one, for a process that does not sign it.
#[cfg(feature = "kurrentdb")]
pub(crate) fn followed_twin(layout: &Layout, disk: &Arc<dyn Disk>, manifest: &Manifest) -> Result<Option<Twin>> {
    let follow = |key: &VerifierKey| Twin::following(key.clone(), twin_files(layout, disk));
    Ok(manifest.twin_key.as_ref().map(follow).transpose()?)
}

/// The last checkpoint that a process has stored, whichever key of the log has signed it.
#[cfg(feature = "kurrentdb")]
pub(crate) fn stored_checkpoint(
    layout: &Layout,
    disk: &Arc<dyn Disk>,
    manifest: &Manifest,
) -> Result<Option<Checkpoint>> {
    let stored = tree_files(layout, disk).load()?;
    let open = |note: &str| Checkpoint::open(note.as_bytes(), &manifest.origin, &manifest.stored_keys(layout));
    let synced = stored.synced.as_deref().map(open).transpose()?;
    Ok(synced.map(|signed| signed.checkpoint))
}

fn twin_signer(layout: &Layout, named: &VerifierKey) -> Result<Arc<dyn Signer>> {
    let key = PrivateKey::read(&layout.sm2_log_key())?;
    ensure!(key.public_key() == named.public_key(), "the SM2 log key is not the one that the manifest names");
    Ok(key.into_signer())
}
