//! What was measured, round by round, and as it is printed.

use serde_json::{Value, json};

use super::load::{Figures, median};
use crate::output;

/// One thing that was measured, in rounds; of each round also what stands beside it, measured right after it.
#[derive(Debug, Clone)]
pub(super) struct Point {
    /// Workload, as it is named on the command line.
    pub(super) workload: String,
    /// What of it: writers, streams.
    pub(super) setting: String,
    /// What is counted.
    pub(super) unit: &'static str,
    pub(super) rounds: Vec<Round>,
}

/// A round.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Round {
    /// The ledger.
    pub(super) ledger: Option<Figures>,
    /// The bare server.
    pub(super) echo: Option<Figures>,
    /// Bare writes with their syncs; of groups of half as many acts as there are callers.
    pub(super) sync: Option<Figures>,
    /// Bare signatures that are made or checked, on one core.
    pub(super) crypto: Option<Figures>,
}

/// One side of a round: the ledger, or what stands beside it.
type Side = fn(&Round) -> Option<Figures>;

impl Point {
    fn medians(&self, of: Side) -> Option<Figures> {
        Figures::medians(&self.rounds.iter().filter_map(of).collect::<Vec<_>>())
    }

    /// Median over the rounds of the ledger's rate, divided by that of the bare server or of bare signatures in the same round.
    fn rate_ratio(&self, of: Side) -> Option<f64> {
        let ratios = self.rounds.iter().filter_map(|round| Some(round.ledger?.per_second / of(round)?.per_second));
        median(ratios.collect())
    }

    /// Median over the rounds of the ledger's median answer, divided by that of the bare server and a bare sync together.
    fn latency_ratio(&self) -> Option<f64> {
        let ratios = self
            .rounds
            .iter()
            .filter_map(|round| Some(round.ledger?.p50_us / (round.echo?.p50_us + round.sync?.p50_us)));
        median(ratios.collect())
    }

    /// As JSON: medians, ratios, and every round.
    pub(super) fn json(&self) -> Value {
        let rounds = self.rounds.iter().map(
            |round| json!({"ledger": round.ledger, "echo": round.echo, "sync": round.sync, "crypto": round.crypto}),
        );
        json!({
            "workload": self.workload, "setting": self.setting, "unit": self.unit,
            "ledger": self.medians(|round| round.ledger),
            "echo": self.medians(|round| round.echo),
            "sync": self.medians(|round| round.sync),
            "crypto": self.medians(|round| round.crypto),
            "rate_to_echo": self.rate_ratio(|round| round.echo),
            "rate_to_crypto": self.rate_ratio(|round| round.crypto),
            "p50_to_echo_and_sync": self.latency_ratio(),
            "rounds": rounds.collect::<Vec<_>>(),
        })
    }

    /// Rows of the table: the ledger, and what stands beside it.
    fn rows(&self) -> Vec<Vec<String>> {
        let ratio = |ratio: Option<f64>| ratio.map_or_else(String::new, |ratio| format!("{ratio:.2}"));
        let of_rate = |of: Side| ratio(self.rate_ratio(of));
        let sides: [(&str, Side, String, String); 4] = [
            ("账本 ledger", |round| round.ledger, String::new(), String::new()),
            ("裸传输 echo", |round| round.echo, of_rate(|round| round.echo), String::new()),
            ("裸落盘 sync", |round| round.sync, String::new(), ratio(self.latency_ratio())),
            ("裸签名 crypto", |round| round.crypto, of_rate(|round| round.crypto), String::new()),
        ];
        let rows = sides.into_iter().filter_map(|(side, of, rate, latency)| {
            let figures = self.medians(of)?;
            Some(vec![
                format!("{} {}", self.workload, self.setting).trim_end().to_owned(),
                side.to_owned(),
                format!("{:.0} {}/s", figures.per_second, self.unit),
                ms(figures.p50_us),
                ms(figures.p99_us),
                ms(figures.p999_us),
                ms(figures.max_us),
                rate,
                latency,
            ])
        });
        rows.collect()
    }
}

fn ms(us: f64) -> String {
    format!("{:.3}", us / 1_000.0)
}

/// The table of all points.
pub(super) fn table(points: &[Point]) -> Vec<String> {
    let head =
        ["负载 workload", "对象 side", "速率 rate", "p50 ms", "p99 ms", "p99.9 ms", "max ms", "率比 rate", "时比 p50"];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    rows.extend(points.iter().flat_map(Point::rows));
    output::to_the_right(&mut rows, &[2, 3, 4, 5, 6, 7, 8]);
    output::table(&rows)
}

#[cfg(test)]
#[expect(clippy::indexing_slicing, reason = "a place that is not there fails the test")]
mod tests {
    use super::*;

    fn figures(per_second: f64, p50_us: f64) -> Option<Figures> {
        Some(Figures { per_second, p50_us, p99_us: p50_us, p999_us: p50_us, max_us: p50_us })
    }

    #[test]
    fn ratios_are_those_of_the_same_round() {
        let round = |ledger, echo, sync| Round { ledger, echo, sync, crypto: None };
        let rounds = vec![
            round(figures(10.0, 300.0), figures(20.0, 100.0), figures(1.0, 50.0)),
            round(figures(4.0, 900.0), figures(5.0, 200.0), figures(1.0, 100.0)),
            round(figures(9.0, 400.0), figures(10.0, 100.0), figures(1.0, 100.0)),
        ];
        let point = Point { workload: "append".to_owned(), setting: "32".to_owned(), unit: "acts", rounds };
        let told = point.json();
        assert_eq!(told["rate_to_echo"], 0.8, "the median of 0.5, 0.8 and 0.9");
        assert_eq!(told["p50_to_echo_and_sync"], 2.0, "the median of 2, 3 and 2");
        assert_eq!(told["rate_to_crypto"], Value::Null);
        assert_eq!(table(&[point]).len(), 4);
    }
}
