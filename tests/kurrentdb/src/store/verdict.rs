//! Whether an append may be stored: the server's rules for expected revisions and for what it takes as a replay.
//!
//! It compares ids only, never contents (`IndexWriter.cs` of the server).

use uuid::Uuid;

use super::Store;

/// What a writer says about the stream before its append.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Expected {
    Any,
    StreamExists,
    NoStream,
    Revision(u64),
}

/// What the rules say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Allowed {
        /// The append brings a soft-deleted stream back.
        soft_deleted: bool,
    },
    /// Exactly these events stand there already, the last one as `last`.
    Replay {
        last: u64,
    },
    WrongRevision {
        /// The stream's last revision; none when it holds no event.
        current: Option<u64>,
    },
    Deleted,
}

impl Store {
    pub(super) fn verdict(&self, stream: &str, expected: Expected, ids: &[Uuid]) -> Verdict {
        let known = self.streams.get(stream);
        if known.is_some_and(|known| known.tombstoned) {
            return Verdict::Deleted;
        }
        let current = self.next_revision(stream).checked_sub(1);
        let soft_deleted = known.is_some_and(|known| known.metadata.is_soft_deleted());
        match expected {
            Expected::Any => self.weak(stream, ids, current, soft_deleted),
            Expected::StreamExists => {
                let described = self.next_revision(&format!("$${stream}")) > 0;
                if soft_deleted || (current.is_none() && !described) {
                    return Verdict::WrongRevision { current };
                }
                self.weak(stream, ids, current, soft_deleted)
            }
            Expected::NoStream if current.is_none() => Verdict::Allowed { soft_deleted },
            Expected::NoStream => self.strong(stream, 0, ids, current, soft_deleted),
            Expected::Revision(revision) => match current {
                Some(current) if revision == current => Verdict::Allowed { soft_deleted },
                Some(last) if revision < last => self.strong(stream, revision + 1, ids, current, false),
                Some(_) | None => Verdict::WrongRevision { current },
            },
        }
    }

    /// The events must stand one after the other from revision `first` on.
    fn strong(&self, stream: &str, first: u64, ids: &[Uuid], current: Option<u64>, may_begin: bool) -> Verdict {
        let mut last = None;
        for (id, revision) in ids.iter().zip(first..) {
            if self.record_at(stream, revision).is_none_or(|record| record.id != *id) {
                // A stream that was soft-deleted counts as none, unless these very events began it.
                let anew = may_begin && last.is_none();
                return if anew { Verdict::Allowed { soft_deleted: true } } else { Verdict::WrongRevision { current } };
            }
            last = Some(revision);
        }
        match last {
            Some(last) => Verdict::Replay { last },
            None if may_begin => Verdict::Allowed { soft_deleted: true },
            None => Verdict::WrongRevision { current },
        }
    }

    /// The events must all be among those written lately, or none of them.
    fn weak(&self, stream: &str, ids: &[Uuid], current: Option<u64>, soft_deleted: bool) -> Verdict {
        let mut last = None;
        for id in ids {
            let found = self.recent.iter().rev().find(|(recent, of, _)| recent == id && **of == *stream);
            match found {
                Some((_, _, revision)) => last = Some(*revision),
                None if last.is_some() => return Verdict::WrongRevision { current },
                None => return Verdict::Allowed { soft_deleted },
            }
        }
        last.map_or(Verdict::Allowed { soft_deleted }, |last| Verdict::Replay { last })
    }
}
