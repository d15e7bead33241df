//! The ciphers of parts, and of the keys that a vault wraps: the one place that encrypts and decrypts.
//!
//! ```text
//! 1  AES-256-GCM   key             = the key that is given                                  NIST SP 800-38D
//!                  associated data = what is given
//! 2  SM4-GCM       key             = first 16 bytes of SM3( "mediation-ledger/sm4-key/v1" 0x00 | the key that is given )
//!                  associated data = u8 2 | what is given                                   GB/T 32907, RFC 8998 §3.2
//! ```
//!
//! SM4 takes 16 bytes where every key here has 32, so that its key is derived, under a domain of its own: the same 32
//! bytes never serve both ciphers. Under SM4 the number of the cipher is authenticated; what AES-256-GCM encrypted before
//! there was another cipher must open for ever, and stays as it was.

use std::fmt;

use aes_gcm::{
    Aes256Gcm, AesGcm, KeyInit as _, Nonce,
    aead::{Aead, Payload, consts::U12},
};
use sm3::{Digest as _, Sm3};
use sm4::Sm4;
use zeroize::Zeroizing;

/// Bytes of a nonce.
pub const NONCE_BYTES: usize = 12;

const SM4_KEY_DOMAIN: &[u8] = b"mediation-ledger/sm4-key/v1\0";

/// GCM over SM4 with a nonce of 12 and a tag of 16 bytes. The crate warns of other block ciphers than AES: RFC 8998
/// defines this one, over blocks of the same size.
type Sm4Gcm = AesGcm<Sm4, U12>;

/// An authenticated cipher. Each takes a key of 32 and a nonce of [`NONCE_BYTES`] bytes, and adds a tag of 16.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[repr(u8)]
pub enum Cipher {
    /// AES-256-GCM (NIST SP 800-38D).
    #[default]
    Aes256Gcm = 1,
    /// SM4-GCM (GB/T 32907, RFC 8998 §3.2).
    Sm4Gcm = 2,
}

impl Cipher {
    /// The number that stands in what is stored.
    #[must_use]
    pub fn number(self) -> u8 {
        self as u8
    }

    /// The cipher of a number; none for one that is not known here.
    #[must_use]
    pub fn of_number(number: u32) -> Option<Self> {
        [Self::Aes256Gcm, Self::Sm4Gcm].into_iter().find(|cipher| u32::from(cipher.number()) == number)
    }

    /// Encrypts under a nonce that this key never had before; the tag comes last. None when the message is longer than
    /// GCM takes, which is 64 GiB.
    #[must_use]
    pub fn encrypt(self, key: &[u8; 32], nonce: [u8; NONCE_BYTES], aad: &[u8], message: &[u8]) -> Option<Vec<u8>> {
        let nonce = Nonce::from(nonce);
        match self {
            Self::Aes256Gcm => Aes256Gcm::new(key.into()).encrypt(&nonce, Payload { msg: message, aad }),
            Self::Sm4Gcm => sm4(key).encrypt(&nonce, Payload { msg: message, aad: &self.labelled(aad) }),
        }
        .ok()
    }

    /// Decrypts; none when key, nonce, associated data or cipher are others, or a bit has changed.
    #[must_use]
    pub fn decrypt(self, key: &[u8; 32], nonce: [u8; NONCE_BYTES], aad: &[u8], ciphertext: &[u8]) -> Option<Vec<u8>> {
        let nonce = Nonce::from(nonce);
        match self {
            Self::Aes256Gcm => Aes256Gcm::new(key.into()).decrypt(&nonce, Payload { msg: ciphertext, aad }),
            Self::Sm4Gcm => sm4(key).decrypt(&nonce, Payload { msg: ciphertext, aad: &self.labelled(aad) }),
        }
        .ok()
    }

    /// Associated data with the number of the cipher before it.
    fn labelled(self, aad: &[u8]) -> Vec<u8> {
        [&[self.number()], aad].concat()
    }
}

impl fmt::Display for Cipher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Aes256Gcm => "AES-256-GCM",
            Self::Sm4Gcm => "SM4-GCM",
        })
    }
}

fn sm4(key: &[u8; 32]) -> Sm4Gcm {
    Sm4Gcm::new((&*sm4_key(key)).into())
}

fn sm4_key(key: &[u8; 32]) -> Zeroizing<[u8; 16]> {
    let digest: [u8; 32] = Sm3::new().chain_update(SM4_KEY_DOMAIN).chain_update(key).finalize().into();
    let digest = Zeroizing::new(digest);
    Zeroizing::new(digest.first_chunk().copied().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOTH: [Cipher; 2] = [Cipher::Aes256Gcm, Cipher::Sm4Gcm];

    fn bytes(hex: &str) -> Vec<u8> {
        hex::decode(hex).unwrap()
    }

    #[test]
    fn sm4_gcm_is_that_of_rfc_8998_appendix_a_1() {
        let key: [u8; 16] = bytes("0123456789ABCDEFFEDCBA9876543210").try_into().unwrap();
        let nonce: [u8; NONCE_BYTES] = bytes("00001234567800000000ABCD").try_into().unwrap();
        let aad = bytes("FEEDFACEDEADBEEFFEEDFACEDEADBEEFABADDAD2");
        let message = bytes(
            "AAAAAAAAAAAAAAAABBBBBBBBBBBBBBBBCCCCCCCCCCCCCCCCDDDDDDDDDDDDDDDD\
             EEEEEEEEEEEEEEEEFFFFFFFFFFFFFFFFEEEEEEEEEEEEEEEEAAAAAAAAAAAAAAAA",
        );
        let expected = bytes(
            "17F399F08C67D5EE19D0DC9969C4BB7D5FD46FD3756489069157B282BB200735\
             D82710CA5C22F0CCFA7CBF93D496AC15A56834CBCF98C397B4024A2691233B8D\
             83DE3541E4C2B58177E065A9BF7B62EC",
        );
        let cipher = Sm4Gcm::new((&key).into());
        let payload = Payload { msg: &message, aad: &aad };
        assert_eq!(cipher.encrypt(&Nonce::from(nonce), payload).unwrap(), expected);
        let payload = Payload { msg: &expected, aad: &aad };
        assert_eq!(cipher.decrypt(&Nonce::from(nonce), payload).unwrap(), message);
    }

    #[test]
    fn what_is_encrypted_is_what_is_documented() {
        // Computed with Python's `cryptography`, AESGCM, and SM4 in mode GCM under the key derived with SM3, as the head of
        // the module says.
        for (cipher, expected) in BOTH.into_iter().zip(KNOWN) {
            let encrypted = cipher.encrypt(&[1; 32], [2; NONCE_BYTES], b"aad", b"message").unwrap();
            assert_eq!(hex::encode(&encrypted), expected, "{cipher}");
        }
    }

    #[test]
    fn only_the_same_cipher_key_nonce_and_data_decrypt_and_no_flipped_bit() {
        for (cipher, other) in BOTH.into_iter().zip(BOTH.into_iter().rev()) {
            let (key, nonce) = ([1; 32], [2; NONCE_BYTES]);
            let encrypted = cipher.encrypt(&key, nonce, b"aad", b"message").unwrap();
            assert_eq!(cipher.decrypt(&key, nonce, b"aad", &encrypted).unwrap(), b"message");
            assert_eq!(other.decrypt(&key, nonce, b"aad", &encrypted), None, "{cipher} as {other}");
            assert_eq!(cipher.decrypt(&[3; 32], nonce, b"aad", &encrypted), None);
            assert_eq!(cipher.decrypt(&key, [3; NONCE_BYTES], b"aad", &encrypted), None);
            assert_eq!(cipher.decrypt(&key, nonce, b"add", &encrypted), None);
            assert_eq!(cipher.decrypt(&key, nonce, b"aad", b"short"), None);
            for bit in 0..encrypted.len() * 8 {
                let mut flipped = encrypted.clone();
                *flipped.get_mut(bit / 8).unwrap() ^= 1 << (bit % 8);
                assert_eq!(cipher.decrypt(&key, nonce, b"aad", &flipped), None, "{cipher}, bit {bit}");
            }
        }
    }

    #[test]
    fn the_number_is_authenticated_under_sm4() {
        let (key, nonce) = ([1; 32], [2; NONCE_BYTES]);
        let unlabelled = sm4(&key).encrypt(&Nonce::from(nonce), Payload { msg: b"message", aad: b"aad" }).unwrap();
        assert_eq!(Cipher::Sm4Gcm.decrypt(&key, nonce, b"aad", &unlabelled), None);
    }

    #[test]
    fn numbers_name_the_ciphers_and_nothing_else() {
        for number in 0..=300 {
            let named = Cipher::of_number(number);
            assert_eq!(named.map(|cipher| u32::from(cipher.number())), (1..=2).contains(&number).then_some(number));
        }
    }

    const KNOWN: [&str; 2] =
        ["6ab3ba3a2b30a458c8efe361737ccf8b12cf1f95fd9d0c", "78451a36d15da269d6d2664dcb4b95ca8ec2e8cac6639d"];
}
