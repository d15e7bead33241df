//! `mediation figures --agencies`: the agencies side by side.

use std::sync::Arc;

use anyhow::{Context as _, Result};
use mediation_desk::figures::compared;
use mediation_domain::{
    calendar::{Day, format_instant},
    figures::Comparison,
    judge::{Moment, judge},
};
use mediation_gateway::sheet::{self, Tongue};
use mediation_ledger::registry::Registry;
use mediation_proto::mediation::ledger::v1::{
    AgencyFigures, CompareAgenciesRequest, CompareAgenciesResponse, FigureExact,
};
use serde_json::{Value, json};

use super::{
    Arguments, day_of, each, rules_of,
    sources::{Directory, Sources},
};
use crate::{
    output::{self, line, table, to_the_right},
    survey::{ReadChain, Survey},
    view::name,
};

/// Compares agencies, or asks for it; whether every entry counts.
pub(super) async fn run(arguments: Arguments) -> Result<bool> {
    let year = arguments.year;
    let days = arguments.from.or_else(|| day_of(year, "01-01")).zip(arguments.to.or_else(|| day_of(year, "12-31")));
    let days = days.with_context(|| format!("no act can lie in the year {year}"))?;
    let as_of = arguments.as_of.unwrap_or_else(|| days.1.end());
    let result = match &arguments.ledger {
        Some(_) => Some(asked(days, as_of, &arguments).await?),
        None => computed(days, as_of, &arguments)?,
    };
    let Some(result) = result else { return Ok(false) };
    if arguments.json {
        output::json(&result.to_json())?;
    } else if arguments.files.are_wanted() {
        arguments.files.write(&sheet::compared(&result.answer, &result.registry, Tongue::Chinese))?;
    } else {
        result.print();
    }
    Ok(result.sources.is_good())
}

/// As a served ledger counts them.
async fn asked((from, to): (Day, Day), as_of: i64, arguments: &Arguments) -> Result<Compared> {
    let (client, registry) = arguments.access()?.connect().await?;
    let [from, to, as_of] = [from.to_string(), to.to_string(), format_instant(as_of)].map(Some);
    let (answer, checkpoint) = client.compare_agencies(CompareAgenciesRequest { from, to, as_of }).await?;
    let sources = Sources::new(answer.counted, answer.not_counted.clone(), checkpoint, None);
    Ok(Compared { answer, registry: Arc::new(registry), sources })
}

/// From a directory that nobody serves; none when it is damaged.
fn computed((from, to): (Day, Day), as_of: i64, arguments: &Arguments) -> Result<Option<Compared>> {
    let Some(survey) = Survey::begin(&arguments.dir)? else { return Ok(None) };
    let (rules, registry) = (rules_of(&survey)?, survey.registry());
    let moment = Moment { as_of, known_at: None };
    let take = |comparison: &mut Comparison, chain: &ReadChain| {
        let directory = registry.directory();
        comparison.take(&chain.history, directory, || judge(&chain.history, directory, rules, moment));
    };
    let mut whole = Comparison::new(from, to, as_of);
    let (comparisons, reading) = each(&survey, &|| Comparison::new(from, to, as_of), &take)?;
    for comparison in comparisons {
        whole.merge(comparison);
    }
    let answer = compared(&whole, &reading.counts, rules.name(), String::new());
    let directory = Some(Directory::of(&survey, &reading));
    let sources = Sources::new(answer.counted, answer.not_counted.clone(), survey.checkpoint, directory);
    Ok(Some(Compared { answer, registry, sources }))
}

/// What was computed, and from what.
struct Compared {
    answer: CompareAgenciesResponse,
    registry: Arc<Registry>,
    sources: Sources,
}

impl Compared {
    fn print(&self) {
        let CompareAgenciesResponse { rule_set, from, to, as_of, agencies, .. } = &self.answer;
        line(format!("机构比较 {from} 至 {to} · agencies compared"));
        line(format!("  规则集 rule set {rule_set}，截至 as of {as_of}"));
        self.sources.print();
        if agencies.is_empty() {
            line("期间内没有可比较的行为 · nothing lies in the period");
            return;
        }
        let head = [
            "机构",
            "参与链",
            "首办链",
            "行为",
            "收到移送",
            "按期",
            "逾期",
            "未答",
            "期限守",
            "期限违",
            "严重",
            "较重",
            "轻微",
            "提示",
            "结案",
            "中位天数",
        ];
        let mut rows = vec![head.map(str::to_owned).to_vec()];
        rows.extend(agencies.iter().map(|agency| self.row(agency)));
        to_the_right(&mut rows, &(1..head.len()).collect::<Vec<_>>());
        table(&rows).into_iter().for_each(line);
    }

    fn row(&self, agency: &AgencyFigures) -> Vec<String> {
        let (handoffs, findings) = (agency.handoffs.unwrap_or_default(), agency.findings.unwrap_or_default());
        let numbers = [
            agency.chains,
            agency.led,
            agency.acts,
            handoffs.received,
            handoffs.in_time,
            handoffs.late,
            handoffs.unanswered,
            agency.clocks_met,
            agency.clocks_broken,
            findings.critical,
            findings.major,
            findings.minor,
            findings.observations,
            agency.closed,
        ];
        let median = agency.median_days_to_close.as_ref().map_or_else(|| "—".to_owned(), sheet::days);
        let numbers = numbers.iter().map(u64::to_string);
        std::iter::once(name(&agency.agency, &self.registry)).chain(numbers).chain([median]).collect()
    }

    fn to_json(&self) -> Value {
        let CompareAgenciesResponse { rule_set, from, to, as_of, agencies, .. } = &self.answer;
        self.sources.to_json(json!({
            "good": self.sources.is_good(), "rule_set": rule_set, "from": from, "to": to, "as_of": as_of,
            "agencies": agencies.iter().map(|agency| row_json(agency, &self.registry)).collect::<Vec<_>>(),
        }))
    }
}

fn row_json(agency: &AgencyFigures, registry: &Registry) -> Value {
    let (handoffs, findings) = (agency.handoffs.unwrap_or_default(), agency.findings.unwrap_or_default());
    let exact = |exact: &FigureExact| json!({"numerator": exact.numerator, "denominator": exact.denominator});
    json!({
        "agency": agency.agency, "name": name(&agency.agency, registry),
        "chains": agency.chains, "led": agency.led, "acts": agency.acts,
        "handoffs": {"received": handoffs.received, "in_time": handoffs.in_time, "late": handoffs.late,
            "unanswered": handoffs.unanswered, "open": handoffs.open, "recalled": handoffs.recalled},
        "clocks": {"met": agency.clocks_met, "broken": agency.clocks_broken},
        "findings": {"critical": findings.critical, "major": findings.major, "minor": findings.minor,
            "observations": findings.observations},
        "closed": agency.closed, "median_days_to_close": agency.median_days_to_close.as_ref().map(exact),
    })
}
