//! `mediation bench`, for a moment: every workload runs, and has beside it what it is compared with.

use std::process::Command;

use serde_json::Value;

use crate::served::{Served, mediation};

/// Runs it so shortly that the figures mean nothing.
fn bench(arguments: &[&str]) -> Vec<Value> {
    let short = ["--rounds", "1", "--seconds", "0.1", "--acts", "60", "--writers", "2", "--json"];
    let output = Command::new(mediation()).arg("bench").args(arguments).args(short).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let said: Value = serde_json::from_slice(&output.stdout).unwrap();
    said["points"].as_array().unwrap().clone()
}

fn assert_measured(point: &Value, beside: &[&str]) {
    assert!(point["ledger"]["per_second"].as_f64().unwrap() > 0.0, "{point}");
    for side in ["echo", "sync", "crypto"] {
        assert_eq!(point[side].is_object(), beside.contains(&side), "`{side}` of {point}");
    }
}

#[test]
fn every_workload_is_measured_beside_what_it_is_compared_with() {
    let points =
        bench(&["append", "stream", "batch", "chain", "proof", "mixed", "replay", "judge", "rebuild", "--no-model"]);
    let expected: [(&str, &[&str]); 12] = [
        ("append", &["echo", "sync", "crypto"]),
        ("stream", &["echo", "sync"]),
        ("batch", &["echo", "sync"]),
        ("chain", &["echo", "sync"]),
        ("chain", &["echo", "sync"]),
        ("proof", &["echo"]),
        ("proof", &["echo"]),
        ("mixed", &["echo", "sync"]),
        ("replay", &["echo"]),
        ("replay", &["crypto"]),
        ("judge", &[]),
        ("rebuild", &[]),
    ];
    assert_eq!(points.iter().map(|point| &point["workload"]).collect::<Vec<_>>(), expected.map(|(name, _)| name));
    for (point, (_, beside)) in points.iter().zip(expected) {
        assert_measured(point, beside);
    }
}

#[test]
fn callers_that_sign_are_measured_on_a_ledger_that_runs() {
    let served = Served::new();
    let directory = served.path();
    let running = ["--ledger", &served.address, "--dir", directory.to_str().unwrap()];
    let points = bench(&[&["append", "--caller-signed"], &running[..]].concat());
    let [point] = &points[..] else { panic!("{points:?}") };
    assert_measured(point, &["echo", "sync", "crypto"]);
    let alone = bench(&[&["append", "--alone"], &running[..]].concat());
    assert_measured(&alone[0], &[]);
}
