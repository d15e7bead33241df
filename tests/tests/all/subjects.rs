//! Persons are known by pseudonyms: the same at every agency, made of a number that is kept nowhere.

use std::{
    io::Write as _,
    path::Path,
    process::{Command, Output, Stdio},
};

use mediation_client::ClientError;
use mediation_proto::mediation::types::v1::{AgencyKind, IdKind};
use serde_json::json;
use tonic::Code;
use tonic_types::StatusExt as _;

use crate::{
    catalogue::canaries::{needles, standing},
    served::{Served, chain_id, event_id, mediation, request},
};

/// A made-up resident's number, but for its check character.
const NUMBER: &str = "11010519491231002X";

/// The same with another check character.
const MISTYPED: &str = "110105194912310021";

/// `mediation subject-ref` with a number on its standard input.
fn subject_ref(arguments: &[&str], directory: &Path, number: &str) -> Output {
    let mut child = Command::new(mediation())
        .arg("subject-ref")
        .args(arguments)
        .arg("--dir")
        .arg(directory)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    writeln!(child.stdin.take().unwrap(), "{number}").unwrap();
    child.wait_with_output().unwrap()
}

fn printed(output: &Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_agency_knows_a_person_by_the_same_pseudonym_and_the_number_is_kept_nowhere() {
    let mut served = Served::new();
    served.stop();
    let log = served.directory.path().join("trace.log");
    served.start_tracing_to(&log);
    let court = served.client("CT-LP", AgencyKind::Court).await;
    let bureau = served.client("XF-FL", AgencyKind::Petition).await;
    let subject = court.subject(IdKind::ResidentId, NUMBER).await.unwrap();
    assert_eq!(bureau.subject(IdKind::ResidentId, " 110105 19491231 ００２x").await.unwrap(), subject);
    assert!(subject.starts_with("psn_") && subject.len() == 36, "{subject}");
    let refused = court.subject(IdKind::ResidentId, MISTYPED).await.unwrap_err().to_string();
    assert!(refused.contains("check character") && !refused.contains("110105"), "{refused}");
    let served_here = subject_ref(&["--ledger", &served.address, "--agency", "ZC-ZS"], &served.path(), NUMBER);
    assert_eq!(printed(&served_here), subject);
    served.stop();
    assert_eq!(printed(&subject_ref(&[], &served.path(), NUMBER)), subject, "the same from the directory");
    let fault = subject_ref(&[], &served.path(), MISTYPED);
    let told = String::from_utf8_lossy(&fault.stderr).into_owned();
    assert!(!fault.status.success() && told.contains("校验码不符") && !told.contains("110105"), "{told}");
    let numbers: Vec<String> = [NUMBER, MISTYPED].into_iter().flat_map(needles).collect();
    assert_eq!(standing(served.directory.path(), &numbers), Vec::<String>::new());
    assert!(served.verify().1);
    let other = Served::new();
    assert_ne!(printed(&subject_ref(&[], &other.path(), NUMBER)), subject, "another ledger knows him otherwise");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agency_that_tries_numbers_is_held_up_and_the_others_are_not() {
    let mut served = Served::new();
    served.stop();
    let file = served.path().join("mediation.toml");
    let configuration = std::fs::read_to_string(&file).unwrap();
    assert!(configuration.contains("subjects_per_minute = 60"), "{configuration}");
    std::fs::write(&file, configuration.replace("subjects_per_minute = 60", "subjects_per_minute = 3")).unwrap();
    served.start();
    let court = served.client("CT-LP", AgencyKind::Court).await;
    for _try in 0..3 {
        court.subject(IdKind::ResidentId, NUMBER).await.unwrap();
    }
    let refused = court.subject(IdKind::ResidentId, NUMBER).await.unwrap_err();
    let ClientError::Status(status) = refused else { panic!("{refused}") };
    assert_eq!(status.code(), Code::ResourceExhausted);
    assert_eq!(status.get_details_error_info().unwrap().reason, "QUOTA_EXCEEDED");
    assert!(status.get_details_localized_message().unwrap().message.contains("每分钟 3 个假名"), "{status:?}");
    served.client("XF-FL", AgencyKind::Petition).await.subject(IdKind::ResidentId, NUMBER).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn without_its_key_a_process_makes_no_pseudonyms_and_serves_everything_else() {
    let mut served = Served::new();
    served.stop();
    std::fs::remove_file(served.path().join("keys/subject.key")).unwrap();
    served.start();
    let bureau = served.client("XF-FL", AgencyKind::Petition).await;
    let refused = bureau.subject(IdKind::ResidentId, NUMBER).await.unwrap_err();
    let ClientError::Status(status) = refused else { panic!("{refused}") };
    assert_eq!(status.get_details_error_info().unwrap().reason, "SUBJECT_KEY_NOT_HELD");
    bureau.registry(None).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_act_with_an_identity_number_or_a_phone_among_its_facts_is_refused_without_telling_it() {
    let served = Served::new();
    let bureau = served.client("XF-FL", AgencyKind::Petition).await;
    let party = |subject: &str| json!([{"subject": subject, "side": "APPLICANT", "capacity": "NATURAL_PERSON", "minor": false}]);
    let base = json!({"channel": "WALK_IN", "division": "360222", "dispute_type": "LEASE", "emergency": false,
        "summary": "排水渠堵塞", "parties": party("psn_1")});
    for (field, value, place) in [
        ("parties", party(NUMBER), "DisputeRegistered.parties.0.subject"),
        ("grid", json!("网格员13812345678"), "DisputeRegistered.grid"),
        ("summary", json!(format!("其身份证号{NUMBER}。")), "DisputeRegistered.summary"),
        (
            "identities",
            json!([{"subject": "psn_1", "name": "甲", "id_kind": "RESIDENT_ID", "id_masked": NUMBER}]),
            "DisputeRegistered.identities.0.id_masked",
        ),
    ] {
        let mut data = base.clone();
        data[field] = value;
        let act = request(&chain_id(), &event_id(), "DisputeRegistered", "XF-FL/REG-1", "REG", data);
        let refused = bureau.record(act).await.unwrap_err();
        let ClientError::Status(status) = refused else { panic!("{refused}") };
        assert_eq!(status.code(), Code::InvalidArgument, "{field}");
        let fields = status.get_details_bad_request().unwrap().field_violations;
        assert_eq!(fields.iter().map(|fault| fault.field.as_str()).collect::<Vec<_>>(), [place]);
        let told = format!("{status:?}");
        assert!(!told.contains(NUMBER) && !told.contains("13812345678"), "{told}");
    }
    let mut data = base;
    data["summary"] = json!("请联系13812345678。");
    data["identities"] = json!([{"subject": "psn_1", "name": "甲", "id_kind": "RESIDENT_ID",
        "id_masked": "1101**********002X", "phone": "13812345678"}]);
    let act = request(&chain_id(), &event_id(), "DisputeRegistered", "XF-FL/REG-1", "REG", data);
    bureau.record(act).await.unwrap();
}
