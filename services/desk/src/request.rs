//! Requests, parsed once: from what came over the wire to values that cannot be wrong in form.

use mediation_domain::{admit::Violation, history::EventId};
use mediation_ledger::{
    chain::{ChainId, Revision},
    recorder::Request,
};
use mediation_proto::{ActRequest, mediation::ledger::v1::ReceiptLevel};

use crate::status::Refused;

/// How far beyond now a business time may lie, in seconds: clocks differ, days begin at 00:00.
const OCCURRED_AHEAD_MAX_S: i64 = 24 * 60 * 60;

/// Earliest business time: 1949-10-01T00:00:00+08:00.
const OCCURRED_AT_MIN_S: i64 = -639_129_600;

/// Parses a request to record an act.
///
/// # Errors
/// All malformed fields at once.
pub fn parse(request: ActRequest, now_ms: i64) -> Result<(Request, ReceiptLevel), Refused> {
    let mut violations = Vec::new();
    let chain = chain_id(request.chain_id.as_deref(), &mut violations);
    let event_id = new_event_id(request.event_id.as_deref(), &mut violations);
    let occurred_at = match request.occurred_at {
        Some(time) => occurred_at(time, now_ms, &mut violations),
        None => {
            violations.push(violation("occurred_at", "is missing", "未填写"));
            None
        }
    };
    let wait = wait(request.wait, &mut violations);
    match (chain, event_id, occurred_at, wait) {
        (Some(chain), Some(event_id), Some(occurred_at), Some(wait)) if violations.is_empty() => {
            let expected_revision = request.expected_revision.map(Revision);
            Ok((Request { chain, event_id, expected_revision, occurred_at, act: request.act }, wait))
        }
        _ => Err(Refused::malformed(violations)),
    }
}

/// Parses how far an act shall have come before the answer; sealed when nothing is said.
pub fn wait(level: Option<i32>, violations: &mut Vec<Violation>) -> Option<ReceiptLevel> {
    match level.map(ReceiptLevel::try_from) {
        None => Some(ReceiptLevel::Sealed),
        Some(Ok(level)) if level != ReceiptLevel::Unspecified => Some(level),
        Some(_) => {
            violations.push(violation("wait", "is no receipt level", "不是有效的回执等级"));
            None
        }
    }
}

/// Parses a chain id.
pub fn chain_id(text: Option<&str>, violations: &mut Vec<Violation>) -> Option<ChainId> {
    let id = text.and_then(ChainId::parse);
    if id.is_none() {
        violations.push(violation(
            "chain_id",
            "must be a UUID, 36 characters, lower case with hyphens",
            "应为 UUID，36 个字符，小写并带连字符",
        ));
    }
    id
}

/// Parses the event id of an act that stands somewhere: a UUIDv7, or a UUIDv8 of the clock keeper.
pub fn event_id(text: Option<&str>, violations: &mut Vec<Violation>) -> Option<EventId> {
    let id = text.and_then(EventId::parse).filter(|id| is_event_id(*id));
    if id.is_none() {
        violations.push(not_an_event_id());
    }
    id
}

fn is_event_id(id: EventId) -> bool {
    matches!(id.0[6] >> 4, 7 | 8) && id.0[8] >> 6 == 0b10
}

/// Parses the event id of an act to be recorded: a UUIDv7. Those of the clock keeper can be computed beforehand; a caller
/// who could take one would keep a lapse from ever being noted.
fn new_event_id(text: Option<&str>, violations: &mut Vec<Violation>) -> Option<EventId> {
    let id = event_id(text, violations)?;
    if is_new_event_id(id) {
        return Some(id);
    }
    violations.push(not_an_event_id());
    None
}

/// Whether a caller may choose this event id.
pub(crate) fn is_new_event_id(id: EventId) -> bool {
    is_event_id(id) && !id.is_keepers()
}

pub(crate) fn not_an_event_id() -> Violation {
    violation(
        "event_id",
        "must be a UUIDv7, 36 characters, lower case with hyphens",
        "应为 UUIDv7，36 个字符，小写并带连字符",
    )
}

/// Parses a business time.
pub(crate) fn occurred_at(time: prost_types::Timestamp, now_ms: i64, violations: &mut Vec<Violation>) -> Option<i64> {
    let problem = match time {
        time if time.nanos != 0 => ("must be whole seconds", "应为整秒"),
        time if time.seconds < OCCURRED_AT_MIN_S => ("lies before 1949-10-01", "早于1949年10月1日"),
        time if time.seconds > now_ms / 1000 + OCCURRED_AHEAD_MAX_S => {
            ("lies more than a day ahead of now", "晚于当前时间一天以上")
        }
        time => return Some(time.seconds),
    };
    violations.push(violation("occurred_at", problem.0, problem.1));
    None
}

pub(crate) fn violation(path: &str, en: &str, zh: &str) -> Violation {
    Violation { path: path.to_owned(), en: en.to_owned(), zh: zh.to_owned() }
}
