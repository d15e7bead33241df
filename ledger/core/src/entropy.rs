//! Bytes that nobody can guess, as a value: whoever needs them takes an [`Entropy`] and says what they are for.
//!
//! ```text
//! seeded bytes = SHA-256( "mediation-ledger/seeded-entropy/v1" 0x00 | seed[32]
//!                         | u64be len, what | u64be count of names | u64be len, name … | u32be block ) for block 0, 1, …
//! ```

use std::fmt;

use sha2::{Digest as _, Sha256};

const SEEDED_DOMAIN: &[u8] = b"mediation-ledger/seeded-entropy/v1\0";
const BLOCK_BYTES: usize = 32;

/// What bytes are for. Two keys, salts or nonces MUST have purposes that differ, unless everything they are used on is
/// the same: whoever asks names what the bytes belong to, and for a nonce also what is encrypted under it.
#[derive(Debug, Clone, Copy)]
pub struct Purpose<'a> {
    /// Kind of the bytes: `part/salt`.
    pub what: &'static str,
    /// What they belong to, and what they will be used on. May hold secrets.
    pub of: &'a [&'a [u8]],
}

/// Gives bytes that nobody can guess.
pub trait Entropy: Send + Sync + fmt::Debug {
    /// Fills a buffer for a purpose.
    ///
    /// # Errors
    /// There is no randomness; the buffer MUST NOT be used.
    fn fill(&self, purpose: &Purpose<'_>, out: &mut [u8]) -> Result<(), EntropyError>;
}

/// The operating system's randomness: what every ledger of the real world is made with. The purpose plays no part.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemEntropy;

impl Entropy for SystemEntropy {
    fn fill(&self, _purpose: &Purpose<'_>, out: &mut [u8]) -> Result<(), EntropyError> {
        Ok(getrandom::fill(out)?)
    }
}

/// Bytes that follow from a seed and the purpose alone, so that a made-up ledger comes out the same byte for byte on
/// every machine, in whatever order its threads run.
///
/// **A ledger that is made with it hides nothing**: whoever knows the seed has every key of it. No configuration leads
/// here; only a command that makes up a ledger constructs it.
#[derive(Clone)]
pub struct SeededEntropy {
    /// The hash with domain and seed in it.
    seeded: Sha256,
}

impl SeededEntropy {
    /// The bytes of this seed.
    #[must_use]
    pub fn new(seed: [u8; 32]) -> Self {
        Self { seeded: Sha256::new().chain_update(SEEDED_DOMAIN).chain_update(seed) }
    }
}

impl fmt::Debug for SeededEntropy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SeededEntropy(…)")
    }
}

impl Entropy for SeededEntropy {
    fn fill(&self, purpose: &Purpose<'_>, out: &mut [u8]) -> Result<(), EntropyError> {
        let mut purposed = self.seeded.clone();
        framed(&mut purposed, purpose.what.as_bytes());
        purposed.update((purpose.of.len() as u64).to_be_bytes());
        purpose.of.iter().for_each(|name| framed(&mut purposed, name));
        for (block, chunk) in (0_u32..).zip(out.chunks_mut(BLOCK_BYTES)) {
            let bytes: [u8; BLOCK_BYTES] = purposed.clone().chain_update(block.to_be_bytes()).finalize().into();
            chunk.iter_mut().zip(bytes).for_each(|(to, from)| *to = from);
        }
        Ok(())
    }
}

/// With its length before it, so that no two purposes have the same bytes.
fn framed(hasher: &mut Sha256, bytes: &[u8]) {
    hasher.update((bytes.len() as u64).to_be_bytes());
    hasher.update(bytes);
}

/// No randomness.
#[derive(Debug, thiserror::Error)]
#[error("the operating system gives no randomness")]
pub struct EntropyError(#[from] getrandom::Error);

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(entropy: &dyn Entropy, what: &'static str, of: &[&[u8]], length: usize) -> Vec<u8> {
        let mut out = vec![0; length];
        entropy.fill(&Purpose { what, of }, &mut out).unwrap();
        out
    }

    #[test]
    fn the_same_seed_and_purpose_give_the_same_bytes_whenever_they_are_asked_for() {
        let (one, other) = (SeededEntropy::new([1; 32]), SeededEntropy::new([1; 32]));
        let first = bytes(&one, "salt", &[b"a"], 100);
        assert_ne!(bytes(&one, "salt", &[b"b"], 100), first);
        assert_eq!(bytes(&one, "salt", &[b"a"], 100), first);
        assert_eq!(bytes(&other, "salt", &[b"a"], 100), first);
        assert_ne!(bytes(&SeededEntropy::new([2; 32]), "salt", &[b"a"], 100), first);
    }

    #[test]
    fn purposes_that_read_alike_when_put_together_give_other_bytes() {
        let entropy = SeededEntropy::new([1; 32]);
        let purposes: [(&'static str, &[&[u8]]); 6] = [
            ("salt", &[b"ab", b"c"]),
            ("salt", &[b"a", b"bc"]),
            ("salt", &[b"abc"]),
            ("salt", &[b"abc", b""]),
            ("saltabc", &[]),
            ("salta", &[b"bc"]),
        ];
        let given: std::collections::BTreeSet<Vec<u8>> =
            purposes.iter().map(|(what, of)| bytes(&entropy, what, of, 32)).collect();
        assert_eq!(given.len(), purposes.len());
    }

    #[test]
    fn blocks_do_not_repeat() {
        let long = bytes(&SeededEntropy::new([1; 32]), "salt", &[], 32 * 64);
        let blocks: std::collections::BTreeSet<&[u8]> = long.chunks(32).collect();
        assert_eq!(blocks.len(), 64);
    }

    #[test]
    fn the_system_never_gives_the_same_twice() {
        assert_ne!(bytes(&SystemEntropy, "salt", &[], 32), bytes(&SystemEntropy, "salt", &[], 32));
    }
}
