//! Rule sets (规则集): which clocks, invariants and working days a chain is judged by.
//!
//! A rule set is the versioned data of `data/`, compiled once, with the choices that a jurisdiction makes.

use std::sync::LazyLock;

use serde::Deserialize;

use crate::{
    calendar::Calendar,
    clocks::{Clocks, Parameters, Severity},
};

/// A rule set.
#[derive(Debug)]
pub struct RuleSet {
    name: &'static str,
    calendar: Calendar,
    clocks: Clocks,
    invariants: Vec<Invariant>,
}

impl RuleSet {
    /// The rule set of this name, as acts and cases write it.
    #[must_use]
    pub fn named(name: &str) -> Option<&'static Self> {
        (name == CN_2024.name).then_some(&*CN_2024)
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Its working-day calendar.
    #[must_use]
    pub fn calendar(&self) -> &Calendar {
        &self.calendar
    }

    /// Its clocks.
    #[must_use]
    pub fn clocks(&self) -> &Clocks {
        &self.clocks
    }

    /// Its invariants, in the order of the data.
    #[must_use]
    pub fn invariants(&self) -> &[Invariant] {
        &self.invariants
    }

    /// The invariant whose findings carry a code, written with `F-` or `O-`.
    #[must_use]
    pub fn invariant(&self, code: &str) -> Option<&Invariant> {
        let name = code.get(2..)?;
        self.invariants.iter().find(|invariant| invariant.code.get(2..) == Some(name))
    }
}

/// A rule that a chain may break.
#[derive(Debug, Clone, Deserialize)]
pub struct Invariant {
    /// Number, `I-6`.
    pub id: String,
    /// Code of its findings, `F-OVERDUE`.
    pub code: String,
    /// Chinese text.
    pub zh: String,
    /// English text.
    pub en: String,
    /// Severity where the rule of severity says nothing else.
    pub severity: Severity,
    /// What must be replayed to judge it.
    pub scope: String,
    /// Legal source.
    pub legal_source: String,
    /// Where the rule comes from: `law`, `web`, `policy` or `memory`.
    pub tag: String,
    /// When it fires, exactly.
    pub precise: String,
}

#[derive(Debug, Deserialize)]
struct InvariantTable {
    invariants: Vec<Invariant>,
}

/// The rule set of the case histories: every clock that the data enable by default, petitions without roll, procedural
/// replies of the procuratorate (JC-1) in calendar days, State Council calendar of 2023 to 2026.
static CN_2024: LazyLock<RuleSet> = LazyLock::new(|| {
    let rules = load("cn-2024-fixture", &Parameters::default());
    rules.unwrap_or_else(|error| panic!("the embedded rules do not compile: {error}"))
});

fn load(name: &'static str, parameters: &Parameters) -> Result<RuleSet, LoadError> {
    let table: InvariantTable = serde_json::from_str(include_str!("../data/invariants.json"))?;
    Ok(RuleSet {
        name,
        calendar: Calendar::parse(include_str!("../data/calendar_cn.json"))?,
        clocks: Clocks::load(include_str!("../data/clocks.json"), parameters)?,
        invariants: table.invariants,
    })
}

/// Why the embedded rules do not compile.
#[derive(Debug, thiserror::Error)]
enum LoadError {
    #[error("the invariants are not of the format: {0}")]
    Invariants(#[from] serde_json::Error),
    #[error(transparent)]
    Calendar(#[from] crate::calendar::CalendarError),
    #[error(transparent)]
    Clocks(#[from] crate::clocks::LoadError),
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::clocks::arithmetic::Unit;

    #[test]
    fn the_embedded_rules_compile() {
        let rules = RuleSet::named("cn-2024-fixture").unwrap();
        assert_eq!(rules.clocks().iter().count(), 113);
        assert_eq!(rules.invariants().len(), 43);
        assert!(RuleSet::named("cn-1999").is_none());
    }

    #[test]
    fn a_unit_that_is_a_parameter_can_be_set_and_no_other() {
        let with = |clock| Parameters { units: BTreeMap::from([(clock, Unit::WorkingDays)]), ..Parameters::default() };
        let rules = load("test", &with("JC-1")).unwrap();
        assert_eq!(rules.clocks().named("JC-1").unwrap().term.unit, Unit::WorkingDays);
        assert!(load("test", &with("JC-2")).is_err());
    }

    #[test]
    fn a_clock_that_only_reminds_until_it_is_ended_can_be_judged_at_once() {
        let reminds = |rules: &RuleSet| rules.clocks().named("ZX-5a").unwrap().reminds_until_ended;
        assert!(reminds(RuleSet::named("cn-2024-fixture").unwrap()));
        let parameters = Parameters { judged_at_once: ["ZX-5a"].into(), ..Parameters::default() };
        assert!(!reminds(&load("test", &parameters).unwrap()));
    }

    #[test]
    fn a_clock_of_memory_is_advisory_until_it_is_enabled() {
        let rules = RuleSet::named("cn-2024-fixture").unwrap();
        assert!(!rules.clocks().named("XF-11a").unwrap().enabled);
        let parameters = Parameters { enabled: ["XF-11a"].into(), ..Parameters::default() };
        assert!(load("test", &parameters).unwrap().clocks().named("XF-11a").unwrap().enabled);
    }
}
