//! What stands in the tables of the golden cases, against what the judge says of them.

use std::path::Path;

use bytes::Bytes;
use mediation_domain::{
    calendar::{Day, format_instant},
    case::{
        Case, Expect, ExpectedClock, ExpectedFinding, ExpectedHandoff, ExpectedLead, ExpectedObligation, StepNumber,
    },
    directory::{Agency, Directory},
    history::Recorded,
    judge::{Moment, judge},
    rules::RuleSet,
};
use mediation_ledger::{
    chain::{ChainId, Revision},
    ledger::{CheckedEntry, Fold},
    log::Order,
    merkle::Hash,
    part,
};
use mediation_proto::{
    derived::TYPES_AGENCY_KIND,
    mediation::{ledger::v1::PartKind, types::v1::AgencyKind},
};
use rusqlite::Row;
use serde_json::Value;

use super::super::{
    derived::{Basis, Kind, derive},
    file::{Place, Which},
    steps::Steps,
    store::{Identity, Store},
};

fn repository(path: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(path)
}

fn cases() -> Vec<Case> {
    let files = std::fs::read_dir(repository("tests/cases")).unwrap().map(|file| file.unwrap().path());
    let mut files: Vec<_> = files.filter(|file| file.is_file()).collect();
    files.sort();
    files.iter().map(|file| Case::parse(&std::fs::read_to_string(file).unwrap()).unwrap()).collect()
}

fn directory() -> Directory {
    let text = std::fs::read_to_string(repository("ledger/domain/data/agencies.json")).unwrap();
    let rows: Vec<Value> = serde_json::from_str(&text).unwrap();
    let mut directory = Directory::default();
    for row in &rows {
        let text = |key: &str| row.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
        let kind = TYPES_AGENCY_KIND.number(&text("kind")).and_then(|kind| AgencyKind::try_from(kind).ok()).unwrap();
        directory.insert(text("id"), Agency { kind, name: text("zh"), division: text("division") });
    }
    directory
}

/// The rows of a query, in order.
fn all<T>(store: &Store, query: &str, read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>) -> Vec<T> {
    store.connection.prepare(query).unwrap().query_map([], read).unwrap().map(Result::unwrap).collect()
}

fn days(row: &Row<'_>, column: usize) -> rusqlite::Result<u64> {
    Ok(u64::try_from(row.get::<_, i64>(column)?).unwrap())
}

/// What the tables say, as cases write it.
fn told(store: &Store, case: &Case) -> Expect {
    let step =
        |revision: Option<i64>| revision.map(|revision| case.steps.get(usize::try_from(revision).unwrap()).unwrap().n);
    let named = |revision: Option<i64>| step(revision).unwrap_or_else(|| StepNumber::from(0));
    Expect {
        leads: all(store, "SELECT agency, from_revision, to_revision FROM leads ORDER BY no", |row| {
            Ok(ExpectedLead { agency: row.get(0)?, from_step: named(row.get(1)?), to_step: step(row.get(2)?) })
        }),
        handoffs: all(
            store,
            "SELECT proposal_revision, mode, from_agency, to_agency, due_on, answer, answered_revision, days_late
               FROM handoffs ORDER BY no",
            |row| {
                Ok(ExpectedHandoff {
                    proposal_step: named(row.get(0)?),
                    mode: row.get(1)?,
                    from: row.get(2)?,
                    to: row.get(3)?,
                    due: row.get(4)?,
                    answer: row.get(5)?,
                    answered_step: step(row.get(6)?),
                    days_late: days(row, 7)?,
                })
            },
        ),
        clocks: all(
            store,
            "SELECT clock, start_on, opened_revision, due_on, due_at_s, done_on, ended_revision, state, days_late
               FROM clocks WHERE usage = 'JUDGED' ORDER BY no",
            |row| {
                let instant: Option<i64> = row.get(4)?;
                Ok(ExpectedClock {
                    id: row.get(0)?,
                    start: row.get(1)?,
                    start_step: step(row.get(2)?),
                    due: instant.map(format_instant).or(row.get(3)?),
                    done: row.get(5)?,
                    end_step: step(row.get(6)?),
                    state: row.get(7)?,
                    days_late: days(row, 8)?,
                })
            },
        ),
        obligations: all(
            store,
            "SELECT obligation, due_on, state, state_revision FROM obligations ORDER BY no",
            |row| {
                let (id, due, state) = (row.get(0)?, row.get(1)?, row.get(2)?);
                Ok(ExpectedObligation { id, due, state, step: step(row.get(3)?) })
            },
        ),
        findings: all(
            store,
            "SELECT code, revision, agency, clock, days_late, severity, cleared_revision FROM findings ORDER BY no",
            |row| {
                Ok(ExpectedFinding {
                    code: row.get(0)?,
                    step: step(row.get(1)?),
                    agency: row.get(2)?,
                    clock: row.get(3)?,
                    days_late: row.get::<_, Option<i64>>(4)?.map(|days| u64::try_from(days).unwrap()),
                    severity: row.get(5)?,
                    cleared_step: step(row.get(6)?),
                })
            },
        ),
        ..Expect::default()
    }
}

fn entries_of(history: &[Recorded]) -> Vec<CheckedEntry> {
    let entries = history.iter().map(|recorded| CheckedEntry {
        revision: Revision(recorded.revision),
        order: Order(recorded.revision),
        leaf: Hash::ZERO,
        entry: Bytes::new(),
        statement: None,
        recorded_at: recorded.recorded_at,
        parts: Vec::new(),
        withheld: Vec::new(),
        extra_signatures: Vec::new(),
        outcome: Ok(recorded.clone()),
    });
    entries.collect()
}

/// The same history as far as its facts tell it.
fn facts(history: &[Recorded]) -> Vec<Recorded> {
    let told = history.iter().map(|recorded| {
        let facts = part::split(&recorded.act).unwrap().swap_remove(0);
        assert_eq!(facts.kind, PartKind::Act);
        Recorded { act: part::join([facts.plaintext.as_ref()]).unwrap(), ..recorded.clone() }
    });
    let told: Vec<Recorded> = told.collect();
    assert_ne!(told, history, "a case without names and free text tests nothing");
    told
}

#[test]
fn the_tables_say_of_the_golden_cases_what_the_judge_says() {
    let (directory, cases) = (directory(), cases());
    assert!(cases.len() >= 8);
    for case in cases {
        let place = tempfile::tempdir().unwrap();
        let identity = Identity { origin: "cases".to_owned(), rule_set: case.rule_set.clone() };
        let connection = Place::new(place.path()).open(Which::New).unwrap();
        let mut store = Store::create(connection, &identity, Steps::default()).unwrap();
        let history = case.history(&StepNumber::event_id).unwrap();
        let day = Day::parse(&case.as_of).unwrap();
        let told_of = |history: &[Recorded]| {
            let basis = Basis { directory: &directory, rule_set: &case.rule_set, day };
            derive(Kind::Matter, &Fold::new(ChainId([1; 16])), entries_of(history), basis)
        };
        let derived = told_of(&history);
        // Of what is trusted nothing but the facts is opened.
        assert_eq!(format!("{:?}", told_of(&facts(&history))), format!("{derived:?}"), "{}", case.case);
        let ties = derived.ties.clone();
        store.put(&[derived]).unwrap();
        let rules = RuleSet::named(&case.rule_set).unwrap();
        let judgement = judge(&history, &directory, rules, Moment::end_of(day));
        let step_of = |revision: u64| case.steps.get(usize::try_from(revision).ok()?).map(|step| step.n);
        let said = Expect { outcome: None, ..judgement.as_expectation(&step_of) };
        assert_eq!(told(&store, &case), said, "{}", case.case);
        let acting = case.steps.iter().map(|step| &step.agency).chain(said.handoffs.iter().map(|handoff| &handoff.to));
        assert!(acting.into_iter().all(|agency| ties.contains(agency)), "{}: {ties:?}", case.case);
    }
}
