//! `mediation figures`: the figures of a year, or the agencies side by side, from the log alone: of a directory that nobody serves,
//! or as a served ledger counts them.

mod agencies;
mod sources;

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
use mediation_gateway::sheet::{self, Tongue};
use mediation_proto::mediation::ledger::v1::{Figure, FigurePeriod, GetFiguresRequest, GetFiguresResponse};
use serde_json::{Value, json};

use self::sources::{Directory, Sources};
use crate::{
    access::Access,
    output::{self, line, table},
    spreadsheet::Files,
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
    #[arg(long, conflicts_with = "agencies")]
    operational: bool,
    /// 机构比较：各机构的参与、移送答复、期限、审计发现 · Agencies side by side instead: what each did, its answers to handoffs, its limits
    #[arg(long)]
    agencies: bool,
    /// 机构比较的首日，缺省为年度首日 · First day of the comparison; the first of the year without it
    #[arg(long, value_name = "DATE", value_parser = day, requires = "agencies")]
    from: Option<Day>,
    /// 机构比较的末日，缺省为年度末日 · Last day of the comparison; the last of the year without it
    #[arg(long, value_name = "DATE", value_parser = day, requires = "agencies")]
    to: Option<Day>,
    /// 以 JSON 输出 · Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    files: Files,
}

/// Computes figures, or asks for them; whether all agree with what was published, and every entry counts.
pub(crate) async fn run(arguments: Arguments) -> Result<bool> {
    if arguments.agencies {
        return agencies::run(arguments).await;
    }
    let as_of = arguments.as_of.or_else(|| day_of(arguments.year, "12-31").map(Day::end));
    let as_of = as_of.with_context(|| format!("no act can lie in the year {}", arguments.year))?;
    let result = match &arguments.ledger {
        Some(_) => Some(asked(as_of, &arguments).await?),
        None => computed(as_of, &arguments)?,
    };
    let Some(result) = result else { return Ok(false) };
    if arguments.json {
        output::json(&result.to_json())?;
    } else if arguments.files.are_wanted() {
        arguments.files.write(&sheet::figures(&result.answer, Tongue::Chinese))?;
    } else {
        result.print();
    }
    Ok(result.is_good())
}

/// As a served ledger counts them.
async fn asked(as_of: i64, arguments: &Arguments) -> Result<Figured> {
    let (client, _) = arguments.access()?.connect().await?;
    let year = Some(u32::try_from(arguments.year)?);
    let as_of = Some(format_instant(as_of));
    let wanted = GetFiguresRequest { year, as_of, operational: arguments.operational };
    let (answer, checkpoint) = client.figures(wanted).await?;
    let sources = Sources::new(answer.counted, answer.not_counted.clone(), checkpoint, None);
    Ok(Figured { answer, sources })
}

/// From a directory that nobody serves; none when it is damaged.
fn computed(as_of: i64, arguments: &Arguments) -> Result<Option<Figured>> {
    let Some(survey) = Survey::begin(&arguments.dir)? else { return Ok(None) };
    let rules = rules_of(&survey)?;
    let plan = Plan::new(Figures::embedded(), arguments.year, as_of, rules, arguments.operational)?;
    let (report, reading) = count(&survey, &plan, rules)?;
    let answer = message(&report, &reading.counts, rules.name(), String::new());
    let directory = Some(Directory::of(&survey, &reading));
    let sources = Sources::new(answer.counted, answer.not_counted.clone(), survey.checkpoint, directory);
    Ok(Some(Figured { answer, sources }))
}

fn rules_of(survey: &Survey) -> Result<&'static RuleSet> {
    let name = survey.manifest.rule_set.as_str();
    RuleSet::named(name).with_context(|| format!("there is no rule set `{name}`"))
}

/// Feeds every chain to the tally of its thread, and puts the tallies together.
fn count(survey: &Survey, plan: &Plan, rules: &'static RuleSet) -> Result<(Report, Reading)> {
    let registry = survey.registry();
    let moment = Moment { as_of: plan.as_of(), known_at: None };
    let take = |tally: &mut Tally<'_>, chain: &ReadChain| {
        let directory = registry.directory();
        tally.take(chain.id.0, &chain.history, directory, || judge(&chain.history, directory, rules, moment));
    };
    let (tallies, reading) = each(survey, &|| plan.tally(), &take)?;
    let mut whole = plan.tally();
    for tally in tallies {
        whole.merge(tally);
    }
    Ok((whole.report(), reading))
}

/// Reads every chain, on every core; `take` is given what its thread has counted so far.
fn each<S: Send>(
    survey: &Survey,
    nothing: &dyn Fn() -> S,
    take: &(dyn Fn(&mut S, &ReadChain) + Sync),
) -> Result<(Vec<S>, Reading)> {
    let chains = output::progress(survey.chain_count(), "统计 figures");
    let states = (0..survey::threads()).map(|_| nothing()).collect();
    let counted = survey.each(states, take, &|done| chains.set_position(done))?;
    chains.finish_and_clear();
    Ok(counted)
}

/// What was computed, and from what.
struct Figured {
    answer: GetFiguresResponse,
    sources: Sources,
}

impl Figured {
    fn is_good(&self) -> bool {
        self.agrees() && self.sources.is_good()
    }

    fn agrees(&self) -> bool {
        self.answer.figures.iter().all(|row| row.agrees != Some(false))
    }

    fn print(&self) {
        let GetFiguresResponse { table, year, rule_set, as_of, figures, operational: more, .. } = &self.answer;
        line(format!("指标 {year} 年 · figures of {year}，口径 table {table}"));
        line(format!("  规则集 rule set {rule_set}，截至 as of {as_of}"));
        self.sources.print();
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

    fn to_json(&self) -> Value {
        let answer = &self.answer;
        self.sources.to_json(json!({
            "good": self.is_good(), "agrees": self.agrees(), "table": answer.table,
            "year": answer.year, "rule_set": answer.rule_set, "as_of": answer.as_of,
            "figures": answer.figures.iter().map(row_json).collect::<Vec<_>>(),
            "operational": answer.operational.iter().map(row_json).collect::<Vec<_>>(),
        }))
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

impl Arguments {
    /// The way to the served ledger.
    fn access(&self) -> Result<Access> {
        let ledger = self.ledger.clone().context("no ledger is asked")?;
        Ok(Access { ledger, dir: self.dir.clone(), agency: self.agency.clone() })
    }
}

fn day_of(year: i64, month_and_day: &str) -> Option<Day> {
    Day::parse(&format!("{year:04}-{month_and_day}"))
}

fn day(text: &str) -> Result<Day> {
    Day::parse(text).with_context(|| format!("`{text}` is no day, YYYY-MM-DD"))
}

/// A day means its end.
fn instant(text: &str) -> Result<i64> {
    match Day::parse(text).map(Day::end).or_else(|| parse_instant(text)) {
        Some(instant) => Ok(instant),
        None => bail!("`{text}` is neither YYYY-MM-DD nor YYYY-MM-DDTHH:MM:SS+08:00"),
    }
}
