//! Sealing on a log that several processes share: one signs, the others stand by or only follow, and each grows the tree
//! itself.
//!
//! ```text
//! log.follow ─ rows ─ leaves file ─ tree ─┬─ active: sync leaves ─ sign ─ heads.append(expected) ─┐
//!                                         │                             conflict: read, judge     ├─ store ─ show
//!                                         └─ heads.read ─ signed by the log? ─ root as of our own tree? ┘
//! ```
//!
//! A head is shown only when it stands in the heads' stream and our own tree has its root: whoever gives receipts notices
//! by himself when a sealer lies. Numbering is a pure function of the log's order and signatures follow from key and
//! bytes, so that two active sealers extend each other's heads; exact revisions of the stream let one of them append.
//! An active one that hears of a larger tree stands by; who stands by takes over when his tree has been without a new
//! head for too long. Outages of the log are waited out. What contradicts what was seen ends the process: nothing is
//! shown or signed any more.

use std::{fmt, io, sync::Arc, time::Duration};

use mediation_ledger::{
    chain::Revision,
    checkpoint::Checkpoint,
    heads::Heads,
    log::{AppendError, Cursor, Followed, Follower, Log, ReadError},
    merkle::TreeSize,
    note::{KeyName, VerifierKey},
    store::CheckpointStore,
};
use tokio::{sync::watch, time::Instant};

use super::{
    FoundLeaves, LogSigner, SYNC_WITHIN, SealerError, Seals, Twin,
    head::{Signed, SignedHead},
    last_signed,
    trunk::Trunk,
};
use crate::leaves::{LeafRow, Leaves, LeavesError};

mod error;
mod stream;

pub use self::error::SharedError;

/// Times of sealing on a shared log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// How often new heads are looked for.
    pub poll: Duration,
    /// How long a sealer that stands by waits for a new head over a tree that has grown, before it signs itself.
    pub takeover: Duration,
    /// Time between two heads of an active sealer, at least: a head costs the engine a record for ever.
    pub interval: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            poll: Duration::from_millis(250),
            takeover: Duration::from_secs(3),
            interval: Duration::from_millis(100),
        }
    }
}

/// What a sealer on a shared log is made of.
#[derive(Debug)]
pub struct SharedParts<L, H> {
    /// The log.
    pub log: Arc<L>,
    /// Its heads' stream.
    pub heads: H,
    /// The leaves file of this process, and the rows that stand in it; see [`Leaves::open`].
    pub leaves: (Leaves, Vec<LeafRow>),
    /// The log keys that may sign now. Heads that none of them has signed are passed over; whoever learns of other keys
    /// sends them.
    pub keys: watch::Receiver<Vec<VerifierKey>>,
    /// The log keys that were retired in good order: the stored checkpoint may still be theirs.
    pub retired: Vec<VerifierKey>,
    /// Keeps the last head that this process has shown.
    pub store: Arc<dyn CheckpointStore>,
    /// The twin of a log that grows one: opened where this process signs, else [following](Twin::following).
    pub twin: Option<Twin>,
    /// Signs heads; a process without it never does.
    pub signer: Option<LogSigner>,
    /// Times.
    pub options: Options,
}

/// Grows the tree of a shared log, and signs it or takes over what others have signed.
pub struct SharedSealer<L: Log, H> {
    log: Arc<L>,
    heads: H,
    leaves: Arc<Leaves>,
    origin: KeyName,
    keys: watch::Receiver<Vec<VerifierKey>>,
    signer: Option<LogSigner>,
    options: Options,
    trunk: Trunk,
    tail: Tail,
    /// None before the first record and after an outage.
    follower: Option<L::Follower>,
    /// Revision of the heads' stream that is read and appended next; none before the place to begin at was found.
    place: Option<Revision>,
    /// Size of the newest head that the log has signed.
    newest: Option<TreeSize>,
    /// That head and its revision, until it is shown: our tree has to be as long, and the store to take it.
    heard: Option<(Revision, SignedHead)>,
    /// The head that is shown, with its revision, to be stored once more after a sync that failed.
    shown: Option<(Revision, SignedHead)>,
    /// Signs, unless somebody else does.
    active: bool,
    /// Since when the tree is longer than the newest head, and no new one has come.
    uncovered_since: Option<Instant>,
    /// Since when the newest head waits for our tree, or that was last told.
    waiting_since: Option<Instant>,
    next_poll: Instant,
    next_sync: Instant,
    next_head: Instant,
}

/// End of the leaves file.
#[derive(Debug, Clone, Copy, Default)]
struct Tail {
    /// Place of the row before the last.
    before: Option<Cursor>,
    last: Option<LeafRow>,
}

impl Tail {
    fn of(rows: &[LeafRow]) -> Self {
        Self::default().then(rows)
    }

    fn then(self, rows: &[LeafRow]) -> Self {
        match rows {
            [] => self,
            [last] => Self { before: self.last.map(|row| row.cursor), last: Some(*last) },
            [.., before, last] => Self { before: Some(before.cursor), last: Some(*last) },
        }
    }
}

impl<L: Log, H: Heads> SharedSealer<L, H> {
    /// Rebuilds the tree from the leaves and shows the stored checkpoint again. Asks the log for nothing yet.
    ///
    /// # Errors
    /// The stored checkpoint cannot be read or is not this log's, the leaves do not extend it, or the twin is not as the
    /// leaves and the signer have it.
    pub fn open(parts: SharedParts<L, H>) -> Result<(Self, Seals), SealerError> {
        let SharedParts { log, heads, leaves: (leaves, rows), keys, retired, store, twin, signer, options } = parts;
        if twin.is_some() != leaves.has_twin() {
            return Err(SharedError::TwinOfLeaves { twin: twin.is_some() }.into());
        }
        if signer.is_some() && twin.as_ref().is_some_and(|twin| !twin.signs()) {
            return Err(SharedError::TwinNotSigned.into());
        }
        let origin = leaves.origin().clone();
        let trusted = [keys.borrow().as_slice(), &retired].concat();
        let last = last_signed(&origin, &trusted, store.as_ref())?
            .map(|last| Signed { checkpoint: last.checkpoint, note: last.note.to_string() });
        let (mut trunk, seals) =
            Trunk::new(store, last.as_ref().map(|last| last.checkpoint.clone()), FoundLeaves::default());
        if let Some(twin) = twin {
            trunk.add_twin(twin);
        }
        trunk.grow(&rows);
        if let (true, Some(last)) = (trunk.is_reached()?, &last) {
            trunk.show_stored(last);
        }
        let now = Instant::now();
        let sealer = Self {
            log,
            heads,
            leaves: Arc::new(leaves),
            origin,
            keys,
            active: signer.is_some(),
            signer,
            options,
            trunk,
            tail: Tail::of(&rows),
            follower: None,
            place: None,
            newest: None,
            heard: None,
            shown: None,
            uncovered_since: None,
            waiting_since: None,
            next_poll: now,
            next_sync: now,
            next_head: now,
        };
        Ok((sealer, seals))
    }

    /// Every tree must extend this checkpoint too: one that others are known to hold, such as the last that witnesses have
    /// cosigned.
    #[must_use]
    pub fn extending(mut self, checkpoint: Checkpoint) -> Self {
        self.trunk.extend(checkpoint);
        self
    }

    /// Goes on until told to stop, then syncs and returns. Outages of the log are waited out.
    ///
    /// # Errors
    /// The log or its heads contradict what was seen, stored bytes are damaged, or the disk of this process fails.
    pub async fn run(mut self, stop: impl Future<Output = ()> + Send) -> Result<(), SealerError> {
        // Whatever is under way is dropped: no step leaves anything half done but what the disk is about, and that goes on.
        tokio::select! {
            () = stop => {}
            error = self.work() => return Err(error),
        }
        self.sync_leaves().await?;
        self.trunk.sync().await;
        Ok(())
    }

    /// The one loop that tries again.
    async fn work(&mut self) -> SealerError {
        let mut pause = PAUSE_MIN;
        loop {
            match self.turn().await {
                Ok(()) if pause == PAUSE_MIN => {}
                Ok(()) => {
                    tracing::info!("sealing goes on");
                    self.trunk.tell_stuck(self.trunk.is_behind());
                    pause = PAUSE_MIN;
                }
                Err(error) if passes(&error) => {
                    tracing::warn!(error = &error as &dyn std::error::Error, "sealing waits; trying again");
                    self.trunk.tell_stuck(true);
                    // Nobody is to be taken over from because nobody could be heard.
                    self.uncovered_since = None;
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(PAUSE_MAX);
                }
                Err(error) => return error,
            }
        }
    }

    /// Waits for something to do, and does it.
    async fn turn(&mut self) -> Result<(), SealerError> {
        match self.follower.take() {
            Some(follower) => self.step(follower).await?,
            None => self.resume().await?,
        }
        if Instant::now() >= self.next_poll {
            self.next_poll = Instant::now() + self.options.poll;
            self.hear().await?;
        }
        self.show().await?;
        self.seal().await?;
        if Instant::now() >= self.next_sync {
            self.next_sync = Instant::now() + SYNC_WITHIN / 2;
            self.sync_leaves().await?;
            self.trunk.sync().await;
            if self.trunk.is_behind() && self.heard.is_none() {
                self.heard = self.shown.take();
            }
        }
        Ok(())
    }

    /// The next records, or nothing when something else is due. A follower that fails is not used again.
    async fn step(&mut self, mut follower: L::Follower) -> Result<(), SealerError> {
        let mut due = self.next_poll.min(self.next_sync);
        if self.active && self.newest.is_none_or(|newest| newest < self.trunk.size()) {
            due = due.min(self.next_head);
        }
        let batch = tokio::select! {
            batch = follower.next() => Some(batch?),
            () = tokio::time::sleep_until(due) => None,
        };
        if let Some(batch) = batch {
            self.grow(&batch).await?;
        }
        self.follower = Some(follower);
        Ok(())
    }

    /// Follows the log behind the last leaf, which must still stand where it stood.
    async fn resume(&mut self) -> Result<(), SealerError> {
        let Some(last) = self.tail.last else {
            self.follower = Some(self.log.follow(None).await?);
            return Ok(());
        };
        let size = self.trunk.size();
        let stored = self.log.read(last.chain, last.revision, 1).await?;
        let found = stored.first().map(|stored| mediation_ledger::record::leaf_hash(&stored.record));
        if found != Some(last.hash) {
            let (chain, revision, expected) = (last.chain, last.revision, last.hash);
            return Err(SharedError::Rewound { size, chain, revision, expected, found }.into());
        }
        let cursor = self.tail.before;
        let mut follower = self.log.follow(cursor).await.map_err(|error| match error {
            ReadError::UnknownCursor => SealerError::from(SharedError::PlaceLost { size, cursor }),
            error @ (ReadError::Unavailable(_) | ReadError::Damaged { .. } | _) => error.into(),
        })?;
        // The record stands in its chain, so it comes, unless the order of the log is another.
        let late =
            |_| ReadError::Unavailable(Some(io::Error::new(io::ErrorKind::TimedOut, "the last leaf did not come")));
        let batch = tokio::time::timeout(LAST_LEAF_WITHIN, follower.next()).await.map_err(late)??;
        let Some((first, rest)) = batch.split_first() else { return Ok(()) };
        let found = LeafRow::of(first, self.trunk.has_twin());
        if found != last {
            return Err(SharedError::Reordered { size, expected: Box::new(last), found: Box::new(found) }.into());
        }
        self.grow(rest).await?;
        self.follower = Some(follower);
        Ok(())
    }

    /// Writes the leaves of records and grows the tree by them. On an error the tree is as it was.
    async fn grow(&mut self, batch: &[Followed]) -> Result<(), SealerError> {
        let rows: Vec<_> = batch.iter().map(|followed| LeafRow::of(followed, self.trunk.has_twin())).collect();
        self.check_dense(&rows)?;
        let (leaves, written) = (Arc::clone(&self.leaves), rows.clone());
        blocking(move || leaves.append(&written)).await.map_err(SharedError::NotWritten)?;
        self.trunk.grow(&rows);
        self.tail = self.tail.then(&rows);
        if self.leaves.is_due() { self.sync_leaves().await } else { Ok(()) }
    }

    /// A chain without a gap: what is scavenged is not passed over.
    fn check_dense(&self, rows: &[LeafRow]) -> Result<(), SharedError> {
        let mut next = std::collections::BTreeMap::new();
        for (row, index) in rows.iter().zip(self.trunk.size().0..) {
            let chain = row.chain;
            let next = next.entry(chain).or_insert_with(|| self.trunk.next_revision(chain));
            if row.revision != *next {
                let (expected, found) = (*next, row.revision);
                return Err(SharedError::Gap { size: TreeSize(index), chain, expected, found });
            }
            *next = next.next();
        }
        Ok(())
    }

    async fn sync_leaves(&self) -> Result<(), SealerError> {
        let leaves = Arc::clone(&self.leaves);
        blocking(move || leaves.sync()).await.map_err(|error| SharedError::Leaves(LeavesError::File(error)).into())
    }

    /// Signs a head over what has grown, when it is for this process to sign and the stream takes it.
    async fn seal(&mut self) -> Result<(), SealerError> {
        let (size, now) = (self.trunk.size(), Instant::now());
        let (Some(signer), Some(place)) = (&self.signer, self.place) else { return Ok(()) };
        if size <= self.newest.unwrap_or_default() || !self.trunk.is_reached()? {
            self.uncovered_since = None;
            return Ok(());
        }
        let since = *self.uncovered_since.get_or_insert(now);
        if !self.active && now - since < self.options.takeover {
            return Ok(());
        }
        if !self.active {
            tracing::info!(size = size.0, "no head has come in time: this sealer takes over");
            self.active = true;
        }
        if now < self.next_head {
            return Ok(());
        }
        let Some(head) = self.trunk.next(signer)? else { return Ok(()) };
        self.next_head = now + self.options.interval;
        self.sync_leaves().await?;
        match self.heads.append(place, head.to_bytes()).await {
            // A crash here leaves a head that nobody was shown: whoever reads the stream shows it.
            Ok(()) => self.heard(place, head)?,
            Err(AppendError::Conflict { next }) if next < place => {
                return Err(SharedError::HeadsRewound { expected: place, next }.into());
            }
            Err(AppendError::Conflict { .. }) => self.hear().await?,
            Err(error) => return Err(SharedError::NotAppended(error).into()),
        }
        self.show().await
    }

    /// Shows the newest head, once the tree is as long.
    async fn show(&mut self) -> Result<(), SealerError> {
        let Some((revision, head)) = self.heard.take() else { return Ok(()) };
        if head.size() > self.trunk.size() || !self.trunk.is_reached()? {
            self.tell_waiting(head.size());
            self.heard = Some((revision, head));
            return Ok(());
        }
        self.waiting_since = None;
        self.judge(revision, &head)?;
        if !self.trunk.is_news(head.size()) && !self.trunk.is_behind() {
            return Ok(());
        }
        self.sync_leaves().await?;
        self.trunk.publish(&head).await;
        let kept = if self.trunk.is_behind() { &mut self.heard } else { &mut self.shown };
        *kept = Some((revision, head));
        Ok(())
    }

    /// A head beyond the end of the log is a lie, or the log is not all there; from here that looks like a long way to go.
    fn tell_waiting(&mut self, size: TreeSize) {
        let now = Instant::now();
        if now - *self.waiting_since.get_or_insert(now) >= WAIT_TOLD_AFTER {
            let grown = self.trunk.size().0;
            tracing::warn!(size = size.0, grown, "a head waits for leaves that have not come");
            self.waiting_since = Some(now);
        }
    }

    /// A head is to say of our leaves what we say of them.
    fn judge(&self, revision: Revision, head: &SignedHead) -> Result<(), SharedError> {
        let size = head.size();
        let (own, own_twin) = self.trunk.roots_at(size);
        let signed = head.tree.checkpoint.root;
        if signed != own {
            return Err(SharedError::Contradicted { revision, size, signed, own });
        }
        match (head.twin.as_ref().map(|twin| twin.checkpoint.root), own_twin) {
            (Some(signed), Some(own)) if signed != own => {
                Err(SharedError::TwinContradicted { revision, size, signed, own })
            }
            (Some(_) | None, Some(_) | None) => Ok(()),
        }
    }
}

impl<L: Log, H> fmt::Debug for SharedSealer<L, H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { origin, trunk, place, newest, active, .. } = self;
        f.debug_struct("SharedSealer")
            .field("origin", origin)
            .field("size", &trunk.size())
            .field("place", place)
            .field("newest", newest)
            .field("active", active)
            .finish_non_exhaustive()
    }
}

/// The checkpoint that a record of the heads' stream shows, when one of these keys of the log has signed it.
#[must_use]
pub fn signed_head(
    record: &[u8],
    origin: &KeyName,
    keys: &[VerifierKey],
    twin: Option<&VerifierKey>,
) -> Option<Checkpoint> {
    SignedHead::open(record, origin, keys, twin).ok().map(|head| head.tree.checkpoint)
}

/// Whether time may mend it.
fn passes(error: &SealerError) -> bool {
    if let SealerError::Shared(error) = error {
        return error.passes();
    }
    matches!(error, SealerError::Log(ReadError::Unavailable(_)))
}

/// Runs what may block.
async fn blocking(work: impl FnOnce() -> io::Result<()> + Send + 'static) -> io::Result<()> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|error| Err(io::Error::other(error)))
}

/// Pause after the first failure, doubled with each further one.
const PAUSE_MIN: Duration = Duration::from_millis(100);

const PAUSE_MAX: Duration = Duration::from_secs(2);

/// Time after which it is told, again and again, that a head waits for our tree.
const WAIT_TOLD_AFTER: Duration = Duration::from_secs(30);

/// Time within which a log that answers gives the record that stands in it.
const LAST_LEAF_WITHIN: Duration = Duration::from_secs(30);

#[cfg(test)]
mod tests;
