//! What can be asked to be counted, and how each is counted.

use std::fmt::Debug;

use mediation_domain::{
    admit::Violation,
    calendar::{Day, parse_instant},
    figures::{Comparison, Figures as Table, Plan, PlanError},
    judge::{Moment, judge},
    rules::RuleSet,
};
use mediation_ledger::{
    ledger::{Ledger, LedgerError},
    log::Log,
    vault::Vault,
};
use mediation_proto::mediation::ledger::v1::{
    CompareAgenciesRequest, CompareAgenciesResponse, GetFiguresRequest, GetFiguresResponse,
};

use super::{
    counting::read,
    kept::{Answered, Kept},
    message::{compared, message},
};
use crate::{request::violation, status::Refused};

/// A question, parsed. Equal questions have equal answers on the same log.
pub(super) trait Question: Copy + Eq + Debug + Send + Sync + 'static {
    /// What it is parsed from.
    type Request;
    /// Its answer.
    type Answer: Clone + Debug + Send + 'static;
    /// What is counted, made before anything is read.
    type Plan: Send + 'static;

    /// Parses a request; all that is wrong with it is told at once.
    fn parse(request: &Self::Request) -> Result<Self, Refused>;

    /// Whether it can be counted by these rules.
    fn plan(self, rules: &'static RuleSet) -> Result<Self::Plan, Refused>;

    /// Where its last answer is kept.
    fn kept(kept: &mut Kept) -> &mut Option<Answered<Self>>;

    /// Counts the entries under a checkpoint.
    fn count<L: Log, V: Vault>(
        plan: Self::Plan,
        ledger: &Ledger<L, V>,
        rules: &'static RuleSet,
        checkpoint: String,
    ) -> impl Future<Output = Result<Self::Answer, LedgerError>>;
}

/// The figures of a year.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Year {
    year: i64,
    /// In seconds since 1970-01-01T00:00:00Z.
    as_of: i64,
    operational: bool,
}

impl Question for Year {
    type Request = GetFiguresRequest;
    type Answer = GetFiguresResponse;
    type Plan = Plan;

    fn parse(request: &GetFiguresRequest) -> Result<Self, Refused> {
        let mut violations = Vec::new();
        let year = request.year.map(i64::from);
        let year_end = year.and_then(|year| Day::parse(&format!("{year:04}-12-31"))).map(Day::end);
        if year_end.is_none() {
            violations.push(not_a_year());
        }
        let as_of = as_of(request.as_of.as_deref(), year_end, &mut violations);
        match (year, as_of) {
            (Some(year), Some(as_of)) if violations.is_empty() => {
                Ok(Self { year, as_of, operational: request.operational })
            }
            _ => Err(Refused::malformed(violations)),
        }
    }

    fn plan(self, rules: &'static RuleSet) -> Result<Plan, Refused> {
        let Self { year, as_of, operational } = self;
        Plan::new(Table::embedded(), year, as_of, rules, operational).map_err(|error| {
            let is_year = matches!(error, PlanError::Year { .. });
            if is_year { Refused::malformed(vec![not_a_year()]) } else { Refused::internal(&error) }
        })
    }

    fn kept(kept: &mut Kept) -> &mut Option<Answered<Self>> {
        &mut kept.year
    }

    async fn count<L: Log, V: Vault>(
        plan: Plan,
        ledger: &Ledger<L, V>,
        rules: &'static RuleSet,
        checkpoint: String,
    ) -> Result<GetFiguresResponse, LedgerError> {
        let (mut tally, moment) = (plan.tally(), Moment { as_of: plan.as_of(), known_at: None });
        let reading = read(ledger, leaves_under(&checkpoint), |chain, history, directory| {
            tally.take(chain.0, history, directory, || judge(history, directory, rules, moment));
        });
        let reading = reading.await?;
        Ok(message(&tally.report(), &reading, rules.name(), checkpoint))
    }
}

/// The agencies over some days.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Agencies {
    from: Day,
    to: Day,
    /// In seconds since 1970-01-01T00:00:00Z.
    as_of: i64,
}

impl Question for Agencies {
    type Request = CompareAgenciesRequest;
    type Answer = CompareAgenciesResponse;
    type Plan = Comparison;

    fn parse(request: &CompareAgenciesRequest) -> Result<Self, Refused> {
        let mut violations = Vec::new();
        let mut day = |field: &'static str, text: Option<&str>| {
            let day = text.and_then(Day::parse);
            if day.is_none() {
                violations.push(violation(field, "is no day, YYYY-MM-DD", "不是日期，应为 YYYY-MM-DD"));
            }
            day
        };
        let (from, to) = (day("from", request.from.as_deref()), day("to", request.to.as_deref()));
        if from.zip(to).is_some_and(|(from, to)| to < from) {
            violations.push(violation("to", "lies before `from`", "早于 from"));
        }
        let as_of = as_of(request.as_of.as_deref(), to.map(Day::end), &mut violations);
        match (from, to, as_of) {
            (Some(from), Some(to), Some(as_of)) if violations.is_empty() => Ok(Self { from, to, as_of }),
            _ => Err(Refused::malformed(violations)),
        }
    }

    fn plan(self, _rules: &'static RuleSet) -> Result<Comparison, Refused> {
        Ok(Comparison::new(self.from, self.to, self.as_of))
    }

    fn kept(kept: &mut Kept) -> &mut Option<Answered<Self>> {
        &mut kept.agencies
    }

    async fn count<L: Log, V: Vault>(
        mut comparison: Comparison,
        ledger: &Ledger<L, V>,
        rules: &'static RuleSet,
        checkpoint: String,
    ) -> Result<CompareAgenciesResponse, LedgerError> {
        let moment = Moment { as_of: comparison.as_of(), known_at: None };
        let reading = read(ledger, leaves_under(&checkpoint), |_chain, history, directory| {
            comparison.take(history, directory, || judge(history, directory, rules, moment));
        });
        let reading = reading.await?;
        Ok(compared(&comparison, &reading, rules.name(), checkpoint))
    }
}

/// The instant that is meant: the end of a day, an instant, or the end of what is asked for.
fn as_of(text: Option<&str>, end: Option<i64>, violations: &mut Vec<Violation>) -> Option<i64> {
    let Some(text) = text else { return end };
    let as_of = Day::parse(text).map(Day::end).or_else(|| parse_instant(text));
    if as_of.is_none() {
        let (en, zh) = ("is neither YYYY-MM-DD nor YYYY-MM-DDTHH:MM:SS+08:00", "既非日期，也非时点");
        violations.push(violation("as_of", en, zh));
    }
    as_of
}

fn not_a_year() -> Violation {
    violation("year", "is no year that acts can lie in", "不是行为可以发生的年份")
}

/// Leaves under a checkpoint: its second line. This process has signed it itself. Before the first checkpoint nothing is told,
/// since nothing is proved.
fn leaves_under(checkpoint: &str) -> u64 {
    checkpoint.lines().nth(1).and_then(|size| size.parse().ok()).unwrap_or_default()
}
