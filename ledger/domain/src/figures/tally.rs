//! Counting: chains go by, one after another, and leave numbers behind.

use super::{
    accumulator::Accumulator,
    measure::{Measure, Source},
    operational::{Items, Judged},
    plan::Plan,
};
use crate::{
    directory::Directory,
    history::Recorded,
    judge::{Judgement, Moment, chain::Chain},
};

/// What the chains that went by amount to so far.
#[derive(Debug, Clone)]
pub struct Tally<'p> {
    plan: &'p Plan,
    /// One for each measure.
    pub(super) accumulators: Vec<Accumulator>,
    pub(super) counts: Counts,
}

/// What went by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Chains with an act that counts.
    pub chains: u64,
    /// Acts that count: they exist at the as-of instant, can be read, and were not withdrawn.
    pub acts: u64,
    /// Acts that were withdrawn by a correction.
    pub withdrawn: u64,
    /// Acts of a later business time than the as-of instant.
    pub later: u64,
}

impl Counts {
    /// Takes a chain into account; answers how many of its acts count.
    pub(super) fn take(&mut self, chain: &Chain<'_>, history: &[Recorded]) -> u64 {
        let acts = chain.acts().count() as u64;
        self.acts += acts;
        self.chains += u64::from(acts > 0);
        self.withdrawn += chain.all().iter().filter(|act| act.withdrawn_by.is_some()).count() as u64;
        self.later += history.iter().filter(|act| act.occurred_at > chain.as_of()).count() as u64;
        acts
    }

    /// Takes what went by elsewhere into account as well.
    pub(super) fn add(&mut self, other: Self) {
        let Self { chains, acts, withdrawn, later } = other;
        self.chains += chains;
        self.acts += acts;
        self.withdrawn += withdrawn;
        self.later += later;
    }
}

impl Plan {
    /// An empty tally.
    #[must_use]
    pub fn tally(&self) -> Tally<'_> {
        let accumulators = vec![Accumulator::default(); self.measures.len()];
        Tally { plan: self, accumulators, counts: Counts::default() }
    }
}

impl<'p> Tally<'p> {
    /// Takes a chain, whole. Each chain MUST go by once, in one tally of those that are put together. `judgement` is asked
    /// for only when operational rows are computed; it MUST be as of the instant of the plan.
    pub fn take(
        &mut self,
        chain: [u8; 16],
        history: &[Recorded],
        directory: &Directory,
        judgement: impl FnOnce() -> Judgement,
    ) {
        let moment = Moment { as_of: self.plan.as_of, known_at: None };
        let prepared = Chain::new(history, directory, moment);
        let acts = self.counts.take(&prepared, history);
        for act in prepared.acts() {
            for place in self.plan.by_kind.get(act.kind.0).into_iter().flatten() {
                let measure = self.plan.measures.get(*place).zip(self.accumulators.get_mut(*place));
                if let Some((measure, accumulator)) = measure
                    && let Some(taken) = measure.take(&prepared, act, chain)
                {
                    accumulator.add(taken);
                }
            }
        }
        if self.plan.is_operational() && acts > 0 {
            let judgement = judgement();
            let judged = Judged { chain: &prepared, judgement: &judgement, calendar: self.plan.rules.calendar() };
            self.items(chain, &judged);
        }
    }

    /// Puts in what another tally of the same plan counted of other chains.
    pub fn merge(&mut self, other: Self) {
        for (own, other) in self.accumulators.iter_mut().zip(other.accumulators) {
            own.merge(other);
        }
        self.counts.add(other.counts);
    }

    fn items(&mut self, chain: [u8; 16], judged: &Judged<'_>) {
        for (measure, accumulator) in self.plan.measures.iter().zip(&mut self.accumulators) {
            let Source::Items { items, .. } = &measure.source else { continue };
            if *items == Items::Petitioners {
                accumulator.petitioners.take(judged.chain, chain, &measure.period);
                continue;
            }
            for item in items.of(judged).iter().filter(|item| measure.period.holds(item.day)) {
                if measure.fits(item) {
                    accumulator.count(item.number);
                }
            }
        }
    }

    pub(super) fn plan(&self) -> &'p Plan {
        self.plan
    }
}

impl Measure {
    fn fits(&self, item: &super::operational::Item) -> bool {
        match &self.source {
            Source::Items { when, .. } => {
                when.as_ref().is_none_or(|when| when.is_met(&|statement| item.is_so(statement)))
            }
            Source::Acts(_) => false,
        }
    }
}
