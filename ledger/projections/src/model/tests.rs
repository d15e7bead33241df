//! The model over a log in memory: grown, cut off, damaged, and built anew; one row for row the other.

mod cases;

use std::{fs, sync::Arc};

use mediation_domain::judge::{Moment, judge};
use mediation_ledger::{
    chain::ChainId,
    faulty::Faulty,
    memory::{MemoryLog, MemoryVault},
};
use rusqlite::{Connection, types::Value};
use serde_json::json;
use tempfile::TempDir;

use super::{steps::Steps, *};
use crate::keeper::tests::{Bench, CENTER, TARGET, chain, event_id};

type TestModel = Model<Faulty<MemoryLog>, MemoryVault>;

const ORIGIN: &str = "test.example/log";
const TABLES: [&str; 12] = [
    "meta",
    "agencies",
    "chains",
    "entries",
    "ties",
    "leads",
    "handoffs",
    "clocks",
    "obligations",
    "findings",
    "accesses",
    "accessed_acts",
];

fn day(text: &str) -> Day {
    Day::parse(text).unwrap()
}

fn model(bench: &Bench, directory: &Path) -> TestModel {
    Model::new(Arc::clone(bench.process().ledger()), directory, 2)
}

/// Goes on with the model of a directory, as a process does that is started and stopped.
async fn grow(model: &TestModel, entries: u64, as_of: &str) -> Result<(), Error> {
    let mut growing = Growing::open(&model.ledger, &model.place, model.identity(), model.width).await?;
    until(&mut growing, day(as_of), entries).await?;
    if growing.which() == Which::New {
        growing.finish().await?;
        model.place.swap()?;
    }
    Ok(())
}

/// Follows the log up to so many entries, and judges everything as of a day.
async fn until(growing: &mut Growing<Faulty<MemoryLog>, MemoryVault>, day: Day, entries: u64) -> Result<(), Error> {
    while growing.on_store(|store| store.entries()).await? < entries {
        growing.follow(Duration::MAX).await?;
    }
    loop {
        growing.look(day).await?;
        if !growing.waits().await? {
            return Ok(());
        }
        growing.judge().await?;
    }
}

/// Every row of every table.
fn dump(directory: &Path) -> Vec<String> {
    let connection = Connection::open(directory.join(NAME)).unwrap();
    let waits: i64 = connection.query_row("SELECT count(*) FROM pending", [], |row| row.get(0)).unwrap();
    assert_eq!(waits, 0);
    let mut rows = Vec::new();
    for table in TABLES {
        let mut statement = connection.prepare(&format!("SELECT * FROM {table}")).unwrap();
        let columns = statement.column_count();
        let mut found: Vec<String> = statement
            .query_map([], |row| {
                let values: Vec<Value> = (0..columns).map(|at| row.get(at)).collect::<Result<_, _>>()?;
                Ok(format!("{table} {values:?}"))
            })
            .unwrap()
            .map(Result::unwrap)
            .collect();
        found.sort();
        rows.extend(found);
    }
    rows
}

async fn anew(bench: &Bench, entries: u64, as_of: &str) -> Vec<String> {
    let directory = tempfile::tempdir().unwrap();
    let rebuilt = model(bench, directory.path()).rebuild(day(as_of), entries, &|_| ()).await.unwrap();
    assert_eq!(rebuilt.entries, entries);
    dump(directory.path())
}

fn holds(rows: &[String], table: &str) -> usize {
    rows.iter().filter(|row| row.starts_with(&format!("{table} "))).count()
}

/// Entries that every bench begins with: the founding, and two keys.
const FOUNDED: u64 = 3;

/// Entries once [`first`] and [`second`] are recorded.
const ALL: u64 = FOUNDED + 7;

/// A chain with a proposal, and one with an obligation that is due.
async fn first(bench: &Bench) {
    bench.propose(chain(1)).await;
    bench.propose(chain(2)).await;
}

/// The proposal is answered; an official reads the chain, and another obligation is taken on.
async fn second(bench: &Bench) {
    bench.answer(chain(1)).await.unwrap();
    bench.owe(chain(2), &["2024-03-20", "2024-04-30"]).await;
    read(bench, 9).await;
}

async fn read(bench: &Bench, number: u8) {
    let access = ChainId::accesses(ORIGIN, CENTER, "2024-03");
    let read = json!({"reader_agency": CENTER, "reader": format!("{CENTER}/REG-1"), "reader_role": "REG",
        "chain": chain(1).to_string(), "steps": [{"event_id": event_id(1).to_string()}], "parts": ["ACT"], "grade": "F",
        "purpose": "HANDLING", "rule": "M-1"});
    bench.act(access, number, CENTER, "RecordAccessed", "SYS", read).await.unwrap();
}

#[tokio::test]
async fn a_model_that_grew_with_the_log_equals_one_built_anew_at_every_length_of_it() {
    let (bench, directory) = (Bench::new().await, tempfile::tempdir().unwrap());
    let model = model(&bench, directory.path());
    let mut lengths = 0;
    let grown = async |entries: u64| {
        grow(&model, entries, "2024-03-05").await.unwrap();
        assert_eq!(dump(directory.path()), anew(&bench, entries, "2024-03-05").await, "{entries} entries");
    };
    grown(FOUNDED).await;
    for number in 1..=3 {
        bench.propose(chain(number)).await;
        lengths += 2;
        grown(FOUNDED + lengths).await;
        read(&bench, 100 + number).await;
        lengths += 1;
        grown(FOUNDED + lengths).await;
        bench.answer(chain(number)).await.unwrap();
        lengths += 1;
        grown(FOUNDED + lengths).await;
        bench.owe(chain(number), &["2024-03-20"]).await;
        lengths += 1;
        grown(FOUNDED + lengths).await;
    }
    let rows = dump(directory.path());
    assert_eq!((holds(&rows, "entries"), holds(&rows, "accesses"), holds(&rows, "accessed_acts")), (18, 3, 3));
    assert!(
        ["leads", "handoffs", "clocks", "obligations", "ties", "agencies"].iter().all(|table| holds(&rows, table) > 0)
    );
}

#[tokio::test]
async fn days_that_pass_one_by_one_leave_what_a_model_built_anew_on_the_last_one_holds() {
    let (bench, directory) = (Bench::new().await, tempfile::tempdir().unwrap());
    first(&bench).await;
    second(&bench).await;
    let model = model(&bench, directory.path());
    let mut seen = Vec::new();
    // Back, too: the clock of a machine may be set back.
    for as_of in ["2024-03-05", "2024-03-09", "2024-03-25", "2024-05-02", "2030-01-01", "2024-03-09"] {
        grow(&model, ALL, as_of).await.unwrap();
        let rows = dump(directory.path());
        assert_eq!(rows, anew(&bench, ALL, as_of).await, "{as_of}");
        seen.push(rows);
    }
    seen.sort();
    seen.dedup();
    assert_eq!(seen.len(), 5, "each day changes something, and one was judged twice");
}

#[tokio::test]
async fn building_that_is_cut_off_before_any_step_is_gone_on_with_and_loses_and_doubles_nothing() {
    let bench = Bench::new().await;
    first(&bench).await;
    second(&bench).await;
    let wanted = anew(&bench, ALL, "2024-03-25").await;
    let mut cuts = 0;
    for steps in 0.. {
        let directory = tempfile::tempdir().unwrap();
        let mut model = model(&bench, directory.path());
        model.place.steps = Steps::of(steps);
        let ended = grow(&model, ALL, "2024-03-25").await;
        model.place.steps = Steps::default();
        grow(&model, ALL, "2024-03-25").await.unwrap();
        assert_eq!(dump(directory.path()), wanted, "cut off before step {steps}");
        match ended {
            Ok(()) => break,
            Err(error) => assert!(matches!(error, Error::Cut), "{error}"),
        }
        cuts += 1;
    }
    assert!(cuts > 100, "{cuts}");
}

/// A directory that holds a copy of a model as it stood.
fn copy(of: &Path) -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    for file in fs::read_dir(of).unwrap() {
        let file = file.unwrap();
        fs::copy(file.path(), directory.path().join(file.file_name())).unwrap();
    }
    directory
}

#[tokio::test]
async fn growing_that_is_cut_off_before_any_step_is_gone_on_with_and_loses_and_doubles_nothing() {
    let (bench, half) = (Bench::new().await, tempfile::tempdir().unwrap());
    first(&bench).await;
    grow(&model(&bench, half.path()), FOUNDED + 4, "2024-03-05").await.unwrap();
    second(&bench).await;
    let wanted = anew(&bench, ALL, "2024-03-25").await;
    let mut cuts = 0;
    for steps in 0.. {
        let directory = copy(half.path());
        let mut model = model(&bench, directory.path());
        model.place.steps = Steps::of(steps);
        let ended = grow(&model, ALL, "2024-03-25").await;
        model.place.steps = Steps::default();
        grow(&model, ALL, "2024-03-25").await.unwrap();
        assert_eq!(dump(directory.path()), wanted, "cut off before step {steps}");
        match ended {
            Ok(()) => break,
            Err(error) => assert!(matches!(error, Error::Cut), "{error}"),
        }
        cuts += 1;
    }
    assert!(cuts > 40, "{cuts}");
}

#[tokio::test]
async fn replacing_that_is_cut_off_before_any_step_leaves_the_old_model_or_the_new_one() {
    let (bench, old) = (Bench::new().await, tempfile::tempdir().unwrap());
    first(&bench).await;
    grow(&model(&bench, old.path()), FOUNDED + 4, "2024-03-05").await.unwrap();
    second(&bench).await;
    let wanted = anew(&bench, ALL, "2024-03-25").await;
    for steps in 0.. {
        let directory = copy(old.path());
        let mut model = model(&bench, directory.path());
        model.place.steps = Steps::of(steps);
        let ended = model.rebuild(day("2024-03-25"), ALL, &|_| ()).await;
        model.place.steps = Steps::default();
        grow(&model, ALL, "2024-03-25").await.unwrap();
        assert_eq!(dump(directory.path()), wanted, "cut off before step {steps}");
        let mut names: Vec<_> = fs::read_dir(directory.path()).unwrap().map(|file| file.unwrap().file_name()).collect();
        names.retain(|name| !name.to_string_lossy().starts_with(&format!("{NAME}-")));
        assert_eq!(names, [NAME], "cut off before step {steps}");
        if ended.is_ok() {
            break;
        }
    }
}

#[tokio::test]
async fn loading_that_is_cut_off_before_any_step_leaves_nothing_that_is_gone_on_with_but_a_whole_model() {
    let bench = Bench::new().await;
    first(&bench).await;
    second(&bench).await;
    let wanted = anew(&bench, ALL, "2024-03-25").await;
    let mut cuts = 0;
    for steps in 0.. {
        let directory = tempfile::tempdir().unwrap();
        let mut model = model(&bench, directory.path());
        model.place.steps = Steps::of(steps);
        let ended = model.loading(1).load(day("2024-03-25"), Some(ALL), &|_| ()).await;
        let is_whole = model.place.path(Which::New).exists();
        assert!(ended.is_err() || is_whole, "step {steps}");
        model.place.steps = Steps::default();
        let opened = model.open().await.unwrap();
        assert_eq!((opened.which(), opened.is_empty().await.unwrap()), (Which::New, !is_whole), "step {steps}");
        drop(opened);
        grow(&model, ALL, "2024-03-25").await.unwrap();
        assert_eq!(dump(directory.path()), wanted, "cut off before step {steps}");
        assert!(!model.place.path(Which::Load).exists() && !model.place.path(Which::New).exists());
        match ended {
            Ok(_) => break,
            Err(error) => assert!(matches!(error, Error::Cut), "{error}"),
        }
        cuts += 1;
    }
    assert!(cuts > 50, "{cuts}");
}

#[tokio::test]
async fn a_model_that_trusts_what_is_sealed_equals_one_that_verifies_it() {
    let (bench, directory) = (Bench::new().await, tempfile::tempdir().unwrap());
    first(&bench).await;
    second(&bench).await;
    let trusting = model(&bench, directory.path()).trusting(Order(ALL - 2));
    trusting.rebuild(day("2024-03-25"), ALL, &|_| ()).await.unwrap();
    assert_eq!(dump(directory.path()), anew(&bench, ALL, "2024-03-25").await);
}

#[tokio::test]
async fn a_batch_that_is_given_again_changes_nothing_and_another_record_in_its_place_is_noticed() {
    let (bench, directory) = (Bench::new().await, tempfile::tempdir().unwrap());
    first(&bench).await;
    let model = model(&bench, directory.path());
    grow(&model, FOUNDED + 4, "2024-03-05").await.unwrap();
    let before = dump(directory.path());
    let mut batch =
        mediation_ledger::log::Follower::next(&mut model.ledger.log().follow(None).await.unwrap()).await.unwrap();
    let open = || Growing::open(&model.ledger, &model.place, model.identity(), 1);
    let again = batch.clone();
    open().await.unwrap().on_store(move |store| store.append(&again)).await.unwrap();
    assert_eq!(dump(directory.path()), before);
    batch.last_mut().unwrap().stored.record = bytes::Bytes::from_static(b"another");
    let refused = open().await.unwrap().on_store(move |store| store.append(&batch)).await;
    assert!(matches!(refused, Err(Error::OtherLog { .. })), "{refused:?}");
    assert_eq!(dump(directory.path()), before);
}

/// What is done to a file.
type Damage = Box<dyn Fn(&Path)>;

#[tokio::test]
async fn a_model_that_cannot_be_gone_on_with_is_built_anew() {
    let (bench, sound) = (Bench::new().await, tempfile::tempdir().unwrap());
    first(&bench).await;
    second(&bench).await;
    grow(&model(&bench, sound.path()), ALL, "2024-03-25").await.unwrap();
    let wanted = dump(sound.path());
    let bytes = fs::read(sound.path().join(NAME)).unwrap();
    let sql =
        |statement: &'static str| move |file: &Path| Connection::open(file).unwrap().execute_batch(statement).unwrap();
    let write = |bytes: Vec<u8>| move |file: &Path| fs::write(file, &bytes).unwrap();
    let (head, tail) = bytes.split_at(bytes.len() / 2);
    let spoilt: Vec<u8> = head.iter().copied().chain(tail.iter().map(|byte| !byte)).collect();
    let damages: [(&str, Damage); 9] = [
        ("another version", Box::new(sql("UPDATE meta SET value = '0' WHERE name = 'schema_version'"))),
        ("another ledger", Box::new(sql("UPDATE meta SET value = 'other' WHERE name = 'origin'"))),
        ("other rules", Box::new(sql("UPDATE meta SET value = 'other' WHERE name = 'rules'"))),
        ("a longer log", Box::new(sql("UPDATE meta SET value = replace(value, ' 0 ', ' 9 ') WHERE name = 'head'"))),
        ("an unreadable cursor", Box::new(sql("UPDATE meta SET value = 'x' WHERE name = 'cursor'"))),
        ("no tables", Box::new(write(Vec::new()))),
        ("a half", Box::new(write(head.to_vec()))),
        ("spoilt pages", Box::new(write(spoilt))),
        ("another file", Box::new(write(b"no database at all, but long enough to be one".repeat(100)))),
    ];
    for (what, damage) in damages {
        let directory = copy(sound.path());
        damage(&directory.path().join(NAME));
        let model = model(&bench, directory.path());
        let opened = Growing::open(&model.ledger, &model.place, model.identity(), 1).await.unwrap();
        assert_eq!(opened.which(), Which::New, "{what}");
        drop(opened);
        grow(&model, ALL, "2024-03-25").await.unwrap();
        assert_eq!(dump(directory.path()), wanted, "{what}");
    }
}

#[tokio::test]
async fn a_model_that_is_half_built_is_gone_on_with() {
    let (bench, directory) = (Bench::new().await, tempfile::tempdir().unwrap());
    first(&bench).await;
    let model = model(&bench, directory.path());
    let mut growing = Growing::open(&model.ledger, &model.place, model.identity(), 1).await.unwrap();
    assert!(growing.follow(LOOK_EVERY).await.unwrap());
    drop(growing);
    let growing = Growing::open(&model.ledger, &model.place, model.identity(), 1).await.unwrap();
    assert_eq!(growing.which(), Which::New);
    assert_eq!(growing.on_store(|store| store.entries()).await.unwrap(), FOUNDED + 4);
}

#[tokio::test(start_paused = true)]
async fn a_model_that_runs_answers_what_the_judge_says() {
    let (bench, directory) = (Bench::new().await, tempfile::tempdir().unwrap());
    first(&bench).await;
    let model = model(&bench, directory.path());
    let reader = model.reader();
    assert!(matches!(reader.judged_as_of().await, Err(Error::NotReady)));
    let asked = async {
        tokio::time::sleep(Duration::from_secs(60)).await;
        second(&bench).await;
        tokio::time::sleep(Duration::from_secs(60)).await;
        bench.set("2024-03-25T10:00:00+08:00");
        tokio::time::sleep(Duration::from_secs(60)).await;
        assert_eq!(reader.judged_as_of().await.unwrap().as_deref(), Some("2024-03-25"));
        let all = reader.search(Filter::default(), None, 10).await.unwrap();
        let ids: Vec<&str> = all.iter().map(|row| row.chain_id.as_str()).collect();
        assert_eq!(ids, [chain(1).to_string(), chain(2).to_string()]);
        let one = reader.search(Filter::default(), None, 1).await.unwrap();
        assert_eq!(one, all.iter().take(1).cloned().collect::<Vec<_>>());
        let rest = reader.search(Filter::default(), one.last().map(ChainRow::key), 10).await.unwrap();
        assert_eq!(rest, all.iter().skip(1).cloned().collect::<Vec<_>>());
        let none = Filter { agency: Some("CT-ZS".to_owned()), ..Filter::default() };
        assert!(reader.search(none, None, 10).await.unwrap().is_empty());
        let due = Filter {
            agency: Some(TARGET.to_owned()),
            dispute_type: Some("LEASE".to_owned()),
            opened_from: Some(day("2024-03-05")),
            opened_to: Some(day("2024-03-05")),
            is_open: true,
            is_overdue: true,
            ..Filter::default()
        };
        let due = reader.search(due, None, 10).await.unwrap();
        assert!(due.iter().any(|row| row.chain_id == chain(2).to_string() && row.days_overdue_max == 17), "{due:?}");
        let acted = |from: &str, to: &str| {
            let acted = Filter { acted_from: Some(day(from)), acted_to: Some(day(to)), ..Filter::default() };
            reader.search(acted, None, 10)
        };
        assert_eq!(acted("2024-03-05", "2024-03-05").await.unwrap().len(), 2, "everything was done on the fifth");
        assert!(acted("2001-01-01", "2024-03-04").await.unwrap().is_empty());
        assert!(acted("2024-03-06", "2099-12-31").await.unwrap().is_empty());
        let docket = reader.docket(TARGET.to_owned(), None, 10).await.unwrap();
        let duties: Vec<(Duty, Option<&str>, u64)> =
            docket.iter().map(|row| (row.duty, row.due_on.as_deref(), row.days_late)).collect();
        assert!(duties.contains(&(Duty::Handoff, Some("2024-03-08"), 17)), "{duties:?}");
        assert!(duties.contains(&(Duty::Obligation, Some("2024-03-20"), 5)), "{duties:?}");
        assert!(duties.contains(&(Duty::Obligation, Some("2024-04-30"), 0)), "{duties:?}");
        assert!(duties.is_sorted_by_key(|duty| (duty.1.is_none(), duty.1)), "{duties:?}");
        let soon = reader.docket(TARGET.to_owned(), Some(day("2024-03-20")), 10).await.unwrap();
        assert!(soon.len() < docket.len() && soon.iter().all(|row| row.due_on.as_deref() <= Some("2024-03-20")));
        let found = [agrees(&bench, &reader, 1).await, agrees(&bench, &reader, 2).await];
        assert!(found.iter().any(|found| *found > 0), "{found:?}");
    };
    model.run(asked).await;
    assert_eq!(dump(directory.path()), anew(&bench, ALL, "2024-03-25").await);
}

/// The findings of a chain are those of the judge; says how many there are.
async fn agrees(bench: &Bench, reader: &Reader, number: u8) -> usize {
    let process = bench.process();
    let registry = process.ledger().refresh_registry().await.unwrap();
    let rules = mediation_domain::rules::RuleSet::named("cn-2024-fixture").unwrap();
    let history = bench.history(chain(number)).await;
    let judgement = judge(&history, registry.directory(), rules, Moment::end_of(day("2024-03-25")));
    let said: Vec<_> =
        judgement.findings.iter().map(|finding| (finding.code.clone(), finding.agency.clone())).collect();
    let rows = reader.findings(None, None, ROWS_MAX).await.unwrap();
    let rows = rows.into_iter().filter(|row| row.chain_id == chain(number).to_string());
    assert_eq!(rows.map(|row| (row.code, row.agency)).collect::<Vec<_>>(), said);
    for (code, _) in &said {
        let with = Filter { finding: Some(code.clone()), ..Filter::default() };
        let found = reader.search(with, None, 10).await.unwrap();
        assert!(found.iter().any(|row| row.chain_id == chain(number).to_string()));
    }
    said.len()
}

#[tokio::test]
async fn no_name_and_no_free_text_enters_the_model() {
    let (bench, directory) = (Bench::new().await, tempfile::tempdir().unwrap());
    first(&bench).await;
    second(&bench).await;
    grow(&model(&bench, directory.path()), ALL, "2024-03-25").await.unwrap();
    let bytes = fs::read(directory.path().join(NAME)).unwrap();
    let stands = |text: &str| bytes.windows(text.len()).any(|window| window == text.as_bytes());
    assert!(stands("LEASE") && stands(CENTER));
    assert!(!stands("拖欠租金") && !stands("支付") && !stands("委托函"));
}
