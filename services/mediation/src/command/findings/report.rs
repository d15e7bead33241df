//! What is printed of the findings: each with its place, and the sums at the end.

use std::collections::BTreeMap;

use mediation_domain::{
    calendar::Day,
    clocks::Severity,
    judge::{Finding, FindingState},
    rules::{RuleSet, UnknownRuleSet},
};
use mediation_ledger::{chain::ChainId, registry::Registry};
use serde_json::{Value, json};

use crate::{
    output::{line, table},
    survey::{FaultyEntry, Survey},
    view::name,
};

/// One finding with its place.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) chain: ChainId,
    /// 纠纷链号.
    number: Option<String>,
    pub(super) code: String,
    pub(super) agency: Option<String>,
    severity: Severity,
    pub(super) step: Option<u64>,
    /// Chain of that step, when it is another one.
    stands_on: Option<String>,
    pub(super) clock: Option<String>,
    due: Option<Day>,
    on: Option<Day>,
    days_late: Option<u64>,
    reasons: Vec<String>,
    state: FindingState,
    zh: &'static str,
    en: &'static str,
    article: String,
}

impl Found {
    pub(super) fn of(finding: Finding, chain: ChainId, number: Option<String>) -> Self {
        Self {
            chain,
            number,
            code: finding.code,
            agency: finding.agency,
            severity: finding.severity,
            step: finding.revision.map(|revision| revision + 1),
            stands_on: finding.chain.map(|chain| chain.to_string()),
            clock: finding.clock,
            due: finding.due,
            on: finding.on,
            days_late: finding.days_late,
            reasons: finding.reasons,
            state: finding.state,
            zh: finding.zh,
            en: finding.en,
            article: finding.article,
        }
    }

    /// The finding that an entry is which does not count, or whose key was revoked afterwards as of an instant before it.
    pub(super) fn fault(
        entry: &FaultyEntry,
        rules: &'static RuleSet,
        chain: ChainId,
        number: Option<String>,
    ) -> Option<Self> {
        let rule = rules.invariant(entry.code)?;
        Some(Self {
            chain,
            number,
            code: rule.code.clone(),
            agency: entry.agency.clone(),
            severity: rule.severity,
            step: Some(entry.revision.0 + 1),
            stands_on: None,
            clock: None,
            due: None,
            on: None,
            days_late: None,
            reasons: vec![entry.reason.clone()],
            state: FindingState::Open,
            zh: &rule.zh,
            en: &rule.en,
            article: rule.legal_source.clone(),
        })
    }

    fn json(&self) -> Value {
        let state = match self.state {
            FindingState::Open => "OPEN",
            FindingState::Cured => "CURED",
            FindingState::Cleared => "CLEARED",
        };
        json!({
            "chain": self.chain.to_string(), "chain_no": self.number, "step": self.step, "stands_on": self.stands_on,
            "agency": self.agency, "code": self.code, "severity": self.severity.letter(), "clock": self.clock,
            "due": self.due, "on": self.on, "days_late": self.days_late, "reasons": self.reasons, "state": state,
            "zh": self.zh, "en": self.en, "article": self.article,
        })
    }

    fn print(&self, registry: &Registry) {
        let chain = self.number.clone().unwrap_or_else(|| self.chain.to_string());
        let place = match (&self.stands_on, self.step) {
            (Some(other), Some(step)) => format!("查阅链 {other} 步骤 {step}"),
            (None, Some(step)) => format!("步骤 {step}"),
            (_, None) => String::new(),
        };
        let agency = self.agency.as_deref().map_or_else(|| "—".to_owned(), |agency| name(agency, registry));
        let clock = self.clock.as_deref().map(|clock| format!("，期限 {clock}")).unwrap_or_default();
        let due = self.due.map(|due| format!("，应于 {due}")).unwrap_or_default();
        let days = self.days_late.map(|days| format!("，{days} 天")).unwrap_or_default();
        let state = match self.state {
            FindingState::Open => "未纠正",
            FindingState::Cured => "已纠正",
            FindingState::Cleared => "已销号",
        };
        line(format!("{chain} {place} {agency} {} [{}]{clock}{due}{days}，{state}", self.code, self.severity.zh()));
        let reasons =
            if self.reasons.is_empty() { String::new() } else { format!("（{}）", self.reasons.join("、")) };
        line(format!("  {}{reasons} 依据：{}", self.zh, self.article));
    }
}

/// The findings under way.
pub(super) struct Report<'a> {
    registry: &'a Registry,
    json: bool,
    count: u64,
    sums: BTreeMap<(Option<String>, String), Sum>,
    unjudged: Vec<Value>,
}

#[derive(Debug, Default)]
struct Sum {
    count: u64,
    open: u64,
    worst_days: Option<u64>,
}

impl<'a> Report<'a> {
    pub(super) fn begin(survey: &Survey, registry: &'a Registry, as_of: Day, json: bool) -> Self {
        let (size, root) = (survey.tree.size, survey.tree.root);
        if json {
            let origin = survey.manifest.origin.as_str();
            line(format!(
                "{{\"origin\": {}, \"as_of\": \"{as_of}\", \"tree_size\": {size}, \"root\": \"{root}\", \"findings\": [",
                json!(origin)
            ));
        } else {
            line(format!("截至 {as_of} 终了 · as of the end of {as_of}"));
            line(format!("  账本 {}，树大小 tree size {size}，根 root {root}", survey.manifest.origin));
        }
        Self { registry, json, count: 0, sums: BTreeMap::new(), unjudged: Vec::new() }
    }

    pub(super) fn found(&mut self, found: &Found) {
        if self.json {
            let comma = if self.count == 0 { "" } else { "," };
            line(format!("{comma}{}", found.json()));
        } else {
            found.print(self.registry);
        }
        self.count += 1;
        let sum = self.sums.entry((found.agency.clone(), found.code.clone())).or_default();
        sum.count += 1;
        sum.open += u64::from(found.state == FindingState::Open);
        sum.worst_days = sum.worst_days.max(found.days_late);
    }

    /// A chain names a rule set that this program does not have.
    pub(super) fn unjudged(&mut self, chain: ChainId, unknown: &UnknownRuleSet) {
        if !self.json {
            let name = &unknown.name;
            line(format!("✗ 链 {chain} 未评判：本程序没有规则集“{name}” · not judged: {unknown}"));
        }
        self.unjudged.push(json!({"chain": chain.to_string(), "rule_set": unknown.name}));
    }

    /// Prints the sums, how many chains were judged by each rule set, and how many parts the vault did not open: what those
    /// said is not judged. Whether every chain could be judged.
    pub(super) fn end(self, chains: &BTreeMap<&'static str, u64>, withheld: u64) -> bool {
        let used: Vec<_> = chains.iter().filter_map(|(name, chains)| Some((RuleSet::named(name)?, *chains))).collect();
        if self.json {
            self.end_json(&used, withheld)
        } else {
            self.end_text(&used, withheld)
        }
        self.unjudged.is_empty()
    }

    fn end_json(&self, used: &[(&RuleSet, u64)], withheld: u64) {
        let sums = self.sums.iter().map(|((agency, code), sum)| {
            json!({"agency": agency, "code": code, "count": sum.count, "open": sum.open, "worst_days": sum.worst_days})
        });
        let sums: Vec<Value> = sums.collect();
        let sets = used.iter().map(|(rules, chains)| {
            json!({"name": rules.name(), "version": rules.version(), "sha256": rules.digest().to_string(), "chains": chains})
        });
        let sets: Vec<Value> = sets.collect();
        line(format!(
            "], \"summary\": {}, \"rule_sets\": {}, \"unjudged\": {}, \"withheld\": {withheld}}}",
            json!(sums),
            json!(sets),
            json!(self.unjudged),
        ));
    }

    fn end_text(&self, used: &[(&RuleSet, u64)], withheld: u64) {
        if self.count == 0 {
            line("没有发现 · no findings");
        } else {
            let titles = ["责任单位 agency", "名称 name", "代码 code", "件数 count", "未纠正 open", "最长天数 worst"];
            let mut rows = vec![titles.map(str::to_owned).to_vec()];
            rows.extend(self.sums.iter().map(|((agency, code), sum)| {
                vec![
                    agency.clone().unwrap_or_else(|| "—".to_owned()),
                    agency.as_deref().map(|agency| name(agency, self.registry)).unwrap_or_default(),
                    code.clone(),
                    sum.count.to_string(),
                    sum.open.to_string(),
                    sum.worst_days.map_or_else(|| "—".to_owned(), |days| days.to_string()),
                ]
            }));
            line("");
            table(&rows).into_iter().for_each(line);
            line(format!("合计 {} 项发现 · findings", self.count));
        }
        for (rules, chains) in used {
            line(format!(
                "  规则集 {} {}：{chains} 条链 chains，摘要 {}",
                rules.name(),
                rules.version(),
                rules.digest()
            ));
        }
        if withheld > 0 {
            line(format!(
                "  注 {withheld} 个内容部分未能打开，其内容未经评判 · parts that did not open are not judged"
            ));
        }
    }
}
