//! Gathering the evidence of a chain: from a ledger's directory, or from a ledger that is served.

use std::{fs, path::Path};

use anyhow::{Context as _, Result, bail, ensure};
use mediation_client::Client;
use mediation_domain::calendar::Day;
use mediation_ledger::{
    bundle::{Evidence, Exported, Proof, ProvedEntry},
    chain::{ChainId, Revision},
    checkpoint::{Checkpoint, SignedCheckpoint},
    ledger::Fold,
    merkle::{Hash, LeafIndex, Tree, TreeSize},
    note::Note,
    part::{Commitment, OpenedPart},
    registry::Registry,
};
use mediation_log_embedded::{
    archive::Archive,
    checkpoint::{LAST, NEW},
    disk::{Disk, RealDisk},
    scan::Expected,
    vault::VaultReader,
    witnessed::WITNESSED,
};
use mediation_proto::mediation::ledger::v1::{ChainEntry, GetChainResponse, PartKind};

use crate::{
    access::{Door, named_chain},
    command::verify::unserved,
    kek,
    layout::Layout,
    manifest::Manifest,
};

/// What shall be proved, and what of it disclosed.
#[derive(Debug)]
pub(crate) struct Wanted {
    /// The chain as people name it.
    pub(crate) chain: String,
    /// Judged as of the end of this day.
    pub(crate) as_of: Day,
    /// Kinds of parts that are not disclosed, in order.
    pub(crate) withhold: Vec<PartKind>,
    /// Who exports, as he says himself.
    pub(crate) exported: Exported,
}

/// Gathers evidence from a directory that nobody serves.
///
/// # Errors
/// The directory holds no intact ledger, somebody serves it, or it has no such chain.
pub(crate) fn from_directory(directory: &Path, wanted: &Wanted) -> Result<Evidence> {
    let layout = Layout::new(directory);
    let bytes = Manifest::bytes(&layout)?;
    let _lock = unserved(directory)?;
    let manifest = Manifest::open(&bytes).context("the manifest is damaged")?;
    let (origin, policy) = (manifest.origin.as_str(), fs::read_to_string(layout.policy())?);
    let signed = last_checkpoint(&layout, &manifest)?;
    let size = signed.checkpoint.size;
    let vault = kek::reader(&layout, &RealDisk, origin)?;
    let mut tree = Tree::new();
    let disk: &dyn Disk = &RealDisk;
    let expected = Expected { origin: origin.to_owned(), covered: Some((size, signed.checkpoint.root)) };
    let chain = named_chain(&wanted.chain, origin);
    let chain = ChainId::parse(&chain).with_context(|| format!("`{chain}` is no chain id"))?;
    let mut last = None;
    let (scan, log) = Archive::read(disk, directory, &expected, &mut |placed| {
        tree.append(placed.leaf_hash);
        if placed.chain == chain {
            last = Some(placed.leaf);
        }
    })?;
    let Some(log) = log else {
        let faults: Vec<String> = scan.faults.iter().map(ToString::to_string).collect();
        bail!("the log is damaged, verify it first: {}", faults.join("; "))
    };
    // The one that witnesses have cosigned proves more, if it proves as much.
    let covers = |witnessed: &SignedCheckpoint| {
        let Checkpoint { size, root, .. } = witnessed.checkpoint;
        last.is_some_and(|last| last.0 < size.0) && tree.root_at(size).is_ok_and(|found| found == root)
    };
    let signed = stored_checkpoint(&layout, &manifest, WITNESSED).ok().filter(covers).unwrap_or(signed);
    let source = Source { log, vault, tree, size: signed.checkpoint.size, origin };
    let entries = source.chain(chain, &wanted.withhold)?;
    ensure!(!entries.is_empty(), "the ledger has no chain {chain} under its checkpoint · 账本中没有该链");
    Ok(Evidence {
        chain,
        as_of: wanted.as_of,
        withhold: wanted.withhold.clone(),
        exported: Some(wanted.exported.clone()),
        policy,
        checkpoint: signed.note,
        registry: source.chain(ChainId::registry(origin), &[])?,
        entries,
        timestamps: Vec::new(),
    })
}

/// An intact log with its vault and tree, to be read.
struct Source<'a> {
    log: Archive,
    vault: VaultReader,
    tree: Tree,
    size: TreeSize,
    origin: &'a str,
}

impl Source<'_> {
    /// The entries of a chain below the checkpoint, without the parts that are withheld.
    fn chain(&self, chain: ChainId, withhold: &[PartKind]) -> Result<Vec<ProvedEntry>> {
        let mut fold = Fold::new(chain);
        let stored = self.log.chain(chain, Revision::FIRST, usize::MAX)?;
        let below = stored.into_iter().filter(|(leaf, _)| leaf.0 < self.size.0);
        below
            .map(|(leaf, stored)| {
                let key = |digest: Hash| self.vault.key(chain, digest).ok().flatten();
                // Only the parts are wanted here: whether an entry counts is for whoever verifies to say.
                let registry = Registry::default();
                let checked =
                    fold.place_record(self.origin, &registry, stored.revision, leaf.into(), &stored.record, &key);
                let path = self.tree.inclusion_path(leaf, self.size)?;
                let parts = disclosed(checked.parts, withhold);
                Ok(ProvedEntry { entry: checked.entry, proof: Proof::Path(leaf, path), parts })
            })
            .collect()
    }
}

fn disclosed(parts: Vec<OpenedPart>, withhold: &[PartKind]) -> Vec<OpenedPart> {
    parts.into_iter().filter(|part| !withhold.contains(&part.commitment.kind)).collect()
}

/// The newest checkpoint that is signed. The one that was not synced may have been spoilt by a power cut.
fn last_checkpoint(layout: &Layout, manifest: &Manifest) -> Result<SignedCheckpoint> {
    let last = stored_checkpoint(layout, manifest, LAST)?;
    let new = stored_checkpoint(layout, manifest, NEW).ok();
    Ok(new.filter(|new| new.checkpoint.size > last.checkpoint.size).unwrap_or(last))
}

fn stored_checkpoint(layout: &Layout, manifest: &Manifest, name: &str) -> Result<SignedCheckpoint> {
    let path = layout.root().join(name);
    let bytes = fs::read(&path).with_context(|| path.display().to_string())?;
    let signed = Checkpoint::open(&bytes, &manifest.origin, &manifest.stored_keys(layout));
    signed.with_context(|| path.display().to_string())
}

/// Gathers evidence from a ledger that is served, as far as an agency may read it.
///
/// # Errors
/// The ledger refuses or is away, or its answers do not belong together.
pub(crate) async fn from_ledger(door: &Door, client: &Client, wanted: &Wanted) -> Result<Evidence> {
    let origin = client.trust().log_key.name().to_string();
    let name = named_chain(&wanted.chain, &origin);
    let chain = ChainId::parse(&name).with_context(|| format!("`{name}` is no chain id"))?;
    // The registry is read later than the chain, so that it lacks nothing that stands below the chain's checkpoint.
    let answered = client.chain(&name, None).await?;
    let leaf = |entry: &ChainEntry| Some(entry.receipt.as_ref()?.seal.as_ref()?.leaf_index);
    let covers = |size: u64| answered.entries.iter().all(|entry| leaf(entry).is_some_and(|leaf| leaf < size));
    let witnessed = client.witnesses().await?;
    // The one that witnesses have cosigned proves more, if it proves as much.
    let note = match (witnessed.witnessed_size, witnessed.witnessed_checkpoint) {
        (Some(size), Some(note)) if covers(size) => note,
        (Some(_) | None, Some(_) | None) => answered.checkpoint.clone(),
    };
    let checkpoint = Note::parse(note.as_bytes())?;
    let size = client.trust().checkpoint(&note)?.size;
    let registry = client.chain(&ChainId::registry(&origin).to_string(), None).await?;
    let mut gathered = Vec::new();
    for (answered, withhold) in [(&answered, wanted.withhold.as_slice()), (&registry, &[])] {
        gathered.push(proved(client, answered, size, withhold).await?);
    }
    let (registry, entries) = (gathered.pop().unwrap_or_default(), gathered.pop().unwrap_or_default());
    Ok(Evidence {
        chain,
        as_of: wanted.as_of,
        withhold: wanted.withhold.clone(),
        exported: Some(wanted.exported.clone()),
        policy: door.policy.clone(),
        checkpoint,
        registry,
        entries,
        timestamps: Vec::new(),
    })
}

async fn proved(
    client: &Client,
    answered: &GetChainResponse,
    size: TreeSize,
    withhold: &[PartKind],
) -> Result<Vec<ProvedEntry>> {
    let is_same = client.trust().checkpoint(&answered.checkpoint)?.size == size;
    let mut entries = Vec::new();
    for entry in &answered.entries {
        let receipt = entry.receipt.as_ref().context("the ledger sent an entry without its receipt")?;
        ensure!(
            !receipt.entry.is_empty(),
            "revision {} of the chain is not for this agency to see: have the evidence exported by one that may see the whole \
             chain, such as the audit · 链上版本 {} 对该机构不可见，请由可知悉全链的机构（如审计）导出证据包",
            receipt.revision,
            receipt.revision
        );
        let Some(seal) = &receipt.seal else { break };
        if seal.leaf_index >= size.0 {
            break;
        }
        let path = if is_same {
            seal.inclusion.clone()
        } else {
            client.inclusion(seal.leaf_index, Some(size.0)).await?.inclusion
        };
        let path = mediation_client::trust::hashes(&path).context("the ledger sent a path that is none")?;
        let proof = Proof::Path(LeafIndex(seal.leaf_index), path);
        let parts = disclosed(shown(entry)?, withhold);
        entries.push(ProvedEntry { entry: receipt.entry.clone(), proof, parts });
    }
    Ok(entries)
}

/// The parts that the ledger shows, not yet compared with their commitments.
fn shown(entry: &ChainEntry) -> Result<Vec<OpenedPart>> {
    let part = |part: &mediation_proto::mediation::ledger::v1::DisclosedPart| {
        let number = u8::try_from(part.number).ok()?;
        let salt = part.salt.as_ref().try_into().ok()?;
        let commitment = Commitment { kind: part.kind(), number, digest: Hash::ZERO };
        Some(OpenedPart { commitment, salt, plaintext: part.plaintext.clone() })
    };
    entry.parts.iter().map(|shown| part(shown).context("the ledger sent a part that is none")).collect()
}
