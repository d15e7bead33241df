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
    io::{self, BufRead, BufReader, Read as _, Seek as _, SeekFrom, Write as _},
    path::Path,
    sync::{Mutex, PoisonError},
};

use anyhow::{Context as _, Result, ensure};
use mediation_domain::history::EventId;
use mediation_ledger::{chain::ChainId, merkle::Hash, vault::Vault};
use mediation_projections::eraser::Journal;

use crate::durable::sync_directory;

/// Bytes of a row at most, with its line feed: two ids and a digest have fewer.
const ROW_BYTES_MAX: u64 = 256;

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
        if !is_new {
            require_file(fs::metadata(path), path)?;
        }
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path);
        let mut file = file.with_context(|| format!("cannot open `{}`", path.display()))?;
        if is_new {
            sync_directory(path)?;
        }
        let (rows, whole) = rows(&file, path)?;
        // What a crash cut short goes, so that the next row begins where one ended.
        file.set_len(whole)?;
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
    match fs::metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Rows::new()),
        found => require_file(found, path)?,
    }
    let file = File::open(path).with_context(|| format!("cannot read `{}`", path.display()))?;
    rows(&file, path).map(|(rows, _whole)| rows)
}

/// Opening a pipe would wait for somebody who writes to it, and a device may have no end.
fn require_file(found: io::Result<fs::Metadata>, path: &Path) -> Result<()> {
    let found = found.with_context(|| format!("cannot read `{}`", path.display()))?;
    ensure!(found.is_file(), "`{}` is no file", path.display());
    Ok(())
}

/// The whole rows of a journal, and their bytes.
fn rows(file: &File, path: &Path) -> Result<(Rows, u64)> {
    let mut reader = BufReader::new(file);
    let (mut rows, mut whole, mut line) = (Rows::new(), 0, Vec::new());
    for number in 1_u64.. {
        let unreadable = || format!("cannot read `{}`", path.display());
        let damaged = || format!("row {number} of `{}` is damaged", path.display());
        line.clear();
        reader.by_ref().take(ROW_BYTES_MAX).read_until(b'\n', &mut line).with_context(unreadable)?;
        let Some(row) = line.strip_suffix(b"\n") else {
            // A crash cut it short, unless a row ends after all, further on than any can.
            ensure!(!ends_later(&mut reader).with_context(unreadable)?, damaged());
            break;
        };
        let row = str::from_utf8(row).ok().and_then(parse).with_context(damaged)?;
        rows.entry((row.0, row.1)).or_default().insert(row.2);
        whole += line.len() as u64;
    }
    Ok((rows, whole))
}

/// Whether there is a line feed further on.
fn ends_later(reader: &mut impl BufRead) -> io::Result<bool> {
    loop {
        let bytes = reader.fill_buf()?;
        if bytes.is_empty() || bytes.contains(&b'\n') {
            return Ok(!bytes.is_empty());
        }
        let bytes = bytes.len();
        reader.consume(bytes);
    }
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
        // Zeros that a file system has put behind what it could not write are cut, whatever their number.
        let bytes = fs::read(&path).unwrap();
        fs::write(&path, [bytes.as_slice(), &[0; 5_000]].concat()).unwrap();
        assert_eq!(Erased::open(&path).unwrap().noted(chain, order).len(), 3);
        assert_eq!(fs::read(&path).unwrap(), bytes);
        for damaged in [b"x\n".to_vec(), b"\xff\n".to_vec(), [vec![b'1'; 5_000], b"\n".to_vec()].concat()] {
            fs::write(&path, damaged).unwrap();
            let told = Erased::open(&path).unwrap_err().to_string();
            assert!(told.starts_with("row 1 of") && told.contains("erased"), "{told}");
            read(&path).unwrap_err();
        }
    }
}
