//! `mediation bench`: how fast a ledger is on this machine, beside what its transport, its disk and its signatures cost alone.
//!
//! ```text
//! ledger   this program once more, `serve`, in a directory of its own: TLS, signatures, syncs as they are used
//! echo     this program once more: the same services and messages over the same TLS, nothing behind them
//! sync     writes of the same size into a file of zeros, each with its sync
//! crypto   signatures made, or checked, on one core
//! ```
//!
//! What is compared is measured in turn, round after round, so that a machine that slows down slows all of it down.

mod acts;
mod bare;
mod echo;
mod load;
mod operation;
mod pass;
mod report;
mod rounds;
mod target;

use std::path::PathBuf;

use anyhow::{Context as _, Result, ensure};
use clap::{Args, ValueEnum};
use serde_json::json;

use self::{rounds::Bench, target::Target};
use crate::output::{self, line};

/// `mediation bench`
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// 负载，缺省为 append · What to measure; append without it
    #[arg(value_name = "WORKLOAD")]
    workloads: Vec<Workload>,
    /// 同时登记者数 · How many record at once
    #[arg(long, value_name = "N", value_delimiter = ',', default_value = "1,8,32,128")]
    writers: Vec<usize>,
    /// 由登记者自行签名 · They sign themselves: prepared, signed, submitted
    #[arg(long)]
    caller_signed: bool,
    /// 轮数，取中位数 · Rounds, of which the medians count
    #[arg(long, value_name = "N", default_value_t = 5)]
    rounds: usize,
    /// 每轮每项秒数 · Seconds of each side of a round
    #[arg(long, value_name = "SECONDS", default_value_t = 2.0)]
    seconds: f64,
    /// 读、证明、重放、重建之前的行为数 · Acts that stand before chains are read, proved, replayed, rebuilt
    #[arg(long, value_name = "N", default_value_t = 20_000)]
    acts: usize,
    /// 不测裸传输、裸落盘、裸签名 · The ledger alone, without what stands beside it
    #[arg(long)]
    alone: bool,
    /// 临时账本不维护读模型与全文索引 · The temporary ledger keeps no read model and no index of texts
    #[arg(long, conflicts_with = "ledger")]
    no_model: bool,
    /// 临时账本所在目录，决定所测磁盘 · Where the temporary ledger stands: whose disk is measured
    #[arg(long, value_name = "DIR", conflicts_with = "ledger")]
    scratch: Option<PathBuf>,
    /// 测运行中的账本（将写入大量行为） · Measure a running ledger, which is written to; a temporary one without it
    #[arg(long, value_name = "ADDR", requires = "dir")]
    ledger: Option<String>,
    /// 运行中账本的目录（取证书、密钥与信任文件） · Directory of the running ledger: certificates, keys and trust file
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// 以 JSON 输出 · Print JSON
    #[arg(long)]
    json: bool,
    /// Serves the answers in this directory; how the bare server is started.
    #[arg(long, value_name = "DIR", hide = true, requires = "dir", conflicts_with = "ledger")]
    echo: Option<PathBuf>,
}

/// Kind of a file system in memory, as `statfs` tells it.
const TMPFS: i64 = 0x0102_1994;

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Workload {
    #[value(help = "逐条登记 · one act a request")]
    Append,
    #[value(help = "流式登记，每流 64 条在途 · over streams, 64 acts under way on each")]
    Stream,
    #[value(help = "每次请求 20 条 · 20 acts a request")]
    Batch,
    #[value(help = "查阅 20 条的链 · chains of 20 acts, read")]
    Chain,
    #[value(help = "重放全部日志，不验与全验 · the whole log, taken in, and verified")]
    Replay,
    #[value(help = "评判内置案例 · the judge, on the cases that are built in")]
    Judge,
    #[value(help = "包含证明 · inclusion proofs")]
    Proof,
    #[value(help = "八成登记、一成查阅、一成证明 · eight of ten record, one reads, one asks for a proof")]
    Mixed,
    #[value(help = "重建读模型 · the read model, built anew")]
    Rebuild,
}

/// Measures.
pub(crate) async fn run(arguments: Arguments) -> Result<bool> {
    if let (Some(answers), Some(directory)) = (&arguments.echo, &arguments.dir) {
        echo::serve(answers, directory).await?;
        return Ok(true);
    }
    let is_positive = arguments.rounds > 0 && arguments.seconds > 0.0 && arguments.acts > 0;
    ensure!(is_positive && !arguments.writers.contains(&0), "数目须为正 · a number must be positive");
    let target = match (&arguments.ledger, &arguments.dir) {
        (Some(address), Some(directory)) => Target::at(address, directory).await?,
        (None, None) => {
            let scratch = arguments.scratch.clone().unwrap_or_else(std::env::temp_dir);
            if rustix::fs::statfs(&scratch)?.f_type == TMPFS {
                output::note(
                    "临时目录在内存中，落盘不费时；请以 --scratch 指定磁盘 · the directory is in memory, where a sync costs nothing: name one on a disk with --scratch",
                );
            }
            Box::pin(Target::found(&scratch, !arguments.no_model)).await?
        }
        (_, _) => anyhow::bail!("`--dir` 须与 `--ledger` 同用 · `--dir` goes with `--ledger`"),
    };
    let mut bench = Bench::start(target, &arguments).await?;
    let mut workloads = arguments.workloads.clone();
    if workloads.is_empty() {
        workloads.push(Workload::Append);
    }
    // Nobody serves the ledger after this one.
    workloads.sort_by_key(|workload| *workload == Workload::Rebuild);
    let mut points = Vec::new();
    for workload in workloads {
        let measured = Box::pin(bench.measure(workload)).await;
        points.extend(measured.with_context(|| format!("{workload:?}"))?);
    }
    Box::pin(bench.end()).await?;
    if arguments.json {
        let all: Vec<_> = points.iter().map(report::Point::json).collect();
        output::json(&json!({
            "version": env!("CARGO_PKG_VERSION"), "rounds": arguments.rounds, "seconds": arguments.seconds,
            "processors": std::thread::available_parallelism().map_or(0, usize::from), "points": all,
        }))?;
    } else {
        report::table(&points).iter().for_each(line);
        line("率比：账本速率除以裸传输（或裸签名）；时比：账本 p50 除以裸传输与裸落盘 p50 之和");
        line(
            "rate: the ledger's, by that of the echo or of bare signatures; p50: the ledger's, by echo and sync together",
        );
    }
    Ok(true)
}
