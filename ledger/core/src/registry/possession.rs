//! Proof that whoever names a new key holds it: without it an agency could take another's public key for its own.

/// What a new key is for. One key never serves two ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// Signs an agency's acts.
    Signing,
    /// An agency's root key.
    Root,
    /// Signs checkpoints.
    Log,
}

impl Purpose {
    fn name(self) -> &'static str {
        match self {
            Self::Signing => "signing",
            Self::Root => "root",
            Self::Log => "log",
        }
    }
}

/// The bytes that a new key signs, once: they name ledger, purpose, agency and key, so that the proof serves nowhere else.
/// A key of an agency is named by its id in hex, one of the log by its vkey.
///
/// ```text
/// "mediation-ledger/possession/v1" 0x00, then origin, purpose (`signing`, `root`, `log`), agency and key,
/// each as u64be length | text
/// ```
#[must_use]
pub fn possession(origin: &str, purpose: Purpose, agency: &str, key: &str) -> Vec<u8> {
    let mut message = b"mediation-ledger/possession/v1\0".to_vec();
    for text in [origin, purpose.name(), agency, key] {
        message.extend((text.len() as u64).to_be_bytes());
        message.extend(text.as_bytes());
    }
    message
}

#[cfg(test)]
mod tests {
    use sha2::{Digest as _, Sha256};

    use super::*;

    /// The digest was computed apart, with Python's `hashlib`.
    #[test]
    fn the_message_of_possession_is_the_documented_one() {
        let message = possession("ledger.example/main", Purpose::Signing, "ZC-ZS", &"ab".repeat(32));
        assert_eq!(
            hex::encode(Sha256::digest(&message)),
            "8a16911da2cb5a39551c1c23d55958584e91831f720999f6fae08b0e99536ed8"
        );
    }

    #[test]
    fn no_two_readings_have_the_same_message() {
        let one = possession("a", Purpose::Root, "bc", "d");
        for other in [possession("a", Purpose::Root, "b", "cd"), possession("a", Purpose::Log, "bc", "d")] {
            assert_ne!(one, other);
        }
    }
}
