//! Pages of the log and of its streams.

use super::{Record, Store, TICKS_PER_SECOND, ticks_now};
use crate::filter::Filter;

/// Which way a read goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Direction {
    Forwards,
    Backwards,
}

/// A page of the whole log.
#[derive(Debug)]
pub(crate) struct Page {
    pub(crate) records: Vec<Record>,
    /// Where the next page begins.
    pub(crate) next: u64,
    /// There is nothing beyond, for now.
    pub(crate) last: bool,
}

/// A page of one stream.
#[derive(Debug)]
pub(crate) struct StreamPage {
    pub(crate) records: Vec<Record>,
    /// The revision at which the next page begins; none when there is nothing beyond.
    pub(crate) next: Option<u64>,
    /// The first revision that is not hidden.
    pub(crate) first_revision: u64,
    pub(crate) last_revision: u64,
}

/// Why a stream cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NoStream {
    /// It holds nothing, or all of it was soft-deleted.
    NotFound,
    Tombstoned,
}

impl Store {
    /// The events that `filter` lets pass, from byte `position` of the log: from the event there on when forwards, from
    /// the one before when backwards. Only the first `visible` records are seen.
    ///
    /// None when no record begins or ends at `position`.
    pub(crate) fn page(
        &self,
        position: u64,
        direction: Direction,
        filter: &Filter,
        count: usize,
        visible: usize,
    ) -> Option<Page> {
        let log = self.records.get(..visible.min(self.records.len())).unwrap_or_default();
        let index = log.partition_point(|record| record.position < position);
        let boundary = log.get(index).is_none_or(|record| record.position == position);
        let inside =
            index.checked_sub(1).and_then(|before| log.get(before)).is_some_and(|before| position < before.end);
        // Before the first record there is only the epoch's; beyond the end, what a node has not got yet.
        if inside || (!boundary && index > 0) {
            return None;
        }
        let mut page = Page { records: Vec::new(), next: position, last: true };
        let mut considered = 0;
        let pass = |record: &&Record| !record.scavenged && filter.passes(record);
        match direction {
            Direction::Forwards => {
                for record in log.get(index..).unwrap_or_default() {
                    if considered == SEARCHED_RECORDS_MAX || page.records.len() == count {
                        page.last = false;
                        break;
                    }
                    considered += 1;
                    page.next = record.end;
                    page.records.extend(Some(record).filter(pass).cloned());
                }
            }
            Direction::Backwards => {
                for record in log.get(..index).unwrap_or_default().iter().rev() {
                    if considered == SEARCHED_RECORDS_MAX || page.records.len() == count {
                        page.last = false;
                        break;
                    }
                    considered += 1;
                    page.next = record.position;
                    page.records.extend(Some(record).filter(pass).cloned());
                }
            }
        }
        Some(page)
    }

    /// Where the log ends for one who sees its first `visible` records.
    pub(crate) fn end(&self, visible: usize) -> u64 {
        if visible >= self.records.len() {
            return self.end;
        }
        self.records.get(visible).map_or(self.end, |record| record.position)
    }

    /// The events of `stream` from `revision` on; from its end when none is given and the way is backwards.
    ///
    /// # Errors
    ///
    /// There is no such stream to read.
    pub(crate) fn stream_page(
        &self,
        stream: &str,
        revision: Option<u64>,
        direction: Direction,
        count: usize,
        visible: usize,
    ) -> Result<StreamPage, NoStream> {
        let Some(known) = self.streams.get(stream) else { return Err(NoStream::NotFound) };
        if known.tombstoned {
            return Err(NoStream::Tombstoned);
        }
        let events = known.events.partition_point(|index| *index < visible) as u64;
        let Some(last) = events.checked_sub(1) else { return Err(NoStream::NotFound) };
        if known.metadata.is_soft_deleted() {
            return Err(NoStream::NotFound);
        }
        let first = self.first_revision(stream, ticks_now());
        let mut page = StreamPage { records: Vec::new(), next: None, first_revision: first, last_revision: last };
        let revisions: Box<dyn Iterator<Item = u64>> = match direction {
            Direction::Forwards => Box::new(revision.unwrap_or(0).max(first)..=last),
            Direction::Backwards => Box::new((first..=revision.unwrap_or(last).min(last)).rev()),
        };
        for revision in revisions {
            if page.records.len() == count {
                page.next = Some(revision);
                break;
            }
            page.records.extend(self.record_at(stream, revision).cloned());
        }
        Ok(page)
    }

    /// The first revision that the metadata of `stream` does not hide at `now`, in ticks.
    pub(super) fn first_revision(&self, stream: &str, now: u64) -> u64 {
        let Some(known) = self.streams.get(stream) else { return 0 };
        let next = known.events.len() as u64;
        let metadata = &known.metadata;
        let counted = metadata.max_count.map_or(0, |count| next.saturating_sub(count));
        let aged = metadata.max_age_seconds.map_or(0, |seconds| {
            let oldest = now.saturating_sub(seconds.saturating_mul(TICKS_PER_SECOND));
            known.events.partition_point(|index| self.records.get(*index).is_some_and(|record| record.created < oldest))
                as u64
        });
        metadata.truncate_before.unwrap_or(0).max(counted).max(aged)
    }
}

/// Records looked at for one page; a filter may let few of them pass.
const SEARCHED_RECORDS_MAX: usize = 2_000;
