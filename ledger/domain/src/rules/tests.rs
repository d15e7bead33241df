use super::*;
use crate::clocks::arithmetic::Unit;

#[test]
fn the_embedded_rules_compile() {
    for rules in RuleSet::all() {
        assert_eq!(rules.clocks().iter().count(), 113, "{}", rules.name());
        assert_eq!(rules.invariants().len(), 43, "{}", rules.name());
        assert_eq!(RuleSet::named(rules.name()).map(RuleSet::name), Some(rules.name()));
    }
    assert!(RuleSet::named("cn-1999").is_none());
}

#[test]
fn a_chain_under_an_unknown_rule_set_is_judged_by_none() {
    assert_eq!(RuleSet::for_chain("cn-2024").unwrap().name(), "cn-2024");
    let unknown = RuleSet::for_chain("cn-1999").unwrap_err();
    assert_eq!(
        unknown.to_string(),
        "the chain is to be judged by the rule set `cn-1999`, which this program does not have"
    );
}

#[test]
fn the_rules_of_the_cases_are_all_enabled_but_those_of_memory() {
    let rules = RuleSet::named("cn-2024-fixture").unwrap();
    let advisory: Vec<&str> =
        rules.clocks().iter().filter(|clock| !clock.enabled).map(|clock| clock.id.as_str()).collect();
    assert_eq!(advisory, ["XF-11a", "XF-11b", "GA-1n", "SZ-2n"]);
    assert!(rules.invariants().iter().all(|invariant| invariant.enabled));
    assert_eq!(rules.clocks().named("JC-1").unwrap().term.unit, Unit::CalendarDays);
}

#[test]
fn the_rules_of_this_product_only_advise_until_a_jurisdiction_adopts_them() {
    let rules = RuleSet::named("cn-2024").unwrap();
    for (tag, enabled) in [("law", true), ("web", true), ("policy", false), ("memory", false)] {
        assert!(rules.clocks().iter().filter(|clock| clock.tag == tag).all(|clock| clock.enabled == enabled), "{tag}");
        let mut invariants = rules.invariants().iter().filter(|invariant| invariant.tag == tag);
        assert!(invariants.all(|invariant| invariant.enabled == enabled), "{tag}");
    }
}

#[test]
fn a_clock_that_only_reminds_until_it_is_ended_can_be_judged_at_once() {
    let reminds =
        |rules: &str, id: &str| RuleSet::named(rules).unwrap().clocks().named(id).unwrap().reminds_until_ended;
    for id in ["ZX-5a", "LD-3a"] {
        assert!(reminds("cn-2024-fixture", id) && !reminds("cn-2024", id), "{id}");
    }
}

#[test]
fn the_choices_of_a_rule_set_are_those_that_the_data_allow() {
    let set = |choices: &str| {
        let text = format!(
            r#"{{"name": "t", "version": "1", "zh": "例", "en": "example", "valid_from": "2024-01-01", "valid_to": null,
                "calendar": "calendar_cn.json", "basis_zh": "无", "basis_en": "none", "advisory": ["policy"], {choices}}}"#
        );
        RuleSet::load("t", text.leak())
    };
    let rules = set(
        r#""enabled": ["XF-11a", "HD-1", "I-2"], "judged_at_once": [], "units": {"JC-1": "wd"}, "petition_roll": "Y""#,
    )
    .unwrap();
    let clock = |id: &str| rules.clocks().named(id).unwrap();
    assert!(clock("XF-11a").enabled && clock("HD-1").enabled && !clock("HD-3").enabled);
    assert!(rules.invariant("F-DUAL-LEAD").unwrap().enabled && !rules.invariant("F-NO-LEAD").unwrap().enabled);
    assert_eq!(clock("JC-1").term.unit, Unit::WorkingDays);
    assert!(clock("XF-3").term.rolls && !clock("XF-4").term.rolls && !clock("JC-2").term.rolls);
    for (choices, problem) in [
        (r#""enabled": [], "judged_at_once": [], "units": {"JC-2": "wd"}"#, "the unit of `JC-2` is no parameter"),
        (r#""enabled": ["XF-99"], "judged_at_once": [], "units": {}"#, "there is no clock or invariant `XF-99`"),
        (r#""enabled": [], "judged_at_once": ["I-2"], "units": {}"#, "there is no clock `I-2`"),
        (r#""enabled": [], "units": {}"#, "missing field `judged_at_once`"),
    ] {
        let error = set(&format!(r#"{choices}, "petition_roll": "N""#)).unwrap_err().to_string();
        assert!(error.contains(problem), "{error}");
    }
}

/// Computed with `sha256sum` in `ledger/domain/data`, not with this program.
#[test]
fn the_digest_is_that_of_sha256sum() {
    let rules = RuleSet::named("cn-2024").unwrap();
    let names: Vec<&str> = rules.sources().iter().map(|source| source.name.as_str()).collect();
    let data = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("data");
    let command = format!("sha256sum {} | sha256sum", names.join(" "));
    let printed = std::process::Command::new("sh").args(["-c", &command]).current_dir(data).output().unwrap();
    assert_eq!(String::from_utf8(printed.stdout).unwrap(), format!("{}  -\n", rules.digest()));
    assert_ne!(rules.digest(), RuleSet::named("cn-2024-fixture").unwrap().digest());
}
