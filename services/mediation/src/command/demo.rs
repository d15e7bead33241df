//! `mediation demo`: a ledger from nothing, three real disputes, and the proof.

use std::net::SocketAddr;

use anyhow::Result;
use clap::Args;
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
    replay::{BUILT_IN, History, Outcome, TemporaryLedger},
    view,
};

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
    let ledger = match arguments.console {
        true => TemporaryLedger::to_be_searched(&all).await?,
        false => TemporaryLedger::start(&all).await?,
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
    if arguments.console {
        // The day on which the last of the cases is judged.
        let days = cases.iter().filter_map(|case| Day::parse(&case.as_of));
        days.max().iter().for_each(|day| ledger.clock().set(day.end() * 1_000));
        show(&ledger, arguments.listen, &chains).await?;
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

/// Serves the console, with a seat for each agency, until the operator has seen enough.
async fn show(ledger: &TemporaryLedger, listen: SocketAddr, chains: &[String]) -> Result<()> {
    let (door, registry) = (ledger.door().clone(), ledger.registry());
    let auditor = door.auditor(registry)?;
    let mut seats = vec![auditing::seat(&door, registry, &auditor, &ReadingArguments::default()).await?];
    for (agency, _) in registry.directory().iter().filter(|(agency, _)| *agency != auditor) {
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
