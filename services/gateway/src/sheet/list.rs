//! What the lists of the ledger say, row by row. The console and the command line give the same files.

use mediation_domain::{catalogue, wording};
use mediation_ledger::registry::Registry;
use mediation_proto::{
    derived::{
        TYPES_ACCESS_PURPOSE, TYPES_ACCESS_REFUSAL, TYPES_AGENCY_KIND, TYPES_DISPUTE_TYPE, TYPES_ROLE,
        TYPES_VISIBILITY_GRADE,
    },
    fields::EnumInfo,
    mediation::ledger::v1::{AccessRow, ChainSummary, Duty},
};

use super::{
    Kind::{Day, Instant, Number, Text},
    Table, Tongue,
};

/// Chains that were looked for.
#[must_use]
pub fn chains(found: &[ChainSummary], registry: &Registry, tongue: Tongue) -> Table {
    let columns = [
        ("链", "chain", Text),
        ("纠纷链号", "number", Text),
        ("类型", "type", Text),
        ("登记", "opened", Day),
        ("末次行为", "last act", Day),
        ("行为数", "acts", Number),
        ("首办单位", "lead", Text),
        ("结案方式", "outcome", Text),
        ("最近届满", "next due", Day),
        ("逾期天数", "days overdue", Number),
        ("审计发现", "findings", Text),
    ];
    let mut table = Table::new(tongue.say("链", "chains"), &columns, tongue);
    table.rows.extend(found.iter().map(|chain| {
        let opening = catalogue::event(&chain.opening_event).map(|row| tongue.say(&row.zh, row.event).to_owned());
        let kind = code(&TYPES_DISPUTE_TYPE, chain.dispute_type, tongue);
        let outcome = |code| tongue.say(catalogue::zh("Outcome", code).unwrap_or(code), code);
        vec![
            chain.chain_id.clone(),
            chain.chain_no.clone().unwrap_or_default(),
            if kind.is_empty() { opening.unwrap_or_default() } else { kind },
            chain.opened_on.clone(),
            chain.last_act_on.clone(),
            chain.acts.to_string(),
            chain.lead.as_deref().map(|lead| name(lead, registry)).unwrap_or_default(),
            chain.outcome.as_deref().map(outcome).unwrap_or_default().to_owned(),
            chain.next_due.clone().unwrap_or_default(),
            chain.days_overdue.to_string(),
            chain.findings.join(" "),
        ]
    }));
    table
}

/// What an agency has to do.
#[must_use]
pub fn duties(duties: &[Duty], registry: &Registry, tongue: Tongue) -> Table {
    let columns = [
        ("到期", "due", Day),
        ("逾期天数", "days late", Number),
        ("事项", "duty", Text),
        ("编号", "code", Text),
        ("名称", "name", Text),
        ("来自", "from", Text),
        ("纠纷链号", "number", Text),
        ("链", "chain", Text),
    ];
    let mut table = Table::new(tongue.say("待办", "docket"), &columns, tongue);
    table.rows.extend(duties.iter().map(|duty| {
        vec![
            duty.due.clone().unwrap_or_default(),
            duty.days_late.to_string(),
            kind_of_duty(&duty.kind, tongue).to_owned(),
            duty.code.clone(),
            duty.zh.clone(),
            duty.from.as_deref().map(|from| name(from, registry)).unwrap_or_default(),
            duty.chain_no.clone().unwrap_or_default(),
            duty.chain_id.clone(),
        ]
    }));
    table
}

/// What a duty asks for, by its kind in `ListDuties`.
pub(crate) fn kind_of_duty(kind: &str, tongue: Tongue) -> &'static str {
    match kind {
        "HANDOFF" => tongue.say("答复移送", "answer a handoff"),
        "CLOCK" => tongue.say("办理期限", "clock"),
        _ => tongue.say("督促履行", "watch an obligation"),
    }
}

/// Who has read a chain.
#[must_use]
pub fn accesses(readings: &[AccessRow], registry: &Registry, tongue: Tongue) -> Table {
    let columns = [
        ("时间", "when", Instant),
        ("机构", "agency", Text),
        ("查阅人", "reader", Text),
        ("角色", "role", Text),
        ("目的", "purpose", Text),
        ("法律依据", "legal basis", Text),
        ("所见", "seen", Text),
        ("拒绝", "refused", Text),
        ("行为数", "acts", Number),
        ("依据规则", "rule", Text),
        ("查阅链", "access chain", Text),
        ("版本", "revision", Number),
    ];
    let mut table = Table::new(tongue.say("查阅记录", "access log"), &columns, tongue);
    table.rows.extend(readings.iter().map(|read| {
        let seconds = i64::try_from(read.recorded_at / 1_000).unwrap_or(i64::MAX);
        vec![
            wording::instant(seconds),
            name(&read.agency, registry),
            read.reader.clone(),
            code(&TYPES_ROLE, Some(read.role), tongue),
            code(&TYPES_ACCESS_PURPOSE, read.purpose, tongue),
            read.legal_basis.clone(),
            code(&TYPES_VISIBILITY_GRADE, read.grade, tongue),
            code(&TYPES_ACCESS_REFUSAL, read.refusal, tongue),
            read.event_ids.len().to_string(),
            read.rule.clone(),
            read.access_chain_id.clone(),
            read.revision.to_string(),
        ]
    }));
    table
}

/// The agencies and their keys, a row for each key.
#[must_use]
pub fn agencies(registry: &Registry, tongue: Tongue) -> Table {
    let columns = [
        ("编号", "id", Text),
        ("机构", "agency", Text),
        ("类别", "kind", Text),
        ("签名密钥", "signing key", Text),
        ("自", "valid from", Day),
        ("至", "valid to", Day),
        ("状态", "state", Text),
    ];
    let mut table = Table::new(tongue.say("机构与密钥", "agencies and keys"), &columns, tongue);
    for (id, agency) in registry.directory().iter() {
        let said = [id.to_owned(), agency.name.clone(), code(&TYPES_AGENCY_KIND, Some(agency.kind.into()), tongue)];
        let keys = registry.keys().filter(|(_, key)| key.agency == id).map(|(key_id, key)| {
            let state = match (key.revocations.is_empty(), key.replaced.is_some()) {
                (false, _) => tongue.say("已吊销", "revoked"),
                (true, true) => tongue.say("已更换", "replaced"),
                (true, false) => tongue.say("有效", "valid"),
            };
            let day = |day: Option<mediation_domain::calendar::Day>| day.map(|day| day.to_string()).unwrap_or_default();
            [key_id.to_string(), day(key.valid_from), day(key.valid_to), state.to_owned()]
        });
        let before = table.rows.len();
        table.rows.extend(keys.map(|key| said.iter().cloned().chain(key).collect()));
        if table.rows.len() == before {
            table.rows.push(said.into_iter().chain([(); 4].map(|()| String::new())).collect());
        }
    }
    table
}

/// Public name of an agency; its id where it takes no part.
pub(super) fn name(agency: &str, registry: &Registry) -> String {
    registry.directory().agency(agency).map_or_else(|| agency.to_owned(), |known| known.name.clone())
}

/// The name of a value, or in English its code; nothing when there is none.
fn code(list: &'static EnumInfo, number: Option<i32>, tongue: Tongue) -> String {
    let Some(number) = number else { return String::new() };
    let zh = catalogue::zh_of_number(list, number).unwrap_or_default();
    tongue.say(zh, list.code(number).unwrap_or_default()).to_owned()
}
