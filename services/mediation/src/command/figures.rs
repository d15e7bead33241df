//! `mediation figures`: the figures of a year, from the log alone: of a directory that nobody serves, or as a served ledger counts
//! them.

use std::path::PathBuf;

use anyhow::{Context as _, Result, bail};
use clap::Args;
use mediation_desk::figures::message;
use mediation_domain::{
    calendar::{Day, format_instant, parse_instant},
    figures::{Figures, Plan, Report, Tally},
    judge::{Moment, judge},
    rules::RuleSet,
};
use mediation_ledger::{
    checkpoint::Checkpoint,
    merkle::{Hash, TreeSize},
    verify::TreeHead,
};
use mediation_proto::mediation::ledger::v1::{
    Figure, FigurePeriod, FiguresCounted, FiguresNotCounted, GetFiguresRequest, GetFiguresResponse,
};
use serde_json::{Value, json};

use crate::{
    access::Access,
    output::{self, line, table},
    survey::{self, ReadChain, Reading, Survey},
};

/// `mediation figures`
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// 统计年度 · Year that is reported
    #[arg(long, value_name = "YEAR")]
    year: i64,
    /// 账本目录；不用 --ledger 时不得正在运行 · Directory of the ledger; with --ledger only certificates and trust file are taken from it, without it nobody may be serving it
    #[arg(long, value_name = "DIR")]
    dir: PathBuf,
    /// 运行中账本的地址；缺省则直接读取目录 · Address of a served ledger; without it the directory is read
    #[arg(long, value_name = "ADDR")]
    ledger: Option<String>,
    /// 以何机构身份连接（审计或综治中心） · Agency to call as, the audit or a governance center
    #[arg(long, value_name = "ID", requires = "ledger")]
    agency: Option<String>,
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

/// Computes figures, or asks for them; whether all agree with what was published, and every entry counts.
pub(crate) async fn run(arguments: Arguments) -> Result<bool> {
    let year_end = || Day::parse(&format!("{:04}-12-31", arguments.year)).map(Day::end);
    let as_of = arguments.as_of.or_else(year_end);
    let as_of = as_of.with_context(|| format!("no act can lie in the year {}", arguments.year))?;
    let json = arguments.json;
    let result = match arguments.ledger.clone() {
        Some(ledger) => Some(asked(ledger, as_of, arguments).await?),
        None => computed(as_of, &arguments)?,
    };
    let Some(result) = result else { return Ok(false) };
    if json {
        output::json(&result.to_json())?;
    } else {
        result.print();
    }
    Ok(result.is_good())
}

/// As a served ledger counts them.
async fn asked(ledger: String, as_of: i64, arguments: Arguments) -> Result<Figured> {
    let access = Access { ledger, dir: arguments.dir, agency: arguments.agency };
    let (client, _) = access.connect().await?;
    let year = Some(u32::try_from(arguments.year)?);
    let as_of = Some(format_instant(as_of));
    let wanted = GetFiguresRequest { year, as_of, operational: arguments.operational };
    let (answer, checkpoint) = client.figures(wanted).await?;
    Ok(Figured { answer, checkpoint, directory: None })
}

/// From a directory that nobody serves; none when it is damaged.
fn computed(as_of: i64, arguments: &Arguments) -> Result<Option<Figured>> {
    let Some(survey) = Survey::begin(&arguments.dir)? else { return Ok(None) };
    let name = survey.manifest.rule_set.as_str();
    let rules = RuleSet::named(name).with_context(|| format!("there is no rule set `{name}`"))?;
    let plan = Plan::new(Figures::embedded(), arguments.year, as_of, rules, arguments.operational)?;
    let (report, reading) = count(&survey, &plan, rules)?;
    let faults = reading.faults.values().cloned().collect();
    let directory = Directory { tree: survey.tree, is_torn: survey.is_torn, faults };
    let answer = message(&report, &reading.counts, rules.name(), String::new());
    Ok(Some(Figured { answer, checkpoint: survey.checkpoint, directory: Some(directory) }))
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
struct Figured {
    answer: GetFiguresResponse,
    checkpoint: Checkpoint,
    /// Where it was computed here.
    directory: Option<Directory>,
}

/// What was found of a directory.
struct Directory {
    tree: TreeHead,
    is_torn: bool,
    faults: Vec<String>,
}

impl Figured {
    fn is_good(&self) -> bool {
        self.agrees() && self.not_counted().faulty.is_empty()
    }

    fn agrees(&self) -> bool {
        self.answer.figures.iter().all(|row| row.agrees != Some(false))
    }

    fn counted(&self) -> FiguresCounted {
        self.answer.counted.unwrap_or_default()
    }

    fn not_counted(&self) -> FiguresNotCounted {
        self.answer.not_counted.clone().unwrap_or_default()
    }

    fn print(&self) {
        let GetFiguresResponse { table, year, rule_set, as_of, figures, operational: more, .. } = &self.answer;
        line(format!("指标 {year} 年 · figures of {year}，口径 table {table}"));
        line(format!("  规则集 rule set {rule_set}，截至 as of {as_of}"));
        line(format!("  账本 ledger {}", self.checkpoint.origin));
        self.print_sources();
        published(figures);
        if !more.is_empty() {
            operational(more);
        }
        let agree = figures.iter().filter(|row| row.agrees == Some(true)).count();
        let compared = figures.iter().filter(|row| row.agrees.is_some()).count();
        if compared == 0 {
            line(format!("{year} 年没有公布值可供比对 · nothing was published of {year}"));
        } else {
            let mark = if agree == compared { "✓" } else { "✗" };
            line(format!("相符 agree {agree} / {compared} {mark}"));
        }
    }

    /// From what it was counted, and what was not.
    fn print_sources(&self) {
        let (counted, not_counted, checkpoint) = (self.counted(), self.not_counted(), &self.checkpoint);
        let head = format!("  检查点 checkpoint 大小 size {}，根 root {}", checkpoint.size, checkpoint.root);
        match &self.directory {
            Some(Directory { tree, .. }) => {
                line(format!("{head}：日志与之相符 extended by the log"));
                line(format!("  默克尔树 tree 大小 size {}，根 root {}", tree.size, tree.root));
            }
            None => line(format!("{head}：签名有效；由账本自行统计 signed; counted by the ledger itself")),
        }
        line(format!(
            "  条目 entries {}，链 chains {}；逐条验签，有效签名 signatures verified {}",
            counted.entries, counted.chains_read, counted.signatures
        ));
        line(format!(
            "  计入 counted：行为 acts {}，链 chains {}；已撤销 withdrawn {}，截至时点之后 later {}",
            counted.acts, counted.chains, not_counted.withdrawn, not_counted.later
        ));
        let faulty: u64 = not_counted.faulty.iter().map(|faulty| faulty.entries).sum();
        line(format!(
            "  未计入 not counted：无法读取的行为 unreadable acts {}（未打开的部分 withheld parts {}），无效条目 faulty entries {faulty}",
            not_counted.unreadable_acts, not_counted.withheld_parts,
        ));
        let Some(directory) = &self.directory else { return };
        if directory.is_torn {
            line("  注 崩溃留下的未确认批次不计 · what a crash left of an unacknowledged batch is not counted");
        }
        for fault in &directory.faults {
            line(format!("  ✗ {fault}"));
        }
    }

    fn to_json(&self) -> Value {
        let (answer, counted, not_counted) = (&self.answer, self.counted(), self.not_counted());
        let faulty = not_counted.faulty.iter().map(|faulty| (faulty.code.clone(), json!(faulty.entries)));
        let head = |size: TreeSize, root: Hash| json!({"size": size.0, "root": root.to_string()});
        json!({
            "good": self.is_good(), "agrees": self.agrees(), "table": answer.table,
            "year": answer.year, "rule_set": answer.rule_set, "as_of": answer.as_of,
            "origin": self.checkpoint.origin.as_str(),
            "checkpoint": head(self.checkpoint.size, self.checkpoint.root),
            "tree": self.directory.as_ref().map(|directory| head(directory.tree.size, directory.tree.root)),
            "entries": counted.entries, "chains": counted.chains_read, "signatures": counted.signatures,
            "counted": {"acts": counted.acts, "chains": counted.chains,
                "withdrawn": not_counted.withdrawn, "later": not_counted.later},
            "not_counted": {"unreadable_acts": not_counted.unreadable_acts, "withheld_parts": not_counted.withheld_parts,
                "faulty_entries": faulty.collect::<serde_json::Map<String, Value>>(),
                "faults": self.directory.as_ref().map(|directory| &directory.faults)},
            "figures": answer.figures.iter().map(row_json).collect::<Vec<_>>(),
            "operational": answer.operational.iter().map(row_json).collect::<Vec<_>>(),
        })
    }
}

fn published(figures: &[Figure]) {
    let head = ["编号", "指标", "单位", "公布值", "计算值", "判定", "期间"];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    rows.extend(figures.iter().map(|row| {
        let derived = if row.derived { "（推算）" } else { "" };
        let published =
            row.published.as_ref().map_or_else(|| "—".to_owned(), |published| format!("{published}{derived}"));
        let verdict = row.agrees.map_or("—", |agrees| if agrees { "相符 ✓" } else { "不符 ✗" });
        let cells = [row.id.as_str(), &row.zh, &row.unit, &published, &row.computed, verdict, &periods(row)];
        cells.map(str::to_owned).to_vec()
    }));
    table(&rows).into_iter().for_each(line);
}

fn operational(figures: &[Figure]) {
    line("运行指标 · operational figures");
    let head = ["编号", "指标", "单位", "计算值", "由", "期间"];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    for row in figures {
        let exact = match &row.exact {
            None => "—".to_owned(),
            Some(exact) if exact.denominator == "1" => exact.numerator.clone(),
            Some(exact) => format!("{} / {}", exact.numerator, exact.denominator),
        };
        let title = format!("{} · {}", row.zh, row.en.as_deref().unwrap_or_default());
        let cells = [row.id.as_str(), &title, &row.unit, &row.computed, &exact, &periods(row)];
        rows.push(cells.map(str::to_owned).to_vec());
        for part in &row.parts {
            let title =
                format!("  其中 {} {}", part.code.as_deref().unwrap_or("—"), part.zh.as_deref().unwrap_or("未说明"));
            rows.push(vec![String::new(), title, String::new(), String::new(), part.count.to_string()]);
        }
    }
    table(&rows).into_iter().for_each(line);
}

fn periods(row: &Figure) -> String {
    row.periods.iter().map(period).collect::<Vec<_>>().join(" / ")
}

fn period(period: &FigurePeriod) -> String {
    period.from.as_ref().map_or_else(|| format!("至 {}", period.to), |from| format!("{from} 至 {}", period.to))
}

fn row_json(row: &Figure) -> Value {
    let parts = row.parts.iter().map(|part| json!({"code": part.code, "zh": part.zh, "count": part.count}));
    json!({
        "id": row.id, "zh": row.zh, "en": row.en, "unit": row.unit,
        "periods": row.periods.iter().map(|period| json!({"from": period.from, "to": period.to})).collect::<Vec<_>>(),
        "published": row.published, "derived": row.derived, "computed": row.computed,
        // Whole numbers that a reader who keeps numbers as doubles would lose digits of.
        "exact": row.exact.as_ref().map(|exact| json!({"numerator": exact.numerator, "denominator": exact.denominator})),
        "check": row.check, "expected": row.expected, "agrees": row.agrees,
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
