//! Small ledgers and small tables.

use mediation_proto::fields::Shape;
use serde_json::{Value as Json, json};

use super::{directory, fixture};
use crate::{
    calendar::Day,
    case::StepNumber,
    catalogue,
    figures::{Figures, Plan, PlanError, Report, Tally},
    history::Recorded,
    judge::{Moment, judge, tests::table::case},
};

/// Chains by their ids.
pub(super) struct Ledger {
    chains: Vec<([u8; 16], Vec<Recorded>)>,
}

impl Ledger {
    /// Chains as text; the first has the id 1.
    pub(super) fn of(chains: &[&str]) -> Self {
        let chains = chains.iter().zip(1_u8..).map(|(acts, id)| {
            let case = case("2025-12-31", acts);
            ([id; 16], case.history(&StepNumber::event_id).unwrap())
        });
        Self { chains: chains.collect() }
    }

    pub(super) fn tally<'p>(&self, plan: &'p Plan) -> Tally<'p> {
        let mut tally = plan.tally();
        for (id, history) in &self.chains {
            take(&mut tally, plan, *id, history);
        }
        tally
    }

    /// Chains in another order, counted apart and put together.
    pub(super) fn shuffled<'p>(&self, plan: &'p Plan, seed: u64, tallies: usize) -> Tally<'p> {
        let mut state = seed;
        let mut next = |bound: usize| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            usize::try_from(state >> 33).unwrap() % bound
        };
        let mut left: Vec<_> = self.chains.iter().collect();
        let mut apart: Vec<Tally<'p>> = (0..tallies).map(|_| plan.tally()).collect();
        while !left.is_empty() {
            let (id, history) = left.swap_remove(next(left.len()));
            take(apart.get_mut(next(tallies)).unwrap(), plan, *id, history);
        }
        apart
            .into_iter()
            .reduce(|mut one, other| {
                one.merge(other);
                one
            })
            .unwrap()
    }

    /// The embedded figures as of the end of a day.
    pub(super) fn report(&self, year: i64, as_of: &str) -> Report {
        let plan = plan_of(Figures::embedded(), year, as_of).unwrap();
        self.tally(&plan).report()
    }

    pub(super) fn figure(&self, year: i64, as_of: &str, id: &str) -> String {
        let report = self.report(year, as_of);
        report.rows.iter().chain(&report.operational).find(|row| row.id == id).unwrap().computed.clone()
    }

    pub(super) fn exact(&self, year: i64, as_of: &str, id: &str) -> Option<(i128, i128)> {
        let report = self.report(year, as_of);
        let row = report.rows.iter().chain(&report.operational).find(|row| row.id == id).unwrap();
        row.exact.map(|exact| (exact.numerator, exact.denominator))
    }
}

fn take(tally: &mut Tally<'_>, plan: &Plan, id: [u8; 16], history: &[Recorded]) {
    let moment = Moment { as_of: plan.as_of(), known_at: None };
    let directory = directory();
    tally.take(id, history, &directory, || judge(history, &directory, fixture(), moment));
}

pub(super) fn plan_of(figures: &'static Figures, year: i64, as_of: &str) -> Result<Plan, PlanError> {
    Plan::new(figures, year, Day::parse(as_of).unwrap().end(), fixture(), true)
}

/// A table of these rows, with the periods of the embedded one. Kept for the life of the test.
pub(super) fn figures_of(rows: &[Json]) -> Result<&'static Figures, PlanError> {
    let mut table: Json = serde_json::from_str(include_str!("../../../data/kpis.json")).unwrap();
    let object = table.as_object_mut().unwrap();
    object.insert("figures".to_owned(), rows.into());
    object.insert("operational".to_owned(), json!([]));
    Ok(Box::leak(Box::new(Figures::parse(&table.to_string())?)))
}

/// The figure of one formula.
pub(super) fn only(formula: &Json, ledger: &Ledger) -> String {
    let row = json!({"id": "X", "zh": "数", "unit": "个", "period": "NOW", "formula": formula});
    let plan = plan_of(figures_of(&[row]).unwrap(), 2024, "2025-12-31").unwrap();
    ledger.tally(&plan).report().rows.first().unwrap().computed.clone()
}

/// Looks up every code that a condition compares a field of an act with; how many there were.
pub(super) fn check_codes(formula: &Json) -> usize {
    let events = match &formula["event"] {
        Json::String(event) => vec![event.as_str()],
        Json::Array(events) => events.iter().filter_map(Json::as_str).collect(),
        Json::Null | Json::Bool(_) | Json::Number(_) | Json::Object(_) => Vec::new(),
    };
    let mut codes = 0;
    for event in events {
        let row = catalogue::event(event).unwrap_or_else(|| panic!("{event}"));
        codes += check_condition(row, &formula["where"]);
    }
    let inner: Vec<&Json> = match formula {
        Json::Object(object) => object.values().collect(),
        Json::Array(list) => list.iter().collect(),
        Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) => Vec::new(),
    };
    codes + inner.into_iter().map(check_codes).sum::<usize>()
}

fn check_condition(row: &catalogue::Row, condition: &Json) -> usize {
    let all = ["all", "any"].iter().filter_map(|key| condition.get(key)?.as_array()).flatten();
    let inner: usize = all.map(|condition| check_condition(row, condition)).sum();
    let list = match condition["field"].as_str() {
        Some("agency.kind") => &mediation_proto::derived::TYPES_AGENCY_KIND,
        Some(name) => match row.kind.info.field(name).map(|field| field.shape) {
            Some(Shape::Enum(list)) => list,
            Some(Shape::Bool | Shape::Int | Shape::Text | Shape::Message(_)) | None => return inner,
        },
        None => return inner,
    };
    let one = ["eq", "ne"].iter().filter_map(|key| condition.get(key));
    let codes: Vec<&Json> = one.chain(condition.get("in").and_then(Json::as_array).into_iter().flatten()).collect();
    for code in &codes {
        assert!(list.number(code.as_str().unwrap()).is_some(), "`{}` has no code {code}", list.name);
    }
    inner + codes.len()
}
