//! What pins a rule set: a digest over the files that make it up.

use std::{fmt, fmt::Write as _};

use sha2::{Digest as _, Sha256};

/// One of the files that make up a rule set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// Path below `ledger/domain/data`.
    pub name: String,
    /// SHA-256 over its bytes.
    pub sha256: [u8; 32],
}

impl Source {
    pub(super) fn new(name: &str, text: &str) -> Self {
        Self { name: name.to_owned(), sha256: Sha256::digest(text.as_bytes()).into() }
    }

    /// The line that `sha256sum` prints for it.
    #[must_use]
    pub fn line(&self) -> String {
        format!("{}  {}\n", hex(&self.sha256), self.name)
    }
}

/// SHA-256 over the lines of the files, sorted by name: what `sha256sum FILES | sha256sum` prints in the directory of the
/// data, so that nobody needs this program to compute it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RulesDigest(pub [u8; 32]);

impl RulesDigest {
    pub(super) fn over(sources: &[Source]) -> Self {
        let mut hasher = Sha256::new();
        for source in sources {
            hasher.update(source.line().as_bytes());
        }
        Self(hasher.finalize().into())
    }
}

impl fmt::Display for RulesDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex(&self.0))
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        // A String takes everything.
        write!(text, "{byte:02x}").unwrap_or_default();
        text
    })
}
