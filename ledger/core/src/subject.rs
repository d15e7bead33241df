//! Pseudonyms of persons: made of the number of an identity document under a secret key, so that every agency of a ledger knows
//! the same person by the same pseudonym, and nobody without the key can try numbers until one fits.
//!
//! ```text
//! pseudonym = "psn_" or "org_" | hex of the first 16 bytes of
//!             HMAC( key[32], "mediation-ledger/subject/v1" 0x00 | u8 kind of document | number in its one form )
//! HMAC      = HMAC-SHA-256 (RFC 2104, FIPS 198-1); HMAC-SM3 (GB/T 15852.2) in a ledger of the SM suite
//! ```
//!
//! A plain hash would not do: there are fewer numbers of residents than a machine hashes in an hour. The number itself is kept
//! nowhere.

use std::fmt;

use hmac::{Hmac, KeyInit, Mac};
use mediation_domain::identity::{NumberFault, normalised};
use mediation_proto::mediation::types::v1::IdKind;
use sha2::{Digest as _, Sha256};
use sm3::Sm3;
use zeroize::Zeroizing;

use crate::entropy::{Entropy, EntropyError, Purpose};

const SUBJECT_DOMAIN: &[u8] = b"mediation-ledger/subject/v1\0";
const CHECK_DOMAIN: &[u8] = b"mediation-ledger/subject-key-check/v1\0";
const TITLE: &str = "mediation-subject-key-1";

/// Bytes of a pseudonym's digest: two of a million persons are alike once in 10^26 ledgers.
const SUBJECT_BYTES: usize = 16;

/// The function that makes pseudonyms.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SubjectHash {
    /// HMAC-SHA-256.
    HmacSha256,
    /// HMAC-SM3.
    HmacSm3,
}

impl SubjectHash {
    fn name(self) -> &'static str {
        match self {
            Self::HmacSha256 => "hmac-sha-256",
            Self::HmacSm3 => "hmac-sm3",
        }
    }
}

/// The secret key of the pseudonyms of a ledger. It is never replaced: another one knows nobody any more.
#[derive(Clone)]
pub struct SubjectKey {
    hash: SubjectHash,
    key: Zeroizing<[u8; 32]>,
}

impl SubjectKey {
    /// The key of a new ledger.
    ///
    /// # Errors
    /// There is no randomness.
    pub fn generate(entropy: &dyn Entropy, origin: &str, hash: SubjectHash) -> Result<Self, EntropyError> {
        let mut key = Zeroizing::new([0; 32]);
        entropy.fill(&Purpose { what: "subject/key", of: &[origin.as_bytes()] }, key.as_mut())?;
        Ok(Self { hash, key })
    }

    /// The pseudonym of whoever has this document.
    ///
    /// # Errors
    /// The text is no number of this kind.
    pub fn subject(&self, kind: IdKind, number: &str) -> Result<String, NumberFault> {
        let number = Zeroizing::new(normalised(kind, number)?);
        let message = [SUBJECT_DOMAIN, &[u8::try_from(kind as i32).unwrap_or_default()], number.as_bytes()];
        let digest = match self.hash {
            SubjectHash::HmacSha256 => authenticated::<Hmac<Sha256>>(&self.key, &message),
            SubjectHash::HmacSm3 => authenticated::<Hmac<Sm3>>(&self.key, &message),
        };
        let prefix = if kind == IdKind::CreditCode { "org_" } else { "psn_" };
        Ok(format!("{prefix}{}", hex::encode(digest)))
    }

    /// The one form in which a key is kept: title, function, key, and a check of these, a line.
    #[must_use]
    pub fn to_text(&self) -> Zeroizing<String> {
        let key = Zeroizing::new(hex::encode(self.key.as_slice()));
        let checked = Zeroizing::new(format!("{TITLE} {} {}", self.hash.name(), key.as_str()));
        Zeroizing::new(format!("{} {}\n", checked.as_str(), check(&checked)))
    }

    /// Reads [`SubjectKey::to_text`]; `None` when a character of it changed.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (_, rest) = text.split_once(' ').filter(|(title, _)| *title == TITLE)?;
        let (name, rest) = rest.split_once(' ')?;
        let hash = [SubjectHash::HmacSha256, SubjectHash::HmacSm3].into_iter().find(|hash| hash.name() == name)?;
        let mut key = Zeroizing::new([0; 32]);
        hex::decode_to_slice(rest.get(..64)?, key.as_mut()).ok()?;
        let key = Self { hash, key };
        (key.to_text().as_str() == text).then_some(key)
    }
}

impl fmt::Debug for SubjectKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SubjectKey").field("hash", &self.hash).finish_non_exhaustive()
    }
}

#[expect(clippy::expect_used, reason = "HMAC takes keys of any length")]
fn authenticated<M: Mac + KeyInit>(key: &[u8; 32], message: &[&[u8]]) -> [u8; SUBJECT_BYTES] {
    let mac = <M as KeyInit>::new_from_slice(key).expect("any length");
    first(&message.iter().fold(mac, |mac, bytes| mac.chain_update(bytes)).finalize().into_bytes())
}

fn check(text: &str) -> String {
    hex::encode(first(&Sha256::new().chain_update(CHECK_DOMAIN).chain_update(text).finalize()))
}

/// The first bytes of a digest, which has more of them.
fn first(digest: &[u8]) -> [u8; SUBJECT_BYTES] {
    digest.first_chunk().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entropy::SystemEntropy;

    const NUMBER: &str = "11010519491231002X";

    fn key(hash: SubjectHash) -> SubjectKey {
        SubjectKey { hash, key: Zeroizing::new([7; 32]) }
    }

    #[test]
    fn a_pseudonym_is_the_documented_one() {
        // Computed with Python's hmac and hashlib ("sha256", "sm3") from the layout in the module's head.
        for (hash, kind, number, subject) in [
            (SubjectHash::HmacSha256, IdKind::ResidentId, NUMBER, PERSON_SHA_256),
            (SubjectHash::HmacSm3, IdKind::ResidentId, NUMBER, PERSON_SM3),
            (SubjectHash::HmacSha256, IdKind::CreditCode, "91350100M000100Y43", ORGANISATION_SHA_256),
        ] {
            assert_eq!(key(hash).subject(kind, number).unwrap(), subject, "{hash:?} {kind:?}");
        }
    }

    const PERSON_SHA_256: &str = "psn_80925c8ec6295704a7d05d0aec8882cb";
    const PERSON_SM3: &str = "psn_33601860722ae72bc6337e1dec7af3f2";
    const ORGANISATION_SHA_256: &str = "org_dc5e123f63214a7b9eb21e3492d176c8";

    #[test]
    fn one_document_gives_one_pseudonym_and_another_key_or_document_another() {
        let key = SubjectKey::generate(&SystemEntropy, "a.example", SubjectHash::HmacSha256).unwrap();
        let subject = key.subject(IdKind::ResidentId, NUMBER).unwrap();
        assert_eq!(key.subject(IdKind::ResidentId, " 110105 19491231 002x").unwrap(), subject);
        let other = SubjectKey::generate(&SystemEntropy, "a.example", SubjectHash::HmacSha256).unwrap();
        assert_ne!(other.subject(IdKind::ResidentId, NUMBER).unwrap(), subject);
        assert_ne!(key.subject(IdKind::Passport, NUMBER).unwrap(), subject);
        assert_eq!(key.subject(IdKind::ResidentId, "110105194912310021"), Err(NumberFault::Check));
    }

    #[test]
    fn a_key_is_read_as_it_was_written_and_any_change_is_noticed() {
        for hash in [SubjectHash::HmacSha256, SubjectHash::HmacSm3] {
            let key = SubjectKey::generate(&SystemEntropy, "a.example", hash).unwrap();
            let text = key.to_text();
            let again = SubjectKey::parse(&text).unwrap();
            assert_eq!(again.subject(IdKind::ResidentId, NUMBER), key.subject(IdKind::ResidentId, NUMBER));
            for at in 0..text.len() {
                let mut bytes = text.as_bytes().to_vec();
                *bytes.get_mut(at).unwrap() ^= 1;
                assert!(SubjectKey::parse(&String::from_utf8(bytes).unwrap()).is_none(), "character {at}");
            }
            assert!(SubjectKey::parse(text.trim_end()).is_none());
            assert!(!format!("{key:?}").contains(text.get(36..60).unwrap()));
        }
    }
}
