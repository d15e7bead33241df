//! A restricted chain cannot be told by time from one that does not exist.
//!
//! Calls alternate, and Welch's t between the two groups must stay below 4.5: the test of the method called dudect (Reparaz,
//! Balasch, Verbauwhede 2017). A machine that is busy makes the times longer in both groups alike.

use std::{sync::Arc, time::Instant};

use mediation_proto::mediation::{
    desk::v1::{PetitionRecordRequest, petition_desk_client::PetitionDeskClient},
    ledger::v1::{GetChainRequest, chain_service_client::ChainServiceClient},
};
use tonic::{Code, transport::Channel};

use crate::served::{Served, accusation, chain_id, reading};

/// Calls that are under way at once, on as many connections as there are [`CONNECTIONS`].
const LANES: usize = 64;
const CONNECTIONS: usize = 8;

/// Calls of each lane: 100 032 in all at full scale (`just timing`), else 10 048.
fn calls() -> usize {
    if std::env::var("MEDIATION_TEST_SCALE").is_ok_and(|scale| scale == "full") { 1_563 } else { 157 }
}

/// Acts of the restricted chain.
const ACTS: usize = 12;

/// Bound of |t|.
const T_MAX: f64 = 4.5;

/// Mean and variance as they come in (Welford).
#[derive(Debug, Default, Clone, Copy)]
struct Moments {
    count: f64,
    mean: f64,
    squares: f64,
}

impl Moments {
    fn add(&mut self, value: f64) {
        self.count += 1.0;
        let distance = value - self.mean;
        self.mean += distance / self.count;
        self.squares += distance * (value - self.mean);
    }

    fn of(values: &[f64]) -> Self {
        let mut moments = Self::default();
        values.iter().for_each(|value| moments.add(*value));
        moments
    }

    /// Variance of the mean.
    fn of_mean(&self) -> f64 {
        self.squares / (self.count - 1.0) / self.count
    }
}

/// Welch's t.
fn t(one: &[f64], other: &[f64]) -> f64 {
    let (one, other) = (Moments::of(one), Moments::of(other));
    (one.mean - other.mean) / (one.of_mean() + other.of_mean()).sqrt()
}

/// Asks for the two chains in turn; the microseconds that each answer took, by chain.
async fn ask(mut service: ChainServiceClient<Channel>, chains: [Arc<str>; 2], lane: usize) -> [Vec<f64>; 2] {
    let mut took = [Vec::new(), Vec::new()];
    for call in 0..calls() {
        let which = (lane + call) % 2;
        let wanted = GetChainRequest {
            chain_id: Some(chains[which].to_string()),
            reading: Some(reading("CT-FL")),
            ..GetChainRequest::default()
        };
        let asked = Instant::now();
        let refused = service.get_chain(wanted).await.unwrap_err();
        took[which].push(asked.elapsed().as_secs_f64() * 1e6);
        assert_eq!(refused.code(), Code::NotFound);
    }
    took
}

#[test]
fn two_groups_that_differ_are_told_apart_and_two_that_do_not_are_not() {
    let even: Vec<f64> = (0..1_000).map(|at| f64::from(at % 10)).collect();
    let later: Vec<f64> = even.iter().map(|value| value + 1.0).collect();
    assert!(t(&even, &even).abs() < 1e-9);
    assert!(t(&later, &even) > T_MAX && t(&even, &later) < -T_MAX);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restricted_chain_takes_the_time_of_one_that_does_not_exist() {
    let served = Served::new();
    let chains: [Arc<str>; 2] = [chain_id().into(), chain_id().into()];
    let mut desk = PetitionDeskClient::new(served.connection(Some("XF-FL")).await.channel);
    for _ in 0..ACTS {
        let accusation = accusation(&chains[0]);
        desk.record(PetitionRecordRequest::try_from(accusation).unwrap()).await.unwrap();
    }
    let mut connections = Vec::new();
    for _ in 0..CONNECTIONS {
        connections.push(ChainServiceClient::new(served.connection(Some("CT-FL")).await.channel));
    }
    let lanes: Vec<_> = (0..LANES)
        .map(|lane| tokio::spawn(ask(connections[lane / 2 % CONNECTIONS].clone(), chains.clone(), lane)))
        .collect();
    let mut took = [Vec::new(), Vec::new()];
    for lane in lanes {
        let [restricted, absent] = lane.await.unwrap();
        took[0].extend(restricted);
        took[1].extend(absent);
    }
    let [restricted, absent] = &took;
    let t = t(restricted, absent);
    let means = [restricted, absent].map(|group| Moments::of(group).mean);
    println!("{} calls, t = {t:.3}, means {means:.1?} µs", restricted.len() + absent.len());
    assert_eq!(restricted.len() + absent.len(), LANES * calls());
    assert!(t.abs() < T_MAX, "t = {t:.3}, means {means:.1?} µs");
}
