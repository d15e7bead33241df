//! Who may know what (可见性): how much of an act a reader sees.
//!
//! ```text
//! reader + chain ─ Relation ─┐
//! row of the act ────────────┼─ decide ─ Decision ─ part ─ plain, masked, withheld
//! data/visibility.csv ───────┘
//! ```
//!
//! Nothing is visible unless a cell of the matrix says so, and of all rules that apply the most restrictive wins. The rules
//! `M-1` to `M-12` are those of `data/visibility_notes.json`.

mod mask;
mod matrix;
mod relation;
mod told;

use std::fmt;

use mediation_proto::mediation::{
    ledger::v1::PartKind,
    types::v1::{AgencyKind, Role},
};

pub use self::{
    mask::{mask_address, mask_identity, mask_name, mask_number, minor_name},
    matrix::{Cell, Column, Footnote, Footnotes, Grade, Note, Row, cell, notes},
    relation::{Sight, Viewed},
    told::told,
};

/// Days after the end of an agency's procedure for which it sees in full what it saw before (M-2).
pub const FULL_AFTER_END_DAYS: u64 = 180;

/// Who reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reader<'a> {
    /// Agency that reads, or that lets a party read.
    pub agency: &'a str,
    /// Kind of that agency.
    pub kind: AgencyKind,
    /// Role in which its official reads; `PTY` and `REP` for a party and a representative.
    pub role: Role,
    /// Pseudonym on the chain of the party that reads; none for officials.
    pub subject: Option<&'a str>,
    /// Grid of a grid worker; none for everybody else.
    pub grid: Option<&'a str>,
}

impl Reader<'_> {
    /// Its column of the matrix; none for a reader that the matrix does not know.
    #[must_use]
    pub fn column(&self) -> Option<Column> {
        Column::of(self.kind, self.role)
    }
}

/// What ties a reader to a chain. A later one is closer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Tie {
    /// Nothing: the reader is off the chain.
    None,
    /// Its mandate: the audit (独立监督) sees every chain, in the grades of its column.
    Mandate,
    /// A handoff was proposed to the agency, and waits for its answer.
    Addressed,
    /// It was called to the chain (协办).
    CoAgency,
    /// The reader is a party or represents one.
    Party,
    /// It sent or accepted a handoff.
    Handoff,
    /// It leads, or opened a chain that nobody leads (首办).
    Lead,
}

impl Tie {
    /// All of them.
    pub const ALL: [Self; 7] =
        [Self::None, Self::Mandate, Self::Addressed, Self::CoAgency, Self::Party, Self::Handoff, Self::Lead];
}

/// What a reader has to do with a chain and with one of its acts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Relation {
    /// What ties it to the chain.
    pub tie: Tie,
    /// Days since its procedure on the chain ended; none while it runs.
    pub ended_days: Option<u64>,
    /// It recorded the act itself.
    pub recorded: bool,
    /// Footnotes whose conditions are met.
    pub conditions: Footnotes,
    /// Parts of the act whose disclosure to the agency the heads of two agencies have approved (footnote 4).
    pub disclosed: Parts,
    /// A party of the chain is a minor.
    pub minor: bool,
    /// The chain carries an accusation (检举控告).
    pub accusation: bool,
    /// The chain lies in the grid of the grid worker who reads.
    pub own_grid: bool,
    /// The act is about the side of the party that reads, or about no side.
    pub own_side: bool,
}

/// Some of the parts of an act.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Parts([bool; 5]);

impl Parts {
    /// These and one more kind.
    #[must_use]
    pub fn and(mut self, kind: PartKind) -> Self {
        if let Some(has) = self.0.get_mut(kind as usize) {
            *has = true;
        }
        self
    }

    /// Whether a kind is among them.
    #[must_use]
    pub fn has(self, kind: PartKind) -> bool {
        self.0.get(kind as usize).copied().unwrap_or_default()
    }
}

/// Why an act is seen as it is, as access records write it: `V-4/PR`, `V-3/XF/2`, `M-1`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Rule {
    /// A cell of the matrix, with the footnote that decided.
    Cell(Row, Column, Option<Footnote>),
    /// A rule beside the cells, by its number.
    Beside(u8),
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cell(row, column, None) => write!(f, "{row}/{}", column.code()),
            Self::Cell(row, column, Some(footnote)) => write!(f, "{row}/{}/{}", column.code(), footnote.number()),
            Self::Beside(number) => write!(f, "M-{number}"),
        }
    }
}

/// How much of an act a reader sees, and why no more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Decision {
    /// How much.
    pub grade: Grade,
    /// The rule that decided.
    pub rule: Rule,
    /// Grade of the identities of the chain's parties.
    identity: Grade,
    /// Sealed content is for this reader.
    sealed: bool,
    /// Identities are for the subject alone.
    of_party: bool,
    /// Parts that are shown beside the grade.
    disclosed: Parts,
}

/// How one part is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Shown {
    /// By its commitment alone.
    Withheld,
    /// With masks in place of what identifies a person.
    Masked,
    /// As it was signed.
    Plain,
}

/// How much of an act of a row a reader sees.
#[must_use]
pub fn decide(reader: &Reader<'_>, row: Row, relation: &Relation) -> Decision {
    let Some(column) = reader.column() else { return Decision::hidden(Rule::Beside(12)) };
    let own = is_own(reader, column, row, relation);
    let row = if relation.accusation { Row::ACCUSATION } else { row };
    let grade_of = |row| graded(column, row, relation);
    let (grade, rule) = if own { (Grade::Full, Rule::Beside(6)) } else { grade_of(row) };
    let identity = if own { Grade::Full } else { grade_of(Row::IDENTITY).0 };
    let unsealed = own || [Row::MEDIATION, Row::COUNSELLING].iter().any(|row| grade_of(*row).0 == Grade::Full);
    // What was said in a mediation never reaches the bench, not even of the same court (M-10).
    let sealed = unsealed && reader.role != Role::Judge;
    let noted = cell(row, column).footnote.is_some_and(|footnote| footnote.number() == DISCLOSURE);
    let disclosed = if noted && grade >= Grade::Redacted { relation.disclosed } else { Parts::default() };
    Decision { grade, rule, identity, sealed, of_party: column.is_of_parties(), disclosed }
}

/// Whether free text of an act of a row can come to be shown to readers of a column, where their agency did not record the act:
/// whatever ties them to its chain, none of the other rules gives more than the cell does.
#[must_use]
pub fn may_read_text(column: Column, row: Row) -> bool {
    let Cell { grade, footnote } = cell(row, column);
    grade == Grade::Full || footnote.is_some_and(|footnote| footnote.number() == DISCLOSURE)
}

impl Decision {
    fn hidden(rule: Rule) -> Self {
        let (grade, identity, disclosed) = (Grade::None, Grade::None, Parts::default());
        Self { grade, rule, identity, sealed: false, of_party: false, disclosed }
    }

    /// How a part is shown (M-8). `own` says of an identities part that it is the reader's own, or of whom he represents.
    #[must_use]
    pub fn part(&self, kind: PartKind, own: bool) -> Shown {
        let plain_if = |open: bool| if open { Shown::Plain } else { Shown::Withheld };
        if self.disclosed.has(kind) {
            return Shown::Plain;
        }
        match kind {
            PartKind::Act => plain_if(self.grade >= Grade::Redacted),
            PartKind::Narrative => plain_if(self.grade == Grade::Full),
            PartKind::Sealed => plain_if(self.grade == Grade::Full && self.sealed),
            PartKind::Identities if self.of_party => plain_if(own && self.grade >= Grade::Redacted),
            PartKind::Identities => match self.grade.min(self.identity) {
                Grade::Full => Shown::Plain,
                Grade::Redacted => Shown::Masked,
                Grade::Existence | Grade::None => Shown::Withheld,
            },
            PartKind::Unspecified => Shown::Withheld,
        }
    }
}

/// Whether an agency sees what it recorded itself (M-6). A bench does not, of a mediation in its own court (M-10), nor does
/// a reader to whom the matrix gives a column as a person; and of a state secret nobody sees anything.
fn is_own(reader: &Reader<'_>, column: Column, row: Row, relation: &Relation) -> bool {
    let is_withheld = row == Row::STATE_SECRET || (reader.role == Role::Judge && row == Row::MEDIATION);
    relation.recorded && !column.is_of_role() && !is_withheld
}

/// The straight line: the cell, then each rule that may take from it.
fn graded(column: Column, row: Row, relation: &Relation) -> (Grade, Rule) {
    let Cell { grade, footnote } = cell(row, column);
    let mut decided = (grade, Rule::Cell(row, column, footnote));
    if let Some(footnote) = footnote.filter(|footnote| !relation.conditions.has(*footnote)) {
        decided.0 = grade.min(footnote.otherwise());
    }
    let mut at_most = |grade: Grade, number: u8| {
        if decided.0 > grade {
            decided = (grade, Rule::Beside(number));
        }
    };
    match relation.tie {
        Tie::None => at_most(Grade::None, 1),
        // What is not accepted yet is not the agency's to read in full, beside the proposal itself.
        Tie::Addressed if row != Row::HANDOFF => at_most(Grade::Redacted, 1),
        Tie::Mandate | Tie::Addressed | Tie::CoAgency | Tie::Party | Tie::Handoff | Tie::Lead => {}
    }
    let ended = relation.ended_days.is_some_and(|days| days > FULL_AFTER_END_DAYS);
    if ended {
        at_most(Grade::Redacted, 2);
    }
    let handles = matches!(relation.tie, Tie::Handoff | Tie::Lead | Tie::Party) && relation.ended_days.is_none();
    if relation.minor && !handles {
        let lowered = decided.0.lowered();
        if lowered < decided.0 {
            decided = (lowered, Rule::Beside(3));
        }
    }
    let mut nothing_unless = |holds: bool, number: u8| {
        if !holds && decided.0 > Grade::None {
            decided = (Grade::None, Rule::Beside(number));
        }
    };
    nothing_unless(!column.is_of_grids() || relation.own_grid, 4);
    nothing_unless(!column.is_of_parties() || relation.own_side, 5);
    decided
}

/// Class of the outcome, the one field that is shown of an act at existence only (M-9): the first of these that the act has.
pub const OUTCOME_FIELDS: [&str; 5] = ["outcome", "success", "result", "ground", "solved"];

/// Footnote that lets content out by approval.
const DISCLOSURE: u8 = 4;

#[cfg(test)]
mod tests;
