//! What a thousand subscribers cost those who record, and what becomes of those who stop reading.
//!
//! Seven pairs of runs, with the subscribers and without them in turn, against one process with durable writes and TLS. Four clients
//! record at their own pace on a thousand chains; every chain is watched once. A tenth of the subscribers watches the busiest chains
//! and stops reading after the first entry, until the run is over. The bench prints the 99th percentile of the answers to those who
//! record in both runs, its ratio, and the median of the ratios. At the end of each run every subscriber reads on to the last act: each
//! must have had every revision of its chain once and in order.
//!
//! `just subscribers`; without `--bench` one short pair of few subscribers, to see that it runs.

#![expect(
    clippy::print_stdout,
    clippy::indexing_slicing,
    reason = "a bench prints what it measured, and stops where nothing is"
)]

use std::{
    collections::BTreeMap,
    io::{Read as _, Write as _},
    path::Path,
    process::Child,
    sync::Arc,
    time::{Duration, Instant},
};

use mediation_client::{Client, Connection};
use mediation_proto::{
    ActRequest,
    mediation::{
        ledger::v1::{WatchChainRequest, chain_service_client::ChainServiceClient},
        types::v1::AgencyKind,
    },
};
use serde_json::json;
use tokio::{
    sync::{Barrier, watch},
    task::JoinSet,
    time::MissedTickBehavior,
};

use crate::{
    paired::{block_on, elsewhere, ended, median, p99},
    served::{Served, chain_id, event_id, reading, request},
};

#[expect(dead_code, reason = "the tests use all of it, the bench what it needs to serve a ledger")]
#[expect(clippy::unwrap_used, reason = "as in the tests: what fails stops the bench")]
#[path = "../../tests/all/served.rs"]
mod served;

#[path = "../paired/runs.rs"]
mod paired;

/// The agency that records and whose systems watch.
const AGENCY: &str = "ZC-ZS";

/// Clients that record, each this often.
const WRITERS: usize = 4;
const EVERY: Duration = Duration::from_millis(20);

/// Streams on one connection.
const STREAMS: usize = 50;

/// Of ten subscribers one stops.
const STOPPED_OF: usize = 10;

/// Chains on which half of all acts are recorded, and which those watch who stop: their streams fill.
const BUSY: usize = 4;

const PAIRS: usize = 7;

/// What the process of the subscribers is called with, before directory and address of the ledger.
const SUBSCRIBE: &str = "--subscribe";

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    if let [_, subscribe, directory, address] = &arguments[..]
        && subscribe == SUBSCRIBE
    {
        return block_on(subscribed(Path::new(directory), address));
    }
    let is_timed = arguments.iter().any(|argument| argument == "--bench");
    let (pairs, subscribers, length) =
        if is_timed { (PAIRS, 1_000, Duration::from_secs(8)) } else { (1, 40, Duration::from_secs(1)) };
    block_on(compare(pairs, subscribers, length));
}

async fn compare(pairs: usize, subscribers: usize, length: Duration) {
    let served = Served::new();
    measured(&served, subscribers, length / 2, true).await;
    let mut ratios = Vec::new();
    println!("{subscribers} subscribers, {} of them stopped", subscribers / STOPPED_OF);
    println!("pair  alone p99 ms  with subscribers p99 ms  ratio  acts  entries received, each once and in order");
    for pair in 0..pairs {
        // Every other pair begins with the subscribers.
        let first = measured(&served, subscribers, length, pair % 2 == 1).await;
        let second = measured(&served, subscribers, length, pair % 2 == 0).await;
        let (alone, beside) = if pair % 2 == 1 { (second, first) } else { (first, second) };
        let (p99_alone, p99_beside) = (p99(&alone.answers), p99(&beside.answers));
        let ratio = p99_beside / p99_alone;
        let acts = alone.answers.len() + beside.answers.len();
        println!("{pair:>4}  {p99_alone:>12.2}  {p99_beside:>23.2}  {ratio:>5.2}  {acts:>4}  {}", beside.received);
        ratios.push(ratio);
    }
    println!("median of {pairs} ratios: {:.2}", median(ratios));
}

/// Milliseconds that the answers took, and entries that the subscribers have received.
#[derive(Debug, Default)]
struct Measured {
    answers: Vec<f64>,
    received: u64,
}

async fn measured(served: &Served, subscribers: usize, length: Duration, with_subscribers: bool) -> Measured {
    let client = served.client(AGENCY, AgencyKind::GovernanceCenter).await;
    let chains: Vec<String> = (0..subscribers).map(|_| chain_id()).collect();
    open(&client, &chains).await;
    let subscribed = with_subscribers.then(|| subscribe(served, &chains));
    let mut writers = JoinSet::new();
    for writer in 0..WRITERS {
        let client = served.client(AGENCY, AgencyKind::GovernanceCenter).await;
        let own = chains.iter().skip(writer).step_by(WRITERS).cloned().collect();
        writers.spawn(record(client, own, length));
    }
    let (answers, last): (Vec<Vec<f64>>, Vec<BTreeMap<String, u64>>) = writers.join_all().await.into_iter().unzip();
    let last: BTreeMap<String, u64> = last.into_iter().flatten().collect();
    let last_words: String = last.iter().map(|(chain, revision)| format!("{chain} {revision}\n")).collect();
    let received = subscribed.map(|subscribed| {
        let said = ended(subscribed, &last_words);
        said.trim().parse().unwrap_or_else(|_| panic!("the subscribers said {said:?}"))
    });
    Measured { answers: answers.concat(), received: received.unwrap_or_default() }
}

/// Registers a dispute on each chain.
async fn open(client: &Client, chains: &[String]) {
    for some in chains.chunks(32) {
        let mut recorded = JoinSet::new();
        for chain in some {
            let (client, act) = (client.clone(), registered(chain));
            recorded.spawn(async move { client.record(act).await.map(drop).unwrap_or_else(|error| panic!("{error}")) });
        }
        recorded.join_all().await;
    }
}

/// Records on its chains at its pace, every other act on its busiest; what the answers took, and the last revision of each chain.
async fn record(client: Client, chains: Vec<String>, length: Duration) -> (Vec<f64>, BTreeMap<String, u64>) {
    let (began, mut answers) = (Instant::now(), Vec::new());
    let mut last: BTreeMap<String, u64> = chains.iter().map(|chain| (chain.clone(), 0)).collect();
    let mut tick = tokio::time::interval(EVERY);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut turn = 0;
    while began.elapsed() < length {
        tick.tick().await;
        turn += 1;
        let chain = if turn % 2 == 0 { &chains[0] } else { &chains[turn % chains.len()] };
        let visited = json!({"satisfaction": "SATISFIED", "relapse_signs": false});
        let act = request(chain, &event_id(), "FollowUpVisited", &format!("{AGENCY}/REG-1"), "REG", visited);
        let asked = Instant::now();
        let (receipt, _) = client.record(act).await.unwrap_or_else(|error| panic!("{error}"));
        answers.push(asked.elapsed().as_secs_f64() * 1e3);
        last.insert(chain.clone(), receipt.revision);
    }
    (answers, last)
}

fn registered(chain: &str) -> ActRequest {
    let data = json!({"channel": "WALK_IN", "division": "360203", "dispute_type": "LEASE", "emergency": false,
        "summary": "拖欠租金。",
        "parties": [{"subject": "psn_1", "side": "APPLICANT", "capacity": "NATURAL_PERSON", "minor": false}]});
    request(chain, &event_id(), "DisputeRegistered", &format!("{AGENCY}/REG-1"), "REG", data)
}

/// Starts the subscribers; returns when each has received the first entry of its chain.
fn subscribe(served: &Served, chains: &[String]) -> Child {
    let mut subscribers = elsewhere(SUBSCRIBE, served);
    let told = subscribers.stdin.as_mut().map(|input| writeln!(input, "{}", chains.join(" ")));
    let ready = subscribers.stdout.as_mut().map(|output| output.read_exact(&mut [0; "ready\n".len()]));
    if !matches!((told, &ready), (Some(Ok(())), Some(Ok(())))) {
        panic!("the subscribers do not come: {ready:?}");
    }
    subscribers
}

/// The process of the subscribers. It reads the chains from its first line; from the rest, once they are to read to their end, the last
/// revision of each.
async fn subscribed(directory: &Path, address: &str) {
    let mut served = Served::at(directory);
    address.clone_into(&mut served.address);
    let mut chains = String::new();
    std::io::stdin().read_line(&mut chains).map(drop).unwrap_or_else(|error| panic!("{error}"));
    let chains: Vec<&str> = chains.split_whitespace().collect();
    let (ready, (end, ending)) = (Arc::new(Barrier::new(chains.len() + 1)), watch::channel(None));
    let mut subscribers = JoinSet::new();
    let stopped = chains.len() / STOPPED_OF;
    let mut connection = served.connection(Some(AGENCY)).await;
    for (at, own) in chains.iter().enumerate() {
        let stops = at >= chains.len() - stopped;
        // Who stops reading fills the window of his connection, too: that is his own affair.
        if at % STREAMS == 0 || at == chains.len() - stopped {
            connection = served.connection(Some(AGENCY)).await;
        }
        let chain = if stops { chains[at % BUSY] } else { own };
        subscribers.spawn(follow(connection.clone(), chain.to_owned(), stops, (Arc::clone(&ready), ending.clone())));
    }
    ready.wait().await;
    println!("ready");
    let mut last = String::new();
    let read = tokio::task::spawn_blocking(move || std::io::stdin().read_to_string(&mut last).map(|_| last));
    let last = read.await.map_err(std::io::Error::other).flatten().unwrap_or_else(|error| panic!("{error}"));
    let rows = last.lines().filter_map(|row| row.split_once(' '));
    let rows = rows.filter_map(|(chain, revision)| Some((chain.to_owned(), revision.parse().ok()?)));
    end.send_replace(Some(Arc::new(rows.collect())));
    println!("{}", subscribers.join_all().await.iter().sum::<u64>());
}

/// The last revision of each chain, once the run is over.
type Last = Option<Arc<BTreeMap<String, u64>>>;

/// One subscriber: how many entries he has received, each once and in order, to the last.
async fn follow(
    connection: Connection,
    chain: String,
    stops: bool,
    (ready, mut ending): (Arc<Barrier>, watch::Receiver<Last>),
) -> u64 {
    let wanted = WatchChainRequest { chain_id: Some(chain.clone()), from_revision: 0, reading: Some(reading(AGENCY)) };
    let mut service = ChainServiceClient::new(connection.channel);
    let mut entries = service.watch_chain(wanted).await.unwrap_or_else(|status| panic!("{status}")).into_inner();
    let (mut next, mut last) = (0, None);
    while last.is_none_or(|last| next <= last) {
        let entry = tokio::select! {
            entry = entries.message() => entry.unwrap_or_else(|status| panic!("{status}")),
            ended = ending.wait_for(Option::is_some), if last.is_none() => {
                last = ended.ok().and_then(|last| last.as_ref()?.get(&chain).copied());
                assert!(last.is_some(), "nobody says where `{chain}` ends");
                continue;
            }
        };
        let receipt = entry.and_then(|entry| entry.receipt).unwrap_or_else(|| panic!("the stream of `{chain}` ended"));
        assert_eq!(receipt.revision, next, "`{chain}` has a gap or a double");
        next += 1;
        if next == 1 {
            ready.wait().await;
            if stops {
                ending.wait_for(Option::is_some).await.map(drop).unwrap_or_else(|error| panic!("{error}"));
            }
        }
    }
    next
}
