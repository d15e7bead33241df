//! The parties of a dispute, and who acts for them.

use super::chain::{Chain, Kind, bool_of, code_of, kind};

/// One party.
#[derive(Debug, Clone, Copy)]
pub(super) struct Party<'a> {
    pub(super) subject: &'a str,
    pub(super) side: Option<&'static str>,
    pub(super) minor: bool,
    pub(super) guardian: Option<&'a str>,
}

impl Party<'_> {
    /// It is a side of the dispute, not a third party.
    pub(super) fn is_main(&self) -> bool {
        self.side.is_some_and(|side| MAIN_SIDES.contains(&side))
    }

    /// It is one of those for whom elected representatives speak.
    pub(super) fn is_applicant(&self) -> bool {
        self.side == Some(APPLICANT)
    }
}

/// The parties that the acts before a position name.
pub(super) fn parties<'a>(chain: &Chain<'a>, before: usize) -> Vec<Party<'a>> {
    let mut parties: Vec<Party<'a>> = Vec::new();
    for act in chain.before(before).filter(|act| act.is_any(NAMING)) {
        for record in act.records("parties").chain(act.records("party")) {
            let Some(subject) = record.text("subject") else { continue };
            let party = Party {
                subject,
                side: code_of(record, "side"),
                minor: bool_of(record, "minor") == Some(true),
                guardian: record.text("guardian"),
            };
            match parties.iter_mut().find(|known| known.subject == subject) {
                Some(known) => *known = party,
                None => parties.push(party),
            }
        }
    }
    parties
}

/// The main parties that the acts before a position name.
pub(super) fn main_parties<'a>(chain: &Chain<'a>, before: usize) -> Vec<Party<'a>> {
    parties(chain, before).into_iter().filter(Party::is_main).collect()
}

/// The representatives elected before a position.
pub(super) fn representatives<'a>(chain: &Chain<'a>, before: usize) -> Vec<&'a str> {
    chain.before(before).filter(|act| act.is(ELECTED)).flat_map(|act| act.texts("representatives")).collect()
}

/// Codes of the sides that are main parties.
const MAIN_SIDES: &[&str] = &[APPLICANT, "RESPONDENT", "SUSPECT", "VICTIM"];
const APPLICANT: &str = "APPLICANT";
const NAMING: &[Kind] = &[kind("DisputeRegistered"), kind("PartyAdded")];
const ELECTED: Kind = kind("PartyRepresentativeElected");
