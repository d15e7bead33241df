//! The key-encryption key, and the file that holds it or says which one elsewhere it is. The byte tables are in [`super`].

use std::{io, path::Path, sync::Arc};

use mediation_ledger::{
    entropy::Entropy,
    kek::{Error, Kek, Name, WRAPPED_BYTES, Wrapped},
    part::Cipher,
};
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use super::{
    OpenError,
    cipher::WrappingKey,
    problem::{Fault, Problem},
};
use crate::disk::{Access, Disk, DiskFile, named};

const MAGIC: [u8; 16] = *b"mediation-kek 1\n";
const MAGIC_ELSEWHERE: [u8; 16] = *b"mediation-kek 2\n";
/// What the magic of every version begins with.
const MAGIC_FAMILY: &[u8] = b"mediation-kek ";

/// Bytes of a file of a version that is not known, at most.
const NEWER_BYTES_MAX: usize = 4_096;

const CHECK_DOMAIN: &[u8] = b"mediation-ledger/vault/kek-check/v1\0";
const ID_DOMAIN: &[u8] = b"mediation-ledger/vault/kek-id/v1\0";

/// Associated data of the check of a key that is kept elsewhere, before its name and the origin.
const PROBE_DOMAIN: &[u8] = b"mediation-ledger/vault/kek-probe/v1\0";

/// What the check wraps. It is no secret: that it opens is what counts.
const PROBE: [u8; 32] = [0; 32];

const KEK_BYTES: usize = 64;
const ELSEWHERE_BYTES: usize = 16 + 16 + 1 + WRAPPED_BYTES + 16;

/// Which key-encryption key opens a vault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Mark {
    /// Its name.
    pub(super) name: Name,
    /// What one that is kept elsewhere wraps under; `None` for one in a file, which wraps under the vault's cipher.
    pub(super) cipher: Option<Cipher>,
}

impl Mark {
    /// Of a key that is kept elsewhere.
    pub(super) fn elsewhere(kek: &dyn Kek) -> Self {
        Self { name: kek.name(), cipher: Some(kek.cipher()) }
    }
}

/// What the file holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Stored {
    /// The key.
    Key(WrappingKey),
    /// Which key elsewhere, and a wrap by it: another key under the same name does not open that.
    Elsewhere { name: Name, cipher: Cipher, probe: Wrapped },
}

impl Stored {
    /// Says which key it is that is kept elsewhere.
    pub(super) fn of(kek: &dyn Kek, entropy: &dyn Entropy, origin: &str) -> Result<Self, Error> {
        let probe = kek.wrap(entropy, &probe_data(kek.name(), origin), &PROBE)?;
        Ok(Self::Elsewhere { name: kek.name(), cipher: kek.cipher(), probe })
    }

    pub(super) fn mark(&self) -> Mark {
        match self {
            Self::Key(key) => Mark { name: Name(first_half(ID_DOMAIN, key.bytes())), cipher: None },
            Self::Elsewhere { name, cipher, .. } => Mark { name: *name, cipher: Some(*cipher) },
        }
    }

    /// The key, ready to be used; one elsewhere is the given one, if that is the same. `cipher` is the vault's.
    pub(super) fn ready(
        &self,
        given: Option<&Arc<dyn Kek>>,
        cipher: Cipher,
        origin: &str,
        path: &Path,
    ) -> Result<Arc<dyn Kek>, OpenError> {
        let (name, probe) = match self {
            Self::Key(key) => return Ok(Arc::new(FileKek::new(key.clone(), cipher))),
            Self::Elsewhere { name, probe, .. } => (*name, probe),
        };
        let given = given.ok_or(OpenError::KekElsewhere { name })?;
        let wrong = || Fault { file: path.to_owned(), offset: 0, problem: Problem::WrongKek };
        if Mark::elsewhere(given.as_ref()) != self.mark() {
            return Err(OpenError::OtherKek { needed: name, given: given.name() });
        }
        match given.unwrap(&probe_data(name, origin), probe) {
            Ok(opened) if *opened == PROBE => Ok(Arc::clone(given)),
            Ok(_) | Err(Error::Refused) => Err(wrong().into()),
            Err(error) => Err(OpenError::Kek(error)),
        }
    }

    fn encoded(&self) -> Zeroizing<Vec<u8>> {
        let mut bytes = Zeroizing::new(Vec::with_capacity(ELSEWHERE_BYTES));
        match self {
            Self::Key(key) => {
                bytes.extend_from_slice(&MAGIC);
                bytes.extend_from_slice(key.bytes());
            }
            Self::Elsewhere { name, cipher, probe } => {
                bytes.extend_from_slice(&MAGIC_ELSEWHERE);
                bytes.extend_from_slice(&name.0);
                bytes.push(cipher.number());
                bytes.extend_from_slice(&probe.0);
            }
        }
        let check = first_half(CHECK_DOMAIN, &bytes);
        bytes.extend_from_slice(&check);
        bytes
    }
}

fn probe_data(name: Name, origin: &str) -> Vec<u8> {
    [PROBE_DOMAIN, &name.0, origin.as_bytes()].concat()
}

/// A key in a file, under the cipher of its vault.
#[derive(Debug)]
pub(super) struct FileKek {
    key: WrappingKey,
    cipher: Cipher,
}

impl FileKek {
    pub(super) fn new(key: WrappingKey, cipher: Cipher) -> Self {
        Self { key, cipher }
    }
}

impl Kek for FileKek {
    fn name(&self) -> Name {
        Name(first_half(ID_DOMAIN, self.key.bytes()))
    }

    fn cipher(&self) -> Cipher {
        self.cipher
    }

    fn wrap(&self, entropy: &dyn Entropy, aad: &[u8], key: &[u8; 32]) -> Result<Wrapped, Error> {
        self.key.wrap(entropy, self.cipher, aad, key).map_err(|error| Error::Unavailable(error.to_string()))
    }

    fn unwrap(&self, aad: &[u8], wrapped: &Wrapped) -> Result<Zeroizing<[u8; 32]>, Error> {
        self.key.open(self.cipher, aad, wrapped).map(Zeroizing::new).ok_or(Error::Refused)
    }
}

/// Makes the file, durable but for its name in the directory.
pub(super) fn create(disk: &dyn Disk, path: &Path, stored: &Stored) -> io::Result<()> {
    let file = disk.create(path)?;
    file.write_all_at(&stored.encoded(), 0)?;
    file.sync_data()
}

/// Reads the file; `None` when any of its bytes changed.
pub(super) fn load(disk: &dyn Disk, path: &Path) -> io::Result<Option<Stored>> {
    // Of two files whoever asks for the key that counts cannot tell which one failed.
    read(disk, path).map_err(named(path))
}

fn read(disk: &dyn Disk, path: &Path) -> io::Result<Option<Stored>> {
    let file = disk.open(path, Access::Read)?;
    let length = file.len()?;
    if let Some(version) = newer(file.as_ref(), length)? {
        let told = format!(
            "the key-encryption key has format `{version}`: open the vault with a newer `mediation` · 主密钥格式为 {version}，请使用较新的 mediation"
        );
        return Err(io::Error::new(io::ErrorKind::Unsupported, told));
    }
    let Some(length) = [KEK_BYTES, ELSEWHERE_BYTES].into_iter().find(|known| *known as u64 == length) else {
        return Ok(None);
    };
    let mut bytes = Zeroizing::new(vec![0; length]);
    file.read_exact_at(&mut bytes, 0)?;
    Ok(parse(&bytes))
}

/// The magic of a file that is whole, and that this program does not read. The magic and the check at the end never change
/// their places.
fn newer(file: &dyn DiskFile, length: u64) -> io::Result<Option<String>> {
    let Some(length) = usize::try_from(length).ok().filter(|length| *length <= NEWER_BYTES_MAX) else {
        return Ok(None);
    };
    let mut bytes = Zeroizing::new(vec![0; length]);
    file.read_exact_at(&mut bytes, 0)?;
    let is_known = [MAGIC, MAGIC_ELSEWHERE].iter().any(|magic| bytes.starts_with(magic));
    let magic = bytes.first_chunk::<16>().filter(|magic| !is_known && magic.starts_with(MAGIC_FAMILY));
    let is_whole =
        bytes.split_last_chunk::<16>().is_some_and(|(checked, check)| first_half(CHECK_DOMAIN, checked) == *check);
    Ok(magic.filter(|_| is_whole).map(|magic| String::from_utf8_lossy(magic).trim().to_owned()))
}

fn parse(bytes: &[u8]) -> Option<Stored> {
    let (checked, check) = bytes.split_last_chunk::<16>()?;
    if first_half(CHECK_DOMAIN, checked) != *check {
        return None;
    }
    if let Some(key) = checked.strip_prefix(&MAGIC) {
        return Some(Stored::Key(WrappingKey::from_bytes(key.try_into().ok()?)));
    }
    let (name, rest) = checked.strip_prefix(&MAGIC_ELSEWHERE)?.split_first_chunk()?;
    let ([cipher], probe) = rest.split_first_chunk::<1>()?;
    let (name, cipher) = (Name(*name), Cipher::of_number(u32::from(*cipher))?);
    Some(Stored::Elsewhere { name, cipher, probe: Wrapped(probe.try_into().ok()?) })
}

fn first_half(domain: &[u8], bytes: &[u8]) -> [u8; 16] {
    let mut hasher = Sha256::new();
    hasher.update(domain);
    hasher.update(bytes);
    let digest: [u8; 32] = hasher.finalize().into();
    digest.first_chunk().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::SimulatedDisk;

    #[test]
    fn a_file_is_read_as_it_was_made_and_any_changed_byte_is_noticed() {
        let key = Stored::Key(WrappingKey::from_bytes([7; 32]));
        let (name, probe) = (Name([8; 16]), Wrapped([9; WRAPPED_BYTES]));
        for stored in [key, Stored::Elsewhere { name, cipher: Cipher::Aes256Gcm, probe }] {
            let disk = SimulatedDisk::new();
            let path = Path::new("kek");
            create(&disk, path, &stored).unwrap();
            assert_eq!(load(&disk, path).unwrap(), Some(stored));
            let written = disk.content(path).unwrap();
            for at in 0..written.len() {
                for bit in 0..8 {
                    let mut bytes = written.clone();
                    *bytes.get_mut(at).unwrap() ^= 1 << bit;
                    disk.tamper(path, bytes);
                    assert_eq!(load(&disk, path).unwrap(), None, "bit {bit} of byte {at}");
                }
            }
            let mut newer = written.clone();
            *newer.get_mut(14).unwrap() = b'3';
            disk.tamper(path, newer.clone());
            assert_eq!(load(&disk, path).unwrap(), None, "the check is not its own");
            let checked = newer.len() - 16;
            let check = first_half(CHECK_DOMAIN, newer.get(..checked).unwrap());
            newer.get_mut(checked..).unwrap().copy_from_slice(&check);
            disk.tamper(path, newer);
            let refused = load(&disk, path).unwrap_err().to_string();
            assert!(refused.contains("`mediation-kek 3`") && refused.contains("较新"), "{refused}");
            for length in [0, written.len() - 1, written.len() + 1] {
                let mut bytes = written.clone();
                bytes.resize(length, 0);
                disk.tamper(path, bytes);
                assert_eq!(load(&disk, path).unwrap(), None, "{length} bytes");
            }
        }
    }
}
