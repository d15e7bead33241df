//! The stand-in as a process of its own, so that tests can stop and kill it.
//!
//! It prints one JSON line with its addresses when it serves, then obeys one command a line on its standard input and
//! answers each with a JSON line. The end of the input does not end it.

use std::{
    fs, io,
    io::{BufRead as _, Write as _},
    net::{Ipv4Addr, SocketAddr},
    path::PathBuf,
    str::FromStr,
    time::Duration,
};

use clap::{Parser, Subcommand, ValueEnum};
use mediation_kurrentdb_stand_in::{AppendFault, Faults, Options, StandIn, Tls, User};
use serde_json::{Value, json};
use tokio::sync::mpsc;

/// 测试用的 KurrentDB 替身 · A stand-in for KurrentDB, for tests
#[derive(Debug, Parser)]
#[command(version)]
struct Arguments {
    /// 监听地址，每个节点一个 · Where to listen, once for each node
    #[arg(long, default_values_t = [SocketAddr::from((Ipv4Addr::LOCALHOST, 0))])]
    listen: Vec<SocketAddr>,
    /// 节点数，端口自选 · Nodes on free ports, instead of `--listen`
    #[arg(long, conflicts_with = "listen")]
    nodes: Option<usize>,
    /// 日志目录；不给则不落盘 · Where the journal is kept; without it all is forgotten
    #[arg(long)]
    directory: Option<PathBuf>,
    /// 证书链，PEM · Certificate chain, PEM
    #[arg(long, requires = "tls_key")]
    tls_cert: Option<PathBuf>,
    /// 私钥，PEM · Key, PEM
    #[arg(long, requires = "tls_cert")]
    tls_key: Option<PathBuf>,
    /// 账号 · An account: `name:password`, or `name:password:role,role`
    #[arg(long)]
    user: Vec<Account>,
    /// 流读取也给位置 · Reads of a stream tell positions too
    #[arg(long)]
    stream_positions: bool,
    /// 确认由内核延迟，如同别的服务器 · Acknowledgements are put off by the kernel, as on other servers
    #[arg(long)]
    delayed_acknowledgements: bool,
}

/// The text of `--user`.
#[derive(Clone, Debug)]
struct Account(User);

impl FromStr for Account {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut parts = text.splitn(3, ':');
        let (Some(name), Some(password)) = (parts.next(), parts.next()) else {
            return Err("not `name:password[:role,role]`".to_owned());
        };
        let groups = parts.next().map(|roles| roles.split(',').map(str::to_owned).collect()).unwrap_or_default();
        Ok(Self(User { name: name.to_owned(), password: password.to_owned(), groups }))
    }
}

/// One line of the input; each is a method of [`Faults`].
#[derive(Debug, Parser)]
#[command(multicall = true, disable_help_subcommand = true)]
struct Line {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Freeze,
    Release,
    Cut,
    Kill { node: usize },
    Revive { node: usize },
    Lead { node: usize },
    Majority { state: State },
    Slow { delay_ms: u64 },
    Deny { state: State },
    Stale { state: State },
    EndSubscriptions,
    Append { prefix: String, fault: Fault, resends: Option<u32> },
    Duplicate { stream: String },
    Delete { stream: String },
    Tombstone { stream: String },
    Metadata { stream: String, json: Vec<String> },
    Rewind { records: usize },
    Scavenge { stream: String, revision: u64 },
    ScavengeHidden { stream: String },
    Stop,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum State {
    On,
    Off,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Fault {
    NotLeader,
    NotReady,
    Denied,
    AbortBeforeCommit,
    AbortAfterCommit,
    LoseRequest,
    LoseAnswer,
    DropResends,
}

#[tokio::main]
async fn main() -> io::Result<()> {
    let arguments = Arguments::parse();
    let stand_in = StandIn::start(options(arguments)?).await?;
    let addresses = stand_in.addresses().iter().map(ToString::to_string).collect::<Vec<_>>();
    say(&json!({ "addresses": addresses, "uri": stand_in.uri() }))?;
    let faults = stand_in.faults();
    let mut lines = lines();
    while let Some(line) = lines.recv().await {
        match Line::try_parse_from(line.split_whitespace()) {
            Ok(Line { command: Command::Stop }) => {
                stand_in.stop().await;
                return say(&json!({ "done": null }));
            }
            Ok(Line { command }) => match obey(&faults, command) {
                Ok(done) => say(&json!({ "done": done }))?,
                Err(error) => say(&json!({ "error": error.to_string() }))?,
            },
            Err(error) => say(&json!({ "error": error.to_string() }))?,
        }
    }
    std::future::pending().await
}

fn options(arguments: Arguments) -> io::Result<Options> {
    let tls = match (arguments.tls_cert, arguments.tls_key) {
        (Some(certificates), Some(key)) => Some(Tls { certificates: fs::read(certificates)?, key: fs::read(key)? }),
        (Some(_) | None, None) | (None, Some(_)) => None,
    };
    let defaults = arguments.nodes.map_or_else(Options::default, Options::cluster);
    let listen = if arguments.nodes.is_some() { defaults.listen.clone() } else { arguments.listen };
    Ok(Options {
        listen,
        directory: arguments.directory,
        tls,
        users: arguments.user.into_iter().map(|Account(user)| user).collect(),
        stream_positions: arguments.stream_positions,
        delayed_acknowledgements: arguments.delayed_acknowledgements,
        ..defaults
    })
}

fn obey(faults: &Faults, command: Command) -> io::Result<Value> {
    match command {
        Command::Freeze => faults.freeze(),
        Command::Release => faults.release(),
        Command::Cut => faults.cut(),
        Command::Kill { node } => faults.kill(node),
        Command::Revive { node } => faults.revive(node),
        Command::Lead { node } => faults.lead(node),
        Command::Majority { state } => faults.majority(state == State::On),
        Command::Slow { delay_ms } => faults.slow(Duration::from_millis(delay_ms)),
        Command::Deny { state } => faults.deny(state == State::On),
        Command::Stale { state } => faults.stale(state == State::On),
        Command::EndSubscriptions => faults.end_subscriptions(),
        Command::Append { prefix, fault, resends } => faults.next_append(&prefix, fault.with(resends)),
        Command::Duplicate { stream } => return Ok(json!(faults.duplicate(&stream)?)),
        Command::Delete { stream } => faults.delete(&stream)?,
        Command::Tombstone { stream } => faults.tombstone(&stream)?,
        Command::Metadata { stream, json } => faults.metadata(&stream, &json.join(" "))?,
        Command::Rewind { records } => faults.rewind(records)?,
        Command::Scavenge { stream, revision } => return Ok(json!(faults.scavenge(&stream, revision)?)),
        Command::ScavengeHidden { stream } => return Ok(json!(faults.scavenge_hidden(&stream)?)),
        Command::Stop => {}
    }
    Ok(Value::Null)
}

impl Fault {
    fn with(self, resends: Option<u32>) -> AppendFault {
        match self {
            Self::NotLeader => AppendFault::NotLeader,
            Self::NotReady => AppendFault::NotReady,
            Self::Denied => AppendFault::Denied,
            Self::AbortBeforeCommit => AppendFault::AbortBeforeCommit,
            Self::AbortAfterCommit => AppendFault::AbortAfterCommit,
            Self::LoseRequest => AppendFault::LoseRequest,
            Self::LoseAnswer => AppendFault::LoseAnswer,
            Self::DropResends => AppendFault::DropResends(resends.unwrap_or(1)),
        }
    }
}

/// The lines of the standard input, read by a thread of its own: that read cannot be called off.
fn lines() -> mpsc::Receiver<String> {
    let (sender, lines) = mpsc::channel(1);
    std::thread::spawn(move || {
        for line in io::stdin().lock().lines() {
            let Ok(line) = line else { return };
            if sender.blocking_send(line).is_err() {
                return;
            }
        }
    });
    lines
}

fn say(line: &Value) -> io::Result<()> {
    let mut out = io::stdout().lock();
    writeln!(out, "{line}")?;
    out.flush()
}
