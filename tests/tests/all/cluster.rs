//! A ledger on a shared log: each agency's desk, the vault, the sealers and the audit in a process of its own, over the
//! stand-in of a KurrentDB cluster, which is killed, frozen and started again.

mod access;
mod foreign;
mod migration;
mod outage;
mod stand_in;

use std::{
    collections::BTreeMap,
    fs,
    io::{BufRead as _, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use mediation_client::{Client, Connection, Identity, Trust};
use mediation_proto::mediation::types::v1::AgencyKind;
use serde_json::Value;
use tempfile::TempDir;

use self::stand_in::StandIn;
use crate::served::{mediation, reading};

/// The desks of the tests: key, agency, kind.
const DESKS: [(&str, &str, AgencyKind); 7] = [
    ("court", "CT-FL", AgencyKind::Court),
    ("procuratorate", "PR-FL", AgencyKind::Procuratorate),
    ("petition", "XF-FL", AgencyKind::Petition),
    ("justice", "SF-JDZ", AgencyKind::Justice),
    ("governance_center", "ZC-FL", AgencyKind::GovernanceCenter),
    ("mediation", "PMC-FL-SA", AgencyKind::Mediation),
    ("psychology", "XL-ZS", AgencyKind::Psychology),
];

/// Who reads everything.
const AUDIT: &str = "AUD-JDZ";

/// Runs the binary; it must succeed.
fn run(arguments: &[&str]) -> String {
    let ended = Command::new(mediation()).args(arguments).output().unwrap();
    assert!(ended.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&ended.stderr));
    String::from_utf8(ended.stdout).unwrap()
}

/// A process of the ledger, in a directory of its own.
struct Process {
    directory: PathBuf,
    address: String,
    child: Option<Child>,
}

impl Process {
    /// Serves on a free port the first time, on the same one ever after.
    fn serve(directory: PathBuf) -> Self {
        let mut process = Self { directory, address: "127.0.0.1:0".to_owned(), child: None };
        process.start();
        process
    }

    fn start(&mut self) {
        let mut child = Command::new(mediation())
            .args(["serve", "--json", "--listen", &self.address, "--log", "error", "--dir"])
            .arg(&self.directory)
            .stdout(Stdio::piped())
            .stderr(fs::File::create(self.directory.join("stderr")).unwrap())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let said: Value =
            serde_json::from_str(&line).unwrap_or_else(|_| panic!("the process said {line:?}: {}", self.said()));
        self.address = said["address"].as_str().unwrap().to_owned();
        self.child = Some(child);
    }

    /// What it wrote to standard error.
    fn said(&self) -> String {
        fs::read_to_string(self.directory.join("stderr")).unwrap_or_default()
    }

    fn kill(&mut self) {
        let mut child = self.child.take().unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
    }

    fn stop(&mut self) {
        let mut child = self.child.take().unwrap();
        assert!(Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap().success());
        assert!(child.wait().unwrap().success(), "{}", self.said());
    }

    /// Bytes of memory that it holds.
    fn resident(&self) -> u64 {
        let id = self.child.as_ref().unwrap().id();
        let status = fs::read_to_string(format!("/proc/{id}/status")).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            drop(child.kill());
            drop(child.wait());
        }
    }
}

/// A ledger that was founded on one machine and moved to a stand-in; its processes are added one by one.
struct Cluster {
    root: TempDir,
    stand_in: StandIn,
    processes: BTreeMap<String, Process>,
}

impl Cluster {
    fn new() -> Self {
        Self::founded_with(&[])
    }

    /// With further arguments of `mediation init`.
    fn founded_with(arguments: &[&str]) -> Self {
        let root = tempfile::Builder::new().prefix("mediation-cluster-").tempdir().unwrap();
        let stand_in = StandIn::start(&root.path().join("engine"));
        let cluster = Self { root, stand_in, processes: BTreeMap::new() };
        let founded = cluster.founded();
        run(&[&["init", "--segment-bytes", "1048576", "--dir", founded.to_str().unwrap()], arguments].concat());
        cluster.migrate();
        cluster
    }

    /// Directory that the ledger was founded in.
    fn founded(&self) -> PathBuf {
        self.root.path().join("founded")
    }

    fn migrate(&self) -> Value {
        let (dir, uri) = (self.founded(), self.stand_in.uri());
        serde_json::from_str(&run(&["migrate", "--json", "--dir", dir.to_str().unwrap(), "--kurrentdb", &uri])).unwrap()
    }

    /// Provisions a process and serves it.
    fn add(&mut self, name: &str, arguments: &[&str]) {
        let directory = self.root.path().join(name);
        let (dir, uri) = (self.founded(), self.stand_in.uri());
        let mut all = vec!["provision", "--dir", dir.to_str().unwrap(), "--kurrentdb", &uri];
        all.extend(["--out", directory.to_str().unwrap()]);
        all.extend(arguments);
        run(&all);
        self.processes.insert(name.to_owned(), Process::serve(directory));
    }

    fn process(&self, name: &str) -> &Process {
        &self.processes[name]
    }

    fn process_mut(&mut self, name: &str) -> &mut Process {
        self.processes.get_mut(name).unwrap()
    }

    /// The vault, two sealers, seven desks and the audit.
    fn complete() -> Self {
        let mut cluster = Self::new();
        cluster.add("vault", &["--role", "vault", "--agency", "ZC-FL"]);
        let vault = cluster.process("vault").address.clone();
        for sealer in ["sealer", "stand-by"] {
            cluster.add(sealer, &["--role", "sealer"]);
        }
        for (desk, agency, _) in DESKS {
            cluster.add(desk, &["--desk", desk, "--agency", agency, "--vault", &vault]);
        }
        cluster.add("audit", &["--role", "audit", "--agency", AUDIT, "--vault", &vault]);
        cluster
    }

    fn trust(&self) -> Trust {
        let policy = fs::read_to_string(self.founded().join("policy")).unwrap();
        let key = policy.lines().find_map(|line| line.strip_prefix("log ")).unwrap();
        Trust { log_key: key.parse().unwrap(), other_log_keys: Vec::new(), twin_key: None }
    }

    /// A client of an agency, at the process of that name.
    async fn client(&self, process: &str, agency: &str, kind: AgencyKind) -> Client {
        let address = &self.process(process).address;
        let connection = connection(&self.founded(), address, agency).await;
        Client::new(connection, self.trust(), kind).unwrap().reading(reading(agency))
    }

    /// `mediation verify` of the whole shared log, as JSON, with what the audit may see.
    fn verify(&self) -> Value {
        let directory = self.process("audit").directory.clone();
        let verified = Command::new(mediation()).args(["verify", "--json"]).arg(directory).output().unwrap();
        serde_json::from_slice(&verified.stdout)
            .unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&verified.stderr)))
    }
}

async fn connection(founded: &Path, address: &str, agency: &str) -> Connection {
    let pki = founded.join("pki");
    let read = |path: PathBuf| fs::read(path).unwrap();
    let own = pki.join("agencies").join(agency);
    let identity = Identity {
        server_authorities: read(pki.join("authority.pem")),
        certificate_and_key: Some((read(own.join("certificate.pem")), read(own.join("certificate.key")))),
    };
    Connection::open(address, &identity).await.unwrap()
}
