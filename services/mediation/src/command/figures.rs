//! `mediation figures`: the figures of a year, from the log alone.

use std::path::PathBuf;

use anyhow::{Context as _, Result, bail};
use clap::Args;
use mediation_domain::{
    calendar::{Day, format_instant, parse_instant},
    figures::{Figures, Period, Plan, Report, Row, Tally},
    judge::{Moment, judge},
    rules::RuleSet,
};
use serde_json::{Value, json};

use crate::{
    output::{self, line, table},
    survey::{self, ReadChain, Reading, Survey},
};

/// `mediation figures`
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// 统计年度 · Year that is reported
    #[arg(long, value_name = "YEAR")]
    year: i64,
    /// 账本目录；不得正在运行 · Directory of the ledger; nobody may be serving it
    #[arg(long, value_name = "DIR")]
    dir: PathBuf,
    /// 截至时点：日期（当日终了）或 YYYY-MM-DDTHH:MM:SS+08:00；缺省为年度终了 · As of the end of a day, or of an instant; without it the end of the year
    #[arg(long, value_name = "INSTANT|DATE", value_parser = instant)]
    as_of: Option<i64>,
    /// 同时计算运行指标 O-1 … O-11 · Operational figures as well
    #[arg(long)]
    operational: bool,
    /// 以 JSON 输出 · Print JSON
    #[arg(long)]
    json: bool,
}

/// Computes figures; whether all agree with what was published, and every entry counts.
pub(crate) fn run(arguments: &Arguments) -> Result<bool> {
    let year_end = || Day::parse(&format!("{:04}-12-31", arguments.year)).map(Day::end);
    let as_of = arguments.as_of.or_else(year_end);
    let as_of = as_of.with_context(|| format!("no act can lie in the year {}", arguments.year))?;
    let Some(survey) = Survey::begin(&arguments.dir)? else { return Ok(false) };
    let name = survey.manifest.rule_set.as_str();
    let rules = RuleSet::named(name).with_context(|| format!("there is no rule set `{name}`"))?;
    let plan = Plan::new(Figures::embedded(), arguments.year, as_of, rules, arguments.operational)?;
    let (report, reading) = count(&survey, &plan, rules)?;
    let result = Figured { survey: &survey, rules: rules.name(), report, reading };
    if arguments.json {
        output::json(&result.to_json())?;
    } else {
        result.print();
    }
    Ok(result.is_good())
}

/// Feeds every chain to the tally of its thread, and puts the tallies together.
fn count(survey: &Survey, plan: &Plan, rules: &'static RuleSet) -> Result<(Report, Reading)> {
    let registry = survey.registry();
    let moment = Moment { as_of: plan.as_of(), known_at: None };
    let chains = output::progress(survey.chain_count(), "统计 figures");
    let take = |tally: &mut Tally<'_>, chain: &ReadChain| {
        let directory = registry.directory();
        tally.take(chain.id.0, &chain.history, directory, || judge(&chain.history, directory, rules, moment));
    };
    let states: Vec<Tally<'_>> = (0..survey::threads()).map(|_| plan.tally()).collect();
    let (tallies, reading) = survey.each(states, &take, &|done| chains.set_position(done))?;
    chains.finish_and_clear();
    let mut whole = plan.tally();
    for tally in tallies {
        whole.merge(tally);
    }
    Ok((whole.report(), reading))
}

/// What was computed, and from what.
struct Figured<'a> {
    survey: &'a Survey,
    rules: &'static str,
    report: Report,
    reading: Reading,
}

impl Figured<'_> {
    fn is_good(&self) -> bool {
        self.report.agrees() && self.reading.faulty() == 0
    }

    fn print(&self) {
        let (report, reading) = (&self.report, &self.reading);
        let (tree, checkpoint) = (&self.survey.tree, &self.survey.checkpoint);
        line(format!(
            "指标 {} 年 · figures of {}，口径 table {}",
            report.year,
            report.year,
            Figures::embedded().version()
        ));
        line(format!("  规则集 rule set {}，截至 as of {}", self.rules, format_instant(report.as_of)));
        line(format!("  账本 ledger {}", self.survey.manifest.origin));
        line(format!(
            "  检查点 checkpoint 大小 size {}，根 root {}：日志与之相符 extended by the log",
            checkpoint.size, checkpoint.root
        ));
        line(format!("  默克尔树 tree 大小 size {}，根 root {}", tree.size, tree.root));
        line(format!(
            "  条目 entries {}，链 chains {}；逐条验签，有效签名 signatures verified {}",
            reading.entries, reading.chains, reading.signatures
        ));
        let counts = report.counts;
        line(format!(
            "  计入 counted：行为 acts {}，链 chains {}；已撤销 withdrawn {}，截至时点之后 later {}",
            counts.acts, counts.chains, counts.withdrawn, counts.later
        ));
        line(format!(
            "  未计入 not counted：无法读取的行为 unreadable acts {}（未打开的部分 withheld parts {}），无效条目 faulty entries {}",
            reading.unread,
            reading.withheld,
            reading.faulty()
        ));
        if self.survey.is_torn {
            line("  注 崩溃留下的未确认批次不计 · what a crash left of an unacknowledged batch is not counted");
        }
        for fault in reading.faults.values() {
            line(format!("  ✗ {fault}"));
        }
        published(&report.rows);
        if !report.operational.is_empty() {
            operational(&report.operational);
        }
        let agree = report.rows.iter().filter(|row| row.agrees == Some(true)).count();
        let compared = report.rows.iter().filter(|row| row.agrees.is_some()).count();
        if compared == 0 {
            line(format!("{} 年没有公布值可供比对 · nothing was published of {}", report.year, report.year));
        } else {
            let mark = if agree == compared { "✓" } else { "✗" };
            line(format!("相符 agree {agree} / {compared} {mark}"));
        }
    }

    fn to_json(&self) -> Value {
        let (report, reading, survey) = (&self.report, &self.reading, self.survey);
        json!({
            "good": self.is_good(), "agrees": report.agrees(), "table": Figures::embedded().version(),
            "year": report.year, "rule_set": self.rules, "as_of": format_instant(report.as_of),
            "origin": survey.manifest.origin.as_str(),
            "checkpoint": {"size": survey.checkpoint.size.0, "root": survey.checkpoint.root.to_string()},
            "tree": {"size": survey.tree.size.0, "root": survey.tree.root.to_string()},
            "entries": reading.entries, "chains": reading.chains, "signatures": reading.signatures,
            "counted": {"acts": report.counts.acts, "chains": report.counts.chains,
                "withdrawn": report.counts.withdrawn, "later": report.counts.later},
            "not_counted": {"unreadable_acts": reading.unread, "withheld_parts": reading.withheld,
                "faulty_entries": reading.faulty, "faults": reading.faults.values().collect::<Vec<_>>()},
            "figures": report.rows.iter().map(row_json).collect::<Vec<_>>(),
            "operational": report.operational.iter().map(row_json).collect::<Vec<_>>(),
        })
    }
}

fn published(figures: &[Row]) {
    let head = ["编号", "指标", "单位", "公布值", "计算值", "判定", "期间"];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    rows.extend(figures.iter().map(|row| {
        let derived = if row.derived { "（推算）" } else { "" };
        let published = row.published.map_or_else(|| "—".to_owned(), |published| format!("{published}{derived}"));
        let verdict = row.agrees.map_or("—", |agrees| if agrees { "相符 ✓" } else { "不符 ✗" });
        let cells = [row.id, row.zh, row.unit, &published, &row.computed, verdict, &periods(row)];
        cells.map(str::to_owned).to_vec()
    }));
    table(&rows).into_iter().for_each(line);
}

fn operational(figures: &[Row]) {
    line("运行指标 · operational figures");
    let head = ["编号", "指标", "单位", "计算值", "由", "期间"];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    for row in figures {
        let exact = row.exact.map_or_else(
            || "—".to_owned(),
            |exact| {
                if exact.denominator == 1 {
                    exact.numerator.to_string()
                } else {
                    format!("{} / {}", exact.numerator, exact.denominator)
                }
            },
        );
        let title = format!("{} · {}", row.zh, row.en.unwrap_or_default());
        let cells = [row.id, &title, row.unit, &row.computed, &exact, &periods(row)];
        rows.push(cells.map(str::to_owned).to_vec());
        for part in &row.parts {
            let title = format!("  其中 {} {}", part.code.as_deref().unwrap_or("—"), part.zh.unwrap_or("未说明"));
            rows.push(vec![String::new(), title, String::new(), String::new(), part.count.to_string()]);
        }
    }
    table(&rows).into_iter().for_each(line);
}

fn periods(row: &Row) -> String {
    row.periods.iter().map(period).collect::<Vec<_>>().join(" / ")
}

fn period(period: &Period) -> String {
    period.from.map_or_else(|| format!("至 {}", period.to), |from| format!("{from} 至 {}", period.to))
}

fn row_json(row: &Row) -> Value {
    let parts = row.parts.iter().map(|part| json!({"code": part.code, "zh": part.zh, "count": part.count}));
    json!({
        "id": row.id, "zh": row.zh, "en": row.en, "unit": row.unit,
        "periods": row.periods.iter().map(|period| json!({"from": period.from, "to": period.to})).collect::<Vec<_>>(),
        "published": row.published, "derived": row.derived, "computed": row.computed,
        // Whole numbers that a reader who keeps numbers as doubles would lose digits of.
        "exact": row.exact.map(|exact| json!({"numerator": exact.numerator.to_string(), "denominator": exact.denominator.to_string()})),
        "check": row.check.map(|check| check.name()), "expected": row.expected, "agrees": row.agrees,
        "parts": parts.collect::<Vec<_>>(),
    })
}

/// A day means its end.
fn instant(text: &str) -> Result<i64> {
    match Day::parse(text).map(Day::end).or_else(|| parse_instant(text)) {
        Some(instant) => Ok(instant),
        None => bail!("`{text}` is neither YYYY-MM-DD nor YYYY-MM-DDTHH:MM:SS+08:00"),
    }
}
