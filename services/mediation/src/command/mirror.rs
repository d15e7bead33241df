//! `mediation mirror`: the log in an agency's own hands.
//!
//! ```text
//! hashes       every leaf hash, 32 bytes each: what the log may never take back
//! entries      index in 8 bytes, length in 4, then the entry: those that the agency may know of
//! checkpoint   the last signed checkpoint whose root these hashes give
//! ```
//!
//! Numbers are big-endian. A run that was cut goes on where the files are whole.

use std::{
    fs::{self, File},
    io::{self, Seek as _, SeekFrom, Write as _},
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result, bail, ensure};
use bytes::Bytes;
use clap::Args;
use mediation_ledger::merkle::{Frontier, Hash};
use serde_json::json;

use crate::{
    access::Access,
    durable,
    output::{self, line, progress},
};

/// `mediation mirror`
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    access: Access,
    /// 镜像目录；已有镜像则续写 · Directory of the mirror; one that stands there is carried on
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// 以 JSON 输出 · Print JSON
    #[arg(long)]
    json: bool,
}

/// Fetches what was added, and checks that the log still holds everything that was mirrored before.
pub(crate) async fn run(arguments: Arguments) -> Result<bool> {
    let (client, _registry) = arguments.access.connect().await?;
    fs::create_dir_all(&arguments.out).with_context(|| format!("cannot make `{}`", arguments.out.display()))?;
    let mut mirror = Mirror::open(&arguments.out)?;
    let note = client.checkpoint().await?;
    let checkpoint = client.trust().checkpoint(&note)?;
    let (known, size) = (mirror.tree.size().0, checkpoint.size.0);
    ensure!(
        known <= size,
        "the log has {size} leaves, and {known} are mirrored: it was cut · 日志仅有 {size} 条，镜像已有 {known} 条：日志被截短"
    );
    let bar = progress(size - known, "镜像 mirror");
    let mut leaves = client.mirror(known).await?;
    while mirror.tree.size().0 < size {
        let some = leaves.next().await?;
        ensure!(!some.is_empty(), "the leaves end before the checkpoint does · 条目少于检查点所示");
        let wanted = usize::try_from(size - mirror.tree.size().0).unwrap_or(usize::MAX);
        bar.inc(some.len().min(wanted) as u64);
        some.into_iter().take(wanted).for_each(|(hash, entry)| mirror.take(hash, entry));
    }
    bar.finish_and_clear();
    if mirror.tree.root() != checkpoint.root {
        bail!(
            "the log of the checkpoint at {size} leaves is not the one that was mirrored; nothing was written, keep the mirror as it \
             is: it proves that · 检查点（{size} 条）与镜像不符：日志已被改动。镜像未作更改，请妥善保存作为证据"
        );
    }
    mirror.write(&note)?;
    let Mirror { entries, .. } = mirror;
    if arguments.json {
        output::json(&json!({"size": size, "added": size - known, "entries": entries, "hidden": size - entries}))?;
        return Ok(true);
    }
    line(format!("镜像完整 · the mirror is whole: {}", arguments.out.display()));
    line(format!("  条目 leaves {size}，新增 added {}", size - known));
    line(format!("  可知条目 entries {entries}，仅存哈希 hashes alone {}", size - entries));
    Ok(true)
}

/// A mirror that stands, and what is to be added.
struct Mirror {
    directory: PathBuf,
    tree: Frontier,
    /// Bytes of the files that are whole.
    hashes_bytes: u64,
    entries_bytes: u64,
    new_hashes: Vec<u8>,
    new_entries: Vec<u8>,
    /// Entries, with the new ones.
    entries: u64,
}

impl Mirror {
    /// Reads what is whole: hashes, and the entries of leaves among them.
    fn open(directory: &Path) -> Result<Self> {
        let read = |name: &str| match fs::read(directory.join(name)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
            read => read.with_context(|| format!("cannot read `{}`", directory.join(name).display())),
        };
        let (hashes, kept) = (read(HASHES)?, read(ENTRIES)?);
        let mut tree = Frontier::new();
        let (whole, _torn) = hashes.as_chunks::<HASH_BYTES>();
        for hash in whole {
            tree.append(Hash(*hash));
        }
        let (mut rest, mut entries) = (kept.as_slice(), 0);
        while let Some((index, after)) = entry(rest)
            && index < tree.size().0
        {
            (rest, entries) = (after, entries + 1);
        }
        Ok(Self {
            directory: directory.to_owned(),
            hashes_bytes: (whole.len() * HASH_BYTES) as u64,
            entries_bytes: (kept.len() - rest.len()) as u64,
            tree,
            new_hashes: Vec::new(),
            new_entries: Vec::new(),
            entries,
        })
    }

    fn take(&mut self, hash: Hash, entry: Option<Bytes>) {
        let index = self.tree.append(hash);
        self.new_hashes.extend_from_slice(&hash.0);
        // An entry is far smaller than what a length can say.
        if let Some(entry) = entry
            && let Ok(length) = u32::try_from(entry.len())
        {
            self.new_entries.extend_from_slice(&index.0.to_be_bytes());
            self.new_entries.extend_from_slice(&length.to_be_bytes());
            self.new_entries.extend_from_slice(&entry);
            self.entries += 1;
        }
    }

    /// Entries first: an entry without its hash is dropped by the next run, a hash without its entry would not be missed.
    fn write(&self, note: &str) -> Result<()> {
        append(&self.directory.join(ENTRIES), self.entries_bytes, &self.new_entries)?;
        append(&self.directory.join(HASHES), self.hashes_bytes, &self.new_hashes)?;
        let path = self.directory.join(CHECKPOINT);
        durable::replace(&path, &path.with_extension("new"), note.as_bytes())
    }
}

const HASHES: &str = "hashes";
const ENTRIES: &str = "entries";
const CHECKPOINT: &str = "checkpoint";
const HASH_BYTES: usize = 32;

/// The index of the entry at the beginning of these bytes, and what stands after it; none where it is cut.
fn entry(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let (index, rest) = bytes.split_first_chunk()?;
    let (length, rest) = rest.split_first_chunk()?;
    let after = rest.get(usize::try_from(u32::from_be_bytes(*length)).ok()?..)?;
    Some((u64::from_be_bytes(*index), after))
}

/// Adds bytes behind those that are whole, durably.
fn append(path: &Path, whole: u64, bytes: &[u8]) -> Result<()> {
    let cannot = || format!("cannot write `{}`", path.display());
    let mut file = File::options().create(true).truncate(false).write(true).open(path).with_context(cannot)?;
    file.set_len(whole).with_context(cannot)?;
    file.seek(SeekFrom::Start(whole)).with_context(cannot)?;
    file.write_all(bytes).with_context(cannot)?;
    file.sync_all().with_context(cannot)
}
