//! The read model of a served ledger: killed time and again it loses no row and doubles none, and is told as one built anew.

use std::{
    path::Path,
    process::{Command, Output},
    time::Duration,
};

use mediation_client::ClientError;
use mediation_proto::mediation::types::v1::AgencyKind;
use rusqlite::{Connection, OpenFlags, types::Value as Cell};
use serde_json::{Value, json};

use crate::served::{Served, chain_id, event_id, mediation, registration, request};

/// Tables that are compared, row for row.
const TABLES: [&str; 11] = [
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

/// Time within which the model has followed what is recorded.
const WITHIN: Duration = Duration::from_secs(60);

fn open(ledger: &Path) -> Option<Connection> {
    Connection::open_with_flags(ledger.join("models/ledger.sqlite"), OpenFlags::SQLITE_OPEN_READ_ONLY).ok()
}

/// Every row of every table, and the day that it is as of.
fn rows(ledger: &Path) -> Vec<String> {
    let model = open(ledger).unwrap();
    let mut rows = vec![meta(&model, "judged_as_of").unwrap(), meta(&model, "entries").unwrap()];
    for table in TABLES {
        let mut statement = model.prepare(&format!("SELECT * FROM {table}")).unwrap();
        let columns = statement.column_count();
        let cells = statement.query_map([], |row| (0..columns).map(|at| row.get(at)).collect::<Result<Vec<Cell>, _>>());
        let mut found: Vec<String> = cells.unwrap().map(|cells| format!("{table} {:?}", cells.unwrap())).collect();
        found.sort();
        rows.extend(found);
    }
    rows
}

fn meta(model: &Connection, name: &str) -> Option<String> {
    model.query_row("SELECT value FROM meta WHERE name = ?1", [name], |row| row.get(0)).ok()
}

/// Entries that the model has followed, when nothing of it waits to be judged.
pub(crate) fn followed(ledger: &Path) -> Option<u64> {
    let model = open(ledger)?;
    let waits: i64 = model.query_row("SELECT count(*) FROM pending", [], |row| row.get(0)).ok()?;
    meta(&model, "judged_as_of").filter(|_| waits == 0)?;
    meta(&model, "entries")?.parse().ok()
}

/// Records on for a while, then kills the server in the middle; gives the chains that were begun.
async fn load(served: &mut Served) -> usize {
    let client = served.client("XF-FL", AgencyKind::Petition).await;
    let began = tokio::time::Instant::now();
    let mut chains = 0;
    while began.elapsed() < Duration::from_secs(1) {
        let chain = chain_id();
        client.send(registration(&chain, &event_id(), "排水渠堵塞")).await.unwrap();
        let visited = json!({"satisfaction": "SATISFIED", "relapse_signs": false});
        client.send(request(&chain, &event_id(), "FollowUpVisited", "XF-FL/REG-1", "REG", visited)).await.unwrap();
        chains += 1;
    }
    let last = tokio::spawn(async move { client.send(registration(&chain_id(), &event_id(), "排水渠堵塞")).await });
    served.kill();
    // Stored or not: the server was killed meanwhile.
    assert!(matches!(last.await.unwrap(), Ok(_) | Err(ClientError::Status(_))));
    chains
}

fn rebuild(ledger: &Path) -> Output {
    Command::new(mediation()).args(["rebuild", "--json", "--dir"]).arg(ledger).output().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_model_whose_server_is_killed_time_and_again_equals_one_built_anew() {
    let mut served = Served::new();
    let mut chains = 0;
    for _ in 0..3 {
        chains += load(&mut served).await;
        served.start();
    }
    let client = served.client("XF-FL", AgencyKind::Petition).await;
    let chain = chain_id();
    client.send(registration(&chain, &event_id(), "排水渠堵塞")).await.unwrap();
    client.chain(&chain, None).await.unwrap();
    let size = served.trust().checkpoint(&client.checkpoint().await.unwrap()).unwrap().size.0;
    let began = tokio::time::Instant::now();
    while followed(&served.path()).is_none_or(|entries| entries < size) {
        assert!(began.elapsed() < WITHIN, "{:?} of {size} entries were followed", followed(&served.path()));
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let while_served = rebuild(&served.path());
    assert_eq!(while_served.status.code(), Some(5));
    let told = String::from_utf8(while_served.stderr).unwrap();
    assert!(told.contains("读模型须在停止服务后重建") && told.contains("is being served"), "{told}");
    served.stop();
    let grown = rows(&served.path());
    let built = rebuild(&served.path());
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    let built: Value = serde_json::from_slice(&built.stdout).unwrap();
    let (report, good) = served.verify();
    assert!(good, "{report:#}");
    assert_eq!(built["entries"], report["entries"]);
    let anew = rows(&served.path());
    let of = |table: &str| anew.iter().filter(|row| row.starts_with(&format!("{table} "))).count();
    assert!(of("chains") > chains && of("ties") > chains && of("accesses") == 1, "{} chains", of("chains"));
    assert_eq!(grown, anew);
}
