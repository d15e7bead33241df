//! How many of what there is in a city, at a scale: the integers of the `fixture` columns of the figures.

use std::collections::BTreeMap;

use serde_json::Value as Json;

use crate::scale::Scale;

/// The integers of the acceptance year, by the ids of the figures.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    fixtures: BTreeMap<String, Json>,
    scale: Scale,
}

impl Plan {
    /// # Panics
    /// The embedded table of figures is not of its format.
    pub(crate) fn new(scale: Scale) -> Self {
        let table: Json = serde_json::from_str(include_str!("../../domain/data/kpis.json")).unwrap_or_default();
        let rows = table.get("figures").and_then(Json::as_array).cloned().unwrap_or_default();
        let fixtures: BTreeMap<String, Json> = rows
            .iter()
            .filter_map(|row| Some((row.get("id")?.as_str()?.to_owned(), row.get("fixture")?.clone())))
            .collect();
        assert!(!fixtures.is_empty(), "the table of figures has no fixtures");
        Self { fixtures, scale }
    }

    /// A number that does not depend on the size of the city: centers, posts, grids.
    pub(crate) fn fixed(&self, id: &str, key: &str) -> u64 {
        self.fixtures.get(id).and_then(|fixture| fixture.get(key)).and_then(Json::as_u64).unwrap_or_default()
    }

    /// A number that does.
    pub(crate) fn scaled(&self, id: &str, key: &str) -> u64 {
        self.part(self.fixed(id, key))
    }

    /// One of the items of a figure.
    pub(crate) fn item(&self, id: &str, at: usize) -> u64 {
        let items = self.fixtures.get(id).and_then(|fixture| fixture.get("items"));
        items.and_then(|items| items.get(at)).and_then(Json::as_u64).unwrap_or_default()
    }

    /// One of the items of a figure that depends on the size of the city.
    pub(crate) fn scaled_item(&self, id: &str, at: usize) -> u64 {
        self.part(self.item(id, at))
    }

    /// A number of the city that no figure names.
    pub(crate) fn about(&self, number: u64) -> u64 {
        self.part(number)
    }

    /// What there is at all is there in the smallest city too.
    fn part(&self, number: u64) -> u64 {
        if number == 0 { 0 } else { self.scale.of(number).max(1) }
    }
}
