//! Whether a report of a breach agrees with itself and with the report that it completes (个人信息保护法 57).

use mediation_proto::mediation::{
    ledger::v1::{Act, Reason, act::Family},
    registry::v1::{BreachReported, registry_act},
};

use super::{Caller, Refusal, Violation};
use crate::{calendar::Day, catalogue, history::EventId, standing::Standing};

/// Its days cannot be: a notice before the discovery, or what is later than the act itself. And persons may go without a notice
/// only for a reason (paragraph 2).
pub(super) fn violations(occurred_at: i64, act: &Act) -> Vec<Violation> {
    let Some(report) = report(act) else { return Vec::new() };
    let day = |text: &Option<String>| text.as_deref().and_then(Day::parse);
    let (today, discovered) = (Day::of(occurred_at), day(&report.discovered_on));
    let mut found = Vec::new();
    for (field, told) in [
        (DISCOVERED, discovered),
        (AUTHORITY, day(&report.authority_notified_on)),
        (PERSONS, day(&report.persons_notified_on)),
    ] {
        let Some(told) = told else { continue };
        if told > today {
            let en = format!("is {told}, later than the act itself ({today})");
            found.push(violation(field, &en, &format!("为 {told}，晚于该行为的业务时间 {today}")));
        }
        if let Some(discovered) = discovered.filter(|discovered| told < *discovered) {
            let en = format!("is {told}, before the discovery ({discovered})");
            found.push(violation(field, &en, &format!("为 {told}，早于发现日期 {discovered}")));
        }
    }
    let is_silent = report.harm_avoided() && report.persons_notified_on.is_none();
    // One that is blank is said to be by its form.
    if is_silent && report.no_notice_reason.is_none() {
        let en = "is required when measures avoid the harm and persons are not told (PIPL 57, paragraph 2)";
        let zh = "为必填项：措施能够有效避免危害而不通知个人的，须说明理由（个人信息保护法第五十七条第二款）";
        found.push(violation(REASON, en, zh));
    }
    found
}

/// Check 11. A report completes one of the same agency that stands on the same chain.
pub(super) fn may_complete(caller: &Caller, standing: &Standing, act: &Act) -> Result<(), Refusal> {
    let earlier = report(act).and_then(|report| report.earlier.as_ref());
    let Some(id) = earlier.and_then(|step| EventId::parse(step.event_id())) else { return Ok(()) };
    if standing.reported_breach(id) == Some(caller.agency.as_str()) {
        return Ok(());
    }
    let en = format!("names `{id}`, which is no report of a breach by this agency on this chain");
    let zh = format!("所引用的 {id} 不是本机构在该链上的个人信息泄露报告");
    Err(Refusal::of_fields(Reason::ReferenceUnknown, vec![violation(EARLIER, &en, &zh)]))
}

fn report(act: &Act) -> Option<&BreachReported> {
    let Family::Registry(family) = act.family.as_ref()? else { return None };
    let registry_act::Act::BreachReported(report) = family.act.as_ref()? else { return None };
    Some(report)
}

fn violation(field: &str, en: &str, zh: &str) -> Violation {
    let row = catalogue::event(EVENT).and_then(|row| row.named(field));
    let title = row.map(|row| row.zh.as_str()).unwrap_or_default();
    Violation { path: format!("{EVENT}.{field}"), en: en.to_owned(), zh: format!("“{title}”{zh}") }
}

const EVENT: &str = "BreachReported";
const DISCOVERED: &str = "discovered_on";
const AUTHORITY: &str = "authority_notified_on";
const PERSONS: &str = "persons_notified_on";
const REASON: &str = "no_notice_reason";
const EARLIER: &str = "earlier";
