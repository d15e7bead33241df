//! How the witnesses stand, for whoever answers callers and operators.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use mediation_ledger::{
    chain::{ChainId, Revision},
    checkpoint::Cosignature,
    merkle::TreeSize,
    note::{KeyName, NoteKeyId, VerifierKey},
    policy::Policy,
};
use mediation_proto::mediation::ledger::v1::Seal;
use tokio::{sync::watch, time::Instant};

use super::asker::Trouble;
use crate::sealer::Seals;

/// Cosigned checkpoints, and how the witnesses stand.
#[derive(Debug, Clone)]
pub struct Cosigned {
    seals: Seals,
    /// None: the log has no witnesses.
    standing: Option<Arc<Standing>>,
}

impl Cosigned {
    pub(super) fn new(seals: Seals, standing: Arc<Standing>) -> Self {
        Self { seals, standing: Some(standing) }
    }

    /// Of a log without witnesses: its checkpoints have no signature but its own, and none is ever witnessed.
    #[must_use]
    pub fn by_nobody(seals: Seals) -> Self {
        Self { seals, standing: None }
    }

    /// Whether the log has witnesses at all.
    #[must_use]
    pub fn has_witnesses(&self) -> bool {
        self.standing.is_some()
    }

    /// The newest checkpoint whose grace is over, with the cosignatures that came; before the first of these, and without
    /// witnesses, the newest checkpoint. None before the first.
    #[must_use]
    pub fn checkpoint(&self) -> Option<String> {
        let published = self.standing.as_ref().and_then(|standing| standing.read().published.clone());
        let note = published.map_or_else(|| self.seals.checkpoint(), |(_, note)| note);
        Some(note).filter(|note| !note.is_empty())
    }

    /// The newest checkpoint that meets the quorum, with its size.
    #[must_use]
    pub fn witnessed(&self) -> Option<(TreeSize, String)> {
        self.standing.as_ref()?.read().witnessed.clone()
    }

    /// How each witness stands, in the order of the policy.
    #[must_use]
    pub fn rows(&self) -> Vec<WitnessRow> {
        let Some(standing) = &self.standing else { return Vec::new() };
        let now = Instant::now();
        standing.read().rows.iter().map(|row| row.shown(now)).collect()
    }

    /// Seal of an entry under the newest witnessed checkpoint; none when that does not cover it.
    #[must_use]
    pub fn seal(&self, chain: ChainId, revision: Revision) -> Option<Seal> {
        let (size, note) = self.witnessed()?;
        self.seals.seal_under(chain, revision, size, &note)
    }

    /// Waits for the seal of an entry under a witnessed checkpoint, up to a time-out. Without witnesses there is nothing
    /// to wait for.
    pub async fn wait(&self, chain: ChainId, revision: Revision, timeout: Duration) -> Option<Seal> {
        let mut sizes = self.standing.as_ref()?.witnessed_size.subscribe();
        let wait = async {
            loop {
                sizes.mark_unchanged();
                let seal = self.seal(chain, revision);
                if seal.is_some() || sizes.changed().await.is_err() {
                    return seal;
                }
            }
        };
        tokio::time::timeout(timeout, wait).await.ok().flatten()
    }
}

/// How a witness stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WitnessRow {
    /// Name of its key.
    pub name: KeyName,
    /// Id of its key.
    pub key_id: NoteKeyId,
    /// Prefix of its submissions.
    pub url: String,
    /// Size of the tree that it has cosigned last since the start, and when by its clock, in seconds since
    /// 1970-01-01T00:00:00Z.
    pub cosigned: Option<(TreeSize, u64)>,
    /// Checkpoints that it was asked about since then and has not cosigned.
    pub checkpoints_behind: u64,
    /// Seconds since it was asked about the first of them.
    pub seconds_behind: u64,
    /// It is behind for longer than the limit.
    pub is_lagging: bool,
    /// Why it did not cosign the last time it was asked.
    pub trouble: Option<String>,
    /// It says that the log has two histories, or was rolled back.
    pub accuses: bool,
}

/// What collector, askers and readers share.
#[derive(Debug)]
pub(super) struct Standing {
    state: Mutex<State>,
    witnessed_size: watch::Sender<TreeSize>,
}

#[derive(Debug)]
struct State {
    rows: Vec<Row>,
    published: Option<(TreeSize, String)>,
    witnessed: Option<(TreeSize, String)>,
}

#[derive(Debug)]
struct Row {
    name: KeyName,
    key_id: NoteKeyId,
    url: String,
    cosigned: Option<(TreeSize, u64)>,
    checkpoints_behind: u64,
    /// When it was asked about the first checkpoint that it has not cosigned.
    behind_since: Option<Instant>,
    is_lagging: bool,
    trouble: Option<String>,
    accuses: bool,
}

impl Row {
    fn shown(&self, now: Instant) -> WitnessRow {
        WitnessRow {
            name: self.name.clone(),
            key_id: self.key_id,
            url: self.url.clone(),
            cosigned: self.cosigned,
            checkpoints_behind: self.checkpoints_behind,
            seconds_behind: self.behind(now).as_secs(),
            is_lagging: self.is_lagging,
            trouble: self.trouble.clone(),
            accuses: self.accuses,
        }
    }

    fn behind(&self, now: Instant) -> Duration {
        self.behind_since.map_or(Duration::ZERO, |since| now.saturating_duration_since(since))
    }
}

impl Standing {
    pub(super) fn new(policy: &Policy, witnessed: Option<(TreeSize, String)>) -> Self {
        let rows = policy.witnesses().map(|(_, witness)| Row {
            name: witness.key.name().clone(),
            key_id: witness.key.id(),
            url: witness.url.clone().unwrap_or_default(),
            cosigned: None,
            checkpoints_behind: 0,
            behind_since: None,
            is_lagging: false,
            trouble: None,
            accuses: false,
        });
        let size = witnessed.as_ref().map(|(size, _)| *size).unwrap_or_default();
        let state = State { rows: rows.collect(), published: None, witnessed };
        Self { state: Mutex::new(state), witnessed_size: watch::Sender::new(size) }
    }

    /// The witnesses are asked about a checkpoint.
    pub(super) fn begin(&self, size: TreeSize, now: Instant) {
        for row in self.read().rows.iter_mut().filter(|row| row.cosigned.is_none_or(|(done, _)| done < size)) {
            row.checkpoints_behind += 1;
            row.behind_since.get_or_insert(now);
        }
    }

    /// A witness has cosigned; `asked` are the sizes that are still known to have been asked about.
    pub(super) fn cosigned(&self, by: &Cosignature, size: TreeSize, asked: impl Iterator<Item = TreeSize>) {
        let later = asked.filter(|asked| *asked > size).count() as u64;
        for row in self.read().rows.iter_mut().filter(|row| (&row.name, row.key_id) == (&by.witness, by.key_id)) {
            row.cosigned = Some((size, by.time));
            (row.trouble, row.accuses) = (None, false);
            row.checkpoints_behind = later;
            // A witness that answers at all is behind only since now.
            row.behind_since = (later > 0).then(Instant::now);
        }
    }

    /// A witness does not cosign.
    pub(super) fn trouble(&self, key: &VerifierKey, trouble: &Trouble) {
        let (witness, text) = (key.name(), trouble.to_string());
        for row in self.read().rows.iter_mut().filter(|row| (&row.name, row.key_id) == (witness, key.id())) {
            if row.trouble.as_ref() != Some(&text) {
                if trouble.is_accusation() {
                    tracing::error!(%witness, reason = text, "a witness refuses: somebody must look into it");
                } else {
                    tracing::debug!(%witness, reason = text, "a witness does not cosign");
                }
            }
            row.trouble = Some(text.clone());
            row.accuses = trouble.is_accusation();
        }
    }

    /// Whether nobody is left to wait for: every witness has cosigned this size, or is in trouble.
    pub(super) fn all_done(&self, size: TreeSize) -> bool {
        let done = |row: &Row| row.trouble.is_some() || row.cosigned.is_some_and(|(done, _)| done >= size);
        self.read().rows.iter().all(done)
    }

    /// Publishes a checkpoint, unless a newer one was.
    pub(super) fn publish(&self, size: TreeSize, note: &str) {
        let mut state = self.read();
        if state.published.as_ref().is_none_or(|(published, _)| *published <= size) {
            state.published = Some((size, note.to_owned()));
        }
    }

    /// Whether no checkpoint of this size or a larger one was witnessed.
    pub(super) fn is_news(&self, size: TreeSize) -> bool {
        self.read().witnessed.as_ref().is_none_or(|(witnessed, _)| *witnessed < size)
    }

    /// Shows a witnessed checkpoint.
    pub(super) fn witness(&self, size: TreeSize, note: String) {
        self.read().witnessed = Some((size, note));
        self.witnessed_size.send_replace(size);
    }

    /// Tells the operator whose lag has passed the limit, once, and who has caught up.
    pub(super) fn warn(&self, limit: Duration) {
        let now = Instant::now();
        for row in &mut self.read().rows {
            let is_lagging = row.behind(now) >= limit;
            let (name, checkpoints, seconds) = (&row.name, row.checkpoints_behind, row.behind(now).as_secs());
            match (row.is_lagging, is_lagging) {
                (false, true) => {
                    let trouble = row.trouble.as_deref().unwrap_or("no answer yet");
                    tracing::warn!(witness = %name, checkpoints, seconds, trouble, "a witness lags");
                }
                (true, false) => tracing::info!(witness = %name, "a witness has caught up"),
                (true, true) | (false, false) => {}
            }
            row.is_lagging = is_lagging;
        }
    }

    fn read(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
