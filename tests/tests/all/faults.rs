//! What shows a fault to whoever watches over a process: a metric that rises, and falls again when the fault is over.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use mediation_proto::mediation::{
    desk::v1::{PetitionRecordRequest, petition_desk_client::PetitionDeskClient},
    ledger::v1::ReceiptLevel,
};
use regex::Regex;
use tonic::Code;
use tonic_types::StatusExt as _;

use crate::{
    metrics::{configure, text, value, witnessed},
    served::{Served, chain_id, event_id, registration},
    witnesses::record,
    workspace::{File, file, files},
};

/// Real time after which a test gives up.
const PATIENCE: Duration = Duration::from_secs(60);

const BUREAU: Option<&str> = Some("XF-FL");

/// Waits until something is so.
async fn until(served: &Served, what: &str, is_so: impl Fn(&str) -> bool) {
    let begun = Instant::now();
    loop {
        let text = text(served);
        if is_so(&text) {
            return;
        }
        assert!(begun.elapsed() < PATIENCE, "{what}: {text}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

fn of(text: &str, name: &str) -> f64 {
    value(text, &format!("mediation_ledger_{name}")).unwrap_or_else(|| panic!("no `{name}` in {text}"))
}

/// A ledger that tells its metrics, with more in its configuration.
fn watched(more: &str) -> Served {
    let mut served = Served::new();
    served.stop();
    configure(&served.path(), more);
    served.start();
    served
}

fn acts(count: usize) -> Vec<PetitionRecordRequest> {
    (0..count).map(|_| registration(&chain_id(), &event_id(), "排水渠堵塞").try_into().unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_witness_that_is_away_shows_until_it_is_back() {
    let (served, mut witness, _states) = witnessed().await;
    until(&served, "it is there", |text| of(text, "witnesses_lagging") == 0.0).await;
    witness.kill();
    record(&served, ReceiptLevel::Sealed).await;
    until(&served, "it is away", |text| of(text, "witnesses_lagging") == 1.0).await;
    witness.start();
    let is_back = |text: &str| {
        of(text, "witnesses_lagging") == 0.0 && of(text, "witnessed_entries") == of(text, "sealed_entries")
    };
    until(&served, "it is back", is_back).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn more_than_a_process_can_do_is_refused_unread_shows_and_is_over_with_it() {
    let served = watched("[quotas]\nrequests_per_second = 200\nburst = 4000\n");
    let mut desks = Vec::new();
    for _connection in 0..CONNECTIONS {
        desks.push(PetitionDeskClient::new(served.connection(BUREAU).await.channel));
    }
    let flood = acts(FLOOD).into_iter().zip(desks.iter().cloned().cycle());
    let answers = flood.map(|(act, mut desk)| async move { desk.record(act).await });
    let answers = futures_util::future::join_all(answers).await;
    let mut overloaded = 0.0;
    for status in answers.iter().filter_map(|answer| answer.as_ref().err()) {
        let told = status.get_details_error_info().unwrap().reason;
        assert_eq!((status.code(), told.as_str()), (Code::ResourceExhausted, "OVERLOADED"), "{status:?}");
        assert!(status.get_details_retry_info().unwrap().retry_delay.unwrap() > Duration::ZERO);
        overloaded += 1.0;
    }
    assert!(overloaded > 0.0, "eight at a time are worked on, and {FLOOD} came at once");
    assert!(answers.iter().any(Result::is_ok));
    let text = text(&served);
    assert_eq!(value(&text, r#"mediation_ledger_refusals_total{reason="OVERLOADED"}"#), Some(overloaded));
    let mut again = acts(1);
    desks[0].record(again.remove(0)).await.expect("it is over");
    until(&served, "it is over", |text| of(text, "append_queue_length") == 0.0).await;
    assert_eq!(value(&text, r#"mediation_ledger_refusals_total{reason="OVERLOADED"}"#), Some(overloaded));
}

const CONNECTIONS: usize = 8;
const FLOOD: usize = 4_000;

#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_was_started_anew_shows_and_so_does_the_failed_sync_that_is_noted() {
    let mut served = watched("");
    let before = of(&text(&served), "start_timestamp_seconds");
    assert_eq!(of(&text(&served), "sync_failure_timestamp_seconds"), 0.0);
    served.stop();
    // What a process leaves that ends after a failed sync.
    std::fs::write(served.path().join("sync.failed"), "1709514720\n").unwrap();
    let begun = Instant::now();
    loop {
        served.start();
        let text = text(&served);
        assert_eq!(of(&text, "sync_failure_timestamp_seconds"), 1_709_514_720.0);
        if of(&text, "start_timestamp_seconds") > before {
            break;
        }
        assert!(begun.elapsed() < PATIENCE, "the start stays where it was");
        served.stop();
    }
    std::fs::remove_file(served.path().join("sync.failed")).unwrap();
    until(&served, "the note is gone", |text| of(text, "sync_failure_timestamp_seconds") == 0.0).await;
    std::fs::write(served.path().join("sync.failed"), "1709514720\n").unwrap();
    served.stop();
    let (report, good) = served.verify();
    assert!(good, "{report:#}");
}

/// Names of a form in a text.
fn names(text: &str, form: &str) -> BTreeSet<String> {
    let name = Regex::new(form).unwrap();
    name.captures_iter(text).map(|found| found.get(1).unwrap().as_str().to_owned()).collect()
}

/// The table of docs/reliability.md: fault, what shows it, alert, test.
fn rows() -> Vec<[&'static str; 4]> {
    let (_, table) = file("docs/reliability.md").text.split_once("## What shows a fault\n").unwrap();
    let table = table.split("\n## ").next().unwrap();
    let rows = table.lines().filter(|line| line.starts_with("| ")).skip(1).map(|line| {
        let cells: Vec<&str> = line.trim_matches('|').split(" | ").map(str::trim).collect();
        <[&str; 4]>::try_from(cells).unwrap_or_else(|cells| panic!("not four cells: {cells:?}"))
    });
    rows.collect()
}

#[test]
fn what_shows_a_fault_is_there_and_so_are_its_alert_and_its_test() {
    let metrics = names(&file("docs/operations.md").text, "(mediation_ledger_[a-z_]+)");
    let alerts = names(&file("k8s/monitoring/alerts.yaml").text, "alert: (Ledger[A-Za-z]+)");
    let rust: Vec<&File> = files().iter().filter(|source| source.is(".rs")).collect();
    let rows = rows();
    let mut alarmed = BTreeSet::new();
    for [fault, shown, alert, test] in &rows {
        for metric in names(shown, "`(mediation_ledger_[a-z_]+)") {
            assert!(metrics.contains(&metric), "{fault}: no metric `{metric}`");
        }
        for line in names(shown, "“([^”]+)”") {
            assert!(rust.iter().any(|source| source.text.contains(&line)), "{fault}: nothing logs “{line}”");
        }
        assert!(shown.contains('`') || shown.contains('“') || *shown == "nothing", "{fault}: {shown}");
        let named = names(alert, "`(Ledger[A-Za-z]+)`");
        assert!(named.is_subset(&alerts), "{fault}: {named:?}");
        assert!(!named.is_empty() || alert.starts_with('–'), "{fault}: {alert}");
        alarmed.extend(named);
        let tests = names(test, "`([^`]+)`");
        assert!(!tests.is_empty(), "{fault}: no test");
        for test in tests {
            let exists = if test.contains('/') {
                files().iter().any(|known| known.path == test)
            } else {
                let function = format!("fn {}(", test.rsplit("::").next().unwrap());
                rust.iter().any(|source| source.text.contains(&function))
            };
            assert!(exists, "{fault}: no test `{test}`");
        }
    }
    assert_eq!(alarmed, alerts, "faults of the table, and alerts");
    // Every fault of the first table is one of the second.
    let (_, first) = file("docs/reliability.md").text.split_once("## Faults and promises\n").unwrap();
    let first = first.split("\n## ").next().unwrap();
    for line in first.lines().filter(|line| line.starts_with("| ")).skip(1) {
        let fault = line.trim_matches('|').split(" | ").next().unwrap().trim();
        assert!(rows.iter().any(|[known, ..]| *known == fault), "what shows that {fault}?");
    }
}
