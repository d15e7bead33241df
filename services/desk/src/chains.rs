//! Chains, as their readers may see them: entries with proofs, and what the judge finds.
//!
//! ```text
//! caller ← certificate; who reads, and why ← request
//! every act of the chain ─ Viewed by the reader ─ nothing at all? refused, as if there were no such chain
//!                                               ─ what he will see ─ recorded, durably ─ then shown
//! ```
//!
//! A process that holds no vault sees too little to decide: it passes the request on to the one that does (`relay.rs`).

use std::sync::Arc;

use mediation_domain::{
    calendar::Day,
    history::{EventId, Recorded},
    judge::{Judgement as Judged, Moment, judge},
    rules::RuleSet,
    visibility::{Grade, told},
};
use mediation_ledger::{
    chain::{ChainId, Revision},
    ledger::{CheckedEntry, Fault, Fold, SIGNER_INVALID, rule_set_of},
    log::Log,
    recorder::Placed,
    registry::Registry,
    vault::Vault,
};
use mediation_proto::mediation::ledger::v1::{
    ChainEntry, Finding, GetChainRequest, GetChainResponse, Judgement, Reason, Receipt, Seal, WatchChainRequest,
    chain_service_server::ChainService,
};
use tonic::{Request, Response, Status, async_trait};

use crate::{
    accesses::Seen,
    disclosure::{View, open, seen, view},
    judgement,
    node::{Node, SEAL_TIMEOUT, request_id},
    reading::Reads,
    replay::Replay,
    request::chain_id,
    status::Refused,
    watched::{self, Entries},
};

/// `ChainService` of a node.
#[derive(Debug)]
pub struct Chains<L, V> {
    node: Arc<Node<L, V>>,
}

impl<L, V> Clone for Chains<L, V> {
    fn clone(&self) -> Self {
        Self { node: Arc::clone(&self.node) }
    }
}

/// For whom a chain is read.
#[derive(Debug)]
pub(crate) enum Audience {
    /// The registry chain of the ledger is open: nobody is asked who reads it.
    Everybody { agency: String },
    /// Every other chain is for who may see it, and that he reads it is recorded.
    Reader(Reads),
}

/// A chain as a process has read it: all of it decides what an act is to a reader.
pub(crate) struct Read<'r> {
    pub(crate) fold: &'r Fold,
    pub(crate) entries: &'r [CheckedEntry],
    /// The acts that count.
    pub(crate) history: &'r [Recorded],
}

/// A chain that was read, as it is shown.
pub(crate) struct Shown {
    /// Of the entries that were known, from the first on that was asked for.
    pub(crate) views: Vec<View>,
    /// What the record of the reading says; nothing where nobody asks who reads.
    pub(crate) seen: Vec<Seen>,
    /// What the judge finds, and the day at whose end.
    judged: Option<(Judged, Day)>,
    /// Whether findings about every agency are for the reader.
    all_findings: bool,
}

impl<L: Log, V: Vault> Chains<L, V> {
    /// The service of this node.
    #[must_use]
    pub fn new(node: Arc<Node<L, V>>) -> Self {
        Self { node }
    }

    async fn chain(&self, request: Request<GetChainRequest>) -> Result<GetChainResponse, Refused> {
        let caller = self.node.caller(&request)?;
        let request = request.into_inner();
        let mut violations = Vec::new();
        let chain = chain_id(request.chain_id.as_deref(), &mut violations);
        let (as_of, known_at) = (request.as_of.as_deref(), request.known_at.as_deref());
        let replay = Replay::parse(as_of, known_at, request.through_revision, &mut violations);
        let Some(chain) = chain.filter(|_| violations.is_empty()) else { return Err(Refused::malformed(violations)) };
        let audience = self.node.audience(&caller, chain, request.reading)?;
        self.node.not_denied(&audience, chain).await?;
        let in_work = self.node.quotas().begin(&caller.agency).await?;
        let mut fold = Fold::new(chain);
        let mut entries = self.node.ledger().catch_up(&mut fold).await?;
        // An appointment may have been recorded since, perhaps by another process.
        let registry = self.node.ledger().refresh_registry().await?;
        let history: Vec<Recorded> = entries.iter().filter_map(|entry| entry.outcome.as_ref().ok()).cloned().collect();
        let read = Read { fold: &fold, entries: &entries, history: &history };
        let mut shown = self.node.shown(&audience, &read, &registry, (Revision::FIRST, Some(&replay)))?;
        if let Audience::Reader(reads) = &audience {
            self.node.accesses().record(reads, chain, std::mem::take(&mut shown.seen)).await?;
        }
        drop(in_work);
        // Everything that was read is durable; its seal is at most a moment away.
        if let Some(last) = entries.last() {
            self.node.seals().wait(chain, last.revision, SEAL_TIMEOUT).await;
        }
        let left_out = entries.len().saturating_sub(shown.views.len()) as u64;
        entries.truncate(shown.views.len());
        let judgement = self.judgement(&entries, &registry, &audience, &shown)?;
        let (checkpoint, seals) = self.node.seals().chain(chain);
        let seals = seals.into_iter().map(Some).chain(std::iter::repeat(None));
        let entries = entries.into_iter().zip(shown.views).zip(seals);
        let entries = entries.map(|((entry, view), seal)| sent(&self.node, chain, entry, view, seal)).collect();
        Ok(GetChainResponse { entries, checkpoint, judgement: Some(judgement), left_out })
    }

    fn judgement(
        &self,
        entries: &[CheckedEntry],
        registry: &Registry,
        audience: &Audience,
        shown: &Shown,
    ) -> Result<Judgement, Refused> {
        let Some((judged, as_of)) = &shown.judged else { return Ok(Judgement::default()) };
        let name = rule_set_of(entries).unwrap_or_else(|| self.node.ledger().rule_set());
        let mut message = judgement::message(judged, name, *as_of);
        let rules = self.node.rules(entries)?;
        let agency = match audience {
            Audience::Everybody { agency } => agency,
            Audience::Reader(reads) => &reads.agency,
        };
        let faults = entries.iter().filter_map(|entry| fault_finding(entry, registry, rules));
        message.findings.extend(faults.filter(|found| shown.all_findings || found.agency.as_ref() == Some(agency)));
        Ok(message)
    }
}

impl<L: Log, V: Vault> Node<L, V> {
    /// What is shown of the entries from a revision on, once that is recorded. Where it is said as of when, what was not known
    /// then is left out, and the rest is judged.
    ///
    /// # Errors
    /// The reader may not know of the chain, or what he asks for is not there.
    pub(crate) fn shown(
        &self,
        audience: &Audience,
        read: &Read<'_>,
        registry: &Arc<Registry>,
        (first, replay): (Revision, Option<&Replay>),
    ) -> Result<Shown, Refused> {
        let entries = read.entries;
        let known = |is_seen: &dyn Fn(u64) -> bool| replay.map_or(Ok(entries), |replay| replay.known(entries, is_seen));
        let judge = |known: &[CheckedEntry], is_seen: &dyn Fn(u64) -> bool| {
            let as_of = replay.map(|replay| replay.day(known, is_seen, self.today()));
            as_of.map(|as_of| self.judged(known, read.history, registry, as_of)).transpose()
        };
        let reads = match audience {
            Audience::Everybody { agency } => {
                let known = known(&|_| true)?;
                let views = from(known, first).iter().map(|entry| open(agency, entry)).collect();
                return Ok(Shown { views, seen: Vec::new(), judged: judge(known, &|_| true)?, all_findings: true });
            }
            Audience::Reader(reads) => reads,
        };
        self.look(read.history, registry, &reads.reader(), |sight| {
            self.may_know(reads, (read.fold, registry), sight)?;
            // What he may know is decided by the whole chain, as it is now.
            let is_seen = |revision| sight.grade(revision) >= Grade::Existence;
            let known = known(&is_seen)?;
            let asked = from(known, first);
            let views: Vec<View> = asked.iter().map(|entry| view(sight, entry)).collect();
            let counting = asked.iter().zip(&views);
            let counting = counting.filter_map(|(entry, view)| Some((entry.outcome.as_ref().ok()?, view)));
            let seen = seen(counting, asked.len() == known.len());
            let judged = judge(known, &is_seen)?.map(|(judged, as_of)| (told(judged, sight), as_of));
            Ok(Shown { views, seen, judged, all_findings: sight.sees_all_findings() })
        })
    }

    /// What the judge finds in the acts that count of the entries that were known, as of the end of a day.
    fn judged(
        &self,
        known: &[CheckedEntry],
        history: &[Recorded],
        registry: &Registry,
        as_of: Day,
    ) -> Result<(Judged, Day), Refused> {
        let rules = self.rules(known)?;
        let end = known.last().map_or(0, |last| last.revision.0 + 1);
        let history = history.get(..history.partition_point(|act| act.revision < end)).unwrap_or_default();
        Ok((judge(history, registry.directory(), rules, Moment::end_of(as_of)), as_of))
    }

    /// The first act that counts decides: whoever only adds to a chain must not have it judged by rules of his choice.
    fn rules(&self, entries: &[CheckedEntry]) -> Result<&'static RuleSet, Refused> {
        let name = rule_set_of(entries).unwrap_or_else(|| self.ledger().rule_set());
        RuleSet::for_chain(name).map_err(|unknown| {
            Refused::new(Reason::RuleSetUnknown)
                .with("rule_set", name)
                .detail(unknown.to_string(), format!("该链首个行为所用规则集为“{name}”"))
        })
    }
}

/// The entries from a revision on.
pub(crate) fn from(entries: &[CheckedEntry], first: Revision) -> &[CheckedEntry] {
    entries.get(entries.partition_point(|entry| entry.revision < first)..).unwrap_or_default()
}

/// The finding that an entry is which does not count, or whose key was revoked afterwards as of an instant before it. The
/// judge sees neither: the one is no act of the chain, and of keys he knows nothing.
fn fault_finding(entry: &CheckedEntry, registry: &Registry, rules: &RuleSet) -> Option<Finding> {
    let late = entry.late_revocation(registry).map(|_| SIGNER_INVALID);
    let rule = rules.invariant(entry.outcome.as_ref().err().map(Fault::code).or(late)?)?;
    Some(Finding {
        code: rule.code.clone(),
        revision: Some(entry.revision.0),
        agency: entry.statement.as_ref().map(|statement| statement.agency.clone()),
        severity: rule.severity.letter().to_owned(),
        article: rule.legal_source.clone(),
        zh: rule.zh.clone(),
        ..Finding::default()
    })
}

/// An entry as it is sent to a reader.
pub(crate) fn sent<L: Log, V: Vault>(
    node: &Node<L, V>,
    chain: ChainId,
    entry: CheckedEntry,
    view: View,
    seal: Option<Seal>,
) -> ChainEntry {
    let View { entry: is_shown, grade, rule, parts, masked, existence, closed, fault, .. } = view;
    let event_id = entry.statement.as_ref().map(|statement| statement.event_id);
    let event_id = event_id.unwrap_or(EventId([0; 16]));
    let placed = Placed { chain, event_id, revision: entry.revision, leaf: entry.leaf, entry: entry.entry };
    let mut receipt = node.receipt_with(placed, seal);
    if !is_shown {
        receipt = Receipt { event_id: String::new(), entry: bytes::Bytes::new(), ..receipt };
    }
    let grade = grade.map(Into::into);
    ChainEntry { receipt: Some(receipt), parts, fault, grade, rule, existence, masked, closed }
}

#[async_trait]
impl<L: Log, V: Vault> ChainService for Chains<L, V> {
    type WatchChainStream = Entries;

    async fn get_chain(&self, request: Request<GetChainRequest>) -> Result<Response<GetChainResponse>, Status> {
        if let Some(relay) = self.node.relay() {
            return relay.get_chain(&self.node, request).await;
        }
        self.chain(request).await.map(Response::new).map_err(|refused| refused.into_status(&request_id()))
    }

    async fn watch_chain(&self, request: Request<WatchChainRequest>) -> Result<Response<Entries>, Status> {
        if let Some(relay) = self.node.relay() {
            return relay.watch_chain(&self.node, request).await;
        }
        watched::watch(&self.node, request)
            .await
            .map(Response::new)
            .map_err(|refused| refused.into_status(&request_id()))
    }
}
