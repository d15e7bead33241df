//! The journal of erasures: what was, or is about to be, destroyed in the vault, in clear and outside of it.
//!
//! One row a part, `CHAIN ORDER DIGEST` and a line feed; rows are only added. It holds no content: digests stand in the signed
//! statements of the log too. A vault that is copied back from before an erasure has the keys again, and cannot open the
//! acts that tell of it; what stands here is destroyed in it before anything is served. So this file belongs to the log, and
//! is never copied back from before.
//!
//! A crash while rows are written leaves a last one without a line feed, or some of them: their order was not begun then, and
//! the ones that stand are parts that it reaches. What is missing is added when the order is gone on with.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::{self, File, OpenOptions},
    io::{self, Read as _, Seek as _, SeekFrom, Write as _},
    path::Path,
    sync::{Mutex, PoisonError},
};

use anyhow::{Context as _, Result};
use mediation_domain::history::EventId;
use mediation_ledger::{chain::ChainId, merkle::Hash, vault::Vault};
use mediation_projections::eraser::Journal;

use crate::durable::sync_directory;

/// Parts by chain and order.
pub(crate) type Rows = BTreeMap<(ChainId, EventId), BTreeSet<Hash>>;

/// The journal, open.
#[derive(Debug)]
pub(crate) struct Erased {
    state: Mutex<(File, Rows)>,
}

impl Erased {
    /// Opens the journal, making an empty one where there is none.
    pub(crate) fn open(path: &Path) -> Result<Self> {
        let is_new = !path.exists();
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path);
        let mut file = file.with_context(|| format!("cannot open `{}`", path.display()))?;
        if is_new {
            sync_directory(path)?;
        }
        let mut text = String::new();
        file.read_to_string(&mut text).with_context(|| format!("cannot read `{}`", path.display()))?;
        let (rows, whole) = rows(&text, path)?;
        // What a crash cut short goes, so that the next row begins where one ended.
        file.set_len(whole as u64)?;
        file.seek(SeekFrom::End(0))?;
        Ok(Self { state: Mutex::new((file, rows)) })
    }

    /// Destroys in a vault whatever the journal names: it may be an older one that was copied back. Says how many keys there
    /// were.
    pub(crate) async fn apply<V: Vault>(&self, vault: &V) -> Result<usize> {
        let rows = self.rows();
        let mut destroyed = 0;
        for ((chain, _order), digests) in rows {
            let digests: Vec<Hash> = digests.into_iter().collect();
            destroyed += vault.destroy(chain, &digests).await?;
        }
        Ok(destroyed)
    }

    fn rows(&self) -> Rows {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).1.clone()
    }
}

impl Journal for Erased {
    fn note(&self, chain: ChainId, order: EventId, digests: &BTreeSet<Hash>) -> io::Result<()> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let (file, rows) = &mut *state;
        let text: String = digests.iter().map(|digest| format!("{chain} {order} {digest}\n")).collect();
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        rows.entry((chain, order)).or_default().extend(digests);
        Ok(())
    }

    fn noted(&self, chain: ChainId, order: EventId) -> BTreeSet<Hash> {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.1.get(&(chain, order)).cloned().unwrap_or_default()
    }
}

/// The rows of a journal; none where there is no file.
pub(crate) fn read(path: &Path) -> Result<Rows> {
    match fs::read_to_string(path) {
        Ok(text) => rows(&text, path).map(|(rows, _whole)| rows),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Rows::new()),
        Err(error) => Err(error).with_context(|| format!("cannot read `{}`", path.display())),
    }
}

/// The whole rows of a text, and their bytes.
fn rows(text: &str, path: &Path) -> Result<(Rows, usize)> {
    let whole = text.rfind('\n').map_or(0, |last| last + 1);
    let mut rows = Rows::new();
    for (at, line) in text.get(..whole).unwrap_or_default().lines().enumerate() {
        let row = parse(line).with_context(|| format!("row {} of `{}` is damaged", at + 1, path.display()))?;
        rows.entry((row.0, row.1)).or_default().insert(row.2);
    }
    Ok((rows, whole))
}

fn parse(line: &str) -> Option<(ChainId, EventId, Hash)> {
    let mut words = line.split(' ');
    let (chain, order) = (ChainId::parse(words.next()?)?, EventId::parse(words.next()?)?);
    let digest: [u8; 32] = hex::decode(words.next()?).ok()?.try_into().ok()?;
    words.next().is_none().then_some((chain, order, Hash(digest)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_noted_stands_after_a_crash_in_the_next_row_and_damage_is_told() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("erased");
        let (chain, order) = (ChainId([1; 16]), EventId([2; 16]));
        let digests = BTreeSet::from([Hash([3; 32]), Hash([4; 32])]);
        Erased::open(&path).unwrap().note(chain, order, &digests).unwrap();
        let mut bytes = fs::read(&path).unwrap();
        bytes.extend_from_slice(b"01010101-0101");
        fs::write(&path, &bytes).unwrap();
        let opened = Erased::open(&path).unwrap();
        assert_eq!(opened.noted(chain, order), digests);
        opened.note(chain, order, &BTreeSet::from([Hash([5; 32])])).unwrap();
        assert_eq!(Erased::open(&path).unwrap().noted(chain, order).len(), 3);
        fs::write(&path, "x\n").unwrap();
        assert!(Erased::open(&path).is_err());
    }
}
