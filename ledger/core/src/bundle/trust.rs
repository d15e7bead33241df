//! The trust file: whom a verifier believes before he looks at anything (C2SP `tlog-policy`, genesis pinned in a comment).
//!
//! ```text
//! # genesis 5f…                        leaf hash of the founding
//! # retired-log ledger.example/main+…  key of the log that was replaced: what it signed before still holds
//! log ledger.example/main+f68d6000+A…  keys of the log; several while one replaces the other
//! witness court court.example/w+ee…+B…
//! group centers 2 court petition …     so many of these, or `any`, or `all`
//! quorum centers                       or `none`
//! ```

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    checkpoint::Cosignature,
    merkle::Hash,
    note::{KeyName, VerifierKey},
};

/// A trust file, read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrustFile {
    genesis: Option<Hash>,
    logs: Vec<VerifierKey>,
    /// Keys of the log that were retired in good order.
    retired: Vec<VerifierKey>,
    witnesses: BTreeMap<String, VerifierKey>,
    groups: BTreeMap<String, (usize, Vec<String>)>,
    /// Names of the groups, each after those of its members.
    order: Vec<String>,
    quorum: Option<String>,
}

/// Why a text is no trust file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line} of the trust file cannot be understood")]
pub struct TrustFileError {
    /// Line, from 1; the line behind the last when something is missing.
    pub line: usize,
}

impl TrustFile {
    /// Reads a trust file.
    ///
    /// # Errors
    /// The first line that cannot be understood: keys of two logs, a member that stands nowhere before, a name,
    /// member or witness twice, no log, or not one quorum.
    pub fn parse(text: &str) -> Result<Self, TrustFileError> {
        let mut file = Self {
            genesis: None,
            logs: Vec::new(),
            retired: Vec::new(),
            witnesses: BTreeMap::new(),
            groups: BTreeMap::new(),
            order: Vec::new(),
            quorum: None,
        };
        let mut line = 0;
        for text in text.lines() {
            line += 1;
            file.take(text).ok_or(TrustFileError { line })?;
        }
        let is_own = |key: &VerifierKey| file.origin() == Some(key.name());
        if file.logs.is_empty() || file.quorum.is_none() || !file.retired.iter().all(is_own) {
            return Err(TrustFileError { line: line + 1 });
        }
        Ok(file)
    }

    /// Leaf hash of the founding, when it is pinned.
    #[must_use]
    pub fn genesis(&self) -> Option<Hash> {
        self.genesis
    }

    /// Keys of the log, those that were retired last. All have the name of the log.
    pub fn logs(&self) -> impl Iterator<Item = &VerifierKey> {
        self.logs.iter().chain(&self.retired)
    }

    /// Name of the log. None never: a file that was read names a log.
    #[must_use]
    pub fn origin(&self) -> Option<&KeyName> {
        self.logs.first().map(VerifierKey::name)
    }

    /// Every key that a checkpoint's signature may be of.
    #[must_use]
    pub fn keys(&self) -> Vec<VerifierKey> {
        self.logs().chain(self.witnesses.values()).cloned().collect()
    }

    /// Number of witnesses.
    #[must_use]
    pub fn witness_count(&self) -> usize {
        self.witnesses.len()
    }

    /// Whether these cosignatures meet the quorum.
    #[must_use]
    pub fn is_met_by(&self, cosignatures: &[Cosignature]) -> bool {
        match self.quorum.as_deref() {
            Some(NONE) => true,
            Some(quorum) => self.met(cosignatures).contains(quorum),
            None => false,
        }
    }

    /// The witnesses that have cosigned, and the groups that have enough members. One pass in the order of the file: a
    /// walk from the quorum down could be as long as the product of its groups.
    fn met(&self, cosignatures: &[Cosignature]) -> BTreeSet<&str> {
        let cosigned =
            |key: &VerifierKey| cosignatures.iter().any(|one| one.witness == *key.name() && one.key_id == key.id());
        let witnesses = self.witnesses.iter().filter(|(_, key)| cosigned(key));
        let mut met: BTreeSet<&str> = witnesses.map(|(name, _)| name.as_str()).collect();
        for name in &self.order {
            let Some((needed, members)) = self.groups.get(name) else { continue };
            if members.iter().filter(|member| met.contains(member.as_str())).count() >= *needed {
                met.insert(name);
            }
        }
        met
    }

    fn take(&mut self, line: &str) -> Option<()> {
        if let Some(genesis) = line.strip_prefix("# genesis ") {
            return self.genesis.replace(genesis.parse().ok()?).is_none().then_some(());
        }
        if let Some(retired) = line.strip_prefix("# retired-log ") {
            self.retired.push(retired.parse().ok()?);
            return Some(());
        }
        if line.starts_with('#') {
            return Some(());
        }
        let words: Vec<&str> = line.split_ascii_whitespace().collect();
        match words.as_slice() {
            [] => {}
            ["log", key] | ["log", key, _] => {
                let key: VerifierKey = key.parse().ok()?;
                self.origin().is_none_or(|origin| origin == key.name()).then_some(())?;
                self.logs.push(key);
            }
            ["witness", name, key] | ["witness", name, key, _] if self.is_free(name) => {
                // Under two names a witness would count twice.
                let key: VerifierKey = key.parse().ok()?;
                let is_new = self.witnesses.values().all(|known| known.public_key() != key.public_key());
                is_new.then_some(())?;
                self.witnesses.insert((*name).to_owned(), key);
            }
            ["group", name, needed, members @ ..] if self.is_free(name) && !members.is_empty() => {
                members.iter().all(|member| *member != NONE && !self.is_free(member)).then_some(())?;
                // A member counts once.
                (members.iter().collect::<BTreeSet<_>>().len() == members.len()).then_some(())?;
                let needed = match *needed {
                    "any" => 1,
                    "all" => members.len(),
                    count => count.parse().ok().filter(|count| (1..=members.len()).contains(count))?,
                };
                let members = members.iter().map(|member| (*member).to_owned()).collect();
                self.groups.insert((*name).to_owned(), (needed, members));
                self.order.push((*name).to_owned());
            }
            ["quorum", name] if self.quorum.is_none() && (*name == NONE || !self.is_free(name)) => {
                self.quorum = Some((*name).to_owned());
            }
            _ => return None,
        }
        Some(())
    }

    fn is_free(&self, name: &str) -> bool {
        name != NONE && !self.witnesses.contains_key(name) && !self.groups.contains_key(name)
    }
}

/// The quorum of no witnesses; no witness or group may have this name.
const NONE: &str = "none";

#[cfg(test)]
mod tests {
    use ed25519_dalek::SigningKey;

    use super::*;
    use crate::note::SignatureType;

    fn vkey(name: &str, seed: u8, signature_type: SignatureType) -> VerifierKey {
        let key = SigningKey::from_bytes(&[seed; 32]);
        VerifierKey::new(name.parse().unwrap(), signature_type, key.verifying_key()).unwrap()
    }

    fn log() -> String {
        format!("log {}\n", vkey("ledger.example/main", 1, SignatureType::Ed25519))
    }

    fn witness(at: u8) -> VerifierKey {
        vkey(&format!("w{at}.example"), 10 + at, SignatureType::CosignatureV1)
    }

    #[test]
    fn a_quorum_is_met_by_enough_members_of_its_groups() {
        let witnesses: String = (0..4).map(|at| format!("witness w{at} {}\n", witness(at))).collect();
        let text = format!("{}{witnesses}group pair all w0 w1\ngroup two 2 pair w2 w3\nquorum two\n", log());
        let file = TrustFile::parse(&text).unwrap();
        let cosigned = |ats: &[u8]| -> Vec<Cosignature> {
            let one = |at| Cosignature { witness: witness(at).name().clone(), key_id: witness(at).id(), time: 1 };
            ats.iter().copied().map(one).collect()
        };
        for (by, met) in [(vec![2, 3], true), (vec![0, 1, 3], true), (vec![0, 3], false), (vec![0, 1], false)] {
            assert_eq!(file.is_met_by(&cosigned(&by)), met, "{by:?}");
        }
        assert!(TrustFile::parse(&format!("{}quorum none\n", log())).unwrap().is_met_by(&[]));
    }

    #[test]
    fn groups_of_groups_cost_no_more_than_their_lines() {
        let groups: String = (2..2_000).map(|at| format!("group w{at} any w{} w{}\n", at - 1, at - 2)).collect();
        let text = format!("{}witness w0 {}\nwitness w1 {}\n{groups}quorum w1999\n", log(), witness(0), witness(1));
        assert!(!TrustFile::parse(&text).unwrap().is_met_by(&[]));
    }

    #[test]
    fn what_cannot_be_understood_is_refused_with_its_line() {
        let other = format!("log {}\n", vkey("other.example", 2, SignatureType::Ed25519));
        let cases = [
            (String::new(), 1),
            ("quorum none\n".to_owned(), 2),
            (log(), 2),
            (format!("{}{other}quorum none\n", log()), 2),
            (format!("{}quorum none\nquorum none\n", log()), 3),
            (format!("{}group g 1 nobody\nquorum g\n", log()), 2),
            (format!("{}witness w {}\ngroup g 2 w w\nquorum g\n", log(), witness(0)), 3),
            (format!("{}witness w {}\nwitness v {}\nquorum w\n", log(), witness(0), witness(0)), 3),
            (format!("{}quorum nobody\n", log()), 2),
            (format!("# genesis 00\n{}quorum none\n", log()), 1),
            (format!("{}wibble\nquorum none\n", log()), 2),
        ];
        for (text, line) in cases {
            assert_eq!(TrustFile::parse(&text), Err(TrustFileError { line }), "{text}");
        }
    }
}
