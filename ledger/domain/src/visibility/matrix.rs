//! The visibility matrix (可见性矩阵), as `data/visibility.csv` and its notes write it.

use std::{collections::BTreeMap, fmt, sync::LazyLock};

use mediation_proto::{
    derived::{TYPES_AGENCY_KIND, TYPES_ROLE},
    fields::EnumInfo,
    mediation::types::v1::{AgencyKind, Role},
};
use serde::Deserialize;

/// How much of an act a reader sees. A later one is more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Grade {
    /// Not visible (不可见).
    None,
    /// Existence only (仅知存在): event, date, agency and class of the outcome.
    Existence,
    /// Redacted (脱敏): the facts, persons masked, no free text.
    Redacted,
    /// In full (完整).
    Full,
}

impl Grade {
    /// All of them, from the least.
    pub const ALL: [Self; 4] = [Self::None, Self::Existence, Self::Redacted, Self::Full];

    /// Letter, as the matrix writes it.
    #[must_use]
    pub const fn letter(self) -> char {
        match self {
            Self::None => 'N',
            Self::Existence => 'E',
            Self::Redacted => 'R',
            Self::Full => 'F',
        }
    }

    fn of(letter: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|grade| letter.chars().eq([grade.letter()]))
    }

    /// One step less; existence only stays.
    pub(super) fn lowered(self) -> Self {
        match self {
            Self::Full => Self::Redacted,
            Self::Redacted | Self::Existence => Self::Existence,
            Self::None => Self::None,
        }
    }
}

/// Row of the matrix: one family of acts. `V-1` is 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Row(u8);

impl Row {
    /// Identity of the parties.
    pub const IDENTITY: Self = Self(2);
    /// Handoffs.
    pub const HANDOFF: Self = Self(3);
    /// Sessions and notes of mediation.
    pub const MEDIATION: Self = Self(4);
    /// Petitions (申诉求决).
    pub const PETITION: Self = Self(10);
    /// Petitions that accuse (检举控告).
    pub const ACCUSATION: Self = Self(11);
    /// Review and re-review of petitions.
    pub const REVIEW: Self = Self(12);
    /// Legal aid.
    pub const LEGAL_AID: Self = Self(18);
    /// Legal consultation.
    pub const CONSULTATION: Self = Self(19);
    /// Psychological referral.
    pub const REFERRAL: Self = Self(20);
    /// Records of psychological sessions.
    pub const COUNSELLING: Self = Self(21);
    /// Records of readings, and findings.
    pub const FINDINGS: Self = Self(27);
    /// State secrets (国家秘密).
    pub const STATE_SECRET: Self = Self(28);

    /// The row of this name, `V-4`.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        let number =
            name.strip_prefix("V-").filter(|number| number.starts_with(|first| ('1'..='9').contains(&first)))?;
        let row = Self(number.parse().ok()?);
        Matrix::get().line(row).map(|_line| row)
    }

    /// Every row, in the order of the matrix.
    pub fn all() -> impl Iterator<Item = Self> {
        (1..).map(Self).take(Matrix::get().rows.len())
    }

    /// Chinese and English name.
    #[must_use]
    pub fn title(self) -> (&'static str, &'static str) {
        Matrix::get().line(self).map_or(("", ""), |line| (&line.zh, &line.en))
    }
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "V-{}", self.0)
    }
}

/// Column of the matrix: a kind of reader, by its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Column(usize);

impl Column {
    /// The column of a reader: that of the role where the matrix has one for it, else that of the kind of agency.
    #[must_use]
    pub fn of(kind: AgencyKind, role: Role) -> Option<Self> {
        let columns = &Matrix::get().columns;
        let place = columns.iter().position(|column| column.roles.contains(&role));
        place.or_else(|| columns.iter().position(|column| column.kinds.contains(&kind))).map(Self)
    }

    /// Every column, in the order of the matrix.
    pub fn all() -> impl Iterator<Item = Self> {
        (0..Matrix::get().columns.len()).map(Self)
    }

    /// Code, `SF_PMC`.
    #[must_use]
    pub fn code(self) -> &'static str {
        Matrix::get().columns.get(self.0).map_or("", |column| &column.code)
    }

    /// Chinese name.
    #[must_use]
    pub fn zh(self) -> &'static str {
        Matrix::get().columns.get(self.0).map_or("", |column| &column.zh)
    }

    /// Whether it is for readers of any agency in a role of theirs, and not for an agency.
    #[must_use]
    pub fn is_of_role(self) -> bool {
        Matrix::get().columns.get(self.0).is_some_and(|column| !column.roles.is_empty())
    }

    /// Whether it is for parties and their representatives.
    #[must_use]
    pub fn is_of_parties(self) -> bool {
        Matrix::get().columns.get(self.0).is_some_and(|column| column.roles.contains(&Role::Pty))
    }

    /// Whether it is for grid workers.
    #[must_use]
    pub fn is_of_grids(self) -> bool {
        Matrix::get().columns.get(self.0).is_some_and(|column| column.roles.contains(&Role::Grid))
    }

    /// Whether it is for the audit.
    #[must_use]
    pub fn is_of_audit(self) -> bool {
        Matrix::get().columns.get(self.0).is_some_and(|column| column.kinds.contains(&AgencyKind::Audit))
    }
}

/// What stands at a row and a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cell {
    /// Grade.
    pub grade: Grade,
    /// Footnote that the grade depends on.
    pub footnote: Option<Footnote>,
}

/// A condition on a cell, `1` to `11`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Footnote(u8);

impl Footnote {
    /// Number.
    #[must_use]
    pub const fn number(self) -> u8 {
        self.0
    }

    /// Every footnote, by number.
    pub fn all() -> impl Iterator<Item = Self> {
        Matrix::get().footnotes.keys().copied().map(Self)
    }

    /// What it says, in Chinese and English.
    #[must_use]
    pub fn text(self) -> (&'static str, &'static str) {
        Matrix::get().footnotes.get(&self.0).map_or(("", ""), |note| (&note.zh, &note.en))
    }

    /// What holds where its condition does not.
    #[must_use]
    pub fn otherwise(self) -> Grade {
        Matrix::get().footnotes.get(&self.0).map_or(Grade::None, |note| note.otherwise)
    }
}

/// Footnotes whose conditions are met.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Footnotes(u32);

impl Footnotes {
    /// These and one more.
    #[must_use]
    pub fn and(self, footnote: Footnote) -> Self {
        Self(self.0 | 1_u32.checked_shl(footnote.0.into()).unwrap_or(0))
    }

    /// Whether one is among them.
    #[must_use]
    pub fn has(self, footnote: Footnote) -> bool {
        self.0 & 1_u32.checked_shl(footnote.0.into()).unwrap_or(0) != 0
    }
}

/// A rule beside the cells, as the data writes it.
#[derive(Debug, Deserialize)]
pub struct Note {
    /// Id, `M-1`.
    pub id: String,
    /// English.
    pub en: String,
    /// Chinese.
    pub zh: String,
}

/// The rules beside the cells, in the order of the data.
#[must_use]
pub fn notes() -> &'static [Note] {
    &Matrix::get().notes
}

/// What stands at a row and a column. Nothing stands where the matrix has no such place, and that is not visible.
#[must_use]
pub fn cell(row: Row, column: Column) -> Cell {
    let found = Matrix::get().line(row).and_then(|line| line.cells.get(column.0));
    found.copied().unwrap_or(Cell { grade: Grade::None, footnote: None })
}

#[derive(Debug)]
struct Matrix {
    /// Row 1 first, none left out.
    rows: Vec<Line>,
    columns: Vec<Reads>,
    footnotes: BTreeMap<u8, FootnoteText>,
    notes: Vec<Note>,
}

#[derive(Debug)]
struct Line {
    zh: String,
    en: String,
    cells: Vec<Cell>,
}

#[derive(Debug)]
struct Reads {
    code: String,
    zh: String,
    kinds: Vec<AgencyKind>,
    roles: Vec<Role>,
}

#[derive(Debug)]
struct FootnoteText {
    zh: String,
    en: String,
    otherwise: Grade,
}

impl Matrix {
    fn get() -> &'static Self {
        &MATRIX
    }

    fn line(&self, row: Row) -> Option<&Line> {
        self.rows.get(usize::from(row.0).checked_sub(1)?)
    }

    fn load() -> Result<Self, LoadError> {
        let data: NotesData = serde_json::from_str(NOTES)?;
        let mut lines = CSV.lines();
        let head = split(lines.next().unwrap_or_default());
        let codes: Vec<&str> = data.columns.iter().map(|column| column.code.as_str()).collect();
        if head.get(TITLES..).unwrap_or_default() != codes.as_slice() {
            return Err(LoadError::Columns);
        }
        let columns = data.columns.iter().map(|column| {
            Ok(Reads {
                code: column.code.clone(),
                zh: column.zh.clone(),
                kinds: numbers(&TYPES_AGENCY_KIND, &column.agency_kinds)?,
                roles: numbers(&TYPES_ROLE, &column.roles)?,
            })
        });
        let columns = columns.collect::<Result<Vec<_>, LoadError>>()?;
        let mut footnotes = BTreeMap::new();
        for note in data.footnotes {
            let otherwise = Grade::of(&note.otherwise).ok_or(LoadError::Cell(note.otherwise))?;
            let id = note.id.parse().map_err(|_| LoadError::Cell(note.id))?;
            footnotes.insert(id, FootnoteText { zh: note.zh, en: note.en, otherwise });
        }
        let rows = (1..).map(Row).zip(lines).map(|(row, line)| read_line(row, line, columns.len(), &footnotes));
        let rows = rows.collect::<Result<_, _>>()?;
        Ok(Self { rows, columns, footnotes, notes: data.rules })
    }
}

fn read_line(
    expected: Row,
    line: &str,
    columns: usize,
    footnotes: &BTreeMap<u8, FootnoteText>,
) -> Result<Line, LoadError> {
    let fields = split(line);
    let bad = || LoadError::Row(line.to_owned());
    let [row, en, zh, cells @ ..] = fields.as_slice() else { return Err(bad()) };
    if *row != expected.to_string() || cells.len() != columns {
        return Err(bad());
    }
    let cells = cells.iter().map(|text| {
        let (letter, note) = text.split_at_checked(1).unwrap_or_default();
        let grade = Grade::of(letter).ok_or_else(|| LoadError::Cell((*text).to_owned()))?;
        let footnote = note.parse().ok().filter(|note| footnotes.contains_key(note)).map(Footnote);
        let known = note.is_empty() || footnote.is_some();
        known.then_some(Cell { grade, footnote }).ok_or_else(|| LoadError::Cell((*text).to_owned()))
    });
    let cells = cells.collect::<Result<_, _>>()?;
    Ok(Line { zh: (*zh).to_owned(), en: (*en).to_owned(), cells })
}

/// Fields of a line of CSV (RFC 4180) in which a quoted field holds no quote.
fn split(line: &str) -> Vec<&str> {
    let mut fields = Vec::new();
    let mut rest = Some(line);
    while let Some(text) = rest {
        let (field, after) = match text.strip_prefix('"').and_then(|quoted| quoted.split_once('"')) {
            Some((field, after)) => (field, after.strip_prefix(',')),
            None => text.split_once(',').map_or((text, None), |(field, after)| (field, Some(after))),
        };
        fields.push(field);
        rest = after;
    }
    fields
}

fn numbers<T: TryFrom<i32>>(list: &EnumInfo, codes: &[String]) -> Result<Vec<T>, LoadError> {
    let number = |code: &String| {
        let number = list.number(code).and_then(|number| T::try_from(number).ok());
        number.ok_or_else(|| LoadError::Code(code.clone()))
    };
    codes.iter().map(number).collect()
}

/// The data does not fit together. It is compiled in, so this is a defect of the program.
#[derive(Debug, thiserror::Error)]
enum LoadError {
    #[error("the notes cannot be read: {0}")]
    Notes(#[from] serde_json::Error),
    #[error("the columns of the matrix and of its notes differ")]
    Columns,
    #[error("no row of the matrix: {0}")]
    Row(String),
    #[error("no cell or footnote: {0}")]
    Cell(String),
    #[error("no code: {0}")]
    Code(String),
}

#[derive(Deserialize)]
struct NotesData {
    columns: Vec<ColumnData>,
    footnotes: Vec<FootnoteData>,
    rules: Vec<Note>,
}

#[derive(Deserialize)]
struct ColumnData {
    code: String,
    zh: String,
    agency_kinds: Vec<String>,
    roles: Vec<String>,
}

#[derive(Deserialize)]
struct FootnoteData {
    id: String,
    en: String,
    zh: String,
    otherwise: String,
}

/// Columns of the table before those of the readers.
const TITLES: usize = 3;

const CSV: &str = include_str!("../../data/visibility.csv");
const NOTES: &str = include_str!("../../data/visibility_notes.json");

static MATRIX: LazyLock<Matrix> = LazyLock::new(|| match Matrix::load() {
    Ok(matrix) => matrix,
    Err(error) => panic!("the embedded visibility matrix cannot be used: {error}"),
});
