//! Ids that the same file brings about again.

use mediation_domain::history::EventId;
use sha2::{Digest as _, Sha256};
use uuid::{Builder, Uuid};

/// What the digests are made over, in front.
const DOMAIN: &[u8] = b"mediation-ledger/import/v1\0";

/// One filling of a template: a UUIDv7 that stands in the file from the time the template was written. Who does not have the
/// file cannot tell from the number of a matter which chain it is on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Batch(Uuid);

impl Batch {
    /// A new one.
    pub(crate) fn new() -> Self {
        Self(Uuid::now_v7())
    }

    /// Reads the one accepted form.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let parsed = Uuid::parse_str(text).ok().filter(|uuid| uuid.get_version_num() == 7)?;
        (parsed.to_string() == text).then_some(Self(parsed))
    }

    /// The chain of a matter that the agency knows by this key.
    pub(crate) fn chain(self, agency: &str, key: &str) -> Uuid {
        let digest = self.digest(&["chain", agency, key]);
        Builder::from_random_bytes(digest).into_uuid()
    }

    /// The n-th act of this kind in a matter, from 1 on. Its content does not count: when that is corrected after the act was
    /// recorded, the ledger refuses the other content instead of recording the act twice.
    pub(crate) fn event(self, agency: &str, key: &str, event: &str, number: u32) -> EventId {
        let mut bytes = self.digest(&["event", agency, key, event, &number.to_string()]);
        // The time of a UUIDv7 is that of the batch.
        for (byte, time) in bytes.iter_mut().zip(self.0.as_bytes().iter().take(6)) {
            *byte = *time;
        }
        let version = bytes.iter().enumerate().map(|(at, byte)| match at {
            6 => 0x70 | (byte & 0x0f),
            8 => 0x80 | (byte & 0x3f),
            _ => *byte,
        });
        let mut id = [0; 16];
        id.iter_mut().zip(version).for_each(|(into, byte)| *into = byte);
        EventId(id)
    }

    fn digest(self, pieces: &[&str]) -> [u8; 16] {
        let mut hash = Sha256::new();
        hash.update(DOMAIN);
        hash.update(self.0.as_bytes());
        for piece in pieces {
            hash.update(piece.as_bytes());
            hash.update([0_u8]);
        }
        let mut half = [0; 16];
        half.iter_mut().zip(hash.finalize()).for_each(|(into, byte)| *into = byte);
        half
    }
}

impl std::fmt::Display for Batch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}
