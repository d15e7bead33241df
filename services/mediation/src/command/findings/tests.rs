use std::{collections::BTreeMap, fs, path::Path, sync::Arc};

use mediation_client::ClientError;
use mediation_domain::{admit::Caller, case::Case, history::EventId};
use mediation_ledger::{
    key::{Ed25519Signer, Signer},
    ledger::Ledger,
    recorder::{Recorder, Request},
};
use mediation_log_embedded::{
    Embedded, FatalHandler,
    disk::{Disk, RealDisk},
    vault::FileVault,
};
use tempfile::TempDir;

use super::*;
use crate::{
    access::Door,
    config::Config,
    keys,
    layout::Layout,
    manifest::Manifest,
    process::{Process, log_options},
    replay::{TemporaryLedger, read},
};

/// A built-in case under another number.
fn case(name: &str, number: &str) -> Case {
    Case { chain: number.to_owned(), ..read(name.as_ref()).unwrap() }
}

/// Replays cases into one ledger.
async fn replayed(cases: &[&Case]) -> TempDir {
    let ledger = TemporaryLedger::start(cases).await.unwrap();
    for case in cases {
        ledger.replay(case, &|| {}).await.unwrap();
    }
    ledger.stop().await.unwrap()
}

/// Codes of the findings of every chain of a directory, by number of the chain.
fn found(directory: &Path, as_of: &str) -> Vec<(String, Result<Vec<String>, UnknownRuleSet>)> {
    let archive = Archive::open(directory).unwrap();
    let surroundings = gather(&archive, &ProgressBar::hidden()).unwrap();
    let moment = Moment::end_of(Day::parse(as_of).unwrap());
    let mut found = Vec::new();
    for chain in archive.log().chains() {
        let entries = archive.chain(chain).unwrap();
        let number = history(entries.clone()).iter().find_map(|act| act.act.header.as_ref()?.chain_no.clone());
        let judged = judged(&archive, chain, &entries, &surroundings, moment);
        let codes = judged.map(|(_, found)| found.into_iter().map(|found| found.code).collect());
        found.push((number.unwrap_or_default(), codes));
    }
    found.sort_by(|a, b| a.0.cmp(&b.0));
    found
}

/// Records the first step of a case under another rule set than the ledger's, as a later version of the program would.
async fn record_under(rule_set: &str, directory: &Path, case: &Case, chain: ChainId) {
    let layout = Layout::new(directory);
    let manifest = Manifest::open(&fs::read(layout.manifest()).unwrap()).unwrap();
    let origin = manifest.origin.as_str();
    let disk: Arc<dyn Disk> = Arc::new(RealDisk);
    let options = log_options(origin, manifest.segment_bytes, &Config::default(), None);
    let log = Arc::new(Embedded::open(Arc::clone(&disk), directory, &options).unwrap());
    let vault = FileVault::open(disk.as_ref(), &layout.vault(), origin, FatalHandler::default()).unwrap();
    let vault = Arc::new(vault);
    let ledger = Ledger::new(origin, rule_set, Arc::clone(&log), Arc::clone(&vault), Arc::new(SystemClock));
    let ledger = Arc::new(ledger);
    let registry = ledger.refresh_registry().await.unwrap();
    let step = case.steps.first().unwrap();
    let caller = Caller { agency: step.agency.clone(), kind: registry.directory().kind(&step.agency).unwrap() };
    let key = keys::read(&layout.signing_key(&step.agency)).unwrap();
    let signer: Arc<dyn Signer> = Arc::new(Ed25519Signer::new(key));
    let recorder = Recorder::new(ledger, BTreeMap::from([(step.agency.clone(), signer)]));
    let request = Request {
        chain,
        event_id: EventId(*uuid::Uuid::now_v7().as_bytes()),
        expected_revision: None,
        occurred_at: step.occurred_at(),
        act: case.act(step, &|step| step.event_id()).unwrap(),
    };
    recorder.record(&caller, &request).await.unwrap();
    log.close().await;
    vault.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn chains_of_a_directory_are_judged_among_each_other() {
    let (first, second) = (case("G01", "JF3602032024030400017"), case("G01", "JF3602032024030400025"));
    let alone = replayed(&[&first]).await;
    assert_eq!(found(&alone.path().join("ledger"), &first.as_of).last().unwrap().1, Ok(Vec::new()));
    let both = replayed(&[&first, &second]).await;
    let both = found(&both.path().join("ledger"), &first.as_of);
    let codes = |at: usize| both.get(at).unwrap().1.clone().unwrap();
    // The registry chain has no number and comes first. Which of two acts of one instant has the number depends on the ids
    // of the chains, which are random here.
    assert!(codes(0).is_empty());
    let doubled = [codes(1), codes(2)].concat();
    assert!(!doubled.is_empty() && doubled.iter().all(|code| code == "F-BAD-NUMBER"), "{doubled:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chain_under_a_rule_set_that_is_not_there_is_named_and_not_judged() {
    let case = case("G01", "JF3602032024030400017");
    let directory = replayed(&[&case]).await;
    let path = directory.path().join("ledger");
    let chain = ChainId(*uuid::Uuid::new_v4().as_bytes());
    record_under("cn-1999", &path, &Case { chain: "JF3602032024030400025".to_owned(), ..case.clone() }, chain).await;
    let unknown = Err(UnknownRuleSet { name: "cn-1999".to_owned() });
    let judged: Vec<_> = found(&path, &case.as_of).into_iter().map(|(_, judged)| judged).collect();
    assert_eq!(judged, [Ok(Vec::new()), Ok(Vec::new()), unknown]);

    let config = Config { listen: ([127, 0, 0, 1], 0).into(), ..Config::default() };
    let process = Process::start(&path, &config, Arc::new(SystemClock)).await.unwrap();
    let door = Door::open(&process.address.to_string(), &path).unwrap();
    let registry = door.registry().await.unwrap();
    let client = door.client("ZC-ZS", &registry).await.unwrap();
    let refused = client.verified_chain(&chain.to_string(), None, &registry).await.unwrap_err();
    assert!(matches!(refused, ClientError::Status(_)));
    let told = crate::command::explanation(&refused.into()).join("\n");
    for text in ["RULE_SET_UNKNOWN", "cn-1999", "所用规则集", "does not have"] {
        assert!(told.contains(text), "{told}");
    }
    process.stop().await.unwrap();
}

#[test]
fn a_code_without_its_prefix_means_findings_and_observations() {
    assert_eq!(pattern("F-OVERDUE").unwrap(), ["F-OVERDUE"]);
    assert_eq!(pattern("OVERDUE").unwrap(), ["F-OVERDUE", "O-OVERDUE"]);
    assert!(pattern("F-NOTHING").is_err());
}
