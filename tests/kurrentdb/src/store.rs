//! The log and its streams in memory, under the server's rules for revisions, replays and deletions.

mod journal;
mod read;
mod verdict;

use std::{
    collections::{BTreeMap, VecDeque},
    io,
    path::Path,
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use bytes::Bytes;
use uuid::Uuid;

use self::journal::Journal;
use crate::metadata::{DELETED, StreamMetadata};

pub(crate) use self::{
    read::{Direction, NoStream},
    verdict::{Expected, Verdict},
};

/// One record of the log.
#[derive(Clone, Debug)]
pub(crate) struct Record {
    /// In the log, in bytes: commit and prepare position in one.
    pub(crate) position: u64,
    /// The position of what follows.
    pub(crate) end: u64,
    pub(crate) stream: Arc<str>,
    pub(crate) revision: u64,
    pub(crate) id: Uuid,
    pub(crate) kind: String,
    pub(crate) json: bool,
    /// In ticks of 100 ns since 1970.
    pub(crate) created: u64,
    pub(crate) custom_metadata: Bytes,
    pub(crate) data: Bytes,
    /// Whether scavenging took the bytes away; the record is in no read any more.
    pub(crate) scavenged: bool,
}

/// An event as a client proposes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Proposed {
    pub(crate) id: Uuid,
    pub(crate) kind: String,
    pub(crate) json: bool,
    pub(crate) custom_metadata: Bytes,
    pub(crate) data: Bytes,
}

impl Proposed {
    /// The bytes that count against the limits, as the server counts them.
    pub(crate) fn size(&self) -> usize {
        self.data.len() + self.custom_metadata.len() + 2 * self.kind.encode_utf16().count()
    }

    /// A metadata event with `json` as its text.
    pub(crate) fn metadata(json: String) -> Self {
        Self {
            id: Uuid::new_v4(),
            kind: METADATA_KIND.to_owned(),
            json: true,
            custom_metadata: Bytes::new(),
            data: Bytes::from(json),
        }
    }
}

/// Where an append or a delete put its last event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stored {
    /// Of the stream afterwards; none when it holds no event.
    pub(crate) revision: Option<u64>,
    /// None when nothing was written.
    pub(crate) position: Option<u64>,
    /// The events had been there before.
    pub(crate) replay: bool,
}

/// The whole log.
#[derive(Debug)]
pub(crate) struct Store {
    /// In log order.
    records: Vec<Record>,
    streams: BTreeMap<Arc<str>, Stream>,
    /// Where the next record will stand.
    end: u64,
    /// Ids of late appends: all that the server knows about replays with `any`.
    recent: VecDeque<(Uuid, Arc<str>, u64)>,
    journal: Option<Journal>,
    /// User appends so far, for the system's own records between them.
    appends: u64,
    /// Nothing is written any more.
    closed: bool,
}

/// What the store knows of one stream.
#[derive(Debug, Default)]
struct Stream {
    /// Index in `records` by revision.
    events: Vec<usize>,
    /// Once and for all.
    tombstoned: bool,
    /// Of the last event of its `$$` stream.
    metadata: StreamMetadata,
}

impl Store {
    /// Opens the store, from the journal in `directory` if there is one.
    pub(crate) fn open(directory: Option<&Path>) -> io::Result<Self> {
        let mut store = Self {
            records: Vec::new(),
            streams: BTreeMap::new(),
            end: LOG_START,
            recent: VecDeque::new(),
            journal: None,
            appends: 0,
            closed: false,
        };
        if let Some(directory) = directory {
            let (journal, entries) = Journal::open(directory)?;
            for entry in entries {
                store.replay(entry)?;
            }
            // What a server has seen before it was started again is in its index, not in its cache.
            store.recent.clear();
            store.journal = Some(journal);
        }
        Ok(store)
    }

    /// Appends to `stream` if the server's rules allow it.
    ///
    /// # Errors
    ///
    /// The journal cannot be written; nothing is stored then.
    pub(crate) fn append(
        &mut self,
        stream: &str,
        expected: Expected,
        events: &[Proposed],
    ) -> io::Result<Result<Stored, Verdict>> {
        let ids = events.iter().map(|event| event.id).collect::<Vec<_>>();
        let reborn = match self.verdict(stream, expected, &ids) {
            Verdict::Allowed { soft_deleted } => soft_deleted && !events.is_empty(),
            Verdict::Replay { last } => {
                let position = self.record_at(stream, last).map(|record| record.position);
                return Ok(Ok(Stored { revision: Some(last), position, replay: true }));
            }
            refused @ (Verdict::WrongRevision { .. } | Verdict::Deleted) => return Ok(Err(refused)),
        };
        let first = self.next_revision(stream);
        let mut records = self.own_records();
        if reborn {
            let metadata = self.metadata(stream).reborn_at(first);
            self.lay(&mut records, &format!("$${stream}"), Proposed::metadata(metadata), None);
        }
        for event in events {
            self.lay(&mut records, stream, event.clone(), None);
        }
        let position = if events.is_empty() { None } else { records.last().map(|record| record.position) };
        self.commit(records)?;
        Ok(Ok(Stored { revision: self.next_revision(stream).checked_sub(1), position, replay: false }))
    }

    /// Appends the last event of `stream` once more, same id and same bytes, and returns its revision.
    pub(crate) fn duplicate(&mut self, stream: &str) -> io::Result<Option<u64>> {
        let Some(last) = self.next_revision(stream).checked_sub(1) else { return Ok(None) };
        let Some(record) = self.record_at(stream, last).cloned() else { return Ok(None) };
        let again = Proposed {
            id: record.id,
            kind: record.kind,
            json: record.json,
            custom_metadata: record.custom_metadata,
            data: record.data,
        };
        let mut records = Vec::new();
        self.lay(&mut records, stream, again, None);
        self.commit(records)?;
        Ok(self.next_revision(stream).checked_sub(1))
    }

    /// Hides all events of `stream`, for good or until the next append.
    ///
    /// # Errors
    ///
    /// The journal cannot be written; nothing is stored then.
    pub(crate) fn delete(
        &mut self,
        stream: &str,
        expected: Expected,
        hard: bool,
    ) -> io::Result<Result<Stored, Verdict>> {
        match self.verdict(stream, expected, &[Uuid::new_v4()]) {
            Verdict::Allowed { .. } => {}
            refused @ (Verdict::Replay { .. } | Verdict::WrongRevision { .. } | Verdict::Deleted) => {
                return Ok(Err(refused));
            }
        }
        let mut records = Vec::new();
        if hard {
            let tombstone =
                Proposed { kind: TOMBSTONE_KIND.to_owned(), json: false, ..Proposed::metadata(String::new()) };
            self.lay(&mut records, stream, tombstone, Some(DELETED));
        } else {
            let metadata = self.metadata(stream).reborn_at(DELETED);
            self.lay(&mut records, &format!("$${stream}"), Proposed::metadata(metadata), None);
        }
        let position = records.last().map(|record| record.position);
        self.commit(records)?;
        Ok(Ok(Stored { revision: self.next_revision(stream).checked_sub(1), position, replay: false }))
    }

    /// Forgets the last `count` records, as the restore of an old backup does.
    pub(crate) fn rewind(&mut self, count: usize) -> io::Result<()> {
        let keep = self.records.len().saturating_sub(count);
        let Some(position) = self.records.get(keep).map(|record| record.position) else { return Ok(()) };
        let entry = journal::rewound(position);
        self.write(&entry)?;
        self.replay(entry)
    }

    /// Takes the bytes of one event away. Says whether there was such an event.
    pub(crate) fn scavenge(&mut self, stream: &str, revision: u64) -> io::Result<bool> {
        let Some(position) = self.record_at(stream, revision).map(|record| record.position) else { return Ok(false) };
        let entry = journal::scavenged(position);
        self.write(&entry)?;
        self.replay(entry)?;
        Ok(true)
    }

    /// Takes the bytes of all events away that the metadata of `stream` hides. Says how many.
    pub(crate) fn scavenge_hidden(&mut self, stream: &str) -> io::Result<u64> {
        let first = self.first_revision(stream, ticks_now()).min(self.next_revision(stream));
        let mut count = 0;
        for revision in 0..first {
            count += u64::from(self.scavenge(stream, revision)?);
        }
        Ok(count)
    }

    /// Writes nothing from now on, and lets the journal go.
    pub(crate) fn close(&mut self) {
        self.closed = true;
        self.journal = None;
    }

    /// The records in the log.
    pub(crate) fn len(&self) -> usize {
        self.records.len()
    }

    /// The metadata of `stream`; the default when none was ever set.
    pub(crate) fn metadata(&self, stream: &str) -> StreamMetadata {
        self.streams.get(stream).map(|stream| stream.metadata.clone()).unwrap_or_default()
    }

    /// The text of the last event of `stream`.
    pub(crate) fn last_data(&self, stream: &str) -> Option<Bytes> {
        let last = self.next_revision(stream).checked_sub(1)?;
        Some(self.record_at(stream, last)?.data.clone())
    }

    fn next_revision(&self, stream: &str) -> u64 {
        self.streams.get(stream).map_or(0, |stream| stream.events.len() as u64)
    }

    fn record_at(&self, stream: &str, revision: u64) -> Option<&Record> {
        let index = self.streams.get(stream)?.events.get(usize::try_from(revision).ok()?)?;
        self.records.get(*index).filter(|record| !record.scavenged)
    }

    /// What a server writes between the records of its users, so that nobody relies on their being alone.
    fn own_records(&mut self) -> Vec<Record> {
        let mut records = Vec::new();
        self.appends += 1;
        if self.appends % OWN_RECORDS_EVERY == 1 {
            let statistics = Proposed { kind: "$statsCollected".to_owned(), ..Proposed::metadata("{}".to_owned()) };
            self.lay(&mut records, "$stats-127.0.0.1:2113", statistics, None);
        }
        records
    }

    /// Adds to `records` what will be the next record of `stream` after them.
    fn lay(&self, records: &mut Vec<Record>, stream: &str, event: Proposed, revision: Option<u64>) {
        let position = records.last().map_or(self.end, |last| last.end);
        let before = records.iter().filter(|record| *record.stream == *stream).count() as u64;
        let size = RECORD_OVERHEAD_BYTES + stream.len() as u64 + event.size() as u64;
        records.push(Record {
            position,
            end: position + size,
            stream: Arc::from(stream),
            revision: revision.unwrap_or_else(|| self.next_revision(stream) + before),
            id: event.id,
            kind: event.kind,
            json: event.json,
            created: ticks_now(),
            custom_metadata: event.custom_metadata,
            data: event.data,
            scavenged: false,
        });
    }

    /// Makes `records` durable, then visible.
    fn commit(&mut self, records: Vec<Record>) -> io::Result<()> {
        if records.is_empty() {
            return Ok(());
        }
        if self.journal.is_some() || self.closed {
            self.write(&journal::written(&records))?;
        }
        for record in records {
            self.admit(record);
        }
        Ok(())
    }

    fn write(&mut self, entry: &journal::Entry) -> io::Result<()> {
        if self.closed {
            return Err(io::Error::other("the stand-in has stopped"));
        }
        self.journal.as_mut().map_or(Ok(()), |journal| journal.write(entry))
    }

    fn replay(&mut self, entry: journal::Entry) -> io::Result<()> {
        for record in entry.records {
            self.admit(journal::record(record)?);
        }
        if let Some(position) = entry.rewound_to {
            self.cut_off(position);
        }
        if let Some(position) = entry.scavenged {
            let index = self.records.partition_point(|record| record.position < position);
            if let Some(record) = self.records.get_mut(index) {
                record.scavenged = true;
                record.data = Bytes::new();
                record.custom_metadata = Bytes::new();
            }
        }
        Ok(())
    }

    fn admit(&mut self, record: Record) {
        let index = self.records.len();
        self.end = record.end;
        if let Some(subject) = record.stream.strip_prefix("$$") {
            let metadata = StreamMetadata::parse(&record.data);
            self.streams.entry(Arc::from(subject)).or_default().metadata = metadata;
        }
        let stream = self.streams.entry(record.stream.clone()).or_default();
        if record.revision == DELETED {
            stream.tombstoned = true;
        } else {
            stream.events.push(index);
        }
        if self.recent.len() == RECENT_IDS_MAX {
            self.recent.pop_front();
        }
        self.recent.push_back((record.id, record.stream.clone(), record.revision));
        self.records.push(record);
    }

    /// Builds everything anew from the records before `position`.
    fn cut_off(&mut self, position: u64) {
        let keep = self.records.partition_point(|record| record.position < position);
        let mut kept = std::mem::take(&mut self.records);
        kept.truncate(keep);
        self.streams.clear();
        self.recent.clear();
        self.end = LOG_START;
        for record in kept {
            self.admit(record);
        }
        self.end = position;
    }
}

/// Now, in ticks of 100 ns since 1970.
pub(crate) fn ticks_now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    since.as_secs() * TICKS_PER_SECOND + u64::from(since.subsec_nanos()) / 100
}

pub(crate) const TICKS_PER_SECOND: u64 = 10_000_000;
pub(crate) const METADATA_KIND: &str = "$metadata";
const TOMBSTONE_KIND: &str = "$streamDeleted";
/// The first record of a real log is the epoch's, which no read shows.
const LOG_START: u64 = 223;
const RECORD_OVERHEAD_BYTES: u64 = 103;
const OWN_RECORDS_EVERY: u64 = 16;
const RECENT_IDS_MAX: usize = 4_096;
