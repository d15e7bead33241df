//! Timestamps over checkpoints, with OpenSSL as the authority and as the verifier.
#![expect(
    clippy::indexing_slicing,
    clippy::wildcard_enum_match_arm,
    reason = "a test panics where what it looks for is not there, and one manner is told from the rest"
)]

use std::{
    fs,
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::Command,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use mediation_client::Client;
use mediation_ledger::{checkpoint::Checkpoint, note::Note};
use mediation_proto::mediation::types::v1::AgencyKind;
use serde_json::Value;
use tempfile::TempDir;

use crate::served::{Served, chain_id, event_id, registration};

/// More than any timestamp takes here.
const PATIENCE: Duration = Duration::from_secs(60);

const AUTHORITY: &str = "\
[req]
distinguished_name = name
prompt = no
[name]
CN = timestamp authority of a test
[root]
basicConstraints = critical,CA:true
keyUsage = critical,keyCertSign
[stamper]
basicConstraints = CA:false
keyUsage = critical,digitalSignature
extendedKeyUsage = critical,timeStamping
subjectKeyIdentifier = hash
[tsa]
default_tsa = stamping
[stamping]
serial = $ENV::DIRECTORY/serial
default_policy = 1.2.3.4.1
digests = sha256
accuracy = secs:1, millisecs:500
ordering = yes
tsa_name = yes
ess_cert_id_chain = no
ess_cert_id_alg = sha256
signer_digest = sha256
";

/// How an authority answers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Manner {
    #[default]
    Truthful,
    /// Stamps something else than what it is asked.
    OtherText,
    /// Stamps what it is asked, and answers another request.
    OtherNonce,
    Garbage,
    /// More than any token has.
    TooMuch,
    /// Takes the request, and says nothing.
    Silent,
}

/// An authority that OpenSSL is, behind HTTP.
struct Authority {
    directory: TempDir,
    manner: Arc<Mutex<Manner>>,
}

impl Authority {
    /// With keys of this kind: options of `openssl genpkey`.
    fn new(key: &[&str]) -> Self {
        let authority = Self { directory: tempfile::tempdir().unwrap(), manner: Arc::default() };
        fs::write(authority.path("tsa.cnf"), AUTHORITY).unwrap();
        fs::write(authority.path("serial"), "01\n").unwrap();
        for (name, extensions) in [("root", "root"), ("stamper", "stamper")] {
            authority.openssl(&[&["genpkey", "-out", &format!("{name}.key")], key].concat());
            let request = ["req", "-new", "-config", "tsa.cnf", "-key", &format!("{name}.key"), "-subj"];
            let subject = format!("/CN=test {name}");
            authority.openssl(&[&request[..], &[&subject, "-out", &format!("{name}.csr")]].concat());
            let sign = ["x509", "-req", "-days", "30", "-extfile", "tsa.cnf", "-extensions", extensions];
            let (csr, pem) = (format!("{name}.csr"), format!("{name}.pem"));
            let issuer: &[&str] = match name {
                "root" => &["-signkey", "root.key"],
                _ => &["-CA", "root.pem", "-CAkey", "root.key", "-CAcreateserial"],
            };
            authority.openssl(&[&sign[..], issuer, &["-in", &csr, "-out", &pem]].concat());
        }
        authority
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn openssl(&self, arguments: &[&str]) {
        openssl_in(self.directory.path(), arguments);
    }

    fn answers(&self, manner: Manner) {
        *self.manner.lock().unwrap() = manner;
    }

    /// Answers on a free port, until the listener is dropped with the process.
    fn serve(&self) -> Serving {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (directory, manner, stop) = (self.directory.path().to_owned(), Arc::clone(&self.manner), Arc::default());
        let until = Arc::<AtomicBool>::clone(&stop);
        let thread = thread::spawn(move || {
            let mut unanswered = Vec::new();
            for stream in listener.incoming() {
                if until.load(Ordering::SeqCst) {
                    return;
                }
                let (stream, manner) = (stream.unwrap(), *manner.lock().unwrap());
                match manner {
                    Manner::Silent => unanswered.push(stream),
                    _ => answer(stream, &directory, manner),
                }
            }
        });
        Serving { address, stop, thread: Some(thread) }
    }
}

/// An authority that answers.
struct Serving {
    address: SocketAddr,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Drop for Serving {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        drop(TcpStream::connect(self.address));
        drop(self.thread.take().unwrap().join());
    }
}

fn openssl_in(directory: &Path, arguments: &[&str]) {
    let mut command = Command::new("openssl");
    command.args(arguments).current_dir(directory).env("DIRECTORY", directory);
    let output = command.output().expect("`openssl` is not installed");
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// One request: the body is a query, the answer what `openssl ts` makes of it.
fn answer(mut stream: TcpStream, directory: &Path, manner: Manner) {
    let Some(mut query) = read_query(&mut stream) else { return };
    if manner == Manner::OtherNonce {
        // A query ends in the nonce and `certReq`, TRUE: three bytes.
        let last = query.len() - 4;
        query[last] ^= 1;
    }
    fs::write(directory.join("query"), query).unwrap();
    if manner == Manner::OtherText {
        fs::write(directory.join("other"), "something else").unwrap();
        openssl_in(directory, &["ts", "-query", "-data", "other", "-sha256", "-cert", "-out", "query"]);
    }
    let reply = ["ts", "-reply", "-config", "tsa.cnf", "-section", "stamping", "-signer", "stamper.pem"];
    openssl_in(directory, &[&reply[..], &["-inkey", "stamper.key", "-queryfile", "query", "-out", "reply"]].concat());
    let reply = match manner {
        Manner::Garbage => b"good morning".to_vec(),
        Manner::TooMuch => vec![0x30; 1 << 20],
        _ => fs::read(directory.join("reply")).unwrap(),
    };
    let head = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: application/timestamp-reply\r\nConnection: close\r\nContent-Length: {}\r\n\r\n",
        reply.len()
    );
    // One who is told too much hangs up.
    drop(stream.write_all(&[head.as_bytes(), &reply].concat()));
}

/// The body of a request; none when the other side has gone away.
fn read_query(stream: &mut TcpStream) -> Option<Vec<u8>> {
    const END: &[u8] = b"\r\n\r\n";
    let (mut read, mut buffer) = (Vec::new(), [0; 4096]);
    loop {
        let count = stream.read(&mut buffer).ok().filter(|count| *count > 0)?;
        read.extend_from_slice(&buffer[..count]);
        let Some(end) = read.windows(END.len()).position(|window| window == END) else { continue };
        let head = String::from_utf8_lossy(&read[..end]).to_lowercase();
        assert!(head.contains("content-type: application/timestamp-query"), "{head}");
        let length = head.split("content-length: ").nth(1).unwrap().lines().next().unwrap().parse::<usize>().unwrap();
        if let Some(body) = read.get(end + END.len()..end + END.len() + length) {
            return Some(body.to_vec());
        }
    }
}

/// A ledger whose checkpoints are stamped by whoever answers at this address.
fn stamped_ledger(address: SocketAddr, certificates: &Path) -> Served {
    let mut served = Served::new();
    served.stop();
    configure(&served, address, certificates);
    served.start();
    served
}

fn configure(served: &Served, address: SocketAddr, certificates: &Path) {
    let timestamps = served.path().join("timestamps");
    fs::create_dir_all(&timestamps).unwrap();
    fs::copy(certificates, timestamps.join("authority.pem")).unwrap();
    let path = served.path().join("mediation.toml");
    let text = fs::read_to_string(&path).unwrap();
    let text = text.split("\n[timestamps]").next().unwrap();
    fs::write(&path, format!("{text}\n[timestamps]\nurl = \"http://{address}/tsr\"\nevery_s = 1\ntimeout_ms = 3000\n"))
        .unwrap();
}

/// Waits until the tree of the last checkpoint is stamped; gives the checkpoint's text and the file.
async fn stamped(served: &Served, client: &Client) -> (String, PathBuf) {
    let look = async {
        loop {
            let note = client.checkpoint().await.unwrap();
            let text = Note::parse(note.as_bytes()).unwrap().text().to_owned();
            let size = text.parse::<Checkpoint>().unwrap().size;
            let file = served.path().join(format!("timestamps/{size}.tsr"));
            if file.exists() {
                return (text, file);
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(PATIENCE, look).await.expect("the last checkpoint is stamped in time")
}

async fn record(client: &Client) {
    client.record(registration(&chain_id(), &event_id(), "路面塌陷")).await.unwrap();
}

fn tokens(served: &Served) -> usize {
    let names = fs::read_dir(served.path().join("timestamps")).unwrap().map(|file| file.unwrap().file_name());
    names.filter(|name| name.to_string_lossy().ends_with(".tsr")).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn checkpoints_are_stamped_and_openssl_verifies_the_stamps() {
    for key in [&["-algorithm", "RSA"][..], &["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"]] {
        let authority = Authority::new(key);
        let serving = authority.serve();
        let mut served = stamped_ledger(serving.address, &authority.path("root.pem"));
        let client = served.client("XF-FL", AgencyKind::Petition).await;
        record(&client).await;
        let (text, file) = stamped(&served, &client).await;
        fs::write(authority.path("checkpoint"), &text).unwrap();
        let file = file.to_str().unwrap();
        authority.openssl(&["ts", "-verify", "-data", "checkpoint", "-in", file, "-CAfile", "root.pem"]);

        served.stop();
        let (report, good) = served.verify();
        assert!(good, "{report:#}");
        assert!(!report["timestamps"].as_array().unwrap().is_empty());
        // The token of one tree does not pass for that of another.
        fs::copy(file, served.path().join("timestamps/3.tsr")).unwrap();
        let (report, good) = served.verify();
        let faults: Vec<&str> = report["faults"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
        assert!(!good && faults.len() == 1, "{faults:?}");
        assert!(faults[0].contains("timestamps/3.tsr") && faults[0].contains("another text"), "{faults:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_authority_that_is_away_holds_nothing_up_and_is_asked_again() {
    let authority = Authority::new(&["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"]);
    // A port that was free a moment ago, and where nobody answers.
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let mut served = stamped_ledger(nobody, &authority.path("root.pem"));
    let client = served.client("XF-FL", AgencyKind::Petition).await;
    for _ in 0..5 {
        record(&client).await;
    }
    assert_eq!(tokens(&served), 0);
    served.stop();
    assert!(served.verify().1, "a missing timestamp is no fault");

    // While it stamps something else, nothing is kept; once it stamps what it is asked, the newest checkpoint is.
    authority.answers(Manner::OtherText);
    let serving = authority.serve();
    configure(&served, serving.address, &authority.path("root.pem"));
    served.start();
    let client = served.client("XF-FL", AgencyKind::Petition).await;
    let asked = async {
        while !authority.path("reply").exists() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(PATIENCE, asked).await.unwrap();
    record(&client).await;
    assert_eq!(tokens(&served), 0);
    authority.answers(Manner::Truthful);
    stamped(&served, &client).await;
    assert_eq!(tokens(&served), 1, "one token covers all that was missed");
    served.stop();
    assert!(served.verify().1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_answer_is_named_in_the_log_and_holds_nothing_up() {
    let authority = Authority::new(&["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"]);
    let serving = authority.serve();
    let log = authority.path("log");
    let mut served = Served::new();
    served.stop();
    configure(&served, serving.address, &authority.path("root.pem"));
    served.start_logging_to(&log);
    let client = served.client("XF-FL", AgencyKind::Petition).await;
    let bad = [
        (Manner::OtherText, "the timestamp is that of another text"),
        (Manner::OtherNonce, "the timestamp answers another request"),
        (Manner::Garbage, "the answer of the timestamp authority is malformed"),
        (Manner::TooMuch, "length limit exceeded"),
        (Manner::Silent, "not within 3000 ms"),
    ];
    for (manner, cause) in bad {
        stamped(&served, &client).await;
        let before = tokens(&served);
        authority.answers(manner);
        record(&client).await;
        let named = async {
            while !fs::read_to_string(&log).unwrap().contains(cause) {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        let named = tokio::time::timeout(PATIENCE, named).await;
        assert!(named.is_ok(), "{manner:?} is not named: {}", fs::read_to_string(&log).unwrap());
        record(&client).await;
        assert_eq!(tokens(&served), before, "{manner:?}");
        authority.answers(Manner::Truthful);
        stamped(&served, &client).await;
    }
    served.stop();
    let (report, good) = served.verify();
    assert!(good, "{report:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stamp_of_an_authority_that_is_not_believed_is_a_fault() {
    let key = ["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"];
    let (authority, other) = (Authority::new(&key), Authority::new(&key));
    let serving = authority.serve();
    let mut served = stamped_ledger(serving.address, &authority.path("root.pem"));
    let client = served.client("XF-FL", AgencyKind::Petition).await;
    let (_, file) = stamped(&served, &client).await;
    served.stop();
    fs::copy(other.path("root.pem"), served.path().join("timestamps/authority.pem")).unwrap();
    let (report, good) = served.verify();
    let faults = report["faults"].to_string();
    assert!(!good && faults.contains("is not believed"), "{faults}");

    // A changed byte of the stamped time, and a truncated file.
    fs::copy(authority.path("root.pem"), served.path().join("timestamps/authority.pem")).unwrap();
    let stored = fs::read(&file).unwrap();
    let time = stored.windows(4).position(|window| window == [0x18, 0x0f, b'2', b'0']).unwrap();
    let mut changed = stored.clone();
    changed[time + 5] ^= 1;
    for spoilt in [changed.as_slice(), &stored[..stored.len() - 1]] {
        fs::write(&file, spoilt).unwrap();
        assert!(!served.verify().1);
    }
    fs::write(&file, &stored).unwrap();
    assert!(served.verify().1);
}
