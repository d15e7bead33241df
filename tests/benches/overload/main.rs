//! Five times as many requests as a process can answer: how many acts it still records, what it tells the others, what it needs, and
//! how long it takes to be itself again.
//!
//! The server has one processor to itself, and those who load it the other, as if they were elsewhere. First as much as it can do is
//! measured: 64 requests that are always under way. Then five times as many come each second whatever it answers, for a minute, from
//! six agencies, each with three seconds' patience. At the end somebody comes every 20 ms until he is answered as fast as before.
//!
//! `just overload`; without `--bench` a short run, to see that it runs.

#![expect(
    clippy::print_stdout,
    clippy::indexing_slicing,
    reason = "a bench prints what it measured, and stops where nothing is"
)]

use std::{
    path::Path,
    process::{Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use mediation_client::Client;
use mediation_proto::{
    ActRequest,
    mediation::{
        desk::v1::{
            GovernanceCenterRecordRequest, PetitionRecordRequest,
            governance_center_desk_client::GovernanceCenterDeskClient, petition_desk_client::PetitionDeskClient,
        },
        types::v1::AgencyKind,
    },
};
use tokio::{task::JoinSet, time::MissedTickBehavior};
use tonic::{Code, Request, Status, transport::Channel};
use tonic_types::StatusExt as _;

use crate::{
    paired::{block_on, p99},
    served::{Served, chain_id, event_id, request},
};

#[expect(dead_code, reason = "the tests use all of it, the bench what it needs to serve a ledger")]
#[expect(clippy::unwrap_used, reason = "as in the tests: what fails stops the bench")]
#[path = "../../tests/all/served.rs"]
mod served;

#[expect(dead_code, reason = "the other benches compare pairs of runs, and use all of it")]
#[path = "../paired/runs.rs"]
mod paired;

/// Times of what it can do.
const EXCESS: u32 = 5;

/// Requests under way while it is measured what it can do.
const UNDER_WAY: usize = 64;

/// Who sends.
const AGENCIES: [(&str, bool); 6] =
    [("XF-CJ", true), ("XF-FL", true), ("XF-JDZ", true), ("ZC-ZS", false), ("ZC-FL", false), ("ZC-LP", false)];

/// How long a request waits for its answer.
const PATIENCE: Duration = Duration::from_secs(3);

/// Requests that the load has open at most: a machine elsewhere has an end, too.
const OPEN_MAX: usize = 20_000;

/// How often somebody comes when the load is over.
const AFTER_EVERY: Duration = Duration::from_millis(20);

/// What the process that loads is called with, before directory and address of the ledger, requests a second and seconds.
const LOAD: &str = "--load";

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    if let [_, load, directory, address, per_second, seconds] = &arguments[..]
        && load == LOAD
    {
        let number = |text: &String| text.parse().unwrap_or_else(|_| panic!("{text} is no number"));
        return block_on(load_it(Path::new(directory), address, number(per_second), number(seconds)));
    }
    let is_timed = arguments.iter().any(|argument| argument == "--bench");
    let (alone, load) = if is_timed { (10, 60) } else { (1, 2) };
    block_on(overload(alone, load));
}

async fn overload(alone_s: u32, load_s: u32) {
    let served = Served::new();
    let server = served.process().unwrap_or_else(|| panic!("nobody serves"));
    pin(server, 0);
    // Warm, and past the first segment.
    elsewhere(&served, 0, 1.max(alone_s / 5));
    let peak = elsewhere(&served, 0, alone_s);
    let per_second = peak.recorded / u64::from(alone_s);
    println!("it can do       {per_second:>7} acts/s, 99th percentile {:.1} ms", peak.p99_ms);
    let client = served.client("ZC-ZS", AgencyKind::GovernanceCenter).await;
    let quiet = p99(&comes(&client, Instant::now() + Duration::from_secs(2)).await);
    let offered = u32::try_from(per_second).unwrap_or(u32::MAX).saturating_mul(EXCESS).max(1);
    let resident = Arc::new(Resident::default());
    let watching = tokio::spawn(Arc::clone(&resident).watch(server));
    let loaded = elsewhere(&served, offered, load_s);
    watching.abort();
    let over = Instant::now();
    let again = settled(&client, quiet).await;
    let goodput = loaded.recorded / u64::from(load_s);
    println!(
        "under {EXCESS} times     {goodput:>7} acts/s of {} sent, 99th percentile {:.1} ms",
        loaded.sent / u64::from(load_s),
        loaded.p99_ms
    );
    println!("                {:>7.2} of what it can do", ratio(goodput, per_second));
    println!(
        "the others      {} refused and told when to come again, {} refused and not told, {} out of patience",
        loaded.told, loaded.untold, loaded.late
    );
    let [first, last] = [&resident.first, &resident.last].map(|kib| kib.load(Ordering::Relaxed) / 1_024);
    println!("resident        {first} MiB in the first seconds of the load, {last} MiB in the last");
    println!(
        "afterwards      {:.2} s until a second's answers come within twice {quiet:.1} ms",
        again.duration_since(over).as_secs_f64()
    );
    assert_eq!(loaded.untold, 0, "a refusal must say when to come again");
}

#[expect(clippy::cast_precision_loss, clippy::as_conversions, reason = "two counts that are far below 2^52")]
fn ratio(part: u64, whole: u64) -> f64 {
    part as f64 / whole.max(1) as f64
}

/// Gives a process one processor, as far as there are two and somebody to do it.
fn pin(process: u32, processor: u32) {
    let pinned = Command::new("taskset")
        .args(["-a", "-c", "-p", &processor.to_string(), &process.to_string()])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    if !pinned.is_ok_and(|status| status.success()) {
        println!("process {process} is not bound to a processor of its own: the figures are not comparable");
    }
}

/// What became of the load.
#[derive(Debug, Default)]
struct Loaded {
    sent: u64,
    recorded: u64,
    told: u64,
    untold: u64,
    late: u64,
    p99_ms: f64,
}

/// Loads the ledger from another process, so many requests a second; with none, as many as are answered.
fn elsewhere(served: &Served, per_second: u32, seconds: u32) -> Loaded {
    let own = std::env::current_exe().unwrap_or_else(|error| panic!("{error}"));
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    let mut load = if processors > 1 { Command::new("taskset") } else { Command::new(&own) };
    if processors > 1 {
        load.args(["-c", "1"]).arg(own);
    }
    load.arg(LOAD).arg(served.path()).arg(&served.address);
    let output = load.args([per_second.to_string(), seconds.to_string()]).stderr(Stdio::inherit()).output();
    let output = output.unwrap_or_else(|error| panic!("{error}"));
    assert!(output.status.success(), "the load failed");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let mut numbers = said.split_whitespace().filter_map(|number| number.parse::<f64>().ok());
    let mut next = || numbers.next().unwrap_or_else(|| panic!("the load said {said:?}"));
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::as_conversions, reason = "counts")]
    let mut count = || next() as u64;
    let (sent, recorded, told, untold, late) = (count(), count(), count(), count(), count());
    Loaded { sent, recorded, told, untold, late, p99_ms: next() }
}

/// Somebody who comes now and then, until a time; what his answers took.
async fn comes(client: &Client, until: Instant) -> Vec<f64> {
    let mut answers = Vec::new();
    let mut tick = tokio::time::interval(AFTER_EVERY);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while Instant::now() < until {
        tick.tick().await;
        let asked = Instant::now();
        if client.record(registered("ZC-ZS")).await.is_ok() {
            answers.push(asked.elapsed().as_secs_f64() * 1e3);
        }
    }
    answers
}

/// When a second began in which he was answered as fast as before.
async fn settled(client: &Client, quiet: f64) -> Instant {
    loop {
        let began = Instant::now();
        let answers = comes(client, began + Duration::from_secs(1)).await;
        if answers.len() > 10 && p99(&answers) <= 2.0 * quiet {
            return began;
        }
    }
}

/// Memory of the server while it is loaded, in KiB.
#[derive(Debug, Default)]
struct Resident {
    first: AtomicU64,
    last: AtomicU64,
}

impl Resident {
    async fn watch(self: Arc<Self>, process: u32) {
        for second in 0_u64.. {
            tokio::time::sleep(Duration::from_secs(1)).await;
            let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
            let row = status.lines().find_map(|row| row.strip_prefix("VmRSS:")).unwrap_or_default();
            let kib = row.trim_end_matches("kB").trim().parse().unwrap_or_default();
            // The first seconds fill what is there to be filled.
            if second < 10 {
                self.first.fetch_max(kib, Ordering::Relaxed);
            }
            self.last.store(kib, Ordering::Relaxed);
        }
    }
}

/// One agency's desk.
#[derive(Debug, Clone)]
enum Desk {
    Petition(PetitionDeskClient<Channel>),
    Center(GovernanceCenterDeskClient<Channel>),
}

impl Desk {
    async fn record(&mut self, template: &ActRequest) -> Result<(), Status> {
        let act = ActRequest { chain_id: Some(chain_id()), event_id: Some(event_id()), ..template.clone() };
        match self {
            Self::Petition(desk) => {
                let act = PetitionRecordRequest::try_from(act).unwrap_or_else(|_| panic!("no act of this desk"));
                desk.record(patient(act)).await.map(drop)
            }
            Self::Center(desk) => {
                let act =
                    GovernanceCenterRecordRequest::try_from(act).unwrap_or_else(|_| panic!("no act of this desk"));
                desk.record(patient(act)).await.map(drop)
            }
        }
    }
}

fn patient<T>(act: T) -> Request<T> {
    let mut request = Request::new(act);
    request.set_timeout(PATIENCE);
    request
}

fn registered(agency: &str) -> ActRequest {
    let data = serde_json::json!({"channel": "WALK_IN", "division": "360203", "dispute_type": "LEASE", "emergency": false,
        "summary": "拖欠租金。",
        "parties": [{"subject": "psn_1", "side": "APPLICANT", "capacity": "NATURAL_PERSON", "minor": false}]});
    request(&chain_id(), &event_id(), "DisputeRegistered", &format!("{agency}/REG-1"), "REG", data)
}

/// The process that loads. With no number of requests a second it has some under way at all times.
async fn load_it(directory: &Path, address: &str, per_second: u32, seconds: u32) {
    let mut served = Served::at(directory);
    address.clone_into(&mut served.address);
    let mut desks = Vec::new();
    for (agency, is_bureau) in AGENCIES {
        // What is sent is made once: the load, too, has one processor only.
        let template = Arc::new(registered(agency));
        // A connection takes 256 requests at a time.
        for _connection in 0..16 {
            let channel = served.connection(Some(agency)).await.channel;
            let desk = if is_bureau {
                Desk::Petition(PetitionDeskClient::new(channel))
            } else {
                Desk::Center(GovernanceCenterDeskClient::new(channel))
            };
            desks.push((Arc::clone(&template), desk));
        }
    }
    let until = Instant::now() + Duration::from_secs(seconds.into());
    let mut asked = JoinSet::new();
    let (mut sent, mut answers) = (0_u64, Answers::default());
    let mut tick = tokio::time::interval(Duration::from_millis(1));
    tick.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let mut owed = 0;
    while Instant::now() < until {
        let room = if per_second == 0 {
            UNDER_WAY.saturating_sub(asked.len())
        } else {
            tick.tick().await;
            owed += per_second;
            let due = usize::try_from(owed / 1_000).unwrap_or(usize::MAX);
            owed %= 1_000;
            due.min(OPEN_MAX.saturating_sub(asked.len()))
        };
        for _request in 0..room {
            let at = usize::try_from(sent).unwrap_or_default() % desks.len();
            let (template, mut desk) = desks[at].clone();
            sent += 1;
            asked.spawn(async move {
                let began = Instant::now();
                let answer = tokio::time::timeout(PATIENCE, desk.record(&template)).await;
                (answer, began.elapsed())
            });
        }
        if per_second == 0
            && let Some(answer) = asked.join_next().await
        {
            answers.take(answer.unwrap_or_else(|error| panic!("{error}")));
        }
        while let Some(answer) = asked.try_join_next() {
            answers.take(answer.unwrap_or_else(|error| panic!("{error}")));
        }
    }
    for answer in asked.join_all().await {
        answers.take(answer);
    }
    let Answers { took, told, untold, late } = answers;
    println!("{sent} {} {told} {untold} {late} {}", took.len(), p99(&took));
}

/// What the requests were answered.
#[derive(Debug, Default)]
struct Answers {
    took: Vec<f64>,
    told: u64,
    untold: u64,
    late: u64,
}

impl Answers {
    fn take(&mut self, (answer, took): (Result<Result<(), Status>, tokio::time::error::Elapsed>, Duration)) {
        match answer {
            Ok(Ok(())) => self.took.push(took.as_secs_f64() * 1e3),
            Ok(Err(status)) if status.code() == Code::ResourceExhausted => {
                let told = status.get_details_retry_info().is_some_and(|retry| retry.retry_delay.is_some());
                *if told { &mut self.told } else { &mut self.untold } += 1;
            }
            Ok(Err(status)) if [Code::DeadlineExceeded, Code::Cancelled].contains(&status.code()) => self.late += 1,
            Ok(Err(status)) => panic!("{status:?}"),
            Err(_) => self.late += 1,
        }
    }
}
