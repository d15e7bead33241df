//! A verified chain, for people: a table of its acts, then leads, handoffs, clocks, obligations and findings.

use std::collections::BTreeMap;

use mediation_client::{HiddenEntry, ToldAct, VerifiedChain};
use mediation_domain::{calendar::Day, catalogue, wording};
use mediation_ledger::{chain::Revision, ledger::CheckedEntry, merkle::LeafIndex, registry::Registry};
use mediation_proto::{
    derived::{TYPES_ROLE, TYPES_VISIBILITY_GRADE},
    fields::kind_of_event,
    mediation::ledger::v1::{Clock, Existence, Finding, Judgement},
};

use crate::output::{line, table};

/// Prints a chain.
pub(crate) fn print(chain: &VerifiedChain, registry: &Registry) {
    acts(chain, registry);
    judgement(&chain.judgement, &chain.entries, registry);
}

fn acts(chain: &VerifiedChain, registry: &Registry) {
    let head = ["版本", "日期", "机构", "角色", "行为", "可见", "签名", "叶序号"];
    let shown = chain
        .entries
        .iter()
        .map(|(index, entry)| (entry.revision, act(*index, entry, chain.told.get(&entry.revision), registry)));
    let mut rows: BTreeMap<Revision, Vec<String>> = shown.collect();
    rows.extend(chain.hidden.iter().map(|hidden| (hidden.revision, placeholder(hidden))));
    let rows: Vec<Vec<String>> = std::iter::once(head.map(str::to_owned).to_vec()).chain(rows.into_values()).collect();
    for row in table(&rows) {
        line(format!("  {row}"));
    }
}

fn act(index: LeafIndex, entry: &CheckedEntry, told: Option<&ToldAct>, registry: &Registry) -> Vec<String> {
    let agency = entry.statement.as_ref().map(|statement| name(&statement.agency, registry)).unwrap_or_default();
    let date = entry.statement.as_ref().map(|statement| Day::of(statement.occurred_at).to_string());
    let flag = if entry.late_revocation(registry).is_some() { "✓ 密钥事后吊销" } else { "✓" };
    let existence = told.and_then(|told| told.existence.as_ref());
    let (role, event, mark) = match &entry.outcome {
        Ok(recorded) => {
            let role = recorded.act.header.as_ref().and_then(|header| header.signer_role);
            let role = role.and_then(|role| catalogue::zh_of_number(&TYPES_ROLE, role)).unwrap_or("（不可见）");
            let event = recorded.act.event().map(|(kind, _)| catalogue::row(kind).zh.clone());
            let event = event.or_else(|| existence.map(existing)).unwrap_or_else(|| "（不可见）".to_owned());
            (role.to_owned(), event, flag.to_owned())
        }
        Err(fault) => (String::new(), format!("不计入：{}", fault.code()), "✗".to_owned()),
    };
    let event = told.iter().flat_map(|told| &told.closed).fold(event, |event, part| {
        let said = wording::closing(part);
        if event.contains(&said) { event } else { format!("{event}（{said}）") }
    });
    let grade = told
        .and_then(|told| told.grade)
        .and_then(|grade| catalogue::zh_of_number(&TYPES_VISIBILITY_GRADE, grade.into()));
    let grade = grade.unwrap_or_default().to_owned();
    vec![entry.revision.to_string(), date.unwrap_or_default(), agency, role, event, grade, mark, index.to_string()]
}

/// What the ledger tells of an act of which existence alone is shown.
fn existing(existence: &Existence) -> String {
    let row = kind_of_event(&existence.event).map(catalogue::row);
    let event = row.map_or(existence.event.as_str(), |row| row.zh.as_str());
    if existence.outcome.is_empty() { event.to_owned() } else { format!("{event}（{}）", existence.outcome) }
}

/// An entry of which the leaf hash alone is shown.
fn placeholder(hidden: &HiddenEntry) -> Vec<String> {
    let event =
        if hidden.fault.is_empty() { "（不可见）".to_owned() } else { format!("不计入：{}", hidden.fault) };
    let none = String::new;
    vec![
        hidden.revision.to_string(),
        none(),
        none(),
        none(),
        event,
        "不可见".to_owned(),
        none(),
        hidden.index.to_string(),
    ]
}

fn judgement(judgement: &Judgement, entries: &[(LeafIndex, CheckedEntry)], registry: &Registry) {
    let act = |revision: u64| place(revision, entries);
    line(format!("  规则集 {}，截至 {} 终了", judgement.rule_set, judgement.as_of));
    line("  首办");
    for lead in &judgement.leads {
        let until = lead.to_revision.map_or_else(|| "至今".to_owned(), |revision| format!("至 {}", act(revision)));
        line(format!("    {}：自 {} {until}", name(&lead.agency, registry), act(lead.from_revision)));
    }
    if !judgement.handoffs.is_empty() {
        line("  移送对接");
    }
    for handoff in &judgement.handoffs {
        let due = handoff.due.as_deref().unwrap_or("—");
        let answered = handoff.answered_revision.map_or_else(|| "未答复".to_owned(), act);
        let late = late(handoff.days_late);
        let (from, to) = (name(&handoff.from, registry), name(&handoff.to, registry));
        let mode = catalogue::zh("HandoffMode", &handoff.mode).unwrap_or(&handoff.mode);
        line(format!(
            "    {from} → {to}（{mode}，{}）：应于 {due} 前答复；{} {answered}{late}",
            act(handoff.proposal_revision),
            wording::handoff_answer(&handoff.answer)
        ));
    }
    clocks(&judgement.clocks, registry);
    if !judgement.obligations.is_empty() {
        line("  义务");
    }
    for obligation in &judgement.obligations {
        let due = obligation.due.as_deref().unwrap_or("—");
        let state = catalogue::zh("ObligationState", &obligation.state).unwrap_or(&obligation.state);
        line(format!(
            "    {}：{due} 到期，{state} {}",
            obligation.id,
            obligation.revision.map(act).unwrap_or_default()
        ));
    }
    findings(&judgement.findings, entries, registry);
    let outcome =
        judgement.outcome.as_deref().map_or("未结案", |code| catalogue::zh("Outcome", code).unwrap_or(code));
    line(format!("  结案方式：{outcome}"));
}

fn clocks(clocks: &[Clock], registry: &Registry) {
    if clocks.is_empty() {
        return;
    }
    line("  期限");
    let head = ["编号", "名称", "责任方", "起算", "届满", "完成", "状态"];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    for clock in clocks {
        let obliged = clock.obliged.as_deref().map_or_else(|| "当事人".to_owned(), |agency| name(agency, registry));
        let state = format!("{}{}", wording::clock_state(&clock.state), late(clock.days_late));
        let day = |day: Option<&String>| day.cloned().unwrap_or_else(|| "—".to_owned());
        rows.push(vec![
            clock.id.clone(),
            clock.zh.clone(),
            obliged,
            clock.start.clone(),
            day(clock.due.as_ref()),
            day(clock.done.as_ref()),
            state,
        ]);
    }
    for row in table(&rows) {
        line(format!("    {row}"));
    }
}

fn findings(findings: &[Finding], entries: &[(LeafIndex, CheckedEntry)], registry: &Registry) {
    if findings.is_empty() {
        line("  审计发现：无");
        return;
    }
    line("  审计发现");
    for finding in findings {
        let place = finding.revision.map(|revision| place(revision, entries)).unwrap_or_default();
        let clock = finding.clock.as_deref().map(|clock| format!("，期限 {clock}")).unwrap_or_default();
        let late = finding.days_late.map(|days| format!("，{days} 天")).unwrap_or_default();
        let cleared =
            finding.cleared_revision.map(|revision| format!("；已由版本 {revision} 纠正")).unwrap_or_default();
        line(format!(
            "    {} [{}] {} {place}{clock}{late}{cleared}",
            finding.code,
            wording::severity(&finding.severity),
            finding.agency.as_deref().map(|agency| name(agency, registry)).unwrap_or_default()
        ));
        line(format!("      {} 依据：{}", finding.zh, finding.article));
    }
}

/// Public name of an agency.
pub(crate) fn name(id: &str, registry: &Registry) -> String {
    registry.directory().agency(id).map_or_else(|| id.to_owned(), |agency| agency.name.clone())
}

fn place(revision: u64, entries: &[(LeafIndex, CheckedEntry)]) -> String {
    let entry = entries.iter().find(|(_, entry)| entry.revision.0 == revision);
    let recorded = entry.and_then(|(_, entry)| entry.outcome.as_ref().ok());
    let event = recorded.and_then(|recorded| recorded.act.event()).map(|(kind, _)| catalogue::row(kind).zh.as_str());
    event.map_or_else(|| format!("版本 {revision}"), |event| format!("「{event}」(版本 {revision})"))
}

fn late(days: u64) -> String {
    if days == 0 { String::new() } else { format!("，逾期 {days} 天") }
}
