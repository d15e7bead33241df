//! Wrapping one key by another: the vault's cipher, a random nonce, and associated data that says what the key is for.
//!
//! ```text
//! wrapped         = nonce[12] | ciphertext[32] | tag[16]
//! associated data = purpose 0x00 | u8 len, origin | chain[16] | u8 0, or u8 1, subject[32] | digest[32] of a data key
//! ```

use mediation_ledger::{
    chain::ChainId,
    entropy::{Entropy, EntropyError, Purpose},
    kek::{self, Kek, WRAPPED_BYTES, Wrapped},
    merkle::Hash,
    part::{Cipher, NONCE_BYTES},
    vault::DataKey,
};
use sha2::{Digest as _, Sha256};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use super::slot::HolderId;

const HOLDER_KEY: &[u8] = b"mediation-ledger/vault/holder-key/v1\0";
const DATA_KEY: &[u8] = b"mediation-ledger/vault/data-key/v1\0";
const SUBJECT: &[u8] = b"mediation-ledger/vault/subject/v1\0";

/// A key that wraps others: the key-encryption key, or a holder's. Wiped when dropped.
#[derive(Clone, PartialEq, Eq, Zeroize, ZeroizeOnDrop)]
pub(super) struct WrappingKey([u8; 32]);

/// What all keys of a vault are wrapped under, and for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scheme<'a> {
    /// The cipher.
    pub(super) cipher: Cipher,
    /// Identity of the ledger.
    pub(super) origin: &'a str,
}

impl WrappingKey {
    /// The key-encryption key of a new vault.
    pub(super) fn new_kek(entropy: &dyn Entropy, origin: &str) -> Result<Self, EntropyError> {
        Self::fresh(entropy, &Purpose { what: "vault/kek", of: &[origin.as_bytes()] })
    }

    /// The key of a holder that has none yet.
    pub(super) fn new_holder_key(entropy: &dyn Entropy, origin: &str, holder: HolderId) -> Result<Self, EntropyError> {
        let of = associated_data(HOLDER_KEY, origin, holder, None);
        Self::fresh(entropy, &Purpose { what: "vault/holder-key", of: &[&of] })
    }

    fn fresh(entropy: &dyn Entropy, purpose: &Purpose<'_>) -> Result<Self, EntropyError> {
        let mut key = Self([0; 32]);
        entropy.fill(purpose, &mut key.0)?;
        Ok(key)
    }

    pub(super) fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    pub(super) fn bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Wraps a data key; this one is its holder's.
    pub(super) fn wrap_data_key(
        &self,
        entropy: &dyn Entropy,
        scheme: Scheme<'_>,
        holder: HolderId,
        digest: Hash,
        key: &DataKey,
    ) -> Result<Wrapped, EntropyError> {
        self.wrap(entropy, scheme.cipher, &associated_data(DATA_KEY, scheme.origin, holder, Some(digest)), &key.0)
    }

    /// Opens a data key; `None` when it is not that part's, or damaged.
    pub(super) fn open_data_key(
        &self,
        scheme: Scheme<'_>,
        holder: HolderId,
        digest: Hash,
        wrapped: &Wrapped,
    ) -> Option<DataKey> {
        self.open(scheme.cipher, &associated_data(DATA_KEY, scheme.origin, holder, Some(digest)), wrapped).map(DataKey)
    }

    #[expect(clippy::expect_used, reason = "GCM refuses only plaintexts of gigabytes")]
    pub(super) fn wrap(
        &self,
        entropy: &dyn Entropy,
        cipher: Cipher,
        aad: &[u8],
        key: &[u8; 32],
    ) -> Result<Wrapped, EntropyError> {
        let mut nonce = [0; NONCE_BYTES];
        entropy.fill(&Purpose { what: "vault/nonce", of: &[&self.0, aad, key] }, &mut nonce)?;
        let sealed = cipher.encrypt(&self.0, nonce, aad, key).expect("32 bytes fit");
        let mut wrapped = [0; WRAPPED_BYTES];
        for (to, from) in wrapped.iter_mut().zip(nonce.into_iter().chain(sealed)) {
            *to = from;
        }
        Ok(Wrapped(wrapped))
    }

    pub(super) fn open(&self, cipher: Cipher, aad: &[u8], wrapped: &Wrapped) -> Option<[u8; 32]> {
        let (nonce, sealed) = wrapped.0.split_first_chunk::<NONCE_BYTES>()?;
        let opened = cipher.decrypt(&self.0, *nonce, aad, sealed)?;
        Zeroizing::new(opened).as_slice().try_into().ok()
    }
}

impl std::fmt::Debug for WrappingKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("WrappingKey(…)")
    }
}

/// Wraps a holder's key, and sees that it opens: what a token garbled would be lost for ever.
pub(super) fn wrap_holder_key(
    kek: &dyn Kek,
    entropy: &dyn Entropy,
    origin: &str,
    holder: HolderId,
    key: &WrappingKey,
) -> Result<Wrapped, kek::Error> {
    let wrapped = kek.wrap(entropy, &associated_data(HOLDER_KEY, origin, holder, None), &key.0)?;
    match open_holder_key(kek, origin, holder, &wrapped)? {
        Some(opened) if opened == *key => Ok(wrapped),
        Some(_) | None => Err(kek::Error::Unavailable("what it wraps does not open".to_owned())),
    }
}

/// Opens a holder's key; `None` when it is not that holder's, or damaged.
pub(super) fn open_holder_key(
    kek: &dyn Kek,
    origin: &str,
    holder: HolderId,
    wrapped: &Wrapped,
) -> Result<Option<WrappingKey>, kek::Error> {
    match kek.unwrap(&associated_data(HOLDER_KEY, origin, holder, None), wrapped) {
        Ok(key) => Ok(Some(WrappingKey(*key))),
        Err(kek::Error::Refused) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Digest that stands for a subject, so that the vault holds no pseudonym and the slot has one size.
pub(super) fn subject_digest(chain: ChainId, subject: &str) -> Hash {
    let mut hasher = Sha256::new();
    hasher.update(SUBJECT);
    hasher.update(chain.0);
    hasher.update(subject.as_bytes());
    Hash(hasher.finalize().into())
}

/// SHA-256 of an origin.
pub(super) fn origin_digest(origin: &str) -> Hash {
    Hash(Sha256::digest(origin.as_bytes()).into())
}

fn associated_data(purpose: &[u8], origin: &str, holder: HolderId, digest: Option<Hash>) -> Vec<u8> {
    let mut aad = purpose.to_vec();
    // An origin has at most `ORIGIN_BYTES_MAX` bytes, which is what opening a vault checks.
    aad.push(u8::try_from(origin.len()).unwrap_or(u8::MAX));
    aad.extend_from_slice(origin.as_bytes());
    aad.extend_from_slice(&holder.chain.0);
    aad.push(u8::from(holder.subject.is_some()));
    aad.extend(holder.subject.iter().chain(&digest).flat_map(|digest| digest.0));
    aad
}

#[cfg(test)]
mod tests {
    use mediation_ledger::entropy::{SeededEntropy, SystemEntropy};

    use super::*;
    use crate::vault::kek::FileKek;

    fn under(cipher: Cipher, origin: &str) -> Scheme<'_> {
        Scheme { cipher, origin }
    }

    fn random() -> WrappingKey {
        WrappingKey::new_kek(&SystemEntropy, "a.example").unwrap()
    }

    #[test]
    fn a_key_opens_only_for_what_it_was_wrapped_for() {
        let key = random();
        let chain_key = HolderId { chain: ChainId([1; 16]), subject: None };
        let subject_key = HolderId { subject: Some(subject_digest(ChainId([1; 16]), "p-1")), ..chain_key };
        let other_chain = HolderId { chain: ChainId([2; 16]), subject: None };
        let digest = Hash([3; 32]);
        let data_key = DataKey([4; 32]);
        let (aes, sm4) = (under(Cipher::Aes256Gcm, "a.example"), under(Cipher::Sm4Gcm, "a.example"));
        for (scheme, other_cipher) in [(aes, sm4), (sm4, aes)] {
            let wrapped = key.wrap_data_key(&SystemEntropy, scheme, chain_key, digest, &data_key).unwrap();
            assert_eq!(key.open_data_key(scheme, chain_key, digest, &wrapped).as_ref(), Some(&data_key));
            for (scheme, holder, digest) in [
                (under(scheme.cipher, "b.example"), chain_key, digest),
                (other_cipher, chain_key, digest),
                (scheme, subject_key, digest),
                (scheme, other_chain, digest),
                (scheme, chain_key, Hash([9; 32])),
            ] {
                let opened = key.open_data_key(scheme, holder, digest, &wrapped);
                assert_eq!(opened, None, "{scheme:?} {holder:?} {digest}");
            }
            assert_eq!(random().open_data_key(scheme, chain_key, digest, &wrapped), None);
            let kek = FileKek::new(key.clone(), scheme.cipher);
            let opened = open_holder_key(&kek, scheme.origin, chain_key, &wrapped).unwrap();
            assert_eq!(opened, None, "another purpose");
        }
    }

    #[test]
    fn the_same_key_is_never_wrapped_twice_alike() {
        let key = random();
        let holder = HolderId { chain: ChainId([1; 16]), subject: None };
        let kek = FileKek::new(key.clone(), Cipher::Aes256Gcm);
        let wrap = || wrap_holder_key(&kek, &SystemEntropy, "a.example", holder, &key).unwrap();
        assert_ne!(wrap(), wrap());
    }

    #[test]
    fn seeded_wraps_come_out_the_same_and_no_nonce_serves_two_of_them() {
        let (entropy, scheme) = (SeededEntropy::new([1; 32]), under(Cipher::Aes256Gcm, "a.example"));
        let kek = WrappingKey::new_kek(&entropy, "a.example").unwrap();
        let mut seen = std::collections::BTreeSet::from([kek.bytes().to_vec()]);
        let kek = FileKek::new(kek, scheme.cipher);
        for chain in 0..20 {
            for subject in [None, Some("p-1"), Some("p-2")] {
                let chain = ChainId([chain; 16]);
                let holder = HolderId { chain, subject: subject.map(|subject| subject_digest(chain, subject)) };
                let key = WrappingKey::new_holder_key(&entropy, "a.example", holder).unwrap();
                assert!(seen.insert(key.bytes().to_vec()), "a holder's key came twice");
                let wrap = || wrap_holder_key(&kek, &entropy, scheme.origin, holder, &key).unwrap();
                let wrapped = wrap();
                assert_eq!(wrap(), wrapped);
                assert!(seen.insert(wrapped.0[..NONCE_BYTES].to_vec()), "a nonce came twice");
                for data_key in [[1; 32], [2; 32]] {
                    let wrapped =
                        key.wrap_data_key(&entropy, scheme, holder, Hash([3; 32]), &DataKey(data_key)).unwrap();
                    assert!(seen.insert(wrapped.0[..NONCE_BYTES].to_vec()), "other content under the same nonce");
                }
            }
        }
    }

    #[test]
    fn nothing_secret_is_shown() {
        assert_eq!(format!("{:?}", WrappingKey::from_bytes([7; 32])), "WrappingKey(…)");
    }

    #[test]
    fn a_pseudonym_stands_for_another_digest_on_another_chain() {
        assert_ne!(subject_digest(ChainId([1; 16]), "p-1"), subject_digest(ChainId([2; 16]), "p-1"));
    }
}
