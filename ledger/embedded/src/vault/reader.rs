//! Keys of a vault that nobody has open, read without changing anything: what a verifier needs.

use std::path::Path;

use mediation_ledger::{
    chain::ChainId,
    merkle::Hash,
    vault::{DataKey, VaultError},
};

use super::{
    KEK, OpenError, WRAPS, check,
    cipher::Scheme,
    failure, kek,
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
        check(origin)?;
        let (kek_path, wraps_path) = (directory.join(KEK), directory.join(WRAPS));
        let key = rotation::load_counting(disk, directory).map_err(failure(kek_path.clone()))?;
        let key = key.ok_or(Fault { file: kek_path, offset: 0, problem: Problem::Kek })?;
        let file = disk.open(&wraps_path, Access::Read).map_err(failure(wraps_path.clone()))?;
        let recovered = recovery::recover(file.as_ref(), &wraps_path, origin, kek::id(&key))?;
        let scheme = Scheme { cipher: recovered.cipher, origin };
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
