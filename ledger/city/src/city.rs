//! The city: its agencies, and everything they do, in the order of recording.

use mediation_domain::{case::Case, history::Recorded};
use mediation_proto::mediation::types::v1::AgencyKind;
use serde::Deserialize;

use crate::scale::Scale;

const AGENCIES: &str = include_str!("../../domain/data/agencies.json");
const CASES: [&str; 2] = [include_str!("../../../tests/cases/G01.json"), include_str!("../../../tests/cases/G02.json")];

/// Disputes of the whole city.
const DISPUTES: u64 = 80_000;

/// An agency of the city.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CityMember {
    /// Id, such as `CT-ZS`.
    pub id: String,
    /// Kind.
    pub kind: AgencyKind,
    /// Public name.
    pub name: String,
    /// Administrative division code.
    pub division: String,
}

#[derive(Debug, Deserialize)]
struct Row {
    id: String,
    zh: String,
    kind: String,
    #[serde(default)]
    division: String,
}

/// A city of one year.
#[derive(Debug)]
pub struct City {
    year: i32,
    seed: u64,
    scale: Scale,
}

impl City {
    /// The city of a year.
    #[must_use]
    pub fn new(year: i32, seed: u64, scale: Scale) -> Self {
        Self { year, seed, scale }
    }

    /// Its agencies.
    #[must_use]
    pub fn members(&self) -> Vec<CityMember> {
        let rows: Vec<Row> = serde_json::from_str(AGENCIES).unwrap_or_default();
        let member = |row: Row| {
            let kind = AgencyKind::from_str_name(&format!("AGENCY_KIND_{}", row.kind))?;
            Some(CityMember { id: row.id, kind, name: row.zh, division: row.division })
        };
        rows.into_iter().filter_map(member).collect()
    }

    /// Everything that is done, by chain, in the order of recording.
    pub fn acts(&self) -> impl Iterator<Item = ([u8; 16], Recorded)> + Send + use<> {
        let disputes = self.scale.of(DISPUTES).max(1);
        let (year, seed) = (self.year, self.seed);
        let mut steps: Vec<(u64, Recorded)> = Vec::new();
        for (number, text) in (0..).zip(CASES) {
            let history =
                Case::parse(text).and_then(|case| case.history(&mediation_domain::case::StepNumber::event_id));
            let mut recorded_at = 0;
            for mut recorded in history.unwrap_or_default() {
                recorded_at = (recorded.recorded_at + 60_000).max(recorded_at + 600_000);
                recorded.recorded_at = recorded_at;
                steps.push((number, recorded));
            }
        }
        steps.sort_by_key(|(_, recorded)| recorded.recorded_at);
        let kinds = CASES.len() as u64;
        steps.into_iter().flat_map(move |(number, step)| {
            (0..disputes).filter(move |dispute| dispute % kinds == number).map(move |dispute| {
                let mut chain = [0; 16];
                let id = (u128::from(dispute) << 64) | (u128::from(seed) << 8) | u128::from(year.unsigned_abs() % 256);
                chain.copy_from_slice(&id.to_be_bytes());
                let mut recorded = step.clone();
                recorded.recorded_at += i64::try_from(dispute / 100).unwrap_or_default();
                (chain, recorded)
            })
        })
    }
}
