//! The integration gateway of a governance center, in a process of its own before a ledger in another.

mod feed;
mod webhook;

use std::{
    io::{BufRead as _, BufReader},
    path::PathBuf,
    process::{Child, Command, Output, Stdio},
};

use mediation_proto::mediation::types::v1::{AccessPurpose, AgencyKind};
use serde_json::{Value, json};

use crate::{
    http::{Answer, ask_with},
    search::indexed,
    served::{Served, event_id, mediation},
};

/// A gateway of the center of 珠山, and the process that serves it while there is one.
struct Gateway {
    directory: PathBuf,
    address: String,
    child: Option<Child>,
}

impl Drop for Gateway {
    fn drop(&mut self) {
        self.kill();
    }
}

impl Gateway {
    fn of(served: &Served) -> Self {
        let mut gateway = Self::unserved(served);
        gateway.start();
        gateway
    }

    fn unserved(served: &Served) -> Self {
        let directory = served.directory.path().join("gateway");
        let made = Command::new(mediation())
            .args(["gateway", "new", "--agency", "ZC-ZS", "--official", "ZC-ZS/REG-1", "--listen", "127.0.0.1:0"])
            .args(["--ledger", &served.address, "--dir"])
            .args([&served.path(), &directory])
            .output()
            .unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        Self { directory, address: String::new(), child: None }
    }

    fn start(&mut self) {
        let mut child = Command::new(mediation())
            .args(["gateway", "serve", "--json", "--log", "off", "--config"])
            .arg(self.config())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let said: Value = serde_json::from_str(&line).unwrap_or_else(|_| panic!("the gateway said {line:?}"));
        self.address = said["address"].as_str().unwrap().to_owned();
        self.child = Some(child);
    }

    fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    fn config(&self) -> PathBuf {
        self.directory.join("gateway.toml")
    }

    /// Changes the configuration before the gateway is served.
    fn configure(&self, from: &str, to: &str) {
        let text = std::fs::read_to_string(self.config()).unwrap();
        assert!(text.contains(from), "{text}");
        std::fs::write(self.config(), text.replace(from, to)).unwrap();
    }

    fn run(&self, command: &str, arguments: &[&str]) -> Output {
        let run = Command::new(mediation())
            .args(["gateway", command, "--config"])
            .arg(self.config())
            .args(arguments)
            .output();
        let run = run.unwrap();
        assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
        run
    }

    fn token(&self, channel: &str) -> String {
        let token = std::fs::read_to_string(self.directory.join("tokens").join(channel)).unwrap();
        format!("Bearer {}", token.trim_end())
    }

    fn ask(&self, channel: &str, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
        let token = self.token(channel);
        let mut all = vec![("Host", self.address.as_str()), ("Authorization", &token)];
        all.extend(headers);
        ask_with(&self.address, method, path, &all, body)
    }

    fn hand_in(&self, channel: &str, key: &str, matter: &Value) -> (u16, Value) {
        let headers = [("Idempotency-Key", key), ("Content-Type", "application/json")];
        let answer = self.ask(channel, "POST", "/v1/intakes", &headers, matter.to_string().as_bytes());
        (answer.status, answer.json())
    }

    fn matter(&self, number: &str, code: &str) -> (u16, Value) {
        let answer = self.ask("terminal", "GET", &format!("/v1/matters/{number}"), &[("Matter-Code", code)], &[]);
        (answer.status, answer.json())
    }
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("{}", self.text()))
    }
}

fn matter(channel: &str, summary: &str) -> Value {
    json!({
        "channel": channel, "division": "360203", "dispute_type": "NEIGHBOUR", "emergency": false, "summary": summary,
        "parties": [
            {"side": "APPLICANT", "capacity": "NATURAL_PERSON", "minor": false, "name": "苗岫",
                "document": {"kind": "RESIDENT_ID", "number": "11010519491231002X"}},
            {"side": "RESPONDENT", "capacity": "NATURAL_PERSON", "minor": false},
        ],
    })
}

fn text<'a>(told: &'a Value, pointer: &str) -> &'a str {
    told.pointer(pointer).and_then(Value::as_str).unwrap_or_else(|| panic!("{pointer}: {told}"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_party_finds_what_was_handed_in_with_his_code_and_the_reading_is_his() {
    let mut served = Served::new();
    let gateway = Gateway::of(&served);
    let (status, told) = gateway.hand_in("terminal", &event_id(), &matter("TERMINAL", "空调滴水"));
    assert_eq!(status, 201, "{told}");
    let (number, code) = (text(&told, "/chain_no"), text(&told, "/parties/0/code"));
    assert!(number.starts_with("JF360203") && number.len() == 21, "{number}");
    assert!(!told.to_string().contains("11010519491231002X"));
    let (status, shown) = gateway.matter(number, code);
    assert_eq!(status, 200, "{shown}");
    assert_eq!((text(&shown, "/state"), text(&shown, "/center/id")), ("REGISTERED", "ZC-ZS"));
    assert_eq!(shown["registered_on"], shown["last_act_on"]);
    // A wrong code, another matter's code and a number that is not there: one answer.
    let (_, other) = gateway.hand_in("terminal", &event_id(), &matter("TERMINAL", "漏水"));
    let refused = gateway.matter(number, &"A".repeat(36));
    assert_eq!(refused.0, 404);
    assert_eq!(text(&refused.1, "/reason"), "MATTER_NOT_FOUND");
    assert_eq!(refused, gateway.matter(number, text(&other, "/parties/0/code")));
    assert_eq!(refused, gateway.matter("JF3602032024030400017", code));
    assert_eq!(refused, gateway.matter("%ff", code));
    let audit = served.client("AUD-JDZ", AgencyKind::Audit).await;
    let rows = audit.accesses(text(&told, "/receipt/chain_id"), None, None).await.unwrap().rows;
    let own: Vec<_> = rows.iter().filter(|row| row.agency == "ZC-ZS").collect();
    assert_eq!(own.len(), 1, "who was refused by his code has asked the ledger nothing: {rows:?}");
    assert_eq!(own[0].reader, text(&told, "/parties/0/subject"));
    assert_eq!(own[0].purpose, Some(AccessPurpose::OwnData.into()));
    assert!(own[0].legal_basis.contains("个人信息保护法"));
    drop(gateway);
    served.stop();
    assert!(served.verify().1);
}

#[test]
fn the_same_key_gets_the_same_answer_after_a_kill_and_other_content_is_refused() {
    let mut served = Served::new();
    let mut gateway = Gateway::of(&served);
    let (key, content) = (event_id(), matter("ONLINE_LEFA", "拖欠货款"));
    let (status, first) = gateway.hand_in("lefa", &key, &content);
    assert_eq!(status, 201, "{first}");
    gateway.kill();
    gateway.start();
    let (status, again) = gateway.hand_in("lefa", &key, &content);
    assert_eq!(status, 201, "{again}");
    for part in ["/chain_no", "/parties", "/receipt/chain_id", "/receipt/event_id", "/receipt/entry"] {
        assert_eq!(first.pointer(part), again.pointer(part), "{part}");
    }
    let (status, refused) = gateway.hand_in("lefa", &key, &matter("ONLINE_LEFA", "另一件事"));
    assert_eq!((status, text(&refused, "/reason")), (422, "IDEMPOTENCY_KEY_REUSED"), "{refused}");
    assert_eq!(text(&refused, "/ledger_reason"), "EVENT_ID_REUSED");
    // The key of one channel says nothing of another's.
    let (status, other) = gateway.hand_in("hall", &key, &content);
    assert_eq!(status, 201, "{other}");
    assert_ne!(first["chain_no"], other["chain_no"]);
    drop(gateway);
    served.stop();
    assert!(served.verify().1);
}

#[test]
fn every_matter_has_a_number_of_its_own_until_there_are_no_more() {
    let served = Served::new();
    let mut gateway = Gateway::unserved(&served);
    gateway.configure("numbers_first = 5000", "numbers_first = 9997");
    gateway.start();
    let keys = [event_id(), event_id(), event_id()];
    let handed = |key: &str| gateway.hand_in("hall", key, &matter("WALK_IN", "排水渠堵塞"));
    let mut numbers = Vec::new();
    for key in &keys {
        let (status, told) = handed(key);
        assert_eq!(status, 201, "{told}");
        numbers.push(text(&told, "/chain_no").to_owned());
    }
    let told = numbers.clone();
    numbers.sort();
    numbers.dedup();
    assert_eq!(numbers.len(), 3, "{numbers:?}");
    let (status, refused) = handed(&event_id());
    assert_eq!((status, text(&refused, "/reason")), (503, "NUMBERS_EXHAUSTED"));
    for (key, number) in keys.iter().zip(told) {
        assert_eq!(text(&handed(key).1, "/chain_no"), number, "who has a number finds it again among others");
    }
}

#[test]
fn what_cannot_be_done_is_said_in_both_languages() {
    let served = Served::new();
    let gateway = Gateway::of(&served);
    let good = matter("TERMINAL", "噪声").to_string();
    let with = |pointer: &str, value: Value| {
        let mut matter = matter("TERMINAL", "噪声");
        *matter.pointer_mut(pointer).unwrap() = value;
        matter.to_string()
    };
    let fresh = event_id();
    let fresh = fresh.as_str();
    for (channel, key, content_type, body, status, reason) in [
        ("terminal", "", JSON, good.clone(), 400, "IDEMPOTENCY_KEY_INVALID"),
        ("terminal", "5f0c64a2-53a3-4a27-92cd-3d8d3c6c3ab9", JSON, good.clone(), 400, "IDEMPOTENCY_KEY_INVALID"),
        ("terminal", "018e0a2b-3c4d-7abc-8def-0123456789ab", JSON, good.clone(), 400, "IDEMPOTENCY_KEY_INVALID"),
        ("terminal", fresh, "text/plain", good.clone(), 415, "NOT_JSON"),
        ("terminal", fresh, JSON, "{".to_owned(), 400, "BODY_MALFORMED"),
        ("terminal", fresh, JSON, good.replacen('{', "{\"more\":1,", 1), 400, "BODY_MALFORMED"),
        ("terminal", fresh, JSON, with("/summary", json!("长".repeat(30_000))), 413, "BODY_TOO_LARGE"),
        ("terminal", fresh, JSON, with("/channel", json!("NONE")), 422, "FIELDS_INVALID"),
        ("terminal", fresh, JSON, with("/parties", json!([])), 422, "FIELDS_INVALID"),
        ("terminal", fresh, JSON, with("/channel", json!("WALK_IN")), 403, "CHANNEL_NOT_YOURS"),
        ("terminal", fresh, JSON, with("/division", json!("1")), 422, "LEDGER_REFUSED"),
        ("terminal", fresh, JSON, with("/summary", json!("证件 11010519491231002X")), 422, "LEDGER_REFUSED"),
        ("terminal", fresh, JSON, with("/parties/0/document/number", json!("1")), 422, "LEDGER_REFUSED"),
    ] {
        let headers = [("Idempotency-Key", key), ("Content-Type", content_type)];
        let answer = gateway.ask(channel, "POST", "/v1/intakes", &headers, body.as_bytes());
        let told = answer.json();
        assert_eq!((answer.status, text(&told, "/reason")), (status, reason), "{told}");
        assert_eq!(answer.header("content-type"), Some("application/problem+json"));
        assert!(!text(&told, "/detail").is_empty() && !text(&told, "/detail_zh").is_ascii(), "{told}");
    }
    for (method, path, status) in [("GET", "/v1/intakes", 405), ("DELETE", "/v1/events", 405), ("GET", "/v2", 404)] {
        let answer = gateway.ask("terminal", method, path, &[], &[]);
        assert_eq!((answer.status, &answer.json()["status"]), (status, &json!(status)), "{method} {path}");
        assert_eq!(answer.header("allow").is_some(), status == 405, "{method} {path}");
    }
}

const JSON: &str = "application/json";

#[test]
fn only_channels_are_let_in_each_to_its_rights_and_within_its_quota() {
    let served = Served::new();
    let mut gateway = Gateway::unserved(&served);
    gateway.configure("burst = 40", "burst = 2");
    gateway.configure("requests_per_second = 20", "requests_per_second = 1");
    gateway.start();
    let host = [("Host", gateway.address.as_str())];
    let unknown = [("Host", gateway.address.as_str()), ("Authorization", "Bearer none")];
    for headers in [&host[..], &unknown[..]] {
        let answer = ask_with(&gateway.address, "GET", "/v1/worklist", headers, &[]);
        assert_eq!((answer.status, answer.header("www-authenticate")), (401, Some("Bearer")));
    }
    for path in ["/v1/worklist", "/v1/events"] {
        let answer = gateway.ask("lefa", "GET", path, &[], &[]);
        assert_eq!((answer.status, text(&answer.json(), "/reason")), (403, "RIGHT_MISSING"), "{path}");
    }
    let answer = gateway.ask("lefa", "GET", "/v1/worklist", &[], &[]);
    assert_eq!((answer.status, answer.header("retry-after")), (429, Some("1")), "two were let in");
    let contract = ask_with(&gateway.address, "GET", "/v1/openapi.json", &host, &[]);
    assert_eq!(text(&contract.json(), "/openapi"), "3.1.0", "the contract is open to everybody");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_worklist_is_the_centers_own() {
    let served = Served::new();
    let gateway = Gateway::of(&served);
    let (status, told) = gateway.hand_in("hall", &event_id(), &matter("WALK_IN", "空调滴水"));
    assert_eq!(status, 201, "{told}");
    indexed(&served).await;
    let worklist = gateway.ask("hall", "GET", "/v1/worklist?page_size=500", &[], &[]);
    assert_eq!(worklist.status, 200, "{}", worklist.text());
    assert!(worklist.json()["duties"].is_array() && worklist.json()["more"] == json!(false));
    for query in ["page_size=0", "page_size=501", "page_size=x", "due_to=2024-02-30", "agency=CT-FL"] {
        let answer = gateway.ask("hall", "GET", &format!("/v1/worklist?{query}"), &[], &[]);
        assert_eq!((answer.status, text(&answer.json(), "/reason")), (400, "QUERY_MALFORMED"), "{query}");
    }
}

#[test]
fn a_ledger_that_is_away_is_said_to_be_and_the_same_key_goes_on() {
    let mut served = Served::new();
    let gateway = Gateway::of(&served);
    let address = served.address.clone();
    served.kill();
    let (key, content) = (event_id(), matter("TERMINAL", "噪声"));
    let (status, told) = gateway.hand_in("terminal", &key, &content);
    assert_eq!((status, text(&told, "/reason")), (503, "LEDGER_AWAY"), "{told}");
    drop(gateway);
    served.start();
    let mut gateway =
        Gateway { directory: served.directory.path().join("gateway"), address: String::new(), child: None };
    gateway.configure(&address, &served.address);
    gateway.start();
    let (status, told) = gateway.hand_in("terminal", &key, &content);
    assert_eq!(status, 201, "{told}");
}
