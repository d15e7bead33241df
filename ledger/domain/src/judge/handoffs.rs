//! Handoffs (移送对接): what became of each proposal.

use mediation_proto::{derived::TYPES_HANDOFF_MODE, mediation::types::v1::HandoffMode};

use super::{
    Matter,
    chain::{Act, Chain, Kind, kind},
};
use crate::{calendar::Day, catalogue::HandoffRole, clocks::Course};

/// One proposal and what became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Handoff {
    /// Revision of the proposal.
    pub proposal: u64,
    /// Code of the mode.
    pub mode: &'static str,
    /// Sender.
    pub from: String,
    /// Target.
    pub to: String,
    /// Last day of the answer window; none when the proposal opened none.
    pub due: Option<Day>,
    /// How it was answered.
    pub answer: HandoffAnswer,
    /// Revision of the answer.
    pub answered: Option<u64>,
    /// Calendar days from the window's end to the answer, or to the day of judging while there is none.
    pub days_late: u64,
}

/// How a proposal was answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HandoffAnswer {
    /// Accepted, however late.
    Accepted,
    /// Returned, or objected to.
    Returned,
    /// Taken back.
    Recalled,
    /// Not answered by the limit.
    TimedOut,
    /// Not answered yet.
    Open,
}

impl HandoffAnswer {
    /// Code, as cases and reports write it.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Accepted => "ACCEPTED",
            Self::Returned => "RETURNED",
            Self::Recalled => "RECALLED",
            Self::TimedOut => "TIMED_OUT",
            Self::Open => "OPEN",
        }
    }
}

/// One proposal, by positions.
#[derive(Debug)]
pub(super) struct Docking {
    pub(super) proposal: usize,
    pub(super) mode: Option<HandoffMode>,
    /// Place of the instance of its answer window.
    pub(super) window: Option<usize>,
    /// The first act that answers it, an objection included.
    pub(super) answer: Option<usize>,
    /// The first act that settles it: an objection leaves it open.
    pub(super) settled: Option<usize>,
    /// Its acceptance.
    pub(super) accepted: Option<usize>,
    /// The first outcome that names it.
    pub(super) outcome: Option<usize>,
    /// Outcomes that need an acknowledgement, with the act that gave it.
    pub(super) reports: Vec<(usize, Option<usize>)>,
}

impl Docking {
    pub(super) fn handoff(&self, matter: &Matter<'_>) -> Handoff {
        let chain = &matter.chain;
        let act = |at: usize| chain.get(at);
        let window = self.window.and_then(|place| matter.course.instances.get(place));
        let is_late = window.is_some_and(|window| window.is_late(chain.as_of()));
        let answer = match self.answer.and_then(act).map(|act| (act.kind, act.row.handoff)) {
            Some((ACCEPTED | REFERRAL_ACCEPTED, _)) => HandoffAnswer::Accepted,
            Some((_, Some(HandoffRole::Recall))) => HandoffAnswer::Recalled,
            Some(_) => HandoffAnswer::Returned,
            None if is_late => HandoffAnswer::TimedOut,
            None => HandoffAnswer::Open,
        };
        let proposal = act(self.proposal);
        Handoff {
            proposal: proposal.map(|act| act.revision).unwrap_or_default(),
            mode: self.mode.and_then(|mode| TYPES_HANDOFF_MODE.code(mode as i32)).unwrap_or_default(),
            from: proposal.map(|act| act.agency.to_owned()).unwrap_or_default(),
            to: proposal.and_then(|act| act.text("target")).unwrap_or_default().to_owned(),
            due: window.and_then(|window| window.due()),
            answer,
            answered: self.answer.and_then(act).map(|act| act.revision),
            days_late: window.map_or(0, |window| window.days_late(chain.as_of())),
        }
    }

    /// Whether something of it is open before a position: it is not settled, accepted as a delegation without an outcome,
    /// or reported without an acknowledgement.
    pub(super) fn is_open(&self, before: usize) -> bool {
        let done = |at: Option<usize>| at.is_some_and(|at| at < before);
        if !done(self.settled) {
            return true;
        }
        if self.accepted.is_none() {
            return false;
        }
        let unreported = self.mode == Some(HandoffMode::Delegation) && !done(self.outcome);
        unreported || self.reports.iter().any(|(report, acknowledged)| *report < before && !done(*acknowledged))
    }

    /// The last of the acts that settled it.
    pub(super) fn settled_by(&self) -> Option<usize> {
        let acknowledged = self.reports.iter().filter_map(|report| report.1);
        acknowledged.chain(self.outcome).chain(self.settled).max()
    }
}

/// The proposals of a chain, in order.
pub(super) fn dockings(chain: &Chain<'_>, course: &Course<'_>) -> Vec<Docking> {
    let proposals = chain.acts().filter(|act| act.is_proposal());
    let mut dockings: Vec<Docking> = proposals.map(Docking::new).collect();
    if dockings.is_empty() {
        return dockings;
    }
    for (place, instance) in course.instances.iter().enumerate() {
        let window = instance.opened_by.filter(|_| instance.clock.finding.as_deref() == Some(WINDOW_FINDING));
        if let Some(docking) = window.and_then(|proposal| of_proposal(&mut dockings, proposal)) {
            docking.window.get_or_insert(place);
        }
    }
    for act in chain.acts().filter(|act| act.row.handoff.is_some()) {
        let proposal = chain.proposal(act).map(|proposal| proposal.at);
        if let Some(docking) = proposal.and_then(|proposal| of_proposal(&mut dockings, proposal)) {
            docking.follow(chain, act);
        }
    }
    dockings
}

fn of_proposal(dockings: &mut [Docking], proposal: usize) -> Option<&mut Docking> {
    let place = dockings.binary_search_by_key(&proposal, |docking| docking.proposal).ok()?;
    dockings.get_mut(place)
}

impl Docking {
    fn new(proposal: &Act<'_>) -> Self {
        Self {
            proposal: proposal.at,
            mode: proposal.mode(),
            window: None,
            answer: None,
            settled: None,
            accepted: None,
            outcome: None,
            reports: Vec::new(),
        }
    }

    /// Takes in the next act that answers or continues the proposal.
    fn follow(&mut self, chain: &Chain<'_>, act: &Act<'_>) {
        match act.row.handoff {
            Some(HandoffRole::Answer | HandoffRole::Recall) => self.settle(act),
            Some(HandoffRole::Outcome) => {
                self.outcome.get_or_insert(act.at);
                if act.is(REPORTED) {
                    self.reports.push((act.at, None));
                }
            }
            Some(HandoffRole::Ack) => self.acknowledge(chain, act),
            Some(HandoffRole::Proposal | HandoffRole::Timeout | HandoffRole::Escalation) | None => {}
        }
    }

    fn settle(&mut self, act: &Act<'_>) {
        self.answer.get_or_insert(act.at);
        if !act.is(OBJECTED) && self.settled.is_none() {
            self.settled = Some(act.at);
            self.accepted = act.is_any(&[ACCEPTED, REFERRAL_ACCEPTED]).then_some(act.at);
        }
    }

    fn acknowledge(&mut self, chain: &Chain<'_>, act: &Act<'_>) {
        let report = chain.referred(act, "report").map(|report| report.at);
        let waiting = self.reports.iter_mut().find(|waiting| Some(waiting.0) == report && waiting.1.is_none());
        if let Some(waiting) = waiting {
            waiting.1 = Some(act.at);
        }
    }
}

/// Finding of the clocks that are answer windows.
const WINDOW_FINDING: &str = "F-HANDOFF-TIMEOUT";

const ACCEPTED: Kind = kind("HandoffAccepted");
const REFERRAL_ACCEPTED: Kind = kind("PsychReferralAccepted");
const OBJECTED: Kind = kind("PetitionJurisdictionObjected");
/// The one outcome that opens HD-3 and so waits for an acknowledgement.
const REPORTED: Kind = kind("HandoffOutcomeReported");
