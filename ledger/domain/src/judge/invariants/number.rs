//! The invariant about numbers of cases (案号) and files (文号).

use std::collections::BTreeSet;

use mediation_proto::{fields::Fields, mediation::types::v1::AgencyKind};

use crate::{
    calendar::Day,
    judge::{
        Matter,
        chain::{Act, Chain, Kind, kind},
        findings::Draft,
        surroundings::NumberKey,
    },
};

/// I-37: a number is malformed, of another court or year, or given twice.
pub(super) fn bad_number<'a>(matter: &Matter<'a>, drafts: &mut Vec<Draft<'a>>) {
    let chain = &matter.chain;
    let mut given = BTreeSet::new();
    for act in chain.acts() {
        let Some(number) = number(act) else { continue };
        let mut reasons = Vec::new();
        if act.is_any(COURT) {
            reasons.extend(court_faults(chain, act, number));
        }
        if let Some(year) = unique_within(act.kind, act.day) {
            let is_first = given.insert((act.kind, act.agency, year, number));
            let key = || key(act.kind, act.agency, act.day, act.fields);
            if !is_first || matter.around.is_taken(act, key, matter.moment) {
                reasons.push("DUPLICATE");
            }
        }
        if !reasons.is_empty() {
            drafts.push(Draft::at(act).reasons(reasons));
        }
    }
}

/// The number that an act gives or carries.
fn number<'a>(act: &Act<'a>) -> Option<&'a str> {
    if !act.is_any(COURT) && !act.is_any(OTHERS) {
        return None;
    }
    number_in(act.fields)
}

fn number_in(fields: &dyn Fields) -> Option<&str> {
    ["case_number", "number", "file_number"].iter().find_map(|field| fields.text(field))
}

/// What must be the number of one procedure only: the number that an act gives by which a procedure opens.
pub(in crate::judge) fn key(kind: Kind, agency: &str, day: Day, fields: &dyn Fields) -> Option<NumberKey> {
    let year = unique_within(kind, day)?;
    Some(NumberKey { kind, agency: agency.to_owned(), year, number: number_in(fields)?.to_owned() })
}

/// Within which year the number that an act gives must be unique, when it must. One of a court names its year itself.
fn unique_within(kind: Kind, day: Day) -> Option<Option<i64>> {
    match kind {
        _ if OPENING.contains(&kind) => Some(None),
        _ if OTHERS.contains(&kind) => Some(Some(day.year())),
        _ => None,
    }
}

fn court_faults(chain: &Chain<'_>, act: &Act<'_>, number: &str) -> Vec<&'static str> {
    let Some((year, rest)) = year(number) else { return vec!["FORM"] };
    let Some((court, kind)) = court_and_kind(rest) else { return vec!["FORM"] };
    let stated = act.code("number_type").and_then(|code| KINDS.iter().find(|row| row.0 == code));
    let mut faults = Vec::new();
    if stated.map(|row| row.1) != Some(kind) && !KINDS.iter().any(|row| row.1 == kind && row.0 != OBSOLETE) {
        faults.push("FORM");
    }
    let own = chain.directory().agency(act.agency).filter(|agency| agency.kind == AgencyKind::Court);
    if own.is_some_and(|own| court_code(&own.division).is_some_and(|code| code != court)) {
        faults.push("COURT");
    }
    let occurred = act.day.year();
    if (act.is_any(OPENING) && year != occurred) || year > occurred {
        faults.push("YEAR");
    }
    faults
}

/// Splits `(2024)赣0203民特41号` into its year and the rest.
fn year(number: &str) -> Option<(i64, &str)> {
    let (year, rest) = number.strip_prefix('(')?.split_once(')')?;
    let plain = year.len() == 4 && year.bytes().all(|digit| digit.is_ascii_digit());
    Some((year.parse().ok().filter(|_| plain)?, rest))
}

/// Splits `赣0203民特41号` into the code of the court and the type; the serial stands between the type and 号.
fn court_and_kind(text: &str) -> Option<(&str, &str)> {
    let body = text.strip_suffix('号')?;
    let kind_and_court = body.trim_end_matches(|letter: char| letter.is_ascii_digit());
    let serial = body.get(kind_and_court.len()..)?;
    let province = kind_and_court.chars().next()?.len_utf8();
    let after_province = kind_and_court.get(province..)?;
    let kind = after_province.trim_start_matches(|letter: char| letter.is_ascii_digit());
    let court = kind_and_court.get(..kind_and_court.len() - kind.len())?;
    let formed = !serial.is_empty() && !serial.starts_with('0') && !kind.is_empty() && court.len() > province;
    formed.then_some((court, kind))
}

/// Code of the court of a division (法院代字): the province's letter and the digits after the province, without a
/// trailing `00`. None for a province whose letter is not known here.
fn court_code(division: &str) -> Option<String> {
    let digits = division.strip_prefix("36")?.get(..4)?;
    Some(format!("赣{}", digits.strip_suffix("00").unwrap_or(digits)))
}

/// Codes of `CaseNumberType` and what they are in a number.
pub(super) const KINDS: &[(&str, &str)] = &[
    ("MIN_CHU", "民初"),
    ("MIN_ZHONG", "民终"),
    ("MIN_SHEN", "民申"),
    ("MIN_ZAI", "民再"),
    ("MIN_TE", "民特"),
    ("ZHI", "执"),
    ("ZHI_HUI", "执恢"),
    ("ZHI_BAO", "执保"),
    ("XING_CHU_ADMIN", "行初"),
    ("XING_CHU_CRIMINAL", "刑初"),
    ("MIN_SU_QIAN_TIAO", "民诉前调"),
    ("SU_QIAN_TIAO_QUE", "诉前调确"),
    (OBSOLETE, "调确"),
];

/// The number of 2011, good only where the act says that it is one.
const OBSOLETE: &str = "TIAO_QUE";

/// Acts of courts that open a procedure and give its number.
const OPENING: &[Kind] = &[
    kind("CaseFiled"),
    kind("PreFilingMediationRegistered"),
    kind("JudicialConfirmationAccepted"),
    kind("EnforcementFiled"),
];
/// Acts that carry a number of a court.
const COURT: &[Kind] = &[
    kind("CaseFiled"),
    kind("PreFilingMediationRegistered"),
    kind("JudicialConfirmationAccepted"),
    kind("EnforcementFiled"),
    kind("RetrialRejected"),
    kind("RetrialOrdered"),
    kind("JudgmentRendered"),
];
/// Acts of other agencies that give a number.
const OTHERS: &[Kind] = &[
    kind("MediationAccepted"),
    kind("SupervisionAccepted"),
    kind("PublicSecurityCaseAccepted"),
    kind("CriminalCaseOpened"),
    kind("LaborInspectionOpened"),
    kind("ArbitrationAccepted"),
    kind("ReconsiderationAccepted"),
    kind("AdjudicationAccepted"),
    kind("SupportForProsecutionIssued"),
];
