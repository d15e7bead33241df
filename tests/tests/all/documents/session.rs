//! A terminal in which the commands of one document run.

use std::{
    env,
    fs::{self, Permissions},
    io::{BufRead as _, BufReader},
    net::TcpListener,
    os::unix::fs::{PermissionsExt as _, symlink},
    process::{self, Child, Stdio},
};

use tempfile::TempDir;

use super::{
    blocks::Command,
    pattern::{line_matches, lines_match},
};
use crate::workspace::{binary, root};

/// How the documents call the binary.
const CALLED: &str = "cargo run --release -- ";

/// Where the documents run a witness.
const WITNESS: &str = "127.0.0.1:7481";

/// Where the documents serve a log.
const LOG: &str = "127.0.0.1:7480";

/// Where the documents run a gateway of a center.
const GATEWAY: &str = "127.0.0.1:7490";

/// A directory, and what runs in the background.
pub(super) struct Session {
    directory: TempDir,
    /// Address that stands in for the one at which the documents run a witness.
    witness: String,
    /// Address that stands in for the one at which the documents serve a log.
    log: String,
    /// Address that stands in for the one at which the documents run a gateway.
    gateway: String,
    background: Vec<Child>,
}

impl Session {
    /// An empty directory, with the binary on the path under its name.
    pub(super) fn start() -> Self {
        let directory = tempfile::tempdir().unwrap();
        symlink(root().join("tests"), directory.path().join("tests")).unwrap();
        // The documents use the address that a ledger has by default; here another port may be the free one.
        let free = || TcpListener::bind("127.0.0.1:0").unwrap();
        let (ledger, witness, log, gateway) = (free(), free(), free(), free());
        let (address, witness) = (ledger.local_addr().unwrap(), witness.local_addr().unwrap().to_string());
        let log = log.local_addr().unwrap().to_string();
        let gateway = gateway.local_addr().unwrap().to_string();
        let binary = binary().display();
        let script = format!(
            "#!/bin/sh\ncommand=\"$1\"\ncase \"$command\" in\nserve) exec '{binary}' \"$@\" --listen {address} ;;\nrecord | chain | access-log | mirror | log | monitor) exec '{binary}' \"$@\" --ledger {address} ;;\ngateway) if [ \"$2\" = new ]; then exec '{binary}' \"$@\" --ledger {address}; fi; exec '{binary}' \"$@\" ;;\n*) exec '{binary}' \"$@\" ;;\nesac\n"
        );
        fs::create_dir(directory.path().join(".bin")).unwrap();
        let path = directory.path().join(".bin/mediation");
        fs::write(&path, script).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o755)).unwrap();
        Self { directory, witness, log, gateway, background: Vec::new() }
    }

    /// Runs a command to its end, or until it has printed what the document shows when it stays in the background.
    pub(super) fn run(&mut self, command: &Command) -> Result<(), String> {
        let text = command.text.replace(CALLED, "mediation ").replace(WITNESS, &self.witness).replace(LOG, &self.log);
        let text = text.replace(GATEWAY, &self.gateway);
        match text.strip_suffix(" &") {
            Some(text) => self.run_in_background(text, &command.output),
            None => self.run_to_end(&text, command),
        }
    }

    fn run_to_end(&self, text: &str, command: &Command) -> Result<(), String> {
        let ended = self.shell(&format!("{{ {text}\n}} 2>&1")).output().unwrap();
        let printed = String::from_utf8_lossy(&ended.stdout);
        let lines: Vec<_> = printed.lines().collect();
        let code = ended.status.code().unwrap_or(-1);
        if code != command.exit_code {
            return Err(format!("exit code {code} instead of {}, printed:\n{printed}", command.exit_code));
        }
        // A command that shows nothing may print what it likes.
        if command.output.iter().all(|line| line.is_empty()) || lines_match(&command.output, &lines) {
            return Ok(());
        }
        Err(format!("does not print what the document shows, but:\n{printed}"))
    }

    fn run_in_background(&mut self, text: &str, shown: &[String]) -> Result<(), String> {
        let mut shell = self.shell(&format!("exec {text}"));
        let mut child = shell.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut printed = BufReader::new(child.stdout.take().unwrap()).lines();
        self.background.push(child);
        for line in shown.iter().filter(|line| !line.is_empty()) {
            let found = printed.next().and_then(Result::ok).unwrap_or_default();
            if !line_matches(line, &found) {
                return Err(format!("prints `{found}`"));
            }
        }
        Ok(())
    }

    fn shell(&self, script: &str) -> process::Command {
        let path = format!("{}:{}", self.directory.path().join(".bin").display(), env::var("PATH").unwrap_or_default());
        let mut shell = process::Command::new("sh");
        shell.args(["-c", script]).current_dir(self.directory.path()).env("PATH", path).stdin(Stdio::null());
        shell
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        for child in &mut self.background {
            // It may have ended by itself.
            child.kill().ok();
            child.wait().ok();
        }
    }
}
