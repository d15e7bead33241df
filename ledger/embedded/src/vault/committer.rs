//! The one thread that writes: it takes all deposits that wait, and makes them durable with one write and one sync.
//!
//! ```text
//! rows of the group ─ zeros ahead ─ write ─ sync ─ index ─ answers
//!                       │             │       │      └ a crash here: durable, and nobody was told; harmless
//!                       │             │       └ fails: nobody knows what is on the disk; the process ends
//!                       │             └ fails or crashes: the group is cut off, now or when opening
//!                       └ fails: there are more zeros than before, or not
//! ```

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    sync::Arc,
};

use mediation_ledger::{
    chain::ChainId,
    entropy::{Entropy, EntropyError},
    merkle::Hash,
    vault::{DataKey, Deposit, Holder, VaultError},
};
use tokio::sync::{mpsc, oneshot};

use super::{
    cipher::{WrappingKey, subject_digest, wrap_holder_key},
    marks::SLOTS_MAX,
    slot::{self, Group, HolderId, Row, SLOT_BYTES_U64},
    wraps::{self, StandingWrap, Wraps, overwrite},
};
use crate::{fatal::FatalHandler, trouble::Troubles};

/// Rows after which a group takes no more deposits: half a mebibyte.
const GROUP_ROWS_MAX: usize = 4_096;

/// Zeros written ahead, in bytes, so that most groups change no metadata.
const ROOM_BYTES: u64 = 256 * 1024;

/// What the thread is asked.
#[derive(Debug)]
pub(super) enum Ask {
    /// Keys to be kept.
    Deposit(Request),
    /// Keys of parts of a chain to be destroyed; answers how many there were.
    Destroy { chain: ChainId, digests: Vec<Hash>, answer: oneshot::Sender<Result<usize, VaultError>> },
}

/// A deposit that waits.
#[derive(Debug)]
pub(super) struct Request {
    /// Keys, by the chains of their parts.
    pub(super) deposits: Vec<(ChainId, Vec<Deposit>)>,
    /// Where the answer goes.
    pub(super) answer: oneshot::Sender<Result<(), VaultError>>,
}

/// What has to be done to a wraps file before anything is added.
#[derive(Debug)]
pub(super) struct Unsettled {
    /// Something stands after the last whole group.
    pub(super) torn: bool,
    /// The last whole group is a seal.
    pub(super) sealed: bool,
    /// What is to stand in the places of wraps whose destruction was interrupted.
    pub(super) unfinished: BTreeMap<u64, (Row, Group)>,
    /// First slot of the last whole group.
    pub(super) last: u64,
}

/// Owns the end of the wraps file.
pub(super) struct Committer {
    wraps: Arc<Wraps>,
    entropy: Arc<dyn Entropy>,
    asks: mpsc::Receiver<Ask>,
    /// Slots that are durable.
    end: u64,
    /// Bytes up to which the file is known to hold rows or written zeros.
    room: u64,
    fatal: FatalHandler,
    troubles: Troubles,
    /// A sync or a cut failed: what is on the disk is unknown, and nothing may be written any more.
    dead: bool,
}

impl Committer {
    pub(super) fn new(
        wraps: Arc<Wraps>,
        entropy: Arc<dyn Entropy>,
        asks: mpsc::Receiver<Ask>,
        end: u64,
        fatal: FatalHandler,
        troubles: Troubles,
    ) -> Self {
        let room = wraps.file().len().unwrap_or_default().max(end * SLOT_BYTES_U64);
        Self { wraps, entropy, asks, end, room, fatal, troubles, dead: false }
    }

    /// Cuts what a crash left, ends destructions that it interrupted, and seals what stands, so that nobody takes damage for a crash from now on.
    pub(super) fn settle(&mut self, recovered: Unsettled) -> io::Result<()> {
        let Unsettled { torn, sealed, unfinished, last } = recovered;
        self.write_again(last)?;
        if torn {
            self.cut()?;
        }
        if !unfinished.is_empty() {
            self.overwrite(&unfinished)?;
        }
        if sealed { Ok(()) } else { self.seal() }
    }

    /// Makes the last group durable. A process that died may have left it in the page cache, and one whose sync failed may
    /// have left pages there that the kernel takes for written: so it is written again before it is synced. The groups
    /// before it were synced before it was written.
    fn write_again(&mut self, last: u64) -> io::Result<()> {
        let mut group = vec![0; usize::try_from((self.end - last) * SLOT_BYTES_U64).unwrap_or_default()];
        self.wraps.file().read_exact_at(&mut group, last * SLOT_BYTES_U64)?;
        match self.wraps.file().write_all_at(&group, last * SLOT_BYTES_U64) {
            // A full disk stops deposits, not readers.
            Err(error) if error.kind() == io::ErrorKind::StorageFull => {
                tracing::warn!("no space to write the last keys of the vault again");
            }
            outcome => outcome?,
        }
        self.sync()
    }

    /// Commits deposits until the vault is closed.
    pub(super) fn run(mut self) {
        let mut unsealed = false;
        while !self.dead
            && let Some(ask) = self.asks.blocking_recv()
        {
            unsealed |= self.turn(ask);
        }
        self.finish(unsealed);
    }

    /// The same as a task, on a disk that never blocks.
    pub(super) async fn run_in_turn(mut self) {
        let mut unsealed = false;
        while !self.dead
            && let Some(ask) = self.asks.recv().await
        {
            unsealed |= self.turn(ask);
        }
        self.finish(unsealed);
    }

    /// Does what is asked, and what waits beside it. Whether rows were written.
    fn turn(&mut self, ask: Ask) -> bool {
        let mut batch = Batch::new(Arc::clone(&self.wraps), Arc::clone(&self.entropy), self.end);
        let mut next = Some(ask);
        let mut destruction = None;
        while let Some(ask) = next.take() {
            match ask {
                Ask::Deposit(request) => batch.take(request),
                Ask::Destroy { chain, digests, answer } => {
                    destruction = Some((chain, digests, answer));
                    break;
                }
            }
            next = if batch.rows.len() < GROUP_ROWS_MAX { self.asks.try_recv().ok() } else { None };
        }
        let mut written = self.commit(batch);
        if let Some((chain, digests, answer)) = destruction {
            let destroyed = if self.dead { Err(VaultError::Unavailable(None)) } else { self.destroy(chain, &digests) };
            written |= destroyed.is_ok();
            reply(answer, destroyed);
        }
        written
    }

    fn finish(&mut self, unsealed: bool) {
        if unsealed
            && !self.dead
            && let Err(error) = self.seal()
        {
            self.despair(&error);
            tracing::warn!(%error, "the vault could not be sealed; opening it will do that");
        }
    }

    /// Whether rows were written.
    fn commit(&mut self, batch: Batch) -> bool {
        if batch.rows.is_empty() {
            batch.answer(|| Ok(()));
            return false;
        }
        match self.write(&batch.rows) {
            Ok(()) => {
                self.troubles.stored();
                tracing::debug!(rows = batch.rows.len(), deposits = batch.answers.len(), "vault group committed");
                batch.publish();
                true
            }
            Err(error) => {
                self.troubles.not_stored(is_full(&error));
                self.despair(&error);
                batch.answer(|| Err(not_kept(&error)));
                false
            }
        }
    }

    /// Announces that wraps will be overwritten, then overwrites them.
    fn destroy(&mut self, chain: ChainId, digests: &[Hash]) -> Result<usize, VaultError> {
        let (mut rows, mut places, mut request) = (Vec::new(), BTreeMap::new(), wraps::Request::default());
        for digest in digests.iter().collect::<BTreeSet<_>>() {
            let Some(wrap) = self.wraps.standing(chain, *digest, &mut request)? else { continue };
            let StandingWrap { at: target, holder, group, .. } = wrap;
            rows.push(Row::Destruction { target, group, holder, digest: *digest });
            places.insert(target, (Row::Destroyed { holder, digest: *digest }, group));
        }
        if rows.is_empty() {
            return Ok(0);
        }
        let failed = |committer: &Self, error: &io::Error| {
            committer.despair(error);
            not_kept(error)
        };
        self.write(&rows).map_err(|error| failed(self, &error))?;
        let mut index = self.wraps.index_mut();
        for (target, (row, _group)) in &places {
            if let Row::Destroyed { digest, .. } = row
                && index.wraps.remove(&(chain, *digest), *target)
            {
                index.destroyed.insert((chain, *digest));
            }
        }
        drop(index);
        self.overwrite(&places).map_err(|error| failed(self, &error))?;
        tracing::info!(%chain, keys = rows.len(), "keys of parts are destroyed");
        Ok(rows.len())
    }

    /// Overwrites wraps whose destruction is announced. When that fails, opening the vault does it.
    fn overwrite(&mut self, places: &BTreeMap<u64, (Row, Group)>) -> io::Result<()> {
        let overwritten = overwrite(self.wraps.file(), places);
        self.dead |= overwritten.is_err();
        overwritten
    }

    fn seal(&mut self) -> io::Result<()> {
        match self.write(&[Row::Seal]) {
            // A full disk stops deposits, not readers.
            Err(error) if error.kind() == io::ErrorKind::StorageFull => {
                tracing::warn!("no space left to seal the vault");
                Ok(())
            }
            other => other,
        }
    }

    /// Writes a group durably, or leaves nothing of it.
    fn write(&mut self, rows: &[Row]) -> io::Result<()> {
        if self.end + rows.len() as u64 > SLOTS_MAX {
            return Err(io::ErrorKind::StorageFull.into());
        }
        let bytes = self.encode(rows);
        let offset = self.end * SLOT_BYTES_U64;
        let group_end = offset + bytes.len() as u64;
        if group_end > self.room {
            let more = (group_end - self.room).next_multiple_of(ROOM_BYTES);
            self.wraps.file().write_zeros_at(self.room, more)?;
            self.room += more;
        }
        if let Err(error) = self.wraps.file().write_all_at(&bytes, offset) {
            self.cut()?;
            return Err(error);
        }
        self.sync()?;
        self.end += rows.len() as u64;
        Ok(())
    }

    #[expect(
        clippy::expect_used,
        reason = "a group ends at `GROUP_ROWS_MAX` rows and one more request, of `REQUEST_KEYS_MAX` keys with a holder each"
    )]
    fn encode(&self, rows: &[Row]) -> Vec<u8> {
        let count = u16::try_from(rows.len()).expect("a group of fewer than 65 536 rows");
        let places = (0..count).map(|place| Group { rows: count, place });
        (self.end..).zip(rows).zip(places).flat_map(|((at, row), group)| slot::encode(at, row, group)).collect()
    }

    /// Ends the file after the last durable slot. Needs no space, and is there or not, but never in part.
    fn cut(&mut self) -> io::Result<()> {
        let bytes = self.end * SLOT_BYTES_U64;
        let cut = self.wraps.file().set_len(bytes).and_then(|()| self.wraps.file().sync_data());
        self.dead = cut.is_err();
        self.room = bytes;
        cut
    }

    fn sync(&mut self) -> io::Result<()> {
        let synced = self.wraps.file().sync_data();
        self.dead = synced.is_err();
        synced
    }

    fn despair(&self, error: &io::Error) {
        if self.dead {
            self.fatal.call(error);
        }
    }
}

/// Rows that are written at once, and who waits for them.
struct Batch {
    wraps: Arc<Wraps>,
    entropy: Arc<dyn Entropy>,
    /// Slot of the first row.
    start: u64,
    rows: Vec<Row>,
    /// Keys of the holders that are needed, with their slots; some of them are rows of this batch.
    holders: BTreeMap<HolderId, (u64, WrappingKey)>,
    /// Keys that are rows of this batch, with their slots.
    keys: BTreeMap<(ChainId, Hash), (u64, DataKey)>,
    answers: Vec<oneshot::Sender<Result<(), VaultError>>>,
}

impl Batch {
    fn new(wraps: Arc<Wraps>, entropy: Arc<dyn Entropy>, start: u64) -> Self {
        Self {
            wraps,
            entropy,
            start,
            rows: Vec::new(),
            holders: BTreeMap::new(),
            keys: BTreeMap::new(),
            answers: Vec::new(),
        }
    }

    /// Adds a deposit. Rows of one that fails half-way stay in the batch: keys that open nothing.
    fn take(&mut self, request: Request) {
        let Request { deposits, answer } = request;
        let mut keys = deposits.into_iter().flat_map(|(chain, keys)| keys.into_iter().map(move |key| (chain, key)));
        match keys.try_for_each(|(chain, deposit)| self.add(chain, deposit)) {
            Ok(()) => self.answers.push(answer),
            Err(error) => reply(answer, Err(error)),
        }
    }

    fn add(&mut self, chain: ChainId, deposit: Deposit) -> Result<(), VaultError> {
        let Deposit { digest, holder, key } = deposit;
        if self.wraps.index().destroyed.contains(&(chain, digest)) {
            return Err(VaultError::Destroyed { digest });
        }
        let known = match self.keys.get(&(chain, digest)) {
            Some((_slot, known)) => Some(known.clone()),
            None => self.wraps.key(chain, digest)?,
        };
        if let Some(known) = known {
            return if known == key { Ok(()) } else { Err(VaultError::Conflict { digest }) };
        }
        let subject = match holder {
            Holder::Chain => None,
            Holder::Subject(subject) => Some(subject_digest(chain, &subject)),
        };
        let holder = HolderId { chain, subject };
        let (holder_slot, holder_key) = self.holder(holder, digest)?;
        let (entropy, scheme) = (self.entropy.as_ref(), self.wraps.scheme());
        let wrapped = holder_key.wrap_data_key(entropy, scheme, holder, digest, &key).map_err(no_randomness)?;
        let at = self.push(Row::Wrap { holder: holder_slot, digest, wrapped });
        self.keys.insert((chain, digest), (at, key));
        Ok(())
    }

    /// The holder's key and its slot; a fresh one when it has none.
    fn holder(&mut self, holder: HolderId, digest: Hash) -> Result<(u64, WrappingKey), VaultError> {
        if let Some((at, key)) = self.holders.get(&holder) {
            return Ok((*at, key.clone()));
        }
        let (at, key) = match self.wraps.holder_key(holder, digest)? {
            Some(standing) => standing,
            None => {
                let (entropy, scheme) = (self.entropy.as_ref(), self.wraps.scheme());
                let key = WrappingKey::new_holder_key(entropy, scheme.origin, holder).map_err(no_randomness)?;
                let wrapped = wrap_holder_key(self.wraps.kek(), entropy, scheme.origin, holder, &key);
                (self.push(Row::HolderKey { holder, wrapped: wrapped.map_err(VaultError::Kek)? }), key)
            }
        };
        self.holders.insert(holder, (at, key.clone()));
        Ok((at, key))
    }

    fn push(&mut self, row: Row) -> u64 {
        let at = self.start + self.rows.len() as u64;
        self.rows.push(row);
        at
    }

    /// Lets everybody see the rows, which are durable now, and tells those who wait.
    fn publish(self) {
        let mut index = self.wraps.index_mut();
        for (part, (at, _key)) in &self.keys {
            index.wraps.insert(part, *at);
        }
        for (holder, (at, _key)) in self.holders.iter().filter(|(_holder, (at, _key))| *at >= self.start) {
            index.holders.insert(holder, *at);
        }
        drop(index);
        self.answer(|| Ok(()));
    }

    fn answer(self, answer: impl Fn() -> Result<(), VaultError>) {
        for waiting in self.answers {
            reply(waiting, answer());
        }
    }
}

/// Whoever asked may have gone; what he deposited is kept all the same.
fn reply<T>(waiting: oneshot::Sender<Result<T, VaultError>>, answer: Result<T, VaultError>) {
    drop(waiting.send(answer));
}

fn not_kept(error: &io::Error) -> VaultError {
    if is_full(error) {
        return VaultError::NoSpace;
    }
    VaultError::Unavailable(Some(io::Error::new(error.kind(), error.to_string())))
}

fn is_full(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::StorageFull
}

fn no_randomness(error: EntropyError) -> VaultError {
    VaultError::Unavailable(Some(io::Error::other(error)))
}
