//! Trust policies: which logs and witnesses count, and how many of them make a quorum (C2SP `tlog-policy`).
//!
//! ```text
//! log ledger.example/main+f68d6000+AepKbGPi…  https://ledger.example/log     the address is optional
//! witness court court.example/w+eefa5965+BP0XJDha…  https://court.example/w
//! witness petition …
//! witness justice …
//! group centers 2 court petition justice           at least 2 of them; `any` is 1, `all` is every one
//! quorum centers                                   a group, a witness, or `none`
//! ```
//!
//! Names stand only for what an earlier line has defined, and each is a member of one group at most, so that no witness
//! counts twice. Empty lines and lines that begin with `#` say nothing. A witness is told apart by its key: one Ed25519
//! key is one witness, whatever its names.

use std::{collections::BTreeMap, fmt, str::FromStr};

use crate::{
    checkpoint::Cosignature,
    note::{SignatureType, VerifierKey, VerifierKeyError},
};

mod reading;

#[cfg(test)]
mod tests;

/// Bytes of a policy file: some hundred lines.
pub const POLICY_BYTES_MAX: usize = 64 * 1024;

/// Logs, witnesses, and groups of one policy, each; C2SP asks for at least 32.
pub const DEFINITIONS_MAX: usize = 64;

/// A policy. `Display` gives its lines, without comments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    logs: Vec<PolicyLog>,
    /// Witnesses and groups, each after those that it names.
    definitions: Vec<(String, Definition)>,
    quorum: Quorum,
}

/// A log that the policy trusts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyLog {
    /// Key; its name is the origin.
    pub key: VerifierKey,
    /// Address, if the policy gives one.
    pub url: Option<String>,
}

/// A witness that the policy trusts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyWitness {
    /// Key of its cosignatures.
    pub key: VerifierKey,
    /// Address, if the policy gives one: the prefix of its submissions.
    pub url: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Definition {
    Witness(Box<PolicyWitness>),
    Group { threshold: Threshold, members: Vec<String> },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Threshold {
    Any,
    All,
    AtLeast(usize),
}

/// What makes a checkpoint witnessed.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Quorum {
    None,
    Of(String),
}

impl Policy {
    /// Reads a policy file.
    ///
    /// # Errors
    /// The first thing that is wrong, with the number of its line.
    pub fn parse(bytes: &[u8]) -> Result<Self, PolicyError> {
        reading::policy(bytes)
    }

    /// The logs, in the order of the file.
    #[must_use]
    pub fn logs(&self) -> &[PolicyLog] {
        &self.logs
    }

    /// The witnesses with their names, in the order of the file.
    pub fn witnesses(&self) -> impl Iterator<Item = (&str, &PolicyWitness)> {
        self.definitions.iter().filter_map(|(name, definition)| match definition {
            Definition::Witness(witness) => Some((name.as_str(), witness.as_ref())),
            Definition::Group { .. } => None,
        })
    }

    /// Keys of the logs and witnesses: what a note is verified with.
    #[must_use]
    pub fn keys(&self) -> Vec<VerifierKey> {
        let logs = self.logs.iter().map(|log| log.key.clone());
        logs.chain(self.witnesses().map(|(_, witness)| witness.key.clone())).collect()
    }

    /// Whether no witness is needed.
    #[must_use]
    pub fn needs_no_witness(&self) -> bool {
        self.quorum == Quorum::None
    }

    /// Whether these cosignatures make the quorum. They must have been verified, see
    /// [`crate::checkpoint::SignedCheckpoint::verify`]; those of strangers do not count.
    #[must_use]
    pub fn is_met(&self, cosignatures: &[Cosignature]) -> bool {
        let Quorum::Of(quorum) = &self.quorum else { return true };
        let mut met: BTreeMap<&str, bool> = BTreeMap::new();
        // A definition names only earlier ones, so that one pass in their order is enough.
        for (name, definition) in &self.definitions {
            let holds = match definition {
                Definition::Witness(witness) => {
                    let key = (witness.key.name(), witness.key.id());
                    cosignatures.iter().any(|found| (&found.witness, found.key_id) == key)
                }
                Definition::Group { threshold, members } => {
                    let count = members.iter().filter(|member| met.get(member.as_str()).copied() == Some(true)).count();
                    count >= threshold.count(members.len())
                }
            };
            met.insert(name, holds);
        }
        met.get(quorum.as_str()).copied().unwrap_or(false)
    }
}

impl Threshold {
    fn count(self, members: usize) -> usize {
        match self {
            Self::Any => 1,
            Self::All => members,
            Self::AtLeast(count) => count,
        }
    }
}

impl FromStr for Policy {
    type Err = PolicyError;

    fn from_str(text: &str) -> Result<Self, PolicyError> {
        Self::parse(text.as_bytes())
    }
}

impl fmt::Display for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let address = |url: &Option<String>| url.as_ref().map_or_else(String::new, |url| format!(" {url}"));
        for PolicyLog { key, url } in &self.logs {
            writeln!(f, "log {key}{}", address(url))?;
        }
        for (name, definition) in &self.definitions {
            match definition {
                Definition::Witness(witness) => {
                    writeln!(f, "witness {name} {}{}", witness.key, address(&witness.url))?;
                }
                Definition::Group { threshold, members } => {
                    writeln!(f, "group {name} {threshold} {}", members.join(" "))?;
                }
            }
        }
        match &self.quorum {
            Quorum::None => writeln!(f, "quorum {NONE}"),
            Quorum::Of(name) => writeln!(f, "quorum {name}"),
        }
    }
}

impl fmt::Display for Threshold {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => f.write_str("any"),
            Self::All => f.write_str("all"),
            Self::AtLeast(count) => count.fmt(f),
        }
    }
}

/// Why bytes are not a policy.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PolicyError {
    /// Too many bytes.
    #[error("a policy of {size} bytes is larger than {POLICY_BYTES_MAX}")]
    TooLarge {
        /// Size in bytes.
        size: usize,
    },
    /// Not UTF-8.
    #[error("the policy is not UTF-8")]
    NotUtf8,
    /// There is no line `quorum`.
    #[error("the policy has no line `quorum`")]
    NoQuorum,
    /// A line is not as it should be.
    #[error("line {line} of the policy: {problem}")]
    Line {
        /// Number of the line, from 1.
        line: usize,
        /// What is wrong with it.
        problem: LineProblem,
    },
}

/// What is wrong with a line of a policy.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LineProblem {
    /// A control character other than a tab.
    #[error("a control character")]
    ControlCharacter,
    /// The line does not end.
    #[error("it does not end in a line feed")]
    Unterminated,
    /// The first word is none that a line begins with.
    #[error("`{word}` is not `log`, `witness`, `group` or `quorum`")]
    Keyword {
        /// The word.
        word: String,
    },
    /// Too few or too many words.
    #[error("it is not of the form `{form}`")]
    Form {
        /// What it should be.
        form: &'static str,
    },
    /// Not a vkey.
    #[error(transparent)]
    Key(#[from] VerifierKeyError),
    /// A log with the key of a witness, or the other way round.
    #[error("the key of `{name}` is of the wrong type for a {role}")]
    KeyType {
        /// Name of the key.
        name: String,
        /// `log` or `witness`.
        role: &'static str,
    },
    /// A public key that an earlier line has.
    #[error("an earlier {role} has the same public key")]
    DuplicateKey {
        /// `log` or `witness`.
        role: &'static str,
    },
    /// A name that an earlier line has defined, or that nothing may have.
    #[error("the name `{name}` is taken")]
    NameTaken {
        /// The name.
        name: String,
    },
    /// A name that no earlier line has defined.
    #[error("no earlier line defines `{name}`")]
    Undefined {
        /// The name.
        name: String,
    },
    /// A name that is a member already.
    #[error("`{name}` is a member of a group already")]
    MemberTwice {
        /// The name.
        name: String,
    },
    /// A threshold that no number of members makes sense of.
    #[error("the threshold `{threshold}` is not `any`, `all`, or a number from 1 to {members}")]
    Threshold {
        /// As written.
        threshold: String,
        /// Members of the group.
        members: usize,
    },
    /// A second quorum.
    #[error("an earlier line gives the quorum")]
    QuorumTwice,
    /// Too many lines of one sort.
    #[error("more than {DEFINITIONS_MAX} of them")]
    TooMany,
}

/// Stands for no witness at all.
const NONE: &str = "none";

/// Whether a key may cosign.
fn is_witness_key(key: &VerifierKey) -> bool {
    key.signature_type() == SignatureType::CosignatureV1
}
