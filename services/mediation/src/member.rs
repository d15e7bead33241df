//! The agencies that found a ledger.

use anyhow::{Context as _, Result, bail};
use mediation_domain::catalogue;
use mediation_proto::mediation::types::v1::AgencyKind;
use serde::Deserialize;

/// The agencies of the fixture city.
const FIXTURE: &str = include_str!("../../../ledger/domain/data/agencies.json");

/// An agency that founds a ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Member {
    /// Id, such as `CT-ZS`.
    pub(crate) id: String,
    /// Public name.
    pub(crate) name: String,
    /// Kind.
    pub(crate) kind: AgencyKind,
    /// Administrative division code.
    pub(crate) division: String,
}

/// A row of an agencies file; further columns are other components'.
#[derive(Debug, Deserialize)]
struct Row {
    id: String,
    zh: String,
    kind: String,
    #[serde(default)]
    division: String,
}

/// The agencies of the fixture city.
pub(crate) fn fixture() -> Result<Vec<Member>> {
    read(FIXTURE)
}

/// Reads an agencies file: a JSON array of objects with `id`, `zh`, `kind` and `division`.
pub(crate) fn read(text: &str) -> Result<Vec<Member>> {
    let rows: Vec<Row> = serde_json::from_str(text).context("not an agencies file")?;
    let members = rows.into_iter().map(member).collect::<Result<Vec<_>>>()?;
    if members.is_empty() {
        bail!("the agencies file names no agency");
    }
    Ok(members)
}

/// Kind of an agency whose id begins as the ids of that kind do (`CT-…` is a court).
pub(crate) fn kind_of_id(id: &str) -> Result<AgencyKind> {
    let prefix = id.split('-').next().unwrap_or(id);
    let code = catalogue::agency_kind_of_prefix(prefix)
        .with_context(|| format!("agency `{id}` is not known, and its id does not tell its kind"))?;
    AgencyKind::from_str_name(&format!("AGENCY_KIND_{code}"))
        .context("the catalogue and the messages name the same kinds")
}

/// Whether a text may be an agency's id, which names directories and stands in certificates.
pub(crate) fn is_agency_id(id: &str) -> bool {
    let plain = |letter: char| letter.is_ascii_uppercase() || letter.is_ascii_digit() || letter == '-';
    !id.is_empty() && id.len() <= 32 && id.chars().all(plain)
}

fn member(row: Row) -> Result<Member> {
    if !is_agency_id(&row.id) {
        bail!("`{}` is no agency id: capital letters, digits and hyphens, at most 32", row.id);
    }
    let kind = AgencyKind::from_str_name(&format!("AGENCY_KIND_{}", row.kind))
        .with_context(|| format!("agency `{}`: `{}` is no kind of agency", row.id, row.kind))?;
    Ok(Member { id: row.id, name: row.zh, kind, division: row.division })
}
