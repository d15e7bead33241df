//! Signers and their appointments (I-21).

use mediation_proto::mediation::types::v1::Role;

use super::{
    directory,
    table::{findings_of, judged, judged_among},
};
use crate::{
    calendar::Day,
    directory::{Appointment, Directory, Dismissal},
};

const ACTS: &str = r#"
    2024-03-01 CT-LP JAST FilingMaterialReceived {"@signer": "CT-LP/JAST-1"}
    2024-03-04 CT-LP JAST FilingMaterialReceived {"@signer": "CT-LP/JAST-1"}
    2024-03-05 CT-LP JAST FilingMaterialReceived {"@signer": "CT-LP/JAST-2"}
    2024-03-06 CT-LP JUDGE FilingRejected {"@signer": "CT-LP/JAST-1", "appeal_told": true}
    2024-03-07 PMC-LP MED MediationApplied {"kind": "PEOPLE", "applicants": ["a"]}
    2024-03-15 CT-LP JAST FilingMaterialReceived {"@signer": "CT-LP/JAST-1"}
    2024-03-18 CT-LP JAST FilingMaterialReceived {"@signer": "CT-LP/JAST-1"}
"#;

fn day(text: &str) -> Day {
    Day::parse(text).unwrap()
}

fn appointed(from: &str, to: Option<&str>) -> Appointment {
    Appointment {
        signer: "CT-LP/JAST-1".to_owned(),
        roles: vec![Role::Jast],
        from: day(from),
        to: to.map(day),
        occurred_at: day(from).begin(),
    }
}

fn dismissed(last: &str, on: &str) -> Dismissal {
    Dismissal { signer: "CT-LP/JAST-1".to_owned(), roles: Vec::new(), last: day(last), occurred_at: day(on).begin() }
}

fn found(directory: &Directory, as_of: &str) -> Vec<String> {
    findings_of(&judged_among(directory, as_of, ACTS), "F-SIGNER-INVALID")
}

#[test]
fn without_appointments_no_signer_is_judged() {
    assert!(findings_of(&judged("2024-03-31", ACTS), "F-SIGNER-INVALID").is_empty());
}

#[test]
fn an_agency_that_appoints_is_judged_from_its_first_appointment_on() {
    let mut directory = directory();
    directory.appoint("CT-LP", appointed("2024-03-04", Some("2024-03-15")));
    let expected = ["F-SIGNER-INVALID 3 CT-LP C", "F-SIGNER-INVALID 4 CT-LP C", "F-SIGNER-INVALID 7 CT-LP C"];
    assert_eq!(found(&directory, "2024-03-31"), expected, "another person, another role, after the last day");
}

#[test]
fn a_dismissal_is_known_from_when_it_is_recorded_and_a_new_appointment_counts_again() {
    let mut directory = directory();
    directory.appoint("CT-LP", appointed("2024-03-06", None));
    directory.dismiss("CT-LP", dismissed("2024-03-14", "2024-03-20"));
    assert_eq!(found(&directory, "2024-03-19"), ["F-SIGNER-INVALID 4 CT-LP C"]);
    let expected = ["F-SIGNER-INVALID 4 CT-LP C", "F-SIGNER-INVALID 6 CT-LP C", "F-SIGNER-INVALID 7 CT-LP C"];
    assert_eq!(found(&directory, "2024-03-20"), expected);
    directory.appoint("CT-LP", appointed("2024-03-18", None));
    assert_eq!(found(&directory, "2024-03-20"), expected[..2]);
}

#[test]
fn the_agencys_own_system_needs_no_appointment() {
    let mut directory = directory();
    directory.appoint("CT-LP", appointed("2024-03-01", None));
    let acts = r#"2024-03-04 CT-LP SYS SignerAppointed {"agency": "CT-LP", "signer": "CT-LP/JAST-2", "roles": ["JAST"], "valid_from": "2024-03-04"}
        2024-03-05 CT-LP HEAD SignerDismissed {"agency": "CT-LP", "signer": "CT-LP/JAST-2", "valid_to": "2024-03-05"}"#;
    let judgement = judged_among(&directory, "2024-03-31", acts);
    assert_eq!(findings_of(&judgement, "F-SIGNER-INVALID"), ["F-SIGNER-INVALID 2 CT-LP C"]);
}
