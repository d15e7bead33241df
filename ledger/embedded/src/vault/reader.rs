//! Keys of a vault that nobody has open, read without changing anything: what a verifier needs.

use std::{path::Path, sync::Arc};

use mediation_ledger::{
    chain::ChainId,
    kek::Kek,
    merkle::Hash,
    vault::{DataKey, VaultError},
};

use super::{
    KEK, OpenError, WRAPS, check,
    cipher::Scheme,
    failure,
    problem::{Fault, Problem},
    recovery, rotation,
    wraps::Wraps,
};
use crate::disk::{Access, Disk};

/// A vault, to be read.
#[derive(Debug)]
pub struct VaultReader {
    wraps: Wraps,
}

impl VaultReader {
    /// Opens a vault to read its keys. Takes no lock and mends nothing.
    ///
    /// # Errors
    /// It is damaged, another ledger's, or the disk does not give it.
    pub fn open(disk: &dyn Disk, directory: &Path, origin: &str) -> Result<Self, OpenError> {
        Self::open_with(disk, directory, origin, None)
    }

    /// As [`Self::open`], with the key-encryption key, where that is kept elsewhere.
    ///
    /// # Errors
    /// As [`Self::open`]; or the key is another one, or cannot be reached.
    pub fn open_with(
        disk: &dyn Disk,
        directory: &Path,
        origin: &str,
        kek: Option<&Arc<dyn Kek>>,
    ) -> Result<Self, OpenError> {
        Self::open_apart(disk, directory, directory, origin, kek)
    }

    /// As [`Self::open_with`], of wraps in a directory, such as a backup's, whose key-encryption key lies in another one.
    ///
    /// # Errors
    /// As [`Self::open_with`].
    pub fn open_apart(
        disk: &dyn Disk,
        directory: &Path,
        keks: &Path,
        origin: &str,
        kek: Option<&Arc<dyn Kek>>,
    ) -> Result<Self, OpenError> {
        check(origin)?;
        let (kek_path, wraps_path) = (keks.join(KEK), directory.join(WRAPS));
        let key = rotation::load_counting(disk, keks).map_err(failure(kek_path.clone()))?;
        let key = key.ok_or_else(|| Fault { file: kek_path.clone(), offset: 0, problem: Problem::Kek })?;
        let file = disk.open(&wraps_path, Access::Read).map_err(failure(wraps_path.clone()))?;
        let recovered = recovery::recover(file.as_ref(), &wraps_path, origin, key.mark())?;
        let scheme = Scheme { cipher: recovered.cipher, origin };
        let key = key.ready(kek, recovered.cipher, origin, &kek_path)?;
        Ok(Self { wraps: Wraps::new(file, key, scheme, recovered.index) })
    }

    /// The data key of a part; none when it was destroyed or never kept.
    ///
    /// # Errors
    /// Its wrap does not open, or the disk does not give it.
    pub fn key(&self, chain: ChainId, digest: Hash) -> Result<Option<DataKey>, VaultError> {
        self.wraps.key(chain, digest)
    }
}
