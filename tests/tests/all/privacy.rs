//! `mediation privacy-report` over a ledger that was served: what it tells of each agency, and what it keeps to itself.

use std::process::{Command, Output};

use mediation_proto::mediation::{
    ledger::v1::Reading,
    types::v1::{AccessPurpose, AgencyKind},
};
use serde_json::{Value, json};

use crate::served::{Served, accusation, chain_id, event_id, mediation, reading, registration, request};

const BUREAU: &str = "XF-FL";

fn report(served: &Served, more: &[&str]) -> Output {
    Command::new(mediation()).arg("privacy-report").args(more).arg("--dir").arg(served.path()).output().unwrap()
}

fn json_of(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&output.stderr)))
}

fn breach(more: &[(&str, Value)]) -> Value {
    let mut breach = json!({"incident": ["LEAK"], "discovered_on": "2024-03-01", "data_kinds": ["CONTACT"], "persons_affected": 3,
        "cause": "误发邮件", "possible_harm": "骚扰", "measures": "召回"});
    more.iter().for_each(|(name, value)| breach[*name] = value.clone());
    breach
}

/// A dispute with two reports of one breach, an assessment, a request that nobody answers and an order; a restricted chain with a
/// request and an order; an export. Returns the ids of both chains.
async fn record(served: &Served) -> (String, String) {
    let bureau = served.client(BUREAU, AgencyKind::Petition).await;
    let (open, restricted, first) = (chain_id(), chain_id(), event_id());
    bureau.record(registration(&open, &event_id(), "排水渠堵塞")).await.unwrap();
    bureau.record(accusation(&restricted)).await.unwrap();
    let send = |chain: &str, id: &str, event: &str, role: &str, data: Value| {
        let request = request(chain, id, event, &format!("{BUREAU}/{role}-1"), role, data);
        bureau.record(request)
    };
    send(&open, &first, "BreachReported", "REG", breach(&[])).await.unwrap();
    let second = breach(&[
        ("earlier", json!({"event_id": first})),
        ("persons_affected", json!(40)),
        ("authority_notified_on", json!("2024-03-03")),
        ("harm_avoided", json!(true)),
        ("no_notice_reason", json!("均已加密")),
    ]);
    send(&open, &event_id(), "BreachReported", "HEAD", second).await.unwrap();
    let assessed = json!({"occasions": ["SENSITIVE"], "purpose": "办理纠纷", "lawful_necessary": true, "risk": "LEVEL_3",
        "measures_adequate": true, "assessed_on": "2024-03-01", "kept_until": "2027-03-01", "impact": "有限",
        "report": {"kind": "评估报告", "digest_algorithm": "SHA_256", "digest": "0".repeat(64), "sensitivity": "S1"}});
    send(&open, &event_id(), "ImpactAssessed", "HEAD", assessed).await.unwrap();
    for chain in [&open, &restricted] {
        let asked = json!({"right": "ERASE", "requester": "psn_1"});
        send(chain, &event_id(), "SubjectRequestReceived", "REG", asked).await.unwrap();
        let frozen = json!({"measure": "FREEZE", "order_no": "冻字1号", "scope": "CHAIN", "basis": "SUBJECT_REQUEST",
            "legal_basis": "个人信息保护法第四十七条"});
        send(chain, &event_id(), "ErasureOrdered", "HEAD", frozen).await.unwrap();
    }
    let export = Reading { purpose: Some(AccessPurpose::Export.into()), ..reading(BUREAU) };
    bureau.clone().reading(export).chain(&open, None).await.unwrap();
    (open, restricted)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_report_tells_of_each_agency_and_names_no_restricted_chain() {
    let mut served = Served::new();
    let empty = {
        served.stop();
        report(&served, &[])
    };
    assert_eq!(empty.status.code(), Some(0));
    assert!(String::from_utf8_lossy(&empty.stdout).contains("期间内没有可报告的事项 · nothing to report"));
    served.start();
    let (open, restricted) = record(&served).await;
    let refused = report(&served, &[]);
    assert_eq!(refused.status.code(), Some(5), "it is being served");
    served.stop();

    let output = report(&served, &["--json"]);
    let said = json_of(&output);
    let told = &said["agencies"][BUREAU];
    let breaches = told["rows"]["breaches"].as_array().unwrap();
    assert_eq!(breaches.len(), 1, "{told:#}");
    let (days, persons) = (&breaches[0]["authority_days"], &breaches[0]["persons_days"]);
    assert_eq!((days, persons, &breaches[0]["persons_affected"]), (&json!(2), &Value::Null, &json!(40)));
    // The order on the chain freezes its free text for everybody.
    assert_eq!((&breaches[0]["is_reason_given"], &breaches[0]["no_notice_reason"]), (&json!(true), &Value::Null));
    assert_eq!(breaches[0]["place"]["chain"], open.as_str());
    let sums = &said["sums"];
    for (name, number) in [
        ("breaches", 1),
        ("persons_not_told", 1),
        ("assessments", 1),
        ("requests", 2),
        ("requests_decided", 0),
        ("frozen", 2),
        ("holds", 0),
        ("exports", 1),
    ] {
        assert_eq!(sums[name], number, "{name} in {sums:#}");
    }
    assert_eq!(told["rows"]["exports"][0]["chains"], 1);
    let text = report(&served, &[]);
    for printed in [&output.stdout, &text.stdout] {
        let printed = String::from_utf8_lossy(printed);
        assert!(printed.contains(&open) && !printed.contains(&restricted), "{printed}");
    }
    let text = String::from_utf8_lossy(&text.stdout).into_owned();
    for words in ["（限制知悉的链）", "个人信息泄露 · breaches", "导出证据包 · exports", "合计 · in all"]
    {
        assert!(text.contains(words), "{words} is missing in\n{text}");
    }

    let other = json_of(&report(&served, &["--json", "--agency", "CT-ZS"]));
    assert_eq!((&other["agencies"], &other["sums"]["breaches"]), (&json!({}), &json!(0)));
    let before = json_of(&report(&served, &["--json", "--to", "2024-02-29"]));
    assert_eq!(before["agencies"], json!({}));
    let unknown = report(&served, &["--agency", "NOBODY"]);
    assert_eq!(unknown.status.code(), Some(5));
    let wrong = report(&served, &["--from", "2024-03-02", "--to", "2024-03-01"]);
    assert_eq!(wrong.status.code(), Some(5));
}
