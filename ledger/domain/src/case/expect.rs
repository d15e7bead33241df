//! What a judge must find in a case.

use serde::{Deserialize, Serialize};

use super::StepNumber;

/// Everything that is expected of a history. Lists are unordered, but for clocks, which stand in the order of opening.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expect {
    /// Intervals of first responsibility (首办).
    pub leads: Vec<ExpectedLead>,
    /// Handoffs, one for each proposal.
    pub handoffs: Vec<ExpectedHandoff>,
    /// Instances of clocks.
    pub clocks: Vec<ExpectedClock>,
    /// Obligations.
    pub obligations: Vec<ExpectedObligation>,
    /// Findings; cleared and cured ones stay listed.
    pub findings: Vec<ExpectedFinding>,
    /// Code of the last closing; none when the chain is open.
    pub outcome: Option<String>,
    /// Steps that admission refuses.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub refusals: Vec<ExpectedRefusal>,
}

/// One interval of first responsibility.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExpectedLead {
    /// Agency.
    pub agency: String,
    /// Step that began it.
    pub from_step: StepNumber,
    /// Step that moved the lead or closed the chain; none when it still runs.
    pub to_step: Option<StepNumber>,
}

/// One handoff.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExpectedHandoff {
    /// Step of the proposal.
    pub proposal_step: StepNumber,
    /// Code of the mode.
    pub mode: String,
    /// Sender.
    pub from: String,
    /// Target.
    pub to: String,
    /// Limit for the answer.
    pub due: Option<String>,
    /// `ACCEPTED`, `RETURNED`, `RECALLED`, `TIMED_OUT` or `OPEN`.
    pub answer: String,
    /// Step of the answer.
    pub answered_step: Option<StepNumber>,
    /// Calendar days late.
    pub days_late: u64,
}

/// One instance of a clock.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExpectedClock {
    /// Id in the rule data.
    pub id: String,
    /// Day from which it counts.
    pub start: String,
    /// Step that opened it; none when it opened without an act.
    pub start_step: Option<StepNumber>,
    /// Limit: a day, or an instant for clocks in hours; none while suspended.
    pub due: Option<String>,
    /// Day on which it ended.
    pub done: Option<String>,
    /// Step that ended it.
    pub end_step: Option<StepNumber>,
    /// `MET`, `LATE`, `VOID`, `OPEN` or `LAPSED`.
    pub state: String,
    /// Calendar days late.
    pub days_late: u64,
}

/// One obligation.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExpectedObligation {
    /// Id within the chain.
    pub id: String,
    /// Day it is due.
    pub due: Option<String>,
    /// `PERFORMED`, `DEFAULTED`, `WAIVED`, `REPLACED` or `OPEN`.
    pub state: String,
    /// Step that brought the state.
    pub step: Option<StepNumber>,
}

/// One finding.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExpectedFinding {
    /// Code, `F-…` or `O-…`.
    pub code: String,
    /// Step, as the rule says.
    pub step: Option<StepNumber>,
    /// Agency that is blamed; none when nobody is.
    pub agency: Option<String>,
    /// Clock that is concerned.
    pub clock: Option<String>,
    /// Days, where days mean something.
    pub days_late: Option<u64>,
    /// `C`, `M`, `m` or `O`.
    pub severity: String,
    /// Step that cleared or cured it.
    pub cleared_step: Option<StepNumber>,
}

/// One step that admission refuses; it is then not on the chain.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExpectedRefusal {
    /// Step.
    pub step: StepNumber,
    /// Reason, as `ErrorInfo.reason` names it.
    pub reason: String,
}
