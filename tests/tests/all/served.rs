//! A ledger in a process of its own, as users run it: founded by `mediation init`, served by `mediation serve`.

use std::{
    ffi::OsStr,
    io::{BufRead as _, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    sync::{Arc, OnceLock},
};

use ed25519_dalek::{SigningKey, pkcs8::DecodePrivateKey as _};
use mediation_client::{CallerKeys, CallerSigner, Client, Connection, Identity, Trust};
use mediation_ledger::key::Ed25519Signer;
use mediation_proto::{
    ActRequest,
    fields::kind_of_event,
    json::act_from_json,
    mediation::{
        ledger::v1::Reading,
        types::v1::{AccessPurpose, AgencyKind, Role},
    },
};
use serde_json::{Map, Value, json};
use tempfile::TempDir;

/// The binary under test: the one that `MEDIATION_BINARY` names, else the one built by the same invocation of cargo, since the package of the binary has a test of its own.
pub(crate) fn mediation() -> &'static Path {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    BINARY.get_or_init(|| {
        if let Ok(named) = std::env::var("MEDIATION_BINARY") {
            return PathBuf::from(named);
        }
        let test = std::env::current_exe().unwrap();
        let binary = test.ancestors().nth(2).unwrap().join("mediation");
        assert!(binary.exists(), "`{}` is not built; run `cargo build` first", binary.display());
        binary
    })
}

/// The key in a key file.
pub(crate) fn private_key(path: &Path) -> SigningKey {
    SigningKey::from_pkcs8_pem(&std::fs::read_to_string(path).unwrap()).unwrap()
}

/// Copies a directory with everything in it.
pub(crate) fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for file in std::fs::read_dir(from).unwrap() {
        let file = file.unwrap();
        let target = to.join(file.file_name());
        if file.file_type().unwrap().is_dir() {
            copy(&file.path(), &target);
        } else {
            std::fs::copy(file.path(), target).unwrap();
        }
    }
}

/// A ledger's directory, and the process that serves it while there is one.
#[derive(Debug)]
pub(crate) struct Served {
    pub(crate) directory: TempDir,
    ledger: PathBuf,
    pub(crate) address: String,
    /// Address of the log over HTTP, if the configuration serves it.
    pub(crate) log_http: Option<String>,
    /// Address of the listener for probes, if the configuration gives one.
    pub(crate) health: Option<String>,
    child: Option<Child>,
}

impl Served {
    /// Founds a ledger of the fixture city and serves it.
    pub(crate) fn new() -> Self {
        Self::founded(&[])
    }

    /// Founds a ledger of these agencies, rows of an agencies file, and serves it.
    pub(crate) fn founded_by(agencies: &[Value]) -> Self {
        let file = tempfile::NamedTempFile::new().unwrap();
        serde_json::to_writer(file.as_file(), agencies).unwrap();
        Self::founded(&["--agencies".as_ref(), file.path().as_os_str()])
    }

    /// Founds a ledger with further arguments of `mediation init`, and serves it.
    pub(crate) fn founded_with(arguments: &[&str]) -> Self {
        Self::founded(&arguments.iter().map(AsRef::as_ref).collect::<Vec<_>>())
    }

    fn founded(arguments: &[&OsStr]) -> Self {
        let directory = tempfile::Builder::new().prefix("mediation-test-").tempdir().unwrap();
        let founded = Command::new(mediation())
            .args(["init", "--json", "--segment-bytes", "1048576"])
            .args(arguments)
            .arg("--dir")
            .arg(directory.path().join("ledger"))
            .output()
            .unwrap();
        assert!(founded.status.success(), "{}", String::from_utf8_lossy(&founded.stderr));
        let mut served = Self::inside(directory);
        served.start();
        served
    }

    /// A ledger that stands, or will, in `ledger` of a directory that goes with it.
    pub(crate) fn inside(directory: TempDir) -> Self {
        let ledger = directory.path().join("ledger");
        Self::beside(directory, ledger)
    }

    /// A ledger that stands, or will, somewhere, with a directory for what belongs to it.
    pub(crate) fn beside(directory: TempDir, ledger: PathBuf) -> Self {
        Self { directory, ledger, address: String::new(), log_http: None, health: None, child: None }
    }

    /// A ledger that stands already, and that nobody serves yet.
    pub(crate) fn at(ledger: &Path) -> Self {
        let directory = tempfile::Builder::new().prefix("mediation-test-").tempdir().unwrap();
        Self::beside(directory, ledger.to_owned())
    }

    /// Founds a ledger whose desks hold no keys, and serves it.
    pub(crate) fn without_keys() -> Self {
        let mut served = Self::new();
        served.stop();
        let file = served.path().join("mediation.toml");
        let configuration = std::fs::read_to_string(&file).unwrap();
        assert!(configuration.contains("signing = \"desk\""));
        std::fs::write(&file, configuration.replace("signing = \"desk\"", "signing = \"caller\"")).unwrap();
        served.start();
        served
    }

    /// A key file of the ledger's directory: `signing.key` or `root.key` of an agency.
    pub(crate) fn key_file(&self, agency: &str, name: &str) -> PathBuf {
        self.path().join("keys").join(agency).join(name)
    }

    /// The signing key of an agency.
    pub(crate) fn signer(&self, agency: &str) -> Arc<dyn CallerSigner> {
        Arc::new(Ed25519Signer::new(private_key(&self.key_file(agency, "signing.key"))))
    }

    /// The keys of an agency that signs itself.
    pub(crate) fn keys(&self, agency: &str, also: &[&str]) -> CallerKeys {
        let extra = also.iter().map(|other| self.signer(other)).collect();
        CallerKeys { agency: agency.to_owned(), own: self.signer(agency), extra }
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.ledger.clone()
    }

    /// Serves on a free port of loopback; returns when the process says that it does.
    pub(crate) fn start(&mut self) {
        self.start_with("warn", Stdio::inherit());
    }

    /// The same, with the process's log in a file.
    pub(crate) fn start_logging_to(&mut self, log: &Path) {
        self.start_with("warn", std::fs::File::create(log).unwrap().into());
    }

    /// The same, with everything that can be logged.
    pub(crate) fn start_tracing_to(&mut self, log: &Path) {
        self.start_with("trace", std::fs::File::create(log).unwrap().into());
    }

    fn start_with(&mut self, level: &str, log: Stdio) {
        let mut child = Command::new(mediation())
            .args(["serve", "--json", "--listen", "127.0.0.1:0", "--log", level, "--dir"])
            .arg(self.path())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let said: Value = serde_json::from_str(&line).unwrap_or_else(|_| panic!("the server said {line:?}"));
        self.address = said["address"].as_str().unwrap().to_owned();
        self.log_http = said["log_http"].as_str().map(str::to_owned);
        self.health = said["health"].as_str().map(str::to_owned);
        self.child = Some(child);
    }

    /// Number of the process, while there is one.
    pub(crate) fn process(&self) -> Option<u32> {
        self.child.as_ref().map(Child::id)
    }

    /// Kills the process: no warning, no clean-up.
    pub(crate) fn kill(&mut self) {
        let mut child = self.child.take().unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
    }

    /// Sends the process a signal: `-STOP` lets it stand still, `-CONT` go on.
    pub(crate) fn signal(&self, signal: &str) {
        let process = self.process().unwrap();
        let sent = Command::new("kill").args([signal, &process.to_string()]).status().unwrap();
        assert!(sent.success());
    }

    /// Asks the process to stop, and waits for it.
    pub(crate) fn stop(&mut self) {
        self.signal("-TERM");
        assert!(self.child.take().unwrap().wait().unwrap().success());
    }

    /// Runs the binary against the ledger that is served.
    pub(crate) fn run(&self, arguments: &[&str]) -> Output {
        let ledger = ["--ledger", &self.address];
        Command::new(mediation()).args(arguments).args(ledger).arg("--dir").arg(self.path()).output().unwrap()
    }

    /// `mediation verify` of the directory, as JSON, and whether it found nothing.
    pub(crate) fn verify(&self) -> (Value, bool) {
        let verified = Command::new(mediation()).args(["verify", "--json"]).arg(self.path()).output().unwrap();
        let report = serde_json::from_slice(&verified.stdout)
            .unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&verified.stderr)));
        (report, verified.status.success())
    }

    /// Exit code of `mediation verify` of the directory.
    pub(crate) fn verify_code(&self) -> Option<i32> {
        Command::new(mediation()).arg("verify").arg(self.path()).output().unwrap().status.code()
    }

    /// What clients know beforehand.
    pub(crate) fn trust(&self) -> Trust {
        let policy = std::fs::read_to_string(self.path().join("policy")).unwrap();
        let named = |prefix| policy.lines().filter_map(move |line| line.strip_prefix(prefix));
        let keys = named("log ").chain(named("# retired-log "));
        let mut keys = keys.map(|key| key.parse().unwrap());
        let twin = policy.lines().find_map(|line| line.strip_prefix("# sm3-log "));
        let twin_key = twin.map(|key| key.parse().unwrap());
        Trust { log_key: keys.next().unwrap(), other_log_keys: keys.collect(), twin_key }
    }

    /// A connection with the certificate of an agency, or with none.
    pub(crate) async fn connection(&self, agency: Option<&str>) -> Connection {
        let pki = self.path().join("pki");
        let read = |path: PathBuf| std::fs::read(path).unwrap();
        let identity = Identity {
            server_authorities: read(pki.join("authority.pem")),
            certificate_and_key: agency.map(|agency| {
                let own = pki.join("agencies").join(agency);
                (read(own.join("certificate.pem")), read(own.join("certificate.key")))
            }),
        };
        Connection::open(&self.address, &identity).await.unwrap()
    }

    /// A client of an agency.
    pub(crate) async fn client(&self, agency: &str, kind: AgencyKind) -> Client {
        Client::new(self.connection(Some(agency)).await, self.trust(), kind).unwrap().reading(reading(agency))
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            drop(child.kill());
            drop(child.wait());
        }
    }
}

/// Somebody of an agency who reads: a clerk, or an auditor.
pub(crate) fn reading(agency: &str) -> Reading {
    let (role, purpose) = match agency.starts_with("AUD-") {
        true => (Role::Aud, AccessPurpose::Audit),
        false => (Role::Reg, AccessPurpose::Handling),
    };
    Reading {
        reader: Some(format!("{agency}/TEST-1")),
        role: Some(role.into()),
        purpose: Some(purpose.into()),
        ..Reading::default()
    }
}

/// A fresh chain id.
pub(crate) fn chain_id() -> String {
    uuid::Uuid::new_v4().to_string()
}

/// A fresh event id.
pub(crate) fn event_id() -> String {
    uuid::Uuid::now_v7().to_string()
}

/// A request to record an act that occurred on 2024-03-04.
pub(crate) fn request(chain: &str, event_id: &str, event: &str, signer: &str, role: &str, data: Value) -> ActRequest {
    let header = Map::from_iter([
        ("signer".to_owned(), json!(signer)),
        ("signer_role".to_owned(), json!(role)),
        ("late_reason".to_owned(), json!("PAPER_FIRST")),
    ]);
    let Value::Object(data) = data else { panic!("the fields of an act are an object") };
    let act = act_from_json(kind_of_event(event).unwrap(), &header, &data, &|id| id.as_str().map(str::to_owned));
    ActRequest {
        chain_id: Some(chain.to_owned()),
        event_id: Some(event_id.to_owned()),
        expected_revision: None,
        occurred_at: Some(prost_types::Timestamp { seconds: 1_709_514_720, nanos: 0 }),
        wait: None,
        act: act.unwrap(),
    }
}

/// A petition bureau takes an accusation, which restricts the chain.
pub(crate) fn accusation(chain: &str) -> ActRequest {
    let data = json!({"form": "VISIT", "kind": "ACCUSATION", "headcount": 1, "direct": true, "origin": "DIRECT"});
    request(chain, &event_id(), "PetitionReceived", "XF-FL/PETO-1", "PETO", data)
}

/// A petition bureau registers a dispute.
pub(crate) fn registration(chain: &str, event_id: &str, summary: &str) -> ActRequest {
    let data = json!({"channel": "WALK_IN", "division": "360222", "dispute_type": "PUBLIC_WORKS_DAMAGE",
        "emergency": false, "summary": summary,
        "parties": [{"subject": "psn_3a2fe14dbb26e54c78eb71f1", "side": "APPLICANT", "capacity": "NATURAL_PERSON", "minor": false}],
        "identities": [{"subject": "psn_3a2fe14dbb26e54c78eb71f1", "name": "苗岫"}]});
    request(chain, event_id, "DisputeRegistered", "XF-FL/REG-1", "REG", data)
}
