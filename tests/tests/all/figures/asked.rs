//! Figures that a served ledger is asked for.

use mediation_proto::mediation::{
    ledger::v1::{GetFiguresRequest, figures_service_client::FiguresServiceClient},
    types::v1::AgencyKind,
};
use serde_json::{Value, json};
use tonic::{Code, Status};
use tonic_types::StatusExt as _;

use super::{FOUNDING_ACTS, figures, json_of, record};
use crate::served::{Served, chain_id, event_id, request};

/// What `mediation figures` prints of a served ledger.
fn asked(served: &Served, more: &[&str]) -> Value {
    json_of(&served.run(&[&["figures", "--year", "2024", "--json"][..], more].concat()))
}

async fn refused(served: &Served, agency: &str, wanted: GetFiguresRequest) -> Status {
    let mut service = FiguresServiceClient::new(served.connection(Some(agency)).await.channel);
    service.get_figures(wanted).await.unwrap_err()
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
