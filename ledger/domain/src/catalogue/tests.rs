use std::collections::{BTreeMap, BTreeSet};

use mediation_proto::{FILE_DESCRIPTOR_SET, derived::KINDS};
use prost::Message as _;
use prost_types::FileDescriptorSet;

use super::{
    load::{CodeData, ENUMS, EVENTS, EventData, TYPES, TypesData, in_message, load},
    *,
};

#[test]
fn the_embedded_data_fits_the_descriptors() {
    load().unwrap();
}

#[test]
fn every_event_and_field_of_the_data_stands_in_the_descriptors_in_the_same_order() {
    let events: Vec<EventData> = serde_json::from_str(EVENTS).unwrap();
    let names: Vec<&str> = events.iter().map(|event| event.event.as_str()).collect();
    let kinds: Vec<&str> = KINDS.iter().map(|kind| kind.event).collect();
    assert_eq!(names.iter().collect::<BTreeSet<_>>(), kinds.iter().collect::<BTreeSet<_>>());
    assert_eq!(names.len(), kinds.len());
    for data in &events {
        let row = event(&data.event).unwrap();
        let fields: Vec<&str> = data.fields.iter().map(|field| field.name.as_str()).collect();
        let rows: Vec<&str> = row.fields.iter().map(|field| field.name).collect();
        assert_eq!(fields, rows, "{}", data.event);
        assert!(
            row.fields.iter().map(|field| field.number).eq(1..=u32::try_from(rows.len()).unwrap()),
            "{}",
            data.event
        );
    }
}

#[test]
fn every_record_of_the_data_stands_in_the_descriptors_in_the_same_order() {
    let types: TypesData = serde_json::from_str(TYPES).unwrap();
    for (name, data) in &types.records {
        let record = CATALOGUE.records.get(name.as_str()).unwrap_or_else(|| panic!("`{name}` is used by no message"));
        let fields = data.fields.iter().filter(|field| in_message(name, field)).map(|field| field.name.as_str());
        assert!(fields.eq(record.fields.iter().map(|field| field.name)), "{name}");
    }
    assert_eq!(types.records.len(), CATALOGUE.records.len());
}

#[test]
fn code_lists_hold_the_same_codes_in_the_same_order_on_both_sides() {
    let data: BTreeMap<String, Vec<CodeData>> = serde_json::from_str(ENUMS).unwrap();
    let files = FileDescriptorSet::decode(FILE_DESCRIPTOR_SET).unwrap();
    let codes_file = files.file.iter().find(|file| file.name() == "mediation/types/v1/codes.proto").unwrap();
    let mut seen = BTreeSet::new();
    for list in &codes_file.enum_type {
        seen.insert(list.name().to_owned());
        let rows = data.get(list.name()).unwrap_or_else(|| panic!("`{}` has no rows", list.name()));
        let first = list.value.first().unwrap();
        let prefix = first.name().strip_suffix("UNSPECIFIED").unwrap();
        let codes = list.value.iter().skip(1).map(|value| value.name().strip_prefix(prefix).unwrap());
        assert!(codes.eq(rows.iter().map(|row| row.code.as_str())), "{}", list.name());
    }
    let unused: Vec<&String> = data.keys().filter(|name| !seen.contains(*name)).collect();
    assert!(unused.is_empty(), "{unused:?}");
}

#[test]
fn every_code_that_an_act_can_hold_has_a_chinese_title() {
    let enums =
        rows().iter().flat_map(|row| &row.fields).chain(CATALOGUE.records.values().flat_map(|record| &record.fields));
    for field in enums {
        let FieldType::Enum(list) = field.ty else { continue };
        for (number, code) in list.values {
            assert!(zh_of_number(list, *number).is_some_and(|title| !title.is_empty()), "{}.{code}", list.name);
        }
    }
    assert_eq!(zh("Role", "JUDGE"), Some("法官"));
    assert_eq!(zh("Role", "KING"), None);
}

#[test]
fn rows_are_found_by_kind() {
    for (at, kind) in KINDS.iter().enumerate() {
        assert_eq!(index(kind), at);
        assert_eq!(row(kind).event, kind.event);
    }
    let row = event("HandoffProposed").unwrap();
    assert_eq!(row.handoff, Some(HandoffRole::Proposal));
    assert_eq!(row.named("legal_basis").unwrap().missing.as_deref(), Some("F-NO-BASIS"));
    assert_eq!(row.named("request").unwrap().part, PartKind::Narrative);
    assert_eq!(event("PetitionForwarded").unwrap().handoff_mode, Some(HandoffMode::Transfer));
    assert!(event("FollowUpVisited").unwrap().after_closing);
    assert_eq!(header().zh, "行为头(每个行为都有)");
}

#[test]
fn only_state_secrets_are_not_accepted() {
    let refused: Vec<_> = CATALOGUE
        .codes
        .iter()
        .flat_map(|(list, codes)| codes.keys().map(move |code| (list.as_str(), code.as_str())))
        .filter(|(list, code)| !accepted(list, code))
        .collect();
    assert_eq!(refused, [("Sensitivity", "S9")]);
}
