//! Keys on disk: Ed25519 or SM2, PKCS #8 in PEM, readable by their owner only. There is one form; a key file whose bytes
//! are not exactly those of the key it holds is damaged.

use std::{fs::OpenOptions, io::Write as _, os::unix::fs::OpenOptionsExt as _, path::Path, sync::Arc};

use anyhow::{Context as _, Result, ensure};
use ed25519_dalek::{
    SigningKey,
    pkcs8::{DecodePrivateKey as _, EncodePrivateKey as _, spki::der::pem::LineEnding},
};
use mediation_ledger::{
    entropy::{Entropy, EntropyError},
    key::{Algorithm, Ed25519Signer, PublicKey, Signer, Sm2Signer},
    subject::SubjectKey,
};
use sm2::SecretKey;
use zeroize::Zeroizing;

use crate::contents;

/// A private key of either algorithm.
#[derive(Debug)]
pub(crate) enum PrivateKey {
    /// Ed25519.
    Ed25519(Ed25519Signer),
    /// SM2 with SM3.
    Sm2Sm3(Sm2Signer),
}

impl PrivateKey {
    /// A key made of given entropy; see [`Ed25519Signer::generate_from`].
    pub(crate) fn generate(algorithm: Algorithm, entropy: &dyn Entropy, names: &[&[u8]]) -> Result<Self, EntropyError> {
        Ok(match algorithm {
            Algorithm::Ed25519 => Self::Ed25519(Ed25519Signer::generate_from(entropy, names)?),
            Algorithm::Sm2Sm3 => Self::Sm2Sm3(Sm2Signer::generate_from(entropy, names)?),
        })
    }

    /// Reads a key file; what it holds says of which algorithm it is.
    pub(crate) fn read(path: &Path) -> Result<Self> {
        let text = text(path)?;
        Self::parse(&text).with_context(|| format!("the key `{}` is damaged", path.display()))
    }

    fn parse(text: &str) -> Result<Self> {
        // The algorithm stands in the file: no text is a key of both.
        let key = match SecretKey::from_pkcs8_pem(text) {
            Ok(key) => Self::Sm2Sm3(Sm2Signer::new(key)?),
            Err(_) => Self::Ed25519(Ed25519Signer::new(parse(text)?)),
        };
        ensure!(*key.to_pem()? == *text, "not in the one form a key has");
        Ok(key)
    }

    /// Writes a new key file.
    pub(crate) fn write(&self, path: &Path) -> Result<()> {
        write_private(path, self.to_pem()?.as_bytes())
    }

    fn to_pem(&self) -> Result<Zeroizing<String>> {
        let pem = match self {
            Self::Ed25519(signer) => signer.signing_key().to_pkcs8_pem(LineEnding::LF),
            Self::Sm2Sm3(signer) => signer.secret_key().to_pkcs8_pem(LineEnding::LF),
        };
        pem.context("the key cannot be encoded")
    }

    /// The public half.
    pub(crate) fn public_key(&self) -> PublicKey {
        match self {
            Self::Ed25519(signer) => signer.public_key(),
            Self::Sm2Sm3(signer) => signer.public_key(),
        }
    }

    /// What signs with it.
    pub(crate) fn into_signer(self) -> Arc<dyn Signer> {
        match self {
            Self::Ed25519(signer) => Arc::new(signer),
            Self::Sm2Sm3(signer) => Arc::new(signer),
        }
    }
}

/// Writes the key file of a new Ed25519 key.
pub(crate) fn write(path: &Path, key: &SigningKey) -> Result<()> {
    let pem = key.to_pkcs8_pem(LineEnding::LF).context("the key cannot be encoded")?;
    write_private(path, pem.as_bytes())
}

/// Reads the key file of an Ed25519 key.
pub(crate) fn read(path: &Path) -> Result<SigningKey> {
    let text = text(path)?;
    parse(&text).with_context(|| format!("the key `{}` is damaged", path.display()))
}

fn text(path: &Path) -> Result<Zeroizing<String>> {
    let text = contents::text(path).with_context(|| format!("cannot read the key `{}`", path.display()))?;
    Ok(Zeroizing::new(text))
}

/// Reads a key.
pub(crate) fn parse(text: &str) -> Result<SigningKey> {
    let key = SigningKey::from_pkcs8_pem(text).map_err(|error| anyhow::anyhow!("{error}"))?;
    let form = key.to_pkcs8_pem(LineEnding::LF).context("the key cannot be encoded")?;
    ensure!(*form == *text, "not in the one form a key has");
    Ok(key)
}

/// Writes the key of the pseudonyms.
pub(crate) fn write_subject_key(path: &Path, key: &SubjectKey) -> Result<()> {
    write_private(path, key.to_text().as_bytes())
}

/// Reads the key of the pseudonyms.
pub(crate) fn read_subject_key(path: &Path) -> Result<SubjectKey> {
    let text = text(path)?;
    SubjectKey::parse(&text).with_context(|| format!("the key `{}` is damaged", path.display()))
}

/// Writes a new file that only its owner can read; it must not exist.
pub(crate) fn write_private(path: &Path, bytes: &[u8]) -> Result<()> {
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .with_context(|| format!("cannot create `{}`", path.display()))?;
    file.write_all(bytes)?;
    file.sync_all()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use mediation_ledger::entropy::SystemEntropy;

    use super::*;

    #[test]
    fn a_key_of_either_algorithm_is_read_as_it_was_written() {
        let directory = tempfile::tempdir().unwrap();
        for (name, algorithm) in [("a", Algorithm::Ed25519), ("b", Algorithm::Sm2Sm3)] {
            let path = directory.path().join(name);
            let key = PrivateKey::generate(algorithm, &SystemEntropy, &[]).unwrap();
            key.write(&path).unwrap();
            let read = PrivateKey::read(&path).unwrap();
            assert_eq!((read.public_key(), read.public_key().algorithm()), (key.public_key(), algorithm));
        }
    }

    #[test]
    fn a_key_in_another_form_is_damaged() {
        for algorithm in [Algorithm::Ed25519, Algorithm::Sm2Sm3] {
            let pem = PrivateKey::generate(algorithm, &SystemEntropy, &[]).unwrap().to_pem().unwrap();
            assert!(PrivateKey::parse(&pem.replace('\n', "\r\n")).is_err());
            assert!(PrivateKey::parse(pem.trim_end()).is_err());
            assert!(PrivateKey::parse("").is_err());
        }
    }
}
