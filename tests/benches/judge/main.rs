//! How fast the judge is on one core: decoded acts in, judgements out.
//!
//! - `city/acts` and `city/chains`: the year of a city, a hundredth of it, in acts and in chains per second.
//! - `city/cold`: the same in acts per second, when none of them has been touched lately: what memory costs on top.
//! - `cases/acts`: the eight cases of the repository.
//! - `long/10000` and `long/20000`: one chain of so many acts. Twice the acts may take hardly more than twice the time.
//!
//! Before anything is timed, the memory that judging takes is compared for some chains and for ten times as many.

use std::{
    hint::black_box,
    time::{Duration, Instant},
};

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use mediation_domain::{
    calendar::Day,
    directory::Directory,
    history::Recorded,
    judge::{Judgement, Moment, judge},
    rules::RuleSet,
};

mod memory;
mod mix;

fn memory(_: &mut Criterion) {
    memory::assert_bounded();
}

fn city(criterion: &mut Criterion) {
    let city = mix::city(1, 10);
    let judge = Bench::new(city.directory().clone());
    let chains = mix::year(&city, 100);
    let mut group = criterion.benchmark_group("city");
    for (name, elements) in [("acts", acts(&chains)), ("chains", chains.len() as u64)] {
        group.throughput(Throughput::Elements(elements));
        group.bench_function(name, |bencher| {
            bencher.iter_custom(|rounds| (0..rounds).map(|_| judge.just_read(&chains)).sum());
        });
    }
    group.throughput(Throughput::Elements(acts(&chains)));
    group.bench_function("cold", |bencher| bencher.iter(|| judge.all(&chains)));
}

fn cases(criterion: &mut Criterion) {
    let judge = Bench::new(mix::directory());
    let chains = mix::cases();
    let mut group = criterion.benchmark_group("cases");
    group.throughput(Throughput::Elements(acts(&chains)));
    group.bench_function("acts", |bencher| bencher.iter(|| judge.all(&chains)));
}

fn long(criterion: &mut Criterion) {
    let city = mix::city(1, 30);
    let judge = Bench::new(city.directory().clone());
    let mut group = criterion.benchmark_group("long");
    group.sample_size(10);
    for length in [10_000, 20_000] {
        let chain = mix::long(&city, length);
        group.throughput(Throughput::Elements(length as u64));
        group.bench_with_input(BenchmarkId::from_parameter(length), &chain, |bencher, chain| {
            bencher.iter(|| judge.one(chain));
        });
    }
}

/// What every judgement of a city shares.
#[derive(Debug)]
struct Bench {
    directory: Directory,
    rules: &'static RuleSet,
    moment: Moment,
}

impl Bench {
    fn new(directory: Directory) -> Self {
        let Some(rules) = RuleSet::named("cn-2024-fixture") else { panic!("the rule set of the cases is not there") };
        let Some(day) = Day::parse("2025-06-30") else { panic!("the day of judging is no day") };
        Self { directory, rules, moment: Moment::end_of(day) }
    }

    fn one(&self, history: &[Recorded]) -> Judgement {
        judge(history, &self.directory, self.rules, self.moment)
    }

    /// Judges chains one after the other and says how long that took. They are copied a few at a time just before, which
    /// does not count, so that they are where a reader has them who has just decoded them: in the cache.
    fn just_read(&self, chains: &[Vec<Recorded>]) -> Duration {
        let mut judging = Duration::ZERO;
        for few in chains.chunks(CHAINS_READ) {
            let read = few.to_vec();
            let begun = Instant::now();
            black_box(self.all(&read));
            judging += begun.elapsed();
        }
        judging
    }

    /// Judges chains one after the other and counts their findings.
    fn all(&self, chains: &[Vec<Recorded>]) -> usize {
        chains.iter().map(|history| self.one(history).findings.len()).sum()
    }
}

fn acts(chains: &[Vec<Recorded>]) -> u64 {
    chains.iter().map(|chain| chain.len() as u64).sum()
}

/// Chains that are copied at a time: some hundred acts, which is less than a core's own cache holds.
const CHAINS_READ: usize = 32;

criterion_group!(benches, memory, city, cases, long);
criterion_main!(benches);
