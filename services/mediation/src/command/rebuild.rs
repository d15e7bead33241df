//! `mediation rebuild`: the read model of a directory, built anew from its log.

use std::{path::PathBuf, sync::OnceLock, time::Instant};

use anyhow::Result;
use clap::Args;
use indicatif::ProgressBar;
use mediation_projections::model::{NAME, Progress};
use serde_json::json;

use crate::{
    output::{self, line},
    process::rebuild,
};

/// `mediation rebuild`
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// 账本目录；须无人正在服务 · Directory of the ledger; nobody may be serving it
    #[arg(long, value_name = "DIR")]
    dir: PathBuf,
    /// 重新验证签名与全部部分；缺省信任账本自身检查点以下的登记 · Check signatures and all parts again; without it not below the ledger's own checkpoint
    #[arg(long)]
    verify: bool,
    /// 以 JSON 输出 · Print JSON
    #[arg(long)]
    json: bool,
}

/// Bars, one after the other.
#[derive(Debug, Default)]
struct Bars {
    entries: OnceLock<ProgressBar>,
    chains: OnceLock<(ProgressBar, u64)>,
    indexes: OnceLock<ProgressBar>,
}

impl Bars {
    fn show(&self, made: Progress, entries: u64) {
        match made {
            Progress::Entries(done) => {
                self.entries.get_or_init(|| output::progress(entries, "读取日志 log")).set_position(done);
            }
            Progress::Pending(waiting) => {
                self.entries.get().iter().for_each(|bar| bar.finish_and_clear());
                let (bar, all) = self.chains.get_or_init(|| (output::progress(waiting, "评判 judge"), waiting));
                bar.set_position(all.saturating_sub(waiting));
            }
            Progress::Indexes => {
                self.chains.get().iter().for_each(|(bar, _)| bar.finish_and_clear());
                self.indexes.get_or_init(|| output::progress(0, "建立索引 indexes")).tick();
            }
        }
    }

    fn clear(&self) {
        let bars =
            self.entries.get().into_iter().chain(self.chains.get().map(|(bar, _)| bar)).chain(self.indexes.get());
        bars.for_each(ProgressBar::finish_and_clear);
    }
}

/// Builds the model anew.
pub(crate) async fn run(arguments: Arguments) -> Result<bool> {
    let (began, bars) = (Instant::now(), Bars::default());
    let rebuilt = Box::pin(rebuild(&arguments.dir, arguments.verify, &|made, entries| bars.show(made, entries))).await;
    bars.clear();
    let rebuilt = rebuilt?;
    let seconds = began.elapsed().as_secs_f64();
    let rate = u128::from(rebuilt.entries) * 1_000 / began.elapsed().as_millis().max(1);
    if arguments.json {
        output::json(&json!({
            "entries": rebuilt.entries, "chains": rebuilt.chains, "seconds": seconds,
            "entries_per_second": u64::try_from(rate).unwrap_or(u64::MAX), "bytes": rebuilt.bytes,
        }))?;
        return Ok(true);
    }
    line(format!("读模型已重建 ✓ · the read model is built anew: models/{NAME}"));
    line(format!("  条目 entries: {}", rebuilt.entries));
    line(format!("  链 chains: {}", rebuilt.chains));
    line(format!("  用时 seconds: {seconds:.1}"));
    line(format!("  每秒条目 entries a second: {rate}"));
    line(format!("  字节 bytes: {}", rebuilt.bytes));
    Ok(true)
}
