//! Working hours (工作时间): 08:30–12:00 and 14:00–17:30 on working days, seven hours a day.

use crate::calendar::{Calendar, Day};

/// Seconds of a day at which offices open and close.
const OPEN_S: [(i64, i64); 2] = [(8 * 3_600 + 1_800, 12 * 3_600), (14 * 3_600, 17 * 3_600 + 1_800)];

/// The instant at which offices open on a day.
pub(super) fn opening(day: Day) -> i64 {
    let [(opening, _), _] = OPEN_S;
    day.begin() + opening
}

/// Seconds of working time between two instants; 0 when the second is not later.
pub(super) fn seconds_between(calendar: &Calendar, from: i64, to: i64) -> u64 {
    let (mut day, last) = (Day::of(from), Day::of(to));
    let mut seconds = 0;
    while day <= last {
        if calendar.is_working(day) {
            let open = OPEN_S.map(|(opens, closes)| {
                let (opens, closes) = ((day.begin() + opens).max(from), (day.begin() + closes).min(to));
                (closes - opens).max(0)
            });
            seconds += open.iter().sum::<i64>();
        }
        day = day.plus(1);
    }
    u64::try_from(seconds).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::calendar::parse_instant;

    #[test]
    fn only_office_hours_of_working_days_count() {
        let calendar = Calendar::parse(include_str!("../../data/calendar_cn.json")).unwrap();
        for (from, to, minutes) in [
            ("2024-03-04T09:00", "2024-03-04T10:30", 90),
            ("2024-03-04T11:00", "2024-03-04T15:00", 120),
            ("2024-03-04T07:00", "2024-03-04T20:00", 420),
            ("2024-03-08T17:00", "2024-03-11T09:00", 60),
            ("2024-04-03T17:00", "2024-04-07T09:00", 60),
            ("2024-03-09T09:00", "2024-03-10T10:00", 0),
            ("2024-03-04T12:30", "2024-03-04T13:30", 0),
            ("2024-03-04T10:00", "2024-03-04T09:00", 0),
            ("2024-03-05T10:00", "2024-03-04T09:00", 0),
        ] {
            let instant = |text: &str| parse_instant(&format!("{text}:00+08:00")).unwrap();
            assert_eq!(seconds_between(&calendar, instant(from), instant(to)), minutes * 60, "{from} {to}");
        }
        assert_eq!(opening(Day::parse("2024-03-04").unwrap()), parse_instant("2024-03-04T08:30:00+08:00").unwrap());
    }
}
