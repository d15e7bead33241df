//! Who exported a bundle, when and why. It stands in the manifest and, when the report is printed, on each page, so that a copy
//! that goes astray says whose it was.
//!
//! It is the exporter's word and no proof: nobody signs it, and whoever has a bundle can make one that says otherwise. The
//! evidence is the record of the reading (`RecordAccessed` for the purpose EXPORT) on the access chain of his agency.

use mediation_domain::{
    calendar::{format_instant, parse_instant},
    history::EventId,
};
use serde::{Deserialize, Serialize};

use crate::limits::EXPORTER_BYTES_MAX;

/// An export, as the exporter tells it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Exported {
    /// Random id of the export, a UUID.
    pub id: String,
    /// When: `YYYY-MM-DDTHH:MM:SS+08:00`.
    pub at: String,
    /// Code of `AccessPurpose`.
    pub purpose: String,
    /// Who; none: the holder of the directory, from which it was exported with nobody serving it.
    pub by: Option<Exporter>,
}

/// Who exported.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Exporter {
    /// Agency, as its certificate names it.
    pub agency: String,
    /// Official, or a party by pseudonym.
    pub official: String,
    /// Code of `Role`; none where he said none.
    pub role: Option<String>,
}

impl Exported {
    /// An export at an instant, in seconds since 1970-01-01T00:00:00Z. `id` is 16 random bytes.
    #[must_use]
    pub fn new(id: [u8; 16], at: i64, purpose: &str, by: Option<Exporter>) -> Self {
        Self { id: EventId(id).to_string(), at: format_instant(at), purpose: purpose.to_owned(), by }
    }

    /// Whether every field has its one form: letters that are shown as they are, and nothing else.
    pub(super) fn is_formed(&self) -> bool {
        let is_word = |text: &str| {
            let formed = |letter: u8| letter.is_ascii_alphanumeric() || b"-_/.:".contains(&letter);
            (1..=EXPORTER_BYTES_MAX).contains(&text.len()) && text.bytes().all(formed)
        };
        let who = self
            .by
            .as_ref()
            .is_none_or(|by| is_word(&by.agency) && is_word(&by.official) && by.role.as_deref().is_none_or(is_word));
        let at = parse_instant(&self.at).map(format_instant);
        who && is_word(&self.purpose) && EventId::parse(&self.id).is_some() && at.as_ref() == Some(&self.at)
    }

    /// What is printed of it, in Chinese and English.
    #[must_use]
    pub fn told(&self) -> String {
        let Self { id, at, purpose, by } = self;
        let who = match by {
            Some(Exporter { agency, official, role }) => {
                format!("{agency} {official} {}", role.as_deref().unwrap_or("—"))
            }
            None => "账本目录持有人 the holder of the directory".to_owned(),
        };
        format!("{who}，目的 for {purpose}，{at}，导出编号 export id {id}")
    }
}

/// What it is worth.
pub const EXPORTED_IS_NO_PROOF: &str =
    "导出者自述，不是证明；以查阅记录为准 · the exporter's word and no proof; the record of the reading counts";
