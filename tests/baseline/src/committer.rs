//! The one thread that writes: all that waits, with one write and one sync.

use std::{
    fs::{File, OpenOptions},
    io,
    os::unix::fs::FileExt as _,
    path::Path,
    thread,
};

use bytes::Bytes;
use tokio::sync::{mpsc, oneshot};

use crate::frontier::Frontier;

/// Bytes of the file: zeros that stand on the disk before anything is appended. At its end it is begun anew.
const FILE_BYTES: u64 = 64 * 1024 * 1024;

/// Bytes that are written at once while it is made.
const ZEROS_BYTES: usize = 64 * 1024;

/// Entries of a group, and entries that may wait.
const GROUP_MAX: usize = 1_024;
const QUEUE: usize = 4_096;

/// An entry that waits to be written.
#[derive(Debug)]
pub(crate) struct Waiting {
    pub(crate) leaf: [u8; 32],
    pub(crate) entry: Bytes,
    /// Told once the entry is durable.
    pub(crate) answer: oneshot::Sender<Durable>,
}

/// An entry that stands on the disk.
#[derive(Debug)]
pub(crate) struct Durable {
    pub(crate) index: u64,
    pub(crate) root: [u8; 32],
}

/// Makes the file, and starts the thread; it ends with the last sender, or with the first error.
pub(crate) fn start(path: &Path) -> io::Result<mpsc::Sender<Waiting>> {
    let file = OpenOptions::new().write(true).create(true).truncate(true).open(path)?;
    for at in (0..FILE_BYTES).step_by(ZEROS_BYTES) {
        file.write_all_at(&[0; ZEROS_BYTES], at)?;
    }
    file.sync_all()?;
    let (sender, queue) = mpsc::channel(QUEUE);
    thread::Builder::new().name("committer".to_owned()).spawn(move || run(&file, queue))?;
    Ok(sender)
}

fn run(file: &File, mut queue: mpsc::Receiver<Waiting>) -> io::Result<()> {
    let (mut frontier, mut end) = (Frontier::default(), 0);
    let (mut bytes, mut told) = (Vec::new(), Vec::new());
    while let Some(first) = queue.blocking_recv() {
        let more = std::iter::from_fn(|| queue.try_recv().ok()).take(GROUP_MAX - 1);
        for Waiting { leaf, entry, answer } in std::iter::once(first).chain(more) {
            bytes.extend_from_slice(&(entry.len() as u64).to_le_bytes());
            bytes.extend_from_slice(&entry);
            told.push((frontier.append(leaf), answer));
        }
        if end + bytes.len() as u64 > FILE_BYTES {
            end = 0;
        }
        file.write_all_at(&bytes, end)?;
        file.sync_data()?;
        end += bytes.len() as u64;
        bytes.clear();
        let root = frontier.root();
        for (index, answer) in told.drain(..) {
            // Who has gone away need not be told.
            drop(answer.send(Durable { index, root }));
        }
    }
    Ok(())
}
