//! Acts in the notation of the catalogue: `{"channel": "WALK_IN", "division": "360203", …}`.
//!
//! Codes are written without the prefix of their list, a step reference as the event id it names. Reading goes through
//! the wire format, so an act read from JSON is the very message a client would have sent.

use prost::{
    Message as _,
    encoding::{WireType, encode_key, encode_varint},
};
use serde_json::{Map, Value as Json};

use crate::{
    derived::{TYPES_ACT_HEADER, TYPES_STEP_REF},
    fields::{FieldInfo, Fields, KindInfo, MessageInfo, Shape, Value},
    mediation::ledger::v1::Act,
};

/// Why JSON is not an act.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{path}`: {problem}")]
pub struct JsonError {
    /// Place in the object, dotted.
    pub path: String,
    /// What is wrong.
    pub problem: String,
}

/// Resolves a step reference as written (a step number, or an event id) to an event id.
pub type Resolve<'a> = &'a dyn Fn(&Json) -> Option<String>;

/// Field number of the header in `Act`.
const HEADER: u32 = 6;

/// Reads an act.
///
/// # Errors
/// The first field that is unknown, of another shape, or refers to a step that `resolve` does not know.
pub fn act_from_json(
    kind: &KindInfo,
    header: &Map<String, Json>,
    data: &Map<String, Json>,
    resolve: Resolve<'_>,
) -> Result<Act, JsonError> {
    let mut bytes = Vec::new();
    let mut inner = Vec::new();
    write_message(&mut inner, &TYPES_ACT_HEADER, header, resolve, "header")?;
    write_field(&mut bytes, HEADER, &inner);
    inner.clear();
    write_message(&mut inner, kind.info, data, resolve, kind.event)?;
    let mut family = Vec::new();
    write_field(&mut family, kind.number, &inner);
    write_field(&mut bytes, kind.family_number, &family);
    Act::decode(bytes.as_slice()).map_err(|error| JsonError { path: kind.event.to_owned(), problem: error.to_string() })
}

/// Writes the fields of a message; absent fields are left out.
#[must_use]
pub fn to_json(message: &dyn Fields) -> Map<String, Json> {
    let mut object = Map::new();
    for field in message.info().fields {
        let count = message.count(field.number);
        let values =
            (0..count).filter_map(|at| message.value(field.number, at)).map(|value| value_to_json(field, value));
        if field.repeated {
            if count > 0 {
                object.insert(field.name.to_owned(), Json::Array(values.collect()));
            }
        } else if let Some(value) = values.last() {
            object.insert(field.name.to_owned(), value);
        }
    }
    object
}

fn value_to_json(field: &FieldInfo, value: Value<'_>) -> Json {
    match value {
        Value::Bool(value) => Json::Bool(value),
        Value::Int(value) => Json::from(value),
        Value::Text(value) => Json::from(value),
        Value::Enum(number) => match field.shape {
            Shape::Enum(list) => list.code(number).map_or_else(|| Json::from(number), Json::from),
            Shape::Bool | Shape::Int | Shape::Text | Shape::Message(_) => Json::from(number),
        },
        Value::Message(message) => Json::Object(to_json(message)),
    }
}

fn write_message(
    out: &mut Vec<u8>,
    info: &MessageInfo,
    object: &Map<String, Json>,
    resolve: Resolve<'_>,
    path: &str,
) -> Result<(), JsonError> {
    if let Some(unknown) =
        object.keys().find(|key| info.field(key).is_none() && !(info.name == TYPES_STEP_REF.name && *key == "step"))
    {
        return Err(JsonError {
            path: format!("{path}.{unknown}"),
            problem: format!("no such field in `{}`", info.name),
        });
    }
    if info.name == TYPES_STEP_REF.name {
        return write_reference(out, object, resolve, path);
    }
    for field in info.fields {
        let Some(value) = object.get(field.name).filter(|value| !value.is_null()) else { continue };
        let path = format!("{path}.{}", field.name);
        if field.repeated {
            let Json::Array(elements) = value else {
                return Err(JsonError { path, problem: "expected a list".to_owned() });
            };
            for (at, element) in elements.iter().enumerate() {
                write_value(out, field, element, resolve, &format!("{path}.{at}"))?;
            }
        } else {
            write_value(out, field, value, resolve, &path)?;
        }
    }
    Ok(())
}

fn write_reference(
    out: &mut Vec<u8>,
    object: &Map<String, Json>,
    resolve: Resolve<'_>,
    path: &str,
) -> Result<(), JsonError> {
    let reference = object.get("step").or_else(|| object.get("event_id"));
    let event_id = reference.and_then(resolve);
    let Some(event_id) = event_id else {
        return Err(JsonError { path: path.to_owned(), problem: "refers to no earlier act".to_owned() });
    };
    write_field(out, 1, event_id.as_bytes());
    Ok(())
}

fn write_value(
    out: &mut Vec<u8>,
    field: &FieldInfo,
    value: &Json,
    resolve: Resolve<'_>,
    path: &str,
) -> Result<(), JsonError> {
    let wrong =
        |expected: &str| JsonError { path: path.to_owned(), problem: format!("expected {expected}, found {value}") };
    match field.shape {
        Shape::Bool => {
            let value = value.as_bool().ok_or_else(|| wrong("true or false"))?;
            write_number(out, field.number, u64::from(value));
        }
        Shape::Int => write_number(out, field.number, value.as_u64().ok_or_else(|| wrong("a whole number"))?),
        Shape::Text => write_field(out, field.number, value.as_str().ok_or_else(|| wrong("a text"))?.as_bytes()),
        Shape::Enum(list) => {
            let number = value.as_str().and_then(|code| list.number(code));
            let number = number.ok_or_else(|| wrong(&format!("a code of `{}`", list.name)))?;
            write_number(out, field.number, u64::try_from(number).map_err(|_| wrong("a code that is not negative"))?);
        }
        Shape::Message(info) => {
            let mut inner = Vec::new();
            match value {
                Json::Object(object) => write_message(&mut inner, info, object, resolve, path)?,
                // In lists of references (`causes`) a step stands bare.
                other if info.name == TYPES_STEP_REF.name => {
                    let object = Map::from_iter([("step".to_owned(), other.clone())]);
                    write_reference(&mut inner, &object, resolve, path)?;
                }
                Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) | Json::Array(_) => {
                    return Err(wrong("an object"));
                }
            }
            write_field(out, field.number, &inner);
        }
    }
    Ok(())
}

fn write_number(out: &mut Vec<u8>, number: u32, value: u64) {
    encode_key(number, WireType::Varint, out);
    encode_varint(value, out);
}

fn write_field(out: &mut Vec<u8>, number: u32, bytes: &[u8]) {
    encode_key(number, WireType::LengthDelimited, out);
    encode_varint(bytes.len() as u64, out);
    out.extend_from_slice(bytes);
}
