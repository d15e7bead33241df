//! `mediation demo`: a ledger from nothing, three real disputes, and the proof.

use anyhow::Result;
use clap::Args;
use mediation_domain::case::Case;
use serde_json::json;

use crate::{
    command::verify::{Report, verify},
    output::{self, line},
    replay::{BUILT_IN, History, Outcome, TemporaryLedger},
    view,
};

/// `mediation demo`
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// 以 JSON 输出 · Print JSON
    #[arg(long)]
    json: bool,
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
    let ledger = TemporaryLedger::start(&cases.iter().collect::<Vec<_>>()).await?;
    let agencies = ledger.registry().directory().iter().count();
    say(format!("已在临时目录创建账本：{agencies} 家机构各持签名密钥与证书，gRPC 双向 TLS 1.3，日志逐批落盘。"));
    let steps: usize = cases.iter().map(|case| case.steps.len()).sum();
    let bar = output::progress(steps as u64, "登记 record");
    let mut outcomes: Vec<Outcome> = Vec::new();
    let mut note = String::new();
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
