//! Load in a closed loop: so many at once, each asking again as soon as it is answered; and what it was given.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use hdrhistogram::Histogram;
use serde::Serialize;
use tokio::task::JoinSet;

/// Longest answer that is told apart, in nanoseconds: a minute.
const ANSWER_NS_MAX: u64 = 60_000_000_000;

/// Significant digits of a latency.
const DIGITS: u8 = 3;

/// Something that is done again and again.
pub(super) trait Operation: Send + 'static {
    /// Does it once more.
    fn once(&mut self) -> impl Future<Output = Result<Done>> + Send;
}

/// Something that was done.
#[derive(Debug, Clone, Copy)]
pub(super) struct Done {
    /// When it was asked for.
    pub(super) since: Instant,
    /// Acts, proofs or readings that it was.
    pub(super) units: u64,
}

/// What a load was given.
#[derive(Debug, Clone)]
pub(super) struct Taken {
    latencies: Histogram<u64>,
    units: u64,
    elapsed: Duration,
}

impl Taken {
    /// Nothing yet.
    pub(super) fn new() -> Result<Self> {
        let latencies = Histogram::new_with_bounds(1, ANSWER_NS_MAX, DIGITS).context("no such histogram")?;
        Ok(Self { latencies, units: 0, elapsed: Duration::ZERO })
    }

    /// One more answer.
    pub(super) fn take(&mut self, latency: Duration, units: u64) {
        self.latencies.saturating_record(u64::try_from(latency.as_nanos()).unwrap_or(u64::MAX));
        self.units += units;
    }

    /// It took so long altogether.
    pub(super) fn lasted(&mut self, elapsed: Duration) {
        self.elapsed = elapsed;
    }

    fn add(&mut self, other: &Self) -> Result<()> {
        self.latencies.add(&other.latencies).context("two histograms do not fit together")?;
        self.units += other.units;
        Ok(())
    }

    /// In figures.
    pub(super) fn figures(&self) -> Figures {
        let us = |quantile| ns_to_us(self.latencies.value_at_quantile(quantile));
        Figures {
            per_second: float(self.units) / self.elapsed.as_secs_f64().max(f64::EPSILON),
            p50_us: us(0.5),
            p99_us: us(0.99),
            p999_us: us(0.999),
            max_us: ns_to_us(self.latencies.max()),
        }
    }
}

/// What a load was given, in figures: units in a second, and latencies in microseconds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(super) struct Figures {
    pub(super) per_second: f64,
    pub(super) p50_us: f64,
    pub(super) p99_us: f64,
    pub(super) p999_us: f64,
    pub(super) max_us: f64,
}

impl Figures {
    /// Medians of several rounds, each figure by itself; none of no rounds.
    pub(super) fn medians(rounds: &[Self]) -> Option<Self> {
        let of = |figure: fn(&Self) -> f64| median(rounds.iter().map(figure).collect());
        Some(Self {
            per_second: of(|round| round.per_second)?,
            p50_us: of(|round| round.p50_us)?,
            p99_us: of(|round| round.p99_us)?,
            p999_us: of(|round| round.p999_us)?,
            max_us: of(|round| round.max_us)?,
        })
    }
}

/// The one in the middle, the upper one of two; none of nothing.
pub(super) fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied()
}

/// Lets each of these operations be done over and over, all at the same time, for so long; gives them back, to go on with.
pub(super) async fn closed_loop<O: Operation>(operations: Vec<O>, during: Duration) -> Result<(Vec<O>, Taken)> {
    let began = Instant::now();
    let until = began + during;
    let mut under_way = JoinSet::new();
    for mut operation in operations {
        under_way.spawn(async move {
            let mut taken = Taken::new()?;
            while Instant::now() < until {
                let done = operation.once().await?;
                taken.take(done.since.elapsed(), done.units);
            }
            anyhow::Ok((operation, taken))
        });
    }
    let (mut operations, mut all) = (Vec::new(), Taken::new()?);
    while let Some(ended) = under_way.join_next().await {
        let (operation, taken) = ended??;
        operations.push(operation);
        all.add(&taken)?;
    }
    all.lasted(began.elapsed());
    Ok((operations, all))
}

#[expect(clippy::cast_precision_loss, clippy::as_conversions, reason = "counts and times are far below 2^52")]
fn float(count: u64) -> f64 {
    count as f64
}

fn ns_to_us(nanoseconds: u64) -> f64 {
    float(nanoseconds) / 1_000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Ten;

    impl Operation for Ten {
        async fn once(&mut self) -> Result<Done> {
            let since = Instant::now();
            tokio::task::yield_now().await;
            Ok(Done { since, units: 10 })
        }
    }

    #[tokio::test]
    async fn every_unit_of_every_operation_is_counted() {
        let (operations, taken) = closed_loop(vec![Ten, Ten], Duration::from_millis(20)).await.unwrap();
        assert_eq!(operations.len(), 2);
        assert_eq!(taken.units, 10 * taken.latencies.len());
        assert!(taken.latencies.len() >= 2 && taken.elapsed >= Duration::from_millis(20));
    }

    #[test]
    fn figures_are_in_microseconds_and_seconds() {
        let mut taken = Taken::new().unwrap();
        for ms in 1..=100 {
            taken.take(Duration::from_millis(ms), 1);
        }
        taken.lasted(Duration::from_secs(2));
        let figures = taken.figures();
        assert!((figures.per_second - 50.0).abs() < 1e-9);
        for (figure, us) in [(figures.p50_us, 50_000.0), (figures.p99_us, 99_000.0), (figures.max_us, 100_000.0)] {
            assert!((figure / us - 1.0).abs() < 2e-3, "{figure} is not {us}");
        }
    }

    #[test]
    fn a_median_is_one_of_the_values() {
        assert_eq!(median(Vec::new()), None);
        assert_eq!(median(vec![3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(vec![4.0, 1.0]), Some(4.0));
    }
}
