//! Registry chains through the command line: they are found by name, and what stands on them counts at once.

use std::process::Command;

use serde_json::{Value, json};

use crate::served::{Served, mediation};

/// Runs a command that answers in JSON.
fn run(served: &Served, agency: &str, arguments: &[&str]) -> Value {
    let output = Command::new(mediation())
        .args(arguments)
        .args(["--json", "--ledger", &served.address, "--agency", agency, "--dir"])
        .arg(served.path())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

fn record(served: &Served, agency: &str, role: &str, chain: &str, event: &str, data: &Value) -> Value {
    let signer = format!("{agency}/{role}-1");
    let data = data.to_string();
    let arguments = ["record", "--event", event, "--role", role, "--signer", &signer, "--chain", chain];
    run(served, agency, &[arguments.as_slice(), &["--occurred-at", "1709514720", "--data", &data]].concat())
}

#[test]
fn registry_chains_are_found_by_name_and_an_appointment_counts_at_once() {
    let served = Served::new();
    let onboarded = json!({"subject": "CT-ZS", "name": "珠山区人民法院", "kind": "COURT", "level": "COUNTY",
        "division": "360203", "credit_code": "x", "certificate_sha256": "x", "centers": ["LITIGATION_SERVICE"]});
    let placed = record(&served, "ZFW-ZS", "HEAD", "registry:CT-ZS", "AgencyOnboarded", &onboarded);
    assert_eq!(placed["revision"], json!(0), "it opens the chain");
    let shown = run(&served, "CT-ZS", &["chain", "registry:CT-ZS"]);
    assert_eq!(shown["chain"], placed["chain"]);

    let registered = json!({"channel": "WALK_IN", "division": "360203", "dispute_type": "LEASE", "emergency": false,
        "parties": [{"subject": "psn_c221f62ecd5b08ac8c8dcd5b", "side": "APPLICANT", "capacity": "SOLE_TRADER", "minor": false}],
        "summary": "拖欠租金"});
    let chain = uuid::Uuid::new_v4().to_string();
    record(&served, "CT-ZS", "REG", &chain, "DisputeRegistered", &registered);
    let invalid = |served: &Served| {
        let shown = run(served, "CT-ZS", &["chain", &chain]);
        shown.to_string().contains("F-SIGNER-INVALID")
    };
    assert!(!invalid(&served), "an agency that appoints nobody is not judged");
    let judge = json!({"agency": "CT-ZS", "signer": "CT-ZS/JUDGE-1", "roles": ["JUDGE"], "valid_from": "2024-01-01"});
    record(&served, "CT-ZS", "HEAD", "registry", "SignerAppointed", &judge);
    assert!(invalid(&served), "its registrar is not appointed");
}
