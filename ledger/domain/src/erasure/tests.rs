use mediation_proto::{fields::kind_of_event, json::act_from_json};
use serde_json::{Value as Json, json};

use super::*;

const CHAIN: &str = "6f1d9c2a-44b0-4e37-9a51-07d3e852c60b";

fn id(number: u8) -> EventId {
    EventId([0, 0, 0, 0, 0, 0, 0x70, 0, 0x80, 0, 0, 0, 0, 0, 0, number])
}

fn reference(number: u8) -> Json {
    json!(id(number).to_string())
}

/// The act at a revision, which has the event id of the same number.
fn act(revision: u8, agency: &str, day: &str, event: &str, data: &Json) -> Recorded {
    let header = json!({"signer": format!("{agency}/HEAD-1"), "signer_role": "HEAD"});
    let kind = kind_of_event(event).unwrap();
    let named = |step: &Json| step.as_str().map(str::to_owned);
    Recorded {
        revision: revision.into(),
        event_id: if event == EXECUTED { EventId([0x80; 16]) } else { id(revision) },
        agency: agency.to_owned(),
        occurred_at: Day::parse(day).unwrap().begin(),
        recorded_at: 0,
        act: act_from_json(kind, header.as_object().unwrap(), data.as_object().unwrap(), &named).unwrap(),
    }
}

fn order(revision: u8, measure: &str, more: &Json) -> Recorded {
    let mut data = json!({"measure": measure, "order_no": "删字1号", "scope": "CHAIN", "basis": "COURT_ORDER",
        "legal_basis": "个人信息保护法第四十七条"});
    for (name, value) in more.as_object().unwrap() {
        data.as_object_mut().unwrap().insert(name.clone(), value.clone());
    }
    act(revision, "ZC-ZS", "2024-05-01", ORDERED, &data)
}

fn countersigned(revision: u8, agency: &str, order: u8) -> Recorded {
    act(revision, agency, "2024-05-02", COUNTERSIGNED, &json!({"order": reference(order)}))
}

fn state(history: &[Recorded]) -> State {
    history.iter().collect::<Erasures>().named(id(5)).unwrap().state()
}

fn place(revision: u8, kind: PartKind, subject: Option<&str>) -> Place<'_> {
    Place { revision: revision.into(), event_id: id(revision), kind, subject }
}

#[test]
fn an_erasure_is_in_force_once_another_agency_countersigned_it() {
    let mut history = vec![order(5, "ERASE", &json!({}))];
    assert_eq!(state(&history), State::Ordered);
    history.push(countersigned(6, "ZC-ZS", 5));
    assert_eq!(state(&history), State::Ordered);
    history.push(countersigned(7, "CT-ZS", 5));
    assert_eq!(state(&history), State::InForce);
    let executed = json!({"scope": "CHAIN", "basis": "COURT_ORDER", "legal_basis": "x", "keys": ["ab"], "order": reference(5),
        "retention_proof": {"kind": "决定书", "digest_algorithm": "SHA_256", "digest": "00", "sensitivity": "S1"}});
    let mut forged = act(8, "ZC-ZS", "2024-05-03", EXECUTED, &executed);
    forged.event_id = id(8);
    history.push(forged);
    assert_eq!(state(&history), State::InForce, "what anybody records is no execution");
    history.push(act(9, "ZC-ZS", "2024-05-03", EXECUTED, &executed));
    assert_eq!(state(&history), State::Executed);
    history.push(order(10, "LIFT", &json!({"lifts": reference(5)})));
    assert_eq!(state(&history), State::Executed);
    let erasures: Erasures = history.iter().collect();
    assert_eq!(erasures.erased_by("ab").map(|order| order.number.as_str()), Some("删字1号"));
    assert_eq!(erasures.erased_by("cd"), None);
}

#[test]
fn a_freeze_holds_at_once_and_until_it_is_lifted() {
    let mut history = vec![order(5, "FREEZE", &json!({}))];
    let frozen =
        |history: &[Recorded], place: &Place<'_>| history.iter().collect::<Erasures>().is_frozen(place).is_some();
    assert!(frozen(&history, &place(1, PartKind::Narrative, None)));
    assert!(frozen(&history, &place(9, PartKind::Identities, Some("P-1"))), "and what comes after it");
    assert!(!frozen(&history, &place(1, PartKind::Act, None)), "facts are never frozen");
    assert!(!frozen(&history, &place(5, PartKind::Narrative, None)), "nor the order itself");
    history.push(order(6, "LIFT", &json!({"lifts": reference(5)})));
    assert!(!frozen(&history, &place(1, PartKind::Narrative, None)));
}

#[test]
fn an_order_reaches_what_it_names_and_what_stood_before_it() {
    let reached = |more: Json, place: &Place<'_>| {
        let erasures: Erasures = [order(5, "ERASE", &more)].iter().collect();
        erasures.reaches(erasures.named(id(5)).unwrap(), place)
    };
    let person = json!({"scope": "SUBJECT", "subject": "P-1"});
    assert!(reached(person.clone(), &place(1, PartKind::Identities, Some("P-1"))));
    assert!(!reached(person.clone(), &place(1, PartKind::Identities, Some("P-2"))));
    assert!(!reached(person.clone(), &place(1, PartKind::Narrative, None)));
    assert!(!reached(person, &place(6, PartKind::Identities, Some("P-1"))));
    let part = json!({"scope": "PART", "steps": [reference(2)], "parts": ["NARRATIVE"]});
    assert!(reached(part.clone(), &place(2, PartKind::Narrative, None)));
    assert!(!reached(part.clone(), &place(2, PartKind::Sealed, None)));
    assert!(!reached(part, &place(1, PartKind::Narrative, None)));
    assert!(reached(json!({}), &place(4, PartKind::Sealed, None)));
    assert!(!reached(json!({}), &place(4, PartKind::Act, None)));
}

#[test]
fn a_hold_hinders_wherever_it_was_placed_until_its_last_day() {
    let held = |chain: &str| {
        let data = json!({"ground": "LITIGATION", "until_on": "2024-06-30", "chains": [chain]});
        act(3, "CT-ZS", "2024-04-01", HELD, &data)
    };
    let history = [order(5, "ERASE", &json!({})), countersigned(6, "CT-ZS", 5)];
    let elsewhere: Erasures = [held(CHAIN)].iter().collect();
    let erasures: Erasures = history.iter().collect();
    let order = erasures.named(id(5)).unwrap();
    let day = |text: &str| Day::parse(text).unwrap();
    let until = day("2024-06-30");
    let hindered = erasures.may_execute(order, CHAIN, elsewhere.holds(), until);
    assert_eq!(hindered, Err(Hindrance::Held { until: Some(until) }));
    assert_eq!(erasures.may_execute(order, CHAIN, elsewhere.holds(), day("2024-07-01")), Ok(()));
    let other: Erasures = [held("another")].iter().collect();
    assert_eq!(erasures.may_execute(order, CHAIN, other.holds(), until), Ok(()));
    let own: Erasures = history.iter().chain([&held("another")]).collect();
    assert!(own.may_execute(order, CHAIN, [], until).is_err(), "a hold on the chain itself holds it");
    let alone: Erasures = history.iter().take(1).collect();
    let order = alone.named(id(5)).unwrap();
    assert_eq!(alone.may_execute(order, CHAIN, [], until), Err(Hindrance::NotCountersigned));
}

#[test]
fn a_retention_period_hinders_but_for_a_court_and_what_was_unlawful() {
    let rejected = act(1, "CT-ZS", "2024-01-02", "FilingRejected", &json!({}));
    let closed = act(2, "CT-ZS", "2024-02-29", CLOSED, &json!({}));
    let erasures: Erasures = [&rejected, &closed].into_iter().collect();
    let day = |text: &str| Day::parse(text).unwrap();
    for basis in [ErasureBasis::RetentionEnded, ErasureBasis::SubjectRequest] {
        let Err(Hindrance::Kept { row, until }) = erasures.may_order(basis, day("2054-02-28")) else {
            panic!("{basis:?}")
        };
        assert_eq!((row.id.as_str(), until), ("RT-2", Some(day("2054-02-28"))));
        assert_eq!(erasures.may_order(basis, day("2054-03-01")), Ok(()));
    }
    for basis in [ErasureBasis::CourtOrder, ErasureBasis::UnlawfulProcessing] {
        assert_eq!(erasures.may_order(basis, day("2024-03-01")), Ok(()));
    }
    let open: Erasures = [&rejected].into_iter().collect();
    let hindered = open.may_order(ErasureBasis::SubjectRequest, day("2099-01-01"));
    assert!(matches!(hindered, Err(Hindrance::Kept { until: None, .. })), "an open chain is kept");
}

#[test]
fn every_period_names_its_source_and_acts_of_the_catalogue() {
    for row in retention() {
        assert!(!row.source.is_empty() && ["law", "web", "memory", "policy"].contains(&row.tag.as_str()), "{}", row.id);
        let known = |event: &String| catalogue::rows().iter().any(|known| known.event == event);
        assert!(row.events.iter().all(known), "{}", row.id);
        let used = |own: &String| catalogue::rows().iter().any(|known| known.visibility_row == *own);
        assert!(row.rows.iter().all(used) && !(row.rows.is_empty() && row.events.is_empty()), "{}", row.id);
    }
}
