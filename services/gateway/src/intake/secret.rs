//! What is made from the intake's secret: ids, pseudonyms and status codes, each the same whenever it is made again.

use hmac::{Hmac, KeyInit as _, Mac as _};
use mediation_ledger::chain::ChainId;
use mediation_proto::{ActRequest, mediation::ledger::v1::Act};
use sha2::{Digest as _, Sha256};

/// Letters of a status code: Crockford's alphabet, which has none that is taken for another.
const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/// Letters of a status code, five bits each: 100 bits.
const CODE_LETTERS: usize = 20;

/// Letters between two dashes.
const CODE_GROUP: usize = 5;

/// 32 random bytes that the center keeps.
#[derive(Clone)]
pub struct Secret([u8; 32]);

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret")
    }
}

impl Secret {
    /// The secret of these bytes.
    #[must_use]
    pub fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// HMAC-SHA-256 of a purpose and what it is for. Each text is preceded by its length: no two lists of texts are the same bytes.
    fn made(&self, purpose: &str, texts: &[&[u8]]) -> [u8; 32] {
        // The key in a block of the hash, filled up with zeros, is the same key (RFC 2104 section 2).
        let mut block = [0; 64];
        for (byte, own) in block.iter_mut().zip(self.0) {
            *byte = own;
        }
        let mut mac = <Hmac<Sha256>>::new(&block.into());
        for text in [purpose.as_bytes()].iter().chain(texts) {
            mac.update(&(text.len() as u64).to_be_bytes());
            mac.update(text);
        }
        mac.finalize().into_bytes().into()
    }

    /// The chain of a matter: a UUID whose bits are as good as random to everybody else.
    pub(super) fn chain(&self, channel: &str, key: &str) -> ChainId {
        ChainId(uuid(self.made("chain", &[channel.as_bytes(), key.as_bytes()]), 4))
    }

    /// The request that records a matter's first act, whose event id follows from the chain and the instant.
    pub(super) fn request(&self, chain: ChainId, occurred_at: i64, act: Act) -> ActRequest {
        let event_id = ChainId(timed(self.made("event", &[&chain.0]), occurred_at));
        ActRequest {
            chain_id: Some(chain.to_string()),
            event_id: Some(event_id.to_string()),
            expected_revision: None,
            occurred_at: Some(prost_types::Timestamp { seconds: occurred_at, nanos: 0 }),
            wait: None,
            act,
        }
    }

    /// Pseudonym of a party who showed no document, by his place among the parties.
    pub(super) fn pseudonym(&self, prefix: &str, chain: ChainId, place: usize) -> String {
        let made = self.made("party", &[&chain.0, &(place as u64).to_be_bytes()]);
        let half: String = made.iter().take(16).map(|byte| format!("{byte:02x}")).collect();
        format!("{prefix}{half}")
    }

    /// The code with which the citizen asks after his matter.
    pub(super) fn status_code(&self, number: &str) -> String {
        let letters = self.made("status", &[number.as_bytes()]).into_iter().take(CODE_LETTERS);
        let letters = letters.map(|byte| ALPHABET.get(usize::from(byte % 32)).copied().unwrap_or_default());
        let mut code = String::new();
        for (at, letter) in letters.enumerate() {
            if at > 0 && at % CODE_GROUP == 0 {
                code.push('-');
            }
            code.push(char::from(letter));
        }
        code
    }

    /// Whether it is: written large or small, with its dashes or without. Takes as long whatever is said.
    pub(super) fn is_status_code(&self, number: &str, said: &str) -> bool {
        let plain = |code: &str| -> String {
            code.chars().filter(|letter| *letter != '-').map(|letter| letter.to_ascii_uppercase()).collect()
        };
        // Digests are compared: how far two texts agree then shows nothing.
        Sha256::digest(plain(&self.status_code(number))) == Sha256::digest(plain(said))
    }
}

/// The first bytes as a UUID of a version (RFC 9562).
fn uuid(made: [u8; 32], version: u8) -> [u8; 16] {
    let mut bytes = [0; 16];
    for (byte, made) in bytes.iter_mut().zip(made) {
        *byte = made;
    }
    bytes[6] = (bytes[6] & 0x0f) | (version << 4);
    bytes[8] = (bytes[8] & 0x3f) | 0x80;
    bytes
}

/// They as a UUID of version 7, which begins with the milliseconds since 1970-01-01T00:00:00Z.
fn timed(made: [u8; 32], seconds: i64) -> [u8; 16] {
    let mut bytes = uuid(made, 7);
    let milliseconds = seconds.saturating_mul(1_000).to_be_bytes();
    for (byte, of_time) in bytes.iter_mut().zip(milliseconds.iter().skip(2)) {
        *byte = *of_time;
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_made_is_the_same_each_time_and_another_for_everything_else() {
        let (one, other) = (Secret::new([1; 32]), Secret::new([2; 32]));
        let chain = one.chain("hall", "key-00001");
        assert_eq!(one.chain("hall", "key-00001"), chain);
        assert_ne!(one.chain("hallk", "ey-00001"), chain);
        assert_ne!(one.chain("lefa", "key-00001"), chain);
        assert_ne!(other.chain("hall", "key-00001"), chain);
        assert_ne!(one.pseudonym("psn_", chain, 0), one.pseudonym("psn_", chain, 1));
        assert!(ChainId::parse(&chain.to_string()).is_some());
    }

    #[test]
    fn a_status_code_is_known_however_it_is_written() {
        let secret = Secret::new([7; 32]);
        let number = "JF3602032024030400017";
        let code = secret.status_code(number);
        assert_eq!((code.len(), code.matches('-').count()), (23, 3), "{code}");
        assert!(secret.is_status_code(number, &code.to_lowercase().replace('-', "")));
        assert!(!secret.is_status_code("JF3602032024030400025", &code));
        assert!(!secret.is_status_code(number, ""));
    }
}
