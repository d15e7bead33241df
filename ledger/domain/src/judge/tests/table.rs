//! Small histories as text: one act a line, `date [time] agency role event {data}`, numbered from 1.

use serde_json::{Map, Value as Json, json};

use super::{directory, fixture};
use crate::{
    calendar::Day,
    case::{Case, StepNumber},
    directory::Directory,
    judge::{Judgement, Moment, judge},
    rules::RuleSet,
};

/// Judges a history as of the end of a day.
pub(super) fn judged(as_of: &str, acts: &str) -> Judgement {
    judged_by(fixture(), &directory(), as_of, acts)
}

/// Judges a history as of the end of a day, with these agencies and signers.
pub(super) fn judged_among(directory: &Directory, as_of: &str, acts: &str) -> Judgement {
    judged_by(fixture(), directory, as_of, acts)
}

/// Judges a history by another rule set than that of the cases.
pub(super) fn judged_by(rules: &'static RuleSet, directory: &Directory, as_of: &str, acts: &str) -> Judgement {
    let case = case(as_of, acts);
    let history = case.history(&StepNumber::event_id).unwrap();
    judge(&history, directory, rules, Moment::end_of(Day::parse(as_of).unwrap()))
}

/// Runs of clocks, one a line: `id start→due state days (opened…ended)`.
pub(super) fn clocks(judgement: &Judgement) -> Vec<String> {
    let found = judgement.as_expectation(&step_of);
    let step = |step: Option<StepNumber>| step.map_or_else(|| "-".to_owned(), |step| step.to_string());
    let lines = found.clocks.iter().map(|clock| {
        let due = clock.due.as_deref().unwrap_or("none");
        let steps = format!("{}…{}", step(clock.start_step), step(clock.end_step));
        format!("{} {}→{due} {} {} ({steps})", clock.id, clock.start, clock.state, clock.days_late)
    });
    lines.collect()
}

/// The lines of some clocks only.
pub(super) fn clocks_of(judgement: &Judgement, id: &str) -> Vec<String> {
    clocks(judgement).into_iter().filter(|line| line.split(' ').next() == Some(id)).collect()
}

/// Findings, one a line: `code step agency [clock] [days] severity [cleared by n]`.
pub(super) fn findings(judgement: &Judgement) -> Vec<String> {
    let found = judgement.as_expectation(&step_of);
    let lines = found.findings.iter().zip(&judgement.findings).map(|(written, finding)| {
        let mut words = vec![written.code.clone()];
        words.extend(written.step.map(|step| step.to_string()));
        words.extend(written.agency.clone());
        words.extend(written.clock.clone());
        words.extend(written.days_late.map(|days| format!("+{days}")));
        words.push(written.severity.clone());
        if !finding.reasons.is_empty() {
            words.push(finding.reasons.join(","));
        }
        words.extend(written.cleared_step.map(|step| format!("cleared by {step}")));
        words.join(" ")
    });
    lines.collect()
}

/// The lines of one code only.
pub(super) fn findings_of(judgement: &Judgement, code: &str) -> Vec<String> {
    findings(judgement).into_iter().filter(|line| line.split(' ').next() == Some(code)).collect()
}

/// Leads, one a line: `agency from…to`.
pub(super) fn leads(judgement: &Judgement) -> Vec<String> {
    let to = |to: Option<u64>| to.map_or_else(String::new, |to| (to + 1).to_string());
    judgement.leads.iter().map(|lead| format!("{} {}…{}", lead.agency, lead.from + 1, to(lead.to))).collect()
}

/// Handoffs, one a line: `proposal answer [answered] +days`.
pub(super) fn handoffs(judgement: &Judgement) -> Vec<String> {
    let lines = judgement.handoffs.iter().map(|handoff| {
        let answered = handoff.answered.map_or_else(|| "-".to_owned(), |answered| (answered + 1).to_string());
        format!("{} {} {answered} +{}", handoff.proposal + 1, handoff.answer.code(), handoff.days_late)
    });
    lines.collect()
}

fn step_of(revision: u64) -> Option<StepNumber> {
    u32::try_from(revision + 1).ok().map(StepNumber::from)
}

pub(crate) fn case(as_of: &str, acts: &str) -> Case {
    numbered(1, as_of, acts)
}

/// A history whose acts are numbered from another number than 1, so that their event ids are theirs alone.
pub(super) fn numbered(first: u32, as_of: &str, acts: &str) -> Case {
    let steps: Vec<Json> = acts.lines().map(str::trim).filter(|line| !line.is_empty()).zip(first..).map(step).collect();
    let case = json!({
        "case": "T", "title_zh": "例", "title_en": "example", "chain": "JF3602032024030400017", "division": "360203",
        "rule_set": "cn-2024-fixture", "calendar": "calendar_cn.json", "as_of": as_of, "parties": [], "steps": steps,
        "expect": {"leads": [], "handoffs": [], "clocks": [], "obligations": [], "findings": [], "outcome": null},
    });
    Case::parse(&case.to_string()).unwrap()
}

/// Keys of the data that start with `@` belong to the header, `@time` and `@signer` to the step.
fn step((line, n): (&str, u32)) -> Json {
    let (words, data) = line.split_at(line.find('{').unwrap_or(line.len()));
    let data = if data.is_empty() { "{}" } else { data };
    let mut words = words.split_whitespace();
    let mut word = || words.next().unwrap_or_else(|| panic!("{line}"));
    let (date, agency, role, event) = (word(), word(), word(), word());
    let data: Map<String, Json> = serde_json::from_str(data).unwrap_or_else(|error| panic!("{line}: {error}"));
    let signer = format!("{agency}/{role}-1");
    let mut step = json!({
        "n": n, "date": date, "event": event, "agency": agency, "role": role, "signer": signer, "causes": [],
    });
    let (header, data): (Map<String, Json>, Map<String, Json>) =
        data.into_iter().partition(|(key, _)| key.starts_with('@'));
    let object = step.as_object_mut().unwrap();
    object.insert("data".to_owned(), Json::Object(data));
    object.extend(header.into_iter().map(|(key, value)| (key.trim_start_matches('@').to_owned(), value)));
    step
}
