//! `mediation replay`.

use std::path::PathBuf;

use anyhow::{Result, ensure};
use clap::Args;
use mediation_domain::case::Case;

use crate::{
    access::Door,
    output::{self, line},
    replay::{History, Outcome, TemporaryLedger, judge_only, read, replay_at},
};

/// `mediation replay`
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// 案例文件，或内置案例名 G01 G02 G03 · Case files, or the names of built-in cases
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
    /// 同时重放文件中的每个变更历史 · Replay each changed history of the files as well
    #[arg(long)]
    mutations: bool,
    /// 只评判，不登记（他处形成的历史） · Judge without recording (a history of other origin)
    #[arg(long, conflicts_with = "ledger")]
    judge_only: bool,
    /// 登记到运行中的账本；缺省为临时账本 · Record into a running ledger; a temporary one without it
    #[arg(long, value_name = "ADDR", requires = "dir")]
    ledger: Option<String>,
    /// 运行中账本的目录（取证书与信任文件） · Directory of the running ledger: certificates and trust file
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// 以 JSON 输出 · Print JSON
    #[arg(long)]
    json: bool,
}

/// Replays case files and compares.
pub(crate) async fn run(arguments: Arguments) -> Result<bool> {
    let cases: Vec<Case> = arguments.files.iter().map(|path| read(path)).collect::<Result<_>>()?;
    let mut histories = Vec::new();
    for case in &cases {
        histories.extend(History::all(case, arguments.mutations)?);
    }
    ensure!(!histories.is_empty(), "there is nothing to replay");
    let steps: usize = histories.iter().map(|history| history.case.steps.len()).sum();
    let bar = output::progress(steps as u64, "重放 replay");
    let mut outcomes = Vec::new();
    for history in &histories {
        outcomes.push(replay(&arguments, history, &|| bar.inc(1)).await?);
    }
    bar.finish_and_clear();
    if arguments.json {
        output::json(&outcomes)?;
    } else {
        outcomes.iter().for_each(print);
    }
    Ok(outcomes.iter().all(|outcome| outcome.matches))
}

async fn replay(arguments: &Arguments, history: &History<'_>, progress: &(dyn Fn() + Sync)) -> Result<Outcome> {
    if arguments.judge_only {
        return Ok(history.outcome(&judge_only(&history.case)?));
    }
    if let (Some(address), Some(directory)) = (&arguments.ledger, &arguments.dir) {
        let door = Door::open(address, directory)?;
        let registry = door.registry().await?;
        let replayed = replay_at(&door, &registry, &history.case, progress).await?;
        let mut outcome = history.outcome(&replayed.replay);
        outcome.chain = Some(replayed.id);
        return Ok(outcome);
    }
    let ledger = TemporaryLedger::start(&[&history.case]).await?;
    let replayed = ledger.replay(&history.case, progress).await?;
    ledger.stop().await?;
    Ok(history.outcome(&replayed.replay))
}

fn print(outcome: &Outcome) {
    let name = outcome.mutation.as_deref().unwrap_or(&outcome.case);
    let verdict = if outcome.matches { "相符 ✓" } else { "不符 ✗" };
    line(format!("{name}：{verdict}"));
    if let Some(chain) = &outcome.chain {
        line(format!("  链 chain {chain}"));
    }
    for difference in &outcome.differences {
        line(format!("  {difference}"));
    }
}
