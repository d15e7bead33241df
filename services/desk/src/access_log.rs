//! Who has read a chain: the records of readings, looked up on the access chains of all agencies.
//!
//! The records stand by reader, month for month, and are asked for by chain. The access chains are folded once, and from then on
//! only the one of the running month of each agency is read again.

use std::{collections::BTreeMap, sync::Arc};

use mediation_domain::{calendar::Day, history::Recorded};
use mediation_ledger::{
    chain::{ChainId, Revision},
    ledger::{Fold, Ledger, LedgerError},
    log::Log,
    vault::Vault,
};
use mediation_proto::mediation::{
    ledger::v1::{
        AccessRow, ListAccessesRequest, ListAccessesResponse, access_service_server::AccessService, act::Family,
    },
    registry::v1::{AccessDenied, RecordAccessed, registry_act},
};
use tokio::sync::Mutex;
use tonic::{Request, Response, Status, async_trait};

use crate::{
    chains::Audience,
    node::{Node, request_id},
    reading::Reads,
    request::{chain_id, violation},
    status::Refused,
};

/// Rows of an answer, unless fewer or more are wanted.
const PAGE_DEFAULT: usize = 100;

/// Rows of an answer at most.
const PAGE_MAX: usize = 1_000;

/// `AccessService` of a node.
#[derive(Debug)]
pub(crate) struct AccessLog<L, V> {
    node: Arc<Node<L, V>>,
    known: Arc<Mutex<Known>>,
}

/// The access chains as far as they were read.
#[derive(Debug, Default)]
struct Known {
    /// By agency and month.
    folds: BTreeMap<(String, String), Fold>,
    /// Records by the chain that was read, in the order in which they were found.
    rows: BTreeMap<String, Vec<AccessRow>>,
}

impl<L: Log, V: Vault> AccessLog<L, V> {
    pub(crate) fn new(node: Arc<Node<L, V>>) -> Self {
        Self { node, known: Arc::default() }
    }

    async fn list(&self, request: Request<ListAccessesRequest>) -> Result<ListAccessesResponse, Refused> {
        let caller = self.node.caller(&request)?;
        let ListAccessesRequest { chain_id: id, reading, page_size, page_token } = request.into_inner();
        let mut violations = Vec::new();
        let chain = chain_id(id.as_deref(), &mut violations);
        let page = page_size.map_or(PAGE_DEFAULT, |size| usize::try_from(size).unwrap_or(usize::MAX));
        if !(1..=PAGE_MAX).contains(&page) {
            violations.push(violation("page_size", "must be 1 to 1000", "应为 1 至 1000"));
        }
        let skipped = page_token.as_deref().map_or(Some(0), |token| token.parse::<usize>().ok());
        if skipped.is_none() {
            violations.push(violation("page_token", "is none that was answered", "不是应答给出的翻页标记"));
        }
        let (Some(chain), Some(skipped), true) = (chain, skipped, violations.is_empty()) else {
            return Err(Refused::malformed(violations));
        };
        let audience = self.node.audience(&caller, chain, reading)?;
        self.node.not_denied(&audience, chain).await?;
        let Audience::Reader(reads) = audience else { return Ok(ListAccessesResponse::default()) };
        let (opened_ms, all) = self.check(&reads, chain).await?;
        let mut known = self.known.lock().await;
        if let Err(error) = known.catch_up(self.node.ledger(), opened_ms).await {
            // A chain may have been read in part: the next one who asks begins anew.
            *known = Known::default();
            return Err(error.into());
        }
        let mut rows = known.rows.get(&chain.to_string()).cloned().unwrap_or_default();
        drop(known);
        // The last first; two of one moment in the order of their chains.
        rows.sort_by(|one, other| other.recorded_at.cmp(&one.recorded_at).then(one.revision.cmp(&other.revision)));
        let more = rows.len() > skipped.saturating_add(page);
        let rows = rows.into_iter().skip(skipped).take(page).map(|row| told(row, &reads, all)).collect();
        let next_page_token = if more { (skipped + page).to_string() } else { String::new() };
        Ok(ListAccessesResponse { rows, next_page_token })
    }

    /// Whether the reader may know of the chain; says when it was opened, and whether all is told to him.
    async fn check(&self, reads: &Reads, chain: ChainId) -> Result<(i64, bool), Refused> {
        let ledger = self.node.ledger();
        let mut fold = Fold::new(chain);
        let entries = ledger.catch_up(&mut fold).await?;
        let registry = ledger.refresh_registry().await?;
        let history: Vec<Recorded> = entries.into_iter().filter_map(|entry| entry.outcome.ok()).collect();
        self.node.look(&history, &registry, &reads.reader(), |sight| {
            self.node.may_know(reads, (&fold, &registry), sight)?;
            Ok((history.first().map_or(0, |first| first.recorded_at), sight.is_audit()))
        })
    }
}

/// A record as a reader is told it: the official of another agency only to the audit.
fn told(row: AccessRow, reads: &Reads, all: bool) -> AccessRow {
    if all || row.agency == reads.agency { row } else { AccessRow { reader: String::new(), ..row } }
}

impl Known {
    /// Reads what was recorded since, on the access chains of all agencies from the month on in which a chain was opened.
    async fn catch_up<L: Log, V: Vault>(&mut self, ledger: &Ledger<L, V>, opened_ms: i64) -> Result<(), LedgerError> {
        let registry = ledger.registry();
        let months = months(opened_ms, ledger.clock().now_ms());
        for (agency, _) in registry.directory().iter() {
            for (at, month) in months.iter().enumerate() {
                let key = (agency.to_owned(), month.clone());
                let is_over = at + 1 < months.len().saturating_sub(1);
                if is_over && self.folds.contains_key(&key) {
                    continue;
                }
                let chain = ChainId::accesses(ledger.origin(), agency, month);
                let mut fold = self.folds.remove(&key).unwrap_or_else(|| Fold::new(chain));
                let read = ledger.catch_up(&mut fold).await?;
                self.folds.insert(key, fold);
                for recorded in read.into_iter().filter_map(|entry| entry.outcome.ok()) {
                    if let Some((of, row)) = row(chain, &recorded) {
                        self.rows.entry(of).or_default().push(row);
                    }
                }
            }
        }
        Ok(())
    }
}

/// `2024-03`, `2024-04`, …: the months from one moment to another.
fn months(from_ms: i64, to_ms: i64) -> Vec<String> {
    let day = |ms: i64| Day::of(ms.div_euclid(1_000));
    let (mut at, last) = (day(from_ms), day(to_ms).month());
    let mut months: Vec<String> = Vec::new();
    loop {
        let month = at.month();
        let is_last = month >= last;
        if months.last() != Some(&month) {
            months.push(month);
        }
        if is_last {
            return months;
        }
        // No month is shorter.
        at = at.plus(28);
    }
}

/// The chain that an act says was read, or was refused, and its row.
fn row(access_chain: ChainId, recorded: &Recorded) -> Option<(String, AccessRow)> {
    let Some(Family::Registry(registry)) = &recorded.act.family else { return None };
    let base = AccessRow {
        recorded_at: u64::try_from(recorded.recorded_at).unwrap_or_default(),
        access_chain_id: access_chain.to_string(),
        revision: Revision(recorded.revision).0,
        ..AccessRow::default()
    };
    let act = registry.act.as_ref()?;
    if let registry_act::Act::RecordAccessed(read) = act {
        let RecordAccessed { steps, parts, grade, purpose, legal_basis, .. } = read.clone();
        let row = AccessRow {
            agency: read.reader_agency().to_owned(),
            reader: read.reader().to_owned(),
            role: read.reader_role().into(),
            purpose,
            grade,
            parts,
            event_ids: steps.into_iter().filter_map(|step| step.event_id).collect(),
            rule: read.rule().to_owned(),
            legal_basis: legal_basis.unwrap_or_default(),
            ..base
        };
        return Some((read.chain().to_owned(), row));
    }
    let registry_act::Act::AccessDenied(denied) = act else { return None };
    let AccessDenied { purpose, refusal, .. } = *denied;
    let row = AccessRow {
        agency: denied.reader_agency().to_owned(),
        reader: denied.reader().to_owned(),
        role: denied.reader_role().into(),
        purpose,
        refusal,
        rule: denied.rule().to_owned(),
        ..base
    };
    Some((denied.chain().to_owned(), row))
}

#[async_trait]
impl<L: Log, V: Vault> AccessService for AccessLog<L, V> {
    async fn list_accesses(
        &self,
        request: Request<ListAccessesRequest>,
    ) -> Result<Response<ListAccessesResponse>, Status> {
        if let Some(relay) = self.node.relay() {
            return relay.list_accesses(&self.node, request).await;
        }
        self.list(request).await.map(Response::new).map_err(|refused| refused.into_status(&request_id()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn months_are_listed_from_the_first_to_the_last() {
        let day = |text: &str| Day::parse(text).unwrap().begin() * 1_000;
        assert_eq!(months(day("2024-01-31"), day("2024-01-31")), ["2024-01"]);
        assert_eq!(
            months(day("2023-11-30"), day("2024-03-01")),
            ["2023-11", "2023-12", "2024-01", "2024-02", "2024-03"]
        );
        assert_eq!(months(day("2024-02-01"), day("2024-01-01")), ["2024-02"]);
    }
}
