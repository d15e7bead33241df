//! Clocks as bars along the days of a chain.

use mediation_domain::calendar::Day;

use super::judged::{ClockRow, Judged, day_of};

/// Widths and heights in CSS pixels.
const LABEL: i64 = 290;
const TRACK: i64 = 640;
const DUE: i64 = 110;
const ROW: i64 = 28;
const HEAD: i64 = 30;

/// Months between two marks of the axis, by how many days the chart spans.
const MARKS: [(i64, u32); 3] = [(200, 1), (800, 3), (i64::MAX, 12)];

/// A chart of clocks.
#[derive(Debug, Clone, Default)]
pub(in crate::console) struct Bars {
    pub(in crate::console) width: i64,
    pub(in crate::console) height: i64,
    pub(in crate::console) label: i64,
    pub(in crate::console) rows: Vec<Bar>,
    pub(in crate::console) marks: Vec<Mark>,
    /// Where the day stands as of which the chain is shown.
    pub(in crate::console) as_of: Option<i64>,
}

/// A day on the axis.
#[derive(Debug, Clone)]
pub(in crate::console) struct Mark {
    pub(in crate::console) x: i64,
    pub(in crate::console) label: String,
}

/// One clock.
#[derive(Debug, Clone)]
pub(in crate::console) struct Bar {
    pub(in crate::console) y: i64,
    pub(in crate::console) x: i64,
    /// Width up to the limit, or to where it ended before.
    pub(in crate::console) width: i64,
    /// From the limit on, as far as it was late.
    pub(in crate::console) late: Option<(i64, i64)>,
    /// Where it ended.
    pub(in crate::console) done: Option<i64>,
    /// Where its limit stands.
    pub(in crate::console) due: Option<i64>,
    pub(in crate::console) due_x: i64,
    pub(in crate::console) clock: ClockRow,
}

impl Bars {
    /// The clocks of a judgement.
    pub(in crate::console) fn of(judged: &Judged, as_of: Day) -> Self {
        let ends = |clock: &ClockRow| [clock.due.as_deref().and_then(day_of), clock.done.as_deref().and_then(day_of)];
        let starts = judged.clocks.iter().filter_map(|clock| day_of(&clock.start));
        let Some(first) = starts.clone().min() else { return Self::default() };
        let last = judged.clocks.iter().flat_map(ends).flatten().chain(starts).max().unwrap_or(first);
        // A chain that ended long ago is not squeezed by the years since.
        let last = if as_of > last && judged.outcome.is_none() { as_of } else { last };
        let span = Span { first, days: last.since(first).max(1) };
        let rows: Vec<Bar> = (0..).zip(&judged.clocks).map(|(at, clock)| span.bar(at, clock, as_of)).collect();
        let count = i64::try_from(rows.len()).unwrap_or_default();
        Self {
            width: LABEL + TRACK + DUE,
            height: HEAD + count * ROW + 6,
            label: LABEL - 10,
            marks: span.marks(),
            as_of: (as_of >= first && as_of <= last).then(|| span.x(as_of)),
            rows,
        }
    }
}

/// The days of a chart.
struct Span {
    first: Day,
    days: i64,
}

impl Span {
    fn x(&self, day: Day) -> i64 {
        LABEL + day.since(self.first).clamp(0, self.days) * TRACK / self.days
    }

    fn bar(&self, at: i64, clock: &ClockRow, as_of: Day) -> Bar {
        let start = day_of(&clock.start).unwrap_or(self.first);
        let (due, done) = (clock.due.as_deref().and_then(day_of), clock.done.as_deref().and_then(day_of));
        let until = done.unwrap_or(as_of);
        let end = due.map_or(until, |due| if done.is_some() { due.min(until) } else { due });
        let late = due.filter(|due| clock.class == "late" && until > *due).map(|due| (self.x(due), self.x(until)));
        let x = self.x(start);
        Bar {
            y: HEAD + at * ROW,
            x,
            width: (self.x(end) - x).max(2),
            late: late.map(|(from, to)| (from, (to - from).max(3))),
            done: done.map(|done| self.x(done)),
            due: due.map(|due| self.x(due)),
            due_x: LABEL + TRACK + 8,
            clock: clock.clone(),
        }
    }

    fn marks(&self) -> Vec<Mark> {
        let every = MARKS.iter().find(|(days, _)| self.days <= *days).map_or(12, |(_, months)| *months);
        let begin = Day::parse(&format!("{}-01", self.first.month())).unwrap_or(self.first);
        let days = std::iter::successors(Some(begin), |day| Some(day.plus_months(every)));
        let inside = days.take_while(|day| day.since(self.first) <= self.days).filter(|day| *day >= self.first);
        inside.map(|day| Mark { x: self.x(day), label: day.month() }).collect()
    }
}
