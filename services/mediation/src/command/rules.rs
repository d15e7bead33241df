//! `mediation rules`: the rule sets, and what is in each.

use anyhow::{Context as _, Result};
use clap::Args;
use mediation_domain::{
    calendar::Day,
    clocks::{
        Clock, ClockKind, Use,
        arithmetic::{Term, Unit},
    },
    rules::{Invariant, RuleSet},
};
use serde_json::{Value, json};

use crate::output::{self, line, table};

/// `mediation rules`
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// 规则集名称；缺省列出全部 · Name of a rule set; all of them are listed without it
    #[arg(value_name = "NAME")]
    name: Option<String>,
    /// 以 JSON 输出 · Print JSON
    #[arg(long)]
    json: bool,
}

/// The rule set of this name.
pub(crate) fn known(name: &str) -> Result<&'static RuleSet> {
    RuleSet::named(name).with_context(|| {
        let names: Vec<&str> = RuleSet::all().iter().map(RuleSet::name).collect();
        let names = names.join(", ");
        format!("没有规则集“{name}”，现有：{names} · there is no rule set `{name}`; there are: {names}")
    })
}

/// Lists the rule sets, or shows one.
pub(crate) fn run(arguments: &Arguments) -> Result<bool> {
    match &arguments.name {
        Some(name) => show(known(name)?, arguments.json)?,
        None if arguments.json => output::json(&RuleSet::all().iter().map(head).collect::<Vec<_>>())?,
        None => list(),
    }
    Ok(true)
}

fn list() {
    let titles = ["名称 name", "版本 version", "有效期 valid", "期限 clocks", "规则 rules", "标题 title"];
    let mut rows = vec![titles.map(str::to_owned).to_vec()];
    for rules in RuleSet::all() {
        let enabled = |all: usize, enabled: usize| format!("{enabled}/{all}");
        let clocks = rules.clocks().iter().filter(|clock| clock.enabled).count();
        let invariants = rules.invariants().iter().filter(|invariant| invariant.enabled).count();
        rows.push(vec![
            rules.name().to_owned(),
            rules.version().to_owned(),
            interval(Some(rules.valid().0), rules.valid().1),
            enabled(rules.clocks().iter().count(), clocks),
            enabled(rules.invariants().len(), invariants),
            format!("{} · {}", rules.zh(), rules.en()),
        ]);
    }
    table(&rows).into_iter().for_each(line);
    for rules in RuleSet::all() {
        line(format!("  {}  {}", rules.digest(), rules.name()));
    }
    line("启用数/总数；未启用的仅作提示（O-） · enabled/all; findings of the others are observations (O-)");
}

fn show(rules: &RuleSet, json: bool) -> Result<()> {
    if json {
        let mut value = head(rules);
        if let Some(object) = value.as_object_mut() {
            object.insert("clocks".to_owned(), rules.clocks().iter().map(clock_json).collect());
            object.insert("invariants".to_owned(), rules.invariants().iter().map(invariant_json).collect());
        }
        return output::json(&value);
    }
    line(format!("规则集 {} {}：{} · {}", rules.name(), rules.version(), rules.zh(), rules.en()));
    line(format!("  有效期 valid   {}", interval(Some(rules.valid().0), rules.valid().1)));
    line(format!("  依据 basis     {}", rules.basis().0));
    line(format!("                 {}", rules.basis().1));
    line(format!("  摘要 SHA-256   {}", rules.digest()));
    for source in rules.sources() {
        line(format!("    {}", source.line().trim_end()));
    }
    let titles = ["期限", "名称", "时长", "性质", "条文", "来源", "状态", "有效期"];
    let mut rows = vec![titles.map(str::to_owned).to_vec()];
    rows.extend(rules.clocks().iter().map(clock_row));
    table(&rows).into_iter().for_each(line);
    line("");
    let titles = ["规则", "发现代码", "名称", "条文", "来源", "状态"];
    let mut rows = vec![titles.map(str::to_owned).to_vec()];
    rows.extend(rules.invariants().iter().map(|invariant| {
        vec![
            invariant.id.clone(),
            invariant.code.clone(),
            invariant.zh.clone(),
            invariant.legal_source.clone(),
            tag(&invariant.tag).to_owned(),
            state(invariant.enabled).to_owned(),
        ]
    }));
    table(&rows).into_iter().for_each(line);
    Ok(())
}

fn clock_row(clock: &Clock) -> Vec<String> {
    let kind = match (clock.usage, clock.kind) {
        (Use::Judged, ClockKind::Duty) => "义务",
        (Use::Judged, ClockKind::Right) => "权利",
        (Use::Reminder, _) => "提醒",
        (Use::Reference, _) => "查询",
    };
    vec![
        clock.id.clone(),
        clock.zh.clone(),
        length(&clock.term),
        kind.to_owned(),
        // A dash stands for a source without articles.
        format!("{}{}", clock.source, clock.article.trim_matches('—')),
        tag(&clock.tag).to_owned(),
        state(clock.enabled).to_owned(),
        interval(clock.valid.0, clock.valid.1),
    ]
}

fn length(term: &Term) -> String {
    let Some(amount) = term.amount else { return "依文书".to_owned() };
    let unit = match term.unit {
        Unit::CalendarDays => "日",
        Unit::WorkingDays => "个工作日",
        Unit::Months => "个月",
        Unit::Years => "年",
        Unit::Hours => "小时",
    };
    let roll = if term.rolls { "，顺延" } else { "" };
    format!("{amount}{unit}{roll}")
}

fn state(enabled: bool) -> &'static str {
    if enabled { "启用" } else { "提示" }
}

fn tag(tag: &str) -> &str {
    match tag {
        "law" => "法律",
        "web" => "公开规定",
        "policy" => "本产品口径",
        "memory" => "未核实",
        other => other,
    }
}

fn interval(from: Option<Day>, to: Option<Day>) -> String {
    let day = |day: Option<Day>| day.map_or_else(String::new, |day| day.to_string());
    format!("{}…{}", day(from), day(to))
}

fn head(rules: &RuleSet) -> Value {
    let sources =
        rules.sources().iter().map(|source| json!({"file": source.name, "sha256": hex::encode(source.sha256)}));
    json!({
        "name": rules.name(), "version": rules.version(), "zh": rules.zh(), "en": rules.en(),
        "valid_from": rules.valid().0, "valid_to": rules.valid().1,
        "basis_zh": rules.basis().0, "basis_en": rules.basis().1,
        "sha256": rules.digest().to_string(), "sources": sources.collect::<Vec<_>>(),
    })
}

fn clock_json(clock: &Clock) -> Value {
    json!({
        "id": clock.id, "row": clock.row, "zh": clock.zh, "en": clock.en,
        "kind": match clock.kind { ClockKind::Duty => "duty", ClockKind::Right => "right" },
        "use": match clock.usage { Use::Judged => "judged", Use::Reminder => "reminder", Use::Reference => "reference" },
        "amount": clock.term.amount, "unit": unit(clock.term.unit), "rolls": clock.term.rolls,
        "source": clock.source, "article": clock.article, "tag": clock.tag, "enabled": clock.enabled,
        "valid_from": clock.valid.0, "valid_to": clock.valid.1,
    })
}

fn unit(unit: Unit) -> &'static str {
    match unit {
        Unit::CalendarDays => "cd",
        Unit::WorkingDays => "wd",
        Unit::Months => "mo",
        Unit::Years => "yr",
        Unit::Hours => "h",
    }
}

fn invariant_json(invariant: &Invariant) -> Value {
    json!({
        "id": invariant.id, "code": invariant.code, "zh": invariant.zh, "en": invariant.en,
        "severity": invariant.severity.letter(), "legal_source": invariant.legal_source, "tag": invariant.tag,
        "enabled": invariant.enabled,
    })
}
