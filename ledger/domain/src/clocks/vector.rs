//! Test vectors of the arithmetic (`data/vectors.json`), and their computation for anybody who asks.

use serde::{Deserialize, Serialize};

use super::arithmetic::{Approver, Due, Grant, Interval, Limit, Period};
use crate::{
    calendar::{Day, format_instant, parse_instant},
    rules::RuleSet,
};

/// A file of vectors.
#[derive(Debug, Clone, Deserialize)]
pub struct Vectors {
    /// The vectors.
    pub vectors: Vec<Vector>,
}

/// One period, and what its limit should be.
#[derive(Debug, Clone, Deserialize)]
pub struct Vector {
    /// Name, `V-01`.
    pub id: String,
    /// Id of the clock.
    pub clock: String,
    /// Start instant, or a day.
    pub start: String,
    /// Date that an act set as the limit.
    #[serde(default)]
    pub limit: Option<Day>,
    /// Suspensions as closed intervals of days.
    #[serde(default)]
    pub suspensions: Vec<VectorSuspension>,
    /// Extensions, in the order of recording.
    #[serde(default)]
    pub extensions: Vec<VectorExtension>,
    /// Limit of the own earlier duty (rule A-6).
    #[serde(default)]
    pub own_limit: Option<Day>,
    /// Instant of the ending act.
    #[serde(default)]
    pub act: Option<String>,
    /// What is expected.
    #[serde(default)]
    pub expect: Computed,
    /// Why, in words.
    #[serde(default)]
    pub why: String,
}

/// One suspension.
#[derive(Debug, Clone, Copy, Deserialize)]
pub struct VectorSuspension {
    /// First day.
    pub from: Day,
    /// Last day; none while it runs.
    pub to: Option<Day>,
}

/// One extension.
#[derive(Debug, Clone, Deserialize)]
pub struct VectorExtension {
    /// Day it is recorded as of.
    pub on: Day,
    /// Units of the rule.
    pub days: u64,
    /// Day on which the party was told.
    #[serde(default)]
    pub party_told_on: Option<Day>,
    /// Code of the approver.
    pub approver_role: String,
    /// Who consented; absent: nobody asks.
    #[serde(default)]
    pub consenting: Option<Vec<String>>,
}

/// What the arithmetic gives.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Computed {
    /// Last day before rolling; none for hours and while suspended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub raw: Option<Day>,
    /// Limit, a day or an instant; none while suspended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub due: Option<String>,
    /// Whether the act is in time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub in_time: Option<bool>,
    /// Calendar days from the limit to the act; for a minimum period from the act to the limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub days_late: Option<u64>,
    /// Hours begun after the limit, for clocks in hours.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hours_late: Option<u64>,
    /// `VALID` or the first fault of each extension, in order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub extension_results: Vec<String>,
}

/// Why a vector cannot be computed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum VectorError {
    /// The rule set has no such clock.
    #[error("there is no clock `{0}`")]
    NoClock(String),
    /// Neither a day nor an instant.
    #[error("`{0}` is neither a day nor an instant with +08:00")]
    NoInstant(String),
}

/// Computes a vector. Suspensions and extensions take effect in the order of their days, an extension before a
/// suspension of the same day, as one act after another would.
///
/// # Errors
/// The clock is unknown, or an instant is not written as one.
pub fn compute(rules: &RuleSet, vector: &Vector) -> Result<Computed, VectorError> {
    let clock = rules.clocks().named(&vector.clock).ok_or_else(|| VectorError::NoClock(vector.clock.clone()))?;
    let instant = |text: &String| parse_instant(text).ok_or_else(|| VectorError::NoInstant(text.clone()));
    let (term, calendar) = (&clock.term, rules.calendar());
    let start_instant = instant(&vector.start)?;
    let start = Day::of(start_instant);
    let start = vector.own_limit.map_or(start, |own| own.min(start));
    let mut period = Period::new(start, start_instant, vector.limit);
    let mut suspensions = vector.suspensions.clone();
    suspensions.sort_by_key(|suspension| suspension.from);
    let mut suspensions = suspensions.into_iter().peekable();
    let mut results = Vec::new();
    for extension in &vector.extensions {
        while let Some(next) = suspensions.next_if(|next| next.from < extension.on) {
            period.suspend(Interval { from: next.from, to: next.to }, term, calendar);
        }
        let grant = Grant {
            on: extension.on,
            amount: extension.days,
            approver: approver(&extension.approver_role),
            consented: extension.consenting.as_ref().is_none_or(|consenting| !consenting.is_empty()),
            told_on: extension.party_told_on,
        };
        let faults = period.extend(&grant, term, calendar);
        results.push(faults.first().map_or("VALID", |fault| fault.code()).to_owned());
    }
    for next in suspensions {
        period.suspend(Interval { from: next.from, to: next.to }, term, calendar);
    }
    let act = vector.act.as_ref().map(instant).transpose()?;
    let computed = written(period.limit(term, calendar), act, results);
    Ok(if clock.is_minimum { against_minimum(computed, act) } else { computed })
}

/// A minimum period asks the reverse: the act is in time when the period has run out, and the days are those it is short.
fn against_minimum(computed: Computed, act: Option<i64>) -> Computed {
    let due = computed.due.as_deref().and_then(Day::parse);
    let short = due.zip(act).map(|(due, act)| due.days_after(Day::of(act)));
    Computed { in_time: short.map(|days| days == 0), days_late: short, ..computed }
}

fn written(limit: Option<Limit>, act: Option<i64>, extension_results: Vec<String>) -> Computed {
    let in_time = act.map(|act| limit.is_none_or(|limit| !limit.is_passed(Day::of(act), act)));
    let mut computed = Computed { in_time, extension_results, ..Computed::default() };
    match limit.map(|limit| (limit.raw, limit.due)) {
        Some((raw, Due::Day(due))) => {
            computed.raw = Some(raw);
            computed.due = Some(due.to_string());
            computed.days_late = act.map(|act| Day::of(act).days_after(due));
        }
        Some((_, Due::Instant(due))) => {
            computed.due = Some(format_instant(due));
            computed.hours_late = act.map(|act| u64::try_from(act - due).unwrap_or_default().div_ceil(3_600));
        }
        None => computed.days_late = act.map(|_| 0),
    }
    computed
}

fn approver(code: &str) -> Option<Approver> {
    serde_json::from_value(code.into()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_vector_gives_what_it_expects() {
        let rules = RuleSet::named("cn-2024-fixture").unwrap();
        let published = include_str!("../../data/vectors.json");
        let further = include_str!("../../../../tests/vectors/extra.json");
        for (text, least) in [(published, 30), (further, 60)] {
            let file: Vectors = serde_json::from_str(text).unwrap();
            assert!(file.vectors.len() >= least);
            for vector in &file.vectors {
                let computed = compute(rules, vector).unwrap();
                assert_eq!(computed, vector.expect, "{}: {}", vector.id, vector.why);
            }
        }
    }

    #[test]
    fn every_example_of_the_rules_gives_what_it_says() {
        let rules = RuleSet::named("cn-2024-fixture").unwrap();
        for (clock, start, own_limit, due) in [
            ("XF-1", "2024-04-08", None, "2024-04-23"),
            ("SS-5", "2025-11-30", None, "2026-02-28"),
            ("XF-4", "2024-04-30", None, "2024-05-10"),
            ("TJ-9", "2024-09-13", None, "2024-09-19"),
            ("TJ-7", "2024-03-07", None, "2024-04-07"),
            ("FY-7", "2024-07-16", None, "2024-09-14"),
            ("XF-3", "2024-04-18", None, "2024-05-03"),
            ("XF-5", "2024-05-09", Some("2024-05-03"), "2024-07-02"),
            ("WG-1", "2024-03-04T22:10:00+08:00", None, "2024-03-05T03:00:00+08:00"),
            ("SS-12a", "2024-09-30", None, "2024-09-15"),
        ] {
            let own_limit = own_limit.map(|day| Day::parse(day).unwrap());
            let vector = Vector { own_limit, ..vector(clock, start) };
            assert_eq!(compute(rules, &vector).unwrap().due.as_deref(), Some(due), "{clock} from {start}");
        }
    }

    #[test]
    fn a_running_suspension_leaves_no_limit_and_no_lateness() {
        let rules = RuleSet::named("cn-2024-fixture").unwrap();
        let from = Day::parse("2024-03-06").unwrap();
        let vector = Vector {
            suspensions: vec![VectorSuspension { from, to: None }],
            act: Some("2024-09-01".to_owned()),
            ..vector("SS-1", "2024-03-05")
        };
        let computed = compute(rules, &vector).unwrap();
        assert_eq!((computed.due, computed.in_time, computed.days_late), (None, Some(true), Some(0)));
    }

    #[test]
    fn a_suspension_after_the_limit_changes_nothing() {
        let rules = RuleSet::named("cn-2024-fixture").unwrap();
        let day = |text| Day::parse(text).unwrap();
        let suspended = |from| {
            let suspensions = vec![VectorSuspension { from: day(from), to: Some(day("2024-09-30")) }];
            compute(rules, &Vector { suspensions, ..vector("XF-9", "2024-07-10") }).unwrap().due
        };
        assert_eq!(suspended("2024-08-10").as_deref(), Some("2024-08-09"));
        assert_eq!(suspended("2024-08-09").as_deref(), Some("2024-10-01"));
    }

    #[test]
    fn further_extensions_are_counted_apart() {
        let rules = RuleSet::named("cn-2024-fixture").unwrap();
        let extension = |on: &str, days, approver_role: &str| VectorExtension {
            on: Day::parse(on).unwrap(),
            days,
            party_told_on: None,
            approver_role: approver_role.to_owned(),
            consenting: None,
        };
        let extensions = vec![
            extension("2024-06-01", 6, "HEAD"),
            extension("2024-06-02", 1, "HEAD"),
            extension("2024-06-03", 3, "SUPERIOR"),
            extension("2024-06-04", 3, "PARTIES"),
        ];
        let computed = compute(rules, &Vector { extensions, ..vector("SS-4", "2024-01-31") }).unwrap();
        assert_eq!(computed.extension_results, ["VALID", "TOO_LONG", "VALID", "APPROVER"]);
        assert_eq!(computed.due.as_deref(), Some("2025-04-30"));
    }

    fn vector(clock: &str, start: &str) -> Vector {
        Vector {
            id: String::new(),
            clock: clock.to_owned(),
            start: start.to_owned(),
            limit: None,
            suspensions: Vec::new(),
            extensions: Vec::new(),
            own_limit: None,
            act: None,
            expect: Computed::default(),
            why: String::new(),
        }
    }
}
