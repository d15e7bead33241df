//! Rule sets (规则集): which clocks, invariants and working days a chain is judged by.
//!
//! A rule set is a file of `data/rule_sets/` and the tables of `data/` that it chooses from, compiled once. The file makes
//! the choices that the law leaves to a jurisdiction; what they rest on stands in its `basis`.

mod digest;

use std::sync::LazyLock;

use serde::Deserialize;

pub use self::digest::{RulesDigest, Source};
use crate::{
    calendar::{Calendar, Day},
    clocks::{Clocks, Parameters, Severity},
    judge::invariants::Rulebook,
};

/// A rule set.
#[derive(Debug)]
pub struct RuleSet {
    data: Data,
    sources: Vec<Source>,
    digest: RulesDigest,
    calendar: Calendar,
    clocks: Clocks,
    invariants: Vec<Invariant>,
    rulebook: Rulebook,
}

impl RuleSet {
    /// The rule set of this name, as acts and cases write it.
    #[must_use]
    pub fn named(name: &str) -> Option<&'static Self> {
        Self::all().iter().find(|rules| rules.name() == name)
    }

    /// Every rule set, by name.
    #[must_use]
    pub fn all() -> &'static [Self] {
        &ALL
    }

    /// The rule set that a chain is judged by: the one that the statement of its first entry names.
    ///
    /// # Errors
    /// There is none of this name. Nobody may judge by another one instead: a limit that one set has and another has
    /// not would be found, or not found, without anybody having said so.
    pub fn for_chain(named: &str) -> Result<&'static Self, UnknownRuleSet> {
        Self::named(named).ok_or_else(|| UnknownRuleSet { name: named.to_owned() })
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.data.name
    }

    /// Its version, `2024.1`. Other data under the same name is another version.
    #[must_use]
    pub fn version(&self) -> &str {
        &self.data.version
    }

    /// Chinese title.
    #[must_use]
    pub fn zh(&self) -> &str {
        &self.data.zh
    }

    /// English title.
    #[must_use]
    pub fn en(&self) -> &str {
        &self.data.en
    }

    /// First and last day on which a chain may be opened under it. Each clock has an interval of its own beside this.
    #[must_use]
    pub fn valid(&self) -> (Day, Option<Day>) {
        (self.data.valid_from, self.data.valid_to)
    }

    /// What it rests on, in Chinese and English.
    #[must_use]
    pub fn basis(&self) -> (&str, &str) {
        (&self.data.basis_zh, &self.data.basis_en)
    }

    /// SHA-256 over the data that makes it up; see [`digest`](RulesDigest). An auditor pins it.
    #[must_use]
    pub fn digest(&self) -> RulesDigest {
        self.digest
    }

    /// The files that make it up, by name.
    #[must_use]
    pub fn sources(&self) -> &[Source] {
        &self.sources
    }

    /// Its working-day calendar.
    #[must_use]
    pub fn calendar(&self) -> &Calendar {
        &self.calendar
    }

    /// Name of that calendar, as cases write it.
    #[must_use]
    pub fn calendar_name(&self) -> &str {
        &self.data.calendar
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

    /// The functions of its invariants.
    pub(crate) fn rulebook(&self) -> &Rulebook {
        &self.rulebook
    }

    /// The invariant whose findings carry a code, written with `F-` or `O-`.
    #[must_use]
    pub fn invariant(&self, code: &str) -> Option<&Invariant> {
        let name = code.get(2..)?;
        self.invariants.iter().find(|invariant| invariant.code.get(2..) == Some(name))
    }

    fn load(name: &str, text: &'static str) -> Result<Self, LoadError> {
        let data: Data = serde_json::from_str(text).map_err(LoadError::RuleSet)?;
        if data.name != name {
            return Err(LoadError::OtherName(data.name));
        }
        if data.calendar != CALENDAR.0 {
            return Err(LoadError::NoCalendar(data.calendar));
        }
        let table: InvariantTable = serde_json::from_str(INVARIANTS.1).map_err(LoadError::Invariants)?;
        let mut invariants = table.invariants;
        for invariant in &mut invariants {
            invariant.enabled = data.parameters.enables(true, &invariant.tag, &invariant.id);
        }
        let calendar = Calendar::parse(CALENDAR.1)?;
        let clocks = Clocks::load(CLOCKS.1, &data.parameters)?;
        let is_rule = |id: &str| clocks.named(id).is_some() || invariants.iter().any(|invariant| invariant.id == id);
        if let Some(unknown) = data.parameters.enabled.iter().find(|id| !is_rule(id)) {
            return Err(LoadError::NoRule(unknown.clone()));
        }
        if let Some(unknown) = data.parameters.judged_at_once.iter().find(|id| clocks.named(id).is_none()) {
            return Err(LoadError::NoClock(unknown.clone()));
        }
        let own = format!("rule_sets/{name}.json");
        let mut sources = vec![Source::new(&own, text)];
        sources.extend(TABLES.iter().map(|(name, text)| Source::new(name, text)));
        sources.sort_by(|a, b| a.name.cmp(&b.name));
        let digest = RulesDigest::over(&sources);
        let rulebook = Rulebook::of(&invariants);
        Ok(Self { data, sources, digest, calendar, clocks, invariants, rulebook })
    }
}

/// A chain names a rule set that this program does not have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the chain is to be judged by the rule set `{name}`, which this program does not have")]
pub struct UnknownRuleSet {
    /// Name that the first entry gives.
    pub name: String,
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
    /// The rule set enables it; findings of others are observations.
    #[serde(skip)]
    pub enabled: bool,
}

#[derive(Debug, Deserialize)]
struct InvariantTable {
    invariants: Vec<Invariant>,
}

/// A file of `data/rule_sets/`.
#[derive(Debug, Deserialize)]
struct Data {
    name: String,
    version: String,
    zh: String,
    en: String,
    valid_from: Day,
    valid_to: Option<Day>,
    /// File of `data/` with the working days.
    calendar: String,
    #[serde(flatten)]
    parameters: Parameters,
    basis_zh: String,
    basis_en: String,
}

/// The rule sets. A set that was once in use is never changed: new rules are a new set.
static ALL: LazyLock<Vec<RuleSet>> = LazyLock::new(|| {
    let load = |(name, text): &(&str, &'static str)| {
        RuleSet::load(name, text).unwrap_or_else(|error| panic!("the rule set `{name}` does not compile: {error}"))
    };
    FILES.iter().map(load).collect()
});

const FILES: &[(&str, &str)] = &[
    ("cn-2024", include_str!("../data/rule_sets/cn-2024.json")),
    ("cn-2024-fixture", include_str!("../data/rule_sets/cn-2024-fixture.json")),
];

const CALENDAR: (&str, &str) = ("calendar_cn.json", include_str!("../data/calendar_cn.json"));
const CLOCKS: (&str, &str) = ("clocks.json", include_str!("../data/clocks.json"));
const INVARIANTS: (&str, &str) = ("invariants.json", include_str!("../data/invariants.json"));

/// The tables that every rule set is made of: the rules, and the catalogue whose fields they are about.
const TABLES: &[(&str, &str)] = &[
    CALENDAR,
    CLOCKS,
    INVARIANTS,
    ("enums.json", include_str!("../data/enums.json")),
    ("events.json", include_str!("../data/events.json")),
    ("types.json", include_str!("../data/types.json")),
];

/// Why a rule set does not compile.
#[derive(Debug, thiserror::Error)]
enum LoadError {
    #[error("the file is not of the format: {0}")]
    RuleSet(#[source] serde_json::Error),
    #[error("the file names another set, `{0}`")]
    OtherName(String),
    #[error("there is no calendar `{0}`")]
    NoCalendar(String),
    #[error("the invariants are not of the format: {0}")]
    Invariants(#[source] serde_json::Error),
    #[error("there is no clock or invariant `{0}` to enable")]
    NoRule(String),
    #[error("there is no clock `{0}` to judge at once")]
    NoClock(String),
    #[error(transparent)]
    Calendar(#[from] crate::calendar::CalendarError),
    #[error(transparent)]
    Clocks(#[from] crate::clocks::LoadError),
}

#[cfg(test)]
mod tests;
