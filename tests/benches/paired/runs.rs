//! What benches that compare pairs of runs have in common: runs in turn, answers by their 99th percentile, and a process beside
//! them that has the processors only when nobody else wants them.

use std::{
    io::Write as _,
    process::{Child, Command, Stdio},
};

use crate::served::Served;

/// Runs the whole bench.
pub(crate) fn block_on(work: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    runtime.map(|runtime| runtime.block_on(work)).unwrap_or_else(|error| panic!("{error}"));
}

/// The 99th percentile.
pub(crate) fn p99(answers: &[f64]) -> f64 {
    let mut answers = answers.to_vec();
    answers.sort_by(f64::total_cmp);
    answers[answers.len() * 99 / 100]
}

/// The one in the middle.
pub(crate) fn median(mut ratios: Vec<f64>) -> f64 {
    ratios.sort_by(f64::total_cmp);
    ratios[ratios.len() / 2]
}

/// Starts this bench a second time as another's machine: its own work is not what is measured. It is told of the ledger by
/// directory and address, after `role`.
pub(crate) fn elsewhere(role: &str, served: &Served) -> Child {
    let own = std::env::current_exe().unwrap_or_else(|error| panic!("{error}"));
    let mut elsewhere = Command::new("nice");
    elsewhere
        .args(["-n", "19"])
        .arg(own)
        .arg(role)
        .arg(served.path())
        .arg(&served.address)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped());
    elsewhere.spawn().unwrap_or_else(|error| panic!("{error}"))
}

/// Ends that process by the end of its input, and gives what it said last.
pub(crate) fn ended(mut elsewhere: Child, last_words: &str) -> String {
    let mut input = elsewhere.stdin.take().unwrap_or_else(|| panic!("the process has no input"));
    input.write_all(last_words.as_bytes()).unwrap_or_else(|error| panic!("{error}"));
    drop(input);
    let output = elsewhere.wait_with_output().unwrap_or_else(|error| panic!("{error}"));
    assert!(output.status.success(), "the process elsewhere failed");
    String::from_utf8_lossy(&output.stdout).into_owned()
}
