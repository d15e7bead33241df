//! What readers have to do with a chain: read off the chain once, asked for each of its acts.

use mediation_proto::mediation::{ledger::v1::PartKind, types::v1::Role};

use super::{Decision, Footnote, Parts, Reader, Relation, Row, Tie, cell, decide};
use crate::{
    calendar::Day,
    catalogue::{self, FieldType, HandoffRole},
    directory::Directory,
    history::Recorded,
    judge::{
        Moment,
        chain::{Act, Chain, Kind, kind, records, texts},
        leads::Leads,
        parties::{Party, parties, representatives},
    },
    standing::Standing,
};

/// A chain as readers see it: the acts that count, as of a moment.
#[derive(Debug)]
pub struct Viewed<'a> {
    chain: Chain<'a>,
    ties: Vec<Interval<'a>>,
    parties: Vec<Party<'a>>,
    accusation: bool,
}

/// A tie of an agency to the chain, and when it ended.
#[derive(Debug)]
struct Interval<'a> {
    agency: &'a str,
    tie: Tie,
    ended: Option<Day>,
}

impl<'a> Viewed<'a> {
    /// The chain of these acts. `history` holds the acts that count, in the order of their revisions.
    #[must_use]
    pub fn new(history: &'a [Recorded], directory: &'a Directory, moment: Moment) -> Self {
        let chain = Chain::new(history, directory, moment);
        let mut ties = leads(&chain);
        ties.extend(handoffs(&chain));
        ties.extend(co_agencies(&chain));
        let parties = parties(&chain, chain.all().len());
        // Of all that is recorded, withdrawn or not and of whatever day: it stays hidden from the accused.
        let accusation = history.iter().collect::<Standing>().is_restricted();
        Self { chain, ties, parties, accusation }
    }

    /// Whether the chain carries an accusation (检举控告).
    #[must_use]
    pub fn is_restricted(&self) -> bool {
        self.accusation
    }

    /// How much of the act at a revision a reader sees; none where no act that counts stands there.
    #[must_use]
    pub fn decide(&self, reader: &Reader<'_>, revision: u64) -> Option<Decision> {
        let act = self.act(revision)?;
        let row = self.row(act)?;
        Some(decide(reader, row, &self.relation(reader, act, row)))
    }

    /// Whether a reader may know that the chain exists: he sees one of its acts at least.
    #[must_use]
    pub fn is_known_to(&self, reader: &Reader<'_>) -> bool {
        let revisions = self.chain.all().iter().map(|act| act.revision);
        revisions.filter_map(|revision| self.decide(reader, revision)).any(|seen| seen.grade > super::Grade::None)
    }

    /// Whether an identities part of this subject is the reader's own, or of whom he represents.
    #[must_use]
    pub fn is_own(&self, reader: &Reader<'_>, subject: &str) -> bool {
        self.own(reader).any(|own| own == subject)
    }

    fn act(&self, revision: u64) -> Option<&Act<'a>> {
        let acts = self.chain.all();
        acts.binary_search_by_key(&revision, |act| act.revision).ok().and_then(|at| acts.get(at))
    }

    /// The row of an act. A correction is read under that of the act that it corrects (M-7).
    fn row(&self, act: &Act<'a>) -> Option<Row> {
        let corrected = if act.is(CORRECTED) { records(act.fields, "target").next() } else { None };
        let subject = corrected.and_then(|target| self.chain.referent(target, act.at)).filter(|act| !act.is(CORRECTED));
        Row::named(&subject.unwrap_or(act).row.visibility_row)
    }

    fn relation(&self, reader: &Reader<'_>, act: &Act<'a>, row: Row) -> Relation {
        let (tie, ended) = self.tie(reader);
        let row = if self.accusation { Row::ACCUSATION } else { row };
        let footnote = reader.column().and_then(|column| cell(row, column).footnote);
        Relation {
            tie,
            ended_days: ended.map(|day| self.chain.today().days_after(day)),
            recorded: act.agency == reader.agency,
            condition: footnote.is_none_or(|footnote| self.holds(footnote, reader, act, tie)),
            disclosed: self.disclosed(reader, act),
            minor: self.parties.iter().any(|party| party.minor),
            accusation: self.accusation,
            own_grid: reader.grid.is_some_and(|grid| self.grids().any(|own| own == grid)),
            own_side: self.is_of_own_side(reader, act),
        }
    }

    /// The closest tie that holds; when none does any more, the one that ended last, with its end.
    fn tie(&self, reader: &Reader<'_>) -> (Tie, Option<Day>) {
        let Some(column) = reader.column() else { return (Tie::None, None) };
        if column.is_of_parties() {
            let is_party = self.own(reader).next().is_some() || self.is_elected(reader);
            return (if is_party { Tie::Party } else { Tie::None }, None);
        }
        let own = || self.ties.iter().filter(|interval| interval.agency == reader.agency);
        if let Some(tie) = own().filter(|interval| interval.ended.is_none()).map(|interval| interval.tie).max() {
            return (tie, None);
        }
        if column.is_of_audit() {
            return (Tie::Mandate, None);
        }
        let last = own().max_by_key(|interval| (interval.ended, interval.tie));
        last.map_or((Tie::None, None), |interval| (interval.tie, interval.ended))
    }

    /// Whether the condition of a footnote is met. What a note does not know is not met.
    fn holds(&self, footnote: Footnote, reader: &Reader<'_>, act: &Act<'a>, tie: Tie) -> bool {
        let agency = reader.agency;
        let handles = matches!(tie, Tie::Lead | Tie::Handoff);
        match footnote.number() {
            // Own client: the office was named as his lawyer's.
            1 => self.chain.of(AID_ASSIGNED).any(|aid| aid.text("lawyer_office") == Some(agency)),
            // Sender and receiver, of the handoff that the act belongs to.
            2 => self.is_between(agency, act),
            // The mediating committee.
            3 => self.chain.of(MEDIATION_ACCEPTED).any(|accepted| {
                accepted.text("committee").map_or(accepted.agency == agency, |committee| committee == agency)
            }),
            // Approved parts are shown beside the grade.
            4 => false,
            // Confirms, enforces, delegated, or supervises.
            5 => self.chain.acts().filter(|act| act.agency == agency).any(|act| {
                matches!(act.row.visibility_row.as_str(), "V-8" | "V-9" | "V-13")
                    || (act.is_proposal() && act.code("purpose") == Some(MEDIATION))
            }),
            // Transferred to it, filed with it, or under its supervision.
            6 => {
                let own = |act: &Act<'_>| act.agency == agency && (act.is(FILED) || act.row.visibility_row == "V-13");
                handles || self.chain.acts().any(own)
            }
            // The department that handles it, or answers as respondent.
            7 => handles || self.chain.acts().any(|act| act.text("respondent") == Some(agency)),
            // The competent body.
            8 => handles,
            // The office of reconsideration.
            9 => self.chain.acts().any(|act| act.agency == agency && act.role() == Role::Recon),
            // Rows about the own agency.
            10 => agencies(act).any(|named| named == agency),
            // Who looked at the reader's data: that he is the one M-5 asks.
            11 => true,
            _ => false,
        }
    }

    /// Whether an agency is one of the two between which the act hands the matter over.
    fn is_between(&self, agency: &str, act: &Act<'a>) -> bool {
        let proposal = self.chain.proposal(act);
        std::iter::once(act)
            .chain(proposal)
            .any(|act| act.agency == agency || agencies(act).any(|named| named == agency))
    }

    /// Parts whose disclosure to the reader's agency the heads of two agencies approve, for a day that has not passed.
    fn disclosed(&self, reader: &Reader<'_>, act: &Act<'a>) -> Parts {
        let approves = |approval: &Act<'a>, kind: PartKind| {
            approval.role() == Role::Head
                && approval.text("recipient") == Some(reader.agency)
                && approval.date("expires_on").is_some_and(|last| self.chain.today() <= last)
                && approval.codes("parts").any(|code| Some(code) == part_code(kind))
                && records(approval.fields, "steps")
                    .any(|step| self.chain.referent(step, approval.at).is_some_and(|named| named.at == act.at))
        };
        let kinds = [PartKind::Act, PartKind::Identities, PartKind::Narrative, PartKind::Sealed];
        kinds.into_iter().fold(Parts::default(), |parts, kind| {
            let mut by =
                self.chain.of(APPROVED).filter(|approval| approves(approval, kind)).map(|approval| approval.agency);
            let first = by.next();
            if first.is_some() && by.any(|agency| Some(agency) != first) { parts.and(kind) } else { parts }
        })
    }

    fn grids(&self) -> impl Iterator<Item = &'a str> {
        self.chain.acts().filter_map(|act| act.text("grid"))
    }

    /// The party that reads, and those for whom he acts by law.
    fn own<'s>(&'s self, reader: &'s Reader<'_>) -> impl Iterator<Item = &'a str> + 's {
        let subject = reader.subject;
        let of =
            move |party: &&Party<'a>| subject.is_some_and(|own| party.subject == own || party.guardian == Some(own));
        self.parties.iter().filter(of).map(|party| party.subject)
    }

    /// Whether the party that reads was elected to represent the applicants.
    fn is_elected(&self, reader: &Reader<'_>) -> bool {
        let elected = representatives(&self.chain, self.chain.all().len());
        reader.subject.is_some_and(|subject| elected.contains(&subject))
    }

    /// An act that names parties is for a reader of the side of one of them; one that names none is for all (M-5).
    fn is_of_own_side(&self, reader: &Reader<'_>, act: &Act<'a>) -> bool {
        if reader.subject.is_none() {
            return false;
        }
        let elected = self.is_elected(reader);
        let own: Vec<&str> = self.own(reader).collect();
        let sided = |party: &Party<'_>| {
            own.contains(&party.subject)
                || (elected && party.is_applicant())
                || self.parties.iter().any(|other| own.contains(&other.subject) && other.side == party.side)
        };
        let mut named =
            self.parties.iter().filter(|party| persons(act).any(|person| person == party.subject)).peekable();
        named.peek().is_none() || named.any(sided)
    }
}

/// Agencies that led, and the one that opened a chain which nobody was registered to lead.
fn leads<'a>(chain: &Chain<'a>) -> Vec<Interval<'a>> {
    let leads = Leads::new(chain);
    let day = |at: usize| chain.get(at).map(|act| act.day);
    let mut ties: Vec<Interval<'a>> =
        leads.spans().map(|(agency, to)| Interval { agency, tie: Tie::Lead, ended: to.and_then(day) }).collect();
    if ties.is_empty()
        && let Some(opening) = chain.all().first().filter(|act| act.row.opening)
    {
        ties.push(Interval { agency: opening.agency, tie: Tie::Lead, ended: closed_on(chain) });
    }
    ties
}

/// Senders and receivers of handoffs. One that waits ties only its receiver, one that was returned, recalled or has run out
/// ties nobody.
fn handoffs<'a>(chain: &Chain<'a>) -> Vec<Interval<'a>> {
    let mut ties = Vec::new();
    for proposal in chain.acts().filter(|act| act.is_proposal()) {
        let Some(target) = proposal.text("target") else { continue };
        let of_it = |act: &&Act<'a>| chain.proposal(act).is_some_and(|of| of.at == proposal.at);
        let follows = || chain.after(proposal.at).filter(of_it);
        let settled = follows().find(|act| {
            matches!(act.row.handoff, Some(HandoffRole::Answer | HandoffRole::Recall)) && !act.is(OBJECTED)
        });
        match settled {
            Some(answer) if answer.is_any(&[ACCEPTED, REFERRAL_ACCEPTED]) => {
                let ends = |role: HandoffRole, reported: bool| {
                    role == HandoffRole::Ack || (role == HandoffRole::Outcome && !reported)
                };
                let done = follows().find(|act| act.row.handoff.is_some_and(|role| ends(role, act.is(REPORTED))));
                let closed = closed_on(chain).filter(|closed| answer.day <= *closed);
                let ended = done.map(|act| act.day).into_iter().chain(closed).min();
                let by_both = [proposal.agency, target].map(|agency| Interval { agency, tie: Tie::Handoff, ended });
                ties.extend(by_both);
            }
            Some(_) => {}
            None => {
                let timed_out = follows().any(|act| act.row.handoff == Some(HandoffRole::Timeout));
                if !timed_out && closed_on(chain).is_none() {
                    ties.push(Interval { agency: target, tie: Tie::Addressed, ended: None });
                }
            }
        }
    }
    ties
}

/// Agencies that were called to the chain, until the day that the call names or the chain is closed.
fn co_agencies<'a>(chain: &Chain<'a>) -> Vec<Interval<'a>> {
    let joined = chain.of(JOINED).filter_map(|act| {
        let until = act.date("until").filter(|until| *until < chain.today());
        let ended = until.into_iter().chain(closed_on(chain)).min();
        Some(Interval { agency: act.text("joined")?, tie: Tie::CoAgency, ended })
    });
    joined.collect()
}

/// Day of the closing that still holds.
fn closed_on(chain: &Chain<'_>) -> Option<Day> {
    let last = chain.of_any(const { &[CLOSED, REOPENED] }).next_back()?;
    last.is(CLOSED).then_some(last.day)
}

/// Agencies that the fields of an act name.
fn agencies<'a>(act: &Act<'a>) -> impl Iterator<Item = &'a str> {
    let named = act.row.fields.iter().filter(|field| matches!(field.ty, FieldType::Agency));
    named.flat_map(|field| act.texts(field.name))
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

/// Code of a part, as approvals write it.
fn part_code(kind: PartKind) -> Option<&'static str> {
    match kind {
        PartKind::Act => Some("ACT"),
        PartKind::Identities => Some("IDENTITIES"),
        PartKind::Narrative => Some("NARRATIVE"),
        PartKind::Sealed => Some("SEALED"),
        PartKind::Unspecified => None,
    }
}

const CORRECTED: Kind = kind("RecordCorrected");
const CLOSED: Kind = kind("DisputeClosed");
const REOPENED: Kind = kind("DisputeReopened");
const JOINED: Kind = kind("CoAgencyJoined");
const ACCEPTED: Kind = kind("HandoffAccepted");
const REFERRAL_ACCEPTED: Kind = kind("PsychReferralAccepted");
const OBJECTED: Kind = kind("PetitionJurisdictionObjected");
const MEDIATION_ACCEPTED: Kind = kind("MediationAccepted");
const AID_ASSIGNED: Kind = kind("LegalAidAssigned");
const FILED: Kind = kind("CaseFiled");
const APPROVED: Kind = kind("DisclosureApproved");
/// The one outcome that waits for an acknowledgement.
const REPORTED: Kind = kind("HandoffOutcomeReported");

/// Code of handoffs for mediation.
const MEDIATION: &str = "MEDIATION";
