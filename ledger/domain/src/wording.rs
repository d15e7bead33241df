//! How the ledger says things to people: the fields of an act by their Chinese titles, and the states that the judge tells.
//!
//! One place, so that console, report of a bundle and command line use the same words.

use mediation_proto::{
    fields::{Fields, Value},
    mediation::ledger::v1::ClosedPart,
};

use crate::{
    calendar::format_instant,
    catalogue::{self, FieldRow, FieldType},
};

/// What a reader calls the agencies and acts that fields name by their ids.
pub trait Names {
    /// Public name of an agency; none of one that is not known.
    fn agency(&self, id: &str) -> Option<String>;

    /// An earlier act of the chain, by its event id; none of one that is not shown.
    fn act(&self, event_id: &str) -> Option<String>;
}

/// Fields of a message that are there, by their Chinese titles, in the order of the catalogue.
#[must_use]
pub fn facts(names: &dyn Names, message: &dyn Fields, fields: &[FieldRow]) -> Vec<(String, String)> {
    let row = |field: &FieldRow| {
        let count = message.count(field.number);
        let values = (0..count).filter_map(|at| message.value(field.number, at));
        let values: Vec<String> = values.map(|value| written(names, field, value)).collect();
        let separator = if matches!(field.ty, FieldType::Record(_)) { "\n" } else { "、" };
        (!values.is_empty()).then(|| (field.zh.clone(), values.join(separator)))
    };
    fields.iter().filter_map(row).collect()
}

fn written(names: &dyn Names, field: &FieldRow, value: Value<'_>) -> String {
    match value {
        Value::Bool(value) => if value { "是" } else { "否" }.to_owned(),
        Value::Int(value) if matches!(field.ty, FieldType::Money) => {
            format!("{}.{:02} 元", value / 100, value % 100)
        }
        Value::Int(value) => value.to_string(),
        Value::Text(text) if matches!(field.ty, FieldType::Agency) => match names.agency(text) {
            Some(name) if name != text => format!("{name}（{text}）"),
            Some(_) | None => text.to_owned(),
        },
        Value::Text(text) if matches!(field.ty, FieldType::StepRef) => act(names, text),
        Value::Text(text) => text.to_owned(),
        Value::Enum(number) => match field.ty {
            FieldType::Enum(list) => {
                catalogue::zh_of_number(list, number).map_or_else(|| number.to_string(), str::to_owned)
            }
            FieldType::String
            | FieldType::Text
            | FieldType::Date
            | FieldType::DateTime
            | FieldType::Bool
            | FieldType::Int
            | FieldType::Money
            | FieldType::Agency
            | FieldType::Person
            | FieldType::StepRef
            | FieldType::Obligation
            | FieldType::Document
            | FieldType::Record(_) => number.to_string(),
        },
        Value::Message(message) => composite(names, message),
    }
}

fn composite(names: &dyn Names, message: &dyn Fields) -> String {
    match catalogue::record(message.info()) {
        Some(record) => {
            let rows = facts(names, message, &record.fields).into_iter();
            rows.map(|(name, value)| format!("{name}：{value}")).collect::<Vec<_>>().join("；")
        }
        // What is no record of the catalogue is a reference to an earlier act.
        None => message.text("event_id").map(|id| act(names, id)).unwrap_or_default(),
    }
}

fn act(names: &dyn Names, event_id: &str) -> String {
    names.act(event_id).unwrap_or_else(|| event_id.to_owned())
}

/// The state of a clock, by its code.
#[must_use]
pub fn clock_state(code: &str) -> &str {
    match code {
        "MET" => "按期",
        "LATE" => "逾期完成",
        "VOID" => "失效",
        "OPEN" => "进行中",
        "LAPSED" => "已过期未行使",
        "EARLY" => "未满期即终止",
        other => other,
    }
}

/// The answer to a proposal to hand over, by its code.
#[must_use]
pub fn handoff_answer(code: &str) -> &str {
    match code {
        "ACCEPTED" => "已接收",
        "RETURNED" => "已退回",
        "RECALLED" => "已撤回",
        "TIMED_OUT" => "逾期未答复",
        "OPEN" => "待答复",
        other => other,
    }
}

/// How grave a finding is, by its letter.
#[must_use]
pub fn severity(letter: &str) -> &str {
    match letter {
        "C" => "严重",
        "M" => "较重",
        "m" => "轻微",
        "O" => "提示",
        other => other,
    }
}

/// An instant in seconds since 1970-01-01T00:00:00Z, by the clock in Shanghai, to be read.
#[must_use]
pub fn instant(seconds: i64) -> String {
    format_instant(seconds).replace('T', " ").trim_end_matches("+08:00").to_owned()
}

/// What an order did to a part.
#[must_use]
pub fn closing(part: &ClosedPart) -> String {
    let number = part.order_no.trim_end_matches('号');
    match part.erased {
        true => format!("依第{number}号决定删除 · erased by order no. {number}"),
        false => format!("依第{number}号决定冻结 · closed by order no. {number}"),
    }
}

/// A letter that could change how other text is shown: a control character, a mark that turns the direction of text, or a letter
/// of no width. Who shows text from outside names it instead.
#[must_use]
pub fn is_hidden(letter: char) -> bool {
    letter.is_control()
        || matches!(letter, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}
