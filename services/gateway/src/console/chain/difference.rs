//! What changed in a chain between two days.

use std::collections::BTreeMap;

use mediation_domain::calendar::Day;

use super::{
    acts::Known,
    judged::{Judged, judged},
};
use crate::console::frame::{Text, Tongue};

/// One thing that is not as it was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::console) struct Change {
    /// What kind of thing.
    pub(in crate::console) kind: &'static str,
    pub(in crate::console) what: Text,
    /// How it stood on the earlier day; none when it was not there.
    pub(in crate::console) before: Option<Text>,
    /// How it stands on the later day; none when it is not there any more.
    pub(in crate::console) after: Option<Text>,
}

type Standing = BTreeMap<(&'static str, String), String>;

/// What is not the same at the ends of two days, acts first, then what the judge says of them.
pub(in crate::console) fn changes(
    (earlier, since): (&Known<'_>, Day),
    (later, as_of): (&Known<'_>, Day),
    t: Tongue,
) -> Vec<Change> {
    let (before, after) = (standing(earlier, since, t), standing(later, as_of, t));
    let keys: std::collections::BTreeSet<_> = before.keys().chain(after.keys()).collect();
    let changed = keys.into_iter().filter(|key| before.get(key) != after.get(key));
    let change = |key: &(&'static str, String)| Change {
        kind: name(key.0, t),
        what: Text::of(key.1.split_once('\u{1f}').map_or(key.1.as_str(), |(_, what)| what)),
        before: before.get(key).map(|text| Text::of(text)),
        after: after.get(key).map(|text| Text::of(text)),
    };
    changed.map(change).collect()
}

/// Everything that can change, under a key that sorts as the page shows it.
fn standing(known: &Known<'_>, day: Day, t: Tongue) -> Standing {
    let judged = judged(known, day, t);
    let acts = known.chain.entries.iter().filter(|(_, entry)| !known.chain.is_later(entry)).map(|(_, entry)| {
        let who = entry.statement.as_ref().map(|statement| known.name(&statement.agency)).unwrap_or_default();
        (("1", key(entry.revision.0, &known.place(entry.revision.0))), who)
    });
    acts.chain(told(known, judged, t)).collect()
}

fn told(known: &Known<'_>, judged: Judged, t: Tongue) -> Standing {
    let late = |days: u64| if days == 0 { String::new() } else { format!("，逾期 {days} 天") };
    let mut told = Standing::new();
    if let Some(lead) = judged.leads.iter().rfind(|lead| lead.to.is_none()) {
        told.insert(("2", String::new()), lead.agency.to_string());
    }
    for handoff in judged.handoffs {
        let what = format!("{} → {}", handoff.from, handoff.to);
        told.insert(("3", key(handoff.proposal, &what)), format!("{}{}", handoff.answer, late(handoff.days_late)));
    }
    for (at, clock) in (0..).zip(judged.clocks) {
        let due = clock.due.as_deref().unwrap_or("—");
        let what = format!("{} {}（{}，{due}）", clock.id, clock.name, clock.obliged);
        told.insert(("4", key(at, &what)), format!("{}{}", clock.state, late(clock.days_late)));
    }
    for obligation in judged.obligations {
        told.insert(("5", obligation.id.to_string()), obligation.state);
    }
    for finding in judged.findings {
        let place = finding.revision.map(|revision| known.place(revision)).unwrap_or_default();
        let what = format!("{} {place} {}", finding.code, finding.clock.unwrap_or_default());
        let cleared = finding.cleared.map(|by| format!("，已由{by}纠正")).unwrap_or_default();
        let days = finding.days_late.map(&late).unwrap_or_default();
        told.insert(("6", what), format!("{}{days}{cleared}", finding.severity));
    }
    told.insert(("7", String::new()), judged.outcome.unwrap_or_else(|| t.say("未结案", "open").to_owned()));
    told
}

/// Sorts by the number, and is shown as the text.
fn key(number: u64, what: &str) -> String {
    format!("{number:020}\u{1f}{what}")
}

fn name(kind: &str, t: Tongue) -> &'static str {
    match kind {
        "1" => t.say("行为", "Act"),
        "2" => t.say("首办单位", "Lead"),
        "3" => t.say("移送对接", "Handoff"),
        "4" => t.say("期限", "Clock"),
        "5" => t.say("义务", "Obligation"),
        "6" => t.say("审计发现", "Finding"),
        _ => t.say("结案方式", "Outcome"),
    }
}
