//! How long the law says that records are kept: `data/retention.json`.

use std::sync::LazyLock;

use serde::Deserialize;

use crate::calendar::Day;

/// How long records of one class are kept. It begins when the chain is closed.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Retention {
    /// Number of the row.
    pub id: String,
    /// Class of records, in Chinese.
    pub zh: String,
    /// Class of records, in English.
    pub en: String,
    /// Acts that make a chain one of this class.
    pub events: Vec<String>,
    /// Rows of the visibility matrix whose acts do.
    pub rows: Vec<String>,
    /// Years; none for ever.
    pub years: Option<u32>,
    /// Where it is written.
    pub source: String,
    /// How sure that is: `law`, `web`, `memory`, or `policy` of this product.
    pub tag: String,
}

impl Retention {
    /// Last day of the period of a chain that was closed on a day; none where it has no end, or has not begun.
    #[must_use]
    pub fn ends(&self, closed: Option<Day>) -> Option<Day> {
        Some(closed?.plus_months(self.years?.saturating_mul(12)))
    }
}

/// The periods.
///
/// # Panics
/// Never: the file is part of the program, and a test reads it.
#[must_use]
pub fn retention() -> &'static [Retention] {
    &RETENTION
}

/// Periods that an act begins, by their place in the list.
pub(super) fn begun_by<'a>(event: &'a str, row: &'a str) -> impl Iterator<Item = usize> + use<'a> {
    let begins = move |retention: &Retention| {
        retention.events.iter().any(|own| own == event) || retention.rows.iter().any(|own| own == row)
    };
    retention().iter().enumerate().filter(move |(_, retention)| begins(retention)).map(|(at, _)| at)
}

static RETENTION: LazyLock<Vec<Retention>> =
    LazyLock::new(|| match serde_json::from_str(include_str!("../../data/retention.json")) {
        Ok(rows) => rows,
        Err(error) => panic!("the embedded retention periods cannot be used: {error}"),
    });
