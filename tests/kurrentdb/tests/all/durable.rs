//! The process: killed, stopped, started again, obeying its input.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    path::Path,
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
};

use eventstore::{Client, ExpectedRevision, ReadStreamOptions};
use uuid::Uuid;

use crate::calls::{append, stream};

#[tokio::test]
async fn a_killed_server_has_all_that_it_acknowledged_and_cuts_a_torn_tail() {
    let directory = tempfile::tempdir().unwrap();
    let mut ids = Vec::new();
    for round in 0..3 {
        let server = Process::start(directory.path(), &[]);
        let client = server.client();
        for _ in 0..5 {
            let expected = match ids.len() as u64 {
                0 => ExpectedRevision::NoStream,
                next => ExpectedRevision::Exact(next - 1),
            };
            let id = Uuid::new_v4();
            append(&client, "chain-1", expected, &[id]).await.unwrap();
            ids.push(id);
        }
        assert_eq!(stream(&client, "chain-1", ReadStreamOptions::default()).await, ids, "round {round}");
        drop(server);
        let journal = directory.path().join("journal");
        let mut torn = std::fs::OpenOptions::new().append(true).open(journal).unwrap();
        torn.write_all(&[200, 0, 0, 0, 1, 2, 3, 4, 5]).unwrap();
    }
}

#[tokio::test]
async fn a_process_obeys_its_input() {
    let directory = tempfile::tempdir().unwrap();
    let mut server = Process::start(directory.path(), &["--nodes", "3"]);
    let client = server.client();
    let id = Uuid::new_v4();
    assert_eq!(server.order("append chain- abort-after-commit"), r#"{"done":null}"#);
    append(&client, "chain-1", ExpectedRevision::NoStream, &[id]).await.unwrap_err();
    assert_eq!(server.order("duplicate chain-1"), r#"{"done":1}"#);
    assert_eq!(stream(&client, "chain-1", ReadStreamOptions::default()).await, [id, id]);
    assert!(server.order("no-such-thing").starts_with(r#"{"error":"#));
    assert_eq!(server.order("lead 1"), r#"{"done":null}"#);
    assert_eq!(server.order("stop"), r#"{"done":null}"#);
    assert!(server.child.wait().unwrap().success());
}

/// Killed when dropped.
struct Process {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
    uri: String,
}

impl Process {
    fn start(directory: &Path, arguments: &[&str]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_kurrentdb-stand-in"))
            .arg("--directory")
            .arg(directory)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let input = child.stdin.take().unwrap();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        output.read_line(&mut line).unwrap();
        let told = serde_json::from_str::<serde_json::Value>(&line).unwrap();
        Self { child, input, output, uri: told["uri"].as_str().unwrap().to_owned() }
    }

    fn client(&self) -> Client {
        Client::new(self.uri.parse().unwrap()).unwrap()
    }

    fn order(&mut self, line: &str) -> String {
        writeln!(self.input, "{line}").unwrap();
        let mut answer = String::new();
        self.output.read_line(&mut answer).unwrap();
        answer.trim_end().to_owned()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended by itself.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}
