//! Time limits (期限): their definitions, the arithmetic, and the engine that runs them over a chain.
//!
//! A clock is a row of `data/clocks.json` and nothing else: no clock has code of its own. What the columns mean stands
//! in the head of that file; [`arithmetic`] implements its rules, `engine` its semantics.

pub mod arithmetic;
pub(crate) mod condition;
mod engine;
mod instance;
mod load;
pub mod vector;

pub use self::instance::{ClockState, EndKind, Instance};
use self::{
    arithmetic::Term,
    condition::{Condition, Path},
};
pub(crate) use self::{
    engine::{Course, run},
    instance::is_past,
    load::{LoadError, Parameters},
};
use crate::{calendar::Day, judge::chain::Kind};

/// Whom a clock binds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ClockKind {
    /// An agency: expiry is a finding (义务期限).
    Duty,
    /// A party may: expiry ends the option (权利期间).
    Right,
}

/// What a clock is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Use {
    /// Opens, ends and finds.
    Judged,
    /// Shown in the docket, never a finding.
    Reminder,
    /// A limit for the calculator; never opens.
    Reference,
}

/// How grave a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Severity {
    /// 严重.
    Critical,
    /// 较重.
    Major,
    /// 轻微.
    Minor,
    /// 提示.
    Observation,
}

impl Severity {
    /// Letter, as cases and reports write it: C, M, m or O.
    #[must_use]
    pub const fn letter(self) -> &'static str {
        match self {
            Self::Critical => "C",
            Self::Major => "M",
            Self::Minor => "m",
            Self::Observation => "O",
        }
    }

    /// Chinese name.
    #[must_use]
    pub const fn zh(self) -> &'static str {
        match self {
            Self::Critical => "严重",
            Self::Major => "较重",
            Self::Minor => "轻微",
            Self::Observation => "提示",
        }
    }
}

/// One clock of a rule set.
#[derive(Debug)]
pub struct Clock {
    /// Id, `SF-5a`.
    pub id: String,
    /// Row of the table of limits that it belongs to, `SF-5`.
    pub row: String,
    /// Chinese title.
    pub zh: String,
    /// English title.
    pub en: String,
    /// Whom it binds.
    pub kind: ClockKind,
    /// What it is for.
    pub usage: Use,
    /// How long it runs.
    pub term: Term,
    /// Legal source.
    pub source: String,
    /// Article of the source.
    pub article: String,
    /// Where the rule comes from: `law`, `web`, `policy` or `memory`.
    pub tag: String,
    /// The rule set enables it; findings of others are observations.
    pub enabled: bool,
    /// First and last start day for which it holds.
    pub valid: (Option<Day>, Option<Day>),
    /// A running instance bars closing (I-11).
    pub blocks_close: bool,
    /// Explanation, English.
    pub prose: String,
    /// Code of the finding of its expiry.
    pub(crate) finding: Option<String>,
    /// Severity of that finding; none when the rule of that code decides.
    pub(crate) severity: Option<Severity>,
    /// Code in the place of `finding` when a late agreement ends it.
    pub(crate) late_agreement: Option<String>,
    /// Only a late ending act is a finding.
    pub(crate) finds_on_act: bool,
    pub(crate) survives_close: bool,
    /// It only reminds until its ending act is recorded: silence is no finding.
    pub(crate) reminds_until_ended: bool,
    /// The period must run out: ending it before its limit is the breach.
    pub(crate) is_minimum: bool,
    matching: Matching,
    obliged: Obliged,
    starts: Vec<Start>,
    ends: Vec<End>,
    voids: Vec<Entry>,
    suspends: Vec<Suspends>,
    /// Grounds of the suspension rule; none when the clock cannot be suspended.
    suspension_grounds: Option<Vec<String>>,
    retro: Option<Retro>,
    /// Clocks that keep this one from opening on the same act.
    overridden_by: Vec<usize>,
    own_delay_of: Vec<usize>,
    /// This clock and its other editions: clocks of the same row that hold at other times.
    editions: Vec<usize>,
    limit_field: Option<Path>,
    /// Days after the limit of a listed clock at which it opens by lapse alone.
    deemed: Option<Deemed>,
}

/// The clocks of a rule set, in the order of the data.
#[derive(Debug)]
pub struct Clocks {
    clocks: Vec<Clock>,
    /// Entries by kind of act, so that an act is compared only with clocks that it can touch.
    by_kind: Vec<KindEntries>,
    /// Clocks counted back from the limit of another when it is extended (SS-12).
    backward: Vec<usize>,
    /// Clocks that open by the lapse of others alone (HD-4).
    deemed: Vec<usize>,
}

impl Clocks {
    /// The clock of this id.
    #[must_use]
    pub fn named(&self, id: &str) -> Option<&Clock> {
        self.clocks.iter().find(|clock| clock.id == id)
    }

    /// All clocks.
    pub fn iter(&self) -> impl Iterator<Item = &Clock> {
        self.clocks.iter()
    }
}

/// Places in `Clocks::clocks` and in the lists of that clock.
#[derive(Debug, Default)]
struct KindEntries {
    starts: Vec<(usize, usize)>,
    ends: Vec<(usize, usize)>,
    voids: Vec<(usize, usize)>,
    suspends: Vec<(usize, usize)>,
}

/// Which instance an act ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
enum Matching {
    Chain,
    Agency,
    Procedure,
    Answer,
    Agreement,
    Obligation,
}

/// Who is bound.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Obliged {
    Recorder,
    Field(String),
    TargetOrRecorder,
    Each(String),
    Proposer,
    RecorderOrCenter,
    Party,
}

/// An act that may touch a clock.
#[derive(Debug)]
struct Entry {
    kind: Kind,
    when: Option<Condition>,
}

#[derive(Debug)]
struct Start {
    entry: Entry,
    from_field: Option<Path>,
    from_clock: Vec<usize>,
    restart: bool,
}

#[derive(Debug)]
struct End {
    entry: Entry,
    from_field: Option<Path>,
    own: bool,
}

#[derive(Debug)]
struct Suspends {
    entry: Entry,
    /// Fields of the first and the last day, when the act knows both.
    days: Option<(Path, Path)>,
}

#[derive(Debug)]
struct Retro {
    kind: Kind,
    from_field: Path,
}

#[derive(Debug)]
struct Deemed {
    lapse_of: Vec<usize>,
    plus_days: i64,
}
