//! Chains that nobody would record: every kind of act with arbitrary content, agencies, dates and references.

use std::collections::BTreeSet;

use mediation_proto::derived::TYPES_ROLE;
use serde_json::{Map, Value as Json, json};

use super::{directory, fixture};
use crate::{
    calendar::Day,
    case::{Case, StepNumber},
    catalogue::{self, FieldRow, FieldType, Row},
    history::Recorded,
    judge::{Moment, judge, judge_until},
};

/// They are judged, twice alike, and without regard to what comes later.
#[test]
fn any_sequence_of_valid_acts_is_judged_and_judged_alike() {
    let directory = directory();
    for seed in 1..=SEEDS {
        let mut source = Source::new(seed, &directory);
        let history = source.history();
        let kinds: BTreeSet<&str> =
            history.iter().filter_map(|act| act.act.event()).map(|event| event.0.event).collect();
        assert_eq!(kinds.len(), catalogue::rows().len(), "seed {seed}");
        let end = Moment::end_of(Day::parse("2027-12-31").unwrap());
        let judgement = judge(&history, &directory, fixture(), end);
        assert_eq!(judgement, judge(&history, &directory, fixture(), end), "seed {seed}");
        let cut = Moment { as_of: Day::parse("2025-01-01").unwrap().begin(), known_at: None };
        let then: Vec<Recorded> = history.iter().filter(|act| act.occurred_at <= cut.as_of).cloned().collect();
        let before = judge(&then, &directory, fixture(), cut);
        assert_eq!(judge(&history, &directory, fixture(), cut), before, "seed {seed}");
    }
}

/// Whether a chain is judged alike later on is found out as judging it again would say, of every beginning of a history.
#[test]
fn what_lasts_is_judged_alike_later_on() {
    let directory = directory();
    let (mut lasting, mut judged) = (0, 0);
    for seed in 1..=SEEDS {
        let history = Source::new(seed, &directory).history();
        for length in (0..history.len()).step_by(7).chain(0..30) {
            let history = history.get(..length).unwrap();
            for (day, days) in [("2024-06-01", 200 * 366), ("2027-12-31", 3), ("2027-12-31", 200 * 366)] {
                let day = Day::parse(day).unwrap();
                let (moment, later) = (Moment::end_of(day), Moment::end_of(day.plus(days)));
                let (judgement, lasts) = judge_until(history, &directory, fixture(), moment, later.as_of);
                assert_eq!(judgement, judge(history, &directory, fixture(), moment), "seed {seed}, {length} acts");
                let then = judge(history, &directory, fixture(), later);
                assert_eq!(lasts, judgement == then, "seed {seed}, {length} acts, {day} and {days} days");
                lasting += usize::from(lasts);
                judged += 1;
            }
        }
    }
    assert!(lasting > 50 && lasting < judged, "{lasting} of {judged}");
}

/// Content from a seed: one seed is one history.
struct Source {
    state: u64,
    agencies: Vec<String>,
    clocks: Vec<&'static str>,
    step: usize,
}

impl Source {
    fn new(seed: u64, directory: &crate::directory::Directory) -> Self {
        let agencies = directory.iter().map(|(id, _)| id.to_owned()).collect();
        let clocks = fixture().clocks().iter().map(|clock| clock.id.as_str()).collect();
        Self { state: seed, agencies, clocks, step: 0 }
    }

    fn below(&mut self, bound: usize) -> usize {
        self.state = self.state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.state >> 33).unwrap() % bound
    }

    fn one<T: Clone>(&mut self, list: &[T]) -> T {
        list.get(self.below(list.len())).unwrap().clone()
    }

    /// Every kind once and as many again, mixed.
    fn history(&mut self) -> Vec<Recorded> {
        let mut rows: Vec<&Row> = catalogue::rows().iter().collect();
        rows.extend((0..catalogue::rows().len()).map(|_| self.one(&rows)).collect::<Vec<_>>());
        for at in (1..rows.len()).rev() {
            let other = self.below(at + 1);
            rows.swap(at, other);
        }
        let steps: Vec<Json> = rows.into_iter().map(|row| self.act(row)).collect();
        let case = json!({
            "case": "T", "title_zh": "例", "title_en": "example", "chain": "JF3602032024030400017",
            "division": "360203", "rule_set": "cn-2024-fixture", "calendar": "calendar_cn.json",
            "as_of": "2027-12-31", "parties": [], "steps": steps,
            "expect": {"leads": [], "handoffs": [], "clocks": [], "obligations": [], "findings": [], "outcome": null},
        });
        Case::parse(&case.to_string()).unwrap().history(&StepNumber::event_id).unwrap()
    }

    fn act(&mut self, row: &Row) -> Json {
        self.step += 1;
        let agencies = self.agencies.clone();
        let agency = self.one(&agencies);
        let role = row.signers.first().and_then(|role| TYPES_ROLE.code(*role as i32)).unwrap();
        let causes: Vec<usize> = (0..self.below(3)).map(|_| self.below(self.step) + 1).collect();
        // The business time goes on by a few days an act, and now and then back.
        let day = Day::parse("2023-06-01").unwrap().plus(i64::try_from(self.step * 3 + self.below(30)).unwrap());
        json!({
            "n": self.step, "date": day.to_string(), "time": self.one(&["00:00", "09:30", "23:59"]), "event": row.event,
            "agency": agency, "role": role, "signer": self.person(), "causes": causes, "data": self.fields(&row.fields),
        })
    }

    fn fields(&mut self, fields: &[FieldRow]) -> Json {
        let mut data = Map::new();
        for field in fields {
            if !field.required && self.below(3) == 0 {
                continue;
            }
            let value = if field.list {
                let length = 1 + self.below(3);
                Json::Array((0..length).map(|_| self.value(field)).collect())
            } else {
                self.value(field)
            };
            data.insert(field.name.to_owned(), value);
        }
        Json::Object(data)
    }

    fn value(&mut self, field: &FieldRow) -> Json {
        match field.ty {
            FieldType::String if field.name == "clock_id" => {
                let clocks = self.clocks.clone();
                json!(self.one(&clocks))
            }
            FieldType::String | FieldType::Text => json!(self.one(&["x", "y", "(2024)赣0203民初1号", "F-OVERDUE"])),
            FieldType::Date => json!(self.date()),
            FieldType::DateTime => json!(format!("{}T12:00:00+08:00", self.date())),
            FieldType::Bool => json!(self.below(2) == 0),
            FieldType::Int | FieldType::Money => json!(self.one(&[0_u64, 1, 2, 30, 1 << 53])),
            FieldType::Agency => {
                let agencies = self.agencies.clone();
                json!(self.one(&agencies))
            }
            FieldType::Person => json!(self.person()),
            FieldType::StepRef => json!({"step": self.below(self.step) + 1}),
            FieldType::Obligation => json!(self.one(&["O1", "O2", "O3"])),
            FieldType::Document => json!({
                "kind": "x", "digest_algorithm": "SHA_256", "digest": "0".repeat(64),
                "sensitivity": self.one(&["S1", "S4", "S9"]),
            }),
            FieldType::Enum(list) => {
                let codes: Vec<i32> = list.values.iter().map(|value| value.0).filter(|number| *number != 0).collect();
                json!(list.code(self.one(&codes)).unwrap())
            }
            FieldType::Record(info) => {
                let record = catalogue::record(info).unwrap();
                self.fields(&record.fields)
            }
        }
    }

    fn person(&mut self) -> &'static str {
        self.one(&["a", "b", "c", "PMC-ZS/M-1", "CT-ZS/JUDGE-1"])
    }

    /// A day of the years of the history, at times one at the ends of what a day can be.
    fn date(&mut self) -> String {
        match self.below(12) {
            0 => "1900-01-01".to_owned(),
            1 => "2199-12-31".to_owned(),
            _ => Day::parse("2023-01-01").unwrap().plus(i64::try_from(self.below(1_700)).unwrap()).to_string(),
        }
    }
}

/// Histories that are made up.
const SEEDS: u64 = 12;
