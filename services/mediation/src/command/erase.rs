//! `mediation erase`: carries out the orders to erase of a chain, or says what hinders.

use std::path::PathBuf;

use anyhow::{Context as _, Result};
use clap::Args;
use mediation_domain::erasure::State;
use mediation_ledger::chain::ChainId;
use mediation_projections::eraser::Planned;
use serde_json::{Value, json};

use crate::{
    output::{self, line},
    process::{Erasure, erase},
};

/// `mediation erase`
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// 链编号（UUID） · Chain id (UUID)
    #[arg(value_name = "CHAIN")]
    chain: String,
    /// 账本目录，须已停止服务 · Directory of the ledger; nobody may be serving it
    #[arg(long, value_name = "DIR")]
    dir: PathBuf,
    /// 只列出将销毁的内容或障碍 · Only say what would be destroyed, or what hinders
    #[arg(long)]
    dry_run: bool,
    /// 以 JSON 输出 · Print JSON
    #[arg(long)]
    json: bool,
}

/// Carries out what may be. It is no failure that an order is hindered.
pub(crate) async fn run(arguments: Arguments) -> Result<bool> {
    let chain = ChainId::parse(&arguments.chain);
    let chain = chain.with_context(|| format!("`{}` is no chain id · 不是链编号", arguments.chain))?;
    let Erasure { planned, exports } = erase(&arguments.dir, chain, arguments.dry_run).await?;
    if arguments.json {
        let exports: Vec<Value> =
            exports.iter().map(|read| json!({"agency": read.reader_agency(), "reader": read.reader()})).collect();
        let orders: Vec<Value> = planned.iter().map(to_json).collect();
        output::json(&json!({
            "chain": chain.to_string(), "dry_run": arguments.dry_run, "orders": orders, "copies_to_call_back": exports,
        }))?;
        return Ok(true);
    }
    line(format!("链 {chain} 的删除决定 · orders to erase on the chain"));
    if planned.is_empty() {
        line("  无 · none");
    }
    planned.iter().for_each(|planned| print(planned, arguments.dry_run));
    if !exports.is_empty() {
        line("  须收回的已导出副本 · copies that went out and must be called back");
    }
    for read in &exports {
        line(format!("    {} {}", read.reader_agency(), read.reader()));
    }
    Ok(true)
}

fn print(planned: &Planned, is_dry: bool) {
    let (number, state) = (&planned.order.number, planned.order.state());
    let said = match &planned.parts {
        Err(hindrance) => format!("未执行：{} · hindered: {hindrance}", hindrance.zh()),
        Ok(parts) if state == State::Executed => format!("此前已执行 · carried out before: {}", parts.len()),
        Ok(parts) if is_dry => format!("将销毁密钥 · keys to be destroyed: {}", parts.len()),
        Ok(parts) => format!("已销毁密钥 · keys destroyed: {}", parts.len()),
    };
    line(format!("  {number}  {said}"));
}

fn to_json(planned: &Planned) -> Value {
    let (keys, zh, en) = match &planned.parts {
        Ok(parts) => (parts.iter().map(ToString::to_string).collect(), None, None),
        Err(hindrance) => (Vec::new(), Some(hindrance.zh()), Some(hindrance.to_string())),
    };
    json!({
        "order": planned.order.id.to_string(), "order_no": planned.order.number, "keys": keys,
        "was_executed": planned.order.state() == State::Executed, "hindered_zh": zh, "hindered_en": en,
    })
}
