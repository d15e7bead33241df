//! Figures that a served ledger is asked for.

use mediation_proto::mediation::{
    ledger::v1::{CompareAgenciesRequest, GetFiguresRequest, figures_service_client::FiguresServiceClient},
    types::v1::AgencyKind,
};
use serde_json::{Value, json};
use tonic::{Code, Status};
use tonic_types::StatusExt as _;

use super::{FOUNDING_ACTS, figures, json_of, record};
use crate::served::{Served, accusation, chain_id, event_id, registration, request};

/// What `mediation figures` prints of a served ledger.
fn asked(served: &Served, more: &[&str]) -> Value {
    json_of(&served.run(&[&["figures", "--year", "2024", "--json"][..], more].concat()))
}

async fn refused(served: &Served, agency: &str, wanted: GetFiguresRequest) -> Status {
    let mut service = FiguresServiceClient::new(served.connection(Some(agency)).await.channel);
    service.get_figures(wanted).await.unwrap_err()
}

async fn not_compared(served: &Served, agency: &str, wanted: CompareAgenciesRequest) -> Status {
    let mut service = FiguresServiceClient::new(served.connection(Some(agency)).await.channel);
    service.compare_agencies(wanted).await.unwrap_err()
}

fn reason(status: &Status) -> String {
    status.get_details_error_info().unwrap().reason
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_served_ledger_counts_what_its_directory_is_counted_to_and_nothing_twice() {
    let mut served = Served::new();
    let talk = record(&served).await;
    let first = asked(&served, &["--operational", "--agency", "AUD-JDZ"]);
    assert_eq!(asked(&served, &["--operational", "--agency", "ZC-FL"]), first, "the center is told the same");
    assert_eq!(first["entries"], json!(FOUNDING_ACTS + 4));
    assert_eq!(first["checkpoint"]["size"], first["entries"], "asking for figures records nothing");

    // What was recorded since is counted, whatever answer is kept.
    let township = served.client("TC-ZS-XC", AgencyKind::TownshipCenter).await;
    let raised = json!({"participants": 2, "matter": "停车"});
    let act = request(&chain_id(), &event_id(), "TalkRaised", "TC-ZS-XC/TCOM-1", "TCOM", raised);
    township.record(act).await.unwrap();
    let computed = |report: &Value, id: &str| super::row(report, "figures", id)["computed"].clone();
    let counts_it = |report: &Value| computed(report, "P-30") == "20003";
    let mut again = asked(&served, &["--operational"]);
    for _ in 0..100 {
        if counts_it(&again) {
            break;
        }
        again = asked(&served, &["--operational"]);
    }
    assert!(counts_it(&again), "{}", computed(&again, "P-30"));
    assert_eq!(again["entries"], json!(FOUNDING_ACTS + 5));

    served.stop();
    let directory = json_of(&figures(&served, &["--json", "--operational"]));
    for field in [
        "good",
        "year",
        "table",
        "rule_set",
        "as_of",
        "origin",
        "checkpoint",
        "entries",
        "chains",
        "signatures",
        "counted",
    ] {
        assert_eq!(again[field], directory[field], "{field}");
    }
    assert_eq!((&again["figures"], &again["operational"]), (&directory["figures"], &directory["operational"]));
    // Of a chain that does not count no more is told than how many.
    assert!(!again.to_string().contains(&talk));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn figures_are_for_the_audit_and_the_centers_alone() {
    let served = Served::new();
    let wanted = || GetFiguresRequest { year: Some(2024), ..GetFiguresRequest::default() };
    for agency in ["CT-FL", "PR-FL", "XF-FL", "TC-ZS-XC", "XL-ZS", "ZFW-JDZ"] {
        let status = refused(&served, agency, wanted()).await;
        assert_eq!(
            (status.code(), reason(&status).as_str()),
            (Code::PermissionDenied, "READER_NOT_ENTITLED"),
            "{agency}"
        );
    }
    for (year, as_of, field) in [
        (None, None, "year"),
        (Some(0), None, "year"),
        (Some(1900), None, "year"),
        (Some(u32::MAX), None, "year"),
        (Some(2024), Some(""), "as_of"),
        (Some(2024), Some("2024-13-01"), "as_of"),
    ] {
        let malformed = GetFiguresRequest { year, as_of: as_of.map(str::to_owned), ..wanted() };
        let status = refused(&served, "AUD-JDZ", malformed).await;
        assert_eq!(
            (status.code(), reason(&status).as_str()),
            (Code::InvalidArgument, "MALFORMED"),
            "{year:?} {as_of:?}"
        );
        assert_eq!(status.get_details_bad_request().unwrap().field_violations[0].field, field, "{year:?} {as_of:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn agencies_are_compared_alike_by_a_served_ledger_and_from_its_directory() {
    let mut served = Served::new();
    record(&served).await;
    // A chain with an accusation is counted as it is for figures, and no chain is named.
    let bureau = served.client("XF-FL", AgencyKind::Petition).await;
    let restricted = chain_id();
    bureau.record(registration(&restricted, &event_id(), "反映问题")).await.unwrap();
    bureau.record(accusation(&restricted)).await.unwrap();
    let compared = asked(&served, &["--agencies", "--agency", "AUD-JDZ"]);
    assert_eq!(asked(&served, &["--agencies", "--agency", "ZC-FL"]), compared, "the center is told the same");
    let counts = |id: &str| {
        let agencies = compared["agencies"].as_array().unwrap();
        let agency = agencies.iter().find(|agency| agency["agency"] == id).unwrap();
        ["chains", "led", "acts", "closed"].map(|field| agency[field].as_u64().unwrap())
    };
    assert_eq!(counts("XF-FL"), [2, 2, 3, 0]);
    assert_eq!((counts("TC-ZS-XC"), counts("ZFW-JDZ")), ([1, 0, 2, 0], [1, 0, 1, 0]));
    assert_eq!(compared["agencies"].as_array().unwrap().len(), 3, "who did nothing is left out");
    let bureau = &compared["agencies"][1];
    assert_eq!((&bureau["agency"], &bureau["name"]), (&json!("XF-FL"), &json!("浮梁县信访局")));
    assert_eq!(bureau["clocks"]["broken"], bureau["findings"]["major"], "{bureau}");
    assert_eq!(
        (&compared["from"], &compared["to"], &compared["as_of"]),
        (&json!("2024-01-01"), &json!("2024-12-31"), &json!("2024-12-31T23:59:59+08:00"))
    );
    assert_eq!(compared["counted"]["acts"], json!(6));
    assert!(!compared.to_string().contains(&restricted));

    let before = asked(&served, &["--agencies", "--to", "2024-03-03"]);
    assert_eq!((&before["agencies"], &before["counted"]["acts"]), (&json!([]), &json!(0)));
    let text = served.run(&["figures", "--year", "2024", "--agencies"]);
    let text = String::from_utf8(text.stdout).unwrap();
    assert!(text.contains("机构比较 2024-01-01 至 2024-12-31") && text.contains("浮梁县信访局"), "{text}");

    served.stop();
    let directory = json_of(&figures(&served, &["--json", "--agencies"]));
    for field in ["agencies", "from", "to", "as_of", "rule_set", "counted", "entries", "signatures"] {
        assert_eq!(compared[field], directory[field], "{field}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn agencies_are_compared_for_the_audit_and_the_centers_alone() {
    let served = Served::new();
    let day = |day: &str| Some(day.to_owned());
    let wanted = || CompareAgenciesRequest { from: day("2024-01-01"), to: day("2024-12-31"), as_of: None };
    for agency in ["CT-FL", "PR-FL", "XF-FL", "TC-ZS-XC", "XL-ZS", "ZFW-JDZ"] {
        let status = not_compared(&served, agency, wanted()).await;
        assert_eq!(
            (status.code(), reason(&status).as_str()),
            (Code::PermissionDenied, "READER_NOT_ENTITLED"),
            "{agency}"
        );
    }
    for (malformed, fields) in [
        (CompareAgenciesRequest { from: None, ..wanted() }, vec!["from"]),
        (CompareAgenciesRequest { from: day("2024-02-30"), to: day(""), ..wanted() }, vec!["from", "to"]),
        (CompareAgenciesRequest { from: day("2024-12-31"), to: day("2024-01-01"), ..wanted() }, vec!["to"]),
        (CompareAgenciesRequest { as_of: day("2024"), ..wanted() }, vec!["as_of"]),
    ] {
        let status = not_compared(&served, "AUD-JDZ", malformed).await;
        assert_eq!((status.code(), reason(&status).as_str()), (Code::InvalidArgument, "MALFORMED"), "{fields:?}");
        let violations = status.get_details_bad_request().unwrap().field_violations;
        assert_eq!(violations.iter().map(|violation| violation.field.as_str()).collect::<Vec<_>>(), fields);
    }
}
