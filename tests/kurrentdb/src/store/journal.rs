//! The file that keeps what was acknowledged: frames of length, checksum and [`Entry`].
//!
//! A frame is synced before anybody hears of what is in it. A crash leaves at most one unfinished frame at the end,
//! which the next start cuts off.

use std::{
    fs::{File, OpenOptions, TryLockError},
    io::{self, Read as _, Seek as _, SeekFrom, Write as _},
    path::Path,
    sync::Arc,
};

use prost::Message as _;
use uuid::Uuid;

use super::Record;
pub(super) use crate::wire::stand_in::journal::Entry;
use crate::wire::stand_in::journal::Record as StoredRecord;

/// The open file, locked against a second process.
#[derive(Debug)]
pub(super) struct Journal {
    file: File,
    /// Bytes of whole frames.
    whole: u64,
}

impl Journal {
    /// Opens the journal in `directory` and reads all that is whole in it.
    pub(super) fn open(directory: &Path) -> io::Result<(Self, Vec<Entry>)> {
        std::fs::create_dir_all(directory)?;
        let path = directory.join("journal");
        let mut file = OpenOptions::new().create(true).read(true).write(true).truncate(false).open(path)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(io::Error::other("another stand-in serves this directory")),
            Err(TryLockError::Error(error)) => return Err(error),
        }
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        let mut entries = Vec::new();
        let mut rest = bytes.as_slice();
        while let Some((entry, after)) = frame(rest) {
            entries.push(entry);
            rest = after;
        }
        let whole = (bytes.len() - rest.len()) as u64;
        file.set_len(whole)?;
        file.seek(SeekFrom::Start(whole))?;
        file.sync_all()?;
        Ok((Self { file, whole }, entries))
    }

    /// Writes `entry` and waits until it is durable.
    pub(super) fn write(&mut self, entry: &Entry) -> io::Result<()> {
        let payload = entry.encode_to_vec();
        let length = u32::try_from(payload.len()).map_err(io::Error::other)?;
        let mut frame = Vec::with_capacity(payload.len() + FRAME_HEAD_BYTES);
        frame.extend_from_slice(&length.to_le_bytes());
        frame.extend_from_slice(&crc32c::crc32c(&payload).to_le_bytes());
        frame.extend_from_slice(&payload);
        if let Err(error) = self.file.write_all(&frame).and_then(|()| self.file.sync_data()) {
            // Whatever of it was written must not stand between this frame's successors and a reader.
            self.file.set_len(self.whole)?;
            self.file.seek(SeekFrom::Start(self.whole))?;
            return Err(error);
        }
        self.whole += frame.len() as u64;
        Ok(())
    }
}

/// The frame at the start of `bytes`, and what follows it; none when it is not whole.
fn frame(bytes: &[u8]) -> Option<(Entry, &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<4>()?;
    let (checksum, rest) = rest.split_first_chunk::<4>()?;
    let length = usize::try_from(u32::from_le_bytes(*length)).ok()?;
    let (payload, rest) = rest.split_at_checked(length)?;
    if crc32c::crc32c(payload) != u32::from_le_bytes(*checksum) {
        return None;
    }
    Some((Entry::decode(payload).ok()?, rest))
}

pub(super) fn written(records: &[Record]) -> Entry {
    let records = records.iter().map(|record| StoredRecord {
        position: record.position,
        end: record.end,
        stream: record.stream.to_string(),
        revision: record.revision,
        id: record.id.as_bytes().to_vec().into(),
        kind: record.kind.clone(),
        json: record.json,
        created: record.created,
        custom_metadata: record.custom_metadata.clone(),
        data: record.data.clone(),
    });
    Entry { records: records.collect(), rewound_to: None, scavenged: None }
}

pub(super) fn rewound(position: u64) -> Entry {
    Entry { records: Vec::new(), rewound_to: Some(position), scavenged: None }
}

pub(super) fn scavenged(position: u64) -> Entry {
    Entry { records: Vec::new(), rewound_to: None, scavenged: Some(position) }
}

pub(super) fn record(stored: StoredRecord) -> io::Result<Record> {
    Ok(Record {
        position: stored.position,
        end: stored.end,
        stream: Arc::from(stored.stream),
        revision: stored.revision,
        id: Uuid::from_slice(&stored.id).map_err(io::Error::other)?,
        kind: stored.kind,
        json: stored.json,
        created: stored.created,
        custom_metadata: stored.custom_metadata,
        data: stored.data,
        scavenged: false,
    })
}

/// Length and checksum, four bytes each, little-endian.
const FRAME_HEAD_BYTES: usize = 8;
