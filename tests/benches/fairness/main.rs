//! What an agency that floods the ledger at ten times its quota costs the others.
//!
//! Seven pairs of runs, with the flood and without it in turn, against one process with durable writes and TLS. In each run agencies
//! record and read at their own pace, and the bench prints the 99th percentile of their answers in both runs, its ratio, and the
//! median of the ratios. What the flood is told counts as well: everything beyond the quota is refused.
//!
//! `just fairness`; without `--bench` one short pair, to see that it runs.

#![expect(
    clippy::print_stdout,
    clippy::indexing_slicing,
    reason = "a bench prints what it measured, and stops where nothing is"
)]

use std::{
    io::Read as _,
    path::Path,
    process::Child,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use mediation_client::Client;
use mediation_proto::mediation::{
    desk::v1::{PetitionRecordRequest, petition_desk_client::PetitionDeskClient},
    types::v1::AgencyKind,
};
use tokio::{task::JoinSet, time::MissedTickBehavior};
use tonic::{Code, transport::Channel};

use crate::{
    paired::{block_on, elsewhere, ended, median, p99},
    served::{Served, chain_id, event_id, registration, request},
};

#[expect(dead_code, reason = "the tests use all of it, the bench what it needs to serve a ledger")]
#[expect(clippy::unwrap_used, reason = "as in the tests: what fails stops the bench")]
#[path = "../../tests/all/served.rs"]
mod served;

#[path = "../paired/runs.rs"]
mod paired;

/// Requests a second that an agency may send, and at once.
const QUOTA: u32 = 100;

/// Times the quota that the flood sends.
const EXCESS: u32 = 10;

/// The agency that floods.
const FLOODING: &str = "XF-FL";

/// The others: each a client on a connection of its own, which records or reads this often.
const OTHERS: [(&str, AgencyKind); 4] = [
    ("XF-CJ", AgencyKind::Petition),
    ("ZC-ZS", AgencyKind::GovernanceCenter),
    ("ZC-FL", AgencyKind::GovernanceCenter),
    ("ZC-LP", AgencyKind::GovernanceCenter),
];
const OTHERS_EVERY: Duration = Duration::from_millis(20);

const PAIRS: usize = 7;

/// What the process that floods is called with, before directory and address of the ledger.
const FLOOD: &str = "--flood";

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    if let [_, flood, directory, address] = &arguments[..]
        && flood == FLOOD
    {
        return block_on(flooded(Path::new(directory), address));
    }
    let is_timed = std::env::args().any(|argument| argument == "--bench");
    let (pairs, run) = if is_timed { (PAIRS, Duration::from_secs(8)) } else { (1, Duration::from_secs(1)) };
    block_on(compare(pairs, run));
}

async fn compare(pairs: usize, length: Duration) {
    let served = narrow();
    measured(&served, length / 2, true).await;
    let mut ratios = Vec::new();
    println!("pair  alone p99 ms  beside the flood p99 ms  ratio  answers  flood sent  let through  refused");
    for pair in 0..pairs {
        // Every other pair begins with the flood.
        let first = measured(&served, length, pair % 2 == 1).await;
        let second = measured(&served, length, pair % 2 == 0).await;
        let (alone, beside) = if pair % 2 == 1 { (second, first) } else { (first, second) };
        let (p99_alone, p99_beside) = (p99(&alone.answers), p99(&beside.answers));
        let ratio = p99_beside / p99_alone;
        println!(
            "{pair:>4}  {:>12.2}  {:>23.2}  {ratio:>5.2}  {:>7}  {:>10}  {:>11}  {:>7}",
            p99_alone,
            p99_beside,
            alone.answers.len() + beside.answers.len(),
            beside.let_through + beside.refused,
            beside.let_through,
            beside.refused,
        );
        assert!(beside.refused > 0, "the flood was not refused");
        ratios.push(ratio);
    }
    println!("median of {pairs} ratios: {:.2}", median(ratios));
}

/// A ledger with a small quota.
fn narrow() -> Served {
    let mut served = Served::new();
    served.stop();
    let file = served.path().join("mediation.toml");
    let narrow = std::fs::read_to_string(&file).map(|configuration| {
        configuration
            .replace("requests_per_second = 4000", &format!("requests_per_second = {QUOTA}"))
            .replace("burst = 8000", &format!("burst = {QUOTA}"))
    });
    narrow.and_then(|narrow| std::fs::write(&file, narrow)).unwrap_or_else(|error| panic!("{error}"));
    served.start();
    served
}

/// Milliseconds that the answers to the others took, and what the flood was told.
#[derive(Debug, Default)]
struct Measured {
    answers: Vec<f64>,
    let_through: u64,
    refused: u64,
}

async fn measured(served: &Served, length: Duration, with_flood: bool) -> Measured {
    let flood = with_flood.then(|| elsewhere(FLOOD, served));
    let mut others = JoinSet::new();
    for (agency, kind) in OTHERS {
        others.spawn(other(served.client(agency, kind).await, agency, length));
    }
    let answers = others.join_all().await.concat();
    let [let_through, refused] = flood.map(told).unwrap_or_default();
    Measured { answers, let_through, refused }
}

/// Ends the flood, and says how many requests were let through and refused.
fn told(flood: Child) -> [u64; 2] {
    let text = ended(flood, "");
    let mut numbers = text.split_whitespace().filter_map(|number| number.parse().ok());
    [(); 2].map(|()| numbers.next().unwrap_or_else(|| panic!("the flood said {text:?}")))
}

/// The process that floods, until nobody holds its input any more.
async fn flooded(directory: &Path, address: &str) {
    let mut served = Served::at(directory);
    address.clone_into(&mut served.address);
    let (stop, counts) = (Arc::new(AtomicBool::new(false)), Arc::new([AtomicU64::new(0), AtomicU64::new(0)]));
    let desk = PetitionDeskClient::new(served.connection(Some(FLOODING)).await.channel);
    let flood = tokio::spawn(flooding(desk, Arc::clone(&stop), Arc::clone(&counts)));
    let ended = tokio::task::spawn_blocking(|| std::io::stdin().read_to_end(&mut Vec::new()));
    ended.await.map(drop).unwrap_or_else(|error| panic!("{error}"));
    stop.store(true, Ordering::Relaxed);
    flood.await.unwrap_or_else(|error| panic!("{error}"));
    println!("{} {}", counts[0].load(Ordering::Relaxed), counts[1].load(Ordering::Relaxed));
}

/// An agency that keeps to its quota: records on a chain of its own, then reads it, in turn.
async fn other(client: Client, agency: &str, length: Duration) -> Vec<f64> {
    let (began, mut answers) = (Instant::now(), Vec::new());
    let mut tick = tokio::time::interval(OTHERS_EVERY);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut chain = chain_id();
    while began.elapsed() < length {
        for reads in [false, true] {
            tick.tick().await;
            let asked = Instant::now();
            if reads {
                client.chain(&chain, None).await.map(drop).unwrap_or_else(|error| panic!("{error}"));
            } else {
                chain = chain_id();
                let act = registered(&chain, agency);
                client.record(act).await.map(drop).unwrap_or_else(|error| panic!("{error}"));
            }
            answers.push(asked.elapsed().as_secs_f64() * 1e3);
        }
    }
    answers
}

fn registered(chain: &str, agency: &str) -> mediation_proto::ActRequest {
    let data = serde_json::json!({"channel": "WALK_IN", "division": "360203", "dispute_type": "LEASE", "emergency": false,
        "summary": "拖欠租金。",
        "parties": [{"subject": "psn_1", "side": "APPLICANT", "capacity": "NATURAL_PERSON", "minor": false}]});
    request(chain, &event_id(), "DisputeRegistered", &format!("{agency}/REG-1"), "REG", data)
}

/// Sends ten times the quota until told to stop, whatever it is answered.
async fn flooding(desk: PetitionDeskClient<Channel>, stop: Arc<AtomicBool>, counts: Arc<[AtomicU64; 2]>) {
    let mut tick = tokio::time::interval(Duration::from_secs(1) / (QUOTA * EXCESS));
    tick.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let mut sent = JoinSet::new();
    while !stop.load(Ordering::Relaxed) {
        tick.tick().await;
        let (mut desk, counts) = (desk.clone(), Arc::clone(&counts));
        sent.spawn(async move {
            let act = PetitionRecordRequest::try_from(registration(&chain_id(), &event_id(), "排水渠堵塞"));
            let told = match act {
                Ok(act) => desk.record(act).await.map_err(|status| status.code()),
                Err(error) => panic!("{error:?}"),
            };
            match told {
                Ok(_) => counts[0].fetch_add(1, Ordering::Relaxed),
                Err(Code::ResourceExhausted) => counts[1].fetch_add(1, Ordering::Relaxed),
                Err(code) => panic!("the flood was told {code:?}"),
            };
        });
        while sent.try_join_next().is_some() {}
    }
    sent.join_all().await;
}
