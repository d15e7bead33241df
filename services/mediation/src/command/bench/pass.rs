//! What is done once from the beginning to the end: the log replayed, its signatures checked again, cases judged, the model built.

use std::{
    collections::BTreeMap,
    path::Path,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail, ensure};
use bytes::Bytes;
use mediation_client::Trust;
use mediation_domain::case::Case;
use mediation_ledger::{
    chain::ChainId,
    checkpoint::Checkpoint,
    entry::Entry,
    ledger::{Fault, Fold},
    log::Order,
    merkle::{Frontier, Hash, hash_leaf},
    registry::Registry,
    statement::Statement,
};
use mediation_proto::mediation::ledger::v1::{
    GetCheckpointRequest, MirrorLeavesRequest, MirrorLeavesResponse, MirroredLeaf, log_service_client::LogServiceClient,
};
use tonic::{Streaming, transport::Channel};

use super::{acts::CHAIN_ACTS, load::Taken};
use crate::{
    process::rebuild,
    replay::{BUILT_IN, Judgeable},
};

/// Bytes of an answer with leaves.
const ANSWER_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Leaves as they come in. With `first` the bare server is told how many answers it shall give.
async fn leaves(channel: Channel, first: u64) -> Result<Streaming<MirrorLeavesResponse>> {
    let mut log = LogServiceClient::new(channel).max_decoding_message_size(ANSWER_BYTES_MAX);
    Ok(log.mirror_leaves(MirrorLeavesRequest { first }).await?.into_inner())
}

/// Leaves of an answer of a log that is long enough.
pub(super) const LEAVES: usize = 256;

/// An answer with as many leaves as one has at most: what the bare server gives.
pub(super) async fn leaves_of_an_answer(channel: Channel) -> Result<MirrorLeavesResponse> {
    let first = leaves(channel, 0).await?.message().await?.context("the log has no leaves")?;
    // The ones that were recorded last are those of the load.
    Ok(MirrorLeavesResponse { leaves: first.leaves.into_iter().rev().take(CHAIN_ACTS).cycle().take(LEAVES).collect() })
}

/// Takes in all leaves that come, and looks at none.
pub(super) async fn replay(channel: Channel, first: u64) -> Result<Taken> {
    let mut taken = Taken::new()?;
    let began = Instant::now();
    let mut leaves = leaves(channel, first).await?;
    let mut since = Instant::now();
    while let Some(answer) = leaves.message().await? {
        taken.take(since.elapsed(), answer.leaves.len() as u64);
        since = Instant::now();
    }
    taken.lasted(began.elapsed());
    Ok(taken)
}

/// Takes in the whole log, and checks of every entry its leaf hash, its place and link, and its signature, and of all of them
/// together the root of the tree.
///
/// # Errors
/// The first thing that does not agree.
pub(super) async fn replay_verified(channel: Channel, trust: &Trust, registry: &Registry) -> Result<Taken> {
    let mut taken = Taken::new()?;
    let began = Instant::now();
    let note = LogServiceClient::new(channel.clone()).get_checkpoint(GetCheckpointRequest {}).await?.into_inner();
    let checkpoint = trust.checkpoint(&note.checkpoint)?;
    let mut replayed =
        Replayed { registry, checkpoint, tree: Frontier::new(), folds: BTreeMap::new(), is_rooted: false };
    let mut leaves = leaves(channel, 0).await?;
    let mut since = Instant::now();
    while let Some(answer) = leaves.message().await? {
        let count = answer.leaves.len() as u64;
        answer.leaves.into_iter().try_for_each(|leaf| replayed.take(leaf))?;
        taken.take(since.elapsed(), count);
        since = Instant::now();
    }
    taken.lasted(began.elapsed());
    ensure!(replayed.is_rooted, "the log ended before the checkpoint");
    Ok(taken)
}

/// The log, as far as it was replayed.
struct Replayed<'a> {
    registry: &'a Registry,
    checkpoint: Checkpoint,
    tree: Frontier,
    folds: BTreeMap<ChainId, Fold>,
    is_rooted: bool,
}

impl Replayed<'_> {
    fn take(&mut self, MirroredLeaf { leaf_hash, entry }: MirroredLeaf) -> Result<()> {
        // Of what is not for the reader there is the hash alone.
        let told = Hash(leaf_hash.as_ref().try_into().context("a leaf hash has not 32 bytes")?);
        let leaf = if entry.is_empty() { told } else { hash_leaf(&entry) };
        ensure!(leaf == told, "a leaf is not that of its entry");
        let order = Order::from(self.tree.append(leaf));
        if self.tree.size() == self.checkpoint.size {
            ensure!(self.tree.root() == self.checkpoint.root, "the tree has another root than the checkpoint");
            self.is_rooted = true;
        }
        if entry.is_empty() { Ok(()) } else { self.place(order, entry) }
    }

    fn place(&mut self, order: Order, entry: Bytes) -> Result<()> {
        let statement = Statement::parse(&Entry::parse(&entry)?.statement)?;
        let (chain, revision) = (statement.chain, statement.revision);
        let origin = self.checkpoint.origin.as_str();
        if chain == ChainId::registry(origin) {
            // It was verified when it was read, with its parts.
            return Ok(());
        }
        let fold = self.folds.entry(chain).or_insert_with(|| Fold::new(chain));
        let placed = fold.place_disclosed(origin, self.registry, revision, order, entry, Vec::new());
        match placed.outcome {
            // The parts are not mirrored; everything else is checked before them.
            Ok(_) | Err(Fault::Part(_) | Fault::NotAnAct) => Ok(()),
            Err(fault) => bail!("revision {revision} of chain {chain} does not count: {fault}"),
        }
    }
}

/// Judges the cases that are built in on one core, over and over, for so long.
pub(super) fn judge(during: Duration) -> Result<Taken> {
    let cases = BUILT_IN.iter().map(|(_, text)| Judgeable::of(&Case::parse(text)?)).collect::<Result<Vec<_>>>()?;
    let mut taken = Taken::new()?;
    let began = Instant::now();
    while began.elapsed() < during {
        for case in &cases {
            let since = Instant::now();
            std::hint::black_box(case.judge());
            taken.take(since.elapsed(), case.history.len() as u64);
        }
    }
    taken.lasted(began.elapsed());
    Ok(taken)
}

/// Builds the read model of a directory anew.
pub(super) async fn build(directory: &Path) -> Result<Taken> {
    let mut taken = Taken::new()?;
    let began = Instant::now();
    let rebuilt = Box::pin(rebuild(directory, false, &|_made, _entries| {})).await?;
    taken.take(began.elapsed(), rebuilt.entries);
    taken.lasted(began.elapsed());
    Ok(taken)
}
