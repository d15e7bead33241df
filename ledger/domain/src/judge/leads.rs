//! First responsibility (首办责任): who leads a dispute, and when it moves.

use std::collections::BTreeSet;

use mediation_proto::mediation::types::v1::{HandoffMode, Role};

use super::chain::{Act, Chain, Kind, kind};

/// One interval of first responsibility.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lead {
    /// Agency.
    pub agency: String,
    /// Revision of the act that began it.
    pub from: u64,
    /// Revision of the act that moved it or closed the chain; none while it runs.
    pub to: Option<u64>,
}

/// The leads of a chain.
#[derive(Debug, Default)]
pub(crate) struct Leads<'a> {
    intervals: Vec<Interval<'a>>,
    /// Assignments that released nobody: they moved nothing.
    pub(super) unreleased: Vec<usize>,
    /// Assignments that moved the lead, in order.
    moving: Vec<usize>,
    /// Reopenings that restored no lead, with the act that set one later.
    pub(super) leaderless: Vec<(usize, Option<usize>)>,
    /// Position of the registration; none before it, and once it was withdrawn.
    registered_by: Option<usize>,
    closed: bool,
    /// Position of the act that reopened the chain; none while it is closed or was never closed.
    reopened_by: Option<usize>,
    /// A reopening named no lead, so that the next assignment sets one.
    awaiting: bool,
    /// The acts that set the present lead and those before it, whose leads a correction can restore.
    set_by: Vec<(usize, &'a str)>,
    /// Proposals that were accepted, returned or recalled.
    answered: BTreeSet<usize>,
}

#[derive(Debug)]
struct Interval<'a> {
    agency: &'a str,
    from: usize,
    to: Option<usize>,
}

impl<'a> Leads<'a> {
    /// Follows the lead over every act. A lead that a withdrawn act made lasts until the correction.
    pub(crate) fn new(chain: &Chain<'a>) -> Self {
        let mut leads = Self::default();
        for act in chain.all() {
            match act.kind {
                REGISTERED if leads.registered_by.is_none() => {
                    leads.registered_by = Some(act.at);
                    leads.set(act, Some(act.agency));
                }
                ASSIGNED => leads.assign(act),
                ACCEPTED | REFERRAL_ACCEPTED => leads.accept(chain, act),
                RETURNED | RECALLED => leads.answer(chain, act),
                REOPENED if leads.closed => leads.reopen(act),
                CLOSED if act.withdrawn_by.is_none() => leads.close(act),
                CORRECTED => leads.correct(chain, act),
                _ => {}
            }
        }
        leads
    }

    /// The agencies that led, each with the positions of the acts that began and ended its lead.
    pub(crate) fn spans(&self) -> impl Iterator<Item = (&'a str, usize, Option<usize>)> {
        self.intervals.iter().map(|interval| (interval.agency, interval.from, interval.to))
    }

    pub(super) fn intervals(&self, chain: &Chain<'a>) -> Vec<Lead> {
        let revision = |at: usize| chain.get(at).map(|act| act.revision);
        let leads = self.intervals.iter().filter_map(|interval| {
            let to = interval.to.and_then(revision);
            Some(Lead { agency: interval.agency.to_owned(), from: revision(interval.from)?, to })
        });
        leads.collect()
    }

    /// The agencies that led at any time before a position.
    pub(super) fn led_before(&self, at: usize) -> impl Iterator<Item = &'a str> {
        self.intervals.iter().filter(move |interval| interval.from < at).map(|interval| interval.agency)
    }

    /// The assignments after a position that moved the lead.
    pub(super) fn moved_after(&self, at: usize) -> impl Iterator<Item = usize> {
        let from = self.moving.partition_point(|moving| *moving <= at);
        self.moving.iter().skip(from).copied()
    }

    /// The agency that leads after the last act.
    pub(super) fn current(&self) -> Option<&'a str> {
        self.intervals.last().filter(|last| last.to.is_none()).map(|last| last.agency)
    }

    fn assign(&mut self, act: &Act<'a>) {
        let new = act.text("new_lead");
        let by_director = matches!(act.role(), Role::Dir | Role::Tcom);
        let Some(current) = self.current() else {
            if self.awaiting && by_director {
                self.set(act, new);
                self.moving.push(act.at);
            }
            return;
        };
        if new == Some(current) {
            return;
        }
        let releases = act.bool("previous_released") == Some(true) && act.text("previous_lead") == Some(current);
        if releases && by_director {
            self.set(act, new);
            self.moving.push(act.at);
        } else {
            self.unreleased.push(act.at);
        }
    }

    fn accept(&mut self, chain: &Chain<'a>, act: &Act<'a>) {
        let Some(proposal) = chain.proposal(act) else { return };
        let first = !self.answered.contains(&proposal.at);
        self.answer(chain, act);
        let moves = proposal.mode() == Some(HandoffMode::Transfer) && self.current() == Some(proposal.agency);
        if first && moves && proposal.agency != act.agency {
            self.set(act, Some(act.agency));
        }
    }

    fn answer(&mut self, chain: &Chain<'a>, act: &Act<'a>) {
        self.answered.extend(chain.proposal(act).filter(|_| act.withdrawn_by.is_none()).map(|proposal| proposal.at));
    }

    fn reopen(&mut self, act: &Act<'a>) {
        self.closed = false;
        self.reopened_by = Some(act.at);
        let restored = act.text("restored_lead");
        self.awaiting = restored.is_none();
        if self.awaiting {
            self.leaderless.push((act.at, None));
        }
        self.set(act, restored);
    }

    fn close(&mut self, act: &Act<'a>) {
        self.end(act);
        self.set_by.clear();
        self.closed = true;
        self.reopened_by = None;
        self.awaiting = false;
    }

    /// A withdrawn reopening leaves the chain closed, so that it can be reopened again.
    fn correct(&mut self, chain: &Chain<'a>, act: &Act<'a>) {
        let withdrawn = |at: usize| chain.get(at).and_then(|act| act.withdrawn_by) == Some(act.at);
        if self.reopened_by.is_some_and(withdrawn) {
            return self.close(act);
        }
        self.registered_by = self.registered_by.filter(|at| !withdrawn(*at));
        let holds = self.set_by.last().is_some_and(|setter| withdrawn(setter.0));
        self.set_by.retain(|setter| !withdrawn(setter.0));
        if holds {
            self.end(act);
            if let Some((_, agency)) = self.set_by.last() {
                self.intervals.push(Interval { agency, from: act.at, to: None });
            }
        }
    }

    fn set(&mut self, act: &Act<'a>, agency: Option<&'a str>) {
        let Some(agency) = agency else { return };
        self.end(act);
        self.awaiting = false;
        if let Some(leaderless) = self.leaderless.last_mut().filter(|leaderless| leaderless.1.is_none()) {
            leaderless.1 = Some(act.at);
        }
        self.intervals.push(Interval { agency, from: act.at, to: None });
        self.set_by.push((act.at, agency));
    }

    fn end(&mut self, act: &Act<'a>) {
        if let Some(last) = self.intervals.last_mut().filter(|last| last.to.is_none()) {
            last.to = Some(act.at);
        }
    }
}

const REGISTERED: Kind = kind("DisputeRegistered");
const ASSIGNED: Kind = kind("LeadAgencyAssigned");
const ACCEPTED: Kind = kind("HandoffAccepted");
const REFERRAL_ACCEPTED: Kind = kind("PsychReferralAccepted");
const RETURNED: Kind = kind("HandoffReturned");
const RECALLED: Kind = kind("HandoffRecalled");
const REOPENED: Kind = kind("DisputeReopened");
const CLOSED: Kind = kind("DisputeClosed");
const CORRECTED: Kind = kind("RecordCorrected");
