//! `DocketService`: what agencies have to do (待办).

use std::{collections::BTreeSet, sync::Arc};

use futures_util::future::try_join_all;
use mediation_domain::{calendar::Day, catalogue};
use mediation_ledger::{chain::ChainId, log::Log, vault::Vault};
use mediation_projections::model::ROWS_MAX;
use mediation_proto::mediation::{
    ledger::v1::{Duty, ListDutiesRequest, ListDutiesResponse, Reason, docket_service_server::DocketService},
    types::v1::AgencyKind,
};
use tokio::time::Instant;
use tonic::{Request, Response, Status, async_trait};

use crate::{
    even::beat,
    listing::Listed,
    node::{Node, request_id},
    reading::Reads,
    request::violation,
    search::{day, not_ready},
    status::Refused,
};

/// Duties of an answer, unless fewer or more are wanted.
const PAGE_DEFAULT: u32 = 100;

/// Duties of an answer at most, but for those of its last chain, which is told whole: the chain of each is read whole.
const PAGE_MAX: u32 = 500;

/// `DocketService` of a node.
#[derive(Debug)]
pub(crate) struct Docket<L, V> {
    node: Arc<Node<L, V>>,
}

impl<L: Log, V: Vault> Docket<L, V> {
    pub(crate) fn new(node: Arc<Node<L, V>>) -> Self {
        Self { node }
    }

    async fn list(&self, request: Request<ListDutiesRequest>) -> Result<ListDutiesResponse, Refused> {
        let arrived = Instant::now();
        let caller = self.node.caller(&request)?;
        let ListDutiesRequest { reading, agency, due_to, page_size } = request.into_inner();
        let mut violations = Vec::new();
        let page = page_size.unwrap_or(PAGE_DEFAULT);
        if !(1..=PAGE_MAX).contains(&page) {
            violations.push(violation("page_size", "must be 1 to 500", "应为 1 至 500"));
        }
        let due_to = day("due_to", due_to.as_deref(), &mut violations);
        if !violations.is_empty() {
            return Err(Refused::malformed(violations));
        }
        let agency = agency.filter(|agency| !agency.is_empty()).unwrap_or_else(|| caller.agency.clone());
        if agency != caller.agency && caller.kind != AgencyKind::Audit {
            return Err(Refused::new(Reason::ReaderNotEntitled).detail(
                "the duties of another agency are for the audit alone".to_owned(),
                "他机构的待办仅供审计查阅".to_owned(),
            ));
        }
        let registry = self.node.ledger().refresh_registry().await?;
        let now_s = self.node.ledger().clock().now_ms().div_euclid(1_000);
        let reads = Reads::parse(&caller, reading, registry.directory(), now_s)?;
        let in_work = self.node.quotas().begin(&caller.agency).await?;
        let today = self.node.today();
        let page = usize::try_from(page).unwrap_or_default();
        let (found, more) = self.found(&reads, (&agency, due_to), (page, today)).await?;
        drop(in_work);
        let record = |listed: &Listed| self.node.accesses().record(&reads, listed.chain, listed.seen.clone());
        try_join_all(found.iter().map(|(listed, _)| record(listed))).await?;
        let mut duties: Vec<Duty> = found.into_iter().flat_map(|(_, duties)| duties).collect();
        duties.sort_by(|one, other| key(one).cmp(&key(other)));
        // How many chains were looked at that are not for the reader must not show in time.
        beat(arrived).await;
        Ok(ListDutiesResponse { duties, more, as_of: today.to_string() })
    }

    /// Chains with the duties of an agency on them that are due first, and whether there are more. What the index knows and the
    /// reader may not shortens no page, and is none that is still to come.
    async fn found(
        &self,
        reads: &Reads,
        (agency, due_to): (&str, Option<Day>),
        (page, today): (usize, Day),
    ) -> Result<(Vec<(Listed, Vec<Duty>)>, bool), Refused> {
        let rows = self.node.index()?.docket(agency.to_owned(), due_to, ROWS_MAX).await.map_err(not_ready)?;
        let mut more = rows.len() == usize::try_from(ROWS_MAX).unwrap_or_default();
        let (mut looked_at, mut found, mut duties) = (BTreeSet::new(), Vec::new(), 0);
        for row in rows {
            let Some(chain) = ChainId::parse(&row.chain_id).filter(|chain| looked_at.insert(*chain)) else { continue };
            let Some(listed) = self.node.listed(reads, chain, None).await? else { continue };
            let own: Vec<Duty> =
                owed(&listed, agency, today).into_iter().filter(|duty| in_time(duty, due_to)).collect();
            if own.is_empty() {
                continue;
            }
            if duties >= page {
                more = true;
                break;
            }
            duties += own.len();
            found.push((listed, own));
        }
        Ok((found, more))
    }
}

/// What is due first comes first, what has no day last.
fn key(duty: &Duty) -> (bool, &Option<String>, &str, &str, &str) {
    (duty.due.is_none(), &duty.due, &duty.chain_id, &duty.kind, &duty.code)
}

fn in_time(duty: &Duty, due_to: Option<Day>) -> bool {
    let due = duty.due.as_deref().and_then(Day::parse);
    due_to.is_none_or(|to| due.is_some_and(|due| due <= to))
}

/// What an agency has to do on a chain, as far as the reader is told.
fn owed(listed: &Listed, agency: &str, today: Day) -> Vec<Duty> {
    let duty = |kind: &str, code: &str, zh: &str, due: Option<Day>, revision: Option<u64>| Duty {
        chain_id: listed.summary.chain_id.clone(),
        chain_no: listed.summary.chain_no.clone(),
        kind: kind.to_owned(),
        code: code.to_owned(),
        zh: zh.to_owned(),
        due: due.map(|due| due.to_string()),
        days_late: due.map(|due| today.days_after(due)).unwrap_or_default(),
        revision,
        from: None,
    };
    let judged = &listed.judged;
    let runs = judged.clocks.iter().chain(&judged.reminders).filter(|run| run.state.code() == "OPEN");
    let clocks = runs
        .filter(|run| run.obliged.as_deref() == Some(agency))
        .map(|run| duty("CLOCK", run.id, run.zh, run.due.map(|due| due.day()), run.opened_by));
    let waiting = judged.handoffs.iter().filter(|handoff| handoff.answer.code() == "OPEN" && handoff.to == agency);
    let handoffs = waiting.map(|handoff| Duty {
        from: Some(handoff.from.clone()),
        ..duty(
            "HANDOFF",
            handoff.mode,
            catalogue::zh("HandoffMode", handoff.mode).unwrap_or(handoff.mode),
            handoff.due,
            Some(handoff.proposal),
        )
    });
    let recorded_by = |revision: u64| listed.agencies.iter().any(|(at, of)| *at == revision && of == agency);
    let open = judged.obligations.iter().filter(|obligation| obligation.state.code() == "OPEN");
    let obligations = open
        .filter(|obligation| recorded_by(obligation.from))
        .map(|obligation| duty("OBLIGATION", &obligation.id, "当事人义务", obligation.due, Some(obligation.from)));
    handoffs.chain(clocks).chain(obligations).collect()
}

#[async_trait]
impl<L: Log, V: Vault> DocketService for Docket<L, V> {
    async fn list_duties(&self, request: Request<ListDutiesRequest>) -> Result<Response<ListDutiesResponse>, Status> {
        if let Some(relay) = self.node.relay() {
            return relay.list_duties(&self.node, request).await;
        }
        self.list(request).await.map(Response::new).map_err(|refused| refused.into_status(&request_id()))
    }
}
