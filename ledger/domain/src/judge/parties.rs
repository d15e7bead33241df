//! The parties of a dispute, and who acts for them.

use std::collections::BTreeMap;

use super::chain::{Chain, Kind, bool_of, code_of, kind};

/// One party.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Party<'a> {
    pub(crate) subject: &'a str,
    pub(crate) side: Option<&'static str>,
    pub(super) minor: bool,
    pub(crate) guardian: Option<&'a str>,
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

/// What the acts of a chain say of its parties, in the order of the acts.
#[derive(Debug, Default)]
pub(super) struct Roster<'a> {
    entries: Vec<Entry<'a>>,
}

/// What one act says of a party. A later entry replaces an earlier one of the same party.
#[derive(Debug)]
struct Entry<'a> {
    /// Position of the act.
    at: usize,
    /// Place of the party among all, by the order of their first entries.
    place: usize,
    party: Party<'a>,
}

impl<'a> Roster<'a> {
    pub(super) fn of(chain: &Chain<'a>) -> Self {
        let mut entries = Vec::new();
        let mut places = BTreeMap::new();
        for act in chain.of_any(NAMING) {
            for record in act.records("parties").chain(act.records("party")) {
                let Some(subject) = record.text("subject") else { continue };
                let party = Party {
                    subject,
                    side: code_of(record, "side"),
                    minor: bool_of(record, "minor") == Some(true),
                    guardian: record.text("guardian"),
                };
                let next = places.len();
                entries.push(Entry { at: act.at, place: *places.entry(subject).or_insert(next), party });
            }
        }
        Self { entries }
    }

    fn before(&self, at: usize) -> Vec<Party<'a>> {
        let mut parties: Vec<Party<'a>> = Vec::new();
        for entry in self.entries.iter().take_while(|entry| entry.at < at) {
            match parties.get_mut(entry.place) {
                Some(known) => *known = entry.party,
                None => parties.push(entry.party),
            }
        }
        parties
    }
}

/// The parties that the acts before a position name.
pub(crate) fn parties<'a>(chain: &Chain<'a>, before: usize) -> Vec<Party<'a>> {
    chain.roster().before(before)
}

/// The main parties that the acts before a position name.
pub(super) fn main_parties<'a>(chain: &Chain<'a>, before: usize) -> Vec<Party<'a>> {
    parties(chain, before).into_iter().filter(Party::is_main).collect()
}

/// The representatives elected before a position.
pub(super) fn representatives<'a>(chain: &Chain<'a>, before: usize) -> Vec<&'a str> {
    chain.of_before(ELECTED, before).flat_map(|act| act.texts("representatives")).collect()
}

/// Codes of the sides that are main parties.
const MAIN_SIDES: &[&str] = &[APPLICANT, "RESPONDENT", "SUSPECT", "VICTIM"];
const APPLICANT: &str = "APPLICANT";
const NAMING: &[Kind] = &[kind("DisputeRegistered"), kind("PartyAdded")];
const ELECTED: Kind = kind("PartyRepresentativeElected");
