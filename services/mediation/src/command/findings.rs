//! `mediation findings`: every chain of a ledger's directory judged among the others, offline.

mod report;

use std::{collections::BTreeMap, path::PathBuf};

use anyhow::{Context as _, Result, ensure};
use clap::Args;
use mediation_domain::{
    calendar::Day,
    judge::{ChainKey, Gathering, Moment, Surroundings, judge_among},
    rules::{RuleSet, UnknownRuleSet},
};
use mediation_ledger::{
    chain::ChainId,
    clock::{Clock as _, SystemClock},
};

use self::report::{Found, Report};
use crate::{
    output,
    survey::{self, ReadChain, Reading, Survey},
};

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

/// Judges every chain. A finding is no failure; a ledger that is damaged, or a chain that cannot be judged, is one.
pub(crate) fn run(arguments: &Arguments) -> Result<bool> {
    let as_of = match &arguments.as_of {
        Some(text) => Day::parse(text)
            .with_context(|| format!("`{text}` is no day of the form YYYY-MM-DD · 日期格式应为 YYYY-MM-DD"))?,
        None => Day::of(SystemClock.now_ms().div_euclid(1_000)),
    };
    let codes = arguments.code.as_deref().map(pattern).transpose()?;
    let Some(survey) = Survey::begin(&arguments.dir)? else { return Ok(false) };
    let registry = survey.registry();
    if let Some(agency) = &arguments.agency {
        let known = registry.directory().agency(agency).is_some();
        ensure!(known, "`{agency}` does not take part in this ledger · 该机构未参加本账本");
    }
    let is_meant = |found: &Found| {
        codes.as_ref().is_none_or(|codes| codes.contains(&found.code))
            && (arguments.agency.is_none() || found.agency == arguments.agency)
    };
    let threads = survey::threads();
    let surroundings = gather(&survey, threads)?;
    let (judged, reading) = judge(&survey, &surroundings, Moment::end_of(as_of), &is_meant, threads)?;
    let mut report = Report::begin(&survey, &registry, as_of, arguments.json);
    for told in judged.told.values() {
        match told {
            Told::Found(found) => found.iter().for_each(|found| report.found(found)),
            Told::Unjudged(chain, unknown) => report.unjudged(*chain, unknown),
        }
    }
    Ok(report.end(&judged.rule_sets, reading.counts.withheld))
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
fn gather(survey: &Survey, threads: usize) -> Result<Surroundings> {
    let bar = output::progress(survey.chain_count(), "汇集 gather");
    let take = |gathering: &mut Gathering, chain: &ReadChain| gathering.take(ChainKey(chain.id.0), &chain.history);
    let states = (0..threads).map(|_| Gathering::default()).collect();
    let (gatherings, _) = survey.each(states, &take, &|done| bar.set_position(done))?;
    bar.finish_and_clear();
    let mut whole = Gathering::default();
    gatherings.into_iter().for_each(|gathering| whole.merge(gathering));
    Ok(whole.finish())
}

/// What judging chains comes to. It takes memory for what there is to tell, none for a chain without findings.
#[derive(Debug, Default)]
struct Judged {
    /// By the place of the chain, so that it does not matter which thread judged it.
    told: BTreeMap<usize, Told>,
    /// Chains that were judged, by the rule set that they name.
    rule_sets: BTreeMap<&'static str, u64>,
}

/// What there is to tell of a chain.
#[derive(Debug)]
enum Told {
    Found(Vec<Found>),
    /// It names a rule set that this program does not have.
    Unjudged(ChainId, UnknownRuleSet),
}

/// The second pass: every chain among the others, by the rule set that it names. Findings that are not meant are left out.
fn judge(
    survey: &Survey,
    surroundings: &Surroundings,
    moment: Moment,
    is_meant: &(dyn Fn(&Found) -> bool + Sync),
    threads: usize,
) -> Result<(Judged, Reading)> {
    let registry = survey.registry();
    let bar = output::progress(survey.chain_count(), "评判 judge");
    let take = |judged: &mut Judged, chain: &ReadChain| {
        let named = chain.rule_set.as_deref().unwrap_or(&survey.manifest.rule_set);
        let rules = match RuleSet::for_chain(named) {
            Ok(rules) => rules,
            Err(unknown) => {
                judged.told.insert(chain.place, Told::Unjudged(chain.id, unknown));
                return;
            }
        };
        *judged.rule_sets.entry(rules.name()).or_default() += 1;
        let around = surroundings.around(ChainKey(chain.id.0));
        let judgement = judge_among(&chain.history, registry.directory(), rules, moment, around);
        let number = chain.history.iter().find_map(|recorded| recorded.act.header.as_ref()?.chain_no.as_ref());
        let findings = judgement.findings.into_iter().map(|finding| Found::of(finding, chain.id, number.cloned()));
        let faults = chain.faulty.iter().filter_map(|entry| Found::fault(entry, rules, chain.id, number.cloned()));
        let found: Vec<Found> = findings.chain(faults).filter(is_meant).collect();
        if !found.is_empty() {
            judged.told.insert(chain.place, Told::Found(found));
        }
    };
    let states = (0..threads).map(|_| Judged::default()).collect();
    let (parts, reading) = survey.each(states, &take, &|done| bar.set_position(done))?;
    bar.finish_and_clear();
    let mut whole = Judged::default();
    for mut part in parts {
        whole.told.append(&mut part.told);
        for (name, chains) in part.rule_sets {
            *whole.rule_sets.entry(name).or_default() += chains;
        }
    }
    Ok((whole, reading))
}

#[cfg(test)]
mod tests;
