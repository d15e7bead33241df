//! Defects that are planted on purpose (植入缺陷): each changes a clean dispute in one way, and declares exactly what a
//! judge must find because of it.

mod contents;
mod limits;
mod order;

use serde_json::{Map, Value as Json};

use crate::dispute::Telling;

/// One way in which a dispute goes wrong.
#[derive(Debug)]
pub struct Defect {
    /// What goes wrong, in words.
    pub name: &'static str,
    /// Kind of the act that is changed; of the late act, when a limit is missed.
    pub(crate) event: &'static str,
    /// Whether an act of that kind is the one.
    pub(crate) when: fn(&Telling<'_>, &Map<String, Json>) -> bool,
    pub(crate) change: Change,
    /// What must be found.
    pub(crate) mistakes: &'static [Mistake],
}

impl Defect {
    /// Codes of the findings that may follow, the first of them always.
    pub fn codes(&self) -> impl Iterator<Item = &'static str> {
        self.mistakes.iter().map(|mistake| mistake.code)
    }
}

/// What is changed.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Change {
    /// The act lacks a field.
    Without(&'static str),
    /// The act holds something else.
    With(fn(&mut Telling<'_>, &mut Map<String, Json>)),
    /// The act is not done; something else may be.
    Instead(fn(&mut Telling<'_>)),
    /// Other acts are done before it.
    Before(fn(&mut Telling<'_>)),
    /// Other acts are done after it.
    After(fn(&mut Telling<'_>)),
    /// The act is done so many working days after the limit of a clock.
    Late {
        /// The clock.
        clock: &'static str,
        /// Working days.
        by: u32,
    },
    /// The act is done while a party's time, which a clock measures, still runs.
    Hasty(&'static str),
    /// The act is entered so many working days after it was done.
    Entered {
        /// Working days.
        working_days: u32,
    },
}

/// One finding that must be made.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Mistake {
    pub(crate) code: &'static str,
    pub(crate) at: Mark,
    pub(crate) by: Blame,
    pub(crate) clock: Option<&'static str>,
}

/// At which act a finding is made.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Mark {
    /// At the act that is changed, or the first that is added.
    Here,
    /// At the next act of a kind.
    Later(&'static str),
    /// At the next act of a kind, when there is one.
    Perhaps(&'static str),
    /// At every later act of a kind, of which there is one.
    Each(&'static str),
    /// At the last act before that proposes a handoff.
    Proposal,
}

/// Who answers for a finding.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Blame {
    /// Who recorded the act.
    Recorder,
    /// To whom the act is addressed.
    Target,
    /// The last center that recorded before the act that is changed.
    Center,
    /// Who closes the dispute next.
    Closer,
    /// Who should have recorded the act that is not done.
    Intended,
}

impl Mistake {
    const fn new(code: &'static str, at: Mark) -> Self {
        Self { code, at, by: Blame::Recorder, clock: None }
    }

    const fn clock(self, clock: &'static str) -> Self {
        Self { clock: Some(clock), ..self }
    }

    const fn by(self, by: Blame) -> Self {
        Self { by, ..self }
    }
}

/// All kinds of defects.
pub fn defects() -> impl Iterator<Item = &'static Defect> {
    limits::DEFECTS.iter().chain(contents::DEFECTS).chain(order::DEFECTS)
}

fn always(_: &Telling<'_>, _: &Map<String, Json>) -> bool {
    true
}
