//! Lists as files for a spreadsheet: one table, as CSV (RFC 4180) or as a workbook (Office Open XML, `.xlsx`).
//!
//! ```text
//! answer of the ledger ─ list (one function for each) ─▶ Table ─▶ CSV, in UTF-8 with a mark that spreadsheets look for
//!                                                              └▶ workbook: days are days, numbers numbers, all else text
//! ```
//!
//! Nothing in a cell runs. A workbook says of each cell what it is, and text is text whatever it begins with. A CSV cannot say
//! so: a cell that a spreadsheet would take for a formula gets an apostrophe in front. In both, letters that could change how
//! others are shown are named.

mod figures;
mod list;
mod workbook;

use std::fmt::Write as _;

use mediation_domain::wording::is_hidden;

pub use self::{
    figures::{compared, days, figures},
    list::{accesses, agencies, chains, duties},
};
pub(crate) use self::{
    figures::{numbers, part, period, title, verdict},
    list::kind_of_duty,
};
pub use crate::tongue::Tongue;

/// A list that is complete.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Table {
    /// Name of the sheet, in the language of the columns; at most 31 letters, none of `[]:*?/\`.
    pub name: String,
    /// What the cells of each row are.
    pub columns: Vec<Column>,
    /// Cells, as many in each row as there are columns.
    pub rows: Vec<Vec<String>>,
}

/// A column of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// What stands above it.
    pub title: String,
    /// What its cells are.
    pub kind: Kind,
}

/// What a cell is. One that is not in the form of its kind is text, and an empty one nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Text.
    Text,
    /// A day, `YYYY-MM-DD`.
    Day,
    /// A day and a time of the clock in Shanghai, `YYYY-MM-DD HH:MM:SS`.
    Instant,
    /// A number without fraction.
    Number,
}

/// The table cannot be written: a fault of ours.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SheetError {
    /// It makes no CSV.
    #[error("the table makes no CSV")]
    Csv(#[from] csv::Error),
    /// It makes no workbook.
    #[error("the table makes no workbook")]
    Workbook(#[from] rust_xlsxwriter::XlsxError),
}

impl Table {
    /// An empty table with these columns, of which each has a name in Chinese, one in English, and a kind.
    #[must_use]
    pub fn new(name: &str, columns: &[(&str, &str, Kind)], tongue: Tongue) -> Self {
        let column = |(zh, en, kind): &(&str, &str, Kind)| Column { title: tongue.say(zh, en).to_owned(), kind: *kind };
        Self { name: name.to_owned(), columns: columns.iter().map(column).collect(), rows: Vec::new() }
    }

    /// A file with a line for each row, below the names of the columns.
    ///
    /// # Errors
    /// [`SheetError::Csv`] when a row has not as many cells as there are columns.
    pub fn csv(&self) -> Result<Vec<u8>, SheetError> {
        let mut writer = csv::WriterBuilder::new().terminator(csv::Terminator::CRLF).from_writer(MARK.to_vec());
        writer.write_record(self.columns.iter().map(|column| &column.title))?;
        for row in &self.rows {
            writer.write_record(row.iter().map(|cell| as_text(cell)))?;
        }
        Ok(writer.into_inner().map_err(|error| csv::Error::from(error.into_error()))?)
    }

    /// A workbook with this table as its only sheet: its head stays in view, and its columns are as wide as they need to be.
    ///
    /// # Errors
    /// [`SheetError::Workbook`] when the name or the number of rows is none that a workbook can have.
    pub fn workbook(&self) -> Result<Vec<u8>, SheetError> {
        Ok(workbook::written(std::slice::from_ref(self))?)
    }
}

/// The workbook of several tables, one sheet for each.
///
/// # Errors
/// [`SheetError::Workbook`] when a name or the number of rows is none that a workbook can have.
pub fn workbook(tables: &[Table]) -> Result<Vec<u8>, SheetError> {
    Ok(workbook::written(tables)?)
}

/// A cell that is text to whoever opens a CSV, whatever stands in it.
fn as_text(cell: &str) -> String {
    let named = named(cell);
    if cell.starts_with(FORMULA) { format!("'{named}") } else { named }
}

/// Text with those letters named that could change how others are shown.
fn named(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for letter in text.chars() {
        // The last two letters of the plane are no characters: no XML may hold them.
        if letter != '\n' && is_hidden(letter) || matches!(letter, '\u{fffe}' | '\u{ffff}') {
            // Writing to memory cannot fail.
            write!(shown, "[U+{:04X}]", u32::from(letter)).unwrap_or_default();
        } else {
            shown.push(letter);
        }
    }
    shown
}

/// Mark by which spreadsheets know UTF-8.
const MARK: &[u8] = "\u{feff}".as_bytes();

/// Letters with which a formula begins, or with which a spreadsheet skips to one; the wide ones count where people write Chinese.
const FORMULA: [char; 11] = ['=', '+', '-', '@', '\t', '\r', '\n', '＝', '＋', '－', '＠'];

#[cfg(test)]
mod tests;
