//! An agency that has exported as much as it may in a month exports more only by an approval of one of its heads.

use mediation_client::{Client, ClientError};
use mediation_ledger::chain::ChainId;
use mediation_proto::mediation::{
    ledger::v1::Reading,
    types::v1::{AccessPurpose, AgencyKind},
};
use serde_json::{Value, json};
use tonic_types::StatusExt as _;

use crate::served::{Served, chain_id, event_id, reading, registration, request};

const BUREAU: &str = "XF-FL";

/// A ledger at which each agency may export one chain a month.
fn narrow() -> Served {
    let mut served = Served::new();
    served.stop();
    let file = served.path().join("mediation.toml");
    let configuration = std::fs::read_to_string(&file).unwrap();
    let given = "chains_per_month_max = 200";
    assert!(configuration.contains(given), "{configuration}");
    std::fs::write(&file, configuration.replace(given, "chains_per_month_max = 1")).unwrap();
    served.start();
    served
}

async fn dispute(client: &Client) -> String {
    let chain = chain_id();
    client.record(registration(&chain, &event_id(), "排水渠堵塞")).await.unwrap();
    chain
}

/// Exports a chain, by an approval if there is one; the reason of a refusal, and what it says.
async fn export(client: &Client, chain: &str, approval: Option<&str>) -> Result<(), (String, String)> {
    let reading = Reading {
        purpose: Some(AccessPurpose::Export.into()),
        approval: approval.map(str::to_owned),
        ..reading(BUREAU)
    };
    client.clone().reading(reading).chain(chain, None).await.map(drop).map_err(|error| {
        let ClientError::Status(status) = error else { panic!("{error}") };
        let said = status.get_details_localized_message().unwrap().message;
        (status.get_details_error_info().unwrap().reason, format!("{said} {}", status.message()))
    })
}

/// Opens the registry chain of the bureau, which only its onboarding does.
async fn onboard(served: &Served) {
    let committee = served.client("ZFW-JDZ", AgencyKind::PoliticalLegalCommittee).await;
    let origin = served.trust().log_key.name().to_string();
    let onboarded = json!({"subject": BUREAU, "name": "浮梁县信访局", "kind": "PETITION", "level": "COUNTY",
        "division": "360222", "credit_code": "x", "certificate_sha256": "0".repeat(64), "centers": ["PETITION_RECEPTION"]});
    let chain = ChainId::agency_registry(&origin, BUREAU).to_string();
    committee.record(request(&chain, &event_id(), "AgencyOnboarded", "ZFW-JDZ/ADM-1", "ADM", onboarded)).await.unwrap();
}

/// Approves on the registry chain of the bureau; the event id, or the reason of the refusal.
async fn approve(served: &Served, client: &Client, signer: &str, reader: &str) -> Result<String, String> {
    let origin = served.trust().log_key.name().to_string();
    let (chain, id) = (ChainId::agency_registry(&origin, BUREAU).to_string(), event_id());
    let data = json!({"reader": reader, "chains_max": 1, "until_on": "2099-12-31", "reason": "年度评查"});
    let approved = request(&chain, &id, "ExportApproved", signer, "HEAD", data);
    client.record(approved).await.map(|_| id).map_err(|error| {
        let ClientError::Status(status) = error else { panic!("{error}") };
        status.get_details_error_info().unwrap().reason
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn beyond_the_number_an_export_needs_an_approval_and_a_restart_forgets_nothing() {
    let mut served = narrow();
    let client = served.client(BUREAU, AgencyKind::Petition).await;
    let chains = [dispute(&client).await, dispute(&client).await, dispute(&client).await];
    assert_eq!(export(&client, &chains[0], None).await, Ok(()));
    assert_eq!(export(&client, &chains[0], None).await, Ok(()), "again is no further chain");
    let (reason, said) = export(&client, &chains[1], None).await.unwrap_err();
    assert_eq!(reason, "EXPORT_NEEDS_APPROVAL");
    assert!(
        said.contains("本机构本月已导出 1 条不同的链") && said.contains("has exported 1 different chains"),
        "{said}"
    );
    assert!(client.clone().reading(reading(BUREAU)).chain(&chains[1], None).await.is_ok(), "daily work goes on");
    // An agency's exports are its own.
    let audit = served.client("AUD-JDZ", AgencyKind::Audit).await;
    let other = Reading { purpose: Some(AccessPurpose::Export.into()), ..reading("AUD-JDZ") };
    assert!(audit.reading(other).chain(&chains[1], None).await.is_ok());
    drop(client);
    served.stop();
    served.start();

    // The refused attempt is on record, and told to who may see who read the chain.
    let listed = served.run(&["access-log", &chains[1], "--json", "--agency", "AUD-JDZ"]);
    let listed: Value = serde_json::from_slice(&listed.stdout).unwrap();
    let rows = listed["accesses"].as_array().unwrap();
    let refusals: Vec<&Value> = rows.iter().filter(|row| !row["refusal"].is_null()).collect();
    assert_eq!(refusals.len(), 1, "{rows:#?}");
    assert_eq!((&refusals[0]["purpose"], &refusals[0]["refusal"]), (&json!("EXPORT"), &json!("ROLE_NOT_ENTITLED")));
    assert_eq!(refusals[0]["rule"], "EXPORT_NEEDS_APPROVAL");

    onboard(&served).await;
    let client = served.client(BUREAU, AgencyKind::Petition).await;
    let refused = |result: Result<(), (String, String)>| result.unwrap_err().0;
    assert_eq!(refused(export(&client, &chains[1], None).await), "EXPORT_NEEDS_APPROVAL");
    assert_eq!(refused(export(&client, &chains[1], Some(&event_id())).await), "EXPORT_NEEDS_APPROVAL", "no such one");
    assert_eq!(refused(export(&client, &chains[1], Some("x")).await), "MALFORMED");
    let own = approve(&served, &client, "XF-FL/TEST-1", "XF-FL/TEST-1").await;
    assert_eq!(own, Err("MALFORMED".to_owned()), "nobody approves his own exports");
    let foreign = approve(&served, &client, "XF-FL/HEAD-1", "CT-ZS/JAST-1").await;
    assert_eq!(foreign, Err("MALFORMED".to_owned()), "nor those of another agency");
    let another = approve(&served, &client, "XF-FL/HEAD-1", "XF-FL/TEST-2").await.unwrap();
    assert_eq!(
        refused(export(&client, &chains[1], Some(&another)).await),
        "EXPORT_NEEDS_APPROVAL",
        "of another reader"
    );
    let approval = approve(&served, &client, "XF-FL/HEAD-1", "XF-FL/TEST-1").await.unwrap();
    assert_eq!(export(&client, &chains[1], Some(&approval)).await, Ok(()));
    let (reason, said) = export(&client, &chains[2], Some(&approval)).await.unwrap_err();
    assert_eq!(reason, "EXPORT_NEEDS_APPROVAL");
    assert!(said.contains("本月已依该批准导出 1 条不同的链"), "{said}");

    let out = served.directory.path().join("approved.evidence.zip");
    let by = ["--agency", BUREAU, "--reader", "XF-FL/TEST-1", "--role", "REG", "--approval", &approval];
    let export = |chain: &str| {
        let arguments = [&["export", chain, "--out", out.to_str().unwrap()], &by[..]].concat();
        served.run(&arguments).status.code()
    };
    assert_eq!((export(&chains[2]), export(&chains[1])), (Some(3), Some(0)));
    drop(client);
    served.stop();
    let (report, clean) = served.verify();
    assert!(clean, "{report}");
}
