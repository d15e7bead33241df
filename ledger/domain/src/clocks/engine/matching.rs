//! Which instance an act ends, voids, suspends or extends.

use super::{Engine, agencies};
use crate::{
    catalogue::HandoffRole,
    clocks::{Clock, ClockKind, Instance, Matching, Obliged},
    judge::chain::Act,
};

impl<'a> Engine<'_, 'a> {
    /// The instances that an act ends: one, or every one that fits where the rule says so.
    pub(super) fn ending(&self, act: &Act<'a>, clock: &Clock, place: usize) -> Vec<usize> {
        let fits = self.fitting(self.open.of(place), |instance| self.fits(act, instance, false));
        if clock.matching == Matching::Obligation || matches!(clock.obliged, Obliged::Each(_)) {
            fits
        } else {
            self.preferred(act, clock.kind, &fits).into_iter().collect()
        }
    }

    /// The instances that an act voids: every one that fits, whoever records it. When it answers a proposal, of those
    /// that proposals have opened only those of that proposal; and a return or a recall frees only the target of the
    /// proposal from what an agency owes, not another agency to which the matter went as well (rule 11 of §4.1).
    pub(super) fn voided(&self, act: &Act<'a>, place: usize) -> Vec<usize> {
        let proposal = self.chain.proposal(act);
        let settles = matches!(act.row.handoff, Some(HandoffRole::Answer | HandoffRole::Recall));
        let freed = proposal.filter(|_| settles).and_then(|proposal| proposal.text("target"));
        let proposal = proposal.map(|act| act.at);
        self.fitting(self.open.of(place), |instance| {
            let is_freed = instance.clock.matching != Matching::Agency || freed.is_none() || instance.obliged == freed;
            self.fits(act, instance, true)
                && is_freed
                && (proposal.is_none() || !instance.opened_by_proposal || instance.opened_by == proposal)
        })
    }

    /// The instance that an act restarts.
    pub(super) fn restarted(&self, act: &Act<'a>, clock: &Clock) -> Option<usize> {
        let open = self.open.of_any(clock.editions.iter().copied());
        let fits = self.fitting(open, |instance| self.fits(act, instance, false));
        self.preferred(act, clock.kind, &fits)
    }

    /// The instance of these clocks that a suspension means: chosen as for an ending act, `opened_by` deciding when given.
    pub(super) fn suspendable(&self, act: &Act<'a>, clocks: impl IntoIterator<Item = usize>) -> Option<usize> {
        let opened_by = act.has("opened_by").then(|| self.chain.referred(act, "opened_by").map(|act| act.at));
        let fits = self.fitting(self.open.of_any(clocks), |instance| match opened_by {
            Some(opened_by) => opened_by.is_some() && instance.opened_by == opened_by,
            None => self.fits(act, instance, false),
        });
        let kind = self.instance(*fits.first()?)?.clock.kind;
        self.preferred(act, kind, &fits)
    }

    /// The instance that an extension means, whoever records it.
    pub(super) fn named_instance(&self, act: &Act<'a>, name: &str) -> Option<usize> {
        let opened_by = self.chain.referred(act, "opened_by").map(|act| act.at);
        let mut fits = self.open.of_any(self.clocks.called(name).map(|(place, _)| place));
        if act.has("opened_by") {
            fits.retain(|at| {
                opened_by.is_some() && self.instance(*at).is_some_and(|instance| instance.opened_by == opened_by)
            });
        }
        let kind = self.instance(*fits.first()?)?.clock.kind;
        self.preferred(act, kind, &fits)
    }

    fn fitting(&self, open: impl IntoIterator<Item = usize>, fits: impl Fn(&Instance<'a>) -> bool) -> Vec<usize> {
        open.into_iter().filter(|at| self.instance(*at).is_some_and(&fits)).collect()
    }

    /// Of several, those whose starting act is named; of these the oldest for duties and the newest for rights.
    fn preferred(&self, act: &Act<'a>, kind: ClockKind, fits: &[usize]) -> Option<usize> {
        let opened_by = |at: usize| self.instance(at).and_then(|instance| instance.opened_by);
        let is_named = |at: &usize| opened_by(*at).is_some_and(|opened_by| self.is_named(act, opened_by));
        let named: Vec<usize> = fits.iter().copied().filter(is_named).collect();
        let left = if named.is_empty() { fits } else { &named };
        match kind {
            ClockKind::Duty => left.first().copied(),
            ClockKind::Right => left.last().copied(),
        }
    }

    /// Whether an act can end an instance. One that voids need not come from the obliged agency.
    pub(super) fn fits(&self, act: &Act<'a>, instance: &Instance<'a>, voids: bool) -> bool {
        let from_obliged = voids || instance.obliged == Some(act.agency);
        match instance.clock.matching {
            Matching::Chain => true,
            Matching::Agency | Matching::Procedure => from_obliged && is_same_procedure(act, instance.procedure_no),
            Matching::Answer => self.answers(act, instance, voids),
            Matching::Agreement => self.names_or_none(act, instance),
            Matching::Obligation => {
                let mut listed = act.texts("obligation_ids").peekable();
                listed.peek().is_none() || listed.any(|id| instance.obligations.contains(&id))
            }
        }
    }

    fn answers(&self, act: &Act<'a>, instance: &Instance<'a>, voids: bool) -> bool {
        if let Obliged::Each(_) = instance.clock.obliged {
            let answered = instance.obliged == Some(act.agency)
                || instance.obliged.is_some_and(|obliged| agencies(act, "others").contains(&obliged));
            if !answered && !voids {
                return false;
            }
        }
        let proposal = self.chain.proposal(act).map(|act| act.at);
        let names_start = instance.opened_by.is_some_and(|opened_by| self.is_named(act, opened_by));
        if names_start || (proposal.is_some() && proposal == instance.proposal) {
            return true;
        }
        let names_nothing = proposal.is_none() && !self.names_a_start(act, instance.clock);
        names_nothing && (voids || instance.obliged == Some(act.agency))
    }

    fn names_or_none(&self, act: &Act<'a>, instance: &Instance<'a>) -> bool {
        let names_start = instance.opened_by.is_some_and(|opened_by| self.is_named(act, opened_by));
        names_start || !self.names_a_start(act, instance.clock)
    }

    /// Whether an act names any act that could have opened an instance of a clock.
    fn names_a_start(&self, act: &Act<'a>, clock: &Clock) -> bool {
        let mut named =
            self.chain.names(act).filter_map(|at| self.chain.get(at)).filter(|act| act.withdrawn_by.is_none());
        named.any(|named| clock.starts.iter().any(|start| named.is(start.entry.kind)))
    }

    fn is_named(&self, act: &Act<'a>, other: usize) -> bool {
        self.chain.names(act).any(|named| named == other)
    }
}

/// Whether two acts belong to one procedure: the numbers are compared when both carry one.
pub(super) fn is_same_procedure(act: &Act<'_>, number: Option<&str>) -> bool {
    act.procedure_no().zip(number).is_none_or(|(own, other)| own == other)
}
