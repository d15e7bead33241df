//! What readers have to do with a chain: read off the chain once, asked for each of its acts.

mod people;
mod ties;

use mediation_proto::mediation::{ledger::v1::PartKind, types::v1::Role};

use self::{
    people::People,
    ties::{Interval, ties},
};
use super::{
    Column, Decision, Footnote, Footnotes, Grade, OUTCOME_FIELDS, Parts, Reader, Relation, Row, Tie, cell, decide,
};
use crate::{
    calendar::Day,
    catalogue::{FieldType, HandoffRole},
    directory::Directory,
    erasure::Erasures,
    history::{EventId, Recorded},
    judge::{
        Moment,
        chain::{Act, Chain, Kind, kind, records},
    },
    standing::{ADVERSE, Standing},
};

/// A chain as readers see it: the acts that count, as of a moment.
#[derive(Debug)]
pub struct Viewed<'a> {
    chain: Chain<'a>,
    ties: Vec<Interval<'a>>,
    people: People<'a>,
    accusation: bool,
    erasures: Erasures,
}

impl<'a> Viewed<'a> {
    /// The chain of these acts. `history` holds the acts that count, in the order of their revisions.
    #[must_use]
    pub fn new(history: &'a [Recorded], directory: &'a Directory, moment: Moment) -> Self {
        let chain = Chain::new(history, directory, moment);
        let (ties, people) = (ties(&chain), People::of(&chain));
        // Of all that is recorded, withdrawn or not and of whatever day: it stays hidden from the accused. What cannot be read
        // any more may have been one.
        let unreadable = history.iter().any(|recorded| recorded.act.event().is_none());
        let standing: Standing = history.iter().collect();
        let accusation = unreadable || standing.is_restricted();
        Self { chain, ties, people, accusation, erasures: standing.into_erasures() }
    }

    /// Whether the chain carries an accusation (检举控告).
    #[must_use]
    pub fn is_restricted(&self) -> bool {
        self.accusation
    }

    /// What was ordered to be frozen or erased. That holds for every reader.
    #[must_use]
    pub fn erasures(&self) -> &Erasures {
        &self.erasures
    }

    /// The row under which the act at a revision is read, before it is asked whether the chain carries an accusation; none where
    /// no act that counts stands there, or it corrects what cannot be seen.
    #[must_use]
    pub fn row_of(&self, revision: u64) -> Option<Row> {
        self.row(self.act(revision)?)
    }

    /// The chain as one reader sees it.
    #[must_use]
    pub fn by<'v>(&'v self, reader: &'v Reader<'v>) -> Sight<'v, 'a> {
        let (tie, ended) = self.tie(reader);
        let own_grid = reader.grid.is_some_and(|grid| self.grids().any(|own| own == grid));
        let mut sight = Sight { viewed: self, reader, tie, ended, own_grid, met: Footnotes::default() };
        sight.met = Footnote::all().filter(|note| sight.is_met(*note)).fold(Footnotes::default(), Footnotes::and);
        sight
    }

    /// How much of the act at a revision a reader sees; none where no act that counts stands there.
    #[must_use]
    pub fn decide(&self, reader: &Reader<'_>, revision: u64) -> Option<Decision> {
        self.by(reader).decide(revision)
    }

    /// Whether a reader may know that the chain exists.
    #[must_use]
    pub fn is_known_to(&self, reader: &Reader<'_>) -> bool {
        self.by(reader).is_known()
    }

    /// Whether an identities part of this subject is the reader's own, or of whom he represents.
    #[must_use]
    pub fn is_own(&self, reader: &Reader<'_>, subject: &str) -> bool {
        reader.subject.is_some_and(|own| self.people.is_own(own, subject))
    }

    fn act(&self, revision: u64) -> Option<&Act<'a>> {
        let acts = self.chain.all();
        acts.binary_search_by_key(&revision, |act| act.revision).ok().and_then(|at| acts.get(at))
    }

    /// The row of an act. A correction is read under that of the act that it corrects in the end (M-7); none where that
    /// cannot be seen.
    fn row(&self, act: &Act<'a>) -> Option<Row> {
        let mut subject = act;
        while subject.is(CORRECTED) {
            // Targets stand earlier, so that this comes to an end.
            subject = self.chain.referent(records(subject.fields, "target").next()?, subject.at)?;
        }
        Row::named(&subject.row.visibility_row)
    }

    /// The closest tie that holds; when none does any more, the one that ended last, with its end.
    fn tie(&self, reader: &Reader<'_>) -> (Tie, Option<Day>) {
        let Some(column) = reader.column() else { return (Tie::None, None) };
        if column.is_of_parties() {
            let is_party = reader.subject.is_some_and(|subject| self.people.knows(subject));
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

    /// Whether an agency leads, or accepted a handoff that has not ended.
    fn has_the_matter(&self, agency: &str) -> bool {
        let holds = |interval: &Interval<'_>| interval.agency == agency && interval.ended.is_none();
        let accepted = |act: &Act<'a>| {
            act.agency == agency && act.row.handoff == Some(HandoffRole::Answer) && self.chain.proposal(act).is_some()
        };
        self.ties.iter().filter(|interval| holds(interval)).any(|interval| {
            interval.tie == Tie::Lead || (interval.tie == Tie::Handoff && self.chain.acts().any(accepted))
        })
    }

    /// Whether an agency is one of the two between which the act hands the matter over.
    fn is_between(&self, agency: &str, act: &Act<'a>) -> bool {
        let names = |act: &Act<'a>| BETWEEN.iter().any(|field| act.text(field) == Some(agency));
        std::iter::once(act).chain(self.chain.proposal(act)).any(|act| act.agency == agency || names(act))
    }

    /// Parts whose disclosure to the reader's agency the heads of two agencies approve, for a day that has not passed.
    fn disclosed(&self, reader: &Reader<'_>, act: &Act<'a>) -> Parts {
        let kinds = [PartKind::Act, PartKind::Identities, PartKind::Narrative, PartKind::Sealed];
        kinds.into_iter().fold(Parts::default(), |parts, kind| {
            let mut by = self.approvals(reader, act, kind).map(|approval| approval.agency);
            let first = by.next();
            if first.is_some() && by.any(|agency| Some(agency) != first) { parts.and(kind) } else { parts }
        })
    }

    /// Approvals in force that a kind of part of an act is disclosed to the reader's agency.
    fn approvals<'v>(
        &'v self,
        reader: &'v Reader<'_>,
        act: &'v Act<'a>,
        kind: PartKind,
    ) -> impl Iterator<Item = &'v Act<'a>> {
        self.chain.of(APPROVED).filter(move |approval| {
            // The reader's own head is none of the two.
            approval.role() == Role::Head
                && approval.agency != reader.agency
                && approval.text("recipient") == Some(reader.agency)
                && approval.date("expires_on").is_some_and(|last| self.chain.today() <= last)
                && approval.codes("parts").any(|code| Some(code) == part_code(kind))
                && records(approval.fields, "steps")
                    .any(|step| self.chain.referent(step, approval.at).is_some_and(|named| named.at == act.at))
        })
    }

    fn grids(&self) -> impl Iterator<Item = &'a str> {
        self.chain.acts().filter_map(|act| act.text("grid"))
    }
}

/// A chain as one reader sees it: what depends on him alone is worked out once.
#[derive(Debug)]
pub struct Sight<'v, 'a> {
    viewed: &'v Viewed<'a>,
    reader: &'v Reader<'v>,
    tie: Tie,
    ended: Option<Day>,
    own_grid: bool,
    /// Footnotes whose conditions are met whatever the act.
    met: Footnotes,
}

impl<'a> Sight<'_, 'a> {
    /// Who reads.
    #[must_use]
    pub fn reader(&self) -> &Reader<'_> {
        self.reader
    }

    /// What was ordered to be frozen or erased. That holds for every reader.
    #[must_use]
    pub fn erasures(&self) -> &Erasures {
        &self.viewed.erasures
    }

    /// What ties the reader to the chain.
    #[must_use]
    pub fn tie(&self) -> Tie {
        self.tie
    }

    /// How much of the act at a revision the reader sees; none where no act that counts stands there.
    #[must_use]
    pub fn decide(&self, revision: u64) -> Option<Decision> {
        let act = self.viewed.act(revision)?;
        let row = self.viewed.row(act)?;
        Some(decide(self.reader, row, &self.relation(act, row)))
    }

    /// The row under which the act at a revision is read; see [`Viewed::row_of`].
    #[must_use]
    pub fn row_of(&self, revision: u64) -> Option<Row> {
        self.viewed.row_of(revision)
    }

    /// Grade of the act at a revision.
    #[must_use]
    pub fn grade(&self, revision: u64) -> Grade {
        self.decide(revision).map_or(Grade::None, |decision| decision.grade)
    }

    /// Whether the reader may know that the chain exists: he sees one of its acts at least.
    #[must_use]
    pub fn is_known(&self) -> bool {
        self.viewed.chain.all().iter().any(|act| self.grade(act.revision) > Grade::None)
    }

    /// Whether an identities part of this subject is the reader's own, or of whom he represents.
    #[must_use]
    pub fn is_own(&self, subject: &str) -> bool {
        self.viewed.is_own(self.reader, subject)
    }

    /// Whether findings about every agency are for the reader, as row `V-27` says: in full or redacted, without a condition.
    #[must_use]
    pub fn sees_all_findings(&self) -> bool {
        let own = self.reader.column().map(|column| cell(Row::FINDINGS, column));
        let open = own.is_some_and(|own| own.footnote.is_none() && own.grade >= Grade::Redacted);
        open && self.tie != Tie::None
    }

    /// Place of a party among the minors of the chain, from 0; none for who is no minor.
    #[must_use]
    pub fn minor_place(&self, subject: &str) -> Option<usize> {
        self.viewed.people.minor_place(subject)
    }

    /// What is told of an act of which existence alone is shown (M-9): the event, and the class of its outcome.
    #[must_use]
    pub fn existence(&self, revision: u64) -> Option<(&'static str, Option<&'static str>)> {
        let act = self.viewed.act(revision)?;
        Some((act.row.event, OUTCOME_FIELDS.iter().find_map(|field| act.code(field))))
    }

    /// Event id of an approval by which a kind of part of the act at a revision is disclosed to the reader.
    #[must_use]
    pub fn approval(&self, revision: u64, kind: PartKind) -> Option<EventId> {
        let act = self.viewed.act(revision)?;
        self.viewed.approvals(self.reader, act, kind).next().map(|approval| approval.event_id)
    }

    /// Whether the reader has the mandate of the audit: he is shown also what counts for nobody.
    #[must_use]
    pub fn is_audit(&self) -> bool {
        self.reader.column().is_some_and(Column::is_of_audit)
    }

    /// Revision of the act that closed the chain last, where that still holds.
    #[must_use]
    pub fn closing(&self) -> Option<u64> {
        let last = self.viewed.chain.of_any(const { &[kind("DisputeClosed"), kind("DisputeReopened")] }).next_back();
        last.map(|act| act.revision)
    }

    fn relation(&self, act: &Act<'a>, row: Row) -> Relation {
        let Self { viewed, reader, .. } = self;
        let met = Footnote::all().filter(|footnote| self.holds(*footnote, act));
        Relation {
            tie: self.tie,
            ended_days: self.ended.map(|day| viewed.chain.today().days_after(day)),
            recorded: act.agency == reader.agency,
            conditions: met.fold(Footnotes::default(), Footnotes::and),
            disclosed: viewed.disclosed(reader, act),
            minor: viewed.people.has_minor(),
            accusation: viewed.accusation,
            own_grid: self.own_grid,
            own_side: reader.subject.is_some_and(|subject| viewed.people.is_of_side(subject, &viewed.chain, act, row)),
        }
    }

    /// Whether the condition of a footnote is met for an act.
    fn holds(&self, footnote: Footnote, act: &Act<'a>) -> bool {
        let (chain, agency) = (&self.viewed.chain, self.reader.agency);
        match footnote.number() {
            // Sender and receiver, of the handoff that the act belongs to.
            2 => self.viewed.is_between(agency, act),
            // The mediating committee.
            3 => chain.latest(MEDIATION_ACCEPTED, act.at).is_some_and(|accepted| {
                accepted.text("committee").map_or(accepted.agency == agency, |committee| committee == agency)
            }),
            // Rows about the own agency.
            10 => act.row.fields.iter().any(|field| {
                matches!(field.ty, FieldType::Agency) && act.texts(field.name).any(|named| named == agency)
            }),
            _ => self.met.has(footnote),
        }
    }

    /// Whether the condition of a footnote is met whatever the act. What a note does not know is not met.
    fn is_met(&self, footnote: Footnote) -> bool {
        let (chain, agency) = (&self.viewed.chain, self.reader.agency);
        let handles = matches!(self.tie, Tie::Lead | Tie::Handoff);
        match footnote.number() {
            // Own client: the office was named as his lawyer's.
            1 => chain.of(AID_ASSIGNED).any(|aid| aid.text("lawyer_office") == Some(agency)),
            // Confirms, enforces, delegated, or supervises.
            5 => chain.acts().filter(|act| act.agency == agency).any(|act| {
                matches!(act.row.visibility_row.as_str(), "V-8" | "V-9" | "V-13")
                    || (act.is_proposal() && act.code("purpose") == Some(MEDIATION))
            }),
            // Transferred to it, filed with it, or under its supervision.
            6 => {
                let own = |act: &Act<'_>| act.agency == agency && (act.is(FILED) || act.row.visibility_row == "V-13");
                handles || chain.acts().any(own)
            }
            // The department that handles it, or answers as respondent.
            7 => handles || chain.acts().any(|act| act.text("respondent") == Some(agency)),
            // The competent body: it has the matter, and is not the one that is complained of.
            8 => {
                let adverse = |act: &Act<'_>| ADVERSE.iter().any(|field| act.text(field) == Some(agency));
                self.viewed.has_the_matter(agency) && !chain.all().iter().any(adverse)
            }
            // The office of reconsideration.
            9 => chain.acts().any(|act| act.agency == agency && act.role() == Role::Recon),
            // Who looked at the reader's data: that he is the one M-5 asks.
            11 => true,
            // Approved parts are shown beside the grade.
            _ => false,
        }
    }
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
const MEDIATION_ACCEPTED: Kind = kind("MediationAccepted");
const AID_ASSIGNED: Kind = kind("LegalAidAssigned");
const FILED: Kind = kind("CaseFiled");
const APPROVED: Kind = kind("DisclosureApproved");

/// Fields that name the receiver of a matter.
const BETWEEN: [&str; 2] = ["target", "committee"];

/// Code of handoffs for mediation.
const MEDIATION: &str = "MEDIATION";
