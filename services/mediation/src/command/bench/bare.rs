//! Bare baselines in this process: writes that are synced, signatures that are made and checked.

use std::{
    fs::{self, File},
    hint::black_box,
    os::unix::fs::FileExt as _,
    path::Path,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use ed25519_dalek::{Signer as _, SigningKey};

use super::load::Taken;

/// Bytes of the file that is written to: zeros that stand on the disk already, as in a segment of the log.
const FILE_BYTES: u64 = 32 * 1024 * 1024;

/// Bytes that are written at once while it is made.
const ZEROS_BYTES: usize = 64 * 1024;

/// Bytes of the message that is signed: what a statement has.
const MESSAGE_BYTES: usize = 500;

/// Writes so many acts of so many bytes at once, and syncs, over and over, for so long.
pub(super) fn syncs(directory: &Path, acts: u64, act_bytes: usize, during: Duration) -> Result<Taken> {
    let path = directory.join("syncs");
    let file = File::create(&path)?;
    for at in (0..FILE_BYTES).step_by(ZEROS_BYTES) {
        file.write_all_at(&[0; ZEROS_BYTES], at)?;
    }
    file.sync_all()?;
    let group = vec![0x5a; act_bytes * usize::try_from(acts)?];
    ensure!(group.len() as u64 <= FILE_BYTES, "a group of {} bytes is too large", group.len());
    let mut taken = Taken::new()?;
    let (began, mut end) = (Instant::now(), 0);
    while began.elapsed() < during {
        if end + group.len() as u64 > FILE_BYTES {
            end = 0;
        }
        let since = Instant::now();
        file.write_all_at(&group, end)?;
        file.sync_data()?;
        taken.take(since.elapsed(), acts);
        end += group.len() as u64;
    }
    taken.lasted(began.elapsed());
    drop(file);
    fs::remove_file(&path).with_context(|| format!("cannot remove `{}`", path.display()))?;
    Ok(taken)
}

/// Signs on one core, for so long.
pub(super) fn signs(during: Duration) -> Result<Taken> {
    let key = key();
    over_and_over(during, || {
        black_box(key.sign(black_box(&[0x5a; MESSAGE_BYTES])));
        Ok(())
    })
}

/// Checks signatures on one core, strictly, for so long.
pub(super) fn verifies(during: Duration) -> Result<Taken> {
    let (key, message) = (key(), [0x5a; MESSAGE_BYTES]);
    let (public, signature) = (key.verifying_key(), key.sign(&message));
    over_and_over(during, || Ok(public.verify_strict(black_box(&message), black_box(&signature))?))
}

/// Any key: nothing that it signs is kept.
fn key() -> SigningKey {
    SigningKey::from_bytes(&[7; 32])
}

fn over_and_over(during: Duration, mut work: impl FnMut() -> Result<()>) -> Result<Taken> {
    let mut taken = Taken::new()?;
    let began = Instant::now();
    while began.elapsed() < during {
        let since = Instant::now();
        work()?;
        taken.take(since.elapsed(), 1);
    }
    taken.lasted(began.elapsed());
    Ok(taken)
}
