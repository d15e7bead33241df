//! What a measure keeps of what went by: numbers and distinct values, never acts. The order in which chains go by does
//! not matter, and what several threads kept can be put together.

use std::collections::BTreeMap;

use super::{exact::Exact, measure::Aggregate, period::Period, petitioners::Petitioners};
use crate::clocks::condition::Scalar;

/// A value of a field.
pub(super) type Value = Scalar<String>;

/// Where an act stands: the order in which the latest and the first act are looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    pub(super) occurred_at: i64,
    pub(super) chain: [u8; 16],
    pub(super) revision: u64,
}

/// What a measure takes of an act.
#[derive(Debug)]
pub(super) struct Taken {
    pub(super) place: Place,
    /// What is registered, when the kind of act registers something.
    pub(super) registered: Option<Value>,
    /// None when the act does not fit, which matters where the latest act decides.
    pub(super) contribution: Option<Contribution>,
}

/// What an act adds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Contribution {
    /// Itself.
    Act,
    /// A number to be added or compared.
    Number(u64),
    /// One of the numbers that occur.
    OneOf(u64),
    /// The values of its field; none where the field is absent.
    Values(Vec<Value>),
    /// A number under a value.
    Keyed(Value, Option<u64>),
}

/// What was kept for one measure.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Accumulator {
    kept: Kept,
    /// Acts of which only the latest about each registered thing counts, by that thing.
    registered: BTreeMap<Value, (Place, Option<Contribution>)>,
    /// Petitioners, of whom only the whole ledger tells whether they came repeatedly.
    pub(super) petitioners: Petitioners,
}

/// Each aggregate reads what it needs; what it does not need stays empty.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct Kept {
    count: u64,
    chains: u64,
    /// A chain goes by once and at once, so that only the last one can come again.
    last_chain: Option<[u8; 16]>,
    sum: i128,
    min: Option<u64>,
    max: Option<u64>,
    /// How often each value came; none: acts without one.
    values: BTreeMap<Option<Value>, u64>,
    /// How often each number came.
    numbers: BTreeMap<u64, u64>,
    keyed: BTreeMap<Value, Ends>,
}

/// The first and the latest of the numbers under one value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Ends {
    first: (Place, Option<u64>),
    latest: (Place, Option<u64>),
}

impl Accumulator {
    /// Keeps what was taken of an act.
    pub(super) fn add(&mut self, taken: Taken) {
        match (taken.registered, taken.contribution) {
            (Some(thing), contribution) => self.register(thing, taken.place, contribution),
            (None, Some(contribution)) => self.kept.add(taken.place, contribution),
            (None, None) => {}
        }
    }

    /// Keeps something that counts and is no act, with the number that it measures.
    pub(super) fn count(&mut self, number: u64) {
        self.kept.count += 1;
        *self.kept.numbers.entry(number).or_default() += 1;
    }

    /// Adds what was kept of other chains for the same measure.
    pub(super) fn merge(&mut self, other: Self) {
        self.kept.merge(other.kept);
        for (thing, (place, contribution)) in other.registered {
            self.register(thing, place, contribution);
        }
        self.petitioners.merge(other.petitioners);
    }

    /// The value; none where there is nothing to say it of.
    pub(super) fn value(&self, aggregate: Aggregate, period: &Period) -> Option<Exact> {
        let kept = self.settled();
        let whole = |number: u64| Some(Exact::whole(number.into()));
        match aggregate {
            Aggregate::Count => whole(kept.count),
            Aggregate::CountBy => whole(kept.values.values().sum()),
            Aggregate::CountChains => whole(kept.chains),
            Aggregate::CountDistinct => whole(kept.values.keys().flatten().count() as u64),
            Aggregate::Sum => Some(Exact::whole(kept.sum)),
            Aggregate::Min => kept.min.and_then(whole),
            Aggregate::Max => kept.max.and_then(whole),
            Aggregate::SumLatest => Some(sum(kept.keyed.values().filter_map(|ends| ends.latest.1))),
            Aggregate::SumFirst => Some(sum(kept.keyed.values().filter_map(|ends| ends.first.1))),
            Aggregate::LongestRunTo => {
                let occurs = |year: &u64| kept.numbers.contains_key(year);
                let last = u64::try_from(period.to.year()).unwrap_or_default();
                whole((0..=last).rev().take_while(occurs).count() as u64)
            }
            Aggregate::Median => median(&kept.numbers),
        }
    }

    /// How many there are of each value.
    pub(super) fn parts(&self) -> BTreeMap<Option<Value>, u64> {
        self.settled().values
    }

    fn register(&mut self, thing: Value, place: Place, contribution: Option<Contribution>) {
        let is_latest = self.registered.get(&thing).is_none_or(|(known, _)| *known < place);
        if is_latest {
            self.registered.insert(thing, (place, contribution));
        }
    }

    /// With the latest act about each registered thing, chain by chain.
    fn settled(&self) -> Kept {
        let mut kept = self.kept.clone();
        let mut latest: Vec<_> = self.registered.values().collect();
        latest.sort_by_key(|(place, _)| (place.chain, place.revision));
        for (place, contribution) in latest {
            if let Some(contribution) = contribution {
                kept.add(*place, contribution.clone());
            }
        }
        kept
    }
}

impl Kept {
    fn add(&mut self, place: Place, contribution: Contribution) {
        match contribution {
            Contribution::Act => {
                self.count += 1;
                self.chains += u64::from(self.last_chain != Some(place.chain));
                self.last_chain = Some(place.chain);
            }
            Contribution::Number(number) => {
                self.sum += i128::from(number);
                self.min = Some(self.min.map_or(number, |min| min.min(number)));
                self.max = self.max.max(Some(number));
            }
            Contribution::OneOf(number) => *self.numbers.entry(number).or_default() += 1,
            Contribution::Values(values) if values.is_empty() => *self.values.entry(None).or_default() += 1,
            Contribution::Values(values) => {
                for value in values {
                    *self.values.entry(Some(value)).or_default() += 1;
                }
            }
            Contribution::Keyed(key, number) => {
                let only = (place, number);
                self.keyed.entry(key).or_insert(Ends { first: only, latest: only }).extend(only, only);
            }
        }
    }

    fn merge(&mut self, other: Self) {
        self.count += other.count;
        self.chains += other.chains;
        self.last_chain = None;
        self.sum += other.sum;
        self.min = [self.min, other.min].into_iter().flatten().min();
        self.max = self.max.max(other.max);
        for (value, count) in other.values {
            *self.values.entry(value).or_default() += count;
        }
        for (number, count) in other.numbers {
            *self.numbers.entry(number).or_default() += count;
        }
        for (key, ends) in other.keyed {
            self.keyed.entry(key).or_insert(ends).extend(ends.first, ends.latest);
        }
    }
}

impl Ends {
    fn extend(&mut self, first: (Place, Option<u64>), latest: (Place, Option<u64>)) {
        if first.0 < self.first.0 {
            self.first = first;
        }
        if latest.0 > self.latest.0 {
            self.latest = latest;
        }
    }
}

/// The number in the middle, of numbers by how often each came; of an even number of them the mean of the two.
pub(super) fn median(numbers: &BTreeMap<u64, u64>) -> Option<Exact> {
    let count: u64 = numbers.values().sum();
    let at = |place: u64| {
        let mut before = 0;
        let found = numbers.iter().find(|(_, count)| {
            before += **count;
            before > place
        });
        found.map(|(number, _)| i128::from(*number))
    };
    let upper = at(count / 2)?;
    if count % 2 == 1 {
        return Some(Exact::whole(upper));
    }
    Exact::quotient(at(count / 2 - 1)? + upper, 2)
}

fn sum(numbers: impl Iterator<Item = u64>) -> Exact {
    Exact::whole(numbers.map(i128::from).sum())
}
