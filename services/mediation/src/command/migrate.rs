//! `mediation migrate`: moves an embedded ledger into an empty cluster, record by record, in the order of the log.
//!
//! The records stay as they are, so every leaf, root, signature and receipt does. A second run goes on where the first
//! one was cut: what stands there already is compared leaf by leaf, and the same bytes at the same place are no second
//! append.
//!
//! One append is under way at a time, because the cluster's order is the order in which it takes them, and the tree follows
//! from it; consecutive records of one chain go together. So the rate is the number of these runs that the cluster answers in
//! a second, however many nodes and cores there are.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail, ensure};
use bytes::Bytes;
use clap::Args;
use mediation_ledger::{
    chain::Revision,
    heads::Heads,
    log::{Append, AppendError, Followed, Follower, Log},
    merkle::{Frontier, Hash, LeafIndex, TreeSize},
    record::leaf_hash,
    store::CheckpointStore as _,
};
use mediation_log_embedded::{
    Embedded,
    checkpoint::{CheckpointFiles, Names, TREE, TWIN},
    disk::{Disk, RealDisk},
};
use serde_json::json;

use crate::{
    cluster::Cluster,
    config::Config,
    layout::Layout,
    manifest::Manifest,
    output::{self, line},
    process,
};

/// `mediation migrate`
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// 账本目录（须无人正在服务） · Directory of a ledger that nobody serves
    #[arg(long, value_name = "DIR")]
    dir: PathBuf,
    #[command(flatten)]
    cluster: Cluster,
    /// 以 JSON 输出 · Print JSON
    #[arg(long)]
    json: bool,
}

/// Records that are handed over at once; the log bounds what goes into one append.
const BATCH: usize = 64;

/// Silence of the target after which everything that stands there has been seen. When it was only slow, what it did not tell
/// is appended again, which changes nothing.
const SILENCE: Duration = Duration::from_secs(2);

/// Rest before an append is tried again.
const REST: Duration = Duration::from_millis(500);

/// Tries of one append: some ten minutes of a cluster without a majority.
const TRIES: u32 = 240;

/// What was moved.
#[derive(Debug)]
struct Moved {
    size: TreeSize,
    root: Hash,
    /// Entries that stood there before.
    found: TreeSize,
    elapsed: Duration,
}

/// Moves a ledger.
pub(crate) async fn run(arguments: Arguments) -> Result<bool> {
    let layout = Layout::new(&arguments.dir);
    let manifest = Manifest::read(&layout)?;
    let config = Config::read(&layout.config())?;
    let disk: Arc<dyn Disk> = Arc::new(RealDisk);
    let options = process::log_options(manifest.origin.as_str(), manifest.segment_bytes, &config, None);
    let source = Embedded::open(Arc::clone(&disk), &arguments.dir, &options)
        .context("the ledger cannot be opened; stop serving it first · 请先停止账本服务")?;
    let target = arguments.cluster.log().await?;
    let bar = output::progress(source.size().0, "迁移 migrate");
    let moved = migrate(&source, &target, &|done| bar.set_position(done)).await?;
    publish(&target.heads(), last_head(&disk, &arguments.dir, &manifest)?).await?;
    source.close().await;
    bar.finish_and_clear();
    report(&arguments, &moved)
}

fn report(arguments: &Arguments, moved: &Moved) -> Result<bool> {
    let Moved { size, root, found, elapsed } = moved;
    let appended = size.0 - found.0;
    let per_second = u128::from(appended) * 1_000 / elapsed.as_millis().max(1);
    if arguments.json {
        output::json(&json!({
            "size": size.0, "root": root.to_string(), "found": found.0, "appended": appended,
            "milliseconds": elapsed.as_millis(), "entries_per_second": per_second,
        }))?;
        return Ok(true);
    }
    line("迁移完成，树根相同 ✓ · moved, and the roots are equal");
    line(format!("  默克尔树 tree 大小 {size}，根 {root}"));
    line(format!("  新写入 appended {appended}，原已存在 found {found}"));
    line(format!(
        "  每秒条目 entries/s {per_second}（逐条按日志次序写入 · one append at a time, in the order of the log）"
    ));
    line("下一步 · next: mediation provision, mediation serve");
    Ok(true)
}

/// Appends what is missing, and reads everything back: the tree over what the cluster gives must be that of the ledger.
async fn migrate<T: Log>(source: &Embedded, target: &T, progress: &(dyn Fn(u64) + Sync)) -> Result<Moved> {
    let size = source.size();
    let begun = Instant::now();
    let mut arrived = Arrived {
        follower: target.follow(None).await?,
        tree: Frontier::new(),
        leaves: source.follow(None).await?,
        due: Vec::new().into_iter(),
    };
    while arrived.tree.size() < size {
        let told = tokio::time::timeout(SILENCE, arrived.take(size)).await;
        let Ok(taken) = told else { break };
        taken?;
        progress(arrived.tree.size().0);
    }
    let found = arrived.tree.size();
    let mut from = found;
    while from < size {
        let count = usize::try_from(size.0 - from.0).unwrap_or(BATCH).min(BATCH);
        let records = source.leaves(LeafIndex(from.0), count).await?;
        let batch: Vec<Append> = records
            .into_iter()
            .map(|stored| Append { chain: stored.chain, expected: stored.revision, record: stored.record })
            .collect();
        from = TreeSize(from.0 + batch.len() as u64);
        append(target, batch).await?;
        progress(from.0);
    }
    let elapsed = begun.elapsed();
    while arrived.tree.size() < size {
        arrived.take(size).await?;
    }
    Ok(Moved { size, root: arrived.tree.root(), found, elapsed })
}

/// What the cluster gives, compared leaf by leaf with the ledger.
struct Arrived<S, T> {
    follower: T,
    tree: Frontier,
    leaves: S,
    due: std::vec::IntoIter<Followed>,
}

impl<S: Follower, T: Follower> Arrived<S, T> {
    async fn take(&mut self, size: TreeSize) -> Result<()> {
        for followed in self.follower.next().await? {
            let index = self.tree.size();
            ensure!(index < size, "the cluster holds more than this ledger: entry {index} is not among its {size}");
            let due = match self.due.next() {
                Some(due) => due,
                None => {
                    self.due = self.leaves.next().await?.into_iter();
                    self.due.next().context("a follower gives at least one record")?
                }
            };
            let (found, leaf) = (leaf_hash(&followed.stored.record), leaf_hash(&due.stored.record));
            if found != leaf {
                bail!(
                    "the cluster holds another ledger: entry {index} there is {found}, here {leaf} · 集群中已有其他账本"
                );
            }
            self.tree.append(found);
        }
        Ok(())
    }
}

/// Appends a batch, again and again while the cluster is away or cannot say how it ended.
async fn append<T: Log>(target: &T, batch: Vec<Append>) -> Result<()> {
    let mut tries = 0;
    loop {
        match target.append_batch(batch.clone()).await {
            Ok(()) => return Ok(()),
            Err(error @ (AppendError::Unknown(_) | AppendError::Unavailable(_) | AppendError::Full { .. }))
                if tries < TRIES =>
            {
                tries += 1;
                tracing::warn!(%error, tries, "the cluster did not take a batch; trying again");
                tokio::time::sleep(REST).await;
            }
            Err(error) => return Err(error).context("the cluster does not take the records · 集群拒绝写入"),
        }
    }
}

/// The last checkpoint of the ledger, and that of its twin, as a record of the heads' stream.
fn last_head(disk: &Arc<dyn Disk>, directory: &Path, manifest: &Manifest) -> Result<String> {
    let stored = |names: Names| CheckpointFiles::named(Arc::clone(disk), directory.to_owned(), names).load();
    let note = stored(TREE)?.synced.context("the ledger has no checkpoint; `mediation serve` signs one")?;
    let twin = if manifest.twin_key.is_some() { stored(TWIN)?.synced } else { None };
    Ok(match twin {
        Some(twin) => format!("{note}\n{twin}"),
        None => note,
    })
}

/// The last checkpoint of the ledger is the first head of the cluster, unless there are heads already.
async fn publish<H: Heads>(heads: &H, note: String) -> Result<()> {
    if heads.last(1).await?.is_empty() {
        heads.append(Revision::FIRST, Bytes::from(note)).await?;
    }
    Ok(())
}
