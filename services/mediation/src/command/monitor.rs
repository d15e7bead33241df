//! `mediation monitor`.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use anyhow::{Context as _, Result};
use clap::Args;
use mediation_domain::history::EventId;
use mediation_gateway::reader::LogReader;
use mediation_ledger::{monitor::Alarm, policy::Policy};
use serde_json::json;
use tokio::signal::unix::{SignalKind, signal};

use crate::{
    access::Door,
    layout::Layout,
    output::{self, line, note},
    submitted,
    watching::{Look, Monitor, Watched, Witnessing},
};

/// `mediation monitor`
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// 受监视的机构 · Agency whose acts are watched
    #[arg(long, value_name = "ID")]
    agency: String,
    /// 日志的 HTTP 地址（须提供条目） · Address of the served log, with its entries
    #[arg(long, value_name = "URL")]
    log: String,
    /// 账本地址（取登记链，即各机构公钥） · Address of the ledger, HOST:PORT: the registry chain, which holds the public keys
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:7443")]
    ledger: String,
    /// 存放本机构证书的目录 · Directory with the agency's certificate
    #[arg(long, value_name = "DIR")]
    dir: PathBuf,
    /// 信任文件，缺省为证书目录中的 policy · Trust file; the directory's `policy` without it
    #[arg(long, value_name = "FILE")]
    policy: Option<PathBuf>,
    /// 见证策略；给出则监视见证是否滞后 · Policy of the witnesses; with it their lag is watched
    #[arg(long, value_name = "FILE")]
    witness_policy: Option<PathBuf>,
    /// 见证可滞后的秒数 · Seconds that the witnesses may be behind
    #[arg(long, value_name = "SECONDS", default_value_t = 300)]
    lag_limit_s: u64,
    /// 状态与证据目录；无则每次从头核验 · Directory of state and evidence; without it every start begins at the first leaf
    #[arg(long, value_name = "DIR")]
    state: Option<PathBuf>,
    /// 本机构已提交行为的编号清单，每行一个 · List of the acts that the agency has submitted, one event id a line
    #[arg(long, value_name = "FILE")]
    submitted: Option<PathBuf>,
    /// 期限管理员以本机构密钥自动登记的行为（UUIDv8 编号）视为已提交 · Acts of the clock keeper (UUIDv8 ids) count as submitted
    #[arg(long, requires = "submitted")]
    keeper: bool,
    /// https 地址所需的证书（PEM） · Certificates (PEM) that an `https` address must chain to
    #[arg(long, value_name = "FILE")]
    authorities: Option<PathBuf>,
    /// 只看一次 · Look once
    #[arg(long)]
    once: bool,
    /// 两次之间的秒数 · Seconds between two looks
    #[arg(long, value_name = "SECONDS", default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..))]
    interval_s: u64,
    /// 每个请求的时限（毫秒） · Time that one request may take, in milliseconds
    #[arg(long, value_name = "MS", default_value_t = 10_000, value_parser = clap::value_parser!(u64).range(1..))]
    timeout_ms: u64,
    /// 以 JSON 输出，每次一行 · Print JSON, one line a look
    #[arg(long)]
    json: bool,
}

/// Looks once, or until a signal comes. All is well when the last look has found nothing.
pub(crate) async fn run(arguments: Arguments) -> Result<bool> {
    let mut monitor = Monitor::open(watched(&arguments)?).await?;
    if arguments.state.is_some() && monitor.is_first() {
        note("此前没有状态：本次所见即起点 · nothing was kept before: what is seen now is the beginning");
    }
    if arguments.once {
        let look = look(&mut monitor, &arguments).await?;
        tell(&look, &arguments, &[])?;
        return Ok(look.alarms.is_empty());
    }
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    let mut last: Result<Vec<Alarm>> = Ok(Vec::new());
    loop {
        last = match look(&mut monitor, &arguments).await {
            Ok(look) => {
                tell(&look, &arguments, last.as_deref().unwrap_or_default())?;
                Ok(look.alarms)
            }
            Err(error) => {
                note(format!("无法查看 · cannot look: {error:#}"));
                Err(error)
            }
        };
        tokio::select! {
            () = tokio::time::sleep(Duration::from_secs(arguments.interval_s)) => {}
            _ = interrupt.recv() => break,
            _ = terminate.recv() => break,
        }
    }
    Ok(last?.is_empty())
}

fn watched(arguments: &Arguments) -> Result<Watched> {
    let read = |path: &Path| fs::read(path).with_context(|| format!("cannot read `{}`", path.display()));
    let policy = arguments.policy.clone().unwrap_or_else(|| Layout::new(&arguments.dir).policy());
    let authorities = arguments.authorities.as_deref().map(read).transpose()?;
    let witnesses = match &arguments.witness_policy {
        Some(path) => {
            let policy = Policy::parse(&read(path)?).with_context(|| format!("`{}` is no policy", path.display()))?;
            Some(Witnessing { policy, lag_limit_s: arguments.lag_limit_s })
        }
        None => None,
    };
    Ok(Watched {
        agency: arguments.agency.clone(),
        door: Door::trusting(&arguments.ledger, &arguments.dir, &policy)?,
        reader: LogReader::new(&arguments.log, authorities.as_deref(), Duration::from_millis(arguments.timeout_ms))?,
        witnesses,
        state: arguments.state.clone(),
    })
}

async fn look(monitor: &mut Monitor, arguments: &Arguments) -> Result<Look> {
    // Read at every look: whoever submits appends meanwhile.
    let submitted: Option<BTreeSet<_>> = arguments.submitted.as_deref().map(submitted::read).transpose()?;
    let now_s = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
    let bar = output::progress(0, "核验 verify");
    let is_submitted =
        |listed: BTreeSet<EventId>| move |id: EventId| listed.contains(&id) || arguments.keeper && id.is_keepers();
    let is_submitted = submitted.map(is_submitted);
    let told = is_submitted.as_ref().map(|told| told as &(dyn Fn(EventId) -> bool + Sync));
    let look = monitor.look(told, now_s, &bar).await;
    bar.finish_and_clear();
    look
}

/// Prints what a look has shown. Of a monitor that goes on only what is new: alarms that were not told before.
fn tell(look: &Look, arguments: &Arguments, told: &[Alarm]) -> Result<()> {
    let fresh: Vec<&Alarm> = look.alarms.iter().filter(|alarm| !told.contains(alarm)).collect();
    let (size, root) = look.checkpoint.as_ref().map(|shown| (shown.size.0, shown.root.to_string())).unzip();
    if arguments.json {
        let alarm = |alarm: &Alarm| {
            let (name, zh) = alarm.title();
            json!({"name": name, "zh": zh, "cause": alarm.to_string()})
        };
        let alarms: Vec<_> = look.alarms.iter().map(alarm).collect();
        let told = json!({"agency": arguments.agency, "good": alarms.is_empty(), "size": size, "root": root,
            "new": look.new, "alarms": alarms});
        line(serde_json::to_string(&told)?);
        return Ok(());
    }
    if arguments.once || look.new > 0 || !fresh.is_empty() {
        let verdict =
            if look.alarms.is_empty() { "日志一切相符 ✓ · all well" } else { "发现问题 ✗ · alarms" };
        let size = size.map_or_else(|| "—".to_owned(), |size| size.to_string());
        line(format!("{verdict}：{}，检查点大小 size {size}，新核验条目 new {}", arguments.agency, look.new));
    }
    for alarm in fresh {
        let (name, zh) = alarm.title();
        line(format!("  ✗ {name} {zh} · {alarm}"));
    }
    if arguments.submitted.is_none() && arguments.once {
        line(
            "  注 未给出提交清单（--submitted），不判断行为是否由本机构提交 · no list, nothing is said about who submitted",
        );
    }
    Ok(())
}
