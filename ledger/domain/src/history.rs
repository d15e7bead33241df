//! A chain as the domain sees it: the acts that count, in order, with who recorded them and when.

use std::fmt;

use mediation_proto::mediation::ledger::v1::Act;

/// Event id, unique within its chain: a UUIDv7, or the UUIDv8 by which the platform's clock keeper names what it notes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventId(pub [u8; 16]);

impl EventId {
    /// Reads the one accepted form: 36 characters, lower case, hyphens in their places.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let letters: &[u8; 36] = text.as_bytes().try_into().ok()?;
        if [letters[8], letters[13], letters[18], letters[23]] != [b'-'; 4] {
            return None;
        }
        let mut bytes = [0_u8; 16];
        let mut digits = 0;
        for (byte, at) in bytes.iter_mut().zip(PAIRS) {
            let (high, low) = (digit(*letters.get(at)?), digit(*letters.get(at + 1)?));
            digits |= high | low;
            *byte = (high << 4) | low;
        }
        // What is no digit has bits that no digit has.
        (digits < 16).then_some(Self(bytes))
    }

    /// Whether it is one of the clock keeper's, by its version (RFC 9562 section 4.2). No desk accepts such an id.
    #[must_use]
    pub fn is_keepers(self) -> bool {
        self.0[6] >> 4 == 8
    }
}

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Written millions of times when a log is read: at one go, not byte by byte.
        let mut letters = [b'-'; 36];
        for (byte, at) in self.0.iter().zip(PAIRS) {
            let digits = [byte >> 4, byte & 15].map(|digit| if digit < 10 { b'0' + digit } else { b'a' - 10 + digit });
            letters.iter_mut().skip(at).zip(digits).for_each(|(letter, digit)| *letter = digit);
        }
        f.write_str(str::from_utf8(&letters).unwrap_or_default())
    }
}

impl fmt::Debug for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "EventId({self})")
    }
}

/// Where the two digits of each byte stand in the text of an event id.
const PAIRS: [usize; 16] = [0, 2, 4, 6, 9, 11, 14, 16, 19, 21, 24, 26, 28, 30, 32, 34];

/// Value of a hexadecimal digit in lower case; 255 for any other letter.
const fn digit(letter: u8) -> u8 {
    match letter {
        b'0'..=b'9' => letter - b'0',
        b'a'..=b'f' => letter - b'a' + 10,
        _ => u8::MAX,
    }
}

/// One act of a chain that passed every check of its bytes and signatures.
#[derive(Debug, Clone, PartialEq)]
pub struct Recorded {
    /// Place in the chain. Revisions of entries that do not count are missing.
    pub revision: u64,
    /// Idempotency key, and what later acts refer to.
    pub event_id: EventId,
    /// Agency that answers for the act.
    pub agency: String,
    /// The agency's word: seconds since 1970-01-01T00:00:00Z.
    pub occurred_at: i64,
    /// The ledger's word: milliseconds since 1970-01-01T00:00:00Z.
    pub recorded_at: i64,
    /// What was done. Parts that could not be read are absent.
    pub act: Act,
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "01890a5d-ac96-774b-bcce-b302099a8057";

    #[test]
    fn an_event_id_is_written_as_it_is_read() {
        assert_eq!(EventId::parse(TEXT).unwrap().to_string(), TEXT);
        assert_eq!(EventId::parse("00000000-0000-0000-0000-000000000000"), Some(EventId([0; 16])));
    }

    #[test]
    fn any_other_letter_at_any_place_makes_it_none() {
        for at in 0..TEXT.len() {
            for letter in ["-", "A", "g", "`", "/", ":", "{", " ", "\0", "\u{7f}"] {
                let mut text = TEXT.to_owned();
                text.replace_range(at..=at, letter);
                assert_eq!(EventId::parse(&text).is_some(), text == TEXT, "{text}");
            }
        }
    }

    #[test]
    fn any_other_length_makes_it_none() {
        for at in 0..TEXT.len() {
            assert_eq!(EventId::parse(TEXT.split_at(at).0), None);
        }
        assert_eq!(EventId::parse(&format!("{TEXT}0")), None);
        assert_eq!(EventId::parse(&TEXT.replace("ac96", "案号")), None);
    }
}
