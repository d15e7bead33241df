//! Seven witnesses and a ledger, each a process of its own.

use std::{
    collections::BTreeMap,
    fs,
    io::{BufRead as _, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use mediation_ledger::{
    checkpoint::{Checkpoint, SignedCheckpoint},
    merkle::{Hash, Tree, hash_leaf},
    note::{Note, VerifierKey},
    policy::Policy,
    tile::{Tile, TileContent, decode_entries, partial_tiles},
    witness::origin_digest,
};
use mediation_proto::mediation::{
    ledger::v1::{GetWitnessesResponse, Receipt, ReceiptLevel},
    types::v1::AgencyKind,
};
use tempfile::TempDir;

use crate::{
    bundle::{script_verdict, verdict},
    http::{Answer, ask},
    served::{Served, chain_id, copy, event_id, mediation, registration},
};

/// Real time after which a test gives up.
const PATIENCE: Duration = Duration::from_secs(60);

const CENTERS: [&str; 7] =
    ["court", "procuratorate", "petition", "mediation", "justice", "legal-service", "psychology"];

fn get(address: &str, path: &str) -> Answer {
    ask(address, "GET", path, &[])
}

/// A witness, and its process while there is one.
pub(crate) struct Witness {
    name: String,
    state: PathBuf,
    pub(crate) vkey: VerifierKey,
    pub(crate) address: String,
    log: String,
    child: Option<Child>,
}

impl Witness {
    pub(crate) fn new(directory: &Path, name: &str, log: &str) -> Self {
        let state = directory.join(name);
        let made = Command::new(mediation())
            .args(["witness", "init", "--name", &format!("{name}.example/witness"), "--dir"])
            .arg(&state)
            .output()
            .unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let vkey = String::from_utf8(made.stdout).unwrap().trim().parse().unwrap();
        let address = "127.0.0.1:0".to_owned();
        let mut witness = Self { name: name.to_owned(), state, vkey, address, log: log.to_owned(), child: None };
        witness.start();
        witness
    }

    /// Starts at the address it had before, if it had one.
    pub(crate) fn start(&mut self) {
        let mut child = Command::new(mediation())
            .args(["witness", "--log-level", "error", "--listen", &self.address, "--log", &self.log, "--dir"])
            .arg(&self.state)
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        self.address = line.trim().rsplit(' ').next().unwrap().to_owned();
        assert!(self.address.starts_with("127.0.0.1:"), "the witness said {line:?}");
        self.child = Some(child);
    }

    pub(crate) fn kill(&mut self) {
        let mut child = self.child.take().unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
    }

    fn stop(&mut self) {
        let mut child = self.child.take().unwrap();
        assert!(Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap().success());
        assert!(child.wait().unwrap().success());
    }

    /// What it remembers of the log, byte for byte.
    fn remembered(&self) -> String {
        let origin = self.log.parse::<VerifierKey>().unwrap().name().clone();
        fs::read_to_string(self.state.join(format!("{}.checkpoint", origin_digest(&origin)))).unwrap()
    }

    fn remembered_checkpoint(&self) -> Checkpoint {
        Note::parse(self.remembered().as_bytes()).unwrap().text().parse().unwrap()
    }
}

impl Drop for Witness {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            drop(child.kill());
            drop(child.wait());
        }
    }
}

/// A ledger whose checkpoints seven witnesses cosign, of which five make the quorum.
struct City {
    served: Served,
    witnesses: BTreeMap<&'static str, Witness>,
    policy: Policy,
    _directory: TempDir,
}

impl City {
    fn new() -> Self {
        let mut served = Served::new();
        served.stop();
        let directory = tempfile::tempdir().unwrap();
        let log = served.trust().log_key.to_string();
        let witnesses: BTreeMap<_, _> =
            CENTERS.into_iter().map(|name| (name, Witness::new(directory.path(), name, &log))).collect();
        let lines = witnesses
            .iter()
            .map(|(name, witness)| format!("witness {name} {} http://{}\n", witness.vkey, witness.address));
        let lines: String = lines.collect();
        let policy = format!("log {log}\n{lines}group centers 5 {}\nquorum centers\n", CENTERS.join(" "));
        fs::write(served.path().join("witnesses.policy"), &policy).unwrap();
        configure(&served.path());
        served.start();
        Self { served, witnesses, policy: policy.parse().unwrap(), _directory: directory }
    }

    fn witness(&mut self, name: &str) -> &mut Witness {
        self.witnesses.get_mut(name).unwrap()
    }

    /// The cosignatures of a note that hold.
    fn verify(&self, note: &str) -> SignedCheckpoint {
        let note = Note::parse(note.as_bytes()).unwrap();
        SignedCheckpoint::verify(note, self.served.trust().log_key.name(), &self.policy.keys()).unwrap()
    }
}

/// Gives a ledger its witnesses, and serves its log.
pub(crate) fn configure(ledger: &Path) {
    let path = ledger.join("mediation.toml");
    let mut config: toml::Table = fs::read_to_string(&path).unwrap().parse().unwrap();
    let more = "[log_http]\nlisten = \"127.0.0.1:0\"\nentries = true\n[witnesses]\npolicy = \"witnesses.policy\"\ngrace_ms = 300\ntimeout_ms = 2000\nlag_limit_s = 1\n";
    config.extend(more.parse::<toml::Table>().unwrap());
    fs::write(path, toml::to_string(&config).unwrap()).unwrap();
}

/// Records an act and asks for a receipt of a level.
pub(crate) async fn record(served: &Served, level: ReceiptLevel) -> Receipt {
    let client = served.client("XF-FL", AgencyKind::Petition).await;
    let mut request = registration(&chain_id(), &event_id(), "排水渠堵塞");
    request.wait = Some(level.into());
    let receipt = client.send(request).await.unwrap();
    client.trust().verify(&receipt).unwrap();
    receipt
}

async fn standing(served: &Served) -> GetWitnessesResponse {
    served.client("XF-FL", AgencyKind::Petition).await.witnesses().await.unwrap()
}

/// Asks how the witnesses stand until it is as it should be.
async fn until(served: &Served, wanted: impl Fn(&GetWitnessesResponse) -> bool) -> GetWitnessesResponse {
    let begun = Instant::now();
    loop {
        let found = standing(served).await;
        if wanted(&found) {
            return found;
        }
        assert!(begun.elapsed() < PATIENCE, "the witnesses stand like this: {found:#?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// `mediation log witnesses` as an operator runs it: exit code and what it prints.
fn shown(served: &Served) -> (Option<i32>, String) {
    let shown = Command::new(mediation())
        .args(["log", "witnesses", "--ledger", &served.address, "--dir"])
        .arg(served.path())
        .output()
        .unwrap();
    (shown.status.code(), String::from_utf8(shown.stdout).unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn two_of_seven_witnesses_may_be_down_and_with_four_down_intake_goes_on_and_the_lag_shows() {
    let mut city = City::new();
    let receipt = record(&city.served, ReceiptLevel::Witnessed).await;
    assert_eq!(receipt.level(), ReceiptLevel::Witnessed);
    let cosignatures = city.served.trust().verify_quorum(&receipt, &city.policy).unwrap();
    assert!(cosignatures.len() >= 5, "{cosignatures:?}");

    city.witness("court").kill();
    city.witness("psychology").stop();
    for _ in 0..3 {
        let receipt = record(&city.served, ReceiptLevel::Witnessed).await;
        assert_eq!(receipt.level(), ReceiptLevel::Witnessed);
        assert_eq!(city.served.trust().verify_quorum(&receipt, &city.policy).unwrap().len(), 5);
    }
    let log_http = city.served.log_http.clone().unwrap();
    let witnessed = city.verify(&get(&log_http, "/checkpoint.witnessed").text());
    assert!(city.policy.is_met(&witnessed.cosignatures));

    city.witness("petition").kill();
    city.witness("justice").kill();
    let mut sealed = Vec::new();
    let begun = Instant::now();
    for _ in 0..20 {
        sealed.push(record(&city.served, ReceiptLevel::Sealed).await);
    }
    assert!(sealed.iter().all(|receipt| receipt.level() == ReceiptLevel::Sealed));
    assert!(begun.elapsed() < PATIENCE / 2, "intake waits for nobody");
    let lagging = |found: &GetWitnessesResponse| found.witnesses.iter().filter(|witness| witness.lagging).count();
    let found = until(&city.served, |found| lagging(found) == 4).await;
    assert!(found.sealed_size > found.witnessed_size.unwrap());
    let (code, table) = shown(&city.served);
    assert_eq!(code, Some(1), "{table}");
    assert_eq!(table.matches("滞后 lagging").count(), 4, "{table}");
    let waited = record(&city.served, ReceiptLevel::Witnessed).await;
    assert_eq!(waited.level(), ReceiptLevel::Sealed, "a bounded wait, then what there is");
    assert!(city.served.trust().verify_quorum(&waited, &city.policy).is_err());

    for name in ["court", "psychology", "petition", "justice"] {
        city.witness(name).start();
    }
    let caught_up =
        |found: &GetWitnessesResponse| lagging(found) == 0 && found.witnessed_size == Some(found.sealed_size);
    until(&city.served, caught_up).await;
    assert_eq!(shown(&city.served).0, Some(0));
    city.served.stop();
    let (report, good) = city.served.verify();
    assert!(good, "{report:#}");
    let files: Vec<_> =
        report["checkpoints"].as_array().unwrap().iter().map(|row| row["file"].as_str().unwrap()).collect();
    assert!(files.contains(&"checkpoint.witnessed"), "{files:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bundle_carries_the_cosignatures_to_who_asks_for_a_quorum() {
    let mut city = City::new();
    let receipt = record(&city.served, ReceiptLevel::Witnessed).await;
    assert_eq!(receipt.level(), ReceiptLevel::Witnessed);
    let (ledger, directory) = (city.served.path(), city.served.directory.path().to_owned());
    let trust = directory.join("trust");
    let published = fs::read_to_string(ledger.join("policy")).unwrap();
    let genesis = published.lines().find(|line| line.starts_with("# genesis ")).unwrap();
    let witnesses = fs::read_to_string(ledger.join("witnesses.policy")).unwrap();
    fs::write(&trust, format!("{genesis}\n{witnesses}")).unwrap();
    let export = |out: &Path, more: &[&str]| {
        let mut export = Command::new(mediation());
        export.args(["export", "registry", "--dir"]).arg(&ledger).arg("--out").arg(out).args(more);
        let exported = export.output().unwrap();
        assert!(exported.status.success(), "{}", String::from_utf8_lossy(&exported.stderr));
    };
    let (served, offline) = (directory.join("served.evidence.zip"), directory.join("offline.evidence.zip"));
    export(&served, &["--ledger", &city.served.address, "--agency", "XF-FL"]);
    city.served.stop();
    export(&offline, &[]);
    for file in [served, offline] {
        for verdict in [verdict(&file, Some(&trust)), script_verdict(&file, Some(&trust))] {
            let rows = verdict["checks"].as_array().unwrap();
            let row = rows.iter().find(|row| row["check"] == "witnesses").unwrap();
            assert_eq!((&verdict["good"], &row["state"]), (&true.into(), &"passed".into()), "{verdict:#}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_forked_ledger_gets_no_cosignature_and_no_witness_forgets() {
    let mut city = City::new();
    record(&city.served, ReceiptLevel::Witnessed).await;
    city.served.stop();
    // The same keys, the same origin, the same beginning; from here on two histories.
    let directory = tempfile::Builder::new().prefix("mediation-fork-").tempdir().unwrap();
    let ledger = directory.path().join("ledger");
    let mut fork = Served::beside(directory, ledger);
    copy(&city.served.path(), &fork.path());
    city.served.start();
    for _ in 0..3 {
        record(&city.served, ReceiptLevel::Witnessed).await;
    }
    let everyone = |found: &GetWitnessesResponse| {
        found.witnesses.iter().all(|witness| witness.cosigned_size == Some(found.sealed_size))
    };
    let honest = until(&city.served, everyone).await;
    city.served.stop();
    let before: Vec<String> = city.witnesses.values().map(Witness::remembered).collect();

    fork.start();
    let receipt = record(&fork, ReceiptLevel::Sealed).await;
    assert_eq!(receipt.level(), ReceiptLevel::Sealed, "nothing keeps an operator from forking his own machine");
    let ahead = |found: &GetWitnessesResponse| {
        let says = |trouble: &str| trouble.contains("more than this log has") || trouble.contains("status 422");
        found.witnesses.iter().all(|witness| witness.trouble.as_deref().is_some_and(says))
    };
    let found = until(&fork, ahead).await;
    assert!(found.witnesses.iter().all(|witness| witness.cosigned_size.is_none()), "{found:#?}");
    // Beyond what was cosigned the proof starts at the witness's own tree, and does not hold.
    while standing(&fork).await.sealed_size <= honest.sealed_size + 1 {
        record(&fork, ReceiptLevel::Sealed).await;
    }
    let refused = |found: &GetWitnessesResponse| {
        found.witnesses.iter().all(|witness| witness.trouble.as_deref().is_some_and(|text| text.contains("status 422")))
    };
    let found = until(&fork, refused).await;
    assert!(found.witnesses.iter().all(|witness| witness.cosigned_size.is_none()), "{found:#?}");
    assert!(found.witnessed_size.unwrap() < honest.witnessed_size.unwrap());
    let waited = record(&fork, ReceiptLevel::Witnessed).await;
    assert_eq!(waited.level(), ReceiptLevel::Sealed);
    let after: Vec<String> = city.witnesses.values().map(Witness::remembered).collect();
    assert_eq!(before, after, "what the witnesses hold against it is what they held before");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_witness_that_is_killed_never_cosigns_backwards() {
    let mut city = City::new();
    let mut last = 0;
    for _ in 0..5 {
        record(&city.served, ReceiptLevel::Witnessed).await;
        let court = city.witness("court");
        court.kill();
        let remembered = court.remembered_checkpoint().size.0;
        assert!(remembered >= last, "{remembered} after {last}");
        last = remembered;
        court.start();
        let served =
            get(&court.address, &format!("/{}/checkpoint", origin_digest(&court.remembered_checkpoint().origin)));
        assert_eq!(served.text(), court.remembered());
    }
    let name = city.witness("court").name.clone();
    let caught_up = |found: &GetWitnessesResponse| {
        let court = found.witnesses.iter().find(|witness| witness.name.starts_with(&name)).unwrap();
        court.cosigned_size == Some(found.sealed_size)
    };
    until(&city.served, caught_up).await;
    // What it has cosigned before, offered once more, it does not cosign again.
    let court = city.witness("court");
    let note = court.remembered();
    let old = format!("old 0\n\n{note}");
    let answer = ask(&court.address, "POST", "/add-checkpoint", old.as_bytes());
    let size = court.remembered_checkpoint().size;
    assert_eq!((answer.status, answer.text()), (409, format!("{size}\n")));
    assert!(answer.headers.contains("content-type: text/x.tlog.size"), "{}", answer.headers);
    assert_eq!(court.remembered(), note);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_served_log_is_the_tree_of_its_checkpoint() {
    let city = City::new();
    record(&city.served, ReceiptLevel::Witnessed).await;
    let log_http = city.served.log_http.clone().unwrap();
    for path in ["/checkpoint", "/checkpoint.witnessed"] {
        let signed = city.verify(&get(&log_http, path).text());
        let size = signed.checkpoint.size;
        let mut leaves = Vec::new();
        for tile in partial_tiles(size) {
            let answer = get(&log_http, &format!("/{tile}"));
            assert_eq!(answer.status, 200, "{tile}");
            assert!(answer.headers.contains("immutable"), "{}", answer.headers);
            if tile.content() == TileContent::Hashes(0) {
                leaves.extend(answer.body.chunks(32).map(|hash| Hash(hash.try_into().unwrap())));
            }
        }
        let tree: Tree = leaves.iter().copied().collect();
        assert_eq!((tree.size(), tree.root()), (size, signed.checkpoint.root), "{path}");
        let width = u16::try_from(size.0).unwrap();
        let bundle = get(&log_http, &format!("/{}", Tile::new(TileContent::Entries, 0, width).unwrap()));
        let entries = decode_entries(&bundle.body.into(), width).unwrap();
        assert_eq!(entries.iter().map(|entry| hash_leaf(entry)).collect::<Vec<_>>(), leaves);
    }
}
