//! Figures of small ledgers: chains as text, one act a line.
#![expect(clippy::indexing_slicing, reason = "a place that is not there fails the test")]

mod operational;
mod table;

use serde_json::{Value as Json, json};

use self::table::{Ledger, figures_of, only, plan_of};
use super::*;
use crate::{
    calendar::Day,
    catalogue,
    judge::tests::{directory, fixture},
};

/// A city that adjusted its grids twice in one division and once in another.
const GRIDS: [&str; 2] = [
    r#"
    2023-06-01 ZFW-ZS ADM GridAdjusted {"division": "360203", "grids_before": 90, "grids_after": 100, "boundary_version": "a", "cadres": 1, "items": 38}
    2024-03-01 ZFW-ZS ADM GridAdjusted {"division": "360203", "grids_before": 100, "grids_after": 150, "boundary_version": "b", "cadres": 5}
    2024-09-01 ZFW-ZS ADM GridAdjusted {"division": "360203", "grids_before": 150, "grids_after": 180, "boundary_version": "c", "cadres": 7, "items": 12}
    "#,
    r#"
    2024-05-01 ZFW-LP ADM GridAdjusted {"division": "360281", "grids_before": 200, "grids_after": 220, "boundary_version": "a", "cadres": 11}
    2025-01-01 ZFW-LP ADM GridAdjusted {"division": "360281", "grids_before": 220, "grids_after": 999, "boundary_version": "b", "cadres": 99}
    "#,
];

const ONBOARDED: &str = r#""name": "综治中心", "certificate_sha256": "00", "credit_code": "x""#;

fn onboarded(date: &str, subject: &str, kind: &str, level: &str, more: &str) -> String {
    format!(
        r#"{date} ZFW-JDZ ADM AgencyOnboarded {{"subject": "{subject}", "kind": "{kind}", "level": "{level}", "division": "360203", {ONBOARDED}, {more}}}"#
    )
}

fn number(aggregate: &str, selection: Json, ledger: &Ledger) -> String {
    let mut formula = selection;
    formula.as_object_mut().unwrap().insert("aggregate".to_owned(), json!(aggregate));
    only(&formula, ledger)
}

#[test]
fn all_rows_of_the_table_load_and_name_what_the_catalogue_has() {
    let plan = Plan::new(Figures::embedded(), BASE_YEAR, end_of(2024), fixture(), true).unwrap();
    assert_eq!((plan.rows.len(), plan.operational.len()), (45, 12));
    let table: Json = serde_json::from_str(include_str!("../../data/kpis.json")).unwrap();
    let mut codes = 0;
    for row in ["figures", "operational"].iter().flat_map(|section| table[section].as_array().unwrap()) {
        codes += table::check_codes(&row["formula"]);
    }
    assert!(codes > 40, "only {codes} codes were looked up");
    assert_eq!(table["periods"]["NOW"]["to"], format!("{BASE_YEAR}-12-31"));
    assert_eq!(Figures::embedded().version(), "2025.2");
}

#[test]
fn an_empty_ledger_has_every_row_and_agrees_with_none_that_is_positive() {
    let report = Ledger::of(&[]).report(2024, "2025-01-01");
    assert_eq!(report.rows.len(), 45);
    let row = |id: &str| report.rows.iter().find(|row| row.id == id).unwrap();
    assert_eq!((row("P-14").computed.as_str(), row("P-14").agrees), ("0", Some(false)));
    assert_eq!((row("P-12b").computed.as_str(), row("P-12b").agrees), ("—", Some(false)));
    assert_eq!((row("P-9b").computed.as_str(), row("P-9b").agrees), ("—", Some(false)), "nothing is not at most 3");
    assert_eq!(row("P-24a").published, Some("20.69万"));
    assert!(!report.agrees());
}

#[test]
fn acts_of_both_ends_of_the_period_count_in_shanghai_days() {
    let ledger = Ledger::of(&[
        "2023-12-31 GA-LP POL PsychSessionHeld {\"@time\": \"23:59:59\"}",
        "2024-01-01 GA-LP POL PsychSessionHeld {\"@time\": \"00:00:00\"}",
        "2024-12-31 GA-LP POL PsychSessionHeld {\"@time\": \"23:59:59\"}",
        "2025-01-01 GA-LP POL PsychSessionHeld {\"@time\": \"00:00:00\"}",
    ]);
    assert_eq!(ledger.figure(2024, "2025-12-31", "P-16"), "2");
    assert_eq!(ledger.figure(2023, "2025-12-31", "P-16"), "1");
    assert_eq!(ledger.figure(2025, "2025-12-31", "P-16"), "1");
}

#[test]
fn sums_are_over_the_latest_and_the_first_act_of_each_value() {
    let ledger = Ledger::of(&GRIDS);
    let figure = |id| ledger.figure(2024, "2025-12-31", id);
    assert_eq!(figure("P-20a"), "300", "the first of the year in each division");
    assert_eq!(figure("P-20b"), "400", "the latest up to the end of the year");
    assert_eq!(figure("P-20c"), "33.33%");
    assert_eq!(figure("P-26"), "18");
    assert_eq!(figure("P-22b"), "38", "the maximum looks at every act");
    assert_eq!(figure("P-23"), "0", "nobody said how many serve");
    assert_eq!(figure("P-21"), "—", "no urban grids");
}

#[test]
fn the_latest_act_is_told_by_time_then_chain_then_revision() {
    let act = |cadres: u64| {
        format!(
            r#"2024-03-01 ZFW-ZS ADM GridAdjusted {{"division": "360203", "grids_before": 1, "grids_after": 1, "boundary_version": "a", "cadres": {cadres}}}"#
        )
    };
    let ledger = Ledger::of(&[&format!("{}\n{}", act(1), act(2)), &format!("{}\n{}", act(3), act(4))]);
    assert_eq!(ledger.figure(2024, "2024-12-31", "P-26"), "4");
}

#[test]
fn distinct_values_are_those_of_a_field_or_of_each_element_of_a_list() {
    let centers = |subject, centers: &str| {
        onboarded(
            "2024-01-01",
            subject,
            "GOVERNANCE_CENTER",
            "COUNTY",
            &format!(r#""centers": [{centers}], "area_m2": 5"#),
        )
    };
    let ledger = Ledger::of(&[
        &centers("ZC-ZS", r#""GOVERNANCE", "LITIGATION_SERVICE""#),
        &centers("ZC-LP", r#""GOVERNANCE", "PETITION_RECEPTION""#),
    ]);
    assert_eq!(ledger.figure(2024, "2024-12-31", "P-13"), "3");
    let without = json!({"event": "AgencyOnboarded", "field": "centers"});
    assert_eq!(number("count_distinct", without, &ledger), "1", "only the first element");
    assert_eq!(number("count_distinct", json!({"event": "AgencyOnboarded", "field": "court_code"}), &ledger), "0");
}

#[test]
fn distinct_chains_count_once_whatever_they_hold() {
    let closed = r#"2024-02-01 ZC-ZS DIR DisputeClosed {"outcome": "MEDIATED", "ground": "FULL_PERFORMANCE"}"#;
    let failed = r#"2024-02-01 ZC-ZS DIR DisputeClosed {"outcome": "ADJUDICATED", "ground": "FULL_PERFORMANCE"}"#;
    let court = r#"2024-02-01 CT-ZS DIR DisputeClosed {"outcome": "MEDIATED", "ground": "FULL_PERFORMANCE"}"#;
    let twice = format!("{closed}\n{closed}");
    let ledger = Ledger::of(&[&twice, closed, failed, court]);
    assert_eq!(ledger.figure(2024, "2024-12-31", "P-14"), "2");
}

#[test]
fn smallest_and_largest_and_sum_of_a_field() {
    let center = |subject, staff: u64| {
        onboarded("2024-01-01", subject, "TOWNSHIP_CENTER", "TOWNSHIP", &format!(r#""full_time_staff": {staff}"#))
    };
    let ledger = Ledger::of(&[&center("TC-A", 2), &center("TC-B", 3), &center("TC-C", 3)]);
    let report = ledger.report(2024, "2024-12-31");
    for (id, computed, agrees) in [("P-9a", "2", true), ("P-9b", "3", true), ("P-9c", "8", false), ("P-8", "3", false)]
    {
        let row = report.rows.iter().find(|row| row.id == id).unwrap();
        assert_eq!((row.computed.as_str(), row.agrees), (computed, Some(agrees)), "{id}");
    }
}

#[test]
fn an_agency_that_was_onboarded_twice_counts_as_the_latest_act_says() {
    let first =
        onboarded("2024-01-01", "TC-A", "TOWNSHIP_CENTER", "TOWNSHIP", r#""full_time_staff": 2, "talk_place": true"#);
    let again =
        onboarded("2024-03-01", "TC-A", "TOWNSHIP_CENTER", "TOWNSHIP", r#""full_time_staff": 3, "talk_place": false"#);
    let other =
        onboarded("2024-02-01", "TC-B", "TOWNSHIP_CENTER", "TOWNSHIP", r#""full_time_staff": 2, "talk_place": true"#);
    for chains in [[&first, &again, &other], [&other, &again, &first]] {
        let ledger = Ledger::of(&chains.map(String::as_str));
        let figure = |id| ledger.figure(2024, "2024-12-31", id);
        assert_eq!((figure("P-8").as_str(), figure("P-9c").as_str(), figure("P-29a").as_str()), ("2", "5", "1"));
    }
}

#[test]
fn a_withdrawn_act_does_not_count_from_its_correction_on() {
    let ledger = Ledger::of(&[r#"
        2024-02-01 GA-LP POL PsychSessionHeld
        2024-02-02 GA-LP POL PsychSessionHeld
        2024-03-01 GA-LP POL RecordCorrected {"target": {"step": 1}, "field": "*", "old_digest": "0", "new_digest": "0", "withdrawn": true}
    "#]);
    assert_eq!(ledger.figure(2024, "2024-12-31", "P-16"), "1");
    assert_eq!(ledger.figure(2024, "2024-02-29", "P-16"), "2");
    let counts = ledger.report(2024, "2024-12-31").counts;
    assert_eq!((counts.acts, counts.withdrawn, counts.later, counts.chains), (2, 1, 0, 1));
    let counts = ledger.report(2024, "2024-02-01").counts;
    assert_eq!((counts.acts, counts.withdrawn, counts.later, counts.chains), (1, 0, 2, 1));
}

#[test]
fn a_revoked_award_counts_again_only_when_it_is_awarded_again() {
    let award = r#"2024-02-01 ZFW-JDZ ADM GradeAwarded {"subject": "ZC-ZS", "level": "COUNTY", "grade": "GRADE_1", "valid_until": "2027-01-31"}"#;
    let revoked = r#"2024-03-01 ZFW-JDZ ADM GradeRevoked {"subject": "ZC-ZS", "award": {"step": 1}}"#;
    let late = revoked.replace("2024-03-01", "2025-01-01");
    let figure = |lines: &[&str]| Ledger::of(&[&lines.join("\n")]).figure(2024, "2025-06-30", "P-11");
    assert_eq!(figure(&[award]), "1");
    assert_eq!(figure(&[award, revoked]), "0");
    assert_eq!(figure(&[award, &late]), "1", "revoked after the end of the period");
    assert_eq!(figure(&[award, revoked, &award.replace("2024-02-01", "2024-05-01")]), "1");
    let withdrawn = r#"2024-04-01 ZFW-JDZ ADM RecordCorrected {"target": {"step": 2}, "field": "*", "old_digest": "0", "new_digest": "0", "withdrawn": true}"#;
    assert_eq!(figure(&[award, revoked, withdrawn]), "1", "the revocation was withdrawn");
}

#[test]
fn a_cohort_is_of_the_events_reported_in_the_period_whenever_they_were_closed() {
    let reported = |date: &str| format!(r#"{date} TC-ZS-XC GRID GridEventReported {{"grid": "g", "item_code": "1"}}"#);
    let closed = |date: &str| {
        format!(
            r#"{date} TC-ZS-XC TCOM GridEventClosed {{"result": "SOLVED", "self_handled": true, "report": {{"step": 1}}}}"#
        )
    };
    let chain = |from: &str, to: &str| format!("{}\n{}", reported(from), closed(to));
    let again = format!("{}\n{}", chain("2024-06-01", "2024-06-02"), closed("2024-06-03"));
    let chains = [chain("2023-12-31", "2024-01-02"), chain("2024-12-31", "2025-01-02"), again, reported("2024-05-05")];
    let ledger = Ledger::of(&chains.each_ref().map(String::as_str));
    let at = |as_of| ["P-24a", "P-24b", "P-24c"].map(|id| ledger.exact(2024, as_of, id));
    assert_eq!(at("2024-12-31"), [Some((3, 1)), Some((1, 1)), Some((1, 3))]);
    assert_eq!(at("2025-06-30"), [Some((3, 1)), Some((2, 1)), Some((2, 3))], "the same cohort, replayed later");
    assert_eq!(ledger.figure(2023, "2024-12-31", "P-24c"), "100.00%");
}

#[test]
fn a_rate_compares_two_years_and_has_none_without_a_first() {
    let petitions = |date: &str, number: usize| {
        let act = format!(
            r#"{date} XF-LP PETO PetitionReceived {{"form": "VISIT", "kind": "CLAIM", "headcount": 1, "direct": true, "origin": "DIRECT"}}"#
        );
        vec![act; number].join("\n")
    };
    let ledger = Ledger::of(&[&petitions("2023-05-05", 8), &petitions("2024-05-05", 5), &petitions("2025-05-05", 6)]);
    let figure = |year| ledger.figure(year, "2025-12-31", "P-2");
    assert_eq!([figure(2024), figure(2025), figure(2023)], ["37.50%", "-20.00%", "—"]);
}

#[test]
fn a_run_of_years_ends_in_the_last_year_of_the_period() {
    let assessed = |year: u64| {
        format!(
            r#"2025-01-15 ZFW-JDZ ADM GradeAssessed {{"subject": "ZC-ZS", "level": "COUNTY", "hardware": 1, "mechanism": 1, "results": 1, "year": {year}}}"#
        )
    };
    let run = |years: &[u64]| {
        let acts: Vec<String> = years.iter().map(|year| assessed(*year)).collect();
        let selection = json!({"event": "GradeAssessed", "field": "year", "period": "TO2024"});
        number("longest_run_to", selection, &Ledger::of(&[&acts.join("\n")]))
    };
    assert_eq!(run(&[2011, 2012, 2013, 2020, 2022, 2023, 2024, 2023]), "3");
    assert_eq!(run(&[2022, 2023]), "0");
    assert_eq!(run(&[2023, 2024, 2025]), "2");
}

#[test]
fn honours_are_the_acts_of_that_name_once_the_catalogue_has_them() {
    let awarded = |year: u64, title: &str| {
        format!(r#"{}-02-01 ZFW-JDZ ADM HonourAwarded {{"year": {year}, "title": "{title}"}}"#, year.min(2024))
    };
    let chains: Vec<String> = match catalogue::event("HonourAwarded") {
        None => Vec::new(),
        Some(_) => (2011..=2024).map(|year| awarded(year, "平安建设先进市")).chain([awarded(2010, "别的")]).collect(),
    };
    let expected = if chains.is_empty() { "0" } else { "14" };
    let chains: Vec<&str> = chains.iter().map(String::as_str).collect();
    assert_eq!(Ledger::of(&chains).figure(2024, "2024-12-31", "P-1"), expected);
}

#[test]
fn parts_of_a_sum_may_be_of_several_kinds_and_of_the_division_of_the_agency() {
    let consultation = |channel: &str, division: &str, follow_on: bool| {
        format!(
            r#"2024-05-06 SF-FL LAID LegalConsultationCompleted {{"channel": "{channel}", "minutes": 5, "topic": "LABOUR", "follow_on_service": {follow_on}, "division": "{division}"}}"#
        )
    };
    let aid = |agency: &str| {
        format!(
            r#"2024-05-06 {agency} LAID LegalAidApplied {{"matter": "WAGES", "means_test": "REQUIRED", "applicants": ["P-1"], "channel": "TERMINAL"}}"#
        )
    };
    let chains = [
        consultation("VIDEO", "360222101", true),
        consultation("TERMINAL", "360222", false),
        consultation("PHONE", "360222", true),
        consultation("VIDEO", "360281", true),
        aid("XF-FL"),
        aid("XF-LP"),
    ];
    let ledger = Ledger::of(&chains.each_ref().map(String::as_str));
    let report = ledger.report(2024, "2024-12-31");
    assert_eq!(
        (ledger.figure(2024, "2024-12-31", "P-18a"), ledger.figure(2024, "2024-12-31", "P-18b")),
        ("2".into(), "2".into())
    );
    assert_eq!(report.counts.acts, 6);
}

#[test]
fn bounds_compare_the_exact_figure_and_equality_the_printed_one() {
    let raised =
        |participants: u64| format!(r#"2024-05-06 TC-ZS-XC TCOM TalkRaised {{"participants": {participants}}}"#);
    let verdict = |participants| {
        let report = Ledger::of(&[&raised(participants)]).report(2024, "2024-12-31");
        report.rows.iter().find(|row| row.id == "P-30").unwrap().agrees
    };
    assert_eq!([verdict(19_999), verdict(20_000), verdict(20_866)], [Some(false), Some(true), Some(true)]);
}

#[test]
fn a_row_that_must_equal_another_disagrees_when_it_does_not() {
    let table = |published: u64| {
        json!({"id": "B", "zh": "乙", "unit": "个", "period": "NOW", "published": "1", "check": "equal", "expect": published,
            "equals": "A", "formula": {"aggregate": "count", "event": "TalkActioned", "period": "NOW"}})
    };
    let first = json!({"id": "A", "zh": "甲", "unit": "个", "period": "NOW",
        "formula": {"aggregate": "count", "event": "TalkRaised", "period": "NOW"}});
    let verdict = |ledger: &Ledger| {
        let figures = figures_of(&[first.clone(), table(1)]).unwrap();
        let report = ledger.tally(&plan_of(figures, 2024, "2024-12-31").unwrap()).report();
        report.rows.last().unwrap().agrees
    };
    let both = "2024-05-06 TC-ZS-XC TCOM TalkRaised {\"participants\": 1}\n2024-05-07 TC-ZS-XC TCOM TalkActioned {\"solved\": true}";
    assert_eq!(verdict(&Ledger::of(&[both])), Some(true));
    assert_eq!(verdict(&Ledger::of(&["2024-05-07 TC-ZS-XC TCOM TalkActioned {\"solved\": true}"])), Some(false));
}

#[test]
fn another_year_moves_the_periods_and_has_nothing_published() {
    let report = Ledger::of(&GRIDS).report(2023, "2023-12-31");
    let row = |id: &str| report.rows.iter().find(|row| row.id == id).unwrap();
    let day = |text: &str| Day::parse(text).unwrap();
    let year = |year: &str| Period { from: Some(day(&format!("{year}-01-01"))), to: day(&format!("{year}-12-31")) };
    assert_eq!(row("P-2").periods, [year("2023"), year("2022")]);
    assert_eq!(row("P-20a").computed, "90");
    assert_eq!(row("P-5").periods, [Period { from: None, to: day("2023-12-31") }]);
    assert_eq!(row("P-17a").periods, [Period { from: Some(day("2024-05-01")), to: day("2023-12-31") }]);
    assert!(report.rows.iter().all(|row| row.published.is_none() && row.agrees.is_none() && row.expected.is_none()));
    assert!(report.agrees(), "where nothing was published nothing disagrees");
    for year in [1899, 1900, 2200, i64::MIN, i64::MAX] {
        let error = Plan::new(Figures::embedded(), year, end_of(2024), fixture(), false).unwrap_err();
        assert!(matches!(error, PlanError::Year { year: found } if found == year), "{error}");
    }
}

#[test]
fn neither_the_order_of_chains_nor_the_number_of_threads_matters() {
    let mut chains: Vec<String> = GRIDS.map(str::to_owned).to_vec();
    for (date, subject) in [("2024-01-01", "TC-A"), ("2024-01-01", "TC-A"), ("2023-01-01", "TC-B")] {
        chains.push(onboarded(
            date,
            subject,
            "TOWNSHIP_CENTER",
            "TOWNSHIP",
            r#""full_time_staff": 2, "talk_place": true"#,
        ));
    }
    chains.extend(operational::CHAINS.map(str::to_owned));
    let ledger = Ledger::of(&chains.iter().map(String::as_str).collect::<Vec<_>>());
    let plan = Plan::new(Figures::embedded(), 2024, end_of(2025), fixture(), true).unwrap();
    let expected = ledger.tally(&plan).report();
    assert_eq!(expected.counts.chains, chains.len() as u64);
    for seed in 1..=60_u64 {
        let report = ledger.shuffled(&plan, seed, 1 + usize::try_from(seed % 4).unwrap()).report();
        assert_eq!(report, expected, "seed {seed}");
    }
}

#[test]
fn a_table_that_cannot_be_computed_says_which_row_and_why() {
    let wrong = |formula: Json| {
        let row = json!({"id": "X", "zh": "错", "unit": "个", "period": "NOW", "formula": formula});
        figures_of(&[row]).and_then(|figures| plan_of(figures, 2024, "2024-12-31")).unwrap_err().to_string()
    };
    for (formula, problem) in [
        (json!({"aggregate": "count", "event": "Nothing", "period": "NOW"}), "`Nothing` is no event"),
        (json!({"aggregate": "sum", "event": "TalkRaised", "period": "NOW", "field": "nothing"}), "no field `nothing`"),
        (json!({"aggregate": "sum", "event": "TalkRaised", "period": "NOW"}), "which field"),
        (json!({"aggregate": "count", "event": "TalkRaised", "period": "NEVER"}), "no period `NEVER`"),
        (json!({"aggregate": "count", "event": "TalkRaised", "period": "$each"}), "`$each` of no periods"),
        (
            json!({"aggregate": "count", "event": "TalkRaised", "period": "NOW", "where": {"field": "x", "eq": 1}}),
            "`x`",
        ),
        (json!({"aggregate": "count", "event": "TalkRaised", "where": {"clock_open": ["HD-1"]}}), "no clock `HD-1`"),
        (json!({"aggregate": "count", "clock": ["HD-1"]}), "no day places"),
        (json!({"aggregate": "count", "of": "nothing"}), "nothing that can be counted"),
        (json!({"aggregate": "count", "of": "petitioners", "where": {"field": "state", "eq": "OPEN"}}), "`state`"),
        (json!({"aggregate": "median", "of": "answer_hours", "clock": ["ZZ-1"]}), "no clock `ZZ-1`"),
        (json!({"aggregate": "longest_run_to", "registry": "nothing", "field": "year"}), "no registry `nothing`"),
        (json!({"aggregate": "ratio", "numerator": "Y", "divide_by": "Z"}), "no row `Y` before it"),
        (
            json!({"aggregate": "sum_of", "period": "NOW", "of": [{"aggregate": "median", "of": "answer_hours", "clock": ["HD-1"]}]}),
            "no whole number",
        ),
        (json!({"aggregate": "mode", "event": "TalkRaised"}), "not of the format"),
        (json!({"aggregate": "count", "event": "TalkRaised", "whence": 1}), "not of the format"),
    ] {
        let found = wrong(formula);
        assert!(found.contains(problem), "{found} instead of {problem}");
    }
}

fn end_of(year: u16) -> i64 {
    Day::parse(&format!("{year}-12-31")).unwrap().end()
}
