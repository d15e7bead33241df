//! `mediation privacy-report`: what is to be told of the handling of personal data, from a ledger's directory, offline.

mod print;

use std::path::PathBuf;

use anyhow::{Context as _, Result, ensure};
use clap::Args;
use mediation_domain::{
    calendar::Day,
    figures::Period,
    judge::ChainKey,
    privacy::{Account, Report, Tally},
    rules::RuleSet,
};
use mediation_ledger::clock::{Clock as _, SystemClock};
use serde_json::{Map, Value, json};

use crate::{
    output,
    survey::{self, ReadChain, Reading, Survey},
};

/// `mediation privacy-report`
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// 账本目录；须无人正在服务 · Directory of the ledger; nobody may be serving it
    #[arg(long, value_name = "DIR")]
    dir: PathBuf,
    /// 期间首日，缺省为账本之始 · First day that is reported; from the beginning without it
    #[arg(long, value_name = "YYYY-MM-DD", value_parser = day)]
    from: Option<Day>,
    /// 期间末日，缺省为今日 · Last day that is reported; today without it
    #[arg(long, value_name = "YYYY-MM-DD", value_parser = day)]
    to: Option<Day>,
    /// 只报告此机构 · Of this agency only
    #[arg(long, value_name = "ID")]
    agency: Option<String>,
    /// 以 JSON 输出 · Print JSON
    #[arg(long)]
    json: bool,
}

/// Reports. What it tells is no failure; a damaged ledger is one, or a request whose limit cannot be told.
pub(crate) fn run(arguments: &Arguments) -> Result<bool> {
    let today = || Day::of(SystemClock.now_ms().div_euclid(1_000));
    let period = Period { from: arguments.from, to: arguments.to.unwrap_or_else(today) };
    let is_in_order = period.from.is_none_or(|from| from <= period.to);
    ensure!(is_in_order, "the first day lies after the last one · 期间首日晚于末日");
    let Some(survey) = Survey::begin(&arguments.dir)? else { return Ok(false) };
    if let Some(agency) = &arguments.agency {
        let known = survey.registry().directory().agency(agency).is_some();
        ensure!(known, "`{agency}` does not take part in this ledger · 该机构未参加本账本");
    }
    let (mut report, reading) = count(&survey, period)?;
    if let Some(agency) = &arguments.agency {
        report.agencies.retain(|id, _| id == agency);
    }
    if arguments.json {
        output::json(&to_json(&survey, &report, &reading))?;
    } else {
        print::print(&survey, &report, &reading);
    }
    Ok(report.sums().requests_unjudged == 0)
}

/// Feeds every chain to the tally of its thread, and puts the tallies together.
fn count(survey: &Survey, period: Period) -> Result<(Report, Reading)> {
    let registry = survey.registry();
    let bar = output::progress(survey.chain_count(), "统计 report");
    let take = |tally: &mut Tally, chain: &ReadChain| {
        let named = chain.rule_set.as_deref().unwrap_or(&survey.manifest.rule_set);
        let rules = RuleSet::for_chain(named).ok();
        tally.take(ChainKey(chain.id.0), &chain.history, registry.directory(), rules);
    };
    let states = (0..survey::threads()).map(|_| Tally::new(period)).collect();
    let (tallies, reading) = survey.each(states, &take, &|done| bar.set_position(done))?;
    bar.finish_and_clear();
    let mut whole = Tally::new(period);
    tallies.into_iter().for_each(|tally| whole.merge(tally));
    Ok((whole.report(), reading))
}

fn to_json(survey: &Survey, report: &Report, reading: &Reading) -> Value {
    let account = |account: &Account| json!({"sums": account.sums(), "rows": account});
    let agencies: Map<String, Value> = report.agencies.iter().map(|(id, own)| (id.clone(), account(own))).collect();
    json!({
        "origin": survey.manifest.origin.as_str(), "tree_size": survey.tree.size.0, "root": survey.tree.root.to_string(),
        "from": report.period.from, "to": report.period.to, "agencies": agencies, "sums": report.sums(),
        "not_counted": {"unreadable_acts": reading.counts.unread, "withheld_parts": reading.counts.withheld,
            "faulty_entries": reading.counts.faulty},
    })
}

fn day(text: &str) -> Result<Day> {
    Day::parse(text).with_context(|| format!("`{text}` is no day of the form YYYY-MM-DD · 日期格式应为 YYYY-MM-DD"))
}
