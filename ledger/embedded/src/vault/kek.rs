//! The key-encryption key and its file. The byte table is in [`super`].

use std::{io, path::Path};

use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use super::cipher::WrappingKey;
use crate::disk::{Access, Disk};

const MAGIC: [u8; 16] = *b"mediation-kek 1\n";
const CHECK_DOMAIN: &[u8] = b"mediation-ledger/vault/kek-check/v1\0";
const ID_DOMAIN: &[u8] = b"mediation-ledger/vault/kek-id/v1\0";
const CHECKED_BYTES: usize = 48;
const KEK_BYTES: usize = 64;

/// Names a key-encryption key without telling it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct KekId(pub(super) [u8; 16]);

/// Name of a key.
pub(super) fn id(key: &WrappingKey) -> KekId {
    KekId(first_half(ID_DOMAIN, key.bytes()))
}

/// Makes the file of a key, durable but for its name in the directory.
pub(super) fn create(disk: &dyn Disk, path: &Path, key: WrappingKey) -> io::Result<WrappingKey> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(KEK_BYTES));
    bytes.extend_from_slice(&MAGIC);
    bytes.extend_from_slice(key.bytes());
    let check = first_half(CHECK_DOMAIN, &bytes);
    bytes.extend_from_slice(&check);
    let file = disk.create(path)?;
    file.write_all_at(&bytes, 0)?;
    file.sync_data()?;
    Ok(key)
}

/// Reads the file; `None` when any of its bytes changed.
pub(super) fn load(disk: &dyn Disk, path: &Path) -> io::Result<Option<WrappingKey>> {
    let file = disk.open(path, Access::Read)?;
    if file.len()? != KEK_BYTES as u64 {
        return Ok(None);
    }
    let mut bytes = Zeroizing::new([0; KEK_BYTES]);
    file.read_exact_at(bytes.as_mut(), 0)?;
    Ok(parse(&bytes))
}

fn parse(bytes: &[u8; KEK_BYTES]) -> Option<WrappingKey> {
    let (checked, check) = bytes.split_first_chunk::<CHECKED_BYTES>()?;
    let key = checked.strip_prefix(&MAGIC)?;
    if first_half(CHECK_DOMAIN, checked) != check {
        return None;
    }
    Some(WrappingKey::from_bytes(key.try_into().ok()?))
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
    fn a_key_is_read_as_it_was_made_and_any_changed_byte_is_noticed() {
        let disk = SimulatedDisk::new();
        let path = Path::new("kek");
        let key = create(&disk, path, WrappingKey::from_bytes([7; 32])).unwrap();
        assert_eq!(load(&disk, path).unwrap(), Some(key));
        let written = disk.content(path).unwrap();
        for at in 0..written.len() {
            for bit in 0..8 {
                let mut bytes = written.clone();
                *bytes.get_mut(at).unwrap() ^= 1 << bit;
                disk.tamper(path, bytes);
                assert_eq!(load(&disk, path).unwrap(), None, "bit {bit} of byte {at}");
            }
        }
        for length in [0, 63, 65] {
            let mut bytes = written.clone();
            bytes.resize(length, 0);
            disk.tamper(path, bytes);
            assert_eq!(load(&disk, path).unwrap(), None, "{length} bytes");
        }
    }
}
