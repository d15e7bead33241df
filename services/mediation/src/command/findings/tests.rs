use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
    sync::Arc,
};

use clap::Parser as _;
use mediation_city::{City, story::Story};
use mediation_client::ClientError;
use mediation_domain::{admit::Caller, case::Case, history::EventId};
use mediation_ledger::{
    chain::Revision,
    key::{Ed25519Signer, Signer},
    ledger::Ledger,
    log::Log as _,
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
    Cli, Command,
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

/// Every chain of a directory judged by so many threads.
fn judged(directory: &Path, as_of: &str, threads: usize) -> Judged {
    let survey = Survey::begin(directory).unwrap().unwrap();
    let surroundings = gather(&survey, threads).unwrap();
    let moment = Moment::end_of(Day::parse(as_of).unwrap());
    judge(&survey, &surroundings, moment, &|_| true, threads).unwrap().0
}

/// The findings, chain after chain.
fn findings(judged: &Judged) -> impl Iterator<Item = &Found> {
    judged.told.values().flat_map(|told| match told {
        Told::Found(found) => found.as_slice(),
        Told::Unjudged(chain, unknown) => panic!("{chain} names `{}`", unknown.name),
    })
}

fn codes(judged: &Judged) -> Vec<&str> {
    findings(judged).map(|found| found.code.as_str()).collect()
}

/// Appends a record that is none to a chain that there is not, as whoever holds write credentials can.
async fn append_garbage(directory: &Path) {
    let manifest = Manifest::open(&fs::read(Layout::new(directory).manifest()).unwrap()).unwrap();
    let options = log_options(manifest.origin.as_str(), manifest.segment_bytes, &Config::default(), None);
    let log = Embedded::open(Arc::new(RealDisk), directory, &options).unwrap();
    log.append(ChainId([7; 16]), Revision::FIRST, "this is no record".into()).await.unwrap();
    log.close().await;
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
    assert!(codes(&judged(&alone.path().join("ledger"), &first.as_of, 1)).is_empty());
    let both = replayed(&[&first, &second]).await;
    let both = judged(&both.path().join("ledger"), &first.as_of, 1);
    // Which of two acts of one instant has the number depends on the ids of the chains, which are random here.
    let doubled = codes(&both);
    assert!(!doubled.is_empty() && doubled.iter().all(|code| *code == "F-BAD-NUMBER"), "{doubled:?}");
}

/// A finding as the city plants it: chain, code, step, agency, clock.
type Placed = (ChainId, String, Option<u64>, Option<String>, Option<String>);

fn placed(found: &Found) -> Placed {
    (found.chain, found.code.clone(), found.step, found.agency.clone(), found.clock.clone())
}

fn planted(story: &Story) -> impl Iterator<Item = Placed> {
    let chain = ChainId(story.chain);
    story.planted.iter().map(move |planted| {
        let step = planted.at.map(|revision| revision + 1);
        (chain, planted.code.to_owned(), step, planted.agency.clone(), planted.clock.map(str::to_owned))
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn among_all_chains_of_a_city_exactly_what_was_planted_is_found_by_any_number_of_threads() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("city");
    let text = path.to_str().unwrap();
    let line = ["mediation", "city", "--year", "2024", "--seed", "1", "--scale", "0.002", "--out", text];
    let Command::City(city) = Cli::parse_from(line).command else { panic!("another command") };
    assert!(crate::command::city::run(city).await.unwrap());
    let city = City::new(2024, 1, "0.002".parse().unwrap());
    let planted: BTreeSet<Placed> = city.stories().flat_map(|story| planted(&story).collect::<Vec<_>>()).collect();
    assert!(!planted.is_empty());

    let one = judged(&path, "2024-12-31", 1);
    let found: Vec<Placed> = findings(&one).map(placed).collect();
    assert_eq!(found.iter().cloned().collect::<BTreeSet<_>>(), planted);
    assert_eq!(found.len(), planted.len());
    assert_eq!(format!("{:?}", judged(&path, "2024-12-31", 3)), format!("{one:?}"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_entry_that_does_not_count_is_a_finding_and_of_a_damaged_log_there_are_none() {
    let case = case("G01", "JF3602032024030400017");
    let directory = replayed(&[&case]).await;
    let path = directory.path().join("ledger");
    append_garbage(&path).await;
    assert_eq!(codes(&judged(&path, &case.as_of, 2)), ["F-INTEGRITY"]);

    let segment = fs::read_dir(path.join("log")).unwrap().next().unwrap().unwrap().path();
    let mut bytes = fs::read(&segment).unwrap();
    *bytes.get_mut(5_000).unwrap() ^= 1;
    fs::write(&segment, bytes).unwrap();
    let arguments = Arguments { dir: path, as_of: None, code: None, agency: None, json: false };
    assert!(!run(&arguments).unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chain_under_a_rule_set_that_is_not_there_is_named_and_not_judged() {
    let case = case("G01", "JF3602032024030400017");
    let directory = replayed(&[&case]).await;
    let path = directory.path().join("ledger");
    let chain = ChainId(*uuid::Uuid::new_v4().as_bytes());
    record_under("cn-1999", &path, &Case { chain: "JF3602032024030400025".to_owned(), ..case.clone() }, chain).await;
    let judged = judged(&path, &case.as_of, 1);
    let told: Vec<&Told> = judged.told.values().collect();
    assert!(
        matches!(told.as_slice(), [Told::Unjudged(named, unknown)] if *named == chain && unknown.name == "cn-1999")
    );
    // The registry chain, the case, and the access chains of the four agencies that have read it.
    assert_eq!(judged.rule_sets.values().copied().collect::<Vec<_>>(), [6]);

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
