//! What a judgement and an expectation do not agree on, in words that say where to look.

use std::fmt::{self, Debug, Display};

use serde::Serialize;
use serde_json::{Map, Value as Json};

use super::Judgement;
use crate::case::{Expect, ExpectedClock, Mutation, StepNumber};

/// One point on which a judgement and an expectation differ.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference(String);

impl Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Compares a judgement with the complete expectation of a case, but for its refusals, which are not the judge's. Lists
/// count as unordered. `step_of` gives the step number of a revision.
#[must_use]
pub fn compare(
    expected: &Expect,
    judgement: &Judgement,
    step_of: &dyn Fn(u64) -> Option<StepNumber>,
) -> Vec<Difference> {
    let found = judgement.as_expectation(step_of);
    let mut differences = Vec::new();
    lists(&mut differences, "lead", &expected.leads, &found.leads, &["agency", "from_step"]);
    lists(&mut differences, "handoff", &expected.handoffs, &found.handoffs, &["to", "proposal_step"]);
    lists(&mut differences, "clock", &expected.clocks, &found.clocks, CLOCK_KEY);
    lists(&mut differences, "obligation", &expected.obligations, &found.obligations, &["id"]);
    lists(&mut differences, "finding", &expected.findings, &found.findings, FINDING_KEY);
    if expected.outcome != found.outcome {
        let (expected, found) = (shown(&expected.outcome), shown(&found.outcome));
        differences.push(Difference(format!("outcome: expected {expected}, found {found}")));
    }
    differences
}

/// Compares a judgement of a changed history with what the mutation expects: all findings, the clocks that differ, and
/// otherwise the clocks of the original, of which any may have vanished.
#[must_use]
pub fn compare_mutation(
    original: &Expect,
    mutation: &Mutation,
    judgement: &Judgement,
    step_of: &dyn Fn(u64) -> Option<StepNumber>,
) -> Vec<Difference> {
    let found = judgement.as_expectation(step_of);
    let mut differences = Vec::new();
    lists(&mut differences, "finding", &mutation.expect_findings, &found.findings, FINDING_KEY);
    let kept = |clock: &&ExpectedClock| !original.clocks.contains(clock) || mutation.expect_clocks.contains(clock);
    let changed: Vec<ExpectedClock> = found.clocks.iter().filter(kept).cloned().collect();
    lists(&mut differences, "clock", &mutation.expect_clocks, &changed, CLOCK_KEY);
    differences
}

/// What names a clock's run to a reader.
const CLOCK_KEY: &[&str] = &["id", "start_step"];

/// What names a finding to a reader.
const FINDING_KEY: &[&str] = &["code", "step", "agency", "clock"];

/// Compares two unordered lists. Elements with the same key are compared field by field, in the order of the lists.
fn lists<T: Serialize + PartialEq + Debug>(
    differences: &mut Vec<Difference>,
    what: &str,
    expected: &[T],
    found: &[T],
    key: &[&str],
) {
    let mut left: Vec<Map<String, Json>> = found.iter().map(object).collect();
    let mut missing = Vec::new();
    for element in expected.iter().map(object) {
        match left.iter().position(|candidate| *candidate == element) {
            Some(at) => drop(left.remove(at)),
            None => missing.push(element),
        }
    }
    for element in missing {
        let is_same =
            |candidate: &&Map<String, Json>| key.iter().all(|name| candidate.get(*name) == element.get(*name));
        let name = name(what, &element, key);
        let Some(other) = left.iter().find(is_same).cloned() else {
            differences.push(Difference(format!("{name}: expected, not found: {}", Json::Object(element))));
            continue;
        };
        left.retain(|candidate| *candidate != other);
        for (field, value) in &element {
            let actual = other.get(field).unwrap_or(&Json::Null);
            if actual != value {
                differences.push(Difference(format!(
                    "{name}: {field} expected {}, found {}",
                    text(value),
                    text(actual)
                )));
            }
        }
    }
    for element in left {
        let name = name(what, &element, key);
        differences.push(Difference(format!("{name}: found, not expected: {}", Json::Object(element))));
    }
}

fn object<T: Serialize>(element: &T) -> Map<String, Json> {
    match serde_json::to_value(element) {
        Ok(Json::Object(object)) => object,
        Ok(_) | Err(_) => Map::new(),
    }
}

/// `clock TJ-7 (step 7)`.
fn name(what: &str, element: &Map<String, Json>, key: &[&str]) -> String {
    let value = |name: &&str| element.get(*name).filter(|value| !value.is_null());
    let (first, rest) = key.split_first().unwrap_or((&"", &[]));
    let rest: Vec<String> =
        rest.iter().filter_map(|key| value(key).map(|value| format!("{} {}", word(key), text(value)))).collect();
    let first = value(first).map(text).unwrap_or_default();
    if rest.is_empty() { format!("{what} {first}") } else { format!("{what} {first} ({})", rest.join(", ")) }
}

/// What a key is called in the name of an element: every one of them that ends so is simply its step.
fn word<'k>(key: &&'k str) -> &'k str {
    if key.ends_with("_step") { "step" } else { key }
}

fn text(value: &Json) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn shown(outcome: &Option<String>) -> &str {
    outcome.as_deref().unwrap_or("none")
}
