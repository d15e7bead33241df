//! Chains, as their readers may see them: entries with proofs, and what the judge finds.
//!
//! Who may read a chain says `node.rs`. Its `act` parts are shown to all of them, every other part only to the
//! agency that recorded it.

use std::{collections::VecDeque, pin::Pin, sync::Arc};

use futures_util::Stream;
use mediation_domain::{
    admit::{Caller, Violation},
    calendar::Day,
    history::{EventId, Recorded},
    judge::{Moment, judge},
    rules::RuleSet,
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
    ChainEntry, DisclosedPart, Finding, GetChainRequest, GetChainResponse, Judgement, PartKind, Reason, Seal,
    WatchChainRequest, chain_service_server::ChainService,
};
use tonic::{Request, Response, Status, async_trait};

use crate::{
    desk::stopped,
    judgement,
    node::{Node, SEAL_TIMEOUT, request_id},
    request::chain_id,
    status::Refused,
};

/// Entries of a watched chain.
pub type Entries = Pin<Box<dyn Stream<Item = Result<ChainEntry, Status>> + Send>>;

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
        let as_of = self.as_of(request.as_of.as_deref(), &mut violations);
        let (Some(chain), Some(as_of)) = (chain, as_of) else { return Err(Refused::malformed(violations)) };
        let mut fold = Fold::new(chain);
        let entries = self.node.ledger().catch_up(&mut fold).await?;
        self.node.may_read(&caller, &fold)?;
        // Everything that was read is durable; its seal is at most a moment away.
        let last = fold.next().0.checked_sub(1).map(Revision);
        if let Some(last) = last {
            self.node.seals().wait(chain, last, SEAL_TIMEOUT).await;
        }
        // An appointment may have been recorded since, perhaps by another process.
        let registry = self.node.ledger().refresh_registry().await?;
        let judgement = self.judgement(&entries, &registry, as_of)?;
        let (checkpoint, seals) = self.node.seals().chain(chain);
        let entries = entries.into_iter().zip(seals.into_iter().map(Some).chain(std::iter::repeat(None)));
        let entries = entries.map(|(entry, seal)| shown(&self.node, &caller, chain, entry, seal)).collect();
        Ok(GetChainResponse { entries, checkpoint, judgement: Some(judgement) })
    }

    /// What the judge finds in the acts that count.
    fn judgement(&self, entries: &[CheckedEntry], registry: &Registry, as_of: Day) -> Result<Judgement, Refused> {
        let history: Vec<Recorded> = entries.iter().filter_map(|entry| entry.outcome.as_ref().ok()).cloned().collect();
        // The first act that counts decides: whoever only adds to a chain must not have it judged by rules of his choice.
        let name = rule_set_of(entries).unwrap_or_else(|| self.node.ledger().rule_set());
        let rules = RuleSet::for_chain(name).map_err(|unknown| {
            Refused::new(Reason::RuleSetUnknown)
                .with("rule_set", name)
                .detail(unknown.to_string(), format!("该链首个行为所用规则集为“{name}”"))
        })?;
        let judged = judge(&history, registry.directory(), rules, Moment::end_of(as_of));
        let mut message = judgement::message(&judged, name, as_of);
        message.findings.extend(entries.iter().filter_map(|entry| fault_finding(entry, registry, rules)));
        Ok(message)
    }

    fn as_of(&self, text: Option<&str>, violations: &mut Vec<Violation>) -> Option<Day> {
        let Some(text) = text else { return Some(Day::of(self.node.ledger().clock().now_ms().div_euclid(1000))) };
        let day = Day::parse(text);
        if day.is_none() {
            violations.push(Violation {
                path: "as_of".to_owned(),
                en: "is no day of the form YYYY-MM-DD".to_owned(),
                zh: "不是 YYYY-MM-DD 形式的日期".to_owned(),
            });
        }
        day
    }

    async fn watch(&self, request: Request<WatchChainRequest>) -> Result<Entries, Refused> {
        let caller = self.node.caller(&request)?;
        let request = request.into_inner();
        let mut violations = Vec::new();
        let chain = chain_id(request.chain_id.as_deref(), &mut violations);
        let chain = chain.ok_or_else(|| Refused::malformed(violations))?;
        let mut fold = Fold::new(chain);
        let entries = self.node.ledger().catch_up(&mut fold).await?;
        self.node.may_read(&caller, &fold)?;
        let first =
            entries.into_iter().filter(move |entry| entry.revision.0 >= request.from_revision).collect::<Vec<_>>();
        let watcher = Watcher { chains: self.clone(), caller, fold, ready: first.into() };
        Ok(Box::pin(futures_util::stream::unfold(watcher, Watcher::next)))
    }
}

/// A reader who watches a chain.
struct Watcher<L, V> {
    chains: Chains<L, V>,
    caller: Caller,
    fold: Fold,
    ready: VecDeque<CheckedEntry>,
}

impl<L: Log, V: Vault> Watcher<L, V> {
    async fn next(mut self) -> Option<(Result<ChainEntry, Status>, Self)> {
        let chain = self.fold.chain();
        let mut sealed = self.chains.node.seals().watch();
        loop {
            if let Some(entry) = self.ready.pop_front() {
                let seal = self.chains.node.seals().wait(chain, entry.revision, SEAL_TIMEOUT).await;
                let shown = shown(&self.chains.node, &self.caller, chain, entry, seal);
                return Some((Ok(shown), self));
            }
            let grown = tokio::select! {
                changed = sealed.changed() => changed.is_ok(),
                () = self.chains.node.streams_end() => false,
            };
            if !grown {
                return Some((Err(stopped()), self));
            }
            if let Err(refused) = self.catch_up().await {
                return Some((Err(refused.into_status(&request_id())), self));
            }
        }
    }

    /// Reads what was added. An accusation closes the chain to those who only oversee it, from that entry on.
    async fn catch_up(&mut self) -> Result<(), Refused> {
        let entries = self.chains.node.ledger().catch_up(&mut self.fold).await?;
        self.chains.node.may_read(&self.caller, &self.fold)?;
        self.ready.extend(entries);
        Ok(())
    }
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

/// An entry with the parts that a reader may see.
fn shown<L: Log, V: Vault>(
    node: &Node<L, V>,
    caller: &Caller,
    chain: ChainId,
    entry: CheckedEntry,
    seal: Option<Seal>,
) -> ChainEntry {
    let own = entry.statement.as_ref().is_some_and(|statement| statement.agency == caller.agency);
    let parts = entry
        .parts
        .into_iter()
        .filter(|part| own || part.commitment.kind == PartKind::Act)
        .map(|part| DisclosedPart {
            kind: part.commitment.kind.into(),
            number: u32::from(part.commitment.number),
            salt: part.salt.to_vec().into(),
            plaintext: part.plaintext,
        })
        .collect();
    let fault = entry.outcome.as_ref().err().map(|fault| format!("{}: {fault}", fault.code())).unwrap_or_default();
    let event_id = entry.statement.as_ref().map(|statement| statement.event_id);
    let event_id = event_id.unwrap_or(EventId([0; 16]));
    let placed = Placed { chain, event_id, revision: entry.revision, leaf: entry.leaf, entry: entry.entry };
    ChainEntry { receipt: Some(node.receipt_with(placed, seal)), parts, fault }
}

#[async_trait]
impl<L: Log, V: Vault> ChainService for Chains<L, V> {
    type WatchChainStream = Entries;

    async fn get_chain(&self, request: Request<GetChainRequest>) -> Result<Response<GetChainResponse>, Status> {
        self.chain(request).await.map(Response::new).map_err(|refused| refused.into_status(&request_id()))
    }

    async fn watch_chain(&self, request: Request<WatchChainRequest>) -> Result<Response<Entries>, Status> {
        self.watch(request).await.map(Response::new).map_err(|refused| refused.into_status(&request_id()))
    }
}
