//! Pages of `$all`, one after the other, each looked through for what nobody may do.

use mediation_ledger::log::Cursor;

use crate::{
    alarm::{Alarm, named},
    link::Link,
    names,
    wire::{self, Bounds, Event, Failure},
};

/// A page: so many events that a round trip does not count, so few bytes that many followers have room.
pub(crate) const PAGE: Bounds = Bounds { events: 500, bytes: 4 * 1024 * 1024 };

/// Positions are signed numbers in the engine; it takes what is beyond them for the end of the log.
const POSITION_MAX: u64 = i64::MAX as u64;

/// Type and revision of the event that ends a stream for ever. An event that somebody else appends under that type has a
/// revision like any other.
const TOMBSTONE: (&str, u64) = ("$streamDeleted", i64::MAX as u64);

/// Why there is no page.
#[derive(Debug)]
pub(crate) enum Stop {
    /// What stood at the place to go on from is not there any more, or never was.
    UnknownPlace,
    Failed(Failure),
}

/// A place in `$all`, and how to go on from it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pager {
    /// Last event that was seen, whoever's it is.
    pub(crate) at: Option<Cursor>,
    /// Last record that was seen.
    pub(crate) record: Option<Cursor>,
}

impl Pager {
    /// The events after the place, which moves behind them. None at the end of the log.
    pub(crate) async fn next(&mut self, link: &Link) -> Result<Vec<Event>, Stop> {
        let Some(at) = self.at else {
            let events = page(link, None, PAGE).await?;
            return Ok(self.passed(link, events));
        };
        let mut events = page(link, Some(at), PAGE).await?;
        let stands = events.first().is_some_and(|first| first.at == at);
        if self.record == Some(at) && !(stands && events.first().is_some_and(is_record)) {
            return Err(rewound(link, at));
        }
        if stands {
            events.remove(0);
        } else if let Some(record) = self.record {
            // Events of others may be scavenged. Whether the log was rewound, our own last record tells.
            let one = page(link, Some(record), Bounds { events: 1, ..PAGE }).await?;
            if one.first().is_none_or(|first| first.at != record) {
                return Err(rewound(link, record));
            }
        }
        Ok(self.passed(link, events))
    }

    fn passed(&mut self, link: &Link, events: Vec<Event>) -> Vec<Event> {
        for event in &events {
            self.at = Some(event.at);
            if is_record(event) {
                self.record = Some(event.at);
            }
            if let Some(stream) = names::described(&event.stream) {
                link.alarms.raise(Alarm::Metadata { stream: named(stream), at: event.at });
            }
            if is_tombstone(event) && names::is_ours(&event.stream) {
                link.alarms.raise(Alarm::Deleted { stream: named(&event.stream) });
            }
        }
        events
    }
}

/// Whether an event takes a number: it stands in the stream of a chain, and is not the end of that stream.
pub(crate) fn is_record(event: &Event) -> bool {
    names::chain_of(&event.stream).is_some() && !is_tombstone(event)
}

fn is_tombstone(event: &Event) -> bool {
    (event.kind.as_str(), event.revision) == TOMBSTONE
}

fn rewound(link: &Link, after: Cursor) -> Stop {
    link.alarms.raise(Alarm::Rewound { after });
    Stop::UnknownPlace
}

async fn page(link: &Link, from: Option<Cursor>, bounds: Bounds) -> Result<Vec<Event>, Stop> {
    if from.is_some_and(|Cursor(commit, prepare)| commit >= POSITION_MAX || prepare >= POSITION_MAX) {
        return Err(Stop::UnknownPlace);
    }
    let read =
        link.read(link.options.read_timeout, |client, user| wire::read_all(client, user, from, false, bounds)).await;
    match read {
        Ok(page) => Ok(page.events),
        Err(Failure::Refused(_)) if from.is_some() => Err(Stop::UnknownPlace),
        Err(failure) => {
            link.counters.pages_failed.add();
            Err(Stop::Failed(failure))
        }
    }
}
