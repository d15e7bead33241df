//! The parties of a chain as readers: whose side an act is about.

use std::collections::BTreeSet;

use mediation_proto::fields::Fields;

use super::super::Row;
use crate::{
    catalogue::{self, FieldType},
    judge::{
        chain::{Act, Chain, Kind, bool_of, kind, texts},
        parties::{Party, parties},
    },
};

/// The parties of a chain.
#[derive(Debug)]
pub(super) struct People<'a> {
    known: Vec<Party<'a>>,
    /// Who petitions, registered as a party or not.
    petitioners: Vec<&'a str>,
    /// Representatives, also those who were released.
    ever_elected: Vec<&'a str>,
    /// Representatives who were elected and not released.
    elected: Vec<&'a str>,
    /// Who was ever said to be a minor, in the order in which the chain names them.
    minors: Vec<&'a str>,
    minor: bool,
}

impl<'a> People<'a> {
    pub(super) fn of(chain: &Chain<'a>) -> Self {
        let known = parties(chain, chain.all().len());
        let petitioners = chain.of(PETITION).flat_map(|act| act.texts("petitioners")).collect();
        let ever_elected = chain.of(ELECTED).flat_map(|act| act.texts("representatives")).collect();
        let mut elected = Vec::new();
        for act in chain.of(ELECTED) {
            elected.extend(act.texts("representatives"));
            let released: Vec<&str> = act.texts("released").collect();
            elected.retain(|representative| !released.contains(representative));
        }
        // Whatever was corrected since: once a minor was named, the chain is treated as that of one.
        let named = |act: &Act<'a>| act.records("parties").chain(act.records("party")).collect::<Vec<_>>();
        let is_minor = |party: &&'a dyn Fields| bool_of(*party, "minor") == Some(true);
        let said: Vec<&'a dyn Fields> = chain.all().iter().flat_map(named).filter(is_minor).collect();
        let mut minors: Vec<&str> = Vec::new();
        for subject in said.iter().filter_map(|party| party.text("subject")) {
            if !minors.contains(&subject) {
                minors.push(subject);
            }
        }
        Self { known, petitioners, ever_elected, elected, minors, minor: !said.is_empty() }
    }

    /// Whether a party is, or was said to be, a minor.
    pub(super) fn has_minor(&self) -> bool {
        self.minor
    }

    /// Place of somebody among the minors, from 0.
    pub(super) fn minor_place(&self, subject: &str) -> Option<usize> {
        self.minors.iter().position(|minor| *minor == subject)
    }

    /// Whether somebody is a party, acts for one by law, or was elected to represent the applicants.
    pub(super) fn knows(&self, reader: &str) -> bool {
        self.own(reader).next().is_some() || self.speaks_for_applicants(reader)
    }

    /// Whether a subject is the reader, or one for whom he acts by law.
    pub(super) fn is_own(&self, reader: &str, subject: &str) -> bool {
        self.own(reader).any(|own| own == subject)
    }

    /// Whether an act of a row is for a party to read: it names somebody of his side, or nobody and is about no person (M-5).
    /// Of what is about a person and names none, whom the acts name that it follows from.
    pub(super) fn is_of_side(&self, reader: &str, chain: &Chain<'a>, act: &Act<'a>, row: Row) -> bool {
        if parties_named(act).is_empty() && !PERSONAL.contains(&row) {
            return true;
        }
        // Each act once: what follows from two acts that follow from one would otherwise be looked at again and again.
        let mut open = BTreeSet::from([act.at]);
        while let Some(act) = open.pop_last().and_then(|at| chain.get(at)) {
            let named = parties_named(act);
            if named.is_empty() {
                open.extend(chain.names(act));
            } else if named.into_iter().any(|person| self.is_sided(reader, person)) {
                return true;
            }
        }
        false
    }

    fn is_sided(&self, reader: &str, person: &str) -> bool {
        let side = self.side(person).filter(|side| *side != THIRD_PARTY);
        person == reader
            || self.is_own(reader, person)
            || (side == Some(APPLICANT) && self.speaks_for_applicants(reader))
            || side.is_some_and(|side| self.own(reader).any(|own| self.side(own) == Some(side)))
    }

    fn side(&self, person: &str) -> Option<&'static str> {
        let known = self.known.iter().find(|party| party.subject == person);
        let applies = || self.petitioners.contains(&person) || self.ever_elected.contains(&person);
        known.map_or_else(|| applies().then_some(APPLICANT), |party| party.side)
    }

    fn speaks_for_applicants(&self, reader: &str) -> bool {
        self.petitioners.contains(&reader) || self.elected.contains(&reader)
    }

    fn own<'s>(&'s self, reader: &'s str) -> impl Iterator<Item = &'a str> + 's {
        let of = move |party: &&Party<'a>| party.subject == reader || party.guardian == Some(reader);
        self.known.iter().filter(of).map(|party| party.subject)
    }
}

/// Parties that an act names. References to officials have a `/`, pseudonyms have none.
fn parties_named<'a>(act: &Act<'a>) -> Vec<&'a str> {
    persons(act).filter(|person| !person.contains('/')).collect()
}

/// Persons that an act names, in its fields and in the composites that they hold.
fn persons<'a>(act: &Act<'a>) -> impl Iterator<Item = &'a str> {
    act.row.fields.iter().flat_map(|field| -> Vec<&'a str> {
        match field.ty {
            FieldType::Person => act.texts(field.name).collect(),
            FieldType::Record(info) => {
                let fields = catalogue::record(info).map(|record| record.fields.as_slice()).unwrap_or_default();
                let named = || fields.iter().filter(|field| matches!(field.ty, FieldType::Person));
                act.records(field.name)
                    .flat_map(|held| named().flat_map(move |field| texts(held, field.name)))
                    .collect()
            }
            FieldType::String
            | FieldType::Text
            | FieldType::Date
            | FieldType::DateTime
            | FieldType::Bool
            | FieldType::Int
            | FieldType::Money
            | FieldType::Agency
            | FieldType::StepRef
            | FieldType::Obligation
            | FieldType::Document
            | FieldType::Enum(_) => Vec::new(),
        }
    })
}

/// Rows whose acts are about one person each, whether they name him or not.
const PERSONAL: [Row; 6] =
    [Row::PETITION, Row::REVIEW, Row::LEGAL_AID, Row::CONSULTATION, Row::REFERRAL, Row::COUNSELLING];

const PETITION: Kind = kind("PetitionReceived");
const ELECTED: Kind = kind("PartyRepresentativeElected");

/// Codes of sides.
const APPLICANT: &str = "APPLICANT";
const THIRD_PARTY: &str = "THIRD_PARTY";
