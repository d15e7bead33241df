//! The agencies of the city that record: those of the fixture, and made-up ones of the same kind of id where a township
//! or a county has none.

use std::collections::BTreeMap;

use mediation_domain::directory::{Agency, Directory};
use mediation_proto::mediation::types::v1::AgencyKind;
use serde::Deserialize;

/// An agency that founds the city's ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// Id, `CT-ZS`.
    pub id: String,
    /// Kind.
    pub kind: AgencyKind,
    /// Public name, Chinese.
    pub name: String,
    /// Administrative division code.
    pub division: String,
}

/// An administrative division.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Division {
    pub(crate) code: String,
    pub(crate) zh: String,
    kind: String,
    level: String,
}

/// The counties, by code.
pub(crate) const COUNTIES: [(&str, &str); 4] = [("360202", "CJ"), ("360203", "ZS"), ("360222", "FL"), ("360281", "LP")];

/// A zone that has a center of its own: with it there are as many centers as the figures say (P-8).
const ZONE_WITH_CENTER: &str = "360202500";

/// The townships and streets that have a center.
///
/// # Panics
/// The embedded divisions are not of their format.
pub(crate) fn townships() -> Vec<Division> {
    let all: Result<Vec<Division>, _> = serde_json::from_str(include_str!("../../domain/data/divisions.json"));
    let all = all.unwrap_or_else(|error| panic!("the embedded divisions do not load: {error}"));
    let has_center = |division: &Division| division.kind != "ZONE" || division.code == ZONE_WITH_CENTER;
    all.into_iter().filter(|division| division.level == "TOWNSHIP" && has_center(division)).collect()
}

/// All agencies, in the order of their ids.
pub(crate) fn members() -> Vec<Member> {
    let mut members: BTreeMap<String, Member> =
        fixture().into_iter().map(|member| (member.id.clone(), member)).collect();
    for township in townships() {
        for (prefix, kind, title) in OF_TOWNSHIPS {
            complete(&mut members, prefix, *kind, &township.code, &format!("{}{title}", township.zh));
        }
    }
    for (county, letters) in COUNTIES {
        for (prefix, kind, title) in OF_COUNTIES {
            complete(&mut members, prefix, *kind, county, &format!("{}{title}", county_name(letters)));
        }
    }
    members.into_values().collect()
}

/// What the rules need to know of the members.
pub(crate) fn directory(members: &[Member]) -> Directory {
    let mut directory = Directory::default();
    for Member { id, kind, name, division } in members {
        directory.insert(id.clone(), Agency { kind: *kind, name: name.clone(), division: division.clone() });
    }
    directory
}

/// Adds an agency where a division has none of the kind.
fn complete(members: &mut BTreeMap<String, Member>, prefix: &str, kind: AgencyKind, division: &str, name: &str) {
    if members.values().any(|member| member.kind == kind && member.division == division) {
        return;
    }
    let county = COUNTIES.iter().find(|(code, _)| division.starts_with(code)).map_or("JDZ", |(_, letters)| letters);
    let rest = division.get(6..).unwrap_or_default();
    let id = if rest.is_empty() { format!("{prefix}-{county}") } else { format!("{prefix}-{county}-{rest}") };
    members.insert(id.clone(), Member { id, kind, name: name.to_owned(), division: division.to_owned() });
}

fn county_name(letters: &str) -> &'static str {
    match letters {
        "CJ" => "昌江区",
        "ZS" => "珠山区",
        "FL" => "浮梁县",
        _ => "乐平市",
    }
}

/// What every township has.
const OF_TOWNSHIPS: &[(&str, AgencyKind, &str)] = &[
    ("TC", AgencyKind::TownshipCenter, "综治中心"),
    ("TG", AgencyKind::TownshipGovernment, "人民政府（办事处）"),
    ("PMC", AgencyKind::Mediation, "人民调解委员会"),
];

/// What every county has.
const OF_COUNTIES: &[(&str, AgencyKind, &str)] = &[
    ("CT", AgencyKind::Court, "人民法院"),
    ("PR", AgencyKind::Procuratorate, "人民检察院"),
    ("XF", AgencyKind::Petition, "信访局"),
    ("PMC", AgencyKind::Mediation, "人民调解委员会"),
    ("GA", AgencyKind::Police, "公安局"),
    ("GOV", AgencyKind::Government, "人民政府"),
    ("LA", AgencyKind::LegalAid, "法律援助中心"),
    ("GZ", AgencyKind::Notary, "公证处"),
    ("XL", AgencyKind::Psychology, "社会心理服务中心"),
    ("ZJ", AgencyKind::Department, "住房和城乡建设局"),
];

#[derive(Debug, Deserialize)]
struct Row {
    id: String,
    zh: String,
    kind: String,
    division: String,
}

fn fixture() -> Vec<Member> {
    let rows: Result<Vec<Row>, _> = serde_json::from_str(include_str!("../../domain/data/agencies.json"));
    let rows = rows.unwrap_or_else(|error| panic!("the embedded agencies do not load: {error}"));
    let member = |row: Row| {
        let kind = AgencyKind::from_str_name(&format!("AGENCY_KIND_{}", row.kind))?;
        Some(Member { id: row.id, kind, name: row.zh, division: row.division })
    };
    rows.into_iter().filter_map(member).collect()
}
