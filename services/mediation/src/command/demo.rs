//! `mediation demo`: a ledger from nothing, three real disputes, and the proof.

use std::{collections::BTreeSet, net::SocketAddr, time::Instant};

use anyhow::{Context as _, Result};
use clap::Args;
use mediation_city::City;
use mediation_domain::{calendar::Day, case::Case};
use serde_json::json;
use tokio::sync::watch;

use crate::{
    access::ReadingArguments,
    auditing,
    command::{
        interrupted,
        verify::{Report, verify},
    },
    output::{self, line},
    process::stopped,
    replay::{BUILT_IN, CityYear, History, Outcome, TemporaryLedger},
    view,
};

/// The city whose year stands beside the cases, where there is a console to look at it: its year, how large it is, and its seed.
const YEAR: u16 = 2024;
const SCALE: &str = "0.001";
const SEED: u64 = 1;

/// `mediation demo`
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// 以 JSON 输出 · Print JSON
    #[arg(long, conflicts_with = "console")]
    json: bool,
    /// 重放后在浏览器中查阅，直到按 Ctrl-C · Serve the auditors' console afterwards, until Ctrl-C
    #[arg(long)]
    console: bool,
    /// 控制台监听地址，仅限本机 · Address of the console, of this machine alone
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:7080", requires = "console")]
    listen: SocketAddr,
}

/// Shows the whole line.
pub(crate) async fn run(arguments: Arguments) -> Result<bool> {
    let cases: Vec<Case> = BUILT_IN.iter().map(|(_, text)| Case::parse(text)).collect::<Result<_, _>>()?;
    let say = |text: String| {
        if !arguments.json {
            line(text);
        }
    };
    say("多机构矛盾纠纷调解账本 · 演示".to_owned());
    let all: Vec<&Case> = cases.iter().collect();
    let (ledger, city) = match arguments.console {
        true => with_a_city(&all).await.map(|(ledger, city)| (ledger, Some(city)))?,
        false => (TemporaryLedger::start(&all).await?, None),
    };
    let agencies = ledger.registry().directory().iter().count();
    say(format!("已在临时目录创建账本：{agencies} 家机构各持签名密钥与证书，gRPC 双向 TLS 1.3，日志逐批落盘。"));
    let steps: usize = cases.iter().map(|case| case.steps.len()).sum();
    let bar = output::progress(steps as u64, "登记 record");
    let mut outcomes: Vec<Outcome> = Vec::new();
    let (mut note, mut chains) = (String::new(), Vec::new());
    for case in &cases {
        let replayed = ledger.replay(case, &|| bar.inc(1)).await?;
        bar.suspend(|| {
            say(String::new());
            say(format!("{} {}（纠纷链号 {}，链 {}）", case.case, case.title_zh, case.chain, replayed.id));
            if !arguments.json {
                view::print(&replayed.chain, ledger.registry());
            }
        });
        note.clone_from(&replayed.chain.note);
        chains.push(format!("{} {}：{}", case.case, case.title_zh, replayed.id));
        let history = History { original: case, case: case.clone(), mutation: None };
        let outcome = history.outcome(&replayed.replay);
        let verdict = if outcome.matches { "与案例预期完全一致 ✓" } else { "与案例预期不一致 ✗" };
        say(format!("  比对：{verdict}"));
        outcome.differences.iter().for_each(|difference| say(format!("    {difference}")));
        outcomes.push(outcome);
    }
    bar.finish_and_clear();
    say(String::new());
    say("检查点（C2SP 签名注记）".to_owned());
    note.trim_end().lines().for_each(|text| say(format!("  {text}")));
    if let Some(city) = city {
        // The last day of the city's year, on which all of the cases are over, too.
        let last = Day::parse(&format!("{YEAR}-12-31")).context("the year has an end")?;
        say(format!("正在按 {last} 评判全部链条，以供检索… · judging every chain as of that day"));
        ledger.settle(last).await;
        show(&ledger, &city.seats, arguments.listen, &chains).await?;
    }
    let path = ledger.path();
    let directory = ledger.stop().await?;
    let report = verify(&path, &|_| {})?;
    say(String::new());
    if !arguments.json {
        report.print();
    }
    drop(directory);
    let good = outcomes.iter().all(|outcome| outcome.matches) && report.is_good();
    if arguments.json {
        output::json(&json!({"cases": outcomes, "checkpoint": note, "verify": Report::to_json(&report)}))?;
    } else {
        line(if good { "演示完成：全部相符。" } else { "演示完成：存在不符，见上。" });
    }
    Ok(good)
}

/// A ledger that holds the year of a small city, so that there is something to search and to count. What is being made is said
/// before, since it takes some seconds.
async fn with_a_city(cases: &[&Case]) -> Result<(TemporaryLedger, CityYear)> {
    line(format!("正在登记一座小城市的一年（规模 {SCALE}，种子 {SEED}）… · recording a small city's year first"));
    let begun = Instant::now();
    let city = City::new(YEAR.into(), SEED, SCALE.parse()?);
    let (ledger, city) = TemporaryLedger::of_a_city(cases, city).await?;
    let CityYear { acts, chains, .. } = &city;
    line(format!("  行为 acts {acts}，链 chains {chains}，用时 seconds {:.1}", begun.elapsed().as_secs_f64()));
    Ok((ledger, city))
}

/// Serves the console, with a seat for each of these agencies, until the operator has seen enough.
async fn show(
    ledger: &TemporaryLedger,
    seated: &BTreeSet<String>,
    listen: SocketAddr,
    chains: &[String],
) -> Result<()> {
    let (door, registry) = (ledger.door().clone(), ledger.registry());
    let auditor = door.auditor(registry)?;
    let mut seats = vec![auditing::seat(&door, registry, &auditor, &ReadingArguments::default()).await?];
    for agency in seated.iter().filter(|agency| **agency != auditor) {
        seats.push(auditing::seat(&door, registry, agency, &ReadingArguments::of_a_clerk()).await?);
    }
    let (stop, stopping) = watch::channel(false);
    let served = auditing::serve(listen, door, seats, ledger.clock(), stopped(stopping)).await?;
    line("");
    line(format!("审计控制台 · the auditors' console: {}", served.invitation));
    chains.iter().for_each(|chain| line(format!("  {chain}")));
    line("按 Ctrl-C 结束 · Ctrl-C ends it");
    interrupted().await?;
    stop.send_replace(true);
    served.task.await?;
    Ok(())
}
