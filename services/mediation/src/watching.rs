//! One look of a monitor at a served log: what is fetched, in which order, and what is kept of it.
//!
//! ```text
//! checkpoint.witnessed, then checkpoint      in this order: the first is then never the newer one
//! hash tiles                                 the kept checkpoint and the witnessed one are beginnings of the new tree
//! registry chain, entry bundles              every new leaf
//! evidence of two checkpoints                before it is told
//! state.new, fsync, rename, fsync            a crash before leaves the state as it was, and the next look repeats this one
//! ```

use std::{
    fs::{self, File, OpenOptions},
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result, bail};
use bytes::Bytes;
use indicatif::ProgressBar;
use mediation_domain::history::EventId;
use mediation_gateway::reader::{LogReader, Unread};
use mediation_ledger::{
    chain::Revision,
    checkpoint::{Checkpoint, CheckpointError, SignedCheckpoint},
    limits::ENTRY_BYTES_MAX,
    merkle::{Hash, TreeSize},
    monitor::{Alarm, Kept, TileHashes, Watch, lag},
    note::{KeyName, NOTE_BYTES_MAX, Note, VerifierKey},
    part::OpenedPart,
    policy::Policy,
    tile::{TILE_WIDTH, Tile, TileContent, decode_entries},
};

use crate::{access::Door, durable};

/// Bytes of a hash tile.
const TILE_BYTES_MAX: usize = 32 * TILE_WIDTH as usize;

/// Bytes of an entry bundle: each entry after its length.
const BUNDLE_BYTES_MAX: usize = (ENTRY_BYTES_MAX + 2) * TILE_WIDTH as usize;

/// Name of the state's file, and of the directory of the evidence.
const STATE: &str = "state";
const EVIDENCE: &str = "evidence";

/// What a monitor was told to watch.
#[derive(Debug)]
pub(crate) struct Watched {
    pub(crate) agency: String,
    pub(crate) door: Door,
    pub(crate) reader: LogReader,
    pub(crate) witnesses: Option<Witnessing>,
    /// Where the state is kept; without it every look begins at the first leaf.
    pub(crate) state: Option<PathBuf>,
}

/// Which witnesses are to be seen, and how far they may be behind.
#[derive(Debug)]
pub(crate) struct Witnessing {
    pub(crate) policy: Policy,
    pub(crate) lag_limit_s: u64,
}

/// A monitor at work.
#[derive(Debug)]
pub(crate) struct Monitor {
    watched: Watched,
    watch: Watch,
    kept: Option<SignedCheckpoint>,
    /// State as it was written last.
    written: String,
    /// Held while the monitor runs: two would write over each other's state.
    _lock: Option<File>,
}

/// What one look has shown.
#[derive(Debug)]
pub(crate) struct Look {
    /// Checkpoint that was shown, when it was to be believed.
    pub(crate) checkpoint: Option<Checkpoint>,
    /// Leaves that were verified anew.
    pub(crate) new: u64,
    /// Everything that is wrong.
    pub(crate) alarms: Vec<Alarm>,
}

/// Why a look ends early: an alarm, or that nothing could be seen.
enum Ended {
    Alarm(Alarm),
    Trouble(anyhow::Error),
}

impl Monitor {
    /// Takes up the state, if there is one.
    ///
    /// # Errors
    /// The state is damaged or another's, or the registry chain cannot be read again.
    pub(crate) async fn open(watched: Watched) -> Result<Self> {
        let origin = watched.door.trust.log_key.name().clone();
        let mut monitor = Self {
            watch: Watch::new(origin.as_str(), &watched.agency),
            watched,
            kept: None,
            written: String::new(),
            _lock: None,
        };
        let Some(directory) = monitor.watched.state.clone() else { return Ok(monitor) };
        fs::create_dir_all(directory.join(EVIDENCE))?;
        let lock = OpenOptions::new().write(true).create(true).truncate(false).open(directory.join("lock"))?;
        if lock.try_lock().is_err() {
            bail!("another monitor uses the state in `{}`", directory.display());
        }
        monitor._lock = Some(lock);
        let path = directory.join(STATE);
        if path.exists() {
            let text = fs::read_to_string(&path)?;
            let damaged = || format!("`{}` cannot be resumed", path.display());
            let kept =
                Kept::parse(&text, &origin, &monitor.watched.agency, &monitor.log_keys()).with_context(damaged)?;
            let registry = monitor.registry().await?;
            let (watch, checkpoint) = kept.resume(&registry).with_context(damaged)?;
            (monitor.watch, monitor.kept, monitor.written) = (watch, Some(checkpoint), text);
        }
        Ok(monitor)
    }

    /// Nothing was kept before: this look is the first.
    pub(crate) fn is_first(&self) -> bool {
        self.kept.is_none()
    }

    /// Looks once. `now_s` is the time in seconds since 1970-01-01T00:00:00Z.
    ///
    /// # Errors
    /// The log or the ledger cannot be read, or the state cannot be written. Nothing is kept of such a look.
    pub(crate) async fn look(
        &mut self,
        submitted: Option<&(dyn Fn(EventId) -> bool + Sync)>,
        now_s: u64,
        bar: &ProgressBar,
    ) -> Result<Look> {
        let mut look = Look { checkpoint: None, new: 0, alarms: Vec::new() };
        let before = self.watch.size().0;
        match self.advance(&mut look, now_s, bar).await {
            Ok(()) => {}
            Err(Ended::Alarm(alarm)) => look.alarms.push(alarm),
            Err(Ended::Trouble(error)) => return Err(error),
        }
        look.new = self.watch.size().0 - before;
        look.alarms.extend(self.watch.alarms(submitted.map(|told| told as &dyn Fn(EventId) -> bool)));
        self.keep()?;
        Ok(look)
    }

    async fn advance(&mut self, look: &mut Look, now_s: u64, bar: &ProgressBar) -> Result<(), Ended> {
        let witnessed = self.witnessed().await?;
        let Some(note) = self.watched.reader.read("checkpoint", NOTE_BYTES_MAX).await? else {
            return Err(Ended::Trouble(anyhow::anyhow!("the log has no checkpoint yet · 日志尚无检查点")));
        };
        let shown = open(&note, self.origin(), &self.log_keys())?;
        look.checkpoint = Some(shown.checkpoint.clone());
        if let Some(kept) = &self.kept {
            self.extends(kept, &shown).await?;
        }
        if let Some(witnessed) = &witnessed {
            self.extends(witnessed, &shown).await?;
        }
        if shown.checkpoint.size > self.watch.size() {
            self.watch = self.follow(&shown.checkpoint, bar).await?;
        }
        if let Some(Witnessing { policy, lag_limit_s }) = &self.watched.witnesses {
            look.alarms.extend(lag(policy, witnessed.as_ref(), &shown.checkpoint, now_s, *lag_limit_s));
        }
        self.kept = Some(shown);
        Ok(())
    }

    /// The witnessed checkpoint, if witnesses are to be seen and there is one.
    async fn witnessed(&self) -> Result<Option<SignedCheckpoint>, Ended> {
        let Some(Witnessing { policy, .. }) = &self.watched.witnesses else { return Ok(None) };
        let Some(note) = self.watched.reader.read("checkpoint.witnessed", NOTE_BYTES_MAX).await? else {
            return Ok(None);
        };
        let mut keys = self.log_keys();
        keys.extend(policy.witnesses().map(|(_, witness)| witness.key.clone()));
        open(&note, self.origin(), &keys).map(Some).map_err(Ended::Alarm)
    }

    /// Whether a checkpoint's tree begins with that of an earlier one. If not, both are kept as evidence.
    async fn extends(&self, earlier: &SignedCheckpoint, later: &SignedCheckpoint) -> Result<(), Ended> {
        let (old, new) = (&earlier.checkpoint, &later.checkpoint);
        let (alarm, path) = if old.size > new.size {
            (Alarm::RolledBack { kept: old.size, found: new.size }, Vec::new())
        } else {
            let mut tiles = TileHashes::default();
            // Of two trees of one size the roots say all.
            let needed = TileHashes::needed(old.size, new.size).into_iter().filter(|_| old.size < new.size);
            for tile in needed {
                let bytes = self.tile(tile, TILE_BYTES_MAX).await?;
                tiles.insert(tile, &bytes).map_err(|error| wrong(tile, error))?;
            }
            match tiles.compare(old, new) {
                Ok(_) => return Ok(()),
                Err(ended) => ended,
            }
        };
        if alarm.is_of_two_checkpoints() {
            self.keep_evidence(earlier, later, &path)?;
        }
        Err(Ended::Alarm(alarm))
    }

    /// Verifies every leaf up to a checkpoint. What was verified before stays as it is unless all of it is good.
    async fn follow(&self, checkpoint: &Checkpoint, bar: &ProgressBar) -> Result<Watch, Ended> {
        let registry = self.registry().await?;
        let shown = |revision: Revision| -> Vec<OpenedPart> {
            let entry = usize::try_from(revision.0).ok().and_then(|place| registry.get(place));
            entry.map(|(_, parts)| parts.clone()).unwrap_or_default()
        };
        let mut watch = self.watch.clone();
        let from = watch.size();
        bar.set_length(checkpoint.size.0 - from.0);
        while watch.size() < checkpoint.size {
            let tile = bundle_from(watch.size(), checkpoint.size)?;
            let bytes = self.tile(tile, BUNDLE_BYTES_MAX).await?;
            let entries = decode_entries(&bytes, tile.width()).map_err(|error| wrong(tile, error))?;
            let known = usize::try_from(watch.size().0 - tile.start()).unwrap_or(usize::MAX);
            entries.iter().skip(known).for_each(|entry| watch.leaf(entry, &shown));
            bar.set_position(watch.size().0 - from.0);
        }
        watch.meets(from, checkpoint)?;
        match self.watched.door.genesis {
            Some(expected) if watch.genesis() != Some(expected) => Err(Alarm::OtherFounding { expected }.into()),
            Some(_) | None => Ok(watch),
        }
    }

    async fn tile(&self, tile: Tile, bytes_max: usize) -> Result<Bytes, Ended> {
        let read = self.watched.reader.read(&tile.to_string(), bytes_max).await?;
        read.ok_or_else(|| wrong(tile, "the log does not have it"))
    }

    async fn registry(&self) -> Result<Vec<(Bytes, Vec<OpenedPart>)>> {
        self.watched.door.registry_entries(&self.watched.agency).await
    }

    fn origin(&self) -> &KeyName {
        self.watched.door.trust.log_key.name()
    }

    fn log_keys(&self) -> Vec<VerifierKey> {
        vec![self.watched.door.trust.log_key.clone()]
    }

    fn keep(&mut self) -> Result<()> {
        let (Some(directory), Some(kept)) = (&self.watched.state, &self.kept) else { return Ok(()) };
        let text = self.watch.to_text(&kept.note);
        if text != self.written {
            store(directory, STATE, text.as_bytes())?;
            self.written = text;
        }
        Ok(())
    }

    /// Two notes that the log's key has signed, and the path that proves that they contradict each other.
    fn keep_evidence(&self, earlier: &SignedCheckpoint, later: &SignedCheckpoint, path: &[Hash]) -> Result<()> {
        let Some(directory) = self.watched.state.as_ref().map(|state| state.join(EVIDENCE)) else { return Ok(()) };
        for signed in [earlier, later] {
            store(&directory, &evidence_name(&signed.checkpoint), signed.note.to_string().as_bytes())?;
        }
        if !path.is_empty() {
            let (old, new) = (earlier.checkpoint.size, later.checkpoint.size);
            let lines: String = path.iter().map(|hash| format!("{}\n", hash.to_base64())).collect();
            store(&directory, &format!("{old}-{new}.consistency"), lines.as_bytes())?;
        }
        Ok(())
    }
}

/// Name of the file of a note: size, and the first digits of the root.
fn evidence_name(checkpoint: &Checkpoint) -> String {
    let root = checkpoint.root.to_string();
    format!("{}-{}.checkpoint", checkpoint.size, root.get(..16).unwrap_or(&root))
}

fn open(note: &[u8], origin: &KeyName, keys: &[VerifierKey]) -> Result<SignedCheckpoint, Alarm> {
    let note = Note::parse(note).map_err(CheckpointError::from);
    let signed = note.and_then(|note| SignedCheckpoint::verify(note, origin, keys));
    signed.map_err(|error| Alarm::Checkpoint { cause: error.to_string() })
}

/// The entry bundle in which the next leaf stands, as wide as a tree of this size has it.
fn bundle_from(next: TreeSize, size: TreeSize) -> Result<Tile> {
    let width = u64::from(TILE_WIDTH);
    let index = next.0 / width;
    let width = u16::try_from((size.0 - index * width).min(width))?;
    Ok(Tile::new(TileContent::Entries, index, width)?)
}

fn wrong(tile: Tile, cause: impl ToString) -> Ended {
    Ended::Alarm(Alarm::Tile { tile: tile.to_string(), cause: cause.to_string() })
}

fn store(directory: &Path, name: &str, bytes: &[u8]) -> Result<()> {
    durable::replace(&directory.join(name), &directory.join(format!("{name}.new")), bytes)
}

impl From<Alarm> for Ended {
    fn from(alarm: Alarm) -> Self {
        Self::Alarm(alarm)
    }
}

impl From<Unread> for Ended {
    fn from(unread: Unread) -> Self {
        Self::Trouble(unread.into())
    }
}

impl From<anyhow::Error> for Ended {
    fn from(error: anyhow::Error) -> Self {
        Self::Trouble(error)
    }
}
