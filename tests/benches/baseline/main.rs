//! The ledger beside the bare prototype (`tests/baseline`): appends over mutual TLS, in pairs of rounds, in turn.
//!
//! Each side has its server and its callers in processes of their own. The callers of the ledger are `mediation bench --alone`, those of
//! the prototype do the same in the same way. A statement of the prototype has as many bytes as an entry of the ledger.
//!
//! `just bench-baseline`; without `--bench` a short run, to see that it runs.

#![expect(
    clippy::print_stdout,
    clippy::indexing_slicing,
    reason = "a bench prints what it measured, and stops where nothing is"
)]

use std::{
    io::{BufRead as _, BufReader},
    net::SocketAddr,
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};

use mediation_baseline::{
    Tls,
    load::{Load, Mode},
    server,
};
use serde_json::Value;

use crate::{
    paired::{block_on, median},
    served::{Served, mediation},
};

#[expect(dead_code, reason = "the tests use all of it, the bench what it needs to serve a ledger")]
#[expect(clippy::unwrap_used, reason = "as in the tests: what fails stops the bench")]
#[path = "../../tests/all/served.rs"]
mod served;

#[expect(dead_code, reason = "the other benches use all of it")]
#[path = "../paired/runs.rs"]
mod paired;

/// What is compared: the arguments of `mediation bench`, and the prototype's way.
const SIDES: [Side; 5] = [
    Side { name: "one writer", ledger: &["append", "--writers", "1"], mode: Mode::Desk, callers: 1 },
    Side { name: "32 writers", ledger: &["append", "--writers", "32"], mode: Mode::Desk, callers: 32 },
    Side { name: "128 writers", ledger: &["append", "--writers", "128"], mode: Mode::Desk, callers: 128 },
    Side {
        name: "32 that sign",
        ledger: &["append", "--writers", "32", "--caller-signed"],
        mode: Mode::Prepared,
        callers: 32,
    },
    Side { name: "4 streams", ledger: &["stream"], mode: Mode::Stream, callers: 4 },
];

struct Side {
    name: &'static str,
    ledger: &'static [&'static str],
    mode: Mode,
    callers: usize,
}

/// Bytes of a statement of the prototype: what an entry of the ledger has.
const STATEMENT_BYTES: usize = 600;

/// What the processes of the prototype are called with: the server before the directory of a ledger, the callers before that,
/// the address, the number of the side and milliseconds.
const SERVE: &str = "--serve-prototype";
const LOAD: &str = "--load-prototype";

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    match &arguments[..] {
        [_, serve, directory] if serve == SERVE => return block_on(serve_prototype(Path::new(directory))),
        [_, load, directory, address, side, ms] if load == LOAD => {
            return block_on(load_prototype(Path::new(directory), &number(address), number(side), number(ms)));
        }
        _ => {}
    }
    let is_timed = arguments.iter().any(|argument| argument == "--bench");
    let (rounds, ms) = if is_timed { (7, 3_000) } else { (1, 100) };
    compare(rounds, ms);
}

fn number<T: std::str::FromStr>(text: &str) -> T {
    text.parse().unwrap_or_else(|_| panic!("{text} is not what was expected"))
}

/// One run of one side.
#[derive(Debug, Clone, Copy)]
struct Figures {
    per_second: f64,
    p50_us: f64,
    p99_us: f64,
}

fn compare(rounds: usize, ms: u64) {
    let mut served = Served::new();
    served.stop();
    let file = served.path().join("mediation.toml");
    let configuration = std::fs::read_to_string(&file).unwrap_or_else(|error| panic!("{error}"));
    // A load is not what an agency may send.
    let configuration = configuration
        .replace("requests_per_second = 4000", "requests_per_second = 1000000")
        .replace("burst = 8000", "burst = 1000000");
    std::fs::write(&file, configuration).unwrap_or_else(|error| panic!("{error}"));
    served.start();
    let (mut prototype, address) = start_prototype(&served);
    println!("{:<14} {:>22} {:>22} {:>28}", "", "ledger", "prototype", "ledger : prototype");
    println!(
        "{:<14} {:>8} {:>6} {:>6} {:>8} {:>6} {:>6} {:>8} {:>6} {:>6}   medians of {rounds}, acts/s and ms",
        "", "acts/s", "p50", "p99", "acts/s", "p50", "p99", "rate", "p50", "p99"
    );
    for (number, side) in SIDES.iter().enumerate() {
        let pairs: Vec<[Figures; 2]> =
            (0..rounds).map(|_| [of_ledger(&served, side, ms), of_prototype(&served, &address, number, ms)]).collect();
        let of = |at: usize, figure: fn(&Figures) -> f64| median(pairs.iter().map(|pair| figure(&pair[at])).collect());
        let ratio = |figure: fn(&Figures) -> f64| {
            median(pairs.iter().map(|[ledger, prototype]| figure(ledger) / figure(prototype)).collect())
        };
        let rate = |run: &Figures| run.per_second;
        let p50 = |run: &Figures| run.p50_us / 1e3;
        let p99 = |run: &Figures| run.p99_us / 1e3;
        println!(
            "{:<14} {:>8.0} {:>6.2} {:>6.2} {:>8.0} {:>6.2} {:>6.2} {:>8.2} {:>6.2} {:>6.2}",
            side.name,
            of(0, rate),
            of(0, p50),
            of(0, p99),
            of(1, rate),
            of(1, p50),
            of(1, p99),
            ratio(rate),
            ratio(p50),
            ratio(p99)
        );
    }
    prototype.kill().and_then(|()| prototype.wait()).unwrap_or_else(|error| panic!("{error}"));
}

fn of_ledger(served: &Served, side: &Side, ms: u64) -> Figures {
    let seconds = Duration::from_millis(ms).as_secs_f64().to_string();
    let output = Command::new(mediation())
        .arg("bench")
        .args(side.ledger)
        .args(["--alone", "--json", "--rounds", "1", "--seconds", &seconds, "--ledger", &served.address, "--dir"])
        .arg(served.path())
        .stderr(Stdio::inherit())
        .output()
        .unwrap_or_else(|error| panic!("{error}"));
    assert!(output.status.success(), "`mediation bench` failed");
    let said: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}"));
    let ledger = &said["points"][0]["ledger"];
    let figure = |name: &str| ledger[name].as_f64().unwrap_or_else(|| panic!("no `{name}` in {said}"));
    Figures { per_second: figure("per_second"), p50_us: figure("p50_us"), p99_us: figure("p99_us") }
}

fn of_prototype(served: &Served, address: &str, side: usize, ms: u64) -> Figures {
    let output = own()
        .arg(LOAD)
        .arg(served.path())
        .args([address, &side.to_string(), &ms.to_string()])
        .stderr(Stdio::inherit())
        .output()
        .unwrap_or_else(|error| panic!("{error}"));
    assert!(output.status.success(), "the load on the prototype failed");
    let said = String::from_utf8_lossy(&output.stdout);
    let figures: Vec<f64> = said.split_whitespace().map(number).collect();
    Figures { per_second: figures[0], p50_us: figures[1], p99_us: figures[2] }
}

/// Starts the prototype with the certificates of a ledger; gives the address that it serves on.
fn start_prototype(served: &Served) -> (Child, String) {
    let mut child =
        own().arg(SERVE).arg(served.path()).stdout(Stdio::piped()).spawn().unwrap_or_else(|error| panic!("{error}"));
    let output = child.stdout.take().unwrap_or_else(|| panic!("the prototype has no output"));
    let mut address = String::new();
    BufReader::new(output).read_line(&mut address).unwrap_or_else(|error| panic!("{error}"));
    (child, address.trim().to_owned())
}

fn own() -> Command {
    Command::new(std::env::current_exe().unwrap_or_else(|error| panic!("{error}")))
}

async fn serve_prototype(directory: &Path) {
    let pki = directory.join("pki");
    let tls = Tls::read(&pki.join("authority.pem"), &pki.join("server.pem"), &pki.join("server.key"));
    let tls = tls.unwrap_or_else(|error| panic!("{error:#}"));
    // Beside the log of the ledger: the same disk.
    let log = directory.join("prototype");
    let served = server::serve(&tls, &log).await.unwrap_or_else(|error| panic!("{error:#}"));
    println!("{}", served.address);
    let ended = served.serving.await.unwrap_or_else(|error| panic!("{error}"));
    ended.unwrap_or_else(|error| panic!("{error}"));
}

async fn load_prototype(directory: &Path, address: &SocketAddr, side: usize, ms: u64) {
    let own = directory.join("pki/agencies/ZC-ZS");
    let authority = directory.join("pki/authority.pem");
    let tls = Tls::read(&authority, &own.join("certificate.pem"), &own.join("certificate.key"));
    let tls = tls.unwrap_or_else(|error| panic!("{error:#}"));
    let Side { mode, callers, .. } = SIDES[side];
    let load = Load { mode, callers, statement_bytes: STATEMENT_BYTES, during: Duration::from_millis(ms) };
    let figures = load.run(*address, &tls).await.unwrap_or_else(|error| panic!("{error:#}"));
    println!("{} {} {}", figures.per_second, figures.p50_us, figures.p99_us);
}
