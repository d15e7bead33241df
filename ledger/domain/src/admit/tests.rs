use mediation_proto::{
    derived::{TYPES_AGENCY_KIND, TYPES_DOCUMENT},
    fields::kind_of_event,
    json::act_from_json,
    mediation::types::v1::{Cosigner, StepRef},
};
use serde_json::{Value as Json, json};

use super::*;
use crate::{
    case::{
        Case, StepNumber,
        tests::{case, cases},
    },
    catalogue::{FieldRow, FieldType},
    directory::Agency,
    history::{EventId, Recorded},
    limits::{INT_MAX, LIST_LENGTH_MAX, VIOLATIONS_MAX},
};

fn directory() -> Directory {
    let rows: Vec<Json> = serde_json::from_str(include_str!("../../data/agencies.json")).unwrap();
    let mut directory = Directory::default();
    for row in &rows {
        let text = |key: &str| row.get(key).and_then(Json::as_str).unwrap_or_default().to_owned();
        let kind = TYPES_AGENCY_KIND.number(&text("kind")).unwrap();
        let kind = AgencyKind::try_from(kind).unwrap();
        directory.insert(text("id"), Agency { kind, name: text("zh"), division: text("division") });
    }
    directory
}

fn submit(standing: &Standing, directory: &Directory, recorded: &Recorded) -> Result<(), Refusal> {
    let kind = directory.kind(&recorded.agency).unwrap();
    let caller = Caller { agency: recorded.agency.clone(), kind };
    admit(&caller, standing, directory, recorded.occurred_at, &recorded.act)
}

/// The history of a case before a step, folded, and the step with values set, as a mutation would set them.
fn changed(case: &Case, step: u32, sets: &[(&str, Json)]) -> (Standing, Recorded) {
    let edits: Vec<Json> =
        sets.iter().map(|(path, value)| json!({"op": "set", "step": step, "path": path, "value": value})).collect();
    let mutation = json!({"id": "m", "why": "", "edits": edits, "expect_findings": []});
    let changed = case.mutated(&serde_json::from_value(mutation).unwrap()).unwrap();
    let mut history = changed.history(&StepNumber::event_id).unwrap();
    history.truncate(changed.position(step.into()).unwrap() + 1);
    let recorded = history.pop().unwrap();
    (history.iter().collect(), recorded)
}

fn refusal(case: &Case, step: u32, sets: &[(&str, Json)]) -> Option<Refusal> {
    let (standing, recorded) = changed(case, step, sets);
    submit(&standing, &directory(), &recorded).err()
}

fn paths(refusal: &Refusal) -> Vec<&str> {
    refusal.violations.iter().map(|violation| violation.path.as_str()).collect()
}

#[test]
fn every_step_of_every_case_is_admitted_but_those_the_case_says_are_refused() {
    let directory = directory();
    for case in cases() {
        let mutated = case.mutations.iter().map(|mutation| case.mutated(mutation).unwrap());
        for history in std::iter::once(case.clone()).chain(mutated) {
            let mut standing = Standing::default();
            let mut refused = Vec::new();
            for (step, recorded) in history.steps.iter().zip(history.history(&StepNumber::event_id).unwrap()) {
                match submit(&standing, &directory, &recorded) {
                    Ok(()) => standing.apply(&recorded),
                    Err(refusal) => refused.push((step.n, refusal.reason.info().name.to_owned(), refusal.to_string())),
                }
            }
            let expected = history.expect.refusals.iter().map(|refusal| (refusal.step, refusal.reason.clone()));
            let found = refused.iter().map(|(step, reason, _)| (*step, reason.clone()));
            assert!(found.eq(expected), "{}: {refused:?}", history.case);
        }
    }
}

/// One row: what is changed in which step of G01, and the reason. Rows stand in the order of the checks; a row of two
/// faults shows that the earlier check answers.
#[test]
fn checks_answer_in_their_order() {
    let g01 = case("G01");
    let secret = ("data.documents.0.sensitivity", json!("S9"));
    let other_kind = [("agency", json!("PMC-ZS")), ("signer", json!("PMC-ZS/JAST-1"))];
    let [other_agency, its_signer] = other_kind.clone();
    let other_role = ("role", json!("GRID"));
    let other_signer = ("signer", json!("CT-LP/JAST-1"));
    let unknown = ("causes", json!([99]));
    let malformed = ("data.receipt", Json::Null);
    for (step, sets, expected) in [
        (3, vec![], None),
        (3, vec![malformed.clone(), secret.clone()], Some(Reason::Malformed)),
        (3, vec![secret.clone(), other_agency.clone()], Some(Reason::SecretContent)),
        (3, vec![other_agency, its_signer, other_role.clone()], Some(Reason::KindNotAllowed)),
        (3, vec![other_role, other_signer.clone()], Some(Reason::RoleNotAllowed)),
        (3, vec![other_signer, unknown.clone()], Some(Reason::SignerNotOfAgency)),
        (3, vec![("signer", json!("CT-ZS/"))], Some(Reason::SignerNotOfAgency)),
        (3, vec![("signer", json!("CT-ZS-1/JAST-1"))], Some(Reason::SignerNotOfAgency)),
        (3, vec![unknown], Some(Reason::ReferenceUnknown)),
    ] {
        assert_eq!(refusal(&g01, step, &sets).map(|refusal| refusal.reason), expected, "{step} {sets:?}");
    }
}

#[test]
fn an_empty_chain_takes_opening_acts_only() {
    let (_, recorded) = changed(&case("G01"), 3, &[]);
    let refusal = submit(&Standing::default(), &directory(), &recorded).unwrap_err();
    assert_eq!(refusal.reason, Reason::NotAnOpeningAct);
    let (_, opening) = changed(&case("G01"), 1, &[]);
    assert_eq!(submit(&Standing::default(), &directory(), &opening), Ok(()));
}

#[test]
fn a_closed_chain_takes_what_is_allowed_after_closing_only() {
    let history = case("G01").history(&StepNumber::event_id).unwrap();
    let closed: Standing = history.iter().collect();
    assert!(closed.is_closed());
    for (recorded, step) in history.iter().zip(1..) {
        let expected = if matches!(step, 17 | 22 | 23) { None } else { Some(Reason::ChainClosed) };
        assert_eq!(submit(&closed, &directory(), recorded).err().map(|refusal| refusal.reason), expected, "{step}");
    }
}

/// A finding raised by the auditors, as step 2 of G03.
fn finding() -> [(&'static str, Json); 6] {
    [
        ("event", json!("AuditFindingRaised")),
        ("agency", json!("AUD-JDZ")),
        ("role", json!("AUD")),
        ("signer", json!("AUD-JDZ/AUD-1")),
        ("causes", json!([])),
        ("data", json!({"code": "F-OVERDUE", "severity": "MAJOR", "steps": [{"step": 99}]})),
    ]
}

#[test]
fn a_chain_with_an_accusation_takes_those_it_names_and_auditors_only() {
    let (g03, directory) = (case("G03"), directory());
    for (kind, expected) in [("ACCUSATION", Some(Reason::NotAnOpeningAct)), ("CLAIM", None)] {
        let (mut standing, petition) = changed(&g03, 2, &[("data.kind", json!(kind))]);
        assert_eq!(submit(&standing, &directory, &petition), Ok(()));
        standing.apply(&petition);
        let (_, visit) = changed(&case("G01"), 23, &[("causes", json!([1]))]);
        let reason = |standing: &Standing| submit(standing, &directory, &visit).err().map(|refusal| refusal.reason);
        assert_eq!(reason(&standing), expected, "{kind}");
        assert_eq!(submit(&standing, &directory, &changed(&g03, 2, &finding()).1), Ok(()), "{kind}: auditors");
        let (_, forwarded) = changed(&g03, 3, &[("data.target", json!("ZC-ZS"))]);
        standing.apply(&forwarded);
        assert_eq!(reason(&standing), None, "{kind}: called to the chain");
    }
}

#[test]
fn naming_the_accused_does_not_call_him_to_the_chain() {
    let (mut standing, petition) = changed(&case("G03"), 2, &[("data.kind", json!("ACCUSATION"))]);
    standing.apply(&petition);
    let mut finding = finding();
    let [.., (_, data)] = &mut finding;
    data.as_object_mut().unwrap().insert("against".to_owned(), json!("ZC-ZS"));
    standing.apply(&changed(&case("G03"), 2, &finding).1);
    assert!(standing.is_restricted() && standing.takes_part("AUD-JDZ") && !standing.takes_part("ZC-ZS"));
}

#[test]
fn all_unknown_references_are_named_together() {
    let found = refusal(&case("G01"), 5, &[("causes", json!([3, 98])), ("data.filing", json!({"step": 99}))]).unwrap();
    assert_eq!(found.reason, Reason::ReferenceUnknown);
    assert_eq!(paths(&found), ["PreFilingMediationRegistered.filing", "header.causes.1"]);
    let zh = &found.violations.last().unwrap().zh;
    assert!(zh.starts_with("“所答复的行为2”所引用的 "), "{zh}");
}

#[test]
fn acts_that_may_open_a_chain_may_refer_to_acts_of_others_but_not_answer_them() {
    let (g03, directory) = (case("G03"), directory());
    let (empty, none) = (Standing::default(), ("causes", json!([])));
    let (_, repeated) = changed(&g03, 2, &[none, ("data.same_as", json!({"step": 99}))]);
    assert_eq!(submit(&empty, &directory, &repeated), Ok(()));
    assert_eq!(submit(&empty, &directory, &changed(&g03, 2, &finding()).1), Ok(()));
    let (_, caused) = changed(&g03, 2, &[("causes", json!([99]))]);
    let refusal = submit(&empty, &directory, &caused).unwrap_err();
    assert_eq!((refusal.reason, paths(&refusal)), (Reason::ReferenceUnknown, vec!["header.causes.0"]));
}

/// Every field that is required and given in these cases, down into records, is missed when it is not given.
#[test]
fn each_required_field_is_missed() {
    let directory = directory();
    for name in ["G01", "G07", "G11"] {
        let case = case(name);
        for step in &case.steps {
            let number: u32 = step.n.to_string().parse().unwrap();
            let row = catalogue::row(step.kind);
            let mut places = Vec::new();
            required(&row.fields, &Json::Object(step.data.clone()), "", &mut places);
            assert!(!places.is_empty(), "{name} {number}");
            for place in places {
                let (standing, recorded) = changed(&case, number, &[(&format!("data.{place}"), Json::Null)]);
                let found = submit(&standing, &directory, &recorded).unwrap_err();
                let path = format!("{}.{place}", step.kind.event);
                assert_eq!((found.reason, paths(&found)), (Reason::Malformed, vec![path.as_str()]), "{name} {number}");
                assert_eq!(found.violations.first().unwrap().en, "is required");
            }
        }
    }
}

fn required(fields: &'static [FieldRow], data: &Json, above: &str, places: &mut Vec<String>) {
    for field in fields {
        let Some(value) = data.get(field.name) else { continue };
        let place = format!("{above}{}", field.name);
        if field.required {
            places.push(place.clone());
        }
        let record = if let FieldType::Record(info) = field.ty {
            catalogue::record(info)
        } else if let FieldType::Document = field.ty {
            catalogue::record(&TYPES_DOCUMENT)
        } else {
            None
        };
        let Some(record) = record else { continue };
        let Some(elements) = value.as_array() else {
            required(&record.fields, value, &format!("{place}."), places);
            continue;
        };
        for (at, element) in elements.iter().enumerate() {
            required(&record.fields, element, &format!("{place}.{at}."), places);
        }
    }
}

/// What has a finding of its own is recorded without it.
#[test]
fn each_field_whose_absence_is_a_finding_may_be_absent() {
    let mut left_out = 0;
    for case in cases() {
        for step in &case.steps {
            let number: u32 = step.n.to_string().parse().unwrap();
            let given = catalogue::row(step.kind).fields.iter().filter(|field| step.data.contains_key(field.name));
            for field in given.filter(|field| field.missing.is_some()) {
                left_out += 1;
                let found = refusal(&case, number, &[(&format!("data.{}", field.name), Json::Null)]);
                assert_eq!(found, None, "{} {number} {}", case.case, field.name);
            }
        }
    }
    assert!(left_out > 20, "{left_out}");
}

#[test]
fn an_empty_list_is_no_required_list() {
    let found = refusal(&case("G01"), 3, &[("data.documents", json!([]))]).unwrap();
    assert_eq!(paths(&found), ["FilingMaterialReceived.documents"]);
}

#[test]
fn act_and_header_must_be_there() {
    let (standing, recorded) = changed(&case("G01"), 3, &[]);
    let without = |header: bool, family: bool| {
        let mut recorded = recorded.clone();
        recorded.act.header = recorded.act.header.filter(|_| header);
        recorded.act.family = recorded.act.family.filter(|_| family);
        submit(&standing, &directory(), &recorded).unwrap_err()
    };
    assert_eq!(paths(&without(false, true)), ["header"]);
    assert_eq!(paths(&without(true, false)), ["act"]);
    assert_eq!(paths(&without(false, false)), ["act", "header"]);
}

#[test]
fn the_header_is_held_to_its_form() {
    let (standing, recorded) = changed(&case("G01"), 3, &[]);
    let directory = directory();
    let with = |change: &dyn Fn(&mut ActHeader)| {
        let mut recorded = recorded.clone();
        change(recorded.act.header.as_mut().unwrap());
        submit(&standing, &directory, &recorded).err()
    };
    let path = |change: &dyn Fn(&mut ActHeader)| {
        with(change).map(|refusal| paths(&refusal).iter().map(|path| (*path).to_owned()).collect::<Vec<_>>())
    };
    assert_eq!(path(&|header| header.chain_no = None), None);
    assert_eq!(path(&|header| header.signer = None).unwrap(), ["header.signer"]);
    assert_eq!(path(&|header| header.signer = Some("霍砚秋".to_owned())).unwrap(), ["header.signer"]);
    assert_eq!(path(&|header| header.signer_role = None).unwrap(), ["header.signer_role"]);
    assert_eq!(path(&|header| header.signer_role = Some(0)).unwrap(), ["header.signer_role"]);
    assert_eq!(path(&|header| header.signer_role = Some(999)).unwrap(), ["header.signer_role"]);
    assert_eq!(path(&|header| header.causes.push(StepRef::default())).unwrap(), ["header.causes.1"]);
    assert_eq!(path(&|header| header.cosigners.push(Cosigner::default())).unwrap().len(), 3);
    let many =
        |header: &mut ActHeader| header.causes = vec![header.causes.first().unwrap().clone(); LIST_LENGTH_MAX + 1];
    assert_eq!(path(&many).unwrap(), ["header.causes"]);
    let foreign = Cosigner { agency: Some("CT-LP".to_owned()), signer: Some("CT-ZS/HEAD-1".to_owned()), role: Some(1) };
    let refused = with(&|header| header.cosigners.push(foreign.clone())).unwrap();
    assert_eq!(refused.reason, Reason::SignerNotOfAgency);
}

#[test]
fn values_are_held_to_their_bounds() {
    let g01 = case("G01");
    for (step, place, value) in [
        (3, "claim_amount", json!(INT_MAX + 1)),
        (3, "documents.0.digest", json!("00")),
        (3, "documents.0.kind", json!("状".repeat(86))),
        (2, "new_lead", json!("CT-XX")),
        (2, "explanation", json!("字".repeat(2_731))),
        (6, "delivered_on", json!("2024-02-30")),
        (7, "received.1", json!("")),
        (10, "document_signers.0.person", json!("霍砚秋")),
    ] {
        let found = refusal(&g01, step, &[(&format!("data.{place}"), value)]).unwrap();
        let event = g01.steps.iter().find(|candidate| candidate.n == step.into()).unwrap().kind.event;
        assert_eq!((found.reason, paths(&found)), (Reason::Malformed, vec![format!("{event}.{place}").as_str()]));
    }
    assert_eq!(refusal(&g01, 3, &[("data.claim_amount", json!(INT_MAX))]), None);
}

#[test]
fn business_times_lie_within_living_memory_and_terms() {
    let (standing, mut recorded) = changed(&case("G01"), 3, &[]);
    recorded.occurred_at = -100_000_000_000;
    assert_eq!(paths(&submit(&standing, &directory(), &recorded).unwrap_err()), ["occurred_at"]);
}

#[test]
fn all_violations_are_reported_at_once_and_titled_in_chinese() {
    let sets =
        [("data.channel", Json::Null), ("data.parties.0.side", Json::Null), ("data.identities.1.name", json!(" "))];
    let found = refusal(&case("G01"), 1, &sets).unwrap();
    assert_eq!(
        paths(&found),
        ["DisputeRegistered.channel", "DisputeRegistered.parties.0.side", "DisputeRegistered.identities.1.name"]
    );
    let zh: Vec<&str> = found.violations.iter().map(|violation| violation.zh.as_str()).collect();
    assert_eq!(zh, ["“受理渠道”为必填项", "“当事人1·地位”为必填项", "“身份资料2·姓名·名称”为空"]);
    assert_eq!(
        found.to_string(),
        "a field is malformed: `DisputeRegistered.channel` is required, `DisputeRegistered.parties.0.side` is required, \
         `DisputeRegistered.identities.1.name` is empty"
    );
}

#[test]
fn the_number_of_reported_violations_is_bounded() {
    let party = json!({"subject": "x"});
    let found = refusal(&case("G01"), 1, &[("data.parties", json!(vec![party; 200]))]).unwrap();
    assert_eq!(found.violations.len(), VIOLATIONS_MAX);
}

#[test]
fn who_may_act_is_said_in_both_languages() {
    let g01 = case("G01");
    let kind = refusal(&g01, 3, &[("agency", json!("PMC-ZS"))]).unwrap();
    assert_eq!(kind.detail_en, "`FilingMaterialReceived` is recorded by COURT");
    assert_eq!(kind.detail_zh, "“收到起诉材料”由人民法院登记");
    let role = refusal(&g01, 3, &[("role", json!("MED"))]).unwrap();
    assert_eq!(role.detail_en, "`FilingMaterialReceived` is signed by JAST");
    assert!(role.detail_zh.contains("法官助理"), "{}", role.detail_zh);
}

#[test]
fn state_secrets_are_named_by_their_place() {
    let found = refusal(&case("G01"), 3, &[("data.documents.1.sensitivity", json!("S9"))]).unwrap();
    assert_eq!(found.reason, Reason::SecretContent);
    assert_eq!(paths(&found), ["FilingMaterialReceived.documents.1.sensitivity"]);
}

#[test]
fn the_onboarding_opens_the_registry_chain_on_which_the_rest_stands() {
    for chain in REGISTRY_CHAINS {
        let mut standing = Standing::default();
        for (number, (agency, role, event, data)) in (1..).zip(*chain) {
            let recorded = recorded(number, agency, role, event, &serde_json::from_str(data).unwrap());
            let alone = submit(&Standing::default(), &directory(), &recorded).map_err(|refusal| refusal.reason);
            let opens = *event == "AgencyOnboarded";
            assert_eq!(alone, if opens { Ok(()) } else { Err(Reason::NotAnOpeningAct) }, "{event}");
            assert_eq!(submit(&standing, &directory(), &recorded), Ok(()), "{event}");
            standing.apply(&recorded);
        }
    }
}

/// Every act of agencies' registry chains, each on the chain where it stands.
const REGISTRY_CHAINS: &[&[(&str, &str, &str, &str)]] = &[
    &[
        (
            "ZFW-ZS",
            "HEAD",
            "AgencyOnboarded",
            r#"{"subject": "ZFW-ZS", "name": "x", "kind": "POLITICAL_LEGAL_COMMITTEE", "level": "COUNTY",
                "division": "360203", "credit_code": "x", "certificate_sha256": "x", "centers": ["GOVERNANCE"]}"#,
        ),
        (
            "ZFW-ZS",
            "ADM",
            "GridAdjusted",
            r#"{"division": "360203", "grids_before": 1, "grids_after": 2, "boundary_version": "1"}"#,
        ),
        ("ZFW-ZS", "HEAD", "HonourAwarded", r#"{"title": "平安建设先进市", "year": 2024}"#),
        ("ZFW-ZS", "ADM", "GridItemListed", r#"{"code": "1", "name": "x", "department": "x", "version": "1"}"#),
        ("ZFW-ZS", "ADM", "GridItemDelisted", r#"{"code": "1", "version": "2"}"#),
        ("ZFW-ZS", "ADM", "SpecialCommissionerPosted", COMMISSIONER),
    ],
    &[
        (
            "ZFW-ZS",
            "HEAD",
            "AgencyOnboarded",
            r#"{"subject": "ZC-ZS", "name": "x", "kind": "GOVERNANCE_CENTER", "level": "COUNTY",
                "division": "360203", "credit_code": "x", "certificate_sha256": "x", "centers": ["GOVERNANCE"]}"#,
        ),
        (
            "ZFW-ZS",
            "ADM",
            "GradeAssessed",
            r#"{"subject": "ZC-ZS", "level": "COUNTY", "hardware": 1, "mechanism": 1, "results": 1, "year": 2024}"#,
        ),
        (
            "ZFW-ZS",
            "ADM",
            "GradeAwarded",
            r#"{"subject": "ZC-ZS", "level": "COUNTY", "grade": "GRADE_1", "valid_until": "2026-12-31"}"#,
        ),
        (
            "ZFW-ZS",
            "HEAD",
            "GradeRevoked",
            r#"{"subject": "ZC-ZS", "award": {"event_id": "00000000-0000-7000-8000-000000000003"}, "ground": "FALSE_DATA"}"#,
        ),
        (
            "ZC-ZS",
            "DIR",
            "ResidencyScheduled",
            r#"{"subject": "CT-ZS", "mode": "RESIDENT", "from_on": "2024-01-01", "to_on": "2024-12-31"}"#,
        ),
    ],
    &[
        (
            "ZFW-ZS",
            "HEAD",
            "AgencyOnboarded",
            r#"{"subject": "PMC-ZS", "name": "x", "kind": "MEDIATION", "level": "COUNTY",
                "division": "360203", "credit_code": "x", "certificate_sha256": "x", "centers": ["DISPUTE_MEDIATION"]}"#,
        ),
        ("PMC-ZS", "CHAIR", "StudioRegistered", r#"{"name": "x", "mediator": "PMC-ZS/M-001"}"#),
        ("PMC-ZS", "CHAIR", "SpecialisedCenterRegistered", r#"{"name": "x", "field": "TRAFFIC"}"#),
        ("PMC-ZS", "CHAIR", "SpecialCommissionerPosted", COMMISSIONER),
    ],
    &[
        (
            "ZFW-ZS",
            "HEAD",
            "AgencyOnboarded",
            r#"{"subject": "TC-ZS-XC", "name": "x", "kind": "TOWNSHIP_CENTER", "level": "TOWNSHIP",
                "division": "360203001", "credit_code": "x", "certificate_sha256": "x", "centers": ["GOVERNANCE"]}"#,
        ),
        ("TC-ZS-XC", "TCOM", "PartyBranchEstablished", r#"{"grid": "1", "unit": "BRANCH"}"#),
    ],
];

const COMMISSIONER: &str =
    r#"{"person": "ZFW-ZS/SPC-1", "township": "360203001", "from_on": "2024-01-01", "to_on": "2025-12-31"}"#;

fn recorded(number: u8, agency: &str, role: &str, event: &str, data: &Json) -> Recorded {
    let header = json!({"signer": format!("{agency}/{role}-1"), "signer_role": role});
    let kind = kind_of_event(event).unwrap();
    let fields = |json: &Json| json.as_object().unwrap().clone();
    let act = act_from_json(kind, &fields(&header), &fields(data), &|id| {
        id.get("event_id").and_then(Json::as_str).or(id.as_str()).map(str::to_owned)
    });
    let mut id = EventId::parse("00000000-0000-7000-8000-000000000000").unwrap();
    id.0[15] = number;
    Recorded {
        revision: u64::from(number) - 1,
        event_id: id,
        agency: agency.to_owned(),
        occurred_at: 1_709_514_720,
        recorded_at: 1_709_514_720_000,
        act: act.unwrap(),
    }
}

/// A report of a breach that agrees with itself, with values set.
fn breach(number: u8, agency: &str, sets: &[(&str, Json)]) -> Recorded {
    let mut data = json!({"incident": ["LEAK"], "discovered_on": "2024-03-01", "data_kinds": ["CONTACT"],
        "persons_affected": 3, "authority_notified_on": "2024-03-01", "cause": "x", "possible_harm": "x", "measures": "x"});
    for (field, value) in sets {
        data.as_object_mut().unwrap().insert((*field).to_owned(), value.clone());
    }
    recorded(number, agency, "HEAD", "BreachReported", &data)
}

#[test]
fn days_of_a_breach_that_cannot_be_are_refused_by_their_fields() {
    let refused = |sets: &[(&str, Json)]| {
        let refusal = submit(&Standing::default(), &directory(), &breach(1, "ZC-ZS", sets)).err()?;
        assert_eq!(refusal.reason, Reason::Malformed);
        Some(paths(&refusal).join(" "))
    };
    // The act is of 2024-03-04.
    assert_eq!(refused(&[]), None);
    assert_eq!(refused(&[("persons_notified_on", json!("2024-03-04"))]), None, "the same day");
    for (sets, expected) in [
        (vec![("authority_notified_on", json!("2024-02-29"))], "BreachReported.authority_notified_on"),
        (vec![("persons_notified_on", json!("2024-02-29"))], "BreachReported.persons_notified_on"),
        (vec![("persons_notified_on", json!("2024-03-05"))], "BreachReported.persons_notified_on"),
        (
            vec![("discovered_on", json!("2024-03-05"))],
            "BreachReported.discovered_on BreachReported.authority_notified_on",
        ),
        (vec![("harm_avoided", json!(true))], "BreachReported.no_notice_reason"),
        (vec![("harm_avoided", json!(true)), ("no_notice_reason", json!(" "))], "BreachReported.no_notice_reason"),
    ] {
        assert_eq!(refused(&sets).as_deref(), Some(expected), "{sets:?}");
    }
    assert_eq!(refused(&[("harm_avoided", json!(true)), ("no_notice_reason", json!("已加密"))]), None);
    assert_eq!(refused(&[("harm_avoided", json!(true)), ("persons_notified_on", json!("2024-03-02"))]), None);
}

#[test]
fn what_is_wrong_with_a_breach_is_said_in_both_languages() {
    let wrong = breach(1, "ZC-ZS", &[("authority_notified_on", json!("2024-02-29")), ("harm_avoided", json!(true))]);
    let refusal = submit(&Standing::default(), &directory(), &wrong).unwrap_err();
    let said: Vec<(&str, &str)> =
        refusal.violations.iter().map(|violation| (violation.en.as_str(), violation.zh.as_str())).collect();
    assert_eq!(
        said,
        [
            (
                "is 2024-02-29, before the discovery (2024-03-01)",
                "“通知主管部门日期”为 2024-02-29，早于发现日期 2024-03-01"
            ),
            (
                "is required when measures avoid the harm and persons are not told (PIPL 57, paragraph 2)",
                "“不通知个人的理由”为必填项：措施能够有效避免危害而不通知个人的，须说明理由（个人信息保护法第五十七条第二款）"
            ),
        ]
    );
}

#[test]
fn a_report_of_a_breach_completes_one_of_the_same_agency_on_the_chain() {
    let first = breach(1, "ZC-ZS", &[]);
    let standing: Standing = [&first].into_iter().collect();
    let later = |agency: &str, earlier: &EventId| {
        let report = breach(2, agency, &[("earlier", json!({"event_id": earlier.to_string()}))]);
        move |standing: &Standing| {
            let refusal = submit(standing, &directory(), &report).err()?;
            Some((refusal.reason, paths(&refusal).join(" ")))
        }
    };
    let refused = Some((Reason::ReferenceUnknown, "BreachReported.earlier".to_owned()));
    assert_eq!(later("ZC-ZS", &first.event_id)(&standing), None);
    assert_eq!(later("CT-ZS", &first.event_id)(&standing), refused, "of another agency");
    assert_eq!(later("ZC-ZS", &first.event_id)(&Standing::default()), refused, "on another chain");
    let (others, _) = changed(&case("G01"), 3, &[]);
    let dispute = StepNumber::from(1).event_id();
    assert!(others.holds(dispute));
    assert_eq!(later("ZC-ZS", &dispute)(&others), refused, "no report of a breach");
}
