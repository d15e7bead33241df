//! The stand-in of a cluster as a process of its own, that can be killed, frozen and started again.

use std::{
    io::{BufRead as _, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use serde_json::Value;

/// The process, and the directory that outlives it.
pub(super) struct StandIn {
    directory: PathBuf,
    address: String,
    /// Further arguments.
    arguments: Vec<String>,
    child: Option<Child>,
}

impl StandIn {
    pub(super) fn start(directory: &Path) -> Self {
        Self::start_with(directory, &[])
    }

    /// With users, or over TLS.
    pub(super) fn start_with(directory: &Path, arguments: &[&str]) -> Self {
        let arguments = arguments.iter().map(|argument| (*argument).to_owned()).collect();
        let (directory, address) = (directory.to_owned(), "127.0.0.1:0".to_owned());
        let mut stand_in = Self { directory, address, arguments, child: None };
        stand_in.restart();
        stand_in
    }

    /// Starts, at the address it had before, with everything that it has acknowledged.
    pub(super) fn restart(&mut self) {
        let test = std::env::current_exe().unwrap();
        let binary = test.ancestors().nth(2).unwrap().join("kurrentdb-stand-in");
        assert!(binary.exists(), "`{}` is not built; run `cargo build --workspace` first", binary.display());
        let mut child = Command::new(binary)
            .args(["--listen", &self.address, "--directory"])
            .arg(&self.directory)
            .args(&self.arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let said: Value = serde_json::from_str(&line).unwrap_or_else(|_| panic!("the stand-in said {line:?}"));
        self.address = said["addresses"][0].as_str().unwrap().to_owned();
        self.child = Some(child);
    }

    pub(super) fn uri(&self) -> String {
        format!("esdb://{}?tls=false", self.address)
    }

    pub(super) fn secure_uri(&self) -> String {
        format!("esdb://{}?tls=true", self.address)
    }

    pub(super) fn kill(&mut self) {
        let mut child = self.child.take().unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
    }

    /// Stops the clock of the process: connections stay open, and nothing is answered.
    pub(super) fn freeze(&self) {
        self.signal("-STOP");
    }

    pub(super) fn thaw(&self) {
        self.signal("-CONT");
    }

    fn signal(&self, name: &str) {
        let id = self.child.as_ref().unwrap().id().to_string();
        assert!(Command::new("kill").args([name, &id]).status().unwrap().success());
    }
}

impl Drop for StandIn {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            drop(child.kill());
            drop(child.wait());
        }
    }
}
