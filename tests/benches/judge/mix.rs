//! Chains to judge: the cases of the repository, and those of a city in a year.

use std::path::Path;

use mediation_city::{City, scale::Scale};
use mediation_domain::{
    case::Case,
    directory::{Agency, Directory},
    history::Recorded,
};
use mediation_proto::{derived::TYPES_AGENCY_KIND, mediation::types::v1::AgencyKind};
use serde_json::Value as Json;

/// The city of a seed, at the scale of this many of a thousand.
pub(crate) fn city(seed: u64, permille: u64) -> City {
    let scale: Scale = format!("{}.{:03}", permille / 1_000, permille % 1_000)
        .parse()
        .unwrap_or_else(|error| panic!("{permille} ‰: {error}"));
    City::new(2024, seed, scale)
}

/// The chains of a year of a city that is one in so many of the whole. Its registry is as large as that of the whole, so
/// that one in as many of its chains is taken: it counts for as much as in the whole year.
pub(crate) fn year(city: &City, one_in: usize) -> Vec<Vec<Recorded>> {
    let (registry, matters): (Vec<_>, Vec<_>) =
        city.stories().map(|story| story.acts).partition(|acts| acts.first().is_some_and(is_registry));
    registry.into_iter().step_by(one_in).chain(matters).collect()
}

/// One chain of so many acts: those of the disputes and other matters of a city as they were recorded one after the
/// other, as if all of it were one dispute. Nobody would record that; it has many of everything that a rule could look
/// for, and every act finds what it refers to.
pub(crate) fn long(city: &City, acts: usize) -> Vec<Recorded> {
    let registries = city.stories().take_while(|story| story.acts.first().is_some_and(is_registry));
    let registries: Vec<[u8; 16]> = registries.map(|story| story.chain).collect();
    let matters = city.acts().filter(|(chain, _)| !registries.contains(chain)).map(|(_, act)| act);
    let chain: Vec<Recorded> =
        matters.zip(0..).take(acts).map(|(act, revision)| Recorded { revision, ..act }).collect();
    assert_eq!(chain.len(), acts, "the city is too small for a chain of so many acts");
    chain
}

fn is_registry(act: &Recorded) -> bool {
    act.act.event().is_some_and(|(kind, _)| kind.family == "registry")
}

/// The histories of the cases.
pub(crate) fn cases() -> Vec<Vec<Recorded>> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("cases");
    let names = ["G01", "G02", "G03", "G05", "G06", "G07", "G09", "G11"];
    let read = |name: &str| {
        let text = std::fs::read_to_string(directory.join(format!("{name}.json")));
        let text = text.unwrap_or_else(|error| panic!("{name}: {error}"));
        let case = Case::parse(&text).unwrap_or_else(|error| panic!("{name}: {error}"));
        case.history(&|step| step.event_id()).unwrap_or_else(|error| panic!("{name}: {error}"))
    };
    names.into_iter().map(read).collect()
}

/// The agencies of the cases.
pub(crate) fn directory() -> Directory {
    let Ok(Json::Array(rows)) = serde_json::from_str(AGENCIES) else { panic!("the agencies are no list") };
    let mut directory = Directory::default();
    for row in &rows {
        let text = |key: &str| row.get(key).and_then(Json::as_str).unwrap_or_default().to_owned();
        let number = TYPES_AGENCY_KIND.number(&text("kind")).unwrap_or_default();
        let kind = AgencyKind::try_from(number).unwrap_or_default();
        directory.insert(text("id"), Agency { kind, name: text("zh"), division: text("division") });
    }
    directory
}

const AGENCIES: &str = include_str!("../../../ledger/domain/data/agencies.json");
