//! `mediation findings`: every chain of a ledger's directory judged among the others, offline.

mod report;

use std::path::PathBuf;

use anyhow::{Context as _, Result, ensure};
use clap::Args;
use indicatif::ProgressBar;
use mediation_domain::{
    calendar::Day,
    history::Recorded,
    judge::{ChainKey, Gathering, Moment, Surroundings, judge_among},
    rules::{RuleSet, UnknownRuleSet},
};
use mediation_ledger::{
    chain::ChainId,
    clock::{Clock as _, SystemClock},
    ledger::{CheckedEntry, rule_set_of},
};

use self::report::{Found, Report};
use crate::{archive::Archive, output};

/// `mediation findings`
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// 账本目录；须无人正在服务 · Directory of the ledger; nobody may be serving it
    #[arg(long, value_name = "DIR")]
    dir: PathBuf,
    /// 截至某日终了，缺省为今日 · Judged as of the end of this day; today without it
    #[arg(long, value_name = "YYYY-MM-DD")]
    as_of: Option<String>,
    /// 只列此代码，如 F-OVERDUE；省去前缀则含提示 · Findings of this code only; without `F-` also the observations
    #[arg(long, value_name = "CODE")]
    code: Option<String>,
    /// 只列此责任单位 · Findings against this agency only
    #[arg(long, value_name = "ID")]
    agency: Option<String>,
    /// 以 JSON 输出 · Print JSON
    #[arg(long)]
    json: bool,
}

/// Judges every chain. A finding is no failure; a chain that cannot be judged is one.
pub(crate) fn run(arguments: &Arguments) -> Result<bool> {
    let as_of = match &arguments.as_of {
        Some(text) => Day::parse(text)
            .with_context(|| format!("`{text}` is no day of the form YYYY-MM-DD · 日期格式应为 YYYY-MM-DD"))?,
        None => Day::of(SystemClock.now_ms().div_euclid(1_000)),
    };
    let code = arguments.code.as_deref().map(pattern).transpose()?;
    let archive = Archive::open(&arguments.dir)?;
    if let Some(agency) = &arguments.agency {
        let known = archive.registry().directory().agency(agency).is_some();
        ensure!(known, "`{agency}` does not take part in this ledger · 该机构未参加本账本");
    }
    let bar = output::progress(archive.log().size().0 * 2, "审查 findings");
    let surroundings = gather(&archive, &bar)?;
    let mut report = Report::begin(&archive, as_of, arguments.json);
    for chain in archive.log().chains() {
        let entries = archive.chain(chain)?;
        match judged(&archive, chain, &entries, &surroundings, Moment::end_of(as_of)) {
            Ok((rules, found)) => {
                report.judged(rules);
                let meant = found.into_iter().filter(|found| {
                    code.as_ref().is_none_or(|code| code.contains(&found.code))
                        && (arguments.agency.is_none() || found.agency == arguments.agency)
                });
                meant.for_each(|found| bar.suspend(|| report.found(&found)));
            }
            Err(unknown) => bar.suspend(|| report.unjudged(chain, &unknown)),
        }
        report.withheld(&entries);
        bar.inc(entries.len() as u64);
    }
    bar.finish_and_clear();
    Ok(report.end())
}

/// The codes that an argument means.
fn pattern(text: &str) -> Result<Vec<String>> {
    let (prefixes, name): (&[&str], &str) = match text.split_at_checked(2) {
        Some(("F-", name)) => (&["F-"], name),
        Some(("O-", name)) => (&["O-"], name),
        _ => (&["F-", "O-"], text),
    };
    let all = RuleSet::all().iter().flat_map(RuleSet::invariants);
    let is_known = all.into_iter().any(|invariant| invariant.code.get(2..) == Some(name));
    ensure!(is_known, "no rule has findings of code `{text}` · 没有此发现代码，清单见 mediation rules NAME");
    Ok(prefixes.iter().map(|prefix| format!("{prefix}{name}")).collect())
}

/// The first pass: what the rules may ask of other chains.
fn gather(archive: &Archive, bar: &ProgressBar) -> Result<Surroundings> {
    let mut gathering = Gathering::default();
    for chain in archive.log().chains() {
        let entries = archive.chain(chain)?;
        bar.inc(entries.len() as u64);
        gathering.take(ChainKey(chain.0), &history(entries));
    }
    Ok(gathering.finish())
}

fn history(entries: Vec<CheckedEntry>) -> Vec<Recorded> {
    entries.into_iter().filter_map(|entry| entry.outcome.ok()).collect()
}

/// The second pass: one chain, by the rule set that it names.
fn judged(
    archive: &Archive,
    chain: ChainId,
    entries: &[CheckedEntry],
    surroundings: &Surroundings,
    moment: Moment,
) -> Result<(&'static RuleSet, Vec<Found>), UnknownRuleSet> {
    let rules = RuleSet::for_chain(rule_set_of(entries).unwrap_or(&archive.manifest().rule_set))?;
    let history = history(entries.to_vec());
    let number = history.iter().find_map(|recorded| recorded.act.header.as_ref()?.chain_no.clone());
    let around = surroundings.around(ChainKey(chain.0));
    let judgement = judge_among(&history, archive.registry().directory(), rules, moment, around);
    let findings = judgement.findings.into_iter().map(|finding| Found::of(finding, chain, number.clone()));
    let faults = entries.iter().filter_map(|entry| Found::fault(entry, rules, chain, number.clone()));
    Ok((rules, findings.chain(faults).collect()))
}

#[cfg(test)]
mod tests;
