//! The four dockings (对接) between an agency and mediation as their legal paths (法治路径图): who does what next, which
//! documents go along, which limits run. Data, from `data/dockings.json`; what a chain must do is judged by clocks and
//! invariants alone.

use std::sync::LazyLock;

use serde::Deserialize;

/// One docking.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Docking {
    /// Short id: `court`, `petition`, `police` or `procuratorate`.
    pub id: String,
    /// Chinese name.
    pub zh: String,
    /// English name.
    pub en: String,
    /// Legal sources.
    pub source: String,
    /// Its steps, in order.
    pub steps: Vec<Step>,
}

/// One step of a docking.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// Who does it, in Chinese.
    pub actor_zh: String,
    /// The same in English.
    pub actor_en: String,
    /// Names of the events that record it: one of them, or all.
    pub events: Vec<String>,
    /// Documents that belong to it, in Chinese.
    pub documents: Vec<String>,
    /// Ids of the clocks that it concerns.
    pub clocks: Vec<String>,
    /// What is to be heeded, in Chinese.
    pub check_zh: String,
}

/// All of them.
///
/// # Panics
/// Never: the file is part of the program, and a test reads it.
#[must_use]
pub fn dockings() -> &'static [Docking] {
    &DOCKINGS.dockings
}

#[derive(Debug, Deserialize)]
struct File {
    dockings: Vec<Docking>,
}

static DOCKINGS: LazyLock<File> = LazyLock::new(|| match serde_json::from_str(include_str!("../data/dockings.json")) {
    Ok(file) => file,
    Err(error) => panic!("the embedded dockings cannot be used: {error}"),
});

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{catalogue, rules::RuleSet};

    #[test]
    fn every_step_names_acts_of_the_catalogue_and_clocks_of_the_rules() {
        let rules = RuleSet::all().first().unwrap();
        for docking in dockings() {
            assert!(docking.steps.len() >= 8, "{} has a few steps only", docking.id);
            for step in &docking.steps {
                assert!(!step.events.is_empty(), "a step of {} names no act", docking.id);
                for event in &step.events {
                    assert!(catalogue::event(event).is_some(), "there is no `{event}`");
                }
                for clock in &step.clocks {
                    assert!(rules.clocks().named(clock).is_some(), "there is no clock `{clock}`");
                }
            }
        }
    }
}
