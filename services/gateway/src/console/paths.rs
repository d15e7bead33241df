//! The legal paths of the four dockings (法治路径图), drawn from the rule data; a chain may be laid on one.

use std::{collections::BTreeMap, sync::Arc};

use askama::Template;
use axum::{
    extract::{Query, State},
    http::HeaderMap,
};
use mediation_client::VerifiedChain;
use mediation_domain::{
    calendar::Day,
    catalogue,
    clocks::{Clock, arithmetic::Unit},
    dockings::{Docking, Step, dockings},
    rules::RuleSet,
};
use serde::Deserialize;

use super::{
    Console, Office, Page,
    chain::chain_id,
    failure::Failure,
    frame::{Frame, Tongue, page},
};

#[derive(Template)]
#[template(path = "paths.html")]
struct PathsPage {
    frame: Frame,
    dockings: Vec<(String, String)>,
    id: String,
    name: String,
    source: String,
    chain: String,
    rule_set: String,
    steps: Vec<StepRow>,
}

struct StepRow {
    number: usize,
    actor: String,
    events: Vec<EventRow>,
    documents: String,
    check: String,
    clocks: Vec<ClockRow>,
    is_done: bool,
}

struct EventRow {
    name: String,
    /// Acts of the chain that are this event: revision and day.
    done: Vec<(u64, String)>,
}

struct ClockRow {
    id: String,
    name: String,
    term: String,
    article: String,
}

/// Which path, and which chain on it. Forms send empty fields.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Asked {
    docking: String,
    chain: String,
}

type Done<'a> = BTreeMap<&'a str, Vec<(u64, String)>>;

/// The page.
pub(super) async fn show<E: Office>(
    State(console): State<Arc<Console<E>>>,
    Query(asked): Query<Asked>,
    headers: HeaderMap,
) -> Page {
    let visitor = console.visitor(&headers)?;
    let t = visitor.tongue;
    let wanted = dockings().iter().find(|docking| docking.id == asked.docking);
    let Some(docking) = wanted.or_else(|| dockings().first().filter(|_| asked.docking.is_empty())) else {
        return Err(Failure::Malformed("没有这种对接。", "There is no such docking."));
    };
    let name = asked.chain.trim().to_ascii_lowercase();
    let chain = if name.is_empty() {
        None
    } else {
        let id = chain_id(&visitor, &name)?.to_string();
        Some(visitor.seat.client.verified_chain(&id, None, &visitor.registry).await?)
    };
    let rule_set = chain.as_ref().map(|chain| chain.judgement.rule_set.as_str()).and_then(RuleSet::named);
    let Some(rules) = rule_set.or_else(|| RuleSet::all().first()) else {
        return Err(Failure::Broken("there is no rule set".to_owned()));
    };
    let done = chain.as_ref().map(done).unwrap_or_default();
    let steps = (1..).zip(&docking.steps).map(|(number, step)| step_row(number, step, rules, &done, t)).collect();
    let title = t.say("法治路径图", "Legal paths").to_owned();
    page(&PathsPage {
        frame: Frame::of(
            &visitor,
            "paths",
            title,
            format!("/paths?docking={}&chain={name}", docking.id),
            console.today(),
        ),
        dockings: dockings().iter().map(|docking| (docking.id.clone(), named(docking, t))).collect(),
        id: docking.id.clone(),
        name: named(docking, t),
        source: docking.source.clone(),
        chain: name,
        rule_set: t.say(rules.zh(), rules.en()).to_owned(),
        steps,
    })
}

fn named(docking: &Docking, t: Tongue) -> String {
    t.say(&docking.zh, &docking.en).to_owned()
}

/// Acts of a chain by the names of their events.
fn done(chain: &VerifiedChain) -> Done<'_> {
    let mut done = Done::new();
    for (_, entry) in &chain.entries {
        let event = entry.outcome.as_ref().ok().and_then(|recorded| recorded.act.event());
        let existence = chain.told.get(&entry.revision).and_then(|told| told.existence.as_ref());
        let event = event.map(|(kind, _)| kind.event).or_else(|| existence.map(|existence| existence.event.as_str()));
        let day = entry.statement.as_ref().map(|statement| Day::of(statement.occurred_at).to_string());
        if let Some(event) = event {
            done.entry(event).or_default().push((entry.revision.0, day.unwrap_or_default()));
        }
    }
    done
}

fn step_row(number: usize, step: &Step, rules: &RuleSet, done: &Done<'_>, t: Tongue) -> StepRow {
    let event = |name: &String| EventRow {
        name: catalogue::event(name).map_or_else(|| name.clone(), |row| t.say(&row.zh, row.event).to_owned()),
        done: done.get(name.as_str()).cloned().unwrap_or_default(),
    };
    let events: Vec<EventRow> = step.events.iter().map(event).collect();
    StepRow {
        number,
        actor: t.say(&step.actor_zh, &step.actor_en).to_owned(),
        is_done: events.iter().any(|event| !event.done.is_empty()),
        events,
        documents: step.documents.join("、"),
        check: step.check_zh.clone(),
        clocks: step.clocks.iter().filter_map(|id| rules.clocks().named(id)).map(|clock| clock_row(clock, t)).collect(),
    }
}

fn clock_row(clock: &Clock, t: Tongue) -> ClockRow {
    let unit = match clock.term.unit {
        Unit::CalendarDays => t.say("日", "days"),
        Unit::WorkingDays => t.say("个工作日", "working days"),
        Unit::Months => t.say("个月", "months"),
        Unit::Years => t.say("年", "years"),
        Unit::Hours => t.say("小时", "hours"),
    };
    let amount = clock.term.amount.map(|amount| format!("{amount} {unit}"));
    ClockRow {
        id: clock.id.clone(),
        name: t.say(&clock.zh, &clock.en).to_owned(),
        term: amount.unwrap_or_else(|| t.say("以文书所定日期为准", "the day that the document sets").to_owned()),
        article: [&clock.source, &clock.article]
            .into_iter()
            .filter(|text| *text != "—")
            .cloned()
            .collect::<Vec<_>>()
            .join(" "),
    }
}
