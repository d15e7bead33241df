//! As of when a chain is shown: two instants and an act.
//!
//! ```text
//! known_at, through_revision ─ the leading entries that were known ─ the others do not exist
//! as_of ─────────────────────── of those, acts of a later business time are not judged
//! ```
//!
//! What was known is a beginning of the chain: an entry commits to the one before it, so nobody knew it before that one was recorded,
//! whatever the clocks of two desks say.

use mediation_domain::{
    admit::Violation,
    calendar::{Day, parse_instant},
};
use mediation_ledger::ledger::CheckedEntry;

use crate::{request::violation, status::Refused};

/// As of when a chain is asked for, parsed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Replay {
    as_of: Option<Day>,
    /// Last millisecond in which an entry was recorded that is known.
    known_ms: Option<i64>,
    through: Option<u64>,
}

impl Replay {
    /// Parses what stands in a request; what is malformed is added to the violations.
    pub(crate) fn parse(
        as_of: Option<&str>,
        known_at: Option<&str>,
        through: Option<u64>,
        violations: &mut Vec<Violation>,
    ) -> Self {
        let day = as_of.and_then(Day::parse);
        if as_of.is_some() && day.is_none() {
            violations.push(violation("as_of", "is no day of the form YYYY-MM-DD", "不是 YYYY-MM-DD 形式的日期"));
        }
        let known_s = known_at.filter(|text| text.contains('T')).and_then(parse_instant);
        if known_at.is_some() && known_s.is_none() {
            violations.push(violation(
                "known_at",
                "is no instant of the form YYYY-MM-DDTHH:MM:SS+08:00",
                "不是 YYYY-MM-DDTHH:MM:SS+08:00 形式的时点",
            ));
        }
        // Times of recording are told in whole seconds, so that one who asks for such a time means all of that second.
        Self { as_of: day, known_ms: known_s.map(|known| known * 1_000 + 999), through }
    }

    /// The entries that were known: a beginning of the chain.
    ///
    /// # Errors
    /// The act as of which it is asked for is not on the chain.
    pub(crate) fn known<'e>(
        &self,
        entries: &'e [CheckedEntry],
        is_seen: &dyn Fn(u64) -> bool,
    ) -> Result<&'e [CheckedEntry], Refused> {
        let recorded: Vec<(u64, i64)> = entries.iter().map(|entry| (entry.revision.0, entry.recorded_at)).collect();
        let end = self.end(&recorded, is_seen).ok_or_else(|| {
            let (en, zh) = ("is no revision of the chain", "链上没有该版本");
            Refused::malformed(vec![violation("through_revision", en, zh)])
        })?;
        Ok(entries.get(..end).unwrap_or_default())
    }

    /// Where that beginning ends, by revisions and times of recording; none when the act is not there. As of an instant it goes by
    /// the entries that the reader may know of alone, and ends with one of them: whoever asks instant after instant must not find
    /// out when an act was recorded that is not for him.
    fn end(&self, recorded: &[(u64, i64)], is_seen: &dyn Fn(u64) -> bool) -> Option<usize> {
        let through = |through| recorded.iter().position(|(revision, _)| *revision == through).map(|at| at + 1);
        let end = self.through.map_or(Some(recorded.len()), through)?;
        let Some(known_ms) = self.known_ms else { return Some(end) };
        let seen = recorded.iter().take(end).enumerate().filter(|(_, (revision, _))| is_seen(*revision));
        let known = seen.take_while(|(_, (_, recorded_ms))| *recorded_ms <= known_ms);
        Some(known.last().map_or(0, |(at, _)| at + 1))
    }

    /// The day at whose end the chain is judged. When none is asked for: as of an act, the latest business day of what was known
    /// and the reader may know of; as of an instant, its day; else today.
    pub(crate) fn day(&self, known: &[CheckedEntry], is_seen: &dyn Fn(u64) -> bool, today: Day) -> Day {
        if let Some(as_of) = self.as_of {
            return as_of;
        }
        let then = self.known_ms.map_or(today, |known| today.min(Day::of(known.div_euclid(1_000))));
        if self.through.is_none() {
            return then;
        }
        let acts = known.iter().filter_map(|entry| entry.outcome.as_ref().ok());
        let seen = acts.filter(|act| is_seen(act.revision)).map(|act| Day::of(act.occurred_at));
        seen.max().unwrap_or(then)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(as_of: Option<&str>, known_at: Option<&str>) -> (Replay, Vec<String>) {
        let mut violations = Vec::new();
        let replay = Replay::parse(as_of, known_at, None, &mut violations);
        (replay, violations.into_iter().map(|violation| violation.path).collect())
    }

    #[test]
    fn both_instants_are_read_and_what_is_malformed_is_named_all_at_once() {
        let (replay, violations) = parsed(Some("2024-03-05"), Some("2024-03-06T12:00:00+08:00"));
        assert_eq!((replay.as_of, violations), (Day::parse("2024-03-05"), Vec::new()));
        assert_eq!(replay.known_ms, Some(1_709_697_600_999));
        for wrong in ["", "2024-03-06", "2024-03-06T12:00:00", "2024-02-30T12:00:00+08:00", "1709697600"] {
            assert_eq!(parsed(Some("5.3.2024"), Some(wrong)).1, ["as_of", "known_at"], "{wrong}");
        }
    }

    #[test]
    fn where_a_chain_is_cut_goes_by_what_the_reader_may_know_of_alone() {
        // The second and the last act are not for the reader.
        let recorded = [(0, 10_000), (1, 20_000), (2, 30_000), (3, 40_000)];
        let end = |known_ms, through, is_seen: &dyn Fn(u64) -> bool| {
            Replay { as_of: None, known_ms, through }.end(&recorded, is_seen)
        };
        let seen: &dyn Fn(u64) -> bool = &|revision| revision % 2 == 0;
        let ends =
            |is_seen| [9_999, 10_000, 19_999, 20_000, 29_999, 30_000, 50_000].map(|at| end(Some(at), None, is_seen));
        assert_eq!(ends(seen), [0, 1, 1, 1, 1, 3, 3].map(Some));
        assert_eq!(ends(&|_| true), [0, 1, 1, 2, 2, 3, 4].map(Some));
        assert_eq!(
            [end(None, None, seen), end(None, Some(1), seen), end(None, Some(4), seen)],
            [Some(4), Some(2), None]
        );
    }

    #[test]
    fn without_a_day_it_is_judged_as_of_the_instant_but_never_later_than_today() {
        let today = Day::parse("2024-03-10").unwrap();
        let day = |as_of, known_at| parsed(as_of, known_at).0.day(&[], &|_| true, today).to_string();
        assert_eq!(day(None, None), "2024-03-10");
        assert_eq!(day(None, Some("2024-03-06T00:30:00+08:00")), "2024-03-06");
        assert_eq!(day(None, Some("2025-03-06T00:30:00+08:00")), "2024-03-10");
        assert_eq!(day(Some("2026-01-01"), Some("2024-03-06T00:30:00+08:00")), "2026-01-01");
    }
}
