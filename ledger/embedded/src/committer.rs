//! The one writer: takes requests from the queue in groups, and makes each group durable with one write and one sync.
//!
//! Life of an entry:
//!
//! | step | a crash here leaves | who repairs it |
//! |---|---|---|
//! | 1. waits in the queue | nothing | its caller asks again |
//! | 2. checked against the index and the group before it | nothing | the same |
//! | 3. room is made: a new segment | an empty segment or a spare, see [`crate::spare`] | opening |
//! | 4. the group is written | any sectors of it, zeros between | opening cuts it, or keeps it when all of it is there |
//! | 5. the file is synced | the whole group, unacknowledged | its callers ask again and find the same bytes |
//! | 6. the index and the tip show it | the same | the same |
//! | 7. it is acknowledged | the whole group | |
//!
//! There is no delay to wait for a larger group: while one syncs, the next one queues. A request whose caller has given it up by the
//! time it is taken from the queue, because his time ran out, is dropped there: it costs no sync.

use std::{
    collections::BTreeMap,
    io,
    path::PathBuf,
    sync::{Arc, PoisonError, RwLock},
    thread::{self, JoinHandle},
};

use bytes::Bytes;
use mediation_ledger::{
    chain::{ChainId, Revision},
    log::{AppendError, ReadError},
    merkle::{Frontier, Hash, LeafIndex},
};
use tokio::sync::{mpsc, oneshot, watch};

use crate::{
    disk::{Disk, DiskLock},
    fatal::FatalHandler,
    index::{Index, SegmentFile, read_located},
    segment::{Batch, SEGMENT_HEADER_BYTES, SegmentHeader, sector_ends},
    spare::{self, Failure, Spare, is_no_space},
    trouble::Troubles,
};

/// Appends that wait for their answer.
#[derive(Debug)]
pub(crate) enum Request {
    /// One record, which shares its group with whatever else waits.
    One(Waiting, Answer),
    /// Records that have their groups for themselves.
    Batch(Vec<Waiting>, Answer),
}

impl Request {
    /// Nobody waits for its answer any more.
    fn is_given_up(&self) -> bool {
        match self {
            Self::One(_, answer) | Self::Batch(_, answer) => answer.is_closed(),
        }
    }
}

/// A record that waits to be stored.
#[derive(Debug)]
pub(crate) struct Waiting {
    pub(crate) chain: ChainId,
    pub(crate) expected: Revision,
    pub(crate) record: Bytes,
    /// Hash of the record's leaf; computed by the caller, who has a processor of his own.
    pub(crate) leaf: Hash,
}

/// Where the outcome goes; nobody may be there any more to take it.
pub(crate) type Answer = oneshot::Sender<Result<(), AppendError>>;

/// Owns the end of the log.
#[derive(Debug)]
pub(crate) struct Committer {
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) log_dir: PathBuf,
    /// SHA-256 of the origin.
    pub(crate) origin: [u8; 32],
    pub(crate) segment_bytes: u64,
    pub(crate) group_records_max: usize,
    pub(crate) group_bytes_max: usize,
    /// Written here only, between sync and acknowledgement.
    pub(crate) index: Arc<RwLock<Index>>,
    /// Durable leaves; followers wait for it.
    pub(crate) tip: watch::Sender<u64>,
    /// Tree over all durable leaves.
    pub(crate) frontier: Frontier,
    /// The segment that is written to.
    pub(crate) segment: Arc<SegmentFile>,
    /// Byte where the next group goes.
    pub(crate) end: u64,
    /// Byte after what a write that failed, or a crash, may have left behind `end`; `end` itself when nothing did.
    pub(crate) dirty_end: u64,
    /// Whether the last batch is a seal, or nothing was ever written.
    pub(crate) sealed: bool,
    /// Makes the next segment.
    pub(crate) spare: Option<Ahead>,
    pub(crate) fatal: FatalHandler,
    /// What it has met.
    pub(crate) troubles: Troubles,
    /// Held until the last byte is written.
    pub(crate) lock: Box<dyn DiskLock>,
}

/// The next segment, made ahead of time.
#[derive(Debug)]
pub(crate) enum Ahead {
    /// On a thread of its own.
    Thread(JoinHandle<Result<Spare, Failure>>),
    /// At once, on a disk that never blocks.
    Made(Result<Spare, Failure>),
}

impl Ahead {
    /// What became of it; none when its thread died.
    fn made(self) -> Option<Result<Spare, Failure>> {
        match self {
            Self::Thread(thread) => thread.join().ok(),
            Self::Made(made) => Some(made),
        }
    }
}

/// Requests that end together.
#[derive(Debug)]
struct Group {
    batch: Batch,
    accepted: Vec<Accepted>,
    /// Places in `accepted`, by chain and then revision.
    chains: BTreeMap<ChainId, Vec<usize>>,
    /// Refusals that are true only once the group is durable.
    refused: Vec<(Answer, Revision)>,
}

#[derive(Debug)]
struct Accepted {
    record: Bytes,
    leaf: Hash,
    /// Everybody who sent these bytes for this place.
    answers: Vec<Answer>,
}

impl Committer {
    /// Works until nobody can send any more and the queue is empty, or until the disk fails.
    pub(crate) fn run(mut self, mut queue: mpsc::Receiver<Request>) {
        let mut group = Group::new();
        let mut carried = None;
        while let Some(first) = carried.take().or_else(|| queue.blocking_recv()) {
            if self.turn(first, &mut group, &mut carried, &mut queue).is_err() {
                return self.stop(group, carried, queue);
            }
        }
        self.finish();
    }

    /// The same as a task, on a disk that never blocks.
    pub(crate) async fn run_in_turn(mut self, mut queue: mpsc::Receiver<Request>) {
        let mut group = Group::new();
        let mut carried = None;
        loop {
            let first = match carried.take() {
                Some(first) => first,
                None => match queue.recv().await {
                    Some(first) => first,
                    None => break,
                },
            };
            if self.turn(first, &mut group, &mut carried, &mut queue).is_err() {
                return self.stop(group, carried, queue);
            }
        }
        self.finish();
    }

    /// Commits a request and what goes with it; an error ends the process. `carried` becomes the request that did not fit.
    fn turn(
        &mut self,
        first: Request,
        group: &mut Group,
        carried: &mut Option<Request>,
        queue: &mut mpsc::Receiver<Request>,
    ) -> Result<(), io::Error> {
        let committed = match first {
            given_up @ (Request::One(..) | Request::Batch(..)) if given_up.is_given_up() => return Ok(()),
            Request::One(first, answer) => {
                self.admit(group, first, answer);
                *carried = self.fill(group, queue);
                self.commit_shared(group)
            }
            Request::Batch(batch, answer) => self.commit_batch(batch, answer),
        };
        match committed {
            Ok(()) => self.prepare_ahead(),
            Err(ref error) => self.fatal.call(error),
        }
        committed
    }

    /// Takes what waits in the queue, as far as it fits into the group. Answers the request that did not fit.
    fn fill(&self, group: &mut Group, queue: &mut mpsc::Receiver<Request>) -> Option<Request> {
        // Refusals do not fill the group; the bound on all keeps them from holding up those that do.
        for _taken in 1..self.group_records_max {
            let request = queue.try_recv().ok()?;
            if request.is_given_up() {
                continue;
            }
            match request {
                Request::One(waiting, answer) if self.has_room(group, &waiting) => self.admit(group, waiting, answer),
                other @ (Request::One(..) | Request::Batch(..)) => return Some(other),
            }
        }
        None
    }

    /// An empty group takes any record.
    fn has_room(&self, group: &Group, waiting: &Waiting) -> bool {
        group.batch.is_empty() || group.batch.bytes_with(waiting.record.len()) <= self.group_bytes_max
    }

    /// Accepts a request into the group, or answers it.
    fn admit(&self, group: &mut Group, waiting: Waiting, answer: Answer) {
        let durable = self.next_revision(waiting.chain);
        let here = group.chains.get(&waiting.chain).map_or(&[][..], Vec::as_slice);
        let next = Revision(durable.0 + here.len() as u64);
        if waiting.expected == next {
            return group.accept(waiting, vec![answer]);
        }
        if waiting.expected < durable {
            match self.stands(&waiting) {
                Ok(false) => {}
                Ok(true) => return reply(answer, Ok(())),
                Err(error) => return reply(answer, Err(error)),
            }
        } else if let Some(same) = waiting
            .expected
            .0
            .checked_sub(durable.0)
            .and_then(|at| here.get(usize::try_from(at).ok()?))
            .and_then(|at| group.accepted.get_mut(*at))
            .filter(|accepted| accepted.record == waiting.record)
        {
            return same.answers.push(answer);
        }
        if next == durable {
            reply(answer, Err(AppendError::Conflict { next }));
        } else {
            group.refused.push((answer, next));
        }
    }

    fn next_revision(&self, chain: ChainId) -> Revision {
        self.index.read().unwrap_or_else(PoisonError::into_inner).next_revision(chain)
    }

    /// Whether exactly this record stands at its revision, durably.
    fn stands(&self, waiting: &Waiting) -> Result<bool, AppendError> {
        let located =
            self.index.read().unwrap_or_else(PoisonError::into_inner).chain(waiting.chain, waiting.expected, 1);
        match read_located(&located, waiting.record.len(), 1) {
            Ok(stored) => Ok(stored.first().is_some_and(|stored| stored.record == waiting.record)),
            Err(error) => Err(AppendError::Unknown(Some(read_failure(error)))),
        }
    }

    /// Commits a group that requests share, and answers them; an error ends the process.
    fn commit_shared(&mut self, group: &mut Group) -> Result<(), io::Error> {
        if group.accepted.is_empty() {
            return Ok(());
        }
        match self.commit(group) {
            Ok(()) => {
                self.troubles.stored();
                group.acknowledge();
            }
            Err(Failure::NotStored(error)) => {
                self.troubles.not_stored(is_no_space(&error));
                tracing::warn!(%error, "a group was not stored");
                group.refuse(&error);
            }
            Err(Failure::Fatal(error)) => return Err(error),
        }
        Ok(())
    }

    /// Checks a whole batch, then commits it group by group, and answers it; an error ends the process.
    fn commit_batch(&mut self, batch: Vec<Waiting>, answer: Answer) -> Result<(), io::Error> {
        let groups = match self.grouped(batch) {
            Ok(groups) => groups,
            Err(error) => {
                reply(answer, Err(error));
                return Ok(());
            }
        };
        for mut group in groups {
            match self.commit(&mut group) {
                Ok(()) => self.troubles.stored(),
                // A crash, or an error, between two groups leaves the first ones: the beginning of the batch.
                Err(Failure::NotStored(error)) => {
                    self.troubles.not_stored(is_no_space(&error));
                    tracing::warn!(%error, "a group of a batch was not stored");
                    reply(answer, Err(not_stored(&error)));
                    return Ok(());
                }
                Err(Failure::Fatal(error)) => {
                    reply(answer, Err(AppendError::Unknown(None)));
                    return Err(error);
                }
            }
        }
        reply(answer, Ok(()));
        Ok(())
    }

    /// The groups of a batch, each as full as the options allow. Nothing is written yet, so a conflict anywhere refuses
    /// all of it.
    fn grouped(&self, batch: Vec<Waiting>) -> Result<Vec<Group>, AppendError> {
        let mut groups = Vec::new();
        let mut group = Group::new();
        let mut here: BTreeMap<ChainId, Vec<Bytes>> = BTreeMap::new();
        for waiting in batch {
            let durable = self.next_revision(waiting.chain);
            let added = here.entry(waiting.chain).or_default();
            let place = waiting.expected.0.checked_sub(durable.0).map(usize::try_from);
            let stands = match place {
                None => self.stands(&waiting)?,
                Some(Ok(place)) if place == added.len() => {
                    added.push(waiting.record.clone());
                    if group.accepted.len() >= self.group_records_max || !self.has_room(&group, &waiting) {
                        groups.push(std::mem::replace(&mut group, Group::new()));
                    }
                    group.accept(waiting, Vec::new());
                    continue;
                }
                Some(place) => {
                    place.ok().and_then(|place| added.get(place)).is_some_and(|same| *same == waiting.record)
                }
            };
            if !stands {
                return Err(AppendError::Conflict { next: durable });
            }
        }
        groups.extend((!group.accepted.is_empty()).then_some(group));
        Ok(groups)
    }

    /// Makes the group durable and visible. Straight down; each step is a row of the table at the head.
    fn commit(&mut self, group: &mut Group) -> Result<(), Failure> {
        self.repair()?;
        let bytes = group.batch.bytes() as u64;
        if self.end + bytes > self.segment.bytes {
            self.roll(bytes)?;
        }
        let sealed = group.batch.seal(self.frontier.size(), self.frontier.root());
        // A crash from here on leaves any sectors of the group and zeros between: a torn tail, which opening cuts, or
        // the whole of it, which opening keeps.
        if let Err(error) = self.segment.file.write_all_at(sealed, self.end) {
            self.dirty_end = self.end + bytes;
            return Err(self.after_failed_write(error));
        }
        // A crash here leaves the same. If the sync fails, the pages may never reach the disk though they read well:
        // only a new process, which writes the last batch again, can tell what is stored.
        self.segment.file.sync_data().map_err(Failure::Fatal)?;
        // A crash here leaves the whole group; its callers resend and find the same bytes.
        let start = self.end;
        self.end += bytes;
        self.dirty_end = self.end;
        self.sealed = false;
        self.publish(group, start);
        tracing::debug!(records = group.accepted.len(), bytes, size = %self.frontier.size(), "a group is durable");
        Ok(())
    }

    fn publish(&mut self, group: &Group, start: u64) {
        for accepted in &group.accepted {
            self.frontier.append(accepted.leaf);
        }
        let mut index = self.index.write().unwrap_or_else(PoisonError::into_inner);
        let segment = index.last_segment();
        for (chain, offset) in group.batch.records() {
            index.push(*chain, segment, start + *offset as u64);
        }
        // Followers that see the tip must find the records in the index.
        drop(index);
        self.tip.send_replace(self.frontier.size().0);
    }

    /// Goes on in a new segment that has room for a group of so many bytes.
    fn roll(&mut self, bytes: u64) -> Result<(), Failure> {
        let bytes = self.segment_bytes.max(SEGMENT_HEADER_BYTES as u64 + bytes);
        let prepared = match self.spare.take().and_then(Ahead::made) {
            Some(Ok(spare)) if spare.bytes == bytes => Some(spare),
            Some(Err(Failure::Fatal(error))) => return Err(Failure::Fatal(error)),
            // None, of the wrong size, or there was no space for it then: make one now.
            Some(Ok(_) | Err(Failure::NotStored(_))) | None => None,
        };
        let spare = match prepared {
            Some(spare) => spare,
            None => spare::prepare(&*self.disk, &self.log_dir, bytes)?,
        };
        let first = LeafIndex(self.frontier.size().0);
        let header = SegmentHeader { origin: self.origin, bytes, first, root: self.frontier.root() };
        let segment = Arc::new(spare::install(&*self.disk, &self.log_dir, spare, &header)?);
        tracing::info!(segment = %segment.path.display(), bytes, "a new segment");
        self.index.write().unwrap_or_else(PoisonError::into_inner).add_segment(Arc::clone(&segment));
        self.segment = segment;
        self.end = SEGMENT_HEADER_BYTES as u64;
        self.dirty_end = self.end;
        Ok(())
    }

    /// Zeros over what a failed write or a crash left behind the end, durably: a batch is only written into zeros.
    ///
    /// First over the last byte of every sector, then over all of it: a sector that a crash tears on the way begins with
    /// zeros and ends in what stood there, and only a sector that ends in a zero passes for torn.
    pub(crate) fn repair(&mut self) -> Result<(), Failure> {
        if self.dirty_end == self.end {
            return Ok(());
        }
        let file = &self.segment.file;
        for last in sector_ends(&(self.end..self.dirty_end), self.dirty_end) {
            // A crash here leaves every sector as it was, or with a zero at its end: still a torn tail.
            file.write_all_at(&[0], last).map_err(Failure::NotStored)?;
        }
        file.sync_data().map_err(Failure::Fatal)?;
        // A crash here leaves some of the rest and some zeros, and every sector ends in a zero.
        file.write_zeros_at(self.end, self.dirty_end - self.end).map_err(Failure::NotStored)?;
        file.sync_data().map_err(Failure::Fatal)?;
        self.dirty_end = self.end;
        Ok(())
    }

    fn after_failed_write(&mut self, error: io::Error) -> Failure {
        match self.repair() {
            Ok(()) => Failure::NotStored(error),
            Err(Failure::Fatal(error)) => Failure::Fatal(error),
            // A disk that is full took a part at most, which is no batch. The next group begins with the repair.
            Err(Failure::NotStored(_)) if is_no_space(&error) => Failure::NotStored(error),
            Err(Failure::NotStored(_)) => Failure::Fatal(error),
        }
    }

    /// Lets a thread make the next segment once this one is half full, so that no group waits for it.
    fn prepare_ahead(&mut self) {
        if self.spare.is_some() || self.end < self.segment.bytes / 2 {
            return;
        }
        let (disk, log_dir, bytes) = (Arc::clone(&self.disk), self.log_dir.clone(), self.segment_bytes);
        if !disk.blocks() {
            self.spare = Some(Ahead::Made(spare::prepare(&*disk, &log_dir, bytes)));
            return;
        }
        let maker = thread::Builder::new().name("log-spare".to_owned());
        match maker.spawn(move || spare::prepare(&*disk, &log_dir, bytes)) {
            Ok(thread) => self.spare = Some(Ahead::Thread(thread)),
            // The group that needs it makes it.
            Err(error) => tracing::warn!(%error, "no thread for the next segment"),
        }
    }

    /// Writes a batch without records, unless the last one is such: it vouches for all before it, so that damage to
    /// the last records can no longer pass for a torn batch.
    pub(crate) fn seal(&mut self) -> Result<(), Failure> {
        if self.sealed {
            return self.repair();
        }
        self.commit(&mut Group::new())?;
        self.sealed = true;
        Ok(())
    }

    /// Ends in order: everything that was accepted has been acknowledged.
    fn finish(mut self) {
        match self.seal() {
            Ok(()) => {}
            Err(Failure::NotStored(error)) => tracing::warn!(%error, "the log is closed without a seal"),
            Err(Failure::Fatal(error)) => self.fatal.call(&error),
        }
        if let Some(ahead) = self.spare.take() {
            // Whatever became of it, it holds nothing.
            drop(ahead.made());
            if let Err(error) = spare::remove(&*self.disk, &self.log_dir) {
                tracing::warn!(%error, "the spare segment stays; opening the log removes it");
            }
        }
        tracing::info!(size = %self.frontier.size(), "the log is closed");
        drop(self.lock);
    }

    /// Ends after the disk failed: nothing is acknowledged any more.
    fn stop(self, group: Group, carried: Option<Request>, mut queue: mpsc::Receiver<Request>) {
        group.leave_unknown();
        queue.close();
        let waiting = carried.into_iter().chain(std::iter::from_fn(|| queue.try_recv().ok()));
        for Request::One(_, answer) | Request::Batch(_, answer) in waiting {
            reply(answer, Err(AppendError::Unavailable(None)));
        }
        if let Some(ahead) = self.spare {
            drop(ahead.made());
        }
        drop(self.lock);
    }
}

impl Group {
    fn new() -> Self {
        Self { batch: Batch::new(), accepted: Vec::new(), chains: BTreeMap::new(), refused: Vec::new() }
    }

    fn accept(&mut self, waiting: Waiting, answers: Vec<Answer>) {
        let Waiting { chain, expected, record, leaf } = waiting;
        self.batch.push(chain, expected, &record);
        self.chains.entry(chain).or_default().push(self.accepted.len());
        self.accepted.push(Accepted { record, leaf, answers });
    }

    fn acknowledge(&mut self) {
        for answer in self.accepted.drain(..).flat_map(|accepted| accepted.answers) {
            reply(answer, Ok(()));
        }
        for (answer, next) in self.refused.drain(..) {
            reply(answer, Err(AppendError::Conflict { next }));
        }
        self.clear();
    }

    /// Nothing of it was stored. A refusal that rested on it is void, too.
    fn refuse(&mut self, error: &io::Error) {
        let accepted = self.accepted.drain(..).flat_map(|accepted| accepted.answers);
        for answer in accepted.chain(self.refused.drain(..).map(|(answer, _)| answer)) {
            reply(answer, Err(not_stored(error)));
        }
        self.clear();
    }

    fn leave_unknown(self) {
        let accepted = self.accepted.into_iter().flat_map(|accepted| accepted.answers);
        for answer in accepted.chain(self.refused.into_iter().map(|(answer, _)| answer)) {
            reply(answer, Err(AppendError::Unknown(None)));
        }
    }

    fn clear(&mut self) {
        self.batch.clear();
        self.chains.clear();
    }
}

fn reply(answer: Answer, outcome: Result<(), AppendError>) {
    if answer.send(outcome).is_err() {
        // The caller gave up waiting; if the record is stored, he finds out by asking again.
        tracing::trace!("nobody waits for an answer any more");
    }
}

fn not_stored(error: &io::Error) -> AppendError {
    if is_no_space(error) {
        return AppendError::NoSpace;
    }
    AppendError::Unavailable(Some(io::Error::new(error.kind(), error.to_string())))
}

fn read_failure(error: ReadError) -> io::Error {
    if let ReadError::Unavailable(Some(error)) = error { error } else { io::Error::other(error) }
}
