//! A chain as the ledger shows it, verified entry by entry with public keys alone.

use std::collections::BTreeMap;

use bytes::Bytes;
use mediation_ledger::{
    chain::{ChainId, Revision},
    checkpoint::Checkpoint,
    ledger::{CheckedEntry, Fault, Fold},
    merkle::{Hash, LeafIndex},
    note::VerifierKey,
    part::{self, OpenedPart},
    registry::Registry,
};
use mediation_proto::mediation::{
    ledger::v1::{ChainEntry, ClosedPart, Existence, GetChainResponse, Judgement},
    types::v1::{Identity, VisibilityGrade},
};

use crate::{
    client::{Client, ClientError},
    trust::{Trust, TrustError},
};

/// As of when a chain is read; without anything, as of now.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Replay {
    /// Judged as of the end of this day, YYYY-MM-DD.
    pub as_of: Option<String>,
    /// As it was known at this instant, YYYY-MM-DDTHH:MM:SS+08:00.
    pub known_at: Option<String>,
    /// As it was known when the entry of this revision was recorded.
    pub through_revision: Option<u64>,
}

/// A verified chain.
#[derive(Debug, Clone)]
pub struct VerifiedChain {
    /// Entries that the reader may know of, in the order of their revisions, with their leaf indexes.
    pub entries: Vec<(LeafIndex, CheckedEntry)>,
    /// Entries of which he is shown the leaf hash alone: that they stand in the log is proved, and nothing else.
    pub hidden: Vec<HiddenEntry>,
    /// What the ledger says of the acts beside what it shows of them, by revision.
    pub told: BTreeMap<Revision, ToldAct>,
    /// Checkpoint that all of them are proved under.
    pub checkpoint: Checkpoint,
    /// The checkpoint's note.
    pub note: String,
    /// What the ledger's judge found.
    pub judgement: Judgement,
    /// Entries at the end of the chain that were left out, since they were not known as of when it was read. The ledger's word.
    pub left_out: u64,
    /// The registry, when this is its chain.
    pub registry: Option<Registry>,
}

impl VerifiedChain {
    /// Whether an entry is of a later business day than the one as of which the chain was judged: it is proved, and not judged.
    #[must_use]
    pub fn is_later(&self, entry: &CheckedEntry) -> bool {
        entry.statement.as_ref().is_some_and(|statement| statement.occurred_after(&self.judgement.as_of))
    }
}

/// An entry that the reader may not know more of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HiddenEntry {
    /// Place in the chain.
    pub revision: Revision,
    /// Place in the log.
    pub index: LeafIndex,
    /// Leaf hash.
    pub leaf: Hash,
    /// Code of the finding that it is, where it does not count; else empty. The ledger's word.
    pub fault: String,
}

/// What the ledger says of an act beside the parts that it shows. No commitment covers it.
#[derive(Debug, Clone, PartialEq)]
pub struct ToldAct {
    /// How much of it the reader sees; none where nothing was decided.
    pub grade: Option<VisibilityGrade>,
    /// Rule that decided.
    pub rule: String,
    /// That it was done, and how it ended, where that alone is shown.
    pub existence: Option<Existence>,
    /// Masked identities.
    pub masked: Vec<Identity>,
    /// Parts that an order closes to everybody.
    pub closed: Vec<ClosedPart>,
}

impl Client {
    /// Reads the registry chain, from its pinned genesis on, and verifies it. An entry that does not count is skipped,
    /// as every reader skips it: whoever can append could otherwise shut out all clients.
    ///
    /// # Errors
    /// The ledger refuses or is away; an entry is not proved, or not shown whole; genesis or log key is another one.
    pub async fn registry(&self, genesis: Option<Hash>) -> Result<Registry, ClientError> {
        let chain = ChainId::registry(self.trust().log_key.name().as_str());
        let verified = self.verified_chain(&chain.to_string(), None, &Registry::default()).await?;
        for (_, entry) in &verified.entries {
            match &entry.outcome {
                Ok(_) if entry.withheld.is_empty() => {}
                Ok(_) | Err(Fault::Part(_)) => {
                    return Err(TrustError::RegistryWithheld { revision: entry.revision }.into());
                }
                Err(fault) => tracing::warn!(revision = %entry.revision, %fault, "an entry of the registry is skipped"),
            }
        }
        let registry = verified.registry.ok_or(TrustError::NoRegistry)?;
        if genesis.is_some_and(|genesis| registry.genesis() != Some(genesis)) {
            return Err(TrustError::OtherGenesis.into());
        }
        let named = |trusted: &VerifierKey| registry.log_keys().iter().any(|key| key.vkey == trusted.to_string());
        if !self.trust().log_keys().all(named) {
            return Err(TrustError::OtherLogKey.into());
        }
        Ok(registry)
    }

    /// Leaves of the registry chain with the parts that are shown, in the order of their places. Nothing is verified: for
    /// who has the leaves from elsewhere, and checks the parts against their commitments.
    ///
    /// # Errors
    /// The ledger refuses or is away, or its answer is malformed.
    pub async fn registry_entries(&self) -> Result<Vec<(Bytes, Vec<OpenedPart>)>, ClientError> {
        let chain = ChainId::registry(self.trust().log_key.name().as_str());
        let response = self.chain(&chain.to_string(), None).await?;
        let entry = |entry: &ChainEntry| {
            let receipt = entry.receipt.as_ref().ok_or(TrustError::SealMissing)?;
            Ok((receipt.entry.clone(), disclosed(entry)?))
        };
        response.entries.iter().map(entry).collect()
    }

    /// Reads a chain and verifies it: every entry's inclusion under the checkpoint, its link, its signature, and the
    /// commitment of every part that is shown.
    ///
    /// # Errors
    /// The ledger refuses or is away, or an entry is not proved. An entry that is proved and does not count says so.
    pub async fn verified_chain(
        &self,
        chain_id: &str,
        as_of: Option<String>,
        registry: &Registry,
    ) -> Result<VerifiedChain, ClientError> {
        self.replayed_chain(chain_id, Replay { as_of, ..Replay::default() }, registry).await
    }

    /// As [`verified_chain`](Self::verified_chain), as of when it is asked for.
    ///
    /// # Errors
    /// As there.
    pub async fn replayed_chain(
        &self,
        chain_id: &str,
        replay: Replay,
        registry: &Registry,
    ) -> Result<VerifiedChain, ClientError> {
        let response = self.replay(chain_id, replay).await?;
        let chain = ChainId::parse(chain_id).ok_or(ClientError::Incomplete("chain id"))?;
        Ok(self.trust().chain(chain, response, registry)?)
    }
}

impl Trust {
    /// Verifies a chain as it was answered.
    ///
    /// # Errors
    /// The first entry that is not proved.
    pub fn chain(
        &self,
        chain: ChainId,
        response: GetChainResponse,
        registry: &Registry,
    ) -> Result<VerifiedChain, TrustError> {
        let checkpoint = self.checkpoint(&response.checkpoint)?;
        let origin = self.log_key.name().as_str();
        let mut fold = Fold::new(chain);
        let mut entries = Vec::with_capacity(response.entries.len());
        let (mut hidden, mut told) = (Vec::new(), BTreeMap::new());
        for (revision, entry) in (0..).map(Revision).zip(&response.entries) {
            let receipt = entry.receipt.as_ref().ok_or(TrustError::SealMissing)?;
            if receipt.entry.is_empty() {
                let (index, leaf) = self.verify_placeholder(receipt, &checkpoint)?;
                fold.pass_hidden(leaf);
                hidden.push(HiddenEntry { revision, index, leaf, fault: entry.fault.clone() });
                continue;
            }
            let proved = self.verify_inclusion(receipt, &checkpoint)?;
            told.insert(revision, told_of(entry));
            let parts = disclosed(entry)?;
            let checked = fold.place_disclosed(origin, registry, revision, proved.into(), receipt.entry.clone(), parts);
            entries.push((proved, checked));
        }
        let judgement = response.judgement.unwrap_or_default();
        let registry = fold.registry().cloned();
        let (note, left_out) = (response.checkpoint, response.left_out);
        Ok(VerifiedChain { entries, hidden, told, checkpoint, note, judgement, left_out, registry })
    }
}

fn told_of(entry: &ChainEntry) -> ToldAct {
    let grade = entry.grade.and_then(|grade| VisibilityGrade::try_from(grade).ok());
    let (rule, existence, masked) = (entry.rule.clone(), entry.existence.clone(), entry.masked.clone());
    ToldAct { grade, rule, existence, masked, closed: entry.closed.clone() }
}

fn disclosed(entry: &ChainEntry) -> Result<Vec<OpenedPart>, TrustError> {
    entry.parts.iter().map(|shown| part::disclosed(shown).ok_or(TrustError::MalformedPart)).collect()
}
