//! Expectations that are wrong in one place: each must be told apart from the right one.

use serde_json::Value as Json;

use super::{cases, compare, judged, step_of};
use crate::case::{Case, Expect};

#[test]
fn an_expectation_that_is_wrong_in_any_one_value_is_told_apart() {
    for case in cases() {
        let judgement = judged(&case);
        for (place, changed) in changes(&case) {
            let Ok(changed) = serde_json::from_value::<Expect>(changed) else { continue };
            let differences = compare(&changed, &judgement, &step_of(&case));
            assert!(!differences.is_empty(), "{}: {place}", case.case);
        }
    }
}

/// The expectation of a case with one element left out or doubled, or one value changed; refusals are not the judge's.
fn changes(case: &Case) -> Vec<(String, Json)> {
    let whole = serde_json::to_value(&case.expect).unwrap();
    let mut changes = Vec::new();
    for (key, list) in whole.as_object().unwrap() {
        let with = |value: Json| {
            let mut changed = whole.clone();
            changed.as_object_mut().unwrap().insert(key.clone(), value);
            changed
        };
        let Json::Array(list) = list else {
            let other = if list.is_null() { "PAID".into() } else { Json::Null };
            changes.push((key.clone(), with(other)));
            continue;
        };
        for (at, element) in list.iter().enumerate() {
            let mut left_out = list.clone();
            left_out.remove(at);
            changes.push((format!("{key}.{at} left out"), with(left_out.into())));
            let mut doubled = list.clone();
            doubled.push(element.clone());
            changes.push((format!("{key}.{at} doubled"), with(doubled.into())));
            for (field, value) in element.as_object().unwrap() {
                for other in others(value) {
                    let mut elements = list.clone();
                    let object = elements.get_mut(at).unwrap().as_object_mut().unwrap();
                    object.insert(field.clone(), other.clone());
                    changes.push((format!("{key}.{at}.{field}: {other} for {value}"), with(elements.into())));
                }
            }
        }
    }
    changes
}

/// Values of the same place that are other ones; those that the place cannot hold are left out when they are read.
fn others(value: &Json) -> Vec<Json> {
    match value {
        // A number with a fraction is a step that was put in later.
        Json::Number(number) => vec![number.as_u64().map_or(99, |number| number + 1).into(), Json::Null],
        Json::String(text) => vec![format!("{text}0").into(), Json::Null],
        Json::Null => vec![1.into(), "x".into()],
        Json::Bool(_) | Json::Array(_) | Json::Object(_) => Vec::new(),
    }
}
