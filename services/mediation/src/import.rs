//! Acts from a spreadsheet: what an agency has on paper, or in a system of its own, is recorded row by row.
//!
//! ```text
//! file ─ bounds ─ sheets of text (`book`) ─ columns ← descriptors of the act (`column`) ─ acts, admitted here (`act`) ─▶ desk
//! ```
//!
//! A column is a field of the act, named by its path: `division`, `parties.1.side`. There is no list of acts here: what the
//! descriptors say of an act is what its sheet may hold. Every cell is read, and every act admitted by the rules by which the desk
//! admits it, before the first is sent.
//!
//! Sent twice is recorded once: event and chain ids are digests of the file's batch and of what names the act in it
//! (`identity`), so that a second run, or one of a corrected file, meets what the first has recorded.

pub(crate) mod act;
pub(crate) mod book;
pub(crate) mod column;
pub(crate) mod identity;
pub(crate) mod template;
#[cfg(test)]
mod tests;

use std::fmt;

use mediation_domain::wording::is_hidden;

/// First cell of a sheet that holds acts, in front of the batch.
pub(crate) const CHAIN: &str = "chain@";

/// Column of the business time.
pub(crate) const OCCURRED_AT: &str = "occurred_at";

/// What a row begins with that is for people only.
pub(crate) const REMARK: char = '#';

/// Where a cell stands.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    /// Name of the sheet.
    pub(crate) sheet: String,
    /// Row, from 1 on.
    pub(crate) row: u32,
    /// Column, from 1 on.
    pub(crate) column: u32,
}

impl fmt::Display for Place {
    /// As spreadsheets name it: `纠纷登记!B7`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}!{}{}", self.sheet, letters(self.column), self.row)
    }
}

/// Letters of a column, from `A` for 1 on.
fn letters(column: u32) -> String {
    let mut letters = Vec::new();
    let mut left = column;
    while left > 0 {
        left -= 1;
        letters.extend(char::from_digit(left % 26 + 10, 36).map(|letter| letter.to_ascii_uppercase()));
        left /= 26;
    }
    letters.iter().rev().collect()
}

/// What is wrong with a cell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) place: Place,
    /// What stands there; none where it is personal, or where nothing stands.
    pub(crate) shown: Option<String>,
    pub(crate) zh: String,
    pub(crate) en: String,
}

/// Letters of a cell that a fault shows at most.
const SHOWN_MAX: usize = 40;

impl Fault {
    pub(crate) fn at(place: Place, zh: impl Into<String>, en: impl Into<String>) -> Self {
        Self { place, shown: None, zh: zh.into(), en: en.into() }
    }

    /// The same, with what stands there.
    pub(crate) fn showing(self, text: &str) -> Self {
        let mut shown: String = text.chars().take(SHOWN_MAX).filter(|letter| !is_hidden(*letter)).collect();
        if text.chars().count() > SHOWN_MAX {
            shown.push('…');
        }
        Self { shown: Some(shown).filter(|shown| !shown.is_empty()), ..self }
    }
}
