//! The intake of a governance center over HTTP: a matter is registered once however often it is handed in, its citizen learns what
//! became of it, and what is refused changes nothing.

use std::{
    io::{BufRead as _, BufReader},
    process::{Child, Command, Stdio},
};

use mediation_domain::identity::mod_11_2;
use serde_json::{Value, json};

use crate::{
    http::{Answer, ask_with},
    search::indexed,
    served::{Served, mediation},
};

const CENTER: &str = "ZC-ZS";

/// A gateway's directory, and the process that serves it.
struct Gateway<'a> {
    served: &'a Served,
    tokens: Value,
    child: Option<Child>,
    address: String,
}

impl Drop for Gateway<'_> {
    fn drop(&mut self) {
        self.kill();
    }
}

impl<'a> Gateway<'a> {
    fn of(served: &'a Served) -> Self {
        let state = served.directory.path().join("gateway");
        let made = Command::new(mediation())
            .args(["gateway", "init", "--json", "--agency", CENTER, "--state"])
            .arg(&state)
            .output()
            .unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let tokens = serde_json::from_slice::<Value>(&made.stdout).unwrap()["tokens"].clone();
        let mut gateway = Self { served, tokens, child: None, address: String::new() };
        gateway.start();
        gateway
    }

    fn start(&mut self) {
        let mut child = Command::new(mediation())
            .args([
                "gateway",
                "serve",
                "--json",
                "--listen",
                "127.0.0.1:0",
                "--ledger",
                &self.served.address,
                "--state",
            ])
            .arg(self.served.directory.path().join("gateway"))
            .arg("--dir")
            .arg(self.served.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let said: Value = serde_json::from_str(&line).unwrap_or_else(|_| panic!("the gateway said {line:?}"));
        said["address"].as_str().unwrap().clone_into(&mut self.address);
        self.child = Some(child);
    }

    fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    fn ask(&self, channel: &str, method: &str, path: &str, more: &[(&str, &str)], body: &[u8]) -> Answer {
        let token = format!("Bearer {}", self.tokens[channel].as_str().unwrap_or("nobody"));
        let headers = [&[("Host", self.address.as_str()), ("Authorization", &token)], more].concat();
        ask_with(&self.address, method, path, &headers, body)
    }

    fn hand_in(&self, key: &str, matter: &Value) -> (u16, Value) {
        let headers = [("Idempotency-Key", key), ("Content-Type", "application/json")];
        read(&self.ask("lefa", "POST", "/v1/intakes", &headers, matter.to_string().as_bytes()))
    }

    fn standing(&self, number: &str, code: &str) -> (u16, Value) {
        read(&self.ask("lefa", "GET", &format!("/v1/matters/{number}"), &[("Status-Code", code)], &[]))
    }
}

fn read(answer: &Answer) -> (u16, Value) {
    (answer.status, serde_json::from_slice(&answer.body).unwrap_or_else(|_| panic!("{}", answer.text())))
}

/// An identity number that nobody has been given, with its check character.
fn document() -> String {
    let digits = "36020319900101002";
    format!("{digits}{}", mod_11_2(digits))
}

fn matter(summary: &str) -> Value {
    json!({"division": "360203", "dispute_type": "LEASE", "summary": summary, "parties": [
        {"side": "APPLICANT", "capacity": "NATURAL_PERSON", "name": "苗岫", "id_kind": "RESIDENT_ID", "id_number": document(), "phone": "13800000000"},
        {"side": "RESPONDENT", "capacity": "NATURAL_PERSON", "name": "钟离朔"}]})
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_matter_is_registered_once_however_often_it_is_handed_in_and_its_citizen_learns_what_became_of_it() {
    let mut served = Served::new();
    {
        let mut gateway = Gateway::of(&served);
        let (status, first) = gateway.hand_in("matter-000001", &matter("房东不退押金。"));
        assert_eq!(status, 201, "{first}");
        let text = |answer: &Value, field: &str| answer[field].as_str().unwrap().to_owned();
        let (number, code) = (text(&first, "number"), text(&first, "status_code"));
        assert!(number.starts_with("JF360203") && number.len() == 21, "{number}");
        assert_eq!(first["revision"], 0);
        assert!(first["checkpoint"].as_str().unwrap().contains("— "), "a signed note: {first}");
        // Again, and again after the process was killed: the same answer but for a later checkpoint.
        let same = |mut answer: Value| {
            answer.as_object_mut().unwrap().remove("checkpoint");
            answer
        };
        assert_eq!(same(gateway.hand_in("matter-000001", &matter("房东不退押金。")).1), same(first.clone()));
        gateway.kill();
        gateway.start();
        assert_eq!(same(gateway.hand_in("matter-000001", &matter("房东不退押金。")).1), same(first.clone()));
        let (status, other) = gateway.hand_in("matter-000001", &matter("另一件事。"));
        assert_eq!((status, &other["reason"]), (422, &json!("IDEMPOTENCY_KEY_REUSED")), "{other}");
        let (_, second) = gateway.hand_in("matter-000002", &matter("房东不退押金。"));
        assert_ne!((text(&second, "number"), text(&second, "chain")), (number.clone(), text(&first, "chain")));

        let (status, standing) = gateway.standing(&number, &code.to_lowercase());
        assert_eq!((status, &standing["number"]), (200, &json!(number)), "{standing}");
        assert_eq!(standing["steps"].as_array().unwrap().len(), 1, "{standing}");
        assert!(standing["handled_by"].as_str().is_some() && standing["outcome"].is_null(), "{standing}");
        assert!(!standing.to_string().contains("苗岫") && !standing.to_string().contains("钟离朔"), "{standing}");
        // Nobody learns from the answer whether there is such a matter.
        let wrong = gateway.standing(&number, &text(&second, "status_code"));
        assert_eq!(wrong, gateway.standing("JF3602032024030400017", &code));
        assert_eq!(wrong.0, 404);

        let shown = served.run(&["chain", &text(&first, "chain"), "--agency", CENTER, "--role", "REG", "--json"]);
        let shown = String::from_utf8(shown.stdout).unwrap();
        assert!(shown.contains(&number) && shown.contains("ONLINE_LEFA"), "{shown}");
        assert!(!shown.contains(&document()), "the number of a document is kept nowhere");
        let book = std::fs::read_to_string(served.directory.path().join("gateway/book")).unwrap();
        assert_eq!(book.lines().count(), 2, "{book}");
        assert!(!book.contains("苗岫") && !book.contains(&document()));
    }
    served.stop();
    let (report, clean) = served.verify();
    assert!(clean, "{report}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_refused_says_why_in_both_languages_and_registers_nothing() {
    let served = Served::new();
    indexed(&served).await;
    let gateway = Gateway::of(&served);
    let post = |channel: &str, key: Option<&str>, body: &str| {
        let key: Vec<(&str, &str)> = key.map(|key| ("Idempotency-Key", key)).into_iter().collect();
        read(&gateway.ask(channel, "POST", "/v1/intakes", &key, body.as_bytes()))
    };
    let with = |field: &str, value: Value| {
        let mut matter = matter("房东不退押金。");
        matter[field] = value;
        matter.to_string()
    };
    let party = |field: &str, value: Value| {
        let mut matter = matter("房东不退押金。");
        matter["parties"][0][field] = value;
        matter.to_string()
    };
    let key = Some("matter-000001");
    for (what, (status, problem), expected) in [
        ("nobody", post("nobody", key, &with("summary", json!("x"))), (401, "CHANNEL_UNKNOWN")),
        ("no key", post("lefa", None, &with("summary", json!("x"))), (400, "IDEMPOTENCY_KEY_MISSING")),
        ("a short key", post("lefa", Some("x"), &with("summary", json!("x"))), (400, "IDEMPOTENCY_KEY_MISSING")),
        ("no JSON", post("lefa", key, "{"), (400, "BODY_MALFORMED")),
        ("another field", post("lefa", key, &with("colour", json!("red"))), (400, "BODY_MALFORMED")),
        ("too much", post("lefa", key, &with("summary", json!("长".repeat(100_000)))), (413, "BODY_TOO_LARGE")),
        ("long", post("lefa", key, &with("summary", json!("长".repeat(30_000)))), (422, "MALFORMED")),
        ("no division", post("lefa", key, &with("division", json!("江西"))), (422, "MALFORMED")),
        ("no such type", post("lefa", key, &with("dispute_type", json!("DRAGONS"))), (422, "MALFORMED")),
        ("no parties", post("lefa", key, &with("parties", json!([]))), (422, "MALFORMED")),
        ("no such side", post("lefa", key, &party("side", json!("JUDGE"))), (422, "MALFORMED")),
        ("a kind alone", post("lefa", key, &party("id_number", Value::Null)), (422, "MALFORMED")),
        ("no such number", post("lefa", key, &party("id_number", json!("360203199001010029"))), (422, "MALFORMED")),
        ("no such path", read(&gateway.ask("lefa", "GET", "/v2", &[], &[])), (404, "PATH_NOT_FOUND")),
        ("no such method", read(&gateway.ask("lefa", "PUT", "/v1/intakes", &[], &[])), (405, "METHOD_NOT_ALLOWED")),
        ("not his list", read(&gateway.ask("lefa", "GET", "/v1/worklist", &[], &[])), (403, "CHANNEL_NOT_ENTITLED")),
    ] {
        assert_eq!((status, problem["reason"].as_str().unwrap()), expected, "{what}: {problem}");
        let said = problem["title"].as_str().unwrap();
        assert!(said.chars().any(|letter| letter > '\u{4e00}'), "{what}: {said}");
        assert!(!problem["title_en"].as_str().unwrap().is_empty(), "{what}");
        assert!(!problem.to_string().contains("360203199001010029"), "{what}: {problem}");
    }
    let (status, duties) = read(&gateway.ask("hall", "GET", "/v1/worklist", &[], &[]));
    assert_eq!((status, &duties["duties"]), (200, &json!([])), "nothing was registered: {duties}");
    let (status, document) = read(&gateway.ask("nobody", "GET", "/v1/openapi.json", &[], &[]));
    assert_eq!((status, &document["openapi"]), (200, &json!("3.1.0")));
}
