//! Metrics of a running server: each is documented and each that is documented is there; none tells what a case is about.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
    time::{Duration, Instant},
};

use mediation_proto::mediation::{
    ledger::v1::{Reason, ReceiptLevel},
    types::v1::AgencyKind,
};
use regex::Regex;
use serde_json::{Value, json};

use crate::{
    http::ask,
    served::{Served, chain_id, event_id, registration, request},
    witnesses::{Witness, record},
    workspace::root,
};

/// Real time after which a test gives up.
const PATIENCE: Duration = Duration::from_secs(60);

/// Lets a ledger answer for its metrics, and ask one witness.
pub(crate) fn configure(ledger: &Path, more: &str) {
    let path = ledger.join("mediation.toml");
    let mut config: toml::Table = fs::read_to_string(&path).unwrap().parse().unwrap();
    let health = format!("[health]\nlisten = \"127.0.0.1:0\"\n{more}");
    config.extend(health.parse::<toml::Table>().unwrap());
    fs::write(path, toml::to_string(&config).unwrap()).unwrap();
}

pub(crate) fn text(served: &Served) -> String {
    let answer = ask(served.health.as_ref().unwrap(), "GET", "/metrics", &[]);
    assert_eq!(answer.status, 200);
    assert!(answer.headers.contains("content-type: application/openmetrics-text"), "{}", answer.headers);
    answer.text()
}

/// The value of a metric, with its labels.
pub(crate) fn value(text: &str, name: &str) -> Option<f64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '))?;
    Some(line.parse().unwrap())
}

/// Names of samples, without what the format adds to counters and histograms.
fn samples(text: &str) -> BTreeSet<String> {
    let name = Regex::new(r"mediation_ledger_[a-z_]+").unwrap();
    let plain = |name: &str| {
        ["_bucket", "_count", "_sum"]
            .iter()
            .fold(name.to_owned(), |name, end| name.strip_suffix(end).map_or_else(|| name.clone(), str::to_owned))
    };
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    lines.filter_map(|line| name.find(line)).map(|name| plain(name.as_str())).collect()
}

fn named_in(text: &str) -> BTreeSet<String> {
    let name = Regex::new(r"mediation_ledger_[a-z_]+").unwrap();
    let plain = |name: &str| name.strip_suffix("_bucket").unwrap_or(name).to_owned();
    name.find_iter(text).map(|name| plain(name.as_str())).collect()
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap()
}

/// A ledger that tells its metrics, one witness that cosigns what it records, and where that keeps its state.
pub(crate) async fn witnessed() -> (Served, Witness, tempfile::TempDir) {
    let mut served = Served::new();
    served.stop();
    let states = tempfile::tempdir().unwrap();
    let log = served.trust().log_key.to_string();
    let witness = Witness::new(states.path(), "court", &log);
    let policy = format!("log {log}\nwitness court {} http://{}\nquorum court\n", witness.vkey, witness.address);
    fs::write(served.path().join("witnesses.policy"), policy).unwrap();
    configure(
        &served.path(),
        "[witnesses]\npolicy = \"witnesses.policy\"\ngrace_ms = 100\ntimeout_ms = 500\nlag_limit_s = 1\n",
    );
    served.start();
    record(&served, ReceiptLevel::Witnessed).await;
    (served, witness, states)
}

/// A ledger with a witness that does not answer, which somebody has asked for this and that.
async fn busy() -> (Served, tempfile::TempDir) {
    let (served, mut witness, states) = witnessed().await;
    witness.kill();
    record(&served, ReceiptLevel::Sealed).await;
    (served, states)
}

#[tokio::test(flavor = "multi_thread")]
async fn every_metric_is_documented_and_what_is_documented_charted_or_alarmed_is_there() {
    let (served, _states) = busy().await;
    let client = served.client("XF-FL", AgencyKind::Petition).await;
    client
        .record(request(&chain_id(), &event_id(), "DisputeClosed", "XF-FL/REG-1", "REG", json!({})))
        .await
        .unwrap_err();
    let text = text(&served);
    assert!(text.ends_with("# EOF\n"));
    let (there, documented) = (samples(&text), named_in(&read("docs/operations.md")));
    assert_eq!(there, documented, "a running server, and docs/operations.md");
    let (alerts, dashboard) = (read("k8s/monitoring/alerts.yaml"), read("k8s/monitoring/dashboard.json"));
    for (file, text) in [("alerts.yaml", &alerts), ("dashboard.json", &dashboard)] {
        let unknown: Vec<String> = named_in(text).difference(&there).cloned().collect();
        assert!(unknown.is_empty(), "{file}: {unknown:?}");
    }
    let charted = named_in(&dashboard);
    assert_eq!(there.difference(&charted).collect::<Vec<_>>(), Vec::<&String>::new(), "not on the dashboard");
    let reason = Regex::new(r#"reason=~?"([A-Z_|]+)""#).unwrap();
    let reasons: Vec<&str> =
        reason.captures_iter(&alerts).flat_map(|found| found.get(1).unwrap().as_str().split('|')).collect();
    assert!(reasons.len() > 4);
    for name in reasons {
        assert!(Reason::from_str_name(&format!("REASON_{name}")).is_some(), "an alert is about the reason {name}");
    }
    serde_json::from_str::<Value>(&dashboard).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_counted_is_what_happened() {
    let (served, _states) = busy().await;
    let client = served.client("XF-FL", AgencyKind::Petition).await;
    let before = text(&served);
    client
        .record(request(&chain_id(), &event_id(), "DisputeClosed", "XF-FL/REG-1", "REG", json!({})))
        .await
        .unwrap_err();
    client.record(registration(&chain_id(), &event_id(), "排水渠堵塞")).await.unwrap();
    let begun = Instant::now();
    let after = loop {
        let after = text(&served);
        // The sealer has come as far, and the witness is missed.
        if value(&after, "mediation_ledger_seal_lag_entries") == Some(0.0)
            && value(&after, "mediation_ledger_witnesses_lagging") == Some(1.0)
        {
            break after;
        }
        assert!(begun.elapsed() < PATIENCE, "{after}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    let grown = |name: &str| value(&after, name).unwrap_or_default() - value(&before, name).unwrap_or_default();
    let of = |code: &str| {
        format!(
            r#"mediation_ledger_requests_total{{service="mediation.desk.v1.PetitionDesk",method="Record",code="{code}"}}"#
        )
    };
    assert_eq!(grown(&of("Ok")), 1.0, "{after}");
    assert_eq!(grown(&of("InvalidArgument")), 1.0, "{after}");
    assert_eq!(grown(r#"mediation_ledger_refusals_total{reason="MALFORMED"}"#), 1.0);
    assert_eq!(grown("mediation_ledger_entries"), 1.0);
    assert!(value(&after, "mediation_ledger_witnessed_entries") < value(&after, "mediation_ledger_entries"));
    assert_eq!(value(&after, "mediation_ledger_witnesses_accusing"), Some(0.0));
    assert_eq!(value(&after, "mediation_ledger_vault_here"), Some(1.0));
    assert_eq!(value(&after, "mediation_ledger_backup_timestamp_seconds"), Some(0.0));
    assert!(
        value(&after, r#"mediation_ledger_certificate_expiry_timestamp_seconds{certificate="server"}"#) > Some(1.7e9)
    );
    assert!(value(&after, "mediation_ledger_disk_free_bytes") > Some(0.0));
}

#[tokio::test(flavor = "multi_thread")]
async fn no_metric_tells_what_a_case_is_about_or_who_asks_for_what() {
    let (served, _states) = busy().await;
    let client = served.client("XF-FL", AgencyKind::Petition).await;
    let (chain, id) = (chain_id(), event_id());
    client.record(registration(&chain, &id, "canary4f1e 排水渠堵塞")).await.unwrap();
    client.receipt(&chain, &id).await.unwrap();
    client.receipt(&chain_id(), &id).await.unwrap_err();
    let shown = served.run(&["chain", &chain, "--agency", "XF-FL", "--reader", "XF-FL/REG-canary"]);
    drop(shown);
    let text = text(&served);
    for secret in ["canary", &chain, &id, "苗岫", "psn_", "XF-FL", "360222", "BEGIN", "ledger.jingdezhen.example/main"]
    {
        assert!(!text.contains(secret), "{secret}: {text}");
    }
    let mut labels: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    let label = Regex::new(r#"([a-z]+)="([^"]*)""#).unwrap();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        for found in label.captures_iter(line) {
            labels.entry(found.get(1).unwrap().as_str()).or_default().insert(found.get(2).unwrap().as_str());
        }
    }
    let names: Vec<&str> = labels.keys().copied().collect();
    assert_eq!(names, ["certificate", "code", "le", "method", "reason", "service", "witness"]);
}
