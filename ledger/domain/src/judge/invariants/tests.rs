use serde_json::Value as Json;

use super::*;
use crate::rules::RuleSet;

#[test]
fn every_invariant_has_a_function_or_is_judged_elsewhere() {
    let rules = RuleSet::named("cn-2024-fixture").unwrap();
    for invariant in rules.invariants() {
        let elsewhere = ELSEWHERE.iter().any(|(code, _)| *code == invariant.code);
        assert_ne!(rule(&invariant.code).is_some(), elsewhere, "{}", invariant.code);
    }
    for (function, _) in RULES {
        let judged = rules.invariants().iter().any(|invariant| is_named(function, &invariant.code[2..]));
        assert!(judged, "`{function}` is the function of no invariant");
    }
    assert_eq!(RULES.len() + ELSEWHERE.len(), rules.invariants().len());
}

#[test]
fn the_lists_of_codes_are_those_of_the_catalogue() {
    let lists: Json = serde_json::from_str(include_str!("../../../data/enums.json")).unwrap();
    let with = |list: &str, column: &str| {
        let rows = lists.get(list).and_then(Json::as_array).unwrap().iter();
        let marked = rows.filter(|row| row.get(column) == Some(&Json::Bool(true)));
        marked.map(|row| row.get("code").and_then(Json::as_str).unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(with("ClosureGround", "lifts_right_bar"), closing::LIFTING_GROUNDS);
    assert_eq!(with("HandoffPurpose", "mediation"), mediation::MEDIATION_PURPOSES);
    assert_eq!(with("EscalationRisk", "police_required"), record::POLICE_RISKS);
    let rows = lists.get("CaseNumberType").and_then(Json::as_array).unwrap().iter();
    let kinds: Vec<_> = rows.map(|row| (row["code"].as_str().unwrap(), row["zh"].as_str().unwrap())).collect();
    assert_eq!(kinds, number::KINDS);
}
