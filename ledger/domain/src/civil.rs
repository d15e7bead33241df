//! Calendar days and times of day as they are written, in Asia/Shanghai (UTC+8, without summer time since 1992), and the
//! arithmetic of the proleptic Gregorian calendar in whole numbers. A day is a count of days from 1970-01-01.

use crate::limits::{YEAR_MAX, YEAR_MIN};

/// Seconds that Asia/Shanghai is ahead of UTC.
pub(crate) const OFFSET_S: i64 = 8 * 3_600;

/// Seconds of a day.
pub(crate) const DAY_S: i64 = 86_400;

/// Days from 1970-01-01 to a day written `YYYY-MM-DD`; `None` when it is not written so, does not exist, or lies
/// outside the years that a day may lie in.
pub(crate) fn days(text: &str) -> Option<i64> {
    let bytes = text.as_bytes();
    if bytes.len() != 10 || bytes.get(4) != Some(&b'-') || bytes.get(7) != Some(&b'-') {
        return None;
    }
    let (year, month, day) = (number(bytes.get(..4)?)?, number(bytes.get(5..7)?)?, number(bytes.get(8..)?)?);
    let exists = (i64::from(YEAR_MIN)..=i64::from(YEAR_MAX)).contains(&year)
        && (1..=12).contains(&month)
        && (1..=days_in_month(year, month)).contains(&day);
    exists.then(|| days_from_civil(year, month, day))
}

/// Seconds since 1970-01-01T00:00:00Z of a day and a time of day, written `HH:MM` or `HH:MM:SS`.
pub(crate) fn instant(date: &str, time: Option<&str>) -> Option<i64> {
    let seconds = time.map_or(Some(0), seconds_of_day)?;
    Some(days(date)? * DAY_S + seconds - OFFSET_S)
}

/// Whether a text is RFC 3339 with offset `+08:00` and whole seconds.
pub(crate) fn is_date_time(text: &str) -> bool {
    let time = text.strip_suffix("+08:00").and_then(|text| text.split_once('T'));
    time.is_some_and(|(date, time)| time.len() == 8 && instant(date, Some(time)).is_some())
}

/// Days of a month, 1 to 12.
pub(crate) fn days_in_month(year: i64, month: i64) -> i64 {
    days_from_civil(year + month / 12, month % 12 + 1, 1) - days_from_civil(year, month, 1)
}

/// The day of a year, a month from 1 to 12 and a day of the month (Howard Hinnant, `days_from_civil`).
pub(crate) fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    year * 365 + year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400) + day_of_year - 719_468
}

/// Year, month and day of the month of a day (Howard Hinnant, `civil_from_days`).
pub(crate) fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

fn seconds_of_day(text: &str) -> Option<i64> {
    let bytes = text.as_bytes();
    let separated = bytes.get(2) == Some(&b':') && bytes.get(5).is_none_or(|letter| *letter == b':');
    let (hour, minute) = (number(bytes.get(..2)?)?, number(bytes.get(3..5)?)?);
    let second = match bytes.len() {
        5 => 0,
        8 => number(bytes.get(6..)?)?,
        _ => return None,
    };
    let exists = separated && hour < 24 && minute < 60 && second < 60;
    exists.then(|| hour * 3_600 + minute * 60 + second)
}

/// A number of at most four digits.
fn number(digits: &[u8]) -> Option<i64> {
    digits.iter().try_fold(0, |value, digit| digit.is_ascii_digit().then(|| value * 10 + i64::from(digit - b'0')))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::{OCCURRED_AT_END_S, OCCURRED_AT_MIN_S};

    #[test]
    fn days_count_from_the_epoch() {
        for (text, expected) in [
            ("1970-01-01", 0),
            ("1969-12-31", -1),
            ("1949-10-01", -7_397),
            ("2000-02-29", 11_016),
            ("2024-02-29", 19_782),
            ("2024-03-01", 19_783),
            ("2199-12-31", 84_005),
        ] {
            assert_eq!(days(text), Some(expected), "{text}");
        }
    }

    #[test]
    fn every_day_is_written_back_as_it_was_counted() {
        let first = days("1900-01-01").unwrap();
        for day in first..=days("2199-12-31").unwrap() {
            let (year, month, of_month) = civil_from_days(day);
            assert_eq!(days_from_civil(year, month, of_month), day);
            assert!((1..=days_in_month(year, month)).contains(&of_month), "{year}-{month}-{of_month}");
        }
        assert_eq!(civil_from_days(days_from_civil(-4, 2, 29)), (-4, 2, 29));
    }

    #[test]
    fn days_that_do_not_exist_are_refused() {
        for text in [
            "",
            "2024-02-30",
            "2023-02-29",
            "1900-02-29",
            "2024-13-01",
            "2024-00-10",
            "2024-01-00",
            "2024-1-01",
            "24-01-01",
            "2024/01/01",
            "2024-01-01 ",
            "1899-12-31",
            "2200-01-01",
            "２024-01-01",
            "+024-01-01",
        ] {
            assert_eq!(days(text), None, "{text}");
        }
    }

    #[test]
    fn instants_are_in_shanghai_time() {
        assert_eq!(instant("1970-01-01", Some("08:00")), Some(0));
        assert_eq!(instant("2024-03-04", None), Some(1_709_481_600));
        assert_eq!(instant("2024-03-04", Some("09:12:07")), Some(1_709_481_600 + 9 * 3600 + 12 * 60 + 7));
        for time in ["24:00", "09:60", "9:00", "09-00", "09:00:60", "09:00:0", "09:00-00", ""] {
            assert_eq!(instant("2024-03-04", Some(time)), None, "{time}");
        }
    }

    #[test]
    fn business_times_lie_in_the_years_that_days_lie_in() {
        assert_eq!(instant(&format!("{YEAR_MIN}-01-01"), None), Some(OCCURRED_AT_MIN_S));
        assert_eq!(instant(&format!("{YEAR_MAX}-12-31"), Some("23:59:59")), Some(OCCURRED_AT_END_S - 1));
    }

    #[test]
    fn date_times_carry_the_offset_and_whole_seconds() {
        assert!(is_date_time("2024-03-04T09:12:00+08:00"));
        for text in [
            "2024-03-04T09:12+08:00",
            "2024-03-04T09:12:00Z",
            "2024-03-04T09:12:00.5+08:00",
            "2024-03-04 09:12:00+08:00",
            "2024-02-30T09:12:00+08:00",
            "2024-03-04T09:12:00+09:00",
        ] {
            assert!(!is_date_time(text), "{text}");
        }
    }
}
