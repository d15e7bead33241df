//! Keys on disk: Ed25519, PKCS #8 in PEM, readable by their owner only. There is one form; a key file whose bytes are
//! not exactly those of the key it holds is damaged.

use std::{
    fs::{self, OpenOptions},
    io::Write as _,
    os::unix::fs::OpenOptionsExt as _,
    path::Path,
};

use anyhow::{Context as _, Result, ensure};
use ed25519_dalek::{
    SigningKey,
    pkcs8::{DecodePrivateKey as _, EncodePrivateKey as _, spki::der::pem::LineEnding},
};

/// Writes a new key file.
pub(crate) fn write(path: &Path, key: &SigningKey) -> Result<()> {
    let pem = key.to_pkcs8_pem(LineEnding::LF).context("the key cannot be encoded")?;
    write_private(path, pem.as_bytes())
}

/// Reads a key file.
pub(crate) fn read(path: &Path) -> Result<SigningKey> {
    let text = fs::read_to_string(path).with_context(|| format!("cannot read the key `{}`", path.display()))?;
    parse(&text).with_context(|| format!("the key `{}` is damaged", path.display()))
}

/// Reads a key.
pub(crate) fn parse(text: &str) -> Result<SigningKey> {
    let key = SigningKey::from_pkcs8_pem(text).map_err(|error| anyhow::anyhow!("{error}"))?;
    let form = key.to_pkcs8_pem(LineEnding::LF).context("the key cannot be encoded")?;
    ensure!(*form == *text, "not in the one form a key has");
    Ok(key)
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
