//! Names that follow from a key: the gateway keeps no table of what it has recorded.
//!
//! ```text
//! Idempotency-Key (UUIDv7) ─┬ its moment ─▶ day, business time          the same for ever
//!                           └ HMAC ──────▶ event id, first of the day's numbers to try
//! number (纠纷链号) ── HMAC ─▶ chain id                                  so one number is one chain, and its first act takes it
//! number, party ───── HMAC ─▶ code of the citizen
//! ```
//!
//! Whoever sends a key again walks the same numbers in the same order. Each is tried by recording the first act of its chain:
//! one that others have taken says so for ever, and the one that is his answers the receipt it answered before.

use std::fmt;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit as _, Mac as _};
use mediation_domain::{calendar::Day, history::EventId, identity::mod_11_2};
use mediation_ledger::chain::ChainId;
use sha2::Sha256;
use zeroize::Zeroizing;

/// Numbers of a day that are tried for one matter: at a tenth of a day's numbers taken, more are needed never.
pub(super) const TRIES_MAX: u16 = 64;

/// How far back the moment of a key may lie, in milliseconds: nothing that is recorded so is recorded late (three working days).
pub const KEY_AGE_MAX_MS: i64 = 72 * 60 * 60 * 1_000;

/// How far ahead it may lie: clocks differ.
pub const KEY_AHEAD_MAX_MS: i64 = 5 * 60 * 1_000;

/// Bytes of the check in a citizen's code: nobody guesses it at the rate of a channel.
const TAG_BYTES: usize = 10;

/// Bytes of a pseudonym in a citizen's code: its kind, and its digest.
const SUBJECT_BYTES: usize = 17;

/// Letters of a citizen's code.
pub const CODE_LENGTH: usize = 36;

/// The key of an intake, as its channel has chosen it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IntakeKey {
    id: EventId,
    /// Milliseconds since 1970-01-01T00:00:00Z.
    moment_ms: i64,
}

impl IntakeKey {
    /// Reads a key: a UUIDv7, lower case with hyphens.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let id = EventId::parse(text)?;
        let is_v7 = id.0[6] >> 4 == 7 && id.0[8] >> 6 == 0b10;
        let moment = id.0.iter().take(6).fold(0_i64, |moment, byte| moment << 8 | i64::from(*byte));
        is_v7.then_some(Self { id, moment_ms: moment })
    }

    /// Whether its moment is near enough to now.
    #[must_use]
    pub fn is_timely(&self, now_ms: i64) -> bool {
        (now_ms - KEY_AGE_MAX_MS..=now_ms + KEY_AHEAD_MAX_MS).contains(&self.moment_ms)
    }

    /// When the matter was handed in, in seconds since 1970-01-01T00:00:00Z.
    #[must_use]
    pub fn moment_s(&self) -> i64 {
        self.moment_ms.div_euclid(1_000)
    }
}

/// The last four digits of the numbers that a gateway may give. Others give the rest: two gateways of one division, or a
/// counter that numbers by hand, need ranges of their own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Numbers {
    /// First.
    pub first: u16,
    /// Last.
    pub last: u16,
}

impl Numbers {
    /// Whether there are any, and four digits hold them.
    #[must_use]
    pub fn is_valid(self) -> bool {
        (1..=9_999).contains(&self.first) && (self.first..=9_999).contains(&self.last)
    }

    fn count(self) -> u16 {
        self.last.saturating_sub(self.first).saturating_add(1)
    }
}

/// The key of a gateway. With another one nobody finds what was recorded under it.
pub struct Secret(Zeroizing<[u8; 32]>);

impl Secret {
    /// Reads 64 hex digits.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut key = Zeroizing::new([0; 32]);
        hex::decode_to_slice(text.trim_end(), key.as_mut_slice()).ok()?;
        Some(Self(key))
    }

    /// The numbers to try for a key, in their order.
    pub(super) fn numbers(
        &self,
        channel: &str,
        key: &IntakeKey,
        division: &str,
        numbers: Numbers,
    ) -> impl Iterator<Item = String> {
        let day = Day::of(key.moment_s()).to_string().replace('-', "");
        let digest = self.mac(b"number", &[channel.as_bytes(), &key.id.0]);
        let start = u16::from_be_bytes([digest[0], digest[1]]);
        let county: String = division.chars().take(6).collect();
        (0..numbers.count().min(TRIES_MAX)).map(move |at| {
            let place = (u32::from(start) + u32::from(at)) % u32::from(numbers.count());
            let digits = format!("{county}{day}{:04}", u32::from(numbers.first) + place);
            format!("JF{digits}{}", mod_11_2(&digits))
        })
    }

    /// The chain of a number: a UUID that looks like a random one.
    pub(super) fn chain(&self, number: &str) -> ChainId {
        let digest = self.mac(b"chain", &[number.as_bytes()]);
        let mut id = first::<16>(&digest);
        id[6] = id[6] & 0x0f | 0x40;
        id[8] = id[8] & 0x3f | 0x80;
        ChainId(id)
    }

    /// The event id of an intake: a UUIDv7 of the moment of its key.
    pub(super) fn event_id(&self, channel: &str, key: &IntakeKey) -> EventId {
        let digest = self.mac(b"event", &[channel.as_bytes(), &key.id.0]);
        let mut id = first::<16>(&digest);
        for (to, from) in id.iter_mut().zip(key.id.0.iter().take(6)) {
            *to = *from;
        }
        id[6] = id[6] & 0x0f | 0x70;
        id[8] = id[8] & 0x3f | 0x80;
        EventId(id)
    }

    /// The pseudonym of a party who has shown no document: nobody else is known by it.
    pub(super) fn subject(&self, channel: &str, key: &IntakeKey, at: usize) -> String {
        let digest = self.mac(b"subject", &[channel.as_bytes(), &key.id.0, at.to_string().as_bytes()]);
        format!("psn_{}", hex::encode(first::<16>(&digest)))
    }

    /// The code by which a party asks for his matter. It says nothing to who has not the gateway's key.
    pub(super) fn code(&self, number: &str, subject: &str) -> Option<String> {
        let plain = to_bytes(subject)?;
        let tag = self.tag(number, &plain);
        let masked = self.masked(number, &tag, &plain);
        Some(URL_SAFE_NO_PAD.encode([tag.as_slice(), &masked].concat()))
    }

    /// The party whom a code of a number names; none when it is not one of this number.
    pub(super) fn party(&self, number: &str, code: &str) -> Option<String> {
        let bytes = URL_SAFE_NO_PAD.decode(code).ok()?;
        let (tag, masked) = bytes.split_first_chunk::<TAG_BYTES>()?;
        let masked: &[u8; SUBJECT_BYTES] = masked.try_into().ok()?;
        let plain = self.masked(number, tag, masked);
        let differs = self.tag(number, &plain).iter().zip(tag).fold(0, |differs, (one, other)| differs | (one ^ other));
        (differs == 0).then(|| to_text(&plain)).flatten()
    }

    fn tag(&self, number: &str, plain: &[u8]) -> [u8; TAG_BYTES] {
        first(&self.mac(b"code/tag", &[number.as_bytes(), plain]))
    }

    /// Masks, and unmasks.
    fn masked(&self, number: &str, tag: &[u8], bytes: &[u8; SUBJECT_BYTES]) -> [u8; SUBJECT_BYTES] {
        let mut masked = *bytes;
        for (byte, mask) in masked.iter_mut().zip(self.mac(b"code/mask", &[number.as_bytes(), tag])) {
            *byte ^= mask;
        }
        masked
    }

    /// HMAC-SHA-256 over a domain and texts, each behind its length.
    #[expect(clippy::expect_used, reason = "HMAC takes keys of any length")]
    fn mac(&self, domain: &[u8], texts: &[&[u8]]) -> [u8; 32] {
        let mac = Hmac::<Sha256>::new_from_slice(self.0.as_slice()).expect("any length");
        let mac = mac.chain_update(b"mediation-gateway/v1\0").chain_update(domain).chain_update([0]);
        let framed =
            |mac: Hmac<Sha256>, text: &&[u8]| mac.chain_update((text.len() as u64).to_be_bytes()).chain_update(text);
        texts.iter().fold(mac, framed).finalize().into_bytes().into()
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

/// Whether a text is a pseudonym that a code can hold.
pub(super) fn is_subject(text: &str) -> bool {
    to_bytes(text).is_some()
}

fn to_bytes(subject: &str) -> Option<[u8; SUBJECT_BYTES]> {
    let (kind, digits) = match subject.split_at_checked(4)? {
        ("psn_", digits) => (0, digits),
        ("org_", digits) => (1, digits),
        _ => return None,
    };
    let mut bytes = [0; SUBJECT_BYTES];
    let (first, rest) = bytes.split_first_mut()?;
    *first = kind;
    let is_lower = digits.bytes().all(|digit| !digit.is_ascii_uppercase());
    hex::decode_to_slice(digits, rest).ok().filter(|()| is_lower)?;
    Some(bytes)
}

fn to_text(bytes: &[u8; SUBJECT_BYTES]) -> Option<String> {
    let (kind, digest) = bytes.split_first()?;
    let kind = match kind {
        0 => "psn_",
        1 => "org_",
        _ => return None,
    };
    Some(format!("{kind}{}", hex::encode(digest)))
}

fn first<const N: usize>(digest: &[u8; 32]) -> [u8; N] {
    digest.first_chunk().copied().unwrap_or([0; N])
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "018e0a2b-3c4d-7abc-8def-0123456789ab";
    const NUMBERS: Numbers = Numbers { first: 5_000, last: 9_999 };

    fn secret(byte: u8) -> Secret {
        Secret::parse(&hex::encode([byte; 32])).unwrap()
    }

    #[test]
    fn the_same_key_gives_the_same_names_and_another_one_others() {
        let key = IntakeKey::parse(KEY).unwrap();
        let numbers =
            |secret: &Secret, channel| secret.numbers(channel, &key, "360203001", NUMBERS).collect::<Vec<_>>();
        let told = numbers(&secret(1), "hall");
        assert_eq!(told, numbers(&secret(1), "hall"));
        assert_eq!(told.len(), usize::from(TRIES_MAX));
        assert!(told.iter().all(|number| number.starts_with("JF36020320240304") && number.len() == 21), "{told:?}");
        assert_ne!(told, numbers(&secret(1), "lefa"));
        assert_ne!(told, numbers(&secret(2), "hall"));
        let event = secret(1).event_id("hall", &key);
        assert!(IntakeKey::parse(&event.to_string()).is_some_and(|event| event.moment_s() == key.moment_s()));
        assert_ne!(secret(1).event_id("lefa", &key), event);
    }

    #[test]
    fn a_range_of_numbers_is_kept_and_no_number_comes_twice() {
        let key = IntakeKey::parse(KEY).unwrap();
        let few = Numbers { first: 9_998, last: 9_999 };
        let mut told: Vec<_> = secret(1).numbers("hall", &key, "360203", few).collect();
        told.sort();
        told.dedup();
        assert_eq!(told.len(), 2, "{told:?}");
        assert!(told.iter().all(|number| number.contains("999")), "{told:?}");
        assert!(!Numbers { first: 0, last: 3 }.is_valid() && !Numbers { first: 4, last: 3 }.is_valid());
    }

    #[test]
    fn a_code_names_one_party_of_one_number_and_no_letter_of_it_may_change() {
        let subject = format!("psn_{}", "0a".repeat(16));
        let code = secret(1).code("JF1", &subject).unwrap();
        assert_eq!(code.len(), CODE_LENGTH);
        assert_eq!(secret(1).party("JF1", &code).as_deref(), Some(subject.as_str()));
        assert_eq!(secret(1).party("JF2", &code), None);
        assert_eq!(secret(2).party("JF1", &code), None);
        for at in 0..code.len() {
            let mut changed = code.clone().into_bytes();
            let letter = changed.get_mut(at).unwrap();
            *letter = if *letter == b'A' { b'B' } else { b'A' };
            assert_eq!(secret(1).party("JF1", &String::from_utf8(changed).unwrap()), None, "{at}");
        }
        assert!(secret(1).code("JF1", "苗岫").is_none() && secret(1).party("JF1", "").is_none());
    }

    #[test]
    fn only_a_recent_uuid_v7_is_a_key() {
        for text in ["", "none", "018e0a2b-3c4d-4abc-8def-0123456789ab", "018E0A2B-3C4D-7ABC-8DEF-0123456789AB"] {
            assert_eq!(IntakeKey::parse(text), None, "{text}");
        }
        let key = IntakeKey::parse(KEY).unwrap();
        let moment = key.moment_ms;
        assert!(key.is_timely(moment) && key.is_timely(moment + KEY_AGE_MAX_MS));
        assert!(!key.is_timely(moment + KEY_AGE_MAX_MS + 1) && !key.is_timely(moment - KEY_AHEAD_MAX_MS - 1));
    }
}
