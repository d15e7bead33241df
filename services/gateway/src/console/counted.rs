//! What the pages of counted figures share: asking while it takes long, what was counted, and charts.
//!
//! A chart says what its table says. The table is the truth, and works without scripts; screen readers are given it alone.

use std::time::Duration;

use askama::Template;
use axum::http::{HeaderValue, StatusCode, header};
use mediation_client::ClientError;
use mediation_domain::{calendar::parse_instant, wording};
use mediation_ledger::checkpoint::Checkpoint;
use mediation_proto::mediation::ledger::v1::{FiguresCounted, FiguresNotCounted};
use serde::Serialize;
use tokio::time::timeout;

use super::{
    Page,
    failure::Failure,
    frame::{Frame, Text, Tongue, answer},
};

/// Time that a page waits for what is being counted. The ledger goes on counting, and keeps the answer for who asks again.
const PATIENCE: Duration = Duration::from_secs(10);

/// Seconds after which a browser, or whoever fetches a file, may ask again.
const ASK_AGAIN: HeaderValue = HeaderValue::from_static("5");

/// What came of asking.
pub(super) enum Asked<T> {
    /// The answer.
    Counted(T),
    /// There is none yet.
    Counting,
    /// The ledger has none for this agency; why, in the language of the page.
    NotEntitled(Text),
}

impl<T> Asked<T> {
    /// The answer as it is shown, or the page in its place.
    pub(super) fn shown(self, frame: Frame, tab: &'static str, show: impl FnOnce(T, Frame) -> Page) -> Page {
        match self {
            Self::Counted(answer) => show(answer, frame),
            Self::Counting => counting(frame, tab),
            Self::NotEntitled(why) => not_entitled(frame, tab, why),
        }
    }
}

/// Asks for something that takes long to count.
pub(super) async fn ask<T>(
    tongue: Tongue,
    asking: impl Future<Output = Result<T, ClientError>>,
) -> Result<Asked<T>, Failure> {
    let Ok(answer) = timeout(PATIENCE, asking).await else { return Ok(Asked::Counting) };
    let error = match answer {
        Ok(answer) => return Ok(Asked::Counted(answer)),
        Err(error) => error,
    };
    match error.told() {
        Some(told) if told.reason == "OVERLOADED" => Ok(Asked::Counting),
        Some(told) if told.reason == "READER_NOT_ENTITLED" => {
            Ok(Asked::NotEntitled(Text::of(tongue.say(&told.zh, &told.en))))
        }
        Some(_) | None => Err(error.into()),
    }
}

/// A page in place of figures.
#[derive(Template)]
#[template(path = "uncounted.html")]
struct UncountedPage {
    frame: Frame,
    tab: &'static str,
    is_counting: bool,
    why: Text,
}

/// The page that says that figures are being counted; its frame names the path to ask again.
fn counting(frame: Frame, tab: &'static str) -> Page {
    let page = UncountedPage { frame, tab, is_counting: true, why: Text::default() };
    let mut response = answer(StatusCode::ACCEPTED, &page)?;
    response.headers_mut().insert(header::RETRY_AFTER, ASK_AGAIN);
    Ok(response)
}

/// The page that says that there are no figures for this agency.
fn not_entitled(frame: Frame, tab: &'static str, why: Text) -> Page {
    answer(StatusCode::FORBIDDEN, &UncountedPage { frame, tab, is_counting: false, why })
}

/// What was counted and what was not.
pub(super) struct Sources {
    pub(super) counted: FiguresCounted,
    pub(super) not_counted: FiguresNotCounted,
    pub(super) size: u64,
    pub(super) root: String,
    pub(super) rule_set: String,
}

impl Sources {
    pub(super) fn new(
        (counted, not_counted): (Option<FiguresCounted>, Option<FiguresNotCounted>),
        checkpoint: &Checkpoint,
        rule_set: String,
    ) -> Self {
        Self {
            counted: counted.unwrap_or_default(),
            not_counted: not_counted.unwrap_or_default(),
            size: checkpoint.size.0,
            root: checkpoint.root.to_string(),
            rule_set,
        }
    }

    /// Entries that do not count, for whatever reason.
    pub(super) fn faulty(&self) -> u64 {
        self.not_counted.faulty.iter().map(|faulty| faulty.entries).sum()
    }
}

/// An instant, as people read it.
pub(super) fn instant(told: &str) -> String {
    parse_instant(told).map_or_else(|| Text::of(told).to_string(), wording::instant)
}

/// Bars, as the script draws them.
#[derive(Debug, Default, Serialize)]
pub(super) struct Chart {
    /// What each group of bars is of, from the top.
    pub(super) names: Vec<String>,
    /// Bars of one colour.
    pub(super) series: Vec<Series>,
    /// The axis is logarithmic: lengths do not add up.
    pub(super) log: bool,
    /// Bars of a group stand in one line, end to end.
    pub(super) stack: bool,
    /// What stands behind the numbers of the axis.
    pub(super) unit: &'static str,
}

/// Bars of one colour.
#[derive(Debug, Serialize)]
pub(super) struct Series {
    pub(super) name: String,
    /// Name of a colour of the style sheet.
    pub(super) color: &'static str,
    pub(super) values: Vec<Option<f64>>,
    /// What is written for each: as in the table.
    pub(super) texts: Vec<String>,
}

impl Chart {
    /// As an attribute holds it; the template escapes it.
    pub(super) fn json(&self) -> Result<String, Failure> {
        serde_json::to_string(self).map_err(|error| Failure::Broken(error.to_string()))
    }
}

/// The number of a printed figure, `20.69万`, `99.25%` in hundredths, `20000余`; none of what is no such number.
pub(super) fn number(printed: &str) -> Option<f64> {
    let printed = printed.trim_end_matches('余');
    let (digits, factor) = match printed.strip_suffix('万') {
        Some(digits) => (digits, 10_000.0),
        None => (printed.trim_end_matches('%'), 1.0),
    };
    digits.parse::<f64>().ok().map(|number| number * factor).filter(|number| number.is_finite())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_takes_too_long_is_asked_for_again() {
        let asked = ask(Tongue::Chinese, std::future::pending::<Result<(), ClientError>>()).await.unwrap();
        assert!(matches!(asked, Asked::Counting));
        let frame = Frame {
            t: Tongue::English,
            title: String::new(),
            path: "/figures?year=2024&operational=1".to_owned(),
            section: "figures",
            reader: None,
            today: String::new(),
        };
        let page = counting(frame, "figures").unwrap();
        assert_eq!((page.status(), &page.headers()[header::RETRY_AFTER]), (StatusCode::ACCEPTED, &ASK_AGAIN));
        let body = axum::body::to_bytes(page.into_body(), 1 << 20).await.unwrap();
        let body = String::from_utf8(body.to_vec()).unwrap();
        assert!(body.contains("href=\"/figures?year=2024&#38;operational=1\">Ask again"), "{body}");
    }

    #[test]
    fn printed_figures_are_numbers_and_what_is_not_is_none() {
        for (printed, expected) in [
            ("12418", Some(12_418.0)),
            ("99.25%", Some(99.25)),
            ("-0.5%", Some(-0.5)),
            ("20.69万", Some(206_900.0)),
            ("20000余", Some(20_000.0)),
            ("106–159", None),
            ("—", None),
            ("", None),
            ("inf", None),
            ("NaN", None),
        ] {
            assert_eq!(number(printed), expected, "{printed}");
        }
    }
}
