//! Which agency a matter belongs to (属地管辖): of those of a kind, the one of the smallest division that the matter lies in.
//!
//! ```text
//! 360203006001 village ─ 360203006 township ─ 360203 county ─ 360200 city ─ 360000 province      GB/T 2260 and its extensions
//!                            └ the first of these that an agency of the kind has is its division
//! ```

use mediation_proto::mediation::types::v1::{AgencyKind, Center};

use crate::directory::Directory;

/// The kinds of agency that keep one of the seven centers, by who is named as responsible for it (中心职责).
#[must_use]
pub fn keepers(center: Center) -> &'static [AgencyKind] {
    match center {
        Center::Unspecified => &[],
        Center::Governance => &[AgencyKind::GovernanceCenter, AgencyKind::TownshipCenter, AgencyKind::VillageCenter],
        Center::DisputeMediation => &[AgencyKind::Mediation],
        Center::LitigationService => &[AgencyKind::Court],
        Center::ProcuratorialService => &[AgencyKind::Procuratorate],
        Center::PublicLegalService => &[AgencyKind::Justice, AgencyKind::LegalAid],
        Center::PsychologicalService => &[AgencyKind::Psychology],
        Center::PetitionReception => &[AgencyKind::Petition],
    }
}

/// Whether a text is the code of a division: 6 digits down to the county, 9 to the township, 12 to the village.
#[must_use]
pub fn is_division(text: &str) -> bool {
    matches!(text.len(), 6 | 9 | 12) && text.bytes().all(|digit| digit.is_ascii_digit())
}

/// The agencies of these kinds whose division is the smallest that a division lies in, by id; none when it lies in none of theirs.
#[must_use]
pub fn nearest<'a>(directory: &'a Directory, kinds: &[AgencyKind], division: &str) -> Vec<&'a str> {
    let mut nearest = (0, Vec::new());
    for (id, digits) in covering(directory, kinds, division) {
        if digits > nearest.0 {
            nearest = (digits, Vec::new());
        }
        if digits == nearest.0 {
            nearest.1.push(id);
        }
    }
    nearest.1
}

/// Whether a division lies in that of an agency, which is of one of these kinds.
#[must_use]
pub fn answers_for(directory: &Directory, agency: &str, kinds: &[AgencyKind], division: &str) -> bool {
    covering(directory, kinds, division).any(|(id, _)| id == agency)
}

/// The agencies of these kinds whose division a division lies in, by id, and how many digits the two have in common.
fn covering<'a>(
    directory: &'a Directory,
    kinds: &[AgencyKind],
    division: &str,
) -> impl Iterator<Item = (&'a str, usize)> {
    directory.iter().filter(|(_, agency)| kinds.contains(&agency.kind)).filter_map(move |(id, agency)| {
        let covered = covered(&agency.division);
        (!covered.is_empty() && division.starts_with(covered)).then_some((id, covered.len()))
    })
}

/// The digits that every division under a division begins with: `3602` for the city 360200, `360203` for the county.
/// Codes of nine and twelve digits have no such zeros.
fn covered(division: &str) -> &str {
    let mut covered = division;
    while covered.len() > 2 && division.len() == COUNTY_DIGITS {
        let Some(rest) = covered.strip_suffix("00") else { break };
        covered = rest;
    }
    covered
}

/// Digits of a code of GB/T 2260, from the province down to the county.
const COUNTY_DIGITS: usize = 6;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::directory::Agency;

    fn directory(rows: &[(&str, AgencyKind, &str)]) -> Directory {
        let mut directory = Directory::default();
        for (id, kind, division) in rows {
            directory.insert(*id, Agency { kind: *kind, name: String::new(), division: (*division).to_owned() });
        }
        directory
    }

    #[test]
    fn the_smallest_division_that_a_matter_lies_in_decides() {
        let centers = directory(&[
            ("CITY", AgencyKind::GovernanceCenter, "360200"),
            ("COUNTY", AgencyKind::GovernanceCenter, "360203"),
            ("OTHER", AgencyKind::GovernanceCenter, "360222"),
            ("TOWN", AgencyKind::TownshipCenter, "360203006"),
            ("COURT", AgencyKind::Court, "360203"),
            ("NOWHERE", AgencyKind::GovernanceCenter, ""),
        ]);
        let of = |division| nearest(&centers, keepers(Center::Governance), division);
        assert_eq!(of("360203006001"), ["TOWN"]);
        assert_eq!(of("360203007"), ["COUNTY"]);
        assert_eq!(of("360281"), ["CITY"]);
        assert_eq!(of("360200"), ["CITY"]);
        assert!(of("360100").is_empty() && of("").is_empty());
        assert_eq!(nearest(&centers, keepers(Center::LitigationService), "360203006"), ["COURT"]);
        assert!(nearest(&centers, keepers(Center::Unspecified), "360203").is_empty());
        let answers = |agency| answers_for(&centers, agency, keepers(Center::Governance), "360203006");
        assert!(answers("TOWN") && answers("COUNTY") && answers("CITY"));
        assert!(!answers("OTHER") && !answers("COURT") && !answers("NOWHERE"));
    }

    #[test]
    fn of_several_in_one_division_all_are_named() {
        let courts = directory(&[("B", AgencyKind::Court, "360203"), ("A", AgencyKind::Court, "360203")]);
        assert_eq!(nearest(&courts, keepers(Center::LitigationService), "360203"), ["A", "B"]);
    }
}
